"""X on Dask: the same tables and margins as in memory."""

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from skce import SoftmaxRegressor
from skce.inference import covariance, margins, summary
from tests.problems import overlapping


@pytest.fixture(autouse=True)
def _threads():
    with dask.config.set(scheduler="threads"):
        yield


@pytest.mark.parametrize("C", [1.0, np.inf])
@pytest.mark.parametrize("kind", ["hessian", "sandwich"])
@pytest.mark.parametrize("container", ["array", "sparse", "frame"])
def test_tables_and_margins(C, kind, container, rng):
    X, y = overlapping(rng, n_samples=150)
    X = np.column_stack([X, rng.integers(0, 2, size=len(y)), 1e6 + rng.normal(size=len(y))])
    weight = rng.uniform(0.5, 2, size=len(y))
    if container == "frame":
        lazy = dd.from_pandas(pd.DataFrame(X).add_prefix("f"), npartitions=3).persist()
    else:
        lazy = da.from_array(X, chunks=(40, X.shape[1]))
        lazy = (lazy.map_blocks(scipy.sparse.csr_array) if container == "sparse" else lazy).persist()
    model = SoftmaxRegressor(C=C).fit(X if container != "frame" else pd.DataFrame(X).add_prefix("f"), y, weight)
    plain = X if container != "frame" else pd.DataFrame(X).add_prefix("f")
    ours, theirs = (summary(model, one, y, weight, covariance=kind) for one in (lazy, plain))
    assert ours.features == theirs.features
    np.testing.assert_allclose(ours.coef, theirs.coef, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(ours.std_err, theirs.std_err, rtol=1e-8)
    for name in ("log_likelihood", "null_log_likelihood", "bic", "df_model", "n_observations"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-8)
    for at in ("overall", "mean"):
        ours, theirs = (margins(model, one, y, weight, covariance=kind, at=at) for one in (lazy, plain))
        np.testing.assert_allclose(ours.effect, theirs.effect, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(ours.std_err, theirs.std_err, rtol=1e-7)
        np.testing.assert_array_equal(ours.is_difference, theirs.is_difference)


def test_groups_need_memory(rng):
    X, y = overlapping(rng)
    model = SoftmaxRegressor().fit(X, y)
    lazy = da.from_array(X, chunks=(40, X.shape[1])).persist()
    with pytest.raises(ValueError, match="groups need X in memory"):
        covariance(model, lazy, y, covariance="cluster", groups=np.arange(len(y)))
    with pytest.raises(ValueError, match="features"):
        summary(model, lazy[:, :2], y)
