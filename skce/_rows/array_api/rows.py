"""Rows of an array of another library: sums over them where they are, a block at a time, fetched in one piece."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from skce._rows.array_api.arrays import DeviceArray
from skce._rows.blocks import Block, RowBlocks, points_between
from skce._slices import ELEMENTS_PER_BLOCK, ROWS_PER_BLOCK, row_slices

# Numbers of X in a block on a CPU, which both of its products then find in the cache: of 784 columns in float64, 1024
# rows took 4.2 ms for 3276 rows, 3276 at once 8.1 ms.
NUMBERS_OF_X = 2**19

# Bytes that the arrays of a block may take beside X on an accelerator: this share of X, and no less than that; and how
# many arrays like its logits a block holds at once. A block of 2^22 rows of 10 classes, 3 GB, took half the time of
# blocks of 2^18 in a sketch of an evaluation on an H100 (20 million rows of 100 columns).
SHARE_OF_X, LEAST_BYTES = 1 / 8, 2**28
ARRAYS_PER_BLOCK = 6
MOST_ROWS = 2**22


# Numbers of a vector from which the vectors of L-BFGS are on an accelerator. An iteration with 20 corrections, without
# the evaluation, took L-BFGS-B 0.06, 0.2, 0.8, 10 and 31 ms for 1,000, 2^12, 2^14, 2^18 and 2^20 numbers on a CPU; the
# calls of the other, which is all that it costs where vectors are on a device, 0.15 ms. It was not tried on a GPU.
LONG_VECTOR = 2**12


@dataclass(slots=True)
class DeviceBlock(Block):
    """A Block whose X, targets and logits are DeviceArrays; ``moved`` remembers what coefficients have been moved."""

    X: Any
    moved: dict[Any, Any]

    def logits(self, coef, intercept):
        """Logits (K, m) for coef (d, K), None for zeros, and intercept (K,), in the dtype of X."""
        if coef is None:
            logits = np.zeros_like(self.X, shape=(len(intercept), len(self.X)))
        else:
            logits = self._moved(coef.T) @ self.X.T
        logits += self._moved(intercept)[:, None]
        return logits

    def pull_back(self, gradient):
        """Gradient (d, K) by coef, given that by the logits (K, m), in the dtype of X."""
        return (gradient @ self.X).T

    def _moved(self, array):
        """An array on the device, in the dtype of X; one of NumPy is moved once for all blocks of a sum."""
        if isinstance(array, DeviceArray):
            return array.astype(self.X.dtype, copy=False)
        key = array.__array_interface__["data"][0], array.shape, array.strides, self.X.dtype
        if key not in self.moved:
            # With the array itself, as another one might be given its memory.
            self.moved[key] = array, self.X.place.lifted(array.astype(self.X.dtype, copy=False))
        return self.moved[key][1]


@dataclass(frozen=True)
class DeviceRows(RowBlocks):
    """The rows of ``X`` (n, d), a DeviceArray, and their ``targets``, whose labels and weights are DeviceArrays too.

    ``are_equal`` says that all rows weigh the same; ``moved`` is what blocks of one sum share.
    """

    X: Any
    moved: dict[Any, Any] | None = None
    are_equal: bool = False

    @contextmanager
    def at_work(self):
        """The same rows: a device has threads of its own."""
        yield self

    @cached_property
    def is_on_accelerator(self):
        """Whether the device is another than the CPU, whose caches blocks should fit in."""
        return "cpu" not in str(self.X.place.device).lower()

    def slices(self, n_rows, width=None):
        """Slices that cover ``n_rows`` rows, a block each, which hold ``width`` numbers a row."""
        width = max(width or self.n_outputs, 1)
        if not self.is_on_accelerator:
            rows = min(ELEMENTS_PER_BLOCK // width, NUMBERS_OF_X // max(self.shape[1], 1))
            return row_slices(n_rows, max(rows, ROWS_PER_BLOCK))
        is_copied = self.shift is not None or self.X.dtype != self.dtype
        numbers = ARRAYS_PER_BLOCK * self.n_outputs + width + is_copied * self.shape[1]
        most_bytes = max(SHARE_OF_X * self.X.nbytes, LEAST_BYTES)
        most = int(most_bytes / (numbers * np.dtype(self.dtype).itemsize))
        return row_slices(n_rows, min(max(most, ROWS_PER_BLOCK), MOST_ROWS))

    def block(self, at):
        """The DeviceBlock of the rows of a slice, or of an array of indices."""
        return DeviceBlock(self.features(at), self.targets, at, {} if self.moved is None else self.moved)

    def without(self, row):
        """The same rows, of which one weighs nothing."""
        targets, weight = self.targets, np.array(self.targets.sample_weight)
        weight[row] = 0
        lifted = targets.of_rows(targets.labels, self.X.place.lifted(weight))
        return replace(self, targets=lifted, are_equal=False)

    def stacked(self, program):
        """The arrays (..., n) that ``program`` returns for a Block of all rows, on the host."""
        return [np.asarray(array) for array in super().stacked(program)]

    def gathered(self, program):
        """The arrays (..., m) that ``program`` returns of some of the rows of each Block, joined, on the host."""
        rows = replace(self, moved={})
        of_blocks = [[np.asarray(array) for array in program(rows.block(at))] for at in self.usual_slices]
        return [np.concatenate(arrays, axis=-1) for arrays in zip(*of_blocks, strict=True)]

    def lowest(self, program):
        """The lowest of the numbers (m,) that ``program`` returns for a Block."""
        return float(super().lowest(program))

    def summed(self, program, width=None):
        """Sums, one for each entry of the tuple that ``program`` returns for a Block, on the host."""
        return self._summed_in_shares(program, self.slices(self.shape[0], width))

    def summed_where(self, params, program):
        """Sums as above where the parameters are that ``program`` is about: on the host, or at the place of X."""
        sums = self._summed_there(program, self.usual_slices)
        return sums if isinstance(params, DeviceArray) else _on_host_at_once(sums, self.X.place)

    def where_large(self, matrix):
        """A matrix of NumPy at the place of X, if that is one where large matrices are factorised sooner."""
        return self.X.place.lifted(matrix) if self.is_on_accelerator else matrix

    def where_iterations_are(self, *values):
        """Vectors, and curvatures that multiply them, at the place of X if it is an accelerator and they are long."""
        size = max(value.size for value in values if isinstance(value, np.ndarray))
        if not self.is_on_accelerator or size < LONG_VECTOR:
            return values
        return tuple(map(self.X.place.with_arrays_of, values))

    def drawn(self, n_draws, before, total):
        """Indices, in order, of rows drawn in proportion to their weight, as of rows in memory."""
        if self.are_equal:
            n_rows = self.shape[0]
            return np.minimum(points_between(0, n_rows, n_rows, n_draws).astype(np.intp), n_rows - 1)
        return self.on_host.drawn(n_draws, before, total)

    @cached_property
    def on_host(self):
        """RowBlocks of no columns that have the weights of these rows in the host's memory."""
        weights: Any = WeightsOnHost.of(self.targets)
        return RowBlocks(np.empty((self.shape[0], 0)), weights)

    def _summed_in_shares(self, program, slices):
        """Sums as above over the given rows, slices or arrays of indices, moved to the host at once."""
        return _on_host_at_once(self._summed_there(program, slices), self.X.place)

    def _summed_there(self, program, slices):
        """The same sums, at the place of X where the program's terms are."""
        rows = replace(self, moved={})
        sums: list[Any] = []
        for at in slices:
            terms = [_in_float64(term) for term in program(rows.block(at))]
            sums = [total + term for total, term in zip(sums, terms, strict=True)] if sums else terms
        return sums


