"""Training: from features and targets to coefficients, for those columns of the targets that have an optimum."""

from dataclasses import replace

import numpy as np

from skce._rows.blocks import RowsLostError, logits_of_block
from skce._solver.lbfgs import minimised
from skce._solver.objective import LinearObjective
from skce._solver.solution import Solution
from skce._solver.standardisation import standardisation_of
from skce.losses import CrossEntropy

# A loss that is not convex starts where cross-entropy, solved to this relative suboptimality, ends: near its valley.
START_TOL = 1e-3


# Spreads of a column between its mean and zero, above which its blocks are shifted by the mean.
FAR_FROM_ZERO = {np.float64: 1e3, np.float32: 10.0}


# Spreads that leave room, in float32, for what coefficients and columns multiply to.
SPREADS_FOR_FLOAT32 = 1e-12, 1e12


def trained(rows, loss, start, *, C, fit_intercept, tol, max_iter, on_iteration, on_stage):
    """Coef (k, d), intercept (k,) and Solution for the k columns of the targets; ``start`` is such a pair, or None.

    ``on_iteration`` is called after every iteration with a function that returns coef and intercept, and stops the
    training if it returns True; ``on_stage`` is called after every stage with what the minimisation has come to.
    """
    targets = rows.targets
    n_columns, n_features = len(targets.columns), rows.shape[1]
    if n_columns == 0:
        nothing = Solution(np.zeros(0), 0.0, 0.0, 0.0, (0.0,), (0.0,), 0, "converged")
        return np.zeros((0, n_features)), np.zeros(0), nothing
    # Trial steps may overflow: the solver goes back from numbers that are not finite.
    with np.errstate(over="ignore", invalid="ignore"), rows.at_work() as rows:
        rows, standardisation = _rows_for_products(
            rows, penalty=1 / (C * float(targets.total)), fit_intercept=fit_intercept
        )

        def minimised_from(starts, loss, tol):
            objective = LinearObjective(rows, loss, C=C, fit_intercept=fit_intercept)
            solution = minimised(
                objective,
                standardisation,
                [objective.flat(*centred(*start)) for start in starts],
                tol=tol,
                max_iter=max_iter,
                on_iteration=lambda params: on_iteration(lambda: centred(*objective.coef_intercept(params))),
                on_stage=on_stage,
            )
            return *centred(*objective.coef_intercept(solution.params)), solution

        def centred(coef, intercept):
            # A softmax does not see what all classes share, and the penalty wants none of it.
            if not targets.is_shift_invariant:
                return coef, intercept
            return coef - coef.mean(axis=0), intercept - intercept.mean()

        n_passes, n_evaluations = 1.0, 0
        cold = np.zeros((n_columns, n_features)), targets.log_odds if fit_intercept else np.zeros(n_columns)
        # A warm start from far away may be a worse one, where nothing curves any more.
        starts = [cold] if start is None else [start, cold]
        if start is None and not loss.is_convex:
            *near, first = minimised_from(starts, CrossEntropy(), max(tol, START_TOL))
            starts, n_passes, n_evaluations = [near], n_passes + first.n_passes, first.n_evaluations
            if first.reason in ("interrupted", "stopped"):
                objective, value = LinearObjective(rows, loss, C=C, fit_intercept=fit_intercept), np.nan
                if not isinstance(first.interruption, RowsLostError):
                    value = float(objective(objective.flat(*near))[0].sum())
                    n_passes, n_evaluations = n_passes + 1, n_evaluations + 1
                return *near, replace(
                    first,
                    value=value,
                    suboptimality=np.inf,
                    gap_bound=None,
                    loss_curve=(value,),
                    pass_curve=(n_passes,),
                    n_evaluations=n_evaluations,
                )
        coef, intercept, solution = minimised_from(starts, loss, tol)
        pass_curve = tuple(n_passes + some for some in solution.pass_curve)
        n_evaluations += solution.n_evaluations
        return coef, intercept, replace(solution, pass_curve=pass_curve, n_evaluations=n_evaluations)


def _rows_for_products(rows, *, penalty, fit_intercept):
    """The RowBlocks to multiply, in the dtype of X and shifted if that keeps more digits; their Standardisation."""
    dtype = rows.dtype_of_X
    standardisation = standardisation_of(replace(rows, dtype=dtype), penalty, fit_intercept)
    spread = standardisation.spread
    smallest, largest = SPREADS_FOR_FLOAT32
    if dtype == np.float32 and ((spread > largest) | ((spread > 0) & (spread < smallest))).any():
        dtype = np.float64
    is_far = np.abs(standardisation.mean) > FAR_FROM_ZERO[dtype] * spread
    if rows.is_sparse or not is_far.any():
        return replace(rows, dtype=dtype), standardisation
    shift = np.where(is_far, standardisation.mean, 0.0)
    return replace(rows, dtype=dtype, shift=shift), standardisation.shifted(shift)


def unreachable_intercept(rows, coef, intercept, log_scores, n_unreachable):
    """Intercept that keeps ``n_unreachable`` further classes below eps together on every one of ``rows``.

    The probability of a class is its exp(log_scores(logits)), normalised over the classes.
    """
    lowest = rows.lowest(lambda block: log_scores(logits_of_block(block, coef.T, intercept)).max(axis=0))
    return lowest + np.log(np.finfo(rows.dtype_of_X).eps / (2 * n_unreachable))
