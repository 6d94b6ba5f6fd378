"""Kernels: from the logits of a block of rows to the value of a loss and its gradient, in one pass.

Arrays are classes first, so that a sum over classes runs along contiguous memory. With targets T >= 0, probabilities Q
and A = T * g(Q), summed over the outcomes of a row,

    value = sum T phi(Q)        d value / d logits = Q * sum A - A

for a softmax over the K logits of a row, and for a sigmoid, which is a softmax over (0, z), in each logit z by itself.
``log_q`` and ``rest = 1 - q`` are computed without cancellation, so that values and gradients stay finite and right for
logits of any size, and for probabilities that round to 0 or 1.
"""

import numpy as np


def softmax_loss_gradient(logits, targets, loss):
    """Value (float) and gradient (K, m) of a softmax over ``logits`` (K, m), which are overwritten; targets (K, m)."""
    log_q, q, rest = softmax(logits)
    value = np.vdot(targets, loss.value(log_q, rest))
    scaled_targets = targets * loss.g(log_q, rest)
    gradient = q
    gradient *= scaled_targets.sum(axis=0)
    gradient -= scaled_targets
    return value, gradient


def sigmoid_loss_gradient(logits, targets, loss):
    """Value (float) and gradient (L, m) of L sigmoids of ``logits`` (L, m); targets (2, L, m): for and against each."""
    targets_for, targets_against = targets
    log_p, p = sigmoid(logits)
    log_rest, rest = sigmoid(-logits)
    value = np.vdot(targets_for, loss.value(log_p, rest)) + np.vdot(targets_against, loss.value(log_rest, p))
    gradient = p * targets_against * loss.g(log_rest, p) - rest * targets_for * loss.g(log_p, rest)
    return value, gradient


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
