"""Coefficients as pictures: an image for each class, its largest coefficients as ranked bars, or with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import scipy.sparse

from skce._checks import InvalidParameterError, check_integer
from skce._types import Array
from skce.display.plotting import COLOURS, axes_or_new, check_has, panels_in_place_of, rows_columns, shortened
from skce.estimators.portable import to_numpy
from skce.estimators.validation import classifier_in
from skce.inference.fitted import INTERCEPT
from skce.inference.summary import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

# The few coefficients beyond this quantile of their sizes would leave all others pale.
QUANTILE_OF_COLOURS = 0.995

# Images longer than this in proportion are drawn narrower than the others.
MOST_LONG_SIDE = 4
PANELS_A_ROW = {"image": 5, "bars": 3}

Scale = Literal["shared", "own"]

# Beyond the longest bars and whiskers, as a share of the range.
MARGIN = 0.05


class CoefficientDisplay:
    """The coefficients of each class, as an image, as ranked bars, or as points with whiskers, a forest plot.

    Make one by :meth:`from_estimator`, or with whiskers by :meth:`from_summary`.

    Parameters
    ----------
    coef : ndarray of shape (n_panels, n_features)
        Coefficients, a row a panel.
    titles : sequence of str
        Titles of the panels.
    feature_names : sequence of str
        Names of the features, for bars.
    image_shape : tuple of int or None, default=None
        Height and width of the images; None draws bars.
    n_bars : int, default=10
        Bars of a panel, those of the largest coefficients; or points, those farthest from 0 in standard errors.
    intervals : tuple of two ndarrays of shape (n_panels, n_features) or None, default=None
        Lower and upper ends of whiskers; None draws bars.
    scale : {"shared", "own"}, default="shared"
        Whether bars or whiskers of all panels are on one scale, so that panels can be compared, or each on its own.
        Images always share theirs.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes whose place the panels have taken.
    axes_ : ndarray of matplotlib Axes, of shape (n_panels,)
        The panels.
    figure_ : matplotlib Figure
        Their figure.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skce import SoftmaxRegressor
    >>> from skce.display import CoefficientDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = SoftmaxRegressor(C=0.01).fit(X, y)
    >>> display = CoefficientDisplay.from_estimator(model, image_shape=(8, 8))
    """

    def __init__(
        self,
        coef: Array,
        titles: Sequence[str],
        *,
        feature_names: Sequence[str],
        image_shape: tuple[int, int] | None = None,
        n_bars: int = 10,
        intervals: tuple[Array, Array] | None = None,
        scale: Scale = "shared",
    ) -> None:
        self.coef = coef
        self.titles = titles
        self.feature_names = feature_names
        self.image_shape = image_shape
        self.n_bars = n_bars
        self.intervals = intervals
        self.scale = scale

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        image_shape: tuple[int, int] | None = None,
        feature_names: Sequence[str] | Array | None = None,
        class_names: Sequence[str] | Array | None = None,
        n_bars: int = 10,
        scale: Scale = "shared",
        ax: Axes | None = None,
    ) -> Self:
        """Draw the coefficients of a fitted linear classifier.

        Bars rank features by the size of their coefficients, which is fair among features of one scale.

        Parameters
        ----------
        estimator : fitted estimator
            A linear classifier with ``coef_`` and ``classes_``, or a pipeline or a search that ends in one.
        image_shape : tuple of two int, default=None
            Height and width of the images that the features are the pixels of, row by row. None draws bars.
        feature_names : sequence of str, default=None
            Names of the features. None takes those of the estimator, or of the pipeline's steps before it, or x0, x1.
        class_names : sequence of str, default=None
            Names of the classes. None takes ``classes_``.
        n_bars : int, default=10
            Bars of a panel, those of the largest coefficients.
        scale : {"shared", "own"}, default="shared"
            Whether bars of all panels are on one scale, or each on its own.
        ax : matplotlib Axes, default=None
            Whose place the panels take; None makes a new figure.

        Returns
        -------
        CoefficientDisplay

        Raises
        ------
        ValueError
            If image_shape or the names do not go with the coefficients, or an option is another.
        TypeError
            If the estimator is no linear classifier with one row of coefficients a class, or one row for two classes.
        NotFittedError
            If the estimator is not fitted.
        """
        classifier = to_numpy(classifier_in(estimator))
        check_has(classifier, "coef_", "classes_")
        coef = classifier.coef_
        coef = np.atleast_2d(coef.toarray() if scipy.sparse.issparse(coef) else coef)
        n_classes = len(classifier.classes_)
        if len(coef) not in ({1, 2} if n_classes == 2 else {n_classes}) or hasattr(classifier, "dual_coef_"):
            raise TypeError(f"estimator must have a row of coefficients for each class, which {classifier!r} has not.")
        check_integer("n_bars", n_bars, 1)
        _check_scale(scale)
        if image_shape is not None and not _is_shape_of(image_shape, coef.shape[1]):
            raise InvalidParameterError(
                f"image_shape must be a height and a width whose product is the number of features, {coef.shape[1]}, "
                f"got {image_shape!r}."
            )
        if feature_names is None:
            feature_names = _feature_names(estimator, classifier, coef.shape[1])
        _check_length("feature_names", feature_names, coef.shape[1])
        if class_names is None:
            class_names = classifier.classes_
        _check_length("class_names", class_names, n_classes)
        class_names = [str(name) for name in class_names]
        # Two classes have one row, which speaks for the second.
        titles = class_names if len(coef) == len(class_names) else [f"{class_names[1]}, against {class_names[0]}"]
        names = [str(name) for name in feature_names]
        display = cls(coef, titles, feature_names=names, image_shape=image_shape, n_bars=n_bars, scale=scale)
        return display.plot(ax)

    @classmethod
    def from_summary(
        cls,
        summary: Summary,
        *,
        contrasts: Sequence[str] | None = None,
        feature_names: Sequence[str] | Array | None = None,
        n_bars: int = 10,
        scale: Scale = "shared",
        ax: Axes | None = None,
    ) -> Self:
        """Draw the coefficients of a table with the whiskers of their intervals, without the intercept.

        Parameters
        ----------
        summary : skce.inference.Summary
            What :func:`skce.inference.summary` returns.
        contrasts : sequence of str, default=None
            Those to draw, of ``summary.contrasts``; None draws all.
        feature_names : sequence of str, default=None
            Names of the features, without the intercept. None takes those of the table.
        n_bars : int, default=10
            Most features, those farthest from 0 in standard errors for any class, in the order of the table. Instead of
            a coefficient without an estimate there is a note of its sign.
        scale : {"shared", "own"}, default="shared"
            Whether whiskers of all panels are on one scale, or each on its own.
        ax : matplotlib Axes, default=None
            Whose place the panels take; None makes a new figure.

        Returns
        -------
        CoefficientDisplay

        Raises
        ------
        ValueError
            If summary is no Summary, a contrast none of its, n_bars no integer of at least 1, scale another, or if
            feature_names are not as many as features.
        """
        if not isinstance(summary, Summary):
            raise InvalidParameterError(f"summary must be what skce.inference.summary returns, got {summary!r}.")
        check_integer("n_bars", n_bars, 1)
        _check_scale(scale)
        titles = summary.contrasts if contrasts is None else list(contrasts)
        if not titles or not set(titles) <= set(summary.contrasts):
            raise InvalidParameterError(
                f"contrasts must be one or more of {summary.contrasts}, or None, got {contrasts!r}."
            )
        first = int(summary.features[0] == INTERCEPT)
        rows = [summary.contrasts.index(title) for title in titles]
        coef, lower, upper = (values[rows, first:] for values in (summary.coef, summary.lower, summary.upper))
        names = summary.features[first:] if feature_names is None else [str(name) for name in feature_names]
        _check_length("feature_names", names, coef.shape[1])
        display = cls(coef, titles, feature_names=names, n_bars=n_bars, intervals=(lower, upper), scale=scale)
        return display.plot(ax)

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the panels.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Whose place the panels take; None makes a new figure.

        Returns
        -------
        self : CoefficientDisplay
        """
        n_panels = len(self.coef)
        n_rows, n_columns = rows_columns(n_panels, PANELS_A_ROW["bars" if self.image_shape is None else "image"])
        n_bars = min(self.n_bars, self.coef.shape[1])
        if self.image_shape is None:
            figsize = 1.6 + 3.3 * n_columns, 0.5 + n_rows * (0.6 + 0.26 * n_bars)
        else:
            height, width = self.image_shape
            ratio = min(max(height / width, 1 / MOST_LONG_SIDE), MOST_LONG_SIDE)
            figsize = 1.0 + 1.7 * n_columns, 0.2 + n_rows * (0.35 + 1.7 * ratio)
        self.ax_: Axes = axes_or_new(ax, figsize=figsize)
        self.figure_: Figure | SubFigure = self.ax_.figure
        self.axes_: Array = np.array(panels_in_place_of(self.ax_, n_rows, n_columns, n_panels))
        limit = 1.0
        if self.image_shape is not None:
            limit = np.quantile(np.abs(self.coef), QUANTILE_OF_COLOURS) or np.abs(self.coef).max() or 1.0
        for number, (panel, title, coef) in enumerate(zip(self.axes_, self.titles, self.coef, strict=True)):
            panel.set_title(shortened(title), fontsize="medium")
            if self.intervals is not None:
                lower, upper = self.intervals
                self._draw_whiskers(
                    panel, coef, lower[number], upper[number], _farthest(self.coef, upper - lower)[:n_bars]
                )
            elif self.image_shape is None:
                self._draw_bars(panel, coef, n_bars)
            else:
                image = panel.imshow(coef.reshape(self.image_shape), cmap="RdBu_r", vmin=-limit, vmax=limit)
                panel.set(xticks=[], yticks=[])
        if self.image_shape is None and self.scale == "shared":
            ends = [panel.dataLim.intervalx for panel in self.axes_ if panel.has_data()]
            low, high = np.min(ends), np.max(ends)
            margin = MARGIN * (high - low) or 1.0
            for panel in self.axes_:
                panel.set_xlim(low - margin, high + margin)
        if self.image_shape is not None:
            self.figure_.colorbar(image, ax=list(self.axes_), extend="both", label="coefficient")
        return self

    def _draw_bars(self, panel, coef, n_bars):
        """The largest coefficients, the first on top."""
        largest = np.argsort(-np.abs(coef), kind="stable")[:n_bars][::-1]
        colours = [COLOURS[0] if coef[feature] >= 0 else COLOURS[1] for feature in largest]
        panel.barh(np.arange(n_bars), coef[largest], color=colours)
        self._finish(panel, largest)

    def _draw_whiskers(self, panel, coef, lower, upper, chosen):
        """Points of the chosen features with whiskers, in the order of the table, the first on top."""
        chosen = np.sort(chosen)[::-1]
        for place, feature in enumerate(chosen):
            if not np.isfinite(coef[feature]):
                what = "not determined" if np.isnan(coef[feature]) else "infinite"
                panel.annotate("minus infinite" if coef[feature] == -np.inf else what, (0, place), fontsize="small")
                continue
            colour = COLOURS[0] if coef[feature] >= 0 else COLOURS[1]
            reach = [[coef[feature] - lower[feature]], [upper[feature] - coef[feature]]]
            panel.errorbar(coef[feature], place, xerr=reach, fmt="o", color=colour, markersize=4, capsize=2)
        panel.set_ylim(-0.5, len(chosen) - 0.5)
        self._finish(panel, chosen)

    def _finish(self, panel, features):
        """Names of the features, from below, and a line at 0."""
        names = [shortened(self.feature_names[feature]) for feature in features]
        panel.set_yticks(np.arange(len(features)), names, fontsize="small")
        panel.axvline(0, color="0.3", linewidth=0.8)
        panel.tick_params(axis="x", labelsize="small")
        panel.grid(axis="x", alpha=0.3)
        panel.set_axisbelow(True)
        panel.set_xlabel("coefficient", fontsize="small")


