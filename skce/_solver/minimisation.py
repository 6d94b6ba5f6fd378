"""The minimisation of a problem, in stages, each with a fresh curvature. How it ended is data.

While curvatures are cheap stand-ins, a stage is L-BFGS over displacements from the best point known. Where the Hessian
itself is affordable, and the loss is cross-entropy, Newton's method takes over: it ends with a certificate.
"""

import numpy as np

from skce._rows.blocks import RowsLostError
from skce._solver.certificate import ROUNDING_OF_GAIN, certified_gap, dual_bound, has_dual_bound
from skce._solver.conjugate_gradients import newton_step
from skce._solver.curvature.ladder import first_rung, has_cheap_hessian, next_rung, rungs_for
from skce._solver.descent import ROUNDING_OF_ESTIMATE, Descent
from skce._solver.lbfgs import Stage
from skce._solver.newton import NewtonStage, is_for_newton
from skce._solver.objective import LinearObjective
from skce._solver.separation import separation_of
from skce._solver.solution import Solution
from skce._solver.standardisation import Standardisation

# The rate of a stage flatters those that follow.
SLOWING = 3.0

# What starting another stage costs, in evaluations, besides its curvature; more if L-BFGS has to learn again what a
# curvature does not know.
COST_OF_STAGE, COST_OF_INEXACT_STAGE = 3.0, 10.0

# Loss below which an estimate is not believed without a certificate, and the gap that rounding may leave there.
LEAST_LOSS, LEAST_GAP = 1e-9, 1e-15

# How often a step of conjugate gradients is tried for a certificate; the share of what it may show that may be left.
MOST_CERTIFICATES = 2
SHARE_OF_RESIDUAL = 0.2


def minimised(problem, starts, *, tol, max_iter, watch):
    """Solution of a problem from the best of ``starts``, flat, to within ``tol`` of F, by estimate.

    ``watch`` is told the Iterate before and after every iteration, and ends the minimisation if it returns True after
    one; and the Descent after every stage. After ``max_iter`` iterations the last is the solution, whatever closing
    steps come to.
    """
    objective, standardisation = LinearObjective(problem), Standardisation.of(problem)
    descent = Descent.from_best_of(starts, objective)
    rungs = rungs_for(objective)
    rung = first_rung(rungs, is_cold=objective.is_without_coef(descent.best.params))
    has_hessian, is_newton = is_for_newton(problem) and rungs[-1].is_exact, False
    has_newton = has_hessian and has_cheap_hessian(rungs)
    interruption = separation = None
    last = descent.best
    reason = None if np.isfinite(descent.best.gradient).all() else "stalled"
    if not max_iter:
        reason = reason or "max_iter"
    try:
        while reason is None:
            curvature = rungs[rung].curvature(objective, descent.best.params, standardisation)
            descent.n_passes += curvature.sweeps
            stage = (
                NewtonStage(descent, curvature, tol, watch)
                if is_newton
                else _stage(descent, curvature, rungs[rung], tol, watch)
            )
            reason = stage.run(max_iter + 1 - len(descent.loss_curve))
            last = descent.best
            descent.n_stages += 1
            watch.after_stage(descent)
            descent.look_for_separated_problems()
            if descent.is_separated.all() or (reason == "converged" and descent.is_separated.any()):
                reason = "separable"
            elif reason == "converged" and not is_newton:
                # What a stage believes a step of conjugate gradients has to certify, or Newton's method.
                is_newton = has_newton or (not _is_certified(descent, curvature, tol) and has_hessian)
                if is_newton:
                    rung, reason = len(rungs) - 1, None
            elif reason is None:
                # One stage in exact coordinates is quicker than as many steps of Newton's; a second one is not.
                is_newton = has_newton and curvature.is_exact
                higher = next_rung(rungs, rung, SLOWING * stage.iterations_left())
                if higher == rung and not stage.gain > ROUNDING_OF_GAIN * abs(descent.best.value):
                    reason = "precision" if descent.is_at_rounding() else "stalled"
                rung = higher
            if reason is None and len(descent.loss_curve) > max_iter:
                reason = "max_iter"
        if descent.n_stages:
            reason, separation = _judged(reason, descent, stage, tol)
            if reason == "stopped" or len(descent.loss_curve) > max_iter:
                descent.go_back_to(last)
    except (KeyboardInterrupt, RowsLostError) as error:
        reason, interruption = "interrupted", error
    return _solution(descent, reason, tol, interruption, separation)


