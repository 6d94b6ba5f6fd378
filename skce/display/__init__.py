"""Pictures of losses, convergence, coefficients, influence and reliability, by scikit-learn's Display protocol.

A class method ``from_*`` computes what is shown and draws it; ``plot(ax=None)`` draws it again, elsewhere. Afterwards
``ax_`` and ``figure_`` are what was drawn on. They need matplotlib, which is imported when something is drawn.
"""

from skce.display.coefficients import CoefficientDisplay
from skce.display.convergence import ConvergenceDisplay
from skce.display.influence import InfluenceDisplay
from skce.display.losses import LossDisplay
from skce.display.path import PathDisplay
from skce.display.reliability import ReliabilityDisplay

__all__ = [
    "CoefficientDisplay",
    "ConvergenceDisplay",
    "InfluenceDisplay",
    "LossDisplay",
    "PathDisplay",
    "ReliabilityDisplay",
]
