"""NumPy's ufuncs by the array API standard: elementwise functions, in place and not, and their reductions.

Operands are promoted by NumPy's rules first, so that the library's own, which differ, have nothing to decide.
"""

import operator

import numpy as np

from skce._rows.array_api.host import on_host_instead
from skce._rows.array_api.places import Placed

OPERATORS = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "floor_divide": operator.floordiv,
    "remainder": operator.mod,
    "power": operator.pow,
    "matmul": operator.matmul,
    "negative": operator.neg,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
    "bitwise_and": operator.and_,
    "bitwise_or": operator.or_,
    "bitwise_xor": operator.xor,
    "invert": operator.invert,
}

IN_PLACE = {
    "add": operator.iadd,
    "subtract": operator.isub,
    "multiply": operator.imul,
    "divide": operator.itruediv,
}

# Names in the standard of those that have another in NumPy, and of those that have the same.
FUNCTIONS = {
    "absolute": "abs",
    **{
        name: name
        for name in (
            *("exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "square", "sign", "floor", "ceil", "reciprocal"),
            *("sin", "cos", "tan", "sinh", "cosh", "tanh", "arctan", "isfinite", "isnan", "isinf"),
            *("maximum", "minimum", "logaddexp", "logical_and", "logical_or", "logical_not", "logical_xor"),
        )
    },
}
FUNCTIONS["arctan"] = "atan"

# Those that take integers to floats.
OF_FLOATS = {
    *("divide", "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "logaddexp", "reciprocal"),
    *("sin", "cos", "tan", "sinh", "cosh", "tanh", "arctan"),
}
LOGICAL = {"logical_and", "logical_or", "logical_not", "logical_xor"}

REDUCTIONS = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}


def applied(place, ufunc, method, inputs, options):
    """What a ufunc, or a method of it, makes of inputs of which one at least is at a place."""
    out = options.pop("out", None)
    out = out[0] if isinstance(out, tuple) else out
    name = ufunc.__name__
    if method == "__call__" and (name in OPERATORS or name in FUNCTIONS):
        return _called(place, name, inputs, out, **options)
    if method == "outer":
        first, second = inputs
        first = first.reshape(*first.shape, *(1,) * second.ndim)
        return applied(place, ufunc, "__call__", (first, second), options | ({} if out is None else {"out": out}))
    if method == "reduce" and name in REDUCTIONS and out is None:
        (array,) = inputs
        return _reduced(place, name, array, **options)
    result = on_host_instead(place, getattr(ufunc, method), inputs, options)
    return result if out is None else write(place, place.array_of(result, out.dtype), out)


def _called(place, name, inputs, out, dtype=None, where=True, casting=None, order=None):
    """An elementwise function or a product of inputs, written to ``out`` where that is given."""
    dtype = common_dtype(inputs) if dtype is None else np.dtype(dtype)
    if name in OF_FLOATS and dtype.kind != "f":
        dtype = np.dtype(np.float64)
    if name in LOGICAL:
        dtype = np.dtype(bool)
    if name in IN_PLACE and out is inputs[0] and where is True and out.dtype == dtype:
        out.array = IN_PLACE[name](out.array, _operand(place, inputs[1], dtype))
        return out
    if name in OPERATORS:
        operands = [_operand(place, value, dtype) for value in inputs]
        if not any(hasattr(operand, "shape") for operand in operands):  # numbers of NumPy, of a dtype that counts
            operands[0] = place.array_of(inputs[0], dtype)
        result = OPERATORS[name](*operands)
    else:
        operands = [place.array_of(value, dtype) for value in inputs]
        function = getattr(place.xp, FUNCTIONS[name])
        if isinstance(out, Placed) and place.takes_out and where is True and out.dtype == dtype:
            function(*operands, out=out.array)
            return out
        result = function(*operands)
    return place.wrapped(result) if out is None else write(place, result, out, where)


def _operand(place, value, dtype):
    """An operand of an operator: numbers of Python stay what they are, but for those that the library would not mix."""
    if isinstance(value, bool | int | float):
        return float(value) if dtype.kind == "f" else value
    return place.array_of(value, dtype)


def write(place, result, out, where=True):
    """``out``, with a result of the library written to it, everywhere or where a condition holds."""
    if isinstance(out, np.ndarray):  # which the program has made on the host
        np.copyto(out, np.asarray(place.wrapped(result)), casting="same_kind", where=np.asarray(where))
        return out
    result = place.array_of(place.wrapped(result), out.dtype)
    if where is not True:
        result = place.xp.where(place.array_of(where, np.dtype(bool)), result, out.array)
    out.array[...] = result
    return out


def _reduced(place, name, array, axis=0, dtype=None, keepdims=False, initial=None, where=True):
    """A reduction along an axis, several or, for None, all."""
    options = {"axis": axis, "keepdims": keepdims}
    if name in ("add", "multiply"):
        if dtype is None:
            dtype = array.dtype if array.dtype.kind == "f" else np.dtype(np.int64)
        if array.dtype.kind == "b":
            array = array.astype(dtype)
        options["dtype"] = place.own_dtypes[np.dtype(dtype)]
    elif initial is not None and not array.array.shape[axis if axis is not None else 0]:
        return place.wrapped(place.array_of(initial, array.dtype))
    return place.wrapped(getattr(place.xp, REDUCTIONS[name])(array.array, **options))


def common_dtype(inputs):
    """The dtype that NumPy promotes inputs to."""
    dtypes = {value.dtype for value in inputs if hasattr(value, "dtype")}
    if len(dtypes) == 1:
        (dtype,) = dtypes
        if dtype.kind == "f":
            return dtype
    return np.result_type(*(value.dtype if hasattr(value, "dtype") else value for value in inputs))
