"""Kernels: from the logits of a block of rows to the value of a loss and its gradient, in one pass.

Arrays are classes first, so that a sum over classes runs along contiguous memory. With targets T >= 0, probabilities Q
and A = T * g(Q), summed over the outcomes of a row,

    value = sum T phi(Q)        d value / d logits = Q * sum A - A

for a softmax over the K logits of a row, and for a sigmoid, which is a softmax over (0, z), in each logit z by itself.
``log_q`` and ``rest = 1 - q`` are computed without cancellation, so that values and gradients stay finite and right for
logits of any size, and for probabilities that round to 0 or 1. Cross-entropy needs neither, and has kernels of its own.

The curvature of a row, by its classes, is m (diag q - q q^T) with m = sum A: the second derivative for cross-entropy,
and for the other losses a positive semi-definite matrix that stands in for it.
"""

from dataclasses import dataclass

import numpy as np


def softmax_losses_gradient(logits, targets, loss):
    """Losses (m,) and gradient (K, m) of a softmax over ``logits`` (K, m), which are overwritten; targets (K, m)."""
    log_q, q, rest = softmax(logits)
    losses = np.einsum("km,km->m", targets, loss.value(log_q, rest))
    scaled_targets = targets * loss.g(log_q, rest)
    # Q sum A - A as it stands would leave nothing of 1 - q where q rounds to 1.
    gradient = q
    gradient *= scaled_targets.sum(axis=0) - scaled_targets
    rest *= scaled_targets
    gradient -= rest
    return losses, gradient


def softmax_loss_gradient(logits, targets, loss):
    """As ``softmax_losses_gradient``, with the sum () of the losses."""
    losses, gradient = softmax_losses_gradient(logits, targets, loss)
    return losses.sum(dtype=np.float64), gradient


def cross_entropy_gradient(logits, targets):
    """As ``softmax_loss_gradient`` for cross-entropy: T is (K, m), and the gradient Q m - T overwrites ``logits``."""
    logits -= np.maximum.reduce(logits, axis=0)
    mass = np.add.reduce(targets, axis=0)
    value = -np.vdot(targets, logits)
    np.exp(logits, out=logits)
    normaliser = np.add.reduce(logits, axis=0)
    value += np.vdot(mass, np.log(normaliser))
    logits *= mass / normaliser
    logits -= targets
    return value, logits


def label_cross_entropy_gradient(logits, codes, weight):
    """As ``cross_entropy_gradient`` for T that is ``weight`` (m,), or 1 for None, at the class ``codes`` (m,) alone."""
    logits -= np.maximum.reduce(logits, axis=0)
    n_rows = len(codes)
    of_label = np.arange(n_rows)
    of_label += codes * n_rows
    flat = logits.reshape(-1)
    log_q = flat.take(of_label)
    np.exp(logits, out=logits)
    normaliser = np.add.reduce(logits, axis=0)
    log_q -= np.log(normaliser)
    if weight is None:
        logits *= 1 / normaliser
        flat[of_label] -= 1
        return -np.add.reduce(log_q, dtype=np.float64), logits
    logits *= weight / normaliser
    flat[of_label] -= weight
    return -np.vdot(weight, log_q), logits


def sigmoid_losses_gradient(logits, targets, loss):
    """Losses and gradient, each (L, m), of L sigmoids of ``logits`` (L, m); targets (2, L, m): for and against each."""
    targets_for, targets_against = targets
    log_p, p = sigmoid(logits)
    log_rest, rest = sigmoid(-logits)
    losses = targets_for * loss.value(log_p, rest) + targets_against * loss.value(log_rest, p)
    gradient = p * targets_against * loss.g(log_rest, p) - rest * targets_for * loss.g(log_p, rest)
    return losses, gradient


def sigmoid_loss_gradient(logits, targets, loss):
    """As ``sigmoid_losses_gradient``, with the sums (L,) of the losses."""
    losses, gradient = sigmoid_losses_gradient(logits, targets, loss)
    return losses.sum(axis=1, dtype=np.float64), gradient


def probability_losses_slopes(log_q, q, rest, targets, loss):
    """Losses (m,), over the outcomes, and their slopes d loss / dq = -T g(q) / q (K, m) in probabilities q (K, m).

    What does not happen costs nothing, even at q = 0.
    """
    happens = targets > 0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        losses = np.where(happens, targets * loss.value(log_q, rest), 0).sum(axis=0)
        slopes = np.where(happens, -targets * loss.g(log_q, rest) / q, 0)
    return losses, slopes


def softmax_jacobians(logits):
    """Jacobians diag q - q q^T (m, K, K) of the softmax over ``logits`` (K, m), which are overwritten."""
    _, q, rest = softmax(logits)
    jacobians = -q[:, None] * q
    diagonal = np.arange(len(q))
    jacobians[diagonal, diagonal] = q * rest
    return np.moveaxis(jacobians, -1, 0)


