"""Posterior: the class probabilities that the predictions of a fitted model stand for, in closed form.

Where labels are drawn from eta, a loss phi with weights w and smoothing eps is stationary in q where t_k g(q_k) / q_k
is the same for all K outcomes, with t_k = (1 - eps) w_k eta_k + (eps / K) w . eta. Hence, from the predicted q,

    1. r_k = q_k / g(q_k), normalised           undoes the loss (Charoenphakdee et al. 2021)
    2. r_k = max(r_k - eps / K, 0.01 r_k)       undoes smoothing; the floor keeps the order, and logits finite
    3. eta_k = r_k / w_k, normalised            undoes class weights (King and Zeng 2001)

The outcomes are the classes of a softmax, or the two sides of a sigmoid. Another prior pi' instead of pi weighs eta by
(pi' / pi)^tau (Menon et al. 2021), which is a division by weights as well.
"""

import math
from dataclasses import dataclass

import numpy as np

from skce._checks import InvalidParameterError
from skce._kernels.sigmoid import sigmoid
from skce._kernels.softmax import softmax
from skce._types import Loss
from skce.losses import CrossEntropy

# What step 2 leaves of a probability below what smoothing gives to all.
LEAST_SHARE = 0.01

# Logits, to either side of 0, over which q / g(q) has to rise; rounding may have it fall by a little.
LOGITS_OF_CHECK = np.linspace(-10, 10, 400)
ROUNDING_OF_CHECK, LEAST_RISE = 1e-12, 1e-6


@dataclass(frozen=True)
class Recovery:
    """How a fit bends probabilities: by ``loss``, ``label_smoothing``, and logarithms of weights (K,) or (2, L).

    Its methods take logits, classes first, and return logits of what they stand for.
    """

    loss: Loss
    label_smoothing: float
    log_weight: np.ndarray

    @property
    def is_of_weights_alone(self):
        """Whether class weights are all that there is to undo: of a softmax, a shift of the logits."""
        return self.loss == CrossEntropy() and not self.label_smoothing

    def unbent(self, log_q, rest):
        """Logarithms of the probabilities, outcomes along the first axis, before loss and smoothing bent them."""
        log_r = softmax(log_q - np.log(positive(_g(self.loss, log_q, rest))))[0]
        if not self.label_smoothing:
            return log_r
        log_share = math.log(self.label_smoothing / len(log_r))
        with np.errstate(over="ignore"):
            kept = np.maximum(1 - np.exp(log_share - log_r), LEAST_SHARE)
        return softmax(log_r + np.log(kept))[0]

    def unbent_sigmoids(self, logits):
        """Logits (L, m) of sigmoids, before loss and smoothing bent them."""
        (log_p, p), (log_rest, rest) = sigmoid(logits), sigmoid(-logits)
        log_for, log_against = self.unbent(np.stack([log_p, log_rest]), np.stack([rest, p]))
        return log_for - log_against


def positive(array):
    """``array`` with what has underflowed at the smallest positive float."""
    return np.maximum(array, np.finfo(array.dtype).tiny)


def _g(loss, log_q, rest):
    """g(q) as an array like ``log_q``; that of a loss of one's own may be a number."""
    return np.multiply(loss.g(log_q, rest), np.ones_like(log_q), dtype=log_q.dtype, casting="same_kind")


def check_recoverable(loss):
    """Raise unless q / g(q) increases, so that the probabilities under a loss can be told from its predictions."""
    log_q, _ = sigmoid(LOGITS_OF_CHECK)
    _, rest = sigmoid(-LOGITS_OF_CHECK)
    g = _g(loss, log_q, rest)
    if (g > 0).all():
        log_r = log_q - np.log(g)
        if (np.diff(log_r) > -ROUNDING_OF_CHECK).all() and log_r[-1] - log_r[0] > LEAST_RISE:
            return
    raise InvalidParameterError(
        f"posterior='recovered' needs a loss under which q / g(q) increases with q, which it does not for {loss!r}: "
        "different probabilities have the same prediction."
    )
