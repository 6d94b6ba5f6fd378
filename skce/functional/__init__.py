r"""Cross-entropy and its kin as functions of plain arrays, from logits or from probabilities.

All of them take predictions first, whose last axis is the classes unless they are element-wise, and targets second, and
share what weighs and reduces them. Targets are weighted first, then smoothed, as the estimators do it:

.. math::

    T_i = s_i \Big[ (1 - \varepsilon)\, w \circ y_i + \frac{\varepsilon}{K}\, (w \cdot y_i)\, 1 \Big]

    l_i = \sum_k T_{ik}\, \varphi(q_{ik}), \qquad m_i = \sum_k T_{ik}

with sample weights s, class weights w and :math:`\varepsilon` for ``label_smoothing``. ``reduction`` makes of the
losses l_i ::

    "mean"        sum l_i / sum m_i
    "batch_mean"  sum l_i / n
    "sum"         sum l_i
    "none"        l_i

where n is the number of rows, or of elements: "mean" is what scikit-learn does, and PyTorch with labels; "batch_mean"
what Keras does. ``return_gradient=True`` adds the derivative of that result with respect to the predictions; for
"none", of each loss with respect to its own row. Values are in nats, finite for large logits, and inf where a
probability of 0 was given to what happened: nothing is clipped. A logit of -inf rules a class out (a mask): it costs
nothing where its target is 0, and its gradient is 0. float32 predictions are computed in float32 and
summed in float64. For probabilities themselves there are ``scipy.special.softmax``, ``log_softmax`` and ``expit``.
"""

from skce.functional.functions import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    categorical_cross_entropy,
    cross_entropy,
    entropy,
    focal_loss,
    kl_divergence,
    softmax_jacobian,
    sparse_categorical_cross_entropy,
)

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "categorical_cross_entropy",
    "cross_entropy",
    "entropy",
    "focal_loss",
    "kl_divergence",
    "softmax_jacobian",
    "sparse_categorical_cross_entropy",
]
