"""Sums over rows of arrays of other libraries, all that a solver takes, are those of rows in memory."""

from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce._rows.array_api.arrays import place_of
from skce._rows.array_api.rows import DeviceRows
from skce._solver.certificate import dual_bound, has_dual_bound
from skce._solver.conjugate_gradients import _curvature_product as curvature_product
from skce._solver.conjugate_gradients import least_residual_step, newton_step
from skce._solver.curvature.diagonal import DiagonalCurvature
from skce._solver.curvature.exact import ExactCurvature
from skce._solver.curvature.factorisation import relative_eigenvectors
from skce._solver.curvature.kronecker import KroneckerCurvature, RowSpaceCurvature
from skce._solver.curvature.weighted_diagonal import WeightedDiagonalCurvature
from skce._solver.descent import Descent
from skce._solver.far_rows import change_of_far_rows, far_rows
from skce._solver.objective import LinearObjective
from skce._solver.separation import dependent_columns
from skce._solver.standardisation import Standardisation
from skce.estimators.training_set import TrainingSet
from skce.losses import FocalLoss, Poly1Loss
from tests.problems import overlapping

N, D, K = 90, 4, 3

KINDS = {
    "softmax": (SoftmaxRegressor(), "labels"),
    "smoothed": (SoftmaxRegressor(label_smoothing=0.1, class_weight="balanced"), "labels"),
    "soft": (SoftmaxRegressor(), "soft"),
    "focal": (SoftmaxRegressor(loss=FocalLoss(1.5)), "labels"),
    "poly": (SoftmaxRegressor(loss=Poly1Loss(0.5)), "labels"),
    "binary": (SoftmaxRegressor(), "two"),
    "binary poly": (SoftmaxRegressor(loss=Poly1Loss(0.5)), "two"),
    "one-vs-all": (OneVsAllClassifier(), "labels"),
    "one-vs-all soft": (OneVsAllClassifier(loss="focal"), "soft"),
    "multilabel": (OneVsAllClassifier(class_weight="balanced"), "several"),
    "a class without rows": (SoftmaxRegressor(classes=[0, 1, 2, 3]), "labels"),
    "far from zero": (SoftmaxRegressor(), "far"),
    "no intercept": (SoftmaxRegressor(fit_intercept=False), "labels"),
}

pytestmark = pytest.mark.usefixtures("nothing_on_the_host")


def data(kind, rng, dtype):
    X, labels = overlapping(rng, N, D, K)
    if kind == "far":
        X = 1e-3 * X + np.arange(D) * 1e3
    y = {
        "soft": rng.dirichlet(np.ones(K), N),
        "two": labels > 0,
        "several": (rng.uniform(size=(N, K)) < 0.4).astype(int),
    }.get(kind, labels)
    return X.astype(dtype), y, rng.uniform(0.5, 2, N)


@pytest.fixture(params=KINDS)
def problems(request, rng, xp, dtype):
    """The same problem of rows in memory, and of rows of a library."""
    estimator, kind = KINDS[request.param]
    X, y, weight = data(kind, rng, dtype)
    with ExitStack() as stack:
        read = (TrainingSet.read(estimator, rows, y, weight) for rows in (X, xp.asarray(X)))
        yield [stack.enter_context(training_set.problem()) for training_set in read]


@pytest.fixture
def points(problems, rng):
    """Parameters, and a step of them."""
    (n_columns, n_outputs), scale = problems[0].shape, 1 / Standardisation.of(problems[0]).scale
    scale = np.append(scale, 1.0)[:n_columns, None]
    return [(size * scale * rng.standard_normal((n_columns, n_outputs))).ravel() for size in (0.5, 0.1)]


def assert_same(function, problems, rounding):
    expected, results = (list(function(problem)) for problem in problems)
    for result, of_memory in zip(results, expected, strict=True):
        assert type(result) is type(of_memory)
        atol = rounding * max(np.abs(of_memory).max(initial=0.0), 1e-300)
        np.testing.assert_allclose(result, of_memory, rtol=rounding, atol=atol)


