"""
10. MNIST: one fit to 60,000 handwritten digits
===============================================

How to train :class:`skce.SoftmaxRegressor` on a data set of real size: pixels to
float32 in a pipeline, a grid search over C on a part of the images, then one fit to all
of them, with its time and memory. The weights of a linear model are images too, and
show what it looks for in each digit. It takes a minute, and drew this:

.. image:: /images/plot_10_mnist.png
   :alt: The weights of the pixels for each digit, and the confusion matrix
"""

import sys
import time
from contextlib import suppress
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import fetch_openml
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skce import SoftmaxRegressor
from skce.display import CoefficientDisplay
from skce.metrics import neg_log_loss_scorer

# sphinx_gallery_start_ignore
import argparse  # isort: skip
import gzip  # isort: skip
import warnings  # isort: skip

parser = argparse.ArgumentParser(
    description="SoftmaxRegressor on MNIST: a grid search, and a fit to 60,000 images."
)
parser.add_argument(
    "--data",
    type=Path,
    metavar="DIR",
    help="folder of the four idx .gz files; default: from OpenML",
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
# The images
# ----------
# They are rows of 784 bytes; the first 60,000 of the 70,000 are the training set.


def images():
    X, y = fetch_openml("mnist_784", version=1, as_frame=False, return_X_y=True)
    X, y = X.astype(np.uint8), y.astype(np.uint8)
    return X[:60000], y[:60000], X[60000:], y[60000:]


# sphinx_gallery_start_ignore
FILES = [
    f"{part}-{kind}-ubyte.gz"
    for part in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
]
download = images


def read_idx(path):
    content = gzip.decompress(path.read_bytes())
    n_axes = content[3]
    n_rows = np.frombuffer(content, ">i4", count=1, offset=4)[0]
    return (
        np.frombuffer(content, np.uint8, offset=4 + 4 * n_axes)
        .reshape(n_rows, -1)
        .squeeze()
    )


def images():
    if args.data:
        missing = [name for name in FILES if not (args.data / name).is_file()]
        if missing:
            raise SystemExit(
                f"Looked in {args.data}, which lacks {', '.join(missing)}. "
                "Put the files there, or leave --data out to "
                "download MNIST from OpenML."
            )
        return [read_idx(args.data / name) for name in FILES]
    try:
        with warnings.catch_warnings(
            action="ignore"
        ):  # one for each retry; the message below says it once
            return download()
    except Exception as error:
        raise SystemExit(
            f"Tried to download mnist_784 from OpenML, which failed: {error!r}. "
            "Try again when there is a connection, "
            f"or pass --data DIR, where DIR has {', '.join(FILES)}."
        ) from error


# sphinx_gallery_end_ignore
X_train, y_train, X_test, y_test = images()

# %%
# A grid search, and the fit
# --------------------------
# ``SoftmaxRegressor`` keeps float32 as it is, and the pixels take half the memory that
# float64 would. ``tol`` is looser than its default: the aim is a low log loss on new
# images, not the last digits of the regularised optimum, which would cost more
# iterations.


def scaled(pixels):
    return np.divide(pixels, 255, dtype=np.float32)


model = make_pipeline(FunctionTransformer(scaled), SoftmaxRegressor(tol=1e-4))
Cs = [0.001, 0.01, 0.1, 1.0]
search = GridSearchCV(
    model, {"softmaxregressor__C": Cs}, scoring=neg_log_loss_scorer, cv=3, refit=False
)
search.fit(X_train[:5000], y_train[:5000])
for C, score in zip(Cs, search.cv_results_["mean_test_score"], strict=True):
    print(f"C={C:<6} CV log loss on 5,000 images {-score:.4f}")

start = time.perf_counter()
model.set_params(**search.best_params_).fit(X_train, y_train)
seconds = time.perf_counter() - start

print(
    f"Fit to {len(X_train):,} images with C={model[-1].C}: "
    f"{seconds:.1f} s, {model[-1].n_iter_[0]} iterations"
)
log_loss = -neg_log_loss_scorer(model, X_test, y_test)
print(f"Test accuracy {model.score(X_test, y_test):.4f}, test log loss {log_loss:.4f}")
with suppress(ModuleNotFoundError):  # Windows has no such module
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, KiB elsewhere
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    print(f"Peak memory of the process {peak:.0f} MB")

confusion = confusion_matrix(y_test, model.predict(X_test))
print(f"Confusion matrix, true digits down, predicted digits across:\n{confusion}")

# %%
# What the model has learnt
# -------------------------
# A pixel speaks for the digit where its weight is positive, against it where it is
# negative. In the confusion matrix the colour shows the errors only, as the hits on the
# diagonal would drown them.

figure = plt.figure(figsize=(8, 9.5), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=[1, 1.55])

CoefficientDisplay.from_estimator(model, image_shape=(28, 28), ax=top.subplots())
top.suptitle("Weights of the pixels for each digit", fontsize=14)

ax = bottom.subplots()
errors = np.where(np.eye(10, dtype=bool), 0, confusion)
ax.imshow(errors, cmap="Blues")
for (true, predicted), count in np.ndenumerate(confusion):
    colour = "white" if errors[true, predicted] > 0.6 * errors.max() else "black"
    ax.text(predicted, true, count, ha="center", va="center", color=colour)
ax.set(
    xticks=range(10), yticks=range(10), xlabel="predicted digit", ylabel="true digit"
)
bottom.suptitle("Test images by true and predicted digit", fontsize=14)

# sphinx_gallery_start_ignore
if args.save:
    args.save.mkdir(parents=True, exist_ok=True)
    path = args.save / "plot_10_mnist.png"
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
