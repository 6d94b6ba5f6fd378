"""Whether a minimisation is over: by a certificate or, where there is none, by an estimate that can be believed.

A curvature of some iterations ago, or one that stands in for the Hessian, may promise next to nothing where much is to
be gained: along a direction that it curves and F does not. So what a stage believes is looked into. Conjugate gradients
solve for Newton's step with the Hessian at the point itself. The dual bound of that step is a certificate. Half of what
its slope promises is an estimate, which is right to a factor 1.23 if the step changes the logits of no row by a range
of more than 1/2; of rows that it moves further, what they gain or would at their rate is added.
"""

import numpy as np

from skce._solver.certificate import bound_after, certified_gap, has_dual_bound
from skce._solver.conjugate_gradients import least_residual_step, newton_step
from skce._solver.far_rows import change_of_far_rows

# How often a step is tried for a certificate.
MOST_CERTIFICATES = 2

# A step that leads lower is taken again and again, so much longer.
LONGER = 4.0


def is_at_minimum(descent, curvature, fresh_curvature, tol):
    """Whether the best point, or where a step leads from it, is within ``tol`` of the minimum, relative to F.

    If not, that step has been taken. Sets the bound of the gap, and the estimate. ``curvature`` will do for a
    certificate; an estimate needs that of the best point, which ``fresh_curvature()`` returns.
    """
    if _is_proven(descent, curvature, tol):
        return True
    fresh = fresh_curvature()
    if not _is_believed(descent, fresh, tol):
        return False
    _is_proven(descent, fresh, tol)  # by what curves at the end; what is believed is over all the same
    return True


def _is_proven(descent, curvature, tol):
    """Whether there is a certificate, which takes the place of the estimate."""
    if not (has_dual_bound(descent.objective.problem) and _is_certified(descent, curvature, tol)):
        return False
    descent.suboptimality = descent.gap_bound / max(abs(descent.best.value), descent.objective.resolution)
    return True


def _is_certified(descent, curvature, tol):
    """Whether the dual bound of a step proves it."""
    if curvature.is_exact:
        descent.gap_bound = certified_gap(descent, curvature, tol * abs(descent.best.value))
        if descent.gap_bound <= tol * abs(descent.best.value):
            return True
    for _ in range(MOST_CERTIFICATES):
        point, target = descent.best, tol * abs(descent.best.value)
        step = least_residual_step(descent, curvature, target)
        if step is None:
            return False
        descent.gap_bound = bound_after(descent, step, tol)
        is_proven = descent.gap_bound <= tol * abs(descent.best.value)
        if is_proven or descent.best is point:
            return is_proven
    return False


def _is_believed(descent, curvature, tol):
    """Whether the decrement of Newton's step says so, and the step moves no row far."""
    problem, start = descent.objective.problem, descent.best
    step, gain = newton_step(descent, curvature, tol * abs(start.value))
    if np.isfinite(gain):
        descent.n_passes += 1
        gain += change_of_far_rows(problem, start.params, step)
        descent.suboptimality = _estimate(descent, step, gain)
        if descent.suboptimality <= tol:
            if descent.gap_bound is None:
                descent.gap_bound = certified_gap(descent, curvature, tol * abs(start.value))
            return True
    length = 1.0
    while descent.evaluated(start.params + length * step) is descent.best:
        length *= LONGER
    return False


def _estimate(descent, step, gain):
    """Estimated suboptimality of the best point, of separate problems the largest, where a step is to gain so much."""
    problem, point = descent.objective.problem, descent.best
    if not problem.are_separate:
        return gain / max(abs(point.value), descent.objective.resolution)
    gains = -(point.gradient * step).reshape(problem.shape).sum(axis=0) / 2
    # What is no decrement, but what is left of the equation or far rows change, may be of any of them.
    gains += gain - gains.sum()
    return descent.relative(gains) / descent.correction
