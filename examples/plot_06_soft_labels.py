"""
6. Soft labels from several annotators
======================================

When several people label a sample and disagree, the majority throws away what they
disagree about. :class:`skce.SoftmaxRegressor` takes the shares of their votes as they
are: a row of ``y`` may be a distribution over the classes.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skce import SoftmaxRegressor
from skce.functional import cross_entropy

# %%
# Annotators who see badly
# ------------------------
# Each annotator sees each digit through noise of their own, and names the one that it
# then looks like (by its nearest neighbours among clean digits that are used for
# nothing else). So annotators err, and most where digits are hard to tell apart, as
# people do.

digits = load_digits()
X, y = digits.data / 16, digits.target
X_known, X, y_known, y = train_test_split(
    X, y, test_size=0.6, stratify=y, random_state=0
)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.5, stratify=y, random_state=0
)

rng = np.random.default_rng(0)
reader = KNeighborsClassifier(n_neighbors=1).fit(X_known, y_known)
n_annotators = 15


def votes_on(X):
    return np.stack(
        [reader.predict(X + rng.normal(0, 0.5, X.shape)) for _ in range(n_annotators)],
        axis=1,
    )


def shares(votes):
    return (votes[:, :, None] == np.arange(10)).mean(axis=1)


votes, new_votes = votes_on(X_train), votes_on(X_test)
print(f"{(votes == y_train[:, None]).mean():.0%} of the votes are right")
print(
    "Votes of seven annotators on three digits:",
    *(row.tolist() for row in votes[:3, :7]),
    sep="\n  ",
)

# %%
# Shares of votes, or the majority
# --------------------------------
# Both models see the same votes. The columns of an array of soft labels are the
# classes, in order. What is it that they should predict? If the disagreement is itself
# of interest (what will another person say?), the test is against the votes of
# annotators on digits that nobody trained on. If annotators are a means to find the
# truth, it is against the true digits.

labels_of = {
    "soft labels": shares,
    "majority": lambda votes: shares(votes).argmax(axis=1),
}
tests = {"what annotators say": shares(new_votes), "the true digit": y_test}
numbers = [1, 2, 3, 5, 8, 15]
log_loss = {(test, name): [] for test in tests for name in labels_of}
for number in numbers:
    for name, labels in labels_of.items():
        model = SoftmaxRegressor(C=1.0, classes=range(10)).fit(
            X_train, labels(votes[:, :number])
        )
        for test, targets in tests.items():
            log_loss[test, name].append(
                cross_entropy(model.decision_function(X_test), targets)
            )

print(
    f"{'log loss, number of annotators':<36}"
    + "".join(f"{number:>8}" for number in numbers)
)
for (test, name), losses in log_loss.items():
    print(f"{f'{test}, {name}':<36}" + "".join(f"{loss:>8.3f}" for loss in losses))

# %%
# Soft labels say what people say, and the better, the more of them were asked; a
# majority, however many it is of, is surer than people are. For the truth it is the
# other way round once there are enough annotators for a majority to be right: soft
# labels then teach the model the annotators' bad eyes as well. With one annotator both
# are the same, and with two, where a tie has no majority, soft labels win at either.

figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
for ax, test in zip(axes, tests, strict=True):
    for name, colour, marker in zip(
        labels_of, ["#0072B2", "#D55E00"], ["o", "s"], strict=True
    ):
        ax.plot(numbers, log_loss[test, name], color=colour, marker=marker, label=name)
    ax.set(
        title=f"predicting {test}", xlabel="annotators of each digit", xticks=numbers
    )
    ax.set_ylim(0, 1.1 * max(max(log_loss[test, name]) for name in labels_of))
    ax.grid(alpha=0.3)
axes[0].set_ylabel("log loss on test digits")
axes[0].legend()
plt.show()
