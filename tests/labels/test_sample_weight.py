"""Sample weights that are a number: meant for another parameter, as confidence, and of no effect."""

import numpy as np
import pytest

from skce import OneVsAllClassifier, SoftmaxRegressor, SoftmaxRegressorCV
from skce.inference import covariance, influence, leave_one_out, margins, separation, summary
from skce.metrics import expected_calibration_error

MESSAGE = "sample_weight must hold one number for each of the {} rows, got"


@pytest.mark.parametrize("weight", [2, 0.9, np.float64(0.9), np.array(1.0), "balanced", True])
def test_is_an_error_wherever_weights_are_given(weight, rng):
    X = rng.normal(size=(60, 2))
    y = (X[:, 0] + rng.normal(size=60) > 0).astype(int)
    message = MESSAGE.format(60)
    for estimator in (SoftmaxRegressor(), OneVsAllClassifier(), SoftmaxRegressorCV(Cs=3)):
        with pytest.raises(ValueError, match=message):
            estimator.fit(X, y, weight)
        assert not hasattr(estimator, "coef_")
    model = SoftmaxRegressor().fit(X, y)
    for function in (summary, covariance, margins, influence, leave_one_out):
        with pytest.raises(ValueError, match=message):
            function(model, X, y, weight)
    with pytest.raises(ValueError, match=message):
        separation(X, y, weight)
    with pytest.raises(ValueError, match=message):
        expected_calibration_error(y, model.predict_proba(X), sample_weight=weight)
