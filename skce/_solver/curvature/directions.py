"""Curvatures: changes of variables in which the objective curves about alike in all directions.

In units as they come, a column that is a thousand times larger curves the objective a million times more, and L-BFGS
creeps. X and the objective stay as they are: only the displacement from a point changes variables. With H = M M^T the
curvature there, or something close to it,

    params = point + M^-T u        gradient by u = M^-1 gradient by params

so that in u the curvature is about the identity, and half the squared norm of the gradient estimates how far the
objective is above its minimum. A row curves it by m (diag q - q q^T) in its logits, times x x^T. Ways to keep H:

    exact        all of it, but for the directions that a softmax does not see; of sigmoids, a block for each
    by class     of a softmax, the blocks of H on its diagonal, one for each class
    Kronecker    A kron G + ridge, of the rows' curvatures by class and their curvature-weighted second moment by
                 column; of fewer rows than columns, in the space of the rows; of many classes, with the rows of each
                 that curve it most
    diagonal     its diagonal

all of them in standardised columns.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import scipy.linalg

from skce._solver.curvature.factorisation import RIDGES

# Eigenvalues of the curvature by class, relative to the largest, below which a Kronecker product is not to be believed;
# and entries of its diagonal, which differ as much as the classes' sizes do.
LEAST_CLASS_CURVATURE, LEAST_OF_DIAGONAL = 1e-2, 1e-6

# Above this many classes a curvature by class is its diagonal. Where both were tried that takes more passes, 49 for 47
# (100 classes), 72 for 60 (letter), 83 for 57 (isolet), but n K^2 for the sum, and K^3 for the eigenvectors, more time.
MOST_DENSE_CLASSES = 300

# Up to so many outputs directions are kept from one problem to the next: of 16, with the products of pairs, 220 kB.
MOST_OUTPUTS_KEPT = 16

# Above this many rows, a class matrix draws this many.
ROWS_OF_CLASSES = 2**14


def intercept_step(curvature, intercept_gradient):
    """Newton step (K,) in the intercepts alone, by the curvature by class."""
    by_direction, directions = curvature.classes.principal(curvature.by_class)
    least = max(RIDGES[0] * by_direction.max(), np.finfo(float).tiny)
    return -directions.expanded(directions.reduced(intercept_gradient) / np.maximum(by_direction, least))


@dataclass(frozen=True)
class ClassDirections:
    """Orthonormal directions by class, the rows of ``vectors`` (k, K); None for K separate problems."""

    vectors: np.ndarray | None
    size: int
    least_curvature = LEAST_CLASS_CURVATURE
    is_diagonal = False

    @property
    def are_separate(self):
        """Whether each class is a problem by itself."""
        return self.vectors is None

    @cached_property
    def pairs(self):
        """First and second class of each pair that a row's curvature has a weight for; of separate problems, itself."""
        return 2 * (np.arange(self.size),) if self.are_separate else np.triu_indices(self.vectors.shape[1], 1)

    @cached_property
    def products_of_pairs(self):
        """Of each pair, the products (k^2, p) of what its difference has of two directions."""
        vectors: Any = self.vectors
        first, second = self.pairs
        differences = vectors[:, first] - vectors[:, second]
        return (differences[:, None] * differences).reshape(self.size**2, -1)

    def reduced(self, by_output):
        """Components (..., k) in the directions of (..., K)."""
        return by_output if self.are_separate else by_output @ self.vectors.T

    def expanded(self, by_direction):
        """The inverse of ``reduced``."""
        return by_direction if self.are_separate else by_direction @ self.vectors

    def principal(self, by_class):
        """Curvatures (k,) in the directions in which a curvature by class, (K, K) or (K,), is diagonal, and these."""
        if self.are_separate:
            return by_class, self
        values, rotation = np.linalg.eigh(self.vectors @ by_class @ self.vectors.T)
        return values, ClassDirections(rotation.T @ self.vectors, self.size)

    @classmethod
    def of_outputs(cls, n_outputs, are_separate, is_centred):
        """Those of so many outputs: of a softmax that is centred, the ones orthogonal to a shift of all its classes."""
        if are_separate:
            return cls(None, n_outputs)
        return (_kept_directions if n_outputs <= MOST_OUTPUTS_KEPT else _directions)(n_outputs, is_centred)

    def seen(self, by_output):
        """What of (..., K) lies in these directions."""
        return self.expanded(self.reduced(by_output))

    def summed(self, curvature):
        """The curvature by class of some rows, (K, K) or (K,), that ``principal`` takes."""
        return curvature.total()


