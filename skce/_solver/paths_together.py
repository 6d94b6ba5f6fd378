"""The paths of parts of the rows together, where tables are so small that to call takes longer than to compute.

Each part is all rows, by weights of its own. At each value all parts take the steps at once that one of them would by
Hessians of its own; a part that they fail takes its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from skce._solver.curvature.factorisation import weighted_moments
from skce._solver.curvature.ladder import rungs_for
from skce._solver.objective import LinearObjective, derivatives_of
from skce._solver.path import Minimum, Way, slope_of_penalty, without_shift
from skce._solver.path_by_own_hessians import (
    ENOUGH,
    FALL,
    FAR,
    ROUNDING,
    SLOW,
    StepsByOwnHessians,
    solution_after,
)
from skce._solver.problem import Problem
from skce._solver.secants import ManySecants
from skce._types import Penalty

# Evaluations that a Hessian costs up to which each part has its own at each value, as a call costs more than what it
# computes.
CHEAP = 6.0

# Evaluations at most for a value, after which parts that are not there go on by themselves.
MOST_STEPS = 6

# Logits of all parts up to which they are computed at once: with 2,300 to 17,000 five folds of 20 values took 0.75 to
# 1.0 of the time of one after the other.
MOST_LOGITS = 2**15


def are_small(problem: Problem, n_parts: int) -> bool:
    """Whether a table is so small that ``n_parts`` parts of it are fitted together."""
    rows: Any = problem.rows
    is_array = isinstance(rows.X, np.ndarray) and rows.shift is None
    is_small = is_array and n_parts * rows.shape[0] * problem.shape[1] <= MOST_LOGITS
    return is_small and rungs_for(LinearObjective(problem))[-1].cost <= CHEAP


def minima_of_parts(
    parts: Sequence[Problem],
    minima: Sequence[Minimum],
    penalties: Sequence[Sequence[Penalty]],
    *,
    tol: float,
    max_iter: int,
) -> Iterator[list[Minimum]]:
    """Yield the Minima of ``parts``, which have all rows of a problem, by weights of their own, for each value.

    ``penalties`` are those of each part for each value. The first are sought next to the first of ``minima``, with
    curvatures, of the problem.
    """
    curvature: Any = minima[0].curvature
    standardisation = curvature.standardisation
    steps, alone = _Steps(parts, standardisation), [StepsByOwnHessians(part, standardisation) for part in parts]
    way, near = Way(), np.tile(minima[0].solution.params, (len(parts), 1))
    for of_parts in penalties:
        ridge = of_parts[0].ridge
        start = near if way.is_empty else without_shift(parts[0], way.leads_to(ridge))
        problems = [replace(part, penalty=penalty) for part, penalty in zip(parts, of_parts, strict=True)]
        together = steps.minima(problems, start, tol)
        found: list[Any] = [
            minimum if isinstance(minimum, Minimum) else own.minimum_from(problem, minimum, last, tol, max_iter)
            for minimum, own, problem, last in zip(together, alone, problems, near, strict=True)
        ]
        near = np.stack([minimum.solution.params for minimum in found])
        way.reaches(ridge, near, np.stack([minimum.tangent for minimum in found]))
        yield found


class _Steps:
    """Steps to the minima of all ``parts``, in the columns of a standardisation: arrays (f, p), a row for each part."""

    def __init__(self, parts, standardisation):
        problem = parts[0]
        self.row_loss, self.classes, self.shape = problem.row_loss, problem.class_directions, problem.shape
        self.standardisation = standardisation
        self.every_row = slice(0, problem.rows.shape[0])
        self.X = problem.rows.features(self.every_row)
        self.columns = standardisation.columns_of(self.X)
        self.targets = [part.rows.targets for part in parts]
        self.totals = np.array([part.total for part in parts])

    def minima(self, problems, params, tol):
        """The Minimum of each of the ``problems``, or, where steps fail, the best params (p,)."""
        n_parts = len(problems)
        ridges = np.array([problem.penalty.ridge for problem in problems])
        secants, inverses = ManySecants(n_parts), np.empty(0)
        best, gradients_there, values_there = params.copy(), np.zeros_like(params), np.full(n_parts, np.inf)
        params, last, is_anew, at = params.copy(), np.full(n_parts, np.inf), True, np.arange(n_parts)
        found = list(best)

        def newton_steps_of(places):
            of_places = inverses if len(places) == n_parts else inverses[places]
            return lambda gradients: self._newton_steps(of_places, gradients)

        for n_evaluations in range(1, MOST_STEPS + 1):
            values, gradients, curvatures = self._evaluated(at, ridges, params, is_anew)
            falls = values <= values_there[at] + ROUNDING * np.where(n_evaluations > 1, np.abs(values), 0)
            at, values, gradients = at[falls], values[falls], gradients[falls]
            if not len(at):
                break
            if is_anew:
                secants.forget(at)
                curvatures = [curvature for curvature, is_lower in zip(curvatures, falls, strict=True) if is_lower]
                of_parts = self._inverses(at, ridges, curvatures)
                if of_parts is None:
                    break
                if len(at) == n_parts:
                    inverses = of_parts
                elif len(inverses):
                    inverses[at] = of_parts
                else:
                    break
            else:
                secants.add(at, (params[at] - best[at])[..., None], (gradients - gradients_there[at])[..., None])
            best[at], gradients_there[at], values_there[at] = params[at], gradients, values
            steps = secants.steps(at, gradients[..., None], newton_steps_of(at))[..., 0]
            promised = -(gradients * steps).sum(axis=1) / 2 / np.maximum(values, np.finfo(float).tiny)
            params[at] = best[at] + steps
            is_near = (promised >= 0) & (promised <= ENOUGH * tol * np.where(promised <= FALL * last[at], 1, FALL))
            for place, of_part in zip(at[is_near].tolist(), promised[is_near].tolist(), strict=True):
                found[place] = solution_after([values_there[place]], params[place], of_part, n_evaluations)
            is_slow = (promised > FAR) | ((not is_anew) & (promised > SLOW * last[at]))
            is_anew, last[at], at = bool(is_slow[~is_near].any()), promised, at[~is_near]
            if not len(at):
                break
        return self._with_tangents(problems, found, best, secants, newton_steps_of)

    def _with_tangents(self, problems, found, best, secants, newton_steps_of):
        """The Minimum of each problem of which a Solution was ``found``, or the ``best`` params."""
        there = np.array([place for place, solution in enumerate(found) if not isinstance(solution, np.ndarray)], int)
        minima = list(best)
        if len(there):
            slopes = np.stack([slope_of_penalty(problems[place], found[place].params) for place in there.tolist()])
            tangents = secants.steps(there, -slopes[..., None], newton_steps_of(there))[..., 0]
            for place, tangent in zip(there.tolist(), tangents, strict=True):
                minima[place] = Minimum(problems[place], found[place], None, tangent)
        return minima

    def _evaluated(self, at, ridges, params, has_curvature):
        """Values (m,), gradients (m, p) and curvatures of the rows, or None, of some parts, places (m,)."""
        (n_rows, n_features), (n_params, n_outputs) = self.X.shape, self.shape
        ridge, total = ridges[at], self.totals[at]
        matrices = params[at].reshape(-1, n_params, n_outputs)
        coef = matrices[:, :n_features]
        logits = coef.transpose(0, 2, 1).reshape(-1, n_features) @ self.X.T
        if n_params > n_features:
            logits += matrices[:, -1].reshape(-1, 1)
        logits, curvatures = logits.reshape(-1, n_outputs, n_rows), []
        values, slopes = np.empty(len(at)), np.empty_like(logits)
        for place, part in enumerate(at.tolist()):
            of_part = logits[place], self.targets[part], self.every_row
            if has_curvature:
                value, slopes[place], curvature = derivatives_of(self.row_loss, *of_part)
                curvatures.append(curvature)
            else:
                value, slopes[place] = self.row_loss.values_gradient(*of_part)
            values[place] = np.sum(value)
        gradients = np.empty_like(matrices)
        pulled = slopes.reshape(-1, n_rows) @ self.X
        gradients[:, :n_features] = pulled.reshape(-1, n_outputs, n_features).transpose(0, 2, 1)
        if n_params > n_features:
            gradients[:, -1] = slopes.sum(axis=2)
        gradients /= total[:, None, None]
        gradients[:, :n_features] += ridge[:, None, None] * coef
        values = values / total + ridge / 2 * np.einsum("fdk,fdk->f", coef, coef)
        return values, gradients.reshape(len(at), -1), curvatures

    def _inverses(self, at, ridges, curvatures):
        """Inverses (m, b, q, q) of the Hessians by reduced parameters of some parts, in b blocks; None if singular."""
        first, second = self.classes.pairs
        entries = np.concatenate([curvature.entries(first, second) for curvature in curvatures])
        moments, n_columns = weighted_moments(entries, self.columns), len(self.columns)
        ridge = np.zeros((len(at), n_columns))
        scale = self.standardisation.scale
        ridge[:, : len(scale)] = np.multiply.outer(ridges[at], 1 / scale**2)
        if self.classes.are_separate:
            hessians = moments.reshape(len(at), -1, n_columns, n_columns)
        else:
            size, products = self.classes.size, self.classes.products_of_pairs
            by_pair = moments.reshape(len(at), -1, n_columns**2)
            by_class = (products @ by_pair).reshape(len(at), size, size, n_columns, n_columns)
            hessians = by_class.transpose(0, 3, 1, 4, 2).reshape(len(at), 1, n_columns * size, -1)
            ridge = np.repeat(ridge, size, axis=1)
        hessians = hessians / self.totals[at, None, None, None]
        diagonals = np.einsum("fbqq->fbq", hessians)
        diagonals += ridge[:, None]
        try:
            return np.linalg.inv(hessians)
        except np.linalg.LinAlgError:
            return None

    def _newton_steps(self, inverses, gradients):
        """Newton's steps (m, p, 1) of some parts for gradients (m, p, 1)."""
        n_params, n_outputs = self.shape
        n_parts, standardisation, classes = len(gradients), self.standardisation, self.classes
        by_column = gradients.reshape(n_parts, n_params, n_outputs).transpose(1, 0, 2).reshape(n_params, -1)
        by_column = classes.reduced(standardisation.pull_back(by_column).reshape(n_params, n_parts, n_outputs))
        if classes.are_separate:
            reduced = by_column.transpose(1, 2, 0)
        else:
            reduced = by_column.transpose(1, 0, 2).reshape(n_parts, 1, -1)
        steps = (inverses @ reduced[..., None])[..., 0]
        if classes.are_separate:
            by_column = steps.transpose(2, 0, 1)
        else:
            by_column = steps.reshape(n_parts, n_params, -1).transpose(1, 0, 2)
        moved = standardisation.to_params(np.ascontiguousarray(classes.expanded(by_column)).reshape(n_params, -1))
        return -moved.reshape(n_params, n_parts, n_outputs).transpose(1, 0, 2).reshape(n_parts, -1, 1)
