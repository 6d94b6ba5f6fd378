"""What works together with skce: libraries around scikit-learn take its estimators as they are."""

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LinearRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import HalvingGridSearchCV, TunedThresholdClassifierCV, train_test_split

from skce import OneVsAllClassifier, OneVsAllClassifierCV, SoftmaxRegressor, SoftmaxRegressorCV, with_prior
from skce.losses import FocalLoss, GeneralizedCrossEntropy, Poly1Loss
from skce.metrics import neg_log_loss_scorer

# Of the libraries themselves, which pandas and numpy have moved on from.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def cancer():
    return load_breast_cancer(return_X_y=True)


@pytest.fixture(scope="module")
def flowers():
    X, y = load_iris(return_X_y=True)
    return X, np.array(["setosa", "versicolor", "virginica"])[y]


@pytest.fixture
def treated(rng):
    """Outcome, treatment and confounders, of which the first decides who is treated; the effect is 2."""
    confounders = rng.normal(size=(1000, 3))
    treatment = (rng.random(1000) < 1 / (1 + np.exp(-confounders[:, 0]))).astype(int)
    return 2 * treatment + confounders[:, 0] + rng.normal(size=1000), treatment, confounders


class TestConformalSets:
    def test_of_mapie_cover(self, flowers):
        classification = pytest.importorskip("mapie.classification")
        X, y = flowers
        X_fit, X_rest, y_fit, y_rest = train_test_split(X, y, test_size=0.5, random_state=0, stratify=y)
        model = SoftmaxRegressor().fit(X_fit, y_fit)
        conformal = classification.SplitConformalClassifier(model, confidence_level=0.9, prefit=True)
        _, sets = conformal.conformalize(X_rest, y_rest).predict_set(X_rest)
        assert sets[np.arange(len(y_rest)), np.searchsorted(model.classes_, y_rest), 0].mean() >= 0.9
        crossed = classification.CrossConformalClassifier(
            SoftmaxRegressor(), confidence_level=0.9, cv=5, random_state=0
        ).fit_conformalize(X, y)
        _, sets = crossed.predict_set(X)
        assert sets[np.arange(len(y)), np.searchsorted(model.classes_, y), 0].mean() >= 0.9

    def test_of_crepes_cover(self, flowers):
        crepes = pytest.importorskip("crepes")
        X, y = flowers
        X_fit, X_rest, y_fit, y_rest = train_test_split(X, y, test_size=0.5, random_state=0, stratify=y)
        wrapped = crepes.WrapClassifier(SoftmaxRegressor())
        wrapped.fit(X_fit, y_fit)
        wrapped.calibrate(X_rest, y_rest, seed=0)
        sets = wrapped.predict_set(X_rest, confidence=0.9, seed=0)
        assert np.mean([label in chosen for label, chosen in zip(y_rest, sets, strict=True)]) >= 0.85


def test_fairlearn_evens_out_what_groups_get(cancer):
    pytest.importorskip("fairlearn")
    from fairlearn.metrics import demographic_parity_difference
    from fairlearn.postprocessing import ThresholdOptimizer
    from fairlearn.reductions import DemographicParity, ExponentiatedGradient

    X, _ = cancer
    group = (X[:, 0] > np.median(X[:, 0])).astype(int)
    y = (X[:, 1] + 5 * group + np.random.default_rng(0).normal(size=len(X)) > 22).astype(int)
    plain = SoftmaxRegressor().fit(X, y).predict(X)
    reduced = ExponentiatedGradient(SoftmaxRegressor(), DemographicParity(), max_iter=10)
    reduced.fit(X, y, sensitive_features=group)
    thresholds = ThresholdOptimizer(
        estimator=SoftmaxRegressor(), constraints="demographic_parity", predict_method="predict_proba"
    ).fit(X, y, sensitive_features=group)
    fair = (
        reduced.predict(X, random_state=0),
        thresholds.predict(X, sensitive_features=group, random_state=0),
    )
    for predicted in fair:
        assert demographic_parity_difference(y, predicted, sensitive_features=group) < 0.05
    assert demographic_parity_difference(y, plain, sensitive_features=group) > 0.3


@pytest.mark.parametrize("make", [SoftmaxRegressor, OneVsAllClassifier])
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_shaps_linear_explainer_explains_the_logits(make, cancer, flowers):
    shap = pytest.importorskip("shap")
    for X, y in (cancer, flowers):
        model = make().fit(X, y)
        explained = shap.LinearExplainer(model, X)(X)
        logits = model.decision_function(X)
        np.testing.assert_allclose(explained.values.sum(axis=1) + explained.base_values, logits, atol=1e-8)


def test_imbalanced_learn_resamples(cancer):
    pytest.importorskip("imblearn")
    from imblearn.ensemble import BalancedBaggingClassifier
    from imblearn.over_sampling import SMOTE
    from imblearn.pipeline import make_pipeline

    X, y = cancer
    rare = np.flatnonzero((y == 1) | (np.arange(len(y)) % 8 == 0))
    X, y = X[rare], y[rare]
    resampled = make_pipeline(SMOTE(random_state=0), SoftmaxRegressor()).fit(X, y)
    bagged = BalancedBaggingClassifier(SoftmaxRegressor(), n_estimators=5, random_state=0).fit(X, y)
    assert resampled.score(X, y) > 0.9 < bagged.score(X, y)
    # With the prior of all rows the probabilities of a resampled fit mean what they say again.
    share = np.bincount(y) / len(y)
    restored = with_prior(resampled, prior=share)
    assert log_loss(y, restored.predict_proba(X)) < log_loss(y, resampled.predict_proba(X))


