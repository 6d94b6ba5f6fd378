"""Checks of parameters, each with an error that names the parameter, what was given and what is allowed."""

import sys
from numbers import Integral, Real

import numpy as np

# Real alone would do; to ask it takes ten times as long as to ask the first two.
NUMBERS = float, int, Real


class InvalidParameterError(ValueError, TypeError):
    """A parameter is of the wrong type or outside its range; caught as ValueError and as TypeError alike."""


def check_number(name, value, is_allowed, allowed):
    """Raise unless ``value`` is a real number (no boolean) for which ``is_allowed`` holds."""
    is_number = isinstance(value, NUMBERS) and not isinstance(value, bool | np.bool_)
    if not is_number or not is_allowed(value) or (isinstance(value, Integral) and abs(value) > sys.float_info.max):
        raise InvalidParameterError(f"{name} must be {allowed}, got {value!r}.")


def check_integer(name, value, smallest):
    """Raise unless ``value`` is an integer (no boolean) of at least ``smallest``."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral) or value < smallest:
        raise InvalidParameterError(f"{name} must be an integer of at least {smallest}, got {value!r}.")


def check_boolean(name, value):
    """Raise unless ``value`` is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise InvalidParameterError(f"{name} must be True or False, got {value!r}.")


def check_not_masked(name, data):
    """Raise if some of a NumPy array is masked: NumPy itself would take what lies under the mask."""
    if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
        place = tuple(np.argwhere(np.ma.getmaskarray(data))[0].tolist())
        raise ValueError(
            f"{name} must not be masked, but is at {place}; fill it, by {name}.filled(...), or leave out the rows that "
            "are masked."
        )
