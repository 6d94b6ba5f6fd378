"""What has no finite estimate where classes are separated: along which directions, and coefficients of what sign.

The log-likelihood comes to its supremum along all directions that raise every constraint a_i of a Recession without
bound, among the ``unseen`` ones. A coefficient f grows along all of them exactly if f is a sum of the a_i with weights
of at least 0: then it is infinite. If neither f nor -f is one, the likelihood comes to its supremum with any f.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skce._solver.separation import LEAST_COEF, Recession, signs_of
from skce._types import Array
from skce.inference.optimum import Optimum


@dataclass(frozen=True, eq=False)
class Infinite:
    """Directions ``unseen`` (r, k, p) of theta, in units in which a column's spread is 1, of all ``recessions``."""

    unseen: Array
    recessions: Sequence[Recession]

    @property
    def takes_part(self) -> Array:
        """Whether a parameter (k, p) of theta has no finite estimate."""
        sizes = np.abs(self.unseen).max(axis=0, initial=0)
        return sizes > LEAST_COEF * sizes.max()

    def signs(self, contrasts: Array) -> tuple[Array, bool]:
        """Signs (c, p) of the coefficients of ``contrasts`` (c, k): 0 of finite ones, NaN where none is determined.

        Returned as well is whether all were looked for, however many rows and columns there are.
        """
        shape = (len(contrasts), self.unseen.shape[2])
        if not len(self.unseen):
            return np.zeros(shape), True
        moves = np.einsum("ck,rkp->cpr", contrasts, self.unseen).reshape(-1, len(self.unseen))
        is_finite = np.abs(moves).max(axis=1) <= LEAST_COEF * np.abs(self.unseen).max()
        signs, start, are_all_sought = np.zeros(len(moves)), 0, True
        for one in self.recessions:
            own = moves[:, start : start + len(one.unseen)]
            start += len(one.unseen)
            takes_part = np.flatnonzero(~is_finite & (np.abs(own).max(axis=1) > 0))
            signs[takes_part], is_left = signs_of(one, own[takes_part])
            are_all_sought &= not is_left.any()
        return signs.reshape(shape), are_all_sought


def infinite_of(optimum: Optimum) -> tuple[Infinite, Array]:
    """The Infinite of an Optimum, and its directions (r, k, p) of the parameters about the mean of X."""
    problem, curvature = optimum.problem, optimum.curvature
    n_columns, n_outputs = problem.shape
    found = [(output, one) for output, one in enumerate(optimum.recessions or []) if one is not None]
    if not found:
        none = np.zeros((0, n_outputs, n_columns))
        return Infinite(none, []), none

    def flat(reduced: Array, output: int) -> Any:
        if problem.are_separate:
            by_class = np.zeros((*reduced.shape[:-1], n_outputs))
            by_class[..., output] = reduced[..., 0]
        else:
            by_class = curvature.classes.expanded(reduced).copy()
        params = curvature.standardisation.to_params(by_class)
        return params.reshape(*params.shape[:-2], -1)

    # In units in which a column's spread is 1, so that what is small can be told from rounding.
    scale = np.append(np.ones(int(problem.fit_intercept)), curvature.standardisation.scale)
    directions = np.concatenate([flat(one.unseen, output) for output, one in found])
    unseen = Infinite(scale * optimum.theta(directions), [one for _, one in found])
    return unseen, optimum.theta(directions, optimum.mean)
