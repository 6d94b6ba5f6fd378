"""Newton's method whose steps are conjugate gradients: of sparse X with many parameters, and where L-BFGS is slow.

A product with the Hessian takes two products with X, as F and its gradient do, and no exponentials, and conjugate
gradients have four vectors where L-BFGS has forty. The logits of all rows, and what a step moves them by, are kept: so
that the rows say, without a pass, by how much F departs from its quadratic. An iteration ends where the last moves have
gained little besides all, or where the quadratic promises what F does not keep.

The dual bound of a step needs no pass either, to tell whether it would do. With r what is left of the equation
H s = -gradient, and p the probabilities that s moves q to, linearised, it is the mean divergence of p from q and the
conjugate of the penalty at r + ridge s; less what F falls by it bounds the gap where the step leads. Near the minimum
the step goes on until that will do, and then is proven.

Fits with tol = 1e-6 of sets of benchmarks/problems.py, on one thread: passes and seconds, by L-BFGS in the coordinates
of the diagonal, as where ``begins_with_truncated_newton`` is False, and by this. All are certified.

    news20-pair, C = 10            31, 0.029       30, 0.018
    news20-counts-pair, C = 10     81, 0.068       86, 0.040
    news20-four, C = 10            32, 0.179       38, 0.121
    news20-counts-four, C = 10    258, 1.405      240, 0.787
    news20, C = 10                 56, 5.6         57, 3.0
    news20-counts, C = 0.1        402, 36         563, 23

Of fewer columns than rows, where a product of these is dear and a Hessian too large, L-BFGS did not end in 1000
iterations on 7 of 20 random sets of 5 to 20 classes (columns of words, or of units or entries that differ by hundreds),
and three ended uncertified. By this all are certified, in 0.1 to 1 of the time; tf-idf and word counts take as long.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skce._rows.blocks import RowBlocks
from skce._solver.certificate import ROUNDING_OF_GAIN, dual_bound, gain_but_for_rounding, has_dual_bound
from skce._solver.conjugate_gradients import weights_of_residual
from skce._solver.curvature.common_columns import COLUMNS, CommonColumnsCurvature
from skce._solver.curvature.ladder import first_rung
from skce._solver.curvature.weighted_diagonal import WeightedDiagonalCurvature
from skce._solver.descent import Point
from skce._solver.logits_of_rows import Quadratic
from skce._solver.problem import Iterate

# A step is settled when as many moves as it has would gain this share of it if they gained what the last one did. A
# share of 0.3 took 0.9 to 1.3 times the passes, and where the quadratic fails, K = 20, C = 0.1, gradients as a measure
# took twice those of gains.
SHARE_OF_LAST = 0.5

# What F has to keep of what the quadratic promises, for more moves. 0.25 and 0.75 took the same passes, and none, of
# word counts, K = 4, 1.5 to 2.5 times as many.
LEAST_KEPT = 0.5

# Where F does not keep that, lengths of the last step are tried from 1/2 to the shortest. Without, 778 nearly separable
# rows of 45 classes took 3122 passes instead of 479: of the steps on the way the lowest goes where F curves most.
SHORTEST, LENGTHS = 2.0**-30, 30

# Steps that a curvature serves as the coordinates of conjugate gradients. With 1, 2 and 5 word counts took 1.2, 1.05
# and 1.2 times the passes. One by class knows where rows are now: with 3 and 2 ten sets took 1.3 and 1.1 times those
# with 1.
STEPS_OF_CURVATURE, STEPS_OF_CURVATURE_BY_CLASS = 3, 1

# Passes by a diagonal after which common columns have their products: at least so many, as tf-idf is done by then, and
# as many as the columns have products over so many times those of a row with the parameters. Two groups of word counts,
# C = 10 and 100, took 1.2 times the time where they had them at once, as a product of sparse rows is slower; and now
# take as long as without.
PASSES_BY_DIAGONAL, PRODUCTS_PER_PASS = 30, 2

# Share of the target that is expected of a bound where it is asked for; and how often it may be missed.
SHARE_OF_EXPECTED = 0.8
MOST_MISSES = 2

# Numbers of arrays like the logits (16 MB) up to which they are kept; of more, six of them are to take no more than X.
LOGITS_TO_KEEP, LOGITS_PER_NUMBER = 2**21, 0.25

# Moves of a step at most; and those for a certificate, after it has settled.
MOST_MOVES = 300
MOST_MOVES_OF_PROOF = 60


def begins_with_truncated_newton(objective, rungs):
    """Whether such a stage is the first for an objective that has these ``rungs``: where all but a diagonal is dear.

    Of one logit and fewer columns than rows L-BFGS is: tf-idf took 1.1 to 1.4 times its time.
    """
    is_sparse, has_hessian = rungs[0].curvature is WeightedDiagonalCurvature, rungs[-1].is_exact
    is_dear = is_sparse and not has_hessian and first_rung(rungs, is_cold=True) == 0
    is_wide_or_many = len(rungs) == 1 or objective.shape[1] > 1
    return is_dear and is_wide_or_many and has_truncated_newton(objective)


def has_truncated_newton(objective):
    """Whether there can be such stages for an objective: its logits are kept, and what its steps leave is proven."""
    problem, rows = objective.problem, objective.rows
    most_logits = max(LOGITS_TO_KEEP, LOGITS_PER_NUMBER * rows.shape[0] * rows.numbers_per_row)
    is_kept = isinstance(rows, RowBlocks) and rows.shape[0] * problem.shape[1] <= most_logits
    is_proven = problem.row_loss.has_exact_curvature and has_dual_bound(problem)
    return is_kept and is_proven and objective.n_problems == 1


@dataclass
class Step:
    """A ``step`` (p,), what the logits have ``moved`` by, what F falls by, and whether a dual bound should prove it."""

    step: np.ndarray
    moved: list
    gain: float = 0.0
    is_provable: bool = False


class TruncatedNewtonStage:
    """Steps by conjugate gradients from the best point of ``descent``, until one proves the point to which it leads.

    ``rung`` has the curvature in whose coordinates they are.
    """

    is_near = gives_way = False

    def __init__(self, descent, rung, standardisation, tol, watch):
        self.descent = descent
        self.problem = descent.objective.problem
        self.rung = rung
        self.standardisation = standardisation
        self.tol = tol
        self.watch = watch
        self.curvature: Any = None
        self.n_misses = 0
        n_products = self.problem.shape[1] * descent.objective.rows.numbers_per_row
        self.n_passes_by_diagonal = max(PASSES_BY_DIAGONAL, COLUMNS**2 / PRODUCTS_PER_PASS / n_products)
        self.steps_of_curvature = STEPS_OF_CURVATURE_BY_CLASS if rung.is_by_class else STEPS_OF_CURVATURE

    def run(self, max_iter):
        """Why the minimisation is over; None where other stages are to go on: where rounding hides what steps gain."""
        descent = self.descent
        quadratic = Quadratic.at(self.problem, descent.best.params)
        if not descent.objective.is_without_coef(descent.best.params):
            descent.n_passes += 1
        for n_iter in range(max_iter):
            if n_iter % self.steps_of_curvature == 0:
                self.curvature = self._curvature()
                descent.n_passes += self.curvature.sweeps
            start = descent.best
            self.watch.before_iteration(Iterate(self.problem, start.params))
            taken = self._step(quadratic)
            if taken.gain <= ROUNDING_OF_GAIN * abs(start.value):
                return None
            quadratic = quadratic.after(taken.moved)
            if descent.remembered(self._point(start.params + taken.step, quadratic)) is not descent.best:
                return None
            descent.record(descent.best.value)
            self.watch.during_stage(descent)
            if self.watch.after_iteration(Iterate(self.problem, descent.best.params)):
                return "stopped"
            if taken.is_provable and self._is_proven(start, taken.step):
                return "converged"
            if self.n_misses > MOST_MISSES:
                return None
        return "max_iter"

    def _curvature(self):
        """The curvature at the best point: with products of common columns where the diagonal has led to no end."""
        objective, best = self.descent.objective, self.descent.best
        if self.rung.curvature is WeightedDiagonalCurvature and self.descent.n_passes >= self.n_passes_by_diagonal:
            return CommonColumnsCurvature(objective, best.params, self.standardisation)
        return self.rung.curvature_at(objective, best, self.standardisation)

    def _point(self, params, quadratic):
        """The Point at ``params``, whose Quadratic is given."""
        coef, _ = self.problem.split(params)
        value = quadratic.loss + self.problem.penalty.value(coef)
        return Point(params, np.array([value]), quadratic.gradient(params))

    def _step(self, quadratic):
        """The Step from the best point, whose Quadratic is given: to the lowest of the points on the way."""
        descent, curvature = self.descent, self.curvature
        weights, target = self._weights_and_target()
        residual = -descent.best.gradient
        slope = direction = curvature.pull_back(residual)
        square, promised, departure, n_settled = float(slope @ slope), 0.0, 0.0, None
        step, moved = np.zeros_like(residual), [np.zeros_like(logits) for logits in quadratic.logits]
        taken = Step(step, moved)
        for n_moves in range(1, MOST_MOVES + 1):
            move = curvature.to_params(direction)
            curved, of_move = quadratic.product(move)
            descent.n_passes += 1
            along = float(move @ curved)
            if not along > 0:
                break
            length = square / along
            move *= length
            step = step + move  # which is not changed, as it may be the best
            moved = [total + length * more for total, more in zip(moved, of_move, strict=True)]
            curved *= length
            residual -= curved
            promised += length * square / 2
            departure = quadratic.departure(moved)
            if promised - departure > taken.gain:
                taken = Step(step, moved, promised - departure)
            if promised - departure < LEAST_KEPT * promised:
                break
            slope = curvature.pull_back(residual)
            last, square = square, float(slope @ slope)
            if n_settled or n_moves * length * last / 2 <= SHARE_OF_LAST * promised:
                n_settled = n_settled or n_moves
                weighted = weights * residual
                left = float(weighted @ weighted) / 2
                if n_moves == n_settled or left <= target / 2:
                    of_model = departure + quadratic.dual_departure(moved)
                    taken.is_provable = of_model + left <= target
                    if taken.is_provable or abs(of_model) > target / 2:
                        break
                if n_moves - n_settled >= MOST_MOVES_OF_PROOF:
                    break
            direction *= square / last
            direction += slope
        descent.suboptimality = descent.relative([promised])
        if promised - departure >= LEAST_KEPT * promised:
            return taken
        return max(taken, _shortened(Step(step, moved, promised), quadratic), key=lambda each: each.gain)

    def _weights_and_target(self):
        """Weights (p,) of what is left of the equation, and what the bound of a step is expected to come to."""
        target = SHARE_OF_EXPECTED * self.tol * abs(self.descent.best.value)
        return weights_of_residual(self.problem, self.curvature), target

    def _is_proven(self, start, step):
        """Whether the dual bound of a step from the Point ``start`` proves the best point, to which it led."""
        descent = self.descent
        gain = gain_but_for_rounding(descent.objective, start, descent.best)
        target = self.tol * abs(descent.best.value)
        sweeps, bound = dual_bound(self.problem, start.params, step, (), target + gain)
        descent.n_passes += sweeps
        descent.gap_bound = max(bound - gain, 0.0)
        self.n_misses += descent.gap_bound > target
        return descent.gap_bound <= target


def _shortened(whole, quadratic):
    """The Step along a ``whole`` one, to the minimum of a quadratic, that is so much shorter that F falls the most."""
    best = Step(0 * whole.step, whole.moved)
    for length in np.geomspace(1 / 2, SHORTEST, LENGTHS):
        moved = [length * move for move in whole.moved]
        gain = (2 - length) * length * whole.gain - quadratic.departure(moved)
        if gain > best.gain:
            best = Step(length * whole.step, moved, gain)
        elif best.gain > 0:
            break
    return best
