"""
11. Dask: a fit to more data than the workers have memory for
==============================================================

A data set on disk, in Parquet, that is larger than the memory of all workers together.
:class:`skce.SoftmaxRegressor` takes the Dask DataFrame as it would take one of pandas,
and reads it once in each pass. The table shows what that takes, the figure how much
memory the workers used: the bytes that Dask's dashboard shows as well.

Worker processes import this file, so that all it does is in functions, and as a script
it calls ``main()``. What it printed on a machine of two cores is in the
:doc:`user guide </guide/dask>`; this is what it drew:

.. image:: /images/plot_11_dask.png
   :alt: The loss of a fit over passes, and the memory of the fuller of two workers
"""

import tempfile
import warnings
from pathlib import Path
from threading import Event, Thread
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skce import SoftmaxRegressor
from skce.metrics import neg_log_loss_scorer

try:
    import dask.array as da
    import dask.dataframe as dd
    from dask.utils import format_bytes
    from distributed import Client, LocalCluster
except ModuleNotFoundError:
    raise SystemExit(
        'This example needs Dask: python -m pip install ".[dask]"'
    ) from None

FEATURES = [f"x{number:02}" for number in range(20)]
CLASSES = np.array(["brown", "green", "grey", "ochre", "white"])
ROWS_PER_FILE = 250_000
WORKERS = 2

# %%
# The data
# --------
# Each file is drawn by itself: Gaussian features in very different units, as data come,
# and a class from a softmax of linear scores.


def write_file(folder, number, n_rows):
    rng = np.random.default_rng(number)
    scores_by_feature = np.random.default_rng(0).standard_normal((20, 5)) / 4
    X = rng.standard_normal((n_rows, 20), dtype=np.float32)
    scores = X @ scores_by_feature + rng.gumbel(size=(n_rows, 5))
    X *= np.geomspace(1e-3, 1e3, 20, dtype=np.float32)
    frame = pd.DataFrame(X, columns=FEATURES)
    frame["colour"] = CLASSES[scores.argmax(axis=1)]
    frame.to_parquet(folder / f"part-{number:04}.parquet", compression=None)


def write_data(folder, n_rows):
    starts = range(0, n_rows, ROWS_PER_FILE)
    for number, start in enumerate(starts):
        write_file(folder, number, min(ROWS_PER_FILE, n_rows - start))


# %%
# The memory of the workers
# -------------------------
# It is what the scheduler knows of them, twice a second.


class WorkerMemory:
    def __init__(self, client):
        self.client = client
        self.seconds, self.bytes = [], []
        self.is_over = Event()

    def sample(self):
        start = perf_counter()
        while True:
            workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
            self.seconds.append(perf_counter() - start)
            memory = [worker["metrics"]["memory"] for worker in workers]
            self.bytes.append(max(memory, default=np.nan))
            if self.is_over.wait(0.5):
                break

    def __enter__(self):
        self.thread = Thread(target=self.sample)
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.is_over.set()
        self.thread.join()


def bytes_between_workers(client):
    sent = client.run(lambda dask_worker: dask_worker.transfer_outgoing_bytes_total)
    return sum(sent.values())


# %%
# The fit
# -------
# Dask's warning says that X is not persisted: each pass will read it. Here that is what
# we want. Elsewhere, replace LocalCluster by what your cluster has (KubeCluster,
# SLURMCluster, the address of a scheduler) and the folder by what all of its workers
# can read (s3://...).


def fit(folder, memory_limit):
    cluster = LocalCluster(
        n_workers=WORKERS,
        threads_per_worker=1,
        memory_limit=memory_limit,
        dashboard_address=":0",
    )
    with cluster, Client(cluster) as client:
        frame = dd.read_parquet(folder)
        X, y = frame[FEATURES], frame["colour"]
        n_rows = len(frame)
        size = n_rows * len(FEATURES) * 4
        limits = [
            worker["memory_limit"]
            for worker in client.scheduler_info(n_workers=-1)["workers"].values()
        ]
        print(
            f"{n_rows} rows in {frame.npartitions} files, {format_bytes(size)} of "
            f"float32 features; {len(limits)} workers of {format_bytes(limits[0])}"
        )
        start, moved = perf_counter(), bytes_between_workers(client)
        with WorkerMemory(client) as memory, warnings.catch_warnings():
            warnings.simplefilter("ignore", da.PerformanceWarning)
            model = SoftmaxRegressor().fit(X, y)
        seconds, moved = perf_counter() - start, bytes_between_workers(client) - moved
        log_loss = -neg_log_loss_scorer(model, X, y)
        peak = np.nanmax(memory.bytes)
        for name, value in {
            "passes over the data": f"{model.n_passes_:.1f}",
            "seconds": f"{seconds:.0f}",
            "moved between workers": format_bytes(moved),
            "most memory of a worker": format_bytes(peak),
            "estimated suboptimality": f"{model.suboptimality_:.1e}",
            "log loss": f"{log_loss:.4f}",
        }.items():
            print(f"{name:24} {value}")
    return model, memory, limits


# %%
# The figure
# ----------


def draw(model, memory, limits):
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    left.plot(model.pass_curve_, model.loss_curve_, marker="o", markersize=3)
    left.set(xlabel="passes over the data", ylabel="loss", title="One fit")
    right.plot(memory.seconds, np.divide(memory.bytes, 1e6), label="fuller worker")
    right.axhline(limits[0] / 1e6, color="black", linestyle="--", label="its limit")
    right.set(xlabel="seconds", ylabel="memory, MB", title="Workers", ylim=(0, None))
    right.legend()
    return figure


def main(n_rows=20_000_000, memory_limit="700 MB"):
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder), n_rows)
        return draw(*fit(folder, memory_limit))


# sphinx_gallery_start_ignore
def parse_args():
    import argparse

    parser = argparse.ArgumentParser(description="A fit to more data than memory.")
    parser.add_argument("--rows", type=int, default=20_000_000, help="rows to write")
    parser.add_argument("--memory", default="700 MB", help="limit of each worker")
    parser.add_argument(
        "--save", type=Path, metavar="DIR", help="save the figure as PNG in DIR"
    )
    return parser.parse_args()


if __name__ == "__main__":
    args = parse_args()
    figure = main(args.rows, args.memory)
    if args.save:
        args.save.mkdir(parents=True, exist_ok=True)
        figure.savefig(args.save / "plot_11_dask.png", dpi=150)
    else:
        plt.show()
# sphinx_gallery_end_ignore
