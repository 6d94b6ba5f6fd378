"""Memory: what a fit allocates, on a memory map larger than one would load, and on an X in memory.

    python benchmarks/memory.py --gigabytes 4 --out results

Each fit runs in a fresh process, where RssAnon (Linux), the memory that is not a file's, is read every 10 ms. The files
are written to the folder for temporary files (TMPDIR), and removed.
"""

import argparse
import multiprocessing
import tempfile
from pathlib import Path
from threading import Event, Thread

import numpy as np
from problems import drawn_labels, drawn_weights
from report import duration, table, written
from timing import timed

ROWS_PER_BLOCK = 2**18
SECONDS_BETWEEN_SAMPLES = 0.01


class PeakRssAnon:
    """Context that samples RssAnon in a thread: ``before`` and ``peak``, in bytes."""

    def __enter__(self):
        self.before = self.peak = rss_anon()
        self.is_over = Event()
        self.thread = Thread(target=self._sample)
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.is_over.set()
        self.thread.join()

    def _sample(self):
        """Follow the peak until the context is left."""
        while not self.is_over.wait(SECONDS_BETWEEN_SAMPLES):
            self.peak = max(self.peak, rss_anon())


def rss_anon():
    """Bytes of this process that are in memory and not backed by a file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def write_data(folder, n, d, n_classes, dtype):
    """Write X.npy, Gaussian, and y.npy, drawn from a softmax of linear scores, block by block."""
    rng = np.random.default_rng(0)
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", dtype, (n, d))
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", np.int8, (n,))
    weights = drawn_weights(d, n_classes, rng)
    for start in range(0, n, ROWS_PER_BLOCK):
        block = rng.standard_normal((min(ROWS_PER_BLOCK, n - start), d))
        X[start : start + len(block)], y[start : start + len(block)] = block, drawn_labels(block, weights, rng)


def measured_fit(folder, mmap_mode):
    """Peak RssAnon, that before the fit, seconds and passes of a fit to the files of a folder."""
    from skce import SoftmaxRegressor

    X, y = (np.load(folder / f"{name}.npy", mmap_mode=mmap_mode) for name in ("X", "y"))
    with PeakRssAnon() as memory:
        seconds, model = timed(SoftmaxRegressor().fit, X, y)
    return {
        "X": f"{len(X)} x {X.shape[1]} {X.dtype} " + ("memory map" if mmap_mode else "in memory"),
        "bytes of X": X.nbytes,
        "peak RssAnon": memory.peak,
        "above before the fit": memory.peak - memory.before,
        "seconds": seconds,
        "passes": float(model.n_passes_),
    }


def measured(n, d, n_classes, dtype, mmap_mode):
    """Row of the report: a fit in a fresh process, to data on disk."""
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder), n, d, n_classes, dtype)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(measured_fit, (Path(folder), mmap_mode))


def readable(row):
    """A row of the report, as text."""
    return {
        "X": row["X"],
        "size of X": f"{row['bytes of X'] / 1e6:.0f} MB",
        "peak RssAnon": f"{row['peak RssAnon'] / 1e6:.0f} MB",
        "above before the fit": f"{row['above before the fit'] / 1e6:.0f} MB",
        "share of X": f"{row['above before the fit'] / row['bytes of X']:.1%}",
        "time": duration(row["seconds"]),
        "passes": f"{row['passes']:.1f}",
    }


def main():
    """Measure a memory map of float32, and X as large as MNIST's in memory, in both dtypes."""
    parser = argparse.ArgumentParser(description="Memory that a fit allocates.")
    parser.add_argument("--gigabytes", type=float, default=4.0, help="size of the memory map")
    parser.add_argument("--rows", type=int, default=60_000, help="of the 784 columns in memory")
    parser.add_argument("--out", default="results", metavar="DIR")
    args = parser.parse_args()
    results = [
        measured(int(args.gigabytes * 1e9 / 80), 20, 5, np.float32, "r"),
        measured(args.rows, 784, 10, np.float64, None),
        measured(args.rows, 784, 10, np.float32, None),
    ]
    text = table([readable(row) for row in results])
    written(args.out, "memory", "Memory that a fit allocates", {}, results, [text])
    print(text)


if __name__ == "__main__":
    main()
