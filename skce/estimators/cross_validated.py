"""SoftmaxRegressorCV and OneVsAllClassifierCV: the estimators, choosing C by themselves."""

from skce.estimators.choosing import ChoosesC
from skce.estimators.one_vs_all import OneVsAllClassifier
from skce.estimators.softmax import SoftmaxRegressor


class SoftmaxRegressorCV(ChoosesC, SoftmaxRegressor):
    """SoftmaxRegressor that chooses C by itself: by leave-one-out in closed form, or by folds.

    All values of C are fitted as one problem, about three passes over the data for each, and leave-one-out costs about
    one more: a step of Newton's without a row, for which the factor of the Hessian of all rows is enough. Rows that
    matter so much that it is not are refitted. Afterwards it is the SoftmaxRegressor of ``C_``.

    Parameters
    ----------
    Cs : int or array-like of shape (n_Cs,), default=10
        Values of C to choose from, above 0; a number stands for so many from 1e-4 to 1e4, evenly spaced in log C.
    cv : int, splitter or iterable of splits, default=None
        None is leave-one-out in closed form: what a fit without a row predicts of it, from the Hessian of the fit with
        it, and by a fit where that is not enough. It needs a convex loss, finite values of C and ``scoring`` the log
        loss; where the Hessian is too dear, folds take its place, ten of them, shuffled, and ``validation_`` says so.
        Where X is on Dask there are no folds, and None is all that is allowed.
        A number is so many folds, as scikit-learn makes them; otherwise what ``sklearn.model_selection`` takes.
    scoring : str or callable, default=None
        What folds are scored by, higher is better. None is minus the log loss, in nats; of several labels the mean of
        theirs. Rows count by ``sample_weight``, with a scorer of yours if it takes that or routing says so.
    rule : {"best", "1se"}, default="best"
        Whether to choose the best score, or the strongest penalty that is within one standard error of it.
    refit : bool, default=True
        With folds, whether to fit all rows too. Without, ``C_`` and the scores are all there is.
    n_jobs : int, default=None
        Threads that folds are fitted in.
    loss : {"cross_entropy", "focal"} or loss object, default="cross_entropy"
        "focal" stands for ``FocalLoss(gamma)``. A loss object is one of ``skce.losses`` or has, as those do, ``value``,
        ``g`` and ``is_convex``. A loss that is not convex starts from a loosely solved cross-entropy fit.
    gamma : float, default=2.0
        Focusing exponent of the focal loss, at least 0; other losses ignore it.
    label_smoothing : float, default=0.0
        Share of each row's weight that is spread evenly over all classes, in [0, 1).
    class_weight : dict, "balanced", "effective", ("effective", beta) or None, default=None
        Weights of the classes. A dict maps classes to weights; those left out weigh 1. "balanced" gives every class the
        same total weight, n / (K n_k), with counts n_k weighted by ``sample_weight``. "effective" divides by the
        effective number of samples, (1 - beta^n_k) / (1 - beta) with beta = 0.999 unless given [1]_, and scales to a
        mean of 1 over the samples.
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
    C_ : float
        The C that was chosen.
    Cs_ : ndarray of shape (n_Cs,)
        All values of C.
    scores_ : ndarray of shape (n_folds, n_Cs)
        Score of each fold and C; of leave-one-out one row, the mean over the samples.
    scores_mean_, scores_sem_ : ndarray of shape (n_Cs,)
        Mean of the scores, and its standard error: over the folds, or over the samples.
    validation_ : {"leave-one-out", "folds"}
        What the scores are of.
    coefs_path_ : ndarray of shape (n_Cs, n_outputs, n_features)
        ``coef_`` of the fit of all rows for each C.
    intercepts_path_ : ndarray of shape (n_Cs, n_outputs)
        ``intercept_`` of the fit of all rows for each C.
    loo_log_proba_ : ndarray of shape (n_samples, n_classes)
        With leave-one-out, what ``predict_log_proba`` of a fit without a row gives it, at ``C_``.
    is_refitted_ : ndarray of bool of shape (n_samples,)
        With leave-one-out, the rows that a fit was repeated without, at ``C_``.
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
    SoftmaxRegressor : The same for one C.
    regularization_path : The fits for all C, without a choice.
    skce.inference.leave_one_out : Leave-one-out of a fit.
    skce.display.PathDisplay : A picture of the scores and of the coefficients.

    References
    ----------
    .. [1] Cui, Jia, Lin, Song and Belongie (2019),
           `"Class-balanced loss based on effective number of samples"
           <https://arxiv.org/abs/1901.05555>`__, CVPR.

    Rad and Maleki (2020), "A scalable estimate of the out-of-sample prediction error via approximate leave-one-out
    cross-validation", JRSS B 82. Breiman et al. (1984), "Classification and Regression Trees": the rule of one standard
    error.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce import SoftmaxRegressorCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SoftmaxRegressorCV(Cs=[0.01, 0.1, 1, 10, 100, 1000]).fit(X, y)
    >>> model.C_, model.validation_
    (10.0, 'leave-one-out')
    >>> model.scores_mean_.round(3)
    array([-0.614, -0.31 , -0.13 , -0.072, -0.074, -0.127])
    >>> SoftmaxRegressorCV(Cs=[0.01, 0.1, 1, 10, 100, 1000], rule="1se").fit(X, y).C_
    10.0
    """

    _of_one_C = SoftmaxRegressor


