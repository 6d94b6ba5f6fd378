"""The minimisation of a problem, in stages, each with a fresh curvature. How it ended is data.

Of many more rows than parameters Newton's method by Hessians of a sample comes first, where it leads to a certificate;
of sparse X with many parameters Newton's method by conjugate gradients, in float64.
While curvatures are cheap stand-ins, a stage is L-BFGS over displacements from the best point known. Where the Hessian
itself is affordable, and the loss is cross-entropy, Newton's method takes over: it ends with a certificate. Where it is
not, what a stage believes is looked into before it is said. Products are in float32 until rounding hides their gains.
"""

from typing import Any

import numpy as np

from skce._rows.blocks import RowsLostError
from skce._solver.certificate import ROUNDING_OF_GAIN, certified_gap, has_dual_bound
from skce._solver.curvature.exact import ROWS_OF_EXACT, ExactCurvature, hessian_sums
from skce._solver.curvature.ladder import (
    first_rung,
    has_cheap_hessian,
    has_cheap_hessian_of_one_logit,
    has_hessian_for_all_steps,
    next_rung,
    rungs_for,
)
from skce._solver.descent import ROUNDING_OF_ESTIMATE, TINY, TOL_OF_FLOAT32, Descent, Point
from skce._solver.lbfgs import Stage
from skce._solver.newton import NewtonStage
from skce._solver.objective import LinearObjective
from skce._solver.sampled_newton import SampledNewtonStage, rows_of_sample
from skce._solver.separation import separation_of
from skce._solver.solution import Solution
from skce._solver.standardisation import Standardisation
from skce._solver.stopping import is_at_minimum
from skce._solver.truncated_newton import (
    TruncatedNewtonStage,
    begins_with_truncated_newton,
    has_truncated_newton,
)

# Stages of L-BFGS by class that each seem to leave so many iterations, or any, after which conjugate gradients go on.
# 3000 rows of 60 classes that are nearly separable, C = 1e4 and 1e8, did not end in 1000 iterations, and are certified
# in 500 and 2500 passes. MNIST at 0 to 255 has seven to eleven such stages, as rounding goes, and takes 320 to 460
# passes: with 10 it took 405 instead of 450, and three of the nearly separable sets 1.1 times theirs.
MOST_SLOW_STAGES, ITERATIONS_OF_SLOW = 8, 100

# The same of L-BFGS on sparse X in Kronecker coordinates: 600 rows of 110 columns, with entries of 1 and of 100, and 15
# classes end 16 % above the minimum after 1000 iterations without, C = 100, and are certified with. Dense X of 40 to 50
# classes took 1.1 to 1.2 times the time.
MOST_SLOW_STAGES_OF_SPARSE = 2

# The rate of a stage flatters those that follow.
SLOWING = 3.0

# What starting another stage costs, in evaluations, besides its curvature; more if L-BFGS has to learn again what a
# curvature does not know. One by class knows where rows are now, and serves until they have moved: stages end after as
# many iterations again, unless few are left. A hundred classes at C = 100 took 76 passes with 10, and 55 with 30.
COST_OF_STAGE, COST_OF_INEXACT_STAGE, COST_OF_STAGE_BY_CLASS = 3.0, 10.0, 30.0

# The largest tol that saves anything, but where X is wide and sparse; and of a stage of L-BFGS that leads to Newton's
# method. Further off a step's certificate is missed, and the look at it costs what the step would. With 0.1 spambase
# took 16 passes, and with 1e-4 10, isolet 117 and 46; ctg, whose Hessians are dear, 25 and 1.8 times the time of 1e-5.
LARGEST_TOL, LARGEST_TOL_BEFORE = 1e-4, 1e-5

# The largest tol for which it is told whether a dearer curvature pays: what a stage leaves takes longer than it seems.
# MNIST, tol = 1e-4, took 92 passes without, and a hundred classes 40: 45 and 32. Digits took 49, in 0.6 of the time.
TOL_OF_RUNG = 1e-7

