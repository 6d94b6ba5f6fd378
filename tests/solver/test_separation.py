"""Separation: named where there is no minimum, and not found where there is one."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from skce import OneVsAllClassifier, SoftmaxRegressor

ESTIMATORS = [SoftmaxRegressor, OneVsAllClassifier]


@pytest.mark.parametrize("make_estimator", ESTIMATORS)
@pytest.mark.parametrize("tol", [1e-7, 1e-10])
def test_complete_separation_is_named_by_column_and_class(make_estimator, tol):
    X, y = load_iris(return_X_y=True, as_frame=True)
    y = np.array(["setosa", "versicolor", "virginica"])[y]
    with pytest.warns(ConvergenceWarning, match="By column petal length .* rows of class.* setosa.* can be told"):
        make_estimator(C=np.inf, tol=tol).fit(X, y)


@pytest.mark.parametrize("make_estimator", ESTIMATORS)
@pytest.mark.parametrize("tol", [1e-7, 1e-10])
def test_quasi_complete_separation_by_one_dummy(make_estimator, tol, rng):
    # All rows with the dummy are of one class; the others overlap, so that F does not tend to 0.
    dummy = np.r_[np.zeros(60), np.ones(20)]
    y = np.r_[np.arange(60) % 2, np.ones(20, int)]
    X = pd.DataFrame({"age": rng.standard_normal(80), "is_rare": dummy})
    with pytest.warns(ConvergenceWarning, match="By column is_rare rows of class.* 1 can be told"):
        make_estimator(C=np.inf, tol=tol).fit(X, y)


@pytest.mark.parametrize("options", [{"C": 1.0}, {"C": np.inf, "label_smoothing": 0.1}])
def test_a_penalty_or_smoothing_gives_a_minimum(options):
    SoftmaxRegressor(**options).fit(*load_iris(return_X_y=True))


@pytest.mark.parametrize("make_estimator", ESTIMATORS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_rows_that_overlap_have_a_minimum(make_estimator, n_classes, rng):
    X = rng.standard_normal((200, 3))
    make_estimator(C=np.inf).fit(
        X, (X[:, 0] + rng.logistic(size=200) > 0).astype(int) + (n_classes - 2) * (X[:, 1] > 1)
    )


def test_soft_labels_separate_only_where_they_are_sure(rng):
    X = np.r_[rng.standard_normal((50, 2)), [[30.0, 0.0]] * 5]
    unsure = np.c_[np.full(50, 0.4), np.full(50, 0.6)]
    y = np.r_[unsure, [[0.0, 1.0]] * 5]
    with pytest.warns(ConvergenceWarning, match="By column"):
        SoftmaxRegressor(C=np.inf).fit(np.c_[X, np.r_[np.zeros(50), np.ones(5)]], y)
    SoftmaxRegressor(C=np.inf).fit(X, np.r_[unsure, [[0.5, 0.5]] * 5])


@pytest.mark.slow
def test_a_penalty_too_weak_for_floats_is_said():
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((60, 100)), np.arange(60) % 3
    for C in (1e14, 1e16):
        with pytest.warns(ConvergenceWarning, match=r"an estimated .* of it could still be gained"):
            assert SoftmaxRegressor(C=C).fit(X, y).suboptimality_ > 1e-7


def test_no_iterations_return_the_start():
    X, y = load_iris(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match="max_iter=0"):
        model = SoftmaxRegressor(max_iter=0).fit(X, y)
    assert not model.coef_.any()
    np.testing.assert_allclose(model.predict_proba(X), 1 / 3)
    assert model.loss_ == pytest.approx(np.log(3))
    assert model.n_iter_ == 0
    assert not model.is_certified_
