"""Margins: what a feature does to the probabilities of the classes, on average or at the mean, with errors."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import scipy.sparse
from scipy.special import ndtr

from skce._checks import InvalidParameterError
from skce._types import Array, ArrayLike
from skce.inference.covariance import Covariance, quantile_of
from skce.inference.effects import SigmoidEffects, SoftmaxEffects
from skce.inference.estimates import CovarianceKind, WeightsMean
from skce.inference.fitted import fitted, places_of_names
from skce.inference.notes import SEPARATED
from skce.inference.probabilities import check_predicts_itself, estimates_for
from skce.inference.summary import Summary
from skce.inference.tables import html_table, number, probability, text_table

WITHOUT_EFFECT = (
    "features whose coefficients have no finite estimate have no effect that could be told, nor has any feature at "
    "means that such coefficients decide about. Others are those of the limit, in which separated rows are sure."
)

COLUMNS = ["effect", "std_err", "z", "p", "lower", "upper"]


@dataclass(frozen=True, eq=False, repr=False)
class Margins:
    """What features do to probabilities, made by :func:`margins`; prints as text, and as HTML in a notebook.

    Attributes
    ----------
    effect, std_err, z, p, lower, upper : ndarray of shape (n_classes, n_features)
        The change of the probability of a class, its standard error by the delta method, their ratio, its two-sided
        p-value by the normal distribution, and the interval; NaN where classes are separated and there is no effect.
    classes : list of str
        What the rows are: classes, of two the second, or labels.
    features : list of str
        Names of the features.
    is_difference : ndarray of shape (n_features,)
        Whether an effect is the difference that an indicator makes, from 0 to 1, and not a slope.
    at : {"overall", "mean"}
        Where effects were taken.
    confidence : float
        That of the intervals.
    notes : list of str
        What has to be known for the numbers to be read right.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce import SoftmaxRegressor
    >>> from skce.inference import margins
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> effects = margins(SoftmaxRegressor().fit(X, y), X, y)
    >>> effects.classes[2], effects.features[3]
    ('2', 'petal width (cm)')
    >>> float(effects.effect[2, 3].round(3)), float(effects.std_err[2, 3].round(3))
    (0.178, 0.055)
    """

    effect: Array
    std_err: Array
    classes: list[str]
    features: list[str]
    is_difference: Array
    at: str
    confidence: float
    notes: list[str] = field(default_factory=list)
    z: Array = field(init=False)
    p: Array = field(init=False)
    lower: Array = field(init=False)
    upper: Array = field(init=False)

    def __post_init__(self) -> None:
        with np.errstate(divide="ignore", invalid="ignore"):
            z = self.effect / self.std_err
        reach = quantile_of(self.confidence) * self.std_err
        ends = {"lower": self.effect - reach, "upper": self.effect + reach}
        for name, value in {"z": z, "p": 2 * ndtr(-np.abs(z)), **ends}.items():
            object.__setattr__(self, name, value)

    def to_frame(self) -> Any:
        """The table as a pandas DataFrame, a row for each class and feature."""
        import pandas as pd

        index = pd.MultiIndex.from_product([self.classes, self.features], names=["class", "feature"])
        return pd.DataFrame({name: getattr(self, name).ravel() for name in COLUMNS}, index=index)

    def _blocks(self):
        """Title, columns, names and cells of each class's table."""
        tail = (1 - self.confidence) / 2
        columns = ["change of P", "std err", "z", "P>|z|", f"[{tail:.4g}", f"{1 - tail:.4g}]"]
        names = [
            f"{name} (0 to 1)" if is_difference else name
            for name, is_difference in zip(self.features, self.is_difference, strict=True)
        ]
        for row, label in enumerate(self.classes):
            values = zip(*(getattr(self, name)[row] for name in COLUMNS), strict=True)
            cells = [
                [number(effect), number(error), number(z, 2), probability(p), number(lower), number(upper)]
                for effect, error, z, p, lower, upper in values
            ]
            yield label, columns, names, cells

    def __str__(self) -> str:
        where = "averaged over the rows" if self.at == "overall" else "at the means of the features"
        lines = [f"Marginal effects, {where}", ""]
        for block in self._blocks():
            lines += [*text_table(*block), ""]
        for note in self.notes:
            lines += [*textwrap.wrap(note, 100), ""]
        return "\n".join(lines[:-1])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = [line for block in self._blocks() for line in html_table(*block)]
        return "\n".join([*lines, *(f"<p>{note}</p>" for note in self.notes)])


