"""Leave-one-out in closed form: what the logits of each row would be in a fit without it, from one Hessian.

With H the Hessian of S F at the optimum, D_i the second derivative of row i's loss by its logits, g_i its gradient
(m_i q_i - T_i for cross-entropy), and V_i = (x_i^T kron I) H^-1 (x_i kron I), a step of Newton's without row i is

    e_i = (I - D_i V_i)^-1 g_i        change of the parameters H^-1 (x_i kron e_i)        of the row's logits V_i e_i

which misses a share of what it changes of the row's loss, about as large as the range by which the row moves its own
logits. Rows of which it may miss most are refitted, until those that are left cannot matter to the loss of all; and
those whose change alone could. Outcomes that are next to impossible, with the row and without, do not count, however
far they move. A row may also be held by others, each of which holds much: where its step moves these so far that they
let go, it goes farther than its step, which knows nothing of that. So it is refitted where it would move by more than 1
without their curvature.

All of these are in directions of the classes that a softmax sees, k of them for K classes. S C is kept, so that the
penalty is what it was; without the only row of a class that class is predicted with a probability of eps, as in a fold.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skce._solver.curvature.exact import ExactCurvature
from skce._solver.curvature.factorisation import weighted_moments
from skce._solver.moves import Moves, ranges_of
from skce._solver.problem import Problem
from skce._solver.refits import FitsWithout
from skce._solver.spreads import KeptProducts, Spreads, dense_rows, squared_norms, symmetric, upper_triangle
from skce._types import Array

# Range above which a row that others hold would go far.
FAR = 1.0

# Share of the loss that it may miss, by that, of all rows that are not refitted, in absolute values added up. A row of
# which it changes more is refitted if its range is above NOT_NEAR: of logs of connections it missed of one, of a range
# of 0.7, as much as it said. Of six draws of 300 rows of wine quality, C = 1, scores of a path are then 0.27 % off at
# most, and 0.45 % with a share of 0.005, with which seven sets took 0.9 to 1.0 of the time.
NOT_NEAR = 0.3
MOST_MISSED = 0.003

# Effective parameters of a row, the trace of D_i V_i, above which a step that moves it may take its curvature away, and
# with it what kept other rows where they are; and the share of that which may go. On page blocks a row of range 0.9
# moves by 12 without itself, as another, of 0.7, saturates: no step with the Hessian of all rows shows that.
MUCH_HELD, LOST = 0.3, 0.99

# Range below which a row is taken to be where it is, whatever curvature goes.
LITTLE = 0.01

# Square of the range of a vector over that of its length, at most; of sigmoids, whose range is the length, it is 1.
MOST_RANGE = 2.0

# What rounding may leave of that range, at most, where it is told in float32: on ctg, page blocks and pendigits a
# hundredth of that.
ROUNDING_OF_RANGE = 0.1

# Added to the identity, so that a row without which there is no optimum has large numbers and no error.
LEAST_LEFT = 1e-12

# Share of the mass of an outcome that rounding leaves where its only row is gone.
ROUNDING_OF_MASS = 1e-12


@dataclass(frozen=True, eq=False)
class LeftOut:
    """``logits`` (k, n) of each row in a fit without it, and whether that was one (n,): ``is_refitted``.

    ``n_unended`` of these were not near enough when their steps ran out.
    """

    logits: Array
    is_refitted: Array
    n_unended: int = 0


@dataclass(frozen=True, eq=False)
class ClosedForm:
    """The closed form of n rows: ``logits`` (k, n) without each, and ``pulls`` (k, n), e_i.

    ``moves`` are the Moves of each row by its own, ``spreads`` (n,) the traces of V_i, ``held`` (n,) those of D_i V_i,
    and ``lengths`` (n,) squared lengths of what changes the parameters, by the Hessian. ``loss`` is what all rows cost
    without themselves, or less where the closed form may miss what it says.
    """

    logits: Array
    pulls: Array
    moves: "Moves"
    spreads: Array
    held: Array
    lengths: Array
    loss: float

    @classmethod
    def of(cls, problem: Problem, curvature: ExactCurvature, params: Array, kept: KeptProducts) -> "ClosedForm":
        """That of a problem at its minimum, flat ``params``, of all rows, of which products may be ``kept``."""
        point, classes = problem.split(params), curvature.classes
        (mass,) = problem.rows.summed(lambda block: (block.targets.block(block.at).sum(axis=-1),))
        spreads_of = Spreads.of(curvature, curvature.factors, kept)
        known = replace(problem, rows=problem.rows.without_rows())

        def program(block):
            logits = block.logits(*point)
            step = NewtonWithout.of(known, curvature, spreads_of, block, logits)
            change, alone = classes.expanded(step.change).T, _alone(block, mass)
            is_alone = alone.reshape(-1, alone.shape[-1]).any(axis=0)
            change[:, is_alone] = 0
            moves = Moves.of(known, block.targets.block(block.at), logits, change)
            logits += change
            _put_to_eps(known, logits, alone)
            spreads, held = np.einsum("mkk->m", step.V), np.einsum("mkl,mlk->m", step.D, step.V)
            lengths = (step.pull * step.change).sum(axis=1)
            loss = np.atleast_1d(np.sum(step.value) + np.maximum(moves.rises - moves.missed, 0).sum())
            return logits, step.pull.T, moves.ranges, moves.costs, moves.rises, spreads, held, lengths, loss

        logits, pulls, ranges, costs, rises, spreads, held, lengths, losses = problem.rows.gathered(program)
        return cls(logits, pulls, Moves(ranges, costs, rises), spreads, held, lengths, float(losses.sum()))

    @property
    def most_missed(self) -> float:
        """What it may miss of the loss of all rows."""
        return MOST_MISSED * self.loss

    def rows_to_refit(self, problem: Problem, curvature: ExactCurvature, params: Array) -> tuple[Array, Array]:
        """Rows (r,), in order, but for which the closed form can miss no more than it may.

        And what it may miss (r,) of their losses, which is inf of rows that are to be refitted in any case.
        """
        missed, ranges, held = self.moves.missed, self.moves.ranges, np.flatnonzero(self.held > MUCH_HELD)
        rows = np.flatnonzero(ranges > LITTLE)
        if len(held):
            # By no more than both lengths allow, most rows move no others far.
            farthest = MOST_RANGE * self.lengths[rows] * self.spreads[held].max()
            rows = rows[farthest > FAR**2]
        if len(held) and len(rows):
            are_moved = _moved(problem, curvature, rows, self.pulls[:, rows], held) > FAR
            rows, held = rows[are_moved.any(axis=1)], held[are_moved.any(axis=0)]
        if len(held) and len(rows):
            ranges_if_lost = _moves_if_lost(problem, curvature, params, held, rows).ranges
            missed[rows[ranges_if_lost > FAR]] = np.inf
        missed[(self.moves.costs > self.most_missed) & (ranges > NOT_NEAR)] = np.inf
        order = np.argsort(missed, kind="stable")
        n_kept = np.searchsorted(np.cumsum(missed[order]), self.most_missed, side="right")
        rows = np.sort(order[n_kept:])
        return rows, missed[rows]


def left_out(problem: Problem, curvature: ExactCurvature, params: Array) -> LeftOut:
    """The LeftOut of a problem at its minimum, flat ``params``, and the ExactCurvature there."""
    kept = KeptProducts()
    closed = ClosedForm.of(problem, curvature, params, kept)
    far, _ = closed.rows_to_refit(problem, curvature, params)
    n_unended = 0
    if len(far):
        near = displacements(problem, curvature, far, closed.pulls[:, far])
        fits = FitsWithout(problem, curvature, params, closed.most_missed, kept)
        refits = fits.refitted(far, near, closed.spreads[far])
        closed.logits[:, far], n_unended = refits.logits, int(np.count_nonzero(~refits.has_ended))
    return LeftOut(closed.logits, np.isin(np.arange(len(closed.held)), far), n_unended)


@dataclass(frozen=True, eq=False)
class NewtonWithout:
    """A step of Newton's without a row, of each of m rows, in k directions of the classes.

    ``pull`` (m, k) is e_i, ``change`` (m, k) that of the row's logits, ``D`` and ``V`` are (m, k, k), and ``gradient``
    (K, m) is that by the logits; ``value`` is the rows' loss.
    """

    pull: Array
    change: Array
    D: Array
    V: Array
    gradient: Array
    value: Array

    @classmethod
    def of(cls, problem, curvature, spreads_of, block, logits):
        """That of the rows of a block with these logits (K, m), for the Spreads by an inverse Hessian."""
        classes, row_loss = curvature.classes, problem.row_loss
        first, second = classes.pairs
        entries = row_loss.curvature(logits.copy(), block.targets, block.at).entries(first, second)
        value, gradient = row_loss.values_gradient(logits.copy(), block.targets, block.at)
        columns = curvature.standardisation.columns_of(block.X)
        if classes.are_separate:
            D, V = entries.T, squared_norms(spreads_of.factors, columns).T / problem.total
            pull = gradient.T / ((1 + LEAST_LEFT) - D * V)
            identity = np.eye(classes.size)
            return cls(pull, V * pull, D[:, :, None] * identity, V[:, :, None] * identity, gradient, value)
        differences = classes.vectors[:, first] - classes.vectors[:, second]
        upper = upper_triangle(classes.size)
        D = symmetric((differences[upper[0]] * differences[upper[1]]) @ entries, classes.size)
        V = spreads_of.of_block(block.X, curvature.standardisation, columns) / problem.total
        reduced = (classes.vectors @ gradient).T[:, :, None]
        pull = np.linalg.solve((1 + LEAST_LEFT) * np.eye(classes.size) - D @ V, reduced)
        return cls(pull[:, :, 0], (V @ pull)[:, :, 0], D, V, gradient, value)


def _moved(problem, curvature, rows, pulls, others):
    """Ranges (m, h) by which the closed form without each of rows (m,), for e (k, m), moves logits of others (h,)."""
    of_rows, of_others = (
        curvature.standardisation.columns_of(dense_rows(problem.rows, each)) for each in (rows, others)
    )
    inverses, pulls = curvature.inverses, pulls / problem.total
    lengths, of_pulls, of_held = (np.linalg.norm(each, axis=0) for each in (of_rows, pulls, of_others))
    rounding = np.linalg.norm(inverses) * (lengths * of_pulls).max() * of_held.max() * np.finfo(np.float32).eps
    # In half of the time where that leaves what is asked.
    dtype = np.float32 if rounding <= ROUNDING_OF_RANGE * FAR else np.float64
    inverses, of_rows, of_others, pulls = (
        each.astype(dtype, copy=False) for each in (inverses, of_rows, of_others, pulls)
    )
    near = curvature.classes.expanded(_products_by_inverses(curvature, inverses, of_rows, pulls)).astype(dtype)
    change = np.moveaxis(near, 2, 0).reshape(-1, len(of_others)) @ of_others
    return ranges_of(problem, change.reshape(near.shape[2], -1, len(others)))


def _moves_if_lost(problem, curvature, params, held, rows):
    """The Moves of rows (m,) by their own if rows ``held`` lost most of their curvature."""
    point, classes = problem.split(params), curvature.classes
    every_row: Any = problem.rows
    block = every_row.block(held)
    of_held = problem.row_loss.curvature(block.logits(*point), block.targets, block.at).entries(*classes.pairs)
    moments = weighted_moments(of_held, curvature.standardisation.columns_of(block.X)) / problem.total
    left = curvature.inverse_factors(curvature.hessians - LOST * curvature.assembled(moments))
    block = every_row.block(rows)
    logits = block.logits(*point)
    step = NewtonWithout.of(problem, curvature, Spreads.of(curvature, left), block, logits)
    own = np.where(np.isin(rows, held), 1 - LOST, 1.0)[:, None, None] * step.D
    gradient = step.gradient if classes.are_separate else classes.vectors @ step.gradient
    pull = np.linalg.solve((1 + LEAST_LEFT) * np.eye(classes.size) - own @ step.V, gradient.T[:, :, None])
    return Moves.of(problem, block.targets.block(block.at), logits, classes.expanded((step.V @ pull)[:, :, 0]).T)


def _alone(block, mass):
    """Whether a row has all the mass of an outcome, which is (k,) or (2, k): of each outcome and row."""
    targets = block.targets.block(block.at)
    return (targets > 0) & (mass[..., None] - targets <= ROUNDING_OF_MASS * mass[..., None])


def _put_to_eps(problem, logits, alone):
    """Set the logits (k, m) of outcomes that have no mass without a row, so that their probability there is eps."""
    if not alone.any():
        return
    least = np.log(np.finfo(problem.rows.dtype_of_X).eps)
    if problem.are_separate:
        logits[alone[0]], logits[alone[1]] = least, -least
        return
    for row in np.flatnonzero(alone.any(axis=0)):
        others = logits[~alone[:, row], row]
        logits[alone[:, row], row] = np.logaddexp.reduce(others) + least


def displacements(problem: Problem, curvature: ExactCurvature, rows: Array, pulls: Array) -> Array:
    """Those of the parameters without each of some ``rows`` (m,) in closed form, reduced (m, p, k), for e (k, m)."""
    columns = curvature.standardisation.columns_of(dense_rows(problem.rows, rows))
    return _products_by_inverses(curvature, curvature.inverses, columns, pulls) / problem.total


def _products_by_inverses(curvature, inverses, columns, pulls):
    """H^-1 (x kron e), reduced (m, p, k), for columns (p, m), e (k, m), and the inverses (f, q, q) of H of F."""
    n_columns, n_rows = columns.shape
    if curvature.classes.are_separate:
        return (inverses @ (pulls[:, None] * columns)).transpose(2, 1, 0)
    scores = (columns[:, None] * pulls).reshape(-1, n_rows)
    return (inverses[0] @ scores).T.reshape(n_rows, n_columns, -1)
