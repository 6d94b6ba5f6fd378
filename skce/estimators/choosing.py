"""What estimators that choose C have in common: leave-one-out or folds, the rule, and the fit at the C chosen."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from functools import partial
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from sklearn import get_config
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import KFold, StratifiedKFold, check_cv
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from skce._callers import warn_caller
from skce._checks import InvalidParameterError, check_boolean
from skce._compat import with_callbacks
from skce._labels.kinds_of_y import HardLabels
from skce._namespaces import is_foreign, on_host
from skce._rows.engines import engine_of
from skce._rows.lazy import in_memory, is_lazy
from skce._solver.solution import warn_unless_converged
from skce._types import Array, ArrayLike, ClassWeight, Loss, LossName, Posterior
from skce.estimators.base import CrossEntropyClassifier, attributes_of_solution
from skce.estimators.candidates import (
    CONVERGED,
    fit_of,
    fits_to_start_from,
    has_affordable_hessian,
    scored_by_folds,
    scored_by_leave_one_out,
    y_of,
)
from skce.estimators.parameters import unexpected_parameters_explained
from skce.estimators.path import checked_Cs
from skce.estimators.progress import Progress
from skce.estimators.training_set import TrainingSet
from skce.estimators.validation import check_parameters, unchanged_on_error
from skce.losses import checked_loss

Rule: TypeAlias = Literal["best", "1se"]

# Folds where leave-one-out would take a Hessian that is too dear. Fits to nine rows of ten lose less than fits to four
# of five: of 3,000 rows of MNIST scores of five folds were up to 25 standard errors below those of ten other folds, as
# penalties are strong, and those of ten never more than 0.3 off.
FOLDS_INSTEAD = 10

# Scorings that leave-one-out has: minus the log loss.
LOG_LOSSES = "neg_log_loss", "neg_binary_log_loss"


# What to do where folds would be needed, and X is on Dask.
WHERE_X_IS_LAZY = (
    "X.compute() fetches it, or use skce.regularization_path and choose among its fits by rows that you keep apart."
)


# Attributes that a fit sets where it has fits of all rows.
OF_SOME_FITS = "coef_", "coefs_path_", "intercepts_path_", "loo_log_proba_", "is_refitted_", "feature_names_in_"


class ChoosesC(CrossEntropyClassifier):
    """A classifier that chooses its C; see the subclasses for its parameters."""

    C_: float
    Cs_: Array
    scores_: Array
    scores_mean_: Array
    scores_sem_: Array
    coefs_path_: Array
    intercepts_path_: Array
    loo_log_proba_: Array
    validation_: str

    # The estimator that is fitted for each C.
    _of_one_C: type[CrossEntropyClassifier]

    @unexpected_parameters_explained
    def __init__(
        self,
        *,
        Cs: int | ArrayLike = 10,
        cv: Any = None,
        scoring: Any = None,
        rule: Rule = "best",
        refit: bool = True,
        n_jobs: int | None = None,
        loss: Loss | LossName = "cross_entropy",
        gamma: float = 2.0,
        label_smoothing: float = 0.0,
        class_weight: ClassWeight = None,
        classes: ArrayLike | None = None,
        fit_intercept: bool = True,
        tol: float = 1e-7,
        max_iter: int = 1000,
        posterior: Posterior = "model",
        verbose: int = 0,
    ) -> None:
        self.Cs = Cs
        self.cv = cv
        self.scoring = scoring
        self.rule = rule
        self.refit = refit
        self.n_jobs = n_jobs
        self.loss = loss
        self.gamma = gamma
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.classes = classes
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.posterior = posterior
        self.verbose = verbose

    @property
    def C(self) -> float:
        """The C that was chosen, as an estimator of that C has it."""
        return self.C_

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, **params: Any) -> Self:
        """Choose C, and fit the model to all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame, Dask array, Dask DataFrame} of shape (n_samples, n_features)
            Features; on Dask with ``cv=None`` alone, where the Hessian is affordable. Those of an array of another
            library as for the estimator of one C: folds are fitted where it is, leave-one-out works on a copy in the
            host's memory.
        y : array-like or Dask collection of shape (n_samples,) or (n_samples, n_classes)
            Labels, soft labels or a multilabel indicator, as for the estimator of one C.
        sample_weight : array-like or Dask collection of shape (n_samples,), default=None
            Non-negative weights of the samples, in the fits and in the log loss that they score. Leave-one-out leaves
            out all of a row's weight.
        **params : dict
            Metadata for the splitter, ``groups`` say, and for the scorer, if metadata routing is enabled.

        Returns
        -------
        self : object
            The fitted estimator. If fit raises, the estimator is what it was before.

        Raises
        ------
        ValueError
            If a parameter, X, y or a weight is not what it should be; with ``cv=None`` also if the loss is not convex,
            C may be inf, or ``scoring`` is not the log loss.

        Warns
        -----
        ConvergenceWarning
            If the fit at the C that is chosen did not converge, or fits of other values, of folds, or without a row did
            not.
        """
        _check_choice(self, X, params)
        engine_of(X).check(X)
        with unchanged_on_error(self):
            solution, labels, explained = self._choose(X, y, sample_weight, params)
        if explained:
            warn_caller(explained)
        if solution is not None:
            columns = getattr(self, "feature_names_in_", None)
            warn_unless_converged(solution, tol=self.tol, columns=columns, labels=labels)
        return self

    def get_metadata_routing(self) -> MetadataRouter:
        """Return the ``MetadataRouter`` of the estimator, its splitter and its scorer."""
        router = MetadataRouter(owner=self).add_self_request(self)
        if self.cv is not None:
            mapping = MethodMapping().add(caller="fit", callee="split")
            router.add(splitter=check_cv(self.cv, classifier=True), method_mapping=mapping)
        if self.scoring is not None:
            mapping = MethodMapping().add(caller="fit", callee="score")
            router.add(scorer=check_scoring(self, self.scoring), method_mapping=mapping)
        return router

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coef_")

    @with_callbacks
    def _choose(self, X, y, sample_weight, params):
        """Set the fitted attributes: the Solution, labels of what was optimised, what is constant in a sentence."""
        Cs = checked_Cs(self.Cs)
        routed = self._routed(sample_weight, params)
        estimator = self._estimator_of(float(Cs.min()))
        check_parameters(estimator)
        progress = Progress(self, X, y, sample_weight)
        training_set = self._read(estimator, X, y, sample_weight)
        like_X = partial(engine_of(X).attributes_like, X)
        progress.attributes_of = lambda iterate: like_X(training_set.attributes(iterate))
        with training_set.problem() as problem:
            scored = self._scored(training_set, problem, Cs, routed)
            means = scored.of_folds.mean(axis=0)
            self._check_scores(scored, Cs)
            chosen = place_chosen(Cs, means, scored.errors, self.rule)
            solution, attributes = None, {}
            if scored.fits is not None:
                solution, attributes = self._fitted(training_set, problem, scored, Cs, chosen, progress)
        for name in OF_SOME_FITS:
            vars(self).pop(name, None)
        names = "n_features_in_", "feature_names_in_"
        attributes |= {"Cs_": Cs, "scores_": scored.of_folds, "scores_mean_": means, "scores_sem_": scored.errors}
        vars(self).update({name: getattr(estimator, name) for name in names if hasattr(estimator, name)})
        vars(self).update(like_X(attributes))
        self.C_ = float(Cs[chosen])
        self.validation_ = "folds" if scored.left_out is None else "leave-one-out"
        progress.end()
        if scored.fits is None:
            return None, None, ""
        is_chosen_unconverged = scored.fits.solutions[chosen].reason not in CONVERGED
        _warn_of_others(scored.n_unconverged - is_chosen_unconverged)
        labels = np.delete(training_set.labels, training_set.constant_outputs)
        return solution, labels, training_set.constant_explained

    def _read(self, estimator, X, y, sample_weight):
        """The TrainingSet, where X is; or in the host's memory, where rows that are left out are by themselves."""
        training_set = TrainingSet.read(estimator, X, y, sample_weight)
        if self.cv is not None or not is_foreign(X):
            return training_set
        with training_set.problem() as problem:
            is_left_out = has_affordable_hessian(problem)
        return TrainingSet.read(estimator, on_host(X), y, sample_weight) if is_left_out else training_set

    def _scored(self, training_set, problem, Cs, routed):
        """The Scored of all values of C."""
        if self.cv is None and has_affordable_hessian(problem):
            return scored_by_leave_one_out(training_set, problem, Cs)
        data: Any = training_set.data
        if not hasattr(data, "given_X"):
            raise ValueError(
                "Leave-one-out of so many columns and classes takes a Hessian that is too large, and the folds that "
                f"take its place need X in memory, but it is on Dask: {WHERE_X_IS_LAZY}"
            )
        fits = fits_to_start_from(training_set, problem, Cs) if self.refit else None
        labels: Any = data.labels
        y = y_of(training_set.data.classes, labels)
        splitter: Any
        if self.cv is None:
            kind = StratifiedKFold if isinstance(labels, HardLabels) else KFold
            splitter = kind(min(FOLDS_INSTEAD, len(y)), shuffle=True, random_state=0)
        else:
            splitter = check_cv(self.cv, y if isinstance(labels, HardLabels) else None, classifier=True)
        metadata = {} if self.cv is None else routed.splitter.split
        folds = list(splitter.split(data.given_X, y, **metadata))
        if self.rule == "1se" and len(folds) == 1:
            raise InvalidParameterError(
                "rule must be 'best' where cv is one split, which has no standard error, got '1se'."
            )
        return scored_by_folds(training_set, folds, Cs, self._score_of(routed), fits, self.n_jobs)

    def _check_scores(self, scored, Cs):
        """Raise if no C has a score, and warn if some have none."""
        is_nan = np.isnan(scored.of_folds)
        if not is_nan.any():
            return
        fold, place = np.argwhere(is_nan)[0].tolist()
        where = f"scoring={self.scoring!r} gave NaN, for one in fold {fold} at C={Cs[place]:.3g}"
        if is_nan.any(axis=0).all():
            raise ValueError(f"{where}, and for no C a number in all folds.")
        warn_caller(f"{where}; values of C with NaN are not chosen.")

    def _fitted(self, training_set, problem, scored, Cs, chosen, progress):
        """The Solution for the C that is chosen, and the attributes of the fits.

        It is the very model that the estimator of this C would be: from no start, to the same tol.
        """
        iterate, solution = fit_of(training_set, problem, Cs[chosen], progress)
        paths = [training_set.attributes(of_C) for of_C in scored.fits.iterates]
        attributes = training_set.attributes(iterate) | attributes_of_solution(solution, self.tol)
        attributes["coefs_path_"] = np.array([of_C["coef_"] for of_C in paths])
        attributes["intercepts_path_"] = np.array([of_C["intercept_"] for of_C in paths])
        if scored.left_out is not None:
            logits, attributes["is_refitted_"] = scored.left_out(chosen)
            attributes["loo_log_proba_"] = training_set.link.log_proba(logits).T
        return solution, attributes

    def _estimator_of(self, C):
        """The estimator of one C with these parameters."""
        parameters = self.get_params(deep=False)
        names = self._of_one_C().get_params(deep=False)
        return self._of_one_C(C=C, **{name: parameters[name] for name in names if name in parameters})

    def _routed(self, sample_weight, params):
        """What goes to splitter and scorer, by metadata routing; without it, weights to a scorer that takes them."""
        if _is_routing():
            return process_routing(self, "fit", sample_weight=sample_weight, **params)
        weights = {}
        if self.scoring is not None and sample_weight is not None:
            scorer: Any = check_scoring(self, self.scoring)
            if "sample_weight" in inspect.signature(scorer).parameters:
                weights = {"sample_weight": in_memory(sample_weight)}
        return Bunch(splitter=Bunch(split={}), scorer=Bunch(score=weights))

    def _score_of(self, routed):
        """The score of an estimator on the rows of a fold; None for minus the log loss, of rows by their weight."""
        if self.scoring is None:
            return None
        scorer: Any = check_scoring(self, self.scoring)

        def score(estimator, X, y, rows):
            of_rows = routed.scorer.score.items()
            metadata = {name: np.asarray(value)[rows] for name, value in of_rows if value is not None}
            return scorer(estimator, X, y, **metadata)

        return score


