"""The estimators: scikit-learn's conventions around one fit."""

from skce.estimators.one_vs_all import OneVsAllClassifier
from skce.estimators.prior import with_prior
from skce.estimators.softmax import SoftmaxRegressor

__all__ = ["OneVsAllClassifier", "SoftmaxRegressor", "with_prior"]
