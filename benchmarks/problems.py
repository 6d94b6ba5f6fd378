"""Problems: data, a C and the objective that all contestants minimise.

    F(coef, intercept) = mean softmax cross-entropy + ||coef||^2 / (2 C n)

is that of scikit-learn's LogisticRegression: the intercept is not penalised, two classes are one logit, coef (1, d).
A group is a kind of problems, by name; a set may be in several.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import normalize

OF_SCIKIT_LEARN = {
    "iris": load_iris,
    "wine": load_wine,
    "breast_cancer": load_breast_cancer,
    "digits": load_digits,
}

# Word counts of news20 and what people make of them: whether they are weighted by rarity, of which groups, and whether
# words are hashed. Of all groups a peer takes minutes.
OF_NEWS20 = {
    "news20": (True, None, False),
    "news20-counts": (False, None, False),
    "news20-pair": (True, (7, 8), False),
    "news20-counts-pair": (False, (7, 8), False),
    "news20-four": (True, (0, 7, 11, 15), False),
    "news20-counts-four": (False, (0, 7, 11, 15), False),
    "news20-hashed": (True, None, True),
    "news20-counts-hashed": (False, None, True),
}
HASHED_COLUMNS = 2**18

# Of one_hot, many_classes and connection_logs in hard.py, in the folder of the data, the name ends with the argument.
GROUPS = {
    "two classes": [
        "spambase",
        "breast_cancer",
        *(f"one-hot-{seed}" for seed in range(10)),
        *(f"census-like-{seed}" for seed in range(3)),
        *(f"gaussian-{n}-{d}" for n in (1000, 100_000) for d in (5, 30, 120)),
    ],
    "small": ["iris", "wine", "breast_cancer", "vehicle", "ctg"],
    "dense, several classes": [
        *("iris", "wine", "digits", "vehicle", "wine_white", "pageblocks", "satimage", "letter", "pendigits"),
        *("shuttle", "drybean", "ctg", "isolet", "mfeat"),
    ],
    "many classes": ["many-classes-100", "many-classes-1000"],
    "wide and sparse": list(OF_NEWS20),
}

# The data's published reference, for a C.
PUBLISHED_OPTIMA = {("mnist", 1.0): 0.23211769521, ("news20", 10.0): 0.3551255044}


@dataclass(frozen=True)
class Problem:
    """X (n, d), dense or CSR, its labels y (n,) of 0 ... K - 1, C, and the minimum of F if that has been published."""

    name: str
    X: np.ndarray
    y: np.ndarray
    C: float
    published_optimum: float | None = None

    def __str__(self):
        return f"{self.name}, C={self.C:g}"

    @property
    def is_sparse(self):
        """Whether X is a CSR matrix."""
        return scipy.sparse.issparse(self.X)

    @property
    def shape(self):
        """The n, d and K of the data."""
        return *self.X.shape, int(self.y.max()) + 1

    @property
    def n_params(self):
        """Number of coefficients and intercepts."""
        _, d, n_classes = self.shape
        return (d + 1) * (1 if n_classes == 2 else n_classes)

    def objective(self, coef, intercept):
        """F of coef (k, d) and intercept (k,), in float64."""
        coef, intercept = np.asarray(coef, dtype=float), np.asarray(intercept, dtype=float)
        n = len(self.y)
        logits = self.X @ coef.T + intercept
        if len(coef) == 1:
            logits = np.column_stack([np.zeros(n), logits])
        logits -= logits.max(axis=1, keepdims=True)
        losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(n), self.y]
        return float(losses.mean() + np.vdot(coef, coef) / (2 * self.C * n))


def data_module(folder):
    """The module load.py in the folder of the data, with hard.py as its ``hard``.

    They have TABLES, table(name), mnist(), news20_counts() and reference(); one_hot(seed) and many_classes(K).
    """
    load, load.hard = (module_of(Path(folder) / f"{name}.py") for name in ("load", "hard"))
    return load


def module_of(path):
    """The module of a file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def set_names(load):
    """Names of the data sets that are asked for by default, given the data's module or None."""
    return [*OF_SCIKIT_LEARN, *(load.TABLES if load else [])]


