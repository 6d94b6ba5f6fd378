"""Pictures of losses, of how fits converged and of the coefficients they found, by scikit-learn's Display protocol.

A class method ``from_*`` computes what is shown and draws it; ``plot(ax=None)`` draws it again, elsewhere. Afterwards
``ax_`` and ``figure_`` are what was drawn on. They need matplotlib, which is imported when something is drawn.
"""

from contextlib import suppress
from itertools import cycle
from numbers import Integral

import numpy as np
import scipy.sparse

from skce._links import probability_losses_slopes
from skce._parameters import InvalidParameterError, check_integer, check_loss_object, check_number
from skce._plotting import (
    COLOURS,
    axes_or_new,
    check_has,
    line_options,
    panels_in_place_of,
    shortened,
)
from skce._reliability import ReliabilityDisplay
from skce._validation import classifier_in
from skce.functional import binary_cross_entropy
from skce.losses import CrossEntropy, FocalLoss

__all__ = ["CoefficientDisplay", "ConvergenceDisplay", "LossDisplay", "ReliabilityDisplay"]

# Probabilities of the curves; the first is above 0, where most losses are infinite.
PROBABILITIES = np.linspace(0.001, 1, 1000)

# A minimum may be above the loss by what rounding does.
ROUNDING_OF_MINIMUM = 1e-9

LOSS_LIMIT, SLOPE_LIMIT = 5.0, 6.0

# The few coefficients beyond this quantile of their sizes would leave all others pale.
QUANTILE_OF_COLOURS = 0.995

# Images longer than this in proportion are drawn narrower than the others.
MOST_LONG_SIDE = 4

PANELS_A_ROW = {"image": 5, "bars": 3}


