"""Reliability: how often what is predicted with a probability happens, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self
from weakref import WeakKeyDictionary

import numpy as np

from skce._checks import InvalidParameterError
from skce._labels.places import listed, places_of
from skce._labels.reading import aligned_indicator
from skce._namespaces import on_host
from skce._types import Array, ArrayLike, BinStrategy
from skce.display.plotting import COLOURS, axes_or_new, panels_in_place_of, rows_columns, shortened
from skce.metrics.bins import Bins, binned, checked_bins, is_off_one, read_outcomes, top_label
from skce.metrics.columns import sorted_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

CONFIDENCE_OF_BAND = 0.95
PANELS_A_ROW = 4

# Bins of equal weight may be as narrow as a number that many predictions share.
LEAST_WIDTH = 0.006

KindOfBins = Literal["auto", "top_label", "classwise"]
CountScale = Literal["log", "linear"]

# What has been drawn in place of axes: the names of the panels, and the axes of frequencies and of counts of each. Who
# draws there again adds another model to them.
drawn_in_place_of: WeakKeyDictionary[Axes, tuple[list[str], list[list[Axes]]]] = WeakKeyDictionary()


class ReliabilityDisplay:
    """Frequency against predicted probability, in bins, with a band of confidence and the counts below.

    On the diagonal predictions mean what they say; below it they are too high. "mean gap" is how far the bins are from
    it on average, by the samples in them: the expected calibration error. Make one by :meth:`from_estimator` or
    :meth:`from_predictions`; give the ``ax`` of one to the next, and models are compared in the same panels.

    Parameters
    ----------
    bins : dict of str to bins
        The bins of each panel, by its title, as ``from_predictions`` and ``from_estimator`` make them: a bin holds the
        samples whose predictions are alike. Arrays, an entry a bin that has samples: ``lower`` and ``upper`` edges,
        ``weight`` of its samples, mean ``prediction``, mean ``outcome`` (how often it occurred), ``gap`` between these,
        and ``size``, how many samples of equal weight would say as much.
    xlabel, ylabel : str
        Names of the axes.
    name : str, default=None
        Name of the model in the legend, which then has its mean gap; None puts the gap into the title.
    count_scale : {"log", "linear"}, default="log"
        Scale of the counts.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes whose place the panels have taken, where another model may be drawn as well.
    axes_ : ndarray of matplotlib Axes, of shape (n_panels,)
        The panels.
    count_axes_ : ndarray of matplotlib Axes, of shape (n_panels,)
        The counts below them.
    figure_ : matplotlib Figure
        Their figure.

    See Also
    --------
    skce.metrics.expected_calibration_error : The mean distance from the diagonal, as the titles show it.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger (2017),
    `"On calibration of modern neural networks"
    <https://arxiv.org/abs/1706.04599>`__, ICML. The band: Wilson (1927),
    `"Probable inference, the law of succession, and statistical inference"
    <https://doi.org/10.1080/01621459.1927.10502953>`__, JASA 22.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce import SoftmaxRegressor
    >>> from skce.display import ReliabilityDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SoftmaxRegressor().fit(X[::2], y[::2])
    >>> display = ReliabilityDisplay.from_estimator(model, X[1::2], y[1::2], n_bins=5)

    Two models in the same panel, by how often the second class comes true:

    >>> options = {"n_bins": 5, "pos_label": 1}
    >>> display = ReliabilityDisplay.from_estimator(model, X[1::2], y[1::2], name="plain", **options)
    >>> focal = SoftmaxRegressor(loss="focal").fit(X[::2], y[::2])
    >>> display = ReliabilityDisplay.from_estimator(focal, X[1::2], y[1::2], name="focal", ax=display.ax_, **options)
    """

    axes_: Array
    count_axes_: Array

    def __init__(
        self,
        bins: dict[str, Bins],
        *,
        xlabel: str,
        ylabel: str,
        name: str | None = None,
        count_scale: CountScale = "log",
    ) -> None:
        self.bins = bins
        self.xlabel = xlabel
        self.ylabel = ylabel
        self.name = name
        self.count_scale = count_scale

    def __repr__(self) -> str:
        gaps = ", ".join(f"{title}: mean gap {bins.error:.3f}" for title, bins in self.bins.items())
        return f"ReliabilityDisplay({gaps})"

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        kind: KindOfBins = "auto",
        n_bins: int = 15,
        strategy: BinStrategy = "uniform",
        sample_weight: ArrayLike | None = None,
        pos_label: Any = None,
        class_names: Sequence[str] | Array | None = None,
        name: str | None = None,
        count_scale: CountScale = "log",
        ax: Axes | None = None,
    ) -> Self:
        """Draw how reliable the probabilities of a fitted classifier are on X and y.

        Parameters
        ----------
        estimator : fitted classifier
            With ``predict_proba``, whose columns go by its ``classes_``, sorted or not.
        X : array-like of shape (n_samples, n_features)
            Features of data that it was not fitted to.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, soft labels, or a multilabel indicator.
        kind, n_bins, strategy, sample_weight, pos_label, class_names, name, count_scale, ax
            As for :meth:`from_predictions`.

        Returns
        -------
        ReliabilityDisplay

        Raises
        ------
        ValueError
            As :meth:`from_predictions` does.
        """
        probabilities = np.asarray(on_host(estimator.predict_proba(X)))
        y, classes = on_host(y), np.asarray(on_host(estimator.classes_))
        names, columns = _checked_names(class_names, classes), slice(None)
        is_multilabel = is_off_one(probabilities).any()
        if is_multilabel:
            y = aligned_indicator(y, classes)
        else:
            columns = sorted_columns(classes, y)
        return cls.from_predictions(
            y,
            probabilities[:, columns],
            kind=kind,
            n_bins=n_bins,
            strategy=strategy,
            sample_weight=sample_weight,
            labels=None if is_multilabel else classes[columns],
            pos_label=pos_label,
            class_names=names[columns],
            name=name,
            count_scale=count_scale,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_proba: ArrayLike,
        *,
        kind: KindOfBins = "auto",
        n_bins: int = 15,
        strategy: BinStrategy = "uniform",
        sample_weight: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        pos_label: Any = None,
        class_names: Sequence[str] | Array | None = None,
        name: str | None = None,
        count_scale: CountScale = "log",
        ax: Axes | None = None,
    ) -> Self:
        """Draw how reliable probabilities are.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, soft labels, or a multilabel indicator (if rows of y_proba do not sum to 1; by class only).
        y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
            Predicted probabilities, the columns in sorted order of the classes or named by them; or of one of
            two classes, ``pos_label``.
        kind : {"auto", "top_label", "classwise"}, default="auto"
            One panel for the probability of the predicted class; or a panel for each class, and for two classes that of
            the second. "auto" is "classwise" for multilabel data and where ``pos_label`` is given, otherwise
            "top_label".
        n_bins : int, default=15
            Number of bins, at most, that predictions between 0 and 1 are sorted into: each is a point, of the mean
            prediction in it and of how often the outcome occurred.
        strategy : {"uniform", "quantile"}, default="uniform"
            "uniform" for bins of equal width, of which those in the middle may be almost empty; "quantile" for bins
            that hold the same weight of samples.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples.
        labels : array-like of shape (n_classes,), default=None
            All classes, sorted, where y_true may lack some.
        pos_label : label, default=None
            The only class to draw, which a y_proba of one column is of. None draws all of several classes, and of two
            the second.
        class_names : sequence of str, default=None
            Names of the classes; None takes the classes themselves.
        name : str, default=None
            Name of the model in the legend, which then has its mean gap; None puts the gap into the title.
        count_scale : {"log", "linear"}, default="log"
            Scale of the counts.
        ax : matplotlib Axes, default=None
            Whose place the panels take; where panels of the same classes have taken it, as in the ``ax_`` of another
            display, they show this model as well. None makes a new figure.

        Returns
        -------
        ReliabilityDisplay

        Raises
        ------
        ValueError
            If y_true, y_proba or an option is not what it should be; the message names it.
        """
        if count_scale not in ("log", "linear"):
            raise InvalidParameterError(f"count_scale must be 'log' or 'linear', got {count_scale!r}.")
        is_one_column = np.ndim(y_proba) == 1 or np.shape(y_proba)[1:] == (1,)
        of_column = pos_label if is_one_column else None
        outcomes, probabilities, weight = read_outcomes(y_true, y_proba, sample_weight, labels, of_column)
        n_bins, strategy = checked_bins(n_bins, strategy)
        class_names = _checked_names(class_names, outcomes.classes)
        kind = _checked_kind(kind, pos_label, outcomes.is_multilabel, is_one_column)
        if kind == "top_label":
            pairs = {"predicted class": top_label(outcomes.matrix, probabilities)}
            names = {"xlabel": "probability of the predicted class", "ylabel": "how often it was right"}
        else:
            places = outcomes.places_shown if pos_label is None else [_place_of(pos_label, outcomes.classes)]
            pairs = {str(class_names[k]): (probabilities[:, k], outcomes.matrix[:, k]) for k in places}
            names = {"xlabel": "predicted probability", "ylabel": "frequency"}
        bins = {
            title: binned(prediction, outcome, weight, n_bins, strategy)[0]
            for title, (prediction, outcome) in pairs.items()
        }
        return cls(bins, **names, name=name, count_scale=count_scale).plot(ax)

    def plot(self, ax: Axes | None = None, *, name: str | None = None) -> Self:
        """Draw the panels.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Whose place the panels take; where panels of the same classes have taken it, they show this model as well.
            None makes a new figure.
        name : str, default=None
            Name of the model in the legend; None takes that of the display.

        Returns
        -------
        self : ReliabilityDisplay

        Raises
        ------
        ValueError
            If other panels have taken the place of ax, or if name is no string.
        """
        name = _checked_name(self.name if name is None else name)
        pairs = self._panels(ax)
        self.axes_, self.count_axes_ = (np.array(column) for column in zip(*pairs, strict=True))
        n_before = len(self.count_axes_[0].containers)
        colour = COLOURS[n_before % len(COLOURS)]
        for panel, counts, (title, bins) in zip(self.axes_, self.count_axes_, self.bins.items(), strict=True):
            gap = f"mean gap {bins.error:.3f}"
            is_in_legend = name is not None or n_before > 0
            panel.set_title(shortened(title) if is_in_legend else f"{shortened(title)}\n{gap}", fontsize="medium")
            self._draw_frequencies(panel, bins, colour, label=gap if name is None else f"{shortened(name)}, {gap}")
            self._draw_counts(counts, bins, colour, is_first=n_before == 0)
            if is_in_legend:
                panel.legend(loc="upper left", fontsize="small")
        self.axes_[0].set_ylabel(self.ylabel)
        self.count_axes_[0].set_ylabel("samples")
        return self

    def _panels(self, ax):
        """Axes of frequencies and of counts, a pair a panel, that have taken or take the place of ``ax``."""
        titles = list(self.bins)
        n_rows, n_columns = rows_columns(len(titles), PANELS_A_ROW)
        width = 4.2 if len(titles) == 1 else 3.2
        self.ax_: Axes = axes_or_new(ax, figsize=(0.6 + width * n_columns, 0.3 + 4.4 * n_rows))
        self.figure_: Figure | SubFigure = self.ax_.figure
        drawn, pairs = drawn_in_place_of.get(self.ax_, ([], []))
        if not all(panel in self.figure_.axes for pair in pairs for panel in pair):  # the figure has been cleared
            drawn = []
        if drawn and drawn != titles:
            raise InvalidParameterError(f"ax shows {drawn} already, and cannot show {titles} as well.")
        if not drawn:
            places = panels_in_place_of(self.ax_, n_rows, n_columns, len(titles))
            pairs = [panels_in_place_of(place, 2, 1, 2, height_ratios=[3, 1]) for place in places]
            drawn_in_place_of[self.ax_] = titles, pairs
        return pairs

    def _draw_frequencies(self, panel, bins, colour, label):
        """Frequencies with their band, and the diagonal."""
        low, high = bins.interval(CONFIDENCE_OF_BAND)
        panel.plot([0, 1], [0, 1], color="0.5", linestyle="dashed", linewidth=1)
        panel.fill_between(bins.prediction, low, high, color=colour, alpha=0.2, linewidth=0)
        panel.plot(bins.prediction, bins.outcome, color=colour, marker="o", markersize=4, label=label)
        panel.set(xlim=(0, 1), ylim=(0, 1))
        panel.tick_params(labelbottom=False)
        panel.grid(alpha=0.3)

    def _draw_counts(self, counts, bins, colour, is_first):
        """Bars of the counts, those of a second model as outlines."""
        from matplotlib.ticker import NullFormatter

        style = {"color": colour, "alpha": 0.6, "edgecolor": "white", "linewidth": 0.5}
        counts.bar(
            bins.lower,
            bins.weight,
            width=np.maximum(bins.upper - bins.lower, LEAST_WIDTH),
            align="edge",
            **(style if is_first else {"fill": False, "edgecolor": colour, "linewidth": 1.2}),
        )
        counts.set(xlim=(0, 1), xlabel=self.xlabel)
        if self.count_scale == "log":
            heights = [bar.get_height() for bars in counts.containers for bar in bars]
            counts.set_yscale("log")
            counts.set_ylim(min(heights) / 2, max(heights) * 2)  # a bin of one sample has a bar as well
            counts.yaxis.set_minor_formatter(NullFormatter())
        else:
            counts.ticklabel_format(axis="y", scilimits=(-3, 4))
        counts.grid(alpha=0.3)
        counts.set_axisbelow(True)


def _checked_kind(kind, pos_label, is_multilabel, is_one_column):
    """What a panel is of, "top_label" or "classwise", or an error."""
    if kind not in ("auto", "top_label", "classwise"):
        raise InvalidParameterError(f"kind must be 'auto', 'top_label' or 'classwise', got {kind!r}.")
    if kind == "auto":
        return "classwise" if is_multilabel or pos_label is not None else "top_label"
    if kind == "top_label" and is_multilabel:
        raise InvalidParameterError("kind must be 'classwise' for a multilabel y_true, got 'top_label'.")
    if kind == "top_label" and pos_label is not None and not is_one_column:
        raise InvalidParameterError(
            f"kind must be 'classwise' where pos_label says which class to draw, got 'top_label' and {pos_label!r}."
        )
    return kind


def _place_of(pos_label, classes):
    """The place of a label among the classes (K,), or an error."""
    (place,) = places_of([pos_label], classes).tolist()
    if place < 0:
        raise InvalidParameterError(f"pos_label must be one of the labels, {listed(classes)}, got {pos_label!r}.")
    return place


def _checked_name(name):
    """The name of a model, or an error."""
    if not (name is None or isinstance(name, str)):
        raise InvalidParameterError(f"name must be a string or None, got {name!r}.")
    return name


def _checked_names(class_names, classes):
    """Names (K,) of the classes (K,), which are their own where none are given, or an error."""
    names = list(classes if class_names is None else class_names)
    if len(names) != len(classes):
        raise InvalidParameterError(f"class_names must have {len(classes)} entries, got {len(names)}.")
    if len({str(name) for name in names}) < len(names):
        raise InvalidParameterError(f"class_names must all be different, got {names}.")
    return np.array(names, dtype=object)
