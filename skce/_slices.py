"""Slices of rows whose numbers stay in the cache."""

# Numbers of a block that are computed elementwise: 256 kB of float64 stay in the cache, yet keep calls of NumPy rare.
ELEMENTS_PER_BLOCK = 2**15

# Rows of a block at least: fewer leave products too thin for BLAS.
ROWS_PER_BLOCK = 128


def row_slices(n_rows, step):
    """Slices of ``step`` rows, the last of what is left."""
    return [slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step)]
