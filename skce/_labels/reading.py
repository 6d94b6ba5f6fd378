"""What y means: labels, distributions over the classes (soft labels), or a multilabel indicator.

    one dimension, or one column                         labels
    more columns, non-negative, every row sums to 1      distributions, a column a class
    more columns of zeros and ones, dense or sparse      a multilabel indicator (one-vs-all alone asks for it)

Classes come out sorted. The columns of an array of distributions stand in that order; those of a DataFrame are put into
it by their names.
"""

from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from skce._checks import InvalidParameterError, check_not_masked
from skce._labels.arrays import check_no_label_is_missing, check_objects, floats, joined, label_array
from skce._labels.kinds_of_y import HardLabels, Indicators, SoftLabels
from skce._labels.places import listed, places_of
from skce._slices import row_slices

# Rows whose labels are looked up at once.
ROWS_PER_SEARCH = 2**16

# Labels that are integers within so many of each other are looked up in a table: a tenth of the time of sorting them.
MOST_SMALL_INTEGERS = 2**12

# What probabilities are off by that came through float32, or were printed with a few digits.
LEAST_ROUNDING = 1e-5

ENCODED_EXPLAINED = (
    " In cross_val_predict, which numbers the values of each column of soft labels, use cross_validate(..., "
    "return_estimator=True, return_indices=True), which leaves them as they are."
)


class Names(NamedTuple):
    """What a caller knows y and classes as, for errors."""

    y: str = "y"
    classes: str = "classes"


NAMES_OF_FIT = Names()


@dataclass(frozen=True)
class LabelReader:
    """How an estimator reads y: by its ``classes``, and whether it takes a multilabel indicator."""

    classes: Any = None
    takes_indicators: bool = False

    def __call__(self, y):
        """The sorted classes (K,), and the HardLabels or SoftLabels of y; or its labels (L,) and Indicators."""
        return self.of_kind(self.looks_for_indicators and is_indicator(y))(y)

    @property
    def looks_for_indicators(self):
        """Whether y may be an indicator: ``classes`` would say that its columns exclude each other."""
        return self.takes_indicators and self.classes is None

    def of_kind(self, as_indicator):
        """The function that reads y, or a part of it, of a known kind."""
        return read_indicator if as_indicator else partial(read_labels, classes=self.classes)


def read_labels(y, classes=None, names=NAMES_OF_FIT):
    """Sorted classes (K,), and the HardLabels or SoftLabels that y gives; ``classes`` as the estimators take it."""
    if scipy.sparse.issparse(y):
        raise ValueError(
            f"{names.y} is sparse, which only OneVsAllClassifier(classes=None) takes, as a multilabel indicator."
        )
    known = None if classes is None else sorted_classes(classes, names.classes)
    if has_columns(y, names.y):
        return _read_distributions(y, classes, known, names)
    return _read_classes(y, known, names)


def read_indicator(y):
    """Labels (L,) and the Indicators of a multilabel y; a DataFrame's columns name the labels."""
    indicator = _numbers(y)
    if indicator.ndim != 2 or indicator.shape[1] < 2 or not _holds_zeros_and_ones(indicator):
        raise ValueError(
            f"y must be a matrix of zeros and ones with at least two columns to be a multilabel indicator, "
            f"got shape {indicator.shape}."
        )
    names = getattr(y, "columns", None)
    if names is None:
        return np.arange(indicator.shape[1]), Indicators(indicator)
    sorted_classes(list(names), "the columns of y")
    return np.asarray(names), Indicators(indicator)


def aligned_indicator(y, labels):
    """The indicator (n, L), dense, of a multilabel y, its columns in the order of ``labels`` if it names them."""
    names, indicators = read_indicator(y)
    indicator = indicators.toarray()
    places = places_of(labels, names)
    if len(places) != len(names) or (places < 0).any():
        # Labels that are numbers of columns, or columns without names, go by their place.
        if not hasattr(y, "columns") or np.array_equal(labels, np.arange(len(labels))):
            return indicator
        raise ValueError(f"The columns of y are {listed(names)}, but the labels of the model are {listed(labels)}.")
    return indicator[:, places]


def is_indicator(y):
    """Whether y is a multilabel indicator: sparse, or of two or more columns that hold zeros and ones alone."""
    return scipy.sparse.issparse(y) or (has_columns(y) and _holds_zeros_and_ones(_numbers(y)))


def has_columns(y, name="y"):
    """Whether y has two dimensions and more than one column."""
    try:
        shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape
    except ValueError as error:
        raise ValueError(
            f"{name} is a list of rows of different lengths; MultiLabelBinarizer turns lists of labels into an "
            "indicator."
        ) from error
    return len(shape) == 2 and shape[1] > 1


