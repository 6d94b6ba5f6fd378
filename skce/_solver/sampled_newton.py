"""Newton's method whose Hessians are of a sample of the rows: for many more rows than parameters.

A Hessian of n rows and p parameters takes n p^2 multiplications, F and its gradient about 4 n p. That of s rows, drawn
in proportion to their weight, is off by about (p / s)^(1/2), and so is its step: each decrement is about p / s of the
last, plus what F departs from its quadratic by. What is left of the gradient loosens the dual bound of such a step, as
that multiplies it by the inverse of the ridge: the certificate is asked for where a step is expected to leave that
little. It is the same proof whatever the step. Of columns in units so large that the ridge is next to nothing to them,
no such step is good enough: there samples lead near, and one Hessian of all rows to the end. Where F does not fall as
promised, other stages take over.
"""

import numpy as np

from skce._solver.certificate import ROUNDING_OF_BOUND, ROUNDING_OF_GAIN, bound_after
from skce._solver.curvature.directions import sums_over_rows
from skce._solver.curvature.exact import ExactCurvature, hessian_sums, single_hessian_sums
from skce._solver.descent import TINY, TOL_OF_FLOAT32, Point
from skce._solver.first_step import step_from_zero
from skce._solver.length import begins_at_zero, first_length
from skce._solver.problem import Iterate
from skce._solver.secants import Secants

# Rows that are drawn for each parameter, at least and at most; in all, at least; and the most, as a share of all rows.
# On four mixes of indicators and numbers, 30,000 x 108, at least 32 rows for a parameter take 9 to 12 passes and 45 to
# 70 ms, no samples 12 to 15 passes and 58 to 67 ms; 20 rows took 9 to 16 passes.
ROWS_PER_PARAMETER = 32, 100
LEAST_ROWS = 2**11

# The same of one logit, whose Hessian has products in float32: twice as many rows took one or two passes less on eight
# sets of ten, Gaussian numbers and a census, and 0.9 of the time.
ROWS_PER_PARAMETER_OF_ONE_LOGIT = 64, 128

MOST_SHARE = 0.125

# Of one logit, so much of fewer rows, if that is so many for a parameter, and in all. Ten tables of indicators, 8000 x
# 129 to 148, took 0.65 of the time of no samples, and with a third of all rows 0.75; 14 other ones, of Gaussian numbers
# or of indicators, 6,000 to 16,000 x 30 to 120, 0.46 to 0.95, but for one. Of ten digits it took 38 passes, not 28.
MOST_SHARE_OF_ONE_LOGIT = 0.25
LEAST_OF_ONE_LOGIT = 12, 1500

# Rows of each class that a sample should have: where a class is all but missing, so is what it curves.
ROWS_PER_CLASS = 20

# Gain of F, over what its model promised, and what may be left of a decrement after a step, where steps go on. Along
# rare indicators a sample may be far off, which BFGS knows after the step: with 0.5 for 0.1 indicators took 1.13 times
# as long.
LEAST_GAIN = 0.1
MOST_LEFT = 0.5

# Least pivot, of a Hessian of one logit with a diagonal of ones, from which its products may be in float32: those leave
# it three digits, and a sample has fewer. Of seven classes that saved no time.
LEAST_PIVOT_OF_SINGLE = 1e-4

# Promise of a step, relative to F, above which the Hessian is taken anew: a share of p / s, what the sample is off by;
# and, where the sample is more than MOST_SHARE of the rows, which is dear, at least this. Below it BFGS makes up for
# how the Hessian changes, as for what the sample has missed: what it has learned of that is lost with the Hessian. Ten
# tables of indicators took 0.75 of the time with it and tol=0.01, 0.9 with 1e-7; 5,000 to 20,000 x 60 numbers 0.8.
SHARE_OF_SAMPLE, PROMISE_OF_ANOTHER = 0.3, 4e-3

# Share of the tolerance that a certificate is expected to show where it is asked for, and how often it may be missed.
SHARE_OF_EXPECTED = 0.5
MOST_MISSES = 2

