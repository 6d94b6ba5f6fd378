"""The estimators that choose C: against scores by hand, and in scikit-learn's tools."""

import csv
import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, StratifiedKFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from skce import (
    OneVsAllClassifier,
    OneVsAllClassifierCV,
    SoftmaxRegressor,
    SoftmaxRegressorCV,
    regularization_path,
    with_prior,
)
from skce._solver import path_by_own_hessians, path_of_part, paths_together
from skce._solver.objective import LinearObjective
from skce.estimators import candidates
from skce.inference import leave_one_out, summary
from skce.losses import FocalLoss, Poly1Loss
from skce.metrics import neg_log_loss_scorer
from tests.checks import assert_all_passed
from tests.problems import LOADERS, overlapping

ROOT = Path(__file__).resolve().parents[2]
CS = [0.01, 0.1, 1.0, 10.0, 100.0]
KINDS = [(SoftmaxRegressorCV, SoftmaxRegressor), (OneVsAllClassifierCV, OneVsAllClassifier)]


@pytest.fixture
def data():
    X, y = overlapping(np.random.default_rng(0), n_samples=90)
    return X, np.array(["a", "b", "c"])[y]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore:Only the class:UserWarning")
@pytest.mark.parametrize(
    "estimator",
    # A check asks for equal weights and repeated rows to agree to 1e-7, which fits at C = 20 do not even at one C.
    [
        SoftmaxRegressorCV(Cs=[1e-4, 1.0]),
        OneVsAllClassifierCV(Cs=[1e-4, 1.0]),
        SoftmaxRegressorCV(Cs=[1e-4, 1e-3], cv=3, loss="focal"),
    ],
    ids=repr,
)
def test_check_estimator(estimator):
    assert_all_passed(check_estimator(estimator, on_skip=None))


@pytest.mark.parametrize(("kind", "of_one_C"), KINDS)
@pytest.mark.parametrize("parameters", [{}, {"loss": Poly1Loss(0.5)}, {"class_weight": "balanced"}], ids=str)
def test_leave_one_out_is_that_of_each_fit(data, kind, of_one_C, parameters):
    X, y = data
    weight = np.random.default_rng(1).uniform(0.5, 2, len(y))
    model = kind(Cs=CS, **parameters).fit(X, y, sample_weight=weight)
    fits = [of_one_C(C=C, **parameters).fit(X, y, sample_weight=weight) for C in CS]
    left_out = [leave_one_out(fit, X, y, weight) for fit in fits]
    np.testing.assert_allclose(model.scores_mean_, [-of_one.loss for of_one in left_out], rtol=0.01)
    np.testing.assert_allclose(model.scores_sem_, [of_one.standard_error for of_one in left_out], rtol=0.02)
    chosen = int(np.argmax(model.scores_mean_))
    assert model.C_ == model.C == CS[chosen]
    assert model.validation_ == "leave-one-out"
    np.testing.assert_allclose(model.loo_log_proba_, left_out[chosen].log_proba, rtol=0, atol=5e-3)
    np.testing.assert_allclose(model.coefs_path_, [fit.coef_ for fit in fits], rtol=0, atol=2e-3)
    np.testing.assert_allclose(model.predict_proba(X), fits[chosen].predict_proba(X), rtol=0, atol=1e-3)


