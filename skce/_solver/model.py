"""The model of F along a step: as it is of the far rows, quadratic of the others; and where it is the least.

With R the far rows, and a displacement s of the parameters from a point,

    model(s) = (gradient - gradient_R) . s + 1/2 s . (H - H_R) s + loss_R(point + s) - loss_R(point)

It is convex, and 0 at s = 0, so that its minimiser is a descent direction of F. Its rows are few, and in memory. L-BFGS
minimises it, in the coordinates of its own curvature, which is computed anew after a few iterations.
"""

import numpy as np

from skce._solver.curvature.exact import hessian_sums
from skce._solver.lbfgs import minimised_from

# A model is minimised until its decrement is this share of what it promises: what is left of its gradient loosens the
# certificate. On logs of connections a tighter one saves passes, 70 instead of 92 with 1e-3.
TOLERANCE = 1e-5

# Iterations of L-BFGS before the curvature is computed anew, and how often it is, at most.
ITERATIONS = 6
MOST_CURVATURES = 30

# Evaluations of a line search: saturated rows make the model a fold, which a longer search does not straighten.
EVALUATIONS_OF_SEARCH = 20

# Where not one iteration lowered the model, the next first step is this much shorter; where one did, longer again.
SHORTER, LONGER, SHORTEST = 1e-2, 10.0, 1e-12

# Added to the diagonal of H - H_R, relative to that of H: what a difference leaves in rounding may be negative.
ROUNDING_OF_DIFFERENCE = 1e-15


class Model:
    """The model at a ``point`` with a ``curvature``, as a function of reduced parameters, and its ``far`` rows."""

    def __init__(self, curvature, point, far):
        self.curvature = curvature
        self.point = point
        self.far = far
        self.hessian_sums, _ = hessian_sums(far.problem, curvature.standardisation)
        self.value_of_far, gradient_of_far = far.value_gradient(point.params)
        self.gradient = curvature.reduced_gradient(point.gradient - gradient_of_far)
        self.hessians = curvature.hessians - self._hessians_of_far(point.params)
        diagonals = np.einsum("fpp->fp", self.hessians)
        diagonals += ROUNDING_OF_DIFFERENCE * np.einsum("fpp->fp", curvature.hessians)
        self.n_sweeps = 2

    def __call__(self, reduced):
        """Value and gradient (f, p) at a displacement (f, p)."""
        curved = _products(self.hessians, reduced)
        params = self.point.params + self.curvature.displacement(reduced)
        value_of_far, gradient_of_far = self.far.value_gradient(params)
        self.n_sweeps += 1
        value = float((self.gradient * reduced).sum() + (reduced * curved).sum() / 2) + value_of_far - self.value_of_far
        return value, self.gradient + curved + self.curvature.reduced_gradient(gradient_of_far)

    def inverse_factors(self, reduced):
        """Inverse Cholesky factors (f, p, p) of the Hessians at a displacement (f, p)."""
        hessians = self._hessians_of_far(self.point.params + self.curvature.displacement(reduced))
        self.n_sweeps += 1
        return self.curvature.inverse_factors(self.hessians + hessians)

    def _hessians_of_far(self, params):
        moments, _ = self.hessian_sums(self.far.block, self.far.curvature(params))
        return self.curvature.assembled(moments / self.far.problem.total)


def minimiser_of(model):
    """Where a model is about the least, a displacement of the parameters, flat; and what it promises F to fall by."""
    lowest = _Lowest(model, np.zeros_like(model.gradient))
    factors, length = model.curvature.factors, 1.0
    for _ in range(MOST_CURVATURES):
        value = lowest.value
        _minimise_in(factors, lowest, length)
        if lowest.is_minimum(factors):
            break
        if lowest.value < value:
            length = min(length * LONGER, 1.0)
            factors = model.inverse_factors(lowest.reduced)
            if lowest.is_minimum(factors):
                break
        elif length > SHORTEST:
            length *= SHORTER
        else:
            break
    return model.curvature.displacement(lowest.reduced), -lowest.value


class _Lowest:
    """The ``reduced`` displacement (f, p) at which a ``model`` was seen to be the lowest."""

    def __init__(self, model, reduced):
        self.model = model
        self.reduced = reduced
        self.value, self.gradient = model(reduced)

    def evaluated(self, reduced):
        """Value and gradient of the model, remembered if it is the lowest."""
        value, gradient = self.model(reduced)
        if value < self.value:
            self.reduced, self.value, self.gradient = reduced, value, gradient
        return value, gradient

    def is_minimum(self, factors):
        """Whether the decrement by the inverse factors (f, p, p) of a curvature is next to nothing."""
        slope = _products(factors, self.gradient)
        return self.value < 0 and (slope**2).sum() / 2 <= TOLERANCE * -self.value


def _minimise_in(factors, lowest, length):
    """Lower a model by L-BFGS from its lowest point, whose first step has this length, in units of Newton's."""
    start, slope = lowest.reduced, _products(factors, lowest.gradient)
    unit = np.linalg.norm(slope)
    if not unit:
        return
    transposed = factors.transpose(0, 2, 1)
    slope_of_latest = None

    def value(coordinates):
        nonlocal slope_of_latest
        displacement = _products(transposed, coordinates.reshape(slope.shape) * (unit * length))
        model_value, gradient = lowest.evaluated(start + displacement)
        slope_of_latest = _products(factors, gradient).reshape(-1)
        return model_value / (unit**2 * length)

    def after_iteration(intermediate_result):
        if lowest.is_minimum(factors):
            raise StopIteration

    minimised_from(
        np.zeros(slope.size),
        value,
        lambda coordinates: slope_of_latest / unit,
        after_iteration,
        maxiter=ITERATIONS,
        maxls=EVALUATIONS_OF_SEARCH,
    )


def _products(matrices, vectors):
    """Products (f, p) of matrices (f, p, p) and vectors (f, p)."""
    return (matrices @ vectors[..., None])[..., 0]
