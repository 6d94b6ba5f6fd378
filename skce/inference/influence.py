"""Influence: what a fit would be without one of its rows, in closed form, from one factorisation of its Hessian.

The formula is that of ``skce._solver.leave_one_out``; here rows that move far are refitted where that is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skce._callers import warn_caller
from skce._checks import InvalidParameterError, check_integer, check_number
from skce._rows.lazy import is_lazy
from skce._solver.leave_one_out import NewtonWithout
from skce._solver.spreads import Spreads, dense_rows
from skce._types import Array, ArrayLike
from skce.inference.fitted import INTERCEPT, fitted
from skce.inference.infinite import infinite_of
from skce.inference.notes import SEPARATED
from skce.inference.optimum import Optimum, polished

# Of a residual that a row's leverage leaves no room for, the least variance, as a share of what it would be without.
LEAST_VARIANCE = 1e-12

WITHOUT_INFLUENCE = (
    "separated rows are sure, and have no influence as long as one is left that separates as they do; of coefficients "
    "without a finite estimate there is no change. Fit with a finite C to have all of it."
)


@dataclass(frozen=True, eq=False, repr=False)
class Influence:
    """What each row does to a fit, made by :func:`influence`; it holds the X and y that it was given.

    Attributes
    ----------
    leverage : ndarray of shape (n_samples,)
        Share of its own logits that a row decides, summed over them: the trace of V_i D_i. They sum to the effective
        number of parameters.
    cooks_distance : ndarray of shape (n_samples,)
        By how much the coefficients change without the row, squared, in units of their covariance, over their number,
        in which those count that are infinite.
    studentised_residuals : ndarray of shape (n_samples, n_outputs)
        Target minus prediction, times the weight, over the standard deviation that this has in a fit.
    logit_change : ndarray of shape (n_samples, n_outputs)
        By how much the logits of the row would change if the fit were without it.
    is_refitted : ndarray of bool of shape (n_samples,)
        Whether what is said of a row comes of a fit without it.
    outputs : list of str
        Classes, of two the second, or labels.
    features : list of str
        What the columns of ``coef_change`` are.
    notes : list of str
        What has to be known for the numbers to be read right.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce import SoftmaxRegressor
    >>> from skce.inference import influence
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> of_rows = influence(SoftmaxRegressor().fit(X, y), X, y)
    >>> of_rows.to_frame().loc[of_rows.largest(2), ["leverage", "cooks_distance"]].round(3)
         leverage  cooks_distance
    106     0.209           0.033
    119     0.123           0.013
    """

    leverage: Array
    cooks_distance: Array
    studentised_residuals: Array
    logit_change: Array
    is_refitted: Array
    outputs: list[str]
    features: list[str]
    notes: list[str]
    _optimum: Optimum
    _pulls: Array
    _refits: dict[int, Array]
    _index: Any

    def coef_change(self, rows: Any) -> Array:
        """Return the changes of all coefficients if each of some rows goes.

        Parameters
        ----------
        rows : array-like of int
            Which rows; ``largest`` names those that matter.

        Returns
        -------
        ndarray of shape (n_rows, n_outputs, n_columns)
            Columns are ``features``, the intercept first. Those of three classes or more sum to zero over them. NaN for
            coefficients that have no finite estimate.
        """
        rows, optimum = np.atleast_1d(np.asarray(rows, dtype=int)), self._optimum
        problem = optimum.problem
        columns = optimum.curvature.standardisation.columns_of(dense_rows(problem.rows, rows))
        flat = _displacements(optimum, columns, self._pulls[rows].T)
        for place, row in enumerate(rows.tolist()):
            if row in self._refits:
                flat[place] = self._refits[row]
        return np.where(infinite_of(optimum)[0].takes_part, np.nan, optimum.theta(flat))

    def largest(self, n_rows: int = 10) -> Array:
        """Return the rows of the largest Cook's distances by their number, from 0, the largest first.

        Parameters
        ----------
        n_rows : int, default=10
            How many.

        Returns
        -------
        ndarray of int of shape (n_rows,)
        """
        check_integer("n_rows", n_rows, 1)
        return np.argsort(-self.cooks_distance, kind="stable")[:n_rows]

    def to_frame(self) -> Any:
        """All but the coefficients as a pandas DataFrame, a row for each sample, with the index that X had."""
        import pandas as pd

        by_row = {"leverage": self.leverage, "cooks_distance": self.cooks_distance, "is_refitted": self.is_refitted}
        for name in ("studentised_residuals", "logit_change"):
            columns = getattr(self, name).T
            by_row |= {(name, output): column for output, column in zip(self.outputs, columns, strict=True)}
        return pd.DataFrame(by_row, index=self._index)

    def __repr__(self) -> str:
        line = f"Influence({len(self.leverage)} rows, outputs={self.outputs}, largest={self.largest(3).tolist()})"
        return "\n".join([line, *self.notes])


def influence(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    refit_above: float | None = None,
) -> Influence:
    """Return what each row does to a fit: leverages, Cook's distances, residuals, and the fit without it.

    All of it comes of one factorisation of the Hessian at the optimum, as a step of Newton's without the row, which is
    Pregibon's for two classes. C times the sum of the losses is kept, and weights stay what they are, "balanced" ones
    too. Without the only row of a class there is no fit of that class; what is said of that row is of a fit that is
    still on its way.

    Parameters
    ----------
    model : fitted estimator
        A SoftmaxRegressor or OneVsAllClassifier, or a pipeline or search that ends in one.
    X, y, sample_weight
        What the model was fitted to, X in memory.
    refit_above : float, default=None
        Refit without each row that changes its own logits by a range of more than this; 1 is where the step is not to
        be relied on any more. None refits none.

    Returns
    -------
    Influence

    Raises
    ------
    ValueError
        If refit_above is not a number above 0, X is on Dask, or X or y are not of the features, the classes or the
        length that they should be.

    Warns
    -----
    UserWarning
        If X, y, weights or parameters are not those of the fit, as its loss tells: what is said is then
        that of a fit to what is given; or if classes are separated.

    References
    ----------
    Pregibon (1981), "Logistic regression diagnostics", Annals of Statistics 9. Lesaffre and Albert (1989),
    "Multiple-group logistic regression diagnostics", Applied Statistics 38. Rad and Maleki (2020), "A scalable estimate
    of the out-of-sample prediction error via approximate leave-one-out cross-validation", JRSS B 82.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce import SoftmaxRegressor
    >>> from skce.inference import influence
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> of_rows = influence(SoftmaxRegressor().fit(X, y), X, y)
    >>> of_rows.largest(3)
    array([106, 119,  70])
    >>> of_rows.cooks_distance[of_rows.largest(3)].round(3)
    array([0.033, 0.013, 0.01 ])
    >>> of_rows.coef_change(of_rows.largest(1)).shape
    (1, 3, 5)
    """
    if refit_above is not None:
        check_number("refit_above", refit_above, lambda value: value > 0, "a number above 0, or None")
    one = fitted(model, X).in_memory()
    if is_lazy(one.X):
        raise InvalidParameterError(
            "X must be in memory, where rows have an order, but is on Dask; X.compute() fetches it."
        )
    with one.problem(y, sample_weight) as problem:
        optimum = one.optimum(problem)
        notes = [f"{SEPARATED}: {WITHOUT_INFLUENCE}"] if any(optimum.recessions or []) else []
        if notes:
            warn_caller(notes[0])
        leverage, cooks, residuals, change, pulls = _of_rows(optimum)
        refits = {}
        if refit_above is not None:
            ranges = np.abs(change).max(axis=0) if problem.are_separate else np.ptp(change, axis=0)
            for row in np.flatnonzero(ranges > refit_above).tolist():
                refits[row], cooks[row], change[:, row] = _refitted(optimum, row, pulls[:, row])
        targets = problem.rows.targets
        labels = one.classifier.classes_[-targets.n_outputs :][targets.outputs]
    return Influence(
        leverage,
        cooks,
        residuals.T,
        change.T,
        np.isin(np.arange(len(leverage)), list(refits)),
        [str(label) for label in labels],
        [INTERCEPT] * problem.fit_intercept + one.names,
        notes,
        optimum,
        pulls.T,
        refits,
        getattr(X, "index", None) if hasattr(X, "columns") else None,
    )


def _of_rows(optimum):
    """Leverages and Cook's distances (n,), residuals and changes of the logits (K, n), and e_i (k, n), of all rows."""
    problem, curvature = optimum.problem, optimum.curvature
    classes, point = curvature.classes, problem.split(optimum.params)
    n_parameters = max(optimum.n_parameters, 1)
    vectors = np.eye(classes.size) if classes.are_separate else classes.vectors

    spreads_of = Spreads.of(curvature, optimum.factors)

    def program(block):
        step = NewtonWithout.of(problem, curvature, spreads_of, block, block.logits(*point))
        D, V, gradient = step.D, step.V, step.gradient
        of_outputs = vectors.T @ (D - D @ V @ D) @ vectors
        without = np.einsum("ok,mkl,lo->om", vectors.T, D, vectors, optimize=True)
        variance = np.einsum("moo->om", of_outputs)
        deviation = np.sqrt(np.maximum(variance, LEAST_VARIANCE * np.abs(without)))
        residual = np.divide(-gradient, deviation, out=np.zeros_like(gradient), where=deviation > 0)
        cooks = (step.pull * step.change).sum(axis=1) / n_parameters
        leverage = np.einsum("mcd,mdc->m", V, D)
        return leverage, cooks, residual, vectors.T @ step.change.T, step.pull.T

    return problem.rows.gathered(program)