# Steps that may be expected to be left until there is a certificate; and what one is expected to leave of a decrement,
# over p / s. On Gaussian columns a step leaves 1 to 4 times that, and where it does not BFGS makes up for it. A single
# slow step says little: with 10 for 20 one of the ten tables above took 25 passes instead of 11.
MOST_STEPS = 20
EXPECTED_LEFT = 2.0


def rows_of_sample(objective, cost):
    """Rows whose Hessian costs what an evaluation does, given the ``cost`` of that of all; None for no sample."""
    n_rows, size = objective.rows.shape[0], objective.shape[0] * objective.shape[1]
    is_one_logit = objective.shape[1] == 1
    least, most = ROWS_PER_PARAMETER_OF_ONE_LOGIT if is_one_logit else ROWS_PER_PARAMETER
    n_draws = int(max(min(max(n_rows / cost, least * size), most * size), LEAST_ROWS))
    if n_draws > MOST_SHARE * n_rows:
        least, in_all = LEAST_OF_ONE_LOGIT
        n_draws = int(MOST_SHARE_OF_ONE_LOGIT * n_rows)
        if not is_one_logit or n_draws < max(least * size, in_all):
            return None
    mass = objective.rows.targets.class_mass
    has_every_class = n_draws * mass[mass > 0].min() >= ROWS_PER_CLASS * mass.sum()
    return n_draws if has_every_class else None


