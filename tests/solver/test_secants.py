"""Secants in arrays against the two-loop recursion, a pair at a time."""

import numpy as np
import pytest

from skce._solver.secants import Secants, StackedSecants


class Diagonal:
    """A curvature that is a diagonal."""

    def __init__(self, diagonal):
        self.diagonal = diagonal

    def newton_step(self, gradient):
        return -gradient / self.diagonal, None


@pytest.mark.parametrize("n_pairs", [0, 1, 3, 9])
@pytest.mark.parametrize("more", [None, 0.5, -1.1])
def test_steps_are_those_of_the_recursion(n_pairs, more):
    rng = np.random.default_rng(n_pairs)
    size = 7
    root = rng.standard_normal((size, size))
    hessian = root @ root.T + np.eye(size)
    curvature, one_by_one, stacked = Diagonal(rng.uniform(1, 9, size)), Secants(4), StackedSecants(4)
    for number in range(n_pairs):
        step = rng.standard_normal(size) * 10.0**-number
        change = hessian @ step if number != 1 else -step  # F does not curve along the second
        one_by_one.add(step, change)
        stacked.add(step, change)
    if more is not None:
        diagonal, pairs = np.where(np.arange(size) < 5, more, 0.0), one_by_one.pairs
        stacked.have_more(diagonal)
        one_by_one.forget()
        for step, change, _ in pairs:
            one_by_one.add(step, change + diagonal * step)
    assert len(stacked) == len(one_by_one)
    gradient = rng.standard_normal(size)
    expected = one_by_one.step(curvature, gradient)
    np.testing.assert_allclose(stacked.step(curvature, gradient), expected, rtol=1e-9, atol=1e-12)
    stacked.forget()
    np.testing.assert_array_equal(stacked.step(curvature, gradient), curvature.newton_step(gradient)[0])
