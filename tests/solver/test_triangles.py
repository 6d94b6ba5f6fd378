"""Lower triangles, kept in strips: their products are those of the matrices, and they take little more than half."""

import numpy as np
import pytest

from skce._solver.curvature import triangles
from skce._solver.curvature.triangles import LowerTriangles


@pytest.mark.parametrize("numbers_at_once", [1, 200, 2**15])
@pytest.mark.parametrize("size", [1, 2, 16, 17, 65])
def test_products_are_those_of_the_matrices(size, numbers_at_once, rng, monkeypatch):
    monkeypatch.setattr(triangles, "NUMBERS_AT_ONCE", numbers_at_once)
    matrices = np.tril(rng.standard_normal((7, size, size))).astype(np.float32)
    kept = LowerTriangles(len(matrices), size)
    for index, matrix in enumerate(matrices):
        kept.keep(index, matrix)
    vectors = rng.standard_normal((7, size))
    expected = np.einsum("nij,nj->ni", matrices.astype(float), vectors)
    transposed = np.einsum("nji,nj->ni", matrices.astype(float), vectors)
    np.testing.assert_allclose(kept.products(vectors), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(kept.transposed_products(vectors), transposed, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [65, 500])
def test_little_above_the_diagonal_is_kept(size):
    assert LowerTriangles(3, size).numbers.size < 3 * size**2 * 0.55
