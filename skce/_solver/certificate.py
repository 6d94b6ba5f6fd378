"""The certificate: an upper bound on F - min F, which costs a sweep over the rows and no Hessian.

For cross-entropy it is the Fenchel gap at the dual point of a step s, any step, of the parameters. With q_i the
probabilities of row i, m_i its weight, t_i its targets and p_i the probabilities that s moves it to,

    F - min F  <=  (1/S) sum_i m_i KL(p_i, q_i)  +  penalty*(d penalty / d coef + (1/S) sum_i (m_i p_i - t_i) x_i^T)

where penalty* is the conjugate of a ridge, if r = sum_i (m_i p_i - t_i), what intercepts see, is zero. The better the
step, the tighter: where s is Newton's and moves no row far, it is the gap itself to a few digits. An intercept shift
takes r away, a second sweep; what rounding leaves of it, a mixture p <- (1 - theta) p + theta u with constant u does,
over which KL is convex, and whose part of the gradient is no more than theta sum_i m_i |x_i|.

A loss of which a share is cross-entropy, and the rest convex, has the same bound, with that share of m and the targets
for which cross-entropy has the gradient of the loss: the rest is above its tangent. For other convex losses the bound
is strong convexity, where the gradient by the intercepts is next to nothing.
"""

from dataclasses import dataclass, fields

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from skce._solver.curvature.directions import MOST_DENSE_CLASSES, intercept_step
from skce._solver.descent import Point

# Sweeps of a dual bound: the second has the intercept shift that the first asks for.
SWEEPS = 2

# Conjugate gradients for the shift of many intercepts end with a share of the excess left, or after so many sweeps. The
# excess loosens a bound by about its square, which should come to this share of what is asked for: of 1,600 classes,
# tol = 1e-7, a share of 1e-3 of it loosened the bound by that much, and a share of 1e-6 by nothing.
LEAST_SHARE_OF_EXCESS, LARGEST_SHARE_OF_EXCESS, MOST_SHIFTS = 1e-6, 1e-3, 20
SHARE_OF_LOOSENESS = 0.05

# Arrays like the logits that a block of the dual sums holds at once.
NUMBERS_PER_LOGIT = 8

# At most this many Newton steps in the intercepts bring their gradient to where strong convexity needs it.
INTERCEPT_EVALUATIONS = 10

# They stop when the intercepts' Newton decrement is this share of the bound.
NEGLIGIBLE = 0.01

# Safety factor on the root of that decrement, for what it may still hide of the other gradients.
MARGIN = 4.0

# A relative bound that rounding may hide.
ROUNDING_OF_BOUND = 1e-13

# A relative gain that rounding may hide, and in units of the eps of products.
ROUNDINGS_OF_GAIN = 4
ROUNDING_OF_GAIN = ROUNDINGS_OF_GAIN * np.finfo(float).eps


def has_dual_bound(problem):
    """Whether the loss of a problem has dual points, and its penalty a conjugate that is finite."""
    return problem.row_loss.dual_point is not None and problem.is_every_coef_penalised


def certified_gap(descent, curvature, target):
    """Upper bound on F - min F of the best point; None where there is none. It need not be less than ``target``."""
    problem = descent.objective.problem
    if not (problem.row_loss.is_convex and problem.is_every_coef_penalised):
        return None
    if problem.row_loss.dual_point is None:
        return _strong_convexity_bound(descent, curvature)
    newton_step = -curvature.to_params(curvature.pull_back(descent.best.gradient))
    least = abs(descent.best.value)  # cross-entropy is never below 0
    for step in (newton_step, np.zeros_like(newton_step)):
        sweeps, bound = dual_bound(problem, descent.best.params, step, (), target)
        descent.n_passes += sweeps
        if bound < least:
            return bound
    return least


def dual_bound(problem, params, step, far=(), target=0.0):
    """Sweeps, and the bound at flat parameters for a flat step; inf if the step is no good.

    Rows that the step's model kept as they are, ``far``, are moved by it and not linearised.
    """
    return _dual_bound(problem, params, step, far, _nothing, lambda sums: target)


def bound_after(descent, step, tol, far=()):
    """The bound at the best point of a ``descent`` after a flat step from it, which is taken if it leads lower.

    The sweep of the dual bound reads the rows that F is evaluated from where the step leads: it does both. What F falls
    by is no part of the gap any more. The bound need not be less than ``tol`` of F.
    """
    start, objective = descent.best, descent.objective
    moved = start.params + step
    if objective.rows.dtype == np.float32:  # the bound is of products in float64
        sweeps, bound = dual_bound(objective.problem, start.params, step, far, tol * abs(start.value))
        descent.n_passes += sweeps
        descent.evaluated(moved)
    else:

        def target_of(sums):
            descent.remembered(Point(moved, *objective.value_gradient(moved, sums)))
            return tol * abs(descent.best.value) + start.value - descent.best.value

        evaluated = objective.loss_gradient_at(moved)
        sweeps, bound = _dual_bound(objective.problem, start.params, step, far, evaluated, target_of)
        descent.n_passes += sweeps - 1
    return max(min(bound, abs(start.value)) - gain_but_for_rounding(objective, start, descent.best), 0.0)


