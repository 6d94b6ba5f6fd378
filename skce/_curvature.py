"""Curvatures: changes of variables in which the objective curves about alike in all directions.

In units as they come, a column that is a thousand times larger curves the objective a million times more, and L-BFGS
creeps. X and the objective stay as they are: only the displacement from a point changes variables. With H = M M^T the
curvature there, or something close to it,

    params = point + M^-T u        gradient by u = M^-1 gradient by params

so that in u the curvature is about the identity, and half the squared norm of the gradient estimates how far the
objective is above its minimum. A row curves it by m (diag q - q q^T) in its logits, times x x^T. Ways to keep H:

    exact        all of it, but for the directions that a softmax does not see; of sigmoids, a block for each
    Kronecker    A kron G + ridge, of the rows' curvatures by class and their curvature-weighted second moment by
                 column; of fewer rows than columns, in the space of the rows
    diagonal     its diagonal

all of them in standardised columns.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from skce._factorisation import RIDGES, inverse_factor, relative_eigenvectors, weighted_moments

# Eigenvalues of the curvature by class, relative to the largest, below which a Kronecker product is not to be believed.
LEAST_CLASS_CURVATURE = 1e-2

# Ridge, relative to the variance of a column, where there is no penalty and more columns than rows.
LEAST_ROW_SPACE_RIDGE = 1e-8

# Rows, at most, whose curvature an exact Hessian sums, and a class matrix; of more, as many are drawn.
ROWS_OF_EXACT = 2**19
ROWS_OF_CLASSES = 2**14

# A second moment draws as many rows as make so many numbers, but no fewer than this for each column.
NUMBERS_OF_MOMENT = 2**22
ROWS_PER_COLUMN = 10


class ExactCurvature:
    """H itself at ``params``: one Cholesky factor for a softmax, one for each sigmoid."""

    is_exact = True

    def __init__(self, objective, params, standardisation):
        self.standardisation = standardisation
        self.classes = _class_directions(objective)
        n_columns, n_classes = objective.shape[0], self.classes.size
        first, second = self.classes.pairs

        vectors = self.classes.vectors

        def sums(block, curvature):
            weights = curvature.entries(vectors, first, second)
            return weighted_moments(weights, standardisation.columns_of(block)), curvature.total()

        width = min(n_columns // 2, len(first)) * n_columns // 4
        self.sweeps, (moments, self.by_class) = _sums_over_rows(sums, objective, params, ROWS_OF_EXACT, width)
        if self.classes.are_separate:
            hessians = moments
        else:
            hessian = np.empty((n_columns, n_classes, n_columns, n_classes))
            hessian[:, first, :, second] = hessian[:, second, :, first] = moments
            hessians = hessian.reshape(1, n_columns * n_classes, n_columns * n_classes)
        diagonals = np.einsum("fpp->fp", hessians)
        diagonals += np.repeat(_ridge(objective, standardisation), hessians.shape[1] // n_columns)
        factors = np.stack([inverse_factor(hessian) for hessian in hessians])
        # From here on in terms of the parameters: (1, p, d K) of a softmax, (K, d, d) of K sigmoids.
        n_factors, size, _ = factors.shape
        by_class = factors.reshape(n_factors, size, n_columns, -1)
        self.maps = standardisation.params(self.classes.expanded(by_class)).reshape(n_factors, size, -1)

    def params(self, coordinates):
        """Displacement of the parameters for ``coordinates``, both flat."""
        by_factor = coordinates.reshape(len(self.maps), 1, -1) @ self.maps
        return by_factor[:, 0].T.reshape(-1)

    def gradient(self, gradient):
        """Gradient by the coordinates, given that by the parameters, both flat."""
        by_factor = gradient.reshape(-1, len(self.maps)).T
        return (self.maps @ by_factor[:, :, None]).reshape(-1)

    def decrements(self, gradient):
        """Estimated F - min F of each problem, half the squared norm of its ``gradient`` by the coordinates (flat)."""
        return _half_squared_norms(gradient.reshape(len(self.maps), -1), axis=1)


class KroneckerCurvature:
    """A kron G + ridge at ``params``: A by class, G by column, both of rows drawn in proportion to their weight.

    With A = U diag(a) U^T, and V^T (G + R) V = 1 and V^T G V = diag(t) for the ridge R, the product is diagonal in
    U kron V: a_k t_j + 1 - t_j, exact in the ridge.
    """

    is_exact = False

    def __init__(self, objective, params, standardisation):
        self.standardisation = standardisation
        self.classes = _class_directions(objective)
        n_features = objective.rows.shape[1]
        n_draws = rows_of_moment(n_features)

        def sums(block, curvature):
            columns = standardisation.columns_of(block)
            weighted = curvature.trace() * columns
            return curvature.total(), weighted.sum(axis=1), weighted @ columns.T

        self.sweeps, (self.by_class, first, second) = _sums_over_rows(sums, objective, params, n_draws, n_features // 8)
        weight = max(_diagonal(self.by_class).sum(), np.finfo(float).tiny)
        moment = second[:n_features, :n_features] / weight
        self.mean = np.zeros(n_features)
        if objective.fit_intercept:
            self.mean = first[:n_features] / weight
            moment -= np.multiply.outer(self.mean, self.mean)
        ridge = _ridge(objective, standardisation)
        by_column, self.vectors = relative_eigenvectors(moment, ridge[:n_features])
        by_column = np.append(by_column, np.ones(int(objective.fit_intercept)))
        by_direction, self.directions = self.classes.principal(self.by_class)
        by_direction = _with_floor(by_direction)
        self.scale = 1 / np.sqrt(np.multiply.outer(by_column, by_direction) + (1 - by_column)[:, None])

    def params(self, coordinates):
        """Displacement of the parameters for ``coordinates``, both flat."""
        scaled = coordinates.reshape(self.scale.shape) * self.scale
        n_features = len(self.mean)
        matrix = np.empty_like(scaled)
        np.matmul(self.vectors, scaled[:n_features], out=matrix[:n_features])
        if len(matrix) > n_features:
            matrix[-1] = scaled[-1] - self.mean @ matrix[:n_features]
        return self.standardisation.params(self.directions.expanded(matrix)).reshape(-1)

    def gradient(self, gradient):
        """Gradient by the coordinates, given that by the parameters, both flat."""
        by_output = gradient.reshape(len(self.scale), -1)
        matrix = self.directions.reduced(self.standardisation.gradient(by_output))
        n_features = len(self.mean)
        if len(matrix) > n_features:
            matrix[:n_features] -= np.multiply.outer(self.mean, matrix[-1])
        matrix[:n_features] = self.vectors.T @ matrix[:n_features]
        matrix *= self.scale
        return matrix.reshape(-1)

    def decrements(self, gradient):
        """Estimated F - min F of each problem, half the squared norm of its ``gradient`` by the coordinates (flat)."""
        return _half_squared_norms(gradient.reshape(self.scale.shape), axis=0 if self.classes.are_separate else None)


class RowSpaceCurvature:
    """A kron G + ridge of fewer rows than columns, at ``params``, where G has no more than n directions.

    With W the rows' curvatures, R the ridge and W^1/2 X R^-1/2 = P diag(s) Q^T, the product is R^1/2 times
    a_k s_j^2 + 1 in the directions R^-1/2 Q of the columns, and the ridge in all others.
    """

    is_exact = False

    def __init__(self, objective, params, standardisation):
        self.standardisation = standardisation
        self.classes = _class_directions(objective)
        n_features = objective.rows.shape[1]
        self.sweeps = 1.0
        curvature_of = objective.curvature_at(params)

        def curvatures_and_columns(targets, rows, block):
            curvature = curvature_of(targets, rows, block)
            return curvature.total()[..., None], curvature.trace(), standardisation.columns_of(block)[:n_features]

        by_class, trace, columns = objective.rows.stacked(curvatures_and_columns)
        self.by_class = by_class.sum(axis=-1) / objective.targets.total
        weight = trace / max(trace.sum(), np.finfo(float).tiny)
        self.mean = np.zeros(n_features)
        if objective.fit_intercept:
            self.mean = columns @ weight
            columns -= self.mean[:, None]
        columns *= np.sqrt(weight)
        variance = np.einsum("dn,dn->d", columns, columns)
        ridge = np.maximum(_ridge(objective, standardisation)[:n_features], LEAST_ROW_SPACE_RIDGE * variance)
        self.root = 1 / np.sqrt(np.where(ridge > 0, ridge, 1.0))
        columns *= self.root[:, None]
        by_row, vectors = np.linalg.eigh(columns.T @ columns)
        is_seen = by_row > RIDGES[0] * by_row.max()
        self.vectors = columns @ (vectors[:, is_seen] / np.sqrt(by_row[is_seen]))
        by_direction, self.directions = self.classes.principal(self.by_class)
        by_direction = _with_floor(by_direction)
        self.scale = 1 / np.sqrt(np.multiply.outer(by_row[is_seen], by_direction) + 1)
        self.intercept_scale = 1 / np.sqrt(by_direction)

    def params(self, coordinates):
        """Displacement of the parameters for ``coordinates``, both flat."""
        matrix = coordinates.reshape(-1, len(self.intercept_scale)).copy()
        coef = matrix[: len(self.mean)]
        coef += self.vectors @ ((self.scale - 1) * (self.vectors.T @ coef))
        coef *= self.root[:, None]
        if len(matrix) > len(coef):
            matrix[-1] = matrix[-1] * self.intercept_scale - self.mean @ coef
        return self.standardisation.params(self.directions.expanded(matrix)).reshape(-1)

    def gradient(self, gradient):
        """Gradient by the coordinates, given that by the parameters, both flat."""
        n_columns = len(self.mean) + self.standardisation.fit_intercept
        matrix = self.directions.reduced(self.standardisation.gradient(gradient.reshape(n_columns, -1)))
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
        return _half_squared_norms(by_class, axis=0 if self.classes.are_separate else None)


class DiagonalCurvature:
    """The diagonal of A kron G + ridge at ``params``, with A by class and the variances of the columns for G."""

    is_exact = False

    def __init__(self, objective, params, standardisation):
        self.standardisation = standardisation
        self.classes = _class_directions(objective)
        width = None if objective.rows.is_sparse else objective.rows.shape[1] // 8
        self.sweeps, (self.by_class,) = _sums_over_rows(
            lambda _, curvature: (curvature.total(),), objective, params, ROWS_OF_CLASSES, width
        )
        by_column = np.append(
            (standardisation.spread / standardisation.scale) ** 2, np.ones(int(objective.fit_intercept))
        )
        by_output = _with_floor(_diagonal(self.by_class))
        square = np.multiply.outer(by_column, by_output) + _ridge(objective, standardisation)[:, None]
        # In terms of the parameters themselves, as there may be very many.
        self.scale = 1 / np.sqrt(np.where(square > 0, square, 1.0))
        self.scale[: len(standardisation.scale)] /= standardisation.scale[:, None]

    def params(self, coordinates):
        """Displacement of the parameters for ``coordinates``, both flat."""
        matrix = coordinates.reshape(self.scale.shape) * self.scale
        if not self.classes.are_separate:
            # A shift of all classes, which the gradient has none of, is nothing but a penalty.
            matrix -= matrix.mean(axis=1, keepdims=True)
        if self.standardisation.fit_intercept:
            matrix[-1] -= self.standardisation.mean @ matrix[:-1]
        return matrix.reshape(-1)

    def gradient(self, gradient):
        """Gradient by the coordinates, given that by the parameters, both flat."""
        gradient = gradient.reshape(self.scale.shape)
        if not self.standardisation.fit_intercept:
            return (gradient * self.scale).reshape(-1)
        matrix = np.empty_like(gradient)
        matrix[-1] = gradient[-1]
        np.multiply.outer(self.standardisation.mean, gradient[-1], out=matrix[:-1])
        np.subtract(gradient[:-1], matrix[:-1], out=matrix[:-1])
        matrix *= self.scale
        return matrix.reshape(-1)

    def decrements(self, gradient):
        """Estimated F - min F of each problem, half the squared norm of its ``gradient`` by the coordinates (flat)."""
        return _half_squared_norms(gradient.reshape(self.scale.shape), axis=0 if self.classes.are_separate else None)


def rows_of_moment(n_features):
    """Rows that a second moment of so many columns draws, at most."""
    return max(ROWS_PER_COLUMN * n_features, min(ROWS_OF_CLASSES, NUMBERS_OF_MOMENT // n_features))


def intercept_step(curvature, intercept_gradient):
    """Newton step (K,) in the intercepts alone, by the curvature by class."""
    by_direction, directions = curvature.classes.principal(curvature.by_class)
    least = max(RIDGES[0] * by_direction.max(), np.finfo(float).tiny)
    return -directions.expanded(directions.reduced(intercept_gradient) / np.maximum(by_direction, least))


@dataclass(frozen=True)
class _ClassDirections:
    """Orthonormal directions by class, the rows of ``vectors`` (k, K); None for K separate problems."""

    vectors: np.ndarray | None
    size: int

    @property
    def are_separate(self):
        """Whether each class is a problem by itself."""
        return self.vectors is None

    @property
    def pairs(self):
        """Row and column of each entry that a row's curvature has in these directions, or in its lower triangle."""
        return 2 * (np.arange(self.size),) if self.are_separate else np.tril_indices(self.size)

    def reduced(self, by_output):
        """Components (..., k) in the directions of (..., K)."""
        return by_output if self.are_separate else by_output @ self.vectors.T

    def expanded(self, by_direction):
        """The inverse of ``reduced``."""
        return by_direction if self.are_separate else by_direction @ self.vectors

    def principal(self, by_class):
        """Curvatures (k,) in the directions in which a curvature by class, (K, K) or (K,), is diagonal, and these."""
        if self.are_separate:
            return by_class, self
        values, rotation = np.linalg.eigh(self.vectors @ by_class @ self.vectors.T)
        return values, _ClassDirections(rotation.T @ self.vectors, self.size)


