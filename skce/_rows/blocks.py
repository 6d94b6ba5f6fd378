"""Row blocks: sums over the rows of a dense array, a CSR matrix or a memory map, a block at a time, none copied whole.

A block is (m, d). Its numbers are multiplied in the dtype of X, float32 or float64, while sums over blocks are float64.
Columns whose mean dwarfs their spread (years, identifiers) would lose the digits of their spread in every product, so
that blocks of a dense X may be taken minus a ``shift``; float32 columns that are far from zero, or whose units are far
from 1, are multiplied in float64.
"""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

from skce._rows.columns import merged_columns
from skce._rows.threads import ONE_WORKER, Workers, workers_for
from skce._slices import ELEMENTS_PER_BLOCK, ROWS_PER_BLOCK, row_slices
from skce._types import Targets

# Numbers that a program of all rows at once may return.
NUMBERS_TO_STACK = 2**24

# Numbers of a block where threads share the rows: they hand the interpreter's lock to each other between calls, so that
# there should be fewer calls than where there is one thread.
ELEMENTS_PER_THREADED_BLOCK = 2**16

# Numbers of X in a dense block: read for the logits, they are still in the cache where they are read again. With it
# evaluations of 100,000 x 120 took 0.78 of their time; 2^17 took 0.80, and 2^20 0.86.
NUMBERS_PER_DENSE_BLOCK = 2**19

# Rows of a dense block, where the logits of those of all threads take no more than so many bytes: the product of a
# block is added to those of the others, d K numbers. With 128 rows, evaluations of 100 to 1000 classes took 1.05 to 1.3
# times as long.
ROWS_TO_ADD, BYTES_TO_ADD = 2**9, 2**22

# Numbers of X (16 MB) up to which blocks that are not as it has them, in another dtype or shifted, are views of a
# copy: to change a block takes longer than to read it, and float32 took 1.3 times the time of float64 on spambase.
MOST_NUMBERS_CHANGED_AT_ONCE = 2**21

# Stored numbers of a sparse block; more for many columns, as scipy's product allocates a dense (d, K) gradient.
NUMBERS_PER_SPARSE_BLOCK = 2**19
NUMBERS_PER_SPARSE_COLUMN = 32

# Multiplications that a logit of a row takes besides those of its product.
WORK_PER_LOGIT = 30


class RowsLostError(RuntimeError):
    """Rows that lie elsewhere cannot be reached any more."""


@dataclass(slots=True)  # not frozen, which takes three times as long to make
class Block:
    """Some rows: their part ``X`` (m, d), dense or CSR; and ``at``, a slice or indices, where ``targets`` have them."""

    X: np.ndarray
    targets: Targets
    at: slice | np.ndarray

    def logits(self, coef, intercept):
        """Logits (K, m), in C order, for coef (d, K), None for zeros, and intercept (K,), in the dtype of X."""
        if coef is None:
            return np.repeat(intercept.astype(self.X.dtype)[:, None], self.X.shape[0], axis=1)
        coef = coef.astype(self.X.dtype, copy=False)
        # Rows first is the only order of sparse products, and the quicker one of float32.
        if scipy.sparse.issparse(self.X) or self.X.dtype == np.float32:
            logits = np.ascontiguousarray((self.X @ coef).T)
        else:
            logits = np.matmul(coef.T, self.X.T, order="C")
        logits += intercept[:, None]
        return logits

    def pull_back(self, gradient):
        """Gradient (d, K) by coef, given that by the logits (K, m), in the dtype of X."""
        if scipy.sparse.issparse(self.X):
            return self.X.T @ gradient.T
        return (gradient @ self.X).T


