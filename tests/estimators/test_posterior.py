"""Recovered probabilities: exact where theory says so, invertible or refused, and of one voice in all predictions."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.special
from scipy.optimize import brentq, minimize
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris, make_multilabel_classification
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skce import OneVsAllClassifier, SoftmaxRegressor, with_prior
from skce._links.binary import Binary
from skce._links.multilabel import Multilabel
from skce._links.one_vs_all import OneVsAll
from skce._links.recovery import Recovery, check_recoverable
from skce._links.softmax import Softmax
from skce.functional import cross_entropy
from skce.losses import CrossEntropy, FocalLoss, GeneralizedCrossEntropy, Poly1Loss
from skce.metrics import neg_binary_log_loss_scorer, neg_log_loss_scorer
from tests.conftest import LOSSES
from tests.problems import SKLEARN_VERSION, TIGHT, overlapping

RECOVERABLE = {name: loss for name, loss in LOSSES.items() if name != "generalized_1"}


def recovery_of(loss, smoothing, weights):
    """The recovery after a fit with class weights, of which none is undone where it is zero."""
    return Recovery(loss, smoothing, np.log(np.where(weights > 0, weights, 1.0)))


def drawn(rng, n_samples=60_000, prior=(1, 3, 10, 30)):
    """Features (n, 3), labels (n,) and their true probabilities (n, 4) of an imbalanced softmax-linear model."""
    X, coef = rng.standard_normal((n_samples, 3)), np.random.default_rng(1).standard_normal((4, 3))
    eta = scipy.special.softmax(X @ coef.T + np.log(prior), axis=1)
    return X, (eta.cumsum(axis=1) < rng.uniform(size=(n_samples, 1))).sum(axis=1).clip(max=3), eta


class TestPopulation:
    """The minimiser of the expected loss, found numerically, is turned back into the probabilities."""

    @pytest.mark.parametrize("loss_name", RECOVERABLE)
    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    def test_softmax(self, loss_name, smoothing, rng):
        loss, weights = RECOVERABLE[loss_name], np.array([1.0, 2.0, 5.0, 0.5])
        for _ in range(5):
            eta = 0.05 + 0.8 * rng.dirichlet(np.ones(4))
            eta /= eta.sum()
            logits = self.minimiser(eta, loss, weights, smoothing)
            recovered = Softmax().recovered(logits[:, None], recovery_of(loss, smoothing, weights))[:, 0]
            np.testing.assert_allclose(np.exp(recovered), eta, atol=1e-10)

    @staticmethod
    def minimiser(eta, loss, weights, smoothing):
        """Logits (K,) that minimise the expected loss: by BFGS, then by Newton's method on differences."""

        def value_gradient(free):
            options = {"loss": loss, "class_weight": weights, "label_smoothing": smoothing}
            value, gradient = cross_entropy(np.append(free, 0.0)[None], eta[None], return_gradient=True, **options)
            return value, gradient[0, :-1]

        near = minimize(value_gradient, np.zeros(3), jac=True, method="BFGS", options={"gtol": 1e-8}).x
        for _ in range(5):
            steps = 1e-5 * np.eye(3)
            differences = [value_gradient(near + step)[1] - value_gradient(near - step)[1] for step in steps]
            near = near - np.linalg.solve(np.stack(differences) / 2e-5, value_gradient(near)[1])
        assert np.abs(value_gradient(near)[1]).max() < 1e-14
        return np.append(near, 0.0)

    @pytest.mark.parametrize("loss_name", RECOVERABLE)
    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    @pytest.mark.parametrize("eta", [0.06, 0.3, 0.5, 0.93])
    def test_sigmoid(self, loss_name, smoothing, eta):
        loss, weight_for, weight_against = RECOVERABLE[loss_name], 3.0, 0.5
        mass = np.array([weight_for * eta, weight_against * (1 - eta)])
        t_for, t_against = (1 - smoothing) * mass + smoothing / 2 * mass.sum()

        def slope(z):
            p, log_p, log_rest = scipy.special.expit(z), scipy.special.log_expit(z), scipy.special.log_expit(-z)
            rest = scipy.special.expit(-z)
            return t_against * p * loss.g(log_rest, p) - t_for * rest * loss.g(log_p, rest)

        z = np.array([[brentq(slope, -20, 20, xtol=1e-14, rtol=1e-14)]])
        labels = Multilabel().recovered(z, recovery_of(loss, smoothing, np.array([[weight_for], [weight_against]])))
        assert scipy.special.expit(labels).item() == pytest.approx(eta, abs=1e-10)
        classes = Binary().recovered(z, recovery_of(loss, smoothing, np.array([weight_against, weight_for])))
        assert classes.item() == pytest.approx(labels.item(), abs=1e-12)

    def test_one_vs_all(self, rng):
        weights = np.array([1.0, 4.0, 0.5])
        eta = np.array([0.5, 0.2, 0.3])
        share = weights * eta / (weights * eta).sum()
        smoothed = 0.9 * share + 0.05
        z = scipy.special.logit(smoothed)[:, None]
        recovered = OneVsAll().recovered(z, recovery_of(CrossEntropy(), 0.1, weights))
        np.testing.assert_allclose(scipy.special.expit(recovered)[:, 0], eta, rtol=1e-12)

    def test_two_classes_are_a_softmax_over_zero_and_z(self, rng, loss_name):
        if loss_name not in RECOVERABLE:
            return
        z, recovery = rng.standard_normal((1, 9)), recovery_of(LOSSES[loss_name], 0.1, np.array([2.0, 0.5]))
        pair = Softmax().recovered(np.vstack([np.zeros((1, 9)), z]), recovery)
        np.testing.assert_allclose(Binary().recovered(z, recovery)[0], pair[1] - pair[0], rtol=1e-10, atol=1e-13)

    def test_a_true_nine_tenths_under_focal_loss(self):
        X, y = np.zeros((1000, 1)), np.repeat([0, 1], [100, 900])
        model = SoftmaxRegressor(loss="focal", gamma=2.0, **TIGHT).fit(X, y)
        assert model.predict_proba(X[:1])[0, 1] == pytest.approx(0.694, abs=5e-4)
        assert model.set_params(posterior="recovered").predict_proba(X[:1])[0, 1] == pytest.approx(0.9, abs=1e-6)