def _directions(n_classes, is_centred):
    """The ClassDirections of a softmax over so many classes."""
    vectors = scipy.linalg.helmert(n_classes, full=not is_centred)
    return ClassDirections(vectors, len(vectors))


# To find them, and their pairs, takes a twentieth of the fit of iris, and paths and folds pose many problems.
_kept_directions = lru_cache(maxsize=8)(_directions)


@dataclass(frozen=True)
class ManyClasses:
    """The directions orthogonal to a shift of all ``size`` classes of a softmax, given by what they make of each class.

    The methods of ClassDirections, for curvatures by class that are diagonals (K,), and with K components for k.
    """

    size: int
    are_separate = False
    least_curvature = LEAST_OF_DIAGONAL
    is_diagonal = True

    def reduced(self, by_output):
        """As (..., K), without their mean."""
        return by_output - by_output.mean(axis=-1, keepdims=True)

    expanded = seen = reduced

    def principal(self, by_class):
        """The diagonal (K,), and these directions."""
        return by_class, self

    def summed(self, curvature):
        """The diagonal (K,) of the curvatures' sum."""
        return curvature.diagonals().sum(axis=1)


def preconditioned_classes(problem):
    """The ClassDirections or ManyClasses in which a curvature that is not exact is taken."""
    is_many = problem.is_centred and problem.shape[1] > MOST_DENSE_CLASSES
    return ManyClasses(problem.shape[1]) if is_many else class_directions(problem)


def class_directions(problem):
    """The ClassDirections that a problem sees."""
    return problem.class_directions


def diagonal_of(by_class):
    """The diagonal (K,) of a curvature by class, (K, K) or (K,)."""
    return by_class if by_class.ndim == 1 else np.diag(by_class)


def with_floor(curvatures, least=LEAST_CLASS_CURVATURE):
    """Curvatures (k,) by class, none of them smaller than this share of the largest, and none 0."""
    return np.maximum(curvatures, max(least * curvatures.max(), np.finfo(float).tiny))


def sums_over_rows(function, objective, params, n_draws, width=None):
    """Sweeps, and sums over the rows, divided by S, of the tuple that ``function`` makes of a block and its curvatures.

    Of more than ``n_draws`` rows that many are drawn in proportion to their weight. ``width`` is the numbers a row that
    ``function`` computes.
    """
    rows, total = objective.rows, objective.problem.total
    n_rows, curvature_of = rows.shape[0], objective.curvature_at(params)
    if n_rows <= n_draws:
        sums = rows.summed(lambda block: function(block, curvature_of(block)), width)
        return 1.0, [term / total for term in sums]

    def terms_of_drawn(block):
        return function(block, curvature_of(block).times(1 / block.targets.row_weight(block.at)))

    weight, sums = rows.summed_of_drawn(terms_of_drawn, n_draws, width)
    return n_draws / n_rows, [term * (weight / n_draws / total) for term in sums]


def ridge_of(problem, standardisation):
    """What the penalty adds to the diagonal of H for each standardised column, and for the intercept (0)."""
    n_features = len(standardisation.scale)
    ridge = np.zeros(n_features + problem.fit_intercept)
    np.divide(problem.penalty.ridge, standardisation.scale**2, out=ridge[:n_features])
    return ridge


def half_squared_norms(gradient, axis):
    """Half the squared norms, one for each problem, of a gradient by the coordinates."""
    if axis is None or gradient.shape[1 - axis] == 1:
        return np.array([float(np.vdot(gradient, gradient)) / 2])
    return np.asarray(np.add.reduce(gradient * gradient, axis=axis)) / 2
