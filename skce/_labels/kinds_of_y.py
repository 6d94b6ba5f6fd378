"""What y is: one class a row, a distribution over the classes, or any number of labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from skce._slices import row_slices
from skce._types import Array, At

# Rows whose labels are counted together: their weights, as floats, stay small.
ROWS_PER_COUNT = 2**16


@dataclass(frozen=True)
class HardLabels:
    """One class a row: ``codes`` (n,) of integers below ``n_classes``."""

    codes: Array
    n_classes: int

    def __len__(self) -> int:
        return len(self.codes)

    def of_rows(self, at: At) -> "HardLabels":
        """The labels of a slice of the rows."""
        return HardLabels(self.codes[at], self.n_classes)

    def counts(self, sample_weight: Array) -> Array:
        """Weight (K,) of the rows of each class."""
        return sum(
            np.bincount(self.codes[at], weights=sample_weight[at], minlength=self.n_classes)
            for at in row_slices(len(self.codes), ROWS_PER_COUNT)
        )

    def row_weight(self, at: At, sample_weight: Array, class_weight: Array) -> Array:
        """Weight s_i w . y_i (m,) of some rows."""
        return sample_weight[at] * class_weight[self.codes[at]]

    def weighted_block(self, at: At, sample_weight: Array, class_weight: Array) -> Array:
        """The block s_i w_k y_ik (K, m)."""
        codes = self.codes[at]
        if self.n_classes == 2:
            return np.equal.outer(np.arange(2), codes) * (sample_weight[at] * class_weight[codes])
        block = np.zeros((self.n_classes, len(codes)))
        block[codes, np.arange(len(codes))] = sample_weight[at] * class_weight[codes]
        return block


@dataclass(frozen=True)
class SoftLabels:
    """A distribution over the classes a row: ``probabilities`` (n, K)."""

    probabilities: Array

    def __len__(self) -> int:
        return len(self.probabilities)

    def of_rows(self, at: At) -> "SoftLabels":
        """The labels of a slice of the rows."""
        return SoftLabels(self.probabilities[at])

    def counts(self, sample_weight: Array) -> Array:
        """Weight (K,) that the rows give to each class."""
        return sample_weight @ self.probabilities

    def row_weight(self, at: At, sample_weight: Array, class_weight: Array) -> Array:
        """Weight s_i w . y_i (m,) of some rows."""
        return sample_weight[at] * (self.probabilities[at] @ class_weight)

    def weighted_block(self, at: At, sample_weight: Array, class_weight: Array) -> Array:
        """The block s_i w_k y_ik (K, m)."""
        weighted = self.probabilities[at] * class_weight * sample_weight[at, None]
        return np.ascontiguousarray(weighted.T)


@dataclass(frozen=True)
class Indicators:
    """Any number of labels a row: ``indicator`` (n, L) of zeros and ones, dense or CSR."""

    indicator: Array

    def __len__(self) -> int:
        return self.indicator.shape[0]

    def of_rows(self, at: At) -> "Indicators":
        """The labels of a slice of the rows."""
        return Indicators(self.indicator[at])

    def counts(self, sample_weight: Array) -> Array:
        """Weight (2, L) of the rows for and against each label."""
        blocks = ((self.toarray(at), sample_weight[at]) for at in row_slices(self.indicator.shape[0], ROWS_PER_COUNT))
        return sum(np.stack([weight @ block, weight @ (1 - block)]) for block, weight in blocks)

    def toarray(self, at: At = slice(None)) -> Array:
        """A slice of the rows, dense (m, L) and float."""
        block = self.indicator[at]
        return (block.toarray() if scipy.sparse.issparse(block) else block).astype(float)

    def weighted_block(self, at: At, sample_weight: Array, class_weight: Array) -> Array:
        """The block (2, L, m) for and against each label, class_weight (2, L)."""
        indicator = np.ascontiguousarray(self.toarray(at).T)
        return np.stack([indicator, 1 - indicator]) * class_weight[:, :, None] * sample_weight[at]


def joined_labels(parts: Sequence[Any]) -> HardLabels | SoftLabels | Indicators:
    """The labels of all rows, of those of parts of them, of one kind."""
    first = parts[0]
    if isinstance(first, HardLabels):
        return HardLabels(np.concatenate([part.codes for part in parts]), first.n_classes)
    if isinstance(first, SoftLabels):
        return SoftLabels(np.concatenate([part.probabilities for part in parts]))
    indicators = [part.indicator for part in parts]
    join: Any = scipy.sparse.vstack if any(map(scipy.sparse.issparse, indicators)) else np.concatenate
    return Indicators(join(indicators))
