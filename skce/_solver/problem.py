"""The problem: all that is minimised, as a value.

With targets T, logits Z = X coef + intercept and S the total weight of the targets,

    F(coef, intercept) = (1/S) sum_ik T_ik phi(Q_ik)  +  penalty(coef)

Here coef is (d, k), a row for each feature and a column for each of the k outputs that are optimised, so that the
parameters are one matrix (d + 1, k) whose last row is the intercept; (d, k) without one. Flat, it is what the solver
works on. Where rows are multiplied minus a shift, so are these: their intercept is that of X - shift.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from skce._solver.curvature.directions import ClassDirections
from skce._solver.standardisation import Moments, moments_of
from skce._types import Array, Penalty, RowLoss, Rows

# Spreads of a column between its mean and zero, above which its blocks are shifted by the mean.
FAR_FROM_ZERO = {np.float64: 1e3, np.float32: 10.0}

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

    @classmethod
    def of(cls, rows, row_loss, penalty, fit_intercept):
        """The problem of rows as they were read: one pass finds the moments."""
        moments = moments_of(rows.multiplied_in(rows.dtype_of_X))
        if not fit_intercept:
            moments = moments.about_zero()
        dtype, spread = rows.dtype_of_X, moments.spread
        smallest, largest = SPREADS_FOR_FLOAT32
        if dtype == np.float32 and ((spread > largest) | ((spread > 0) & (spread < smallest))).any():
            dtype = np.float64
        is_far = np.abs(moments.mean) > FAR_FROM_ZERO[dtype] * spread
        if rows.is_sparse or not is_far.any():
            return cls(rows.multiplied_in(dtype), row_loss, penalty, fit_intercept, moments)
        shift = np.where(is_far, moments.mean, 0.0)
        return cls(rows.multiplied_in(dtype, shift), row_loss, penalty, fit_intercept, moments.shifted(shift))

    def in_float64(self):
        """The same problem, with products in float64."""
        return replace(self, rows=self.rows.multiplied_in(np.float64, self.rows.shift))

    @property
    def total(self):
        """S, the total weight of the targets."""
        return self.rows.targets.total

    @cached_property
    def shape(self):
        """Parameters of an output, and outputs that are optimised: d + 1 or d, and k."""
        return self.rows.shape[1] + self.fit_intercept, len(self.rows.targets.outputs)

    @property
    def are_separate(self):
        """Whether outputs have nothing in common but X, so that F is the sum of theirs."""
        return self.rows.targets.link.are_separate

    @cached_property
    def is_centred(self):
        """Whether the mean over the outputs, which the loss does not see, is 0 at the optimum: the gauge."""
        return self.rows.targets.link.is_shift_invariant and self.penalty.is_shift_averse

    @cached_property
    def class_directions(self):
        """The directions by class that the loss and the penalty see."""
        return ClassDirections.of_outputs(self.shape[1], self.are_separate, self.is_centred)

    @cached_property
    def is_every_coef_penalised(self):
        """Whether the penalty curves F in every coefficient, so that F has a minimum if the loss has a bound."""
        return bool(np.all(self.penalty.ridge > 0))

    def flat(self, coef: Array, intercept: Array):
        """Parameters as one vector, for coef (k, d) and intercept (k,) of X as it was given."""
        if self.rows.shift is not None:
            intercept = intercept + coef @ self.rows.shift
        return np.vstack([coef.T, intercept]).ravel() if self.fit_intercept else coef.T.ravel()

    def coef_intercept(self, params: Array):
        """The inverse of ``flat``; the intercept is zeros if it is not fitted."""
        coef, intercept = self.split(params)
        if self.rows.shift is not None:
            intercept = intercept - self.rows.shift @ coef
        return np.ascontiguousarray(coef.T), intercept

    def split(self, params: Array):
        """Views of coef (d, k) and intercept (k,), which is zeros if it is not fitted."""
        matrix = params.reshape(self.shape)
        return (matrix[:-1], matrix[-1]) if self.fit_intercept else (matrix, np.zeros(self.shape[1]))

    def centred(self, coef: Array, intercept: Array):
        """Coef (k, d) and intercept (k,) without what all classes share, if the loss does not see it."""
        if not self.is_centred or not len(coef):
            return coef, intercept
        return coef - coef.mean(axis=0), intercept - intercept.mean()


@dataclass(frozen=True)
class Iterate:
    """Parameters of a problem on the way to its solution, or there."""

    problem: Problem
    params: Array

    @cached_property
    def coef_intercept(self):
        """Coef (k, d) and intercept (k,) of the outputs that are optimised."""
        return self.problem.centred(*self.problem.coef_intercept(self.params))
