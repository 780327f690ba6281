#!/usr/bin/env python3
"""The custom_cell example as its user meets it: test_custom_cell.py PATH_OF_CUSTOM_CELL_PROGRAM."""

import json
import pathlib
import re
import shutil
import struct
import tempfile

import support
from support import Case, history, run, values

CELL = pathlib.Path(__file__).parents[2] / "examples" / "custom_cell" / "gru.c"
EPOCHS = 8
SMALL = ("--time", 20, "--samples", 2000, "--units", 16, "--epochs", EPOCHS)
TINY = ("--time", 6, "--samples", 64, "--units", 5, "--epochs", 2, "--factor", 0)

VARIANT = re.compile(
    r"(\w+): (?:([\w ]+) by (\S+), )?mse (\d+\.\d{4}) -> (\d+\.\d{4})(?:, (\d+) derivatives agree)?"
)
FEATURES, UNITS = 2, 4  # of the networks whose gradients are checked
CELL_WEIGHTS = 3 * UNITS * (FEATURES + UNITS + 1)
CHECKED = {
    "masking": CELL_WEIGHTS + UNITS + 1,
    "two_layers": CELL_WEIGHTS + 3 * UNITS * (UNITS + UNITS + 1) + UNITS + 1,
    "reversed": CELL_WEIGHTS + UNITS + 1,
    "bidirectional": 2 * CELL_WEIGHTS + 2 * UNITS + 1,
    "stateful": None,
    "dropout": CELL_WEIGHTS + UNITS + 1,
    "recurrent_dropout": CELL_WEIGHTS + UNITS + 1,
}
COMPARED = {"masking", "reversed", "stateful", "dropout", "recurrent_dropout"}


def variants_of(done):
    return [match.groups() for match in map(VARIANT.fullmatch, done.stdout.splitlines()) if match]


def write_safetensors(path, header, data=b""):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def read_safetensors(path):
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


class Cell(Case):
    def test_is_short(self):
        self.assertLess(len(CELL.read_text().splitlines()), 80)

    def test_is_a_user_s(self):
        """Nothing but what is installed."""
        text = CELL.read_text() + CELL.with_suffix(".h").read_text()
        self.assertEqual(set(re.findall(r"#include (\S+)", text)), {'"gru.h"', "<stdlib.h>", "<tapeloop.h>"})


class Trained(Case):
    """One training serves several tests."""

    @classmethod
    def setUpClass(cls):
        cls.shared = pathlib.Path(tempfile.mkdtemp(prefix="custom-cell-"))
        cls.addClassCleanup(shutil.rmtree, cls.shared)
        cls.model, cls.log = cls.shared / "gru.safetensors", cls.shared / "log.csv"
        cls.done = run(*SMALL, "--threads", 1, "--save", cls.model, "--log", cls.log)

    def test_gru_learns_and_simple_rnn_does_not(self):
        self.assert_ran(self.done)
        found = values(self.done.stdout)
        self.assertAlmostEqual(found["constant_mse"], 1 / 6, delta=0.01)
        self.assertLess(found["gru_mse"], found["constant_mse"] / 30)
        self.assertGreater(found["simple_rnn_mse"], found["constant_mse"] / 3)

    def test_cell_has_all_that_layers_have(self):
        self.assertEqual([name for name, *_ in variants_of(self.done)], list(CHECKED))
        for name, claim, difference, before, after, checked in variants_of(self.done):
            with self.subTest(name):
                self.assertEqual(claim is not None, name in COMPARED)
                self.assertIn(difference, (None, "0"))
                self.assertLess(float(after), float(before) / 5)
                self.assertEqual(checked and int(checked), CHECKED[name])

    def test_log_is_of_the_gru(self):
        rows = history(self.log)
        self.assertEqual([row["epoch"] for row in rows], list(range(1, EPOCHS + 1)))
        self.assertLess(min(row["val_loss"] for row in rows), 0.01)

    def test_loaded_model_gives_the_same(self):
        done = run("--load", self.model, "--time", 20)
        self.assert_ran(done)
        before, after = values(self.done.stdout), values(done.stdout)
        self.assertEqual(set(after), {"constant_mse", "gru_mse"})
        for name, value in after.items():
            self.assertEqual(value, before[name])

    def test_loaded_model_takes_sequences_of_any_length(self):
        done = run("--load", self.model, "--time", 12, "--factor", 5)
        self.assert_ran(done)
        self.assertNotEqual(values(done.stdout)["gru_mse"], values(self.done.stdout)["gru_mse"])

    def test_factor_decides(self):
        done = run("--load", self.model, "--time", 20, "--factor", 1e6)
        self.assert_complains(done, 1, "is not 1e+06 times below the constant answer's", values(done.stdout)["gru_mse"])

    def test_model_of_other_units(self):
        header, data = read_safetensors(self.model)
        header["__metadata__"]["custom_cell.gru"] = '{"units":17}'
        path = write_safetensors(self.folder / "other.safetensors", header, data)
        self.assert_fails(run("--load", path), path, "gru/kernel", "[2, 48]", "[2, 51]")

    def test_promises(self):
        self.assert_promises_are_refused((), ({"custom_cell.gru": {"units": 4096}}, "[4096, 4096]"))

    def test_files_that_hold_no_such_model(self):
        header, data = read_safetensors(self.model)
        for config in ({}, {"custom_cell.gru": "[]"}, {"custom_cell.gru": '{"units":0}'}, {"custom_cell.gru": "x"}):
            with self.subTest(config):
                header["__metadata__"] = config
                path = write_safetensors(self.folder / "other.safetensors", header, data)
                self.assert_fails(run("--load", path), path, "not a model saved by this program")


