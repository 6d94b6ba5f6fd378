"""One sigmoid a class, for and against it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skce._kernels.sigmoid import sigmoid_cross_entropy_gradient, sigmoid_curvature, sigmoid_loss_gradient
from skce._links.softmax import SoftmaxTargets, _columns_of, smoothed
from skce.losses import CrossEntropy


@dataclass(frozen=True)
class OneVsAllTargets(SoftmaxTargets):
    """Targets (2, K, m) for and against each class; every row has the same weight in all K problems."""

    is_shift_invariant = False

    @cached_property
    def mass(self):
        """Total weight (2, K) for and against each class."""
        weight_for = self.counts * self.class_weight
        # Summed from both sides: what a subtraction leaves of the others next to a dominant class may round to 0.
        before, after = np.cumsum(weight_for), np.cumsum(weight_for[::-1])[::-1]
        weight_against = np.append(0.0, before[:-1]) + np.append(after[1:], 0.0)
        return smoothed(np.stack([weight_for, weight_against]), self.label_smoothing)

    @cached_property
    def class_mass(self):
        """Total weight (K,) for each class."""
        return self.mass[0]

    @cached_property
    def total(self):
        """S, the total weight of the rows."""
        return self.mass[:, 0].sum()

    @cached_property
    def columns(self):
        """Indices of the classes with weight both for and against, which are optimised."""
        return np.flatnonzero(self.mass.all(axis=0))

    @property
    def log_odds(self):
        """As for a softmax, (k,)."""
        log_mass_for, log_mass_against = np.log(self.mass[:, self.columns])
        return log_mass_for - log_mass_against

    def loss_gradient(self, logits, rows, loss):
        """Values (k,) and gradient (k, m), not divided by S, for the logits (k, m) of some rows."""
        return _sigmoid_loss_gradient(logits, self._block_like(logits, rows), loss)

    def curvature(self, logits, rows, loss):
        """SigmoidCurvature, not divided by S, for the logits (k, m) of some rows."""
        return sigmoid_curvature(logits, self._block_like(logits, rows), loss)

    def block(self, rows):
        """Targets (2, k, m) for and against each class, for a slice of rows."""
        weight_for = self.labels.weighted_block(rows, self.sample_weight, self.class_weight)
        weight_against = np.maximum(weight_for.sum(axis=0) - weight_for, 0)
        return _columns_of(smoothed(np.stack([weight_for, weight_against]), self.label_smoothing), self.columns)


def _sigmoid_loss_gradient(logits, targets, loss):
    """Values (k,) and gradient (k, m) of k sigmoids, by the quicker kernel if the loss is cross-entropy."""
    if type(loss) is CrossEntropy:
        return sigmoid_cross_entropy_gradient(logits, targets)
    return sigmoid_loss_gradient(logits, targets, loss)
