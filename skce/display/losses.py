"""Losses as pictures: curves over the probability that a model gives to what happened."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from skce._checks import InvalidParameterError
from skce._kernels.softmax import probability_losses_slopes
from skce._types import Array, Loss, LossName
from skce.display.plotting import COLOURS, axes_or_new, line_options
from skce.functional.functions import binary_cross_entropy
from skce.losses import CrossEntropy, FocalLoss, checked_loss

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.lines import Line2D

# Probabilities of the curves; the first is above 0, where most losses are infinite.
PROBABILITIES = np.linspace(0.001, 1, 1000)
LOSS_LIMIT, SLOPE_LIMIT = 5.0, 6.0


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

    def __init__(
        self,
        p: Array,
        curves: dict[str, Array],
        *,
        xlabel: str,
        ylabel: str,
        ylim: tuple[float, float],
        dashed: Sequence[str] = (),
    ) -> None:
        self.p = p
        self.curves = curves
        self.xlabel = xlabel
        self.ylabel = ylabel
        self.ylim = ylim
        self.dashed = dashed

    @classmethod
    def from_logarithm(cls, *, ax: Axes | None = None, **kwargs: Any) -> Self:
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
    def from_binary_cross_entropy(cls, *, ax: Axes | None = None, **kwargs: Any) -> Self:
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
    def from_losses(
        cls,
        losses: Loss | LossName | Sequence[Loss | LossName] | dict[str, Loss | LossName] | None = None,
        *,
        quantity: Literal["loss", "gradient"] = "loss",
        ax: Axes | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw losses side by side, over the probability that a model gives to what happened.

        Parameters
        ----------
        losses : loss, sequence of losses, or dict of str to loss, default=None
            Loss objects, those of ``skce.losses`` or your own, or "cross_entropy" or "focal", which stands for
            ``FocalLoss()``; a dict has their names for the legend. None stands for cross-entropy and focal loss with
            gamma 1, 2 and 5.
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
        by_name = _by_name([CrossEntropy(), *map(FocalLoss, (1, 2, 5))] if losses is None else losses)
        p = PROBABILITIES
        if quantity == "loss":
            curves = {name: loss.value(np.log(p), 1 - p) for name, loss in by_name.items()}
            ylabel, ylim = "loss", (0, LOSS_LIMIT)
        elif quantity == "gradient":
            # By the chain rule, as dp / dz = p (1 - p).
            curves = {
                name: probability_losses_slopes(np.log(p), p, 1 - p, np.ones((1, len(p))), loss)[1][0] * p * (1 - p)
                for name, loss in by_name.items()
            }
            ylabel, ylim = "derivative of the loss by the logit", (1.1 * min(map(np.min, curves.values())), 0.05)
        else:
            raise InvalidParameterError(f"quantity must be 'loss' or 'gradient', got {quantity!r}.")
        xlabel = "probability p given to what happened"
        return cls(p, curves, xlabel=xlabel, ylabel=ylabel, ylim=ylim).plot(ax, **kwargs)

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
        self : LossDisplay
        """
        self.ax_: Axes = axes_or_new(ax, figsize=(6.4, 4.2))
        self.figure_: Figure | SubFigure = self.ax_.figure
        self.lines_: list[Line2D] = []
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


def _by_name(losses):
    """Loss objects by their names in the legend, or an error."""
    if isinstance(losses, dict):
        by_name = {name: checked_loss(f"losses: {name}", loss) for name, loss in losses.items()}
    else:
        several = losses if np.iterable(losses) and not isinstance(losses, str) else [losses]
        by_name = {repr(loss): loss for loss in (checked_loss("losses", loss) for loss in several)}
    if not by_name:
        raise InvalidParameterError("losses must hold one loss or more, got none.")
    return by_name
