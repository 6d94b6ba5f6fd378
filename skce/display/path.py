"""The choice of C as a picture: scores with their standard errors and both rules, or coefficients, against C."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from skce._checks import InvalidParameterError, check_integer
from skce._types import Array
from skce.display.plotting import COLOURS, axes_or_new, line_options, shortened
from skce.estimators.portable import to_numpy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D


class PathDisplay:
    """Scores of values of C with their standard errors, or the coefficients of their fits.

    Make one by :meth:`from_estimator`.

    Parameters
    ----------
    Cs : ndarray of shape (n_Cs,)
        Values of C.
    lines : dict of str to ndarray of shape (n_Cs,)
        What is drawn against them, by the names in the legend; None names none.
    ylabel : str
        Name of the values.
    errors : ndarray of shape (n_Cs,), default=None
        Standard errors of the first line, which is a score: the best of it is marked, and the strongest penalty within
        one standard error of that.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Their figure.
    lines_ : list of matplotlib Line2D
        The curves.
    best_, within_one_error_ : float
        The C of either rule, where there are errors.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skce import SoftmaxRegressorCV
    >>> from skce.display import PathDisplay
    >>> X, y = load_wine(return_X_y=True)
    >>> display = PathDisplay.from_estimator(SoftmaxRegressorCV(Cs=20).fit(X, y))
    >>> round(display.best_, 2), round(display.within_one_error_, 3)
    (1.62, 0.234)
    """

    best_: float
    within_one_error_: float

    def __init__(self, Cs: Array, lines: Mapping[Any, Array], *, ylabel: str, errors: Array | None = None) -> None:
        self.Cs = Cs
        self.lines = lines
        self.ylabel = ylabel
        self.errors = errors

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        quantity: Literal["score", "coef"] = "score",
        output: Any = None,
        n_lines: int = 7,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the scores or the coefficients of values of C.

        Parameters
        ----------
        estimator : fitted estimator, or RegularizationPath
            A SoftmaxRegressorCV or OneVsAllClassifierCV, or a pipeline that ends in one; a search over C, for scores;
            or what :func:`skce.regularization_path` returns, for coefficients.
        quantity : {"score", "coef"}, default="score"
            What to draw.
        output : object, default=None
            The class, or label, whose coefficients to draw. None draws the size of those of all classes of a feature,
            the root of the sum of their squares, or of two classes those of the second.
        n_lines : int, default=7
            How many features: those whose coefficients are the largest.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        PathDisplay

        Raises
        ------
        ValueError
            If the quantity or the output is another, or n_lines no integer of at least 1.
        TypeError
            If the estimator has no scores, or no coefficients, of several C.
        """
        if quantity not in ("score", "coef"):
            raise InvalidParameterError(f"quantity must be 'score' or 'coef', got {quantity!r}.")
        check_integer("n_lines", n_lines, 1)
        path = estimator[-1] if hasattr(estimator, "steps") else estimator
        if hasattr(path, "fit"):
            path = to_numpy(path)
        if quantity == "score":
            Cs, means, errors = _scores_of(path)
            return cls(Cs, {None: means}, ylabel="mean score", errors=errors).plot(ax, **kwargs)
        Cs, coefs, names, classes = _coefs_of(path)
        if output is not None and output not in list(classes):
            raise InvalidParameterError(f"output must be one of {list(classes)}, or None, got {output!r}.")
        by_feature, ylabel = np.linalg.norm(coefs, axis=1), "size of the coefficients"
        if coefs.shape[1] == 1:
            sign = -1.0 if output is not None and output == classes[0] else 1.0
            by_feature, ylabel = sign * coefs[:, 0], "coefficient"
        elif output is not None:
            by_feature, ylabel = coefs[:, list(classes).index(output)], f"coefficient of {output}"
        largest = np.argsort(-np.abs(by_feature).max(axis=0), kind="stable")[:n_lines]
        lines = {shortened(names[feature]): by_feature[:, feature] for feature in largest}
        return cls(Cs, lines, ylabel=ylabel).plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw the lines.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        self : PathDisplay
        """
        self.ax_: Axes = axes_or_new(ax, figsize=(6.4, 4.2))
        self.figure_: Figure | SubFigure = self.ax_.figure
        self.lines_: list[Line2D] = []
        order = np.argsort(self.Cs, kind="stable")
        Cs = self.Cs[order]
        for (name, values), colour in zip(self.lines.items(), cycle(COLOURS), strict=False):
            style = {"label": name, "color": colour, "linewidth": 1.5, "marker": "."}
            self.lines_ += self.ax_.plot(Cs, values[order], **style | line_options(kwargs))
        if self.errors is not None:
            (means,) = self.lines.values()
            self._mark(Cs, means[order], self.errors[order])
        self.ax_.set(xscale="log", xlabel="C: a weaker penalty to the right", ylabel=self.ylabel)
        self.ax_.grid(alpha=0.3)
        if self.ax_.get_legend_handles_labels()[0]:
            self.ax_.legend()
        return self

    def _mark(self, Cs, means, errors):
        """Draw the standard errors of scores, and the C of either rule."""
        self.ax_.fill_between(Cs, means - errors, means + errors, color=self.lines_[0].get_color(), alpha=0.2, lw=0)
        best = int(np.nanargmax(means))
        self.best_ = float(Cs[best])
        self.within_one_error_ = float(Cs[np.argmax(means >= means[best] - errors[best])])
        self.ax_.axvline(self.best_, color=COLOURS[2], linestyle="--", label=f"best: C = {self.best_:.3g}")
        label = f"within one standard error: C = {self.within_one_error_:.3g}"
        self.ax_.axvline(self.within_one_error_, color=COLOURS[1], linestyle=":", label=label)


def _scores_of(path):
    """Values of C, mean scores and standard errors, all (n_Cs,)."""
    if hasattr(path, "scores_mean_"):
        return path.Cs_, path.scores_mean_, path.scores_sem_
    if hasattr(path, "cv_results_"):
        results = path.cv_results_
        names = [name for name in results if name == "param_C" or (name.startswith("param_") and name.endswith("__C"))]
        if len(names) == 1 and sum(name.startswith("param_") for name in results) == 1 and "mean_test_score" in results:
            # Those are over n folds, a standard error over n - 1.
            errors = results["std_test_score"] / np.sqrt(max(path.n_splits_ - 1, 1))
            return np.array(results[names[0]], dtype=float), results["mean_test_score"], errors
    raise TypeError(
        f"estimator must have scores of several C, as SoftmaxRegressorCV has and a search over C alone, got {path!r}."
    )


def _coefs_of(path):
    """Values of C (n_Cs,), coefficients (n_Cs, k, d), names of features (d,), and classes."""
    if hasattr(path, "coefs_path_"):
        names = getattr(path, "feature_names_in_", [f"x{feature}" for feature in range(path.n_features_in_)])
        return path.Cs_, path.coefs_path_, [str(name) for name in names], path.classes_
    if hasattr(path, "coefs"):
        return path.Cs, path.coefs, path.feature_names, path.classes
    raise TypeError(
        "estimator must have coefficients of several C, as SoftmaxRegressorCV has and what regularization_path "
        f"returns, got {path!r}."
    )
