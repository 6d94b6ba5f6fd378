"""Laws that any weighting, any encoding of the labels and any storage of the features obey; for both estimators."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone

from skce import OneVsAllClassifier, SoftmaxRegressor
from skce._labels.reading import read_labels
from skce.losses import GeneralizedCrossEntropy, Poly1Loss
from tests.problems import TIGHT, overlapping

SETTINGS = {
    "plain": {},
    "smoothed": {"label_smoothing": 0.2},
    "weighted": {"class_weight": {0: 1.0, 1: 3.0, 2: 0.5}},
    "focal": {"loss": "focal", "gamma": 1.5},
    "everything": {"loss": Poly1Loss(0.5), "label_smoothing": 0.1, "class_weight": "balanced", "C": 5.0},
}


@pytest.fixture(params=[SoftmaxRegressor, OneVsAllClassifier])
def make_estimator(request):
    return request.param


@pytest.fixture(params=SETTINGS)
def model(request, make_estimator):
    return make_estimator(**TIGHT).set_params(**SETTINGS[request.param])


@pytest.fixture(params=[2, 3], ids=["binary", "multiclass"])
def problem(request, rng):
    return overlapping(rng, n_classes=request.param)


def assert_same_fit(one, other, X, rtol=1e-6):
    np.testing.assert_allclose(one.predict_log_proba(X), other.predict_log_proba(X), rtol=rtol, atol=1e-7)
    assert one.loss_ == pytest.approx(other.loss_, rel=1e-12)


def test_weights_of_one_are_no_weights(model, problem):
    X, y = problem
    weighted = clone(model).fit(X, y, sample_weight=np.ones(len(y)))
    np.testing.assert_array_equal(weighted.coef_, model.fit(X, y).coef_)


def test_a_weight_of_two_is_a_repeated_sample_and_zero_a_removed_one(model, problem, rng):
    X, y = problem
    weight = rng.integers(0, 4, size=len(y))
    repeated = clone(model).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    assert_same_fit(model.fit(X, y, sample_weight=weight), repeated, X)


def test_the_scale_of_the_weights_matters_as_much_as_c_does(model, problem):
    X, y = problem
    weighted = clone(model).fit(X, y, sample_weight=np.full(len(y), 4.0))
    assert_same_fit(weighted, model.set_params(C=4 * model.C).fit(X, y), X)


def test_class_weights_are_sample_weights(make_estimator, problem):
    X, y = problem
    weights = np.array([2.0, 0.5, 3.0])
    by_class = make_estimator(**TIGHT, class_weight=dict(enumerate(weights))).fit(X, y)
    assert_same_fit(by_class, make_estimator(**TIGHT).fit(X, y, sample_weight=weights[y]), X)


def test_a_soft_label_is_a_weighted_copy_for_each_class(make_estimator, problem, rng):
    X, y = problem
    n_classes = y.max() + 1
    soft = rng.dirichlet(np.ones(n_classes), size=len(y))
    settings = {**TIGHT, "label_smoothing": 0.1, "class_weight": {0: 1.0, 1: 3.0, 2: 0.5}}
    model = make_estimator(**settings).fit(X, soft)
    copies = np.tile(X, (n_classes, 1)), np.repeat(np.arange(n_classes), len(y))
    assert_same_fit(model, make_estimator(**settings).fit(*copies, sample_weight=soft.T.ravel()), X)


def test_a_soft_label_that_is_certain_is_a_label(model, problem):
    X, y = problem
    certain = np.eye(y.max() + 1)[y]
    # A float matrix of zeros and ones would be multilabel to OneVsAllClassifier.
    certain[0] = 0.5 * certain[0] + 0.5 * certain[1]
    weight = np.r_[0.0, np.ones(len(y) - 1)]
    hard = clone(model).fit(X, y, sample_weight=weight)
    assert_same_fit(model.fit(X, certain, sample_weight=weight), hard, X)


def test_smoothing_is_the_soft_labels_it_stands_for(problem):
    X, y = problem
    n_classes = y.max() + 1
    soft = 0.7 * np.eye(n_classes)[y] + 0.3 / n_classes
    assert_same_fit(SoftmaxRegressor(**TIGHT, label_smoothing=0.3).fit(X, y), SoftmaxRegressor(**TIGHT).fit(X, soft), X)


def test_focal_loss_at_gamma_zero_is_cross_entropy(make_estimator, problem):
    X, y = problem
    focal = make_estimator(**TIGHT, loss="focal", gamma=0.0).fit(X, y)
    np.testing.assert_allclose(focal.coef_, make_estimator(**TIGHT).fit(X, y).coef_, atol=1e-12)


def test_gamma_is_ignored_by_other_losses(make_estimator, problem):
    X, y = problem
    assert_same_fit(make_estimator(**TIGHT, gamma=5.0).fit(X, y), make_estimator(**TIGHT).fit(X, y), X)


def test_the_order_of_rows_does_not_matter(model, problem, rng):
    X, y = problem
    order = rng.permutation(len(y))
    assert_same_fit(clone(model).fit(X[order], y[order]), model.fit(X, y), X)


@pytest.mark.parametrize("setting", ["plain", "smoothed", "focal"])
def test_the_order_of_classes_does_not_matter(setting, make_estimator, problem):
    X, y = problem
    model = make_estimator(**TIGHT).set_params(**SETTINGS[setting]).fit(X, y)
    reversed_model = clone(model).fit(X, y.max() - y)
    np.testing.assert_allclose(reversed_model.predict_proba(X)[:, ::-1], model.predict_proba(X), atol=1e-7)


def test_the_order_of_features_does_not_matter(model, problem, rng):
    X, y = problem
    order = rng.permutation(X.shape[1])
    permuted = clone(model).fit(X[:, order], y)
    np.testing.assert_allclose(permuted.coef_, model.fit(X, y).coef_[:, order], atol=1e-6)


@pytest.mark.parametrize("container", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
@pytest.mark.parametrize("interface", ["array", "matrix"])
def test_sparse_features_are_dense_features(container, interface, make_estimator, problem, rng):
    X, y = problem
    X = X * rng.integers(0, 2, size=X.shape)
    sparse_X = getattr(scipy.sparse, f"{container}_{interface}")(X)
    dense, sparse = make_estimator(**TIGHT).fit(X, y), make_estimator(**TIGHT).fit(sparse_X, y)
    assert_same_fit(dense, sparse, X)
    np.testing.assert_allclose(sparse.predict_proba(sparse_X), sparse.predict_proba(X), rtol=1e-12)


def test_a_memory_map_is_an_array(model, problem, tmp_path):
    X, y = problem
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    np.testing.assert_array_equal(clone(model).fit(mapped, y).coef_, model.fit(X, y).coef_)


def test_float32_features_give_a_float32_model_of_the_same_optimum(model, problem):
    X, y = problem
    X = X.astype(np.float32)
    single, double = clone(model).fit(X, y), model.fit(X.astype(float), y)
    for array in (
        single.coef_,
        single.intercept_,
        single.decision_function(X),
        single.predict_proba(X),
        single.predict_log_proba(X),
    ):
        assert array.dtype == np.float32
    # Its products are float32, so that F is known to about 1e-8 and its minimum to the root of that.
    np.testing.assert_allclose(single.predict_proba(X), double.predict_proba(X.astype(float)), atol=2e-4)
    assert single.predict_proba(X.astype(float)).dtype == np.float64


def test_two_fits_are_equal_bit_for_bit(model, problem):
    X, y = problem
    np.testing.assert_array_equal(clone(model).fit(X, y).coef_, model.fit(X, y).coef_)


@pytest.mark.parametrize("loss", ["focal", GeneralizedCrossEntropy(0.7)])
def test_loss_is_the_objective_at_the_fitted_parameters(loss, problem):
    from tests import reference

    X, y = problem
    n_classes = y.max() + 1
    phi = reference.PHI["focal_2" if loss == "focal" else "generalized_0.7"]
    model = SoftmaxRegressor(loss=loss, C=3.0).fit(X, y)
    # Two classes are one logit, whose penalty counts once: a softmax over (0, z) with the row for 0 left at zero.
    pad = n_classes - len(model.coef_)
    coef, intercept = np.pad(model.coef_, ((pad, 0), (0, 0))), np.pad(model.intercept_, (pad, 0))
    targets = [reference.one_hot(label, n_classes) for label in y]
    expected = reference.softmax_objective(X, targets, phi, coef, intercept, 3.0)
    assert model.loss_ == pytest.approx(expected, rel=1e-12)
    assert model.loss_ == model.loss_curve_[-1] == model.loss_curve_.min()
    assert len(model.loss_curve_) == model.n_iter_[0] + 1


@pytest.mark.parametrize("shape", [(60, 3), (10, 20), (30, 40), (20, 110)])
@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
def test_the_loss_is_that_of_the_model(make_estimator, n_classes, shape, rng):
    X = rng.standard_normal(shape) * 10.0 ** rng.uniform(-1, 1, size=shape[1])
    y = np.arange(len(X)) % n_classes
    for C in (0.1, 1.0, 100.0):
        model = make_estimator(C=C).fit(X, y)
        log_p, weights = model.predict_log_proba(X), np.full(len(X), 1 / len(X))
        if make_estimator is SoftmaxRegressor or n_classes == 2:
            value = -weights @ log_p[np.arange(len(X)), y]
        else:
            sides = np.where(y[:, None] == np.arange(n_classes), 1, -1)
            value = weights @ np.logaddexp(0, -sides * model.decision_function(X)).sum(axis=1)
        value += (model.coef_**2).sum() / (2 * C * len(X))
        assert model.loss_ == pytest.approx(value, rel=1e-10)
        tight = make_estimator(C=C, **TIGHT).fit(X, y)
        assert model.loss_ <= tight.loss_ * (1 + 1e-6)


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_float32_columns_in_odd_units_are_multiplied_in_float64(scale, rng):
    X, y = overlapping(rng, n_samples=200)
    expected = SoftmaxRegressor(C=np.inf).fit(X, y).predict_proba(X)
    scaled = (X * [1, scale, 1]).astype(np.float32)
    model = SoftmaxRegressor(C=np.inf).fit(scaled, y)
    logits = scaled.astype(float) @ model.coef_.T.astype(float) + model.intercept_
    actual = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
    np.testing.assert_allclose(actual, expected, atol=1e-3)


def test_a_label_takes_a_byte_where_there_are_few():
    _, labels = read_labels(np.arange(1000) % 3)
    assert labels.codes.dtype == np.uint8
