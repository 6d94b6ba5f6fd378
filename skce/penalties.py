"""Penalties on the coefficients, which the objective adds to the mean loss.

A penalty is what :class:`skce.penalties.Penalty` asks for. ``C`` of the estimators stands for a ridge of 1 / (C S) with
S the total weight of the targets, so that the penalty is ||coef||^2 / (2 C S).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skce._checks import check_number
from skce._types import Array, Penalty

__all__ = ["Penalty", "Ridge"]


@dataclass(frozen=True)
class Ridge:
    """Ridge penalty, ``ridge / 2 * ||coef||^2``: what ``C`` of the estimators stands for.

    Parameters
    ----------
    ridge : float
        Its curvature in each coefficient, at least 0; 0 is no penalty.

    Raises
    ------
    ValueError
        If ridge is not a number of at least 0.

    References
    ----------
    Hoerl and Kennard (1970), "Ridge regression: biased estimation for nonorthogonal problems", Technometrics 12.

    Examples
    --------
    >>> import numpy as np
    >>> from skce.penalties import Ridge
    >>> Ridge(0.5).value(np.array([[1.0, -1.0], [2.0, 0.0]]))
    1.5
    """

    ridge: float

    # The mean over the classes of each column's coefficients costs, and predicts nothing.
    is_shift_averse = True
    is_rotation_invariant = True

    def __post_init__(self) -> None:
        check_number("ridge", self.ridge, lambda ridge: 0 <= ridge < np.inf, "a finite number of at least 0")

    @property
    def is_zero(self) -> bool:
        """Whether there is no penalty."""
        return self.ridge == 0

    def value(self, coef: Array) -> float:
        """Return the penalty on coefficients.

        Parameters
        ----------
        coef : ndarray of shape (n_features, n_outputs)
            Coefficients, an output a column.

        Returns
        -------
        float
        """
        return float(self.ridge / 2 * np.vdot(coef, coef))

    def value_by_output(self, coef: Array) -> Array:
        """Return the penalty of each output.

        Parameters
        ----------
        coef : ndarray of shape (n_features, n_outputs)
            Coefficients, an output a column.

        Returns
        -------
        ndarray of shape (n_outputs,)
        """
        return self.ridge / 2 * np.einsum("dk,dk->k", coef, coef)

    def gradient(self, coef: Array, out: Array) -> Array:
        """Return the gradient, ``ridge * coef``.

        Parameters
        ----------
        coef : ndarray of shape (n_features, n_outputs)
            Coefficients, an output a column.
        out : ndarray of the same shape
            Where to write it.

        Returns
        -------
        ndarray of the same shape
            ``out``.
        """
        return np.multiply(coef, self.ridge, out=out)

    def conjugate(self, gradient: Array) -> float:
        """Return the convex conjugate, the largest of ``<gradient, coef> - value(coef)``, for a ridge above 0.

        It bounds how far a convex objective is above its minimum where its gradient by the coefficients is ``gradient``
        and that by what is not penalised is 0.

        Parameters
        ----------
        gradient : ndarray of shape (n_features, n_outputs)
            The gradient by the coefficients.

        Returns
        -------
        float
        """
        return float(np.vdot(gradient, gradient) / (2 * self.ridge))