class LossDisplay:
    """Losses, or their slopes, as curves over a probability.

    Make one by :meth:`from_losses`, :meth:`from_binary_cross_entropy` or :meth:`from_logarithm`.

    Parameters
    ----------
    p : ndarray of shape (n_points,)
        Probabilities, in (0, 1].
    curves : dict of str to ndarray of shape (n_points,)
        What is drawn, by the names in the legend.
    xlabel, ylabel : str
        Names of the axes.
    ylim : tuple of float
        Lowest and highest value shown.
    dashed : sequence of str, default=()
        Names of the curves that are drawn with dashes.

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
    >>> from skce.display import LossDisplay
    >>> from skce.losses import CrossEntropy, FocalLoss
    >>> display = LossDisplay.from_losses([CrossEntropy(), FocalLoss(gamma=2.0)])
    >>> display.figure_.savefig("losses.png")  # doctest: +SKIP
    """

    def __init__(self, p, curves, *, xlabel, ylabel, ylim, dashed=()):
        self.p = p
        self.curves = curves
        self.xlabel = xlabel
        self.ylabel = ylabel
        self.ylim = ylim
        self.dashed = dashed

    @classmethod
    def from_logarithm(cls, *, ax=None, **kwargs):
        """Draw log p and -log p: what a probability p of what happened costs, and why the sign is turned.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        LossDisplay
        """
        p = PROBABILITIES
        curves = {"-log p": CrossEntropy().value(np.log(p), 1 - p), "log p": np.log(p)}
        display = cls(
            p, curves, xlabel="probability p", ylabel="nats", ylim=(-LOSS_LIMIT, LOSS_LIMIT), dashed=["log p"]
        )
        return display.plot(ax, **kwargs)

    @classmethod
    def from_binary_cross_entropy(cls, *, ax=None, **kwargs):
        """Draw the binary cross-entropy of p for the targets t = 1 and t = 0, and dashed its derivative.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        LossDisplay
        """
        p = PROBABILITIES[:-1]  # at p = 1 the target 0 costs infinity
        losses, slopes = {}, {}
        for target in (1, 0):
            loss, slope = binary_cross_entropy(p, np.full(len(p), target), reduction="none", return_gradient=True)
            losses[f"loss, t = {target}"] = loss
            slopes[f"derivative, t = {target}"] = slope
        display = cls(
            p,
            {**losses, **slopes},
            xlabel="probability p of the outcome 1",
            ylabel="binary cross-entropy, and its derivative by p",
            ylim=(-SLOPE_LIMIT, SLOPE_LIMIT),
            dashed=list(slopes),
        )
        return display.plot(ax, **kwargs)

    @classmethod
    def from_losses(cls, losses=None, *, quantity="loss", ax=None, **kwargs):
        """Draw losses side by side, over the probability that a model gives to what happened.

        Parameters
        ----------
        losses : loss object, sequence of them, or dict of str to loss object, default=None
            Those of ``skce.losses``, or your own, with names for the legend. None stands for cross-entropy and focal
            loss with gamma 1, 2 and 5.
        quantity : {"loss", "gradient"}, default="loss"
            The loss phi(p), or its derivative -(1 - p) g(p) with respect to the logit of what happened: how hard a
            sample pulls.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        LossDisplay

        Raises
        ------
        ValueError
            If there is no loss, or something that is none, or if the quantity is another.
        """
        if losses is None:
            losses = [CrossEntropy(), *map(FocalLoss, (1, 2, 5))]
        if not isinstance(losses, dict):
            losses = {repr(loss): loss for loss in (losses if np.iterable(losses) else [losses])}
        if not losses:
            raise InvalidParameterError("losses must hold one loss or more, got none.")
        for name, loss in losses.items():
            check_loss_object(f"losses: {name}", loss)
        p = PROBABILITIES
        if quantity == "loss":
            curves = {name: loss.value(np.log(p), 1 - p) for name, loss in losses.items()}
            ylabel, ylim = "loss", (0, LOSS_LIMIT)
        elif quantity == "gradient":
            # By the chain rule, as dp / dz = p (1 - p).
            curves = {
                name: probability_losses_slopes(np.log(p), p, 1 - p, np.ones((1, len(p))), loss)[1][0] * p * (1 - p)
                for name, loss in losses.items()
            }
            ylabel, ylim = "derivative of the loss by the logit", (1.1 * min(map(np.min, curves.values())), 0.05)
        else:
            raise InvalidParameterError(f"quantity must be 'loss' or 'gradient', got {quantity!r}.")
        xlabel = "probability p given to what happened"
        return cls(p, curves, xlabel=xlabel, ylabel=ylabel, ylim=ylim).plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **kwargs : dict
            Passed to ``Axes.plot``.

        Returns
        -------
        self : LossDisplay
        """
        self.ax_ = axes_or_new(ax, figsize=(6.4, 4.2))
        self.figure_ = self.ax_.figure
        self.lines_ = []
        solid = [name for name in self.curves if name not in self.dashed]
        for names, linestyle in ((solid, "solid"), (self.dashed, "dashed")):
            for name, colour in zip(names, cycle(COLOURS), strict=False):
                style = {"label": name, "color": colour, "linestyle": linestyle, "linewidth": 2}
                self.lines_ += self.ax_.plot(self.p, self.curves[name], **style | line_options(kwargs))
        if self.ylim[0] < 0 < self.ylim[1]:
            self.ax_.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        self.ax_.set(xlabel=self.xlabel, ylabel=self.ylabel, xlim=(0, 1), ylim=self.ylim)
        self.ax_.grid(alpha=0.3)
        self.ax_.legend()
        return self


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

    def __init__(self, curves, *, ylabel, yscale="linear"):
        self.curves = curves
        self.ylabel = ylabel
        self.yscale = yscale

    @classmethod
    def from_estimator(cls, estimator, *, quantity="loss", minimum=None, ax=None, **kwargs):
        """Draw how fits converged.

        Parameters
        ----------
        estimator : fitted estimator, or dict of str to fitted estimator
            An estimator of skce, or a pipeline or a search that ends in one; several with names for the legend.
        quantity : {"loss", "gap"}, default="loss"
            ``loss_curve_``; or how far it is above its minimum, relative to that.
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
        curves = {}
        fits = estimator if isinstance(estimator, dict) else {None: estimator}
        if not fits:
            raise InvalidParameterError("estimator must hold one fit or more, got none.")
        for name, fitted in fits.items():
            classifier = classifier_in(fitted)
            check_has(classifier, "loss_curve_", "pass_curve_")
            values = classifier.loss_curve_ if quantity == "loss" else _gap_curve(classifier, minimum)
            curves[name if name is None else str(name)] = classifier.pass_curve_, values
        if quantity == "loss":
            return cls(curves, ylabel="loss").plot(ax, **kwargs)
        return cls(curves, ylabel="relative gap: loss / minimum - 1", yscale="log").plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs):
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
        self.ax_ = axes_or_new(ax, figsize=(6.4, 4.2))
        self.figure_ = self.ax_.figure
        self.lines_ = []
        for (name, (passes, values)), colour in zip(self.curves.items(), cycle(COLOURS), strict=False):
            style = {"label": name, "color": colour, "linewidth": 1.5, "marker": "."}
            self.lines_ += self.ax_.plot(passes, values, **style | line_options(kwargs))
        self.ax_.set(xlabel="passes over the data", ylabel=self.ylabel, yscale=self.yscale, xlim=(0, None))
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        self.ax_.grid(alpha=0.3)
        if self.ax_.get_legend_handles_labels()[0]:
            self.ax_.legend()
        return self


