"""Curvatures: changes of variables and nothing else, in which the objective curves about alike in all directions."""

import numpy as np
import pytest
import scipy.sparse

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce._labels.kinds_of_y import HardLabels
from skce._links.binary import Binary
from skce._links.one_vs_all import OneVsAll
from skce._links.softmax import Softmax
from skce._rows.blocks import RowBlocks
from skce._solver import minimisation
from skce._solver.curvature import common_columns, diagonal, directions, exact, kronecker, weighted_diagonal
from skce._solver.curvature.common_columns import CommonColumnsCurvature
from skce._solver.curvature.diagonal import DiagonalCurvature
from skce._solver.curvature.directions import ManyClasses, intercept_step
from skce._solver.curvature.exact import ExactCurvature, hessian_sums
from skce._solver.curvature.factorisation import inverse_factor
from skce._solver.curvature.kronecker import LONGEST_STEP, KroneckerCurvature, RowSpaceCurvature
from skce._solver.curvature.ladder import Rung
from skce._solver.curvature.weighted_diagonal import WeightedDiagonalCurvature, equal_share
from skce._solver.descent import Point
from skce._solver.objective import LinearObjective
from skce._solver.standardisation import Standardisation
from skce.losses import CrossEntropy, FocalLoss
from tests.differences import gradient_by_differences
from tests.problems import TIGHT, overlapping, problem_of_rows, targets_of

CURVATURES = [
    ExactCurvature,
    KroneckerCurvature,
    RowSpaceCurvature,
    DiagonalCurvature,
    WeightedDiagonalCurvature,
    CommonColumnsCurvature,
]
DRAWING_CURVATURES = [ExactCurvature, KroneckerCurvature, DiagonalCurvature]
N, D, K = 40, 3, 3


@pytest.fixture(params=[Softmax, Binary, OneVsAll])
def targets(request, rng):
    n_classes = 2 if request.param is Binary else K
    return targets_of(
        request.param, HardLabels(np.arange(N) % n_classes, n_classes), rng.uniform(size=N), np.ones(n_classes), 0.1
    )


@pytest.fixture
def X(rng):
    return rng.standard_normal((N, D)) @ rng.standard_normal((D, D)) * [1, 1e3, 1e-3] + [0, 5e3, 0]


def problem(X, targets, loss=None, *, C=2.0, fit_intercept=True):
    """An objective on X, and the standardisation of its columns."""
    rows = RowBlocks(X, targets)
    objective = LinearObjective(problem_of_rows(rows, loss or CrossEntropy(), C=C, fit_intercept=fit_intercept))
    return objective, Standardisation.of(objective.problem)


def random_params(objective, standardisation, rng):
    """Parameters that give logits of order 1."""
    return standardisation.to_params(0.5 * rng.standard_normal(objective.shape)).reshape(-1)


def hessian_in_coordinates(objective, curvature, params):
    """Second derivatives (p, p) by the coordinates, by differences of gradients."""
    size = len(curvature.pull_back(params))

    def gradient(coordinates):
        return curvature.pull_back(objective(params + curvature.to_params(coordinates))[1])

    return np.stack([gradient_by_differences(lambda u, i=i: gradient(u)[i], np.zeros(size)) for i in range(size)])


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("make_curvature", CURVATURES)
def test_gradients_map_by_the_transpose_of_what_maps_parameters(
    make_curvature, container, fit_intercept, targets, X, rng
):
    objective, standardisation = problem(container(X), targets, FocalLoss(1.0), fit_intercept=fit_intercept)
    curvature = make_curvature(objective, random_params(objective, standardisation, rng), standardisation)
    gradient = rng.standard_normal(objective.shape)
    if targets.link.is_shift_invariant:
        gradient -= gradient.mean(axis=1, keepdims=True)
    by_coordinates = curvature.pull_back(gradient.reshape(-1))
    coordinates = rng.standard_normal(len(by_coordinates))
    displacement = curvature.to_params(coordinates)
    assert displacement.shape == gradient.reshape(-1).shape
    assert by_coordinates @ coordinates == pytest.approx(gradient.reshape(-1) @ displacement, rel=1e-9)
    decrements = curvature.decrements(by_coordinates)
    assert len(decrements) == objective.n_problems
    assert decrements.sum() == pytest.approx(by_coordinates @ by_coordinates / 2)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [2.0, np.inf])
