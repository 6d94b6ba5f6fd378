"""NumPy's functions of arrays by the array API standard, and what arrays are indexed by."""

import operator
from typing import Any

import numpy as np

from skce._rows.array_api.einsum import einsum
from skce._rows.array_api.host import on_host_instead
from skce._rows.array_api.places import Placed
from skce._rows.array_api.ufuncs import common_dtype, write

ANSWERS = {}


def answers(*functions):
    """The decorator of what answers for functions of NumPy."""

    def registered(answer):
        ANSWERS.update(dict.fromkeys(functions, answer))
        return answer

    return registered


def applied(place, function, arguments, options) -> Any:
    """What a function of NumPy makes of arguments among which are arrays at a place."""
    answer = ANSWERS.get(function)
    if answer is None:
        return on_host_instead(place, function, arguments, options)
    return answer(place, *arguments, **options)


def at(array, key):
    """What an index of NumPy's takes of an array at a place: slices, integers, masks, and arrays of integers."""
    place = array.place
    keys = key if isinstance(key, tuple) else (key,)
    if isinstance(keys[0], slice) and (keys[0].step or 1) < 0:  # which PyTorch does not take
        indices = np.arange(len(array))[keys[0]]
        return at(place.wrapped(_taken(array, indices, 0)), (slice(None), *keys[1:]))
    arrays = [number for number, part in enumerate(keys) if isinstance(part, np.ndarray | Placed | list)]
    if not arrays:
        return array.array[_full(keys)]
    if len(keys) == 1:
        return _taken(array, keys[0], 0)
    if len(arrays) > 1:
        return on_host_instead(place, operator.getitem, (array, keys), {}).array
    (axis,) = arrays
    part = keys[axis]
    rest = (*keys[:axis], slice(None), *keys[axis + 1 :])
    behind = len(keys) - 1 - axis
    before = place.wrapped(array.array[_full(rest)])
    has_ellipsis = any(key is Ellipsis for key in keys[:axis])
    dropped = sum(isinstance(key, int) for key in keys[:axis])
    axis = before.ndim - 1 - behind if has_ellipsis else axis - dropped
    return _taken(before, part, axis)


def _full(keys):
    """An index that says that it leaves the other axes as they are."""
    return keys if any(key is Ellipsis for key in keys) else (*keys, ...)


def _taken(array, part, axis):
    """An array of integers, or a mask, of an axis."""
    place = array.place
    part = part if isinstance(part, Placed) else np.asarray(part)
    if part.dtype.kind == "b":
        mask, behind = place.array_of(part, np.dtype(bool)), array.shape[axis + part.ndim :]
        array = array.reshape(*array.shape[:axis], -1, *behind)
        (indices,) = place.xp.nonzero(place.xp.reshape(mask, (-1,)))
    else:
        indices = place.array_of(part, np.dtype(np.int64))
    if len(indices.shape) != 1:
        flat = place.xp.take(array.array, place.xp.reshape(indices, (-1,)), axis=axis)
        return place.xp.reshape(flat, (*array.shape[:axis], *indices.shape, *array.shape[axis + 1 :]))
    return place.xp.take(array.array, indices, axis=axis)


def set_at(array, key, value):
    """Write a value to what an index of NumPy's takes of an array at a place."""
    place = array.place
    keys = key if isinstance(key, tuple) else (key,)
    if not any(isinstance(part, np.ndarray | Placed | list) for part in keys):
        array.array[_full(keys)] = place.array_of(value, array.dtype)
    elif len(keys) == 1 and getattr(keys[0], "dtype", np.dtype(float)).kind == "b" and np.ndim(value) == 0:
        mask = place.array_of(keys[0], np.dtype(bool))
        mask = place.xp.reshape(mask, (*mask.shape, *(1,) * (array.ndim - len(mask.shape))))
        write(place, place.array_of(value, array.dtype), array, place.wrapped(mask))
    else:
        array.array[...] = on_host_instead(place, _with, (array, keys, value), {}).array


def _with(array, keys, value):
    """A copy of an array of NumPy with a value where an index says."""
    array = array.copy()
    array[keys] = value
    return array


def summed(array, axis=None, dtype=None, keepdims=False):
    """Sums along an axis, or several, or of all; of integers and booleans as 64 bits."""
    if dtype is None:
        dtype = array.dtype if array.dtype.kind == "f" else np.int64
    place = array.place
    if array.dtype.kind == "b":
        array = array.astype(dtype)
    return place.wrapped(
        place.xp.sum(array.array, axis=axis, dtype=place.own_dtypes[np.dtype(dtype)], keepdims=keepdims)
    )


def reduced(array, name, axis=None, keepdims=False):
    """The largest, the smallest, any or all, along an axis or of all."""
    return array.place.wrapped(getattr(array.place.xp, name)(array.array, axis=axis, keepdims=keepdims))


def _arrays(place, values):
    """Values as arrays of the library in one dtype."""
    dtype = common_dtype(values)
    return [place.array_of(value, dtype) for value in values]


def _new(value):
    """What answers for a function that makes an array like another one, full of a value."""

    def made(place, like, dtype=None, order="K", subok=True, shape=None, device=None):
        dtype = like.dtype if dtype is None else np.dtype(dtype)
        shape = like.shape if shape is None else shape
        own = place.own_dtypes[dtype]
        if value is None:
            return place.wrapped(place.xp.empty(shape, dtype=own, device=place.device))
        return place.wrapped(place.xp.full(shape, value, dtype=own, device=place.device))

    return made


ANSWERS |= {np.empty_like: _new(None), np.zeros_like: _new(0), np.ones_like: _new(1)}