@dataclass(frozen=True)
class WeightsOnHost:
    """What draws rows needs of targets: the weights (n,) of the rows, in slices, and their sums up to each."""

    weight: np.ndarray
    slices_of_weights: list
    cumulated_weights: np.ndarray

    is_unweighted = False

    @classmethod
    def of(cls, targets):
        """Those of Targets at a place."""
        slices = targets.slices_of_weights
        weight = np.concatenate([np.asarray(targets.row_weight(at)) for at in slices])
        return cls(weight, slices, np.cumsum([0.0, *(weight[at].sum() for at in slices)]))

    def row_weight(self, at):
        """Weight (m,) of some rows."""
        return self.weight[at]


def _in_float64(term: Any) -> Any:
    """A term of a sum in float64, at its place or, if it is an array or a number of the host, there."""
    return term.astype(np.float64, copy=False) if isinstance(term, DeviceArray) else np.asarray(term, np.float64)


def _on_host_at_once(sums, place):
    """Sums as arrays of NumPy, by one transfer."""
    placed = [number for number, term in enumerate(sums) if isinstance(term, DeviceArray)]
    if placed:
        flat = np.asarray(np.concatenate([sums[number].reshape(-1) for number in placed]))
        ends = np.cumsum([sums[number].size for number in placed])
        for number, part in zip(placed, np.split(flat, ends[:-1]), strict=True):
            sums[number] = part.reshape(sums[number].shape).copy()
    return sums