class OneVsAllClassifierCV(ChoosesC, OneVsAllClassifier):
    """OneVsAllClassifier that chooses C by itself, one for all classes or labels: by leave-one-out, or by folds.

    All values of C are fitted as one problem, about three passes over the data for each, and leave-one-out costs about
    one more: a step of Newton's without a row, for which the factors of the Hessians of all rows are enough. Rows that
    matter so much that it is not are refitted. Afterwards it is the OneVsAllClassifier of ``C_``.

    Parameters
    ----------
    Cs : int or array-like of shape (n_Cs,), default=10
        Values of C to choose from, above 0; a number stands for so many from 1e-4 to 1e4, evenly spaced in log C.
    cv : int, splitter or iterable of splits, default=None
        None is leave-one-out in closed form: what a fit without a row predicts of it, from the Hessian of the fit with
        it, and by a fit where that is not enough. It needs a convex loss, finite values of C and ``scoring`` the log
        loss; where the Hessian is too dear, folds take its place, ten of them, shuffled, and ``validation_`` says so.
        Where X is on Dask there are no folds, and None is all that is allowed.
        A number is so many folds, as scikit-learn makes them; otherwise what ``sklearn.model_selection`` takes.
    scoring : str or callable, default=None
        What folds are scored by, higher is better. None is minus the log loss, in nats; of several labels the mean of
        theirs. Rows count by ``sample_weight``, with a scorer of yours if it takes that or routing says so.
    rule : {"best", "1se"}, default="best"
        Whether to choose the best score, or the strongest penalty that is within one standard error of it.
    refit : bool, default=True
        With folds, whether to fit all rows too. Without, ``C_`` and the scores are all there is.
    n_jobs : int, default=None
        Threads that folds are fitted in.
    loss : {"cross_entropy", "focal"} or loss object, default="cross_entropy"
        "focal" stands for ``FocalLoss(gamma)``. A loss object is one of ``skce.losses`` or has, as those do, ``value``,
        ``g`` and ``is_convex``. A loss that is not convex starts from a loosely solved cross-entropy fit.
    gamma : float, default=2.0
        Focusing exponent of the focal loss, at least 0; other losses ignore it.
    label_smoothing : float, default=0.0
        Share of each sample's weight that is spread evenly over the two outcomes of each problem, in [0, 1).
    class_weight : dict, "balanced", "effective", ("effective", beta) or None, default=None
        How much a sample counts. A dict maps classes to weights; those left out weigh 1. "balanced" gives every class
        the same total weight, n / (K n_k), with counts n_k weighted by ``sample_weight``; "effective" divides by the
        effective number of samples, (1 - beta^n_k) / (1 - beta) with beta = 0.999 unless given, and scales to a mean of
        1. A sample has the weight of its own class in all K problems, not one for and another against. For a
        multilabel y, where a sample has no one class, a dict maps labels to the weight of their positives, negatives
        weighing 1, and "balanced" and "effective" weigh the positives and the negatives of each label by themselves.
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
    C_ : float
        The C that was chosen.
    Cs_ : ndarray of shape (n_Cs,)
        All values of C.
    scores_ : ndarray of shape (n_folds, n_Cs)
        Score of each fold and C; of leave-one-out one row, the mean over the samples.
    scores_mean_, scores_sem_ : ndarray of shape (n_Cs,)
        Mean of the scores, and its standard error: over the folds, or over the samples.
    validation_ : {"leave-one-out", "folds"}
        What the scores are of.
    coefs_path_ : ndarray of shape (n_Cs, n_outputs, n_features)
        ``coef_`` of the fit of all rows for each C.
    intercepts_path_ : ndarray of shape (n_Cs, n_outputs)
        ``intercept_`` of the fit of all rows for each C.
    loo_log_proba_ : ndarray of shape (n_samples, n_classes)
        With leave-one-out, what ``predict_log_proba`` of a fit without a row gives it, at ``C_``.
    is_refitted_ : ndarray of bool of shape (n_samples,)
        With leave-one-out, the rows that a fit was repeated without, at ``C_``.
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
    OneVsAllClassifier : The same for one C.
    regularization_path : The fits for all C, without a choice.
    skce.inference.leave_one_out : Leave-one-out of a fit.
    skce.display.PathDisplay : A picture of the scores and of the coefficients.

    References
    ----------
    Rad and Maleki (2020), "A scalable estimate of the out-of-sample prediction error via approximate leave-one-out
    cross-validation", JRSS B 82. Breiman et al. (1984), "Classification and Regression Trees": the rule of one standard
    error.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skce import OneVsAllClassifierCV
    >>> X, y = load_iris(return_X_y=True)
    >>> OneVsAllClassifierCV(Cs=[0.01, 1, 100], cv=5, scoring="accuracy").fit(X, y).C_
    100.0
    """

    _of_one_C = OneVsAllClassifier
