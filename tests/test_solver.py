"""The solver on functions whose minimum is known: where it ends, and why."""

from functools import partial

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skce import _solver
from skce._objective import LinearObjective
from skce._solver import lbfgs, warn_unless_converged
from skce._targets import HardLabels, SoftmaxTargets
from skce.losses import GeneralizedCrossEntropy


def quadratic(params, scales, minimum, offset=0.0):
    """Value and gradient of a quadratic with the given minimum, curved by ``scales``."""
    difference = params - minimum
    return offset + (scales * difference**2).sum() / 2, scales * difference


@pytest.fixture
def problem(rng):
    scales, minimum = rng.uniform(0.1, 10, size=5), rng.standard_normal(5)
    return partial(quadratic, scales=scales, minimum=minimum), minimum


def test_finds_the_minimum(problem):
    function, minimum = problem
    solution = lbfgs(function, np.zeros(5), tol=1e-9, max_iter=100)
    assert solution.reason == "converged"
    assert solution.largest_gradient <= 1e-9
    np.testing.assert_allclose(solution.params, minimum, atol=1e-8)
    value, gradient = function(solution.params)
    assert (solution.value, solution.largest_gradient) == (value, np.abs(gradient).max())


def test_the_loss_curve_goes_from_the_start_to_the_end(problem):
    function, _ = problem
    solution = lbfgs(function, np.zeros(5), tol=1e-9, max_iter=100)
    assert solution.loss_curve[0] == function(np.zeros(5))[0]
    assert solution.loss_curve[-1] == solution.value
    assert len(solution.loss_curve) == solution.n_iter + 1
    assert (np.diff(solution.loss_curve) <= 0).all()


def test_a_start_at_the_minimum_is_the_solution(problem):
    function, minimum = problem
    solution = lbfgs(function, minimum, tol=1e-9, max_iter=100)
    assert (solution.reason, solution.n_iter) == ("converged", 0)
    np.testing.assert_array_equal(solution.params, minimum)


def test_nothing_to_minimise_is_solved():
    solution = lbfgs(lambda params: (0.5, params), np.zeros(0), tol=1e-9, max_iter=100)
    assert (solution.reason, solution.n_iter, solution.value) == ("converged", 0, 0.5)


@pytest.mark.parametrize("max_iter", [1, 2, 3])
def test_max_iter_bounds_the_iterations(max_iter, problem):
    solution = lbfgs(problem[0], np.zeros(5), tol=0.0, max_iter=max_iter)
    assert (solution.reason, solution.n_iter) == ("max_iter", max_iter)


def test_asking_for_more_than_float64_holds_ends_in_precision_and_quietly(problem):
    function, minimum = problem
    solution = lbfgs(partial(function, offset=1e3), np.full(5, 3.0), tol=0.0, max_iter=10_000)
    assert solution.reason == "precision"
    np.testing.assert_allclose(solution.params, minimum, atol=1e-5)
    warn_unless_converged(solution, tol=0.0)


def test_where_scipy_gives_up_too_early_a_fresh_start_goes_on(monkeypatch, problem):
    function, minimum = problem
    calls = []

    def giving_up(*args, options, **kwargs):
        calls.append(options["maxiter"])
        return real(*args, options={**options, "maxiter": 5}, **kwargs)

    real = _solver.minimize
    monkeypatch.setattr(_solver, "minimize", giving_up)
    solution = lbfgs(function, np.zeros(5), tol=1e-9, max_iter=1000)
    assert solution.reason == "converged"
    np.testing.assert_allclose(solution.params, minimum, atol=1e-8)
    assert calls[:3] == [1000, 995, 990]


def test_where_the_line_search_fails_the_value_is_that_of_the_point_returned(rng):
    # Bounded losses on columns of wildly different units: scipy reports the value of its last trial step.
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X, y = rng.standard_normal((60, 6)) * 10.0 ** np.linspace(-20, 20, 6), rng.integers(0, 3, size=60)
        targets = SoftmaxTargets(HardLabels(y, 3), np.ones(60), np.ones(3), 0.0)
        objective = LinearObjective(X, targets, GeneralizedCrossEntropy(0.7), C=1.0, fit_intercept=True)
        with np.errstate(all="ignore"):
            solution = lbfgs(objective, np.zeros(21), tol=1e-9, max_iter=200)
        assert solution.value == objective(solution.params)[0] == solution.loss_curve[-1]
        assert solution.value <= solution.loss_curve[0]


@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
@pytest.mark.parametrize("scale", [1e120, 1e200])
def test_numbers_that_overflow_stall_at_the_best_point_known(scale):
    def steep(params):
        return np.log1p(np.exp(-scale * params[0])) + np.exp(scale * params[0]) + params[1] ** 2, np.array(
            [scale / 2, 2 * params[1]]
        )

    start = np.array([0.0, 1.0])
    solution = lbfgs(steep, start, tol=1e-9, max_iter=100)
    assert solution.reason == "stalled"
    assert solution.value <= steep(start)[0]
    assert np.isfinite(solution.params).all()
    with pytest.warns(ConvergenceWarning, match="stalled after .* Scale the features"):
        warn_unless_converged(solution, tol=1e-9)


def test_a_warning_says_how_far_it_got(problem):
    solution = lbfgs(problem[0], np.zeros(5), tol=1e-9, max_iter=2)
    with pytest.warns(ConvergenceWarning) as caught:
        warn_unless_converged(solution, tol=1e-9)
    (message,) = [str(warning.message) for warning in caught]
    for figure in (
        "max_iter=2",
        f"gradient is {solution.largest_gradient:.1e}",
        "tol=1.0e-09",
        f"loss is {solution.value:.6g}",
        f"lowered it by {solution.loss_curve[1] - solution.loss_curve[2]:.1e}",
    ):
        assert figure in message
