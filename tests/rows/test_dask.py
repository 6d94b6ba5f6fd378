"""Dask: the same optimum as in memory, whatever the chunks; lazy predictions; clusters that lose their workers."""

import os
import signal
import subprocess
import sys
import threading
import warnings
from contextlib import nullcontext
from types import SimpleNamespace

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from distributed import Client, KilledWorker, LocalCluster, futures_of, wait
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.metrics import get_scorer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skce import OneVsAllClassifier, SoftmaxRegressor, with_prior
from skce._rows.dask import graphs
from skce._rows.dask.rows import DaskRows
from skce._solver.curvature import diagonal, exact, kronecker
from skce.metrics import neg_binary_log_loss_scorer, neg_log_loss_scorer
from tests.problems import TIGHT, overlapping

CONSISTENT = {"tol": 1e-13, "max_iter": 10_000}


@pytest.fixture(autouse=True)
def _threads():
    """Graphs run on threads of this process, but where a test asks for the cluster."""
    with dask.config.set(scheduler="threads"):
        yield


@pytest.fixture(scope="module")
def cluster():
    # Without work stealing, which moves parts that take a few milliseconds.
    with (
        dask.config.set({"distributed.scheduler.work-stealing": False}),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster,
    ):
        yield cluster


@pytest.fixture
def client(cluster, _threads):
    with Client(cluster) as client, dask.config.set(scheduler=None):
        yield client


@pytest.fixture
def problem(rng):
    return overlapping(rng, n_samples=60)


def on_dask(array, chunk):
    """A Dask array of an array in memory, in chunks of rows."""
    array = np.asarray(array)
    return da.from_array(array, chunks=(chunk, *array.shape[1:]))


def csr_on_dask(matrix, chunk):
    """A Dask array of CSR blocks."""
    return on_dask(matrix.toarray(), chunk).map_blocks(scipy.sparse.csr_array).persist()


def sparse_matrix(shape, density, rng):
    """A CSR matrix of normal numbers, of which most are zero."""
    return scipy.sparse.csr_array(rng.standard_normal(shape) * (rng.uniform(size=shape) < density))


