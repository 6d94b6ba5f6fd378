"""The objective: F of a problem and its gradient, as a function of a flat vector of parameters.

    dF/dcoef = X^T dF/dZ + d penalty/dcoef,        dF/dintercept = column sums of dF/dZ

Both come of one pass over the rows.
"""

import numpy as np

# Where a row's target is predicted this close to 1, it has nothing left to ask for.
SEPARATED = 1e-8


class LinearObjective:
    """F of a ``problem`` and its gradient.

    A softmax is one problem; sigmoids are K problems that have nothing in common but X, and F is the sum of theirs.
    ``resolution`` is the eps of its products.
    """

    def __init__(self, problem):
        self.problem = problem
        self.rows = problem.rows
        self.shape = problem.shape
        self.total = problem.total
        self.values_gradient = problem.row_loss.values_gradient
        self.resolution = np.finfo(problem.rows.dtype).eps
        self.n_problems = problem.shape[1] if problem.are_separate else 1

    def in_float64(self):
        """The same objective, with products in float64."""
        return LinearObjective(self.problem.in_float64())

    def __call__(self, params):
        """Values (n_problems,), whose sum is F, and gradient of F at ``params``."""
        return self.value_gradient(params, self.rows.summed_where(params, self.loss_gradient_at(params)))

    def with_curvature_sums(self, params, function, width):
        """Values, gradient, and sums, divided by S, of what ``function`` makes of a block and its curvatures.

        All come of one sweep; ``width`` is the numbers a row that ``function`` computes.
        """
        coef, intercept = self.problem.split(params)
        row_loss = self.problem.row_loss

        def program(block):
            logits = block.logits(coef, intercept).astype(np.float64, copy=False)
            values, logits_gradient, curvature = derivatives_of(row_loss, logits, block.targets, block.at)
            sums = function(block, curvature)
            return values, block.pull_back(logits_gradient), np.add.reduce(logits_gradient, axis=1), *sums

        *of_value, moments, of_pairs = self.rows.summed(program, width)
        return *self.value_gradient(params, of_value), (moments / self.total, of_pairs / self.total)

    def loss_gradient_at(self, params):
        """The function of a Block that returns its losses, and their gradient by coef and by intercept."""
        coef, intercept = self.problem.split(params)
        # To count takes a third of the time of any(): of an evaluation of iris 3 %.
        coef_of_blocks = coef.astype(self.rows.dtype, copy=False) if np.count_nonzero(coef) else None
        values_gradient = self.values_gradient

        def loss_gradient(block):
            logits = block.logits(coef_of_blocks, intercept)
            values, logits_gradient = values_gradient(logits, block.targets, block.at)
            return values, block.pull_back(logits_gradient), np.add.reduce(logits_gradient, axis=1)

        return loss_gradient

    def value_gradient(self, params, sums):
        """Values and gradient at ``params``, of the sums over the rows."""
        problem, coef = self.problem, self.problem.split(params)[0]
        values, coef_gradient, intercept_gradient = sums
        gradient = np.empty_like(coef_gradient, order="C", shape=self.shape)
        by_coef = gradient[: len(coef)]
        np.divide(coef_gradient, self.total, out=by_coef)
        values = values.reshape(-1) / self.total
        penalty = problem.penalty
        if not penalty.is_zero:
            by_coef += penalty.gradient(coef, out=coef_gradient)
            values += penalty.value(coef) if self.n_problems == 1 else penalty.value_by_output(coef)
        if problem.fit_intercept:
            gradient[-1] = intercept_gradient / self.total
        return np.asarray(values), gradient.reshape(-1)

    def is_without_coef(self, params):
        """Whether all coefficients are zero, so that every row has the same probabilities."""
        return not self.problem.split(params)[0].any()

    def curvature_at(self, params):
        """The function of a Block that is its SoftmaxCurvature or SigmoidCurvature."""
        coef, intercept = self.problem.split(params)
        row_loss = self.problem.row_loss

        def curvature(block):
            logits = block.logits(coef, intercept).astype(np.float64, copy=False)
            return row_loss.curvature(logits, block.targets, block.at)

        return curvature

    def separated_problems(self, params):
        """Whether each problem predicts the targets of all of its rows to within SEPARATED of 1."""
        coef, intercept = self.problem.split(params)
        row_loss, most_error = self.problem.row_loss, max(SEPARATED, 4 * self.resolution)

        def has_errors(block):
            logits = block.logits(coef, intercept).astype(np.float64, copy=False)
            _, logits_gradient = row_loss.values_gradient(logits, block.targets, block.at)
            return ((np.abs(logits_gradient) > most_error * block.targets.row_weight(block.at)).any(axis=1),)

        (errors,) = self.rows.summed(has_errors)
        return errors.reshape(self.n_problems, -1).max(axis=1) == 0

    def strong_convexity_bound(self, gradient, mean):
        """Upper bound on F - min F where the gradient by the intercept is zero: strong convexity, for a convex loss.

        Where that is next to zero only, the gradient by coef is taken for columns that are centred by ``mean`` (d,).
        """
        coef_gradient, intercept_gradient = self.problem.split(gradient)
        return self.problem.penalty.conjugate(coef_gradient - np.multiply.outer(mean, intercept_gradient))


def derivatives_of(row_loss, logits, targets, at):
    """Values, gradient (k, m) and curvature of some rows for their logits (k, m), which are overwritten."""
    at_once = row_loss.derivatives(logits, targets, at) if row_loss.derivatives else None
    if at_once is not None:
        return at_once
    curvature = row_loss.curvature(logits.copy(), targets, at)
    return *row_loss.values_gradient(logits, targets, at), curvature
