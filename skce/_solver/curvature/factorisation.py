"""Factorisations of second moments and Hessians, which need not be definite, nor scaled by any kind hand.

Matrices are scaled to a unit diagonal, and get the least ridge there with which they can be factorised.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.linalg

# Added to the diagonal of what is factorised, relative to it: the first that is enough.
RIDGES = 1e-14 * 100.0 ** np.arange(8)

# Weights and columns up to which moments are one product: of 3 and 5 it takes half of the time of the other ways, of 6
# and 19 0.87 of it, and more from 8 weights or 30 columns on.
MOST_WEIGHTS_AT_ONCE, MOST_COLUMNS_AT_ONCE = 6, 20


def weighted_moments(weights, columns):
    """Sums (w, d, d) over the rows of weights (w, m) times the products of two of the columns (d, m)."""
    n_columns, n_rows = columns.shape
    if len(weights) <= MOST_WEIGHTS_AT_ONCE and n_columns <= MOST_COLUMNS_AT_ONCE:
        weighted = (weights[:, None] * columns).reshape(-1, n_rows)
        return (weighted @ columns.T).reshape(-1, n_columns, n_columns)
    if n_columns > 2 * len(weights):
        if weights.min(initial=0.0) < 0:  # the second derivatives of losses that are not convex
            return np.stack([(weight * columns) @ columns.T for weight in weights])
        if len(weights) == 1:
            weighted = np.sqrt(weights[0]) * columns
            return (weighted @ weighted.T)[None]
        # NumPy knows a matrix times its own transpose to be symmetric, and has half of it computed.
        return np.stack([weighted @ weighted.T for weighted in (root * columns for root in np.sqrt(weights))])
    products = np.empty_like(columns, shape=(n_columns * (n_columns + 1) // 2, n_rows))
    for column in range(n_columns):
        start = column * (2 * n_columns - column + 1) // 2
        np.multiply(columns[column], columns[column:], out=products[start : start + n_columns - column])
    first, second = _upper_triangle(n_columns)
    moments = np.empty((len(weights), n_columns, n_columns))
    moments[:, first, second] = moments[:, second, first] = weights @ products.T
    return moments


@dataclass(frozen=True)
class CholeskyFactor:
    """A matrix (p, p) that is about L L^T with L = diag(scale) ``lower``, where L^-1 has rows of about unit length."""

    lower: np.ndarray
    scale: np.ndarray

    @property
    def least_pivot(self):
        """What is left of the diagonal, scaled to ones, of the row that the others all but determine."""
        return self.lower.diagonal().min() ** 2

    def inverse(self):
        """L^-1 (p, p)."""
        return scipy.linalg.lapack.dtrtri(self.lower, lower=1)[0] / self.scale

    def solved(self, vector):
        """L^-1 times a vector (p,)."""
        return scipy.linalg.lapack.dtrtrs(self.lower, vector / self.scale, lower=1)[0]

    def solved_transposed(self, vector):
        """L^-T times a vector (p,)."""
        return scipy.linalg.lapack.dtrtrs(self.lower, vector, lower=1, trans=1)[0] / self.scale


def cholesky_factor(hessian):
    """The CholeskyFactor of about ``hessian`` (p, p), which need not be definite."""
    scaled, scale = _unit_diagonal(hessian)
    diagonal = scaled.reshape(-1)[:: len(scale) + 1]
    ones = diagonal.copy()
    for ridge in RIDGES:
        np.add(ones, ridge, out=diagonal)
        # Symmetric, and transposed for LAPACK, which has it copied row by row.
        lower, info = scipy.linalg.lapack.dpotrf(scaled.T, lower=1, clean=1)
        if info == 0:
            return CholeskyFactor(lower, scale)
    return CholeskyFactor(np.eye(len(scale)), scale)


def inverse_factor(hessian):
    """The inverse (p, p) of L, where L L^T is about ``hessian`` (p, p), which need not be definite."""
    return cholesky_factor(hessian).inverse()


def relative_eigenvectors(moment, ridge):
    """Eigenvalues t in [0, 1] and vectors V, in columns, with V^T (moment + ridge) V = 1 and V^T moment V = diag(t).

    ``moment`` (d, d) is overwritten: it may be large. Where it is no array of NumPy, V is where it is.
    """
    if not isinstance(moment, np.ndarray):
        return _relative_eigenvectors_there(moment, ridge)
    diagonal = np.diag(moment) + ridge
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    moment /= scale
    moment /= scale[:, None]
    for least in RIDGES:
        both = moment.copy()
        np.fill_diagonal(both, 1 + least)
        try:
            # Symmetric matrices, transposed for LAPACK, which then copies none of them.
            values, vectors = scipy.linalg.eigh(
                moment.T, both.T, overwrite_a=True, overwrite_b=True, check_finite=False
            )
        except scipy.linalg.LinAlgError:
            continue
        vectors /= scale[:, None]
        return np.clip(values, 0, 1), vectors
    return np.ones(len(scale)), np.diag(1 / scale)


def _relative_eigenvectors_there(moment, ridge):
    """The same of an array of another library, by the factorisations of the array API standard."""
    diagonal = np.asarray(np.diag(moment)) + ridge
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    moment = moment / np.multiply.outer(scale, scale)
    for least in RIDGES:
        both = moment + np.diag(1 + least - np.asarray(np.diag(moment)))
        try:
            lower = np.linalg.cholesky(both)
        except np.linalg.LinAlgError:
            continue
        values, vectors = np.linalg.eigh(np.linalg.solve(lower, np.linalg.solve(lower, moment).T))
        return np.clip(np.asarray(values), 0, 1), np.linalg.solve(lower.T, vectors) / scale[:, None]
    return np.ones(len(scale)), np.diag(1 / scale)


@lru_cache(maxsize=4)
def _upper_triangle(size):
    """Row and column of each entry of a matrix from its diagonal on, which take longer to find than small moments."""
    return np.triu_indices(size)


def _unit_diagonal(matrix):
    """``matrix`` (p, p) scaled from both sides to a diagonal of ones, and the scale (p,), 1 for no curvature."""
    diagonal = matrix.diagonal()
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    inverse = 1 / scale  # as to divide by the scale takes longer
    scaled = np.multiply(matrix, inverse, order="C")
    scaled *= inverse[:, None]
    return scaled, scale
