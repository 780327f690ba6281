#!/usr/bin/env python3
"""The mnist example as its user meets it: test_mnist.py PATH_OF_MNIST_PROGRAM.

It reads images that are made here. The real ones are read only where TAPELOOP_DATA says they are; without them,
the test of those says SKIPPED.
"""

import functools
import gzip
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

SIDE, CLASSES = 28, 10
PARTS = ("train", "t10k")
TRAINED, TESTED = 600, 100  # images; no more are tested than --show can draw
INITIALIZERS = ("orthogonal", "identity", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal",
                "random_uniform", "random_normal")  # fmt: skip
REAL_DATA = os.environ.get("TAPELOOP_DATA")
FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")

QUICK = ("--epochs", 6, "--batch-size", 16, "--lr", 0.003, "--show", 0)
TINY = ("--epochs", 1, "--units", 5, "--show", 0)
LEARNED = 0.9  # test_accuracy of what learned; guesses reach 0.1


def noise(source):
    return bytearray(value % 80 for value in source.randbytes(SIDE * SIDE))


def bar(source, label):
    """Noise with a bar: it lies in the classes 0 to 4, the lower the larger, and stands in 5 to 9, further right."""
    image, start = noise(source), 2 + 5 * (label % 5) + source.randrange(2)
    for along in range(2, SIDE - 2):
        for across in range(start, start + 3):
            image[across * SIDE + along if label < 5 else along * SIDE + across] = 200 + source.randrange(56)
    return image


def shade(source, label):
    """Noise whose last rows are darker or lighter, by class."""
    image = noise(source)
    image[-3 * SIDE :] = bytes([(30, 130, 230)[label]]) * (3 * SIDE)
    return image


@functools.cache
def images(draw, classes, count, seed):
    """Images and their labels, as bytes."""
    source = random.Random(seed)
    labels = bytes(source.randrange(classes) for _ in range(count))
    return b"".join(draw(source, label) for label in labels), labels


def bars(part):
    return images(bar, CLASSES, {"train": TRAINED, "t10k": TESTED}[part], PARTS.index(part))


def shades(part):
    return images(shade, 3, {"train": 96, "t10k": 30}[part], PARTS.index(part))


def idx(content, *shape):
    return struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + content


def name_of(part, what, packed=True):
    return f"{part}-{what}-idx{ {'images': 3, 'labels': 1}[what] }-ubyte" + (".gz" if packed else "")


