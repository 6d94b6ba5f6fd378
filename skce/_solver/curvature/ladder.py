"""The choice of a curvature: the dearest that is cheap at first, and a dearer one where that pays.

Costs are in evaluations of the objective. A row costs an evaluation about 4 multiplications for each of its d x K
products, and as much as 60 for each of its K exponentials.
"""

from dataclasses import dataclass, replace

import numpy as np

from skce._rows.blocks import RowBlocks
from skce._solver.curvature.by_class import ClassCurvature, rows_of_classes
from skce._solver.curvature.diagonal import DiagonalCurvature
from skce._solver.curvature.exact import ROWS_OF_EXACT, ExactCurvature
from skce._solver.curvature.kronecker import KroneckerCurvature, RowSpaceCurvature, rows_of_moment
from skce._solver.curvature.rows_by_class import RowsByClassCurvature
from skce._solver.curvature.weighted_diagonal import WeightedDiagonalCurvature

# The largest exact Hessian, or block of it, that is worth factorising; the numbers that all blocks may hold (128 MB).
LARGEST_FACTOR = 1500
NUMBERS_OF_FACTORS = 2**24

# The most columns whose second moment is worth the eigenvectors of (25 d^3 multiplications).
MOST_COLUMNS = 4096

# Multiplications of an evaluation, as timed: for each product of a row, and for each logit of it.
WORK_PER_PRODUCT, WORK_PER_LOGIT = 4, 60

# Multiplications, as timed for d = 617 and 649, of the eigenvectors of a matrix of size d: this times d^3.
WORK_OF_EIGENVECTORS = 8

# Those, as timed, of the curvature of a class: for each number of a row that it draws, half of whose products, in
# float32, are never computed; and, times p^3, of a factor of size p.
WORK_PER_GATHERED, WORK_OF_FACTOR = 20, 0.3

# Classes from which each has rows of its own, where blocks for all of them are too large; and what it takes to find
# these, in evaluations: 5 to 9 of tables of 100, 200 and 500 classes. 100,000 x 768 numbers of a thousand classes took
# 93 passes instead of 201; fits of 100 classes took 0.75 to 1 of the passes and 0.85 to 1.2 of the time, and of 30
# classes 0.95 to 1.3 of both.
FEWEST_CLASSES_WITH_ROWS = 100
COST_OF_ROWS = 7

# Evaluations that drawing the rows of the classes takes: of ten tables, of 20 to 90 columns, 6 to 12.
COST_OF_DRAWING = 8

# Iterations that a Kronecker curvature serves, at least, where one by class and a Hessian may follow: eleven tables
# took 0.9 of the passes that they took with 10, and the same time. A hundred classes, of no Hessian, took 1.6 of them.
ITERATIONS_BEFORE_DEARER = 5

# Evaluations that a first curvature may cost; a Kronecker one, which saves 24 and 75 of those of isolet and 50 and 150
# of mfeat; and those that a change to a dearer one costs before it shows.
CHEAP, CHEAP_KRONECKER = 20, 80
EVALUATIONS_TO_CLIMB = 10

# Evaluations that the space of the rows may cost where they are sparse: word counts of two groups took half
# of the passes, and 35 times the time.
MOST_ROW_SPACE_OF_SPARSE = 80

# Evaluations that a Hessian may cost where Newton's method ends a fit; half of its products, which are symmetric, are
# never computed. From 24 to 36 that took 0.4 to 0.9 of the time of conjugate gradients on indicators and numbers, and
# 1.0 to 1.4 of it on Gaussian columns, which need few of them.
CHEAP_AT_THE_END = 36

# Those that it may cost where Newton's method begins at once. Up to 6 that took 0.85 to 0.98 of the time that it took
# after a stage of L-BFGS, on nine sets of ten; from 10 on 1.0 to 2.6 times that, on eight of nine. Of one logit half of
# it is never computed. From 9 to 12 one that has few digits, first, took 0.82 to 0.9 of the time on 250 tables of 1,600
# to 6,400 x 45 to 57, but for columns that depend on each other, 1.0; of 800 to 1,600 rows 0.99, and of fewer more.
CHEAP_AT_THE_START, CHEAP_AT_THE_START_OF_ONE_LOGIT, CHEAP_AT_THE_START_OF_LARGE = 6, 12, 9

