"""Fewer columns with the same inner products of rows, for sparse X with columns that a single row has.

Most words of a corpus occur in one document. Columns c_j e_i that are 0 but in row i are as good as one, |c| e_i: what
they add to a logit is that column times the coefficient (sum_j c_j coef_j) / |c|, and of all coefficients that add as
much those proportional to c have the least norm. With M the matrix (d, d') of orthonormal columns that puts c / |c|
where these were, and leaves out the columns without numbers,

    X = (X M) M^T

so a ridge-penalised minimum over X is M times that over X M. News of 20 groups keep 64,652 columns of 130,107; those of
4 groups 22,003.
"""

import numpy as np
import scipy.sparse

# Columns are merged if that leaves no more than this share of them.
MOST_LEFT = 0.8


# Stored numbers whose columns are looked at at once.
NUMBERS_AT_ONCE = 2**19


def merging_of(X):
    """The matrix M (d, d') of a CSR matrix X (n, d), in CSR; None where it would leave most columns."""
    n_features = X.shape[1]
    parts = [slice(start, start + NUMBERS_AT_ONCE) for start in range(0, X.nnz, NUMBERS_AT_ONCE)]
    n_numbers = np.zeros(n_features, dtype=np.intp)
    for part in parts:
        n_numbers += np.bincount(X.indices[part], minlength=n_features)
    is_shared = n_numbers > 1
    if not X.nnz or is_shared.sum() > MOST_LEFT * n_features:
        return None
    singles = np.concatenate([part.start + np.flatnonzero(~is_shared[X.indices[part]]) for part in parts])
    rows = np.searchsorted(X.indptr, singles, side="right") - 1
    columns, numbers = X.indices[singles], X.data[singles].astype(np.float64)
    shared, holders, shares = np.flatnonzero(is_shared), *_unit_vectors(rows, numbers)
    n_merged = len(shared) + len(holders)
    if not 0 < n_merged <= MOST_LEFT * n_features:
        return None
    place = np.zeros(X.shape[0], dtype=np.intp)
    place[holders] = len(shared) + np.arange(len(holders))
    entries = np.concatenate([np.ones(len(shared)), shares])
    at = np.concatenate([shared, columns]), np.concatenate([np.arange(len(shared)), place[rows]])
    merging = scipy.sparse.csr_array((entries, at), shape=(n_features, n_merged))
    merging.eliminate_zeros()
    return merging


def _unit_vectors(rows, numbers):
    """The distinct ``rows`` (m,) with ``numbers`` (m,) other than 0, and these over the norm of those of their row."""
    distinct, group = np.unique(rows, return_inverse=True)
    largest = np.zeros(len(distinct))
    np.maximum.at(largest, group, np.abs(numbers))
    shares = numbers / np.where(largest > 0, largest, 1.0)[group]  # whose squares do not overflow
    norms = np.sqrt(np.bincount(group, weights=shares**2, minlength=len(distinct)))
    return distinct[norms > 0], shares / np.where(norms > 0, norms, 1.0)[group]
