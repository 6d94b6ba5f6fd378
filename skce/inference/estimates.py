"""Estimates: the parameters at the optimum of a fit with their covariance, and what else a table says of the fit.

With H the Hessian of S F at the optimum, penalty included, and s_i the score of row i,

    hessian     H^-1                               what maximum likelihood has: a weight counts the row so often
    laplace     H^-1                               the same numbers, as the spread of a posterior: see Summary
    sandwich    H^-1 (sum_i s_i s_i^T) H^-1        of any M-estimator: the loss need not be the right likelihood
    cluster     H^-1 (sum_g s_g s_g^T) H^-1        with s_g the sum of the scores of a cluster of rows

Parameters are theta (k, p), a row for each output, the intercept first. Those of a softmax sum to zero over the
classes, and so does their covariance: contrasts of two classes, and all that is predicted, do not depend on that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import scipy.sparse
from scipy.special import xlogy

from skce._callers import warn_caller
from skce._checks import InvalidParameterError, check_boolean
from skce._labels.arrays import check_no_label_is_missing
from skce._labels.places import listed, places_of
from skce._rows.lazy import in_memory, is_lazy
from skce._solver.separation import LEAST_COEF
from skce._types import Array, ArrayLike, Link
from skce.inference.fitted import INTERCEPT, Fitted
from skce.inference.infinite import Infinite, infinite_of
from skce.inference.notes import few_clusters, notes_of
from skce.inference.scores import products_of_clusters, products_of_scores
from skce.losses import CrossEntropy

CovarianceKind: TypeAlias = Literal["hessian", "sandwich", "cluster", "laplace"]
WeightsMean: TypeAlias = Literal["frequency", "probability"]


@dataclass(frozen=True, eq=False)
class About:
    """Parameters ``theta`` (k, p) of X minus its ``mean`` (d,), their ``covariance`` (k p, k p), and what is infinite.

    ``unseen`` (r, k, p) are the directions along which parameters have no finite estimate. ``prior_shift`` (k,) is what
    logits have besides, of another prior.

    Errors of what is predicted from columns that are far from zero would be lost in those of the intercept there.
    """

    mean: Array
    theta: Array
    covariance: Array
    unseen: Array
    has_intercept: bool
    prior_shift: Array

    def logits(self, design: Array) -> Array:
        """Logits (k, m) that rows of a design (m, p) are predicted with."""
        return self.theta @ design.T + self.prior_shift[:, None]

    def design(self, X: Any) -> Array:
        """Columns of X (m, d) minus their means, dense, after one of ones if there is an intercept."""
        dense = X.toarray() if scipy.sparse.issparse(X) else X
        design = np.empty((dense.shape[0], self.theta.shape[1]))
        design[:, : int(self.has_intercept)] = 1
        np.subtract(dense, self.mean, out=design[:, int(self.has_intercept) :])
        return design

    def unseen_logits(self, design: Array) -> Array:
        """Logits (r, k, m) of rows of a design (m, p) along what is infinite, 0 where they do not depend on it."""
        logits = np.einsum("rkp,mp->rkm", self.unseen, design)
        sizes = np.einsum("rkp,mp->rkm", np.abs(self.unseen), np.abs(design))
        return np.where(np.abs(logits) > LEAST_COEF * sizes, logits, 0.0)


@dataclass(frozen=True, eq=False)
class Estimates:
    """What is known at the optimum of a fit.

    ``theta`` (k, p) with rows ``outputs`` and columns ``features``, their ``covariance`` (k p, k p), and the same
    ``about_mean`` for what is predicted; and what is ``infinite``. ``figures`` are those above a table, by their names.
    X is in ``fitted``, and rows in ``infinite``, until they are taken out.
    """

    fitted: Fitted
    kind: CovarianceKind
    outputs: Array
    features: list[str]
    theta: Array
    covariance: Array
    about_mean: About
    infinite: Infinite
    figures: dict[str, Any]
    notes: list[str]

    @property
    def link(self) -> Link:
        """What kind of problem was fitted."""
        return self.fitted.link

    @property
    def is_infinite(self) -> bool:
        """Whether any parameter has no estimate."""
        return len(self.infinite.unseen) > 0

    def without_rows(self) -> Estimates:
        """The same for results to keep and to pickle, which hold no data; what is combined has been before."""
        infinite = Infinite(self.infinite.unseen, [])
        return replace(self, fitted=replace(self.fitted, X=None), infinite=infinite, notes=list(self.notes))

    def combined(self, contrasts: Array) -> tuple[Array, Array, bool]:
        """Values (c, p), infinite or NaN without an estimate, and covariance (c p, c p) of ``contrasts`` (c, k).

        Last is whether the signs of all that are infinite were looked for.
        """
        n_contrasts, n_outputs = contrasts.shape
        values = contrasts @ self.theta
        n_columns = values.shape[1]
        by_output = self.covariance.reshape(n_outputs, n_columns, n_outputs, n_columns)
        covariance = np.einsum("ck,kiLj->ciLj", contrasts, by_output, optimize=True)
        covariance = np.einsum("dL,ciLj->cidj", contrasts, covariance, optimize=True)
        covariance = covariance.reshape(n_contrasts * n_columns, -1)
        are_all_sought = True
        if self.is_infinite:
            signs, are_all_sought = self.infinite.signs(contrasts)
            is_infinite = signs != 0
            values[is_infinite] = signs[is_infinite] * np.inf
            covariance[is_infinite.ravel()] = covariance[:, is_infinite.ravel()] = np.nan
        return values, covariance, are_all_sought


def contrasts_to(estimates: Estimates, reference: Any) -> tuple[Array, list[str]]:
    """Contrasts (c, k) of the outputs and what they are called; to a ``reference`` class, or None for none."""
    outputs, n_outputs = estimates.outputs, len(estimates.outputs)
    is_binary = len(estimates.fitted.classifier.coef_) == 1
    if reference is None and not is_binary:
        return np.eye(n_outputs), [str(output) for output in outputs]
    if estimates.link.are_separate and not is_binary:
        raise InvalidParameterError(
            f"reference must be None for one-vs-all, whose classes are each against all others, got {reference!r}."
        )
    classes = estimates.fitted.classifier.classes_ if is_binary else outputs
    place = 0 if reference is None else places_of([reference], classes)[0]
    if place < 0:
        raise InvalidParameterError(f"reference must be one of the classes {listed(classes)}, got {reference!r}.")
    if is_binary:
        return np.array([[1.0 if place == 0 else -1.0]]), [f"{classes[1 - place]} against {classes[place]}"]
    others = np.delete(np.arange(n_outputs), place)
    contrasts = np.eye(n_outputs)[others]
    contrasts[:, place] = -1
    return contrasts, [f"{outputs[other]} against {outputs[place]}" for other in others]


def estimates_of(
    fitted: Fitted,
    y: ArrayLike,
    sample_weight: ArrayLike | None,
    *,
    covariance: CovarianceKind | None = None,
    groups: ArrayLike | None = None,
    small_sample: bool = False,
    weights: WeightsMean | None = None,
) -> Estimates:
    """The Estimates of a Fitted whose y and weights are those of its fit."""
    if covariance is None:
        is_weighted_by_class = fitted.classifier.class_weight is not None
        covariance = "hessian" if fitted.is_likelihood and not is_weighted_by_class else "sandwich"
    weights = _checked_options(fitted, covariance, groups, small_sample, weights)
    codes = _clusters(groups, fitted.X)
    with fitted.problem(y, sample_weight) as problem:
        optimum = fitted.optimum(problem)
        n_rows, n_weighted = _observations(optimum.problem)
        n = float(n_weighted if weights == "frequency" else n_rows)
        middle, n_clusters = None, 0
        if covariance == "sandwich":
            middle = products_of_scores(optimum, weights == "frequency")
        elif covariance == "cluster":
            n_clusters = _n_clusters(codes, optimum.problem)
            middle = products_of_clusters(optimum, codes)
            if small_sample:
                middle = middle * (n_clusters / (n_clusters - 1) * (n - 1) / (n - optimum.n_parameters))
        targets = problem.rows.targets
        figures = _figures(fitted, optimum, n)
        if n_clusters and n_clusters <= figures["n_parameters"]:
            warn_caller(few_clusters(n_clusters, figures["n_parameters"]))
        figures |= {"n_rows": n_rows, "n_clusters": n_clusters or None, "covariance": covariance, "weights": weights}
        infinite, unseen_about_mean = infinite_of(optimum)
        theta, prior_shift = optimum.theta(optimum.params), fitted.prior_shift[targets.outputs]
        if problem.fit_intercept:
            theta[:, 0] += prior_shift
        return Estimates(
            fitted,
            covariance,
            fitted.classifier.classes_[-targets.n_outputs :][targets.outputs],
            [INTERCEPT] * problem.fit_intercept + fitted.names,
            theta,
            optimum.covariance(middle),
            About(
                optimum.mean,
                optimum.theta(optimum.params, optimum.mean),
                optimum.covariance(middle, optimum.mean),
                unseen_about_mean,
                problem.fit_intercept,
                prior_shift,
            ),
            infinite,
            figures,
            notes_of(fitted, optimum, figures, is_weighted=sample_weight is not None),
        )


def _checked_options(fitted, covariance, groups, small_sample, weights):
    """What weights mean, or an error if options do not go together."""
    kinds = ("hessian", "sandwich", "cluster", "laplace")
    if not (isinstance(covariance, str) and covariance in kinds):
        is_robust = isinstance(covariance, str) and covariance.lower() in ("hc0", "hc1", "robust", "white", "huber")
        hint = " Heteroscedasticity-robust errors, HC0, are 'sandwich'." if is_robust else ""
        raise InvalidParameterError(
            f"covariance must be one of {', '.join(map(repr, kinds))}, got {covariance!r}.{hint}"
        )
    if (groups is None) == (covariance == "cluster"):
        raise InvalidParameterError(
            "groups must be given for covariance='cluster', a label for each row, and for no other; "
            f"got covariance={covariance!r} and groups={'None' if groups is None else 'labels'}."
        )
    check_boolean("small_sample", small_sample)
    if small_sample and covariance != "cluster":
        raise InvalidParameterError(f"small_sample=True is for covariance='cluster', got {covariance!r}.")
    if covariance == "laplace" and type(fitted.classifier._fitted_loss) is not CrossEntropy:
        raise InvalidParameterError(
            f"covariance='laplace' needs a likelihood, which {fitted.classifier._fitted_loss!r} is not; "
            "covariance='sandwich' holds for any loss."
        )
    usual = "probability" if covariance in ("sandwich", "cluster") else "frequency"
    if weights not in (None, "frequency", "probability"):
        raise InvalidParameterError(f"weights must be 'frequency', 'probability' or None, got {weights!r}.")
    if weights is not None and weights != usual and covariance != "sandwich":
        raise InvalidParameterError(
            f"weights={weights!r} does not go with covariance={covariance!r}, which takes them for those of "
            f"{usual}; covariance='sandwich' takes either."
        )
    return weights or usual


def _clusters(groups, X):
    """Codes (n,) of the clusters of the rows; none without groups."""
    if groups is None:
        return np.zeros(0, dtype=int)
    if is_lazy(X):
        raise InvalidParameterError("groups need X in memory, but X is on Dask; X.compute() fetches it.")
    groups = np.asarray(in_memory(groups))
    n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
    if groups.ndim != 1 or len(groups) != n_rows:
        raise InvalidParameterError(f"groups must have a label for each of {n_rows} rows, got shape {groups.shape}.")
    check_no_label_is_missing(groups, "groups")
    return np.unique(groups, return_inverse=True)[1]


def _n_clusters(codes, problem):
    """Clusters with rows of positive weight; an error if there are fewer than two."""
    n_clusters = len(np.unique(codes[np.asarray(problem.rows.targets.sample_weight) > 0]))
    if n_clusters < 2:
        raise InvalidParameterError(f"groups must have two clusters or more with rows of weight, got {n_clusters}.")
    return n_clusters


def _observations(problem):
    """Rows of positive weight, and their weights in sum."""

    def program(block):
        weight = np.asarray(block.targets.sample_weight[block.at])
        return np.count_nonzero(weight), weight.sum()

    n_rows, n_weighted = problem.rows.summed(program)
    return int(n_rows), float(n_weighted)


def _figures(fitted, optimum, n):
    """What is above a table: likelihoods, criteria, degrees of freedom, and how the fit ended."""
    problem, classifier = optimum.problem, fitted.classifier
    n_parameters = optimum.n_parameters
    effective = float(n_parameters)
    if not problem.penalty.is_zero:
        # A penalised direction counts by the share of its curvature that the rows have.
        variances = np.diag(optimum.covariance()).reshape(problem.shape[::-1])[:, int(problem.fit_intercept) :]
        effective -= float((problem.penalty.ridge * problem.total * variances).sum())
    n_intercepts = problem.fit_intercept * optimum.curvature.classes.size
    figures = {
        "model": type(classifier).__name__,
        "loss": classifier._fitted_loss,
        "C": float(classifier.C),
        "n": n,
        "n_parameters": n_parameters,
        "is_separated": any(optimum.recessions or []),
        "df_model": effective - n_intercepts,
        "df_residual": n - effective,
        "is_certified": bool(classifier.is_certified_),
        "caution": fitted.caution(optimum),
        "gap": optimum.missed,
        "log_likelihood": np.nan,
        "null_log_likelihood": np.nan,
        "pseudo_r2": np.nan,
        "aic": np.nan,
        "bic": np.nan,
    }
    if type(classifier._fitted_loss) is CrossEntropy:
        coef, _ = problem.split(optimum.params)
        log_likelihood = -problem.total * (optimum.value - problem.penalty.value(coef))
        null = _null_log_likelihood(problem.rows.targets)
        figures |= {
            "log_likelihood": log_likelihood,
            "null_log_likelihood": null,
            "pseudo_r2": 1 - log_likelihood / null,
            "aic": 2 * (effective - log_likelihood),
            "bic": effective * np.log(n) - 2 * log_likelihood,
        }
    return figures


def _null_log_likelihood(targets):
    """The log-likelihood of the best intercepts alone."""
    mass = targets.mass[:, targets.outputs] if targets.mass.ndim == 2 else targets.mass
    return float(xlogy(mass, mass / mass.sum(axis=0)).sum())
