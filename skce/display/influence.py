"""Influence as a picture: residuals against leverages, a circle a row, as large as what the row does to the fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skce._checks import check_integer
from skce._types import ArrayLike
from skce.display.plotting import COLOURS, axes_or_new
from skce.inference.influence import Influence, influence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure, SubFigure

# Area, in square points, of the circle of the largest Cook's distance, and of the smallest circle.
LARGEST_AREA, SMALLEST_AREA = 400.0, 4.0

# A residual beyond this is one of a hundred, about.
LARGE_RESIDUAL = 2.6


class InfluenceDisplay:
    """Studentised residuals of the rows against their leverages, with circles by Cook's distance.

    Make one by :meth:`from_estimator`, or of an :class:`skce.inference.Influence`. What is far up is not as predicted,
    what is far to the right decides about its own prediction, and large circles change the coefficients most.

    Parameters
    ----------
    influence : skce.inference.Influence
        What each row does to a fit.
    n_labels : int, default=5
        Rows of the largest Cook's distances, which are labelled by their number.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Their figure.
    circles_ : matplotlib PathCollection
        The circles, a row each; of several outputs at the residual that is largest in size.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce import SoftmaxRegressor
    >>> from skce.display import InfluenceDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> display = InfluenceDisplay.from_estimator(SoftmaxRegressor().fit(X, y), X, y)
    """

    def __init__(self, influence: Influence, *, n_labels: int = 5) -> None:
        self.influence = influence
        self.n_labels = n_labels

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        refit_above: float | None = None,
        n_labels: int = 5,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the influence of the rows that an estimator was fitted to.

        Parameters
        ----------
        estimator : fitted estimator
            A SoftmaxRegressor or OneVsAllClassifier, or a pipeline or search that ends in one.
        X, y, sample_weight
            What it was fitted to.
        refit_above : float, default=None
            As for :func:`skce.inference.influence`.
        n_labels : int, default=5
            Rows that are labelled.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        InfluenceDisplay

        Raises
        ------
        ValueError
            As of :func:`skce.inference.influence`; or if n_labels is not an integer of at least 0.
        """
        check_integer("n_labels", n_labels, 0)
        return cls(influence(estimator, X, y, sample_weight, refit_above=refit_above), n_labels=n_labels).plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the circles.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        self : InfluenceDisplay
        """
        of_rows = self.influence
        residuals = of_rows.studentised_residuals
        largest = residuals[np.arange(len(residuals)), np.abs(residuals).argmax(axis=1)]
        share = of_rows.cooks_distance / (of_rows.cooks_distance.max() or 1.0)
        self.ax_: Axes = axes_or_new(ax, figsize=(6.4, 4.4))
        self.figure_: Figure | SubFigure = self.ax_.figure
        self.circles_: PathCollection = self.ax_.scatter(
            of_rows.leverage,
            largest,
            s=np.maximum(LARGEST_AREA * share, SMALLEST_AREA),
            color=COLOURS[0],
            edgecolor="white",
            linewidth=0.4,
            alpha=0.6,
        )
        for line in (-LARGE_RESIDUAL, 0, LARGE_RESIDUAL):
            self.ax_.axhline(line, color="0.6", linewidth=0.8, linestyle="-" if line == 0 else ":", zorder=0)
        for row in of_rows.largest(self.n_labels) if self.n_labels else []:
            self.ax_.annotate(
                str(row), (of_rows.leverage[row], largest[row]), (6, 4), textcoords="offset points", fontsize="small"
            )
        self.ax_.set(xlabel="leverage", ylabel="studentised residual")
        self.ax_.set_title(
            f"area: Cook's distance, {of_rows.cooks_distance.max():.2g} the largest\n"
            f"dotted: ±{LARGE_RESIDUAL}, which one row in a hundred exceeds",
            fontsize="small",
        )
        self.ax_.grid(alpha=0.3)
        return self
