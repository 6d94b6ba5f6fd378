"""Losses and gradients of PyTorch, torchvision, Keras and optax, as frozen numbers, and the calls that give the same.

The numbers were computed in float64 with PyTorch 2.13: its own functions by the calls in the comments, and the formulas
of the others, written out from torchvision/ops/focal_loss.py, keras/src/losses/losses.py (Keras 3) and
optax/losses/_classification.py. Where conventions differ, docs/guide/coming-from.md says how, and the calls below are
the ones that it gives.
"""

import numpy as np
import pytest

from skce.functional import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    focal_loss,
    kl_divergence,
)
from skce.losses import FocalLoss, Poly1Loss

LOGITS = np.array([[3, 0.5, 0.1], [0.1, 3, 0.2], [0.5, 0.4, 0.3], [0.8, 1, 0.9]])
LABELS = np.array([0, 1, 2, 0])
SHARES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.05, 0.9, 0.05]])
WEIGHT = np.array([1, 1, 3])

BINARY_LOGITS = np.array([[-1.2, 0.4, 2.5], [0.3, -0.7, 1.1]])
TAGS = np.array([[0, 1, 1], [1, 0, 0]])
SOFT_TAGS = np.array([[0, 1, 1], [1, 0, 0.25]])


@pytest.mark.parametrize(
    ("targets", "options", "value", "gradient_of_last_row"),
    [
        # torch.nn.functional.cross_entropy(logits, labels)
        (LABELS, {}, 0.6604938875893643, [-0.174847598661, 0.091791350278, 0.083056248383]),
        # cross_entropy(logits, labels, weight=[1, 1, 3])
        (
            LABELS,
            {"class_weight": WEIGHT},
            0.8409768744693241,
            [-0.116565065774, 0.061194233518, 0.055370832256],
        ),
        # cross_entropy(logits, labels, weight=[1, 1, 3], reduction="sum")
        (
            LABELS,
            {"class_weight": WEIGHT, "reduction": "sum"},
            5.045861246815945,
            [-0.699390394644, 0.367165401111, 0.332224993533],
        ),
        # cross_entropy(logits, labels, label_smoothing=0.1)
        (
            LABELS,
            {"label_smoothing": 0.1},
            0.7479938875893644,
            [-0.158180931994, 0.083458016944, 0.074722915050],
        ),
        # cross_entropy(logits, distributions)
        (SHARES, {}, 0.9317438875893643, [0.062652401339, -0.133208649722, 0.070556248383]),
        # cross_entropy(logits, distributions, label_smoothing=0.1)
        (
            SHARES,
            {"label_smoothing": 0.1},
            0.9921188875893644,
            [0.055569068006, -0.119041983056, 0.063472915050],
        ),
        # cross_entropy(logits, distributions, weight=[1, 1, 3]), which divides by n
        (
            SHARES,
            {"class_weight": WEIGHT, "reduction": "batch_mean"},
            1.4965855211358927,
            [0.070167641473, -0.124029514694, 0.053861873222],
        ),
        # keras.losses.CategoricalFocalCrossentropy(alpha=1, gamma=2, from_logits=True)(one_hot, logits)
        (
            LABELS,
            {"loss": FocalLoss(2.0), "reduction": "batch_mean"},
            0.2947256082663089,
            [-0.173894363768, 0.091290921798, 0.082603441970],
        ),
    ],
)
def test_cross_entropy_of_logits(targets, options, value, gradient_of_last_row):
    ours, gradient = cross_entropy(LOGITS, targets, return_gradient=True, **options)
    assert ours == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(gradient[3], gradient_of_last_row, atol=1e-12)


def test_cross_entropy_of_each_row_with_weights():
    # torch.nn.functional.cross_entropy(logits, labels, weight=[1, 1, 3], reduction="none")
    expected = [0.12848838937750387, 0.10960146452146523, 3.605828544687732, 1.201942848229244]
    ours = cross_entropy(LOGITS, LABELS, class_weight=WEIGHT, reduction="none")
    np.testing.assert_allclose(ours, expected, rtol=1e-13)


def test_smoothing_before_weighting():
    # torch.nn.functional.cross_entropy(logits, labels, weight=[1, 1, 3], label_smoothing=0.1): it smooths, then weighs
    smoothed = 0.9 * np.eye(3)[LABELS] + 0.1 / 3
    ours = cross_entropy(LOGITS, smoothed, class_weight=WEIGHT, reduction="sum") / WEIGHT[LABELS].sum()
    assert ours == pytest.approx(0.9508229523100988, rel=1e-13)
    # Ours weighs first, so that a row's weight is that of its label alone.
    smoothed_rows = cross_entropy(LOGITS, LABELS, label_smoothing=0.1, reduction="none")
    weighed_first = cross_entropy(LOGITS, LABELS, class_weight=WEIGHT, label_smoothing=0.1)
    assert weighed_first == pytest.approx(np.average(smoothed_rows, weights=WEIGHT[LABELS]), rel=1e-13)
    assert weighed_first < ours - 0.05


