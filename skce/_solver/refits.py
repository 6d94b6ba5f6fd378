"""Fits without a row: the minima of a problem without each of some rows, from near them.

Of a small problem whose Hessian is cheap all of them are found together, by Newton's method on their reduced
parameters: the products of the columns, which all of them share, are made once, and each step is a few large products.
Of others one after another, by Newton's steps of conjugate gradients in the coordinates of the curvature of all rows.
"""

from dataclasses import dataclass, replace
from functools import partial
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
from skce._solver.moves import Moves
from skce._solver.objective import LinearObjective
from skce._solver.problem import Problem
from skce._solver.spreads import upper_triangle
from skce._types import Array

# What the logits of a row may be off by in a fit without it, by the decrement, where one more step ends that; and most
# steps. S times the gap is half the squared distance in standard errors, which the spread of the row multiplies.
# Together, the last step may be by a Hessian from before; one by one it is by a fresh one, and what is left after it is
# quadratic in what it promised. The spread is that among all rows: where nothing else holds what a row holds, its own
# logits go on, by about 1 a step, while next to nothing is promised; so the last step moves them by no more either.
MOST_OFF, MOST_OFF_AFRESH = 0.03, 0.2
MOST_STEPS = 100

# Share of what the last step promised, above which the next one is by a Hessian of where it starts. With 0.3 refits
# take 0.93 to 0.98 of the time, and end farther off.
FALL = 0.1

# Gain of F over what a step promises, of one that is taken; how much shorter the next one is, and how often at most.
LEAST_GAIN, SHORTER, MOST_SHORTER = 1e-4, 0.25, 20

# Numbers of the columns of all rows up to which rows are refitted together, and of what is computed of them at once.
NUMBERS_OF_COLUMNS = 2**20
NUMBERS_AT_ONCE = 2**21

# Logits of a problem from which fits are evaluated one after another, by the kernel of the fit itself, which takes half
# of the time of the one for many; and products of columns up to which they are kept for all Hessians.
LOGITS_OF_ONE = 2**11
NUMBERS_OF_PRODUCTS = 2**22

# Added to the diagonal of a Hessian, relative to it.
LEAST_RIDGE = 1e-14

# Range by which a row may have moved its own logits since the Hessian that says that a fit ends. Rows that held it may
# have let go on the way: of blocks of pages, in raw units, one was at a loss of 55 instead of 226.
MOST_DRIFT = 0.3

# How much more than a last step may one promise that is by the Hessian of all rows. Of 7,000 refits of breast cancer,
# vehicle and page blocks it promised 3 times as much at most; more where a row holds the parameters with what is left
# of its curvature, and lets go of them a little farther: one refit in 500 of raw page blocks, at C = 10^4.
MOST_PROMISED_BY_ALL = 10.0

# Share of F below which what a step promises does not matter, however far rows are moved by it: to outcomes of a
# probability of e^-1000, as logs of connections have, for which V is 10^18, and what is promised is rounding.
RESOLUTION = 1e-10

# What rounding leaves of F: a step may promise less, and yet move a row that nothing else holds by much.
ROUNDING = 1e-14


@dataclass(frozen=True, eq=False)
class Refits:
    """Fits without each of r rows: ``logits`` (k, r) of these, and ``displacements`` (r, p) of the flat parameters.

    ``has_ended`` (r,) is False of those whose steps ran out, or led nowhere, before they were near enough.
    """

    logits: Array
    displacements: Array
    has_ended: Array