class CoefficientDisplay:
    """The coefficients of each class, as an image or as ranked bars.

    Make one by :meth:`from_estimator`.

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
        Bars of a panel, those of the largest coefficients.

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

    def __init__(self, coef, titles, *, feature_names, image_shape=None, n_bars=10):
        self.coef = coef
        self.titles = titles
        self.feature_names = feature_names
        self.image_shape = image_shape
        self.n_bars = n_bars

    @classmethod
    def from_estimator(cls, estimator, *, image_shape=None, feature_names=None, class_names=None, n_bars=10, ax=None):
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
        ax : matplotlib Axes, default=None
            Whose place the panels take; None makes a new figure.

        Returns
        -------
        CoefficientDisplay

        Raises
        ------
        ValueError
            If image_shape or the names do not go with the coefficients.
        TypeError
            If the estimator is no linear classifier with one row of coefficients a class, or one row for two classes.
        NotFittedError
            If the estimator is not fitted.
        """
        classifier = classifier_in(estimator)
        check_has(classifier, "coef_", "classes_")
        coef = classifier.coef_
        coef = np.atleast_2d(coef.toarray() if scipy.sparse.issparse(coef) else coef)
        n_classes = len(classifier.classes_)
        if len(coef) not in ({1, 2} if n_classes == 2 else {n_classes}) or hasattr(classifier, "dual_coef_"):
            raise TypeError(f"estimator must have a row of coefficients for each class, which {classifier!r} has not.")
        check_integer("n_bars", n_bars, 1)
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
        return cls(coef, titles, feature_names=names, image_shape=image_shape, n_bars=n_bars).plot(ax)

    def plot(self, ax=None):
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
        n_columns = min(n_panels, PANELS_A_ROW["bars" if self.image_shape is None else "image"])
        n_rows = -(-n_panels // n_columns)
        n_bars = min(self.n_bars, self.coef.shape[1])
        if self.image_shape is None:
            figsize = 1.6 + 3.3 * n_columns, 0.5 + n_rows * (0.6 + 0.26 * n_bars)
        else:
            height, width = self.image_shape
            ratio = min(max(height / width, 1 / MOST_LONG_SIDE), MOST_LONG_SIDE)
            figsize = 1.0 + 1.7 * n_columns, 0.2 + n_rows * (0.35 + 1.7 * ratio)
        self.ax_ = axes_or_new(ax, figsize=figsize)
        self.figure_ = self.ax_.figure
        self.axes_ = np.array(panels_in_place_of(self.ax_, n_rows, n_columns, n_panels))
        limit = np.quantile(np.abs(self.coef), QUANTILE_OF_COLOURS) or np.abs(self.coef).max() or 1.0
        for panel, title, coef in zip(self.axes_, self.titles, self.coef, strict=True):
            panel.set_title(shortened(title), fontsize="medium")
            if self.image_shape is None:
                self._draw_bars(panel, coef, n_bars)
            else:
                image = panel.imshow(coef.reshape(self.image_shape), cmap="RdBu_r", vmin=-limit, vmax=limit)
                panel.set(xticks=[], yticks=[])
        if self.image_shape is not None:
            self.figure_.colorbar(image, ax=list(self.axes_), extend="both", label="coefficient")
        return self

    def _draw_bars(self, panel, coef, n_bars):
        """The largest coefficients, the first on top."""
        largest = np.argsort(-np.abs(coef), kind="stable")[:n_bars][::-1]
        colours = [COLOURS[0] if coef[feature] >= 0 else COLOURS[1] for feature in largest]
        panel.barh(np.arange(n_bars), coef[largest], color=colours)
        panel.set_yticks(
            np.arange(n_bars), [shortened(self.feature_names[feature]) for feature in largest], fontsize="small"
        )
        panel.axvline(0, color="0.3", linewidth=0.8)
        panel.tick_params(axis="x", labelsize="small")
        panel.grid(axis="x", alpha=0.3)
        panel.set_axisbelow(True)
        panel.set_xlabel("coefficient", fontsize="small")


def _feature_names(estimator, classifier, n_features):
    """Names of what the classifier sees as features (d,)."""
    names = getattr(classifier, "feature_names_in_", [])
    estimator = getattr(estimator, "best_estimator_", estimator)
    if len(names) == 0 and len(getattr(estimator, "steps", [])) > 1:
        with suppress(AttributeError, ValueError):  # a step may not know names
            names = estimator[:-1].get_feature_names_out()
    return names if len(names) == n_features else [f"x{feature}" for feature in range(n_features)]


def _gap_curve(classifier, minimum):
    """What the loss curve (n_iter + 1,) of a fit was above the minimum, or above what the fit estimates, relative."""
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
    # What rounding leaves of a gap is shown as the rounding.
    return np.maximum(classifier.loss_curve_ / max(minimum, np.finfo(float).tiny) - 1, np.finfo(float).eps)


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


def _check_length(name, sequence, length):
    """Raise unless a sequence has the length that it should."""
    if len(sequence) != length:
        raise InvalidParameterError(f"{name} must have {length} entries, got {len(sequence)}.")