def test_in_exact_coordinates_the_hessian_is_the_identity(C, fit_intercept, targets, X, rng):
    objective, standardisation = problem(X, targets, C=C, fit_intercept=fit_intercept)
    params = random_params(objective, standardisation, rng)
    curvature = ExactCurvature(objective, params, standardisation)
    hessian = hessian_in_coordinates(objective, curvature, params)
    np.testing.assert_allclose(hessian, np.eye(len(hessian)), atol=1e-6)
    gradient = objective(params)[1]
    step, decrements = curvature.newton_step(gradient)
    slope = curvature.pull_back(gradient)
    np.testing.assert_allclose(step, -curvature.to_params(slope), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(decrements, curvature.decrements(slope), rtol=1e-8)


@pytest.mark.parametrize(("C", "is_decorrelated"), [(1e6, True), (np.inf, False)])
def test_columns_are_decorrelated_where_others_all_but_determine_them(C, is_decorrelated, targets, X, rng):
    objective, standardisation = problem(X, targets)
    assert ExactCurvature(objective, 0 * rng.random(objective.shape), standardisation).standardisation_of_next() is (
        standardisation
    )
    # Without a penalty nothing is left of a column that others make.
    objective, standardisation = problem(np.column_stack([X, X[:, 0] + X[:, 1]]), targets, C=C)
    curvature = ExactCurvature(objective, np.zeros(objective.shape), standardisation)
    assert (curvature.standardisation_of_next() is standardisation) != is_decorrelated


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C", [2.0, np.inf])
def test_in_decorrelated_columns_an_exact_curvature_is_the_same(C, fit_intercept, targets, X, rng):
    objective, standardisation = problem(X, targets, C=C, fit_intercept=fit_intercept)
    params = random_params(objective, standardisation, rng)
    curvature = ExactCurvature(objective, params, standardisation)
    gradient = objective(random_params(objective, standardisation, rng))[1]
    expected = curvature.to_params(curvature.pull_back(gradient))
    elsewhere = ExactCurvature(objective, random_params(objective, standardisation, rng), standardisation)
    once = elsewhere.decorrelated()
    twice = ExactCurvature(objective, params, once).decorrelated()
    for columns in (once, twice):
        decorrelated = ExactCurvature(objective, params, columns)
        np.testing.assert_allclose(
            decorrelated.to_params(decorrelated.pull_back(gradient)), expected, rtol=1e-8, atol=1e-9
        )
    # A curvature that is taken over the classes to be the identity.
    hessians = ExactCurvature(objective, params, twice).hessians
    n_columns = objective.shape[0]
    by_class = hessians.sum(axis=0)
    if not targets.link.are_separate:
        by_class = np.einsum("icjc->ij", by_class.reshape(n_columns, K - 1, n_columns, K - 1))
    np.testing.assert_allclose(by_class, np.eye(n_columns), atol=1e-9)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_an_exact_curvature_with_more_ridge_is_that_of_the_penalty_with_it(fit_intercept, targets, X, rng):
    objective, standardisation = problem(X, targets, C=2.0, fit_intercept=fit_intercept)
    stronger, _ = problem(X, targets, C=0.5, fit_intercept=fit_intercept)
    more = stronger.problem.penalty.ridge - objective.problem.penalty.ridge
    params = random_params(objective, standardisation, rng)
    columns = ExactCurvature(objective, params, standardisation).decorrelated()
    for of_columns in (standardisation, columns):
        weaker = ExactCurvature(objective, params, of_columns)
        before, expected = weaker.hessians.copy(), ExactCurvature(stronger, params, of_columns).hessians
        np.testing.assert_allclose(weaker.with_more_ridge(more).hessians, expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(weaker.hessians, before)
        gradient = objective(params)[1]
        step, _ = weaker.with_more_ridge(more).newton_step(gradient)
        assert not np.allclose(step, weaker.newton_step(gradient)[0])


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_reduced_gradients_map_by_the_transpose_of_displacements(fit_intercept, targets, X, rng):
    objective, standardisation = problem(X, targets, fit_intercept=fit_intercept)
    params = random_params(objective, standardisation, rng)
    standardised = ExactCurvature(objective, params, standardisation)
    for curvature in (standardised, ExactCurvature(objective, params, standardised.decorrelated())):
        gradient = objective(params)[1]
        by_reduced = curvature.reduced_gradient(gradient)
        reduced = rng.standard_normal(by_reduced.shape)
        assert (by_reduced * reduced).sum() == pytest.approx(gradient @ curvature.displacement(reduced), rel=1e-9)
        # The Hessians are by the same.
        length = 1e-4
        step = curvature.displacement(reduced)
        change = objective(params + length * step)[1] - objective(params - length * step)[1]
        expected = (curvature.hessians @ reduced[..., None])[..., 0]
        np.testing.assert_allclose(curvature.reduced_gradient(change) / (2 * length), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_one_sweep_gives_the_objective_and_its_curvature(container, targets, X, rng, monkeypatch):
    monkeypatch.setattr("skce._rows.blocks.ROWS_PER_BLOCK", 7)
    monkeypatch.setattr("skce._rows.blocks.BYTES_TO_ADD", 0)
    monkeypatch.setattr("skce._rows.blocks.ELEMENTS_PER_BLOCK", 1)
    objective, standardisation = problem(container(X), targets)
    params = random_params(objective, standardisation, rng)
    expected_values, expected_gradient = objective(params)
    expected = ExactCurvature(objective, params, standardisation)
    values, gradient, sums = objective.with_curvature_sums(params, *hessian_sums(objective.problem, standardisation))
    actual = ExactCurvature(objective, params, standardisation, sums)
    assert (actual.sweeps, expected.sweeps) == (0, 1)
    for ours, theirs in (
        (values, expected_values),
        (gradient, expected_gradient),
        (actual.hessians, expected.hessians),
        (actual.by_class, expected.by_class),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-14, atol=1e-14 * np.abs(theirs).max())


@pytest.mark.parametrize("make_curvature", [KroneckerCurvature, RowSpaceCurvature])
@pytest.mark.parametrize("C", [0.02, 2.0, np.inf])
def test_without_coefficients_kronecker_is_exact(make_curvature, C, targets, X, rng):
    objective, standardisation = problem(X, targets, C=C)
    params = np.zeros(objective.shape)
    params[-1] = 0.3 * rng.standard_normal(objective.shape[1])
    curvature = make_curvature(objective, params.reshape(-1), standardisation)
    hessian = hessian_in_coordinates(objective, curvature, params.reshape(-1))
    np.testing.assert_allclose(hessian, np.eye(len(hessian)), atol=1e-6)


@pytest.mark.parametrize("make_curvature", [KroneckerCurvature, RowSpaceCurvature])
def test_kronecker_takes_the_moment_of_columns_as_the_rows_curve(make_curvature, rng):
    # One logit: the product is exact but for what the columns have to do with the intercept, which centring mends.
    X = rng.standard_normal((N, 1)) + 2
    targets = targets_of(Binary, HardLabels(np.arange(N) % 2, 2), rng.uniform(size=N), np.ones(2), 0.0)
    objective, standardisation = problem(X, targets, C=np.inf)
    params = np.array([1.5, -1.0])
    hessian = hessian_in_coordinates(objective, make_curvature(objective, params, standardisation), params)
    np.testing.assert_allclose(hessian, np.eye(2), atol=1e-6)


def test_kronecker_centres_each_class_where_its_rows_curve(X, rng):
    targets = targets_of(OneVsAll, HardLabels(np.arange(N) % K, K), rng.uniform(size=N), np.ones(K), 0.0)
    objective, standardisation = problem(X, targets)
    params = random_params(objective, standardisation, rng)
    hessian = hessian_in_coordinates(objective, KroneckerCurvature(objective, params, standardisation), params)
    of_intercepts = hessian.reshape(2 * (D + 1, K))[-1]
    expected = np.zeros_like(of_intercepts)
    expected[np.arange(K), -1, np.arange(K)] = 1  # nothing to do with the coefficients
    np.testing.assert_allclose(of_intercepts, expected, atol=1e-6)


class TestManyClasses:
    @pytest.fixture(autouse=True)
    def _few_are_many(self, monkeypatch):
        monkeypatch.setattr(directions, "MOST_DENSE_CLASSES", K - 1)

    @pytest.fixture
    def softmax(self, rng):
        return targets_of(Softmax, HardLabels(np.arange(N) % K, K), rng.uniform(size=N), np.ones(K), 0.1)

    @pytest.mark.parametrize("make_curvature", [KroneckerCurvature, RowSpaceCurvature, DiagonalCurvature])
    @pytest.mark.parametrize("fit_intercept", [True, False])
    def test_their_coordinates_are_a_change_of_variables(self, make_curvature, fit_intercept, softmax, X, rng):
        objective, standardisation = problem(X, softmax, fit_intercept=fit_intercept)
        curvature = make_curvature(objective, random_params(objective, standardisation, rng), standardisation)
        assert isinstance(curvature.classes, ManyClasses)
        assert curvature.by_class.shape == (K,)
        gradient = rng.standard_normal(objective.shape)
        gradient -= gradient.mean(axis=1, keepdims=True)
        by_coordinates = curvature.pull_back(gradient.reshape(-1))
        coordinates = rng.standard_normal(len(by_coordinates))
        displacement = curvature.to_params(coordinates)
        assert by_coordinates @ coordinates == pytest.approx(gradient.reshape(-1) @ displacement, rel=1e-9)
        np.testing.assert_allclose(
            displacement.reshape(objective.shape).mean(axis=1) / np.abs(displacement).max(), 0, atol=1e-12
        )

    def test_the_curvature_by_class_is_the_diagonal_of_the_sum(self, softmax, X, rng, monkeypatch):
        objective, standardisation = problem(X, softmax)
        params = random_params(objective, standardisation, rng)
        diagonal_alone = KroneckerCurvature(objective, params, standardisation).by_class
        monkeypatch.setattr(directions, "MOST_DENSE_CLASSES", K)
        np.testing.assert_allclose(
            diagonal_alone, np.diag(KroneckerCurvature(objective, params, standardisation).by_class), rtol=1e-12
        )

    @pytest.mark.parametrize("length", [1e-3, 1e3])
    def test_steps_of_a_class_are_no_longer_than_its_curvature_holds(self, length, softmax, X, rng):
        objective, standardisation = problem(X, softmax, C=np.inf)
        params = random_params(objective, standardisation, rng)
        gradient = length * objective(params)[1]
        rung = Rung(KroneckerCurvature, 1.0, 10)
        careful = rung.curvature_at(objective, Point(params, np.zeros(1), gradient), standardisation)
        careless = KroneckerCurvature(objective, params, standardisation)
        step = (careless.scale.reshape(-1) * careless.pull_back(gradient)).reshape(objective.shape)
        expected = step / np.maximum(np.linalg.norm(step, axis=0) / LONGEST_STEP, 1)
        actual = (careful.scale.reshape(-1) * careful.pull_back(gradient)).reshape(objective.shape)
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize("C", [0.1, 10.0])
    def test_they_come_to_the_same_optimum(self, C, rng, monkeypatch):
        X, y = overlapping(rng, n_samples=150, n_classes=5)
        monkeypatch.setattr(minimisation, "rungs_for", lambda objective: [Rung(KroneckerCurvature, 1.0, 10)])
        model = SoftmaxRegressor(C=C, **TIGHT).fit(X, y)
        monkeypatch.setattr(directions, "MOST_DENSE_CLASSES", 5)
        np.testing.assert_allclose(model.coef_, SoftmaxRegressor(C=C, **TIGHT).fit(X, y).coef_, atol=1e-6)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
def test_of_fewer_rows_than_columns_too(container, fit_intercept, targets, rng):
    X = rng.standard_normal((N, 60)) * 10.0 ** rng.uniform(-2, 2, size=60)
    objective, standardisation = problem(container(X), targets, fit_intercept=fit_intercept)
    params = np.zeros(objective.shape).reshape(-1)
    curvature = RowSpaceCurvature(objective, params, standardisation)
    displacement = curvature.to_params(rng.standard_normal(curvature.pull_back(params).shape))
    length = 1e-3 / np.abs(displacement).max()
    change = objective(params + length * displacement)[1] - objective(params - length * displacement)[1]
    by_coordinates = curvature.pull_back(change / (2 * length))
    np.testing.assert_allclose(curvature.to_params(by_coordinates), displacement, rtol=1e-4, atol=1e-6)


def test_without_coefficients_diagonal_has_the_diagonal(targets, X):
    objective, standardisation = problem(X, targets)
    params = np.zeros(objective.shape).reshape(-1)
    curvature = DiagonalCurvature(objective, params, standardisation)
    hessian = hessian_in_coordinates(objective, curvature, params)
    if targets.link.is_shift_invariant:  # what all classes share is taken from the steps
        assert (np.diag(hessian) < 1 + 1e-6).all()
        assert np.diag(hessian).min() > 0.1
    else:
        np.testing.assert_allclose(np.diag(hessian), 1, rtol=1e-6)


def test_rows_weigh_what_they_curve(rng, monkeypatch):
    monkeypatch.setattr(weighted_diagonal, "SHARE_OF_CERTAIN_ROWS", 0.0)
    far = np.full((N, D), 50.0) + rng.standard_normal((N, D))
    targets = targets_of(Binary, HardLabels(np.arange(2 * N) % 2, 2), np.ones(2 * N), np.ones(2), 0.0)
    rows = np.vstack([rng.standard_normal((N, D)), far])
    objective, standardisation = problem(scipy.sparse.csr_array(rows), targets, C=1e3)
    params = np.array([1.0, 1.0, 1.0, 0.2])
    curvature = WeightedDiagonalCurvature(objective, params, standardisation)
    p = 1 / (1 + np.exp(-(rows @ params[:-1] + params[-1])))
    weight = p * (1 - p)
    mean = np.average(rows, axis=0, weights=weight)
    np.testing.assert_allclose(curvature.mean, mean, rtol=1e-10)
    expected = np.array([np.sum(weight * (column - m) ** 2) for column, m in zip(rows.T, mean, strict=True)])
    np.testing.assert_allclose(1 / curvature.scale[:-1, 0] ** 2, (expected + 1 / 1e3) / (2 * N), rtol=1e-8)
    assert (DiagonalCurvature(objective, params, standardisation).scale[:-1] < curvature.scale[:-1] / 5).all()


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_a_certain_row_weighs_by_its_length(fit_intercept, rng):
    X = np.vstack([rng.standard_normal((N, D)), np.full((1, D), 1e4), np.zeros((1, D))])
    sample_weight = rng.uniform(0.5, 2, N + 2)
    total = sample_weight.sum()
    targets = targets_of(Binary, HardLabels(np.arange(N + 2) % 2, 2), sample_weight, np.ones(2), 0.0)
    objective, standardisation = problem(scipy.sparse.csr_array(X), targets, C=1e3, fit_intercept=fit_intercept)
    params = np.append(np.full(D, 0.3), 0.2)[: D + fit_intercept]
    curvature = WeightedDiagonalCurvature(objective, params, standardisation)
    q = 1 / (1 + np.exp(-(X @ params[:D] + 0.2 * fit_intercept)))
    own = sample_weight * q * (1 - q)
    assert own[N] == 0
    besides = np.array([w / np.linalg.norm(x) if x.any() else 0.0 for w, x in zip(sample_weight, X, strict=True)])
    besides *= weighted_diagonal.SHARE_OF_CERTAIN_ROWS * own.sum() ** 2 / total / besides.sum()
    pilot = standardisation.mean
    square = ((own + besides)[:, None] * (X - pilot) ** 2).sum(axis=0) / (own + besides).sum()
    variance = square - fit_intercept * (((own[:, None] * (X - pilot)).sum(axis=0)) / (own + besides).sum()) ** 2
    expected = (variance * own.sum() + 1 / 1e3) / total
    np.testing.assert_allclose(1 / curvature.scale[:D, 0] ** 2, expected, rtol=1e-8)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_of_one_logit_common_columns_have_their_block_of_the_hessian(fit_intercept, X, rng, monkeypatch):
    monkeypatch.setattr(weighted_diagonal, "SHARE_OF_CERTAIN_ROWS", 0.0)
    monkeypatch.setattr(common_columns, "COLUMNS", 2)
    targets = targets_of(Binary, HardLabels(np.arange(N) % 2, 2), rng.uniform(size=N), np.ones(2), 0.0)
    objective, standardisation = problem(scipy.sparse.csr_array(X), targets, fit_intercept=fit_intercept)
    params = random_params(objective, standardisation, rng)
    curvature = CommonColumnsCurvature(objective, params, standardisation)
    hessian = hessian_in_coordinates(objective, curvature, params)
    np.testing.assert_allclose(np.diag(hessian), 1, rtol=1e-8)
    common = np.append(np.sort(curvature.columns), [D] * fit_intercept).astype(int)
    assert D - 1 not in common  # that of the least spread
    np.testing.assert_allclose(hessian[np.ix_(common, common)], np.eye(len(common)), atol=1e-8)
    by_diagonal = WeightedDiagonalCurvature(objective, params, standardisation)
    assert np.abs(hessian_in_coordinates(objective, by_diagonal, params)[0, 1]) > 0.05


@pytest.mark.parametrize("n_directions", [0.5, 1.0, 3.7, 10.0, 19.99])
def test_columns_share_the_directions_that_rows_curve(n_directions, rng):
    curvatures = np.append(rng.lognormal(0, 3, size=20), np.zeros(5))
    share = equal_share(curvatures, n_directions)
    assert np.minimum(curvatures / share, 1).sum() == pytest.approx(n_directions)
    assert equal_share(curvatures, 20.0) == 0


@pytest.mark.parametrize("make_curvature", CURVATURES)
def test_steps_in_the_intercepts_are_newtons(make_curvature, targets, X, rng):
    objective, standardisation = problem(X, targets)
    params = random_params(objective, standardisation, rng)
    gradients = []
    for _ in range(6):
        gradients.append(objective(params)[1].reshape(objective.shape)[-1])
        curvature = make_curvature(objective, params, standardisation)
        assert curvature.sweeps == (2 if make_curvature is CommonColumnsCurvature else 1)
        params.reshape(objective.shape)[-1] += intercept_step(curvature, gradients[-1])
    sizes = np.abs(gradients).max(axis=1)
    assert sizes[-1] < 1e-8 < 1e-3 < sizes[0]


class TestMnistAt0To255ColumnsThatFewRowsHave:
    """Rows drawn by their weight miss columns that are zero but for a few rows, and with them what these curve."""

    @pytest.fixture
    def sparse_columns(self, rng):
        """600 rows, of which every 50th is nonzero in 8 more columns."""
        X = np.hstack([rng.standard_normal((600, 4)), np.zeros((600, 8))])
        X[7::50, 4:] = 255 * rng.uniform(size=(12, 8))
        return X

    @pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
    @pytest.mark.parametrize("link", [Softmax, OneVsAll])
    def test_their_curvature_is_that_of_all_rows(self, link, container, sparse_columns, rng, monkeypatch):
        weight = rng.uniform(size=600)
        targets = targets_of(link, HardLabels(np.arange(600) % K, K), weight, np.ones(K), 0.1)
        objective, standardisation = problem(container(sparse_columns), targets, C=1e3)
        params = random_params(objective, standardisation, rng)
        full = KroneckerCurvature(objective, params, standardisation)
        monkeypatch.setattr(kronecker, "ROWS_OF_CLASSES", 120)
        drawn = KroneckerCurvature(objective, params, standardisation)
        for column in range(4, 12):
            gradient = np.zeros(objective.shape)
            gradient[column] = [2.0, -1.0, -1.0]
            actual, expected = (c.decrements(c.pull_back(gradient.reshape(-1))).sum() for c in (drawn, full))
            assert actual == pytest.approx(expected, rel=0.5)


@pytest.mark.parametrize("make_curvature", DRAWING_CURVATURES)
def test_drawn_rows_estimate_what_all_rows_say(make_curvature, targets, X, rng, monkeypatch):
    objective, standardisation = problem(X, targets)
    params = random_params(objective, standardisation, rng)
    full = make_curvature(objective, params, standardisation)
    monkeypatch.setattr(exact, "ROWS_OF_EXACT", N - 1)
    for module in (kronecker, diagonal):
        monkeypatch.setattr(module, "ROWS_OF_CLASSES", N - 1)
    drawn = make_curvature(objective, params, standardisation)
    assert drawn.sweeps == pytest.approx((N - 1) / N)
    np.testing.assert_allclose(drawn.by_class, full.by_class, rtol=0.2, atol=1e-2)
    gradient = objective(params)[1]
    actual, expected = (c.decrements(c.pull_back(gradient)).sum() for c in (drawn, full))
    assert actual == pytest.approx(expected, rel=0.3)
    assert actual != expected


@pytest.mark.parametrize("make_curvature", CURVATURES)
@pytest.mark.parametrize("C", [1.0, np.inf])
def test_columns_without_information_are_harmless(make_curvature, C, targets, X, rng):
    odd = np.column_stack([X, np.zeros(N), np.full(N, 7.0), X[:, 0], 1e100 * X[:, 1], 1e-100 * X[:, 1]])
    objective, standardisation = problem(odd, targets, C=C)
    params = np.zeros(objective.shape).reshape(-1)
    curvature = make_curvature(objective, params, standardisation)
    by_coordinates = curvature.pull_back(objective(params)[1])
    displacement = curvature.to_params(-by_coordinates)
    assert np.isfinite(displacement).all()
    assert objective(params + 1e-2 * displacement)[0].sum() < objective(params)[0].sum()


@pytest.fixture(params=CURVATURES)
def _one_curvature(request, monkeypatch):
    """Every stage uses the same kind of curvature."""
    monkeypatch.setattr(minimisation, "rungs_for", lambda objective: [Rung(request.param, 1.0, 10)])


@pytest.mark.usefixtures("_one_curvature")
class TestEveryCurvatureReachesTheSameOptimum:
    @pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
    @pytest.mark.parametrize(
        "parameters",
        [
            {},
            {"C": np.inf},
            {"fit_intercept": False},
            {"label_smoothing": 0.1, "class_weight": "balanced"},
            {"loss": "focal", "gamma": 1.0},
        ],
        ids=repr,
    )
    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_as_the_ladder_does(self, make_estimator, parameters, n_classes, rng, monkeypatch):
        X, y = overlapping(rng, n_samples=150, n_classes=n_classes)
        X = X * [1, 1e3, 1e-3]
        model = make_estimator(**parameters, **TIGHT)
        actual = model.fit(X, y).predict_proba(X)
        monkeypatch.undo()
        np.testing.assert_allclose(actual, model.fit(X, y).predict_proba(X), atol=1e-6)

    def test_when_their_rows_are_drawn(self, rng, monkeypatch):
        X, y = overlapping(rng, n_samples=300)
        weight = rng.integers(0, 3, size=300)
        repeated = np.repeat(np.arange(300), weight)
        expected = SoftmaxRegressor(**TIGHT).fit(X[repeated], y[repeated]).predict_proba(X)
        monkeypatch.setattr(exact, "ROWS_OF_EXACT", 60)
        for module in (kronecker, diagonal):
            monkeypatch.setattr(module, "ROWS_OF_CLASSES", 60)
        model = SoftmaxRegressor(**TIGHT)
        np.testing.assert_allclose(model.fit(X, y, sample_weight=weight).predict_proba(X), expected, atol=1e-6)
        unweighted = model.fit(X, y).predict_proba(X)
        np.testing.assert_allclose(model.fit(X, y, sample_weight=np.ones(300)).predict_proba(X), unweighted, atol=1e-6)

    @pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
    @pytest.mark.parametrize("scale", [1e-100, 1e-6, 1e6, 1e100])
    @pytest.mark.parametrize("fit_intercept", [True, False])
    def test_in_any_units_without_a_penalty(self, make_estimator, scale, fit_intercept, rng):
        X, y = overlapping(rng, n_samples=200)
        model = make_estimator(C=np.inf, fit_intercept=fit_intercept, **TIGHT)
        expected = model.fit(X, y).predict_proba(X)
        scaled = X * np.array([1.0, scale, 1.0])
        np.testing.assert_allclose(model.fit(scaled, y).predict_proba(scaled), expected, atol=1e-6)

    @pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
    @pytest.mark.parametrize("C", [0.01, 1.0, np.inf])
    def test_a_million_standard_deviations_away(self, make_estimator, C, rng):
        X, y = overlapping(rng, n_samples=200)
        model = make_estimator(C=C, **TIGHT)
        expected = model.fit(X, y).predict_proba(X)
        shifted = X + np.array([0.0, 1e6 * X[:, 1].std(), 0.0])
        np.testing.assert_allclose(model.fit(shifted, y).predict_proba(shifted), expected, atol=1e-6)

    @pytest.mark.parametrize("C", [1.0, np.inf])
    def test_beside_a_constant_column(self, C, rng):
        X, y = overlapping(rng, n_samples=200)
        model = SoftmaxRegressor(C=C, **TIGHT)
        expected = model.fit(X, y).predict_proba(X)
        for constant in (0.0, 0.1, 1e6):
            widened = np.column_stack([X, np.full(len(X), constant)])
            np.testing.assert_allclose(model.fit(widened, y).predict_proba(widened), expected, atol=1e-6)

    @pytest.mark.parametrize("C", [1.0, np.inf])
    def test_with_collinear_columns(self, C, rng):
        X, y = overlapping(rng, n_samples=200)
        model = SoftmaxRegressor(C=C, **TIGHT)
        # Two equal columns halve the penalty that their common effect pays; so does one column times the root of two.
        twice, rooted = np.column_stack([X, X[:, 0]]), X * np.array([np.sqrt(2), 1.0, 1.0])
        expected = model.fit(rooted, y).predict_proba(rooted)
        np.testing.assert_allclose(model.fit(twice, y).predict_proba(twice), expected, atol=1e-6)

    def test_with_more_columns_than_rows(self, rng):
        X, y = rng.standard_normal((30, 50)), np.arange(30) % 3
        model = SoftmaxRegressor(C=0.1, **TIGHT)
        dense, sparse = model.fit(X, y).predict_proba(X), model.fit(scipy.sparse.csr_array(X), y).predict_proba(X)
        np.testing.assert_allclose(sparse, dense, atol=1e-6)
        gram = X @ X.T
        eigenvalues, vectors = np.linalg.eigh(gram)
        reduced = vectors * np.sqrt(np.maximum(eigenvalues, 0))
        np.testing.assert_allclose(model.fit(reduced, y).predict_proba(reduced), dense, atol=1e-6)


class TestInverseFactors:
    """Of Hessians that need not be regular."""

    def solutions(self, hessians, right):
        factors = [inverse_factor(hessian) for hessian in hessians]
        return [factor.T @ (factor @ vector) for factor, vector in zip(factors, right, strict=True)]

    def test_solve_with_regular_ones(self, rng):
        roots = rng.standard_normal((3, 4, 6))
        hessians, right = roots @ np.swapaxes(roots, -1, -2), rng.standard_normal((3, 4))
        solved = self.solutions(hessians, right)
        np.testing.assert_allclose(np.einsum("rpq,rq->rp", hessians, solved), right, rtol=1e-9)

    @pytest.mark.parametrize("scale", [1.0, 1e-8, 1e8])
    def test_solve_with_singular_ones_what_can_be_solved(self, scale):
        singular = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]) * scale
        right = np.array([1.0, 1.0, 0.0])
        with pytest.raises(np.linalg.LinAlgError):
            np.linalg.solve(singular, right)
        (solved,) = self.solutions([singular], [right])
        np.testing.assert_allclose(singular @ solved, right, rtol=1e-6, atol=1e-12)
