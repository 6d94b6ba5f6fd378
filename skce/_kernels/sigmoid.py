"""Kernels of sigmoids: softmaxes over (0, z), in each logit z by itself. Arrays (L, m), targets (2, L, m)."""

from dataclasses import dataclass

import numpy as np

from skce._kernels.softmax import SMALL, g_of, of_what_happens


def sigmoid_loss_gradient(logits, targets, loss):
    """Values (L,) and gradient (L, m) of L sigmoids of ``logits`` (L, m); targets (2, L, m): for and against each."""
    targets_for, targets_against = targets
    log_p, p = sigmoid(logits)
    log_rest, rest = sigmoid(-logits)
    losses = targets_for * loss.value(log_p, rest) + targets_against * loss.value(log_rest, p)
    gradient = p * targets_against * loss.g(log_rest, p) - rest * targets_for * loss.g(log_p, rest)
    return losses.sum(axis=1, dtype=np.float64), gradient


def sigmoid_losses_gradient(logits, targets, loss):
    """As ``sigmoid_loss_gradient``, with the losses (L, m); logits may be -inf.

    Those of the estimators are not, whose kernels need not look for what does not happen.
    """
    targets_for, targets_against = targets
    log_p, p = sigmoid(logits)
    log_rest, rest = sigmoid(-logits)
    with np.errstate(over="ignore", invalid="ignore"):
        losses = of_what_happens(targets_for, loss.value(log_p, rest))
        losses += of_what_happens(targets_against, loss.value(log_rest, p))
        gradient = p * of_what_happens(targets_against, g_of(loss, log_rest, p))
        gradient -= rest * of_what_happens(targets_for, g_of(loss, log_p, rest))
    return losses, gradient


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


def label_sigmoid_cross_entropy_gradient(logits, sides, weight):
    """As ``sigmoid_cross_entropy_gradient`` for one sigmoid and targets ``weight`` (m,), or 1 for None, on one side.

    ``sides`` (m,) are -1 where that is for it, and 1 where it is against it.
    """
    values, gradient, _, _ = _label_sigmoid(logits, sides, weight)
    return values, gradient


def label_sigmoid_cross_entropy_derivatives(logits, sides, weight):
    """The same, and the SigmoidCurvature of the rows, which is of the same exponentials."""
    values, gradient, decay, others = _label_sigmoid(logits, sides, weight)
    decay /= others
    decay /= others
    if weight is not None:
        decay *= weight
    return values, gradient, SigmoidCurvature(decay[None])


def _label_sigmoid(logits, sides, weight):
    """Values (1,) and gradient (1, m) of labels, and exp(-abs(logit)) (m,) and 1 more."""
    # Of labels in no order, to choose by a condition takes as long as ten operations on all of them.
    sides = sides.astype(logits.dtype, copy=False)
    against = sides * logits[0]
    decay = np.abs(against)
    np.negative(decay, out=decay)
    np.exp(decay, out=decay)
    losses = np.log1p(decay)
    losses += np.maximum(against, 0)
    gradient = np.maximum(decay, against > 0)
    others = decay + 1
    gradient /= others
    gradient *= sides
    if weight is None:
        return np.add.reduce(losses, dtype=np.float64, keepdims=True), gradient[None], decay, others
    gradient *= weight
    return np.vdot(weight, losses)[None], gradient[None], decay, others


