"""
9. Iris: tuning the loss, and what focal loss does to probabilities
===================================================================

How to put :class:`skce.SoftmaxRegressor` into a scikit-learn pipeline and to tune its
regularisation, its loss and its label smoothing in one grid search, scored by log loss.
Then, in two dimensions, how the probabilities of a focal fit differ from those of a
cross-entropy fit.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skce import SoftmaxRegressor
from skce.metrics import neg_log_loss_scorer

# sphinx_gallery_start_ignore
import argparse  # isort: skip
import sys  # isort: skip

parser = argparse.ArgumentParser(
    description="SoftmaxRegressor on iris: a grid search, and decision regions."
)
parser.add_argument(
    "--save",
    type=Path,
    metavar="DIR",
    help="save the figure as PNG in DIR instead of showing it",
)
args = parser.parse_args()
# sphinx_gallery_end_ignore

# %%
# A grid search over the loss as well
# -----------------------------------
# A third of the flowers is held out. scikit-learn's ``LogisticRegression`` is tuned
# over the same C, on the same folds and by the same scorer, and solved tightly too, so
# that the digits below can be compared.

iris = load_iris()
X_train, X_test, y_train, y_test = train_test_split(
    iris.data, iris.target, test_size=1 / 3, stratify=iris.target, random_state=0
)

Cs = np.logspace(-2, 3, 11).round(3)
candidates = [
    (
        SoftmaxRegressor(),
        {
            "C": Cs,
            "loss": ["cross_entropy", "focal"],
            "label_smoothing": [0.0, 0.02, 0.1],
        },
    ),
    (LogisticRegression(max_iter=1000, tol=1e-7), {"C": Cs}),
]
folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=0)

print(
    f"{'':<20}{'CV log loss':>12}{'test log loss':>15}{'test accuracy':>15}"
    "  best parameters"
)
for classifier, parameters in candidates:
    pipeline = make_pipeline(StandardScaler(), classifier)
    step = pipeline.steps[-1][0]
    grid = {f"{step}__{name}": values for name, values in parameters.items()}
    search = GridSearchCV(pipeline, grid, scoring=neg_log_loss_scorer, cv=folds).fit(
        X_train, y_train
    )
    # search.score() is the scorer's negative log loss; the accuracy is the score of the
    # pipeline itself.
    test_log_loss, test_accuracy = (
        -search.score(X_test, y_test),
        search.best_estimator_.score(X_test, y_test),
    )
    best = ", ".join(
        f"{name.removeprefix(f'{step}__')}={value}"
        for name, value in search.best_params_.items()
    )
    name = type(classifier).__name__
    print(
        f"{name:<20}{-search.best_score_:>12.4f}{test_log_loss:>15.4f}"
        f"{test_accuracy:>15.3f}  {best}"
    )

# %%
# Cross-entropy and focal loss side by side
# -----------------------------------------
# Both models see the petals only. C is large, so that the loss makes the difference and
# not the penalty, of which the smaller focal loss would feel more. Each region has the
# colour of its most probable class, the paler the less probable that class is, and
# lines where its probability is 0.80 and 0.95.

X, y = iris.data[:, 2:], iris.target
colours = (
    np.array([[0, 114, 178], [230, 159, 0], [204, 121, 167]]) / 255
)  # Okabe and Ito, safe for colour-blind eyes
markers = ["o", "s", "^"]

margin = 0.3
(left, bottom), (right, top) = X.min(axis=0) - margin, X.max(axis=0) + margin
length, width = np.meshgrid(
    np.linspace(left, right, 400), np.linspace(bottom, top, 400)
)

figure, axes = plt.subplots(
    1, 2, figsize=(10, 4.8), sharex=True, sharey=True, layout="constrained"
)
for ax, loss in zip(axes, ["cross_entropy", "focal"], strict=True):
    model = make_pipeline(
        StandardScaler(), SoftmaxRegressor(loss=loss, gamma=2.0, C=1000.0)
    ).fit(X, y)
    confidence = model.predict_proba(X).max(axis=1).mean()
    print(
        f"{loss}: accuracy {model.score(X, y):.3f}, "
        f"mean probability of the predicted class {confidence:.3f}"
    )

    probabilities = model.predict_proba(np.c_[length.ravel(), width.ravel()]).reshape(
        *length.shape, -1
    )
    highest = probabilities.max(axis=2)
    strength = 0.55 * ((highest - 1 / 3) / (2 / 3))[:, :, None]
    image = strength * colours[probabilities.argmax(axis=2)] + (1 - strength)
    ax.imshow(image, extent=(left, right, bottom, top), origin="lower", aspect="auto")
    lines = ax.contour(
        length,
        width,
        highest,
        levels=[0.8, 0.95],
        colors="0.2",
        linewidths=1.1,
        linestyles=["dashed", "solid"],
    )
    for k, name in enumerate(iris.target_names):
        ax.scatter(
            *X[y == k].T,
            s=28,
            color=colours[k],
            marker=markers[k],
            edgecolor="black",
            lw=0.6,
            label=name,
        )
    title = "cross-entropy" if loss == "cross_entropy" else "focal loss, gamma = 2"
    ax.set_title(
        f"{title}\nmean probability of the predicted class: {confidence:.2f}",
        fontsize=12,
    )
    ax.set_xlabel(iris.feature_names[2], fontsize=11)
axes[0].set_ylabel(iris.feature_names[3], fontsize=11)
axes[0].legend(loc="upper left", framealpha=1)
axes[1].legend(
    lines.legend_elements()[0],
    ["0.80", "0.95"],
    loc="upper left",
    framealpha=1,
    title="probability",
)

# sphinx_gallery_start_ignore
if args.save:
    args.save.mkdir(parents=True, exist_ok=True)
    path = args.save / "plot_09_iris.png"
    figure.savefig(path, dpi=150)
    print(f"Saved {path}")
elif figure.canvas.required_interactive_framework:
    plt.show()
else:
    print(
        "There is no display to show the figure on; --save DIR saves it.",
        file=sys.stderr,
    )
# sphinx_gallery_end_ignore