def _numbers(y):
    """y as an array, of floats if it can be; sparse y as CSR without duplicate entries."""
    if scipy.sparse.issparse(y):
        matrix = scipy.sparse.csr_array(y, copy=True)
        matrix.sum_duplicates()
        return matrix
    check_not_masked("y", y)
    array = np.asarray(y)
    if array.dtype.kind != "O":
        return array
    try:
        return floats(array)
    except (TypeError, ValueError):
        return array


def _holds_zeros_and_ones(matrix):
    """Whether every entry of a dense or CSR matrix is 0 or 1."""
    values = matrix.data if scipy.sparse.issparse(matrix) else matrix
    return values.dtype.kind in "biuf" and bool(np.all((values == 0) | (values == 1)))


def checked_labels(y, name="y"):
    """y as an array (n,) of labels, none of which is missing, a share, or an object other than a string."""
    labels = array_of_labels(y, name)
    _check_no_shares(labels, name)
    return labels


def array_of_labels(y, name="y"):
    """The same for a part of y, of which it cannot be said whether it holds shares."""
    if type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "biu":
        return y
    check_not_masked(name, y)
    array = label_array(y)
    if array.ndim not in (1, 2):
        raise ValueError(f"{name} should be a 1d array of labels, or have a column a class; got shape {array.shape}.")
    check_no_label_is_missing(array, name)
    check_objects(array, y, name)
    return column_or_1d(array, warn=True)


def are_in_order(labels, classes):
    """Whether ``labels``, an array or a sequence, are the classes (K,) in their order."""
    return np.array_equal(places_of(label_array(labels), classes), np.arange(len(classes)))


def are_shares(labels):
    """Whether labels (n,) are the shares that one of two classes has."""
    is_within = labels.dtype.kind == "f" and bool(((labels >= 0) & (labels <= 1)).all())
    return is_within and bool(((labels > 0) & (labels < 1)).any())


def _check_no_shares(labels, name):
    """Raise, with the place of the first, if labels (n,) are shares."""
    if are_shares(labels):
        row = np.argmax((labels > 0) & (labels < 1))
        raise ValueError(
            f"{name} must hold labels, or have a column a class, but holds numbers between 0 and 1: label {row} is "
            f"{labels[row]}. If these are the shares p of the second of two classes, give those of both: "
            "np.c_[1 - p, p]."
        )


def distinct_labels(y):
    """The sorted distinct labels (K,) of an array of labels, or of a part of it."""
    if y.dtype.kind in "iu" and len(y):
        lowest, highest = y.min(), y.max()
        if (size := _size_of_table(lowest, highest)) is not None:
            is_there = np.zeros(size, dtype=bool)
            for rows in row_slices(len(y), ROWS_PER_SEARCH):
                is_there[np.subtract(y[rows], lowest, dtype=np.intp)] = True
            return np.flatnonzero(is_there).astype(y.dtype) + lowest
    return union_of_labels(np.unique(y[rows]) for rows in row_slices(len(y), ROWS_PER_SEARCH))


def _size_of_table(lowest, highest):
    """Integers from the lowest to the highest; None where these lie too far from each other to look them up."""
    size = int(highest) - int(lowest) + 1
    return size if size <= MOST_SMALL_INTEGERS else None


def union_of_labels(arrays):
    """The sorted distinct labels (K,) of several arrays of labels."""
    try:
        return reduce(lambda first, second: np.unique(joined([first, second])), arrays)
    except TypeError as error:
        raise ValueError("y must hold labels of one type, which can be sorted.") from error


def _read_classes(y, known, names):
    """Sorted classes (K,), ``known`` if given, and HardLabels."""
    y = checked_labels(y, names.y)
    observed = distinct_labels(y)
    if y.dtype.kind not in "biu":  # integers are always labels, and to look at all of them again takes time
        check_classification_targets(y)
    classes = observed if known is None else known
    return classes, hard_labels(y, observed, classes, names)


def hard_labels(y, observed, classes, names=NAMES_OF_FIT):
    """HardLabels of an array of labels, whose distinct ones are ``observed``, by the sorted ``classes`` (K,)."""
    places = np.arange(len(classes)) if classes is observed else places_of(observed, classes)
    if classes is not observed and (places < 0).any():
        unknown = listed(observed[places < 0])
        raise ValueError(
            f"{names.y} holds labels that are not in {names.classes}: {unknown}; {names.classes} is {listed(classes)}."
        )
    # A code a row: as small as can be, where there are more rows than memory.
    codes = np.empty(len(y), np.min_scalar_type(len(classes)))
    are_integers = observed.dtype.kind in "iu" and len(observed) > 0
    if are_integers and (size := _size_of_table(observed[0], observed[-1])) is not None:
        lowest, code_of = observed[0], np.zeros(size, codes.dtype)
        code_of[np.subtract(observed, lowest, dtype=np.intp)] = places
        for rows in row_slices(len(y), ROWS_PER_SEARCH):
            codes[rows] = code_of[np.subtract(y[rows], lowest, dtype=np.intp)]
    else:
        for rows in row_slices(len(y), ROWS_PER_SEARCH):
            codes[rows] = places[np.searchsorted(observed, y[rows])]
    return HardLabels(codes, len(classes))


