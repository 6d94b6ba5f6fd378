"""What choosing C costs and is worth: passes of a path, leave-one-out and refits, time next to LogisticRegressionCV.

    python benchmarks/choosing_c.py path --data DIR --sets digits letter satimage
    python benchmarks/choosing_c.py leave-one-out --data DIR --sets iris wine breast_cancer vehicle ctg
    python benchmarks/choosing_c.py choice --data DIR
    python benchmarks/choosing_c.py time --data DIR
    python benchmarks/choosing_c.py instead --data DIR --sets mnist --rows 3000

Times are CPU seconds of one thread, the least of three where they are short. The rival is LogisticRegressionCV at the
loosest tol, a decade a step, at which the fits of all folds and values have a gap of 1e-5, by the solver that is the
quickest of those that get there.
"""

import argparse
import time
import warnings
from dataclasses import replace

import numpy as np
from problems import data_module, problems_of_set, set_names
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedKFold, check_cv
from threadpoolctl import threadpool_limits

from skce import SoftmaxRegressor, SoftmaxRegressorCV, regularization_path
from skce.inference import leave_one_out

MOST_ROWS = 300
SOLVERS = {"newton-cholesky": (1e-2, 1e-4, 1e-6), "lbfgs": (1e-4, 1e-6)}
MOST_GAP = 1e-5
SHORT = 2.0


def path(problem):
    """Passes, and the largest gap that is certified, of 45 values."""
    start = time.process_time()
    of_all = regularization_path(SoftmaxRegressor(), problem.X, problem.y, np.geomspace(1e-6, 1e5, 45))
    seconds = time.process_time() - start
    gaps = of_all.gap_bounds / of_all.losses
    return (
        f"passes a value {of_all.n_passes.mean():.2f}, most {of_all.n_passes.max():.0f}, "
        f"largest certified gap {gaps.max():.1e}, {seconds:.2f} s"
    )


def leave_one_out_against_refits(problem):
    """The loss by the closed form, and by warm refits without each row, or each of some rows."""
    lines, n_rows = [], len(problem.y)
    rows = np.arange(n_rows)
    if n_rows > 1000:
        rows = np.sort(np.random.default_rng(0).choice(n_rows, MOST_ROWS, replace=False))
    for C in (0.01, 1.0, 100.0):
        model = SoftmaxRegressor(C=C).fit(problem.X, problem.y)
        left_out = leave_one_out(model, problem.X, problem.y)
        without = SoftmaxRegressor(C=C, tol=1e-9, warm_start=True).fit(problem.X, problem.y)
        true = [true_loss(without, problem, row) for row in rows]
        closed = left_out.losses[rows].mean()
        lines.append(
            f"C = {C:g}: true {np.mean(true):.5f}, closed {closed:.5f}, {100 * (closed / np.mean(true) - 1):+.2f} %, "
            f"{left_out.is_refitted.sum()} refitted"
        )
    return "\n    ".join(lines)


def true_loss(model, problem, row):
    """The log loss of a row by a model that is fitted without it."""
    weight = np.ones(len(problem.y))
    weight[row] = 0
    model.fit(problem.X, problem.y, sample_weight=weight)
    return -model.predict_log_proba(problem.X[[row]])[0, problem.y[row]]


def choice(problem):
    """The loss over 10 times 10 folds of the C that is chosen, over the least of 20 values."""
    model = SoftmaxRegressorCV(Cs=20).fit(problem.X, problem.y)
    scores = np.zeros(20)
    for seed in range(10):
        folds = StratifiedKFold(10, shuffle=True, random_state=seed)
        scores += SoftmaxRegressorCV(Cs=20, cv=folds, refit=False).fit(problem.X, problem.y).scores_mean_ / 10
    chosen = scores[list(model.Cs_).index(model.C_)]
    return f"C = {model.C_:.3g}, {100 * (chosen / scores.max() - 1):+.2f} % above the least ({-scores.max():.4f})"


def instead_of_leave_one_out(problem):
    """What is done where the Hessian is too dear, its CPU time, and how it compares with ten other folds."""
    start = time.process_time()
    model = SoftmaxRegressorCV(Cs=5).fit(problem.X, problem.y)
    seconds = time.process_time() - start
    folds = StratifiedKFold(10, shuffle=True, random_state=1)
    others = SoftmaxRegressorCV(Cs=5, cv=folds, refit=False).fit(problem.X, problem.y)
    lines = [f"{model.validation_}, {len(model.scores_)}, {seconds:.0f} s"]
    for C, *scores in zip(model.Cs_, model.scores_mean_, model.scores_sem_, others.scores_mean_, strict=True):
        mean, error, other = scores
        off = (mean - other) / error
        lines.append(f"C = {C:g}: {mean:.4f} +- {error:.4f}, ten other folds {other:.4f}, off by {off:+.2f} of that")
    return "\n    ".join(lines)