class SampledNewtonStage:
    """Steps from the best point of ``descent`` by Hessians of ``n_draws`` rows, until one certifies it."""

    def __init__(self, descent, standardisation, n_draws, tol, watch, gives_way):
        self.descent = descent
        self.problem = descent.objective.problem
        self.standardisation = standardisation
        self.n_draws = n_draws
        self.tol = tol
        self.watch = watch
        self.n_misses = 0
        self.secants = Secants(MOST_STEPS)
        self.curvature = self.of_curvature = None  # and the Point that it is of
        self.gives_way = gives_way
        self.first_step = None
        self.hessian_sums = single_hessian_sums if self.problem.shape[1] == 1 else hessian_sums

    @property
    def most_promised(self):
        """Promise of a step, relative to F, up to which the Hessian serves on."""
        share, size = self.n_draws / self.problem.rows.shape[0], self.descent.best.params.size
        of_sample = SHARE_OF_SAMPLE * size / self.n_draws if share < 1 else 0.0
        return max(PROMISE_OF_ANOTHER, of_sample) if share > MOST_SHARE else of_sample

    @property
    def is_coarse(self):
        """Whether products are in float32."""
        return self.descent.objective.rows.dtype == np.float32

    @property
    def is_promising(self):
        """Whether so few steps as may be are expected to leave little enough of the gradient: see above."""
        expected_left = EXPECTED_LEFT * self.descent.best.params.size / self.n_draws
        return self._steps_to_certificate(0.0, expected_left) <= MOST_STEPS

    @property
    def is_near(self):
        """Whether one step by the Hessian of all rows should lead to the end."""
        return self.descent.suboptimality**2 <= SHARE_OF_EXPECTED * self.tol

    def run(self, max_iter):
        """Why the minimisation is over; None where other stages are to go on.

        That is where F does not fall as these steps promise; if they are not promising, where they have led near; and
        if it ``gives_way``, to Newton's method by a Hessian for each step, at once where the first step takes one.
        """
        is_promising = self.is_promising
        descent, last_promised = self.descent, np.inf
        # A Hessian of a sample takes no longer than an evaluation.
        if self.n_draws == self.problem.rows.shape[0] and begins_at_zero(descent):
            self.first_step = step_from_zero(descent)
            if self.first_step is None and self.gives_way:
                return None
        for n_iter in range(max_iter + 1):
            step, promised = self._step_and_promise()
            is_old = self.curvature is not None and self.of_curvature is not descent.best
            is_too_old = promised > MOST_LEFT * last_promised and len(self.secants) > 1
            if is_old and (is_too_old or promised > self.most_promised * abs(descent.best.value)):
                self.curvature = self._curvature_at_best()
                self.secants.forget()
                step, promised = self._step_and_promise()
            if self.is_coarse and descent.suboptimality <= TOL_OF_FLOAT32:
                descent.go_on_in_float64()
                step, promised = self._step_and_promise()
            start, is_to_try = descent.best, False
            if n_iter == max_iter:
                return "max_iter"
            if n_iter:
                left = promised / last_promised
                n_steps = self._steps_to_certificate(promised, left)
                is_to_try = n_steps <= 0
                # While Hessians still change, what a step leaves says nothing of the next.
                is_slow = left > MOST_LEFT or (is_promising and len(self.secants) and n_steps > MOST_STEPS)
                if not is_to_try and ((is_slow and not is_too_old) or (not is_promising and self.is_near)):
                    return None
            self.watch.before_iteration(Iterate(self.problem, start.params))
            if is_to_try:
                is_certified = self._is_certified(step)
            else:
                is_certified = False
                if not n_iter and begins_at_zero(descent):
                    step = first_length(descent, step) * step
                self._take(step)
            if descent.best is start:
                return "converged" if is_certified else None
            gain = start.value - descent.best.value
            descent.record(descent.best.value)
            if self.watch.after_iteration(Iterate(self.problem, descent.best.params)):
                return "stopped"
            if is_certified:
                return "converged"
            if self.n_misses > MOST_MISSES:
                return None
            if gain < LEAST_GAIN * promised or gain <= ROUNDING_OF_GAIN * abs(start.value):
                return None
            if self.of_curvature is not descent.best:
                self.secants.add(step, descent.best.gradient - start.gradient)
            last_promised = promised

    def _step_and_promise(self):
        """The step (p,) by the Hessian of the drawn rows and what that missed before, and the gain it promises."""
        gradient, step = self.descent.best.gradient, self._step()
        promised = -(gradient @ step) / 2
        self.descent.suboptimality = self.descent.relative([promised])
        return step, promised

    def _step(self):
        """That step (p,); the first may take no Hessian."""
        if self.curvature is None:
            if self.first_step is not None:
                return self.first_step
            self.curvature = self._curvature_at_best()
        return self.secants.step(self.curvature, self.descent.best.gradient)

    def _take(self, step):
        """Evaluate F where a step leads; in the same sweep, the Hessian there, if there has been none."""
        descent, params = self.descent, self.descent.best.params + step
        if self.curvature is not None:
            descent.evaluated(params)
            return
        function, width = self.hessian_sums(self.problem, self.standardisation)
        values, gradient, sums = descent.objective.with_curvature_sums(params, function, width)
        point = descent.remembered(Point(params, values, gradient))
        if descent.best is point:
            self.curvature = self._of_digits_enough(sums)

    def _steps_to_certificate(self, promised, left):
        """Steps that are expected to be needed until one certifies F, where this share is left of a decrement."""
        problem, value = self.problem, abs(self.descent.best.value)
        of_residual = problem.penalty.conjugate(problem.split(self.descent.best.gradient)[0])
        expected = left * (promised + of_residual) / (SHARE_OF_EXPECTED * max(self.tol, ROUNDING_OF_BOUND) * value)
        return np.log(max(expected, TINY)) / -np.log(min(left, 1 / 2))

    def _is_certified(self, step):
        """Whether F is within ``tol`` of its minimum by the dual bound of a step, where that leads or else here."""
        descent = self.descent
        tol = max(self.tol, ROUNDING_OF_BOUND)
        descent.gap_bound = bound_after(descent, step, tol)
        is_certified = descent.gap_bound <= tol * abs(descent.best.value)
        self.n_misses += not is_certified
        return is_certified

    def _curvature_at_best(self):
        """The ExactCurvature of the drawn rows at the best point, in float32 if that has digits enough."""
        descent = self.descent
        function, width = self.hessian_sums(self.problem, self.standardisation)
        sweeps, sums = sums_over_rows(function, descent.objective, descent.best.params, self.n_draws, width)
        descent.n_passes += sweeps
        return self._of_digits_enough(sums)

    def _of_digits_enough(self, sums):
        """The ExactCurvature of sums at the best point; where these have too few digits, of other ones."""
        descent, self.of_curvature = self.descent, self.descent.best
        curvature = ExactCurvature(descent.objective, descent.best.params, self.standardisation, sums)
        if self.hessian_sums is hessian_sums or curvature.least_pivot >= LEAST_PIVOT_OF_SINGLE:
            return curvature
        self.hessian_sums = hessian_sums
        return self._curvature_at_best()
