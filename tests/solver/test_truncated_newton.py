"""Newton's method by conjugate gradients: its model of F, its proofs, where it begins and where it ends."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce._labels.kinds_of_y import HardLabels
from skce._links.binary import Binary
from skce._links.softmax import Softmax
from skce._rows import blocks
from skce._rows.blocks import RowBlocks
from skce._solver import minimisation, truncated_newton
from skce._solver.certificate import dual_bound
from skce._solver.curvature.common_columns import CommonColumnsCurvature
from skce._solver.curvature.ladder import rungs_for
from skce._solver.descent import Descent, Point
from skce._solver.logits_of_rows import Quadratic
from skce._solver.objective import LinearObjective
from skce._solver.path import Unwatched
from skce._solver.standardisation import Standardisation
from skce._solver.truncated_newton import (
    Step,
    TruncatedNewtonStage,
    _shortened,
    begins_with_truncated_newton,
)
from skce.losses import CrossEntropy, FocalLoss
from tests.problems import problem_of_rows, targets_of

N, D = 80, 1600


@pytest.fixture
def X(rng):
    """Wide sparse X whose columns are shared, so that none are merged."""
    return scipy.sparse.csr_array(rng.poisson(0.05, size=(N, D)) * rng.uniform(0.5, 2, size=(N, D)))


@pytest.fixture(params=[(Binary, 2), (Softmax, 3)], ids=["binary", "softmax"])
def problem_of(request, X, rng):
    kind, n_classes = request.param
    labels = HardLabels(np.arange(N) % n_classes, n_classes)
    weight = rng.uniform(0.5, 2, size=N)

    def problem(loss=None, C=1.0, fit_intercept=True, X=X, label_smoothing=0.1):
        targets = targets_of(kind, labels, weight, np.ones(n_classes), label_smoothing)
        return problem_of_rows(RowBlocks(X, targets), loss or CrossEntropy(), C=C, fit_intercept=fit_intercept)

    return problem


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "NUMBERS_PER_SPARSE_BLOCK", 2000)
    monkeypatch.setattr(blocks, "NUMBERS_PER_SPARSE_COLUMN", 0)


def spread_labels(rng, n_classes):
    """Labels (N,) in no order."""
    return rng.permutation(np.arange(N) % n_classes)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_quadratic_is_that_of_F(problem_of, fit_intercept, rng, small_blocks):
    problem = problem_of(fit_intercept=fit_intercept)
    objective = LinearObjective(problem)
    params, step = rng.standard_normal((2, np.prod(problem.shape)))
    values, gradient = objective(params)
    quadratic = Quadratic.at(problem, params)
    assert len(quadratic.logits) > 2
    np.testing.assert_allclose(quadratic.gradient(params), gradient, rtol=1e-10, atol=1e-14)
    curved, moved = quadratic.product(step)
    near, far = (objective(params + length * step)[1] - objective(params - length * step)[1] for length in (1e-3, 2e-3))
    np.testing.assert_allclose(curved, (8 * near - far) / 12e-3, rtol=1e-6, atol=1e-8)
    gain = values.sum() - objective(params + step)[0].sum()
    promised = -gradient @ step - step @ curved / 2
    assert promised - quadratic.departure(moved) == pytest.approx(gain, rel=1e-10)
    after = quadratic.after(moved)
    np.testing.assert_allclose(after.gradient(params + step), objective(params + step)[1], rtol=1e-9, atol=1e-13)


def test_departures_and_what_is_left_are_the_dual_bound_less_the_gain(problem_of, rng, small_blocks):
    problem = problem_of(fit_intercept=False)
    objective = LinearObjective(problem)
    params, step = rng.standard_normal((2, np.prod(problem.shape))) * [[0.3], [0.02]]
    values, gradient = objective(params)
    quadratic = Quadratic.at(problem, params)
    curved, moved = quadratic.product(step)
    left = problem.penalty.conjugate(gradient + curved)
    _, bound = dual_bound(problem, params, step)
    gain = values.sum() - objective(params + step)[0].sum()
    expected = left + quadratic.departure(moved) + quadratic.dual_departure(moved)
    assert expected == pytest.approx(bound - gain, rel=1e-9)


def test_it_is_for_wide_sparse_X_whose_gap_can_be_proven(problem_of, X):
    def has_it(**options):
        objective = LinearObjective(problem_of(**options))
        return begins_with_truncated_newton(objective, rungs_for(objective))

    assert has_it()
    assert not has_it(loss=FocalLoss(1.0))
    assert not has_it(C=np.inf)
    assert not has_it(X=X.toarray())
    assert not has_it(X=X[:, :20])


def test_it_is_for_sparse_X_of_fewer_columns_whose_curvatures_are_dear(rng):
    def has_it(kind, n_classes, n_rows, n_columns):
        X = scipy.sparse.csr_array(rng.poisson(0.02, size=(n_rows, n_columns)) * rng.normal(size=n_columns))
        labels = HardLabels(np.arange(n_rows) % n_classes, n_classes)
        targets = targets_of(kind, labels, np.ones(n_rows), np.ones(n_classes), 0.0)
        objective = LinearObjective(problem_of_rows(RowBlocks(X, targets), CrossEntropy(), C=1.0))
        return begins_with_truncated_newton(objective, rungs_for(objective))

    assert has_it(Softmax, 9, 1000, 900)
    assert not has_it(Softmax, 9, 1000, 100)  # of which there is a Hessian
    assert not has_it(Binary, 2, 1700, 1600)  # of one logit, which L-BFGS takes less time for
    assert has_it(Binary, 2, 1500, 1600)


def test_of_many_short_rows_logits_are_not_kept(problem_of, monkeypatch):
    monkeypatch.setattr(truncated_newton, "LOGITS_TO_KEEP", 0)
    monkeypatch.setattr(truncated_newton, "LOGITS_PER_NUMBER", 1e-3)
    objective = LinearObjective(problem_of())
    assert not begins_with_truncated_newton(objective, rungs_for(objective))


@pytest.fixture
def stages(monkeypatch):
    """The stages by conjugate gradients that fits have begun."""
    begun, run = [], truncated_newton.TruncatedNewtonStage.run

    def noted(stage, max_iter):
        begun.append(stage)
        return run(stage, max_iter)

    monkeypatch.setattr(truncated_newton.TruncatedNewtonStage, "run", noted)
    return begun


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("C", [0.1, 100.0])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_optimum_is_proven_and_that_of_scikit_learn(X, n_classes, C, dtype, rng, stages, small_blocks):
    X, y = X.astype(dtype), spread_labels(rng, n_classes)
    weight = rng.uniform(0.5, 2, size=N)
    model = SoftmaxRegressor(C=C).fit(X, y, sample_weight=weight)
    expected = LogisticRegression(C=C, tol=1e-10, max_iter=10_000).fit(X.astype(float), y, sample_weight=weight)
    assert len(stages) == 1
    assert model.is_certified_
    tight = SoftmaxRegressor(C=C, tol=1e-12).fit(X.astype(float), y, sample_weight=weight)
    assert tight.loss_ >= model.loss_ - model.gap_bound_
    assert model.loss_ <= tight.loss_ * (1 + 1e-7)
    np.testing.assert_allclose(tight.coef_, expected.coef_, atol=1e-3 * np.abs(expected.coef_).max())
    np.testing.assert_allclose(tight.intercept_, expected.intercept_, atol=1e-3 * np.abs(expected.coef_).max())


@pytest.mark.parametrize("n_classes", [2, 6])
def test_columns_that_all_rows_have_are_told_apart(n_classes, rng, stages, monkeypatch):
    dense = rng.standard_normal((5 * N, 12)) @ rng.standard_normal((12, 12)) * np.exp(rng.standard_normal(12))
    words = scipy.sparse.csr_array(rng.poisson(0.004, size=(5 * N, 3 * D)) * rng.uniform(size=3 * D))
    X = scipy.sparse.hstack([words, scipy.sparse.csr_array(dense)], format="csr")
    logits = dense @ rng.standard_normal((12, n_classes))
    y = (2 * logits / logits.std() + rng.gumbel(size=logits.shape)).argmax(axis=1)
    monkeypatch.setattr(truncated_newton, "PASSES_BY_DIAGONAL", 10)
    monkeypatch.setattr(truncated_newton, "PRODUCTS_PER_PASS", np.inf)
    model = SoftmaxRegressor(C=10.0).fit(X, y)
    assert isinstance(stages[0].curvature, CommonColumnsCurvature)
    monkeypatch.setattr(truncated_newton, "PASSES_BY_DIAGONAL", np.inf)
    alone = SoftmaxRegressor(C=10.0).fit(X, y)
    assert model.is_certified_
    assert alone.is_certified_
    assert model.loss_ == pytest.approx(alone.loss_, rel=2e-7)
    assert model.n_passes_ < 0.8 * alone.n_passes_


def test_where_L_BFGS_by_class_is_slow_it_goes_on(rng, stages, monkeypatch):
    X = rng.standard_normal((1500, 25))
    logits = X @ rng.standard_normal((25, 60))  # classes are nearly separable, and a Hessian is too large
    y = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    model = SoftmaxRegressor(C=1e4).fit(X, y)
    assert len(stages) == 1
    assert model.is_certified_
    monkeypatch.setattr(minimisation, "MOST_SLOW_STAGES", np.inf)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        alone = SoftmaxRegressor(C=1e4, max_iter=model.n_iter_[0]).fit(X, y)
    assert len(stages) == 1
    assert alone.loss_ > 1.01 * model.loss_


def test_where_L_BFGS_on_sparse_X_is_slow_it_goes_on(rng, stages, monkeypatch):
    shape = 400, 110
    X = scipy.sparse.csr_array(rng.poisson(0.05, shape) * rng.standard_normal(shape) * rng.choice([1, 1, 100], shape))
    logits = X @ rng.standard_normal((110, 15))
    y = (2 * logits / logits.std() + rng.gumbel(size=logits.shape)).argmax(axis=1)
    model = SoftmaxRegressor(C=10.0).fit(X, y)
    assert len(stages) == 1
    assert model.is_certified_
    monkeypatch.setattr(minimisation, "MOST_SLOW_STAGES_OF_SPARSE", np.inf)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        alone = SoftmaxRegressor(C=10.0).fit(X, y)
    assert len(stages) == 1
    assert alone.loss_ > 1.001 * model.loss_


def test_a_start_is_gone_on_from(X, rng, stages):
    y = spread_labels(rng, 3)
    model = SoftmaxRegressor(warm_start=True, tol=1e-3).fit(X, y)
    loss = model.loss_
    model.set_params(tol=1e-9).fit(X, y)
    assert len(stages) == 2
    assert model.loss_curve_[0] == pytest.approx(loss, rel=1e-10)
    assert model.is_certified_


def test_where_nothing_can_be_proven_other_stages_go_on(X, rng, stages, monkeypatch):
    y = spread_labels(rng, 3)
    expected = SoftmaxRegressor().fit(X, y)
    monkeypatch.setattr(truncated_newton, "MOST_MISSES", 0)
    monkeypatch.setattr(truncated_newton, "dual_bound", lambda *args: (1, np.inf))
    model = SoftmaxRegressor().fit(X, y)
    assert len(stages) == 2
    assert stages[1].n_misses == 1
    assert model.is_certified_
    assert model.n_passes_ > expected.n_passes_
    assert model.loss_ == pytest.approx(expected.loss_, rel=1e-7)


def test_what_rounding_hides_is_left_to_other_stages(X, rng, stages):
    model = SoftmaxRegressor(tol=1e-17).fit(X, spread_labels(rng, 2))
    assert stages[0].descent.n_stages > 1
    assert 0 < model.gap_bound_ <= 1e-13 * model.loss_


def test_after_the_last_iteration_the_fit_is_as_it_was_left(X, rng):
    y = spread_labels(rng, 3)
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        model = SoftmaxRegressor(max_iter=2, tol=1e-9).fit(X, y)
    whole = SoftmaxRegressor(tol=1e-9).fit(X, y)
    assert model.n_iter_[0] == 2
    np.testing.assert_allclose(model.loss_curve_, whole.loss_curve_[:3], rtol=1e-12)
    assert model.loss_ - model.gap_bound_ <= whole.loss_ <= model.loss_


def test_labels_of_their_own_have_problems_of_their_own(X, rng, stages):
    OneVsAllClassifier().fit(X, spread_labels(rng, 3))
    assert not stages


def test_what_a_shortened_step_gains_is_what_F_falls_by(problem_of, rng, small_blocks):
    problem = problem_of(C=1e6)
    objective = LinearObjective(problem)
    params = 20 * rng.standard_normal(np.prod(problem.shape))  # where most rows are certain, and curve next to nothing
    values, gradient = objective(params)
    quadratic = Quadratic.at(problem, params)
    curved, moved = quadratic.product(-gradient)
    length = gradient @ gradient / -(gradient @ curved)
    promised = length * gradient @ gradient / 2
    whole = Step(-length * gradient, [length * move for move in moved], promised)
    taken = _shortened(whole, quadratic)
    assert 0 < taken.gain == pytest.approx(values.sum() - objective(params + taken.step)[0].sum(), rel=1e-9)
    np.testing.assert_allclose(quadratic.product(taken.step)[1][0], taken.moved[0], rtol=1e-9, atol=1e-12)


def test_where_nothing_is_left_no_step_is_taken(problem_of):
    objective = LinearObjective(problem_of())
    params = np.zeros(np.prod(objective.shape))
    values, gradient = objective(params)
    start = Point(params, values, np.zeros_like(gradient))
    descent, standardisation = Descent.from_points([start], objective), Standardisation.of(objective.problem)
    stage = TruncatedNewtonStage(descent, rungs_for(objective)[0], standardisation, 1e-7, Unwatched())
    assert stage.run(10) is None
    assert descent.best is start
