"""Places: where arrays of another library are, and how those of NumPy get there."""

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")

# Libraries whose functions write to an array that is given as ``out``, which the standard does not ask for.
TAKE_OUT = ("torch", "cupy")


class Placed:
    """An ``array`` of another library, at a Place; what it can do is for DeviceArray to say."""

    __slots__ = ("array", "place")

    array: Any
    place: "Place"

    def __init__(self, array, place):
        self.array = array
        self.place = place

    @property
    def dtype(self):
        """NumPy's dtype of that name."""
        return self.place.dtypes[self.array.dtype]

    @property
    def shape(self):
        """Lengths of the axes."""
        return tuple(self.array.shape)

    @property
    def ndim(self):
        """How many axes there are."""
        return len(self.array.shape)


@dataclass(frozen=True, eq=False)
class Place:
    """Where arrays are: the namespace ``xp`` of their library, a ``device``; and the type that wraps them."""

    xp: Any
    device: Any
    array_type: Any

    @cached_property
    def dtypes(self):
        """NumPy's dtypes by those of the library's arrays: of CuPy NumPy's, whose types its namespace has."""
        return {dtype if isinstance(own, type) else own: dtype for dtype, own in self.own_dtypes.items()}

    @cached_property
    def own_dtypes(self):
        """The dtypes of the library by NumPy's."""
        return {np.dtype(name): getattr(self.xp, name) for name in DTYPES if hasattr(self.xp, name)}

    @cached_property
    def takes_out(self):
        """Whether functions of the library take ``out``."""
        return self.xp.__name__.rpartition(".")[2] in TAKE_OUT

    def wrapped(self, array):
        """An array of the library with the face of NumPy's."""
        return self.array_type(array, self)

    def moved(self, array):
        """A copy of an array of NumPy, as one of the library on the device."""
        return self.xp.asarray(np.array(array, order="C"), device=self.device)

    def lifted(self, array):
        """The same with the face of NumPy's."""
        return self.wrapped(self.moved(array))

    def with_arrays_of(self, value):
        """An array of NumPy lifted, or a copy of an object whose arrays are, all or those that it names."""
        if isinstance(value, np.ndarray):
            return self.lifted(value)
        if not type(value).__module__.startswith("skce.") or isinstance(value, Placed):
            return value
        copied = copy.copy(value)
        names = getattr(value, "multiplied", tuple(vars(value)))
        vars(copied).update((name, self.with_arrays_of(getattr(value, name))) for name in names)
        return copied

    def holds(self, dtype):
        """Whether the library has a dtype of NumPy's."""
        return np.dtype(dtype) in self.own_dtypes

    def array_of(self, operand, dtype):
        """An operand, placed or of NumPy or a number, as an array of the library in a dtype of NumPy's."""
        if isinstance(operand, Placed):
            array = operand.array
            return array if operand.dtype == dtype else self.xp.astype(array, self.own_dtypes[dtype])
        if isinstance(operand, int | float):
            return self.xp.full((), operand, dtype=self.own_dtypes[dtype], device=self.device)
        return self.moved(np.asarray(operand, dtype))
