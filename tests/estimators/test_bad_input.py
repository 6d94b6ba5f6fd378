"""Bad input: an error that names what is wrong, raised by fit, which leaves the estimator as it was."""

import re

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.preprocessing import MaxAbsScaler

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce.losses import FocalLoss
from skce.metrics import neg_log_loss_scorer
from tests.problems import overlapping

BOTH = pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])


@pytest.fixture
def problem(rng):
    return overlapping(rng)


def replaced(array, index, value):
    array = np.array(array, dtype=float)
    array[index] = value
    return array


def assert_fit_raises(estimator, args, message, exception=ValueError):
    """The error has the message, and neither a fresh nor a fitted estimator changes."""
    fitted_X, fitted_y = overlapping(np.random.default_rng(1))
    bad_parameters = estimator.get_params()
    for fitted in (False, True):
        if fitted:
            frame = pd.DataFrame(fitted_X, columns=["a", "b", "c"])
            estimator = type(estimator)().fit(frame, fitted_y).set_params(**bad_parameters)
        before = vars(estimator).copy()
        with pytest.raises(exception, match=message):
            estimator.fit(*args)
        assert vars(estimator).keys() == before.keys()
        assert all(vars(estimator)[name] is value for name, value in before.items())


@BOTH
@pytest.mark.parametrize(
    ("name", "values", "allowed"),
    [
        ("C", [0, -1.0, np.nan, True, "1", None, 10**400], "a number above 0, or inf"),
        ("gamma", [-0.1, np.nan, np.inf, False, "2"], "a finite number of at least 0"),
        ("label_smoothing", [-0.1, 1, 1.5, np.nan, True, "0.1"], r"a number in \[0, 1\)"),
        ("tol", [-1e-9, np.nan, np.inf, True, "0"], "a finite number of at least 0"),
        ("max_iter", [-1, 10.0, True, "100"], "an integer of at least 0"),
        ("verbose", [-1, 0.5, "yes", None], "an integer of at least 0"),
        ("fit_intercept", [1, 0, "yes", None], "True or False"),
        ("warm_start", [1, None], "True or False"),
        ("loss", ["log_loss", None, FocalLoss, 3, np.log], "'cross_entropy', 'focal' or a loss object"),
        ("class_weight", ["balance", [1, 2, 3], 2.0], "None, a dict"),
    ],
)
def test_a_parameter(make_estimator, name, values, allowed, problem):
    for value in values:
        shown = "got " if callable(value) else f"got {value!r}"
        with pytest.raises((ValueError, TypeError), match=f"^{name} must be {allowed}.*") as caught:
            make_estimator(**{name: value}).fit(*problem)
        assert shown in str(caught.value)
    assert_fit_raises(make_estimator(**{name: values[0]}), problem, f"{name} must be")


@BOTH
def test_a_loss_that_is_a_class_or_lacks_a_method_is_told_so(make_estimator, problem):
    class Half:
        is_convex = True

        def value(self, log_q, rest):
            return -log_q

    class Asking(FocalLoss):
        def is_convex(self):
            return False

    assert_fit_raises(make_estimator(loss=Asking()), problem, "is_convex of loss must be True or False")
    assert_fit_raises(make_estimator(loss=FocalLoss), problem, r"a class; pass an instance, FocalLoss\(\)")
    assert_fit_raises(make_estimator(loss=Half()), problem, "which has no g")


@BOTH
def test_what_others_call_cross_entropy_and_several_values_of_C(make_estimator, problem):
    assert_fit_raises(make_estimator(loss="log_loss"), problem, "got 'log_loss'; 'log_loss' is 'cross_entropy' here")
    assert_fit_raises(make_estimator(C=[0.1, 1.0]), problem, r"SoftmaxRegressorCV .* several, got \[0.1, 1.0\]")


@BOTH
@pytest.mark.parametrize("dtype", ["object", "category"])
def test_columns_that_are_no_numbers_are_named(make_estimator, dtype, problem):
    X, y = problem
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame["city"] = pd.Series(["Rome"] * len(y)).astype(dtype)
    assert_fit_raises(make_estimator(), (frame, y), f"has the columns 'city' of {dtype}.*OneHotEncoder")


