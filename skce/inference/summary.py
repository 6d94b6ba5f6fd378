"""The table of coefficients that people know: estimates, errors, tests, intervals, and what was fitted."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import ndtr

from skce._labels.places import listed
from skce._types import Array, ArrayLike
from skce.inference.covariance import Covariance, covariance_of, quantile_of
from skce.inference.estimates import CovarianceKind, WeightsMean, estimates_of
from skce.inference.fitted import fitted
from skce.inference.optimum import ENOUGH
from skce.inference.tables import html_pairs, html_table, number, probability, text_pairs, text_table

# Names of the columns of a frame.
COLUMNS = ["coef", "std_err", "z", "p", "lower", "upper", "odds_ratio", "odds_ratio_lower", "odds_ratio_upper"]
ENDS = [4, 5, 7, 8]


@dataclass(frozen=True, eq=False, repr=False)
class Summary:
    """The table of a fit's coefficients, made by :func:`summary`; prints as text, and as HTML in a notebook.

    Attributes
    ----------
    coef, std_err, z, p, lower, upper : ndarray of shape (n_contrasts, n_columns)
        Estimates, standard errors, their ratio, its two-sided p-value by the normal distribution, and the interval.
        Of "laplace" these are the posterior's mode and spread, and p the probability of the other sign.
    odds_ratio, odds_ratio_lower, odds_ratio_upper : ndarray of shape (n_contrasts, n_columns)
        Their exponentials: by what one unit more multiplies the odds of a class against the other, or, where
        coefficients sum to zero, against the geometric mean of all classes.
    contrasts, features : list of str
        What rows and columns of these are.
    covariance : Covariance
        The covariance of the coefficients.
    n_observations : float
        Rows of positive weight, or the sum of weights that are frequencies.
    log_likelihood, null_log_likelihood, pseudo_r2, aic, bic : float
        Of the fit and of intercepts alone, McFadden's 1 - log_likelihood / null_log_likelihood, and the criteria of
        Akaike and Schwarz; NaN for losses other than cross-entropy. With a penalty the criteria count effective
        parameters.
    df_model, df_residual : float
        Degrees of freedom but for intercepts, effective ones with a penalty, and those that are left.
    is_certified : bool
        Whether the fit was proven to be within its tol of the minimum.
    gap : float
        Total loss above its minimum of these estimates, in nats: half the squared distance in standard errors.
    confidence : float
        That of the intervals.
    notes : list of str
        What has to be known for the numbers to be read right.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce import SoftmaxRegressor
    >>> from skce.inference import summary
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> table = summary(SoftmaxRegressor().fit(X, y), X, y, reference=0)
    >>> table.contrasts[1], table.features[3]
    ('2 against 0', 'petal length (cm)')
    >>> float(table.coef[1, 3].round(2)), float(table.std_err[1, 3].round(2))
    (5.24, 0.93)
    """

    covariance: Covariance
    confidence: float
    std_err: Array = field(init=False)
    z: Array = field(init=False)
    p: Array = field(init=False)
    lower: Array = field(init=False)
    upper: Array = field(init=False)

    def __post_init__(self) -> None:
        std_err = self.covariance.standard_errors
        with np.errstate(divide="ignore", invalid="ignore"):
            z = self.coef / std_err
        p = (1 if self.covariance.kind == "laplace" else 2) * ndtr(-np.abs(z))
        lower, upper = self.covariance.intervals(self.confidence)
        for name, value in {"std_err": std_err, "z": z, "p": p, "lower": lower, "upper": upper}.items():
            object.__setattr__(self, name, value)

    @property
    def coef(self) -> Array:
        """Estimates (n_contrasts, n_columns)."""
        return self.covariance.coef

    @property
    def contrasts(self) -> list[str]:
        """What the rows are."""
        return self.covariance.contrasts

    @property
    def features(self) -> list[str]:
        """What the columns are."""
        return self.covariance.features

    @property
    def odds_ratio(self) -> Array:
        """Exponentials of ``coef``."""
        return _exponential(self.coef)

    @property
    def odds_ratio_lower(self) -> Array:
        """Exponentials of ``lower``."""
        return _exponential(self.lower)

    @property
    def odds_ratio_upper(self) -> Array:
        """Exponentials of ``upper``."""
        return _exponential(self.upper)

    @property
    def n_observations(self) -> float:
        """Rows of positive weight, or the sum of weights that are frequencies."""
        return self._figures["n"]

    @property
    def log_likelihood(self) -> float:
        """Log-likelihood at the estimates."""
        return self._figures["log_likelihood"]

    @property
    def null_log_likelihood(self) -> float:
        """Log-likelihood of intercepts alone."""
        return self._figures["null_log_likelihood"]

    @property
    def pseudo_r2(self) -> float:
        """McFadden's R-squared."""
        return self._figures["pseudo_r2"]

    @property
    def aic(self) -> float:
        """Akaike's criterion."""
        return self._figures["aic"]

    @property
    def bic(self) -> float:
        """Schwarz's criterion."""
        return self._figures["bic"]

    @property
    def df_model(self) -> float:
        """Degrees of freedom but for intercepts."""
        return self._figures["df_model"]

    @property
    def df_residual(self) -> float:
        """Observations less degrees of freedom."""
        return self._figures["df_residual"]

    @property
    def is_certified(self) -> bool:
        """Whether the fit was certified."""
        return self._figures["is_certified"]

    @property
    def gap(self) -> float:
        """Total loss above its minimum, in nats."""
        return self._figures["gap"]

    @property
    def notes(self) -> list[str]:
        """What has to be known for the numbers to be read right."""
        estimates = self.covariance._estimates
        notes = list(estimates.notes)
        if not estimates.link.are_separate and len(self.contrasts) == len(estimates.outputs) > 1:
            notes.append(
                "Coefficients are those of each class against the geometric mean of all classes, and sum to zero; "
                f"reference={listed(estimates.outputs)[0]!r} compares with one class."
            )
        return notes

    def to_frame(self) -> Any:
        """The table as a pandas DataFrame, a row for each contrast and feature."""
        import pandas as pd

        index = pd.MultiIndex.from_tuples(self.covariance.labels, names=["class", "feature"])
        return pd.DataFrame({name: getattr(self, name).ravel() for name in COLUMNS}, index=index)

    @property
    def _figures(self):
        return self.covariance._estimates.figures

    def _header(self):
        """Names and values above the table."""
        figures = self._figures
        clusters = f" of {figures['n_clusters']} groups" if figures["n_clusters"] else ""
        pairs = [
            ("Model", figures["model"]),
            ("Loss", type(figures["loss"]).__name__),
            ("C", f"{figures['C']:g}"),
            ("Covariance", figures["covariance"] + clusters),
            ("Fit certified", "yes" if self.is_certified else "no"),
            ("Std errors from optimum", "<0.0002" if self.gap <= ENOUGH else f"{np.sqrt(2 * self.gap):.1g}"),
            ("Observations", f"{self.n_observations:g}"),
            ("Df model, residual", f"{self.df_model:.6g}, {self.df_residual:.6g}"),
        ]
        if not np.isnan(self.log_likelihood):
            pairs += [
                ("Log-likelihood", f"{self.log_likelihood:.4f}"),
                ("Null log-likelihood", f"{self.null_log_likelihood:.4f}"),
                ("McFadden's R2", f"{self.pseudo_r2:.4f}"),
                ("AIC", f"{self.aic:.3f}"),
                ("BIC", f"{self.bic:.3f}"),
            ]
        return pairs

    def _blocks(self):
        """Title, columns, names and cells of each contrast's table."""
        is_posterior = self.covariance.kind == "laplace"
        tail = (1 - self.confidence) / 2
        ends = [f"[{tail:.4g}", f"{1 - tail:.4g}]"]
        names = ["mode", "std dev", "z", "P(other sign)"] if is_posterior else ["coef", "std err", "z", "P>|z|"]
        columns = [*names, *ends, "odds ratio", *ends]
        for row, contrast in enumerate(self.contrasts):
            values = np.array([getattr(self, name)[row] for name in COLUMNS])
            values[ENDS] = np.where(np.isnan(values[1]), np.nan, values[ENDS])
            cells = [
                [
                    "not determined" if np.isnan(coef) else number(coef),
                    number(std_err),
                    number(z, 2),
                    probability(p),
                    *map(number, others),
                ]
                for coef, std_err, z, p, *others in values.T
            ]
            yield contrast, columns, self.features, cells

    def __str__(self) -> str:
        blocks = [text_table(*block) for block in self._blocks()]
        width = max(len(line) for block in blocks for line in block)
        caution = self._figures["caution"]
        lines = [*textwrap.wrap(caution, width), "=" * width, *text_pairs(self._header(), width), "=" * width]
        for block in blocks:
            lines += [*block, ""]
        lines[-1] = "=" * width
        for note in self.notes[bool(caution) :]:
            lines += textwrap.wrap(note, width)
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        caution = self._figures["caution"]
        lines = [f"<p><b>{caution}</b></p>"] * bool(caution) + html_pairs(self._header())
        for block in self._blocks():
            lines += html_table(*block)
        return "\n".join([*lines, *(f"<p>{note}</p>" for note in self.notes[bool(caution) :])])


