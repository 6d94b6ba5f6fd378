"""The way out: what the standard has no function for is computed by NumPy, on the host, from copies."""

from typing import Any

import numpy as np

from skce._rows.array_api.places import Placed


def on_host_instead(place, function, arguments, options) -> Any:
    """What a function of NumPy returns for copies on the host, moved back to the place; right, but slow."""
    result = function(*map(_fetched, arguments), **{name: _fetched(value) for name, value in options.items()})
    return _returned(place, result)


def _fetched(value):
    """A value in which arrays of a place are copies on the host."""
    if isinstance(value, Placed):
        return np.asarray(value)
    if isinstance(value, list | tuple):
        return type(value)(map(_fetched, value))
    return value


def _returned(place, result):
    """A result whose arrays are at the place, if its library has their dtype."""
    if isinstance(result, tuple) and type(result) is tuple:
        return tuple(_returned(place, part) for part in result)
    if isinstance(result, np.ndarray | np.generic) and result.dtype in place.own_dtypes:
        return place.lifted(result)
    return result
