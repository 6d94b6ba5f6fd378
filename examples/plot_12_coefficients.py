"""
12. What coefficients mean, and how well they are known
=======================================================

A fit knows how well the data determine its coefficients: :mod:`skce.inference` makes
tables, tests and margins of it. Here for the course of diabetes in 442 people, slow,
middle or fast by the end of a year; :doc:`/guide/inference` reads the same data to the
end.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from skce import SoftmaxRegressor
from skce.display import CoefficientDisplay, InfluenceDisplay
from skce.inference import influence, margins, summary, wald_test

data = load_diabetes(as_frame=True, scaled=False)
X = data.data[["sex", "bmi", "bp", "s3", "s5"]].copy()
X.columns = ["sex is 2", "bmi", "bp", "hdl", "log tg"]
X["sex is 2"] -= 1
y = np.array(["a slow", "b middle", "c fast"])[np.digitize(data.target, [94, 178])]

# %%
# A table
# -------
# Without a penalty the fit is maximum likelihood, and the table is that of statsmodels'
# MNLogit: coefficients of each class against the slow course.

model = SoftmaxRegressor(C=np.inf).fit(X, y)
table = summary(model, X, y, reference="a slow")
print(table)
for name in X.columns:
    print(wald_test(table, name))

# %%
# Whiskers
# --------
# Coefficients of features in different units cannot be compared. Per standard deviation
# they can, and their intervals say which of them differ from 0, and which from each
# other.

Z = (X - X.mean()) / X.std()
standardised = summary(SoftmaxRegressor(C=np.inf).fit(Z, y), Z, y, reference="a slow")
CoefficientDisplay.from_summary(standardised)
plt.show()

# %%
# Probabilities
# -------------
# By how much do the probabilities change? The share of middle courses hardly does: what
# a higher body mass index takes from the slow ones it gives to the fast ones, passing
# the middle by.

print(margins(model, X, y, covariance=table))

# %%
# Who decides it
# --------------
# Each circle is a person, the larger the more the coefficients would change without
# them. Nobody stands out by far.

of_rows = influence(model, X, y)
InfluenceDisplay(of_rows).plot()
plt.show()
change = of_rows.coef_change(of_rows.largest(1))[0]
errors = summary(model, X, y).std_err
print(
    f"Without row {of_rows.largest(1)[0]} no coefficient changes by more than "
    f"{np.abs(change / errors).max():.2f} standard errors."
)
