#!/usr/bin/env python3
"""The char_rnn example as its user meets it: test_char_rnn.py PATH_OF_CHAR_RNN_PROGRAM.

It learns a text that is made here. Tiny Shakespeare is read only where TAPELOOP_DATA says it is; without it, the
test of that says SKIPPED.
"""

import functools
import gzip
import math
import os
import pathlib
import random
import re
import shutil
import struct
import tempfile
import unittest

import support
from support import Case, history, run, values

SENTENCES = (
    "Zwölf Boxkämpfer jagen Viktor über den Deich.\n",
    "«Où ça, garçon?» demanda l'élève à Noël.\n",
    "Η γάτα κοιμάται 😀 στο ζεστό χαλί.\n",
    "Plain words, 12 of them, are here too!\n",
)
TEXT = "".join(random.Random(5).choices(SENTENCES, k=150))
ALPHABET = set(TEXT)
INITIALIZERS = ("orthogonal", "identity", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal",
                "random_uniform", "random_normal")  # fmt: skip
SHAKESPEARE = "tinyshakespeare.txt"
REAL_DATA = os.environ.get("TAPELOOP_DATA")

SHAPE = ("--batch-size", 8, "--window", 32)
QUICK = (*SHAPE, "--units", 48, "--epochs", 15, "--lr", 0.01, "--sample", 60)
TINY = (*SHAPE, "--units", 6, "--epochs", 1, "--sample", 0)
LEARNED = 0.5  # val_loss of what learned; which sentence comes next costs 0.034, equal chances 4.19

SCORE = re.compile(r"^val_loss: (\d+\.\d{4}) bits_per_character: (\d+\.\d{4}) perplexity: (\d+\.\d{3})\n", re.M)


def sample_of(done):
    """What was written behind the report of the training, without the line end that closes it."""
    written = done.stdout[SCORE.search(done.stdout).end() :]
    if not written.endswith("\n"):
        raise AssertionError(written)
    return written[:-1]


class Text(Case):
    """With a file that has the text."""

    @classmethod
    def setUpClass(cls):
        cls.shared = pathlib.Path(tempfile.mkdtemp(prefix="char-rnn-"))
        cls.addClassCleanup(shutil.rmtree, cls.shared)
        cls.text = cls.shared / "text"
        cls.text.write_text(TEXT, encoding="utf-8")

    def train(self, *options):
        done = run("--text", self.text, *options)
        self.assert_ran(done)
        return done

    def saved(self, *options):
        """The bytes of the file that is saved after a training."""
        path = self.folder / "model"
        self.train(*options, "--save", path)
        return path.read_bytes()

    def assert_learns(self, *options, bound=LEARNED):
        done = self.train(*QUICK, *options)
        self.assertLess(values(done.stdout)["val_loss"], bound, done.stderr)
        return done


