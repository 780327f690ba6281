#!/usr/bin/env python3
"""Checks that the committed files of vectors are what make_vectors.py writes, byte for byte.

Where this machine's arithmetic differs in its last bits from that of the machine that wrote them, which the files
tell, it is all that is given that must be the same, and what is expected to 1e-13 of a number, or of 1 if that is more.
Needs Debian's python3-torch; without it the check is skipped (exit code 77)."""

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77
CLOSE = 1e-13


def python_with_torch():
    """Debian's own Python may not be the first one that is found."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            if subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 0:
                return python
        except OSError:
            continue
    return None


def difference(committed, written, container):
    """What differs between two files, as text; None if nothing does."""
    if committed == written:
        return None
    (was, old), (now, new) = container.decode(committed), container.decode(written)
    if was["arithmetic"] == now["arithmetic"]:
        return "other bytes than the script writes"
    if was["cases"] != now["cases"] or list(old) != list(new):
        return "other cases or tensors than the script writes"
    for name, (dtype, shape, values) in old.items():
        if new[name][:2] != (dtype, shape):
            return f"{name}: {dtype} {shape}, the script writes {new[name][0]} {new[name][1]}"
        allowed = CLOSE if dtype == "F64" else 0
        for a, b in zip(values, new[name][2]):
            if not (a == b or a != a and b != b or abs(a - b) <= allowed * max(abs(a), 1) < float("inf")):
                return f"{name}: {a!r}, the script writes {b!r}"
    print("another arithmetic than that of the committed vectors: compared number by number")
    return None


def check():
    import make_vectors
    from reference import container

    status = 0
    with tempfile.TemporaryDirectory() as folder:
        make_vectors.write_all(folder)
        committed = sorted(name for name in os.listdir(HERE) if name.endswith(".safetensors"))
        if committed != sorted(os.listdir(folder)):
            print(f"committed: {committed}, the script writes {sorted(os.listdir(folder))}")
            return 1
        for name in committed:
            with open(os.path.join(HERE, name), "rb") as old, open(os.path.join(folder, name), "rb") as new:
                what = difference(old.read(), new.read(), container)
            print(f"{name}: {what or 'as the script writes it'}")
            status |= what is not None
    return status


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    if sys.argv[1:] == ["with-torch"]:
        sys.exit(check())
    python = python_with_torch()
    if not python:
        print("skipped: no Python with torch (Debian: python3-torch)")
        sys.exit(SKIPPED)
    sys.exit(subprocess.run([python, __file__, "with-torch"]).returncode)
