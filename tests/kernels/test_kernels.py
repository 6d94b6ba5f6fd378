"""The kernels of the two links against loops, differences and each other."""

import math

import numpy as np
import pytest

from skce._kernels.sigmoid import (
    SigmoidCurvature,
    label_sigmoid_cross_entropy_derivatives,
    label_sigmoid_cross_entropy_gradient,
    sigmoid,
    sigmoid_cross_entropy_curvature,
    sigmoid_cross_entropy_gradient,
    sigmoid_curvature,
    sigmoid_loss_gradient,
)
from skce._kernels.softmax import (
    SoftmaxCurvature,
    cross_entropy_gradient,
    departures,
    dual_point,
    label_cross_entropy_derivatives,
    label_cross_entropy_gradient,
    moved_dual_point,
    softmax,
    softmax_curvature,
    softmax_loss_gradient,
)
from skce.losses import CrossEntropy
from tests import reference
from tests.differences import gradient_by_differences

LARGE = np.array([[1e4, 0.0, -1e4, 1e4, 40.0], [-1e4, 1e4, -1e4, 1e4, 0.0], [0.0, -1e4, 1e4, 1e4, 0.0]])


def places_of(codes):
    """Where, in targets (K, m) as a vector, classes (m,) are."""
    return codes * len(codes) + np.arange(len(codes))


def sides_against(is_for):
    """-1 for a sigmoid (m,), and 1 against it."""
    return np.where(is_for, -1.0, 1.0)


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
    values, _ = sigmoid_loss_gradient(logits, sigmoid_targets, loss)
    assert values.shape == (4,)
    assert values.sum() == pytest.approx(expected, rel=1e-12)


def test_softmax_gradient_against_differences(logits, targets, loss):
    def value(flat):
        return softmax_loss_gradient(flat.reshape(4, 7), targets, loss)[0]

    _, gradient = softmax_loss_gradient(logits.copy(), targets, loss)
    expected = gradient_by_differences(lambda flat: value(flat.copy()), logits.ravel()).reshape(4, 7)
    np.testing.assert_allclose(gradient, expected, rtol=1e-8, atol=1e-9)


def test_sigmoid_gradient_against_differences(logits, sigmoid_targets, loss):
    def value(flat):
        return sigmoid_loss_gradient(flat.reshape(4, 7), sigmoid_targets, loss)[0].sum()

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
    assert sigmoid_value.sum() == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(sigmoid_gradient[0], gradient[1], rtol=1e-10, atol=1e-14)


def test_cross_entropy_at_logits_of_ten_thousand():
    value, gradient = softmax_loss_gradient(LARGE.copy(), np.ones_like(LARGE), CrossEntropy())
    # -log q sums to 3e4, 3e4 and 4e4 in the first three columns, to 3 log 3 and 80 in the others.
    assert value == pytest.approx(1e5 + 3 * math.log(3) + 80, rel=1e-15)
    np.testing.assert_allclose(gradient[:, 0], [2, -1, -1], rtol=1e-15)
    value, gradient = sigmoid_loss_gradient(LARGE, np.ones((2, *LARGE.shape)), CrossEntropy())
    # Each z costs |z| + 2 log(1 + exp(-|z|)): ten are of size 1e4, one is 40, four are 0.
    assert value.sum() == pytest.approx(1e5 + 40 + 4 * 2 * math.log(2), rel=1e-15)
    np.testing.assert_allclose(gradient[:, 0], [1, -1, 0], atol=1e-15)


def test_logits_of_ten_thousand_are_finite(loss):
    value, gradient = softmax_loss_gradient(LARGE.copy(), np.ones_like(LARGE), loss)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    values, gradient = sigmoid_loss_gradient(LARGE, np.ones((2, *LARGE.shape)), loss)
    assert np.isfinite(values).all()
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


