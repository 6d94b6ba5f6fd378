"""The path of an estimator: its fits for many values of C, as one problem."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d

from skce._checks import InvalidParameterError, check_integer
from skce._rows.engines import engine_of
from skce._solver.path import Minimum, minima_of_path
from skce._solver.problem import Iterate, Problem
from skce._solver.solution import warn_unless_converged
from skce._types import Array, ArrayLike
from skce.estimators.base import CrossEntropyClassifier
from skce.estimators.training_set import TrainingSet
from skce.estimators.validation import check_parameters
from skce.penalties import Ridge

# The range of a number of values: LogisticRegressionCV's.
LOGARITHMS_OF_C = -4, 4


@dataclass(frozen=True, eq=False, repr=False)
class RegularizationPath:
    """The fits of an estimator for each C, made by :func:`regularization_path`.

    Attributes
    ----------
    Cs : ndarray of shape (n_Cs,)
        Values of C, as they were given.
    coefs : ndarray of shape (n_Cs, n_outputs, n_features)
        ``coef_`` of the fit for each C.
    intercepts : ndarray of shape (n_Cs, n_outputs)
        ``intercept_`` of the fit for each C.
    losses : ndarray of shape (n_Cs,)
        F at the end of each fit, in nats.
    n_passes : ndarray of shape (n_Cs,)
        Passes over the data that each took.
    suboptimalities : ndarray of shape (n_Cs,)
        The estimate of (F - min F) / F of each.
    gap_bounds : ndarray of shape (n_Cs,)
        A bound on F - min F of each; inf where there is none.
    is_certified : ndarray of bool of shape (n_Cs,)
        Whether that is a proof that no parameters have a loss less by more than ``tol`` of it.
    classes : ndarray of shape (n_classes,)
        Classes or labels.
    feature_names : list of str
        Names of the features; "x0", "x1", ... if X has none.
    """

    Cs: Array
    coefs: Array
    intercepts: Array
    losses: Array
    n_passes: Array
    suboptimalities: Array
    gap_bounds: Array
    is_certified: Array
    classes: Array
    feature_names: list[str]

    def __repr__(self) -> str:
        return (
            f"RegularizationPath({len(self.Cs)} values of C from {self.Cs.min():.3g} to {self.Cs.max():.3g}, "
            f"{self.n_passes.mean():.1f} passes each, {self.is_certified.sum()} certified)"
        )


def regularization_path(
    estimator: CrossEntropyClassifier,
    X: ArrayLike,
    y: ArrayLike,
    Cs: int | ArrayLike = 10,
    sample_weight: ArrayLike | None = None,
) -> RegularizationPath:
    """Fit an estimator for many values of C, as one problem: about three passes over the data for each.

    Values are taken from the strongest penalty to the weakest. The minimum moves with log C along a tangent that the
    Hessian gives, and which leads from the last two so near to the next that a step of Newton's and its certificate are
    enough. Each fit is as near its minimum as if it were the only one: to ``tol`` of the estimator.

    Parameters
    ----------
    estimator : SoftmaxRegressor or OneVsAllClassifier
        Its parameters are those of the fits, but for C, ``warm_start`` and ``verbose``. It is left as it is.
    X : {array-like, sparse matrix, DataFrame, Dask array, Dask DataFrame} of shape (n_samples, n_features)
        Features.
    y : array-like or Dask collection of shape (n_samples,) or (n_samples, n_classes)
        Labels, soft labels or a multilabel indicator, as for the estimator's ``fit``.
    Cs : int or array-like of shape (n_Cs,), default=10
        Values of C, above 0; inf is none. A number stands for so many from 1e-4 to 1e4, evenly spaced in log C.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights of the samples.

    Returns
    -------
    RegularizationPath

    Raises
    ------
    ValueError
        If Cs is empty, or has numbers that are not above 0; or as the estimator's ``fit`` raises.

    Warns
    -----
    ConvergenceWarning
        As the estimator's ``fit``, of each value of C.

    References
    ----------
    Park and Hastie (2007), "L1-regularization path algorithm for generalized linear models", JRSS B 69. Friedman,
    Hastie and Tibshirani (2010), "Regularization paths for generalized linear models via coordinate descent", Journal
    of Statistical Software 33.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce import SoftmaxRegressor, regularization_path
    >>> X, y = load_iris(return_X_y=True)
    >>> path = regularization_path(SoftmaxRegressor(), X, y, Cs=[0.01, 1.0, 100.0])
    >>> path.losses.round(3)
    array([0.75 , 0.193, 0.049])
    >>> path.coefs.shape
    (3, 3, 4)
    """
    Cs = checked_Cs(Cs)
    if not isinstance(estimator, CrossEntropyClassifier) or "C" not in estimator.get_params(deep=False):
        raise TypeError(f"estimator must be a SoftmaxRegressor or a OneVsAllClassifier, got {estimator!r}.")
    engine_of(X).check(X)
    estimator = copy.copy(estimator)
    estimator.C = float(Cs.min())
    check_parameters(estimator)
    training_set = TrainingSet.read(estimator, X, y, sample_weight)
    names = getattr(estimator, "feature_names_in_", [f"x{feature}" for feature in range(training_set.shape[1])])
    fits: list[Any] = [None] * len(Cs)
    with training_set.problem() as problem:
        for place, minimum in minima_by_C(problem, Cs, estimator.tol, estimator.max_iter):
            iterate = Iterate(minimum.problem, minimum.solution.params)
            fits[place] = minimum.solution, training_set.attributes(iterate)
    for solution, _ in fits:
        warn_unless_converged(solution, tol=estimator.tol, columns=names, labels=training_set.labels)
    solutions = [solution for solution, _ in fits]
    return RegularizationPath(
        Cs,
        np.array([attributes["coef_"] for _, attributes in fits]),
        np.array([attributes["intercept_"] for _, attributes in fits]),
        np.array([solution.value for solution in solutions]),
        np.array([solution.n_passes for solution in solutions]),
        np.array([solution.suboptimality for solution in solutions]),
        np.array([np.inf if solution.gap_bound is None else solution.gap_bound for solution in solutions]),
        np.array([solution.is_certified(estimator.tol) for solution in solutions]),
        training_set.data.classes,
        [str(name) for name in names],
    )


def minima_by_C(
    problem: Problem, Cs: Array, tol: float, max_iter: int, **parameters: Any
) -> Iterator[tuple[int, Minimum]]:
    """Yield the place of each of ``Cs`` among them, and the Minimum of a problem there, from the strongest penalty."""
    places = np.argsort(Cs, kind="stable").tolist()
    penalties = [penalty_of(problem, C) for C in Cs[places]]
    minima = minima_of_path(problem, penalties, tol=tol, max_iter=max_iter, **parameters)
    return zip(places, minima, strict=True)


def penalty_of(problem: Problem, C: float) -> Ridge:
    """The penalty that a C stands for."""
    return Ridge(1 / (float(C) * float(problem.total)))


def checked_Cs(Cs: int | ArrayLike | Sequence[float]) -> Array:
    """Values of C (n_Cs,), or so many of them as a number says."""
    if isinstance(Cs, int | np.integer) and not isinstance(Cs, bool):
        if 0 < Cs < 2:
            raise InvalidParameterError(
                f"Cs must be a number of values, at least 2, or a list of values, got {Cs!r}; Cs=[{Cs!r}] is C={Cs!r}."
            )
        check_integer("Cs", Cs, 2)
        return np.logspace(*LOGARITHMS_OF_C, int(Cs))
    allowed = "a number of values, or a list of numbers above 0 (inf is no penalty)"
    try:
        values = column_or_1d(np.asarray(Cs, dtype=float))
    except (TypeError, ValueError):
        raise InvalidParameterError(f"Cs must be {allowed}, got {Cs!r}.") from None
    if not len(values) or not (values > 0).all():
        raise InvalidParameterError(f"Cs must be {allowed}, got {Cs!r}.")
    return values
