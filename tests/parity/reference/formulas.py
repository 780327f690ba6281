"""Formulas that several kinds of vectors are built from, in float64."""

import torch


def product(a, b):
    """The matrix product, spelled out, so that no BLAS has a say in the last bits."""
    result = (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2)
    assert torch.allclose(result, torch.matmul(a, b), rtol=1e-12, atol=1e-14)
    return result


ACTIVATIONS = {
    "linear": lambda x: x,
    "tanh": torch.tanh,
    "sigmoid": lambda x: 1 / (1 + torch.exp(-x)),
    "relu": torch.relu,
    "softmax": lambda x: torch.softmax(x, -1),
}


def keep_where(mask, new, old):
    """Rows of `new`, but those of `old` where the mask, of one axis less, is 0."""
    return torch.where(mask.bool().unsqueeze(-1), new, old)


def recurrent_states(x, recurrent, h, activation, backwards=False, mask=None):
    """h_t = activation(h_(t-1) recurrent + x_t), x [b, t, n] and h [b, n], as a list by time step; where the mask
    [b, t] is 0 a state stays."""
    steps = range(x.shape[1])
    states = [None] * x.shape[1]
    for t in reversed(steps) if backwards else steps:
        new = ACTIVATIONS[activation](product(h, recurrent) + x[:, t])
        h = new if mask is None else keep_where(mask[:, t], new, h)
        states[t] = h
    return states, h
