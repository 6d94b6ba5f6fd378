"""The functions: what each checks, and the kernel it reduces."""

from __future__ import annotations

from typing import Any, Literal, Unpack, overload

import numpy as np
from scipy.special import entr, rel_entr

from skce._checks import InvalidParameterError
from skce._kernels.softmax import probability_losses_slopes, softmax_jacobians
from skce._links.multilabel import Multilabel
from skce._links.softmax import Softmax
from skce._types import Array, ArrayLike, ArrayOrClassWeight, Averaged, Loss, LossName, Reduction
from skce.functional.arrays import (
    checked_class_logits,
    checked_class_probabilities,
    checked_distributions,
    checked_hard_labels,
    checked_labels,
    checked_logits,
    checked_probabilities,
    checked_shares,
    checked_soft_labels,
)
from skce.functional.reduction import (
    Each,
    EachAndGradient,
    One,
    OneAndGradient,
    reduced_over_classes,
    reduced_over_elements,
    reduced_unweighted,
)
from skce.losses import CrossEntropy, FocalLoss, checked_loss


@overload
def cross_entropy(
    logits: ArrayLike, targets: ArrayLike, *, loss: Loss | LossName = ..., **options: Unpack[One]
) -> float: ...
@overload
def cross_entropy(
    logits: ArrayLike, targets: ArrayLike, *, loss: Loss | LossName = ..., **options: Unpack[OneAndGradient]
) -> tuple[float, Array]: ...
@overload
def cross_entropy(
    logits: ArrayLike, targets: ArrayLike, *, loss: Loss | LossName = ..., **options: Unpack[Each]
) -> Array: ...
@overload
def cross_entropy(
    logits: ArrayLike, targets: ArrayLike, *, loss: Loss | LossName = ..., **options: Unpack[EachAndGradient]
) -> tuple[Array, Array]: ...
def cross_entropy(
    logits: ArrayLike,
    targets: ArrayLike,
    *,
    loss: Loss | LossName = CrossEntropy(),
    class_weight: ArrayOrClassWeight = None,
    label_smoothing: float = 0.0,
    sample_weight: ArrayLike | None = None,
    reduction: Reduction = "mean",
    return_gradient: bool = False,
) -> Any:
    r"""Cross-entropy of softmax(logits), or another loss, with labels or distributions over the classes.

    With Q = softmax(logits) and targets T, weighted and smoothed as :mod:`skce.functional` says, row i costs

    .. math:: l_i = \sum_k T_{ik}\, \varphi(Q_{ik}), \qquad \varphi(q) = -\log q \text{ unless loss says otherwise.}

    Its gradient with respect to the logits is :math:`m_i Q_i - T_i`, which is Q - Y without weights; for any loss,
    :math:`Q_i \sum_k A_{ik} - A_i` with :math:`A = T \circ g(Q)`.

    Parameters
    ----------
    logits : array-like of shape (..., n_classes)
        Finite numbers, at least two classes; -inf for a class that a row rules out, which costs nothing there unless
        it has weight, and then phi(0), which is inf for cross-entropy.
    targets : array-like of shape (...) or (..., n_classes)
        Labels, whole numbers from 0 to n_classes - 1; or distributions over the classes, of two axes or more.
    loss : {"cross_entropy", "focal"} or loss object, default=CrossEntropy()
        "focal" stands for ``FocalLoss()``, of gamma 2. A loss object is one of ``skce.losses``, or your own.
    class_weight : array-like of shape (n_classes,), dict, "balanced", "effective", ("effective", beta) or None
        Weights of the classes, or how to find them in the targets: see :class:`skce.SoftmaxRegressor`.
    label_smoothing : float, default=0.0
        Share of each row's weight that is spread evenly over all classes, in [0, 1).
    sample_weight : array-like of shape (...), default=None
        Non-negative weights of the rows, not all 0; None stands for 1 each.
    reduction : {"mean", "batch_mean", "sum", "none"}, default="mean"
        By total weight, by the number of rows, or not divided, or not reduced.
    return_gradient : bool, default=False
        Whether to return the gradient as well.

    Returns
    -------
    value : float, or ndarray of shape (...) for reduction="none"
        In nats.
    gradient : ndarray of shape (..., n_classes)
        Derivative of the value with respect to the logits; only with ``return_gradient``.

    Raises
    ------
    ValueError
        If logits are NaN or inf, or all -inf in a row, targets are neither labels nor distributions, or an option is
        not allowed.

    See Also
    --------
    skce.SoftmaxRegressor : The classifier that minimises it.
    categorical_cross_entropy, sparse_categorical_cross_entropy : The same of probabilities.

    References
    ----------
    Bishop (2006), "Pattern recognition and machine learning", equations 4.108 and 4.109. Smoothing: Szegedy, Vanhoucke,
    Ioffe, Shlens and Wojna (2016),
    `"Rethinking the Inception architecture for computer vision"
    <https://arxiv.org/abs/1512.00567>`__, CVPR.

    Examples
    --------
    >>> from skce.functional import cross_entropy
    >>> logits = [[3.0, 0.5, 0.1], [0.1, 3.0, 0.2], [0.5, 0.4, 0.3], [0.8, 1.0, 0.9]]
    >>> round(cross_entropy(logits, [0, 1, 2, 0]), 6)
    0.660494
    >>> round(cross_entropy(logits, [0, 1, 2, 0], class_weight=[1, 1, 3]), 6)
    0.840977
    >>> value, gradient = cross_entropy([[2.0, 1.0]], [[0.5, 0.5]], return_gradient=True)
    >>> gradient.round(4)
    array([[ 0.2311, -0.2311]])
    """
    loss = checked_loss("loss", loss)
    logits = checked_class_logits(logits)
    return reduced_over_classes(
        Softmax().row_loss(loss).losses_gradient,
        logits,
        checked_labels(targets, logits.shape),
        class_weight=class_weight,
        label_smoothing=label_smoothing,
        sample_weight=sample_weight,
        reduction=reduction,
        return_gradient=return_gradient,
    )