@BOTH
def test_dates_are_no_numbers(make_estimator, problem):
    X, y = problem
    dates = pd.DataFrame({"since": pd.to_datetime("2020-01-01") + pd.to_timedelta(np.arange(len(y)), "D")})
    mixed = pd.DataFrame(X, columns=["a", "b", "c"]).assign(since=dates["since"].dt.tz_localize("UTC"))
    for frame in (dates, mixed):
        assert_fit_raises(make_estimator(), (frame, y), "has dates or durations in the columns 'since'")
    assert_fit_raises(make_estimator(), (dates.to_numpy(), y), "X must hold numbers, but is of datetime64")
    lazy = [dd.from_pandas(data, npartitions=2).persist() for data in (dates, pd.Series(y))]
    assert_fit_raises(make_estimator(), lazy, "has dates or durations in the columns 'since'")
    polars = pytest.importorskip("polars")
    assert_fit_raises(make_estimator(), (polars.from_pandas(dates), y), "has dates or durations in the columns 'since'")


@BOTH
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_named_by_its_place(make_estimator, value, problem):
    X, y = problem
    X = replaced(replaced(X, (7, 1), value), (9, 0), value)
    assert_fit_raises(make_estimator(), (X, y), "Input X contains (NaN|infinity).*, for one in row 7, column 1")
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    assert_fit_raises(make_estimator(), (frame, y), "Input X contains (NaN|infinity).*, for one in row 9, column 'a'")
    sparse = scipy.sparse.csr_array(X)
    assert_fit_raises(make_estimator(), (sparse, y), "Input X contains (NaN|infinity).*, for one in row 7, column 1")


@BOTH
def test_labels_whose_index_is_that_of_X_in_another_order_are_doubted(make_estimator, problem):
    X, y = problem
    frame, labels = pd.DataFrame(X), pd.Series(y)
    model, weight = make_estimator().fit(frame[::-1], labels[::-1]), pd.Series(np.linspace(1, 2, len(y)))
    doubted = r"{} has the index of X in another order, .* {}\.loc\[X\.index\]"
    for name, doubtful in (
        ("y", lambda: make_estimator().fit(frame, labels[::-1])),
        ("y", lambda: model.score(frame[::-1], labels)),
        ("y", lambda: neg_log_loss_scorer(model, frame[::-1], labels)),
        ("sample_weight", lambda: make_estimator().fit(frame, labels, weight[::-1])),
    ):
        with pytest.warns(UserWarning, match=doubted.format(name, name)) as caught:
            doubtful()
        assert [warning.filename for warning in caught] == [__file__]
    make_estimator().fit(frame, labels.set_axis(labels.index + 1))


@BOTH
def test_class_weights_in_a_series_are_those_in_a_dict(make_estimator, problem):
    weights = {2: 3.0, 0: 0.5}
    fits = [make_estimator(class_weight=given).fit(*problem) for given in (weights, pd.Series(weights))]
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)
    assert fits[0].class_weight_.tolist() == [0.5, 1.0, 3.0]


@BOTH
def test_numpy_scalars_are_numbers(make_estimator, problem):
    make_estimator(
        C=np.float32(1),
        gamma=np.int64(2),
        tol=np.float64(1e-5),
        max_iter=np.int32(500),
        fit_intercept=np.True_,
        verbose=False,
    ).fit(*problem)


@BOTH
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite(make_estimator, value, problem):
    X, y = problem
    assert_fit_raises(make_estimator(), (replaced(X, (5, 1), value), y), "Input X contains (NaN|infinity)")


@BOTH
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_labels_that_are_not_finite(make_estimator, value, problem):
    X, y = problem
    assert_fit_raises(make_estimator(), (X, replaced(y, 5, value)), "Input y contains (NaN|infinity)")


@BOTH
@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_labels_with_missing_values_among_strings(make_estimator, missing, problem):
    X, codes = problem
    y = np.array(["a", "b", "c"], dtype=object)[codes]
    y[5] = missing
    assert_fit_raises(make_estimator(), (X, y), "Input y contains NaN or None: label 5 is")


