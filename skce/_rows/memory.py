"""Rows in memory: X, y and weights as arrays, checked, and the RowBlocks that they make."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import validate_data

from skce._checks import check_not_masked
from skce._labels.kinds_of_y import HardLabels, Indicators, SoftLabels
from skce._labels.sample_weight import checked_sample_weight
from skce._namespaces import check_reachable, is_foreign, library_of
from skce._rows.array_api.places import Placed
from skce._rows.blocks import RowBlocks, rows_of
from skce._rows.lazy import in_memory
from skce._rows.refusals import check_no_dates, errors_explained, warn_if_reordered
from skce._slices import row_slices

FLOATS = (np.float64, np.float32)

# Rows whose logits are computed at once where X has to change its dtype: their copy stays in the cache.
ROWS_PER_PRODUCT = 2**12


@dataclass(frozen=True)
class DataInMemory:
    """X (n, d), the sorted ``classes`` (K,) and ``labels`` of y, weights (n,), and the ``counts`` of the labels."""

    X: np.ndarray
    classes: np.ndarray
    labels: HardLabels | SoftLabels | Indicators
    sample_weight: np.ndarray
    counts: np.ndarray

    def rows(self, targets):
        """The RowBlocks of X with these targets."""
        return RowBlocks(self.X, targets.of_rows(self.labels, self.sample_weight))

    def part(self, at, sample_weight):
        """Some of the rows, a slice or indices, with other weights (m,)."""
        labels = self.labels.of_rows(at)
        counts = labels.counts(sample_weight)
        return replace(self, X=rows_of(self.X, at), labels=labels, sample_weight=sample_weight, counts=counts)

    @property
    def given_X(self):
        """X as it was given."""
        return self.X


class MemoryEngine:
    """X as an array, a CSR matrix, a memory map or a DataFrame; what goes with it may be on Dask, and is fetched."""

    def check(self, X):
        """Nothing makes a fit slow."""

    def read(self, estimator, X, y, sample_weight, read_y):
        """DataInMemory of X, y and weights; ``read_y`` returns the classes and the labels of y."""
        check_reachable("y", y)
        check_reachable("sample_weight", sample_weight)
        y, sample_weight = in_memory(y), in_memory(sample_weight)
        warn_if_reordered(X, y=y, sample_weight=sample_weight)
        X = checked_features(estimator, X, reset=True, y=None if y is None else "no_validation")
        classes, labels = read_y(y)
        if len(labels) != X.shape[0]:
            check_consistent_length(X, y)  # says so
        sample_weight = checked_sample_weight(sample_weight, X)
        return DataInMemory(X, classes, labels, sample_weight, labels.counts(sample_weight))

    def predicted(self, method, estimator, X):
        """What a method of a fitted estimator returns for X."""
        check_in_memory(estimator, method.__name__)
        return method(estimator, X)

    def attributes_like(self, X, attributes):
        """Fitted attributes, which are arrays of NumPy, as they are."""
        return attributes

    def averaged(self, score, estimator, X, y, sample_weight):
        """What ``score(estimator, X, y, sample_weight)`` returns, a mean over the rows."""
        y, sample_weight = in_memory(y), in_memory(sample_weight)
        warn_if_reordered(X, y=y, sample_weight=sample_weight)
        return score(estimator, X, y, sample_weight)


def checked_features(estimator, X, *, reset, y: Any = "no_validation") -> Any:
    """X as a float array or CSR matrix (n, d), float32 kept; ``reset`` sets the estimator's width and names."""
    if isinstance(X, Placed):
        return X  # which the engine of X has checked
    check_reachable("X", X)
    if _is_finite_matrix(X):  # of which scikit-learn asks the same, and many more questions that take longer
        if reset and y == "no_validation":
            estimator.n_features_in_ = X.shape[1]
            vars(estimator).pop("feature_names_in_", None)
            return X
        return validate_data(estimator, X, y, reset=reset, skip_check_array=True)
    check_not_masked("X", X)
    check_no_dates(X)
    with errors_explained(X):
        return validate_data(estimator, X, y, reset=reset, accept_sparse="csr", dtype=[np.float64, np.float32])


def check_in_memory(estimator, method):
    """Raise if an estimator was fitted to an array of another library than NumPy, on whatever device."""
    coef = getattr(estimator, "coef_", None)
    if is_foreign(coef):
        raise ValueError(
            f"Inputs passed to {type(estimator).__name__}.{method}() must use the same namespace and the same device "
            f"as those passed to fit(), arrays of {library_of(coef)}, for which array_api_dispatch has to be on. "
            "skce.to_numpy(estimator) predicts for arrays of NumPy."
        )


def _is_finite_matrix(X):
    """Whether X is an array (n, d), neither of them 0, of float64 or float32, whose sum, or of squares, is finite."""
    if type(X) is not np.ndarray or X.ndim != 2 or X.dtype not in FLOATS or not X.size:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        if not X.flags.forc:
            return bool(np.isfinite(X.sum()))
        numbers = X.ravel(order="K")
        return bool(np.isfinite(np.vdot(numbers, numbers)))  # in half of the time of the sum


def logits_of(X: Any, coef, intercept):
    """Logits (n, K), float32 if X (n, d) and coef (K, d) are, otherwise float64."""
    shape, dtype = (X.shape[0], len(coef)), np.result_type(X, coef)
    logits: Any = np.empty_like(X, dtype, shape=shape) if isinstance(X, Placed) else np.empty(shape, dtype)
    # In one product, unless the dtypes differ: that would copy X.
    for at in row_slices(X.shape[0], X.shape[0] if X.dtype == logits.dtype else ROWS_PER_PRODUCT):
        logits[at] = rows_of(X, at).astype(logits.dtype, copy=False) @ coef.T
    logits += intercept
    return logits
