#!/usr/bin/env python3
"""The custom_op example as its user meets it: test_custom_op.py PATH_OF_CUSTOM_OP_PROGRAM."""

import os
import re
import subprocess
import sys
import unittest

from support import same_for_any_threads

BOUND = 0.02  # what the program promises of its own model
CHECKED = re.compile(r"snake: all (\d+) derivatives agree")
WRONG = re.compile(
    r"(snake [a-z ]+) \(([a-z0 ]+)\): input (\d) \[[\d, ]+\], element \[[\d, ]+\]:"
    r" analytic (\S+), numeric (\S+): (.+)"
)
LOSS = re.compile(r"(snake|tanh): loss before (\d+\.\d{4}), after (\d+\.\d{4}), beyond (\d+\.\d{4})")


def run(*arguments, stdout=subprocess.PIPE):
    command = [PROGRAM, *map(str, arguments)]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=250, check=False
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
        self.assertEqual(len(self.lines), 8)

    def test_right_op_passes(self):
        (checked,) = filter(None, map(CHECKED.fullmatch, self.lines))
        self.assertEqual(int(checked[1]), (4 + 4) + (30 + 3) + (6 + 2))

    def test_wrong_ops_are_explained(self):
        sign, term = filter(None, map(WRONG.fullmatch, self.lines))
        self.assertEqual((sign[1], sign[3], sign[6]), ("snake of wrong sign", "1", "wrong sign"))
        self.assertAlmostEqual(float(sign[4]), -float(sign[5]), places=4)
        self.assertEqual((term[1], term[3], term[6]), ("snake without a term", "1", "a missing or wrong term"))
        self.assertGreater(abs(float(term[4]) - float(term[5])), 0.01)

    def test_learns(self):
        snake, tanh = filter(None, map(LOSS.fullmatch, self.lines))
        self.assertEqual((snake[1], tanh[1]), ("snake", "tanh"))
        before, after, beyond = map(float, snake.groups()[1:])
        self.assertGreater(before, 10 * BOUND)
        self.assertLess(after, BOUND)
        self.assertLess(after, float(tanh[3]) / 4)
        self.assertLess(beyond, float(tanh[4]) / 4)


class Short(unittest.TestCase):
    def train(self, *options):
        """What a training too short to learn prints; that it is too short is an error of its own."""
        done = run("--epochs", 2, *options)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        complaint = r"^custom_op: with snake the loss is \d\.\d{4} after 2 epochs, expected below 0\.02\n$"
        self.assertRegex(done.stderr, complaint)
        return done.stdout

    def test_threads_change_nothing(self):
        same_for_any_threads(self, PROGRAM, "--epochs", 2, files=(), status=1, threads=4)

    def test_seed_decides(self):
        self.assertEqual(self.train("--seed", 7), self.train("--seed", 7))
        self.assertNotEqual(self.train("--seed", 7), self.train("--seed", 8))


class CommandLine(unittest.TestCase):
    def test_help(self):
        done = run("--help")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stderr, "")
        for option, default in (("epochs", "200"), ("seed", "0"), ("threads", "all cores")):
            self.assertRegex(done.stdout, rf"--{option}=N [^-]*\(default: {default}")

    def test_mistakes(self):
        for arguments, complaint in (
            (("--epochs", "0"), "--epochs 0: expected 1 to"),
            (("--epochs", "1e3"), "1e3: invalid numeric value"),
            (("--epochs", "99999999999"), "99999999999: number too large"),
            (("--seed", "-1"), "--seed -1: expected 0 to"),
            (("--threads", "-2"), "--threads -2: expected 0 to"),
            (("--units", "3"), "--units: unknown option"),
            (("--epochs",), "--epochs: missing argument"),
            (("stray",), "stray: unexpected"),
        ):
            with self.subTest(arguments=arguments):
                done = run(*arguments)
                self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertRegex(done.stderr, r"^custom_op: .*; see custom_op --help\n$")
                self.assertIn(complaint, done.stderr)

    def test_standard_output_that_is_full(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = run(stdout=full)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "custom_op: standard output cannot be written\n")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: test_custom_op.py PATH_OF_CUSTOM_OP_PROGRAM [unittest's options and test names]")
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