# Loss below which an estimate is not believed without a certificate, and the gap that rounding may leave there.
LEAST_LOSS, LEAST_GAP = 1e-9, 1e-15

# Loss of a row that is all but certain, where steps have come to rounding.
LOSS_OF_CERTAIN = 1e-12

# Multiplications of an evaluation from which products in float32 pay. Of fewer, they saved no time on seven tables, and
# took 58 % more passes on one whose loss ends at 1e-6.
WORK_FOR_FLOAT32 = 3e7

# How often what a stage believed may be found wrong; each time the next is asked for so much more.
MOST_DOUBTS = 12
DOUBT = 0.1


def minimised(problem, starts, *, tol, max_iter, watch):
    """Solution of a problem from the best of ``starts``, flat, to within ``tol`` of F, by estimate.

    ``watch`` is told the Iterate before and after every iteration, and ends the minimisation if it returns True after
    one; and the Descent after every stage. After ``max_iter`` iterations the last is the solution, whatever closing
    steps come to.
    """
    rows = problem.rows
    if rows.dtype == np.float32 and rows.shape[0] * rows.numbers_per_row * problem.shape[1] < WORK_FOR_FLOAT32:
        problem = problem.in_float64()
    merged = problem.merged() if max_iter else problem  # after no iteration the start is the solution, as it is
    if merged is not problem:
        starts = [merged.flat(*problem.coef_intercept(start)) for start in starts]
    plan = Plan(LinearObjective(merged))
    objective = plan.objective
    descent, curvature = plan.begun(starts) if max_iter else (Descent.from_best_of(starts, objective), None)
    del starts  # of which none but the best is needed, for as long as it is that
    reason = None if np.isfinite(descent.best.gradient).all() else "stalled"
    if not max_iter:
        reason = reason or "max_iter"
    interruption = separation = None
    try:
        if reason is None:
            stages = Stages(descent, plan, curvature, tol, max_iter, watch)
            while reason is None:
                reason = stages.next()
                if reason == "stalled" and _is_below(descent, np.zeros_like(descent.best.params)):
                    # From where most rows are saturated nothing may lead on; from no coefficients all does.
                    stages, reason = Stages(descent, plan, None, tol, max_iter, watch), None
            reason, separation = _judged(reason, stages)
            if reason == "stopped" or len(descent.loss_curve) > max_iter:
                descent.go_back_to(stages.last)
    except (KeyboardInterrupt, RowsLostError) as error:
        reason, interruption = "interrupted", error
    return _solution(descent, reason, tol, interruption, separation)


def _is_below(descent, params):
    """Whether F is lower at other parameters, which are then the best point."""
    return descent.evaluated(params) is descent.best


class Plan:
    """What curvatures the minimisation of an ``objective`` may have, and which come first."""

    def __init__(self, objective):
        problem, is_coarse = objective.problem, objective.rows.dtype == np.float32
        self.standardisation = Standardisation.of(problem)
        self.rungs = rungs_for(objective)
        self.has_hessian = self.rungs[-1].is_exact and problem.row_loss.has_exact_curvature
        self.has_newton = self.has_hessian and has_cheap_hessian(self.rungs) and problem.rows.shape[0] <= ROWS_OF_EXACT
        self.begins_with_newton = self.has_newton and has_hessian_for_all_steps(self.rungs, objective) and not is_coarse
        has_certificate = self.has_hessian and objective.n_problems == 1 and has_dual_bound(problem)
        # Rows of the first Hessians, if those are of a sample.
        self.n_draws = rows_of_sample(objective, self.rungs[-1].cost) if has_certificate else None
        if self.n_draws is None and has_certificate and self.has_newton and not self.begins_with_newton:
            # Of one logit also a Hessian of all rows pays that has few digits: of 300 to 5000 rows of 60 to 120 numbers
            # it took 0.55 to 0.95 of the time.
            self.n_draws = problem.rows.shape[0] if objective.shape[1] == 1 else None
        # Where columns depend on each other, such a one pays only if it is dearer.
        self.gives_way = self.n_draws is not None and has_cheap_hessian_of_one_logit(self.rungs, objective)
        self.begins_truncated = begins_with_truncated_newton(objective, self.rungs)
        self.objective = objective.in_float64() if self.begins_truncated else objective

    def begun(self, starts):
        """The Descent from where F is the least, and the curvature there if the sweep that evaluates F has it too."""
        objective, standardisation = self.objective, self.standardisation
        if len(starts) > 1 or not self.begins_with_newton or self.n_draws is not None:
            return Descent.from_best_of(starts, objective), None
        (start,) = starts
        function, width = hessian_sums(objective.problem, standardisation)
        values, gradient, sums = objective.with_curvature_sums(start, function, width)
        descent = Descent.from_points([Point(start, values, gradient)], objective)
        return descent, ExactCurvature(objective, start, standardisation, sums)


