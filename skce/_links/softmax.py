"""Targets: labels, sample weights, class weights and label smoothing in one non-negative array T, a block at a time.

With y_i the label of row i, one-hot or any distribution over the classes, s sample weights, w class weights and eps
smoothing:

    softmax            T_i = s_i [ (1 - eps) (w * y_i) + (eps / K) (w . y_i) 1 ]

    K sigmoids         for_ik = s_i w_k y_ik,  against_ik = s_i w . y_i - for_ik,  smoothed over these two outcomes

Weight first, then smooth: T stays linear in y, and smoothing moves no weight between rows. Blocks are (K, m) for a
softmax and (2, K, m) for sigmoids, [for, against], and the outcomes that share the weight of a row come first.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from skce._kernels.softmax import (
    SoftmaxCurvature,
    cross_entropy_gradient,
    label_cross_entropy_gradient,
    softmax_curvature,
    softmax_loss_gradient,
)
from skce._labels.kinds_of_y import HardLabels, SoftLabels
from skce._slices import row_slices
from skce.losses import CrossEntropy

ROWS_PER_WEIGHT = 2**16


def smoothed(block, label_smoothing):
    """``block`` with a share of each row's weight spread evenly over its outcomes, the first axis."""
    if not label_smoothing:
        return block
    return (1 - label_smoothing) * block + label_smoothing / len(block) * block.sum(axis=0)


@dataclass(frozen=True)
class SoftmaxTargets:
    """T (K, m) of one softmax, for those classes that have mass in it; the others have no optimum.

    ``counts`` are those of all labels, by sample weight, and say what there is in all; ``labels`` and ``sample_weight``
    are those of the rows that blocks are of, None where there are none.
    """

    class_weight: np.ndarray
    label_smoothing: float
    counts: np.ndarray
    labels: HardLabels | SoftLabels | None = None
    sample_weight: np.ndarray | None = None

    is_shift_invariant = True

    def of_rows(self, labels, sample_weight):
        """The same with rows: all of them, or a part, of which blocks can be made."""
        return replace(self, labels=labels, sample_weight=sample_weight)

    @cached_property
    def class_mass(self):
        """Total weight (K,) of each class in T."""
        return smoothed(self.counts * self.class_weight, self.label_smoothing)

    @cached_property
    def total(self):
        """S, the total weight of T."""
        return self.class_mass.sum()

    @property
    def n_outputs(self):
        """Number of logits of a row, optimised or not."""
        return len(self.class_mass)

    @cached_property
    def columns(self):
        """Indices of the logits that are optimised."""
        return np.flatnonzero(self.class_mass)

    @property
    def log_odds(self):
        """The intercepts (k,) that are best for coefficients of zero and cross-entropy."""
        log_mass = np.log(self.class_mass[self.columns])
        return log_mass - log_mass.mean()

    def row_weight(self, rows):
        """Weight (m,) of some rows, up to a factor that all rows share."""
        return self.labels.row_weight(rows, self.sample_weight, self.class_weight)

    @property
    def slices_of_weights(self):
        """The slices of the rows whose weights are cumulated together."""
        return row_slices(len(self.labels), ROWS_PER_WEIGHT)

    @cached_property
    def cumulated_weights(self):
        """Weight of the rows before each of these slices, and of all of them, up to a factor that all rows share."""
        return np.cumsum([0.0, *(self.row_weight(rows).sum() for rows in self.slices_of_weights)])

    def loss_gradient(self, logits, rows, loss):
        """Value () and gradient (k, m), not divided by S, for the logits (k, m) of some rows, which are overwritten."""
        if type(loss) is not CrossEntropy:
            return softmax_loss_gradient(logits, self._block_like(logits, rows), loss)
        if not self._is_one_a_row:
            return cross_entropy_gradient(logits, self._block_like(logits, rows))
        columns = self._column_of_class[self.labels.codes[rows]]
        return label_cross_entropy_gradient(logits, columns, self._weight_like(logits, rows))

    def curvature(self, logits, rows, loss):
        """SoftmaxCurvature, not divided by S, for the logits (k, m) of some rows, which are overwritten."""
        if type(loss) is CrossEntropy:
            logits -= logits.max(axis=0)
            np.exp(logits, out=logits)
            logits /= logits.sum(axis=0)
            return SoftmaxCurvature(self.row_weight(rows), logits)
        return softmax_curvature(logits, self._block_like(logits, rows), loss)

    @cached_property
    def _column_of_class(self):
        """Position in ``columns`` of each class (K,); of a class without mass, any."""
        column_of_class = np.zeros(self.n_outputs, dtype=np.intp)
        column_of_class[self.columns] = np.arange(len(self.columns))
        return column_of_class

    @cached_property
    def _is_unweighted(self):
        """Whether every row and every class weighs 1."""
        return self.sample_weight.min() == self.sample_weight.max() == 1 and bool((self.class_weight == 1).all())

    @cached_property
    def _is_one_a_row(self):
        """Whether T has one entry a row."""
        return isinstance(self.labels, HardLabels) and not self.label_smoothing

    def _weight_like(self, logits, rows):
        """The weight (m,) of some rows in the dtype of their logits; None if every row weighs 1."""
        return None if self._is_unweighted else self.row_weight(rows).astype(logits.dtype, copy=False)

    def _block_like(self, logits, rows):
        """The block of some rows in the dtype of their logits."""
        return self.block(rows).astype(logits.dtype, copy=False)

    def block(self, rows):
        """T (k, m) for some rows, a slice or an array of indices."""
        weighted = self.labels.weighted_block(rows, self.sample_weight, self.class_weight)
        return _columns_of(smoothed(weighted, self.label_smoothing), self.columns)


def _columns_of(block, columns):
    """``block`` (..., K, m) for the given outputs alone, not copied if that is all of them."""
    return block if len(columns) == block.shape[-2] else block[..., columns, :]
