"""Leave-one-out in closed form against fits that are without the row."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skce import OneVsAllClassifier, SoftmaxRegressor, SoftmaxRegressorCV
from skce.inference import leave_one_out
from skce.losses import Poly1Loss
from tests.problems import LOADERS, overlapping


def refits(model, X, y, sample_weight=None, rows=None):
    """Log probabilities (n, K) of each row, or of some rows, by a fit that gives it no weight."""
    weight = np.ones(len(X)) if sample_weight is None else np.array(sample_weight, dtype=float)
    log_proba = []
    for row in range(len(X)) if rows is None else rows:
        without = weight.copy()
        without[row] = 0
        log_proba.append(model.fit(X, y, sample_weight=without).predict_log_proba(X[[row]])[0])
    return np.array(log_proba)


@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("name", ["iris", "wine"])
def test_its_loss_is_that_of_refits(name, C):
    X, y = LOADERS[name](return_X_y=True)
    left_out = leave_one_out(SoftmaxRegressor(C=C).fit(X, y), X, y)
    rows = np.union1d(np.argsort(left_out.losses)[-20:], np.arange(0, len(y), 5))
    true = -refits(SoftmaxRegressor(C=C), X, y, rows=rows)[np.arange(len(rows)), y[rows]]
    assert abs(left_out.losses[rows].mean() / true.mean() - 1) < 0.005
    np.testing.assert_allclose(left_out.losses[rows], true, rtol=0, atol=0.05)


@pytest.mark.parametrize(
    "model",
    [
        SoftmaxRegressor(C=3.0, class_weight={0: 2.0, 1: 1.0, 2: 0.5}, label_smoothing=0.05),
        SoftmaxRegressor(C=3.0, loss=Poly1Loss(0.5)),
        SoftmaxRegressor(C=3.0, posterior="recovered", class_weight={0: 2.0, 1: 1.0, 2: 0.5}),
        SoftmaxRegressor(C=3.0, fit_intercept=False),
        OneVsAllClassifier(C=3.0),
    ],
    ids=str,
)
def test_whatever_the_loss_and_the_weights(model):
    X, y = overlapping(np.random.default_rng(0))
    weight = np.random.default_rng(1).uniform(0.5, 2, len(y))
    left_out = leave_one_out(model.fit(X, y, sample_weight=weight), X, y, weight)
    log_proba = refits(model, X, y, weight)
    true = -log_proba[np.arange(len(y)), y]
    np.testing.assert_allclose(left_out.log_proba, log_proba, rtol=0, atol=0.1)
    assert abs(left_out.loss / np.average(true, weights=weight) - 1) < 0.005


def test_a_soft_label_goes_as_a_whole():
    rng = np.random.default_rng(0)
    X, _ = overlapping(rng)
    y = rng.dirichlet(np.ones(3), size=len(X))
    model = SoftmaxRegressor(C=3.0)
    left_out = leave_one_out(model.fit(X, y), X, y)
    true = -(y * refits(model, X, y)).sum(axis=1)
    assert abs(left_out.loss / true.mean() - 1) < 0.005


def test_labels_that_do_not_exclude_each_other():
    rng = np.random.default_rng(0)
    X, _ = overlapping(rng)
    y = (X @ rng.standard_normal((3, 2)) + rng.logistic(size=(len(X), 2)) > 0).astype(int)
    model = OneVsAllClassifier(C=3.0)
    left_out = leave_one_out(model.fit(X, y), X, y)
    probability = np.exp(refits(model, X, y))
    true = -(y * np.log(probability) + (1 - y) * np.log1p(-probability)).mean(axis=1)
    assert abs(left_out.loss / true.mean() - 1) < 0.005


def test_a_weight_of_two_is_two_rows_that_go_together():
    X, y = overlapping(np.random.default_rng(0))
    weight = np.random.default_rng(1).integers(1, 4, size=len(y))
    model = SoftmaxRegressor(C=3.0)
    left_out = leave_one_out(model.fit(X, y, sample_weight=weight), X, y, weight)
    rows = np.repeat(np.arange(len(y)), weight)
    for row in range(0, len(y), 10):
        others = rows[rows != row]
        without = SoftmaxRegressor(C=3.0).fit(X[others], y[others])
        np.testing.assert_allclose(left_out.log_proba[row], without.predict_log_proba(X[[row]])[0], rtol=0, atol=0.1)


def test_rows_that_move_far_are_refitted_where_the_hessian_is_dear_too(monkeypatch):
    X, y = overlapping(np.random.default_rng(0), n_samples=40)
    model = SoftmaxRegressor(C=1e3).fit(X, y)
    together = leave_one_out(model, X, y)
    monkeypatch.setattr("skce._solver.refits.NUMBERS_OF_COLUMNS", 0)
    one_by_one = leave_one_out(model, X, y)
    assert together.is_refitted.any()
    np.testing.assert_allclose(together.log_proba, one_by_one.log_proba, rtol=0, atol=0.01)


def held_by_two_rows(ratio, size):
    """Overlapping X (60, 4) and y; of the last column all but a row of each class have 0: ``ratio`` times the other."""
    X, y = overlapping(np.random.default_rng(0), n_samples=60, n_classes=2)
    last = np.zeros((60, 1))
    last[:2, 0], y[:2] = (ratio * size, size), (1, 0)
    return np.hstack([X, last]), y


@pytest.mark.parametrize("numbers_of_columns", [2**20, 0])
def test_refits_go_on_where_nothing_but_the_row_held_its_logits(numbers_of_columns, monkeypatch):
    monkeypatch.setattr("skce._solver.refits.NUMBERS_OF_COLUMNS", numbers_of_columns)
    X, y = held_by_two_rows(0.3, 1e4)
    left_out = leave_one_out(SoftmaxRegressor(C=1e4).fit(X, y), X, y)
    true = -refits(SoftmaxRegressor(C=1e4, tol=1e-12), X, y, rows=[0, 1])[[0, 1], y[:2]]
    np.testing.assert_allclose(left_out.losses[:2], true, rtol=0.005, atol=0.1)


def test_a_row_is_refitted_that_another_would_let_go():
    X, y = held_by_two_rows(0.1, 1e2)
    left_out = leave_one_out(SoftmaxRegressor(C=1e4).fit(X, y), X, y)
    true = -refits(SoftmaxRegressor(C=1e4, tol=1e-12), X, y, rows=[0])[0, y[0]]
    assert left_out.is_refitted[0]
    np.testing.assert_allclose(left_out.losses[0], true, rtol=0, atol=0.1)


@pytest.mark.parametrize("kind", [SoftmaxRegressor, OneVsAllClassifier])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_without_its_only_row_a_class_has_a_probability_of_eps(kind, n_classes):
    X, y = overlapping(np.random.default_rng(0), n_classes=2)
    y[0] = n_classes - 1
    y[1:] = np.minimum(y[1:], n_classes - 2)
    y[1] = 0
    left_out = leave_one_out(kind().fit(X, y), X, y)
    np.testing.assert_allclose(left_out.losses[0], -np.log(np.finfo(float).eps), rtol=0.03)


@pytest.mark.parametrize("C", [1.0, 1e4])
def test_spreads_are_the_same_by_products_of_columns_and_by_squares(C, monkeypatch):
    X, y = LOADERS["wine"](return_X_y=True)
    model = SoftmaxRegressor(C=C).fit(X, y)
    by_products = leave_one_out(model, X, y)
    monkeypatch.setattr("skce._solver.spreads.MOST_COLUMNS_PER_DIRECTION", 0)
    by_squares = leave_one_out(model, X, y)
    np.testing.assert_allclose(by_products.log_proba, by_squares.log_proba, rtol=0, atol=1e-4)


def test_what_has_no_closed_form_says_so():
    X, y = overlapping(np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"convex.*folds"):
        leave_one_out(SoftmaxRegressor(loss="focal").fit(X, y), X, y)


def with_heavy_tails(n_samples=300):
    """X (n, 3) of scales up to 10^7 and three classes, one of which is told from the others by far."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [n_samples // 2, n_samples // 2 - 20, 20])
    X = rng.standard_normal((n_samples, 3)) + 2.5 * np.stack([y == 1, y == 1, y == 2], axis=1)
    X *= np.exp(2 * rng.standard_normal(X.shape))
    X[y == 2, 2] = 1e5 * np.exp(rng.standard_normal(20))
    return X * [1.0, 100.0, 100.0], y


def test_classes_that_are_impossible_may_move_however_far():
    X, y = with_heavy_tails()
    left_out = leave_one_out(SoftmaxRegressor(C=1e6).fit(X, y), X, y)
    rows = np.union1d(np.argsort(left_out.losses)[-20:], np.arange(0, len(y), 20))
    true = -refits(SoftmaxRegressor(C=1e6, tol=1e-10), X, y, rows=rows)[np.arange(len(rows)), y[rows]]
    assert left_out.is_refitted.sum() < 30
    assert abs((left_out.losses[rows] - true).sum()) < 0.005 * left_out.losses.sum()


def test_refits_that_run_out_of_steps_are_warned_of(monkeypatch):
    monkeypatch.setattr("skce._solver.refits.MOST_STEPS", 1)
    X, y = held_by_two_rows(0.3, 1e4)
    model = SoftmaxRegressor(C=1e4).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="fits without a row did not converge"):
        leave_one_out(model, X, y)
    with pytest.warns(ConvergenceWarning, match="fits of other values of C, of folds, or without a row"):
        SoftmaxRegressorCV(Cs=[1.0, 1e4]).fit(X, y)
