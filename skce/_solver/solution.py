"""Solution: where a minimisation ended and why, and the warning if it did not converge."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skce._solver.separation import Separation

# Columns, and classes, that a warning names.
MOST_NAMES = 10


@dataclass(frozen=True)
class Solution:
    """Where a minimisation ended, and why.

    ``reason`` is "converged", "precision" (as near as rounding lets it come), "separable" (no minimum, but nothing left
    to learn), "max_iter", "stalled", "stopped" (by a callback) or "interrupted" (by the keyboard, or by the loss of the
    rows, as ``interruption`` says). ``separation`` says along which columns there is no minimum, if that was found out;
    ``n_inner_passes`` are those over the far rows of Newton's models, each by its share of the rows;
    ``n_iter_of_start`` the iterations on another loss that found a start.
    """

    params: np.ndarray
    value: float
    suboptimality: float
    gap_bound: float | None
    loss_curve: tuple
    pass_curve: tuple
    n_evaluations: int
    reason: str
    interruption: BaseException | None = None
    separation: Separation | None = None
    n_inner_passes: float = 0.0
    n_iter_of_start: int = 0

    def is_certified(self, tol):
        """Whether the bound proves that the value is within ``tol`` of itself from the minimum."""
        return self.gap_bound is not None and bool(self.gap_bound <= tol * abs(self.value))

    @property
    def n_iter(self):
        """Iterations taken: ``loss_curve`` holds the value at the start and after each of them."""
        return len(self.loss_curve) - 1

    @property
    def n_passes(self):
        """Passes over the data in all: ``pass_curve`` holds those up to each entry of ``loss_curve``."""
        return self.pass_curve[-1]


def warn_unless_converged(solution, *, tol, columns=None, labels=None):
    """Warn, with how far it got and what to do about it, if a solution is not the end of what its dtype can reach.

    ``columns`` and ``labels`` are the names of the features, and of the outputs that were optimised.
    """
    distance = f", by an estimated {solution.suboptimality:.1e} of it above the minimum; tol={tol:.1e}"
    if solution.reason == "max_iter":
        end = f"stopped at max_iter={solution.n_iter_of_start + solution.n_iter} iterations, before it converged"
        remedy = "Raise max_iter, or lower C."
    elif solution.reason == "stalled":
        end = f"stalled after {solution.n_iter} iterations, where rounding hid what a step gains"
        remedy = "Scale the features (MaxAbsScaler), or lower C; if the loss is your own, check its g."
    elif solution.reason == "separable":
        end = f"stopped after {solution.n_iter} iterations: classes are separable and C=inf, so there is no optimum"
        remedy = _separation_explained(solution.separation, columns, labels)
        distance = ""
    else:
        return
    warnings.warn(
        f"L-BFGS {end}. The loss is {solution.value:.6g}{distance}. {remedy}", ConvergenceWarning, stacklevel=3
    )


def _separation_explained(separation, columns, labels):
    """Which columns and classes have coefficients that would grow for ever, in a sentence."""
    if separation is None:
        return "They are predicted with certainty, and larger coefficients would only be more certain; set a finite C."
    named = [str(column if columns is None else columns[column]) for column in separation.columns[:MOST_NAMES]]
    more = len(separation.columns) - len(named)
    classes = [str(output if labels is None else labels[output]) for output in separation.outputs[:MOST_NAMES]]
    of_columns = (
        f"the columns {', '.join(named)}{f' and {more} more' if more > 0 else ''}" if named else "the intercept"
    )
    return (
        f"Along {of_columns} rows of class {', '.join(classes)} can be told from others without error, "
        "and ever larger coefficients are ever better. Set a finite C, or merge or drop these."
    )
