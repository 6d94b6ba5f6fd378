"""Calibration errors and the parts of the Brier score, against plain Python, cases worked by hand and scikit-learn."""

import math
from functools import partial

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.metrics import brier_score_loss, log_loss

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce.display import ReliabilityDisplay
from skce.metrics import (
    bootstrap_standard_error,
    brier_decomposition,
    classwise_calibration_error,
    expected_calibration_error,
)
from skce.metrics.bins import binned
from tests.problems import overlapping


def calibrated(rng, n_samples, n_classes=3):
    """Labels (n,) drawn from probabilities (n, K)."""
    p = rng.dirichlet(np.ones(n_classes), size=n_samples)
    return (p.cumsum(axis=1) < rng.uniform(size=(n_samples, 1))).sum(axis=1).clip(max=n_classes - 1), p


def error_by_loops(predictions, outcomes, weights, n_bins):
    """Expected calibration error in bins (a, b] of equal width, the first with 0; as the definition has it."""
    total, error = sum(weights), 0.0
    for b in range(n_bins):
        low, high = b / n_bins, (b + 1) / n_bins
        rows = [i for i, p in enumerate(predictions) if low < p <= high or (b == 0 and p == 0)]
        weight = sum(weights[i] for i in rows)
        if weight:
            frequency = sum(weights[i] * outcomes[i] for i in rows) / weight
            confidence = sum(weights[i] * predictions[i] for i in rows) / weight
            error += weight / total * abs(frequency - confidence)
    return error


class TestByLoops:
    @pytest.mark.parametrize("n_bins", [1, 10, 15])
    def test_top_label(self, n_bins, rng):
        y, p = calibrated(rng, 300)
        weights = rng.uniform(size=300)
        predicted = p.argmax(axis=1)
        expected = error_by_loops(p.max(axis=1).tolist(), (predicted == y).tolist(), weights.tolist(), n_bins)
        assert expected_calibration_error(y, p, n_bins=n_bins, sample_weight=weights) == pytest.approx(expected)

    def test_classwise(self, rng):
        y, p = calibrated(rng, 300)
        expected = [error_by_loops(p[:, k].tolist(), (y == k).tolist(), [1.0] * 300, 15) for k in range(3)]
        assert classwise_calibration_error(y, p) == pytest.approx(sum(expected) / 3)

    def test_brier_parts(self, rng):
        y, p = calibrated(rng, 200)
        weights = rng.uniform(size=200)
        parts = brier_decomposition(y, p, n_bins=10, strategy="uniform", sample_weight=weights)
        reliability = resolution = uncertainty = 0.0
        total = weights.sum()
        for k in range(3):
            share = sum(w for w, label in zip(weights, y, strict=True) if label == k) / total
            uncertainty += share * (1 - share)
            for b in range(10):
                rows = [i for i in range(200) if b / 10 < p[i, k] <= (b + 1) / 10]
                weight = sum(weights[i] for i in rows)
                if weight:
                    frequency = sum(weights[i] for i in rows if y[i] == k) / weight
                    mean = sum(weights[i] * p[i, k] for i in rows) / weight
                    reliability += weight / total * (frequency - mean) ** 2
                    resolution += weight / total * (frequency - share) ** 2
        assert parts.reliability == pytest.approx(reliability)
        assert parts.resolution == pytest.approx(resolution)
        assert parts.uncertainty == pytest.approx(uncertainty)


@pytest.fixture
def plt():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    yield pyplot
    pyplot.close("all")


DAYS = np.array(["2020-01-01", "2021-01-01"], "M8[D]")


