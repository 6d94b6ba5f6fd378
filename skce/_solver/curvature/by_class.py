"""Curvature class by class: of each the second moment of the columns, by rows as they curve in that class.

Where classes are nearly separable, each is curved by rows of its own, those that it might be taken for: no product of a
curvature by class and a moment by column is near that. MNIST at 0 to 255, after 300 passes: of what Newton's step gains
four conjugate gradients find 99.7 % in these coordinates, and sixty find 23 % in those of the Kronecker product.
"""

import numpy as np
import scipy.linalg
import scipy.sparse

from skce._slices import row_slices
from skce._solver.curvature.directions import (
    half_squared_norms,
    preconditioned_classes,
    ridge_of,
    sums_over_rows,
)
from skce._solver.curvature.factorisation import cholesky_factor
from skce._solver.curvature.triangles import LowerTriangles

# Rows that are drawn for each class and column, or fewer: none twice; at most, for all classes together; and those from
# which it is told how many that would be. A thousand classes take 110 passes with 2 for each column, 82 with 4, 69 with
# 10, 60 with 80. After 140 to 165 passes MNIST at 0 to 255 is 6, 2.2, 1.2 and 0.5 thousandths above the minimum with
# 40, 80, 400 and all rows, whose curvature takes 0.8, 0.9, 1.4 and 4.9 seconds: an evaluation takes 0.2. Of 3265
# classes, ten columns, 2, 3 and 4 times 2^20 rows take 58, 79 and 98 MB; 2446 classes, 64 columns, 73, 72, 82 passes.
ROWS_PER_COLUMN = 400
MOST_DRAWN = 3 * 2**20
ROWS_OF_PILOT = 2**12

# A row whose place is this share of it further on is drawn by a number that is as far on, modulo 1: numbers that are
# as even as any over the rows, wherever they are summed.
GOLDEN_SHARE = (np.sqrt(5) - 1) / 2

# Least curvature of a column in a class, as a share of what it would be if all rows curved alike in that class.
LEAST_OF_COLUMN = 1e-4

# Least probability whose logarithm is taken.
LEAST_PROBABILITY = 1e-300

# Added to a diagonal of ones before it is factorised, in units of its rounding: the first that is enough.
RIDGES = 8.0 * 10.0 ** np.arange(7)

# And of the second moment of all classes a class has at least so much, as a share of its weight: what curves others now
# may curve it after a step. MNIST at 0 to 255 takes 324 passes with it and 366 without, and more than 1340 with 1e-3,
# which hides how little curves a class that is nearly separable.
LEAST_OF_ALL = 1e-6

# Pivot of that moment, with a diagonal of ones, below which products of columns are summed in float64: in float32 they
# have no digits for what the other columns leave of one. Without an intercept 60 columns whose means are 1e4 spreads,
# C = 100, take 68 passes; with products in float32, 1000 iterations were not enough.
LEAST_PIVOT = 1e-4

# Numbers of X up to which all rows are standardised at once, which takes half of that in memory again.
MOST_STANDARDISED = 2**21

# Rows whose products are summed at once.
ROWS_AT_ONCE = 2**10

# Columns whose products with those before them are one product of matrices, where it is not known to be symmetric: of
# MNIST at 0 to 1, in PyTorch on a CPU, all at once took 1.5 times as long.
COLUMNS_OF_STRIP = 2**7


