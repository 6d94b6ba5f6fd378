"""Standardised columns: the parameters of columns that are centred and divided by their spread, X left as it is.

With m_j and v_j the weighted mean and variance of column j and 1 / (C S) the curvature of the penalty,

    x_ij -> (x_ij - m_j) / s_j,    s_j^2 = v_j + 4 / (C S)

where 1/4 is the most that the variance of a probability can be. Without an intercept m is 0, and v_j the mean square.
"""

import numpy as np
from scipy.sparse import issparse

# A column whose spread is no more than the rounding of its mean is constant.
ROUNDING_OF_MEAN = 64 * np.finfo(float).eps


ROWS_OF_PILOT = 64


class Standardisation:
    """Columns minus their ``mean`` (d,), over ``scale`` (d,), as a change of variables of the parameters.

    ``spread`` (d,) is the root of their variance, or without an intercept of their mean square.
    """

    def __init__(self, mean, spread, scale, fit_intercept):
        self.mean = mean
        self.spread = spread
        self.scale = scale
        self.fit_intercept = fit_intercept

    def shifted(self, shift):
        """The same of columns minus ``shift`` (d,)."""
        return Standardisation(self.mean - shift, self.spread, self.scale, self.fit_intercept)

    def columns_of(self, block):
        """Standardised columns (d, m), and one of ones if there is an intercept, of a block (m, d)."""
        dense = block.toarray() if hasattr(block, "toarray") else block
        n_features = len(self.mean)
        columns = np.empty((n_features + self.fit_intercept, len(dense)))
        standardised = columns[:n_features]
        np.subtract(dense.T, self.mean[:, None], out=standardised)
        standardised /= self.scale[:, None]
        columns[n_features:] = 1
        return columns

    def params(self, standardised):
        """Parameters (..., d + 1, k) for coefficients of the standardised columns, in their place."""
        coef = standardised[..., : len(self.mean), :]
        coef /= self.scale[:, None]
        if self.fit_intercept:
            standardised[..., -1, :] -= self.mean @ coef
        return standardised

    def gradient(self, gradient):
        """Gradient (d + 1, k) by the coefficients of the standardised columns, given that by the parameters."""
        standardised = gradient.copy()
        coef = standardised[: len(self.mean)]
        if self.fit_intercept:
            coef -= np.multiply.outer(self.mean, gradient[-1])
        coef /= self.scale[:, None]
        return standardised


def standardisation_of(rows, penalty, fit_intercept):
    """Standardisation by the weighted means and spreads of the columns of X, given by its RowBlocks."""
    _, (total_of_drawn,) = rows.summed_of_drawn(
        lambda targets, drawn, block: (np.asarray(block.sum(axis=0, dtype=np.float64)).ravel(),), ROWS_OF_PILOT
    )
    pilot = total_of_drawn / ROWS_OF_PILOT

    def sums(targets, slice_of_rows, block):
        weight = targets.row_weight(slice_of_rows)
        # Far from zero, squares lose the spread in rounding.
        if issparse(block):
            return weight.sum(), *_sparse_sums(weight, block, pilot)
        centred = np.subtract(block, pilot, dtype=np.float64)
        first = weight @ centred
        centred *= centred
        return weight.sum(), first, weight @ centred

    with np.errstate(over="ignore"):
        total, first, second = rows.summed(sums, n_columns=int(rows.numbers_per_row) // (8 if rows.is_sparse else 1))
        offset = first / total
        mean, variance = pilot + offset, np.maximum(second / total - offset**2, 0.0)
        if not fit_intercept:
            variance, mean = variance + mean**2, np.zeros_like(mean)
        variance[variance <= (ROUNDING_OF_MEAN * mean) ** 2] = 0.0
    square = np.minimum(variance + 4 * penalty, np.finfo(float).max)
    scale = np.sqrt(np.where(square > 0, square, 1.0))
    return Standardisation(mean, np.sqrt(np.minimum(variance, np.finfo(float).max)), scale, fit_intercept)


def _sparse_sums(weight, block, pilot):
    """Weighted sums (d,) of the columns of a CSR block minus ``pilot`` (d,), and of their squares."""
    weight_of_rows = np.repeat(weight, np.diff(block.indptr))
    differences = block.data - pilot[block.indices]

    def by_column(numbers):
        return np.bincount(block.indices, weights=numbers, minlength=len(pilot))

    has_zeros = by_column(None) < block.shape[0]
    weight_of_zeros = np.where(has_zeros, weight.sum() - by_column(weight_of_rows), 0.0)
    weight_of_rows *= differences
    first = by_column(weight_of_rows) - weight_of_zeros * pilot
    weight_of_rows *= differences
    return first, by_column(weight_of_rows) + weight_of_zeros * pilot**2
