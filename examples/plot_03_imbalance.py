"""
3. Rare classes: weights against focal loss
===========================================

One handwritten digit in ten is an eight. A classifier for eights may be right nine
times in ten and never find one. Two remedies are often named in one breath, class
weights and focal loss, and they do different things: weights move the boundary towards
finding more of the rare class; focal loss, made for detectors with thousands of easy
negatives to an object, leaves the boundary of a linear model nearly where it was, and
makes probabilities less extreme.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import (
    average_precision_score,
    log_loss,
    precision_score,
    recall_score,
)
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from skce import SoftmaxRegressor

digits = load_digits()
X, is_eight = digits.data / 16, digits.target == 8
print(f"{is_eight.sum()} eights among {len(X)} digits: {is_eight.mean():.1%}")

# %%
# All figures are of probabilities for held-out digits, by ten-fold cross-validation.
# *Recall* is the share of eights that are found, *precision* the share of the finds
# that are eights, both at a probability of 0.5. *Average precision* looks at the order
# of the probabilities only, and *log loss* at whether they can be believed.

models = {
    "cross-entropy": SoftmaxRegressor(),
    "balanced weights": SoftmaxRegressor(class_weight="balanced"),
    "effective weights": SoftmaxRegressor(class_weight="effective"),
    "focal, gamma = 2": SoftmaxRegressor(loss="focal", gamma=2.0),
    "focal, gamma = 5": SoftmaxRegressor(loss="focal", gamma=5.0),
    "focal and balanced": SoftmaxRegressor(
        loss="focal", gamma=2.0, class_weight="balanced"
    ),
}
folds = StratifiedKFold(10, shuffle=True, random_state=0)
probabilities, figures = {}, {}
print(
    f"{'':<20}{'recall':>8}{'precision':>11}{'avg. precision':>16}{'log loss':>10}"
    f"{'mean probability':>18}"
)
for name, model in models.items():
    p = cross_val_predict(model, X, is_eight, cv=folds, method="predict_proba")[:, 1]
    probabilities[name] = p
    figures[name] = recall_score(is_eight, p > 0.5), precision_score(is_eight, p > 0.5)
    recall, precision = figures[name]
    average = average_precision_score(is_eight, p)
    print(
        f"{name:<20}{recall:>8.3f}{precision:>11.3f}{average:>16.3f}"
        f"{log_loss(is_eight, p):>10.3f}{p.mean():>18.3f}"
    )
threshold = is_eight.mean()
found = probabilities["cross-entropy"] > threshold
recall, precision = recall_score(is_eight, found), precision_score(is_eight, found)
print(
    f"cross-entropy at a threshold of {threshold:.3f}: "
    f"recall {recall:.3f}, precision {precision:.3f}"
)

# %%
# Weights find far more of the eights and pay in precision. The order of the digits
# hardly changes, as average precision shows: a lower threshold, in the last line, finds
# as many eights without any weights, among somewhat more false finds. What a weighted
# model calls a probability no longer is one: its mean should be the share of eights,
# and only plain cross-entropy has that. So weigh classes for decisions, where a miss
# costs more than a false alarm, and don't where the probabilities themselves are
# wanted.

figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
recalls, precisions = zip(*figures.values(), strict=True)
rows = -np.arange(len(figures))
axes[0].barh(rows + 0.2, recalls, height=0.38, color="#0072B2", label="recall")
axes[0].barh(rows - 0.2, precisions, height=0.38, color="#E69F00", label="precision")
axes[0].set_yticks(rows, list(figures))
axes[0].set(xlim=(0, 1), xlabel="at a probability of 0.5")
axes[0].legend(loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=2, frameon=False)

shown = {
    "cross-entropy": "#0072B2",
    "balanced weights": "#D55E00",
    "focal, gamma = 5": "#009E73",
}
for ax, label, is_shown in (
    (axes[1], "eights", is_eight),
    (axes[2], "other digits", ~is_eight),
):
    for name, colour in shown.items():
        ordered = np.sort(probabilities[name][is_shown])
        ax.plot(
            ordered,
            np.linspace(0, 1, len(ordered)),
            color=colour,
            linewidth=2,
            label=name,
        )
    ax.axvline(0.5, color="0.5", linewidth=0.8)
    ax.set(
        xlabel="predicted probability of an eight",
        ylabel=f"share of the {label} below it",
        xlim=(0, 1),
    )
    ax.set_ylim(0, 1)
    ax.grid(alpha=0.3)
axes[1].legend(loc="upper left")
plt.show()
