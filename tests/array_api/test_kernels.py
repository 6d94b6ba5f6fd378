"""Kernels, for every loss, of arrays of other libraries: the numbers of NumPy, and nothing computed on the host."""

from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from skce._kernels import second_derivative, sigmoid, softmax
from skce._rows.array_api.arrays import DeviceArray, place_of
from skce.losses import CrossEntropy

K, M = 4, 50
PAIRS = np.triu_indices(K, 1)

pytestmark = pytest.mark.usefixtures("nothing_on_the_host")


@pytest.fixture
def logits(rng):
    return 3 * rng.standard_normal((K, M))


@pytest.fixture
def targets(rng):
    targets = rng.uniform(size=(K, M))
    targets[targets < 0.3] = 0
    return targets


def arrays_of(result):
    if is_dataclass(result):
        return [getattr(result, field.name) for field in fields(result)]
    return [array for part in result for array in arrays_of(part)] if isinstance(result, tuple) else [result]


def assert_same(kernel, arrays, xp, dtype, rounding):
    arrays = [array.astype(dtype) for array in arrays]
    place = place_of(xp.asarray(np.zeros(1)))
    expected = arrays_of(kernel(*(array.copy() for array in arrays)))
    results = arrays_of(kernel(*map(place.lifted, arrays)))
    for result, of_numpy in zip(results, expected, strict=True):
        assert isinstance(result, DeviceArray)
        assert result.shape == np.shape(of_numpy)
        scale = np.abs(of_numpy).max()
        np.testing.assert_allclose(np.asarray(result), of_numpy, rtol=rounding, atol=rounding * scale)


@pytest.mark.parametrize(
    "kernel", [softmax.softmax_loss_gradient, softmax.softmax_losses_gradient, softmax.softmax_curvature]
)
def test_softmaxes(kernel, logits, targets, loss, xp, dtype, rounding):
    assert_same(lambda logits, targets: kernel(logits, targets, loss), (logits, targets), xp, dtype, rounding)


@pytest.mark.parametrize(
    "kernel", [sigmoid.sigmoid_loss_gradient, sigmoid.sigmoid_losses_gradient, sigmoid.sigmoid_curvature]
)
def test_sigmoids(kernel, logits, targets, loss, xp, dtype, rounding):
    targets = np.stack([targets, 1 - targets])
    assert_same(lambda logits, targets: kernel(logits, targets, loss), (logits, targets), xp, dtype, rounding)


@pytest.mark.parametrize("is_softmax", [True, False])
def test_second_derivatives(is_softmax, logits, targets, loss, xp):
    def entries(logits, targets):
        if is_softmax:
            return second_derivative.softmax_second_derivative(logits, targets, loss).entries(*PAIRS)
        targets = np.stack([targets, 1 - targets])
        return second_derivative.sigmoid_second_derivative(logits, targets, loss).weights

    # Differences of g over a step of 1e-3, in which its rounding is a thousand times what it was.
    assert_same(entries, (logits, targets), xp, np.float64, 1e-10)


def test_cross_entropy(logits, targets, xp, dtype, rounding):
    assert_same(softmax.cross_entropy_gradient, (logits, targets), xp, dtype, rounding)
    sides = np.stack([targets, 1 - targets])
    assert_same(sigmoid.sigmoid_cross_entropy_gradient, (logits, sides), xp, dtype, rounding)
    assert_same(sigmoid.sigmoid_cross_entropy_curvature, (logits, targets[0]), xp, dtype, rounding)


def test_curvatures(logits, targets, xp, dtype, rounding):
    def of_softmax(logits, targets):
        curvature = softmax.softmax_curvature(logits, targets, CrossEntropy())
        of_rows = curvature.trace(), curvature.diagonals(), curvature.product(targets), curvature.times(targets[0])
        return *of_rows, curvature.total(), curvature.entries(*PAIRS)

    assert_same(of_softmax, (logits, targets), xp, dtype, rounding)


@pytest.mark.parametrize("name", ["dual_point", "moved_dual_point", "departures"])
def test_dual_points(name, logits, rng, xp, dtype, rounding):
    def of_step(logits, step):
        log_q, q, _ = softmax.softmax(logits)
        return getattr(softmax, name)(log_q, q, step)

    # Divergences of steps this short are a sixth of their square.
    step = 0.5 * rng.standard_normal((K, M))
    assert_same(of_step, (logits, step), xp, dtype, 10 * rounding)
