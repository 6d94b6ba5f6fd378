"""Masked arrays: whatever takes data refuses them in the same words, and takes those in which nothing is masked."""

import dask.array as da
import numpy as np
import pytest

from skce import OneVsAllClassifier, SoftmaxRegressor, with_prior
from skce.display import ReliabilityDisplay
from skce.functional import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    categorical_cross_entropy,
    cross_entropy,
    entropy,
    focal_loss,
    kl_divergence,
    softmax_jacobian,
    sparse_categorical_cross_entropy,
)
from skce.metrics import (
    bootstrap_standard_error,
    brier_decomposition,
    classwise_calibration_error,
    expected_calibration_error,
    neg_binary_log_loss_scorer,
    neg_log_loss_scorer,
)

X = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, 0.0], [0.0, 2.0], [1.0, 1.0], [2.0, 2.0]])
Y = np.array([0, 1, 1, 0, 0, 1])
P = np.array([[0.7, 0.3], [0.2, 0.8], [0.6, 0.4], [0.9, 0.1], [0.5, 0.5], [0.4, 0.6]])
TAGS = np.array([[0, 1], [1, 0], [1, 1], [0, 0], [0, 1], [1, 1]])
WEIGHT = np.array([1.0, 2.0, 1.0, 3.0, 1.0, 1.0])

SOFTMAX, MULTILABEL = SoftmaxRegressor().fit(X, Y), OneVsAllClassifier().fit(X, TAGS)


def on_dask(array):
    return da.from_array(array, chunks=(3, *array.shape[1:]), asarray=False)


# What takes data, by the name of the parameter, and data that it takes.
TAKERS = {
    **{
        f"{estimator.__name__} {what}": taker
        for estimator in (SoftmaxRegressor, OneVsAllClassifier)
        for what, taker in {
            "X": ("X", X, lambda X, make=estimator: make().fit(X, Y)),
            "y": ("y", Y, lambda y, make=estimator: make().fit(X, y)),
            "soft y": ("y", P, lambda y, make=estimator: make().fit(X, y)),
            "weight": ("sample_weight", WEIGHT, lambda weight, make=estimator: make().fit(X, Y, weight)),
            "classes": ("classes", np.arange(2), lambda classes, make=estimator: make(classes=classes).fit(X, Y)),
            "X on Dask": ("X", X, lambda X, make=estimator: make().fit(on_dask(X), Y)),
            "y on Dask": ("y", Y, lambda y, make=estimator: make().fit(on_dask(X), on_dask(y))),
            "weight on Dask": (
                "sample_weight",
                WEIGHT,
                lambda weight, make=estimator: make().fit(on_dask(X), Y, on_dask(weight)),
            ),
        }.items()
    },
    "indicator": ("y", TAGS, lambda y: OneVsAllClassifier().fit(X, y)),
    "predict": ("X", X, lambda X: SOFTMAX.predict(X)),
    "predict_proba on Dask": ("X", X, lambda X: SOFTMAX.predict_proba(on_dask(X)).compute()),
    "score y": ("y", Y, lambda y: SOFTMAX.score(X, y)),
    "score weight": ("sample_weight", WEIGHT, lambda weight: SOFTMAX.score(X, Y, weight)),
    "score of soft labels": ("sample_weight", WEIGHT, lambda weight: SOFTMAX.score(X, P, weight)),
    "score of tags": ("y", TAGS, lambda y: MULTILABEL.score(X, y)),
    "prior": ("prior", np.array([0.3, 0.7]), lambda prior: with_prior(SOFTMAX, prior=prior)),
    "scorer y": ("y", Y, lambda y: neg_log_loss_scorer(SOFTMAX, X, y)),
    "scorer soft y": ("y", P, lambda y: neg_log_loss_scorer(SOFTMAX, X, y)),
    "scorer weight": ("sample_weight", WEIGHT, lambda weight: neg_log_loss_scorer(SOFTMAX, X, Y, weight)),
    "binary scorer y": ("y", TAGS, lambda y: neg_binary_log_loss_scorer(MULTILABEL, X, y)),
    "binary scorer weight": (
        "sample_weight",
        WEIGHT,
        lambda weight: neg_binary_log_loss_scorer(MULTILABEL, X, TAGS, weight),
    ),
    **{
        f"{metric.__name__} {what}": taker
        for metric in (
            expected_calibration_error,
            classwise_calibration_error,
            brier_decomposition,
            ReliabilityDisplay.from_predictions,
            lambda *args, **options: bootstrap_standard_error(
                expected_calibration_error, *args, n_bootstraps=2, random_state=0, **options
            ),
        )
        for what, taker in {
            "y": ("y_true", Y, lambda y, metric=metric: metric(y, P)),
            "p": ("y_proba", P, lambda p, metric=metric: metric(Y, p)),
            "column": ("y_proba", P[:, 1], lambda p, metric=metric: metric(Y, p)),
            "weight": ("sample_weight", WEIGHT, lambda weight, metric=metric: metric(Y, P, sample_weight=weight)),
        }.items()
    },
    "display of an estimator": ("y_true", Y, lambda y: ReliabilityDisplay.from_estimator(SOFTMAX, X, y)),
    "logits": ("logits", X, lambda z: cross_entropy(z, Y)),
    "logits of focal loss": ("logits", X, lambda z: focal_loss(z, Y)),
    "targets": ("targets", Y, lambda y: cross_entropy(X, y)),
    "soft targets": ("targets", P, lambda y: cross_entropy(X, y)),
    "functional weight": ("sample_weight", WEIGHT, lambda weight: cross_entropy(X, Y, sample_weight=weight)),
    "class_weight": ("class_weight", np.array([1.0, 2.0]), lambda weight: cross_entropy(X, Y, class_weight=weight)),
    "binary logits": ("logits", X, lambda z: binary_cross_entropy_with_logits(z, TAGS)),
    "binary targets": ("targets", TAGS, lambda t: binary_cross_entropy_with_logits(X, t)),
    "binary class_weight": (
        "class_weight",
        np.array([1.0, 2.0]),
        lambda weight: binary_cross_entropy_with_logits(X, TAGS, class_weight=weight),
    ),
    "probabilities": ("probabilities", P, lambda p: sparse_categorical_cross_entropy(p, Y)),
    "labels": ("labels", Y, lambda y: sparse_categorical_cross_entropy(P, y)),
    "categorical": ("targets", P, lambda y: categorical_cross_entropy(P, y)),
    "binary probabilities": ("probabilities", P, lambda p: binary_cross_entropy(p, TAGS)),
    "entropy": ("p", P, entropy),
    "divergence p": ("p", P, lambda p: kl_divergence(p, P)),
    "divergence q": ("q", P, lambda q: kl_divergence(P, q)),
    "jacobian": ("logits", X, softmax_jacobian),
}


@pytest.fixture(autouse=True)
def _no_figures_left():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")


@pytest.mark.parametrize("taker", TAKERS)
def test_masked_data_are_refused_by_name_and_place(taker):
    name, data, call = TAKERS[taker]
    masked = np.ma.array(data, mask=False)
    call(masked)  # in which nothing is missing
    masked[-1] = np.ma.masked
    remedy = r"fill it, by \w+\.filled\(\.\.\.\), or leave out the rows that are masked"
    with pytest.raises(ValueError, match=rf"\b{name} must not be masked, but is at \(\d.*\); {remedy}"):
        call(masked)
