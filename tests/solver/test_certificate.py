"""The certificate: never below the gap, and near it where the step is good."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce._solver import certificate
from skce._solver.certificate import bound_after, dual_bound
from skce._solver.curvature.exact import ExactCurvature
from skce._solver.descent import Descent
from skce._solver.objective import LinearObjective
from skce._solver.standardisation import Standardisation
from skce.estimators.training_set import TrainingSet
from skce.losses import FocalLoss, Poly1Loss
from tests.problems import overlapping


def newton_step(problem, params):
    """Gradient (p,) and exact Newton step (p,)."""
    objective = LinearObjective(problem)
    curvature = ExactCurvature(objective, params, Standardisation.of(problem))
    gradient = objective(params)[1]
    return gradient, -curvature.to_params(curvature.pull_back(gradient))


def value(problem, params):
    return float(LinearObjective(problem)(params)[0].sum())


def minimum(problem, params):
    """The minimum by damped Newton, which shares nothing with the solver but the objective and its Hessian."""
    for _ in range(300):
        gradient, step = newton_step(problem, params)
        fall, length, here = -gradient @ step, 1.0, value(problem, params)
        if fall < 1e-17 * here:
            break
        while value(problem, params + length * step) > here - 1e-4 * length * fall and length > 1e-10:
            length /= 4
        params = params + length * step
    return params


def random_training_set(seed):
    """Few rows of awkward columns, weights from 1e-3 to 1e4, C from 1e-4 to 1e8, with and without smoothing."""
    rng = np.random.default_rng(seed)
    n_classes, n_features, n_samples = int(rng.integers(2, 5)), int(rng.integers(1, 5)), int(rng.integers(10, 60))
    X = rng.standard_normal((n_samples, n_features))
    kind = seed % 4
    if kind == 1:
        X = np.exp(2 * X)
    elif kind == 2:
        X[:, 0] = (rng.uniform(size=n_samples) < 0.1) * 10 ** rng.uniform(0, 3)
    elif kind == 3:
        X = X * 10 ** rng.uniform(-3, 3, size=n_features) + 10 ** rng.uniform(-3, 3, size=n_features)
    y = np.r_[np.arange(n_classes), rng.integers(0, n_classes, size=n_samples - n_classes)]
    weight = 10 ** rng.uniform(-3, 4, size=n_samples) if seed % 3 else None
    make_estimator = [SoftmaxRegressor, OneVsAllClassifier][seed // 4 % 2]
    estimator = make_estimator(
        C=10 ** rng.uniform(-4, 8), label_smoothing=0.1 * (seed % 5 == 0), fit_intercept=bool(seed % 7)
    )
    return TrainingSet.read(estimator, X, y, weight)


@pytest.mark.parametrize("first", range(0, 120, 20))
def test_never_below_the_gap_and_near_it_where_the_step_moves_no_row_far(first):
    n_tight = 0
    for seed in range(first, first + 20):
        with random_training_set(seed).problem() as problem:
            best = minimum(problem, np.zeros(problem.shape).reshape(-1))
            least = value(problem, best)
            for share in (0.0, 0.5, 0.99, 0.99999):
                params = share * best
                here = value(problem, params)
                _, step = newton_step(problem, params)
                _, bound = dual_bound(problem, params, step)
                gap = here - least
                assert bound >= gap - (1e-13 * here + 1e-15)
                coef, intercept = problem.split(step)
                furthest = np.abs(problem.rows.block(slice(None)).logits(coef, intercept)).max()
                if furthest < 0.25 and gap > 1e-11 * here:
                    n_tight += 1
                    assert bound <= 2 * gap
                # No step at all is a bound as well.
                assert dual_bound(problem, params, np.zeros_like(step))[1] >= gap - (1e-13 * here + 1e-15)
    assert n_tight > 10


@pytest.mark.parametrize("length", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("seed", range(0, 40, 4))
def test_where_a_step_leads_it_is_never_below_the_gap_of_the_lower_end(seed, length):
    with random_training_set(seed).problem() as problem:
        best = minimum(problem, np.zeros(problem.shape).reshape(-1))
        descent = Descent.from_best_of([0.9 * best], LinearObjective(problem))
        start, step = descent.best, length * newton_step(problem, descent.best.params)[1]
        moved = value(problem, start.params + step)
        bound = bound_after(descent, step, 1e-7)
        assert descent.best.value == pytest.approx(min(start.value, moved), rel=1e-14)
        assert bound >= descent.best.value - value(problem, best) - (1e-13 * start.value + 1e-15)
        assert (descent.n_evaluations, descent.n_passes) in [(2, 2.0), (2, 3.0)]


@pytest.mark.parametrize("epsilon", [0.5, -0.5, 0.9])
@pytest.mark.parametrize("seed", [2, 8, 9, 26, 33, 35])
def test_a_share_of_cross_entropy_bounds_the_gap_of_the_loss(epsilon, seed):
    training_set = random_training_set(seed)
    with training_set.problem() as problem:
        link = problem.rows.targets.link
        problem = replace(problem, row_loss=link.row_loss(Poly1Loss(epsilon)))
        best = minimum(problem, np.zeros(problem.shape).reshape(-1))
        least = value(problem, best)
        for share in (0.0, 0.9, 0.999):
            params = share * best
            here = value(problem, params)
            _, step = newton_step(problem, params)
            # The best step for the share is longer: less of the curvature is its.
            for length in (0.0, 1.0, 1 / (1 - abs(epsilon))):
                _, bound = dual_bound(problem, params, length * step)
                assert bound >= here - least - (1e-13 * here + 1e-15)


@pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
def test_a_fit_of_poly_1_is_certified(make_estimator, rng):
    X, y = overlapping(rng, n_samples=300)
    X = X * [1e3, 1.0, 1e-3] + [0.0, 1e3, 0.0]
    for loss in (Poly1Loss(0.5), Poly1Loss(-0.5), FocalLoss(0)):
        for labels in (y, np.minimum(y, 1)):
            model = make_estimator(loss=loss).fit(X, labels)
            assert model.is_certified_


@pytest.mark.parametrize("C", [1.0, 100.0])
@pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
def test_a_predictor_that_is_always_right_is_fitted_to_its_optimum(make_estimator, C):
    # statsmodels#1705: 1000 in 50 rows of one class, 0 elsewhere. The coefficient was eight times too large.
    X = np.r_[np.full(50, 1000.0), np.zeros(10010)][:, None]
    y = np.r_[np.ones(60, int), np.zeros(10000, int)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = make_estimator(C=C).fit(X, y)
    with TrainingSet.read(make_estimator(C=C), X, y, None).problem() as problem:
        best = minimum(problem, np.array([1e-3, -5.0]))
        least = value(problem, best)
    assert model.loss_ - least <= model.gap_bound_ + 1e-15
    assert model.loss_ / least - 1 < 1e-7
    if C == 1.0:
        assert model.coef_[0, 0] == pytest.approx(0.02156425, rel=1e-3)  # LogisticRegression, newton-cholesky, 1e-12


def test_a_kronecker_curvature_is_not_believed_either():
    # Twelve rows, five classes: it ended 2.8e-5 above the minimum and said 7e-8.
    X = np.r_[np.zeros(9), np.ones(3)][:, None]
    y = np.array([1, 2, 3, 4] + [0] * 8)
    model = SoftmaxRegressor(C=1e4).fit(X, y)
    with TrainingSet.read(SoftmaxRegressor(C=1e4), X, y, None).problem() as problem:
        least = value(problem, minimum(problem, np.zeros(10)))
    assert model.loss_ / least - 1 < 1e-7
    assert model.gap_bound_ <= 1e-7 * model.loss_


@pytest.mark.parametrize(("weight", "C"), [([50, 10, 1e4], 1e7), ([500, 100, 10], 1e4), ([50, 10, 1e4], 1e6)])
def test_the_bound_holds_on_three_weighted_rows(weight, C):
    # It was exceeded up to sixteen times.
    X, y = np.array([[1.0], [0.0], [0.0]]), np.array([1, 1, 0])
    model = SoftmaxRegressor(C=C).fit(X, y, weight)
    with TrainingSet.read(SoftmaxRegressor(C=C), X, y, weight).problem() as problem:
        least = value(problem, minimum(problem, np.zeros(2)))
    assert model.gap_bound_ >= model.loss_ - least - (1e-13 * model.loss_ + 1e-15)
    assert model.loss_ - least <= 1e-7 * model.loss_


def test_a_default_fit_of_few_parameters_is_certified(rng):
    X, y = overlapping(rng, n_samples=300)
    for labels in (y, np.minimum(y, 1)):
        for make_estimator in (SoftmaxRegressor, OneVsAllClassifier):
            model = make_estimator().fit(X * [1e3, 1.0, 1e-3] + [0.0, 1e3, 0.0], labels)
            assert model.gap_bound_ <= 1e-7 * model.loss_


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_far_from_the_end_it_is_no_more_than_the_loss(rng):
    X, y = overlapping(rng, n_samples=100)
    for C in (1e-3, 1e12):
        model = SoftmaxRegressor(C=C, max_iter=1).fit(np.exp(4 * X), y)
        assert 0 < model.gap_bound_ <= model.loss_


def test_float32_has_a_bound_too(rng):
    X, y = overlapping(rng, n_samples=300)
    model = SoftmaxRegressor().fit(X.astype(np.float32), y)
    assert 0 <= model.gap_bound_ < 1e-6


def test_on_dask_it_is_the_same(rng):
    da = pytest.importorskip("dask.array")
    X, y = overlapping(rng, n_samples=200)
    lazy = da.from_array(X, chunks=(70, 3)).persist(scheduler="synchronous")
    for make_estimator in (SoftmaxRegressor, OneVsAllClassifier):
        ours = make_estimator().fit(lazy, y).gap_bound_
        assert ours == pytest.approx(make_estimator().fit(X, y).gap_bound_, rel=1e-3, abs=1e-13)


@pytest.mark.parametrize("loss", [None, Poly1Loss(0.5)])
def test_of_many_classes_the_intercepts_are_shifted_as_of_few(loss, rng, monkeypatch):
    X, y = overlapping(rng, n_samples=200, n_classes=6)
    estimator = SoftmaxRegressor(C=1.0) if loss is None else SoftmaxRegressor(C=1.0, loss=loss)
    with TrainingSet.read(estimator, X, y, rng.uniform(size=200)).problem() as problem:
        objective = LinearObjective(problem)
        params = 0.1 * rng.standard_normal(problem.shape)
        params = (params - params.mean(axis=1, keepdims=True)).reshape(-1)
        curvature = ExactCurvature(objective, params, Standardisation.of(problem))
        step = -0.9 * curvature.to_params(curvature.pull_back(objective(params)[1]))
        sweeps, expected = dual_bound(problem, params, step)
        monkeypatch.setattr(certificate, "MOST_DENSE_CLASSES", 5)
        _, asked_for = dual_bound(problem, params, step, target=expected)
        for name in ("LEAST_SHARE_OF_EXCESS", "LARGEST_SHARE_OF_EXCESS"):
            monkeypatch.setattr(certificate, name, 1e-10)
        sweeps_of_many, actual = dual_bound(problem, params, step)
    assert actual == pytest.approx(expected, rel=1e-6)
    # What is left of the excess loosens it by next to nothing of what is asked for.
    assert expected * (1 - 1e-6) <= asked_for <= 1.2 * expected
    assert sweeps < sweeps_of_many <= sweeps + 2 * 20
