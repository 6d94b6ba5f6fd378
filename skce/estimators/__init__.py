"""The estimators: scikit-learn's conventions around one fit."""

from skce.estimators.cross_validated import OneVsAllClassifierCV, SoftmaxRegressorCV
from skce.estimators.one_vs_all import OneVsAllClassifier
from skce.estimators.path import RegularizationPath, regularization_path
from skce.estimators.portable import to_numpy
from skce.estimators.prior import with_prior
from skce.estimators.softmax import SoftmaxRegressor

__all__ = [
    "OneVsAllClassifier",
    "OneVsAllClassifierCV",
    "RegularizationPath",
    "SoftmaxRegressor",
    "SoftmaxRegressorCV",
    "regularization_path",
    "to_numpy",
    "with_prior",
]
