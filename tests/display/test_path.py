"""PathDisplay shows the scores and the coefficients of values of C."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skce import SoftmaxRegressor, SoftmaxRegressorCV, regularization_path
from skce.display import PathDisplay

CS = [0.01, 1.0, 0.1, 10.0]


@pytest.fixture(autouse=True)
def plt(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    yield pyplot
    pyplot.close("all")


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True, as_frame=True)


def test_scores_are_drawn_in_order_with_both_rules(iris):
    model = SoftmaxRegressorCV(Cs=CS, cv=5).fit(*iris)
    display = PathDisplay.from_estimator(model)
    order = np.argsort(CS)
    np.testing.assert_array_equal(display.lines_[0].get_xdata(), np.array(CS)[order])
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), model.scores_mean_[order])
    assert display.best_ == model.C_
    assert display.within_one_error_ == SoftmaxRegressorCV(Cs=CS, cv=5, rule="1se").fit(*iris).C_
    assert len(display.ax_.get_legend_handles_labels()[1]) == 2


def test_a_search_and_a_pipeline_are_the_same_picture(iris):
    X, y = iris
    search = GridSearchCV(make_pipeline(StandardScaler(), SoftmaxRegressor()), {"softmaxregressor__C": CS}, cv=5)
    pipeline = make_pipeline(StandardScaler(), SoftmaxRegressorCV(Cs=CS, cv=5, scoring="accuracy"))
    of_search, of_pipeline = (PathDisplay.from_estimator(one.fit(X, y)) for one in (search, pipeline))
    for name in ("lines_", "errors"):
        first, second = getattr(of_search, name), getattr(of_pipeline, name)
        if name == "lines_":
            first, second = first[0].get_ydata(), second[0].get_ydata()
        np.testing.assert_allclose(first, second, atol=0.005)


def test_coefficients_have_the_names_of_features(iris):
    X, y = iris
    path = regularization_path(SoftmaxRegressor(), X, y, CS)
    display = PathDisplay.from_estimator(path, quantity="coef", n_lines=2)
    size = np.linalg.norm(path.coefs, axis=1)
    largest = np.argsort(-size.max(axis=0))[:2]
    assert [line.get_label() for line in display.lines_] == list(X.columns[largest])
    of_class = PathDisplay.from_estimator(SoftmaxRegressorCV(Cs=CS).fit(X, y), quantity="coef", output=2)
    line = next(line for line in of_class.lines_ if line.get_label() == X.columns[3])
    np.testing.assert_allclose(line.get_ydata(), path.coefs[np.argsort(CS), 2, 3], rtol=1e-6)


def test_two_classes_have_one_logit():
    path = regularization_path(SoftmaxRegressor(), *load_breast_cancer(return_X_y=True), CS)
    second, first = (PathDisplay.from_estimator(path, quantity="coef", output=output) for output in (1, 0))
    np.testing.assert_array_equal(second.lines_[0].get_ydata(), -first.lines_[0].get_ydata())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quantity": "loss"}, "quantity must be"),
        ({"quantity": "coef", "output": 7}, "output must be one of"),
        ({"n_lines": 0}, "n_lines must be"),
    ],
)
def test_bad_input_is_named(iris, arguments, message):
    model = SoftmaxRegressorCV(Cs=2).fit(*iris)
    with pytest.raises(ValueError, match=message):
        PathDisplay.from_estimator(model, **arguments)


@pytest.mark.parametrize("quantity", ["score", "coef"])
def test_what_has_no_path_is_named(iris, quantity):
    with pytest.raises(TypeError, match="of several C"):
        PathDisplay.from_estimator(SoftmaxRegressor().fit(*iris), quantity=quantity)
