"""The figure of the page on benchmarks, drawn from the page's own table of times."""

import re
from pathlib import Path

import matplotlib.pyplot as plt

TABLE = "## Time to a gap of 1e-5, C = 1"


def ratios(page: Path) -> dict[str, float]:
    """How many times as long the rival takes on one thread, by data set, as the page's table says."""
    table = page.read_text(encoding="utf-8").partition(TABLE)[2].partition("geometric mean")[0]
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in re.findall(r"^\|.*\|$", table, re.MULTILINE)]
    return {row[0]: float(row[3]) for row in cells if re.fullmatch(r"[\d.]+", row[3])}


def draw(page: Path, path: Path) -> None:
    """Save the ratios as bars, the largest on top."""
    ordered = sorted(ratios(page).items(), key=lambda item: item[1])
    names, values = zip(*ordered, strict=True)
    figure, ax = plt.subplots(figsize=(7.5, 3.8), layout="constrained")
    bars = ax.barh(names, values, color="#0072B2")
    ax.bar_label(bars, padding=3, fontsize="small")
    ax.set(xscale="log", xlim=(1, 50), xlabel="time of the fastest solver of LogisticRegression, by that of skce")
    ax.set_xticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
    ax.minorticks_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)
