"""Training: from features and targets to coefficients, for those columns of the targets that have an optimum."""

import numpy as np

from skce._curvature import DiagonalCurvature
from skce._objective import LinearObjective
from skce._rows import logits_of_block, row_block, row_slices
from skce._solver import lbfgs
from skce._threads import one_blas_thread
from skce.losses import CrossEntropy

# A loss that is not convex starts where cross-entropy, solved to this gradient, ends: near enough to its valley.
START_TOL = 1e-3


def trained(X, targets, loss, start, *, C, fit_intercept, tol, max_iter, verbose):
    """Coef (k, d), intercept (k,) and Solution for the k columns of ``targets``; ``start`` is such a pair, or None."""

    def minimised(loss, start, tol):
        objective = LinearObjective(X, targets, loss, C=C, fit_intercept=fit_intercept)
        with one_blas_thread():
            curvature = DiagonalCurvature(objective)
            solution = lbfgs(curvature, curvature.coordinates(objective.flat(*start)), tol=tol, max_iter=max_iter)
        if verbose:
            print(f"skce, {loss!r}: {solution}")
        return *centred(*objective.coef_intercept(curvature.params(solution.params))), solution

    def centred(coef, intercept):
        # A softmax does not see what all classes share, and the penalty wants none of it.
        if not targets.is_shift_invariant:
            return coef, intercept
        return coef - coef.mean(axis=0), intercept - intercept.mean()

    if start is not None:
        return minimised(loss, start, tol)
    zeros = np.zeros((len(targets.columns), X.shape[1])), np.zeros(len(targets.columns))
    if loss.is_convex:
        return minimised(loss, zeros, tol)
    *start, _ = minimised(CrossEntropy(), zeros, max(tol, START_TOL))
    return minimised(loss, start, tol)


def unreachable_intercept(X, coef, intercept, log_scores, n_unreachable):
    """Intercept that keeps ``n_unreachable`` further classes below eps together on every row of X (n, d).

    The probability of a class is its exp(log_scores(logits)), normalised over the classes.
    """
    lowest = np.inf
    for rows in row_slices(X, len(coef)):
        scores = log_scores(logits_of_block(row_block(X, rows), coef, intercept))
        lowest = min(lowest, scores.max(axis=0).min())
    return lowest + np.log(np.finfo(X.dtype).eps / (2 * n_unreachable))
