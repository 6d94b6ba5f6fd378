"""Coverage: how often intervals of coefficients hold what they estimate, for each covariance where it is right.

python benchmarks/coverage.py --out results

Draws of 500 rows, with replacement, from a finite population whose labels have known probabilities: a fit to all of it,
with these as soft labels, is just what the fits to draws estimate, right model or not. Three classes, C = inf.
"""

import argparse
import warnings

import numpy as np
from report import table, written
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning

from skce import SoftmaxRegressor
from skce.inference import summary

N_POPULATION, N_ROWS, N_CLASSES, N_FEATURES = 20_000, 500, 3, 3
N_CLUSTERS, ROWS_OF_CLUSTER = 40, 13

# What is fitted, and with what it has to be summarised.
CASES = {
    "hessian, right model": ({}, {"covariance": "hessian"}),
    "sandwich, focal loss": ({"loss": "focal", "gamma": 1.0}, {"covariance": "sandwich"}),
    "sandwich, smoothing": ({"label_smoothing": 0.1}, {"covariance": "sandwich"}),
    "sandwich, probability weights": ({}, {"covariance": "sandwich"}),
    "sandwich, strong weights": ({}, {"covariance": "sandwich"}),
    "cluster": ({}, {"covariance": "cluster"}),
    "cluster, small sample": ({}, {"covariance": "cluster", "small_sample": True}),
    # What is wrong, to see by how much.
    "hessian, focal loss": ({"loss": "focal", "gamma": 1.0}, {"covariance": "hessian"}),
    "hessian, probability weights": ({}, {"covariance": "hessian"}),
    "hessian, clusters": ({}, {"covariance": "hessian"}),
}


def population(case, rng):
    """Features (n, d), probabilities of the labels (n, K), weights (n, K) of the design, and clusters (n,)."""
    clusters = np.arange(N_POPULATION) // ROWS_OF_CLUSTER
    X = rng.standard_normal((N_POPULATION, N_FEATURES))
    logits = X @ rng.standard_normal((N_FEATURES, N_CLASSES)) * 0.7 + rng.standard_normal(N_CLASSES) * 0.5
    weights = np.ones((N_POPULATION, N_CLASSES))
    if "cluster" in case:
        n_clusters = clusters[-1] + 1
        X = 0.7 * X + 0.7 * rng.standard_normal((n_clusters, N_FEATURES))[clusters]
        logits = logits + 0.8 * rng.standard_normal((n_clusters, N_CLASSES))[clusters]
    if "weights" in case:
        # A model that is not linear in X, drawn from the more often where X and the label say so.
        logits = logits + 0.4 * X**2 @ rng.standard_normal((N_FEATURES, N_CLASSES))
        strength = 2 if "strong" in case else 1
        weights = np.exp(strength * (0.3 * X[:, :1] - 0.4 * np.arange(N_CLASSES)))
    return X, softmax(logits, axis=1), weights, clusters


def draw(case, X, eta, weights, clusters, rng):
    """X (m, d), labels, weights or None, and clusters or None of one draw."""
    if "cluster" in case:
        chosen = rng.integers(0, N_POPULATION // ROWS_OF_CLUSTER, size=N_CLUSTERS)
        rows = (chosen[:, None] * ROWS_OF_CLUSTER + np.arange(ROWS_OF_CLUSTER)).ravel()
        groups = np.repeat(np.arange(N_CLUSTERS), ROWS_OF_CLUSTER)
    else:
        # In proportion to one over the weights that make up for it.
        share = (eta / weights).sum(axis=1)
        rows, groups = rng.choice(N_POPULATION, size=N_ROWS, p=share / share.sum()), None
    of_labels = eta[rows] / weights[rows]
    of_labels /= of_labels.sum(axis=1, keepdims=True)
    y = (of_labels.cumsum(axis=1) < rng.uniform(size=(len(rows), 1))).sum(axis=1).clip(max=N_CLASSES - 1)
    sample_weight = weights[rows, y] if "weights" in case else None
    return X[rows], y, sample_weight, groups


def coverage(case, n_draws, seed=0):
    """Share (K - 1, p) of the draws whose 95 % intervals hold what the population has, of contrasts to class 0."""
    rng = np.random.default_rng(seed)
    options, of_summary = CASES[case]
    of_population = population(case, rng)
    model = SoftmaxRegressor(C=np.inf, tol=1e-13, **options).fit(*of_population[:2])
    theta = np.column_stack([model.intercept_, model.coef_])
    truth = theta[1:] - theta[0]
    hits = np.zeros(truth.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        for _ in range(n_draws):
            X, y, weight, groups = draw(case, *of_population, rng)
            model = SoftmaxRegressor(C=np.inf, **options).fit(X, y, weight)
            groups = groups if of_summary["covariance"] == "cluster" else None
            table = summary(model, X, y, weight, reference=0, groups=groups, **of_summary)
            hits += (table.lower <= truth) & (truth <= table.upper)
    return hits / n_draws


def main():
    """Print, and write, the coverage of each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--out", default="results")
    args = parser.parse_args()
    results = []
    for case in CASES:
        shares = 100 * coverage(case, args.draws)
        of_case = {"mean": shares.mean(), "least": shares.min(), "most": shares.max()}
        results.append({"covariance": case, **of_case})
        print(f"{case:32}" + "  ".join(f"{name} {share:.1f} %" for name, share in of_case.items()), flush=True)
    readable = [{name: cell if name == "covariance" else f"{cell:.1f}" for name, cell in of.items()} for of in results]
    title = "Coverage of nominal 95 % intervals, mean, least and most over the coefficients, in %"
    written(args.out, "coverage", title, {"draws": args.draws}, results, [table(readable)])


if __name__ == "__main__":
    main()
