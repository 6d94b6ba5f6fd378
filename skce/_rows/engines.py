"""Engines: what works on X where it lies, chosen by its type."""

from functools import wraps

from skce._namespaces import is_dispatched
from skce._rows.array_api.places import Placed
from skce._rows.lazy import is_lazy
from skce._rows.memory import MemoryEngine
from skce._types import Engine


def engine_of(X) -> Engine:
    """The engine for X; those of Dask and of other libraries are imported when they are needed."""
    if is_dispatched(X):
        from skce._rows.array_api.engine import ArrayApiEngine

        return ArrayApiEngine()
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
        # A method that another one calls is given what the engine has made of X.
        return method(self, X) if isinstance(X, Placed) else engine_of(X).predicted(method, self, X)

    return run
