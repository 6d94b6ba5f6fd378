"""Typical use, read by a type checker and never run: all that it may report is what ``misuse`` says is wrong."""

from dataclasses import dataclass
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skce import OneVsAllClassifier, SoftmaxRegressor, to_numpy, with_prior
from skce.display import CoefficientDisplay, ConvergenceDisplay, InfluenceDisplay, LossDisplay, ReliabilityDisplay
from skce.functional import binary_cross_entropy, cross_entropy, entropy, focal_loss, kl_divergence, softmax_jacobian
from skce.inference import (
    Covariance,
    Margins,
    Summary,
    covariance,
    influence,
    margins,
    probability_intervals,
    separation,
    summary,
    wald_test,
)
from skce.losses import FocalLoss, Loss
from skce.metrics import (
    BrierDecomposition,
    bootstrap_standard_error,
    brier_decomposition,
    expected_calibration_error,
    neg_log_loss_scorer,
)
from skce.penalties import Penalty, Ridge

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class SquaredError:
    is_convex = False

    def value(self, log_q: Array, rest: Array) -> Array:
        return rest**2

    def g(self, log_q: Array, rest: Array) -> Array:
        return 2 * rest * np.exp(log_q)


def estimators(X: Array, y: Array) -> None:
    own: Loss = SquaredError()
    model = SoftmaxRegressor(C=10, loss=own, class_weight={0: 1, 1: 2}, posterior="recovered").fit(X, y)
    assert_type(model, SoftmaxRegressor)
    assert_type(model.coef_, Array)
    assert_type(model.gap_bound_, float | None)
    assert_type(model.predict(X), Array)
    assert_type(model.predict_proba(X=X), Array)
    assert_type(model.score(X, y), float)
    assert_type(model.set_params(C=1.0), SoftmaxRegressor)
    tags = OneVsAllClassifier(loss=FocalLoss(2.0), class_weight=("effective", 0.99), classes=[0, 1]).fit(X, y)
    assert_type(tags.multilabel_, bool)
    pipeline = make_pipeline(StandardScaler(), SoftmaxRegressor(loss="focal", gamma=1.0)).fit(X, y)
    search = GridSearchCV(SoftmaxRegressor(), {"C": [0.1, 1]}, scoring=neg_log_loss_scorer).fit(X, y)
    assert_type(with_prior(model, prior="balanced"), SoftmaxRegressor)
    assert_type(with_prior(pipeline, prior={0: 0.2, 1: 0.8}, tau=0.5), Pipeline)
    assert_type(neg_log_loss_scorer(search, X, y), float)
    assert_type(ReliabilityDisplay.from_estimator(model, X, y, kind="classwise"), ReliabilityDisplay)
    LossDisplay.from_losses({"own": own, "focal": "focal"}).ax_.set_title("losses")
    CoefficientDisplay.from_estimator(pipeline, image_shape=(2, 2)).plot(None)
    ConvergenceDisplay.from_estimator({"a": model}, quantity="gap", linewidth=2).lines_[0].set_visible(False)


def inference(model: SoftmaxRegressor, X: Array, y: Array) -> None:
    table = summary(model, X, y, covariance="cluster", groups=y, reference=0, small_sample=True)
    assert_type(table, Summary)
    assert_type(table.coef, Array)
    assert_type(table.log_likelihood, float)
    assert_type(covariance(model, X, y, weights="frequency", covariance="sandwich"), Covariance)
    assert_type(wald_test(table, ["x0", "x1"]).p, float)
    assert_type(margins(model, X, y, at="mean", covariance=table), Margins)
    assert_type(probability_intervals(model, X, covariance=table).lower, Array)
    assert_type(influence(model, X, y, refit_above=1.0).coef_change([0]), Array)
    assert_type(separation(X, y).is_separated, bool)
    CoefficientDisplay.from_summary(table, n_bars=5)
    InfluenceDisplay.from_estimator(model, X, y).plot(None)


def functions(X: Array, y: Array) -> None:
    assert_type(cross_entropy([[2.0, 1.0]], [0], class_weight=[1, 2], label_smoothing=0.1), float)
    assert_type(cross_entropy(X, y, loss="focal", reduction="sum", return_gradient=True), tuple[float, Array])
    assert_type(focal_loss(X, y, gamma=1.0, reduction="none"), Array)
    assert_type(binary_cross_entropy([0.5], [1], reduction="none", return_gradient=True), tuple[Array, Array])
    assert_type(entropy([0.5, 0.5]), Any)  # a float of one distribution, an array of several
    assert_type(kl_divergence(X, X, reduction="mean"), float)
    assert_type(softmax_jacobian(X), Array)
    assert_type(expected_calibration_error(y, X, strategy="quantile"), float)
    assert_type(bootstrap_standard_error(brier_decomposition, y, X, random_state=0), BrierDecomposition)
    ridge: Penalty = Ridge(0.5)
    assert_type(ridge.value(X), float)


def misuse(X: Array, y: Array) -> None:
    SoftmaxRegressor(loss=3)  # pyright: ignore[reportArgumentType]
    SoftmaxRegressor(loss=FocalLoss)  # pyright: ignore[reportArgumentType]
    SoftmaxRegressor(penalty="l2")  # pyright: ignore[reportCallIssue]
    SoftmaxRegressor(1.0)  # pyright: ignore[reportCallIssue]
    SoftmaxRegressor(posterior="restored")  # pyright: ignore[reportArgumentType]
    SoftmaxRegressor().fit(X, y).multilabel_.real  # pyright: ignore[reportAttributeAccessIssue]  # noqa: B018
    cross_entropy(X, y, reduction="average")  # pyright: ignore[reportArgumentType, reportCallIssue]
    cross_entropy(X, y, return_gradient=True).shape  # pyright: ignore[reportAttributeAccessIssue]  # noqa: B018
    to_numpy(3)  # pyright: ignore[reportArgumentType]
    with_prior(3, prior="balanced")  # pyright: ignore[reportArgumentType]
