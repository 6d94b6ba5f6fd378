"""Losses and gradients of PyTorch, Keras and torchvision, as frozen numbers, where their conventions are ours.

Each was computed in float64 with PyTorch 2.13 by the call that its comment names; Keras's and torchvision's formulas,
which have no CPU build to install beside it, were written out in PyTorch operations from their sources.
"""

import numpy as np
import pytest

from skce._targets import HardLabels, Indicators, MultilabelTargets, SoftLabels, SoftmaxTargets
from skce.losses import CrossEntropy, FocalLoss

LOGITS = np.array([[3, 0.5, 0.1], [0.1, 3, 0.2], [0.5, 0.4, 0.3], [0.8, 1, 0.9]])
LABELS = np.array([0, 1, 2, 0])
SHARES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.05, 0.9, 0.05]])


@pytest.mark.parametrize(
    ("labels", "class_weight", "smoothing", "loss", "value", "gradient_of_last_row"),
    [
        # torch.nn.functional.cross_entropy(logits, labels)
        (LABELS, [1, 1, 1], 0.0, CrossEntropy(), 0.6604938875893643, [-0.174847598661, 0.091791350278, 0.083056248383]),
        # cross_entropy(logits, labels, weight=[1, 1, 3])
        (LABELS, [1, 1, 3], 0.0, CrossEntropy(), 0.8409768744693241, [-0.116565065774, 0.061194233518, 0.055370832256]),
        # cross_entropy(logits, labels, label_smoothing=0.1)
        (LABELS, [1, 1, 1], 0.1, CrossEntropy(), 0.7479938875893644, [-0.158180931994, 0.083458016944, 0.074722915050]),
        # cross_entropy(logits, distributions)
        (
            SHARES,
            [1, 1, 1],
            0.0,
            CrossEntropy(),
            0.9317438875893643,
            [0.062652401339, -0.133208649722, 0.070556248383],
        ),
        # cross_entropy(logits, distributions, label_smoothing=0.1)
        (
            SHARES,
            [1, 1, 1],
            0.1,
            CrossEntropy(),
            0.9921188875893644,
            [0.055569068006, -0.119041983056, 0.063472915050],
        ),
        # keras.losses.CategoricalFocalCrossentropy(alpha=1, gamma=2): sum_k y_k (1 - q_k)^2 (-log q_k), mean over rows
        (LABELS, [1, 1, 1], 0.0, FocalLoss(2.0), 0.2947256082663089, [-0.173894363768, 0.091290921798, 0.082603441970]),
    ],
)
def test_softmax(labels, class_weight, smoothing, loss, value, gradient_of_last_row):
    labels = SoftLabels(labels) if labels.ndim == 2 else HardLabels(labels, 3)
    targets = SoftmaxTargets(labels, np.ones(4), np.array(class_weight, dtype=float), smoothing)
    ours, gradient = targets.loss_gradient(LOGITS.T.copy(), slice(0, 4), loss)
    assert ours / targets.total == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(gradient[:, 3] / targets.total, gradient_of_last_row, atol=1e-12)


@pytest.mark.parametrize(
    ("weight_for", "loss", "value", "gradient"),
    [
        # torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=3)
        (3.0, CrossEntropy(), 0.7233381679710162, [0.057868804125, -0.300984254916, -0.056893635016, 0.143610629203]),
        # torchvision.ops.sigmoid_focal_loss(logits, targets, alpha=-1, gamma=2, reduction="mean")
        (1.0, FocalLoss(2.0), 0.09477662685511677, [0.008521398437, -0.040890361265, -0.000318896232, 0.107376617146]),
    ],
)
def test_sigmoid(weight_for, loss, value, gradient):
    indicator = np.array([[0, 1, 1, 0]]).T
    targets = MultilabelTargets(Indicators(indicator), np.ones(4), np.array([[weight_for], [1.0]]), 0.0)
    ours, our_gradient = targets.loss_gradient(np.array([[-1.2, 0.4, 2.5, 0.3]]), slice(0, 4), loss)
    assert ours / targets.total == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(our_gradient[0] / targets.total, gradient, atol=1e-12)
