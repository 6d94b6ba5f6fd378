"""Second derivatives of losses: differences of the gradients' kernels, whatever the loss."""

import numpy as np

from skce._kernels.second_derivative import sigmoid_second_derivative, slopes_of_g, softmax_second_derivative
from skce._kernels.sigmoid import sigmoid_losses_gradient
from skce._kernels.softmax import softmax_losses_gradient
from skce.losses import FocalLoss

STEP = 1e-5


def matrices(curvature, n_classes):
    """Second derivatives (m, K, K) of the entries by pair."""
    first, second = np.triu_indices(n_classes, 1)
    entries = curvature.entries(first, second).T
    hessian = np.zeros((len(entries), n_classes, n_classes))
    hessian[:, first, second] = hessian[:, second, first] = -entries
    classes = np.arange(n_classes)
    hessian[:, classes, classes] = -hessian.sum(axis=1)
    return hessian


def test_softmax(loss, rng):
    logits, targets = 3 * rng.normal(size=(4, 6)), rng.uniform(size=(4, 6))
    curvature = softmax_second_derivative(logits.copy(), targets, loss)
    for output in range(4):
        step = STEP * np.eye(4)[:, output : output + 1]
        up, down = (softmax_losses_gradient(logits + sign * step, targets, loss)[1] for sign in (1, -1))
        np.testing.assert_allclose(matrices(curvature, 4)[:, :, output].T, (up - down) / (2 * STEP), atol=1e-9)
    np.testing.assert_allclose(curvature.total(), matrices(curvature, 4).sum(axis=0), atol=1e-12)
    halved = curvature.times(np.full(6, 0.5))
    np.testing.assert_allclose(halved.total(), curvature.total() / 2)


def test_sigmoid(loss, rng):
    logits, targets = 3 * rng.normal(size=(3, 6)), rng.uniform(size=(2, 3, 6))
    up, down = (sigmoid_losses_gradient(logits + sign * STEP, targets, loss)[1] for sign in (1, -1))
    curvature = sigmoid_second_derivative(logits, targets, loss)
    np.testing.assert_allclose(curvature.weights, (up - down) / (2 * STEP), atol=1e-9)


def test_extreme_logits_are_finite(loss):
    logits = np.array([[1e4, 800.0, 0.0], [-1e4, -800.0, 0.0], [3.0, 0.0, 0.0]])
    assert np.isfinite(softmax_second_derivative(logits.copy(), np.ones((3, 3)), loss).total()).all()
    assert np.isfinite(sigmoid_second_derivative(logits, np.ones((2, 3, 3)), loss).weights).all()


def test_slopes_of_focal_loss_are_those_of_its_formula():
    logits, gamma = np.linspace(-8, 8, 33), 2.0
    q = 1 / (1 + np.exp(-logits))
    by_q = -gamma * (1 - q) * (2 + np.log(q)) + gamma * (gamma - 1) * q * np.log(q)
    np.testing.assert_allclose(slopes_of_g(FocalLoss(gamma), logits), by_q * q * (1 - q), atol=1e-11)
