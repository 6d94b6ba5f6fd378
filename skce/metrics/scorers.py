"""Scorers: log loss, and binary log loss for multilabel models, that know the classes of the model they score.

scikit-learn's own "neg_log_loss" sees labels and probabilities but not the classes that these belong to: a test fold
that lacks a class gives nan, and a grid search then returns its first candidate. These scorers ask the estimator.
They go wherever scikit-learn takes a scorer (to a ScoringMonitor in a dict), and carry ``sample_weight`` by metadata
routing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import xlogy
from sklearn.metrics import log_loss
from sklearn.utils import check_consistent_length
from sklearn.utils.metadata_routing import MetadataRequest

from skce._checks import check_not_masked
from skce._labels.arrays import can_be_sorted_together
from skce._labels.places import listed, places_of
from skce._labels.reading import aligned_indicator, checked_labels, distinct_labels, has_columns, read_labels
from skce._labels.sample_weight import checked_sample_weight
from skce._rows.engines import engine_of
from skce._types import ArrayLike
from skce.metrics.columns import sorted_columns

__all__ = ["neg_binary_log_loss_scorer", "neg_log_loss_scorer"]


@dataclass(frozen=True, repr=False)
class _Scorer:
    """A callable (estimator, X, y) -> float that may request ``sample_weight``."""

    sample_weight_request: bool | str | None = None

    # What scikit-learn's displays call the scores of a function.
    __name__: ClassVar[str]

    def __repr__(self) -> str:
        """What makes the scorer, as scikit-learn's print ``make_scorer(...)``."""
        request = self.sample_weight_request
        requested = "" if request is None else f".set_score_request(sample_weight={request!r})"
        return f"{self.__name__}_scorer{requested}"

    def set_score_request(self, *, sample_weight: bool | str | None) -> Self:
        """Return a scorer that requests ``sample_weight``, for metadata routing; this one stays as it is.

        Parameters
        ----------
        sample_weight : bool, str or None
            True to request it, False to ignore it, a name to request metadata of that name, None to raise if given.

        Returns
        -------
        scorer
        """
        return replace(self, sample_weight_request=sample_weight)

    def get_metadata_routing(self) -> MetadataRequest:
        """Return the ``MetadataRequest`` of the scorer."""
        request = MetadataRequest(owner=self)
        request.score.add_request(param="sample_weight", alias=self.sample_weight_request)
        return request