def _displacements(optimum, columns, pulls):
    """Changes (m, p K) of the flat parameters H^-1 (x kron e), for columns (p, m) and e (k, m)."""
    if optimum.problem.are_separate:
        scores = (pulls[:, None] * columns).reshape(-1, columns.shape[1])
    else:
        scores = (columns[:, None] * pulls).reshape(-1, columns.shape[1])
    coordinates, start = [], 0
    for factor in optimum.factors:
        coordinates.append(factor @ scores[start : start + factor.shape[1]])
        start += factor.shape[1]
    return np.concatenate(coordinates).T @ optimum.maps / optimum.problem.total


def _refitted(optimum, row, pull):
    """Change of the flat parameters in a fit without a row, its Cook's distance, and the change (K,) of its logits."""
    problem = optimum.problem
    targets = problem.rows.targets
    weight = np.array(targets.sample_weight)
    weight[row] = 0
    without = replace(problem, rows=replace(problem.rows, targets=replace(targets, sample_weight=weight)))
    X = dense_rows(problem.rows, np.array([row]))
    columns = optimum.curvature.standardisation.columns_of(X)
    start = optimum.params + _displacements(optimum, columns, pull[:, None])[0]
    change = polished(without, start, optimum.recessions).params - optimum.params
    # In the coordinates of the Hessian of F, of which the maps are a root of the inverse.
    coordinates = np.linalg.lstsq(optimum.maps.T, change, rcond=None)[0]
    coef, intercept = problem.split(change)
    cooks = problem.total * float(coordinates @ coordinates) / max(optimum.n_parameters, 1)
    return change, cooks, (X @ coef)[0] + intercept
