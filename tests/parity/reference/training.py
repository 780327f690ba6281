"""Vectors of training: 20 steps on one batch each, the loss before every step and the weights after the last.

Tensors of a case: x and y, with an axis of steps in front, weights, losses, trained; weights flat as in models."""

import torch

from . import keras_losses
from .keras_optimizers import Optimizer
from .layers import Sequential
from .model_cases import BATCH, TEXT, TIME, FEATURES, WORDS, both, dense, embedding, normalization, rnn
from .models import draw_weights, features_of, flat, inputs_for, target_for
from .values import Values, stored

STEPS = 20
SEQUENCE = (BATCH, TIME, FEATURES)
BINARY = {"loss": "binary_crossentropy"}

CASES = [
    ("training/reviews", [embedding(mask_zero=True), rnn(3), dense(1, activation="sigmoid")], TEXT, BINARY,
     {"optimizer": "rmsprop"}),
    ("training/letters", [embedding(), rnn(3, return_sequences=True), dense(WORDS, activation="softmax")], TEXT,
     {"loss": "sparse_categorical_crossentropy"}, {"optimizer": "adam", "learning_rate": 0.03125}),
    ("training/series", [rnn(3, return_sequences=True), rnn(2), dense(1)], SEQUENCE, {},
     {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "global_clip_norm": 0.5}),
    ("training/classes", [both("concat"), normalization(), dense(3, activation="softmax")], SEQUENCE,
     {"loss": "categorical_crossentropy"}, {"optimizer": "adamw", "learning_rate": 0.03125, "amsgrad": True}),
    ("training/streams", [rnn(3, stateful=True), dense(1)], SEQUENCE, {},
     {"optimizer": "adagrad", "learning_rate": 0.125}),
]


def train(model, weights, batches, loss, optimizer):
    """The losses, and the weights in the end."""
    losses = []
    for x, y in batches:
        weights = {key: w.detach().requires_grad_() for key, w in weights.items()}
        out, mask = model(weights, x)
        value = keras_losses.weighted_mean(keras_losses.rows(loss, out, y), mask)
        value.backward()
        losses.append(value.detach())
        weights = optimizer.step(weights, {key: w.grad for key, w in weights.items()})
    return torch.stack(losses), weights


def vectors():
    cases, tensors = [], {}
    for name, layers, shape, options, optimizer in CASES:
        values, model = Values(name), Sequential(layers, features_of(layers, shape))
        weights, loss = draw_weights(values, model), options.get("loss", "mean_squared_error")
        batches = []
        for _ in range(STEPS):
            x = inputs_for(values, layers, shape)
            out, _ = Sequential(layers, features_of(layers, shape))(weights, x)  # for its shape
            batches.append((x, target_for(values, out, loss)))
        losses, trained = train(model, weights, batches, loss, Optimizer(optimizer))
        cases.append({"name": name, "layers": layers, **options, "weights": list(weights), "trained_by": optimizer})
        given = {"x": torch.stack([x for x, _ in batches]), "y": torch.stack([y for _, y in batches]),
                 "weights": flat(weights.values())}
        tensors.update({f"{name}/{key}": stored(tensor) for key, tensor in given.items()})
        tensors.update({f"{name}/losses": losses, f"{name}/trained": flat(trained.values())})
    return cases, tensors
