"""Fits without a row: the minima of a problem without each of some rows, from near them.

Of a small problem whose Hessian is cheap all of them are found together, by Newton's method on their reduced
parameters: the products of the columns, which all of them share, are made once, and each step is a few large products.
Of others one after another, by Newton's steps of conjugate gradients in the coordinates of the curvature of all rows.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skce._slices import row_slices
from skce._solver.conjugate_gradients import newton_step
from skce._solver.curvature.directions import ridge_of
from skce._solver.curvature.exact import ExactCurvature
from skce._solver.curvature.factorisation import weighted_moments
from skce._solver.curvature.ladder import has_cheap_hessian, rungs_for
from skce._solver.descent import Descent, Point
from skce._solver.far_rows import GivenTargets
from skce._solver.objective import LinearObjective
from skce._solver.problem import Problem
from skce._types import Array

# What the logits of a row may be off by in a fit without it, by the decrement, where one more step ends that; and most
# steps. S times the gap is half the squared distance in standard errors, which the spread of the row multiplies.
MOST_OFF = 0.03
MOST_STEPS = 30

# Gain of F over what a step promises, of one that is taken; how much shorter the next one is, and how often at most.
LEAST_GAIN, SHORTER, MOST_SHORTER = 1e-4, 0.25, 20

# Numbers of the columns of all rows up to which rows are refitted together, and of what is computed of them at once.
NUMBERS_OF_COLUMNS = 2**20
NUMBERS_AT_ONCE = 2**21

# Added to the diagonal of a Hessian, relative to it.
LEAST_RIDGE = 1e-14


@dataclass(frozen=True, eq=False)
class Refits:
    """Fits without each of r rows: ``logits`` (k, r) of these, and ``displacements`` (r, p) of the flat parameters."""

    logits: Array
    displacements: Array


def refitted(
    problem: Problem, curvature: ExactCurvature, params: Array, rows: Array, reduced: Array, spreads: Array
) -> Refits:
    """The Refits without each of some ``rows`` (r,), from displacements (r, p, k) of the flat ``params``.

    These are reduced parameters, as those of the ``curvature`` at ``params``, where the problem has its minimum.
    ``spreads`` (r,) are the traces of V of the rows.
    """
    n_columns = problem.shape[0]
    most_promised = MOST_OFF**2 / 2 / np.maximum(spreads, np.finfo(float).tiny) / problem.total
    has_little = n_columns * problem.rows.shape[0] <= NUMBERS_OF_COLUMNS
    if has_little and has_cheap_hessian(rungs_for(LinearObjective(problem))):
        together = _Together.of(problem, curvature, params)
        of_one = max(problem.rows.shape[0] * len(curvature.classes.pairs[0]), curvature.hessians.size)
        at_once = max(NUMBERS_AT_ONCE // of_one, 1)
        slices = row_slices(len(rows), at_once)
        parts = [together.refits(rows[at], reduced[at], most_promised[at]) for at in slices]
    else:
        of_rows = zip(rows.tolist(), displacements_of(curvature, reduced), most_promised.tolist(), strict=True)
        parts = [_refit(problem, curvature, params, *of_row) for of_row in of_rows]
    return Refits(
        np.concatenate([part.logits for part in parts], axis=1), np.concatenate([part.displacements for part in parts])
    )


def displacements_of(curvature: ExactCurvature, reduced: Array) -> Array:
    """Displacements (r, p) of the parameters, flat, for reduced ones (r, p, k) by column and direction."""
    by_column = curvature.classes.expanded(reduced)
    return curvature.standardisation.to_params(by_column.copy()).reshape(len(reduced), -1)


def reduced_of(problem: Problem, curvature: ExactCurvature, displacements: Array) -> Array:
    """The inverse of ``displacements_of``."""
    standardisation, by_column = curvature.standardisation, displacements.reshape(-1, *problem.shape).copy()
    n_features = len(standardisation.mean)
    if problem.fit_intercept:
        by_column[:, -1] += np.einsum("d,rdk->rk", standardisation.mean, by_column[:, :n_features])
    by_column[:, :n_features] *= standardisation.scale[:, None]
    return curvature.classes.reduced(by_column)


def _refit(problem, curvature, params, row, displacement, most_promised):
    """The Refits without one row, from a displacement (p,)."""
    best = _minimum(_without(problem, row), curvature, [params + displacement, params], most_promised)
    logits = problem.rows.block(np.array([row])).logits(*problem.split(best))
    return Refits(logits, (best - params)[None])


def _without(problem, row):
    """The problem without a row: of the same S, so of the same penalty."""
    targets = problem.rows.targets
    weight = np.array(targets.sample_weight)
    weight[row] = 0
    return replace(problem, rows=replace(problem.rows, targets=replace(targets, sample_weight=weight)))


def _minimum(problem, curvature, starts, most_promised):
    """Parameters of the minimum, from the better of ``starts``, by Newton's steps of conjugate gradients.

    They end with the first that promises no more than ``most_promised``.
    """
    objective = LinearObjective(problem)
    best = min((Point(start, *objective(start)) for start in starts), key=_value)
    for _ in range(MOST_STEPS):
        alone = Descent(objective, best, [best.value], [0.0], 0, 0.0, np.zeros(objective.n_problems, dtype=bool))
        step, promised = newton_step(alone, curvature, most_promised)
        if promised <= most_promised:
            return best.params + step
        start, length = best, 1.0
        for _ in range(MOST_SHORTER):
            moved = Point(start.params + length * step, *objective(start.params + length * step))
            if moved.value <= start.value - LEAST_GAIN * length * promised:
                best = moved
                break
            length *= SHORTER
        if best is start:
            break
    return best.params


def _value(point):
    """F of a Point; inf where it overflows."""
    return point.value if np.isfinite(point.value) else np.inf


@dataclass(frozen=True, eq=False)
class _Together:
    """Fits without each of some rows, at once, for ``columns`` (p, n), ``logits_of_all`` and targets T of all rows.

    ``slope`` (p, k) is the gradient of the penalty by the reduced parameters, and ``ridge`` (p, p) its curvature.
    """

    problem: Problem
    curvature: ExactCurvature
    columns: Array
    logits_of_all: Array
    targets: Array
    slope: Array
    ridge: Array

    @classmethod
    def of(cls, problem, curvature, params):
        """That of a problem at its minimum, flat ``params``."""
        rows, standardisation = problem.rows, curvature.standardisation
        every_row = rows.block(slice(0, rows.shape[0]))
        coef, intercept = problem.split(params)
        of_penalty = np.zeros(problem.shape)
        of_penalty[: len(coef)] = problem.penalty.gradient(coef, out=np.empty_like(coef))
        slope = curvature.classes.reduced(standardisation.pull_back(of_penalty))
        ridge = standardisation.by_columns(np.diag(ridge_of(problem, standardisation)))
        columns, targets = standardisation.columns_of(every_row.X), every_row.targets.block(every_row.at)
        return cls(problem, curvature, columns, every_row.logits(coef, intercept), targets, slope, ridge)

    def refits(self, rows, reduced, most_promised):
        """The Refits without each of the rows, from displacements (r, p, k).

        They end with the first step that promises no more than ``most_promised`` (r,).
        """
        targets = np.repeat(self.targets[..., None, :], len(rows), axis=-2)
        targets[..., np.arange(len(rows)), rows] = 0
        state = _State(*self._better_start(rows, reduced, targets), most_promised)
        left, hessians = np.arange(len(rows)), self._hessians_without(rows)
        for _ in range(MOST_STEPS):
            # A Hessian from before will do for the last step.
            left, _, _ = self._without_ended(state, left, hessians[left])
            if not len(left):
                break
            hessians[left] = self._hessians(state.point[left], targets[..., left, :])
            left, steps, promised = self._without_ended(state, left, hessians[left])
            if not len(left):
                break
            self._lower(state, left, steps, promised, targets[..., left, :])
        own = np.einsum("rpk,pr->rk", state.point, self.columns[:, rows])
        logits = self.logits_of_all[:, rows] + self.curvature.classes.expanded(own).T
        return Refits(logits, displacements_of(self.curvature, state.point))

    def _better_start(self, rows, reduced, targets):
        """Of displacements (r, p, k) and none the better, with value and gradient there."""
        losses, _ = self.problem.row_loss.losses_gradient(self.logits_of_all.copy(), self.targets)
        of_rows = losses.reshape(-1, self.targets.shape[-1]).sum(axis=0)
        values_of_none = (of_rows.sum() - of_rows[rows]) / self.problem.total
        point = reduced.copy()
        values, gradients = self._values_gradients(point, targets)
        is_worse = ~(values < values_of_none)
        if is_worse.any():
            point[is_worse] = 0
            values[is_worse], gradients[is_worse] = self._values_gradients(point[is_worse], targets[..., is_worse, :])
        return point, values, gradients

    def _without_ended(self, state, left, hessians):
        """Of the fits that are left those that have not ended, their steps and what these promise.

        Steps of those that have are taken.
        """
        steps = self._steps(hessians, state.gradients[left])
        promised = -(state.gradients[left] * steps).sum(axis=(1, 2)) / 2
        has_ended = promised <= state.most_promised[left]
        state.point[left[has_ended]] += steps[has_ended]
        return left[~has_ended], steps[~has_ended], promised[~has_ended]

    def _logits_at(self, reduced):
        """Logits (K, r n) of all rows in each fit."""
        moved = np.swapaxes(self.curvature.classes.expanded(reduced), 1, 2) @ self.columns
        return np.swapaxes(self.logits_of_all + moved, 0, 1).reshape(len(self.logits_of_all), -1)

    def _values_gradients(self, reduced, targets):
        """Value (r,) and gradient (r, p, k) of each fit, at displacements (r, p, k)."""
        n_fits, total = len(reduced), self.problem.total
        logits, block = self._logits_at(reduced), targets.reshape(*targets.shape[:-2], -1)
        losses, by_logits = self.problem.row_loss.losses_gradient(logits, block)
        values = losses.reshape(-1, n_fits, len(self.logits_of_all[0])).sum(axis=(0, 2)) / total
        by_output = np.swapaxes(by_logits.reshape(len(self.logits_of_all), n_fits, -1), 0, 1) @ self.columns.T
        gradients = self.curvature.classes.reduced(np.swapaxes(by_output, 1, 2)) / total
        curved = self.ridge @ reduced
        values = values + ((self.slope + curved / 2) * reduced).sum(axis=(1, 2))
        return np.nan_to_num(values, nan=np.inf), gradients + self.slope + curved

    def _hessians_without(self, rows):
        """Hessians (r, f, p, p) at the minimum of all rows, without each of some."""
        classes, total = self.curvature.classes, self.problem.total
        block: Any = GivenTargets(self.targets[..., rows])
        of_rows = self.problem.row_loss.curvature(self.logits_of_all[:, rows].copy(), block, slice(None))
        weights, columns = of_rows.entries(*classes.pairs), self.columns[:, rows]
        moments = np.einsum("wr,pr,qr->rwpq", weights, columns, columns) / total
        of_each = np.stack([self.curvature.assembled(moments_of_row) for moments_of_row in moments])
        return (1 + LEAST_RIDGE) * self.curvature.hessians - of_each

    def _hessians(self, reduced, targets):
        """Hessians (r, f, p, p) of each fit, at displacements (r, p, k)."""
        n_fits, curvature, classes = len(reduced), self.curvature, self.curvature.classes
        block: Any = GivenTargets(targets.reshape(*targets.shape[:-2], -1))
        of_rows = self.problem.row_loss.curvature(self._logits_at(reduced), block, slice(None))
        weights = of_rows.entries(*classes.pairs)
        moments = weighted_moments(weights.reshape(len(weights) * n_fits, -1), self.columns) / self.problem.total
        by_fit = np.swapaxes(moments.reshape(len(weights), n_fits, *moments.shape[1:]), 0, 1)
        hessians = np.stack([curvature.assembled(moments_of_fit) for moments_of_fit in by_fit])
        hessians += self.ridge if classes.are_separate else np.kron(self.ridge, np.eye(classes.size))
        diagonals = np.einsum("rfpp->rfp", hessians)
        diagonals *= 1 + LEAST_RIDGE
        return hessians

    def _steps(self, hessians, gradients):
        """Newton's step (r, p, k) of each fit, for its Hessians (r, f, p, p) and gradient (r, p, k)."""
        if self.curvature.classes.are_separate:
            right = np.swapaxes(gradients, 1, 2)[..., None]
            return -np.swapaxes(np.linalg.solve(hessians, right)[..., 0], 1, 2)
        right = gradients.reshape(len(gradients), 1, -1, 1)
        return -np.linalg.solve(hessians, right).reshape(gradients.shape)

    def _lower(self, state, left, steps, promised, targets):
        """Move the fits that are left along their steps, or shares of them where that is not lower."""
        length = np.ones(len(left))
        for _ in range(MOST_SHORTER):
            moved = state.point[left] + length[:, None, None] * steps
            values, gradients = self._values_gradients(moved, targets)
            is_lower = values <= state.values[left] - LEAST_GAIN * length * promised
            here = left[is_lower]
            state.point[here], state.values[here] = moved[is_lower], values[is_lower]
            state.gradients[here] = gradients[is_lower]
            left, steps, promised, length = (array[~is_lower] for array in (left, steps, promised, SHORTER * length))
            targets = targets[..., ~is_lower, :]
            if not len(left):
                break


@dataclass
class _State:
    """Where fits are: displacements ``point`` (r, p, k), ``values`` (r,) and ``gradients`` (r, p, k) there.

    Each ends with the first step that promises no more than ``most_promised`` (r,).
    """

    point: Array
    values: Array
    gradients: Array
    most_promised: Array
