"""Separation against brute force over the rays of its cone, and in tables."""

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce.inference import influence, margins, probability_intervals, separation, summary, wald_test

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def constraints(X, y, n_classes):
    """Rows of A, where A v >= 0 says that v (K - 1, p), against the first class, never errs; and which rows of X."""
    rows, of_rows = [], []
    for i, x in enumerate(np.column_stack([np.ones(len(y)), X])):
        for other in range(n_classes):
            if other != y[i]:
                row = np.zeros((n_classes, len(x)))
                row[y[i]], row[other] = x, -x
                rows.append(row[1:].ravel())
                of_rows.append(i)
    return np.array(rows), np.array(of_rows)


def rays_by_brute_force(A):
    """Rays (m, q) of the cone A v >= 0, which has no line: each is where all but one dimension are tight."""
    rays = [np.zeros(A.shape[1])]
    for chosen in itertools.combinations(range(len(A)), A.shape[1] - 1):
        _, values, vectors = np.linalg.svd(A[list(chosen)])
        if values[-1] < 1e-9:
            continue
        for ray in (vectors[-1], -vectors[-1]):
            if (A @ ray >= -1e-9).all():
                rays.append(ray)
    return np.array(rays)


@pytest.mark.parametrize("seed", range(20))
def test_random_problems_by_brute_force(seed):
    rng = np.random.default_rng(seed)
    n_classes, n_features, n_samples = (2, 2, 9) if seed % 2 else (3, 1, 9)
    while True:
        X = rng.integers(-2, 3, size=(n_samples, n_features)).astype(float)
        y = np.append(np.arange(n_classes), rng.integers(0, n_classes, size=n_samples - n_classes))
        # Towards separation, which coin flips seldom have.
        y = np.where(
            rng.uniform(size=n_samples) < 0.7, np.clip(np.round(X[:, 0] + 0.5), 0, n_classes - 1).astype(int), y
        )
        A, of_rows = constraints(X, y, n_classes)
        if len(np.unique(y)) == n_classes and np.linalg.matrix_rank(A) == A.shape[1]:
            break
    rays = rays_by_brute_force(A)
    strict = (rays @ A.T > 1e-9).any(axis=0)
    ours = separation(X, y)
    assert ours.kind == ("complete" if strict.all() else "quasi-complete" if strict.any() else "none")
    expected = np.zeros(n_samples, dtype=bool)
    expected[of_rows[strict]] = True
    np.testing.assert_array_equal(ours.rows, expected)
    # A coefficient has an estimate where it is a combination of what the other constraints see.
    seen = A[~strict]
    n_columns = n_features + 1
    against_first = np.kron(np.eye(n_classes) - 1 / n_classes, np.eye(n_columns))[:, n_columns:]
    if n_classes == 2:
        against_first = np.eye(n_columns)
    for coef, infinite in zip(against_first, ours.infinite.ravel(), strict=True):
        with_coef = np.linalg.matrix_rank(np.vstack([seen, coef]), tol=1e-9)
        assert (infinite != 0) == (with_coef > (np.linalg.matrix_rank(seen, tol=1e-9) if len(seen) else 0))
        if infinite != 0:
            # It is infinite where no way to the supremum has it go the other way, and else goes nowhere by itself.
            has_sign = [(sign * (rays @ coef) >= -1e-9).all() for sign in (1, -1)]
            assert infinite == np.inf if has_sign[0] else infinite == -np.inf if has_sign[1] else np.isnan(infinite)


def test_iris():
    X, y = load_iris(return_X_y=True, as_frame=True)
    ours = separation(X, y)
    assert ours.kind == "quasi-complete"
    assert ours.rows.all()
    assert "0" in ours.classes
    assert set(ours.columns) <= set(X.columns)
    assert "Quasi-complete separation, along petal" in str(ours)
    rest = separation(X[y > 0], y[y > 0])
    assert rest.kind == "none"
    assert not rest.is_separated
    assert "No separation" in str(rest)
    assert separation(X[y < 2], y[y < 2]).kind == "complete"


