"""Lower triangles of many matrices, of which little else is kept: they take just over half of what the matrices would.

A triangle is cut into strips of rows, each as wide as its last row is long. In products the strips are the outer loop,
and of few numbers many triangles are multiplied at once: fewer calls, and half of the work, of whole matrices.
"""

import numpy as np

from skce._slices import row_slices

# Strips of a triangle: they keep 1/32 of a matrix, besides its half.
STRIPS = 16

# Numbers of triangles that are multiplied at once, in the cache. From 10 classes of 785 to 2446 of 65, products took
# 0.8 to 1.2 times those of whole matrices with 2^15, and 0.6 to 1.6 with 2^17.
NUMBERS_AT_ONCE = 2**15


class LowerTriangles:
    """Lower triangles, ``n`` of (p, p), in float32, whose products are in float64."""

    # What products multiply by.
    multiplied = ("numbers",)

    def __init__(self, n, size):
        self.strips, self.places = row_slices(size, -(-size // STRIPS)), []
        n_numbers = 0
        for strip in self.strips:
            first, n_numbers = n_numbers, n_numbers + (strip.stop - strip.start) * strip.stop
            self.places.append(slice(first, n_numbers))
        self.numbers = np.empty((n, n_numbers), dtype=np.float32)

    def keep(self, index, matrix):
        """Keep a matrix (p, p), of which what is above the diagonal is zero, as the one of that index."""
        for strip, place in zip(self.strips, self.places, strict=True):
            self.numbers[index, place] = matrix[strip, : strip.stop].ravel()

    def products(self, vectors):
        """Each triangle times its vector, of ``vectors`` (n, p)."""
        multiplied = np.empty_like(vectors, order="C")
        for strip, of_strip, at in self._pieces():
            multiplied[at, strip] = (of_strip @ vectors[at, : strip.stop, None])[:, :, 0]
        return multiplied

    def transposed_products(self, vectors):
        """Each triangle, transposed, times its vector, of ``vectors`` (n, p)."""
        multiplied = np.zeros_like(vectors, order="C")
        for strip, of_strip, at in self._pieces():
            multiplied[at, : strip.stop] += (vectors[at, None, strip] @ of_strip)[:, 0]
        return multiplied

    def _pieces(self):
        """Yield, of each strip, its rows, those of some triangles (m, rows, columns), and the slice of these."""
        for strip, place in zip(self.strips, self.places, strict=True):
            shape = (-1, strip.stop - strip.start, strip.stop)
            for at in row_slices(len(self.numbers), max(NUMBERS_AT_ONCE // (shape[1] * shape[2]), 1)):
                yield strip, self.numbers[at, place].astype(np.float64).reshape(shape), at
