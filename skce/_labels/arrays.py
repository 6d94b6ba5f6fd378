"""Arrays of labels: whatever holds labels as an array of their own dtype, and what is missing or no label in it.

NumPy alone would make strings of a list's numbers and NaN, floats of integers that int64 cannot hold beside negative
ones, and objects of pandas' nullable integers and booleans.
"""

import datetime
from numbers import Integral, Real

import numpy as np
from sklearn.utils import assert_all_finite

INTEGER_DTYPES = (np.int64, np.uint64)


def label_array(values):
    """``values``, of any shape, as an array in which each label is what it was; objects of integers or booleans native.

    Other objects stay, and so do integers that neither int64 nor uint64 holds. Arrow's dates, of which NumPy makes
    objects, are dates again.
    """
    array = np.asarray(values)
    if array.dtype.kind == "T":  # NumPy's strings of any length, which scikit-learn does not know
        return array.astype(object)
    if array.dtype.kind == "O" and getattr(getattr(values, "dtype", None), "kind", "O") == "M":
        return array.astype("M8[D]") if _types_of(array) == {datetime.date} else array
    if array.dtype.kind in "USf" and isinstance(values, list | tuple):
        given = np.asarray(values, dtype=object)
        # Python's numbers, of which an integer equals a float only if they are the same number.
        if array.ravel().tolist() != given.ravel().tolist():
            array = given
    return _native(array) if array.dtype.kind == "O" else array


def check_no_label_is_missing(labels, name):
    """Raise, with its place, if an array of labels holds NaN, NaT, infinity, None or pandas.NA."""
    labels = labels.ravel()
    if labels.dtype.kind == "O":
        if _types_of(labels) == {str}:
            return
        is_bad, what = np.array([_is_missing(label) for label in labels], dtype=bool), "NaN or None"
    elif labels.dtype.kind in "mM":
        is_bad, what = np.isnat(labels), "NaN or None"
    else:
        try:
            assert_all_finite(labels, input_name=name)
            return
        except ValueError as error:
            is_bad = ~np.isfinite(labels)
            what = str(error).splitlines()[0].rstrip(".").partition(" contains ")[2]
    if is_bad.any():
        row = np.argmax(is_bad)
        label = str(labels[row]) if labels.dtype.kind in "mMfc" else repr(labels[row])
        raise ValueError(
            f"Input {name} contains {what}: label {row} is {label}. Leave that out, or give it a class of its own."
        )


def check_objects(labels, values, name):
    """Raise if an array of labels made of ``values``, none missing, holds bytes, or objects other than strings."""
    if labels.dtype.kind not in "OS":
        return
    labels = labels.ravel()
    kinds = [_kind(type(label)) for label in labels]
    type_, made = ("float", "numbers") if _are_numbers(labels) else ("str", "strings")
    array = name if hasattr(values, "astype") else f"np.asarray({name}, dtype=object)"
    remedy = f"{array}.astype({type_}) makes {made}"
    if len(set(kinds)) > 1:
        other = next(row for row, kind in enumerate(kinds) if kind is not kinds[0])
        raise ValueError(
            f"{name} must hold labels of one type, which can be sorted: label 0 is {labels[0]!r}, but label {other} is "
            f"{labels[other]!r}; {remedy} of all."
        )
    if set(kinds) - {str}:
        dtype = getattr(values, "dtype", labels.dtype)
        raise ValueError(
            f"{name} must hold labels that are strings, booleans, dates or integers of 64 bits, but is of dtype "
            f"{dtype}: label 0 is {labels.item(0)!r}; {remedy}, which are labels."
        )


def floats(objects):
    """An array of objects as floats, NaN for what is missing; ValueError or TypeError if they are no numbers."""
    try:
        return objects.astype(float)
    except TypeError:
        is_missing = np.reshape([_is_missing(value) for value in objects.ravel()], objects.shape)
        return np.where(is_missing, np.nan, objects).astype(float)


def can_be_sorted_together(first, second):
    """Whether two arrays, neither empty, hold labels of one type."""
    try:
        np.less(first[:1], second[:1])
    except TypeError:
        return False
    return True


def joined(arrays):
    """Several arrays of labels as one, integers exact and nothing made a string; TypeError if they do not sort."""
    arrays = list(arrays)
    for other in arrays[1:]:
        if len(arrays[0]) and len(other) and not can_be_sorted_together(arrays[0], other):
            raise TypeError(f"labels of dtypes {arrays[0].dtype} and {other.dtype}")
    if all(array.dtype.kind in "iu" for array in arrays) and np.result_type(*arrays).kind == "f":
        arrays = [array.astype(object) for array in arrays]  # int64 with uint64, which NumPy makes float64
    return label_array(np.concatenate(arrays))


def _native(objects):
    """An array of objects in their own dtype, if they are all booleans, or all integers that one dtype holds."""
    kinds = {_kind(type_) for type_ in _types_of(objects)}
    if kinds == {bool}:
        return objects.astype(bool)
    if kinds == {Integral}:
        lowest, highest = min(objects.ravel()), max(objects.ravel())
        for dtype in INTEGER_DTYPES:
            if np.iinfo(dtype).min <= lowest and highest <= np.iinfo(dtype).max:
                return objects.astype(dtype)
    return objects


def _are_numbers(objects):
    """Whether all objects are real numbers, not integers alone, nor booleans among them."""
    kinds = {_kind(type_) for type_ in _types_of(objects)}
    return kinds != {Integral} and bool not in kinds and all(issubclass(kind, Real) for kind in kinds)


def _types_of(objects):
    """The set of the types of an array of objects."""
    return set(map(type, objects.ravel()))


def _kind(type_):
    """What labels of a type are sorted with: strings, booleans, integers, or their type alone."""
    for kind, types in ((str, str), (bool, bool | np.bool_), (Integral, Integral)):
        if issubclass(type_, types):
            return kind
    return type_


def _is_missing(label):
    """Whether an object is None, or is not equal to itself."""
    try:
        return label is None or bool(label != label)
    except TypeError:  # pandas.NA is neither equal to itself nor not.
        return True
