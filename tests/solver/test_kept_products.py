"""Products of columns that are kept serve other penalties, of which columns have another scale."""

import numpy as np

from skce import SoftmaxRegressor
from skce._solver.second_derivative import exact_curvature
from skce._solver.spreads import KeptProducts, Spreads
from skce.estimators.training_set import TrainingSet


def closed_forms(X, y, Cs, kept):
    """Spreads of all rows as they are, and by products that are ``kept``, for each C."""
    for C in Cs:
        with TrainingSet.read(SoftmaxRegressor(C=C), X, y, None).problem() as problem:
            curvature = exact_curvature(problem, np.zeros(int(np.prod(problem.shape))))
            block = problem.rows.block(slice(0, len(X)))
            standardisation = curvature.standardisation
            columns = standardisation.columns_of(block.X)
            spreads = Spreads.of(curvature, curvature.factors, kept)
            assert spreads.quadratic is not None
            yield spreads(columns), spreads.of_block(block.X, standardisation, columns)


def test_of_other_penalties_are_the_same():
    rng = np.random.default_rng(0)
    X, y, kept = rng.standard_normal((40, 3)) * [1, 10, 0.1] + 5, rng.integers(0, 3, 40), KeptProducts()
    for direct, by_kept in closed_forms(X, y, [0.01, 1.0, 100.0], kept):
        np.testing.assert_allclose(by_kept, direct, rtol=1e-9, atol=1e-12)


def test_too_many_are_not_made(monkeypatch):
    monkeypatch.setattr("skce._solver.spreads.NUMBERS_OF_PRODUCTS", 10)
    rng = np.random.default_rng(0)
    X, y, kept = rng.standard_normal((40, 3)), rng.integers(0, 3, 40), KeptProducts()
    for direct, by_kept in closed_forms(X, y, [1.0], kept):
        np.testing.assert_array_equal(by_kept, direct)
