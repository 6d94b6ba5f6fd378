"""Labels as people have them: each keeps its type and its neighbours apart, or is an error that says what to do."""

import datetime

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.model_selection import KFold, cross_val_predict, cross_val_score, cross_validate

from skce import OneVsAllClassifier, SoftmaxRegressor, with_prior
from skce._labels.reading import read_labels
from skce.metrics import expected_calibration_error, neg_log_loss_scorer

BOTH = pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
UNITS = pytest.mark.parametrize("unit", ["D", "s", "ms", "us", "ns"])

CODES = np.array([0, 1, 0, 1, 1, 0])
X = np.arange(6.0)[:, None] % 4
DAYS = np.array(["2020-01-01", "2021-01-01"], "M8[D]")
IDS = np.array([2**53, 2**53 + 1])


def on_dask(y):
    return da.from_array(X, chunks=(2, 1)), da.from_array(y, chunks=2)


@BOTH
@pytest.mark.parametrize("container", [list, tuple])
def test_a_list_with_nan_among_strings_is_missing_a_label(make_estimator, container):
    with pytest.raises(ValueError, match="Input y contains NaN or None: label 3 is nan"):
        make_estimator().fit(X, container(["a", "b", "a", float("nan"), "b", "a"]))
    with pytest.raises(ValueError, match="Input classes contains NaN or None: label 1 is nan"):
        make_estimator(classes=container(["a", float("nan")])).fit(X, np.array(["a", "b"])[CODES])


@BOTH
@pytest.mark.parametrize("labels", [["a", 1], [1, "a"], [True, "a"], [1.5, "a"], [b"a", "a"]])
def test_a_list_of_several_types_is_an_error_with_places(make_estimator, labels):
    y = [labels[code] for code in CODES]
    with pytest.raises(ValueError, match=r"y must hold labels of one type.*: label 0 is .*, but label 1 is .*astype"):
        make_estimator().fit(X, y)
    with pytest.raises(ValueError, match="y must hold labels of one type"):
        neg_log_loss_scorer(make_estimator().fit(X, CODES), X, y)


@BOTH
@pytest.mark.parametrize("container", [np.asarray, pd.Series, pl.Series, list])
@pytest.mark.parametrize("is_duration", [False, True])
def test_nat_is_a_missing_label(make_estimator, container, is_duration):
    days = DAYS.astype("M8[ms]")[CODES]
    y = days - days[0] if is_duration else days
    y[3] = "NaT"
    with pytest.raises(ValueError, match=r"Input y contains NaN or None: label 3 is N"):
        make_estimator().fit(X, container(y))
    with pytest.raises(ValueError, match="Input classes contains NaN or None: label 3 is N"):
        make_estimator(classes=container(y)).fit(X, CODES)


@BOTH
def test_nat_on_dask_is_missing_in_its_part(make_estimator):
    y = DAYS[CODES]
    y[3] = "NaT"
    with pytest.raises(ValueError, match=r"In part 1 .*: Input y contains NaN or None: label 1 is NaT"):
        make_estimator().fit(*on_dask(y))


@BOTH
@UNITS
def test_dates_of_any_unit_name_their_classes(make_estimator, unit):
    y = DAYS.astype(f"M8[{unit}]")[CODES]
    expected = make_estimator(class_weight={0: 1, 1: 5}).fit(X, CODES)
    keys_of = [
        list(DAYS.astype(f"M8[{unit}]")),
        list(DAYS),
        list(DAYS.astype("M8[ns]")),
        DAYS.tolist(),
        [pd.Timestamp(day) for day in DAYS],
    ]
    for keys in keys_of:
        model = make_estimator(class_weight=dict(zip(keys, [1, 5], strict=True)), classes=keys).fit(X, y)
        np.testing.assert_array_equal(model.class_weight_, [1, 5])
        np.testing.assert_array_equal(model.coef_, expected.coef_)
        prior = {keys[1]: 0.25, keys[0]: 0.75}
        np.testing.assert_allclose(with_prior(model, prior=prior).class_prior_, [0.75, 0.25], rtol=1e-12)
    with pytest.raises(
        ValueError, match=r"classes for keys, but .*2020, 6, 1.* are none.*\['2021-01-01.* would be left"
    ):
        make_estimator(class_weight={DAYS[0]: 1, datetime.date(2020, 6, 1): 2}).fit(X, y)


