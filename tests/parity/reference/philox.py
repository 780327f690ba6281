"""Philox 4x32-10 and the dropout drawn from it. Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
1, 2, 3", SC 2011."""

import torch

WORD = 0xFFFFFFFF
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85
ROUNDS = 10
DROPOUT = 0xD0  # the top byte of its streams


def block(key, counter):
    """Four 32-bit numbers of a 64-bit key and a counter of four words."""
    key, counter = [key & WORD, key >> 32], list(counter)
    for _ in range(ROUNDS):
        first, second = MULTIPLIERS[0] * counter[0], MULTIPLIERS[1] * counter[2]
        counter = [second >> 32 ^ counter[1] ^ key[0], second & WORD, first >> 32 ^ counter[3] ^ key[1], first & WORD]
        key = [(k + w) & WORD for k, w in zip(key, WEYL)]
    return counter


# The paper's own test of the generator.
assert block(0, [0] * 4) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


def dropout_factors(shape, rate, seed, step, ordinal, first_row):
    """0 where an element is dropped, else 1 / (1 - rate): a row of the first axis takes whole blocks of its own."""
    rows, width = (shape[0] if len(shape) else 1), 1
    for extent in shape[1:]:
        width *= extent
    blocks, stream = (width + 3) // 4, DROPOUT << 56 | ordinal << 40 | step
    factors = []
    for row in range(first_row, first_row + rows):
        for i in range(width):
            number = row * blocks + i // 4
            counter = [number & WORD, number >> 32, stream & WORD, stream >> 32]
            factors.append(0.0 if block(seed, counter)[i % 4] < rate * 2**32 else 1 / (1 - rate))
    return torch.tensor(factors, dtype=torch.float64).reshape(shape)
