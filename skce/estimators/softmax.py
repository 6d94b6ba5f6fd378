"""SoftmaxRegressor: one softmax over the classes."""

from skce._links.binary import Binary
from skce._links.softmax import Softmax
from skce._types import Link
from skce.estimators.base import CrossEntropyClassifier


class SoftmaxRegressor(CrossEntropyClassifier):
    r"""Multinomial logistic regression for cross-entropy and its kin: weighted, smoothed, focal, or a loss of your own.

    With targets T made of labels, weights and smoothing, Q = softmax(X coef^T + intercept) and S the sum of T, it
    minimises

    .. math::

        F(\mathrm{coef}, \mathrm{intercept}) = \frac{1}{S} \sum_{ik} T_{ik}\, \varphi(Q_{ik})
        + \frac{\lVert \mathrm{coef} \rVert^2}{2 C S}

        T_i = s_i \Big[ (1 - \varepsilon)\, w \circ y_i + \frac{\varepsilon}{K}\, (w \cdot y_i)\, 1 \Big]

    by L-BFGS with the analytic gradient, preconditioned by the curvature of F, and by Newton's method where its Hessian
    costs little or X is sparse and wide; s are sample weights, w class weights, :math:`\varepsilon` is
    ``label_smoothing`` and :math:`\varphi(q) = -\log q` for cross-entropy. With cross-entropy the optimum is that of
    scikit-learn's ``LogisticRegression(C=C)``. Two classes are one logit, as they are there.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the penalty on ``coef_``, above 0; inf for none. The intercept is never penalised.
    loss : {"cross_entropy", "focal"} or loss object, default="cross_entropy"
        "focal" stands for ``FocalLoss(gamma)``. A loss object is one of ``skce.losses`` or has, as those do, ``value``,
        ``g`` and ``is_convex``. A loss that is not convex starts from a loosely solved cross-entropy fit.
    gamma : float, default=2.0
        Focusing exponent of the focal loss, at least 0; other losses ignore it.
    label_smoothing : float, default=0.0
        Share of each row's weight that is spread evenly over all classes, in [0, 1).
    class_weight : dict, Series, "balanced", "effective", ("effective", beta) or None, default=None
        Weights of the classes. A dict or a Series maps classes to weights; those left out weigh 1. "balanced" gives
        every class the same total weight, n / (K n_k), with counts n_k weighted by ``sample_weight``. "effective"
        divides by the effective number of samples, (1 - beta^n_k) / (1 - beta) with beta = 0.999 unless given [1]_, and
        scales to a mean of 1 over the samples.
    classes : array-like of shape (n_classes,), default=None
        All classes, where y may lack some. A class without samples keeps its column, with probabilities below eps on
        the training data. None takes those in y; for soft labels the columns. The classes that are declared decide the
        model: two of three are a softmax of three, the limit as the third's weight vanishes, whose penalty is that of
        one logit at 2 C; a fold with two of its classes is the same model as the others then.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    tol : float, default=1e-7
        The fit has converged when F is estimated to be above its minimum by no more than ``tol`` times itself, whatever
        the units of X. The estimate may be several times too small; the default is meant to end within a millionth.
        Above 1e-4 it saves nothing, and is taken for that, but where X is wide and sparse or rows are many.
    max_iter : int, default=1000
        Most iterations, those that find a start for a loss that is not convex included; a fit that needs more returns
        the last of them, with a warning. Most fits take a few dozen.
    warm_start : bool, default=False
        Whether to start from the last fit, which must have had the same features and classes.
    posterior : {"model", "recovered"}, default="model"
        Which probabilities all predictions give. Class weights, smoothing and losses other than cross-entropy bend what
        a model says: with "balanced" weights, a class that one row in a hundred has is predicted as if half of them
        had it. "model" gives the probabilities as they are, bent; use it where weights are there to find more of a rare
        class. "recovered" undoes the bending, so that 0.2 means that one in five such rows has the class; use it where
        probabilities are read or costs are weighed. In closed form: r is q / g(q), normalised, of which smoothing and
        then weights are undone; exact where the model is right about the bent probabilities. Without weights,
        smoothing and another loss both are the same. It may be set after a fit, without a new one.
    verbose : int, default=0
        Above 0, print a line for each stage of the minimisation, and one a second within a stage: how far it is, passes
        a second, and how many would be left if the estimate of what is left went on falling as it has.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Classes, sorted.
    class_weight_ : ndarray of shape (n_classes,)
        Weights of the classes in the fit.
    class_prior_ : ndarray of shape (n_classes,)
        Frequencies of the classes in the training data, by ``sample_weight``; after ``with_prior`` those it stands for.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients; one row for two classes. For three classes or more they sum to zero over the classes. float32 for
        float32 X, unless its columns are so far from zero, by root mean square times coefficient, that rounding could
        move a probability by 1e-5: then float64, as ``intercept_``. Predictions stay float32.
    intercept_ : ndarray of shape (1,) or (n_classes,)
        Intercepts; without ``fit_intercept`` zeros, but for classes that have no samples.
    loss_ : float
        F at the end of the fit, in nats.
    loss_curve_ : ndarray of shape (n_iter + 1,)
        F at the start and after each iteration.
    pass_curve_ : ndarray of shape (n_iter + 1,)
        Passes over the data up to each entry of ``loss_curve_``; the last is ``n_passes_``.
    n_iter_ : ndarray of shape (1,)
        Iterations of the solver on the loss itself (not those on cross-entropy that find a start).
    n_evaluations_ : int
        Evaluations of F and its gradient, those that find a start included.
    n_passes_ : float
        Passes over the data: evaluations and sweeps for the curvature or for statistics of the columns. A sweep over a
        sample of the rows counts as that part of one.
    n_inner_passes_ : float
        Evaluations of the models of Newton's method, each by the share of the rows that its model keeps, in memory.
    suboptimality_ : float
        The estimate of (F - min F) / F at the end of the fit.
    gap_bound_ : float or None
        A bound on F - min F: no optimum is lower than ``loss_ - gap_bound_``. For cross-entropy it is the dual bound of
        a Newton step, which says about what the gap is where the exact curvature was affordable, and may say little
        where it was not and C is large; for other convex losses it is strong convexity, which says less, and inf if a
        fit was stopped too far from its end. None if the loss is not convex or C is inf, and after an interrupt.
    is_certified_ : bool
        Whether ``gap_bound_ <= tol * loss_``: a proof that no parameters have a loss less by more than ``tol`` of it.
        Where False, ``suboptimality_`` is an estimate.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if X has names that are all strings.

    See Also
    --------
    OneVsAllClassifier : One sigmoid a class, for multilabel y as well.
    skce.losses : The losses.
    skce.metrics.neg_log_loss_scorer : A scorer that knows the model's classes.

    References
    ----------
    .. [1] Cui, Jia, Lin, Song and Belongie (2019),
           `"Class-balanced loss based on effective number of samples"
           <https://arxiv.org/abs/1901.05555>`__, CVPR.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce import SoftmaxRegressor
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SoftmaxRegressor(loss="focal", gamma=1.0).fit(X, y)
    >>> model.predict(X[:2])
    array([0, 0])
    >>> model.predict_proba(X[:2]).round(3)
    array([[0.925, 0.075, 0.   ],
           [0.908, 0.092, 0.   ]])
    """

    _takes_indicators = False

    def _link(self, n_logits: int, is_multilabel: bool) -> Link:
        """The link for so many logits: one logit of two classes, or one softmax over the classes."""
        return Binary() if n_logits == 1 else Softmax()
