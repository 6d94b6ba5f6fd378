"""The functions against the numbers that tutorials print, plain loops, differences and each other."""

import math
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.special
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce.functional import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    categorical_cross_entropy,
    cross_entropy,
    entropy,
    focal_loss,
    kl_divergence,
    softmax_jacobian,
    sparse_categorical_cross_entropy,
)
from skce.losses import FocalLoss, Poly1Loss
from tests import reference
from tests.differences import gradient_by_differences

LOGITS = np.array([[3, 0.5, 0.1], [0.1, 3, 0.2], [0.5, 0.4, 0.3], [0.8, 1, 0.9]])
LABELS = np.array([0, 1, 2, 0])
REDUCTIONS = ["mean", "batch_mean", "sum", "none"]


class TestNumbersOfTutorials:
    def test_binary_cross_entropy(self):
        p, t = [0.07, 0.91, 0.74, 0.23, 0.85, 0.17, 0.94], [0, 1, 1, 0, 0, 1, 1]
        assert binary_cross_entropy(p, t, reduction="sum") == pytest.approx(4.460303459760249, abs=1e-12)
        expected = [
            0.0725706928348355,
            0.09431067947124129,
            0.3011050927839216,
            0.2613647641344075,
            1.897119984885881,
            1.7719568419318752,
            0.06187540371808753,
        ]
        np.testing.assert_allclose(binary_cross_entropy(p, t, reduction="none"), expected, atol=1e-12)

    def test_binary_cross_entropy_of_two(self):
        assert binary_cross_entropy([0.01, 0.99], [0, 1]) == pytest.approx(0.01005034, abs=5e-9)

    def test_categorical_cross_entropy(self):
        p = [[0.91, 0.04, 0.05], [0.11, 0.8, 0.09], [0.3, 0.1, 0.6], [0.25, 0.4, 0.35]]
        targets = np.eye(3)[[0, 1, 2, 0]]
        assert categorical_cross_entropy(p, targets, reduction="sum") == pytest.approx(2.214574215671332, abs=1e-12)

    def test_sparse_categorical_cross_entropy(self):
        # The second row sums to 0.99, and is taken as it is.
        p = [[0.25, 0.25, 0.25, 0.25], [0.01, 0.01, 0.01, 0.96]]
        assert sparse_categorical_cross_entropy(p, [3, 3]) == pytest.approx(0.71355817782, abs=5e-12)
        assert categorical_cross_entropy(p, np.eye(4)[[3, 3]]) == pytest.approx(0.71355817782, abs=5e-12)

    def test_softmax_and_cross_entropy(self):
        logits = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]])
        np.testing.assert_allclose(
            scipy.special.softmax(logits, axis=1), [[0.0900, 0.2447, 0.6652], [0.0159, 0.1173, 0.8668]], atol=5e-5
        )
        assert cross_entropy(logits, [0, 2]) == pytest.approx(1.2753, abs=5e-5)
        assert cross_entropy(logits, [0, 2], reduction="sum") == pytest.approx(2.5505, abs=5e-5)

    def test_cross_entropy_of_each_sample(self):
        expected = [0.12848838937750387, 0.10960146452146523, 1.201942848229244, 1.201942848229244]
        np.testing.assert_allclose(cross_entropy(LOGITS, LABELS, reduction="none"), expected, atol=1e-12)
        assert cross_entropy(LOGITS, LABELS) == pytest.approx(0.6604938875893642, abs=1e-12)

    def test_class_weights(self):
        weighted = {
            reduction: cross_entropy(LOGITS, LABELS, class_weight=[1, 1, 3], reduction=reduction)
            for reduction in ("batch_mean", "mean")
        }
        assert weighted["batch_mean"] == pytest.approx(1.2614653117039862, abs=1e-12)
        assert weighted["mean"] == pytest.approx(0.8409768744693241, abs=1e-12)

    def test_focal_loss_and_smoothing(self):
        assert focal_loss(LOGITS, LABELS, gamma=2) == pytest.approx(0.2947256082663088, abs=1e-12)
        assert cross_entropy(LOGITS, LABELS, label_smoothing=0.1) == pytest.approx(0.7479938875893644, abs=1e-12)

    def test_an_easy_sample_and_an_undecided_one(self):
        assert scipy.special.softmax([3.0, 0.0, 0.0])[0] == pytest.approx(0.9094429985127419, abs=1e-12)
        assert cross_entropy([3.0, 0.0, 0.0], 0) == pytest.approx(0.09492295642096085, abs=1e-12)
        assert focal_loss([3.0, 0.0, 0.0], 0, gamma=2) == pytest.approx(0.0007784223979416125, abs=1e-12)
        assert cross_entropy([0.0, 0.0, 0.0], 0) == pytest.approx(1.0986122886681098, abs=1e-12)
        assert focal_loss([0.0, 0.0, 0.0], 0, gamma=2) == pytest.approx(0.4882721282969378, abs=1e-12)

    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    def test_large_logits(self, dtype):
        logits = np.array([[100, 0, 0], [0, 100, 0]], dtype)
        losses = cross_entropy(logits, [1, 0], reduction="none")
        assert losses.tolist() == [100.0, 100.0]
        assert losses.dtype == dtype
        huge = cross_entropy(100 * logits, [1, 0], reduction="none")
        assert huge.tolist() == [1e4, 1e4]
        with np.errstate(divide="ignore"):
            assert np.isinf(np.log(scipy.special.softmax(100 * logits, axis=1))[0, 1])


