"""The model of a step: its rows by loops, its gradient by differences, and the minimum that is found of it."""

import numpy as np
import pytest

from skce._labels.kinds_of_y import HardLabels
from skce._links.binary import Binary
from skce._links.one_vs_all import OneVsAll
from skce._links.softmax import Softmax
from skce._rows.blocks import Block, RowBlocks
from skce._solver import lbfgs
from skce._solver.curvature.exact import ExactCurvature
from skce._solver.descent import Point
from skce._solver.far_rows import FarRows, GivenTargets, far_rows
from skce._solver.model import Model, minimiser_of
from skce._solver.objective import LinearObjective
from skce._solver.standardisation import Standardisation
from skce.losses import CrossEntropy
from tests import reference
from tests.differences import gradient_by_differences
from tests.problems import problem_of_rows, targets_of

N, D = 40, 3
EVERY, NONE, SOME = np.arange(N), np.arange(1), np.arange(0, N, 7)  # row 0 has no weight


@pytest.fixture(
    params=[(Softmax, 3), (Softmax, 4), (Binary, 2), (OneVsAll, 3)], ids=lambda p: f"{p[0].__name__}-{p[1]}"
)
def targets(request, rng):
    kind, n_classes = request.param
    labels = HardLabels(np.arange(N) % n_classes, n_classes)
    weight = rng.uniform(0.1, 3, size=N) * (np.arange(N) > 0)
    return targets_of(kind, labels, weight, rng.uniform(0.5, 2, size=n_classes), 0.1)


@pytest.fixture
def X(rng):
    return rng.standard_normal((N, D)) * [1, 1e3, 1e-3] + [0, 5e3, 0]


def far_rows_at(problem, at):
    """The FarRows of given indices."""
    return FarRows(
        problem, Block(problem.rows.X[at], GivenTargets(problem.rows.targets.block(at)), slice(0, len(at))), 0
    )


def model_of(X, targets, rng, at, *, C=2.0, fit_intercept=True, is_decorrelated=False):
    """The Model with the rows of some indices far, at random parameters that give logits of order 1."""
    problem = problem_of_rows(RowBlocks(X, targets), CrossEntropy(), C=C, fit_intercept=fit_intercept)
    objective, standardisation = LinearObjective(problem), Standardisation.of(problem)
    params = standardisation.to_params(0.5 * rng.standard_normal(problem.shape)).reshape(-1)
    curvature = ExactCurvature(objective, params, standardisation)
    if is_decorrelated:
        curvature = ExactCurvature(objective, params, curvature.decorrelated())
    return Model(curvature, Point(params, *objective(params)), far_rows_at(problem, at))


def value_by_loops(model, step, at):
    """F(point + step) - F(point), with the rows that are not at these indices to second order."""
    problem, far = model.far.problem, set(at.tolist())
    (coef, intercept), (coef_step, intercept_step) = problem.split(model.point.params), problem.split(step)
    T, value = problem.rows.targets.block(slice(0, N)), 0.0
    for i, x in enumerate(problem.rows.X):
        softmaxes = reference.softmaxes_of_row(T[..., i], x @ coef + intercept, x @ coef_step + intercept_step)
        for t, logits, moves in softmaxes:
            mean, variance = reference.moments_of_step(logits, moves)
            grown = reference.growth(logits, moves) if i in far else mean + variance / 2
            value += sum(t) * grown - sum(a * b for a, b in zip(t, moves, strict=True))
    penalty = sum((c + s) ** 2 - c**2 for c, s in zip(coef.flat, coef_step.flat, strict=True))
    return value / problem.total + problem.penalty.ridge / 2 * penalty


def random_reduced(model, rng, size=1.0):
    """A displacement of the size of a few of Newton's."""
    shape = model.gradient.shape
    return size * (model.curvature.factors.transpose(0, 2, 1) @ rng.standard_normal((*shape, 1)))[..., 0]


@pytest.mark.parametrize("at", [EVERY, NONE, SOME], ids=["every row", "no row", "some rows"])
@pytest.mark.parametrize(
    "how", [{}, {"fit_intercept": False}, {"C": np.inf}, {"is_decorrelated": True}], ids=lambda how: str(how)
)
def test_it_is_f_of_the_far_rows_and_quadratic_of_the_others(at, how, targets, X, rng):
    model = model_of(X, targets, rng, at, **how)
    assert model(np.zeros_like(model.gradient))[0] == 0
    for size in (0.1, 1.0, 5.0):
        reduced = random_reduced(model, rng, size)
        expected = value_by_loops(model, model.curvature.displacement(reduced), at)
        assert model(reduced)[0] == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_with_every_row_far_it_is_the_objective(fit_intercept, targets, X, rng):
    model = model_of(X, targets, rng, EVERY, C=0.1, fit_intercept=fit_intercept)
    objective, point = LinearObjective(model.far.problem), model.point
    for size in (0.1, 1.0, 10.0):
        reduced = random_reduced(model, rng, size)
        values, gradient = objective(point.params + model.curvature.displacement(reduced))
        value, reduced_gradient = model(reduced)
        assert value == pytest.approx(values.sum() - point.value, rel=1e-11, abs=1e-13)
        expected = model.curvature.reduced_gradient(gradient)
        np.testing.assert_allclose(reduced_gradient, expected, atol=1e-12 * np.abs(expected).max(), rtol=1e-9)


