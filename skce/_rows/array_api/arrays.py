"""Arrays that NumPy's functions take, and that compute in another library: where their numbers are.

Programs over rows, kernels, links and losses, those of users among them, are written in NumPy. NumPy asks arrays of
other types what to do, by ``__array_ufunc__`` and ``__array_function__``: a :class:`DeviceArray` answers by what the
array API standard has, so that all of these run on any library and any device as they are, and NumPy's own arrays pay
nothing for it. Types are promoted by NumPy's rules. Arrays of NumPy that an operand meets are moved to its device.

What has no answer here is computed on the host, from copies, by ``on_host_instead``: right, but slow.
"""

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from skce._namespaces import namespace_and_device, on_host
from skce._rows.array_api import functions, ufuncs
from skce._rows.array_api.places import Place, Placed


def place_of(array):
    """The Place of an array of another library."""
    return Place(*namespace_and_device(array), DeviceArray)


class DeviceArray(Placed, NDArrayOperatorsMixin):
    """An ``array`` of another library, at a Place, with the face of NumPy's that programs over rows use."""

    __slots__ = ()

    @property
    def size(self):
        """How many numbers there are."""
        return int(np.prod(self.shape))

    @property
    def nbytes(self):
        """Bytes of these numbers."""
        return self.size * self.dtype.itemsize

    @property
    def T(self):
        """Axes in reverse order, a view."""
        return self.transpose()

    def __len__(self):
        return self.array.shape[0]

    def __iter__(self):
        return (self[row] for row in range(len(self)))

    def __bool__(self):
        return bool(self.array)

    def __float__(self):
        return float(self.array)

    def __int__(self):
        return int(self.array)

    def __array__(self, dtype=None, copy=None):
        here = np.asarray(on_host(self.array), dtype=dtype)
        return here.copy() if copy else here

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return ufuncs.applied(self.place, ufunc, method, inputs, options)

    def __array_function__(self, function, types, arguments, options):
        return functions.applied(self.place, function, arguments, options)

    def __getitem__(self, key):
        return self.place.wrapped(functions.at(self, key))

    def __setitem__(self, key, value):
        functions.set_at(self, key, value)

    def __repr__(self):
        return f"DeviceArray({self.array!r})"

    def astype(self, dtype, copy=True):
        """The numbers in a dtype of NumPy's."""
        dtype = np.dtype(dtype)
        if dtype == self.dtype and not copy:
            return self
        return self.place.wrapped(self.place.xp.astype(self.array, self.place.own_dtypes[dtype], copy=copy))

    def copy(self):
        """A copy."""
        return self.place.wrapped(self.place.xp.asarray(self.array, copy=True))

    def transpose(self, *axes):
        """Axes in this order, or reversed, a view."""
        return self.place.wrapped(self.place.xp.permute_dims(self.array, axes or tuple(range(self.ndim))[::-1]))

    def reshape(self, *shape):
        """The numbers in another shape, a view where the library has one."""
        shape = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return self.place.wrapped(self.place.xp.reshape(self.array, shape))

    def ravel(self):
        """The numbers along one axis."""
        return self.reshape(-1)

    def sum(self, axis=None, dtype=None, keepdims=False):
        """Sums along an axis, or several, or of all."""
        return functions.summed(self, axis, dtype, keepdims)

    def mean(self, axis=None, keepdims=False):
        """Means along an axis, or of all."""
        return self.sum(axis, keepdims=keepdims) / (self.size / self.sum(axis, keepdims=keepdims).size)

    def max(self, axis=None, keepdims=False, initial=None):
        """The largest along an axis, or of all; of none, and at least, ``initial``."""
        if initial is not None:
            return np.maximum(self.max(axis, keepdims), initial) if self.size else initial
        return functions.reduced(self, "max", axis, keepdims)

    def min(self, axis=None, keepdims=False, initial=None):
        """The smallest along an axis, or of all; of none, and at most, ``initial``."""
        if initial is not None:
            return np.minimum(self.min(axis, keepdims), initial) if self.size else initial
        return functions.reduced(self, "min", axis, keepdims)

    def any(self, axis=None, keepdims=False):
        """Whether any is true, along an axis or of all."""
        return functions.reduced(self, "any", axis, keepdims)

    def all(self, axis=None, keepdims=False):
        """Whether all are true, along an axis or of all."""
        return functions.reduced(self, "all", axis, keepdims)

    def argmax(self, axis=None):
        """The place of the largest along an axis, or of all."""
        return self.place.wrapped(self.place.xp.argmax(self.array, axis=axis))