class TestCrossEntropy:
    """The kernels of cross-entropy alone are the general ones, and quicker."""

    @pytest.fixture(params=["usual", "large"])
    def logits(self, request, rng):
        return 3 * rng.standard_normal((3, 5)) if request.param == "usual" else LARGE

    def test_distributions(self, logits, rng):
        targets = rng.uniform(size=logits.shape) * rng.integers(0, 2, size=logits.shape)
        assert_same(
            cross_entropy_gradient(logits.copy(), targets),
            softmax_loss_gradient(logits.copy(), targets, CrossEntropy()),
        )

    @pytest.mark.parametrize("weighted", [False, True])
    def test_labels(self, weighted, logits, rng):
        codes = np.array([0, 2, 1, 1, 0])
        weight = rng.uniform(size=5) if weighted else None
        targets = np.zeros((3, 5))
        targets[codes, np.arange(5)] = 1 if weight is None else weight
        assert_same(
            label_cross_entropy_gradient(logits.copy(), places_of(codes), weight),
            softmax_loss_gradient(logits.copy(), targets, CrossEntropy()),
        )

    def test_sigmoids(self, logits, rng):
        targets = rng.uniform(size=(2, *logits.shape))
        assert_same(
            sigmoid_cross_entropy_gradient(logits.copy(), targets),
            sigmoid_loss_gradient(logits, targets, CrossEntropy()),
        )

    @pytest.mark.parametrize("weighted", [False, True])
    def test_one_sigmoid_of_labels(self, weighted, logits, rng):
        is_for = np.array([True, False, True, True, False])
        weight = rng.uniform(size=5) if weighted else None
        targets = np.stack([is_for, ~is_for])[:, None] * (np.ones(5) if weight is None else weight)
        assert_same(
            label_sigmoid_cross_entropy_gradient(logits[:1].copy(), sides_against(is_for), weight),
            sigmoid_loss_gradient(logits[:1], targets, CrossEntropy()),
        )

    @pytest.mark.parametrize("weighted", [False, True])
    def test_curvatures_that_come_with_them(self, weighted, logits, rng):
        codes, weight = np.array([0, 2, 1, 1, 0]), rng.uniform(0.5, 2.0, size=5) if weighted else None
        mass = np.ones(5) if weight is None else weight
        *of_value, curvature = label_cross_entropy_derivatives(logits.copy(), places_of(codes), weight)
        assert_same(of_value, label_cross_entropy_gradient(logits.copy(), places_of(codes), weight))
        _, q, _ = softmax(logits.copy())
        pairs = np.triu_indices(3, 1)
        np.testing.assert_allclose(curvature.entries(*pairs), mass * q[pairs[0]] * q[pairs[1]], rtol=1e-12)
        np.testing.assert_allclose(curvature.total(), np.diag((mass * q).sum(axis=1)) - (mass * q) @ q.T, atol=1e-14)

        *of_value, curvature = label_sigmoid_cross_entropy_derivatives(
            logits[:1].copy(), sides_against(codes == 1), weight
        )
        assert_same(
            of_value, label_sigmoid_cross_entropy_gradient(logits[:1].copy(), sides_against(codes == 1), weight)
        )
        expected = sigmoid_cross_entropy_curvature(logits[:1], weight).diagonals()
        np.testing.assert_allclose(curvature.diagonals(), expected, rtol=1e-14)

    def test_float32_logits_keep_their_dtype(self, logits):
        logits = logits.astype(np.float32)
        for _, gradient in (
            cross_entropy_gradient(logits.copy(), np.ones_like(logits)),
            label_cross_entropy_gradient(logits.copy(), np.arange(5), None),
            sigmoid_cross_entropy_gradient(logits.copy(), np.ones((2, *logits.shape), np.float32)),
            label_sigmoid_cross_entropy_gradient(logits[:1].copy(), np.ones(5), None),
        ):
            assert gradient.dtype == np.float32


def assert_same(actual, expected):
    """Values and gradients of two kernels agree to rounding."""
    np.testing.assert_allclose(actual[0], expected[0], rtol=1e-13)
    np.testing.assert_allclose(actual[1], expected[1], rtol=1e-12, atol=1e-15)


class TestCurvature:
    def test_of_a_softmax_is_the_derivative_of_the_gradient(self, logits, targets):
        curvature = softmax_curvature(logits.copy(), targets, CrossEntropy())
        matrices = matrices_of(curvature)
        for k in range(4):
            for row in range(7):
                expected = gradient_by_differences(
                    lambda z, k=k, row=row: softmax_loss_gradient(z[:, None].copy(), targets[:, [row]], CrossEntropy())[
                        1
                    ][k, 0],
                    logits[:, row].copy(),
                )
                np.testing.assert_allclose(matrices[row, k], expected, atol=1e-9)

    def test_of_sigmoids_is_the_derivative_of_the_gradient(self, logits, sigmoid_targets):
        curvature = sigmoid_curvature(logits, sigmoid_targets, CrossEntropy())

        def summed_gradient(flat):
            return sigmoid_loss_gradient(flat.reshape(4, 7), sigmoid_targets, CrossEntropy())[1].sum()

        expected = gradient_by_differences(summed_gradient, logits.ravel()).reshape(4, 7)
        np.testing.assert_allclose(curvature.weights, expected, atol=1e-9)

    def test_of_any_loss_is_positive_semi_definite_and_finite(self, loss):
        softmax_rows = softmax_curvature(LARGE.copy(), np.ones_like(LARGE), loss)
        assert np.isfinite(softmax_rows.mass).all()
        assert (np.linalg.eigvalsh(matrices_of(softmax_rows)) >= -1e-15).all()
        weights = sigmoid_curvature(LARGE, np.ones((2, *LARGE.shape)), loss).weights
        assert np.isfinite(weights).all()
        assert (weights >= 0).all()

    def test_sums_and_traces_are_those_of_the_matrices(self, logits, targets, sigmoid_targets, rng):
        factor = rng.uniform(size=7)
        for curvature in (
            softmax_curvature(logits.copy(), targets, CrossEntropy()),
            sigmoid_curvature(logits, sigmoid_targets, CrossEntropy()),
        ):
            matrices = matrices_of(curvature)
            total = curvature.total() if isinstance(curvature, SoftmaxCurvature) else np.diag(curvature.total())
            np.testing.assert_allclose(total, matrices.sum(axis=0), atol=1e-14)
            np.testing.assert_allclose(curvature.trace(), np.trace(matrices, axis1=1, axis2=2), atol=1e-14)
            scaled = matrices_of(curvature.times(factor))
            np.testing.assert_allclose(scaled, matrices * factor[:, None, None], atol=1e-14)


