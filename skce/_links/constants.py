"""Outputs without an optimum, whose logits are constants: classes without mass, labels that have one outcome."""

import numpy as np


def unreachable_intercepts(mass, eps, lowest_score):
    """The intercept that keeps classes without mass (k,) below eps together on every row.

    ``lowest_score()`` is the lowest, of all rows, of the largest log score of a row, from which probabilities come.
    """
    return lowest_score() + np.log(eps / (2 * len(mass)))


def certain_intercepts(mass, eps):
    """Intercepts (k,) of labels that always occur, where they have mass (k,), or never do: that outcome up to eps."""
    certain = np.log(2 / eps)
    return np.where(mass > 0, certain, -certain)


def constant_intercepts(mass, eps, lowest_score):
    """Intercepts of outputs that are not optimised: unreachable, but if one of them has all mass certain."""
    return certain_intercepts(mass, eps) if mass.any() else unreachable_intercepts(mass, eps, lowest_score)
