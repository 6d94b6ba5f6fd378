"""What sigmoids share, a problem each: losses and targets (2, k, m), [for, against]."""

from dataclasses import dataclass

import numpy as np

from skce._kernels.many_fits import SigmoidsOfLabels
from skce._kernels.second_derivative import sigmoid_second_derivative
from skce._kernels.sigmoid import (
    SigmoidCurvature,
    sides_of_sigmoid,
    sigmoid,
    sigmoid_cross_entropy_curvature,
    sigmoid_cross_entropy_gradient,
    sigmoid_curvature,
    sigmoid_loss_gradient,
    sigmoid_losses_gradient,
)
from skce._kernels.softmax import departures, dual_point, moved_dual_point
from skce._links.targets import Targets
from skce._types import Loss, RowLoss
from skce.losses import CrossEntropy, cross_entropy_share


def targets_of_sigmoids(link, class_weight, label_smoothing, mass, total):
    """Targets of a link whose outputs have mass (2, K) for and against, optimised where they have both."""
    outputs = np.flatnonzero(mass.all(axis=0))
    return Targets(link, class_weight, label_smoothing, mass, mass[0], total, outputs, mass.shape[1])


def log_odds_of_sigmoids(targets):
    """Logarithms (k,) of the mass for over that against."""
    log_mass_for, log_mass_against = np.log(targets.mass[:, targets.outputs])
    return log_mass_for - log_mass_against


def loss_of_sigmoids(loss):
    """The loss of a row, by the quicker kernel if it is cross-entropy."""
    cross_entropy = CrossEntropyOfSigmoids()
    return cross_entropy if type(loss) is CrossEntropy else LossOfSigmoids(loss, cross_entropy)


@dataclass(frozen=True)
class LossOfSigmoids:
    """Any loss phi(q) of the two outcomes of each of k sigmoids; cross-entropy is its ``convex_neighbour``."""

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
        _, gradient = self.losses_gradient(logits, block)
        log_q, q = sides_of_sigmoid(logits)
        # The targets of a cross-entropy of this share that has the same gradient.
        of_share = share * block.sum(axis=0) * q - np.stack([gradient, -gradient])
        return of_share, log_q, *dual_point(log_q, q, _sides_of_step(step))

    def dual_curvature(self, logits, targets, at):
        """SigmoidCurvature of the share that is cross-entropy."""
        weight = targets.block(at).sum(axis=0)
        return SigmoidCurvature(cross_entropy_share(self.loss) * weight * sigmoid(logits)[1] * sigmoid(-logits)[1])

    def losses_gradient(self, logits, block):
        """Losses and gradient, each (k, m), for the logits (k, m) and a block of T (2, k, m)."""
        return sigmoid_losses_gradient(logits, block, self.loss)

    def values_gradient(self, logits, targets, at):
        """Values (k,) and gradient (k, m), not divided by S, for the logits (k, m) of some rows."""
        return sigmoid_loss_gradient(logits, targets.block_like(logits, at), self.loss)

    def curvature(self, logits, targets, at):
        """SigmoidCurvature, not divided by S, for the logits (k, m) of some rows."""
        return sigmoid_curvature(logits, targets.block_like(logits, at), self.loss)

    def second_derivative(self, logits, targets, at):
        """SigmoidCurvature of the second derivatives, which may be negative, for the logits (k, m) of some rows."""
        return sigmoid_second_derivative(logits, targets.block_like(logits, at), self.loss)


@dataclass(frozen=True)
class CrossEntropyOfSigmoids:
    """Cross-entropy of sigmoids: the methods of ``LossOfSigmoids``, by a quicker kernel."""

    loss = CrossEntropy()
    is_convex = has_exact_curvature = True
    convex_neighbour = dual_sums = derivatives = None

    def losses_gradient(self, logits, block):
        """As that of any loss."""
        return sigmoid_losses_gradient(logits, block, self.loss)

    def values_gradient(self, logits, targets, at):
        """As that of any loss."""
        return sigmoid_cross_entropy_gradient(logits, targets.block_like(logits, at))

    def of_many_fits(self, block):
        """SigmoidsOfLabels; None where a target is for and against."""
        targets_for, targets_against = block
        if np.minimum(targets_for, targets_against).any():
            return None
        return SigmoidsOfLabels(targets_against - targets_for)

    def curvature(self, logits, targets, at):
        """As that of any loss."""
        return sigmoid_cross_entropy_curvature(logits, targets.block_like(logits, at).sum(axis=0))

    second_derivative = curvature

    def dual_curvature(self, logits, targets, at):
        """The curvature, all of which is that of cross-entropy."""
        return self.curvature(logits, targets, at)

    def dual_point(self, logits, step, targets, at):
        """Targets, log q and p (2, k, m), KL(p, q) (k, m) of the rows, whose logits (k, m) a step (k, m) moves."""
        return self._dual_point(dual_point, logits, step, targets, at)

    def moved_dual_point(self, logits, step, targets, at):
        """The same of rows that a step moves too far to linearise."""
        return self._dual_point(moved_dual_point, logits, step, targets, at)

    def departures(self, logits, step, targets, at):
        """By how much the losses (m,) of each row depart from their quadratic along a step (k, m) of the logits."""
        of_sigmoids = departures(*sides_of_sigmoid(logits), _sides_of_step(step))
        return (targets.block(at).sum(axis=0) * of_sigmoids).sum(axis=0)

    def _dual_point(self, kernel, logits, step, targets, at):
        log_q, q = sides_of_sigmoid(logits)
        return targets.block(at), log_q, *kernel(log_q, q, _sides_of_step(step))


def _sides_of_step(step):
    """A step (k, m) of logits as one of both outcomes (2, k, m), of which the second has a logit of 0."""
    sides = np.zeros_like(step, shape=(2, *step.shape))
    sides[0] = step
    return sides
