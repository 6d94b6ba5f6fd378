"""Separation: a direction of the parameters along which the loss falls for ever, so that it has no minimum.

Without a penalty there is none where some direction v, (d + 1, K), never lowers the logit of an outcome that a row has,
relative to one that it does not have, and raises it for some row: *complete* separation if it does for all rows, and
*quasi-complete* if for some of them it leaves all logits equal. A linear program finds the one with the least sum of
absolute coefficients, of standardised columns, which therefore has few of them:

    min |v|_1    with    x_i . (v_k - v_l) >= 0 where T_ik > 0,  = 0 where also T_il > 0,  and all of these n in sum

Another finds one that separates all that can be. With s_ikl in [0, 1] for each of these inequalities,

    max sum s    with    x_i . (v_k - v_l) >= s_ikl

is the number of those that some direction makes strict: as directions can be added and scaled, one makes all of them.
What it leaves equal is a problem that has a minimum, and sees all parameters but a linear space, the ``unseen`` one.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.optimize import linprog

from skce._solver.curvature.directions import class_directions
from skce._solver.standardisation import Standardisation

# Numbers of the constraints above which no program is solved: it would take minutes.
MOST_NUMBERS = 2**22

# Coefficients of standardised columns that the solver's tolerance, 1e-7, cannot have made out of nothing.
LARGEST_COEF = 1e5

# Of the largest, the coefficient of a column that takes part.
LEAST_COEF = 1e-6

# How far a constraint of length 1 may fall below 0, the solver's tolerance; and how far a coefficient of length 1 has
# to fall for that not to have done it.
LEAST_VIOLATION, LEAST_FALL = 1e-7, 1e-5

# Numbers of the programs' constraints after which no more signs are sought: some seconds.
MOST_NUMBERS_OF_SIGNS = 2**23

# Of the largest singular value of standardised columns, the least that counts: those of columns that depend on each
# other are 1e-15, of one that differs from another in its sixth digit 1e-6.
LEAST_SINGULAR_VALUE = 1e-10


@dataclass(frozen=True)
class Separation:
    """The ``columns`` of X, by index, along which the ``outputs``, by index among those optimised, separate."""

    columns: np.ndarray
    outputs: np.ndarray


@dataclass(frozen=True)
class Recession:
    """How one problem separates, in its reduced parameters: coefficients (p, k) of standardised columns by direction.

    ``direction`` (p, k) separates the rows (n,) of which ``is_separated`` says so, ``is_complete`` all of them from all
    outcomes that they do not have; ``unseen`` (r, p, k) is an orthonormal basis of what the others do not see, and
    ``constraints`` (c, r) by it are those that ``direction`` makes strict.
    """

    direction: np.ndarray
    unseen: np.ndarray
    is_separated: np.ndarray
    is_complete: bool
    constraints: np.ndarray


def is_program_small(problem):
    """Whether a linear program for the rows of a problem takes no more than seconds."""
    (n_rows, n_features), n_outputs = problem.rows.shape, problem.shape[1]
    pairs = 1 if problem.are_separate else n_outputs * n_outputs
    return n_rows * n_features * pairs <= min(MOST_NUMBERS, problem.rows.numbers_to_stack)


def separation_of(problem):
    """The Separation of the rows of a problem; None if they overlap, or if there are too many of them to find out."""
    if not is_program_small(problem):
        return None
    columns, targets = _columns_targets(problem)
    n_features = problem.rows.shape[1]
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


def recessions_of(problem):
    """The Recession of each problem, of a softmax one: None for those whose rows overlap."""
    columns, targets = _columns_targets(problem)
    classes = class_directions(problem)
    has_mass = targets > 0
    if not problem.are_separate:
        return [_recession(columns, has_mass, classes.vectors, classes.vectors)]
    # The logit is the difference of two outcomes, for and against, of which the second may be 0.
    logit, outcomes = np.array([[1.0, -1.0]]), np.array([[1.0, 0.0]])
    return [_recession(columns, np.stack(sides), logit, outcomes) for sides in zip(*has_mass, strict=True)]


def dependent_columns(problem):
    """Indices of the columns of X that are linear functions of others, as far as rows that weigh something tell."""
    standardisation = Standardisation.of(problem)
    rows = problem.rows.multiplied_in(np.float64, problem.rows.shift)

    def program(block):
        columns = standardisation.columns_of(block.X)
        return ((columns * block.targets.row_weight(block.at)) @ columns.T,)

    (gram,) = rows.summed(program, problem.shape[0])
    scale = np.sqrt(np.maximum(np.diag(gram), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(gram / scale / scale[:, None])
    # Squares of columns: of those that depend on others rounding leaves 1e-16, of the square of 1e-6 1e-12.
    unseen = vectors[:, values < len(gram) * 16 * np.finfo(float).eps]
    is_constant = standardisation.spread == 0 if problem.fit_intercept else np.diag(gram) == 0
    n_features = problem.rows.shape[1]
    return np.flatnonzero((np.abs(unseen[:n_features]).max(axis=1, initial=0) > LEAST_COEF) | is_constant[:n_features])


def _columns_targets(problem):
    """Standardised columns (p, n), and the targets, of all rows."""
    standardisation = Standardisation.of(problem)
    rows = problem.rows.multiplied_in(np.float64, problem.rows.shift)
    return rows.gathered(lambda block: (standardisation.columns_of(block.X), block.targets.block(block.at)))


def _recession(columns, has_mass, reduction, vectors):
    """The Recession of columns (p, n) whose rows have outcomes (K, n), or None.

    ``reduction`` (k, K) takes coefficients by outcome to those by direction, and the transpose of ``vectors`` back.
    """
    n_columns, n_rows = columns.shape
    n_outcomes = len(has_mass)
    larger, equal, rows_of_larger = _constraints(columns, has_mass)
    n_larger = larger.shape[0]
    result = linprog(
        np.append(np.zeros(n_outcomes * n_columns), -np.ones(n_larger)),
        A_ub=scipy.sparse.hstack([-larger, scipy.sparse.eye_array(n_larger)], format="csr"),
        b_ub=np.zeros(n_larger),
        A_eq=scipy.sparse.hstack([equal, scipy.sparse.csr_array((equal.shape[0], n_larger))], format="csr"),
        b_eq=np.zeros(equal.shape[0]),
        bounds=[*[(-LARGEST_COEF, LARGEST_COEF)] * (n_outcomes * n_columns), *[(0, 1)] * n_larger],
        method="highs",
    )
    if result.status != 0:
        return None
    is_strict = result.x[n_outcomes * n_columns :] > 1 / 2
    if not is_strict.any():
        return None

    def by_direction(constraints):
        constraints = constraints.toarray().reshape(-1, n_outcomes, n_columns)
        return np.einsum("rop,ko->rpk", constraints, vectors).reshape(len(constraints), n_columns * len(vectors))

    unseen = _null_space(by_direction(scipy.sparse.vstack([larger[np.flatnonzero(~is_strict)], equal])))
    unseen = unseen.reshape(len(unseen), n_columns, len(vectors))
    without_rows = _null_space(columns.T)
    # What no row sees at all is not separated, but undetermined.
    unseen = unseen - np.einsum("up,uq,rqk->rpk", without_rows, without_rows, unseen)
    flat = unseen.reshape(len(unseen), n_columns * len(vectors))
    flat = scipy.linalg.orth(flat.T, rcond=LEAST_SINGULAR_VALUE).T if len(flat) else flat
    direction = reduction @ result.x[: n_outcomes * n_columns].reshape(n_outcomes, n_columns)
    direction = (direction.T.ravel() @ flat.T @ flat).reshape(n_columns, len(vectors))
    is_separated = np.zeros(n_rows, dtype=bool)
    is_separated[rows_of_larger[is_strict]] = True
    is_complete = bool(is_strict.all()) and not equal.shape[0]
    constraints = by_direction(larger[np.flatnonzero(is_strict)]) @ flat.T
    unseen = flat.reshape(len(flat), n_columns, len(vectors))
    return Recession(direction, unseen, is_separated, is_complete, constraints)


def signs_of(recession, functionals):
    """Signs (m,) that ``functionals`` (m, r) of the unseen space have wherever all constraints are met; NaN for both.

    NaN as well for those that are left when the programs have taken long, which the second array (m,) says.
    """
    constraints = recession.constraints / np.linalg.norm(recession.constraints, axis=1, keepdims=True)
    functionals = functionals / np.linalg.norm(functionals, axis=1, keepdims=True)
    inside = recession.unseen.reshape(len(recession.unseen), -1) @ recession.direction.ravel()
    inside = inside / np.abs(inside).max()
    values = functionals @ inside
    signs = np.sign(values)
    if functionals.shape[1] == 1:
        return signs, np.zeros(len(signs), dtype=bool)
    # Around a point that meets them by so much, all directions meet them.
    signs[np.abs(values) <= (constraints @ inside).min()] = np.nan
    is_sought = ~np.isnan(signs)
    is_active, numbers = np.zeros(len(constraints), dtype=bool), 0
    while is_sought.any() and numbers < MOST_NUMBERS_OF_SIGNS:
        one = int(np.argmax(is_sought))
        is_sought[one] = False
        low, numbers_of_one = _low(signs[one] * functionals[one], constraints, inside, is_active)
        numbers += numbers_of_one
        has_other = (signs * (functionals @ low) < -LEAST_FALL) & ~np.isnan(signs)
        signs[has_other] = np.nan
        is_sought &= ~has_other
    signs[is_sought] = np.nan
    return signs, is_sought


def _low(functional, constraints, inside, is_active):
    """A point of [-1, 1]^r that meets constraints (c, r), where a functional (r,) is low: negative, or the lowest.

    ``inside`` meets all of them strictly. Programs are of few constraints, of which those that were missed become
    active: of all of many rows they take ten times longer. Mostly a point on the way to what the first finds will do.
    Returned as well is how many numbers the constraints of the programs had.
    """
    heights, numbers = constraints @ inside, 0
    while True:
        active = constraints[is_active]
        numbers += active.size
        point = linprog(functional, A_ub=-active, b_ub=np.zeros(len(active)), bounds=(-1, 1), method="highs").x
        values = constraints @ point
        is_missed = (values < -LEAST_VIOLATION) & ~is_active
        if not is_missed.any():
            return point, numbers
        share = (heights[is_missed] / (heights[is_missed] - values[is_missed])).min()
        on_the_way = inside + share * (point - inside)
        if functional @ on_the_way < -LEAST_FALL:
            return on_the_way, numbers
        missed = np.flatnonzero(is_missed)
        is_active[missed[np.argsort(values[missed])[: len(functional)]]] = True


def _null_space(matrix):
    """An orthonormal basis (r, p) of what ``matrix`` (n, p) maps to 0."""
    if not len(matrix):
        return np.eye(matrix.shape[1])
    if len(matrix) > matrix.shape[1]:
        matrix = np.linalg.qr(matrix, mode="r")
    _, values, vectors = np.linalg.svd(matrix)
    return vectors[np.count_nonzero(values > LEAST_SINGULAR_VALUE * values.max(initial=0)) :]


def _constraints(columns, has_mass):
    """Sparse rows (c, K p) that are at least 0 for coefficients (K, p) that separate, and those that are 0.

    ``columns`` (p, n) have rows with outcomes ``has_mass`` (K, n). Returned last is of which row each of the first is.
    """
    n_outcomes = len(has_mass)
    larger, equal, rows_of_larger = [], [], []
    by_row = scipy.sparse.csr_array(columns.T)
    for first in range(n_outcomes):
        for second in range(n_outcomes):
            if first == second:
                continue
            difference = np.zeros((1, n_outcomes))
            difference[0, first], difference[0, second] = 1, -1
            is_in = np.flatnonzero(has_mass[first] & ~has_mass[second])
            larger.append(scipy.sparse.kron(difference, by_row[is_in], format="csr"))
            rows_of_larger.append(is_in)
            if first < second:
                is_both = np.flatnonzero(has_mass[first] & has_mass[second])
                equal.append(scipy.sparse.kron(difference, by_row[is_both], format="csr"))
    return scipy.sparse.vstack(larger), scipy.sparse.vstack(equal), np.concatenate(rows_of_larger)


def _direction(columns, has_mass):
    """Coefficients (K, d + 1) that separate the outcomes (K, n) that rows have, columns (d + 1, n); None if none do."""
    n_outcomes, n_rows = has_mass.shape
    n_columns = len(columns)
    larger, equal, _ = _constraints(columns, has_mass)
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
