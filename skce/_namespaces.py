"""Arrays of other libraries than NumPy (PyTorch, CuPy, any of the array API standard): what and where they are.

None of these libraries is imported to tell. What they have in common is asked of ``array-api-compat``, which is
imported where there is such an array.
"""

import warnings

import numpy as np
from sklearn import get_config

# Libraries whose arrays say nothing of a namespace.
WITHOUT_NAMESPACE = ("torch",)


def is_foreign(data):
    """Whether data is an array of another library than NumPy; those of Dask, and of sparse matrices, are none."""
    if isinstance(data, np.ndarray | np.generic):
        return False
    library = library_of(data)
    if library in ("dask", "sparse"):
        return False
    return hasattr(data, "__array_namespace__") or (library in WITHOUT_NAMESPACE and hasattr(data, "shape"))


def library_of(data):
    """The name of the library that data is of."""
    return type(data).__module__.partition(".")[0]


def is_dispatched(data):
    """Whether data is such an array, and array API dispatch is on."""
    return is_foreign(data) and bool(get_config()["array_api_dispatch"])


def namespace_and_device(array):
    """The namespace of an array of another library, by the standard, and its device."""
    try:
        import array_api_compat
    except ImportError as error:
        raise ImportError(
            f"Arrays of {library_of(array)} need array-api-compat, which skce has an extra for: "
            f"pip install 'skce[array-api]' ({error})."
        ) from error
    return array_api_compat.array_namespace(array), array_api_compat.device(array)


def on_host(data):
    """Data, an array of another library as one of NumPy; whatever else it is as it is."""
    if not is_foreign(data):
        return data
    if library_of(data) == "torch":
        return data.detach().cpu().numpy()
    if library_of(data) == "cupy":
        return data.get()
    return _from_dlpack(data)


def _from_dlpack(array):
    """An array of another library as one of NumPy, by the protocol that all of them have."""
    _, device = namespace_and_device(array)
    cpu = type(device)("CPU_DEVICE") if library_of(array) == "array_api_strict" else device
    if cpu != device:
        array = array.to_device(cpu)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of read-only memory, which nothing here writes to
        return np.from_dlpack(array).copy()


def check_reachable(name, data):
    """Raise, with the remedy, if data is an array that NumPy cannot reach, and array API dispatch is off."""
    if not is_foreign(data) or get_config()["array_api_dispatch"]:
        return
    try:
        np.asarray(data)
    except (TypeError, RuntimeError, ValueError) as error:
        where = f" on {data.device}" if hasattr(data, "device") else ""
        raise TypeError(
            f"{name} is an array of {library_of(data)}{where}, which NumPy cannot take ({error}). Computing where it "
            "is needs SCIPY_ARRAY_API=1 in the environment before scipy is imported, and "
            "sklearn.set_config(array_api_dispatch=True)."
        ) from error