class Stages:
    """The stages of a ``descent`` to within ``tol``, in at most ``max_iter`` iterations.

    ``plan`` is the Plan of its objective, and ``curvature`` the ExactCurvature where it begins, or None if unknown.
    """

    def __init__(self, descent, plan, curvature, tol, max_iter, watch):
        self.descent = descent
        self.first_curvature = curvature
        self.max_iter = max_iter
        self.watch = watch
        self.standardisation = plan.standardisation
        self.rungs, self.has_hessian, self.has_newton = plan.rungs, plan.has_hessian, plan.has_newton
        self.is_newton = plan.begins_with_newton
        self.tol = tol if plan.begins_truncated else min(tol, LARGEST_TOL)
        is_cold = descent.objective.is_without_coef(descent.best.params)
        self.rung = len(self.rungs) - 1 if self.is_newton else first_rung(self.rungs, is_cold=is_cold)
        self.special_stage = self._first_stage(plan, tol)
        self.is_near = False
        self.n_slow_stages = 0
        self.n_doubts = 0
        self.cost_of_doubt = 0.0
        self.stage: Any = None
        self.last = descent.best

    @property
    def is_coarse(self):
        """Whether products are in float32."""
        return self.descent.objective.rows.dtype == np.float32

    def next(self):
        """Run a stage: why the minimisation is over, or None."""
        if self.special_stage is not None:
            self.stage, self.special_stage = self.special_stage, None
            reason = self._ended(self.stage.run(self.max_iter + 1 - len(self.descent.loss_curve)))
            if self.has_newton and (self.stage.is_near or self.stage.gives_way):
                self.rung, self.is_newton = len(self.rungs) - 1, True
            return reason
        self.stage = None  # and its curvature, before the next takes as much memory
        descent, curvature = self.descent, self._curvature_at_best()
        self.stage = (
            NewtonStage(descent, curvature, self.tol, self.watch) if self.is_newton else self._of_lbfgs(curvature)
        )
        del curvature  # which the stage has, for as long as it lasts
        reason = self._ended(self.stage.run(self.max_iter + 1 - len(descent.loss_curve)))
        descent.look_for_separated_problems()
        if descent.is_any_separated and (reason == "converged" or descent.is_separated.all()):
            return "separable"
        if self.is_coarse and (reason == "converged" or (reason is None and self.stage.is_stuck)):
            if self.has_newton or self.is_near or self.stage.is_stuck:
                descent.go_on_in_float64()
            self.is_near = True
            self.last, reason = descent.best, None
            # An exact curvature serves L-BFGS on; of another, what is left may be worth a dearer one.
            if self.stage.curvature.is_exact and not self.is_newton:
                self.first_curvature = self.stage.curvature
            self.rung = next_rung(self.rungs, self.rung, SLOWING * self.stage.iterations_left(self.tol))
        elif reason == "stalled" and self.is_newton and descent.n_stages == 1:
            # From where most rows are saturated Newton's method finds no way, and L-BFGS does.
            self.is_newton, reason = False, None
        elif reason == "converged" and not self.is_newton:
            reason = self._concluded()
        elif reason is None:
            reason = self._climbed()
        if reason is None and len(descent.loss_curve) > self.max_iter:
            return "max_iter"
        return reason

    def _first_stage(self, plan, tol):
        """The stage by conjugate gradients, or by Hessians of a sample; None where that is not expected to pay."""
        if plan.begins_truncated:
            return self._by_conjugate_gradients()
        if plan.n_draws is None:
            return None
        stage = SampledNewtonStage(self.descent, self.standardisation, plan.n_draws, tol, self.watch, plan.gives_way)
        return stage if self.has_newton or stage.is_promising else None

    def _ended(self, reason):
        """The reason why a stage has ended, which is noted."""
        self.last = self.descent.best
        self.descent.n_stages += 1
        self.watch.after_stage(self.descent)
        return reason

    def _curvature_at_best(self):
        """The curvature of this rung at the best point."""
        descent, curvature = self.descent, self.first_curvature
        if curvature is not None:
            self.first_curvature = None
            return curvature
        curvature = self.rungs[self.rung].curvature_at(descent.objective, descent.best, self.standardisation)
        descent.n_passes += curvature.sweeps
        return curvature

    def _of_lbfgs(self, curvature):
        """The stage of L-BFGS that the best point and the curvature of this rung there begin."""
        rung = self.rungs[self.rung]
        serves_long = not (rung.is_exact or rung.is_by_class)
        n_iter = rung.n_iter * (2**self.descent.n_stages if serves_long else 1)
        cost_of_inexact = COST_OF_STAGE_BY_CLASS if rung.is_by_class else COST_OF_INEXACT_STAGE
        patience = rung.cost + (COST_OF_STAGE if rung.is_exact else cost_of_inexact)
        tol = min(self.tol, LARGEST_TOL_BEFORE) if self.has_newton else self.tol
        is_first = self.is_coarse and not self.is_near
        tol = max(tol, TOL_OF_FLOAT32) if is_first else tol * DOUBT**self.n_doubts
        # L-BFGS first takes away what curves most, after which little of the gradient is left, and most of the gap. So
        # a stage is not believed again before it has cost what looking into the last one did: word counts, K = 4, took
        # 1110 passes instead of 1365, in which looks at stages of 6 and 45 iterations left no time to be certified.
        return Stage(self.descent, curvature, tol, self.watch, n_iter, patience, self.cost_of_doubt)

    def _concluded(self):
        """Why it is over, if it is, where a stage of L-BFGS believes so."""
        if not self.has_newton:
            n_passes, curvature = self.descent.n_passes, self.stage.curvature
            if self.rungs[self.rung].is_by_class:
                # It costs a pass or two. By the curvature of where the stage began conjugate gradients took more.
                self.stage.curvature = curvature = None  # before the next takes as much memory
                curvature = self.stage.curvature = self._curvature_at_best()
            is_over = is_at_minimum(self.descent, curvature, self._curvature_at_best, self.tol)
            # An estimate is believed where no Hessian can take its place.
            if is_over and (not self.has_hessian or self._is_certified()):
                return "converged"
            self.n_doubts += 1
            self.cost_of_doubt = self.descent.n_passes - n_passes
            if not self.has_hessian:
                self.rung = first_rung(self.rungs, is_cold=False)
                return "stalled" if self.n_doubts > MOST_DOUBTS else None
        self.rung, self.is_newton = len(self.rungs) - 1, True
        return None

    def _is_certified(self):
        """Whether F is proven to be within ``tol`` of its minimum, where there can be a proof."""
        descent = self.descent
        has_proof = descent.gap_bound is not None and has_dual_bound(descent.objective.problem)
        return not has_proof or descent.gap_bound <= self.tol * abs(descent.best.value)

    def _climbed(self):
        """Why it is over, if it is, where a stage has come to its end; else the next rung is chosen."""
        descent, stage = self.descent, self.stage
        # One stage in exact coordinates is quicker than as many steps of Newton's, where a Hessian costs something.
        self.is_newton = self.has_newton and stage.curvature.is_exact
        higher = next_rung(self.rungs, self.rung, SLOWING * stage.iterations_left(min(self.tol, TOL_OF_RUNG)))
        if higher == self.rung and not stage.gain > ROUNDING_OF_GAIN * abs(descent.best.value):
            if not self.has_hessian or descent.suboptimality <= ROUNDING_OF_ESTIMATE * descent.objective.resolution:
                if descent.is_at_rounding():
                    return "precision"
                # A stage that was asked for more than tol may find nothing lower where little enough is left.
                return self._concluded() if descent.suboptimality <= self.tol else "stalled"
            higher, self.is_newton = len(self.rungs) - 1, True
        if higher == self.rung and self._is_slow():
            if self.is_coarse:
                descent.go_on_in_float64()
            # Of sparse X a Kronecker curvature makes a product of dense matrices of each move.
            higher = self.rung = 0 if descent.objective.rows.is_sparse else higher
            self.special_stage = self._by_conjugate_gradients()
        self.rung = higher
        return None

    def _is_slow(self):
        """Whether this stage is the last of so many slow ones that conjugate gradients are to go on."""
        objective, is_by_class = self.descent.objective, self.rungs[self.rung].is_by_class
        if not is_by_class and (self.has_hessian or not objective.rows.is_sparse):
            return False
        self.n_slow_stages += self.stage.iterations_left(self.tol) > ITERATIONS_OF_SLOW
        most = MOST_SLOW_STAGES if is_by_class else MOST_SLOW_STAGES_OF_SPARSE
        if self.n_slow_stages != most or not has_truncated_newton(objective):
            return False
        self.n_slow_stages = MOST_SLOW_STAGES + 1
        return True

    def _by_conjugate_gradients(self):
        """The stage of steps by conjugate gradients, in the coordinates of this rung."""
        return TruncatedNewtonStage(self.descent, self.rungs[self.rung], self.standardisation, self.tol, self.watch)


