"""The law of the certificate: it is never below the gap, and a default fit is right or warns, whatever it is fed.

F is computed here in extended precision: large weights and steep columns leave 1e-12 of it in doubles.
"""

import warnings

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skce import OneVsAllClassifier, SoftmaxRegressor


def features(rng, n_samples, n_features):
    """Columns of one of six kinds: plain, heavy tails, rare indicators, mixed units, a near-duplicate, an indicator."""
    X = rng.standard_normal((n_samples, n_features))
    kind = rng.integers(6)
    if kind == 1:
        return np.exp(rng.uniform(1, 4) * X)
    if kind == 2:
        is_one = rng.random(X.shape) < rng.uniform(0.005, 0.3, n_features)
        return is_one * 10.0 ** rng.integers(-2, 5, n_features)
    if kind == 3:
        return X * 10.0 ** rng.integers(-4, 5, n_features) + 10.0 ** rng.integers(0, 4, n_features)
    if kind == 4:
        return np.c_[X, X.sum(axis=1) + 1e-9 * rng.standard_normal(n_samples)]
    if kind == 5:
        return np.c_[np.exp(3 * X[:, 0]), X[:, 1:], (X[:, :1] > 1.5) * 1e3]
    return X


def random_fit(seed):
    """An estimator, X, y and weights: links, smoothing, soft labels, weights of 1e-3 to 1e4, C of 1e-4 to 1e8."""
    rng = np.random.default_rng(seed)
    n_samples, n_features = int(rng.choice([30, 200, 1500])), int(rng.choice([1, 3, 8, 20]))
    n_classes = int(rng.choice([2, 2, 3, 5]))
    X = features(rng, n_samples, n_features)
    scale = np.maximum(X.std(axis=0), 1e-9)[:, None]
    logits = X @ (rng.standard_normal((X.shape[1], n_classes)) / scale) * rng.choice([0.3, 3])
    y = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
    y[:n_classes] = np.arange(n_classes)
    if rng.random() < 0.2:
        y = rng.dirichlet(np.full(n_classes, rng.choice([0.2, 1])), n_samples)
    weight = 10.0 ** rng.uniform(-3, 4, n_samples) if rng.random() < 0.4 else None
    make_estimator = SoftmaxRegressor if rng.random() < 0.7 else OneVsAllClassifier
    options = {"C": 10.0 ** rng.uniform(-4, 8), "label_smoothing": rng.choice([0, 0, 0.1])}
    X = scipy.sparse.csr_array(X) if rng.random() < 0.2 else X
    return make_estimator(fit_intercept=bool(rng.random() < 0.85), **options), X, y, weight


def loss_of(model, X, y, weight):
    """F of a fitted model, in extended precision."""
    X = (X.toarray() if scipy.sparse.issparse(X) else X).astype(np.longdouble)
    weight = np.ones(len(X), np.longdouble) if weight is None else weight.astype(np.longdouble)
    n_classes, smoothing, C = len(model.classes_), np.longdouble(model.label_smoothing), np.longdouble(model.C)
    targets = weight[:, None] * (np.eye(n_classes)[y] if y.ndim == 1 else y).astype(np.longdouble)
    mass, coef = targets.sum(axis=1, keepdims=True), model.coef_.astype(np.longdouble)
    logits = X @ coef.T + model.intercept_.astype(np.longdouble)
    are_separate = isinstance(model, OneVsAllClassifier) and n_classes > 2
    n_outcomes = 2 if are_separate else n_classes
    targets = (1 - smoothing) * targets + smoothing / n_outcomes * mass
    if are_separate:
        losses = mass * (np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits)))) - targets * logits
    else:
        logits = np.c_[np.zeros(len(X)), logits] if n_classes == 2 else logits
        logits = logits - logits.max(axis=1, keepdims=True)
        losses = targets * (np.log(np.exp(logits).sum(axis=1, keepdims=True)) - logits)
    return losses.sum() / mass.sum() + (coef**2).sum() / (2 * C * mass.sum())


@pytest.mark.parametrize(
    "first", [0, *(pytest.param(first, marks=pytest.mark.slow) for first in range(100, 1000, 100))]
)
def test_a_default_fit_is_certified_or_near_or_warns(first):
    n_certified = 0
    for seed in range(first, first + 100):
        estimator, X, y, weight = random_fit(seed)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            model = estimator.fit(X, y, weight)
            has_warned = bool(caught)
            tight = clone(estimator).set_params(tol=1e-13, max_iter=3000).fit(X, y, weight)
        loss = loss_of(model, X, y, weight)
        gap = loss - min(loss, loss_of(tight, X, y, weight))
        assert float(loss) == pytest.approx(model.loss_, rel=1e-8, abs=1e-13), seed
        assert model.gap_bound_ >= gap - (1e-13 * loss + 1e-15), seed
        assert has_warned or gap <= 1e-6 * loss, seed
        assert model.is_certified_ or has_warned or loss > 1e-9 or model.gap_bound_ <= 1e-15, seed
        n_certified += model.is_certified_
    assert n_certified >= 95
