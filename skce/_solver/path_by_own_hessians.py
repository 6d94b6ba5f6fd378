"""The path of a part of the rows by Hessians of its own, where these are cheap.

A Hessian where the path leads, and the secant of the step from there, mostly find a minimum in two or three
evaluations, and tell the tangent that leads to the next. Nothing is certified: the Hessian is of the rows and of the
place that the step is of, so that what it promises is what there is to gain, but for what the step changes of it.
"""

from typing import Any

import numpy as np

from skce._solver.curvature.exact import ExactCurvature, hessian_sums
from skce._solver.minimisation import minimised
from skce._solver.objective import LinearObjective
from skce._solver.path import Minimum, Unwatched, Way, slope_of_penalty, without_shift
from skce._solver.secants import StackedSecants
from skce._solver.second_derivative import exact_curvature
from skce._solver.solution import Solution

# Evaluations at most for a value; after these the solver of a single problem goes on.
MOST_STEPS = 30

# Secants that are kept with a Hessian, which serves no longer.
PAIRS = 10

# What a step may promise of F, relative to it, to lead to where no other Hessian is needed; and what share of it that
# has to fall to there, or one is. Page blocks took 0.58, 0.61 and 0.66 of the time of quasi-Newton steps with shares of
# 0.2, 0.1 and 0.05, and the same with 1e-4 and 1e-2.
FAR, SLOW = 1e-3, 0.2

# Share of ``tol`` that the last step, which is taken, may promise; it has to be less by the factor of FALL than what
# the one before promised, or than that share. Of page blocks the largest gaps were 2e-9 of F; with a share of 1, 2e-7.
ENOUGH, FALL = 0.1, 0.3

# How much shorter a step is that did not lower F, but for rounding.
SHORTER, ROUNDING = 0.3, 1e-12


class StepsByOwnHessians:
    """Steps to the minima of a ``part``, for ridges that fall, by Hessians in the columns of a standardisation."""

    def __init__(self, part, standardisation):
        self.standardisation = standardisation
        self.way = Way()
        self.function, self.width = hessian_sums(part, standardisation)

    def minimum(self, problem, near, tol, max_iter):
        """The Minimum for the next ridge; the first is sought from the params ``near`` (p,)."""
        if self.way.is_empty:
            minimum = self.minimum_from(problem, near, near, tol, max_iter)
        else:
            start = without_shift(problem, self.way.leads_to(problem.penalty.ridge))
            minimum = self.minimum_from(problem, start, self.way.last, tol, max_iter, self.way.value_of_last(problem))
        self.way.passes(minimum)
        return minimum

    def minimum_from(self, problem, params, others, tol, max_iter, most=np.inf):
        """The Minimum from some params (p,); from ``others`` (p,) if F is above ``most``, or if steps fail."""
        minimum = self._by_newton(problem, params, others, most, tol)
        if isinstance(minimum, Minimum):
            return minimum
        solution = minimised(problem, [minimum, others], tol=tol, max_iter=max_iter, watch=Unwatched())
        solution = solution.unless_interrupted()
        curvature = exact_curvature(problem, solution.params, self.standardisation)
        return Minimum(problem, solution, None, curvature.newton_step(-slope_of_penalty(problem, solution.params))[0])

    def _by_newton(self, problem, params, others, most, tol):
        """The Minimum near some params (p,), or ``others`` (p,), if F is above ``most``, its value there.

        Where steps fail the best params (p,).
        """
        objective, secants = LinearObjective(problem), StackedSecants(PAIRS)
        curve, best, step, last, is_anew = [], params, np.zeros_like(params), np.inf, True
        curvature: Any = None
        best_gradient: Any = None
        for n_evaluations in range(1, MOST_STEPS + 1):
            sums: Any = None
            if is_anew:
                values, gradient, sums = objective.with_curvature_sums(params, self.function, self.width)
            else:
                values, gradient = objective(params)
            value = float(values.sum())
            if n_evaluations == 1 and not value <= most:
                params = others
                continue
            if curve and not value <= curve[-1] + ROUNDING * abs(curve[-1]):
                step = SHORTER * step
                params = best + step
                continue
            if is_anew:
                curvature = ExactCurvature(objective, params, self.standardisation, sums)
                secants.forget()
            else:
                secants.add(params - best, gradient - best_gradient)
            step = secants.step(curvature, gradient)
            promised = -float(gradient @ step) / 2 / max(value, np.finfo(float).tiny)
            curve, best, best_gradient = [*curve, value], params, gradient
            if promised <= ENOUGH * tol * (1.0 if promised <= FALL * last else FALL):
                solution = solution_after(curve, params + step, promised, n_evaluations)
                return Minimum(
                    problem, solution, None, secants.step(curvature, -slope_of_penalty(problem, solution.params))
                )
            is_anew = promised > FAR or (not is_anew and promised > SLOW * last)
            params, last = params + step, promised
        return best


def solution_after(curve, params, promised, n_evaluations):
    """The Solution at some params, where the last step led, from the last value of a ``curve``."""
    passes = tuple(float(number) for number in range(1, len(curve) + 1))
    return Solution(params, curve[-1], promised, None, tuple(curve), passes, n_evaluations, "converged")
