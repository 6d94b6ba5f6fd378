"""Targets: labels, sample weights, class weights and label smoothing in one non-negative array T, a block at a time.

With y_i the label of row i, one-hot or any distribution over the classes, s sample weights, w class weights and eps
smoothing:

    softmax            T_i = s_i [ (1 - eps) (w * y_i) + (eps / K) (w . y_i) 1 ]

    K sigmoids         for_ik = s_i w_k y_ik,  against_ik = s_i w . y_i - for_ik,  smoothed over these two outcomes

Weight first, then smooth: T stays linear in y, and smoothing moves no weight between rows. Blocks are (K, m) for a
softmax and (2, K, m) for sigmoids, [for, against], and the outcomes that share the weight of a row come first. What
the outcomes are is the link's to say.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from skce._labels.kinds_of_y import HardLabels, Indicators, SoftLabels
from skce._slices import row_slices
from skce._types import Link

# Rows whose weights are cumulated together: few enough to draw from, so many that their sums are few.
ROWS_PER_WEIGHT = 2**16


def smoothed(block, label_smoothing):
    """``block`` with a share of each row's weight spread evenly over its outcomes, the first axis."""
    if not label_smoothing:
        return block
    return (1 - label_smoothing) * block + label_smoothing / len(block) * block.sum(axis=0)


@dataclass(frozen=True)
class Targets:
    """T of a ``link``, for those of its ``n_outputs`` logits that have an optimum: ``outputs`` (k,).

    ``mass`` is the total weight of each outcome in T, (K,) or (2, K), ``class_mass`` (K,) that for each class, and
    ``total`` S, that of the rows. ``labels`` and ``sample_weight`` are those of the rows that blocks are of, None where
    there are none.
    """

    link: Link
    class_weight: np.ndarray
    label_smoothing: float
    mass: np.ndarray
    class_mass: np.ndarray
    total: float
    outputs: np.ndarray
    n_outputs: int
    labels: HardLabels | SoftLabels | Indicators | None = None
    sample_weight: np.ndarray | None = None

    def of_rows(self, labels, sample_weight):
        """The same with rows: all of them, or a part, of which blocks can be made."""
        return replace(self, labels=labels, sample_weight=sample_weight)

    @property
    def log_odds(self):
        """The intercepts (k,) that are best for coefficients of zero and cross-entropy."""
        return self.link.log_odds(self)

    def block(self, at):
        """T, (k, m) or (2, k, m), of some rows, a slice or an array of indices."""
        weighted = self.labels.weighted_block(at, self.sample_weight, self.class_weight)
        block = smoothed(self.link.outcomes(weighted), self.label_smoothing)
        # Not copied if that is all of them.
        return block if len(self.outputs) == block.shape[-2] else block[..., self.outputs, :]

    def block_like(self, logits, at):
        """The block of some rows in the dtype of their logits."""
        return self.block(at).astype(logits.dtype, copy=False)

    def row_weight(self, at):
        """Weight (m,) of some rows, up to a factor that all rows share."""
        return self.link.row_weight(self, at)

    def row_weight_like(self, logits, at):
        """The weight (m,) of some rows in the dtype of their logits; None if every row weighs 1."""
        return None if self.is_unweighted else self.row_weight(at).astype(logits.dtype, copy=False)

    @property
    def slices_of_weights(self):
        """The slices of the rows whose weights are cumulated together."""
        return row_slices(len(self.labels), ROWS_PER_WEIGHT)

    @cached_property
    def cumulated_weights(self):
        """Weight of the rows before each of these slices, and of all of them, up to a factor that all rows share."""
        if self.is_unweighted:
            return np.array([0.0, *(float(at.stop) for at in self.slices_of_weights)])
        return np.cumsum([0.0, *(self.row_weight(at).sum() for at in self.slices_of_weights)])

    @cached_property
    def is_one_a_row(self):
        """Whether T has one entry a row."""
        return isinstance(self.labels, HardLabels) and not self.label_smoothing

    def places_of_labels(self, at):
        """Where, in T (k, m) of some rows as a vector, the labels (m,) of these are."""
        return self._places_of_all if self._is_all(at) else self._places_of(self._codes[at])

    def sides_against(self, at):
        """Of some rows, as their labels have two sides: -1 for the second class, 1 for the first (m,)."""
        return self._sides_of_all if self._is_all(at) else _sides_against(self._codes[at])

    @property
    def _codes(self):
        """Codes (n,) of the labels, of which there is one a row."""
        labels: Any = self.labels
        return labels.codes

    def _is_all(self, at):
        """Whether a slice, or indices, is all rows: a fit asks for what is of them again and again."""
        return isinstance(at, slice) and at.stop - at.start == len(self._codes)

    @cached_property
    def _places_of_all(self):
        return self._places_of(self._codes)

    @cached_property
    def _sides_of_all(self):
        return _sides_against(self._codes)

    def _places_of(self, codes):
        return self._output_of_class[codes] * len(codes) + np.arange(len(codes))

    @cached_property
    def _output_of_class(self):
        """Position in ``outputs`` of each class (K,); of a class without mass, any."""
        output_of_class = np.zeros(self.n_outputs, dtype=np.intp)
        output_of_class[self.outputs] = np.arange(len(self.outputs))
        return output_of_class

    @cached_property
    def is_unweighted(self):
        """Whether every row has a label, and it and every class weigh 1."""
        if not isinstance(self.labels, HardLabels):
            return False
        return self.sample_weight.min() == self.sample_weight.max() == 1 and bool((self.class_weight == 1).all())


def weight_of_labels(targets, at):
    """Weight s_i w . y_i (m,) of some rows whose outcomes exclude each other."""
    if targets.is_unweighted:
        return np.ones(len(targets.labels.codes[at] if isinstance(at, slice) else at))
    return targets.labels.row_weight(at, targets.sample_weight, targets.class_weight)


def _sides_against(codes):
    """-1 for codes (m,) that are 1, and 1 for those that are 0."""
    sides = codes.astype(np.float64)
    sides *= -2
    sides += 1
    return sides
