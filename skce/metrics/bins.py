"""Bins of similar predictions: how many there are, what they predict on average, and what happened on average."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import norm
from sklearn.utils import check_consistent_length

from skce._checks import InvalidParameterError, check_integer, check_not_masked
from skce._labels.places import listed, places_of
from skce._labels.reading import (
    Names,
    are_in_order,
    is_indicator,
    read_indicator,
    read_labels,
    rounding_of_probabilities,
)
from skce._labels.sample_weight import checked_sample_weight
from skce._types import Array, ArrayLike, BinStrategy
from skce.functional.arrays import checked_probabilities


@dataclass(frozen=True)
class Bins:
    """Bins of predictions, those that have any: all (n_bins,).

    ``lower`` and ``upper`` are their edges, ``weight`` that of their samples, ``prediction`` and ``outcome`` the means,
    ``size`` how many samples of equal weight would tell as much, and ``variance`` that of ``gap``, as estimated from
    the samples; 0 where there is but one.
    """

    lower: Array
    upper: Array
    weight: Array
    prediction: Array
    outcome: Array
    size: Array
    variance: Array

    @property
    def gap(self) -> Array:
        """Mean outcome less mean prediction (n_bins,)."""
        return self.outcome - self.prediction

    @property
    def error(self) -> float:
        """Mean size of the gaps."""
        return float(np.average(np.abs(self.gap), weights=self.weight))

    def interval(self, confidence: float) -> tuple[Array, Array]:
        """Wilson's interval of the frequency of the outcome: lower and upper ends (n_bins,)."""
        z = norm.ppf((1 + confidence) / 2)
        shrinkage = 1 + z**2 / self.size
        centre = (self.outcome + z**2 / (2 * self.size)) / shrinkage
        half = z * np.sqrt(self.outcome * (1 - self.outcome) / self.size + (z / (2 * self.size)) ** 2) / shrinkage
        return centre - half, centre + half


def binned(prediction: Array, outcome: Array, weight: Array, n_bins: int, strategy: BinStrategy) -> tuple[Bins, Array]:
    """Bins of predictions (n,) and outcomes (n,), all in [0, 1], of weights (n,) above 0; and the bin (n,) of each."""
    if strategy == "uniform":
        edges = np.linspace(0, 1, n_bins + 1)[1:-1]
    else:
        order = np.argsort(prediction, kind="stable")
        cumulative = np.cumsum(weight[order])
        shares = cumulative[-1] * np.arange(1, n_bins) / n_bins
        edges = np.unique(prediction[order][np.searchsorted(cumulative, shares)])
    present, index = np.unique(np.searchsorted(edges, prediction), return_inverse=True)

    def total(values):
        return np.bincount(index, weights=weight * values, minlength=len(present))

    weights = total(np.ones(len(weight)))
    mean_prediction, mean_outcome = total(prediction) / weights, total(outcome) / weights
    size = np.maximum(weights**2 / total(weight), 1.0)
    residual = outcome - prediction - (mean_outcome - mean_prediction)[index]
    variance = total(residual**2) / weights / np.where(size > 1, size - 1, np.inf)
    ends = np.concatenate([[0.0], edges, [1.0]])
    bins = Bins(ends[present], ends[present + 1], weights, mean_prediction, mean_outcome, size, variance)
    return bins, index


@dataclass(frozen=True)
class Outcomes:
    """What happened: ``matrix`` (n, K), one-hot or soft; the rows of a multilabel one need not sum to 1.

    ``positive`` is the place of the one of two classes that says it all.
    """

    matrix: Array
    classes: Array
    is_multilabel: bool
    positive: int = 1

    @property
    def places_shown(self) -> list[int]:
        """Places of the classes that have something of their own to show: all, or the positive one of two."""
        return [self.positive] if len(self.classes) == 2 and not self.is_multilabel else list(range(len(self.classes)))


def top_label(outcomes: Array, probabilities: Array) -> tuple[Array, Array]:
    """Probability of the predicted class (n,), and the share of the outcome that it has (n,)."""
    predicted = probabilities.argmax(axis=1)
    rows = np.arange(len(predicted))
    return probabilities[rows, predicted], outcomes[rows, predicted]


def is_off_one(probabilities: Array) -> Array:
    """Whether each row (n,) of probabilities sums to something else than 1, by more than rounding."""
    return np.abs(probabilities.sum(axis=1) - 1) > rounding_of_probabilities(probabilities.dtype)


