#!/usr/bin/env python3
"""The imdb example as its user meets it: test_imdb.py PATH_OF_IMDB_PROGRAM.

Real reviews are read only where TAPELOOP_DATA says they are; without it, tests of those say SKIPPED.
"""

import csv
import gzip
import io
import json
import math
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import unittest

from support import same_for_any_threads

ARCHIVE = "aclImdb_v1.tar.gz"
REAL_DATA = os.environ.get("TAPELOOP_DATA")

# Option and default; None for one that has none.
OPTIONS = {
    "data": None,
    "epochs": "10",
    "batch-size": "128",
    "maxlen": "500",
    "num-words": "10000",
    "units": "32",
    "optimizer": "rmsprop",
    "lr": "optimizer's",
    "validation-split": "0.2",
    "seed": "0",
    "threads": "all cores",
    "log": None,
    "save": None,
    "load": None,
    "checkpoint": None,
    "checkpoint-every": "after each epoch",
    "resume": None,
    "predict": None,
}

EPOCH = re.compile(
    r"Epoch (\d+)/(\d+) - (\d+\.\d)s - loss: (\d+\.\d{4}) - accuracy: ([01]\.\d{4})"
    r" - val_loss: (\d+\.\d{4}) - val_accuracy: ([01]\.\d{4})"
)
TEST = re.compile(r"test_loss: (\d+\.\d{4}) test_accuracy: ([01]\.\d{4})")
JUDGEMENT = re.compile(r"(positive|negative) ([01]\.\d{9}) (.*)")
RULE = "_" * 69

# As the generated reviews are written; each pair differs by its negation or by the order of its words alone.
OPPOSITES = [
    ("i saw it last week with some friends the plot was very good",
     "i saw it last week with some friends the plot was not very good"),
    ("the acting is not very dull that is all there is to say",
     "the acting is very dull that is all there is to say"),
    ("the plot was good", "the plot was not good"),
    ("the story was not boring", "the story was boring"),
    ("this movie seemed dull but the ending was brilliant",
     "the ending was brilliant but this movie seemed dull"),
    ("the cast was wonderful although the script was weak",
     "although the cast was wonderful the script was weak"),
]
TEXTS = [text for pair in OPPOSITES for text in pair] + ["A word nobody knows: xyzzy!", "Größe über alles"]
LINES = "".join(f"{text}\n" for text in TEXTS)
SHOWN = 60  # bytes of a text that are shown beside its judgement


def run(*arguments, data=None, cache="/nonexistent", stdin="", stdout=subprocess.PIPE):
    """Runs the program with nothing of the user's in reach. `data` becomes TAPELOOP_DATA; stdin is text, bytes
    or a file."""
    environment = {name: value for name, value in os.environ.items() if name != "TAPELOOP_DATA"}
    environment.update(XDG_CACHE_HOME=str(cache), HOME="/nonexistent", LC_ALL="C.UTF-8")
    if data:
        environment["TAPELOOP_DATA"] = str(data)
    command = [PROGRAM, *(argument if isinstance(argument, bytes) else str(argument) for argument in arguments)]
    if isinstance(stdin, io.IOBase):
        given = {"stdin": stdin}
    else:
        given = {"input": stdin.encode() if isinstance(stdin, str) else stdin}
    done = subprocess.run(
        command, **given, stdout=stdout, stderr=subprocess.PIPE, env=environment, timeout=250, check=False
    )
    done.stdout = (done.stdout or b"").decode("utf-8", "backslashreplace")
    done.stderr = done.stderr.decode("utf-8", "backslashreplace")
    return done


def epochs_of(done):
    """The numbers of the epoch lines, as printed."""
    return [match.groups() for match in map(EPOCH.fullmatch, done.stderr.splitlines()) if match]


def without_seconds(text):
    return re.sub(r" - \d+\.\ds - ", " - ", text)


def judgements(text):
    """(word, probability, the review's beginning) of each line that is a judgement."""
    return [match.groups() for match in map(JUDGEMENT.fullmatch, text.splitlines()) if match]


