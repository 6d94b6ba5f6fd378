"""What NumPy's functions make of arrays of other libraries is what they make of its own."""

import numpy as np
import pytest
from scipy.special import xlogy

from skce._rows.array_api.arrays import DeviceArray, place_of
from skce._rows.array_api.einsum import einsum

A = np.random.default_rng(0).standard_normal((3, 4, 5))
CODES = np.array([3, 0, 0, 2])
MASK = np.array([True, False, True])

EXPRESSIONS = {
    "slice": lambda a: a[1:, ::2],
    "integer": lambda a: a[1],
    "last row": lambda a: a[-1, :, 2],
    "new axis": lambda a: a[:, None, 0],
    "ellipsis": lambda a: a[..., 1],
    "ellipsis and new axis": lambda a: a[..., None],
    "codes": lambda a: a[[2, 0]],
    "codes of an axis": lambda a: a[:, CODES],
    "codes of the last axis": lambda a: a[..., [4, 1]],
    "codes before the last axis": lambda a: a[..., CODES, :],
    "codes in two axes": lambda a: a[[0, 2], [1, 3]],
    "a matrix of codes": lambda a: a[np.array([[0, 1], [2, 0]])],
    "codes after an integer": lambda a: a[0, :, [1, 2]] if isinstance(a, DeviceArray) else a[0][:, [1, 2]],
    "mask": lambda a: a[MASK],
    "mask of an axis": lambda a: a[:, np.array([True, False, False, True])],
    "mask of two axes": lambda a: a[:, A[0] > 0],
    "mask of all": lambda a: a[a > 0],
    "backwards": lambda a: a[::-1, None, 1],
    "sum": lambda a: a.sum(),
    "sums in float64": lambda a: a.sum(axis=(0, 2), dtype=np.float64),
    "sum of booleans": lambda a: (a > 0).sum(axis=0),
    "mean": lambda a: a.mean(axis=1),
    "any": lambda a: (a > 2).any(axis=2),
    "all": lambda a: (a > -1).all(axis=-1),
    "argmax": lambda a: a.argmax(axis=1),
    "largest": lambda a: np.maximum.reduce(a, axis=0),
    "smallest, none above 0": lambda a: a.min(initial=0.0),
    "reduced": lambda a: np.add.reduce(a, axis=1, keepdims=True),
    "product": lambda a: np.multiply.reduce(a, axis=2),
    "norms": lambda a: np.sqrt(np.einsum("ijk,ijk->j", a, a)),
    "einsum of matrices": lambda a: np.einsum("okm,pkm->opk", a, a),
    "einsum of unlike ones": lambda a: np.einsum("ijk,jl->ikl", a, A[0]),
    "matmul": lambda a: a @ np.swapaxes(a, 1, 2),
    "matmul with NumPy's": lambda a: A[0, :, :3] @ np.moveaxis(a, 0, 0)[:, 0],
    "where": lambda a: np.where(a > 0, a, 0),
    "divided where": lambda a: np.divide(1, a, out=np.full_like(a, -1.0), where=a > 0),
    "copied where": lambda a: np.copyto(b := a.copy(), -a, where=a < 0) or b,
    "clipped": lambda a: np.clip(a, -1, 0.5),
    "stacked": lambda a: np.stack([a, 2 * a], axis=1),
    "joined": lambda a: np.concatenate([a, -a], axis=-1),
    "places": lambda a: np.flatnonzero(a[0] > 0),
    "dot": lambda a: np.vdot(a, a),
    "taken": lambda a: np.take(np.array([5.0, 6.0, 7.0]), a[:, 0].argmax(axis=0) % 3),
    "outer of another": lambda a: np.subtract.outer(a[0], A[0, 0]),
    "outer, given out": lambda a: np.multiply.outer(a[0, 0], a[1, 0], out=np.zeros_like(a, shape=(5, 5))),
    "norm": lambda a: np.linalg.norm(a[0, 0]),
    "counted": lambda a: np.count_nonzero(a * (a > 0)),
    "sorted": lambda a: np.sort(a, axis=1),
    "the largest": lambda a: np.sort(a[0, 0][np.argpartition(-a[0, 0], 2)[:2]]),
    "diagonal": lambda a: np.diag(a[0, :, :4]),
    "diagonal matrix": lambda a: np.diag(a[0, 0]),
    "integers and floats": lambda a: (a > 0).astype(np.int64) / 3 + a,
    "booleans less booleans": lambda a: (a > 0) * 1.5 - (a > 1),
    "power": lambda a: np.abs(a) ** 0.7,
    "outer": lambda a: np.multiply.outer(np.arange(3.0), a[0, 0]),
    "of scipy": lambda a: xlogy(a * a, a * a),
    "not of the standard": lambda a: np.cumsum(a, axis=1),
    "several results": lambda a: np.divmod(a, 0.5)[1],
    "like another": lambda a: np.ones_like(a, shape=(2,), dtype=np.float32),
    "broadcast": lambda a: np.broadcast_to(a[0, 0], (2, 5)),
    "one axis or two": lambda a: np.atleast_2d(a[0, 0]) + np.atleast_1d(a[0, 0, 0]),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_are_what_they_are_in_numpy(name, xp, dtype, rounding):
    expression, a = EXPRESSIONS[name], A.astype(dtype)
    expected, given = np.asarray(expression(a)), place_of(xp.asarray(a.copy())).lifted(a)
    result = expression(given)
    np.testing.assert_allclose(np.asarray(result), expected, rtol=10 * rounding, atol=10 * rounding)
    if isinstance(result, DeviceArray) and expected.ndim:
        assert result.shape == expected.shape
        assert result.dtype == expected.dtype


@pytest.mark.parametrize(
    "change",
    [
        lambda a, flat: np.exp(a, out=a),
        lambda a, flat: np.subtract(a, A, out=a),
        lambda a, flat: a.__isub__(A),
        lambda a, flat: a.__itruediv__(3),
        lambda a, flat: a.__setitem__(slice(1), 7.0),
        lambda a, flat: a.__setitem__(a > 1, 0.0),
        lambda a, flat: a.__setitem__((slice(None), 1), A[:, 2]),
        lambda a, flat: a.__setitem__(np.array([True, False, True]), 5.0),
        lambda a, flat: a.__setitem__((slice(None), CODES[:2]), 5.0),
        lambda a, flat: a.__setitem__([2, 0], A[:2]),
    ],
)
def test_what_is_written_is_seen_by_views(change, xp):
    expected, array = A.copy(), place_of(xp.asarray(A.copy())).lifted(A)
    for given in expected, array:
        change(given, given.reshape(-1))
    np.testing.assert_allclose(np.asarray(array.reshape(-1)), expected.reshape(-1), rtol=1e-14)


def test_what_is_written_to_an_array_of_numpy_is_there(xp):
    array, out = place_of(xp.asarray(A.copy())).lifted(A), np.zeros_like(A)
    np.multiply(array, 2, out=out, where=A > 0)
    np.testing.assert_array_equal(out, np.where(A > 0, 2 * A, 0))
    np.exp(array, out=out)
    np.testing.assert_allclose(out, np.exp(A), rtol=1e-14)


def test_sums_of_products_that_are_no_products_of_matrices_are_left_to_others(xp):
    array = xp.asarray(A[0])
    for subscripts, arrays in (("ii->i", [array]), ("ij,jk->k", [array, array]), ("ij,jk,kl->il", 3 * [array])):
        assert einsum(xp, subscripts, *arrays) is None


def test_it_says_what_it_is(xp):
    array = place_of(xp.asarray(A)).lifted(A)
    assert (array.shape, array.ndim, array.size, array.nbytes, len(array)) == ((3, 4, 5), 3, 60, 480, 3)
    assert array.T.shape == (5, 4, 3)
    assert float(array[0, 0, 0]) == A[0, 0, 0]
    assert [float(row[0, 0]) for row in array] == A[:, 0, 0].tolist()
    assert "DeviceArray" in repr(array)


def test_a_copy_in_numpy_shares_no_memory_with_it(xp):
    array = place_of(xp.asarray(A.copy())).lifted(A)
    np.array(array)[...] = 0
    np.testing.assert_array_equal(np.asarray(array), A)
