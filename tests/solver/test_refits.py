"""Refits of many rows: what they take for the Hessian without a row, against matrices that are written out."""

import numpy as np
import pytest

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce._solver.hessian_without import HessianWithout
from skce._solver.refits import FitsWithout
from skce._solver.refits_together import displacements_of, reduced_of
from skce._solver.secants import ManySecants, Secants
from skce._solver.second_derivative import exact_curvature
from skce.estimators.training_set import TrainingSet
from tests.problems import overlapping


@pytest.mark.parametrize("model", [SoftmaxRegressor(), OneVsAllClassifier()], ids=str)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_steps_and_products_are_those_of_the_hessian_without_the_row(model, n_classes):
    rng = np.random.default_rng(0)
    X, y = overlapping(rng, n_samples=30, n_classes=n_classes)
    with TrainingSet.read(model, X, y, None).problem() as problem:
        params = rng.standard_normal(int(np.prod(problem.shape)))
        curvature = exact_curvature(problem, params)
        rows = np.array([3, 0, 17])
        block = problem.rows.block(rows)
        of_rows = problem.row_loss.curvature(block.logits(*problem.split(params)), block.targets, block.at)
        entries = of_rows.entries(*curvature.classes.pairs)
        columns = curvature.standardisation.columns_of(block.X)
        without = HessianWithout.of(curvature, columns, entries, problem.total)
        moments = np.einsum("wr,pr,qr->rwpq", entries, columns, columns) / problem.total
        hessians = [curvature.hessians - curvature.assembled(of_row) for of_row in moments]
    n_columns, size = len(columns), curvature.classes.size
    at = np.array([2, 1])
    vectors = rng.standard_normal((2, n_columns, size))
    products, steps = without.products(at, vectors), without.steps(at, vectors)
    for place, row in enumerate(at):
        (hessian,) = hessians[row] if len(hessians[row]) == 1 else (np.zeros((n_columns * size,) * 2),)
        if curvature.classes.are_separate and size > 1:
            for output, of_output in enumerate(hessians[row]):
                at_output = np.arange(n_columns) * size + output
                hessian[np.ix_(at_output, at_output)] = of_output
        flat = vectors[place].reshape(-1)
        np.testing.assert_allclose(products[place].reshape(-1), hessian @ flat, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(-steps[place].reshape(-1), np.linalg.solve(hessian, flat), rtol=1e-6, atol=1e-9)


def test_secants_of_many_are_those_of_each():
    rng = np.random.default_rng(0)
    metrics = [root @ root.T for root in rng.standard_normal((3, 6, 6))]

    class Metric:
        def __init__(self, matrix):
            self.matrix = matrix

        def newton_step(self, gradient):
            return -self.matrix @ gradient, None

    many, each = ManySecants(3), [Secants(5) for _ in metrics]
    for at in ([0, 1, 2], [0, 2], [2, 1]):
        steps = rng.standard_normal((len(at), 3, 2))
        changes = steps + 0.3 * rng.standard_normal(steps.shape)
        many.add(np.array(at), steps, changes)
        for place, step, change in zip(at, steps, changes, strict=True):
            each[place].add(step.reshape(-1), change.reshape(-1))
    many.forget(np.array([1]))
    each[1].forget()
    gradients = rng.standard_normal((3, 3, 2))
    taken = many.steps(
        np.arange(3), gradients, lambda left: -np.einsum("rij,rj->ri", metrics, left.reshape(3, -1)).reshape(3, 3, 2)
    )
    for place, secants in enumerate(each):
        expected = secants.step(Metric(metrics[place]), gradients[place].reshape(-1))
        np.testing.assert_allclose(taken[place].reshape(-1), expected, rtol=1e-10)


@pytest.mark.parametrize("kind", [SoftmaxRegressor, OneVsAllClassifier])
def test_fits_at_another_ridge_lead_to_those_at_this_one(kind):
    X, y = overlapping(np.random.default_rng(0), n_samples=60, n_classes=3)
    rows = np.array([5, 40])

    def fitted_params(C, row=None):
        weight = np.ones(len(y))
        weight[[] if row is None else row] = 0
        model = kind(C=C, tol=1e-13).fit(X, y, sample_weight=weight)
        return np.vstack([model.coef_.T, model.intercept_])

    with TrainingSet.read(kind(C=1.0), X, y, None).problem() as problem:
        params = fitted_params(1.0)
        curvature = exact_curvature(problem, params.reshape(-1))
        fits = FitsWithout(problem, curvature, params.reshape(-1), 0.1)
        before, after = (np.array([fitted_params(C, row) for row in rows]) - params for C in (0.9, 1.0))
        reduced = reduced_of(problem, curvature, before.reshape(2, -1))
        led_to, shares = fits.carried(fits.together, rows, reduced, np.ones(2), 1 / 0.9)
        led_to = displacements_of(curvature, led_to).reshape(before.shape)
        _, further = fits.carried(fits.together, rows, reduced, np.ones(2), 2 / 0.9)
    moved = np.abs(after - before).max()
    assert moved > 0.01
    np.testing.assert_allclose(led_to, after, rtol=0, atol=0.2 * moved)
    assert (further > 5 * shares).all()
    assert (shares > 0).all()
