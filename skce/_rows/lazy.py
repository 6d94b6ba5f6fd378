"""Dask collections: how they are told from data in memory, without importing Dask."""

from skce._namespaces import on_host


def is_lazy(data):
    """Whether data is a Dask array, DataFrame or Series."""
    return type(data).__module__.partition(".")[0] == "dask" and hasattr(data, "__dask_graph__")


def in_memory(data):
    """Data itself, what a Dask collection computes to, or a copy of what another library has, on whatever device."""
    return data.compute() if is_lazy(data) else on_host(data)
