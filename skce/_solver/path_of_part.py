"""The path of a part of the rows, from that of all: a fold's fits next to those of all rows.

A fold's minimum is near that of all rows, and so is its Hessian. In the coordinates of theirs L-BFGS finds it, for an
evaluation a step; what that learns of how the Hessians differ serves at the next values too, as only the ridge is
another one there. Where as many evaluations as a Hessian costs were not enough, the next coordinates are those of one
of the fold itself, from which the next value starts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from skce._solver.curvature.exact import ExactCurvature, hessian_sums
from skce._solver.curvature.ladder import rungs_for
from skce._solver.minimisation import minimised
from skce._solver.objective import LinearObjective
from skce._solver.path import Minimum, Unwatched
from skce._solver.path_by_own_hessians import StepsByOwnHessians, solution_after
from skce._solver.problem import Problem
from skce._solver.secants import StackedSecants
from skce._solver.solution import Solution
from skce._types import Array, Penalty

# Evaluations that a Hessian of the fold costs up to which each value has one. Page blocks, 2.5, took 0.5 of the time of
# steps by Hessians of all rows, and white wine, 4.3, 1.15 of it.
CHEAP = 3.0

# Evaluations, and Hessians, at most for a value; after these the solver of a single problem goes on.
MOST_STEPS, MOST_HESSIANS = 40, 4

# Steps whose changes of the gradient are kept. With 20 evaluations are 0 to 10 % fewer, which takes as long.
PAIRS = 10

# Share of ``tol`` that the last step may promise: a Hessian from elsewhere promises too little where it was other rows
# that curved F. It has to be less by the factor of FALL than what the one before promised, or than that share.
# With shares of 0.1 and 0.03 the largest gaps of ctg were up to 2e-6 and 4e-7 of F, for 1e-8; each took 0.3 evaluations
# fewer.
ENOUGH, FALL = 0.01, 0.3

# How much shorter a step is that did not lower F, but for rounding.
SHORTER, ROUNDING = 0.3, 1e-12


def is_part_of(part: Problem, problem: Problem) -> bool:
    """Whether parameters and targets of a part mean what those of a problem of all rows do, and are NumPy's."""
    ours, theirs = part.rows.targets, problem.rows.targets
    return (
        isinstance(ours.sample_weight, np.ndarray)
        and part.rows.shift is None
        and problem.rows.shift is None
        and np.array_equal(ours.outputs, theirs.outputs)
        and np.array_equal(ours.class_weight, theirs.class_weight)
    )


def minima_of_part(
    part: Problem, minima: Sequence[Minimum], penalties: Sequence[Penalty], *, tol: float, max_iter: int
) -> Iterator[Minimum]:
    """Yield the Minimum of a part for each of ``penalties``, next to those of ``minima`` of all rows, with curvatures.

    S times the ridge is that of all rows.
    """
    part = part.in_float64()
    first: Any = minima[0].curvature
    if rungs_for(LinearObjective(part))[-1].cost <= CHEAP:
        own = StepsByOwnHessians(part, first.standardisation)
        for minimum, penalty in zip(minima, penalties, strict=True):
            yield own.minimum(replace(part, penalty=penalty), minimum.solution.params, tol, max_iter)
        return
    displacements: list[tuple[float, Array]] = []
    steps = _Steps(part)
    for minimum, penalty in zip(minima, penalties, strict=True):
        of_ridge, params = replace(part, penalty=penalty), minimum.solution.params
        time = -np.log(minimum.problem.penalty.ridge)
        start = params + _leads_to(displacements, time, len(params))
        solution = steps.solution(of_ridge, minimum.curvature, start, tol)
        if not isinstance(solution, Solution):
            solution = minimised(of_ridge, [solution, params], tol=tol, max_iter=max_iter, watch=Unwatched())
        displacements = [*displacements[-1:], (time, solution.params - params)]
        yield Minimum(of_ridge, solution, None)


def _leads_to(displacements, time, size):
    """Where the part's displacements (p,) from all rows' minima lead, along a line, at the next value."""
    if not displacements:
        return np.zeros(size)
    (before, first), (last, second) = displacements[0], displacements[-1]
    if not last > before:
        return second
    return second + (time - last) / (last - before) * (second - first)


class _Steps:
    """Steps to the minima of a part, for ridges that fall: what they have learned at one serves at the next."""

    def __init__(self, part):
        self.most_evaluations = 1 + rungs_for(LinearObjective(part))[-1].cost
        self.secants = StackedSecants(PAIRS)
        is_coef = np.zeros(part.shape)
        is_coef[: part.rows.shape[1]] = 1.0
        self.is_coef = is_coef.reshape(-1)
        self.own: ExactCurvature | None = None
        self.ridge = 0.0
        self.last: tuple[Array, Array] | None = None

    def solution(self, problem, curvature, params, tol):
        """The Solution of the part for the next ridge, or, where steps fail, the best params (p,).

        They go from ``params`` (p,), in the coordinates of a curvature, of all rows, if there is none of the part.
        """
        ridge = problem.penalty.ridge
        more = (ridge - self.ridge) * self.is_coef
        self.secants.have_more(more)
        if self.own is not None:
            curvature, self.own = self.own.with_more_ridge(ridge - self.ridge), None
        self.ridge = ridge
        objective, evaluated_by = LinearObjective(problem), 0
        curve, best, best_gradient, step, last, n_hessians = [], params, None, np.zeros_like(params), np.inf, 0
        if self.last is not None:
            best, best_gradient = self.last
            best_gradient, self.last = best_gradient + more * best, None
        for n_evaluations in range(1, MOST_STEPS + 1):
            evaluated_by += 1
            is_anew = evaluated_by > self.most_evaluations
            if is_anew:
                if n_hessians == MOST_HESSIANS:
                    break
                curvature, values, gradient = _curvature_at(objective, params, curvature.standardisation)
                self.own, evaluated_by, n_hessians = curvature, 0, n_hessians + 1
            else:
                values, gradient = objective(params)
            value = float(values.sum())
            if curve and not value <= curve[-1] + ROUNDING * abs(curve[-1]):
                step = SHORTER * step
                params = best + step
                continue
            if is_anew:
                self.secants.forget()
            elif best_gradient is not None:
                self.secants.add(params - best, gradient - best_gradient)
            curve, best, best_gradient = [*curve, value], params, gradient
            step = self.secants.step(curvature, gradient)
            promised = -float(gradient @ step) / 2 / max(value, np.finfo(float).tiny)
            if promised <= ENOUGH * tol * (1.0 if promised <= FALL * last else FALL):
                self.last = best, best_gradient
                return solution_after(curve, params + step, promised, n_evaluations)
            params, last = params + step, promised
        return best


def _curvature_at(objective, params, standardisation):
    """The ExactCurvature at some params (p,), the values and the gradient there, of one sweep."""
    function, width = hessian_sums(objective.problem, standardisation)
    values, gradient, sums = objective.with_curvature_sums(params, function, width)
    return ExactCurvature(objective, params, standardisation, sums), values, gradient
