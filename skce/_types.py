"""The protocols on which the rooms of skce meet, and the types that its public face is written in.

A fit is a Problem: rows with targets, the loss of a row, a penalty. Who minimises it knows of X and y only what
:class:`Rows`, :class:`Targets` and :class:`Block` say here; what kind of problem it is (one softmax, two classes, a
sigmoid a class or a label) is a :class:`Link`; where X lies is an :class:`Engine`.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
# What numpy takes as an array, and DataFrames, Series, sparse matrices and Dask collections, of which types say little.
ArrayLike: TypeAlias = npt.ArrayLike | Any
Averaged: TypeAlias = Literal["mean", "batch_mean", "sum"]
Reduction: TypeAlias = Averaged | Literal["none"]
NamedClassWeight: TypeAlias = Literal["balanced", "effective"] | tuple[Literal["effective"], float]


class SeriesOfWeights(Protocol):
    """A Series of pandas, from class to weight."""

    def to_dict(self) -> dict[Any, Any]:
        """Return it as a dict."""
        ...


ClassWeight: TypeAlias = dict[Any, float] | dict[Any, int] | SeriesOfWeights | NamedClassWeight | None
ArrayOrClassWeight: TypeAlias = ClassWeight | Sequence[float] | Array
LossName: TypeAlias = Literal["cross_entropy", "focal"]
Posterior: TypeAlias = Literal["model", "recovered"]
BinStrategy: TypeAlias = Literal["uniform", "quantile"]
# Which rows: a slice, or indices.
At: TypeAlias = slice | Array


@runtime_checkable
class Loss(Protocol):
    """A loss phi(q) of the probability q that is given to one class, and g(q) = -q phi'(q).

    Both are asked for by ``log_q = log(q)`` and ``rest = 1 - q``, each exact where q has rounded away. For phi(0),
    which the functions of ``skce.functional`` need, ``value`` is asked by -inf and 1; ``g`` never is.

    A class need not inherit from this one: having these three is enough.

    Examples
    --------
    >>> import numpy as np
    >>> from skce.functional import cross_entropy
    >>> from skce.losses import Loss
    >>> class SquaredError:
    ...     is_convex = False
    ...     def value(self, log_q, rest):
    ...         return rest**2 / 2
    ...     def g(self, log_q, rest):
    ...         return np.exp(log_q) * rest
    >>> isinstance(SquaredError(), Loss)
    True
    >>> cross_entropy([[0.0, 0.0]], [1], loss=SquaredError())
    0.125
    """

    @property
    def is_convex(self) -> bool:
        """Whether the loss is convex in the logits, for all targets."""
        ...

    def value(self, log_q: Array, rest: Array) -> Array:
        """Return phi(q).

        Parameters
        ----------
        log_q : ndarray
            Logarithm of the probability, at most 0; -inf stands for phi(0).
        rest : ndarray of the same shape
            One minus the probability, in [0, 1].

        Returns
        -------
        ndarray of the same shape
        """
        ...

    def g(self, log_q: Array, rest: Array) -> Array:
        """Return g(q) = -q phi'(q).

        Parameters
        ----------
        log_q : ndarray
            Logarithm of the probability, at most 0 and finite.
        rest : ndarray of the same shape
            One minus the probability, in [0, 1].

        Returns
        -------
        ndarray of the same shape
        """
        ...


class RowCurvature(Protocol):
    """The second derivatives of some rows' losses by their logits, or what stands in for them."""

    def times(self, factor: Array) -> "RowCurvature":
        """The curvatures times ``factor`` (m,)."""
        ...

    def trace(self) -> Array:
        """Their traces (m,)."""
        ...

    def diagonals(self) -> Array:
        """Their diagonals (K, m)."""
        ...

    def product(self, step: Array) -> Array:
        """Their products (K, m) with a step (K, m) of the logits."""
        ...

    def total(self) -> Array:
        """Their sum: (K, K), or (K,) of separate logits."""
        ...

    def entries(self, first: Array, second: Array) -> Array:
        """Weights (p, m) of pairs of classes, or (K, m) of separate logits."""
        ...