@overload
def focal_loss(logits: ArrayLike, targets: ArrayLike, *, gamma: float = ..., **options: Unpack[One]) -> float: ...
@overload
def focal_loss(
    logits: ArrayLike, targets: ArrayLike, *, gamma: float = ..., **options: Unpack[OneAndGradient]
) -> tuple[float, Array]: ...
@overload
def focal_loss(logits: ArrayLike, targets: ArrayLike, *, gamma: float = ..., **options: Unpack[Each]) -> Array: ...
@overload
def focal_loss(
    logits: ArrayLike, targets: ArrayLike, *, gamma: float = ..., **options: Unpack[EachAndGradient]
) -> tuple[Array, Array]: ...
def focal_loss(
    logits: ArrayLike,
    targets: ArrayLike,
    *,
    gamma: float = 2.0,
    class_weight: ArrayOrClassWeight = None,
    label_smoothing: float = 0.0,
    sample_weight: ArrayLike | None = None,
    reduction: Reduction = "mean",
    return_gradient: bool = False,
) -> Any:
    """Focal loss of softmax(logits), phi(q) = -(1 - q)^gamma log q: ``cross_entropy`` with ``loss=FocalLoss(gamma)``.

    For the focal loss of sigmoids, see :func:`binary_cross_entropy_with_logits`.

    Parameters
    ----------
    logits, targets
        As for :func:`cross_entropy`.
    gamma : float, default=2.0
        Focusing exponent, at least 0; 0 is cross-entropy.
    class_weight, label_smoothing, sample_weight, reduction, return_gradient
        As for :func:`cross_entropy`. What the literature calls alpha is a class weight.

    Returns
    -------
    value : float, or ndarray of shape (...) for reduction="none"
        In nats.
    gradient : ndarray of shape (..., n_classes)
        Derivative of the value with respect to the logits; only with ``return_gradient``.

    Raises
    ------
    ValueError
        As for :func:`cross_entropy`, and if gamma is negative.

    References
    ----------
    Lin, Goyal, Girshick, He and Dollar (2017),
    `"Focal loss for dense object detection"
    <https://arxiv.org/abs/1708.02002>`__, ICCV.

    Examples
    --------
    >>> from skce.functional import cross_entropy, focal_loss
    >>> round(cross_entropy([3.0, 0.0, 0.0], 0), 6), round(focal_loss([3.0, 0.0, 0.0], 0), 6)
    (0.094923, 0.000778)
    """
    return cross_entropy(
        logits,
        targets,
        loss=FocalLoss(gamma),
        class_weight=class_weight,
        label_smoothing=label_smoothing,
        sample_weight=sample_weight,
        reduction=reduction,
        return_gradient=return_gradient,
    )


