"""What has to be said beside numbers for them to be read right."""

from typing import Any

import numpy as np

from skce.inference.fitted import Fitted
from skce.inference.optimum import ENOUGH, Optimum
from skce.losses import CrossEntropy

# Relative change of the loss at a fit's coefficients, from which data are not those of the fit. float32 leaves 1e-5.
CHANGE_OF_LOSS = 1e-3

# How notes begin of what columns separate.
SEPARATED = "Classes are separated (see skce.inference.separation)"


def notes_of(fitted: Fitted, optimum: Optimum, figures: dict[str, Any], *, is_weighted: bool) -> list[str]:
    """What has to be said below a table for its numbers to be read right."""
    classifier, problem = fitted.classifier, optimum.problem
    kind, notes = figures["covariance"], []
    change = abs(optimum.value_of_fit - classifier.loss_)
    if change > CHANGE_OF_LOSS * max(abs(classifier.loss_), 1e-6):
        notes.append(
            f"The loss at the model's coefficients is {optimum.value_of_fit:.6g}, but was {classifier.loss_:.6g} when "
            "it was fitted: X, y, weights, parameters or the prior are not those of the fit. The table is of what is "
            "given here."
        )
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
    is_likelihood = type(classifier._fitted_loss) is CrossEntropy and not classifier._fitted_smoothing
    if kind == "hessian" and not is_likelihood:
        notes.append("The loss is not a likelihood of the labels: covariance='sandwich' has the right errors.")
    elif kind == "hessian" and (is_weighted or classifier.class_weight is not None):
        notes.append(
            "Weights count as frequencies, copies of a row. If they are of importance, of classes or of a sampling "
            "design, covariance='sandwich' has the right errors."
        )
    return notes
