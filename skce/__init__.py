"""Cross-entropy classifiers for scikit-learn: weighted, label-smoothed, focal, soft-labelled, one-vs-all."""

from skce import display, functional, losses, metrics, penalties
from skce._links.recovery import Recovery as _Recovery
from skce._pickles import keep_names_of_0_1
from skce._version import __version__ as __version__
from skce.estimators import OneVsAllClassifier, SoftmaxRegressor, with_prior

__all__ = [
    "OneVsAllClassifier",
    "SoftmaxRegressor",
    "display",
    "functional",
    "losses",
    "metrics",
    "penalties",
    "with_prior",
]

keep_names_of_0_1(
    _estimators={"SoftmaxRegressor": SoftmaxRegressor, "OneVsAllClassifier": OneVsAllClassifier},
    _posterior={"Recovery": _Recovery},
)
