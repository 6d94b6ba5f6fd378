"""L-BFGS by the two-loop recursion: the minima of SciPy's, in about as many evaluations; and how it ends."""

import numpy as np
import pytest
from scipy.optimize import minimize, rosen, rosen_der
from scipy.special import expit

from skce._solver import two_loop


def quadratic(rng):
    factor = rng.standard_normal((40, 60))
    hessian, linear = factor @ factor.T / 60 + np.diag(np.logspace(-3, 0, 40)), rng.standard_normal(40)
    return lambda u: u @ hessian @ u / 2 - linear @ u, lambda u: hessian @ u - linear, 40


def logistic(rng):
    X = rng.standard_normal((300, 20)) * np.logspace(-0.5, 0.5, 20)
    y = np.sign(X @ rng.standard_normal(20) + rng.standard_normal(300))

    def value(u):
        return np.logaddexp(0, -y * (X @ u)).mean() + 1e-3 * u @ u

    return value, lambda u: 2e-3 * u - (y * expit(-y * (X @ u))) @ X / len(X), 20


PROBLEMS = {"Rosenbrock": lambda rng: (rosen, rosen_der, 30), "quadratic": quadratic, "logistic": logistic}


def minimised(method, value, gradient, size, tol=1e-7):
    """The minimiser, evaluations and iterations of a method, until the gradient is shorter than ``tol``."""
    seen, n_iterations = [], 0

    def value_seen(u):
        seen.append(u.copy())
        return value(u)

    def after_iteration(intermediate_result):
        nonlocal n_iterations
        n_iterations += 1
        if np.linalg.norm(gradient(seen[-1])) < tol:
            raise StopIteration

    if method == "SciPy":
        options = {"gtol": 0, "ftol": 0, "maxiter": 2000, "maxfun": 10**5, "maxls": 50, "maxcor": 10}
        minimize(value_seen, np.zeros(size), jac=gradient, method="L-BFGS-B", callback=after_iteration, options=options)
    else:
        assert not two_loop.minimised_from(np.zeros(size), value_seen, gradient, after_iteration, 10, 2000, 50)
    return seen[-1], len(seen), n_iterations


@pytest.mark.parametrize("problem", PROBLEMS)
def test_it_comes_to_the_minimum_in_as_many_evaluations_as_scipys(problem, rng):
    functions = PROBLEMS[problem](rng)
    of_scipy, n_of_scipy, _ = minimised("SciPy", *functions)
    minimiser, n_evaluations, n_iterations = minimised("two-loop", *functions)
    np.testing.assert_allclose(minimiser, of_scipy, atol=1e-4)
    assert n_evaluations <= 1.15 * n_of_scipy
    assert n_iterations < n_evaluations


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_first_steps_that_are_too_short_or_too_long_are_mended(scale, rng):
    value, gradient, size = quadratic(rng)
    minimiser, n_evaluations, _ = minimised(
        "two-loop", lambda u: scale * value(u), lambda u: scale * gradient(u), size, tol=1e-5 * scale
    )
    # Not nearer: there rounding of the value, which differs by BLAS, decides how many steps lead lower.
    assert np.linalg.norm(gradient(minimiser)) < 1e-5
    assert n_evaluations < 80


def test_steps_to_where_the_value_is_not_finite_are_shortened():
    def value(u):
        return float((-np.log(1 - u) + u**2 - 5 * u).sum()) if (u < 1).all() else np.inf

    minimiser, n_evaluations, _ = minimised("two-loop", value, lambda u: 1 / (1 - u) + 2 * u - 5, 3)
    np.testing.assert_allclose(1 / (1 - minimiser) + 2 * minimiser, 5, rtol=1e-6)
    assert n_evaluations < 30


def test_the_products_of_the_ring_are_those_of_its_vectors(rng):
    ring = two_loop.Ring(rng.standard_normal(7), 3)
    for _ in range(5):
        ring.tried(rng.standard_normal(7), rng.standard_normal(7))
        ring.accept()
    rows = [row for row in range(8) if row != ring.tried_row]
    expected = (ring.vectors @ ring.vectors.T)[np.ix_(rows, rows)]
    np.testing.assert_allclose(ring.products[np.ix_(rows, rows)], expected, rtol=1e-12, atol=1e-12)


def test_directions_are_those_of_the_inverse_that_bfgs_updates(rng):
    factor = rng.standard_normal((6, 9))
    hessian, ring = factor @ factor.T, two_loop.Ring(rng.standard_normal(6), 3)
    pairs = []
    for _ in range(5):
        step = rng.standard_normal(6)
        ring.tried(step, ring.vectors[ring.now] + hessian @ step)
        ring.accept()
        pairs.append((step, hessian @ step))
    step, change = pairs[-1]
    inverse = np.eye(6) * (step @ change) / (change @ change)
    for step, change in pairs[-3:]:
        projection = np.eye(6) - np.outer(step, change) / (step @ change)
        inverse = projection @ inverse @ projection.T + np.outer(step, step) / (step @ change)
    direction, slope = ring.direction()
    gradient = ring.vectors[ring.now]
    np.testing.assert_allclose(direction, -inverse @ gradient, rtol=1e-9)
    assert slope == pytest.approx(direction @ gradient, rel=1e-9)


def test_it_is_stuck_where_nothing_is_lower():
    calls = []

    def value(u):
        calls.append(u)
        return float(np.abs(u).sum())

    assert two_loop.minimised_from(np.zeros(3), value, lambda u: np.ones(3), lambda _: None, 5, 100, 20)
    assert len(calls) == 21


def test_a_search_that_fails_begins_again_without_pairs(rng):
    value, gradient, size = quadratic(rng)
    n_evaluations = 0

    def spoilt(u):
        # For a while nothing is lower, as where rounding hides it.
        nonlocal n_evaluations
        n_evaluations += 1
        return np.inf if 5 <= n_evaluations < 8 else value(u)

    minimiser = np.zeros(size)

    def after_iteration(_):
        if np.linalg.norm(gradient(minimiser)) < 1e-7:
            raise StopIteration

    def gradient_seen(u):
        minimiser[:] = u
        return gradient(u)

    assert not two_loop.minimised_from(np.zeros(size), spoilt, gradient_seen, after_iteration, 10, 500, 3)
    assert np.linalg.norm(gradient(minimiser)) < 1e-7


def test_gradients_that_are_not_finite_are_shorter_steps(rng):
    value, gradient, size = quadratic(rng)
    n_gradients = 0

    def spoilt(u):
        nonlocal n_gradients
        n_gradients += 1
        return np.full(size, np.nan) if n_gradients == 6 else gradient(u)

    last = np.zeros(size)

    def after_iteration(_):
        if np.linalg.norm(gradient(last)) < 1e-7:
            raise StopIteration

    def value_seen(u):
        last[:] = u
        return value(u)

    assert not two_loop.minimised_from(np.zeros(size), value_seen, spoilt, after_iteration, 10, 500, 50)
    assert np.linalg.norm(gradient(last)) < 1e-7


def test_it_ends_after_so_many_iterations(rng):
    value, gradient, size = quadratic(rng)
    ended = []
    assert not two_loop.minimised_from(np.zeros(size), value, gradient, ended.append, 10, 4, 50)
    assert len(ended) == 4