@pytest.fixture
def logits(rng):
    return 2 * rng.standard_normal((6, 4))


@pytest.fixture
def labels(rng):
    return rng.integers(0, 4, size=6)


@pytest.fixture
def distributions(rng):
    return rng.dirichlet(np.ones(4), size=6)


def options_of(rng, shape):
    """Every option at once."""
    return {"label_smoothing": 0.1, "sample_weight": rng.uniform(0.5, 2, size=shape)}


class TestAgainstLoops:
    @pytest.mark.parametrize("kind", ["labels", "distributions"])
    def test_cross_entropy(self, logits, labels, distributions, kind, rng, loss, loss_name):
        rows = np.eye(4)[labels] if kind == "labels" else distributions
        weights, class_weight = rng.uniform(0.5, 2, size=6), [1.0, 0.5, 2.0, 3.0]
        targets = reference.softmax_targets(rows.tolist(), weights.tolist(), class_weight, 0.1)
        losses = [
            sum(t * reference.PHI[loss_name](q) for t, q in zip(row, reference.softmax(z), strict=True))
            for row, z in zip(targets, logits.tolist(), strict=True)
        ]
        options = {"loss": loss, "class_weight": class_weight, "label_smoothing": 0.1, "sample_weight": weights}
        given = labels if kind == "labels" else distributions
        np.testing.assert_allclose(cross_entropy(logits, given, reduction="none", **options), losses, rtol=1e-12)
        total = sum(sum(row) for row in targets)
        for reduction, divisor in {"mean": total, "batch_mean": 6, "sum": 1}.items():
            value = cross_entropy(logits, given, reduction=reduction, **options)
            assert value == pytest.approx(sum(losses) / divisor, rel=1e-12)

    @pytest.mark.parametrize("function", ["logits", "probabilities"])
    def test_binary_cross_entropy(self, rng, function):
        z, t = rng.standard_normal((5, 2)), rng.uniform(size=(5, 2))
        weights, positives = rng.uniform(0.5, 2, size=5), [3.0, 0.5]
        pairs = reference.sigmoid_targets(
            (weights[:, None] * t * positives).tolist(), (weights[:, None] * (1 - t)).tolist(), 0.1
        )
        p = 1 / (1 + np.exp(-z))
        losses = np.array(
            [
                [-f * math.log(q) - a * math.log(1 - q) for (f, a), q in zip(row, qs, strict=True)]
                for row, qs in zip(pairs, p.tolist(), strict=True)
            ]
        )
        options = {"class_weight": positives, "label_smoothing": 0.1, "sample_weight": weights}
        compute = binary_cross_entropy_with_logits if function == "logits" else binary_cross_entropy
        given = z if function == "logits" else p
        np.testing.assert_allclose(compute(given, t, reduction="none", **options), losses, rtol=1e-12)
        total = sum(sum(pair) for row in pairs for pair in row)
        for reduction, divisor in {"mean": total, "batch_mean": 10, "sum": 1}.items():
            value = compute(given, t, reduction=reduction, **options)
            assert value == pytest.approx(losses.sum() / divisor, rel=1e-12)


