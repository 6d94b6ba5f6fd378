"""The solver: L-BFGS on a function that returns its value and its gradient. How it ended is data, not an exception."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

# A loss of order 1 is known to eps, so that in coordinates in which it curves by order 1 its gradient tells uphill from
# downhill down to about sqrt(eps).
ROUNDING_OF_LOSS = 64 * np.finfo(float).eps
ROUNDING_OF_GRADIENT = 64 * np.sqrt(np.finfo(float).eps)

# scipy's status for a line search that failed.
ABNORMAL = 2


@dataclass(frozen=True)
class Solution:
    """Where a minimisation ended, and why: ``reason`` is "converged", "precision", "max_iter" or "stalled"."""

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

    It ends when no entry of the gradient is larger than ``tol``, after ``max_iter`` iterations, or when scipy gives up,
    because rounding or overflow hides what a step gains, and a fresh start from there gains nothing either: that end is
    "precision" if the gradient is as small as rounding lets it be, and "stalled" if not.
    """
    params, (value, gradient) = start, objective(start)
    loss_curve = [value]
    gain = np.inf
    while True:
        largest_gradient = np.abs(gradient).max(initial=0.0)
        iterations_left = max_iter - (len(loss_curve) - 1)
        if largest_gradient <= tol:
            reason = "converged"
            break
        if iterations_left == 0:
            reason = "max_iter"
            break
        if not gain > ROUNDING_OF_LOSS * abs(value):
            reason = "precision" if largest_gradient <= ROUNDING_OF_GRADIENT else "stalled"
            break
        *better, values = _minimised_by_scipy(objective, params, value, gradient, tol, iterations_left)
        gain = value - better[1]
        if gain > 0:
            params, value, gradient = better
            loss_curve += values
    return Solution(params, float(value), float(largest_gradient), tuple(loss_curve), reason)


def _minimised_by_scipy(objective, start, start_value, start_gradient, tol, max_iter):
    """Where scipy ends from ``start``, value and gradient there, and the values after its iterations."""
    values = []

    def known_or_evaluated(params):
        return (start_value, start_gradient.copy()) if np.array_equal(params, start) else objective(params)

    def record(intermediate_result):
        values.append(intermediate_result.fun)

    options = {"maxiter": max_iter, "maxfun": 50 * max_iter, "maxls": 50, "gtol": tol, "ftol": 0.0}
    result = minimize(known_or_evaluated, start, method="L-BFGS-B", jac=True, callback=record, options=options)
    if result.status != ABNORMAL:
        return result.x, result.fun, result.jac, values
    # Its line search has failed, and the value that it reports is not that of the point that it returns.
    value, gradient = objective(result.x)
    return result.x, value, gradient, [*values[:-1], value]


def warn_unless_converged(solution, *, tol):
    """Warn, with how far it got and what to do about it, if a solution is not the end of what float64 can reach."""
    if solution.reason == "max_iter":
        end = f"stopped at max_iter={solution.n_iter} iterations"
        remedy = "Raise max_iter, or lower C: strongly correlated features under a weak penalty take long."
    elif solution.reason == "stalled":
        end = f"stalled after {solution.n_iter} iterations, where rounding hid what a step gains"
        remedy = "Scale the features (MaxAbsScaler), or lower C; if the loss is your own, check its g."
    else:
        return
    last_gain = solution.loss_curve[-2] - solution.value if solution.n_iter else 0.0
    warnings.warn(
        f"L-BFGS {end}, before it converged: the largest entry of the gradient is {solution.largest_gradient:.1e}, "
        f"tol={tol:.1e}; the loss is {solution.value:.6g}, and the last iteration lowered it by {last_gain:.1e}. "
        f"{remedy}",
        ConvergenceWarning,
        stacklevel=3,
    )
