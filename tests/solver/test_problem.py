"""The problem: how its rows are multiplied."""

import numpy as np
import pytest

from skce._labels.kinds_of_y import HardLabels
from skce._links.binary import Binary
from skce._rows.blocks import RowBlocks
from skce._solver.problem import Problem
from skce.losses import CrossEntropy
from skce.penalties import Ridge
from tests.problems import targets_of


@pytest.mark.parametrize(("constant", "ridge", "is_shifted"), [(1.0, 1e-4, False), (1e6, 1e-4, True), (1.0, 0.0, True)])
def test_a_constant_that_the_ridge_keeps_small_costs_no_copies(constant, ridge, is_shifted, rng):
    X = np.column_stack([np.full(40, constant), rng.standard_normal(40)])
    targets = targets_of(Binary, HardLabels(np.arange(40) % 2, 2), np.ones(40), np.ones(2), 0.0)
    problem = Problem.of(RowBlocks(X, targets), Binary().row_loss(CrossEntropy()), Ridge(ridge), fit_intercept=True)
    assert (problem.rows.shift is not None) == is_shifted
