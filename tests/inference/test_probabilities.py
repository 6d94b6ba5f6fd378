"""Intervals of probabilities: against statsmodels' for two classes, and derivatives by differences for more."""

import copy
import pickle

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import scipy.stats
import statsmodels.api as sm
from scipy.special import expit, logit

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce.inference import covariance, margins, probability_intervals, summary
from tests.inference.problems import statsmodels_fit, statsmodels_set
from tests.inference.test_margins import by_differences, probabilities
from tests.problems import overlapping


def test_two_classes_are_those_of_statsmodels():
    X, y = statsmodels_set("spector")
    theirs = statsmodels_fit(X, y)
    design = np.asarray(sm.add_constant(X))
    error = np.sqrt(np.einsum("ip,pq,iq->i", design, np.asarray(theirs.cov_params()), design))
    centre, reach = design @ np.asarray(theirs.params), scipy.stats.norm.ppf(0.95)
    ours = probability_intervals(SoftmaxRegressor(C=np.inf).fit(X, y), X, X, y, confidence=0.9)
    np.testing.assert_allclose(ours.probabilities[:, 1], expit(centre), rtol=1e-6)
    np.testing.assert_allclose(ours.lower[:, 1], expit(centre - reach * error), rtol=1e-6)
    np.testing.assert_allclose(ours.upper[:, 1], expit(centre + reach * error), rtol=1e-6)
    np.testing.assert_allclose(ours.lower[:, 0], 1 - ours.upper[:, 1], rtol=1e-9)


@pytest.mark.parametrize("kind", ["softmax", "one_vs_all", "multilabel"])
def test_the_delta_method_by_differences(kind, rng):
    X, y = overlapping(rng)
    if kind == "multilabel":
        y = np.column_stack([y > 0, y > 1]).astype(int)
    model = (SoftmaxRegressor if kind == "softmax" else OneVsAllClassifier)(C=2.0, tol=1e-13).fit(X, y)
    fit = covariance(model, X, y, covariance="sandwich")
    new = X[:7] * 1.5

    def logits(theta):
        p = probabilities(model, theta, new)
        return logit(p / p.sum(axis=1, keepdims=True) if kind == "one_vs_all" else p)

    gradient = by_differences(logits, fit.coef)
    error = np.sqrt(np.einsum("ikp,pq,ikq->ik", gradient, fit.matrix, gradient))
    ours = probability_intervals(model, new, covariance=fit)
    reach = scipy.stats.norm.ppf(0.975)
    np.testing.assert_allclose(ours.probabilities, model.predict_proba(new), rtol=1e-4)
    np.testing.assert_allclose(logit(ours.upper) - logit(ours.probabilities), reach * error, rtol=1e-5)
    np.testing.assert_allclose(logit(ours.probabilities) - logit(ours.lower), reach * error, rtol=1e-5)
    sparse = probability_intervals(model, scipy.sparse.csr_array(new), X, y, covariance="sandwich")
    np.testing.assert_allclose(sparse.lower, ours.lower, rtol=1e-9)


def test_ends_are_within_0_and_1_far_from_all_data(rng):
    X, y = overlapping(rng)
    model = SoftmaxRegressor().fit(X, y)
    ours = probability_intervals(model, 1e4 * X[:5], X, y)
    assert (ours.lower > 0).all()
    assert (ours.upper < 1).all()
    assert (ours.lower <= ours.probabilities).all()
    assert (ours.probabilities <= ours.upper).all()
    assert ours.to_frame().shape == (5, 9)
    lines = repr(probability_intervals(model, np.tile(X[:4], (3, 1)), X, y, confidence=0.9)).splitlines()
    assert lines[0] == "Probabilities and their intervals of 90 %"
    assert len(lines) == 1 + 2 + 10 + 1
    ours = probability_intervals(model, X[:1], X, y, confidence=0.9)
    ends = f"{ours.probabilities[0, 1]:.3f} [{ours.lower[0, 1]:.3f}, {ours.upper[0, 1]:.3f}]"
    assert ends in lines[3]
    assert lines[-1] == "... and 2 rows more"


def test_a_class_without_samples_is_as_predicted(rng):
    X, y = overlapping(rng)
    model = SoftmaxRegressor(classes=[0, 1, 2, 3]).fit(X, y)
    ours = probability_intervals(model, X[:3], X, y)
    np.testing.assert_array_equal(ours.probabilities[:, 3], model.predict_proba(X[:3])[:, 3])
    assert (ours.upper[:, :3] > ours.lower[:, :3]).all()


def test_bad_input(rng):
    X, y = overlapping(rng)
    model = SoftmaxRegressor().fit(X, y)
    with pytest.raises(ValueError, match="X and y, to which the model was fitted"):
        probability_intervals(model, X)
    with pytest.raises(ValueError, match="X_new must be in memory"):
        probability_intervals(model, da.from_array(X), X, y)
    with pytest.raises(ValueError, match="features"):
        probability_intervals(model, X[:, :2], X, y)


class TestCovarianceOfAnotherFit:
    @pytest.fixture
    def data(self, rng):
        X, y = overlapping(rng)
        return pd.DataFrame(X).add_prefix("f"), y

    @pytest.mark.parametrize("made_by", [covariance, summary])
    @pytest.mark.parametrize(
        ("others", "message"),
        [
            (lambda X, y: (X, np.where(y == 2, 7, y)), r"features \['f0', .*classes \[0, 1, 7\]; the model has feat"),
            (lambda X, y: (X[["f0", "f1"]], y), r"features \['f0', 'f1'\], classes"),
            (lambda X, y: (X.add_prefix("g"), y), r"features \['gf0'.*the model has features \['f0'"),
            (lambda X, y: (X[::2], y[::2]), "same features and classes: its model has other coefficients"),
        ],
    )
    def test_is_an_error(self, data, made_by, others, message):
        X, y = data
        model = SoftmaxRegressor().fit(X, y)
        other_X, other_y = others(X, y)
        other = made_by(SoftmaxRegressor().fit(other_X, other_y), other_X, other_y)
        with pytest.raises(ValueError, match=f"covariance is of another fit.*{message}"):
            probability_intervals(model, X, covariance=other)
        with pytest.raises(ValueError, match="covariance is of another fit"):
            margins(model, X, y, covariance=other)

    def test_is_an_error_after_the_model_was_fitted_again(self, data):
        X, y = data
        model = SoftmaxRegressor().fit(X, y)
        before = summary(model, X, y)
        probability_intervals(model, X, covariance=before)
        model.fit(X[::2], y[::2])
        with pytest.raises(ValueError, match="other coefficients"):
            probability_intervals(model, X, covariance=before)

    def test_a_copy_or_a_pickle_of_the_model_or_of_the_table_is_the_same_fit(self, data):
        X, y = data
        model = SoftmaxRegressor().fit(X, y)
        table = summary(model, X, y)
        ours = probability_intervals(model, X, covariance=table)
        theirs = probability_intervals(copy.deepcopy(model), X, covariance=pickle.loads(pickle.dumps(table)))
        np.testing.assert_array_equal(theirs.upper, ours.upper)
        without_names = SoftmaxRegressor().fit(X.to_numpy(), y)
        probability_intervals(without_names, X.to_numpy(), covariance=covariance(without_names, X.to_numpy(), y))
