"""Data, weights or parameters that are not those of the fit are warned of, at the line that gave them."""

import numpy as np
import pandas as pd
import pytest

from skce import SoftmaxRegressor
from skce.inference import (
    covariance,
    influence,
    leave_one_out,
    likelihood_ratio_test,
    margins,
    probability_intervals,
    summary,
)
from tests.problems import overlapping

FUNCTIONS = {
    "summary": summary,
    "covariance": covariance,
    "margins": margins,
    "probability_intervals": lambda model, X, *others: probability_intervals(model, X, X, *others),
    "influence": influence,
    "leave_one_out": leave_one_out,
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("other", ["rows", "weights", "parameters"])
def test_a_warning_at_the_callers_line(name, other, rng):
    X, y = overlapping(rng)
    weight = rng.uniform(0.1, 5, size=len(y)) if other == "weights" else None
    model = SoftmaxRegressor().fit(X, y, weight)
    if other == "rows":
        X, y = overlapping(rng)
    if other == "parameters":
        model.set_params(C=100)
    with pytest.warns(UserWarning, match="not those of the fit") as record:
        FUNCTIONS[name](model, X, y)
    assert [one.filename for one in record] == [__file__]


def test_likelihood_ratios(rng):
    X, y = overlapping(rng)
    X = pd.DataFrame(X).add_prefix("f")
    small, large = SoftmaxRegressor(C=np.inf).fit(X[["f0", "f1"]], y), SoftmaxRegressor(C=np.inf).fit(X, y)
    with pytest.warns(UserWarning, match="not those of the fit") as record:
        likelihood_ratio_test(small, large, X, rng.permutation(y))
    assert {one.filename for one in record} == {__file__}


@pytest.mark.parametrize("function", [summary, covariance, margins])
def test_few_clusters_at_the_callers_line(function, rng):
    X, y = overlapping(rng)
    model = SoftmaxRegressor().fit(X, y)
    with pytest.warns(UserWarning, match="4 clusters for") as record:
        function(model, X, y, covariance="cluster", groups=np.arange(len(y)) % 4)
    assert [one.filename for one in record] == [__file__]
