"""Cross-entropy classifiers for scikit-learn: weighted, label-smoothed, focal, soft-labelled, one-vs-all."""

from skce import functional, losses, metrics
from skce._estimators import OneVsAllClassifier, SoftmaxRegressor

__all__ = ["OneVsAllClassifier", "SoftmaxRegressor", "functional", "losses", "metrics"]

__version__ = "0.1.0"