class TestOneColumn:
    @pytest.fixture
    def problem(self, rng):
        codes, p = calibrated(rng, 200, n_classes=2)
        return codes, p**1.5 / (p**1.5).sum(axis=1, keepdims=True)

    @pytest.mark.parametrize("labels", [np.array([0, 1]), np.array(["no", "yes"]), np.array([False, True]), DAYS])
    @pytest.mark.parametrize("place", [0, 1])
    @pytest.mark.usefixtures("plt")
    def test_pos_label_says_whose_it_is(self, problem, labels, place):
        codes, p = problem
        y, column = labels[codes], p[:, place]
        for metric in (expected_calibration_error, classwise_calibration_error, brier_decomposition):
            expected = pytest.approx(metric(y, p), rel=1e-12)
            for y_proba in (column, column[:, None], pd.Series(column)):
                assert metric(y, y_proba, pos_label=labels[place]) == expected
            of_soft_labels = metric(pd.DataFrame(np.eye(2)[codes], columns=labels), column, pos_label=labels[place])
            assert of_soft_labels == expected
        for kind in ("top_label", "classwise"):
            display = ReliabilityDisplay.from_predictions(y, column, kind=kind, pos_label=labels[place])
            (panel,), (bins,) = display.bins.keys(), display.bins.values()
            assert panel == ("predicted class" if kind == "top_label" else str(labels[place]))
            error = expected_calibration_error if kind == "top_label" else classwise_calibration_error
            assert bins.error == pytest.approx(error(y, p), rel=1e-12)

    def test_the_score_is_scikit_learns(self, problem):
        codes, p = problem
        y = np.array(["no", "yes"])[codes]
        for place, pos_label in enumerate(["no", "yes"]):
            score = brier_decomposition(y, p[:, place], pos_label=pos_label).score
            assert score == pytest.approx(brier_score_loss(y, p[:, place], pos_label=pos_label), rel=1e-12)
        # The second of the sorted labels, as for labels of 0 and 1 there.
        assert brier_decomposition(y, p[:, 1]) == brier_decomposition(y, p[:, 1], pos_label="yes")
        error = bootstrap_standard_error(
            expected_calibration_error, y, p[:, 0], n_bootstraps=5, random_state=0, pos_label="no"
        )
        of_both = bootstrap_standard_error(expected_calibration_error, y, p, n_bootstraps=5, random_state=0)
        assert error == pytest.approx(of_both, rel=1e-12)

    def test_errors(self, problem):
        codes, p = problem
        y = np.array(["no", "yes"])[codes]
        with pytest.raises(ValueError, match=r"pos_label must be one of the labels, \['no', 'yes'\], got 'maybe'"):
            expected_calibration_error(y, p[:, 0], pos_label="maybe")
        with pytest.raises(ValueError, match="pos_label says of which of two classes a y_proba of one column is"):
            expected_calibration_error(y, p, pos_label="no")
        with pytest.raises(ValueError, match="or for a multilabel y_true; leave it out"):
            classwise_calibration_error([[1, 1], [0, 1]], [0.2, 0.3], pos_label=1)


class TestByHand:
    def test_two_bins(self):
        # Two samples at 0.9, one of them right; two at 0.8, both right: gaps of 0.4 and 0.2.
        p = [[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.2, 0.8]]
        assert expected_calibration_error([0, 1, 1, 1], p) == pytest.approx(0.3)
        assert classwise_calibration_error([0, 1, 1, 1], p) == pytest.approx(0.3)
        # Weights of 3 and 1 in the first bin: it is right by 3/4, of weight 4 of 6.
        weighted = expected_calibration_error([0, 1, 1, 1], p, sample_weight=[3, 1, 1, 1])
        assert weighted == pytest.approx(4 / 6 * 0.15 + 2 / 6 * 0.2)

    def test_certain_and_right(self):
        p = np.eye(3)[[0, 1, 2, 0]]
        assert expected_calibration_error([0, 1, 2, 0], p) == 0
        parts = brier_decomposition([0, 1, 2, 0], p, strategy="uniform")
        assert parts.score == parts.reliability == 0
        assert parts.resolution == pytest.approx(parts.uncertainty)

    def test_certain_and_wrong(self):
        assert expected_calibration_error([1, 1], [[1.0, 0.0], [1.0, 0.0]], labels=[0, 1]) == 1

    def test_noise_of_two_samples(self):
        # Residuals of -1/2 and 1/2, so that the mean of the two has the estimated variance 1/4; with no gap, noise of
        # that deviation has the mean size 1/2 sqrt(2 / pi).
        error = classwise_calibration_error([0, 1], [0.5, 0.5], debiased=True)
        assert error == pytest.approx(-0.5 * math.sqrt(2 / math.pi))
        # Residuals of -1/5 and 1/5: what predictions explain is no noise.
        error = classwise_calibration_error([0, 1], [0.2, 0.8], n_bins=1, debiased=True)
        assert error == pytest.approx(-0.2 * math.sqrt(2 / math.pi))

    def test_a_bin(self):
        # Half of four right at 0.9: residuals of 1/2 from the mean, whose variance is 1/4 / 3.
        bins, _ = binned(np.full(4, 0.9), np.array([0.0, 1, 0, 1]), np.ones(4), 1, "uniform")
        assert bins.variance.item() == pytest.approx(0.25 / 3)
        # Wilson's interval of 5 of 10, as tables have it.
        bins, _ = binned(np.full(10, 0.7), np.arange(10) % 2.0, np.ones(10), 1, "uniform")
        assert bins.interval(0.95) == (pytest.approx(0.236593, abs=1e-6), pytest.approx(0.763407, abs=1e-6))

    def test_the_score_of_labels_is_summed(self):
        # 0.01 + 0.04 over two samples in the first label, 0.01 + 0.01 in the second.
        parts = brier_decomposition([[1, 1], [0, 1]], [[0.9, 0.9], [0.2, 0.9]])
        assert parts.score == pytest.approx(0.035)

    def test_bins_of_equal_weight(self):
        p = [0.1, 0.2, 0.3, 0.9]
        # Two bins: {0.1, 0.2} and {0.3, 0.9}, of frequencies 0 and 1.
        error = classwise_calibration_error([0, 0, 1, 1], p, n_bins=2, strategy="quantile")
        assert error == pytest.approx((0.15 + 0.4) / 2)

    def test_predictions_that_are_all_the_same(self):
        parts = brier_decomposition([0, 1, 1, 1], [0.5] * 4)
        assert parts == pytest.approx((0.25, 0.0625, 0.0, 0.1875, 0.0))
        assert classwise_calibration_error([0, 1, 1, 1], [0.5] * 4, strategy="quantile") == pytest.approx(0.25)