class Targets(Protocol):
    """T, a block at a time, for those outputs that have an optimum."""

    link: "Link"
    outputs: Array
    n_outputs: int
    class_mass: Array
    total: float

    @property
    def log_odds(self) -> Array:
        """The intercepts (k,) that are best for coefficients of zero."""
        ...

    def of_rows(self, labels: Any, sample_weight: Array) -> "Targets":
        """The same with rows."""
        ...

    def block(self, at: At) -> Array:
        """T of some rows, (k, m) or (2, k, m)."""
        ...

    def block_like(self, logits: Array, at: At) -> Array:
        """The block of some rows in the dtype of their logits."""
        ...

    @property
    def is_unweighted(self) -> bool:
        """Whether every row weighs 1."""
        ...

    def row_weight(self, at: At) -> Array:
        """Weight (m,) of some rows, up to a factor that all rows share."""
        ...

    @property
    def slices_of_weights(self) -> list[slice]:
        """The slices of the rows whose weights are cumulated together."""
        ...

    @property
    def cumulated_weights(self) -> Array:
        """Weight of the rows before each of these slices, and of all of them."""
        ...


class ManyFits(Protocol):
    """The loss of the same rows in many fits, for logits minus those of a ``reference`` if that is not None."""

    @property
    def reference(self) -> int | None:
        """The output whose logits are taken off the others, and left out."""
        ...

    def gradient(self, logits: Array) -> Array:
        """The gradient (L, f, n) by logits (L, f, n) of f fits, which are overwritten."""
        ...

    def weights(self, logits: Array) -> Array:
        """The entries (w, f, n) of curvatures for logits (L, f, n) of f fits, which are overwritten."""
        ...


class RowLoss(Protocol):
    """A loss of the logits (k, m) of rows, given their targets; logits may be overwritten."""

    @property
    def is_convex(self) -> bool:
        """Whether it is convex in the logits."""
        ...

    @property
    def has_exact_curvature(self) -> bool:
        """Whether its curvature is its second derivative, and not a matrix that stands in for it."""
        ...

    @property
    def convex_neighbour(self) -> "RowLoss | None":
        """A convex loss near whose minimum to start, where this one is not convex; else None."""
        ...

    @property
    def dual_point(self) -> Callable[[Array, Array, Targets, At], tuple[Array, Array, Array, Array]] | None:
        """Of logits and a step of them: targets, log q, p and KL(p, q); None where there is no such certificate."""
        ...

    @property
    def dual_sums(self) -> Callable[[Array, Array, Targets, At], tuple[Array, ...] | None] | None:
        """The same summed over the rows as a dual bound needs them, where a kernel does so at once; else None."""
        ...

    def dual_curvature(self, logits: Array, targets: Targets, at: At) -> RowCurvature:
        """The RowCurvature of which a dual point is made, where there is one."""
        ...

    @property
    def moved_dual_point(self) -> Callable[[Array, Array, Targets, At], tuple[Array, Array, Array, Array]] | None:
        """The same where a step moves rows too far to linearise."""
        ...

    def losses_gradient(self, logits: Array, block: Array) -> tuple[Array, Array]:
        """Losses, one a row or an element, and their gradient (k, m), for a block of T; logits may be -inf here."""
        ...

    def values_gradient(self, logits: Array, targets: Targets, at: At) -> tuple[Any, Array]:
        """Sums of the losses, one of each problem, and their gradient (k, m)."""
        ...

    @property
    def derivatives(self) -> Callable[[Array, Targets, At], tuple[Any, Array, RowCurvature] | None] | None:
        """Values, gradient and curvature, where a kernel computes them at once; else None."""
        ...

    @property
    def of_many_fits(self) -> Callable[[Array], ManyFits | None] | None:
        """The ManyFits for T of rows; None if it has none."""
        ...

    def curvature(self, logits: Array, targets: Targets, at: At) -> RowCurvature:
        """The RowCurvature of the rows, which is positive semi-definite."""
        ...

    def second_derivative(self, logits: Array, targets: Targets, at: At) -> Any:
        """The second derivatives of the rows' losses, with the ``entries`` and ``total`` of a RowCurvature."""
        ...


