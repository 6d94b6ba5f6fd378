"""Signatures are what help() shows: types by the names that they are written with, and not what these stand for."""

import importlib
import inspect
import pydoc

import pytest

PUBLIC = [
    "skce",
    *(f"skce.{name}" for name in ["functional", "metrics", "inference", "display", "losses", "penalties"]),
]


def callables():
    """Names and callables of the public face: functions, classes, and methods of these."""
    for name in PUBLIC:
        module = importlib.import_module(name)
        for exported in module.__all__:
            thing = getattr(module, exported)
            if not callable(thing):
                continue
            yield f"{name}.{exported}", thing
            if inspect.isclass(thing):
                for method, function in inspect.getmembers(thing, inspect.isroutine):
                    if not method.startswith("_") and (getattr(function, "__module__", None) or "").startswith("skce"):
                        yield f"{name}.{exported}.{method}", function


CALLABLES = dict(callables())


def test_the_public_face_is_looked_at():
    assert {"skce.inference.summary", "skce.SoftmaxRegressor.fit", "skce.functional.cross_entropy"} <= CALLABLES.keys()


@pytest.mark.parametrize("name", CALLABLES)
def test_types_are_shown_by_name(name):
    signature = str(inspect.signature(CALLABLES[name]))
    assert "numpy._typing" not in signature
    assert "Union[" not in signature
    assert len(signature) < 1500


def test_help_comes_to_the_point():
    lines = pydoc.plain(pydoc.render_doc(CALLABLES["skce.inference.summary"])).splitlines()
    assert "Return the table of a fitted model's coefficients" in "\n".join(lines[:20])
