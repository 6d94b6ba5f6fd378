"""One softmax over the K classes: probabilities that compete, targets (K, m)."""

from dataclasses import dataclass

import numpy as np

from skce._kernels.many_fits import SoftmaxesOfDifferences
from skce._kernels.second_derivative import softmax_second_derivative
from skce._kernels.softmax import (
    SoftmaxCurvature,
    cross_entropy_gradient,
    departures,
    dual_point,
    label_cross_entropy_derivatives,
    label_cross_entropy_gradient,
    label_dual_sums,
    moved_dual_point,
    softmax,
    softmax_curvature,
    softmax_loss_gradient,
    softmax_losses_gradient,
)
from skce._links.constants import constant_intercepts
from skce._links.targets import Targets, smoothed, weight_of_labels
from skce._types import Loss, RowLoss
from skce.losses import CrossEntropy, cross_entropy_share


@dataclass(frozen=True)
class Softmax:
    """K logits (K, m) of each row, which a shift of all of them leaves what they are."""

    are_separate = False
    is_shift_invariant = True
    is_multilabel = False

    def targets(self, counts, class_weight, label_smoothing):
        """Targets of labels that have ``counts`` (K,), for those classes that have mass; the others have no optimum."""
        mass = smoothed(counts * class_weight, label_smoothing)
        outputs = np.flatnonzero(mass) if np.count_nonzero(mass) > 1 else np.arange(0)
        return Targets(self, class_weight, label_smoothing, mass, mass, mass.sum(), outputs, len(mass))

    def outcomes(self, weighted):
        """The classes: a weighted block (K, m) as it is."""
        return weighted

    def row_weight(self, targets, at):
        """Weight (m,) of some rows."""
        return weight_of_labels(targets, at)

    def log_odds(self, targets):
        """Logarithms (k,) of the mass of the classes, of mean 0."""
        log_mass = np.log(targets.mass[targets.outputs])
        return log_mass - log_mass.mean()

    def row_loss(self, loss):
        """The loss of a row, by the quicker kernels if it is cross-entropy."""
        cross_entropy = CrossEntropyOfSoftmax()
        return cross_entropy if type(loss) is CrossEntropy else LossOfSoftmax(loss, cross_entropy)

    def log_scores(self, logits):
        """The logits (K, m) themselves."""
        return logits

    def log_proba(self, logits):
        """Logarithms of the probabilities (K, m), -inf where the logits (K, m) are further apart than floats."""
        with np.errstate(over="ignore"):
            return softmax(logits.copy())[0]

    def predicted(self, logits, classes):
        """The class (m,) of the largest of the logits (K, m)."""
        return np.take(classes, logits.argmax(axis=0))

    def recovered(self, logits, recovery):
        """Logarithms (K, m) of the probabilities that the logits (K, m) stand for."""
        log_q, _, rest = softmax(logits.copy())
        return softmax(recovery.unbent(log_q, rest) - recovery.log_weight[:, None])[0]

    def is_recovered_by_intercepts(self, recovery):
        """Whether that is a shift of the logits of each class."""
        return recovery.is_of_weights_alone

    def constant_intercepts(self, mass, eps, lowest_score):
        """Intercepts that keep classes without mass below eps on all rows; of all classes, if one has all mass."""
        return constant_intercepts(mass, eps, lowest_score)


