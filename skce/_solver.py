"""The solver: L-BFGS on a function that returns its value and its gradient. How it ended is data, not an exception."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning


@dataclass(frozen=True)
class Solution:
    """Where a minimisation ended, and why: ``reason`` is "converged", "precision", "max_iter" or "overflow"."""

    params: np.ndarray
    value: float
    largest_gradient: float
    loss_curve: tuple
    reason: str

    @property
    def n_iter(self):
        """Iterations taken: ``loss_curve`` holds the value at the start and after each of them."""
        return len(self.loss_curve) - 1

    def __str__(self):
        return (
            f"{self.reason} after {self.n_iter} iterations, loss {self.value:.10g}, "
            f"largest gradient {self.largest_gradient:.1e}"
        )


def lbfgs(objective, start, *, tol, max_iter):
    """Solution of minimising ``objective`` (params -> value, gradient) from ``start`` (p,).

    It ends when no entry of the gradient is larger than ``tol``, after ``max_iter`` iterations, or when float64 ends:
    scipy gives up where rounding hides what a step gains, and from there a fresh start gains nothing either.
    """
    if not len(start):
        value, _ = objective(start)
        return Solution(start, value, 0.0, (value,), "converged")
    loss_curve = []

    def recorded_objective(params):
        value, gradient = objective(params)
        if not loss_curve:
            loss_curve.append(value)
        return value, gradient

    def record_iteration(intermediate_result):
        loss_curve.append(intermediate_result.fun)

    params, value = start, np.inf
    while True:
        iterations_left = max_iter - max(len(loss_curve) - 1, 0)
        result = minimize(
            recorded_objective,
            params,
            method="L-BFGS-B",
            jac=True,
            callback=record_iteration,
            options={"maxiter": iterations_left, "maxfun": 50 * max_iter, "maxls": 50, "gtol": tol, "ftol": 0.0},
        )
        gain, params, value = value - result.fun, result.x, result.fun
        largest_gradient = np.abs(result.jac).max()
        if not (np.isfinite(value) and np.isfinite(largest_gradient)):
            reason = "overflow"
        elif largest_gradient <= tol:
            reason = "converged"
        elif len(loss_curve) > max_iter:
            reason = "max_iter"
        elif gain <= 64 * np.finfo(float).eps * abs(value):
            reason = "precision"
        else:
            continue
        return Solution(params, float(value), float(largest_gradient), tuple(loss_curve), reason)


def warn_unless_converged(solution, *, tol):
    """Warn, with how far it got and what to do about it, if a solution is not the end of what float64 can reach."""
    if solution.reason == "max_iter":
        last_gain = solution.loss_curve[-2] - solution.value
        warnings.warn(
            f"L-BFGS stopped at max_iter={solution.n_iter} before it converged: the largest entry of the gradient is "
            f"{solution.largest_gradient:.1e}, tol={tol:.1e}; the loss is {solution.value:.6g} and the last iteration "
            f"lowered it by {last_gain:.1e}. Scale the features (StandardScaler, MaxAbsScaler), lower C or raise "
            "max_iter.",
            ConvergenceWarning,
            stacklevel=3,
        )
    elif solution.reason == "overflow":
        warnings.warn(
            "L-BFGS stopped because the loss or its gradient is no longer finite; scale the features (StandardScaler, "
            "MaxAbsScaler).",
            ConvergenceWarning,
            stacklevel=3,
        )
