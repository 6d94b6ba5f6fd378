"""Pickles: which version they are of, and where those of 0.1.0 find what has moved since.

A pickle, or a file of skops, holds parameters, arrays and losses: public types and nothing else, and the version.
"""

import sys
import warnings
from types import ModuleType
from typing import Any

# How many minor versions after its own read a pickle.
LATER_MINOR_VERSIONS = 2

# The attribute by which models of 0.1.0 hold a private object: how their fit bends probabilities.
RECOVERY_OF_0_1 = "_recovery"


def stamped(state: dict[str, Any], version: str) -> dict[str, Any]:
    """A state to be pickled, with the version of skce."""
    return {**state, "_skce_version": version}


def checked(state: dict[str, Any], name: str, version: str) -> dict[str, Any]:
    """A state that was pickled, as this version has it; a warning if another minor version has made it."""
    state = dict(state)
    of_pickle = state.pop("_skce_version", "0.1.0")
    if of_pickle.split(".")[:2] != version.split(".")[:2]:
        what_it_does = (
            "it predicts what it did, but later versions may not read it. Fit it again when you can."
            if _is_promised(of_pickle, version)
            else "it may not work, or predict something else. Fit it again, or install the version that has made it."
        )
        warnings.warn(
            f"This {name} was pickled by skce {of_pickle}, and is read by {version}: {what_it_does}",
            UserWarning,
            stacklevel=3,
        )
    recovery = state.pop(RECOVERY_OF_0_1, None)
    if recovery is not None:
        state["_fitted_loss"] = recovery.loss
        state["_fitted_smoothing"] = recovery.label_smoothing
        state["_log_weight"] = recovery.log_weight
    return state


def _is_promised(of_pickle: str, version: str) -> bool:
    """Whether a version has to read pickles of another one: docs/stability.md says which."""
    try:
        (major, minor), (major_now, minor_now) = (map(int, text.split(".")[:2]) for text in (of_pickle, version))
    except ValueError:
        return False  # no version of ours
    return major == major_now and 0 <= minor_now - minor <= LATER_MINOR_VERSIONS


def keep_names_of_0_1(**modules: ModuleType) -> None:
    """Let pickles of 0.1.0 find what was in its private modules where that has moved to."""
    sys.modules.update({f"skce.{name}": module for name, module in modules.items()})
