"""What the estimators have in common: scikit-learn's conventions, and nothing else, around one fit.

A fit reads X, y and the weights, poses a problem, solves it over the outputs that have an optimum, and sets the others
to a constant. A subclass says whether it takes a multilabel indicator, and which link it makes of the labels.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_consistent_length
from sklearn.utils.validation import check_is_fitted

from skce._callers import warn_caller
from skce._checks import check_not_masked
from skce._compat import HAS_ARRAY_API, CallbackSupportMixin, with_callbacks
from skce._labels.places import listed, places_of
from skce._labels.reading import aligned_indicator, checked_labels, has_columns, read_labels
from skce._labels.sample_weight import checked_sample_weight
from skce._links.recovery import Recovery, check_recoverable
from skce._namespaces import on_host
from skce._pickles import checked, stamped
from skce._rows.blocks import RowsLostError
from skce._rows.engines import engine_of, where_X_is
from skce._rows.memory import checked_features, logits_of
from skce._solver.problem import Iterate
from skce._solver.solution import warn_unless_converged
from skce._solver.training import solver_for
from skce._types import Array, ArrayLike, ClassWeight, Link, Loss, LossName, Posterior
from skce._version import __version__
from skce.estimators.parameters import check_expected, unexpected_parameters_explained
from skce.estimators.progress import Progress
from skce.estimators.training_set import TrainingSet
from skce.estimators.validation import check_parameters, check_posterior, unchanged_on_error


class CrossEntropyClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """A linear classifier that minimises a cross-entropy loss; see the subclasses for its parameters."""

    classes_: Array
    class_weight_: Array
    class_prior_: Array
    coef_: Array
    intercept_: Array
    loss_: float
    loss_curve_: Array
    pass_curve_: Array
    n_iter_: Array
    n_evaluations_: int
    n_passes_: float
    n_inner_passes_: float
    suboptimality_: float
    gap_bound_: float | None
    is_certified_: bool
    n_features_in_: int
    feature_names_in_: Array
    _fitted_loss: Loss
    _fitted_smoothing: float
    _dtype_of_X: np.dtype
    _log_weight: Array
    _prior_shift: Array | float = 0.0  # what with_prior has added to intercept_

    @unexpected_parameters_explained
    def __init__(
        self,
        *,
        C: float = 1.0,
        loss: Loss | LossName = "cross_entropy",
        gamma: float = 2.0,
        label_smoothing: float = 0.0,
        class_weight: ClassWeight = None,
        classes: ArrayLike | None = None,
        fit_intercept: bool = True,
        tol: float = 1e-7,
        max_iter: int = 1000,
        warm_start: bool = False,
        posterior: Posterior = "model",
        verbose: int = 0,
    ) -> None:
        self.C = C
        self.loss = loss
        self.gamma = gamma
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.classes = classes
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.posterior = posterior
        self.verbose = verbose

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the estimator.

        Parameters
        ----------
        **params : dict
            Parameters by their names.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If there is no such parameter; of those of LogisticRegression the message says what to do instead.
        """
        names = (name.partition("__")[0] for name in params)
        check_expected(type(self).__name__, self.get_params(deep=False), names, ValueError)
        return super().set_params(**params)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.array_api_support = HAS_ARRAY_API
        # check_class_weight_classifiers is skipped for poor_score alone: recovered predictions do not follow class
        # weights, by design.
        tags.classifier_tags.poor_score = self.posterior == "recovered"
        return tags

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame, Dask array, Dask DataFrame} of shape (n_samples, n_features)
            Features. float32 stays float32, anything else becomes float64. Chunks of a Dask array are dense or CSR and
            have whole rows. With scikit-learn's array API dispatch also an array of PyTorch, CuPy or another library of
            the array API standard, on any device: the fit computes where it is, and fitted attributes but ``classes_``
            are there too.
        y : array-like or Dask collection of shape (n_samples,) or (n_samples, n_classes)
            Labels; or soft labels, rows that are distributions over the classes, in sorted order of the classes or as
            the columns of a DataFrame name them. For OneVsAllClassifier also a multilabel indicator: a matrix of zeros
            and ones, dense or sparse.
        sample_weight : array-like or Dask collection of shape (n_samples,), default=None
            Non-negative weights of the samples; None stands for 1 each.

        Returns
        -------
        self : object
            The fitted estimator. If fit raises, the estimator is what it was before.

        Raises
        ------
        ValueError
            If X, y, sample_weight or a parameter is not what it should be; the message names it. Of X also if the sum
            of the squares of a column overflows, as that of 1e160 does.
        RuntimeError
            If a Dask cluster is lost, after which the fitted attributes are as of the last iteration, if there is one.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` iterations do not reach ``tol``; if rounding stops the fit short of it; or if C is inf and
            classes are separable, so that there is no optimum.
        UserWarning
            If all weight is that of one class, or a label of a multilabel y has one outcome only: what the model
            predicts of it is constant. If y has the index of X in another order, as rows are joined by their places.
        dask.array.PerformanceWarning
            If X is on Dask and not persisted: each pass computes it anew.

        Notes
        -----
        An interrupt from the keyboard leaves the fitted attributes as of the last iteration, and is raised again. If
        none has begun yet, the estimator is what it was before.
        """
        engine_of(X).check(X)
        with unchanged_on_error(self):
            solution, labels, constant_explained = self._fit(X, y, sample_weight)
        if solution.reason == "interrupted":
            solution.interruption.add_note(
                "The estimator is fitted as of its last iteration; with warm_start=True it goes on from there."
            )
            raise solution.interruption
        if constant_explained:
            warn_caller(constant_explained)
        columns = getattr(self, "feature_names_in_", None)
        warn_unless_converged(solution, tol=self.tol, columns=columns, labels=labels)
        return self

    @where_X_is
    def decision_function(self, X: ArrayLike) -> Array:
        """Logits of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame, Dask array, Dask DataFrame} of shape (n_samples, n_features)
            Features. For those of Dask, what is returned is a Dask array, computed when it is asked for. For an array
            of another library it is one of that library, which has to be that of the fit.

        Returns
        -------
        ndarray of shape (n_samples,) for two classes, else (n_samples, n_classes)
            For two classes the logit of the second. float32 if X is and that of the fit was. With
            ``posterior="recovered"`` the logits of the recovered probabilities.
        """
        check_is_fitted(self)
        check_posterior(self.posterior)
        X = checked_features(self, X, reset=False)
        logits = logits_of(X, self.coef_, self.intercept_)
        if self.posterior == "recovered":
            check_recoverable(self._fitted_loss)
            logits = self._fitted_link.recovered(logits.T, self._recovery).T
        # A model that was made by hand, or by a version that knew no other, has the dtype of its parameters.
        dtype = getattr(self, "_dtype_of_X", self.coef_.dtype)
        logits = logits.astype(np.result_type(X, dtype), copy=False)
        return logits.ravel() if len(self.coef_) == 1 else logits

    @where_X_is
    def predict(self, X: ArrayLike) -> Array:
        """Most probable class of each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame, Dask array, Dask DataFrame} of shape (n_samples, n_features)
            Features. For those of Dask, what is returned is a Dask array, computed when it is asked for.

        Returns
        -------
        ndarray of shape (n_samples,)
            Entries of ``classes_``; after a multilabel fit an indicator of shape (n_samples, n_labels), 1 for each
            label that is more probable than not.
        """
        logits = self._logits(X)
        return self._link_of(logits).predicted(logits, self.classes_)

    @where_X_is
    def predict_log_proba(self, X: ArrayLike) -> Array:
        """Logarithms of the probabilities, computed from the logits, so that none is rounded to -inf or to 0.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame, Dask array, Dask DataFrame} of shape (n_samples, n_features)
            Features. For those of Dask, what is returned is a Dask array, computed when it is asked for.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        logits = self._logits(X)
        return self._link_of(logits).log_proba(logits).T

    @where_X_is
    def predict_proba(self, X: ArrayLike) -> Array:
        """Probabilities of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame, Dask array, Dask DataFrame} of shape (n_samples, n_features)
            Features. For those of Dask, what is returned is a Dask array, computed when it is asked for.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``. Rows sum to 1, except after a multilabel fit, where each label has its own.
        """
        return np.exp(self.predict_log_proba(X))

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy of ``predict(X)``; with soft labels, the mean probability that y gives to the predicted class.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame, Dask array, Dask DataFrame} of shape (n_samples, n_features)
            Features. Those of Dask are scored where they are.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, soft labels, or a multilabel indicator after a multilabel fit (all labels of a row must be right).
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, as a fit takes them.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If X, y or sample_weight is not what it should be; the message names it.
        """
        check_is_fitted(self)
        return engine_of(X).averaged(_score, self, X, y, sample_weight)

    def _logits(self, X):
        """The logits (K, m), or (1, m) of two classes."""
        return np.atleast_2d(self.decision_function(X).T)

    @with_callbacks
    def _fit(self, X, y, sample_weight):
        """Set the fitted attributes.

        Return the Solution, the labels of what was optimised, and what is constant, in a sentence.
        """
        check_parameters(self)
        progress = Progress(self, X, y, sample_weight)
        training_set = TrainingSet.read(self, X, y, sample_weight)
        like_X = partial(engine_of(X).attributes_like, X)
        progress.attributes_of = lambda iterate: like_X(training_set.attributes(iterate))
        start = self._warm_start(training_set.data.classes, training_set.shape, training_set.rows.targets.outputs)
        with training_set.problem() as problem:
            solve = solver_for(problem)
            solution = solve(problem, start, tol=self.tol, max_iter=self.max_iter, watch=progress)
        iterate = Iterate(problem, solution.params)
        try:
            attributes = training_set.attributes(iterate)
        except RowsLostError as error:
            solution = replace(solution, reason="interrupted", interruption=error)
            attributes = training_set.attributes(iterate, are_rows_lost=True)
        vars(self).update(like_X(attributes | attributes_of_solution(solution, self.tol)))
        progress.end()
        return solution, training_set.labels_of_optimised, training_set.constant_explained

    def _warm_start(self, classes, shape, outputs):
        """Coef and intercept of the last fit for the given outputs, in the order of ``classes``; None if cold."""
        if not (self.warm_start and hasattr(self, "coef_")):
            return None
        if self.coef_.shape[1] != shape[1]:
            raise ValueError(
                f"warm_start needs the number of features of the last fit, {self.coef_.shape[1]}, but X has {shape[1]}."
            )
        if self.coef_.shape != shape and len(self.classes_) == len(classes):
            raise ValueError("warm_start needs a fit of the same kind: of the last and this one, one is multilabel.")
        order = places_of(classes, self.classes_)
        if len(self.classes_) != len(classes) or (order < 0).any():
            raise ValueError(
                f"warm_start needs the classes of the last fit, {listed(self.classes_)}, but y and classes give "
                f"{listed(classes)}."
            )
        coef, intercept = on_host(self.coef_), on_host(self.intercept_)
        outputs_before = order[outputs] if len(coef) > 1 else outputs
        return coef[outputs_before].astype(float), intercept[outputs_before].astype(float)

    def _link_of(self, outputs: Array) -> Link:
        """The link of the last fit, by its outputs: the rows of coef, or logits."""
        return self._link(outputs.shape[0], getattr(self, "multilabel_", False))

    @property
    def _fitted_link(self) -> Link:
        """The link of the last fit."""
        return self._link_of(self.coef_)

    @property
    def _recovery(self):
        """The Recovery of the last fit."""
        return Recovery(self._fitted_loss, self._fitted_smoothing, self._log_weight)

    def __getstate__(self) -> dict[str, Any]:
        return stamped(super().__getstate__(), __version__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(checked(state, type(self).__name__, __version__))


def attributes_of_solution(solution: Any, tol: float) -> dict[str, Any]:
    """The fitted attributes that say how the fit went."""
    return {
        "n_iter_": np.array([solution.n_iter], dtype=np.int32),
        "n_evaluations_": solution.n_evaluations,
        "n_passes_": solution.n_passes,
        "n_inner_passes_": solution.n_inner_passes,
        "suboptimality_": solution.suboptimality,
        "gap_bound_": solution.gap_bound,
        "is_certified_": solution.is_certified(tol),
        "loss_": solution.value,
        "loss_curve_": np.array(solution.loss_curve),
        "pass_curve_": np.array(solution.pass_curve),
    }


def _score(classifier, X, y, sample_weight):
    """Accuracy, or the mean probability that soft labels give to the predicted class, of what is in memory."""
    check_not_masked("sample_weight", sample_weight)
    if classifier._fitted_link.is_multilabel:
        return _accuracy(classifier, X, aligned_indicator(y, classifier.classes_), sample_weight)
    if not has_columns(y):
        return _accuracy(classifier, X, checked_labels(y), sample_weight)
    _, labels = read_labels(y, classifier.classes_)
    predicted = np.searchsorted(classifier.classes_, classifier.predict(X))
    check_consistent_length(predicted, labels.probabilities, sample_weight)
    weights = checked_sample_weight(sample_weight, labels.probabilities)
    return float(np.average(labels.probabilities[np.arange(len(predicted)), predicted], weights=weights))


def _accuracy(classifier, X, y, sample_weight):
    """Accuracy on labels (n,) or an indicator (n, L) in memory, as scikit-learn has it for weights that a fit takes."""
    if sample_weight is not None:
        check_consistent_length(y, sample_weight)
        sample_weight = checked_sample_weight(sample_weight, y)
    return ClassifierMixin.score(classifier, X, y, sample_weight)
