"""Targets: labels, sample weights, class weights and label smoothing in one non-negative array T, a block at a time.

With y_i the label of row i, one-hot or any distribution over the classes, s sample weights, w class weights and eps
smoothing:

    softmax            T_i = s_i [ (1 - eps) (w * y_i) + (eps / K) (w . y_i) 1 ]

    K sigmoids         for_ik = s_i w_k y_ik,  against_ik = s_i w . y_i - for_ik,  smoothed over these two outcomes

Weight first, then smooth: T stays linear in y, and smoothing moves no weight between rows. Blocks are (K, m) for a
softmax and (2, K, m) for sigmoids, [for, against], and the outcomes that share the weight of a row come first.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse

from skce._links import sigmoid_loss_gradient, softmax_loss_gradient
from skce._rows import row_slices


@dataclass(frozen=True)
class HardLabels:
    """One class a row: ``codes`` (n,) of integers below ``n_classes``."""

    codes: np.ndarray
    n_classes: int

    def counts(self, sample_weight):
        """Weight (K,) of the rows of each class."""
        return np.bincount(self.codes, weights=sample_weight, minlength=self.n_classes)

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

    def counts(self, sample_weight):
        """Weight (K,) that the rows give to each class."""
        return sample_weight @ self.probabilities

    def weighted_block(self, rows, sample_weight, class_weight):
        """The block s_i w_k y_ik (K, m)."""
        weighted = self.probabilities[rows] * class_weight * sample_weight[rows, None]
        return np.ascontiguousarray(weighted.T)


@dataclass(frozen=True)
class Indicators:
    """Any number of labels a row: ``indicator`` (n, L) of zeros and ones, dense or CSR."""

    indicator: np.ndarray

    def counts(self, sample_weight):
        """Weight (2, L) of the rows for and against each label."""
        blocks = (
            (self.toarray(rows), sample_weight[rows]) for rows in row_slices(self.indicator, self.indicator.shape[1])
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
    """T (K, m) of one softmax, for those classes that have mass in it; the others have no optimum."""

    labels: HardLabels | SoftLabels
    sample_weight: np.ndarray
    class_weight: np.ndarray
    label_smoothing: float

    is_shift_invariant = True

    @cached_property
    def class_mass(self):
        """Total weight (K,) of each class in T."""
        return smoothed(self.labels.counts(self.sample_weight) * self.class_weight, self.label_smoothing)

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

    def row_weight(self, rows):
        """Weight (m,) of a slice of rows, up to a factor that all rows share."""
        block = self.block(rows)
        return block.sum(axis=tuple(range(block.ndim - 1)))

    def loss_gradient(self, logits, rows, loss):
        """Value (float) and gradient (k, m), not divided by S, for the logits (k, m) of a slice of rows."""
        return softmax_loss_gradient(logits, self.block(rows), loss)

    def block(self, rows):
        """T (k, m) for a slice of rows."""
        weighted = self.labels.weighted_block(rows, self.sample_weight, self.class_weight)
        return _columns_of(smoothed(weighted, self.label_smoothing), self.columns)


@dataclass(frozen=True)
class BinaryTargets(SoftmaxTargets):
    """T of two classes, for and against the second, whose logit is the only one."""

    is_shift_invariant = False
    n_outputs = 1
    columns = np.zeros(1, dtype=int)

    def loss_gradient(self, logits, rows, loss):
        """Value (float) and gradient (1, m), not divided by S, for the logits (1, m) of a slice of rows."""
        return sigmoid_loss_gradient(logits, self.block(rows), loss)

    def block(self, rows):
        """Targets (2, 1, m) for and against the second class."""
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
        weight_for = self.labels.counts(self.sample_weight) * self.class_weight
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

    def loss_gradient(self, logits, rows, loss):
        """Value (float) and gradient (k, m), not divided by S, for the logits (k, m) of a slice of rows."""
        return sigmoid_loss_gradient(logits, self.block(rows), loss)

    def block(self, rows):
        """Targets (2, k, m) for and against each class, for a slice of rows."""
        weight_for = self.labels.weighted_block(rows, self.sample_weight, self.class_weight)
        weight_against = np.maximum(weight_for.sum(axis=0) - weight_for, 0)
        return _columns_of(smoothed(np.stack([weight_for, weight_against]), self.label_smoothing), self.columns)


@dataclass(frozen=True)
class MultilabelTargets(OneVsAllTargets):
    """Targets (2, L, m) for and against each of L labels that do not exclude each other; class_weight (2, L)."""

    labels: Indicators

    @cached_property
    def mass(self):
        """Total weight (2, L) for and against each label."""
        return smoothed(self.labels.counts(self.sample_weight) * self.class_weight, self.label_smoothing)

    @cached_property
    def total(self):
        """S, the total weight of the rows, which weights of labels leave alone."""
        return self.sample_weight.sum()

    def block(self, rows):
        """Targets (2, k, m) for and against each label, for a slice of rows."""
        weighted = self.labels.weighted_block(rows, self.sample_weight, self.class_weight)
        return _columns_of(smoothed(weighted, self.label_smoothing), self.columns)


def _columns_of(block, columns):
    """``block`` (..., K, m) for the given outputs alone, not copied if that is all of them."""
    return block if len(columns) == block.shape[-2] else block[..., columns, :]