def on_accelerator(problems, monkeypatch):
    """The same problems, with products in float64, as of an X on an accelerator."""
    monkeypatch.setattr(DeviceRows, "is_on_accelerator", True)
    # Of rows made anew, as others know already that they are not.
    problems = [problem.in_float64() for problem in problems]
    return [replace(problem, rows=replace(problem.rows)) for problem in problems]


def test_what_is_known_of_the_columns(problems, rounding):
    assert_same(lambda problem: (problem.moments.mean, problem.moments.spread), problems, rounding)
    for problem in problems:
        assert problem.rows.dtype is problems[0].rows.dtype
        assert (problem.rows.shift is None) == (problems[0].rows.shift is None)


def test_objectives(problems, points, rounding):
    def sums(problem):
        objective = LinearObjective(problem)
        return *objective(points[0]), objective.separated_problems(points[0]).astype(float)

    assert_same(sums, problems, rounding)


def test_objectives_of_parameters_where_X_is(problems, points, rounding, transfers):
    here, there = problems
    fetched, moved = transfers
    params = there.rows.X.place.lifted(points[0])
    del fetched[:], moved[:]
    values, gradient = LinearObjective(there)(params)
    # Of rows nothing goes to and fro, and of the parameters and the gradient neither.
    assert all(np.prod(shape) <= 2 * max(D, K) for shape in fetched + moved)
    assert isinstance(values, np.ndarray)
    for result, expected in zip((values, np.asarray(gradient)), LinearObjective(here)(points[0]), strict=True):
        np.testing.assert_allclose(result, expected, rtol=rounding, atol=rounding * np.abs(expected).max())


def test_evaluations_transfer_sums_alone(problems, points, transfers):
    problem = problems[1]
    params = points[0]
    objective = LinearObjective(problem)
    objective(params)
    fetched, moved = transfers
    del fetched[:], moved[:]
    objective(params)
    assert not any(N in shape for shape in fetched + moved)
    assert sum(shape != () for shape in fetched) == 1


def test_no_sum_transfers_rows(problems, points, transfers):
    problem, (point, step) = problems[1], points
    objective, standardisation = LinearObjective(problem), Standardisation.of(problem)
    fetched, moved = transfers
    del fetched[:], moved[:]
    for kind in ExactCurvature, KroneckerCurvature, DiagonalCurvature:
        kind(objective, point, standardisation)
    if has_dual_bound(problem):
        dual_bound(problem, point, step)
    if problem.row_loss.has_exact_curvature:
        curvature_product(problem, point, problem.row_loss.dual_curvature)(step)
    change_of_far_rows(problem, point, step)
    objective.separated_problems(point)
    assert not any(N in shape for shape in fetched + moved)


@pytest.mark.parametrize(
    "kind",
    [ExactCurvature, KroneckerCurvature, RowSpaceCurvature, DiagonalCurvature, WeightedDiagonalCurvature],
)
def test_curvatures(kind, problems, points, rounding):
    point, gradient = points

    def product(problem):
        curvature = kind(LinearObjective(problem), point, Standardisation.of(problem))
        # M M^T, in which the signs and the order of eigenvectors do not matter.
        return curvature.to_params(curvature.pull_back(gradient)), np.array(curvature.sweeps)

    # Curvatures are in float64; factors of moments that are nearly dependent magnify their rounding.
    assert_same(product, problems, max(rounding, 1e-10))


@pytest.mark.parametrize("kind", [ExactCurvature, KroneckerCurvature, RowSpaceCurvature, DiagonalCurvature])
def test_curvatures_where_X_is(kind, problems, points, transfers):
    problem, (point, gradient) = problems[1], points
    fetched, moved = transfers
    curvature = kind(LinearObjective(problem), point, Standardisation.of(problem))
    slope = curvature.pull_back(gradient)
    curvature_there, gradient_there = map(problem.rows.X.place.with_arrays_of, (curvature, gradient))
    del fetched[:], moved[:]
    slope_there = curvature_there.pull_back(gradient_there)
    params_there = curvature_there.to_params(slope_there)
    assert not fetched
    assert not any(moved)
    np.testing.assert_allclose(np.asarray(slope_there), slope, rtol=1e-12, atol=1e-12 * np.abs(slope).max())
    params = curvature.to_params(slope)
    np.testing.assert_allclose(np.asarray(params_there), params, rtol=1e-12, atol=1e-12 * np.abs(params).max())
    np.testing.assert_allclose(curvature.decrements(slope_there), curvature.decrements(slope), rtol=1e-12)


