"""Scaling: passes and time of skce as n, d and K are each doubled.

    python benchmarks/scaling.py --threads 1 --out results

X is Gaussian, and the labels are drawn from a softmax of linear scores.
"""

import argparse
from statistics import median

from problems import synthetic_data
from report import duration, table, written
from timing import limited_threads, results_in_turn, thread_counts, timed

from skce import SoftmaxRegressor

AXES = ["n", "d", "K"]


def sizes(base, doublings):
    """The base (n, d, K), and it with each number doubled once, twice and so on; with the axis that has grown."""
    yield "base", base
    for axis, name in enumerate(AXES):
        for doubling in range(1, doublings + 1):
            yield name, tuple(size << doubling if i == axis else size for i, size in enumerate(base))


def timed_fit(X, y):
    """Seconds of a fit at the default tol, and its passes."""
    seconds, model = timed(SoftmaxRegressor().fit, X, y)
    return seconds, float(model.n_passes_)


def measured(axis, n, d, n_classes, repeats):
    """Row of the report for one size."""
    X, y = synthetic_data(n, d, n_classes)
    fits = results_in_turn({"skce": lambda: timed_fit(X, y)}, repeats)["skce"]
    seconds = median(seconds for seconds, _ in fits)
    return {
        "doubled": axis,
        "n": n,
        "d": d,
        "K": n_classes,
        "passes": fits[0][1],
        "median": seconds,
        "seconds per n d K": seconds / (n * d * n_classes),
        "all_seconds": [seconds for seconds, _ in fits],
    }


def readable(row):
    """A row of the report, as text."""
    return {key: cell for key, cell in row.items() if key != "all_seconds"} | {
        "passes": f"{row['passes']:.1f}",
        "median": duration(row["median"]),
        "seconds per n d K": f"{row['seconds per n d K']:.2e}",
    }


def main():
    """Measure all sizes, and how far apart their passes are."""
    parser = argparse.ArgumentParser(description="Passes and time of skce as n, d and K grow.")
    parser.add_argument("--base", nargs=3, type=int, default=[10_000, 32, 4], metavar=("N", "D", "K"))
    parser.add_argument("--doublings", type=int, default=4)
    parser.add_argument("--threads", type=int, help="of BLAS; default: as they are")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", default="results", metavar="DIR")
    args = parser.parse_args()
    with limited_threads(args.threads):
        settings = {"threads": thread_counts(), "repeats": args.repeats}
        results = [measured(axis, *size, args.repeats) for axis, size in sizes(tuple(args.base), args.doublings)]
    passes = [row["passes"] for row in results]
    spread = f"Largest over smallest number of passes: {max(passes):.1f} / {min(passes):.1f} = "
    sections = [table([readable(row) for row in results]), f"{spread}{max(passes) / min(passes):.2f}."]
    written(args.out, "scaling", "Scaling of skce", settings, results, sections)
    print("\n\n".join(sections))


if __name__ == "__main__":
    main()