@pytest.mark.parametrize("seed", [4, 23])
def test_leave_one_out_of_raw_columns_with_heavy_tails_is_that_of_fits_without_each_row(seed):
    # One row of them alone costs hundreds, at some values of C and not at those beside.
    with gzip.open(ROOT / "examples" / "data" / "page_blocks.csv.gz", "rt", encoding="utf-8") as file:
        _, *rows = csv.reader(file)
    X, y = np.array([row[:-1] for row in rows], dtype=float), np.array([row[-1] for row in rows])
    X, _, y, _ = train_test_split(X, y, train_size=800, stratify=y, random_state=seed)
    model = SoftmaxRegressorCV(Cs=10).fit(X, y)
    for place in (4, 8):
        estimator = SoftmaxRegressor(C=model.Cs_[place], tol=1e-9)
        closed = leave_one_out(estimator.fit(X, y), X, y)
        costs = -closed.log_proba[np.arange(len(y)), np.searchsorted(model.classes_, y)]
        for row in np.argsort(-costs)[:3]:
            others = np.arange(len(y)) != row
            log_proba = estimator.fit(X[others], y[others]).predict_log_proba(X[[row]])
            costs[row] = -log_proba[0, np.searchsorted(estimator.classes_, y[row])]
        assert -model.scores_mean_[place] == pytest.approx(costs.mean(), rel=0.005)


@pytest.mark.parametrize("name", ["wine", "breast_cancer"])
def test_leave_one_out_of_many_values_is_that_of_each_fit(name):
    X, y = LOADERS[name](return_X_y=True)
    model = SoftmaxRegressorCV(Cs=20).fit(X, y)
    left_out = [leave_one_out(SoftmaxRegressor(C=C).fit(X, y), X, y) for C in model.Cs_]
    np.testing.assert_allclose(model.scores_mean_, [-of_one.loss for of_one in left_out], rtol=0.006)
    np.testing.assert_allclose(model.scores_sem_, [of_one.standard_error for of_one in left_out], rtol=0.03)
    of_chosen = left_out[list(model.Cs_).index(model.C_)]
    np.testing.assert_allclose(np.exp(model.loo_log_proba_), np.exp(of_chosen.log_proba), rtol=0, atol=0.02)
    np.testing.assert_array_equal(model.is_refitted_, of_chosen.is_refitted)


@pytest.mark.parametrize(("kind", "of_one_C"), KINDS)
@pytest.mark.parametrize("way", ["together", "own Hessians", "Hessians of all rows"])
@pytest.mark.parametrize("case", ["iris", "wine", "weighted", "repeated", "columns of a fold", "of the solver"])
def test_each_fit_of_a_fold_is_as_near_its_minimum_as_one_of_its_own(kind, of_one_C, case, way, monkeypatch):
    fits, minima_of_part, minima_of_parts = [], candidates.minima_of_part, candidates.minima_of_parts

    def watched(*arguments, **parameters):
        fits.append(list(minima_of_part(*arguments, **parameters)))
        return iter(fits[-1])

    def all_watched(*arguments, **parameters):
        of_values = list(minima_of_parts(*arguments, **parameters))
        fits.extend(zip(*of_values, strict=True))
        return iter(of_values)

    monkeypatch.setattr(candidates, "minima_of_part", watched)
    monkeypatch.setattr(candidates, "minima_of_parts", all_watched)
    if way != "together":
        monkeypatch.setattr(paths_together, "MOST_LOGITS", 0)
    if way == "Hessians of all rows":
        monkeypatch.setattr(path_of_part, "CHEAP", 0.0)
    if case == "of the solver":
        for steps in (path_of_part, path_by_own_hessians, paths_together):
            monkeypatch.setattr(steps, "MOST_STEPS", 1)
    X, y = LOADERS["wine" if case == "wine" else "iris"](return_X_y=True)
    rng, weight = np.random.default_rng(0), np.ones(len(y))
    if case == "weighted":
        weight = rng.uniform(0, 2, size=len(y))
    folds = list(KFold(3, shuffle=True, random_state=0).split(X))
    if case == "repeated":
        folds = [(rng.choice(train, len(train)), test) for train, test in folds]
    if case == "columns of a fold":
        # All but one of the rows that a column has are left out of a fold, whose Hessian knows next to nothing of it.
        sole = [np.append(test[:12], train[0]) for train, test in folds]
        X = np.column_stack([X, *(np.isin(np.arange(len(y)), rows) for rows in sole)])
    Cs = np.geomspace(1e-4, 1e4, 8)
    kind(Cs=Cs, cv=folds).fit(X, y, sample_weight=weight)
    assert len(fits) == 3
    for fold, (train, _) in zip(fits, folds, strict=True):
        alone = regularization_path(of_one_C(tol=1e-9), X[train], y[train], Cs, weight[train])
        for minimum, least in zip(fold, alone.losses, strict=True):
            values, _ = LinearObjective(minimum.problem)(minimum.solution.params)
            assert values.sum() <= (1 + 1e-6) * least


