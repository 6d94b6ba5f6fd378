"""Fits of arrays with CuPy's traits, as on a GPU: nothing is taken to the host that was not asked for."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skce import SoftmaxRegressor, SoftmaxRegressorCV, regularization_path, to_numpy, with_prior
from skce._namespaces import is_foreign, on_host
from skce._rows.array_api import rows
from skce.inference import leave_one_out, margins, summary
from skce.metrics import neg_log_loss_scorer
from tests.array_api.like_cupy import NAMESPACE as xp
from tests.array_api.test_estimators import CASES

X, Y = load_iris(return_X_y=True)


def test_it_is_as_strict_as_cupy():
    array = xp.asarray(X)
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(array)
    with pytest.raises(TypeError, match="Unsupported type"):
        array + X
    with pytest.raises(TypeError, match="Unsupported type"):
        array[:] = X
    with pytest.raises(TypeError, match="Unsupported type"):
        xp.matmul(array, X.T)
    assert type(xp.sum(array)) is type(array[0, 0]) is type(array)
    assert array.dtype == xp.float64
    assert hash(array.dtype) != hash(xp.float64)


@pytest.mark.usefixtures("nothing_on_the_host")
@pytest.mark.parametrize("long_vector", [1, 2**12])
@pytest.mark.parametrize("case", CASES)
def test_fits_are_those_of_numpy(case, long_vector, monkeypatch):
    estimator, X, y = CASES[case]
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    of_numpy = clone(estimator).fit(X, y, weight)
    monkeypatch.setattr(rows, "LONG_VECTOR", long_vector)
    model = clone(estimator).fit(xp.asarray(X), xp.asarray(y), xp.asarray(weight))
    assert model.loss_ == pytest.approx(of_numpy.loss_, rel=1e-7)
    assert model.is_certified_ == of_numpy.is_certified_
    here = to_numpy(model)
    for method in ("predict_proba", "predict_log_proba", "decision_function", "predict"):
        result = getattr(model, method)(xp.asarray(X))
        assert is_foreign(result)
        np.testing.assert_allclose(on_host(result), getattr(here, method)(X), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("X", [X.astype(np.float32), (10 * X).astype(np.int64)], ids=["float32", "integers"])
def test_other_dtypes(X):
    of_numpy, model = SoftmaxRegressor().fit(X, Y), SoftmaxRegressor().fit(xp.asarray(X), xp.asarray(Y))
    assert model.loss_ == pytest.approx(of_numpy.loss_, rel=1e-10)
    assert model.coef_.dtype == of_numpy.coef_.dtype


def test_what_takes_a_model():
    of_numpy, model = SoftmaxRegressor().fit(X, Y), SoftmaxRegressor().fit(xp.asarray(X), xp.asarray(Y))
    there = xp.asarray(X), xp.asarray(Y)
    assert model.score(*there) == of_numpy.score(X, Y)
    assert neg_log_loss_scorer(model, *there) == pytest.approx(neg_log_loss_scorer(of_numpy, X, Y))
    here = to_numpy(model)
    np.testing.assert_allclose(here.predict_proba(X), of_numpy.predict_proba(X), rtol=1e-6)
    for copied in copy.deepcopy(model), pickle.loads(pickle.dumps(model)):
        np.testing.assert_array_equal(on_host(copied.predict(there[0])), of_numpy.predict(X))
    changed, expected = (with_prior(fitted, prior=[0.5, 0.3, 0.2]) for fitted in (model, of_numpy))
    np.testing.assert_allclose(on_host(changed.intercept_), expected.intercept_, rtol=1e-6)
    np.testing.assert_allclose(summary(model, *there).std_err, summary(of_numpy, X, Y).std_err, rtol=1e-5)
    np.testing.assert_allclose(margins(model, *there).effect, margins(of_numpy, X, Y).effect, rtol=1e-4)
    left_out, of_host = (leave_one_out(fitted, *data) for fitted, data in ((model, there), (of_numpy, (X, Y))))
    np.testing.assert_allclose(left_out.losses, of_host.losses, rtol=1e-3, atol=1e-6)


def test_choices_of_C():
    there = xp.asarray(X), xp.asarray(Y)
    path, expected = (regularization_path(SoftmaxRegressor(), *data, Cs=[0.1, 1.0]) for data in (there, (X, Y)))
    np.testing.assert_allclose(path.losses, expected.losses, rtol=1e-7)
    for cv in None, 3:
        chosen, expected = (SoftmaxRegressorCV(Cs=[0.1, 1.0], cv=cv).fit(*data) for data in (there, (X, Y)))
        np.testing.assert_allclose(on_host(chosen.scores_mean_), expected.scores_mean_, rtol=1e-3)
        assert is_foreign(chosen.coef_)


def test_folds_instead_of_leaving_rows_out_stay_where_X_is(monkeypatch):
    monkeypatch.setattr("skce.estimators.candidates.is_hessian_affordable", lambda objective: False)
    expected = SoftmaxRegressorCV(Cs=[0.1, 1.0]).fit(X, Y)
    monkeypatch.setattr("skce.estimators.choosing.on_host", None)  # which would copy X
    chosen = SoftmaxRegressorCV(Cs=[0.1, 1.0]).fit(xp.asarray(X), xp.asarray(Y))
    assert chosen.validation_ == expected.validation_ == "folds"
    np.testing.assert_allclose(on_host(chosen.scores_mean_), expected.scores_mean_, rtol=1e-3)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_pipelines_and_warm_starts():
    there = xp.asarray(X), xp.asarray(Y)
    pipeline = make_pipeline(StandardScaler(), SoftmaxRegressor()).fit(*there)
    assert on_host(pipeline.predict(there[0])).shape == Y.shape
    model = SoftmaxRegressor(warm_start=True).fit(X, Y)
    n_passes = model.n_passes_
    assert model.fit(*there).n_passes_ < n_passes
    X_of_digits, y = load_digits(return_X_y=True)
    with pytest.raises(ValueError, match="same namespace and the same device"):
        SoftmaxRegressor().fit(xp.asarray(X_of_digits), y).predict(X_of_digits)