@BOTH
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_distributions_that_are_not_finite(make_estimator, value, problem):
    X, y = problem
    soft = replaced(0.9 * np.eye(3)[y] + 0.1 / 3, (5, 1), value)
    assert_fit_raises(make_estimator(), (X, soft), "y contains NaN or infinity: row 5")


@BOTH
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(make_estimator, value, problem):
    X, y = problem
    weight = replaced(np.ones(len(y)), 5, value)
    assert_fit_raises(make_estimator(), (X, y, weight), "Input sample_weight contains (NaN|infinity)")


@BOTH
def test_weights_that_are_negative_or_all_zero_or_of_another_length(make_estimator, problem):
    X, y = problem
    assert_fit_raises(make_estimator(), (X, y, replaced(np.ones(len(y)), 5, -1)), "Negative values .*sample_weight")
    assert_fit_raises(make_estimator(), (X, y, np.zeros(len(y))), "(?i)sample.weights? must contain .* non-zero")
    assert_fit_raises(make_estimator(), (X, y, np.ones(len(y) - 1)), "sample_weight.shape")


@BOTH
def test_numbers_that_overflow_together(make_estimator, problem):
    X, y = problem
    assert_fit_raises(make_estimator(C=5e-324), (X, y), "C=5e-324 times the total weight 60 is too small for a float")
    assert_fit_raises(make_estimator(), (X, y, np.full(len(y), 1e308)), "sample_weight must have a finite sum")


@BOTH
def test_lengths_that_differ(make_estimator, problem):
    X, y = problem
    assert_fit_raises(make_estimator(), (X, y[:-1]), "inconsistent numbers of samples")
    assert_fit_raises(make_estimator(), (X, np.eye(3)[y[:-1]] * 0.9 + 0.1 / 3), "inconsistent numbers of samples")


@BOTH
def test_one_class_only(make_estimator, problem):
    X, y = problem
    message = "needs samples of two classes or more, but y has one class"
    assert_fit_raises(make_estimator(), (X, np.full(len(y), "a")), message + r".*\['a'\]")
    assert_fit_raises(make_estimator(class_weight={0: 0, 1: 0, 2: 0}), (X, y), message)


@BOTH
def test_continuous_labels(make_estimator, problem, rng):
    X, _ = problem
    assert_fit_raises(make_estimator(), (X, rng.normal(size=len(X))), "Unknown label type: continuous")


@BOTH
def test_labels_of_several_types(make_estimator, problem):
    X, y = problem
    labels = np.array(["a", 1, 2.0], dtype=object)[y]
    assert_fit_raises(make_estimator(), (X, labels), "y must hold labels of one type")


@pytest.mark.parametrize("container", [np.asarray, np.ndarray.tolist, pd.DataFrame])
def test_a_multilabel_y_for_a_softmax_names_the_right_estimator(container, problem):
    X, y = problem
    indicator = np.eye(3, dtype=int)[y]
    indicator[7] = [1, 1, 0]
    message = r"but row 7 is \[1, 1, 0\]. If it is a multilabel indicator.*OneVsAllClassifier"
    assert_fit_raises(SoftmaxRegressor(), (X, container(indicator)), message)


def test_a_sparse_y_for_a_softmax_names_the_right_estimator(problem):
    X, y = problem
    assert_fit_raises(SoftmaxRegressor(), (X, scipy.sparse.csr_array(np.eye(3)[y])), "sparse.*OneVsAllClassifier")


@BOTH
def test_distributions_name_the_row(make_estimator, problem):
    X, y = problem
    soft = 0.9 * np.eye(3)[y] + 0.1 / 3
    assert_fit_raises(make_estimator(), (X, replaced(soft, 5, [-0.1, 0.6, 0.5])), "negative probability: row 5 is")
    assert_fit_raises(make_estimator(), (X, replaced(soft, 5, [0.1, 0.6, 0.5])), r"rows sum to 1: row 5 sums to 1\.2")
    assert_fit_raises(make_estimator(), (X, replaced(soft, 5, [0, 0, 0])), "rows sum to 1: row 5 sums to 0")
    assert_fit_raises(
        make_estimator(), (X, np.array(["a", "b", "c"])[np.eye(3, dtype=int)[y]]), "y has several columns"
    )


