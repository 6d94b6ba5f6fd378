"""Rows on Dask: the sums of ``_rows`` where X is a Dask array or DataFrame, whose chunks or partitions are its parts.

One sum is one graph: the function goes out once, each part is summed where it lies, the terms are added in a tree,
first those of a worker and then those of the workers, and what comes back is one term. L-BFGS runs here.
"""

import uuid
import warnings
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count

import dask
import dask.array as da
import numpy as np
import pandas as pd
import scipy.sparse
from dask.base import get_scheduler
from dask.delayed import Delayed
from distributed import Client, Future, KilledWorker, futures_of
from distributed.comm import CommClosedError
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from skce._compat import checked_sample_weight, without_callbacks
from skce._labels.reading import has_columns, is_indicator, sorted_classes, union_of_labels
from skce._rows import parts as _parts
from skce._rows.blocks import RowsLostError, points_between
from skce._rows.lazy import is_lazy
from skce._rows.threads import workers_for

# Terms that are added at once.
TERMS_OF_SUM = 16


# Numbers that a function of all rows at once may return, which come here.
NUMBERS_TO_STACK = 2**21


# Passes over X of most fits.
USUAL_PASSES = "10 to 60"


delayed = partial(dask.delayed, pure=False)


def _same(value):
    """The value."""
    return value


def _as_list(*values):
    """The values as a list."""
    return list(values)


def _over_part(task, *part):
    """What a task returns for a part."""
    return task.over(*part)


_read_part = delayed(_parts.read_part)


_summary_of = delayed(_parts.summary_of)


_targets_of_part = delayed(_parts.targets_of_part)


_weight_of_part = delayed(_parts.weight_of_part)


_length_of_part = delayed(_parts.length_of_part)


_labels_in_part = delayed(_parts.labels_in_part)


_is_indicator_in_part = delayed(_parts.is_indicator_in_part)


def sent(value):
    """A value, Delayed, that goes out once for all that use it."""
    return delayed(_same)(delayed(value, name=f"skce-{uuid.uuid4().hex}", traverse=False))


def listed(values):
    """Delayed values as one list, Delayed."""
    return delayed(_as_list)(*values)


def persisted(values):
    """Delayed values that are kept where they are computed."""
    with _lost_rows_are_told(), _any_size_of_graph():
        return list(dask.persist(*values))


def computed(value, client=None):
    """What a Delayed value computes to; ``client`` is the one, if any, that has persisted what it is made of."""
    with _lost_rows_are_told(client), _any_size_of_graph():
        return dask.compute(value, traverse=False)[0]


@contextmanager
def _lost_rows_are_told(client=None):
    """Turn what Dask says of a lost cluster, or of a client that is gone, into a RowsLostError."""
    try:
        yield
    except KilledWorker as error:
        raise RowsLostError(
            "Workers of the Dask cluster died again and again over the same part of the rows, most often for want of "
            f"memory: smaller chunks (X.rechunk, df.repartition) or more memory for each worker help. {error}"
        ) from error
    except Exception as error:
        is_client_gone = client is not None and client.status != "running"
        if not (is_client_gone or isinstance(error, (CancelledError, CommClosedError))):
            raise
        raise RowsLostError(
            "The rows on the Dask cluster are lost: its scheduler or client was closed or restarted, or a worker took "
            f"data with it that cannot be computed again (such as client.scatter has sent). {error}"
        ) from error


def _any_size_of_graph():
    """Context in which Dask does not warn of graphs that hold labels, or coefficients, of some megabytes."""
    return dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"})


