"""Sums over rows of what features do to probabilities, and of its derivatives by the parameters theta (k, p).

With q the probabilities of a row, J = diag q - q q^T, x its features minus their means with 1 in front, and beta the
coefficients,

    slope of feature j         J beta_j          its derivative by theta_mc: J_.m [c = j] + sum_l dJ_.l/dz_m x_c beta_lj
    difference of feature j    q at x_j = 1, minus q at x_j = 0; J x_c at the one, minus J x_c at the other

dJ_kl/dz_m has only products of three probabilities and of fewer, so that of the slopes of all features no more is
summed than these, times x. For sigmoids J is diagonal, and all is of each output by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skce._kernels.sigmoid import sigmoid
from skce._kernels.softmax import softmax
from skce._types import Array
from skce.inference.estimates import About


@dataclass(frozen=True)
class SoftmaxEffects:
    """Effects on the K probabilities of a softmax whose logits are ``about`` the mean of X."""

    about: About

    @property
    def width(self) -> int:
        """Numbers a row that are computed for slopes."""
        return len(self.about.theta) ** 3 + self.about.theta.shape[1]

    def slope_sums(self, X: Any, weight: Array) -> tuple[Array, ...]:
        """Sums over rows X (m, d): w q (K,), w q q (K, K), and with x of one, two and three q (..., p)."""
        design = self.about.design(X)
        _, q, _ = softmax(self.about.logits(design))
        n_classes = len(q)
        weighted = weight * q
        pairs = weighted[:, None] * q
        triples = (pairs[:, :, None] * q).reshape(n_classes**3, -1) @ design
        return (
            weighted.sum(axis=1),
            pairs.sum(axis=2),
            weighted @ design,
            (pairs.reshape(n_classes**2, -1) @ design).reshape(n_classes, n_classes, -1),
            triples.reshape(n_classes, n_classes, n_classes, -1),
        )

    def slopes(self, sums: tuple[Array, ...]) -> tuple[Array, Array]:
        """Slopes (K, d) and their derivatives (K, d, K, p) of those sums."""
        ones, pairs, ones_x, pairs_x, triples_x = sums
        n_classes = len(self.about.theta)
        coef = self.about.theta[:, int(self.about.has_intercept) :]
        jacobian = np.diag(ones) - pairs
        same = np.eye(n_classes)
        third = 2 * triples_x
        third += np.einsum("kl,km,kc->klmc", same, same, ones_x)
        third -= np.einsum("kl,kmc->klmc", same, pairs_x)
        third -= np.einsum("km,klc->klmc", same, pairs_x)
        third -= np.einsum("lm,klc->klmc", same, pairs_x)
        derivative = np.einsum("klmc,lj->kjmc", third, coef, optimize=True)
        for feature in range(coef.shape[1]):
            derivative[:, feature, :, feature + int(self.about.has_intercept)] += jacobian
        return jacobian @ coef, derivative

    def difference_sums(self, X: Any, weight: Array, feature: int) -> tuple[Array, Array]:
        """Sums over rows of the difference (K,) of one indicator, and of its derivative (K, K, p)."""
        design = self.about.design(X)
        column = feature + int(self.about.has_intercept)
        logits = self.about.logits(design)
        difference, derivative = np.zeros(1), np.zeros(1)
        for value, sign in ((1.0, 1.0), (0.0, -1.0)):
            design[:, column] = value - self.about.mean[feature]
            moved = logits + np.outer(self.about.theta[:, column], value - _column(X, feature))
            _, q, _ = softmax(moved)
            weighted = sign * weight * q
            jacobian = -(weighted[:, None] * q)
            classes = np.arange(len(q))
            jacobian[classes, classes] += weighted
            difference = difference + weighted.sum(axis=1)
            derivative = derivative + jacobian @ design
        return difference, derivative


@dataclass(frozen=True)
class SigmoidEffects:
    """Effects on the probability of each of k sigmoids whose logits are ``about`` the mean of X."""

    about: About

    @property
    def width(self) -> int:
        """Numbers a row that are computed for slopes."""
        return 4 * len(self.about.theta) + self.about.theta.shape[1]

    def slope_sums(self, X: Any, weight: Array) -> tuple[Array, ...]:
        """Sums over rows X (m, d): w p (1 - p) (k,), and w p (1 - p) (1 - 2 p) x (k, p)."""
        design = self.about.design(X)
        logits = self.about.logits(design)
        p, rest = sigmoid(logits)[1], sigmoid(-logits)[1]
        curvature = weight * p * rest
        return curvature.sum(axis=1), (curvature * (rest - p)) @ design

    def slopes(self, sums: tuple[Array, ...]) -> tuple[Array, Array]:
        """Slopes (k, d) and their derivatives (k, d, k, p) of those sums."""
        curvature, third = sums
        n_outputs, n_columns = self.about.theta.shape
        coef = self.about.theta[:, int(self.about.has_intercept) :]
        derivative = np.zeros((n_outputs, coef.shape[1], n_outputs, n_columns))
        for output in range(n_outputs):
            of_output = np.outer(coef[output], third[output])
            of_output[:, int(self.about.has_intercept) :] += curvature[output] * np.eye(coef.shape[1])
            derivative[output, :, output] = of_output
        return curvature[:, None] * coef, derivative

    def difference_sums(self, X: Any, weight: Array, feature: int) -> tuple[Array, Array]:
        """Sums over rows of the differences (k,) of one indicator, and of their derivatives (k, k, p)."""
        design = self.about.design(X)
        column = feature + int(self.about.has_intercept)
        logits = self.about.logits(design)
        n_outputs, n_columns = self.about.theta.shape
        difference, derivative = np.zeros(1), np.zeros((n_outputs, n_outputs, n_columns))
        outputs = np.arange(n_outputs)
        for value, sign in ((1.0, 1.0), (0.0, -1.0)):
            design[:, column] = value - self.about.mean[feature]
            moved = logits + np.outer(self.about.theta[:, column], value - _column(X, feature))
            p, rest = sigmoid(moved)[1], sigmoid(-moved)[1]
            difference = difference + (sign * weight * p).sum(axis=1)
            derivative[outputs, outputs] += (sign * weight * p * rest) @ design
        return difference, derivative


def _column(X, feature):
    """A column (m,) of X, dense or CSR."""
    column = X[:, [feature]]
    return (column.toarray() if hasattr(column, "toarray") else column)[:, 0]
