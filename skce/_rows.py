"""Row blocks of a feature matrix, a dense array, a CSR matrix or a memory map, which is never copied as a whole."""

import numpy as np
import scipy.sparse

# Small enough for what a block computes elementwise to stay in the cache, large enough to make calls rare; but with
# many classes at least so many rows, for the products.
ELEMENTS_PER_BLOCK = 2**13
ROWS_PER_BLOCK = 128

# scipy's sparse product allocates a dense (d, K) gradient per block, so that sparse blocks should be few.
ELEMENTS_PER_SPARSE_BLOCK = 2**22


def row_slices(X, n_columns):
    """Slices that cover the rows of ``X``, for blocks that hold ``n_columns`` numbers a row."""
    elements = ELEMENTS_PER_SPARSE_BLOCK if scipy.sparse.issparse(X) else ELEMENTS_PER_BLOCK
    step = max(elements // max(n_columns, 1), ROWS_PER_BLOCK)
    return [slice(start, min(start + step, X.shape[0])) for start in range(0, X.shape[0], step)]


def row_block(X, rows):
    """A slice of the rows of ``X`` (n, d) as float64; of a dense float64 array it is a view."""
    if scipy.sparse.issparse(X):
        offsets = X.indptr[rows.start : rows.stop + 1]
        stored = slice(offsets[0], offsets[-1])
        shape = (rows.stop - rows.start, X.shape[1])
        block = scipy.sparse.csr_array((X.data[stored], X.indices[stored], offsets - offsets[0]), shape=shape)
    else:
        block = X[rows]
    return block.astype(np.float64, copy=False)


def logits_of_block(block, coef, intercept):
    """Logits (K, m) of a block of rows (m, d), in C order."""
    return np.add(coef @ block.T, intercept[:, None], order="C")
