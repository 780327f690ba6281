#!/usr/bin/env python3
"""The gradients example as its user meets it: test_gradients.py PATH_OF_GRADIENTS_PROGRAM."""

import os
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

STARTS = ("uniform, tanh", "orthogonal, tanh", "identity, relu", "1.05 identity, relu")
JUDGED = re.compile(
    r"(.+): (vanishing|healthy|exploding): from the last of (\d+) steps back to the first the norm of the gradient"
    r" \w+ from (\S+) to (\S+), a ratio of (\S+), or a factor of (\S+) a step.*"
)
TRAINED = re.compile(r"(.+), (not clipped|clipped): loss (\d+\.\d{4}), test accuracy (\d\.\d{3})")
NAN = re.compile(r"(.+), not clipped: the loss is not a number any more")
TRACED = re.compile(
    r"(.+), not clipped: \w+: (?:forward|backward), in (?:simple_rnn(?:/t=(\d+))?|dense|loss): .*"
    r"(?:NaN|infinity) at \[.*; in training step (\d+)"
)


def run(*arguments, stdout=subprocess.PIPE):
    command = [PROGRAM, *map(str, arguments)]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=500, check=False
    )


class Whole(unittest.TestCase):
    """One run with the defaults serves several tests."""

    @classmethod
    def setUpClass(cls):
        cls.done = run()
        cls.lines = cls.done.stdout.splitlines()

    def test_ran(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr)
        self.assertEqual(self.done.stderr, "")

    def test_verdicts(self):
        judged = [match for match in map(JUDGED.fullmatch, self.lines) if match]
        self.assertEqual([match[1] for match in judged], list(STARTS))
        self.assertEqual([match[2] for match in judged], ["vanishing", "healthy", "healthy", "exploding"])
        for match in judged:
            last, first, ratio, factor = map(float, match.groups()[3:])
            self.assertEqual(match[3], "200")
            self.assertAlmostEqual(first / last / ratio, 1, delta=0.02)
            self.assertAlmostEqual(factor**199 / ratio, 1, delta=0.1)
        self.assertLess(float(judged[0][6]), 1e-100)
        self.assertGreater(float(judged[2][6]), 0.1)
        self.assertGreater(float(judged[3][6]), 1e3)

    def test_plot(self):
        self.assertIn("            ||dL/dh_t|| by time step t, before training", self.lines)
        self.assertTrue(any(line.startswith("     1e-100 ") for line in self.lines))

    def test_training(self):
        trained = {match.groups()[:2]: float(match[4]) for match in map(TRAINED.fullmatch, self.lines) if match}
        lost = [match[1] for match in map(NAN.fullmatch, self.lines) if match]
        self.assertIn(STARTS[3], lost)
        self.assertEqual(len(trained) + len(lost), 2 * len(STARTS))
        for clipped in ("clipped", "not clipped"):
            self.assertLess(trained[STARTS[0], clipped], 0.65)  # what has vanished no clipping brings back
        for start in STARTS[1:]:
            self.assertGreater(trained[start, "clipped"], 0.95)


class Short(unittest.TestCase):
    short = ("--steps", 60, "--epochs", 2, "--units", 8)

    def test_threads_change_nothing(self):
        self.assertEqual(run(*self.short, "--threads", 1).stdout, run(*self.short, "--threads", 2).stdout)

    def test_seed_decides(self):
        self.assertNotEqual(run(*self.short, "--seed", 7).stdout, run(*self.short, "--seed", 8).stdout)

    def test_tracing(self):
        """Without tracing the loss is not a number; with it the first op is named, and nothing else changes."""
        options = ("--steps", 150, "--epochs", 1, "--units", 16)
        plain, traced = run(*options).stdout.splitlines(), run(*options, "--trace-nan").stdout.splitlines()
        self.assertEqual(len(plain), len(traced))
        found = 0
        for before, after in zip(plain, traced):
            if NAN.fullmatch(before):
                self.assertRegex(after, TRACED)
                found += 1
            else:
                self.assertEqual(before, after)
        self.assertGreater(found, 0)

    def test_picture(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "norms.svg")
            done = run(*self.short, "--svg", path)
            self.assertEqual(done.returncode, 0, done.stderr)
            root = xml.etree.ElementTree.parse(path).getroot()
        svg = "{http://www.w3.org/2000/svg}"
        texts = [text.text for text in root.iter(svg + "text")]
        self.assertLessEqual(set(STARTS), set(texts))
        lines = [path.get("d") for path in root.iter(svg + "path") if path.get("fill") == "none"]
        self.assertEqual(len(lines), len(STARTS))
        for line in lines:
            self.assertEqual(line.count("M") + line.count("L"), 60)


class CommandLine(unittest.TestCase):
    def test_help(self):
        done = run("--help")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stderr, "")
        for option, default in (("steps", "200"), ("units", "32"), ("epochs", "10"), ("seed", "0")):
            self.assertRegex(done.stdout, rf"--{option}=N [^-]*\(default: {default}")
        self.assertIn("--trace-nan", done.stdout)

    def test_mistakes(self):
        for arguments, complaint in (
            (("--steps", "1"), "--steps 1: expected 2 to"),
            (("--epochs", "0"), "--epochs 0: expected 1 to"),
            (("--clip", "-1"), "--clip -1: expected"),
            (("--seed", "-1"), "--seed -1: expected 0 to"),
            (("--layers", "3"), "--layers: unknown option"),
            (("stray",), "stray: unexpected"),
        ):
            with self.subTest(arguments=arguments):
                done = run(*arguments)
                self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertRegex(done.stderr, r"^gradients: .*; see gradients --help\n$")
                self.assertIn(complaint, done.stderr)

    def test_picture_that_cannot_be_written(self):
        done = run("--svg", "/nonexistent/norms.svg")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, "")
        self.assertIn("gradients: /nonexistent/norms.svg", done.stderr)

    def test_standard_output_that_is_full(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = run("--steps", 20, "--epochs", 1, stdout=full)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "^gradients: .*cannot be written\n")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: test_gradients.py PATH_OF_GRADIENTS_PROGRAM [unittest's options and test names]")
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