class Writer(Text):
    """One training serves several tests."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model, cls.log = cls.shared / "model", cls.shared / "log.csv"
        cls.done = run("--text", cls.text, *QUICK, "--save", cls.model, "--log", cls.log)

    def write(self, count, *options):
        """A sample of the saved model."""
        done = run("--load", self.model, "--sample", count, *options)
        self.assert_ran(done)
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.stdout[-1:], "\n")
        return done.stdout[:-1]

    def test_learns(self):
        self.assert_ran(self.done)
        self.assertLess(values(self.done.stdout)["val_loss"], LEARNED)
        first, *_, last = history(self.log)
        self.assertLess(last["val_loss"], first["val_loss"] / 3)
        self.assertLess(last["loss"], 0.2)
        self.assertEqual(last["epoch"], 15)

    def test_score(self):
        loss, bits, perplexity = map(float, SCORE.search(self.done.stdout).groups())
        self.assertAlmostEqual(bits, loss / math.log(2), delta=1.5e-4)
        self.assertAlmostEqual(perplexity, math.exp(loss), delta=6e-4)
        losses = [epoch["val_loss"] for epoch in history(self.log)]
        self.assertEqual(loss, round(min(losses), 4))
        self.assertIn(f"best_epoch: {losses.index(min(losses)) + 1} val_loss: {loss:.4f}\n", self.done.stdout)

    def test_says_what_it_reads_and_does(self):
        first, *epochs = self.done.stderr.splitlines()
        self.assertEqual(first, f"Data: {self.text}")
        self.assertEqual(len(epochs), 15)
        for number, line in enumerate(epochs, 1):
            self.assertRegex(line, rf"^Epoch {number}/15 - .* - val_loss: \d")

    def test_summary(self):
        count = len(ALPHABET)
        for name, shape, parameters in (
            ("embedding", "(None, None, 48)", 48 * count),
            ("simple_rnn", "(None, None, 48)", 48 * 97),
            ("dense", f"(None, None, {count})", 49 * count),
        ):
            self.assertRegex(self.done.stdout, rf"\n{name} \({name}\) +{re.escape(shape)} +{parameters:,}\n")

    def test_leaves_nothing_beside_its_files(self):
        self.assertEqual({path.name for path in self.shared.iterdir()}, {"text", "model", "log.csv"})

    def test_length_and_alphabet(self):
        self.assertEqual(len(sample_of(self.done)), 60)
        for count in (1, 7, 500):
            sample = self.write(count)
            self.assertEqual(len(sample), count)
            self.assertLessEqual(set(sample), ALPHABET)
        self.assertEqual(run("--load", self.model, "--sample", 0, "--prime", "Zwölf").stdout, "")
        self.assertEqual(len(self.write(500, "--temperature", 1000)), 500)

    def test_loaded_writes_the_same(self):
        self.assertEqual(self.write(60), sample_of(self.done))

    def test_seed_decides(self):
        self.assertEqual(self.write(80, "--seed", 3), self.write(80, "--seed", 3))
        self.assertNotEqual(self.write(80, "--seed", 3), self.write(80, "--seed", 4))
        self.assertEqual(self.write(80), self.write(80, "--seed", 0))
        self.assertTrue(self.write(80).startswith(self.write(30)))

    def test_likeliest(self):
        samples = {self.write(80, "--temperature", 0, "--seed", seed) for seed in range(3)}
        self.assertEqual(len(samples), 1)
        for temperature in (0.5, 1, 100):
            self.assertEqual({self.write(80, "--top-k", 1, "--temperature", temperature)}, samples)
        self.assertEqual({self.write(80, "--temperature", 1e-6)}, samples)
        self.assertIn(samples.pop()[:30], TEXT)

    def test_temperature(self):
        """Hotter is wilder, up to equal chances for all characters."""
        distinct = [len(set(self.write(300, "--temperature", t))) for t in (0, 1000)]
        self.assertLess(distinct[0], 50)
        self.assertGreater(distinct[1], 0.9 * len(ALPHABET))

    def test_top_k(self):
        everything = self.write(80)
        for count in (len(ALPHABET), 10 * len(ALPHABET)):
            self.assertEqual(self.write(80, "--top-k", count), everything)
        wild = ("--temperature", 1000, "--top-k")
        self.assertNotEqual(self.write(80, *wild, 2), self.write(80, *wild, 40))

    def test_prime(self):
        for sentence in SENTENCES:
            for length in (5, 12):
                with self.subTest(prime=sentence[:length]):
                    sample = self.write(len(sentence) - length, "--prime", sentence[:length], "--temperature", 0)
                    self.assertEqual(sample, sentence)
        self.assertEqual(self.write(50, "--prime", ""), self.write(50))
        self.assertEqual(self.write(50, "--prime", "\n"), "\n" + self.write(50))

    def test_prime_with_unknown_character(self):
        for prime, said in (("Zwölf €", 'U+20AC "€" at byte 7'), ("\t", "U+0009 at byte 0"), (os.fsdecode(b"ab\xff"), "byte 2")):
            with self.subTest(prime=prime):
                loading = run("--load", self.model, "--prime", prime)
                self.assert_fails(loading, said)
                self.assertEqual(loading.stdout, "")
                path = self.folder / "new"
                self.assert_fails(run("--text", self.text, *TINY, "--prime", prime, "--save", path), said)
                self.assertFalse(path.exists())

    def test_sample_after_training_is_of_the_best_epoch(self):
        """What was measured, saved and written is one thing: a rate that ruins the later epochs changes none."""
        model, log = self.folder / "model", self.folder / "log.csv"
        done = self.train(*QUICK, "--epochs", 8, "--lr", 0.3, "--save", model, "--log", log)
        losses = [epoch["val_loss"] for epoch in history(log)]
        self.assertLess(min(losses), losses[-1])
        self.assertEqual(float(SCORE.search(done.stdout)[1]), round(min(losses), 4))
        self.assertEqual(run("--load", model, "--sample", 60).stdout[:-1], sample_of(done))


class DamagedModels(Text):
    def test_refused(self):
        path = self.folder / "model"
        self.saved(*TINY)
        load = ("--load", path, "--sample", 5)
        self.assert_ran(run(*load))
        self.assert_damage_is_told(path, load, (
            (rb"\"units\":6", rb"\"units\":7", "[6, 7]"),
            (rb"\"units\":6", rb"\"units\":0", "char_rnn.network"),
            (rb"\"layers\":1", rb"\"layers\":2", "another model"),
            (rb"\"embedding\":6", rb"\"embedding\":x", "char_rnn.network"),
            (rb"\"bytes\":false", rb"\"bytes\":true ", "char_rnn.alphabet"),
            (b"char_rnn.alphabet", b"char_rnn.alphabat", "char_rnn.alphabet"),
            (b":\"[10,32,", b":\"[32,10,", "char_rnn.alphabet"),
            (b":\"[10,32,", b":\"[10000,", "char_rnn.alphabet"),
            (b",128512]", b"   ,128]", "char_rnn.alphabet"),
            (b",128512]", b"       ]", "embedding"),
        ))  # fmt: skip
        header = b'{"__metadata__":{"mnist.network":"{}"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
        path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
        self.assert_fails(run(*load), path, "not a model saved by this program", "char_rnn.network")
        path.unlink()
        self.assert_fails(run(*load), path, "No such file")

    def test_promises(self):
        config, letters = {"units": 4096, "layers": 16, "embedding": 0, "bytes": False}, list(range(97, 123))
        small = config | {"units": 1, "layers": 1, "embedding": 4096}
        self.assert_promises_are_refused(
            ("--sample", 5),
            ({"char_rnn.network": config, "char_rnn.alphabet": letters}, "[65536, 4096]"),
            ({"char_rnn.network": small, "char_rnn.alphabet": letters}, "[26, 1]"),
            ({"char_rnn.network": small, "char_rnn.alphabet": letters[:1]}, "[1, 4096]"),
        )


class Networks(Text):
    def assert_loads(self, *options, bound=LEARNED):
        model = self.folder / "model"
        done = self.assert_learns(*options, "--save", model, bound=bound)
        loaded = run("--load", model, "--sample", 60)
        self.assert_ran(loaded)
        self.assertEqual(loaded.stdout[:-1], sample_of(done))
        self.assertEqual(len(sample_of(done)), 60)
        return done

    def test_kinds(self):
        count = len(ALPHABET)
        for options, name, shape, parameters in (
            (("--embedding", 0), "category_encoding", f"(None, None, {count})", 0),
            (("--embedding", 0), "simple_rnn", "(None, None, 48)", 48 * (count + 48 + 1)),
            (("--embedding", 7), "embedding", "(None, None, 7)", 7 * count),
            (("--embedding", 7), "simple_rnn", "(None, None, 48)", 48 * (7 + 48 + 1)),
            (("--layers", 2), "simple_rnn_1", "(None, None, 48)", 48 * 97),
            (("--layers", 2, "--dropout", 0.1), "dropout_1", "(None, None, 48)", 0),
        ):
            with self.subTest(options=options, name=name):
                done = self.assert_loads(*options)
                self.assertRegex(done.stdout, rf"\n{name} \(\S+\) +{re.escape(shape)} +{parameters:,}\n")

    def test_dropout(self):
        plain = self.saved(*TINY)
        for options in (("--dropout", 0.1), ("--recurrent-dropout", 0.1)):
            with self.subTest(options=options):
                self.assert_loads(*options, bound=0.8)
                self.assertNotEqual(self.saved(*TINY, *options), plain)

    def test_initializers(self):
        found = {name: self.saved(*TINY, "--initializer", name) for name in INITIALIZERS}
        self.assertEqual(len(set(found.values())), len(INITIALIZERS))
        self.assertEqual(self.saved(*TINY), found["random_uniform"])

    def test_bytes(self):
        """Characters that take two to four bytes are learned byte by byte, and come out whole."""
        model = self.folder / "model"
        done = self.assert_learns("--bytes", "--save", model)
        self.assertIn(f"(None, None, {len(set(TEXT.encode()))})", done.stdout)
        for sentence in SENTENCES:
            start = sentence[:10]
            rest = len(sentence.encode()) - len(start.encode())
            written = run("--load", model, "--prime", start, "--sample", rest, "--temperature", 0)
            self.assert_ran(written)
            self.assertEqual(written.stdout, sentence + "\n")
        self.assert_fails(run("--load", model, "--prime", "~"), "byte 0x7E")

    def test_bytes_that_are_no_text(self):
        self.text = self.folder / "binary"
        self.text.write_bytes(b"\xff\xfe caf\xe9" * 400)
        done = self.train(*QUICK, "--bytes", "--units", 16)
        self.assertLess(values(done.stdout)["val_loss"], 0.1)
        self.assertEqual(len(re.sub(r"\\x[0-9a-f]{2}", "?", sample_of(done))), 60)
        self.assertIn(r"\xff\xfe caf\xe9", sample_of(done))


class Training(Text):
    def test_threads_change_nothing(self):
        self.assert_same_for_any_threads(
            "--text", self.text, "--batch-size", 70, "--window", 8, "--units", 9, "--layers", 2, "--dropout", 0.1,
            "--recurrent-dropout", 0.1, "--epochs", 2, "--sample", 50, threads=4,
        )  # fmt: skip

    def test_seed_decides(self):
        seven, again, eight = (self.saved(*TINY, "--seed", seed) for seed in (7, 7, 8))
        self.assertEqual(seven, again)
        self.assertNotEqual(seven, eight)

    def test_optimizers_and_schedules(self):
        cases = [("--optimizer", name) for name in ("sgd", "rmsprop", "adam", "adamw", "adagrad")]
        cases += [("--schedule", name) for name in ("exponential", "step", "cosine")]
        found = {case: self.saved(*TINY, *case) for case in cases}
        self.assertEqual(len(set(found.values())), len(cases))
        self.assertEqual(self.saved(*TINY), found["--optimizer", "adam"])
        self.assertEqual(self.saved(*TINY, "--lr", 0.002), found["--optimizer", "adam"])

    def test_schedule_ends_with_the_training(self):
        """However much text is kept for validation, the last epoch of cosine's still learns."""
        log = self.folder / "log.csv"
        self.train(*TINY, "--epochs", 2, "--validation-split", 0.6, "--schedule", "cosine", "--log", log)
        first, last = history(log)
        self.assertLess(last["val_loss"], first["val_loss"] - 1e-3)

    def test_clipping(self):
        """Norms over all parameters are clipped at 5 unless either option says otherwise."""
        sgd = (*TINY, "--optimizer", "sgd", "--lr", 5)
        found = [self.saved(*sgd, *clip) for clip in ((), ("--clipnorm", 1e9), ("--global-clipnorm", 0.1), ("--clipnorm", 0.1))]
        self.assertEqual(self.saved(*sgd, "--global-clipnorm", 5), found[0])
        self.assertEqual(self.saved(*sgd, "--global-clipnorm", 1e9), found[1])
        self.assertEqual(len({*found[1:]}), 3)

    def test_without_validation(self):
        log = self.folder / "log.csv"
        done = self.train(*TINY, "--validation-split", 0, "--sample", 9, "--log", log)
        self.assertNotIn("val_loss", done.stdout + done.stderr)
        self.assertNotIn("best_epoch", done.stdout)
        self.assertEqual(set(history(log)[0]), {"epoch", "loss", "accuracy"})


