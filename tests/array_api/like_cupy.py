"""A library with the traits of CuPy's that are its own, in the host's memory: CuPy itself needs a GPU.

Arrays are not converted to NumPy's unless by ``get``, and meet none of them; dtypes of arrays are NumPy's, those of the
namespace the types of these; what other libraries make numbers of are arrays without axes; functions write to ``out``.
"""

import array_api_compat.numpy as numpy_namespace
import numpy as np


class Device:
    """A GPU."""

    def __init__(self, number):
        self.number = number

    def __eq__(self, other):
        return isinstance(other, Device) and self.number == other.number

    def __hash__(self):
        return hash(self.number)

    def __repr__(self):
        return f"<CUDA Device {self.number}>"


DEVICE = Device(0)


class ndarray:
    """An array of the device."""

    __module__ = "cupy"
    __array_ufunc__ = None

    def __init__(self, numbers):
        self._numbers = numbers

    dtype = property(lambda self: self._numbers.dtype)
    shape = property(lambda self: self._numbers.shape)
    ndim = property(lambda self: self._numbers.ndim)
    size = property(lambda self: self._numbers.size)
    T = property(lambda self: ndarray(self._numbers.T))
    device = property(lambda self: DEVICE)

    def __array_namespace__(self, api_version=None):
        return NAMESPACE

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __reduce__(self):
        return _wrapped, (self._numbers,)

    def get(self):
        """A copy in the host's memory."""
        return self._numbers.copy()

    def __getitem__(self, key):
        return _wrapped(self._numbers[_unwrapped(key)])

    def __setitem__(self, key, value):
        self._numbers[_unwrapped(key)] = _unwrapped(value)

    def __len__(self):
        return len(self._numbers)

    def __bool__(self):
        return bool(self._numbers)

    def __int__(self):
        return int(self._numbers)

    def __float__(self):
        return float(self._numbers)

    def __index__(self):
        return self._numbers.__index__()


def _wrapped(value):
    """Arrays and numbers of NumPy as arrays of the device."""
    if isinstance(value, np.ndarray | np.generic):
        return ndarray(np.asarray(value))
    if isinstance(value, tuple):
        parts = tuple(map(_wrapped, value))
        return type(value)(*parts) if hasattr(value, "_fields") else parts
    return value


def _unwrapped(value):
    """Arrays of the device as NumPy's, of which there may be none."""
    if isinstance(value, ndarray):
        return value._numbers
    if isinstance(value, np.ndarray):
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, list | tuple):
        return type(value)(map(_unwrapped, value))
    return value


def _function(function):
    """A function of NumPy's, of arrays of the device."""

    def of_device(*args, device=None, **options):
        arguments = [_unwrapped(argument) for argument in args]
        result = function(*arguments, **{name: _unwrapped(value) for name, value in options.items()})
        return options["out"] if options.get("out") is not None else _wrapped(result)

    return of_device


def _operator(name):
    def applied(self, *others):
        result = getattr(np.ndarray, name)(self._numbers, *map(_unwrapped, others))
        return result if result is NotImplemented else _wrapped(result)

    return applied


def _operator_in_place(name):
    def applied(self, other):
        if self._numbers.ndim:
            getattr(np.ndarray, name)(self._numbers, _unwrapped(other))
        else:
            self._numbers[...] = getattr(np.ndarray, name.replace("__i", "__", 1))(self._numbers, _unwrapped(other))
        return self

    return applied


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"):
    for _kind in ("__{}__", "__r{}__"):
        setattr(ndarray, _kind.format(_name), _operator(_kind.format(_name)))
    setattr(ndarray, f"__i{_name}__", _operator_in_place(f"__i{_name}__"))
for _name in ("neg", "abs", "invert", "lt", "le", "gt", "ge", "eq", "ne"):
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
ndarray.__hash__ = None


class _Info:
    def dtypes(self, *, device=None, kind=None):
        return numpy_namespace.__array_namespace_info__().dtypes(kind=kind)

    def default_device(self):
        return DEVICE

    def devices(self):
        return [DEVICE]


class _Linalg:
    def __getattr__(self, name):
        return _function(getattr(numpy_namespace.linalg, name))


class _Namespace:
    """The namespace, of what the standard has."""

    __name__ = "like.cupy"
    linalg = _Linalg()
    ndarray = ndarray
    Device = Device

    def __array_namespace_info__(self):
        return _Info()

    def asarray(self, data, *, dtype=None, device=None, copy=None):
        """An array of the device, of data in the host's memory, too."""
        numbers = data._numbers if isinstance(data, ndarray) else data
        return ndarray(np.array(numbers, dtype=dtype) if copy is not False else np.asarray(numbers, dtype=dtype))

    def __getattr__(self, name):
        value = getattr(numpy_namespace, name)
        return value if isinstance(value, type) or not callable(value) else _function(value)


NAMESPACE = _Namespace()
