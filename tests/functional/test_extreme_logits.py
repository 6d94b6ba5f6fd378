"""Logits near the largest float, and of -inf: what cannot happen costs nothing, unless it has to."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from skce import SoftmaxRegressor
from skce.functional import binary_cross_entropy_with_logits, cross_entropy, focal_loss, softmax_jacobian
from tests.conftest import LOSSES


class Margin:
    """A loss of one's own, whose g is written as it comes to mind: nan at q = 0."""

    is_convex = False

    def value(self, log_q, rest):
        return rest - rest * log_q

    def g(self, log_q, rest):
        return np.exp(log_q) + rest - np.exp(log_q) * log_q


ALL_LOSSES = {**LOSSES, "own": Margin()}
EVERY_LOSS = pytest.mark.parametrize("loss", ALL_LOSSES.values(), ids=ALL_LOSSES)
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
KINDS = pytest.mark.parametrize("kind", ["labels", "distributions"])

# A mask that leaves each row its label, 0 to 3, and two of the other classes or more.
IS_MASKED = np.array([[0, 1, 0, 0, 1], [1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 1]], dtype=bool)
LABELS = np.array([0, 1, 2, 3])


@pytest.fixture
def logits(rng):
    return 3 * rng.standard_normal(IS_MASKED.shape)


def targets_of(kind, rng):
    if kind == "labels":
        return LABELS
    shares = rng.uniform(size=IS_MASKED.shape) * ~IS_MASKED
    return shares / shares.sum(axis=1, keepdims=True)


@EVERY_LOSS
@KINDS
@DTYPES
def test_a_masked_class_without_mass_is_as_if_it_were_not_there(loss, kind, dtype, logits, rng):
    targets = targets_of(kind, rng)
    masked = np.where(IS_MASKED, -np.inf, logits).astype(dtype)
    losses, gradient = cross_entropy(masked, targets, loss=loss, reduction="none", return_gradient=True)
    assert losses.dtype == gradient.dtype == dtype
    for row, is_masked in enumerate(IS_MASKED):
        left = np.flatnonzero(~is_masked)
        target = [np.searchsorted(left, targets[row])] if kind == "labels" else targets[[row]][:, left]
        expected, gradient_left = cross_entropy(masked[[row]][:, left], target, loss=loss, return_gradient=True)
        assert losses[row] == pytest.approx(expected, rel=8 * float(np.finfo(dtype).eps))
        np.testing.assert_allclose(gradient[row, left], gradient_left[0], rtol=1e-6, atol=8 * np.finfo(dtype).eps)
        np.testing.assert_array_equal(gradient[row, is_masked], 0)


@KINDS
def test_cross_entropy_of_masked_logits_is_that_of_scipys_log_softmax(kind, logits, rng):
    targets = targets_of(kind, rng)
    shares = np.eye(5)[LABELS] if kind == "labels" else targets
    masked = np.where(IS_MASKED, -np.inf, logits)
    log_q = log_softmax(masked, axis=1)
    expected = -np.where(shares > 0, shares, 0)[~IS_MASKED] @ log_q[~IS_MASKED]
    value, gradient = cross_entropy(masked, targets, reduction="sum", return_gradient=True)
    assert value == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(gradient, softmax(masked, axis=1) - shares, atol=1e-14)


@EVERY_LOSS
@DTYPES
def test_a_masked_class_with_mass_costs_phi_of_0(loss, dtype):
    logits = np.array([[-np.inf, 1.0, 0.0]], dtype=dtype)
    of_nothing = loss.value(np.array([-np.inf]), np.array([1.0]))[0]
    assert of_nothing == np.inf or "Generalized" in type(loss).__name__  # 1 / r, the most that it can cost
    for targets, options in [([0], {}), ([[1.0, 0.0, 0.0]], {}), ([0], {"reduction": "sum"})]:
        assert cross_entropy(logits, targets, loss=loss, **options) == pytest.approx(of_nothing, rel=1e-6)
    for targets, options in [([[0.5, 0.5, 0.0]], {}), ([1], {"label_smoothing": 0.1})]:
        value = cross_entropy(logits, targets, loss=loss, **options)
        assert value == np.inf or np.isfinite(of_nothing)
        assert not np.isnan(value)
    # What weighs nothing does not happen.
    assert cross_entropy([[-np.inf, 1.0], [0.0, 0.0]], [0, 1], loss=loss, sample_weight=[0, 1]) < np.inf
    assert cross_entropy([[-np.inf, 1.0], [0.0, 0.0]], [0, 1], loss=loss, class_weight=[0, 1]) < np.inf
    assert binary_cross_entropy_with_logits(np.array([-np.inf], dtype), [1], loss=loss) == pytest.approx(
        of_nothing, rel=1e-6
    )


