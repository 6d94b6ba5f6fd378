"""The optimum of a fit to all digits: Newton's steps from where it ended, by the true second derivatives of its loss.

A fit ends where F is known to be within tol of its minimum, of F: with S the total weight, that is up to
sqrt(2 S F tol) standard errors from it, 0.3 of one at a million rows. What is known at an optimum is taken where S
times the gap, half the squared distance in standard errors, is below 1e-8.

Where there is no penalty and rows can be separated there is no optimum. The parameters are then taken so far along
the separating direction that what it separates costs nothing, and steps are in what the other rows see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg

from skce._checks import InvalidParameterError
from skce._kernels.sigmoid import sigmoid
from skce._links.recovery import LOGITS_OF_CHECK
from skce._solver.curvature.directions import class_directions
from skce._solver.curvature.exact import ExactCurvature, hessian_sums
from skce._solver.curvature.factorisation import inverse_factor
from skce._solver.objective import LinearObjective
from skce._solver.second_derivative import BySecondDerivative
from skce._solver.separation import Recession, dependent_columns, is_program_small, recessions_of
from skce._solver.standardisation import Standardisation
from skce._types import Array
from skce.losses import CrossEntropy

# Parameters whose covariance is computed: half a gigabyte, of which there are a few at once.
MOST_PARAMETERS = 2**13

# S times the gap that is enough, and the one that steps are taken to if rounding lets them: a step of Newton's squares
# its distance, so that the second costs one more.
ENOUGH, AIM = 1e-8, 1e-18

# What a step by an old Hessian has to leave of the gap at most, for there to be another.
GAIN_OF_OLD_HESSIAN = 0.1

# Most steps; fits end less than five from their optimum.
MOST_STEPS = 30

# Range of the change of a row's logits below which a step of Newton's, by the exact Hessian, proves that there is an
# optimum: where rows are separated it moves some of them by 1.
RANGE_OF_PROOF = 0.5

# Least eigenvalue of a Hessian of unit diagonal from which its step proves that. A coefficient that has grown along a
# separating direction until rounding stops it curves F by 1e-16, and the factorisation's ridge keeps its step short.
LEAST_EIGENVALUE = 1e-9

# Steps without that proof after which the linear program is solved.
STEPS_BEFORE_PROGRAM = 4

# Logits by which rows that are separated are put beyond doubt: exp(-60) is 1e-26.
BEYOND_DOUBT = 60.0

# Shares of a step that are tried where F does not fall.
SHARES_OF_STEP = 0.5 ** np.arange(30)

# Ratio of the largest second differences of g on a grid and on one twice as fine: 4 of a smooth g, 2 where it has a
# kink, 1 where it jumps; and what is no more than rounding.
LEAST_RATIO, ROUNDING_OF_DIFFERENCES = 3.0, 1e-11


@dataclass(frozen=True)
class Optimum:
    """Where F is the least: flat ``params`` of a ``problem``, and the ``curvature`` there.

    ``factors`` (f, r, p) are such that their products with themselves, over S, are the inverse of the Hessian of S F in
    the reduced parameters of each problem; ``maps`` (r, p) the same in the flat ones, of all problems. ``missed`` is S
    times the gap, ``value`` is F, and ``value_of_fit`` that at the
    parameters of the fit; ``recessions`` has a Recession for each problem that has no optimum, and is None if
    that is unknown.
    """

    problem: Any
    params: Array
    curvature: Any
    factors: list[Array]
    maps: Array
    missed: float
    value: float
    value_of_fit: float
    recessions: Sequence[Recession | None] | None

    @property
    def n_parameters(self) -> int:
        """Parameters that the rows determine, those included that they send to infinity."""
        return len(self.maps) + sum(len(one.unseen) for one in self.recessions or [] if one is not None)

    @property
    def mean(self) -> Array:
        """Means (d,) of the columns of X, or zeros without an intercept."""
        shift = self.problem.rows.shift
        return self.problem.moments.mean + (0 if shift is None else shift)

    def theta(self, flat: Array, about: Array | None = None) -> Array:
        """Parameters (..., k, p) of X as it was given, the intercept first, for flat ones (..., p k).

        The intercept is the logit where X is ``about`` (d,), or zero.
        """
        problem = self.problem
        matrix = flat.reshape(*flat.shape[:-1], *problem.shape)
        coef = matrix[..., : problem.rows.shape[1], :]
        if problem.fit_intercept:
            shift = problem.rows.shift
            offset = (0 if about is None else about) - (0 if shift is None else shift)
            intercept = matrix[..., -1:, :] + (np.broadcast_to(offset, coef.shape[-2:-1]) @ coef)[..., None, :]
            coef = np.concatenate([intercept, coef], axis=-2)
        return np.swapaxes(coef, -1, -2)

    def covariance(self, middle: Array | None = None, about: Array | None = None) -> Array:
        """Covariance (k p, k p) of ``theta``: the inverse Hessian, or that with ``middle`` (r, r) between two of them.

        ``middle`` is by the coordinates in which the Hessian of F is the identity.
        """
        root = self.theta(self.maps, about).reshape(self.maps.shape)
        return root.T @ (root if middle is None else middle @ root) / self.problem.total


def optimum_of(problem: Any, coef: Array, intercept: Array, names: list[str]) -> Optimum:
    """The Optimum of a problem near coef (k, d) and intercept (k,); ``names`` (d,) are those of the columns."""
    loss = problem.row_loss.loss
    check_twice_differentiable(loss)
    n_parameters = problem.shape[0] * class_directions(problem).size
    if n_parameters > MOST_PARAMETERS:
        raise ValueError(
            f"The model has {n_parameters} parameters, and their covariance as many rows and columns: it is computed "
            f"of no more than {MOST_PARAMETERS}. Fit to fewer features, by SelectFromModel say."
        )
    rows = problem.rows.multiplied_in(np.float64, problem.rows.shift)
    params = problem.flat(*problem.centred(coef.astype(float), intercept.astype(float)))
    problem = replace(problem, rows=rows, row_loss=BySecondDerivative(problem.row_loss))
    if problem.is_every_coef_penalised:
        return _checked(polished(problem, params, [None]))
    dependent = dependent_columns(problem)
    if len(dependent):
        raise ValueError(
            f"The columns {', '.join(names[column] for column in dependent)} depend on each other linearly, and "
            "without a penalty (C=inf) nothing determines their coefficients. Drop one of them (of the indicators of a "
            "factor one, and columns that are constant), or fit with a finite C."
        )
    optimum = polished(problem, params, None)
    if optimum.recessions is None and is_program_small(problem):
        recessions = recessions_of(problem)
        params = optimum.params
        if any(recessions):
            params = params + _far_along(problem, params, recessions)
        optimum = polished(problem, params, recessions, optimum.value_of_fit)
    return _checked(optimum)


def check_twice_differentiable(loss: Any) -> None:
    """Raise unless g of a loss has a derivative: its second differences fall with the square of their step."""
    if type(loss) is CrossEntropy:
        return
    largest = []
    for n_points in (4000, 8000):
        logits = np.linspace(LOGITS_OF_CHECK[0], LOGITS_OF_CHECK[-1], n_points + 1)
        g = np.broadcast_to(loss.g(sigmoid(logits)[0], sigmoid(-logits)[1]), logits.shape)
        largest.append((np.abs(np.diff(g, n=2)).max(), np.abs(g).max()))
    (coarse, size), (fine, _) = largest
    if not np.isfinite(coarse + fine) or (
        fine > ROUNDING_OF_DIFFERENCES * max(size, 1) and coarse < LEAST_RATIO * fine
    ):
        raise InvalidParameterError(
            f"loss must have a second derivative, of which all errors are made, but g of {loss!r} has a kink or a jump."
        )


def polished(problem: Any, params: Array, recessions: Any, value_of_fit: float | None = None) -> Optimum:
    """The Optimum that Newton's steps lead to; they end early where it is unknown whether there is one."""
    objective, total = LinearObjective(problem), problem.total
    standardisation, last = Standardisation.of(problem), np.inf
    n_steps, can_prove = 0, False
    while True:
        function, width = hessian_sums(problem, standardisation)
        values, gradient, sums = objective.with_curvature_sums(params, function, width)
        curvature = ExactCurvature(objective, params, standardisation, sums)
        value = float(values.sum())
        value_of_fit = value if value_of_fit is None else value_of_fit
        factors = _factors(curvature, recessions)
        maps = _maps(problem, curvature, factors)
        slope = maps @ gradient
        missed = total * float(slope @ slope) / 2
        step = -(slope @ maps)
        if n_steps == 0:
            can_prove = type(problem.row_loss.row_loss.loss) is CrossEntropy and _is_well_conditioned(curvature)
        if recessions is None and can_prove and _range(problem, step) < RANGE_OF_PROOF:
            recessions = [None]
        is_unknown = recessions is None and n_steps >= STEPS_BEFORE_PROGRAM and is_program_small(problem)
        is_at_rounding = missed <= ENOUGH and missed > last / 4
        if missed <= AIM or is_at_rounding or is_unknown or n_steps == MOST_STEPS:
            break
        moved = params + step if missed <= ENOUGH else _fallen(objective, params, step, value)
        if moved is None:
            break
        params, last = _by_the_same_hessian(objective, moved, maps, missed)
        n_steps += 1
        # Columns in which this Hessian is about the identity lose nothing to rounding in the next.
        if not any(recessions or []):
            standardisation = curvature.decorrelated()
    return Optimum(problem, params, curvature, factors, maps, missed, value, value_of_fit, recessions)


