"""Cross-entropy classifiers for scikit-learn: weighted, label-smoothed, focal, soft-labelled, one-vs-all."""

from skce import _checks, display, estimators, functional, inference, losses, metrics, penalties
from skce._links import recovery as _recovery
from skce._pickles import keep_names_of_0_1 as _keep_names_of_0_1
from skce._version import __version__ as __version__
from skce.estimators import (
    OneVsAllClassifier,
    OneVsAllClassifierCV,
    RegularizationPath,
    SoftmaxRegressor,
    SoftmaxRegressorCV,
    regularization_path,
    to_numpy,
    with_prior,
)

__all__ = [
    "OneVsAllClassifier",
    "OneVsAllClassifierCV",
    "RegularizationPath",
    "SoftmaxRegressor",
    "SoftmaxRegressorCV",
    "display",
    "functional",
    "inference",
    "losses",
    "metrics",
    "penalties",
    "regularization_path",
    "to_numpy",
    "with_prior",
]

_keep_names_of_0_1(
    _estimators=estimators,
    _posterior=_recovery,
    _scorers=metrics.scorers,
    _parameters=_checks,
    _loss_display=display.losses,
    _convergence_display=display.convergence,
    _coefficient_display=display.coefficients,
    _reliability_display=display.reliability,
    _calibration=metrics.calibration,
    _bins=metrics.bins,
)
