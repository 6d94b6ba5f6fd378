"""The code in README.md and docs/ runs, and the examples run headless and say what to do when they cannot."""

import doctest
import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from tests.problems import SKLEARN_VERSION

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def blocks(document, language):
    """The fenced blocks of a language in a Markdown document."""
    return re.findall(
        rf"^```{language}\n(.*?)^```$", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


# Needs libraries of its own; tests/neighbours runs it.
NEIGHBOURS = "docs/guide/neighbours.md"

PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("docs/guide/*.md")]
    if blocks(path, "python") and str(path.relative_to(ROOT)) != NEIGHBOURS
)


@pytest.mark.parametrize("document", PAGES)
def test_the_code_in_a_document_runs_and_prints_what_it_says(document, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")  # own_loss.py, which a page imports
    monkeypatch.setenv("MPLBACKEND", "agg")
    code = blocks(document, "python")
    namespace = {"__name__": "__main__"}
    if not any(">>>" in block for block in code):
        exec(compile("\n".join(code), document, "exec"), namespace)
        return
    session = doctest.DocTestParser().get_doctest("\n".join(code), namespace, document, document, 0)
    report = []
    results = doctest.DocTestRunner(verbose=False).run(session, out=report.append)
    plt.close("all")
    assert results.attempted > 0
    assert not results.failed, "".join(report)


def test_every_page_is_looked_at():
    assert {"README.md", "docs/get-started.md", "docs/mathematics.md", "docs/guide/labels.md"} <= set(PAGES)
    assert len(PAGES) >= 9


def test_files_of_the_repository_that_documents_name_are_there():
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]
    named = {
        (path, name)
        for path in documents
        for name in re.findall(r"`((?:tests|benchmarks|examples|docs)/[\w./]+\.\w+)`", path.read_text("utf-8"))
    }
    assert len(named) > 5
    assert [name for _, name in sorted(named) if not (ROOT / name).exists() and "/_build/" not in name] == []


def test_the_readme_has_two_commands_and_a_short_example():
    assert len(blocks("README.md", "bash")) == 2
    assert len(re.findall("^>>> ", blocks("README.md", "python")[0], re.MULTILINE)) == 5


def run_example(name, *arguments, **environment):
    """What an example does without a display, warnings being errors but for the one that says so."""
    return subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-W",
            "ignore:FigureCanvasAgg is non-interactive",
            ROOT / "examples" / name,
            *arguments,
        ],
        env={**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def idx(array):
    """An array of bytes in the format of MNIST's files."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(int(size).to_bytes(4, "big") for size in array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def digits_like_mnist(tmp_path, rng):
    """A folder of small files that look like MNIST's: ten patterns, with noise."""
    patterns = 255 * rng.integers(0, 2, size=(10, 28, 28))
    for part, n_images in (("train", 600), ("t10k", 100)):
        labels = np.arange(n_images) % 10
        images = np.clip(patterns[labels] + rng.normal(0, 40, size=(n_images, 28, 28)), 0, 255)
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(labels))
    return tmp_path


COURSE = sorted(path.name for path in (ROOT / "examples").glob("plot_*.py"))


WITH_TESTS_OF_THEIR_OWN = {"plot_00_first_minute.py", "plot_09_iris.py", "plot_10_mnist.py", "plot_11_dask.py"}


@pytest.mark.parametrize("name", [name for name in COURSE if name not in WITH_TESTS_OF_THEIR_OWN])
def test_an_example_runs(name):
    result = run_example(name)
    assert result.returncode == 0, result.stderr
    assert not result.stderr
    assert result.stdout


def test_the_examples_are_numbered():
    assert [name.split("_")[1] for name in COURSE] == [f"{number:02}" for number in range(len(COURSE))]


NUMBER = r"[-+]?\d+(?:\.\d+)?"


