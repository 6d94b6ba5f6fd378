"""Memory: neither fit nor prediction copies X, whatever holds it."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse

from skce import OneVsAllClassifier, SoftmaxRegressor

N, D = 200_000, 50


def memory_map(X, path):
    np.save(path / "X.npy", X)
    return np.load(path / "X.npy", mmap_mode="r")


def csr_memory_map(X, path):
    matrix = scipy.sparse.csr_array(X)
    for name in ("data", "indices", "indptr"):
        np.save(path / f"{name}.npy", getattr(matrix, name))
        setattr(matrix, name, np.load(path / f"{name}.npy", mmap_mode="r"))
    return matrix


KINDS = {
    "C order": lambda X, path: X,
    "Fortran order": lambda X, path: np.asfortranarray(X),
    "float32": lambda X, path: X.astype(np.float32),
    "far from zero": lambda X, path: X + 1e7,
    "memory map": memory_map,
    "CSR": lambda X, path: scipy.sparse.csr_matrix(X),
    "CSR memory map": csr_memory_map,
}


def peak_of(function):
    """Bytes that ``function`` allocates at most at any one time."""
    tracemalloc.start()
    function()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
def test_fit_and_predictions_do_not_copy_the_features(kind, make_estimator, rng, tmp_path):
    X = rng.standard_normal((N, D))
    y = (X[:, :3] + rng.gumbel(size=(N, 3))).argmax(axis=1).astype(np.uint8)
    X = KINDS[kind](X, tmp_path)
    size = X.data.nbytes + X.indices.nbytes if scipy.sparse.issparse(X) else X.nbytes
    model = make_estimator()
    assert peak_of(lambda: model.fit(X, y)) < size / 4
    for method in (model.predict, model.predict_proba, model.decision_function):
        assert peak_of(lambda method=method: method(X)) < size / 2
    # Another dtype than that of the fit has to change, but not all at once.
    model.coef_ = model.coef_.astype(np.float32 if X.dtype == np.float64 else np.float64)
    assert peak_of(lambda: model.decision_function(X)) < size / 2
