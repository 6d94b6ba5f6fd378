"""BLAS threads: one in a fit, and afterwards as many as before."""

import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from skce import SoftmaxRegressor
from skce._threads import one_blas_thread
from skce.losses import CrossEntropy
from tests.problems import overlapping


def blas_threads():
    return {library["num_threads"] for library in ThreadpoolController().select(user_api="blas").info()}


@pytest.fixture
def before():
    """The number of BLAS threads before a fit: two, if the machine has them."""
    with threadpool_limits(2, user_api="blas"):
        yield blas_threads()


def test_a_fit_runs_on_one_thread_and_restores_the_others(rng, before):
    seen = []

    class Watching(CrossEntropy):
        def value(self, log_q, rest):
            seen.append(blas_threads())
            return super().value(log_q, rest)

    SoftmaxRegressor(loss=Watching(), tol=1e-3).fit(*overlapping(rng))
    assert set.union(*seen) == {1}
    assert blas_threads() == before


def test_fits_that_overlap_without_being_nested_restore_the_others(before):
    first, second = one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    assert blas_threads() == {1}
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert blas_threads() == before


def test_a_limit_that_the_caller_has_set_stays():
    with threadpool_limits(1, user_api="blas"):
        with one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