class TestGradients:
    @pytest.mark.parametrize("reduction", ["mean", "batch_mean", "sum"])
    def test_of_logits(self, logits, labels, rng, loss, reduction):
        options = {"loss": loss, "class_weight": [1, 0.5, 2, 3], "reduction": reduction, **options_of(rng, 6)}
        _, gradient = cross_entropy(logits, labels, return_gradient=True, **options)
        expected = gradient_by_differences(
            lambda flat: cross_entropy(flat.reshape(6, 4), labels, **options), logits.ravel()
        )
        np.testing.assert_allclose(gradient.ravel(), expected, rtol=1e-8, atol=1e-9)

    @pytest.mark.parametrize("reduction", ["mean", "batch_mean", "sum"])
    def test_of_binary_logits(self, rng, loss, reduction):
        z, t = rng.standard_normal((3, 2)), rng.uniform(size=(3, 2))
        options = {"loss": loss, "class_weight": [3, 0.5], "reduction": reduction, **options_of(rng, (3, 2))}
        _, gradient = binary_cross_entropy_with_logits(z, t, return_gradient=True, **options)
        expected = gradient_by_differences(
            lambda flat: binary_cross_entropy_with_logits(flat.reshape(3, 2), t, **options), z.ravel()
        )
        np.testing.assert_allclose(gradient.ravel(), expected, rtol=1e-8, atol=1e-9)

    @pytest.mark.parametrize("reduction", ["mean", "batch_mean", "sum"])
    def test_of_probabilities(self, distributions, labels, rng, reduction):
        p = 0.1 + 0.6 * rng.uniform(size=(6, 4))  # each by itself: rows do not sum to 1
        options = {"class_weight": [1, 0.5, 2, 3], "reduction": reduction, **options_of(rng, 6)}
        for function, targets in (
            (categorical_cross_entropy, distributions),
            (sparse_categorical_cross_entropy, labels),
        ):
            _, gradient = function(p, targets, return_gradient=True, **options)
            expected = gradient_by_differences(
                lambda flat, f=function, t=targets: f(flat.reshape(6, 4), t, **options), p.ravel()
            )
            np.testing.assert_allclose(gradient.ravel(), expected, rtol=1e-7, atol=1e-7)

    @pytest.mark.parametrize("reduction", ["mean", "batch_mean", "sum"])
    def test_of_binary_probabilities(self, rng, reduction):
        p, t = rng.uniform(0.2, 0.8, size=7), rng.uniform(size=7)
        options = {"class_weight": {0: 2.0, 1: 0.5}, "reduction": reduction, **options_of(rng, 7)}
        _, gradient = binary_cross_entropy(p, t, return_gradient=True, **options)
        expected = gradient_by_differences(lambda p: binary_cross_entropy(p, t, **options), p)
        np.testing.assert_allclose(gradient, expected, rtol=1e-7, atol=1e-7)

    def test_in_closed_form(self, logits, labels, distributions, rng):
        q = scipy.special.softmax(logits, axis=1)
        _, of_logits = cross_entropy(logits, labels, reduction="none", return_gradient=True)
        np.testing.assert_allclose(of_logits, q - np.eye(4)[labels], atol=1e-15)
        _, of_probabilities = categorical_cross_entropy(q, distributions, reduction="none", return_gradient=True)
        np.testing.assert_allclose(of_probabilities, -distributions / q, rtol=1e-14)
        p, t = rng.uniform(size=9), rng.uniform(size=9)
        _, binary = binary_cross_entropy(p, t, reduction="none", return_gradient=True)
        np.testing.assert_allclose(binary, (p - t) / (p * (1 - p)), rtol=1e-12)
        z = rng.standard_normal(9)
        _, binary = binary_cross_entropy_with_logits(z, t, reduction="none", return_gradient=True)
        np.testing.assert_allclose(binary, scipy.special.expit(z) - t, atol=1e-15)

    def test_rows_sum_to_zero(self, logits, labels, loss):
        _, gradient = cross_entropy(logits, labels, loss=loss, label_smoothing=0.1, return_gradient=True)
        np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-15)

    def test_the_chain_rule_through_the_jacobian(self, logits, distributions):
        _, of_logits = cross_entropy(logits, distributions, reduction="none", return_gradient=True)
        q = scipy.special.softmax(logits, axis=1)
        _, of_probabilities = categorical_cross_entropy(q, distributions, reduction="none", return_gradient=True)
        chained = np.einsum("ijk,ij->ik", softmax_jacobian(logits), of_probabilities)
        np.testing.assert_allclose(chained, of_logits, atol=1e-14)

    def test_of_entropy_and_divergence(self):
        p, q = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]), np.array([[0.4, 0.5, 0.1], [0.2, 0.2, 0.6]])
        # Along the simplex, where alone these are defined.
        direction = np.array([[1e-5, -1e-5, 0.0], [0.0, 2e-5, -2e-5]])
        for value, gradient, x in (
            (lambda p: entropy(p, reduction="sum"), entropy(p, reduction="sum", return_gradient=True)[1], p),
            (
                lambda q: kl_divergence(p, q, reduction="sum"),
                kl_divergence(p, q, reduction="sum", return_gradient=True)[1],
                q,
            ),
        ):
            slope = (value(x + direction) - value(x - direction)) / 2
            assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-7)


