"""Far rows: the few that a step moves so far that their loss is not quadratic along it, by themselves, in memory."""

from dataclasses import dataclass
from functools import reduce

import numpy as np
import scipy.sparse

from skce._rows.blocks import Block

# The range of the change of a row's logits from which it is far. The Hessian of its loss changes by up to exp(range).
FAR = 1.0

# Range of the change of the logits up to which the decrement of a fresh exact curvature is an estimate.
MOST_RANGE = 0.5

# The most rows that are kept, as a share of all. On logs of connections a tenth, a fifth and three tenths take 52, 52
# and 50 passes, and inner sweeps worth 23, 43 and 58 more.
MOST_FAR = 0.1

# The most numbers of X that they may hold.
NUMBERS_OF_FAR = 2**24


@dataclass(frozen=True)
class GivenTargets:
    """Targets of some rows: T (k, m) or (2, k, m), as it is."""

    given: np.ndarray

    is_one_a_row = False

    def block(self, at):
        """T of all of these rows."""
        return self.given

    def block_like(self, logits, at):
        """T, in the dtype of the logits."""
        return self.given.astype(logits.dtype, copy=False)

    def row_weight(self, at):
        """Weight (m,) of the rows, or (k, m) where outputs are separate problems."""
        return self.given.sum(axis=0)

    def row_weight_like(self, logits, at):
        """That weight (m,) in the dtype of the logits."""
        return self.row_weight(at).astype(logits.dtype, copy=False)


@dataclass(frozen=True)
class FarRows:
    """Some rows of a problem, a dense ``block``; their losses are divided by S.

    ``largest_range`` is that of all rows of the problem, far or not.
    """

    problem: object
    block: Block
    largest_range: float

    def __len__(self):
        return len(self.block.X)

    def value_gradient(self, params):
        """Their part () of the loss, and its gradient by the parameters, flat."""
        problem, block = self.problem, self.block
        logits = block.logits(*problem.split(params))
        values, logits_gradient = problem.row_loss.values_gradient(logits, block.targets, block.at)
        gradient = np.empty(problem.shape)
        gradient[: block.X.shape[1]] = block.pull_back(logits_gradient)
        if problem.fit_intercept:
            gradient[-1] = logits_gradient.sum(axis=1)
        gradient /= problem.total
        return float(np.sum(values)) / problem.total, gradient.reshape(-1)

    def curvature(self, params):
        """Their curvatures, not divided by S."""
        logits = self.block.logits(*self.problem.split(params))
        return self.problem.row_loss.curvature(logits, self.block.targets, self.block.at)


def far_rows(problem, params, steps, least):
    """The FarRows that some ``steps`` of the parameters, flat, move far, and along which their loss is not quadratic.

    It departs from its quadratic by more than ``least`` over n, of F; if these are too many, those that depart most.
    """
    steps = [problem.split(step) for step in steps]
    point = problem.split(params)
    n_rows, n_features = problem.rows.shape
    share = min(MOST_FAR, NUMBERS_OF_FAR / (n_rows * n_features))
    are_separate, departures_of = problem.are_separate, problem.row_loss.departures
    least = least * problem.total / n_rows

    def program(block):
        departures, ranges = [], []
        for step in steps:
            moved = block.logits(*step)
            ranges.append(_ranges(moved, are_separate))
            departures.append(departures_of(block.logits(*point), moved, block.targets, block.at))
        ranges, departures = reduce(np.maximum, ranges), reduce(np.maximum, departures)
        most = max(int(share * len(ranges)), 1)
        far = np.flatnonzero((departures > least) & (ranges > FAR))
        if len(far) > most:
            far = np.sort(far[np.argpartition(-departures[far], most)[:most]])
        X = block.X[far]
        dense = X.toarray() if scipy.sparse.issparse(X) else X
        at = far + block.at.start if isinstance(block.at, slice) else block.at[far]
        return dense.T, block.targets.block(at), np.array([ranges.max()])

    columns, targets, largest = problem.rows.gathered(program)
    block = Block(np.ascontiguousarray(columns.T), GivenTargets(targets), slice(0, columns.shape[1]))
    return FarRows(problem, block, float(largest.max()))


def change_of_far_rows(problem, params, step):
    """What rows that a step moves by a range of more than MOST_RANGE change F by, and would at their rate, added up.

    Where that is next to nothing, they make the decrement of the others no less of an estimate.
    """
    point, step = problem.split(params), problem.split(step)
    # The program must not hold the problem, whose rows may lie on a cluster.
    losses_gradient, are_separate = problem.row_loss.losses_gradient, problem.are_separate

    def program(block):
        moves = block.logits(*step)
        is_far = _ranges(moves, are_separate) > MOST_RANGE
        targets = block.targets.block(block.at)[..., is_far]
        logits, moves = block.logits(*point)[:, is_far], moves[:, is_far]
        moved, _ = losses_gradient(logits + moves, targets)
        losses, gradient = losses_gradient(logits, targets)
        return (np.abs(moved - losses).sum() + np.abs((gradient * moves).sum(axis=0)).sum(),)

    return problem.rows.summed(program)[0] / problem.total


def _ranges(logits, are_separate):
    """Range (m,) of the changes of the logits (k, m) of each row: of sigmoids, which have another of 0, the largest."""
    return np.abs(logits).max(axis=0) if are_separate else logits.max(axis=0) - logits.min(axis=0)
