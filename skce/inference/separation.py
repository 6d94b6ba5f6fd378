"""Separation: which classes and columns can be told apart without error, so that coefficients have no estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.base import BaseEstimator

from skce._checks import InvalidParameterError, check_boolean
from skce._namespaces import on_host
from skce._rows.lazy import is_lazy
from skce._solver.curvature.directions import class_directions
from skce._solver.separation import is_program_small, recessions_of, separation_of
from skce._solver.standardisation import Standardisation
from skce._types import Array, ArrayLike
from skce.estimators.softmax import SoftmaxRegressor
from skce.estimators.training_set import TrainingSet
from skce.inference.fitted import INTERCEPT
from skce.inference.infinite import Infinite


@dataclass(frozen=True, eq=False, repr=False)
class Separation:
    """What separates classes, made by :func:`separation`.

    Attributes
    ----------
    kind : {"none", "quasi-complete", "complete"}
        Whether some direction tells no rows, some or all of them from the classes that they do not have, and errs in
        none.
    columns, classes : list of str
        Names of few columns that do, and of the classes that they tell from others; empty if none do.
    infinite : ndarray of shape (n_outputs, n_columns)
        For coefficients without a finite estimate where there is no penalty: plus or minus infinity if the likelihood
        comes to its supremum with them there alone, and NaN if it does with any value (or if to find out would take
        minutes); 0 for those that have one. Rows are ``outputs``; coefficients are those of the second of two classes,
        or sum to zero over more; of two such rows, differences may have an estimate where these have none.
    rows : ndarray of bool of shape (n_samples,)
        Which rows are told from some class that they do not have.
    outputs, features : list of str
        What rows and columns of ``infinite`` are.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce.inference import separation
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> found = separation(X, y)
    >>> found.kind, found.columns, found.classes
    ('quasi-complete', ['petal length (cm)'], ['0'])
    """

    kind: Literal["none", "quasi-complete", "complete"]
    columns: list[str]
    classes: list[str]
    infinite: Array
    rows: Array
    outputs: list[str]
    features: list[str]

    @property
    def is_separated(self) -> bool:
        """Whether there are coefficients without an estimate."""
        return self.kind != "none"

    def __str__(self) -> str:
        if not self.is_separated:
            return "No separation: all coefficients have estimates."
        along = f"along {', '.join(self.columns)}" if self.columns else "by the intercept"
        return (
            f"{self.kind.capitalize()} separation, {along}, of {', '.join(self.classes)} from other classes\n"
            f"{np.count_nonzero(self.rows)} of {len(self.rows)} rows are separated\n"
            f"{np.count_nonzero(self.infinite)} of {self.infinite.size} coefficients have no finite estimate"
        )

    __repr__ = __str__


def separation(
    X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, *, fit_intercept: bool = True
) -> Separation:
    """Find out which classes some columns separate, so that maximum likelihood has no estimates.

    Two linear programs decide it: one finds a direction that separates all rows that any direction does, which says
    which coefficients have no estimate; the other few columns that separate some, as a fit's warning names them.

    Parameters
    ----------
    X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,) or (n_samples, n_classes)
        Labels or soft labels of two classes or more.
    sample_weight : array-like of shape (n_samples,), default=None
        Rows of weight 0 do not count.
    fit_intercept : bool, default=True
        Whether models have an intercept.

    Returns
    -------
    Separation

    Raises
    ------
    ValueError
        If X or y is not what a fit takes, or too large for the programs to take no more than seconds.

    References
    ----------
    Albert and Anderson (1984), "On the existence of maximum likelihood estimates in logistic regression models",
    Biometrika 71. Konis (2007), "Linear programming algorithms for detecting separated data in binary logistic
    regression models", thesis, Oxford.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce.inference import separation
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> separation(X, y)
    Quasi-complete separation, along petal length (cm), of 0 from other classes
    150 of 150 rows are separated
    15 of 15 coefficients have no finite estimate
    >>> separation(X[y > 0], y[y > 0])
    No separation: all coefficients have estimates.
    """
    check_boolean("fit_intercept", fit_intercept)
    if isinstance(X, BaseEstimator):
        raise InvalidParameterError(f"X must hold features, got {X!r}: separation(X, y) is of data, not of a model.")
    if is_lazy(X):
        raise InvalidParameterError(
            "X must be in memory, where rows have an order, but is on Dask; X.compute() fetches it."
        )
    reader = SoftmaxRegressor(C=np.inf, fit_intercept=fit_intercept)
    training_set = TrainingSet.read(reader, on_host(X), y, sample_weight)
    names = getattr(reader, "feature_names_in_", None)
    names = [f"x{j}" for j in range(reader.n_features_in_)] if names is None else [str(name) for name in names]
    outputs = [str(label) for label in training_set.labels[training_set.rows.targets.outputs]]
    features = [INTERCEPT] * fit_intercept + names
    with training_set.problem() as problem:
        if not problem.shape[1]:
            raise ValueError("y has samples of positive weight of one class alone: there is nothing to separate.")
        if not is_program_small(problem):
            raise ValueError(
                f"X of shape {problem.rows.shape} with {max(len(outputs), 2)} classes is too large: the linear program "
                "would take minutes. Find out about a sample of the rows; what separates all separates these."
            )
        (recession,) = recessions_of(problem)
        few = separation_of(problem)
        if recession is None:
            rows = np.zeros(problem.rows.shape[0], dtype=bool)
            return Separation("none", [], [], np.zeros((len(outputs), len(features))), rows, outputs, features)
        return Separation(
            "complete" if recession.is_complete else "quasi-complete",
            [] if few is None else [names[column] for column in few.columns],
            [] if few is None else [outputs[output] for output in few.outputs],
            _infinite(problem, recession),
            recession.is_separated,
            outputs,
            features,
        )


def _infinite(problem, recession):
    """Which coefficients (k, p), the intercept first, are infinite, with their sign; NaN of none, 0 of finite ones."""
    standardisation, classes = Standardisation.of(problem), class_directions(problem)

    def theta(reduced):
        params = standardisation.to_params(classes.expanded(reduced).copy())
        n_features = problem.rows.shape[1]
        coef = params[..., :n_features, :] * standardisation.scale[:, None]
        intercept = params[..., n_features:, :]
        if problem.rows.shift is not None:
            intercept = intercept - (problem.rows.shift @ params[..., :n_features, :])[..., None, :]
        return np.swapaxes(np.concatenate([intercept, coef], axis=-2), -1, -2)

    unseen = theta(recession.unseen)
    signs, _ = Infinite(unseen, [recession]).signs(np.eye(unseen.shape[1]))
    infinite = np.zeros_like(signs)
    infinite[signs != 0] = signs[signs != 0] * np.inf
    return infinite
