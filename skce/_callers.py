"""Warnings at the line that called into the package, from however deep within it."""

import inspect
import os
import warnings
from pathlib import Path

PACKAGE = str(Path(__file__).parent) + os.sep


def warn_caller(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line that called the package, which may have called others that called it again."""
    frame, level, level_of_caller = inspect.currentframe(), 0, 2
    while frame is not None:
        frame, level = frame.f_back, level + 1
        if frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
            level_of_caller = level + 2
    warnings.warn(message, category, stacklevel=level_of_caller)
