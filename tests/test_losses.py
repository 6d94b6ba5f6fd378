"""Losses against their formulas, against differences of these, and at the ends of the unit interval."""

import pickle

import numpy as np
import pytest

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce.display import LossDisplay
from skce.functional import binary_cross_entropy_with_logits, cross_entropy
from skce.losses import CrossEntropy, FocalLoss, GeneralizedCrossEntropy, Poly1Loss
from tests.differences import gradient_by_differences
from tests.reference import PHI

INNER = np.array([0.01, 0.1, 0.25, 0.5, 0.8, 0.99])


def test_value_is_the_formula(loss, loss_name):
    expected = [PHI[loss_name](q) for q in INNER]
    np.testing.assert_allclose(loss.value(np.log(INNER), 1 - INNER), expected, rtol=1e-13)


def test_g_is_minus_q_times_the_derivative(loss, loss_name):
    for q in INNER:
        slope = gradient_by_differences(lambda x: PHI[loss_name](x[0]), np.array([q]), step=min(q, 1 - q) / 50)
        g = np.broadcast_to(loss.g(np.log([q]), np.array([1 - q])), 1)
        np.testing.assert_allclose(g, -q * slope, rtol=1e-5)


@pytest.mark.parametrize("gamma", [0, 0.3, 0.5, 1, 2, 5])
def test_focal_loss_is_finite_and_right_at_both_ends(gamma):
    focal = FocalLoss(gamma)
    # As q -> 0: g -> 1.  As q -> 1, with rest = 1 - q: value -> rest^(gamma + 1) and g -> (1 + gamma) rest^gamma.
    log_q, rest = np.array([-1e4, -0.0]), np.array([1.0, 0.0])
    np.testing.assert_allclose(focal.value(log_q, rest), [1e4, 0.0])
    np.testing.assert_allclose(focal.g(log_q, rest), [1.0, 1.0 if gamma == 0 else 0.0])
    rest = np.array([1e-20])
    np.testing.assert_allclose(focal.value(np.log1p(-rest), rest), rest ** (gamma + 1), rtol=1e-12)
    np.testing.assert_allclose(focal.g(np.log1p(-rest), rest), (1 + gamma) * rest**gamma, rtol=1e-12)


def test_every_loss_is_finite_where_probabilities_round(loss):
    log_q, rest = np.array([-2e4, -1e-30, 0.0]), np.array([1.0, 1e-30, 0.0])
    assert np.isfinite(loss.value(log_q, rest)).all()
    assert np.isfinite(loss.g(log_q, rest)).all()
    assert loss.value(log_q, rest)[2] == 0


def test_the_limits_of_the_families():
    log_q, rest = np.log(INNER), 1 - INNER
    cross_entropy = CrossEntropy().value(log_q, rest)
    np.testing.assert_array_equal(FocalLoss(0).value(log_q, rest), cross_entropy)
    np.testing.assert_array_equal(Poly1Loss(0).value(log_q, rest), cross_entropy)
    np.testing.assert_allclose(GeneralizedCrossEntropy(1e-9).value(log_q, rest), cross_entropy, rtol=1e-7)
    np.testing.assert_allclose(GeneralizedCrossEntropy(1).value(log_q, rest), rest, rtol=1e-14)


@pytest.mark.parametrize(
    ("convex", "loss"),
    [
        (True, CrossEntropy()),
        (True, FocalLoss(0)),
        (False, FocalLoss(0.1)),
        (True, Poly1Loss(1)),
        (True, Poly1Loss(-1)),
        (False, Poly1Loss(1.1)),
        (False, GeneralizedCrossEntropy(0.1)),
    ],
)
def test_is_convex_says_whether_the_slope_in_the_logit_increases(convex, loss):
    z = np.linspace(-30, 30, 20001)
    q, rest = 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(z))
    slope = -rest * loss.g(np.log(q), rest)
    assert loss.is_convex is convex
    assert bool((np.diff(slope) >= -1e-12).all()) is convex


@pytest.mark.parametrize(
    ("make", "name", "bad"),
    [
        (FocalLoss, "gamma", [-0.1, np.nan, np.inf, "2", None, True]),
        (Poly1Loss, "epsilon", [-1.1, np.nan, np.inf, "1", False]),
        (GeneralizedCrossEntropy, "r", [0, -1, 1.1, np.nan, "1", True]),
    ],
)
def test_a_parameter_out_of_range_is_named(make, name, bad):
    for value in bad:
        with pytest.raises(ValueError, match=f"{name} must be .*, got {value!r}"):
            make(value)


