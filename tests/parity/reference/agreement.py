"""What is written out here against torch's own layers and optimizers, wherever the two define the same: without
epsilon, whose place differs, and with one of torch's two biases at 0."""

import torch
import torch.nn.functional as F

from .keras_optimizers import Optimizer
from .layers import LayerNormalization, SimpleRNN
from .values import Values

STEPS = 20

# Options here, and the same in torch.
OPTIMIZERS = [
    ({"optimizer": "sgd", "learning_rate": 0.1}, torch.optim.SGD, {}),
    ({"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9}, torch.optim.SGD, {"momentum": 0.9}),
    ({"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True}, torch.optim.SGD,
     {"momentum": 0.9, "nesterov": True}),
    ({"optimizer": "rmsprop", "learning_rate": 0.01, "rho": 0.9, "epsilon": 0}, torch.optim.RMSprop,
     {"alpha": 0.9, "eps": 0}),
    ({"optimizer": "rmsprop", "learning_rate": 0.01, "momentum": 0.5, "centered": True, "epsilon": 0},
     torch.optim.RMSprop, {"alpha": 0.9, "momentum": 0.5, "centered": True, "eps": 0}),
    ({"optimizer": "adam", "learning_rate": 0.01, "epsilon": 0}, torch.optim.Adam, {"eps": 0}),
    ({"optimizer": "adam", "learning_rate": 0.01, "amsgrad": True, "epsilon": 0}, torch.optim.Adam,
     {"amsgrad": True, "eps": 0}),
    ({"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.25, "epsilon": 0}, torch.optim.AdamW,
     {"weight_decay": 0.25, "eps": 0}),
    ({"optimizer": "adagrad", "learning_rate": 0.01, "epsilon": 0}, torch.optim.Adagrad,
     {"initial_accumulator_value": 0.1, "eps": 0}),
]


def close(ours, theirs):
    return torch.allclose(ours, theirs, rtol=1e-11, atol=1e-13)


def check_optimizers():
    values = Values("agreement of optimizers")
    start, gradients = values.uniform((5,)), values.uniform((STEPS, 5), avoid=0)
    for at, kind, options in OPTIMIZERS:
        ours, weights = Optimizer(at), {"w": start}
        w = start.clone().requires_grad_()
        theirs = kind([w], lr=at["learning_rate"], **options)
        for g in gradients:
            weights = ours.step(weights, {"w": g})
            w.grad = g.clone()
            theirs.step()
        assert close(weights["w"], w.detach()), at


def check_recurrent():
    values = Values("agreement of layers")
    x = values.uniform((3, 5, 2))
    for activation in ("tanh", "relu"):
        layer = SimpleRNN({"units": 4, "activation": activation, "return_sequences": True}, 2)
        weights = {key: values.uniform(shape) for key, shape in layer.shapes.items()}
        theirs = torch.nn.RNN(2, 4, nonlinearity=activation, batch_first=True).double()
        with torch.no_grad():
            theirs.weight_ih_l0.copy_(weights["kernel"].T)
            theirs.weight_hh_l0.copy_(weights["recurrent_kernel"].T)
            theirs.bias_ih_l0.copy_(weights["bias"])
            theirs.bias_hh_l0.zero_()
            assert close(layer(weights, x, None)[0], theirs(x)[0]), activation


def check_normalization():
    values = Values("agreement of normalization")
    x, layer = values.uniform((3, 5)), LayerNormalization({"epsilon": 1e-5}, 5)
    weights = {key: values.uniform(shape) for key, shape in layer.shapes.items()}
    assert close(layer(weights, x, None)[0], F.layer_norm(x, (5,), weights["gamma"], weights["beta"], 1e-5))


def check():
    check_optimizers()
    check_recurrent()
    check_normalization()
