"""One sigmoid a label, of labels that do not exclude each other."""

from dataclasses import dataclass
from functools import cached_property

from skce._links.one_vs_all import OneVsAllTargets
from skce._links.softmax import _columns_of, smoothed


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
