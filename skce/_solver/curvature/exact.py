"""Exact curvature: one Cholesky factor for a softmax, one for each sigmoid.

The curvature of a row is a sum over pairs of classes, m q_k q_l (e_k - e_l)(e_k - e_l)^T times x x^T. All of these are
positive semi-definite, so that their sums over the rows lose nothing to cancellation.
"""

import copy
from functools import cached_property

import numpy as np

from skce._solver.curvature.directions import (
    class_directions,
    half_squared_norms,
    ridge_of,
    sums_over_rows,
)
from skce._solver.curvature.factorisation import cholesky_factor, inverse_factor, weighted_moments

# Above this many rows, an exact Hessian draws this many.
ROWS_OF_EXACT = 2**19

# Least pivot, of a Hessian with a diagonal of ones, below which the next one is summed in columns that this one
# decorrelates: what the other columns leave of one has then lost half of its digits to cancellation, or more.
LEAST_PIVOT = 1e-8

# Pivot of a column that is a sum of others: without a penalty what is left of it is rounding, and no column.
PIVOT_OF_NOTHING = 1e-13


class ExactCurvature:
    """H itself at ``params``: ``hessians`` (1, p, p) of a softmax, (K, p, p) of sigmoids.

    They are by the *reduced* parameters, (1, p) or (K, p): coefficients of the columns that ``standardisation`` makes,
    in the directions of the classes that a softmax sees. ``sums`` are those of ``hessian_sums``, if they are known.
    """

    is_exact = True

    # What changes of variables take of it, where they are not in memory.
    multiplied = ("maps",)

    def __init__(self, objective, params, standardisation, sums=None):
        problem = objective.problem
        self.standardisation = standardisation
        self.classes = class_directions(problem)
        self.is_every_coef_penalised = problem.is_every_coef_penalised
        self.sweeps = 0.0
        if sums is None:
            program, width = hessian_sums(problem, standardisation)
            self.sweeps, sums = sums_over_rows(program, objective, params, ROWS_OF_EXACT, width)
        moments, self.weights_of_pairs = sums
        self.hessians = self.assembled(moments)
        self._add_ridge(ridge_of(problem, standardisation))

    def with_more_ridge(self, ridge):
        """The curvature where the ridge is more by so much, which may be less than 0."""
        other = copy.copy(self)
        for name in ("cholesky_factors", "factors", "inverses", "maps"):
            vars(other).pop(name, None)
        standardisation, other.hessians = self.standardisation, self.hessians.copy()
        of_columns = np.zeros(self.hessians.shape[-1] // (1 if self.classes.are_separate else self.classes.size))
        of_columns[: len(standardisation.scale)] = ridge / standardisation.scale**2
        other._add_ridge(of_columns)
        return other

    def _add_ridge(self, ridge):
        """Add a ridge (d + 1,) of the standardised columns to the Hessians."""
        if self.standardisation.is_decorrelated:
            by_class = self._by_class()
            by_class += self.standardisation.by_columns(np.diag(ridge))
            return
        diagonals = np.einsum("fpp->fp", self.hessians)
        diagonals += ridge if self.classes.are_separate else np.repeat(ridge, self.classes.size)

    @cached_property
    def by_class(self):
        """The curvature by class, (K, K) of a softmax, (K,) of sigmoids: that of the intercepts."""
        if self.classes.are_separate:
            return self.weights_of_pairs
        first, second = self.classes.pairs
        by_class = np.zeros(2 * (self.classes.vectors.shape[1],))
        by_class[first, second] = by_class[second, first] = -self.weights_of_pairs
        np.fill_diagonal(by_class, -by_class.sum(axis=0))
        return by_class

    @cached_property
    def cholesky_factors(self):
        """The CholeskyFactors of the Hessians."""
        return [cholesky_factor(hessian) for hessian in self.hessians]

    @cached_property
    def factors(self):
        """Inverses (f, p, p) of the Cholesky factors of the Hessians."""
        return np.stack([factor.inverse() for factor in self.cholesky_factors])

    @cached_property
    def inverses(self):
        """Inverses (f, p, p) of the Hessians."""
        return np.swapaxes(self.factors, 1, 2) @ self.factors

    @cached_property
    def maps(self):
        """The factors in terms of the parameters: (1, p, d K) of a softmax, (K, d, d) of K sigmoids."""
        n_factors, size, _ = self.factors.shape
        n_columns = size if self.classes.are_separate else size // self.classes.size
        by_class = self.classes.expanded(self.factors.reshape(n_factors, size, n_columns, -1))
        return self.standardisation.to_params(by_class.copy()).reshape(n_factors, size, -1)

    def assembled(self, moments):
        """Hessians (f, p, p) of second moments (w, d, d) of the columns by pair of classes, or by sigmoid."""
        if self.classes.are_separate:
            return moments
        n_columns, n_classes = moments.shape[-1], self.classes.size
        hessian = (self.classes.products_of_pairs @ moments.reshape(len(moments), -1)).reshape(
            2 * (n_classes,) + 2 * (n_columns,)
        )
        return hessian.transpose(2, 0, 3, 1).reshape(1, n_columns * n_classes, n_columns * n_classes)

    def inverse_factors(self, hessians):
        """Inverses (f, p, p) of the Cholesky factors of hessians (f, p, p)."""
        return np.stack([inverse_factor(hessian) for hessian in hessians])

    def decorrelated(self):
        """The standardisation in whose columns this curvature, taken over the classes, is about the identity."""
        return self.standardisation.decorrelated(inverse_factor(self._by_class().sum(axis=0)).T)

    @property
    def least_pivot(self):
        """Of the Hessians with a diagonal of ones, what is left of the row that the others all but determine."""
        return min(factor.least_pivot for factor in self.cholesky_factors)

    def standardisation_of_next(self):
        """The standardisation in whose columns a Hessian near this one loses few digits to cancellation."""
        least = self.least_pivot
        is_anything_left = self.is_every_coef_penalised or least > PIVOT_OF_NOTHING
        return self.decorrelated() if least < LEAST_PIVOT and is_anything_left else self.standardisation

    def newton_step(self, gradient):
        """Newton's step, flat, and the decrements of the problems (f,), given the gradient by the parameters, flat."""
        reduced = self.reduced_gradient(gradient)
        if len(self.hessians) == 1:
            (factor,) = self.cholesky_factors
            slope = factor.solved(reduced[0])
            return -self.displacement(factor.solved_transposed(slope)[None]), np.array([slope @ slope / 2])
        slope = np.stack([factor.solved(part) for factor, part in zip(self.cholesky_factors, reduced, strict=True)])
        step = [factor.solved_transposed(part) for factor, part in zip(self.cholesky_factors, slope, strict=True)]
        return -self.displacement(np.stack(step)), self.decrements(slope)

    def _by_class(self):
        """View (k, d, d) of the blocks of the Hessians that are of one class, or direction of the classes, alone."""
        if self.classes.are_separate:
            return self.hessians
        n_columns = self.hessians.shape[-1] // self.classes.size
        return np.einsum("icjc->cij", self.hessians.reshape(2 * (n_columns, self.classes.size)))

    def to_params(self, coordinates):
        """Displacement of the parameters for ``coordinates``, both flat."""
        by_factor = coordinates.reshape(len(self.maps), 1, -1) @ self.maps
        return by_factor[:, 0].T.reshape(-1)

    def pull_back(self, gradient):
        """Gradient by the coordinates, given that by the parameters, both flat."""
        by_factor = gradient.reshape(-1, len(self.maps)).T
        return (self.maps @ by_factor[:, :, None]).reshape(-1)

    def decrements(self, gradient):
        """Estimated F - min F of each problem, half the squared norm of its ``gradient`` by the coordinates (flat)."""
        return half_squared_norms(gradient.reshape(len(self.hessians), -1), axis=1)

    def displacement(self, reduced):
        """Displacement of the parameters, flat, for reduced ones."""
        by_column = reduced.T if self.classes.are_separate else reduced.reshape(-1, self.classes.size)
        return self.standardisation.to_params(self.classes.expanded(by_column).copy()).reshape(-1)

    def reduced_gradient(self, gradient):
        """Gradient by the reduced parameters, given that by the parameters, flat."""
        n_outputs = self.classes.size if self.classes.are_separate else self.classes.vectors.shape[1]
        by_column = self.classes.reduced(self.standardisation.pull_back(gradient.reshape(-1, n_outputs)))
        return by_column.T if self.classes.are_separate else by_column.reshape(1, -1)


def hessian_sums(problem, standardisation):
    """The function of a Block and its curvatures whose sums make H, and the numbers a row that it computes."""
    return _sums_of_products(problem, standardisation.kept_columns_of)


def single_hessian_sums(problem, standardisation):
    """The same of products in float32, for an H that may be off by the eps of that: they take half of the time."""
    return _sums_of_products(problem, standardisation.single_columns_of)


def _sums_of_products(problem, columns_of):
    """The function whose sums make H, of the columns (d, m) that ``columns_of`` makes of X (m, d), and its width."""
    first, second = class_directions(problem).pairs

    def sums(block, curvature):
        columns, entries = columns_of(block.X), curvature.entries(first, second)
        of_pairs = np.add.reduce(entries, axis=1)
        return weighted_moments(entries.astype(columns.dtype, copy=False), columns), of_pairs

    n_columns = problem.shape[0]
    return sums, min(n_columns // 2, len(first)) * n_columns // 4