@overload
def binary_cross_entropy_with_logits(
    logits: ArrayLike, targets: ArrayLike, *, loss: Loss | LossName = ..., **options: Unpack[One]
) -> float: ...
@overload
def binary_cross_entropy_with_logits(
    logits: ArrayLike, targets: ArrayLike, *, loss: Loss | LossName = ..., **options: Unpack[OneAndGradient]
) -> tuple[float, Array]: ...
@overload
def binary_cross_entropy_with_logits(
    logits: ArrayLike, targets: ArrayLike, *, loss: Loss | LossName = ..., **options: Unpack[Each]
) -> Array: ...
@overload
def binary_cross_entropy_with_logits(
    logits: ArrayLike, targets: ArrayLike, *, loss: Loss | LossName = ..., **options: Unpack[EachAndGradient]
) -> tuple[Array, Array]: ...
def binary_cross_entropy_with_logits(
    logits: ArrayLike,
    targets: ArrayLike,
    *,
    loss: Loss | LossName = CrossEntropy(),
    class_weight: ArrayOrClassWeight = None,
    label_smoothing: float = 0.0,
    sample_weight: ArrayLike | None = None,
    reduction: Reduction = "mean",
    return_gradient: bool = False,
) -> Any:
    r"""Cross-entropy of sigmoid(logits), or another loss, element by element: binary and multilabel.

    With p = sigmoid(z) and a target t, an element costs

    .. math:: t\, \varphi(p) + (1 - t)\, \varphi(1 - p), \qquad
        \varphi(q) = -\log q \text{ unless loss says otherwise.}

    The derivative of cross-entropy with respect to z is p - t; that of any loss,
    :math:`(1 - t)\, p\, g(1 - p) - t\, (1 - p)\, g(p)`.

    Parameters
    ----------
    logits : array-like of shape (n_samples,) or (n_samples, n_labels), or any other
        Finite numbers, or -inf where the outcome 1 is ruled out.
    targets : array-like of the same shape
        Zeros and ones, or probabilities of the outcome 1.
    loss : {"cross_entropy", "focal"} or loss object, default=CrossEntropy()
        "focal" stands for ``FocalLoss()``, of gamma 2. A loss object is one of ``skce.losses``, or your own.
    class_weight : array-like, dict, "balanced", "effective", ("effective", beta) or None, default=None
        Of one axis: weights of the outcomes 0 and 1, an array of these two or a dict. Of two axes: weights of the
        positives of each label, an array of shape (n_labels,) (PyTorch's ``pos_weight``) or a dict from column to
        weight. The names balance each label's two sides. See :class:`skce.OneVsAllClassifier`.
    label_smoothing : float, default=0.0
        Share of each element's weight that is spread evenly over its two outcomes, in [0, 1).
    sample_weight : array-like of the same shape, or of shape (n_samples,), default=None
        Non-negative weights of the elements, or of the rows, not all 0; None stands for 1 each.
    reduction : {"mean", "batch_mean", "sum", "none"}, default="mean"
        By total weight, by the number of elements, or not divided, or not reduced.
    return_gradient : bool, default=False
        Whether to return the gradient as well.

    Returns
    -------
    value : float, or ndarray of the same shape for reduction="none"
        In nats.
    gradient : ndarray of the same shape
        Derivative of the value with respect to the logits; only with ``return_gradient``.

    Raises
    ------
    ValueError
        If logits are NaN or inf, targets are not in [0, 1], shapes differ or an option is not allowed.

    See Also
    --------
    skce.OneVsAllClassifier : The classifier that minimises it, and whose objective sums the labels of a row.
    binary_cross_entropy : The same of probabilities.

    References
    ----------
    Bishop (2006), "Pattern recognition and machine learning", equations 4.90 and 4.91.

    Examples
    --------
    >>> from skce.functional import binary_cross_entropy_with_logits
    >>> from skce.losses import FocalLoss
    >>> round(binary_cross_entropy_with_logits([2.0, -1.0], [1, 0]), 6)
    0.220095
    >>> round(binary_cross_entropy_with_logits([2.0, -1.0], [1, 0], loss=FocalLoss(2.0)), 6)
    0.012231
    """
    loss = checked_loss("loss", loss)
    logits = checked_logits(logits)
    return reduced_over_elements(
        Multilabel().row_loss(loss).losses_gradient,
        logits,
        checked_shares(targets, logits.shape),
        class_weight=class_weight,
        label_smoothing=label_smoothing,
        sample_weight=sample_weight,
        reduction=reduction,
        return_gradient=return_gradient,
    )


