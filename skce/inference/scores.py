"""Sums of products of the scores of rows: what the sandwich has between its two inverse Hessians.

The score of row i is the gradient of its loss, x_i times s_i = m_i q_i - T_i for cross-entropy. Summed are its products
with itself, a block of rows at a time, or those of the sums over the rows of each cluster, in the reduced parameters of
an optimum: standardised columns, and directions of the classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse

from skce._types import Array


def scores_of(optimum: Any) -> Any:
    """The function of a Block that returns the scores (p, m) of its rows by the coordinates' reduced parameters."""
    problem, classes = optimum.problem, optimum.curvature.classes
    standardisation = optimum.curvature.standardisation
    coef, intercept = problem.split(optimum.params)
    row_loss, vectors = problem.row_loss, classes.vectors

    def scores(block):
        _, gradient = row_loss.values_gradient(block.logits(coef, intercept), block.targets, block.at)
        columns = standardisation.columns_of(block.X)
        if vectors is None:
            return (gradient[:, None] * columns).reshape(-1, columns.shape[1])
        return (columns[:, None] * (vectors @ gradient)).reshape(-1, columns.shape[1])

    return scores


def products_of_scores(optimum: Any, are_weights_frequencies: bool) -> Array:
    """Sum (r, r) over the rows of the products of their scores, by the coordinates; S is in the Hessian.

    A weight that is a frequency counts the row so often; one that is not is part of the score, and its square counts.
    """
    problem, scores = optimum.problem, scores_of(optimum)

    def program(block):
        of_rows = scores(block)
        if not are_weights_frequencies:
            return (of_rows @ of_rows.T,)
        weight = block.targets.sample_weight[block.at]
        return ((of_rows / np.where(weight > 0, weight, 1)) @ of_rows.T,)

    (products,) = problem.rows.summed(program, _width(optimum))
    return _by_coordinates(optimum, products)


def products_of_clusters(optimum: Any, codes: Array) -> Array:
    """Sum (r, r) over the clusters of the products of their scores; ``codes`` (n,) say which cluster a row is of."""
    problem, scores = optimum.problem, scores_of(optimum)
    rows, width = problem.rows, _width(optimum)
    sums = np.zeros((codes.max() + 1, width))
    for at in rows.slices(rows.shape[0], width):
        present, places = np.unique(codes[at], return_inverse=True)
        of_rows = np.asarray(scores(rows.block(at)))
        is_of = scipy.sparse.csr_array((np.ones(len(places)), (places, np.arange(len(places)))))
        sums[present] += is_of @ of_rows.T
    return _by_coordinates(optimum, sums.T @ sums)


def _width(optimum):
    """Reduced parameters of all problems."""
    return optimum.problem.shape[0] * optimum.curvature.classes.size


def _by_coordinates(optimum, products):
    """Sums of products (p, p) by the reduced parameters, in the coordinates (r, r), over S."""
    factor = scipy.linalg.block_diag(*optimum.factors)
    return factor @ products @ factor.T / optimum.problem.total