class TestLaws:
    @pytest.mark.parametrize("strategy", ["uniform", "quantile"])
    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_the_parts_add_up_to_the_score(self, strategy, n_classes, rng):
        y, p = calibrated(rng, 500, n_classes)
        p = p**2 / (p**2).sum(axis=1, keepdims=True)  # too sure
        weights = rng.uniform(size=500)
        for n_bins in (1, 7, 15):
            parts = brier_decomposition(y, p, n_bins=n_bins, strategy=strategy, sample_weight=weights)
            total = parts.reliability - parts.resolution + parts.uncertainty + parts.within_bins
            assert parts.score == pytest.approx(total, rel=1e-12)
        theirs = brier_score_loss(y, p if n_classes > 2 else p[:, 1], sample_weight=weights)
        assert parts.score == pytest.approx(theirs, rel=1e-12)

    def test_within_bins_is_variance_less_twice_the_covariance(self, rng):
        y, p = calibrated(rng, 500, 2)
        variance, covariance = np.cov(p[:, 1], y, bias=True)[0]
        parts = brier_decomposition(y, p, n_bins=1)
        assert parts.within_bins == pytest.approx(variance - 2 * covariance, rel=1e-9)
        assert parts.within_bins < 0  # these predictions tell samples apart, which one bin does not see

    def test_soft_outcomes_add_up_too(self, rng):
        p, soft = rng.dirichlet(np.ones(3), size=100), rng.dirichlet(np.ones(3), size=100)
        parts = brier_decomposition(soft, p)
        assert parts.score == pytest.approx(((p - soft) ** 2).sum(axis=1).mean(), rel=1e-12)
        total = parts.reliability - parts.resolution + parts.uncertainty + parts.within_bins
        assert parts.score == pytest.approx(total, rel=1e-12)

    def test_weights_are_repetitions(self, rng):
        y, p = calibrated(rng, 200)
        weights = rng.integers(0, 4, size=200)
        repeated = np.repeat(y, weights), np.repeat(p, weights, axis=0)
        for strategy in ("uniform", "quantile"):
            for metric in (expected_calibration_error, classwise_calibration_error, brier_decomposition):
                once = metric(y, p, sample_weight=weights, strategy=strategy)
                assert once == pytest.approx(metric(*repeated, strategy=strategy), rel=1e-12)

    def test_the_scale_of_weights_does_not_matter(self, rng):
        y, p = calibrated(rng, 200)
        weights = rng.uniform(size=200)
        once = expected_calibration_error(y, p, sample_weight=weights, debiased=True)
        assert expected_calibration_error(y, p, sample_weight=10 * weights, debiased=True) == pytest.approx(once)
        bins = [binned(p[:, 0], (y == 0).astype(float), w, 10, "uniform")[0] for w in (weights, 10 * weights)]
        np.testing.assert_allclose(bins[0].interval(0.95), bins[1].interval(0.95))

    def test_the_order_of_rows_does_not_matter(self, rng):
        y, p = calibrated(rng, 200)
        order = rng.permutation(200)
        for metric in (expected_calibration_error, classwise_calibration_error, brier_decomposition):
            assert metric(y[order], p[order]) == pytest.approx(metric(y, p), rel=1e-12)

    def test_a_calibrated_sample_has_no_error_in_the_end(self, rng):
        errors = {}
        for n_samples in (300, 30_000, 3_000_000):
            y, p = calibrated(rng, n_samples)
            errors[n_samples] = [expected_calibration_error(y, p, debiased=debiased) for debiased in (False, True)]
        plain, debiased = zip(*errors.values(), strict=True)
        assert plain[0] > plain[1] > plain[2]
        assert abs(debiased[2]) < plain[2] < 0.002
        assert abs(debiased[0]) < 0.7 * plain[0]

    def test_debiasing_takes_off_what_noise_adds(self, rng):
        plain, debiased = [], []
        for _ in range(200):
            y, p = calibrated(rng, 500)
            p = p**2 / (p**2).sum(axis=1, keepdims=True)
            plain.append(expected_calibration_error(y, p))
            debiased.append(expected_calibration_error(y, p, debiased=True))
        y, p = calibrated(rng, 1_000_000)
        truth = expected_calibration_error(y, p**2 / (p**2).sum(axis=1, keepdims=True))
        assert np.mean(plain) > truth + 0.003
        assert abs(np.mean(debiased) - truth) < 0.5 * (np.mean(plain) - truth)

    def test_binary_in_one_column_or_two(self, rng):
        y, p = calibrated(rng, 100, 2)
        for metric in (expected_calibration_error, classwise_calibration_error, brier_decomposition):
            assert metric(y, p[:, 1]) == pytest.approx(metric(y, p), rel=1e-12)
            assert metric(y, p[:, [1]]) == metric(y, p[:, 1])

    def test_labels_of_any_kind(self, rng):
        y, p = calibrated(rng, 100)
        names = np.array(["a", "b", "c"])[y]
        assert expected_calibration_error(names, p) == expected_calibration_error(y, p)
        rare = y[y > 0], p[y > 0]
        assert expected_calibration_error(*rare, labels=[0, 1, 2]) > 0

    def test_columns_that_name_classes(self, rng):
        y, p = calibrated(rng, 100)
        names = np.array(["a", "b", "c"])[y]
        shuffled = pd.DataFrame(p, columns=["a", "b", "c"])[["c", "a", "b"]]
        for metric in (expected_calibration_error, classwise_calibration_error, brier_decomposition):
            assert metric(names, shuffled) == metric(y, p)
            ours, theirs = (
                bootstrap_standard_error(metric, *both, n_bootstraps=5, random_state=0)
                for both in ((names, shuffled), (y, p))
            )
            assert ours == theirs

    def test_multilabel(self):
        X, tags = make_multilabel_classification(n_classes=3, random_state=0)
        p = OneVsAllClassifier().fit(X, tags).predict_proba(X)
        each = [classwise_calibration_error(tags[:, k], p[:, k]) for k in range(3)]
        assert classwise_calibration_error(tags, p) == pytest.approx(np.mean(each))
        parts = [brier_decomposition(tags[:, k], p[:, k]).score for k in range(3)]
        assert brier_decomposition(tags, p).score == pytest.approx(sum(parts))
        # Rows of labels that sum to 1 are labels too, if their probabilities don't: gaps of 0.1, 0.2 and 0.4, 0.3.
        value = classwise_calibration_error([[1, 0], [0, 1]], [[0.9, 0.4], [0.2, 0.7]])
        assert value == pytest.approx((0.15 + 0.35) / 2)
        # Two labels whose probabilities happen to sum to 1 are labels all the same.
        assert classwise_calibration_error([[1, 1], [0, 1]], [[0.3, 0.7], [0.4, 0.6]]) == pytest.approx(0.45)
        with pytest.raises(ValueError, match=r"y_true is a multilabel indicator.*classwise_calibration_error"):
            expected_calibration_error(tags, p)