@overload
def binary_cross_entropy(probabilities: ArrayLike, targets: ArrayLike, **options: Unpack[One]) -> float: ...
@overload
def binary_cross_entropy(
    probabilities: ArrayLike, targets: ArrayLike, **options: Unpack[OneAndGradient]
) -> tuple[float, Array]: ...
@overload
def binary_cross_entropy(probabilities: ArrayLike, targets: ArrayLike, **options: Unpack[Each]) -> Array: ...
@overload
def binary_cross_entropy(
    probabilities: ArrayLike, targets: ArrayLike, **options: Unpack[EachAndGradient]
) -> tuple[Array, Array]: ...
def binary_cross_entropy(
    probabilities: ArrayLike,
    targets: ArrayLike,
    *,
    class_weight: ArrayOrClassWeight = None,
    label_smoothing: float = 0.0,
    sample_weight: ArrayLike | None = None,
    reduction: Reduction = "mean",
    return_gradient: bool = False,
) -> Any:
    """Cross-entropy of probabilities of the outcome 1, element by element: binary and multilabel.

    An element costs -t log p - (1 - t) log(1 - p), and its derivative with respect to p is (p - t) / (p (1 - p)). From
    logits, :func:`binary_cross_entropy_with_logits` is exact where a probability rounds to 0 or 1.

    Parameters
    ----------
    probabilities : array-like of shape (n_samples,) or (n_samples, n_labels), or any other
        In [0, 1].
    targets, class_weight, label_smoothing, sample_weight, reduction, return_gradient
        As for :func:`binary_cross_entropy_with_logits`.

    Returns
    -------
    value : float, or ndarray of the same shape for reduction="none"
        In nats; inf where p rules out what happened.
    gradient : ndarray of the same shape
        Derivative of the value with respect to the probabilities; only with ``return_gradient``.

    Raises
    ------
    ValueError
        If probabilities or targets are not in [0, 1], shapes differ or an option is not allowed.

    References
    ----------
    Bishop (2006), "Pattern recognition and machine learning", equation 4.90.

    Examples
    --------
    >>> from skce.functional import binary_cross_entropy
    >>> round(binary_cross_entropy([0.01, 0.99], [0, 1]), 8)
    0.01005034
    >>> value, gradient = binary_cross_entropy([0.2, 0.5], [0, 1], reduction="sum", return_gradient=True)
    >>> gradient
    array([ 1.25, -2.  ])
    """
    probabilities = checked_probabilities(
        "probabilities", probabilities, "; binary_cross_entropy_with_logits takes logits"
    )
    return reduced_over_elements(
        _binary_losses_slopes,
        probabilities,
        checked_shares(targets, probabilities.shape),
        class_weight=class_weight,
        label_smoothing=label_smoothing,
        sample_weight=sample_weight,
        reduction=reduction,
        return_gradient=return_gradient,
    )