def _by_the_same_hessian(objective, params, maps, missed):
    """Parameters to which steps by the maps of an old Hessian lead, and S times the gap before the last of them.

    They cost an evaluation, and a Hessian 10 or more: two of these are enough where a fit ended near its optimum.
    """
    for _ in range(MOST_STEPS):
        slope = maps @ objective(params)[1]
        left = objective.total * float(slope @ slope) / 2
        if left <= AIM / 10 or not left <= GAIN_OF_OLD_HESSIAN * missed:
            break
        params, missed = params - slope @ maps, left
    return params, missed


def _checked(optimum):
    """An Optimum, or an error where the loss is not convex and this is no minimum."""
    if optimum.problem.row_loss.is_convex or all(np.linalg.eigvalsh(h)[0] > 0 for h in optimum.curvature.hessians):
        return optimum
    raise ValueError(
        "The second derivatives of the loss at the model's parameters are not positive definite: it is no minimum. "
        "Fit with a smaller tol, or another loss."
    )


def _fallen(objective, params, step, value):
    """Parameters along a step where F has fallen below its ``value``; None if it does nowhere."""
    for share in SHARES_OF_STEP:
        moved = params + share * step
        if objective(moved)[0].sum() < value:
            return moved
    return None


def _is_well_conditioned(curvature):
    """Whether no direction of the parameters curves F so little that rounding decides about its step."""
    for hessian in curvature.hessians:
        scale = np.sqrt(np.maximum(np.diag(hessian), np.finfo(float).tiny))
        if np.linalg.eigvalsh(hessian / scale / scale[:, None])[0] < LEAST_EIGENVALUE:
            return False
    return True


