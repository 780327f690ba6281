"""Layers as Keras 3 defines them. A layer is described by a dictionary, which is also what stands in the table of
cases: {"type": "simple_rnn", "units": 3, ...}. Sequences are [batch, time, features], masks [batch, time]."""

import torch

from .formulas import ACTIVATIONS, product, recurrent_states


class Embedding:
    def __init__(self, at, features):
        self.at, self.features = at, at["output_dim"]
        self.shapes = {"embeddings": (at["input_dim"], at["output_dim"])}

    def __call__(self, weights, ids, mask):
        return weights["embeddings"][ids.long()], ids != 0 if self.at.get("mask_zero") else mask


class CategoryEncoding:
    def __init__(self, at, features):
        self.features, self.shapes = at["num_tokens"], {}

    def __call__(self, weights, ids, mask):
        return torch.eye(self.features, dtype=torch.float64)[ids.long()], mask


class Dense:
    def __init__(self, at, features):
        self.activation, self.features = ACTIVATIONS[at.get("activation", "linear")], at["units"]
        self.shapes = {"kernel": (features, at["units"])}
        if not at.get("no_bias"):
            self.shapes["bias"] = (at["units"],)

    def __call__(self, weights, x, mask):
        return self.activation(product(x, weights["kernel"]) + weights.get("bias", 0)), mask


class LayerNormalization:
    """gamma (x - mean) / sqrt(variance + epsilon) + beta; epsilon is 0.001, where torch has 1e-5."""

    def __init__(self, at, features):
        self.epsilon, self.features, self.shapes = at.get("epsilon", 1e-3), features, {}
        if not at.get("no_scale"):
            self.shapes["gamma"] = (features,)
        if not at.get("no_center"):
            self.shapes["beta"] = (features,)

    def __call__(self, weights, x, mask):
        centered = x - x.mean(-1, keepdim=True)
        normal = centered / torch.sqrt((centered**2).mean(-1, keepdim=True) + self.epsilon)
        return normal * weights.get("gamma", 1) + weights.get("beta", 0), mask


class Masking:
    def __init__(self, at, features):
        self.value, self.features, self.shapes = at.get("mask_value", 0), features, {}

    def __call__(self, weights, x, mask):
        return x, (x.detach() != self.value).any(-1)


class SimpleRNN:
    """One bias, added with the input; torch's RNN has two. Outputs stand in the order in which steps are taken, and a
    mask goes with its steps."""

    def __init__(self, at, features):
        self.at, self.features, self.last = at, at["units"], None
        self.shapes = {"kernel": (features, at["units"]), "recurrent_kernel": (at["units"], at["units"])}
        if not at.get("no_bias"):
            self.shapes["bias"] = (at["units"],)

    def __call__(self, weights, x, mask, initial=None):
        projected = product(x, weights["kernel"]) + weights.get("bias", 0)
        if initial is None:
            kept = self.last if self.at.get("stateful") else None
            initial = torch.zeros(x.shape[0], self.features, dtype=torch.float64) if kept is None else kept
        backwards = self.at.get("go_backwards", False)
        states, end = recurrent_states(projected, weights["recurrent_kernel"], initial,
                                       self.at.get("activation", "tanh"), backwards, mask)
        self.last = end.detach()
        if not self.at.get("return_sequences"):
            return end, None
        sequence = torch.stack(states, 1)
        return (sequence.flip(1), None if mask is None else mask.flip(1)) if backwards else (sequence, mask)


class Bidirectional:
    MERGE = {
        "concat": lambda a, b: torch.cat([a, b], -1),
        "sum": lambda a, b: a + b,
        "mul": lambda a, b: a * b,
        "ave": lambda a, b: (a + b) / 2,
    }

    def __init__(self, at, features):
        self.at = at
        self.parts = {"forward": SimpleRNN(at["forward"], features),
                      "backward": SimpleRNN({**at["backward"], "go_backwards": True}, features)}
        self.shapes = {f"{way}_simple_rnn/{key}": shape for way, part in self.parts.items()
                       for key, shape in part.shapes.items()}
        self.features = at["forward"]["units"] * (2 if at["merge_mode"] == "concat" else 1)

    def __call__(self, weights, x, mask):
        def run(way):
            prefix = f"{way}_simple_rnn/"
            own = {key[len(prefix):]: w for key, w in weights.items() if key.startswith(prefix)}
            return self.parts[way](own, x, mask)

        (one, mask_after), (other, _) = run("forward"), run("backward")
        if self.at["backward"].get("return_sequences"):
            other = other.flip(1)
        return self.MERGE[self.at["merge_mode"]](one, other), mask_after


class GlobalAveragePooling1D:
    def __init__(self, at, features):
        self.features, self.shapes = features, {}

    def __call__(self, weights, x, mask):
        if mask is None:
            return x.mean(1), None
        share = mask.to(torch.float64) / mask.sum(1, keepdim=True)
        return (x * share.unsqueeze(-1)).sum(1), None


class GlobalMaxPooling1D:
    """Steps that are masked do not count."""

    def __init__(self, at, features):
        self.features, self.shapes = features, {}

    def __call__(self, weights, x, mask):
        if mask is not None:
            x = torch.where(mask.unsqueeze(-1), x, torch.full_like(x, -torch.inf))
        return x.amax(1), None


LAYERS = {
    "embedding": Embedding,
    "category_encoding": CategoryEncoding,
    "dense": Dense,
    "layer_normalization": LayerNormalization,
    "masking": Masking,
    "simple_rnn": SimpleRNN,
    "bidirectional": Bidirectional,
    "global_average_pooling_1d": GlobalAveragePooling1D,
    "global_max_pooling_1d": GlobalMaxPooling1D,
}


class Sequential:
    """Layers one after the other, named as in Keras: dense, dense_1, ..."""

    def __init__(self, layers, features):
        self.layers, self.shapes = [], {}
        count = {}
        for at in layers:
            kind, layer = at["type"], LAYERS[at["type"]](at, features)
            number = count[kind] = count.get(kind, -1) + 1
            name = f"{kind}_{number}" if number else kind
            self.layers.append((name, layer))
            self.shapes.update({f"{name}/{key}": shape for key, shape in layer.shapes.items()})
            features = layer.features

    def __call__(self, weights, x):
        """The output, and the mask that it has."""
        mask = None
        for name, layer in self.layers:
            own = {key: weights[f"{name}/{key}"] for key in layer.shapes}
            x, mask = layer(own, x, mask)
        return x, mask
