"""Arrow-backed columns of pandas: as X, as weights, and as labels, which come back in the dtype that NumPy has."""

import datetime
import decimal

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

from skce import OneVsAllClassifier, SoftmaxRegressor, with_prior
from skce.functional import cross_entropy
from skce.metrics import expected_calibration_error, neg_binary_log_loss_scorer, neg_log_loss_scorer

pa = pytest.importorskip("pyarrow")

BOTH = pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])

CODES = np.array([0, 1, 0, 1, 1, 0, 1, 0])
X = np.array([[0.0, 1], [1, 2], [2, 0], [3, 1], [0, 2], [1, 0], [2, 2], [3, 0]])
WEIGHT = np.array([1.0, 2, 1, 3, 1, 1, 2, 1])

LABELS = {
    "int64": (pa.int64(), [2**53, 2**53 + 1], np.int64),
    "int8": (pa.int8(), [-1, 1], np.int8),
    "uint64": (pa.uint64(), [2**64 - 2, 2**64 - 1], np.uint64),
    "bool": (pa.bool_(), [False, True], np.bool_),
    "double": (pa.float64(), [1.0, 2.0], np.float64),
    "string": (pa.string(), ["a", "b"], np.object_),
    "large string": (pa.large_string(), ["a", "b"], np.object_),
    "date": (pa.date32(), [datetime.date(2020, 1, 1), datetime.date(2021, 1, 1)], "M8[D]"),
    "timestamp": (pa.timestamp("us"), [datetime.datetime(2020, 1, 1), datetime.datetime(2021, 1, 1)], "M8[us]"),
    "duration": (pa.duration("s"), [datetime.timedelta(1), datetime.timedelta(2)], "m8[s]"),
}


def arrow(values, of_type):
    return pd.Series(values, dtype=pd.ArrowDtype(of_type))


def frame(array, names="ab"):
    return pd.DataFrame({name: arrow(column, pa.float64()) for name, column in zip(names, array.T, strict=True)})


@BOTH
@pytest.mark.parametrize("kind", LABELS)
def test_labels_come_back_in_their_dtype(make_estimator, kind):
    of_type, labels, dtype = LABELS[kind]
    y = arrow([labels[code] for code in CODES], of_type)
    of_codes = make_estimator().fit(X, CODES)
    for classes in (None, arrow(labels, of_type)):
        model = make_estimator(classes=classes, class_weight=dict.fromkeys(labels, 1.0)).fit(X, y)
        assert model.classes_.dtype == model.predict(X).dtype == np.dtype(dtype)
        assert model.classes_.tolist() == labels
        np.testing.assert_array_equal(model.coef_, of_codes.coef_)
        np.testing.assert_array_equal(model.predict(X), model.classes_[of_codes.predict(X)])
    assert model.score(X, y) == of_codes.score(X, CODES)
    assert neg_log_loss_scorer(model, X, y) == neg_log_loss_scorer(of_codes, X, CODES)
    prior = dict(zip(labels, [0.25, 0.75], strict=True))
    np.testing.assert_allclose(with_prior(model, prior=prior).class_prior_, [0.25, 0.75])
    p = of_codes.predict_proba(X)
    assert expected_calibration_error(y, p) == expected_calibration_error(CODES, p)


@BOTH
@pytest.mark.parametrize("kind", [*LABELS, "time zone", "decimal"])
def test_a_missing_label_is_named_by_its_place(make_estimator, kind):
    others = {
        "time zone": (pa.timestamp("us", "UTC"), [pd.Timestamp("2020", tz="UTC"), pd.Timestamp("2021", tz="UTC")]),
        "decimal": (pa.decimal128(3, 1), [decimal.Decimal(1), decimal.Decimal(2)]),
    }
    of_type, labels = others[kind] if kind in others else LABELS[kind][:2]
    y = arrow([labels[code] if row != 5 else None for row, code in enumerate(CODES)], of_type)
    with pytest.raises(ValueError, match=r"Input y contains NaN.*: label 5 is (nan|NaT|<NA>)"):
        make_estimator().fit(X, y)
    if kind in others:  # which NumPy has no dtype for
        with pytest.raises(ValueError, match=r"is of dtype .*\[pyarrow\]: label 0 is .*\.astype\(str\)"):
            make_estimator().fit(X, arrow([labels[code] for code in CODES], of_type))


