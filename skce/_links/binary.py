"""Two classes: one logit, for and against the second."""

from dataclasses import dataclass

import numpy as np

from skce._kernels.sigmoid import label_sigmoid_cross_entropy_gradient, sigmoid_curvature
from skce._links.one_vs_all import _sigmoid_loss_gradient
from skce._links.softmax import SoftmaxTargets, smoothed
from skce.losses import CrossEntropy


@dataclass(frozen=True)
class BinaryTargets(SoftmaxTargets):
    """T of two classes, for and against the second, whose logit is the only one."""

    is_shift_invariant = False
    n_outputs = 1
    columns = np.zeros(1, dtype=int)

    @property
    def log_odds(self):
        """As for a softmax, (1,)."""
        return np.diff(np.log(self.class_mass))

    def loss_gradient(self, logits, rows, loss):
        """Values (1,) and gradient (1, m), not divided by S, for the logits (1, m) of some rows."""
        if self._is_one_a_row and type(loss) is CrossEntropy:
            is_for = self.labels.codes[rows] == 1
            return label_sigmoid_cross_entropy_gradient(logits, is_for, self._weight_like(logits, rows))
        return _sigmoid_loss_gradient(logits, self._block_like(logits, rows), loss)

    def curvature(self, logits, rows, loss):
        """SigmoidCurvature, not divided by S, for the logits (1, m) of some rows."""
        return sigmoid_curvature(logits, self._block_like(logits, rows), loss)

    def block(self, rows):
        """Targets (2, 1, m) for and against the second class, for some rows."""
        weighted = self.labels.weighted_block(rows, self.sample_weight, self.class_weight)
        weight_against, weight_for = smoothed(weighted, self.label_smoothing)
        return np.stack([weight_for, weight_against])[:, None]
