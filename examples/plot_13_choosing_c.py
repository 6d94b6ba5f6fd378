"""
13. Choosing C
==============

How strong should the penalty be? A fit knows what it would predict of each of its
rows without that row, in closed form, and so how well each C does: no folds, no luck
of the split. :doc:`/guide/choosing-c` has the details. Here for 178 wines of three
cultivars, and thirteen measurements of each.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skce import SoftmaxRegressorCV
from skce.display import PathDisplay

X, y = load_wine(return_X_y=True, as_frame=True)

# %%
# Scores and their standard errors
# --------------------------------
# The best C is marked, and the strongest penalty whose score is within one standard
# error of it: ``rule="1se"`` takes that.

scaler = StandardScaler().set_output(transform="pandas")
model = make_pipeline(scaler, SoftmaxRegressorCV(Cs=30)).fit(X, y)
display = PathDisplay.from_estimator(model)
print(f"best C = {display.best_:.3g}")
print(f"within one standard error C = {display.within_one_error_:.3g}")
print(f"{model[-1].is_refitted_.sum()} of {len(y)} rows were refitted at the best C")

# %%
# Coefficients
# ------------
# As the penalty weakens they grow: the cultivars can be told apart. To the left their
# size over the classes, to the right those of the first cultivar.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
PathDisplay.from_estimator(model, quantity="coef", ax=left)
PathDisplay.from_estimator(model, quantity="coef", output=0, ax=right)

plt.show()
