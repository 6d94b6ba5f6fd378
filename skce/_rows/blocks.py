"""Row blocks: sums over the rows of a dense array, a CSR matrix or a memory map, a block at a time, none copied whole.

A block is (m, d). Its numbers are multiplied in the dtype of X, float32 or float64, while sums over blocks are float64.
Columns whose mean dwarfs their spread (years, identifiers) would lose the digits of their spread in every product, so
that blocks of a dense X may be taken minus a ``shift``; float32 columns whose units are far from 1 are multiplied in
float64.
"""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse

from skce._rows.threads import ONE_WORKER, Workers, workers_for
from skce._slices import ELEMENTS_PER_BLOCK, ROWS_PER_BLOCK, row_slices

# Numbers that a function of all rows at once may return.
NUMBERS_TO_STACK = 2**24


ELEMENTS_PER_THREADED_BLOCK = 2**16


# Stored numbers of a sparse block; more for many columns, as scipy's product allocates a dense (d, K) gradient.
NUMBERS_PER_SPARSE_BLOCK = 2**19


NUMBERS_PER_SPARSE_COLUMN = 32


# Multiplications that a logit of a row takes besides those of its product.
WORK_PER_LOGIT = 30


class RowsLostError(RuntimeError):
    """Rows that lie elsewhere cannot be reached any more."""


