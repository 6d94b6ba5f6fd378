"""Marginal effects against statsmodels', and against differences of predictions."""

import numpy as np
import pytest
import scipy.sparse

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce.inference import covariance, margins, summary
from tests.inference.problems import SETS, statsmodels_fit, statsmodels_set
from tests.problems import overlapping


# MNLogit's margins of indicators raise for their shapes in statsmodels 0.15.
@pytest.mark.parametrize("at", ["overall", "mean"])
@pytest.mark.parametrize(("name", "indicators"), [("spector", "auto"), *((name, None) for name in SETS)])
def test_statsmodels(name, indicators, at):
    X, y = statsmodels_set(name)
    column = X.columns[1]
    X = X.assign(high=(X[column] > X[column].median()).astype(float)).drop(columns=column)
    theirs = statsmodels_fit(X, y).get_margeff(at=at, dummy=indicators == "auto")
    ours = margins(SoftmaxRegressor(C=np.inf).fit(X, y), X, y, at=at, indicators=indicators)
    shape = ours.effect.shape
    np.testing.assert_allclose(ours.effect, np.asarray(theirs.margeff).T.reshape(shape), rtol=1e-6)
    np.testing.assert_allclose(ours.std_err, np.asarray(theirs.margeff_se).T.reshape(shape), rtol=1e-6)
    assert ours.is_difference[-1] == (indicators == "auto")


def probabilities(model, theta, X):
    """Probabilities (n, k) of a model's outputs for parameters (k, p), by the formulas."""
    logits = theta[:, 0] + X @ theta[:, 1:].T
    if isinstance(model, OneVsAllClassifier) or len(theta) == 1:
        return 1 / (1 + np.exp(-logits))
    exps = np.exp(logits)
    return exps / exps.sum(axis=1, keepdims=True)


def by_differences(function, theta, step=1e-5):
    """Derivatives (..., k p) of a function of theta."""
    flat = theta.ravel()
    return np.stack(
        [
            (function((flat + e).reshape(theta.shape)) - function((flat - e).reshape(theta.shape))) / (2 * step)
            for e in step * np.eye(len(flat))
        ],
        axis=-1,
    )


@pytest.mark.parametrize("kind", ["softmax", "one_vs_all", "multilabel"])
@pytest.mark.parametrize("covariance_kind", ["hessian", "sandwich"])
def test_weighted_effects_and_errors_by_differences(kind, covariance_kind, rng):
    X, y = overlapping(rng)
    X = np.column_stack([X, rng.integers(0, 2, size=len(y))])
    weight = rng.uniform(0.1, 2, size=len(y))
    if kind == "multilabel":
        y = np.column_stack([y > 0, (y + X[:, -1]) > 1]).astype(int)
    model = (SoftmaxRegressor if kind == "softmax" else OneVsAllClassifier)(C=2.0).fit(X, y, weight)
    fit = covariance(model, X, y, weight, covariance=covariance_kind)
    ours = margins(model, X, y, weight, covariance=fit)
    share = weight / weight.sum()
    n_features = X.shape[1]

    def effects(theta):
        columns = []
        for feature in range(n_features):
            up, down = X.copy(), X.copy()
            if feature == n_features - 1:
                up[:, feature], down[:, feature], step = 1, 0, 0.5
            else:
                step = 1e-4
                up[:, feature] += step
                down[:, feature] -= step
            difference = probabilities(model, theta, up) - probabilities(model, theta, down)
            columns.append(share @ difference / (2 * step))
        return np.stack(columns, axis=1)

    np.testing.assert_allclose(ours.effect, effects(fit.coef), atol=1e-7)
    gradient = by_differences(effects, fit.coef)
    variance = np.einsum("kjp,pq,kjq->kj", gradient, fit.matrix, gradient)
    np.testing.assert_allclose(ours.std_err, np.sqrt(variance), rtol=1e-5)
    if kind == "softmax":
        assert ours.effect.sum(axis=0) == pytest.approx(0, abs=1e-12)
    from_names = margins(model, X, y, weight, covariance=covariance_kind, indicators=n_features - 1)
    np.testing.assert_allclose(from_names.std_err, ours.std_err)


def test_sparse_and_shifted_columns_and_no_intercept(rng):
    X, y = overlapping(rng)
    X[X < 0] = 0
    model = SoftmaxRegressor(fit_intercept=False).fit(X, y)
    ours, theirs = margins(model, X, y), margins(model, scipy.sparse.csr_array(X), y)
    np.testing.assert_allclose(ours.effect, theirs.effect, rtol=1e-10)
    np.testing.assert_allclose(ours.std_err, theirs.std_err, rtol=1e-8)
    shifted = X + 1e6
    ours = margins(SoftmaxRegressor().fit(X, y), X, y)
    theirs = margins(SoftmaxRegressor().fit(shifted, y), shifted, y)
    np.testing.assert_allclose(ours.effect, theirs.effect, rtol=1e-6)


def test_what_is_printed(rng):
    X, y = statsmodels_set("spector")
    model = SoftmaxRegressor(C=np.inf).fit(X, y)
    ours = margins(model, X, y, covariance=summary(model, X, y), confidence=0.9)
    assert "PSI (0 to 1)" in str(ours)
    assert "[0.05" in ours._repr_html_()
    assert ours.to_frame().loc[("1", "GPA"), "effect"] == ours.effect[0, 0]
    np.testing.assert_allclose((ours.upper - ours.lower) / ours.std_err, 2 * 1.6448536, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at": "median"}, "at must be"),
        ({"indicators": "height"}, "indicators must name features"),
        ({"indicators": [9]}, "indicators must name features"),
        ({"confidence": 2}, "confidence must be"),
        ({"covariance": "HC1"}, "covariance must be one of"),
    ],
)
def test_bad_options(options, message):
    X, y = statsmodels_set("spector")
    model = SoftmaxRegressor().fit(X, y)
    with pytest.raises(ValueError, match=message):
        margins(model, X, y, **options)
    with pytest.raises(ValueError, match="covariance that is not given"):
        margins(model, X, y, covariance=covariance(model, X, y), weights="frequency")
    with pytest.raises(ValueError, match="posterior='model'"):
        margins(SoftmaxRegressor(posterior="recovered", class_weight="balanced").fit(X, y), X, y)
