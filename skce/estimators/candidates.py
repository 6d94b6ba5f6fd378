"""Candidates: what each C scores, by leave-one-out in closed form along the path, or by folds."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from skce._labels.kinds_of_y import HardLabels, Indicators, SoftLabels
from skce._rows.blocks import rows_of
from skce._rows.engines import engine_of
from skce._rows.memory import logits_of
from skce._slices import row_slices
from skce._solver.curvature.ladder import is_hessian_affordable
from skce._solver.left_out_path import LeftOutPath
from skce._solver.objective import LinearObjective
from skce._solver.path import Minimum
from skce._solver.path_of_part import is_part_of, minima_of_part
from skce._solver.paths_together import are_small, minima_of_parts
from skce._solver.problem import Iterate, Problem
from skce._solver.second_derivative import BySecondDerivative, exact_curvature
from skce._solver.solution import Solution
from skce._solver.training import solver_for
from skce._types import Array
from skce.estimators.path import minima_by_C, penalty_of
from skce.estimators.progress import print_solution
from skce.estimators.row_losses import logits_of_outputs, predicted_logits, row_losses, weighted_mean
from skce.estimators.training_set import TrainingSet

# A scorer of a fitted estimator, X, y and the places of these among all rows; None stands for the log loss.
Score = Callable[[Any, Any, Any, Array], float] | None


# Numbers of the Hessians of all values that are kept for folds (128 MB).
NUMBERS_TO_KEEP = 2**24

# Numbers of X (32 MB) up to which a fold has a copy of its rows; of more it has all, of which others weigh nothing.
NUMBERS_TO_COPY = 2**22

# Logits of test rows that are computed at once.
LOGITS_AT_ONCE = 2**15

# Why a fit is over that is as near its minimum as was asked for, or as rounding lets it come.
CONVERGED = "converged", "precision"


@dataclass(frozen=True, eq=False)
class Fits:
    """The fits of a training set for each C: where they ended, and their ``solutions``.

    ``minima`` are their places and Minima with curvatures, in the order of the path, where folds may start from these.
    """

    iterates: list[Any]
    solutions: list[Any]
    minima: list[tuple[int, Minimum]] = field(default_factory=list)

    @property
    def n_unconverged(self) -> int:
        """How many did not converge."""
        return sum(solution.reason not in CONVERGED for solution in self.solutions)


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores ``of_folds`` (n_folds, n_Cs) and standard ``errors`` (n_Cs,) of their means, and the Fits of all rows.

    ``n_unconverged`` counts the fits, those of folds or without a row too, that did not converge. If the scores are
    those of leave-one-out, where one fold stands for all, ``left_out`` returns for the place of a C the logits (K, n)
    of each row in a fit without it, and whether it was refitted (n,).
    """

    of_folds: Array
    errors: Array
    fits: Any
    n_unconverged: int
    left_out: Callable[[int], tuple[Array, Array]] | None = None


def fits_of(training_set: TrainingSet, problem: Problem, Cs: Array, **parameters: Any) -> Iterator[tuple[int, Minimum]]:
    """Yield the place of each C and the Minimum there; a line is printed of each if the estimator is verbose."""
    estimator = training_set.estimator
    for place, minimum in minima_by_C(problem, Cs, estimator.tol, estimator.max_iter, **parameters):
        if estimator.verbose:
            print_solution(Cs[place], minimum.solution, estimator.tol)
        yield place, minimum


def fit_of(training_set: TrainingSet, problem: Problem, C: float, watch: Any) -> tuple[Iterate, Solution]:
    """Where the fit for one C ends, from no start and watched, and its Solution."""
    estimator, of_one = training_set.estimator, replace(problem, penalty=penalty_of(problem, C))
    solution = solver_for(of_one)(of_one, None, tol=estimator.tol, max_iter=estimator.max_iter, watch=watch)
    return Iterate(of_one, solution.params), solution.unless_interrupted()


def collected(minima: Iterator[tuple[int, Minimum]], n_values: int) -> Fits:
    """The Fits of all values of C."""
    iterates: list[Any] = [None] * n_values
    solutions: list[Any] = [None] * n_values
    for place, minimum in minima:
        iterates[place] = Iterate(minimum.problem, minimum.solution.params)
        solutions[place] = minimum.solution
    return Fits(iterates, solutions)