class TestBootstrap:
    def test_against_theory(self, rng):
        # The Brier score of 0.5 for all is 1/4; that of p for all is a mean, whose standard error is known.
        y, p = rng.integers(0, 2, size=2000), np.full(2000, 0.7)
        losses = (p - y) ** 2
        error = bootstrap_standard_error(brier_decomposition, y, p, n_bootstraps=400, random_state=0)
        assert error.score == pytest.approx(losses.std() / math.sqrt(2000), rel=0.15)
        assert type(error).__name__ == "BrierDecomposition"

    def test_the_deviation_of_the_draws(self):
        values = iter([1.0, 3.0])
        error = bootstrap_standard_error(lambda y, p, sample_weight: next(values), [0, 1], [0.5, 0.5], n_bootstraps=2)
        assert error == pytest.approx(math.sqrt(2))

    def test_rows_stay_together(self, rng):
        p = rng.uniform(size=50)

        def metric(y, q, sample_weight):
            np.testing.assert_array_equal(y, q)
            np.testing.assert_array_equal(q, sample_weight)
            return 0.0

        assert bootstrap_standard_error(metric, p, p, sample_weight=p, random_state=0) == 0

    def test_labels_that_are_given_go_first(self, rng):
        y, p = calibrated(rng, 50)
        y = np.minimum(y, 1)
        error = bootstrap_standard_error(classwise_calibration_error, y, p, labels=[0, 1, 2], random_state=0)
        assert error > 0

    def test_of_any_metric(self, rng):
        y, p = calibrated(rng, 300)
        error = bootstrap_standard_error(log_loss, y, p, random_state=0, labels=[0, 1, 2])
        losses = -np.log(p[np.arange(300), y])
        assert error == pytest.approx(losses.std() / math.sqrt(300), rel=0.25)

    def test_of_a_difference(self, rng):
        y, p = calibrated(rng, 500, 2)
        both = np.stack([p[:, 1], p[:, 1]], axis=1)
        error = bootstrap_standard_error(
            lambda y, both, sample_weight: np.subtract(*(((q - y) ** 2).mean() for q in both.T)),
            y,
            both,
            random_state=0,
        )
        assert error == 0
        with pytest.raises(TypeError, match="metric must be a function"):
            bootstrap_standard_error(y, p, expected_calibration_error)

    def test_is_repeatable_and_takes_options_and_weights(self, rng):
        y, p = calibrated(rng, 300)
        options = {"n_bins": 5, "sample_weight": rng.uniform(size=300), "n_bootstraps": 20}
        one = bootstrap_standard_error(expected_calibration_error, y, p, random_state=1, **options)
        assert one == bootstrap_standard_error(expected_calibration_error, y, p, random_state=1, **options)
        assert one > 0

    def test_weights_are_drawn_with_the_samples(self, rng):
        y, p = calibrated(rng, 500)
        few = np.where(np.arange(500) < 20, 1.0, 1e-6)
        narrow = bootstrap_standard_error(brier_decomposition, y, p, random_state=0).score
        wide = bootstrap_standard_error(brier_decomposition, y, p, sample_weight=few, random_state=0).score
        assert wide > 3 * narrow

    def test_names_of_columns_go_with_the_rows(self, rng):
        p = rng.dirichlet(np.ones(3), size=50)
        soft = pd.DataFrame(p[:, ::-1], columns=["c", "b", "a"])
        assert brier_decomposition(soft, p).score == pytest.approx(0, abs=1e-15)
        assert bootstrap_standard_error(brier_decomposition, soft, p, random_state=0).score < 1e-12
        tags = rng.integers(0, 2, size=(50, 3))
        sparse = scipy.sparse.csr_array(tags)
        q = rng.uniform(size=(50, 3))
        one, other = (
            bootstrap_standard_error(classwise_calibration_error, y, q, random_state=0) for y in (tags, sparse)
        )
        assert one == pytest.approx(other, rel=1e-12)

    def test_draws_that_lack_a_class(self, rng):
        y, p = calibrated(rng, 30)
        y[:] = 0
        y[0], y[1] = 1, 2
        assert bootstrap_standard_error(partial(classwise_calibration_error, n_bins=5), y, p, random_state=0) > 0
        assert bootstrap_standard_error(classwise_calibration_error, y, p, random_state=0) > 0


