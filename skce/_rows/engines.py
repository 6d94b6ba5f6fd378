"""Engines: what works on X where it lies, chosen by its type."""

from functools import wraps

from skce._rows.lazy import is_lazy
from skce._rows.memory import MemoryEngine
from skce._types import Engine


def engine_of(X) -> Engine:
    """The engine for X; that of Dask is imported when it is needed."""
    if not is_lazy(X):
        return MemoryEngine()
    try:
        from skce._rows.dask.engine import DaskEngine
    except ImportError as error:
        raise ImportError(
            f'X is on Dask, for which skce has an extra: pip install ".[dask]" in a clone of it ({error}).'
        ) from error
    return DaskEngine()


def where_X_is(method):
    """A method of X alone that is run by the engine of X: on Dask, block by block, when its result is asked for."""

    @wraps(method)
    def run(self, X):
        return engine_of(X).predicted(method, self, X)

    return run
