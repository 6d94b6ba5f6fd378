"""Newton's method, whose model keeps the rows that its step moves far as they are, and is quadratic in the others.

Newton's model fails on a few rows: saturated ones curve nothing until they are moved, and then cost a lot. Those whose
logits a step would change by a range of more than 1, and whose loss departs from its quadratic along it, are far, and
stay in the model, which then seldom promises what F does not hold. They are looked for where Newton's own step fails,
and near the end, where it gains other than it promised. One sweep gives F, its gradient and its curvature at the new
point; one more the far rows. Where the step is expected to lead to the end, one sweep gives F there, without a
curvature, and the certificate of the step, which is what ends the minimisation. Where there can be no certificate, the
decrement is believed if no row is moved by more than 1/2: it is then right to a factor 1.23.
"""

import numpy as np

from skce._solver.certificate import ROUNDING_OF_BOUND, ROUNDING_OF_GAIN, bound_after, dual_bound, has_dual_bound
from skce._solver.curvature.directions import sums_over_rows
from skce._solver.curvature.exact import ExactCurvature, hessian_sums
from skce._solver.descent import TINY, Point
from skce._solver.far_rows import MOST_RANGE, far_rows
from skce._solver.length import begins_at_zero, first_length
from skce._solver.model import Model, minimiser_of
from skce._solver.problem import Iterate

# Gain of F, over what its model promised, of a step that is taken.
LEAST_GAIN = 0.2

# Share of F that a step promised, above which far rows are only looked for where it fails. On logs of connections 1e-4,
# 1e-3 and any share take 51, 50 and 51 passes in the median, 71, 73 and 75 at 95 %, and the first certifies less.
MOST_PROMISE = 1e-3

# Gains, over the promise, of a step of Newton's after which no far rows are looked for.
GAINS_OF_QUADRATIC = 0.75, 1.25

# Decrement, relative to F, above which a step leads to the end only if another has been seen to gain what it promised.
MOST_UNSEEN = 1e-2

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

# Share of the tolerance that a step is expected to leave at most, where no curvature is computed where it leads. Of six
# sets it leaves up to 11 times the square of its relative decrement, or twice what the decrements before it tell.
SHARE_OF_EXPECTED = 0.3


