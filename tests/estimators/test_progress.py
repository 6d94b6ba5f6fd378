"""What a fit tells while it runs, and what it leaves behind when it is stopped."""

import itertools
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skce import OneVsAllClassifier, SoftmaxRegressor, SoftmaxRegressorCV
from skce._solver import newton
from skce._solver.objective import LinearObjective
from skce.estimators import progress
from skce.losses import Poly1Loss
from skce.metrics import neg_binary_log_loss_scorer, neg_log_loss_scorer
from tests.problems import SKLEARN_VERSION, overlapping

needs_callbacks = pytest.mark.skipif(SKLEARN_VERSION < (1, 9), reason="scikit-learn has callbacks from 1.9 on")


@pytest.fixture
def interrupted_after(monkeypatch):
    """Let the evaluation after so many raise a KeyboardInterrupt, once."""

    def interrupt_after(n_evaluations):
        evaluations = itertools.count()

        def interrupted(self, *args):
            if next(evaluations) == n_evaluations:
                raise KeyboardInterrupt
            return value_gradient(self, *args)

        # Where every evaluation ends, of F alone or with its curvature.
        value_gradient = LinearObjective.value_gradient
        monkeypatch.setattr(LinearObjective, "value_gradient", interrupted)

    return interrupt_after


class TestInterrupts:
    @pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
    @pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
    def test_leave_the_last_iterate_and_are_raised_again(self, make_estimator, loss, rng, interrupted_after):
        X, y = overlapping(rng)
        model = make_estimator(loss=loss)
        interrupted_after(3)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, y)
        # In the fit that finds a start for focal loss, that loss has yet to be evaluated.
        assert model.n_evaluations_ == (3 if loss == "cross_entropy" else 4)
        assert model.loss_ == model.loss_curve_.min()
        assert (model.loss_ < model.loss_curve_[0]) == (loss == "cross_entropy")
        assert model.predict(X).shape == y.shape
        assert model.gap_bound_ is None

    def test_before_the_first_iteration_leave_the_estimator_as_it_was(self, rng, interrupted_after):
        X, y = overlapping(rng)
        model = SoftmaxRegressor()
        interrupted_after(0)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, y)
        assert not hasattr(model, "coef_")


