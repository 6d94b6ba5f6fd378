"""Reliability of several models in the same panels, of one class, of labels, and with counts that can be seen."""

import numpy as np
import pytest
from sklearn.datasets import load_iris, make_multilabel_classification

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce.display import ReliabilityDisplay
from skce.metrics import classwise_calibration_error, expected_calibration_error


@pytest.fixture(autouse=True)
def plt(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    yield pyplot
    pyplot.close("all")


@pytest.fixture
def y_and_p(rng):
    p = rng.dirichlet([1.0, 1.0, 1.0], size=500)
    return np.array(["a", "b", "c"])[(p.cumsum(axis=1) < rng.uniform(size=(500, 1))).sum(axis=1)], p


def curves(panel):
    """What is drawn in a panel but for diagonals."""
    return [line for line in panel.get_lines() if line.get_linestyle() == "-"]


class TestSeveralModels:
    def test_share_the_panels_of_the_same_axes(self, y_and_p, plt):
        (y, p), flat = y_and_p, np.full((500, 3), 1 / 3)
        first = ReliabilityDisplay.from_predictions(y, p, kind="classwise", name="sharp")
        n_axes = len(first.figure_.axes)
        second = ReliabilityDisplay.from_predictions(y, flat, kind="classwise", name="flat", ax=first.ax_)
        assert len(plt.get_fignums()) == 1
        assert len(second.figure_.axes) == n_axes
        assert second.axes_.tolist() == first.axes_.tolist()
        for panel, counts, title in zip(second.axes_, second.count_axes_, "abc", strict=True):
            one, other = curves(panel)
            assert one.get_color() != other.get_color()
            np.testing.assert_array_equal(one.get_ydata(), first.bins[title].outcome)
            np.testing.assert_array_equal(other.get_ydata(), second.bins[title].outcome)
            assert panel.get_title() == title
            names = [text.get_text() for text in panel.get_legend().get_texts()]
            assert names == [
                f"sharp, mean gap {first.bins[title].error:.3f}",
                f"flat, mean gap {second.bins[title].error:.3f}",
            ]
            assert [bar.get_height() for bar in counts.containers[1]] == second.bins[title].weight.tolist()
            low, high = counts.get_ylim()
            assert all(low < bar.get_height() <= high for bars in counts.containers for bar in bars)

    def test_the_mean_gap_of_each_is_its_calibration_error(self, y_and_p):
        display = ReliabilityDisplay.from_predictions(*y_and_p, name="model")
        (text,) = display.axes_[0].get_legend().get_texts()
        assert text.get_text() == f"model, mean gap {expected_calibration_error(*y_and_p):.3f}"

    def test_other_panels_are_refused(self, y_and_p):
        display = ReliabilityDisplay.from_predictions(*y_and_p)
        with pytest.raises(
            ValueError, match=r"ax shows \['predicted class'\] already, and cannot show \['a', 'b', 'c'\]"
        ):
            ReliabilityDisplay.from_predictions(*y_and_p, kind="classwise", ax=display.ax_)
        assert len(curves(display.axes_[0])) == 1

    def test_a_figure_that_was_cleared_is_new(self, y_and_p, plt):
        display = ReliabilityDisplay.from_predictions(*y_and_p)
        figure, ax = display.figure_, display.ax_
        figure.clear()
        figure.add_subplot(ax)
        again = ReliabilityDisplay.from_predictions(*y_and_p, kind="classwise", ax=ax)
        assert len(again.axes_) == 3
        assert all(panel in figure.axes for panel in again.axes_)

    def test_a_name_may_be_given_when_drawn_again(self, y_and_p):
        display = ReliabilityDisplay.from_predictions(*y_and_p, name="one").plot(name="other")
        (text,) = display.axes_[0].get_legend().get_texts()
        assert text.get_text().startswith("other, ")
        assert display.name == "one"


class TestTheClassDrawn:
    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_is_the_one_asked_for(self, y_and_p, place):
        y, p = y_and_p
        display = ReliabilityDisplay.from_predictions(y, p, pos_label="abc"[place])
        (title,) = display.bins
        assert title == "abc"[place]
        error = classwise_calibration_error(y == title, p[:, place])
        assert display.bins[title].error == pytest.approx(error)

    @pytest.mark.parametrize("pos_label", [0, 1])
    def test_of_two(self, pos_label):
        X, y = load_iris(return_X_y=True)
        X, y = X[50:], y[50:] - 1
        model = SoftmaxRegressor().fit(X, y)
        p = model.predict_proba(X)
        displays = [
            ReliabilityDisplay.from_estimator(model, X, y, pos_label=pos_label),
            ReliabilityDisplay.from_predictions(y, p, pos_label=pos_label),
            ReliabilityDisplay.from_predictions(y, p[:, pos_label], pos_label=pos_label),
            ReliabilityDisplay.from_predictions(y, p[:, [pos_label]], pos_label=pos_label),
        ]
        for display in displays:
            bins = display.bins[str(pos_label)]
            assert np.average(bins.prediction, weights=bins.weight) == pytest.approx(p[:, pos_label].mean())
            assert np.average(bins.outcome, weights=bins.weight) == pytest.approx((y == pos_label).mean())

    def test_multilabel_is_by_class_unless_said(self):
        X, tags = make_multilabel_classification(n_classes=4, random_state=0)
        model = OneVsAllClassifier().fit(X, tags)
        assert list(ReliabilityDisplay.from_estimator(model, X, tags).bins) == ["0", "1", "2", "3"]
        assert list(ReliabilityDisplay.from_predictions(tags, model.predict_proba(X)).bins) == ["0", "1", "2", "3"]
        (bins,) = ReliabilityDisplay.from_estimator(model, X, tags, pos_label=2).bins.values()
        assert np.average(bins.outcome, weights=bins.weight) == pytest.approx(tags[:, 2].mean())

    def test_errors(self, y_and_p):
        with pytest.raises(ValueError, match=r"pos_label must be one of the labels, \['a', 'b', 'c'\], got 'd'"):
            ReliabilityDisplay.from_predictions(*y_and_p, pos_label="d")
        with pytest.raises(ValueError, match=r"kind must be 'classwise' where pos_label .*got 'top_label' and 'a'"):
            ReliabilityDisplay.from_predictions(*y_and_p, kind="top_label", pos_label="a")


class TestCounts:
    def test_a_bin_of_one_sample_among_a_hundred_thousand_is_in_sight(self):
        p = np.concatenate([np.full(100_000, 0.1), [0.9]])
        display = ReliabilityDisplay.from_predictions(p > 0.5, p, pos_label=True)
        (counts,) = display.count_axes_
        assert counts.get_yscale() == "log"
        assert counts.get_ylim()[0] < 1
        linear = ReliabilityDisplay.from_predictions(p > 0.5, p, pos_label=True, count_scale="linear")
        assert linear.count_axes_[0].get_yscale() == "linear"

    def test_weights_below_one_are_in_sight(self, y_and_p):
        y, p = y_and_p
        weight = np.full(len(y), 1e-3)
        display = ReliabilityDisplay.from_predictions(y, p, sample_weight=weight)
        (counts,), (bins,) = display.count_axes_, display.bins.values()
        assert counts.get_ylim()[0] < bins.weight.min()

    def test_errors(self, y_and_p):
        with pytest.raises(ValueError, match="count_scale must be 'log' or 'linear', got 'symlog'"):
            ReliabilityDisplay.from_predictions(*y_and_p, count_scale="symlog")


def test_ticks_of_counts_do_not_overlap_and_the_display_says_what_it_shows(rng):
    p = rng.uniform(size=600)
    y = (rng.uniform(size=600) < p).astype(int)
    display = ReliabilityDisplay.from_predictions(y, p, pos_label=1, n_bins=12)
    (counts,) = display.count_axes_
    display.figure_.canvas.draw()
    assert not any(tick.label1.get_text() for tick in counts.yaxis.get_minor_ticks())
    assert repr(display) == f"ReliabilityDisplay(1: mean gap {display.bins['1'].error:.3f})"