@pytest.mark.parametrize(("kind", "of_one_C"), KINDS)
@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_folds_score_as_cross_val_score_does(data, kind, of_one_C, loss):
    X, y = data
    folds = KFold(4, shuffle=True, random_state=0)
    for scoring, by_hand in ((None, neg_log_loss_scorer), ("accuracy", "accuracy")):
        model = kind(Cs=CS, cv=folds, loss=loss, scoring=scoring, n_jobs=2).fit(X, y)
        scores = [cross_val_score(of_one_C(C=C, loss=loss), X, y, cv=folds, scoring=by_hand) for C in CS]
        np.testing.assert_allclose(model.scores_, np.transpose(scores), rtol=0, atol=2e-4)
        np.testing.assert_allclose(model.scores_sem_, np.std(scores, axis=1, ddof=1) / 2, rtol=0, atol=2e-4)
        assert model.validation_ == "folds"


def test_the_rule_of_one_standard_error_takes_the_strongest_penalty_within_it(data):
    best = SoftmaxRegressorCV(Cs=20).fit(*data)
    simpler = SoftmaxRegressorCV(Cs=20, rule="1se").fit(*data)
    within = best.scores_mean_ >= best.scores_mean_.max() - best.scores_sem_[best.scores_mean_.argmax()]
    assert simpler.C_ == best.Cs_[within].min() < best.C_


def test_values_may_come_in_any_order(data):
    forwards, backwards = (SoftmaxRegressorCV(Cs=Cs).fit(*data) for Cs in (CS, CS[::-1]))
    np.testing.assert_allclose(forwards.scores_mean_, backwards.scores_mean_[::-1])
    np.testing.assert_allclose(forwards.coef_, backwards.coef_)
    np.testing.assert_array_equal(backwards.Cs_, CS[::-1])


def test_soft_labels_and_labels_that_do_not_exclude_each_other(data):
    X, _ = data
    rng = np.random.default_rng(0)
    soft = rng.dirichlet(np.ones(3), size=len(X))
    indicator = rng.integers(2, size=(len(X), 3))
    for kind, labels in ((SoftmaxRegressorCV, soft), (OneVsAllClassifierCV, soft), (OneVsAllClassifierCV, indicator)):
        left_out, folds = (kind(Cs=[1e-3, 1e-2], cv=cv).fit(X, labels) for cv in (None, 10))
        np.testing.assert_allclose(left_out.scores_mean_, folds.scores_mean_, rtol=0.02)


def test_a_fold_may_lack_a_class(data):
    X, y = data
    order = np.argsort(y)
    model = SoftmaxRegressorCV(Cs=[0.1, 1.0], cv=KFold(3)).fit(X[order], y[order])
    assert model.scores_.shape == (3, 2)
    assert np.isfinite(model.scores_).all()
    assert model.scores_.min() < -15  # half of its rows are of the class, whose probability is below eps


def test_without_a_fit_of_all_rows_there_are_scores_alone(data):
    model = SoftmaxRegressorCV(Cs=CS, cv=3, refit=False).fit(*data)
    np.testing.assert_allclose(model.scores_, SoftmaxRegressorCV(Cs=CS, cv=3).fit(*data).scores_, atol=1e-4)
    assert not hasattr(model, "coef_")
    with pytest.raises(ValueError, match="not fitted"):
        model.predict(data[0])


