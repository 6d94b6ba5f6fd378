"""L-BFGS in the coordinates of a curvature: alone with ``scipy.optimize.minimize``, which runs it in memory.

A stage minimises over displacements u from the best point known, in coordinates in which the curvature there is about
the identity, so that half the squared norm of the gradient by u, the decrement, estimates F - min F. Where the
curvature is exact and F was seen to fall as a quadratic does, the estimate is believed; otherwise a fresh curvature has
to confirm it, and of one that is not exact also the rate at which F still falls.
"""

import numpy as np
from scipy.optimize import minimize

from skce._solver import two_loop
from skce._solver.certificate import has_dual_bound
from skce._solver.descent import ROUNDING_OF_ESTIMATE, Point
from skce._solver.problem import Iterate

# Corrections that L-BFGS keeps, of fewer than so many parameters. 20 for 10 save one of 62 passes of a thousand
# classes, and take 10 MB more; of very many parameters corrections take longer than the evaluations that they save.
CORRECTIONS = {5 * 10**4: 20, 10**6: 10, np.inf: 6}

# What L-BFGS-B says where its line search finds nothing lower.
STATUS_OF_STUCK = 2

# F that falls by what the decrement promised to within this factor is a quadratic. Where it falls by more, as along the
# tail of an exponential, the decrement promises too little by about the square of that, but for an outlier.
GAIN_OF_QUADRATIC = 1.15
MOST_CORRECTION = 10.0

# A relative estimate that rounding may hide.
LEAST_ESTIMATE = ROUNDING_OF_ESTIMATE * np.finfo(float).eps

# Where F was not seen to be a quadratic, the estimate by an exact curvature that is a stage old has been too small by
# this much.
UNDERESTIMATE = 30.0

# Where X is sparse, a stage goes on until the bound of strong convexity by the coefficients, which costs nothing, is no
# more than so many times what is asked for, or the estimate is this share of it: from there a few conjugate gradients
# find a certificate. Word counts, K = 20, C = 1, were looked at in vain at 13 times, for 100 passes.
MOST_LOOSENESS, LEAST_SHARE_OF_TARGET = 8.0, 0.03

# What an iteration gains at least, in units of the resolution of F or of a loss of 1, where products are in float32.
LEAST_GAIN_OF_FLOAT32 = 2.0

# Iterations that the rate of a stage is taken over.
ITERATIONS_OF_RATE = 4


def minimised_from(zeros, value, gradient, after_iteration, *, maxiter, maxls):
    """Minimise from zeros by L-BFGS, until ``after_iteration`` raises StopIteration: whether it got stuck.

    Of an array of NumPy by SciPy's, L-BFGS-B; of another one where it is. ``gradient`` is asked for where ``value`` has
    just been. Functions keep what they have seen.
    """
    n_corrections = next(corrections for most, corrections in CORRECTIONS.items() if len(zeros) < most)
    if not isinstance(zeros, np.ndarray):
        return two_loop.minimised_from(zeros, value, gradient, after_iteration, n_corrections, maxiter, maxls)
    result = minimize(
        value,
        zeros,
        method="L-BFGS-B",
        jac=gradient,
        callback=after_iteration,
        options={
            "maxcor": n_corrections,
            "gtol": 0.0,
            "ftol": 0.0,
            "maxiter": maxiter,
            "maxfun": 2 * maxls * maxiter,  # a search that fails is begun once more, without corrections
            "maxls": maxls,
        },
    )
    return result.status == STATUS_OF_STUCK


