"""
7. Several labels at once
=========================

A row may have any number of labels: :class:`skce.OneVsAllClassifier` takes a matrix of
zeros and ones as ``y``, fits one sigmoid a column in the same passes over the data, and
has a scorer of its own, as the probabilities of a row don't sum to 1.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split

from skce import OneVsAllClassifier
from skce.display import CoefficientDisplay
from skce.functional import binary_cross_entropy_with_logits
from skce.metrics import neg_binary_log_loss_scorer

# %%
# Four questions about a handwritten digit, each of which has the answer yes for several
# digits. The names of a DataFrame's columns become the labels.

digits = load_digits()
X = digits.data / 16
tags = pd.DataFrame(
    {
        "even": digits.target % 2 == 0,
        "above four": digits.target > 4,
        "prime": np.isin(digits.target, [2, 3, 5, 7]),
        "has a loop": np.isin(digits.target, [0, 6, 8, 9]),
    }
).astype(int)
X_train, X_test, tags_train, tags_test = train_test_split(
    X, tags, test_size=0.4, random_state=0
)
print(tags_train.head(3).to_string(index=False))

# %%
# The penalty is tuned by binary log loss, the mean over samples and labels. Each column
# of the result is the binary logistic regression of its label.

search = GridSearchCV(
    OneVsAllClassifier(),
    {"C": [0.1, 1.0, 10.0, 100.0]},
    scoring=neg_binary_log_loss_scorer,
)
model = search.fit(X_train, tags_train).best_estimator_
print(
    f"best C {model.C}, {model.n_passes_:.0f} passes for {len(model.classes_)} labels"
)
print(f"binary log loss on test digits {-search.score(X_test, tags_test):.4f}")
logits = model.decision_function(X_test)
log_loss = binary_cross_entropy_with_logits(logits, tags_test)
print(f"the same by function           {log_loss:.4f}")

right = (model.predict(X_test) == tags_test).mean()
by_itself = LogisticRegression(C=model.C, tol=1e-8, max_iter=10_000)
for label, (name, accuracy) in enumerate(right.items()):
    coef = by_itself.fit(X_train, tags_train[name]).coef_[0]
    difference = np.abs(model.coef_[label] - coef).max() / np.abs(coef).max()
    print(
        f"{name:<12} accuracy {accuracy:.3f}, "
        f"differs from LogisticRegression's coefficients by {difference:.0e}"
    )

# %%
# What each label looks for: red pixels speak for it, blue ones against.

display = CoefficientDisplay.from_estimator(model, image_shape=(8, 8))
plt.show()
