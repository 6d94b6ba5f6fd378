"""The solver: where it ends, why, and how honestly it says how far that is from the minimum."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning

from skce import SoftmaxRegressor
from skce._labels.kinds_of_y import HardLabels, SoftLabels
from skce._links.binary import Binary
from skce._links.one_vs_all import OneVsAll
from skce._links.softmax import Softmax
from skce._rows.blocks import RowBlocks
from skce._solver import lbfgs, minimisation
from skce._solver.curvature.by_class import ClassCurvature
from skce._solver.curvature.diagonal import DiagonalCurvature
from skce._solver.curvature.exact import ExactCurvature
from skce._solver.curvature.kronecker import KroneckerCurvature, RowSpaceCurvature
from skce._solver.curvature.ladder import Rung, first_rung, next_rung, rungs_for
from skce._solver.curvature.weighted_diagonal import WeightedDiagonalCurvature
from skce._solver.descent import Descent
from skce._solver.minimisation import minimised
from skce._solver.objective import LinearObjective
from skce._solver.solution import Solution, warn_unless_converged
from skce._solver.standardisation import Standardisation
from skce.losses import CrossEntropy, FocalLoss, Poly1Loss
from tests.problems import overlapping, problem_of_rows, targets_of


def objective_of(X, y, kind=Softmax, loss=None, *, C=1.0, fit_intercept=True):
    """The objective of labels y."""
    labels = HardLabels(y, y.max() + 1) if y.ndim == 1 else SoftLabels(y)
    n_classes = y.max() + 1 if y.ndim == 1 else y.shape[1]
    targets = targets_of(kind, labels, np.ones(len(y)), np.ones(n_classes), 0.0)
    rows = RowBlocks(X, targets)
    return LinearObjective(problem_of_rows(rows, loss or CrossEntropy(), C=C, fit_intercept=fit_intercept))


def watch_by(on_iteration=None, on_stage=None):
    """What a minimisation is watched by: nothing, or the functions that are given."""
    return SimpleNamespace(
        before_iteration=lambda iterate: None,
        after_iteration=on_iteration or (lambda iterate: False),
        during_stage=lambda descent: None,
        after_stage=on_stage or (lambda descent: None),
    )


def solved(objective, *, start=None, tol=1e-7, max_iter=1000, on_iteration=None, on_stage=None):
    """The Solution from zero, or from ``start``."""
    return minimised(
        objective.problem,
        [np.zeros(objective.shape).reshape(-1) if start is None else start],
        tol=tol,
        max_iter=max_iter,
        watch=watch_by(on_iteration, on_stage),
    )


@pytest.fixture
def objective(rng):
    return objective_of(*overlapping(rng, n_samples=200))


class TestEnds:
    def test_the_solution_is_what_the_objective_says(self, objective):
        solution = solved(objective)
        assert solution.reason == "converged"
        assert solution.value == objective(solution.params)[0].sum() == solution.loss_curve[-1]
        assert solution.suboptimality <= 1e-7

    def test_the_loss_curve_goes_from_the_start_to_the_end(self, objective):
        solution = solved(objective, tol=1e-12)
        assert solution.loss_curve[0] == objective(np.zeros(objective.shape).reshape(-1))[0].sum()
        assert len(solution.loss_curve) == solution.n_iter + 1
        assert (np.diff(solution.loss_curve) <= 0).all()
        assert solution.n_iter < solution.n_evaluations < solution.n_passes

    def test_the_pass_curve_goes_with_the_loss_curve(self, objective):
        solution = solved(objective, tol=1e-12)
        assert len(solution.pass_curve) == len(solution.loss_curve)
        assert solution.pass_curve[0] == 1  # the start is evaluated, with its curvature
        assert solution.pass_curve[1] >= 2  # and then where a step leads
        assert (np.diff(solution.pass_curve) >= 1).all()  # each iteration evaluates at least once
        assert solution.pass_curve[-1] == solution.n_passes

    def test_every_evaluation_and_sweep_is_counted(self, objective, monkeypatch):
        sweeps = []
        summed = RowBlocks.summed
        monkeypatch.setattr(RowBlocks, "summed", lambda *args, **kwargs: sweeps.append(1) or summed(*args, **kwargs))
        solution = solved(objective)
        assert solution.n_passes == len(sweeps)

    def test_a_start_at_the_minimum_is_the_solution(self, objective):
        minimum = solved(objective, tol=1e-13)
        solution = solved(objective, start=minimum.params)
        assert (solution.reason, solution.n_iter) == ("converged", 0)
        assert solution.value == pytest.approx(minimum.value, rel=1e-12)

    @pytest.mark.parametrize("max_iter", [1, 2, 7])
    def test_max_iter_bounds_the_iterations_of_all_stages(self, max_iter, rng):
        solution = solved(objective_of(*load_wine(return_X_y=True)), tol=0.0, max_iter=max_iter)
        assert (solution.reason, solution.n_iter) == ("max_iter", max_iter)

    @pytest.mark.parametrize("C", [1.0, np.inf])
    @pytest.mark.parametrize("kind", [Softmax, OneVsAll])
    def test_asking_for_more_than_float64_holds_ends_in_precision_and_quietly(self, kind, C, rng):
        solution = solved(objective_of(*overlapping(rng, n_samples=200), kind, C=C), tol=0.0)
        assert solution.reason == "precision"
        assert solution.suboptimality < 1e-12
        warn_unless_converged(solution, tol=0.0)

    def test_a_callback_stops_it_quietly(self, objective):
        iterations = itertools.count(1)
        solution = solved(objective, on_iteration=lambda iterate: next(iterations) == 3)
        assert (solution.reason, solution.n_iter) == ("stopped", 3)
        warn_unless_converged(solution, tol=1e-7)

    @pytest.mark.parametrize("at", [1, 2, 3])
    def test_an_interrupt_keeps_the_best_point(self, at, objective, monkeypatch):
        evaluations = itertools.count()

        def interrupted(self, *args):
            if next(evaluations) == at:
                raise KeyboardInterrupt
            return value_gradient(self, *args)

        # Where every evaluation ends, of F alone or with its curvature.
        value_gradient = LinearObjective.value_gradient
        monkeypatch.setattr(LinearObjective, "value_gradient", interrupted)
        solution = solved(objective)
        monkeypatch.undo()
        assert solution.reason == "interrupted"
        assert solution.value == objective(solution.params)[0].sum() == min(solution.loss_curve)

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_a_loss_that_is_not_finite_ends_at_once(self, bad, rng):
        class Bad(CrossEntropy):
            def value(self, log_q, rest):
                return np.full_like(log_q, bad)

            def g(self, log_q, rest):
                return np.full_like(log_q, bad)

        with np.errstate(all="ignore"):
            solution = solved(objective_of(*overlapping(rng), loss=Bad()))
        assert (solution.reason, solution.n_iter, solution.gap_bound) == ("stalled", 0, None)

    @pytest.mark.parametrize("start", [1e6, 1e160, np.nan])
    def test_the_better_start_of_several_is_taken(self, start, objective, rng):
        cold = np.zeros(objective.shape).reshape(-1)
        with np.errstate(all="ignore"):
            solution = minimised(
                objective.problem,
                [start * rng.standard_normal(cold.shape), cold],
                tol=1e-7,
                max_iter=100,
                watch=watch_by(),
            )
        assert solution.reason == "converged"
        assert solution.loss_curve[0] == objective(cold)[0].sum()

    def test_one_separable_column_of_several_does_not_keep_the_others(self):
        X, y = load_iris(return_X_y=True)
        objective = objective_of(X, y, OneVsAll, C=np.inf)
        solution = solved(objective)
        assert solution.reason == "separable"
        tight = solved(objective, tol=1e-13)
        values, least = objective(solution.params)[0], objective(tight.params)[0]
        np.testing.assert_allclose(values[1:], least[1:], rtol=1e-6)
        assert values[0] < 1e-6

    def test_stages_are_reported(self, objective):
        stages = []
        solution = solved(objective, on_stage=lambda descent: stages.append(str(descent)))
        assert len(stages) >= 1
        assert stages[0].startswith("stage 1, ")
        assert f"{solution.n_iter} iterations" in stages[-1]

    @pytest.mark.parametrize("kind", [Softmax, OneVsAll])
    def test_separable_classes_without_a_penalty(self, kind, rng):
        X = np.repeat(np.eye(3), 10, axis=0) + 0.1 * rng.standard_normal((30, 3))
        solution = solved(objective_of(X, np.repeat([0, 1, 2], 10), kind, C=np.inf))
        assert solution.reason == "separable"
        assert solution.value < 1e-6
        with pytest.warns(ConvergenceWarning, match="classes are separable and C=inf, so there is no minimum"):
            warn_unless_converged(solution, tol=1e-7)


class TestHonesty:
    """``suboptimality`` against the truth, which is a fit to the end of float64."""

    PROBLEMS = [
        (load, kind, C)
        for load in (load_iris, load_wine, load_breast_cancer)
        for kind in (Softmax, OneVsAll)
        for C in (0.01, 1.0, 100.0)
    ]

    @pytest.mark.parametrize(("load", "kind", "C"), PROBLEMS)
    def test_raw_features_end_within_a_millionth_at_the_default(self, load, kind, C):
        objective = objective_of(*load(return_X_y=True), kind, C=C)
        solution, truth = (solved(objective, tol=tol) for tol in (1e-7, 0.0))
        assert solution.reason == "converged"
        assert solution.value / truth.value - 1 <= 1e-6

    @pytest.mark.parametrize("tol", [1e-3, 1e-5, 1e-7, 1e-9])
    def test_the_gap_is_no_more_than_ten_times_tol(self, tol, rng):
        for seed in range(10):
            rng = np.random.default_rng(seed)
            X, y = overlapping(rng, n_samples=150, n_features=4, n_classes=2 + seed % 4)
            objective = objective_of(X * 10.0 ** rng.integers(-3, 4, size=4), y, C=10.0 ** (seed % 5 - 2))
            solution, truth = (solved(objective, tol=t) for t in (tol, 0.0))
            assert solution.value / truth.value - 1 <= 10 * tol

    @pytest.fixture
    def exponential_tail(self):
        """One certain feature and next to no penalty: F falls like an exponential to a far minimum."""
        return objective_of(np.array([[-1.0], [1.0]]), np.array([0, 1]), Binary, C=1e8, fit_intercept=False)

    @pytest.mark.parametrize("tol", [1e-2, 1e-3, 1e-5])
    def test_a_curvature_that_is_a_stage_old_is_not_believed_along_a_tail(self, tol, exponential_tail):
        solution, truth = (solved(exponential_tail, tol=t) for t in (tol, 0.0))
        assert solution.value / truth.value - 1 <= 2 * tol

    def test_estimates_are_raised_after_a_fall_by_more_than_was_promised(self, exponential_tail):
        objective = exponential_tail
        start = np.array([2.0])
        descent = Descent.from_best_of([start], objective)
        curvature = ExactCurvature(objective, start, Standardisation.of(objective.problem))
        stage = lbfgs.Stage(descent, curvature, 0.0, watch_by(), n_iter=2, patience=0)
        promised = stage.decrements.sum()
        stage.run(2)
        promised -= curvature.decrements(curvature.pull_back(objective(descent.best.params)[1])).sum()
        fall = objective(start)[0].sum() - descent.best.value
        assert fall > 1.3 * promised
        assert descent.correction == pytest.approx(min((fall / promised) ** 2, 10))
        decrements = np.array([1e-3])
        assert descent.relative(decrements) == pytest.approx(descent.correction * 1e-3 / descent.best.value)

    def test_rare_labels_do_not_starve(self, rng):
        # One column has a hundredth of the loss of the others: tol holds for it by itself.
        X = rng.standard_normal((2000, 3))
        y = (X[:, 0] > 0).astype(int)
        y[rng.choice(2000, size=100)] ^= 1
        y[:5] = 2
        objective = objective_of(X, y, OneVsAll)
        solution, truth = (solved(objective, tol=tol) for tol in (1e-5, 0.0))
        values, least = objective(solution.params)[0], objective(truth.params)[0]
        assert least[2] < 0.1 * least[0]
        assert (values / least - 1 <= 1e-5).all()

    def test_the_certificate_bounds_the_gap_on_a_hundred_random_problems(self):
        for seed in range(100):
            rng = np.random.default_rng(seed)
            n_features, n_classes = int(rng.integers(1, 6)), int(rng.integers(2, 5))
            X, y = overlapping(rng, int(rng.integers(20, 80)), n_features, n_classes)
            X = X * 10.0 ** rng.uniform(-2, 2, size=n_features) + rng.uniform(-3, 3, size=n_features)
            kind = rng.choice([Binary if n_classes == 2 else Softmax, OneVsAll])
            loss = [CrossEntropy(), Poly1Loss(1.0)][seed % 2]
            objective = objective_of(X, y, kind, loss, C=10.0 ** rng.uniform(-2, 2), fit_intercept=bool(seed % 5))
            solution = solved(objective, tol=10.0 ** rng.uniform(-8, 0), max_iter=int(rng.integers(1, 20)))
            least = solved(objective, tol=0.0).value
            assert solution.gap_bound >= solution.value - least - 1e-13 * abs(least)

    def test_there_is_no_certificate_without_strong_convexity(self, rng):
        X, y = overlapping(rng)
        assert solved(objective_of(X, y, C=np.inf)).gap_bound is None
        assert solved(objective_of(X, y, loss=FocalLoss(1.0))).gap_bound is None
        assert solved(objective_of(X, y)).gap_bound > 0


class TestLadder:
    def test_rungs_from_cheap_to_dear(self, objective):
        rungs = rungs_for(objective)
        assert [rung.curvature for rung in rungs] == [DiagonalCurvature, KroneckerCurvature, ExactCurvature]

    def test_what_does_not_fit_is_no_rung(self, rng):
        long = objective_of(rng.standard_normal((900, 800)), np.arange(900) % 3)
        assert [rung.curvature for rung in rungs_for(long)] == [DiagonalCurvature, KroneckerCurvature, ClassCurvature]
        wide = objective_of(rng.standard_normal((20, 800)), np.arange(20) % 3)
        assert [rung.curvature for rung in rungs_for(wide)] == [RowSpaceCurvature]
        wider = objective_of(scipy.sparse.eye(2000, 10_000, format="csr"), np.arange(2000) % 3)
        assert [rung.curvature for rung in rungs_for(wider)] == [WeightedDiagonalCurvature]

    def test_starts_with_the_dearest_that_is_cheap(self):
        rungs = [Rung(DiagonalCurvature, 1.0, 10), Rung(KroneckerCurvature, 3.0, 10), Rung(ExactCurvature, 5.0, 5)]
        assert first_rung(rungs, is_cold=False) == 2
        assert first_rung(rungs, is_cold=True) == 1  # there the two are the same
        assert first_rung([*rungs[:2], Rung(ExactCurvature, 1e3, 5)], is_cold=False) == 1
        assert first_rung([rungs[0], Rung(KroneckerCurvature, 1e3, 10)], is_cold=True) == 0

    def test_climbs_where_that_pays(self):
        rungs = [Rung(DiagonalCurvature, 1.0, 10), Rung(KroneckerCurvature, 30.0, 10), Rung(ExactCurvature, 300.0, 5)]
        assert [next_rung(rungs, 0, left) for left in (20, 100, 1000, np.inf)] == [0, 1, 2, 2]
        assert next_rung(rungs, 2, np.inf) == 2

    def test_climbs_to_a_hessian_from_a_curvature_by_class(self):
        costs = {DiagonalCurvature: 1.0, KroneckerCurvature: 3.0, ClassCurvature: 10.0, ExactCurvature: 100.0}
        rungs = [Rung(curvature, cost, 10) for curvature, cost in costs.items()]
        assert [next_rung(rungs, 1, left) for left in (20, 31, np.inf)] == [1, 2, 2]
        assert [next_rung(rungs, 2, left) for left in (109, 111)] == [2, 3]
        assert next_rung(rungs, 0, np.inf) == 2

    @pytest.mark.parametrize(("C", "last", "n_passes"), [(1.0, ClassCurvature, 52), (100.0, ExactCurvature, 80)])
    def test_digits_climb_as_far_as_pays(self, C, last, n_passes):
        kinds = []
        objective = objective_of(*load_digits(return_X_y=True), C=C)
        kinds_of_rungs = [rung.curvature for rung in rungs_for(objective)]
        assert kinds_of_rungs == [DiagonalCurvature, KroneckerCurvature, ClassCurvature, ExactCurvature]
        make_stage = lbfgs.Stage.__init__

        def recording(self, descent, curvature, *args):
            kinds.append(type(curvature))
            make_stage(self, descent, curvature, *args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lbfgs.Stage, "__init__", recording)
            solution = solved(objective)
        assert kinds[:2] == [KroneckerCurvature, ClassCurvature]
        assert kinds[-1] is last
        assert solution.n_passes <= n_passes
        assert solution.gap_bound <= 1e-7 * solution.value

    def test_no_estimate_is_believed_where_a_hessian_is_affordable(self, monkeypatch):
        def believed(descent, curvature, fresh_curvature, tol):
            descent.gap_bound = 1.0
            return True

        monkeypatch.setattr(minimisation, "is_at_minimum", believed)
        solution = solved(objective_of(*load_digits(return_X_y=True)))
        assert solution.reason == "converged"
        assert solution.gap_bound <= 1e-7 * solution.value


def nearly_separable(rng, n_samples=1200, n_features=60, n_classes=60):
    """X in float32, and labels of scores whose standard deviation is 2."""
    X = rng.standard_normal((n_samples, n_features)).astype(np.float32)
    scores = X @ rng.standard_normal((n_features, n_classes)) / 4
    return X, (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)


class TestProductsInFloat32:
    @pytest.fixture(autouse=True)
    def _for_all(self, monkeypatch):
        monkeypatch.setattr(minimisation, "WORK_FOR_FLOAT32", 0)

    def test_serve_until_they_hide_what_iterations_gain(self, rng, monkeypatch):
        dtypes, evaluated = [], LinearObjective.__call__

        def noted(objective, params):
            dtypes.append(objective.rows.dtype)
            return evaluated(objective, params)

        monkeypatch.setattr(LinearObjective, "__call__", noted)
        X, y = nearly_separable(rng)
        model = SoftmaxRegressor().fit(X, y)
        n_single = dtypes.count(np.float32)
        assert set(dtypes[:n_single]) == {np.float32}
        assert set(dtypes[n_single:]) == {np.float64}
        assert n_single >= 0.7 * len(dtypes)
        assert (np.diff(model.loss_curve_) <= 0).all()
        assert model.is_certified_
        double = SoftmaxRegressor().fit(X.astype(np.float64), y)
        assert model.loss_ == pytest.approx(double.loss_, rel=2e-7)

    def test_of_slow_stages_give_way_to_conjugate_gradients(self, rng):
        X, y = nearly_separable(rng)
        model = SoftmaxRegressor(C=1e4).fit(X, y)
        double = SoftmaxRegressor(C=1e4).fit(X.astype(np.float64), y)
        assert model.is_certified_
        assert model.loss_ == pytest.approx(double.loss_, rel=2e-7)
        assert model.n_passes_ <= 1.3 * double.n_passes_


def test_a_warning_says_how_far_it_got():
    solution = Solution(np.zeros(2), 0.5, 3e-4, None, (1.0, 0.6, 0.5), (1.0, 2.0, 5.0), 4, "max_iter")
    with pytest.warns(ConvergenceWarning) as caught:
        warn_unless_converged(solution, tol=1e-9)
    (message,) = [str(warning.message) for warning in caught]
    for figure in (
        "max_iter=2",
        "loss is 0.5",
        "estimated 0.0003 of it could still be gained",
        "tol=1.0e-09",
        "Raise max_iter",
    ):
        assert figure in message
