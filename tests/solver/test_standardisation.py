"""Standardised columns: weighted means and spreads, found in one pass, however far from zero."""

import pickle

import numpy as np
import pytest
import scipy.sparse

from skce._labels.kinds_of_y import HardLabels
from skce._links.one_vs_all import OneVsAll
from skce._links.softmax import Softmax
from skce._rows import blocks
from skce._rows.blocks import RowBlocks
from skce._solver import standardisation as standardisation_module
from skce._solver.standardisation import Moments, Standardisation, moments_of
from tests.problems import targets_of

CONTAINERS = [np.asarray, np.asfortranarray, scipy.sparse.csr_array, scipy.sparse.csr_matrix]


def standardisation_of(rows, ridge, fit_intercept):
    """The standardisation of the columns of rows."""
    moments = moments_of(rows)
    return Standardisation(moments if fit_intercept else moments.about_zero(), ridge, fit_intercept)


def standardisation_by(mean, scale, fit_intercept):
    """The standardisation that takes ``mean`` from columns, and divides them by ``scale``."""
    return Standardisation(Moments(mean, scale**2), 0.0, fit_intercept)


@pytest.fixture(params=[Softmax, OneVsAll])
def targets(request, rng):
    return targets_of(
        request.param, HardLabels(np.arange(20) % 3, 3), rng.uniform(size=20), np.array([1.0, 2.0, 0.5]), 0.1
    )


@pytest.fixture
def weight(targets):
    return targets.sample_weight * targets.class_weight[targets.labels.codes]


@pytest.fixture(params=["dense", "sparse"])
def X(request, rng):
    if request.param == "dense":
        return rng.standard_normal((20, 4)) * [1, 1e3, 1e-3, 0] + [0, 1e5, 0, 3]
    return rng.standard_normal((20, 4)) * rng.integers(0, 2, size=(20, 4))


@pytest.mark.parametrize("container", CONTAINERS)
def test_means_and_spreads_are_weighted(container, targets, weight, X, monkeypatch):
    monkeypatch.setattr(blocks, "ROWS_PER_BLOCK", 1)
    monkeypatch.setattr(blocks, "BYTES_TO_ADD", 0)
    monkeypatch.setattr(blocks, "ELEMENTS_PER_BLOCK", 7)
    monkeypatch.setattr(blocks, "NUMBERS_PER_SPARSE_BLOCK", 7)
    monkeypatch.setattr(blocks, "NUMBERS_PER_SPARSE_COLUMN", 0)
    rows = RowBlocks(container(X), targets)
    mean = np.average(X, axis=0, weights=weight)
    spread = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))

    centred = standardisation_of(rows, 0.0, True)
    np.testing.assert_allclose(centred.mean, mean, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(centred.spread, np.where(spread > 1e-9, spread, 0.0), rtol=1e-9)
    np.testing.assert_allclose(centred.scale, np.where(spread > 1e-9, spread, 1.0), rtol=1e-9)
    penalised = standardisation_of(rows, 0.5, True)
    np.testing.assert_allclose(penalised.scale, np.sqrt(centred.spread**2 + 4 * 0.5), rtol=1e-9)

    uncentred = standardisation_of(rows, 0.0, False)
    np.testing.assert_allclose(uncentred.spread**2, np.average(X**2, axis=0, weights=weight), rtol=1e-9)
    assert not uncentred.mean.any()


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("distance", [1e6, 1e10])
def test_a_mean_far_from_zero_does_not_cost_the_digits_of_the_spread(container, distance, targets, weight, rng):
    noise = rng.standard_normal((20, 1))
    X = np.hstack([noise + distance, noise])
    exact = X[:, 0] - distance
    mean = np.average(exact, weights=weight)
    spread = np.sqrt(np.average((exact - mean) ** 2, weights=weight))
    standardisation = standardisation_of(RowBlocks(container(X), targets), 0.0, True)
    assert standardisation.spread[0] == pytest.approx(spread, rel=1e-12)
    assert standardisation.mean[0] - distance == pytest.approx(mean, abs=4e-16 * distance)


def test_rows_without_weight_do_not_count(rng):
    X = rng.standard_normal((30, 2))
    X[:10] = 1e30
    targets = targets_of(Softmax, HardLabels(np.arange(30) % 3, 3), np.repeat([0.0, 1.0], [10, 20]), np.ones(3), 0.0)
    standardisation = standardisation_of(RowBlocks(X, targets), 0.0, True)
    np.testing.assert_allclose(standardisation.spread, X[10:].std(axis=0), rtol=1e-12)


def test_columns_of_a_block(X):
    standardisation = standardisation_by(np.arange(4.0), np.array([1.0, 2.0, 3.0, 4.0]), True)
    expected = np.vstack([((X - np.arange(4.0)) / [1, 2, 3, 4]).T, np.ones(20)])
    for block in (X, scipy.sparse.csr_array(X)):
        np.testing.assert_allclose(standardisation.columns_of(block), expected, rtol=1e-15)
        np.testing.assert_allclose(standardisation.single_columns_of(block), expected, rtol=1e-6)
    assert standardisation_by(np.zeros(4), np.ones(4), False).columns_of(X).shape == (4, 20)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_logits_of_standardised_columns_are_those_of_the_parameters(fit_intercept, X, rng):
    mean = rng.standard_normal(4) if fit_intercept else np.zeros(4)
    standardisation = standardisation_by(mean, rng.uniform(0.5, 2, size=4), fit_intercept)
    standardised = rng.standard_normal((4 + fit_intercept, 3))
    logits = standardisation.columns_of(X).T @ standardised
    params = standardisation.to_params(standardised.copy())
    np.testing.assert_allclose(X @ params[:4] + (params[4] if fit_intercept else 0), logits, rtol=1e-12, atol=1e-12)
    # The gradient maps by the transpose.
    gradient = rng.standard_normal((4 + fit_intercept, 3))
    assert np.vdot(standardisation.pull_back(gradient), standardised) == pytest.approx(np.vdot(gradient, params))


def test_columns_that_are_kept_are_those_of_the_very_rows(rng):
    X = rng.normal(size=(60, 3))
    standardisation = Standardisation(Moments(np.array([0.5, 0.0, -1.0]), np.array([1.0, 4.0, 0.2])), 0.1, True)
    for block in (X[:20], X[:20], X[20:40], X[:40:2], X[:20, ::-1], X[:20].copy(), X[:20] + 1, X[:20]):
        np.testing.assert_array_equal(standardisation.kept_columns_of(block), standardisation.columns_of(block))
    kept = standardisation.kept_columns_of(X[:20])
    assert standardisation.kept_columns_of(X[:20]) is kept
    assert not kept.flags.writeable
    assert pickle.loads(pickle.dumps(standardisation)).kept_columns_of(X[:20]) is not kept
    assert not pickle.loads(pickle.dumps(standardisation))._kept


def test_of_more_rows_none_are_kept(rng, monkeypatch):
    monkeypatch.setattr(standardisation_module, "MOST_NUMBERS_KEPT", 4 * 20)
    X = rng.normal(size=(60, 3))
    standardisation = Standardisation(Moments(np.zeros(3), np.ones(3)), 0.0, True)
    first, second = standardisation.kept_columns_of(X[:20]), standardisation.kept_columns_of(X[20:40])
    assert standardisation.kept_columns_of(X[:20]) is first
    assert standardisation.kept_columns_of(X[20:40]) is not second
