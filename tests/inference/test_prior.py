"""Models of another prior: what is said is of what they predict, against shifts by hand, differences and refits."""

import numpy as np
import pytest
from scipy.special import expit, logit

from skce import OneVsAllClassifier, SoftmaxRegressor, with_prior
from skce.inference import covariance, leave_one_out, margins, probability_intervals, summary
from tests.problems import overlapping

PRIOR = [0.7, 0.2, 0.1]


@pytest.fixture
def data(rng):
    return overlapping(rng)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("class_weight", [None, {0: 3.0, 1: 1.0}])
def test_intervals_of_two_classes_are_shifted(data, fit_intercept, class_weight):
    X, y = data[0], np.minimum(data[1], 1)
    model = SoftmaxRegressor(fit_intercept=fit_intercept, class_weight=class_weight, tol=1e-12).fit(X, y)
    of_other = with_prior(model, prior=[0.98, 0.02])
    shift = of_other.intercept_ - model.intercept_
    ours, before = (probability_intervals(one, X[:9], X, y) for one in (of_other, model))
    np.testing.assert_allclose(ours.probabilities, of_other.predict_proba(X[:9]), rtol=1e-5)
    for end in ("lower", "upper"):
        expected = expit(logit(getattr(before, end)[:, 1]) + shift)
        np.testing.assert_allclose(getattr(ours, end)[:, 1], expected, rtol=1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("kind", ["softmax", "multilabel"])
def test_what_is_predicted_has_its_margins_and_its_table(data, fit_intercept, kind):
    X, y = data
    if kind == "multilabel":
        model = OneVsAllClassifier(fit_intercept=fit_intercept, tol=1e-12).fit(X, np.column_stack([y > 0, y > 1]))
        y = np.column_stack([y > 0, y > 1])
        of_other = with_prior(with_prior(model, prior=[0.5, 0.6]), prior=[0.05, 0.02])
    else:
        model = SoftmaxRegressor(fit_intercept=fit_intercept, tol=1e-12).fit(X, y)
        of_other = with_prior(with_prior(model, prior="balanced"), prior=PRIOR)
    ours = margins(of_other, X, y, indicators=None)
    step = 1e-5 * np.eye(X.shape[1])
    slopes = [(of_other.predict_proba(X + e) - of_other.predict_proba(X - e)).mean(axis=0) / 2e-5 for e in step]
    np.testing.assert_allclose(ours.effect, np.transpose(slopes), rtol=1e-4, atol=1e-7)
    fit = covariance(of_other, X, y)
    intervals = probability_intervals(of_other, X[:9], covariance=fit)
    np.testing.assert_allclose(intervals.probabilities, of_other.predict_proba(X[:9]), rtol=1e-5)
    table = summary(of_other, X, y)
    np.testing.assert_allclose(table.std_err, summary(model, X, y).std_err, rtol=1e-6)
    assert table.log_likelihood == pytest.approx(summary(model, X, y).log_likelihood)
    assert any("shifted to another prior" in note for note in table.notes)
    if fit_intercept:
        np.testing.assert_allclose(table.coef[:, 0], of_other.intercept_, atol=1e-4)
    of_other.fit(X, y)  # begins from the data again
    np.testing.assert_array_equal(summary(of_other, X, y).coef, summary(model, X, y).coef)


def test_a_class_without_samples(data):
    X, y = data
    of_other = with_prior(SoftmaxRegressor(classes=[0, 1, 2, 3], tol=1e-12).fit(X, y), prior=[0.6, 0.2, 0.1, 0.1])
    ours = probability_intervals(of_other, X[:9], X, y)
    np.testing.assert_allclose(ours.probabilities, of_other.predict_proba(X[:9]), rtol=1e-4)


@pytest.mark.parametrize("posterior", ["model", "recovered"])
def test_leave_one_out_is_of_refits_with_that_prior(data, posterior):
    X, y = data
    model = SoftmaxRegressor(tol=1e-12, posterior=posterior).fit(X, y)
    loo = leave_one_out(with_prior(model, prior=PRIOR), X, y)
    shift = np.log(PRIOR) - np.log(np.bincount(y) / len(y))
    for row in (0, 7):
        without = SoftmaxRegressor(C=model.C, tol=1e-12).fit(X, y, np.arange(len(y)) != row)
        logits = without.decision_function(X[[row]])[0] + shift
        expected = logits - np.log(np.exp(logits).sum())
        np.testing.assert_allclose(loo.log_proba[row], expected, atol=2e-3)


def test_leave_one_out_of_a_prior_that_is_no_shift_is_an_error(data):
    X, y = data
    of_other = with_prior(OneVsAllClassifier().fit(X, y), prior=PRIOR)
    with pytest.raises(ValueError, match="before with_prior"):
        leave_one_out(of_other, X, y)
    with pytest.raises(ValueError, match="posterior='model'"):
        margins(of_other, X, y)