class Stage:
    """A run of L-BFGS over displacements from the best point of ``descent``, in the coordinates of ``curvature``.

    It takes ``n_iter`` iterations, and goes on while at its rate no more than ``patience`` are left. Before
    ``n_trusted`` of them it does not believe to have converged.
    """

    def __init__(self, descent, curvature, tol, watch, n_iter, patience, n_trusted=0.0):
        self.descent = descent
        self.curvature = curvature
        self.tol = tol
        self.watch = watch
        self.n_iter = n_iter
        self.patience = patience
        self.n_trusted = n_trusted
        self.start = descent.best
        slope = curvature.pull_back(self.start.gradient)
        self.decrements = curvature.decrements(slope)
        self.estimates = [self._estimate(self.decrements)]
        self.unit = 1.0
        self.rounding = 0.0  # what F was off by in the products that the stage began with
        self.latest = self.start, slope
        self.reason = None
        self.is_stuck = False

    def run(self, max_iter):
        """Why the minimisation is over after at most ``max_iter`` iterations; None if it is not."""
        self.descent.suboptimality = self.estimates[0]
        if self.estimates[0] <= self.tol and not self.n_trusted:
            return "converged"
        # In these units L-BFGS, whose first step has length 1, steps to where the decrement would be zero.
        point, slope = self.latest
        unit = np.linalg.norm(slope)
        if unit**2 < np.finfo(float).tiny:
            self.is_stuck = True
            return None
        rows = self.descent.objective.rows
        curvature, start_params, slope = rows.where_iterations_are(self.curvature, self.start.params, slope)
        zeros = np.zeros_like(slope)
        self.unit, self.latest = unit, (point, slope / unit)
        del point, slope

        def value(displacement):
            if not displacement.any():
                return self.start.value / unit**2
            self.watch.before_iteration(self._iterate())
            self.latest = None  # which, if it is not the best, is as much memory as this one
            params = curvature.to_params(displacement)
            params *= unit
            params += start_params
            point = self.descent.evaluated(params)
            slope = curvature.pull_back(point.gradient)
            slope /= unit
            self.latest = point, slope
            return (point.value + self.rounding) / unit**2

        def gradient(displacement):
            # SciPy asks for the gradient where it has just asked for the value.
            return self.latest[1]

        try:
            self.is_stuck = minimised_from(zeros, value, gradient, self._after_iteration, maxiter=max_iter, maxls=50)
        finally:
            self.descent.keep_best_in_memory()
        point, slope = self.latest
        if self.descent.best is self.start:
            self.descent.suboptimality = self.estimates[0]
        if point is not self.start:
            ratio = self._gain_by_promise(point, self._decrements(slope))
            self.descent.correction = min(max(ratio, 1.0) ** 2, MOST_CORRECTION)
        return self.reason

    @property
    def gain(self):
        """What F has fallen by."""
        return self.start.value - self.descent.best.value

    def iterations_left(self, tol):
        """Iterations that it would take to come to ``tol`` at the rate of this stage."""
        return _iterations_to(tol, self.estimates)

    def _after_iteration(self, intermediate_result):
        """Record an iterate, and stop the stage where there is nothing more to gain from its curvature."""
        descent = self.descent
        descent.record(descent.best.value)
        if self._is_hidden_by_rounding():
            self._go_on_in_float64()
        point, slope = self.latest
        decrements = self._decrements(slope)
        estimate = self._estimate(decrements)
        self.estimates.append(estimate)
        descent.suboptimality = estimate
        self.watch.during_stage(descent)
        if self.watch.after_iteration(self._iterate()):
            self.reason = "stopped"
        target = self.tol / self._underestimate(point, decrements)
        if not self.reason and len(self.estimates) > self.n_trusted and self._is_worth_a_look(point, estimate, target):
            self.reason = "converged"
        if self.reason or (len(self.estimates) > self.n_iter and self._iterations_left_to(target) > self.patience):
            raise StopIteration

    def _is_hidden_by_rounding(self):
        """Whether the last iteration gained as little as products in float32 hide."""
        objective, (before, value) = self.descent.objective, self.descent.loss_curve[-2:]
        least = LEAST_GAIN_OF_FLOAT32 * objective.resolution * max(abs(value), 1.0)
        return objective.rows.dtype == np.float32 and before - value <= least

    def _go_on_in_float64(self):
        """Go on with products in float64, as if F had been off by as much since the start."""
        descent, (point, slope), start = self.descent, self.latest, self.start
        rounded = descent.best
        rounding = descent.go_on_in_float64()
        self.rounding = float(rounding.sum())
        self.start = descent.best if start is rounded else Point(start.params, start.values - rounding, start.gradient)
        self.latest = descent.best if point is rounded else point, slope

    def _decrements(self, slope):
        """Estimated F - min F for a slope in the units of the stage."""
        return self.unit**2 * self.curvature.decrements(slope)

    def _iterate(self):
        """The Iterate that a minimisation that ended here would return."""
        return Iterate(self.descent.objective.problem, self.descent.best.params)

    def _iterations_left_to(self, target):
        """Iterations that it would take to come to ``target`` at the rate of the last ones."""
        return _iterations_to(target, self.estimates[-1 - ITERATIONS_OF_RATE :])

    def _estimate(self, decrements):
        """Estimated suboptimality relative to F: the largest of any problem."""
        estimate = self.descent.relative(decrements)
        return estimate if self.curvature.is_exact else max(estimate, self.descent.tail())

    def _is_worth_a_look(self, point, estimate, target):
        """Whether a Point may be near enough to the minimum, and where that can be told, a certificate near, too."""
        problem = self.descent.objective.problem
        if not (problem.rows.is_sparse and has_dual_bound(problem)) or self.curvature.is_exact:
            return estimate <= target
        if estimate <= LEAST_SHARE_OF_TARGET * target or estimate > target:
            return estimate <= target
        by_coef, _ = problem.split(point.gradient)
        bound = (by_coef**2 / np.reshape(problem.penalty.ridge, (-1, 1))).sum() / 2
        return bound <= MOST_LOOSENESS * target * abs(point.value)

    def _underestimate(self, point, decrements):
        """What the estimate at a point may be too small by."""
        if not self.curvature.is_exact:
            return 1.0
        is_quadratic = 1 / GAIN_OF_QUADRATIC <= self._gain_by_promise(point, decrements) <= GAIN_OF_QUADRATIC
        return 1.0 if is_quadratic else UNDERESTIMATE

    def _gain_by_promise(self, point, decrements):
        """What F has fallen by since the start, over what the decrements have."""
        promised = sum(self.decrements.tolist()) - sum(decrements.tolist())
        return (self.start.value - point.value) / promised if promised > 0 else np.inf


def _iterations_to(target, estimates):
    """Iterations that it would take to come to ``target`` at the rate of ``estimates``, one after each iteration."""
    first, last = estimates[0], estimates[-1]
    if not 0 < last < first:
        return np.inf
    return (len(estimates) - 1) * np.log(last / max(target, LEAST_ESTIMATE)) / np.log(first / last)