class Link(Protocol):
    """What kind of problem a fit is, with coefficients of its own for each output: its targets, and its logits.

    ``are_separate``: outputs have nothing in common but X. ``is_shift_invariant``: the loss does not see their mean.
    """

    are_separate: bool
    is_shift_invariant: bool
    is_multilabel: bool

    def targets(self, counts: Array, class_weight: Array, label_smoothing: float) -> Targets:
        """Targets without rows, by the counts of the labels."""
        ...

    def outcomes(self, weighted: Array) -> Array:
        """What a weighted block of labels (K, m) says of the outcomes that share a row's weight, the first axis."""
        ...

    def row_weight(self, targets: Any, at: At) -> Array:
        """Weight (m,) of some rows, up to a factor that all rows share."""
        ...

    def log_odds(self, targets: Any) -> Array:
        """The intercepts (k,) that are best for coefficients of zero."""
        ...

    def row_loss(self, loss: Loss) -> RowLoss:
        """The loss of a row: the only choice of a kernel."""
        ...

    def log_scores(self, logits: Array) -> Array:
        """Logarithms (K, m) of the probabilities, up to a shift of each row."""
        ...

    def log_proba(self, logits: Array) -> Array:
        """Logarithms (K, m) of the probabilities."""
        ...

    def predicted(self, logits: Array, classes: Array) -> Array:
        """Labels (m,), or an indicator (m, L)."""
        ...

    def recovered(self, logits: Array, recovery: Any) -> Array:
        """Logits of the probabilities that those of a model stand for."""
        ...

    def is_recovered_by_intercepts(self, recovery: Any) -> bool:
        """Whether that is a shift of the logits."""
        ...

    def constant_intercepts(self, mass: Array, eps: Any, lowest_score: Callable[[], float]) -> Any:
        """Intercepts of outputs of that mass which have no optimum."""
        ...


class Penalty(Protocol):
    """A smooth penalty on the coefficients (d, K), whose quadratic part is ``ridge`` / 2 times their squares.

    :class:`skce.penalties.Ridge` is the one that comes with skce: the estimators make it of ``C``.

    Examples
    --------
    >>> from skce.penalties import Penalty, Ridge
    >>> penalty: Penalty = Ridge(0.5)
    >>> penalty.is_zero, penalty.is_shift_averse, penalty.is_rotation_invariant
    (False, True, True)
    """

    @property
    def is_zero(self) -> bool:
        """Whether there is no penalty."""
        ...

    @property
    def ridge(self) -> Any:
        """Curvature of the quadratic part: a number, or one for each column of X (d,)."""
        ...

    @property
    def is_shift_averse(self) -> bool:
        """Whether coefficients of mean 0 over the classes cost the least among those that predict the same."""
        ...

    @property
    def is_rotation_invariant(self) -> bool:
        """Whether coefficients of rotated columns, rotated likewise, cost as much."""
        ...

    def value(self, coef: Array) -> float:
        """Return the penalty.

        Parameters
        ----------
        coef : ndarray of shape (n_features, n_outputs)
            Coefficients, an output a column.

        Returns
        -------
        float
        """
        ...

    def value_by_output(self, coef: Array) -> Array:
        """Return the penalty of each output.

        Parameters
        ----------
        coef : ndarray of shape (n_features, n_outputs)
            Coefficients, an output a column.

        Returns
        -------
        ndarray of shape (n_outputs,)
        """
        ...

    def gradient(self, coef: Array, out: Array) -> Array:
        """Return the gradient by the coefficients.

        Parameters
        ----------
        coef : ndarray of shape (n_features, n_outputs)
            Coefficients, an output a column.
        out : ndarray of the same shape
            Where to write it.

        Returns
        -------
        ndarray of the same shape
            ``out``.
        """
        ...

    def conjugate(self, gradient: Array) -> float:
        """Return the convex conjugate, the largest of ``<gradient, coef> - value(coef)``.

        Parameters
        ----------
        gradient : ndarray of shape (n_features, n_outputs)
            What a gradient by the coefficients may be.

        Returns
        -------
        float
        """
        ...


class Block(Protocol):
    """Some rows: their part ``X`` (m, d), and where they are in ``targets``: ``at``."""

    X: Any
    targets: Targets
    at: At

    def logits(self, coef: Array, intercept: Array) -> Array:
        """Logits (K, m), in C order, for coef (d, K) and intercept (K,)."""
        ...

    def pull_back(self, gradient: Array) -> Array:
        """Gradient (d, K) by coef, given that by the logits (K, m)."""
        ...


RowProgram: TypeAlias = Callable[[Any], tuple[Any, ...]]


