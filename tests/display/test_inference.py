"""The displays of inference show the numbers of tables, and of influence."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

from skce import SoftmaxRegressor
from skce.display import CoefficientDisplay, InfluenceDisplay
from skce.inference import influence, summary
from tests.problems import overlapping


@pytest.fixture(autouse=True)
def plt(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    yield pyplot
    pyplot.close("all")


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True, as_frame=True)
    return SoftmaxRegressor().fit(X, y), X, y


class TestWhiskers:
    def test_points_and_whiskers_are_those_of_the_table(self, iris):
        table = summary(*iris, reference=1)
        display = CoefficientDisplay.from_summary(table)
        assert [axes.get_title() for axes in display.axes_] == ["0 against 1", "2 against 1"]
        for row, axes in enumerate(display.axes_):
            names = [label.get_text() for label in axes.get_yticklabels()][::-1]
            assert names == table.features[1:]
            for place, container in enumerate(axes.containers):
                feature = len(names) - place  # from below; the intercept is the first of the table
                assert container.lines[0].get_xdata()[0] == table.coef[row, feature]
                (segment,) = container.lines[2][0].get_segments()
                np.testing.assert_allclose(segment[:, 0], [table.lower[row, feature], table.upper[row, feature]])

    def test_the_farthest_from_0_are_kept_in_the_order_of_the_table(self, iris):
        table = summary(*iris)
        largest = np.sort(np.argsort(-np.abs(table.z[:, 1:]).max(axis=0))[:2])
        for axes in CoefficientDisplay.from_summary(table, n_bars=2).axes_:
            names = [label.get_text() for label in axes.get_yticklabels()][::-1]
            assert names == [table.features[1 + feature] for feature in largest]

    def test_panels_are_on_one_scale_that_holds_all_whiskers(self, iris):
        table = summary(*iris, reference=1)
        (limits,) = {axes.get_xlim() for axes in CoefficientDisplay.from_summary(table).axes_}
        assert limits[0] < table.lower[:, 1:].min()
        assert limits[1] > table.upper[:, 1:].max()
        own = CoefficientDisplay.from_summary(table, scale="own").axes_
        assert len({axes.get_xlim() for axes in own}) == 2

    def test_features_may_be_named(self, iris):
        display = CoefficientDisplay.from_summary(summary(*iris), feature_names=list("abcd"))
        for axes in display.axes_:
            assert [label.get_text() for label in axes.get_yticklabels()] == list("dcba")
        with pytest.raises(ValueError, match="feature_names must have 4 entries, got 1"):
            CoefficientDisplay.from_summary(summary(*iris), feature_names=["a"])

    def test_of_some_contrasts(self, iris):
        table = summary(*iris, reference=1)
        (axes,) = CoefficientDisplay.from_summary(table, contrasts=["2 against 1"]).axes_
        assert axes.get_title() == "2 against 1"
        drawn = [container.lines[0].get_xdata()[0] for container in axes.containers]
        np.testing.assert_array_equal(drawn[::-1], table.coef[1, 1:])
        for contrasts in ([], ["1 against 2"]):
            with pytest.raises(ValueError, match=r"contrasts must be one or more of \['0 against 1', '2 against 1'\]"):
                CoefficientDisplay.from_summary(table, contrasts=contrasts)

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_what_has_no_estimate_is_said_to_have_none(self):
        X, y = load_iris(return_X_y=True, as_frame=True)
        table = summary(SoftmaxRegressor(C=np.inf).fit(X, y), X, y, reference=1)
        display = CoefficientDisplay.from_summary(table)
        notes = [text.get_text() for text in display.axes_[0].texts]
        assert notes == ["not determined"] * 4  # any two of petals and sepals separate
        assert not display.axes_[1].texts
        for sign, note in ((1, "infinite"), (-1, "minus infinite")):
            one = sign * X[["petal length (cm)"]]
            table = summary(SoftmaxRegressor(C=np.inf).fit(one, y == 2), one, y == 2)
            assert not np.isinf(table.coef).any()
            table = summary(SoftmaxRegressor(C=np.inf).fit(one, y != 0), one, y != 0)
            assert [text.get_text() for text in CoefficientDisplay.from_summary(table).axes_[0].texts] == [note]

    def test_on_given_axes_and_bad_input(self, iris, plt):
        table = summary(*iris)
        _, ax = plt.subplots()
        assert CoefficientDisplay.from_summary(table, ax=ax).figure_ is ax.figure
        with pytest.raises(ValueError, match="summary must be"):
            CoefficientDisplay.from_summary(iris[0])
        with pytest.raises(ValueError, match="n_bars"):
            CoefficientDisplay.from_summary(table, n_bars=0)
        with pytest.raises(ValueError, match="scale must be 'shared' or 'own', got None"):
            CoefficientDisplay.from_summary(table, scale=None)


class TestInfluenceDisplay:
    def test_circles_are_leverages_residuals_and_distances(self, iris):
        of_rows = influence(*iris)
        display = InfluenceDisplay.from_estimator(*iris)
        leverage, residual = display.circles_.get_offsets().T
        np.testing.assert_allclose(leverage, of_rows.leverage)
        np.testing.assert_allclose(np.abs(residual), np.abs(of_rows.studentised_residuals).max(axis=1))
        assert np.argmax(display.circles_.get_sizes()) == of_rows.largest(1)[0]
        assert [text.get_text() for text in display.ax_.texts] == [str(row) for row in of_rows.largest(5)]
        assert f"area: Cook's distance, {of_rows.cooks_distance.max():.2g} the largest" in display.ax_.get_title()
        assert "dotted: ±2.6" in display.ax_.get_title()

    def test_of_an_influence_on_given_axes(self, rng, plt):
        X, y = overlapping(rng, n_classes=2)
        of_rows = influence(SoftmaxRegressor().fit(X, y), X, y)
        _, ax = plt.subplots()
        display = InfluenceDisplay(of_rows, n_labels=0).plot(ax)
        assert display.ax_ is ax
        assert not ax.texts
        np.testing.assert_array_equal(display.circles_.get_offsets()[:, 1], of_rows.studentised_residuals[:, 0])
        with pytest.raises(ValueError, match="n_labels"):
            InfluenceDisplay.from_estimator(SoftmaxRegressor().fit(X, y), X, y, n_labels=-1)