@needs_callbacks
class TestCallbacks:
    @pytest.fixture
    def make_callback(self):
        """Make a callback that records iterations, and asks to stop after the given one."""

        class Recording:
            def __init__(self, stop_after=None):
                self.stop_after = stop_after
                self.losses, self.tasks = [], []

            def setup(self, estimator, context):
                self.tasks.append("setup")

            def teardown(self, estimator, context):
                self.tasks.append("teardown")

            def on_fit_task_begin(self, estimator, context):
                self.tasks.append(context.task_name)

            def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
                if context.task_name == "fit":
                    self.fitted = fitted_estimator
                    return False
                log_proba = fitted_estimator.predict_log_proba(X)
                self.losses.append(-log_proba[np.arange(len(y)), y].mean())
                return len(self.losses) == self.stop_after

        return Recording

    @pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
    def test_see_every_iteration(self, make_estimator, rng, make_callback):
        X, y = overlapping(rng)
        callback = make_callback()
        model = make_estimator(C=np.inf).set_callbacks(callback).fit(X, y)
        assert callback.tasks == ["setup", "fit", *["iteration"] * model.n_iter_[0], "teardown"]
        np.testing.assert_array_equal(callback.fitted.coef_, model.coef_)
        if make_estimator is SoftmaxRegressor:
            np.testing.assert_allclose(callback.losses, model.loss_curve_[1:], rtol=1e-6)

    @pytest.mark.parametrize("cv", [None, 3])
    def test_see_the_fit_at_the_C_that_is_chosen(self, cv, rng, make_callback):
        X, y = overlapping(rng)
        callback = make_callback()
        model = SoftmaxRegressorCV(Cs=[0.1, 1.0], cv=cv).set_callbacks(callback).fit(X, y)
        assert callback.tasks == ["setup", "fit", *["iteration"] * model.n_iter_[0], "teardown"]
        np.testing.assert_array_equal(callback.fitted.coef_, model.coef_)
        assert len(callback.losses) == model.n_iter_[0]

    @pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
    def test_that_ask_to_stop_do(self, loss, rng, make_callback):
        X, y = overlapping(rng)
        model = SoftmaxRegressor(loss=loss).set_callbacks(make_callback(stop_after=2)).fit(X, y)
        # Focal loss stops in the fit that finds its start, which takes none of its own iterations.
        assert model.n_iter_.tolist() == ([2] if loss == "cross_entropy" else [0])
        assert len(model.loss_curve_) == model.n_iter_[0] + 1
        assert model.predict(X).shape == y.shape

    def test_that_fail_leave_the_estimator_as_it_was_and_are_torn_down(self, rng, make_callback):
        X, y = overlapping(rng)
        callback = make_callback()
        callback.on_fit_task_end = None
        model = SoftmaxRegressor().set_callbacks(callback)
        with pytest.raises(TypeError):
            model.fit(X, y)
        assert not hasattr(model, "coef_")
        assert callback.tasks[-1] == "teardown"

    def test_a_class_without_samples_has_its_column(self, rng, make_callback):
        X, y = overlapping(rng)
        callback = make_callback(stop_after=2)
        model = SoftmaxRegressor(classes=[0, 1, 2, 3]).set_callbacks(callback).fit(X, y)
        assert model.coef_.shape == (4, 3)
        assert (model.predict_proba(X)[:, 3] < np.finfo(float).eps).all()

    def test_scikit_learns_scoring_monitor(self, rng):
        from sklearn.callback import ScoringMonitor

        X, y = overlapping(rng)
        monitor = ScoringMonitor(scoring="neg_log_loss")
        model = SoftmaxRegressor(C=np.inf).set_callbacks(monitor).fit(X, y)
        rows = monitor.get_logs(select="most_recent").data
        losses = [-row["neg_log_loss"] for row in rows if row["task_name"] == "iteration"]
        np.testing.assert_allclose(losses, model.loss_curve_[1:], rtol=1e-6)

    @pytest.mark.parametrize("posterior", ["model", "recovered"])
    def test_scikit_learns_scoring_monitor_of_labels(self, posterior, rng):
        from sklearn.callback import ScoringMonitor

        X, y = overlapping(rng)
        tags = rng.integers(0, 2, size=(len(X), 4))
        model = OneVsAllClassifier(posterior=posterior, class_weight="balanced")
        for first, second, scorer in (
            (tags, y, neg_log_loss_scorer),
            (y, tags, neg_binary_log_loss_scorer),
        ):
            # What the last fit was to must not matter to what is seen of this one.
            monitor = ScoringMonitor(scoring={"score": scorer})
            fitted = clone(model).fit(X, first).set_callbacks(monitor).fit(X, second)
            rows = monitor.get_logs(select="most_recent").data
            last = [row["score"] for row in rows if row["task_name"] == "iteration"][-1]
            assert last == pytest.approx(scorer(fitted, X, second), rel=1e-3)

    def test_survive_a_clone(self, make_callback):
        assert len(clone(SoftmaxRegressor().set_callbacks(make_callback()))._skl_callbacks) == 1


class TestLinesOfAStage:
    @pytest.fixture
    def printed(self, rng, monkeypatch, capsys):
        """What a fit prints by a clock that each look at it moves on by so many seconds."""

        def printed(seconds, **params):
            clock = itertools.count(step=seconds)
            monkeypatch.setattr(progress, "monotonic", lambda: next(clock))
            X, y = overlapping(rng)
            model = SoftmaxRegressor(verbose=1, C=np.inf, **params).fit(np.exp(3 * X), y)
            return model, capsys.readouterr().out.splitlines()

        return printed

    def test_come_no_sooner_than_a_second_after_the_last_one(self, printed):
        model, lines = printed(0.25)
        within = [line for line in lines if "in stage" in line]
        # Each iteration and each stage looks at the clock once, so that four of them are a second.
        assert 0 < len(within) <= model.n_iter_[0] / 4
        assert not any("in stage" in line for line in printed(0.0)[1])
        assert len([line for line in printed(2.0)[1] if "in stage" in line]) > len(within)

    def test_say_how_fast_it_goes(self, printed):
        model, lines = printed(2.0)
        paces = [
            re.search(r" ([\d.]+) passes, .* ([\d.e+]+) passes/s(, (\d+) passes to go at this rate)?$", line)
            for line in lines
        ]
        passes = [float(pace[1]) for pace in paces if pace]
        assert passes == sorted(passes)
        assert passes[-1] <= model.n_passes_
        assert all(float(pace[2]) > 0 for pace in paces if pace)

    def test_that_find_a_start_are_not_counted_for_the_loss(self, printed):
        _, lines = printed(2.0, loss="focal")
        assert all(float(rate[1]) > 0 for line in lines if (rate := re.search(r"(\S+) passes/s", line)))

    def test_expect_what_the_rate_of_the_estimate_tells(self):
        first = progress.Mark(None, 10.0, 20.0, 1e-2)
        # 30 passes in 2 s took away a digit of 3 that are to go after it.
        assert first.pace_to(progress.Mark(None, 12.0, 50.0, 1e-3), 1e-6) == "15 passes/s, 90 passes to go at this rate"
        assert first.pace_to(progress.Mark(None, 12.0, 50.0, 1e-1), 1e-6) == "15 passes/s"
        assert first.pace_to(progress.Mark(None, 12.0, 50.0, 1e-7), 1e-6) == "15 passes/s"


