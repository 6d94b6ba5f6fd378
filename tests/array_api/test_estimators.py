"""Estimators fitted where X is: the models of NumPy, in the library and on the device of X; and errors that say why."""

import copy
import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, make_multilabel_classification
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skce import OneVsAllClassifier, SoftmaxRegressor, regularization_path, to_numpy, with_prior
from skce._namespaces import is_foreign, namespace_and_device, on_host
from skce._rows.array_api import rows
from skce._rows.array_api.rows import DeviceRows
from skce._solver import two_loop
from skce._solver.curvature import by_class, ladder
from skce._solver.curvature.by_class import MOST_STANDARDISED, ClassCurvature
from skce.losses import Poly1Loss
from skce.metrics import neg_binary_log_loss_scorer, neg_log_loss_scorer
from tests.array_api.conftest import LIBRARIES
from tests.problems import overlapping, whole

IRIS = load_iris(return_X_y=True)
DIGITS = load_digits(return_X_y=True)
TAGS = make_multilabel_classification(n_samples=150, n_classes=4, random_state=0)
MANY_CLASSES = overlapping(np.random.default_rng(0), n_samples=600, n_features=60, n_classes=30)

CASES = {
    "iris": (SoftmaxRegressor(), *IRIS),
    "two classes": (SoftmaxRegressor(), IRIS[0], IRIS[1] == 1),
    "one-vs-all": (OneVsAllClassifier(), *IRIS),
    "weighted": (SoftmaxRegressor(class_weight="balanced", label_smoothing=0.1), *IRIS),
    "recovered": (SoftmaxRegressor(posterior="recovered", loss="focal", label_smoothing=0.1), *IRIS),
    "one-vs-all, recovered": (OneVsAllClassifier(posterior="recovered", class_weight={0: 2.0}), *IRIS),
    "poly": (SoftmaxRegressor(loss=Poly1Loss(0.5)), *IRIS),
    "soft": (SoftmaxRegressor(), IRIS[0], 0.9 * np.eye(3)[IRIS[1]] + 0.1 / 3),
    "multilabel": (OneVsAllClassifier(), *TAGS),
    "multilabel, focal": (OneVsAllClassifier(loss="focal", class_weight="balanced"), *TAGS),
    "a class without rows": (SoftmaxRegressor(classes=[0, 1, 2, 3]), *IRIS),
    "far from zero": (SoftmaxRegressor(), 1e-3 * IRIS[0] + 1e3, IRIS[1]),
    "more columns than rows": (SoftmaxRegressor(), DIGITS[0][:50], DIGITS[1][:50]),
    "Kronecker": (SoftmaxRegressor(), *DIGITS),
    "class by class": (SoftmaxRegressor(C=10.0), *MANY_CLASSES),
    "no penalty": (SoftmaxRegressor(C=np.inf), IRIS[0][50:], IRIS[1][50:]),
}


@pytest.fixture
def iris(xp, dtype):
    """Iris as NumPy has it, and X of the library."""
    X, y = IRIS
    return X.astype(dtype), y, xp.asarray(X.astype(dtype))


