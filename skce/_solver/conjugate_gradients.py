"""Conjugate gradients on H s = -gradient, for a certificate where the Hessian itself is too dear.

Each iteration costs a pass, which multiplies the Hessian of cross-entropy by a step, row by row. In the coordinates of
a curvature few are enough. What is left of the equation by the coefficients, r, is what loosens the dual bound of the
step: by the conjugate of the penalty at r.
"""

import numpy as np

# Iterations at most, or as a share of the passes that the fit has taken; and after how many the rate has to promise an
# end within these. Where many columns depend on each other the first six promise nothing, and 10 to 20 are enough.
MOST_ITERATIONS, SHARE_OF_PASSES = 30, 0.5
ITERATIONS_TO_JUDGE = 20


def newton_step(descent, curvature, target):
    """A step (p,) whose residual loosens the dual bound by ``target`` at most; None if that would take too long."""
    problem = descent.objective.problem
    if not target > 0:
        return None
    hessian = _hessian_at(problem, descent.best.params)
    residual = -descent.best.gradient
    slope = curvature.pull_back(residual)
    step, direction = np.zeros_like(residual), slope
    most = max(MOST_ITERATIONS, SHARE_OF_PASSES * descent.n_passes)
    square, looseness = slope @ slope, [_looseness(problem, residual)]
    while looseness[-1] > target:
        n_iterations = len(looseness) - 1
        if n_iterations >= ITERATIONS_TO_JUDGE and _iterations_left(looseness, target) > most - n_iterations:
            return None
        move = curvature.to_params(direction)
        curved = hessian(move)
        descent.n_passes += 1
        curvature_along = move @ curved
        if not curvature_along > 0:
            return None
        length = square / curvature_along
        step += length * move
        residual = residual - length * curved
        slope = curvature.pull_back(residual)
        last, square = square, slope @ slope
        direction = slope + square / last * direction
        looseness.append(_looseness(problem, residual))
    return step


def _hessian_at(problem, params):
    """The function of a step (p,) that returns the Hessian of F times it (p,)."""
    rows = problem.rows.multiplied_in(np.float64, problem.rows.shift)
    coef, intercept = problem.split(params)
    row_loss, n_features = problem.row_loss, problem.rows.shape[1]

    def product(step):
        coef_step, intercept_step = problem.split(step)

        def program(block):
            curvature = row_loss.curvature(block.logits(coef, intercept), block.targets, block.at)
            moved = curvature.product(block.logits(coef_step, intercept_step))
            return block.pull_back(moved), moved.sum(axis=1)

        by_coef, by_intercept = rows.summed(program)
        curved = np.empty(problem.shape)
        curved[:n_features] = by_coef / problem.total + problem.penalty.ridge * coef_step
        if problem.fit_intercept:
            curved[-1] = by_intercept / problem.total
        return curved.reshape(-1)

    return product


def _looseness(problem, residual):
    """What a residual (p,) adds to a dual bound."""
    return problem.penalty.conjugate(problem.split(residual)[0])


def _iterations_left(looseness, target):
    """Iterations to the target at the rate of the last half of those that were."""
    half = len(looseness) // 2
    fall = np.log(looseness[-1 - half] / looseness[-1]) / half
    return np.log(looseness[-1] / target) / fall if fall > 0 else np.inf