def refitted(
    problem: Problem, curvature: ExactCurvature, params: Array, rows: Array, reduced: Array, spreads: Array
) -> Refits:
    """The Refits without each of some ``rows`` (r,), from displacements (r, p, k) of the flat ``params``.

    These are reduced parameters, as those of the ``curvature`` at ``params``, where the problem has its minimum.
    ``spreads`` (r,) are the traces of V of the rows.
    """
    n_columns = problem.shape[0]
    has_little = n_columns * problem.rows.shape[0] <= NUMBERS_OF_COLUMNS
    are_together = has_little and has_cheap_hessian(rungs_for(LinearObjective(problem)))
    most_off = MOST_OFF if are_together else MOST_OFF_AFRESH
    most_promised = most_off**2 / 2 / np.maximum(spreads, np.finfo(float).tiny) / problem.total
    if are_together:
        together = _Together.of(replace(problem, rows=problem.rows.in_memory()), curvature, params)
        of_one = max(problem.rows.shape[0] * len(curvature.classes.pairs[0]), curvature.hessians.size)
        at_once = max(NUMBERS_AT_ONCE // of_one, 1)
        slices = row_slices(len(rows), at_once)
        parts = [together.refits(rows[at], reduced[at], most_promised[at]) for at in slices]
    else:
        of_rows = zip(rows.tolist(), displacements_of(curvature, reduced), most_promised.tolist(), strict=True)
        parts = [_refit(problem, curvature, params, *of_row) for of_row in of_rows]
    logits, moved = [part.logits for part in parts], [part.displacements for part in parts]
    has_ended = np.concatenate([part.has_ended for part in parts])
    return Refits(np.concatenate(logits, axis=1), np.concatenate(moved), has_ended)


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
    own = problem.rows.block(np.array([row]))
    targets = own.targets.block(own.at)

    def is_last(point, step, promised):
        if promised > max(most_promised, RESOLUTION * point.value):
            return False
        logits, change = (own.logits(*problem.split(each)) for each in (point.params, step))
        return Moves.of(problem, targets, logits, change).ranges[0] <= MOST_OFF_AFRESH

    starts = [params + displacement, params]
    best, has_ended = _minimum(_without(problem, row), curvature, starts, most_promised, is_last)
    return Refits(own.logits(*problem.split(best)), (best - params)[None], np.array([has_ended]))


def _without(problem, row):
    """The problem without a row: of the same S, so of the same penalty."""
    return replace(problem, rows=problem.rows.without(row))


def _minimum(problem, curvature, starts, most_promised, is_last):
    """Parameters of the minimum, from the better of ``starts``, and whether it is that, by Newton's steps.

    They are of conjugate gradients, settled as far as ``most_promised`` asks, and end with the first that ``is_last``,
    given where it starts and what it promises.
    """
    objective = LinearObjective(problem)
    best = min((Point(start, *objective(start)) for start in starts), key=_value)
    for _ in range(MOST_STEPS):
        alone = Descent(objective, best, [best.value], [0.0], 0, 0.0, np.zeros(objective.n_problems, dtype=bool))
        step, promised = newton_step(alone, curvature, most_promised)
        if is_last(best, step, promised):
            return best.params + step, True
        start, length = best, 1.0
        for _ in range(MOST_SHORTER):
            moved = Point(start.params + length * step, *objective(start.params + length * step))
            if moved.value <= start.value - LEAST_GAIN * length * promised + ROUNDING * start.value:
                best = moved
                break
            length *= SHORTER
        if best is start:
            break
    return best.params, False


def _value(point):
    """F of a Point; inf where it overflows."""
    return point.value if np.isfinite(point.value) else np.inf


@dataclass(frozen=True, eq=False)
class _Together:
    """Fits without each of some rows, at once, for ``columns`` (p, n), ``logits_of_all`` and targets T of all rows.

    ``slope`` (p, k) is the gradient of the penalty by the reduced parameters, and ``ridge`` (p, p) its curvature.
    ``products`` (p (p + 1) / 2, n) are those of two columns, where weights of rows are more than columns are.
    """

    problem: Problem
    curvature: ExactCurvature
    columns: Array
    logits_of_all: Array
    targets: Array
    slope: Array
    ridge: Array
    products: Array | None

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
        first, second = upper_triangle(len(columns))
        are_few = (
            len(columns) <= 4 * len(curvature.classes.pairs[0]) and columns[0].size * len(first) <= NUMBERS_OF_PRODUCTS
        )
        products = columns[first] * columns[second] if are_few else None
        return cls(problem, curvature, columns, every_row.logits(coef, intercept), targets, slope, ridge, products)

    def refits(self, rows, reduced, most_promised):
        """The Refits without each of the rows, from displacements (r, p, k).

        They end with the first step that promises no more than ``most_promised`` (r,) and moves the row by little.
        """
        state = _State(*self._better_start(rows, reduced), most_promised, np.zeros_like(reduced))
        left, of_all = np.arange(len(rows)), self._hessians_without(rows)
        hessians = of_all.copy()
        last, has_ended = np.full(len(rows), np.inf), np.ones(len(rows), dtype=bool)
        stuck: Any
        for _ in range(MOST_STEPS):
            left, steps, promised, is_doubtful = self._without_ended(state, left, hessians[left], rows, of_all)
            is_slow = ~(promised <= FALL * last[left]) | is_doubtful
            slow = left[is_slow]
            if is_slow.any():
                hessians[slow] = self._hessians(state.point[slow], rows[slow])
                state.of_hessian[slow] = state.point[slow]
                *anew, _ = self._without_ended(state, slow, hessians[slow], rows, of_all)
                of_others = left[~is_slow], steps[~is_slow], promised[~is_slow]
                left, steps, promised = (np.concatenate(parts) for parts in zip(of_others, anew, strict=True))
            if not len(left):
                break
            last[left] = promised
            stuck = self._lower(state, left, steps, promised, rows)
            # By a Hessian of elsewhere that says little, by one of where it is that there is nothing left to lower.
            last[stuck] = 0
            is_over = np.isin(left, stuck) & np.isin(left, slow)
            has_ended[left[is_over]] = False
            left = left[~is_over]
            if not len(left):
                break
        has_ended[left] = False
        logits = self.logits_of_all[:, rows] + self._own_change(state.point, rows)
        return Refits(logits, displacements_of(self.curvature, state.point), has_ended)

    def _own_change(self, reduced, rows):
        """Changes (K, r) of the logits of the rows by displacements (r, p, k)."""
        return self.curvature.classes.expanded(np.einsum("rpk,pr->rk", reduced, self.columns[:, rows])).T

    def _better_start(self, rows, reduced):
        """Of displacements (r, p, k) and none the better, with value and gradient there."""
        losses, _ = self.problem.row_loss.losses_gradient(self.logits_of_all.copy(), self.targets)
        of_rows = losses.reshape(-1, self.targets.shape[-1]).sum(axis=0)
        values_of_none = (of_rows.sum() - of_rows[rows]) / self.problem.total
        point = reduced.copy()
        values, gradients = self._values_gradients(point, rows)
        is_worse = ~(values < values_of_none)
        if is_worse.any():
            point[is_worse] = 0
            values[is_worse], gradients[is_worse] = self._values_gradients(point[is_worse], rows[is_worse])
        return point, values, gradients

    def _without_ended(self, state, left, hessians, rows, of_all):
        """Of the fits that are left those that have not ended, their steps, what these promise, and which to doubt.

        Steps of those that have are taken. Doubtful are those that would have, if the Hessian were not of elsewhere.
        Those of which the Hessian ``of_all`` rows promises much more take its steps.
        """
        steps = self._steps(hessians, state.gradients[left])
        promised = -(state.gradients[left] * steps).sum(axis=(1, 2)) / 2
        here, since = rows[left], state.point[left] - state.of_hessian[left]
        before, change, drift = (self._own_change(reduced, here) for reduced in (state.point[left], steps, since))
        moves_of = partial(Moves.of, self.problem, self.targets[..., here])
        logits = self.logits_of_all[:, here] + before
        most_promised = np.maximum(state.most_promised[left], RESOLUTION * state.values[left])
        has_ended = (promised <= most_promised) & (moves_of(logits, change).ranges <= MOST_OFF)
        is_doubtful = has_ended & (moves_of(logits, -drift).ranges > MOST_DRIFT)
        has_ended &= ~is_doubtful
        by_all = self._steps(of_all[left[has_ended]], state.gradients[left[has_ended]])
        gains = -(state.gradients[left[has_ended]] * by_all).sum(axis=(1, 2)) / 2
        is_held = gains > MOST_PROMISED_BY_ALL * most_promised[has_ended]
        held = np.flatnonzero(has_ended)[is_held]
        steps[held], promised[held], has_ended[held] = by_all[is_held], gains[is_held], False
        state.point[left[has_ended]] += steps[has_ended]
        return left[~has_ended], steps[~has_ended], promised[~has_ended], is_doubtful[~has_ended]

    def _logits_at(self, reduced):
        """Logits (K, r n) of all rows in each fit."""
        moved = np.swapaxes(self.curvature.classes.expanded(reduced), 1, 2) @ self.columns
        return np.swapaxes(self.logits_of_all + moved, 0, 1).reshape(len(self.logits_of_all), -1)

    def _targets_without(self, rows):
        """Targets T (k, r n) of all rows in fits without each of some rows (r,)."""
        targets = np.repeat(self.targets[..., None, :], len(rows), axis=-2)
        targets[..., np.arange(len(rows)), rows] = 0
        return targets.reshape(*targets.shape[:-2], -1)

    def _losses_gradients(self, reduced, rows):
        """Losses (r,) of all rows in each fit, and their gradients (r, K, p) by the outputs of each column."""
        n_outputs, n_rows = self.logits_of_all.shape
        if n_outputs * n_rows >= LOGITS_OF_ONE:
            of_fits = [self._loss_gradient(*of_fit) for of_fit in zip(reduced, rows, strict=True)]
            losses, gradients = zip(*of_fits, strict=True)
            return np.array(losses), np.stack(gradients)
        losses, gradient = self.problem.row_loss.losses_gradient(self._logits_at(reduced), self._targets_without(rows))
        by_output = np.swapaxes(gradient.reshape(n_outputs, len(rows), n_rows), 0, 1) @ self.columns.T
        return losses.reshape(-1, len(rows), n_rows).sum(axis=(0, 2)), by_output

    def _loss_gradient(self, reduced, row):
        """Those of one fit: loss () and gradient (K, p)."""
        row_loss, targets, own = self.problem.row_loss, self.problem.rows.targets, np.array([row])
        logits = self._logits_at(reduced[None])
        of_own, _ = row_loss.values_gradient(logits[:, own], targets, own)
        values, gradient = row_loss.values_gradient(logits, targets, slice(0, logits.shape[1]))
        gradient[:, row] = 0
        return np.sum(values) - np.sum(of_own), gradient @ self.columns.T

    def _values_gradients(self, reduced, rows):
        """Value (r,) and gradient (r, p, k) of each fit without a row, at displacements (r, p, k)."""
        losses, by_output = self._losses_gradients(reduced, rows)
        gradients = self.curvature.classes.reduced(np.swapaxes(by_output, 1, 2)) / self.problem.total
        curved = self.ridge @ reduced
        values = losses / self.problem.total + ((self.slope + curved / 2) * reduced).sum(axis=(1, 2))
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

    def _hessians(self, reduced, rows):
        """Hessians (r, f, p, p) of each fit without a row, at displacements (r, p, k)."""
        curvature, classes = self.curvature, self.curvature.classes
        hessians = np.stack([curvature.assembled(moments) for moments in self._moments(reduced, rows)])
        hessians += self.ridge if classes.are_separate else np.kron(self.ridge, np.eye(classes.size))
        diagonals = np.einsum("rfpp->rfp", hessians)
        diagonals *= 1 + LEAST_RIDGE
        return hessians

    def _moments(self, reduced, rows):
        """Second moments (r, w, p, p) of the columns by the weights of each fit, divided by S."""
        n_outputs, n_rows = self.logits_of_all.shape
        pairs, total, every_row = self.curvature.classes.pairs, self.problem.total, slice(0, n_rows)
        if n_outputs * n_rows >= LOGITS_OF_ONE:
            moments = []
            for of_fit, row in zip(reduced, rows, strict=True):
                logits = self._logits_at(of_fit[None])
                weights = self.problem.row_loss.curvature(logits, self.problem.rows.targets, every_row).entries(*pairs)
                weights[:, row] = 0
                moments.append(self._weighted_moments(weights) / total)
            return np.stack(moments)
        block: Any = GivenTargets(self._targets_without(rows))
        weights = self.problem.row_loss.curvature(self._logits_at(reduced), block, every_row).entries(*pairs)
        moments = self._weighted_moments(weights.reshape(-1, n_rows)) / total
        return np.swapaxes(moments.reshape(-1, len(rows), *moments.shape[1:]), 0, 1)

    def _weighted_moments(self, weights):
        """Second moments (w, p, p) of the columns by weights (w, n)."""
        if self.products is None:
            return weighted_moments(weights, self.columns)
        n_columns = len(self.columns)
        first, second = upper_triangle(n_columns)
        moments = np.empty((len(weights), n_columns, n_columns))
        moments[:, first, second] = moments[:, second, first] = weights @ self.products.T
        return moments

    def _steps(self, hessians, gradients):
        """Newton's step (r, p, k) of each fit, for its Hessians (r, f, p, p) and gradient (r, p, k)."""
        if self.curvature.classes.are_separate:
            right = np.swapaxes(gradients, 1, 2)[..., None]
            return -np.swapaxes(np.linalg.solve(hessians, right)[..., 0], 1, 2)
        right = gradients.reshape(len(gradients), 1, np.prod(gradients.shape[1:]), 1)
        return -np.linalg.solve(hessians, right).reshape(gradients.shape)

    def _lower(self, state, left, steps, promised, rows):
        """Move the fits that are left along their steps, or shares of them where that is not lower.

        Those that no share lowers are returned.
        """
        length = np.ones(len(left))
        for _ in range(MOST_SHORTER):
            moved = state.point[left] + length[:, None, None] * steps
            values, gradients = self._values_gradients(moved, rows[left])
            most = state.values[left] - LEAST_GAIN * length * promised
            is_lower = values <= most + ROUNDING * state.values[left]
            here = left[is_lower]
            state.point[here], state.values[here] = moved[is_lower], values[is_lower]
            state.gradients[here] = gradients[is_lower]
            left, steps, promised, length = (array[~is_lower] for array in (left, steps, promised, SHORTER * length))
            if not len(left):
                break
        return left


@dataclass
class _State:
    """Where fits are: displacements ``point`` (r, p, k), ``values`` (r,) and ``gradients`` (r, p, k) there.

    Each ends with the first step that promises no more than ``most_promised`` (r,). Hessians are at ``of_hessian``
    (r, p, k).
    """

    point: Array
    values: Array
    gradients: Array
    most_promised: Array
    of_hessian: Array
