"""Calibration: whether predicted probabilities mean what they say, in bins of similar predictions.

In bin b, of weight W_b, let p_b be the mean prediction and y_b the mean outcome. With W the sum of the W_b,

    expected calibration error    sum_b W_b |y_b - p_b| / W
    reliability                   sum_b W_b (y_b - p_b)^2 / W
    resolution                    sum_b W_b (y_b - y)^2 / W, where y is the mean outcome of all
    uncertainty                   y (1 - y)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from scipy.sparse import issparse
from scipy.stats import norm
from sklearn.utils import check_consistent_length, check_random_state

from skce._checks import InvalidParameterError, check_boolean, check_integer, check_not_masked
from skce._labels.reading import has_columns
from skce._types import ArrayLike, BinStrategy
from skce.metrics.bins import binned, checked_bins, read_outcomes, top_label

Score = TypeVar("Score")


class BrierDecomposition(NamedTuple):
    """The Brier score and its parts: score = reliability - resolution + uncertainty + within_bins.

    Attributes
    ----------
    score : float
        The Brier score, as :func:`sklearn.metrics.brier_score_loss` has it. Lower is better.
    reliability : float
        What miscalibration costs. 0 is best.
    resolution : float
        What is won by telling samples apart. Higher is better.
    uncertainty : float
        The score of predicting the class frequencies: it belongs to the data.
    within_bins : float
        What is left because predictions of one bin differ: their variance within the bins, less twice their covariance
        with what happened there. It is below 0 where predictions tell samples of one bin apart, which resolution does
        not count, and vanishes as bins become narrow.

    Examples
    --------
    >>> from skce.metrics import brier_decomposition
    >>> brier_decomposition([0, 1], [0.5, 0.5])
    BrierDecomposition(score=0.25, reliability=0.0, resolution=0.0, uncertainty=0.25, within_bins=0.0)
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float


