"""Kronecker curvature: curvature by class times second moment by column, or in the space of few rows."""

import numpy as np
from scipy.sparse import issparse

from skce._rows.blocks import Block
from skce._slices import ROWS_PER_BLOCK, row_slices
from skce._solver.curvature.directions import (
    ROWS_OF_CLASSES,
    half_squared_norms,
    preconditioned_classes,
    ridge_of,
    sums_over_rows,
    with_floor,
)
from skce._solver.curvature.factorisation import RIDGES, relative_eigenvectors
from skce._solver.far_rows import GivenTargets

# Ridge, relative to the variance of a column, where there is no penalty and more columns than rows.
LEAST_ROW_SPACE_RIDGE = 1e-8

# A second moment draws as many rows as make so many numbers, but no fewer than this for each column.
NUMBERS_OF_MOMENT = 2**22
ROWS_PER_COLUMN = 10

# Where fewer than this share of the rows are drawn, those that stand out are all taken: columns that few rows have are
# missing among the drawn ones. They stand out if their squared norm is this times n / n_draws of the mean. After 40
# iterations MNIST at 0 to 255 has a loss of 1.09 without them, 0.234 with those of a share of 1, 0.210 of 0.5, 0.212
# of 0.3; divided by 255, where columns that few rows have matter little, it takes 162 passes, and 151 without.
LARGEST_SHARE_TO_LOOK = 0.5
SHARE_TO_STAND_OUT = 0.5

# Steps, by what they change the logits of a direction by class by, a root mean square, above which that curves more. A
# hundred classes of 512 columns, C = 1e4, take 52 passes, and 87 without, and a thousand of 64 columns 64 and 86; 27
# fits of 7 to 1000 classes 0.6 to 1.05 of the passes, 0.94 in the geometric mean, and with 2.5 0.95.
LONGEST_STEP = 3.0

# Least share of the curvature of a class that is left where rows are taken out of it.
LEAST_OF_OTHERS = 1e-3


