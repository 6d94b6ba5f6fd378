"""What F makes of the logits of all rows in memory, where they are kept: lists of arrays (K, m), one for a block."""

from functools import cached_property

import numpy as np


class Quadratic:
    """The quadratic of F of a ``problem`` where its rows have some ``logits``, and how F departs from it.

    Products are in float64. With C the curvature of the loss by the logits, over S, a move of the parameters that moves
    the logits by z changes the loss by slopes . z + z C z / 2, and by the departure.
    """

    def __init__(self, problem, logits):
        self.problem = problem
        self.rows = _kept_rows(problem)
        self.logits = logits
        self.loss, self.slopes = self._loss_slopes(logits)

    @classmethod
    def at(cls, problem, params):
        """That at flat parameters."""
        rows = _kept_rows(problem)
        coef, intercept = problem.split(params)
        coef = coef if coef.any() else None
        return cls(problem, [rows.block(at).logits(coef, intercept) for at in rows.usual_slices])

    def after(self, moved):
        """That where the logits have moved by so much."""
        return Quadratic(self.problem, self._after(moved))

    @cached_property
    def curvatures(self):
        """The curvatures of the rows of each block."""
        curvature = self.problem.row_loss.curvature
        return [curvature(logits.copy(), self.rows.targets, at) for at, logits in self._by_block(self.logits)]

    def gradient(self, params):
        """The gradient of F, flat, at flat parameters for which rows have these logits."""
        coef, _ = self.problem.split(params)
        gradient = self._pulled_back(lambda at, block: self.slopes[at])
        gradient[: len(coef)] += self.problem.penalty.gradient(coef, out=np.empty_like(coef))
        return gradient.reshape(-1)

    def product(self, move):
        """The Hessian times a move (p,) of the parameters, and what that moves the logits by."""
        coef, intercept = self.problem.split(move)
        moved = [None] * len(self.logits)

        def slopes_of(place, block):
            moved[place] = block.logits(coef, intercept)
            return self.curvatures[place].product(moved[place])

        curved = self._pulled_back(slopes_of)
        curved[: len(coef)] += self.problem.penalty.ridge * coef
        return curved.reshape(-1), moved

    def departure(self, moved):
        """By how much F is above its quadratic where the logits have ``moved``."""
        loss, _ = self._loss_slopes(self._after(moved))
        along = sum(float(np.vdot(slopes, move)) for slopes, move in zip(self.slopes, moved, strict=True))
        return loss - self.loss - along / self.problem.total - self._half_curvature(moved)

    def dual_departure(self, moved):
        """By how much the mean divergence, where linearised probabilities have ``moved`` so far, is above z C z / 2."""
        divergence = 0.0
        for (at, logits), move in zip(self._by_block(self.logits), moved, strict=True):
            targets, _, _, of_rows = self.problem.row_loss.dual_point(logits.copy(), move, self.rows.targets, at)
            divergence += float((targets.sum(axis=0) * of_rows).sum())
        return divergence / self.problem.total - self._half_curvature(moved)

    def _after(self, moved):
        """The logits where they have moved."""
        return [logits + move for logits, move in zip(self.logits, moved, strict=True)]

    def _by_block(self, logits):
        """Pairs of the slice of a block, and its logits."""
        return zip(self.rows.usual_slices, logits, strict=True)

    def _loss_slopes(self, logits):
        """The mean loss, and its gradient by the logits, times S."""
        loss, slopes = 0.0, []
        for at, of_block in self._by_block(logits):
            values, gradient = self.problem.row_loss.values_gradient(of_block.copy(), self.rows.targets, at)
            loss += float(np.sum(values))
            slopes.append(gradient)
        return loss / self.problem.total, slopes

    def _half_curvature(self, moved):
        """Half the curvature of the loss along a move of the logits, over S."""
        pairs = zip(self.curvatures, moved, strict=True)
        along = sum(float(np.vdot(curvature.product(move), move)) for curvature, move in pairs)
        return along / 2 / self.problem.total

    def _pulled_back(self, slopes_of):
        """(d + 1, k) of the slopes by the logits that ``slopes_of`` has for the place of a block, and the block."""
        problem = self.problem
        places = {at.start: place for place, at in enumerate(self.rows.usual_slices)}

        def program(block):
            slopes = slopes_of(places[block.at.start], block)
            return block.pull_back(slopes), slopes.sum(axis=1)

        by_coef, by_intercept = self.rows.summed(program)
        pulled = np.empty(problem.shape)
        np.divide(by_coef, problem.total, out=pulled[: len(by_coef)])
        if problem.fit_intercept:
            pulled[-1] = by_intercept / problem.total
        return pulled


def _kept_rows(problem):
    """The rows of a problem, multiplied in float64."""
    return problem.rows.multiplied_in(np.float64, problem.rows.shift)