# Numbers of X from which a table of two classes is large there.
NUMBERS_OF_LARGE = 2**16


@dataclass(frozen=True)
class Rung:
    """A kind of curvature, its ``cost`` in evaluations, and how many iterations it serves at least."""

    curvature: type
    cost: float
    n_iter: int

    @property
    def is_exact(self):
        """Whether its curvature is the Hessian."""
        return self.curvature.is_exact

    def curvature_at(self, objective, point, standardisation):
        """Its curvature at a Point, whose gradient tells a Kronecker one how far its steps would go."""
        takes_gradient = issubclass(self.curvature, KroneckerCurvature | RowsByClassCurvature)
        gradient = (point.gradient,) if takes_gradient else ()
        return self.curvature(objective, point.params, standardisation, *gradient)

    @property
    def is_by_class(self):
        """Whether its curvature is a ClassCurvature."""
        return self.curvature is ClassCurvature

    @property
    def cost_to_climb(self):
        """The evaluations that it has to save: of an exact one few are left, of one by class about half."""
        return 2 * self.cost if self.is_by_class else self.cost

    @property
    def most_cost(self):
        """The evaluations that it may cost as the first."""
        return CHEAP_KRONECKER if self.curvature is KroneckerCurvature else CHEAP


def rungs_for(objective):
    """The rungs that an objective may climb, from the cheapest curvature to the dearest."""
    n_rows, n_features = objective.rows.shape
    n_params, n_outputs = objective.shape
    evaluation = n_rows * n_outputs * (WORK_PER_PRODUCT * objective.rows.numbers_per_row + WORK_PER_LOGIT)
    rungs = [Rung(WeightedDiagonalCurvature if objective.rows.is_sparse else DiagonalCurvature, 1.0, 10)]
    if n_rows < n_features and n_rows * n_features <= objective.rows.numbers_to_stack:
        work = 2 * n_rows**2 * n_features + WORK_OF_EIGENVECTORS * n_rows**3
        # Evaluations of sparse rows are so cheap that it may cost thousands.
        if not objective.rows.is_sparse or work <= MOST_ROW_SPACE_OF_SPARSE * evaluation:
            rungs = [Rung(RowSpaceCurvature, work / evaluation, 10)]
    if n_rows >= n_features and n_features <= MOST_COLUMNS:
        n_drawn = min(n_rows, rows_of_moment(n_features))
        work = n_drawn * n_features * (2 * n_features + WORK_PER_LOGIT) + WORK_OF_EIGENVECTORS * n_features**3
        rungs.append(Rung(KroneckerCurvature, work / evaluation, 10))
    exact = _exact_rungs(objective, evaluation)
    is_hessian_dear = all(rung.cost > CHEAP_AT_THE_END for rung in exact)
    if len(rungs) > 1 and is_hessian_dear and has_curvature_by_class(objective):
        n_drawn = min(n_rows, rows_of_classes(objective.shape))
        work = n_drawn * n_params * (n_params / 4 + WORK_PER_GATHERED) + WORK_OF_FACTOR * n_params**3
        if exact and rungs[-1].curvature is KroneckerCurvature:
            rungs[-1] = replace(rungs[-1], n_iter=ITERATIONS_BEFORE_DEARER)
        rungs.append(Rung(ClassCurvature, COST_OF_DRAWING + n_outputs * work / evaluation, 10))
    elif len(rungs) > 1 and not exact and has_rows_by_class(objective):
        rungs.append(Rung(RowsByClassCurvature, COST_OF_ROWS, 10))
    return rungs + exact