class TestErrors:
    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: expected_calibration_error([0, 1], [[0.5, 0.5]]), "inconsistent numbers of samples"),
            (lambda: expected_calibration_error([0, 1], [0.5, 1.5]), r"y_proba must be in \[0, 1\]; got 1.5"),
            (
                lambda: expected_calibration_error([0, 1], [[0.5, 0.2], [0.5, 0.5]]),
                "rows that sum to 1.*row 0 sums to 0.7",
            ),
            (lambda: expected_calibration_error([0, 0], [0.5, 0.5]), r"2 columns, but.*1 classes, \[0\]; name all"),
            (lambda: expected_calibration_error([0, 1], [[[0.5]]] * 2), "y_proba must have one or two axes"),
            (
                lambda: expected_calibration_error([0, 1], [0.5, 0.5], n_bins=0),
                "n_bins must be an integer of at least 1",
            ),
            (lambda: expected_calibration_error([0, 1], [0.5, 0.5], strategy="width"), "strategy must be 'uniform' or"),
            (lambda: expected_calibration_error([0, 1], [0.5, 0.5], debiased=1), "debiased must be True or False"),
            (lambda: expected_calibration_error([0, 1], [0.5, 0.5], sample_weight=[1, -1]), "[Nn]egative"),
            (
                lambda: expected_calibration_error([0, 1], [0.5, 0.5], labels=[1, 0]),
                r"labels must be sorted, as the columns of y_proba are to be, got \[1, 0\]",
            ),
            (
                lambda: expected_calibration_error([0, 2], [0.5, 0.5], labels=[0, 1]),
                r"y_true holds labels that are not in labels: \[2\]; labels is \[0, 1\]",
            ),
            (lambda: expected_calibration_error([0, 1], [0.5, 0.5], labels="a"), "^labels must be a sequence"),
            (lambda: expected_calibration_error([0, 1], [0.5, 0.5], labels=[0, 0]), "^labels must name every class"),
            (lambda: expected_calibration_error([0, 1], [0.5, 0.5], labels=[0, None]), "Input labels contains"),
            (lambda: expected_calibration_error([0.5, 0.3], [0.5, 0.5]), "^y_true must hold labels"),
            (lambda: expected_calibration_error([0, None], [0.5, 0.5]), "Input y_true contains"),
            (lambda: expected_calibration_error([0, "a"], [0.5, 0.5]), "^y_true must hold labels of one type"),
            (lambda: expected_calibration_error([[0.5, 0.1]], [[0.5, 0.5]]), "^y_true must hold distributions"),
            (lambda: expected_calibration_error([[np.nan, 1.0]], [[0.5, 0.5]]), "^y_true contains NaN"),
            (lambda: expected_calibration_error([[-0.5, 1.5]], [[0.5, 0.5]]), "^y_true has a negative"),
            (lambda: expected_calibration_error([["a", "b"]], [[0.5, 0.5]]), "^y_true has several columns"),
            (
                lambda: expected_calibration_error([[0.5, 0.5]], [[0.5, 0.5]], labels=[0, 1, 2]),
                "^y_true has 2 columns for the 3 classes in labels",
            ),
            (
                lambda: expected_calibration_error(pd.DataFrame({"a": [0.5], "b": 0.5}), [[0.5, 0.5]], labels=["a"]),
                "^y_true has columns that are not in labels",
            ),
            (
                lambda: expected_calibration_error([[0.5, 0.5]], [[0.5, 0.5]], labels=[1, 0]),
                "an array y_true stand in .*, but labels is .* or give y_true as",
            ),
            (lambda: bootstrap_standard_error(log_loss, [[0], [0, 1]], [0.5, 0.5]), "^y_true is a list of rows"),
            (lambda: bootstrap_standard_error(log_loss, [0, 1, 0, 1], [0.5, 0.5]), "inconsistent numbers of samples"),
            (lambda: bootstrap_standard_error(log_loss, [0, 1], [0.5, 0.5], n_bootstraps=1), "n_bootstraps must be an"),
        ],
    )
    def test_each_names_the_argument(self, call, message):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.usefixtures("plt")