@runtime_checkable
class Rows(Protocol):
    """Rows of X (n, d) with their targets, wherever they lie, and sums over them of what a program makes of a Block.

    A program knows of no rows but those of its block, so that it can be sent to where they are.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """n and d."""
        ...

    @property
    def targets(self) -> Any:
        """The targets."""
        ...

    @property
    def shift(self) -> Array | None:
        """What blocks of X have been taken minus, (d,)."""
        ...

    @property
    def dtype(self) -> type:
        """The dtype of products."""
        ...

    @property
    def dtype_of_X(self) -> type:
        """float32 or float64."""
        ...

    @property
    def is_sparse(self) -> bool:
        """Whether blocks are CSR."""
        ...

    @property
    def numbers_per_row(self) -> float:
        """Stored numbers of a row, on average."""
        ...

    @property
    def numbers_to_stack(self) -> int:
        """Numbers that a program of all rows at once may return."""
        ...

    def at_work(self) -> AbstractContextManager["Rows"]:
        """The same rows while threads are as a fit wants them."""
        ...

    def multiplied_in(self, dtype: type, shift: Array | None = None) -> "Rows":
        """The same rows with products in ``dtype``, minus ``shift``."""
        ...

    def merged(self) -> tuple["Rows", Any] | None:
        """The same rows X M in fewer columns, and the matrix M (d, d') with X = X M M^T; None if that saves little."""
        ...

    def summed(self, program: RowProgram, width: int | None = None) -> list[Array]:
        """Sums of what a program returns; ``width`` numbers are computed for a row, else as many as logits."""
        ...

    def summed_where(self, params: Any, program: RowProgram) -> list[Any]:
        """The same sums where the parameters are that a program is about."""
        ...

    def summed_of_drawn(self, program: RowProgram, n_draws: int, width: int | None = None) -> tuple[float, list[Array]]:
        """The weight of all rows, and sums over a stratified sample of them."""
        ...

    def stacked(self, program: RowProgram) -> list[Array]:
        """Arrays (..., n) of all rows at once."""
        ...

    def gathered(self, program: RowProgram) -> list[Array]:
        """Arrays (..., m) of some of the rows of each block, joined."""
        ...

    def where_large(self, matrix: Array) -> Any:
        """A matrix where large ones are factorised the sooner: as it is, or where X is."""
        ...

    def where_iterations_are(self, *values: Any) -> tuple[Any, ...]:
        """Vectors, and curvatures that multiply them, where iterations of L-BFGS are: as they are, or where X is."""
        ...

    def targets_in_memory(self) -> Any:
        """The targets with the labels and weights of all rows."""
        ...

    def in_memory(self) -> Any:
        """The same rows, in memory, whatever they take there."""
        ...

    def block(self, at: At) -> Any:
        """The Block of the rows of a slice, or of an array of indices in order."""
        ...

    def features(self, at: At) -> Any:
        """X (m, d) of such a Block."""
        ...

    def without(self, row: int) -> "Rows":
        """The same rows, of which one weighs nothing."""
        ...

    def without_rows(self) -> "Rows":
        """What a program may know of all rows, wherever these are."""
        ...

    def lowest(self, program: Callable[[Any], Array]) -> float:
        """The lowest of the numbers (m,) of all blocks."""
        ...


class Data(Protocol):
    """What was read of X, y and weights."""

    @property
    def classes(self) -> Array:
        """Classes or labels, sorted (K,)."""
        ...

    @property
    def counts(self) -> Array:
        """Their weight: (K,), or (2, L) for and against each label."""
        ...

    def rows(self, targets: Any) -> Rows:
        """The rows of X with these targets."""
        ...


class Engine(Protocol):
    """What works on X where it lies: in memory, on Dask."""

    def check(self, X: Any) -> None:
        """Warn of what makes a fit to X slow."""
        ...

    def read(self, estimator: Any, X: Any, y: Any, sample_weight: Any, read_y: Any) -> Data:
        """X, y and weights, checked; sets the estimator's columns."""
        ...

    def predicted(self, method: Callable[..., Any], estimator: Any, X: Any) -> Any:
        """What a method of a fitted estimator returns for X."""
        ...

    def attributes_like(self, X: Any, attributes: dict[str, Any]) -> dict[str, Any]:
        """Fitted attributes whose arrays are of the library of X and where it is, but for ``classes_``."""
        ...

    def averaged(self, score: Callable[..., float], estimator: Any, X: Any, y: Any, sample_weight: Any) -> float:
        """The mean, by weight, of what ``score(estimator, X, y, sample_weight)`` returns."""
        ...


class Watch(Protocol):
    """What is told of a fit while it runs."""

    def before_iteration(self, iterate: Any) -> None:
        """Before an iteration, from an Iterate; again and again until it ends."""
        ...

    def after_iteration(self, iterate: Any) -> bool:
        """Whether to stop, after an iteration whose Iterate is given."""
        ...

    def during_stage(self, descent: Any) -> None:
        """What an iteration of a stage has come to."""
        ...

    def after_stage(self, descent: Any) -> None:
        """What a stage has come to."""
        ...
