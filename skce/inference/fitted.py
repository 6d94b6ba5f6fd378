"""The fitted classifier that a model is, or that it ends in, with what it sees of X, and the names of what it sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from skce._callers import warn_caller
from skce._checks import InvalidParameterError
from skce._labels.places import listed
from skce._namespaces import on_host
from skce._solver.problem import Problem
from skce._types import Array, Link
from skce.estimators.base import CrossEntropyClassifier
from skce.estimators.choosing import ChoosesC
from skce.estimators.portable import to_numpy
from skce.estimators.training_set import TrainingSet, training_set_of
from skce.inference.optimum import Optimum, optimum_of
from skce.losses import CrossEntropy

# How rows of the table are called that stand for the intercept.
INTERCEPT = "intercept"

# Attributes that tell one fit from another.
COEFFICIENTS = "coef_", "intercept_"

# Relative change of the loss at a fit's coefficients, from which data are not those of the fit, and what a certified
# fit may be above its minimum. float32 leaves 1e-5.
CHANGE_OF_LOSS, CHANGE_OF_MINIMUM = 1e-3, 1e-4


@dataclass(frozen=True)
class Fitted:
    """A ``classifier``, ``X`` as it sees it, and the ``names`` (d,) of the features.

    ``is_transformed`` says whether steps of a pipeline have made X, and ``has_chosen`` whether a search or an estimator
    that chooses C has tried others on the same data.
    """

    classifier: CrossEntropyClassifier
    X: Any
    names: list[str]
    is_transformed: bool
    has_chosen: bool

    @property
    def is_likelihood(self) -> bool:
        """Whether the loss is minus a log-likelihood of the labels, weights aside."""
        return type(self.classifier._fitted_loss) is CrossEntropy and not self.classifier._fitted_smoothing

    @property
    def link(self) -> Link:
        """What kind of problem was fitted."""
        return self.classifier._fitted_link

    @property
    def prior_shift(self) -> Array:
        """What ``with_prior`` has added to the intercepts (k,) since the fit."""
        return np.broadcast_to(self.classifier._prior_shift, self.classifier.intercept_.shape)

    def check_is_fit_of(self, other: Fitted) -> None:
        """Raise unless this, of which a covariance is, is the same fit as another."""
        ours, theirs = self.classifier, other.classifier
        if _columns_and_classes(ours) != _columns_and_classes(theirs):
            of_covariance, of_model = (
                f"features {one.names}, classes {listed(one.classifier.classes_)}" for one in (self, other)
            )
            raise ValueError(f"covariance is of another fit: {of_covariance}; the model has {of_model}.")
        is_same_link = type(self.link) is type(other.link)
        if not is_same_link or not all(np.array_equal(getattr(ours, a), getattr(theirs, a)) for a in COEFFICIENTS):
            raise ValueError(
                "covariance is of another fit to the same features and classes: its model has other coefficients. Pass "
                "the covariance of this model, or the X and y that it was fitted to."
            )

    def in_memory(self) -> Fitted:
        """The same with X in the host's memory, where it is an array of another library."""
        return replace(self, X=on_host(self.X))

    def training_set(self, y: Any, sample_weight: Any) -> TrainingSet:
        """What the classifier was fitted to, if X, y and weights are those of its fit."""
        return training_set_of(self.classifier, self.X, y, sample_weight)

    @contextmanager
    def problem(self, y: Any, sample_weight: Any) -> Iterator[Problem]:
        """The Problem that the classifier has solved, if X, y and weights are those of its fit."""
        with self.training_set(y, sample_weight).problem() as problem:
            n_outputs = problem.rows.targets.n_outputs
            if n_outputs != len(self.classifier.coef_):
                raise ValueError(
                    f"y has {n_outputs} labels, but the model was fitted to {len(self.classifier.coef_)}: "
                    f"{listed(self.classifier.classes_)}."
                )
            if not len(problem.rows.targets.outputs):
                raise ValueError("The model is a constant: y has samples of positive weight of one class alone.")
            self._check_classes(problem.rows.targets)
            yield problem

    def _check_classes(self, targets):
        """Raise unless samples are of those classes that coefficients were fitted to."""
        classifier = self.classifier
        if self.link.is_multilabel:
            expected = (classifier.class_prior_ > 0) & (classifier.class_prior_ < 1)
        else:
            expected = classifier.class_prior_ * classifier.class_weight_ > 0
        if len(classifier.coef_) == 1 or classifier._fitted_smoothing:
            return
        if not np.array_equal(targets.outputs, np.flatnonzero(expected)):
            raise ValueError(
                f"y has samples of positive weight of the classes {listed(classifier.classes_[targets.outputs])}, but "
                f"the model was fitted to {listed(classifier.classes_[expected])}."
            )

    def optimum(self, problem: Problem) -> Optimum:
        """The Optimum of that problem."""
        outputs = problem.rows.targets.outputs
        coef, intercept = self.classifier.coef_[outputs], (self.classifier.intercept_ - self.prior_shift)[outputs]
        optimum = optimum_of(problem, coef, intercept, self.names)
        if caution := self.caution(optimum):
            warn_caller(caution)
        return optimum

    def caution(self, optimum: Optimum) -> str:
        """What is to be said if X, y, weights or parameters are not those of the fit, as its loss tells; else empty."""
        before, now = self.classifier.loss_, optimum.value_of_fit
        is_other = abs(now - before) > CHANGE_OF_LOSS * max(abs(before), 1e-6)
        allowed = max(CHANGE_OF_MINIMUM, 10 * self.classifier.tol)
        if is_other or (self.classifier.is_certified_ and now - optimum.value > allowed * abs(optimum.value)):
            return (
                "X, y, weights or parameters are not those of the fit: the loss at the model's coefficients "
                f"is {now:.6g} here, was {before:.6g} when it was fitted, and is {optimum.value:.6g} at those of a fit "
                "to what is given here. All that is said is of these coefficients, which are not the model's."
            )
        return ""