def _exponential(values):
    """exp, inf where it overflows."""
    with np.errstate(over="ignore"):
        return np.exp(values)


def summary(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    covariance: CovarianceKind | None = None,
    groups: ArrayLike | None = None,
    reference: Any = None,
    confidence: float = 0.95,
    small_sample: bool = False,
    weights: WeightsMean | None = None,
) -> Summary:
    """Return the table of a fitted model's coefficients with errors, tests and intervals.

    A fit ends within tol of its minimum, which is sqrt(2 S F tol) standard errors, for a total weight S and a loss F:
    0.3 at a million rows. The table is that of the optimum itself, to which steps of Newton's method lead from there;
    ``gap`` says how well. The model is left as it is.

    Parameters
    ----------
    model : fitted estimator
        A SoftmaxRegressor or OneVsAllClassifier, or a pipeline or search that ends in one.
    X, y, sample_weight
        What the model was fitted to; X as the model, a pipeline say, takes it. Also on Dask.
    covariance : {"hessian", "sandwich", "cluster", "laplace"}, default=None
        Of what errors are taken; see :func:`covariance`. None is "hessian", or "sandwich" where the loss is not a
        likelihood of the labels: of losses other than cross-entropy, smoothing and class weights.
    groups : array-like of shape (n_samples,), default=None
        The cluster of each row, for "cluster" and only there.
    reference : class label, default=None
        Coefficients are those of the other classes minus those of this one. None: of two classes those of the second
        against the first; of more, coefficients that sum to zero over the classes; of one-vs-all, each class's own.
    confidence : float, default=0.95
        Of the intervals, in (0, 1).
    small_sample : bool, default=False
        Whether to multiply "cluster" by G / (G - 1) * (n - 1) / (n - k).
    weights : {"frequency", "probability"}, default=None
        What ``sample_weight`` means to "sandwich"; see :func:`covariance`.

    Returns
    -------
    Summary

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
        If X, y, weights or parameters are not those of the fit, as its loss tells: the table is then
        that of a fit to what is given; or if there are fewer clusters than parameters.

    Notes
    -----
    With a finite C estimates are penalised: their errors are about what the penalised fit estimates. "hessian" is then
    the inverse of the penalised Hessian, which is no less than the spread over samples, of which "sandwich" is an
    estimate; read as the covariance of a posterior, whose prior is normal of variance C, it is what "laplace" names.

    Without a penalty, classes that columns separate have no finite estimates. They are shown as infinite, and the
    others are those of the limit; see :func:`separation`.

    Errors of one-vs-all outputs are, for "hessian", those of independent fits, and taken as independent of each other;
    "sandwich" has their covariances too.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skce import SoftmaxRegressor
    >>> from skce.inference import summary
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> X = X[["mean radius", "mean texture"]]
    >>> summary(SoftmaxRegressor(C=np.inf).fit(X, y), X, y)
    ================================================================================================
    Model                         SoftmaxRegressor   Df model, residual                      2, 566
    Loss                              CrossEntropy   Log-likelihood                       -145.5617
    C                                          inf   Null log-likelihood                  -375.7200
    Covariance                             hessian   McFadden's R2                           0.6126
    Fit certified                               no   AIC                                    297.123
    Std errors from optimum                <0.0002   BIC                                    310.155
    Observations                               569
    ================================================================================================
    1 against 0      coef  std err       z   P>|z|   [0.025   0.975]  odds ratio    [0.025    0.975]
    ------------------------------------------------------------------------------------------------
    intercept     19.8494   1.7739   11.19  <0.001  16.3725  23.3263    4.17e+08  1.29e+07  1.35e+10
    mean radius   -1.0571   0.1015  -10.42  <0.001  -1.2560  -0.8582      0.3475    0.2848    0.4239
    mean texture  -0.2181   0.0371   -5.89  <0.001  -0.2908  -0.1455      0.8040    0.7477    0.8646
    ================================================================================================
    """
    quantile_of(confidence)
    estimates = estimates_of(
        fitted(model, X),
        y,
        sample_weight,
        covariance=covariance,
        groups=groups,
        small_sample=small_sample,
        weights=weights,
    )
    return Summary(covariance_of(estimates, reference), float(confidence))
