"""scikit-learn's own checks, and the tools of scikit-learn that people use a classifier in."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_blobs
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectFromModel
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from skce import OneVsAllClassifier, SoftmaxRegressor, SoftmaxRegressorCV
from skce.losses import FocalLoss
from skce.metrics import neg_log_loss_scorer
from tests.checks import assert_all_passed
from tests.problems import SKLEARN_VERSION

VARIANTS = [
    make_estimator(**settings)
    for make_estimator in (SoftmaxRegressor, OneVsAllClassifier)
    for settings in (
        {},
        {"loss": "focal"},
        {"label_smoothing": 0.1},
        {"loss": FocalLoss(0.5), "label_smoothing": 0.1},
        {"posterior": "recovered"},
        {"posterior": "recovered", "loss": "focal", "label_smoothing": 0.1},
    )
]

CALIBRATION_METHODS = ["sigmoid", "isotonic"] + (["temperature"] if SKLEARN_VERSION >= (1, 8) else [])


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(params=[SoftmaxRegressor, OneVsAllClassifier])
def make_estimator(request):
    return request.param


# One check sets max_iter to 1 or 2 and expects no error; one gives a single class all the weight, and expects a model.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore:Only the class:UserWarning")
@pytest.mark.parametrize("estimator", VARIANTS, ids=repr)
def test_check_estimator(estimator):
    assert_all_passed(check_estimator(estimator, on_skip=None))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore:Only the class:UserWarning")
@pytest.mark.parametrize(
    ("estimator", "may_fail"),
    [
        (SoftmaxRegressor(C=1e4), True),
        pytest.param(SoftmaxRegressorCV(), True, marks=pytest.mark.slow),
        pytest.param(SoftmaxRegressorCV(tol=1e-12), False, marks=pytest.mark.slow),
    ],
    ids=repr,
)
def test_of_a_weak_penalty_one_check_asks_for_more_digits_than_tol_has(estimator, may_fail):
    # As docs/stability.md says.
    failed = {
        result["check_name"]
        for result in check_estimator(estimator, on_skip=None, on_fail=None)
        if result["status"] == "failed"
    }
    names = {f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse")}
    assert failed <= (names if may_fail else set())


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_recovered_predictions_score_as_the_checks_would_ask(make_estimator, loss):
    # The tag that lets them pass where class weights are undone also has them leave out the score; here it is.
    X, y = make_blobs(n_samples=300, random_state=0)
    X = StandardScaler().fit_transform(X)
    for n_classes in (2, 3):
        model = make_estimator(loss=loss, posterior="recovered").fit(X[y < n_classes], y[y < n_classes])
        assert model.score(X[y < n_classes], y[y < n_classes]) > 0.83


def run_with_the_array_api_on(*arguments):
    """What a fresh Python prints, with the switch set that scipy and scikit-learn read when they are imported."""
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    command = [sys.executable, *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.slow
def test_check_estimator_with_the_array_api_on():
    printed = run_with_the_array_api_on(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{__file__}::test_check_estimator"
    )
    assert f"{len(VARIANTS)} passed" in printed


@pytest.mark.skipif(SKLEARN_VERSION >= (1, 9), reason="from scikit-learn 1.9 on these are taken: tests/array_api")
def test_an_array_of_another_library_under_dispatch_is_a_clear_error(make_estimator):
    script = f"""
import array_api_strict as xp
import sklearn
from skce import {make_estimator.__name__} as Model

X, y = [[0.0], [1.0], [3.0], [2.0]], [0, 1, 1, 0]
model = Model().fit(X, y)
sklearn.set_config(array_api_dispatch=True)
for method in (model.predict, lambda X: Model().fit(X, y)):
    try:
        method(xp.asarray(X))
    except TypeError as error:
        print(error)
