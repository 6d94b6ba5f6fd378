"""Labels of every kind, container and engine: what is predicted is what was given, and what is missing is named.

A seeded fuzz: classes are far apart in X, so that predictions are y itself, in its own dtype.
"""

import zlib

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

from skce import OneVsAllClassifier, SoftmaxRegressor

pytestmark = pytest.mark.slow

N_ROWS, ROWS_OF_PART = 24, 8
ESTIMATORS = SoftmaxRegressor, OneVsAllClassifier
INTEGERS = [np.dtype(f"{sign}int{width}") for sign in ("", "u") for width in (8, 16, 32, 64)]
UNITS = ["Y", "M", "D", "h", "s", "ms", "us", "ns"]


def integers(dtype, rng):
    """Integers (K,) of a dtype, its ends and neighbours among them."""
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return rng.permutation(np.array([low, low + 1, high - 1, high], dtype))


def moments(kind, unit, rng):
    """Neighbouring dates or durations (K,) of a unit."""
    first = int(rng.integers(30, 60)) if unit in "YM" else int(rng.integers(2**14, 2**15))
    return (first + np.arange(4)).astype(f"{kind}8[{unit}]")


def objects(values):
    return np.array(values, dtype=object)


KINDS = {
    **{dtype.name: lambda rng, dtype=dtype: integers(dtype, rng) for dtype in INTEGERS},
    **{f"dates in {unit}": lambda rng, unit=unit: moments("M", unit, rng) for unit in UNITS},
    **{f"durations in {unit}": lambda rng, unit=unit: moments("m", unit, rng) for unit in UNITS[2:]},
    "neighbouring ids": lambda rng: 2**53 + np.arange(4),
    "huge unsigned": lambda rng: np.uint64(2**63) + np.arange(4, dtype=np.uint64),
    "whole floats": lambda rng: rng.permutation([-1.0, 0.0, 1e6, 2.0**60]),
    "whole float32": lambda rng: rng.permutation([-1.0, 0.0, 7.0, 2.0**30]).astype(np.float32),
    "booleans": lambda rng: np.array([False, True]),
    "strings": lambda rng: rng.permutation(["", "a", "a ", "nan"]),
    "accents": lambda rng: rng.permutation(["e", "é", "e\u0301", "zz" * 20]),
    "object strings": lambda rng: objects(rng.permutation(["None", "NaT", "1", "01"]).tolist()),
    "object integers": lambda rng: objects([3, -2, 2**53, 2**53 + 1]),
    "object huge integers": lambda rng: objects([0, 2**63, 2**64 - 1, 2**64 - 2]),
    "object integers of NumPy": lambda rng: objects([np.int8(1), np.int64(2**40), 3]),
    "object booleans": lambda rng: objects([True, False]),
}
if hasattr(np.dtypes, "StringDType"):  # from NumPy 2 on
    KINDS["strings of any length"] = lambda rng: np.array(["", "a", "é" * 20], np.dtypes.StringDType())


def with_missing(values, place, missing):
    """An array of values of which one is missing: in its own dtype if that can be, or else as an object."""
    if values.dtype.kind in "mMf":
        missing = np.array(np.nan if values.dtype.kind == "f" else "NaT", values.dtype)
    else:
        values = values.astype(object)
    values = values.copy()
    values[place] = missing
    return values


def native(y):
    """A list of Python's own labels, None for what is missing."""
    return [None if pd.isna(label) else getattr(label, "item", lambda label=label: label)() for label in y.tolist()]


def nullable(y):
    """A Series of pandas' nullable dtype for integers and booleans; None for others."""
    labels = native(y)
    types = {type(label) for label in labels} - {type(None)}
    if y.dtype.kind in "mM" or types not in ({int}, {bool}):
        return None
    if types == {bool}:
        return pd.Series(labels, dtype="boolean")
    is_huge = max(label for label in labels if label is not None) > np.iinfo(np.int64).max
    return pd.Series(pd.array(labels, dtype="UInt64" if is_huge else "Int64"))


def pandas_strings(y):
    """A Series of pandas' string dtype; None for what is not strings."""
    labels = native(y) if y.dtype.kind not in "mM" else [0]
    return pd.Series(labels, dtype="string") if {type(label) for label in labels} <= {str, type(None)} else None


def polars_series(y):
    """A polars Series; None where polars has no dtype for it."""
    if y.dtype.kind in "mM":
        return pl.Series(y) if np.datetime_data(y.dtype)[0] in ("ms", "us", "ns") else None
    labels = native(y)
    is_huge = any(isinstance(label, int) and label > np.iinfo(np.int64).max for label in labels)
    return pl.Series(labels, dtype=pl.UInt64 if is_huge else None)


