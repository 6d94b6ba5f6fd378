"""Intervals of predicted probabilities: the delta method, on the logit scale of each class's own probability."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np

from skce._checks import InvalidParameterError
from skce._kernels.sigmoid import sigmoid
from skce._kernels.softmax import softmax
from skce._labels.places import places_of
from skce._rows.blocks import rows_of
from skce._rows.lazy import is_lazy
from skce._rows.memory import checked_features
from skce._slices import ELEMENTS_PER_BLOCK, row_slices
from skce._solver.separation import LEAST_COEF
from skce._types import Array, ArrayLike
from skce.inference.covariance import Covariance, quantile_of
from skce.inference.estimates import CovarianceKind, Estimates, WeightsMean, estimates_of
from skce.inference.fitted import Fitted, fitted
from skce.inference.notes import SEPARATED
from skce.inference.summary import Summary
from skce.inference.tables import text_table

WITHOUT_INTERVAL = (
    "intervals from 0 to 1 are of probabilities that depend on coefficients without a finite estimate; others are "
    "those of the limit."
)

# Rows that are printed.
ROWS_SHOWN = 10

# The nearest that an end of an interval comes to 0 or 1, of which a probability is strictly between.
LEAST, MOST = np.finfo(float).tiny, 1 - np.finfo(float).epsneg


@dataclass(frozen=True, eq=False, repr=False)
class ProbabilityIntervals:
    """Probabilities with intervals, made by :func:`probability_intervals`.

    Attributes
    ----------
    probabilities, lower, upper : ndarray of shape (n_samples, n_classes)
        At the optimum of the fit, and the ends of their intervals, all in (0, 1); from 0 to 1 where classes are
        separated and the probability depends on coefficients that have no finite estimate.
    classes : ndarray of shape (n_classes,)
        Classes, or labels.
    confidence : float
        That of the intervals.
    notes : list of str
        What has to be known for the numbers to be read right.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce import SoftmaxRegressor
    >>> from skce.inference import probability_intervals
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> probability_intervals(SoftmaxRegressor().fit(X, y), X[70:72], X, y)
    Probabilities and their intervals of 95 %
    row                     0                     1                     2
    ---------------------------------------------------------------------
    0    0.002 [0.000, 0.054]  0.440 [0.216, 0.691]  0.558 [0.307, 0.782]
    1    0.017 [0.002, 0.156]  0.957 [0.863, 0.987]  0.026 [0.007, 0.097]
    """

    probabilities: Array
    lower: Array
    upper: Array
    classes: Array
    confidence: float
    notes: list[str]

    def __repr__(self) -> str:
        shown = min(len(self.probabilities), ROWS_SHOWN)
        names = [str(label) for label in self.classes]
        cells = [
            [f"{q:.3f} [{low:.3f}, {high:.3f}]" for q, low, high in zip(*of_row, strict=True)]
            for of_row in zip(self.probabilities[:shown], self.lower[:shown], self.upper[:shown], strict=True)
        ]
        lines = text_table("row", names, [str(row) for row in range(shown)], cells)
        more = len(self.probabilities) - shown
        lines += [f"... and {more} rows more"] * (more > 0)
        lines = [f"Probabilities and their intervals of {100 * self.confidence:g} %", *lines]
        return "\n".join(lines + [line for note in self.notes for line in textwrap.wrap(note, 100)])

    def to_frame(self) -> Any:
        """The three side by side as a pandas DataFrame, a row for each sample."""
        import pandas as pd

        parts = {"probability": self.probabilities, "lower": self.lower, "upper": self.upper}
        columns = pd.MultiIndex.from_product([parts, self.classes], names=["", "class"])
        return pd.DataFrame(np.hstack(list(parts.values())), columns=columns)


def probability_intervals(
    model: Any,
    X_new: ArrayLike,
    X: ArrayLike | None = None,
    y: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    *,
    covariance: CovarianceKind | Covariance | Summary | None = None,
    groups: ArrayLike | None = None,
    confidence: float = 0.95,
    small_sample: bool = False,
    weights: WeightsMean | None = None,
) -> ProbabilityIntervals:
    """Return probabilities of new samples with intervals that say how well the fit knows them.

    An interval is that of log(q / (1 - q)), plus and minus so many of its standard errors, turned back into
    probabilities: within (0, 1) by itself. It speaks of the probability, and not of what will be seen.

    Parameters
    ----------
    model : fitted estimator
        A SoftmaxRegressor or OneVsAllClassifier with ``posterior="model"``, or a pipeline or search that ends in one.
    X_new : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
        Samples to predict.
    X, y, sample_weight
        What the model was fitted to; not needed where ``covariance`` is one that has been computed.
    covariance : {"hessian", "sandwich", "cluster", "laplace"}, Covariance or Summary, default=None
        Of what errors are taken; see :func:`covariance`.
    groups, small_sample, weights
        As for :func:`covariance`.
    confidence : float, default=0.95
        Of the intervals, in (0, 1).

    Returns
    -------
    ProbabilityIntervals

    Raises
    ------
    ValueError
        If options do not go together, data are not of the shape they should be, or the model predicts recovered
        probabilities.

    Warns
    -----
    UserWarning
        If X, y, weights or parameters are not those of the fit, as its loss tells: intervals are then
        those of a fit to what is given; or if there are fewer clusters than parameters.

    References
    ----------
    Xu and Long (2005), "Confidence intervals for predicted outcomes in regression models for categorical outcomes",
    Stata Journal 5.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce import SoftmaxRegressor
    >>> from skce.inference import covariance, probability_intervals
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SoftmaxRegressor().fit(X, y)
    >>> intervals = probability_intervals(model, X[70:72], covariance=covariance(model, X, y))
    >>> intervals.lower.round(3)
    array([[0.   , 0.216, 0.307],
           [0.002, 0.863, 0.007]])
    >>> intervals.upper.round(3)
    array([[0.054, 0.691, 0.782],
           [0.156, 0.987, 0.097]])
    """
    reach = quantile_of(confidence)
    if is_lazy(X_new):
        raise InvalidParameterError("X_new must be in memory, but is on Dask; X_new.compute() fetches it.")
    new = fitted(model, X_new).in_memory()
    options = {"groups": groups, "small_sample": small_sample, "weights": weights}
    estimates = estimates_for(new, model, X, y, sample_weight, covariance, options)
    check_predicts_itself(new)
    features = checked_features(new.classifier, new.X, reset=False)
    classes = new.classifier.classes_
    outputs = places_of(estimates.outputs, classes)
    probabilities = np.array(new.classifier.predict_proba(new.X), dtype=float)
    lower, upper = probabilities.copy(), probabilities.copy()
    about = estimates.about_mean
    n_outputs, n_columns = about.theta.shape
    for at in row_slices(len(probabilities), max(ELEMENTS_PER_BLOCK // (n_outputs**2 * n_columns), 1)):
        design = about.design(rows_of(features, at))
        logits, derivative = _logits_derivative(new.link, about.logits(design))
        error = _standard_errors(about.covariance, design, derivative)
        error[_depends_on(about.unseen_logits(design), derivative)] = np.inf
        columns = np.arange(len(classes)) if len(logits) == len(classes) else outputs
        for target, shift in ((probabilities, 0.0), (lower, -reach * error), (upper, reach * error)):
            target[at, columns] = np.clip(sigmoid(logits + shift)[1], LEAST, MOST).T
    notes = [f"{SEPARATED}: {WITHOUT_INTERVAL}"] if estimates.is_infinite else []
    return ProbabilityIntervals(probabilities, lower, upper, classes, float(confidence), notes)


def estimates_for(
    one: Fitted, model: Any, X: Any, y: Any, sample_weight: Any, covariance: Any, options: dict
) -> Estimates:
    """Estimates that ``covariance`` has, if it is one of the fit that ``one`` is, or those of a kind of it."""
    if isinstance(covariance, Summary):
        covariance = covariance.covariance
    if isinstance(covariance, Covariance):
        if options["groups"] is not None or options["small_sample"] or options["weights"] is not None:
            raise InvalidParameterError("groups, small_sample and weights are for a covariance that is not given.")
        covariance._estimates.fitted.check_is_fit_of(one)
        return covariance._estimates
    if X is None or y is None:
        raise InvalidParameterError(
            f"X and y, to which the model was fitted, must be given for covariance={covariance!r}; or pass what "
            "skce.inference.covariance has returned."
        )
    return estimates_of(fitted(model, X), y, sample_weight, covariance=covariance, **options)


def check_predicts_itself(one: Fitted) -> None:
    """Raise if a model predicts other probabilities than its coefficients say."""
    if one.classifier.posterior != "model":
        raise InvalidParameterError(
            f"model must have posterior='model', got {one.classifier.posterior!r}: errors are those of the "
            "probabilities of its coefficients, which it does not predict."
        )


def _logits_derivative(link, logits):
    """Logits log(q / (1 - q)) (K, m) of the probabilities, and derivatives (K, k, m), for logits (k, m) of a fit."""
    n_outputs, n_rows = logits.shape
    if link.is_multilabel:
        return logits, np.broadcast_to(np.eye(n_outputs)[:, :, None], (n_outputs, n_outputs, n_rows))
    if link.are_separate and n_outputs == 1:
        both = np.array([[-1.0], [1.0]])
        return both * logits, np.broadcast_to(both[:, :, None], (2, 1, n_rows))
    scores, slopes = (logits.copy(), 1.0)
    if link.are_separate:
        scores, slopes = sigmoid(logits)[0], sigmoid(-logits)[1]
    log_q, q, rest = softmax(scores)
    rest = np.maximum(rest, LEAST)
    derivative = -(q * slopes)[None] / rest[:, None]
    places = np.arange(n_outputs)
    derivative[places, places] = np.broadcast_to(slopes, q.shape)
    return log_q - np.log(rest), derivative


def _depends_on(moves, derivative):
    """Whether logits (K, m) change with any of ``moves`` (r, k, m) of those of the fit, given their derivatives."""
    changes = np.abs(np.einsum("ckm,rkm->rcm", derivative, moves))
    sizes = np.einsum("ckm,rkm->rcm", np.abs(derivative), np.abs(moves))
    return (changes > LEAST_COEF * sizes).any(axis=0)


def _standard_errors(covariance, design, derivative):
    """Standard errors (K, m) of logits whose derivatives (K, k, m) by those of the fit are given; design (m, p)."""
    n_outputs, n_columns = derivative.shape[1], design.shape[1]
    by_output = covariance.reshape(n_outputs, n_columns, n_outputs, n_columns)
    products = np.tensordot(design, by_output, axes=([1], [1]))  # (m, k, k, p)
    of_logits = np.einsum("mklp,mp->klm", products, design)
    variance = np.einsum("ckm,klm,clm->cm", derivative, of_logits, derivative, optimize=True)
    return np.sqrt(np.maximum(variance, 0))
