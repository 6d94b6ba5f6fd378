"""Leave-one-out in closed form: what the logits of each row would be in a fit without it, from one Hessian.

With H the Hessian of S F at the optimum, D_i the second derivative of row i's loss by its logits, g_i its gradient
(m_i q_i - T_i for cross-entropy), and V_i = (x_i^T kron I) H^-1 (x_i kron I), a step of Newton's without row i is

    e_i = (I - D_i V_i)^-1 g_i        change of the parameters H^-1 (x_i kron e_i)        of the row's logits V_i e_i

which is near where the row moves its own logits by less than about 1. Rows that it moves farther are refitted, and the
next, until those that are left cannot matter to the loss of all. A row may also be held by others, each of which holds
much: where its step moves these so far that they let go, it goes farther than its step, which knows nothing of that. So
it is refitted where it would move by more than 1 without their curvature.

All of these are in directions of the classes that a softmax sees, k of them for K classes. S C is kept, so that the
penalty is what it was; without the only row of a class that class is predicted with a probability of eps, as in a fold.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse

from skce._slices import row_slices
from skce._solver.curvature.exact import ExactCurvature
from skce._solver.curvature.factorisation import weighted_moments
from skce._solver.problem import Problem
from skce._solver.refits import refitted
from skce._types import Array

# What the closed form misses of a row's loss, over the square of the range by which the row moves its own logits. On
# iris, wine, breast cancer and vehicle 0.04 in root mean square up to a range of 1, 0.1 to 0.3 up to 2, 0.05 above.
MISSED = 0.1

# Range above which a row is refitted in any case: the closed form may be off by any number.
FAR = 1.0

# Share of the loss that it may miss, by that, of all rows that are not refitted, in absolute values added up. Against
# refits of all rows the mean was then 0.2 % off at most. A little more of it is enough to choose by: with 0.02
# scores of wine are 0.46 % off, with this 0.12 %, for a quarter more time; large sets have few rows between the two.
MOST_MISSED, MOST_MISSED_OF_CHOICE = 0.003, 0.005

# Effective parameters of a row, the trace of D_i V_i, above which a step that moves it may take its curvature away, and
# with it what kept other rows where they are; and the share of that which may go. On page blocks a row of range 0.9
# moves by 12 without itself, as another, of 0.7, saturates: no step with the Hessian of all rows shows that.
MUCH_HELD, LOST = 0.3, 0.99

# Range below which a row is taken to be where it is, whatever curvature goes.
LITTLE = 0.01

# Added to the identity, so that a row without which there is no optimum has large numbers and no error.
LEAST_LEFT = 1e-12

# Numbers that are computed at once for the spreads of some rows.
NUMBERS_OF_SPREADS = 2**20

# Columns for each direction of the classes up to which spreads are made of products of two columns, which takes fewer
# multiplications, but has to make these. Of letter, of 17 columns and 25 directions, that took a third of the time, of
# satimage, of 37 and 5, three quarters.
MOST_COLUMNS_PER_DIRECTION = 8

# What rounding of the inverse Hessian may leave in a spread.
MOST_ROUNDING = 1e-6

# Share of the mass of an outcome that rounding leaves where its only row is gone.
ROUNDING_OF_MASS = 1e-12


@dataclass(frozen=True, eq=False)
class LeftOut:
    """``logits`` (k, n) of each row in a fit without it, and whether that was one (n,): ``is_refitted``."""

    logits: Array
    is_refitted: Array


@dataclass(frozen=True, eq=False)
class ClosedForm:
    """The closed form of n rows: ``logits`` (k, n) without each, and ``pulls`` (k, n), e_i.

    ``ranges`` (n,) are those by which each moves its own logits, ``spreads`` (n,) the traces of V_i, ``held`` (n,)
    those of D_i V_i, and ``loss`` what all rows cost with them.
    """

    logits: Array
    pulls: Array
    ranges: Array
    spreads: Array
    held: Array
    weight: Array
    loss: float

    @classmethod
    def of(cls, problem: Problem, curvature: ExactCurvature, params: Array, rows: Array | None = None) -> "ClosedForm":
        """That of a problem at its minimum, flat ``params``, of all rows or some."""
        point, classes = problem.split(params), curvature.classes
        (mass,) = problem.rows.summed(lambda block: (block.targets.block(block.at).sum(axis=-1),))
        spreads_of = Spreads.of(curvature, curvature.factors)
        known = replace(problem, rows=problem.rows.without_rows())

        def program(block):
            logits = block.logits(*point)
            step = NewtonWithout.of(known, curvature, spreads_of, block, logits)
            change, alone = classes.expanded(step.change).T, _alone(block, mass)
            is_alone = alone.reshape(-1, alone.shape[-1]).any(axis=0)
            change[:, is_alone] = 0
            logits += change
            _put_to_eps(known, logits, alone)
            weight = block.targets.row_weight(block.at)
            spreads, held = np.einsum("mkk->m", step.V), np.einsum("mkl,mlk->m", step.D, step.V)
            loss = np.atleast_1d(np.sum(step.value))
            return logits, step.pull.T, _ranges(known, change), spreads, held, weight, loss

        arrays = problem.rows.gathered(program) if rows is None else program(problem.rows.block(rows))
        logits, pulls, ranges, spreads, held, weight, losses = arrays
        return cls(logits, pulls, ranges, spreads, held, weight, float(losses.sum()))

    def rows_to_refit(self, problem: Problem, curvature: ExactCurvature, params: Array, most_missed: float) -> Array:
        """Rows, in order, without which the closed form of the others can miss no more than that share of the loss."""
        ranges, held = self.ranges.copy(), np.flatnonzero(self.held > MUCH_HELD)
        rows = np.flatnonzero((ranges > LITTLE) & (ranges <= FAR))
        if len(held) and len(rows):
            are_moved = _moved(problem, curvature, rows, self.pulls[:, rows], held) > FAR
            rows, held = rows[are_moved.any(axis=1)], held[are_moved.any(axis=0)]
        if len(held) and len(rows):
            of_rows = _ranges_if_lost(problem, curvature, params, held, rows)
            ranges[rows] = np.maximum(ranges[rows], of_rows)
        return _rows_to_refit(ranges, self.weight / self.weight.sum(), most_missed * self.loss / problem.total)


def left_out(problem: Problem, curvature: ExactCurvature, params: Array, most_missed: float = MOST_MISSED) -> LeftOut:
    """The LeftOut of a problem at its minimum, flat ``params``, and the ExactCurvature there.

    Rows are refitted until the closed form of the others can miss no more than the share ``most_missed`` of the loss.
    """
    closed = ClosedForm.of(problem, curvature, params)
    far = closed.rows_to_refit(problem, curvature, params, most_missed)
    if len(far):
        near = displacements(problem, curvature, far, closed.pulls[:, far])
        closed.logits[:, far] = refitted(problem, curvature, params, far, near, closed.spreads[far]).logits
    return LeftOut(closed.logits, np.isin(np.arange(len(closed.ranges)), far))


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
            D, V = entries.T, _squared_norms(spreads_of.factors, columns).T / problem.total
            pull = gradient.T / ((1 + LEAST_LEFT) - D * V)
            identity = np.eye(classes.size)
            return cls(pull, V * pull, D[:, :, None] * identity, V[:, :, None] * identity, gradient, value)
        differences = classes.vectors[:, first] - classes.vectors[:, second]
        upper = _upper_triangle(classes.size)
        D = _symmetric((differences[upper[0]] * differences[upper[1]]) @ entries, classes.size)
        V = spreads_of(columns) / problem.total
        reduced = (classes.vectors @ gradient).T[:, :, None]
        pull = np.linalg.solve((1 + LEAST_LEFT) * np.eye(classes.size) - D @ V, reduced)
        return cls(pull[:, :, 0], (V @ pull)[:, :, 0], D, V, gradient, value)


def _rows_to_refit(ranges, weight, most_missed):
    """Rows, in order, to refit: of ranges (n,) above 1, and the next, until others can miss that much of the loss.

    ``weight`` (n,) sums to 1, and ``most_missed`` is of the loss of a unit of it.
    """
    missed = np.where(ranges > FAR, np.inf, MISSED * weight * ranges**2)
    order = np.argsort(missed, kind="stable")
    n_kept = np.searchsorted(np.cumsum(missed[order]), most_missed, side="right")
    n_kept = min(n_kept, np.count_nonzero(ranges <= FAR))
    return np.sort(order[n_kept:])


def _moved(problem, curvature, rows, pulls, others):
    """Ranges (m, h) by which the closed form without each of rows (m,), for e (k, m), moves logits of others (h,)."""
    near = displacements(problem, curvature, rows, pulls)
    columns = curvature.standardisation.columns_of(dense_rows(problem.rows, others))
    change = np.swapaxes(curvature.classes.expanded(near), 1, 2) @ columns
    return _ranges(problem, np.moveaxis(change, 1, 0))


def _ranges_if_lost(problem, curvature, params, held, rows):
    """Ranges (m,) by which rows (m,) would move their own logits if rows ``held`` lost most of their curvature."""
    point, classes = problem.split(params), curvature.classes
    every_row: Any = problem.rows
    block = every_row.block(held)
    of_held = problem.row_loss.curvature(block.logits(*point), block.targets, block.at).entries(*classes.pairs)
    moments = weighted_moments(of_held, curvature.standardisation.columns_of(block.X)) / problem.total
    left = curvature.inverse_factors(curvature.hessians - LOST * curvature.assembled(moments))
    block = every_row.block(rows)
    step = NewtonWithout.of(problem, curvature, Spreads.of(curvature, left), block, block.logits(*point))
    own = np.where(np.isin(rows, held), 1 - LOST, 1.0)[:, None, None] * step.D
    gradient = step.gradient if classes.are_separate else classes.vectors @ step.gradient
    pull = np.linalg.solve((1 + LEAST_LEFT) * np.eye(classes.size) - own @ step.V, gradient.T[:, :, None])
    return _ranges(problem, classes.expanded((step.V @ pull)[:, :, 0]).T)


def dense_rows(rows, at):
    """X (m, d) of some rows, as they are multiplied, dense."""
    X = rows.features(at)
    return X.toarray() if scipy.sparse.issparse(X) else X


@dataclass(frozen=True, eq=False)
class Spreads:
    """Products (m, k, k) of directions by the inverse Hessian, for columns (p, m) of rows, of one factor (r, p, k).

    They are quadratic in the columns. ``quadratic`` are the coefficients (k (k + 1) / 2, p (p + 1) / 2) of products of
    two columns, or None where these are more, or so large that rounding them would show.
    """

    factors: Any
    n_directions: int
    quadratic: Array | None

    @classmethod
    def of(cls, curvature: ExactCurvature, factors: Any) -> "Spreads":
        """Those by the inverse Hessian of ``factors`` (f, r, p), in the directions of a curvature."""
        size = curvature.classes.size
        if curvature.classes.are_separate:
            return cls(factors, size, None)
        n_columns = factors[0].shape[-1] // size
        if n_columns > MOST_COLUMNS_PER_DIRECTION * size:
            return cls(factors, size, None)
        inverse = factors[0].T @ factors[0]
        if np.abs(inverse).max() * n_columns * np.finfo(float).eps > MOST_ROUNDING:
            return cls(factors, size, None)
        first, second = _upper_triangle(n_columns)
        by_columns = inverse.reshape(n_columns, size, n_columns, size)[first, :, second]
        by_columns = by_columns + np.where(first == second, 0, 1)[:, None, None] * np.swapaxes(by_columns, 1, 2)
        upper = _upper_triangle(size)
        return cls(factors, size, np.ascontiguousarray(by_columns[:, upper[0], upper[1]].T))

    def __call__(self, columns: Array) -> Array:
        """The products for columns (p, m)."""
        n_columns, n_rows = columns.shape
        if self.quadratic is None:
            return _spreads(self.factors[0].reshape(-1, n_columns, self.n_directions), columns)
        spreads = np.empty((n_rows, self.n_directions, self.n_directions))
        first, second = _upper_triangle(n_columns)
        for at in row_slices(n_rows, max(NUMBERS_OF_SPREADS // max(self.quadratic.shape), 1)):
            products = columns[first, at]
            products *= columns[second, at]
            spreads[at] = _symmetric(self.quadratic @ products, self.n_directions)
        return spreads


@lru_cache(maxsize=8)
def _upper_triangle(size):
    """Row and column of each entry of a matrix from its diagonal on, which take longer to find than small ones."""
    return np.triu_indices(size)


def _symmetric(upper, size):
    """Symmetric matrices (m, k, k), contiguous, of their upper triangles (k (k + 1) / 2, m)."""
    first, second = _upper_triangle(size)
    place = np.empty((size, size), dtype=np.intp)
    place[first, second] = place[second, first] = np.arange(len(first))
    return upper.T[:, place]


def _spreads(factor, columns):
    """Matrices (m, k, k) of products of directions by the inverse Hessian, for its factor (r, p, k), columns (p, m)."""
    n_parameters, _, n_directions = factor.shape
    spreads = np.empty((columns.shape[1], n_directions, n_directions))
    for at in row_slices(columns.shape[1], max(NUMBERS_OF_SPREADS // (n_parameters * n_directions), 1)):
        by_direction = np.tensordot(columns[:, at], factor, axes=([0], [1]))
        spreads[at] = np.swapaxes(by_direction, 1, 2) @ by_direction
    return spreads


def _squared_norms(factors, columns):
    """Squared norms (k, m) of columns (p, m) by the inverse Hessian of each problem."""
    return np.stack([((factor @ columns) ** 2).sum(axis=0) for factor in factors])


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


def _ranges(problem, change):
    """Ranges (m,) of changes of the logits (k, m) of each row; of sigmoids, whose losses add up, the norms."""
    return np.sqrt((change**2).sum(axis=0)) if problem.are_separate else np.ptp(change, axis=0)


def displacements(problem: Problem, curvature: ExactCurvature, rows: Array, pulls: Array) -> Array:
    """Those of the parameters without each of some ``rows`` (m,) in closed form, reduced (m, p, k), for e (k, m)."""
    return newton_displacements(curvature, dense_rows(problem.rows, rows), pulls) / problem.total


def newton_displacements(curvature: ExactCurvature, X: Array, pulls: Array) -> Array:
    """H^-1 (x kron e), reduced (m, p, k), for rows X (m, d) and e (k, m), of H of F."""
    columns, factors = curvature.standardisation.columns_of(X), curvature.factors
    n_columns, n_rows = columns.shape
    if curvature.classes.are_separate:
        scores = pulls[:, None] * columns
        return (factors.transpose(0, 2, 1) @ (factors @ scores)).transpose(2, 1, 0)
    scores = (columns[:, None] * pulls).reshape(-1, n_rows)
    return (factors[0].T @ (factors[0] @ scores)).T.reshape(n_rows, n_columns, -1)
