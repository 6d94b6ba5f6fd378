"""Fits without a row: the minima of a problem without each of some rows, from near them.

Of a small problem whose Hessian is cheap all of them are found together, by Newton's method on their reduced
parameters: the products of the columns, which all of them share, are made once, and each step is a few large products.
Of others one after another, by Newton's steps of conjugate gradients in the coordinates of the curvature of all rows.
"""

from dataclasses import dataclass, replace

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

# S times the gap at which a refit ends, half the squared distance in standard errors; and its most steps.
ENOUGH = 1e-6
MOST_STEPS = 30

# Gain of F over what a step promises, of one that is taken; how much shorter the next one is, and the shortest.
LEAST_GAIN, SHORTER, SHORTEST = 1e-4, 0.25, 1e-10

# Numbers of the columns of all rows up to which rows are refitted together, and of what is computed of them at once.
NUMBERS_OF_COLUMNS = 2**20
NUMBERS_AT_ONCE = 2**21

# Added to the diagonal of a Hessian, relative to it.
LEAST_RIDGE = 1e-14


def refitted(problem: Problem, curvature: ExactCurvature, params: Array, rows: Array, reduced: Array) -> Array:
    """Logits (k, r) of some ``rows`` (r,) in fits without each, from displacements (r, p, k) of the flat ``params``.

    These are reduced parameters, as those of the ``curvature`` at ``params``, where the problem has its minimum.
    """
    n_columns = problem.shape[0]
    has_little = n_columns * problem.rows.shape[0] <= NUMBERS_OF_COLUMNS
    if has_little and has_cheap_hessian(rungs_for(LinearObjective(problem))):
        together = _Together.of(problem, curvature, params)
        at_once = max(NUMBERS_AT_ONCE // (problem.rows.shape[0] * len(curvature.classes.pairs[0])), 1)
        return np.concatenate([together.logits(rows[at], reduced[at]) for at in row_slices(len(rows), at_once)], axis=1)
    of_rows = []
    for row, displacement in zip(rows.tolist(), reduced, strict=True):
        near = params + curvature.displacement(_flat(curvature, displacement))
        coef, intercept = problem.split(_minimum(_without(problem, row), curvature, [near, params]))
        of_rows.append(problem.rows.block(np.array([row])).logits(coef, intercept))
    return np.concatenate(of_rows, axis=1)


def _flat(curvature, displacement):
    """Reduced parameters (f, p) of the factors, for (p, k) by column and direction."""
    return displacement.T if curvature.classes.are_separate else displacement.reshape(1, -1)


def _without(problem, row):
    """The problem without a row: of the same S, so of the same penalty."""
    targets = problem.rows.targets
    weight = np.array(targets.sample_weight)
    weight[row] = 0
    return replace(problem, rows=replace(problem.rows, targets=replace(targets, sample_weight=weight)))


def _minimum(problem, curvature, starts):
    """Parameters of the minimum, from the better of ``starts``, by Newton's steps of conjugate gradients."""
    objective = LinearObjective(problem)
    best = min((Point(start, *objective(start)) for start in starts), key=_value)
    for _ in range(MOST_STEPS):
        alone = Descent(objective, best, [best.value], [0.0], 0, 0.0, np.zeros(objective.n_problems, dtype=bool))
        step, promised = newton_step(alone, curvature, ENOUGH / problem.total)
        if promised * problem.total <= ENOUGH:
            break
        length, moved = 1.0, Point(best.params + step, *objective(best.params + step))
        while not moved.value <= best.value - LEAST_GAIN * length * promised and length > SHORTEST:
            length *= SHORTER
            moved = Point(best.params + length * step, *objective(best.params + length * step))
        if not moved.value < best.value:
            break
        best = moved
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

    def logits(self, rows, reduced):
        """Logits (K, r) of the rows in fits without each, from displacements (r, p, k)."""
        targets = np.repeat(self.targets[..., None, :], len(rows), axis=-2)
        targets[..., np.arange(len(rows)), rows] = 0
        zeros = np.zeros_like(reduced)
        is_better = self._values_gradients(reduced, targets)[0] < self._values_gradients(zeros, targets)[0]
        point = np.where(is_better[:, None, None], reduced, 0.0)
        is_left = np.ones(len(rows), dtype=bool)
        for _ in range(MOST_STEPS):
            values, gradients = self._values_gradients(point[is_left], targets[..., is_left, :])
            steps = self._steps(point[is_left], targets[..., is_left, :], gradients)
            promised = -(gradients * steps).sum(axis=(1, 2)) / 2
            moved = self._lowered(point[is_left], values, steps, promised, targets[..., is_left, :])
            point[is_left] = moved
            is_left[is_left] = promised * self.problem.total > ENOUGH
            if not is_left.any():
                break
        own = np.einsum("rpk,pr->rk", point, self.columns[:, rows])
        return self.logits_of_all[:, rows] + self.curvature.classes.expanded(own).T

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

    def _steps(self, reduced, targets, gradients):
        """Newton's step (r, p, k) of each fit."""
        n_fits, curvature, classes = len(reduced), self.curvature, self.curvature.classes
        block = GivenTargets(targets.reshape(*targets.shape[:-2], -1))
        of_rows = self.problem.row_loss.curvature(self._logits_at(reduced), block, slice(None))
        weights = of_rows.entries(*classes.pairs)
        moments = weighted_moments(weights.reshape(len(weights) * n_fits, -1), self.columns) / self.problem.total
        by_fit = np.swapaxes(moments.reshape(len(weights), n_fits, *moments.shape[1:]), 0, 1)
        hessians = np.stack([curvature.assembled(moments_of_fit) for moments_of_fit in by_fit])
        size = hessians.shape[-1]
        hessians += self.ridge if classes.are_separate else np.kron(self.ridge, np.eye(classes.size))
        diagonals = np.einsum("rfpp->rfp", hessians)
        diagonals *= 1 + LEAST_RIDGE
        right = np.swapaxes(gradients, 1, 2) if classes.are_separate else gradients.reshape(n_fits, 1, size)
        steps = -np.linalg.solve(hessians, right[..., None])[..., 0]
        return np.swapaxes(steps, 1, 2) if classes.are_separate else steps.reshape(gradients.shape)

    def _lowered(self, point, values, steps, promised, targets):
        """Displacements (r, p, k) along the steps, or shares of them, where each fit is lower; else where they were."""
        length, moved = np.ones(len(point)), point + steps
        while True:
            lower, _ = self._values_gradients(moved, targets)
            is_to_shorten = ~(lower <= values - LEAST_GAIN * length * promised) & (
                promised * self.problem.total > ENOUGH
            )
            if not is_to_shorten.any():
                return moved
            length[is_to_shorten] *= SHORTER
            length[length < SHORTEST] = 0
            moved = point + length[:, None, None] * steps