def fits_to_start_from(training_set: TrainingSet, problem: Problem, Cs: Array) -> Fits:
    """The Fits of all values of C, with their curvatures if these are exact and not too many numbers."""
    minima: list[tuple[int, Minimum]] = []

    def passed():
        for place, minimum in fits_of(training_set, problem, Cs):
            if minimum.curvature is not None and len(minima) * minimum.curvature.hessians.size <= NUMBERS_TO_KEEP:
                minima.append((place, minimum))
            yield place, replace(minimum, curvature=None)

    fits = collected(passed(), len(Cs))
    return replace(fits, minima=minima) if len(minima) == len(Cs) else fits


def has_affordable_hessian(problem: Problem) -> bool:
    """Whether leave-one-out, which takes the Hessian, is affordable."""
    return not problem.shape[1] or is_hessian_affordable(LinearObjective(problem))


def scored_by_leave_one_out(training_set: TrainingSet, problem: Problem, Cs: Array) -> Scored:
    """The Scored by minus the log loss of what fits without a row predict of it."""
    targets = training_set.rows.targets_in_memory()

    def losses_of(minimum, logits, rows):
        iterate = Iterate(minimum.problem, minimum.solution.params)
        of_outputs = logits_of_outputs(training_set, iterate, logits)
        return row_losses(training_set.link, of_outputs, targets.labels.of_rows(rows))

    path, places = LeftOutPath(losses_of, targets.sample_weight, len(Cs)), []

    def passed():
        for place, minimum in fits_of(training_set, problem, Cs, dear=np.inf):
            path.passes(_with_second_derivative(minimum))
            places.append(place)
            yield place, minimum

    def left_out(place):
        of_value = path.left_out(places.index(place))
        iterate = Iterate(problem, fits.solutions[place].params)
        return logits_of_outputs(training_set, iterate, of_value.logits), of_value.is_refitted

    fits = collected(passed(), len(Cs))
    scores, errors = np.empty(len(Cs)), np.empty(len(Cs))
    means, errors[places] = path.scores()
    scores[places] = -means
    return Scored(scores[None], errors, fits, fits.n_unconverged + path.n_unended, left_out)


def _with_second_derivative(minimum):
    """A Minimum with the curvature of the true second derivative, if there is anything to fit."""
    if minimum.curvature is not None or not minimum.problem.shape[1]:
        return minimum
    problem = replace(minimum.problem, row_loss=BySecondDerivative(minimum.problem.row_loss))
    return replace(minimum, problem=problem, curvature=exact_curvature(problem, minimum.solution.params))


def scored_by_folds(
    training_set: TrainingSet, folds: Sequence[Any], Cs: Array, score: Score, fits: Fits | None, n_jobs: int | None
) -> Scored:
    """The Scored by the test rows of folds, for what is fitted to their other rows.

    Each of a fold starts next to that of the Fits of all rows, if there are these.
    """
    of_all = [_Fold.of(training_set, train, test) for train, test in folds]
    together = _fits_together(of_all, Cs, fits)
    parallel = Parallel(n_jobs=n_jobs, prefer="threads")
    results: Any = parallel(
        delayed(_scores_of_fold)(training_set, fold, Cs, score, fits, of_fold)
        for fold, of_fold in zip(of_all, together, strict=True)
    )
    of_folds = np.array([scores for scores, _ in results])
    n_unconverged = sum(n_of_fold for _, n_of_fold in results) + (fits.n_unconverged if fits else 0)
    errors = of_folds.std(axis=0, ddof=1) / np.sqrt(len(folds)) if len(folds) > 1 else np.full(len(Cs), np.nan)
    return Scored(of_folds, errors, fits, n_unconverged)


@dataclass(frozen=True, eq=False)
class _Fold:
    """The ``test`` rows of a fold, the ``weight`` (n,) that each of all rows has in it, and its TrainingSet."""

    test: Array
    weight: Array
    training_set: TrainingSet

    @classmethod
    def of(cls, training_set, train, test):
        """The fold of a TrainingSet with these rows."""
        data, n_rows = training_set.data, training_set.rows.shape[0]
        train, test = (np.arange(n_rows)[rows] for rows in (train, test))
        counts = np.bincount(train, minlength=n_rows)
        is_small = n_rows * training_set.rows.numbers_per_row <= NUMBERS_TO_COPY
        of_fold = np.flatnonzero(counts) if is_small else slice(0, n_rows)
        part = training_set.part(of_fold, data.sample_weight[of_fold] * counts[of_fold])
        return cls(test, data.sample_weight * counts, part)


