"""Peers: the solvers that minimise F, each as a function from a problem and a tolerance to a Fit.

A peer is handed the arrays that a user would hand it. What it returns is coefficients, never its own idea of F.
"""

import logging
import warnings
from dataclasses import dataclass
from importlib import import_module

import numpy as np

MOST_PARAMS_OF_HESSIAN = 10_000


@dataclass(frozen=True)
class Fit:
    """Coef (k, d), intercept (k,), iterations, and passes over the data; iterations, where passes are not counted."""

    coef: np.ndarray
    intercept: np.ndarray
    n_iter: float
    n_passes: float


@dataclass(frozen=True)
class Peer:
    """A solver: ``fit(problem, tol, max_iter, threads)`` returns a Fit, and needs a ``module`` to be installed."""

    name: str
    module: str
    fit: object
    counts: str
    takes_sparse: bool = True
    has_hessian: bool = False

    def reason_to_skip(self, problem):
        """Why the peer cannot fit a problem; None if it can."""
        if problem.is_sparse and not self.takes_sparse:
            return "takes no sparse X"
        if self.has_hessian and problem.n_params > MOST_PARAMS_OF_HESSIAN:
            return f"its Hessian would take {8e-9 * problem.n_params**2:.0f} GB"
        return None

    @property
    def is_scikit_learn(self):
        """Whether this is one of LogisticRegression's solvers."""
        return self.module == "sklearn.linear_model"


def installed_peers():
    """The peers whose module can be imported, by name."""
    return {name: peer for name, peer in PEERS.items() if _is_installed(peer.module)}


def _is_installed(module):
    """Whether a module can be imported; it is."""
    try:
        import_module(module)
    except ImportError:
        return False
    return True


def _skce(problem, tol, max_iter, threads):
    """A fit by skce."""
    from skce import SoftmaxRegressor

    model = SoftmaxRegressor(C=problem.C, tol=tol, max_iter=max_iter).fit(problem.X, problem.y)
    return Fit(model.coef_, model.intercept_, int(model.n_iter_[0]), float(model.n_passes_))


def _scikit_learn(solver):
    """The function that fits by a solver of LogisticRegression."""

    def fit(problem, tol, max_iter, threads):
        """A fit by the solver."""
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=problem.C, solver=solver, tol=tol, max_iter=max_iter, random_state=0)
        return _of_logistic_regression(model.fit(problem.X, problem.y))

    return fit


def _scikit_learn_by_default(problem, tol, max_iter, threads):
    """A fit by LogisticRegression as a user has it who has been warned of ``max_iter``; its tol is its own."""
    from sklearn.linear_model import LogisticRegression

    return _of_logistic_regression(LogisticRegression(C=problem.C, max_iter=max_iter).fit(problem.X, problem.y))


def _sklearnex(problem, tol, max_iter, threads):
    """A fit by L-BFGS of the Extension for scikit-learn."""
    from sklearnex.linear_model import LogisticRegression

    model = LogisticRegression(C=problem.C, tol=tol, max_iter=max_iter)
    return _of_logistic_regression(model.fit(problem.X, problem.y))


def _of_logistic_regression(model):
    """The Fit of a fitted LogisticRegression."""
    n_iter = int(np.max(model.n_iter_))
    return Fit(model.coef_, model.intercept_, n_iter, n_iter)


def _cyanure(problem, tol, max_iter, threads):
    """A fit by Cyanure, whose tol bounds a relative duality gap, and whose epochs are passes."""
    from cyanure.estimators import Classifier

    logging.disable(logging.INFO)
    n, _, n_classes = problem.shape
    model = Classifier(
        loss="logistic",
        penalty="l2",
        lambda_1=1 / (problem.C * n),
        fit_intercept=True,
        multi_class="auto" if n_classes == 2 else "multinomial",
        tol=tol,
        max_iter=max_iter,
        n_threads=threads or -1,
        verbose=False,
    ).fit(problem.X, problem.y)
    coef = np.reshape(model.coef_, (problem.shape[1], -1)).T
    n_iter = int(np.max(model.n_iter_))
    return Fit(coef, np.ravel(model.intercept_), n_iter, n_iter)


def _torch(problem, tol, max_iter, threads):
    """A fit by PyTorch's L-BFGS on all rows at once, in float64, as one would write it."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    n, d, n_classes = problem.shape
    X, y = torch.from_numpy(problem.X), torch.from_numpy(problem.y).long()
    n_logits = 1 if n_classes == 2 else n_classes
    coef = torch.zeros(d, n_logits, dtype=X.dtype, requires_grad=True)
    intercept = torch.zeros(n_logits, dtype=X.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [coef, intercept],
        max_iter=max_iter,
        max_eval=50 * max_iter,
        tolerance_grad=tol,
        tolerance_change=0.0,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimizer.zero_grad()
        logits = X @ coef + intercept
        if n_logits == 1:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], y.to(X.dtype))
        else:
            loss = torch.nn.functional.cross_entropy(logits, y)
        loss = loss + (coef**2).sum() / (2 * problem.C * n)
        loss.backward()
        return loss

    optimizer.step(closure)
    state = optimizer.state[coef]
    return Fit(coef.detach().numpy().T, intercept.detach().numpy(), state["n_iter"], state["func_evals"])


def quietly(fit, *args):
    """What ``fit`` returns for these arguments; that it has not converged is seen in its gap, and so not warned of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit(*args)


PEERS = {
    peer.name: peer
    for peer in [
        Peer("skce", "skce", _skce, "passes"),
        Peer("lbfgs", "sklearn.linear_model", _scikit_learn("lbfgs"), "iterations"),
        Peer(
            "newton-cholesky",
            "sklearn.linear_model",
            _scikit_learn("newton-cholesky"),
            "iterations",
            has_hessian=True,
        ),
        Peer("newton-cg", "sklearn.linear_model", _scikit_learn("newton-cg"), "iterations"),
        Peer("saga", "sklearn.linear_model", _scikit_learn("saga"), "iterations"),
        Peer("cyanure", "cyanure.estimators", _cyanure, "epochs"),
        Peer("sklearnex", "sklearnex.linear_model", _sklearnex, "iterations"),
        Peer("torch", "torch", _torch, "evaluations", takes_sparse=False),
    ]
}

# Timed besides the others with --against-default, at its default tol.
DEFAULT = Peer("LogisticRegression(max_iter=100000)", "sklearn.linear_model", _scikit_learn_by_default, "iterations")
DEFAULT_MAX_ITER = 100_000