def sigmoid_cross_entropy_gradient(logits, targets):
    """As ``sigmoid_loss_gradient`` for cross-entropy: m log(1 + exp(z)) - T_for z, with m = T_for + T_against."""
    targets_for, targets_against = targets
    mass = targets_for + targets_against
    decay = np.abs(logits)
    np.negative(decay, out=decay)
    np.exp(decay, out=decay)
    is_negative = logits < 0
    values = _row_products(mass, np.log1p(decay) + np.maximum(logits, 0)) - _row_products(targets_for, logits)
    decay /= 1 + decay
    # p is decay / (1 + decay) where z < 0, and one minus that elsewhere.
    return values, np.where(is_negative, decay * mass - targets_for, targets_against - decay * mass)


def _row_products(left, right):
    """Sums (L,), in float64, of the products of two arrays (L, m)."""
    return np.einsum("lm,lm->l", left, right, dtype=np.float64)


def label_sigmoid_cross_entropy_gradient(logits, is_for, weight):
    """As ``sigmoid_cross_entropy_gradient`` for one sigmoid and targets ``weight`` (m,), or 1 for None, on one side."""
    margin = np.where(is_for, logits[0], -logits[0])
    decay = np.exp(-np.abs(margin))
    losses = np.log1p(decay)
    losses -= np.minimum(margin, 0)
    wrong = np.where(margin < 0, 1, decay)
    wrong /= 1 + decay
    gradient = np.where(is_for, -wrong, wrong)
    if weight is None:
        return np.add.reduce(losses, dtype=np.float64, keepdims=True), gradient[None]
    gradient *= weight
    return np.vdot(weight, losses)[None], gradient[None]


@dataclass(frozen=True)
class SoftmaxCurvature:
    """The curvatures m (diag q - q q^T) of some rows: ``mass`` (m,) and probabilities ``q`` (K, m)."""

    mass: np.ndarray
    q: np.ndarray

    def times(self, factor):
        """The curvatures times ``factor`` (m,)."""
        return SoftmaxCurvature(self.mass * factor, self.q)

    def trace(self):
        """Traces (m,)."""
        return self.mass * (1 - (self.q * self.q).sum(axis=0))

    def total(self):
        """Their sum (K, K)."""
        weighted = self.mass * self.q
        return np.diag(weighted.sum(axis=1)) - weighted @ self.q.T

    def entries(self, basis, first, second):
        """In a basis (k, K) of the classes, the entries (p, m) in the rows ``first`` (p,) and columns ``second``."""
        projected = basis @ self.q
        entries = (basis[first] * basis[second]) @ self.q
        entries -= projected[first] * projected[second]
        entries *= self.mass
        return entries


@dataclass(frozen=True)
class SigmoidCurvature:
    """The curvatures of some rows in each of L logits by itself: ``weights`` (L, m)."""

    weights: np.ndarray

    def times(self, factor):
        """The curvatures times ``factor`` (m,)."""
        return SigmoidCurvature(self.weights * factor)

    def trace(self):
        """Their sums (m,) over the logits of a row."""
        return self.weights.sum(axis=0)

    def total(self):
        """Their sum (L,), in each logit by itself."""
        return self.weights.sum(axis=1)

    def entries(self, basis, first, second):
        """The curvatures (L, m) themselves: these logits have no basis but their own."""
        return self.weights


def softmax_curvature(logits, targets, loss):
    """SoftmaxCurvature of rows with ``logits`` (K, m), which are overwritten, and targets (K, m)."""
    log_q, q, rest = softmax(logits)
    return SoftmaxCurvature(np.maximum(targets * loss.g(log_q, rest), 0).sum(axis=0), q)


def sigmoid_curvature(logits, targets, loss):
    """SigmoidCurvature of rows with ``logits`` (L, m) and targets (2, L, m)."""
    targets_for, targets_against = targets
    log_p, p = sigmoid(logits)
    log_rest, rest = sigmoid(-logits)
    mass = np.maximum(targets_for * loss.g(log_p, rest) + targets_against * loss.g(log_rest, p), 0)
    return SigmoidCurvature(mass * p * rest)


def softmax(logits):
    """log q, q and 1 - q, each (K, m), of the softmax over ``logits`` (K, m), which log q overwrites."""
    logits -= logits.max(axis=0)
    q = np.exp(logits)
    # The largest class is left out of the sum, so that the sum of the others keeps all its digits as q tends to 1.
    is_largest = logits == 0
    q -= is_largest
    others = q.sum(axis=0) + (is_largest.sum(axis=0) - 1)
    q += is_largest
    q /= 1 + others
    rest = 1 - q
    np.copyto(rest, others / (1 + others), where=is_largest, casting="same_kind")
    log_q = logits
    log_q -= np.log1p(others)
    return log_q, q, rest


def sigmoid(logits):
    """log p and p, elementwise, of p = 1 / (1 + exp(-logits))."""
    decay = np.exp(-np.abs(logits))
    log_p = np.minimum(logits, 0) - np.log1p(decay)
    p = np.where(logits < 0, decay, 1) / (1 + decay)
    return log_p, p
