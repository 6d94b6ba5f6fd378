"""Newton's method on awkward data: certified, in few passes, at the minimum that wider floats find."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce._rows.blocks import RowBlocks
from skce._solver import newton
from skce._solver.objective import LinearObjective
from skce.estimators.training_set import TrainingSet
from tests.problems import overlapping
from tests.solver.test_solver import solved


def heavy_tailed(seed, n_samples=300):
    """Lognormal columns, the last the sum of two others, of three classes, one of which is rare."""
    rng = np.random.default_rng(seed)
    X = np.exp(3 * rng.standard_normal((n_samples, 3)))
    X = np.column_stack([X, X[:, 0] + X[:, 1]])
    scores = np.log(X) @ rng.standard_normal((4, 2)) * 0.3 + rng.gumbel(size=(n_samples, 2))
    y = scores.argmax(axis=1)
    y[rng.choice(n_samples, size=5, replace=False)] = 2
    return X, y


def fitted(model, X, y, weight=None):
    """Whether a fit warned."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, weight)
    assert all(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    return bool(caught)


def assert_certified(model):
    assert model.gap_bound_ <= 1e-7 * model.loss_
    assert model.suboptimality_ <= 1e-7


@pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
def test_a_predictor_that_is_always_right_where_it_is_not_zero(make_estimator):
    X = np.r_[np.full(50, 1000.0), np.zeros(10010)][:, None]
    y = np.r_[np.ones(60, int), np.zeros(10000, int)]
    model = make_estimator().fit(X, y)
    assert_certified(model)

    # Stationary where w = 50000 u, with u what the fifty rows lack of 1, and 10010 sigmoid(b) = 10 + 50 u.
    def excess(w):
        u = w / np.longdouble(50000)
        p = (10 + 50 * u) / np.longdouble(10010)
        return 1000 * w + np.log(p / (1 - p)) + np.log(u / (1 - u))

    low, high = np.longdouble(1e-3), np.longdouble(1)
    assert excess(low) < 0 < excess(high)
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if excess(middle) > 0 else (middle, high)
    assert model.coef_[0, 0] == pytest.approx(float(low), rel=1e-4)
    assert model.coef_[0, 0] == pytest.approx(0.0215, abs=1e-4)


@pytest.mark.parametrize("C", [1.0, 1e3])
@pytest.mark.parametrize("seed", range(8))
def test_heavy_tails_end_certified_or_with_a_warning(seed, C):
    X, y = heavy_tailed(seed)
    model, tight = SoftmaxRegressor(C=C), SoftmaxRegressor(C=C, tol=1e-12)
    has_warned = fitted(model, X, y)
    fitted(tight, X, y)
    assert has_warned or model.gap_bound_ <= 1e-7 * model.loss_
    assert model.loss_ - tight.loss_ <= 1e-6 * model.loss_
    assert model.loss_ - tight.loss_ <= model.gap_bound_ + 1e-14
    assert model.n_passes_ <= 150
    assert model.n_passes_ == model.pass_curve_[-1]
    assert len(model.pass_curve_) == len(model.loss_curve_) == model.n_iter_[0] + 1
    assert (np.diff(model.loss_curve_) <= 0).all()
    assert model.loss_curve_[-1] == model.loss_


@pytest.mark.parametrize(
    "parameters", [{}, {"class_weight": "balanced"}, {"label_smoothing": 0.1}, {"fit_intercept": False}], ids=repr
)
@pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_however_rows_are_weighted_and_kept_it_is_certified(container, is_weighted, make_estimator, parameters):
    X, y = heavy_tailed(1)
    weight = 10 ** np.random.default_rng(0).uniform(-3, 4, size=len(y)) if is_weighted else None
    model = make_estimator(**parameters)
    assert not fitted(model, container(X), y, weight)
    assert_certified(model)


@pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
@pytest.mark.parametrize("size", [1.0, 30.0])
def test_a_start_where_rows_are_saturated_is_left(make_estimator, size):
    X, y = heavy_tailed(2)
    tight = make_estimator(tol=1e-12).fit(X, y)
    with TrainingSet.read(make_estimator(), X, y, None).problem() as problem:
        start = size * np.random.default_rng(0).standard_normal(problem.shape)
        if not problem.are_separate:
            start -= start.mean(axis=1, keepdims=True)
        assert LinearObjective(problem)(start.reshape(-1))[0].sum() > 1
        solution = solved(LinearObjective(problem), start=start.reshape(-1))
    assert solution.gap_bound <= 1e-7 * solution.value
    assert solution.value - tight.loss_ <= 1e-7 * tight.loss_
    assert (np.diff(solution.loss_curve) <= 0).all()


def gradient_and_value(X, y, params, dtype):
    """Cross-entropy of a softmax over all logits, and its gradient, without a penalty, in a dtype; X has the ones."""
    logits = X.astype(dtype) @ params.astype(dtype)
    logits -= logits.max(axis=1, keepdims=True)
    proba = np.exp(logits)
    proba /= proba.sum(axis=1, keepdims=True)
    value = -np.log(proba[np.arange(len(y)), y]).mean()
    proba[np.arange(len(y)), y] -= 1
    return X.T.astype(dtype) @ proba / len(y), value


@pytest.mark.parametrize("n_classes", [2, 3])
def test_without_a_penalty_it_ends_where_wide_floats_do(n_classes, rng):
    X, y = overlapping(rng, n_samples=200, n_classes=n_classes)
    X[:, 0] = np.exp(X[:, 0])
    model = SoftmaxRegressor(C=np.inf)
    assert not fitted(model, X, y)
    wide, params = np.column_stack([X, np.ones(len(y))]), np.zeros((4, n_classes), np.longdouble)
    for _ in range(60):
        gradient, least = gradient_and_value(wide, y, params, np.longdouble)
        proba = np.exp((wide @ params).astype(float))
        proba /= proba.sum(axis=1, keepdims=True)
        weights = proba[:, :, None] * (np.eye(n_classes) - proba[:, None])
        hessian = np.einsum("ni,nkl,nj->ikjl", wide, weights, wide).reshape(2 * (params.size,)) / len(y)
        params = params - np.linalg.lstsq(hessian, gradient.astype(float).ravel(), rcond=1e-12)[0].reshape(params.shape)
    assert np.abs(gradient).max() < 1e-16
    assert -1e-14 < model.loss_ / float(least) - 1 <= 1e-8


@pytest.mark.parametrize("kind", [SoftmaxRegressor, OneVsAllClassifier])
def test_every_sweep_is_counted(kind, monkeypatch):
    sweeps = []
    for name in ("summed", "gathered"):
        method = getattr(RowBlocks, name)
        monkeypatch.setattr(RowBlocks, name, lambda *args, m=method, **kwargs: sweeps.append(1) or m(*args, **kwargs))
    X, y = heavy_tailed(0)
    with TrainingSet.read(kind(C=100.0), X, y, None).problem() as problem:
        sweeps.clear()
        solution = solved(LinearObjective(problem))
    assert solution.n_passes == len(sweeps) == solution.pass_curve[-1]


def test_logs_of_connections_take_few_passes():
    # Without the far rows in the model of a step, 155 passes instead of 34.
    rng = np.random.default_rng(1)
    is_denied = rng.random(1500) < 0.2
    sent, received = np.round(np.exp(5 + 3 * rng.standard_normal((2, 1500))))
    sent = np.where(is_denied, 60 + rng.integers(0, 10, 1500), sent)
    received[is_denied] = 0
    packets = np.where(is_denied, 1, 1 + np.round(sent / 800))
    X = np.c_[sent, received, sent + received, packets, rng.integers(1024, 65535, 1500)]
    y = np.where(is_denied, 1, np.where(rng.random(1500) < 0.01, 2, 0))
    model = SoftmaxRegressor().fit(X, y)
    assert model.is_certified_
    assert model.n_passes_ <= 60


def test_where_steps_lead_near_no_curvature_is_asked_for_at_the_end(monkeypatch):
    calls = []
    hessian_sums = newton.hessian_sums
    monkeypatch.setattr(newton, "hessian_sums", lambda *args: calls.append(None) or hessian_sums(*args))
    model = SoftmaxRegressor().fit(*load_wine(return_X_y=True))
    assert model.is_certified_
    # The last step has none, and the first none but that of the start.
    assert len(calls) == model.n_iter_[0] - 1
    # Moments, the start with its curvature, steps, certificate.
    assert model.n_passes_ == 1 + 1 + model.n_iter_[0] + 1


@pytest.mark.parametrize("C", [1.0, 1e3])
@pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
def test_the_end_is_as_near_as_it_says_wherever_the_last_step_led(make_estimator, C):
    X, y = load_wine(return_X_y=True)
    tight = make_estimator(C=C, tol=1e-12).fit(X, y)
    for tol in (1e-2, 1e-4, 1e-6):
        model = make_estimator(C=C, tol=tol).fit(X, y)
        assert model.is_certified_
        # Of logits far from 0, rounding leaves this of both losses.
        assert model.loss_ - tight.loss_ <= model.gap_bound_ + 1e-13 * model.loss_ + 1e-14


@pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [10.0, 30.0])
def test_where_nothing_leads_on_from_a_start_it_begins_again_without_one(make_estimator, seed, size):
    X, y = heavy_tailed(2)
    with TrainingSet.read(make_estimator(), X, y, None).problem() as problem:
        start = size * np.random.default_rng(seed).standard_normal(problem.shape)
        if not problem.are_separate:
            start -= start.mean(axis=1, keepdims=True)
        solution = solved(LinearObjective(problem), start=start.reshape(-1))
    assert solution.reason == "converged"
    assert solution.gap_bound <= 1e-7 * solution.value


def test_classes_are_found_to_be_separable_where_steps_promise_less_than_rounding_and_move_no_row(monkeypatch):
    run = newton.NewtonStage.run
    # Of steps that promise so little it is up to rounding whether they seem to lead to the minimum.
    monkeypatch.setattr(newton.NewtonStage, "run", lambda stage, max_iter: run(stage, max_iter) and "converged")
    with pytest.warns(ConvergenceWarning, match="By column 2 rows of class 0"):
        SoftmaxRegressor(C=np.inf, tol=1e-13).fit(*load_iris(return_X_y=True))
