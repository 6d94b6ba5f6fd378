"""What the displays share: axes and panels, lines and names, and the classifier that a pipeline or a search ends in."""

from sklearn.utils.validation import check_is_fitted

# Okabe and Ito's colours, which colour-blind eyes tell apart, without the yellow, which is faint on white.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]

LONGEST_NAME = 32


def axes_or_new(ax, figsize):
    """``ax``, or the axes of a new figure."""
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ModuleNotFoundError as error:
        raise ImportError("skce.display draws with matplotlib: python -m pip install matplotlib") from error
    _, ax = plt.subplots(figsize=figsize, layout="constrained")
    return ax


def panels_in_place_of(ax, n_rows, n_columns, n_panels):
    """Axes, row by row, that take the place of ``ax``."""
    ax.set_axis_off()
    place = ax.get_subplotspec()
    if place is None:
        box = ax.get_position()
        grid = ax.figure.add_gridspec(n_rows, n_columns, left=box.x0, right=box.x1, bottom=box.y0, top=box.y1)
    else:
        grid = place.subgridspec(n_rows, n_columns)
    return [ax.figure.add_subplot(cell) for cell, _ in zip(grid, range(n_panels), strict=False)]


def classifier_in(estimator):
    """The fitted classifier that a search or a pipeline ends in, or that is given."""
    check_is_fitted(estimator)
    if hasattr(estimator, "best_estimator_"):
        return classifier_in(estimator.best_estimator_)
    if hasattr(estimator, "steps"):
        return classifier_in(estimator.steps[-1][1])
    return estimator


def check_has(classifier, *attributes):
    """Raise unless a fitted estimator has some attributes."""
    lacking = [attribute for attribute in attributes if not hasattr(classifier, attribute)]
    if lacking:
        raise TypeError(f"estimator must have {' and '.join(attributes)} after fit, which {classifier!r} lacks.")


def shortened(name):
    """A name that leaves room for what it names."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def line_options(options):
    """Options of a line by their full names, such as linewidth for lw."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    return normalize_kwargs(options, Line2D)