def _read_distributions(y, classes, known, names):
    """Sorted classes (K,), ``known`` if given, and SoftLabels whose columns stand in their order."""
    matrix = _checked_distributions(y, names.y)
    columns = getattr(y, "columns", None)
    if columns is None:
        return _classes_of_array(matrix, classes, known, names), SoftLabels(matrix)
    columns = list(columns)
    known = sorted_classes(columns, f"the columns of {names.y}") if known is None else known
    places = places_of(columns, known)
    unknown = [column for column, place in zip(columns, places, strict=True) if place < 0]
    if unknown:
        raise ValueError(
            f"{names.y} has columns that are not in {names.classes}: {unknown}; {names.classes} is {listed(known)}."
        )
    aligned = np.zeros((len(matrix), len(known)), matrix.dtype)
    aligned[:, places] = matrix
    return known, SoftLabels(aligned)


def _classes_of_array(matrix, classes, known, names):
    """The classes (K,) that the columns of an array stand for, ``known`` if given."""
    if known is None:
        return np.arange(matrix.shape[1])
    if len(known) != matrix.shape[1]:
        raise ValueError(
            f"{names.y} has {matrix.shape[1]} columns for the {len(known)} classes in {names.classes}: {listed(known)}."
        )
    if not are_in_order(classes, known):
        raise ValueError(
            f"The columns of an array {names.y} stand in sorted order of the classes, {listed(known)}, but "
            f"{names.classes} is {listed(label_array(classes))}; sort both, or give {names.y} as a DataFrame whose "
            "columns name the classes."
        )
    return known


def _checked_distributions(y, name):
    """y as a float array (n, K), or an error that names the first row that is no distribution."""
    check_not_masked(name, y)
    try:
        matrix = np.asarray(y)
        is_whole = matrix.dtype.kind in "iu"
        if matrix.dtype.kind != "f":
            matrix = floats(matrix)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} has several columns, so its rows must be distributions over the classes, of numbers; of the "
            "labels of several annotators, give the share of each class."
        ) from error
    encoded_explained = ENCODED_EXPLAINED if is_whole else ""
    sums = matrix.sum(axis=1, dtype=float)
    finite = np.isfinite(sums)
    if not finite.all():
        row = np.argmin(finite)
        raise ValueError(
            f"{name} contains NaN or infinity: row {row} is {matrix[row].tolist()}; the probability of no class is 0."
        )
    rounding = rounding_of_probabilities(matrix.dtype)
    is_negative = matrix < -rounding
    if is_negative.any():
        row = np.argmax(is_negative.any(axis=1))
        raise ValueError(
            f"{name} has a negative probability: row {row} is {matrix[row].tolist()}; a multilabel indicator, which "
            "OneVsAllClassifier takes, would be of zeros and ones."
        )
    off = np.abs(sums - 1) > rounding
    if not off.any():
        # Shares that were computed as 1 minus the others are often a rounding below 0.
        return matrix if (matrix >= 0).all() else np.clip(matrix, 0, 1)
    row = np.argmax(off)
    if _holds_zeros_and_ones(matrix):
        raise ValueError(
            f"{name} of several columns must hold distributions over the classes, whose rows sum to 1, but row {row} "
            f"is {matrix[row].astype(int).tolist()}. If it is a multilabel indicator, of labels that do not exclude "
            f"each other, OneVsAllClassifier takes it, with classes=None.{encoded_explained}"
        )
    raise ValueError(
        f"{name} must hold distributions whose rows sum to 1: row {row} sums to {sums[row]:.6g}; divide each row by "
        f"its sum.{encoded_explained}"
    )


def rounding_of_probabilities(dtype):
    """What probabilities of a dtype, which may have been computed in float32 before, may be off by."""
    return max(LEAST_ROUNDING, np.sqrt(np.finfo(dtype).eps)) if dtype.kind == "f" else LEAST_ROUNDING


def sorted_classes(values, name="classes"):
    """``values`` as a sorted array (K,), or an error that names them if they repeat or mix types."""
    check_not_masked(name, values)
    classes = label_array(values)
    if classes.ndim != 1 or len(classes) == 0:
        raise InvalidParameterError(f"{name} must be a sequence of class labels, got {values!r}.")
    check_no_label_is_missing(classes, name)
    try:
        distinct = np.unique(classes)
    except TypeError as error:
        raise InvalidParameterError(f"{name} must be labels of one type, got {list(values)!r}.") from error
    if len(distinct) < len(classes):
        repeated = next(label for label in listed(distinct) if listed(classes).count(label) > 1)
        raise InvalidParameterError(f"{name} must name every class once, but {repeated!r} stands there several times.")
    return distinct
