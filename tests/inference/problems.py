"""Data and fits of statsmodels that tests of inference compare with."""

import numpy as np
import statsmodels.api as sm

SETS = ("spector", "anes96", "fair")


def statsmodels_set(name):
    """X (n, d), a DataFrame, and labels (n,) of a data set that comes with statsmodels; of affairs three classes."""
    data = getattr(sm.datasets, name).load_pandas()
    y = np.asarray(data.endog)
    return data.exog, (np.minimum(np.ceil(y), 2) if name == "fair" else y).astype(int)


def statsmodels_fit(X, y, **options):
    """Logit or MNLogit with a constant, to all digits."""
    model = sm.Logit if len(np.unique(y)) == 2 else sm.MNLogit
    return model(y, sm.add_constant(X)).fit(method="newton", tol=1e-14, maxiter=100, disp=0, **options)