class Checkpoints(Text):
    options = (*TINY, "--epochs", 5)

    def checkpoint(self, path, *options):
        done = self.train(*self.options, "--checkpoint", path, *options)
        return path.read_bytes(), done

    def test_resumed_is_as_never_stopped(self):
        """Weights, optimizer and draws of dropout go on as they would have."""
        for options in ((), ("--layers", 2, "--dropout", 0.2, "--recurrent-dropout", 0.1, "--optimizer", "rmsprop")):
            with self.subTest(options=options):
                whole, _ = self.checkpoint(self.folder / "whole", *options)
                path = self.folder / "parts"
                part, done = self.checkpoint(path, *options, "--epochs", 2)
                self.assertNotEqual(part, whole)
                for epochs in (3, 5):
                    part, done = self.checkpoint(path, *options, "--epochs", epochs, "--resume")
                self.assertEqual(part, whole)
                told = done.stderr.splitlines()
                self.assertEqual(told[1], f"Going on after epoch 3 of {path}")
                self.assertEqual([line[:9] for line in told[2:]], ["Epoch 4/5", "Epoch 5/5"])
                path.unlink()

    def test_nothing_left_to_do(self):
        path = self.folder / "file"
        before, trained = self.checkpoint(path)
        after, done = self.checkpoint(path, "--resume")
        self.assertEqual(after, before)
        self.assertNotIn("Epoch", done.stderr)
        self.assertEqual(SCORE.search(done.stdout)[0], SCORE.search(trained.stdout)[0])

    def test_resume_without_a_file_starts_anew(self):
        whole, _ = self.checkpoint(self.folder / "whole")
        started, done = self.checkpoint(self.folder / "new", "--resume")
        self.assertEqual(started, whole)
        self.assertNotIn("Going on", done.stderr)
        self.assertEqual(done.stderr.splitlines()[1], f"There is no {self.folder / 'new'} yet: starting anew")

    def test_without_resume_starts_anew(self):
        path = self.folder / "file"
        self.checkpoint(path, "--epochs", 1)
        again, done = self.checkpoint(path)
        self.assertIn("Epoch 1/5", done.stderr)
        self.assertEqual(self.checkpoint(self.folder / "other")[0], again)

    def test_damaged(self):
        path, log = self.folder / "file", self.folder / "log"
        log.write_text("old")
        whole, _ = self.checkpoint(path)
        resume = ("--text", self.text, *self.options, "--resume", "--log", log, "--checkpoint", path)
        for content in (b"", whole[:7], whole[: len(whole) // 2], whole[:-1], whole + b"\0", b"no checkpoint" * 99):
            with self.subTest(size=len(content), of=len(whole)):
                path.write_bytes(content)
                self.assert_fails(run(*resume), path)
                self.assertEqual(path.read_bytes(), content)
        path.write_bytes(whole)
        for *options, said in (
            ("--units", 7, "units 6 layers 1"), ("--layers", 2, "layers embedding simple_rnn dense in"),
            ("--embedding", 0, "layers embedding"), ("--dropout", 0.2, "layers embedding"),
            ("--recurrent-dropout", 0.2, "recurrent-dropout 0 in the checkpoint, here ..."), ("--optimizer", "sgd", "optimizer adam ("),
            ("--schedule", "cosine", "schedule number 0, 0 steps"), ("--clipnorm", 1, "clipping value 0, norm 0, global norm 5"),
            ("--lr", 0.1, "first learning rate 0.002"), ("--seed", 3, "seed 0 in the checkpoint, here 3"),
            ("--batch-size", 4, "batch size 8 in the checkpoint, here 4"), ("--window", 16, "data ["),
            ("--validation-split", 0.3, "data ["),
        ):  # fmt: skip
            with self.subTest(options=options):
                self.assert_fails(run(*resume, *options), path, "of another training", said)
                self.assertEqual(path.read_bytes(), whole)
        path.write_bytes(self.saved(*TINY))
        self.assert_fails(run(*resume), path)
        self.assertEqual(log.read_text(), "old")

    def test_needs_checkpoint(self):
        self.assert_misused(run("--resume"), "--resume", "--checkpoint")
        self.assert_misused(run("--checkpoint-every", 3), "--checkpoint-every", "--checkpoint")
        self.assert_misused(run("--checkpoint", "a", "--checkpoint-every", 0), "--checkpoint-every 0", "expected 1 to")
        self.assert_misused(run("--load", "a", "--checkpoint", "b"), "--load", "--checkpoint")

    def test_more_often(self):
        """How often it is written changes nothing else."""
        whole, _ = self.checkpoint(self.folder / "whole")
        for every in (1, 7, 10000):
            often, done = self.checkpoint(self.folder / f"every {every}", "--checkpoint-every", every)
            self.assertEqual(often, whole)

    def test_best_epoch_is_remembered(self):
        """An epoch from before the checkpoint may be the best, of which weights are saved and measured."""
        ruin = (*self.options, "--epochs", 4, "--lr", 0.3)
        whole = self.saved(*ruin)
        told = self.train(*ruin).stdout
        self.assertNotIn("best_epoch: 4", told)
        path, log = self.folder / "file", self.folder / "log.csv"
        for epochs in (3, 4):
            done = self.train(*ruin, "--epochs", epochs, "--checkpoint", path, "--resume", "--save", self.folder / "m",
                              "--log", log)  # fmt: skip
        self.assertEqual(done.stdout, told)
        self.assertEqual((self.folder / "m").read_bytes(), whole)
        self.assertEqual([row["epoch"] for row in history(log)], [1, 2, 3, 4])


class Data(Case):
    """Which text is learned, and what is wrong with it."""

    def learn(self, content, *options):
        path = self.folder / "text"
        path.write_bytes(content)
        return run("--text", path, *TINY, *options)

    def test_built_in(self):
        done = run("--epochs", 1, "--units", 8, "--window", 16, "--batch-size", 512, "--sample", 20)
        self.assert_ran(done)
        self.assertRegex(done.stderr, r"^Data: the source code of this library, built in\.\n.*scripts/fetch-data shakespeare")
        self.assertLess(values(done.stdout)["val_loss"], math.log(96))
        self.assertEqual(len(sample_of(done)), 20)
        self.assertRegex(done.stdout, r"\ndense \(dense\) +\(None, None, \d\d\d?\) ")

    def test_limits(self):
        """The shortest text for a batch and a window, one letter, one unit, one step; and one letter less."""
        shape = ("--batch-size", 2, "--window", 4, "--validation-split", 0, "--sample", 5)
        done = self.learn(b"a" * 9, *shape, "--units", 1)
        self.assert_ran(done)
        self.assertEqual(done.stdout[-7:], "\naaaaa\n")
        self.assert_fails(self.learn(b"a" * 8, *shape), "too short: 8 characters to train on, expected at least 9")
        self.assert_ran(self.learn(b"ab", "--batch-size", 1, "--window", 1, "--validation-split", 0))
        self.assert_fails(self.learn(b""), "the file is empty")
        self.assert_fails(self.learn(b"ab" * 500, "--validation-split", 0.999), "too short: 1 characters to train on")

    def test_places(self):
        (self.folder / "cache" / "tapeloop").mkdir(parents=True)
        for folder in (self.folder, self.folder / "cache" / "tapeloop"):
            (folder / SHAKESPEARE).write_text(TEXT, encoding="utf-8")
        by_option, by_environment = run(*TINY, "--data", self.folder), run(*TINY, data=self.folder)
        by_cache, by_text = run(*TINY, cache=self.folder / "cache"), self.learn(TEXT.encode())
        packed = self.learn(gzip.compress(TEXT.encode()))
        for done in (by_option, by_environment, by_cache, by_text, packed):
            self.assert_ran(done)
            self.assertEqual(done.stdout, by_text.stdout)
        for done in (by_option, by_environment):
            self.assertEqual(done.stderr.splitlines()[0], f"Data: {self.folder / SHAKESPEARE}")
        self.assertEqual(by_cache.stderr.splitlines()[0], f"Data: {self.folder / 'cache' / 'tapeloop' / SHAKESPEARE}")

    def test_missing(self):
        self.assert_fails(run("--text", self.folder / "none"), self.folder / "none", "No such file")
        self.assert_fails(run("--text", self.folder), self.folder)
        self.assert_fails(run("--data", self.folder), SHAKESPEARE, self.folder)
        self.assert_fails(self.learn(b""), self.folder / "text", "empty")
        packed = gzip.compress(TEXT.encode())
        self.assert_fails(self.learn(packed[: len(packed) // 2]), self.folder / "text")

    def test_too_short(self):
        """256 characters and one more are a batch; of 1000, 900 are trained on and 100 are left to validate on."""
        text = TEXT[:1000].encode()
        self.assert_fails(self.learn(text), "100 characters to validate on", "at least 257", "--batch-size", "--window")
        self.assert_fails(self.learn(text[:80]), "characters to train on", "at least 257")
        self.assert_fails(self.learn(text, "--validation-split", 0.999), "1 characters to train on")
        plain = b"ab" * 128
        self.assert_fails(self.learn(plain, "--validation-split", 0), "256 characters to train on", "at least 257")
        self.assert_ran(self.learn(plain + b"a", "--validation-split", 0))
        self.assert_ran(self.learn(b"a" * 257, "--validation-split", 0, "--sample", 3))

    def test_not_utf8(self):
        text = ("é" * 500).encode()
        for content, place in ((b"caf\xe9 " + text, "byte 3"), (text + b"\xc3", "byte 1000"), (text + b"\0\xed\xa0\x80", "byte 1001")):
            with self.subTest(place=place):
                self.assert_fails(self.learn(content, "--validation-split", 0), "not UTF-8", place)
                self.assert_ran(self.learn(content, "--validation-split", 0, "--bytes"))

    def test_results_that_cannot_be_written(self):
        """Known before the training; nothing is touched."""
        old = self.folder / "old"
        old.write_text("old")
        for option in ("--save", "--log", "--checkpoint"):
            for path, reason in ((self.folder / "none" / "file", "No such file"), (self.folder, "Is a directory")):
                with self.subTest(option=option, path=path):
                    done = self.learn(TEXT.encode(), option, path)
                    self.assert_fails(done, path, reason)
                    if option != "--log":
                        self.assert_fails(self.learn(TEXT.encode(), option, path, "--log", old), path, reason)
        self.assertEqual(old.read_text(), "old")


class CommandLine(Case):
    def test_help(self):
        done = run("--help")
        self.assert_ran(done)
        self.assertEqual(done.stderr, "")
        text = " ".join(done.stdout.split())
        for option, default in (
            ("text", ""), ("data", ""), ("bytes", ""), ("units", "256"), ("layers", "1"),
            ("embedding", "as many as units"), ("initializer", '"random_uniform"'), ("dropout", ""),
            ("recurrent-dropout", ""), ("window", "64"), ("checkpoint", ""), ("checkpoint-every", "after each epoch"), ("resume", ""), ("sample", "500"),
            ("temperature", "1"), ("top-k", "all"), ("prime", ""), ("epochs", "12"), ("batch-size", "32"),
            ("optimizer", '"adam"'), ("lr", "0.002"), ("schedule", '"constant"'), ("weight-decay", "0.004"),
            ("clipnorm", ""), ("global-clipnorm", "5"), ("validation-split", "0.1"), ("seed", "0"),
            ("threads", "all cores"), ("log", ""), ("save", ""), ("load", ""),
        ):  # fmt: skip
            self.assertRegex(text, rf" --{option}(?:=\S+)? (?:(?! --).)+{re.escape(f'(default: {default}' if default else '')}")

    def test_mistakes(self):
        for option, value, complaint in (
            ("units", 0, "expected 1 to"),
            ("layers", 17, "expected 1 to 16"),
            ("embedding", -1, "expected 0 to"),
            ("dropout", 1, "expected 0 to"),
            ("recurrent-dropout", "nan", "expected 0 to"),
            ("window", 0, "expected 1 to"),
            ("sample", -1, "expected 0 to"),
            ("temperature", -0.5, "expected 0 to"),
            ("temperature", "hot", "invalid numeric value"),
            ("top-k", -1, "expected 0 to"),
            ("initializer", "zeros", "expected " + ", ".join(INITIALIZERS)),
            ("schedule", "linear", "expected constant, exponential, step, cosine, plateau"),
            ("epochs", 0, "expected 1 to"),
            ("validation-split", 1, "expected 0 to"),
            ("lr", 0, "expected"),
        ):
            with self.subTest(option=option, value=value):
                self.assert_misused(run(f"--{option}={value}"), option, str(value), complaint)

    def test_what_does_not_go_together(self):
        self.assert_misused(run("--clipnorm", 1, "--global-clipnorm", 1), "--clipnorm", "--global-clipnorm")
        self.assert_misused(run("--load", "a", "--save", "b"), "--load", "--save")
        self.assert_misused(run("--load", "a", "--log", "b"), "--load", "--log")
        self.assert_misused(run("stray"), "stray", "unexpected")


class Shakespeare(Case):
    @unittest.skipUnless(REAL_DATA, "SKIPPED: TAPELOOP_DATA does not say where tiny Shakespeare is")
    def test_one_epoch(self):
        if not (pathlib.Path(REAL_DATA) / SHAKESPEARE).exists():
            self.skipTest(f"SKIPPED: {REAL_DATA} has no {SHAKESPEARE}")
        done = run("--epochs", 1, "--units", 32, data=REAL_DATA)
        self.assert_ran(done)
        self.assertIn("(None, None, 65)", done.stdout)
        self.assertLess(values(SCORE.search(done.stdout)[0])["val_loss"], 2.35)
        self.assertEqual(len(sample_of(done)), 500)


if __name__ == "__main__":
    support.main()
