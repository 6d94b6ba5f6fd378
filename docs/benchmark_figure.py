"""The figure of the page on benchmarks, drawn from the page's own tables of times."""

import math
import re
from pathlib import Path

import matplotlib.pyplot as plt

SECTION = "## Time to a gap of 1e-5, C = 1"


def ratios_by_group(page: Path) -> dict[str, dict[str, float]]:
    """How many times as long the rival takes as skce, by group and data set, as the page's tables say."""
    section = page.read_text(encoding="utf-8").partition(SECTION)[2].partition("\n## ")[0]
    groups = {}
    for part in section.split("\n### ")[1:]:
        name, _, text = part.partition("\n")
        cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in re.findall(r"^\|.*\|$", text, re.MULTILINE)]
        groups[name] = {row[0]: float(row[-1]) for row in cells if re.fullmatch(r"[\d.]+", row[-1])}
    return groups


def draw(page: Path, path: Path) -> None:
    """Save a dot for each data set, a line for each group, with its geometric mean."""
    groups = ratios_by_group(page)
    figure, ax = plt.subplots(figsize=(7.5, 0.8 + 0.62 * len(groups)), layout="constrained")
    for place, ratios in enumerate(groups.values()):
        values = list(ratios.values())
        mean = math.exp(sum(map(math.log, values)) / len(values))
        ax.plot(values, [place] * len(values), "o", color="#0072B2", alpha=0.6, markersize=6)
        ax.plot([mean], [place], "|", color="#D55E00", markersize=22, markeredgewidth=2)
        least = min(ratios, key=ratios.__getitem__)
        ax.annotate(least, (ratios[least], place), (0, 8), textcoords="offset points", ha="center", fontsize="x-small")
    ax.axvline(1, color="0.4", linewidth=1)
    ax.set(
        xscale="log",
        ylim=(len(groups) - 0.4, -0.7),
        xlabel="time of the fastest solver of LogisticRegression, by that of skce",
    )
    ax.set_yticks(range(len(groups)), groups)
    ticks = [0.5, 1, 2, 5, 10, 20, 50]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.grid(axis="x", alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)