def _fits_together(folds, Cs, fits):
    """The Fits of each of ``folds``, where these are small and as all rows are; else None for each."""
    if fits is None or not fits.minima or not are_small(fits.minima[0][1].problem, len(folds)):
        return [None] * len(folds)
    problem, parts = fits.minima[0][1].problem, []
    for fold in folds:
        targets = fold.training_set.rows.targets.of_rows(problem.rows.targets.labels, fold.weight)
        parts.append(replace(problem, rows=replace(problem.rows, targets=targets)))
    if not all(is_part_of(part, problem) for part in parts):
        return [None] * len(folds)
    places, minima = zip(*fits.minima, strict=True)
    penalties = [[penalty_of(part, Cs[place]) for part in parts] for place in places]
    estimator = folds[0].training_set.estimator
    with np.errstate(over="ignore", invalid="ignore"):
        of_values = list(minima_of_parts(parts, minima, penalties, tol=estimator.tol, max_iter=estimator.max_iter))
    return [collected(zip(places, of_fold, strict=True), len(Cs)) for of_fold in zip(*of_values, strict=True)]


def _scores_of_fold(training_set, fold, Cs, score, fits_of_all, fits):
    """Scores (n_Cs,) of a fold, and how many fits did not converge; ``fits`` are its Fits, None if they are to find."""
    data, part, test = training_set.data, fold.training_set, fold.test
    X, labels, weight = rows_of(data.X, test), data.labels.of_rows(test), data.sample_weight[test]
    if fits is None:
        with part.problem() as problem:
            fits = collected(_fits_of_fold(training_set, part, problem, Cs, fits_of_all), len(Cs))
    of_fits = [part.attributes(iterate) for iterate in fits.iterates]
    if score is None:
        return _scores_by_log_loss(part, of_fits, X, labels, weight), fits.n_unconverged
    given, y = getattr(X, "array", X), y_of(data.classes, labels)
    scores = np.empty(len(Cs))
    for place, attributes in enumerate(of_fits):
        fitted = _fitted(part, Cs[place], engine_of(given).attributes_like(given, attributes))
        scores[place] = score(fitted, given, y, test)
    return scores, fits.n_unconverged


def _scores_by_log_loss(fold, of_fits, X, labels, weight):
    """Minus the log losses (n_Cs,) of rows X with labels and ``weight``, by the attributes of fits to a fold."""
    n_outputs, n_rows = len(of_fits[0]["coef_"]), len(weight)
    scores: list[float] = []
    # Of few rows many values at once, for which one takes longer to call than to compute.
    for at in row_slices(len(of_fits), max(LOGITS_AT_ONCE // max(n_outputs * n_rows, 1), 1)):
        coef, intercept = (
            np.stack([attributes[name] for attributes in of_fits[at]]) for name in ("coef_", "intercept_")
        )
        logits = logits_of(X, coef.reshape(-1, coef.shape[-1]), intercept.reshape(-1))
        by_output = np.asarray(logits).astype(float).reshape(n_rows, -1, n_outputs).transpose(2, 1, 0)
        of_values = np.ascontiguousarray(by_output).reshape(n_outputs, -1)
        repeated = labels.of_rows(np.tile(np.arange(n_rows), len(coef)))
        losses = row_losses(fold.link, predicted_logits(fold, of_values), repeated).reshape(-1, n_rows)
        scores += [-weighted_mean(of_value, weight)[0] for of_value in losses]
    return np.array(scores)


def _fits_of_fold(training_set, fold, problem, Cs, fits):
    """Yield the place of each C and the Minimum of a fold there, from the Fits of all rows or None."""
    if fits is None:
        return fits_of(fold, problem, Cs)
    if fits.minima and is_part_of(problem, fits.minima[0][1].problem):
        estimator = fold.estimator
        places, minima = zip(*fits.minima, strict=True)
        penalties = [penalty_of(problem, Cs[place]) for place in places]
        of_fold = minima_of_part(problem, minima, penalties, tol=estimator.tol, max_iter=estimator.max_iter)
        return zip(places, of_fold, strict=True)
    attributes, outputs = training_set.attributes(fits.iterates[int(np.argmin(Cs))]), fold.rows.targets.outputs
    start = tuple(attributes[name][outputs].astype(float) for name in ("coef_", "intercept_"))
    return fits_of(fold, problem, Cs, start=start)


def _fitted(fold, C, attributes):
    """The estimator of a fold as fitted for a C."""
    estimator = copy.copy(fold.estimator)
    vars(estimator).pop("feature_names_in_", None)
    estimator.C = float(C)
    vars(estimator).update(attributes)
    return estimator


def y_of(classes: Array, labels: HardLabels | SoftLabels | Indicators) -> Array:
    """Labels as a scorer takes them: of the classes, or distributions over them, or an indicator."""
    if isinstance(labels, HardLabels):
        return classes[labels.codes]
    return labels.toarray().astype(int) if isinstance(labels, Indicators) else labels.probabilities