@answers(np.full_like)
def _full_like(place, like, fill_value, dtype=None, order="K", subok=True, shape=None):
    return _new(fill_value)(place, like, dtype, shape=shape)


@answers(np.where)
def _where(place, condition, *values):
    if not values:
        return tuple(map(place.wrapped, place.xp.nonzero(place.array_of(condition, np.dtype(bool)))))
    return place.wrapped(place.xp.where(place.array_of(condition, np.dtype(bool)), *_arrays(place, values)))


@answers(np.count_nonzero)
def _count_nonzero(place, array):
    return (array != 0).sum()


@answers(np.flatnonzero)
def _flatnonzero(place, array):
    (indices,) = place.xp.nonzero(place.xp.reshape(array.array, (-1,)))
    return place.wrapped(indices)


@answers(np.sum)
def _sum(place, array, axis=None, dtype=None, keepdims=False):
    return summed(array, axis, dtype, keepdims)


@answers(np.max, np.amax)
def _max(place, array, axis=None, keepdims=False):
    return reduced(array, "max", axis, keepdims)


@answers(np.min, np.amin)
def _min(place, array, axis=None, keepdims=False):
    return reduced(array, "min", axis, keepdims)


@answers(np.any)
def _any(place, array, axis=None, keepdims=False):
    return reduced(array, "any", axis, keepdims)


@answers(np.all)
def _all(place, array, axis=None, keepdims=False):
    return reduced(array, "all", axis, keepdims)


@answers(np.copyto)
def _copyto(place, to, source, casting="same_kind", where=True):
    write(place, place.array_of(source, to.dtype), to, where)


@answers(np.shape)
def _shape(place, array):
    return array.shape


@answers(np.ndim)
def _ndim(place, array):
    return array.ndim


@answers(np.vdot)
def _vdot(place, first, second):
    first, second = _arrays(place, (first, second))
    product = place.wrapped(place.xp.reshape(first, (-1,)) * place.xp.reshape(second, (-1,)))
    return product.sum(dtype=np.float64)


@answers(np.stack)
def _stack(place, arrays, axis=0):
    return place.wrapped(place.xp.stack(_arrays(place, list(arrays)), axis=axis))


@answers(np.concatenate)
def _concatenate(place, arrays, axis=0):
    return place.wrapped(place.xp.concat(_arrays(place, list(arrays)), axis=axis))


@answers(np.moveaxis)
def _moveaxis(place, array, source, destination):
    return place.wrapped(place.xp.moveaxis(array.array, source, destination))


@answers(np.swapaxes)
def _swapaxes(place, array, first, second):
    axes = list(range(array.ndim))
    axes[first], axes[second] = axes[second], axes[first]
    return array.transpose(*axes)


@answers(np.broadcast_to)
def _broadcast_to(place, array, shape, subok=False):
    return place.wrapped(place.xp.broadcast_to(array.array, shape))


@answers(np.atleast_1d)
def _atleast_1d(place, array):
    return array if array.ndim else array.reshape(1)


@answers(np.atleast_2d)
def _atleast_2d(place, array):
    return array if array.ndim > 1 else array.reshape(1, -1)


@answers(np.sort)
def _sort(place, array, axis=-1):
    return place.wrapped(place.xp.sort(array.array, axis=axis))


@answers(np.argpartition)
def _argpartition(place, array, kth, axis=-1):
    return place.wrapped(place.xp.argsort(array.array, axis=axis))  # which is one of those that are asked for


@answers(np.take)
def _take(place, array, indices, axis=None):
    array = place.wrapped(array.array if isinstance(array, Placed) else place.moved(array))
    return place.wrapped(_taken(array if axis is not None else array.ravel(), indices, axis or 0))


@answers(np.clip)
def _clip(place, array, a_min, a_max):
    return np.minimum(np.maximum(array, a_min), a_max)


@answers(np.diag)
def _diag(place, array, k=0):
    if array.ndim == 2:
        return place.wrapped(place.xp.linalg.diagonal(array.array))
    return np.where(place.wrapped(place.xp.eye(len(array), dtype=place.xp.bool, device=place.device)), array, 0.0)


@answers(np.linalg.norm)
def _norm(place, vector):
    return np.sqrt(np.vdot(vector, vector))


@answers(np.linalg.cholesky)
def _cholesky(place, matrix):
    try:
        factor = place.xp.linalg.cholesky(matrix.array)
    except RuntimeError as error:  # that of PyTorch
        raise np.linalg.LinAlgError(str(error)) from error
    if not bool(place.xp.all(place.xp.isfinite(factor))):  # what CuPy says
        raise np.linalg.LinAlgError("The matrix is not positive definite.")
    return place.wrapped(factor)


@answers(np.linalg.eigh)
def _eigh(place, matrix):
    return tuple(map(place.wrapped, place.xp.linalg.eigh(matrix.array)))


@answers(np.linalg.solve)
def _solve(place, matrix, right):
    return place.wrapped(place.xp.linalg.solve(*_arrays(place, (matrix, right))))


@answers(np.result_type)
def _result_type(place, *operands):
    return np.result_type(*(operand.dtype if isinstance(operand, Placed) else operand for operand in operands))


@answers(np.einsum)
def _einsum(place, subscripts, *operands, dtype=None, out=None, optimize=False):
    dtype = common_dtype(operands) if dtype is None else np.dtype(dtype)
    result = einsum(place.xp, subscripts, *(place.array_of(operand, dtype) for operand in operands))
    if result is None:
        return on_host_instead(place, np.einsum, (subscripts, *operands), {"dtype": dtype})
    return place.wrapped(result)
