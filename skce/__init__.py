"""Cross-entropy classifiers for scikit-learn: weighted, label-smoothed, focal, soft-labelled, one-vs-all."""

from skce import display, functional, losses, metrics
from skce.estimators import OneVsAllClassifier, SoftmaxRegressor, with_prior

__all__ = ["OneVsAllClassifier", "SoftmaxRegressor", "display", "functional", "losses", "metrics", "with_prior"]

__version__ = "0.1.0"
