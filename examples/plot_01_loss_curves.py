"""
1. What cross-entropy charges
=============================

A classifier says how probable each class is, and cross-entropy charges it -log p for
the probability p that it gave to what then happened: nothing for certainty, more and
more as p falls, without a limit. The functions of :mod:`skce.functional` compute it,
from probabilities or from logits, and :class:`skce.display.LossDisplay` draws it.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import softmax

from skce.display import LossDisplay
from skce.functional import (
    binary_cross_entropy,
    categorical_cross_entropy,
    cross_entropy,
    entropy,
    kl_divergence,
    sparse_categorical_cross_entropy,
)
from skce.losses import CrossEntropy, FocalLoss, GeneralizedCrossEntropy, Poly1Loss

# %%
# One outcome, yes or no
# ----------------------
# With a target t and the probability p of a yes, *binary* cross-entropy is -log p for t
# = 1, -log(1 - p) for t = 0.

p = np.array([0.99, 0.5, 0.01])
for target in (1, 0):
    losses = binary_cross_entropy(p, np.full(3, target), reduction="none")
    print(
        f"t = {target}: "
        + ", ".join(
            f"p = {q:.2f} costs {loss:.4f}" for q, loss in zip(p, losses, strict=True)
        )
    )

# %%
# One of several classes
# ----------------------
# *Categorical* cross-entropy takes one-hot rows, or any distributions over the classes;
# *sparse* takes labels, and means the same. From logits, before the softmax, it loses
# no digits, however sure the model is.

logits = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]])
labels = np.array([0, 2])
probabilities = softmax(logits, axis=1)
print(probabilities.round(4))
print(f"categorical  {categorical_cross_entropy(probabilities, np.eye(3)[labels]):.4f}")
print(f"sparse       {sparse_categorical_cross_entropy(probabilities, labels):.4f}")
print(f"from logits  {cross_entropy(logits, labels):.4f}")

huge = [[1e4, 0.0, 0.0]]
with np.errstate(divide="ignore"):
    print("-log(softmax) at a logit of 10,000:", -np.log(softmax(huge))[0, 1])
print("cross_entropy there:", cross_entropy(huge, [1]))

# %%
# Where the gradient comes from
# -----------------------------
# The derivative by the logits is the probabilities minus the target: what the model
# says less what it should have said.

value, gradient = cross_entropy(logits, labels, reduction="none", return_gradient=True)
print(gradient.round(4))
print(
    "the same as softmax - one-hot:",
    np.allclose(gradient, probabilities - np.eye(3)[labels]),
)

# %%
# What is left when the model is right
# ------------------------------------
# Where outcomes are uncertain, even the true probabilities cost something, their
# entropy. What a model costs on top is its divergence from the truth, and that is all
# that training can take away.

truth, model = np.array([0.7, 0.2, 0.1]), np.array([0.5, 0.3, 0.2])
print(f"cross-entropy {categorical_cross_entropy(model, truth):.6f}")
print(f"entropy {entropy(truth):.6f} + divergence {kl_divergence(truth, model):.6f}")

# %%
# The curves
# ----------
# On the left, the logarithm with its sign turned. In the middle, both targets, and
# dashed their derivatives by p. On the right, other losses: focal loss spares what is
# already likely, poly-1 charges it more, and generalised cross-entropy has a limit.

figure, axes = plt.subplots(1, 3, figsize=(15, 4.4), layout="constrained")
LossDisplay.from_logarithm(ax=axes[0]).ax_.set_title("-log p")
LossDisplay.from_binary_cross_entropy(ax=axes[1]).ax_.set_title("binary cross-entropy")
losses = [
    CrossEntropy(),
    FocalLoss(1.0),
    FocalLoss(2.0),
    Poly1Loss(1.0),
    GeneralizedCrossEntropy(0.7),
]
LossDisplay.from_losses(losses, ax=axes[2]).ax_.set_title("losses")
plt.show()
