"""Class weights against scikit-learn's, against the formula, and their bad input."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.class_weight import compute_class_weight

from skce._labels.class_weight import class_weights

CLASSES = np.array(["a", "b", "c"])
COUNTS = np.array([10.0, 30.0, 2.5])


def test_none_weighs_one():
    np.testing.assert_array_equal(class_weights(None, CLASSES, COUNTS), [1, 1, 1])


def test_balanced_is_scikit_learns_weighted_balance(rng):
    y = rng.choice(CLASSES, size=50)
    sample_weight = rng.uniform(size=50)
    counts = np.array([sample_weight[y == label].sum() for label in CLASSES])
    expected = compute_class_weight("balanced", classes=CLASSES, y=y, sample_weight=sample_weight)
    np.testing.assert_allclose(class_weights("balanced", CLASSES, counts), expected, rtol=1e-12)


def test_balanced_counts_only_the_classes_that_occur():
    np.testing.assert_allclose(class_weights("balanced", CLASSES, np.array([1.0, 0.0, 3.0])), [2, 1, 2 / 3])


def test_balanced_for_labels_balances_the_two_sides_of_each():
    counts = np.array([[1.0, 5.0, 0.0], [9.0, 5.0, 10.0]])
    np.testing.assert_allclose(class_weights("balanced", CLASSES, counts), [[5, 1, 1], [5 / 9, 1, 1]])


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.999, 1 - 1e-12])
def test_effective_divides_by_the_effective_number_of_samples(beta):
    weights = class_weights(("effective", beta), CLASSES, COUNTS)
    effective_number = (1 - beta**COUNTS) / (1 - beta)
    np.testing.assert_allclose(weights * effective_number / (weights * effective_number)[0], 1, rtol=1e-3)
    assert (COUNTS * weights).sum() == pytest.approx(COUNTS.sum(), rel=1e-12)


def test_effective_keeps_its_digits_for_small_counts():
    # With x = n log(beta) small, 1 - beta^n = -x (1 + x / 2 + x^2 / 6 ...), where 1 - beta**n has lost most digits.
    counts, beta = np.array([1e-9, 3e-9, 5e-9]), 0.999
    x = counts * np.log(beta)
    expected = 1 / (-x * (1 + x / 2))
    weights = class_weights(("effective", beta), CLASSES, counts)
    np.testing.assert_allclose(weights / weights[0], expected / expected[0], rtol=1e-13)


def test_effective_has_beta_0_999_and_lies_between_none_and_balanced():
    np.testing.assert_array_equal(
        class_weights("effective", CLASSES, COUNTS), class_weights(("effective", 0.999), CLASSES, COUNTS)
    )
    np.testing.assert_allclose(class_weights(("effective", 0.0), CLASSES, COUNTS), 1, rtol=1e-13)
    nearly_balanced = class_weights(("effective", 1 - 1e-9), CLASSES, COUNTS)
    np.testing.assert_allclose(nearly_balanced, class_weights("balanced", CLASSES, COUNTS), rtol=1e-6)


def test_effective_leaves_classes_without_samples_out():
    weights = class_weights("effective", CLASSES, np.array([5.0, 0.0, 20.0]))
    assert 5 * weights[0] + 20 * weights[2] == pytest.approx(25)
    assert weights[1] == 1


def test_a_dict_weighs_classes_by_name():
    np.testing.assert_array_equal(class_weights({"b": 2, "a": 0.5, "c": 3}, CLASSES, COUNTS), [0.5, 2, 3])
    np.testing.assert_array_equal(class_weights({"b": 2}, CLASSES, COUNTS), [1, 2, 1])
    np.testing.assert_array_equal(class_weights({0: 2, True: 5}, np.array([False, True]), COUNTS[:2]), [2, 5])


def test_a_series_is_a_dict_by_its_index():
    weights = pd.Series([2.0, 0.5], index=["c", "a"])
    np.testing.assert_array_equal(class_weights(weights, np.array(["a", "b", "c"]), np.ones(3)), [0.5, 1, 2])
    for bad, message in (
        (
            pd.Series([1.0, 2.0], index=["a", "a"]),
            r"must name each class once, got the index \['a', 'a'\]",
        ),
        (pd.Series([1.0, np.nan], index=["a", "b"]), r"class_weight\['b'\] must be a finite number"),
        (pd.DataFrame({"a": [1.0]}), r"class_weight\['a'\] must be a finite number"),
    ):
        with pytest.raises(ValueError, match=message):
            class_weights(bad, np.array(["a", "b"]), np.ones(2))


def test_a_dict_over_labels_weighs_their_positives():
    weights = class_weights({"b": 2}, CLASSES, np.ones((2, 3)))
    np.testing.assert_array_equal(weights, [[1, 2, 1], [1, 1, 1]])


def test_a_dict_may_name_more_classes_than_a_fold_has():
    np.testing.assert_array_equal(class_weights({"a": 1, "b": 2, "c": 3, "d": 4}, CLASSES, COUNTS), [1, 2, 3])


def test_a_dict_that_misses_a_class_and_names_an_unknown_one_is_a_slip():
    with pytest.raises(
        ValueError, match=r"class_weight must have classes for keys, but \['C'\] .* \['c'\] would be left"
    ):
        class_weights({"a": 1, "b": 2, "C": 3}, CLASSES, COUNTS)


@pytest.mark.parametrize("weight", [-1, np.nan, np.inf, "2", True])
def test_a_bad_weight_is_named(weight):
    with pytest.raises(ValueError, match=r"class_weight\['b'\] must be a finite number, at least 0, got"):
        class_weights({"b": weight}, CLASSES, COUNTS)


@pytest.mark.parametrize("class_weight", ["balance", ["effective", 0.9], ("balanced", 0.9), 2.0, ("effective",)])
def test_anything_else_is_an_error_that_lists_what_is_allowed(class_weight):
    with pytest.raises(ValueError, match=r"class_weight must be None, a dict .* got"):
        class_weights(class_weight, CLASSES, COUNTS)


@pytest.mark.parametrize("beta", [1.0, -0.1, np.nan, "0.9", True])
def test_a_bad_beta_is_named(beta):
    with pytest.raises(ValueError, match=r"beta of \('effective', beta\) must be in \[0, 1\), got"):
        class_weights(("effective", beta), CLASSES, COUNTS)
