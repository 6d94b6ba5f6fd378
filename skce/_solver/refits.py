"""Fits without a row: the minima of a problem without each of some rows, from near them.

Of a small problem all of them are found together. Of others one after another, by Newton's steps
of conjugate gradients in the coordinates of the curvature of all rows.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from skce._slices import row_slices
from skce._solver.conjugate_gradients import newton_step
from skce._solver.curvature.exact import ExactCurvature
from skce._solver.curvature.ladder import has_cheap_hessian, rungs_for
from skce._solver.descent import Descent, Point
from skce._solver.moves import Moves
from skce._solver.objective import LinearObjective
from skce._solver.problem import Problem
from skce._solver.refits_together import (
    LEAST_OFF,
    MOST_OFF,
    RESOLUTION,
    ROUNDING,
    SHARE_OFF,
    Enough,
    Refits,
    Together,
    displacements_of,
)
from skce._solver.spreads import KeptProducts
from skce._types import Array

# What the logits of a row may be off by in a fit without it, by the decrement, where one more step ends that. One by
# one the last step is by a fresh Hessian, and what is left after it is quadratic in what it promised.
MOST_OFF_AFRESH = 0.2
MOST_STEPS = 200

# Share of what the last step promised, above which a refit together with others takes a Hessian of where it is. With
# 0.1 they take twice as many, with 0.4 half of them and 5 to 20 % more evaluations. Where a Hessian is dear it is more:
# on digits, where one takes 20 times an evaluation, 0.2 took twice the time.
FALL, FALL_WHERE_DEAR = 0.2, 0.7

# Gain of F over what a step promises, of one that is taken; how much shorter the next one is, and how often at most.
LEAST_GAIN, SHORTER, MOST_SHORTER = 1e-4, 0.25, 20

# Numbers of the columns of all rows up to which rows are refitted together, and of what is kept of them at once.
NUMBERS_OF_COLUMNS = 2**20
NUMBERS_AT_ONCE = 2**22


@dataclass(frozen=True, eq=False)
class FitsWithout:
    """Fits without a row of a ``problem`` that has its minimum, and this ``curvature``, at the flat ``params``.

    Their displacements from there are reduced parameters (r, p, k), as those of the curvature. The closed form may miss
    ``most_missed`` of the loss of all rows. Products of columns may be ``kept``.
    """

    problem: Problem
    curvature: ExactCurvature
    params: Array
    most_missed: float
    kept: KeptProducts = field(default_factory=KeptProducts)

    def refitted(self, rows: Array, reduced: Array, spreads: Array) -> Refits:
        """The Refits without each of some ``rows`` (r,), from displacements, for the traces (r,) of V of the rows."""
        together = self.together
        if together is None:
            enough = Enough.of(MOST_OFF_AFRESH, spreads, self.problem.total)
            of_rows = zip(rows.tolist(), displacements_of(self.curvature, reduced), enough.most_promised, strict=True)
            parts = [_refit(self.problem, self.curvature, self.params, *of_row) for of_row in of_rows]
        else:
            enough = self._enough(spreads)
            fall = FALL if has_cheap_hessian(rungs_for(LinearObjective(self.problem))) else FALL_WHERE_DEAR
            slices = row_slices(len(rows), max(NUMBERS_AT_ONCE // self.curvature.hessians.size, 1))
            parts = [together.refits(rows[at], reduced[at], enough.of_some(at), MOST_STEPS, fall) for at in slices]
        logits, moved = [part.logits for part in parts], [part.displacements for part in parts]
        ended, by_all = [part.has_ended for part in parts], [part.is_by_all for part in parts]
        return Refits(
            np.concatenate(logits, axis=1), np.concatenate(moved), np.concatenate(ended), np.concatenate(by_all)
        )

    def carried(
        self, together: Together, rows: Array, reduced: Array, spreads: Array, times: float
    ) -> tuple[Array, Array]:
        """Displacements to where minima without each of some ``rows`` (r,) lead from a ridge so many ``times`` this.

        And by how much of what they may be off by the logits of the rows move there, by the step and what it promises.
        """
        enough = self._enough(spreads)
        displaced, promised, ranges = together.carried(rows, reduced, times)
        # Rounding may leave a Hessian without a row less than nothing.
        of_promise = np.where(promised >= 0, np.sqrt(np.abs(promised) / enough.most_promised), np.inf)
        return displaced, np.maximum(ranges / enough.most_off, of_promise)

    def _enough(self, spreads):
        """The Enough of fits together without rows, for the traces (r,) of V of these."""
        share_off = SHARE_OFF * self.most_missed / np.sqrt(len(spreads))
        return Enough.of(min(max(share_off, LEAST_OFF), MOST_OFF), spreads, self.problem.total)

    @cached_property
    def together(self) -> Together | None:
        """What fits of many rows have in common, or None if these are fitted one by one."""
        problem = self.problem
        if problem.shape[0] * problem.rows.shape[0] > NUMBERS_OF_COLUMNS:
            return None
        return Together.of(replace(problem, rows=problem.rows.in_memory()), self.curvature, self.params, self.kept)


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
    return Refits(
        own.logits(*problem.split(best)),
        (best - params)[None],
        np.array([has_ended]),
        np.array([False]),
    )


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
