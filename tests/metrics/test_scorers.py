"""Scorers against sklearn.metrics.log_loss and loops, and where scikit-learn's own scorer fails."""

import math
import pickle
from functools import partial

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn import config_context
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, log_loss
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    LearningCurveDisplay,
    StratifiedKFold,
    ValidationCurveDisplay,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skce import OneVsAllClassifier, SoftmaxRegressor, metrics
from skce.metrics import neg_binary_log_loss_scorer, neg_log_loss_scorer
from tests.problems import overlapping


@pytest.fixture
def problem(rng):
    return overlapping(rng, n_samples=100)


@pytest.fixture(scope="module")
def tagged():
    return make_multilabel_classification(n_samples=80, n_classes=3, random_state=0)


class Fixed:
    """A model that predicts the probabilities that it is made of."""

    def __init__(self, probabilities, classes):
        self.probabilities = np.asarray(probabilities)
        self.classes_ = np.asarray(classes)

    def predict_proba(self, X):
        return self.probabilities


class TestNegLogLoss:
    @pytest.mark.parametrize("n_classes", [2, 4])
    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    @pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier, LogisticRegression])
    def test_equals_log_loss_to_the_last_bit(self, n_classes, dtype, make_estimator, rng):
        X, y = overlapping(rng, n_samples=100, n_classes=n_classes)
        X, y, weight = X.astype(dtype), np.array(["d", "a", "c", "b"])[y], rng.uniform(size=len(y))
        model = make_estimator(C=100.0).fit(X, y)
        assert neg_log_loss_scorer(model, X, y) == -log_loss(y, model.predict_proba(X))
        # scikit-learn's scorer takes one column of two, and 1 minus it for the other, in their dtype.
        peer = get_scorer("neg_log_loss")(model, X, y)
        assert neg_log_loss_scorer(model, X, y) == pytest.approx(peer, rel=8 * float(np.finfo(dtype).eps))
        assert neg_log_loss_scorer(model, X, y, sample_weight=weight) == -log_loss(
            y, model.predict_proba(X), sample_weight=weight
        )

    def test_a_test_fold_may_lack_a_class(self, problem):
        X, y = problem
        model = SoftmaxRegressor().fit(X, y)
        X, y = X[y != 1], y[y != 1]
        expected = -np.log(model.predict_proba(X)[np.arange(len(y)), y]).mean()
        assert neg_log_loss_scorer(model, X, y) == pytest.approx(-expected, rel=1e-14)
        assert neg_log_loss_scorer(model, X[y == 0], y[y == 0]) < 0

    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    def test_a_class_that_training_never_saw_has_probability_zero_clipped(self, dtype):
        model = Fixed(np.array([[0.75, 0.25], [0.5, 0.5]], dtype=dtype), ["a", "c"])
        cap = -math.log(np.finfo(dtype).eps)
        expected = -(cap - math.log(0.5)) / 2
        for unseen in ("b", "A", "d"):
            assert neg_log_loss_scorer(model, None, [unseen, "c"]) == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize(
        ("classes", "unseen"),
        [(["ab", "cd"], "a longer one"), ([False, True], 2), (np.array([0, 1], dtype=np.int8), 300)],
    )
    def test_a_label_that_the_dtype_of_the_classes_cannot_hold_is_unseen_too(self, classes, unseen):
        model = Fixed([[0.75, 0.25], [0.5, 0.5]], classes)
        y = np.array([unseen, np.asarray(classes).tolist()[1]])
        assert neg_log_loss_scorer(model, None, y) == pytest.approx((math.log(np.finfo(float).eps) - math.log(2)) / 2)

    @pytest.mark.parametrize("n_unseen", [0, 1])
    def test_columns_go_by_the_classes_of_the_model_whatever_their_order(self, n_unseen, rng):
        classes = np.array(["spam", "eggs", "ham"])
        y = np.append(rng.permutation(np.repeat(classes, 5)), ["bacon"] * n_unseen)
        p = rng.dirichlet(np.ones(3), size=len(y))
        order = np.argsort(classes)
        score = neg_log_loss_scorer(Fixed(p, classes), None, y)
        # Each label has the probability of the column that its class heads; an unseen one the smallest.
        of_label = (p * (y[:, None] == classes)).sum(axis=1).clip(np.finfo(float).eps)
        assert score == pytest.approx(np.log(of_label).mean(), rel=1e-14)
        assert score == neg_log_loss_scorer(Fixed(p[:, order], classes[order]), None, y)
        if not n_unseen:
            assert score == -log_loss(y, p[:, order])

    def test_soft_labels_go_by_the_names_of_their_columns_or_are_an_error(self, rng):
        classes, p, soft = ["spam", "eggs", "ham"], rng.dirichlet(np.ones(3), size=9), rng.dirichlet(np.ones(3), size=9)
        expected = (soft * np.log(p)).sum(axis=1).mean()
        frame = pd.DataFrame(soft, columns=classes)
        for y in (frame, frame[["eggs", "spam", "ham"]]):
            assert neg_log_loss_scorer(Fixed(p, classes), None, y) == pytest.approx(expected, rel=1e-14)
        with pytest.raises(ValueError, match=r"in sorted order of the classes.*or give y as a DataFrame"):
            neg_log_loss_scorer(Fixed(p, classes), None, soft)

    def test_labels_of_another_type_or_missing_are_errors(self):
        model = Fixed([[0.75, 0.25], [0.5, 0.5]], [0, 1])
        with pytest.raises(ValueError, match=r"labels of another type than the classes of the model, \[0, 1\]"):
            neg_log_loss_scorer(model, None, ["0", "1"])
        with pytest.raises(ValueError, match="Input y contains NaN"):
            neg_log_loss_scorer(model, None, [np.nan, 1])

    def test_a_search_goes_on_where_folds_lack_classes(self):
        X, y = load_iris(return_X_y=True)
        # The labels are sorted, so that each of three contiguous folds is a class that training never saw.
        search = GridSearchCV(
            SoftmaxRegressor(), {"C": [1e-4, 1e-2]}, scoring=neg_log_loss_scorer, cv=KFold(3), error_score="raise"
        )
        assert np.isfinite(search.fit(X, y).cv_results_["mean_test_score"]).all()

    @pytest.mark.parametrize("weighted", [False, True])
    def test_soft_labels_are_the_mean_of_their_labels(self, weighted, problem, rng):
        X, y = problem
        model = SoftmaxRegressor().fit(X, y)
        soft, weight = rng.dirichlet(np.ones(3), size=len(y)), rng.uniform(size=len(y))
        copies = np.tile(X, (3, 1)), np.repeat(np.arange(3), len(y))
        row_weight = weight if weighted else np.ones(len(y))
        expected = neg_log_loss_scorer(model, *copies, sample_weight=(row_weight[:, None] * soft).T.ravel())
        given = weight if weighted else None
        assert neg_log_loss_scorer(model, X, soft, sample_weight=given) == pytest.approx(expected, rel=1e-12)
        frame = pd.DataFrame(soft, columns=[0, 1, 2])[[2, 0, 1]]
        assert neg_log_loss_scorer(model, X, frame, sample_weight=given) == pytest.approx(expected, rel=1e-12)

    def test_certain_predictions_are_clipped_at_both_ends(self):
        model = Fixed([[1.0, 0.0], [0.0, 1.0]], [0, 1])
        for y in ([0, 1], [1, 1]):
            expected = neg_log_loss_scorer(model, None, y)
            assert expected < 0
            assert neg_log_loss_scorer(model, None, np.eye(2)[y]) == pytest.approx(expected, rel=1e-12, abs=0)

    def test_a_multilabel_model_is_sent_to_the_other_scorer(self, problem):
        X, y = problem
        model = OneVsAllClassifier().fit(X, np.eye(3)[y])
        for labels in (np.eye(3)[y], y):
            with pytest.raises(ValueError, match="neg_binary_log_loss_scorer"):
                neg_log_loss_scorer(model, X, labels)

    def test_soft_labels_that_are_no_distributions_name_the_row(self, problem):
        X, y = problem
        model, soft = SoftmaxRegressor().fit(X, y), np.eye(3)[y]
        soft[4] = 0.5
        with pytest.raises(ValueError, match=r"row 4 sums to 1\.5"):
            neg_log_loss_scorer(model, X, soft)

    def test_weights_of_another_length(self, problem):
        X, y = problem
        model = SoftmaxRegressor().fit(X, y)
        for labels in (y, np.eye(3)[y]):
            with pytest.raises(ValueError, match="inconsistent numbers of samples"):
                neg_log_loss_scorer(model, X, labels, sample_weight=np.ones(3))
            with pytest.raises(ValueError, match="inconsistent numbers of samples"):
                neg_log_loss_scorer(model, X, labels[:1])

    @pytest.mark.parametrize("bad", [np.nan, -1.0])
    @pytest.mark.parametrize("make_labels", [lambda y: y, lambda y: np.eye(3)[y]])
    def test_weights_that_a_fit_refuses(self, bad, make_labels, problem):
        X, y = problem
        model = SoftmaxRegressor().fit(X, y)
        some_bad = np.where(np.arange(len(y)) == 2, bad, 1.0)
        for scored in (model.score, partial(neg_log_loss_scorer, model)):
            for weight in (some_bad, np.full(len(y), bad)):
                with pytest.raises(ValueError, match="sample_weight"):
                    scored(X, make_labels(y), sample_weight=weight)


