"""What a dual bound sums for two classes: as a kernel has it at once, and as it is of any outcomes."""

import numpy as np
import pytest

from skce._kernels.sigmoid import label_sigmoid_dual_sums, sides_of_sigmoid
from skce._kernels.softmax import dual_point


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("size", [1.0, 30.0])
@pytest.mark.parametrize("length", [0.0, 1e-6, 1e-3, 0.9])
def test_sums_at_once_are_those_of_the_dual_points(length, size, is_weighted, rng):
    logits, step = size * rng.standard_normal((1, 500)), length * rng.uniform(-1, 1, size=(1, 500))
    is_for, weight = rng.random(500) < 0.4, rng.exponential(size=500) if is_weighted else np.ones(500)
    at_once = label_sigmoid_dual_sums(logits, step, is_for, weight if is_weighted else None)

    targets = weight * np.stack([is_for, ~is_for])
    log_q, q = sides_of_sigmoid(logits)
    p, divergence = dual_point(log_q, q, np.stack([step, np.zeros_like(step)]))
    q, p, log_q = q[:, 0], p[:, 0], log_q[:, 0]
    near = np.diag((weight * q).sum(axis=1)) - (weight * q) @ q.T
    expected = (
        (weight * divergence).sum(axis=1),
        (weight * p - targets)[:1],
        (weight * p - targets).sum(axis=1, keepdims=True),
        (weight * p).sum(axis=1, keepdims=True),
        (weight * log_q).sum(axis=1, keepdims=True),
        near[:, :, None],
    )
    for sums, of_points in zip(at_once, expected, strict=True):
        assert sums.shape == of_points.shape
        np.testing.assert_allclose(sums, of_points, rtol=1e-11, atol=1e-15 * np.abs(of_points).max() + 1e-13)


def test_rows_that_a_step_moves_far_are_left_to_the_dual_points(rng):
    logits, is_for = rng.standard_normal((1, 9)), np.arange(9) % 2 == 0
    for step in (np.full((1, 9), 30.0), np.full((1, 9), -30.0), np.full((1, 9), np.nan)):
        assert label_sigmoid_dual_sums(logits, step, is_for, None) is None