@dataclass(frozen=True)
class RowBlocks:
    """The rows of ``X`` (n, d), minus ``shift`` (d,) unless that is None, and their ``targets``.

    Programs that are summed take a Block. They know of no other rows, so that they can be sent to where the rows are.
    """

    X: np.ndarray
    targets: Targets
    shift: np.ndarray | None = None
    dtype: type = np.float64
    workers: Workers = ONE_WORKER

    numbers_to_stack = NUMBERS_TO_STACK

    @property
    def shape(self):
        """n and d."""
        return self.X.shape

    @property
    def n_outputs(self):
        """Logits of a row that are optimised."""
        return len(self.targets.outputs)

    @property
    def numbers_per_row(self):
        """Stored numbers of a row, on average."""
        return self.X.nnz / self.shape[0] if self.is_sparse else self.shape[1]

    @cached_property
    def is_sparse(self):
        """Whether X, and each block, is a CSR matrix."""
        return scipy.sparse.issparse(self.X)

    @property
    def dtype_of_X(self):
        """float32 or float64."""
        return self.X.dtype.type

    @contextmanager
    def at_work(self):
        """The same rows with as many threads as an evaluation is worth, while BLAS runs on one."""
        with workers_for(work=self.shape[0] * self.n_outputs * (self.numbers_per_row + WORK_PER_LOGIT)) as workers:
            yield self if workers is self.workers else replace(self, workers=workers)

    @cached_property
    def usual_slices(self):
        """Slices that cover the rows, a block each."""
        return self.slices(self.shape[0])

    def slices(self, n_rows, width=None):
        """Slices that cover ``n_rows`` rows, a block each, which hold ``width`` dense numbers a row."""
        if self.is_sparse and width is None:
            numbers = max(NUMBERS_PER_SPARSE_BLOCK, NUMBERS_PER_SPARSE_COLUMN * self.shape[1])
            step = int(numbers / max(self.numbers_per_row, self.n_outputs))
            return row_slices(n_rows, min(max(step, 1), -(-n_rows // self.workers.count)))
        elements = ELEMENTS_PER_BLOCK if self.workers.count == 1 else ELEMENTS_PER_THREADED_BLOCK
        width = max(width or self.n_outputs, 1)
        step = elements // width
        if not self.is_sparse:
            numbers = BYTES_TO_ADD // (np.dtype(self.dtype).itemsize * self.workers.count)
            step = max(step, min(ROWS_TO_ADD, numbers // width))
            step = min(step, NUMBERS_PER_DENSE_BLOCK // max(self.shape[1], 1))
        return row_slices(n_rows, max(step, ROWS_PER_BLOCK))

    def multiplied_in(self, dtype, shift=None):
        """The same rows, with products in ``dtype`` and minus ``shift``."""
        if dtype is self.dtype and shift is self.shift:
            return self
        return replace(self, dtype=dtype, shift=shift)

    def block(self, at):
        """The Block of the rows of a slice, or of an array of indices."""
        return Block(self.features(at), self.targets, at)

    def features(self, at):
        """X (m, d) of a Block; where nothing has to change, or X is small, a view."""
        if self._small is not None:
            return rows_of(self._small, at)
        return self._changed(rows_of(self.X, at))

    def _changed(self, X):
        """Rows of X as they are multiplied; where nothing has to change, themselves."""
        if self.shift is not None:
            X = np.subtract(X, self.shift, dtype=np.float64)
        return X.astype(self.dtype, copy=False)

    @cached_property
    def _small(self):
        """All rows as they are multiplied, where they are few enough; else None."""
        if self.shape[0] * self.numbers_per_row > MOST_NUMBERS_CHANGED_AT_ONCE:
            return None
        return self._changed(self.X)

    def where_large(self, matrix):
        """A matrix where large ones are factorised: here."""
        return matrix

    def where_iterations_are(self, *values):
        """Vectors, and curvatures that multiply them, where iterations are: here."""
        return values

    def targets_in_memory(self):
        """The targets."""
        return self.targets

    def in_memory(self):
        """These rows."""
        return self

    def without(self, row):
        """The same rows, of which one weighs nothing."""
        targets: Any = self.targets
        weight = np.array(targets.sample_weight)
        weight[row] = 0
        return replace(self, targets=targets.of_rows(targets.labels, weight))

    def without_rows(self):
        """What a program may know of all rows: where they are here, these themselves."""
        return self

    def merged(self):
        """These rows in fewer columns with the same inner products, and the matrix that merged them; or None.

        They are a copy, in float64, of no more numbers than X has.
        """
        merged = merged_columns(self.X) if self.is_sparse else None
        if merged is None:
            return None
        X, merging = merged
        return replace(self, X=X), merging

    def stacked(self, program):
        """The arrays (..., n) that ``program`` returns for a Block of all rows."""
        every_row = slice(0, self.shape[0])
        return program(self.block(every_row))

    def gathered(self, program):
        """The arrays (..., m) that ``program`` returns of some of the rows of each Block, joined."""
        of_blocks = [program(self.block(at)) for at in self.usual_slices]
        return [np.concatenate(arrays, axis=-1) for arrays in zip(*of_blocks, strict=True)]

    def lowest(self, program):
        """The lowest of the numbers (m,) that ``program`` returns for a Block."""
        return min(program(self.block(at)).min() for at in self.usual_slices)

    def summed(self, program, width=None):
        """Sums, one for each entry of the tuple that ``program`` returns for a Block.

        ``width`` is the dense numbers that it computes for a row, where that is not a number for each logit. Blocks
        are added in their order, and so are the sums of the threads, each of which adds its share of them.
        """
        slices = self.usual_slices if width is None else self.slices(self.shape[0], width)
        if len(slices) == 1:
            terms = program(self.block(slices[0]))
            return [np.asarray(term, dtype=np.float64) for term in terms]
        return self._summed_in_shares(program, slices)

    def summed_where(self, params, program):
        """Sums as above where the parameters are that ``program`` is about: here."""
        return self.summed(program)

    def summed_of_drawn(self, program, n_draws, width=None):
        """The weight of all rows, and sums as above over ``n_draws`` of them, drawn in proportion to their weight."""
        weight = self.targets.cumulated_weights[-1]
        return weight, self.summed_of_chosen(program, self.drawn(n_draws, 0.0, weight), width)

    def summed_of_chosen(self, program, chosen, width=None):
        """Sums as above over the rows of an array of indices."""
        return self._summed_in_shares(program, [chosen[at] for at in self.slices(len(chosen), width)])

    def drawn(self, n_draws, before, total):
        """Indices, in order, of those of ``n_draws`` rows that are among these; always the same.

        They are drawn in proportion to their weight, from rows of a ``total`` weight, of which ``before`` precedes.
        """
        ends = self.targets.cumulated_weights
        drawn = [np.zeros(0, dtype=np.intp)]
        for at, start, end in zip(self.targets.slices_of_weights, ends[:-1], ends[1:], strict=True):
            points = points_between(before + start, before + end, total, n_draws)
            if len(points) and self.targets.is_unweighted:
                drawn.append(at.start + np.maximum(np.ceil(points).astype(np.intp) - 1, 0))
            elif len(points):
                weight = self.targets.row_weight(at)
                last = np.flatnonzero(weight)[-1]
                drawn.append(at.start + np.minimum(np.searchsorted(np.cumsum(weight), points), last))
        return np.concatenate(drawn)

    def _summed_in_shares(self, program, slices):
        """Sums as above over the given rows, slices or arrays of indices, shared by the workers."""
        errors = np.geterr()

        def share_summed(share):
            sums = None
            with np.errstate(**errors):  # which threads do not inherit
                for at in share:
                    terms = program(self.block(at))
                    terms = [np.asarray(term, dtype=np.float64) for term in terms]
                    if sums is None:
                        sums = terms
                    else:
                        sums = [np.add(total, term, out=total) for total, term in zip(sums, terms, strict=True)]
                    del terms  # before the next take as much memory
            return sums

        shares = [slices[at] for at in row_slices(len(slices), -(-len(slices) // self.workers.count))]
        return [sum(terms[1:], terms[0]) for terms in zip(*self.workers.map(share_summed, shares), strict=True)]


def points_between(start, end, total, n_draws):
    """Stratified sample: a uniform point in each of ``n_draws`` equal strata of [0, total); those in [start, end).

    They are returned relative to ``start``, and are always the same.
    """
    share = total / n_draws
    first, last = max(int(start / share) - 1, 0), min(int(end / share) + 2, n_draws)
    generator = np.random.default_rng(0)
    generator.bit_generator.advance(first)  # to the number that the first of these would be given among all
    points = (np.arange(first, last) + generator.uniform(size=last - first)) * share
    return points[np.searchsorted(points, start) : np.searchsorted(points, end)] - start


def rows_of(X, at):
    """The rows of a slice, or of an array of indices, of a dense or CSR X; of a slice a view."""
    return _csr_block(X, at) if isinstance(at, slice) and scipy.sparse.issparse(X) else X[at]


def _csr_block(X, at):
    """A slice of the rows of a CSR matrix, whose arrays are views of its arrays."""
    if at.stop - at.start == X.shape[0]:
        return X
    offsets = X.indptr[at.start : at.stop + 1]
    stored = slice(offsets[0], offsets[-1])
    # The constructor would check, and copy, the arrays of a matrix that has been checked.
    block = scipy.sparse.csr_array((at.stop - at.start, X.shape[1]), dtype=X.dtype)
    block.data, block.indices, block.indptr = X.data[stored], X.indices[stored], offsets - offsets[0]
    return block
