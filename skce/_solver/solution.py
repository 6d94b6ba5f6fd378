"""Solution: where a minimisation ended and why, and the warning if it did not converge."""

from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skce._callers import warn_caller
from skce._solver.separation import Separation

# Columns, and classes, that a warning names.
MOST_NAMES = 10

PLURALS = {"column": "columns", "class": "classes"}


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

    def unless_interrupted(self):
        """The Solution itself; the interruption is raised again if there was one, where nobody goes on from there."""
        if self.interruption is not None:
            raise self.interruption
        return self

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
    is_known = solution.suboptimality < np.inf
    gain = f"an estimated {solution.suboptimality:.2g} of it" if is_known else "an unknown share of it"
    distance = f", and {gain} could still be gained; tol={tol:.1e}"
    if solution.reason == "max_iter":
        end = f"stopped at max_iter={solution.n_iter_of_start + solution.n_iter} iterations, before it converged"
        remedy = "Raise max_iter, or lower C."
    elif solution.reason == "stalled":
        end = f"stalled after {solution.n_iter} iterations, where rounding hid what a step gains"
        remedy = "Scale the features (MaxAbsScaler), or lower C; if the loss is your own, check its g."
    elif solution.reason == "separable":
        end = f"stopped after {solution.n_iter} iterations: classes are separable and C=inf, so there is no minimum"
        remedy = _separation_explained(solution.separation, columns, labels)
        distance = ""
    else:
        return
    warn_caller(f"The fit {end}. The loss is {solution.value:.6g}{distance}. {remedy}", ConvergenceWarning)


def _separation_explained(separation, columns, labels):
    """Which columns and classes have coefficients that would grow for ever, in a sentence."""
    remedy = "Set a finite C, or label_smoothing above 0"
    if separation is None:
        return f"They are predicted with certainty, and larger coefficients would only be more certain. {remedy}."
    columns = _listed("column", separation.columns, columns) if len(separation.columns) else "the intercept"
    classes = _listed("class", separation.outputs, labels)
    return (
        f"By {columns} rows of {classes} can be told from others without an error, and the larger the coefficients, "
        f"the lower the loss. {remedy}; or drop what separates, or merge classes."
    )


def _listed(noun, places, names):
    """The names at ``places``, or these, after their noun; not all of very many."""
    named = [str(place if names is None else names[place]) for place in places[:MOST_NAMES]]
    if len(places) > len(named):
        named[-1] += f" and {len(places) - len(named)} more"
    return f"{noun if len(places) == 1 else PLURALS[noun]} {', '.join(named)}"
