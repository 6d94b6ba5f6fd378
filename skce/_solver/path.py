"""The path: the minima of one problem for ridges that fall, each from where those before lead.

The minimum moves with the ridge r of the penalty along

    d params / d log(1/r)  =  H^-1 r coef

with H the Hessian of F there. Where H is affordable it gives that tangent, and the last two minima with their tangents
a cubic, which leads so near to the next that a sweep for F, its gradient and H, and one for the certificate of where
Newton's step leads, are mostly enough. Where it is not, the last two minima lead to the next start. Moments are found
once, and so are the columns that H is of.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skce._solver.certificate import bound_after, dual_bound, has_dual_bound
from skce._solver.curvature.exact import ExactCurvature, hessian_sums
from skce._solver.curvature.ladder import is_hessian_affordable, rungs_for
from skce._solver.descent import Descent, Point
from skce._solver.minimisation import minimised
from skce._solver.objective import LinearObjective
from skce._solver.problem import Problem
from skce._solver.second_derivative import exact_curvature
from skce._solver.solution import Solution
from skce._solver.standardisation import Standardisation
from skce._solver.training import solver_for
from skce._types import Array, Penalty

# Newton's steps from where the path leads, after which the minimisation of a single problem takes over. With 4, and
# none where F rose, 20 values of page blocks took 8.1 passes each, and 6.9 with 10.
MOST_STEPS = 10

# How much shorter a step is that did not lower F, and how often.
SHORTER, MOST_SHORTER = 0.3, 5

# What a step may promise, of F, at most, for the certificate of where it leads to be looked at. Of nine tables a
# promise of 2e-4 left less than 1e-7, or as good as that, but where rows were about to saturate; one of 1e-3 more.
NEAR = 3e-4

# Evaluations that a Hessian costs above which it is not computed anew for what such a step leads to: on iris, wine and
# page blocks it takes less time than what takes its place.
DEAR = 3.0

# Share of what such a step promised that it may leave, for the Hessian that it was of to do for that of where it leads.
# On digits written by pen, where few rows curve F, starts were 100 times as far off with one of 3e-2.
STEADY = 3e-3

# How far along a tangent the gradient tells what the Hessian makes of it, in logarithms of the ridge.
DIFFERENCE = 1e-4


class Unwatched:
    """A watch that nobody asked for."""

    def before_iteration(self, iterate):
        """Nothing is told."""

    def after_iteration(self, iterate):
        """Nothing stops it."""
        return False

    def during_stage(self, descent):
        """Nothing is told."""

    def after_stage(self, descent):
        """Nothing is told."""


@dataclass(frozen=True, eq=False)
class Minimum:
    """The ``solution`` of a ``problem`` of a path, and its ExactCurvature; None where it is too dear.

    That is of the minimum, or of where the last step to it came from. The minimum moves along ``tangent``, flat, as the
    logarithm of the ridge falls.
    """

    problem: Problem
    solution: Solution
    curvature: ExactCurvature | None = None
    tangent: Array | None = None


def minima_of_path(
    problem: Problem,
    penalties: Sequence[Penalty],
    *,
    tol: float,
    max_iter: int,
    start: tuple[Array, Array] | None = None,
    dear: float = DEAR,
) -> Iterator[Minimum]:
    """Yield the Minimum of a problem for each of ``penalties``, whose ridges fall.

    The first is found from ``start``, a pair of coef (k, d) and intercept (k,), if that is given. Where a Hessian costs
    more than ``dear``, in evaluations, one next to a minimum does for that there.
    """
    has_hessian = is_hessian_affordable(LinearObjective(problem))
    if has_hessian and problem.row_loss.has_exact_curvature:
        problem = problem.in_float64()
    way, standardisation = Way(dear), Standardisation.of(replace(problem, penalty=penalties[-1]))
    for penalty in penalties:
        of_ridge = replace(problem, penalty=penalty)
        has_steps = has_hessian and of_ridge.row_loss.has_exact_curvature and has_dual_bound(of_ridge)
        if way.is_empty or not problem.shape[1]:
            solution = solver_for(of_ridge)(of_ridge, start, tol=tol, max_iter=max_iter, watch=Unwatched())
            minimum = Minimum(of_ridge, solution.unless_interrupted())
        else:
            params = without_shift(problem, way.leads_to(penalty.ridge))
            minimum = (
                _by_newton(of_ridge, params, way, standardisation, tol, max_iter)
                if has_steps
                else _minimised(of_ridge, [params, way.last], tol, max_iter)
            )
        if has_steps and of_ridge.shape[1] and minimum.curvature is None:
            minimum = _with_curvature(minimum, standardisation)
        yield minimum
        way.passes(minimum)


class Way:
    """The minima that a path has passed, of which the last two lead to the next."""

    def __init__(self, dear=DEAR):
        self.passed = []
        self.dear, self.bend = dear, 0.0
        self.last_minimum: Any = None

    @property
    def is_empty(self):
        """Whether nothing has been passed."""
        return not self.passed

    @property
    def last(self):
        """Parameters of the last minimum."""
        return self.passed[-1][1]

    def passes(self, minimum):
        """Remember a Minimum."""
        self.last_minimum = minimum
        self.reaches(minimum.problem.penalty.ridge, minimum.solution.params, minimum.tangent)

    def value_of_last(self, problem):
        """F of a problem, of another ridge, at the last minimum, or where the last step to it came from."""
        coef, _ = problem.split(self.last)
        more = problem.penalty.ridge - self.last_minimum.problem.penalty.ridge
        return self.last_minimum.solution.value + more / 2 * float(np.vdot(coef, coef))

    def reaches(self, ridge, params, tangent):
        """Remember that for a ridge, flat or of many problems (f, p), and its tangent or None."""
        if ridge > 0:
            self.passed = [*self.passed[-1:], (-np.log(ridge), params, tangent)]

    def has_learned(self, promised, left):
        """Take what a step that ``promised`` some of F, relative to it, has ``left`` of that for what others leave."""
        self.bend = left / promised**2

    def promises_left(self, promised):
        """What a step is to leave of F, relative to it, if it promises so much: about the square of that."""
        return self.bend * promised**2

    def leads_to(self, ridge):
        """Parameters that are near the minimum for a ridge."""
        last, params, tangent = self.passed[-1]
        if not ridge > 0:
            return params
        ahead = -np.log(ridge) - last
        if len(self.passed) == 1:
            return params if tangent is None else params + ahead * tangent
        before, params_before, tangent_before = self.passed[0]
        length = last - before
        if not length > 0:
            return params
        secant = (params - params_before) / length
        if tangent is None or tangent_before is None:
            return params + ahead * secant
        # The cubic through both minima, along both tangents.
        share = ahead / length
        bend, twist = tangent - secant, tangent + tangent_before - 2 * secant
        return params + ahead * (tangent + share * (bend + (1 + share) * twist))


def without_shift(problem, params):
    """Parameters (..., p) without what all classes share, if the loss does not see it.

    What rounding leaves of it would grow fivefold with each extrapolation.
    """
    if not problem.is_centred:
        return params
    by_output = params.reshape(-1, problem.shape[1])
    return (by_output - by_output.mean(axis=1, keepdims=True)).reshape(params.shape)


def _tangent(problem, params, curvature):
    """The rate, flat, at which the minimum moves as the logarithm of the ridge falls."""
    return -curvature.newton_step(slope_of_penalty(problem, params))[0]


def _tangent_near(objective, point, curvature):
    """The same at a Point next to that of a curvature: an evaluation tells what the Hessian there makes of it."""
    slope = slope_of_penalty(objective.problem, point.params)
    tangent = -curvature.newton_step(slope)[0]
    _, gradient = objective(point.params + DIFFERENCE * tangent)
    missed, _ = curvature.newton_step((gradient - point.gradient) / DIFFERENCE - slope)
    return tangent + missed


def slope_of_penalty(problem, params):
    """What the ridge has of the gradient, flat."""
    of_penalty = np.zeros(problem.shape)
    coef = problem.split(params)[0]
    of_penalty[: len(coef)] = problem.penalty.ridge * coef
    return of_penalty.reshape(-1)


def _by_newton(problem, params, way, standardisation, tol, max_iter):
    """The Minimum near some parameters by Newton's steps, or from the lowest of these and the last if these fail."""
    objective = LinearObjective(problem)
    function, width = hessian_sums(problem, standardisation)
    is_dear = rungs_for(objective)[-1].cost > way.dear
    descent: Any = None
    step: Any = None
    promised, n_before = np.inf, 0.0
    for _ in range(min(MOST_STEPS, max_iter + 1)):
        values, gradient, sums = objective.with_curvature_sums(params, function, width)
        point = Point(params, values, gradient)
        if descent is None:
            if not point.value <= way.value_of_last(problem) and params is not way.last:
                n_before, params = 1.0, way.last
                continue
            none = np.zeros(objective.n_problems, bool)
            descent = Descent(objective, point, [point.value], [n_before + 1], 1, n_before + 1, none)
        elif params is descent.best.params:
            descent.best = point
            descent.n_passes += 1
        elif descent.remembered(point) is descent.best:
            descent.record(point.value)
        if descent.best is not point:
            params = _lower_along(descent, step)
            if params is None:
                break
            descent.record(descent.best.value)
            continue
        if not np.isfinite(gradient).all():
            break
        curvature = ExactCurvature(objective, params, standardisation, sums)
        step, decrements = curvature.newton_step(gradient)
        before, promised = promised, descent.relative(decrements)
        descent.suboptimality = promised
        if before < np.inf:
            way.has_learned(before, promised)
        if promised <= tol:
            sweeps, descent.gap_bound = dual_bound(problem, params, step, target=tol * point.value)
            descent.n_passes += sweeps
            if descent.gap_bound <= tol * point.value:
                return Minimum(problem, _solution(descent), curvature, _tangent(problem, params, curvature))
        elif (
            is_dear and promised <= NEAR and way.promises_left(promised) <= tol and len(descent.loss_curve) <= max_iter
        ):
            descent.gap_bound = bound_after(descent, step, tol)
            left = descent.gap_bound / descent.best.value
            way.has_learned(promised, left)
            if descent.best is point:
                break
            descent.record(descent.best.value)
            if left <= tol:
                descent.suboptimality = left
                return _near_minimum(descent, curvature, promised)
            params = descent.best.params
            continue
        params = params + step
    if descent is None:
        return _minimised(problem, [way.last], tol, max_iter, n_before)
    return _minimised(problem, [descent.best.params, way.last], tol, max_iter, descent.n_passes)


