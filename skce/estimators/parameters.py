"""Parameters that an estimator does not have: errors that name it as users know it, and say what to do instead."""

import difflib
import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

# What those who come from LogisticRegression look for.
INSTEAD = {
    "penalty": "the penalty is a ridge, C sets its strength, and C=inf is none",
    "l1_ratio": "the penalty is a ridge, and C sets its strength; for an L1 penalty stay with LogisticRegression",
    "solver": "there is one solver, which chooses by itself; leave it out",
    "n_jobs": "a fit uses the threads that BLAS is allowed; threadpoolctl.threadpool_limits sets how many",
    "random_state": "nothing is random: the same data give the same model; leave it out",
    "multi_class": "SoftmaxRegressor is multinomial, OneVsAllClassifier has one sigmoid a class",
    "Cs": "of several values of C, SoftmaxRegressorCV and OneVsAllClassifierCV choose one",
    "cv": "SoftmaxRegressorCV and OneVsAllClassifierCV choose C by cross-validation",
    "C": "Cs are the values of C to choose among; SoftmaxRegressor and OneVsAllClassifier take one",
    "intercept_scaling": "the intercept is never penalised; leave it out",
    "dual": "there is one solver, which chooses by itself; leave it out",
}


def unexpected_parameters_explained(init: Callable[P, R]) -> Callable[P, R]:
    """The same constructor, whose error for a parameter that it does not have says what to do instead."""
    known = list(inspect.signature(init).parameters)[1:]

    @wraps(init)
    def explained(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return init(*args, **kwargs)
        except TypeError:
            name = type(args[0]).__name__
            check_expected(name, known, kwargs, TypeError)
            if len(args) == 1 or type(args[0]).__init__ is not explained:
                raise
            names = ", ".join(f"{parameter}=..." for parameter in known[: len(args) - 1])
            message = f"{name} takes no positional parameters: name them ({names}), got {args[1:]!r}."
        raise TypeError(message)

    return explained


def check_expected(estimator: str, known: Iterable[str], names: Iterable[str], error: type[Exception]) -> None:
    """Raise ``error`` if one of ``names`` is none of the ``known`` parameters of an estimator."""
    known = list(known)
    for name in names:
        if name not in known:
            meant = "".join(f"did you mean {near}? " for near in difflib.get_close_matches(name, known, 1))
            instead = INSTEAD.get(name, f"{meant}it has {', '.join(known)}")
            raise error(f"{estimator} has no parameter {name!r}: {instead}.")
