"""Honesty: how far fits at the defaults are from the minimum, against what they claim and what they prove.

python benchmarks/honesty.py --data DIR --C 0.01 1 100 --threads 1 --out results
python benchmarks/honesty.py --data DIR --hard --threads 1 --out results

The true gap is taken from a fit whose certificate is a thousandth of ``tol``; where there is none it is not known. The
range is the most that the next Newton step would change the logits of a row by: estimates can be believed up to 1/2.
"""

import argparse
import importlib
import sys
import warnings

import numpy as np
from problems import data_module, problems_of_set, set_names
from report import table, written
from timing import limited_threads, thread_counts, timed

from skce import SoftmaxRegressor

# Tolerance of the fit that stands for the minimum.
TOL_OF_MINIMUM = 1e-11


def measured(name, X, y, C):
    """Row of the report for one problem."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seconds, model = timed(SoftmaxRegressor(C=C).fit, X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        minimum = SoftmaxRegressor(C=C, tol=TOL_OF_MINIMUM, max_iter=10_000).fit(X, y)
    is_known = minimum.gap_bound_ <= 1e-3 * model.tol * minimum.loss_
    return {
        "problem": f"{name}, C={C:g}",
        "gap": (model.loss_ - minimum.loss_) / minimum.loss_ if is_known else np.nan,
        "claimed": model.suboptimality_,
        "certified": model.gap_bound_ / model.loss_,
        "range": range_of_next_step(model, minimum, X),
        "passes": model.n_passes_,
        "inner": model.n_inner_passes_,
        "seconds": seconds,
        "warned": bool(caught),
    }


def range_of_next_step(model, minimum, X):
    """The most that the logits of a row change by from a model to the minimum."""
    moved = np.atleast_2d((minimum.decision_function(X) - model.decision_function(X)).T)
    return float(np.abs(moved).max() if len(moved) == 1 else (moved.max(axis=0) - moved.min(axis=0)).max())


def summary(name, rows):
    """Row of the summary for the problems of a kind."""
    gaps = np.array([row["gap"] for row in rows])
    passes = np.array([row["passes"] for row in rows])
    return {
        "problems": name,
        "fits": len(rows),
        "certified": f"{np.mean([row['certified'] <= 1e-7 for row in rows]):.1%}",
        "warned": f"{np.mean([row['warned'] for row in rows]):.1%}",
        "largest gap": f"{np.nanmax(gaps):.1e}" if np.isfinite(gaps).any() else "-",
        "gap not known": int(np.isnan(gaps).sum()),
        "passes": f"{np.median(passes):.0f}",
        "95 %": f"{np.quantile(passes, 0.95):.0f}",
        "most": f"{passes.max():.0f}",
        "inner": f"{np.median([row['inner'] for row in rows]):.0f}",
    }


def readable(row):
    """A row of the report, as text."""
    small = {key: f"{row[key]:.1e}" for key in ("gap", "claimed", "certified", "range")}
    return row | small | {key: f"{row[key]:.1f}" for key in ("passes", "inner")} | {"seconds": f"{row['seconds']:.3f}"}


def hard_problems(seeds):
    """Pairs of a kind and its problems, each a name, X and y."""
    hard = importlib.import_module("hard")
    yield "logs of connections", ((f"logs {seed}", *hard.connection_logs(seed)) for seed in range(seeds))
    yield "indicators of factors", ((f"one-hot {seed}", *hard.one_hot(seed)) for seed in range(min(seeds, 20)))
    yield (
        "a rare indicator",
        (
            (
                f"{outcome} of {n_ones} ones of {size:g}, {n_positive_zeros}",
                *hard.dummy(n_ones, 10010, n_positive_zeros, size, outcome),
            )
            for size in (1.0, 1e3, 1e6)
            for n_ones in (1, 50, 500)
            for n_positive_zeros in (1, 10, 500)
            for outcome in ("one", "zero")
        ),
    )


def main():
    """Fit all problems at the defaults, and to their minima."""
    parser = argparse.ArgumentParser(description="True, claimed and certified gaps of SoftmaxRegressor's defaults.")
    parser.add_argument("--data", metavar="DIR", help="folder with load.py, reference.json and hard.py")
    parser.add_argument("--sets", nargs="*", help="default: scikit-learn's and the tables of --data")
    parser.add_argument("--hard", action="store_true", help="the problems of hard.py instead")
    parser.add_argument("--seeds", type=int, default=60, help="of each kind of these")
    parser.add_argument("--C", nargs="+", type=float, default=[0.01, 1.0, 100.0])
    parser.add_argument("--threads", type=int, help="of BLAS and OpenMP; default: as they are")
    parser.add_argument("--out", default="results", metavar="DIR")
    args = parser.parse_args()
    load = data_module(args.data) if args.data else None
    if args.hard:
        sys.path.insert(0, args.data)
        kinds = hard_problems(args.seeds)
    else:
        names = args.sets or set_names(load)
        of_set = ((name, next(iter(problems_of_set(name, args.C[:1], load)))) for name in names)
        kinds = [("tables", ((name, problem.X, problem.y) for name, problem in of_set))]
    with limited_threads(args.threads):
        settings = {"threads": thread_counts()}
        results = {kind: [measured(*problem, C) for problem in problems for C in args.C] for kind, problems in kinds}
    rows = [row for of_kind in results.values() for row in of_kind]
    sections = [
        table([summary(kind, of_kind) for kind, of_kind in results.items()]),
        table([readable(row) for row in rows]),
    ]
    written(args.out, "honesty", "Gaps, true, claimed and certified", settings, rows, sections)


if __name__ == "__main__":
    main()