def test_losses_compare_print_and_pickle():
    assert FocalLoss(2.0) == FocalLoss(2.0) != FocalLoss(1.0)
    assert repr(Poly1Loss(epsilon=0.5)) == "Poly1Loss(epsilon=0.5)"
    assert pickle.loads(pickle.dumps(GeneralizedCrossEntropy(r=0.5))) == GeneralizedCrossEntropy(r=0.5)


@pytest.mark.parametrize("loss", ["focal_loss", FocalLoss, object(), None])
def test_whatever_takes_a_loss_refuses_what_is_none_in_the_same_words(loss):
    def message(call):
        with pytest.raises(ValueError, match=r"must be 'cross_entropy', 'focal' or a loss object such as") as raised:
            call()
        return str(raised.value).partition(" must be ")[2]

    takers = [
        lambda: SoftmaxRegressor(loss=loss).fit([[0.0], [1.0]], [0, 1]),
        lambda: OneVsAllClassifier(loss=loss).fit([[0.0], [1.0]], [0, 1]),
        lambda: cross_entropy([[0.0, 1.0]], [0], loss=loss),
        lambda: binary_cross_entropy_with_logits([0.0], [0], loss=loss),
        lambda: LossDisplay.from_losses([loss]),
        lambda: LossDisplay.from_losses({"a": loss}),
    ]
    assert len({message(taker) for taker in takers}) == 1


class Own(CrossEntropy):
    """Cross-entropy with attributes of one's own."""

    def __init__(self, **attributes):
        vars(self).update(attributes)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"value": 3}, "loss must be .*, whose value is no method"),
        ({"g": None}, "loss must be .*, whose g is no method"),
        (
            {"value": lambda log_q, rest: 1.0},
            r"value of loss must return .* of log_q, \(41,\), got shape \(\)",
        ),
        ({"g": lambda log_q, rest: log_q[:2]}, r"g of loss must return .*, got shape \(2,\) of float64"),
        ({"value": lambda log_q, rest: None}, "value of loss must return .*, got shape .* of object"),
        (
            {"value": lambda log_q, rest: log_q * np.nan},
            r"value of loss must be finite for q in \(0, 1\), got nan at",
        ),
        ({"g": lambda log_q, rest: rest / (rest - 0.5)}, "g of loss must be finite .*, got inf at q = 0.5"),
        ({"cross_entropy_share": "x"}, "cross_entropy_share of loss must be a number of at least 0, got 'x'"),
        ({"cross_entropy_share": -0.5}, "cross_entropy_share of loss must be a number of at least 0, got -0.5"),
        ({"cross_entropy_share": 2.0}, "cross_entropy_share of loss must be a share a without which .*, got 2.0"),
        ({"g": lambda log_q, rest: -np.ones_like(log_q)}, "is_convex of loss must be False unless g"),
        ({"g": FocalLoss(2.0).g, "value": FocalLoss(2.0).value}, "is_convex of loss must be False unless .* at q = "),
    ],
)
def test_a_loss_of_ones_own_is_asked_once(attributes, message):
    loss = Own(**attributes)
    for taker in (
        lambda: SoftmaxRegressor(loss=loss).fit([[0.0], [1.0]], [0, 1]),
        lambda: cross_entropy([[0.0, 1.0]], [0], loss=loss),
    ):
        with pytest.raises(ValueError, match=message):
            taker()


@pytest.mark.parametrize("epsilon", [-1.0, -0.4, 0.0, 0.3, 1.0])
def test_shares_of_ones_own_are_taken_up_to_the_largest(epsilon):
    class OwnPoly1(Poly1Loss):
        cross_entropy_share = 1 - abs(epsilon)

    class Beyond(OwnPoly1):
        cross_entropy_share = 1.001 - abs(epsilon)

    class Twice(CrossEntropy):
        cross_entropy_share = 2.0
        value = staticmethod(lambda log_q, rest: -2 * log_q)
        g = staticmethod(lambda log_q, rest: 2)  # one number for all q

    for loss in (OwnPoly1(epsilon), Twice()):
        assert np.isfinite(cross_entropy([[0.0, 1.0]], [0], loss=loss))
    with pytest.raises(ValueError, match="cross_entropy_share of loss must be a share"):
        cross_entropy([[0.0, 1.0]], [0], loss=Beyond(epsilon))


def test_names_stand_for_losses_wherever_one_is_taken():
    logits, labels = [[1.0, -0.5, 0.0], [0.5, 2.0, -1.0]], [0, 2]
    for name, loss in (("cross_entropy", CrossEntropy()), ("focal", FocalLoss(2.0))):
        assert cross_entropy(logits, labels, loss=name) == cross_entropy(logits, labels, loss=loss)
        of_name = binary_cross_entropy_with_logits([0.3, -2.0], [1, 1], loss=name)
        assert of_name == binary_cross_entropy_with_logits([0.3, -2.0], [1, 1], loss=loss)
