"""Pickles: those of older versions load and predict, and all say which version they are of."""

import copy
import importlib
import pickle
import pickletools
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris

from skce import OneVsAllClassifier, SoftmaxRegressor, display, with_prior
from skce._pickles import checked
from skce.estimators import base
from skce.losses import FocalLoss
from skce.metrics import neg_binary_log_loss_scorer, neg_log_loss_scorer

# Made by the commit before the modules moved, with numpy 1.26, whose names numpy 2 still reads.
OF_0_1 = Path(__file__).parents[1] / "data" / "pickles-0.1.0.pkl"


@pytest.fixture(scope="module")
def pickled():
    with OF_0_1.open("rb") as file, pytest.warns(UserWarning, match=r"pickled by skce 0\.1\.0"):
        return pickle.load(file)


@pytest.mark.parametrize("name", ["softmax", "binary", "recovered", "one_vs_all", "multilabel", "prior"])
def test_a_pickle_of_0_1_predicts_what_it_did(name, pickled):
    model = pickled[name]
    np.testing.assert_allclose(model.predict_proba(pickled["X"]), pickled["probabilities"][name], rtol=1e-12)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(pickled["X"]), model.predict_proba(pickled["X"]))


def test_a_pickle_of_0_1_takes_another_prior(pickled):
    moved = with_prior(pickled["recovered"], prior="balanced")
    np.testing.assert_allclose(moved.class_prior_, np.full(3, 1 / 3))


def test_scorers_and_errors_of_0_1_load_too():
    with (OF_0_1.parent / "scorers-0.1.0.pkl").open("rb") as file:
        pickled = pickle.load(file)
    assert pickled["scorer"] == neg_log_loss_scorer
    assert pickled["routed"] == neg_binary_log_loss_scorer.set_score_request(sample_weight=True)
    assert str(pickled["error"]) == "C must be a number above 0, or inf, got -1."


@pytest.mark.parametrize("name", ["Loss", "Convergence", "Coefficient", "Reliability"])
def test_displays_of_0_1_find_their_modules(name):
    module = importlib.import_module(f"skce._{name.lower()}_display")
    assert getattr(module, f"{name}Display") is getattr(display, f"{name}Display")


@pytest.fixture
def model():
    return SoftmaxRegressor(loss=FocalLoss(1.0), class_weight="balanced").fit(*load_iris(return_X_y=True))


@pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
def test_pickles_hold_public_types_alone(make_estimator):
    model = make_estimator(loss=FocalLoss(1.0), posterior="recovered").fit(*load_iris(return_X_y=True))
    names = [arg for _, arg, _ in pickletools.genops(pickle.dumps(model, protocol=0)) if isinstance(arg, str)]
    modules = {name.split(" ")[0] for name in names if name.startswith("skce")}
    assert modules == {make_estimator.__module__, "skce.losses"}
    assert not any("._" in module for module in modules)


def test_another_minor_version_warns(model, monkeypatch):
    data = pickle.dumps(model)
    monkeypatch.setattr(base, "__version__", "9.1.0")
    with pytest.warns(UserWarning, match=r"SoftmaxRegressor was pickled by skce .* and is read by 9.1.0"):
        loaded = pickle.loads(data)
    np.testing.assert_array_equal(loaded.coef_, model.coef_)


@pytest.mark.parametrize(
    ("of_pickle", "version", "is_promised"),
    [
        ("0.1.0", "0.2.0", True),
        ("0.2.0", "0.3.1", True),
        ("0.2.5", "0.4.0", True),
        ("0.2.0", "0.5.0", False),
        ("0.3.0", "0.2.0", False),
        ("0.9.0", "1.0.0", False),
        ("1.9.0", "1.10.0", True),
        ("unknown", "0.2.0", False),
    ],
)
def test_the_two_minor_versions_that_follow_warn_calmly(of_pickle, version, is_promised):
    with pytest.warns(UserWarning, match=rf"pickled by skce {of_pickle}, and is read by {version}") as warned:
        assert checked({"_skce_version": of_pickle, "coef_": 1}, "Model", version) == {"coef_": 1}
    (text,) = (str(warning.message) for warning in warned)
    assert ("predicts what it did" in text) is is_promised
    assert ("may not work" in text) is not is_promised


def test_another_patch_does_not(model, monkeypatch):
    data = pickle.dumps(model)
    monkeypatch.setattr(base, "__version__", ".".join([*base.__version__.split(".")[:2], "77"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(data)


def test_the_stamp_is_on_the_pickle_and_not_on_the_model(model):
    assert "_skce_version" in model.__getstate__()
    for same in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert "_skce_version" not in vars(same)


@pytest.mark.parametrize("name", ["SoftmaxRegressor", "OneVsAllClassifier", "with_prior"])
def test_modules_are_public_paths(name):
    import skce

    thing = getattr(skce, name)
    assert not any(part.startswith("_") for part in thing.__module__.split("."))
    assert thing.__module__.startswith("skce.estimators.")
