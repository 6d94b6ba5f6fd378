"""Sample weights: one a row, checked."""

from numbers import Number

import numpy as np

from skce._checks import InvalidParameterError, check_not_masked
from skce._compat import sample_weight_array
from skce._labels.arrays import floats


def checked_sample_weight(sample_weight, X):
    """Sample weights (n,) as float64, ones for None; an error unless their sum is positive and finite."""
    if sample_weight is None:
        return np.broadcast_to(1.0, X.shape[0])  # as long as X, which may be larger than memory, but one number
    check_not_masked("sample_weight", sample_weight)
    check_one_a_row(sample_weight, X.shape[0])
    try:
        sample_weight = sample_weight_array(sample_weight, X)
    except ValueError as error:
        raise _with_place(error, np.asarray(sample_weight)) from error
    if not sample_weight.any():
        # scikit-learn refuses these by itself from 1.9 on.
        raise ValueError("sample_weight must contain at least one non-zero number: all weights are zero.")
    with np.errstate(over="ignore"):
        total = sample_weight.sum()
    if not np.isfinite(total):
        raise ValueError("sample_weight must have a finite sum: it overflows.")
    return sample_weight


def check_one_a_row(sample_weight, n_rows):
    """Raise if sample weights are a number: it would change nothing, and was meant for another parameter."""
    if isinstance(sample_weight, str | Number) or getattr(sample_weight, "ndim", None) == 0:
        raise InvalidParameterError(
            f"sample_weight must hold one number for each of the {n_rows} rows, got {sample_weight!r}."
        )


def _with_place(error, weights):
    """The error, with the first of some weights that is not finite, if that is what it says."""
    what = str(error).splitlines()[0].rstrip(".")
    if " contains " not in what or weights.ndim != 1:
        return error
    row = np.argmin(np.isfinite(floats(weights)))
    return ValueError(f"{what}: weight {row} is {weights[row]}. Leave that row out, or give it a weight of 0.")