@overload
def categorical_cross_entropy(probabilities: ArrayLike, targets: ArrayLike, **options: Unpack[One]) -> float: ...
@overload
def categorical_cross_entropy(
    probabilities: ArrayLike, targets: ArrayLike, **options: Unpack[OneAndGradient]
) -> tuple[float, Array]: ...
@overload
def categorical_cross_entropy(probabilities: ArrayLike, targets: ArrayLike, **options: Unpack[Each]) -> Array: ...
@overload
def categorical_cross_entropy(
    probabilities: ArrayLike, targets: ArrayLike, **options: Unpack[EachAndGradient]
) -> tuple[Array, Array]: ...
def categorical_cross_entropy(
    probabilities: ArrayLike,
    targets: ArrayLike,
    *,
    class_weight: ArrayOrClassWeight = None,
    label_smoothing: float = 0.0,
    sample_weight: ArrayLike | None = None,
    reduction: Reduction = "mean",
    return_gradient: bool = False,
) -> Any:
    """Cross-entropy of probabilities of the classes with distributions over them, one-hot or any: -sum_k y_k log p_k.

    The derivative with respect to p_k is -y_k / p_k, and 0 where y_k is 0. From logits, :func:`cross_entropy` is exact
    where a probability rounds to 0.

    Parameters
    ----------
    probabilities : array-like of shape (..., n_classes)
        In [0, 1], at least two classes. They are taken as they are: rows should sum to 1, and are not divided by it.
    targets : array-like of shape (..., n_classes)
        Distributions over the classes.
    class_weight, label_smoothing, sample_weight, reduction, return_gradient
        As for :func:`cross_entropy`.

    Returns
    -------
    value : float, or ndarray of shape (...) for reduction="none"
        In nats; inf where p rules out what happened.
    gradient : ndarray of shape (..., n_classes)
        Derivative of the value with respect to the probabilities, each by itself; only with ``return_gradient``.

    Raises
    ------
    ValueError
        If probabilities are not in [0, 1], targets are no distributions, shapes differ or an option is not allowed.

    See Also
    --------
    sparse_categorical_cross_entropy : The same with labels.

    References
    ----------
    Bishop (2006), "Pattern recognition and machine learning", equation 4.108.

    Examples
    --------
    >>> from skce.functional import categorical_cross_entropy
    >>> round(categorical_cross_entropy([[0.7, 0.2, 0.1]], [[0.5, 0.5, 0.0]]), 6)
    0.983056
    """
    probabilities = checked_class_probabilities(probabilities)
    return reduced_over_classes(
        _categorical_losses_slopes,
        probabilities,
        checked_soft_labels(targets, probabilities.shape),
        class_weight=class_weight,
        label_smoothing=label_smoothing,
        sample_weight=sample_weight,
        reduction=reduction,
        return_gradient=return_gradient,
    )


@overload
def sparse_categorical_cross_entropy(probabilities: ArrayLike, labels: ArrayLike, **options: Unpack[One]) -> float: ...
@overload
def sparse_categorical_cross_entropy(
    probabilities: ArrayLike, labels: ArrayLike, **options: Unpack[OneAndGradient]
) -> tuple[float, Array]: ...
@overload
def sparse_categorical_cross_entropy(probabilities: ArrayLike, labels: ArrayLike, **options: Unpack[Each]) -> Array: ...
@overload
def sparse_categorical_cross_entropy(
    probabilities: ArrayLike, labels: ArrayLike, **options: Unpack[EachAndGradient]
) -> tuple[Array, Array]: ...
def sparse_categorical_cross_entropy(
    probabilities: ArrayLike,
    labels: ArrayLike,
    *,
    class_weight: ArrayOrClassWeight = None,
    label_smoothing: float = 0.0,
    sample_weight: ArrayLike | None = None,
    reduction: Reduction = "mean",
    return_gradient: bool = False,
) -> Any:
    """Cross-entropy of probabilities of the classes with labels: -log of the probability of the label.

    The derivative with respect to the probability p of the label is -1 / p, and 0 for the others.

    Parameters
    ----------
    probabilities : array-like of shape (..., n_classes)
        In [0, 1], at least two classes. They are taken as they are: rows should sum to 1, and are not divided by it.
    labels : array-like of shape (...)
        Whole numbers from 0 to n_classes - 1.
    class_weight, label_smoothing, sample_weight, reduction, return_gradient
        As for :func:`cross_entropy`.

    Returns
    -------
    value : float, or ndarray of shape (...) for reduction="none"
        In nats; inf where the label has probability 0.
    gradient : ndarray of shape (..., n_classes)
        Derivative of the value with respect to the probabilities, each by itself; only with ``return_gradient``.

    Raises
    ------
    ValueError
        If probabilities are not in [0, 1], labels name no class, shapes differ or an option is not allowed.

    See Also
    --------
    categorical_cross_entropy : The same with distributions.
    sklearn.metrics.log_loss : The same with labels of any kind, and clipped probabilities.

    References
    ----------
    Bishop (2006), "Pattern recognition and machine learning", equation 4.108.

    Examples
    --------
    >>> from skce.functional import sparse_categorical_cross_entropy
    >>> round(sparse_categorical_cross_entropy([[0.25, 0.25, 0.25, 0.25], [0.01, 0.01, 0.02, 0.96]], [3, 3]), 6)
    0.713558
    """
    probabilities = checked_class_probabilities(probabilities)
    return reduced_over_classes(
        _categorical_losses_slopes,
        probabilities,
        checked_hard_labels("labels", labels, probabilities.shape),
        class_weight=class_weight,
        label_smoothing=label_smoothing,
        sample_weight=sample_weight,
        reduction=reduction,
        return_gradient=return_gradient,
    )


