"""Standardised columns: the parameters of columns that are centred and divided by their spread, X left as it is.

With m_j and v_j the weighted mean and variance of column j and 1 / (C S) the curvature of the penalty,

    x_ij -> (x_ij - m_j) / s_j,    s_j^2 = v_j + 4 / (C S)

where 1/4 is the most that the variance of a probability can be. Without an intercept m is 0, and v_j the mean square.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

# A column whose spread is no more than the rounding of its mean is constant.
ROUNDING_OF_MEAN = 64 * np.finfo(float).eps

# Numbers of standardised columns (4 MB) that are kept from one step to the next.
MOST_NUMBERS_KEPT = 2**19

# The share of the squares of a column that is to be left of those minus its mean: less has lost two digits, or more.
LEAST_SHARE_OF_SQUARES = 1e-2

# Drawn rows whose mean is taken from all before they are squared: any value near the mean will do.
ROWS_OF_PILOT = 64

# Rows up to which squares are summed as they are, and minus their mean where they lose digits, without a draw.
ROWS_WITHOUT_DRAWS = 2**10


@dataclass(frozen=True)
class Moments:
    """Weighted ``mean`` (d,) and ``variance`` (d,) of the columns of X: of rows and weights alone."""

    mean: np.ndarray
    variance: np.ndarray

    @cached_property
    def spread(self) -> np.ndarray:
        """Root of the variance (d,)."""
        return np.sqrt(np.minimum(self.variance, np.finfo(float).max))

    def about_zero(self) -> "Moments":
        """Mean 0, and the mean square for the variance: what an objective without an intercept sees."""
        with np.errstate(over="ignore"):
            return Moments(np.zeros_like(self.mean), self.variance + self.mean**2)

    def merged(self, matrix: Any) -> "Moments":
        """Those of X M, for the CSR matrix M (d, d') of ``Rows.merged``: a row has one number of merged columns."""
        columns = np.flatnonzero(np.diff(matrix.indptr))

        def by_merged(numbers):
            return np.bincount(matrix.indices, weights=numbers, minlength=matrix.shape[1])

        mean, variance = self.mean[columns], self.variance[columns]
        of_merged = by_merged(matrix.data * mean)
        by_squares = np.maximum(by_merged(variance + mean**2) - of_merged**2, 0.0)
        # Of a column that is as it was, the difference would lose what the variance has.
        return Moments(of_merged, np.where(by_merged(None) == 1, by_merged(variance), by_squares))

    def shifted(self, shift: np.ndarray) -> "Moments":
        """Those of columns minus ``shift`` (d,)."""
        return Moments(self.mean - shift, self.variance)


class Standardisation:
    """Columns minus their ``mean`` (d,), over ``scale`` (d,), as a change of variables of the parameters.

    ``spread`` (d,) is the root of their variance, or without an intercept of their mean square.
    """

    is_decorrelated = False

    def __init__(self, moments, ridge, fit_intercept):
        self.mean = moments.mean
        self.spread = moments.spread
        square = np.minimum(moments.variance + 4 * ridge, np.finfo(float).max)
        self.scale = np.sqrt(np.where(square > 0, square, 1.0))
        self.fit_intercept = fit_intercept
        self._kept = {}

    def __getstate__(self):
        return {**vars(self), "_kept": {}}  # sent to where rows are, it takes none with it

    @classmethod
    def of(cls, problem):
        """The Standardisation of the columns of a problem."""
        return cls(problem.moments, problem.penalty.ridge, problem.fit_intercept)

    def decorrelated(self, basis):
        """These columns, and that of ones, times ``basis`` (d + 1, d + 1)."""
        return Decorrelation(self, basis)

    def by_columns(self, quadratic):
        """A quadratic form (d + 1, d + 1) of the coefficients of these columns, as one of themselves."""
        return quadratic

    def columns_of(self, block):
        """Standardised columns (d, m), and one of ones if there is an intercept, of a block (m, d)."""
        dense = _dense(block)
        n_features = len(self.mean)
        columns = np.empty_like(dense, np.float64, "C", shape=(n_features + self.fit_intercept, len(dense)))
        standardised = columns[:n_features]
        np.subtract(dense.T, self.mean[:, None], out=standardised)
        standardised *= (1 / self.scale)[:, None]  # as to divide takes four times as long
        columns[n_features:] = 1
        return columns

    def single_columns_of(self, block):
        """As ``columns_of``, of a dense block in float32, row by row: for sums of products that may be rounded."""
        if issparse(block):
            return self.columns_of(block)
        n_features = len(self.mean)
        rows = np.empty_like(block, np.float32, "C", subok=False, shape=(len(block), n_features + self.fit_intercept))
        np.multiply(block - self.mean, 1 / self.scale, out=rows[:, :n_features], casting="same_kind")
        rows[:, n_features:] = 1
        return rows.T

    def kept_columns_of(self, block):
        """As ``columns_of``, and not to be changed: those of an X in memory that is small are kept for the next step.

        To make them takes up to half as long as to sum their products: with them kept, fits of spambase take 0.81 of
        the time, of 1000 x 30 numbers 0.9.
        """
        if not isinstance(block, np.ndarray) or block.base is None:
            return self.columns_of(block)
        # While a view is kept, no other array can take its place.
        place = block.__array_interface__["data"], block.shape, block.strides, block.dtype
        kept = self._kept.get(place)
        if kept is not None:
            return kept[1]
        columns = self.columns_of(block)
        if columns.size + sum(others.size for _, others in list(self._kept.values())) <= MOST_NUMBERS_KEPT:
            columns.flags.writeable = False
            self._kept[place] = block, columns
        return columns

    @property
    def mean_square(self):
        """Mean over the rows, by weight, of their squared norms."""
        return ((self.spread / self.scale) ** 2).sum()

    def squared_norms(self, block):
        """Squared norms (m,) of the rows of a block (m, d) in the standardised columns, without that of ones."""
        centred = np.subtract(_dense(block), self.mean, dtype=np.float64)
        centred /= self.scale
        return np.einsum("md,md->m", centred, centred)

    def to_params(self, standardised):
        """Parameters (..., d + 1, k) for coefficients of the standardised columns, in their place."""
        coef = standardised[..., : len(self.mean), :]
        coef /= self.scale[:, None]
        if self.fit_intercept:
            standardised[..., -1, :] -= self.mean @ coef
        return standardised

    def pull_back(self, gradient):
        """Gradient (d + 1, k) by the coefficients of the standardised columns, given that by the parameters."""
        standardised = gradient.copy()
        coef = standardised[: len(self.mean)]
        if self.fit_intercept:
            coef -= np.multiply.outer(self.mean, gradient[-1])
        coef /= self.scale[:, None]
        return standardised


@dataclass(frozen=True)
class Decorrelation:
    """The columns of a ``standardisation``, and that of ones, times ``basis`` (d + 1, d + 1).

    Sums of squares of columns that nearly depend on each other, or whose spread is that of a few rows, lose in rounding
    what little curves F elsewhere. In columns that a curvature was the identity in, the next one loses less.
    """

    standardisation: Standardisation
    basis: np.ndarray

    is_decorrelated = True

    @property
    def scale(self):
        """Scale (d,) of the standardised columns."""
        return self.standardisation.scale

    def decorrelated(self, basis):
        """As of a Standardisation."""
        return Decorrelation(self.standardisation, self.basis @ basis)

    def by_columns(self, quadratic):
        """As of a Standardisation: a quadratic form of the coefficients of its columns, as one of those of these."""
        return self.basis.T @ quadratic @ self.basis

    def columns_of(self, block):
        """Columns (d + 1, m) of a block (m, d)."""
        return self.basis.T @ self.standardisation.columns_of(block)

    def kept_columns_of(self, block):
        """As ``columns_of``, of columns that are kept."""
        return self.basis.T @ self.standardisation.kept_columns_of(block)

    def to_params(self, coef):
        """Parameters (..., d + 1, k) for coefficients of these columns."""
        return self.standardisation.to_params(self.basis @ coef)

    def pull_back(self, gradient):
        """Gradient (d + 1, k) by the coefficients of these columns, given that by the parameters."""
        return self.basis.T @ self.standardisation.pull_back(gradient)


def moments_of(rows):
    """The Moments of the columns of X, given by Rows; zeros where no output of theirs is optimised."""
    if not len(rows.targets.outputs):
        return Moments(np.zeros(rows.shape[1]), np.zeros(rows.shape[1]))
    if rows.is_sparse or rows.shape[0] <= ROWS_WITHOUT_DRAWS:
        # Few columns of sparse X are far from zero; of few rows the mean takes as long as all.
        moments, is_lost = _moments_about(None, rows)
        return _moments_about(moments.mean, rows)[0] if is_lost else moments
    return _moments_about(_pilot(rows), rows)[0]


def _moments_about(pilot, rows):
    """The Moments of the columns, of sums of their squares minus a pilot, None for 0; and whether these lose digits."""

    def sums(block):
        weight = block.targets.row_weight(block.at)
        first, second = sums_of_columns(weight[None], block.X, pilot)
        return weight.sum(), first[0], second[0]

    with np.errstate(over="ignore", invalid="ignore"):
        total, first, second = rows.summed(sums, width=int(rows.numbers_per_row) // 8)
        offset = first / total
        second /= total
        variance = second - offset**2
        np.maximum(variance, 0.0, out=variance)
        is_lost = not (variance >= LEAST_SHARE_OF_SQUARES * second).all()
        mean = offset if pilot is None else pilot + offset
        variance[variance <= (ROUNDING_OF_MEAN * mean) ** 2] = 0.0
    return Moments(mean, variance), is_lost


def _pilot(rows):
    """Numbers (d,) near the mean of the columns of X."""
    _, (total_of_drawn,) = rows.summed_of_drawn(
        lambda block: (np.asarray(block.X.astype(np.float64, copy=False).sum(axis=0)).ravel(),), ROWS_OF_PILOT
    )
    return total_of_drawn / ROWS_OF_PILOT


def largest_of_column(rows, column):
    """The largest size of the numbers in a column of Rows."""
    return -rows.lowest(lambda block: -_dense(abs(block.X[:, [column]])).ravel())


def _dense(block):
    """A block (m, d) as an array."""
    return block.toarray() if issparse(block) else block


def sums_of_columns(weights, X, pilot):
    """Sums (w, d), by weights (w, m), of columns of X (m, d), dense or CSR, minus ``pilot`` (d,), and of their squares.

    Far from zero, squares lose the spread in rounding: the pilot should be near the mean. None stands for 0.
    """
    if issparse(X):
        return _sparse_sums(weights, X, pilot)
    if pilot is None:
        return weights @ X, weights @ np.multiply(X, X, dtype=np.float64)
    centred = np.subtract(X, pilot, dtype=np.float64)
    first = weights @ centred
    centred *= centred
    return first, weights @ centred


def _sparse_sums(weights, X, pilot):
    """The same of a CSR matrix: by products with it and with its squares, where these lose no digits."""
    first, second = ((numbers.T @ weights.T).T for numbers in (X, squares_of(X)))
    if pilot is None:
        return first, second
    total = weights.sum(axis=1)[:, None]
    of_pilot = total * pilot**2
    least = LEAST_SHARE_OF_SQUARES * (second + of_pilot)
    second = second - 2 * pilot * first + of_pilot
    first = first - total * pilot
    # Of columns with as good as no zeros far from zero, or numbers that overflow.
    (is_lost,) = np.nonzero(~(second >= least).all(axis=0))
    if len(is_lost):
        sums = [_sums_of_differences(weight, X[:, is_lost], pilot[is_lost]) for weight in weights]
        first[:, is_lost], second[:, is_lost] = np.stack(sums, axis=1)
    return first, second


def squares_of(X):
    """A CSR matrix of the squares of the numbers of another, in float64."""
    return csr_array((np.square(X.data, dtype=np.float64), X.indices, X.indptr), shape=X.shape)


def _sums_of_differences(weight, X, pilot):
    """Sums (d,), by weight (m,), of the columns of a CSR matrix minus ``pilot`` (d,), and of their squares."""
    weight_of_rows = np.repeat(weight, np.diff(X.indptr))
    differences = X.data - pilot[X.indices]

    def by_column(numbers):
        return np.bincount(X.indices, weights=numbers, minlength=len(pilot))

    has_zeros = by_column(None) < X.shape[0]
    weight_of_zeros = np.where(has_zeros, weight.sum() - by_column(weight_of_rows), 0.0)
    weight_of_rows *= differences
    first = by_column(weight_of_rows) - weight_of_zeros * pilot
    weight_of_rows *= differences
    # In this order a column without zeros adds 0, even if its square overflows.
    return first, by_column(weight_of_rows) + weight_of_zeros * pilot * pilot
