"""Two classes or more of which one has all mass, as in a bootstrap sample without the others: a constant model."""

import numpy as np
import pytest
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression

from skce import OneVsAllClassifier, SoftmaxRegressor

ESTIMATORS = [SoftmaxRegressor, OneVsAllClassifier]


@pytest.mark.parametrize("make_estimator", ESTIMATORS)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("how", ["sample_weight", "class_weight", "classes"])
@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_the_model_is_that_class(make_estimator, n_classes, how, loss, rng):
    X, y = rng.standard_normal((30, 2)), np.arange(30) % n_classes
    for present in range(n_classes):
        options, weight, labels = {}, None, y
        if how == "sample_weight":
            weight = (y == present).astype(float)
        elif how == "class_weight":
            options["class_weight"] = {label: float(label == present) for label in range(n_classes)}
        else:
            options["classes"], labels = np.arange(n_classes), np.full(30, present)
        with pytest.warns(UserWarning, match=f"Only the class {present} has samples of positive weight") as caught:
            model = make_estimator(loss=loss, **options).fit(X, labels, weight)
        assert len(caught) == 1
        assert (model.predict(X) == present).all()
        np.testing.assert_array_equal(model.classes_, np.arange(n_classes))
        expected = np.eye(n_classes)[present]
        np.testing.assert_allclose(model.predict_proba(X), np.tile(expected, (30, 1)), rtol=0, atol=1e-15)
        assert not model.coef_.any()
        assert model.coef_.shape == (1 if n_classes == 2 else n_classes, 2)
        assert model.is_certified_


@pytest.mark.filterwarnings("ignore:Only the class")
@pytest.mark.parametrize("make_estimator", ESTIMATORS)
def test_bagging_of_a_rare_class_ends(make_estimator, rng):
    X, y = rng.standard_normal((100, 3)), (np.arange(100) < 2).astype(int)
    for seed in range(5):
        ours = BaggingClassifier(make_estimator(), random_state=seed).fit(X, y).predict_proba(X)
        theirs = BaggingClassifier(LogisticRegression(tol=1e-8), random_state=seed).fit(X, y).predict_proba(X)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)