def place_chosen(Cs: Array, means: Array, sem: Array, rule: Any) -> int:
    """The place of the C that a rule chooses: the best, or the strongest penalty within one standard error of it."""
    order = np.argsort(Cs, kind="stable")
    best = order[np.nanargmax(means[order])]
    if rule == "best":
        return int(best)
    return int(order[np.argmax(means[order] >= means[best] - sem[best])])


def _check_choice(estimator, X, params):
    """Raise unless the parameters that say how C is chosen are allowed, together."""
    Cs = checked_Cs(estimator.Cs)
    check_boolean("refit", estimator.refit)
    if isinstance(estimator.cv, str) or (isinstance(estimator.cv, int | np.integer) and estimator.cv < 2):
        raise InvalidParameterError(
            "cv must be None, which is leave-one-out, a number of folds of at least 2, a splitter or splits, got "
            f"{estimator.cv!r}."
        )
    if isinstance(estimator.scoring, str) and estimator.scoring not in get_scorer_names():
        near = "".join(
            f" Did you mean {name!r}?" for name in get_close_matches(estimator.scoring, get_scorer_names(), 1)
        )
        raise InvalidParameterError(
            f"scoring must be None, the log loss, a scorer or one of sklearn.metrics.get_scorer_names(), got "
            f"{estimator.scoring!r}.{near}"
        )
    if estimator.rule not in ("best", "1se"):
        raise InvalidParameterError(f"rule must be 'best' or '1se', got {estimator.rule!r}.")
    if params and not _is_routing():
        raise ValueError(
            f"fit takes {', '.join(params)} if metadata routing is enabled: sklearn.set_config("
            "enable_metadata_routing=True). Without it, pass the splits: cv=list(splitter.split(X, y, groups))."
        )
    if estimator.cv is not None:
        if is_lazy(X):
            raise InvalidParameterError(
                f"cv must be None, leave-one-out, where X is on Dask, got {estimator.cv!r}: folds need X in memory. "
                f"{WHERE_X_IS_LAZY}"
            )
        return
    use_folds = "Use folds: cv=5."
    if is_lazy(X):
        use_folds = f"Folds, for which there is no such limit, need X in memory, but it is on Dask: {WHERE_X_IS_LAZY}"
    scoring = estimator.scoring
    if scoring is not None and getattr(scoring, "__name__", scoring) not in LOG_LOSSES:
        raise InvalidParameterError(
            f"scoring must be None, the log loss, with cv=None, which is leave-one-out, got {scoring!r}. {use_folds}"
        )
    loss = checked_loss("loss", estimator.loss, estimator.gamma)
    if not loss.is_convex:
        raise InvalidParameterError(
            f"cv must be folds for a loss that is not convex, got None with loss={estimator.loss!r}: without a row the "
            f"minimum may be another one, and leave-one-out has no closed form. {use_folds}"
        )
    if np.isinf(Cs).any():
        raise InvalidParameterError(
            f"Cs must be finite with cv=None, which is leave-one-out, got {estimator.Cs!r}. {use_folds}"
        )


def _is_routing():
    """Whether metadata routing is enabled."""
    return get_config()["enable_metadata_routing"]


def _warn_of_others(n_others):
    """Warn if so many fits of other values and folds than the chosen one did not converge."""
    if n_others:
        warn_caller(
            f"{n_others} fits of other values of C, of folds, or without a row, did not converge, and their scores are "
            "of where they ended. Raise max_iter, or leave out the largest values of C.",
            ConvergenceWarning,
        )
