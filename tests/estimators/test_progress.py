"""What a fit tells while it runs, and what it leaves behind when it is stopped."""

import itertools

import numpy as np
import pytest
from sklearn.base import clone

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce._solver.objective import LinearObjective
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
        value_gradient = LinearObjective._value_gradient
        monkeypatch.setattr(LinearObjective, "_value_gradient", interrupted)

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