class Short(Case):
    def test_threads_change_nothing(self):
        self.assert_same_for_any_threads(
            "--time", 6, "--samples", 1200, "--units", 5, "--epochs", 1, "--factor", 0, "--batch-size", 600
        )

    def test_too_short_a_training_is_an_error(self):
        done = run(*TINY, "--factor", 10)
        self.assert_complains(done, 1, "the GRU's error of 0.", "is not 10 times below the constant answer's, 0.")
        self.assertEqual(variants_of(done), [])

    def test_seed_decides(self):
        first, same, other = (run(*TINY, "--seed", seed) for seed in (7, 7, 8))
        self.assert_ran(first)
        self.assertEqual(first.stdout, same.stdout)
        self.assertNotEqual(values(first.stdout)["gru_mse"], values(other.stdout)["gru_mse"])
        self.assertEqual(values(first.stdout)["constant_mse"], values(other.stdout)["constant_mse"])


class CommandLine(Case):
    def test_help(self):
        done = run("--help")
        self.assert_ran(done)
        for option, default in (
            ("units", "64"), ("time", "100"), ("samples", "10000"), ("factor", "10"), ("epochs", "5"),
            ("batch-size", "32"), ("lr", "0.01"), ("seed", "0"), ("threads", "all cores"),
        ):  # fmt: skip
            self.assertRegex(done.stdout, rf"--{option}=[NX] [^-]*\(default:\s+{default}")

    def test_mistakes(self):
        for option, value, complaint in (
            ("units", 0, "expected 1 to 4096"),
            ("time", 1, "expected 2 to 10000"),
            ("samples", 1, "expected 2 to"),
            ("samples", "1e3", "invalid numeric value"),
            ("factor", -1, "expected 0 to"),
            ("factor", "nan", "nan"),
            ("epochs", 0, "expected 1 to"),
            ("seed", -1, "expected 0 to"),
        ):
            with self.subTest(option=option, value=value):
                self.assert_misused(run(f"--{option}={value}"), value, complaint)
        self.assert_misused(run("stray"), "stray: unexpected")
        self.assert_misused(run("--cells", 3), "--cells: unknown option")
        self.assert_misused(run("--load", "a", "--save", "b"), "--load", "--save")

    def test_files(self):
        nowhere, text = self.folder / "nowhere" / "gru.safetensors", self.folder / "text"
        text.write_text("not a model")
        self.assert_fails(run("--load", nowhere), nowhere, "cannot be read")
        self.assert_fails(run("--load", text), text)
        self.assert_fails(run("--save", nowhere), nowhere, "cannot be written")


if __name__ == "__main__":
    support.main()
