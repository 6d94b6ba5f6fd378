"""float32 columns far from zero: the model is that of the same numbers in float64, and returns float32 still."""

import pickle

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone

from skce import OneVsAllClassifier, SoftmaxRegressor, with_prior
from skce.estimators.training_set import problem_of

ENGINES = {
    "dense": lambda X: X,
    "DataFrame": lambda X: pytest.importorskip("pandas").DataFrame(X),
    "CSR": scipy.sparse.csr_array,
    "Dask": lambda X: da.from_array(X, chunks=(100, -1)),
}

MODELS = {
    "softmax": (SoftmaxRegressor(), "classes"),
    "two classes": (SoftmaxRegressor(), "two classes"),
    "one-vs-all": (OneVsAllClassifier(), "classes"),
    "multilabel": (OneVsAllClassifier(), "tags"),
    "smoothed, C of 1000": (SoftmaxRegressor(C=1e3, label_smoothing=0.1), "classes"),
    "a class without samples": (SoftmaxRegressor(classes=[0, 1, 2, 3]), "classes"),
    "recovered": (SoftmaxRegressor(class_weight="balanced", label_smoothing=0.05, posterior="recovered"), "classes"),
}


def days(rng, n_samples=300):
    """Dates written as numbers and two more columns, exact in float32, (n, 3); and the targets that depend on them."""
    offsets = np.c_[rng.integers(0, 30, n_samples), rng.normal(size=(n_samples, 2)).round(1) * 2**5]
    X = (offsets.round() + np.array([20200101, 0, 2**20])).astype(np.float32)
    units = (offsets - offsets.mean(axis=0)) / offsets.std(axis=0)
    logits = units @ rng.normal(size=(3, 3))
    classes = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    return X, {
        "classes": classes,
        "two classes": classes == 1,
        "tags": (logits + rng.logistic(size=logits.shape) > 0).astype(int),
    }


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", MODELS)
def test_predictions_are_those_of_float64(name, engine, rng):
    (estimator, kind), given = MODELS[name], ENGINES[engine]
    X, targets = days(rng)
    y = targets[kind]
    # Predictions move by the root of what tol leaves.
    double, single = (clone(estimator).set_params(tol=1e-10) for _ in range(2))
    double.fit(X.astype(float), y)
    single.fit(given(X), y)
    assert single.coef_.dtype == single.intercept_.dtype == np.float64
    # A class without samples is below the eps of X, which is not the same.
    for method in ("predict_proba", "predict_log_proba", "decision_function")[: 1 if estimator.classes else 3]:
        ours = getattr(single, method)(given(X))
        assert ours.dtype == np.float32
        ours, theirs = np.asarray(ours), getattr(double, method)(X.astype(float))
        np.testing.assert_allclose(ours, theirs, rtol=0 if method == "predict_proba" else 1e-5, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(single.predict(given(X))), double.predict(X.astype(float)))
    assert single.predict_proba(X.astype(float)).dtype == np.float64


@pytest.mark.parametrize("engine", ENGINES)
def test_near_zero_the_model_is_float32(engine, rng):
    X, targets = days(rng)
    X -= X.mean(axis=0).round()
    model = SoftmaxRegressor().fit(ENGINES[engine](X), targets["classes"])
    assert model.coef_.dtype == model.intercept_.dtype == np.float32


@pytest.mark.parametrize("distance", [0, 8, 30, 100, 300, 1e3, 1e4, 1e5, 1e6])
def test_a_model_is_float32_only_where_that_moves_no_probability(distance, rng):
    X = (rng.normal(size=(1000, 1)) + distance).astype(np.float32)
    y = (2 * (X.astype(float) - distance) * [-1, 0, 1] + rng.gumbel(size=(1000, 3))).argmax(axis=1)
    tight = SoftmaxRegressor(tol=1e-12)
    expected = tight.fit(X.astype(float), y).predict_proba(X.astype(float))
    model = tight.fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=0, atol=1e-5)
    assert (model.coef_.dtype == np.float32) == (distance <= 30)
    if distance >= 1e3:  # what the rule is for
        rounded = tight.fit(X.astype(float), y)
        rounded.coef_, rounded.intercept_ = rounded.coef_.astype(np.float32), rounded.intercept_.astype(np.float32)
        assert np.abs(rounded.predict_proba(X.astype(float)) - expected).max() > 1e-5


def test_columns_far_on_both_sides_whose_intercept_is_small(rng):
    X = (rng.normal(size=(1000, 2)) + np.array([1e4, -1e4])).astype(np.float32)
    y = (X.astype(float).sum(axis=1) + rng.logistic(size=1000) > 0).astype(int)
    X, y = np.r_[X, -X[:, ::-1]], np.r_[y, 1 - y]
    model = SoftmaxRegressor().fit(X, y)
    assert abs(model.intercept_[0]) < 10
    assert model.coef_.dtype == np.float64
    expected = SoftmaxRegressor().fit(X.astype(float), y).predict_proba(X.astype(float))
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=0, atol=1e-5)


def test_columns_that_make_up_for_each_other_without_an_intercept(rng):
    year = rng.integers(1950, 2000, size=500)
    X = np.c_[2**10 * (year + rng.integers(0, 2, size=500)), 2**10 * year].astype(np.float32)
    y = (rng.random(500) < np.where(X[:, 0] > X[:, 1], 0.8, 0.3)).astype(int)
    double, single = (SoftmaxRegressor(fit_intercept=False, C=1e3).fit(x, y) for x in (X.astype(float), X))
    np.testing.assert_allclose(single.predict_proba(X), double.predict_proba(X.astype(float)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["softmax", "one-vs-all", "multilabel"])
def test_another_prior_keeps_it(name, rng):
    estimator, kind = MODELS[name]
    X, targets = days(rng)
    prior = [0.2, 0.3, 0.5]
    single, double = (with_prior(estimator.fit(x, targets[kind]), prior=prior) for x in (X, X.astype(float)))
    assert single.intercept_.dtype == np.float64
    assert single.predict_proba(X).dtype == np.float32
    np.testing.assert_allclose(single.predict_proba(X), double.predict_proba(X.astype(float)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["softmax", "one-vs-all"])
def test_pickles_keep_it(name, rng):
    estimator, kind = MODELS[name]
    X, targets = days(rng)
    model = estimator.fit(X, targets[kind])
    loaded = pickle.loads(pickle.dumps(model))
    assert loaded.predict_proba(X).dtype == np.float32
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_warm_start_begins_where_the_last_fit_ended(rng):
    X, targets = days(rng)
    model = SoftmaxRegressor(warm_start=True).fit(X, targets["classes"])
    loss = model.loss_
    assert model.fit(X, targets["classes"]).n_iter_[0] == 0
    assert model.loss_ == pytest.approx(loss, rel=1e-9)


def test_a_constant_column_costs_float32_nothing(rng):
    X, targets = days(rng)
    X -= X.mean(axis=0).round()
    X = np.c_[X, np.full(len(X), 7)].astype(np.float32)
    model = SoftmaxRegressor().fit(X, targets["classes"])
    assert model.coef_.dtype == np.float32
    with problem_of(model, X, targets["classes"]) as problem:
        assert problem.rows.dtype == np.float32
