"""BLAS threads: one, while a fit runs.

The products of a fit are many and small, a block of rows each. Spread over threads that have to wait for each other,
they take from a little longer to fifty times as long on a machine that is busy with something else. The limit holds for
the whole process.
"""

from contextlib import contextmanager
from functools import cache
from threading import Lock

from threadpoolctl import ThreadpoolController

_limiting = Lock()


@contextmanager
def one_blas_thread():
    """Run BLAS on one thread, and on leaving on as many as before; a fit inside another's limit leaves that alone.

    Limits that overlap without being nested would restore each other's, and leave one thread for good.
    """
    if not _limiting.acquire(blocking=False):
        yield
        return
    try:
        with _controller().limit(limits=1, user_api="blas"):
            yield
    finally:
        _limiting.release()


@cache
def _controller():
    """The BLAS libraries of this process; looking for them takes longer than a small fit."""
    return ThreadpoolController()
