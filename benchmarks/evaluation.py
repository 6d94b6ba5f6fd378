"""One evaluation of F and its gradient: skce's engine, scikit-learn's LinearModelLoss, and the bare matrix products.

    python benchmarks/evaluation.py --out results

Both get the same parameters, and must agree. scikit-learn's is called as LogisticRegression calls it, which leaves
threads to BLAS; skce shares the rows between as many threads as BLAS may use.
"""

import argparse
from contextlib import contextmanager
from statistics import median

import numpy as np
from problems import Problem, synthetic_data
from report import duration, table, written
from sklearn._loss.loss import HalfBinomialLoss, HalfMultinomialLoss
from sklearn.linear_model._linear_loss import LinearModelLoss
from timing import limited_threads, results_in_turn, thread_counts, timed

from skce._labels.kinds_of_y import HardLabels
from skce._links.binary import Binary
from skce._links.softmax import Softmax
from skce._rows.blocks import RowBlocks
from skce._solver.objective import LinearObjective
from skce._solver.problem import Problem as PosedProblem
from skce._solver.standardisation import moments_of
from skce.losses import CrossEntropy
from skce.penalties import Ridge

# n, d, K and the share of numbers that are not zero.
SHAPES = [
    (60_000, 784, 10, 1.0),
    (200_000, 54, 7, 1.0),
    (500_000, 20, 2, 1.0),
    (11_314, 130_107, 20, 1.8e6 / (11_314 * 130_107)),
]

# The shape whose products are timed alone.
SHAPE_OF_PRODUCTS = 784, 10


def rows_of(problem, kind):
    """RowBlocks of a problem: one logit a class for the link Softmax, one for Binary."""
    n, _, n_classes = problem.shape
    labels, weights = HardLabels(problem.y, n_classes), np.ones(n)
    targets = kind().targets(labels.counts(weights), np.ones(n_classes), 0.0)
    return RowBlocks(problem.X, targets.of_rows(labels, weights))


@contextmanager
def evaluation_by_skce(problem, kind, params):
    """A function that evaluates by skce, with as many threads as a fit would have."""
    with rows_of(problem, kind).at_work() as rows:
        penalty = Ridge(1 / (problem.C * rows.targets.total))
        row_loss = kind().row_loss(CrossEntropy())
        objective = LinearObjective(PosedProblem(rows, row_loss, penalty, True, moments_of(rows)))
        yield lambda: objective(params)


@contextmanager
def evaluation_by_scikit_learn(problem, loss, params):
    """A function that evaluates by scikit-learn; its flat parameters have the same order as skce's."""
    linear_loss = LinearModelLoss(base_loss=loss, fit_intercept=True)
    y = problem.y.astype(float)
    penalty = 1 / (problem.C * len(y))
    yield lambda: linear_loss.loss_gradient(params, problem.X, y, l2_reg_strength=penalty)


@contextmanager
def products_alone(problem, params):
    """A function that multiplies skce's blocks of X by coef, and what that gives by the blocks."""
    coef = np.ascontiguousarray(params.reshape(problem.X.shape[1] + 1, -1)[:-1].T)

    def products_of_block(rows):
        block = problem.X[rows]
        return np.matmul(coef, block.T, order="C") @ block

    kind = Binary if len(coef) == 1 else Softmax
    with rows_of(problem, kind).at_work() as rows:
        slices = rows.usual_slices
        yield lambda: list(rows.workers.map(products_of_block, slices))


def evaluations(problem):
    """Contexts that give what is timed, by name; those of the same objective are pairs of skce and scikit-learn."""
    _, d, n_classes = problem.shape
    params = np.random.default_rng(0).standard_normal((d + 1) * n_classes) / np.sqrt(d)
    contexts = {
        "skce softmax": lambda: evaluation_by_skce(problem, Softmax, params),
        "scikit-learn softmax": lambda: evaluation_by_scikit_learn(
            problem, HalfMultinomialLoss(n_classes=n_classes), params
        ),
    }
    if n_classes == 2:
        one_logit = params[: d + 1]
        contexts["skce one logit"] = lambda: evaluation_by_skce(problem, Binary, one_logit)
        contexts["scikit-learn one logit"] = lambda: evaluation_by_scikit_learn(problem, HalfBinomialLoss(), one_logit)
    check_agreement(contexts)
    if (d, n_classes) == SHAPE_OF_PRODUCTS:
        contexts["products alone"] = lambda: products_alone(problem, params)
    return contexts


def check_agreement(contexts):
    """Raise unless each pair has the same value and gradient."""
    results = []
    for context in contexts.values():
        with context() as evaluate:
            value, gradient = evaluate()
            results.append(np.append(gradient, value))
    for ours, theirs in zip(results[::2], results[1::2], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def seconds_within(context):
    """Seconds of one evaluation, after another that starts what threads it needs."""
    with context() as evaluate:
        evaluate()
        return timed(evaluate)[0]


def timings(problem, threads, repeats):
    """Rows of the report: the median time of each contestant on a problem."""
    tasks = {name: lambda context=context: seconds_within(context) for name, context in evaluations(problem).items()}
    with limited_threads(threads):
        used = thread_counts()
        seconds = results_in_turn(tasks, repeats)
    return [
        {"problem": problem.name, "threads": used, "evaluation": name, "median": median(times), "all_seconds": times}
        for name, times in seconds.items()
    ]


def main():
    """Time all shapes, with one thread and with as many as there are."""
    parser = argparse.ArgumentParser(description="One evaluation of F and its gradient.")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--shrink", type=int, default=1, help="divide all n by this, to try the script")
    parser.add_argument("--out", default="results", metavar="DIR")
    args = parser.parse_args()
    results = []
    for n, d, n_classes, density in SHAPES:
        X, y = synthetic_data(n // args.shrink, d, n_classes, density=density)
        name = f"{len(y)} x {d} x {n_classes}" + (f", {X.nnz} nonzeros" if density < 1 else "")
        for threads in (1, None):
            results += timings(Problem(name, X, y, C=1.0), threads, args.repeats)
    rows = [{key: cell for key, cell in row.items() if key != "all_seconds"} for row in results]
    text = table([row | {"median": duration(row["median"])} for row in rows])
    written(args.out, "evaluation", "One evaluation of F and its gradient", {"repeats": args.repeats}, results, [text])
    print(text)


if __name__ == "__main__":
    main()