class TestIdentities:
    def test_cross_entropy_is_entropy_plus_divergence(self, rng):
        p, q = rng.dirichlet(np.ones(5), size=100), rng.dirichlet(np.ones(5), size=100)
        np.testing.assert_allclose(
            categorical_cross_entropy(q, p, reduction="none"), entropy(p) + kl_divergence(p, q), rtol=1e-13
        )
        np.testing.assert_allclose(entropy(p), categorical_cross_entropy(p, p, reduction="none"), rtol=1e-13)
        assert (kl_divergence(p, q) >= 0).all()
        np.testing.assert_array_equal(kl_divergence(p, p), 0)

    def test_entropy_of_a_certain_and_an_even_distribution(self):
        _, gradient = entropy([0.2, 0.8], return_gradient=True)
        np.testing.assert_allclose(gradient, -np.log([0.2, 0.8]) - 1, rtol=1e-14)
        np.testing.assert_allclose(entropy([[1.0, 0.0, 0.0, 0.0], [0.25] * 4]), [0, math.log(4)], atol=1e-16)

    def test_categorical_of_two_classes_is_binary(self, rng):
        p, t = rng.uniform(size=50), rng.uniform(size=50)
        pairs = [np.stack([1 - x, x], axis=1) for x in (p, t)]
        np.testing.assert_allclose(
            categorical_cross_entropy(*pairs, reduction="none"),
            binary_cross_entropy(p, t, reduction="none"),
            rtol=1e-12,
        )
        z = rng.standard_normal(50)
        np.testing.assert_allclose(
            cross_entropy(np.stack([np.zeros(50), z], axis=1), pairs[1], reduction="none"),
            binary_cross_entropy_with_logits(z, t, reduction="none"),
            rtol=1e-12,
        )

    def test_logits_and_their_probabilities_cost_the_same(self, logits, labels, distributions):
        q = scipy.special.softmax(logits, axis=1)
        options = {"class_weight": "balanced", "label_smoothing": 0.2}
        assert cross_entropy(logits, labels, **options) == pytest.approx(
            sparse_categorical_cross_entropy(q, labels, **options), rel=1e-13
        )
        assert cross_entropy(logits, distributions, **options) == pytest.approx(
            categorical_cross_entropy(q, distributions, **options), rel=1e-13
        )

    def test_labels_are_one_hot_distributions(self, logits, labels):
        options = {"class_weight": "effective", "label_smoothing": 0.2, "loss": Poly1Loss(2.0)}
        assert cross_entropy(logits, labels, **options) == pytest.approx(
            cross_entropy(logits, np.eye(4)[labels], **options), rel=1e-14
        )

    def test_focal_loss_of_gamma_zero_is_cross_entropy(self, logits, labels):
        assert focal_loss(logits, labels, gamma=0) == cross_entropy(logits, labels)

    def test_log_loss(self, logits, labels, rng):
        q, weights = scipy.special.softmax(logits, axis=1), rng.uniform(size=6)
        theirs = log_loss(labels, q, labels=range(4), sample_weight=weights)
        assert sparse_categorical_cross_entropy(q, labels, sample_weight=weights) == pytest.approx(theirs, rel=1e-14)

    def test_any_leading_axes(self, logits, labels, rng):
        weights = rng.uniform(size=6)
        flat = cross_entropy(logits, labels, sample_weight=weights, reduction="none", return_gradient=True)
        cube = cross_entropy(
            logits.reshape(2, 3, 4),
            labels.reshape(2, 3),
            sample_weight=weights.reshape(2, 3),
            reduction="none",
            return_gradient=True,
        )
        for one, other in zip(flat, cube, strict=True):
            np.testing.assert_array_equal(one.ravel(), other.ravel())
        assert cube[0].shape == (2, 3)
        assert cube[1].shape == (2, 3, 4)

    def test_blocks_do_not_matter(self, rng):
        n_rows = 20_000  # several blocks
        logits, labels = rng.standard_normal((n_rows, 5)), rng.integers(0, 5, size=n_rows)
        losses = cross_entropy(logits, labels, reduction="none")
        expected = -scipy.special.log_softmax(logits, axis=1)[np.arange(n_rows), labels]
        np.testing.assert_allclose(losses, expected, rtol=1e-12)
        assert cross_entropy(logits, labels) == pytest.approx(expected.mean(), rel=1e-13)
        weights = np.arange(1.0, n_rows + 1)
        weighted = cross_entropy(logits, labels, sample_weight=weights)
        assert weighted == pytest.approx(np.average(expected, weights=weights), rel=1e-12)
        tags = rng.integers(0, 2, size=(n_rows, 5))
        losses, gradient = binary_cross_entropy_with_logits(logits, tags, reduction="none", return_gradient=True)
        np.testing.assert_allclose(losses, np.logaddexp(0, logits) - tags * logits, rtol=1e-10)
        weighted = binary_cross_entropy_with_logits(logits, tags, sample_weight=weights)
        assert weighted == pytest.approx(np.average(losses.mean(axis=1), weights=weights), rel=1e-12)
        np.testing.assert_allclose(gradient, scipy.special.expit(logits) - tags, atol=1e-14)

    def test_jacobian(self, logits):
        jacobian = softmax_jacobian(logits)
        for row, of_row in zip(logits, jacobian, strict=True):
            q = reference.softmax(row.tolist())
            expected = [[q[j] * ((j == k) - q[k]) for k in range(4)] for j in range(4)]
            np.testing.assert_allclose(of_row, expected, rtol=1e-12)
        np.testing.assert_allclose(jacobian.sum(axis=-1), 0, atol=1e-16)
        # q (1 - q) keeps its digits where q rounds to 1.
        assert softmax_jacobian([100.0, 0.0])[0, 0] == pytest.approx(math.exp(-100), rel=1e-14, abs=0)


