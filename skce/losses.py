r"""Losses: functions of the probability q that the model gives to one class.

A loss is a scalar function :math:`\varphi(q)` together with :math:`g(q) = -q\, \varphi'(q)`. For a target matrix T and
probabilities Q the training objective is the sum of :math:`T \circ \varphi(Q)`, and its gradient by the logits

.. math:: \frac{\partial}{\partial z_{ik}} = Q_{ik} \sum_j A_{ij} - A_{ik}, \qquad A = T \circ g(Q)

so that value and g are all that a loss has to say. Written in q alone the formulas below are 0/0 or inf * 0 at q = 0
and q = 1. Both methods therefore take ``log_q = log(q)`` and ``rest = 1 - q``, each exact where q has rounded away.

A loss of your own is what :class:`skce.losses.Loss` asks for: any object with ``value``, ``g`` and ``is_convex``, best
a frozen dataclass as here, so that it compares, prints and pickles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skce._checks import InvalidParameterError, check_boolean, check_number
from skce._types import Array, Loss

__all__ = ["CrossEntropy", "FocalLoss", "GeneralizedCrossEntropy", "Loss", "Poly1Loss"]

# Losses that are taken by their names, wherever one is taken.
LOSS_NAMES = ("cross_entropy", "focal")

# Logits, of two classes, at whose probabilities a loss of one's own is asked for what it returns.
LOGITS_OF_CHECK = np.linspace(-20, 20, 41)

# What rounding may make of g, and of its increase from one of these logits to the next, relative to its size.
ROUNDING_OF_G = 1e-8

# What others call the first.
NAMES_OF_CROSS_ENTROPY = ("log_loss", "logloss", "log", "nll", "deviance", "crossentropy", "cross-entropy", "logistic")


@dataclass(frozen=True)
class CrossEntropy:
    r"""Cross-entropy: the negative log-likelihood.

    .. math:: \varphi(q) = -\log q, \qquad g(q) = 1

    The gradient with respect to the logits is Q - Y. Convex in the logits.

    Examples
    --------
    >>> import numpy as np
    >>> from skce.losses import CrossEntropy
    >>> q = np.array([0.25, 0.96])
    >>> CrossEntropy().value(np.log(q), 1 - q).round(4)
    array([1.3863, 0.0408])
    """

    is_convex = True

    def value(self, log_q: Array, rest: Array) -> Array:
        """Return phi(q), in nats.

        Parameters
        ----------
        log_q : ndarray
            Logarithm of the probability, at most 0; -inf stands for phi(0).
        rest : ndarray of the same shape
            One minus the probability, in [0, 1].

        Returns
        -------
        ndarray of the same shape
        """
        return -log_q

    def g(self, log_q: Array, rest: Array) -> Array:
        """Return g(q) = -q phi'(q).

        Parameters
        ----------
        log_q : ndarray
            Logarithm of the probability, at most 0.
        rest : ndarray of the same shape
            One minus the probability, in [0, 1].

        Returns
        -------
        ndarray of the same shape
        """
        return np.ones_like(log_q)


@dataclass(frozen=True)
class FocalLoss:
    r"""Focal loss: turns attention from easy samples to hard ones.

    .. math:: \varphi(q) = -(1 - q)^\gamma \log q, \qquad
        g(q) = (1 - q)^\gamma - \gamma q (1 - q)^{\gamma - 1} \log q

    Not convex in the logits for gamma > 0; gamma = 0 is cross-entropy. What the literature calls alpha is a class
    weight.

    Parameters
    ----------
    gamma : float, default=2.0
        Focusing exponent, at least 0.

    Raises
    ------
    ValueError
        If gamma is negative or not a finite number.

    References
    ----------
    Lin, Goyal, Girshick, He and Dollar (2017),
    `"Focal loss for dense object detection"
    <https://arxiv.org/abs/1708.02002>`__, ICCV.

    Examples
    --------
    >>> import numpy as np
    >>> from skce.losses import FocalLoss
    >>> q = np.array([1 / 3, 0.9])
    >>> FocalLoss(gamma=2.0).value(np.log(q), 1 - q).round(5)
    array([0.48827, 0.00105])
    """

    gamma: float = 2.0

    def __post_init__(self) -> None:
        check_number("gamma", self.gamma, lambda gamma: 0 <= gamma < np.inf, "a finite number of at least 0")

    @property
    def is_convex(self) -> bool:
        """Whether the loss is convex in the logits: for gamma = 0 only."""
        return self.gamma == 0

    @property
    def cross_entropy_share(self) -> float:
        """Share of cross-entropy that leaves the rest convex in the logits: 1 for gamma = 0, else 0."""
        return float(self.gamma == 0)

    def value(self, log_q: Array, rest: Array) -> Array:
        """Return phi(q), in nats.

        Parameters
        ----------
        log_q : ndarray
            Logarithm of the probability, at most 0; -inf stands for phi(0).
        rest : ndarray of the same shape
            One minus the probability, in [0, 1].

        Returns
        -------
        ndarray of the same shape
        """
        return -(rest**self.gamma) * log_q

    def g(self, log_q: Array, rest: Array) -> Array:
        """Return g(q) = -q phi'(q).

        Parameters
        ----------
        log_q : ndarray
            Logarithm of the probability, at most 0.
        rest : ndarray of the same shape
            One minus the probability, in [0, 1].

        Returns
        -------
        ndarray of the same shape
        """
        # (log q) / (1 - q) tends to -1 at q = 1, where (1 - q)^(gamma - 1) alone may be infinite.
        log_ratio = np.divide(log_q, rest, out=np.full_like(log_q, -1.0), where=rest > 0)
        return rest**self.gamma * (1 - self.gamma * np.exp(log_q) * log_ratio)


@dataclass(frozen=True)
class Poly1Loss:
    r"""Poly-1 loss: cross-entropy with its first Taylor term reweighted.

    .. math:: \varphi(q) = -\log q + \varepsilon (1 - q), \qquad g(q) = 1 + \varepsilon q

    Convex in the logits for epsilon <= 1.

    Parameters
    ----------
    epsilon : float, default=1.0
        Weight added to the term 1 - q, at least -1.

    Raises
    ------
    ValueError
        If epsilon is below -1 or not a finite number.

    References
    ----------
    Leng, Tan, Liu, Cubuk, Shi, Cheng and Anguelov (2022), "PolyLoss: a polynomial expansion perspective of
    classification loss functions", ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from skce.losses import Poly1Loss
    >>> q = np.array([0.25, 0.96])
    >>> Poly1Loss(epsilon=1.0).value(np.log(q), 1 - q).round(4)
    array([2.1363, 0.0808])
    """

    epsilon: float = 1.0

    def __post_init__(self) -> None:
        check_number("epsilon", self.epsilon, lambda epsilon: -1 <= epsilon < np.inf, "a finite number of at least -1")

    @property
    def is_convex(self) -> bool:
        """Whether the loss is convex in the logits: for epsilon <= 1."""
        return self.epsilon <= 1

    @property
    def cross_entropy_share(self) -> float:
        """Share of cross-entropy, 1 - abs(epsilon), that leaves the rest convex in the logits; 0 if there is none."""
        return max(1 - abs(self.epsilon), 0.0)

    def value(self, log_q: Array, rest: Array) -> Array:
        """Return phi(q), in nats.

        Parameters
        ----------
        log_q : ndarray
            Logarithm of the probability, at most 0; -inf stands for phi(0).
        rest : ndarray of the same shape
            One minus the probability, in [0, 1].

        Returns
        -------
        ndarray of the same shape
        """
        return -log_q + self.epsilon * rest

    def g(self, log_q: Array, rest: Array) -> Array:
        """Return g(q) = -q phi'(q).

        Parameters
        ----------
        log_q : ndarray
            Logarithm of the probability, at most 0.
        rest : ndarray of the same shape
            One minus the probability, in [0, 1].

        Returns
        -------
        ndarray of the same shape
        """
        return 1 + self.epsilon * np.exp(log_q)


@dataclass(frozen=True)
class GeneralizedCrossEntropy:
    r"""Generalised cross-entropy: bounded, so that a wrong label costs at most 1/r.

    .. math:: \varphi(q) = \frac{1 - q^r}{r}, \qquad g(q) = q^r

    It tends to cross-entropy as r tends to 0, and is the absolute error 1 - q at r = 1. Not convex in the logits.

    Parameters
    ----------
    r : float, default=0.7
        Exponent, in (0, 1]. The larger, the less a mislabelled sample pulls.

    Raises
    ------
    ValueError
        If r is not a number in (0, 1].

    References
    ----------
    Zhang and Sabuncu (2018),
    `"Generalized cross entropy loss for training deep neural networks with noisy labels"
    <https://arxiv.org/abs/1805.07836>`__,
    NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from skce.losses import GeneralizedCrossEntropy
    >>> q = np.array([0.25, 0.96])
    >>> GeneralizedCrossEntropy(r=0.5).value(np.log(q), 1 - q).round(4)
    array([1.    , 0.0404])
    """

    r: float = 0.7

    is_convex = False

    def __post_init__(self) -> None:
        check_number("r", self.r, lambda r: 0 < r <= 1, "a number in (0, 1]")

    def value(self, log_q: Array, rest: Array) -> Array:
        """Return phi(q).

        Parameters
        ----------
        log_q : ndarray
            Logarithm of the probability, at most 0; -inf stands for phi(0).
        rest : ndarray of the same shape
            One minus the probability, in [0, 1].

        Returns
        -------
        ndarray of the same shape
        """
        return -np.expm1(self.r * log_q) / self.r

    def g(self, log_q: Array, rest: Array) -> Array:
        """Return g(q) = -q phi'(q).

        Parameters
        ----------
        log_q : ndarray
            Logarithm of the probability, at most 0.
        rest : ndarray of the same shape
            One minus the probability, in [0, 1].

        Returns
        -------
        ndarray of the same shape
        """
        return np.exp(self.r * log_q)


def checked_loss(name: str, loss: Any, gamma: float = FocalLoss.gamma) -> Loss:
    """The loss that is given, or named, the focal one with ``gamma``; an error if it is none."""
    if isinstance(loss, str) and loss in LOSS_NAMES:
        return FocalLoss(gamma) if loss == "focal" else CrossEntropy()
    names = ", ".join(map(repr, LOSS_NAMES))
    message = f"{name} must be {names} or a loss object such as skce.losses.FocalLoss(gamma=2.0), got {loss!r}"
    if isinstance(loss, str):
        same = f"; {loss!r} is 'cross_entropy' here" if loss.lower() in NAMES_OF_CROSS_ENTROPY else ""
        raise InvalidParameterError(f"{message}{same}.")
    if isinstance(loss, type):
        raise InvalidParameterError(f"{message}, a class; pass an instance, {loss.__name__}().")
    lacking = [attribute for attribute in ("value", "g", "is_convex") if not hasattr(loss, attribute)]
    if lacking:
        raise InvalidParameterError(f"{message}, which has no {' and no '.join(lacking)}.")
    if not (callable(loss.value) and callable(loss.g)):
        lacking = "value" if not callable(loss.value) else "g"
        raise InvalidParameterError(f"{message}, whose {lacking} is no method.")
    check_boolean(f"is_convex of {name}", loss.is_convex)
    if type(loss) not in (CrossEntropy, FocalLoss, Poly1Loss, GeneralizedCrossEntropy):
        _check_what_it_returns(name, loss)
    return loss


def _check_what_it_returns(name, loss):
    """Raise unless a loss is finite numbers at some probabilities, and convex there as far as it says so."""
    log_q, rest = -np.logaddexp(0, -LOGITS_OF_CHECK), 1 / (1 + np.exp(LOGITS_OF_CHECK))
    with np.errstate(all="ignore"):
        returned = {
            "value": np.asarray(loss.value(log_q.copy(), rest.copy())),
            "g": np.asarray(loss.g(log_q.copy(), rest.copy())),
        }
    shapes = {"value": [log_q.shape], "g": [log_q.shape, ()]}  # a g that is one number for all q is none too little
    for method, numbers in returned.items():
        if numbers.shape not in shapes[method] or numbers.dtype.kind not in "biuf":
            raise InvalidParameterError(
                f"{method} of {name} must return an array of real numbers of the shape of log_q, {log_q.shape}, got "
                f"shape {numbers.shape} of {numbers.dtype}, from {loss!r}."
            )
        is_finite = np.broadcast_to(np.isfinite(numbers), log_q.shape)
        if not is_finite.all():
            at = np.argmin(is_finite)
            number = np.broadcast_to(numbers, log_q.shape)[at]
            raise InvalidParameterError(
                f"{method} of {name} must be finite for q in (0, 1), got {number} at q = {np.exp(log_q[at]):.3g}, from "
                f"{loss!r}."
            )
    share = cross_entropy_share(loss)
    check_number(f"cross_entropy_share of {name}", share, lambda share: 0 <= share < np.inf, "a number of at least 0")
    if loss.is_convex and (at := _where_not_convex(returned["g"], 0.0, rest)) is not None:
        raise InvalidParameterError(
            f"is_convex of {name} must be False unless g(q) is at least 0 and (1 - q) g(q) does not increase, got True "
            f"for a g that does otherwise at q = {np.exp(log_q[at]):.3g}, of {loss!r}."
        )
    if share and (at := _where_not_convex(returned["g"], share, rest)) is not None:
        raise InvalidParameterError(
            f"cross_entropy_share of {name} must be a share a without which the loss is still convex, so that g(q) - a "
            f"is at least 0 and (1 - q) (g(q) - a) does not increase, got {share!r}, for which it is not at "
            f"q = {np.exp(log_q[at]):.3g}, of {loss!r}."
        )


def _where_not_convex(g, share, rest):
    """Where phi(q) + share log q, of g(q) (n,) for rising q, is first seen not to be convex in the logits; None if so.

    It is convex for all targets of any number of classes if g - share is nowhere negative, and (1 - q) (g - share)
    nowhere increases.
    """
    slopes, sizes = rest * (g - share), ROUNDING_OF_G * rest * (np.abs(g) + share)
    is_seen = slopes < -sizes
    is_seen[1:] |= np.diff(slopes) > sizes[1:] + sizes[:-1]
    return np.argmax(is_seen) if is_seen.any() else None


def cross_entropy_share(loss: Loss) -> float:
    """The share ``a`` for which phi(q) + a log q is convex in the logits, as ``loss`` says; 0 if it does not."""
    return getattr(loss, "cross_entropy_share", 0.0)
