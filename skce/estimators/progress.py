"""What a fit tells while it runs: a line for each stage and second, and each iteration to scikit-learn's callbacks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from skce._compat import callback_context
from skce._types import ArrayLike

# Seconds between two lines of a stage, at least.
SECONDS_BETWEEN_LINES = 1.0


@dataclass(frozen=True)
class Mark:
    """When a line was printed, and how far ``descent`` was."""

    descent: Any
    time: float
    n_passes: float
    suboptimality: float

    @classmethod
    def of(cls, descent: Any) -> Mark:
        """The Mark of now."""
        return cls(descent, monotonic(), descent.n_passes, descent.suboptimality)

    def pace_to(self, now: Mark, tol: float) -> str:
        """Passes a second between two marks and, if the estimate has fallen, those that its rate leaves to ``tol``."""
        n_passes = now.n_passes - self.n_passes
        rate = f"{n_passes / (now.time - self.time):.3g} passes/s"
        if not 0 < tol < now.suboptimality < self.suboptimality < math.inf:
            return rate
        left = n_passes * math.log(now.suboptimality / tol) / math.log(self.suboptimality / now.suboptimality)
        return f"{rate}, {left:.0f} passes to go at this rate"


class Progress:
    """The reports of one fit of ``estimator`` to X, y and ``sample_weight``: what the solver is watched by.

    ``attributes_of``, set when the data have been read, makes fitted attributes of an Iterate.
    """

    def __init__(self, estimator: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> None:
        self.estimator = estimator
        self.data: dict[str, Any] = {"X": X, "y": y, "metadata": {"sample_weight": sample_weight}}
        self.attributes_of: Callable[[Any], dict[str, Any]] | None = None
        self.iteration: Any = None
        self.last_line: Mark | None = None
        # A bar shows iterations as a share of the most that there may be.
        self.context: Any = callback_context(estimator, max_subtasks=int(estimator.max_iter))
        if self.context is not None:
            self.context.call_on_fit_task_begin(estimator=estimator, **self.data)

    def before_iteration(self, iterate: Any) -> None:
        """Begin an iteration, from an Iterate, unless one has begun that has not ended."""
        if self.context is None or self.iteration is not None:
            return
        self.iteration = self.context.subcontext(task_name="iteration")
        self.iteration.call_on_fit_task_begin(**self._state_at(iterate))

    def after_iteration(self, iterate: Any) -> bool:
        """Whether a callback asks to stop, after an iteration that came to an Iterate."""
        if self.context is None:
            return False
        ended, self.iteration = self.iteration, None
        return ended.call_on_fit_task_end(**self._state_at(iterate))

    def _state_at(self, iterate):
        """What a hook is told at an Iterate: fitted attributes are made only if it asks for them."""
        attributes = {"reconstruction_attributes": lambda: self.attributes_of(iterate)}
        return {"estimator": self.estimator, **self.data, **attributes}

    def during_stage(self, descent: Any) -> None:
        """Print how far a stage is and how fast it goes, if the estimator is verbose and the last line is old."""
        if not self.estimator.verbose:
            return
        now, last = Mark.of(descent), self.last_line
        if last is None or last.descent is not descent:  # of a fit that finds a start, another one
            self.last_line = now
        elif now.time - last.time >= SECONDS_BETWEEN_LINES:
            self.last_line = now
            _print(
                descent, f"in stage {descent.n_stages + 1}, {descent.figures}, {last.pace_to(now, self.estimator.tol)}"
            )

    def after_stage(self, descent: Any) -> None:
        """Print what a stage of the minimisation has come to, if the estimator is verbose."""
        if self.estimator.verbose:
            self.last_line = Mark.of(descent)
            _print(descent, descent)

    def end(self) -> None:
        """Tell the callbacks that the fit is over, and the estimator fitted."""
        # An iteration that was interrupted, or whose steps gained nothing, has not ended.
        for context in filter(None, (self.iteration, self.context)):
            context.call_on_fit_task_end(estimator=self.estimator, **self.data, reconstruction_attributes={})


def print_solution(C: float, solution: Any, tol: float) -> None:
    """Print where the fit for one of many values of C has ended."""
    end = "certified" if solution.is_certified(tol) else solution.reason
    _print_line(f"C={C:.3g}", f"loss {solution.value:.6g} after {solution.n_passes:.1f} passes, {end}")


def _print(descent, line):
    """Print a line about the minimisation of a loss."""
    _print_line(repr(descent.objective.problem.row_loss.loss), line)


def _print_line(subject, line):
    """Print a line about a subject."""
    print(f"skce, {subject}: {line}", flush=True)