class ClassCurvature:
    """Sum over the rows of m q_k (1 - q_k) x x^T + ridge, for each class k of a softmax, at ``params``.

    Of many rows each class draws some, in proportion to their weight in that sum times their squared norm, so that
    columns that few rows have are not missing. The maps are in float32: any change of variables would be right.
    """

    is_exact = False

    # What ``to_params`` and ``pull_back`` multiply by.
    multiplied = ("standardisation", "maps")

    def __init__(self, objective, params, standardisation):
        problem = objective.problem
        self.standardisation = standardisation
        self.classes = preconditioned_classes(problem)
        self.shape = objective.shape
        curvature_of = objective.curvature_at(params)
        n_rows, n_draws = objective.rows.shape[0], rows_of_classes(objective.shape)
        dtype_of_row = np.promote_types(np.int32, np.min_scalar_type(-n_rows))

        def pilot(block, curvature):
            weights = weights_by_class(curvature, block)
            columns = standardisation.columns_of(block.X)
            return (
                self.classes.summed(curvature),
                weights.sum(axis=1),
                weights @ _lengths(standardisation, block),
                (weights.sum(axis=0) * columns) @ columns.T,
            )

        share, (self.by_class, weights, lengths, of_all) = sums_over_rows(pilot, objective, params, ROWS_OF_PILOT)
        lengths *= problem.total / n_draws

        def drawn(block):
            weights = weights_by_class(curvature_of(block), block)
            expected = weights * _lengths(standardisation, block)
            expected /= np.maximum(lengths, np.finfo(float).tiny)[:, None]
            first = block.at.start
            places = np.arange(first, block.at.stop) * GOLDEN_SHARE
            of_classes = np.arange(len(weights))[:, None] * GOLDEN_SHARE**2
            # Added where the weights are: what may have to be moved there is a number a row.
            numbers = np.add(places, of_classes, out=np.empty_like(weights, np.float64))
            chosen = np.flatnonzero(numbers % 1 < expected)
            classes, rows = chosen // len(places), chosen % len(places)
            roots = np.sqrt(weights.ravel()[chosen] / np.minimum(expected.ravel()[chosen], 1) / problem.total)
            return classes.astype(np.int32), (rows + first).astype(dtype_of_row), roots.astype(np.float32)

        classes, rows, roots = objective.rows.gathered(drawn)
        self.sweeps = share + 1.0
        of_classes = scipy.sparse.csr_array((roots, (classes, rows)), shape=(self.shape[1], n_rows))
        del classes, rows, roots
        ridge = np.diag(ridge_of(problem, standardisation))
        known = np.append((standardisation.spread / standardisation.scale) ** 2, np.ones(int(problem.fit_intercept)))
        share_of_all = LEAST_OF_ALL * weights / max(weights.sum(), np.finfo(float).tiny)
        are_single = cholesky_factor(of_all + ridge).least_pivot >= LEAST_PIVOT
        columns_of = _columns_of_rows(objective.rows, standardisation, are_single)
        self.maps = LowerTriangles(self.shape[1], self.shape[0])
        for output in range(self.shape[1]):
            at = slice(*of_classes.indptr[output : output + 2])
            moment = self._moment(columns_of, of_classes.indices[at], of_classes.data[at])
            ridge_of_class = ridge + share_of_all[output] * of_all
            self.maps.keep(output, _inverse_factor(moment, ridge_of_class, LEAST_OF_COLUMN * weights[output] * known))

    def _moment(self, columns_of, drawn, roots):
        """Sum (p, p), on the host, of the products of the columns of some rows times their ``roots`` (m,), squared.

        They are computed where the columns are; above the diagonal there may be zeros instead.
        """
        moment = np.zeros_like(columns_of(drawn[:0]), order="C", shape=2 * (self.shape[0],))
        for start in range(0, len(drawn), ROWS_AT_ONCE):
            at = slice(start, start + ROWS_AT_ONCE)
            columns = columns_of(drawn[at])
            columns *= roots[at]
            _add_products(moment, columns)
        return np.asarray(moment)

    def to_params(self, coordinates):
        """Displacement of the parameters for ``coordinates``, both flat."""
        by_class = self.maps.transposed_products(coordinates.reshape(self.shape[1], -1))
        matrix = np.empty_like(by_class, order="C", shape=self.shape)
        matrix[:] = by_class.T
        return self.standardisation.to_params(_centred(matrix)).reshape(-1)

    def pull_back(self, gradient):
        """Gradient by the coordinates, given that by the parameters, both flat."""
        matrix = _centred(self.standardisation.pull_back(gradient.reshape(self.shape)))
        return self.maps.products(matrix.T).reshape(-1)

    def decrements(self, gradient):
        """Estimated F - min F, half the squared norm of its ``gradient`` by the coordinates (flat)."""
        return half_squared_norms(gradient.reshape(self.shape[1], -1), axis=None)