class TestShape:
    @pytest.mark.parametrize("loss_name", RECOVERABLE)
    def test_finite_and_in_order_at_the_ends(self, loss_name):
        z = np.concatenate([-np.logspace(4, -3, 60), np.logspace(-3, 4, 60)])
        recovery = recovery_of(RECOVERABLE[loss_name], 0.1, np.array([1.0, 3.0]))
        for logits in (z, z.astype(np.float32)):
            recovered = Binary().recovered(logits[None], recovery)[0]
            assert np.isfinite(recovered).all()
            assert (np.diff(recovered) >= 0).all()
        three = np.stack([z, np.zeros_like(z), -z])
        for smoothing in (0.0, 1e-300, 0.1):
            recovery = recovery_of(RECOVERABLE[loss_name], smoothing, np.array([1.0, 3.0, 0.0]))
            for logits in (three, three.astype(np.float32)):
                assert np.isfinite(Softmax().recovered(logits, recovery)).all()
                assert np.isfinite(OneVsAll().recovered(logits, recovery)).all()

    def test_without_anything_to_undo_it_changes_nothing(self, rng):
        logits = rng.standard_normal((3, 5))
        recovery = recovery_of(CrossEntropy(), 0.0, np.ones(3))
        np.testing.assert_allclose(
            Softmax().recovered(logits, recovery), scipy.special.log_softmax(logits, axis=0), rtol=1e-14
        )

    def test_one_vs_all_far_beyond_the_floats(self):
        logits = np.array([[800.0], [-800.0], [-800.0]])
        assert np.isfinite(OneVsAll().recovered(logits, recovery_of(CrossEntropy(), 0.0, np.ones(3)))).all()

    def test_what_smoothing_leaves_below_its_share(self):
        logits = np.log([[0.96], [0.02], [0.02]])  # smoothing by 0.1 gives 1/30 to all
        recovered = np.exp(Softmax().recovered(logits, recovery_of(CrossEntropy(), 0.1, np.ones(3)))[:, 0])
        expected = np.array([0.96 - 1 / 30, 2e-4, 2e-4])
        np.testing.assert_allclose(recovered, expected / expected.sum(), rtol=1e-12)

    def test_a_class_that_weighs_nothing_stays_out(self, rng):
        X, y = overlapping(rng)
        model = SoftmaxRegressor(class_weight={0: 0.0}, posterior="recovered").fit(X, y)
        assert (model.predict(X) != 0).all()

    def test_the_arguments_stay_as_they_are(self, rng):
        logits = rng.standard_normal((3, 5))
        before = logits.copy()
        recovery = recovery_of(FocalLoss(2.0), 0.1, np.ones(3))
        Softmax().recovered(logits, recovery)
        OneVsAll().recovered(logits, recovery)
        np.testing.assert_array_equal(logits, before)

    @pytest.mark.parametrize("loss_name", RECOVERABLE)
    def test_losses_that_can_be_undone(self, loss_name):
        check_recoverable(RECOVERABLE[loss_name])

    def test_losses_with_a_large_exponent_or_a_plain_number(self):
        check_recoverable(FocalLoss(50))

        class Plain:
            is_convex = True

            def value(self, log_q, rest):
                return -log_q

            def g(self, log_q, rest):
                return 1

        check_recoverable(Plain())
        z = np.linspace(-3, 3, 7)[None]
        np.testing.assert_allclose(Binary().recovered(z, recovery_of(Plain(), 0.0, np.ones(2))), z, atol=1e-12)

    def test_losses_that_cannot(self, rng):
        class Wavy:
            is_convex = False

            def value(self, log_q, rest):
                return rest

            def g(self, log_q, rest):
                q = np.exp(log_q)
                return q * (1.5 + np.sin(20 * q))

        class Negative:
            is_convex = False

            def value(self, log_q, rest):
                return log_q

            def g(self, log_q, rest):
                return -np.ones_like(log_q)

        class FlatAtTheEnd:
            is_convex = False

            def value(self, log_q, rest):
                return rest

            def g(self, log_q, rest):
                return np.where(log_q < -5, np.exp(2 * (log_q + 5)), 1.0)

        for loss in (GeneralizedCrossEntropy(1.0), Wavy(), Negative(), FlatAtTheEnd()):
            with pytest.raises(ValueError, match="posterior='recovered' needs a loss under which q / g"):
                check_recoverable(loss)
        X, y = overlapping(rng)
        model = SoftmaxRegressor(loss=GeneralizedCrossEntropy(1.0), posterior="recovered")
        with pytest.raises(ValueError, match=r"q / g\(q\) increases.*GeneralizedCrossEntropy\(r=1.0\)"):
            model.fit(X, y)
        model.set_params(posterior="model").fit(X, y).set_params(posterior="recovered")
        with pytest.raises(ValueError, match="increases"):
            model.predict(X)


