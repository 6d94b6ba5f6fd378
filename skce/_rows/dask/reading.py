"""Reading: X, y and weights on Dask, checked and aligned part by part."""

import warnings
from dataclasses import dataclass
from functools import partial

import dask.array as da
import numpy as np
from distributed import futures_of
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from skce._labels.places import listed
from skce._labels.reading import are_shares, has_columns, sorted_classes, union_of_labels
from skce._labels.sample_weight import checked_sample_weight
from skce._rows import parts as _parts
from skce._rows.blocks import RowsLostError
from skce._rows.dask import graphs
from skce._rows.dask.rows import DaskRows
from skce._rows.lazy import is_lazy


@dataclass(frozen=True)
class DataOnDask:
    """What was read of X (n, d), y and weights: ``classes`` (K,), the ``counts`` of the labels, and parts with rows."""

    classes: np.ndarray
    counts: np.ndarray
    blocks: list
    parts: list
    summaries: list
    n_features: int

    def rows(self, targets):
        """The DaskRows of X with these targets."""
        return DaskRows.of_parts(self.blocks, self.parts, self.summaries, self.n_features, targets)


def read(estimator, X, y, sample_weight, read_y):
    """DataOnDask of X, y and weights; ``read_y`` returns the classes and the labels of y."""
    if y is None:
        raise ValueError(f"{type(estimator).__name__} requires y to be passed, but the target y is None.")
    set_columns(estimator, X, reset=True)
    check_kinds(y=y, sample_weight=sample_weight)
    if is_lazy(y):
        y = without_single_column(y)
    else:
        classes, y = read_y(y)
    if sample_weight is not None and not is_lazy(sample_weight):
        sample_weight = checked_sample_weight(sample_weight, np.broadcast_to(0.0, (len(sample_weight), 0)))
    blocks, y_parts, weight_parts = aligned_parts(X, y=y, sample_weight=sample_weight)
    reader = _reader_of_parts(read_y, y, y_parts) if is_lazy(y) else partial(_as_read, classes=classes)
    reader = graphs.sent(reader)
    n_features = len(_columns(X))
    read_part = graphs.delayed(_parts.read_part)
    parts = graphs.persisted(
        [read_part(*part, reader, n_features) for part in zip(blocks, y_parts, weight_parts, strict=True)]
    )
    summaries = graphs.of_each(_parts.summary_of, parts)
    _raise_first([summary.error for summary in summaries])
    filled = [number for number, summary in enumerate(summaries) if summary.n_rows]
    if not filled:
        raise ValueError("Found array with 0 sample(s): no part of X has rows.")
    _check_same_classes([summaries[number] for number in filled])
    with np.errstate(over="ignore"):
        counts = sum(summaries[number].counts for number in filled)
    if not 0 < counts.sum() < np.inf:
        raise ValueError(f"sample_weight must have a positive, finite sum, got {counts.sum():.3g}.")
    of_filled = ([of_all[number] for number in filled] for of_all in (blocks, parts, summaries))
    return DataOnDask(summaries[filled[0]].classes, counts, *of_filled, n_features)


def set_columns(estimator, X, *, reset):
    """Set, or check X against, the number and the names of the columns that an estimator is fitted to."""
    check_matrix(X)
    header = np.empty((1, len(_columns(X)))) if isinstance(X, da.Array) else X._meta
    validate_data(estimator, header, reset=reset, skip_check_array=True)


def check_matrix(X):
    """Raise unless X has rows that can be read."""
    check_kinds(X=X)
    if X.ndim != 2:
        raise ValueError(
            f"X must have two dimensions, got {X.ndim}: X.reshape(-1, 1), or X.to_frame() of a Series, is one column."
        )
    if isinstance(X, da.Array) and len(X.chunks[1]) > 1:
        raise ValueError(
            f"X has its columns in {len(X.chunks[1])} chunks, of {X.chunks[1]} columns, but whole rows are needed: "
            'X = X.rechunk({0: "auto", 1: -1}) joins them (best before X.persist()).'
        )


def check_kinds(**data):
    """Raise unless what is on Dask is an array, a DataFrame or a Series, and what is not has a dimension."""
    for name, some in data.items():
        if is_lazy(some) and not (isinstance(some, da.Array) or hasattr(type(some), "to_dask_array")):
            raise TypeError(f"{name} must be a Dask array or DataFrame, or in memory, got {type(some).__name__}.")
        if some is not None and not getattr(some, "ndim", 1 if hasattr(some, "__len__") else 0):
            raise ValueError(f"{name} must have a number or a label for each row of X, got {some!r}.")
        if isinstance(some, da.Array) and np.isnan(some.shape[1:]).any():
            raise ValueError(f"{name} has columns that Dask does not know: {name}.compute_chunk_sizes() counts them.")


def _columns(X):
    """Names or numbers of the columns of X."""
    return range(X.shape[1]) if isinstance(X, da.Array) else X.columns


def without_single_column(y):
    """y on Dask, as one dimension if it has one column."""
    if y.ndim != 2 or y.shape[1] != 1:
        return y
    warnings.warn(
        "A column-vector y was passed when a 1d array was expected. Please change the shape of y to (n_samples,).",
        DataConversionWarning,
        stacklevel=2,
    )
    return y[:, 0] if isinstance(y, da.Array) else y[y.columns[0]]


