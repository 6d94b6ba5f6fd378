"""Warnings at the line that called into the package, from however deep within it."""

import inspect
import os
import warnings
from pathlib import Path

PACKAGE = str(Path(__file__).parents[1]) + os.sep


def warn_caller(message: str) -> None:
    """Warn of a message at the innermost line that is not the package's."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level)
