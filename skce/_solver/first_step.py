"""The first step where it takes no Hessian: from coefficients of zero, along columns that hardly depend on each other.

There all rows of one logit curve F alike, so that H is about diagonal in centred columns, unless these depend on each
other: what H curves along the first of the conjugate gradients on H s = -gradient tells. A pass each, two or three of
them are as good as Newton's step, and the Hessian, which takes as long as ten, can wait for where that leads.
"""

import numpy as np

# Length of an iteration, in units of the diagonal, below which a Hessian is taken: of indicators, skewed and Gaussian
# numbers it is 0.65 to 1.1, of columns that follow three factors or their neighbours 0.03 to 0.07 at once. On 13 tables
# of 600 to 4,000 x 60 to 120, C = 0.01, 1 and 100, fits that took no Hessian there took 0.73 to 0.99 of the time, but
# for one of 1.04; those that looked in vain 1.02 to 1.03.
LEAST_LENGTH = 0.5

# What is left of the square of the slope, in these units, where the step is good enough; and iterations at most.
LITTLE_LEFT, MOST_ITERATIONS = 5e-3, 3


def step_from_zero(descent):
    """About Newton's step (p,) from the best point of ``descent``, of one logit at zero; None if it takes a Hessian."""
    problem = descent.objective.problem
    if problem.rows.targets.link.is_multilabel:  # whose rows weigh what their labels do
        return None
    gradient, _ = problem.split(descent.best.gradient)
    _, intercept = problem.split(descent.best.params)
    mean, variance, ridge = problem.moments.mean, problem.moments.variance, problem.penalty.ridge
    curvature = 1 / (2 + 2 * np.cosh(float(intercept[0])))
    diagonal = curvature * variance + ridge
    residual = -gradient[:, 0]
    step, direction = np.zeros_like(residual), residual / diagonal
    squares = [float(residual @ direction)]
    while squares[-1] > LITTLE_LEFT * squares[0] and len(squares) <= MOST_ITERATIONS:
        curved = curvature * _covariances(problem, direction) + ridge * direction
        descent.n_passes += 1
        length = squares[-1] / float(direction @ curved)
        if not length >= LEAST_LENGTH:
            return None
        step += length * direction
        residual = residual - length * curved
        slope = residual / diagonal
        squares.append(float(residual @ slope))
        direction = slope + squares[-1] / squares[-2] * direction
    return np.append(step, -(mean @ step)) if problem.fit_intercept else step


def _covariances(problem, direction):
    """Weighted covariances (d,) of the columns with the sum of these, centred, times a direction (d,)."""
    coef = direction[:, None]
    of_mean = -(problem.moments.mean @ coef)

    def program(block):
        moved = block.logits(coef, of_mean)
        weight = block.targets.row_weight_like(moved, block.at)
        if weight is not None:
            moved *= weight
        return (block.pull_back(moved),)

    (sums,) = problem.rows.summed(program)
    return sums[:, 0] / problem.total