def assert_same(lazy, plain, X, lazy_X):
    """The same F, and the same probabilities of X."""
    assert lazy.loss_ == pytest.approx(plain.loss_, abs=1e-9)
    np.testing.assert_allclose(lazy.predict_proba(lazy_X).compute(), plain.predict_proba(X), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(lazy.classes_, plain.classes_)


class TestTheSameOptimumAsInMemory:
    @pytest.mark.parametrize(("C", "chunk"), [(1.0, 1), (1.0, 7), (1.0, 150), (np.inf, 7), (np.inf, 150)])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_iris(self, weighted, C, chunk, rng):
        X, y = load_iris(return_X_y=True)
        options = CONSISTENT | {"C": C} | ({"class_weight": "balanced", "label_smoothing": 0.1} if weighted else {})
        weight = rng.uniform(size=len(y)) * (np.arange(len(y)) % 5 > 0) if weighted else None
        lazy_X = on_dask(X, chunk)
        has_minimum = np.inf > C or weighted

        def fitted(X, y, weight):
            # Without a penalty, or smoothing, petal length tells the first class from the others ever better.
            separation = pytest.warns(ConvergenceWarning, match="By column 2 rows of class 0")
            with nullcontext() if has_minimum else separation:
                return SoftmaxRegressor(**options).fit(X, y, weight)

        plain = fitted(X, y, weight)
        assert_same(fitted(lazy_X, on_dask(y, 40), None if weight is None else on_dask(weight, 11)), plain, X, lazy_X)

    @pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
    @pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
    def test_digits(self, loss, make_estimator):
        X, y = load_digits(return_X_y=True)
        plain = make_estimator(loss=loss, tol=1e-12).fit(X, y)
        lazy_X = on_dask(X, 500)
        assert_same(make_estimator(loss=loss, tol=1e-12).fit(lazy_X, on_dask(y, 500)), plain, X, lazy_X)

    @pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
    @pytest.mark.parametrize("kind", ["soft", "binary", "text"])
    def test_labels_of_every_kind(self, kind, make_estimator, problem, rng):
        X, y = problem
        y = {"soft": rng.dirichlet(np.ones(3), size=60), "binary": y % 2, "text": np.array(["b", "a", "c"])[y]}[kind]
        plain = make_estimator(**TIGHT).fit(X, y)
        lazy_X = on_dask(X, 13)
        lazy = make_estimator(**TIGHT).fit(lazy_X, on_dask(y, 20))
        assert_same(lazy, plain, X, lazy_X)
        assert lazy.score(lazy_X, on_dask(y, 20)) == pytest.approx(plain.score(X, y), rel=1e-12)
        np.testing.assert_array_equal(lazy.predict(lazy_X).compute(), plain.predict(X))

    @pytest.mark.parametrize("container", [np.asarray, scipy.sparse.csr_array])
    def test_multilabel(self, container, problem, rng):
        X, _ = problem
        tags = (rng.uniform(size=(60, 3)) < [0.3, 0.5, 0.1]).astype(int)
        plain = OneVsAllClassifier(class_weight="balanced", **TIGHT).fit(X, tags)
        lazy_X, lazy_tags = on_dask(X, 13), on_dask(tags, 20)
        for y in (lazy_tags.map_blocks(container) if container is not np.asarray else lazy_tags, container(tags)):
            lazy = OneVsAllClassifier(class_weight="balanced", **TIGHT).fit(lazy_X, y)
            assert lazy.multilabel_
            assert_same(lazy, plain, X, lazy_X)
        ours, theirs = (neg_binary_log_loss_scorer(plain, *data) for data in ((lazy_X, lazy_tags), (X, tags)))
        assert ours == pytest.approx(theirs, rel=1e-12)

    def test_columns_of_zeros_and_ones_are_classes_if_classes_says_so(self, problem):
        X, y = problem
        lazy = OneVsAllClassifier(classes=[0, 1, 2], **TIGHT).fit(on_dask(X, 13), on_dask(np.eye(3)[y], 20))
        assert not lazy.multilabel_
        assert_same(lazy, OneVsAllClassifier(**TIGHT).fit(X, y), X, on_dask(X, 13))

    @pytest.mark.parametrize("C", [10.0, 1e4])
    def test_sparse_blocks_of_more_columns_than_rows(self, C, rng):
        X = sparse_matrix((80, 300), 0.05, rng)
        y = np.arange(80) % 4
        plain = SoftmaxRegressor(C=C, **CONSISTENT).fit(X, y)
        lazy_X = csr_on_dask(X, 30)
        assert_same(SoftmaxRegressor(C=C, **CONSISTENT).fit(lazy_X, y), plain, X, lazy_X)

    def test_columns_far_from_zero_in_units_far_apart(self, problem):
        X, y = problem
        X = X * [1e3, 1, 1e-3] + [0, 1e6, 0]
        plain = SoftmaxRegressor(**CONSISTENT).fit(X, y)
        assert_same(SoftmaxRegressor(**CONSISTENT).fit(on_dask(X, 13), y), plain, X, on_dask(X, 13))

    def test_classes_that_parts_or_all_of_y_lack(self, problem):
        X, y = problem
        order = np.argsort(y, kind="stable")  # each part has one class, or two
        X, y = X[order], y[order]
        plain = SoftmaxRegressor(classes=[0, 1, 2, 7], **TIGHT).fit(X, y)
        lazy = SoftmaxRegressor(classes=[0, 1, 2, 7], **TIGHT).fit(on_dask(X, 13), on_dask(y, 5))
        assert_same(lazy, plain, X, on_dask(X, 13))
        assert lazy.predict_proba(on_dask(X, 13))[:, 3].max().compute() < np.finfo(float).eps

    @pytest.mark.parametrize("chunk", [5000, 20_000])
    def test_as_many_passes_over_the_same_drawn_rows(self, chunk, rng, monkeypatch):
        monkeypatch.setattr(exact, "ROWS_OF_EXACT", 3000)
        for module in (kronecker, diagonal):
            monkeypatch.setattr(module, "ROWS_OF_CLASSES", 3000)
        X, y = overlapping(rng, n_samples=20_000, n_features=5)
        plain = SoftmaxRegressor(class_weight="balanced").fit(X, y)
        lazy = SoftmaxRegressor(class_weight="balanced").fit(on_dask(X, chunk), y)
        assert plain.n_passes_ % 1  # rows were drawn
        assert lazy.n_passes_ == plain.n_passes_
        np.testing.assert_allclose(lazy.loss_curve_, plain.loss_curve_, rtol=1e-10)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64, int])
    def test_dtypes(self, dtype, problem):
        X, y = problem
        X = (8 * X).astype(dtype)
        plain, lazy = SoftmaxRegressor().fit(X, y), SoftmaxRegressor().fit(on_dask(X, 13), y)
        assert lazy.coef_.dtype == plain.coef_.dtype
        for method in ("predict_proba", "predict_log_proba", "decision_function", "predict"):
            of_lazy, of_plain = getattr(lazy, method)(on_dask(X, 13)), getattr(plain, method)(X)
            assert of_lazy.dtype == of_lazy.compute().dtype == of_plain.dtype
            assert of_lazy.shape == of_plain.shape

    def test_parts_of_two_dtypes_are_of_the_wider_one(self, problem):
        X, y = problem
        mixed = da.concatenate([on_dask(X[:30].astype(np.float32), 15), on_dask(X[30:], 15)])
        assert SoftmaxRegressor().fit(mixed.persist(), y).coef_.dtype == np.float64

    def test_a_warm_start_and_another_prior(self, problem):
        X, y = problem
        lazy = SoftmaxRegressor(warm_start=True).fit(on_dask(X, 13), y)
        assert lazy.fit(on_dask(X, 13), y).n_iter_[0] == 0
        moved, expected = with_prior(lazy, prior="balanced"), with_prior(SoftmaxRegressor().fit(X, y), prior="balanced")
        ours = moved.predict_proba(on_dask(X, 13)).compute()
        np.testing.assert_allclose(ours, expected.predict_proba(X), atol=1e-6)

    def test_what_is_lazy_beside_an_x_in_memory(self, problem):
        X, y = problem
        plain = SoftmaxRegressor().fit(X, y)
        mixed = SoftmaxRegressor().fit(X, on_dask(y, 7), on_dask(np.ones(60), 7))
        np.testing.assert_array_equal(mixed.coef_, plain.coef_)
        assert mixed.score(X, on_dask(y, 7)) == plain.score(X, y)
        assert neg_log_loss_scorer(mixed, X, on_dask(y, 7)) == neg_log_loss_scorer(plain, X, y)