def test_conjugate_gradients_where_X_is(problems, points, transfers, monkeypatch):
    fetched, _ = transfers
    monkeypatch.setattr("skce._rows.array_api.rows.LONG_VECTOR", 1)
    point, steps = points[0].reshape(problems[0].shape), []
    if problems[0].is_centred:
        point -= point.mean(axis=1, keepdims=True)
    for problem in on_accelerator(problems, monkeypatch):
        descent = Descent.from_best_of([point.ravel()], LinearObjective(problem))
        curvature = DiagonalCurvature(descent.objective, point.ravel(), Standardisation.of(problem))
        del fetched[:]
        step, gain = newton_step(descent, curvature, 1e-3)
        assert sum(point.size in shape for shape in fetched) <= 1
        of_residual = least_residual_step(descent, curvature, 1e-8) if has_dual_bound(problem) else None
        steps.append((step, np.array(gain), np.zeros(1) if of_residual is None else of_residual))
    for step, expected in zip(*steps, strict=True):
        assert type(step) is np.ndarray
        np.testing.assert_allclose(step, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


def test_factorisations_where_X_is(problems, points, monkeypatch):
    point, gradient = points

    def product(problem):
        curvature = KroneckerCurvature(LinearObjective(problem), point, Standardisation.of(problem))
        return (curvature.to_params(curvature.pull_back(gradient)),)

    assert_same(product, on_accelerator(problems, monkeypatch), 1e-8)


def test_moments_that_have_no_factor_get_a_ridge(xp):
    moment = np.ones((3, 3))
    values, vectors = relative_eigenvectors(place_of(xp.asarray(moment)).lifted(moment), np.zeros(3))
    vectors = np.asarray(vectors)
    np.testing.assert_allclose(vectors.T @ moment @ vectors, np.diag(values), atol=1e-6)
    assert values.max() == pytest.approx(1, abs=1e-6)


def test_what_ends_a_fit(problems, points, rounding):
    point, step = points

    def sums(problem):
        sums = [change_of_far_rows(problem, point, 10 * step)]
        if has_dual_bound(problem):
            sums += dual_bound(problem, point, step)
        return map(np.array, sums)

    assert_same(sums, problems, rounding)


def test_products_with_hessians(problems, points, rounding):
    point, move = points

    def product(problem):
        if problem.row_loss.has_exact_curvature:
            yield curvature_product(problem, point, problem.row_loss.dual_curvature)(move)

    assert_same(product, problems, rounding)


def test_far_rows(problems, points, rounding):
    if problems[0].row_loss.departures is None:
        return
    point, step = points

    def found(problem):
        far = far_rows(problem, point, [30 * step], 1e-6)
        assert len(far) > 0
        return far.block.X, far.block.targets.given, np.array(far.largest_range), far.value_gradient(point)[1]

    assert_same(found, problems, rounding)


def test_dependent_columns(xp, rng):
    X, y = overlapping(rng, N, D, K)
    X[:, 2] = X[:, 0] - 2 * X[:, 1]
    for rows in X, xp.asarray(X):
        with TrainingSet.read(SoftmaxRegressor(), rows, y, None).problem() as problem:
            np.testing.assert_array_equal(dependent_columns(problem), [0, 1, 2])


def test_coefficients_that_change_in_place_are_seen(xp, rng):
    X, y = overlapping(rng, N, D, K)
    with TrainingSet.read(SoftmaxRegressor(), xp.asarray(X), y, None).problem() as problem:
        params = rng.standard_normal(problem.shape).ravel()
        before, _ = LinearObjective(problem)(params)
        lowest = problem.rows.lowest(lambda block: block.logits(*problem.split(params)).max(axis=0))
        params *= 2
        assert problem.rows.lowest(lambda block: block.logits(*problem.split(params)).max(axis=0)) != lowest
        assert LinearObjective(problem)(params)[0] != before
