"""Another class prior for a fitted model, without a new fit (Saerens et al. 2002; Menon et al. 2021)."""

from __future__ import annotations

import copy
from typing import Any, Literal, TypeVar

import numpy as np
from scipy.special import log_softmax
from sklearn.base import BaseEstimator

from skce._checks import InvalidParameterError, check_not_masked, check_number
from skce._labels.places import listed, places_of
from skce._labels.reading import rounding_of_probabilities
from skce._links.recovery import check_recoverable
from skce._types import ArrayLike
from skce.estimators.base import CrossEntropyClassifier
from skce.estimators.portable import computed_in_numpy
from skce.estimators.validation import classifier_in

Estimator = TypeVar("Estimator", bound=BaseEstimator)


def with_prior(
    estimator: Estimator, *, prior: ArrayLike | dict[Any, float] | Literal["balanced"], tau: float = 1.0
) -> Estimator:
    """Return a fitted estimator whose predictions stand for another class prior, without a new fit.

    With eta the recovered probabilities (``posterior="recovered"``) and pi the class frequencies of the training data,
    it predicts eta_k (prior_k / pi_k)^tau, normalised: what a model of data with these class frequencies would, if they
    differ in nothing else. For cross-entropy without smoothing, in a softmax or in labels that do not exclude each
    other, this is a shift of the intercepts, and ``intercept_`` has it.

    Parameters
    ----------
    estimator : fitted SoftmaxRegressor or OneVsAllClassifier
        Or a pipeline or a search that ends in one. It stays as it is.
    prior : array-like of shape (n_classes,), dict, Series or "balanced"
        Probabilities of the classes where predictions are to be used, in the order of ``classes_`` or by class;
        "balanced" for all the same. After a multilabel fit the probability of each label, 1/2 if "balanced". A class
        without samples, or without weight, in training stays as improbable as it is.
    tau : float, default=1.0
        How far to go, at least 0: 0 keeps the prior of the training data, 1 goes all the way, more goes beyond.

    Returns
    -------
    estimator of the same kind
        A copy that pickles and scores as the original does; ``class_prior_`` is the prior that it stands for, for
        tau = 1 the one asked for. Where no shift of intercepts will do, it has ``posterior="recovered"``, and needs it.
        A new ``fit``, also that of a clone, starts from the training data again.

    Raises
    ------
    ValueError
        If prior has an entry that is not above 0, does not sum to 1, or names other classes; if tau is negative; or if
        the loss cannot be undone.
    TypeError
        If the estimator is not one of skce.
    NotFittedError
        If the estimator is not fitted.

    See Also
    --------
    SoftmaxRegressor : Its ``posterior`` parameter undoes weights, smoothing and loss, and keeps the prior.

    References
    ----------
    Saerens, Latinne and Decaestecker (2002),
    `"Adjusting the outputs of a classifier to new a priori probabilities"
    <https://doi.org/10.1162/089976602753284446>`__,
    Neural Computation 14. Menon et al. (2021), "Long-tail learning via logit adjustment", ICLR.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skce import SoftmaxRegressor, with_prior
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = SoftmaxRegressor().fit(X, y)
    >>> model.class_prior_.round(3)
    array([0.373, 0.627])
    >>> screening = with_prior(model, prior={0: 0.005, 1: 0.995})
    >>> bool(model.predict_proba(X[:1])[0, 0] > screening.predict_proba(X[:1])[0, 0])
    True
    """
    check_number("tau", tau, lambda tau: 0 <= tau < np.inf, "a finite number of at least 0")
    classifier_in(estimator)
    changed = copy.deepcopy(estimator)
    classifier = classifier_in(changed)
    if not isinstance(classifier, CrossEntropyClassifier):
        raise TypeError(f"estimator must be a SoftmaxRegressor, a OneVsAllClassifier or end in one, got {estimator!r}.")
    with computed_in_numpy(classifier):
        _set_prior(classifier, prior, tau)
    return changed


def _set_prior(classifier, prior, tau):
    """Have a fitted classifier, whose arrays are NumPy's, stand for another prior."""
    link = classifier._fitted_link
    old = _outcomes(classifier.class_prior_, link)
    new = _outcomes(_checked_prior(prior, classifier), link)
    # What was not fitted, for want of samples or of weight, has no frequency to be changed; a label has two or none.
    occurs = (old > 0) & (classifier.class_weight_ > 0)
    if link.is_multilabel:
        occurs = np.broadcast_to(occurs.all(axis=0), old.shape)
    else:
        new = new / new[occurs].sum()
    log_old = np.log(np.where(occurs, old, 1.0))
    log_ratio = np.where(occurs, tau * (np.log(new) - log_old), 0.0)
    classifier._log_weight = classifier._log_weight - log_ratio
    if link.is_recovered_by_intercepts(classifier._recovery):
        shift = link.recovered(np.zeros((len(classifier.coef_), 1)), classifier._recovery)[:, 0]
        if link.is_shift_invariant:
            shift -= shift.mean()
        classifier.intercept_ = (classifier.intercept_ + shift).astype(classifier.intercept_.dtype)
        classifier._prior_shift = classifier._prior_shift + shift
        classifier._log_weight = np.zeros_like(log_ratio)
    else:
        check_recoverable(classifier._fitted_loss)
        classifier.set_params(posterior="recovered")
    left_out = 0.0 if link.is_multilabel else -np.inf  # of a label both sides are left out, or none
    log_shifted = log_softmax(np.where(occurs, log_old + log_ratio, left_out), axis=0)
    shifted = np.where(occurs, np.exp(log_shifted), old)
    classifier.class_prior_ = shifted[0] if link.is_multilabel else shifted


def _outcomes(prior, link):
    """A prior (K,) of classes; or one of labels, (L,), with that of their absence, (2, L)."""
    return np.stack([prior, 1 - prior]) if link.is_multilabel else prior


def _checked_prior(prior, classifier):
    """``prior`` (K,) or (L,) in the order of the classes, or an error."""
    classes, is_multilabel = listed(classifier.classes_), classifier._fitted_link.is_multilabel
    if isinstance(prior, str) and prior == "balanced":
        return np.full(len(classes), 0.5 if is_multilabel else 1 / len(classes))
    if hasattr(prior, "to_dict"):  # a Series, whose index names the classes
        prior = prior.to_dict()
    if isinstance(prior, dict):
        places = places_of(list(prior), classifier.classes_)
        if sorted(places.tolist()) != list(range(len(classes))):
            raise InvalidParameterError(f"prior must name every class, {classes}, got {list(prior)}.")
        prior = [value for _, value in sorted(zip(places.tolist(), prior.values(), strict=True))]
    check_not_masked("prior", prior)
    try:
        values = np.asarray(prior, dtype=float)
    except (TypeError, ValueError) as error:
        raise InvalidParameterError(f"prior must be 'balanced', a dict or an array, got {prior!r}.") from error
    if values.shape != (len(classes),) or not (np.isfinite(values).all() and (values > 0).all()):
        raise InvalidParameterError(
            f"prior must hold {len(classes)} probabilities above 0, one for each of {classes}, got {prior!r}."
        )
    if is_multilabel:
        if (values >= 1).any():
            raise InvalidParameterError(f"prior must hold probabilities below 1 for labels, got {prior!r}.")
        return values
    if abs(values.sum() - 1) > rounding_of_probabilities(values.dtype):
        raise InvalidParameterError(
            f"prior must sum to 1, but sums to {values.sum():.6g}: {prior!r}; divide counts by their sum."
        )
    return values / values.sum()
