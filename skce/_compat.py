"""Everything that is private in scikit-learn, or differs between the versions that skce supports."""

import numpy as np
from sklearn import get_config
from sklearn.utils.validation import _check_sample_weight


def checked_sample_weight(sample_weight, X):
    """Sample weights (n,) as float64, ones for None; an error unless their sum is positive and finite."""
    sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if not sample_weight.any():
        # scikit-learn refuses these by itself from 1.9 on.
        raise ValueError("sample_weight must contain at least one non-zero number: all weights are zero.")
    with np.errstate(over="ignore"):
        total = sample_weight.sum()
    if not np.isfinite(total):
        raise ValueError("sample_weight must have a finite sum: it overflows.")
    return sample_weight


def is_dispatched_array(X):
    """Whether X is an array of another library (torch, cupy) for which array API dispatch is on."""
    # Tensors of torch say nothing of a namespace, and scikit-learn knows them by their type.
    is_array = hasattr(X, "__array_namespace__") or type(X).__module__.partition(".")[0] == "torch"
    return get_config()["array_api_dispatch"] and is_array and not isinstance(X, np.ndarray)
