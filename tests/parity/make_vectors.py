#!/usr/bin/env python3
"""Writes the vectors that the tests of this folder hold the library against.

    /usr/bin/python3 make_vectors.py [FOLDER]

needs Debian's python3-torch and nothing else. Without FOLDER the files are written beside this script, where they
are committed; the test check_vectors makes them once more and compares.

A file of vectors is a safetensors file. The value of its metadata's key "cases" is JSON: a list with an object for
each case that says what is computed ("layers", "optimizer", "loss") and with which options. The first part of a case's
name is the group that it is reported with, and for ops the op. Its tensors are named after it, "stacked/two/loss";
those of ops, many and small, lie in two tensors for all. What is given is F32 (numbers that float32 holds exactly, so
that the same case is fair to it), I32 or U8; what is expected is F64. The programs test_*.c say how cases are carried
out.

What is expected comes from float64 formulas written out here and from torch's own differentiation of them; where
Keras 3 and PyTorch define a thing differently, the formula is Keras's. reference/ has a file for each kind.
"""

import os
import sys

# The same bits on every machine: no kernels chosen by the processor, no threads.
os.environ["ATEN_CPU_CAPABILITY"] = "default"
os.environ["OMP_NUM_THREADS"] = "1"
sys.dont_write_bytecode = True

from reference import agreement, container, losses, models, ops, optimizers, training  # noqa: E402

FILES = {
    "losses.safetensors": losses.vectors,
    "models.safetensors": models.vectors,
    "ops.safetensors": ops.vectors,
    "optimizers.safetensors": optimizers.vectors,
    "training.safetensors": training.vectors,
}


def write_all(folder):
    agreement.check()
    for name, vectors in FILES.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(container.encode(*vectors()))


if __name__ == "__main__":
    write_all(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
