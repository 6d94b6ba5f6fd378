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

# Below this, four terms of a series in e are exact to rounding.
SMALL = 1e-4


def softmax_loss_gradient(logits, targets, loss):
    """Value () and gradient (K, m) of a softmax over ``logits`` (K, m), which are overwritten; targets (K, m)."""
    log_q, q, rest = softmax(logits)
    losses = np.einsum("km,km->m", targets, loss.value(log_q, rest))
    return losses.sum(dtype=np.float64), _gradient(q, rest, targets * loss.g(log_q, rest))


def softmax_losses_gradient(logits, targets, loss):
    """As ``softmax_loss_gradient``, with the losses (m,); logits may be -inf, or further apart than any float.

    Those of the estimators are not, whose kernels need not look for what does not happen.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        log_q, q, rest = softmax(logits)
        losses = of_what_happens(targets, loss.value(log_q, rest)).sum(axis=0)
        return losses, _gradient(q, rest, of_what_happens(targets, g_of(loss, log_q, rest)))


def of_what_happens(targets, numbers):
    """Targets times ``numbers``, and 0 where they are 0: what does not happen costs nothing, even where it is inf."""
    return np.where(targets > 0, targets * numbers, 0)


def g_of(loss, log_q, rest):
    """The g of a loss, also where log q is -inf: many a formula has q log q, which is 0 there."""
    return loss.g(np.maximum(log_q, np.finfo(log_q.dtype).min), rest)


def _gradient(q, rest, scaled_targets):
    """The gradient (K, m) for A (K, m); it overwrites q and 1 - q."""
    # Q sum A - A as it stands would leave nothing of 1 - q where q rounds to 1.
    q *= scaled_targets.sum(axis=0) - scaled_targets
    rest *= scaled_targets
    q -= rest
    return q


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


def label_cross_entropy_gradient(logits, of_label, weight):
    """As ``cross_entropy_gradient`` for T that is ``weight`` (m,), or 1 for None, at places (m,) of T as a vector."""
    log_q, normaliser = _exponentials(logits, of_label)
    flat = logits.reshape(-1)
    if weight is None:
        logits *= 1 / normaliser
        flat[of_label] -= 1
        return -np.add.reduce(log_q, dtype=np.float64), logits
    logits *= weight / normaliser
    flat[of_label] -= weight
    return -np.vdot(weight, log_q), logits


def label_cross_entropy_derivatives(logits, of_label, weight):
    """The same, and the SoftmaxCurvature of the rows, which is of the same exponentials."""
    log_q, normaliser = _exponentials(logits, of_label)
    logits *= 1 / normaliser
    if weight is None:
        gradient = logits.copy()
        gradient.reshape(-1)[of_label] -= 1
        return -np.add.reduce(log_q, dtype=np.float64), gradient, SoftmaxCurvature(np.ones_like(log_q), logits)
    gradient = logits * weight
    gradient.reshape(-1)[of_label] -= weight
    return -np.vdot(weight, log_q), gradient, SoftmaxCurvature(weight, logits)


def _exponentials(logits, of_label):
    """log q (m,) of the logits at ``of_label``, and the sums (m,) of the exponentials that overwrite the logits."""
    logits -= np.maximum.reduce(logits, axis=0)
    log_q = logits.reshape(-1).take(of_label)
    np.exp(logits, out=logits)
    normaliser = np.add.reduce(logits, axis=0)
    log_q -= np.log(normaliser)
    return log_q, normaliser


def probability_losses_slopes(log_q, q, rest, targets, loss):
    """Losses (m,), over the outcomes, and their slopes d loss / dq = -T g(q) / q (K, m) in probabilities q (K, m)."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        losses = of_what_happens(targets, loss.value(log_q, rest)).sum(axis=0)
        slopes = of_what_happens(targets, -g_of(loss, log_q, rest) / q)
    return losses, slopes


def softmax_jacobians(logits):
    """Jacobians diag q - q q^T (m, K, K) of the softmax over ``logits`` (K, m), which are overwritten.

    Logits may be -inf, or further apart than any float.
    """
    with np.errstate(over="ignore"):
        _, q, rest = softmax(logits)
    jacobians = -q[:, None] * q
    diagonal = np.arange(len(q))
    jacobians[diagonal, diagonal] = q * rest
    return np.moveaxis(jacobians, -1, 0)


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

    def diagonals(self):
        """Their diagonals (K, m)."""
        diagonals = 1 - self.q
        diagonals *= self.q
        diagonals *= self.mass
        return diagonals

    def product(self, step):
        """Their products (K, m) with a step (K, m) of the logits."""
        centred = step - (self.q * step).sum(axis=0)
        centred *= self.q
        centred *= self.mass
        return centred

    def total(self):
        """Their sum (K, K)."""
        weighted = self.mass * self.q
        return np.diag(weighted.sum(axis=1)) - weighted @ self.q.T

    def entries(self, first, second):
        """The weights (p, m) of the pairs of classes ``first`` and ``second``, both (p,).

        A curvature is the sum over pairs k < l of m q_k q_l (e_k - e_l)(e_k - e_l)^T. None of these terms cancels
        another, so that what a saturated row still curves keeps all its digits.
        """
        weights = self.q[first]
        weights *= self.mass * self.q[second]
        return weights


