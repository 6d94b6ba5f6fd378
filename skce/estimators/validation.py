"""What a fit checks before it begins, its promise that an error changes nothing, and where it is in a pipeline."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from skce._checks import InvalidParameterError, check_boolean, check_integer, check_number
from skce._links.recovery import check_recoverable
from skce.losses import checked_loss


def check_parameters(estimator: Any) -> None:
    """Raise unless every parameter that needs no data is allowed."""
    several = "; SoftmaxRegressorCV and OneVsAllClassifierCV choose among several" if np.ndim(estimator.C) else ""
    check_number("C", estimator.C, lambda C: C > 0, f"a number above 0, or inf for no penalty{several}")
    check_number("gamma", estimator.gamma, lambda gamma: 0 <= gamma < np.inf, "a finite number of at least 0")
    check_number("label_smoothing", estimator.label_smoothing, lambda epsilon: 0 <= epsilon < 1, "a number in [0, 1)")
    check_number("tol", estimator.tol, lambda tol: 0 <= tol < np.inf, "a finite number of at least 0")
    check_integer("max_iter", estimator.max_iter, 0)
    check_integer("verbose", int(estimator.verbose) if isinstance(estimator.verbose, bool) else estimator.verbose, 0)
    check_boolean("fit_intercept", estimator.fit_intercept)
    check_boolean("warm_start", estimator.warm_start)
    check_posterior(estimator.posterior)
    loss = checked_loss("loss", estimator.loss, estimator.gamma)
    if estimator.posterior == "recovered":
        check_recoverable(loss)


def check_posterior(posterior: Any) -> None:
    """Raise unless ``posterior`` says of what predictions are to speak."""
    if not (isinstance(posterior, str) and posterior in ("model", "recovered")):
        raise InvalidParameterError(f"posterior must be 'model' or 'recovered', got {posterior!r}.")


def classifier_in(estimator: Any) -> Any:
    """The fitted classifier that a search or a pipeline ends in, that is frozen, or that is given."""
    check_is_fitted(estimator)
    if isinstance(estimator, FrozenEstimator):
        return classifier_in(estimator.estimator)
    if hasattr(estimator, "best_estimator_"):
        return classifier_in(estimator.best_estimator_)
    if hasattr(estimator, "steps"):
        return classifier_in(estimator.steps[-1][1])
    return estimator


@contextmanager
def unchanged_on_error(estimator: Any) -> Iterator[None]:
    """Put the attributes of ``estimator`` back to what they were if the block raises."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