def fitted(model: Any, X: Any) -> Fitted:
    """The Fitted of a model, or of a pipeline, a search or a frozen estimator that ends in one, and an X for it."""
    check_is_fitted(model)
    names, is_transformed, has_chosen = None, False, False
    while not isinstance(model, CrossEntropyClassifier):
        if isinstance(model, FrozenEstimator):
            model = model.estimator
        elif hasattr(model, "best_estimator_"):
            model, has_chosen = model.best_estimator_, True
        elif hasattr(model, "steps"):
            if len(model.steps) > 1:
                with suppress(AttributeError, ValueError):  # a step may not know names
                    names = list(model[:-1].get_feature_names_out())
                X, is_transformed = model[:-1].transform(X), True
            model = model.steps[-1][1]
        else:
            raise TypeError(f"model must be a SoftmaxRegressor, a OneVsAllClassifier or end in one, got {model!r}.")
        check_is_fitted(model)
    has_chosen = has_chosen or isinstance(model, ChoosesC)
    return Fitted(to_numpy(model), X, _checked_names(model, X, names), is_transformed, has_chosen)


def _columns_and_classes(classifier):
    """The names of a classifier's columns, their number where it has none, and its classes."""
    columns = getattr(classifier, "feature_names_in_", None)
    return classifier.n_features_in_ if columns is None else list(columns), listed(classifier.classes_)


def _checked_names(classifier, X, names):
    """Names (d,) of the features of a classifier, or an error if X has others."""
    n_features = classifier.n_features_in_
    shape = X.shape if hasattr(X, "shape") else np.shape(X)
    if len(shape) == 2 and shape[1] != n_features:
        raise ValueError(f"X has {shape[1]} features, but the model was fitted to {n_features}.")
    of_fit = getattr(classifier, "feature_names_in_", None)
    columns = getattr(X, "columns", None)
    if of_fit is not None and columns is not None and list(columns) != list(of_fit):
        raise ValueError(f"X has the columns {list(columns)}, but the model was fitted to {list(of_fit)}.")
    if of_fit is None:
        of_fit = names if names is not None else columns
    if of_fit is None or len(of_fit) != n_features:
        return [f"x{feature}" for feature in range(n_features)]
    return [str(name) for name in of_fit]


def places_of_names(parameter: str, given: Any, names: list[str]) -> Array:
    """Indices of the features that ``given``, a name, an index or several of them, are among ``names``."""
    several = [given] if isinstance(given, str | int | np.integer) else list(given)
    places = []
    for one in several:
        if isinstance(one, str) and names.count(one) == 1:
            places.append(names.index(one))
        elif not isinstance(one, str | bool) and isinstance(one, int | np.integer) and 0 <= one < len(names):
            places.append(int(one))
        else:
            is_shared = isinstance(one, str) and names.count(one) > 1
            hint = ", the name of several: give its place" if is_shared else ""
            raise InvalidParameterError(
                f"{parameter} must name features, of {', '.join(names)}, or be their places, of 0 to {len(names) - 1}, "
                f"got {one!r}{hint}."
            )
    return np.array(places, dtype=int)