def _solution(descent, reason, tol, interruption, separation):
    """The Solution that a descent has come to."""
    suboptimality, gap_bound = descent.suboptimality, descent.gap_bound
    if reason == "interrupted":
        gap_bound = None
    if gap_bound is not None and gap_bound < suboptimality * abs(descent.best.value):
        suboptimality = gap_bound / abs(descent.best.value)
        if suboptimality <= tol and reason in ("precision", "stalled", "max_iter"):
            reason = "converged"
    return Solution(
        descent.best.params,
        descent.best.value,
        suboptimality,
        gap_bound,
        (*descent.loss_curve[:-1], descent.best.value),
        (*descent.pass_curve[:-1], descent.n_passes),
        descent.n_evaluations,
        reason,
        interruption,
        separation,
        descent.n_inner_passes,
    )


def _stage(descent, curvature, rung, tol, watch):
    """The stage of L-BFGS that the best point and a curvature there begin."""
    n_iter = rung.n_iter * (1 if curvature.is_exact else 2**descent.n_stages)
    patience = rung.cost + (COST_OF_STAGE if curvature.is_exact else COST_OF_INEXACT_STAGE)
    return Stage(descent, curvature, tol, watch, n_iter, patience)


def _judged(reason, descent, stage, tol):
    """Why a minimisation is over, and the Separation of the data if there is no minimum; sets the bound of the gap."""
    problem, value = descent.objective.problem, abs(descent.best.value)
    if reason != "converged" and np.isfinite(descent.best.gradient).all():
        descent.gap_bound = certified_gap(descent, stage.curvature, tol * value)
    if reason == "precision" and descent.suboptimality > max(tol, ROUNDING_OF_ESTIMATE * descent.objective.resolution):
        reason = "stalled"
    is_certain = reason == "converged" and isinstance(stage, NewtonStage)
    # Rows that are all but certain curve F by so little that an old curvature estimates nothing.
    if (
        reason in ("converged", "precision")
        and value <= LEAST_LOSS
        and (descent.gap_bound or 0) > max(tol * value, LEAST_GAP)
    ):
        reason = "stalled"
    if problem.is_every_coef_penalised or is_certain or reason == "stopped":
        return reason, None
    separation = separation_of(problem)
    return "separable" if separation else reason, separation


def _is_certified(descent, curvature, tol):
    """Whether a step of conjugate gradients proves that the best point, or where it leads, is within ``tol``.

    True also where nothing could be proven. Sets the bound of the gap.
    """
    problem = descent.objective.problem
    for _ in range(MOST_CERTIFICATES):
        target = tol * abs(descent.best.value)
        descent.gap_bound = certified_gap(descent, curvature, target)
        if not has_dual_bound(problem) or descent.gap_bound <= target:
            return True
        step = newton_step(descent, curvature, SHARE_OF_RESIDUAL * target)
        if step is None:
            return False
        point = descent.best
        sweeps, bound = dual_bound(problem, point.params, step, target=target)
        descent.n_passes += sweeps
        descent.gap_bound = min(bound, descent.gap_bound)
        if descent.gap_bound <= target:
            return True
        moved = descent.evaluated(point.params + step)
        # The dual point of a step bounds the gap where it leads, too.
        descent.gap_bound = min(descent.gap_bound, max(bound - (point.value - moved.value), 0.0))
        if moved is not descent.best or descent.gap_bound <= target:
            return descent.gap_bound <= target
    return False