def test_durations_name_their_classes():
    y = (DAYS - DAYS[0])[CODES]
    weight = {datetime.timedelta(0): 2, pd.Timedelta(days=366): 3}
    np.testing.assert_array_equal(SoftmaxRegressor(class_weight=weight).fit(X, y).class_weight_, [2, 3])


@BOTH
def test_durations_are_listed_with_their_units(make_estimator):
    y = (DAYS - DAYS[0]).astype("m8[us]")[CODES]
    with pytest.raises(ValueError, match=r"not in classes: \['31622400000000 microseconds'\]"):
        make_estimator(classes=y[:1]).fit(X, y)


@BOTH
@UNITS
def test_scores_of_dates_are_those_of_their_codes(make_estimator, unit):
    y = DAYS.astype(f"M8[{unit}]")[CODES]
    model, of_codes = make_estimator().fit(X, y), make_estimator().fit(X, CODES)
    expected = neg_log_loss_scorer(of_codes, X, CODES)
    assert neg_log_loss_scorer(model, X, y) == expected
    assert neg_log_loss_scorer(model, X, DAYS[CODES]) == expected
    assert neg_log_loss_scorer(model, *on_dask(y)) == pytest.approx(expected, rel=1e-14)
    assert model.score(X, y) == of_codes.score(X, CODES)
    assert np.isfinite(cross_val_score(make_estimator(), X, y, cv=2, scoring=neg_log_loss_scorer)).all()
    calibration = expected_calibration_error(y, model.predict_proba(X), labels=model.classes_)
    assert calibration == expected_calibration_error(CODES, model.predict_proba(X))


def nullable(y):
    return pd.Series(y, dtype="Int64")


def nullable_unsigned(y):
    return pd.Series(y, dtype="UInt64")


def objects(y):
    return np.array(y.tolist(), dtype=object)


def on_dask_frame(y):
    return dd.from_pandas(pd.DataFrame({"y": nullable(y)}), npartitions=1)["y"]


@BOTH
@pytest.mark.parametrize(
    "container", [nullable, nullable_unsigned, objects, np.ndarray.tolist, pl.Series, on_dask_frame]
)
def test_neighbouring_long_ids_stay_apart(make_estimator, container):
    y = container(IDS[CODES])
    for classes in (None, IDS.tolist(), nullable(IDS)):
        model = make_estimator(classes=classes).fit(X, y)
        assert model.classes_.dtype.kind in "iu"
        assert model.classes_.tolist() == IDS.tolist()
        np.testing.assert_array_equal(model.class_prior_, [0.5, 0.5])
    of_codes = make_estimator().fit(X, CODES)
    assert neg_log_loss_scorer(model, X, y) == neg_log_loss_scorer(of_codes, X, CODES)
    assert model.score(X, y) == of_codes.score(X, CODES)


@BOTH
@pytest.mark.parametrize("container", [lambda y: pd.Series(y, dtype="boolean"), objects])
def test_booleans_stay_booleans(make_estimator, container):
    model = make_estimator().fit(X, container(CODES == 1))
    assert model.predict(X).dtype == bool
    np.testing.assert_array_equal(model.predict(X), make_estimator().fit(X, CODES == 1).predict(X))


