"""Tables against statsmodels', covariances against loops, laws of weights and labels, and what is said of bad input."""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import scipy.stats
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skce import OneVsAllClassifier, SoftmaxRegressor, SoftmaxRegressorCV
from skce.inference import covariance, influence, leave_one_out, margins, summary, wald_test
from skce.inference.fitted import fitted
from skce.losses import FocalLoss, GeneralizedCrossEntropy, Poly1Loss
from tests.inference.problems import SETS, statsmodels_fit, statsmodels_set
from tests.problems import overlapping


@pytest.mark.parametrize("name", SETS)
class TestStatsmodels:
    def test_the_table(self, name):
        X, y = statsmodels_set(name)
        theirs = statsmodels_fit(X, y)
        ours = summary(SoftmaxRegressor(C=np.inf).fit(X, y), X, y, reference=y.min())
        shape = ours.coef.shape

        def of_theirs(values):
            return np.asarray(values).T.reshape(shape)

        np.testing.assert_allclose(ours.coef, of_theirs(theirs.params), rtol=1e-6)
        np.testing.assert_allclose(ours.std_err, of_theirs(theirs.bse), rtol=1e-6)
        np.testing.assert_allclose(ours.z, of_theirs(theirs.tvalues), rtol=1e-6)
        np.testing.assert_allclose(ours.p, of_theirs(theirs.pvalues), rtol=1e-6, atol=1e-300)
        interval = np.asarray(theirs.conf_int()).reshape(*shape, 2)
        np.testing.assert_allclose(ours.lower, interval[..., 0], rtol=1e-6)
        np.testing.assert_allclose(ours.upper, interval[..., 1], rtol=1e-6)
        np.testing.assert_allclose(ours.odds_ratio, np.exp(of_theirs(theirs.params)), rtol=1e-5)
        for ours_is, theirs_is in [
            (ours.log_likelihood, theirs.llf),
            (ours.null_log_likelihood, theirs.llnull),
            (ours.pseudo_r2, theirs.prsquared),
            (ours.aic, theirs.aic),
            (ours.bic, theirs.bic),
            (ours.df_model, theirs.df_model),
            (ours.df_residual, theirs.df_resid),
        ]:
            assert ours_is == pytest.approx(theirs_is, rel=1e-6)

    @pytest.mark.filterwarnings("ignore:9 clusters for")
    @pytest.mark.parametrize("small_sample", [False, True])
    def test_sandwich_and_cluster(self, name, small_sample):
        X, y = statsmodels_set(name)
        groups = np.arange(len(y)) % 9
        model = SoftmaxRegressor(C=np.inf).fit(X, y)
        options = {"groups": groups, "use_correction": small_sample}
        theirs = statsmodels_fit(X, y, cov_type="cluster", cov_kwds=options)
        ours = covariance(
            model, X, y, covariance="cluster", groups=groups, reference=y.min(), small_sample=small_sample
        )
        np.testing.assert_allclose(ours.matrix, np.asarray(theirs.cov_params()), rtol=1e-6, atol=1e-12)
        theirs = statsmodels_fit(X, y, cov_type="HC0")
        ours = covariance(model, X, y, covariance="sandwich", reference=y.min())
        np.testing.assert_allclose(ours.matrix, np.asarray(theirs.cov_params()), rtol=1e-6, atol=1e-12)

    def test_contrasts_to_every_reference_are_those_of_statsmodels(self, name):
        X, y = statsmodels_set(name)
        model = SoftmaxRegressor(C=np.inf).fit(X, y)
        for reference in np.unique(y):
            codes = np.where(y == reference, -1, y)  # their reference is the first class
            theirs = statsmodels_fit(X, np.unique(codes, return_inverse=True)[1])
            ours = covariance(model, X, y, reference=reference)
            np.testing.assert_allclose(ours.coef, np.asarray(theirs.params).T.reshape(ours.coef.shape), rtol=1e-6)
            np.testing.assert_allclose(ours.matrix, np.asarray(theirs.cov_params()), rtol=1e-6, atol=1e-12)


