"""What the displays share: axes and panels, lines and names."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from skce._checks import InvalidParameterError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which colour-blind eyes tell apart, without the yellow, which is faint on white.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
LONGEST_NAME = 32


def axes_or_new(ax: "Axes | None", figsize: tuple[float, float]) -> "Axes":
    """``ax``, or the axes of a new figure; an error if it is neither axes nor None."""
    try:
        import matplotlib.pyplot as plt
        from matplotlib.axes import Axes
    except ModuleNotFoundError as error:
        raise ImportError("skce.display draws with matplotlib: python -m pip install matplotlib") from error
    if isinstance(ax, Axes):
        return ax
    if ax is not None:
        hint = "; of several axes give one" if hasattr(ax, "__len__") else ""
        raise InvalidParameterError(f"ax must be an Axes of matplotlib or None, got {ax!r}{hint}.")
    _, ax = plt.subplots(figsize=figsize, layout="constrained")
    return ax


def rows_columns(n_panels: int, most_columns: int) -> tuple[int, int]:
    """Rows and columns of a grid of so many panels."""
    n_columns = min(n_panels, most_columns)
    return -(-n_panels // n_columns), n_columns


def panels_in_place_of(
    ax: "Axes", n_rows: int, n_columns: int, n_panels: int, height_ratios: Sequence[float] | None = None
) -> "list[Axes]":
    """Axes, row by row, that take the place of ``ax``."""
    ax.set_axis_off()
    place = ax.get_subplotspec()
    if place is None:
        box = ax.get_position()
        ends = {"left": box.x0, "right": box.x1, "bottom": box.y0, "top": box.y1}
        grid = ax.figure.add_gridspec(n_rows, n_columns, height_ratios=height_ratios, **ends)
    else:
        grid = place.subgridspec(n_rows, n_columns, height_ratios=height_ratios)
    return [ax.figure.add_subplot(cell) for cell, _ in zip(grid, range(n_panels), strict=False)]


def check_has(classifier: Any, *attributes: str) -> None:
    """Raise unless a fitted estimator has some attributes."""
    lacking = [attribute for attribute in attributes if not hasattr(classifier, attribute)]
    if lacking:
        raise TypeError(f"estimator must have {' and '.join(attributes)} after fit, which {classifier!r} lacks.")


def shortened(name: str) -> str:
    """A name that leaves room for what it names."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def line_options(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a line by their full names, such as linewidth for lw."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    return normalize_kwargs(options, Line2D)