@dataclass(frozen=True)
class LossOfSoftmax:
    """Any loss phi(q) of the probabilities of a softmax; cross-entropy is its ``convex_neighbour``."""

    loss: Loss
    convex_neighbour: RowLoss

    has_exact_curvature = False
    moved_dual_point = departures = dual_sums = derivatives = of_many_fits = None

    @property
    def is_convex(self):
        """Whether it is convex in the logits."""
        return self.loss.is_convex

    @property
    def dual_point(self):
        """As that of cross-entropy, if a share of the loss is that, and the rest convex."""
        return self._dual_point if cross_entropy_share(self.loss) else None

    def _dual_point(self, logits, step, targets, at):
        block, share = targets.block(at), cross_entropy_share(self.loss)
        _, gradient = self.losses_gradient(logits.copy(), block)
        log_q, q, _ = softmax(logits)
        p, divergence = dual_point(log_q, q, step)
        # The targets of a cross-entropy of this share that has the same gradient.
        of_share = share * block.sum(axis=0) * q - gradient
        return of_share[:, None], log_q[:, None], p[:, None], divergence[None]

    def dual_curvature(self, logits, targets, at):
        """SoftmaxCurvature of the share that is cross-entropy."""
        weight = targets.block(at).sum(axis=0)
        return SoftmaxCurvature(cross_entropy_share(self.loss) * weight, softmax(logits)[1])

    def losses_gradient(self, logits, block):
        """Losses (m,) and gradient (k, m) for the logits (k, m), which are overwritten, and a block of T (k, m).

        Logits may be -inf here, and here alone.
        """
        return softmax_losses_gradient(logits, block, self.loss)

    def values_gradient(self, logits, targets, at):
        """Value () and gradient (k, m), not divided by S, for the logits (k, m) of some rows, which are overwritten."""
        return softmax_loss_gradient(logits, targets.block_like(logits, at), self.loss)

    def curvature(self, logits, targets, at):
        """SoftmaxCurvature, not divided by S, for the logits (k, m) of some rows, which are overwritten."""
        return softmax_curvature(logits, targets.block_like(logits, at), self.loss)

    def second_derivative(self, logits, targets, at):
        """PairCurvature, not divided by S, for the logits (k, m) of some rows, which are overwritten."""
        return softmax_second_derivative(logits, targets.block_like(logits, at), self.loss)


@dataclass(frozen=True)
class CrossEntropyOfSoftmax:
    """Cross-entropy of a softmax: the methods of ``LossOfSoftmax``, by kernels that need no log q and no 1 - q."""

    loss = CrossEntropy()
    is_convex = has_exact_curvature = True
    convex_neighbour = None

    def losses_gradient(self, logits, block):
        """As that of any loss."""
        return softmax_losses_gradient(logits, block, self.loss)

    def values_gradient(self, logits, targets, at):
        """As that of any loss; with labels that nothing smooths, T is never made."""
        if not targets.is_one_a_row:
            return cross_entropy_gradient(logits, targets.block_like(logits, at))
        return label_cross_entropy_gradient(logits, *_labels(targets, at, logits))

    def derivatives(self, logits, targets, at):
        """Values, gradient and curvature by a kernel of their own; None where T is more than labels."""
        if not targets.is_one_a_row:
            return None
        return label_cross_entropy_derivatives(logits, *_labels(targets, at, logits))

    def of_many_fits(self, block):
        """SoftmaxesOfDifferences from the outcome that has most of the mass."""
        reference = int(block.sum(axis=1).argmax())
        return SoftmaxesOfDifferences(np.delete(block, reference, axis=0), block.sum(axis=0), reference)

    def curvature(self, logits, targets, at):
        """As that of any loss; T matters by the weight of its rows alone."""
        logits -= logits.max(axis=0)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=0)
        return SoftmaxCurvature(targets.row_weight(at), logits)

    second_derivative = curvature

    def dual_curvature(self, logits, targets, at):
        """The curvature, all of which is that of cross-entropy."""
        return self.curvature(logits, targets, at)

    def dual_point(self, logits, step, targets, at):
        """Targets (k, m), log q and p (k, m), KL(p, q) (1, m) of the rows, whose logits (k, m) a step (k, m) moves."""
        return self._dual_point(dual_point, logits, step, targets, at)

    def dual_sums(self, logits, step, targets, at):
        """What a dual bound sums, by a kernel of its own; None where T is more than labels or a step moves rows far."""
        if not targets.is_one_a_row:
            return None
        return label_dual_sums(logits, step, *_labels(targets, at, logits))

    def moved_dual_point(self, logits, step, targets, at):
        """The same of rows that a step moves too far to linearise."""
        return self._dual_point(moved_dual_point, logits, step, targets, at)

    def departures(self, logits, step, targets, at):
        """By how much the loss (m,) of each row departs from its quadratic along a step (k, m) of the logits (k, m)."""
        log_q, q, _ = softmax(logits)
        return targets.block(at).sum(axis=0) * departures(log_q, q, step)

    def _dual_point(self, kernel, logits, step, targets, at):
        log_q, q, _ = softmax(logits)
        p, divergence = kernel(log_q, q, step)
        return targets.block(at)[:, None], log_q[:, None], p[:, None], divergence[None]


def _labels(targets, at, logits):
    """Places (m,) of the labels of some rows, and their weights (m,) in the dtype of logits, or None for 1 each."""
    return targets.places_of_labels(at), targets.row_weight_like(logits, at)
