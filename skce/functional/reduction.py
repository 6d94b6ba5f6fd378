"""Reductions: from arrays of logits or probabilities and their weighted targets to one number, or one a row.

Targets T are those of the estimators: weighted first, then smoothed. Rows go through the loss of a link a block at a
time, and their losses l_i, of weight m_i = the sum of T over the outcomes of row i, are reduced to

    mean  sum l_i / sum m_i        batch_mean  sum l_i / n        sum  sum l_i        none  l_i

and the gradient with them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, Required, TypeAlias, TypedDict

import numpy as np

from skce._checks import InvalidParameterError, check_boolean, check_not_masked, check_number
from skce._labels.class_weight import class_weights
from skce._labels.kinds_of_y import HardLabels, Indicators, SoftLabels
from skce._labels.sample_weight import checked_sample_weight
from skce._links.targets import smoothed
from skce._slices import ELEMENTS_PER_BLOCK, ROWS_PER_BLOCK, row_slices
from skce._types import Array, ArrayLike, ArrayOrClassWeight, Averaged, Reduction

REDUCTIONS: tuple[Reduction, ...] = ("mean", "batch_mean", "sum", "none")

Kernel: TypeAlias = Callable[[Array, Array], tuple[Array, Array]]


class Weights(TypedDict, total=False):
    """Options of a function in its overloads: what weighs the targets."""

    class_weight: ArrayOrClassWeight
    label_smoothing: float
    sample_weight: ArrayLike | None


class One(Weights, total=False):
    """Those of which it makes one number."""

    reduction: Averaged
    return_gradient: Literal[False]


class OneAndGradient(Weights, total=False):
    """Those of which it makes one number, and the gradient."""

    reduction: Averaged
    return_gradient: Required[Literal[True]]


class Each(Weights, total=False):
    """Those of which it makes a number a row or an element."""

    reduction: Required[Literal["none"]]
    return_gradient: Literal[False]


class EachAndGradient(Weights, total=False):
    """Those of which it makes a number a row or an element, and the gradient."""

    reduction: Required[Literal["none"]]
    return_gradient: Required[Literal[True]]


def reduced_over_classes(
    kernel: Kernel,
    values: Array,
    labels: HardLabels | SoftLabels,
    *,
    class_weight: ArrayOrClassWeight,
    label_smoothing: float,
    sample_weight: ArrayLike | None,
    reduction: Reduction,
    return_gradient: bool,
) -> Any:
    """The reduced loss of ``values`` (..., K) whose K outcomes exclude each other; ``labels`` has their n rows.

    ``kernel`` maps a block of values and one of targets, both (K, m), to losses (m,) and a gradient (K, m).
    """
    _check_smoothing(label_smoothing)
    _check_reduction(reduction, return_gradient)
    *shape, n_classes = values.shape
    rows_of_values = values.reshape(-1, n_classes)
    n_rows = len(rows_of_values)
    sample_weight = _weights_like(sample_weight, tuple(shape)).reshape(n_rows)
    weight_of_class = _weights_of_classes(class_weight, labels.counts(sample_weight))
    sample_weight, scale_of_samples = _scaled(sample_weight)
    weight_of_class, scale_of_classes = _scaled(weight_of_class)
    losses, weights = np.empty(n_rows, values.dtype), np.empty(n_rows)
    gradient = np.empty(values.shape, values.dtype) if return_gradient else None
    for rows in _blocks(n_rows, n_classes):
        targets = smoothed(labels.weighted_block(rows, sample_weight, weight_of_class), label_smoothing)
        weights[rows] = targets.sum(axis=0)
        losses[rows], gradient_of_block = kernel(
            np.array(rows_of_values[rows].T, order="C"), targets.astype(values.dtype, copy=False)
        )
        if return_gradient:
            gradient.reshape(rows_of_values.shape)[rows] = gradient_of_block.T
    return _reduced(losses.reshape(shape), gradient, weights, reduction, scale_of_samples * scale_of_classes)


def reduced_over_elements(
    kernel: Kernel,
    values: Array,
    targets: Array,
    *,
    class_weight: ArrayOrClassWeight,
    label_smoothing: float,
    sample_weight: ArrayLike | None,
    reduction: Reduction,
    return_gradient: bool,
) -> Any:
    """The reduced loss of ``values`` (...) with two outcomes each; ``targets`` (...) are the shares of the first.

    ``kernel`` maps values (L, m) and targets (2, L, m), for and against, to losses and a gradient (L, m).
    """
    _check_smoothing(label_smoothing)
    _check_reduction(reduction, return_gradient)
    # A column a label; what has fewer or more axes is one column.
    matrix = values if values.ndim == 2 else values.reshape(-1, 1)
    shares = targets.reshape(matrix.shape)
    indicators = Indicators(shares)
    element_weight = _weights_like(sample_weight, values.shape, per_row=True).reshape(matrix.shape)
    weight_of_outcome = _weights_of_outcomes(class_weight, shares, element_weight, values.ndim)
    element_weight, scale_of_elements = _scaled(element_weight)
    weight_of_outcome, scale_of_outcomes = _scaled(weight_of_outcome)
    losses, weights = np.empty_like(matrix), np.empty(matrix.shape)
    gradient = np.empty(values.shape, values.dtype) if return_gradient else None
    ones = np.broadcast_to(1.0, len(matrix))
    for rows in _blocks(*matrix.shape):
        block = smoothed(indicators.weighted_block(rows, ones, weight_of_outcome), label_smoothing)
        block = block * element_weight[rows].T
        weights[rows] = block.sum(axis=0).T
        losses_of_block, gradient_of_block = kernel(
            np.array(matrix[rows].T, order="C"), block.astype(matrix.dtype, copy=False)
        )
        losses[rows] = losses_of_block.T
        if return_gradient:
            gradient.reshape(matrix.shape)[rows] = gradient_of_block.T
    scale = scale_of_elements * scale_of_outcomes
    return _reduced(losses.reshape(values.shape), gradient, weights, reduction, scale)


def reduced_unweighted(
    losses: Array, gradient: Callable[[], Array], *, reduction: Reduction, return_gradient: bool
) -> Any:
    """The reduction of losses (...) that weigh 1 each, and of the ``gradient()`` (..., K) that is asked for."""
    _check_reduction(reduction, return_gradient)
    weights = np.broadcast_to(1.0, losses.shape)
    return _reduced(losses, gradient() if return_gradient else None, weights, reduction, scale=1.0)


def _reduced(losses, gradient, weights, reduction, scale):
    """The reduction of ``scale`` times losses (...); with that of their gradient, unless it is None."""
    if reduction == "none":
        value, factor = (losses * scale).astype(losses.dtype, copy=False), scale
        value = float(value) if value.ndim == 0 else value
    else:
        divisor = {"mean": weights.sum(), "batch_mean": losses.size / scale, "sum": 1 / scale}[reduction]
        if divisor == 0:
            raise InvalidParameterError("reduction='mean' divides by the total weight, and class_weight makes that 0.")
        value, factor = float(losses.sum(dtype=np.float64) / divisor), 1 / divisor
    if gradient is None:
        return value
    return value, np.asarray(gradient * factor, dtype=gradient.dtype)


def _scaled(weights):
    """Weights divided by a power of two that brings their largest near 1, where float32 holds them; and that power."""
    largest = weights.max()
    scale = 2.0 ** np.floor(np.log2(largest)) if largest > 0 else 1.0
    return weights / scale, scale


def _check_smoothing(label_smoothing):
    """Raise unless the share that is smoothed is one."""
    check_number("label_smoothing", label_smoothing, lambda epsilon: 0 <= epsilon < 1, "a number in [0, 1)")


def _check_reduction(reduction, return_gradient):
    """Raise unless it is clear what to return."""
    if not (isinstance(reduction, str) and reduction in REDUCTIONS):
        raise InvalidParameterError(f"reduction must be one of {', '.join(map(repr, REDUCTIONS))}, got {reduction!r}.")
    check_boolean("return_gradient", return_gradient)


def _blocks(n_rows, n_columns):
    """Slices of rows that stay in the cache."""
    return row_slices(n_rows, max(ROWS_PER_BLOCK, ELEMENTS_PER_BLOCK // n_columns))


def _weights_like(sample_weight, shape, per_row=False):
    """Sample weights of a given shape, ones for None; with ``per_row`` one for each entry of the first axis will do."""
    if sample_weight is None:
        return np.broadcast_to(1.0, shape)
    check_not_masked("sample_weight", sample_weight)
    weights = np.asarray(sample_weight)
    if per_row and weights.ndim == 1 and len(shape) > 1 and len(weights) == shape[0]:
        weights = np.broadcast_to(weights.reshape(-1, *[1] * (len(shape) - 1)), shape)
    if weights.shape != shape:
        allowed = f"{shape} or {shape[:1]}" if per_row and len(shape) > 1 else f"{shape}"
        raise InvalidParameterError(f"sample_weight must have the shape {allowed}, got {weights.shape}.")
    n_weights = math.prod(shape)
    return checked_sample_weight(weights.reshape(n_weights), np.broadcast_to(0.0, (n_weights, 1))).reshape(shape)


def _weights_of_classes(class_weight, counts):
    """Class weights (K,): an array of them, or what the estimators take, the classes being 0 to K - 1."""
    if _is_array(class_weight):
        return _checked_class_weights(class_weight, len(counts))
    return class_weights(class_weight, np.arange(len(counts)), counts)


def _weights_of_outcomes(class_weight, shares, element_weight, n_axes):
    """Weights (2, L) for and against each label; of binary values, ``class_weight`` weighs the outcomes 0 and 1."""
    n_labels = shares.shape[1]
    if class_weight is None:
        return np.ones((2, n_labels))
    if n_axes > 2:
        raise InvalidParameterError("class_weight needs binary or multilabel values, of one or two axes.")
    if n_axes == 2 and _is_array(class_weight):
        return np.stack([_checked_class_weights(class_weight, n_labels), np.ones(n_labels)])
    counts = np.stack([(element_weight * share).sum(axis=0) for share in (shares, 1.0 - shares)])
    if n_axes == 2:
        return class_weights(class_weight, np.arange(n_labels), counts)
    # Outcome 0 is "against": (for, against) is turned into (0, 1), and back.
    return _weights_of_classes(class_weight, counts[::-1, 0])[::-1, None]


def _is_array(class_weight):
    """Whether ``class_weight`` is an array of weights, and not ("effective", beta)."""
    is_effective = isinstance(class_weight, tuple) and "effective" in class_weight
    return (isinstance(class_weight, list | tuple) or hasattr(class_weight, "__array__")) and not is_effective


def _checked_class_weights(class_weight, n_classes):
    """An array of class weights (K,), or an error."""
    check_not_masked("class_weight", class_weight)
    weights = np.asarray(class_weight)
    is_number = weights.dtype.kind in "biuf"
    if weights.shape != (n_classes,) or not (is_number and np.isfinite(weights).all() and (weights >= 0).all()):
        raise InvalidParameterError(
            f"class_weight must hold {n_classes} finite numbers of at least 0, one a class, got {class_weight!r}."
        )
    return weights.astype(float)