@needs_callbacks
def test_the_guide_stops_a_fit_early():
    pytest.importorskip("rich")
    page = (Path(__file__).parents[2] / "docs" / "guide" / "convergence.md").read_text("utf-8")
    (code,) = re.findall(r"^```py\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    namespace = {}
    exec(code, namespace)
    model, patient = namespace["model"], namespace["without"]
    assert model.n_iter_[0] < patient.n_iter_[0]
    assert model.score(namespace["X_rest"], namespace["y_rest"]) > 0.9


class Protocol:
    """A callback that keeps the hooks of iterations in their order, each with the model as it then was."""

    def __init__(self, now=lambda: 0):
        self.now = now
        self.hooks, self.max_subtasks = [], None

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, *, fitted_estimator):
        if context.task_name == "iteration":
            self.hooks.append(("begin", context.task_id, fitted_estimator, self.now()))
        else:
            self.max_subtasks = context.max_subtasks

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        if context.task_name == "iteration":
            self.hooks.append(("end", context.task_id, fitted_estimator, self.now()))


def assert_same(model, other):
    """Assert that two models have the same parameters, but for the rounding of a mean."""
    for ours, theirs in ((model.coef_, other.coef_), (model.intercept_, other.intercept_)):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=4 * np.finfo(ours.dtype).eps * np.abs(theirs).max())