def test_the_first_minute_prints_what_the_readme_says(tmp_path):
    figure = tmp_path / "first-minute.png"
    result = run_example("plot_00_first_minute.py", "--save", figure)
    assert result.returncode == 0, result.stderr
    assert not result.stderr
    assert figure.stat().st_size > 10_000
    printed = result.stdout.replace(str(figure), figure.name)
    peers = []
    for ours, readme in zip(printed.splitlines(), blocks("README.md", "text")[0].splitlines(), strict=True):
        if "LogisticRegressionCV" in readme:  # how far it gets depends on the release
            peers.append(re.match(r"(\S+) +\S+ (\S+).* \S+ s +\S+ +(\S+e-\d+)", ours).groups())
            continue
        # Times and what is proven are of a machine, all other numbers of the minimum.
        ours, readme = (re.sub(r"\d\S* s\b|\d+e-\d+", "", line) for line in (ours, readme))
        assert re.sub(NUMBER, "", ours).split() == re.sub(NUMBER, "", readme).split()
        numbers = [np.array(re.findall(NUMBER, line), dtype=float) for line in (ours, readme)]
        np.testing.assert_allclose(*numbers, rtol=2e-2, atol=2e-2)
    gaps = {(features, solver): float(gap) for features, solver, gap in peers}
    assert len(gaps) == 4
    assert gaps["raw", "lbfgs"] > 0.1  # far from the minimum, as the README says
    if SKLEARN_VERSION >= (1, 9):  # by whose default tol it gets there
        assert gaps["raw", "newton-cholesky"] < 1e-4
    assert gaps["scaled", "lbfgs"] < 0.01
    proven = re.findall(r"SoftmaxRegressorCV.*proven below (\S+)$", printed, re.MULTILINE)
    assert len(proven) == 2
    assert max(map(float, proven)) <= 1e-7


def test_iris_prints_its_results_and_saves_its_figure(tmp_path):
    result = run_example("plot_09_iris.py", "--save", tmp_path / "figures")
    assert result.returncode == 0, result.stderr
    assert float(re.search(r"SoftmaxRegressor +\S+ +\S+ +(\S+)", result.stdout)[1]) > 0.9
    assert (tmp_path / "figures" / "plot_09_iris.png").stat().st_size > 10_000


def test_iris_without_a_display_says_how_to_save():
    result = run_example("plot_09_iris.py")
    assert result.returncode == 0, result.stderr
    assert "--save DIR" in result.stderr


def test_dask_fits_files_and_saves_its_figure(tmp_path):
    result = run_example("plot_11_dask.py", "--rows", "3000", "--save", tmp_path)
    assert result.returncode == 0, result.stderr
    assert "3000 rows in 1 files" in result.stdout
    assert float(re.search(r"log loss +(\S+)", result.stdout)[1]) < np.log(5)
    assert (tmp_path / "plot_11_dask.png").stat().st_size > 10_000


def test_mnist_reads_idx_files_and_saves_its_figure(digits_like_mnist, tmp_path):
    result = run_example("plot_10_mnist.py", "--data", digits_like_mnist, "--save", tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Fit to 600 images" in result.stdout
    assert "Test accuracy 1.0000" in result.stdout
    assert (tmp_path / "plot_10_mnist.png").stat().st_size > 10_000


def test_mnist_names_the_files_that_are_missing(digits_like_mnist):
    (digits_like_mnist / "t10k-labels-idx1-ubyte.gz").unlink()
    result = run_example("plot_10_mnist.py", "--data", digits_like_mnist)
    assert result.returncode == 1
    assert "lacks t10k-labels-idx1-ubyte.gz" in result.stderr
    assert "Traceback" not in result.stderr


def test_mnist_without_files_or_a_connection_says_what_to_do(tmp_path):
    nowhere = {"https_proxy": "http://127.0.0.1:9", "SCIKIT_LEARN_DATA": str(tmp_path)}
    result = run_example("plot_10_mnist.py", **nowhere)
    assert result.returncode == 1
    assert "Tried to download mnist_784 from OpenML" in result.stderr
    assert "pass --data DIR" in result.stderr
    assert "Traceback" not in result.stderr
