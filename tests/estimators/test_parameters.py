"""Parameters that there are not: the error names the estimator and says what to do instead."""

import inspect

import pytest
from sklearn.base import clone

from skce import OneVsAllClassifier, OneVsAllClassifierCV, SoftmaxRegressor, SoftmaxRegressorCV, to_numpy, with_prior
from skce.estimators.parameters import INSTEAD


@pytest.fixture(params=[SoftmaxRegressor, OneVsAllClassifier])
def make_estimator(request):
    return request.param


@pytest.mark.parametrize("name", sorted(INSTEAD.keys() - {"C"}))
def test_of_those_of_logistic_regression_it_says_what_to_do(name, make_estimator):
    message = rf"^{make_estimator.__name__} has no parameter '{name}': "
    with pytest.raises(TypeError, match=message) as of_constructor:
        make_estimator(**{name: None})
    with pytest.raises(ValueError, match=message) as of_set_params:
        make_estimator().set_params(**{name: None})
    for caught in (of_constructor, of_set_params):
        assert str(caught.value).endswith(f"{INSTEAD[name]}.")


def test_of_others_it_names_those_that_there_are(make_estimator):
    with pytest.raises(TypeError, match=rf"{make_estimator.__name__} has no parameter 'c': it has C, loss, gamma"):
        make_estimator(c=1.0)
    with pytest.raises(ValueError, match="has no parameter 'c'"):
        make_estimator().set_params(c__d=1.0)


def test_of_a_slip_it_says_what_was_meant(make_estimator):
    with pytest.raises(TypeError, match=r"has no parameter 'label_smooting': did you mean label_smoothing\? it has C"):
        make_estimator(label_smooting=0.1)


@pytest.mark.parametrize("make_estimator", [SoftmaxRegressorCV, OneVsAllClassifierCV])
def test_one_value_of_C_is_not_what_is_chosen_among(make_estimator):
    with pytest.raises(TypeError, match="has no parameter 'C': Cs are the values"):
        make_estimator(C=1.0)


def test_parameters_go_by_name(make_estimator):
    message = rf"{make_estimator.__name__} takes no positional parameters: name them \(C=..., loss=...\)"
    with pytest.raises(TypeError, match=message):
        make_estimator(1.0, "focal")


def test_a_parameter_that_a_subclass_adds_is_one():
    class Named(SoftmaxRegressor):
        def __init__(self, *, name="none", C=1.0):
            super().__init__(C=C)
            self.name = name

    assert Named().set_params(name="some").name == "some"
    assert clone(Named(name="some")).name == "some"
    with pytest.raises(ValueError, match="Named has no parameter 'solver'"):
        Named().set_params(solver="lbfgs")


def test_a_subclass_may_pass_its_parameters_on():
    class Passing(SoftmaxRegressor):
        def __init__(self, **parameters):
            super().__init__(**parameters)

        @classmethod
        def _get_param_names(cls):
            return SoftmaxRegressor._get_param_names()

    assert clone(Passing(C=3.0)).set_params(C=2.0).C == 2.0
    with pytest.raises(TypeError, match="Passing has no parameter 'penalty'"):
        Passing(penalty="l2")


def test_signature_and_source_are_those_of_the_constructor(make_estimator):
    parameters = inspect.signature(make_estimator).parameters
    assert list(parameters)[:3] == ["C", "loss", "gamma"]
    assert {parameter.kind for parameter in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert "self.label_smoothing = label_smoothing" in inspect.getsource(make_estimator.__init__)
    assert f"class {make_estimator.__name__}" in inspect.getsource(make_estimator)


@pytest.mark.parametrize("bad", [3, "model", None, SoftmaxRegressor])
def test_what_copies_an_estimator_refuses_what_is_none(bad):
    with pytest.raises(TypeError, match=r"^estimator must be an estimator of skce or scikit-learn, got "):
        to_numpy(bad)
    with pytest.raises(TypeError, match=r"estimator instance|is a class, not an instance"):
        with_prior(bad, prior="balanced")
