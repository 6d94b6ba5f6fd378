"""Diagonal curvature: for X that is wide or sparse."""

import numpy as np

from skce._solver.curvature.directions import (
    ROWS_OF_CLASSES,
    diagonal_of,
    half_squared_norms,
    preconditioned_classes,
    ridge_of,
    sums_over_rows,
    with_floor,
)


class DiagonalCurvature:
    """The diagonal of A kron G + ridge at ``params``, with A by class and the variances of the columns for G."""

    is_exact = False

    def __init__(self, objective, params, standardisation):
        self.standardisation = standardisation
        self.classes = preconditioned_classes(objective.problem)
        self.mean = standardisation.mean
        self.is_centred = objective.problem.is_centred
        width = None if objective.rows.is_sparse else objective.rows.shape[1] // 8
        self.sweeps, (self.by_class,) = sums_over_rows(
            lambda _, curvature: (self.classes.summed(curvature),), objective, params, ROWS_OF_CLASSES, width
        )
        by_column = np.append(
            (standardisation.spread / standardisation.scale) ** 2, np.ones(int(objective.problem.fit_intercept))
        )
        by_output = with_floor(diagonal_of(self.by_class), self.classes.least_curvature)
        square = np.multiply.outer(by_column, by_output) + ridge_of(objective.problem, standardisation)[:, None]
        # In terms of the parameters themselves, as there may be very many.
        self.scale = 1 / np.sqrt(np.where(square > 0, square, 1.0))
        self.scale[: len(standardisation.scale)] /= standardisation.scale[:, None]

    def to_params(self, coordinates):
        """Displacement of the parameters for ``coordinates``, both flat."""
        matrix = self._by_params(coordinates.reshape(self.scale.shape))
        if self.is_centred:
            # A shift of all classes, which the gradient has none of, is nothing but a penalty.
            matrix -= matrix.mean(axis=1, keepdims=True)
        if self.standardisation.fit_intercept:
            matrix[-1] -= self.mean @ matrix[:-1]
        return matrix.reshape(-1)

    def pull_back(self, gradient):
        """Gradient by the coordinates, given that by the parameters, both flat."""
        gradient = gradient.reshape(self.scale.shape)
        if not self.standardisation.fit_intercept:
            return self._by_coordinates(gradient.copy()).reshape(-1)
        matrix = np.empty_like(gradient)
        matrix[-1] = gradient[-1]
        np.multiply.outer(self.mean, gradient[-1], out=matrix[:-1])
        np.subtract(gradient[:-1], matrix[:-1], out=matrix[:-1])
        return self._by_coordinates(matrix).reshape(-1)

    def _by_params(self, coordinates):
        """The displacement (p, k) of the centred columns' parameters for coordinates (p, k)."""
        return coordinates * self.scale

    def _by_coordinates(self, gradient):
        """The gradient (p, k) by the coordinates, in the place of that by the parameters of centred columns."""
        gradient *= self.scale
        return gradient

    def decrements(self, gradient):
        """Estimated F - min F of each problem, half the squared norm of its ``gradient`` by the coordinates (flat)."""
        return half_squared_norms(gradient.reshape(self.scale.shape), axis=0 if self.classes.are_separate else None)