class TestDataFrames:
    @pytest.fixture
    def frame(self, problem):
        X, y = problem
        frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(label=np.array(["x", "y", "z"])[y], weight=y + 1.0)
        frame = frame.assign(row=np.arange(60))
        return frame, dd.from_pandas(frame, npartitions=4).persist()

    @pytest.mark.parametrize("categorical", [False, True])
    @pytest.mark.parametrize("in_memory", [False, True])
    def test_columns_by_name(self, in_memory, categorical, frame):
        plain_frame, lazy_frame = frame
        if categorical:
            lazy_frame = lazy_frame.astype({"label": "category"}).persist()
        X, lazy_X = plain_frame[["a", "b", "c"]], lazy_frame[["a", "b", "c"]]
        others = plain_frame if in_memory else lazy_frame
        plain = SoftmaxRegressor(**TIGHT).fit(X, plain_frame["label"], plain_frame["weight"])
        lazy = SoftmaxRegressor(**TIGHT).fit(lazy_X, others["label"], others["weight"])
        assert_same(lazy, plain, X, lazy_X)
        assert lazy.feature_names_in_.tolist() == ["a", "b", "c"]
        assert lazy.n_features_in_ == 3
        assert isinstance(lazy.predict_proba(lazy_X), da.Array)
        ours, theirs = lazy.score(lazy_X, others["label"], others["weight"]), plain.score(*plain_args(plain_frame))
        assert ours == pytest.approx(theirs, rel=1e-12)
        with pytest.raises(ValueError, match="feature names"):
            lazy.predict(lazy_X.rename(columns={"a": "A"}))

    def test_soft_labels_whose_columns_name_the_classes(self, frame, problem, rng):
        X = problem[0]
        soft = pd.DataFrame(rng.dirichlet(np.ones(3), size=60), columns=["z", "x", "y"])
        lazy = SoftmaxRegressor(**TIGHT).fit(
            frame[1][["a", "b", "c"]].to_dask_array(), dd.from_pandas(soft, npartitions=4)
        )
        assert lazy.classes_.tolist() == ["x", "y", "z"]
        assert_same(lazy, SoftmaxRegressor(**TIGHT).fit(X, soft), X, on_dask(X, 13))

    def test_partitions_without_rows(self, frame):
        plain_frame, lazy_frame = frame
        lazy_frame = lazy_frame[lazy_frame["row"] >= 20]
        assert 0 in lazy_frame.map_partitions(len).compute().tolist()
        X, y, weight = plain_args(plain_frame[20:])
        lazy_X = lazy_frame[["a", "b", "c"]]
        lazy = SoftmaxRegressor(**TIGHT).fit(lazy_X, lazy_frame["label"], lazy_frame["weight"])
        assert_same(lazy, SoftmaxRegressor(**TIGHT).fit(X, y, weight), X, lazy_X)
        assert lazy.score(lazy_X, lazy_frame["label"]) == pytest.approx(lazy.score(X, y))

    def test_a_single_column_of_labels(self, frame):
        with pytest.warns(DataConversionWarning, match="column-vector"):
            SoftmaxRegressor().fit(frame[1][["a", "b", "c"]], frame[1][["label"]])


