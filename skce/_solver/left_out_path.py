"""Leave-one-out along a path: the closed form at each value, and refits of the rows that it is not enough for.

The fit without a row moves along the path as that of all rows does, and each refit starts from that at the value
before. What a row loses without it may turn within a tenth of a decade of C: of 800 blocks of pages, in raw units,
cubics through every other of ten values were 61 % off the score at one between, where one row alone lost 1500 nats.
So nothing is told by what is beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from skce._solver.leave_one_out import ClosedForm, LeftOut, displacements
from skce._solver.moves import Moves
from skce._solver.objective import LinearObjective
from skce._solver.path import Minimum
from skce._solver.refits import FitsWithout
from skce._solver.refits_together import displacements_of, reduced_of
from skce._solver.second_derivative import exact_curvature
from skce._solver.spreads import KeptProducts
from skce._types import Array

# Rows, those of which the closed form may miss most, whose refits tell what it misses of others; and how many standard
# errors more that is taken to be. Of satimage it misses a tenth of what it may, of page blocks now and then all of it.
TELLING, SURE = 12, 3.0

# How many times faster than the ridge that falls which the fits of a value would move, at most: of vehicle 1.3 times.
# Where they would move far none is asked.
FASTEST = 2.0

# Share of what a correction has changed by from one value to the next by which it is taken to go on. Of six tables it
# leaves 0.8 to 1.0 of the evaluations, on raw page blocks 1.02; with all of it 0.75 to 1.0, and there 1.1.
CARRIED_ON = 0.5

# Numbers of the Hessians, their factors and inverses of all values that are kept for the one that is chosen (128 MB).
NUMBERS_OF_VALUES = 2**24


@dataclass(eq=False)
class _Value:
    """A Minimum, the rows ``far`` that the closed form may not be enough for, sums of losses, and refits.

    ``kept`` are the KeptProducts of the path.
    ``missed`` (r,) is what it may miss of the losses of these, and ``most`` what it may of all. ``logits`` (k,) are
    those of refits, by row, ``displacements`` where their flat parameters are from the minimum, ``corrections`` from
    the closed form, and ``leads`` what these are taken to be at the next value. ``shares`` are of fits that may lead
    on: how much of what they may be off by they have moved since they were last evaluated, of which ``nearest`` is
    about the least that any would. ``n_unended`` of them ran out of steps.
    """

    minimum: Any
    far: Array
    sums: Array
    kept: KeptProducts = field(default_factory=KeptProducts)
    missed: Array = field(default_factory=lambda: np.zeros(0))
    most: float = 0.0
    logits: dict[int, Array] = field(default_factory=dict)
    corrections: dict[int, Array] = field(default_factory=dict)
    leads: dict[int, Array] = field(default_factory=dict)
    displacements: dict[int, Array] = field(default_factory=dict)
    shares: dict[int, float] = field(default_factory=dict)
    nearest: float = 0.0
    n_unended: int = 0

    @cached_property
    def fits(self):
        """The FitsWithout."""
        return FitsWithout(
            self.minimum.problem, self.minimum.curvature, self.minimum.solution.params, self.most, self.kept
        )

    def forget(self):
        """Keep nothing that is as large as all rows."""
        for name in ("fits", "left_to_minimum"):
            vars(self).pop(name, None)

    def closed_form(self):
        """The ClosedForm of all rows."""
        minimum = self.minimum
        return ClosedForm.of(minimum.problem, minimum.curvature, minimum.solution.params, self.kept)

    @cached_property
    def left_to_minimum(self):
        """Newton's step (1, p, k), reduced, to the minimum of all rows."""
        problem, curvature = self.minimum.problem, self.minimum.curvature
        _, gradient = LinearObjective(problem)(self.minimum.solution.params)
        return reduced_of(problem, curvature, curvature.newton_step(gradient)[0][None])

    def refit(self, closed, before):
        """Put the logits of refits without rows that matter in place of those of a ClosedForm.

        They start from the _Value ``before``, or None. What the first refits say that the closed form misses tells how
        many of the others do.
        """
        if not len(self.far):
            return
        at, missed = self.far, self.missed
        order = np.argsort(-missed, kind="stable")
        n_certain = np.count_nonzero(np.isinf(missed))
        telling, others = order[n_certain : n_certain + TELLING], order[n_certain + TELLING :]
        near = closed.logits[:, at[telling]]
        self.refit_all(closed, at[order[: n_certain + TELLING]], before)
        if not len(others):
            return
        targets = self.minimum.problem.rows.targets.block(at[telling])
        moves = Moves.of(self.minimum.problem, targets, near, closed.logits[:, at[telling]] - near)
        n_kept = self._n_kept(moves.rises, missed[telling], missed[others[::-1]])
        self.refit_all(closed, at[others[: len(others) - n_kept]], before)

    def _n_kept(self, rises, missed, others):
        """How many of ``others`` (o,), the least that the closed form may miss first, it does not matter of.

        Of what it may have ``missed`` (t,) of other rows it missed ``rises`` (t,): a share that adds up, but for its
        standard error, and an error of each row, of any sign.
        """
        total, squares = missed.sum(), missed @ missed
        share = rises.sum() / total
        errors = rises - share * missed
        error = SURE * np.sqrt(errors @ errors / squares * len(missed) / max(len(missed) - 1, 1))
        of_share = (np.abs(share) + error * np.sqrt(squares) / total) * (self.most + np.cumsum(others))
        return np.searchsorted(of_share + error * np.sqrt(np.cumsum(others**2)), self.most, side="right")

    def refit_all(self, closed, rows, before):
        """The same, without all of these rows (r,)."""
        rows = self._not_carried(closed, rows, before)
        if not len(rows):
            return
        problem, curvature = self.minimum.problem, self.minimum.curvature
        starts = {} if before is None else before.leads
        near = self._near(closed, rows)
        begun = near.copy()
        warm = [place for place, row in enumerate(rows.tolist()) if row in starts]
        if warm:
            begun[warm] += reduced_of(problem, curvature, np.array([starts[row] for row in rows[warm].tolist()]))

        def of_some(some, begun):
            refits = self.fits.refitted(rows[some], begun[some], closed.spreads[rows[some]])
            self._take(closed, rows[some], near[some], refits.displacements, refits.logits, before)
            by_all = rows[some[refits.is_by_all & refits.has_ended]]
            self.shares.update(dict.fromkeys(by_all.tolist(), 0.0))
            return some[~refits.has_ended]

        unended = of_some(np.arange(len(rows)), begun)
        # From where another value has led no step may lead on: rows are as certain there as with less of a penalty.
        stuck = np.intersect1d(unended, np.array(warm, dtype=int))
        if len(stuck):
            unended = np.append(np.setdiff1d(unended, stuck), of_some(stuck, near))
        self.n_unended += len(unended)

    def _not_carried(self, closed, rows, before):
        """Those of some rows (r,) but for which fits at the value ``before`` lead near enough, which are taken.

        Where penalties matter little, most do, for no evaluation.
        """
        together, problem, curvature = self.fits.together, self.minimum.problem, self.minimum.curvature
        if before is None or together is None:
            return rows
        times = before.minimum.problem.penalty.ridge / problem.penalty.ridge
        if before.nearest > FASTEST * times:
            self.nearest = before.nearest / FASTEST / times
            return rows
        rows_before = rows[np.isin(rows, list(before.shares))]
        if not len(rows_before):
            return rows
        shares = np.array([before.shares[row] for row in rows_before.tolist()])
        moved = np.array([before.displacements[row] for row in rows_before.tolist()])
        reduced = reduced_of(problem, curvature, moved + before.minimum.solution.params - self.minimum.solution.params)
        reduced, more = self.fits.carried(together, rows_before, reduced, closed.spreads[rows_before], times)
        is_near, self.nearest = shares + more <= 1, min(more.min(), self.nearest or np.inf)
        carried, reduced = rows_before[is_near], reduced[is_near]
        if len(carried):
            moved, logits = displacements_of(curvature, reduced), together.own_logits(carried, reduced)
            self._take(closed, carried, self._near(closed, carried), moved, logits, before)
            self.shares.update(zip(carried.tolist(), (shares + more)[is_near].tolist(), strict=True))
        return np.setdiff1d(rows, carried)

    def _near(self, closed, rows):
        """Displacements (r, p, k) without each of some rows, in closed form.

        What is left to the minimum of all rows is another at each value, and no part of a correction.
        """
        problem, curvature = self.minimum.problem, self.minimum.curvature
        return displacements(problem, curvature, rows, closed.pulls[:, rows]) + self.left_to_minimum

    def _take(self, closed, rows, near, moved, logits, before):
        """Take fits without some rows, at flat displacements (r, p), with logits (k, r) of these.

        The closed form has displacements ``near`` (r, p, k); ``before`` is the _Value before, or None.
        """
        corrections = moved - displacements_of(self.minimum.curvature, near)
        known = {} if before is None else before.corrections
        changes = (
            correction - known.get(row, correction) for row, correction in zip(rows.tolist(), corrections, strict=True)
        )
        self.leads.update(zip(rows.tolist(), corrections + CARRIED_ON * np.array(list(changes)), strict=True))
        self.displacements.update(zip(rows.tolist(), moved, strict=True))
        self.corrections.update(zip(rows.tolist(), corrections, strict=True))
        self.logits.update(zip(rows.tolist(), logits.T, strict=True))
        closed.logits[:, rows] = logits


