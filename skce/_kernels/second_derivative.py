"""Second derivatives of any loss by the logits of a row, in pairs of classes.

With A = T * g(Q), a = sum A, and B = T * dg/dlog q, b = sum B, the derivative of sum T phi(Q) by logits k and l != k is

    -[ (a + b) q_k q_l - q_k B_l - q_l B_k ] = -w_kl

and rows sum to 0: the second derivative is the sum over pairs k < l of w_kl (e_k - e_l)(e_k - e_l)^T, as that of
cross-entropy is, whose B is 0. Here w_kl may be negative. With the slopes D = (1 - q) * B of T g by log(q / (1 - q)),

    w_kl = q_k q_l (a + b - B_k - B_l) - q_k D_l - q_l D_k

in which nothing cancels where q tends to 0 or 1. A loss gives value and g; dg/dlogit is a fourth-order difference.
"""

from dataclasses import dataclass

import numpy as np

from skce._kernels.sigmoid import SigmoidCurvature, sigmoid
from skce._kernels.softmax import softmax

# Step of the differences, in logits. For focal, poly-1 and generalised cross-entropy 1e-2, 1e-3 and 1e-4 are off by at
# most 2e-9, 2e-12 and 1e-11 of the largest slope.
STEP = 1e-3


@dataclass(frozen=True)
class PairCurvature:
    """Second derivatives of some rows: ``mass`` a (m,), ``q``, ``slopes`` D and ``by_log_q`` B, each (K, m)."""

    mass: np.ndarray
    q: np.ndarray
    slopes: np.ndarray
    by_log_q: np.ndarray

    def times(self, factor):
        """Those times ``factor`` (m,)."""
        return PairCurvature(self.mass * factor, self.q, self.slopes * factor, self.by_log_q * factor)

    def entries(self, first, second):
        """Weights (p, m) of the pairs of classes ``first`` and ``second``, both (p,)."""
        q, slopes, by_log_q = self.q, self.slopes, self.by_log_q
        of_others = by_log_q.sum(axis=0) - by_log_q[first] - by_log_q[second]
        return q[first] * q[second] * (self.mass + of_others) - q[first] * slopes[second] - q[second] * slopes[first]

    def total(self):
        """Their sum (K, K)."""
        n_classes = len(self.q)
        first, second = np.triu_indices(n_classes, 1)
        total = np.zeros((n_classes, n_classes))
        total[first, second] = total[second, first] = -self.entries(first, second).sum(axis=1)
        np.fill_diagonal(total, -total.sum(axis=0))
        return total


def softmax_second_derivative(logits, targets, loss):
    """PairCurvature of rows with ``logits`` (K, m), which are overwritten, and targets (K, m)."""
    log_q, q, rest = softmax(logits)
    rest = np.maximum(rest, np.finfo(rest.dtype).tiny)
    slopes = targets * slopes_of_g(loss, log_q - np.log(rest))
    return PairCurvature((targets * loss.g(log_q, rest)).sum(axis=0), q, slopes, slopes / rest)


def sigmoid_second_derivative(logits, targets, loss):
    """SigmoidCurvature of rows with ``logits`` (L, m) and targets (2, L, m): a softmax over (0, z), one pair."""
    targets_for, targets_against = targets
    (log_p, p), (log_rest, rest) = sigmoid(logits), sigmoid(-logits)
    mass = targets_for * loss.g(log_p, rest) + targets_against * loss.g(log_rest, p)
    slopes_for, slopes_against = slopes_of_g(loss, logits), slopes_of_g(loss, -logits)
    return SigmoidCurvature(
        mass * p * rest - p * targets_against * slopes_against - rest * targets_for * slopes_for,
    )


def slopes_of_g(loss, logits):
    """Derivatives of g(q), of the shape of ``logits``, by the logit of q."""

    def g(shift):
        log_q, _ = sigmoid(logits + shift)
        _, rest = sigmoid(-logits - shift)
        return np.asarray(loss.g(log_q, rest))

    near, far = g(STEP) - g(-STEP), g(2 * STEP) - g(-2 * STEP)
    return (8 * near - far) / (12 * STEP)