def read_outcomes(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    sample_weight: ArrayLike | None,
    labels: ArrayLike | None,
    pos_label: Any = None,
) -> tuple[Outcomes, Array, Array]:
    """Outcomes, probabilities (n, K) and weights (n,) of the samples that weigh anything.

    One column of probabilities is that of ``pos_label``, of the second of two classes for None.
    """
    probabilities = checked_probabilities("y_proba", y_proba)
    if probabilities.ndim == 2 and probabilities.shape[1] == 1:
        probabilities = probabilities[:, 0]
    is_one_column = probabilities.ndim == 1
    if is_one_column:
        probabilities = np.stack([1 - probabilities, probabilities], axis=1)
    if probabilities.ndim != 2:
        raise InvalidParameterError(f"y_proba must have one or two axes, got shape {probabilities.shape}.")
    check_not_masked("y_true", y_true)
    check_consistent_length(y_true, probabilities)
    off = is_off_one(probabilities)
    indicator = _indicator_of(y_true) if labels is None else None
    if indicator is not None and (off.any() or (indicator.matrix.sum(axis=1) != 1).any()):
        outcomes = indicator
    elif off.any():
        raise InvalidParameterError(
            f"y_proba must have rows that sum to 1, unless y_true is a multilabel indicator; row {off.argmax()} sums "
            f"to {probabilities[off.argmax()].sum():.6g}."
        )
    else:
        classes, read = read_labels(y_true, labels, Names(y="y_true", classes="labels"))
        if labels is not None and not are_in_order(labels, classes):
            raise InvalidParameterError(
                f"labels must be sorted, as the columns of y_proba are to be, got {list(labels)}; put both in that "
                "order."
            )
        matrix = read.weighted_block(slice(None), np.ones(len(probabilities)), np.ones(len(classes))).T
        outcomes = Outcomes(matrix, classes, is_multilabel=False)
    if outcomes.matrix.shape != probabilities.shape:
        raise InvalidParameterError(
            f"y_proba has {probabilities.shape[1]} columns, but y_true and labels give {outcomes.matrix.shape[1]} "
            f"classes, {listed(outcomes.classes)}; name all classes in labels."
        )
    probabilities = _by_name(y_proba, probabilities, outcomes.classes)
    if pos_label is not None:
        outcomes = replace(outcomes, positive=_place_of_positive(pos_label, outcomes, is_one_column))
        if outcomes.positive == 0:
            probabilities = probabilities[:, ::-1]
    weight = checked_sample_weight(sample_weight, probabilities)
    counts = weight > 0
    if not counts.all():
        outcomes, probabilities, weight = (
            replace(outcomes, matrix=outcomes.matrix[counts]),
            probabilities[counts],
            weight[counts],
        )
    return outcomes, probabilities.astype(float), weight


def _place_of_positive(pos_label, outcomes, is_one_column):
    """The place, 0 or 1, of the class that the one column of probabilities is of, or an error."""
    if not is_one_column or outcomes.is_multilabel:
        raise InvalidParameterError(
            f"pos_label says of which of two classes a y_proba of one column is, got {pos_label!r} for a y_proba of "
            "several, or for a multilabel y_true; leave it out."
        )
    (place,) = places_of([pos_label], outcomes.classes).tolist()
    if place < 0:
        raise InvalidParameterError(
            f"pos_label must be one of the labels, {listed(outcomes.classes)}, got {pos_label!r}."
        )
    return place


def _by_name(y_proba, probabilities, classes):
    """Probabilities (n, K) with the columns of a DataFrame that names the classes in the order of these."""
    names = list(getattr(y_proba, "columns", []))
    places = places_of(names, classes)
    # Places that are all of 0, ..., K - 1, sorted, are the columns by class.
    order = np.argsort(places)
    return probabilities[:, order] if np.array_equal(places[order], np.arange(len(classes))) else probabilities


def _indicator_of(y_true):
    """The Outcomes of a multilabel indicator; None if y_true is none."""
    if not is_indicator(y_true):
        return None
    classes, indicators = read_indicator(y_true)
    return Outcomes(indicators.toarray(), classes, is_multilabel=True)


def checked_bins(n_bins: Any, strategy: Any) -> tuple[int, BinStrategy]:
    """The options of bins, or an error."""
    check_integer("n_bins", n_bins, 1)
    if not (isinstance(strategy, str) and strategy in ("uniform", "quantile")):
        raise InvalidParameterError(f"strategy must be 'uniform' or 'quantile', got {strategy!r}.")
    return n_bins, strategy
