"""Labels at a place: what HardLabels, SoftLabels and Indicators are, of which blocks of targets are made."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skce._labels.kinds_of_y import HardLabels, Indicators, SoftLabels


@dataclass(frozen=True)
class PlacedCodes:
    """One class a row: ``codes`` (n,), a DeviceArray of integers below ``n_classes``."""

    codes: Any
    n_classes: int

    def __len__(self):
        return len(self.codes)

    def row_weight(self, at, sample_weight, class_weight):
        """Weight s_i w . y_i (m,) of some rows."""
        return sample_weight[at] * np.take(class_weight, self.codes[at], axis=0)

    def weighted_block(self, at, sample_weight, class_weight):
        """The block s_i w_k y_ik (K, m)."""
        codes = self.codes[at]
        is_label = codes == np.arange(self.n_classes, dtype=codes.dtype)[:, None]
        return np.where(is_label, sample_weight[at] * class_weight[:, None], 0.0)


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


def placed(labels, place):
    """Labels whose arrays are at a place."""
    if isinstance(labels, HardLabels):
        # The standard takes by signed integers; of those, codes are as small as can be.
        codes = labels.codes.astype(np.min_scalar_type(-labels.n_classes), copy=False)
        return PlacedCodes(place.lifted(codes), labels.n_classes)
    if isinstance(labels, SoftLabels):
        return SoftLabels(place.lifted(labels.probabilities))
    indicator = labels.indicator if isinstance(labels.indicator, np.ndarray) else labels.indicator.toarray()
    return PlacedIndicators(place.lifted(indicator.astype(np.int8)))