def test_where_the_hessian_is_dear_folds_take_its_place_and_say_so(data, monkeypatch):
    X, y = data
    monkeypatch.setattr("skce._solver.curvature.ladder.LARGEST_FACTOR", 5)
    model = SoftmaxRegressorCV(Cs=CS).fit(X, y)
    assert model.validation_ == "folds"
    assert not hasattr(model, "loo_log_proba_")
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    np.testing.assert_allclose(model.scores_, SoftmaxRegressorCV(Cs=CS, cv=folds).fit(X, y).scores_, atol=1e-6)
    others = SoftmaxRegressorCV(Cs=CS, cv=StratifiedKFold(10, shuffle=True, random_state=1)).fit(X, y)
    assert (np.abs(model.scores_mean_ - others.scores_mean_) <= 2 * model.scores_sem_).all()


def test_groups_are_routed_to_the_splitter(data):
    X, y = data
    groups = np.arange(len(y)) % 4
    with config_context(enable_metadata_routing=True):
        model = SoftmaxRegressorCV(Cs=CS, cv=GroupKFold(4)).fit(X, y, groups=groups)
    by_hand = [(np.flatnonzero(groups != group), np.flatnonzero(groups == group)) for group in range(4)]
    same = SoftmaxRegressorCV(Cs=CS, cv=by_hand).fit(X, y)
    np.testing.assert_allclose(np.sort(model.scores_, axis=0), np.sort(same.scores_, axis=0), rtol=1e-5)
    with pytest.raises(ValueError, match="groups if metadata routing is enabled"):
        SoftmaxRegressorCV(cv=GroupKFold(4)).fit(X, y, groups=groups)


@pytest.mark.parametrize(("kind", "of_one_C"), KINDS)
def test_it_behaves_as_its_estimator_afterwards(data, kind, of_one_C):
    X, y = data
    model = kind(Cs=CS, class_weight="balanced").fit(X, y)
    plain = of_one_C(C=model.C_, class_weight="balanced").fit(X, y)
    np.testing.assert_array_equal(model.coef_, plain.coef_)
    np.testing.assert_array_equal(summary(model, X, y).to_frame(), summary(plain, X, y).to_frame())
    changed = with_prior(model, prior="balanced")
    np.testing.assert_allclose(
        changed.predict_proba(X), with_prior(plain, prior="balanced").predict_proba(X), rtol=0, atol=1e-3
    )
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    assert not hasattr(clone(model), "coef_")
    assert model.set_params(posterior="recovered").score(X, y) > 0.4


def test_in_pipelines_and_searches():
    X, y = load_iris(return_X_y=True, as_frame=True)
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), SoftmaxRegressorCV(Cs=5)).fit(X, y)
    assert accuracy_score(y, pipeline.predict(X)) > 0.95
    assert list(pipeline[-1].feature_names_in_) == list(X.columns)
    search = GridSearchCV(SoftmaxRegressorCV(Cs=3), {"label_smoothing": [0.0, 0.1]}, cv=3).fit(X, y)
    assert search.best_estimator_.C_ in search.best_estimator_.Cs_


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"Cs": []}, "Cs must be"),
        ({"Cs": [1.0, np.nan]}, "Cs must be"),
        ({"Cs": [0.0]}, "Cs must be"),
        ({"Cs": [1.0, np.inf]}, "Cs must be finite with cv=None"),
        ({"rule": "median"}, "rule must be 'best' or '1se', got 'median'"),
        ({"rule": ["best"]}, "rule must be 'best' or '1se'"),
        ({"Cs": 1}, r"Cs must be a number of values, at least 2, .* got 1; Cs=\[1\] is C=1"),
        ({"cv": 1}, "cv must be None, .* of at least 2, .* got 1"),
        ({"cv": "loo"}, "cv must be None, which is leave-one-out, .* got 'loo'"),
        ({"cv": 3, "scoring": "accuracyy"}, "scoring must be .* got 'accuracyy'. Did you mean 'accuracy'?"),
        ({"scoring": "accuracy"}, "scoring must be None.*cv=5"),
        ({"loss": "focal"}, "cv must be folds for a loss that is not convex"),
        ({"refit": "yes"}, "refit must be True or False"),
        ({"tol": -1.0}, "tol must be"),
    ],
    ids=str,
)
def test_what_is_not_allowed_is_named(data, parameters, message):
    model = SoftmaxRegressorCV(**parameters)
    with pytest.raises(ValueError, match=message):
        model.fit(*data)
    assert vars(model) == vars(SoftmaxRegressorCV(**parameters)) or "nan" in repr(parameters)


