"""Curvature of sparse X by a diagonal, but for the columns that vary most, of which it has all products.

Most words are rare, and hardly ever meet; a few are in every document, where what one says another says too, and these
are what conjugate gradients take long to tell apart. So are dense columns beside sparse ones. With A the second moment
of a few hundred such columns, over rows that weigh what they curve, as in the diagonal, the curvature by class a_k and
the ridges R, the block of class k is a_k A + R: eigenvectors of R^-1/2 A R^-1/2 serve all classes.

Passes of fits with tol = 1e-7, on one thread, by the diagonal alone and with 200 columns:

    news20-counts of benchmarks/problems.py, C = 0.1          582     399
    the same, C = 0.97, 1, 1.03                 761, 928, 736     602, 553, 702
    the same, C = 10                                         1382     872
    word counts of four groups, C = 10                        256     268
    words and 20 dense columns, 12 classes, C = 10            721     343
    the same, 3 classes                                       377     186
    the same, 2 classes                                       276     259
"""

import numpy as np
from scipy.sparse import issparse

from skce._solver.curvature.directions import sums_over_rows
from skce._solver.curvature.weighted_diagonal import WeightedDiagonalCurvature, weight_of_certain

# Columns whose products are summed, at most. With 100 the first three take 722, 635 and 707 passes.
COLUMNS = 200

# Least ridge of a column, as a share of what it curves.
LEAST_RIDGE = 1e-12


class CommonColumnsCurvature(WeightedDiagonalCurvature):
    """A WeightedDiagonalCurvature but for some ``columns`` (m,).

    Of these the coordinates, times ``roots`` (m, k), are those in a ``basis`` (m, m).
    """

    def __init__(self, objective, params, standardisation):
        super().__init__(objective, params, standardisation)
        problem = objective.problem
        columns = self.columns = np.argsort(-self.variance, kind="stable")[:COLUMNS]
        pilot, per_certain = standardisation.mean[columns], self.per_certain

        def products(block, curvature):
            X = block.X[:, columns]
            X = (X.toarray() if issparse(X) else X) - pilot
            weight = curvature.trace() + per_certain * weight_of_certain(block)
            return ((X.T * weight) @ X,)

        sweeps, (moment,) = sums_over_rows(products, objective, params, objective.rows.shape[0], len(columns))
        self.sweeps += sweeps
        moment = moment / self.weight - np.multiply.outer(self.offset[columns], self.offset[columns])
        ridge = np.broadcast_to(problem.penalty.ridge, self.variance.shape)[columns]
        ridge = np.maximum(ridge, LEAST_RIDGE * self.variance[columns] * self.by_output.mean())
        scale = 1 / np.sqrt(np.where(ridge > 0, ridge, 1.0))
        root = scale * np.sqrt(self.kept[columns])
        values, vectors = np.linalg.eigh(root[:, None] * moment * root)
        self.basis = scale[:, None] * vectors
        self.roots = 1 / np.sqrt(np.multiply.outer(np.maximum(values, 0.0), self.by_output) + 1)

    def _by_params(self, coordinates):
        """The displacement (p, k) of the centred columns' parameters for coordinates (p, k)."""
        displacement = super()._by_params(coordinates)
        displacement[self.columns] = self.basis @ (self.roots * coordinates[self.columns])
        return displacement

    def _by_coordinates(self, gradient):
        """The gradient (p, k) by the coordinates, in the place of that by the parameters of centred columns."""
        of_columns = self.roots * (self.basis.T @ gradient[self.columns])
        by_coordinates = super()._by_coordinates(gradient)
        by_coordinates[self.columns] = of_columns
        return by_coordinates
