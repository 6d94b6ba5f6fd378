"""The length of a first step: F is about the least there, along the step, wherever the rows are."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from skce import SoftmaxRegressor
from skce._solver.curvature.exact import ExactCurvature
from skce._solver.descent import Descent
from skce._solver.length import LENGTHS, begins_at_zero, first_length
from skce._solver.objective import LinearObjective
from skce._solver.standardisation import Standardisation
from skce._solver.training import _cold
from skce.estimators.training_set import TrainingSet

# (rows, classes, scale of the scores, rows of each class that are kept)
KINDS = [(300, 2, 1.0, 1.0), (300, 2, 5.0, 1.0), (2000, 2, 2.0, 0.02), (300, 4, 3.0, 1.0), (20_000, 2, 2.0, 1.0)]


def sample(rng, n_rows, n_classes, scale, share):
    """Gaussian X, labels drawn from a softmax of scores of this scale, and rows of which the second class is rare."""
    X = rng.standard_normal((n_rows, 5))
    scores = X @ rng.standard_normal((5, n_classes)) * scale / np.sqrt(5)
    y = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    is_kept = (y != 1) | (rng.random(n_rows) < share)
    return X[is_kept], y[is_kept], rng.uniform(0.5, 2.0, is_kept.sum())


def first_step(objective):
    """The Descent at zero and Newton's step from there."""
    problem = objective.problem
    descent = Descent.from_best_of([_cold(problem)], objective)
    curvature = ExactCurvature(objective, descent.best.params, Standardisation.of(problem))
    return descent, curvature.newton_step(descent.best.gradient)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_f_is_about_the_least_along_the_step(kind, rng):
    X, y, weight = sample(rng, *kind)
    with TrainingSet.read(SoftmaxRegressor(), X, y, weight).problem() as problem:
        objective = LinearObjective(problem)
        descent, step = first_step(objective)
        length, n_passes = first_length(descent, step), descent.n_passes

        def value(length):
            return float(objective(descent.best.params + length * step)[0].sum())

        least = minimize_scalar(value, bounds=(0, LENGTHS[-1]), method="bounded", options={"xatol": 1e-6}).fun
        assert value(length) - least <= 0.01 * (value(0) - least)
        # Of many rows a sample tells.
        assert n_passes == 2 if len(X) < 8192 else n_passes < 1.2


def test_on_dask_it_is_the_same(rng):
    da = pytest.importorskip("dask.array")
    for kind in KINDS[2:]:
        X, y, weight = sample(rng, *kind)
        lazy = da.from_array(X, chunks=(700, 5)).persist(scheduler="synchronous")
        lengths = []
        for rows in (X, lazy):
            with TrainingSet.read(SoftmaxRegressor(), rows, y, weight).problem() as problem:
                lengths.append(first_length(*first_step(LinearObjective(problem))))
        assert lengths[0] == pytest.approx(lengths[1], rel=1e-9)


def test_a_step_up_is_taken_as_it_is(rng):
    X, y, weight = sample(rng, *KINDS[0])
    with TrainingSet.read(SoftmaxRegressor(), X, y, weight).problem() as problem:
        descent, step = first_step(LinearObjective(problem))
        assert begins_at_zero(descent)
        assert first_length(descent, -step) == 1.0
        assert first_length(descent, np.zeros_like(step)) == 1.0
        descent.evaluated(descent.best.params + step)
        assert not begins_at_zero(descent)


def test_where_all_rows_are_certain_at_two_lengths_the_step_ends_before():
    X, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
    with TrainingSet.read(SoftmaxRegressor(C=np.inf), X, y, None).problem() as problem:
        descent, _ = first_step(LinearObjective(problem))
        assert first_length(descent, np.array([740.0, 0.0])) == LENGTHS[0]  # e^-740 is not 0, and e^-1110 is
