"""Update rules as Keras 3 defines them, written out for one weight tensor each, with its defaults."""

import torch


class SGD:
    def __init__(self, at):
        self.rate, self.velocity = at.get("learning_rate", 0.01), {}
        self.momentum, self.nesterov = at.get("momentum", 0), at.get("nesterov", False)

    def step(self, key, w, g, rate, t):
        if not self.momentum:
            return w - rate * g
        v = self.velocity[key] = self.momentum * self.velocity.get(key, torch.zeros_like(w)) - rate * g
        return w + (self.momentum * v - rate * g if self.nesterov else v)


class RMSprop:
    """Epsilon stands inside the root; torch has it outside."""

    def __init__(self, at):
        self.rate, self.rho = at.get("learning_rate", 0.001), at.get("rho", 0.9)
        self.momentum, self.epsilon = at.get("momentum", 0), at.get("epsilon", 1e-7)
        self.centered = at.get("centered", False)
        self.square, self.average, self.velocity = {}, {}, {}

    def step(self, key, w, g, rate, t):
        zeros = torch.zeros_like(w)
        under = self.square[key] = self.rho * self.square.get(key, zeros) + (1 - self.rho) * g**2
        if self.centered:
            self.average[key] = self.rho * self.average.get(key, zeros) + (1 - self.rho) * g
            under = under - self.average[key] ** 2
        change = rate * g / torch.sqrt(under + self.epsilon)
        if self.momentum:
            change = self.velocity[key] = self.momentum * self.velocity.get(key, zeros) + change
        return w - change


class Adam:
    """Epsilon is added to the root of the mean as it is, before the correction for its bias."""

    weight_decay = 0

    def __init__(self, at):
        self.rate, self.epsilon = at.get("learning_rate", 0.001), at.get("epsilon", 1e-7)
        self.beta_1, self.beta_2 = at.get("beta_1", 0.9), at.get("beta_2", 0.999)
        self.decay, self.amsgrad = at.get("weight_decay", self.weight_decay), at.get("amsgrad", False)
        self.m, self.v, self.largest = {}, {}, {}

    def step(self, key, w, g, rate, t):
        zeros = torch.zeros_like(w)
        w = w - rate * self.decay * w
        m = self.m[key] = self.m.get(key, zeros) + (1 - self.beta_1) * (g - self.m.get(key, zeros))
        v = self.v[key] = self.v.get(key, zeros) + (1 - self.beta_2) * (g**2 - self.v.get(key, zeros))
        if self.amsgrad:
            v = self.largest[key] = torch.maximum(self.largest.get(key, zeros), v)
        corrected = rate * (1 - self.beta_2**t) ** 0.5 / (1 - self.beta_1**t)
        return w - corrected * m / (torch.sqrt(v) + self.epsilon)


class AdamW(Adam):
    weight_decay = 0.004


class Adagrad:
    """The accumulator starts at 0.1 and epsilon stands inside the root; torch starts at 0 with epsilon outside."""

    def __init__(self, at):
        self.rate, self.epsilon = at.get("learning_rate", 0.001), at.get("epsilon", 1e-7)
        self.start = at.get("initial_accumulator_value", 0.1)
        self.sum = {}

    def step(self, key, w, g, rate, t):
        self.sum[key] = self.sum.get(key, torch.full_like(w, self.start)) + g**2
        return w - rate * g / torch.sqrt(self.sum[key] + self.epsilon)


RULES = {"sgd": SGD, "rmsprop": RMSprop, "adam": Adam, "adamw": AdamW, "adagrad": Adagrad}


def norm(tensors):
    return torch.sqrt(sum((g**2).sum() for g in tensors))


def clipped(gradients, at):
    """Gradients by key within the limits of an optimizer."""
    if "clip_value" in at:
        limit = at["clip_value"]
        return {key: torch.clamp(g, -limit, limit) for key, g in gradients.items()}
    if "clip_norm" in at:
        return {key: g * at["clip_norm"] / max(norm([g]), at["clip_norm"]) for key, g in gradients.items()}
    if "global_clip_norm" in at:
        limit = at["global_clip_norm"]
        return {key: g * limit / max(norm(gradients.values()), limit) for key, g in gradients.items()}
    return gradients


def schedule_factor(schedule, step):
    """Of the learning rate, `step` others having been taken; Keras's ExponentialDecay and CosineDecay."""
    warmup, alpha = schedule.get("warmup_steps", 0), schedule.get("alpha", 0)
    if step < warmup:
        return step / warmup
    part = (step - warmup) / schedule["decay_steps"]
    if schedule["decay"] == "exponential":
        decay = schedule["decay_rate"] ** (int(part) if schedule.get("staircase") else part)
    else:
        decay = float(1 + torch.cos(torch.tensor(torch.pi * min(part, 1), dtype=torch.float64))) / 2
    return alpha + (1 - alpha) * decay


class Optimizer:
    def __init__(self, at):
        self.at, self.rule, self.steps = at, RULES[at["optimizer"]](at), 0

    def step(self, weights, gradients):
        """The weights by key after one more step."""
        rate = self.rule.rate * (schedule_factor(self.at["schedule"], self.steps) if "schedule" in self.at else 1)
        self.steps += 1
        gradients = clipped(gradients, self.at)
        return {key: self.rule.step(key, w, gradients[key], rate, self.steps) for key, w in weights.items()}