def gain_but_for_rounding(objective, start, point):
    """What F falls by, at least, from the Point ``start`` to another one.

    Rounding of F is that of the logits, which is that of their terms, with the root mean squares of the columns. At
    C = 2e7 and terms of 1e4 a step seemed to gain 1e-12 more than its bound was off by.
    """
    coef, intercept = objective.problem.split(start.params)
    moments = objective.problem.moments
    terms = np.sqrt((moments.mean**2 + moments.variance) @ coef**2 + intercept**2).sum()
    rounding = ROUNDINGS_OF_GAIN * objective.resolution * (abs(start.value) + float(terms))
    return max(start.value - point.value - rounding, 0.0)


def _dual_bound(problem, params, step, far, beside, target_of):
    """Sweeps and the dual bound, the first with what ``beside`` makes of a Block, whose sums say what is asked for."""
    rows = problem.rows.multiplied_in(np.float64, problem.rows.shift)
    coef, intercept = problem.split(params)
    coef_step, intercept_of_step = problem.split(step)
    least, target, sweeps, sweeps_of_shift = np.inf, 0.0, 0, 0
    while sweeps < SWEEPS:
        sweeps += 1
        sums, others = _dual_sums(rows, problem, (coef, intercept), (coef_step, intercept_of_step), far, beside)
        if sweeps == 1:
            target, beside = target_of(others), _nothing
        least = min(least, _bound(problem, sums, coef))
        if least <= target or not problem.fit_intercept or sweeps == SWEEPS:
            break
        if len(sums.excess) > MOST_DENSE_CLASSES:
            share = np.sqrt(SHARE_OF_LOOSENESS * target / least) if np.isfinite(least) else LARGEST_SHARE_OF_EXCESS
            share = np.clip(share, LEAST_SHARE_OF_EXCESS, LARGEST_SHARE_OF_EXCESS)
            more, shift = _iterated_shift(rows, problem, (coef, intercept), sums, share)
            sweeps_of_shift += more
        else:
            shift = _intercept_shift(sums, problem.are_separate)
        intercept_of_step = intercept_of_step + shift
    return sweeps + sweeps_of_shift, least


@dataclass(frozen=True)
class DualSums:
    """Sums over the rows, for o outcomes of k problems.

    Of m KL (k,), of the gradient by coef (d, k'), of the excess m p - t, the mass m p and m log q (o, k); ``near``
    (o, o, k) is the curvature of the intercepts, or of many outcomes its diagonal (o, k).
    """

    divergence: np.ndarray
    gradient: np.ndarray
    excess: np.ndarray
    mass: np.ndarray
    log_q: np.ndarray
    near: np.ndarray


def _nothing(block):
    """No sums beside those of a bound."""
    return ()


def _dual_sums(rows, problem, point, step, far, beside):
    """The DualSums at a point for a step, pairs of coef (d, k) and intercept (k,), and sums of what is ``beside``."""
    row_loss, are_separate = problem.row_loss, problem.are_separate
    dual_sums = row_loss.dual_sums if problem.shape[1] <= MOST_DENSE_CLASSES else None

    def program(block, dual_point=row_loss.dual_point):
        targets, log_q, p, divergence = dual_point(block.logits(*point), block.logits(*step), block.targets, block.at)
        mass = targets.sum(axis=0)
        weighted = mass * p
        excess = weighted - targets
        return (
            (mass * divergence).sum(axis=-1),
            block.pull_back(excess[0] if are_separate else excess[:, 0]),
            excess.sum(axis=-1),
            weighted.sum(axis=-1),
            (mass * log_q).sum(axis=-1),
            _curvature_of_intercepts(mass, np.exp(log_q)),
        )

    def quick_program(block):
        if dual_sums is None:
            return program(block)
        at_once = dual_sums(block.logits(*point), block.logits(*step), block.targets, block.at)
        if at_once is None:
            return program(block)
        divergence, excess, *others = at_once
        return divergence, block.pull_back(excess), *others

    is_quick = dual_sums is not None or rows.is_sparse
    width = None if is_quick else NUMBERS_PER_LOGIT * problem.shape[1]
    sums = rows.summed(lambda block: (*quick_program(block), *beside(block)), width)
    of_bound, others = sums[: len(fields(DualSums))], sums[len(fields(DualSums)) :]
    if far:
        moved, linearised = program(far.block, row_loss.moved_dual_point), program(far.block)
        of_bound = [total + more - less for total, more, less in zip(of_bound, moved, linearised, strict=True)]
    return DualSums(*of_bound), others


