"""L-BFGS by the two-loop recursion, on vectors of whatever library has them: where these are long, and not NumPy's.

A direction is a combination of the gradient, the last steps and what these changed the gradient by, and the recursion
asks for no more than the products of these vectors with each other. So they stay where they are, in the rows of a
ring, and the recursion runs here, over their products (Chen, Wang and Zhou 2014). A trial is written to the ring as if
it was to be accepted: one product with all of the ring, fetched at once, has all that an iteration needs to know, the
slope along the step among it.
"""

from dataclasses import dataclass

import numpy as np

# Wolfe's conditions of a step, as L-BFGS-B has them: the share of what the slope promises that F has to fall by, and of
# the slope that may be left.
SHARE_OF_PROMISE, SHARE_OF_SLOPE = 1e-3, 0.9

# How much longer, in units of the last lengthening, a step is that has to be longer; and the share of the lengths
# between two that one between them keeps off both.
LEAST_EXTENSION, MOST_EXTENSION = 1.1, 4.0
MARGIN = 0.1


def minimised_from(zeros, value, gradient, after_iteration, n_corrections, maxiter, maxls):
    """Minimise from ``zeros`` (n,) until ``after_iteration`` raises StopIteration: whether it got stuck.

    ``gradient`` is asked for where ``value`` has just been. A line search takes at most ``maxls`` evaluations.
    """
    position, lowest = zeros, value(zeros)
    ring = Ring(gradient(zeros), n_corrections)
    for _ in range(maxiter):
        if not ring.square > 0:
            return False
        direction, slope = ring.direction()

        def trial(length, position=position, direction=direction):
            step = length * direction
            moved = position + step
            there = value(moved)
            if not np.isfinite(there):
                return End(length, np.inf, np.inf)
            return End(length, there, ring.tried(step, gradient(moved)) / length)

        end = accepted(trial, End(0.0, lowest, slope), maxls)
        if end is None and not ring.n_pairs:
            return True
        if end is None:
            ring.forget()
            continue
        ring.accept()
        position, before, lowest = position + end.length * direction, lowest, end.value
        try:
            after_iteration(None)
        except StopIteration:
            return False
        if not lowest < before:
            return False
    return False


class Ring:
    """The last steps and changes of the gradient, m each, and two gradients, this one and one that is tried: rows."""

    def __init__(self, gradient, n_corrections):
        self.m = n_corrections
        self.vectors = np.zeros_like(gradient, shape=(2 * n_corrections + 2, len(gradient)))
        self.products = np.zeros(2 * (len(self.vectors),))
        self.n_pairs = self.slot = 0
        self.now, self.tried_row = len(self.vectors) - 2, len(self.vectors) - 1
        self.vectors[self.now] = gradient
        self.products[self.now, self.now] = float(gradient @ gradient)

    @property
    def square(self):
        """Squared norm of the gradient."""
        return self.products[self.now, self.now]

    def tried(self, step, gradient):
        """Write a step, and the gradient where it leads, to the ring: their product, inf if they are not finite."""
        change = gradient - self.vectors[self.now]
        rows = [self.slot, self.m + self.slot, self.tried_row]
        for row, vector in zip(rows, (step, change, gradient), strict=True):
            self.vectors[row] = vector
        products = np.asarray(self.vectors @ np.stack([step, change, gradient]).T)
        if not np.isfinite(products).all():
            for row in rows:
                self.vectors[row] = 0.0
            return np.inf
        self.products[:, rows] = products
        self.products[rows] = products.T
        return products[self.slot, 2]

    def accept(self):
        """Keep what was tried last: its gradient is the one of now, and its step, where F curves along it, a pair."""
        step, change = self.slot, self.m + self.slot
        self.now, self.tried_row = self.tried_row, self.now
        if self.products[step, change] > np.finfo(float).eps * -self.products[step, self.tried_row]:
            self.slot = (self.slot + 1) % self.m
            self.n_pairs = min(self.n_pairs + 1, self.m)

    def forget(self):
        """Drop all pairs."""
        self.n_pairs = 0

    def direction(self):
        """The direction (n,) of descent, and the slope along it."""
        products, coefs = self.products, np.zeros(len(self.products))
        coefs[self.now] = -1.0
        newest_first = [(self.slot - 1 - age) % self.m for age in range(self.n_pairs)]
        shares = {}
        for step in newest_first:
            shares[step] = products[step] @ coefs / products[step, self.m + step]
            coefs[self.m + step] -= shares[step]
        for step in newest_first[:1]:
            coefs *= products[step, self.m + step] / products[self.m + step, self.m + step]
        for step in reversed(newest_first):
            coefs[step] += shares[step] - products[self.m + step] @ coefs / products[step, self.m + step]
        return coefs @ self.vectors, products[self.now] @ coefs


@dataclass(frozen=True)
class End:
    """Where a step of some ``length`` along a direction ends: F there, and its ``slope``."""

    length: float
    value: float
    slope: float


def accepted(trial, start, n_trials):
    """The first End that ``trial`` of a length returns, from 1 on, that meets Wolfe's conditions; None if none does."""
    before = low = start
    high, length = None, 1.0
    for _ in range(n_trials):
        end = trial(length)
        is_lower = end.value <= start.value + SHARE_OF_PROMISE * length * start.slope
        if is_lower and abs(end.slope) <= -SHARE_OF_SLOPE * start.slope:
            return end
        if is_lower and end.slope < 0:
            before, low = low, end
        else:
            high = end
        length = _longer(before, low) if high is None else _between(low, high)
    return None


def _between(low, high):
    """A length between those of two Ends: where the cubic through both is the least, or half-way."""
    width = high.length - low.length
    length = _length_of_cubic(low, high)
    if not np.isfinite(length):
        return low.length + width / 2
    return min(max(length, low.length + MARGIN * width), high.length - MARGIN * width)


def _longer(before, low):
    """A length beyond that of the longer of two Ends: where the cubic through both is the least, or the most."""
    width, length = low.length - before.length, _length_of_cubic(before, low)
    if not length > low.length:  # the cubic has no minimum there
        length = np.inf
    return low.length + min(max(length - low.length, LEAST_EXTENSION * width), MOST_EXTENSION * width)


def _length_of_cubic(first, second):
    """The length at which the cubic through two Ends has its minimum; nan if it has none."""
    width = second.length - first.length
    with np.errstate(all="ignore"):
        mean = first.slope + second.slope - 3 * (second.value - first.value) / width
        root = np.sqrt(np.float64(mean**2 - first.slope * second.slope))
        return second.length - width * (second.slope + root - mean) / (second.slope - first.slope + 2 * root)
