"""The objective: what the estimators minimise, as a function of a flat vector of parameters.

With targets T, logits Z = X coef + intercept and S the total weight of the targets,

    F(coef, intercept) = (1/S) sum_ik T_ik phi(Q_ik)  +  ||coef||^2 / (2 C S)

    dF/dcoef = X^T dF/dZ + coef / (C S),        dF/dintercept = column sums of dF/dZ

Here coef is (d, K), a row a column of X, so that the parameters are one matrix (d + 1, K) whose last row is the
intercept; (d, K) without one.
"""

import numpy as np

from skce._rows.blocks import coef_gradient_of_block, logits_of_block

# Where a row's target is predicted this close to 1, it has nothing left to ask for.
SEPARATED = 1e-8


class LinearObjective:
    """F and its gradient, one pass over ``rows``, the RowBlocks of X (n, d) and its targets, for both.

    The targets know their total weight S and, for the logits of some rows, the values and the gradient of a loss;
    ``targets.columns`` are the outputs that parameters stand for. A softmax is one problem; sigmoids are K problems
    that have nothing in common but X, and F is the sum of theirs. ``resolution`` is the eps of its products.
    """

    def __init__(self, rows, loss, *, C, fit_intercept):
        self.rows = rows
        self.targets = targets = rows.targets
        self.loss = loss
        self.penalty = 1 / (C * float(targets.total))
        self.fit_intercept = fit_intercept
        self.shape = rows.shape[1] + fit_intercept, len(targets.columns)
        self.resolution = np.finfo(rows.dtype).eps
        self.n_problems = 1 if targets.is_shift_invariant else len(targets.columns)

    def flat(self, coef, intercept):
        """Parameters as one vector: coef (K, d) and intercept (K,), in terms of X without its shift."""
        if self.rows.shift is not None:
            intercept = intercept + coef @ self.rows.shift
        return np.vstack([coef.T, intercept]).ravel() if self.fit_intercept else coef.T.ravel()

    def coef_intercept(self, params):
        """The inverse of ``flat``; the intercept is zeros if it is not fitted."""
        coef, intercept = self._split(params)
        if self.rows.shift is not None:
            intercept = intercept - self.rows.shift @ coef
        return np.ascontiguousarray(coef.T), intercept

    def __call__(self, params):
        """Values (n_problems,), whose sum is F, and gradient of F at ``params``."""
        coef, intercept = self._split(params)
        coef_of_blocks = coef.astype(self.rows.dtype, copy=False)
        loss = self.loss

        def loss_gradient(targets, rows, block):
            logits = logits_of_block(block, coef_of_blocks, intercept)
            values, logits_gradient = targets.loss_gradient(logits, rows, loss)
            coef_gradient = coef_gradient_of_block(block, logits_gradient)
            return values, coef_gradient, np.add.reduce(logits_gradient, axis=1)

        values, coef_gradient, intercept_gradient = self.rows.summed(loss_gradient)
        gradient = np.empty(self.shape)
        by_coef = gradient[: len(coef)]
        np.divide(coef_gradient, self.targets.total, out=by_coef)
        values = np.atleast_1d(values) / self.targets.total
        if self.penalty:
            by_coef += np.multiply(coef, self.penalty, out=coef_gradient)
            values += self.penalty / 2 * self._squared_norms(coef)
        if self.fit_intercept:
            gradient[-1] = intercept_gradient / self.targets.total
        return values, gradient.reshape(-1)

    def is_without_coef(self, params):
        """Whether all coefficients are zero, so that every row has the same probabilities."""
        return not self._split(params)[0].any()

    def curvature_at(self, params):
        """The function of targets, some rows and their block that is their SoftmaxCurvature or SigmoidCurvature."""
        coef, intercept = self._split(params)
        loss = self.loss

        def curvature(targets, rows, block):
            logits = logits_of_block(block, coef, intercept).astype(np.float64, copy=False)
            return targets.curvature(logits, rows, loss)

        return curvature

    def separated_problems(self, params):
        """Whether each problem predicts the targets of all of its rows to within SEPARATED of 1."""
        coef, intercept = self._split(params)
        loss, most_error = self.loss, max(SEPARATED, 4 * self.resolution)

        def has_errors(targets, rows, block):
            logits = logits_of_block(block, coef, intercept).astype(np.float64, copy=False)
            _, logits_gradient = targets.loss_gradient(logits, rows, loss)
            return ((np.abs(logits_gradient) > most_error * targets.row_weight(rows)).any(axis=1),)

        (errors,) = self.rows.summed(has_errors)
        return errors.reshape(self.n_problems, -1).max(axis=1) == 0

    def certified_gap(self, gradient, mean):
        """Upper bound on F - min F where the gradient by the intercept is zero: strong convexity, for a convex loss.

        Where that is next to zero only, the gradient by coef is taken for columns that are centred by ``mean`` (d,).
        """
        coef_gradient, intercept_gradient = self._split(gradient)
        centred = coef_gradient - np.multiply.outer(mean, intercept_gradient)
        return float(np.vdot(centred, centred) / (2 * self.penalty))

    def _squared_norms(self, coef):
        """Squared norm of coef (d, K), of each problem."""
        if self.n_problems == 1:
            return np.vdot(coef, coef)
        return np.einsum("dk,dk->k", coef, coef)

    def _split(self, params):
        """Views of coef (d, K) and intercept (K,), which is zeros if it is not fitted."""
        matrix = params.reshape(self.shape)
        return (matrix[:-1], matrix[-1]) if self.fit_intercept else (matrix, np.zeros(self.shape[1]))
