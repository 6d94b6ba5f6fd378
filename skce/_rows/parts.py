"""Parts: the rows of a distributed X that lie together, and what is done with a part where it lies.

What comes back of a part is small: its Summary, a term of a sum, a score. Its labels stay with it. What is wrong with
its data comes back too, so that it can be said where that is.
"""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse
from sklearn.utils import assert_all_finite, check_array

from skce._checks import check_not_masked
from skce._labels.reading import array_of_labels, checked_labels, distinct_labels, hard_labels, is_indicator
from skce._labels.sample_weight import checked_sample_weight
from skce._rows.blocks import RowBlocks
from skce._rows.refusals import check_no_dates, errors_explained, first_not_finite
from skce._rows.threads import workers_for
from skce._types import RowProgram

# Arrays, and their bytes, that hold the place for those that the blocks of a part are computed in.
PLACES, BYTES_OF_PLACE = 32, 120_000


class Summary(NamedTuple):
    """What is known of a part: of what X is made, the classes of y, its counts by label; or what is wrong with it."""

    n_rows: int = 0
    n_numbers: int = 0
    is_sparse: bool = False
    dtype: np.dtype | None = None
    classes: np.ndarray | None = None
    counts: np.ndarray | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class Part:
    """What stays where the rows of a part are: their labels and weights (m,); and the Summary of it all."""

    summary: Summary
    labels: object = None
    sample_weight: np.ndarray | None = None


def features_of(X):
    """X of a part, an array, a sparse matrix or a DataFrame, as a float array or CSR matrix (m, d)."""
    if isinstance(X, np.ma.MaskedArray):
        X = X.data  # of which nothing is masked
    if isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype in (np.float64, np.float32):
        return X  # which check_array would say after many more questions
    return check_array(
        X, accept_sparse="csr", dtype=[np.float64, np.float32], ensure_all_finite=False, ensure_min_samples=0
    )


def read_part(X, y, sample_weight, read_labels, n_features):
    """The Part of X (m, d), y and weights (m,) or None; ``read_labels`` returns the classes and the labels of y."""
    n_rows = length_of_part(X)
    try:
        check_not_masked("X", X)
        check_no_dates(X)
        with errors_explained(X):
            block = features_of(X)
        _check_lengths(n_rows, y=y, sample_weight=sample_weight)
        if not n_rows:
            return Part(Summary())
        if block.shape[1] != n_features:
            raise ValueError(f"X has {block.shape[1]} columns, but the meta by which Dask knows it has {n_features}.")
        _check_finite(block)
        classes, labels = read_labels(y)
        weights = _weights(sample_weight, n_rows)
        counts = labels.counts(weights)
    except (TypeError, ValueError) as error:
        return Part(Summary(n_rows, error=error))
    is_sparse = scipy.sparse.issparse(block)
    n_numbers = block.nnz if is_sparse else block.size
    return Part(Summary(n_rows, n_numbers, is_sparse, block.dtype, classes, counts), labels, weights)


def summary_of(part):
    """The Summary of a Part."""
    return part.summary


def targets_of_part(part, targets):
    """``targets`` with the rows of a Part."""
    return targets.of_rows(part.labels, part.sample_weight)


def targets_without_row(targets, row):
    """Targets of the rows of a part, of which a ``row`` weighs nothing."""
    weight = np.array(targets.sample_weight)
    weight[row] = 0
    return targets.of_rows(targets.labels, weight)


def labels_of_part(targets):
    """Labels and weights of the rows of a part."""
    return targets.labels, targets.sample_weight


def weight_of_part(targets):
    """Weight of the rows of a part, up to a factor that all parts share."""
    return targets.cumulated_weights[-1]


def length_of_part(X):
    """Rows of X of a part."""
    return X.shape[0]


def labels_in_part(y):
    """Sorted distinct labels of a part of y; or what is wrong with it."""
    try:
        return distinct_labels(array_of_labels(y)) if len(y) else np.zeros(0)
    except (TypeError, ValueError) as error:
        return error


def error_of_shares(y):
    """What is wrong with a part of y that holds shares; None if it does not."""
    try:
        checked_labels(y)
    except ValueError as error:
        return error


def read_known_classes(y, classes):
    """The sorted ``classes`` (K,), and the HardLabels of a part of y."""
    y = array_of_labels(y)
    return classes, hard_labels(y, distinct_labels(y), classes)


def is_indicator_in_part(y):
    """Whether a part of y holds zeros and ones alone."""
    return not y.shape[0] or is_indicator(y)


@dataclass(frozen=True)
class Sum:
    """``program`` summed over the rows of a part, as RowBlocks do: all, or those of ``n_draws`` drawn rows."""

    program: RowProgram
    width: int | None
    shift: np.ndarray | None
    dtype: type
    n_draws: int | None = None
    total: float | None = None

    def over(self, X, targets, before=None):
        """The terms of the sums over a part, which the weight ``before`` precedes in ``total``."""
        with np.errstate(over="ignore", invalid="ignore"), workers_for(work=0), _memory_kept():
            rows = RowBlocks(features_of(X), targets, self.shift, self.dtype)
            if self.n_draws is None:
                return rows.summed(self.program, self.width)
            return rows.summed_of_chosen(self.program, rows.drawn(self.n_draws, before, self.total), self.width)


