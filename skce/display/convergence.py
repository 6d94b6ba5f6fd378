"""Convergence as a picture: the loss of fits, or how far it was above its minimum, against passes over the data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from skce._checks import InvalidParameterError, check_number
from skce._types import Array
from skce.display.plotting import COLOURS, axes_or_new, check_has, line_options
from skce.estimators.portable import to_numpy
from skce.estimators.validation import classifier_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D

# A minimum may be above the loss by what rounding does.
ROUNDING_OF_MINIMUM = 1e-9

# What the legend calls the mark of the certificate.
CERTIFICATE = "certified to be below"


class ConvergenceDisplay:
    """The loss of one fit or several, or how far it was above its minimum, against passes over the data.

    Make one by :meth:`from_estimator`.

    Parameters
    ----------
    curves : dict of str to tuple of two ndarrays of shape (n_iter + 1,)
        Passes and values of each fit, by the names in the legend; None names none.
    ylabel : str
        Name of the values.
    yscale : {"linear", "log"}, default="linear"
        Scale of the values.
    certified : collection of str, default=()
        Names of the fits that end with a proof, ``is_certified_``: their last point is a full circle, that of others an
        empty one.
    bounds : dict of str to float, default=None
        What is proven of the last value of a fit, by its name: a mark where it is at most.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Their figure.
    lines_ : list of matplotlib Line2D
        The curves.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from skce import SoftmaxRegressor
    >>> from skce.display import ConvergenceDisplay
    >>> X, y = load_wine(return_X_y=True)
    >>> fits = {f"C = {C}": SoftmaxRegressor(C=C).fit(X, y) for C in (0.01, 1, 100)}
    >>> display = ConvergenceDisplay.from_estimator(fits, quantity="gap")
    """

    def __init__(
        self,
        curves: dict[str | None, tuple[Array, Array]],
        *,
        ylabel: str,
        yscale: Literal["linear", "log"] = "linear",
        certified: Collection[str | None] = (),
        bounds: Mapping[str | None, float] | None = None,
    ) -> None:
        self.curves = curves
        self.ylabel = ylabel
        self.yscale = yscale
        self.certified = certified
        self.bounds: Mapping[str | None, float] = {} if bounds is None else bounds

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        quantity: Literal["loss", "gap"] = "loss",
        minimum: float | None = None,
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw how fits converged.

        Parameters
        ----------
        estimator : fitted estimator, or dict of str to fitted estimator
            An estimator of skce, or a pipeline or a search that ends in one; several with names for the legend.
        quantity : {"loss", "gap"}, default="loss"
            ``loss_curve_``; or how far it is above its minimum, relative to that, with what ``gap_bound_`` proves of
            the end of a certified fit.
        minimum : float, default=None
            The minimum of the loss, for the gap. None stands for the one that each fit estimates of its own loss,
            ``loss_ * (1 - suboptimality_)``. To compare fits of the same loss, give the least that is known, such as
            the ``loss_`` of a fit with a tight ``tol``.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        ConvergenceDisplay

        Raises
        ------
        ValueError
            If the quantity is another, or minimum is no positive number, or above the loss of a fit; or if it is None
            and a fit was stopped before it could estimate one.
        TypeError
            If something is no fitted estimator of skce.
        NotFittedError
            If an estimator is not fitted.
        """
        if quantity not in ("loss", "gap"):
            raise InvalidParameterError(f"quantity must be 'loss' or 'gap', got {quantity!r}.")
        if minimum is not None:
            check_number("minimum", minimum, lambda minimum: 0 < minimum < np.inf, "a finite number above 0, or None")
        curves, certified, bounds = {}, [], {}
        fits = estimator if isinstance(estimator, dict) else {None: estimator}
        if not fits:
            raise InvalidParameterError("estimator must hold one fit or more, got none.")
        for name, fitted in fits.items():
            classifier = to_numpy(classifier_in(fitted))
            check_has(classifier, "loss_curve_", "pass_curve_")
            values = classifier.loss_curve_ if quantity == "loss" else _gap_curve(classifier, minimum)
            label = name if name is None else str(name)
            curves[label] = classifier.pass_curve_, values
            if getattr(classifier, "is_certified_", False):  # which a model of 0.1.0 does not know
                certified.append(label)
                if quantity == "gap":
                    bounds[label] = classifier.gap_bound_ / _minimum_of(classifier, minimum)
        if quantity == "loss":
            return cls(curves, ylabel="loss", certified=certified).plot(ax, **kwargs)
        ylabel = "relative gap: loss / minimum - 1"
        return cls(curves, ylabel=ylabel, yscale="log", certified=certified, bounds=bounds).plot(ax, **kwargs)

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        self : ConvergenceDisplay
        """
        self.ax_: Axes = axes_or_new(ax, figsize=(6.4, 4.2))
        self.figure_: Figure | SubFigure = self.ax_.figure
        self.lines_: list[Line2D] = []
        for (name, (passes, values)), colour in zip(self.curves.items(), cycle(COLOURS), strict=False):
            style = {"label": name, "color": colour, "linewidth": 1.5, "marker": "."}
            self.lines_ += self.ax_.plot(passes, values, **style | line_options(kwargs))
            fill = "full" if name in self.certified else "none"
            end = {"color": self.lines_[-1].get_color(), "marker": "o", "markersize": 7, "fillstyle": fill}
            self.ax_.plot(passes[-1:], values[-1:], **end)
        for number, (name, bound) in enumerate(self.bounds.items()):
            label = CERTIFICATE if number == 0 else None
            end = {"color": "black", "marker": "v", "markersize": 6, "linestyle": "none", "label": label}
            self.ax_.plot(self.curves[name][0][-1:], [bound], **end)
        self.ax_.set(xlabel="passes over the data", ylabel=self.ylabel, yscale=self.yscale, xlim=(0, None))
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        self.ax_.grid(alpha=0.3)
        if self.ax_.get_legend_handles_labels()[0]:
            self.ax_.legend()
        return self


def _gap_curve(classifier, minimum):
    """What the loss curve (n_iter + 1,) of a fit was above the minimum, or above what the fit estimates, relative."""
    # What rounding leaves of a gap is shown as the rounding.
    return np.maximum(classifier.loss_curve_ / _minimum_of(classifier, minimum) - 1, np.finfo(float).eps)


def _minimum_of(classifier, minimum):
    """The minimum above 0 of the loss of a fit, as given or as the fit estimates it, or an error."""
    if minimum is None:
        if not classifier.suboptimality_ < 1:
            raise InvalidParameterError(
                f"minimum must be given for {classifier!r}, whose fit was stopped before it could estimate one."
            )
        minimum = classifier.loss_ * (1 - classifier.suboptimality_)
    elif minimum > classifier.loss_ * (1 + ROUNDING_OF_MINIMUM):
        raise InvalidParameterError(
            f"minimum must be no more than the loss of a fit, {classifier.loss_!r} for {classifier!r}, got {minimum!r}."
        )
    return max(minimum, np.finfo(float).tiny)
