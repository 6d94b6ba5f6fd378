"""Everything that is private in scikit-learn, or differs between the versions that skce supports."""

import copy

import numpy as np
import sklearn
from sklearn.utils.validation import _check_sample_weight

# From this version on, estimators of others can keep to scikit-learn's conventions for arrays of other libraries.
HAS_ARRAY_API = tuple(int(part) for part in sklearn.__version__.split(".")[:2]) >= (1, 9)

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


def sample_weight_array(sample_weight, X):
    """Sample weights (n,) as float64, finite and none of them negative."""
    return _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
