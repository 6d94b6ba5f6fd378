"""True second derivatives: a loss whose curvature is no stand-in, and the Hessian of all rows."""

from dataclasses import dataclass

from skce._solver.curvature.exact import ExactCurvature, hessian_sums
from skce._solver.objective import LinearObjective
from skce._solver.standardisation import Standardisation
from skce._types import RowLoss


@dataclass(frozen=True)
class BySecondDerivative:
    """A ``row_loss`` whose curvature is its second derivative, and no stand-in for it."""

    row_loss: RowLoss

    has_exact_curvature = True
    dual_point = moved_dual_point = departures = dual_sums = derivatives = of_many_fits = None

    @property
    def is_convex(self):
        """As of the loss."""
        return self.row_loss.is_convex

    def losses_gradient(self, logits, block):
        """As of the loss."""
        return self.row_loss.losses_gradient(logits, block)

    def values_gradient(self, logits, targets, at):
        """As of the loss."""
        return self.row_loss.values_gradient(logits, targets, at)

    def curvature(self, logits, targets, at):
        """The second derivatives."""
        return self.row_loss.second_derivative(logits, targets, at)


def exact_curvature(problem, params, standardisation=None):
    """The ExactCurvature of all rows at some parameters, in the columns of a standardisation, or its own for None."""
    objective, standardisation = LinearObjective(problem), standardisation or Standardisation.of(problem)
    function, width = hessian_sums(problem, standardisation)
    _, _, sums = objective.with_curvature_sums(params, function, width)
    return ExactCurvature(objective, params, standardisation, sums)
