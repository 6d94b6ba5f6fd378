"""What a dual bound sums of labels: as a kernel has it at once, and as it is of any outcomes."""

import numpy as np
import pytest

from skce._kernels.sigmoid import label_sigmoid_dual_sums, sides_of_sigmoid
from skce._kernels.softmax import dual_point, label_dual_sums, softmax


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("size", [1.0, 30.0])
@pytest.mark.parametrize("length", [0.0, 1e-6, 1e-3, 0.9])
def test_sums_at_once_are_those_of_the_dual_points(length, size, is_weighted, rng):
    logits, step = size * rng.standard_normal((1, 500)), length * rng.uniform(-1, 1, size=(1, 500))
    is_for, weight = rng.random(500) < 0.4, rng.exponential(size=500) if is_weighted else np.ones(500)
    at_once = label_sigmoid_dual_sums(logits, step, np.where(is_for, -1.0, 1.0), weight if is_weighted else None)

    targets = weight * np.stack([is_for, ~is_for])
    log_q, q = sides_of_sigmoid(logits)
    p, divergence = dual_point(log_q, q, np.stack([step, np.zeros_like(step)]))
    q, p, log_q = q[:, 0], p[:, 0], log_q[:, 0]
    assert_sums_of(at_once, targets, q, p, log_q, divergence, excess=(weight * p - targets)[:1])


def assert_sums_of(at_once, targets, q, p, log_q, divergence, excess):
    """Check sums against those of points: q, p and log q (o, m) of outcomes, and divergences."""
    weight = targets.sum(axis=0)
    near = np.diag((weight * q).sum(axis=1)) - (weight * q) @ q.T
    expected = (
        np.atleast_1d((weight * divergence).sum(axis=-1)),
        excess,
        (weight * p - targets).sum(axis=1, keepdims=True),
        (weight * p).sum(axis=1, keepdims=True),
        (weight * log_q).sum(axis=1, keepdims=True),
        near[:, :, None],
    )
    for sums, of_points in zip(at_once, expected, strict=True):
        assert sums.shape == of_points.shape
        np.testing.assert_allclose(sums, of_points, rtol=1e-11, atol=1e-15 * np.abs(of_points).max() + 1e-13)


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("size", [1.0, 30.0])
@pytest.mark.parametrize("length", [0.0, 1e-6, 1e-3, 0.4])
def test_those_of_a_softmax_are_too(length, size, is_weighted, rng):
    logits, step = size * rng.standard_normal((4, 500)), length * rng.uniform(-1, 1, size=(4, 500))
    codes, weight = rng.integers(0, 4, size=500), rng.exponential(size=500) if is_weighted else np.ones(500)
    at_once = label_dual_sums(logits.copy(), step, codes * 500 + np.arange(500), weight if is_weighted else None)

    targets = weight * (np.arange(4)[:, None] == codes)
    log_q, q, _ = softmax(logits.copy())
    p, divergence = dual_point(log_q, q, step)
    assert_sums_of(at_once, targets, q, p, log_q, divergence, excess=weight * p - targets)


def test_rows_that_a_step_moves_far_are_left_to_the_dual_points(rng):
    logits, is_for = rng.standard_normal((1, 9)), np.arange(9) % 2 == 0
    for step in (np.full((1, 9), 30.0), np.full((1, 9), -30.0), np.full((1, 9), np.nan)):
        assert label_sigmoid_dual_sums(logits, step, np.where(is_for, -1.0, 1.0), None) is None
    logits = rng.standard_normal((3, 9))
    for far in (30.0, -30.0, np.nan):
        step = np.zeros((3, 9))
        step[1, 4] = far
        assert label_dual_sums(logits.copy(), step, np.arange(9), None) is None
