"""Slices of rows whose numbers stay in the cache."""

# Numbers of a block that are computed elementwise: they should stay in the cache, yet keep calls rare. Threads hand the
# interpreter's lock to each other between calls, so that they need fewer still.
ELEMENTS_PER_BLOCK = 2**15

ROWS_PER_BLOCK = 128


def row_slices(n_rows, step):
    """Slices of ``step`` rows, the last of what is left."""
    return [slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step)]