def label_sigmoid_dual_sums(logits, step, sides, weight):
    """What a dual bound sums of ``dual_point`` for one sigmoid whose ``logits`` (1, m) a ``step`` (1, m) moves.

    KL(p, q) (1,), the excess m p - t for (1, m), which is not summed, and for both outcomes (2, 1) its sum, those of
    m p and of m log q, and of the curvatures (2, 2, 1). Targets as of ``label_sigmoid_cross_entropy_gradient``. None
    where a linearised probability is not positive.
    """
    (logit,), (move,) = logits, step
    decay = np.abs(logit)
    np.negative(decay, out=decay)
    np.exp(decay, out=decay)
    is_negative = logit < 0
    q, rest = np.maximum(decay, ~is_negative), np.maximum(decay, is_negative)
    log_q = np.minimum(logit, 0)
    log_q -= np.log1p(decay)
    decay += 1
    q /= decay
    rest /= decay
    curvature = q * rest
    growth, shrinkage = rest * move, q * move
    if not (growth.min() > -1 and shrinkage.max() < 1):
        return None
    moved = curvature * move
    if max(growth.max(), -growth.min(), shrinkage.max(), -shrinkage.min()) < SMALL:
        divergence = moved * move * (1 / 2 - move * (rest - q) / 6 + move * move * (1 - 3 * curvature) / 12)
        q += moved
    else:
        np.negative(shrinkage, out=shrinkage)
        q += moved
        rest -= moved
        divergence = np.log1p(growth)
        divergence *= q
        rest *= np.log1p(shrinkage)
        divergence += rest
        np.maximum(divergence, 0, out=divergence)
    excess = q - (sides < 0)
    if weight is not None:
        excess *= weight
    total = len(logit) if weight is None else np.add.reduce(weight)
    of_excess, of_p = np.add.reduce(excess), _weighted_sum(q, weight)
    of_log_q, of_curvature = _weighted_sum(log_q, weight), _weighted_sum(curvature, weight)
    by_outcome = np.stack(
        [of_excess, -of_excess, of_p, total - of_p, of_log_q, of_log_q - _weighted_sum(logit, weight)]
    ).reshape(3, 2, 1)
    near = np.stack([of_curvature, -of_curvature, -of_curvature, of_curvature]).reshape(2, 2, 1)
    return _weighted_sum(divergence, weight)[None], excess[None], *by_outcome, near


def _weighted_sum(numbers, weight):
    """The sum () of numbers (m,) times weights (m,), or 1 for None."""
    return np.add.reduce(numbers) if weight is None else np.vdot(weight, numbers)


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

    def diagonals(self):
        """The curvatures (L, m) themselves."""
        return self.weights

    def product(self, step):
        """Their products (L, m) with a step (L, m) of the logits."""
        return self.weights * step

    def total(self):
        """Their sum (L,), in each logit by itself."""
        return self.weights.sum(axis=1)

    def entries(self, first, second):
        """The curvatures (L, m) themselves: these logits have no basis but their own."""
        return self.weights


def sigmoid_curvature(logits, targets, loss):
    """SigmoidCurvature of rows with ``logits`` (L, m) and targets (2, L, m)."""
    targets_for, targets_against = targets
    log_p, p = sigmoid(logits)
    log_rest, rest = sigmoid(-logits)
    mass = np.maximum(targets_for * loss.g(log_p, rest) + targets_against * loss.g(log_rest, p), 0)
    return SigmoidCurvature(mass * p * rest)


def sigmoid_cross_entropy_curvature(logits, mass):
    """As ``sigmoid_curvature`` for cross-entropy, to which targets matter by their ``mass`` alone, (L, m) or (m,).

    None stands for a mass of 1 each.
    """
    weights = np.exp(-np.abs(logits))
    others = 1 + weights
    weights /= others
    weights /= others
    if mass is not None:
        weights *= mass
    return SigmoidCurvature(weights)


def sides_of_sigmoid(logits):
    """log q and q (2, ...) of each sigmoid of ``logits``, for and against it."""
    decay = np.abs(logits)
    np.negative(decay, out=decay)
    np.exp(decay, out=decay)
    log_q = np.empty_like(logits, shape=(2, *logits.shape))
    np.minimum(logits, 0, out=log_q[0])
    np.subtract(log_q[0], logits, out=log_q[1])  # min(-z, 0), exactly
    log_q -= np.log1p(decay)
    q = np.empty_like(log_q)
    is_negative = logits < 0
    np.maximum(decay, ~is_negative, out=q[0])
    np.maximum(decay, is_negative, out=q[1])
    decay += 1
    q /= decay
    return log_q, q


def sigmoid(logits):
    """log p and p, elementwise, of p = 1 / (1 + exp(-logits))."""
    decay = np.exp(-np.abs(logits))
    log_p = np.minimum(logits, 0) - np.log1p(decay)
    p = np.where(logits < 0, decay, 1) / (1 + decay)
    return log_p, p
