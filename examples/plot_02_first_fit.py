"""
2. A first fit, on raw features
===============================

:class:`skce.SoftmaxRegressor` goes where ``LogisticRegression`` goes and has the same
optimum. What differs is the way there: columns may come in any units, and the fit says
how near the optimum it ended.
"""

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from skce import SoftmaxRegressor
from skce.display import ConvergenceDisplay
from skce.functional import cross_entropy

# %%
# Thirteen measurements of wines, whose means lie four powers of ten apart, as they
# come.

wine = load_wine(as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(
    wine.data, wine.target, test_size=0.4, stratify=wine.target, random_state=0
)
print(wine.data.mean().sort_values().round(2).to_string())

# %%
# The fit
# -------
# ``score`` is the accuracy. ``suboptimality_`` estimates how far the loss is above its
# minimum, relative to itself, and ``n_passes_`` counts the passes over the data that it
# took.

model = SoftmaxRegressor().fit(X_train, y_train)
print(f"accuracy on new wines {model.score(X_test, y_test):.3f}")
log_loss = cross_entropy(model.decision_function(X_test), y_test)
print(f"their mean cross-entropy {log_loss:.4f} nats")
print(
    f"{model.n_passes_:.0f} passes, estimated suboptimality {model.suboptimality_:.0e}"
)
print(model.predict_proba(X_test[:3]).round(3))

# %%
# The same minimum as LogisticRegression
# --------------------------------------
# Its default solver stops far from it on such columns, and warns. Its Newton solver
# gets there, and agrees.


def objective(coef, intercept):
    """The loss that both minimise: mean cross-entropy, and the penalty at C = 1."""
    logits = X_train.to_numpy() @ coef.T + intercept
    return cross_entropy(logits, y_train) + (coef**2).sum() / (2 * len(y_train))


with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
    peers = {
        "LogisticRegression()": LogisticRegression().fit(X_train, y_train),
        "LogisticRegression(max_iter=1000)": LogisticRegression(max_iter=1000).fit(
            X_train, y_train
        ),
        "LogisticRegression(solver='newton-cholesky', tol=1e-10)": LogisticRegression(
            solver="newton-cholesky", tol=1e-10
        ).fit(X_train, y_train),
    }
for name, fitted in {"SoftmaxRegressor()": model, **peers}.items():
    print(f"{objective(fitted.coef_, fitted.intercept_):.8f}  {name}")

# %%
# How the loss fell, for penalties that are strong, usual and weak: a straight line
# downwards on this scale means that each pass wins as many digits as the one before,
# and where it bends down, the curvature has been learnt.

fits = {f"C = {C}": SoftmaxRegressor(C=C).fit(X_train, y_train) for C in (0.01, 1, 100)}
display = ConvergenceDisplay.from_estimator(fits, quantity="gap")
display.ax_.set_title("wine, raw features")
plt.show()