def plain_args(frame):
    """Features, labels and weights of a frame."""
    return frame[["a", "b", "c"]], frame["label"], frame["weight"]


class TestPredictionsAndScores:
    def test_predictions_are_lazy(self, problem):
        X, y = problem
        model = SoftmaxRegressor().fit(X, y)

        def unread(block):
            raise RuntimeError("read")

        lazy_X = on_dask(X, 13).map_blocks(unread, meta=X[:0])
        for method in ("predict_proba", "predict_log_proba", "decision_function", "predict"):
            predictions = getattr(model, method)(lazy_X)
            assert predictions.chunks[0] == lazy_X.chunks[0]
            with pytest.raises(RuntimeError, match="read"):
                predictions.compute()

    @pytest.mark.parametrize("posterior", ["model", "recovered"])
    def test_they_are_those_of_the_model_in_memory(self, posterior, problem):
        X, y = problem
        for labels in (y, y % 2):
            model = SoftmaxRegressor(loss="focal", posterior=posterior).fit(X, labels)
            for method in ("predict_proba", "predict_log_proba", "decision_function", "predict"):
                lazy, plain = getattr(model, method)(on_dask(X, 7)), getattr(model, method)(X)
                np.testing.assert_allclose(lazy.compute(), plain, rtol=1e-12, atol=1e-14)

    @pytest.mark.parametrize("in_memory", [False, True])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_scores_are_those_in_memory(self, weighted, in_memory, problem, rng):
        X, y = problem
        model = SoftmaxRegressor().fit(X, y)
        weight = rng.uniform(size=60) * (np.arange(60) >= 13) if weighted else None  # a part without weight
        soft = rng.dirichlet(np.ones(3), size=60)
        for labels in (y, soft, np.where(y == 2, 9, y)):  # a label that the model has not seen
            lazy_labels = labels if in_memory else on_dask(labels, 20)
            lazy_weight = weight if in_memory or weight is None else on_dask(weight, 20)
            for score in (neg_log_loss_scorer, type(model).score):
                ours = score(model, on_dask(X, 13), lazy_labels, sample_weight=lazy_weight)
                assert ours == pytest.approx(score(model, X, labels, sample_weight=weight), rel=1e-12)

    def test_scikit_learns_scorers_take_lazy_predictions(self, problem):
        X, y = problem
        model = SoftmaxRegressor().fit(X, y)
        for name in ("accuracy", "neg_log_loss"):
            ours = get_scorer(name)(model, on_dask(X, 13), on_dask(y, 13))
            assert ours == pytest.approx(get_scorer(name)(model, X, y))

    def test_the_scorer_takes_what_ends_in_a_classifier(self, problem):
        X, y = problem
        pipeline = make_pipeline(StandardScaler(), SoftmaxRegressor()).fit(X, y)
        ours = neg_log_loss_scorer(pipeline, on_dask(X, 13), on_dask(y, 13))
        assert ours == pytest.approx(neg_log_loss_scorer(pipeline, X, y), rel=1e-12)

    def test_a_model_that_is_not_fitted_or_to_other_columns(self, problem):
        X, y = problem
        with pytest.raises(NotFittedError):
            SoftmaxRegressor().predict(on_dask(X, 13))
        with pytest.raises(ValueError, match="2 features, but SoftmaxRegressor is expecting 3"):
            SoftmaxRegressor().fit(X, y).predict(on_dask(X[:, :2], 13))
        model = SoftmaxRegressor().fit(X, y)
        with pytest.raises(ValueError, match="all weights are zero"):
            model.score(on_dask(X, 13), y, np.zeros(60))
        lazy_y = on_dask(y, 13)
        with pytest.raises(ValueError, match=r"In part 2 .*X has 13 rows, but y has 12"):
            model.score(on_dask(X, 13), lazy_y[da.arange(60, chunks=13) != 30])
        with pytest.raises(ValueError, match="two dimensions"):
            model.score(on_dask(X, 13)[:, 0], y)
        with pytest.raises(ValueError, match=r"In part 4 .*NaN"):
            model.score(on_dask(np.where(np.arange(60)[:, None] == 55, np.nan, X), 13), y)