@dataclass(frozen=True)
class RowBlocks:
    """The rows of ``X`` (n, d), minus ``shift`` (d,) unless that is None, and their ``targets``.

    Functions that are summed take the targets, some of their rows (a slice or indices) and the block of X for these.
    They know of no other rows, so that they can be sent to where the rows are.
    """

    X: np.ndarray
    targets: object = None
    shift: np.ndarray | None = None
    dtype: type = np.float64
    workers: Workers = ONE_WORKER

    numbers_to_stack = NUMBERS_TO_STACK

    @property
    def shape(self):
        """n and d."""
        return self.X.shape

    @property
    def n_columns(self):
        """Logits of a row that are optimised."""
        return len(self.targets.columns)

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
        with workers_for(work=self.shape[0] * self.n_columns * (self.numbers_per_row + WORK_PER_LOGIT)) as workers:
            yield replace(self, workers=workers)

    @cached_property
    def usual_slices(self):
        """Slices that cover the rows, a block each."""
        return self.slices(self.shape[0])

    def slices(self, n_rows, n_columns=None):
        """Slices that cover ``n_rows`` rows, a block each, which hold ``n_columns`` dense numbers a row."""
        if self.is_sparse and n_columns is None:
            numbers = max(NUMBERS_PER_SPARSE_BLOCK, NUMBERS_PER_SPARSE_COLUMN * self.shape[1])
            step = int(numbers / max(self.numbers_per_row, self.n_columns))
            return row_slices(n_rows, min(max(step, 1), -(-n_rows // self.workers.count)))
        elements = ELEMENTS_PER_BLOCK if self.workers.count == 1 else ELEMENTS_PER_THREADED_BLOCK
        return row_slices(n_rows, max(elements // max(n_columns or self.n_columns, 1), ROWS_PER_BLOCK))

    def block(self, rows):
        """A block (m, d) of the rows of a slice, or of an array of indices; where nothing has to change, a view."""
        if self.is_sparse:
            block = _csr_block(self.X, rows) if isinstance(rows, slice) else self.X[rows]
            return block.astype(self.dtype, copy=False)
        block = self.X[rows]
        if self.shift is None:
            return block.astype(self.dtype, copy=False)
        return np.subtract(block, self.shift, dtype=np.float64).astype(self.dtype, copy=False)

    def stacked(self, function):
        """The arrays (..., n) that ``function`` returns for targets, all rows and their block."""
        every_row = slice(0, self.shape[0])
        return function(self.targets, every_row, self.block(every_row))

    def lowest(self, function):
        """The lowest of the numbers (m,) that ``function`` returns for a block of rows."""
        return min(function(self.block(rows)).min() for rows in self.usual_slices)

    def summed(self, function, n_columns=None):
        """Sums, one for each entry of the tuple that ``function`` returns for targets, some rows and their block.

        ``n_columns`` is the dense numbers that it computes for a row, where that is not a number for each logit. Blocks
        are added in their order, and so are the sums of the threads, each of which adds its share of them.
        """
        slices = self.usual_slices if n_columns is None else self.slices(self.shape[0], n_columns)
        if len(slices) == 1:
            terms = function(self.targets, slices[0], self.block(slices[0]))
            return [np.asarray(term, dtype=np.float64) for term in terms]
        return self._summed_in_shares(function, slices)

    def summed_of_drawn(self, function, n_draws, n_columns=None):
        """The weight of all rows, and sums as above over ``n_draws`` of them, drawn in proportion to their weight."""
        weight = self.targets.cumulated_weights[-1]
        return weight, self.summed_of_chosen(function, self.drawn(n_draws, 0.0, weight), n_columns)

    def summed_of_chosen(self, function, chosen, n_columns=None):
        """Sums as above over the rows of an array of indices."""
        return self._summed_in_shares(function, [chosen[rows] for rows in self.slices(len(chosen), n_columns)])

    def drawn(self, n_draws, before, total):
        """Indices, in order, of those of ``n_draws`` rows that are among these; always the same.

        They are drawn in proportion to their weight, from rows of a ``total`` weight, of which ``before`` precedes.
        """
        ends = self.targets.cumulated_weights
        drawn = [np.zeros(0, dtype=np.intp)]
        for rows, start, end in zip(self.targets.slices_of_weights, ends[:-1], ends[1:], strict=True):
            points = points_between(before + start, before + end, total, n_draws)
            if len(points):
                weight = self.targets.row_weight(rows)
                last = np.flatnonzero(weight)[-1]
                drawn.append(rows.start + np.minimum(np.searchsorted(np.cumsum(weight), points), last))
        return np.concatenate(drawn)

    def _summed_in_shares(self, function, slices):
        """Sums as above over the given rows, slices or arrays of indices, shared by the workers."""
        errors = np.geterr()

        def share_summed(share):
            sums = None
            with np.errstate(**errors):  # which threads do not inherit
                for rows in share:
                    terms = function(self.targets, rows, self.block(rows))
                    terms = [np.asarray(term, dtype=np.float64) for term in terms]
                    if sums is None:
                        sums = terms
                    else:
                        sums = [np.add(total, term, out=total) for total, term in zip(sums, terms, strict=True)]
            return sums

        shares = [slices[rows] for rows in row_slices(len(slices), -(-len(slices) // self.workers.count))]
        return [sum(terms[1:], terms[0]) for terms in zip(*self.workers.map(share_summed, shares), strict=True)]


def points_between(start, end, total, n_draws):
    """Points in [start, end), less start, of ``n_draws`` points, each from one of as many equal shares of ``total``."""
    share = total / n_draws
    first, last = max(int(start / share) - 1, 0), min(int(end / share) + 2, n_draws)
    generator = np.random.default_rng(0)
    generator.bit_generator.advance(first)  # to the number that the first of these would be given among all
    points = (np.arange(first, last) + generator.uniform(size=last - first)) * share
    return points[np.searchsorted(points, start) : np.searchsorted(points, end)] - start


def logits_of_block(block, coef, intercept):
    """Logits (K, m), in C order, of a block of rows (m, d) for coef (d, K) and intercept (K,), in the block's dtype."""
    coef = coef.astype(block.dtype, copy=False)
    # Rows first is the only order of sparse products, and the quicker one of float32.
    if scipy.sparse.issparse(block) or block.dtype == np.float32:
        logits = np.ascontiguousarray((block @ coef).T)
    else:
        logits = np.matmul(coef.T, block.T, order="C")
    logits += intercept[:, None]
    return logits


def coef_gradient_of_block(block, logits_gradient):
    """Gradient (d, K) by coef of a block of rows (m, d), given that by its logits (K, m), in the block's dtype."""
    if scipy.sparse.issparse(block):
        return block.T @ logits_gradient.T
    return (logits_gradient @ block).T


def _csr_block(X, rows):
    """A slice of the rows of a CSR matrix, whose arrays are views of its arrays."""
    if rows.stop - rows.start == X.shape[0]:
        return X
    offsets = X.indptr[rows.start : rows.stop + 1]
    stored = slice(offsets[0], offsets[-1])
    # The constructor would check, and copy, the arrays of a matrix that has been checked.
    block = scipy.sparse.csr_array((rows.stop - rows.start, X.shape[1]), dtype=X.dtype)
    block.data, block.indices, block.indptr = X.data[stored], X.indices[stored], offsets - offsets[0]
    return block
