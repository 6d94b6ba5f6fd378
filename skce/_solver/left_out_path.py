"""Leave-one-out along a path: the closed form at each value, and refits at as few values as tell the others.

The fit without a row moves along the path as smoothly as that of all rows does. So rows that the closed form is not
enough for are refitted at every other value, each from the refit at the one before; cubics through their logits there,
and those of the closed form where that is enough, say what they are between. Rows for which straight lines would say
something else are refitted there too, from between the fits on both sides.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.interpolate import make_interp_spline

from skce._solver.leave_one_out import MOST_MISSED_OF_CHOICE, ClosedForm, LeftOut, displacements
from skce._solver.moves import Moves
from skce._solver.path import Minimum
from skce._solver.refits import reduced_of, refitted
from skce._solver.second_derivative import exact_curvature
from skce._types import Array

# Strides of the values at which rows are refitted, ever finer. With one of 4 at first a third fewer rows are refitted,
# and scores were up to 3 % off (breast cancer), for 0.5 % where refits are at every other one.
STRIDES = 2, 1

# Share of the loss by which cubics and straight lines may differ, in absolute values added up, of all rows that are not
# refitted. Straight lines are mostly three to ten times as far off as cubics, but where a row turns between two values
# both may be off by seven times what they differ by: with five times this share page blocks were 2.4 % off at one.
MOST_BETWEEN = 0.002

# Rows, those of which the closed form may miss most, whose refits tell what it misses of others; and how many times as
# much these may be taken to miss. Of satimage it misses a tenth of what it may, of page blocks now and then all of it.
TELLING, SURE = 12, 3.0

# Numbers of the Hessians and their factors of all values that are kept, up to which there is anything between (128 MB).
NUMBERS_OF_VALUES = 2**24


@dataclass(eq=False)
class _Value:
    """A Minimum, the rows ``far`` that the closed form may not be enough for, sums of losses of others, and refits.

    ``missed`` (r,) is what it may miss of the losses of these, and ``most`` what it may of all. ``displacements`` are
    those of rows that were refitted, by row; ``n_unended`` of them ran out of steps.
    """

    minimum: Any
    far: Array
    sums: Array
    missed: Array = field(default_factory=lambda: np.zeros(0))
    most: float = 0.0
    displacements: dict[int, Array] = field(default_factory=dict)
    n_unended: int = 0

    def closed_form(self, rows=None):
        """The ClosedForm of all rows, or of some."""
        minimum = self.minimum
        return ClosedForm.of(minimum.problem, minimum.curvature, minimum.solution.params, rows)

    def refit(self, closed, at, starts, rows=None):
        """Put the logits of refits without rows that matter in place of those of a ClosedForm.

        ``at`` are their places in it, whose ``rows`` are those of the problem if that is not given. ``starts`` are
        displacements by row, where they are known. What the first refits say that the closed form misses tells how many
        of the others do.
        """
        if not len(at):
            return
        missed = self.missed[np.searchsorted(self.far, at if rows is None else rows[at])]
        order = np.argsort(-missed, kind="stable")
        n_certain = np.count_nonzero(np.isinf(missed))
        telling, others = order[n_certain : n_certain + TELLING], order[n_certain + TELLING :]
        near = closed.logits[:, at[telling]]
        self.refit_all(closed, at[order[: n_certain + TELLING]], starts, rows)
        if not len(others):
            return
        targets = self.minimum.problem.rows.targets.block((at if rows is None else rows[at])[telling])
        moves = Moves.of(self.minimum.problem, targets, near, closed.logits[:, at[telling]] - near)
        share = max(SURE * moves.costs.sum() / missed[telling].sum(), np.finfo(float).eps)
        n_kept = np.searchsorted(np.cumsum(missed[others[::-1]]), self.most * (1 / share - 1), side="right")
        self.refit_all(closed, at[others[: len(others) - n_kept]], starts, rows)

    def refit_all(self, closed, at, starts, rows):
        """The same, without all of these rows."""
        if not len(at):
            return
        rows = at if rows is None else rows[at]
        problem, curvature = self.minimum.problem, self.minimum.curvature
        near = displacements(problem, curvature, rows, closed.pulls[:, at])
        warm = [place for place, row in enumerate(rows.tolist()) if row in starts]
        if warm:
            near[warm] = reduced_of(problem, curvature, np.array([starts[row] for row in rows[warm].tolist()]))
        refits = refitted(problem, curvature, self.minimum.solution.params, rows, near, closed.spreads[at])
        self.displacements.update(zip(rows.tolist(), refits.displacements, strict=True))
        self.n_unended += refits.n_unended
        closed.logits[:, at] = refits.logits


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

    def passes(self, minimum: Minimum) -> None:
        """Take the closed form of all rows at the Minimum of the next value."""
        every_row = np.arange(len(self.weight))
        value, logits = _Value(minimum, every_row[:0], np.zeros(3)), np.empty((0, len(every_row)))
        if minimum.problem.shape[1]:
            closed = value.closed_form()
            curvature: Any = minimum.curvature
            of_minimum = minimum.problem, curvature, minimum.solution.params
            value.far, value.missed = closed.rows_to_refit(*of_minimum, MOST_MISSED_OF_CHOICE)
            value.most, logits = MOST_MISSED_OF_CHOICE * closed.loss, closed.logits
            if not self._are_kept(minimum):
                value.refit(closed, value.far, self.values[-1].displacements if self.values else {})
                value.minimum, value.far = replace(minimum, curvature=None), every_row[:0]
        others = np.delete(every_row, value.far)
        value.sums = self._sums(self.losses_of(minimum, logits[:, others], others), others)
        self.values.append(value)

    def scores(self) -> tuple[Array, Array]:
        """Means (n_values,) of the losses, and their standard errors."""
        rows = np.unique(np.concatenate([value.far for value in self.values]))
        if len(rows):
            self._refit(rows)
        sums = np.array([value.sums for value in self.values])
        total, squares = self.weight.sum(), self.weight @ self.weight
        means = sums[:, 0] / total
        variances = sums[:, 2] - 2 * means * sums[:, 1] + means**2 * squares
        return means, np.sqrt(np.maximum(variances, 0)) / total

    @property
    def n_unended(self) -> int:
        """How many refits were not near enough when their steps ran out."""
        return sum(value.n_unended for value in self.values)

    def left_out(self, place: int, most_missed: float) -> LeftOut:
        """The LeftOut for a value, as that of a single fit, from the refits that there are."""
        value = self.values[place]
        problem, params = value.minimum.problem, value.minimum.solution.params
        if not problem.shape[1]:
            return LeftOut(np.empty((0, len(self.weight))), np.zeros(len(self.weight), dtype=bool))
        if value.minimum.curvature is None:
            value.minimum = replace(value.minimum, curvature=exact_curvature(problem, params))
        closed = value.closed_form()
        far, _ = closed.rows_to_refit(problem, value.minimum.curvature, params, most_missed)
        value.refit_all(closed, far, self._between(place) | value.displacements, None)
        return LeftOut(closed.logits, np.isin(np.arange(len(self.weight)), far))

    def _are_kept(self, minimum):
        """Whether the curvatures of all values are, so that there may be values between refits."""
        return 2 * self.n_values * minimum.curvature.hessians.size <= NUMBERS_OF_VALUES

    def _sums(self, losses, rows):
        """Sums (3,) of losses (r,) of some rows by weight, by its square, and of their squares by that."""
        weight = self.weight[rows]
        return np.array([weight @ losses, weight**2 @ losses, (weight * losses) @ (weight * losses)])

    def _refit(self, rows):
        """Put what refits and interpolation say of some rows in place of the closed form, where it is not enough."""
        closed = [value.closed_form(rows) for value in self.values]
        far = [np.flatnonzero(np.isin(rows, value.far)) for value in self.values]
        told: list[int] = []
        for stride in self._strides():
            nodes = [place for place in self._nodes(stride) if place not in told]
            for place in nodes:
                value, at = self.values[place], far[place]
                if told and len(at):
                    at = self._unsettled(place, told, closed, at, rows)
                value.refit(closed[place], at, self._between(place), rows)
            told = sorted([*told, *nodes])
        for value, of_rows, at in zip(self.values, closed, far, strict=True):
            losses = self.losses_of(value.minimum, of_rows.logits[:, at], rows[at])
            value.sums = value.sums + self._sums(losses, rows[at])

    def _strides(self):
        """Strides of the values at which rows are refitted; where values are repeated, of all of them."""
        if not (np.diff(self._times()) > 0).all():
            return STRIDES[-1:]
        return STRIDES

    def _nodes(self, stride):
        """Places of values, a stride apart from the last on, and the first."""
        return sorted({0, *range(len(self.values) - 1, -1, -stride)})

    def _times(self):
        """Logarithms (n_values,) of C, but for a constant."""
        return np.array([-np.log(value.minimum.problem.penalty.ridge) for value in self.values])

    def _unsettled(self, place, told, closed, at, rows):
        """Places among ``at`` of rows that interpolation between values told does not settle; it sets the others."""
        times, value, of_rows = self._times(), self.values[place], rows[at]
        of_told = np.array([closed[node].logits[:, at] for node in told])
        likely, other = (
            make_interp_spline(times[told], of_told, k=degree)(times[place]) for degree in (min(3, len(told) - 1), 1)
        )
        closed[place].logits[:, at] = likely
        likely, other = (self.losses_of(value.minimum, logits, of_rows) for logits in (likely, other))
        weight = self.weight[of_rows]
        differ, loss = weight * np.abs(likely - other), value.sums[0] + weight @ likely
        order = np.argsort(differ, kind="stable")
        n_settled = np.searchsorted(np.cumsum(differ[order]), MOST_BETWEEN * loss, side="right")
        return np.sort(at[order[n_settled:]])

    def _between(self, place):
        """Displacements, by row, between those of the values on both sides that rows were refitted at, or of one."""
        before, after = (
            next((at for at in side if self.values[at].displacements), None)
            for side in (range(place - 1, -1, -1), range(place + 1, len(self.values)))
        )
        if before is None or after is None:
            return {} if before is None else self.values[before].displacements
        left, right, times = self.values[before].displacements, self.values[after].displacements, self._times()
        share = (times[place] - times[before]) / (times[after] - times[before])
        return left | {row: (1 - share) * left[row] + share * right[row] for row in left.keys() & right.keys()}