def aligned_parts(X, **others):
    """Lists, of equal length, of the parts of X and of what goes with it: Dask collections, in memory, or None."""
    for name, data in {"X": X, **others}.items():
        futures = futures_of(data) if is_lazy(data) else []
        if futures and futures[0].client.status != "running":
            raise RowsLostError(f"{name} was persisted by a Dask client that is {futures[0].client.status}.")
    if isinstance(X, da.Array):
        # Optimised, a graph would forget the futures of what is persisted.
        blocks, lengths = X.to_delayed(optimize_graph=not futures_of(X)).ravel().tolist(), X.chunks[0]
    else:
        blocks, lengths = _partitions(X), [np.nan]
    if np.isnan(lengths).any():
        is_sliced = any(not (data is None or is_lazy(data)) for data in others.values())
        lengths = graphs.of_each(_parts.length_of_part, blocks) if is_sliced else None
    return [blocks, *(_parts_like(blocks, lengths, name, data) for name, data in others.items())]


def _partitions(frame):
    """The partitions of a DataFrame or Series, Delayed."""
    # To optimise more would join partitions of files, and those of X otherwise than those of y.
    return list(frame.simplify().to_delayed(optimize_graph=False))


def _parts_like(blocks, lengths, name, data):
    """Parts of ``data`` for the ``blocks`` of X, whose lengths are None if Dask does not know them."""
    if data is None:
        return [None] * len(blocks)
    if not is_lazy(data):
        _check_length(lengths, name, data)
        ends = np.cumsum(lengths).tolist()
        return [_rows_of(data, slice(end - length, end)) for length, end in zip(lengths, ends, strict=True)]
    if isinstance(data, da.Array):
        if lengths is not None and not np.isnan(data.chunks[0]).any():
            _check_length(lengths, name, data)
            data = data.rechunk({0: tuple(lengths)})
        parts = data.rechunk(dict.fromkeys(range(1, data.ndim), -1)).to_delayed().ravel().tolist()
    else:
        parts = _partitions(data)
    if len(parts) != len(blocks):
        raise ValueError(
            f"X has {len(blocks)} parts, but {name} has {len(parts)}, and Dask does not know how long all of them are. "
            f"Take both from one DataFrame that is persisted as a whole or not at all (Dask joins files of which it "
            f"reads few columns); or count the rows, of arrays by {name}.compute_chunk_sizes() and "
            "X.compute_chunk_sizes(), of DataFrames by to_dask_array(lengths=True)."
        )
    return parts


def _check_length(lengths, name, data):
    """Raise unless data has as many rows as X."""
    n_rows = data.shape[0] if hasattr(data, "shape") else len(data)
    if n_rows != sum(lengths):
        raise ValueError(f"X has {sum(lengths)} rows, but {name} has {n_rows}.")


def _rows_of(data, rows):
    """A slice of the rows of labels, or of an array, DataFrame or Series."""
    if hasattr(data, "of_rows"):
        return data.of_rows(rows)
    return data.iloc[rows] if hasattr(data, "iloc") else data[rows]


def _reader_of_parts(read_y, y, y_parts):
    """The function that returns the classes and the labels of a part of y on Dask."""
    if has_columns(y):
        return read_y.of_kind(read_y.looks_for_indicators and all(graphs.of_each(_parts.is_indicator_in_part, y_parts)))
    known = None if read_y.classes is None else sorted_classes(read_y.classes)
    # Floats may be a regression target, or shares, which all parts together tell.
    is_to_be_seen = known is None or getattr(y.dtype, "kind", "O") == "f"
    observed = _labels_of_parts(y_parts) if is_to_be_seen else None
    return partial(_parts.read_known_classes, classes=observed if known is None else known)


def _labels_of_parts(y_parts):
    """The sorted distinct labels of the parts of y, or an error that says where they are none."""
    found = graphs.of_each(_parts.labels_in_part, y_parts)
    _raise_first([labels if isinstance(labels, Exception) else None for labels in found])
    labels = union_of_labels([labels for labels in found if len(labels)] or [np.zeros(0)])
    if are_shares(labels):
        _raise_first(graphs.of_each(_parts.error_of_shares, y_parts))
    if len(labels) and labels.dtype.kind not in "biu":
        check_classification_targets(np.repeat(labels, 2))  # it warns where most labels occur once
    return labels


def _as_read(labels, classes):
    """The classes, and the labels of a part of y, which has been read here."""
    return classes, labels


def _check_same_classes(summaries):
    """Raise unless the soft labels, or indicators, of all parts have the same columns."""
    first = listed(summaries[0].classes)
    for summary in summaries:
        if listed(summary.classes) != first:
            raise ValueError(f"Parts of y differ in their columns: {first} and {listed(summary.classes)}.")


def _raise_first(errors):
    """Raise the first error that parts have given, and say which part has."""
    for number, error in enumerate(errors):
        if error is not None:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{_parts.place(number)}: {error}") from error