class TestDrawn:
    """The bars of recovery from a known model, at a tenth of its size; the guide has the table at full size."""

    @pytest.mark.parametrize("gamma", [0, 2, 5])
    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    @pytest.mark.parametrize("class_weight", [None, "balanced"])
    def test_recovered_probabilities_are_nearer_to_the_truth(self, gamma, smoothing, class_weight, rng):
        X, y, eta = drawn(rng, 20_000)
        model = SoftmaxRegressor(
            C=np.inf,
            loss=FocalLoss(gamma) if gamma else "cross_entropy",
            label_smoothing=smoothing,
            class_weight=class_weight,
        ).fit(X, y)
        own = np.abs(model.predict_proba(X) - eta).mean()
        recovered = np.abs(model.set_params(posterior="recovered").predict_proba(X) - eta).mean()
        if gamma or smoothing or class_weight:
            assert recovered < own / (2 if smoothing and not gamma and not class_weight else 4)
        assert recovered < 0.025

    def test_undoing_weights_is_exact_for_a_linear_model(self, rng):
        X, y, eta = drawn(rng, 20_000)
        weighted = SoftmaxRegressor(C=np.inf, class_weight="balanced", posterior="recovered").fit(X, y)
        assert np.abs(weighted.predict_proba(X) - eta).mean() < 0.005


