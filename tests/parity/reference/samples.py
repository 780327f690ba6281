"""Inputs of a case as it lists them: what is drawn, and the view through which an op sees it."""

import torch

from .values import Values

# A view of a larger tensor: the shape of that tensor, and the view itself.
LAYOUTS = {
    "plain": (lambda shape: shape, lambda x: x),
    "transposed": (lambda shape: [shape[-1], *shape[1:-1], shape[0]], lambda x: x.transpose(0, -1)),
    "sliced": (lambda shape: [*shape[:-1], shape[-1] + 2], lambda x: x[..., 1:-1]),
    "selected": (lambda shape: [2, *shape], lambda x: x[1]),
}


class Sample:
    def __init__(self, shape, draw, layout="plain"):
        self.shape, self.draw, self.layout = list(shape), draw, layout

    def through(self, layout):
        return Sample(self.shape, self.draw, layout)

    def tensor(self, values):
        return self.draw(values, LAYOUTS[self.layout][0](self.shape))


def floats(*shape, low=-1.0, high=1.0, avoid=None):
    return Sample(shape, lambda values, memory: values.uniform(memory, low, high, avoid))


def ids(*shape, limit):
    return Sample(shape, lambda values, memory: values.ids(memory, limit))


def mask(*shape):
    return Sample(shape, lambda values, memory: values.mask(memory))


def given(numbers, dtype=torch.float64):
    tensor = torch.tensor(numbers, dtype=dtype)
    return Sample(tensor.shape, lambda values, memory: tensor)


def layouts(sample):
    """The same through each kind of view, by name."""
    return [(layout, sample.through(layout)) for layout in LAYOUTS if layout != "plain"]


def draw(case, samples):
    """The tensors behind the samples of a case, floats ready to be differentiated."""
    values = Values(case)
    tensors = [sample.tensor(values) for sample in samples]
    return values, [t.requires_grad_() if t.dtype == torch.float64 else t for t in tensors]


def viewed(samples, tensors):
    return [LAYOUTS[sample.layout][1](tensor) for sample, tensor in zip(samples, tensors)]