@overload
def entropy(p: ArrayLike, *, reduction: Literal["none"] = ..., return_gradient: Literal[False] = ...) -> Any: ...
@overload
def entropy(p: ArrayLike, *, reduction: Averaged, return_gradient: Literal[False] = ...) -> float: ...
@overload
def entropy(p: ArrayLike, *, reduction: Reduction = ..., return_gradient: Literal[True]) -> tuple[Any, Array]: ...
def entropy(p: ArrayLike, *, reduction: Reduction = "none", return_gradient: bool = False) -> Any:
    """Entropy of distributions, H(p) = -sum_k p_k log p_k: their cross-entropy with themselves.

    The derivative with respect to p_k is -log p_k - 1.

    Parameters
    ----------
    p : array-like of shape (..., n_classes)
        Distributions over the classes.
    reduction : {"none", "mean", "batch_mean", "sum"}, default="none"
        What to make of the entropies of several distributions.
    return_gradient : bool, default=False
        Whether to return the gradient as well.

    Returns
    -------
    value : float, or ndarray of shape (...) for reduction="none"
        In nats, from 0 to log n_classes; divide by ``log(2)`` for bits.
    gradient : ndarray of shape (..., n_classes)
        Derivative of the value with respect to p; only with ``return_gradient``.

    Raises
    ------
    ValueError
        If p is no distribution or an option is not allowed.

    References
    ----------
    Shannon (1948),
    `"A mathematical theory of communication"
    <https://doi.org/10.1002/j.1538-7305.1948.tb01338.x>`__, Bell System Technical Journal 27.

    Examples
    --------
    >>> import numpy as np
    >>> from skce.functional import entropy
    >>> (entropy([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]]) / np.log(2)).round(6)
    array([1. , 1.5])
    """
    p = checked_distributions("p", p)

    def gradient():
        with np.errstate(divide="ignore"):
            return -np.log(p) - 1

    return reduced_unweighted(entr(p).sum(axis=-1), gradient, reduction=reduction, return_gradient=return_gradient)


