"""Choosing C where X is on Dask: the scores of memory, and predictions that stay there."""

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from distributed import Client, LocalCluster
from sklearn.datasets import load_wine

from skce import OneVsAllClassifier, OneVsAllClassifierCV, SoftmaxRegressor, SoftmaxRegressorCV, regularization_path
from skce.inference import leave_one_out
from tests.problems import overlapping

CS = [0.01, 1.0, 100.0]
KINDS = [SoftmaxRegressorCV, OneVsAllClassifierCV]


@pytest.fixture(autouse=True)
def _threads():
    with dask.config.set(scheduler="threads"):
        yield


@pytest.fixture
def data(rng):
    X, y = load_wine(return_X_y=True)
    order = rng.permutation(len(y))
    return X[order], y[order]


def on_dask(X, rows_of_chunk=50):
    return da.from_array(X, chunks=(rows_of_chunk, X.shape[1])).persist()


def assert_the_same(on_dask, in_memory):
    for name in ("scores_", "scores_sem_", "loo_log_proba_"):
        np.testing.assert_allclose(getattr(on_dask, name), getattr(in_memory, name), rtol=1e-8, atol=1e-8)
    for there, here in zip(on_dask.coefs_path_, in_memory.coefs_path_, strict=True):
        np.testing.assert_allclose(there, here, rtol=0, atol=1e-6 * np.abs(here).max())
    np.testing.assert_array_equal(on_dask.is_refitted_, in_memory.is_refitted_)
    assert (on_dask.C_, on_dask.validation_) == (in_memory.C_, "leave-one-out")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("container", ["array", "sparse", "frame"])
def test_scores_are_those_of_memory(data, kind, container, rng):
    X, y = data
    weight = rng.uniform(0.5, 2, size=len(y))
    if container == "frame":
        X = pd.DataFrame(X).add_prefix("f")
        lazy = dd.from_pandas(X, npartitions=3).persist()
    else:
        lazy = on_dask(X)
        lazy = lazy.map_blocks(scipy.sparse.csr_array).persist() if container == "sparse" else lazy
        X = scipy.sparse.csr_array(X) if container == "sparse" else X
    there, here = (kind(Cs=CS).fit(one, y, sample_weight=weight) for one in (lazy, X))
    assert_the_same(there, here)
    assert here.is_refitted_.any()
    proba = there.predict_proba(lazy)
    assert dask.is_dask_collection(proba)
    np.testing.assert_allclose(proba.compute(), here.predict_proba(X), rtol=1e-6, atol=1e-8)


def test_rows_are_refitted_where_they_lie_too(data, monkeypatch):
    X, y = data
    together = SoftmaxRegressorCV(Cs=[1.0, 10.0]).fit(X, y)
    monkeypatch.setattr("skce._solver.refits.NUMBERS_OF_COLUMNS", 0)
    monkeypatch.setattr("skce._rows.dask.rows.DaskRows.in_memory", None)
    there, here = (SoftmaxRegressorCV(Cs=[1.0, 10.0]).fit(one, y) for one in (on_dask(X), X))
    assert_the_same(there, here)
    assert there.is_refitted_.sum() > 10
    np.testing.assert_allclose(there.scores_, together.scores_, rtol=0.002)


def test_soft_labels_and_indicators_and_far_columns_in_float32(rng):
    X, _ = overlapping(rng, n_samples=120)
    X = (X + 1e5 * (np.arange(X.shape[1]) == 1)).astype(np.float32)
    soft, indicator = rng.dirichlet(np.ones(3), size=len(X)), rng.integers(2, size=(len(X), 3))
    for kind, y in ((SoftmaxRegressorCV, soft), (OneVsAllClassifierCV, indicator)):
        lazy_y = da.from_array(y, chunks=(50, 3))
        there, here = (kind(Cs=[0.01, 1.0]).fit(*one) for one in ((on_dask(X), lazy_y), (X, y)))
        assert there.coef_.dtype == here.coef_.dtype
        np.testing.assert_allclose(there.scores_, here.scores_, rtol=1e-6)
        np.testing.assert_allclose(there.loo_log_proba_, here.loo_log_proba_, rtol=1e-5)


@pytest.mark.parametrize("kind", [SoftmaxRegressor, OneVsAllClassifier])
def test_leave_one_out_of_a_fit(data, kind):
    X, y = data
    lazy, model = on_dask(X), kind(C=10.0).fit(X, y)
    there, here = leave_one_out(model, lazy, y), leave_one_out(model, X, y)
    np.testing.assert_allclose(there.losses, here.losses, rtol=1e-7, atol=1e-9)
    np.testing.assert_array_equal(there.is_refitted, here.is_refitted)
    assert there.standard_error == pytest.approx(here.standard_error)


@pytest.mark.slow
def test_on_workers_rows_keep_their_order(data):
    X, y = data
    with (
        dask.config.set({"scheduler": None, "distributed.scheduler.work-stealing": False}),
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster,
        Client(cluster),
    ):
        there = SoftmaxRegressorCV(Cs=[1.0, 10.0]).fit(on_dask(X, 30), da.from_array(y, chunks=30))
    assert_the_same(there, SoftmaxRegressorCV(Cs=[1.0, 10.0]).fit(X, y))


def test_folds_need_memory(data, monkeypatch):
    X, y = data
    with pytest.raises(ValueError, match="cv must be None, leave-one-out, where X is on Dask, got 5"):
        SoftmaxRegressorCV(cv=5).fit(on_dask(X), y)
    monkeypatch.setattr("skce._solver.curvature.ladder.LARGEST_FACTOR", 5)
    model = SoftmaxRegressorCV(Cs=CS)
    before = vars(model).copy()
    with pytest.raises(ValueError, match=r"Hessian that is too large.*on Dask"):
        model.fit(on_dask(X), y)
    assert vars(model) == before


@pytest.mark.parametrize(
    ("parameters", "limit"),
    [
        ({"loss": "focal"}, "cv must be folds for a loss that is not convex"),
        ({"scoring": "accuracy"}, "scoring must be None"),
        ({"Cs": [1.0, np.inf]}, "Cs must be finite"),
        ({"loss": "focal", "cv": 5}, "cv must be None"),
    ],
    ids=str,
)
def test_what_leave_one_out_cannot_do_has_a_remedy_that_is_none_of_folds(data, parameters, limit):
    X, y = data
    with pytest.raises(ValueError, match=limit) as refused:
        SoftmaxRegressorCV(**parameters).fit(on_dask(X), y)
    assert "cv=5" not in str(refused.value)
    assert "X.compute() fetches it, or use skce.regularization_path" in str(refused.value)
    if "loss" in parameters:
        there, here = (
            regularization_path(SoftmaxRegressor(loss="focal"), given, y, Cs=CS) for given in (on_dask(X), X)
        )
        np.testing.assert_allclose(there.losses, here.losses, rtol=1e-6)


def test_rows_that_are_computed_in_each_pass_are_warned_of(data):
    X, y = data
    lazy = da.from_delayed(dask.delayed(np.copy)(X), X.shape, float)
    with pytest.warns(da.PerformanceWarning, match="not persisted"):
        SoftmaxRegressorCV(Cs=[1.0]).fit(lazy, y)
