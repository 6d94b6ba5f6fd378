"""A Kronecker curvature to which each class adds the rows that curve most in it, as they are.

Of many classes each is curved by a few rows of its own, and by all others about alike: a second moment of its own would
be all but the product of the two factors, plus an outer product for each of those rows. Of class k

    a_k G + R + sum_i w_ik x_i x_i^T  =  M (1 + B B^T) M^T,      B = M^-1 [w_ik^1/2 x_i, ...]

with the rows i that curve it most, and a_k what the others do. Neither it nor a factor of it is ever made: of a
thousand classes and 768 columns they would take 2.4 GB. With L L^T = 1 + B^T B,

    C = 1 - B F B^T,      F = L^-T (L + 1)^-1,      C C^T = (1 + B B^T)^-1

so that C takes products with the rows in X, where they are, and a matrix of their number.
"""

import numpy as np
import scipy.linalg
import scipy.sparse

from skce._slices import row_slices
from skce._solver.curvature.by_class import weights_by_class
from skce._solver.curvature.directions import ManyClasses
from skce._solver.curvature.kronecker import KroneckerCurvature

# Numbers of the matrices F of all classes, at most, in float32 (64 MB).
NUMBERS_OF_MATRICES = 2**24

# The rows of a class, times the columns of X, over all rows, at most: to find F takes 2 d^2 multiplications for each
# row of each class, so no more than two evaluations.
MOST_OF_CLASS = 4