@pytest.mark.parametrize("counts", [[5, 3, 4, 2], [5, 0, 4, 2], [5, 0, 0, 2], [0, 3, 4, 2]])
def test_two_by_two_tables(counts):
    x, y = np.repeat([0, 0, 1, 1], counts).astype(float), np.repeat([0, 1, 0, 1], counts)
    kind = {0: "none", 1: "quasi-complete", 2: "complete"}[counts.count(0)]
    ours = separation(x[:, None], y)
    assert ours.kind == kind
    if kind == "quasi-complete":
        # The intercept is the log odds at x = 0: without estimate only where a cell of that row is empty.
        assert np.isinf(ours.infinite[0]).tolist() == [True, True]
        odds = np.log(counts[3] / counts[2])
        table = summary(SoftmaxRegressor(C=np.inf).fit(x[:, None], y), x[:, None], y)
        assert table.coef[0, 1] == (np.inf if counts[1] == 0 else -np.inf)
        coded = (1 - x)[:, None]  # the intercept is then that of the full row
        table = summary(SoftmaxRegressor(C=np.inf).fit(coded, y), coded, y)
        assert table.coef[0, 0] == pytest.approx(odds)
        assert table.std_err[0, 0] == pytest.approx(np.sqrt(1 / counts[2] + 1 / counts[3]))
        assert np.isinf(table.coef[0, 1])


@pytest.mark.parametrize("tol", [1e-2, 1e-7])
def test_a_perfect_dummy_is_named_and_the_rest_of_the_table_is_that_of_the_other_rows(tol, rng):
    x, flag = rng.normal(size=200), (rng.uniform(size=200) < 0.1).astype(float)
    y = np.where(flag == 1, 1, rng.uniform(size=200) < 1 / (1 + np.exp(-x))).astype(int)
    X = pd.DataFrame({"x": x, "flag": flag})
    ours = separation(X, y)
    assert (ours.kind, ours.columns, ours.classes) == ("quasi-complete", ["flag"], ["1"])
    np.testing.assert_array_equal(ours.infinite, [[0, 0, np.inf]])
    np.testing.assert_array_equal(ours.rows, flag == 1)
    table = summary(SoftmaxRegressor(C=np.inf, tol=tol).fit(X, y), X, y)
    rest = sm.Logit(y[flag == 0], sm.add_constant(x[flag == 0])).fit(tol=1e-14, disp=0)
    np.testing.assert_allclose(table.coef[0, :2], rest.params, rtol=1e-8)
    np.testing.assert_allclose(table.std_err[0, :2], rest.bse, rtol=1e-8)
    assert table.log_likelihood == pytest.approx(rest.llf, rel=1e-10)
    assert table.coef[0, 2] == np.inf
    assert (table.lower[0, 2], table.upper[0, 2]) == (-np.inf, np.inf)
    assert np.isnan(table.std_err[0, 2])
    assert "inf" in str(table)
    assert "Classes are separated" in str(table)
    assert "not determined " not in str(table)
    line = next(line for line in str(table).splitlines() if line.startswith("flag "))
    assert line.split()[1:] == ["inf", "-", "-", "-", "-", "-", "inf", "-", "-"]
    # The column counts, as it does where its coefficient is as large as steps make it.
    theirs = sm.GLM(y, sm.add_constant(X), family=sm.families.Binomial()).fit(maxiter=60)
    assert table.aic == pytest.approx(theirs.aic, rel=1e-8)
    assert (table.df_model, table.df_residual) == (theirs.df_model, theirs.df_resid)
    assert table.bic == pytest.approx(theirs.aic + 3 * (np.log(200) - 2), rel=1e-8)
    assert np.isinf(table.to_frame().loc[("1 against 0", "flag"), "coef"])
    assert wald_test(table, "x").df == 1
    with pytest.raises(ValueError, match="no finite estimate"):
        wald_test(table, "flag")
    columns = summary(OneVsAllClassifier(C=np.inf).fit(X, np.where(flag, 2, y)), X, np.where(flag, 2, y))
    assert np.isinf(columns.coef[2, 2])


