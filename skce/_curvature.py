"""Coordinates for the solver, in which the objective curves about as much along one column of X as along another.

In units as they come, a column that is a thousand times larger curves the objective a million times more, and L-BFGS
creeps. X and the objective stay as they are: only the parameters change variables. With m_j and v_j the weighted mean
and variance of column j, 1/4 the most that a probability's variance can be, and 1 / (C S) the penalty's curvature,

    u_kj = s_j coef_kj,   s_j^2 = v_j + 4 / (C S),        u_k = intercept_k + sum_j m_j coef_kj

so that the columns are centred too, through the intercept; without one, m is 0 and v_j the mean square.
"""

import numpy as np
import scipy.sparse

from skce._rows import row_block, row_slices

# A column whose spread is no more than the rounding of its mean is constant.
ROUNDING_OF_MEAN = 64 * np.finfo(float).eps


class DiagonalCurvature:
    """The change of variables for a LinearObjective, from the weighted means and variances of the columns of its X."""

    def __init__(self, objective):
        self.objective = objective
        mean, variance = _column_mean_variance(objective.X, objective.targets)
        with np.errstate(over="ignore"):
            if not objective.fit_intercept:
                variance, mean = variance + mean**2, np.zeros_like(mean)
            variance[variance <= (ROUNDING_OF_MEAN * mean) ** 2] = 0.0
        square = np.minimum(variance + 4 * objective.penalty, np.finfo(float).max)
        self.mean = mean
        self.scale = np.sqrt(np.where(square > 0, square, 1.0))

    def __call__(self, coordinates):
        """Value of the objective, and its gradient with respect to the coordinates."""
        value, gradient = self.objective(self.params(coordinates))
        coef_gradient, intercept_gradient = self.objective.coef_intercept(gradient)
        coef_gradient = (coef_gradient - np.outer(intercept_gradient, self.mean)) / self.scale
        return value, self.objective.flat(coef_gradient, intercept_gradient)

    def params(self, coordinates):
        """Parameters of the objective at the given coordinates."""
        coef, intercept = self.objective.coef_intercept(coordinates)
        coef = coef / self.scale
        return self.objective.flat(coef, intercept - coef @ self.mean)

    def coordinates(self, params):
        """The inverse of ``params``."""
        coef, intercept = self.objective.coef_intercept(params)
        return self.objective.flat(coef * self.scale, intercept + coef @ self.mean)


def _column_mean_variance(X, targets):
    """Mean (d,) and variance (d,) of the columns of X, its rows weighted as ``targets`` weigh them."""
    slices = row_slices(X, len(targets.columns))

    def weighted_sums(function):
        return sum(targets.row_weight(rows) @ function(row_block(X, rows)) for rows in slices)

    total = sum(targets.row_weight(rows).sum() for rows in slices) or 1.0
    mean = weighted_sums(lambda block: block) / total
    # Far from zero, squares lose the spread in rounding; a sparse block, which centring would fill, is near zero.
    is_sparse = scipy.sparse.issparse(X)
    centre = np.zeros_like(mean) if is_sparse else mean
    with np.errstate(over="ignore"):
        square = weighted_sums(lambda block: (block if is_sparse else block - centre) ** 2) / total
        return mean, np.maximum(square - (mean - centre) ** 2, 0.0)
