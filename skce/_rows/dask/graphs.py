"""Graphs: Delayed values that are sent, listed, kept and computed, and what a lost cluster says."""

import uuid
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import partial

import dask
from distributed import KilledWorker
from distributed.comm import CommClosedError

from skce._rows.blocks import RowsLostError

delayed = partial(dask.delayed, pure=False)


def same(value):
    """The value."""
    return value


def as_list(*values):
    """The values as a list."""
    return list(values)


def over_part(task, *part):
    """What a task returns for a part."""
    return task.over(*part)


def sent(value):
    """A value, Delayed, that goes out once for all that use it."""
    return delayed(same)(delayed(value, name=f"skce-{uuid.uuid4().hex}", traverse=False))


def listed(values):
    """Delayed values as one list, Delayed."""
    return delayed(as_list)(*values)


def persisted(values):
    """Delayed values that are kept where they are computed."""
    with _lost_rows_are_told(), _any_size_of_graph():
        return list(dask.persist(*values))


def computed(value, client=None):
    """What a Delayed value computes to; ``client`` is the one, if any, that has persisted what it is made of."""
    with _lost_rows_are_told(client), _any_size_of_graph():
        return dask.compute(value, traverse=False)[0]


def of_each(function, values):
    """What a function of each of several Delayed values computes to, as a list."""
    return computed(listed(map(delayed(function), values)))


@contextmanager
def _lost_rows_are_told(client=None):
    """Turn what Dask says of a lost cluster, or of a client that is gone, into a RowsLostError."""
    try:
        yield
    except KilledWorker as error:
        raise RowsLostError(
            "Workers of the Dask cluster died again and again over the same part of the rows, most often for want of "
            f"memory: smaller chunks (X.rechunk, df.repartition) or more memory for each worker help. {error}"
        ) from error
    except Exception as error:
        is_client_gone = client is not None and client.status != "running"
        if not (is_client_gone or isinstance(error, (CancelledError, CommClosedError))):
            raise
        raise RowsLostError(
            "The rows on the Dask cluster are lost: its scheduler or client was closed or restarted, or a worker took "
            f"data with it that cannot be computed again (such as client.scatter has sent). {error}"
        ) from error


def _any_size_of_graph():
    """Context in which Dask does not warn of graphs that hold labels, or coefficients, of some megabytes."""
    return dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"})
