"""Models as ONNX: importing this module lets skl2onnx convert the estimators of skce, alone and in pipelines.

It needs the extra ``onnx`` (skl2onnx), and is all there is to do: ``skl2onnx.to_onnx`` and ``convert_sklearn`` then
take SoftmaxRegressor, OneVsAllClassifier and those of them that choose C, of two classes, of more, and of several
labels. The converted model gives the labels of ``predict`` and the probabilities of ``predict_proba``, of the posterior
that the model speaks of when it is converted, and of the prior that ``with_prior`` has given it.

What is computed is computed in float64, whatever goes in, and comes out as float64 for a ``DoubleTensorType`` and
float32 otherwise. Features that are far from zero next to how they vary (years, identifiers, coordinates) lose what
matters when they are rounded to float32, before the model sees them: give such models float64, as
``to_onnx(model, X)`` does for an X of float64.

Options are those of scikit-learn's own classifiers: ``zipmap`` (True, False or "columns"; True, the default of
skl2onnx, needs features of float32, as ONNX's ZipMap takes no float64), ``nocl`` (numbers of the classes in place of
the classes), ``output_class_labels``, and ``raw_scores`` (``decision_function`` in place of probabilities: of two
classes both signs of it, of a recovered softmax but for a constant of each row). Classes are integers or strings, as
ONNX has no other labels; give others ``nocl=True``.

Raises
------
ImportError
    When it is imported without skl2onnx.
ValueError
    From skl2onnx, when a model is converted whose labels ONNX does not have, or whose ``posterior="recovered"`` undoes
    a loss of your own, of which there is no formula in ONNX: set ``posterior="model"``.

Examples
--------
>>> import numpy as np
>>> from onnxruntime import InferenceSession
>>> from skl2onnx import to_onnx
>>> from sklearn.datasets import load_iris
>>> import skce.onnx
>>> X, y = load_iris(return_X_y=True)
>>> model = skce.SoftmaxRegressor(loss="focal", posterior="recovered").fit(X, y)
>>> onnx_model = to_onnx(model, X[:1], options={"zipmap": False})
>>> session = InferenceSession(onnx_model.SerializeToString())
>>> labels, probabilities = session.run(None, {"X": X})
>>> bool(np.abs(probabilities - model.predict_proba(X)).max() < 1e-5)
True
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from skl2onnx import update_registered_converter
from skl2onnx.algebra import onnx_ops
from skl2onnx.common.data_types import Int64TensorType, guess_proto_type
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from skl2onnx.common.utils_classifier import get_label_classes
from skl2onnx.proto import onnx_proto

from skce._links.binary import Binary
from skce._links.one_vs_all import OneVsAll
from skce._links.recovery import LEAST_SHARE, check_recoverable
from skce.estimators import OneVsAllClassifier, OneVsAllClassifierCV, SoftmaxRegressor, SoftmaxRegressorCV, to_numpy
from skce.losses import CrossEntropy, FocalLoss, GeneralizedCrossEntropy, Poly1Loss

__all__: list[str] = []

INT64, FLOAT64, STRING = (getattr(onnx_proto.TensorProto, name) for name in ("INT64", "DOUBLE", "STRING"))
TINY = np.finfo(float).tiny


class Operators:
    """The operators of a version of ONNX, by their names; numbers among their arguments become tensors of float64."""

    def __init__(self, version: int) -> None:
        self.version = version

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._applied, getattr(onnx_ops, f"Onnx{name}"))

    def _applied(self, operator, *arguments, **attributes):
        tensors = (np.array([value]) if isinstance(value, float) else value for value in arguments)
        return operator(*tensors, op_version=self.version, **attributes)

    def log_sigmoid(self, logits: Any) -> Any:
        """Logarithms of the sigmoids of ``logits``, without overflow."""
        decay = self.Exp(self.Neg(self.Abs(logits)))
        return self.Sub(self.Min(logits, 0.0), self.Log(self.Add(decay, 1.0)))

    def rest(self, q: Any) -> Any:
        """One minus q, at least 0."""
        return self.Max(self.Sub(1.0, q), 0.0)

    def log_odds(self, log_q: Any) -> Any:
        """Logarithms of q over the rest, for the logarithms of q."""
        return self.Sub(log_q, self.Log(self.Max(self.rest(self.Exp(log_q)), TINY)))


def _g_of_focal(on, loss, log_q, rest):
    # Where rest is 0, so is its power, and the quotient only has to be finite.
    ratio = on.Div(log_q, on.Max(rest, TINY))
    factor = on.Sub(1.0, on.Mul(on.Mul(on.Exp(log_q), ratio), float(loss.gamma)))
    return on.Mul(on.Pow(rest, float(loss.gamma)), factor)


# g(q) of the losses: the formulas of skce.losses.
G: dict[type, Callable[..., Any]] = {
    CrossEntropy: lambda on, loss, log_q, rest: on.Exp(on.Mul(log_q, 0.0)),
    FocalLoss: _g_of_focal,
    Poly1Loss: lambda on, loss, log_q, rest: on.Add(on.Mul(on.Exp(log_q), float(loss.epsilon)), 1.0),
    GeneralizedCrossEntropy: lambda on, loss, log_q, rest: on.Exp(on.Mul(log_q, float(loss.r))),
}


def _without_loss(on, recovery, log_q, rest):
    """Logarithms of q / g(q), not normalised."""
    g = G[type(recovery.loss)](on, recovery.loss, log_q, rest)
    return on.Sub(log_q, on.Log(on.Max(g, TINY)))


def _without_smoothing(on, recovery, log_r, n_outcomes):
    """Logarithms of probabilities, not normalised, of which smoothing is undone."""
    log_share = math.log(recovery.label_smoothing / n_outcomes)
    kept = on.Max(on.Sub(1.0, on.Exp(on.Sub(log_share, log_r))), LEAST_SHARE)
    return on.Add(log_r, on.Log(kept))


def _unbent(on, recovery, logits, n_classes):
    """What ``Recovery.unbent`` returns for the logits of a softmax, but for a constant of each row."""
    log_q = on.LogSoftmax(logits, axis=1)
    log_r = on.LogSoftmax(_without_loss(on, recovery, log_q, on.rest(on.Exp(log_q))), axis=1)
    return _without_smoothing(on, recovery, log_r, n_classes) if recovery.label_smoothing else log_r


def _unbent_sigmoids(on, recovery, logits):
    """What ``Recovery.unbent_sigmoids`` returns."""
    sides = (logits, on.Neg(logits))
    p, rest = (on.Sigmoid(side) for side in sides)
    log_p, log_rest = (on.log_sigmoid(side) for side in sides)
    unbent = on.Sub(_without_loss(on, recovery, log_p, rest), _without_loss(on, recovery, log_rest, p))
    if not recovery.label_smoothing:
        return unbent
    log_r = (on.log_sigmoid(unbent), on.log_sigmoid(on.Neg(unbent)))
    return on.Sub(*(_without_smoothing(on, recovery, side, 2) for side in log_r))


def _recovered(on, model, logits):
    """Logits that ``decision_function`` returns for ``logits``; of a softmax but for a constant of each row."""
    if model.posterior != "recovered":
        return logits
    recovery, link = model._recovery, model._fitted_link
    check_recoverable(recovery.loss)
    if type(recovery.loss) not in G:
        raise ValueError(
            f"posterior='recovered' of a model with the loss {recovery.loss!r} cannot be converted: there is no "
            "formula of its g in ONNX. Convert it with posterior='model'."
        )
    if isinstance(link, OneVsAll):
        log_share = on.log_sigmoid(_unbent_sigmoids(on, recovery, logits))
        return on.log_odds(on.LogSoftmax(on.Sub(log_share, recovery.log_weight), axis=1))
    if link.is_shift_invariant:
        return on.Sub(_unbent(on, recovery, logits, len(model.classes_)), recovery.log_weight)
    log_for, log_against = recovery.log_weight if link.is_multilabel else recovery.log_weight[::-1]
    return on.Sub(_unbent_sigmoids(on, recovery, logits), np.atleast_1d(log_for - log_against))


def _probabilities(on, link, logits):
    """Probabilities of the classes, or labels, for logits."""
    if isinstance(link, Binary):
        return on.Concat(on.Sigmoid(on.Neg(logits)), on.Sigmoid(logits), axis=1)
    if link.is_multilabel:
        return on.Sigmoid(logits)
    return on.Softmax(logits if link.is_shift_invariant else on.log_sigmoid(logits), axis=1)


def _places(on, link, logits):
    """Places of the classes that are predicted, (n,); of labels zeros and ones (n, n_labels)."""
    if link.is_multilabel:
        return on.Cast(on.Greater(logits, 0.0), to=INT64)
    if isinstance(link, Binary):
        return on.Reshape(on.Cast(on.Greater(logits, 0.0), to=INT64), np.array([-1]))
    return on.ArgMax(logits, axis=1, keepdims=0)


def convert(scope: Any, operator: Any, container: Any) -> None:
    """Write the graph of a fitted model: skl2onnx calls it."""
    on, model = Operators(container.target_opset), operator.raw_operator
    link = model._fitted_link
    label, scores = operator.outputs
    X = on.Cast(operator.inputs[0], to=FLOAT64)
    here = to_numpy(model)
    coef, intercept = here.coef_.T.astype(float), here.intercept_.astype(float)
    logits = _recovered(on, model, on.Add(on.MatMul(X, coef), intercept))

    classes: Any = get_label_classes(scope, model)
    places = _places(on, link, logits)
    if link.is_multilabel:
        predicted = on.Identity(places, output_names=[label])
    else:
        name = scope.get_unique_variable_name("classes")
        if isinstance(classes[0], str):
            container.add_initializer(name, STRING, [len(classes)], [entry.encode() for entry in classes])
        else:
            container.add_initializer(name, INT64, [len(classes)], [int(entry) for entry in classes])
        predicted = on.Gather(name, places, output_names=[label])
    predicted.add_to(scope, container)

    if container.get_options(model, {"raw_scores": False})["raw_scores"]:
        given = on.Concat(on.Neg(logits), logits, axis=1) if isinstance(link, Binary) else logits
    else:
        given = _probabilities(on, link, logits)
    on.Cast(given, to=guess_proto_type(scores.type), output_names=[scores]).add_to(scope, container)


def set_types_of_outputs(operator: Any) -> None:
    """Set the types and shapes of what a converted model returns, or say what ONNX has no labels for."""
    model, scope = operator.raw_operator, operator.scope_inst
    classes: Any = get_label_classes(scope, model)
    is_integer = not any(isinstance(label, str) for label in classes) and _are_integers(classes)
    if not (is_integer or all(isinstance(label, str) for label in classes)):
        raise ValueError(
            f"ONNX has labels that are integers or strings, but classes_ are {model.classes_!r}. Pass "
            "options={'nocl': True} to get their numbers in their place."
        )
    calculate_linear_classifier_output_shapes(operator)
    if getattr(model, "multilabel_", False):
        if not is_integer and scope.get_options(model, {"zipmap": True})["zipmap"] is not False:
            raise ValueError("Labels that have names are a matrix of zeros and ones: pass options={'zipmap': False}.")
        operator.outputs[0].set_type(Int64TensorType([operator.inputs[0].get_first_dimension(), len(classes)]))


def _are_integers(classes):
    """Whether labels are what int64 holds."""
    try:
        return all(int(label) == label and abs(int(label)) < 2**63 for label in classes)
    except (TypeError, ValueError):
        return False


for _estimator in (SoftmaxRegressor, OneVsAllClassifier, SoftmaxRegressorCV, OneVsAllClassifierCV):
    update_registered_converter(
        _estimator,
        f"Skce{_estimator.__name__}",
        set_types_of_outputs,
        convert,
        options={
            "zipmap": [True, False, "columns"],
            "nocl": [True, False],
            "output_class_labels": [False, True],
            "raw_scores": [True, False],
        },
    )
