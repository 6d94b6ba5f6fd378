"""Newton's method, whose model keeps the rows that its step moves far as they are, and is quadratic in the others.

Newton's model fails on a few rows: saturated ones curve nothing until they are moved, and then cost a lot. Those whose
logits a step would change by a range of more than 1, and whose loss departs from its quadratic along it, are far, and
stay in the model, which then seldom promises what F does not hold. One sweep gives F, its gradient and its curvature at
the new point; one more the far rows; and where the decrement says that the end is near, one the certificate of the
step, which is what ends the minimisation. Where there can be no certificate, the decrement is believed if no row is
moved by more than 1/2: it is then right to a factor 1.23.
"""

import numpy as np

from skce._solver.certificate import ROUNDING_OF_BOUND, ROUNDING_OF_GAIN, dual_bound, has_dual_bound
from skce._solver.curvature.directions import sums_over_rows
from skce._solver.curvature.exact import ExactCurvature, hessian_sums
from skce._solver.descent import Point
from skce._solver.far_rows import MOST_RANGE, far_rows
from skce._solver.model import Model, minimiser_of
from skce._solver.problem import Iterate

# Gain of F, over what its model promised, of a step that is taken.
LEAST_GAIN = 0.2

# Gains, over the promise, of a step of Newton's after which no far rows are looked for.
GAINS_OF_QUADRATIC = 0.75, 1.25

# Share of F that a step promises, from which far rows are looked for before F is.
MOST_PROMISE = 0.1

# Models at one point: each has the far rows of the steps of those before.
MOST_MODELS = 3

# Departures from their quadratic, all rows together, over what Newton's step promises, from which rows are far.
# On logs of connections 0.01 and 0.001 take 53 and 52 passes in the median; the second certifies more.
DEPARTURE_OF_FAR = 1e-3

# A step is longer than the last, by this and no more than that, if the last left more than this of the slope along it:
# 0.37 along the tail of an exponential, none along a quadratic. On logs of connections, 64 passes instead of 76.
SLOPE_LEFT = 0.15
LONGER, LONGEST = 1.5, 4.0

# A step along which F is linear, rounding being all that curves it in H, promises half of what it gains: it is taken
# again and again, so much longer.
GAIN_OF_LINEAR = 1.8
EXTENSION = 10.0

# Shares of a step that are tried where no model was right, each this times the last; and what they gain of its promise.
SHORTER, SHORTEST = 0.25, 1e-10
ARMIJO = 1e-4

# A certificate that was missed is tried again once the decrement has fallen to this.
FALL_BEFORE_NEXT_TRY = 0.2


