"""Wald's test against statsmodels and by hand; the likelihood ratio against twice the difference."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import statsmodels.api as sm
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline

from skce import SoftmaxRegressor
from skce.inference import covariance, likelihood_ratio_test, summary, wald_test
from tests.inference.problems import SETS, statsmodels_fit, statsmodels_set


@pytest.mark.parametrize("name", SETS)
def test_a_feature_over_all_classes(name):
    X, y = statsmodels_set(name)
    theirs = statsmodels_fit(X, y)
    model = SoftmaxRegressor(C=np.inf).fit(X, y)
    column = X.columns[1]
    n_contrasts, n_columns = len(np.unique(y)) - 1, X.shape[1] + 1
    matrix = np.kron(np.eye(n_contrasts), np.eye(n_columns)[2])
    params, cov = np.asarray(theirs.params).T.ravel(), np.asarray(theirs.cov_params())
    difference = matrix @ params
    expected = difference @ np.linalg.solve(matrix @ cov @ matrix.T, difference)
    for reference in (None, y.min(), y.max()):
        test = wald_test(summary(model, X, y, reference=reference), column)
        assert test.statistic == pytest.approx(expected, rel=1e-6)
        assert test.df == n_contrasts
        assert test.p == pytest.approx(scipy.stats.chi2.sf(expected, n_contrasts), rel=1e-5)


def test_a_linear_hypothesis():
    X, y = statsmodels_set("spector")
    theirs = statsmodels_fit(X, y)
    fit = covariance(SoftmaxRegressor(C=np.inf).fit(X, y), X, y)
    matrix = np.array([[0.0, 1, 0, -1], [0, 0, 2, 0]])
    expected = theirs.wald_test((matrix, [0.5, 0.1]), scalar=True)
    test = wald_test(fit, matrix, [0.5, 0.1])
    assert test.statistic == pytest.approx(float(expected.statistic), rel=1e-6)
    assert test.p == pytest.approx(float(expected.pvalue), rel=1e-6)
    assert "chi2(2)" in str(test)


def test_hypotheses_that_cannot_be_tested():
    X, y = statsmodels_set("spector")
    fit = covariance(SoftmaxRegressor(C=np.inf).fit(X, y), X, y)
    with pytest.raises(ValueError, match="must name features"):
        wald_test(fit, "height")
    with pytest.raises(ValueError, match=r"pass a list of them, \['GPA', 'TUCE'\]"):
        wald_test(fit, "GPA", "TUCE")
    assert repr(wald_test(fit, "GPA")) == str(wald_test(fit, "GPA"))
    with pytest.raises(ValueError, match="4 columns"):
        wald_test(fit, np.eye(3))
    with pytest.raises(ValueError, match="contradicts"):
        wald_test(fit, [[0.0, 1, 0, 0], [0, 1, 0, 0]], [0, 1])
    with pytest.raises(ValueError, match="row of the hypothesis is 0"):
        wald_test(fit, [[0.0, 0, 0, 0], [0, 1, 0, 0]])
    with pytest.raises(ValueError, match="summary or covariance"):
        wald_test("fit", "GPA")


def test_features_by_their_places():
    X, y = statsmodels_set("spector")
    fit = covariance(SoftmaxRegressor(C=np.inf).fit(X, y), X, y)
    other = X.rename(columns={"TUCE": "intercept"})
    of_other = covariance(SoftmaxRegressor(C=np.inf).fit(other, y), other, y)
    place = fit.features.index("TUCE")
    assert str(wald_test(fit, place)) == str(wald_test(fit, "TUCE"))
    assert wald_test(of_other, place).statistic == pytest.approx(wald_test(fit, "TUCE").statistic)
    assert wald_test(of_other, np.int64(0)).statistic == pytest.approx(wald_test(fit, "intercept").statistic)
    assert wald_test(of_other, place).hypothesis == "intercept (column 2)"
    assert wald_test(of_other, ["GPA", place]).statistic == pytest.approx(wald_test(fit, ["GPA", "TUCE"]).statistic)
    with pytest.raises(ValueError, match="'intercept', the name of several: give its place"):
        wald_test(of_other, "intercept")
    for wrong in (4, -1, True, "height"):
        with pytest.raises(ValueError, match=r"or be their places, of 0 to 3, got"):
            wald_test(fit, wrong)


@pytest.mark.parametrize("value", [[1, 2, 3], "a", ["a"], None, np.nan, [[1.0]], {"PSI": 1}])
def test_values_that_are_none(value):
    X, y = statsmodels_set("spector")
    fit = covariance(SoftmaxRegressor(C=np.inf).fit(X, y), X, y)
    with pytest.raises(ValueError, match=r"value must be a .*number"):
        wald_test(fit, "PSI", value)
    with pytest.raises(ValueError, match="hypothesis must name features"):
        wald_test(fit, [value])


def test_values_of_each_contrast():
    X, y = statsmodels_set("fair")
    fit = covariance(SoftmaxRegressor(C=np.inf).fit(X, y), X, y, reference=0)
    column = X.columns[1]
    at_estimate = fit.coef[:, fit.features.index(column)]
    assert wald_test(fit, column, at_estimate).statistic == pytest.approx(0, abs=1e-9)
    assert wald_test(fit, column, at_estimate[::-1]).statistic > 0.1


@pytest.mark.parametrize("name", ["spector", "anes96"])
def test_the_likelihood_ratio(name):
    X, y = statsmodels_set(name)
    fewer = X[X.columns[:2]]
    small, large = SoftmaxRegressor(C=np.inf).fit(fewer, y), SoftmaxRegressor(C=np.inf).fit(X, y)
    statistic = 2 * (statsmodels_fit(X, y).llf - statsmodels_fit(fewer, y).llf)
    df = (X.shape[1] - 2) * (len(np.unique(y)) - 1)
    test = likelihood_ratio_test(small, large, X, y)
    assert test.statistic == pytest.approx(statistic, rel=1e-8)
    assert test.df == df
    assert test.p == pytest.approx(scipy.stats.chi2.sf(statistic, df), rel=1e-6)
    chosen = make_column_transformer(("passthrough", list(fewer.columns)))
    pipeline = make_pipeline(chosen, SoftmaxRegressor(C=np.inf)).fit(X, y)
    assert likelihood_ratio_test(pipeline, large, X, y).statistic == pytest.approx(statistic, rel=1e-8)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_column_that_separates_is_one_parameter_of_the_likelihood_ratio(rng):
    x, flag = rng.normal(size=200), rng.uniform(size=200) < 0.1
    y = (flag | (rng.uniform(size=200) < 1 / (1 + np.exp(-x)))).astype(int)
    X = pd.DataFrame({"x": x, "flag": flag.astype(float)})
    small, large = SoftmaxRegressor(C=np.inf).fit(X[["x"]], y), SoftmaxRegressor(C=np.inf).fit(X, y)
    of_all = [
        sm.GLM(y, sm.add_constant(X[c]), family=sm.families.Binomial()).fit(maxiter=60) for c in (["x"], X.columns)
    ]
    test = likelihood_ratio_test(small, large, X, y)
    assert test.df == 1
    assert test.statistic == pytest.approx(2 * (of_all[1].llf - of_all[0].llf), rel=1e-6)
    assert "only roughly" in str(test)
    assert likelihood_ratio_test(SoftmaxRegressor(C=np.inf).fit(X[["flag"]], y), large, X, y).df == 1


def test_models_that_have_no_likelihood_ratio():
    X, y = statsmodels_set("spector")
    small, large = SoftmaxRegressor(C=np.inf).fit(X[["GPA"]], y), SoftmaxRegressor(C=np.inf).fit(X, y)
    with pytest.raises(ValueError, match="nested"):
        likelihood_ratio_test(large, small, X, y)
    with pytest.raises(ValueError, match="C=inf"):
        likelihood_ratio_test(SoftmaxRegressor().fit(X[["GPA"]], y), large, X, y)
    with pytest.raises(ValueError, match="lacks columns"):
        likelihood_ratio_test(small, large, X[["GPA"]], y)
    other = SoftmaxRegressor(C=np.inf).fit(X, np.where(y, 5, 4))
    with pytest.raises(ValueError, match="classes"):
        likelihood_ratio_test(small, other, X, y)
