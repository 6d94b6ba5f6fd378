"""Spreads: what the inverse Hessian makes of the columns of each row, in directions of the classes."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse

from skce._slices import row_slices
from skce._solver.curvature.exact import ExactCurvature
from skce._types import Array

# Numbers that are computed at once for the spreads of some rows.
NUMBERS_OF_SPREADS = 2**20

# Columns for each direction of the classes up to which spreads are made of products of two columns, which takes fewer
# multiplications, but has to make these. Of letter, of 17 columns and 25 directions, that took a third of the time, of
# satimage, of 37 and 5, three quarters.
MOST_COLUMNS_PER_DIRECTION = 8

# Numbers of products of two columns that are kept from one value of a path to the next (32 MB).
NUMBERS_OF_PRODUCTS = 2**22

# What rounding of the inverse Hessian may leave in a spread.
MOST_ROUNDING = 1e-6


def dense_rows(rows, at):
    """X (m, d) of some rows, as they are multiplied, dense."""
    X = rows.features(at)
    return X.toarray() if scipy.sparse.issparse(X) else X


class KeptProducts:
    """Products of two columns of blocks of rows, kept for other penalties: for these columns change by their scale."""

    def __init__(self):
        self._kept = {}

    def __getstate__(self):
        return {"_kept": {}}  # sent to where rows are, it takes none with it

    def of(self, X, standardisation, columns):
        """Products (p (p + 1) / 2, m) for the ``columns`` (p, m) of a block X (m, d), and what each is times.

        None where there are too many.
        """
        first, second = upper_triangle(len(columns))
        n_kept = sum(products.size for _, _, products in self._kept.values())
        is_kept = isinstance(X, np.ndarray) and X.base is not None and not standardisation.is_decorrelated
        # While a view is kept, no other array can take its place.
        place = (X.__array_interface__["data"], X.shape, X.strides, X.dtype) if is_kept else None
        if place in self._kept:
            _, scale, products = self._kept[place]
            times = np.ones(len(columns))
            times[: len(scale)] = scale / standardisation.scale
            return products, times[first] * times[second]
        if n_kept + len(first) * columns.shape[1] > NUMBERS_OF_PRODUCTS:
            return None
        products = columns[first] * columns[second]
        if is_kept:
            self._kept[place] = X, standardisation.scale, products
        return products, np.ones(len(first))


@dataclass(frozen=True, eq=False)
class Spreads:
    """Products (m, k, k) of directions by the inverse Hessian, for columns (p, m) of rows, of one factor (r, p, k).

    They are quadratic in the columns. ``quadratic`` are the coefficients (k (k + 1) / 2, p (p + 1) / 2) of products of
    two columns, or None where these are more, or so large that rounding them would show. ``kept`` are such products.
    """

    factors: Any
    n_directions: int
    quadratic: Array | None
    kept: KeptProducts | None

    @classmethod
    def of(cls, curvature: ExactCurvature, factors: Any, kept: KeptProducts | None = None) -> "Spreads":
        """Those by the inverse Hessian of ``factors`` (f, r, p), in the directions of a curvature."""
        size = curvature.classes.size
        if curvature.classes.are_separate:
            return cls(factors, size, None, kept)
        n_columns = factors[0].shape[-1] // size
        if n_columns > MOST_COLUMNS_PER_DIRECTION * size:
            return cls(factors, size, None, kept)
        inverse = factors[0].T @ factors[0]
        if np.abs(inverse).max() * n_columns * np.finfo(float).eps > MOST_ROUNDING:
            return cls(factors, size, None, kept)
        first, second = upper_triangle(n_columns)
        by_columns = inverse.reshape(n_columns, size, n_columns, size)[first, :, second]
        by_columns = by_columns + np.where(first == second, 0, 1)[:, None, None] * np.swapaxes(by_columns, 1, 2)
        upper = upper_triangle(size)
        return cls(factors, size, np.ascontiguousarray(by_columns[:, upper[0], upper[1]].T), kept)

    def of_block(self, X: Array, standardisation: Any, columns: Array) -> Array:
        """The products for the columns (p, m) of a block X (m, d)."""
        if self.kept is None or self.quadratic is None:
            return self(columns)
        known = self.kept.of(X, standardisation, columns)
        if known is None:
            return self(columns)
        products, times = known
        return symmetric((self.quadratic * times) @ products, self.n_directions)

    def __call__(self, columns: Array) -> Array:
        """The products for columns (p, m)."""
        n_columns, n_rows = columns.shape
        if self.quadratic is None:
            return spreads_of(self.factors[0].reshape(-1, n_columns, self.n_directions), columns)
        spreads = np.empty((n_rows, self.n_directions, self.n_directions))
        first, second = upper_triangle(n_columns)
        for at in row_slices(n_rows, max(NUMBERS_OF_SPREADS // max(self.quadratic.shape), 1)):
            products = columns[first, at]
            products *= columns[second, at]
            spreads[at] = symmetric(self.quadratic @ products, self.n_directions)
        return spreads


@lru_cache(maxsize=8)
def upper_triangle(size):
    """Row and column of each entry of a matrix from its diagonal on, which take longer to find than small ones."""
    return np.triu_indices(size)


def symmetric(upper, size):
    """Symmetric matrices (m, k, k), contiguous, of their upper triangles (k (k + 1) / 2, m)."""
    first, second = upper_triangle(size)
    place = np.empty((size, size), dtype=np.intp)
    place[first, second] = place[second, first] = np.arange(len(first))
    return upper.T[:, place]


def spreads_of(factor, columns):
    """Matrices (m, k, k) of products of directions by the inverse Hessian, for its factor (r, p, k), columns (p, m)."""
    n_parameters, _, n_directions = factor.shape
    spreads = np.empty((columns.shape[1], n_directions, n_directions))
    for at in row_slices(columns.shape[1], max(NUMBERS_OF_SPREADS // (n_parameters * n_directions), 1)):
        by_direction = np.tensordot(columns[:, at], factor, axes=([0], [1]))
        spreads[at] = np.swapaxes(by_direction, 1, 2) @ by_direction
    return spreads


def squared_norms(factors, columns):
    """Squared norms (k, m) of columns (p, m) by the inverse Hessian of each problem."""
    return np.stack([((factor @ columns) ** 2).sum(axis=0) for factor in factors])