def matrices_of(curvature):
    """The curvatures (m, K, K) of m rows."""
    if isinstance(curvature, SigmoidCurvature):
        return np.einsum("km,kl->mkl", curvature.weights, np.eye(len(curvature.weights)))
    n_classes = len(curvature.q)
    first, second = np.triu_indices(n_classes, 1)
    differences = np.eye(n_classes)[first] - np.eye(n_classes)[second]
    return np.einsum("pm,pk,pl->mkl", curvature.entries(first, second), differences, differences)


class TestSteps:
    """What a step of the logits does to rows, by loops; columns of LARGE are saturated."""

    @pytest.fixture(params=["ordinary", "saturated"])
    def rows(self, request, rng):
        """Logits (K, m), and steps (K, m) from small to large."""
        if request.param == "saturated":
            return LARGE, np.array(
                [[-2e4, 3.0, 0.0, 1e4, -30.0], [1.0, 1.0, 2.0, -1e4, 0.0], [0.0, 2e4, 1.0, 1.0, 9.0]]
            )
        return 3 * rng.standard_normal((4, 9)), rng.standard_normal((4, 9)) * 10.0 ** np.arange(-4, 5)

    def test_departures_are_those_from_the_quadratic(self, rows):
        logits, steps = rows
        log_q, q, _ = softmax(logits.copy())
        actual = departures(log_q, q, steps)
        for z, s, departure in zip(logits.T.tolist(), steps.T.tolist(), actual, strict=True):
            mean, variance = reference.moments_of_step(z, s)
            expected = abs(reference.growth(z, s) - mean - variance / 2)
            assert departure == pytest.approx(expected, rel=1e-11, abs=1e-14)

    def test_the_moved_dual_point_is_where_the_step_leads(self, rows):
        logits, steps = rows
        log_q, q, _ = softmax(logits.copy())
        p, divergence = moved_dual_point(log_q, q, steps)
        for i, (z, s) in enumerate(zip(logits.T.tolist(), steps.T.tolist(), strict=True)):
            moved = [a + b for a, b in zip(z, s, strict=True)]
            expected = reference.softmax(moved)
            np.testing.assert_allclose(p[:, i], expected, rtol=1e-10, atol=1e-300)
            # KL(p, q) = p . s - growth, which holds where q is 0 too.
            of_step = sum(a * b for a, b in zip(expected, s, strict=True))
            assert divergence[i] == pytest.approx(of_step - reference.growth(z, s), rel=1e-9, abs=1e-13)

    def test_the_dual_point_is_linearised_and_clipped(self, rows):
        logits, steps = rows
        log_q, q, _ = softmax(logits.copy())
        p, divergence = dual_point(log_q, q, steps)
        assert (p >= 0).all()
        np.testing.assert_allclose(p.sum(axis=0), 1, rtol=1e-13)
        is_cut = False
        for i, (z, s) in enumerate(zip(logits.T.tolist(), steps.T.tolist(), strict=True)):
            of_row = reference.softmax(z)
            mean, _ = reference.moments_of_step(z, s)
            linear = [max(a * (1 + b - mean), 0.0) for a, b in zip(of_row, s, strict=True)]
            is_cut |= any(b - mean < -1 for b in s)
            expected = [a / sum(linear) for a in linear]
            np.testing.assert_allclose(p[:, i], expected, rtol=1e-11, atol=1e-300)
            if all(of_row):
                # The loop loses digits where p is about q.
                assert divergence[i] == pytest.approx(reference.divergence(expected, of_row), rel=1e-7, abs=1e-14)
        assert is_cut

    def test_the_divergence_of_a_small_step_keeps_its_digits(self, rng):
        log_q, q, _ = softmax(rng.standard_normal((3, 5)))
        step = rng.standard_normal((3, 5))
        for size in (1e-5, 1e-9, 1e-100):
            centred = size * (step - (q * step).sum(axis=0))
            np.testing.assert_allclose(
                dual_point(log_q, q, size * step)[1], (q * centred**2).sum(axis=0) / 2, rtol=1e-4
            )


def test_what_a_saturated_row_curves_keeps_its_digits():
    logits = np.array([[60.0, 700.0], [0.0, 0.0], [0.0, 1.0]])
    curvature = softmax_curvature(logits, np.array([[1.0, 2.0], [0.0, 0.0], [0.0, 0.0]]), CrossEntropy())
    first, second = np.triu_indices(3, 1)
    expected = [
        [math.exp(-60), 2 * math.exp(-700)],
        [math.exp(-60), 2 * math.exp(-699)],
        [math.exp(-120), 0.0],
    ]
    np.testing.assert_allclose(curvature.entries(first, second), expected, rtol=1e-12)