def test_classes_that_overlap_have_finite_contrasts():
    X, y = load_iris(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match="separable"):
        model = SoftmaxRegressor(C=np.inf).fit(X, y)
    table = summary(model, X, y, reference=1)
    assert not np.isfinite(table.coef[0]).any()
    rest = sm.Logit(y[y > 0] - 1, sm.add_constant(X[y > 0])).fit(method="newton", maxiter=100, disp=0)
    np.testing.assert_allclose(table.coef[1], rest.params, rtol=1e-6)
    np.testing.assert_allclose(table.std_err[1], rest.bse, rtol=1e-6)


def test_complete_separation_has_no_estimates_at_all():
    X, y = load_iris(return_X_y=True)
    X, y = X[y < 2], y[y < 2]
    table = summary(SoftmaxRegressor(C=np.inf).fit(X, y), X, y)
    assert not np.isfinite(table.coef).any()
    assert (table.df_model, table.df_residual) == (4, 95)
    assert table.aic == pytest.approx(10, abs=1e-10)
    assert np.isnan(table.std_err).all()
    assert table.log_likelihood == pytest.approx(0, abs=1e-12)
    with pytest.warns(UserWarning, match="Classes are separated"):
        of_rows = influence(SoftmaxRegressor(C=np.inf).fit(X, y), X, y)
    assert of_rows.cooks_distance == pytest.approx(0, abs=1e-12)
    assert np.isnan(of_rows.coef_change([0])).all()
    effects = margins(SoftmaxRegressor(C=np.inf).fit(X, y), X, y)
    assert np.isnan([effects.effect, effects.std_err, effects.z]).all()


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_what_depends_on_an_infinite_coefficient_has_no_error_and_the_rest_that_of_other_rows(fit_intercept, rng):
    x, flag = rng.normal(size=200), (rng.uniform(size=200) < 0.1).astype(float)
    y = np.where(flag == 1, 1, rng.uniform(size=200) < 1 / (1 + np.exp(-x))).astype(int)
    X, rest = np.column_stack([x, flag]), flag == 0
    model = SoftmaxRegressor(C=np.inf, fit_intercept=fit_intercept).fit(X, y)
    alone = SoftmaxRegressor(C=np.inf, fit_intercept=fit_intercept).fit(X[rest, :1], y[rest])
    ours, theirs = margins(model, X, y), margins(alone, X[rest, :1], y[rest])
    assert np.isnan(ours.effect[:, 1]).all()
    assert np.isnan(ours.std_err[:, 1]).all()
    # Separated rows are sure: their slopes are 0.
    np.testing.assert_allclose(ours.effect[:, 0], theirs.effect[:, 0] * rest.mean(), rtol=1e-6)
    np.testing.assert_allclose(ours.std_err[:, 0], theirs.std_err[:, 0] * rest.mean(), rtol=1e-6)
    assert "Classes are separated" in str(ours)
    assert "Classes are separated" in ours._repr_html_()
    assert np.isnan(margins(model, X, y, at="mean").std_err).all()
    ours, theirs = probability_intervals(model, X, X, y), probability_intervals(alone, X[:, :1], X[rest, :1], y[rest])
    np.testing.assert_allclose(ours.lower[rest], theirs.lower[rest], rtol=1e-6)
    np.testing.assert_allclose(ours.upper[rest], theirs.upper[rest], rtol=1e-6)
    assert ours.lower[~rest] == pytest.approx(0, abs=1e-300)
    assert ours.upper[~rest] == pytest.approx(1)
    assert "Classes are separated" in repr(ours)
    with pytest.warns(UserWarning, match="Classes are separated"):
        ours = influence(model, X, y)
    theirs = influence(alone, X[rest, :1], y[rest])
    np.testing.assert_allclose(ours.leverage[rest], theirs.leverage, rtol=1e-6)
    n_parameters = 2 + fit_intercept  # of which one is infinite, and counts as it does in the table
    np.testing.assert_allclose(
        ours.cooks_distance[rest] * n_parameters, theirs.cooks_distance * (n_parameters - 1), rtol=1e-6, atol=1e-12
    )
    with pytest.warns(UserWarning, match="Classes are separated"):
        refitted = influence(model, X, y, refit_above=1e-6)
    rows = np.flatnonzero(rest)[:3]
    np.testing.assert_allclose(refitted.cooks_distance[rows], ours.cooks_distance[rows], rtol=0.2)
    changes = ours.coef_change(np.flatnonzero(rest)[:3])
    np.testing.assert_allclose(changes[..., :-1], theirs.coef_change([0, 1, 2]), rtol=1e-6, atol=1e-12)
    assert np.isnan(changes[..., -1]).all()
    assert "Classes are separated" in repr(ours)


