"""Reliability: how often what is predicted with a probability happens, as a picture."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from skce._checks import InvalidParameterError
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


class ReliabilityDisplay:
    """Frequency against predicted probability, in bins, with a band of confidence and the counts below.

    On the diagonal predictions mean what they say; below it they are too high. Make one by :meth:`from_estimator` or
    :meth:`from_predictions`.

    Parameters
    ----------
    bins : dict of str to bins
        The bins of each panel, by its title, as ``from_predictions`` and ``from_estimator`` make them: a bin holds the
        samples whose predictions are alike. Arrays, an entry a bin that has samples: ``lower`` and ``upper`` edges,
        ``weight`` of its samples, mean ``prediction``, mean ``outcome`` (how often it occurred), ``gap`` between these,
        and ``size``, how many samples of equal weight would say as much.
    xlabel, ylabel : str
        Names of the axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes whose place the panels have taken.
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
    Guo, Pleiss, Sun and Weinberger (2017), "On calibration of modern neural networks", ICML. The band: Wilson (1927),
    "Probable inference, the law of succession, and statistical inference", JASA 22.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce import SoftmaxRegressor
    >>> from skce.display import ReliabilityDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SoftmaxRegressor().fit(X[::2], y[::2])
    >>> display = ReliabilityDisplay.from_estimator(model, X[1::2], y[1::2], n_bins=5)
    """

    axes_: Array
    count_axes_: Array

    def __init__(self, bins: dict[str, Bins], *, xlabel: str, ylabel: str) -> None:
        self.bins = bins
        self.xlabel = xlabel
        self.ylabel = ylabel

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        kind: Literal["top_label", "classwise"] = "top_label",
        n_bins: int = 15,
        strategy: BinStrategy = "uniform",
        sample_weight: ArrayLike | None = None,
        class_names: Sequence[str] | Array | None = None,
        ax: "Axes | None" = None,
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
        kind, n_bins, strategy, sample_weight, class_names, ax
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
            class_names=names[columns],
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_proba: ArrayLike,
        *,
        kind: Literal["top_label", "classwise"] = "top_label",
        n_bins: int = 15,
        strategy: BinStrategy = "uniform",
        sample_weight: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        pos_label: Any = None,
        class_names: Sequence[str] | Array | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw how reliable probabilities are.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, soft labels, or a multilabel indicator (if rows of y_proba do not sum to 1; by class only).
        y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
            Predicted probabilities, the columns in sorted order of the classes or named by them; or of one of
            two classes, ``pos_label``.
        kind : {"top_label", "classwise"}, default="top_label"
            One panel for the probability of the predicted class; or a panel for each class, and for two classes that of
            the second, or of ``pos_label``.
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
            The class that y_proba is of, if it is one column; None stands for the second of the sorted classes.
        class_names : sequence of str, default=None
            Names of the classes; None takes the classes themselves.
        ax : matplotlib Axes, default=None
            Whose place the panels take; None makes a new figure.

        Returns
        -------
        ReliabilityDisplay

        Raises
        ------
        ValueError
            If y_true, y_proba or an option is not what it should be; the message names it.
        """
        outcomes, probabilities, weight = read_outcomes(y_true, y_proba, sample_weight, labels, pos_label)
        n_bins, strategy = checked_bins(n_bins, strategy)
        class_names = _checked_names(class_names, outcomes.classes)
        if kind == "top_label":
            if outcomes.is_multilabel:
                raise InvalidParameterError("kind must be 'classwise' for a multilabel y_true, got 'top_label'.")
            pairs = {"predicted class": top_label(outcomes.matrix, probabilities)}
            names = {"xlabel": "probability of the predicted class", "ylabel": "how often it was right"}
        elif kind == "classwise":
            pairs = {str(class_names[k]): (probabilities[:, k], outcomes.matrix[:, k]) for k in outcomes.places_shown}
            names = {"xlabel": "predicted probability", "ylabel": "frequency"}
        else:
            raise InvalidParameterError(f"kind must be 'top_label' or 'classwise', got {kind!r}.")
        bins = {
            name: binned(prediction, outcome, weight, n_bins, strategy)[0]
            for name, (prediction, outcome) in pairs.items()
        }
        return cls(bins, **names).plot(ax)

    def plot(self, ax: "Axes | None" = None) -> Self:
        """Draw the panels.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Whose place the panels take; None makes a new figure.

        Returns
        -------
        self : ReliabilityDisplay
        """
        n_panels = len(self.bins)
        n_rows, n_columns = rows_columns(n_panels, PANELS_A_ROW)
        self.ax_: Axes = axes_or_new(
            ax, figsize=(0.6 + (4.2 if n_panels == 1 else 3.2) * n_columns, 0.3 + 4.4 * n_rows)
        )
        self.figure_: Figure | SubFigure = self.ax_.figure
        pairs = [
            panels_in_place_of(panel, 2, 1, 2, height_ratios=[3, 1])
            for panel in panels_in_place_of(self.ax_, n_rows, n_columns, n_panels)
        ]
        self.axes_, self.count_axes_ = (np.array(column) for column in zip(*pairs, strict=True))
        for panel, counts, (name, bins) in zip(self.axes_, self.count_axes_, self.bins.items(), strict=True):
            low, high = bins.interval(CONFIDENCE_OF_BAND)
            panel.plot([0, 1], [0, 1], color="0.5", linestyle="dashed", linewidth=1)
            panel.fill_between(bins.prediction, low, high, color=COLOURS[0], alpha=0.2, linewidth=0)
            panel.plot(bins.prediction, bins.outcome, color=COLOURS[0], marker="o", markersize=4)
            panel.set_title(f"{shortened(name)}\nmean gap {bins.error:.3f}", fontsize="medium")
            panel.set(xlim=(0, 1), ylim=(0, 1), xticklabels=[])
            panel.grid(alpha=0.3)
            counts.bar(
                bins.lower,
                bins.weight,
                width=np.maximum(bins.upper - bins.lower, LEAST_WIDTH),
                align="edge",
                color=COLOURS[0],
                alpha=0.6,
                edgecolor="white",
                linewidth=0.5,
            )
            counts.set(xlim=(0, 1), xlabel=self.xlabel)
            counts.ticklabel_format(axis="y", scilimits=(-3, 4))
            counts.grid(alpha=0.3)
            counts.set_axisbelow(True)
        self.axes_[0].set_ylabel(self.ylabel)
        self.count_axes_[0].set_ylabel("samples")
        return self


def _checked_names(class_names, classes):
    """Names (K,) of the classes (K,), which are their own where none are given, or an error."""
    names = list(classes if class_names is None else class_names)
    if len(names) != len(classes):
        raise InvalidParameterError(f"class_names must have {len(classes)} entries, got {len(names)}.")
    if len({str(name) for name in names}) < len(names):
        raise InvalidParameterError(f"class_names must all be different, got {names}.")
    return np.array(names, dtype=object)