class NegLogLossScorer(_Scorer):
    """Negative log loss (cross-entropy), in nats: the mean of sum_k y_ik log p_ik. Higher is better, 0 is best.

    On labels it is ``-sklearn.metrics.log_loss(...)``, which clips probabilities to [eps, 1 - eps] of their dtype.
    Unlike scikit-learn's scorer it takes the classes of the columns from ``estimator.classes_``, sorted or not, so that
    y may lack some, and a label that the estimator has never seen counts as predicted with probability 0 (clipped
    likewise). y may be soft labels: an array of distributions over ``estimator.classes_``, if these are sorted, or a
    DataFrame whose columns name classes.

    Raises
    ------
    ValueError
        If y is neither labels nor distributions, if sample_weight is none that a fit takes, or if the
        probabilities do not sum to 1 (a multilabel model).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skce import SoftmaxRegressor
    >>> from skce.metrics import neg_log_loss_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> search = GridSearchCV(SoftmaxRegressor(), {"C": [0.01, 1]}, scoring=neg_log_loss_scorer).fit(X, y)
    >>> search.best_params_
    {'C': 1}
    """

    __name__ = "neg_log_loss"

    def __call__(self, estimator: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the score of ``estimator`` on X (n, d) and y, weighted by ``sample_weight`` (n,) if given."""
        return engine_of(X).averaged(_neg_log_loss, estimator, X, y, sample_weight)


class NegBinaryLogLossScorer(_Scorer):
    """Negative binary log loss, in nats, of a multilabel model: the mean over samples and labels. Higher is better.

    It is the mean over the labels of ``-log_loss`` of each, probabilities clipped to [eps, 1 - eps] of their dtype, and
    right for two labels too, which scikit-learn's scorers take for a binary problem. Labels are independent here, and
    their probabilities do not sum to 1.

    Raises
    ------
    ValueError
        If y is no multilabel indicator, if sample_weight is none that a fit takes, or if the probabilities have
        another shape.

    Examples
    --------
    >>> from sklearn.datasets import make_multilabel_classification
    >>> from skce import OneVsAllClassifier
    >>> from skce.metrics import neg_binary_log_loss_scorer
    >>> X, tags = make_multilabel_classification(n_classes=2, random_state=0)
    >>> model = OneVsAllClassifier().fit(X, tags)
    >>> round(neg_binary_log_loss_scorer(model, X, tags), 3)
    -0.177
    """

    __name__ = "neg_binary_log_loss"

    def __call__(self, estimator: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the score of ``estimator`` on X (n, d) and y (n, L), weighted by ``sample_weight`` (n,) if given."""
        return engine_of(X).averaged(_neg_binary_log_loss, estimator, X, y, sample_weight)


neg_log_loss_scorer: NegLogLossScorer = NegLogLossScorer()
neg_binary_log_loss_scorer: NegBinaryLogLossScorer = NegBinaryLogLossScorer()


def _neg_log_loss(estimator, X, y, sample_weight):
    """Minus the log loss of an estimator on what is in memory."""
    check_not_masked("sample_weight", sample_weight)
    probabilities, classes = np.asarray(estimator.predict_proba(X)), np.asarray(estimator.classes_)
    columns = sorted_columns(classes, y)
    probabilities, classes = probabilities[:, columns], classes[columns]
    if not np.allclose(probabilities.sum(axis=1), 1, rtol=0, atol=np.sqrt(np.finfo(probabilities.dtype).eps)):
        raise ValueError(
            "The probabilities of a row do not sum to 1; neg_binary_log_loss_scorer is for multilabel models."
        )
    check_consistent_length(y, probabilities, sample_weight)
    if has_columns(y):
        _, soft_labels = read_labels(y, classes)
        losses = -xlogy(soft_labels.probabilities, _clipped(probabilities)).sum(axis=1)
        return -_average(losses, sample_weight)
    y = checked_labels(y)
    # log_loss is told places, as it would not take dates, and take long integers apart.
    observed = distinct_labels(y)
    places = places_of(observed, classes)
    unseen = observed[places < 0]
    if len(unseen):
        if not can_be_sorted_together(classes, unseen):
            raise ValueError(
                f"y holds labels of another type than the classes of the model, {listed(classes)}: {listed(unseen)}."
            )
        # One column for all labels that training never saw: each has probability 0.
        places[places < 0] = len(classes)
        probabilities = np.c_[probabilities, np.zeros((len(y), 1), probabilities.dtype)]
    codes = places[np.searchsorted(observed, y)]
    weights = _checked(sample_weight, probabilities)
    return -log_loss(codes, probabilities, labels=np.arange(probabilities.shape[1]), sample_weight=weights)


def _neg_binary_log_loss(estimator, X, y, sample_weight):
    """Minus the binary log loss of an estimator on what is in memory."""
    indicator, probabilities = aligned_indicator(y, estimator.classes_), np.asarray(estimator.predict_proba(X))
    if probabilities.shape != indicator.shape:
        raise ValueError(
            f"predict_proba must give one probability a label, shape {indicator.shape}, got {probabilities.shape}."
        )
    probabilities = _clipped(probabilities)
    losses = -(xlogy(indicator, probabilities) + xlogy(1 - indicator, 1 - probabilities)).mean(axis=1)
    return -_average(losses, sample_weight)


def _average(losses, sample_weight):
    """Mean of losses (n,), weighted if weights (n,) are given."""
    check_consistent_length(losses, sample_weight)
    return float(np.average(losses, weights=_checked(sample_weight, losses)))


def _checked(sample_weight, rows):
    """Weights (n,) of some rows, checked as those of a fit; None for None."""
    return None if sample_weight is None else checked_sample_weight(sample_weight, rows)


def _clipped(probabilities):
    """Probabilities in [eps, 1 - eps] of their dtype, as in sklearn.metrics.log_loss."""
    eps = np.finfo(probabilities.dtype).eps
    return np.clip(probabilities, eps, 1 - eps)