def _range(problem, step):
    """The largest range of the change of a row's logits along a flat step."""
    coef, intercept = problem.split(step)
    are_separate = problem.are_separate

    def program(block):
        logits = block.logits(coef, intercept)
        ranges = np.abs(logits) if are_separate else logits.max(axis=0) - logits.min(axis=0)
        return (np.array([ranges.max()]),)

    return float(problem.rows.gathered(program)[0].max())


def _far_along(problem, params, recessions):
    """The flat displacement that puts what is separated beyond doubt, whatever the logits at ``params``."""
    curvature_free = Standardisation.of(problem)
    classes = class_directions(problem)
    coef, intercept = problem.split(params)
    (largest,) = problem.rows.gathered(lambda block: (np.array([np.abs(block.logits(coef, intercept)).max()]),))
    n_columns = problem.shape[0]
    directions = [np.zeros((n_columns, 1)) if one is None else one.direction for one in recessions]
    flat = curvature_free.to_params(classes.expanded(np.concatenate(directions, axis=1)).copy()).reshape(-1)
    return (BEYOND_DOUBT + 2 * largest.max()) * flat


def _factors(curvature, recessions):
    """Inverse factors (r, p) of the Hessian of each problem, in what rows that are not separated see."""
    factors = list(curvature.factors)
    for number, recession in enumerate(recessions or []):
        if recession is not None:
            seen = scipy.linalg.null_space(recession.unseen.reshape(len(recession.unseen), factors[number].shape[1])).T
            factors[number] = inverse_factor(seen @ curvature.hessians[number] @ seen.T) @ seen if len(seen) else seen
    return factors


def _maps(problem, curvature, factors):
    """The ``factors`` of all problems as displacements (r, p) of the flat parameters."""
    n_columns, n_outputs = problem.shape
    standardisation, classes = curvature.standardisation, curvature.classes
    if not problem.are_separate:
        (factor,) = factors
        by_class = classes.expanded(factor.reshape(len(factor), n_columns, classes.size))
        return standardisation.to_params(by_class.copy()).reshape(len(factor), n_columns * n_outputs)
    maps = []
    for output, factor in enumerate(factors):
        by_class = np.zeros((len(factor), n_columns, n_outputs))
        by_class[:, :, output] = standardisation.to_params(factor[:, :, None].copy())[:, :, 0]
        maps.append(by_class.reshape(len(factor), n_columns * n_outputs))
    return np.concatenate(maps)
