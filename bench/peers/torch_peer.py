#!/usr/bin/python3
"""PyTorch: whole training steps, nn.GRU with all gradients, and one step of one sequence by nn.RNN, each as who uses
PyTorch would write it. torch_peer.py CASE [THREADS [SECONDS]], with the names of bench; prints a line.
"""

import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional

POOL = 64  # batches, as in ours
LEAST_SAMPLES = 7
LEAST_SAMPLE = 50e-6  # seconds

# time, rows, words (0: features come in), features, units, outputs, whether every step has one
STEPS = {
    "imdb": (500, 128, 10000, 32, 32, 1, False),
    "rows": (28, 32, 0, 28, 50, 10, False),
    "pixels": (784, 32, 0, 1, 100, 10, False),
    "char": (64, 32, 65, 256, 256, 65, True),
}


class Network(nn.Module):
    def __init__(self, words, features, units, outputs, every_step):
        super().__init__()
        self.embedding = nn.Embedding(words, features) if words else nn.Identity()
        self.rnn = nn.RNN(features, units, batch_first=True)
        self.dense = nn.Linear(units, outputs)
        self.every_step = every_step

    def forward(self, x):
        outputs, last = self.rnn(self.embedding(x))
        return self.dense(outputs if self.every_step else last[0])


def training_step(name):
    steps, rows, words, features, units, outputs, every_step = STEPS[name]
    network = Network(words, features, units, outputs, every_step)
    if outputs == 1:
        optimizer = torch.optim.RMSprop(network.parameters(), lr=1e-3, alpha=0.9, eps=1e-7)
    else:
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, eps=1e-7)
    x = torch.randint(words, (POOL, rows, steps)) if words else 2 * torch.rand(POOL, rows, steps, features) - 1
    y = torch.randint(max(outputs, 2), (POOL, rows, steps) if every_step else (POOL, rows))
    y = y.float() if outputs == 1 else y
    batch = 0

    def step():
        nonlocal batch
        optimizer.zero_grad()
        logits = network(x[batch])
        if outputs == 1:
            loss = functional.binary_cross_entropy_with_logits(logits.squeeze(1), y[batch])
        else:
            loss = functional.cross_entropy(logits.reshape(-1, outputs), y[batch].reshape(-1))
        loss.backward()
        if every_step:
            nn.utils.clip_grad_norm_(network.parameters(), 5)
        optimizer.step()
        batch = (batch + 1) % POOL

    return step


def gated_layer(units):
    layer = nn.GRU(units, units, batch_first=True)
    x = torch.rand(64, 100, units, requires_grad=True)
    dy = torch.rand(64, 100, units)

    def step():
        layer.zero_grad()
        x.grad = None
        layer(x)[0].backward(dy)

    return step


def time_step(units):
    layer = nn.RNN(units, units, batch_first=True)
    x, state = torch.rand(1, 1, units), torch.zeros(1, 1, units)

    def step():
        nonlocal state
        state = layer(x, state)[1]

    return step


def find(case):
    group, name = case.split("/")
    if group == "steps" and name in STEPS:
        return training_step(name)
    if group == "layers" and name.startswith("gru"):
        return gated_layer(int(name[3:]))
    if group == "latency" and name.startswith("rnn"):
        torch.set_grad_enabled(False)
        return time_step(int(name[3:]))
    sys.exit(f"torch_peer.py: {case}: no such case")


def measure(step, seconds):
    """As bench/measure.c does it: milliseconds of a step in each sample."""
    start = last = time.perf_counter()
    shortest, warm = seconds, 0
    while warm < 3 or last - start < seconds / 10:
        step()
        now = time.perf_counter()
        shortest, last, warm = min(shortest, now - last), now, warm + 1
    runs = int(LEAST_SAMPLE / shortest) + 1 if shortest < LEAST_SAMPLE else 1
    samples = []
    start = last = time.perf_counter()
    while len(samples) < LEAST_SAMPLES or last - start < seconds:
        for _ in range(runs):
            step()
        now = time.perf_counter()
        samples.append(1e3 * (now - last) / runs)
        last = now
    return samples


def main():
    if not 2 <= len(sys.argv) <= 4:
        sys.exit("usage: torch_peer.py CASE [THREADS [SECONDS]]")
    case = sys.argv[1]
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 1.0
    torch.set_flush_denormal(True)  # before there are other threads, which inherit it
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    samples = measure(find(case), seconds)
    print(f"{case} threads {threads} min {min(samples):.6g} ms median {statistics.median(samples):.6g} ms")


if __name__ == "__main__":
    main()
