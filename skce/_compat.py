"""Everything that is private in scikit-learn, or differs between the versions that skce supports."""

import copy

import numpy as np
from sklearn import get_config
from sklearn.utils.validation import _check_sample_weight

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn has callbacks from 1.9 on

    class CallbackSupportMixin:
        """Nothing to set callbacks with."""

    def with_callbacks(method):
        """The method itself."""
        return method


def callback_context(estimator, max_subtasks):
    """The context of the callbacks set on an estimator, or on one that fits it; None without any."""
    if not (hasattr(estimator, "_skl_callbacks") or hasattr(estimator, "_parent_callback_ctx")):
        return None
    return estimator._init_callback_context(max_subtasks=max_subtasks)


def without_callbacks(estimator):
    """A shallow copy of an estimator that has none of scikit-learn's callbacks, which need not be fit to be sent."""
    copied = copy.copy(estimator)
    for name in ("_skl_callbacks", "_parent_callback_ctx"):
        vars(copied).pop(name, None)
    return copied


def checked_sample_weight(sample_weight, X):
    """Sample weights (n,) as float64, ones for None; an error unless their sum is positive and finite."""
    if sample_weight is None:
        return np.broadcast_to(1.0, X.shape[0])  # as long as X, which may be larger than memory, but one number
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
