"""Everything that is private in scikit-learn, or differs between the versions that skce supports."""

import numpy as np
from sklearn import get_config
from sklearn.utils.validation import _check_sample_weight


def checked_sample_weight(sample_weight, X):
    """Sample weights (n,) as float64, ones for None; an error unless non-negative, finite and some of them positive."""
    sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if not sample_weight.any():
        # scikit-learn refuses these by itself from 1.9 on.
        raise ValueError("sample_weight must contain at least one non-zero number: all weights are zero.")
    return sample_weight


def is_dispatched_array(X):
    """Whether X is an array of another library (torch, cupy) for which array API dispatch is on."""
    dispatch = get_config().get("array_api_dispatch", False)
    return dispatch and hasattr(X, "__array_namespace__") and not isinstance(X, np.ndarray)
