"""Exact curvature: one Cholesky factor for a softmax, one for each sigmoid.

The curvature of a row is a sum over pairs of classes, m q_k q_l (e_k - e_l)(e_k - e_l)^T times x x^T. All of these are
positive semi-definite, so that their sums over the rows lose nothing to cancellation.
"""

import numpy as np

from skce._solver.curvature.directions import (
    class_directions,
    half_squared_norms,
    ridge_of,
    sums_over_rows,
)
from skce._solver.curvature.factorisation import inverse_factor, weighted_moments

# Above this many rows, an exact Hessian draws this many.
ROWS_OF_EXACT = 2**19


class ExactCurvature:
    """H itself at ``params``: ``hessians`` (1, p, p) of a softmax, (K, p, p) of sigmoids.

    They are by the *reduced* parameters, (1, p) or (K, p): coefficients of the columns that ``standardisation`` makes,
    in the directions of the classes that a softmax sees. ``sums`` are those of ``hessian_sums``, if they are known.
    """

    is_exact = True

    def __init__(self, objective, params, standardisation, sums=None):
        problem = objective.problem
        self.standardisation = standardisation
        self.classes = class_directions(problem)
        self.sweeps = 0.0
        if sums is None:
            program, width = hessian_sums(problem, standardisation)
            self.sweeps, sums = sums_over_rows(program, objective, params, ROWS_OF_EXACT, width)
        moments, self.by_class = sums
        ridge = standardisation.by_columns(np.diag(ridge_of(problem, standardisation)))
        self.hessians = self.assembled(moments)
        self.hessians += ridge if self.classes.are_separate else np.kron(ridge, np.eye(self.classes.size))
        self.factors = self.inverse_factors(self.hessians)
        # Those in terms of the parameters: (1, p, d K) of a softmax, (K, d, d) of K sigmoids.
        n_factors, size, _ = self.factors.shape
        by_class = self.classes.expanded(self.factors.reshape(n_factors, size, len(ridge), -1))
        self.maps = standardisation.to_params(by_class.copy()).reshape(n_factors, size, -1)

    def assembled(self, moments):
        """Hessians (f, p, p) of second moments (w, d, d) of the columns by pair of classes, or by sigmoid."""
        if self.classes.are_separate:
            return moments
        first, second = self.classes.pairs
        differences = self.classes.vectors[:, first] - self.classes.vectors[:, second]
        n_columns, n_classes = moments.shape[-1], self.classes.size
        products = (differences[:, None] * differences).reshape(n_classes**2, -1)
        hessian = (products @ moments.reshape(len(moments), -1)).reshape(2 * (n_classes,) + 2 * (n_columns,))
        return hessian.transpose(2, 0, 3, 1).reshape(1, n_columns * n_classes, n_columns * n_classes)

    def inverse_factors(self, hessians):
        """Inverses (f, p, p) of the Cholesky factors of hessians (f, p, p)."""
        return np.stack([inverse_factor(hessian) for hessian in hessians])

    def decorrelated(self):
        """The standardisation in whose columns this curvature, taken over the classes, is about the identity."""
        by_class = self.hessians
        if not self.classes.are_separate:
            n_columns = len(self.hessians[0]) // self.classes.size
            by_class = np.einsum("icjc->cij", self.hessians.reshape(2 * (n_columns, self.classes.size)))
        return self.standardisation.decorrelated(inverse_factor(by_class.sum(axis=0)).T)

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
        return half_squared_norms(gradient.reshape(len(self.maps), -1), axis=1)

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
    first, second = class_directions(problem).pairs

    def sums(block, curvature):
        return weighted_moments(
            curvature.entries(first, second), standardisation.columns_of(block.X)
        ), curvature.total()

    n_columns = problem.shape[0]
    return sums, min(n_columns // 2, len(first)) * n_columns // 4
