"""A loss of one's own, as docs/own-loss.md shows it; tested like those of skce."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SquaredError:
    """Squared error of the probability of what happened, phi(q) = (1 - q)^2 / 2."""

    is_convex = False

    def value(self, log_q, rest):
        return rest**2 / 2

    def g(self, log_q, rest):
        return np.exp(log_q) * rest
