"""Converted models, run by onnxruntime, give the labels of predict and the probabilities of predict_proba."""

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skce import (
    OneVsAllClassifier,
    OneVsAllClassifierCV,
    SoftmaxRegressor,
    SoftmaxRegressorCV,
    with_prior,
)
from skce.losses import CrossEntropy, FocalLoss, GeneralizedCrossEntropy, Poly1Loss

onnxruntime = pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx")

# Converters that skl2onnx makes scikit-learn's own of use names that numpy has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

LOSSES = [CrossEntropy(), FocalLoss(2.0), FocalLoss(0.5), Poly1Loss(0.5), GeneralizedCrossEntropy(0.3)]


@pytest.fixture(autouse=True)
def _registered():
    import skce.onnx  # noqa: F401


def session_of(model, X, **options):
    """The converted model, with its probabilities as a matrix unless the options say otherwise."""
    converted = skl2onnx.to_onnx(model, X[:1], options={"zipmap": False, **options})
    return onnxruntime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])


def assert_same(model, X):
    labels, probabilities = session_of(model, X).run(None, {"X": X})
    assert probabilities.dtype == X.dtype
    np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(labels), model.predict(X))


def labels_of(kind, rng, n_rows):
    """Labels of a kind, each with some of the rows."""
    codes = rng.permutation(np.arange(n_rows) % 3)
    return {
        "two": codes % 2,
        "floats": codes % 2.0,
        "integers": np.array([-5, 7, 2**40])[codes],
        "strings": np.array(["ham", "eggs", "spam"])[codes],
        "soft": rng.dirichlet([0.5, 0.5, 0.5], size=n_rows),
        "tags": (rng.random((n_rows, 3)) < 0.4).astype(int),
    }[kind]