class TestNegBinaryLogLoss:
    @pytest.mark.parametrize("n_labels", [2, 3])
    @pytest.mark.parametrize("container", [np.asarray, np.ndarray.tolist, scipy.sparse.csr_array, pd.DataFrame])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_is_the_mean_over_the_labels_of_log_loss(self, n_labels, container, weighted, tagged, rng):
        X, y = tagged[0], tagged[1][:, :n_labels]
        weight = rng.uniform(size=len(y)) if weighted else None
        model = OneVsAllClassifier(C=0.01).fit(X, y)
        each = [
            log_loss(y[:, k], model.predict_proba(X)[:, k], sample_weight=weight, labels=[0, 1])
            for k in range(n_labels)
        ]
        score = neg_binary_log_loss_scorer(model, X, container(y), sample_weight=weight)
        assert score == pytest.approx(-np.mean(each), rel=1e-12)

    def test_clips_certain_probabilities(self):
        model = Fixed([[0.0, 1.0], [0.5, 0.5]], [0, 1])
        score = neg_binary_log_loss_scorer(model, None, [[1, 1], [0, 1]])
        assert score == pytest.approx((math.log(np.finfo(float).eps) + 2 * math.log(0.5)) / 4, rel=1e-12)

    def test_chooses_in_a_search(self, tagged):
        X, y = tagged
        search = GridSearchCV(
            make_pipeline(StandardScaler(), OneVsAllClassifier()),
            {"onevsallclassifier__C": [1e-4, 1.0]},
            scoring=neg_binary_log_loss_scorer,
            error_score="raise",
        )
        assert search.fit(X, y).best_index_ == 1

    def test_weights_that_a_fit_refuses(self, tagged):
        X, y = tagged
        model = OneVsAllClassifier().fit(X, y)
        for scored in (model.score, partial(neg_binary_log_loss_scorer, model)):
            with pytest.raises(ValueError, match="sample_weight"):
                scored(X, y, sample_weight=-np.ones(len(y)))

    def test_labels_and_other_shapes_are_errors(self, tagged):
        X, y = tagged
        model = OneVsAllClassifier(C=0.01).fit(X, y)
        with pytest.raises(ValueError, match="y must be a matrix of zeros and ones"):
            neg_binary_log_loss_scorer(model, X, y[:, 0])
        with pytest.raises(ValueError, match=r"one probability a label, shape \(80, 2\), got \(80, 3\)"):
            neg_binary_log_loss_scorer(model, X, y[:, :2])


