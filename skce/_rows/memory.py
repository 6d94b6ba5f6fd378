"""Rows in memory: X, y and weights as arrays, checked, and the RowBlocks that they make."""

import numpy as np
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import validate_data

from skce._compat import checked_sample_weight, is_dispatched_array
from skce._labels.reading import is_indicator
from skce._rows.blocks import RowBlocks
from skce._rows.lazy import in_memory


def read(estimator, X, y, sample_weight):
    """Classes (K,), their counts in y by weight, and a function of targets that returns the RowBlocks of X."""
    y, sample_weight = in_memory(y), in_memory(sample_weight)
    X = checked_features(estimator, X, reset=True, y=None if y is None else "no_validation")
    classes, labels = estimator._y_reader(lambda: is_indicator(y))(y)
    check_consistent_length(X, y)
    sample_weight = checked_sample_weight(sample_weight, X)
    return (
        classes,
        labels.counts(sample_weight),
        lambda targets: RowBlocks(X, targets.of_rows(labels, sample_weight)),
    )


def checked_features(estimator, X, *, reset, y="no_validation"):
    """X as a float array or CSR matrix (n, d), float32 kept; ``reset`` sets the estimator's width and names."""
    if is_dispatched_array(X):
        raise TypeError(
            f"X is a {type(X).__module__}.{type(X).__name__}, and {type(estimator).__name__} does not support array "
            "API dispatch yet; convert it with numpy.asarray, or turn array_api_dispatch off."
        )
    return validate_data(estimator, X, y, reset=reset, accept_sparse="csr", dtype=[np.float64, np.float32])
