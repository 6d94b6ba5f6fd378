"""Recovery: what ``posterior="recovered"`` makes of probabilities, where the truth is known and where it is not.

python benchmarks/recovery.py --data DIR --out results

First on labels drawn from a known softmax-linear model, with classes as 1 : 3 : 10 : 30: the mean absolute error of the
probabilities, and log loss and Brier score on fresh draws. Then on real sets: log loss, calibration errors and balanced
accuracy on a held-out half, and a reliability diagram of each model.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
from problems import data_module
from report import table, written
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.model_selection import train_test_split

from skce import SoftmaxRegressor
from skce.losses import FocalLoss
from skce.metrics import (
    bootstrap_standard_error,
    brier_decomposition,
    classwise_calibration_error,
    expected_calibration_error,
)

FREQUENCIES = np.array([1, 3, 10, 30]) / 44
N_FEATURES = 3

# Of scores that are the same but for the way they were computed.
ROUNDING = 1e-9

MODELS = {
    "plain": {},
    "balanced": {"class_weight": "balanced"},
    "focal": {"loss": "focal", "gamma": 2.0},
    "focal, balanced": {"loss": "focal", "gamma": 2.0, "class_weight": "balanced"},
}


def drawn(n_samples, rng, coef, intercept):
    """Features (n, d), the true probabilities (n, K) and labels (n,) drawn from them."""
    X = rng.standard_normal((n_samples, N_FEATURES))
    eta = softmax(X @ coef.T + intercept, axis=1)
    return X, eta, (eta.cumsum(axis=1) < rng.uniform(size=(n_samples, 1))).sum(axis=1).clip(max=3)


def true_model(rng):
    """Coefficients (K, d), and intercepts (K,) by which the classes have FREQUENCIES."""
    X, coef, intercept = rng.standard_normal((200_000, N_FEATURES)), rng.standard_normal((4, N_FEATURES)), np.zeros(4)
    for _ in range(50):
        intercept += np.log(FREQUENCIES) - np.log(softmax(X @ coef.T + intercept, axis=1).mean(axis=0))
    return coef, intercept


def recovered_from_known(n_samples, seed):
    """Rows of the report: every gamma, smoothing and weighting on labels from a known model."""
    rng = np.random.default_rng(seed)
    truth = true_model(rng)
    X, _, y = drawn(n_samples, rng, *truth)
    X_new, eta, y_new = drawn(n_samples, rng, *truth)
    rows = []
    for gamma, smoothing, weights in itertools.product((0, 1, 2, 5), (0.0, 0.1), (None, "balanced")):
        loss = FocalLoss(gamma) if gamma else "cross_entropy"
        model = SoftmaxRegressor(C=np.inf, loss=loss, label_smoothing=smoothing, class_weight=weights).fit(X, y)
        row = {"gamma": gamma, "smoothing": smoothing, "weights": weights or "none"}
        for posterior in ("model", "recovered"):
            p = model.set_params(posterior=posterior).predict_proba(X_new)
            row |= {
                f"error, {posterior}": float(np.abs(p - eta).mean()),
                f"log loss, {posterior}": log_loss(y_new, p),
                f"Brier, {posterior}": brier_decomposition(y_new, p).score,
            }
        rows.append(row)
    return rows


def mean_over_draws(draws):
    """The rows of several draws as one each: means, and in how much of them recovery made neither score worse."""
    rows = []
    for same in zip(*draws, strict=True):
        row = {key: float(np.mean([one[key] for one in same])) if ", " in key else same[0][key] for key in same[0]}
        row["largest error"] = max(one["error, recovered"] for one in same)
        row["times nearer"] = row["error, model"] / row["error, recovered"]
        row["no worse"] = float(
            np.mean(
                [
                    one[f"{score}, recovered"] <= one[f"{score}, model"] + ROUNDING
                    for one in same
                    for score in ("log loss", "Brier")
                ]
            )
        )
        rows.append(row)
    return rows


def recovered_from_data(name, X, y, seed, out):
    """Rows of the report: each model's own and recovered probabilities on the held-out half of a set."""
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=seed)
    models = {title: SoftmaxRegressor(**options).fit(X_train, y_train) for title, options in MODELS.items()}
    rows = []
    for title, model in models.items():
        for posterior in ("model", "recovered"):
            p = model.set_params(posterior=posterior).predict_proba(X_test)
            error = bootstrap_standard_error(expected_calibration_error, y_test, p, n_bootstraps=100, random_state=seed)
            rows.append(
                {
                    "set": name,
                    "model": title,
                    "posterior": posterior,
                    "log loss": log_loss(y_test, p),
                    "calibration error": expected_calibration_error(y_test, p),
                    "+-": error,
                    "class-wise": classwise_calibration_error(y_test, p),
                    "balanced accuracy": balanced_accuracy_score(y_test, model.predict(X_test)),
                }
            )
    _draw(out / f"recovery-{name}.png", name, models, X_test, y_test)
    return rows


def _draw(path, name, models, X_test, y_test):
    """Save reliability diagrams: a column a model, its own probabilities above and recovered ones below."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    from skce.display import ReliabilityDisplay

    figure, axes = plt.subplots(2, len(models), figsize=(3.4 * len(models), 9), layout="constrained")
    for column, (title, model) in zip(axes.T, models.items(), strict=True):
        for ax, posterior in zip(column, ("model", "recovered"), strict=True):
            display = ReliabilityDisplay.from_estimator(model.set_params(posterior=posterior), X_test, y_test, ax=ax)
            (panel,) = display.axes_
            panel.set_title(f"{title}, {posterior}\n{panel.get_title().splitlines()[1]}", fontsize="medium")
    figure.suptitle(name)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def readable(row):
    """A row of the report, as text."""
    return {key: f"{cell:.4f}" if isinstance(cell, float) and key != "smoothing" else cell for key, cell in row.items()}


def main():
    """Measure recovery on drawn labels, and on real sets."""
    parser = argparse.ArgumentParser(description="Recovered probabilities against the model's own.")
    parser.add_argument("--data", metavar="DIR", help="folder with load.py; default: digits in eights and others")
    parser.add_argument("--sets", nargs="*", default=["pageblocks", "shuttle"], help="tables of --data")
    parser.add_argument("--samples", type=int, default=60_000, help="of the known model")
    parser.add_argument("--draws", type=int, default=8, help="known models, each with coefficients of its own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="results", metavar="DIR")
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    seeds = range(args.seed, args.seed + args.draws)
    known = mean_over_draws([recovered_from_known(args.samples, seed) for seed in seeds])
    if args.data:
        load = data_module(args.data)
        sets = {name: load.table(name) for name in args.sets}
    else:
        digits = load_digits()
        sets = {"eights": (digits.data, digits.target == 8)}
    real = [row for name, (X, y) in sets.items() for row in recovered_from_data(name, X, y, args.seed, out)]
    sections = [table([readable(row) for row in known]), table([readable(row) for row in real])]
    written(
        args.out,
        "recovery",
        "Recovered probabilities",
        {"samples": args.samples, "draws": args.draws},
        {"known": known, "real": real},
        sections,
    )
    print("\n\n".join(sections))


if __name__ == "__main__":
    main()
