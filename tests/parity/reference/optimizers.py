"""Vectors of the optimizers: two weight tensors after each of 20 steps with given gradients."""

import torch

from .keras_optimizers import Optimizer, clipped
from .values import Values, stored

STEPS = 20
SHAPES = {"matrix": (2, 2), "vector": (5,)}
HALVING = {"decay": "exponential", "decay_steps": 5, "decay_rate": 0.5}

CASES = [
    ("sgd/defaults", "sgd", {}),
    ("sgd/momentum", "sgd", {"momentum": 0.9}),
    ("sgd/nesterov", "sgd", {"momentum": 0.9, "nesterov": True}),
    ("rmsprop/defaults", "rmsprop", {}),
    ("rmsprop/large epsilon", "rmsprop", {"epsilon": 0.0625, "rho": 0.5}),
    ("rmsprop/momentum", "rmsprop", {"momentum": 0.9}),
    ("rmsprop/centered", "rmsprop", {"centered": True}),
    ("rmsprop/centered, momentum", "rmsprop", {"centered": True, "momentum": 0.5, "learning_rate": 0.01}),
    ("adam/defaults", "adam", {}),
    ("adam/large epsilon", "adam", {"epsilon": 0.0625, "beta_1": 0.5, "beta_2": 0.75}),
    ("adam/weight decay", "adam", {"weight_decay": 0.25}),
    ("adam/amsgrad", "adam", {"amsgrad": True, "beta_2": 0.5}),
    ("adamw/defaults", "adamw", {"learning_rate": 0.125}),
    ("adamw/amsgrad", "adamw", {"amsgrad": True, "beta_2": 0.5, "weight_decay": 0.25}),
    ("adagrad/defaults", "adagrad", {}),
    ("adagrad/from nearly zero", "adagrad", {"initial_accumulator_value": 2.0**-20, "epsilon": 0.0625}),
    ("clipping/sgd, clip_value", "sgd", {"clip_value": 0.25}),
    ("clipping/sgd, clip_norm", "sgd", {"clip_norm": 0.75}),
    ("clipping/sgd, global_clip_norm", "sgd", {"global_clip_norm": 1.0}),
    ("clipping/sgd, clip_norm, momentum", "sgd", {"clip_norm": 0.75, "momentum": 0.9}),
    ("clipping/rmsprop, clip_value", "rmsprop", {"clip_value": 0.25}),
    ("clipping/adam, clip_norm", "adam", {"clip_norm": 0.75}),
    ("clipping/adagrad, global_clip_norm", "adagrad", {"global_clip_norm": 1.0}),
    ("schedules/sgd, exponential decay", "sgd", {"schedule": HALVING}),
    ("schedules/sgd, staircase", "sgd", {"schedule": {**HALVING, "staircase": True}}),
    ("schedules/sgd, cosine decay", "sgd",
     {"schedule": {"decay": "cosine", "decay_steps": 12, "alpha": 0.25, "warmup_steps": 4}}),
    ("schedules/adam, cosine decay", "adam", {"schedule": {"decay": "cosine", "decay_steps": 16}}),
]


def given():
    """Where weights start, one of them at 0, where a weight is the sum of its changes; and their gradients: of several
    sizes, with steps in which all or a part of them is 0."""
    values = Values("optimizers")
    start = {"matrix": values.uniform(SHAPES["matrix"]), "vector": torch.zeros(SHAPES["vector"]).double()}
    gradients = {key: values.uniform((STEPS, *shape)) for key, shape in SHAPES.items()}
    for key, g in gradients.items():
        g[::3] /= 4
        g[4] = 0
        g[10:14, 0] = 0
    gradients["vector"][:, 1] /= 2**10
    gradients["vector"][:, 2] = 0
    return start, gradients


def clips_now_and_then(at, steps):
    """Whether the limit of a case is felt in some of these gradients by step, and not in others."""
    felt = [any(not torch.equal(g, limited) for g, limited in zip(step.values(), clipped(step, at).values()))
            for step in steps]
    return any(felt) and not all(felt)


def trajectory(at, start, steps):
    optimizer, weights, after = Optimizer(at), dict(start), {key: [] for key in start}
    for gradients in steps:
        weights = optimizer.step(weights, gradients)
        for key in after:
            after[key].append(weights[key])
    return {key: torch.stack(values) for key, values in after.items()}


def vectors():
    start, gradients = given()
    tensors = {f"start/{key}": stored(w) for key, w in start.items()}
    tensors.update({f"gradients/{key}": stored(g) for key, g in gradients.items()})
    steps = [{key: g[step] for key, g in gradients.items()} for step in range(STEPS)]
    cases = []
    for name, optimizer, options in CASES:
        at = {"name": name, "optimizer": optimizer, **options}
        cases.append(at)
        assert name.split("/")[0] != "clipping" or clips_now_and_then(at, steps), name
        for key, values in trajectory(at, start, steps).items():
            tensors[f"{name}/{key}"] = values
    return cases, tensors
