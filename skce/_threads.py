"""BLAS threads: one, while a fit runs.

The products of a fit are many and small, a block of rows each. Spread over threads that have to wait for each other,
they take from a little longer to fifty times as long on a machine that is busy with something else. The limit
holds for the whole process.
"""

from functools import cache

from threadpoolctl import ThreadpoolController


def one_blas_thread():
    """Context in which BLAS runs on one thread; on leaving it, on as many as before."""
    return _controller().limit(limits=1, user_api="blas")


@cache
def _controller():
    """The BLAS libraries of this process; looking for them takes longer than a small fit."""
    return ThreadpoolController()