def _solution(descent, reason, tol, interruption, separation):
    """The Solution that a descent has come to."""
    suboptimality, gap_bound = descent.suboptimality, descent.gap_bound
    if reason == "interrupted":
        gap_bound = None
    if gap_bound is not None and gap_bound < suboptimality * abs(descent.best.value):
        suboptimality = gap_bound / abs(descent.best.value)
        if suboptimality <= tol and reason in ("precision", "stalled", "max_iter"):
            reason = "converged"
    problem, params = descent.objective.problem, descent.best.params
    if problem.merging is not None:
        params = problem.whole.flat(*problem.coef_intercept(params))
    return Solution(
        params,
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


def _may_go_on(descent):
    """Whether rows may become more certain yet: where steps promise less than rounding hides, these do not tell."""
    problem = descent.objective.problem
    if problem.is_every_coef_penalised or descent.suboptimality > ROUNDING_OF_GAIN:
        return False
    coef, intercept = problem.split(descent.best.params)

    def losses(block):
        logits = block.logits(coef, intercept).astype(np.float64, copy=False)
        return problem.row_loss.losses_gradient(logits, block.targets.block(block.at))[0]

    return problem.rows.lowest(losses) <= LOSS_OF_CERTAIN


def _judged(reason, stages):
    """Why a minimisation is over, and the Separation of the data if there is no minimum; sets the bound of the gap."""
    descent, stage, tol = stages.descent, stages.stage, stages.tol
    problem, value = descent.objective.problem, abs(descent.best.value)
    if reason != "converged" and np.isfinite(descent.best.gradient).all():
        descent.gap_bound = certified_gap(descent, stage.curvature, tol * value)
    if reason == "precision":
        proven = np.inf if descent.gap_bound is None else descent.gap_bound / max(value, TINY)
        if min(descent.suboptimality, proven) > max(tol, ROUNDING_OF_ESTIMATE * descent.objective.resolution):
            reason = "stalled"
    is_certain = reason == "converged" and isinstance(stage, NewtonStage) and not _may_go_on(descent)
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