class TestCausalModels:
    def test_of_econml(self, treated):
        pytest.importorskip("econml")
        from econml.dml import LinearDML
        from econml.dr import LinearDRLearner

        outcome, treatment, confounders = treated
        for make in (SoftmaxRegressor, SoftmaxRegressorCV):
            double = LinearDML(model_y=LinearRegression(), model_t=make(), discrete_treatment=True, random_state=0).fit(
                outcome, treatment, W=confounders
            )
            assert abs(double.ate() - 2) < 0.25
        robust = LinearDRLearner(
            model_propensity=SoftmaxRegressor(), model_regression=LinearRegression(), random_state=0
        ).fit(outcome, treatment, W=confounders)
        assert abs(robust.ate() - 2) < 0.25

    def test_of_doubleml(self, treated):
        doubleml = pytest.importorskip("doubleml")
        outcome, treatment, confounders = treated
        data = doubleml.DoubleMLData.from_arrays(confounders, outcome, treatment)
        np.random.seed(0)  # noqa: NPY002, as DoubleML draws its folds from it
        effect = doubleml.DoubleMLIRM(data, LinearRegression(), SoftmaxRegressor()).fit()
        assert abs(effect.coef[0] - 2) < 3 * effect.se[0]


def test_skrubs_tabular_pipeline_feeds_a_table(cancer):
    skrub = pytest.importorskip("skrub")
    X, y = cancer
    table = pd.DataFrame({"radius": X[:, 0], "town": np.array(["here", "there", "far"])[np.arange(len(X)) % 3]})
    table["when"] = pd.date_range("2026-01-01", periods=len(X))
    table.loc[3, "radius"] = np.nan
    for make in (SoftmaxRegressor, SoftmaxRegressorCV):
        assert skrub.tabular_pipeline(make()).fit(table, y).score(table, y) > 0.85


class TestSkops:
    MODELS = [
        SoftmaxRegressor(loss="focal", posterior="recovered"),
        SoftmaxRegressor(loss=Poly1Loss(0.5)),
        OneVsAllClassifier(loss=GeneralizedCrossEntropy()),
        SoftmaxRegressorCV(Cs=[0.1, 1.0]),
        OneVsAllClassifierCV(Cs=[0.1, 1.0], loss=FocalLoss(1.0), cv=3),
    ]

    @pytest.mark.parametrize("model", MODELS, ids=str)
    def test_files_name_public_types_to_trust(self, model, flowers):
        skops_io = pytest.importorskip("skops.io")
        X, y = flowers
        data = skops_io.dumps(model.fit(X, y))
        names = skops_io.get_untrusted_types(data=data)
        assert any(name.startswith("skce.") for name in names)
        assert not any(part.startswith("_") for name in names for part in name.split("."))
        loaded = skops_io.loads(data, trusted=names)
        np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))

    def test_another_prior(self, flowers):
        skops_io = pytest.importorskip("skops.io")
        X, y = flowers
        model = with_prior(SoftmaxRegressor().fit(X, y), prior=[0.5, 0.3, 0.2])
        data = skops_io.dumps(model)
        loaded = skops_io.loads(data, trusted=skops_io.get_untrusted_types(data=data))
        np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


class TestScikitLearnsOwn:
    def test_permutation_importance_and_partial_dependence(self, cancer):
        X, y = cancer
        model = SoftmaxRegressor().fit(X, y)
        importance = permutation_importance(model, X, y, scoring=neg_log_loss_scorer, n_repeats=3, random_state=0)
        largest = importance.importances_mean.argmax()
        assert importance.importances_mean[largest] > 0.01
        averages = partial_dependence(model, X, [largest], grid_resolution=5)["average"][0]
        # A linear model is monotone in each feature.
        assert len(set(np.sign(np.diff(averages)))) == 1

    @pytest.mark.parametrize("make", [SoftmaxRegressor, OneVsAllClassifier])
    def test_stacking(self, make, flowers):
        X, y = flowers
        forest = RandomForestClassifier(5, random_state=0)
        stacked = StackingClassifier([("linear", make()), ("forest", forest)], final_estimator=make()).fit(X, y)
        assert stacked.score(X, y) > 0.95

    @pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
    def test_calibration(self, method, flowers):
        if method not in CalibratedClassifierCV.__doc__:
            pytest.skip("scikit-learn has no calibration by temperature before 1.8")
        X, y = flowers
        bent = SoftmaxRegressor(loss=FocalLoss(3.0), C=100.0)
        calibrated = CalibratedClassifierCV(bent, method=method, cv=3).fit(X, y)
        assert calibrated.score(X, y) > 0.9
        if method == "temperature":  # the only one of them that is made for a softmax
            assert log_loss(y, calibrated.predict_proba(X)) < log_loss(y, bent.fit(X, y).predict_proba(X))

    def test_tuned_thresholds(self, cancer):
        X, y = cancer
        tuned = TunedThresholdClassifierCV(SoftmaxRegressor(), scoring="balanced_accuracy", cv=3).fit(X, y)
        assert 0 < tuned.best_threshold_ < 1
        assert tuned.score(X, y) > 0.9

    def test_successive_halving(self, cancer):
        X, y = cancer
        grid = {"C": [1e-4, 1e-2, 1.0, 100.0]}
        search = HalvingGridSearchCV(
            SoftmaxRegressor(), grid, scoring=neg_log_loss_scorer, cv=3, random_state=0, min_resources=140
        ).fit(X, y)
        assert search.best_params_["C"] > 1e-4