def rows_of_classes(shape):
    """Rows that are drawn for each class, at most, given how many parameters it has, and how many classes there are."""
    n_params, n_classes = shape
    return max(min(ROWS_PER_COLUMN * n_params, MOST_DRAWN // n_classes), n_params)


def weights_by_class(curvature, block):
    """What the rows of a block curve in each class (K, m), once a step has moved them: m q (1 - q), with q nearer to t.

    A row that is far on the wrong side curves nothing where it is. A step that takes it for flat goes as far as the
    penalty lets it, which may be to where others are wrong. So q is moved by a share l / (2 (1 + l)^2) of the way to
    the targets t, for the loss l of the row: nothing of what is right, and of what is far wrong 1 / (2 l), which is
    about how the loss curves between there and where the row is as far on the right side.
    """
    targets = block.targets.block(block.at)
    mass = targets.sum(axis=0)
    targets = targets / np.where(mass > 0, mass, 1)
    loss = -(targets * np.log(np.maximum(curvature.q, LEAST_PROBABILITY))).sum(axis=0)
    share = loss / (2 * (1 + loss) ** 2)
    q = curvature.q + share * (targets - curvature.q)
    return curvature.mass * q * (1 - q)


def _columns_of_rows(rows, standardisation, are_single):
    """A function of indices (m,) of rows: a copy of their columns, (p, m), in float32 if they ``are_single``.

    Every class draws rows of its own, and most of them the same: of few numbers all rows are standardised once.
    """
    n_rows, of = rows.shape[0], standardisation.single_columns_of if are_single else standardisation.columns_of
    if n_rows * rows.shape[1] > MOST_STANDARDISED:
        return lambda drawn: of(rows.block(drawn).X)
    all_rows = of(rows.block(slice(0, n_rows)).X).T
    return lambda drawn: all_rows[drawn].T


def _add_products(moment, columns):
    """Add to ``moment`` (p, p) the products of ``columns`` (p, m): all, or those on the diagonal and below."""
    if isinstance(columns, np.ndarray):
        # NumPy knows a matrix times its own transpose to be symmetric, and has half of it computed.
        moment += columns @ columns.T
        return
    for strip in row_slices(len(columns), COLUMNS_OF_STRIP):
        moment[strip, : strip.stop] += columns[strip] @ columns[: strip.stop].T


def _centred(by_output):
    """Parameters, or a gradient by them, (p, K), minus the mean over the classes, in their place."""
    by_output -= by_output.mean(axis=1, keepdims=True)
    return by_output


def _lengths(standardisation, block):
    """Squared norms (m,) of the rows of a block in the columns, that of ones among them."""
    return standardisation.squared_norms(block.X) + 1


def _inverse_factor(moment, ridge, least):
    """The inverse (p, p) of L, where L L^T is about ``moment`` (p, p) + ridge, in its dtype.

    ``moment`` is overwritten, and not read above its diagonal.
    """
    diagonal = np.maximum(moment.diagonal(), least) + ridge.diagonal()
    moment += ridge
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0)).astype(moment.dtype)
    potrf, trtri = scipy.linalg.get_lapack_funcs(("potrf", "trtri"), (moment,))
    moment /= scale
    moment /= scale[:, None]
    for of_diagonal in RIDGES * np.finfo(moment.dtype).eps:
        np.fill_diagonal(moment, 1 + of_diagonal)
        lower, info = potrf(moment, lower=1, clean=1)
        if info == 0:
            return trtri(lower, lower=1, overwrite_c=1)[0] / scale
    return np.diag(1 / scale)
