"""Metrics: scorers that know the classes of the model, and measures of whether probabilities mean what they say."""

from skce.metrics.calibration import (
    BrierDecomposition,
    bootstrap_standard_error,
    brier_decomposition,
    classwise_calibration_error,
    expected_calibration_error,
)
from skce.metrics.scorers import neg_binary_log_loss_scorer, neg_log_loss_scorer

__all__ = [
    "BrierDecomposition",
    "bootstrap_standard_error",
    "brier_decomposition",
    "classwise_calibration_error",
    "expected_calibration_error",
    "neg_binary_log_loss_scorer",
    "neg_log_loss_scorer",
]