class TestErrorsNameTheRepair:
    @pytest.fixture
    def lazy(self, problem):
        X, y = problem
        return on_dask(X, 13), on_dask(y, 13)

    def check(self, message, X, y, weight=None, **options):
        """A fit raises, with this message, and leaves the estimator as it was."""
        model = SoftmaxRegressor(**options)
        with pytest.raises((TypeError, ValueError), match=message):
            model.fit(X, y, weight)
        assert vars(model) == vars(SoftmaxRegressor(**options))

    def test_columns_in_several_chunks(self, problem, lazy):
        self.check(r"X = X.rechunk\(\{0: \"auto\", 1: -1\}\)", da.from_array(problem[0], chunks=(13, 2)), lazy[1])
        with pytest.raises(ValueError, match="rechunk"):
            SoftmaxRegressor().fit(*problem).predict(da.from_array(problem[0], chunks=(13, 2)))

    def test_nan_in_one_far_part(self, problem, lazy):
        X = problem[0].copy()
        X[43, 1] = np.nan
        where = r"In part 3 .*X.blocks\[3\].*Input X contains NaN, first in row 4, column 1. .*da.isfinite.*dropna"
        self.check(where, on_dask(X, 13), lazy[1])
        X[43, 1] = np.inf
        sparse = on_dask(X * (np.abs(X) > 1), 13).map_blocks(scipy.sparse.csr_array).persist()
        self.check("part 3 .*infinity.*row 4, column 1", sparse, lazy[1])

    def test_chunks_of_unknown_size(self, problem, lazy):
        X, y = lazy
        kept = y >= 0
        unknown = X[kept].persist()
        # As long as parts go together nobody needs to know.
        SoftmaxRegressor().fit(unknown, y[kept])
        SoftmaxRegressor().fit(unknown, problem[1])
        self.check(r"5 parts, but y has 2.*y.compute_chunk_sizes\(\)", unknown, on_dask(problem[1], 30))
        self.check("In part 2 .*X has 13 rows, but y has 12", unknown, y[da.arange(60, chunks=13) != 30])
        weight = da.ones(60, chunks=13)[da.arange(60, chunks=13) != 30]
        self.check("In part 2 .*X has 13 rows, but sample_weight has 12", X, y, weight)

    def test_files_of_which_columns_are_persisted_apart(self, problem, tmp_path):
        X, y = problem
        frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(label=y, weight=1.0)
        for part in range(4):
            frame[part * 15 : part * 15 + 15].to_parquet(tmp_path / f"{part}.parquet")
        read = dd.read_parquet(tmp_path)
        names = ["a", "b", "c"]
        plain = SoftmaxRegressor().fit(frame[names], y)
        kept = read.persist()
        with pytest.warns(da.PerformanceWarning):
            lazy = SoftmaxRegressor().fit(read[names], read["label"], read["weight"])
        assert lazy.loss_ == pytest.approx(plain.loss_, rel=1e-9)
        lazy = SoftmaxRegressor().fit(kept[names], kept["label"], kept["weight"])
        assert lazy.loss_ == pytest.approx(plain.loss_, rel=1e-9)
        label = read["label"].persist()
        if label.npartitions != 4:  # Dask joins files of which little is read
            self.check("from one DataFrame that is persisted as a whole", kept[names], label)

    def test_lengths_that_differ(self, problem, lazy):
        X, y = lazy
        self.check("X has 60 rows, but y has 59", X, y[:-1])
        self.check("X has 60 rows, but y has 59", X, problem[1][:-1])
        self.check("X has 60 rows, but sample_weight has 61", X, y, np.ones(61))
        self.check("X has 60 rows, but sample_weight has 61", X, y, da.ones(61))

    def test_weights(self, problem, lazy):
        X, y = lazy
        self.check("Negative", X, y, -da.ones(60, chunks=20))
        self.check("NaN", X, y, np.nan * da.ones(60, chunks=20))
        for dtype in (float, "Float64"):  # beside zeros alone
            weight = pd.Series([np.nan, *[0.0] * 19, *[1.0] * 40], dtype=dtype)
            self.check(
                "In part 0 .*NaN", dd.from_pandas(pd.DataFrame(problem[0]), 3), y.rechunk(20), dd.from_pandas(weight, 3)
            )
        self.check("positive, finite sum", X, y, da.zeros(60, chunks=20))
        self.check("zero", X, y, np.zeros(60))
        self.check("finite sum: it overflows", X, y, 1e308 * da.ones(60, chunks=20))
        self.check("positive, finite sum, got inf", X, y, 1e307 * da.ones(60, chunks=13))

    def test_labels(self, problem, lazy):
        y = problem[1]
        self.check("y holds labels that are not in classes: .2.", *lazy, classes=[0, 1])
        self.check("Unknown label type: continuous", lazy[0], on_dask(y + 0.5, 13))
        self.check("In part 1 .*NaN", lazy[0], on_dask(np.where(np.arange(60) == 20, np.nan, y), 13))
        self.check("one class", lazy[0], da.zeros(60, chunks=13, dtype=int))
        self.check("In part 0 .*row 0 sums to 0.3", lazy[0], da.full((60, 3), 0.1, chunks=(13, 3)))
        self.check("Unknown label type: continuous", lazy[0], on_dask(y + 0.5, 13), classes=[0.5, 1.5, 2.5])
        objects = np.array([1, "a"] * 30, dtype=object)
        self.check("one type", lazy[0], on_dask(objects, 13))
        self.check("requires y to be passed", lazy[0], None)

    def test_many_classes_in_small_parts_do_not_warn(self, rng):
        X, y = overlapping(rng, n_samples=120, n_features=3, n_classes=25)
        SoftmaxRegressor().fit(on_dask(X, 30), on_dask(y.astype(str), 30))

    def test_what_is_no_matrix(self, lazy):
        X, y = lazy
        self.check("two dimensions, got 1: X.reshape", X[:, 0], y)
        self.check("got Delayed", dask.delayed(1), y)
        self.check("0 sample", X[X[:, 0] > 1e9].persist(), y[X[:, 0] > 1e9])
        self.check("could not convert string", da.from_array(np.full((60, 3), "a"), chunks=(13, 3)), y)
        known = X[0] < 1e9
        self.check(r"X has columns that Dask does not know: X.compute_chunk_sizes\(\)", X[:, known].persist(), y)
        self.check(r"y has columns that Dask does not know: y.compute_chunk_sizes\(\)", X, X[:, known].persist())
        self.check("y must have a number or a label for each row", X, 3)
        self.check("sample_weight must have a number or a label for each row", X, y, 2.0)
        self.check("y must be a Dask array or DataFrame, or in memory, got Delayed", X, dask.delayed(1))
        lying = X.map_blocks(lambda block: block[:, :2], meta=X._meta)
        self.check("In part 0 .*X has 2 columns, but the meta by which Dask knows it has 3", lying, y)

    @pytest.mark.slow
    def test_an_x_that_is_not_persisted_is_said_to_be_read_in_each_pass(self, lazy, client):
        X, y = lazy
        reads = []

        def read(part):
            reads.append(part)
            return X.blocks[part].compute()

        files = [
            da.from_delayed(dask.delayed(read)(part), (length, 3), float) for part, length in enumerate(X.chunks[0])
        ]
        with dask.config.set(scheduler="threads"):
            with pytest.warns(da.PerformanceWarning, match="10 to 60") as told:
                model = SoftmaxRegressor().fit(da.concatenate(files), y)
            assert len(told) == 1
            assert told[0].filename == __file__
            assert len(reads) >= int(model.n_passes_) * 5 >= 7 * 5
            with warnings.catch_warnings():
                warnings.simplefilter("error", da.PerformanceWarning)
                SoftmaxRegressor().fit(X, y)  # which is in memory here
        # From here it would be sent again and again to workers elsewhere.
        with pytest.warns(da.PerformanceWarning, match=r"X.persist\(\)"):
            SoftmaxRegressor(tol=1e-2).fit(X, y)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            SoftmaxRegressor().fit((2 * X.persist()), y)


