"""Plot: gap against time and against passes, of each peer over the tolerances that were searched."""

# Below the precision of the reference, gaps are noise.
SMALLEST_GAP = 1e-12


def save_plot(result, gap, path):
    """Save the figure of a problem's result as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.5), layout="constrained")
    by_time, by_passes = figure.subplots(1, 2, sharey=True)
    for name, peer in result["peers"].items():
        gaps = [max(point["gap"], SMALLEST_GAP) for point in peer["points"]]
        if not gaps:
            continue
        by_time.plot([point["seconds"] for point in peer["points"]], gaps, "o-")
        # A fit may take no iterations at all, which a logarithmic axis cannot show.
        passes = [max(point["n_passes"], 1) for point in peer["points"]]
        by_passes.plot(passes, gaps, "o-", label=f"{name} ({peer['counts']})")
    for axes, label in ((by_time, "seconds"), (by_passes, "passes over the data, or what a peer counts for them")):
        axes.axhline(gap, color="grey", linestyle=":", label=f"gap of {gap:g}")
        axes.set(xscale="log", yscale="log", xlabel=label)
        axes.grid(alpha=0.3)
    by_time.set_ylabel("F / F_ref - 1")
    figure.legend(*by_passes.get_legend_handles_labels(), loc="outside right upper")
    figure.suptitle(f"{result['problem']}: n={result['n']}, d={result['d']}, K={result['K']}; a point per tol")
    figure.savefig(path, dpi=120)
