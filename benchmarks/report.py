"""Reports: JSON, and the same as tables in Markdown, with the machine and the versions that they come from."""

import json
import os
import platform
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ["numpy", "scipy", "scikit-learn", "skce", "dask", "cyanure", "scikit-learn-intelex", "torch"]


def machine():
    """When and on what this runs: date, cores, memory, CPU model and versions."""
    return {
        "date": datetime.now().astimezone().isoformat(timespec="minutes"),
        "system": f"{platform.system()} {platform.machine()}",
        "CPU": _cpu_model(),
        "cores": os.cpu_count(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "python": platform.python_version(),
        **{package: number for package in PACKAGES if (number := _version(package))},
    }


def written(out, name, title, settings, results, sections):
    """Write ``results`` to the folder ``out`` as NAME.json and the ``sections``, lines of Markdown, as NAME.md."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    facts = machine() | settings
    (out / f"{name}.json").write_text(json.dumps({"facts": facts, "results": results}, indent=1) + "\n")
    head = [f"# {title}", "", ", ".join(f"{key} {fact}" for key, fact in facts.items()) + "."]
    (out / f"{name}.md").write_text("\n\n".join(["\n".join(head), *sections]) + "\n")


def table(rows):
    """Markdown table of ``rows``, dicts that all have the same keys."""
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([str(cell) for cell in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def duration(seconds):
    """Seconds, readable."""
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def _cpu_model():
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def _version(package):
    """Version of a package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
