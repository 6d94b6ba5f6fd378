"""What has to be said beside numbers for them to be read right."""

from typing import Any

import numpy as np

from skce.inference.fitted import Fitted
from skce.inference.optimum import ENOUGH, Optimum

# Clusters from which on intervals cover nearly what they say: 93 % of 95 % in benchmarks/coverage.py.
ENOUGH_CLUSTERS = 40

# How notes begin of what columns separate.
SEPARATED = "Classes are separated (see skce.inference.separation)"

NOT_LOOKED_FOR = (
    "Of some coefficients that are 'not determined' the sign was not looked for: too many rows and columns."
)


def notes_of(fitted: Fitted, optimum: Optimum, figures: dict[str, Any], *, is_weighted: bool) -> list[str]:
    """What has to be said below a table for its numbers to be read right."""
    classifier, problem = fitted.classifier, optimum.problem
    kind, notes = figures["covariance"], []
    if figures["caution"]:
        notes.append(figures["caution"])
    if kind == "cluster" and figures["n_clusters"] < ENOUGH_CLUSTERS:
        notes.append(few_clusters(figures["n_clusters"], figures["n_parameters"]))
    if optimum.missed > ENOUGH:
        distance = np.sqrt(2 * optimum.missed)
        notes.append(
            f"Estimates are up to {distance:.1g} standard errors from their optimum, which steps did not reach."
        )
    if any(optimum.recessions or []):
        notes.append(
            f"{SEPARATED}: the likelihood rises for ever as coefficients shown as inf grow, and those shown as -inf "
            "fall. They have no finite estimate, and no errors, tests or intervals; nor have those that are 'not "
            "determined', with which the likelihood comes as high at any value. Other numbers are those of the limit. "
            "Degrees of freedom, AIC and BIC count all coefficients."
        )
    elif optimum.recessions is None:
        notes.append("It was not found out whether classes are separated: the linear program would be too large.")
    if fitted.prior_shift.any():
        notes.append(
            "Intercepts are shifted to another prior (with_prior), which errors take as known; likelihoods are those "
            "of the fit."
        )
    if fitted.is_transformed:
        notes.append("Coefficients are per unit of the columns that the last step of the pipeline sees.")
    if fitted.has_chosen:
        notes.append(
            "C, or what else was tried, was chosen on the same data, which errors, tests and intervals know nothing of."
        )
    if kind == "laplace":
        prior = f"normal of variance C = {classifier.C:g} for coefficients" if np.isfinite(classifier.C) else "flat"
        notes.append(
            f"Laplace's approximation of a posterior (prior: {prior}, flat for intercepts): mode, spread and credible "
            "intervals; P is the posterior probability of the other sign."
        )
    elif not problem.penalty.is_zero:
        notes.append(
            f"C = {classifier.C:g} is finite: estimates are penalised, shrunken towards 0. Errors and intervals are "
            "about what the penalised fit estimates, not about what it shrank."
        )
    if kind == "hessian" and not fitted.is_likelihood:
        notes.append(
            "The loss is not a likelihood of the labels: the errors above are not valid, and those of "
            "covariance='sandwich' are."
        )
    elif kind == "hessian" and (is_weighted or classifier.class_weight is not None):
        notes.append(
            "Weights count as frequencies, copies of a row. If they are of importance, of classes or of a sampling "
            "design, covariance='sandwich' has the right errors."
        )
    elif kind == "sandwich" and (not fitted.is_likelihood or classifier.class_weight is not None):
        notes.append(
            "The loss is not a likelihood of the labels, for which the inverse Hessian would hold: the sandwich holds "
            "for any loss."
        )
    return notes


def few_clusters(n_clusters: int, n_parameters: int) -> str:
    """What has to be said of errors by so few clusters."""
    if n_clusters > n_parameters:
        return (
            f"{n_clusters} clusters are few: errors by clusters are right for many, {ENOUGH_CLUSTERS} or more, and "
            "mostly too small for few; small_sample=True mends some of it."
        )
    return (
        f"{n_clusters} clusters for {n_parameters} parameters: the rank of the sandwich is at most the number of "
        "clusters, and without a penalty one less. These errors mean little; "
        f"{ENOUGH_CLUSTERS} clusters or more are needed."
    )
