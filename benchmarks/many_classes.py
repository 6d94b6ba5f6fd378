"""Many classes: passes, memory and time of fits at the defaults, and of a pass next to the two products that it takes.

    python benchmarks/many_classes.py --data DIR --K 100 1000 3000 --probe 100000 768 1000 --out results

Each fit runs in a fresh process. A probe is float32 Gaussian columns, labels drawn from a softmax of linear scores.
"""

import argparse
import multiprocessing

import numpy as np
from memory import PeakRssAnon
from problems import data_module, synthetic_data
from report import duration, table, written
from timing import limited_threads, thread_counts, timed

REPEATS = 3


def many_classes(folder, n_classes):
    """X and y of the problem of so many classes in the folder of the data."""
    return data_module(folder).hard.many_classes(n_classes)


def probe(n, d, n_classes):
    """X (n, d) in float32, and labels, of scores whose standard deviation is 1."""
    X, y = synthetic_data(n, d, n_classes)
    return X.astype(np.float32), y


def measured_fit(make, arguments, threads):
    """Row of the report: a fit of what ``make`` returns for the arguments."""
    from skce import SoftmaxRegressor

    X, y = make(*arguments)
    with limited_threads(threads):
        seconds_of_products = min(timed(_products, X, len(np.unique(y)))[0] for _ in range(REPEATS))
        with PeakRssAnon() as memory:
            seconds, model = timed(SoftmaxRegressor().fit, X, y)
    return {
        "X": f"{len(X)} x {X.shape[1]} {X.dtype}",
        "classes": len(model.classes_),
        "passes": float(model.n_passes_),
        "is certified": bool(model.is_certified_),
        "gap bound": float(model.gap_bound_ / model.loss_),
        "seconds": seconds,
        "seconds of two products": seconds_of_products,
        "bytes above": memory.peak - memory.before,
        "bytes of parameters": 8 * (model.coef_.size + model.intercept_.size),
    }


def _products(X, n_classes):
    """The products of X with coefficients, and of a gradient with X."""
    coef = np.ones((X.shape[1], n_classes), dtype=X.dtype)
    return X.T @ (X @ coef)


def readable(row):
    """A row of the report, as text."""
    of_pass = row["seconds"] / row["passes"]
    return {
        "X": row["X"],
        "classes": row["classes"],
        "passes": f"{row['passes']:.0f}",
        "certified": f"{row['gap bound']:.0e}" if row["is certified"] else "no",
        "time": duration(row["seconds"]),
        "a pass": duration(of_pass),
        "over two products": f"{of_pass / row['seconds of two products']:.1f}",
        "memory above": f"{row['bytes above'] / 1e6:.0f} MB",
        "over parameters": f"{row['bytes above'] / row['bytes of parameters']:.0f}",
    }


def main():
    """Fit the problems of --data, and a probe."""
    parser = argparse.ArgumentParser(description="Passes, memory and time of fits of many classes.")
    parser.add_argument("--data", metavar="DIR", help="folder with hard.py")
    parser.add_argument("--K", nargs="*", type=int, default=[100, 1000, 3000], help="classes of its problems")
    parser.add_argument("--probe", nargs=3, type=int, metavar=("N", "D", "K"), help="also this, on all --threads")
    parser.add_argument("--threads", type=int, help="of BLAS and OpenMP; default: as they are")
    parser.add_argument("--out", default="results", metavar="DIR")
    args = parser.parse_args()
    fits = [(many_classes, (args.data, n_classes)) for n_classes in args.K] if args.data else []
    if args.probe:
        fits.append((probe, tuple(args.probe)))
    results = []
    for make, arguments in fits:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            results.append(pool.apply(measured_fit, (make, arguments, args.threads)))
    text = table([readable(row) for row in results])
    with limited_threads(args.threads):
        settings = {"threads": thread_counts()}
    written(args.out, "many-classes", "Fits of many classes", settings, results, [text])
    print(text)


if __name__ == "__main__":
    main()