class LeftOutPath:
    """What leaving out each row makes of the losses of rows, for each value of a path that is passed.

    ``losses_of`` are those (r,) at a Minimum of logits (k, r) of some rows (r,), and ``weight`` (n,) is that of all
    rows in their mean.
    """

    def __init__(self, losses_of: Callable[[Minimum, Array, Array], Array], weight: Array, n_values: int) -> None:
        self.losses_of = losses_of
        self.weight = weight
        self.n_values = n_values
        self.values: list[_Value] = []
        self.kept = KeptProducts()

    def passes(self, minimum: Minimum) -> None:
        """Take the closed form of all rows at the Minimum of the next value."""
        every_row = np.arange(len(self.weight))
        value, logits = _Value(minimum, every_row[:0], np.zeros(3), self.kept), np.empty((0, len(every_row)))
        if minimum.problem.shape[1]:
            closed = value.closed_form()
            curvature: Any = minimum.curvature
            of_minimum = minimum.problem, curvature, minimum.solution.params
            value.far, value.missed = closed.rows_to_refit(*of_minimum)
            value.most, logits = closed.most_missed, closed.logits
            value.refit(closed, self.values[-1] if self.values else None)
            value.forget()
            if 3 * self.n_values * curvature.hessians.size > NUMBERS_OF_VALUES:
                value.minimum = replace(minimum, curvature=None)
        value.sums = self._sums(self.losses_of(minimum, logits, every_row))
        self.values.append(value)

    def scores(self) -> tuple[Array, Array]:
        """Means (n_values,) of the losses, and their standard errors."""
        sums = np.array([value.sums for value in self.values])
        total, squares = self.weight.sum(), self.weight @ self.weight
        means = sums[:, 0] / total
        variances = sums[:, 2] - 2 * means * sums[:, 1] + means**2 * squares
        return means, np.sqrt(np.maximum(variances, 0)) / total

    @property
    def n_unended(self) -> int:
        """How many refits were not near enough when their steps ran out."""
        return sum(value.n_unended for value in self.values)

    def left_out(self, place: int) -> LeftOut:
        """The LeftOut for a value, as that of a single fit, from the refits that there are."""
        value = self.values[place]
        problem, params = value.minimum.problem, value.minimum.solution.params
        if not problem.shape[1]:
            return LeftOut(np.empty((0, len(self.weight))), np.zeros(len(self.weight), dtype=bool))
        if value.minimum.curvature is None:
            value.minimum = replace(value.minimum, curvature=exact_curvature(problem, params))
        closed = value.closed_form()
        far, _ = closed.rows_to_refit(problem, value.minimum.curvature, params)
        is_known = np.isin(far, list(value.logits))
        for row in far[is_known].tolist():
            closed.logits[:, row] = value.logits[row]
        value.refit_all(closed, far[~is_known], self.values[place - 1] if place else None)
        return LeftOut(closed.logits, np.isin(np.arange(len(self.weight)), far))

    def _sums(self, losses):
        """Sums (3,) of losses (n,) by weight, by its square, and of their squares by that."""
        weight = self.weight
        return np.array([weight @ losses, weight**2 @ losses, (weight * losses) @ (weight * losses)])
