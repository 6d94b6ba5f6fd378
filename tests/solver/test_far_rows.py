"""Far rows: which they are, by loops, in memory and on Dask alike."""

import dask.array as da
import numpy as np
import pytest
import scipy.sparse

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce._rows import blocks
from skce._solver.far_rows import FAR, MOST_FAR, far_rows
from skce._solver.objective import LinearObjective
from skce.estimators.training_set import TrainingSet
from tests import reference
from tests.differences import gradient_by_differences

N, D = 200, 3


@pytest.fixture(params=[(SoftmaxRegressor, 3), (SoftmaxRegressor, 2), (OneVsAllClassifier, 3)])
def kind(request):
    return request.param


@pytest.fixture
def data(kind, rng):
    """Features, some of them outliers, and labels; weights of which some are zero."""
    X = rng.standard_normal((N, D))
    X[::9] *= rng.uniform(5, 20, size=(len(X[::9]), 1))
    return X, np.arange(N) % kind[1], rng.uniform(0.1, 3, size=N) * (np.arange(N) % 11 > 0)


def problem_of(kind, X, y, weight, fit_intercept=True):
    """A context of the problem that an estimator poses."""
    estimator = kind[0](C=10.0, label_smoothing=0.1, fit_intercept=fit_intercept)
    return TrainingSet.read(estimator, X, y, weight).problem()


def point_and_steps(problem):
    """Parameters, and two steps."""
    rng = np.random.default_rng(1)
    params, *steps = 0.4 * rng.standard_normal((3, problem.shape[0] * problem.shape[1]))
    return params, steps


def departures_and_ranges(problem, X, params, steps):
    """The most that the loss of each row departs from its quadratic, and its logits change by, of some steps."""
    (coef, intercept), T = problem.split(params), problem.rows.targets.block(slice(0, N))
    departures, ranges = [], []
    for i, x in enumerate(X):
        of_steps = []
        for step in steps:
            coef_step, intercept_step = problem.split(step)
            departure, largest = 0.0, 0.0
            for t, z, s in reference.softmaxes_of_row(T[..., i], x @ coef + intercept, x @ coef_step + intercept_step):
                mean, variance = reference.moments_of_step(z, s)
                departure += sum(t) * abs(reference.growth(z, s) - mean - variance / 2)
                largest = max(largest, max(s) - min(s))
            of_steps.append((departure, largest))
        departures.append(max(departure for departure, _ in of_steps))
        ranges.append(max(largest for _, largest in of_steps))
    return np.array(departures), np.array(ranges)


def indices_of(far, X):
    """The indices of far rows, by their features."""
    return [int(np.flatnonzero((row == X).all(axis=1))[0]) for row in far.block.X]


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_steps", [1, 2])
def test_they_are_those_that_move_and_depart(fit_intercept, n_steps, kind, data, monkeypatch):
    monkeypatch.setattr("skce._solver.far_rows.MOST_FAR", 1.0)
    with problem_of(kind, *data, fit_intercept) as problem:
        params, steps = point_and_steps(problem)
        steps, X = steps[:n_steps], data[0]
        departures, ranges = departures_and_ranges(problem, X, params, steps)
        moved = departures[ranges > FAR]
        none = []
        for least in (0.0, *np.quantile(moved, [0.3, 0.8]), 2 * moved.max()):
            far = far_rows(problem, params, steps, least * N / problem.total)
            expected = np.flatnonzero((departures > least) & (ranges > FAR))
            assert indices_of(far, X) == expected.tolist()
            assert len(far) == len(expected)
            assert far.largest_range == pytest.approx(ranges.max(), rel=1e-12)
            np.testing.assert_array_equal(far.block.targets.block(None), problem.rows.targets.block(expected))
            none.append(not far)
        assert none == [False, False, False, True]


@pytest.mark.parametrize("rows_per_block", [N, 60])
def test_of_too_many_those_that_depart_most_in_their_block(rows_per_block, kind, data, monkeypatch):
    monkeypatch.setattr(blocks, "ROWS_PER_BLOCK", rows_per_block)
    monkeypatch.setattr(blocks, "BYTES_TO_ADD", 0)
    monkeypatch.setattr(blocks, "ELEMENTS_PER_BLOCK", 1)
    with problem_of(kind, *data) as problem:
        params, steps = point_and_steps(problem)
        departures, ranges = departures_and_ranges(problem, data[0], params, steps)
        far = far_rows(problem, params, steps, 0.0)
        departures[ranges <= FAR] = 0
        expected = []
        for start in range(0, N, rows_per_block):
            of_block = departures[start : start + rows_per_block]
            expected += sorted(start + np.argsort(-of_block)[: int(MOST_FAR * len(of_block))])
        assert (departures > 0).sum() > len(expected)
        assert indices_of(far, data[0]) == expected
        assert len(far) <= MOST_FAR * N


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_their_values_and_gradient_are_their_part_of_the_loss(fit_intercept, kind, data):
    with problem_of(kind, *data, fit_intercept) as problem:
        params, steps = point_and_steps(problem)
        far = far_rows(problem, params, steps, 0.0)
        coef, intercept = problem.split(params)
        value = 0.0
        for x, i in zip(far.block.X, indices_of(far, data[0]), strict=True):
            logits, T = x @ coef + intercept, problem.rows.targets.block(slice(i, i + 1))[..., 0]
            for t, z, _ in reference.softmaxes_of_row(T, logits, logits):
                value += sum(a * (reference.log_sum_exp(z) - b) for a, b in zip(t, z, strict=True))
        actual, gradient = far.value_gradient(params)
        assert actual == pytest.approx(value / problem.total, rel=1e-12)
        differences = gradient_by_differences(lambda params: far.value_gradient(params)[0], params)
        np.testing.assert_allclose(gradient, differences, atol=1e-7)
        assert 0 < actual < LinearObjective(problem)(params)[0].sum()


@pytest.mark.parametrize(
    "container",
    [
        scipy.sparse.csr_array,
        scipy.sparse.csr_matrix,
        lambda X: da.from_array(X, chunks=X.shape).persist(scheduler="synchronous"),
        lambda X: da.from_array(X, chunks=(70, D)).persist(scheduler="synchronous"),
    ],
    ids=["csr_array", "csr_matrix", "one part", "three parts"],
)
def test_where_the_rows_are_does_not_matter(container, kind, data, monkeypatch):
    X, y, weight = data
    # Each part has its share of the far rows: the largest share lets them all pass.
    n_parts = getattr(container(X), "npartitions", 1)
    monkeypatch.setattr("skce._solver.far_rows.MOST_FAR", MOST_FAR if n_parts == 1 else 1.0)
    if hasattr(container(X), "dask"):
        y_there, weight_there = (da.from_array(a, chunks=container(X).chunks[0]) for a in (y, weight))
    else:
        y_there, weight_there = y, weight
    with (
        problem_of(kind, X, y, weight) as problem,
        problem_of(kind, container(X), y_there, weight_there) as there,
    ):
        params, steps = point_and_steps(problem)
        for least in (0.0, 0.01):
            expected, actual = far_rows(problem, params, steps, least), far_rows(there, params, steps, least)
            assert 0 < len(actual) == len(expected)
            np.testing.assert_array_equal(actual.block.X, expected.block.X)
            np.testing.assert_allclose(actual.block.targets.block(None), expected.block.targets.block(None), rtol=1e-14)
            assert actual.largest_range == pytest.approx(expected.largest_range, rel=1e-12)
            for ours, theirs in zip(actual.value_gradient(params), expected.value_gradient(params), strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-14)
