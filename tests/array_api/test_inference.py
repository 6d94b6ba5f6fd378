"""What is known at the optimum, choices of C and pictures, of models that were fitted to arrays of other libraries."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.datasets import load_iris

from skce import OneVsAllClassifier, OneVsAllClassifierCV, SoftmaxRegressor, SoftmaxRegressorCV, regularization_path
from skce._namespaces import is_foreign, on_host
from skce.display import CoefficientDisplay, ConvergenceDisplay, PathDisplay, ReliabilityDisplay
from skce.inference import (
    covariance,
    influence,
    leave_one_out,
    margins,
    probability_intervals,
    separation,
    summary,
    wald_test,
)

X, Y = load_iris(return_X_y=True)
WEIGHT = np.linspace(0.5, 2, len(Y))
GROUPS = np.arange(len(Y)) % 30


@pytest.fixture
def there(xp):
    """X on a device that NumPy cannot reach, where there is one."""
    return xp.asarray(X, device=xp.Device("device1")) if hasattr(xp, "Device") else xp.asarray(X)


@pytest.fixture
def models(there):
    """A model of NumPy, and one of the library."""
    estimator = SoftmaxRegressor(C=10.0)
    return [SoftmaxRegressor(C=10.0).fit(X, Y, WEIGHT), estimator.fit(there, Y, WEIGHT)]


FIGURES = {
    "summary": lambda model, X: summary(model, X, Y, WEIGHT).std_err,
    "covariance": lambda model, X: covariance(model, X, Y, WEIGHT).matrix,
    "sandwich": lambda model, X: covariance(model, X, Y, WEIGHT, covariance="sandwich", weights="probability").matrix,
    "clusters": lambda model, X: covariance(model, X, Y, WEIGHT, covariance="cluster", groups=GROUPS).matrix,
    "margins": lambda model, X: margins(model, X, Y, WEIGHT).effect,
    "influence": lambda model, X: influence(model, X, Y, WEIGHT).cooks_distance,
    "leave-one-out": lambda model, X: leave_one_out(model, X, Y, WEIGHT).losses,
    "intervals": lambda model, X: probability_intervals(model, X[:9, :], X, Y, WEIGHT).upper,
    "hypothesis": lambda model, X: np.array(wald_test(covariance(model, X, Y, WEIGHT), "x1").statistic),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_those_of_numpy(name, models, there):
    of_numpy, result = (FIGURES[name](model, rows) for model, rows in zip(models, (X, there), strict=True))
    assert isinstance(result, np.ndarray)
    np.testing.assert_allclose(result, of_numpy, rtol=1e-5, atol=1e-8 * np.abs(of_numpy).max())


def test_separation(there):
    of_numpy, result = (separation(rows, Y) for rows in (X, there))
    np.testing.assert_array_equal(result.rows, of_numpy.rows)
    assert result.columns == of_numpy.columns


@pytest.mark.parametrize(
    "estimator",
    [
        SoftmaxRegressorCV(Cs=[0.1, 1.0, 10.0]),
        OneVsAllClassifierCV(Cs=[0.1, 1.0, 10.0]),
        SoftmaxRegressorCV(Cs=[0.1, 1.0], cv=3),
        SoftmaxRegressorCV(Cs=[0.1, 1.0], cv=3, scoring="accuracy"),
        OneVsAllClassifierCV(Cs=[0.1, 1.0], cv=3, rule="1se", loss="focal"),
    ],
    ids=repr,
)
def test_choices_of_C_are_those_of_numpy(estimator, there):
    of_numpy = type(estimator)(**estimator.get_params()).fit(X, Y, WEIGHT)
    model = estimator.fit(there, Y, WEIGHT)
    assert model.C_ == of_numpy.C_
    for name, value in vars(of_numpy).items():
        if isinstance(value, np.ndarray) and name != "classes_":
            assert is_foreign(getattr(model, name))
    for name in ("scores_", "scores_mean_", "scores_sem_", "coefs_path_"):
        np.testing.assert_allclose(on_host(getattr(model, name)), getattr(of_numpy, name), rtol=1e-3, atol=1e-5)
    assert model.validation_ == of_numpy.validation_


def test_pictures(models, there):
    with mpl.rc_context({"backend": "agg"}):
        _, model = models
        ConvergenceDisplay.from_estimator(model)
        CoefficientDisplay.from_estimator(model)
        ReliabilityDisplay.from_estimator(model, there, Y)
        PathDisplay.from_estimator(SoftmaxRegressorCV(Cs=[0.1, 1.0], cv=3).fit(there, Y))
        PathDisplay.from_estimator(regularization_path(OneVsAllClassifier(), there, Y, Cs=[0.1, 1.0]), quantity="coef")
        plt.close("all")
