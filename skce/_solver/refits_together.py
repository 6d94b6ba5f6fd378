"""Fits without a row, of many rows together: by Newton's method on their reduced parameters.

Each starts from where the row's closed form, or its fit at another value, leads, and takes an evaluation a step: a few
large products for all of them. Steps are by the Hessian of all rows without its own, which costs nothing, corrected by
how the gradient has changed along those before (BFGS), and believed where that was about what it had said. Where it was
not, the fit gets a Hessian of its own.
"""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from skce._solver.curvature.directions import ridge_of
from skce._solver.curvature.exact import ExactCurvature
from skce._solver.curvature.factorisation import cholesky_factor
from skce._solver.far_rows import GivenTargets
from skce._solver.hessian_without import HessianWithout
from skce._solver.losses_together import LossesTogether
from skce._solver.moves import Moves
from skce._solver.objective import LinearObjective
from skce._solver.problem import Problem
from skce._solver.secants import ManySecants
from skce._types import Array

# What the logits of a row may be off by in a fit without it, where one more step ends that: by the decrement, as S
# times the gap is half the squared distance in standard errors, which the spread of the row multiplies. The spread is
# that among all rows: where nothing else holds what a row holds, its own logits go on, by about 1 a step, while next to
# nothing is promised; so the last step moves them by no more either. Between these it is SHARE_OFF of what the closed
# form may miss of the loss of all rows, over the square root of how many are refitted, as errors have any sign. With
# 0.03 of every row seven sets took 1.0 to 1.3 times as long; with 0.1 of every row logs of connections, of which few
# rows cost anything, were 0.3 % off.
LEAST_OFF, MOST_OFF, SHARE_OFF = 0.03, 0.1, 1 / 3

# Share of what the last step promised, or of the squared length of what changed the gradient, up to which a Hessian of
# elsewhere may be wrong where it is believed that a fit ends, for each logit that the row may be off by. With 3 instead
# of 1, for 0.1 of 0.03, refits of vehicle, ctg and spambase take 0.85 of the time to all of it; with 10 scores of 500
# raw rows of spambase were 0.9 % off.
BELIEVED = 1.0

# Slope along a step, where it ends, over that where it starts, up to which it is taken; how much shorter the next one
# is at most, and how often. With 0.9 for 0.5 page blocks take 1.2 times as many Hessians, with 0.1 1.1 times as many
# evaluations.
MOST_SLOPE, SHORTER, MOST_SHORTER = 0.5, 0.25, 20

# Added to the diagonal of a Hessian, relative to it.
LEAST_RIDGE = 1e-14

# Range by which a row may have moved its own logits since the Hessian that says that a fit ends; and by which it may
# where that Hessian has told how the gradient changes. Rows that held the row may have let go on the way: of blocks of
# pages, in raw units, one was at a loss of 55 instead of 226, and of wine, believed, one of two of a class at 25 and
# not 28. With 3 instead of 20 five tables took 1.3 times as long, and no draw of 22 was nearer.
MOST_DRIFT, MOST_DRIFT_BELIEVED = 0.3, 20.0

# How much more than a last step may one promise that is by the Hessian of all rows. Of 7,000 refits of breast cancer,
# vehicle and page blocks it promised 3 times as much at most; more where a row holds the parameters with what is left
# of its curvature, and lets go of them a little farther: one refit in 500 of raw page blocks, at C = 10^4.
MOST_PROMISED_BY_ALL = 10.0

# Share of F below which what a step promises does not matter, however far rows are moved by it: to outcomes of a
# probability of e^-1000, as logs of connections have, for which V is 10^18, and what is promised is rounding.
RESOLUTION = 1e-10

# What rounding leaves of F.
ROUNDING = 1e-14