@EVERY_LOSS
def test_the_gradient_of_a_masked_class_with_mass_is_its_limit(loss):
    def gradients(logit):
        options = {"loss": loss, "return_gradient": True}
        (_, of_classes), (_, of_sigmoid) = (
            cross_entropy([[logit, 0.0, 0.0]], [0], **options),
            binary_cross_entropy_with_logits([logit], [1], **options),
        )
        return [*of_classes.ravel(), *of_sigmoid]

    np.testing.assert_allclose(gradients(-np.inf), gradients(-700.0), atol=1e-12)


@EVERY_LOSS
@DTYPES
def test_sigmoids_of_masked_logits(loss, dtype):
    logits = np.array([[-np.inf, 0.5], [-1.0, -np.inf]], dtype=dtype)
    targets = [[0, 1], [1, 0]]
    losses, gradient = binary_cross_entropy_with_logits(
        logits, targets, loss=loss, reduction="none", return_gradient=True
    )
    of_finite, gradient_of_finite = binary_cross_entropy_with_logits(
        np.array([0.5, -1.0], dtype), [1, 1], loss=loss, reduction="none", return_gradient=True
    )
    np.testing.assert_array_equal(losses, [[0, of_finite[0]], [of_finite[1], 0]])
    np.testing.assert_array_equal(gradient, [[0, gradient_of_finite[0]], [gradient_of_finite[1], 0]])


@EVERY_LOSS
@DTYPES
def test_logits_further_apart_than_any_float_cost_what_they_cost(loss, dtype):
    largest = np.finfo(dtype).max
    logits = np.array([[largest, -largest], [0.95 * largest, -0.95 * largest]], dtype=dtype)
    for targets in ([0, 0], [[1.0, 0.0], [1.0, 0.0]]):
        losses, gradient = cross_entropy(logits, targets, loss=loss, reduction="none", return_gradient=True)
        np.testing.assert_array_equal(losses, 0)
        np.testing.assert_array_equal(gradient, 0)
    of_nothing = loss.value(np.array([-np.inf]), np.array([1.0]))[0]
    assert cross_entropy(logits, [1, 1], loss=loss) == pytest.approx(of_nothing, rel=1e-6)
    assert binary_cross_entropy_with_logits(logits, [[1, 0], [1, 0]], loss=loss) == 0
    np.testing.assert_array_equal(softmax_jacobian(logits), 0)


@pytest.mark.parametrize("function", [cross_entropy, focal_loss, binary_cross_entropy_with_logits])
@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_other_logits_that_are_not_finite_are_an_error(function, bad):
    targets = [[0, 0], [0, 0]] if function is binary_cross_entropy_with_logits else [0, 0]
    with pytest.raises(ValueError, match=rf"logits must be finite, or -inf .*; got {bad} at \(1, 0\)"):
        function([[0.0, -np.inf], [bad, 0.0]], targets)


def test_a_row_of_masked_classes_alone_is_an_error():
    for function in (lambda z: cross_entropy(z, [0, 0]), lambda z: focal_loss(z, [0, 0]), softmax_jacobian):
        with pytest.raises(ValueError, match=r"logits must leave a class in each row, not all .*-inf at \(1,\)"):
            function([[0.0, 1.0], [-np.inf, -np.inf]])
    with pytest.raises(ValueError, match="logits must leave a class"):
        cross_entropy([-np.inf, -np.inf], 0)


def test_the_jacobian_of_masked_logits_is_that_of_the_others():
    expected = np.zeros((3, 3))
    expected[np.ix_([0, 2], [0, 2])] = softmax_jacobian([1.0, 2.0])
    np.testing.assert_allclose(softmax_jacobian([1.0, -np.inf, 2.0]), expected, rtol=1e-14)


def test_predictions_of_logits_further_apart_than_any_float():
    model = SoftmaxRegressor().fit(np.array([[0.0], [1.0], [2.0]] * 2), [0, 1, 2] * 2)
    X = [[1e308], [-1e308]]
    np.testing.assert_array_equal(model.predict_proba(X), [[0, 0, 1], [1, 0, 0]])
    assert model.predict_log_proba(X).max(axis=1).tolist() == [0, 0]