@dataclass(frozen=True)
class DaskRows:
    """The rows of X (n, d) on Dask, minus ``shift`` (d,) unless that is None; to the objective what RowBlocks are.

    ``targets`` know the totals. ``parts`` are pairs of the keys that a block of X and its targets have in ``graph``;
    ``client`` has persisted these, None on threads. ``weights`` are those before each part, and of all. ``by_worker``
    has the numbers of the parts that lie on each worker.
    """

    targets: object
    parts: list
    graph: dict
    client: object
    weights: np.ndarray
    by_worker: list
    shape: tuple
    numbers_per_row: float
    is_sparse: bool
    dtype_of_X: type
    shift: np.ndarray | None = None
    dtype: type = np.float64

    numbers_to_stack = NUMBERS_TO_STACK

    @classmethod
    def of_parts(cls, blocks, parts, summaries, n_features, targets):
        """The rows of ``parts``, none of them empty, for the ``targets`` of all."""
        targets_sent = sent(targets)
        part_targets = persisted([_targets_of_part(part, targets_sent) for part in parts])
        weights = computed(listed(map(_weight_of_part, part_targets)))
        n_rows = sum(summary.n_rows for summary in summaries)
        is_single = all(summary.dtype == np.float32 for summary in summaries)
        futures = futures_of(part_targets)
        return cls(
            targets,
            [(block.key, some.key) for block, some in zip(blocks, part_targets, strict=True)],
            _graph_of([*blocks, *part_targets]),
            futures[0].client if futures else None,
            np.cumsum([0.0, *weights]),
            _by_worker(part_targets, futures),
            shape=(n_rows, n_features),
            numbers_per_row=sum(summary.n_numbers for summary in summaries) / n_rows,
            is_sparse=any(summary.is_sparse for summary in summaries),
            dtype_of_X=np.float32 if is_single else np.float64,
        )

    @contextmanager
    def at_work(self):
        """These rows, while BLAS runs on one thread: parts are threads enough where Dask runs them in this process."""
        with workers_for(work=0):
            yield self

    def stacked(self, function):
        """The arrays (..., n) that ``function`` returns for the parts, joined."""
        return self._over_parts(_parts.Stack(function, self.shift, self.dtype), _parts.joined)

    def lowest(self, function):
        """The lowest of the numbers (m,) that ``function`` returns for a block of rows."""
        return float(self._over_parts(_parts.Lowest(function), _parts.least)[0])

    def summed(self, function, n_columns=None):
        """Sums, one for each entry of the tuple that ``function`` returns for targets, some rows and their block."""
        return self._over_parts(_parts.Sum(function, n_columns, self.shift, self.dtype), _parts.added)

    def summed_of_drawn(self, function, n_draws, n_columns=None):
        """The weight of all rows, and sums over ``n_draws`` of them, drawn in proportion to their weight."""
        total = self.weights[-1]
        weight_before = {
            number: (before,)
            for number, (before, end) in enumerate(zip(self.weights[:-1], self.weights[1:], strict=True))
            if len(points_between(before, end, total, n_draws))
        }
        draw = _parts.Sum(function, n_columns, self.shift, self.dtype, n_draws, total)
        return total, self._over_parts(draw, _parts.added, weight_before)

    def _over_parts(self, task, combine, arguments=None):
        """What ``task`` returns for the parts, or for those that ``arguments`` number, combined."""
        if arguments is None:
            arguments = dict.fromkeys(range(len(self.parts)), ())
        name = f"{type(task).__name__.lower()}-{uuid.uuid4().hex}"
        # Written out, as Delayed calls take as long to make as to schedule.
        graph = self.graph | {name: (_same, task)}
        further_numbers = count(len(self.parts))

        def combined_in_graph(keys):
            while len(keys) > 1:
                groups = [keys[start : start + TERMS_OF_SUM] for start in range(0, len(keys), TERMS_OF_SUM)]
                keys = [(name, next(further_numbers)) for _ in groups]
                graph.update((key, (combine, *group)) for key, group in zip(keys, groups, strict=True))
            return keys

        terms = []
        for numbers in self.by_worker:
            keys = [(name, number) for number in numbers if number in arguments]
            graph.update((key, (_over_part, name, *self.parts[key[1]], *arguments[key[1]])) for key in keys)
            terms += combined_in_graph(keys)
        (key,) = combined_in_graph(terms)
        # What comes from elsewhere may be read-only.
        return [np.array(term, dtype=np.float64) for term in computed(Delayed(key, graph), self.client)]


