"""Targets against loops, and the laws that labels and weights obey."""

import numpy as np
import pytest
import scipy.sparse

from skce._labels.kinds_of_y import HardLabels, Indicators, SoftLabels
from skce._links.binary import Binary
from skce._links.multilabel import Multilabel
from skce._links.one_vs_all import OneVsAll
from skce._links.softmax import Softmax
from tests import reference
from tests.problems import targets_of

N, K = 6, 3
ALL = slice(0, N)
CODES = np.array([0, 2, 1, 1, 0, 2])
CLASS_WEIGHT = np.array([1.0, 0.5, 3.0])


@pytest.fixture
def sample_weight(rng):
    return rng.uniform(0.5, 2, size=N)


@pytest.fixture
def distributions(rng):
    return rng.dirichlet(np.ones(K), size=N)


@pytest.fixture(params=["hard", "soft"])
def labels_and_distributions(request, distributions):
    if request.param == "soft":
        return SoftLabels(distributions), distributions.tolist()
    return HardLabels(CODES, K), [reference.one_hot(code, K) for code in CODES]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_softmax_targets_against_loops(labels_and_distributions, sample_weight, smoothing):
    labels, rows = labels_and_distributions
    targets = targets_of(Softmax, labels, sample_weight, CLASS_WEIGHT, smoothing)
    expected = np.array(reference.softmax_targets(rows, sample_weight, CLASS_WEIGHT, smoothing))
    np.testing.assert_allclose(targets.block(ALL), expected.T, rtol=1e-13)
    np.testing.assert_allclose(targets.block(slice(2, 4)), expected.T[:, 2:4], rtol=1e-13)
    np.testing.assert_allclose(targets.class_mass, expected.sum(axis=0), rtol=1e-13)
    assert targets.total == pytest.approx(expected.sum(), rel=1e-13)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_one_vs_all_targets_against_loops(labels_and_distributions, sample_weight, smoothing):
    labels, rows = labels_and_distributions
    targets = targets_of(OneVsAll, labels, sample_weight, CLASS_WEIGHT, smoothing)
    weights_for = reference.softmax_targets(rows, sample_weight, CLASS_WEIGHT, 0.0)
    weights_against = [[sum(row) - weight for weight in row] for row in weights_for]
    expected = np.array(reference.sigmoid_targets(weights_for, weights_against, smoothing))
    np.testing.assert_allclose(targets.block(ALL), expected.transpose(2, 1, 0), rtol=1e-12, atol=1e-15)
    assert targets.total == pytest.approx(np.sum(weights_for), rel=1e-13)


@pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_multilabel_targets_against_loops(container, sample_weight, smoothing, rng):
    indicator = np.array([[0, 1, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1]])
    weights = rng.uniform(size=(2, K))
    targets = targets_of(Multilabel, Indicators(container(indicator)), sample_weight, weights, smoothing)
    weights_for = sample_weight[:, None] * weights[0] * indicator
    weights_against = sample_weight[:, None] * weights[1] * (1 - indicator)
    expected = np.array(reference.sigmoid_targets(weights_for, weights_against, smoothing))
    np.testing.assert_allclose(targets.block(ALL), expected.transpose(2, 1, 0), rtol=1e-13)
    assert targets.total == pytest.approx(sample_weight.sum(), rel=1e-13)


def test_binary_targets_are_softmax_targets_for_and_against_the_second_class(sample_weight):
    args = HardLabels(CODES % 2, 2), sample_weight, np.array([1.0, 4.0]), 0.1
    against, weight_for = targets_of(Softmax, *args).block(ALL)
    np.testing.assert_array_equal(targets_of(Binary, *args).block(ALL)[:, 0], [weight_for, against])
    assert targets_of(Binary, *args).total == targets_of(Softmax, *args).total


@pytest.mark.parametrize("kind", [Softmax, OneVsAll])
def test_a_one_hot_distribution_is_a_label(kind, sample_weight):
    hard = targets_of(kind, HardLabels(CODES, K), sample_weight, CLASS_WEIGHT, 0.1)
    soft = targets_of(kind, SoftLabels(np.eye(K)[CODES]), sample_weight, CLASS_WEIGHT, 0.1)
    np.testing.assert_allclose(soft.block(ALL), hard.block(ALL), rtol=1e-14)
    np.testing.assert_allclose(soft.class_mass, hard.class_mass, rtol=1e-14)


def test_smoothing_is_the_soft_labels_it_stands_for(sample_weight):
    smoothed = targets_of(Softmax, HardLabels(CODES, K), sample_weight, np.ones(K), 0.3)
    soft = targets_of(Softmax, SoftLabels(0.7 * np.eye(K)[CODES] + 0.1), sample_weight, np.ones(K), 0.0)
    np.testing.assert_allclose(smoothed.block(ALL), soft.block(ALL), rtol=1e-13)


@pytest.mark.parametrize("kind", [Softmax, OneVsAll])
def test_smoothing_and_class_weights_leave_the_weight_of_a_row_alone(kind, sample_weight):
    weights = targets_of(kind, HardLabels(CODES, K), sample_weight, CLASS_WEIGHT, 0.3).block(ALL).sum(axis=0)
    np.testing.assert_allclose(weights, np.broadcast_to(sample_weight * CLASS_WEIGHT[CODES], weights.shape), rtol=1e-13)


def test_weights_and_smoothing_together_do_not_flip_a_label():
    # PyTorch smooths first and weighs then, which makes class 1 the likelier here (pytorch#104776).
    block = targets_of(Softmax, HardLabels(np.array([0]), 2), np.ones(1), np.array([0.01, 0.99]), 0.1).block(
        slice(0, 1)
    )
    assert block[0, 0] > block[1, 0]


def test_classes_without_mass_are_left_out_of_the_columns():
    weight = np.array([1, 0, 1, 1, 1, 0.0])
    assert targets_of(Softmax, HardLabels(CODES, K), weight, np.ones(K), 0.0).outputs.tolist() == [0, 1]
    assert targets_of(Softmax, HardLabels(CODES, K), weight, np.ones(K), 0.1).outputs.tolist() == [0, 1, 2]
    assert targets_of(Softmax, HardLabels(CODES, K), np.ones(N), np.array([1, 0, 1.0]), 0.0).outputs.tolist() == [0, 2]
    one_vs_all = targets_of(OneVsAll, HardLabels(CODES, K), weight, np.ones(K), 0.0)
    assert one_vs_all.outputs.tolist() == [0, 1]
    assert one_vs_all.block(ALL).shape == (2, 2, N)


def test_targets_leave_read_only_input_alone(sample_weight, distributions):
    arrays = sample_weight, distributions, CLASS_WEIGHT, CODES
    copies = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    for labels in (HardLabels(CODES, K), SoftLabels(distributions)):
        for kind in (Softmax, OneVsAll):
            targets_of(kind, labels, sample_weight, CLASS_WEIGHT, 0.1).block(ALL)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