class KroneckerCurvature:
    """A kron G + ridge at ``params``: A by class, G by column about the ``mean`` (d, K) of each class.

    All are sums over rows drawn in proportion to their weight, and over those that stand out. Row i has weight
    m q_ik (1 - q_ik) in class k, and an intercept acts at the mean of the rows that have any, which is elsewhere for
    every class. With A = U diag(a) U^T, and V^T (G + R) V = 1 and V^T G V = diag(t) for the ridge R, the product is
    diagonal in U kron V: a_k t_j + 1 - t_j, exact in the ridge.

    Where the step for the ``gradient`` at ``params`` would be long, A is so much larger, as it will be when parameters
    have grown. Of many ``classes`` A is a diagonal, each of which has a step of its own. No more than ``n_draws`` rows
    are drawn.
    """

    is_exact = False

    def __init__(self, objective, params, standardisation, gradient=None, classes=None, n_draws=None):
        self.standardisation = standardisation
        self.classes = classes or preconditioned_classes(objective.problem)
        n_features, n_outputs = objective.rows.shape[1], objective.shape[1]
        n_draws = n_draws or rows_of_moment(n_features)

        def sums(block, curvature):
            columns = standardisation.columns_of(block.X)[:n_features]
            weights, dtype = curvature.diagonals(), block.X.dtype
            of_classes = columns.astype(dtype, copy=False) @ weights.astype(dtype, copy=False).T
            columns *= np.sqrt(weights.sum(axis=0))
            # Of the product of a matrix with itself NumPy computes half.
            return self.classes.summed(curvature), weights.sum(axis=1), of_classes, columns @ columns.T

        width = max(n_features // 8, n_outputs)
        if n_draws < LARGEST_SHARE_TO_LOOK * objective.rows.shape[0]:
            self.sweeps, terms = _sums_with_outlying(sums, objective, params, standardisation, n_draws, width)
        else:
            self.sweeps, terms = sums_over_rows(sums, objective, params, n_draws, width)
        self.by_class, weights, first, second = terms
        self.mean = np.zeros_like(first)
        if objective.problem.fit_intercept:
            np.divide(first, np.maximum(weights, np.finfo(float).tiny), out=self.mean)
            second -= first @ self.mean.T
        second /= max(weights.sum(), np.finfo(float).tiny)
        by_column, self.vectors = relative_eigenvectors(
            objective.rows.where_large(second), ridge_of(objective.problem, standardisation)[:n_features]
        )
        self.by_column = np.append(by_column, np.ones(int(objective.problem.fit_intercept)))
        by_direction, self.directions = self.classes.principal(self.by_class)
        self.by_direction = with_floor(by_direction, self.classes.least_curvature)
        self.scale = self._scale()
        if gradient is not None:
            step = self.scale * self.pull_back(gradient).reshape(self.scale.shape)
            lengths = np.linalg.norm(step, axis=0)
            if not self.classes.is_diagonal:  # of curvatures that are alike any directions may be those by class
                lengths = np.sqrt(np.mean(lengths**2))
            self.by_direction *= np.maximum(lengths / LONGEST_STEP, 1)
            self.scale = self._scale()

    def take_out(self, of_rows):
        """Take out of the curvature by column what some rows (K,) curve in each class, where A is a diagonal.

        The intercept of a class acts at the mean of all of its rows, and is left as it is.
        """
        of_intercept = self.scale[len(self.mean) :].copy()
        self.by_direction = np.maximum(self.by_direction - of_rows, LEAST_OF_OTHERS * self.by_direction)
        self.scale = self._scale()
        self.scale[len(self.mean) :] = of_intercept

    def _scale(self):
        """The scale (d, k) of a product of curvatures by column (d,), with the ridge 1 - t of each, and by class."""
        ridge = (1 - self.by_column)[:, None]
        return 1 / np.sqrt(np.multiply.outer(self.by_column, self.by_direction) + ridge)

    def to_params(self, coordinates):
        """Displacement of the parameters for ``coordinates``, both flat."""
        scaled = coordinates.reshape(self.scale.shape) * self.scale
        n_features = len(self.mean)
        scaled[:n_features] = self.vectors @ scaled[:n_features]
        matrix = self.directions.expanded(scaled)
        if len(matrix) > n_features:
            matrix[-1] -= self.classes.seen(np.einsum("dk,dk->k", self.mean, matrix[:n_features]))
        return self.standardisation.to_params(matrix).reshape(-1)

    def pull_back(self, gradient):
        """Gradient by the coordinates, given that by the parameters, both flat."""
        by_output = self.standardisation.pull_back(gradient.reshape(len(self.scale), -1))
        n_features = len(self.mean)
        if len(by_output) > n_features:
            by_output[:n_features] -= self.mean * self.classes.seen(by_output[-1])
        matrix = self.directions.reduced(by_output)
        matrix[:n_features] = self.vectors.T @ matrix[:n_features]
        matrix *= self.scale
        return matrix.reshape(-1)

    def decrements(self, gradient):
        """Estimated F - min F of each problem, half the squared norm of its ``gradient`` by the coordinates (flat)."""
        return half_squared_norms(gradient.reshape(self.scale.shape), axis=0 if self.classes.are_separate else None)


class RowSpaceCurvature:
    """A kron G + ridge of fewer rows than columns, at ``params``, where G has no more than n directions.

    With W the rows' curvatures, R the ridge and W^1/2 X R^-1/2 = P diag(s) Q^T, the product is R^1/2 times
    a_k s_j^2 + 1 in the directions R^-1/2 Q of the columns, and the ridge in all others.
    """

    is_exact = False

    def __init__(self, objective, params, standardisation):
        self.standardisation = standardisation
        self.classes = preconditioned_classes(objective.problem)
        n_features = objective.rows.shape[1]
        self.sweeps = 1.0
        curvature_of = objective.curvature_at(params)

        def curvatures_and_columns(block):
            curvature = curvature_of(block)
            return (
                self.classes.summed(curvature)[..., None],
                curvature.trace(),
                standardisation.columns_of(block.X)[:n_features],
            )

        by_class, trace, columns = objective.rows.stacked(curvatures_and_columns)
        self.by_class = by_class.sum(axis=-1) / objective.problem.total
        weight = trace / max(trace.sum(), np.finfo(float).tiny)
        self.mean = np.zeros(n_features)
        if objective.problem.fit_intercept:
            self.mean = columns @ weight
            columns -= self.mean[:, None]
        columns *= np.sqrt(weight)
        variance = np.einsum("dn,dn->d", columns, columns)
        ridge = np.maximum(ridge_of(objective.problem, standardisation)[:n_features], LEAST_ROW_SPACE_RIDGE * variance)
        self.root = 1 / np.sqrt(np.where(ridge > 0, ridge, 1.0))
        columns *= self.root[:, None]
        by_row, vectors = np.linalg.eigh(columns.T @ columns)
        is_seen = by_row > RIDGES[0] * by_row.max()
        self.vectors = columns @ (vectors[:, is_seen] / np.sqrt(by_row[is_seen]))
        by_direction, self.directions = self.classes.principal(self.by_class)
        by_direction = with_floor(by_direction, self.classes.least_curvature)
        self.scale = 1 / np.sqrt(np.multiply.outer(by_row[is_seen], by_direction) + 1)
        self.intercept_scale = 1 / np.sqrt(by_direction)

    def to_params(self, coordinates):
        """Displacement of the parameters for ``coordinates``, both flat."""
        matrix = coordinates.reshape(-1, len(self.intercept_scale)).copy()
        coef = matrix[: len(self.mean)]
        coef += self.vectors @ ((self.scale - 1) * (self.vectors.T @ coef))
        coef *= self.root[:, None]
        if len(matrix) > len(coef):
            matrix[-1] = matrix[-1] * self.intercept_scale - self.mean @ coef
        return self.standardisation.to_params(self.directions.expanded(matrix)).reshape(-1)

    def pull_back(self, gradient):
        """Gradient by the coordinates, given that by the parameters, both flat."""
        n_params = len(self.mean) + self.standardisation.fit_intercept
        matrix = self.directions.reduced(self.standardisation.pull_back(gradient.reshape(n_params, -1)))
        coef = matrix[: len(self.mean)]
        if len(matrix) > len(coef):
            coef -= np.multiply.outer(self.mean, matrix[-1])
            matrix[-1] *= self.intercept_scale
        coef *= self.root[:, None]
        coef += self.vectors @ ((self.scale - 1) * (self.vectors.T @ coef))
        return matrix.reshape(-1)

    def decrements(self, gradient):
        """Estimated F - min F of each problem, half the squared norm of its ``gradient`` by the coordinates (flat)."""
        by_class = gradient.reshape(-1, len(self.intercept_scale))
        return half_squared_norms(by_class, axis=0 if self.classes.are_separate else None)


def _sums_with_outlying(function, objective, params, standardisation, n_draws, width):
    """As ``sums_over_rows`` of drawn rows, but that all rows are taken that stand out by their squared norm.

    A column that few rows have is large in these, and curves as much as any; of rows drawn by weight alone it may be 0.
    """
    problem, n_rows = objective.problem, objective.rows.shape[0]
    least = SHARE_TO_STAND_OUT * n_rows / n_draws * standardisation.mean_square

    def is_outlying(block):
        return standardisation.squared_norms(block.X) > least

    def outlying_rows(block):
        outlying = np.flatnonzero(is_outlying(block))
        X = block.X[outlying]
        at = outlying + block.at.start if isinstance(block.at, slice) else block.at[outlying]
        return (X.toarray() if issparse(X) else X).T, block.targets.block(at)

    def of_others(block, curvature):
        return function(block, curvature.times(~is_outlying(block)))

    sweeps, sums = sums_over_rows(of_others, objective, params, n_draws, width)
    columns, targets = objective.rows.gathered(outlying_rows)
    curvature_of = objective.curvature_at(params)
    for at in row_slices(columns.shape[1], ROWS_PER_BLOCK):
        block = Block(np.ascontiguousarray(columns[:, at].T), GivenTargets(targets[..., at]), at)
        terms = function(block, curvature_of(block))
        sums = [total + term / problem.total for total, term in zip(sums, terms, strict=True)]
    return sweeps + 1, sums


def rows_of_moment(n_features):
    """Rows that a second moment of so many columns draws, at most."""
    return max(ROWS_PER_COLUMN * n_features, min(ROWS_OF_CLASSES, NUMBERS_OF_MOMENT // n_features))
