"""Parameters that an estimator does not have: errors that name it as users know it, and say what to do instead."""

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

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
    "intercept_scaling": "the intercept is never penalised; leave it out",
    "dual": "there is one solver, which chooses by itself; leave it out",
}


def unexpected_parameters_explained(init: Callable[P, R]) -> Callable[P, R]:
    """The same constructor, whose error for a parameter that it does not have says what to do instead."""

    @wraps(init)
    def explained(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return init(*args, **kwargs)
        except TypeError:
            estimator = type(args[0])
            if len(args) > 1:
                names = ", ".join(f"{name}=..." for name in list(inspect.signature(init).parameters)[1 : len(args)])
                message = f"{estimator.__name__} takes no positional parameters: name them ({names}), got {args[1:]!r}."
                raise TypeError(message) from None
            check_expected(estimator, kwargs, TypeError)
            raise

    return explained


def check_expected(estimator: type, names: Iterable[str], error: type[Exception]) -> None:
    """Raise ``error`` if one of ``names`` is no parameter of a class of estimators."""
    known: Any = inspect.signature(estimator).parameters
    for name in names:
        if name not in known:
            instead = INSTEAD.get(name, f"it has {', '.join(known)}")
            raise error(f"{estimator.__name__} has no parameter {name!r}: {instead}.")
