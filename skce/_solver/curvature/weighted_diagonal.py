"""Diagonal curvature of sparse X, by rows as they curve: a certain row curves nothing, and so it weighs nothing.

Raw word counts are certain of most of their rows soon, and of the longest first, which are what the plain variance of a
column is made of. So each row weighs w_i, the trace of its curvature at ``params``: with the mean m_j and the variance
v_j of column j under these weights, and the curvature by class a_k, the diagonal is v_j a_k. Steps are centred by m,
which is where the intercept, eliminated, leaves the columns.

Rows of an effective number n_eff = 2 (sum w)^2 / sum w^2 curve as many directions, in which F curves by far more than
the penalty. Where there are more columns than that, all other directions are curved by the penalty alone, to which a
scale for each column is a disservice: they would be left with curvatures as far apart as these scales. So no column
is taken for more than its share: with tau such that

    sum_j min(v_j a / tau, 1) = n_eff        (0 where there are no more columns than n_eff)

columns of curvature below tau keep the scale that the penalty gives, and the few far above it come down to tau.

To relative gaps of 1e-3 and 1e-6: evaluations of L-BFGS on X as it is, passes with DiagonalCurvature, and with this
one. The constants below were chosen on these sets but the last:

    word counts, K = 4, C = 1              132, 276      253, > 1000      111, 180
    the same, C = 100                      190, 438      > 600, > 600     300, 467
    the same as tf-idf, C = 100             75, 154       51, 79          38, 64
    Zipf's words, heavy row lengths, C = 1 327, 640      313, 730        130, 276
    indicators of factors, C = 1           100, 208        9, 38           9, 37
    units from 1e-3 to 1e3, C = 1         > 600, > 600   171, 386        146, 245
    beside dense raw columns, C = 1       > 600, > 600   328, > 1000     292, 510
    the same, C = 100                     > 600, > 600   577, > 1000    1042, 1331
    word counts, K = 20, C = 1             280, 575      568, > 1100     292, 525
"""

import numpy as np
from scipy.sparse import issparse

from skce._solver.curvature.diagonal import DiagonalCurvature
from skce._solver.curvature.directions import diagonal_of, preconditioned_classes, sums_over_rows, with_floor
from skce._solver.standardisation import squares_of, sums_of_columns

# What rows weigh besides, as a share of their own weight: this, times the square of the mean curvature. A certain row
# curves nothing until a step has moved it: of dense columns at raw scales beside sparse ones, C = 1, the gap was 7e-4
# after 600 evaluations without it, and 1e-6 after 500 with it. To the power of 1.5, word counts took 406, not 259.
# A row curves along a stretch that is as much shorter as the row is longer, so over a step by its length, not by the
# square of that: certain rows weigh as much less. Where all weighed the same, a word that one document has 11,151 times
# was taken to curve 1,500 times as much as it did, and its coefficient was all that was left of a gap of 2e-7.
SHARE_OF_CERTAIN_ROWS = 0.1

# Rows that weigh little curve something too. With 1, sparse columns of units from 1e-3 to 1e3 took 467 evaluations to
# 1e-6 instead of 250; with 3, word counts at C = 100 486 instead of 418.
DIRECTIONS_PER_ROW = 2.0


class WeightedDiagonalCurvature(DiagonalCurvature):
    """The curvature by class times the variances of the columns, over rows that weigh what they curve.

    Rows weigh their ``weight``, of all, besides ``per_certain`` times that of certain rows. ``variance`` (d,) is what
    the columns have ``kept`` of their own, and ``offset`` (d,) their mean from that of all rows.
    """

    def __init__(self, objective, params, standardisation):
        problem = objective.problem
        self.standardisation = standardisation
        self.classes = preconditioned_classes(problem)
        self.is_centred = problem.is_centred
        pilot = standardisation.mean

        def sums(block, curvature):
            weight, of_certain = curvature.trace(), weight_of_certain(block)
            first, second = sums_of_columns(np.stack([weight, of_certain]), block.X, pilot)
            of_weights = weight.sum(), weight @ weight, first[0], second[0]
            return self.classes.summed(curvature), *of_weights, of_certain.sum(), second[1]

        self.sweeps, (self.by_class, *moments, sum_of_certain, square_of_certain) = sums_over_rows(
            sums, objective, params, objective.rows.shape[0]
        )
        weight, square, first, second = moments
        n_effective = DIRECTIONS_PER_ROW * weight**2 * problem.total / max(square, np.finfo(float).tiny)
        certain = SHARE_OF_CERTAIN_ROWS * min(weight, 1.0) ** 2 + np.finfo(float).tiny
        self.weight, self.per_certain = weight + certain, certain / max(sum_of_certain, np.finfo(float).tiny)
        self.offset = first / self.weight if problem.fit_intercept else np.zeros_like(first)
        variance = (second + self.per_certain * square_of_certain) / self.weight - self.offset**2
        self.mean = pilot + self.offset
        self.by_output = with_floor(diagonal_of(self.by_class))
        variance = np.maximum(variance, 0.0)
        self.kept = self._kept_of(problem, variance, n_effective)
        self.variance = self.kept * variance
        self.scale = self._scale(problem)

    def _kept_of(self, problem, variance, n_effective):
        """The share (d,) of the columns' curvature that they are taken for."""
        if not problem.is_every_coef_penalised:
            return np.ones_like(variance)
        ridge = np.broadcast_to(problem.penalty.ridge, variance.shape)
        return ridge / np.maximum(equal_share(variance * self.by_output.mean(), n_effective), ridge)

    def _scale(self, problem):
        """Scale (d + 1, k) of the parameters."""
        square = np.ones((problem.shape[0], len(self.by_output)))
        np.multiply.outer(self.variance, self.by_output, out=square[: len(self.variance)])
        square[: len(self.variance)] += np.broadcast_to(problem.penalty.ridge, self.variance.shape)[:, None]
        if problem.fit_intercept:
            square[-1] = self.by_output
        np.divide(1.0, square, out=square, where=square > 0)
        return np.sqrt(square, out=square)


def weight_of_certain(block):
    """The weights (m,) of the rows of a block over their lengths; of rows without length 0."""
    X = block.X
    squares = squares_of(X).sum(axis=1) if issparse(X) else np.einsum("md,md->m", X, X, dtype=np.float64)
    length = np.sqrt(squares)
    return block.targets.row_weight(block.at) / np.where(length > 0, length, np.inf)


def equal_share(curvatures, n_directions):
    """The tau at which the sum of min(curvature / tau, 1) over columns is ``n_directions``; 0 where there are fewer."""
    descending = np.sort(curvatures[curvatures > 0])[::-1]
    if len(descending) <= n_directions:
        return 0.0
    # With the first i at 1, the others share what is left.
    n_whole = np.arange(min(int(np.ceil(n_directions)), len(descending)))
    of_others = np.cumsum(descending[::-1])[::-1][n_whole]
    shares = of_others / (n_directions - n_whole)
    return shares[np.argmax(shares >= descending[n_whole])]