"""
    lines = run_with_the_array_api_on("-c", script).splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.startswith(
            "X is an array of array_api_strict, for which skce needs scikit-learn 1.9 or later, and this"
        )
        assert "pip install 'scikit-learn>=1.9'" in line


def test_parameters_of_clone_repr_and_set_params(make_estimator):
    model = make_estimator(C=3.0, loss=FocalLoss(1.0), class_weight={0: 2})
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert repr(copy) == repr(model)
    assert np.inf == copy.set_params(C=np.inf).C


def test_tags_say_what_the_estimators_take():
    softmax, one_vs_all = SoftmaxRegressor().__sklearn_tags__(), OneVsAllClassifier().__sklearn_tags__()
    assert softmax.input_tags.sparse
    assert one_vs_all.input_tags.sparse
    assert one_vs_all.classifier_tags.multi_label
    assert not softmax.classifier_tags.multi_label


def test_parameters_are_keywords(make_estimator):
    with pytest.raises(TypeError, match="positional"):
        make_estimator(1.0)


@pytest.mark.parametrize("settings", [{}, {"loss": "focal"}, {"loss": FocalLoss(0.5), "classes": ["a", "b", "c", "d"]}])
def test_pickle(make_estimator, settings, iris):
    X, codes = iris
    model = make_estimator(tol=1e-4, **settings).fit(X, np.array(["a", "b", "c"])[codes])
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    assert copy.get_params() == model.get_params()


@pytest.mark.slow
def test_grid_search_in_a_pipeline_with_two_processes(make_estimator, iris):
    X, y = iris
    pipeline = make_pipeline(StandardScaler(), make_estimator())
    name = make_estimator.__name__.lower()
    grid = {
        f"{name}__C": [0.1, 10.0],
        f"{name}__loss": ["cross_entropy", "focal", FocalLoss(0.5)],
        f"{name}__class_weight": [None, "balanced", "effective"],
    }
    search = GridSearchCV(pipeline, grid, scoring=neg_log_loss_scorer, n_jobs=2, error_score="raise", cv=3).fit(X, y)
    assert search.best_params_[f"{name}__C"] == 10.0
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.score(X, y) > -0.4


@pytest.mark.parametrize("frame", [False, True])
def test_grid_search_on_soft_labels(make_estimator, frame, iris, rng):
    X, y = iris
    soft = 0.8 * np.eye(3)[y] + 0.2 * rng.dirichlet(np.ones(3), size=len(y))
    soft = pd.DataFrame(soft, columns=["c", "a", "b"]) if frame else soft
    shuffled = KFold(3, shuffle=True, random_state=0)
    for scoring in (None, neg_log_loss_scorer):
        search = GridSearchCV(
            make_pipeline(StandardScaler(), make_estimator()),
            {f"{make_estimator.__name__.lower()}__C": [1e-4, 1.0]},
            scoring=scoring,
            cv=shuffled,
            error_score="raise",
        ).fit(X, soft)
        assert search.best_index_ == 1
    default_folds = cross_val_score(make_estimator(tol=1e-3), X, soft, error_score="raise")
    assert np.isfinite(default_folds).all()


@pytest.mark.parametrize("method", CALIBRATION_METHODS)
def test_calibration(make_estimator, method, iris):
    X, y = iris
    model = make_pipeline(StandardScaler(), make_estimator(loss="focal", gamma=5.0))
    calibrated = CalibratedClassifierCV(model, method=method, cv=3).fit(X, y)
    assert neg_log_loss_scorer(calibrated, X, y) > neg_log_loss_scorer(model.fit(X, y), X, y)


def test_stacking(make_estimator, iris):
    X, y = iris
    stack = StackingClassifier(
        [
            ("ours", make_pipeline(StandardScaler(), make_estimator())),
            ("theirs", make_pipeline(StandardScaler(), LogisticRegression())),
        ],
        final_estimator=make_estimator(),
        cv=3,
    )
    assert stack.fit(X, y).score(X, y) > 0.9


def test_pipelines_that_set_output_to_pandas(make_estimator, iris):
    X, y = iris
    frame = pd.DataFrame(X, columns=["sepal length", "sepal width", "petal length", "petal width"])
    model = make_pipeline(StandardScaler(), make_estimator()).set_output(transform="pandas").fit(frame, y)
    assert model[-1].feature_names_in_.tolist() == frame.columns.tolist()


def test_select_from_model(make_estimator, iris):
    X, y = iris
    X = StandardScaler().fit_transform(X)
    noise = 0.01 * np.random.default_rng(0).standard_normal((len(X), 2))
    selected = SelectFromModel(make_estimator()).fit(np.hstack([X, noise]), y)
    assert not selected.get_support()[-2:].any()
    assert selected.get_support()[2:4].all()


def test_other_tools_that_take_a_classifier(make_estimator, iris):
    X, y = iris
    X = StandardScaler().fit_transform(X)
    assert OneVsRestClassifier(make_estimator()).fit(X, y).score(X, y) > 0.9
    assert cross_val_predict(make_estimator(), X, y, method="predict_log_proba").shape == (150, 3)
    importance = permutation_importance(make_estimator().fit(X, y), X, y, random_state=0).importances_mean
    assert importance[2:].min() > importance[:2].max()


def test_metadata_routing_of_fit_and_score(make_estimator, iris):
    X, y = iris
    weight = 1.0 + y
    with config_context(enable_metadata_routing=True):
        model = make_estimator().set_fit_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model).fit(
            X, y, sample_weight=weight
        )
    expected = make_estimator().fit(StandardScaler().fit_transform(X), y, sample_weight=weight)
    np.testing.assert_array_equal(pipeline[-1].coef_, expected.coef_)


def test_a_warning_turned_into_an_error_leaves_a_fitted_model(make_estimator, iris):
    X, y = iris
    model = make_estimator(max_iter=1)
    with pytest.raises(ConvergenceWarning):
        model.fit(X, y)
    assert model.predict(X).shape == y.shape