@dataclass(frozen=True)
class Lowest:
    """The lowest of the numbers that ``program`` returns for the Blocks of a part."""

    program: RowProgram

    def over(self, X, targets):
        """A list of one number."""
        return [RowBlocks(features_of(X), targets).lowest(self.program)]


@dataclass(frozen=True)
class Stack:
    """What ``program`` returns for a part as a whole, to be stacked along the last axis."""

    program: RowProgram
    shift: np.ndarray | None
    dtype: type

    def over(self, X, targets):
        """Arrays (..., m)."""
        return RowBlocks(features_of(X), targets, self.shift, self.dtype).stacked(self.program)


@dataclass(frozen=True)
class Gathered:
    """What ``program`` returns for the Blocks of a part, joined along the last axis."""

    program: RowProgram
    shift: np.ndarray | None
    dtype: type

    def over(self, X, targets):
        """Arrays (..., m)."""
        with np.errstate(over="ignore", invalid="ignore"), workers_for(work=0):
            return RowBlocks(features_of(X), targets, self.shift, self.dtype).gathered(self.program)


@dataclass(frozen=True)
class Chosen:
    """Some rows of a part, ``at`` (m,), with their labels and weights."""

    at: np.ndarray

    def over(self, X, targets):
        """X (m, d), their labels, and weights (m,)."""
        return features_of(X)[self.at], targets.labels.of_rows(self.at), targets.sample_weight[self.at]


@dataclass(frozen=True)
class Score:
    """A mean over rows, by weight, of which the parts of the rows have their own."""

    score: Callable
    estimator: object

    def over(self, X, y, sample_weight, number):
        """The sum over the part of a number, and its weight."""
        n_rows = length_of_part(X)
        try:
            _check_lengths(n_rows, y=y, sample_weight=sample_weight)
            weight = float(_weights(sample_weight, n_rows).sum())
            return [weight * self.score(self.estimator, X, y, sample_weight) if weight else 0.0, weight]
        except ValueError as error:
            raise ValueError(f"{place(number)}: {error}") from error


def place(number):
    """Where a part is to be found, as text."""
    return f"In part {number} (X.blocks[{number}] or X.partitions[{number}]; rows are counted from 0 in each part)"


def added(*terms):
    """Sums, entry by entry, of lists of numbers or arrays."""
    with np.errstate(over="ignore", invalid="ignore"):  # as in a part: workers' threads do not inherit it
        return [sum(entries[1:], entries[0]) for entries in zip(*terms, strict=True)]


def least(*terms):
    """Minima, entry by entry, of lists of numbers."""
    return [min(entries) for entries in zip(*terms, strict=True)]


def joined(*terms):
    """Arrays, entry by entry of lists, stacked along their last axis."""
    return [np.concatenate(entries, axis=-1) for entries in zip(*terms, strict=True)]


def predicted_part(X, estimator, method, of_no_rows):
    """What a method of an estimator returns for a part of X, which may have no rows."""
    return getattr(estimator, method)(X).astype(of_no_rows.dtype, copy=False) if X.shape[0] else of_no_rows


@contextmanager
def _memory_kept():
    """Keep what malloc has of the system's memory for the arrays of a block, for those of the next one.

    Dask starts workers with MALLOC_TRIM_THRESHOLD_=65536: what is freed at the end of the heap goes back at once, to be
    asked for, and zeroed, again, which can take longer than the sums over a block do. Free memory elsewhere stays.
    """
    *places, end_of_heap = [np.empty(BYTES_OF_PLACE, np.uint8) for _ in range(PLACES)]
    del places
    yield
    del end_of_heap


def _check_lengths(n_rows, **others):
    """Raise unless all have as many rows as X."""
    for name, other in others.items():
        length = n_rows if other is None else other.shape[0] if hasattr(other, "shape") else len(other)
        if length != n_rows:
            raise ValueError(
                f"X has {n_rows} rows, but {name} has {length}; rows go together by their places in the parts, as "
                "those of one DataFrame do."
            )


def _check_finite(block):
    """Raise, with where it is, if a block holds NaN or infinity."""
    try:
        assert_all_finite(block, input_name="X")
    except ValueError as error:
        first_line = str(error).splitlines()[0].rstrip(".")
        raise ValueError(
            f"{first_line}, first in {first_not_finite(block)}. Replace it, by X = "
            "da.where(da.isfinite(X), X, 0.0) or df.fillna, or drop the row, by df.dropna before X and y are taken "
            "from df."
        ) from None


def _weights(sample_weight, n_rows):
    """Weights (m,) of a part, which may all be 0."""
    check_not_masked("sample_weight", sample_weight)
    if sample_weight is not None and (np.asarray(sample_weight) == 0).all():
        return np.zeros(n_rows)
    return checked_sample_weight(sample_weight, np.empty((n_rows, 0)))
