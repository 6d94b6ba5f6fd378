"""Places: where labels stand among classes, dates by the moment they are, whatever their unit or library.

Dates need care: those of one moment, in days or in seconds, of NumPy, Python or pandas, are equal or not, hash alike
or not, as their types and versions have it.
"""

import datetime
from fractions import Fraction

import numpy as np

# Units of NumPy's dates and durations, as so many of them are a second.
PER_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9, "ps": 10**12, "fs": 10**15, "as": 10**18}


def places_of(labels, classes):
    """Places (m,) of ``labels``, a list or an array, among ``classes``, all distinct; -1 for what is not there."""
    place = {key: k for k, key in enumerate(_keys(classes))}
    return np.array([place.get(key, -1) for key in _keys(labels)], dtype=np.intp)


def listed(labels):
    """An array of labels as a list that can be read: dates as text, not as numbers of nanoseconds."""
    # As an array, durations would lose the end of their units.
    return list(map(str, labels)) if labels.dtype.kind in "mM" else labels.tolist()


def _keys(labels):
    """What each of some labels, a list or an array, is looked up by."""
    if isinstance(labels, np.ndarray) and labels.dtype.kind not in "mMO":
        return labels.tolist()
    return [_key(label) for label in labels]


def _key(label):
    """The label; of a date or a duration that of its kind which is the same in all units, in seconds or months."""
    if isinstance(label, datetime.date | datetime.timedelta) and getattr(label, "tzinfo", None) is None:
        if hasattr(label, "to_numpy"):  # pandas' have nanoseconds, which Python's have not
            label = label.to_numpy()
        else:
            label = np.datetime64(label) if isinstance(label, datetime.date) else np.timedelta64(label)
    if not isinstance(label, np.datetime64 | np.timedelta64):
        return label
    kind, (unit, step) = label.dtype.kind, np.datetime_data(label.dtype)
    if unit in PER_SECOND:
        return kind, "s", Fraction(int(label.astype(np.int64)) * step, PER_SECOND[unit])
    # Durations in months or years are no number of seconds.
    unit = "M" if kind == "m" and unit in ("Y", "M", "generic") else "s"
    return kind, unit, int(label.astype(f"{kind}8[{unit}]").astype(np.int64))
