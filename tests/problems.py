"""Problems that several test files fit."""

import numpy as np
import sklearn
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.preprocessing import StandardScaler

from skce._solver.problem import Problem
from skce._solver.standardisation import moments_of
from skce.penalties import Ridge

SKLEARN_VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])

LOADERS = {"iris": load_iris, "wine": load_wine, "digits": load_digits, "breast_cancer": load_breast_cancer}

# Tight enough that two ways to the same optimum agree to about 1e-7 in the probabilities.
TIGHT = {"tol": 1e-14, "max_iter": 10_000}


def standardised(name):
    """Features (n, d) of mean 0 and variance 1, and labels (n,)."""
    X, y = LOADERS[name](return_X_y=True)
    return StandardScaler().fit_transform(X), y


def overlapping(rng, n_samples=60, n_features=3, n_classes=3):
    """Features (n, d) and labels (n,) of classes that overlap, so that all fits are finite."""
    X = rng.standard_normal((n_samples, n_features))
    y = (X @ rng.standard_normal((n_features, n_classes)) + rng.gumbel(size=(n_samples, n_classes))).argmax(axis=1)
    y[:n_classes] = np.arange(n_classes)
    return X, y


def targets_of(kind, labels, sample_weight, class_weight, label_smoothing):
    """The targets of a kind of link (Softmax, ...) for labels, weighted and smoothed."""
    counts = labels.counts(sample_weight)
    return kind().targets(counts, class_weight, label_smoothing).of_rows(labels, sample_weight)


def problem_of_rows(rows, loss, *, C, fit_intercept=True):
    """The problem of rows as they are given, whatever their dtype and their shift."""
    targets = rows.targets
    moments = moments_of(rows) if fit_intercept else moments_of(rows).about_zero()
    penalty = Ridge(1 / (C * float(targets.total)))
    return Problem(rows, targets.link.row_loss(loss), penalty, fit_intercept, moments)


def whole(triangles):
    """The matrices (n, p, p) of which LowerTriangles are kept."""
    columns = np.eye(triangles.strips[-1].stop)
    return np.stack([triangles.products(np.tile(column, (len(triangles.numbers), 1))) for column in columns], axis=-1)


def assert_is_a_change_of_variables(curvature, objective, rng):
    """Gradients map by the transpose of what maps parameters, which have no mean over the classes."""
    gradient = rng.standard_normal(objective.shape)
    gradient -= gradient.mean(axis=1, keepdims=True)
    slope = curvature.pull_back(gradient.reshape(-1))
    coordinates = rng.standard_normal(len(slope))
    displacement = curvature.to_params(coordinates)
    np.testing.assert_allclose(slope @ coordinates, gradient.reshape(-1) @ displacement, rtol=1e-9)
    np.testing.assert_allclose(curvature.decrements(slope).sum(), slope @ slope / 2)
    np.testing.assert_allclose(displacement.reshape(objective.shape).sum(axis=1), 0, atol=1e-9)