class TestObjectiveOfTheEstimators:
    @pytest.mark.parametrize("loss", ["cross_entropy", "focal", FocalLoss(1.0)])
    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_softmax(self, rng, loss, n_classes):
        X, y = load_iris(return_X_y=True)
        X, y = X[y < n_classes], y[y < n_classes]
        weights = rng.uniform(0.5, 2, size=len(y))
        model = SoftmaxRegressor(loss=loss, class_weight="balanced", label_smoothing=0.1, C=0.5)
        logits = model.fit(X, y, weights).decision_function(X)
        options = {"class_weight": "balanced", "label_smoothing": 0.1, "sample_weight": weights}
        options |= {"loss": loss}
        function = binary_cross_entropy_with_logits if n_classes == 2 else cross_entropy
        penalty = (model.coef_**2).sum() / (2 * 0.5 * weights.sum())  # "balanced" leaves the total weight alone
        assert function(logits, y, **options) + penalty == pytest.approx(model.loss_, rel=1e-12)

    def test_labels_may_be_nullable_or_objects(self):
        logits, labels = [[1.0, 0.0], [0.5, 2.0], [0.0, 1.0]], np.array([1, 0, 1])
        expected = cross_entropy(logits, labels)
        for given in (labels.astype(object), labels.astype(float).astype(object), pd.Series(labels, dtype="Int64")):
            assert cross_entropy(logits, given) == expected
        booleans = pd.Series(labels == 1, dtype="boolean")
        assert cross_entropy(logits, booleans) == cross_entropy(logits, booleans.astype(object)) == expected
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        assert sparse_categorical_cross_entropy(p, pd.Series(labels, dtype="UInt8")) == pytest.approx(expected)
        for bad in (pd.Series([1, pd.NA, 0], dtype="Int64"), np.array([1, None, 0], object), [1.0, np.nan, 0.0]):
            with pytest.raises(ValueError, match=r"Input targets contains NaN.*: label 1 is"):
                cross_entropy(logits, bad)
        with pytest.raises(ValueError, match="targets must be whole numbers from 0 to 1, got 'a'"):
            cross_entropy(logits, np.array(["a", 1, 0], object))

    def test_multilabel(self, rng):
        X, tags = rng.standard_normal((40, 3)), rng.integers(0, 2, size=(40, 4))
        model = OneVsAllClassifier(class_weight={0: 3.0, 2: 0.5}, label_smoothing=0.1).fit(X, tags)
        value = binary_cross_entropy_with_logits(
            model.decision_function(X), tags, class_weight=[3.0, 1.0, 0.5, 1.0], label_smoothing=0.1, reduction="sum"
        )
        assert (value + (model.coef_**2).sum() / 2) / 40 == pytest.approx(model.loss_, rel=1e-12)


class TestEnds:
    """Probabilities of 0 and 1, where formulas in p alone are not numbers."""

    def test_what_does_not_happen_costs_nothing(self):
        value, gradient = categorical_cross_entropy([[0.0, 1.0]], [[0.0, 1.0]], reduction="sum", return_gradient=True)
        assert value == 0
        np.testing.assert_array_equal(gradient, [[0, -1]])
        value, gradient = binary_cross_entropy([0.0, 1.0], [0, 1], reduction="sum", return_gradient=True)
        assert value == 0
        np.testing.assert_array_equal(gradient, [1, -1])
        assert kl_divergence([0.0, 1.0], [0.5, 0.5]) == pytest.approx(math.log(2))

    def test_what_was_ruled_out_costs_infinity(self):
        value, gradient = sparse_categorical_cross_entropy([[0.0, 1.0]], [0], return_gradient=True)
        assert value == math.inf
        np.testing.assert_array_equal(gradient, [[-math.inf, 0]])
        value, gradient = binary_cross_entropy([0.0], [1], return_gradient=True)
        assert value == math.inf
        np.testing.assert_array_equal(gradient, [-math.inf])
        assert kl_divergence([0.5, 0.5], [0.0, 1.0]) == math.inf

    def test_probabilities_near_zero_keep_their_digits(self):
        assert binary_cross_entropy(1e-20, 0) == pytest.approx(1e-20, rel=1e-14, abs=0)

    def test_the_gradient_keeps_its_digits_where_a_probability_rounds_to_one(self):
        _, gradient = cross_entropy([50.0, 0.0, 0.0], 0, return_gradient=True)
        np.testing.assert_allclose(gradient, np.array([-2, 1, 1]) * math.exp(-50), rtol=1e-14, atol=0)

    def test_sigmoids_keep_their_digits_where_a_probability_rounds_to_one(self):
        _, gradient = binary_cross_entropy_with_logits([40.0], [1], return_gradient=True)
        np.testing.assert_allclose(gradient, -math.exp(-40), rtol=1e-14)
        # phi(q) = -(1 - q) log q, which tends to (1 - q)^2.
        loss = binary_cross_entropy_with_logits([-40.0], [0], loss=FocalLoss(1.0))
        assert loss == pytest.approx(math.exp(-80), rel=1e-12, abs=0)

    def test_rounding_outside_of_the_probabilities_is_moved_to_their_ends(self):
        assert binary_cross_entropy([-1e-9], [0]) == 0
        assert binary_cross_entropy(np.array([1.002], np.float16), [1]) == 0

    def test_a_probability_below_the_normal_floats_warns_of_nothing(self):
        q = np.array([[1e-41, 1.0]], np.float32)
        value, gradient = sparse_categorical_cross_entropy(q, [0], return_gradient=True)
        assert value == pytest.approx(41 * math.log(10), rel=1e-3)
        assert gradient[0, 0] == -math.inf

    def test_divergence_is_never_negative(self, rng):
        p = rng.dirichlet(np.ones(5), size=1000)
        q = p * (1 + 1e-9 * rng.standard_normal((1000, 5)))
        assert (kl_divergence(p, q / q.sum(axis=1, keepdims=True)) >= 0).all()

    def test_logits_of_ten_thousand(self, loss):
        logits = np.array([[1e4, 0.0, -1e4], [-1e4, -1e4, 1e4]])
        value, gradient = cross_entropy(logits, [2, 0], loss=loss, label_smoothing=0.1, return_gradient=True)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()
        tags = (logits < 0).astype(int)
        value, gradient = binary_cross_entropy_with_logits(logits, tags, loss=loss, return_gradient=True)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


