"""Dask: whether a fit ends where it does in memory, what it takes, and what its rounds are made of.

    python benchmarks/dask_cluster.py --data DIR --out results

Clusters are LocalClusters of worker processes of one thread each. A round is one evaluation of F and its gradient; the
bytes between processes are those of the loopback interface (Linux), all messages of the cluster included.
"""

import argparse
import warnings
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

import dask
import dask.array as da
import numpy as np
import scipy.sparse
from distributed import Client, LocalCluster, wait
from memory import PeakRssAnon
from problems import data_module, drawn_labels, drawn_weights, problems_of_set
from report import duration, table, written
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits
from timing import timed

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce._solver.objective import LinearObjective
from skce.estimators.training_set import TrainingSet

# What the estimate is for: rows, columns, classes and workers; and passes, of a fit that is not an easy one.
ESTIMATED = {"rows": 10**9, "columns": 100, "classes": 10, "workers": 100, "passes": 50}

CHUNKS_PER_WORKER = 4

SECTIONS = ["agreement", "time", "rounds", "memory"]


@contextmanager
def cluster(n_workers):
    """A client of a LocalCluster of so many single-threaded processes."""
    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as local,
        Client(local) as client,
        dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}),
    ):
        yield client


def drawn_part(seed, n_rows, n_features, n_classes):
    """Gaussian features, float32, and labels drawn from a softmax of linear scores."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, n_features), dtype=np.float32)
    return X, drawn_labels(X, drawn_weights(n_features, n_classes, np.random.default_rng(0)), rng)


def drawn_on_dask(n_parts, n_rows, n_features, n_classes):
    """Persisted X and y of so many parts, drawn where they lie, of ``n_rows`` in all."""
    size = n_rows // n_parts
    parts = [dask.delayed(drawn_part, nout=2)(part, size, n_features, n_classes) for part in range(n_parts)]
    parts = dask.persist(*parts)
    X = da.concatenate([da.from_delayed(part[0], (size, n_features), np.float32) for part in parts]).persist()
    y = da.concatenate([da.from_delayed(part[1], (size,), np.int64) for part in parts]).persist()
    wait([X, y])
    return X, y


def on_dask(problem, chunk):
    """X, in dense or CSR blocks, and y of a problem on the cluster, in chunks of so many rows."""
    y = da.from_array(problem.y, chunks=chunk)
    if not problem.is_sparse:
        return da.from_array(problem.X, chunks=(chunk, -1)).persist(), y
    n_rows, n_features = problem.X.shape
    blocks = [problem.X[start : start + chunk] for start in range(0, n_rows, chunk)]
    X = da.concatenate(
        [
            da.from_delayed(dask.delayed(block), block.shape, meta=scipy.sparse.csr_array((0, n_features)))
            for block in blocks
        ]
    )
    return X.persist(), y


def differences(problem, chunk, name, estimator, y=None, weight=None):
    """Row of the report: how far a fit on Dask ends from one in memory."""
    labels = problem.y if y is None else y
    in_memory = estimator.fit(problem.X, labels, weight)
    loss, probabilities, passes = in_memory.loss_, in_memory.predict_proba(problem.X), in_memory.n_passes_
    X, lazy_y = on_dask(problem, chunk)
    model = estimator.fit(X, lazy_y if y is None else y, weight)
    return {
        "fit": f"{problem}, {name}",
        "rows of a chunk": chunk,
        "difference of F": abs(model.loss_ - loss),
        "largest of probabilities": float(abs(model.predict_proba(X).compute() - probabilities).max()),
        "passes in memory": passes,
        "passes on Dask": model.n_passes_,
    }


def agreement(load):
    """Rows of the report: all that is fitted on Dask and in memory, to a tight tolerance."""
    rows = []
    rng = np.random.default_rng(0)
    names = ["iris", "digits", *(["shuttle", "news20"] if load else [])]
    for problem in (problem for name in names for problem in problems_of_set(name, [1.0, np.inf], load)):
        n_rows = len(problem.y)
        if problem.name == "news20" and np.isinf(problem.C):
            continue  # separable, and so without an optimum
        tight = {"C": problem.C, "tol": 1e-9 if problem.name == "news20" else 1e-14, "max_iter": 10_000}
        chunks = {150: (1, 40, 150), 1797: (100, 1797)}.get(n_rows, (-(-n_rows // 6), n_rows))
        for chunk in chunks:
            rows.append(differences(problem, chunk, "softmax", SoftmaxRegressor(**tight)))
        if problem.name == "news20" or np.isinf(problem.C):
            continue
        soft = rng.dirichlet(np.ones(problem.shape[2]), size=n_rows)
        weight = rng.uniform(size=n_rows)
        rows += [
            differences(problem, chunks[-2], "one-vs-all", OneVsAllClassifier(**tight)),
            differences(problem, chunks[-2], "soft labels", SoftmaxRegressor(**tight), y=soft),
            differences(
                problem, chunks[-2], "weights", SoftmaxRegressor(class_weight="balanced", **tight), weight=weight
            ),
        ]
    return rows


def against_memory(n_rows, repeats, n_parts):
    """Row of the report: the time of a fit on two workers, and in memory on two threads, in turn."""
    with cluster(2) as client:
        X, y = drawn_on_dask(n_parts, n_rows, 20, 5)
        parts = [drawn_part(part, n_rows // n_parts, 20, 5) for part in range(n_parts)]
        X_here, y_here = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        del parts
        seconds = {"in memory": [], "on Dask": []}
        with threadpool_limits(2):
            for _ in range(1 + repeats):
                seconds["in memory"].append(timed(SoftmaxRegressor().fit, X_here, y_here))
                seconds["on Dask"].append(timed(SoftmaxRegressor().fit, X, y))
                client.run_on_scheduler(lambda: None)
    medians = {name: median(time for time, _ in results[1:]) for name, results in seconds.items()}
    return {
        "fit": f"{n_rows} x 20 float32, 5 classes, {n_parts} chunks",
        "in memory, 2 threads": medians["in memory"],
        "on 2 workers": medians["on Dask"],
        "ratio": medians["on Dask"] / medians["in memory"],
        "passes in memory": seconds["in memory"][-1][1].n_passes_,
        "passes on Dask": seconds["on Dask"][-1][1].n_passes_,
    }


def loopback_bytes():
    """Bytes that have gone over the loopback interface."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.strip().startswith("lo:"))


