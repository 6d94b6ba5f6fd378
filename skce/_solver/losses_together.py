"""The losses of all rows in many fits at once: their gradients and second moments, in a few large products."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from skce._slices import row_slices
from skce._solver.curvature.exact import ExactCurvature
from skce._solver.curvature.factorisation import weighted_moments
from skce._solver.far_rows import GivenTargets
from skce._solver.problem import Problem
from skce._solver.spreads import KeptProducts, upper_triangle
from skce._types import Array, ManyFits

# Numbers that are computed of fits at once: they stay in the cache.
NUMBERS_AT_ONCE = 2**17

# Columns for each weight of a row up to which products of two of them are kept for all Hessians.
COLUMNS_PER_PAIR = 4


@dataclass(frozen=True, eq=False)
class LossesTogether:
    """Losses of all rows of a ``problem``, with ``columns`` (p, n), targets T, and logits ``at_minimum`` (K, n).

    Fits are at displacements (r, p, k) of reduced parameters from there, each without one of the rows (r,), and sums
    are not divided by S. Products of columns may be ``kept``.
    """

    problem: Problem
    curvature: ExactCurvature
    columns: Array
    at_minimum: Array
    targets: Array
    kept: KeptProducts

    def gradients(self, reduced: Array, rows: Array) -> Array:
        """Gradients (r, p, k) by the reduced parameters."""
        parts = [self._gradients(reduced[at], rows[at]) for at in self._slices(len(rows))]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def moments(self, reduced: Array, rows: Array) -> list[Array]:
        """Second moments (w, p, p) of the columns by the weights of each fit."""
        return [of_fit for at in self._slices(len(rows)) for of_fit in self._moments(reduced[at], rows[at])]

    @cached_property
    def of_many_fits(self) -> ManyFits:
        """The ManyFits of the loss of a row, or those that are made of it."""
        of_many_fits = self.problem.row_loss.of_many_fits
        known = None if of_many_fits is None else of_many_fits(self.targets)
        return ManyFitsOfAnyLoss(self.problem, self.curvature.classes.pairs, self.targets) if known is None else known

    @cached_property
    def _outputs(self):
        """The outputs (k, L) of each direction of the classes, as ManyFits take them, and their logits (L, n)."""
        classes, reference = self.curvature.classes, self.of_many_fits.reference
        vectors = np.eye(classes.size) if classes.are_separate else classes.vectors
        if reference is None:
            return vectors, self.at_minimum
        outputs, logits = (each - each[..., [reference], :] for each in (vectors.T, self.at_minimum))
        return np.delete(outputs, reference, axis=0).T, np.delete(logits, reference, axis=0)

    def _gradients(self, reduced, rows):
        """Gradients (r, p, k) of some fits."""
        outputs, _ = self._outputs
        n_fits, n_columns, _ = reduced.shape
        gradient = self.of_many_fits.gradient(self._logits_at(reduced))
        gradient[:, np.arange(n_fits), rows] = 0
        by_output = gradient.reshape(-1, gradient.shape[-1]) @ self.columns.T
        return np.moveaxis(by_output.reshape(-1, n_fits, n_columns), 0, 2) @ outputs.T

    def _logits_at(self, reduced):
        """Logits (L, r, n) of all rows in each fit."""
        outputs, at_minimum = self._outputs
        by_output = np.moveaxis(reduced @ outputs, 2, 0)
        logits = (by_output.reshape(-1, len(self.columns)) @ self.columns).reshape(*by_output.shape[:2], -1)
        logits += at_minimum[:, None]
        return logits

    def _slices(self, n_fits):
        """Slices of fits that are evaluated at once."""
        return row_slices(n_fits, max(NUMBERS_AT_ONCE // self.at_minimum.size, 1))

    def _moments(self, reduced, rows):
        """Second moments (r, w, p, p) of the columns by the weights of some fits."""
        n_fits = len(rows)
        weights = self.of_many_fits.weights(self._logits_at(reduced))
        weights[:, np.arange(n_fits), rows] = 0
        moments = self._weighted_moments(weights.reshape(-1, weights.shape[-1]))
        return np.swapaxes(moments.reshape(-1, n_fits, *moments.shape[1:]), 0, 1)

    def _weighted_moments(self, weights):
        """Second moments (w, p, p) of the columns by weights (w, n)."""
        if self._products is None:
            return weighted_moments(weights, self.columns)
        products, times = self._products
        first, second = upper_triangle(len(self.columns))
        moments = np.empty((len(weights), *2 * (len(self.columns),)))
        moments[:, first, second] = moments[:, second, first] = (weights @ products.T) * times
        return moments

    @cached_property
    def _products(self):
        """Products of two columns, made as slowly as summed, and what they are times; None where they are many."""
        if len(self.columns) > COLUMNS_PER_PAIR * len(self.curvature.classes.pairs[0]):
            return None
        every_row = self.problem.rows.block(slice(0, self.columns.shape[1]))
        return self.kept.of(every_row.X, self.curvature.standardisation, self.columns)


@dataclass(frozen=True, eq=False)
class ManyFitsOfAnyLoss:
    """ManyFits of the loss of a row of a ``problem``, given ``pairs`` of classes and T of all rows.

    ``kept`` are these targets as often as fits are evaluated at once.
    """

    problem: Problem
    pairs: Any
    targets: Array
    kept: dict[int, Any] = field(default_factory=dict)

    reference = None

    def gradient(self, logits: Array) -> Array:
        """The gradient (K, f, n)."""
        flat, every_row = logits.reshape(len(logits), -1), slice(0, logits[0].size)
        _, gradient = self.problem.row_loss.values_gradient(flat, self._targets_of(logits.shape[1]), every_row)
        return gradient.reshape(logits.shape)

    def weights(self, logits: Array) -> Array:
        """The entries (w, f, n)."""
        flat, every_row = logits.reshape(len(logits), -1), slice(0, logits[0].size)
        curvature = self.problem.row_loss.curvature(flat, self._targets_of(logits.shape[1]), every_row)
        return curvature.entries(*self.pairs).reshape(-1, *logits.shape[1:])

    def _targets_of(self, n_fits):
        """Targets of all rows so many times."""
        if n_fits not in self.kept:
            targets, every_row = self.problem.rows.targets, np.tile(np.arange(self.targets.shape[-1]), n_fits)
            if targets.is_one_a_row:
                self.kept[n_fits] = targets.of_rows(targets.labels.of_rows(every_row), targets.sample_weight[every_row])
            else:
                self.kept[n_fits] = GivenTargets(self.targets[..., every_row])
        return self.kept[n_fits]