def _curvature_of_intercepts(mass, q):
    """Sums over the rows of m (diag q - q q^T) for mass (k, m) and q (o, k, m): (o, o, k), or of many the diagonal."""
    if len(q) > MOST_DENSE_CLASSES:
        return (mass * q * (1 - q)).sum(axis=-1)
    weighted = mass * q
    products = np.matmul(weighted.transpose(1, 0, 2), q.transpose(1, 2, 0)).transpose(1, 2, 0)
    return np.eye(len(q))[:, :, None] * weighted.sum(axis=-1)[:, None] - products


def _bound(problem, sums, coef):
    """The bound that these sums give; inf if no mixture makes up for the excess."""
    divergence, penalty = sums.divergence, problem.penalty
    residual = sums.gradient / problem.total + penalty.gradient(coef, out=np.empty_like(coef))
    if problem.fit_intercept:
        with np.errstate(divide="ignore", invalid="ignore"):
            theta = np.maximum((sums.excess / sums.mass).max(axis=0), 0) * (1 + 1e-12)
            if not (theta < 1).all():
                return np.inf
            total = sums.mass.sum(axis=0)
            mixed = np.maximum(np.where(theta > 0, sums.mass - sums.excess / theta, sums.mass), 0)
            mixed /= mixed.sum(axis=0)
            of_mixed = np.where(mixed > 0, mixed * (np.log(mixed) * total - sums.log_q), 0).sum(axis=0)
        divergence = (1 - theta) * divergence + theta * np.maximum(of_mixed, 0)
        root_mean_square = np.sqrt(problem.moments.mean**2 + problem.moments.variance)
        residual = np.abs(residual) + np.multiply.outer(root_mean_square, theta * (total.sum() / problem.total))
    return float(divergence.sum() / problem.total + penalty.conjugate(residual))


def _intercept_shift(sums, are_separate):
    """Newton step (k,) in the intercepts that takes the excess away."""
    if are_separate:
        return -sums.excess[0] / np.maximum(sums.near[0, 0], np.finfo(float).tiny)
    return -np.linalg.lstsq(sums.near[:, :, 0], sums.excess[:, 0], rcond=1e-14)[0]


def _iterated_shift(rows, problem, point, sums, share):
    """Sweeps, and that step (k,) where there are so many outcomes that their curvature is a diagonal.

    Conjugate gradients multiply by the curvature itself, row by row, until this share of the excess is left.
    """
    curvature_of, sweeps = problem.row_loss.dual_curvature, 0

    def product(shift):
        nonlocal sweeps
        sweeps += 1

        def program(block):
            logits = block.logits(*point)
            return (curvature_of(logits, block.targets, block.at).product(shift.reshape(-1, 1)).sum(axis=1),)

        return rows.summed(program)[0]

    inverse = 1 / np.maximum(sums.near[:, 0], np.finfo(float).tiny)
    shift, _ = cg(
        LinearOperator(2 * (len(inverse),), matvec=product, dtype=np.float64),
        -sums.excess[:, 0],
        rtol=share,
        maxiter=MOST_SHIFTS,
        M=LinearOperator(2 * (len(inverse),), matvec=lambda excess: inverse * excess.ravel(), dtype=np.float64),
    )
    return sweeps, shift


def _strong_convexity_bound(descent, curvature):
    """Bound for the best point, moved to where the intercepts' gradient is next to nothing."""
    objective, mean = descent.objective, curvature.standardisation.mean
    if not objective.problem.fit_intercept:
        return objective.strong_convexity_bound(descent.best.gradient, mean)
    rounding = np.finfo(float).eps * abs(descent.best.value)
    length = 1.0
    for _ in range(INTERCEPT_EVALUATIONS):
        point = descent.best
        intercept_gradient = point.gradient.reshape(objective.shape)[-1]
        step = intercept_step(curvature, intercept_gradient)
        decrement = max(-intercept_gradient @ step / 2, 0.0)
        bound = objective.strong_convexity_bound(point.gradient, mean)
        if decrement <= NEGLIGIBLE * max(bound, rounding):
            return (np.sqrt(bound) + MARGIN * np.sqrt(decrement)) ** 2 + 2 * decrement
        params = point.params.copy()
        params.reshape(objective.shape)[-1] += length * step
        moved = descent.evaluated(params)
        if moved.value <= point.value + ROUNDING_OF_GAIN * abs(point.value):
            descent.best, length = moved, 1.0
        else:
            length /= 4
    return np.inf