def rounds(n_workers, n_rows, n_features, n_classes, repeats):
    """Row of the report: what a round takes and moves on so many workers."""
    with cluster(n_workers) as client:
        results = {}
        for name, rows in (("large", n_rows), ("small", 100 * CHUNKS_PER_WORKER * n_workers)):
            X, y = drawn_on_dask(CHUNKS_PER_WORKER * n_workers, rows, n_features, n_classes)
            training_set = TrainingSet.read(SoftmaxRegressor(C=1.0), X, y, None)
            with training_set.problem() as problem:
                objective = LinearObjective(problem)
                params = np.zeros(objective.shape).reshape(-1)
                for _ in range(5):
                    objective(params)
                seconds, moved, passed = [], [], []
                for _ in range(repeats):
                    before, on_loopback = transferred(client), loopback_bytes()
                    start = perf_counter()
                    objective(params)
                    seconds.append(perf_counter() - start)
                    passed.append(loopback_bytes() - on_loopback)
                    moved.append(transferred(client) - before)
                    sleep(0.05)
            results[name] = median(seconds), median(moved), median(passed)
    term = (n_features + 1) * n_classes * 8
    latency = results["small"][0]
    return {
        "workers": n_workers,
        "parts": CHUNKS_PER_WORKER * n_workers,
        "round": results["large"][0],
        "latency": latency,
        "compute per row and worker": max(results["large"][0] - latency, 0.0) / (n_rows / n_workers),
        "term": term,
        "moved between workers": results["large"][1],
        "in all, with messages": results["large"][2],
    }


def transferred(client):
    """Bytes of data that workers have sent to each other."""
    return sum(client.run(lambda dask_worker: dask_worker.transfer_outgoing_bytes_total).values())


