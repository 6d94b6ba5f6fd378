"""The path: the minima of one problem for ridges that fall, each from where those before lead.

The minimum moves with the ridge r of the penalty along

    d params / d log(1/r)  =  H^-1 r coef

with H the Hessian of F there. Where H is affordable it gives that tangent, and the last two minima with their tangents
a cubic, which leads so near to the next that a sweep for F, its gradient and H, and one for the certificate of Newton's
step, are mostly enough. Where it is not, the last two minima lead to the next start. Moments are found once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skce._solver.certificate import dual_bound, has_dual_bound
from skce._solver.curvature.exact import ExactCurvature, hessian_sums
from skce._solver.curvature.ladder import is_hessian_affordable
from skce._solver.descent import Descent, Point
from skce._solver.minimisation import minimised
from skce._solver.objective import LinearObjective
from skce._solver.problem import Problem
from skce._solver.second_derivative import exact_curvature
from skce._solver.solution import Solution
from skce._solver.standardisation import Standardisation
from skce._solver.training import solver_for
from skce._types import Array, Penalty

# Newton's steps from where the path leads, after which the minimisation of a single problem takes over.
MOST_STEPS = 4


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
    """The ``solution`` of a ``problem`` of a path, and its ExactCurvature there; None where it is too dear."""

    problem: Problem
    solution: Solution
    curvature: ExactCurvature | None


def minima_of_path(
    problem: Problem,
    penalties: Sequence[Penalty],
    *,
    tol: float,
    max_iter: int,
    start: tuple[Array, Array] | None = None,
) -> Iterator[Minimum]:
    """Yield the Minimum of a problem for each of ``penalties``, whose ridges fall.

    The first is found from ``start``, a pair of coef (k, d) and intercept (k,), if that is given.
    """
    has_hessian = is_hessian_affordable(LinearObjective(problem))
    if has_hessian and problem.row_loss.has_exact_curvature:
        problem = problem.in_float64()
    way = _Way()
    for penalty in penalties:
        of_ridge = replace(problem, penalty=penalty)
        has_steps = has_hessian and of_ridge.row_loss.has_exact_curvature and has_dual_bound(of_ridge)
        if way.is_empty or not problem.shape[1]:
            solution = solver_for(of_ridge)(of_ridge, start, tol=tol, max_iter=max_iter, watch=Unwatched())
            minimum = Minimum(of_ridge, solution.unless_interrupted(), None)
        else:
            # What rounding leaves of a shift of all classes would grow fivefold with each extrapolation.
            params = problem.flat(*problem.centred(*problem.coef_intercept(way.leads_to(penalty.ridge))))
            minimum = (
                _by_newton(of_ridge, params, way.last, tol, max_iter)
                if has_steps
                else _minimised(of_ridge, [params, way.last], tol, max_iter)
            )
        if has_steps and of_ridge.shape[1] and minimum.curvature is None:
            minimum = _with_curvature(minimum)
        yield minimum
        way.passes(minimum)


class _Way:
    """The minima that a path has passed, of which the last two lead to the next."""

    def __init__(self):
        self.passed = []

    @property
    def is_empty(self):
        """Whether nothing has been passed."""
        return not self.passed

    @property
    def last(self):
        """Parameters of the last minimum."""
        return self.passed[-1][1]

    def passes(self, minimum):
        """Remember a Minimum, and its tangent if its curvature is known."""
        problem, params, tangent = minimum.problem, minimum.solution.params, None
        ridge, curvature = problem.penalty.ridge, minimum.curvature
        if curvature is not None:
            tangent = _tangent(problem, params, curvature)
        if ridge > 0:
            self.passed = [*self.passed[-1:], (-np.log(ridge), params, tangent)]

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


def _tangent(problem, params, curvature):
    """The rate, flat, at which the minimum moves as the logarithm of the ridge falls."""
    of_penalty = np.zeros(problem.shape)
    coef = problem.split(params)[0]
    of_penalty[: len(coef)] = problem.penalty.ridge * coef
    return curvature.to_params(curvature.pull_back(of_penalty.reshape(-1)))


def _by_newton(problem, params, last, tol, max_iter):
    """The Minimum near some parameters by Newton's steps, or from the lowest of these and the last if these fail."""
    objective, standardisation = LinearObjective(problem), Standardisation.of(problem)
    function, width = hessian_sums(problem, standardisation)
    descent: Any = None
    for _ in range(min(MOST_STEPS, max_iter + 1)):
        values, gradient, sums = objective.with_curvature_sums(params, function, width)
        point = Point(params, values, gradient)
        if descent is None:
            descent = Descent(objective, point, [point.value], [1.0], 1, 1.0, np.zeros(objective.n_problems, bool))
        elif descent.remembered(point) is descent.best:
            descent.record(point.value)
        if descent.best is not point or not np.isfinite(gradient).all():
            break
        curvature = ExactCurvature(objective, params, standardisation, sums)
        slope = curvature.pull_back(gradient)
        descent.suboptimality = descent.relative(curvature.decrements(slope))
        step = -curvature.to_params(slope)
        if descent.suboptimality <= tol:
            sweeps, descent.gap_bound = dual_bound(problem, params, step, target=tol * point.value)
            descent.n_passes += sweeps
            if descent.gap_bound <= tol * point.value:
                return Minimum(problem, _solution(descent), curvature)
        params = params + step
    return _minimised(problem, [descent.best.params, last], tol, max_iter, descent.n_passes)


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
    return Minimum(problem, replace(solution, pass_curve=pass_curve), None)


def _with_curvature(minimum):
    """A Minimum with the curvature there, for one more pass."""
    problem, solution = minimum.problem, minimum.solution
    curvature = exact_curvature(problem, solution.params)
    pass_curve = (*solution.pass_curve[:-1], solution.n_passes + 1)
    return replace(minimum, solution=replace(solution, pass_curve=pass_curve), curvature=curvature)
