"""The objective: what the estimators minimise, as a function of a flat vector of parameters.

With targets T, logits Z = X coef^T + intercept and S the total weight of the targets,

    F(coef, intercept) = (1/S) sum_ik T_ik phi(Q_ik)  +  ||coef||^2 / (2 C S)

    dF/dcoef = (dF/dZ)^T X + coef / (C S),        dF/dintercept = column sums of dF/dZ
"""

import numpy as np

from skce._rows import logits_of_block, row_block, row_slices


class LinearObjective:
    """F and its gradient, one pass over the rows of X for both.

    X is (n, d), dense or CSR. ``targets`` know their total weight S and, for the logits of a slice of rows, the value
    and the gradient of a loss; ``targets.columns`` are the outputs that parameters stand for.
    """

    def __init__(self, X, targets, loss, *, C, fit_intercept):
        self.X = X
        self.targets = targets
        self.loss = loss
        self.penalty = 1 / (C * targets.total)
        self.fit_intercept = fit_intercept
        self.shape = len(targets.columns), X.shape[1]

    def flat(self, coef, intercept):
        """Parameters as one vector: coef (K, d) row by row, then intercept (K,) if it is fitted."""
        return np.concatenate([coef.ravel(), intercept]) if self.fit_intercept else coef.ravel()

    def coef_intercept(self, params):
        """The inverse of ``flat``: views of coef (K, d) and of intercept (K,), zeros if it is not fitted."""
        n_columns, n_features = self.shape
        coef, intercept = np.split(params, [n_columns * n_features])
        return coef.reshape(self.shape), intercept if self.fit_intercept else np.zeros(n_columns)

    def __call__(self, params):
        """Value and gradient of F at ``params``."""
        coef, intercept = self.coef_intercept(params)
        value = 0.0
        coef_gradient = np.zeros_like(coef)
        intercept_gradient = np.zeros_like(intercept)
        for rows in row_slices(self.X, len(coef)):
            block = row_block(self.X, rows)
            logits = logits_of_block(block, coef, intercept)
            block_value, logits_gradient = self.targets.loss_gradient(logits, rows, self.loss)
            value += block_value
            coef_gradient += logits_gradient @ block
            intercept_gradient += logits_gradient.sum(axis=1)
        value = value / self.targets.total + self.penalty / 2 * np.vdot(coef, coef)
        coef_gradient /= self.targets.total
        coef_gradient += self.penalty * coef
        return value, self.flat(coef_gradient, intercept_gradient / self.targets.total)
