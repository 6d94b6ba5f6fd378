"""One sigmoid a label, of L labels that do not exclude each other; class weights (2, L), for and against each."""

from dataclasses import dataclass

from skce._kernels.sigmoid import sigmoid
from skce._links.constants import certain_intercepts
from skce._links.sigmoids import log_odds_of_sigmoids, loss_of_sigmoids, targets_of_sigmoids
from skce._links.targets import smoothed


@dataclass(frozen=True)
class Multilabel:
    """L logits (L, m) of each row, each a problem by itself."""

    are_separate = True
    is_shift_invariant = False
    is_multilabel = True

    def targets(self, counts, class_weight, label_smoothing):
        """Targets (2, L, m) of labels that have ``counts`` (2, L); weights of labels leave S alone."""
        mass = smoothed(counts * class_weight, label_smoothing)
        return targets_of_sigmoids(self, class_weight, label_smoothing, mass, counts[:, 0].sum())

    def outcomes(self, weighted):
        """For and against each label: a weighted block (2, L, m) as it is."""
        return weighted

    def row_weight(self, targets, at):
        """Weight (m,) of some rows, over all labels that are optimised."""
        return targets.block(at).sum(axis=(0, 1))

    def log_odds(self, targets):
        """Logarithms (k,) of the mass for over that against each label."""
        return log_odds_of_sigmoids(targets)

    def row_loss(self, loss):
        """The loss of a row."""
        return loss_of_sigmoids(loss)

    def log_scores(self, logits):
        """Logarithms (L, m) of the sigmoids."""
        return sigmoid(logits)[0]

    def log_proba(self, logits):
        """Logarithms (L, m) of the sigmoids."""
        return self.log_scores(logits)

    def predicted(self, logits, classes):
        """An indicator (m, L) of the labels that are more probable than not."""
        return (logits > 0).astype(int).T

    def recovered(self, logits, recovery):
        """Logits (L, m) of the probabilities that the logits (L, m) stand for."""
        log_for, log_against = recovery.log_weight
        return recovery.unbent_sigmoids(logits) - (log_for - log_against)[:, None]

    def is_recovered_by_intercepts(self, recovery):
        """Whether that is a shift of the logits of each label."""
        return recovery.is_of_weights_alone

    def constant_intercepts(self, mass, eps, lowest_score):
        """Intercepts of labels that have one outcome; rows do not matter."""
        return certain_intercepts(mass, eps)
