"""Threads: how many a fit may use, and how it uses them.

The products of a fit are many and small, a block of rows each. BLAS threads that have to wait for each other in every
one of them take up to fifty times as long on a machine that is busy with something else. So BLAS gets one thread while
a fit runs, and blocks of rows are shared between threads if there is enough to do. As many are used as BLAS was
allowed: what the caller has set by ``threadpool_limits``, by the environment or by joblib holds.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Lock

from threadpoolctl import ThreadpoolController

# Multiplications, about, in an evaluation that is worth sharing.
WORK_FOR_THREADS = 4e7


_limiting = Lock()


@dataclass(frozen=True)
class Workers:
    """``count`` threads, and a ``map`` that runs on them."""

    count: int
    map: object


ONE_WORKER = Workers(1, map)


@contextmanager
def workers_for(work):
    """Workers for evaluations of so much ``work``, while BLAS runs on one thread; on leaving, on as many as before.

    A fit that begins during another, in another thread, leaves that one's limit alone, which ends with it: limits that
    overlap without being nested would restore each other's, and leave one thread for good.
    """
    allowed = min((library.num_threads for library in _blas().lib_controllers), default=1)
    if allowed == 1 or not _limiting.acquire(blocking=False):
        yield ONE_WORKER
        return
    try:
        with _blas().limit(limits=1, user_api="blas"):
            if work < WORK_FOR_THREADS:
                yield ONE_WORKER
            else:
                # A pool of its own for each fit: one that outlived it would hang after a fork.
                with ThreadPoolExecutor(allowed) as pool:
                    yield Workers(allowed, pool.map)
    finally:
        _limiting.release()


@cache
def _blas():
    """The BLAS libraries of this process; looking for them takes longer than a small fit."""
    return ThreadpoolController().select(user_api="blas")
