"""Newton's step by conjugate gradients on H s = -gradient, where the Hessian itself is too dear.

Each iteration costs a pass, which multiplies the Hessian by a move, row by row, or takes a difference of gradients if
the loss is not cross-entropy. In the coordinates of a curvature few are enough. Two ends are served:

    a certificate    What is left of the equation by the coefficients loosens the dual bound of a step, by the conjugate
                     of the penalty. So the step is the one, of all that the moves span, that leaves the least.
    an estimate      F falls by half of -gradient . s along the step s of the moves, and at most by what is left in the
                     coordinates of the curvature, over the smallest ratio of Hessian and curvature that was seen.
"""

from collections import deque

import numpy as np

from skce._solver.curvature.directions import diagonal_of
from skce._solver.curvature.weighted_diagonal import WeightedDiagonalCurvature
from skce._solver.objective import LinearObjective

# Iterations at most, for a certificate or as a share of the passes that the fit has taken; and after how many the rate
# has to promise an end within these. Where columns depend on each other the first ten promise nothing.
MOST_ITERATIONS, SHARE_OF_PASSES = 30, 0.5
ITERATIONS_TO_JUDGE = 20

# The share of the target that a residual r = -g - H s may loosen the dual bound by; and the share of it that the bound
# of the quadratic, s H s / 2 + r s + the conjugate of r, may come to. Where columns are many and sparse most iterations
# go into the last digit of the residual: words by Zipf's law, tol = 1e-7, took 554 passes and not 388.
SHARE_OF_RESIDUAL, SHARE_OF_TARGET = 0.2, 0.8

# Numbers that the moves take, of which only the last are kept where they are long (32 MB); and how many are kept
# whatever they take, 16 vectors, which is about what L-BFGS has just had: with one, tf-idf of 20 groups, C = 10, took
# 107 passes and was not certified, instead of 65.
NUMBERS_OF_MOVES = 2**22
LEAST_MOVES = 8

# An estimate has settled when what is left of it is this share of it, or of what it is to be compared with; and when
# what is left in the coordinates is this share of all: until then a direction that H hardly curves may be hidden.
SHARE_LEFT = 0.1
SHARE_OF_SQUARE = 1e-6

# Length of the displacement, in the coordinates, over which gradients are differenced: rows then change their logits by
# about so much, and rounding leaves nine digits of that.
DIFFERENCE = 1e-6