def margins(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    at: Literal["overall", "mean"] = "overall",
    indicators: Any = "auto",
    covariance: CovarianceKind | Covariance | Summary | None = None,
    groups: ArrayLike | None = None,
    confidence: float = 0.95,
    small_sample: bool = False,
    weights: WeightsMean | None = None,
) -> Margins:
    """Return the marginal effects of features on the probabilities of the classes, with delta-method errors.

    The effect of a feature is the slope of a probability in it, or, for an indicator, the difference of the
    probabilities where it is 1 and where it is 0, other features as they are. Over the classes effects sum to zero.

    Parameters
    ----------
    model : fitted estimator
        A SoftmaxRegressor or OneVsAllClassifier with ``posterior="model"``, or a pipeline or search that ends in one.
        Features are what its last step sees. Effects on one-vs-all outputs are on each sigmoid by itself.
    X, y, sample_weight
        What the model was fitted to. Averages are by ``sample_weight``. Also on Dask.
    at : {"overall", "mean"}, default="overall"
        Whether to average effects over the rows, or to take them at the means of all features.
    indicators : "auto", None, str, int or list of these, default="auto"
        Features whose effect is a difference: those that hold zeros and ones alone, none, or those that are named.
    covariance : {"hessian", "sandwich", "cluster", "laplace"}, Covariance or Summary, default=None
        Of what errors are taken, or a covariance that has been computed; see :func:`covariance`.
    groups, small_sample, weights
        As for :func:`covariance`.
    confidence : float, default=0.95
        Of the intervals, in (0, 1).

    Returns
    -------
    Margins

    Raises
    ------
    ValueError
        If options do not go together, X or y are not of the features, the classes or the length that they should be, or
        the model predicts recovered probabilities.

    Warns
    -----
    UserWarning
        If X, y, weights or parameters are not those of the fit, as its loss tells: effects are then those of a fit to
        what is given; or if there are fewer clusters than parameters. No data of the fit are needed where
        ``covariance`` is one that has been computed.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce import SoftmaxRegressor
    >>> from skce.inference import margins
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> margins(SoftmaxRegressor().fit(X, y), X, y)
    Marginal effects, averaged over the rows
    <BLANKLINE>
    0                  change of P  std err      z  P>|z|   [0.025   0.975]
    -----------------------------------------------------------------------
    sepal length (cm)      -0.0142   0.0177  -0.80  0.424  -0.0489   0.0206
    sepal width (cm)        0.0194   0.0172   1.13  0.258  -0.0142   0.0530
    petal length (cm)      -0.0355   0.0165  -2.14  0.032  -0.0679  -0.0030
    petal width (cm)       -0.0029   0.0181  -0.16  0.874  -0.0383   0.0326
    <BLANKLINE>
    1                  change of P  std err      z  P>|z|   [0.025   0.975]
    -----------------------------------------------------------------------
    sepal length (cm)       0.0527   0.0492   1.07  0.284  -0.0438   0.1491
    sepal width (cm)      4.29e-04   0.0618   0.01  0.994  -0.1206   0.1215
    petal length (cm)      -0.1412   0.0443  -3.19  0.001  -0.2281  -0.0543
    petal width (cm)       -0.1755   0.0642  -2.74  0.006  -0.3012  -0.0497
    <BLANKLINE>
    2                  change of P  std err      z   P>|z|   [0.025  0.975]
    -----------------------------------------------------------------------
    sepal length (cm)      -0.0385   0.0421  -0.91   0.360  -0.1210  0.0440
    sepal width (cm)       -0.0198   0.0556  -0.36   0.721  -0.1288  0.0891
    petal length (cm)       0.1767   0.0381   4.64  <0.001   0.1020  0.2514
    petal width (cm)        0.1783   0.0554   3.22   0.001   0.0697  0.2870
    """
    quantile_of(confidence)
    if at not in ("overall", "mean"):
        raise InvalidParameterError(f"at must be 'overall' or 'mean', got {at!r}.")
    one = fitted(model, X)
    check_predicts_itself(one)
    options = {"groups": groups, "small_sample": small_sample, "weights": weights}
    estimates = estimates_for(one, model, X, y, sample_weight, covariance, options)
    kind = SigmoidEffects if one.link.are_separate else SoftmaxEffects
    effects = kind(estimates.about_mean)
    with one.problem(y, sample_weight) as problem:
        rows = problem.rows.multiplied_in(np.float64)
        is_difference = _is_difference(indicators, one.names, rows)
        point = None if at == "overall" else _mean(rows)
        summed = _summed_over(rows) if point is None else _at(point)
        slopes, derivative = effects.slopes(summed(effects.slope_sums, effects.width))
        for feature in np.flatnonzero(is_difference):
            slopes[:, feature], derivative[:, feature] = summed(effects.difference_sums, effects.width, feature)
    gradient = derivative.reshape(slopes.size, -1)
    variance = np.einsum("ep,ep->e", gradient @ estimates.about_mean.covariance, gradient)
    std_err = np.sqrt(np.maximum(variance, 0)).reshape(slopes.shape)
    has_none = _has_no_effect(estimates, point)
    slopes[:, has_none] = std_err[:, has_none] = np.nan
    notes = [f"{SEPARATED}: {WITHOUT_EFFECT}"] if estimates.is_infinite else []
    labels = [str(output) for output in estimates.outputs]
    return Margins(slopes, std_err, labels, one.names, is_difference, at, float(confidence), notes)