def write(folder, name, content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(gzip.compress(content, 1, mtime=0) if name.endswith(".gz") else content)


def write_set(folder, contents, packed=True):
    """The four files, of which contents(part) gives images and labels."""
    for part in PARTS:
        pixels, labels = contents(part)
        write(folder, name_of(part, "images", packed), idx(pixels, len(labels), SIDE, SIDE))
        write(folder, name_of(part, "labels", packed), idx(labels, len(labels)))
    return folder


def picture(pixels):
    """As an image is drawn: two rows to a line."""
    inked = [value > 0.4 * 255 for value in pixels]
    return [
        "".join(
            " ▄▀█"[2 * inked[row * SIDE + column] + inked[(row + 1) * SIDE + column]] for column in range(SIDE)
        )
        for row in range(0, SIDE, 2)
    ]


def confusion(text):
    """The matrix of the report, and the accuracies beside it, in percent."""
    lines = text.splitlines()
    start = lines.index("Test images by class (rows) and what they were taken for (columns):")
    header, rows = lines[start + 1].split(), [line.split() for line in lines[start + 2 : start + 2 + CLASSES]]
    if header != [*map(str, range(CLASSES)), "accuracy"] or [row[0] for row in rows] != header[:-1]:
        raise AssertionError(text)
    return [list(map(int, row[1:-1])) for row in rows], [row[-1] for row in rows]


def judgements(text):
    """(predicted, true) of each image that was drawn."""
    return [(int(guess), int(true)) for guess, true in re.findall(r"^predicted: (\d), true: (\d)$", text, re.M)]


def report_of(done):
    """What is printed of the test, behind what is printed of the training."""
    return done.stdout[re.search(r"^( {28}|predicted|\nTest images)", done.stdout, re.M).start() :]


class Digits(Case):
    """With a folder that has the bars."""

    @classmethod
    def setUpClass(cls):
        cls.shared = pathlib.Path(tempfile.mkdtemp(prefix="mnist-"))
        cls.addClassCleanup(shutil.rmtree, cls.shared)
        write_set(cls.shared / "mnist", bars)

    def train(self, *options):
        done = run("--data", self.shared, *options)
        self.assert_ran(done)
        return done

    def saved(self, *options):
        """The bytes of the file that is saved after a training."""
        path = self.folder / f"model-{len(list(self.folder.iterdir()))}"
        self.train(*options, "--save", path)
        return path.read_bytes()

    def assert_learns(self, *options, bound=LEARNED):
        done = self.train(*QUICK, *options)
        self.assertGreater(values(done.stdout)["test_accuracy"], bound, done.stderr)
        return done


class Report(Digits):
    """One training serves several tests. The labels of some test images are wrong, so that what learned well is
    said to be wrong there, always in one direction."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pixels, labels = bars("t10k")
        cls.labels = bytes(label if i % 8 else (label + 1) % CLASSES for i, label in enumerate(labels))
        write(cls.shared / "mnist", name_of("t10k", "labels"), idx(cls.labels, TESTED))
        cls.model, cls.log = cls.shared / "model", cls.shared / "log.csv"
        options = (*QUICK, "--show", TESTED, "--validation-split", 0.2, "--save", cls.model, "--log", cls.log)
        cls.done = run("--data", cls.shared, *options)

    def test_learns(self):
        self.assert_ran(self.done)
        self.assertGreater(values(self.done.stdout)["test_accuracy"], LEARNED - 1 / 8)
        epochs = history(self.log)
        self.assertEqual([epoch["epoch"] for epoch in epochs], [1, 2, 3, 4, 5, 6])
        self.assertLess(epochs[-1]["loss"], epochs[0]["loss"] / 2)

    def test_says_what_it_reads_and_does(self):
        first, *epochs = self.done.stderr.splitlines()
        self.assertEqual(first, f"Data: {self.shared / 'mnist' / name_of('train', 'images')}")
        self.assertEqual(len(epochs), 6)
        for number, line in enumerate(epochs, 1):
            self.assertRegex(line, rf"^Epoch {number}/6 - .* - val_accuracy: [01]\.\d{{4}}$")

    def test_summary(self):
        self.assertRegex(self.done.stdout, r"\nsimple_rnn \(simple_rnn\) +\(None, 50\) +3,950\n")
        self.assertRegex(self.done.stdout, r"\ndense \(dense\) +\(None, 10\) +510\n")

    def test_best_epoch_of_validation_is_tested(self):
        best = max(epoch["val_accuracy"] for epoch in history(self.log))
        self.assertEqual(values(self.done.stdout)["val_accuracy"], round(best, 4))

    def test_pictures(self):
        lines = report_of(self.done).splitlines()
        for i, label in enumerate(self.labels):
            drawn = lines[15 * i : 15 * i + 14]
            self.assertEqual(drawn, picture(self.pixels[i * SIDE * SIDE : (i + 1) * SIDE * SIDE]), f"image {i}")
            self.assertRegex(lines[15 * i + 14], rf"^predicted: \d, true: {label}$")
        self.assertEqual(lines[15 * TESTED], "")

    def test_confusion(self):
        matrix, percents = confusion(self.done.stdout)
        told = judgements(self.done.stdout)
        self.assertEqual([true for _, true in told], list(self.labels))
        for true in range(CLASSES):
            for guess in range(CLASSES):
                self.assertEqual(matrix[true][guess], told.count((guess, true)))
            self.assertEqual(sum(matrix[true]), self.labels.count(true))
            self.assertEqual(percents[true], f"{100 * matrix[true][true] / sum(matrix[true]):.2f}%")
        right = sum(matrix[i][i] for i in range(CLASSES))
        self.assertRegex(self.done.stdout, rf"\n\ntest_accuracy: {right / TESTED:.4f}\n$")

    def test_loaded(self):
        done = run("--data", self.shared, "--load", self.model, "--show", TESTED)
        self.assert_ran(done)
        self.assertEqual(done.stdout, report_of(self.done))
        self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_leaves_nothing_beside_its_files(self):
        self.assertEqual({path.name for path in self.shared.iterdir()}, {"mnist", "model", "log.csv"})

    def test_show(self):
        for count in (0, 1, 4):
            done = run("--data", self.shared, "--load", self.model, "--show", count)
            self.assertEqual(len(judgements(done.stdout)), count)
            self.assertEqual(len(report_of(done).splitlines()), 15 * count + 15)
        done = run("--data", self.shared, "--load", self.model)
        self.assertEqual(len(judgements(done.stdout)), 4)


class Networks(Digits):
    """Each kind of network learns, and is the same again when its file is loaded."""

    def assert_loads(self, *options, bound=LEARNED):
        model = self.folder / "model"
        done = self.assert_learns(*options, "--save", model, bound=bound)
        self.assertEqual(self.train("--load", model, "--show", 0).stdout, report_of(done))
        return done

    def test_kinds(self):
        for options, shapes in (
            (("--layers", 2), [("simple_rnn", "(None, 28, 50)", "3,950"), ("simple_rnn_1", "(None, 50)", "5,050")]),
            (("--bidirectional",), [("dense", "(None, 10)", "1,010")]),
            (("--bidirectional", "--layers", 2, "--units", 20), [("dense", "(None, 10)", "410")]),
            (("--units", 30), [("simple_rnn", "(None, 30)", "1,770")]),
        ):
            with self.subTest(options=options):
                done = self.assert_loads(*options)
                for name, shape, count in shapes:
                    self.assertRegex(done.stdout, rf"\n{name} \(\S+\) +{re.escape(shape)} +{count}\n")

    def test_label_at_every_step(self):
        """Nothing can be told before it is seen, so that what counts, the last step, is better than the others."""
        log = self.folder / "log.csv"
        options = ("--return-sequences", "--epochs", 24, "--lr", 0.002, "--global-clipnorm", 0.5, "--log", log)
        done = self.assert_loads(*options, bound=0.6)
        self.assertRegex(done.stdout, r"\ndense \(dense\) +\(None, 28, 10\) +510\n")
        self.assertLess(history(log)[-1]["accuracy"], values(done.stdout)["test_accuracy"] - 0.05)

    def test_activations(self):
        found = {}
        for name in ("tanh", "relu", "sigmoid", "linear"):
            with self.subTest(activation=name):
                slow = ("--epochs", 30, "--lr", 0.01) if name == "sigmoid" else ()
                self.assert_loads("--activation", name, *slow)
                found[name] = self.saved(*TINY, "--activation", name)
        self.assertEqual(len(set(found.values())), 4)
        self.assertEqual(self.saved(*TINY), found["tanh"])

    def test_initializers(self):
        for option, default in (("--kernel-initializer", "glorot_uniform"), ("--recurrent-initializer", "orthogonal")):
            found = {}
            for name in INITIALIZERS:
                with self.subTest(option=option, initializer=name):
                    found[name] = self.saved(*TINY, option, name)
            self.assertEqual(len(set(found.values())), len(INITIALIZERS))
            self.assertEqual(self.saved(*TINY), found[default])
        for name in ("orthogonal", "identity", "glorot_uniform"):
            with self.subTest(initializer=name):
                self.assert_learns("--recurrent-initializer", name)

    def test_dropout(self):
        self.assertNotEqual(self.saved(*TINY, "--dropout", 0.2), self.saved(*TINY))
        plain = self.saved(*TINY, "--layers", 2)
        for options in (("--dropout", 0.2), ("--recurrent-dropout", 0.2), ("--dropout", 0.1, "--recurrent-dropout", 0.1)):
            with self.subTest(options=options):
                self.assert_loads(*options, "--layers", 2, "--epochs", 10)
                self.assertNotEqual(self.saved(*TINY, "--layers", 2, *options), plain)

    def test_permuted(self):
        model = self.folder / "model"
        options = ("--permute", 3, "--epochs", 10)
        done = self.assert_learns(*options, "--show", 2, "--save", model)
        pixels, _ = bars("t10k")
        lines = report_of(done).splitlines()
        for i in range(2):
            self.assertEqual(lines[15 * i : 15 * i + 14], picture(pixels[i * SIDE * SIDE : (i + 1) * SIDE * SIDE]))
        self.assertEqual(self.train("--load", model, "--show", 2).stdout, report_of(done))

    def test_permutations(self):
        plain, three, four = self.saved(*TINY), self.saved(*TINY, "--permute", 3), self.saved(*TINY, "--permute", 4)
        self.assertEqual(self.saved(*TINY, "--permute", 3), three)
        self.assertEqual(len({plain, three, four}), 3)


class Pixels(Case):
    def test_learns(self):
        data, model = write_set(self.folder / "data", shades), self.folder / "model"
        options = ("--sequence", "pixels", "--units", 8, "--epochs", 16, "--batch-size", 8, "--lr", 0.02)
        done = run("--data", data, *options, "--global-clipnorm", 1, "--save", model)
        self.assert_ran(done)
        self.assertRegex(done.stdout, r"\nsimple_rnn \(simple_rnn\) +\(None, 8\) +80\n")
        self.assertGreater(values(done.stdout)["test_accuracy"], LEARNED)
        matrix, percents = confusion(done.stdout)
        labels = shades("t10k")[1]
        self.assertEqual([sum(row) for row in matrix], [labels.count(i) for i in range(CLASSES)])
        self.assertEqual(set(percents[3:]), {"0.00%"})
        loaded = run("--data", data, "--load", model)
        self.assert_ran(loaded)
        self.assertEqual(loaded.stdout, report_of(done))

    def test_steps(self):
        data = write_set(self.folder / "data", lambda part: images(shade, 3, 8, part))
        options = ("--sequence", "pixels", "--units", 3, "--epochs", 1, "--show", 0)
        done = run("--data", data, *options, "--return-sequences")
        self.assert_ran(done)
        self.assertRegex(done.stdout, r"\ndense \(dense\) +\(None, 784, 10\) +40\n")
        self.assert_ran(run("--data", data, *options, "--permute", 1))


class Training(Digits):
    def test_optimizers(self):
        found = {name: self.saved(*TINY, "--optimizer", name) for name in ("sgd", "rmsprop", "adam", "adamw", "adagrad")}
        self.assertEqual(len(set(found.values())), 5)
        self.assertEqual(self.saved(*TINY), found["adam"])
        for name, model in found.items():
            for options in (("--lr", 0.02), ("--clipnorm", 0.01), ("--global-clipnorm", 0.01), ("--schedule", "cosine")):
                with self.subTest(optimizer=name, options=options):
                    self.assertNotEqual(self.saved(*TINY, "--optimizer", name, *options), model)

    def test_clipping(self):
        """Gradients that are cut to almost nothing teach nothing; those that are not cut are as they were."""
        sgd = ("--optimizer", "sgd", "--lr", 0.1, "--epochs", 2, "--show", 0)
        plain, log = self.saved(*sgd), self.folder / "log.csv"
        for option in ("--clipnorm", "--global-clipnorm"):
            with self.subTest(option=option):
                self.assertEqual(self.saved(*sgd, option, 1e9), plain)
                self.train(*sgd, option, 1e-9, "--log", log)
                first, last = history(log)
                self.assertAlmostEqual(first["loss"], last["loss"], places=5)
                self.assert_learns(option, 1)
        self.assertNotEqual(self.saved(*sgd, "--clipnorm", 0.1), self.saved(*sgd, "--global-clipnorm", 0.1))

    def test_schedules(self):
        options = (*TINY, "--epochs", 6, "--batch-size", 16, "--optimizer", "sgd", "--lr", 3)
        names = ("constant", "exponential", "step", "cosine", "plateau")
        found = {name: self.saved(*options, "--schedule", name) for name in names}
        self.assertEqual(len(set(found.values())), 5)
        self.assertEqual(self.saved(*options), found["constant"])
        for name in names:
            with self.subTest(schedule=name):
                self.assert_learns("--schedule", name, "--lr", 0.005, "--epochs", 10)

    def test_threads_change_nothing(self):
        self.assert_same_for_any_threads(
            "--data", self.shared, "--epochs", 2, "--batch-size", 600, "--units", 9, "--layers", 2, "--dropout", 0.2,
        )  # fmt: skip

    def test_seed_decides(self):
        seven, again, eight = (self.saved(*TINY, "--seed", seed) for seed in (7, 7, 8))
        self.assertEqual(seven, again)
        self.assertNotEqual(seven, eight)


class Files(Case):
    """Where images are found, and what is wrong with them."""

    def setUp(self):
        super().setUp()
        self.data = write_set(self.folder / "data", lambda part: images(bar, CLASSES, 30, part))

    def assert_refused(self, name, content, *parts):
        path = self.data / name
        whole = path.read_bytes()
        path.write_bytes(content)
        self.assert_fails(run("--data", self.data, *TINY), path, *parts)
        path.write_bytes(whole)

    def test_places(self):
        """Packed or not, in a folder of their own or not, by --data, TAPELOOP_DATA or in the cache."""
        found = []
        contents = lambda part: images(bar, CLASSES, 30, part)  # noqa: E731
        for number, (packed, inner) in enumerate(((True, "."), (True, "mnist"), (False, "."), (False, "mnist"))):
            folder = self.folder / str(number)
            write_set(folder / inner, contents, packed)
            by_option, by_environment = run("--data", folder, *TINY), run(*TINY, data=folder)
            for done in (by_option, by_environment):
                self.assert_ran(done)
                first = done.stderr.splitlines()[0]
                self.assertEqual(pathlib.Path(first[6:]), folder / inner / name_of("train", "images", packed))
                found.append(done.stdout)
        write_set(self.folder / "cache" / "tapeloop" / "mnist", contents)
        done = run(*TINY, cache=self.folder / "cache")
        self.assert_ran(done)
        self.assertIn("cache/tapeloop/mnist/", done.stderr.splitlines()[0])
        self.assertEqual(set(found), {done.stdout})

    @unittest.skipIf(FASHION.exists(), "SKIPPED: Fashion-MNIST is there in place of MNIST")
    def test_nowhere(self):
        self.assert_fails(run(), "scripts/fetch-data mnist", "dataset-fashion-mnist", FASHION)

    @unittest.skipUnless(FASHION.exists(), "SKIPPED: Fashion-MNIST is not there")
    def test_fashion(self):
        done = run(*TINY, "--show", 1)
        self.assert_ran(done)
        self.assertIn("Fashion-MNIST: clothes, not digits", done.stderr.splitlines()[0])
        self.assertRegex(done.stdout, r"(?m)^ +sandal +\d+ ")

    def test_missing(self):
        self.assert_fails(run("--data", self.folder / "none"), name_of("train", "images"), self.folder / "none")
        for part in PARTS:
            for what in ("images", "labels"):
                path = self.data / name_of(part, what)
                path.rename(self.folder / "away")
                with self.subTest(missing=path.name):
                    self.assert_fails(run("--data", self.data), path.name, self.data)
                (self.folder / "away").rename(path)

    def test_truncated(self):
        for name in (name_of("train", "images"), name_of("t10k", "labels")):
            whole = (self.data / name).read_bytes()
            unpacked = gzip.decompress(whole)
            for kept in (0, 5, len(whole) // 2, len(whole) - 1):
                with self.subTest(name=name, kept=kept, of=len(whole)):
                    self.assert_refused(name, whole[:kept])
            for kept in (3, 6, len(unpacked) - 1):
                with self.subTest(name=name, unpacked=kept):
                    self.assert_refused(name, gzip.compress(unpacked[:kept]), "cut short")
            with self.subTest(name=name, longer=True):
                self.assert_refused(name, gzip.compress(unpacked + b"\0"), "more")

    def test_bad_magic(self):
        name = name_of("t10k", "images")
        for magic, said in ((b"\x89PNG", "not an IDX file: it begins with 89 50"), (b"\0\0\x0a\3", "type 0x0A"),
                            (b"\0\0\x08\0", "rank 0")):  # fmt: skip
            with self.subTest(magic=magic):
                self.assert_refused(name, gzip.compress(magic + bytes(100)), said)
        self.assert_refused(name, gzip.compress(b"\0\0\x08\3" + b"\xff" * 12), "too many elements")

    def test_other_shapes(self):
        name, pixels = name_of("train", "images"), bytes(30 * SIDE * SIDE)
        for content, shape in (
            (idx(pixels[: 29 * SIDE * SIDE], 29, SIDE, SIDE), "[29, 28, 28]"),
            (idx(pixels[: 30 * 27 * SIDE], 30, 27, SIDE), "[30, 27, 28]"),
            (idx(pixels, 30, SIDE * SIDE), "[30, 784]"),
            (struct.pack(">HBB3I", 0, 9, 3, 30, SIDE, SIDE) + pixels, "expected bytes"),
        ):
            with self.subTest(shape=shape):
                self.assert_refused(name, gzip.compress(content), shape, "labels [30]", "expected bytes [n, 28, 28] and [n]")
        labels = name_of("train", "labels")
        (self.data / labels).write_bytes(gzip.compress(idx(b"", 0)))
        self.assert_refused(name, gzip.compress(idx(b"", 0, SIDE, SIDE)), "[0, 28, 28]", "labels [0]")

    def test_label_that_is_no_digit(self):
        for part in PARTS:
            with self.subTest(part=part):
                content = idx(bytes([9] * 17 + [10] * 13), 30)
                self.assert_refused(name_of(part, "labels"), gzip.compress(content), "label 10 of image 17", "0 to 9")

    def test_results_that_cannot_be_written(self):
        """Known before the training; nothing is touched."""
        for option in ("--save", "--log", "--checkpoint"):
            for path, reason in ((self.folder / "none" / "file", "No such file"), (self.folder, "Is a directory")):
                with self.subTest(option=option, path=path):
                    self.assert_fails(run("--data", self.data, *TINY, option, path), path, reason)

    def test_promises(self):
        config = {"pixels": False, "return_sequences": False, "bidirectional": True, "units": 4096, "layers": 16,
                  "activation": "tanh", "permute": -1}  # fmt: skip
        self.assert_promises_are_refused(("--data", self.data), ({"mnist.network": config}, "[65536, 4096]"))

    def test_loading_what_is_no_model(self):
        path = self.folder / "model"
        load = ("--data", self.data, "--load", path)
        self.assert_fails(run(*load), path, "No such file")
        header = b'{"__metadata__":{"imdb.config":"{}"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
        path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
        self.assert_fails(run(*load), path, "not a model saved by this program", "mnist.network")
        self.assert_ran(run("--data", self.data, *TINY, "--save", path))
        self.assert_damage_is_told(path, load, (
            (rb"\"units\":5", rb"\"units\":6", "[28, 6]"),
            (rb"\"units\":5", rb"\"units\":0", "mnist.network"),
            (rb"\"layers\":1", rb"\"layers\":2", "another model"),
            (rb"\"layers\":1", rb"\"layers\":x", "mnist.network"),
            (rb"\"activation\":\"tanh\"", rb"\"activation\":\"tank\"", "mnist.network"),
            (rb"\"permute\"", rb"\"permits\"", "mnist.network"),
        ))  # fmt: skip


class CommandLine(Case):
    def test_help(self):
        done = run("--help")
        self.assert_ran(done)
        self.assertEqual(done.stderr, "")
        text = " ".join(done.stdout.split())
        for option, default in (
            ("data", ""), ("sequence", '"rows"'), ("permute", ""), ("units", "50"), ("layers", "1"),
            ("bidirectional", ""), ("activation", '"tanh"'), ("kernel-initializer", '"glorot_uniform"'),
            ("recurrent-initializer", '"orthogonal"'),
            ("dropout", ""), ("recurrent-dropout", ""), ("return-sequences", ""), ("show", "4"), ("epochs", "10"),
            ("batch-size", "32"), ("optimizer", '"adam"'), ("lr", "the optimizer's"), ("schedule", '"constant"'),
            ("weight-decay", "0.004"), ("clipnorm", ""), ("global-clipnorm", ""), ("validation-split", "0"),
            ("seed", "0"), ("threads", "all cores"), ("log", ""), ("save", ""), ("load", ""),
            ("checkpoint", ""), ("checkpoint-every", "after each epoch"), ("resume", ""),
        ):  # fmt: skip
            self.assertRegex(text, rf" --{option}(?:=\S+)? (?:(?! --).)+{re.escape(f'(default: {default}' if default else '')}")

    def test_mistakes(self):
        for option, value, complaint in (
            ("units", 0, "expected 1 to"),
            ("units", 5000, "expected 1 to"),
            ("layers", 17, "expected 1 to 16"),
            ("dropout", 1, "expected 0 to"),
            ("dropout", "nan", "expected 0 to"),
            ("recurrent-dropout", -0.1, "expected 0 to"),
            ("permute", -1, "expected 0 to"),
            ("permute", "x", "invalid numeric value"),
            ("show", 101, "expected 0 to 100"),
            ("sequence", "columns", "expected rows, pixels"),
            ("activation", "selu", "expected tanh, relu, sigmoid, linear"),
            ("kernel-initializer", "zeros", "expected " + ", ".join(INITIALIZERS)),
            ("recurrent-initializer", "zeros", "expected " + ", ".join(INITIALIZERS)),
            ("schedule", "linear", "expected constant, exponential, step, cosine, plateau"),
            ("optimizer", "sdg", "expected sgd, rmsprop, adam, adamw, adagrad"),
            ("epochs", 0, "expected 1 to"),
            ("batch-size", 0, "expected 1 to"),
            ("validation-split", 1, "expected 0 to"),
            ("clipnorm", 0, "expected"),
            ("threads", -1, "expected 0 to"),
        ):
            with self.subTest(option=option, value=value):
                self.assert_misused(run(f"--{option}={value}"), option, str(value), complaint)

    def test_what_does_not_go_together(self):
        self.assert_misused(run("--clipnorm", 1, "--global-clipnorm", 1), "--clipnorm", "--global-clipnorm")
        self.assert_misused(run("--weight-decay", 0.1), "--weight-decay", "adamw")
        self.assert_misused(run("--load", "a", "--save", "b"), "--load", "--save")
        self.assert_misused(run("--load", "a", "--log", "b"), "--load", "--log")
        self.assert_misused(run("--load", "a", "--checkpoint", "b"), "--load", "--checkpoint")
        self.assert_misused(run("--resume"), "--resume", "--checkpoint")
        self.assert_misused(run("stray"), "stray", "unexpected")
        self.assert_misused(run("--unit", 3), "--unit", "unknown option")


class RealDigits(Case):
    @unittest.skipUnless(REAL_DATA, "SKIPPED: TAPELOOP_DATA does not say where MNIST is")
    def test_one_epoch(self):
        if not (pathlib.Path(REAL_DATA) / "mnist").exists():
            self.skipTest(f"SKIPPED: {REAL_DATA} has no mnist")
        done = run("--epochs", 1, data=REAL_DATA)
        self.assert_ran(done)
        self.assertGreater(values(done.stdout)["test_accuracy"], 0.85)
        self.assertEqual([true for _, true in judgements(done.stdout)], [7, 2, 1, 0])
        matrix, _ = confusion(done.stdout)
        self.assertEqual([sum(row) for row in matrix], [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])


if __name__ == "__main__":
    support.main()