class NewtonStage:
    """Newton's steps from the best point of ``descent``, whose ``curvature`` is exact, until it is certified."""

    def __init__(self, descent, curvature, tol, watch):
        self.descent = descent
        self.curvature = curvature
        self.tol = tol
        self.watch = watch
        self.start = descent.best
        self.problem = descent.objective.problem
        self.is_quadratic = True
        self.length = 1.0
        self.suboptimality_of_try = np.inf
        if curvature.sweeps < 1:
            self.curvature = self._curvature_at_best()

    @property
    def gain(self):
        """What F has fallen by."""
        return self.start.value - self.descent.best.value

    def iterations_left(self):
        """As many as may be: there is no other curvature to go on to."""
        return np.inf

    def run(self, max_iter):
        """Why the minimisation is over; None if one of its problems has no minimum."""
        for _ in range(max_iter):
            reason = self._step()
            if reason or self.descent.is_separated.any():
                return reason
        return "max_iter"

    def _step(self):
        """Take a step, unless the minimisation is over: then why."""
        descent, curvature = self.descent, self.curvature
        slope = curvature.pull_back(descent.best.gradient)
        if descent.is_separated.any():
            slope.reshape(len(descent.is_separated), -1)[descent.is_separated] = 0
        decrements = curvature.decrements(slope)
        descent.suboptimality = descent.relative(decrements)
        step, promised, far = -curvature.to_params(slope), float(decrements.sum()), None
        is_near = descent.suboptimality <= self.tol
        is_to_try = is_near and descent.suboptimality <= FALL_BEFORE_NEXT_TRY * self.suboptimality_of_try
        if not is_near:
            self.watch.before_iteration(self._iterate())
        is_quadratic = self.is_quadratic and promised <= MOST_PROMISE * descent.best.value
        if not is_quadratic or (is_near and not has_dual_bound(self.problem)):
            far = self._far_rows(descent.best, [step], promised)
            if is_near and far.largest_range <= MOST_RANGE and not has_dual_bound(self.problem):
                # A step that is this short leads nearer, even where F is as low already as rounding tells.
                nearer = descent.evaluated(descent.best.params + step)
                if nearer.value <= descent.best.value:
                    descent.best = nearer
                return "converged"
            if far:
                step, promised = self._minimiser(descent.best, far)
        if is_to_try:
            if self._is_certified(step, far):
                return "converged"
            self.is_quadratic = False
        self.watch.before_iteration(self._iterate())
        is_moved = self._move(step, promised, far)
        descent.record(descent.best.value)
        if self.watch.after_iteration(self._iterate()):
            return "stopped"
        if not is_moved:
            return "precision" if descent.is_at_rounding() else "stalled"
        descent.look_for_separated_problems()
        return None

    def _iterate(self):
        """The Iterate that a minimisation that ended here would return."""
        return Iterate(self.problem, self.descent.best.params)

    def _is_certified(self, step, far):
        """Whether the dual bound of a step says that F is within ``tol`` of its minimum."""
        if not has_dual_bound(self.problem):
            return False
        descent = self.descent
        self.suboptimality_of_try = descent.suboptimality
        value = abs(descent.best.value)
        target = max(self.tol, ROUNDING_OF_BOUND) * value
        sweeps, bound = dual_bound(self.problem, descent.best.params, step, far or (), target)
        descent.n_passes += sweeps
        descent.gap_bound = min(bound, value)
        return bound <= target

    def _far_rows(self, point, steps, promised):
        """The FarRows of steps from a point, of which Newton's promises a gain."""
        self.descent.n_passes += 1
        return far_rows(self.problem, point.params, steps, DEPARTURE_OF_FAR * promised)

    def _minimiser(self, point, far):
        """The step (p,) to where the model with these far rows is the least, and the gain that it promises."""
        model = Model(self.curvature, point, far)
        step, promised = minimiser_of(model)
        self.descent.n_inner_passes += model.n_sweeps * len(far) / self.problem.rows.shape[0]
        return step, promised

    def _move(self, step, promised, far):
        """Whether F falls along a step, or along one of a model with more far rows, or else a share of it."""
        start, steps = self.descent.best, [step]
        rounding = ROUNDING_OF_GAIN * abs(start.value)
        for n_models in range(1, MOST_MODELS + 1):
            point, curvature_at_point = self._evaluated_with_curvature(start.params + self.length * step)
            gain = start.value - point.value
            if gain > 0 and gain >= LEAST_GAIN * promised:
                low, high = GAINS_OF_QUADRATIC
                self.is_quadratic = not far and low * promised <= gain <= high * promised
                self._lengthen((point.gradient @ step) / (start.gradient @ step))
                if gain > GAIN_OF_LINEAR * promised:
                    self._extend(start, step)
                self.curvature = curvature_at_point() if self.descent.best is point else self._curvature_at_best()
                return gain > rounding
            self.length = 1.0
            if promised <= rounding:
                return False
            if n_models < MOST_MODELS:
                far = self._far_rows(start, steps, promised)
                if not far:
                    break
                step, promised = self._minimiser(start, far)
                steps.append(step)
        return self._move_by_a_share(start, step, promised, rounding)

    def _move_by_a_share(self, start, step, promised, rounding):
        """Whether F falls along a step, where it is shorter."""
        share = 1.0
        while share > SHORTEST and start.value - self.descent.best.value <= max(ARMIJO * share * promised, rounding):
            share *= SHORTER
            self.descent.evaluated(start.params + share * step)
        if self.descent.best is start:
            return False
        self.curvature = self._curvature_at_best()
        return True

    def _lengthen(self, slope_left):
        """Set the length of the next step, given what this one has left of the slope along it."""
        if slope_left > SLOPE_LEFT:
            self.length = min(self.length * LONGER, LONGEST)
        elif slope_left > SLOPE_LEFT / 2:
            self.length = max(self.length / LONGER, 1.0)
        else:
            self.length = 1.0

    def _extend(self, start, step):
        """Go on along a step while F falls."""
        length = EXTENSION
        while self.descent.best is self.descent.evaluated(start.params + length * step):
            length *= EXTENSION

    def _curvature_at_best(self):
        """The ExactCurvature at the best point."""
        objective, params, standardisation = (
            self.descent.objective,
            self.descent.best.params,
            self.curvature.decorrelated(),
        )
        function, width = hessian_sums(self.problem, standardisation)
        sweeps, sums = sums_over_rows(function, objective, params, self.problem.rows.shape[0], width)
        self.descent.n_passes += sweeps
        return ExactCurvature(objective, params, standardisation, sums)

    def _evaluated_with_curvature(self, params):
        """The Point at some parameters, and a function that returns the ExactCurvature there."""
        objective, standardisation = self.descent.objective, self.curvature.decorrelated()
        function, width = hessian_sums(self.problem, standardisation)
        values, gradient, sums = objective.with_curvature_sums(params, function, width)
        point = self.descent.remembered(Point(params, values, gradient))
        return point, lambda: ExactCurvature(objective, params, standardisation, sums)
