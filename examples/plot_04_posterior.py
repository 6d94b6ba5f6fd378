"""
4. Probabilities that mean what they say
========================================

Class weights and focal loss bend probabilities, as the last example has shown. How they
do is known in closed form, and so ``posterior="recovered"`` can bend them back: every
prediction then speaks of the class probabilities that the model stands for.
:func:`skce.with_prior` goes on from there, to data in which the classes have other
frequencies.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss, recall_score
from sklearn.model_selection import (
    StratifiedKFold,
    cross_val_predict,
    train_test_split,
)

from skce import SoftmaxRegressor, with_prior
from skce.display import ReliabilityDisplay
from skce.metrics import (
    bootstrap_standard_error,
    classwise_calibration_error,
    neg_log_loss_scorer,
)

digits = load_digits()
X, is_eight = digits.data / 16, digits.target == 8

# %%
# The model's own, and recovered
# ------------------------------
# Eights among handwritten digits again, one in ten, predicted for held-out digits by
# ten-fold cross-validation. The calibration error is the mean gap between what is
# predicted and how often it happens, in 15 bins.

models = {
    "cross-entropy": SoftmaxRegressor(),
    "balanced weights": SoftmaxRegressor(class_weight="balanced"),
    "focal, gamma = 2": SoftmaxRegressor(loss="focal", gamma=2.0),
}
folds = StratifiedKFold(10, shuffle=True, random_state=0)
probabilities = {}
print(f"{is_eight.mean():.3f} of the digits are eights")
print(f"{'':<29}{'log loss':>9}{'calibration error':>26}{'mean p':>8}{'recall':>8}")
for name, model in models.items():
    for posterior in ("model", "recovered"):
        model.set_params(posterior=posterior)
        p = cross_val_predict(model, X, is_eight, cv=folds, method="predict_proba")
        error = classwise_calibration_error(is_eight, p)
        margin = bootstrap_standard_error(
            classwise_calibration_error, is_eight, p, random_state=0
        )
        print(
            f"{f'{name}, {posterior}':<29}{log_loss(is_eight, p):>9.3f}"
            f"{error:>17.3f} +- {margin:.3f}{p[:, 1].mean():>8.3f}"
            f"{recall_score(is_eight, p[:, 1] > 0.5):>8.3f}"
        )
        probabilities[name, posterior] = p

# %%
# Recovered probabilities are back near the frequency of eights, and cost about what
# those of plain cross-entropy cost, a little more or a little less: who wants
# probabilities alone need not bend them to begin with. Of weights all is undone, the
# finds that they were taken for included: decisions and probabilities are two things,
# and a threshold on recovered probabilities is the place for what a miss costs.
#
# Another prior
# -------------
# In a heap of digits where half are eights, the same model should expect more of them.
# ``with_prior`` says so without a new fit; here, of cross-entropy, it is a shift of the
# intercept.

X_train, X_test, y_train, y_test = train_test_split(
    X, is_eight, test_size=0.5, stratify=is_eight, random_state=0
)
model = SoftmaxRegressor().fit(X_train, y_train)
even = with_prior(model, prior={False: 0.5, True: 0.5})
rng = np.random.default_rng(0)
eights, others = np.flatnonzero(y_test), np.flatnonzero(~y_test)
heap = np.concatenate([eights, rng.choice(others, len(eights), replace=False)])
for name, fitted in (("as trained", model), ("with even prior", even)):
    score = -neg_log_loss_scorer(fitted, X_test[heap], y_test[heap])
    accuracy = fitted.score(X_test[heap], y_test[heap])
    print(f"{name:<16} log loss {score:.3f}, accuracy {accuracy:.3f} on the heap")

# %%
# Reliability
# -----------
# On the diagonal, eights are as frequent as predicted; the band is a 95 % confidence
# interval. Of cross-entropy without weights both are the same.

figure, axes = plt.subplots(1, 3, figsize=(13, 4.8), layout="constrained")
for (name, posterior), p in probabilities.items():
    ReliabilityDisplay.from_predictions(
        is_eight,
        p,
        kind="classwise",
        class_names=["other", name],
        name={"model": "its own"}.get(posterior, posterior),
        ax=axes[list(models).index(name)],
    )
plt.show()