def test_categorical_focal_loss_with_alpha_and_smoothing():
    # keras.losses.CategoricalFocalCrossentropy(alpha=0.25, gamma=2, label_smoothing=0.1, from_logits=True)
    ours = 0.25 * focal_loss(LOGITS, LABELS, gamma=2.0, label_smoothing=0.1, reduction="batch_mean")
    assert ours == pytest.approx(0.09400198217568666, rel=1e-13)


def test_poly_loss():
    # optax.losses.poly_loss_cross_entropy(logits, one_hot, epsilon=2.0)
    expected = [0.36964084334433844, 0.31721900825210014, 2.6007236375177896, 2.600723637517789]
    ours = cross_entropy(LOGITS, LABELS, loss=Poly1Loss(2.0), reduction="none")
    np.testing.assert_allclose(ours, expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("targets", "options", "value", "gradient"),
    [
        # torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
        (
            SOFT_TAGS,
            {},
            0.4875106787499915,
            [[0.03857920275, -0.06688538998, -0.01264303000], [-0.07092624720, 0.05530203797, 0.08337668427]],
        ),
        # binary_cross_entropy_with_logits(logits, targets, pos_weight=[3, 1, 2])
        (
            SOFT_TAGS,
            {"class_weight": [3, 1, 2], "reduction": "batch_mean"},
            0.6974163545014017,
            [[0.03857920275, -0.06688538998, -0.02528606001], [-0.21277874159, 0.05530203797, 0.07297085533]],
        ),
        # torchvision.ops.sigmoid_focal_loss(logits, targets, alpha=0.25, gamma=2, reduction="mean")
        (
            TAGS,
            {"loss": FocalLoss(2.0), "sample_weight": np.where(TAGS, 0.25, 0.75), "reduction": "batch_mean"},
            0.11257141082949289,
            [[0.00426069922, -0.00681506021, -0.00005314937], [-0.00801701830, 0.01198184031, 0.10154582322]],
        ),
    ],
)
def test_binary_cross_entropy_of_logits(targets, options, value, gradient):
    ours, our_gradient = binary_cross_entropy_with_logits(BINARY_LOGITS, targets, return_gradient=True, **options)
    assert ours == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(our_gradient, gradient, atol=1e-11)


def test_binary_cross_entropy_with_a_weight_for_each_element():
    # binary_cross_entropy_with_logits(logits, targets, weight=[[3, 1, 2], [1, 1, 0.5]], reduction="none")
    expected = [
        [0.7898474020140935, 0.5130152523999526, 0.15777946858509925],
        [0.5543552444685271, 0.40318604888545795, 0.5561676625577154],
    ]
    weight = [[3, 1, 2], [1, 1, 0.5]]
    ours = binary_cross_entropy_with_logits(BINARY_LOGITS, SOFT_TAGS, sample_weight=weight, reduction="none")
    np.testing.assert_allclose(ours, expected, rtol=1e-13)


def test_binary_cross_entropy_of_probabilities():
    # torch.nn.functional.binary_cross_entropy(torch.sigmoid(logits), targets)
    probabilities = 1 / (1 + np.exp(-BINARY_LOGITS))
    ours, gradient = binary_cross_entropy(probabilities, SOFT_TAGS, return_gradient=True)
    assert ours == pytest.approx(0.4875106787499915, rel=1e-13)
    expected = [[0.21686570199, -0.27838667434, -0.18034749977], [-0.29013637011, 0.24943088397, 0.44498445784]]
    np.testing.assert_allclose(gradient, expected, atol=1e-11)


def test_focal_loss_of_soft_targets_differs():
    # torchvision.ops.sigmoid_focal_loss(logits, soft targets, alpha=-1, gamma=2, reduction="mean") takes 1 - p_t of the
    # mixed probability p_t = t p + (1 - t)(1 - p); ours is linear in t, so that a soft target is two weighted rows.
    ours = binary_cross_entropy_with_logits(BINARY_LOGITS, SOFT_TAGS, loss=FocalLoss(2.0))
    assert abs(ours - 0.11277556725026076) > 0.01
    both = [
        binary_cross_entropy_with_logits(BINARY_LOGITS, np.full((2, 3), t), loss=FocalLoss(2.0), reduction="none")
        for t in (0, 1)
    ]
    assert ours == pytest.approx(((1 - SOFT_TAGS) * both[0] + SOFT_TAGS * both[1]).mean(), rel=1e-13)


def test_kl_divergence():
    # torch.nn.functional.kl_div(log_softmax(logits), distributions, reduction="batchmean")
    exponentials = np.exp(LOGITS)
    q = exponentials / exponentials.sum(axis=1, keepdims=True)
    assert kl_divergence(SHARES, q, reduction="mean") == pytest.approx(0.20070686784281916, rel=1e-13)