class TestArrays:
    def test_the_arguments_stay_as_they_are(self, logits, labels, distributions):
        tags = (distributions > 0.3).astype(float)
        for array in (logits, labels, distributions, tags):
            array.flags.writeable = False
        cross_entropy(logits, labels, label_smoothing=0.1, return_gradient=True)
        cross_entropy(logits, distributions, return_gradient=True)
        categorical_cross_entropy(distributions, distributions, return_gradient=True)
        binary_cross_entropy(distributions, tags, return_gradient=True)
        binary_cross_entropy_with_logits(logits, tags, return_gradient=True)
        softmax_jacobian(logits)
        entropy(distributions, return_gradient=True)

    @pytest.mark.parametrize("reduction", REDUCTIONS)
    def test_dtypes(self, logits, labels, reduction):
        value, gradient = cross_entropy(logits.astype(np.float32), labels, reduction=reduction, return_gradient=True)
        assert gradient.dtype == np.float32
        expected, expected_gradient = cross_entropy(logits, labels, reduction=reduction, return_gradient=True)
        np.testing.assert_allclose(value, expected, rtol=1e-5)
        np.testing.assert_allclose(gradient, expected_gradient, atol=1e-6)
        if reduction == "none":
            assert value.dtype == np.float32
        else:
            assert type(value) is float
        assert cross_entropy(logits.astype(np.float16), labels, reduction="none").dtype == np.float64

    def test_one_row_stays_as_it_is(self):
        logits = np.array([[1.0, 2.0, 3.0]])
        cross_entropy(logits, [0], return_gradient=True)
        softmax_jacobian(logits[0])
        binary_cross_entropy_with_logits(logits, [[0, 1, 1]])
        np.testing.assert_array_equal(logits, [[1, 2, 3]])

    def test_objects_that_are_numbers(self):
        assert cross_entropy(np.array([[1, 2.5]], dtype=object), [1]) == cross_entropy([[1, 2.5]], [1])

    def test_sums_of_float32_are_float64(self):
        logits = np.zeros((20, 2), np.float32)
        logits[:, 0] = 3e37
        assert cross_entropy(logits, np.ones(20, int), reduction="sum") == pytest.approx(6e38, rel=1e-6)

    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    @pytest.mark.parametrize("scale", [1e-42, 1e42])
    def test_the_scale_of_weights_does_not_matter(self, logits, labels, rng, dtype, scale):
        weights, class_weight = rng.uniform(0.5, 2, size=6), np.array([1, 0.5, 2, 3])
        logits = logits.astype(dtype)
        options = {"label_smoothing": 0.1, "return_gradient": True}
        expected = cross_entropy(logits, labels, sample_weight=weights, class_weight=class_weight, **options)
        for factors in ((scale, 1), (1, scale)):
            scaled = {"sample_weight": factors[0] * weights, "class_weight": factors[1] * class_weight}
            value, gradient = cross_entropy(logits, labels, **scaled, **options)
            assert value == pytest.approx(expected[0], rel=1e-6)
            np.testing.assert_allclose(gradient, expected[1], rtol=1e-5)
            total = cross_entropy(logits, labels, label_smoothing=0.1, reduction="sum", **scaled)
            assert total / (scale * (weights * class_weight[labels]).sum()) == pytest.approx(value, rel=1e-6)
        tags = labels % 2
        expected = binary_cross_entropy_with_logits(logits[:, 0], tags, sample_weight=weights)
        scaled = binary_cross_entropy_with_logits(logits[:, 0], tags, sample_weight=scale * weights)
        assert scaled == pytest.approx(expected, rel=1e-6)

    def test_more_axes_of_elements(self, rng):
        z, t, weights = rng.standard_normal((4, 3, 2)), rng.integers(0, 2, size=(4, 3, 2)), rng.uniform(size=4)
        losses, gradient = binary_cross_entropy_with_logits(
            z, t, sample_weight=weights, reduction="none", return_gradient=True
        )
        np.testing.assert_allclose(losses, weights[:, None, None] * (np.logaddexp(0, z) - t * z), rtol=1e-12)
        np.testing.assert_allclose(gradient, weights[:, None, None] * (scipy.special.expit(z) - t), rtol=1e-12)

    def test_probabilities_that_came_through_float32(self, rng):
        p = rng.dirichlet(np.ones(7), size=50)
        rough = p.astype(np.float32).tolist()
        assert entropy(rough).mean() == pytest.approx(entropy(p).mean(), rel=1e-6)
        assert np.isfinite(entropy(p.astype(np.float16))).all()
        assert sparse_categorical_cross_entropy([[1.0000001, 0.0]], [0]) == 0
        with pytest.raises(ValueError, match="rows sum to 1"):
            entropy([0.5, 0.4999])

    def test_memory_is_that_of_a_block(self, rng):
        logits, labels = rng.standard_normal((200_000, 10)), rng.integers(0, 10, size=200_000)
        tracemalloc.start()
        cross_entropy(logits, labels)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < logits.nbytes

    def test_numbers_in_and_out(self):
        assert binary_cross_entropy(0.25, 1) == pytest.approx(math.log(4))
        assert type(cross_entropy([0.0, 0.0], 1, reduction="none")) is float
        assert type(entropy([0.5, 0.5])) is float

    def test_labels_that_are_whole_numbers_of_any_type(self, logits, labels):
        expected = cross_entropy(logits, labels)
        assert cross_entropy(logits, labels.astype(float)) == expected
        assert cross_entropy(logits, labels.astype(np.uint8).tolist()) == expected
        z, tags = logits[:, 0], labels > 1
        assert binary_cross_entropy_with_logits(z, tags) == binary_cross_entropy_with_logits(z, tags.astype(int))

    def test_classes_that_all_weigh_nothing(self):
        assert cross_entropy([[1.0, 2.0]], [0], class_weight=[0, 0], reduction="sum") == 0

    def test_class_weights_of_every_kind(self, logits, labels):
        counts = np.bincount(labels, minlength=4)
        weights = np.where(counts > 0, len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 1)
        expected = cross_entropy(logits, labels, class_weight=weights)
        assert cross_entropy(logits, labels, class_weight="balanced") == pytest.approx(expected, rel=1e-14)
        assert cross_entropy(logits, labels, class_weight=dict(enumerate(weights))) == expected
        assert cross_entropy(logits, labels, class_weight=pd.Series(weights)) == expected
        assert cross_entropy(logits, labels, class_weight=("effective", 0.0)) == cross_entropy(logits, labels)

    def test_class_weights_of_binary_targets(self):
        z, t = np.array([0.3, -1.0, 2.0]), np.array([0, 1, 1])
        expected = binary_cross_entropy_with_logits(z, t, sample_weight=[2, 0.5, 0.5])
        assert binary_cross_entropy_with_logits(z, t, class_weight=[2, 0.5]) == pytest.approx(expected, rel=1e-15)
        assert binary_cross_entropy_with_logits(z, t, class_weight={0: 2, 1: 0.5}) == pytest.approx(expected, rel=1e-15)
        balanced = binary_cross_entropy_with_logits(z, t, class_weight="balanced")
        assert balanced == pytest.approx(
            binary_cross_entropy_with_logits(z, t, sample_weight=[1.5, 0.75, 0.75]), rel=1e-15
        )

    def test_weights_of_rows_and_of_elements(self, rng):
        z, t, weights = rng.standard_normal((5, 3)), rng.integers(0, 2, size=(5, 3)), rng.uniform(size=5)
        by_row = binary_cross_entropy_with_logits(z, t, sample_weight=weights)
        by_element = binary_cross_entropy_with_logits(z, t, sample_weight=np.repeat(weights, 3).reshape(5, 3))
        assert by_row == pytest.approx(by_element, rel=1e-15)

    def test_balanced_labels(self, rng):
        z, t = rng.standard_normal((8, 2)), np.array([[0, 1]] * 3 + [[1, 1]] * 2 + [[0, 0]] * 3)
        value = binary_cross_entropy_with_logits(z, t, class_weight="balanced", reduction="sum")
        by_label = [
            binary_cross_entropy_with_logits(z[:, k], t[:, k], class_weight="balanced", reduction="sum") for k in (0, 1)
        ]
        assert value == pytest.approx(sum(by_label), rel=1e-14)