def sandwich_by_loops(model, X, y, weight, groups, theta, C):
    """Sandwich of the contrasts to the first of K classes: plain loops, numpy's inverse."""
    n, p = len(y), X.shape[1] + 1
    n_classes = len(model.classes_)
    design = np.column_stack([np.ones(n), X])
    hessian = np.zeros(((n_classes - 1) * p,) * 2)
    scores = {}
    for i in range(n):
        logits = design[i] @ theta.T
        q = np.exp(logits - logits.max())
        q /= q.sum()
        inner = weight[i] * (np.diag(q) - np.outer(q, q))[1:, 1:]
        hessian += np.kron(inner, np.outer(design[i], design[i]))
        score = np.kron((weight[i] * (q - np.eye(n_classes)[y[i]]))[1:], design[i])
        scores[groups[i]] = scores.get(groups[i], 0) + score
    if np.isfinite(C):
        # A ridge on coefficients that sum to zero, by contrasts: I - 1/K.
        centred = (np.eye(n_classes) - 1 / n_classes)[1:, 1:]
        hessian += np.kron(centred, np.diag([0.0] + [1 / C] * (p - 1)))
    inverse = np.linalg.inv(hessian)
    return inverse @ sum(np.outer(score, score) for score in scores.values()) @ inverse


class TestLoops:
    @pytest.mark.parametrize("C", [np.inf, 0.5])
    @pytest.mark.parametrize("kind", ["sandwich", "cluster"])
    def test_weighted_covariance_of_three_classes(self, C, kind, rng):
        X, y = overlapping(rng, n_samples=90)
        weight, groups = rng.uniform(0.2, 3, size=len(y)), rng.integers(0, 12, size=len(y))
        model = SoftmaxRegressor(C=C).fit(X, y, weight)
        ours = covariance(
            model, X, y, weight, covariance=kind, groups=groups if kind == "cluster" else None, reference=0
        )
        theta = np.vstack([np.zeros(X.shape[1] + 1), ours.coef])
        of_rows = np.arange(len(y)) if kind == "sandwich" else groups
        expected = sandwich_by_loops(model, X, y, weight, of_rows, theta, C)
        np.testing.assert_allclose(ours.matrix, expected, rtol=1e-8, atol=1e-12)

    def test_one_vs_all_is_a_table_of_each_class_against_the_others(self, rng):
        X, y = overlapping(rng)
        weight = rng.uniform(0.5, 2, size=len(y))
        model = OneVsAllClassifier(C=2.0).fit(X, y, weight)
        for kind in ("hessian", "sandwich"):
            ours = summary(model, X, y, weight, covariance=kind)
            for output in range(3):
                one = SoftmaxRegressor(C=2.0).fit(X, y == output, weight)
                theirs = summary(one, X, y == output, weight, covariance=kind)
                np.testing.assert_allclose(ours.coef[output], theirs.coef[0], rtol=1e-9, atol=1e-12)
                np.testing.assert_allclose(ours.std_err[output], theirs.std_err[0], rtol=1e-9)

    def test_multilabel_is_a_table_of_each_label(self, rng):
        X, y = overlapping(rng)
        indicator = np.column_stack([y == 0, y > 1, X[:, 0] + rng.normal(size=len(y)) > 0]).astype(int)
        ours = summary(OneVsAllClassifier(C=2.0).fit(X, indicator), X, indicator)
        for label in range(3):
            one = SoftmaxRegressor(C=2.0).fit(X, indicator[:, label])
            theirs = summary(one, X, indicator[:, label])
            np.testing.assert_allclose(ours.std_err[label], theirs.std_err[0], rtol=1e-9)