def test_a_parameter_that_it_chooses_itself_is_explained():
    with pytest.raises(TypeError, match="has no parameter 'C'"):
        SoftmaxRegressorCV(C=1.0)


def test_verbose_prints_a_line_for_each_C_and_those_of_the_fit(capsys):
    SoftmaxRegressorCV(Cs=[1.0, 0.1], verbose=1).fit(*load_iris(return_X_y=True))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["skce, C=0.1", "skce, C=1", "skce, CrossEntropy()"]
    assert all(line.endswith("certified") for line in lines[:2])


@pytest.mark.parametrize("scoring", ["neg_log_loss", neg_log_loss_scorer])
def test_folds_are_scored_by_weight_whatever_the_scorer(data, scoring):
    X, y = data
    weight = np.random.default_rng(0).exponential(size=len(y))
    by_default, by_scorer = (
        SoftmaxRegressorCV(Cs=CS, cv=3, scoring=given).fit(X, y, sample_weight=weight) for given in (None, scoring)
    )
    np.testing.assert_allclose(by_scorer.scores_, by_default.scores_, rtol=1e-9)
    SoftmaxRegressorCV(Cs=CS, cv=3, scoring=lambda model, X, y: model.score(X, y)).fit(X, y, sample_weight=weight)


def test_one_split_has_no_standard_error(data):
    split = [(np.arange(0, len(data[1]), 2), np.arange(1, len(data[1]), 2))]
    model = SoftmaxRegressorCV(Cs=CS, cv=split).fit(*data)
    assert np.isnan(model.scores_sem_).all()
    with pytest.raises(ValueError, match="rule must be 'best' where cv is one split"):
        SoftmaxRegressorCV(Cs=CS, cv=split, rule="1se").fit(*data)


def test_scores_that_are_nan_are_named(data):
    def score(model, X, y):
        return np.nan if least <= model.C else 0.0

    least = CS[1]
    with pytest.warns(UserWarning, match=r"gave NaN, for one in fold 0 at C=.*not chosen"):
        model = SoftmaxRegressorCV(Cs=CS, cv=3, scoring=score).fit(*data)
    assert CS[0] == model.C_
    least = 0.0
    with pytest.raises(ValueError, match=r"scoring=.* gave NaN, .* for no C"):
        SoftmaxRegressorCV(Cs=CS, cv=3, scoring=score).fit(*data)


@pytest.mark.parametrize("cv", [None, 3])
def test_an_interrupt_is_raised_and_leaves_the_estimator_as_it_was(data, cv):
    class Interrupted(FocalLoss):
        n_calls, is_convex = 0, True

        def value(self, log_q, rest):
            Interrupted.n_calls += 1
            if Interrupted.n_calls == 5:
                raise KeyboardInterrupt
            return super().value(log_q, rest)

    model = SoftmaxRegressorCV(Cs=CS, cv=cv, loss=Interrupted(gamma=0.0))
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data)
    assert not hasattr(model, "C_")


def test_a_path_of_what_chooses_C_itself_is_an_error(data):
    with pytest.raises(TypeError, match="estimator must be a SoftmaxRegressor or a OneVsAllClassifier"):
        regularization_path(SoftmaxRegressorCV(), *data)
