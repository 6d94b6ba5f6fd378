"""Two classes: one logit (1, m), for and against the second; a softmax over (0, z) with the same T."""

from dataclasses import dataclass

import numpy as np

from skce._kernels.sigmoid import (
    label_sigmoid_cross_entropy_derivatives,
    label_sigmoid_cross_entropy_gradient,
    label_sigmoid_dual_sums,
    sigmoid,
    sigmoid_cross_entropy_curvature,
)
from skce._links.constants import certain_intercepts
from skce._links.sigmoids import CrossEntropyOfSigmoids, LossOfSigmoids
from skce._links.targets import Targets, smoothed, weight_of_labels
from skce.losses import CrossEntropy


@dataclass(frozen=True)
class Binary:
    """One logit, that of the second class."""

    are_separate = True
    is_shift_invariant = False
    is_multilabel = False

    def targets(self, counts, class_weight, label_smoothing):
        """Targets (2, 1, m) of labels that have ``counts`` (2,)."""
        mass = smoothed(counts * class_weight, label_smoothing)
        outputs = np.arange(int(mass.all()))
        return Targets(self, class_weight, label_smoothing, mass, mass, mass.sum(), outputs, 1)

    def outcomes(self, weighted):
        """For and against the second class (2, 1, m), of a weighted block (2, m)."""
        return weighted[::-1, None]

    def row_weight(self, targets, at):
        """Weight (m,) of some rows."""
        return weight_of_labels(targets, at)

    def log_odds(self, targets):
        """Logarithm (1,) of the mass of the second class over that of the first."""
        return np.diff(np.log(targets.mass))[targets.outputs]

    def row_loss(self, loss):
        """The loss of a row, by the quicker kernels if it is cross-entropy."""
        cross_entropy = CrossEntropyOfBinary()
        return cross_entropy if type(loss) is CrossEntropy else LossOfSigmoids(loss, cross_entropy)

    def log_scores(self, logits):
        """Logarithms (2, m) of the probabilities for the logits (1, m)."""
        (logit,) = logits
        return np.stack([sigmoid(-logit)[0], sigmoid(logit)[0]], axis=1).T

    def log_proba(self, logits):
        """The same: they sum to 1."""
        return self.log_scores(logits)

    def predicted(self, logits, classes):
        """The class (m,) that is more probable than not."""
        return np.take(classes, (logits[0] > 0).astype(int))

    def recovered(self, logits, recovery):
        """Logits (1, m) of the probabilities that the logits (1, m) stand for."""
        log_against, log_for = recovery.log_weight
        return recovery.unbent_sigmoids(logits) - (log_for - log_against)

    def is_recovered_by_intercepts(self, recovery):
        """Whether that is a shift of the logit."""
        return recovery.is_of_weights_alone

    def constant_intercepts(self, mass, eps, lowest_score):
        """The intercept where one class has all mass; that of the first class is given."""
        return -certain_intercepts(mass, eps)


@dataclass(frozen=True)
class CrossEntropyOfBinary:
    """Cross-entropy of one sigmoid: that of sigmoids, with a kernel of its own for labels that nothing smooths."""

    loss = CrossEntropy()
    is_convex = has_exact_curvature = True
    convex_neighbour = None

    def losses_gradient(self, logits, block):
        """As that of sigmoids."""
        return CrossEntropyOfSigmoids().losses_gradient(logits, block)

    def values_gradient(self, logits, targets, at):
        """Values (1,) and gradient (1, m), not divided by S, for the logits (1, m) of some rows."""
        if not targets.is_one_a_row:
            return CrossEntropyOfSigmoids().values_gradient(logits, targets, at)
        return label_sigmoid_cross_entropy_gradient(logits, *_labels(targets, at, logits))

    def derivatives(self, logits, targets, at):
        """Values, gradient and curvature by a kernel of their own; None where labels are smoothed."""
        if not targets.is_one_a_row:
            return None
        return label_sigmoid_cross_entropy_derivatives(logits, *_labels(targets, at, logits))

    def of_many_fits(self, block):
        """As that of sigmoids."""
        return CrossEntropyOfSigmoids().of_many_fits(block)

    def curvature(self, logits, targets, at):
        """As that of sigmoids; T matters by the weight of its rows alone."""
        return sigmoid_cross_entropy_curvature(logits, targets.row_weight_like(logits, at))

    second_derivative = curvature

    def dual_curvature(self, logits, targets, at):
        """As that of sigmoids."""
        return CrossEntropyOfSigmoids().curvature(logits, targets, at)

    def dual_point(self, logits, step, targets, at):
        """As that of sigmoids."""
        return CrossEntropyOfSigmoids().dual_point(logits, step, targets, at)

    def dual_sums(self, logits, step, targets, at):
        """What a dual bound sums, by a kernel of its own; None where labels are smoothed or a step moves rows far."""
        if not targets.is_one_a_row:
            return None
        return label_sigmoid_dual_sums(logits, step, *_labels(targets, at, logits))

    def moved_dual_point(self, logits, step, targets, at):
        """As that of sigmoids."""
        return CrossEntropyOfSigmoids().moved_dual_point(logits, step, targets, at)

    def departures(self, logits, step, targets, at):
        """As those of sigmoids."""
        return CrossEntropyOfSigmoids().departures(logits, step, targets, at)


def _labels(targets, at, logits):
    """Sides (m,) of the labels of some rows, and their weights (m,) in the dtype of the logits, or None for 1 each."""
    return targets.sides_against(at), targets.row_weight_like(logits, at)
