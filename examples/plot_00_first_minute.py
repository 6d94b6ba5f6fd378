"""
0. The first minute
===================

Blocks of scanned pages, of which nine in ten are text: which is a picture, which a
line? Ten measurements, from shares below 1 to areas above 100,000. This takes them as
they come, beside ``LogisticRegressionCV``, and shows what skce adds: the minimum, with
a proof; C without folds; standard errors; and the probabilities behind class weights.
"""

import csv
import gzip
import sys
import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skce import SoftmaxRegressor, SoftmaxRegressorCV
from skce.display import CoefficientDisplay, ConvergenceDisplay, ReliabilityDisplay
from skce.inference import summary

# sphinx_gallery_start_ignore
import argparse  # isort: skip

parser = argparse.ArgumentParser(description="skce beside LogisticRegressionCV.")
parser.add_argument(
    "--save", metavar="PATH", default="first-minute.png", help="where the figure goes"
)
args = parser.parse_args()
# sphinx_gallery_end_ignore

threadpool_limits(1)  # one thread, so that times can be compared
path = Path(sys.argv[0]).parent / "data" / "page_blocks.csv.gz"
with gzip.open(path, "rt", encoding="utf-8") as file:
    (*features, _), *rows = csv.reader(file)
X = np.array([row[:-1] for row in rows], dtype=float)
y = np.array([row[-1] for row in rows])
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.5, stratify=y, random_state=0
)
kinds, counts = np.unique(y, return_counts=True)
print(", ".join(f"{n} {kind}" for kind, n in zip(kinds, counts, strict=True)))

# %%
# The same minimum, and how near each comes
# -----------------------------------------
# Both choose C from the same ten values by log loss, ``LogisticRegressionCV`` by five
# folds, ``SoftmaxRegressorCV`` by what a fit without each row would predict of it.
# "newton-cholesky" is the solver of scikit-learn that gets there on raw features too.
# The distance is from the minimum at the C that each has chosen, which a tight fit of
# skce knows; ``gap_bound_`` is what a fit of skce itself proves of it.


def objective(model, X, C):
    """What both minimise: mean cross-entropy, and the penalty."""
    penalty = (model.coef_**2).sum() / (2 * C * len(X))
    return log_loss(y_train, model.predict_proba(X)) + penalty


scaler = StandardScaler().fit(X_train)
models, by = {}, "neg_log_loss"
newton = LogisticRegressionCV(scoring=by, solver="newton-cholesky")
print(f"\n{'':<45}CPU time  log loss  above the minimum")
for name, Z_train, Z_test in (
    ("raw", X_train, X_test),
    ("scaled", scaler.transform(X_train), scaler.transform(X_test)),
):
    for title, model in (
        ("LogisticRegressionCV, lbfgs (default)", LogisticRegressionCV(scoring=by)),
        ("LogisticRegressionCV, newton-cholesky", newton),
        ("SoftmaxRegressorCV", SoftmaxRegressorCV()),
    ):
        start = time.process_time()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(Z_train, y_train)
        seconds = time.process_time() - start
        C = float(np.ravel(model.C_)[0])
        least = SoftmaxRegressor(C=C, tol=1e-10).fit(Z_train, y_train).loss_
        gap = max(objective(model, Z_train, C) / least - 1, 0)
        note = f"{gap:.0e}"
        if getattr(model, "is_certified_", False):
            note = f"proven below {model.gap_bound_ / model.loss_:.0e}"
        n_warnings = sum(w.category is ConvergenceWarning for w in caught)
        note += f", {n_warnings} warnings" if n_warnings else ""
        test_loss = log_loss(y_test, model.predict_proba(Z_test))
        print(f"{name:<7}{title:<38}{seconds:>6.1f} s{test_loss:>10.3f}   {note}")
        models[name, title] = model
chosen = models["scaled", "SoftmaxRegressorCV"]
print(
    f"C = {chosen.C_:.3g} by {chosen.validation_}, with "
    f"{chosen.is_refitted_.sum()} of {len(X_train)} rows refitted"
)

# %%
# How well the coefficients are known
# -----------------------------------
# Of scaled features, so that each is per standard deviation.

Z_train, Z_test = scaler.transform(X_train), scaler.transform(X_test)
table = summary(chosen, Z_train, y_train, reference="text")
contrast = table.contrasts.index("picture against text")
print(f"\n{'picture against text':<20}{'coef':>8}{'std err':>9}{'z':>7}{'p':>8}")
for place, feature in enumerate(features, start=1):
    coef, error, z, p = (
        values[contrast, place]
        for values in (table.coef, table.std_err, table.z, table.p)
    )
    p = "<0.001" if p < 0.001 else f"{p:.3f}"
    print(f"{feature:<20}{coef:>8.2f}{error:>9.2f}{z:>7.1f}{p:>8}")

# %%
# Weights for decisions, probabilities all the same
# -------------------------------------------------
# Balanced weights find the rare kinds, and bend probabilities. ``"recovered"`` bends
# them back, without a new fit.

weighted = SoftmaxRegressor(C=chosen.C_, class_weight="balanced").fit(Z_train, y_train)
is_picture = y_test == "picture"
print(f"\n{is_picture.mean():.1%} of the test blocks are pictures")
print(f"{'':<23}balanced accuracy  log loss  mean p(picture)")
for name, model, posterior in (
    ("no weights", chosen, "model"),
    ("balanced", weighted, "model"),
    ("balanced, recovered", weighted, "recovered"),
):
    model.set_params(posterior=posterior)
    p = model.predict_proba(Z_test)
    balanced = balanced_accuracy_score(y_test, model.predict(Z_test))
    mean = p[:, list(model.classes_).index("picture")].mean()
    print(f"{name:<23}{balanced:>17.2f}{log_loss(y_test, p):>10.3f}{mean:>17.1%}")

# %%
# In pictures
# -----------
# On raw features, how far from the minimum after how many passes over the data; then
# the pictures' probabilities before and after recovery; and the table above, with
# intervals.

figure, (left, middle, right) = plt.subplots(
    1, 3, figsize=(14, 4.6), layout="constrained"
)
C = models["raw", "SoftmaxRegressorCV"].C_
fitted = SoftmaxRegressor(C=C).fit(X_train, y_train)
least = SoftmaxRegressor(C=C, tol=1e-10).fit(X_train, y_train).loss_
ConvergenceDisplay.from_estimator(
    {"SoftmaxRegressor": fitted}, quantity="gap", minimum=least, ax=left
)
iterations, gaps = np.array([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]), []
for max_iter in iterations:
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        peer = LogisticRegression(C=C, max_iter=max_iter).fit(X_train, y_train)
    gaps.append(objective(peer, X_train, C) / least - 1)
left.plot(iterations, gaps, color="#D55E00", marker=".", label="lbfgs of scikit-learn")
left.set(xscale="log", xlim=(1, 1200), title="raw features")
left.set_xlabel("passes, or iterations of lbfgs")
left.legend()

for posterior in ("model", "recovered"):
    ReliabilityDisplay.from_estimator(
        weighted.set_params(posterior=posterior),
        Z_test,
        y_test,
        pos_label="picture",
        n_bins=8,
        name={"model": "balanced"}.get(posterior, posterior),
        ax=middle,
    )

CoefficientDisplay.from_summary(
    table, contrasts=["picture against text"], feature_names=features, ax=right
)
# sphinx_gallery_start_ignore
if args.save:
    figure.savefig(args.save, dpi=150)
    print(f"\nThe figure is in {args.save}")
# sphinx_gallery_end_ignore