def _graph_of(values):
    """The tasks of all of several Delayed values, which may share layers of tasks."""
    layers = {}
    for value in values:
        graph = value.__dask_graph__()
        layers.update((id(layer), layer) for layer in getattr(graph, "layers", {"": graph}).values())
    tasks = {}
    for layer in layers.values():
        tasks.update(layer)
    return tasks


def _by_worker(parts, futures):
    """Lists of the numbers of the ``parts``, one for each worker that holds some of their ``futures``."""
    if not futures:
        return [list(range(len(parts)))]
    holders = futures[0].client.who_has(futures)
    numbers = {}
    for number, part in enumerate(parts):
        holder = next(iter(holders.get(part.key, ())), None)
        numbers.setdefault(holder, []).append(number)
    return list(numbers.values())


def read(estimator, X, y, sample_weight):
    """Classes (K,), their counts in y by weight, and a function of targets that returns the DaskRows of X."""
    if y is None:
        raise ValueError(f"{type(estimator).__name__} requires y to be passed, but the target y is None.")
    set_columns(estimator, X, reset=True)
    _check_kinds(y=y, sample_weight=sample_weight)
    if is_lazy(y):
        y = _without_single_column(y)
    else:
        classes, y = estimator._y_reader(lambda: is_indicator(y))(y)
    if sample_weight is not None and not is_lazy(sample_weight):
        sample_weight = checked_sample_weight(sample_weight, np.broadcast_to(0.0, (len(sample_weight), 0)))
    blocks, y_parts, weight_parts = aligned_parts(X, y=y, sample_weight=sample_weight)
    reader = _reader_of_parts(estimator, y, y_parts) if is_lazy(y) else partial(_as_read, classes=classes)
    reader = sent(reader)
    n_features = len(_columns(X))
    parts = persisted(
        [_read_part(*part, reader, n_features) for part in zip(blocks, y_parts, weight_parts, strict=True)]
    )
    summaries = computed(listed(map(_summary_of, parts)))
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
    return summaries[filled[0]].classes, counts, partial(DaskRows.of_parts, *of_filled, n_features)


def warn_unless_persisted(X):
    """Warn if the parts of X are neither on the workers nor, on threads, in this process, but computed in each pass."""
    _check_kinds(X=X)
    is_of_client = isinstance(getattr(get_scheduler(collections=[X]), "__self__", None), Client)
    in_memory = np.ndarray, scipy.sparse.sparray, scipy.sparse.spmatrix, pd.DataFrame
    roots = [node for node in dict(X.__dask_graph__()).values() if not getattr(node, "dependencies", None)]
    kept = Future if is_of_client else (Future, *in_memory)
    if not all(isinstance(getattr(node, "value", node), kept) for node in roots):
        warnings.warn(
            f"X is not persisted: each pass of the fit over its rows computes it anew, {USUAL_PASSES} times in most "
            "fits (n_passes_ says how many it was). X = X.persist() before fit, where X fits into the memory of the "
            "workers, computes it once.",
            da.PerformanceWarning,
            stacklevel=3,
        )


def set_columns(estimator, X, *, reset):
    """Set, or check X against, the number and the names of the columns that an estimator is fitted to."""
    _check_matrix(X)
    header = np.empty((1, len(_columns(X)))) if isinstance(X, da.Array) else X._meta
    validate_data(estimator, header, reset=reset, skip_check_array=True)


def _check_matrix(X):
    """Raise unless X has rows that can be read."""
    _check_kinds(X=X)
    if X.ndim != 2:
        raise ValueError(
            f"X must have two dimensions, got {X.ndim}: X.reshape(-1, 1), or X.to_frame() of a Series, is one column."
        )
    if isinstance(X, da.Array) and len(X.chunks[1]) > 1:
        raise ValueError(
            f"X has its columns in {len(X.chunks[1])} chunks, of {X.chunks[1]} columns, but whole rows are needed: "
            'X = X.rechunk({0: "auto", 1: -1}) joins them (best before X.persist()).'
        )


