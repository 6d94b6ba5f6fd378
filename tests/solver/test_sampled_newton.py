"""Newton's method by Hessians of a sample: the same certificate, and other stages where samples say too little."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from skce import SoftmaxRegressor
from skce._solver import minimisation, sampled_newton
from skce._solver.sampled_newton import SampledNewtonStage


@pytest.fixture
def reasons(monkeypatch):
    """Why the stages with samples ended, in the order in which they did."""
    ended = []

    class Watched(SampledNewtonStage):
        def run(self, max_iter):
            ended.append(super().run(max_iter))
            return ended[-1]

    monkeypatch.setattr(minimisation, "SampledNewtonStage", Watched)
    return ended


def gaussian(n_classes, n_samples=40_000, n_features=6):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_samples, n_features))
    scores = X @ rng.standard_normal((n_features, n_classes)) + rng.gumbel(size=(n_samples, n_classes))
    return X, scores.argmax(axis=1)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("tol", [1e-3, 1e-7, 1e-11])
def test_a_sample_certifies_the_minimum(n_classes, tol, reasons):
    X, y = gaussian(n_classes)
    model = SoftmaxRegressor(tol=tol).fit(X, y)
    assert reasons == ["converged"]
    optimum = SoftmaxRegressor(tol=1e-14).fit(X, y).loss_
    assert model.is_certified_
    assert model.loss_ - optimum <= model.gap_bound_ + 1e-13 * optimum
    peer = LogisticRegression(solver="newton-cholesky", tol=1e-12).fit(X, y)
    loss = log_loss(y, peer.predict_proba(X)) + (peer.coef_**2).sum() / 2 / len(X)
    assert model.loss_ <= loss * (1 + tol + 1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_products_in_float32_lead_to_the_same_minimum_a_pass_later(n_classes, reasons, monkeypatch):
    X, y = gaussian(n_classes)
    X = X.astype(np.float32)
    monkeypatch.setattr(minimisation, "WORK_FOR_FLOAT32", 0)
    model = SoftmaxRegressor().fit(X, y)
    double = SoftmaxRegressor().fit(X.astype(np.float64), y)
    assert reasons == ["converged"] * 2
    assert model.is_certified_
    assert abs(model.loss_ - double.loss_) <= 1e-7 * double.loss_
    assert model.n_passes_ <= double.n_passes_ + 1


def test_weights_and_soft_labels_are_drawn_by_their_mass(reasons):
    X, y = gaussian(2)
    weight = np.random.default_rng(1).exponential(size=len(X)) ** 2
    model = SoftmaxRegressor().fit(X, y, weight)
    assert reasons == ["converged"]
    soft = SoftmaxRegressor(classes=[0, 1]).fit(X, np.eye(2)[y] * 0.9 + 0.05, weight)
    assert model.is_certified_
    assert soft.is_certified_


def test_rows_that_no_sample_has_are_left_to_other_stages(reasons):
    X, y = gaussian(2)
    rare = np.zeros(len(X))
    rare[:12] = 30.0
    y[:9] = 1
    X = np.column_stack([X, rare])
    model = SoftmaxRegressor(C=1e4).fit(X, y)
    assert model.is_certified_
    assert model.loss_ <= SoftmaxRegressor(C=1e4, tol=1e-13).fit(X, y).loss_ * (1 + 1e-7)


def test_max_iter_bounds_steps_by_samples(reasons):
    X, y = gaussian(2)
    losses = []
    for max_iter in (1, 2):
        with pytest.warns(match="stopped at max_iter"):
            model = SoftmaxRegressor(max_iter=max_iter).fit(X, y)
        assert model.n_iter_ == max_iter
        losses.append(model.loss_)
    assert losses[1] < losses[0]
    assert reasons == ["max_iter", "max_iter"]


def test_nothing_is_drawn_where_only_a_decrement_could_be_believed(reasons):
    X, y = gaussian(2)
    SoftmaxRegressor(C=np.inf).fit(X, y)
    assert reasons == []


@pytest.mark.parametrize("distance", [1.0, 1e-4])
def test_columns_that_are_nearly_the_same_have_their_hessian_in_float64(distance, reasons, monkeypatch):
    sums = []

    def counted(problem, standardisation, hessian_sums=sampled_newton.hessian_sums):
        sums.append(hessian_sums)
        return hessian_sums(problem, standardisation)

    monkeypatch.setattr(sampled_newton, "hessian_sums", counted)
    X, y = gaussian(2)
    X = np.column_stack([X, X[:, 0] + distance * np.random.default_rng(2).standard_normal(len(X))])
    model = SoftmaxRegressor(C=1e6).fit(X, y)
    assert reasons == ["converged"]
    assert model.is_certified_
    assert bool(sums) == (distance < 1)


def test_two_classes_of_fewer_rows_are_drawn_from_too(reasons):
    X, y = gaussian(2, n_samples=8_000)
    assert SoftmaxRegressor().fit(X, y).is_certified_
    X, y = gaussian(3, n_samples=8_000)
    assert SoftmaxRegressor().fit(X, y).is_certified_
    assert reasons == ["converged"]


@pytest.mark.parametrize("is_alike", [False, True])
def test_columns_that_depend_on_each_other_have_newtons_method_where_hessians_are_cheap(is_alike, reasons):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 50))
    X = X.cumsum(axis=1) if is_alike else X
    y = (X @ rng.standard_normal(50) / X.std() + 3 * rng.logistic(size=len(X)) > 0).astype(int)
    model = SoftmaxRegressor().fit(X, y)
    assert reasons == ([None] if is_alike else ["converged"])
    assert model.is_certified_
    assert model.loss_ <= SoftmaxRegressor(tol=1e-13).fit(X, y).loss_ * (1 + 1e-7)