@needs_callbacks
class TestTheProtocolOfCallbacks:
    MODELS = {
        "softmax": SoftmaxRegressor(),
        "confirmed by another curvature": SoftmaxRegressor(C=1e4),
        "without a penalty": SoftmaxRegressor(C=np.inf),
        "focal": SoftmaxRegressor(loss="focal"),
        "convex, with another bound": SoftmaxRegressor(loss=Poly1Loss(1.0)),
        "one-vs-all": OneVsAllClassifier(),
        "focal one-vs-all": OneVsAllClassifier(loss="focal"),
        "a class without samples": SoftmaxRegressor(classes=[0, 1, 2, 3]),
    }

    @pytest.fixture(params=MODELS)
    def model(self, request):
        return clone(self.MODELS[request.param])

    @pytest.fixture(params=["three classes", "two classes", "float32", "heavy tails"])
    def data(self, request, rng):
        X, y = overlapping(rng)
        if request.param == "heavy tails":
            X = np.exp(2 * X)
        return X.astype(np.float32 if request.param == "float32" else float), y % 2 if request.param[:2] == "tw" else y

    @staticmethod
    def watched(model, X, y):
        """The Protocol of a fit, and the model that it ends with."""
        protocol = Protocol()
        return protocol, clone(model).set_callbacks(protocol).fit(X, y)

    def test_what_is_reported_after_an_iteration_is_what_a_fit_of_so_many_returns(self, model, data):
        X, y = data
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            protocol, _ = self.watched(model, X, y)
            reported = [fitted for name, _, fitted, _ in protocol.hooks if name == "end"]
            assert reported
            for n_iter, fitted in enumerate(reported, 1):
                alone = clone(model).set_params(max_iter=n_iter).fit(X, y)
                assert_same(alone, fitted)

    @pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
    def test_that_holds_for_a_warm_start(self, loss, rng):
        X, y = overlapping(rng)
        first = SoftmaxRegressor(loss=loss, C=1e-3, warm_start=True)

        def going_on(**params):
            return clone(first).fit(X, y).set_params(C=1.0, **params)

        protocol = Protocol()
        going_on().set_callbacks(protocol).fit(X, y)
        for n_iter, fitted in enumerate([hook[2] for hook in protocol.hooks if hook[0] == "end"], 1):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                alone = going_on(max_iter=n_iter).fit(X, y)
            assert_same(alone, fitted)

    def test_an_iteration_begins_with_what_the_last_one_ended_with(self, model, data):
        protocol, fitted = self.watched(model, *data)
        names, tasks, models, _ = zip(*protocol.hooks, strict=True)
        n_iter = len(names) // 2
        assert names == ("begin", "end") * n_iter
        assert tasks == tuple(task for task in range(n_iter) for _ in range(2))
        assert n_iter == fitted.n_iter_[0] or "focal" in str(fitted.loss)
        for before, after in zip(models[1:-1:2], models[2::2], strict=True):
            assert_same(before, after)

    @pytest.mark.parametrize("C", [1.0, 1e4])
    def test_passes_over_the_rows_are_made_while_an_iteration_is_under_way(self, C, rng, monkeypatch):
        sweeps = []

        def counted(sweep):
            def counting(*args):
                sweeps.append(sweep)
                return sweep(*args)

            return counting

        for place, name in (
            (LinearObjective, "__call__"),
            (LinearObjective, "with_curvature_sums"),
            (newton, "far_rows"),
            (newton, "bound_after"),
        ):
            monkeypatch.setattr(place, name, counted(getattr(place, name)))
        protocol = Protocol(now=lambda: len(sweeps))
        X, y = overlapping(rng)
        SoftmaxRegressor(C=C).set_callbacks(protocol).fit(np.exp(4 * X), y)
        begun, ended = ([hook[3] for hook in protocol.hooks if hook[0] == name] for name in ("begin", "end"))
        assert all(before < after for before, after in zip(begun, ended, strict=True))
        # F at the start, and then all in iterations, but for the closing steps.
        assert begun[0] == 1
        assert begun[1:] == ended[:-1]

    @pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
    def test_there_are_no_more_iterations_than_max_iter(self, loss, rng):
        X, y = overlapping(rng)
        protocol = Protocol()
        model = SoftmaxRegressor(loss=loss, max_iter=5, tol=0.0).set_callbacks(protocol)
        with pytest.warns(ConvergenceWarning, match="stopped at max_iter=5 iterations"):
            model.fit(X, y)
        assert protocol.max_subtasks == 5 == len(protocol.hooks) / 2

    def test_an_iteration_that_is_interrupted_ends(self, rng, interrupted_after):
        protocol, (X, y) = Protocol(), overlapping(rng)
        model = SoftmaxRegressor().set_callbacks(protocol)
        interrupted_after(3)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, y)
        assert [hook[0] for hook in protocol.hooks] == ["begin", "end"] * (len(protocol.hooks) // 2)
        np.testing.assert_array_equal(protocol.hooks[-1][2].coef_, model.coef_)

    def test_scikit_learns_progress_bar_moves_during_a_fit(self, rng, monkeypatch, capsys):
        rich_progress = pytest.importorskip("rich.progress")
        from sklearn.callback import ProgressBar

        shares = []
        update = rich_progress.Progress.update

        def seen(self, task, *, completed=None, total=None, **others):
            shares.append(completed / (total or self.tasks[0].total))
            update(self, task, completed=completed, total=total, **others)

        monkeypatch.setattr(rich_progress.Progress, "update", seen)
        X, y = overlapping(rng)
        model = SoftmaxRegressor(max_iter=50).set_callbacks(ProgressBar()).fit(X, y)
        np.testing.assert_allclose(shares, [*(np.arange(model.n_iter_[0]) + 1) / 50, 1.0])
        assert "SoftmaxRegressor - fit" in capsys.readouterr().out


def test_fitted_attributes_say_what_it_took(rng):
    X, y = overlapping(rng)
    model = SoftmaxRegressor().fit(X, y)
    assert isinstance(model.n_evaluations_, int)
    assert model.n_iter_[0] < model.n_evaluations_ < model.n_passes_
    assert 0 <= model.suboptimality_ <= model.tol
    assert model.gap_bound_ >= 0
    assert SoftmaxRegressor(C=np.inf).fit(X, y).gap_bound_ is None
    # Passes of a loss that is not convex include those on cross-entropy that found its start.
    focal = SoftmaxRegressor(loss="focal", warm_start=True).fit(X, y)
    n_evaluations = focal.n_evaluations_
    assert focal.fit(X, y).n_iter_[0] == 0
    assert focal.n_evaluations_ == 2 < n_evaluations - 3  # at the warm start, and at a cold one