@pytest.mark.usefixtures("nothing_on_the_host")
@pytest.mark.parametrize("case", CASES)
def test_fits_are_those_of_numpy(case, xp, dtype):
    estimator, X, y = CASES[case]
    X = X.astype(dtype)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    of_numpy = clone(estimator).fit(X, y, weight)
    model = clone(estimator).fit(xp.asarray(X), y, weight)
    assert model.loss_ == pytest.approx(of_numpy.loss_, rel=1e-10)
    assert model.n_passes_ == pytest.approx(of_numpy.n_passes_, rel=0.1)
    assert model.is_certified_ == of_numpy.is_certified_
    for method in ("predict_proba", "predict_log_proba", "decision_function", "predict"):
        result = getattr(model, method)(xp.asarray(X))
        assert type(result) is type(xp.asarray(X))
        expected = getattr(of_numpy, method)(X)
        assert on_host(result).dtype == expected.dtype
        # Both are within tol of the minimum: 1e-7 of the loss, where a probability is known to a root of that.
        np.testing.assert_allclose(on_host(result), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("case", ["iris", "multilabel", "recovered"])
def test_a_tight_fit_has_the_parameters_of_numpy(case, xp, dtype, rounding):
    estimator, X, y = CASES[case]
    X = X.astype(dtype)
    estimator = clone(estimator).set_params(tol=1e-14)
    with np.errstate(all="ignore"):
        model, of_numpy = estimator.fit(xp.asarray(X), y), clone(estimator)
        of_numpy.fit(X, y)
    scale = np.abs(of_numpy.coef_).max()
    np.testing.assert_allclose(on_host(model.coef_), of_numpy.coef_, atol=max(rounding, 1e-7) * scale)


def test_attributes_are_of_the_library_of_X_and_where_it_is(xp, dtype, iris):
    X, y, X_there = iris
    model, of_numpy = SoftmaxRegressor().fit(X_there, y), SoftmaxRegressor().fit(X, y)
    for name, value in vars(of_numpy).items():
        if isinstance(value, np.ndarray) and name != "classes_":
            array = getattr(model, name)
            assert namespace_and_device(array) == namespace_and_device(X_there)
            assert on_host(array).dtype == value.dtype
    assert isinstance(model.classes_, np.ndarray)
    assert isinstance(model.loss_, float)
    assert isinstance(model.score(X_there, y), float)


def test_y_and_weights_may_be_of_any_library(xp, iris):
    X, y, X_there = iris
    weight = np.linspace(1, 2, len(y))
    model = SoftmaxRegressor().fit(X_there, xp.asarray(y), xp.asarray(weight))
    assert model.loss_ == pytest.approx(SoftmaxRegressor().fit(X_there, y, weight).loss_, rel=1e-12)
    assert model.loss_ == pytest.approx(SoftmaxRegressor().fit(X, xp.asarray(y), xp.asarray(weight)).loss_, rel=1e-10)
    assert model.score(X_there, xp.asarray(y), xp.asarray(weight)) == pytest.approx(model.score(X_there, y, weight))


@pytest.mark.parametrize("labels", [[7, -3, 2**40], [5, 3, 4], [1, 0, 1]], ids=str)
def test_integers_beside_X_are_read_where_they_are(labels, xp, iris, monkeypatch):
    X, y, X_there = iris
    y = np.array(labels)[y]
    weight = np.linspace(1, 2, len(y))
    estimator = SoftmaxRegressor(class_weight="balanced", classes=[*sorted(set(labels)), 2**41])
    of_numpy = clone(estimator).fit(X, y, weight)
    there = xp.asarray(y)
    with monkeypatch.context() as patched:
        patched.setattr("skce._rows.array_api.engine.in_memory", lambda data: data)  # which would fetch y
        model = clone(estimator).fit(X_there, there, weight)
    np.testing.assert_array_equal(model.classes_, of_numpy.classes_)
    assert model.loss_ == pytest.approx(of_numpy.loss_, rel=1e-10)
    np.testing.assert_array_equal(on_host(model.predict(X_there)), of_numpy.predict(X))
    with pytest.raises(ValueError, match=r"y holds labels that are not in classes"):
        SoftmaxRegressor(classes=[0, 9]).fit(X_there, there)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        SoftmaxRegressor().fit(X_there, there[:-1])


def test_as_on_an_accelerator(xp, dtype, monkeypatch):
    # Larger blocks, and factorisations where X is.
    X, y = DIGITS
    of_numpy = SoftmaxRegressor().fit(X.astype(dtype), y)
    monkeypatch.setattr(DeviceRows, "is_on_accelerator", True)
    model = SoftmaxRegressor().fit(xp.asarray(X.astype(dtype)), y)
    assert model.loss_ == pytest.approx(of_numpy.loss_, rel=1e-8)
    assert model.n_passes_ == pytest.approx(of_numpy.n_passes_, rel=0.1)
    assert model.is_certified_


@pytest.mark.usefixtures("nothing_on_the_host")
@pytest.mark.parametrize("case", CASES)
def test_iterations_where_X_is(case, xp, dtype, monkeypatch):
    estimator, X, y = CASES[case]
    X = X.astype(dtype)
    model, of_host = clone(estimator), clone(estimator)
    monkeypatch.setattr(DeviceRows, "is_on_accelerator", True)
    of_host.fit(xp.asarray(X), y)
    monkeypatch.setattr(rows, "LONG_VECTOR", 1)
    model.fit(xp.asarray(X), y)
    assert model.loss_ == pytest.approx(of_host.loss_, rel=1e-7)
    assert model.n_passes_ == pytest.approx(of_host.n_passes_, rel=0.2)
    assert model.is_certified_ == of_host.is_certified_


def test_iterations_transfer_numbers_and_no_vectors(transfers, monkeypatch):
    xp = pytest.importorskip("array_api_strict")
    X, y = DIGITS
    fetched, moved = transfers
    n_evaluations = 0

    def recorded(zeros, value, gradient, *options):
        def counted(displacement):
            nonlocal n_evaluations
            n_evaluations += 1
            return value(displacement)

        del fetched[:], moved[:]
        is_stuck = minimised_there(zeros, counted, gradient, *options)
        assert not any(np.prod(shape) > 200 for shape in fetched + moved)
        return is_stuck

    minimised_there = two_loop.minimised_from
    monkeypatch.setattr(rows, "LONG_VECTOR", 65 * 9)
    monkeypatch.setattr(two_loop, "minimised_from", recorded)
    SoftmaxRegressor().fit(xp.asarray(X, device=xp.Device("device1")), y)
    assert n_evaluations > 20


@pytest.mark.usefixtures("nothing_on_the_host")
@pytest.mark.parametrize("most_standardised", [0, MOST_STANDARDISED])
@pytest.mark.parametrize("least_pivot", [0.0, 1.1], ids=["standardised", "decorrelated"])
def test_curvatures_class_by_class_are_those_of_numpy(most_standardised, least_pivot, xp, dtype, monkeypatch):
    maps = []

    class Recorded(ClassCurvature):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            maps.append(self.maps)

    monkeypatch.setattr(by_class, "ClassCurvature", Recorded)
    monkeypatch.setattr(ladder, "ClassCurvature", Recorded)
    monkeypatch.setattr(by_class, "MOST_STANDARDISED", most_standardised)
    monkeypatch.setattr(by_class, "LEAST_PIVOT", least_pivot)
    monkeypatch.setattr(by_class, "ROWS_PER_COLUMN", 4)
    monkeypatch.setattr(by_class, "ROWS_AT_ONCE", 100)
    monkeypatch.setattr(by_class, "COLUMNS_OF_STRIP", 25)
    X, y = MANY_CLASSES
    X = X.astype(dtype)
    SoftmaxRegressor(C=10.0, max_iter=60).fit(X, y)
    of_numpy = maps.pop(0)
    del maps[:]
    SoftmaxRegressor(C=10.0, max_iter=60).fit(xp.asarray(X), y)
    assert maps[0].numbers.dtype == np.float32
    moments, expected = (np.linalg.inv(array @ np.swapaxes(array, 1, 2)) for array in map(whole, (maps[0], of_numpy)))
    np.testing.assert_allclose(moments, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_labels_that_are_strings_are_predicted_by_numpy(iris):
    _, y, X_there = iris
    labels = np.array(["a", "b", "c"])[y]
    model = SoftmaxRegressor().fit(X_there, labels)
    predicted = model.predict(X_there)
    assert isinstance(predicted, np.ndarray)
    assert model.score(X_there, labels) == np.mean(predicted == labels)


def test_integers_are_taken_as_elsewhere(xp):
    X, y = np.arange(40).reshape(20, 2) % 7, np.arange(20) % 3
    model = SoftmaxRegressor().fit(xp.asarray(X), y)
    assert model.loss_ == pytest.approx(SoftmaxRegressor().fit(X, y).loss_, rel=1e-10)
    assert on_host(model.coef_).dtype == np.float64


def test_scorers(xp, iris):
    X, y, X_there = iris
    model, of_numpy = SoftmaxRegressor().fit(X_there, y), SoftmaxRegressor().fit(X, y)
    weight = np.linspace(1, 2, len(y))
    for labels in y, xp.asarray(y):
        score = neg_log_loss_scorer(model, X_there, labels, weight)
        assert score == pytest.approx(neg_log_loss_scorer(of_numpy, X, y, weight), rel=1e-5)
    X, tags = TAGS
    model, of_numpy = OneVsAllClassifier().fit(xp.asarray(X), tags), OneVsAllClassifier().fit(X, tags)
    assert neg_binary_log_loss_scorer(model, xp.asarray(X), tags) == pytest.approx(
        neg_binary_log_loss_scorer(of_numpy, X, tags), rel=1e-6
    )
    assert model.score(xp.asarray(X), tags) == of_numpy.score(X, tags)


# Of the scaler, which divides what it knows to be 0.
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_in_a_pipeline_and_in_cross_validation(xp, iris):
    X, y, X_there = iris
    pipeline = make_pipeline(StandardScaler(), SoftmaxRegressor())
    model = clone(pipeline).fit(X_there, y)
    here = to_numpy(model)
    assert not any(is_foreign(value) for _, step in here.steps for value in vars(step).values())
    np.testing.assert_allclose(here.predict_proba(X), on_host(model.predict_proba(X_there)), rtol=1e-4, atol=1e-6)
    if "strict" not in xp.__name__:  # which takes no array of NumPy as an index, by which folds are taken
        scores = cross_val_score(SoftmaxRegressor(), X_there, xp.asarray(y), cv=3)
        np.testing.assert_allclose(scores, cross_val_score(SoftmaxRegressor(), X, y, cv=3))


def test_to_numpy(xp, iris):
    X, y, X_there = iris
    model = SoftmaxRegressor(posterior="recovered", loss="focal").fit(X_there, y)
    here = to_numpy(model)
    assert not any(map(is_foreign, vars(here).values()))
    assert is_foreign(model.coef_)
    np.testing.assert_allclose(here.predict_proba(X), on_host(model.predict_proba(X_there)), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(to_numpy(here).coef_, here.coef_)
    assert to_numpy(pickle.loads(pickle.dumps(here))).score(X, y) == here.score(X, y)


def test_copies_and_pickles_keep_their_arrays(xp, iris):
    _, y, X_there = iris
    model = SoftmaxRegressor().fit(X_there, y)
    for copied in copy.deepcopy(model), pickle.loads(pickle.dumps(model)):
        assert namespace_and_device(copied.coef_) == namespace_and_device(X_there)
        np.testing.assert_array_equal(on_host(copied.predict(X_there)), on_host(model.predict(X_there)))


def test_warm_starts_go_from_one_library_to_another(xp, iris):
    X, y, X_there = iris
    model = SoftmaxRegressor(warm_start=True).fit(X, y)
    n_passes = model.n_passes_
    model.fit(X_there, y)
    assert namespace_and_device(model.coef_) == namespace_and_device(X_there)
    assert model.n_passes_ < n_passes
    model.fit(X, y)
    assert isinstance(model.coef_, np.ndarray)
    assert model.n_passes_ < n_passes


def test_another_prior(xp, iris):
    X, y, X_there = iris
    for parameters in {}, {"loss": "focal"}:
        model, of_numpy = SoftmaxRegressor(**parameters).fit(X_there, y), SoftmaxRegressor(**parameters).fit(X, y)
        changed, expected = (with_prior(fitted, prior=[0.5, 0.3, 0.2]) for fitted in (model, of_numpy))
        assert namespace_and_device(changed.intercept_) == namespace_and_device(X_there)
        assert namespace_and_device(changed.class_prior_) == namespace_and_device(X_there)
        result = on_host(changed.predict_proba(X_there))
        np.testing.assert_allclose(result, expected.predict_proba(X), rtol=1e-3, atol=1e-4)


def test_a_path_is_that_of_numpy(xp, iris):
    X, y, X_there = iris
    path, of_numpy = (regularization_path(SoftmaxRegressor(), rows, y, Cs=[0.01, 1.0, 10.0]) for rows in (X_there, X))
    np.testing.assert_allclose(path.losses, of_numpy.losses, rtol=1e-7)
    np.testing.assert_allclose(path.n_passes, of_numpy.n_passes, rtol=0.1)


def test_what_to_numpy_makes_shares_no_memory_with_the_model(xp, iris):
    _, y, X_there = iris
    model = SoftmaxRegressor().fit(X_there, y)
    coef = np.array(to_numpy(model).coef_)
    to_numpy(model).coef_[...] = 0
    np.testing.assert_array_equal(to_numpy(model).coef_, coef)


def test_predictions_need_X_where_the_fit_was(xp, iris):
    X, y, X_there = iris
    message = r"Inputs passed to SoftmaxRegressor.predict\(\) must use the same namespace.*skce.to_numpy\(estimator\)"
    with pytest.raises(ValueError, match=message):
        SoftmaxRegressor().fit(X_there, y).predict(X)
    with pytest.raises(ValueError, match=message):
        SoftmaxRegressor().fit(X, y).predict(X_there)
    model = SoftmaxRegressor().fit(X_there, y)
    with sklearn.config_context(array_api_dispatch=False), pytest.raises(ValueError, match="array_api_dispatch has"):
        model.predict(X)


def test_a_failed_fit_leaves_the_model_as_it_was(xp, iris):
    _, y, X_there = iris
    model = SoftmaxRegressor().fit(X_there, y)
    before = model.coef_
    for X, labels in ((X_there, y[:-1]), (X_there * float("nan"), y), (X_there[:, 0], y)):
        with pytest.raises(ValueError, match=r"."):
            model.fit(X, labels)
    assert model.coef_ is before


def test_devices_that_numpy_cannot_reach_without_dispatch_say_how():
    xp = pytest.importorskip("array_api_strict")
    X, y = IRIS
    far = xp.asarray(X, device=xp.Device("device1"))
    remedy = "SCIPY_ARRAY_API=1 in the environment.*array_api_dispatch=True"
    with sklearn.config_context(array_api_dispatch=False):
        with pytest.raises(TypeError, match=f"X is an array of array_api_strict.*{remedy}"):
            SoftmaxRegressor().fit(far, y)
        with pytest.raises(TypeError, match=f"y is an array of array_api_strict.*{remedy}"):
            SoftmaxRegressor().fit(X, far[:, 0])
    model = SoftmaxRegressor().fit(far, y)
    assert "device1" in str(model.coef_.device)
    with pytest.raises(ValueError, match="must use the same namespace and the same device"):
        model.predict(xp.asarray(X))


def test_arrays_of_libraries_that_cannot_be_written_to_are_refused():
    class Array:
        __module__ = "jaxlib.xla_extension"
        shape = (3, 2)

        def __array_namespace__(self):
            raise AssertionError

    with pytest.raises(TypeError, match="X is an array of jaxlib, which cannot be written to"):
        SoftmaxRegressor().fit(Array(), [0, 1, 0])


def test_devices_without_float64_are_refused():
    import array_api_strict as xp

    class Info:
        def dtypes(self, device=None, kind=None):
            return {"float32": xp.float32}

    X = xp.asarray(np.ones((3, 2), np.float32), device=xp.Device("no_float64"))
    with pytest.raises(TypeError, match="has no float64, in which sums are taken"):
        SoftmaxRegressor().fit(X, [0, 1, 0])


@pytest.mark.skipif("torch" not in LIBRARIES, reason="PyTorch is not installed")
def test_tensors_that_a_fit_cannot_take_say_why():
    import torch

    X, y = torch.asarray(IRIS[0]), IRIS[1]
    with pytest.raises(ValueError, match=r"X requires gradients.*X\.detach\(\)"):
        SoftmaxRegressor().fit(X.clone().requires_grad_(), y)
    with pytest.raises(TypeError, match=r"X is a sparse tensor.*X\.to_dense\(\)"):
        SoftmaxRegressor().fit(X.to_sparse(), y)
    with sklearn.config_context(array_api_dispatch=False):
        assert isinstance(SoftmaxRegressor().fit(X, torch.asarray(y)).coef_, np.ndarray)
