"""OneVsAllClassifier against one binary LogisticRegression a column, multiclass and multilabel."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.utils.class_weight import compute_class_weight

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce.metrics import neg_binary_log_loss_scorer
from tests import reference
from tests.problems import TIGHT, overlapping

PEER = {"tol": 1e-10, "max_iter": 10_000}


@pytest.fixture
def tagged(rng):
    """Features (n, d) and a multilabel indicator (n, L) of labels that overlap."""
    X = rng.standard_normal((80, 3))
    return X, (X @ rng.standard_normal((3, 4)) + rng.logistic(size=(80, 4)) > 0.3).astype(int)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


class TestMulticlass:
    # scikit-learn 1.8 has LogisticRegression(C=inf) warn of what it does by itself.
    @pytest.mark.filterwarnings("ignore:Setting penalty=None will ignore the C:UserWarning")
    @pytest.mark.parametrize("C", [0.1, 10.0, np.inf])
    @pytest.mark.parametrize("fit_intercept", [True, False])
    def test_each_column_is_its_own_logistic_regression(self, C, fit_intercept, rng):
        X, y = overlapping(rng, n_samples=150, n_classes=4)
        weight = rng.uniform(0.5, 1.5, size=len(y))
        ours = OneVsAllClassifier(C=C, fit_intercept=fit_intercept, **TIGHT).fit(X, y, sample_weight=weight)
        for k in range(4):
            theirs = LogisticRegression(C=C, fit_intercept=fit_intercept, **PEER).fit(X, y == k, sample_weight=weight)
            np.testing.assert_allclose(ours.coef_[k], theirs.coef_[0], atol=1e-6)
            np.testing.assert_allclose(ours.intercept_[k], theirs.intercept_[0], atol=1e-6)

    def test_a_dict_of_class_weights_reaches_every_column(self, rng):
        X, y = overlapping(rng, n_samples=150)
        class_weight = {0: 0.5, 1: 4.0, 2: 1.0}
        ours = OneVsAllClassifier(class_weight=class_weight, **TIGHT).fit(X, y)
        weight = np.array([class_weight[label] for label in y])
        for k in range(3):
            theirs = LogisticRegression(**PEER).fit(X, y == k, sample_weight=weight)
            np.testing.assert_allclose(ours.coef_[k], theirs.coef_[0], atol=1e-6)

    def test_probabilities_are_the_sigmoids_normalised(self, rng):
        X, y = overlapping(rng)
        model = OneVsAllClassifier().fit(X, y)
        sigmoids = sigmoid(model.decision_function(X))
        np.testing.assert_allclose(model.predict_proba(X), sigmoids / sigmoids.sum(axis=1, keepdims=True), rtol=1e-12)
        np.testing.assert_array_equal(model.predict(X), model.predict_proba(X).argmax(axis=1))

    def test_a_class_with_nearly_all_the_weight_is_the_one_predicted(self, rng):
        X, y = overlapping(rng)
        model = OneVsAllClassifier().fit(X, y, sample_weight=np.where(y == 0, 1.0, 1e-18))
        assert (model.predict(X) == 0).all()

    def test_probabilities_stay_normalised_where_all_sigmoids_vanish(self, rng):
        X, y = overlapping(rng)
        model = OneVsAllClassifier().fit(X, y)
        model.coef_, model.intercept_ = np.zeros((3, 3)), np.array([-1e4, -1e4, -1e4 - 1])
        expected = np.exp([0, 0, -1]) / np.exp([0, 0, -1]).sum()
        np.testing.assert_allclose(model.predict_proba(X[:1]), [expected], rtol=1e-12)

    def test_two_classes_are_the_softmax_regressor(self, rng):
        X, y = overlapping(rng, n_classes=2)
        one_vs_all, softmax = OneVsAllClassifier(loss="focal").fit(X, y), SoftmaxRegressor(loss="focal").fit(X, y)
        np.testing.assert_array_equal(one_vs_all.coef_, softmax.coef_)
        np.testing.assert_array_equal(one_vs_all.predict_proba(X), softmax.predict_proba(X))

    @pytest.mark.parametrize("soft", [False, True])
    def test_loss_is_the_objective(self, soft, rng):
        X, y = overlapping(rng)
        rows = rng.dirichlet(np.ones(3), size=len(y)) if soft else np.eye(3)[y]
        weights = {0: 1.0, 1: 2.0, 2: 0.5}
        settings = {"loss": "focal", "label_smoothing": 0.1, "class_weight": weights}
        model = OneVsAllClassifier(C=2.0, **settings).fit(X, rows if soft else y)
        weights_for = reference.softmax_targets(rows, np.ones(len(y)), list(weights.values()), 0.0)
        weights_against = [[sum(row) - weight for weight in row] for row in weights_for]
        pairs = reference.sigmoid_targets(weights_for, weights_against, 0.1)
        phi, total = reference.PHI["focal_2"], sum(map(sum, weights_for))
        expected = reference.sigmoid_objective(X, pairs, total, phi, model.coef_, model.intercept_, 2.0)
        assert model.loss_ == pytest.approx(expected, rel=1e-12)

    def test_a_class_without_samples_keeps_a_column_below_eps(self, rng):
        X, y = overlapping(rng)
        model = OneVsAllClassifier(classes=["a", "b", "c", "d"], **TIGHT).fit(20 * X, np.array(["a", "c", "d"])[y])
        without = OneVsAllClassifier(**TIGHT).fit(20 * X, y)
        probabilities = model.predict_proba(20 * X)
        assert (probabilities[:, 1] < np.finfo(float).eps).all()
        np.testing.assert_allclose(probabilities[:, [0, 2, 3]], without.predict_proba(20 * X), atol=1e-6)

    def test_two_of_three_declared_classes_are_the_two_alone_the_limit_of_a_third_that_weighs_nothing(self, rng):
        X, y = overlapping(rng)
        two = y < 2
        declared = OneVsAllClassifier(classes=[0, 1, 2], **TIGHT).fit(X[two], y[two])
        alone = OneVsAllClassifier(**TIGHT).fit(X[two], y[two])
        np.testing.assert_allclose(declared.predict_proba(X)[:, :2], alone.predict_proba(X), atol=1e-7)
        weighing_nothing = OneVsAllClassifier(**TIGHT).fit(X, y, two.astype(float))
        np.testing.assert_allclose(declared.predict_proba(X), weighing_nothing.predict_proba(X), atol=1e-7)
        distances = []
        for weight in (1e-2, 1e-4, 1e-6):
            nearly = OneVsAllClassifier(**TIGHT).fit(X, y, np.where(two, 1.0, weight))
            distances.append(np.abs(nearly.predict_proba(X) - declared.predict_proba(X)).max())
        assert distances[0] > 10 * distances[1] > 100 * distances[2]


class TestMultilabel:
    @pytest.mark.parametrize(
        "container",
        [
            np.asarray,
            np.ndarray.tolist,
            list,
            lambda y: y.astype(bool),
            lambda y: y.astype(np.float32),
            pd.DataFrame,
            scipy.sparse.csr_matrix,
            scipy.sparse.csc_array,
            scipy.sparse.lil_array,
        ],
    )
    def test_each_column_is_its_own_logistic_regression(self, container, tagged, rng):
        X, y = tagged
        weight = rng.uniform(0.5, 1.5, size=len(y))
        ours = OneVsAllClassifier(C=3.0, **TIGHT).fit(X, container(y), sample_weight=weight)
        assert ours.multilabel_
        assert ours.classes_.tolist() == [0, 1, 2, 3]
        expected = np.empty(y.shape)
        for k in range(4):
            theirs = LogisticRegression(C=3.0, **PEER).fit(X, y[:, k], sample_weight=weight)
            np.testing.assert_allclose(ours.coef_[k], theirs.coef_[0], atol=1e-6)
            expected[:, k] = theirs.predict_proba(X)[:, 1]
        np.testing.assert_allclose(ours.predict_proba(X), expected, atol=1e-6)
        np.testing.assert_allclose(ours.predict_log_proba(X), np.log(expected), atol=1e-5)
        np.testing.assert_array_equal(ours.predict(X), expected > 0.5)
        assert ours.predict(X).dtype == int
        np.testing.assert_allclose(sigmoid(ours.decision_function(X)), expected, atol=1e-6)

    def test_score_counts_rows_whose_labels_are_all_right(self, tagged):
        X, y = tagged
        model = OneVsAllClassifier().fit(X, y)
        assert model.score(X, y) == pytest.approx((model.predict(X) == y).all(axis=1).mean())

    def test_a_class_weight_is_the_weight_of_the_positives(self, tagged):
        X, y = tagged
        ours = OneVsAllClassifier(class_weight={1: 5.0}, **TIGHT).fit(X, y)
        for k, weight in enumerate([1.0, 5.0, 1.0, 1.0]):
            theirs = LogisticRegression(class_weight={0: 1.0, 1: weight}, **PEER).fit(X, y[:, k])
            np.testing.assert_allclose(ours.coef_[k], theirs.coef_[0], atol=1e-6)

    def test_balanced_balances_each_label(self, tagged):
        X, y = tagged
        ours = OneVsAllClassifier(class_weight="balanced", **TIGHT).fit(X, y)
        for k in range(4):
            balance = compute_class_weight("balanced", classes=np.array([0, 1]), y=y[:, k])
            theirs = LogisticRegression(class_weight=dict(enumerate(balance)), **PEER).fit(X, y[:, k])
            np.testing.assert_allclose(ours.coef_[k], theirs.coef_[0], atol=1e-6)

    def test_columns_of_a_frame_name_the_labels(self, tagged):
        X, y = tagged
        frame = pd.DataFrame(y, columns=["rain", "snow", "hail", "fog"])
        model = OneVsAllClassifier(class_weight={"snow": 5.0}).fit(X, frame)
        assert model.classes_.tolist() == ["rain", "snow", "hail", "fog"]
        np.testing.assert_array_equal(model.coef_, OneVsAllClassifier(class_weight={1: 5.0}).fit(X, y).coef_)

    def test_a_warm_start_follows_the_names_of_the_labels(self, tagged):
        X, y = tagged
        frame = pd.DataFrame(y, columns=["rain", "snow", "hail", "fog"])
        model = OneVsAllClassifier(warm_start=True).fit(X, frame)
        reordered = ["fog", "rain", "hail", "snow"]
        assert model.fit(X, frame[reordered]).n_iter_[0] <= 1
        assert model.classes_.tolist() == reordered

    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    def test_a_label_with_one_outcome_becomes_that_constant_with_a_warning(self, dtype, tagged):
        X, y = tagged
        X, y = X.astype(dtype), np.column_stack([y, np.zeros(len(y), int), np.ones(len(y), int)])
        with pytest.warns(UserWarning, match=r"one outcome only for the labels \[4, 5\]"):
            model = OneVsAllClassifier().fit(X, y)
        probabilities, eps = model.predict_proba(X), np.finfo(dtype).eps
        assert (probabilities[:, 4] < eps).all()
        assert (probabilities[:, 5] >= 1 - eps).all()
        np.testing.assert_allclose(
            probabilities[:, :4], OneVsAllClassifier().fit(X, y[:, :4]).predict_proba(X), atol=1e-6
        )

    @pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
    def test_a_label_with_one_outcome_is_found_whatever_the_weights(self, container, rng):
        X, weight = rng.standard_normal((1000, 2)), rng.uniform(size=1000)
        y = np.column_stack([rng.integers(0, 2, size=1000), np.ones(1000, int), np.zeros(1000, int)])
        with pytest.warns(UserWarning, match=r"labels \[1, 2\]"):
            OneVsAllClassifier().fit(X, container(y), sample_weight=weight)

    @pytest.mark.parametrize("dtype", ["Int64", "boolean", "object", "bool"])
    def test_a_frame_of_any_dtype_of_zeros_and_ones_is_multilabel(self, dtype, tagged):
        X, y = tagged
        model = OneVsAllClassifier().fit(X, pd.DataFrame(y).astype(dtype))
        assert model.multilabel_
        np.testing.assert_array_equal(model.coef_, OneVsAllClassifier().fit(X, y).coef_)

    def test_entries_of_a_sparse_indicator_that_stand_twice_are_no_indicator(self, rng):
        twice = scipy.sparse.coo_array((np.ones(3), ([0, 0, 1], [0, 0, 1])), shape=(2, 2))
        with pytest.raises(ValueError, match="must be a matrix of zeros and ones"):
            OneVsAllClassifier().fit(rng.standard_normal((2, 2)), twice)

    def test_a_warm_start_from_two_classes_to_two_labels_is_an_error(self, rng):
        X, y = overlapping(rng, n_classes=2)
        model = OneVsAllClassifier(warm_start=True).fit(X, y)
        with pytest.raises(ValueError, match="one is multilabel"):
            model.fit(X, np.column_stack([y, 1 - y]))

    def test_labels_that_all_have_one_outcome_are_all_constant(self, rng):
        X, y = rng.standard_normal((5, 2)), np.tile([0, 1], (5, 1))
        with pytest.warns(UserWarning, match=r"labels \[0, 1\]"):
            model = OneVsAllClassifier().fit(X, y)
        np.testing.assert_array_equal(model.predict(X), y)

    def test_smoothing_pulls_each_label_towards_a_half(self, tagged):
        X, y = tagged
        plain, smoothed = (
            OneVsAllClassifier(C=np.inf, **TIGHT).fit(X, y),
            OneVsAllClassifier(C=np.inf, label_smoothing=0.2, **TIGHT).fit(X, y),
        )
        np.testing.assert_allclose(smoothed.predict_proba(X).mean(axis=0), 0.8 * y.mean(axis=0) + 0.1, atol=1e-6)
        np.testing.assert_allclose(plain.predict_proba(X).mean(axis=0), y.mean(axis=0), atol=1e-6)

    def test_two_labels_are_scored_from_the_decision_function(self, tagged):
        X, y = tagged
        model = OneVsAllClassifier().fit(X, y[:, :2])
        assert model.decision_function(X).shape == (80, 2)
        assert roc_auc_score(y[:, :2], model.decision_function(X)) == roc_auc_score(y[:, :2], model.predict_proba(X))

    def test_a_matrix_of_zeros_and_ones_is_multilabel_even_if_its_rows_sum_to_one(self, rng):
        X, y = overlapping(rng)
        assert OneVsAllClassifier().fit(X, np.eye(3)[y]).multilabel_
        assert not OneVsAllClassifier().fit(X, 0.9 * np.eye(3)[y] + 0.1 / 3).multilabel_
        assert not OneVsAllClassifier().fit(X, y).multilabel_

    def test_classes_says_that_columns_of_zeros_and_ones_exclude_each_other(self, rng):
        X, y = overlapping(rng)
        model = OneVsAllClassifier(classes=[0, 1, 2]).fit(X, np.eye(3)[y])
        assert not model.multilabel_
        np.testing.assert_allclose(model.coef_, OneVsAllClassifier().fit(X, y).coef_, atol=1e-12)

    def test_a_frame_is_scored_by_the_names_of_its_columns(self, tagged):
        X, y = tagged
        frame = pd.DataFrame(y, columns=["rain", "snow", "hail", "fog"])
        model = OneVsAllClassifier().fit(X, frame)
        for scored in (model.score, partial(neg_binary_log_loss_scorer, model)):
            assert scored(X, frame[["fog", "rain", "hail", "snow"]]) == scored(X, frame) == scored(X, y)
            with pytest.raises(ValueError, match=r"columns of y are .*'sun'.* labels of the model are .*'fog'"):
                scored(X, frame.rename(columns={"fog": "sun"}))
        numbered = pd.DataFrame(y)
        assert OneVsAllClassifier().fit(X, numbered).score(X, numbered[[2, 0, 3, 1]]) == model.score(X, y)
        named_later = OneVsAllClassifier().fit(X, y)
        assert named_later.score(X, frame) == named_later.score(X, y)