def _farthest(coef, widths):
    """Features (d,), first those that are the farthest from 0 in widths of their intervals, in any panel (c, d)."""
    with np.errstate(invalid="ignore"):
        distance = np.nan_to_num(np.abs(coef) / widths, nan=np.inf)
    return np.argsort(-distance.max(axis=0), kind="stable")


def _feature_names(estimator, classifier, n_features):
    """Names of what the classifier sees as features (d,)."""
    names = getattr(classifier, "feature_names_in_", [])
    estimator = getattr(estimator, "best_estimator_", estimator)
    if len(names) == 0 and len(getattr(estimator, "steps", [])) > 1:
        with suppress(AttributeError, ValueError):  # a step may not know names
            names = estimator[:-1].get_feature_names_out()
    return names if len(names) == n_features else [f"x{feature}" for feature in range(n_features)]


def _is_shape_of(image_shape, n_pixels):
    """Whether ``image_shape`` is a height and a width of so many pixels."""
    try:
        height, width = image_shape
    except (TypeError, ValueError):
        return False
    return (
        isinstance(height, Integral)
        and isinstance(width, Integral)
        and min(height, width) > 0
        and height * width == n_pixels
    )


def _check_scale(scale):
    """Raise unless a scale is one of those that there are."""
    if scale not in ("shared", "own"):
        raise InvalidParameterError(f"scale must be 'shared' or 'own', got {scale!r}.")


def _check_length(name, sequence, length):
    """Raise unless a sequence has the length that it should."""
    if len(sequence) != length:
        raise InvalidParameterError(f"{name} must have {length} entries, got {len(sequence)}.")
