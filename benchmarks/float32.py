"""float32: what fits of X in float32 take and where they end, next to fits of the same numbers in float64.

python benchmarks/float32.py --data DIR --C 1 100 --threads 1 --out results

The gap is to the minimum for the same numbers, from a fit in float64 whose certificate is a thousandth of ``tol``.
Seconds are of the processor, medians of fits in turn.
"""

import argparse
import warnings
from statistics import geometric_mean, median
from time import process_time

import numpy as np
from problems import data_module, problems_of_set, set_names
from report import duration, table, written
from timing import limited_threads, results_in_turn, thread_counts

from skce import SoftmaxRegressor

# Tolerance of the fit that stands for the minimum.
TOL_OF_MINIMUM = 1e-10

HARD = [
    *(f"connection-logs-{seed}" for seed in range(5)),
    *(f"one-hot-{seed}" for seed in range(3)),
]
LARGE = ["many-classes-100", "mnist", "news20"]


def measured(problem, repeats):
    """Row of the report for one problem."""
    single = problem.X.astype(np.float32)
    double = single.astype(np.float64)
    fits = results_in_turn(
        {
            "float32": lambda: timed_on_processor(problem.C, single, problem.y),
            "float64": lambda: timed_on_processor(problem.C, double, problem.y),
        },
        repeats,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        minimum = SoftmaxRegressor(C=problem.C, tol=TOL_OF_MINIMUM, max_iter=10_000).fit(double, problem.y)
    seconds = {dtype: median(fit[0] for fit in of_dtype) for dtype, of_dtype in fits.items()}
    _, model, has_warned = fits["float32"][0]
    _, reference, _ = fits["float64"][0]
    same_numbers = type(problem)(problem.name, double, problem.y, problem.C)
    value, lowest = (same_numbers.objective(fit.coef_, fit.intercept_) for fit in (model, minimum))
    n, d, n_classes = problem.shape
    return {
        "problem": str(problem),
        "work": n * (problem.X.nnz / n if problem.is_sparse else d) * (n_classes if n_classes > 2 else 1),
        "gap": value / lowest - 1,
        "certified": model.gap_bound_ / model.loss_,
        "warned": has_warned,
        "passes": model.n_passes_,
        "passes, float64": reference.n_passes_,
        "seconds": seconds["float32"],
        "seconds, float64": seconds["float64"],
    }


def timed_on_processor(C, X, y):
    """Seconds of the processor that a fit takes, the model, and whether it has warned."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = process_time()
        model = SoftmaxRegressor(C=C).fit(X, y)
        return process_time() - start, model, bool(caught)


def readable(row):
    """A row of the report, as text."""
    return {
        "problem": row["problem"],
        "n·d·K": f"{row['work']:.0e}",
        "gap": f"{row['gap']:.1e}",
        "certified": f"{row['certified']:.1e}",
        "warned": "yes" if row["warned"] else "no",
        "passes": f"{row['passes']:.0f}",
        "float64": f"{row['passes, float64']:.0f}",
        "passes / float64": f"{row['passes'] / row['passes, float64']:.2f}",
        "time": duration(row["seconds"]),
        "float64 / time": f"{row['seconds, float64'] / row['seconds']:.2f}",
    }


def main():
    """Fit all problems in both dtypes."""
    parser = argparse.ArgumentParser(description="Fits of X in float32 next to those of the same numbers in float64.")
    parser.add_argument("--data", metavar="DIR", help="folder with load.py, reference.json and hard.py")
    parser.add_argument("--sets", nargs="*", help="default: scikit-learn's, the tables, and hard and large ones")
    parser.add_argument("--C", nargs="+", type=float, default=[1.0, 100.0])
    parser.add_argument("--threads", type=int, help="of BLAS and OpenMP; default: as they are")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", default="results", metavar="DIR")
    args = parser.parse_args()
    load = data_module(args.data) if args.data else None
    names = args.sets or [*set_names(load), *(HARD + LARGE if load else [])]
    rows = []
    with limited_threads(args.threads):
        settings = {"threads": thread_counts(), "repeats": args.repeats}
        for problem in (problem for name in names for problem in problems_of_set(name, args.C, load)):
            rows.append(measured(problem, args.repeats))
            print(" | ".join(readable(rows[-1]).values()), flush=True)
    ratio = geometric_mean(row["seconds, float64"] / row["seconds"] for row in rows)
    sections = [
        f"float64 takes {ratio:.2f} times as long, in the geometric mean.",
        table([readable(row) for row in rows]),
    ]
    written(args.out, "float32", "Fits in float32", settings, rows, sections)


if __name__ == "__main__":
    main()
