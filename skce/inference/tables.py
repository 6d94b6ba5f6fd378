"""Tables as aligned text and as HTML: numbers that can be compared by eye, names to the left."""

from collections.abc import Sequence
from html import escape

import numpy as np

# Sizes between which numbers have four decimals, and beyond which an exponent.
LEAST_FIXED, MOST_FIXED = 1e-3, 1e6

# Probabilities that are printed as less than this.
LEAST_PROBABILITY = 0.001


def number(value: float, decimals: int = 4) -> str:
    """A number as text; a dash if there is none."""
    if np.isnan(value):
        return "-"
    if np.isinf(value):
        return "inf" if value > 0 else "-inf"
    size = abs(value)
    if value == 0 or LEAST_FIXED <= size < MOST_FIXED:
        return f"{value:.{decimals}f}"
    return f"{value:.{max(decimals - 2, 1)}e}"


def probability(value: float) -> str:
    """A probability as text."""
    if np.isnan(value):
        return "-"
    return f"{value:.3f}" if value >= LEAST_PROBABILITY else f"<{LEAST_PROBABILITY}"


def text_table(title: str, columns: Sequence[str], names: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table: a title over the names, and columns aligned to the right."""
    width_of_names = max(len(title), *map(len, names))
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    lines = ["  ".join([title.ljust(width_of_names), *map(str.rjust, columns, widths)])]
    lines.append("-" * len(lines[0]))
    for name, row in zip(names, cells, strict=True):
        lines.append("  ".join([name.ljust(width_of_names), *map(str.rjust, row, widths)]))
    return lines


def text_pairs(pairs: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Lines of names and values, two of them a line of so many characters."""
    half = (len(pairs) + 1) // 2
    left, right = list(pairs[:half]), [*pairs[half:], ("", "")]
    column = max((width - 3) // 2, max(len(name) + len(value) + 2 for name, value in pairs))
    lines = []
    for (name, value), (other, its_value) in zip(left, right, strict=False):
        first = name + value.rjust(column - len(name))
        second = other + its_value.rjust(column - len(other))
        lines.append(f"{first}   {second}".rstrip())
    return lines


def html_table(title: str, columns: Sequence[str], names: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    """The same table as lines of HTML."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    lines = [f"<table><thead><tr><th style='text-align:left'>{escape(title)}</th>{head}</tr></thead><tbody>"]
    for name, row in zip(names, cells, strict=True):
        data = "".join(f"<td style='text-align:right'>{escape(cell)}</td>" for cell in row)
        lines.append(f"<tr><th style='text-align:left'>{escape(name)}</th>{data}</tr>")
    return [*lines, "</tbody></table>"]


def html_pairs(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Names and values as lines of HTML."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in pairs
    )
    return [f"<table><tbody>{cells}</tbody></table>"]
