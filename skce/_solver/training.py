"""Training: which solver a problem gets, and from where it starts."""

from dataclasses import replace

import numpy as np

from skce._rows.blocks import RowsLostError
from skce._solver.minimisation import minimised
from skce._solver.objective import LinearObjective
from skce._solver.solution import Solution

# A loss that is not convex starts where cross-entropy, solved to this relative suboptimality, ends: near its valley.
START_TOL = 1e-3


def solver_for(problem):
    """The function of a problem and a start that returns its Solution."""
    if not problem.shape[1]:
        return without_outputs
    return from_the_best_start if problem.row_loss.is_convex else from_a_convex_neighbour


def without_outputs(problem, start, *, tol, max_iter, watch):
    """The Solution where no output has an optimum."""
    return Solution(np.zeros(0), 0.0, 0.0, 0.0, (0.0,), (0.0,), 0, "converged")


def from_the_best_start(problem, start, *, tol, max_iter, watch):
    """The Solution from ``start``, a pair of coef (k, d) and intercept (k,), if that is better than from nothing."""
    # A warm start from far away may be a worse one, where nothing curves any more.
    solution = minimised(problem, _starts(problem, start), tol=tol, max_iter=max_iter, watch=watch)
    return _after(solution, n_passes=1.0, n_evaluations=0)  # the pass that found the moments


def from_a_convex_neighbour(problem, start, *, tol, max_iter, watch):
    """The Solution from ``start``, or else from that of a convex loss, loosely solved."""
    if start is not None:
        return from_the_best_start(problem, start, tol=tol, max_iter=max_iter, watch=watch)
    neighbour = replace(problem, row_loss=problem.row_loss.convex_neighbour)
    near = from_the_best_start(neighbour, None, tol=max(tol, START_TOL), max_iter=max_iter, watch=watch)
    start = _flat(problem, *problem.centred(*problem.coef_intercept(near.params)))
    if near.reason in ("interrupted", "stopped"):
        return _ended_early(problem, near, start)
    solution = minimised(problem, [start], tol=tol, max_iter=max_iter - near.n_iter, watch=watch)
    solution = replace(solution, n_iter_of_start=near.n_iter)
    return _after(solution, near.n_passes, near.n_evaluations)


def _ended_early(problem, near, start):
    """The Solution where the search for a ``start`` was interrupted, or stopped by a callback: where it had come to."""
    value, n_passes, n_evaluations = np.nan, near.n_passes, near.n_evaluations
    if not isinstance(near.interruption, RowsLostError):
        value = float(LinearObjective(problem)(start)[0].sum())
        n_passes, n_evaluations = n_passes + 1, n_evaluations + 1
    return replace(
        near,
        value=value,
        suboptimality=np.inf,
        gap_bound=None,
        loss_curve=(value,),
        pass_curve=(n_passes,),
        n_evaluations=n_evaluations,
    )


def _after(solution, n_passes, n_evaluations):
    """A Solution before which there were passes and evaluations."""
    pass_curve = tuple(n_passes + some for some in solution.pass_curve)
    return replace(solution, pass_curve=pass_curve, n_evaluations=n_evaluations + solution.n_evaluations)


def _starts(problem, start):
    """Flat parameters to start from: ``start``, unless it is None, and those of nothing."""
    return [_cold(problem)] if start is None else [_flat(problem, *start), _cold(problem)]


def _cold(problem):
    """Coefficients of zero, and the intercepts that are best for them, flat."""
    n_features, n_outputs = problem.rows.shape[1], problem.shape[1]
    intercept = problem.rows.targets.log_odds if problem.fit_intercept else np.zeros(n_outputs)
    return problem.flat(np.zeros((n_outputs, n_features)), intercept)  # which have no mean over the classes


def _flat(problem, coef, intercept):
    """Parameters, centred over the classes where the loss does not see their mean."""
    return problem.flat(*problem.centred(coef, intercept))
