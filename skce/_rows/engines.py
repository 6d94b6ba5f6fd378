"""Dask collections: how they are told from data in memory, without importing Dask, and what then takes over."""

from functools import wraps

from skce._rows.lazy import is_lazy


def on_dask():
    """The module that works on Dask collections."""
    try:
        from skce._rows import dask
    except ImportError as error:
        raise ImportError(f"X is on Dask, for which skce has an extra: pip install 'skce[dask]' ({error}).") from error
    return dask


def block_by_block(method):
    """A method of X that returns a Dask array, computed block by block when it is asked for, where X is lazy."""

    @wraps(method)
    def of_any(self, X):
        return on_dask().predicted(self, method.__name__, X) if is_lazy(X) else method(self, X)

    return of_any
