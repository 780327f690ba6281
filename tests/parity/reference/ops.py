"""Vectors of the ops: the value, and the gradient of each float input for a given gradient of the value."""

import torch
import torch.nn.functional as F

from . import elementwise_cases, shaped_cases
from .formulas import ACTIVATIONS, keep_where, product, recurrent_states
from .philox import dropout_factors
from .samples import draw, viewed
from .values import stored


def over_axes(reduce):
    def formula(at, x):
        axes = at.get("axes", list(range(x.dim())))
        return reduce(x, axes, at.get("keepdims", False)) if axes else x * 1

    return formula


def affine(at, x, w, c):
    rows = product(x.reshape(-1, x.shape[-1]) if w.shape[0] else x, w)
    return ACTIVATIONS[at["activation"]](rows.reshape([*x.shape[:-1], w.shape[1]]) + c)


def affine_masked(at, x, w, c, mask):
    return keep_where(mask, affine(at, x, w, c), x)


def affine_scan(at, x, w, h, mask=None):
    states, _ = recurrent_states(x, w, h, at["activation"], at.get("backwards", False), mask)
    return torch.stack(states, 1)


def dropout(at, x):
    if not at["training"]:
        return x * 1
    return x * dropout_factors(x.shape, at["rate"], at["seed"], at["step"], at["earlier"], at["first_row"])


def gather(at, table, ids):
    return table[ids.long().reshape(-1)].reshape(list(ids.shape) + [table.shape[1]])


def sparse_softmax_cross_entropy(at, x, y):
    return -torch.log_softmax(x, -1).gather(-1, y.long().unsqueeze(-1)).squeeze(-1)


TYPES = {torch.float64: "float", torch.int32: "id", torch.uint8: "mask"}

FORMULAS = {
    "add": lambda at, a, b: a + b,
    "sub": lambda at, a, b: a - b,
    "mul": lambda at, a, b: a * b,
    "div": lambda at, a, b: a / b,
    "neg": lambda at, x: -x,
    "scale": lambda at, x: x * at["factor"],
    "pow": lambda at, x: torch.pow(x, at["exponent"]),
    "tanh": lambda at, x: torch.tanh(x),
    "sigmoid": lambda at, x: torch.sigmoid(x),
    "relu": lambda at, x: torch.relu(x),
    "exp": lambda at, x: torch.exp(x),
    "log": lambda at, x: torch.log(x),
    "sqrt": lambda at, x: torch.sqrt(x),
    "abs": lambda at, x: torch.abs(x),
    "clamp": lambda at, x: torch.clamp(x, at["low"], at["high"]),
    "activate": lambda at, x: ACTIVATIONS[at["activation"]](x) * 1,
    "matmul": lambda at, a, b: product(a, b),
    "affine": affine,
    "affine_masked": affine_masked,
    "affine_scan": affine_scan,
    "sum": over_axes(lambda x, axes, keepdims: torch.sum(x, axes, keepdims)),
    "mean": over_axes(lambda x, axes, keepdims: torch.mean(x, axes, keepdims)),
    "max": over_axes(lambda x, axes, keepdims: torch.amax(x, axes, keepdims)),
    "reshape": lambda at, x: x.reshape(at["shape"]),
    "transpose": lambda at, x: x.transpose(at["axis"], at["other"]),
    "slice": lambda at, x: x.narrow(at["axis"], at["start"], at["length"]),
    "select": lambda at, x: x.select(at["axis"], at["index"]),
    "unsqueeze": lambda at, x: x.unsqueeze(at["axis"]),
    "contiguous": lambda at, x: x * 1,
    "concat": lambda at, *parts: torch.cat(parts, at["axis"]),
    "stack": lambda at, *parts: torch.stack(parts, at["axis"]),
    "gather": gather,
    "gather_matmul": lambda at, table, ids, w: product(gather(at, table, ids), w),
    "where": lambda at, condition, a, b: torch.where(condition.bool(), a, b),
    "softmax": lambda at, x: torch.softmax(x, at["axis"]),
    "log_softmax": lambda at, x: torch.log_softmax(x, at["axis"]),
    "layer_norm": lambda at, x: F.layer_norm(x, x.shape[-1:], eps=at["epsilon"]),
    "dropout": dropout,
    "sigmoid_cross_entropy_with_logits": lambda at, x, y: F.binary_cross_entropy_with_logits(x, y, reduction="none"),
    "softmax_cross_entropy_with_logits": lambda at, x, y: -(y * torch.log_softmax(x, -1)).sum(-1),
    "sparse_softmax_cross_entropy_with_logits": sparse_softmax_cross_entropy,
    "mse": lambda at, a, b: ((a - b) ** 2).mean(),
}


def flat(tensors):
    return torch.cat([tensor.detach().reshape(-1).to(torch.float64) for tensor in tensors])


def entry(op, name, samples, options, leaves, value):
    """A row of the table of cases. Shapes are those of the tensors behind the views."""
    row = {"name": f"{op}/{name}", **options, "inputs": [list(leaf.shape) for leaf in leaves]}
    types, layouts = [TYPES[leaf.dtype] for leaf in leaves], [sample.layout for sample in samples]
    if set(types) != {"float"}:
        row["types"] = types
    if set(layouts) != {"plain"}:
        row["layouts"] = layouts
    return {**row, "value": list(value.shape)}


def vectors():
    """One tensor of all that is given, for each case the inputs and the gradient of the value, and one of all that is
    expected, the value and the gradients of the float inputs. Where a case starts in them is its "at"."""
    cases, given, expected = [], torch.zeros(0).double(), torch.zeros(0).double()
    for op, name, samples, options in elementwise_cases.CASES + shaped_cases.CASES:
        values, leaves = draw(f"{op}/{name}", samples)
        inputs = viewed(samples, leaves)
        value = FORMULAS[op](options, *(inputs * 2 if options.get("same") else inputs))
        seed = values.uniform(value.shape)
        value.backward(seed)
        cases.append({**entry(op, name, samples, options, leaves, value), "at": [given.numel(), expected.numel()]})
        given = flat([given, *leaves, seed])
        expected = flat([expected, value, *(leaf.grad for leaf in leaves if leaf.requires_grad)])
    return cases, {"given": stored(given), "expected": expected}