class NewtonStage:
    """Newton's steps from the best point of ``descent``, whose ``curvature`` is exact, until it is certified."""

    def __init__(self, descent, curvature, tol, watch):
        self.descent = descent
        self.curvature = curvature
        self.tol = tol
        self.watch = watch
        self.start = descent.best
        self.problem = descent.objective.problem
        self.is_plain, self.is_at_zero = True, begins_at_zero(descent)
        self.length = 1.0
        self.quadratic_promise = np.inf
        self.promise_of_try = np.inf
        if 0 < curvature.sweeps < 1:  # of drawn rows
            self.curvature = self._curvature_at_best()

    @property
    def gain(self):
        """What F has fallen by."""
        return self.start.value - self.descent.best.value

    def iterations_left(self, tol):
        """As many as may be: there is no other curvature to go on to."""
        return np.inf

    def run(self, max_iter):
        """Why the minimisation is over; None if one of its problems has no minimum."""
        descent = self.descent
        for _ in range(max_iter):
            start = descent.best
            reason = self._step()
            if descent.best is not start:
                descent.record(descent.best.value)
                self.watch.during_stage(descent)
                if self.watch.after_iteration(self._iterate()):
                    return "stopped"
            if reason:
                return reason
            descent.look_for_separated_problems()
            if descent.is_any_separated:
                return None
        return "max_iter"

    def _step(self):
        """Take a step, unless the minimisation is over: then why."""
        descent, start = self.descent, self.descent.best
        step, decrements = self.curvature.newton_step(self._gradient_of_problems())
        descent.suboptimality = descent.relative(decrements)
        promised, far, is_near = float(decrements.sum()), (), descent.suboptimality <= self.tol
        if not is_near:
            self.watch.before_iteration(self._iterate())
        is_to_try = self.is_plain and (is_near or self._leads_near(promised)) and self._is_worth_a_try(promised)
        if is_to_try and self._is_certified(step, promised):
            return "converged"
        if descent.best is start and (not self.is_plain or is_near):
            if self.is_plain:  # a step with far rows may be certified where Newton's is not
                self.is_plain, self.promise_of_try = False, np.inf
            far = self._far_rows(start, [step], promised)
            if is_near and far.largest_range <= MOST_RANGE and not has_dual_bound(self.problem):
                # A step that is this short leads nearer, even where F is as low already as rounding tells.
                self.watch.before_iteration(self._iterate())
                nearer = descent.evaluated(start.params + step)
                if nearer.value <= start.value:
                    descent.best = nearer
                return "converged"
            if far:
                step, promised = self._minimiser(start, far)
            if is_near and self._is_worth_a_try(promised) and self._is_certified(step, promised, far):
                return "converged"
        if descent.best is not start:
            self._look_back(start, start.value - descent.best.value, promised, far)
            self.curvature = self._curvature_at_best()
            return None
        self.watch.before_iteration(self._iterate())
        if self._move(step, promised, far):
            return None
        return "precision" if descent.is_at_rounding() else "stalled"

    def _iterate(self):
        """The Iterate that a minimisation that ended here would return."""
        return Iterate(self.problem, self.descent.best.params)

    def _gradient_of_problems(self):
        """Gradient at the best point, flat, of the problems that have something left to learn."""
        gradient, is_separated = self.descent.best.gradient, self.descent.is_separated
        if not self.descent.is_any_separated:
            return gradient
        return np.where(is_separated, 0.0, gradient.reshape(-1, len(is_separated))).reshape(-1)

    def _leads_near(self, promised):
        """Whether a step is expected to lead within ``tol`` of the minimum, as where decrements fall quadratically."""
        if not self.quadratic_promise or self.descent.objective.n_problems > 1:
            return False
        relative = promised / max(abs(self.descent.best.value), TINY)
        if relative > MOST_UNSEEN and np.isinf(self.quadratic_promise):
            return False
        expected = relative * max(relative, (relative / self.quadratic_promise) ** 2)
        return expected <= SHARE_OF_EXPECTED * self.tol

    def _is_worth_a_try(self, promised):
        """Whether there can be a certificate that is better than the last one that was missed."""
        return has_dual_bound(self.problem) and promised <= FALL_BEFORE_NEXT_TRY * self.promise_of_try

    def _is_certified(self, step, promised, far=()):
        """Whether F is within ``tol`` of its minimum by the dual bound of a step, where that leads or else here."""
        descent, tol = self.descent, max(self.tol, ROUNDING_OF_BOUND)
        self.promise_of_try = promised
        if len(descent.loss_curve) == 1 and descent.suboptimality <= self.tol:  # at the minimum no step is taken
            target = tol * abs(descent.best.value)
            sweeps, descent.gap_bound = dual_bound(self.problem, descent.best.params, step, far, target)
            descent.n_passes += sweeps
            if descent.gap_bound <= target:
                return True
        self.watch.before_iteration(self._iterate())
        descent.gap_bound = bound_after(descent, step, tol, far)
        return descent.gap_bound <= tol * abs(descent.best.value)

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
        is_searched, self.is_at_zero = self.is_at_zero, False
        if is_searched:
            self.length = first_length(self.descent, step)
        for n_models in range(1, MOST_MODELS + 1):
            point, curvature_at_point = self._evaluated_with_curvature(start.params + self.length * step)
            gain = start.value - point.value
            if gain > 0 and gain >= LEAST_GAIN * promised:
                if not is_searched:
                    self._look_back(start, gain, promised, far)
                self._lengthen((point.gradient @ step) / (start.gradient @ step))
                if gain > GAIN_OF_LINEAR * promised and not is_searched:
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

    def _look_back(self, start, gain, promised, far):
        """Note what a step from a point has gained of what it promised."""
        low, high = GAINS_OF_QUADRATIC
        is_quadratic = not far and low * promised <= gain <= high * promised
        relative = promised / max(abs(start.value), TINY)
        self.quadratic_promise = relative if is_quadratic else 0.0
        self.is_plain = is_quadratic or (self.is_plain and relative > MOST_PROMISE)

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
            self.curvature.standardisation_of_next(),
        )
        function, width = hessian_sums(self.problem, standardisation)
        sweeps, sums = sums_over_rows(function, objective, params, self.problem.rows.shape[0], width)
        self.descent.n_passes += sweeps
        return ExactCurvature(objective, params, standardisation, sums)

    def _evaluated_with_curvature(self, params):
        """The Point at some parameters, and a function that returns the ExactCurvature there."""
        objective, standardisation = self.descent.objective, self.curvature.standardisation_of_next()
        function, width = hessian_sums(self.problem, standardisation)
        values, gradient, sums = objective.with_curvature_sums(params, function, width)
        point = self.descent.remembered(Point(params, values, gradient))
        return point, lambda: ExactCurvature(objective, params, standardisation, sums)
