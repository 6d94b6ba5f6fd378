"""OneVsAllClassifier: one sigmoid a class, or a label."""

from sklearn.utils import Tags

from skce._links.binary import Binary
from skce._links.multilabel import Multilabel
from skce._links.one_vs_all import OneVsAll
from skce._types import Link
from skce.estimators.base import CrossEntropyClassifier


class OneVsAllClassifier(CrossEntropyClassifier):
    r"""One-vs-all and multilabel classification: K independent sigmoid problems, solved in one pass over the data.

    Column k is the logistic regression of class (or label) k against the rest. With P = sigmoid(X coef^T + intercept),
    it minimises

    .. math::

        F(\mathrm{coef}, \mathrm{intercept}) = \frac{1}{S} \sum_{ik} \big[ T^+_{ik}\, \varphi(P_{ik})
        + T^-_{ik}\, \varphi(1 - P_{ik}) \big] + \frac{\lVert \mathrm{coef} \rVert^2}{2 C S}

    with the weight of the sample for and against each class, :math:`T^+` and :math:`T^-`. Sample i has the weight
    :math:`s_i w_{y_i}` in all K problems and S is the sum of these: each column equals its own
    binary ``LogisticRegression(C=C)`` with those sample weights. The predicted probabilities are the sigmoids,
    normalised to sum to 1. Two classes are one problem, the same as SoftmaxRegressor's.

    A multilabel y, a matrix of zeros and ones, gives each column its own sigmoid, not normalised; there a class weight
    is the weight of the label's positives, "balanced" and "effective" weigh its two sides, and S is the sum of s. A
    label with one outcome in y becomes that constant, with a warning. One column alone is a binary y, and ``classes``
    says that the columns are classes, which exclude each other, be they of zeros and ones.

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
        Share of each sample's weight that is spread evenly over the two outcomes of each problem, in [0, 1).
    class_weight : dict, Series, "balanced", "effective", ("effective", beta) or None, default=None
        How much a sample counts. A dict or a Series maps classes to weights; those left out weigh 1. "balanced" gives
        every class the same total weight, n / (K n_k), with counts n_k weighted by ``sample_weight``; "effective"
        divides by the effective number of samples, (1 - beta^n_k) / (1 - beta) with beta = 0.999 unless given, and
        scales to a mean of 1. A sample has the weight of its own class in all K problems, not one for and another
        against. For a multilabel y, where a sample has no one class, a dict maps labels to the weight of their
        positives, negatives weighing 1, and "balanced" and "effective" weigh the positives and the negatives of each
        label by themselves.
    classes : array-like of shape (n_classes,), default=None
        All classes, where y may lack some. A class without samples keeps its column, with probabilities below eps on
        the training data. None takes those in y. Not for a multilabel y, whose columns are its labels. The classes that
        are declared decide the model, but that a class is missing changes nothing for the others: each has its own
        problem, and two of three are the model that the two are alone, the limit as the third's weight vanishes.
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
        Classes, sorted; after a multilabel fit the numbers of y's columns, or their names if y is a DataFrame.
    multilabel_ : bool
        Whether y was a multilabel indicator.
    class_weight_ : ndarray of shape (n_classes,) or (2, n_classes)
        Weights of the classes in the fit; if that was multilabel, of the two sides of each label, for and against.
    class_prior_ : ndarray of shape (n_classes,)
        Frequencies of the classes in the training data, by ``sample_weight``, or of each label after a multilabel fit;
        after ``with_prior`` those it stands for.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients; one row for two classes. float32 for float32 X, unless its columns are so far from zero, by root
        mean square times coefficient, that rounding could move a probability by 1e-5: then float64, as ``intercept_``.
        Predictions stay float32.
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
        The estimate of (F - min F) / F at the end of the fit; the largest of any column.
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
    SoftmaxRegressor : One softmax over the classes, whose probabilities compete.
    skce.metrics.neg_binary_log_loss_scorer : A scorer for multilabel models.

    References
    ----------
    Rifkin and Klautau (2004), "In defense of one-vs-all classification", Journal of Machine Learning Research 5.

    Examples
    --------
    >>> import numpy as np
    >>> from skce import OneVsAllClassifier
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    >>> tags = np.array([[0, 1], [1, 0], [1, 1], [0, 0]])
    >>> model = OneVsAllClassifier(C=10.0).fit(X, tags)
    >>> model.predict([[0.9, 0.1]])
    array([[1, 0]])
    """

    multilabel_: bool

    _takes_indicators = True

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _link(self, n_logits: int, is_multilabel: bool) -> Link:
        """The link for so many logits: one logit of two classes, or one sigmoid a class, or a label."""
        if is_multilabel:
            return Multilabel()
        return Binary() if n_logits == 1 else OneVsAll()
