"""Arrays of other libraries, which scikit-learn takes if SCIPY_ARRAY_API=1 was set before it was imported.

``tests/test_array_api.py`` runs this folder with the switch set. PyTorch takes part where it is installed.
"""

import importlib
import os
from importlib.util import find_spec

import numpy as np
import pytest
import sklearn

from skce._rows.array_api import arrays, functions, places, ufuncs
from tests.problems import SKLEARN_VERSION

collect_ignore_glob = [] if os.environ.get("SCIPY_ARRAY_API") and SKLEARN_VERSION >= (1, 9) else ["test_*.py"]

LIBRARIES = ["array_api_strict"] + ["torch"] * (find_spec("torch") is not None)


@pytest.fixture(params=LIBRARIES)
def xp(request):
    """The namespace of a library."""
    library = importlib.import_module(request.param)
    if request.param == "torch":
        library.set_num_threads(1)
    return library


@pytest.fixture(params=[np.float64, np.float32])
def dtype(request):
    return request.param


@pytest.fixture
def rounding(dtype):
    """What values of another library may differ by from those of NumPy."""
    return {np.float64: 1e-12, np.float32: 1e-5}[dtype]


@pytest.fixture(autouse=True)
def _dispatch():
    with sklearn.config_context(array_api_dispatch=True):
        yield


@pytest.fixture
def transfers(monkeypatch):
    """Shapes of the arrays that come to the host, and that go where X is, in lists; numbers have none."""
    fetched, moved = [], []
    to_host, to_place = arrays.on_host, places.Place.moved
    to_number = {name: getattr(arrays.DeviceArray, name) for name in ("__bool__", "__int__", "__float__")}

    def recorded_of_host(array):
        fetched.append(tuple(array.shape))
        return to_host(array)

    def recorded_of_place(place, array):
        moved.append(np.shape(array))
        return to_place(place, array)

    def recorded_number(convert):
        def recorded(array):
            fetched.append(())
            return convert(array)

        return recorded

    monkeypatch.setattr(arrays, "on_host", recorded_of_host)
    monkeypatch.setattr(places.Place, "moved", recorded_of_place)
    for name, convert in to_number.items():
        monkeypatch.setattr(arrays.DeviceArray, name, recorded_number(convert))
    return fetched, moved


@pytest.fixture
def nothing_on_the_host(monkeypatch):
    """An error where a function has to be computed by NumPy."""

    def refused(place, function, arguments, options):
        raise AssertionError(f"{function} was to be computed on the host")

    for module in functions, ufuncs:
        monkeypatch.setattr(module, "on_host_instead", refused)
