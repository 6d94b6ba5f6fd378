"""The path of a part of the rows, from that of all: a fold's fits next to those of all rows.

The Hessian of the part at a minimum of all rows is that of all less that of the other rows, which are few. Steps by it
lead to the part's minimum, for an evaluation each; where they slow down the solver of a single problem goes on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from skce._solver.curvature.exact import ExactCurvature, hessian_sums
from skce._solver.minimisation import minimised
from skce._solver.objective import LinearObjective
from skce._solver.path import Minimum, Unwatched
from skce._solver.problem import Problem
from skce._solver.solution import Solution
from skce._types import Array, Penalty, Rows

# Steps at most, and the share of what the last one promised, above which the next is by a Hessian of where it starts.
# With 1/2 folds take 0.9 of the time, but what is left is along directions that the Hessian does not know: scores of 90
# overlapping rows were off by 2e-4, for 4e-6.
MOST_STEPS, FALL = 16, 0.1

# Share of ``tol`` that the last step may promise: a Hessian from elsewhere may promise too little.
ENOUGH = 0.1

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
    part: Problem, others: Rows, minima: Sequence[Minimum], penalties: Sequence[Penalty], *, tol: float, max_iter: int
) -> Iterator[Minimum]:
    """Yield the Minimum of a part for each of ``penalties``, next to those of ``minima`` of all rows, with curvatures.

    ``others`` are the rows that are not in the part. S times the ridge is that of all rows.
    """
    part = part.in_float64()
    displacements: list[tuple[float, Array]] = []
    for minimum, penalty in zip(minima, penalties, strict=True):
        of_ridge, params = replace(part, penalty=penalty), minimum.solution.params
        curvature = _curvature_without(minimum, others, part.total)
        time = -np.log(minimum.problem.penalty.ridge)
        solution = _by_steps(of_ridge, curvature, params + _leads_to(displacements, time, len(params)), tol)
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


def _curvature_without(minimum, others, total):
    """The ExactCurvature, of a part of this total weight, at a Minimum of all rows: theirs without that of others."""
    problem, curvature = minimum.problem, minimum.curvature
    function, width = hessian_sums(problem, curvature.standardisation)
    curvature_of = LinearObjective(problem).curvature_at(minimum.solution.params)
    moments, _ = others.summed(lambda block: function(block, curvature_of(block)), width)
    return curvature.of_hessians((problem.total * curvature.hessians - curvature.assembled(moments)) / total)


def _by_steps(problem, curvature: ExactCurvature, params, tol):
    """The Solution by Newton's steps, by a Hessian for as long as it serves; where they fail the best params (p,)."""
    objective, standardisation = LinearObjective(problem), curvature.standardisation
    function, width = hessian_sums(problem, standardisation)
    curve, best, step, last, is_slow = [], params, np.zeros_like(params), np.inf, False
    for _ in range(MOST_STEPS):
        if is_slow:
            values, gradient, sums = objective.with_curvature_sums(params, function, width)
            curvature, last = ExactCurvature(objective, params, standardisation, sums), np.inf
        else:
            values, gradient = objective(params)
        value = float(values.sum())
        if curve and not value <= curve[-1] + ROUNDING * abs(curve[-1]):
            step, is_slow = SHORTER * step, True
            params = best + step
            continue
        curve, best = [*curve, value], params
        step, decrements = curvature.newton_step(gradient)
        left = float(np.max(decrements / np.maximum(values, np.finfo(float).tiny)))
        if left <= ENOUGH * tol:
            passes = tuple(float(number) for number in range(1, len(curve) + 1))
            return Solution(params + step, value, left, None, tuple(curve), passes, len(curve), "converged")
        is_slow, last, params = not left <= FALL * last, left, params + step
    return best