@BOTH
def test_integers_in_several_columns_are_no_distributions(make_estimator, problem, rng):
    X, _ = problem
    assert_fit_raises(make_estimator(), (X, rng.integers(2, 5, size=(len(X), 3))), "rows sum to 1: row 0 sums to")


@BOTH
def test_classes_that_y_does_not_fit(make_estimator, problem):
    X, y = problem
    soft = 0.9 * np.eye(3)[y] + 0.1 / 3
    frame = pd.DataFrame(soft, columns=["a", "b", "x"])
    message = r"y holds labels that are not in classes: \[2\]; classes is \[0, 1\]"
    assert_fit_raises(make_estimator(classes=[0, 1]), (X, y), message)
    assert_fit_raises(make_estimator(classes=["0", "1", "2"]), (X, y), "y holds labels that are not in classes")
    assert_fit_raises(make_estimator(classes=["a", "b"]), (X, frame), r"columns that are not in classes: \['x'\]")
    assert_fit_raises(make_estimator(classes=[0, 1]), (X, soft), "y has 3 columns for the 2 classes")
    assert_fit_raises(make_estimator(classes=[2, 0, 1]), (X, soft), "columns of an array y stand in sorted order")


@BOTH
@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([0, 1, 1, 2], "classes must name every class once, but 1 stands there several times"),
        (["a", 1], "classes must be labels of one type"),
        (3, "classes must be a sequence"),
        ([], "classes must be a sequence"),
        ([0.0, 1.0, 2.0, np.nan], "Input classes contains NaN"),
        ([[0, 1], [2, 3]], "classes must be a sequence"),
    ],
)
def test_classes_that_are_no_classes(make_estimator, classes, message, problem):
    assert_fit_raises(make_estimator(classes=classes), problem, message)


@BOTH
def test_frames_with_columns_of_one_name_or_several_types(make_estimator, problem):
    X, y = problem
    soft = 0.9 * np.eye(3)[y] + 0.1 / 3
    for columns in (["a", "a", "b"], ["a", 1, 2]):
        assert_fit_raises(make_estimator(), (X, pd.DataFrame(soft, columns=columns)), "the columns of y must")


def test_classes_for_a_multilabel_y(problem):
    X, y = problem
    indicator = np.eye(3, dtype=int)[y]
    indicator[3] = [1, 1, 0]
    message = r"row 3 is \[1, 1, 0\].*with classes=None"
    assert_fit_raises(OneVsAllClassifier(classes=[0, 1, 2]), (X, indicator), message)


def test_lists_of_labels_of_different_lengths(problem):
    X, y = problem
    tags = [["a"] * (1 + code) for code in y]
    assert_fit_raises(OneVsAllClassifier(), (X, tags), "rows of different lengths; MultiLabelBinarizer")


def test_multilabel_frames_with_columns_of_one_name(problem):
    X, y = problem
    frame = pd.DataFrame(np.eye(3, dtype=int)[y], columns=["a", "a", "b"])
    assert_fit_raises(OneVsAllClassifier(), (X, frame), "the columns of y must name every class once, but 'a'")


def test_a_sparse_y_that_is_no_indicator(problem):
    X, y = problem
    for bad in (scipy.sparse.csr_array(2 * np.eye(3)[y]), scipy.sparse.csr_array(y[:, None])):
        assert_fit_raises(
            OneVsAllClassifier(), (X, bad), "y must be a matrix of zeros and ones with at least two columns"
        )


@BOTH
def test_class_weights(make_estimator, problem):
    X, y = problem
    message = r"class_weight must have classes for keys, but \['two'\] are none.* \[2\] would be left"
    assert_fit_raises(make_estimator(class_weight={0: 1, 1: 1, "two": 2}), (X, y), message)
    make_estimator(class_weight={0: 1, 1: 1, 2: 1, 3: 5}).fit(X, y)
    assert_fit_raises(make_estimator(class_weight={0: -1}), (X, y), r"class_weight\[0\] must be a finite number")
    assert_fit_raises(make_estimator(class_weight={0: np.nan}), (X, y), r"class_weight\[0\] must be a finite number")


