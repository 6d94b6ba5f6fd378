"""One sigmoid a class, for and against it; every row has the same weight in all K problems."""

from dataclasses import dataclass

import numpy as np

from skce._kernels.sigmoid import sigmoid
from skce._kernels.softmax import softmax
from skce._links.constants import constant_intercepts
from skce._links.recovery import positive
from skce._links.sigmoids import log_odds_of_sigmoids, loss_of_sigmoids, targets_of_sigmoids
from skce._links.targets import smoothed, weight_of_labels


@dataclass(frozen=True)
class OneVsAll:
    """K logits (K, m) of each row, whose sigmoids are normalised to probabilities of classes."""

    are_separate = True
    is_shift_invariant = False
    is_multilabel = False

    def targets(self, counts, class_weight, label_smoothing):
        """Targets (2, K, m) of labels that have ``counts`` (K,), for classes with weight both for and against."""
        weight_for = counts * class_weight
        # Summed from both sides: what a subtraction leaves of the others next to a dominant class may round to 0.
        before, after = np.cumsum(weight_for), np.cumsum(weight_for[::-1])[::-1]
        weight_against = np.append(0.0, before[:-1]) + np.append(after[1:], 0.0)
        mass = smoothed(np.stack([weight_for, weight_against]), label_smoothing)
        return targets_of_sigmoids(self, class_weight, label_smoothing, mass, mass[:, 0].sum())

    def outcomes(self, weighted):
        """For and against each class (2, K, m), of a weighted block (K, m)."""
        return np.stack([weighted, np.maximum(weighted.sum(axis=0) - weighted, 0)])

    def row_weight(self, targets, at):
        """Weight (m,) of some rows."""
        return weight_of_labels(targets, at)

    def log_odds(self, targets):
        """Logarithms (k,) of the mass for over that against each class."""
        return log_odds_of_sigmoids(targets)

    def row_loss(self, loss):
        """The loss of a row."""
        return loss_of_sigmoids(loss)

    def log_scores(self, logits):
        """Logarithms (K, m) of the sigmoids."""
        return sigmoid(logits)[0]

    def log_proba(self, logits):
        """Logarithms (K, m) of the sigmoids, normalised over the classes."""
        return softmax(self.log_scores(logits).copy())[0]

    def predicted(self, logits, classes):
        """The class (m,) of the largest of the logits (K, m)."""
        return np.take(classes, logits.argmax(axis=0))

    def recovered(self, logits, recovery):
        """Logits (K, m), whose sigmoids sum to 1, of the probabilities that the logits (K, m) stand for."""
        log_share, _ = sigmoid(recovery.unbent_sigmoids(logits))
        log_eta, _, rest = softmax(log_share - recovery.log_weight[:, None])
        return log_eta - np.log(positive(rest))

    def is_recovered_by_intercepts(self, recovery):
        """Never: sigmoids of classes that exclude each other have to be normalised together."""
        return False

    def constant_intercepts(self, mass, eps, lowest_score):
        """Intercepts that keep classes without mass below eps on all rows; of all classes, if one has all mass."""
        return constant_intercepts(mass, eps, lowest_score)
