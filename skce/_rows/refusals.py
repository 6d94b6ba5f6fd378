"""Why X in memory is refused or doubted, by its columns and places, which scikit-learn's own errors leave out."""

import warnings

import numpy as np

from skce._slices import row_slices

DATES = ("m", "M")

# Rows that are searched at once for a number that is not finite.
ROWS_PER_SEARCH = 2**14


def check_no_dates(X):
    """Raise if X has dates or durations, of which NumPy would make nanoseconds, or days, without a word."""
    columns = getattr(X, "columns", None)
    if columns is None:
        if getattr(getattr(X, "dtype", None), "kind", None) in DATES:
            raise ValueError(
                f"X must hold numbers, but is of {X.dtype}: subtract a date, and divide by np.timedelta64."
            )
        return
    dated = [repr(name) for name, dtype in zip(columns, X.dtypes, strict=True) if _is_date(dtype)]
    if dated:
        raise ValueError(
            f"X must hold numbers, but has dates or durations in the columns {', '.join(dated)}. Make numbers of them, "
            "for example (X[name] - X[name].min()).dt.days."
        )


def warn_if_reordered(X, y):
    """Warn if y has the index of a DataFrame X in another order: rows are joined by their places, not by the index."""
    of_X, of_y = getattr(X, "index", None), getattr(y, "index", None)
    if not (hasattr(of_X, "equals") and hasattr(of_y, "equals")) or len(of_X) != len(of_y) or of_X.equals(of_y):
        return
    if of_X.sort_values().equals(of_y.sort_values()):
        warnings.warn(
            "y has the index of X in another order, and rows are joined by their places: y.loc[X.index] puts them in "
            "the order of X.",
            UserWarning,
            stacklevel=3,
        )


def explained(error, X):
    """An error of scikit-learn's about X, with the place or the columns that it is about where these can be found."""
    message, _, rest = str(error).partition("\n")
    if "contains NaN" in message or "contains infinity" in message:
        place = _first_not_finite(X)
        return error if place is None else ValueError(f"{message.rstrip('.')}, for one in {place}.\n{rest}")
    columns = _columns_without_numbers(X)
    if not columns:
        return error
    return ValueError(
        f"X must hold numbers, but has the columns {', '.join(columns)}. Encode them, for example with OneHotEncoder "
        "in make_column_transformer, or leave them out."
    )


def _is_date(dtype):
    """Whether a dtype of NumPy, pandas or Polars is of dates or durations."""
    return dtype.is_temporal() if hasattr(dtype, "is_temporal") else getattr(dtype, "kind", None) in DATES


def _first_not_finite(X):
    """The row and the column of a number of a DataFrame or a dense array that is not finite, in words."""
    columns = getattr(X, "columns", None)
    if columns is not None:
        for name in columns:
            values = _as_floats(X[name])
            if values is not None and not np.isfinite(values).all():
                return f"row {np.argmin(np.isfinite(values))}, column {name!r}"
        return None
    values = None if hasattr(X, "tocsr") else _as_floats(X)
    if values is None or values.ndim != 2:
        return None
    for rows in row_slices(len(values), ROWS_PER_SEARCH):
        is_finite = np.isfinite(values[rows])
        if not is_finite.all():
            row, column = np.argwhere(~is_finite)[0].tolist()
            return f"row {rows.start + row}, column {column}"
    return None


def _columns_without_numbers(X):
    """Columns of a DataFrame, of any library, that hold strings or other objects, with their dtypes."""
    columns = getattr(X, "columns", ())
    return [f"{name!r} of {X[name].dtype}" for name in columns if _as_floats(X[name]) is None]


def _as_floats(values):
    """Values as an array of floats; None if they are none."""
    try:
        values = np.asarray(values)
        return values if values.dtype.kind == "f" else values.astype(float)
    except (TypeError, ValueError):
        return None
