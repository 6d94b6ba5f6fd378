"""The problem: all that is minimised, as a value.

With targets T, logits Z = X coef + intercept and S the total weight of the targets,

    F(coef, intercept) = (1/S) sum_ik T_ik phi(Q_ik)  +  penalty(coef)

Here coef is (d, k), a row for each feature and a column for each of the k outputs that are optimised, so that the
parameters are one matrix (d + 1, k) whose last row is the intercept; (d, k) without one. Flat, it is what the solver
works on. Where rows are multiplied minus a shift, so are these: their intercept is that of X - shift. Where columns are
merged, their coefficients are those of the merged ones.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from skce._solver.curvature.directions import ClassDirections
from skce._solver.standardisation import Moments, moments_of
from skce._types import Array, Penalty, RowLoss, Rows

# Spreads of a column between its mean and zero, above which float32 is not enough for its products; and above which, in
# float64 or of a constant column, its blocks are shifted by the mean.
FAR_FROM_ZERO = {np.float64: 1e3, np.float32: 10.0}

# What parameters that are rounded to float32, and their products, may move a probability by.
MOST_MOVED = 1e-5

# Spreads that leave room, in float32, for what coefficients and columns multiply to.
SPREADS_FOR_FLOAT32 = 1e-12, 1e12


@dataclass(frozen=True)
class Problem:
    """The rows with their targets, the loss of a row, the penalty, and the moments of the columns of X.

    ``dataclasses.replace`` makes another of the same rows. ``rows`` are as they are multiplied: in the dtype and with
    the shift that the moments ask for.
    """

    rows: Rows
    row_loss: RowLoss
    penalty: Penalty
    fit_intercept: bool
    moments: Moments
    merging: "Merging | None" = None

    @classmethod
    def of(cls, rows: Rows, row_loss: RowLoss, penalty: Penalty, fit_intercept: bool) -> "Problem":
        """The problem of rows as they were read: one pass finds the moments."""
        of_columns = moments_of(rows.multiplied_in(rows.dtype_of_X))
        moments = of_columns if fit_intercept else of_columns.about_zero()
        is_single = rows.dtype_of_X == np.float32
        is_too_much = is_single and _are_too_much_for_float32(of_columns, moments.spread).any()
        dtype = np.float64 if is_too_much else rows.dtype_of_X
        if rows.is_sparse:
            return cls(rows.multiplied_in(dtype), row_loss, penalty, fit_intercept, moments)
        # A constant has no digits to lose: what its coefficient, which is 0, may be off by is for the ridge to say.
        scale = np.where(moments.spread > 0, moments.spread, np.sqrt(penalty.ridge))
        is_far = np.abs(moments.mean) > FAR_FROM_ZERO[dtype] * scale
        if not is_far.any():
            return cls(rows.multiplied_in(dtype), row_loss, penalty, fit_intercept, moments)
        shift = np.where(is_far, moments.mean, 0.0)
        return cls(rows.multiplied_in(dtype, shift), row_loss, penalty, fit_intercept, moments.shifted(shift))

    def in_float64(self) -> "Problem":
        """The same problem, with products in float64."""
        return replace(self, rows=self.rows.multiplied_in(np.float64, self.rows.shift))

    def merged(self) -> "Problem":
        """The same problem with columns merged that a single row has, if it is one of fewer parameters for that."""
        is_same = self.merging is None and self.penalty.is_rotation_invariant and self.is_every_coef_penalised
        merged = self.rows.merged() if is_same else None
        if merged is None:
            return self
        rows, matrix = merged
        return replace(self, rows=rows, moments=self.moments.merged(matrix), merging=Merging(self, matrix))

    @property
    def whole(self) -> "Problem":
        """The problem with all columns of X."""
        return self if self.merging is None else self.merging.whole

    @property
    def total(self) -> float:
        """S, the total weight of the targets."""
        return self.rows.targets.total

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Parameters of an output, and outputs that are optimised: d + 1 or d, and k."""
        return self.rows.shape[1] + self.fit_intercept, len(self.rows.targets.outputs)

    @property
    def are_separate(self) -> bool:
        """Whether outputs have nothing in common but X, so that F is the sum of theirs."""
        return self.rows.targets.link.are_separate

    @cached_property
    def is_centred(self) -> bool:
        """Whether the mean over the outputs, which the loss does not see, is 0 at the optimum: the gauge."""
        return self.rows.targets.link.is_shift_invariant and self.penalty.is_shift_averse

    @cached_property
    def class_directions(self) -> Any:
        """The directions by class that the loss and the penalty see."""
        return ClassDirections.of_outputs(self.shape[1], self.are_separate, self.is_centred)

    @cached_property
    def is_every_coef_penalised(self) -> bool:
        """Whether the penalty curves F in every coefficient, so that F has a minimum if the loss has a bound."""
        return bool(np.all(self.penalty.ridge > 0))

    def flat(self, coef: Array, intercept: Array) -> Array:
        """Parameters as one vector, for coef (k, d) and intercept (k,) of X as it was given."""
        if self.rows.shift is not None:
            intercept = intercept + coef @ self.rows.shift
        if self.merging is not None:
            coef = coef @ self.merging.matrix
        return np.vstack([coef.T, intercept]).ravel() if self.fit_intercept else coef.T.ravel()

    def coef_intercept(self, params: Array) -> tuple[Array, Array]:
        """The inverse of ``flat``; the intercept is zeros if it is not fitted."""
        coef, intercept = self.split(params)
        if self.rows.shift is not None:
            intercept = intercept - self.rows.shift @ coef
        if self.merging is not None:
            coef = self.merging.matrix @ coef
        return np.ascontiguousarray(coef.T), intercept

    def split(self, params: Array) -> tuple[Array, Array]:
        """Views of coef (d, k) and intercept (k,), which is zeros if it is not fitted."""
        matrix = params.reshape(self.shape)
        return (matrix[:-1], matrix[-1]) if self.fit_intercept else (matrix, np.zeros(self.shape[1]))

    def centred(self, coef: Array, intercept: Array) -> tuple[Array, Array]:
        """Coef (k, d) and intercept (k,) without what all classes share, if the loss does not see it."""
        if not self.is_centred or not len(coef):
            return coef, intercept
        return coef - coef.mean(axis=0), intercept - intercept.mean()


