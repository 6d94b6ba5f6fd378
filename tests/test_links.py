"""The kernels of the two links against loops, differences and each other."""

import math

import numpy as np
import pytest

from skce._links import sigmoid, sigmoid_loss_gradient, softmax, softmax_loss_gradient
from skce.losses import CrossEntropy
from tests import reference
from tests.differences import gradient_by_differences

LARGE = np.array([[1e4, 0.0, -1e4, 1e4, 40.0], [-1e4, 1e4, -1e4, 1e4, 0.0], [0.0, -1e4, 1e4, 1e4, 0.0]])


@pytest.fixture
def logits(rng):
    return 3 * rng.standard_normal((4, 7))


@pytest.fixture
def targets(rng):
    return rng.uniform(size=(4, 7)) * rng.integers(0, 2, size=(4, 7))


@pytest.fixture
def sigmoid_targets(rng):
    return rng.uniform(size=(2, 4, 7))


def test_softmax_value_against_loops(logits, targets, loss, loss_name):
    phi = reference.PHI[loss_name]
    expected = sum(
        t * phi(q)
        for column, row in zip(logits.T, targets.T, strict=True)
        for q, t in zip(reference.softmax(column.tolist()), row.tolist(), strict=True)
    )
    value, _ = softmax_loss_gradient(logits.copy(), targets, loss)
    assert value == pytest.approx(expected, rel=1e-12)


def test_sigmoid_value_against_loops(logits, sigmoid_targets, loss, loss_name):
    phi = reference.PHI[loss_name]
    probabilities = 1 / (1 + np.exp(-logits))
    expected = sum(
        f * phi(p) + a * phi(1 - p)
        for p, f, a in zip(probabilities.flat, sigmoid_targets[0].flat, sigmoid_targets[1].flat, strict=True)
    )
    value, _ = sigmoid_loss_gradient(logits, sigmoid_targets, loss)
    assert value == pytest.approx(expected, rel=1e-12)


def test_softmax_gradient_against_differences(logits, targets, loss):
    def value(flat):
        return softmax_loss_gradient(flat.reshape(4, 7), targets, loss)[0]

    _, gradient = softmax_loss_gradient(logits.copy(), targets, loss)
    expected = gradient_by_differences(lambda flat: value(flat.copy()), logits.ravel()).reshape(4, 7)
    np.testing.assert_allclose(gradient, expected, rtol=1e-8, atol=1e-9)


def test_sigmoid_gradient_against_differences(logits, sigmoid_targets, loss):
    def value(flat):
        return sigmoid_loss_gradient(flat.reshape(4, 7), sigmoid_targets, loss)[0]

    _, gradient = sigmoid_loss_gradient(logits, sigmoid_targets, loss)
    expected = gradient_by_differences(value, logits.ravel()).reshape(4, 7)
    np.testing.assert_allclose(gradient, expected, rtol=1e-8, atol=1e-9)


def test_softmax_gradient_sums_to_zero_over_the_classes(logits, targets, loss):
    _, gradient = softmax_loss_gradient(logits, targets, loss)
    np.testing.assert_allclose(gradient.sum(axis=0), 0, atol=1e-14)


def test_softmax_does_not_see_a_shift_of_all_logits_of_a_row(logits, targets, loss, rng):
    shift = 100 * rng.standard_normal(7)
    value, gradient = softmax_loss_gradient(logits.copy(), targets, loss)
    shifted_value, shifted_gradient = softmax_loss_gradient(logits + shift, targets, loss)
    assert shifted_value == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(shifted_gradient, gradient, atol=1e-12)


def test_softmax_over_zero_and_z_is_the_sigmoid_of_z(rng, loss):
    z, targets = 5 * rng.standard_normal((1, 9)), rng.uniform(size=(2, 9))
    value, gradient = softmax_loss_gradient(np.vstack([np.zeros_like(z), z]), targets, loss)
    sigmoid_value, sigmoid_gradient = sigmoid_loss_gradient(z, targets[::-1, None], loss)
    assert sigmoid_value == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(sigmoid_gradient[0], gradient[1], rtol=1e-10, atol=1e-14)


def test_cross_entropy_at_logits_of_ten_thousand():
    value, gradient = softmax_loss_gradient(LARGE.copy(), np.ones_like(LARGE), CrossEntropy())
    # -log q sums to 3e4, 3e4 and 4e4 in the first three columns, to 3 log 3 and 80 in the others.
    assert value == pytest.approx(1e5 + 3 * math.log(3) + 80, rel=1e-15)
    np.testing.assert_allclose(gradient[:, 0], [2, -1, -1], rtol=1e-15)
    value, gradient = sigmoid_loss_gradient(LARGE, np.ones((2, *LARGE.shape)), CrossEntropy())
    # Each z costs |z| + 2 log(1 + exp(-|z|)): ten are of size 1e4, one is 40, four are 0.
    assert value == pytest.approx(1e5 + 40 + 4 * 2 * math.log(2), rel=1e-15)
    np.testing.assert_allclose(gradient[:, 0], [1, -1, 0], atol=1e-15)


def test_logits_of_ten_thousand_are_finite(loss):
    value, gradient = softmax_loss_gradient(LARGE.copy(), np.ones_like(LARGE), loss)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    value, gradient = sigmoid_loss_gradient(LARGE, np.ones((2, *LARGE.shape)), loss)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_log_softmax_keeps_the_digits_that_probabilities_lose():
    log_q, q, rest = softmax(LARGE.copy())
    np.testing.assert_array_equal(log_q[:, 0], [0, -2e4, -1e4])
    np.testing.assert_allclose(log_q[:, 3], -math.log(3), rtol=1e-15)
    # e^0 and twice e^-40: the largest probability is 1 - 2 e^-40, which float64 rounds to 1.
    np.testing.assert_allclose(rest[0, 4], 2 * math.exp(-40), rtol=1e-14)
    np.testing.assert_allclose(log_q[0, 4], -2 * math.exp(-40), rtol=1e-14)
    np.testing.assert_allclose(q.sum(axis=0), 1, rtol=1e-15)
    np.testing.assert_allclose(q + rest, 1, rtol=1e-15)


def test_log_sigmoid_keeps_the_digits_that_probabilities_lose():
    log_p, p = sigmoid(np.array([-1e4, 0.0, 40.0, 1e4]))
    np.testing.assert_allclose(log_p, [-1e4, -math.log(2), -math.exp(-40), 0], rtol=1e-14)
    np.testing.assert_allclose(p, [0, 0.5, 1, 1], rtol=1e-14)
