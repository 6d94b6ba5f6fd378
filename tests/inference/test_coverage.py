"""Intervals hold what they estimate as often as they say, by the simulation of the benchmark on fewer draws."""

import importlib.util
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def simulation(monkeypatch):
    """The module benchmarks/coverage.py, by another name than that of a package."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    spec = importlib.util.spec_from_file_location("interval_coverage", BENCHMARKS / "coverage.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "N_POPULATION", 5200)
    return module


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "least"),
    [
        ("hessian, right model", 0.93),
        ("sandwich, focal loss", 0.93),
        ("sandwich, smoothing", 0.93),
        ("sandwich, probability weights", 0.92),
        ("cluster", 0.90),
        ("cluster, small sample", 0.91),
    ],
)
def test_nominal_95_percent(simulation, case, least):
    assert least <= simulation.coverage(case, 300).mean() <= 0.97


@pytest.mark.slow
def test_the_hessian_is_wrong_where_rows_depend_on_each_other(simulation):
    assert simulation.coverage("hessian, clusters", 200).mean() < 0.88