@BOTH
def test_arrays_of_other_dimensions(make_estimator, problem):
    X, y = problem
    assert_fit_raises(make_estimator(), (X, np.zeros((len(y), 2, 2))), "y should be a 1d array")
    assert_fit_raises(make_estimator(), (X, 1.0), "y should be a 1d array")
    assert_fit_raises(make_estimator(), (X[0], y), "Expected 2D array")
    assert_fit_raises(make_estimator(), (X, None), "requires y to be passed")


@BOTH
def test_predicting_before_fitting_or_with_other_features(make_estimator, problem):
    X, y = problem
    from sklearn.exceptions import NotFittedError

    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        with pytest.raises(NotFittedError):
            getattr(make_estimator(), method)(X)
        with pytest.raises(ValueError, match=r"X has 2 features, but .* is expecting 3"):
            getattr(make_estimator().fit(X, y), method)(X[:, :2])


@BOTH
def test_an_interrupted_fit_leaves_the_estimator_as_it_was(make_estimator, problem):
    class Interrupting(FocalLoss):
        def value(self, log_q, rest):
            raise KeyboardInterrupt

    assert_fit_raises(make_estimator(loss=Interrupting()), problem, None, KeyboardInterrupt)


def on_dask(X):
    return da.from_array(X, chunks=(40, X.shape[1]))


@BOTH
@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array, on_dask])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_column_whose_squares_overflow_is_named(make_estimator, container, fit_intercept, problem):
    X, y = problem
    estimator = make_estimator(fit_intercept=fit_intercept)
    size = np.where(np.arange(len(X)) % 2, 1.0, -1.0)
    # The largest sizes whose squares have a sum.
    largest = np.sqrt(np.finfo(float).max / len(X))
    of_ones = estimator.fit(container(replaced(X, (slice(None), 1), 1e100 * size)), y).loss_
    fits = estimator.fit(container(replaced(X, (slice(None), 1), 0.9 * largest * size)), y)
    assert fits.loss_ == pytest.approx(of_ones, rel=1e-6)
    assert fits.suboptimality_ <= fits.tol
    for too_large in (1.1 * largest, 1e160, 1e300):
        bad = container(replaced(X, (slice(None), 1), too_large * size))
        message = re.escape(f"those of column 1 are as large as {too_large:.3g}. Scale it")
        assert_fit_raises(make_estimator(fit_intercept=fit_intercept), (bad, y), message)
    frame = pd.DataFrame(replaced(X, (7, 2), -1e160), columns=["a", "b", "c"])
    assert_fit_raises(make_estimator(), (frame, y), r"those of column 2 \('c'\) are as large as 1e\+160\. Scale it")
    scaled = MaxAbsScaler().fit_transform(frame)
    assert np.isfinite(make_estimator().fit(container(scaled), y).loss_)


@BOTH
def test_squares_of_a_column_far_from_zero_are_those_of_its_deviations(make_estimator, problem):
    X, y = problem
    far = replaced(X, (slice(None), 1), 1.5e154 * (1 + 0.01 * X[:, 1]))  # whose own squares overflow
    expected = make_estimator().fit(replaced(X, (slice(None), 1), 1e100 * (150 + 1.5 * X[:, 1])), y)
    for container in (np.asarray, scipy.sparse.csr_array):
        assert make_estimator().fit(container(far), y).loss_ == pytest.approx(expected.loss_, rel=1e-6)


@BOTH
@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array, on_dask])
def test_squares_of_float32_are_summed_in_float64(make_estimator, container, problem):
    X, y = problem
    for largest in (1e25, np.finfo(np.float32).max):
        # Of one sign, as scikit-learn's check for NaN would add inf and -inf.
        large = np.abs(X / np.abs(X).max(axis=0) * [1, largest, 1]).astype(np.float32)
        model, expected = make_estimator().fit(container(large), y), make_estimator().fit(large.astype(float), y)
        assert model.loss_ == pytest.approx(expected.loss_, rel=1e-6)
        np.testing.assert_allclose(model.predict_proba(large), expected.predict_proba(large), atol=1e-5)