@BOTH
def test_parts_of_signed_and_unsigned_objects_stay_apart(make_estimator):
    ids = np.array([2**63 - 1, 2**63, 2**64 - 1], dtype=object)
    model = make_estimator().fit(*on_dask(ids[[0, 0, 1, 1, 2, 2]]))
    assert model.classes_.tolist() == ids.tolist()


@BOTH
@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        (np.array([10**25, 10**25 + 1], object), "object"),
        ([2**64 - 1, -1], "object"),
        (pd.Series(pd.period_range("2020", periods=2, freq="D")), r"period\[D\]"),
        (pd.Series(pd.interval_range(0, 2)), "interval"),
        (pd.Series(DAYS).dt.tz_localize("UTC"), "UTC"),
        (np.array([b"a", b"b"]), r"\|S1"),
        (np.array([b"a", b"b"], object), "object"),
    ],
)
def test_other_objects_are_an_error_that_names_dtype_and_remedy(make_estimator, labels, dtype):
    y = [labels[code] for code in CODES] if isinstance(labels, list) else labels[CODES]
    with pytest.raises(ValueError, match=rf"is of dtype .*{dtype}.*: label 0 is .*\.astype\(str\)"):
        make_estimator().fit(X, y)
    as_strings = np.asarray(y, dtype=object).astype(str)
    assert len(make_estimator().fit(X, as_strings).classes_) == 2


@BOTH
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_soft_labels_a_rounding_below_0_count_as_0(make_estimator, dtype):
    first = np.where(CODES == 0, 0.9, 0.1)
    exact = np.c_[first, 1 - first, np.zeros(6)].astype(dtype)
    rounded = exact.copy()
    rounded[:, 2] = -np.finfo(dtype).eps
    before = rounded.copy()
    model = make_estimator().fit(X, rounded)
    np.testing.assert_array_equal(model.coef_, make_estimator().fit(X, exact).coef_)
    np.testing.assert_array_equal(rounded, before)
    assert neg_log_loss_scorer(model, X, rounded) == neg_log_loss_scorer(model, X, exact)
    rounded[4] = [0.6, 0.5, -0.1]
    with pytest.raises(ValueError, match="negative probability: row 4 is"):
        make_estimator().fit(X, rounded)


@BOTH
def test_one_column_of_shares_is_an_error_that_shows_two(make_estimator):
    p = np.array([0.0, 0.3, 0.6, 0.8, 0.2, 1.0])
    for y in (p, p.tolist(), pd.Series(p)):
        with pytest.raises(ValueError, match=r"label 1 is 0\.3.*np\.c_\[1 - p, p\]"):
            make_estimator().fit(X, y)
    with pytest.raises(ValueError, match=r"np\.c_\[1 - p, p\]"):
        make_estimator().fit(*on_dask(p))
    np.testing.assert_allclose(make_estimator().fit(X, np.c_[1 - p, p]).class_prior_[1], p.mean(), rtol=1e-12)


@pytest.fixture
def features_shares(rng):
    shares = rng.dirichlet(np.ones(3), size=60)
    return shares @ rng.normal(size=(3, 2)) + rng.normal(size=(60, 2)), shares


@BOTH
def test_out_of_fold_predictions_from_soft_labels_are_those_of_the_guide(make_estimator, features_shares):
    features, shares = features_shares
    kept = cross_validate(
        make_estimator(), features, shares, cv=KFold(3), return_estimator=True, return_indices=True, error_score="raise"
    )
    probabilities = np.empty(shares.shape)
    for fitted, rows in zip(kept["estimator"], kept["indices"]["test"], strict=True):
        probabilities[rows] = fitted.predict_proba(features[rows])
    for train, test in KFold(3).split(features):
        alone = make_estimator().fit(features[train], shares[train])
        np.testing.assert_array_equal(alone.predict_proba(features[test]), probabilities[test])


