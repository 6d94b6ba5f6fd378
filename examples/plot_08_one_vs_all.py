"""
8. One-vs-all against softmax
=============================

K binary models, each of a class against the rest, or one softmax over all: on most data
they agree. They need not where a class lies between two others: in one feature a
sigmoid can only rise or fall, and none of those that :class:`skce.OneVsAllClassifier`
fits can say "in the middle". :class:`skce.SoftmaxRegressor` can, as its classes
compete.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce.metrics import neg_log_loss_scorer

# %%
# The length of its petals alone tells an iris: setosa is short, versicolor medium,
# virginica long.

iris = load_iris()
X, y = iris.data[:, [2]], iris.target

models = {
    "softmax": SoftmaxRegressor(C=100.0),
    "one-vs-all": OneVsAllClassifier(C=100.0),
}
print(f"{'':<12}{'accuracy':>10}{'log loss':>10}   by 10-fold cross-validation")
for name, model in models.items():
    accuracy = cross_val_score(model, X, y, cv=10).mean()
    log_loss = -cross_val_score(model, X, y, cv=10, scoring=neg_log_loss_scorer).mean()
    print(f"{name:<12}{accuracy:>10.3f}{log_loss:>10.3f}")

# %%
# The lines are predicted probabilities, the marks are the flowers. The sigmoid of
# versicolor against the rest, dotted, is nearly flat: what one-vs-all knows of the
# medium lengths is that the two other sigmoids are low there, and at both ends it is
# what keeps the others from being as certain as they should be.

length = np.linspace(0.5, 7.5, 400)[:, None]
colours = ["#0072B2", "#E69F00", "#CC79A7"]
figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True, layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    probabilities = model.fit(X, y).predict_proba(length)
    for k, colour in enumerate(colours):
        ax.plot(
            length,
            probabilities[:, k],
            color=colour,
            linewidth=2,
            label=iris.target_names[k],
        )
        ax.plot(
            X[y == k],
            np.full((y == k).sum(), -0.04 - 0.03 * k),
            "|",
            color=colour,
            markersize=7,
        )
    ax.set(
        title=name, xlabel=iris.feature_names[2], xlim=(0.5, 7.5), ylim=(-0.15, 1.02)
    )
    ax.grid(alpha=0.3)
sigmoid = 1 / (1 + np.exp(-models["one-vs-all"].decision_function(length)[:, 1]))
axes[1].plot(
    length, sigmoid, color=colours[1], linestyle="dotted", label="versicolor's sigmoid"
)
axes[0].set_ylabel("predicted probability")
figure.legend(
    *axes[1].get_legend_handles_labels(),
    loc="outside upper center",
    ncols=4,
    frameon=False,
)
plt.show()