def test_intervals_of_classes_that_overlap_beside_one_that_is_separated():
    X, y = load_iris(return_X_y=True)
    ours = probability_intervals(SoftmaxRegressor(C=np.inf).fit(X, y), X, X, y)
    rest = SoftmaxRegressor(C=np.inf).fit(X[y > 0], y[y > 0])
    theirs = probability_intervals(rest, X, X[y > 0], y[y > 0])
    np.testing.assert_allclose(ours.lower[:, 0], 0, atol=1e-300)
    np.testing.assert_allclose(ours.upper[:, 0], 1)
    for end in ("probabilities", "lower", "upper"):
        np.testing.assert_allclose(getattr(ours, end)[y > 0, 1], getattr(theirs, end)[y > 0, 0], rtol=1e-5, atol=1e-12)


def test_columns_that_can_stand_in_for_each_other_are_not_determined(rng):
    # Either of two copies with noise separates, so that neither has to; what they are against does.
    x = np.append(rng.uniform(1, 2, size=30), rng.uniform(-2, -1, size=30))
    X = pd.DataFrame({"one": x, "other": x + rng.uniform(-0.1, 0.1, size=60), "noise": rng.normal(size=60)})
    table = summary(SoftmaxRegressor(C=np.inf).fit(X, x > 0), X, x > 0)
    assert np.isnan(table.coef).all()
    assert str(table).count("not determined  ") == 4
    assert (table.lower == -np.inf).all()
    assert (table.upper == np.inf).all()
    alone = summary(SoftmaxRegressor(C=np.inf).fit(X[["one"]], x > 0), X[["one"]], x > 0)
    assert np.isnan(alone.coef[0, 0])
    assert alone.coef[0, 1] == np.inf
    with pytest.raises(ValueError, match="no finite estimate"):
        wald_test(table, "noise")


def test_signs_that_were_not_looked_for_are_noted(monkeypatch, rng):
    first, second = (rng.uniform(size=(2, 200)) < 0.1).astype(float)
    y = ((first + second > 0) | (rng.uniform(size=200) < 0.5)).astype(int)
    X = np.column_stack([rng.normal(size=200), first, second])
    model = SoftmaxRegressor(C=np.inf).fit(X, y)
    table = summary(model, X, y)
    assert (table.coef[0, 2:] == np.inf).all()
    assert "not looked for" not in str(table)
    monkeypatch.setattr("skce._solver.separation.MOST_NUMBERS_OF_SIGNS", 0)
    table = summary(model, X, y)
    assert np.isnan(table.coef[0, 2:]).all()
    assert " ".join(str(table).split()).count("not looked for: too many rows and columns") == 1


def test_units_of_columns_do_not_matter():
    X, y = load_iris(return_X_y=True)
    scaled = separation(X * [1e6, 1e-6, 1, 1] + [0, 0, 1e5, 0], y)
    np.testing.assert_array_equal(scaled.infinite[:, 1:], separation(X, y).infinite[:, 1:])


def test_bad_input(rng):
    with pytest.raises(ValueError, match="class"):
        separation(rng.normal(size=(5, 2)), np.zeros(5))
    with pytest.raises(ValueError, match="data, not of a model"):
        separation(SoftmaxRegressor(), rng.normal(size=(5, 2)))
    with pytest.raises(ValueError, match="too large"):
        separation(rng.normal(size=(30_000, 50)), rng.integers(0, 5, size=30_000))
    with pytest.raises(ValueError, match="fit_intercept"):
        separation(rng.normal(size=(5, 2)), [0, 1, 0, 1, 1], fit_intercept="no")
