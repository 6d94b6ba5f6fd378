"""The engine of arrays of other libraries: what is fitted, predicted and scored where X is, by array API dispatch."""

import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import sklearn
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted, validate_data

from skce._compat import HAS_ARRAY_API
from skce._labels.sample_weight import checked_sample_weight
from skce._namespaces import is_foreign, library_of, namespace_and_device, on_host
from skce._rows.array_api.arrays import DeviceArray
from skce._rows.array_api.labels import PlacedCodes, placed
from skce._rows.array_api.places import Place
from skce._rows.array_api.rows import DeviceRows
from skce._rows.blocks import rows_of
from skce._rows.lazy import in_memory

# Libraries whose arrays cannot be written to, which blocks of rows are.
READ_ONLY_LIBRARIES = ("jax", "jaxlib", "ndonnx")

# The layout of tensors of PyTorch that are not sparse.
DENSE_LAYOUT = "torch.strided"


@dataclass(frozen=True)
class DataAtPlace:
    """X (n, d) at a place, the sorted ``classes`` (K,), ``labels_read`` of y, weights on the host, and their counts."""

    X: Any
    classes: np.ndarray
    labels_read: Any
    sample_weight: np.ndarray
    counts: np.ndarray

    @cached_property
    def labels(self):
        """The labels of y on the host."""
        return self.labels_read.on_host() if isinstance(self.labels_read, PlacedCodes) else self.labels_read

    def rows(self, targets):
        """The DeviceRows of X with these targets."""
        place, weight = self.X.place, self.sample_weight
        is_one = weight.strides == (0,)  # one number for all
        weight = np.broadcast_to(place.lifted(weight[:1]), weight.shape) if is_one else place.lifted(weight)
        are_equal = is_one and bool((targets.class_weight == targets.class_weight.flat[0]).all())
        return DeviceRows(self.X, targets.of_rows(placed(self.labels_read, place), weight), are_equal=are_equal)

    def part(self, at, sample_weight):
        """Some of the rows, a slice or indices, with other weights (m,)."""
        labels = self.labels.of_rows(at)
        counts = labels.counts(sample_weight)
        return replace(self, X=rows_of(self.X, at), labels_read=labels, sample_weight=sample_weight, counts=counts)

    @property
    def given_X(self):
        """X as an array of its library."""
        return self.X.array


class ArrayApiEngine:
    """X as an array of another library; y and weights may be of any, and on any device."""

    def check(self, X):
        """Raise if X is of a library, or on a device, that a fit cannot compute with."""
        if not HAS_ARRAY_API:
            raise TypeError(
                f"X is an array of {library_of(X)}, for which skce needs scikit-learn 1.9 or later, and this is "
                f"{sklearn.__version__}: pip install 'scikit-learn>=1.9', which the extra skce[array-api] asks for."
            )
        if library_of(X) in READ_ONLY_LIBRARIES:
            raise TypeError(
                f"X is an array of {library_of(X)}, which cannot be written to: skce takes PyTorch, CuPy and others of "
                "the array API standard; numpy.asarray(X) makes an array that it takes."
            )
        if getattr(X, "requires_grad", False):
            raise ValueError("X requires gradients, which a fit would not pass on; give X.detach().")
        layout = str(getattr(X, "layout", DENSE_LAYOUT))
        if layout != DENSE_LAYOUT:
            raise TypeError(f"X is a sparse tensor ({layout}); give X.to_dense(), or a matrix of scipy.sparse.")
        xp, device = namespace_and_device(X)
        if "float64" not in xp.__array_namespace_info__().dtypes(device=device, kind="real floating"):
            raise TypeError(f"X is on {device}, which has no float64, in which sums are taken; move it: X.cpu().")

    def read(self, estimator, X, y: Any, sample_weight, read_y) -> Any:
        """DataAtPlace of X, y and weights; ``read_y`` returns the classes and the labels of y."""
        self.check(X)
        sample_weight = in_memory(sample_weight)
        X = checked_array(estimator, X, reset=True, y=None if y is None else "no_validation")
        of_X = np.broadcast_to(0.0, X.shape)
        if y is not None and _are_integers_beside(X, y):
            check_consistent_length(of_X, np.broadcast_to(0.0, y.shape))
            classes, labels = PlacedCodes.of_integers(X.place.wrapped(y), read_y)
        else:
            y = in_memory(y)
            classes, labels = read_y(y)
            check_consistent_length(of_X, y)
        sample_weight = checked_sample_weight(sample_weight, of_X)
        return DataAtPlace(X, classes, labels, sample_weight, labels.counts(sample_weight))

    def predicted(self, method, estimator, X):
        """What a method of a fitted estimator returns for X, where X is; labels that are no numbers on the host."""
        check_is_fitted(estimator)
        self.check(X)
        check_same_place(estimator, X, method.__name__)
        X = checked_array(estimator, X, reset=False)
        at_place = copy.copy(estimator)
        vars(at_place).update(
            (name, X.place.wrapped(value)) for name, value in vars(estimator).items() if is_foreign(value)
        )
        result = method(at_place, X)
        if isinstance(result, DeviceArray):
            return result.array
        return X.place.moved(result) if X.place.holds(result.dtype) else result

    def attributes_like(self, X, attributes):
        """Fitted attributes whose arrays are moved to where X is, but for ``classes_``, which may be strings."""
        place = Place(*namespace_and_device(X), DeviceArray)
        return {
            name: place.moved(value) if isinstance(value, np.ndarray) and name != "classes_" else value
            for name, value in attributes.items()
        }

    def averaged(self, score, estimator, X, y, sample_weight):
        """What ``score`` returns for predictions that are fetched to the host."""
        return score(Fetched(estimator), X, in_memory(y), in_memory(sample_weight))


class Fetched:
    """An ``estimator`` whose predictions are arrays of NumPy, whatever X is."""

    def __init__(self, estimator):
        self._estimator = estimator

    def __getattr__(self, name):
        attribute = getattr(self._estimator, name)
        if name not in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
            return on_host(attribute)
        return lambda X: on_host(attribute(X))


def checked_array(estimator, X, *, reset, y: Any = "no_validation") -> Any:
    """X as a DeviceArray of floats (n, d), float32 kept; ``reset`` sets the estimator's width."""
    xp, device = namespace_and_device(X)
    X = validate_data(estimator, X, y, reset=reset, dtype=[xp.float64, xp.float32])
    return Place(xp, device, DeviceArray).wrapped(X)


def _are_integers_beside(X, y):
    """Whether y is an array (n,) of integers of the library of X, and on its device."""
    if not is_foreign(y) or len(y.shape) != 1 or not y.shape[0]:
        return False
    dtype = X.place.dtypes.get(y.dtype)
    return namespace_and_device(y) == (X.place.xp, X.place.device) and dtype is not None and dtype.kind in "iu"


def check_same_place(estimator, X, method):
    """Raise unless X is of the library, and on the device, of the fitted attributes."""
    of_X, of_fit = (namespace_and_device(array) if is_foreign(array) else None for array in (X, estimator.coef_))
    if of_X != of_fit:
        explained = " but ".join(
            f"{what} in {'memory, for NumPy' if place is None else f'{place[0].__name__} on {place[1]}'}"
            for what, place in (("X is", of_X), ("those were", of_fit))
        )
        raise ValueError(
            f"Inputs passed to {type(estimator).__name__}.{method}() must use the same namespace and the same device "
            f"as those passed to fit(): {explained}. skce.to_numpy(estimator) makes one of the host's memory."
        )