class TestErrors:
    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: cross_entropy([[1.0, 2.0]], [2]), "targets must be whole numbers from 0 to 1, got 2; np.unique"),
            (lambda: cross_entropy([[1.0, 2.0]], [-1]), "got -1"),
            (lambda: cross_entropy([[1.0, 2.0]], [0.5]), "got 0.5"),
            (lambda: cross_entropy([[1.0, 2.0]], ["a"]), "got 'a'"),
            (lambda: cross_entropy([[1.0, 2.0]], [0, 1]), r"labels of shape \(1,\).*got shape \(2,\)"),
            (lambda: cross_entropy([[1.0, 2.0]], [[0.5, 0.6]]), r"targets must be distributions.*sum to 1; got 1.1"),
            (lambda: cross_entropy([[1.0, 2.0]], [[0.5, 0.2, 0.3]]), r"shape of the predictions, \(1, 2\)"),
            (
                lambda: cross_entropy([[1.0, 2.0]], [[-0.5, 1.5]]),
                r"targets must be .* -0.5 at \(0, 0\)",
            ),
            (lambda: cross_entropy([1.0, -2.0, 3.0], [0, 0, 1]), "ambiguous.*3 binary logits use binary_cross_entropy"),
            (lambda: cross_entropy([[1.0, 2.0]] * 3, [[0], [1], [0]]), r"a column, of which ravel\(\) makes labels"),
            (lambda: sparse_categorical_cross_entropy([[0.5, 0.5]] * 3, [[0], [1], [0]]), "ravel"),
            (lambda: cross_entropy([1.0], 0), "logits must have two classes or more.*binary_cross_entropy_with_logits"),
            (lambda: cross_entropy([[np.nan, 2.0]], [0]), r"logits must be finite, or -inf.*; got nan at \(0, 0\)"),
            (lambda: cross_entropy([[np.inf, 2.0]], [0]), r"logits must be finite, or -inf.*; got inf at \(0, 0\)"),
            (lambda: binary_cross_entropy_with_logits([1.0], [1], loss=object()), "loss must be.*loss object"),
            (lambda: cross_entropy([[1.0, 2.0]], [0], class_weight=[1, np.inf]), "class_weight must hold 2 finite"),
            (
                lambda: cross_entropy(np.zeros((3, 2, 4)), np.zeros((3, 2), int), sample_weight=np.ones(3)),
                r"sample_weight must have the shape \(3, 2\), got \(3,\)",
            ),
            (lambda: cross_entropy([[1j, 2.0]], [0]), "logits must be an array of real numbers, got dtype complex128"),
            (lambda: cross_entropy([["a", "b"]], [0]), "logits must be an array of real numbers"),
            (lambda: cross_entropy([[1.0, 2.0], [1.0]], [0, 0]), "logits must be an array of numbers"),
            (lambda: cross_entropy(np.empty((0, 3)), []), "logits must not be empty"),
            (lambda: cross_entropy(np.ma.masked_less([[1.0, 2.0]], 1.5), [0]), "logits must not be masked"),
            (
                lambda: cross_entropy([[1.0, 2.0], [1.0, 2.0]], [[0.5, 0.5], [1.0]]),
                "targets must be an array",
            ),
            (
                lambda: binary_cross_entropy([[0.5, 0.5]], [[1, 1]], sample_weight=[1.0, 2.0]),
                r"sample_weight must have the shape \(1, 2\) or \(1,\), got \(2,\)",
            ),
            (lambda: cross_entropy([[1.0, 2.0]], [0], loss=FocalLoss), r"got <class.*pass an instance, FocalLoss\(\)"),
            (lambda: cross_entropy([[1.0, 2.0]], [0], loss=FocalLoss), "pass an instance"),
            (lambda: cross_entropy([[1.0, 2.0]], [0], class_weight=[1.0]), "class_weight must hold 2 finite numbers"),
            (lambda: cross_entropy([[1.0, 2.0]], [0], class_weight=[1.0, -1.0]), "class_weight must hold 2"),
            (lambda: cross_entropy([[1.0, 2.0]], [0], class_weight="balance"), "class_weight must be None"),
            (lambda: cross_entropy([[1.0, 2.0]], [0], class_weight=[0.0, 1.0]), "total weight"),
            (lambda: cross_entropy([[1.0, 2.0]], [0], sample_weight=[1.0, 2.0]), r"sample_weight.*\(1,\), got \(2,\)"),
            (lambda: cross_entropy([[1.0, 2.0]], [0], sample_weight=[-1.0]), "sample_weight"),
            (lambda: cross_entropy([[1.0, 2.0]], [0], label_smoothing=1.0), r"label_smoothing must be .*\[0, 1\)"),
            (
                lambda: cross_entropy([[1.0, 2.0]], [0], reduction="avg"),
                "reduction must be one of 'mean', 'batch_mean'",
            ),
            (lambda: cross_entropy([[1.0, 2.0]], [0], reduction=None), "reduction must be one of"),
            (lambda: cross_entropy([[1.0, 2.0]], [0], return_gradient=1), "return_gradient must be True or False"),
            (lambda: focal_loss([[1.0, 2.0]], [0], gamma=-1), "gamma must be a finite number of at least 0"),
            (
                lambda: binary_cross_entropy([1.5], [1]),
                r"must be in \[0, 1\]; got 1.5 at \(0,\); binary_cross_entropy_with_logits",
            ),
            (
                lambda: binary_cross_entropy([0.5], [2]),
                r"targets must be in \[0, 1\]; got 2.0",
            ),
            (lambda: binary_cross_entropy([0.5], [[1]]), r"targets must have the shape.*\(1,\), got \(1, 1\)"),
            (lambda: binary_cross_entropy([[0.5]], [[1]], class_weight=[1, 2]), "class_weight must hold 1 finite"),
            (lambda: binary_cross_entropy([[[0.5]]], [[[1]]], class_weight=[1]), "class_weight needs binary or multi"),
            (lambda: categorical_cross_entropy([[0.5, 0.5]], [1]), "targets must be distributions.*sparse_cat"),
            (lambda: sparse_categorical_cross_entropy([[0.5, 0.5]], [[0, 1]]), "labels must be labels of shape"),
            (
                lambda: sparse_categorical_cross_entropy([[2.0, -1.0]], [0]),
                "probabilities must be in.*cross_entropy takes logits",
            ),
            (lambda: entropy([0.5, 0.6]), r"p must be distributions, whose rows sum to 1; got 1.1\."),
            (lambda: kl_divergence([0.5, 0.5], [1.0, 0.0, 0.0]), "p and q must have the same shape"),
            (lambda: softmax_jacobian(1.0), "logits must have two classes or more"),
        ],
    )
    def test_each_names_the_argument(self, call, message):
        with pytest.raises(ValueError, match=message):
            call()
