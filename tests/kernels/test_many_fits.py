"""Derivatives of many fits at once are those of each fit, by the kernels of one, whatever the reference."""

import numpy as np
import pytest

from skce._kernels.softmax import SoftmaxCurvature
from skce._links.binary import CrossEntropyOfBinary
from skce._links.sigmoids import CrossEntropyOfSigmoids
from skce._links.softmax import CrossEntropyOfSoftmax


class Given:
    """Targets T, as they are."""

    is_one_a_row = False

    def __init__(self, block):
        self.given = block

    def block(self, at):
        return self.given

    def block_like(self, logits, at):
        return self.given

    def row_weight(self, at):
        return self.given.sum(axis=0)

    def row_weight_like(self, logits, at):
        return self.given.sum(axis=0)


N_ROWS, N_FITS = 7, 3


def soft_targets(rng, n_classes, heaviest):
    """T (K, n) of random weights, one of which is 0, and most of all of one class."""
    targets = rng.dirichlet(np.ones(n_classes), N_ROWS).T * rng.uniform(0.5, 2, N_ROWS)
    targets[heaviest] += 5
    targets[:, 2] = 0
    return targets


@pytest.mark.parametrize("size", [1.0, 30.0, 2000.0])
@pytest.mark.parametrize("heaviest", [0, 1, 3])
def test_softmaxes_of_differences(size, heaviest):
    rng = np.random.default_rng(0)
    targets, logits = soft_targets(rng, 4, heaviest), size * rng.standard_normal((4, N_FITS, N_ROWS))
    loss = CrossEntropyOfSoftmax()
    many = loss.of_many_fits(targets)
    assert many.reference == heaviest
    differences = np.delete(logits - logits[heaviest], heaviest, axis=0)
    gradient, weights = many.gradient(differences.copy()), many.weights(differences.copy())
    pairs = np.triu_indices(4, 1)
    for fit in range(N_FITS):
        _, of_fit = loss.values_gradient(logits[:, fit].copy(), Given(targets), slice(None))
        np.testing.assert_allclose(gradient[:, fit], np.delete(of_fit, heaviest, axis=0), rtol=1e-12, atol=1e-14)
        curvature = loss.curvature(logits[:, fit].copy(), Given(targets), slice(None))
        assert isinstance(curvature, SoftmaxCurvature)
        np.testing.assert_allclose(weights[:, fit], curvature.entries(*pairs), rtol=1e-11, atol=1e-300)


@pytest.mark.parametrize("size", [1.0, 30.0, 2000.0])
@pytest.mark.parametrize(("loss", "n_outputs"), [(CrossEntropyOfBinary(), 1), (CrossEntropyOfSigmoids(), 3)])
def test_sigmoids_of_labels(size, loss, n_outputs):
    rng = np.random.default_rng(1)
    is_for, mass = rng.random((n_outputs, N_ROWS)) < 0.5, rng.uniform(0.5, 2, N_ROWS)
    mass[2] = 0
    targets, logits = np.stack([is_for, ~is_for]) * mass, size * rng.standard_normal((n_outputs, N_FITS, N_ROWS))
    many = loss.of_many_fits(targets)
    assert many.reference is None
    gradient, weights = many.gradient(logits.copy()), many.weights(logits.copy())
    for fit in range(N_FITS):
        _, of_fit = loss.values_gradient(logits[:, fit].copy(), Given(targets), slice(None))
        np.testing.assert_allclose(gradient[:, fit], of_fit, rtol=1e-12, atol=1e-250)
        entries = loss.curvature(logits[:, fit].copy(), Given(targets), slice(None)).entries(*2 * (range(n_outputs),))
        np.testing.assert_allclose(weights[:, fit], entries, rtol=1e-12, atol=1e-300)


def test_sigmoids_that_are_for_and_against_have_none():
    assert CrossEntropyOfSigmoids().of_many_fits(np.full((2, 1, 5), 0.5)) is None
