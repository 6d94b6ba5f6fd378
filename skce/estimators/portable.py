"""A model of the host's memory, whatever library its arrays are of."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from sklearn.base import BaseEstimator

from skce._namespaces import is_foreign, on_host
from skce._rows.array_api.arrays import place_of

Estimator = TypeVar("Estimator", bound=BaseEstimator)


def to_numpy(estimator: Estimator) -> Estimator:
    """Return a copy of a fitted estimator whose arrays are those of NumPy, for predictions and pickles anywhere.

    An estimator that was fitted to an array of PyTorch, CuPy or another library has fitted attributes of that library,
    on the device of X, and predicts for such arrays alone. Its copy predicts for arrays of NumPy.

    Parameters
    ----------
    estimator : estimator
        One of skce, or a pipeline or a search that holds one, and other estimators of scikit-learn; fitted or not. It
        stays as it is.

    Returns
    -------
    estimator of the same kind
        With what it had of NumPy's shared, and all else copied to the host's memory.

    Raises
    ------
    TypeError
        If estimator is none.

    See Also
    --------
    with_prior : A copy with another class prior.

    Examples
    --------
    >>> import numpy as np
    >>> from skce import SoftmaxRegressor, to_numpy
    >>> model = SoftmaxRegressor().fit(np.array([[0.0], [1.0], [2.0], [3.0]]), [0, 1, 0, 1])
    >>> to_numpy(model).predict(np.array([[3.0]]))
    array([1])
    """
    if isinstance(estimator, type) or not hasattr(estimator, "fit"):
        raise TypeError(f"estimator must be an estimator of skce or scikit-learn, got {estimator!r}.")
    return _portable(estimator)


@contextmanager
def computed_in_numpy(estimator: Any) -> Iterator[None]:
    """Have the attributes of an estimator be arrays of NumPy in the block, and what and where they were after it."""
    foreign = {name: value for name, value in vars(estimator).items() if is_foreign(value)}
    vars(estimator).update((name, _copied(value)) for name, value in foreign.items())
    try:
        yield
        foreign = {name: place_of(value).moved(getattr(estimator, name)) for name, value in foreign.items()}
    finally:
        vars(estimator).update(foreign)


def _copied(array: Any) -> Any:
    """A copy of an array of another library as one of NumPy: those of PyTorch on the CPU share their memory."""
    return np.array(on_host(array))


def _portable(value: Any) -> Any:
    """A value with arrays of NumPy for those of other libraries, in estimators, lists, tuples and dicts as well."""
    if is_foreign(value):
        return _copied(value)
    if isinstance(value, BaseEstimator):
        copied = copy.copy(value)
        vars(copied).update((name, _portable(attribute)) for name, attribute in vars(value).items())
        return copied
    if type(value) in (list, tuple):
        return type(value)(map(_portable, value))
    if type(value) is dict:
        return {name: _portable(entry) for name, entry in value.items()}
    return value