def least_residual_step(descent, curvature, target):
    """A step (p,) whose dual bound should be no more than ``target``; None if that would take too long."""
    if not target > 0:
        return None
    problem = descent.objective.problem
    curvature, params, gradient, weights = problem.rows.where_iterations_are(
        curvature, descent.best.params, descent.best.gradient, weights_of_residual(problem, curvature)
    )
    # The proof is the bound of the step, in float64. For the step float32 is enough: of MNIST it takes half the time.
    hessian = _curvature_product(
        descent.coarse_problem or problem.in_float64(), params, problem.row_loss.dual_curvature
    )
    residual = -weights * gradient
    start, step, looseness = residual, np.zeros_like(residual), [float(residual @ residual) / 2]
    if looseness[0] <= SHARE_OF_TARGET * target:
        return np.asarray(step)
    kept = deque(maxlen=max(NUMBERS_OF_MOVES // (2 * len(residual)), LEAST_MOVES))
    for move, curved, length, _ in _moves(descent, gradient, curvature, hessian):
        curved = weights * curved
        for earlier, unit in kept:
            share = unit @ curved
            move, curved = move - share * earlier, curved - share * unit
        norm = np.linalg.norm(curved)
        if length < 0 or not norm > 0:
            return None
        kept.append((move / norm, curved / norm))
        move, curved = kept[-1]
        share = curved @ residual
        step, residual = step + share * move, residual - share * curved
        looseness.append(float(residual @ residual) / 2)
        if looseness[-1] <= SHARE_OF_RESIDUAL * target:
            return np.asarray(step)
        if step @ ((start + residual) / weights) / 2 + looseness[-1] <= SHARE_OF_TARGET * target:
            return np.asarray(step)
        if _is_too_slow(looseness, SHARE_OF_RESIDUAL * target, descent.n_passes):
            return None
    return None


def newton_step(descent, curvature, target):
    """A step (p,) to where F is about the least, and what F falls by at most, settled as far as a ``target`` asks.

    That is inf where F is not convex, and the step one along which it is not.
    """
    problem = descent.objective.problem
    curvature, params, gradient = problem.rows.where_iterations_are(
        curvature, descent.best.params, descent.best.gradient
    )
    hessian = (
        _curvature_product(problem.in_float64(), params, problem.row_loss.curvature)
        if problem.row_loss.has_exact_curvature
        else _gradient_difference(problem, params, gradient)
    )
    step, gain, lengths = np.zeros_like(gradient), 0.0, []
    squares = [2 * curvature.decrements(curvature.pull_back(gradient)).sum()]
    for move, _, length, square in _moves(descent, gradient, curvature, hessian):
        if length < 0:
            return np.asarray(-np.sign(move @ gradient) * move), np.inf
        step += length * move
        gain += length * squares[-1] / 2
        lengths.append(length)
        squares.append(square)
        if square <= SHARE_OF_SQUARE * squares[0] or len(lengths) >= MOST_ITERATIONS:
            left = square / 2 / _least_ratio(lengths, squares)
            if left <= SHARE_LEFT * max(gain, target) or len(lengths) >= MOST_ITERATIONS:
                return np.asarray(step), gain + left
    return np.asarray(step), gain


def _moves(descent, gradient, curvature, hessian):
    """Yield, after each iteration, the move (p,), H times it, its length, and the square of what is left of the slope.

    They are where the ``gradient`` (p,) of the best point is. ``hessian`` is H as a function of a move, of length 1 in
    the coordinates, which takes a pass. Where F curves down the length is negative, and the last.
    """
    residual = -gradient
    slope = direction = curvature.pull_back(residual)
    square = float(slope @ slope)
    while square > 0:
        move = curvature.to_params(direction)
        norm = float(np.linalg.norm(direction))
        curved = norm * hessian(move / norm)
        descent.n_passes += 1
        along = float(move @ curved)
        length = square / along if along > 0 else -1.0
        residual = residual - length * curved
        slope = curvature.pull_back(residual)
        last, square = square, float(slope @ slope)
        yield move, curved, length, square
        if length < 0:
            return
        direction = slope + square / last * direction


def _curvature_product(problem, params, curvature_of):
    """H as a function: the curvature of each row, by the row loss, times the move of its logits."""
    rows = problem.rows
    coef, intercept = problem.split(params)
    n_features = rows.shape[1]

    def product(move):
        coef_move, intercept_move = problem.split(move)

        def program(block):
            curvature = curvature_of(block.logits(coef, intercept), block.targets, block.at)
            moved = curvature.product(block.logits(coef_move, intercept_move))
            return block.pull_back(moved), moved.sum(axis=1)

        by_coef, by_intercept = rows.summed_where(move, program)
        curved = np.empty_like(by_coef, order="C", shape=problem.shape)
        curved[:n_features] = by_coef / problem.total + problem.penalty.ridge * coef_move
        if problem.fit_intercept:
            curved[-1] = by_intercept / problem.total
        return curved.reshape(-1)

    return product


def _gradient_difference(problem, params, gradient):
    """H as a function: the difference that a short move makes to the gradient at some parameters."""
    objective = LinearObjective(problem)
    return lambda move: (objective(params + DIFFERENCE * move)[1] - gradient) / DIFFERENCE


def weights_of_residual(problem, curvature):
    """Weights (p,) of a residual whose half squared norm is what it adds to a dual bound.

    By the coefficients that is the conjugate of the penalty. By the intercepts it is what the shift costs that takes it
    away: in divergence, and in what it leaves by the coefficients, with the columns' root mean squares for levers; or
    their means over the rows that curve, where these are known and most rows are certain, which no shift moves.
    """
    weights = np.empty(problem.shape)
    weights[: problem.rows.shape[1]] = 1 / np.sqrt(problem.penalty.ridge)
    if problem.fit_intercept:
        of_divergence = 1 / np.maximum(diagonal_of(curvature.by_class), np.finfo(float).tiny)
        mean_square = (
            curvature.mean**2
            if isinstance(curvature, WeightedDiagonalCurvature)
            else problem.moments.mean**2 + problem.moments.variance
        )
        weights[-1] = np.sqrt(of_divergence + (mean_square / problem.penalty.ridge).sum())
    return weights.reshape(-1)


def _is_too_slow(looseness, target, n_passes):
    """Whether, at the rate of the last half of the iterations, the target is further than may be."""
    n_iterations = len(looseness) - 1
    if n_iterations < ITERATIONS_TO_JUDGE:
        return False
    half = len(looseness) // 2
    fall = np.log(looseness[-1 - half] / looseness[-1]) / half
    left = np.log(looseness[-1] / target) / fall if fall > 0 else np.inf
    return left > max(MOST_ITERATIONS, SHARE_OF_PASSES * n_passes) - n_iterations


def _least_ratio(lengths, squares):
    """The smallest ratio of Hessian and curvature that iterations of these lengths saw: of their Lanczos matrix."""
    inverse, growth = 1 / np.array(lengths), np.array(squares[1:]) / np.array(squares[:-1])
    diagonal = inverse.copy()
    diagonal[1:] += growth[:-1] * inverse[:-1]
    beside = np.sqrt(growth[:-1]) * inverse[:-1]
    return max(
        np.linalg.eigvalsh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))[0], np.finfo(float).tiny
    )
