"""Kernels of many fits to the same rows: derivatives of cross-entropy by their logits (L, f, n), and no losses.

With what rows have in common at hand, and no loss to be told, they take half the operations of the others.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

# The largest logit above that of the reference whose exponential is taken as it is.
LARGEST = 600.0


@dataclass(frozen=True, eq=False)
class SoftmaxesOfDifferences:
    """Softmaxes of L + 1 outcomes, by how far the logits of L of them are above that of a reference.

    ``targets`` (L, n) are T of these, and ``mass`` (n,) its sum over all outcomes, of which ``reference`` is one.
    """

    targets: np.ndarray
    mass: np.ndarray
    reference: int

    def gradient(self, logits):
        """Q m - T (L, f, n) for differences of logits (L, f, n), which are overwritten."""
        scale, _ = self._exponentials(logits)
        scale *= self.mass
        logits *= scale
        logits -= self.targets[:, None]
        return logits

    def weights(self, logits):
        """The weights (w, f, n) of pairs of outcomes k < l, m q_k q_l, for differences that are overwritten."""
        scale, of_reference = self._exponentials(logits)
        logits *= scale
        of_outcomes = [*logits]
        of_outcomes.insert(self.reference, scale * of_reference)
        weights = np.empty((len(of_outcomes) * len(logits) // 2, *scale.shape))
        place = 0
        for number, of_outcome in enumerate(of_outcomes[:-1]):
            of_mass = self.mass * of_outcome
            for other in of_outcomes[number + 1 :]:
                np.multiply(of_mass, other, out=weights[place])
                place += 1
        return weights

    def _exponentials(self, logits):
        """1 over the sums (f, n) of the exponentials that overwrite the differences, and that of the reference."""
        of_reference: Any = 1.0
        if not logits.max(initial=0.0) <= LARGEST:
            highest = np.maximum(np.maximum.reduce(logits, axis=0), 0)
            logits -= highest
            of_reference = np.exp(-highest)
        np.exp(logits, out=logits)
        normaliser = np.add.reduce(logits, axis=0)
        normaliser += of_reference
        np.divide(1, normaliser, out=normaliser)
        return normaliser, of_reference


@dataclass(frozen=True, eq=False)
class SigmoidsOfLabels:
    """Sigmoids each of whose targets is for or against: ``masses`` (L, n) of rows, less than 0 where they are for."""

    masses: np.ndarray

    reference = None

    def gradient(self, logits):
        """The gradient (L, f, n) for logits (L, f, n), which are overwritten."""
        masses = self.masses[:, None]
        logits *= -np.sign(masses)
        np.minimum(logits, LARGEST, out=logits)
        np.exp(logits, out=logits)
        logits += 1
        np.divide(masses, logits, out=logits)
        return logits

    def weights(self, logits):
        """The curvatures m q (1 - q) (L, f, n) for logits (L, f, n), which are overwritten."""
        np.abs(logits, out=logits)
        np.negative(logits, out=logits)
        np.exp(logits, out=logits)
        others = logits + 1
        logits /= others
        logits /= others
        logits *= np.abs(self.masses)[:, None]
        return logits
