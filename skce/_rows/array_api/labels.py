"""Labels at a place: what HardLabels, SoftLabels and Indicators are, of which blocks of targets are made."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skce._labels.kinds_of_y import HardLabels, Indicators, SoftLabels
from skce._namespaces import on_host
from skce._slices import row_slices

# Weights of rows, one for each class, that are summed together.
NUMBERS_OF_COUNTS = 2**24


@dataclass(frozen=True)
class PlacedCodes:
    """One class a row: ``codes`` (n,), a DeviceArray of integers below ``n_classes``."""

    codes: Any
    n_classes: int

    @classmethod
    def of_integers(cls, y, read_y):
        """Classes (K,), and the PlacedCodes, of y (n,), a DeviceArray of integers: only distinct ones are fetched."""
        xp = y.place.xp
        distinct = xp.unique_values(y.array)
        distinct = distinct[xp.argsort(distinct)]  # in which order they come is not said
        classes, labels = read_y(on_host(distinct))
        codes = y.place.moved(_codes(labels))
        return classes, cls(y.place.wrapped(xp.take(codes, xp.searchsorted(distinct, y.array))), labels.n_classes)

    def __len__(self):
        return len(self.codes)

    def on_host(self):
        """The same in the host's memory."""
        return HardLabels(np.asarray(self.codes), self.n_classes)

    def counts(self, sample_weight):
        """Weight (K,) of the rows of each class, for weights (n,) of the host or all at one."""
        ones, step = np.ones(self.n_classes), max(NUMBERS_OF_COUNTS // self.n_classes, 1)
        blocks = (self.weighted_block(at, sample_weight, ones) for at in row_slices(len(self), step))
        return np.asarray(sum(block.sum(axis=1) for block in blocks))

    def row_weight(self, at, sample_weight, class_weight):
        """Weight s_i w . y_i (m,) of some rows."""
        # Lifted: NumPy would fetch the codes to take from an array of its own.
        return sample_weight[at] * np.take(self.codes.place.lifted(class_weight), self.codes[at], axis=0)

    def weighted_block(self, at, sample_weight, class_weight):
        """The block s_i w_k y_ik (K, m)."""
        codes = self.codes[at]
        is_label = codes == np.arange(self.n_classes, dtype=codes.dtype)[:, None]
        return np.where(is_label, self.row_weight(at, sample_weight, class_weight), 0.0)


@dataclass(frozen=True)
class PlacedSoftLabels(SoftLabels):
    """A distribution a row: ``probabilities`` (n, K), a DeviceArray."""

    def weighted_block(self, at, sample_weight, class_weight):
        """The block s_i w_k y_ik (K, m)."""
        return (self.probabilities[at] * class_weight * sample_weight[at, None]).T


@dataclass(frozen=True)
class PlacedIndicators(Indicators):
    """Any number of labels a row: ``indicator`` (n, L), a DeviceArray of zeros and ones."""

    def toarray(self, at=slice(None)):
        """A slice of the rows, dense (m, L) and float."""
        return self.indicator[at].astype(np.float64)

    def weighted_block(self, at, sample_weight, class_weight):
        """The block (2, L, m) for and against each label, class_weight (2, L)."""
        indicator = self.toarray(at).T
        return np.stack([indicator, 1 - indicator]) * class_weight[:, :, None] * sample_weight[at]


def _codes(labels):
    """The codes of HardLabels, as signed integers, by which the standard takes: as small as can be."""
    return labels.codes.astype(np.min_scalar_type(-labels.n_classes), copy=False)


def placed(labels, place):
    """Labels whose arrays are at a place."""
    if isinstance(labels, PlacedCodes):
        return labels
    if isinstance(labels, HardLabels):
        return PlacedCodes(place.lifted(_codes(labels)), labels.n_classes)
    if isinstance(labels, SoftLabels):
        return PlacedSoftLabels(place.lifted(labels.probabilities))
    indicator = labels.indicator if isinstance(labels.indicator, np.ndarray) else labels.indicator.toarray()
    return PlacedIndicators(place.lifted(indicator.astype(np.int8)))
