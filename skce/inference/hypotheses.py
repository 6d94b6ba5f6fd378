"""Tests of hypotheses: Wald's, of coefficients of one fit; and the likelihood ratio of two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import chdtrc

from skce._checks import InvalidParameterError
from skce._labels.places import listed
from skce._types import Array, ArrayLike
from skce.inference.covariance import Covariance
from skce.inference.estimates import estimates_of
from skce.inference.fitted import fitted, places_of_names
from skce.inference.notes import SEPARATED
from skce.inference.summary import Summary
from skce.losses import CrossEntropy

# Eigenvalues of a covariance, of a unit diagonal, below which a hypothesis says what others of it say already.
LEAST_VARIANCE = 1e-9

# What a larger model's log-likelihood may be below a smaller one's, by rounding.
ROUNDING_OF_RATIO = 1e-8

SEPARATED_RATIO = (
    f"{SEPARATED}: infinite coefficients count as parameters. The ratio exists, but is chi-squared only roughly, and "
    "mostly p is too large."
)


@dataclass(frozen=True, repr=False)
class ChiSquaredTest:
    """A statistic that is chi-squared under a hypothesis.

    Attributes
    ----------
    statistic : float
        The larger, the less the hypothesis agrees with the data.
    df : int
        Degrees of freedom.
    p : float
        Probability of a statistic of at least this size under the hypothesis.
    hypothesis : str
        What was tested.
    note : str
        What has to be known for p to be read right; empty if nothing has.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce import SoftmaxRegressor
    >>> from skce.inference import summary, wald_test
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> test = wald_test(summary(SoftmaxRegressor().fit(X, y), X, y), "petal width (cm)")
    >>> test.df, round(test.p, 4)
    (2, 0.0058)
    """

    statistic: float
    df: int
    p: float
    hypothesis: str
    note: str = ""

    def __str__(self) -> str:
        line = f"{self.hypothesis}: chi2({self.df}) = {self.statistic:.4f}, p = {self.p:.4g}"
        return f"{line}\n{self.note}" if self.note else line

    __repr__ = __str__


def wald_test(fit: Covariance | Summary, hypothesis: Any, value: Any = 0.0) -> ChiSquaredTest:
    """Test a linear hypothesis about the coefficients of a fit.

    The statistic of R theta = r is ``(R theta - r)^T (R V R^T)^+ (R theta - r)``, with V the covariance. Its degrees of
    freedom are the rank of R V R^T: coefficients that sum to zero over K classes have K - 1.

    Parameters
    ----------
    fit : Covariance or Summary
        Of :func:`covariance` or :func:`summary`, whose covariance is used.
    hypothesis : str, int, list of str or array-like of shape (n_hypotheses, n_coef)
        A feature, or several, whose coefficients are all ``value`` for all classes: by its name, or by its place among
        ``features``, of which the intercept is the first; or R, whose columns are the ``labels`` of the covariance.
    value : float or array-like of shape (n_hypotheses,), default=0.0
        r; of features those of the first class or contrast, then those of the next.

    Returns
    -------
    ChiSquaredTest

    Raises
    ------
    ValueError
        If there is no such feature, R or value have another size or are not finite, the hypotheses contradict each
        other, or a coefficient has no estimate.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skce import SoftmaxRegressor
    >>> from skce.inference import summary, wald_test
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> X = X[["alcohol", "ash"]]
    >>> table = summary(SoftmaxRegressor().fit(X, y), X, y)
    >>> print(wald_test(table, "ash"))
    ash: chi2(2) = 8.3705, p = 0.01522
    """
    if isinstance(value, str):
        raise InvalidParameterError(
            f"value must be a number or an array, got {value!r}; to test several features together pass a list of "
            f"them, [{hypothesis!r}, {value!r}]."
        )
    covariance = fit.covariance if isinstance(fit, Summary) else fit
    if not isinstance(covariance, Covariance):
        raise InvalidParameterError(f"fit must be what summary or covariance return, got {fit!r}.")
    matrix, name = _matrix_of(covariance, hypothesis)
    value = _values_of(value, len(matrix))
    takes_part = np.abs(matrix).max(axis=0) > 0
    if np.isnan(np.diag(covariance.matrix)[takes_part]).any():
        raise ValueError(f"{name} is about coefficients that have no finite estimate: classes are separated.")
    matrix = matrix[:, takes_part]
    difference = matrix @ covariance.coef.ravel()[takes_part] - value
    spread = matrix @ covariance.matrix[np.ix_(takes_part, takes_part)] @ matrix.T
    scale = np.sqrt(np.diag(spread))
    if not (scale > 0).all():
        raise ValueError(f"{name} must be about coefficients that vary, but a row of the hypothesis is 0.")
    difference, spread = difference / scale, spread / scale / scale[:, None]
    values, vectors = np.linalg.eigh(spread)
    is_free = values > LEAST_VARIANCE * values[-1]
    components = vectors.T @ difference
    if np.abs(components[~is_free]).max(initial=0) > 1e-6 * max(np.abs(components).max(), 1.0):
        if covariance.kind == "cluster":
            raise ValueError(f"{name} is about more coefficients than the clusters, which are too few, can tell apart.")
        raise ValueError(f"{name} contradicts itself: what it says of some coefficients follows from others otherwise.")
    statistic = float((components[is_free] ** 2 / values[is_free]).sum())
    return _chi_squared(statistic, int(is_free.sum()), name)


def likelihood_ratio_test(
    small: Any, large: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
) -> ChiSquaredTest:
    """Test a smaller model against a larger one that contains it, by the ratio of their likelihoods.

    The statistic is twice the difference of the log-likelihoods, and its degrees of freedom that of the parameters,
    those included that separation sends to infinity: the test then is a rough one, which ``note`` says.

    Parameters
    ----------
    small, large : fitted estimators
        Models of cross-entropy without penalty (C=inf), smoothing and class weights, or pipelines that end in one. The
        smaller is nested in the larger, and both were fitted to these rows.
    X : array-like or DataFrame of shape (n_samples, n_features)
        What both were fitted to; of a DataFrame each takes the columns that it was fitted to.
    y, sample_weight
        The labels, and weights that are frequencies.

    Returns
    -------
    ChiSquaredTest

    Raises
    ------
    ValueError
        If the models have a penalty or another loss, differ in their classes, or are not nested as far as their numbers
        of parameters and their likelihoods tell.

    Warns
    -----
    UserWarning
        If X, y, weights or parameters are not those of the fit, as its loss tells: the likelihood is then
        that of a fit to what is given.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_wine
    >>> from skce import SoftmaxRegressor
    >>> from skce.inference import likelihood_ratio_test
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> X = X[["alcohol", "ash"]]
    >>> small = SoftmaxRegressor(C=np.inf).fit(X[["alcohol"]], y)
    >>> large = SoftmaxRegressor(C=np.inf).fit(X, y)
    >>> print(likelihood_ratio_test(small, large, X, y))
    Likelihood ratio: chi2(2) = 13.3619, p = 0.001255
    """
    of_models = [_likelihood(name, model, X, y, sample_weight) for name, model in (("small", small), ("large", large))]
    (small_figures, small_classes), (large_figures, large_classes) = of_models
    if listed(small_classes) != listed(large_classes):
        raise ValueError(f"small and large have other classes: {listed(small_classes)} and {listed(large_classes)}.")
    df = large_figures["n_parameters"] - small_figures["n_parameters"]
    log_ratio = large_figures["log_likelihood"] - small_figures["log_likelihood"]
    if df <= 0 or log_ratio < -ROUNDING_OF_RATIO * abs(large_figures["log_likelihood"]):
        raise ValueError(
            f"small must be nested in large, but they have {small_figures['n_parameters']} and "
            f"{large_figures['n_parameters']} parameters and log-likelihoods of {small_figures['log_likelihood']:.6g} "
            f"and {large_figures['log_likelihood']:.6g}."
        )
    is_rough = large_figures["is_separated"] or small_figures["is_separated"]
    return _chi_squared(2 * max(log_ratio, 0.0), df, "Likelihood ratio", SEPARATED_RATIO if is_rough else "")


def _chi_squared(statistic, df, hypothesis, note=""):
    """The ChiSquaredTest of a statistic."""
    return ChiSquaredTest(float(statistic), df, float(chdtrc(df, statistic)), hypothesis, note)


def _matrix_of(covariance: Covariance, hypothesis: Any) -> tuple[Array, str]:
    """The matrix (h, q) of a hypothesis, and what to call it."""
    n_contrasts, n_columns = covariance.coef.shape
    is_one = isinstance(hypothesis, str | int | np.integer)
    if is_one or (isinstance(hypothesis, list | tuple) and any(isinstance(one, str) for one in hypothesis)):
        columns = places_of_names("hypothesis", hypothesis, covariance.features)
        matrix = np.kron(np.eye(n_contrasts), np.eye(n_columns)[columns])
        return matrix, ", ".join(_called(covariance.features, column) for column in columns.tolist())
    matrix = _numbers(hypothesis)
    if matrix is None or np.ndim(matrix) > 2 or np.atleast_2d(matrix).shape[1] != n_contrasts * n_columns:
        got = repr(hypothesis) if matrix is None else f"shape {np.atleast_2d(matrix).shape}"
        raise InvalidParameterError(
            f"hypothesis must name features or be a finite matrix of {n_contrasts * n_columns} columns, those of the "
            f"covariance's labels, got {got}."
        )
    return np.atleast_2d(matrix), "Linear hypothesis"


def _called(features, column):
    """The name of a column, with its place if others have it too."""
    name = features[column]
    return name if features.count(name) == 1 else f"{name} (column {column})"


def _values_of(value, n_hypotheses):
    """``value`` (h,) of each hypothesis."""
    values = _numbers(value)
    if values is None or values.shape not in ((), (1,), (n_hypotheses,)):
        raise InvalidParameterError(
            f"value must be a finite number, or {n_hypotheses} of them, one for each row of the hypothesis (of a "
            f"feature, each class or contrast), got {value!r}."
        )
    return np.broadcast_to(values, n_hypotheses)


def _numbers(given):
    """What is given as an array of finite numbers, or None."""
    try:
        values = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        return None
    return values if np.isfinite(values).all() else None


def _likelihood(name, model, X, y, sample_weight):
    """Figures of a model, and its classes, or an error if it is not one of maximum likelihood."""
    of_fit = getattr(model, "feature_names_in_", None)
    if of_fit is not None and hasattr(X, "columns"):
        lacking = [column for column in of_fit if column not in X.columns]
        if lacking:
            raise ValueError(f"X lacks columns that {name} was fitted to: {lacking}.")
        X = X[list(of_fit)]
    one = fitted(model, X)
    classifier = one.classifier
    is_likelihood = type(classifier._fitted_loss) is CrossEntropy and not classifier._fitted_smoothing
    if not is_likelihood or np.isfinite(classifier.C) or classifier.class_weight is not None:
        raise InvalidParameterError(
            f"{name} must be a fit of cross-entropy with C=inf and without smoothing or class weights, whose loss is a "
            f"likelihood, got {classifier!r}."
        )
    return estimates_of(one, y, sample_weight).figures, classifier.classes_