def _lower_along(descent, step):
    """Parameters along a step from the best point, which was too long, where F is lower; None if it is nowhere."""
    start = descent.best
    for _ in range(MOST_SHORTER):
        step = SHORTER * step
        descent.evaluated(start.params + step)
        if descent.best is not start:
            return descent.best.params
    return None


def _near_minimum(descent, curvature, promised):
    """The Minimum where a step that ``promised`` some of F led to, from where a curvature is of."""
    objective, point = descent.objective, descent.best
    if descent.suboptimality > STEADY * promised:
        return _with_curvature(Minimum(objective.problem, _solution(descent)), curvature.standardisation)
    descent.n_passes += 1
    return Minimum(objective.problem, _solution(descent), curvature, _tangent_near(objective, point, curvature))


def _solution(descent):
    """The Solution at the best point of a descent that was certified."""
    value = descent.best.value
    return Solution(
        descent.best.params,
        value,
        min(descent.suboptimality, descent.gap_bound / max(value, np.finfo(float).tiny)),
        descent.gap_bound,
        tuple(descent.loss_curve),
        (*descent.pass_curve[:-1], descent.n_passes),
        descent.n_evaluations,
        "converged",
    )


def _minimised(problem, starts, tol, max_iter, n_passes=0.0):
    """The Minimum as that of a single problem, from the best of ``starts``, before which there were passes."""
    solution = minimised(problem, starts, tol=tol, max_iter=max_iter, watch=Unwatched()).unless_interrupted()
    pass_curve = tuple(n_passes + some for some in solution.pass_curve)
    return Minimum(problem, replace(solution, pass_curve=pass_curve))


def _with_curvature(minimum, standardisation):
    """A Minimum with the curvature there, for one more pass."""
    problem, solution = minimum.problem, minimum.solution
    curvature = exact_curvature(problem, solution.params, standardisation)
    pass_curve = (*solution.pass_curve[:-1], solution.n_passes + 1)
    tangent = _tangent(problem, solution.params, curvature)
    return Minimum(problem, replace(solution, pass_curve=pass_curve), curvature, tangent)