# 60: each estimator with each loss, on labels of each kind, and with smoothing or without.
MODELS = [
    (make, loss, kind, 0.1 * ((number + number // 6) % 2))
    for number, (make, loss, kind) in enumerate(
        itertools.product(
            [SoftmaxRegressor, OneVsAllClassifier], LOSSES, ["two", "integers", "strings", "soft", "tags", "floats"]
        )
    )
]


@pytest.mark.parametrize(("make", "loss", "kind", "smoothing"), MODELS)
@pytest.mark.parametrize("posterior", ["model", "recovered"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_converted_model_predicts_what_it_did(make, loss, kind, smoothing, posterior, rng):
    if kind == "tags" and make is SoftmaxRegressor:
        kind = "integers"
    X = rng.normal(size=(90, 4)) * [1, 10, 0.1, 3] + [0, 5, 0, -2]
    y = labels_of(kind, rng, len(X))
    weights = None if kind == "soft" else "balanced"
    for dtype in (np.float64, np.float32):
        model = make(loss=loss, label_smoothing=smoothing, class_weight=weights, posterior=posterior, C=10.0)
        assert_same(model.fit(X.astype(dtype), y), X.astype(dtype))


def test_there_are_sixty_models():
    assert len(MODELS) == 60


@pytest.mark.parametrize("make", [SoftmaxRegressorCV, OneVsAllClassifierCV])
def test_models_that_choose_c(make, rng):
    X = rng.normal(size=(90, 4))
    assert_same(make(Cs=[0.1, 1.0]).fit(X, labels_of("strings", rng, 90)), X)


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
@pytest.mark.parametrize("make", [SoftmaxRegressor, OneVsAllClassifier])
def test_another_prior(make, loss, rng):
    X = rng.normal(size=(90, 4))
    model = make(loss=loss).fit(X, labels_of("integers", rng, 90))
    assert_same(with_prior(model, prior=[0.7, 0.2, 0.1]), X)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_class_without_samples_and_logits_that_saturate(rng):
    X = np.concatenate([rng.normal(size=(90, 2)), rng.normal(size=(4, 2)) * 1e4])
    y = np.where(X[:, 0] > 0, "b", "a")
    y[:9] = "c"
    for loss in [*LOSSES, FocalLoss(0.0)]:
        for make in (SoftmaxRegressor, OneVsAllClassifier):
            model = make(classes=["a", "b", "c", "d"], loss=loss, posterior="recovered", max_iter=30)
            assert_same(model.fit(X[:90], y[:90]), X)


@pytest.mark.parametrize("make", [SoftmaxRegressor, OneVsAllClassifier])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_below_those_that_smoothing_gives(make, n_classes, rng):
    X = rng.normal(size=(90, 2))
    y = rng.integers(0, n_classes, size=90)
    model = make(label_smoothing=0.4).fit(X, y).set_params(posterior="recovered")
    far = X * np.logspace(0, 3, 90)[:, None]
    share = 0.4 / (n_classes if make is SoftmaxRegressor else 2)
    assert (model.set_params(posterior="model").predict_proba(far) < share).any()
    assert_same(model.set_params(posterior="recovered"), far)


def test_far_columns_as_float64(rng):
    X = rng.normal([1e7, 2e6], size=(200, 2))
    y = (X[:, 0] > 1e7).astype(int)
    assert_same(SoftmaxRegressor(C=10.0).fit(X, y), X)


def test_pipelines(rng):
    X = rng.normal(size=(90, 4)) * 10 + 3
    y = labels_of("strings", rng, 90)
    for dtype in (np.float64, np.float32):
        given = X.astype(dtype)
        assert_same(make_pipeline(StandardScaler(), SoftmaxRegressor(class_weight="balanced")).fit(given, y), given)
    search = GridSearchCV(make_pipeline(StandardScaler(), SoftmaxRegressor()), {"softmaxregressor__C": [0.1, 1]}, cv=2)
    converted = skl2onnx.to_onnx(search.fit(X, y), X[:1], options={SoftmaxRegressor: {"zipmap": False}})
    session = onnxruntime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"X": X})[1], search.predict_proba(X), rtol=0, atol=1e-5)


def test_a_frame_through_a_column_transformer(rng):
    frame = pd.DataFrame({"age": rng.normal(40, 10, 90), "town": np.array(["here", "there"])[np.arange(90) % 2]})
    y = labels_of("integers", rng, 90)
    columns = make_column_transformer((StandardScaler(), ["age"]), (OneHotEncoder(sparse_output=False), ["town"]))
    model = make_pipeline(columns, OneVsAllClassifier(loss="focal", posterior="recovered")).fit(frame, y)
    types = [
        ("age", skl2onnx.common.data_types.DoubleTensorType([None, 1])),
        ("town", skl2onnx.common.data_types.StringTensorType([None, 1])),
    ]
    converted = skl2onnx.convert_sklearn(model, initial_types=types, options={OneVsAllClassifier: {"zipmap": False}})
    session = onnxruntime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    given = {name: frame[[name]].to_numpy(float if name == "age" else object) for name in frame}
    np.testing.assert_allclose(session.run(None, given)[1], model.predict_proba(frame), rtol=0, atol=1e-5)


def test_whole_numbers_as_features(rng):
    X = rng.integers(0, 9, size=(90, 3))
    model = SoftmaxRegressor().fit(X, labels_of("integers", rng, 90))
    _, probabilities = session_of(model, X).run(None, {"X": X})
    np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=0, atol=1e-5)


class TestOptions:
    @pytest.fixture
    def X(self, rng):
        return rng.normal(size=(90, 4))

    @pytest.fixture
    def model(self, X, rng):
        return SoftmaxRegressor().fit(X, labels_of("strings", rng, 90))

    def test_zipmap(self, model, X):
        given = X.astype(np.float32)  # ZipMap takes no float64
        maps = session_of(model, given, zipmap=True).run(None, {"X": given})[1]
        assert maps[0] == pytest.approx(
            dict(zip(model.classes_, model.predict_proba(given[:1])[0], strict=True)), abs=1e-5
        )
        columns = session_of(model, X, zipmap="columns").run(None, {"X": X})[1:]
        np.testing.assert_allclose(np.transpose(columns), model.predict_proba(X))

    def test_nocl_and_output_class_labels(self, model, X):
        places = session_of(model, X, nocl=True).run(None, {"X": X})[0]
        np.testing.assert_array_equal(model.classes_[places], model.predict(X))
        assert session_of(model, X, output_class_labels=True).run(None, {"X": X})[2].tolist() == list(model.classes_)

    @pytest.mark.parametrize("make", [SoftmaxRegressor, OneVsAllClassifier])
    @pytest.mark.parametrize("posterior", ["model", "recovered"])
    def test_raw_scores(self, make, posterior, X, rng):
        model = make(posterior=posterior, class_weight="balanced", loss="focal")
        model.fit(X, labels_of("strings", rng, 90))
        raw = session_of(model, X, raw_scores=True).run(None, {"X": X})[1]
        shift = (raw - model.decision_function(X)).mean(axis=1, keepdims=True) if make is SoftmaxRegressor else 0
        np.testing.assert_allclose(raw - shift, model.decision_function(X), atol=1e-5)
        binary = model.fit(X, labels_of("two", rng, 90))
        raw = session_of(binary, X, raw_scores=True).run(None, {"X": X})[1]
        np.testing.assert_allclose(raw, binary.decision_function(X)[:, None] * [-1, 1], atol=1e-5)

    def test_labels_that_onnx_has_not(self, X, rng):
        days = np.array(["2026-01-01", "2026-01-02"], dtype="datetime64[D]")[labels_of("two", rng, 90)]
        model = SoftmaxRegressor().fit(X, days)
        with pytest.raises(ValueError, match="nocl"):
            session_of(model, X)
        places = session_of(model, X, nocl=True).run(None, {"X": X})[0]
        np.testing.assert_array_equal(model.classes_[places], model.predict(X))

    def test_names_of_labels_and_zipmap(self, X, rng):
        tags = pd.DataFrame(labels_of("tags", rng, 90), columns=["red", "green", "blue"])
        model = OneVsAllClassifier().fit(X, tags)
        assert_same(model, X)
        with pytest.raises(ValueError, match="'zipmap': False"):
            session_of(model, X, zipmap=True)

    def test_a_loss_of_ones_own(self, X, rng):
        class Halved(CrossEntropy):
            def value(self, log_q, rest):
                return -0.5 * log_q

            def g(self, log_q, rest):
                return np.full_like(log_q, 0.5)

        model = SoftmaxRegressor(loss=Halved()).fit(X, labels_of("integers", rng, 90))
        assert_same(model, X)
        with pytest.raises(ValueError, match="posterior='model'"):
            session_of(model.set_params(posterior="recovered"), X)