def _class_directions(objective):
    """The _ClassDirections that an objective sees: of a softmax, those orthogonal to a shift of all its classes."""
    n_outputs = objective.shape[1]
    if objective.targets.is_shift_invariant:
        return _ClassDirections(scipy.linalg.helmert(n_outputs), n_outputs - 1)
    return _ClassDirections(None, n_outputs)


def _diagonal(by_class):
    """The diagonal (K,) of a curvature by class, (K, K) or (K,)."""
    return by_class if by_class.ndim == 1 else np.diag(by_class)


def _with_floor(curvatures):
    """Curvatures (k,) by class, none of them much smaller than the largest, and none 0."""
    return np.maximum(curvatures, max(LEAST_CLASS_CURVATURE * curvatures.max(), np.finfo(float).tiny))


def _sums_over_rows(function, objective, params, n_draws, width=None):
    """Sweeps, and sums over the rows, divided by S, of the tuple that ``function`` makes of a block and its curvatures.

    Of more than ``n_draws`` rows that many are drawn in proportion to their weight. ``width`` is the numbers a row that
    ``function`` computes.
    """
    rows, total = objective.rows, objective.targets.total
    n_rows, curvature_of = rows.shape[0], objective.curvature_at(params)
    if n_rows <= n_draws:
        sums = rows.summed(lambda targets, some, block: function(block, curvature_of(targets, some, block)), width)
        return 1.0, [term / total for term in sums]

    def terms_of_drawn(targets, drawn, block):
        return function(block, curvature_of(targets, drawn, block).times(1 / targets.row_weight(drawn)))

    weight, sums = rows.summed_of_drawn(terms_of_drawn, n_draws, width)
    return n_draws / n_rows, [term * (weight / n_draws / total) for term in sums]


def _ridge(objective, standardisation):
    """What the penalty adds to the diagonal of H for each standardised column, and for the intercept (0)."""
    return np.append(objective.penalty / standardisation.scale**2, np.zeros(int(objective.fit_intercept)))


def _half_squared_norms(gradient, axis):
    """Half the squared norms, one for each problem, of a gradient by the coordinates."""
    if axis is None or gradient.shape[1 - axis] == 1:
        return np.array([np.vdot(gradient, gradient) / 2])
    return np.add.reduce(gradient * gradient, axis=axis) / 2