def client_memory(n_rows):
    """Row of the report: what the process that fits has allocated more than before, for an X on the workers."""
    with cluster(2):
        X, y = drawn_on_dask(16, n_rows, 20, 5)
        with PeakRssAnon() as memory:
            SoftmaxRegressor().fit(X, y)
            SoftmaxRegressor().fit(X, y).score(X, y)
    return {
        "X": f"{n_rows} x 20 float32",
        "bytes of X": X.nbytes,
        "client above its start": memory.peak - memory.before,
    }


def estimate(rows):
    """What the measured rounds imply for a larger problem, as text."""
    sizes = ESTIMATED
    two = next((row for row in rows if row["workers"] == 2), rows[-1])
    one = rows[0]
    parts = CHUNKS_PER_WORKER * sizes["workers"]
    per_part = max(rows[-1]["latency"] - one["latency"], 0.0) / max(rows[-1]["parts"] - one["parts"], 1)
    latency = one["latency"] + per_part * (parts - one["parts"])
    compute = one["compute per row and worker"] * sizes["rows"] / sizes["workers"]
    moved = 2 * sizes["workers"] * sizes["classes"] * (sizes["columns"] + 1) * 8
    return (
        f"Estimate, not a measurement: {sizes['rows']:.0e} rows x {sizes['columns']} columns x {sizes['classes']} "
        f"classes on {sizes['workers']} workers of one thread and {parts} chunks: compute {compute:.1f} s a pass, "
        f"latency {latency:.2f} s, {moved / 1e6:.1f} MB moved; {sizes['passes']} passes take "
        f"{(compute + latency) * sizes['passes'] / 60:.0f} minutes. ({two['workers']} workers here: "
        f"{two['compute per row and worker'] * 1e9:.0f} ns a row and worker.)"
    )


def readable(row):
    """A row of the report, as text."""
    seconds = {"in memory, 2 threads", "on 2 workers", "round", "latency", "compute per row and worker"}
    sizes = {"bytes of X", "client above its start", "term", "moved between workers", "in all, with messages"}
    small = {"difference of F", "largest of probabilities"}

    def text(name, cell):
        if name in seconds:
            return f"{cell * 1e9:.0f} ns" if "per row" in name else duration(cell)
        if name in sizes:
            return f"{cell / 1e3:.1f} kB" if cell < 1e7 else f"{cell / 1e6:.0f} MB"
        return f"{cell:.1e}" if name in small else f"{cell:.2f}" if isinstance(cell, float) else str(cell)

    return {name: text(name, cell) for name, cell in row.items()}


def main():
    """Measure agreement, time, rounds and memory, and say what rounds imply for a cluster."""
    parser = argparse.ArgumentParser(description="Fits on Dask.")
    parser.add_argument("--data", metavar="DIR", help="folder of shuttle and 20 newsgroups")
    parser.add_argument("--rows", type=int, default=5_000_000, help="of the problem of 20 columns that is timed")
    parser.add_argument("--parts", type=int, nargs="+", default=[2, 4, 8, 40], help="numbers of its chunks")
    parser.add_argument("--rows-of-rounds", type=int, default=800_000, help="of the problem of 100 columns")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--sections", nargs="+", default=SECTIONS, choices=SECTIONS, help="what to measure")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", default="results", metavar="DIR")
    args = parser.parse_args()
    load = data_module(args.data) if args.data else None
    results = {}
    if "agreement" in args.sections:
        with cluster(2), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of classes that are separable without a penalty
            results["agreement"] = agreement(load)
    if "time" in args.sections:
        results["time"] = [against_memory(args.rows, args.repeats, n_parts) for n_parts in args.parts]
    if "rounds" in args.sections:
        sizes = args.rows_of_rounds, ESTIMATED["columns"], ESTIMATED["classes"]
        results["rounds"] = [rounds(n_workers, *sizes, 3 * args.repeats) for n_workers in args.workers]
    if "memory" in args.sections:
        results["memory"] = [client_memory(n_rows) for n_rows in (args.rows, 4 * args.rows)]
    texts = [table([readable(row) for row in rows]) for rows in results.values()]
    texts += [estimate(results["rounds"])] if "rounds" in results else []
    written(args.out, "dask_cluster", "Fits on Dask", {"repeats": args.repeats}, results, texts)
    print("\n\n".join(texts))


if __name__ == "__main__":
    main()
