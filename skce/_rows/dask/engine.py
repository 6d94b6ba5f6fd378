"""The engine of Dask: what is fitted, predicted and scored where the parts of X lie."""

import dask.array as da
import numpy as np
import pandas as pd
import scipy.sparse
from dask.base import get_scheduler
from distributed import Client, Future
from sklearn.utils.validation import check_is_fitted

from skce._callers import warn_caller
from skce._compat import without_callbacks
from skce._labels.arrays import label_array
from skce._rows import parts as _parts
from skce._rows.dask import graphs
from skce._rows.dask.reading import aligned_parts, check_kinds, check_matrix, read, set_columns, without_single_column
from skce._rows.lazy import is_lazy

# Passes over X of most fits.
USUAL_PASSES = "10 to 60"


class DaskEngine:
    """X as a Dask array or DataFrame; what goes with it may be on Dask or in memory."""

    def check(self, X):
        """Warn if the parts of X are not on the workers, nor on threads in this process, but computed in each pass."""
        check_kinds(X=X)
        is_of_client = isinstance(getattr(get_scheduler(collections=[X]), "__self__", None), Client)
        in_memory = np.ndarray, scipy.sparse.sparray, scipy.sparse.spmatrix, pd.DataFrame
        roots = [node for node in dict(X.__dask_graph__()).values() if not getattr(node, "dependencies", None)]
        kept = Future if is_of_client else (Future, *in_memory)
        if not all(isinstance(getattr(node, "value", node), kept) for node in roots):
            warn_caller(
                f"X is not persisted: each pass of the fit over its rows computes it anew, {USUAL_PASSES} times in "
                "most fits (n_passes_ says how many it was). X = X.persist() before fit, where X fits into the memory "
                "of the workers, computes it once.",
                da.PerformanceWarning,
            )

    def read(self, estimator, X, y, sample_weight, read_y):
        """DataOnDask of X, y and weights; ``read_y`` returns the classes and the labels of y."""
        return read(estimator, X, y, sample_weight, read_y)

    def predicted(self, method, estimator, X):
        """The Dask array that a method of a fitted estimator returns for X, a block for each chunk or partition."""
        check_is_fitted(estimator)
        estimator = without_callbacks(estimator)
        set_columns(estimator, X, reset=False)
        of_one_row = getattr(estimator, method.__name__)(_row_like(X))
        of_no_rows = of_one_row[:0]
        call = {"method": method.__name__, "of_no_rows": of_no_rows, "meta": of_no_rows}
        call["estimator"] = graphs.sent(estimator)
        if not isinstance(X, da.Array):
            return X.map_partitions(_parts.predicted_part, **call)
        if of_one_row.ndim == 1:
            return X.map_blocks(_parts.predicted_part, drop_axis=1, **call)
        chunks = X.chunks[0], (of_one_row.shape[1],)
        return X.map_blocks(_parts.predicted_part, chunks=chunks, **call)

    def attributes_like(self, X, attributes):
        """Fitted attributes, which are arrays of NumPy, as they are."""
        return attributes

    def averaged(self, score, estimator, X, y, sample_weight):
        """The mean, by weight, of what ``score`` returns for the parts of X, y and weights, a score that is a mean."""
        y, sample_weight = (
            data if data is None or hasattr(data, "shape") else label_array(data)
            for data in (without_single_column(y) if is_lazy(y) else y, sample_weight)
        )
        check_matrix(X)
        check_kinds(y=y, sample_weight=sample_weight)
        parts = aligned_parts(X, y=y, sample_weight=sample_weight)
        task = graphs.sent(_parts.Score(score, without_callbacks(estimator)))
        numbers = range(len(parts[0]))
        over_part = graphs.delayed(graphs.over_part)
        scores = [over_part(task, *part) for part in zip(*parts, numbers, strict=True)]
        total, weight = np.sum(graphs.computed(graphs.listed(scores)), axis=0)
        if not weight > 0:
            raise ValueError("sample_weight must contain at least one non-zero number: all weights are zero.")
        return float(total / weight)


def _row_like(X):
    """One row of zeros that has the columns of X and the dtype that its features will have."""
    if isinstance(X, da.Array):
        return np.zeros((1, X.shape[1]), np.float32 if X.dtype == np.float32 else np.float64)
    dtype = np.float32 if (X.dtypes == np.float32).all() else np.float64
    return type(X._meta)(np.zeros((1, len(X.columns)), dtype), columns=X.columns)