@dataclass(frozen=True)
class Merging:
    """The ``matrix`` M (d, d') that merged the columns X of the ``whole`` problem, with X = X M M^T."""

    whole: Problem
    matrix: Any


@dataclass(frozen=True)
class Iterate:
    """Parameters of a problem on the way to its solution, or there."""

    problem: Problem
    params: Array

    @cached_property
    def coef_intercept(self) -> tuple[Array, Array]:
        """Coef (k, d) and intercept (k,) of the outputs that are optimised."""
        return self.problem.centred(*self.problem.coef_intercept(np.asarray(self.params)))

    @property
    def dtype(self) -> type:
        """The dtype of the parameters: that of X, or float64 where rounding to float32 moves a probability.

        The terms of a logit are known to eps of themselves. Those of a column are its root mean square times its
        coefficient: far from zero, they dwarf the logit that is left of them and the intercept.
        """
        rows, moments = self.problem.whole.rows, self.problem.whole.moments
        if rows.dtype_of_X != np.float32:
            return rows.dtype_of_X
        coef, intercept = self.coef_intercept
        mean = moments.mean if rows.shift is None else moments.mean + rows.shift
        squares = coef**2 @ (mean**2 + moments.variance) + intercept**2
        moved = np.finfo(np.float32).eps * np.sqrt(squares.max(initial=0.0))
        return np.float32 if moved <= MOST_MOVED else np.float64


def _are_too_much_for_float32(moments, spread):
    """Whether float32 has no room, or too few digits, for products of columns (d,) that have this spread in F."""
    smallest, largest = SPREADS_FOR_FLOAT32
    has_no_room = (spread > largest) | ((spread > 0) & (spread < smallest))
    # Constants have no digits to lose.
    is_far = (moments.spread > 0) & (np.abs(moments.mean) > FAR_FROM_ZERO[np.float32] * moments.spread)
    return has_no_room | is_far
