"""Vectors of models: output, loss, and the gradient of every weight.

Tensors of a case: x and y; weights, all of them in order of their layers, flat; out; loss; gradients, flat. With
"stateful" a batch `before` has gone through the model. With "initial" the one layer starts from `state` and tells
its end, `final`, whose target is y_final and whose loss is added; gradients go on with those of the state and x."""

import torch

from . import keras_losses
from .layers import Sequential
from .model_cases import CASES, WORDS
from .values import Values, stored

ID_LAYERS = "embedding", "category_encoding"


def inputs_for(values, layers, shape, padded_row=False):
    """Ids, with 0 as padding in front, behind and between where that counts; or numbers, with some steps of padding."""
    first = layers[0]
    if first["type"] in ID_LAYERS:
        if not first.get("mask_zero"):
            return values.ids(shape, first.get("input_dim", WORDS))
        ids = values.ids(shape, WORDS, low=1)
        ids[0, 0], ids[1, -1], ids[2, 1] = 0, 0, 0
        if padded_row:
            ids[1] = 0
        return ids
    x = values.uniform(shape)
    if first["type"] == "masking":
        padding = first.get("mask_value", 0)
        x[0, :2], x[1, -1], x[2, 1] = padding, padding, padding
        x[1, 0, 0] = padding  # one feature of a step does not mask it
    return x


def target_for(values, out, loss):
    if loss == "sparse_categorical_crossentropy":
        return values.ids(out.shape[:-1], out.shape[-1])
    return values.uniform(out.shape, *((-1, 1) if loss == "mean_squared_error" else (0, 1)))


def features_of(layers, shape):
    return None if layers[0]["type"] in ID_LAYERS else shape[-1]


def draw_weights(values, model):
    return {key: values.uniform(shape, -0.75, 0.75).requires_grad_() for key, shape in model.shapes.items()}


def flat(tensors):
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def from_initial_state(values, model, weights, x):
    """The one layer of a model from a state of its own: the loss, the tensors of the case, what else has gradients."""
    layer, state = model.layers[0][1], values.uniform((x.shape[0], model.layers[0][1].features)).requires_grad_()
    out, _ = layer({key.split("/")[1]: w for key, w in weights.items()}, x.requires_grad_(), None, state)
    final = out[:, -1] if layer.at.get("return_sequences") else out
    y, y_final = values.uniform(out.shape), values.uniform(final.shape)
    loss = ((out - y) ** 2).mean() + ((final - y_final) ** 2).mean()
    return loss, {"y": y, "state": state, "y_final": y_final}, {"out": out, "final": final}, [state, x]


def from_zero(values, model, weights, x, options):
    given = {}
    if options.get("stateful"):
        given["before"] = values.uniform(x.shape)
        model(weights, given["before"])
    loss = options.get("loss", "mean_squared_error")
    out, mask = model(weights, x)
    y = given["y"] = target_for(values, out, loss)
    rows = keras_losses.rows(loss, out, y, options.get("from_logits", False))
    return keras_losses.weighted_mean(rows, mask), given, {"out": out}, []


def vectors():
    cases, tensors = [], {}
    for name, layers, shape, options in CASES:
        values, model = Values(name), Sequential(layers, features_of(layers, shape))
        weights, x = draw_weights(values, model), inputs_for(values, layers, shape, options.get("padded_row"))
        if options.get("initial"):
            loss, given, expected, others = from_initial_state(values, model, weights, x)
        else:
            loss, given, expected, others = from_zero(values, model, weights, x, options)
        loss.backward()
        cases.append({"name": name, "layers": layers, **options, "weights": list(weights)})
        given = {"x": x, "weights": flat(weights.values()), **given}
        expected = {**expected, "loss": loss, "gradients": flat([w.grad for w in [*weights.values(), *others]])}
        tensors.update({f"{name}/{key}": stored(tensor) for key, tensor in given.items()})
        tensors.update({f"{name}/{key}": tensor for key, tensor in expected.items()})
    return cases, tensors
