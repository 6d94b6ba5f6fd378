"""Influence against fits that are without a row, and for two classes against statsmodels'."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from dask import array as da
from sklearn.datasets import load_iris, load_wine
from sklearn.preprocessing import StandardScaler

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce.inference import influence, separation, summary
from skce.losses import FocalLoss
from tests.inference.problems import statsmodels_set
from tests.problems import overlapping

TIGHT = {"tol": 1e-12}


def changes_by_refits(model, X, y, weight):
    """Changes (n, k, p) of the coefficients, the intercept first, of fits without each row."""
    changes = []
    for row in range(len(y)):
        without = weight.copy()
        without[row] = 0
        other = type(model)(**model.get_params()).fit(X, y, without)
        changes.append(np.column_stack([other.intercept_ - model.intercept_, other.coef_ - model.coef_]))
    return np.array(changes)


@pytest.mark.parametrize("name", ["iris", pytest.param("wine", marks=pytest.mark.slow), "spector"])
def test_leave_one_out(name):
    if name == "spector":
        X, y = statsmodels_set(name)
    else:
        X, y = {"iris": load_iris, "wine": load_wine}[name](return_X_y=True)
    X = StandardScaler().fit_transform(np.asarray(X))
    model = SoftmaxRegressor(**TIGHT).fit(X, y)
    truth = changes_by_refits(model, X, y, np.ones(len(y)))
    ours = influence(model, X, y, refit_above=1.0)
    changes = ours.coef_change(np.arange(len(y)))
    assert np.corrcoef(changes.ravel(), truth.ravel())[0, 1] > 0.99
    for of_coef, of_truth in zip(changes.reshape(len(y), -1).T, truth.reshape(len(y), -1).T, strict=True):
        assert np.corrcoef(of_coef, of_truth)[0, 1] > 0.99
    # Cook's distance of the refits, by the inverse of the covariance in the table.
    table = summary(model, X, y)
    inverse = np.linalg.pinv(table.covariance.matrix, rcond=1e-10)
    flat = truth.reshape(len(y), -1)
    cooks = np.einsum("ip,pq,iq->i", flat, inverse, flat)
    assert ours.largest(1)[0] == np.argmax(cooks)
    assert np.corrcoef(cooks, ours.cooks_distance)[0, 1] > 0.99
    logits = np.einsum("ikp,ip->ik", truth, np.column_stack([np.ones(len(y)), X]))
    assert np.corrcoef(logits.ravel(), ours.logit_change.ravel())[0, 1] > 0.99
    assert ours.is_refitted.sum() == (name == "wine") * 6


def test_refitted_rows_are_those_of_true_refits(rng):
    X, y = overlapping(rng, n_samples=40)
    X[0] *= 20
    weight = rng.uniform(0.5, 2, size=len(y))
    model = SoftmaxRegressor(C=10.0, class_weight={0: 2.0, 1: 1.0, 2: 0.5}, **TIGHT).fit(X, y, weight)
    ours = influence(model, X, y, weight, refit_above=0.05)
    rows = np.flatnonzero(ours.is_refitted)
    assert 0 < len(rows) < len(y)
    truth = changes_by_refits(model, X, y, weight)[rows]
    np.testing.assert_allclose(ours.coef_change(rows), truth, atol=1e-5)
    logits = np.einsum("ikp,ip->ik", truth, np.column_stack([np.ones(len(y)), X])[rows])
    np.testing.assert_allclose(ours.logit_change[rows], logits, atol=1e-4)
    of_hessian = summary(model, X, y, weight, covariance="hessian").covariance.matrix
    inverse = np.linalg.pinv(of_hessian, rcond=1e-10)
    flat = truth.reshape(len(rows), -1)
    cooks = np.einsum("ip,pq,iq->i", flat, inverse, flat) / (2 * (X.shape[1] + 1))
    np.testing.assert_allclose(ours.cooks_distance[rows], cooks, rtol=1e-3)


def test_two_classes_are_pregibon_as_in_statsmodels():
    X, y = statsmodels_set("spector")
    theirs = sm.GLM(y, sm.add_constant(X), family=sm.families.Binomial()).fit(tol=1e-14).get_influence()
    ours = influence(SoftmaxRegressor(C=np.inf).fit(X, y), X, y)
    np.testing.assert_allclose(ours.leverage, theirs.hat_matrix_diag, rtol=1e-6)
    np.testing.assert_allclose(ours.cooks_distance, theirs.cooks_distance[0], rtol=1e-6)
    np.testing.assert_allclose(ours.studentised_residuals[:, 0], theirs.resid_studentized, rtol=1e-6)


@pytest.mark.parametrize("estimator", [SoftmaxRegressor, OneVsAllClassifier])
@pytest.mark.parametrize("C", [1.0, np.inf])
def test_leverages_sum_to_the_effective_parameters(estimator, C, rng):
    X, y = overlapping(rng)
    model = estimator(C=C).fit(X, y)
    table = summary(model, X, y)
    expected = len(y) - table.df_residual
    assert influence(model, X, y).leverage.sum() == pytest.approx(expected, rel=1e-8)


def test_one_vs_all_is_each_problem_by_itself(rng):
    X, y = overlapping(rng)
    ours = influence(OneVsAllClassifier().fit(X, y), X, y)
    for output in range(3):
        one = influence(SoftmaxRegressor().fit(X, y == output), X, y == output)
        np.testing.assert_allclose(ours.logit_change[:, output], one.logit_change[:, 0], rtol=1e-7, atol=1e-12)
        np.testing.assert_allclose(ours.coef_change([3])[:, output], one.coef_change([3])[:, 0], rtol=1e-7, atol=1e-12)
        np.testing.assert_allclose(
            ours.studentised_residuals[:, output], one.studentised_residuals[:, 0], rtol=1e-7, atol=1e-12
        )


def test_other_losses_by_their_second_derivative(rng):
    X, y = overlapping(rng)
    model = SoftmaxRegressor(loss=FocalLoss(1.0), **TIGHT).fit(X, y)
    truth = changes_by_refits(model, X, y, np.ones(len(y)))
    ours = influence(model, X, y).coef_change(np.arange(len(y)))
    assert np.corrcoef(ours.ravel(), truth.ravel())[0, 1] > 0.99


def test_columns_far_from_zero(rng):
    X, y = overlapping(rng)
    plain, shifted = (influence(SoftmaxRegressor().fit(Z, y), Z, y) for Z in (X, X + 1e6))
    np.testing.assert_allclose(shifted.logit_change, plain.logit_change, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(shifted.coef_change([5])[..., 1:], plain.coef_change([5])[..., 1:], rtol=1e-5)


def test_rows_on_dask_have_no_order(rng):
    X, y = overlapping(rng)
    lazy = da.from_array(X, chunks=(40, X.shape[1])).persist()
    with pytest.raises(ValueError, match="on Dask"):
        influence(SoftmaxRegressor().fit(X, y), lazy, y)
    with pytest.raises(ValueError, match="on Dask"):
        separation(lazy, y)


def test_frame_and_bad_input(rng):
    X, y = overlapping(rng)
    model = SoftmaxRegressor().fit(X, y)
    ours = influence(model, X, y)
    assert ours.to_frame().shape == (len(y), 9)
    assert "largest" in repr(ours)
    frame = pd.DataFrame(X, index=[f"row {i}" for i in range(len(y))]).add_prefix("f")
    of_frame = influence(SoftmaxRegressor().fit(frame, y), frame, y)
    assert list(of_frame.to_frame().index) == list(frame.index)
    assert of_frame.to_frame()["cooks_distance"].idxmax() == f"row {of_frame.largest(1)[0]}"
    with pytest.raises(ValueError, match="refit_above must be"):
        influence(model, X, y, refit_above=0)
    with pytest.raises(ValueError, match="n_rows"):
        ours.largest(0)
