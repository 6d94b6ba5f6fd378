"""What a fit knows of its coefficients: errors, tables, tests, margins, influence, separation.

All of it is taken at the optimum itself, by the true second derivatives of the loss, from a fitted model and the X, y
and weights of its fit, of which no copy and no array of scores of all rows is made.
"""

from skce.inference.covariance import Covariance, covariance
from skce.inference.hypotheses import ChiSquaredTest, likelihood_ratio_test, wald_test
from skce.inference.influence import Influence, influence
from skce.inference.leave_one_out import LeaveOneOut, leave_one_out
from skce.inference.margins import Margins, margins
from skce.inference.probabilities import ProbabilityIntervals, probability_intervals
from skce.inference.separation import Separation, separation
from skce.inference.summary import Summary, summary

__all__ = [
    "ChiSquaredTest",
    "Covariance",
    "Influence",
    "LeaveOneOut",
    "Margins",
    "ProbabilityIntervals",
    "Separation",
    "Summary",
    "covariance",
    "influence",
    "leave_one_out",
    "likelihood_ratio_test",
    "margins",
    "probability_intervals",
    "separation",
    "summary",
    "wald_test",
]
