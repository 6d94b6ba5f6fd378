"""The path of a part of the rows by Hessians of its own, where these are cheap.

A Hessian where the path leads, and the secant of the step from there, mostly find a minimum in two or three
evaluations, and tell the tangent that leads to the next. Nothing is certified: the Hessian is of the rows and of the
place that the step is of, so that what it promises is what there is to gain, but for what the step changes of it.
"""

from dataclasses import replace

import numpy as np

from skce._solver.curvature.exact import ExactCurvature, hessian_sums
from skce._solver.minimisation import minimised
from skce._solver.objective import LinearObjective
from skce._solver.path import Minimum, Unwatched, Way, slope_of_penalty
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
# the one before promised, or than that share.
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
        start = near if self.way.is_empty else self.way.leads_to(problem.penalty.ridge)
        minimum = self._by_newton(problem, start, tol)
        if not isinstance(minimum, Minimum):
            starts = [minimum, near if self.way.is_empty else self.way.last]
            solution = minimised(problem, starts, tol=tol, max_iter=max_iter, watch=Unwatched())
            curvature = exact_curvature(problem, solution.params, self.standardisation)
            tangent, _ = curvature.newton_step(-slope_of_penalty(problem, solution.params))
            minimum = Minimum(problem, solution.unless_interrupted(), None, tangent)
        self.way.passes(minimum)
        return replace(minimum, tangent=None)

    def _by_newton(self, problem, params, tol):
        """The Minimum near some params (p,), or, where steps fail, the best params (p,)."""
        objective, secants = LinearObjective(problem), StackedSecants(PAIRS)
        curve, best, best_gradient, step, last = [], params, None, np.zeros_like(params), np.inf
        curvature, is_anew = None, True
        for n_evaluations in range(1, MOST_STEPS + 1):
            if is_anew:
                values, gradient, sums = objective.with_curvature_sums(params, self.function, self.width)
            else:
                values, gradient = objective(params)
            value = float(values.sum())
            if curve and not value <= curve[-1] + ROUNDING * abs(curve[-1]):
                step = SHORTER * step
                params = best + step
                continue
            if is_anew:
                curvature = ExactCurvature(objective, params, self.standardisation, sums)
                secants.forget()
            else:
                secants.add(params - best, gradient - best_gradient)
            curve, best, best_gradient = [*curve, value], params, gradient
            step = secants.step(curvature, gradient)
            promised = -float(gradient @ step) / 2 / max(value, np.finfo(float).tiny)
            if promised <= ENOUGH * tol * (1.0 if promised <= FALL * last else FALL):
                passes = tuple(float(number) for number in range(1, len(curve) + 1))
                end = params + step
                solution = Solution(end, value, promised, None, tuple(curve), passes, n_evaluations, "converged")
                return Minimum(problem, solution, None, secants.step(curvature, -slope_of_penalty(problem, end)))
            is_anew = promised > FAR or (not is_anew and promised > SLOW * last)
            params, last = params + step, promised
        return best