class TestReliabilityDisplay:
    def test_top_label(self, rng):
        y, p = calibrated(rng, 2000)
        display = ReliabilityDisplay.from_predictions(y, p, n_bins=10)
        (panel,), (counts,) = display.axes_, display.count_axes_
        _, line = panel.get_lines()
        confidence, right = p.max(axis=1), p.argmax(axis=1) == y
        for x, frequency, bar in zip(*line.get_data(), counts.patches, strict=True):
            low, high = bar.get_x(), bar.get_x() + bar.get_width()
            rows = (confidence > low) & (confidence <= high)
            assert bar.get_height() == rows.sum()
            assert x == pytest.approx(confidence[rows].mean())
            assert frequency == pytest.approx(right[rows].mean())
        error = expected_calibration_error(y, p, n_bins=10)
        assert panel.get_title().endswith(f"{error:.3f}")

    def test_classwise(self, rng):
        X, y = load_iris(return_X_y=True)
        model = SoftmaxRegressor().fit(X, y)
        display = ReliabilityDisplay.from_estimator(model, X, y, kind="classwise", class_names=["a", "b", "c"])
        assert [panel.get_title()[0] for panel in display.axes_] == ["a", "b", "c"]
        rare = y > 0  # a test set that lacks a class
        display = ReliabilityDisplay.from_estimator(model, X[rare], y[rare], kind="classwise")
        assert len(display.axes_) == 3
        binary = SoftmaxRegressor().fit(X[y < 2], y[y < 2])
        assert len(ReliabilityDisplay.from_estimator(binary, X[y < 2], y[y < 2], kind="classwise").axes_) == 1
        features, tags = make_multilabel_classification(n_classes=5, random_state=0)
        tagger = OneVsAllClassifier().fit(features, tags)
        assert len(ReliabilityDisplay.from_estimator(tagger, features, tags, kind="classwise").axes_) == 5

    def test_columns_go_by_the_classes_of_the_model_whatever_their_order(self, rng):
        class Model:
            classes_ = np.array(["spam", "eggs", "ham"])

            def predict_proba(self, X):
                return X

        codes, p = calibrated(rng, 60)
        y = Model.classes_[codes]
        for kind in ("top_label", "classwise"):
            display = ReliabilityDisplay.from_estimator(Model(), p, y, kind=kind, class_names=["s", "e", "h"])
            expected = ReliabilityDisplay.from_predictions(codes, p, kind=kind, class_names=["s", "e", "h"])
            assert display.bins.keys() == expected.bins.keys()
            for name, bins in display.bins.items():
                np.testing.assert_array_equal(bins.outcome, expected.bins[name].outcome)
                np.testing.assert_array_equal(bins.prediction, expected.bins[name].prediction)
        with pytest.raises(ValueError, match="in sorted order of the classes"):
            ReliabilityDisplay.from_estimator(Model(), p, p)

    def test_options_are_passed_on(self, rng):
        X, y = overlapping(rng, n_samples=100)
        model, weights = SoftmaxRegressor().fit(X, y), rng.uniform(size=100)
        options = {"n_bins": 4, "strategy": "quantile", "sample_weight": weights}
        (ours,) = ReliabilityDisplay.from_estimator(model, X, y, **options).bins.values()
        (theirs,) = ReliabilityDisplay.from_predictions(y, model.predict_proba(X), **options).bins.values()
        np.testing.assert_array_equal(ours.outcome, theirs.outcome)
        np.testing.assert_array_equal(ours.weight, theirs.weight)
        plain = ReliabilityDisplay.from_estimator(model, X, y).bins["predicted class"]
        assert len(plain.weight) != len(ours.weight) or (plain.weight != ours.weight).any()

    def test_columns_of_labels_go_by_their_names(self):
        X, tags = make_multilabel_classification(n_classes=3, random_state=0)
        tags = pd.DataFrame(tags, columns=["a", "b", "c"])
        model = OneVsAllClassifier().fit(X, tags)
        one = ReliabilityDisplay.from_estimator(model, X, tags, kind="classwise").bins
        other = ReliabilityDisplay.from_estimator(model, X, tags[["c", "b", "a"]], kind="classwise").bins
        assert list(one) == list(other) == ["a", "b", "c"]
        for name in one:
            assert one[name].error == other[name].error

    def test_the_band_is_drawn(self, rng):
        y, p = calibrated(rng, 500)
        display = ReliabilityDisplay.from_predictions(y, p)
        (bins,) = display.bins.values()
        (band,) = display.axes_[0].collections
        low, high = bins.interval(0.95)
        corners = {tuple(corner) for corner in band.get_paths()[0].vertices.round(12).tolist()}
        for x, *ends in zip(bins.prediction, low, high, strict=True):
            assert {(round(x, 12), round(end, 12)) for end in ends} <= corners

    def test_bins_that_are_one_number_are_in_sight(self):
        p = np.repeat([0.0, 0.5, 0.9], [50, 10, 10])
        display = ReliabilityDisplay.from_predictions(p > 0.4, p, kind="classwise", strategy="quantile")
        assert min(bar.get_width() for bar in display.count_axes_[0].patches) > 0.005

    def test_samples_without_weight_are_not_drawn(self):
        y, p = [0, 1, 0, 1, 1], [0.15, 0.25, 0.55, 0.85, 0.95]
        display = ReliabilityDisplay.from_predictions(y, p, sample_weight=[1, 1, 0, 1, 1], kind="classwise")
        (bins,) = display.bins.values()
        np.testing.assert_allclose(bins.prediction, [0.15, 0.25, 0.85, 0.95])

    def test_the_band_covers_what_is_calibrated(self, rng):
        covered, bins_seen = 0, 0
        for _ in range(40):
            y, p = calibrated(rng, 400)
            confidence, right = p.max(axis=1), (p.argmax(axis=1) == y).astype(float)
            bins, _ = binned(confidence, right, np.ones(400), 10, "uniform")
            low, high = bins.interval(0.95)
            covered += ((low <= bins.prediction) & (bins.prediction <= high)).sum()
            bins_seen += len(low)
        assert 0.9 < covered / bins_seen <= 0.99

    @pytest.mark.parametrize("kind", ["top_label", "classwise"])
    def test_protocol(self, kind, plt, rng):
        y, p = calibrated(rng, 200)
        figure, axes = plt.subplots(1, 2, figsize=(16, 5), layout="constrained")
        display = ReliabilityDisplay.from_predictions(y, p, kind=kind, ax=axes[1])
        assert display.ax_ is axes[1]
        assert display.figure_ is figure
        assert not axes[0].has_data()
        again = display.plot()
        assert again is display
        assert display.figure_ is not figure
        display.figure_.canvas.draw()
        box, width, height = display.figure_.get_tightbbox(), *display.figure_.get_size_inches()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height

    @pytest.mark.parametrize("unit", ["D", "us", "ns"])
    def test_labels_that_are_dates(self, rng, unit):
        codes, p = calibrated(rng, 200)
        days = np.array(["2020-01-01", "2021-01-01", "2022-06-30"], f"M8[{unit}]")
        for labels in (days, days - days[0]):
            for options in ({"kind": "top_label"}, {"kind": "classwise"}):
                of_dates = ReliabilityDisplay.from_predictions(labels[codes], p, **options)
                of_codes = ReliabilityDisplay.from_predictions(codes, p, **options)
                for drawn, expected in zip(of_dates.bins.values(), of_codes.bins.values(), strict=True):
                    np.testing.assert_array_equal(drawn.outcome, expected.outcome)
            assert list(of_dates.bins) == list(map(str, labels))
        X = rng.standard_normal((len(codes), 2))
        model = SoftmaxRegressor().fit(X, days[codes])
        display = ReliabilityDisplay.from_estimator(model, X, days[codes], kind="classwise")
        assert list(display.bins) == days.astype(str).tolist()

    def test_errors(self, rng):
        y, p = calibrated(rng, 50)
        with pytest.raises(ValueError, match="kind must be 'auto', 'top_label' or 'classwise', got 'both'"):
            ReliabilityDisplay.from_predictions(y, p, kind="both")
        with pytest.raises(ValueError, match="class_names must have 3 entries, got 1"):
            ReliabilityDisplay.from_predictions(y, p, class_names=["a"])
        with pytest.raises(ValueError, match="class_names must all be different"):
            ReliabilityDisplay.from_predictions(y, p, class_names=["a", "other", "other"])
        X, tags = make_multilabel_classification(n_classes=3, random_state=0)
        model = OneVsAllClassifier().fit(X, tags)
        with pytest.raises(ValueError, match="kind must be 'classwise' for a multilabel y_true"):
            ReliabilityDisplay.from_estimator(model, X, tags, kind="top_label")
