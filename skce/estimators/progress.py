"""What a fit tells while it runs: a line for each stage, and each iteration to scikit-learn's callbacks."""

from collections.abc import Callable
from typing import Any

from skce._compat import callback_context
from skce._types import ArrayLike


class Progress:
    """The reports of one fit of ``estimator`` to X, y and ``sample_weight``: what the solver is watched by.

    ``attributes_of``, set when the data have been read, makes fitted attributes of an Iterate.
    """

    def __init__(self, estimator: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> None:
        self.estimator = estimator
        self.data: dict[str, Any] = {"X": X, "y": y, "metadata": {"sample_weight": sample_weight}}
        self.attributes_of: Callable[[Any], dict[str, Any]] | None = None
        self.iteration: Any = None
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

    def after_stage(self, descent: Any) -> None:
        """Print what a stage of the minimisation has come to, if the estimator is verbose."""
        if self.estimator.verbose:
            print(f"skce, {descent.objective.problem.row_loss.loss!r}: {descent}", flush=True)

    def end(self) -> None:
        """Tell the callbacks that the fit is over, and the estimator fitted."""
        # An iteration that was interrupted, or whose steps gained nothing, has not ended.
        for context in filter(None, (self.iteration, self.context)):
            context.call_on_fit_task_end(estimator=self.estimator, **self.data, reconstruction_attributes={})
