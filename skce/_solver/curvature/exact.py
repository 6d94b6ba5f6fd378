"""Exact curvature: one Cholesky factor for a softmax, one for each sigmoid."""

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
    """H itself at ``params``: one Cholesky factor for a softmax, one for each sigmoid."""

    is_exact = True

    def __init__(self, objective, params, standardisation):
        self.standardisation = standardisation
        self.classes = class_directions(objective.problem)
        n_params, n_classes = objective.shape[0], self.classes.size
        first, second = self.classes.pairs

        vectors = self.classes.vectors

        def sums(block, curvature):
            weights = curvature.entries(vectors, first, second)
            return weighted_moments(weights, standardisation.columns_of(block.X)), curvature.total()

        width = min(n_params // 2, len(first)) * n_params // 4
        self.sweeps, (moments, self.by_class) = sums_over_rows(sums, objective, params, ROWS_OF_EXACT, width)
        if self.classes.are_separate:
            hessians = moments
        else:
            hessian = np.empty((n_params, n_classes, n_params, n_classes))
            hessian[:, first, :, second] = hessian[:, second, :, first] = moments
            hessians = hessian.reshape(1, n_params * n_classes, n_params * n_classes)
        diagonals = np.einsum("fpp->fp", hessians)
        diagonals += np.repeat(ridge_of(objective.problem, standardisation), hessians.shape[1] // n_params)
        factors = np.stack([inverse_factor(hessian) for hessian in hessians])
        # From here on in terms of the parameters: (1, p, d K) of a softmax, (K, d, d) of K sigmoids.
        n_factors, size, _ = factors.shape
        by_class = factors.reshape(n_factors, size, n_params, -1)
        self.maps = standardisation.to_params(self.classes.expanded(by_class)).reshape(n_factors, size, -1)

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
