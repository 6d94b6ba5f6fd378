"""Leave-one-out: what a fit predicts of each row without it, in closed form, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skce._callers import warn_caller
from skce._types import Array, ArrayLike
from skce.estimators.row_losses import left_out_of, row_losses, weighted_mean
from skce.inference.fitted import fitted


@dataclass(frozen=True, eq=False, repr=False)
class LeaveOneOut:
    """What a fit predicts of each row without it, made by :func:`leave_one_out`.

    Attributes
    ----------
    log_proba : ndarray of shape (n_samples, n_classes)
        What ``predict_log_proba`` of a fit without the row would return for it.
    losses : ndarray of shape (n_samples,)
        Its log loss, in nats; of several labels their mean.
    loss : float
        Their mean, by ``sample_weight``.
    standard_error : float
        That of this mean, as one of independent rows.
    is_refitted : ndarray of bool of shape (n_samples,)
        Rows that the fit was repeated without, where the closed form is not enough.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce import SoftmaxRegressor
    >>> from skce.inference import leave_one_out
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> loo = leave_one_out(SoftmaxRegressor().fit(X, y), X, y)
    >>> int(loo.losses.argmax()), float(loo.losses.max().round(2))
    (83, 1.14)
    """

    log_proba: Array
    losses: Array
    loss: float
    standard_error: float
    is_refitted: Array

    def __repr__(self) -> str:
        return (
            f"LeaveOneOut({len(self.losses)} rows, {self.is_refitted.sum()} refitted, "
            f"loss={self.loss:.4g} +- {self.standard_error:.2g})"
        )


def leave_one_out(model: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> LeaveOneOut:
    """Return what a fit predicts of each row without it, and its log loss: leave-one-out at the price of a Hessian.

    A step of Newton's without the row, which the factor of the Hessian at the optimum gives in closed form, changes its
    logits by V (I - D V)^-1 g. Rows of which that may miss most are refitted, until the closed form of the others
    should miss no more than 0.3 % of the loss; it is the loss that counts, not how far outcomes move that are next to
    impossible. C times the sum of the losses is kept, and weights stay what they are, "balanced" ones too. Leaving out
    a row leaves out all of its weight: a row of weight 2 is two rows that go together. Without the only row of a class,
    that class is predicted with a probability of eps, as a fold without it does.

    Parameters
    ----------
    model : fitted estimator
        A SoftmaxRegressor or OneVsAllClassifier, or a pipeline or search that ends in one, of a convex loss.
    X, y, sample_weight
        What the model was fitted to. What comes before the classifier in a pipeline has seen all rows.

    Returns
    -------
    LeaveOneOut

    Raises
    ------
    ValueError
        If the loss is not convex, if there is no optimum, or if the model has ``posterior="recovered"`` after
        ``with_prior``.

    Warns
    -----
    UserWarning
        If X, y, weights or parameters are not those of the fit, as its loss tells: losses are then those of a fit to
        what is given.
    ConvergenceWarning
        If fits without a row ended before they were near enough.

    References
    ----------
    Rad and Maleki (2020), "A scalable estimate of the out-of-sample prediction error via approximate leave-one-out
    cross-validation", JRSS B 82. Beirami et al. (2017), "On optimal generalizability in parametric learning", NeurIPS.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce import SoftmaxRegressor
    >>> from skce.inference import leave_one_out
    >>> X, y = load_iris(return_X_y=True)
    >>> leave_one_out(SoftmaxRegressor().fit(X, y), X, y)
    LeaveOneOut(150 rows, 1 refitted, loss=0.1297 +- 0.016)
    """
    one = fitted(model, X).in_memory()
    if not one.classifier._fitted_loss.is_convex:
        raise ValueError(
            f"Leave-one-out in closed form needs a convex loss, but {one.classifier._fitted_loss!r} is not: without a "
            "row the minimum may be another one. Use folds, by sklearn.model_selection.cross_val_predict."
        )
    training_set = one.training_set(y, sample_weight)
    if one.classifier.posterior == "recovered" and not np.allclose(
        training_set.recovery[2], one.classifier._log_weight
    ):
        raise ValueError(
            "model recovers probabilities of another prior (with_prior), or of other class weights than X, y and "
            "sample_weight have: pass the model as it was before with_prior."
        )
    with one.problem(y, sample_weight) as problem:
        optimum = one.optimum(problem)
        if optimum.recessions is None or any(optimum.recessions):
            raise ValueError(
                "Some rows can be told apart without error, and without a penalty (C=inf) there is no optimum to leave "
                "a row out of. Fit with a finite C."
            )
        left_out = left_out_of(training_set, optimum.problem, optimum.curvature, optimum.params)
    if left_out.n_unended:
        warn_caller(
            f"{left_out.n_unended} fits without a row did not converge, and their losses are of where they ended. "
            "Lower C.",
            ConvergenceWarning,
        )
    targets = training_set.rows.targets_in_memory()
    logits = left_out.logits + one.prior_shift[:, None]
    losses = row_losses(one.link, logits, targets.labels)
    loss, standard_error = weighted_mean(losses, targets.sample_weight)
    log_proba = one.link.log_proba(logits).T
    return LeaveOneOut(log_proba, losses, loss, standard_error, left_out.is_refitted)