def _has_no_effect(estimates, point):
    """Whether the effect of each feature (d,) depends on coefficients without a finite estimate; of all at a point."""
    about = estimates.about_mean
    if point is not None and about.unseen_logits(about.design(point[None])).any():
        return np.ones(len(point), dtype=bool)
    return estimates.infinite.takes_part[:, int(about.has_intercept) :].any(axis=0)


def _is_difference(indicators, names, rows):
    """Whether the effect of each feature (d,) is a difference."""
    n_features = len(names)
    if indicators is None:
        return np.zeros(n_features, dtype=bool)
    if not (isinstance(indicators, str) and indicators == "auto"):
        return np.isin(np.arange(n_features), places_of_names("indicators", indicators, names))

    def program(block):
        dense = block.X.toarray() if scipy.sparse.issparse(block.X) else block.X
        counts = block.targets.sample_weight[block.at] > 0
        return ((dense != 0) & (dense != 1))[counts].sum(axis=0), dense[counts].sum(axis=0), counts.sum()

    others, ones, n_rows = rows.summed(program, n_features)
    return (others == 0) & (ones > 0) & (ones < n_rows)


def _summed_over(rows):
    """The function that sums what another makes of blocks of X and weights, over rows, over their weight."""

    def summed(function, width, *arguments):
        def program(block):
            weight = block.targets.sample_weight[block.at]
            return weight.sum(), *function(block.X, weight, *arguments)

        total, *sums = rows.summed(program, width)
        return [one / total for one in sums]

    return summed


def _at(point):
    """The same at one point (d,)."""
    return lambda function, width, *arguments: function(point[None], np.ones(1), *arguments)


def _mean(rows):
    """Weighted means (d,) of the features."""

    def program(block):
        weight = np.asarray(block.targets.sample_weight[block.at])
        return weight.sum(), block.X.T @ weight

    total, first = rows.summed(program, None if rows.is_sparse else rows.shape[1])
    return first / total
