"""The columns of predicted probabilities, which go by the classes of the model, be they sorted or not."""

from __future__ import annotations

from typing import Any

import numpy as np

from skce._labels.reading import has_columns
from skce._types import Array


def sorted_columns(classes: Array, y: Any) -> Array | slice:
    """Places (K,) of columns in sorted order of their ``classes`` (K,), or all as they are.

    They stay as they are if y is an array of soft labels, which has no names to sort its columns by: what reads y
    refuses classes that are not sorted.
    """
    order = np.argsort(classes, kind="stable")
    is_sorted = np.array_equal(order, np.arange(len(classes)))
    # Not copied if sorted: a copy may be laid out otherwise, and be summed in another order.
    return slice(None) if is_sorted or (has_columns(y) and not hasattr(y, "columns")) else order