@pytest.mark.parametrize("name", ["neg_binary_log_loss_scorer", "neg_log_loss_scorer"])
class TestScorers:
    def problem(self, name, tagged):
        X, y = tagged
        model = OneVsAllClassifier(C=0.01)
        return (model, X, y) if "binary" in name else (model, X, y[:, 0])

    def test_carry_sample_weight_by_metadata_routing(self, name, tagged):
        scorer = getattr(metrics, name)
        model, X, y = self.problem(name, tagged)
        weight = 1.0 + np.arange(len(y))
        folds = KFold(2)
        with config_context(enable_metadata_routing=True):
            scores = cross_validate(
                model.set_fit_request(sample_weight=False),
                X,
                y,
                scoring=scorer.set_score_request(sample_weight=True),
                params={"sample_weight": weight},
                cv=folds,
            )["test_score"]
            ignored = cross_validate(
                model.set_fit_request(sample_weight=True),
                X,
                y,
                scoring={"it": scorer.set_score_request(sample_weight=False)},
                params={"sample_weight": weight},
                cv=folds,
            )["test_it"]
            with pytest.raises(UnsetMetadataPassedError):
                cross_validate(model, X, y, scoring=scorer, params={"sample_weight": weight}, cv=folds)
        for k, (train, test) in enumerate(folds.split(X)):
            plain = OneVsAllClassifier(C=0.01).fit(X[train], y[train])
            assert scores[k] == scorer(plain, X[test], y[test], sample_weight=weight[test])
            weighted = OneVsAllClassifier(C=0.01).fit(X[train], y[train], sample_weight=weight[train])
            assert ignored[k] == scorer(weighted, X[test], y[test])

    def test_requesting_metadata_leaves_the_shared_scorer_alone(self, name):
        scorer = getattr(metrics, name)
        requesting = scorer.set_score_request(sample_weight=True)
        assert requesting != scorer
        assert requesting.get_metadata_routing().score.requests == {"sample_weight": True}
        assert scorer.get_metadata_routing().score.requests == {"sample_weight": None}

    def test_pickle_and_print(self, name):
        scorer = getattr(metrics, name)
        for request in (None, True, "weight"):
            requesting = scorer.set_score_request(sample_weight=request)
            assert pickle.loads(pickle.dumps(requesting)) == requesting
            # As scikit-learn's print how to make them.
            assert eval(repr(requesting), vars(metrics)) == requesting
        assert repr(scorer) == name
        assert name in repr(GridSearchCV(SoftmaxRegressor(), {}, scoring=scorer))


@pytest.mark.parametrize(("negate_score", "name"), [(False, "Negative log loss"), (True, "Log loss")])
def test_displays_of_scikit_learn_name_the_scores(negate_score, name):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    X, y = load_iris(return_X_y=True)
    options = {"scoring": neg_log_loss_scorer, "negate_score": negate_score, "cv": StratifiedKFold(3)}
    curves = (
        LearningCurveDisplay.from_estimator(SoftmaxRegressor(), X, y, shuffle=True, random_state=0, **options),
        ValidationCurveDisplay.from_estimator(
            SoftmaxRegressor(), X, y, param_name="C", param_range=[0.1, 1.0], **options
        ),
    )
    for display in curves:
        assert display.ax_.get_ylabel() == name
    pyplot.close("all")