@BOTH
def test_features_weights_and_soft_labels(make_estimator):
    names = dict(enumerate("ab"))
    expected = make_estimator().fit(pd.DataFrame(X).rename(columns=names), CODES, WEIGHT)
    model = make_estimator().fit(frame(X), CODES, arrow(WEIGHT, pa.float64()))
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-12)
    np.testing.assert_allclose(model.predict_proba(frame(X)), expected.predict_proba(frame(X)), rtol=1e-12)
    of_integers = make_estimator().fit(X, CODES, arrow(WEIGHT.astype(int), pa.int64()))
    np.testing.assert_allclose(of_integers.coef_, expected.coef_, rtol=1e-12)
    shares = np.c_[0.9 - 0.8 * CODES, 0.1 + 0.8 * CODES]
    of_shares = make_estimator().fit(X, frame(shares))
    assert of_shares.classes_.tolist() == ["a", "b"]
    np.testing.assert_allclose(of_shares.coef_, make_estimator().fit(X, shares).coef_, rtol=1e-12)

    with pytest.raises(ValueError, match="sample_weight contains NaN: weight 3 is nan"):
        make_estimator().fit(X, CODES, arrow([*WEIGHT[:3], None, *WEIGHT[4:]], pa.float64()))
    missing = frame(shares)
    missing.iloc[2, 1] = pd.NA
    with pytest.raises(ValueError, match=r"y contains NaN or infinity: row 2 is \[.*nan\]"):
        make_estimator().fit(X, missing)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        make_estimator().fit(missing, CODES)


def test_indicators():
    tags = np.c_[CODES, 1 - CODES, X[:, 0] > 1]
    columns = frame(tags.astype(float), "xyz").astype(pd.ArrowDtype(pa.int64()))
    model, expected = OneVsAllClassifier().fit(X, columns), OneVsAllClassifier().fit(X, tags)
    assert model.classes_.tolist() == ["x", "y", "z"]
    np.testing.assert_array_equal(model.coef_, expected.coef_)
    assert neg_binary_log_loss_scorer(model, X, columns) == neg_binary_log_loss_scorer(expected, X, tags)
    columns.iloc[4, 0] = pd.NA
    with pytest.raises(ValueError, match=r"y contains NaN or infinity: row 4 is \[nan"):
        OneVsAllClassifier().fit(X, columns)


@BOTH
def test_on_dask(make_estimator):
    data = frame(X).assign(y=arrow(CODES, pa.int64()), w=arrow(WEIGHT, pa.float64()))
    on_dask = dd.from_pandas(data, npartitions=2).persist()
    model = make_estimator().fit(on_dask[["a", "b"]], on_dask["y"], on_dask["w"])
    np.testing.assert_allclose(model.coef_, make_estimator().fit(X, CODES, WEIGHT).coef_, rtol=1e-9)
    assert model.predict(on_dask[["a", "b"]]).compute().dtype == np.int64
    for column, what in (("y", "Input y contains NaN: label 2"), ("w", "sample_weight contains NaN: weight 2")):
        missing = data.copy()
        missing.loc[6, column] = pd.NA
        on_dask = dd.from_pandas(missing, npartitions=2).persist()
        with pytest.raises(ValueError, match=f"In part 1 .*{what} is nan"):
            make_estimator().fit(on_dask[["a", "b"]], on_dask["y"], on_dask["w"])


def test_logits_and_labels_of_functions():
    expected = cross_entropy(X, CODES, sample_weight=WEIGHT)
    weight = arrow(WEIGHT, pa.float64())
    for labels in (arrow(CODES, pa.int64()), pd.Series(CODES, dtype="Int64"), CODES.astype(object)):
        assert cross_entropy(frame(X), labels, sample_weight=weight) == expected
    for labels in (arrow([0, None], pa.int64()), pd.Series([0, None], dtype="Int64"), np.array([0, None], object)):
        with pytest.raises(ValueError, match=r"Input targets contains NaN.*: label 1 is"):
            cross_entropy(X[:2], labels)
    missing = frame(X)
    missing.iloc[4, 1] = pd.NA
    with pytest.raises(ValueError, match=r"logits must be finite.*got nan at \(4, 1\)"):
        cross_entropy(missing, CODES)