class TestLaws:
    @pytest.fixture(params=[np.inf, 1.0], ids=["C=inf", "C=1"])
    def C(self, request):
        return request.param

    def test_weights_of_two_are_repeated_rows(self, C, rng):
        X, y = overlapping(rng)
        twice, y_twice = np.repeat(X, 2, axis=0), np.repeat(y, 2)
        weight = np.full(len(y), 2.0)
        one = SoftmaxRegressor(C=C).fit(X, y, weight)
        other = SoftmaxRegressor(C=C).fit(twice, y_twice)
        ours, theirs = summary(one, X, y, weight), summary(other, twice, y_twice)
        np.testing.assert_allclose(ours.std_err, theirs.std_err, rtol=1e-9)
        for name in ("n_observations", "log_likelihood", "bic", "df_model", "df_residual"):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-9)
        as_frequencies = covariance(one, X, y, weight, covariance="sandwich", weights="frequency")
        of_copies = covariance(other, twice, y_twice, covariance="sandwich")
        np.testing.assert_allclose(as_frequencies.matrix, of_copies.matrix, rtol=1e-9, atol=1e-14)
        # Probability weights are no copies: those of one row depend on each other.
        clustered = covariance(other, twice, y_twice, covariance="cluster", groups=np.repeat(np.arange(len(y)), 2))
        as_probabilities = covariance(one, X, y, weight, covariance="sandwich")
        np.testing.assert_allclose(as_probabilities.matrix, clustered.matrix, rtol=1e-9, atol=1e-14)
        assert not np.allclose(as_probabilities.matrix, of_copies.matrix, rtol=0.1)

    def test_soft_labels_are_weighted_copies_clustered_by_row(self, C, rng):
        X, y = overlapping(rng)
        soft = rng.dirichlet([0.5, 0.5, 0.5], size=len(y)) + 2 * np.eye(3)[y]
        soft /= soft.sum(axis=1, keepdims=True)
        copies, labels = np.repeat(X, 3, axis=0), np.tile([0, 1, 2], len(y))
        ours = covariance(SoftmaxRegressor(C=C).fit(X, soft), X, soft, covariance="sandwich")
        model = SoftmaxRegressor(C=C).fit(copies, labels, soft.ravel())
        rows = np.repeat(np.arange(len(y)), 3)
        theirs = covariance(model, copies, labels, soft.ravel(), covariance="cluster", groups=rows)
        np.testing.assert_allclose(ours.coef, theirs.coef, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(ours.matrix, theirs.matrix, rtol=1e-9, atol=1e-13)

    @pytest.mark.parametrize("kind", ["hessian", "sandwich"])
    def test_the_order_of_classes_and_the_reference_do_not_matter(self, C, kind, rng):
        X, y = overlapping(rng)
        order = np.array([2, 0, 1])
        model, permuted = SoftmaxRegressor(C=C).fit(X, y), SoftmaxRegressor(C=C).fit(X, order[y])
        ours = covariance(model, X, y, covariance=kind)
        theirs = covariance(permuted, X, order[y], covariance=kind)
        np.testing.assert_allclose(ours.coef, theirs.coef[order], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(ours.standard_errors, theirs.standard_errors[order], rtol=1e-9)
        to_first, to_last = (covariance(model, X, y, covariance=kind, reference=one) for one in (0, 2))
        n_columns = X.shape[1] + 1
        # 1 - 2 and 0 - 2 from 1 - 0 and 2 - 0.
        change = np.kron([[0, -1], [1, -1]], np.eye(n_columns))
        np.testing.assert_allclose(to_last.matrix, change @ to_first.matrix @ change.T, rtol=1e-9, atol=1e-13)
        np.testing.assert_allclose(to_first.coef, ours.coef[1:] - ours.coef[0], rtol=1e-9, atol=1e-12)
        assert ours.coef.sum(axis=0) == pytest.approx(0, abs=1e-10)

    def test_rows_without_weight_are_as_if_they_were_not_there(self, C, rng):
        X, y = overlapping(rng)
        weight = (np.arange(len(y)) % 4 > 0).astype(float)
        kept = weight > 0
        for kind in ("hessian", "sandwich"):
            ours = summary(SoftmaxRegressor(C=C).fit(X, y, weight), X, y, weight, covariance=kind)
            theirs = summary(SoftmaxRegressor(C=C).fit(X[kept], y[kept]), X[kept], y[kept], covariance=kind)
            np.testing.assert_allclose(ours.std_err, theirs.std_err, rtol=1e-9)
            assert ours.n_observations == theirs.n_observations

    def test_columns_far_from_zero_and_float32_and_sparse(self, rng):
        X, y = overlapping(rng)
        X = X.astype(np.float32)
        theirs = summary(SoftmaxRegressor(C=np.inf).fit(X.astype(float), y), X.astype(float), y)
        shifted = X.astype(float) + 1e6
        ours = summary(SoftmaxRegressor(C=np.inf).fit(shifted, y), shifted, y)
        np.testing.assert_allclose(ours.std_err[:, 1:], theirs.std_err[:, 1:], rtol=1e-6)
        for other in (X, scipy.sparse.csr_array(X.astype(float))):
            ours = summary(SoftmaxRegressor(C=np.inf).fit(other, y), other, y)
            np.testing.assert_allclose(ours.coef, theirs.coef, rtol=1e-8, atol=1e-9)
            np.testing.assert_allclose(ours.std_err, theirs.std_err, rtol=1e-8)


class TestLosses:
    @pytest.mark.parametrize("n_classes", [2, 3])
    @pytest.mark.parametrize("loss", [FocalLoss(1.0), FocalLoss(0.5), Poly1Loss(1.0), GeneralizedCrossEntropy(0.3)])
    def test_the_hessian_is_the_second_derivative_of_the_objective(self, loss, n_classes, rng):
        X, y = overlapping(rng, n_samples=60, n_classes=n_classes)
        model = SoftmaxRegressor(C=1.0, loss=loss, label_smoothing=0.1, tol=1e-12).fit(X, y)
        ours = covariance(model, X, y, covariance="hessian")
        design = np.column_stack([np.ones(len(y)), X])
        smooth = 0.9 * np.eye(n_classes)[y] + 0.1 / n_classes

        def gradient(theta):
            """By loops over the formula Q rowsum(A) - A, of S F."""
            logits = design @ theta.reshape(-1, design.shape[1]).T
            if n_classes == 2:
                logits = np.column_stack([np.zeros(len(y)), logits])
            q = np.exp(logits - logits.max(axis=1, keepdims=True))
            q /= q.sum(axis=1, keepdims=True)
            A = smooth * loss.g(np.log(q), 1 - q)
            of_logits = q * A.sum(axis=1, keepdims=True) - A
            of_logits = of_logits[:, 1:] if n_classes == 2 else of_logits
            penalty = theta.reshape(-1, design.shape[1]).copy()
            penalty[:, 0] = 0
            return (of_logits.T @ design + penalty).ravel()

        theta, step = ours.coef.ravel(), 1e-5
        assert np.abs(gradient(theta)).max() < 1e-8
        hessian = np.array(
            [(gradient(theta + step * e) - gradient(theta - step * e)) / (2 * step) for e in np.eye(len(theta))]
        )
        # Of a softmax, on the plane of coefficients that sum to zero over the classes.
        plane = np.eye(len(ours.coef)) - (n_classes > 2) / n_classes
        plane = np.kron(plane, np.eye(design.shape[1]))
        expected = np.linalg.pinv(plane @ hessian @ plane, rcond=1e-7)
        np.testing.assert_allclose(ours.matrix, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())

    def test_a_loss_with_a_kink_has_no_errors(self, rng):
        class Kinked:
            is_convex = False

            def value(self, log_q, rest):
                return -log_q + 0.15 * np.minimum(log_q - np.log(0.5), 0) ** 2

            def g(self, log_q, rest):
                return np.where(log_q > np.log(0.5), 1.0, 1.0 - 0.3 * (log_q - np.log(0.5)))

        X, y = overlapping(rng)
        model = SoftmaxRegressor(loss=Kinked(), C=0.1).fit(X, y)
        with pytest.raises(ValueError, match="second derivative"):
            summary(model, X, y)

    def test_losses_that_are_no_likelihood_have_none(self, rng):
        X, y = overlapping(rng)
        table = summary(SoftmaxRegressor(loss="focal").fit(X, y), X, y, covariance="sandwich")
        assert np.isnan([table.log_likelihood, table.aic, table.bic, table.pseudo_r2]).all()
        assert "Log-likelihood" not in str(table)

    @pytest.mark.parametrize(
        "options",
        [{"loss": "focal"}, {"label_smoothing": 0.1}, {"class_weight": "balanced"}],
        ids=str,
    )
    def test_errors_are_those_of_the_sandwich_where_the_loss_is_no_likelihood(self, options, rng):
        X, y = overlapping(rng)
        model = SoftmaxRegressor(**options).fit(X, y)
        sandwich = summary(model, X, y, covariance="sandwich")
        for ours in (summary(model, X, y), covariance(model, X, y)):
            np.testing.assert_array_equal(
                ours.std_err if hasattr(ours, "std_err") else ours.standard_errors, sandwich.std_err
            )
        np.testing.assert_array_equal(margins(model, X, y).std_err, margins(model, X, y, covariance=sandwich).std_err)
        assert "sandwich holds for any loss" in str(sandwich.notes)
        if "class_weight" not in options:
            note = str(summary(model, X, y, covariance="hessian").notes)
            assert "not valid" in note
            assert "covariance='sandwich'" in note
        plain = SoftmaxRegressor().fit(X, y)
        np.testing.assert_array_equal(summary(plain, X, y).std_err, summary(plain, X, y, covariance="hessian").std_err)


class TestOptimum:
    def test_a_loose_fit_has_the_table_of_a_tight_one_and_is_left_as_it_is(self, rng):
        X, y = overlapping(rng, n_samples=500)
        loose, tight = SoftmaxRegressor(tol=1e-3).fit(X, y), SoftmaxRegressor(tol=1e-13).fit(X, y)
        before = loose.coef_.copy()
        ours, theirs = summary(loose, X, y), summary(tight, X, y)
        np.testing.assert_allclose(ours.coef, theirs.coef, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(ours.std_err, theirs.std_err, rtol=1e-9)
        assert ours.gap < 1e-8
        np.testing.assert_array_equal(loose.coef_, before)
        assert not np.allclose(loose.coef_, ours.coef[:, 1:], rtol=1e-9)

    def test_laplace_is_the_inverse_hessian_by_another_name(self, rng):
        X, y = overlapping(rng)
        model = SoftmaxRegressor(C=0.3).fit(X, y)
        posterior, errors = summary(model, X, y, covariance="laplace"), summary(model, X, y)
        np.testing.assert_array_equal(posterior.std_err, errors.std_err)
        np.testing.assert_allclose(posterior.p, errors.p / 2)
        assert "posterior" in " ".join(posterior.notes)
        assert "penalised" in " ".join(errors.notes)

    def test_effective_degrees_of_freedom_fall_with_C(self, rng):
        X, y = overlapping(rng)
        df = [summary(SoftmaxRegressor(C=C).fit(X, y), X, y).df_model for C in (1e-4, 1e-2, 1.0, np.inf)]
        assert df == sorted(df)
        assert df[0] < 0.2
        assert df[-1] == 2 * X.shape[1]


class TestDisplayed:
    @pytest.fixture
    def table(self):
        X, y = load_breast_cancer(return_X_y=True, as_frame=True)
        X = X[["mean radius", "mean texture"]]
        return summary(SoftmaxRegressor(C=np.inf).fit(X, y), X, y, confidence=0.9)

    def test_text_is_aligned_and_has_all_names_and_numbers(self, table):
        lines = str(table).splitlines()
        assert len({len(line) for line in lines if "mean " in line or line.startswith("intercept")}) == 1
        for text in ("mean radius", "1 against 0", "odds ratio", "[0.05", "0.95]", "Log-likelihood", "569", "hessian"):
            assert text in str(table)
        assert f"{table.coef[0, 1]:.4f}" in str(table)

    def test_html_has_the_same_cells(self, table):
        html = table._repr_html_()
        assert f"{table.std_err[0, 2]:.4f}" in html
        assert html.count("<tr>") == html.count("</tr>")

    def test_the_frame(self, table):
        frame = table.to_frame()
        assert frame.loc[("1 against 0", "mean radius"), "coef"] == table.coef[0, 1]
        assert list(frame.columns)[:4] == ["coef", "std_err", "z", "p"]
        assert table.covariance.to_frame().shape == (3, 3)
        width = (frame["upper"] - frame["lower"]) / frame["std_err"] / 2
        np.testing.assert_allclose(width, scipy.stats.norm.ppf(0.95))

    def test_names_of_a_pipeline_are_those_of_its_last_step(self):
        X, y = load_iris(return_X_y=True, as_frame=True)
        pipeline = make_pipeline(StandardScaler(), SoftmaxRegressor()).fit(X, y)
        expected = summary(pipeline[-1], StandardScaler().fit_transform(X), y)
        table = summary(pipeline, X, y)
        assert table.features == ["intercept", *X.columns]
        np.testing.assert_allclose(table.std_err, expected.std_err)
        search = GridSearchCV(pipeline, {"softmaxregressor__C": [1.0]}).fit(X, y)
        np.testing.assert_allclose(summary(search, X, y).std_err, expected.std_err)
        assert expected.features[1:] == ["x0", "x1", "x2", "x3"]


class TestNotes:
    def test_of_a_pipeline_a_search_and_a_model_that_chooses(self, rng):
        X, y = overlapping(rng)
        per_unit, chosen = "per unit of the columns that the last step", "was chosen on the same data"
        plain, cv = SoftmaxRegressor().fit(X, y), SoftmaxRegressorCV(Cs=[0.1, 1.0]).fit(X, y)
        pipeline = make_pipeline(StandardScaler(), SoftmaxRegressor())
        search = GridSearchCV(pipeline, {"softmaxregressor__C": [0.1, 1.0]}).fit(X, y)
        for model, has_unit, is_chosen in [
            (plain, 0, 0),
            (cv, 0, 1),
            (make_pipeline(plain).fit(X, y), 0, 0),
            (pipeline.fit(X, y), 1, 0),
            (search, 1, 1),
        ]:
            text = " ".join(summary(model, X, y).notes)
            assert (text.count(per_unit), text.count(chosen)) == (has_unit, is_chosen)

    def test_of_what_coefficients_are_against(self, rng):
        X, y = overlapping(rng)
        names = np.array(["hi", "lo", "mid"])[y]
        note = "against the geometric mean of all classes, and sum to zero; reference='hi' compares"
        model = SoftmaxRegressor().fit(X, names)
        assert note in summary(model, X, names).notes[-1]
        assert note in summary(SoftmaxRegressor().fit(X, names.astype(object)), X, names.astype(object)).notes[-1]
        for table in (
            summary(model, X, names, reference="hi"),
            summary(SoftmaxRegressor().fit(X, y > 0), X, y > 0),
            summary(OneVsAllClassifier().fit(X, y), X, y),
        ):
            assert "geometric" not in str(table)


class TestBadInput:
    @pytest.fixture
    def data(self, rng):
        X, y = overlapping(rng)
        return SoftmaxRegressor().fit(X, y), X, y

    def test_unfitted_and_foreign_models(self, data):
        _, X, y = data
        with pytest.raises(NotFittedError):
            summary(SoftmaxRegressor(), X, y)
        with pytest.raises(TypeError, match="SoftmaxRegressor"):
            summary(LogisticRegression().fit(X, y), X, y)

    def test_other_features(self, data):
        model, X, y = data
        with pytest.raises(ValueError, match="X has 1 features, but the model was fitted to"):
            summary(model, X[:, :1], y)
        frame = pd.DataFrame(X).add_prefix("a")
        fitted = SoftmaxRegressor().fit(frame, y)
        with pytest.raises(ValueError, match="columns"):
            summary(fitted, frame[frame.columns[::-1]], y)

    def test_other_labels_or_lengths(self, data):
        model, X, y = data
        with pytest.raises(ValueError, match="labels that are not in classes"):
            summary(model, X, y + 1)
        with pytest.raises(ValueError, match="inconsistent"):
            summary(model, X, y[:-1])
        with pytest.raises(ValueError, match="sample_weight"):
            summary(model, X, y, np.full(len(y), -1.0))

    def test_labels_that_lack_a_class(self, data):
        model, X, y = data
        with pytest.raises(ValueError, match="the model was fitted to"):
            summary(model, X, np.minimum(y, 1))
        with pytest.raises(ValueError, match="the model was fitted to"):
            summary(OneVsAllClassifier().fit(X, y), X, np.minimum(y, 1))
        absent = SoftmaxRegressor(classes=[0, 1, 2, 3]).fit(X, y)
        assert summary(absent, X, y).contrasts == ["0", "1", "2"]

    def test_other_data_than_those_of_the_fit_are_noted(self, data, rng):
        model, X, y = data
        assert not any("not those of the fit" in note for note in summary(model, X, y).notes)
        with pytest.warns(UserWarning, match="not those of the fit"):
            table = summary(model, X, rng.permutation(y))
        assert "not those of the fit" in table.notes[0]
        assert str(table).startswith("X, y, weights or parameters are not those of the fit")
        assert str(table).count("not those of the fit") == 1
        assert table._repr_html_().startswith("<p><b>X, y, weights")
        theirs = summary(SoftmaxRegressor().fit(X[:40], y[:40]), X[:40], y[:40])
        with pytest.warns(UserWarning, match="not those of the fit"):
            ours = summary(model, X[:40], y[:40])
        for function in (covariance, margins, influence, leave_one_out):
            with pytest.warns(UserWarning, match="not those of the fit"):
                function(model, X[:40], y[:40])
        np.testing.assert_allclose(ours.std_err, theirs.std_err, rtol=1e-6)

    def test_other_data_of_the_same_loss_are_told_by_the_minimum(self, data):
        # The loss at the model's coefficients is made that of the fit, as it may be by chance.
        model, X, y = data
        model = copy.copy(model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            of_mirrored = fitted(model, -X).problem(y, None)
            with of_mirrored as problem:
                model.loss_ = fitted(model, -X).optimum(problem).value_of_fit
        assert model.is_certified_
        with pytest.warns(UserWarning, match="not those of the fit"):
            summary(model, -X, y)

    @pytest.mark.parametrize("small_sample", [False, True])
    @pytest.mark.parametrize("kind", ["hessian", "sandwich", "cluster"])
    def test_rows_of_no_weight_change_nothing(self, rng, kind, small_sample):
        X, y = overlapping(rng)
        weight = (np.arange(len(y)) % 60 < 30) * rng.uniform(0.5, 2, size=len(y))
        groups = np.arange(len(y)) % 60
        counts = weight > 0
        X[~counts, 0] = 3  # among those that count an indicator
        X[counts, 0] = X[counts, 0] > 0
        options = {"covariance": kind}
        of_all, of_some = options, options
        if kind == "cluster":
            of_all = {**options, "groups": groups, "small_sample": small_sample}
            of_some = {**of_all, "groups": groups[counts]}
        model = SoftmaxRegressor(tol=1e-12).fit(X, y, weight)
        for function, name in ((summary, "std_err"), (margins, "effect"), (margins, "std_err")):
            ours = getattr(function(model, X, y, weight, **of_all), name)
            expected = getattr(function(model, X[counts], y[counts], weight[counts], **of_some), name)
            np.testing.assert_allclose(ours, expected, rtol=1e-6)

    def test_few_clusters(self, data, rng):
        model, X, y = data
        groups = np.arange(len(y))
        for n_clusters, message in ((8, "8 clusters for 8"), (2, "2 clusters for 8 parameters: the rank")):
            with pytest.warns(UserWarning, match=message):
                table = summary(model, X, y, covariance="cluster", groups=groups % n_clusters)
            assert message in table.notes[0]
            assert np.linalg.matrix_rank(table.covariance.matrix, tol=1e-12) <= n_clusters
        with pytest.raises(ValueError, match="clusters, which are too few"):
            wald_test(table, ["x0", "x1"])
        assert "few" in summary(model, X, y, covariance="cluster", groups=groups % 20).notes[0]
        notes = summary(model, X, y, covariance="cluster", groups=groups % 45).notes
        assert not any("clusters" in note for note in notes)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"covariance": "HC0"}, "covariance must be one of.*HC0, are 'sandwich'"),
            ({"covariance": "robust"}, "covariance must be one of.*HC0, are 'sandwich'"),
            ({"covariance": "cluster"}, "groups must be given"),
            ({"groups": np.arange(3)}, "groups must be given"),
            ({"covariance": "cluster", "groups": np.arange(3)}, "groups must have a label"),
            ({"covariance": "cluster", "groups": np.zeros(100)}, "two clusters or more with rows of weight, got 1"),
            ({"covariance": "cluster", "groups": np.full(100, np.nan)}, "NaN"),
            (
                {"covariance": "cluster", "groups": np.array(["a", "b", None, "c"] * 25, dtype=object)},
                "label 2 is None",
            ),
            ({"small_sample": True}, "small_sample=True is for"),
            ({"weights": "probability"}, "does not go with"),
            ({"weights": "analytic"}, "weights must be"),
            ({"reference": 7}, "reference must be one of the classes"),
            ({"confidence": 95}, "confidence must be"),
        ],
    )
    def test_options(self, data, options, message):
        model, X, y = data
        if "groups" in options and len(options["groups"]) == 100:
            options = {**options, "groups": np.resize(options["groups"], len(y))}
        with pytest.raises(ValueError, match=message):
            summary(model, X, y, **options)

    def test_more_parameters_than_a_covariance_is_computed_of(self, rng):
        X, y = scipy.sparse.csr_array(rng.uniform(size=(60, 9000)) < 0.01, dtype=float), rng.integers(0, 2, size=60)
        with pytest.raises(ValueError, match="9001 parameters"):
            summary(SoftmaxRegressor(C=0.1).fit(X, y), X, y)

    def test_one_vs_all_has_no_reference(self, data):
        _, X, y = data
        with pytest.raises(ValueError, match="one-vs-all"):
            summary(OneVsAllClassifier().fit(X, y), X, y, reference=0)

    def test_laplace_of_no_likelihood(self, data):
        _, X, y = data
        with pytest.raises(ValueError, match="likelihood"):
            summary(SoftmaxRegressor(loss="focal").fit(X, y), X, y, covariance="laplace")

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_columns_that_depend_on_each_other_are_named(self, data):
        _, X, y = data
        frame = pd.DataFrame(X).add_prefix("a").assign(total=X[:, 0] + X[:, 1], same=1.0)
        model = SoftmaxRegressor(C=np.inf).fit(frame, y)
        with pytest.raises(ValueError, match=r"The columns a0, a1, total, same depend"):
            summary(model, frame, y)
        summary(SoftmaxRegressor(C=1.0).fit(frame, y), frame, y)