def expected_calibration_error(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    n_bins: int = 15,
    strategy: BinStrategy = "uniform",
    debiased: bool = False,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """Mean gap between how sure predictions are and how often they are right.

    The probability of the predicted class of each sample, its confidence, goes into bins; the error is the mean over
    the bins, by weight, of ``|accuracy - mean confidence|``. 0 is best. Of two classes it does not see which is
    predicted too often; :func:`classwise_calibration_error` does.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels, or soft labels: distributions over the classes.
    y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        Predicted probabilities, the columns in sorted order of the classes or named by them; or of one of two
        classes, ``pos_label``.
    n_bins : int, default=15
        Number of bins, at most: predictions between 0 and 1 are sorted into them, and the mean prediction of each is
        compared with how often the outcome occurred there. More bins see more, and hold fewer samples each.
    strategy : {"uniform", "quantile"}, default="uniform"
        "uniform" for bins of equal width, of which those in the middle may be almost empty; "quantile" for bins that
        hold the same weight of samples.
    debiased : bool, default=False
        Whether to take off what sampling noise adds to each gap, as estimated from a normal distribution [2]_: about
        half of it, where bins have more than a few samples. The result may be a little below 0.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples.
    labels : array-like of shape (n_classes,), default=None
        All classes, sorted, where y_true may lack some. None takes those in y_true, or for soft labels the columns.
    pos_label : label, default=None
        The class that y_proba is of, if it is one column; None stands for the second of the sorted classes.

    Returns
    -------
    float
        In [0, 1], unless debiased.

    Raises
    ------
    ValueError
        If y_true, y_proba or an option is not what it should be; the message names it.

    See Also
    --------
    classwise_calibration_error : The same for every class, and for multilabel models.
    bootstrap_standard_error : How much to make of a difference.
    skce.display.ReliabilityDisplay : The bins as a picture.

    References
    ----------
    .. [1] Guo, Pleiss, Sun and Weinberger (2017),
           `"On calibration of modern neural networks"
           <https://arxiv.org/abs/1706.04599>`__, ICML.
    .. [2] Kumar, Liang and Ma (2019),
           `"Verified uncertainty calibration"
           <https://arxiv.org/abs/1909.10155>`__, NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from skce.metrics import expected_calibration_error
    >>> y_proba = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.2, 0.8]])
    >>> round(expected_calibration_error([0, 1, 1, 1], y_proba), 3)
    0.3
    """
    outcomes, probabilities, weight = read_outcomes(y_true, y_proba, sample_weight, labels, pos_label)
    if outcomes.is_multilabel:
        raise InvalidParameterError(
            "y_true is a multilabel indicator, whose rows have no one predicted class; classwise_calibration_error is "
            "for it."
        )
    prediction, outcome = top_label(outcomes.matrix, probabilities)
    return _calibration_error(prediction, outcome, weight, *checked_bins(n_bins, strategy), debiased)


def classwise_calibration_error(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    n_bins: int = 15,
    strategy: BinStrategy = "uniform",
    debiased: bool = False,
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """Mean over the classes of the gap between the probability predicted for a class and its frequency.

    For each class its predicted probabilities go into bins, and its error is the mean over them, by weight, of
    ``|frequency - mean probability|``. Unlike the error of the predicted class alone, it sees rare classes, each as
    much as any other. 0 is best.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels; soft labels; or a multilabel indicator, if the rows of y_proba do not sum to 1.
    y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        Predicted probabilities, the columns in sorted order of the classes or named by them; or of one of two
        classes, ``pos_label``.
    n_bins, strategy, debiased, sample_weight, labels, pos_label
        As for :func:`expected_calibration_error`.

    Returns
    -------
    float
        In [0, 1], unless debiased.

    Raises
    ------
    ValueError
        If y_true, y_proba or an option is not what it should be; the message names it.

    References
    ----------
    Kull, Perello-Nieto, Kangsepp, Silva Filho, Song and Flach (2019), "Beyond temperature scaling: obtaining
    well-calibrated multi-class probabilities with Dirichlet calibration", NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from skce.metrics import classwise_calibration_error
    >>> y_proba = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.2, 0.8]])
    >>> round(classwise_calibration_error([0, 1, 1, 1], y_proba), 3)
    0.3
    """
    outcomes, probabilities, weight = read_outcomes(y_true, y_proba, sample_weight, labels, pos_label)
    n_bins, strategy = checked_bins(n_bins, strategy)
    errors = [
        _calibration_error(prediction, outcome, weight, n_bins, strategy, debiased)
        for prediction, outcome in zip(probabilities.T, outcomes.matrix.T, strict=True)
    ]
    return float(np.mean(errors))


def brier_decomposition(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    n_bins: int = 15,
    strategy: BinStrategy = "quantile",
    sample_weight: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    pos_label: Any = None,
) -> BrierDecomposition:
    """Brier score, and what of it is reliability, resolution and uncertainty.

    The Brier score is the mean over samples of sum_k (p_k - y_k)^2, halved for two classes, as in scikit-learn. With
    the probabilities of each class in bins it is reliability - resolution + uncertainty, summed over the classes, plus
    what predictions differ by within bins.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels; soft labels; or a multilabel indicator, if the rows of y_proba do not sum to 1.
    y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        Predicted probabilities, the columns in sorted order of the classes or named by them; or of one of two
        classes, ``pos_label``.
    n_bins : int, default=15
        Number of bins, at most: predictions between 0 and 1 are sorted into them. More bins see more, and hold fewer
        samples each.
    strategy : {"uniform", "quantile"}, default="quantile"
        "uniform" for bins of equal width, of which those in the middle may be almost empty; "quantile" for bins that
        hold the same weight of samples.
    sample_weight, labels, pos_label
        As for :func:`expected_calibration_error`.

    Returns
    -------
    BrierDecomposition
        A named tuple of score, reliability, resolution, uncertainty and within_bins.

    Raises
    ------
    ValueError
        If y_true, y_proba or an option is not what it should be; the message names it.

    References
    ----------
    Murphy (1973), "A new vector partition of the probability score", Journal of Applied Meteorology 12. Stephenson,
    Coelho and Jolliffe (2008),
    `"Two extra components in the Brier score decomposition"
    <https://doi.org/10.1175/2007WAF2006116.1>`__, Weather and Forecasting 23.

    Examples
    --------
    >>> from skce.metrics import brier_decomposition
    >>> parts = brier_decomposition([0, 1, 1, 1], [0.1, 0.1, 0.8, 0.8], strategy="uniform")
    >>> round(parts.score, 4), round(parts.reliability - parts.resolution + parts.uncertainty, 4)
    (0.225, 0.225)
    >>> [round(part, 4) for part in parts]
    [0.225, 0.1, 0.0625, 0.1875, 0.0]
    """
    outcomes, probabilities, weight = read_outcomes(y_true, y_proba, sample_weight, labels, pos_label)
    n_bins, strategy = checked_bins(n_bins, strategy)
    parts = np.sum(
        [
            _brier_parts(prediction, outcome, weight, n_bins, strategy)
            for prediction, outcome in zip(probabilities.T, outcomes.matrix.T, strict=True)
        ],
        axis=0,
    )
    if len(probabilities.T) == 2 and not outcomes.is_multilabel:
        parts /= 2
    return BrierDecomposition(*parts.tolist())


def bootstrap_standard_error(
    metric: Callable[..., Score],
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    n_bootstraps: int = 200,
    sample_weight: ArrayLike | None = None,
    random_state: int | np.random.RandomState | None = None,
    **options: Any,
) -> Score:
    """Standard error of a metric of predictions, by drawing samples with replacement.

    That of a difference between two models is smaller than the two errors suggest, as both see the same samples: draw
    for a metric of both, as in the second example.

    Parameters
    ----------
    metric : callable
        A function of :mod:`skce.metrics`, or one that takes y_true, y_proba and ``sample_weight=`` as those do and
        returns a number or a tuple of numbers.
    y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
        As for the metric.
    y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        As for the metric.
    n_bootstraps : int, default=200
        How often to draw as many samples as there are.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples, drawn with them.
    random_state : int, RandomState instance or None, default=None
        What the draws depend on.
    **options
        Passed to the metric. A draw may lack a class; the metrics of skce are told of all in y_true, others may need
        ``labels=``.

    Returns
    -------
    float, or a tuple like the metric's
        The standard deviation of the metric over the draws.

    Raises
    ------
    ValueError
        If n_bootstraps is below 2, lengths differ, or the metric raises.
    TypeError
        If metric is no function.

    References
    ----------
    Efron and Tibshirani (1993), "An introduction to the bootstrap".

    Examples
    --------
    >>> import numpy as np
    >>> from skce.metrics import bootstrap_standard_error, expected_calibration_error
    >>> rng = np.random.default_rng(0)
    >>> p = rng.uniform(size=1000)
    >>> y = rng.uniform(size=1000) < p
    >>> error = expected_calibration_error(y, p)
    >>> standard_error = bootstrap_standard_error(expected_calibration_error, y, p, random_state=0)
    >>> bool(0.005 < standard_error < 0.02)
    True
    >>> def difference(y, both, sample_weight):
    ...     return np.subtract(*(expected_calibration_error(y, p, labels=[False, True]) for p in both.T))
    >>> bool(bootstrap_standard_error(difference, y, np.stack([p, p**2], axis=1), random_state=0) > 0)
    True
    """
    if not callable(metric):
        raise TypeError(f"metric must be a function (y_true, y_proba, *, sample_weight), got {metric!r}.")
    check_integer("n_bootstraps", n_bootstraps, 2)
    for name, data in {"y_true": y_true, "y_proba": y_proba, "sample_weight": sample_weight}.items():
        check_not_masked(name, data)
    check_consistent_length(y_true, y_proba, sample_weight)
    if "labels" not in options and not has_columns(y_true, "y_true") and getattr(metric, "func", metric) in METRICS:
        options["labels"] = np.unique(np.asarray(y_true))
    draws, n_samples = check_random_state(random_state), np.shape(y_proba)[0]
    values = []
    for _ in range(n_bootstraps):
        rows = draws.randint(n_samples, size=n_samples)
        weight = None if sample_weight is None else np.asarray(sample_weight)[rows]
        values.append(metric(_rows_of(y_true, rows), _rows_of(y_proba, rows), sample_weight=weight, **options))
    errors = np.std(values, axis=0, ddof=1)
    if errors.ndim == 0:
        return float(errors)
    first = values[0]
    return type(first)(*errors.tolist()) if hasattr(first, "_fields") else tuple(errors.tolist())


def _rows_of(y, rows):
    """Some rows of labels or probabilities; those of a DataFrame keep the names of its columns."""
    if hasattr(y, "iloc"):
        return y.iloc[rows]
    return y[rows] if issparse(y) else np.asarray(y)[rows]


METRICS: tuple[Callable[..., Any], ...] = (expected_calibration_error, classwise_calibration_error, brier_decomposition)


def _calibration_error(prediction, outcome, weight, n_bins, strategy, debiased):
    """Mean size of the gaps of bins; less what noise adds to each, if ``debiased``."""
    check_boolean("debiased", debiased)
    bins, _ = binned(prediction, outcome, weight, n_bins, strategy)
    if not debiased:
        return bins.error
    noise = _noise_of_size(np.abs(bins.gap), np.sqrt(bins.variance))
    return bins.error - float(np.average(noise, weights=bins.weight))


def _noise_of_size(size, deviation):
    """What a normal error of the given deviation adds to a size, on average: the mean of a folded normal, less it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(deviation > 0, size / deviation, np.inf)
    return 2 * deviation * norm.pdf(ratio) - 2 * size * norm.cdf(-ratio)


def _brier_parts(prediction, outcome, weight, n_bins, strategy):
    """The parts of BrierDecomposition (5,) of one class."""
    bins, index = binned(prediction, outcome, weight, n_bins, strategy)
    frequency = np.average(outcome, weights=weight)
    deviation = prediction - bins.prediction[index]
    spread = np.average(deviation**2 - 2 * deviation * (outcome - bins.outcome[index]), weights=weight)
    return np.array(
        [
            np.average((prediction - outcome) ** 2, weights=weight),
            np.average(bins.gap**2, weights=bins.weight),
            np.average((bins.outcome - frequency) ** 2, weights=bins.weight),
            np.average((outcome - frequency) ** 2, weights=weight),
            spread,
        ]
    )