def times(problem):
    """CPU seconds of leave-one-out and of five folds of 20 values, and of the rival."""
    rival, solver, tol = rival_of(problem)
    ours = [seconds_of(SoftmaxRegressorCV(Cs=20, cv=cv), problem) for cv in (None, 5)]
    return (
        f"rival {rival:.3f} s ({solver}, tol={tol:g}), leave-one-out {ours[0]:.3f} s, {rival / ours[0]:.1f} times; "
        f"5 folds {ours[1]:.3f} s, {rival / ours[1]:.1f} times"
    ), rival / np.array(ours)


def seconds_of(model, problem):
    """CPU seconds of a fit: the least of three, if it is short."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        model.fit(problem.X, problem.y)
        seconds.append(time.process_time() - start)
        if seconds[-1] > SHORT:
            break
    return min(seconds)


def rival_of(problem):
    """CPU seconds, solver and tol of the quickest LogisticRegressionCV that gets there."""
    least = least_losses(problem)
    best = np.inf, "none", 0.0
    for solver, tols in SOLVERS.items():
        for tol in tols:
            model = LogisticRegressionCV(
                Cs=20, cv=5, l1_ratios=(0,), solver=solver, tol=tol, max_iter=3000, scoring="neg_log_loss",
                use_legacy_attributes=False,
            )  # fmt: skip
            start = time.process_time()
            model.fit(problem.X, problem.y)
            if time.process_time() - start > best[0]:
                break
            if largest_gap(model, problem, least) <= MOST_GAP:
                best = seconds_of(model, problem), solver, tol
                break
    return best


def folds_of(problem):
    """The training rows of the five folds."""
    return [train for train, _ in check_cv(5, problem.y, classifier=True).split(problem.X, problem.y)]


def least_losses(problem):
    """The minimum for each fold and C."""
    Cs = np.logspace(-4, 4, 20)
    return [
        regularization_path(SoftmaxRegressor(), problem.X[rows], problem.y[rows], Cs).losses
        for rows in folds_of(problem)
    ]


def largest_gap(model, problem, least):
    """The largest relative gap of the fits of all folds and values."""
    gaps = []
    for fold, rows in enumerate(folds_of(problem)):
        of_fold = type(problem)(problem.name, problem.X[rows], problem.y[rows], 1.0)
        for place, C in enumerate(model.Cs_):
            params = np.atleast_2d(np.squeeze(model.coefs_paths_[fold].reshape(20, -1, problem.X.shape[1] + 1)[place]))
            of_C = type(problem)(problem.name, of_fold.X, of_fold.y, float(C))
            gaps.append(of_C.objective(params[:, :-1], params[:, -1]) / least[fold][place] - 1)
    return max(gaps)


def main():
    """Measure what is asked for, a set a line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["path", "leave-one-out", "choice", "time", "instead"])
    parser.add_argument("--data", help="folder of the data")
    parser.add_argument("--sets", nargs="+", help="names of sets; all by default")
    parser.add_argument("--rows", type=int, help="the first rows alone, so many")
    arguments = parser.parse_args()
    load = data_module(arguments.data) if arguments.data else None
    measure = {"path": path, "leave-one-out": leave_one_out_against_refits, "choice": choice, "time": times}
    measure["instead"] = instead_of_leave_one_out
    ratios = []
    warnings.simplefilter("ignore")
    with threadpool_limits(1):
        for name in arguments.sets or set_names(load):
            (problem,) = problems_of_set(name, [1.0], load)
            problem = replace(problem, X=problem.X[: arguments.rows], y=problem.y[: arguments.rows])
            result = measure[arguments.what](problem)
            if arguments.what == "time":
                result, ratio = result
                ratios.append(ratio)
            print(f"{name}: {result}", flush=True)
    if ratios:
        means = np.exp(np.mean(np.log(ratios), axis=0))
        print(f"geometric means: leave-one-out {means[0]:.1f} times, 5 folds {means[1]:.1f} times")


if __name__ == "__main__":
    main()
