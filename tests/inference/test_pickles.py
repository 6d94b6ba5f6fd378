"""Pickles of tables and covariances: they hold no rows, and serve as what was pickled."""

import pickle

import numpy as np
import pytest

from skce import SoftmaxRegressor
from skce.inference import covariance, margins, probability_intervals, summary, wald_test

# Of a table of 6 coefficients with its model; the rows are 20 times as much.
MOST_BYTES = 10_000


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("is_separated", [False, True])
@pytest.mark.parametrize("function", [summary, covariance])
def test_no_rows_are_in_it(function, is_separated, rng):
    X = rng.normal(size=(4000, 5))
    y = (X[:, 0] + rng.logistic(size=len(X)) > 0).astype(int)
    if is_separated:
        X[:, 3:] = np.where(y[:, None] * (rng.uniform(size=(len(X), 2)) < 0.5), rng.uniform(1, 2, size=(len(X), 2)), 0)
    model = SoftmaxRegressor(C=np.inf if is_separated else 1.0, fit_intercept=True).fit(X, y)
    result = function(model, X, y)
    of_pickle = pickle.dumps(result)
    assert len(of_pickle) < MOST_BYTES
    read = pickle.loads(of_pickle)
    assert repr(read) == repr(result)
    assert str(wald_test(read, "x1")) == str(wald_test(result, "x1"))
    for ours, expected in [
        (margins(model, X, y, covariance=one).std_err for one in (read, result)),
        (probability_intervals(model, X[:5], covariance=one).upper for one in (read, result)),
    ]:
        np.testing.assert_array_equal(ours, expected)
