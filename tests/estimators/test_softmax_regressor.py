"""SoftmaxRegressor against its peers, and what is its own: classes, warm starts, soft labels, extreme data."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import statsmodels.api as sm
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from skce import SoftmaxRegressor
from skce.losses import CrossEntropy
from tests import reference
from tests.problems import SKLEARN_VERSION, TIGHT, overlapping, standardised


def cross_entropy_objective(model, X, y, weight, C):
    """F of a fitted scikit-learn model, computed from its logits alone."""
    logits = model.decision_function(X)
    logits = np.stack([np.zeros_like(logits), logits], axis=1) if logits.ndim == 1 else logits
    shifted = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(y)), y]
    return np.average(losses, weights=weight) + (model.coef_**2).sum() / (2 * C * weight.sum())


class TestPeers:
    @pytest.mark.parametrize("name", ["iris", "wine", "digits", "breast_cancer"])
    @pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_the_optimum_is_that_of_logistic_regression(self, name, C, weighted, rng):
        X, y = standardised(name)
        weight = rng.uniform(size=len(y)) if weighted else np.ones(len(y))
        solver = "lbfgs" if name == "digits" else "newton-cholesky"
        theirs = LogisticRegression(C=C, tol=1e-10, max_iter=10_000, solver=solver).fit(X, y, sample_weight=weight)
        expected = cross_entropy_objective(theirs, X, y, weight, C)
        for container in (np.asarray, scipy.sparse.csr_array):
            ours = SoftmaxRegressor(C=C, **TIGHT).fit(container(X), y, sample_weight=weight if weighted else None)
            assert ours.loss_ == pytest.approx(expected, abs=1e-10)
            assert ours.coef_.shape == theirs.coef_.shape
            assert ours.intercept_.shape == theirs.intercept_.shape
            assert ours.n_iter_.shape == theirs.n_iter_.shape
            np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=2e-3)

    # scikit-learn 1.8 has LogisticRegression(C=inf) warn of what it does by itself.
    @pytest.mark.filterwarnings("ignore:Setting penalty=None will ignore the C:UserWarning")
    @pytest.mark.parametrize("n_classes", [2, 3])
    @pytest.mark.parametrize(
        "settings", [{"C": np.inf}, {"C": 1.0, "class_weight": "balanced"}, {"fit_intercept": False}]
    )
    def test_coefficients_of_logistic_regression(self, n_classes, settings, rng):
        X, y = overlapping(rng, n_samples=200, n_classes=n_classes)
        ours = SoftmaxRegressor(**settings, **TIGHT).fit(X, y, sample_weight=1 + y)
        theirs = LogisticRegression(**settings, tol=1e-10, max_iter=10_000).fit(X, y, sample_weight=1 + y)
        np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
        np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-6)

    def test_unpenalised_multinomial_is_statsmodels_mnlogit(self):
        data = sm.datasets.anes96.load()
        X, y = np.asarray(data.exog, dtype=float), np.asarray(data.endog).astype(int)
        theirs = sm.MNLogit(y, sm.add_constant(X)).fit(method="newton", tol=1e-14, disp=0)
        ours = SoftmaxRegressor(C=np.inf, **TIGHT).fit(X, y)
        ours_flat = np.column_stack([ours.intercept_, ours.coef_])
        np.testing.assert_allclose((ours_flat - ours_flat[0])[1:].T, np.asarray(theirs.params), atol=1e-6)
        assert ours.loss_ == pytest.approx(-theirs.llf / len(y), rel=1e-12)

    def test_unpenalised_binary_is_statsmodels_logit(self):
        data = sm.datasets.spector.load()
        X, y = np.asarray(data.exog, dtype=float), np.asarray(data.endog).astype(int)
        theirs = sm.Logit(y, sm.add_constant(X)).fit(tol=1e-14, disp=0)
        ours = SoftmaxRegressor(C=np.inf, **TIGHT).fit(X, y)
        np.testing.assert_allclose(np.r_[ours.intercept_, ours.coef_[0]], np.asarray(theirs.params), rtol=1e-6)

    def test_unpenalised_affairs_are_statsmodels_logit(self):
        data = sm.datasets.fair.load()
        X, y = np.asarray(data.exog, dtype=float), (np.asarray(data.endog) > 0).astype(int)
        theirs = sm.Logit(y, sm.add_constant(X)).fit(tol=1e-14, disp=0)
        ours = SoftmaxRegressor(C=np.inf, tol=1e-14).fit(X, y)
        np.testing.assert_allclose(np.r_[ours.intercept_, ours.coef_[0]], np.asarray(theirs.params), atol=1e-6)

    def test_two_classes_of_a_softmax_at_c_are_one_logit_at_twice_c(self, rng):
        X, y = overlapping(rng, n_classes=2)
        # A third class without samples keeps its column, and the other two their softmax.
        two_columns = SoftmaxRegressor(C=0.5, classes=[0, 1, 2], **TIGHT).fit(X, y)
        one_logit = SoftmaxRegressor(C=1.0, **TIGHT).fit(X, y)
        np.testing.assert_allclose(two_columns.predict_proba(X)[:, :2], one_logit.predict_proba(X), atol=1e-7)

    @pytest.mark.parametrize("C", [0.1, 10.0])
    def test_two_of_three_declared_classes_are_a_softmax_whose_third_weighs_nothing(self, C, rng):
        X, y = overlapping(rng)
        two = y < 2
        ours = SoftmaxRegressor(C=C, classes=[0, 1, 2], **TIGHT).fit(X[two], y[two])
        theirs = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-12).fit(X, y, two.astype(float))
        assert len(theirs.classes_) == 3
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)
        distances = []
        for weight in (1e-2, 1e-4, 1e-6):
            nearly = SoftmaxRegressor(C=C, **TIGHT).fit(X, y, np.where(two, 1.0, weight))
            distances.append(np.abs(nearly.predict_proba(X) - ours.predict_proba(X)).max())
        assert distances[0] > 10 * distances[1] > 100 * distances[2]
        # Undeclared, they are one logit, which is another model.
        one_logit = SoftmaxRegressor(C=C, **TIGHT).fit(X[two], y[two])
        assert np.abs(one_logit.predict_proba(X) - ours.predict_proba(X)[:, :2]).max() > 1e-3


class TestClasses:
    @pytest.mark.parametrize(
        "labels",
        [["b", "a", "c"], np.array([3, -1, 7]), np.array(["b", "a", "c"], dtype=object), [2.0, 1.0, 3.0]],
        ids=["strings", "integers", "objects", "floats"],
    )
    @pytest.mark.parametrize("container", [np.asarray, pd.Series, pl.Series, list])
    def test_labels_of_any_kind_and_container(self, labels, container, rng):
        X, codes = overlapping(rng)
        labels = np.asarray(labels)
        y = labels[codes]
        model = SoftmaxRegressor().fit(X, container(y))
        assert model.classes_.tolist() == sorted(labels.tolist())
        assert set(model.predict(X).tolist()) <= set(labels.tolist())
        rank = np.argsort(np.argsort(labels))
        expected = SoftmaxRegressor().fit(X, rank[codes])
        np.testing.assert_array_equal(model.coef_, expected.coef_)
        assert model.score(X, container(y)) == expected.score(X, rank[codes])

    @pytest.mark.parametrize("dtype", ["Int64", "boolean", "category", "string"])
    def test_labels_of_pandas_extension_types(self, dtype, rng):
        X, y = overlapping(rng, n_classes=2)
        series = (
            pd.Series(y).astype(bool if dtype == "boolean" else int).astype(str if dtype == "string" else None or dtype)
        )
        series = series.astype(dtype)
        np.testing.assert_array_equal(SoftmaxRegressor().fit(X, series).coef_, SoftmaxRegressor().fit(X, y).coef_)

    def test_boolean_labels(self, rng):
        X, y = overlapping(rng, n_classes=2)
        model = SoftmaxRegressor(class_weight={False: 1, True: 2}).fit(X, y == 1)
        assert model.predict(X).dtype == bool
        np.testing.assert_array_equal(model.coef_, SoftmaxRegressor(class_weight={0: 1, 1: 2}).fit(X, y).coef_)

    def test_frames_of_pandas_and_polars_set_feature_names(self, rng):
        X, y = overlapping(rng)
        expected = SoftmaxRegressor().fit(X, y)
        for frame in (pd.DataFrame(X, columns=["a", "b", "c"]), pl.DataFrame(X, schema=["a", "b", "c"])):
            model = SoftmaxRegressor().fit(frame, y)
            assert model.n_features_in_ == 3
            np.testing.assert_allclose(model.predict_proba(frame), expected.predict_proba(X), rtol=1e-12)
            if isinstance(frame, pd.DataFrame) or SKLEARN_VERSION >= (1, 9):
                assert model.feature_names_in_.tolist() == ["a", "b", "c"]

    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    @pytest.mark.parametrize("fit_intercept", [True, False])
    def test_a_class_without_samples_keeps_a_column_below_eps(self, dtype, fit_intercept, rng):
        X, y = overlapping(rng)
        X, y = (10 * X).astype(dtype), np.array(["a", "c", "d"])[y]
        model = SoftmaxRegressor(classes=["d", "b", "a", "c", "e"], fit_intercept=fit_intercept, **TIGHT).fit(X, y)
        without = SoftmaxRegressor(fit_intercept=fit_intercept, **TIGHT).fit(X, y)
        assert model.classes_.tolist() == ["a", "b", "c", "d", "e"]
        assert model.coef_.shape == (5, 3)
        assert not model.coef_[[1, 4]].any()
        assert np.isfinite(model.intercept_).all()
        probabilities = model.predict_proba(X)
        assert (probabilities[:, [1, 4]] < np.finfo(dtype).eps).all()
        assert (probabilities[:, [1, 4]] > 0).all()
        np.testing.assert_allclose(probabilities[:, [0, 2, 3]], without.predict_proba(X), atol=1e-6)
        assert model.loss_ == pytest.approx(without.loss_, rel=1e-9)
        if fit_intercept:
            assert abs(model.intercept_.sum()) < 1e-4

    def test_a_class_whose_samples_weigh_nothing_has_no_mass(self, rng):
        X, y = overlapping(rng)
        weight = (y != 1).astype(float)
        model = SoftmaxRegressor(class_weight="balanced", **TIGHT).fit(X, y, sample_weight=weight)
        assert model.classes_.tolist() == [0, 1, 2]
        assert (model.predict_proba(X)[:, 1] < 1e-15).all()
        removed = SoftmaxRegressor(class_weight="balanced", classes=[0, 1, 2], **TIGHT).fit(X[y != 1], y[y != 1])
        np.testing.assert_allclose(model.predict_proba(X)[:, [0, 2]], removed.predict_proba(X)[:, [0, 2]], atol=1e-7)

    def test_smoothing_gives_mass_to_all_classes(self, rng):
        X, y = overlapping(rng)
        model = SoftmaxRegressor(classes=range(4), label_smoothing=0.2, tol=1e-12).fit(X, y)
        assert model.predict_proba(X)[:, 3].mean() == pytest.approx(0.05, abs=1e-5)

    @pytest.mark.parametrize("C", [1.0, np.inf])
    def test_coefficients_and_intercepts_sum_to_zero_over_the_classes(self, C, rng):
        X, y = overlapping(rng, n_samples=200)
        model = SoftmaxRegressor(C=C).fit(X, y)
        np.testing.assert_allclose(model.coef_.sum(axis=0), 0, atol=1e-12)
        assert abs(model.intercept_.sum()) < 1e-12
        model.coef_ += 7
        model.intercept_ += 7
        model.set_params(warm_start=True).fit(X, y)
        np.testing.assert_allclose(model.coef_.sum(axis=0), 0, atol=1e-12)
        assert abs(model.intercept_.sum()) < 1e-12


class TestSoftLabels:
    def test_columns_of_a_frame_name_the_classes_in_any_order(self, rng):
        X, _ = overlapping(rng)
        soft = rng.dirichlet(np.ones(3), size=len(X))
        expected = SoftmaxRegressor().fit(X, soft)
        shuffled = [2, 0, 1]
        for frame in (pd.DataFrame(soft, columns=["a", "b", "c"]), pl.DataFrame(soft, schema=["a", "b", "c"])):
            model = SoftmaxRegressor().fit(X, frame[[frame.columns[k] for k in shuffled]])
            assert model.classes_.tolist() == ["a", "b", "c"]
            np.testing.assert_array_equal(model.coef_, expected.coef_)
            assert model.score(X, frame[["c", "b", "a"]]) == expected.score(X, soft)

    def test_columns_of_a_frame_may_be_some_of_the_classes(self, rng):
        X, _ = overlapping(rng)
        frame = pd.DataFrame(rng.dirichlet(np.ones(2), size=len(X)), columns=["c", "a"])
        model = SoftmaxRegressor(classes=["a", "b", "c"]).fit(X, frame)
        assert (model.predict_proba(X)[:, 1] < 1e-15).all()

    def test_score_is_the_mean_probability_of_the_predicted_class(self, rng):
        X, _ = overlapping(rng)
        soft, weight = rng.dirichlet(np.ones(3), size=len(X)), rng.uniform(size=len(X))
        model = SoftmaxRegressor().fit(X, soft)
        picked = np.array([row[k] for row, k in zip(soft, model.predict(X), strict=True)])
        assert model.score(X, soft) == pytest.approx(picked.mean())
        assert model.score(X, soft, sample_weight=weight) == pytest.approx((weight * picked).sum() / weight.sum())

    def test_score_checks_the_lengths(self, rng):
        X, _ = overlapping(rng)
        soft = rng.dirichlet(np.ones(3), size=len(X))
        model = SoftmaxRegressor().fit(X, soft)
        for args in ((X[:10], soft), (X, soft[:10]), (X, soft, np.ones(10))):
            with pytest.raises(ValueError, match="inconsistent numbers of samples"):
                model.score(*args)

    def test_two_columns_are_one_logit(self, rng):
        X, y = overlapping(rng, n_classes=2)
        model = SoftmaxRegressor().fit(X, np.eye(2)[y])
        assert model.coef_.shape == (1, 3)
        np.testing.assert_allclose(model.coef_, SoftmaxRegressor().fit(X, y).coef_, atol=1e-12)

    def test_rows_may_be_off_by_the_rounding_of_their_dtype(self, rng):
        X, _ = overlapping(rng)
        soft = rng.dirichlet(np.ones(3), size=len(X)).astype(np.float32)
        SoftmaxRegressor().fit(X, soft * np.float32(1.0003))
        with pytest.raises(ValueError, match=r"row 0 sums to 1\.0003"):
            SoftmaxRegressor().fit(X, soft.astype(float) * 1.0003)


class TestCurves:
    @pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
    def test_passes_of_each_iteration(self, loss, rng):
        X, y = overlapping(rng)
        model = SoftmaxRegressor(loss=loss).fit(X, y)
        assert len(model.pass_curve_) == len(model.loss_curve_)
        assert model.pass_curve_[-1] == model.n_passes_ > model.n_evaluations_
        assert (np.diff(model.pass_curve_) >= 1).all()
        # The statistics of the columns are a pass, and so is the start; a loss that is not convex looks for that first.
        if loss == "cross_entropy":
            assert model.pass_curve_[0] == 2
        else:
            first = SoftmaxRegressor(tol=1e-3).fit(X, y)
            assert model.pass_curve_[0] == first.n_passes_ + 1


class TestWarmStart:
    @pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_starts_where_the_last_fit_ended(self, loss, n_classes, rng):
        X, y = overlapping(rng, n_classes=n_classes)
        model = SoftmaxRegressor(loss=loss, warm_start=True).fit(X, y)
        assert model.n_iter_[0] > 2
        coef = model.coef_
        assert model.fit(X, y).n_iter_[0] <= 1
        np.testing.assert_allclose(model.coef_, coef, atol=1e-6)

    def test_goes_on_after_max_iter(self, rng):
        X, y = overlapping(rng)
        model = SoftmaxRegressor(max_iter=2, warm_start=True, tol=1e-14)
        with pytest.warns(ConvergenceWarning):
            model.fit(X, y)
        first = model.loss_
        with pytest.warns(ConvergenceWarning):
            model.fit(X, y)
        assert model.loss_curve_[0] == pytest.approx(first, rel=1e-12)
        assert model.loss_ < first

    def test_another_number_of_features_is_an_error(self, rng):
        X, y = overlapping(rng)
        model = SoftmaxRegressor(warm_start=True).fit(X, y)
        with pytest.raises(ValueError, match="warm_start needs the number of features of the last fit, 3, but X has 2"):
            model.fit(X[:, :2], y)
        assert model.n_features_in_ == 3

    def test_other_classes_are_an_error(self, rng):
        X, y = overlapping(rng)
        model = SoftmaxRegressor(warm_start=True).fit(X, y)
        with pytest.raises(ValueError, match=r"warm_start needs the classes of the last fit, \[0, 1, 2\]"):
            model.fit(X, y + 1)

    def test_a_class_that_gains_samples_starts_from_its_own_row(self, rng):
        X, y = overlapping(rng)
        model = SoftmaxRegressor(classes=[0, 1, 2], warm_start=True, **TIGHT).fit(X[y != 1], y[y != 1])
        cold = SoftmaxRegressor(**TIGHT).fit(X, y)
        np.testing.assert_allclose(model.fit(X, y).predict_proba(X), cold.predict_proba(X), atol=1e-6)


class TestExtremes:
    def test_logits_of_ten_thousand(self):
        X, y = np.array([[-1e4], [0.0], [1e4]]), np.array([0, 1, 2])
        model = SoftmaxRegressor().fit(X / 1e4, y)
        model.coef_ = np.array([[-1.0], [0.0], [1.0]])
        model.intercept_ = np.zeros(3)
        log_probabilities = model.predict_log_proba(X)
        np.testing.assert_array_equal(log_probabilities[0], [0, -1e4, -2e4])
        np.testing.assert_allclose(log_probabilities[1], -np.log(3))
        np.testing.assert_array_equal(model.predict_proba(X)[2], [0, 0, 1])

    def test_log_probabilities_of_two_classes_keep_their_digits(self):
        model = SoftmaxRegressor().fit([[0.0], [1.0]], [0, 1])
        model.coef_, model.intercept_ = np.array([[1.0]]), np.zeros(1)
        expected = [[-np.exp(-40), -40 - np.exp(-40)], [-1e4, 0]]
        np.testing.assert_allclose(model.predict_log_proba([[-40.0], [1e4]]), expected, rtol=1e-14)

    def test_one_sample_a_class(self):
        model = SoftmaxRegressor().fit(np.eye(3), ["a", "b", "c"])
        assert model.predict(np.eye(3)).tolist() == ["a", "b", "c"]

    @pytest.mark.parametrize("fit_intercept", [True, False])
    def test_constant_columns_and_more_features_than_samples(self, fit_intercept, rng):
        X = np.hstack([rng.standard_normal((10, 30)), np.full((10, 1), 3.0), np.zeros((10, 1))])
        y = np.arange(10) % 3
        ours = SoftmaxRegressor(fit_intercept=fit_intercept, **TIGHT).fit(X, y)
        theirs = LogisticRegression(fit_intercept=fit_intercept, tol=1e-10, max_iter=10_000).fit(X, y)
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)
        assert not ours.coef_[:, -1].any()

    def test_fits_that_stop_at_max_iter_say_how_far_they_got_and_what_to_do(self, rng):
        X, y = overlapping(rng)
        with pytest.warns(
            ConvergenceWarning,
            match=r"max_iter=2 iterations, .* an estimated 0\.\d+ of it .* tol=1.0e-07. Raise max_iter",
        ):
            model = SoftmaxRegressor(max_iter=2).fit(X, y)
        assert model.n_iter_.tolist() == [2]

    def test_asking_for_more_than_float64_holds_ends_quietly(self, rng):
        X, y = overlapping(rng)
        model = SoftmaxRegressor(tol=0.0, max_iter=10_000).fit(X, y)
        assert model.n_iter_[0] < 1000


class TestLosses:
    def test_a_loss_of_your_own_is_one_small_class(self, rng):
        class SquaredLog:
            is_convex = False

            def value(self, log_q, rest):
                return log_q**2

            def g(self, log_q, rest):
                return -2 * log_q

        X, y = overlapping(rng)
        model = SoftmaxRegressor(loss=SquaredLog()).fit(X, y)
        targets = [reference.one_hot(label, 3) for label in y]
        expected = reference.softmax_objective(X, targets, lambda q: np.log(q) ** 2, model.coef_, model.intercept_, 1.0)
        assert model.loss_ == pytest.approx(expected, rel=1e-12)
        assert model.score(X, y) > 0.5

    @pytest.mark.parametrize("warm_start", [False, True])
    def test_verbose_prints_a_line_for_each_stage(self, warm_start, rng, capsys):
        X, y = overlapping(rng)
        model = SoftmaxRegressor(loss="focal", verbose=1, warm_start=warm_start).fit(X, y)
        lines = capsys.readouterr().out.splitlines()
        losses = [line.split(":")[0] for line in lines]
        assert losses == sorted(losses)
        assert set(losses) == {"skce, CrossEntropy()", "skce, FocalLoss(gamma=2.0)"}
        figures = (
            r": stage \d+, \d+ iterations, \d+\.\d passes, loss 0\.\d+, "
            r"relative suboptimality (estimated to be|certified to be below) \d\.\de-\d+$"
        )
        assert all(re.search(figures, line) for line in lines)
        model.fit(X, y)
        assert len(capsys.readouterr().out.splitlines()) == (1 if warm_start else len(lines))

    def test_a_wrong_g_does_not_pass_for_convergence(self, rng):
        class WrongSign(CrossEntropy):
            is_convex = False  # as for a g below 0 no loss is

            def g(self, log_q, rest):
                return -np.ones_like(log_q)

        X, y = overlapping(rng)
        with pytest.warns(ConvergenceWarning, match="stalled .* if the loss is your own, check its g"):
            SoftmaxRegressor(loss=WrongSign()).fit(X, y)

    def test_a_non_convex_loss_ends_below_its_value_at_the_cross_entropy_fit(self, rng):
        X, y = overlapping(rng)
        focal = SoftmaxRegressor(loss="focal", C=np.inf).fit(X, y)
        start = SoftmaxRegressor(loss=CrossEntropy(), C=np.inf).fit(X, y)
        targets = [reference.one_hot(label, 3) for label in y]
        at_start = reference.softmax_objective(
            X, targets, reference.PHI["focal_2"], start.coef_, start.intercept_, np.inf
        )
        assert focal.loss_ < at_start


def test_a_model_made_by_hand_predicts(rng):
    # Weights that come from elsewhere: nothing but what predictions need.
    X, y = overlapping(rng)
    for n_classes in (2, 3):
        fitted = SoftmaxRegressor().fit(X, np.minimum(y, n_classes - 1))
        by_hand = SoftmaxRegressor()
        for name in ("classes_", "coef_", "intercept_", "n_features_in_"):
            setattr(by_hand, name, getattr(fitted, name))
        np.testing.assert_array_equal(by_hand.predict_proba(X), fitted.predict_proba(X))
        np.testing.assert_array_equal(by_hand.predict(X), fitted.predict(X))


def test_a_subclass_may_return_a_logit_for_each_of_two_classes(rng):
    class TwoColumns(SoftmaxRegressor):
        def decision_function(self, X):
            logits = super().decision_function(X)
            return np.stack([-logits / 2, logits / 2], axis=1)

    X, y = overlapping(rng)
    two, one = TwoColumns().fit(X, np.minimum(y, 1)), SoftmaxRegressor().fit(X, np.minimum(y, 1))
    np.testing.assert_array_equal(two.predict(X), one.predict(X))
    np.testing.assert_allclose(two.predict_proba(X), one.predict_proba(X), rtol=1e-12)