def _check_kinds(**data):
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


def _without_single_column(y):
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
        lengths = computed(listed(map(_length_of_part, blocks))) if is_sliced else None
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


def _reader_of_parts(estimator, y, y_parts):
    """The function that returns the classes and the labels of a part of y on Dask."""
    if has_columns(y):
        return estimator._y_reader(lambda: all(computed(listed(map(_is_indicator_in_part, y_parts)))))
    if estimator.classes is not None:
        classes = sorted_classes(estimator.classes)
    else:
        found = computed(listed(map(_labels_in_part, y_parts)))
        _raise_first([labels if isinstance(labels, Exception) else None for labels in found])
        classes = union_of_labels([labels for labels in found if len(labels)] or [np.zeros(0)])
    if len(classes) and classes.dtype.kind not in "biu":
        check_classification_targets(np.repeat(classes, 2))  # it warns where most labels occur once
    return partial(_parts.read_known_classes, classes=classes)


def _as_read(labels, classes):
    """The classes, and the labels of a part of y, which has been read here."""
    return classes, labels


def _check_same_classes(summaries):
    """Raise unless the soft labels, or indicators, of all parts have the same columns."""
    first = summaries[0].classes.tolist()
    for summary in summaries:
        if summary.classes.tolist() != first:
            raise ValueError(f"Parts of y differ in their columns: {first} and {summary.classes.tolist()}.")


def _raise_first(errors):
    """Raise the first error that parts have given, and say which part has."""
    for number, error in enumerate(errors):
        if error is not None:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{_parts.place(number)}: {error}") from error


def predicted(estimator, method, X):
    """The Dask array that a method of a fitted estimator returns for X, a block for each chunk or partition."""
    check_is_fitted(estimator)
    estimator = without_callbacks(estimator)
    set_columns(estimator, X, reset=False)
    of_one_row = getattr(estimator, method)(_row_like(X))
    of_no_rows = of_one_row[:0]
    call = {"estimator": sent(estimator), "method": method, "of_no_rows": of_no_rows, "meta": of_no_rows}
    if not isinstance(X, da.Array):
        return X.map_partitions(_parts.predicted_part, **call)
    if of_one_row.ndim == 1:
        return X.map_blocks(_parts.predicted_part, drop_axis=1, **call)
    chunks = X.chunks[0], (of_one_row.shape[1],)
    return X.map_blocks(_parts.predicted_part, chunks=chunks, **call)


def _row_like(X):
    """One row of zeros that has the columns of X and the dtype that its features will have."""
    if isinstance(X, da.Array):
        return np.zeros((1, X.shape[1]), np.float32 if X.dtype == np.float32 else np.float64)
    dtype = np.float32 if (X.dtypes == np.float32).all() else np.float64
    return type(X._meta)(np.zeros((1, len(X.columns)), dtype), columns=X.columns)


def averaged(function, estimator, X, y, sample_weight):
    """The mean, by weight, of what ``function`` returns for the parts of X, y and weights, a score that is a mean."""
    y, sample_weight = (
        data if data is None or hasattr(data, "shape") else np.asarray(data)
        for data in (_without_single_column(y) if is_lazy(y) else y, sample_weight)
    )
    _check_matrix(X)
    _check_kinds(y=y, sample_weight=sample_weight)
    parts = aligned_parts(X, y=y, sample_weight=sample_weight)
    task = sent(_parts.Score(function, without_callbacks(estimator)))
    numbers = range(len(parts[0]))
    scores = [delayed(_over_part)(task, *part) for part in zip(*parts, numbers, strict=True)]
    total, weight = np.sum(computed(listed(scores)), axis=0)
    if not weight > 0:
        raise ValueError("sample_weight must contain at least one non-zero number: all weights are zero.")
    return float(total / weight)