def _exact_rungs(objective, evaluation):
    """The rung of the Hessian, in a list, or none where it is too large; given the work of an ``evaluation``."""
    if not is_hessian_affordable(objective):
        return []
    n_params, n_outputs = objective.shape
    n_factors, size = _factors_of(objective)
    n_pairs = n_outputs if objective.problem.are_separate else n_outputs * (n_outputs - 1) // 2
    work = min(objective.rows.shape[0], ROWS_OF_EXACT) * n_params**2 * n_pairs + n_factors * size**3
    return [Rung(ExactCurvature, work / evaluation, 5)]


def is_hessian_affordable(objective):
    """Whether an exact Hessian, or its blocks, are worth factorising."""
    n_factors, size = _factors_of(objective)
    return size <= LARGEST_FACTOR and n_factors * size**2 <= NUMBERS_OF_FACTORS


def has_curvature_by_class(objective):
    """Whether blocks of a softmax's Hessian, one for each class, fit in memory: those of rows that are not on Dask."""
    n_params, n_outputs = objective.shape
    rows = objective.rows
    return (
        objective.problem.is_centred
        and isinstance(rows, RowBlocks)
        and not rows.is_sparse
        and n_params <= LARGEST_FACTOR
        and n_outputs * n_params**2 <= NUMBERS_OF_FACTORS
    )


def has_rows_by_class(objective):
    """Whether a softmax of dense X has so many classes that each has rows of its own beside a Kronecker curvature."""
    is_array = isinstance(objective.rows, RowBlocks) and isinstance(objective.rows.X, np.ndarray)
    return is_array and objective.problem.is_centred and objective.shape[1] >= FEWEST_CLASSES_WITH_ROWS


def _factors_of(objective):
    """Factors of an exact Hessian, and the size of each."""
    n_params, n_outputs = objective.shape
    if objective.problem.are_separate:
        return n_outputs, n_params
    return 1, n_params * (n_outputs - objective.problem.is_centred)


def first_rung(rungs, *, is_cold):
    """Index of the rung to start from; where all coefficients are zero, a Kronecker curvature is exact."""
    affordable = [
        index for index, rung in enumerate(rungs) if rung.cost <= rung.most_cost and not (is_cold and rung.is_by_class)
    ]
    if is_cold and len(affordable) > 2 and rungs[1].cost < rungs[2].cost:
        return 1
    return max(affordable, default=0)


def next_rung(rungs, index, iterations_left):
    """Index of the rung to go on from, where the one at ``index`` seems to need so many iterations more.

    Where there is a curvature by class, its rate tells whether a Hessian pays. Twelve tables of 430 to 1,300
    parameters, digits and parts of mfeat and isolet among them, C = 1 and 100, take 0.2 to 1.15 of the time that they
    took without it, 0.80 in the geometric mean, and 0.4 to 1.9 times the passes, 0.87 in the mean.
    """
    by_class = (higher for higher in range(index + 1, len(rungs)) if rungs[higher].is_by_class)
    for higher in range(next(by_class, len(rungs) - 1), index, -1):
        if iterations_left > EVALUATIONS_TO_CLIMB + rungs[higher].cost_to_climb:
            return higher
    return index


def has_cheap_hessian(rungs):
    """Whether an exact curvature is cheap enough to ask it for a certificate."""
    return rungs[-1].is_exact and rungs[-1].cost <= CHEAP_AT_THE_END


def has_hessian_for_all_steps(rungs, objective):
    """Whether an exact curvature is cheap enough to be computed for every step."""
    if not rungs[-1].is_exact:
        return False
    if objective.shape[1] > 1:
        return rungs[-1].cost <= CHEAP_AT_THE_START
    is_cheap = has_cheap_hessian_of_one_logit(rungs, objective)
    is_large = objective.rows.shape[0] * objective.shape[0] >= NUMBERS_OF_LARGE
    return is_cheap and not (is_large and rungs[-1].cost > CHEAP_AT_THE_START_OF_LARGE)


def has_cheap_hessian_of_one_logit(rungs, objective):
    """Whether that is so of one logit where columns depend on each other, however large the table is."""
    return objective.shape[1] == 1 and rungs[-1].is_exact and rungs[-1].cost <= CHEAP_AT_THE_START_OF_ONE_LOGIT
