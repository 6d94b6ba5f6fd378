"""Solution: where a minimisation ended and why, and the warning if it did not converge."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning


@dataclass(frozen=True)
class Solution:
    """Where a minimisation ended, and why.

    ``reason`` is "converged", "precision" (as near as rounding lets it come), "separable" (no minimum, but nothing left
    to learn), "max_iter", "stalled", "stopped" (by a callback) or "interrupted" (by the keyboard, or by the loss of the
    rows, as ``interruption`` says).
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

    @property
    def n_iter(self):
        """Iterations taken: ``loss_curve`` holds the value at the start and after each of them."""
        return len(self.loss_curve) - 1

    @property
    def n_passes(self):
        """Passes over the data in all: ``pass_curve`` holds those up to each entry of ``loss_curve``."""
        return self.pass_curve[-1]


def warn_unless_converged(solution, *, tol):
    """Warn, with how far it got and what to do about it, if a solution is not the end of what its dtype can reach."""
    distance = f", by an estimated {solution.suboptimality:.1e} of it above the minimum; tol={tol:.1e}"
    if solution.reason == "max_iter":
        end = f"stopped at max_iter={solution.n_iter} iterations, before it converged"
        remedy = "Raise max_iter, or lower C."
    elif solution.reason == "stalled":
        end = f"stalled after {solution.n_iter} iterations, where rounding hid what a step gains"
        remedy = "Scale the features (MaxAbsScaler), or lower C; if the loss is your own, check its g."
    elif solution.reason == "separable":
        end = f"stopped after {solution.n_iter} iterations: classes are separable and C=inf, so there is no optimum"
        remedy = (
            "They are predicted with certainty, and larger coefficients would only be more certain; set a finite C."
        )
        distance = ""
    else:
        return
    warnings.warn(
        f"L-BFGS {end}. The loss is {solution.value:.6g}{distance}. {remedy}", ConvergenceWarning, stacklevel=3
    )