class RowsByClassCurvature:
    """diag(a) kron G + ridge at ``params``, and of each class k the sum of w_ik x x^T over the rows that curve it most.

    A row adds about w_ik |x|^2 to the curvature in one direction, where all rows make a_k times the mean of |x|^2, over
    d. Those that add less are not among them: where all rows curve alike, as where all coefficients are zero, none is.
    a, G, and the means that rows are taken about are of a KroneckerCurvature.
    """

    is_exact = False

    def __init__(self, objective, params, standardisation, gradient=None):
        n_classes, self.rows = objective.shape[1], objective.rows
        self.standardisation, self.classes = standardisation, ManyClasses(n_classes)
        # Of all rows: of some, few would be those of a class that curve it most, which are taken out.
        self.kronecker = KroneckerCurvature(
            objective, params, standardisation, gradient, self.classes, n_draws=self.rows.shape[0]
        )
        self.by_class = self.kronecker.by_class
        self.sweeps = self.kronecker.sweeps + 1.0
        most, curvature_of = rows_of_class(objective), objective.curvature_at(params)
        least = self.kronecker.by_direction * (standardisation.mean_square / self.rows.shape[1])

        def curving(block):
            weights = weights_by_class(curvature_of(block), block) / objective.problem.total
            squares = weights * standardisation.squared_norms(block.X)
            chosen = np.flatnonzero(squares > least[:, None])
            classes, rows = chosen // squares.shape[1], chosen % squares.shape[1]
            return classes, rows + block.at.start, weights.ravel()[chosen], squares.ravel()[chosen]

        classes, rows, weights = _most_curving(*self.rows.gathered(curving), most)
        self.kronecker.take_out(np.bincount(classes, weights, n_classes))
        shape = n_classes, self.rows.shape[0]
        self.of_classes = scipy.sparse.csr_array((np.sqrt(weights), (classes, rows)), shape=shape)
        self.vectors = self.kronecker.vectors.astype(np.float32)
        self.matrices = self._matrices()

    def to_params(self, coordinates):
        """Displacement of the parameters for ``coordinates``, both flat."""
        return self.kronecker.to_params(self._corrected(coordinates, self.matrices))

    def pull_back(self, gradient):
        """Gradient by the coordinates, given that by the parameters, both flat."""
        return self._corrected(self.kronecker.pull_back(gradient), [matrix.T for matrix in self.matrices])

    def decrements(self, gradient):
        """Estimated F - min F, half the squared norm of its ``gradient`` by the coordinates (flat)."""
        return self.kronecker.decrements(gradient)

    def _corrected(self, coordinates, matrices):
        """Coordinates (flat) of a KroneckerCurvature, times 1 - B F B^T of each class for its matrix F."""
        scale = self.kronecker.scale[: len(self.kronecker.mean)]
        corrected = coordinates.reshape(self.kronecker.scale.shape).copy()
        of_columns = corrected[: len(scale)]
        coef = self.vectors @ np.multiply(scale, of_columns).astype(np.float32)
        of_columns -= scale * (self.vectors.T @ self._of_rows(coef, matrices))
        return corrected.reshape(-1)

    def _of_rows(self, coef, matrices):
        """The sums over the rows x of each class of x w^1/2 (F (w^1/2 x coef)), standardised, for coef (d, K)."""
        mean, scale = self.standardisation.mean, self.standardisation.scale
        by_class = np.ascontiguousarray((coef / scale[:, None]).T, self.rows.dtype)
        of_scale = self.kronecker.mean.T * scale
        of_centre = by_class @ mean + np.einsum("kd,kd->k", of_scale, by_class)
        sums, totals = np.zeros_like(by_class), np.zeros(len(by_class))

        def add(output, rows, roots):
            X = self.rows.features(rows)
            moved = (X @ by_class[output] - of_centre[output]) * roots
            weighted = (matrices[output] @ moved.astype(np.float32)) * roots
            np.matmul(weighted.astype(X.dtype), X, out=sums[output])
            totals[output] = weighted.sum()

        self._for_each_class(add)
        of_scale += mean
        of_scale *= totals[:, None]
        np.subtract(sums, of_scale, out=of_scale)
        of_scale /= scale
        return of_scale.astype(np.float32).T

    def _matrices(self):
        """F (r, r) of each class, for its r rows."""
        kronecker = self.kronecker
        mean, scale = kronecker.mean, kronecker.scale[: len(kronecker.mean)]
        matrices = [np.zeros((0, 0), np.float32)] * len(self.by_class)

        def factorise(output, rows, roots):
            columns = self.standardisation.single_columns_of(self.rows.features(rows))[: len(mean)]
            whitened = self.vectors.T @ (columns - mean[:, output, None].astype(np.float32))
            whitened *= scale[:, output, None]
            whitened *= roots
            # Products in float32 would leave less of 1 + B^T B than the 1, where a row stands out.
            whitened = whitened.astype(np.float64)
            matrices[output] = _matrix_of(whitened.T @ whitened)

        self._for_each_class(factorise)
        return matrices

    def _for_each_class(self, function):
        """Call a function of the index of each class that has rows here, those, and the roots of their weights."""
        starts, workers = self.of_classes.indptr, self.rows.workers

        def call(outputs):
            for output in range(outputs.start, outputs.stop):
                at = slice(starts[output], starts[output + 1])
                if at.start < at.stop:
                    function(output, self.of_classes.indices[at], self.of_classes.data[at])

        n_classes = len(starts) - 1
        list(workers.map(call, row_slices(n_classes, -(-n_classes // workers.count))))


def rows_of_class(objective):
    """Rows that a class may have here."""
    n_rows, n_features = objective.rows.shape
    return int(min((NUMBERS_OF_MATRICES / objective.shape[1]) ** 0.5, MOST_OF_CLASS * n_rows / n_features))


def _most_curving(classes, rows, weights, squares, most):
    """Classes, rows and weights of those ``most`` at most of each class that have the largest squares."""
    order = np.lexsort((-squares, classes))
    classes = classes[order]
    rank = np.arange(len(order)) - np.searchsorted(classes, classes)
    kept = rank < most
    return classes[kept], rows[order][kept], weights[order][kept]


def _matrix_of(gram):
    """F (r, r), in float32, for B^T B (r, r), which is overwritten; zeros where rounding leaves no factor."""
    identity = np.eye(len(gram))
    gram += identity
    try:
        lower = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        return np.zeros(gram.shape, np.float32)
    inverse = scipy.linalg.solve_triangular(lower + identity, identity, lower=True, check_finite=False)
    matrix = scipy.linalg.solve_triangular(lower, inverse, trans=1, lower=True, check_finite=False)
    return matrix.astype(np.float32)