@pytest.mark.slow
class TestOnACluster:
    @pytest.fixture
    def data(self, client, rng):
        X, y = overlapping(rng, n_samples=4000, n_features=6, n_classes=4)
        lazy_X, lazy_y = on_dask(X, 500).persist(), on_dask(y, 500).persist()
        wait([lazy_X, lazy_y])
        return X, y, lazy_X, lazy_y

    @pytest.mark.parametrize("make_estimator", [SoftmaxRegressor, OneVsAllClassifier])
    def test_the_same_optimum(self, make_estimator, data, rng):
        X, y, lazy_X, lazy_y = data
        weight = rng.uniform(size=len(y))
        plain = make_estimator(loss="focal", **CONSISTENT).fit(X, y, weight)
        lazy = make_estimator(loss="focal", **CONSISTENT).fit(lazy_X, lazy_y, weight)
        assert_same(lazy, plain, X, lazy_X)
        assert lazy.score(lazy_X, lazy_y) == pytest.approx(plain.score(X, y), rel=1e-12)
        assert neg_log_loss_scorer(lazy, lazy_X, y) == pytest.approx(neg_log_loss_scorer(plain, X, y), abs=1e-9)

    def test_sparse_blocks(self, client, rng):
        X = sparse_matrix((600, 2000), 0.01, rng)
        y = np.arange(600) % 3
        lazy_X = csr_on_dask(X, 200)
        lazy = SoftmaxRegressor(C=10.0, **CONSISTENT).fit(lazy_X, y)
        assert_same(lazy, SoftmaxRegressor(C=10.0, **CONSISTENT).fit(X, y), X, lazy_X)

    def test_parts_that_are_persisted_beside_some_that_are_not(self, data):
        X, y, lazy_X, lazy_y = data
        read = da.from_delayed(dask.delayed(np.copy)(X[2000:]), (2000, 6), float)
        mixed = da.concatenate([lazy_X[:2000], 1.0 * read.rechunk((500, 6))])
        with pytest.warns(da.PerformanceWarning):
            lazy = SoftmaxRegressor(**CONSISTENT).fit(mixed, lazy_y)
        assert_same(lazy, SoftmaxRegressor(**CONSISTENT).fit(X, y), X, lazy_X)

    def test_a_loss_of_ones_own_goes_with_its_functions(self, data):
        class Squared:
            is_convex = False

            def value(self, log_q, rest):
                return rest**2

            def g(self, log_q, rest):
                return 2 * rest * np.exp(log_q)

        X, y, lazy_X, lazy_y = data
        lazy, plain = (SoftmaxRegressor(loss=Squared(), tol=1e-10).fit(*args) for args in ((lazy_X, lazy_y), (X, y)))
        assert lazy.loss_ == pytest.approx(plain.loss_, rel=1e-9)

    def test_a_sum_moves_its_terms_and_nothing_of_the_size_of_the_rows(self, client, rng, monkeypatch):
        n_rows, n_features, n_classes, chunk = 200_000, 20, 5, 5000
        lazy_X = da.random.default_rng(0).standard_normal((n_rows, n_features), chunks=(chunk, n_features)).persist()
        y = rng.integers(0, n_classes, size=n_rows)
        wait(lazy_X)
        moved = []

        def bytes_moved():
            counted = client.run(lambda dask_worker: dask_worker.transfer_outgoing_bytes_total)
            return sum(counted.values())

        summed = DaskRows.summed

        def counted(rows, function, *args, **kwargs):
            before = bytes_moved()
            sums = summed(rows, function, *args, **kwargs)
            if function.__name__ == "loss_gradient":
                moved.append(bytes_moved() - before)
            return sums

        SoftmaxRegressor(tol=1e-10).fit(lazy_X, y)  # by which the scheduler learns how little a part takes
        monkeypatch.setattr(DaskRows, "summed", counted)
        SoftmaxRegressor(tol=1e-10).fit(lazy_X, y)
        term = (n_features + 1) * n_classes * 8
        envelope = 10_000  # what pickling a function and a message add
        assert len(moved) > 3
        assert np.median(moved) < 4 * (2 + np.log2(n_rows / chunk)) * term + envelope < n_rows

    @pytest.fixture
    def during_sum(self, monkeypatch):
        """A function that has another called, in a thread, while the sums of given numbers are under way."""

        def act_in(numbers, act):
            count = iter(range(1, 10**6))
            computed = graphs.computed

            def acting(*args):
                if next(count) in numbers:
                    threading.Timer(0.01, act).start()
                return computed(*args)

            monkeypatch.setattr(graphs, "computed", acting)

        return act_in

    def test_workers_that_are_killed_cost_time_only(self, data, client, during_sum):
        _, _, lazy_X, lazy_y = data
        undisturbed = SoftmaxRegressor(**CONSISTENT).fit(lazy_X, lazy_y)
        killed = []

        def kill_a_worker():
            pid = min(client.run(os.getpid, on_error="ignore").values())
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

        during_sum({4, 7, 10}, kill_a_worker)
        disturbed = SoftmaxRegressor(**CONSISTENT).fit(lazy_X, lazy_y)
        assert len(set(killed)) == 3
        np.testing.assert_allclose(disturbed.coef_, undisturbed.coef_, atol=1e-8)
        assert disturbed.n_passes_ == undisturbed.n_passes_

    @pytest.mark.parametrize("classes", [None, [0, 1, 2, 3, 7]])
    @pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
    def test_a_lost_client_is_an_error_that_leaves_the_last_iterate(self, loss, classes, cluster, rng, during_sum):
        X, y = overlapping(rng, n_samples=4000, n_features=6, n_classes=4)
        with dask.config.set(scheduler=None), Client(cluster) as client:
            lazy_X = on_dask(X, 500).persist()
            wait(lazy_X)
            model = SoftmaxRegressor(loss=loss, classes=classes, tol=1e-12)
            during_sum({7}, client.close)
            with pytest.raises(RuntimeError, match=r"on the Dask cluster are lost|client of this fit is clos") as error:
                model.fit(lazy_X, y)
        assert "with warm_start=True it goes on from there" in error.value.__notes__[0]
        assert model.n_passes_ > 1
        probabilities = model.predict_proba(X)
        np.testing.assert_allclose(probabilities[:, 4:], 0, atol=1e-30)
        assert neg_log_loss_scorer(model, X, y) > -np.log(4)

    def test_workers_that_die_over_a_part_are_an_error_that_says_what_to_do(self, data, monkeypatch):
        _, _, lazy_X, lazy_y = data

        def killed(*args, **kwargs):
            raise KilledWorker("a task", SimpleNamespace(address="tcp://nowhere"), 3)

        monkeypatch.setattr(dask, "compute", killed)
        with pytest.raises(RuntimeError, match=r"died again and again.*X.rechunk"):
            SoftmaxRegressor().fit(lazy_X, lazy_y)

    def test_data_of_a_client_that_is_closed(self, cluster, problem):
        X, y = problem
        with dask.config.set(scheduler=None), Client(cluster):
            lazy_X = on_dask(X, 13).persist()
            model = SoftmaxRegressor().fit(lazy_X, y)
        with dask.config.set(scheduler="threads"):
            for use in (model.fit, model.score):
                with pytest.raises(RuntimeError, match="persisted by a Dask client that is closed"):
                    use(lazy_X, y)

    def test_data_that_is_lost_before_the_fit_leaves_the_estimator_as_it_was(self, data, client):
        _, _, lazy_X, lazy_y = data
        client.cancel(futures_of(lazy_X))
        model = SoftmaxRegressor()
        with pytest.raises(RuntimeError, match="on the Dask cluster are lost"):
            model.fit(lazy_X, lazy_y)
        assert not hasattr(model, "classes_")

    def test_an_interrupt_leaves_the_last_iterate(self, data, monkeypatch):
        X, _, lazy_X, lazy_y = data
        counts = iter(range(100))
        computed = graphs.computed

        def interrupted(*args):
            if next(counts) == 8:
                raise KeyboardInterrupt
            return computed(*args)

        monkeypatch.setattr(graphs, "computed", interrupted)
        model = SoftmaxRegressor()
        with pytest.raises(KeyboardInterrupt):
            model.fit(lazy_X, lazy_y)
        assert model.predict(X).shape == (4000,)


def test_skce_does_not_import_dask_until_it_is_given_some():
    script = "import sys, skce, skce.metrics, skce.display; assert not {'dask', 'distributed'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_without_the_extra_the_error_says_so(monkeypatch, problem):
    monkeypatch.setitem(sys.modules, "skce._rows.dask.engine", None)
    with pytest.raises(ImportError, match=r'pip install "\.\[dask\]" in a clone'):
        SoftmaxRegressor().fit(on_dask(problem[0], 13), problem[1])
