"""Defaults: where ``SoftmaxRegressor(C=C)`` ends on features as they come, and what that took.

python benchmarks/defaults.py --data DIR --C 0.01 1 100 --threads 1 --out results
"""

import argparse
import warnings
from statistics import median

from problems import data_module, problems_of_set, set_names
from reference import optimum
from report import duration, table, written
from timing import limited_threads, thread_counts, timed

from skce import SoftmaxRegressor


def measured(problem, repeats):
    """Row of the report for one problem."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fits = [timed(SoftmaxRegressor(C=problem.C).fit, problem.X, problem.y) for _ in range(1 + repeats)]
    model = fits[0][1]
    return {
        "problem": str(problem),
        "gap": problem.objective(model.coef_, model.intercept_) / optimum(problem) - 1,
        "suboptimality_": model.suboptimality_,
        "passes": model.n_passes_,
        "median": median(seconds for seconds, _ in fits[1:]),
        "warnings": len({str(warning.message) for warning in caught}),
    }


def readable(row):
    """A row of the report, as text."""
    return row | {
        "gap": f"{row['gap']:.1e}",
        "suboptimality_": f"{row['suboptimality_']:.1e}",
        "passes": f"{row['passes']:.1f}",
        "median": duration(row["median"]),
    }


def main():
    """Fit all problems at the defaults."""
    parser = argparse.ArgumentParser(description="Where SoftmaxRegressor ends at its defaults, on raw features.")
    parser.add_argument("--data", metavar="DIR", help="folder with load.py and reference.json")
    parser.add_argument("--sets", nargs="*", help="default: scikit-learn's and the tables of --data")
    parser.add_argument("--C", nargs="+", type=float, default=[0.01, 1.0, 100.0])
    parser.add_argument("--threads", type=int, help="of BLAS and OpenMP; default: as they are")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", default="results", metavar="DIR")
    args = parser.parse_args()
    load = data_module(args.data) if args.data else None
    with limited_threads(args.threads):
        settings = {"threads": thread_counts(), "repeats": args.repeats}
        problems = [problem for name in args.sets or set_names(load) for problem in problems_of_set(name, args.C, load)]
        results = [measured(problem, args.repeats) for problem in problems]
    sections = [table([readable(row) for row in results])]
    written(args.out, "defaults", "SoftmaxRegressor at its defaults", settings, results, sections)
    print("\n\n".join(sections))


if __name__ == "__main__":
    main()
