"""Vectors of the losses: values of rows, and the gradient of their sum."""

import torch

from . import keras_losses
from .samples import draw, floats, given, ids
from .values import stored

CASES = []


def case(loss, name, prediction, target, **options):
    CASES.append((loss, name, prediction, target, options))


LOGITS = {
    "thousand": (1e3, -1e3, 0.0),
    "fifty": (50.0, -50.0, 0.0),
    "two thousands": (1e3, 1e3, -1e3),
    "minus a thousand": (-1e3, -1e3, -1e3),
    "zeros": (0.0, 0.0, 0.0),
    "equal": (7.5, 7.5, 7.5),
    "near": (50.0, 49.5, 48.0),
}
PROBABILITIES = {
    "inside the clip": (0.5, 2.0**-23, 0.25),
    "outside the clip": (0.5, 2.0**-25, 0.25),
    "equal": (0.25, 0.25, 0.25),
}
ZEROS_AND_A_ONE = {"zeros and a one": (1.0, 0.0, 0.0)}

# What float32 can hold of 1 - 1e-7 is 1 - 2^-23, so that -log(1 - p) is 15.94 and not 16.12; Keras's own float32 is
# off as well. The bound of such rows is wider.
CLIPPED = {"float32": 0.02}


def every_class(kind, predictions, **options):
    """Each prediction with each class as the target, and compared row by row, so that small losses do not hide behind
    large ones."""
    x = [prediction for prediction in predictions.values() for _ in range(3)]
    labels = [label for _ in predictions for label in range(3)]
    hard = [[float(label == i) for i in range(3)] for label in labels]
    binary = {**options, **(CLIPPED if predictions is ZEROS_AND_A_ONE else {})}
    case("binary_crossentropy", kind, given(x), given(hard), by_row=True, **binary)
    case("categorical_crossentropy", kind, given(x), given(hard), by_row=True, **options)
    case("sparse_categorical_crossentropy", kind, given(x), given(labels, torch.int32), by_row=True, **options)


def extremes():
    every_class("extreme logits", LOGITS, from_logits=True)
    every_class("extreme probabilities", PROBABILITIES)
    every_class("zeros and a one", ZEROS_AND_A_ONE)


def ordinary():
    for from_logits in (True, False):
        low, high, kind = (-3, 3, "logits") if from_logits else (0.0625, 0.9375, "probabilities")
        for shape in ((3, 4), (4, 1), (2, 3, 2), (1, 19), (0, 3)):
            name = f"{kind} {'x'.join(map(str, shape))}"
            x, soft = floats(*shape, low=low, high=high), floats(*shape, low=0, high=1)
            case("binary_crossentropy", name, x, soft, from_logits=from_logits)
            case("categorical_crossentropy", name, x, soft, from_logits=from_logits)
            case("sparse_categorical_crossentropy", name, x, ids(*shape[:-1], limit=shape[-1]), from_logits=from_logits)
    for shape in ((3, 4), (4, 1), (2, 3, 2), (1, 19), (0, 3)):
        case("mean_squared_error", "x".join(map(str, shape)), floats(*shape), floats(*shape))
    case("mean_squared_error", "thousands, and equal", given([[1e3, -1e3], [0.5, 0.5]]),
         given([[-1e3, -1e3], [0.5, 0.5]]), by_row=True)


extremes()
ordinary()


def vectors():
    cases, tensors = [], {}
    for loss, name, prediction, target, options in CASES:
        where = f"{loss}/{name}"
        _, (x, y) = draw(where, [prediction, target])
        rows = keras_losses.rows(loss, x, y.detach(), options.get("from_logits", False))
        rows.sum().backward()
        cases.append({"name": where, "loss": loss, **options})
        tensors[f"{where}/x"], tensors[f"{where}/y"] = stored(x), stored(y)
        tensors[f"{where}/rows"], tensors[f"{where}/gradient"] = rows, x.grad
    return cases, tensors
