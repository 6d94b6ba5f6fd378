"""The rules of the architecture, held by what the files import: what CONTRIBUTING.md's map says is what is."""

import ast
from pathlib import Path

import pytest

import skce

PACKAGE = Path(skce.__file__).parent
FILES = sorted(path for path in PACKAGE.rglob("*.py"))

GROUND = {"_callers", "_checks", "_compat", "_namespaces", "_slices", "_types", "_version", "_pickles"}

# What each room may import, besides itself and the ground.
MAY_IMPORT = {
    **{room: set() for room in GROUND},
    "losses": set(),
    "penalties": set(),
    "_kernels": set(),
    "_labels": set(),
    "_links": {"_labels", "_kernels", "losses"},
    "_rows": {"_labels"},
    "_solver": {"_rows"},
    "estimators": {"_labels", "_links", "_rows", "_solver", "losses", "penalties"},
    "functional": {"_labels", "_links", "_kernels", "losses"},
    "metrics": {"_labels", "functional", "_rows/engines"},
    "inference": {"_labels", "_links", "_kernels", "_rows", "_solver", "estimators", "losses"},
    "onnx": {"_links", "estimators", "losses"},
    "display": {
        "_labels",
        "_kernels",
        "functional",
        "metrics",
        "losses",
        "estimators/portable",
        "estimators/validation",
        "inference",
    },
}

# Libraries that have a room to themselves.
ROOM_OF_LIBRARY = {"dask": "_rows/dask", "distributed": "_rows/dask", "matplotlib": "display", "skl2onnx": "onnx"}


def modules_imported(tree):
    """Full names of the modules that a file imports, or may import from."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                is_module = (PACKAGE.parent / Path(*node.module.split("."), alias.name)).exists() or (
                    PACKAGE.parent / Path(*node.module.split("."), f"{alias.name}.py")
                ).exists()
                yield f"{node.module}.{alias.name}" if is_module else node.module


def place(path):
    """Where a file is in the package: "_rows/dask/rows"."""
    return path.relative_to(PACKAGE).with_suffix("").as_posix().removesuffix("/__init__")


def broken_rules(place_of_file, tree):
    """What a file imports that it may not."""
    room = place_of_file.partition("/")[0]
    for module in modules_imported(tree):
        library, _, rest = module.partition(".")
        target = rest.replace(".", "/")
        if library in ROOM_OF_LIBRARY and not place_of_file.startswith(ROOM_OF_LIBRARY[library]):
            yield f"{place_of_file} imports {module}"
        if module == "scipy.optimize" and place_of_file not in ("_solver/lbfgs", "_solver/separation"):
            yield f"{place_of_file} imports {module}"
        if library == "sklearn" and "._" in module and room != "_compat":
            yield f"{place_of_file} imports {module}"
        if library != "skce" or room == "__init__":
            continue
        allowed = MAY_IMPORT[room] | GROUND if room not in GROUND else set()
        if target.partition("/")[0] != room and not any(f"{target}/".startswith(f"{name}/") for name in allowed):
            exceptions = {("losses", "_checks"), ("penalties", "_checks")}
            if (room, target) not in exceptions:
                yield f"{place_of_file} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=place)
def test_every_file_imports_what_its_room_may(path):
    assert list(broken_rules(place(path), ast.parse(path.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    ("where", "statement"),
    [
        ("_links/softmax", "from skce._rows.blocks import RowBlocks"),
        ("_rows/blocks", "from skce._links.softmax import Softmax"),
        ("_solver/lbfgs", "from skce.estimators.base import CrossEntropyClassifier"),
        ("_solver/objective", "from skce._links import softmax"),
        ("_kernels/softmax", "import skce._labels.reading"),
        ("metrics/scorers", "from skce._rows.blocks import RowBlocks"),
        ("estimators/base", "from skce.inference.summary import summary"),
        ("functional/functions", "from skce._solver.problem import Problem"),
        ("_checks", "from skce.losses import CrossEntropy"),
        ("estimators/base", "import dask"),
        ("estimators/base", "from skl2onnx import to_onnx"),
        ("estimators/base", "from scipy.optimize import minimize"),
        ("estimators/base", "def f():\n    from matplotlib import pyplot"),
        ("estimators/base", "from sklearn.utils._array_api import get_namespace"),
    ],
)
def test_a_rule_that_is_broken_is_seen(where, statement):
    assert list(broken_rules(where, ast.parse(statement)))


def test_the_map_names_every_room():
    contributing = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text("utf-8")
    for path in PACKAGE.iterdir():
        if path.name not in ("__init__.py", "__pycache__", "py.typed"):
            assert f"`{path.name}{'/' * path.is_dir()}`" in contributing


def test_the_map_names_every_file():
    contributing = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text("utf-8")
    for path in FILES:
        room, _, name = place(path).partition("/")
        if name and path.name != "__init__.py":
            of_room = contributing.partition(f"### `{room}/`\n")[2].partition("\n### ")[0]
            assert f"`{name}.py`" in of_room, place(path)


def test_no_imports_run_in_a_circle():
    imports = {
        place(path): {
            module.removeprefix("skce.").replace(".", "/")
            for module in modules_imported(ast.parse(path.read_text("utf-8")))
            if module.startswith("skce.")
        }
        for path in FILES
    }
    left = dict(imports)
    while left:
        without_imports = {name for name, targets in left.items() if not targets & left.keys() - {name}}
        assert without_imports, f"a circle among {sorted(left)}"
        left = {name: targets for name, targets in left.items() if name not in without_imports}


def test_files_and_functions_can_be_read_at_once():
    # Code lines: without docstrings, comments and blanks.
    for path in FILES:
        text = path.read_text("utf-8")
        tree = ast.parse(text)
        documented = ast.Module | ast.ClassDef | ast.FunctionDef
        strings = [
            node.body[0]
            for node in ast.walk(tree)
            if isinstance(node, documented) and ast.get_docstring(node) is not None
        ]
        inside = {line for string in strings for line in range(string.lineno, string.end_lineno + 1)}
        code = {
            number
            for number, line in enumerate(text.splitlines(), 1)
            if line.strip() and not line.strip().startswith("#") and number not in inside
        }
        assert len(code) <= 300, path
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                assert len(code & set(range(node.lineno, node.end_lineno + 1))) <= 60, (path, node.name)
