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
import scipy.sparse

from skce._links import (
    SoftmaxCurvature,
    cross_entropy_gradient,
    label_cross_entropy_gradient,
    label_sigmoid_cross_entropy_gradient,
    sigmoid_cross_entropy_gradient,
    sigmoid_curvature,
    sigmoid_loss_gradient,
    softmax_curvature,
    softmax_loss_gradient,
)
from skce._rows import row_slices
from skce.losses import CrossEntropy

# Rows whose labels are counted together, and those whose weights are cumulated together.
ROWS_PER_COUNT = 2**16
ROWS_PER_WEIGHT = 2**16


@dataclass(frozen=True)
class HardLabels:
    """One class a row: ``codes`` (n,) of integers below ``n_classes``."""

    codes: np.ndarray
    n_classes: int

    def __len__(self):
        return len(self.codes)

    def of_rows(self, rows):
        """The labels of a slice of the rows."""
        return HardLabels(self.codes[rows], self.n_classes)

    def counts(self, sample_weight):
        """Weight (K,) of the rows of each class."""
        return sum(
            np.bincount(self.codes[rows], weights=sample_weight[rows], minlength=self.n_classes)
            for rows in row_slices(len(self.codes), ROWS_PER_COUNT)
        )

    def row_weight(self, rows, sample_weight, class_weight):
        """Weight s_i w . y_i (m,) of some rows."""
        return sample_weight[rows] * class_weight[self.codes[rows]]

    def weighted_block(self, rows, sample_weight, class_weight):
        """The block s_i w_k y_ik (K, m)."""
        codes = self.codes[rows]
        block = np.zeros((self.n_classes, len(codes)))
        block[codes, np.arange(len(codes))] = sample_weight[rows] * class_weight[codes]
        return block


@dataclass(frozen=True)
class SoftLabels:
    """A distribution over the classes a row: ``probabilities`` (n, K)."""

    probabilities: np.ndarray

    def __len__(self):
        return len(self.probabilities)

    def of_rows(self, rows):
        """The labels of a slice of the rows."""
        return SoftLabels(self.probabilities[rows])

    def counts(self, sample_weight):
        """Weight (K,) that the rows give to each class."""
        return sample_weight @ self.probabilities

    def row_weight(self, rows, sample_weight, class_weight):
        """Weight s_i w . y_i (m,) of some rows."""
        return sample_weight[rows] * (self.probabilities[rows] @ class_weight)

    def weighted_block(self, rows, sample_weight, class_weight):
        """The block s_i w_k y_ik (K, m)."""
        weighted = self.probabilities[rows] * class_weight * sample_weight[rows, None]
        return np.ascontiguousarray(weighted.T)


@dataclass(frozen=True)
class Indicators:
    """Any number of labels a row: ``indicator`` (n, L) of zeros and ones, dense or CSR."""

    indicator: np.ndarray

    def __len__(self):
        return self.indicator.shape[0]

    def of_rows(self, rows):
        """The labels of a slice of the rows."""
        return Indicators(self.indicator[rows])

    def counts(self, sample_weight):
        """Weight (2, L) of the rows for and against each label."""
        blocks = (
            (self.toarray(rows), sample_weight[rows]) for rows in row_slices(self.indicator.shape[0], ROWS_PER_COUNT)
        )
        return sum(np.stack([weight @ block, weight @ (1 - block)]) for block, weight in blocks)

    def toarray(self, rows=slice(None)):
        """A slice of the rows, dense (m, L) and float."""
        block = self.indicator[rows]
        return (block.toarray() if scipy.sparse.issparse(block) else block).astype(float)

    def weighted_block(self, rows, sample_weight, class_weight):
        """The block (2, L, m) for and against each label, class_weight (2, L)."""
        indicator = np.ascontiguousarray(self.toarray(rows).T)
        return np.stack([indicator, 1 - indicator]) * class_weight[:, :, None] * sample_weight[rows]


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


@dataclass(frozen=True)
class MultilabelTargets(OneVsAllTargets):
    """Targets (2, L, m) for and against each of L labels that do not exclude each other; class_weight (2, L)."""

    @cached_property
    def mass(self):
        """Total weight (2, L) for and against each label."""
        return smoothed(self.counts * self.class_weight, self.label_smoothing)

    @cached_property
    def total(self):
        """S, the total weight of the rows, which weights of labels leave alone."""
        return self.counts[:, 0].sum()

    def row_weight(self, rows):
        """Weight (m,) of some rows, up to a factor that all rows share: over all labels that are optimised."""
        return self.block(rows).sum(axis=(0, 1))

    def block(self, rows):
        """Targets (2, k, m) for and against each label, for a slice of rows."""
        weighted = self.labels.weighted_block(rows, self.sample_weight, self.class_weight)
        return _columns_of(smoothed(weighted, self.label_smoothing), self.columns)


def _sigmoid_loss_gradient(logits, targets, loss):
    """Values (k,) and gradient (k, m) of k sigmoids, by the quicker kernel if the loss is cross-entropy."""
    if type(loss) is CrossEntropy:
        return sigmoid_cross_entropy_gradient(logits, targets)
    return sigmoid_loss_gradient(logits, targets, loss)


def _columns_of(block, columns):
    """``block`` (..., K, m) for the given outputs alone, not copied if that is all of them."""
    return block if len(columns) == block.shape[-2] else block[..., columns, :]