@dataclass(frozen=True, eq=False)
class Enough:
    """What the last steps of r fits may promise at most, ``most_promised`` (r,), and move logits of their rows by."""

    most_promised: Array
    most_off: float

    @classmethod
    def of(cls, most_off, spreads, total):
        """That of rows whose logits may be off by so much, for the traces (r,) of their V, and S."""
        return cls(most_off**2 / 2 / np.maximum(spreads, np.finfo(float).tiny) / total, most_off)

    def of_some(self, at):
        """That of some of the fits."""
        return Enough(self.most_promised[at], self.most_off)


@dataclass(frozen=True, eq=False)
class Refits:
    """Fits without each of r rows: ``logits`` (k, r) of these, and ``displacements`` (r, p) of the flat parameters.

    ``has_ended`` (r,) is False of those whose steps ran out, or led nowhere, before they were near enough, and
    ``is_by_all`` (r,) whether the Hessian of all rows, without the row, has told how the gradient changes.
    """

    logits: Array
    displacements: Array
    has_ended: Array
    is_by_all: Array


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


@dataclass(frozen=True, eq=False)
class Together:
    """Fits without each of some rows, at once, for ``columns`` (p, n), ``logits_of_all`` and targets T of all rows.

    ``gradient`` (p, k) is that of F by the reduced parameters, ``slope`` (p, k) that of the penalty, and ``ridge``
    (p, p) its curvature, and ``value`` () is F; ``losses`` are those of all rows.
    """

    problem: Problem
    curvature: ExactCurvature
    columns: Array
    logits_of_all: Array
    targets: Array
    gradient: Array
    slope: Array
    ridge: Array
    value: float
    losses: LossesTogether

    @classmethod
    def of(cls, problem, curvature, params, kept):
        """That of a problem at its minimum, flat ``params``, of which products of columns may be ``kept``."""
        values, gradient = LinearObjective(problem)(params)
        rows, standardisation = problem.rows, curvature.standardisation
        every_row = rows.block(slice(0, rows.shape[0]))
        coef, intercept = problem.split(params)
        of_penalty = np.zeros(problem.shape)
        of_penalty[: len(coef)] = problem.penalty.gradient(coef, out=np.empty_like(coef))
        slope, left = (
            curvature.classes.reduced(standardisation.pull_back(each))
            for each in (of_penalty, gradient.reshape(problem.shape))
        )
        ridge = standardisation.by_columns(np.diag(ridge_of(problem, standardisation)))
        columns, targets = standardisation.columns_of(every_row.X), every_row.targets.block(every_row.at)
        logits, value = every_row.logits(coef, intercept), float(values.sum())
        losses = LossesTogether(problem, curvature, columns, logits, targets, kept)
        return cls(problem, curvature, columns, logits, targets, left, slope, ridge, value, losses)

    def refits(self, rows, starts, enough, most_steps, fall):
        """The Refits without each of the rows, from displacements (r, p, k), of so many steps at most.

        They end with the first step after which that is ``enough``. Steps that promise more than the share ``fall`` of
        what the ones before did are by a Hessian of where they start.
        """
        state, of_all = self._state(rows, enough)
        self._start(state, of_all, starts, rows)
        left, own, has_ended = np.arange(len(rows)), {}, np.ones(len(rows), dtype=bool)
        stuck: Any
        for _ in range(most_steps):
            left, steps, promised = self._without_ended(state, left, own, rows, of_all)
            # Rounding may leave a Hessian without a row less than nothing, along which a step promises less than that.
            is_slow = ~((promised >= 0) & (promised <= fall * state.last[left]))
            slow = left[is_slow]
            if is_slow.any():
                own |= zip(slow.tolist(), self._own_factors(state.point[slow], rows[slow]), strict=True)
                state.of_hessian[slow], state.is_believed[slow] = state.point[slow], False
                state.secants.forget(slow)
                anew = self._without_ended(state, slow, own, rows, of_all)
                of_others = left[~is_slow], steps[~is_slow], promised[~is_slow]
                left, steps, promised = (np.concatenate(parts) for parts in zip(of_others, anew, strict=True))
            if not len(left):
                break
            state.last[left] = promised
            stuck = self._move(state, left, steps, rows)
            # By a Hessian of elsewhere that says little, by one of where it is that there is nothing left to lower.
            state.last[stuck] = 0
            is_over = np.isin(left, stuck) & np.isin(left, slow)
            has_ended[left[is_over]] = False
            left = left[~is_over]
            if not len(left):
                break
        has_ended[left] = False
        is_by_all = state.is_believed & ~np.isin(np.arange(len(rows)), list(own))
        logits = self.own_logits(rows, state.point)
        return Refits(logits, displacements_of(self.curvature, state.point), has_ended, is_by_all)

    def carried(self, rows, reduced, times):
        """Where minima without each of the rows, at displacements (r, p, k), lead from a ridge so many ``times`` this.

        By Newton's step for the penalty alone, with what it promises (r,), and the ranges (r,) by which it moves the
        logits of the rows.
        """
        every_fit = np.arange(len(rows))
        gradients = (1 - times) * (self.slope + self.ridge @ reduced)
        steps = self._hessian_without(rows).steps(every_fit, gradients)
        promised = -(gradients * steps).sum(axis=(1, 2)) / 2
        before, change = (self._own_change(each, rows) for each in (reduced, steps))
        moves = Moves.of(self.problem, self.targets[..., rows], self.logits_of_all[:, rows] + before, change)
        return reduced + steps, promised, moves.ranges

    def own_logits(self, rows, reduced):
        """Logits (K, r) of the rows in fits at displacements (r, p, k)."""
        return self.logits_of_all[:, rows] + self._own_change(reduced, rows)

    def _state(self, rows, enough):
        """The _State of fits without each of the rows at the minimum of all, and the HessianWithout each there."""
        row_loss, classes, total = self.problem.row_loss, self.curvature.classes, self.problem.total
        _, gradient = row_loss.losses_gradient(self.logits_of_all[:, rows], self.targets[..., rows])
        of_rows = self.columns[:, rows].T[:, :, None] * classes.reduced(gradient.T)[:, None]
        gradients = self.gradient - of_rows / total
        n_fits, none = len(rows), np.zeros_like(gradients)
        last, never = np.full(n_fits, np.inf), np.zeros(n_fits, dtype=bool)
        secants = ManySecants(n_fits)
        state = _State(none, gradients, enough, none.copy(), last, never, np.ones(n_fits), secants)
        return state, self._hessian_without(rows)

    def _hessian_without(self, rows):
        """The HessianWithout each of the rows at the minimum of all."""
        block: Any = GivenTargets(self.targets[..., rows])
        of_rows = self.problem.row_loss.curvature(self.logits_of_all[:, rows], block, slice(None))
        entries = of_rows.entries(*self.curvature.classes.pairs)
        return HessianWithout.of(self.curvature, self.columns[:, rows], entries, self.problem.total)

    def _start(self, state, of_all, starts, rows):
        """Move all fits to where ``starts`` (r, p, k) lead, and note of which that tells to believe the Hessian."""
        every_fit = np.arange(len(rows))
        before = state.gradients.copy()
        closed = of_all.steps(every_fit, before)
        leads_down = (before * starts).sum(axis=(1, 2)) < 0
        steps = np.where(leads_down[:, None, None], starts, closed)
        self._move(state, every_fit, steps, rows)
        moved, change = state.point, state.gradients - before
        # By how much the gradient has changed otherwise than the Hessian says, next to what that says.
        missed = change - of_all.products(every_fit, moved)
        of_missed = -(missed * of_all.steps(every_fit, missed)).sum(axis=(1, 2))
        of_moved = (moved * (change - missed)).sum(axis=(1, 2))
        state.left_by_start[:] = of_missed / np.maximum(of_moved, np.finfo(float).tiny)
        state.is_believed[:] = state.left_by_start <= BELIEVED * state.enough.most_off

    def _own_change(self, reduced, rows):
        """Changes (K, r) of the logits of the rows by displacements (r, p, k)."""
        return self.curvature.classes.expanded(np.einsum("rpk,pr->rk", reduced, self.columns[:, rows])).T

    def _without_ended(self, state, left, own, rows, of_all):
        """Of the fits that are left those that have not ended, their steps, and what these promise.

        Steps of those that have are taken. Those of which the Hessian ``of_all`` rows promises much more than their
        ``own`` take its steps.
        """
        gradients = state.gradients[left]
        has_own = np.array([place in own for place in left.tolist()], dtype=bool)

        def newton_steps(gradients):
            if not has_own.any():
                return of_all.steps(left, gradients)
            steps = np.empty_like(gradients)
            steps[~has_own] = of_all.steps(left[~has_own], gradients[~has_own])
            steps[has_own] = self._steps([own[place] for place in left[has_own].tolist()], gradients[has_own])
            return steps

        steps = state.secants.steps(left, gradients, newton_steps)
        promised = -(gradients * steps).sum(axis=(1, 2)) / 2
        more = self._times_more(state, left, promised)
        most_promised = self._most_promised(state.enough, left, more)
        has_ended = (promised >= 0) & (promised <= most_promised)
        may_end = np.flatnonzero(has_ended)
        if len(may_end):
            has_ended[may_end] = self._moves_little(
                state, left[may_end], steps[may_end], promised[may_end], rows, np.sqrt(more[may_end])
            )
        may_be_held = np.flatnonzero(has_ended & has_own)
        if len(may_be_held):
            by_all = of_all.steps(left[may_be_held], gradients[may_be_held])
            gains = -(gradients[may_be_held] * by_all).sum(axis=(1, 2)) / 2
            are_held = gains > MOST_PROMISED_BY_ALL * most_promised[may_be_held]
            held = may_be_held[are_held]
            steps[held], promised[held], has_ended[held] = by_all[are_held], gains[are_held], False
        state.point[left[has_ended]] += steps[has_ended]
        return left[~has_ended], steps[~has_ended], promised[~has_ended]

    def _times_more(self, state, at, promised):
        """How many times as much as others the last steps of fits, places (m,), may promise, as they leave less.

        A step is taken to leave the share of it that the one before has left, or, of the first, the start. On ctg that
        saves a seventh of the evaluations, where logits may be off by as much as any.
        """
        most_off = state.enough.most_off
        if most_off <= LEAST_OFF:
            return np.ones(len(at))
        is_first, is_afresh = np.isinf(state.last[at]), (state.of_hessian[at] == state.point[at]).all(axis=(1, 2))
        shares = np.divide(promised, state.last[at], out=np.ones(len(at)), where=state.last[at] > 0)
        shares = np.where(is_first, state.left_by_start[at], np.where(is_afresh, 1, shares))
        most = (most_off / LEAST_OFF) ** 2
        return np.clip(BELIEVED * most_off / np.maximum(shares, np.finfo(float).tiny), 1, most)

    def _most_promised(self, enough, at, more):
        """What a step (m,) may promise where fits end, so many times as much, or what rounding leaves of it."""
        return np.maximum(more * enough.most_promised[at], RESOLUTION * self.value)

    def _moves_little(self, state, at, steps, promised, rows, more):
        """Whether steps of fits, places (m,), that promise little move their own rows little, and are believed."""
        here, since = rows[at], state.point[at] - state.of_hessian[at]
        before, change, drift = (self._own_change(reduced, here) for reduced in (state.point[at], steps, since))
        moves_of = partial(Moves.of, self.problem, self.targets[..., here], self.logits_of_all[:, here] + before)
        is_believed = state.is_believed[at] | (promised <= BELIEVED * state.enough.most_off * state.last[at])
        most_drift = np.where(is_believed, MOST_DRIFT_BELIEVED, MOST_DRIFT)
        is_near = moves_of(-drift).ranges <= most_drift
        return is_near & (moves_of(change).ranges <= more * state.enough.most_off)

    def _move(self, state, left, steps, rows):
        """Move the fits that are left along their steps, or shares of them where these lead too far.

        Those that no share leads lower are returned.
        """
        length, moving = np.ones(len(left)), left
        before, gradients_before = state.point[left], state.gradients[left]
        slopes = (state.gradients[left] * steps).sum(axis=(1, 2))
        for _ in range(MOST_SHORTER):
            moved = state.point[left] + length[:, None, None] * steps
            gradients = self._gradients(moved, rows[left])
            slope = (gradients * steps).sum(axis=(1, 2))
            is_taken = slope <= MOST_SLOPE * np.abs(slopes) + ROUNDING * (self.value + np.abs(steps).sum(axis=(1, 2)))
            here = left[is_taken]
            state.point[here], state.gradients[here] = moved[is_taken], gradients[is_taken]
            fall = slopes - slope
            share = np.clip(np.divide(slopes, fall, out=np.ones_like(fall), where=fall != 0), SHORTER, 0.9)
            length = length * np.where(np.isfinite(share), share, SHORTER)
            left, steps, slopes, length = (array[~is_taken] for array in (left, steps, slopes, length))
            if not len(left):
                break
        state.secants.add(moving, state.point[moving] - before, state.gradients[moving] - gradients_before)
        return left

    def _gradients(self, reduced, rows):
        """Gradient (r, p, k) of each fit without a row, at displacements (r, p, k)."""
        return self.losses.gradients(reduced, rows) / self.problem.total + self.slope + self.ridge @ reduced

    def _own_factors(self, reduced, rows):
        """The f CholeskyFactors of the Hessians of each fit without a row, at displacements (r, p, k)."""
        for moments in self.losses.moments(reduced, rows):
            hessians = self.curvature.assembled(moments / self.problem.total)
            hessians += self._ridge_by_direction
            diagonals = np.einsum("fpp->fp", hessians)
            diagonals *= 1 + LEAST_RIDGE
            yield [cholesky_factor(hessian) for hessian in hessians]

    @cached_property
    def _ridge_by_direction(self):
        """The curvature (q, q) of the penalty by the reduced parameters of each problem."""
        classes = self.curvature.classes
        return self.ridge if classes.are_separate else np.kron(self.ridge, np.eye(classes.size))

    def _steps(self, factors, gradients):
        """Newton's step (r, p, k) of each fit, for the f CholeskyFactors of its Hessians, and gradients (r, p, k)."""
        are_separate = self.curvature.classes.are_separate
        flat = np.swapaxes(gradients, 1, 2) if are_separate else gradients.reshape(len(gradients), 1, -1)
        steps = np.empty_like(flat)
        for of_fit, gradient, step in zip(factors, flat, steps, strict=True):
            for factor, of_problem, of_step in zip(of_fit, gradient, step, strict=True):
                np.negative(factor.solved_transposed(factor.solved(of_problem)), out=of_step)
        return np.swapaxes(steps, 1, 2) if are_separate else steps.reshape(gradients.shape)


@dataclass
class _State:
    """Where fits are: displacements ``point`` (r, p, k), and ``gradients`` (r, p, k) there.

    Each ends with the first step after which that is ``enough``. Hessians are at ``of_hessian`` (r, p, k), the last
    step by them promised ``last`` (r,), and ``is_believed`` (r,) are those of which the start has shown what they are
    worth, as ``left_by_start`` (r,), the share of it that Newton's step would have left, is little.
    """

    point: Array
    gradients: Array
    enough: Enough
    of_hessian: Array
    last: Array
    is_believed: Array
    left_by_start: Array
    secants: ManySecants