class TestEstimators:
    MODELS = {
        "softmax": SoftmaxRegressor(loss="focal", class_weight="balanced", label_smoothing=0.1),
        "one_vs_all": OneVsAllClassifier(loss=Poly1Loss(2.0), class_weight="balanced", label_smoothing=0.1),
    }

    @pytest.mark.parametrize("n_classes", [2, 3])
    @pytest.mark.parametrize("name", MODELS)
    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    def test_all_predictions_speak_of_the_same(self, name, n_classes, dtype, rng):
        X, y = overlapping(rng, n_classes=n_classes)
        X = X.astype(dtype)
        model = clone(self.MODELS[name]).set_params(posterior="recovered").fit(X, y)
        logits, p, log_p = model.decision_function(X), model.predict_proba(X), model.predict_log_proba(X)
        assert logits.dtype == p.dtype == log_p.dtype == dtype
        np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
        np.testing.assert_allclose(np.exp(log_p), p, rtol=1e-6)
        np.testing.assert_array_equal(model.predict(X), p.argmax(axis=1))
        if n_classes == 2:
            np.testing.assert_allclose(scipy.special.expit(logits), p[:, 1], rtol=1e-5)
        elif name == "softmax":
            np.testing.assert_allclose(scipy.special.softmax(logits, axis=1), p, rtol=1e-5)
        else:
            np.testing.assert_allclose(scipy.special.expit(logits), p, rtol=1e-4)
        own = model.set_params(posterior="model").predict_proba(X)
        assert np.abs(own - p).max() > 0.05

    def test_of_weights_a_softmax_shifts_its_logits(self, rng):
        X, y = overlapping(rng)
        model = SoftmaxRegressor(class_weight={0: 3.0, 1: 0.5, 2: 1.0}).fit(X, y)
        own = model.predict_log_proba(X)
        recovered = model.set_params(posterior="recovered").predict_log_proba(X)
        shift = own - recovered - np.log([3.0, 0.5, 1.0])
        np.testing.assert_allclose(shift, np.broadcast_to(shift[:, :1], shift.shape), atol=1e-13)

    def test_multilabel(self, rng):
        X, tags = make_multilabel_classification(n_samples=2000, n_classes=3, n_features=4, random_state=0)
        plain = OneVsAllClassifier(C=np.inf).fit(X, tags)
        weighted = OneVsAllClassifier(C=np.inf, class_weight="balanced", posterior="recovered").fit(X, tags)
        assert weighted.class_weight_.shape == (2, 3)
        recovered = np.abs(weighted.predict_proba(X) - plain.predict_proba(X)).mean()
        own = np.abs(weighted.set_params(posterior="model").predict_proba(X) - plain.predict_proba(X)).mean()
        assert recovered < own / 4
        weighted.set_params(posterior="recovered")
        np.testing.assert_array_equal(weighted.predict(X), weighted.predict_proba(X) > 0.5)

    def test_what_the_fit_was_made_with_is_undone(self, rng):
        X, y = overlapping(rng)
        model = SoftmaxRegressor(loss="focal", label_smoothing=0.1, posterior="recovered").fit(X, y)
        before = model.predict_proba(X)
        model.set_params(loss="cross_entropy", label_smoothing=0.0, class_weight="balanced")
        np.testing.assert_array_equal(model.predict_proba(X), before)

    def test_fitted_attributes(self, rng):
        X, y = overlapping(rng)
        weights = rng.uniform(size=len(y))
        model = SoftmaxRegressor(class_weight="balanced").fit(X, y, weights)
        counts = np.bincount(y, weights=weights)
        np.testing.assert_allclose(model.class_prior_, counts / counts.sum(), rtol=1e-12)
        np.testing.assert_allclose(model.class_weight_, counts.sum() / (3 * counts), rtol=1e-12)

    def test_a_class_without_samples_stays_out_of_reach(self, rng):
        X, y = overlapping(rng)
        model = SoftmaxRegressor(classes=[0, 1, 2, 3], loss="focal", class_weight="balanced", posterior="recovered")
        p = model.fit(X, y).predict_proba(X)
        assert (p[:, 3] < 1e-15).all()
        assert np.isfinite(p).all()

    def test_the_parameter_is_checked(self, rng):
        X, y = overlapping(rng)
        with pytest.raises(ValueError, match="posterior must be 'model' or 'recovered', got 'true'"):
            SoftmaxRegressor(posterior="true").fit(X, y)
        model = SoftmaxRegressor().fit(X, y)
        with pytest.raises(ValueError, match="posterior must be"):
            model.set_params(posterior=None).predict(X)


