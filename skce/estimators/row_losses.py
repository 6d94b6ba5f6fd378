"""What predictions cost, a row at a time: log losses of the logits that rows have in a fit, whichever that is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skce._labels.kinds_of_y import HardLabels, Indicators, SoftLabels
from skce._links.recovery import Recovery
from skce._solver.leave_one_out import LeftOut, left_out
from skce._solver.problem import Iterate
from skce._types import Array
from skce.estimators.training_set import TrainingSet


def left_out_of(training_set: TrainingSet, problem: Any, curvature: Any, params: Array) -> LeftOut:
    """The LeftOut, with logits (K, n) of each row as a fit without it predicts them."""
    without = left_out(problem, curvature, params)
    return replace(without, logits=logits_of_outputs(training_set, Iterate(problem, params), without.logits))


def logits_of_outputs(training_set: TrainingSet, iterate: Iterate, of_optimised: Array) -> Array:
    """Logits (K, m) of what is predicted, for those (k, m) of the outputs that are optimised."""
    constant = training_set.constant_outputs
    if not len(constant):
        return predicted_logits(training_set, of_optimised)
    logits = np.empty((training_set.shape[0], of_optimised.shape[1]))
    logits[training_set.rows.targets.outputs] = of_optimised
    logits[constant] = training_set.constant_intercepts(iterate)[:, None]
    return predicted_logits(training_set, logits)


def predicted_logits(training_set: TrainingSet, logits: Array) -> Array:
    """Logits (K, m) of the probabilities that ``posterior`` of the estimator asks for, given those of the model."""
    if training_set.estimator.posterior == "model":
        return logits
    return training_set.link.recovered(logits, Recovery(*training_set.recovery))


def row_losses(link: Any, logits: Array, labels: HardLabels | SoftLabels | Indicators) -> Array:
    """Log losses (m,) of rows with logits (K, m), in nats; of several labels their mean."""
    if isinstance(labels, Indicators):
        indicator = labels.toarray().T
        losses = indicator * link.log_proba(logits) + (1 - indicator) * link.log_proba(-logits)
        return -losses.mean(axis=0)
    log_proba = link.log_proba(logits)
    if isinstance(labels, HardLabels):
        return -log_proba[labels.codes, np.arange(len(labels))]
    probabilities = labels.probabilities.T
    return -np.multiply(probabilities, log_proba, out=np.zeros_like(log_proba), where=probabilities > 0).sum(axis=0)


def weighted_mean(losses: Array, weight: Array) -> tuple[float, float]:
    """Mean of losses (n,) of rows by weight (n,), and its standard error."""
    total = weight.sum()
    mean = float(weight @ losses / total)
    return mean, float(np.sqrt(weight**2 @ (losses - mean) ** 2) / total)
