"""The covariance of the coefficients of a fit, with their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from skce._checks import check_number
from skce._types import Array, ArrayLike
from skce.inference.estimates import CovarianceKind, Estimates, WeightsMean, contrasts_to, estimates_of
from skce.inference.fitted import fitted
from skce.inference.notes import NOT_LOOKED_FOR


@dataclass(frozen=True, eq=False, repr=False)
class Covariance:
    """Coefficients at the optimum of a fit, and the covariance of their errors; made by :func:`covariance`.

    Attributes
    ----------
    matrix : ndarray of shape (n_coef, n_coef)
        The covariance; NaN for coefficients that have no estimate.
    coef : ndarray of shape (n_contrasts, n_columns)
        Coefficients of each class, or contrast of two, the intercept first; infinite, or NaN where not even their sign
        is determined, if there is no finite estimate.
    contrasts : list of str
        What the rows of ``coef`` are: classes, "b against a", or labels.
    features : list of str
        What the columns are: "intercept", if there is one, and the names of the features.
    kind : {"hessian", "sandwich", "cluster", "laplace"}
        What ``matrix`` is.

    See Also
    --------
    skce.inference.summary : The same as a table.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce import SoftmaxRegressor
    >>> from skce.inference import covariance
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> of_errors = covariance(SoftmaxRegressor().fit(X, y), X, y, reference=0)
    >>> of_errors.matrix.shape
    (10, 10)
    >>> of_errors.labels[1]
    ('1 against 0', 'sepal length (cm)')
    """

    matrix: Array
    coef: Array
    contrasts: list[str]
    features: list[str]
    kind: str
    _estimates: Estimates

    @property
    def labels(self) -> list[tuple[str, str]]:
        """Contrast and feature of each row and column of ``matrix``."""
        return [(contrast, feature) for contrast in self.contrasts for feature in self.features]

    @property
    def standard_errors(self) -> Array:
        """Roots of the diagonal, of the shape of ``coef``."""
        return np.sqrt(np.diag(self.matrix)).reshape(self.coef.shape)

    def intervals(self, confidence: float = 0.95) -> tuple[Array, Array]:
        """Lower and upper ends of the normal intervals, each of the shape of ``coef``.

        Parameters
        ----------
        confidence : float, default=0.95
            Probability that an interval covers, in (0, 1).

        Returns
        -------
        tuple of two ndarrays of shape (n_contrasts, n_columns)
            From minus to plus infinity where there is no estimate.
        """
        reach = self.standard_errors * quantile_of(confidence)
        with np.errstate(invalid="ignore"):
            lower, upper = self.coef - reach, self.coef + reach
        return np.where(np.isnan(lower), -np.inf, lower), np.where(np.isnan(upper), np.inf, upper)

    def to_frame(self) -> Any:
        """The matrix as a pandas DataFrame whose index and columns are ``labels``."""
        import pandas as pd

        index = pd.MultiIndex.from_tuples(self.labels, names=["class", "feature"])
        return pd.DataFrame(self.matrix, index=index, columns=index)

    def __repr__(self) -> str:
        return f"Covariance(kind={self.kind!r}, contrasts={self.contrasts}, features={self.features})"


def quantile_of(confidence: Any) -> float:
    """Standard errors to either side that an interval of so much confidence reaches."""
    check_number("confidence", confidence, lambda value: 0 < value < 1, "a number in (0, 1)")
    return float(ndtri((1 + confidence) / 2))


def covariance(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    covariance: CovarianceKind | None = None,
    groups: ArrayLike | None = None,
    reference: Any = None,
    small_sample: bool = False,
    weights: WeightsMean | None = None,
) -> Covariance:
    """Return the covariance of the coefficients of a fitted model.

    With H the Hessian of the total loss and penalty at the optimum, and s_i the gradient of the loss of row i,
    "hessian" is H^-1, "sandwich" H^-1 (sum s_i s_i^T) H^-1, and "cluster" the same with the s_i summed over the rows
    of each group. H has the true second derivatives of any loss. Estimates are those of the optimum, to which a few
    steps of Newton's method lead from where the fit ended; the model is left as it is.

    Parameters
    ----------
    model : fitted estimator
        A SoftmaxRegressor or OneVsAllClassifier, or a pipeline or search that ends in one.
    X, y, sample_weight
        What the model was fitted to; X as the model, a pipeline say, takes it.
    covariance : {"hessian", "sandwich", "cluster", "laplace"}, default=None
        "hessian" is right for the likelihood of labels, a weight counting copies of a row. "sandwich" is right for
        weights of a sampling design or of importance, class weights, soft labels, smoothing, and losses other than
        cross-entropy; "cluster" where rows of a group depend on each other. "laplace" is H^-1 as the covariance of a
        posterior, whose prior is the penalty. None is "hessian", or "sandwich" where the loss is not a likelihood of
        the labels: of losses other than cross-entropy, smoothing and class weights.
    groups : array-like of shape (n_samples,), default=None
        The cluster of each row, for "cluster" and only there.
    reference : class label, default=None
        Coefficients are those of the other classes minus those of this one. None: of two classes those of the second
        against the first; of more, coefficients that sum to zero over the classes; of one-vs-all, each class's own.
    small_sample : bool, default=False
        Whether to multiply "cluster" by G / (G - 1) * (n - 1) / (n - k), for G groups and k parameters.
    weights : {"frequency", "probability"}, default=None
        What ``sample_weight`` means to "sandwich": "frequency" counts copies of a row. None is "frequency" for
        "hessian" and "laplace", and "probability" for the others.

    Returns
    -------
    Covariance
        Of which ``matrix`` is the covariance, and ``labels`` say of what.

    Raises
    ------
    ValueError
        If the options do not go together; if X or y are not of the features, the classes or the length that they
        should be; if columns depend on each other and C is inf; or if the loss has no second derivative.
    NotFittedError
        If the model is not fitted.
    TypeError
        If the model is none of skce's.

    Warns
    -----
    UserWarning
        If X, y, weights or parameters are not those of the fit, as its loss tells: the covariance is then
        that of a fit to what is given; or if there are fewer clusters than parameters.

    References
    ----------
    White (1982),
    `"Maximum likelihood estimation of misspecified models"
    <https://doi.org/10.2307/1912526>`__, Econometrica 50. Liang and Zeger (1986),
    `"Longitudinal data analysis using generalized linear models"
    <https://doi.org/10.1093/biomet/73.1.13>`__, Biometrika 73.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skce import SoftmaxRegressor
    >>> from skce.inference import covariance
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> X = X[["mean radius", "mean texture"]]
    >>> model = SoftmaxRegressor(C=np.inf).fit(X, y)
    >>> of_errors = covariance(model, X, y, covariance="sandwich")
    >>> of_errors.features
    ['intercept', 'mean radius', 'mean texture']
    >>> of_errors.standard_errors.round(3)
    array([[1.717, 0.099, 0.036]])
    """
    estimates = estimates_of(
        fitted(model, X),
        y,
        sample_weight,
        covariance=covariance,
        groups=groups,
        small_sample=small_sample,
        weights=weights,
    )
    return covariance_of(estimates, reference)


def covariance_of(estimates: Estimates, reference: Any) -> Covariance:
    """The Covariance of Estimates for a reference class."""
    contrasts, names = contrasts_to(estimates, reference)
    coef, matrix, are_all_sought = estimates.combined(contrasts)
    kept = estimates.without_rows()
    if not are_all_sought:
        kept.notes.append(NOT_LOOKED_FOR)
    return Covariance(matrix, coef, names, estimates.features, estimates.kind, kept)
