"""The path over C against fits of each value by itself, and what it costs."""

import numpy as np
import pytest

from skce import OneVsAllClassifier, SoftmaxRegressor, regularization_path
from tests.problems import LOADERS, overlapping

MANY = np.geomspace(1e-6, 1e5, 45)


@pytest.mark.parametrize("kind", [SoftmaxRegressor, OneVsAllClassifier])
@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer"])
def test_every_value_is_certified_and_takes_few_passes(kind, name):
    X, y = LOADERS[name](return_X_y=True)
    path = regularization_path(kind(), X, y, MANY)
    assert path.is_certified.all()
    assert path.n_passes[1:].max() <= 6
    assert path.n_passes.mean() <= 5


@pytest.mark.parametrize("kind", [SoftmaxRegressor, OneVsAllClassifier])
@pytest.mark.parametrize(
    "parameters",
    [{}, {"class_weight": "balanced", "label_smoothing": 0.1}, {"fit_intercept": False}, {"loss": "focal"}],
    ids=str,
)
def test_it_is_the_fit_of_each_value(kind, parameters):
    X, y = overlapping(np.random.default_rng(0))
    weight = np.random.default_rng(1).uniform(0.5, 2, len(y))
    Cs = [10.0, 0.01, 0.3]
    path = regularization_path(kind(tol=1e-12, **parameters), X, y, Cs, sample_weight=weight)
    for C, coef, intercept, loss in zip(Cs, path.coefs, path.intercepts, path.losses, strict=True):
        model = kind(C=C, tol=1e-12, **parameters).fit(X, y, sample_weight=weight)
        np.testing.assert_allclose(coef, model.coef_, rtol=0, atol=2e-5)
        np.testing.assert_allclose(intercept, model.intercept_, rtol=0, atol=2e-5)
        np.testing.assert_allclose(loss, model.loss_, rtol=1e-10)


def test_where_the_hessian_is_dear_it_starts_from_the_last_two():
    # 40 classes of 41 columns: more parameters than are factorised.
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((300, 41)), rng.integers(40, size=300)
    Cs = [0.001, 0.01, 0.1, 1.0]
    path = regularization_path(SoftmaxRegressor(), X, y, Cs)
    for C, loss in zip(Cs, path.losses, strict=True):
        assert loss <= SoftmaxRegressor(C=C).fit(X, y).loss_ * (1 + 1e-6)
    assert path.suboptimalities.max() <= 1e-7


def test_no_penalty_is_a_value_like_others():
    X, y = overlapping(np.random.default_rng(0))
    path = regularization_path(SoftmaxRegressor(), X, y, [np.inf, 1.0, 100.0])
    np.testing.assert_allclose(path.losses[0], SoftmaxRegressor(C=np.inf).fit(X, y).loss_, rtol=1e-6)
    assert path.losses[0] < path.losses[2] < path.losses[1]


def test_a_class_without_samples_has_a_column():
    X, y = overlapping(np.random.default_rng(0))
    path = regularization_path(SoftmaxRegressor(classes=[0, 1, 2, 3]), X, y, [0.1, 1.0])
    assert path.coefs.shape == (2, 4, 3)
    np.testing.assert_array_equal(path.coefs[:, 3], 0)


def test_columns_keep_their_names_and_the_estimator_is_left_as_it_is():
    X, y = LOADERS["iris"](return_X_y=True, as_frame=True)
    estimator = SoftmaxRegressor()
    path = regularization_path(estimator, X, y, [1.0])
    assert path.feature_names == list(X.columns)
    assert estimator.get_params() == SoftmaxRegressor().get_params()
    assert not hasattr(estimator, "n_features_in_")


@pytest.mark.parametrize("Cs", [[], [0.0, 1.0], [-1.0], [np.nan], "ten", [[1.0, 2.0], [1.0, 2.0]], 0, True, None])
def test_bad_values_of_c_are_named(Cs):
    with pytest.raises(ValueError, match="Cs must be"):
        regularization_path(SoftmaxRegressor(), [[0.0], [1.0]], [0, 1], Cs)


def test_what_is_no_estimator_is_named():
    with pytest.raises(TypeError, match="estimator must be a SoftmaxRegressor"):
        regularization_path(object(), [[0.0], [1.0]], [0, 1], [1.0])


def test_on_dask_it_is_what_it_is_in_memory():
    dask = pytest.importorskip("dask.array")
    X, y = LOADERS["iris"](return_X_y=True)
    in_memory = regularization_path(SoftmaxRegressor(), X, y, [0.1, 1.0, 10.0])
    there = dask.from_array(X, chunks=(50, 4)).persist()
    on_dask = regularization_path(SoftmaxRegressor(), there, dask.from_array(y, chunks=50), [0.1, 1.0, 10.0])
    np.testing.assert_allclose(on_dask.coefs, in_memory.coefs, rtol=0, atol=1e-6)
    assert on_dask.is_certified.all()


@pytest.mark.parametrize("Cs", [[1e-4, 1.1e-4, 1e4], [1e-3, 2e-3, 1e6], [1e-4, 1.01e-4, 1]])
@pytest.mark.parametrize("name", ["iris", "wine"])
def test_a_value_far_from_those_before_is_not_sought_where_their_curve_runs_to(name, Cs):
    X, y = LOADERS[name](return_X_y=True)
    path = regularization_path(SoftmaxRegressor(), X, y, Cs)
    alone = SoftmaxRegressor(C=Cs[-1]).fit(X, y)
    assert path.losses[-1] <= alone.loss_curve_[-1] * (1 + 1e-6)
    assert path.n_passes[-1] <= 2 * alone.n_passes_ + 5
