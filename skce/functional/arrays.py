"""What a function takes as an array: numbers, probabilities, distributions or labels, or an error that names it."""

from __future__ import annotations

from typing import Any

import numpy as np

from skce._checks import InvalidParameterError, check_not_masked
from skce._labels.arrays import check_no_label_is_missing, floats, label_array
from skce._labels.kinds_of_y import HardLabels, SoftLabels
from skce._labels.reading import rounding_of_probabilities
from skce._types import Array

RAVEL_HINT = " (a column, of which ravel() makes labels)"


def checked_numbers(name: str, array: Any) -> Array:
    """``array`` as finite floats, float32 kept, anything else float64."""
    numbers = _floats(name, array)
    _check_everywhere(np.isfinite(numbers), numbers, f"{name} must be finite")
    return numbers


def checked_logits(logits: Any) -> Array:
    """Logits, of any shape, finite but where they rule out an outcome: there they are -inf."""
    logits = _floats("logits", logits)
    _check_everywhere(logits < np.inf, logits, "logits must be finite, or -inf for what cannot happen")
    return logits


def checked_class_logits(logits: Any) -> Array:
    """Logits (..., K) with K of at least 2, of which no row rules out every class."""
    logits = checked_logits(logits)
    _check_has_classes("logits", logits, hint="; those of one outcome are for binary_cross_entropy_with_logits")
    largest = logits.max(axis=-1)
    _check_everywhere(np.isfinite(largest), largest, "logits must leave a class in each row, not all of them -inf")
    return logits


def _floats(name, array):
    """``array`` as floats, float32 kept, anything else float64; not empty."""
    check_not_masked(name, array)
    try:
        numbers = np.asarray(array)
        if numbers.dtype.kind == "O":
            numbers = floats(numbers)
    except (TypeError, ValueError) as error:
        raise InvalidParameterError(f"{name} must be an array of numbers, got {array!r}.") from error
    if numbers.dtype.kind not in "biuf":
        raise InvalidParameterError(f"{name} must be an array of real numbers, got dtype {numbers.dtype}.")
    if numbers.size == 0:
        raise InvalidParameterError(f"{name} must not be empty, got shape {numbers.shape}.")
    if numbers.dtype != np.float32:
        numbers = numbers.astype(np.float64, copy=False)
    return numbers


def checked_probabilities(name: str, array: Any, hint: str = "") -> Array:
    """An array of numbers in [0, 1], where those that rounding put outside are moved to."""
    numbers = checked_numbers(name, array)
    rounding = rounding_of_probabilities(np.asarray(array).dtype)
    is_allowed = (numbers >= -rounding) & (numbers <= 1 + rounding)
    _check_everywhere(is_allowed, numbers, f"{name} must be in [0, 1]", hint)
    return numbers if numbers.min() >= 0 and numbers.max() <= 1 else np.clip(numbers, 0, 1)


def checked_class_probabilities(probabilities: Any) -> Array:
    """Probabilities (..., K), K of at least 2, whose rows may sum to something else than 1."""
    probabilities = checked_probabilities("probabilities", probabilities, "; cross_entropy takes logits")
    _check_has_classes("probabilities", probabilities, hint="; those of one outcome are for binary_cross_entropy")
    return probabilities


def checked_distributions(name: str, array: Any) -> Array:
    """An array (..., K) whose rows are distributions, K of at least 2."""
    numbers = checked_probabilities(name, array)
    _check_has_classes(name, numbers)
    sums = numbers.sum(axis=-1)
    is_near = np.abs(sums - 1) <= rounding_of_probabilities(np.asarray(array).dtype)
    _check_everywhere(is_near, sums, f"{name} must be distributions, whose rows sum to 1")
    return numbers


def checked_shares(targets: Any, shape: tuple[int, ...]) -> Array:
    """Targets of the given shape in [0, 1]."""
    targets = checked_probabilities("targets", targets)
    if targets.shape != shape:
        raise InvalidParameterError(f"targets must have the shape of the predictions, {shape}, got {targets.shape}.")
    return targets


def checked_labels(targets: Any, shape: tuple[int, ...]) -> HardLabels | SoftLabels:
    """HardLabels or SoftLabels of targets for logits of shape (..., K), by the number of axes."""
    try:
        n_axes = np.ndim(targets)
    except ValueError as error:
        raise InvalidParameterError(f"targets must be an array, got rows of different lengths: {targets!r}.") from error
    if n_axes == len(shape) == 1:
        raise InvalidParameterError(
            f"targets of one axis are ambiguous for logits of one axis: for {shape[0]} binary logits use "
            "binary_cross_entropy_with_logits, for one row of logits put both in another pair of brackets."
        )
    if n_axes == len(shape):
        return checked_soft_labels(targets, shape)
    return checked_hard_labels("targets", targets, shape)


def checked_hard_labels(name: str, labels: Any, shape: tuple[int, ...]) -> HardLabels:
    """HardLabels for predictions of shape (..., K)."""
    check_not_masked(name, labels)
    labels, n_classes = label_array(labels), shape[-1]
    if labels.shape != shape[:-1]:
        raise InvalidParameterError(
            f"{name} must be labels of shape {shape[:-1]}, one for each row of predictions of shape {shape}, got shape "
            f"{labels.shape}{RAVEL_HINT * (labels.shape[-1:] == (1,))}; predictions come first, labels second."
        )
    check_no_label_is_missing(labels, name)
    is_label = np.isin(labels, np.arange(n_classes))
    if not is_label.all():
        raise InvalidParameterError(
            f"{name} must be whole numbers from 0 to {n_classes - 1}, got {labels[~is_label].tolist()[0]!r}; "
            "np.unique(labels, return_inverse=True) numbers labels of any kind."
        )
    return HardLabels(labels.reshape(-1).astype(np.intp), n_classes)


def checked_soft_labels(targets: Any, shape: tuple[int, ...]) -> SoftLabels:
    """SoftLabels for predictions of shape (..., K)."""
    targets = checked_numbers("targets", targets)
    if targets.shape != shape:
        raise InvalidParameterError(
            f"targets must be distributions of the shape of the predictions, {shape}, got {targets.shape}"
            f"{RAVEL_HINT * (targets.shape[-1:] == (1,))}; predictions come first, targets second; with labels, "
            "cross_entropy is the function for logits, sparse_categorical_cross_entropy for probabilities."
        )
    return SoftLabels(checked_distributions("targets", targets).reshape(-1, shape[-1]))


def _check_has_classes(name, numbers, hint=""):
    """Raise unless the last axis is that of two classes or more."""
    if numbers.ndim == 0 or numbers.shape[-1] < 2:
        raise InvalidParameterError(
            f"{name} must have two classes or more along the last axis, got shape {numbers.shape}{hint}."
        )


def _check_everywhere(is_allowed, numbers, requirement, hint=""):
    """Raise with the first of ``numbers`` where ``is_allowed`` is False, and its place."""
    if not is_allowed.all():
        where = tuple(np.argwhere(~is_allowed)[0].tolist())
        raise InvalidParameterError(
            f"{requirement}; got {float(numbers[where])!r}{f' at {where}' if where else ''}{hint}."
        )