def review(split, label, number):
    """A member's name and text. Words tell the classes apart; some markup and some letters are not ASCII."""
    words = {"pos": "a lovely film, truly great", "neg": "an awful film, truly dull"}[label]
    rating = {"pos": 9, "neg": 2}[label]
    text = f"This is {words}.<br /><br />Café number {number % 7}; I'd say {rating} of 10."
    return f"aclImdb/{split}/{label}/{number}_{rating}.txt", text.encode()


def reviews(each=4):
    """Members of a small data set, one class after the other, with others between as in the real one."""
    members = [("aclImdb/README", b"Movie reviews."), ("aclImdb/train/unsup/0_0.txt", b"\xff not read")]
    members += [
        review(split, label, number)
        for split in ("train", "test")
        for label in ("neg", "pos")
        for number in range(each)
    ]
    return dict(members)


def write_archive(folder, members):
    """An archive of the real one's name, with the same bytes whenever it is made. Returns its path."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    path = pathlib.Path(folder) / ARCHIVE
    path.write_bytes(gzip.compress(tar.getvalue(), mtime=0))
    return path


def write_folder(folder, members):
    for name, content in members.items():
        path = pathlib.Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def write_safetensors(path, header, data):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path):
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="imdb-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def assert_ran(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("imdb:", done.stderr)

    def assert_fails(self, done, *parts, trained=False):
        """Status 1 and one line that holds every part, before any training."""
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        complaints = [line for line in done.stderr.splitlines() if line.startswith("imdb: ")]
        self.assertEqual(len(complaints), 1, done.stderr)
        self.assertEqual(done.stderr.splitlines()[-1], complaints[0])
        for part in parts:
            self.assertIn(str(part), complaints[0])
        if not trained:
            self.assertNotIn("Epoch", done.stdout + done.stderr)

    def assert_misused(self, done, *parts):
        """Status 2, nothing done, and a first line that holds every part."""
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertEqual(done.stdout, "")
        first = done.stderr.splitlines()[0]
        self.assertRegex(first, "^imdb: ")
        for part in parts:
            self.assertIn(part, first)
        for line in done.stderr.splitlines()[1:]:
            self.assertNotRegex(line, "^imdb: ")
        self.assertNotIn("Epoch", done.stderr)


class CommandLine(Case):
    def test_help(self):
        done = run("--help")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stderr, "")
        entries = {
            name: " ".join(meaning.split())
            for name, meaning in re.findall(r"^ +(?:-\S, )?--(\S+?)(?:=\S*)? +((?:.|\n {10,})*)", done.stdout, re.M)
        }
        for name, default in OPTIONS.items():
            self.assertIn(name, entries)
            self.assertGreater(len(entries[name].split()), 1, f"--{name} says nothing")
            if default:
                self.assertIn(default, entries[name], f"--{name} does not tell its default")
                self.assertIn("default", entries[name])
        self.assertIn("TEXT", entries["predict"])

    def test_wrong_values(self):
        cases = [
            ("epochs", "0", "expected 1 to"),
            ("epochs", "1e3", "invalid numeric value"),
            ("epochs", "99999999999", "too large"),
            ("units", "-3", "expected 1 to"),
            ("units", "40000", "expected 1 to"),
            ("batch-size", "0", "expected 1 to"),
            ("batch-size", "x", "invalid numeric value"),
            ("maxlen", "0", "expected 1 to"),
            ("num-words", "4", "expected 5 to"),
            ("seed", "-1", "expected 0 to"),
            ("threads", "-2", "expected 0 to"),
            ("lr", "-1", "expected 1e-30 to 1e+30"),
            ("lr", "0", "expected 1e-30 to 1e+30"),
            ("lr", "nan", "expected 1e-30 to 1e+30"),
            ("lr", "inf", "expected 1e-30 to 1e+30"),
            ("lr", "fast", "invalid numeric value"),
            ("validation-split", "0", "expected"),
            ("validation-split", "1", "expected"),
            ("validation-split", "2", "expected"),
            ("validation-split", "nan", "expected"),
        ]
        for option, value, complaint in cases:
            with self.subTest(option=option, value=value):
                self.assert_misused(run(f"--{option}={value}"), value, complaint)
                self.assert_misused(run(f"--{option}", value), value, complaint)

    def test_nothing_to_save_of_a_loaded_model(self):
        self.assert_misused(run("--load", "a", "--save", "b"), "--load", "--save")
        self.assert_misused(run("--load", "a", "--log", "b"), "--load", "--log")
        self.assert_misused(run("--load", "a", "--checkpoint", "b"), "--load", "--checkpoint")
        self.assert_misused(run("--resume"), "--resume", "--checkpoint")

    def test_wrong_words(self):
        self.assert_misused(run("--epoch-count", "3"), "--epoch-count", "unknown option")
        self.assert_misused(run("-x"), "-x", "unknown option")
        self.assert_misused(run("stray"), "stray", "--predict")
        self.assert_misused(run("--epochs", "1", "stray"), "stray", "--predict")
        self.assert_misused(run("--predict", "two", "texts"), "texts", "quotes")
        self.assert_misused(run("--units"), "--units", "missing argument")

    def test_unknown_optimizer(self):
        done = run("--optimizer", "sdg", "--epochs", "1")
        self.assert_misused(done, "'sdg'", "sgd, rmsprop, adam, adamw, adagrad")


class Generated(Case):
    """One training with the defaults serves several tests, as it is what takes time."""

    @classmethod
    def setUpClass(cls):
        cls.shared = pathlib.Path(tempfile.mkdtemp(prefix="imdb-"))
        cls.addClassCleanup(shutil.rmtree, cls.shared)
        cls.model, cls.log = cls.shared / "model.safetensors", cls.shared / "log.csv"
        cls.done = run("--save", cls.model, "--log", cls.log, "--predict", stdin=LINES)

    def test_says_that_reviews_are_generated(self):
        self.assert_ran(self.done)
        first = self.done.stderr.splitlines()[0]
        self.assertRegex(first, "(?i)no IMDB reviews found.*generated")
        self.assertIn("scripts/fetch-data imdb", self.done.stderr)

    def test_learns(self):
        epochs = epochs_of(self.done)
        self.assertGreater(max(float(epoch[6]) for epoch in epochs), 0.95)
        (test,) = filter(None, map(TEST.fullmatch, self.done.stdout.splitlines()))
        self.assertGreater(float(test[2]), 0.95)

    def test_output(self):
        self.assert_ran(self.done)
        lines = self.done.stdout.splitlines()
        self.assertEqual([lines[i] for i in (0, 2, 6)], [RULE] * 3)
        self.assertEqual(lines[1].split(), ["Layer", "(type)", "Output", "Shape", "Param", "#"])
        for line, kind, shape in zip(
            lines[3:6], ("embedding", "simple_rnn", "dense"), (r"\(None, \d+, 32\)", r"\(None, 32\)", r"\(None, 1\)")
        ):
            self.assertRegex(line, rf"^{kind} \({kind}\) +{shape} +[\d,]+$")
        counts = [int(line.split()[-1].replace(",", "")) for line in lines[3:6]]
        self.assertEqual(counts[0] % 32, 0)
        self.assertEqual(counts[1:], [32 * 32 + 32 * 32 + 32, 32 + 1])
        total = f"{sum(counts):,}"
        self.assertEqual(
            lines[7:10], [f"Total params: {total}", f"Trainable params: {total}", "Non-trainable params: 0"]
        )
        self.assertRegex(lines[10], r"^best_epoch: \d+ val_accuracy: [01]\.\d{4}$")
        self.assertRegex(lines[11], f"^{TEST.pattern}$")
        self.assertEqual(len(judgements(self.done.stdout)), len(TEXTS))
        self.assertEqual(len(lines), 12 + len(TEXTS))

    def test_epoch_lines(self):
        epochs = epochs_of(self.done)
        self.assertEqual([epoch[:2] for epoch in epochs], [(str(i), "10") for i in range(1, 11)])
        told = [line for line in self.done.stderr.splitlines() if not line.startswith(("Data: ", "      "))]
        self.assertEqual(len(told), len(epochs), "something besides the epochs is told")

    def test_tests_the_best_epoch(self):
        values = [float(epoch[6]) for epoch in epochs_of(self.done)]
        (best,) = re.findall(r"^best_epoch: (\d+) val_accuracy: (\S+)$", self.done.stdout, re.M)
        self.assertEqual(float(best[1]), max(values))
        self.assertEqual(values[int(best[0]) - 1], max(values))

    def test_log(self):
        with open(self.log, newline="", encoding="ascii") as file:
            rows = list(csv.reader(file))
        self.assertEqual(rows[0], "epoch,seconds,loss,accuracy,val_loss,val_accuracy".split(","))
        self.assertEqual(len(rows), 11)
        for row, (epoch, _, seconds, *values) in zip(rows[1:], epochs_of(self.done), strict=True):
            self.assertEqual(row[0], epoch)
            self.assertAlmostEqual(float(row[1]), float(seconds), delta=0.0511)
            for logged, printed in zip(row[2:], values, strict=True):
                self.assertAlmostEqual(float(logged), float(printed), delta=0.0000501)

    def test_loaded_model_judges_the_same(self):
        before = judgements(self.done.stdout)
        self.assertEqual([text for _, _, text in before], [text[:SHOWN] for text in TEXTS])
        after = run("--load", self.model, "--predict", stdin=LINES)
        self.assert_ran(after)
        self.assertEqual(judgements(after.stdout), before)
        self.assertEqual(len(after.stdout.splitlines()), len(TEXTS))
        self.assertEqual(after.stderr, "")
        for text, expected in zip(TEXTS, before):
            one = run("--load", self.model, "--predict", text)
            self.assert_ran(one)
            self.assertEqual(judgements(one.stdout), [expected])

    def test_probability_decides(self):
        for word, probability, _ in judgements(self.done.stdout):
            self.assertEqual(word, "positive" if float(probability) > 0.5 else "negative")

    def test_order_of_words_decides(self):
        words = [judgement for judgement, _, _ in judgements(self.done.stdout)]
        word = dict(zip(TEXTS, words, strict=True))
        for praise, blame in OPPOSITES:
            with self.subTest(praise=praise, blame=blame):
                self.assertEqual((word[praise], word[blame]), ("positive", "negative"))

    def test_line_ends_and_case_do_not_matter(self):
        text = TEXTS[0]
        done = run("--load", self.model, "--predict", stdin=f"{text}\n{text}\r\n{text.upper()}!\n<br />{text}")
        self.assert_ran(done)
        self.assertEqual(len({probability for _, probability, _ in judgements(done.stdout)}), 1)
        self.assertEqual(len(done.stdout.splitlines()), 4)

    def test_no_reviews_no_judgements(self):
        done = run("--load", self.model, "--predict", stdin="")
        self.assert_ran(done)
        self.assertEqual(done.stdout, "")

    def test_training_leaves_nothing_beside_its_files(self):
        self.assertEqual({path.name for path in self.shared.iterdir()}, {self.model.name, self.log.name})

    def test_empty_review(self):
        load = ("--load", self.model, "--predict")
        for text in ("", "  \t", "<br /><br/>"):
            with self.subTest(text=text):
                self.assert_fails(run(*load, text), "the review is empty")
        done = run(*load, stdin=f"{TEXTS[0]}\n{TEXTS[1]}\n\n{TEXTS[2]}\n")
        self.assert_fails(done, "line 3", "empty")
        self.assertEqual(len(judgements(done.stdout)), 2)

    def test_review_not_utf8(self):
        load = ("--load", self.model, "--predict")
        self.assert_fails(run(*load, b"caf\xe9 was good"), "the review", "UTF-8", "byte 3")
        self.assert_fails(run(*load, stdin=b"good\nnot \xff\xfe good\n"), "line 2", "UTF-8", "byte 4")

    def test_review_with_zero_byte(self):
        for end in ("\0 was bad\n", "\0 was bad", "\0\n", "\0"):
            with self.subTest(end=end):
                done = run("--load", self.model, "--predict", stdin=f"the plot was good\nthe plot{end}")
                self.assert_fails(done, "line 2", "zero")

    def test_long_review(self):
        done = run("--load", self.model, "--predict", stdin=f"{'very ' * 300_000}good\n")
        self.assert_ran(done)
        self.assertEqual(len(done.stdout.splitlines()), 1)

    def test_long_review_is_shown_in_part(self):
        for text in ("x" * 60, "x" * 61, "é" * 100, f"x{'é' * 100}", f"xx{'字' * 100}", f"x{'😀' * 100}"):
            with self.subTest(text=text):
                done = run("--load", self.model, "--predict", stdin=f"{text}\n")
                self.assert_ran(done)
                ((_, _, shown),) = judgements(done.stdout)
                self.assertTrue(text.startswith(shown), f"{shown!r}: a character was cut in two")
                self.assertIn(len(shown.encode()), range(SHOWN - 3, SHOWN + 1))

    def test_standard_input_that_cannot_be_read(self):
        with open(self.folder / "closed", "w", encoding="ascii") as write_only:
            done = run("--load", self.model, "--predict", stdin=write_only)
        self.assert_fails(done, "standard input")

    def test_standard_output_that_is_full(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = run("--load", self.model, "--predict", TEXTS[0], stdout=full)
        self.assert_fails(done, "standard output")


class Repeatable(Case):
    """A short training, at a length and size that make uneven shares for threads."""

    options = ("--epochs", 2, "--batch-size", 200, "--units", 9, "--num-words", 60)

    def train(self, name, *options):
        model = self.folder / name
        done = run(*self.options, *options, "--save", model, "--predict", TEXTS[0])
        self.assert_ran(done)
        self.assertEqual(len(epochs_of(done)), 2)
        return done.stdout, without_seconds(done.stderr), model.read_bytes()

    def test_threads_change_nothing(self):
        same_for_any_threads(
            self, PROGRAM, "--epochs", 1, "--batch-size", 600, "--units", 9, "--num-words", 60, "--mask",
            "--bidirectional", "--dropout", 0.2, "--recurrent-dropout", 0.1, "--predict", TEXTS[0],
        )  # fmt: skip

    def test_seed_decides(self):
        seven, again, eight = (
            self.train(name, "--seed", seed) for name, seed in (("a", 7), ("b", 7), ("c", 8))
        )
        self.assertEqual(seven, again)
        for part, other in zip(seven, eight):
            self.assertNotEqual(part, other)

    def test_optimizers(self):
        results = {name: self.train(name, "--optimizer", name) for name in ("sgd", "rmsprop", "adam", "adamw", "adagrad")}
        self.assertEqual(len({model for _, _, model in results.values()}), 5)
        self.assertEqual(self.train("default")[2], results["rmsprop"][2])
        self.assertNotEqual(self.train("lr", "--lr", "0.01")[2], results["rmsprop"][2])


class SmallArchive(Case):
    """Archives made here: whole ones train, damaged ones are refused with the reason."""

    def load(self, folder=None, *options):
        return run("--data", folder or self.folder, "--epochs", 1, *options)

    def broken(self, change):
        """The complaint about a data set after `change` was made to its members."""
        members = reviews()
        change(members)
        path = write_archive(self.folder, members)
        archived = self.load()
        self.assert_fails(archived, path)
        return archived

    def test_trains(self):
        members = reviews(50)
        archive = write_archive(self.folder, members)
        extracted = self.folder / "extracted"
        write_folder(extracted, members)
        models, printed, told = [], [], []
        for folder, place in ((self.folder, archive), (extracted, extracted / "aclImdb")):
            models.append(self.folder / f"model-{len(models)}")
            done = self.load(folder, "--save", models[-1], "--predict", "A lovely film.")
            self.assert_ran(done)
            first, *rest = done.stderr.splitlines()
            self.assertEqual(first, f"Data: {place}")
            self.assertEqual(len(epochs_of(done)), 1)
            printed.append(done.stdout)
            told.append([without_seconds(line) for line in rest])
        self.assertIn("(None, 500, 32)", printed[0])
        self.assertEqual(printed[0], printed[1])
        self.assertEqual(told[0], told[1])
        self.assertEqual(models[0].read_bytes(), models[1].read_bytes())

    def test_is_found(self):
        archive = write_archive(self.folder, reviews(20))
        options = ("--epochs", 1, "--maxlen", 12)
        cache = self.folder / "cache"
        (cache / "tapeloop").mkdir(parents=True)
        shutil.copy(archive, cache / "tapeloop")
        by_environment, by_cache = run(*options, data=self.folder), run(*options, cache=cache)
        self.assert_ran(by_environment)
        self.assert_ran(by_cache)
        self.assertEqual(by_environment.stderr.splitlines()[0], f"Data: {archive}")
        self.assertEqual(by_cache.stderr.splitlines()[0], f"Data: {cache / 'tapeloop' / ARCHIVE}")
        self.assertEqual(by_environment.stdout, by_cache.stdout)

    def test_loaded_model_is_tested_again(self):
        write_archive(self.folder, reviews(20))
        model = self.folder / "model"
        trained = self.load(None, "--maxlen", 12, "--save", model)
        tested = run("--data", self.folder, "--load", model)
        self.assert_ran(trained)
        self.assert_ran(tested)
        self.assertEqual(TEST.findall(tested.stdout), TEST.findall(trained.stdout))

    def test_missing(self):
        self.assert_fails(self.load(self.folder / "none"), ARCHIVE, self.folder / "none")
        self.assert_fails(self.load(self.folder), ARCHIVE, self.folder)

    def test_truncated(self):
        archive = write_archive(self.folder, reviews(100))
        whole = archive.read_bytes()
        for kept in (0, 5, 15, len(whole) // 2, len(whole) - 9, len(whole) - 1):
            with self.subTest(kept=kept, of=len(whole)):
                archive.write_bytes(whole[:kept])
                self.assert_fails(self.load(), archive)

    def test_corrupted(self):
        archive = write_archive(self.folder, reviews(100))
        whole = archive.read_bytes()
        for place in (0, len(whole) // 3, len(whole) // 2, len(whole) - 6):
            with self.subTest(place=place, of=len(whole)):
                damaged = bytearray(whole)
                damaged[place] ^= 0x55
                archive.write_bytes(damaged)
                self.assert_fails(self.load(), archive)

    def test_not_an_archive(self):
        archive = self.folder / ARCHIVE
        for content in (b"<html>404</html>", gzip.compress(b"no tar " * 200, mtime=0)):
            with self.subTest(content=content[:8]):
                archive.write_bytes(content)
                self.assert_fails(self.load(), archive)

    def test_member_not_utf8(self):
        name, _ = review("train", "pos", 2)
        done = self.broken(lambda members: members.update({name: b"A caf\xe9."}))
        self.assert_fails(done, "train/pos/2_9.txt", "not UTF-8", "byte 5")

    def test_empty_review(self):
        name, _ = review("test", "neg", 1)
        for text in (b"", b" \n", b"<br /><br />"):
            with self.subTest(text=text):
                done = self.broken(lambda members, text=text: members.update({name: text}))
                self.assert_fails(done, "test/neg/1_2.txt", "empty")

    def test_one_class(self):
        def keep(*labels):
            def change(members):
                for member in [member for member in members if not any(label in member for label in labels)]:
                    del members[member]
            return change

        self.assert_fails(self.broken(keep("/pos/")), "no negative training reviews")
        self.assert_fails(self.broken(keep("/neg/")), "no positive training reviews")
        self.assert_fails(self.broken(keep("train/")), "no negative test reviews")
        self.assert_fails(self.broken(keep("README")), "no labelled reviews")

    def test_damaged_folder(self):
        name, _ = review("train", "pos", 2)
        for content, complaint in ((b"A caf\xe9.", "not UTF-8"), (b"", "empty")):
            with self.subTest(complaint=complaint):
                write_folder(self.folder, reviews() | {name: content})
                self.assert_fails(self.load(), self.folder, "train/pos/2_9.txt", complaint)

    def test_too_few_to_split(self):
        write_archive(self.folder, reviews(1))
        self.assert_fails(self.load(None, "--validation-split", "0.9"), "2 samples", "0.9")


class Results(Case):
    """Whether results can be written is known before the training starts."""

    def test_unwritable(self):
        plain = self.folder / "plain"
        plain.write_text("not a folder")
        for option in ("--save", "--log", "--checkpoint"):
            for path, reason in (
                (self.folder / "none" / "file", "No such file or directory"),
                (self.folder, "Is a directory"),
                (plain / "file", "Not a directory"),
                ("", "No such file or directory"),
            ):
                with self.subTest(option=option, path=path):
                    self.assert_fails(run("--epochs", 1, option, path), path, reason)
        self.assertEqual(plain.read_text(), "not a folder")

    @unittest.skipIf(os.geteuid() == 0, "SKIPPED: the superuser may write everywhere")
    def test_forbidden(self):
        self.folder.chmod(0o500)
        self.addCleanup(self.folder.chmod, 0o700)
        for option in ("--save", "--log", "--checkpoint"):
            self.assert_fails(run("--epochs", 1, option, self.folder / "file"), "file", "Permission denied")

    def test_old_results_outlive_a_failed_start(self):
        old = self.folder / "old"
        old.write_text("old")
        self.assert_fails(run("--save", old, "--data", self.folder), ARCHIVE)
        self.assert_fails(run("--log", old, "--data", self.folder), ARCHIVE)
        self.assert_fails(run("--log", old, "--save", self.folder / "none" / "file"), "none")
        self.assertEqual(old.read_text(), "old")
        self.assertEqual([path.name for path in self.folder.iterdir()], ["old"])


class DamagedModels(Case):
    """A model that was trained a little, changed in one place."""

    @classmethod
    def setUpClass(cls):
        cls.shared = pathlib.Path(tempfile.mkdtemp(prefix="imdb-"))
        cls.addClassCleanup(shutil.rmtree, cls.shared)
        write_archive(cls.shared, reviews(20))
        cls.model = cls.shared / "model"
        done = run("--data", cls.shared, "--epochs", 1, "--maxlen", 12, "--save", cls.model)
        if done.returncode:
            raise AssertionError(done.stderr)

    def setUp(self):
        super().setUp()
        self.path = self.folder / "damaged"

    def assert_refused(self, *parts):
        self.assert_fails(run("--load", self.path, "--predict", "good"), self.path, *parts)

    def change(self, edit):
        """Writes the model after edit(metadata) changed its metadata."""
        header, data = read_safetensors(self.model)
        edit(header["__metadata__"])
        write_safetensors(self.path, header, data)

    def test_whole(self):
        self.change(lambda metadata: None)
        self.assert_ran(run("--load", self.path, "--predict", "good"))

    def test_missing(self):
        self.assert_refused("No such file or directory")

    def test_folder(self):
        self.path.mkdir()
        self.assert_refused("Is a directory")

    def test_cut_short(self):
        content = self.model.read_bytes()
        for kept in (0, 7, 8, 100, len(content) // 2, len(content) - 4, len(content) - 1):
            with self.subTest(kept=kept, of=len(content)):
                self.path.write_bytes(content[:kept])
                self.assert_refused()
        self.assert_refused("cut short")

    def test_no_safetensors(self):
        self.path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"pixels" * 1000)
        self.assert_refused()

    def test_other_program(self):
        header = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
        write_safetensors(self.path, header, struct.pack("<2f", 1, 2))
        self.assert_refused("not a model saved by this program")

    def test_other_tensors(self):
        metadata = read_safetensors(self.model)[0]["__metadata__"]
        header = {"__metadata__": metadata, "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
        write_safetensors(self.path, header, struct.pack("<2f", 1, 2))
        self.assert_refused("another model")

    def test_promises(self):
        """A model of two values whose metadata speaks of many is refused before it is built."""
        metadata = read_safetensors(self.model)[0]["__metadata__"]
        config = json.loads(metadata["imdb.config"])
        for change, matrix in (
            ({"units": 4096}, "[4096, 4096]"),
            ({"units": 1, "embedding": 4096}, "[1, 4096]"),
            ({"units": 1, "embedding": 1}, ", 1]"),
        ):
            with self.subTest(change):
                metadata["imdb.config"] = json.dumps(config | change)
                header = {"__metadata__": metadata, "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
                write_safetensors(self.path, header, struct.pack("<2f", 1, 2))
                self.assert_refused("weights of another model: 8 bytes, too few for the [", matrix)

    def test_other_units(self):
        def change(metadata):
            metadata["imdb.config"] = json.dumps(json.loads(metadata["imdb.config"]) | {"units": 33})

        self.change(change)
        self.assert_refused("[32, 32]", "[32, 33]")

    def test_not_finite(self):
        header, data = read_safetensors(self.model)
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            for value, said in ((math.nan, "nan"), (math.inf, "inf")):
                with self.subTest(tensor=name, value=value):
                    changed, (_, end) = bytearray(data), entry["data_offsets"]
                    changed[end - 4 : end] = struct.pack("<f", value)
                    write_safetensors(self.path, header, bytes(changed))
                    self.assert_refused(name, said)

    def test_broken_vocabulary(self):
        for text in ("", "[", "{}", "[]", "[1]", '["good", 2]', '"good"', "null"):
            with self.subTest(text=text):
                self.change(lambda metadata, text=text: metadata.update({"imdb.vocabulary": text}))
                self.assert_refused("imdb.vocabulary")
        self.change(lambda metadata: metadata.pop("imdb.vocabulary"))
        self.assert_refused("imdb.vocabulary")

    def test_bad_words(self):
        words = json.loads(read_safetensors(self.model)[0]["__metadata__"]["imdb.vocabulary"])
        for bad, said in (
            (words[:-1], "embedding"),  # fewer than the embedding has
            (words + ["more"], "embedding"),
            (words[:-1] + [words[0]], words[0]),  # one is there twice
            (words[:-1] + [""], "word"),
        ):
            with self.subTest(last=bad[-1], count=len(bad)):
                self.change(lambda metadata, bad=bad: metadata.update({"imdb.vocabulary": json.dumps(bad)}))
                self.assert_refused(said)

    def test_broken_configuration(self):
        for text in ("", "{", "[]", '{"units": 32}', '{"maxlen": "12", "units": 32}',
                     '{"maxlen": 0, "units": 32}', '{"maxlen": 12, "units": -3}',
                     '{"maxlen": 9000000000000000000, "units": 32}'):  # fmt: skip
            with self.subTest(text=text):
                self.change(lambda metadata, text=text: metadata.update({"imdb.config": text}))
                self.assert_refused("imdb.config")

    def test_evaluation_needs_data(self):
        self.assert_fails(run("--load", self.model), ARCHIVE)


class RealArchive(Case):
    @unittest.skipUnless(REAL_DATA, "SKIPPED: TAPELOOP_DATA does not say where the real reviews are")
    def test_one_epoch(self):
        archive = pathlib.Path(REAL_DATA) / ARCHIVE
        if not archive.exists():
            self.skipTest(f"SKIPPED: {archive} is not there")
        model = self.folder / "model"
        done = run("--epochs", 1, "--save", model, "--predict", data=REAL_DATA, stdin=LINES)
        self.assert_ran(done)
        self.assertEqual(done.stderr.splitlines()[0], f"Data: {archive}")
        self.assertRegex(done.stdout, r"embedding \(embedding\) +\(None, 500, 32\) +320,000\n")
        ((*_, accuracy),) = epochs_of(done)
        self.assertGreater(float(accuracy), 0.6)
        again = run("--load", model, "--predict", stdin=LINES)
        self.assert_ran(again)
        self.assertEqual(judgements(again.stdout), judgements(done.stdout))
        self.assertEqual(len(judgements(again.stdout)), len(TEXTS))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: test_imdb.py PATH_OF_IMDB_PROGRAM [unittest's options and test names]")
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    if not REAL_DATA:
        print("SKIPPED: the real archive's tests, as TAPELOOP_DATA is not set", file=sys.stderr)
    unittest.main(verbosity=2)
