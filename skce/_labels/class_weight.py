"""Class weights: what the parameter ``class_weight`` asks for, as an array.

``counts`` are weighted counts of the outcomes that exclude each other, along the first axis: (K,) of the classes, or
(2, L) for and against each of L labels. With N their sum, taken over outcomes that occur,

    balanced     w_k = N / (number of outcomes * n_k)
    effective    w_k in proportion to (1 - beta) / (1 - beta^n_k), scaled so that sum n_k w_k = N
"""

import numpy as np
from scipy.special import xlogy

from skce._checks import InvalidParameterError, check_number
from skce._labels.places import listed, places_of

# The middle of the values that Cui et al. (2019) tried: 0.9, 0.99, 0.999, 0.9999.
EFFECTIVE_BETA = 0.999


def class_weights(class_weight, classes, counts):
    """Weights of the shape of ``counts``; a dict over labels weighs their positives."""
    if hasattr(class_weight, "to_dict"):  # a Series, whose index names the classes
        class_weight = _dict_of(class_weight)
    if class_weight is None:
        return np.ones_like(counts)
    if isinstance(class_weight, dict):
        weights = _weights_from_dict(class_weight, classes)
        return weights if counts.ndim == 1 else np.stack([weights, np.ones_like(weights)])
    if isinstance(class_weight, str) and class_weight == "balanced":
        return _balanced_weights(counts)
    if isinstance(class_weight, str) and class_weight == "effective":
        return _effective_weights(counts, EFFECTIVE_BETA)
    if isinstance(class_weight, tuple) and len(class_weight) == 2 and class_weight[0] == "effective":
        beta = class_weight[1]
        check_number("class_weight: beta of ('effective', beta)", beta, lambda beta: 0 <= beta < 1, "in [0, 1)")
        return _effective_weights(counts, beta)
    raise InvalidParameterError(
        "class_weight must be None, a dict or a Series from class to weight, 'balanced', 'effective' or ('effective', "
        f"beta), got {class_weight!r}."
    )


def _dict_of(series):
    """A Series from class to weight as a dict, or an error if a class stands in its index twice."""
    weights = series.to_dict()
    if len(weights) < len(series):
        raise InvalidParameterError(f"class_weight must name each class once, got the index {list(series.index)}.")
    return weights


def _balanced_weights(counts):
    """Weights that give every outcome that occurs the same total weight."""
    occurs = counts > 0
    even_share = counts.sum(axis=0) / np.maximum(occurs.sum(axis=0), 1)
    return np.divide(even_share, counts, out=np.ones_like(counts), where=occurs)


def _effective_weights(counts, beta):
    """Weights inverse to the effective number of samples (Cui et al. 2019), of mean 1 over the samples."""
    occurs = counts > 0
    effective_counts = -np.expm1(xlogy(counts, beta))
    weights = np.divide(1, effective_counts, out=np.ones_like(counts), where=occurs)
    total = (counts * weights).sum(axis=0)
    scale = np.divide(counts.sum(axis=0), total, out=np.ones_like(total), where=total > 0)
    return np.where(occurs, weights * scale, 1.0)


def _weights_from_dict(class_weight, classes):
    """Weights (K,) from a dict; a class that it leaves out weighs 1, unless another key names no class."""
    for key, weight in class_weight.items():
        check_number(
            f"class_weight[{key!r}]", weight, lambda weight: 0 <= weight < np.inf, "a finite number, at least 0"
        )
    places = places_of(list(class_weight), classes)
    is_left_out = ~np.isin(np.arange(len(classes)), places)
    unknown = [key for key, place in zip(class_weight, places, strict=True) if place < 0]
    if is_left_out.any() and unknown:
        raise InvalidParameterError(
            f"class_weight must have classes for keys, but {unknown} are none; the classes are {listed(classes)}, as "
            f"y has them, and {listed(classes[is_left_out])} would be left without a weight."
        )
    weight_at = dict(zip(places.tolist(), class_weight.values(), strict=True))
    return np.array([weight_at.get(place, 1.0) for place in range(len(classes))], dtype=float)
