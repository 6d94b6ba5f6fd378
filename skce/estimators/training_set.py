"""The training set of an estimator: what a fit reads, the problem that it poses, and what its parameters stand for."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from skce._checks import InvalidParameterError
from skce._labels.class_weight import class_weights
from skce._labels.places import listed
from skce._labels.reading import LabelReader
from skce._rows.engines import engine_of
from skce._solver.problem import Iterate, Problem
from skce._solver.standardisation import largest_of_column
from skce._types import Array, At, Data, Link, Rows
from skce.losses import checked_loss
from skce.penalties import Ridge

# Intercept of classes without mass where rows are lost, below whose logits it should be.
WITHOUT_ROWS = -1e4


@dataclass(frozen=True)
class TrainingSet:
    """What an estimator has read: the data, their link, the class weights, and the rows with their targets."""

    estimator: Any
    data: Data
    link: Link
    class_weight: Array
    rows: Rows

    @classmethod
    def read(cls, estimator: Any, X: Any, y: Any, sample_weight: Any) -> TrainingSet:
        """The TrainingSet of X, y and weights; sets its ``n_features_in_`` and ``feature_names_in_``."""
        read_y = LabelReader(estimator.classes, estimator._takes_indicators)
        return cls.of(estimator, engine_of(X).read(estimator, X, y, sample_weight, read_y))

    @classmethod
    def of(cls, estimator: Any, data: Data) -> TrainingSet:
        """The TrainingSet of data that have been read."""
        # Two classes are one logit; (2, L) are the sides of L labels.
        n_logits, is_multilabel = data.counts.shape[-1], data.counts.ndim == 2
        link = estimator._link(1 if n_logits == 2 and not is_multilabel else n_logits, is_multilabel)
        class_weight = class_weights(estimator.class_weight, data.classes, data.counts)
        targets = link.targets(data.counts, class_weight, float(estimator.label_smoothing))
        rows = data.rows(targets)
        if not link.is_multilabel and (len(data.classes) < 2 or not targets.class_mass.any()):
            raise ValueError(
                f"{type(estimator).__name__} needs samples of two classes or more, but y has one class, or none, of "
                f"positive weight: {listed(data.classes[targets.class_mass > 0])}."
            )
        if float(estimator.C) * float(targets.total) < np.finfo(float).tiny:
            raise InvalidParameterError(
                f"C={estimator.C!r} times the total weight {targets.total:.3g} is too small for a float."
            )
        return cls(estimator, data, link, class_weight, rows)

    def part(self, at: At, sample_weight: Array) -> TrainingSet:
        """Some of the rows, in memory, a slice or indices, with other weights (m,): a fold of them."""
        data: Any = self.data
        return TrainingSet.of(self.estimator, data.part(at, sample_weight))

    @contextmanager
    def problem(self) -> Iterator[Problem]:
        """The problem that the estimator poses, while threads are as a fit wants them."""
        row_loss = self.link.row_loss(self._loss)
        penalty = Ridge(1 / (float(self.estimator.C) * float(self.rows.targets.total)))
        # Trial steps may overflow: the solver goes back from numbers that are not finite.
        with np.errstate(over="ignore", invalid="ignore"), self.rows.at_work() as rows:
            problem = Problem.of(rows, row_loss, penalty, self.estimator.fit_intercept)
            self._check_squares(problem)
            yield problem

    @property
    def shape(self) -> tuple[int, int]:
        """That of ``coef_``."""
        return self.rows.targets.n_outputs, self.rows.shape[1]

    @property
    def labels(self) -> Array:
        """Labels of the outputs: of one logit that of the second class."""
        return self.data.classes[-self.rows.targets.n_outputs :]

    @property
    def labels_of_optimised(self) -> Array:
        """Those of the outputs that have an optimum."""
        constant = self.constant_outputs
        return np.delete(self.labels, constant) if len(constant) else self.labels

    @property
    def constant_explained(self) -> str:
        """What does not depend on X, in a sentence; an empty one if all does."""
        classes, constant = self.data.classes, self.constant_outputs
        if self.link.is_multilabel and len(constant):
            labels = listed(classes[constant])
            return f"y has one outcome only for the labels {labels}; their predictions are that constant."
        if not self.link.is_multilabel and not len(self.rows.targets.outputs):
            (present,) = listed(classes[self.rows.targets.class_mass > 0])
            return f"Only the class {present!r} has samples of positive weight; the model predicts it for all X."
        return ""

    @property
    def constant_outputs(self) -> Array:
        """Indices of the outputs that have no optimum."""
        if len(self.rows.targets.outputs) == self.shape[0]:
            return np.arange(0)  # to look for them takes longer
        return np.delete(np.arange(self.shape[0]), self.rows.targets.outputs)

    def attributes(self, iterate: Iterate, are_rows_lost: bool = False) -> dict[str, Any]:
        """The fitted attributes for an Iterate of the problem."""
        counts, constant = self.data.counts, self.constant_outputs
        coef, intercept = iterate.coef_intercept
        if len(constant):
            outputs = self.rows.targets.outputs
            coef, intercept = np.zeros(self.shape), np.zeros(self.shape[0])
            coef[outputs], intercept[outputs] = iterate.coef_intercept
            intercept[constant] = WITHOUT_ROWS if are_rows_lost else self.constant_intercepts(iterate)
            if self.link.is_shift_invariant and self.estimator.fit_intercept:
                intercept -= intercept.mean()
        frequencies = counts / counts.sum(axis=0)
        loss, label_smoothing, log_weight = self.recovery
        return {
            "classes_": self.data.classes,
            **({"multilabel_": self.link.is_multilabel} if self.estimator._takes_indicators else {}),
            "class_weight_": self.class_weight,
            "class_prior_": frequencies[0] if self.link.is_multilabel else frequencies,
            "coef_": coef.astype(iterate.dtype),
            "intercept_": intercept.astype(iterate.dtype),
            "_dtype_of_X": np.dtype(self.rows.dtype_of_X),
            "_fitted_loss": loss,
            "_fitted_smoothing": label_smoothing,
            "_log_weight": log_weight,
            "_prior_shift": 0.0,
        }

    def constant_intercepts(self, iterate: Iterate) -> Any:
        """Intercepts of the outputs that have no optimum."""
        coef, intercept = iterate.coef_intercept
        log_scores = self.link.log_scores

        def lowest_score():
            return self.rows.lowest(lambda block: log_scores(block.logits(coef.T, intercept)).max(axis=0))

        eps = np.finfo(self.rows.dtype_of_X).eps
        return self.link.constant_intercepts(self.rows.targets.class_mass[self.constant_outputs], eps, lowest_score)

    @property
    def recovery(self) -> tuple[Any, float, Array]:
        """What a Recovery undoes: the loss, the smoothing, and the logarithms of the class weights."""
        # An outcome that weighs nothing was not fitted, and stays as it is.
        log_weight = np.log(np.where(self.class_weight > 0, self.class_weight, 1.0))
        return self._loss, float(self.estimator.label_smoothing), log_weight

    def _check_squares(self, problem):
        """Raise if the squares of a column overflow, which the moments of the columns of X tell."""
        is_finite = np.isfinite(problem.moments.variance)
        if is_finite.all():
            return
        column = int(np.argmin(is_finite))
        names = getattr(self.estimator, "feature_names_in_", None)
        name = f"{column}" if names is None else f"{column} ({names[column]!r})"
        raise ValueError(
            f"X has numbers whose squares overflow when they are summed: those of column {name} are as large as "
            f"{largest_of_column(self.rows, column):.3g}. Scale it, for example by sklearn.preprocessing.MaxAbsScaler."
        )

    @property
    def _loss(self):
        """The loss that the parameters ``loss`` and ``gamma`` name."""
        return checked_loss("loss", self.estimator.loss, self.estimator.gamma)


def training_set_of(estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> TrainingSet:
    """The TrainingSet that an estimator was fitted to.

    It is, if X, y and weights are what the estimator was fitted to, and its C, ``class_weight`` and ``fit_intercept``
    are what they were.
    """
    as_fitted = copy.copy(estimator)
    as_fitted.loss, as_fitted.label_smoothing = estimator._fitted_loss, estimator._fitted_smoothing
    if not estimator._fitted_link.is_multilabel:
        as_fitted.classes = estimator.classes_
    return TrainingSet.read(as_fitted, X, y, sample_weight)


def problem_of(estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> AbstractContextManager[Problem]:
    """A context of the Problem that a fitted estimator has solved, given what it was fitted to."""
    return training_set_of(estimator, X, y, sample_weight).problem()
