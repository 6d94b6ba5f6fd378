"""The displays show what they say, where they are told to, and need matplotlib only to draw."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVC

from skce import OneVsAllClassifier, SoftmaxRegressor, SoftmaxRegressorCV
from skce.display import (
    CoefficientDisplay,
    ConvergenceDisplay,
    InfluenceDisplay,
    LossDisplay,
    PathDisplay,
    ReliabilityDisplay,
)
from skce.inference import summary
from skce.losses import CrossEntropy, FocalLoss, GeneralizedCrossEntropy, Poly1Loss
from tests import reference
from tests.conftest import LOSSES
from tests.differences import gradient_by_differences


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


@pytest.fixture(scope="module")
def model(iris):
    return SoftmaxRegressor().fit(*iris)


def texts(artists):
    return [artist.get_text() for artist in artists]


def pixels(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())


class TestLossDisplay:
    def test_the_logarithm(self):
        display = LossDisplay.from_logarithm()
        assert texts(display.ax_.get_legend().get_texts()) == ["-log p", "log p"]
        minus, plus = display.lines_
        np.testing.assert_allclose(minus.get_ydata(), -np.log(minus.get_xdata()), atol=1e-15)
        np.testing.assert_array_equal(plus.get_ydata(), -minus.get_ydata())
        assert 0 < minus.get_xdata()[0] < 0.01
        assert minus.get_xdata()[-1] == 1

    def test_binary_cross_entropy_and_its_derivative(self):
        display = LossDisplay.from_binary_cross_entropy()
        curves = {line.get_label(): line for line in display.lines_}
        p = display.p
        expected = {
            "loss, t = 1": -np.log(p),
            "loss, t = 0": -np.log(1 - p),
            "derivative, t = 1": -1 / p,
            "derivative, t = 0": 1 / (1 - p),
        }
        assert curves.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(curves[name].get_ydata(), values, rtol=1e-9)
            assert curves[name].get_linestyle() == ("--" if "derivative" in name else "-")
        assert curves["loss, t = 1"].get_color() == curves["derivative, t = 1"].get_color()
        assert curves["loss, t = 1"].get_color() != curves["loss, t = 0"].get_color()

    def test_losses(self, loss_name, loss):
        (line,) = LossDisplay.from_losses({loss_name: loss}).lines_
        p, values = line.get_xdata()[99::100], line.get_ydata()[99::100]
        expected = [reference.PHI[loss_name](q) if q < 1 else 0.0 for q in p]
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-15)

    def test_gradients(self, loss_name, loss):
        (line,) = LossDisplay.from_losses({loss_name: loss}, quantity="gradient").lines_
        p, values = line.get_xdata()[99:-1:100], line.get_ydata()[99:-1:100]
        phi = reference.PHI[loss_name]
        logits = np.log(p / (1 - p))
        expected = [gradient_by_differences(lambda z: phi(1 / (1 + np.exp(-z[0]))), np.array([z]))[0] for z in logits]
        np.testing.assert_allclose(values, expected, rtol=1e-7)
        assert line.get_ydata()[-1] == 0

    def test_names(self):
        losses = [CrossEntropy(), FocalLoss(0.5), Poly1Loss(), GeneralizedCrossEntropy()]
        legend = LossDisplay.from_losses(losses).ax_.get_legend()
        assert texts(legend.get_texts()) == [
            "CrossEntropy()",
            "FocalLoss(gamma=0.5)",
            "Poly1Loss(epsilon=1.0)",
            "GeneralizedCrossEntropy(r=0.7)",
        ]
        assert len(LossDisplay.from_losses().lines_) == 4
        assert len(LossDisplay.from_losses(FocalLoss(1.0)).lines_) == 1

    @pytest.mark.parametrize("losses", ["focal", ["focal"], {"FocalLoss(gamma=2.0)": "focal"}])
    def test_names_of_the_estimators_are_losses(self, losses):
        display, expected = LossDisplay.from_losses(losses), LossDisplay.from_losses([FocalLoss(2.0)])
        assert list(display.curves) == ["FocalLoss(gamma=2.0)"]
        np.testing.assert_array_equal(display.lines_[0].get_ydata(), expected.lines_[0].get_ydata())

    def test_options_of_the_lines(self, model):
        (line,) = LossDisplay.from_losses(CrossEntropy(), lw=5, c="red").lines_
        assert line.get_linewidth() == 5
        assert line.get_color() == "red"
        display = ConvergenceDisplay.from_estimator(model, label="mine")
        assert texts(display.ax_.get_legend().get_texts()) == ["mine"]

    @pytest.mark.parametrize("quantity", ["loss", "gradient"])
    def test_every_curve_is_in_sight(self, quantity):
        display = LossDisplay.from_losses(LOSSES, quantity=quantity)
        low, high = display.ax_.get_ylim()
        assert len(display.lines_) == len(LOSSES)
        for line in display.lines_:
            assert ((low <= line.get_ydata()) & (line.get_ydata() <= high)).mean() > 0.85

    @pytest.mark.parametrize(
        ("losses", "options", "message"),
        [
            ([], {}, "losses must hold one loss or more"),
            (["focal_loss"], {}, "losses must be 'cross_entropy', 'focal' or a loss object .*got 'focal_loss'"),
            ([CrossEntropy()], {"quantity": "curvature"}, "quantity must be 'loss' or 'gradient', got 'curvature'"),
        ],
    )
    def test_errors(self, losses, options, message):
        with pytest.raises(ValueError, match=message):
            LossDisplay.from_losses(losses, **options)


class TestConvergenceDisplay:
    def test_the_loss(self, model):
        display = ConvergenceDisplay.from_estimator(model)
        (line,) = display.lines_
        np.testing.assert_array_equal(line.get_xdata(), model.pass_curve_)
        np.testing.assert_array_equal(line.get_ydata(), model.loss_curve_)
        assert display.ax_.get_xlabel() == "passes over the data"
        assert display.ax_.get_legend() is None

    def test_the_end_of_a_certified_fit_is_a_full_circle(self, model, iris):
        with pytest.warns(ConvergenceWarning):
            stopped = SoftmaxRegressor(max_iter=2).fit(*iris)
        display = ConvergenceDisplay.from_estimator({"default": model, "stopped": stopped})
        ends = [line for line in display.ax_.get_lines() if line not in display.lines_]
        assert [line.get_fillstyle() for line in ends] == ["full", "none"]
        assert [line.get_ydata()[-1] for line in ends] == [model.loss_, stopped.loss_]

    def test_the_gap_ends_where_the_fit_estimates_it(self, model):
        display = ConvergenceDisplay.from_estimator(model, quantity="gap")
        (line,) = display.lines_
        assert display.ax_.get_yscale() == "log"
        assert line.get_ydata()[-1] == pytest.approx(model.suboptimality_, rel=1e-3, abs=1e-15)

    def test_the_gap_to_a_minimum(self, model, iris):
        tight = SoftmaxRegressor(tol=1e-14, max_iter=10_000).fit(*iris)
        display = ConvergenceDisplay.from_estimator({"default": model}, quantity="gap", minimum=tight.loss_)
        gaps = display.lines_[0].get_ydata()
        np.testing.assert_allclose(gaps[:-3], model.loss_curve_[:-3] / tight.loss_ - 1, rtol=1e-6)
        assert (gaps > 0).all()
        assert texts(display.ax_.get_legend().get_texts()) == ["default", "certified to be below"]

    def test_the_certificate_is_where_it_proves_the_gap_to_be_below(self, model, iris):
        with pytest.warns(ConvergenceWarning):
            stopped = SoftmaxRegressor(max_iter=2).fit(*iris)
        fits = {"default": model, "stopped": stopped}
        tight = SoftmaxRegressor(tol=1e-13, max_iter=10_000).fit(*iris)
        display = ConvergenceDisplay.from_estimator(fits, quantity="gap", minimum=tight.loss_)
        (mark,) = [line for line in display.ax_.get_lines() if line.get_marker() == "v"]
        ((x,), (bound,)) = mark.get_data()
        assert x == model.pass_curve_[-1]
        assert model.loss_ / tight.loss_ - 1 <= bound <= 1.01 * model.tol
        assert mark.get_label() == "certified to be below"
        loss = ConvergenceDisplay.from_estimator(fits)
        assert not any(line.get_marker() == "v" for line in loss.ax_.get_lines())

    def test_fits_in_pipelines_and_searches(self, iris):
        pipeline = make_pipeline(StandardScaler(), SoftmaxRegressor()).fit(*iris)
        search = GridSearchCV(make_pipeline(OneVsAllClassifier()), {"onevsallclassifier__C": [1.0]}).fit(*iris)
        display = ConvergenceDisplay.from_estimator({"pipeline": pipeline, "search": search})
        np.testing.assert_array_equal(display.lines_[0].get_ydata(), pipeline[-1].loss_curve_)
        np.testing.assert_array_equal(display.lines_[1].get_ydata(), search.best_estimator_[-1].loss_curve_)

    def test_a_minimum_that_the_fit_has_reached(self, model):
        for minimum in (model.loss_, model.loss_ * (1 + 1e-12)):
            display = ConvergenceDisplay.from_estimator(model, quantity="gap", minimum=minimum)
            assert display.lines_[0].get_ydata()[-1] == np.finfo(float).eps

    def test_many_fits_and_names_of_any_kind(self, model):
        display = ConvergenceDisplay.from_estimator(dict.fromkeys(range(8), model))
        assert [line.get_label() for line in display.lines_] == [str(number) for number in range(8)]

    def test_errors(self, model, iris):
        with pytest.raises(ValueError, match="quantity must be 'loss' or 'gap', got 'accuracy'"):
            ConvergenceDisplay.from_estimator(model, quantity="accuracy")
        with pytest.raises(ValueError, match="minimum must be a finite number above 0, or None, got -1"):
            ConvergenceDisplay.from_estimator(model, quantity="gap", minimum=-1)
        with pytest.raises(NotFittedError):
            ConvergenceDisplay.from_estimator(SoftmaxRegressor())
        with pytest.raises(ValueError, match="minimum must be no more than the loss of a fit"):
            ConvergenceDisplay.from_estimator(model, quantity="gap", minimum=1.001 * model.loss_)
        with pytest.raises(ValueError, match="estimator must hold one fit or more"):
            ConvergenceDisplay.from_estimator({})
        stopped = SoftmaxRegressor().fit(*iris)
        stopped.suboptimality_ = np.inf
        with pytest.raises(ValueError, match=r"minimum must be given.*stopped before it could estimate one"):
            ConvergenceDisplay.from_estimator(stopped, quantity="gap")
        with pytest.raises(TypeError, match=r"loss_curve_ and pass_curve_ after fit, which GaussianNB\(\) lacks"):
            ConvergenceDisplay.from_estimator(GaussianNB().fit(*iris))


class TestCoefficientDisplay:
    def test_images(self, plt):
        X, y = load_digits(return_X_y=True)
        model = SoftmaxRegressor(C=0.01, tol=1e-3).fit(X, y)
        display = CoefficientDisplay.from_estimator(model, image_shape=(8, 8))
        assert display.axes_.shape == (10,)
        for panel, coef, title in zip(display.axes_, model.coef_, range(10), strict=True):
            (image,) = panel.get_images()
            np.testing.assert_array_equal(image.get_array(), coef.reshape(8, 8))
            assert panel.get_title() == str(title)
        low, high = zip(*(panel.get_images()[0].get_clim() for panel in display.axes_), strict=True)
        assert len({*np.negative(low), *high}) == 1  # one scale for all
        red, green, blue, _ = image.cmap(image.norm(0.0))
        assert min(red, green, blue) > 0.95  # white at zero
        speaks_for, speaks_against = image.cmap(1.0), image.cmap(0.0)
        assert speaks_for[0] > speaks_for[2]  # red
        assert speaks_against[2] > speaks_against[0]  # blue

    def test_few_coefficients_that_are_not_zero_are_in_sight(self):
        model = LogisticRegression()
        model.classes_, model.coef_ = np.arange(3), scipy.sparse.csr_array(([0.01], ([0], [5])), shape=(3, 784))
        display = CoefficientDisplay.from_estimator(model, image_shape=(28, 28))
        assert display.axes_[0].get_images()[0].get_clim() == (-0.01, 0.01)
        model.coef_ = np.zeros((3, 784))
        display = CoefficientDisplay.from_estimator(model, image_shape=(28, 28))
        assert display.axes_[0].get_images()[0].get_clim() == (-1, 1)

    def test_bars_are_ranked(self, iris, model):
        display = CoefficientDisplay.from_estimator(model, n_bars=3, class_names=["a", "b", "c"])
        assert [panel.get_title() for panel in display.axes_] == ["a", "b", "c"]
        for panel, coef in zip(display.axes_, model.coef_, strict=True):
            from_the_top = np.argsort(-np.abs(coef))[:3]
            widths = [bar.get_width() for bar in panel.patches][::-1]
            colours = {(bar.get_width() > 0, bar.get_facecolor()) for bar in panel.patches}
            assert len(colours) == len({sign for sign, _ in colours}) == len({colour for _, colour in colours})
            np.testing.assert_array_equal(widths, coef[from_the_top])
            assert texts(panel.get_yticklabels())[::-1] == iris[0].columns[from_the_top].tolist()

    def test_panels_are_on_one_scale_unless_said(self, iris, model):
        shared = CoefficientDisplay.from_estimator(model)
        (limits,) = {panel.get_xlim() for panel in shared.axes_}
        assert limits[0] < min(0, model.coef_.min())
        assert limits[1] > max(0, model.coef_.max())
        own = CoefficientDisplay.from_estimator(model, scale="own")
        assert len({panel.get_xlim() for panel in own.axes_}) == 3

    def test_two_classes_are_one_panel(self, iris):
        X, y = iris
        display = CoefficientDisplay.from_estimator(LogisticRegression().fit(X[y < 2], y[y < 2]))
        (panel,) = display.axes_
        assert panel.get_title() == "1, against 0"
        assert len(panel.patches) == 4
        assert len(CoefficientDisplay.from_estimator(RidgeClassifier().fit(X[y < 2], y[y < 2])).axes_) == 1

    def test_two_labels_are_two_panels(self, iris):
        X, y = iris
        tags = np.stack([y == 0, y < 2], axis=1).astype(int)
        display = CoefficientDisplay.from_estimator(OneVsAllClassifier().fit(X, tags))
        assert [panel.get_title() for panel in display.axes_] == ["0", "1"]

    def test_names_come_from_the_steps_before(self, iris):
        X, y = iris
        pipeline = make_pipeline(StandardScaler(), SoftmaxRegressor()).fit(X, y)
        display = CoefficientDisplay.from_estimator(pipeline)
        assert set(texts(display.axes_[0].get_yticklabels())) == set(X.columns)
        search = GridSearchCV(pipeline, {"softmaxregressor__C": [1.0]}).fit(X, y)
        assert CoefficientDisplay.from_estimator(search).feature_names == list(X.columns)
        unnamed = CoefficientDisplay.from_estimator(SoftmaxRegressor().fit(X.to_numpy(), y))
        assert unnamed.feature_names == ["x0", "x1", "x2", "x3"]
        nested = make_pipeline(StandardScaler(), make_pipeline(PolynomialFeatures(), SoftmaxRegressor())).fit(X, y)
        assert CoefficientDisplay.from_estimator(nested).feature_names[-1] == "x14"

    def test_long_names_leave_room(self, iris):
        display = CoefficientDisplay.from_estimator(
            SoftmaxRegressor().fit(*iris), feature_names=[80 * letter for letter in "abcd"]
        )
        display.figure_.canvas.draw()
        assert {len(name) for name in texts(display.axes_[0].get_yticklabels())} == {32}

    def test_long_images(self, iris):
        display = CoefficientDisplay.from_estimator(SoftmaxRegressor().fit(*iris), image_shape=(4, 1))
        assert max(display.figure_.get_size_inches()) < 12

    def test_errors(self, model, iris):
        for options, message in (
            ({"image_shape": 4}, "image_shape must be a height and a width"),
            ({"image_shape": (-2, -2)}, "image_shape must be a height and a width"),
            ({"image_shape": (2.0, 2.0)}, "image_shape must be a height and a width"),
            ({"image_shape": (3, 3)}, r"image_shape must be .*number of features, 4, got \(3, 3\)"),
            ({"feature_names": ["a"]}, "feature_names must have 4 entries, got 1"),
            ({"class_names": ["a"]}, "class_names must have 3 entries, got 1"),
            ({"n_bars": 0}, "n_bars must be an integer of at least 1, got 0"),
            ({"scale": "log"}, "scale must be 'shared' or 'own', got 'log'"),
        ):
            with pytest.raises(ValueError, match=message):
                CoefficientDisplay.from_estimator(model, **options)
        with pytest.raises(TypeError, match="coef_ and classes_"):
            CoefficientDisplay.from_estimator(GaussianNB().fit(*iris))
        with pytest.raises(TypeError, match="a row of coefficients for each class"):  # these are one-vs-one
            CoefficientDisplay.from_estimator(SVC(kernel="linear").fit(*iris))


DISPLAYS = {
    "logarithm": lambda model, ax: LossDisplay.from_logarithm(ax=ax),
    "binary": lambda model, ax: LossDisplay.from_binary_cross_entropy(ax=ax),
    "losses": lambda model, ax: LossDisplay.from_losses(ax=ax),
    "convergence": lambda model, ax: ConvergenceDisplay.from_estimator(model, quantity="gap", ax=ax),
    "bars": lambda model, ax: CoefficientDisplay.from_estimator(model, ax=ax),
    "images": lambda model, ax: CoefficientDisplay.from_estimator(model, image_shape=(2, 2), ax=ax),
}


@pytest.mark.parametrize("make_display", DISPLAYS.values(), ids=DISPLAYS)
class TestProtocol:
    def test_draws_on_the_axes_that_it_is_given(self, make_display, model, plt):
        figure, axes = plt.subplots(1, 2, figsize=(16, 4), layout="constrained")
        display = make_display(model, axes[1])
        assert display.ax_ is axes[1]
        assert display.figure_ is figure
        assert len(plt.get_fignums()) == 1
        assert not axes[0].has_data()
        blank = pixels(plt.subplots(1, 2, figsize=(16, 4), layout="constrained")[0])
        assert (pixels(figure) != blank).any()

    def test_draws_on_axes_that_stand_free(self, make_display, model, plt):
        figure = plt.figure()
        display = make_display(model, figure.add_axes([0.2, 0.2, 0.7, 0.7]))
        assert (pixels(display.figure_) != 255).any()

    def test_draws_again_on_a_figure_of_its_own(self, make_display, model):
        display = make_display(model, None)
        first = display.figure_
        again = display.plot()
        assert again is display
        assert display.figure_ is not first
        np.testing.assert_array_equal(pixels(first), pixels(display.figure_))

    def test_nothing_is_cut_off(self, make_display, model):
        figure = make_display(model, None).figure_
        figure.canvas.draw()
        box, width, height = figure.get_tightbbox(), *figure.get_size_inches()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height


def test_importing_skce_does_not_import_matplotlib():
    code = "import sys, skce; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_is_no_axes_is_named(model, iris, plt):
    X, y = iris
    several = SoftmaxRegressorCV(Cs=3, cv=3).fit(X, y)
    draws = [
        LossDisplay.from_logarithm,
        LossDisplay.from_binary_cross_entropy,
        LossDisplay.from_losses,
        partial(ConvergenceDisplay.from_estimator, model),
        partial(CoefficientDisplay.from_estimator, model),
        partial(CoefficientDisplay.from_summary, summary(model, X, y)),
        partial(InfluenceDisplay.from_estimator, model, X, y),
        partial(PathDisplay.from_estimator, several),
        partial(ReliabilityDisplay.from_estimator, model, X, y),
        partial(ReliabilityDisplay.from_predictions, y, model.predict_proba(X)),
        *(display.plot for display in (LossDisplay.from_logarithm(), ReliabilityDisplay.from_estimator(model, X, y))),
    ]
    panels = plt.subplots(2)[1]
    for draw in draws:
        with pytest.raises(ValueError, match=r"^ax must be an Axes of matplotlib or None, got 3\.$"):
            draw(ax=3)
        with pytest.raises(TypeError, match=r"^ax must be .*; of several axes give one\.$"):
            draw(ax=panels)


def test_a_name_that_is_no_string_is_named(model, iris):
    X, y = iris
    with pytest.raises(ValueError, match=r"^name must be a string or None, got 3\."):
        ReliabilityDisplay.from_estimator(model, X, y, name=3)
    with pytest.raises(ValueError, match=r"^name must be a string or None, got \['a'\]"):
        ReliabilityDisplay.from_estimator(model, X, y).plot(name=["a"])


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="python -m pip install matplotlib"):
        LossDisplay.from_losses()
