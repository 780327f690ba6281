"""Losses a row, as Keras 3 defines them: probabilities are held within its epsilon, 1e-7, from 0 and 1."""

import torch
import torch.nn.functional as F

EPSILON = 1e-7


def clip(p):
    return torch.clamp(p, EPSILON, 1 - EPSILON)


def binary_crossentropy(p, y):
    p = clip(p)
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean(-1)


def binary_crossentropy_from_logits(x, y):
    """-y log sigmoid(x) - (1 - y) log sigmoid(-x)"""
    return -(y * F.logsigmoid(x) + (1 - y) * F.logsigmoid(-x)).mean(-1)


def log_of_scaled(p):
    return torch.log(clip(p / p.sum(-1, keepdim=True)))


def categorical_crossentropy(p, y):
    return -(y * log_of_scaled(p)).sum(-1)


def categorical_crossentropy_from_logits(x, y):
    return -(y * torch.log_softmax(x, -1)).sum(-1)


def sparse_categorical_crossentropy_from_logits(x, y):
    return -torch.log_softmax(x, -1).gather(-1, y.long().unsqueeze(-1)).squeeze(-1)


def sparse_categorical_crossentropy(p, y):
    """With its TensorFlow backend Keras takes the logarithms for logits, which scales what was clipped once more."""
    return sparse_categorical_crossentropy_from_logits(log_of_scaled(p), y)


def mean_squared_error(p, y):
    return ((p - y) ** 2).mean(-1)


# By name: from probabilities, from logits.
LOSSES = {
    "binary_crossentropy": (binary_crossentropy, binary_crossentropy_from_logits),
    "categorical_crossentropy": (categorical_crossentropy, categorical_crossentropy_from_logits),
    "sparse_categorical_crossentropy": (sparse_categorical_crossentropy, sparse_categorical_crossentropy_from_logits),
    "mean_squared_error": (mean_squared_error, mean_squared_error),
}


def rows(loss, prediction, target, from_logits=False):
    return LOSSES[loss][from_logits](prediction, target)


def weighted_mean(rows, mask):
    """Over the rows, or over steps where the mask is 1."""
    if mask is None or mask.shape != rows.shape:
        return rows.mean()
    return (rows * mask).sum() / mask.sum()