def softmax_curvature(logits, targets, loss):
    """SoftmaxCurvature of rows with ``logits`` (K, m), which are overwritten, and targets (K, m)."""
    log_q, q, rest = softmax(logits)
    return SoftmaxCurvature(np.maximum(targets * loss.g(log_q, rest), 0).sum(axis=0), q)


def dual_point(log_q, q, step):
    """Probabilities p, and the divergences KL(p, q) (..., m), of outcomes along the first axis that a step moves.

    p = q (1 + e) with e = step - sum q step, the linearised probabilities; where some of them are negative these are 0,
    and the others share what is left. Any p will do for a bound: these are near the best.
    """
    e = step - (q * step).sum(axis=0)
    lowest, largest = e.min(initial=0), e.max(initial=0)
    if lowest < -1:
        growth = np.maximum(1 + e, 0)
        with np.errstate(divide="ignore", invalid="ignore"):  # where q has underflowed there is no bound
            e = np.where(e.min(axis=0) < -1, growth / (q * growth).sum(axis=0) - 1, e)
    # (1 + e) log(1 + e) - e keeps few digits where e is small, which matters if it is in all rows, and is 1 where
    # nothing is left.
    if max(-lowest, largest) < SMALL:
        terms = e * e * (1 / 2 - e * (1 / 6 - e / 12))
        e += 1
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.log1p(e)
            kept, e = e, 1 + e
            terms *= e
            terms -= kept
        if lowest < -1:
            terms[e <= 0] = 1.0
    terms *= q
    return q * e, np.maximum(terms.sum(axis=0), 0)


def label_dual_sums(logits, step, of_label, weight):
    """What a dual bound sums of ``dual_point`` over rows whose ``logits`` (K, m), which are overwritten, a step moves.

    KL(p, q) (1,), the excess m p - t (K, m), which is not summed, and for each class (K, 1) its sum, those of m p and
    of m log q, and of the curvatures (K, K, 1). Targets as of ``label_cross_entropy_gradient``. None where a linearised
    probability is not positive.
    """
    logits -= np.maximum.reduce(logits, axis=0)
    q = np.exp(logits)
    normaliser = np.add.reduce(q, axis=0)
    q /= normaliser
    e = q * step
    np.subtract(step, np.add.reduce(e, axis=0), out=e)
    lowest, largest = e.min(), e.max()
    if not lowest > -1:
        return None
    mass = np.ones_like(normaliser) if weight is None else weight
    logits -= np.log(normaliser)
    weighted = q * mass
    curvature = np.diag(np.add.reduce(weighted, axis=1)) - weighted @ q.T
    if max(-lowest, largest) < SMALL:
        terms = e * e * (1 / 2 - e * (1 / 6 - e / 12))
        e += 1
    else:
        terms = np.log1p(e)
        kept, e = e, 1 + e
        terms *= e
        terms -= kept
    terms *= q
    divergence = np.vdot(mass, np.maximum(np.add.reduce(terms, axis=0), 0))
    weighted *= e
    of_p = np.add.reduce(weighted, axis=1)
    weighted.reshape(-1)[of_label] -= mass
    by_class = np.stack([np.add.reduce(weighted, axis=1), of_p, logits @ mass])[..., None]
    return divergence[None], weighted, *by_class, curvature[..., None]


def moved_dual_point(log_q, q, step):
    """As ``dual_point``, with p the probabilities to which the step moves q, not linearised."""
    moved = log_q + step
    log_p, p, _ = softmax(moved.reshape(len(moved), -1))
    log_p, p = log_p.reshape(q.shape), p.reshape(q.shape)
    return p, np.maximum((p * (log_p - log_q)).sum(axis=0), 0)


def departures(log_q, q, step):
    """By how much the log of sum exp of logits departs, along a ``step`` of them, from its quadratic (..., m).

    With outcomes along the first axis: log sum q exp(step - E step) - var(step) / 2, mean and variance by q.
    """
    centred = step - (q * step).sum(axis=0)
    moved = log_q + centred
    largest = moved.max(axis=0)
    grown = np.log(np.exp(moved - largest).sum(axis=0)) + largest
    return np.abs(grown - (q * centred * centred).sum(axis=0) / 2)


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
