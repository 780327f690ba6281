#!/usr/bin/env python3
"""What a training survives: test_survival.py IMDB MNIST CHAR_RNN, the paths of the programs.

A training is killed at random moments, 30 times char_rnn and fewer times the others, and resumed each time: in the
end its files have the same bytes as those of one that nobody disturbed. The seed of the moments is printed;
SURVIVAL_SEED sets it, SURVIVAL_KILLS the number of kills for each program.
"""

import json
import os
import pathlib
import random
import signal
import struct
import subprocess
import sys
import time
import unittest

import test_mnist
from support import Case, history

PROGRAMS = {}
SEED = int(os.environ.get("SURVIVAL_SEED", random.SystemRandom().randrange(10**6)))
KILLS = int(os.environ.get("SURVIVAL_KILLS", 0))
TEXT = "".join(random.Random(5).choices("abcdefgh \n", k=12000))
GLANCE, PATIENCE = 0.0005, 240  # seconds between looks at a file; and until something is clearly broken


def steps_in(path):
    """The steps that a checkpoint has behind it; -1 if there is none."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return -1
    size = struct.unpack("<Q", content[:8])[0]
    start = json.loads(content[8 : 8 + size])["optimizer/steps"]["data_offsets"][0] + 8 + size
    return int(struct.unpack("<d", content[start : start + 8])[0])


class Training:
    """One program with its options, and the folder its files are in."""

    def __init__(self, name, folder, *options):
        self.name, self.folder, self.options = name, folder, list(map(str, options))
        folder.mkdir()
        self.checkpoint, self.log, self.model = (folder / file for file in ("checkpoint", "log", "model"))

    def start(self, *options):
        files = ("--checkpoint", self.checkpoint, "--log", self.log, "--save", self.model)
        return self.start_plain(*files, *options)

    def start_plain(self, *options):
        environment = {name: value for name, value in os.environ.items() if name != "TAPELOOP_DATA"}
        environment.update(XDG_CACHE_HOME="/nonexistent", HOME="/nonexistent", OMP_WAIT_POLICY="passive")
        return subprocess.Popen(
            [PROGRAMS[self.name], *self.options, *map(str, options)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip

    def temporary(self):
        return [path.name for path in self.folder.iterdir() if path.name.startswith(".tapeloop")]

    def result(self):
        return self.model.read_bytes(), history(self.log), self.checkpoint.read_bytes()


class Survival(Case):
    every = 1

    def assert_same(self, result, expected):
        for what, one, other in zip(("model", "log", "checkpoint"), result, expected):
            self.assertTrue(one == other, f"the {what} differs")  # assertEqual would show where, for minutes

    def finish(self, process):
        """Waits for the end of a process that should succeed. What it printed."""
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 0, err)
        return out, err

    def wait_for(self, training, process, is_reached):
        """Until the training is there. False if the program has ended before."""
        end = time.monotonic() + PATIENCE
        while not is_reached():
            if process.poll() is not None:
                return False
            self.assertLess(time.monotonic(), end, "no progress")
            time.sleep(GLANCE)
        return True

    def wait_for_steps(self, training, process, steps):
        return self.wait_for(training, process, lambda: steps_in(training.checkpoint) >= steps)

    def whole(self, name, *options):
        """A training that nobody disturbs: what it leaves, what it prints, and its steps."""
        whole = Training(name, self.folder / "whole", *options)
        printed = self.finish(whole.start("--checkpoint-every", self.every))[0]
        return whole.result(), printed, steps_in(whole.checkpoint)

    def kill_once(self, training, source, steps, target):
        """Runs the training on and kills it when it has come to a step, or soon after its start. Whether it did."""
        process = training.start("--checkpoint-every", self.every, "--resume")
        kind = source.choice(("start", "step", "step", "write", "write"))
        if kind == "start":
            time.sleep(source.uniform(0, 0.2))
        elif self.wait_for_steps(training, process, target):
            if kind == "write":
                self.wait_for(training, process, training.temporary)
            else:
                time.sleep(source.uniform(0, 0.01))
        process.kill()
        process.communicate()
        return process.returncode == -signal.SIGKILL

    def assert_survives(self, kills, name, *options):
        kills = KILLS or kills
        source = random.Random(SEED)
        result, printed, steps = self.whole(name, *options)
        killed = found = rounds = 0
        while killed < kills:  # again from the beginning, should a training have come to its end too soon
            rounds += 1
            training = Training(name, self.folder / f"killed-{rounds}", *options)
            for target in sorted(source.randrange(steps) for _ in range(kills - killed)):
                if not self.kill_once(training, source, steps, target):
                    break
                killed += 1
                found += bool(training.temporary())
            out, _ = self.finish(training.start("--checkpoint-every", self.every, "--resume"))
            self.assert_same(training.result(), result)
            self.assertEqual(out, printed)
            self.assertEqual({path.name for path in training.folder.iterdir()}, {"checkpoint", "log", "model"})
        print(
            f"{name}: {killed} kills in {steps} steps survived, {found} of them while a file was written, "
            f"SURVIVAL_SEED={SEED}, trainings: {rounds}", flush=True,
        )  # fmt: skip

    def assert_stops(self, name, *options):
        """SIGINT and SIGTERM, and then on."""
        result, printed, steps = self.whole(name, *options)
        training = Training(name, self.folder / "stopped", *options)
        for number, status, part in ((signal.SIGINT, 130, 0.2), (signal.SIGTERM, 143, 0.5)):
            process = training.start("--checkpoint-every", self.every, "--resume")
            self.assertTrue(self.wait_for_steps(training, process, int(part * steps)))
            process.send_signal(number)
            _, err = process.communicate(timeout=PATIENCE)
            self.assertEqual(process.returncode, status, err)
            self.assertEqual(
                err.splitlines()[-1],
                f"{name}: ended by {number.name}; with --resume it goes on from {training.checkpoint}",
            )
            self.assertLess(steps_in(training.checkpoint), steps)
            self.assertEqual({path.name for path in training.folder.iterdir()}, {"checkpoint", "log"})
        out, err = self.finish(training.start("--checkpoint-every", self.every, "--resume"))
        self.assertRegex(err, r"Going on after (step \d+ in )?epoch \d+ of ")
        self.assert_same(training.result(), result)
        self.assertEqual(out, printed)


class CharRnn(Survival):
    def options(self):
        text = self.folder / "text"
        text.write_text(TEXT)
        return ("--text", text, "--batch-size", 4, "--window", 16, "--units", 24, "--layers", 2, "--epochs", 2,
                "--dropout", 0.1, "--recurrent-dropout", 0.1, "--sample", 20)  # fmt: skip

    def test_killed(self):
        self.assert_survives(30, "char_rnn", *self.options())

    def test_stopped(self):
        self.assert_stops("char_rnn", *self.options())

    def test_stopped_between_checkpoints(self):
        """What a signal stops is saved at that step, however long it is to the next regular checkpoint."""
        self.every = 1000
        options = self.options()
        result, _, steps = self.whole("char_rnn", *options)
        training = Training("char_rnn", self.folder / "stopped", *options)
        process = training.start("--checkpoint-every", self.every)
        while not training.log.exists():
            self.assertIsNone(process.poll())
            time.sleep(GLANCE)
        process.terminate()
        _, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 143, err)
        self.assertIn(steps_in(training.checkpoint), range(steps))
        self.finish(training.start("--checkpoint-every", self.every, "--resume"))
        self.assert_same(training.result(), result)

    def test_stopped_without_a_checkpoint(self):
        training = Training("char_rnn", self.folder / "stopped", *self.options(), "--epochs", 100000)
        process = training.start_plain("--log", training.log)
        while not training.log.exists():
            self.assertIsNone(process.poll())
            time.sleep(GLANCE)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 130, err)
        self.assertEqual(err.splitlines()[-1], "char_rnn: ended by SIGINT")


class Mnist(Survival):
    def options(self):
        test_mnist.write_set(self.folder / "data" / "mnist", test_mnist.bars)
        return ("--data", self.folder / "data", "--epochs", 3, "--batch-size", 16, "--units", 20, "--show", 0,
                "--validation-split", 0.2, "--schedule", "plateau", "--recurrent-dropout", 0.1)  # fmt: skip

    def test_killed(self):
        self.assert_survives(8, "mnist", *self.options())

    def test_stopped(self):
        self.assert_stops("mnist", *self.options())


class Imdb(Survival):
    every = 2

    def options(self):
        return ("--epochs", 2, "--batch-size", 512, "--maxlen", 12, "--units", 8, "--schedule", "cosine",
                "--bidirectional", "--dropout", 0.2, "--mask")  # fmt: skip

    def test_killed(self):
        self.assert_survives(6, "imdb", *self.options())

    def test_stopped(self):
        self.assert_stops("imdb", *self.options())


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(f"usage: {sys.argv[0]} IMDB MNIST CHAR_RNN [unittest's options and test names]")
    for program in "imdb", "mnist", "char_rnn":
        PROGRAMS[program] = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