@BOTH
@pytest.mark.parametrize("method", ["predict_proba", "predict_log_proba", "decision_function"])
def test_soft_labels_that_cross_val_predict_has_numbered_are_an_error_that_shows_what_to_do(
    make_estimator, method, features_shares
):
    features, shares = features_shares
    remedy = (
        r"In cross_val_predict, which numbers.*cross_validate\(\.\.\., return_estimator=True, return_indices=True\)"
    )
    with pytest.raises(ValueError, match=remedy):
        cross_val_predict(make_estimator(), features, shares, method=method, cv=KFold(3))


def test_so_are_those_whose_numbers_are_zeros_and_ones(features_shares):
    features, shares = features_shares
    two_of_three = 0.5 - 0.5 * np.eye(3)[shares.argmax(axis=1)]
    with pytest.raises(ValueError, match=r"If it is a multilabel indicator.*In cross_val_predict"):
        cross_val_predict(SoftmaxRegressor(), features, two_of_three, method="predict_proba", cv=KFold(3))


@BOTH
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1.5, 2.5], r"is of dtype object: label 0 is 1\.5; y\.astype\(float\) makes numbers, which are labels"),
        ([np.float32(1), np.float32(2)], r"is of dtype object: .*; y\.astype\(float\) makes numbers, which are labels"),
        ([1.5, 2], r"label 0 is 1\.5, but label 1 is 2; y\.astype\(float\) makes numbers of all"),
        ([1.5, True], r"label 0 is 1\.5, but label 1 is True; y\.astype\(str\) makes strings of all"),
        ([1.5, "a"], r"label 0 is 1\.5, but label 1 is 'a'; y\.astype\(str\) makes strings of all"),
    ],
)
def test_objects_that_are_floats_are_told_to_be_floats(make_estimator, labels, message):
    y = np.array(labels, dtype=object)[[0, 1, 0, 1, 1, 0]]
    for given in (y, pd.Series(y)):
        with pytest.raises(ValueError, match=message):
            make_estimator().fit(X, given)
    remedied = y.astype(float) if "float" in message else y.astype(str)
    if "float" not in message or labels == [np.float32(1), np.float32(2)]:  # the others are a regression target
        assert len(make_estimator().fit(X, remedied).classes_) == 2


@BOTH
@pytest.mark.parametrize("classes", [None, [0, 1]])
def test_a_regression_target_on_dask_one_part_of_which_looks_like_shares(make_estimator, classes):
    y = np.array([0.1, 0.5, 1.7, 2.3, 3.1, 4.2])
    for args in ((X, y), on_dask(y)):
        with pytest.raises(ValueError, match="Unknown label type: continuous"):
            make_estimator(classes=classes).fit(*args)
    shares = np.array([0.0, 1.0, 0.0, 0.3, 0.5, 1.0])
    with pytest.raises(ValueError, match=r"In part 1 .*label 1 is 0\.3.*np\.c_\[1 - p, p\]"):
        make_estimator(classes=classes).fit(*on_dask(shares))
    # Labels 0 and 1, as floats, in one part, and others in another.
    model = make_estimator().fit(*on_dask(np.array([0.0, 1, 0, 1, 2, 2])))
    assert model.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        ([-128, 127, 5], np.int8),
        ([0, 255, 7], np.uint8),
        ([2**63 - 2, 2**63 - 1, 2**63 - 4000], np.int64),
        ([2**64 - 1, 2**64 - 3], np.uint64),
        ([-(2**63), -(2**63) + 9], np.int64),
        ([-(2**63), 2**63 - 1], np.int64),
        ([0, 4095, 1], np.int32),
        ([0, 4096, 1], np.int32),
    ],
    ids=str,
)
def test_integers_of_any_width_are_the_labels_that_they_are(labels, dtype, rng):
    y = rng.permutation(np.repeat(np.array(labels, dtype=dtype), 50))
    classes, codes = read_labels(y)
    assert classes.dtype == dtype
    assert classes.tolist() == sorted(labels)
    assert [classes[code] for code in codes.codes] == y.tolist()
