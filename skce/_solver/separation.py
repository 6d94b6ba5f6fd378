"""Separation: a direction of the parameters along which the loss falls for ever, so that it has no minimum.

Without a penalty there is none where some direction v, (d + 1, K), never lowers the logit of an outcome that a row has,
relative to one that it does not have, and raises it for some row: *complete* separation if it does for all rows, and
*quasi-complete* if for some of them it leaves all logits equal. A linear program finds the one with the least sum of
absolute coefficients, of standardised columns, which therefore has few of them:

    min |v|_1    with    x_i . (v_k - v_l) >= 0 where T_ik > 0,  = 0 where also T_il > 0,  and all of these n in sum
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from scipy.optimize import linprog

from skce._solver.standardisation import Standardisation

# Numbers of the constraints above which no program is solved: it would take minutes.
MOST_NUMBERS = 2**22

# Coefficients of standardised columns that the solver's tolerance, 1e-7, cannot have made out of nothing.
LARGEST_COEF = 1e5

# Of the largest, the coefficient of a column that takes part.
LEAST_COEF = 1e-6


@dataclass(frozen=True)
class Separation:
    """The ``columns`` of X, by index, along which the ``outputs``, by index among those optimised, separate."""

    columns: np.ndarray
    outputs: np.ndarray


def separation_of(problem):
    """The Separation of the rows of a problem; None if they overlap, or if there are too many of them to find out."""
    (n_rows, n_features), n_outputs = problem.rows.shape, problem.shape[1]
    pairs = 1 if problem.are_separate else n_outputs * n_outputs
    if n_rows * n_features * pairs > min(MOST_NUMBERS, problem.rows.numbers_to_stack):
        return None
    standardisation = Standardisation.of(problem)
    rows = problem.rows.multiplied_in(np.float64, problem.rows.shift)
    columns, targets = rows.gathered(lambda block: (standardisation.columns_of(block.X), block.targets.block(block.at)))
    has_mass = targets > 0
    if problem.are_separate:
        found = [_direction(columns, np.stack([side, other])) for side, other in zip(*has_mass, strict=True)]
        outputs = np.array([output for output, direction in enumerate(found) if direction is not None], dtype=int)
        directions = np.array([found[output][0] - found[output][1] for output in outputs]).T
    else:
        direction = _direction(columns, has_mass)
        directions = np.zeros((len(columns), 0)) if direction is None else direction.T
        outputs = np.flatnonzero(np.abs(directions).max(axis=0, initial=0) > 0)
    if not len(outputs):
        return None
    size = np.abs(directions[:n_features]).max(axis=1)
    return Separation(np.flatnonzero(size > LEAST_COEF * size.max()), outputs)


def _direction(columns, has_mass):
    """Coefficients (K, d + 1) that separate the outcomes (K, n) that rows have, columns (d + 1, n); None if none do."""
    n_outcomes, n_rows = has_mass.shape
    n_columns = len(columns)
    larger, equal = [], []
    by_row = scipy.sparse.csr_array(columns.T)
    for first in range(n_outcomes):
        for second in range(n_outcomes):
            if first == second:
                continue
            difference = np.zeros((1, n_outcomes))
            difference[0, first], difference[0, second] = 1, -1
            is_in, is_both = has_mass[first] & ~has_mass[second], has_mass[first] & has_mass[second]
            larger.append(scipy.sparse.kron(difference, by_row[np.flatnonzero(is_in)], format="csr"))
            if first < second:
                equal.append(scipy.sparse.kron(difference, by_row[np.flatnonzero(is_both)], format="csr"))
    larger, equal = scipy.sparse.vstack(larger), scipy.sparse.vstack(equal)
    # The sum of all that grows sets the length, of which any would do.
    equal = scipy.sparse.vstack([equal, scipy.sparse.csr_array(larger.sum(axis=0)[None])])
    right = np.append(np.zeros(equal.shape[0] - 1), float(n_rows))
    # The variables are the positive and the negative part of the coefficients; an intercept costs nothing.
    cost = np.ones((n_outcomes, n_columns))
    if np.all(columns[-1] == 1):
        cost[:, -1] = 1e-3
    result = linprog(
        np.tile(cost.ravel(), 2),
        A_ub=scipy.sparse.hstack([-larger, larger]),
        b_ub=np.zeros(larger.shape[0]),
        A_eq=scipy.sparse.hstack([equal, -equal]),
        b_eq=right,
        method="highs",
    )
    if result.status != 0:
        return None
    positive, negative = result.x.reshape(2, n_outcomes, n_columns)
    direction = positive - negative
    return direction if np.abs(direction).max() < LARGEST_COEF else None