def dask_series(y):
    """A Series on Dask, whose objects stay what they are."""
    with dask.config.set({"dataframe.convert-string": y.dtype.kind != "O"}):
        return dd.from_pandas(pd.Series(y), npartitions=N_ROWS // ROWS_OF_PART)


CONTAINERS = {
    "array": lambda y: y,
    "list": list,
    "tuple": tuple,
    "Python's own": lambda y: None if y.dtype.kind in "mM" else y.tolist(),
    "Series": lambda y: pd.Series(y, index=np.arange(len(y))[::-1]),
    "nullable Series": nullable,
    "Categorical": lambda y: pd.Series(y).astype("category"),
    "string Series": pandas_strings,
    "polars": polars_series,
    "Dask array": lambda y: da.from_array(y, chunks=ROWS_OF_PART),
    "Dask Series": dask_series,
}

ENGINES = {
    "dense": lambda X: X,
    "CSR": scipy.sparse.csr_array,
    "Dask": lambda X: da.from_array(X, chunks=(ROWS_OF_PART, -1)),
}


def own_dtype(labels):
    """The dtype that labels (K,) have: that of NumPy, if objects are integers or booleans."""
    if labels.dtype.kind == "T":
        return np.dtype(object)
    if labels.dtype.kind != "O" or isinstance(labels[0], str):
        return labels.dtype
    if isinstance(labels[0], bool):
        return np.dtype(bool)
    return np.dtype(np.uint64 if max(labels) > np.iinfo(np.int64).max else np.int64)


def is_same_kind(dtype, expected, container):
    """Whether classes have the dtype of what was given; a container may have its own widths, units and strings."""
    if container in ("array", "Dask array"):
        return dtype == expected
    return dtype.kind in {"U": "UO", "O": "UO", "u": "iu"}.get(expected.kind, expected.kind)


@pytest.fixture
def rng(request):
    return np.random.default_rng(zlib.crc32(request.node.callspec.id.encode()))


def drawn(kind, container, rng):
    """Labels (K,), codes (n,) of all of them, and y in its container; skips where there is no such thing."""
    labels = KINDS[kind](rng)
    codes = np.r_[np.arange(len(labels)), rng.integers(0, len(labels), N_ROWS - len(labels))]
    rng.shuffle(codes)
    y = CONTAINERS[container](labels[codes])
    if y is None:
        pytest.skip(f"{container} has no {kind}")
    return labels, codes, y


def fits(container, X, rng):
    """An estimator of each class with X on each engine; one of them where Dask makes it slow."""
    for engine, given in ENGINES.items():
        if "Dask" in (engine, container.partition(" ")[0]):
            yield ESTIMATORS[rng.integers(2)](), given(X)
        else:
            for make_estimator in ESTIMATORS:
                yield make_estimator(), given(X)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", KINDS)
def test_labels_come_back_as_they_were_given(kind, container, rng):
    labels, codes, y = drawn(kind, container, rng)
    X = 10 * np.eye(len(labels))[codes] + rng.normal(size=(N_ROWS, len(labels)))
    for model, X_given in fits(container, X, rng):
        model.fit(X_given, y)
        assert len(model.classes_) == len(labels)
        assert is_same_kind(model.classes_.dtype, own_dtype(labels), container), model.classes_.dtype
        predicted = model.predict(X_given)
        assert predicted.dtype == model.classes_.dtype
        assert listed(np.asarray(predicted)) == listed(labels[codes])
        assert model.score(X_given, y) == 1


@pytest.mark.parametrize("container", ["array", "list", "Series", "polars"])
@pytest.mark.parametrize("kind", KINDS)
def test_labels_name_their_classes(kind, container, rng):
    labels, codes, y = drawn(kind, container, rng)
    order = rng.permutation(len(labels))
    weights = dict(zip(list(labels[order]), (order + 1.0).tolist(), strict=True))
    X = np.eye(len(labels))[codes] + rng.normal(size=(N_ROWS, len(labels)))
    for make_estimator in ESTIMATORS:
        model = make_estimator(class_weight=weights, classes=CONTAINERS[container](labels[order])).fit(X, y)
        assert listed(model.classes_) == sorted(listed(labels))
        expected = dict(zip(listed(labels), np.arange(len(labels)) + 1.0, strict=True))
        assert model.class_weight_.tolist() == [expected[label] for label in listed(model.classes_)]


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("kind", KINDS)
def test_missing_labels_are_named_by_their_place(kind, container, rng):
    labels = KINDS[kind](rng)
    codes = rng.permutation(np.arange(N_ROWS) % len(labels))
    place = int(rng.integers(1, N_ROWS))
    missing = [None, float("nan"), pd.NA][rng.integers(3)]
    y = CONTAINERS[container](with_missing(labels[codes], place, missing))
    if y is None:
        pytest.skip(f"{container} has no missing {kind}")
    X = 10 * np.eye(len(labels))[codes]
    for model, X_given in fits(container, X, rng):
        with pytest.raises(ValueError, match=r"contains NaN.* label \d+ is ") as caught:
            model.fit(X_given, y)
        named = [int(word) for word in str(caught.value).split(" label ")[1].split()[:1]]
        assert named == [place % ROWS_OF_PART if "In part" in str(caught.value) else place]
        assert not hasattr(model, "classes_")


def listed(labels):
    """Labels as Python's own, dates and durations as the nanoseconds that they stand for."""
    if labels.dtype.kind in "mM":
        return labels.astype(f"{labels.dtype.kind}8[ns]").astype(np.int64).tolist()
    return labels.tolist()
