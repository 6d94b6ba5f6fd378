"""Docstrings of what is public: an example of each name; and of losses and penalties each parameter of a method."""

import inspect

import pytest

import skce
from skce import display, functional, inference, losses, metrics, penalties

MODULES = (skce, display, functional, inference, losses, metrics, penalties)
PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in MODULES
    for name in module.__all__
    if callable(getattr(module, name))
}
OF_SKCE = {name: public for name, public in PUBLIC.items() if name.startswith(("skce.losses.", "skce.penalties."))}


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_public_has_an_example(name):
    public = PUBLIC[name]
    # What regularization_path returns has its example there.
    assert ">>> " in inspect.getdoc(public) or public is skce.RegularizationPath


@pytest.mark.parametrize("name", OF_SKCE)
def test_methods_name_their_parameters(name):
    for method_name, method in inspect.getmembers(OF_SKCE[name], inspect.isfunction):
        if not method_name.startswith("_"):
            sections = inspect.getdoc(method).partition("Parameters\n----------\n")[2]
            for parameter in list(inspect.signature(method).parameters)[1:]:
                assert f"{parameter} : " in sections, (method_name, parameter)