class TestWithPrior:
    @pytest.fixture
    def problem(self, rng):
        return overlapping(rng, n_samples=300)

    def test_is_a_shift_of_the_intercepts_for_cross_entropy(self, problem):
        X, y = problem
        model = SoftmaxRegressor().fit(X, y)
        changed = with_prior(model, prior=[0.2, 0.3, 0.5], tau=0.5)
        shift = changed.intercept_ - model.intercept_
        expected = 0.5 * (np.log([0.2, 0.3, 0.5]) - np.log(model.class_prior_))
        np.testing.assert_allclose(shift, expected - expected.mean(), atol=1e-14)
        np.testing.assert_array_equal(changed.coef_, model.coef_)
        assert (
            with_prior(SoftmaxRegressor().fit(X.astype(np.float32), y), prior="balanced").intercept_.dtype == np.float32
        )
        # Weights are undone in passing, once.
        weighted = with_prior(SoftmaxRegressor(class_weight="balanced").fit(X, y), prior="balanced")
        p = weighted.predict_proba(X)
        np.testing.assert_allclose(weighted.set_params(posterior="recovered").predict_proba(X), p, rtol=1e-12)

    @pytest.mark.parametrize("n_classes", [2, 3])
    @pytest.mark.parametrize("options", [{}, {"class_weight": "balanced"}, {"loss": "focal", "label_smoothing": 0.1}])
    @pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
    def test_speaks_of_the_recovered_where_no_shift_will_do(self, make_estimator, options, n_classes, rng):
        X, y = overlapping(rng, n_classes=n_classes)
        changed = with_prior(make_estimator(**options).fit(X, y), prior="balanced")
        by_intercepts = "loss" not in options and (n_classes == 2 or make_estimator is SoftmaxRegressor)
        assert changed.posterior == ("model" if by_intercepts else "recovered")
        smoothed = with_prior(make_estimator(label_smoothing=0.1).fit(X, y), prior="balanced")
        assert smoothed.posterior == "recovered"

    @pytest.mark.parametrize("n_classes", [2, 3])
    @pytest.mark.parametrize("options", [{}, {"class_weight": "balanced"}, {"loss": "focal", "label_smoothing": 0.1}])
    @pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
    def test_weighs_the_recovered_probabilities(self, make_estimator, options, n_classes, rng):
        X, y = overlapping(rng, n_samples=200, n_classes=n_classes)
        model = make_estimator(posterior="recovered", **options).fit(X, y)
        prior = np.array([0.5, 0.2, 0.3])[:n_classes]
        prior /= prior.sum()
        expected = model.predict_proba(X) * (prior / model.class_prior_) ** 1.5
        expected /= expected.sum(axis=1, keepdims=True)
        changed = with_prior(model, prior=prior, tau=1.5)
        np.testing.assert_allclose(changed.predict_proba(X), expected, rtol=1e-9)
        np.testing.assert_array_equal(changed.predict(X), expected.argmax(axis=1))

    @pytest.mark.parametrize("options", [{}, {"loss": "focal"}])
    def test_of_labels(self, options, rng):
        X, tags = make_multilabel_classification(n_samples=200, n_classes=3, random_state=0)
        model = OneVsAllClassifier(posterior="recovered", **options).fit(X, tags)
        changed = with_prior(model, prior=[0.1, 0.5, 0.9])
        odds = scipy.special.logit(model.predict_proba(X)) + scipy.special.logit([0.1, 0.5, 0.9])
        odds -= scipy.special.logit(tags.mean(axis=0))
        np.testing.assert_allclose(changed.decision_function(X), odds, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(changed.class_prior_, [0.1, 0.5, 0.9])
        np.testing.assert_allclose(with_prior(model, prior="balanced").class_prior_, 0.5)

    @pytest.mark.parametrize("options", [{}, {"loss": "focal"}])
    def test_there_and_back_again(self, options, problem):
        X, y = problem
        model = SoftmaxRegressor(posterior="recovered", **options).fit(X, y)
        there = with_prior(model, prior="balanced")
        np.testing.assert_allclose(there.class_prior_, 1 / 3)
        back = with_prior(there, prior=model.class_prior_)
        np.testing.assert_allclose(back.predict_proba(X), model.predict_proba(X), rtol=1e-10)
        np.testing.assert_allclose(with_prior(model, prior="balanced", tau=0).predict_proba(X), model.predict_proba(X))

    def test_is_right_under_a_shift_of_the_classes(self, rng):
        X, y, _ = drawn(rng, 40_000)
        model = SoftmaxRegressor(C=np.inf).fit(X[:20_000], y[:20_000])
        X, y = X[20_000:], y[20_000:]
        even = np.concatenate([np.flatnonzero(y == k)[:400] for k in range(4)])
        before = neg_log_loss_scorer(model, X[even], y[even])
        after = neg_log_loss_scorer(with_prior(model, prior="balanced"), X[even], y[even])
        refitted = SoftmaxRegressor(C=np.inf, class_weight="balanced").fit(X, y)
        assert after > before + 0.1
        assert after == pytest.approx(neg_log_loss_scorer(refitted, X[even], y[even]), abs=0.02)

    def test_the_original_stays_as_it_is(self, problem):
        X, y = problem
        model = SoftmaxRegressor().fit(X, y)
        before, attributes = model.predict_proba(X), vars(model).copy()
        with_prior(model, prior="balanced")
        np.testing.assert_array_equal(model.predict_proba(X), before)
        assert vars(model).keys() == attributes.keys()

    def test_goes_into_pipelines_and_searches(self, problem):
        X, y = problem
        pipeline = make_pipeline(StandardScaler(), SoftmaxRegressor()).fit(X, y)
        changed = with_prior(pipeline, prior={0: 0.6, 1: 0.2, 2: 0.2})
        np.testing.assert_allclose(changed[-1].class_prior_, [0.6, 0.2, 0.2])
        assert changed.predict_proba(X)[:, 0].mean() > pipeline.predict_proba(X)[:, 0].mean()
        search = GridSearchCV(pipeline, {"softmaxregressor__C": [1.0]}).fit(X, y)
        np.testing.assert_allclose(
            with_prior(search, prior={0: 0.6, 1: 0.2, 2: 0.2}).predict_proba(X), changed.predict_proba(X), rtol=1e-6
        )

    @pytest.mark.parametrize("options", [{}, {"loss": "focal"}])
    def test_pickles_scores_and_calibrates(self, options, problem):
        X, y = problem
        changed = with_prior(SoftmaxRegressor(**options).fit(X, y), prior="balanced")
        again = pickle.loads(pickle.dumps(changed))
        np.testing.assert_array_equal(again.predict_proba(X), changed.predict_proba(X))
        assert neg_log_loss_scorer(changed, X, y) < 0
        calibrated = CalibratedClassifierCV(FrozenEstimator(changed), method="sigmoid").fit(X, y)
        assert calibrated.predict_proba(X).shape == (300, 3)
        # A new fit starts from the data again.
        np.testing.assert_allclose(clone(changed).fit(X, y).class_prior_, np.bincount(y) / 300)

    def test_a_class_without_samples_has_no_frequency_to_change(self, problem):
        X, y = problem
        model = SoftmaxRegressor(classes=[0, 1, 2, 3]).fit(X, y)
        changed = with_prior(model, prior=[0.25, 0.25, 0.25, 0.25])
        assert (changed.predict_proba(X)[:, 3] < 1e-12).all()

    def test_of_frozen_estimators(self, problem):
        X, y = problem
        for options in ({}, {"loss": "focal"}):
            model = SoftmaxRegressor(**options).fit(X, y)
            expected = with_prior(model, prior=[0.8, 0.1, 0.1]).predict_proba(X)
            for frozen in (FrozenEstimator(model), make_pipeline(FrozenEstimator(model)).fit(X, y)):
                changed = with_prior(frozen, prior=[0.8, 0.1, 0.1])
                np.testing.assert_array_equal(changed.predict_proba(X), expected)

    def test_a_series_goes_by_its_index(self, problem):
        X, y = problem
        names = np.array(["a", "b", "c"])[y]
        prior = pd.Series({"c": 0.7, "a": 0.2, "b": 0.1})
        changed = with_prior(SoftmaxRegressor().fit(X, names), prior=prior)
        np.testing.assert_allclose(changed.class_prior_, [0.2, 0.1, 0.7])

    def test_the_prior_that_it_stands_for(self, problem):
        X, y = problem
        model = SoftmaxRegressor().fit(X, y)
        expected = model.class_prior_**0.5 * np.array([0.8, 0.1, 0.1]) ** 0.5
        changed = with_prior(model, prior=[0.8, 0.1, 0.1], tau=0.5)
        np.testing.assert_allclose(changed.class_prior_, expected / expected.sum(), rtol=1e-12)

    @pytest.mark.parametrize("options", [{}, {"loss": "focal"}])
    def test_far_away_priors_are_finite(self, options, problem):
        X, y = problem
        model = SoftmaxRegressor(**options).fit(X, y)
        for prior, tau in (([1 - 2e-4, 1e-4, 1e-4], 100), ([1 - 1e-310, 5e-311, 5e-311], 1)):
            changed = with_prior(model, prior=prior, tau=tau)
            p = changed.predict_proba(X)
            np.testing.assert_allclose(p[:, 0], 1, atol=1e-6)
            assert np.isfinite(changed.decision_function(X)).all()
            assert changed.class_prior_.sum() == pytest.approx(1)

    @pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
    def test_mass_for_a_class_without_samples_goes_to_the_others(self, make_estimator, problem):
        X, y = problem
        model = make_estimator(classes=[0, 1, 2, 3], label_smoothing=0.1, posterior="recovered").fit(X, y)
        changed = with_prior(model, prior=[0.01, 0.01, 0.01, 0.97])
        assert changed.predict_proba(X)[:, 3].mean() < 2 * model.predict_proba(X)[:, 3].mean()
        np.testing.assert_allclose(changed.class_prior_, [1 / 3, 1 / 3, 1 / 3, 0], rtol=1e-12)

    def test_mass_for_a_class_without_weight_goes_to_the_others(self, problem):
        X, y = problem
        for options in ({}, {"loss": "focal"}):
            model = SoftmaxRegressor(class_weight={2: 0.0}, **options).fit(X, y)
            changed = with_prior(model, prior=[0.2, 0.2, 0.6])
            assert (changed.predict_proba(X)[:, 2] < 1e-12).all()
            ratio = changed.class_prior_[:2] / 0.5
            np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)

    def test_a_label_with_one_outcome_stays_so(self, rng):
        X, tags = rng.standard_normal((50, 2)), rng.integers(0, 2, size=(50, 2))
        tags[:, 0] = 0
        with pytest.warns(UserWarning, match="one outcome only"):
            model = OneVsAllClassifier().fit(X, tags)
        changed = with_prior(model, prior=[1 - 1e-9, 0.5])
        assert (changed.predict_proba(X)[:, 0] < 1e-15).all()
        assert changed.class_prior_[0] == 0

    def test_errors(self, problem):
        X, y = problem
        model = SoftmaxRegressor().fit(X, y)
        for prior, message in (
            ([0.5, 0.5], "prior must hold 3 probabilities above 0"),
            ([0.5, 0.5, 0.0], "prior must hold 3 probabilities above 0"),
            ([np.inf, 1, 1], "prior must hold 3 probabilities above 0"),
            ([0.5, 0.5, 0.5], "prior must sum to 1, but sums to 1.5"),
            ([0.2, 0.3, 0.5001], "prior must sum to 1, but sums to 1.0001"),
            ([0.2, 0.3, 0.4], "prior must sum to 1, but sums to 0.9"),
            ({0: 0.5, 1: 0.5}, r"prior must name every class, \[0, 1, 2\], got \[0, 1\]"),
            ("uniform", "prior must be 'balanced', a dict or an array, got 'uniform'"),
        ):
            with pytest.raises(ValueError, match=message):
                with_prior(model, prior=prior)
        with pytest.raises(ValueError, match="tau must be a finite number of at least 0, got -1"):
            with_prior(model, prior="balanced", tau=-1)
        with pytest.raises(TypeError, match=r"SoftmaxRegressor, a OneVsAllClassifier or end in one, got LogisticRegr"):
            with_prior(LogisticRegression().fit(X, y), prior="balanced")
        with pytest.raises(NotFittedError):
            with_prior(SoftmaxRegressor(), prior="balanced")
        features, tags = make_multilabel_classification(n_classes=3, random_state=0)
        with pytest.raises(ValueError, match="probabilities below 1 for labels"):
            with_prior(OneVsAllClassifier().fit(features, tags), prior=[1.0, 0.5, 0.5])
        absolute = SoftmaxRegressor(loss=GeneralizedCrossEntropy(1.0)).fit(X, y)
        with pytest.raises(ValueError, match="increases with q"):
            with_prior(absolute, prior="balanced")


