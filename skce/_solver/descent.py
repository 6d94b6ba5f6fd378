"""Descent: the best point of a minimisation so far, what it took, and how far from the minimum it may be."""

from dataclasses import dataclass
from typing import Any

import numpy as np

TINY = np.finfo(float).tiny

# An estimate that rounding may hide, in units of the resolution of F.
ROUNDING_OF_ESTIMATE = 2.0**12

# The suboptimality that is asked of products in float32, and from which a curvature is taken anew.
TOL_OF_FLOAT32 = 1e-4

# Of several problems, the share of F that one has at least, where its own estimate is taken relative to that.
LEAST_SHARE = 1e-8

# Iterations whose gains are taken together: single ones of L-BFGS are too uneven to extrapolate.
ITERATIONS_OF_TAIL = 5

# Loss above which classes are not looked at for being separable.
MOST_LOSS_OF_SEPARATED = 1e-6


@dataclass
class Point:
    """Parameters, the values (n_problems,) there, whose sum is F, and the gradient."""

    params: np.ndarray
    values: np.ndarray
    gradient: np.ndarray

    def __post_init__(self):
        self.value = float(self.values[0] if len(self.values) == 1 else self.values.sum())


@dataclass
class Descent:
    """What a minimisation of ``objective`` has come to: the best point known, and what it took."""

    objective: Any
    best: Point
    loss_curve: list
    pass_curve: list
    n_evaluations: int
    n_passes: float
    is_separated: np.ndarray
    suboptimality: float = np.inf
    gap_bound: float | None = None
    correction: float = 1.0
    n_stages: int = 0
    n_inner_passes: float = 0.0
    coarse_problem: Any = None
    is_any_separated: bool = False

    @classmethod
    def from_best_of(cls, starts, objective):
        """The Descent from where F is the least."""
        return cls.from_points([Point(start, *objective(start)) for start in starts], objective)

    @classmethod
    def from_points(cls, points, objective):
        """The Descent from the best of the Points that have been evaluated, a pass each."""
        best = min(points, key=lambda point: point.value if np.isfinite(point.value) else np.inf)
        is_separated = np.zeros(objective.n_problems, dtype=bool)
        n_passes = float(len(points))
        return cls(objective, best, [best.value], [n_passes], len(points), n_passes, is_separated)

    def __str__(self):
        return f"stage {self.n_stages}, {self.figures}"

    @property
    def figures(self):
        """How far it has come, in words."""
        bound = np.inf if self.gap_bound is None else self.gap_bound / max(abs(self.best.value), TINY)
        is_proven = bound <= self.suboptimality
        gap = f"certified to be below {bound:.1e}" if is_proven else f"estimated to be {self.suboptimality:.1e}"
        return (
            f"{len(self.loss_curve) - 1} iterations, {self.n_passes:.1f} passes, loss {self.best.value:.10g}, "
            f"relative suboptimality {gap}"
        )

    def go_on_in_float64(self):
        """Evaluate the best point anew, with products in float64: what rounding had added to its values (n_problems,).

        The problem as it was is ``coarse_problem``. Losses on the way here were off by about as much.
        """
        self.coarse_problem = self.objective.problem
        self.objective = self.objective.in_float64()
        rounded, self.best = self.best, Point(self.best.params, *self.objective(self.best.params))
        self.loss_curve = [value - (rounded.value - self.best.value) for value in self.loss_curve]
        self.n_evaluations += 1
        self.n_passes += 1
        return rounded.values - self.best.values

    def record(self, value):
        """Add the value after an iteration to the curves."""
        self.loss_curve.append(value)
        self.pass_curve.append(self.n_passes)

    def evaluated(self, params):
        """The Point at ``params``, remembered if it is the best."""
        return self.remembered(Point(params, *self.objective(params)))

    def remembered(self, point):
        """A Point that a sweep has evaluated, counted, and kept if it is the best."""
        self.n_evaluations += 1
        self.n_passes += 1
        if point.value < self.best.value:
            self.best = point
        return point

    def keep_best_in_memory(self):
        """Fetch the best point, if it is elsewhere."""
        if not isinstance(self.best.params, np.ndarray):
            self.best = Point(np.asarray(self.best.params), self.best.values, np.asarray(self.best.gradient))

    def go_back_to(self, point):
        """Take ``point`` for the best, and bound its gap."""
        if self.gap_bound is not None:
            self.gap_bound += point.value - self.best.value
        self.best = point

    def relative(self, decrements):
        """The largest estimate of a problem's suboptimality, relative to its value."""
        values, resolution = self.best.values, self.objective.resolution
        if len(values) == 1:
            return self.correction * float(decrements[0]) / max(abs(self.best.value), resolution)
        least = max(LEAST_SHARE * abs(self.best.value), resolution)
        relative = np.where(self.is_separated, 0.0, decrements / np.maximum(np.abs(values), least))
        return self.correction * float(relative.max())

    def look_for_separated_problems(self):
        """Note the problems without a penalty, and so without a minimum, that have nothing left to learn."""
        if self.objective.problem.is_every_coef_penalised:
            return
        is_candidate = (self.best.values <= MOST_LOSS_OF_SEPARATED) & ~self.is_separated
        if is_candidate.any():
            self.n_passes += 1
            self.is_separated |= is_candidate & self.objective.separated_problems(self.best.params)
            self.is_any_separated = bool(self.is_separated.any())

    def is_at_rounding(self):
        """Whether F may be at its minimum but for rounding, as far as the estimate tells."""
        value = abs(self.best.value)
        return self.suboptimality * value <= ROUNDING_OF_ESTIMATE * self.objective.resolution * max(value, 1.0)

    def tail(self):
        """What F, relative to itself, will still fall by: Aitken's extrapolation of the last gains.

        With gains a and b of the last two times ITERATIONS_OF_TAIL iterations, b (r + r^2 + ...) with r = b / a.
        """
        if len(self.loss_curve) <= 2 * ITERATIONS_OF_TAIL:
            return 0.0
        before, middle, last = self.loss_curve[-1 - 2 * ITERATIONS_OF_TAIL :: ITERATIONS_OF_TAIL]
        gain, ratio = middle - last, (middle - last) / max(before - middle, TINY)
        return gain * min(ratio / (1 - ratio) if ratio < 1 else np.inf, 10.0) / max(abs(last), TINY)
