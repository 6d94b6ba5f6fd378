"""What the estimators have in common: scikit-learn's conventions, and nothing else, around one fit.

A fit reads y, X and the weights, makes targets of them, minimises the objective over the outputs that have an optimum,
and sets the others to a constant. A subclass says what it takes as y, which targets it makes of it, and what its logits
mean.
"""

import warnings
from dataclasses import replace

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from skce._checks import InvalidParameterError
from skce._compat import CallbackSupportMixin, checked_sample_weight, with_callbacks
from skce._kernels.sigmoid import sigmoid
from skce._kernels.softmax import softmax
from skce._labels.class_weight import class_weights
from skce._labels.reading import aligned_indicator, has_columns, read_labels
from skce._links.recovery import Recovery, check_recoverable
from skce._rows.blocks import RowBlocks, RowsLostError
from skce._rows.engines import block_by_block, on_dask
from skce._rows.lazy import in_memory, is_lazy
from skce._rows.memory import checked_features, read
from skce._slices import row_slices
from skce._solver.solution import warn_unless_converged
from skce._solver.training import trained, unreachable_intercept
from skce.estimators.progress import Progress
from skce.estimators.validation import check_parameters, check_posterior, unchanged_on_error
from skce.losses import CrossEntropy, FocalLoss

# Rows whose logits are computed at once where X has to change its dtype.
ROWS_PER_PRODUCT = 2**12


# Intercept of classes without mass where rows are lost, below whose logits it should be.
WITHOUT_ROWS = -1e4


class CrossEntropyClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """A linear classifier that minimises a cross-entropy loss; see the subclasses for its parameters."""

    def __init__(
        self,
        *,
        C=1.0,
        loss="cross_entropy",
        gamma=2.0,
        label_smoothing=0.0,
        class_weight=None,
        classes=None,
        fit_intercept=True,
        tol=1e-7,
        max_iter=1000,
        warm_start=False,
        posterior="model",
        verbose=0,
    ):
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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        # By this tag alone scikit-learn's checks take it that class weights need not decide what is predicted.
        tags.classifier_tags.poor_score = self.posterior == "recovered"
        return tags

    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame, Dask array, Dask DataFrame} of shape (n_samples, n_features)
            Features. float32 stays float32, anything else becomes float64. Chunks of a Dask array are dense or CSR and
            have whole rows.
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
            If X, y, sample_weight or a parameter is not what it should be; the message names it.
        RuntimeError
            If a Dask cluster is lost, after which the fitted attributes are as of the last iteration, if there is one.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` iterations do not reach ``tol``; if rounding stops the fit short of it; or if C is inf and
            classes are separable, so that there is no optimum.
        dask.array.PerformanceWarning
            If X is on Dask and not persisted: each pass computes it anew.

        Notes
        -----
        An interrupt from the keyboard leaves the fitted attributes as of the last iteration, and is raised again. If
        none has begun yet, the estimator is what it was before.
        """
        if is_lazy(X):
            on_dask().warn_unless_persisted(X)
        with unchanged_on_error(self):
            solution, constant_labels = self._fit(X, y, sample_weight)
        if solution.reason == "interrupted":
            solution.interruption.add_note(
                "The estimator is fitted as of its last iteration; with warm_start=True it goes on from there."
            )
            raise solution.interruption
        if constant_labels:
            warnings.warn(
                f"y has one outcome only for the labels {constant_labels}; their predictions are that constant.",
                UserWarning,
                stacklevel=2,
            )
        warn_unless_converged(solution, tol=self.tol)
        return self

    @block_by_block
    def decision_function(self, X):
        """Logits of the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame, Dask array, Dask DataFrame} of shape (n_samples, n_features)
            Features. For those of Dask, what is returned is a Dask array, computed when it is asked for.

        Returns
        -------
        ndarray of shape (n_samples,) for two classes, else (n_samples, n_classes)
            For two classes the logit of the second. float32 if X and the model are. With ``posterior="recovered"`` the
            logits of the recovered probabilities.
        """
        check_is_fitted(self)
        check_posterior(self.posterior)
        X = checked_features(self, X, reset=False)
        logits = np.empty((X.shape[0], len(self.coef_)), np.result_type(X, self.coef_))
        features = RowBlocks(X, dtype=logits.dtype)
        # In one product, unless the dtypes differ: that would copy X.
        for rows in row_slices(X.shape[0], X.shape[0] if X.dtype == logits.dtype else ROWS_PER_PRODUCT):
            logits[rows] = features.block(rows) @ self.coef_.T
        logits += self.intercept_
        if self.posterior == "recovered":
            check_recoverable(self._recovery.loss)
            logits = self._recovered(logits.T).T.astype(logits.dtype, copy=False)
        return logits.ravel() if len(self.coef_) == 1 else logits

    @block_by_block
    def predict(self, X):
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
        logits = self.decision_function(X)
        if self._is_multilabel():
            return (logits > 0).astype(int)
        if logits.ndim == 1:
            return self.classes_[(logits > 0).astype(int)]
        return self.classes_[logits.argmax(axis=1)]

    @block_by_block
    def predict_log_proba(self, X):
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
        logits = self.decision_function(X)
        if logits.ndim == 1:
            return np.stack([sigmoid(-logits)[0], sigmoid(logits)[0]], axis=1)
        if self._is_multilabel():
            return sigmoid(logits)[0]
        log_scores = np.array(self._log_scores(logits.T), order="C")
        return softmax(log_scores)[0].T

    @block_by_block
    def predict_proba(self, X):
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

    def score(self, X, y, sample_weight=None):
        """Accuracy of ``predict(X)``; with soft labels, the mean probability that y gives to the predicted class.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame, Dask array, Dask DataFrame} of shape (n_samples, n_features)
            Features. Those of Dask are scored where they are.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, soft labels, or a multilabel indicator after a multilabel fit (all labels of a row must be right).
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        if is_lazy(X):
            return on_dask().averaged(type(self).score, self, X, y, sample_weight)
        y, sample_weight = in_memory(y), in_memory(sample_weight)
        if self._is_multilabel():
            return super().score(X, aligned_indicator(y, self.classes_), sample_weight)
        if not has_columns(y):
            return super().score(X, y, sample_weight)
        _, labels = read_labels(y, self.classes_)
        predicted = np.searchsorted(self.classes_, self.predict(X))
        check_consistent_length(predicted, labels.probabilities, sample_weight)
        weights = checked_sample_weight(sample_weight, labels.probabilities)
        return float(np.average(labels.probabilities[np.arange(len(predicted)), predicted], weights=weights))

    @with_callbacks
    def _fit(self, X, y, sample_weight):
        """Set the fitted attributes; return the Solution and the labels of a multilabel y that have one outcome."""
        check_parameters(self)
        loss = self._loss_object()
        if self.posterior == "recovered":
            check_recoverable(loss)
        progress = Progress(self, X, y, sample_weight)
        classes, counts, rows_of = (on_dask().read if is_lazy(X) else read)(self, X, y, sample_weight)
        weights = class_weights(self.class_weight, classes, counts)
        targets = self._targets(weights, float(self.label_smoothing), counts)
        rows = rows_of(targets)
        self._check_classes_with_mass(classes, targets)
        if float(self.C) * float(targets.total) < np.finfo(float).tiny:
            raise InvalidParameterError(
                f"C={self.C!r} times the total weight {targets.total:.3g} is too small for a float."
            )
        is_multilabel = counts.ndim == 2
        frequencies = counts / counts.sum(axis=0)
        class_prior = frequencies[0] if is_multilabel else frequencies
        shape = targets.n_outputs, rows.shape[1]
        optimised = targets.columns
        constant = np.delete(np.arange(targets.n_outputs), optimised)

        def fitted_attributes(optimised_coef, optimised_intercept, unreachable=None):
            coef = np.zeros(shape)
            intercept = np.zeros(targets.n_outputs)
            coef[optimised], intercept[optimised] = optimised_coef, optimised_intercept
            if len(constant):
                if unreachable is None:
                    unreachable = self._constant_intercepts(rows, optimised_coef, optimised_intercept, constant)
                intercept[constant] = unreachable
                if targets.is_shift_invariant and self.fit_intercept:
                    intercept -= intercept.mean()
            return {
                "classes_": classes,
                **self._attributes_by_kind(is_multilabel),
                "class_weight_": weights,
                "class_prior_": class_prior,
                "coef_": coef.astype(rows.dtype_of_X),
                "intercept_": intercept.astype(rows.dtype_of_X),
                "_recovery": Recovery.of_fit(loss, float(self.label_smoothing), weights),
            }

        coef, intercept, solution = trained(
            rows,
            loss,
            self._warm_start(classes, shape, optimised),
            C=float(self.C),
            fit_intercept=self.fit_intercept,
            tol=self.tol,
            max_iter=self.max_iter,
            on_iteration=lambda parameters: progress.after_iteration(lambda: fitted_attributes(*parameters())),
            on_stage=progress.after_stage,
        )
        try:
            attributes = fitted_attributes(coef, intercept)
        except RowsLostError as error:
            solution = replace(solution, reason="interrupted", interruption=error)
            attributes = fitted_attributes(coef, intercept, unreachable=WITHOUT_ROWS)
        for name, attribute in attributes.items():
            setattr(self, name, attribute)
        self.n_iter_ = np.array([solution.n_iter], dtype=np.int32)
        self.n_evaluations_ = solution.n_evaluations
        self.n_passes_ = solution.n_passes
        self.suboptimality_ = solution.suboptimality
        self.gap_bound_ = solution.gap_bound
        self.loss_ = solution.value
        self.loss_curve_ = np.array(solution.loss_curve)
        self.pass_curve_ = np.array(solution.pass_curve)
        progress.end()
        return solution, classes[constant].tolist() if is_multilabel else []

    def _loss_object(self):
        """The loss that the parameters ``loss`` and ``gamma`` name."""
        if isinstance(self.loss, str):
            return FocalLoss(self.gamma) if self.loss == "focal" else CrossEntropy()
        return self.loss

    def _warm_start(self, classes, shape, columns):
        """Coef and intercept of the last fit for the given outputs, in the order of ``classes``; None if cold."""
        if not (self.warm_start and hasattr(self, "coef_")):
            return None
        if self.coef_.shape[1] != shape[1]:
            raise ValueError(
                f"warm_start needs the number of features of the last fit, {self.coef_.shape[1]}, but X has {shape[1]}."
            )
        if self.coef_.shape != shape and len(self.classes_) == len(classes):
            raise ValueError("warm_start needs a fit of the same kind: of the last and this one, one is multilabel.")
        if set(self.classes_.tolist()) != set(classes.tolist()):
            raise ValueError(
                f"warm_start needs the classes of the last fit, {self.classes_.tolist()}, but y and classes give "
                f"{classes.tolist()}."
            )
        order = [self.classes_.tolist().index(label) for label in classes.tolist()] if len(self.coef_) > 1 else [0]
        rows = np.array(order)[columns]
        return self.coef_[rows].astype(float), self.intercept_[rows].astype(float)

    def _attributes_by_kind(self, is_multilabel):
        """Fitted attributes that say what y was read as."""
        return {}

    def _check_classes_with_mass(self, classes, targets):
        """Raise unless two classes or more have weight."""
        has_mass = targets.class_mass > 0
        if has_mass.sum() < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of two classes or more, but y has one class, or none, of "
                f"positive weight: {classes[has_mass].tolist()}."
            )

    def _constant_intercepts(self, rows, coef, intercept, constant):
        """Intercepts of the classes without mass, which keep them below eps on all rows."""
        return unreachable_intercept(rows, coef, intercept, self._log_scores, len(constant))

    def _is_recovered_by_intercepts(self):
        """Whether recovered logits are those of the model but for a shift of each class."""
        return self._recovery.is_of_weights_alone

    def _is_multilabel(self):
        """Whether the last fit was one to a multilabel indicator."""
        return False
