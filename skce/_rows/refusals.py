"""Why X in memory is refused or doubted, by its columns and places, which scikit-learn's own errors leave out."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from skce._callers import warn_caller
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


def warn_if_reordered(X, **others):
    """Warn if one of ``others`` has the index of a DataFrame X in another order: rows are joined by their places."""
    of_X = getattr(X, "index", None)
    if not hasattr(of_X, "equals"):
        return
    for name, other in others.items():
        index = getattr(other, "index", None)
        if not hasattr(index, "equals") or len(index) != len(of_X) or index.equals(of_X):
            continue
        if index.sort_values().equals(of_X.sort_values()):
            warn_caller(
                f"{name} has the index of X in another order, and rows are joined by their places: "
                f"{name}.loc[X.index] puts them in the order of X."
            )


@contextmanager
def errors_explained(X) -> Iterator[None]:
    """Have errors of scikit-learn's about X name the place, or the columns, that they are about."""
    try:
        yield
    except (TypeError, ValueError) as error:
        message, _, rest = str(error).partition("\n")
        if "contains NaN" in message or "contains infinity" in message:
            place = first_not_finite(X)
            if place is None:
                raise
            raise ValueError(f"{message.rstrip('.')}, for one in {place}.\n{rest}") from error
        columns = _columns_without_numbers(X)
        if not columns:
            raise
        raise ValueError(
            f"X must hold numbers, but has the columns {', '.join(columns)}. Encode them, for example with "
            "OneHotEncoder in make_column_transformer, or leave them out."
        ) from error


def _is_date(dtype):
    """Whether a dtype of NumPy, pandas or Polars is of dates or durations."""
    return dtype.is_temporal() if hasattr(dtype, "is_temporal") else getattr(dtype, "kind", None) in DATES


def first_not_finite(X):
    """The row and the column of a number of a DataFrame, an array or a CSR matrix that is not finite, in words."""
    if hasattr(X, "format"):  # of SciPy
        if X.format != "csr":
            return None
        first = np.argmax(~np.isfinite(X.data))
        return f"row {np.searchsorted(X.indptr, first, side='right') - 1}, column {X.indices[first]}"
    columns = getattr(X, "columns", None)
    if columns is not None:
        for name in columns:
            values = _as_floats(X[name])
            if values is not None and not np.isfinite(values).all():
                return f"row {np.argmin(np.isfinite(values))}, column {name!r}"
        return None
    values = _as_floats(X)
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
