"""Numbers to try things on. They are drawn for a case by its name, so that a new case changes no other, and are
whole multiples of 2^-20, which float32 holds exactly."""

import random

import torch

GRID = 2**20


class Values:
    def __init__(self, case):
        self._random = random.Random(case)

    def _shaped(self, shape, draw, dtype):
        count = 1
        for extent in shape:
            count *= extent
        return torch.tensor([draw() for _ in range(count)], dtype=dtype).reshape(shape)

    def uniform(self, shape, low=-1.0, high=1.0, avoid=None, margin=0.125):
        """In [low, high], none closer to `avoid` than the margin."""

        def draw():
            value = round((low + (high - low) * self._random.random()) * GRID) / GRID
            if avoid is not None and abs(value - avoid) < margin:
                value = avoid + (margin if value >= avoid else -margin)
            return value

        return self._shaped(shape, draw, torch.float64)

    def ids(self, shape, limit, low=0):
        return self._shaped(shape, lambda: low + int((limit - low) * self._random.random()), torch.int32)

    def mask(self, shape):
        return self._shaped(shape, lambda: int(2 * self._random.random()), torch.uint8)


def stored(tensor):
    """As it goes into a file: floats that are given as float32, which must hold them exactly."""
    if tensor.dtype != torch.float64:
        return tensor
    narrow = tensor.detach().to(torch.float32)
    assert torch.equal(narrow.to(torch.float64), tensor.detach()), "a given number is none of float32"
    return narrow