def problems_of_set(name, Cs, load):
    """The Problems of a data set, one for each C, given the data's module or None."""
    if name in OF_SCIKIT_LEARN:
        X, y = OF_SCIKIT_LEARN[name](return_X_y=True)
    elif name.startswith("gaussian-"):
        n, d = map(int, name.split("-")[1:])
        X, y = synthetic_data(n, d, 2, scores=2.0)
    elif name.startswith("census-like-"):
        X, y = census_like_data(int(name.split("-")[-1]))
    elif load is None:
        raise SystemExit(f"The set {name!r} needs --data; without it there are {', '.join(OF_SCIKIT_LEARN)}.")
    elif name == "mnist":
        images, y, *_ = load.mnist()
        X, y = images / 255, y.astype(int)
    elif name in OF_NEWS20:
        X, y = words_of_news20(load, *OF_NEWS20[name])
    elif name.startswith(("one-hot-", "many-classes-", "connection-logs-")):
        kind, _, number = name.rpartition("-")
        X, y = getattr(load.hard, kind.replace("-", "_"))(int(number))
    else:
        X, y = load.table(name)
    published = load.reference().get(name, {"objective": {}})["objective"] if load else {}
    return [Problem(name, X, y, C, published.get(str(C), PUBLISHED_OPTIMA.get((name, C)))) for C in Cs]


def words_of_news20(load, is_tfidf, groups, is_hashed):
    """Word counts (n, d) of the training part or their tf-idf, of some groups or all, and the labels from 0."""
    X, y = load.news20_counts()
    if is_hashed:
        X = hashed_columns(X)
    if is_tfidf:
        X = normalize(X) if is_hashed else TfidfTransformer().fit_transform(X)
    if groups is not None:
        chosen = np.isin(y, groups)
        X, y = X[chosen], np.searchsorted(groups, y[chosen])
    X = scipy.sparse.csr_array(X)
    X.sort_indices()
    return X, y


def hashed_columns(X):
    """Columns of X added to HASHED_COLUMNS others with random signs, as HashingVectorizer does with words."""
    rng = np.random.default_rng(0)
    signs, places = rng.choice([-1.0, 1.0], X.shape[1]), rng.integers(HASHED_COLUMNS, size=X.shape[1])
    return X @ scipy.sparse.csr_array((signs, (np.arange(X.shape[1]), places)), shape=(X.shape[1], HASHED_COLUMNS))


def synthetic_problems(spec, Cs):
    """The Problems of a ``spec`` such as "n=10000,d=32,K=4,spread=1e3,density=0.1", one for each C."""
    sizes = dict(entry.split("=") for entry in spec.split(","))
    n, d, n_classes = (int(sizes.pop(name)) for name in ("n", "d", "K"))
    X, y = synthetic_data(n, d, n_classes, **{name: float(number) for name, number in sizes.items()})
    return [Problem(spec, X, y, C) for C in Cs]


def census_like_data(seed, n=30_000):
    """Numbers as of a census, two mostly zero and with heavy tails, and indicators of eight factors; two classes."""
    rng = np.random.default_rng(seed)
    age, weight, education = rng.integers(17, 90, n), np.exp(12 + 0.5 * rng.standard_normal(n)), rng.integers(1, 17, n)
    gain = np.where(rng.random(n) < 0.08, np.exp(8 + 1.2 * rng.standard_normal(n)), 0)
    loss = np.where(rng.random(n) < 0.05, 1900 + 300 * rng.standard_normal(n), 0)
    hours = np.clip(40 + 12 * rng.standard_normal(n), 1, 99)
    columns = [np.column_stack([age, weight, education, gain, loss, hours])]
    score = 0.04 * (age - 40) + 0.3 * (education - 9) + 2e-4 * np.minimum(gain, 2e4) + 0.03 * (hours - 40)
    for n_levels in (9, 16, 7, 15, 6, 5, 2, 42):
        codes = rng.choice(n_levels, n, p=rng.dirichlet(np.ones(n_levels)))
        columns.append(np.eye(n_levels)[codes])
        score = score + rng.normal(0, 0.7, n_levels)[codes]
    return np.hstack(columns), (score + rng.logistic(size=n) > 1.5).astype(int)


def synthetic_data(n, d, n_classes, spread=1.0, density=1.0, scores=1.0):
    """Gaussian X, of whose numbers a share ``density`` is not zero, and labels drawn from a softmax of linear scores.

    The largest scale of a column is ``spread`` times the smallest. The scores, whose standard deviation is ``scores``,
    are of X before it is scaled.
    """
    rng = np.random.default_rng(0)
    if density < 1:
        X = scipy.sparse.random_array((n, d), density=density, rng=rng, data_sampler=rng.standard_normal).tocsr()
        X.sort_indices()
    else:
        X = rng.standard_normal((n, d))
    y = drawn_labels(X, scores * drawn_weights(d, n_classes, rng), rng)
    scales = np.geomspace(spread**-0.5, spread**0.5, d)
    return (X.multiply(scales).tocsr() if density < 1 else X * scales), y


def drawn_weights(d, n_classes, rng):
    """Weights (d, K) whose scores have a variance of 1 for Gaussian features."""
    return rng.standard_normal((d, n_classes)) / np.sqrt(d)


def drawn_labels(X, weights, rng):
    """Labels (n,), each drawn from the softmax of a row of X @ weights."""
    scores = X @ weights
    return (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