class TestWithWhatExists:
    """Calibration, thresholds and frozen estimators of scikit-learn around recovered and other models."""

    MODEL = SoftmaxRegressor(loss="focal", class_weight="balanced", posterior="recovered")

    @pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_calibration(self, method, n_classes, rng):
        if method == "temperature" and SKLEARN_VERSION < (1, 8):
            pytest.skip("scikit-learn has temperature scaling from 1.8 on")
        X, y = overlapping(rng, n_samples=300, n_classes=n_classes)
        calibrated = CalibratedClassifierCV(self.MODEL, method=method, cv=3).fit(X, y)
        np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
        assert calibrated.score(X, y) > 1 / n_classes + 0.1
        frozen = FrozenEstimator(clone(self.MODEL).fit(X[:150], y[:150]))
        calibrated = CalibratedClassifierCV(frozen, method=method).fit(X[150:], y[150:])
        assert calibrated.score(X, y) > 1 / n_classes + 0.1

    def test_temperature_undoes_what_focal_loss_does(self, rng):
        if SKLEARN_VERSION < (1, 8):
            pytest.skip("scikit-learn has temperature scaling from 1.8 on")
        X, y, eta = drawn(rng, 10_000)
        model = SoftmaxRegressor(loss="focal", C=np.inf)
        own = np.abs(clone(model).fit(X, y).predict_proba(X) - eta).mean()
        scaled = CalibratedClassifierCV(model, method="temperature", cv=3).fit(X, y)
        assert np.abs(scaled.predict_proba(X) - eta).mean() < own / 2

    def test_thresholds(self):
        X, y = load_breast_cancer(return_X_y=True)
        tuned = TunedThresholdClassifierCV(self.MODEL, scoring="balanced_accuracy", cv=3).fit(X, y)
        assert 0 < tuned.best_threshold_ < 1
        assert tuned.score(X, y) > 0.9

    def test_scorers(self):
        X, y = load_iris(return_X_y=True)
        plain = cross_val_score(SoftmaxRegressor(), X, y, scoring=neg_log_loss_scorer).mean()
        recovered = cross_val_score(self.MODEL, X, y, scoring=neg_log_loss_scorer).mean()
        own = cross_val_score(clone(self.MODEL).set_params(posterior="model"), X, y, scoring=neg_log_loss_scorer).mean()
        assert own < recovered
        assert recovered == pytest.approx(plain, abs=0.05)
        features, tags = make_multilabel_classification(n_classes=3, random_state=0)
        model = OneVsAllClassifier(class_weight="balanced", posterior="recovered")
        assert cross_val_score(model, features, tags, scoring=neg_binary_log_loss_scorer).mean() < 0