@pytest.mark.parametrize("at", [EVERY, NONE, SOME], ids=["every row", "no row", "some rows"])
def test_its_gradient_and_hessian_are_its_differences(at, targets, X, rng):
    model = model_of(X, targets, rng, at)
    reduced = random_reduced(model, rng)
    shape = reduced.shape
    actual = model(reduced)[1]
    expected = gradient_by_differences(lambda flat: model(flat.reshape(shape))[0], reduced.reshape(-1))
    np.testing.assert_allclose(actual.reshape(-1), expected, atol=1e-8 * np.abs(expected).max())
    for f, factor in enumerate(model.inverse_factors(reduced)):
        hessian = np.stack(
            [
                gradient_by_differences(
                    lambda part, f=f, i=i: model(np.stack([*reduced[:f], part, *reduced[f + 1 :]]))[1][f, i], reduced[f]
                )
                for i in range(shape[1])
            ]
        )
        np.testing.assert_allclose(factor @ hessian @ factor.T, np.eye(shape[1]), atol=1e-6)


@pytest.mark.parametrize("at", [EVERY, SOME], ids=["every row", "some rows"])
def test_it_is_convex(at, targets, X, rng):
    model = model_of(X, targets, rng, at)
    for size in (0.1, 1.0, 10.0, 100.0):
        start, end = random_reduced(model, rng, size), random_reduced(model, rng, size)
        first, *inner, last = (model(start + share * (end - start))[0] for share in np.linspace(0, 1, 9))
        rounding = 1e-12 * (abs(first) + abs(last) + 1)
        for share, value in zip(np.linspace(0, 1, 9)[1:-1], inner, strict=True):
            assert value <= (1 - share) * first + share * last + rounding


def model_of_an_outlier(kind, n_classes, rng):
    """A point that is sure of one row a thousand times larger than the others, which a step of Newton's moves far."""
    X = rng.standard_normal((N, D))
    X[0] = [1000.0, 0, 0]
    codes = np.arange(N) % n_classes
    codes[0] = n_classes - 1
    targets = targets_of(kind, HardLabels(codes, n_classes), np.ones(N), np.ones(n_classes), 0.0)
    problem = problem_of_rows(RowBlocks(X, targets), CrossEntropy(), C=1.0)
    objective, standardisation = LinearObjective(problem), Standardisation.of(problem)
    params = np.zeros(problem.shape)
    params[0, -1] = 0.5
    params = params.reshape(-1)
    curvature = ExactCurvature(objective, params, standardisation)
    point = Point(params, *objective(params))
    slope = curvature.pull_back(point.gradient)
    far = far_rows(problem, params, [-curvature.to_params(slope)], 1e-3 * curvature.decrements(slope).sum())
    return Model(curvature, point, far)


@pytest.mark.parametrize(("kind", "n_classes"), [(Softmax, 3), (Softmax, 5), (Binary, 2), (OneVsAll, 3)])
def test_the_minimum_of_a_model_with_a_saturated_outlier_is_found(kind, n_classes, rng):
    model = model_of_an_outlier(kind, n_classes, rng)
    assert 1000 in model.far.block.X
    step, promised = minimiser_of(model)
    basis = np.eye(model.gradient.size).reshape(-1, *model.gradient.shape)
    to_step = np.stack([model.curvature.displacement(reduced) for reduced in basis], axis=1)
    reduced = np.linalg.lstsq(to_step, step, rcond=None)[0].reshape(model.gradient.shape)
    value, gradient = model(reduced)
    assert 0 < promised == pytest.approx(-value, rel=1e-9)
    slope = model.inverse_factors(reduced) @ gradient[..., None]
    assert (slope**2).sum() / 2 <= 1e-4 * promised
    objective, point = LinearObjective(model.far.problem), model.point
    gain = point.value - objective(point.params + step)[0].sum()
    assert 0.2 * promised < gain < 5 * promised


def test_it_is_scipys_l_bfgs_b_that_minimises_it(rng, monkeypatch):
    calls = []
    minimize = lbfgs.minimize

    def recording(*args, **kwargs):
        calls.append(kwargs)
        return minimize(*args, **kwargs)

    monkeypatch.setattr(lbfgs, "minimize", recording)
    minimiser_of(model_of_an_outlier(Softmax, 3, rng))
    assert calls
    for kwargs in calls:
        assert kwargs["method"] == "L-BFGS-B"
        assert callable(kwargs["jac"])