@overload
def kl_divergence(
    p: ArrayLike, q: ArrayLike, *, reduction: Literal["none"] = ..., return_gradient: Literal[False] = ...
) -> Any: ...
@overload
def kl_divergence(
    p: ArrayLike, q: ArrayLike, *, reduction: Averaged, return_gradient: Literal[False] = ...
) -> float: ...
@overload
def kl_divergence(
    p: ArrayLike, q: ArrayLike, *, reduction: Reduction = ..., return_gradient: Literal[True]
) -> tuple[Any, Array]: ...
def kl_divergence(p: ArrayLike, q: ArrayLike, *, reduction: Reduction = "none", return_gradient: bool = False) -> Any:
    """Kullback-Leibler divergence KL(p || q) = sum_k p_k log(p_k / q_k) of q from the true p.

    It is the cross-entropy of q with p less the entropy of p, and so has the derivative -p_k / q_k with
    respect to q_k.

    Parameters
    ----------
    p : array-like of shape (..., n_classes)
        True distributions over the classes.
    q : array-like of shape (..., n_classes)
        The distributions that stand for them.
    reduction : {"none", "mean", "batch_mean", "sum"}, default="none"
        What to make of the divergences of several distributions.
    return_gradient : bool, default=False
        Whether to return the gradient as well.

    Returns
    -------
    value : float, or ndarray of shape (...) for reduction="none"
        In nats, at least 0, and 0 for p = q; inf where q rules out what p does not. Divide by ``log(2)`` for bits.
    gradient : ndarray of shape (..., n_classes)
        Derivative of the value with respect to q; only with ``return_gradient``.

    Raises
    ------
    ValueError
        If p or q is no distribution, shapes differ or an option is not allowed.

    References
    ----------
    Kullback and Leibler (1951),
    `"On information and sufficiency"
    <https://doi.org/10.1214/aoms/1177729694>`__, Annals of Mathematical Statistics 22.

    Examples
    --------
    >>> from skce.functional import kl_divergence
    >>> round(kl_divergence([0.5, 0.5], [0.9, 0.1]), 6), round(kl_divergence([0.9, 0.1], [0.5, 0.5]), 6)
    (0.510826, 0.368064)
    """
    p, q = checked_distributions("p", p), checked_distributions("q", q)
    if p.shape != q.shape:
        raise InvalidParameterError(f"p and q must have the same shape, got {p.shape} and {q.shape}.")

    def gradient():
        _, slopes = _categorical_losses_slopes(np.moveaxis(q, -1, 0), np.moveaxis(p, -1, 0))
        return np.moveaxis(slopes, 0, -1)

    divergence = np.maximum(rel_entr(p, q).sum(axis=-1), 0)  # rounding may leave less
    return reduced_unweighted(divergence, gradient, reduction=reduction, return_gradient=return_gradient)


def softmax_jacobian(logits: ArrayLike) -> Array:
    """Jacobian of softmax(logits): d q_j / d z_k = q_j (1[j = k] - q_k), that is diag q - q q^T.

    It is symmetric, positive semi-definite, and its rows sum to 0, since a shift of all logits changes no probability.

    Parameters
    ----------
    logits : array-like of shape (..., n_classes)
        Finite numbers, at least two classes; -inf for a class that a row rules out.

    Returns
    -------
    ndarray of shape (..., n_classes, n_classes)

    Raises
    ------
    ValueError
        If logits are NaN or inf, or all -inf in a row, or of one class.

    References
    ----------
    Bishop (2006), "Pattern recognition and machine learning", equation 4.106.

    Examples
    --------
    >>> from skce.functional import softmax_jacobian
    >>> softmax_jacobian([1.0, 2.0, 3.0]).round(4)
    array([[ 0.0819, -0.022 , -0.0599],
           [-0.022 ,  0.1848, -0.1628],
           [-0.0599, -0.1628,  0.2227]])
    """
    logits = checked_class_logits(logits)
    n_classes = logits.shape[-1]
    jacobians = softmax_jacobians(np.array(logits.reshape(-1, n_classes).T, order="C"))
    return np.ascontiguousarray(jacobians).reshape(*logits.shape, n_classes)


def _categorical_losses_slopes(probabilities, targets):
    """Losses (m,) and slopes (K, m) of cross-entropy in probabilities (K, m)."""
    with np.errstate(divide="ignore"):
        log_probabilities = np.log(probabilities)
    return probability_losses_slopes(log_probabilities, probabilities, 1 - probabilities, targets, CrossEntropy())


def _binary_losses_slopes(probabilities, targets):
    """Losses and slopes, each (L, m), of cross-entropy in probabilities (L, m) of the first of two outcomes."""
    q = np.stack([probabilities, 1 - probabilities])
    with np.errstate(divide="ignore"):
        log_q = np.stack([np.log(probabilities), np.log1p(-probabilities)])
    losses, (slope_for, slope_against) = probability_losses_slopes(log_q, q, q[::-1], targets, CrossEntropy())
    return losses, slope_for - slope_against
