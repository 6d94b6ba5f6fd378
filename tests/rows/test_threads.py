"""Threads: BLAS gets one in a fit, and afterwards as many as before; rows are shared between as many as it had."""

import threading

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from skce import SoftmaxRegressor
from skce._rows import threads
from skce._rows.threads import workers_for
from skce.losses import CrossEntropy
from tests.problems import overlapping

MUCH = 1e12


def blas_threads():
    return {library["num_threads"] for library in ThreadpoolController().select(user_api="blas").info()}


@pytest.fixture
def before():
    """The number of BLAS threads before a fit: two, if the machine has them."""
    with threadpool_limits(2, user_api="blas"):
        yield blas_threads()


def test_a_fit_runs_blas_on_one_thread_and_restores_the_others(rng, before):
    seen = []

    class Watching(CrossEntropy):
        def value(self, log_q, rest):
            if log_q.ndim > 1:  # of rows: before the fit a loss is looked at for what it returns
                seen.append(blas_threads())
            return super().value(log_q, rest)

    SoftmaxRegressor(loss=Watching(), tol=1e-3).fit(*overlapping(rng))
    assert set.union(*seen) == {1}
    assert blas_threads() == before


def test_fits_that_overlap_without_being_nested_restore_the_others(before):
    first, second = workers_for(MUCH), workers_for(MUCH)
    first.__enter__()
    assert second.__enter__().count == 1
    assert blas_threads() == {1}
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert blas_threads() == before


def test_as_many_workers_as_blas_was_allowed(before):
    with workers_for(MUCH) as workers:
        assert {workers.count} == before
        assert list(workers.map(lambda number: number + 1, [1, 2])) == [2, 3]


def test_one_worker_where_there_is_little_to_do(before):
    with workers_for(1e5) as workers:
        assert workers.count == 1


def test_a_limit_that_the_caller_has_set_stays():
    with threadpool_limits(1, user_api="blas"):
        with workers_for(MUCH) as workers:
            assert workers.count == 1
            assert blas_threads() == {1}
        assert blas_threads() == {1}


def test_two_fits_on_equal_threads_are_equal_bit_for_bit(rng, before, monkeypatch):
    monkeypatch.setattr(threads, "WORK_FOR_THREADS", 0)
    X, y = overlapping(rng, n_samples=40_000)
    model = SoftmaxRegressor()
    first, second = model.fit(X, y).coef_, model.fit(X, y).coef_
    np.testing.assert_array_equal(first, second)
    with threadpool_limits(1):
        np.testing.assert_allclose(model.fit(X, y).coef_, first, rtol=1e-3, atol=1e-5)


def test_no_thread_outlives_a_fit(rng, before, monkeypatch):
    monkeypatch.setattr(threads, "WORK_FOR_THREADS", 0)
    n_threads = threading.active_count()
    SoftmaxRegressor().fit(*overlapping(rng))
    assert threading.active_count() == n_threads


def test_threads_overflow_as_quietly_as_one(rng, before, monkeypatch):
    monkeypatch.setattr(threads, "WORK_FOR_THREADS", 0)
    X, y = overlapping(rng, n_samples=40_000)
    X[:, 0] *= 1e200  # its squares are infinite
    with pytest.raises(ValueError, match="whose squares overflow"):
        SoftmaxRegressor().fit(X, y)
