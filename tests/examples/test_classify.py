#!/usr/bin/env python3
"""The classify example as its user meets it: test_classify.py PATH_OF_CLASSIFY_PROGRAM."""

import csv
import json
import pathlib
import shutil
import struct
import tempfile

import support
from support import Case, history, run, values

SMALL = ("--sequences", 1000, "--time", 10, "--epochs", 12, "--lr", 0.003)
TINY = ("--sequences", 200, "--time", 10, "--epochs", 2, "--units", 9)
HEADER = ["id", "label", "a", "b"]
ROWS = [  # three steps of two sequences of each label
    [name, label, step + bonus, step * bonus - 2] for name, label, bonus in
    (("p", 0, 1), ("q", 1, 4), ("r", 0, 2), ("s", 1, 3)) for step in range(3)
]  # fmt: skip


def write(path, header, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return path


def read(path):
    with open(path, newline="") as file:
        header, *rows = csv.reader(file)
    return header, rows


def generate(path, *options):
    done = run(*options, "--generate", path)
    if done.returncode:
        raise AssertionError(done.stderr)
    return read(path)


def by_sequence(rows):
    """The rows of each id."""
    found = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return found


def area_under_roc(probabilities, labels):
    """By its definition, pair by pair."""
    zeros = [p for p, label in zip(probabilities, labels) if label == 0]
    ones = [p for p, label in zip(probabilities, labels) if label == 1]
    wins = sum((one > zero) + (one == zero) / 2 for one in ones for zero in zeros)
    return wins / (len(zeros) * len(ones))


class CommandLine(Case):
    def test_help(self):
        done = run("--help")
        self.assert_ran(done)
        self.assertEqual(done.stderr, "")
        for option in ("csv", "id", "label", "test", "test-split", "predict", "loss", "units", "padding", "pad-to",
                       "sequences", "time", "features", "generate", "epochs", "seed", "save", "load"):  # fmt: skip
            self.assertIn(f"--{option}=", done.stdout)

    def test_wrong_values(self):
        for option, value, complaint in (
            ("units", 0, "expected 1 to"),
            ("test-split", 0, "expected 0.001 to"),
            ("test-split", 1, "expected 0.001 to"),
            ("pad-to", -1, "expected 0 to"),
            ("sequences", 1, "expected 2 to"),
            ("time", 1, "expected 2 to"),
            ("features", 1, "expected 2 to"),
            ("epochs", 0, "expected 1 to"),
            ("loss", "hinge", "expected binary_crossentropy, mse"),
            ("padding", "left", "expected post, pre"),
        ):
            with self.subTest(option=option, value=value):
                self.assert_misused(run(f"--{option}={value}"), option, str(value), complaint)

    def test_what_would_be_ignored(self):
        self.assert_misused(run("--generate", "a", "--csv", "b"), "--generate", "--csv")
        self.assert_misused(run("--generate", "a", "--save", "b"), "--generate", "--save")
        self.assert_misused(run("--load", "a", "--csv", "b", "--test", "c"), "--load", "--csv", "--test")
        self.assert_misused(run("stray"), "stray", "unexpected")

    def test_unwritable(self):
        for option in ("--save", "--log", "--generate"):
            with self.subTest(option=option):
                self.assert_fails(run(*TINY, option, self.folder / "none" / "file"), "none/file", "No such file")


class Learning(Case):
    def test_small(self):
        for loss, bound in (("binary_crossentropy", 0.25), ("mse", 0.07)):
            for seed in range(2):
                with self.subTest(loss=loss, seed=seed):
                    done = run(*SMALL, "--loss", loss, "--seed", seed)
                    self.assert_ran(done)
                    found = values(done.stdout)
                    self.assertLess(found["test_loss"], bound)
                    self.assertGreater(found["test_accuracy"], 0.93)
                    self.assertGreater(found["test_auc"], 0.97)

    def test_defaults(self):
        done = run()
        self.assert_ran(done)
        self.assertIn("steps: 10 to 40, features: 10\n", done.stderr)
        self.assertGreater(values(done.stdout)["test_accuracy"], 0.95)

    def test_steps_without_their_order(self):
        """Of sequences whose steps were sorted, which leaves the bag of steps, nothing can be learned."""
        path = self.folder / "shuffled.csv"
        header, rows = generate(path, *SMALL)
        shuffled = []
        for sequence in by_sequence(rows).values():
            shuffled += sorted(sequence, key=lambda row: row[2:])
        write(path, header, shuffled)
        done = run("--csv", path, *SMALL[4:])
        self.assert_ran(done)
        self.assertLess(values(done.stdout)["test_accuracy"], 0.65)

    def test_nothing_depends_on_threads(self):
        self.assert_same_for_any_threads(
            "--sequences", 1200, "--time", 10, "--epochs", 2, "--units", 9, "--batch-size", 600
        )

    def test_a_batch_may_be_larger_than_the_data(self):
        results = [run(*TINY, "--batch-size", size) for size in (1000, 2**31 - 1)]
        for done in results:
            self.assert_ran(done)
        self.assertEqual(results[0].stdout, results[1].stdout)

    def test_a_rate_beyond_measure(self):
        done = run(*TINY, "--optimizer", "sgd", "--lr", 1e30, "--validation-split", 0)
        self.assert_ran(done)
        self.assertGreater(values(done.stdout)["test_loss"], 1e20)

    def test_seed_decides(self):
        results = [run(*TINY, "--seed", seed).stdout for seed in (7, 7, 8)]
        self.assertEqual(results[0], results[1])
        self.assertNotEqual(results[1], results[2])


class Generated(Case):
    def test_format(self):
        header, rows = generate(self.folder / "file.csv", "--sequences", 300, "--time", 12, "--features", 5)
        self.assertEqual(header, ["id", "label", "x1", "x2", "x3", "x4", "x5"])
        sequences = by_sequence(rows)
        self.assertEqual(list(sequences), [str(i + 1) for i in range(300)])
        self.assertEqual({len(steps) for steps in sequences.values()}, set(range(3, 13)))
        self.assertGreater(sum(steps[0][1] == "1" for steps in sequences.values()), 100)
        self.assertGreater(sum(steps[0][1] == "0" for steps in sequences.values()), 100)

    def test_order_decides(self):
        """Where the sums of the two halves of the features are largest tells the label nearly always."""
        _, rows = generate(self.folder / "file.csv", "--sequences", 300)
        sequences = by_sequence(rows).values()
        right = 0
        for steps in sequences:
            first, second = ([sum(map(float, row[start : start + 5])) for row in steps] for start in (2, 7))
            right += (first.index(max(first)) < second.index(max(second))) == (steps[0][1] == "1")
        self.assertGreater(right / len(sequences), 0.95)

    def test_round_trip(self):
        """A file of generated sequences is as good as the sequences, to the last bit."""
        path, results = self.folder / "file.csv", []
        generate(path, *TINY)
        for name, options in (("generated", TINY), ("read", ("--csv", path, *TINY[4:]))):
            model = self.folder / name
            done = run(*options, "--save", model)
            self.assert_ran(done)
            results.append((done.stdout, model.read_bytes()))
        self.assertEqual(*results)

    def test_more_begin_with_the_fewer(self):
        few, many = (generate(self.folder / "file.csv", "--sequences", count)[1] for count in (20, 30))
        self.assertEqual(few, many[: len(few)])


class Trained(Case):
    """One small training serves several tests."""

    @classmethod
    def setUpClass(cls):
        cls.shared = pathlib.Path(tempfile.mkdtemp(prefix="classify-"))
        cls.addClassCleanup(shutil.rmtree, cls.shared)
        cls.file, cls.model = cls.shared / "file.csv", cls.shared / "model.safetensors"
        cls.header, cls.rows = generate(cls.file, "--sequences", 300, "--time", 20)
        cls.options = ("--epochs", 6, "--units", 20, "--lr", 0.003)
        cls.done = run("--csv", cls.file, *cls.options, "--save", cls.model, "--predict", cls.file)

    def predict(self, rows, *options, header=None):
        path = write(self.folder / "asked.csv", header or self.header, rows)
        done = run("--load", self.model, "--predict", path, *options)
        self.assert_ran(done)
        return done.stdout

    def test_ran(self):
        self.assert_ran(self.done)
        self.assertIn("(None, None, 10)", self.done.stdout)
        self.assertGreater(values(self.done.stdout)["test_accuracy"], 0.5)

    def test_loaded_model_tests_the_same(self):
        again = run("--load", self.model, "--csv", self.file, "--seed", 5, "--test-split", 0.9)
        self.assert_ran(again)
        self.assertEqual(again.stdout.splitlines(), [self.done.stdout.splitlines()[-1 - 300]])

    def test_loaded_model_is_not_tested_on_what_it_learned(self):
        self.assert_fails(run("--load", self.model, "--sequences", 77), self.model, "expected the same ones", "--test")

    def test_loaded_model_predicts_the_same(self):
        again = self.predict(self.rows)
        self.assertEqual(again.splitlines(), self.done.stdout.splitlines()[-300:])
        self.assertEqual([name for name in values(again)], [str(i + 1) for i in range(300)])
        self.assertTrue(all(0 < p < 1 for p in values(again).values()))

    def test_labels_need_not_be_there(self):
        with_labels, header = self.predict(self.rows), self.header
        without = self.predict([[row[0], *row[2:]] for row in self.rows], header=[header[0], *header[2:]])
        unknown = self.predict([[row[0], "?", *row[2:]] for row in self.rows])
        numbered = self.predict([[row[0], *row[2:]] for row in self.rows], "--label", 2, "--id", 1,
                                header=[header[0], *header[2:]])  # fmt: skip
        for other in (without, unknown, numbered):
            self.assertEqual(other, with_labels)

    def test_figures(self):
        """Accuracy and area on a whole file, against the probabilities and their definition."""
        done = run("--load", self.model, "--test", self.file, "--predict", self.file)
        self.assert_ran(done)
        found = values(done.stdout)
        labels = {name: int(steps[0][1]) for name, steps in by_sequence(self.rows).items()}
        probabilities = {name: found[name] for name in labels}
        right = sum((probabilities[name] > 0.5) == label for name, label in labels.items())
        self.assertAlmostEqual(found["test_accuracy"], right / len(labels), delta=6e-5)
        area = area_under_roc([probabilities[name] for name in labels], labels.values())
        self.assertAlmostEqual(found["test_auc"], area, delta=6e-5)

    def test_padding_changes_no_probability(self):
        together = values(self.predict(self.rows))
        for options in (("--pad-to", 21), ("--pad-to", 128), ("--padding", "pre"), ("--padding", "pre", "--pad-to", 77)):
            with self.subTest(options=options):
                self.assertEqual(values(self.predict(self.rows, *options)), together)
        for name, steps in list(by_sequence(self.rows).items())[:5]:
            with self.subTest(alone=name, steps=len(steps)):
                self.assertEqual(values(self.predict(steps)), {name: together[name]})
                self.assertEqual(values(self.predict(steps, "--pad-to", 50)), {name: together[name]})

    def test_no_step_is_taken_for_padding(self):
        """Not even one that is as far out as a feature may be."""
        steps = by_sequence(self.rows)["1"]
        before = values(self.predict(steps))["1"]
        config = json.loads(self.metadata()["classify.classifier"])
        lowest = [f"{mean - 0.999e6 * deviation:.17g}" for mean, deviation in zip(config["means"], config["deviations"])]
        self.assertNotEqual(values(self.predict([*steps, ["1", "0", *lowest]]))["1"], before)

    def metadata(self):
        content = self.model.read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        return json.loads(content[8 : 8 + length])["__metadata__"]

    def test_scale_is_that_of_the_training_part(self):
        """Sequences of the test part do not change the model, whatever is in them."""
        config = json.loads(self.metadata()["classify.classifier"])
        self.assertEqual(config["features"], self.header[2:])
        all_steps = [float(row[2]) for row in self.rows]
        self.assertNotAlmostEqual(config["means"][0], sum(all_steps) / len(all_steps), places=9)
        self.assertAlmostEqual(config["means"][0], sum(all_steps) / len(all_steps), places=1)
        self.assertAlmostEqual(config["deviations"][0], 0.36, places=1)

    def test_promises(self):
        config = {"units": 4096, "mse": False, "features": ["a", "b"], "means": [0, 0], "deviations": [1.0, 1.0],
                  "seed": 0, "test_split": 0.2, "sequences": 1}  # fmt: skip
        self.assert_promises_are_refused(
            (),
            ({"classify.classifier": config}, "[4096, 4096]"),
            ({"classify.classifier": config | {"units": 1}}, "[2, 1]"),
        )

    def test_other_features(self):
        narrow = write(self.folder / "narrow.csv", self.header[:-1], [row[:-1] for row in self.rows])
        swapped = [*self.header[:2], self.header[3], self.header[2], *self.header[4:]]
        renamed = write(self.folder / "renamed.csv", swapped, self.rows)
        for option in ("--csv", "--test", "--predict"):
            with self.subTest(option=option):
                self.assert_fails(run("--load", self.model, option, narrow), narrow, "9 features, expected 10")
                self.assert_fails(run("--load", self.model, option, renamed), renamed, "feature 1 is 'x2'", "'x1'")
        self.assert_fails(run("--load", self.model, "--features", 11), "11 features, expected 10")
        self.assert_fails(run("--csv", self.file, "--test", narrow), narrow, "9 features, expected 10")

    def test_damaged_model(self):
        damaged, content = self.folder / "damaged", self.model.read_bytes()
        damaged.write_bytes(content[:-5])
        self.assert_fails(run("--load", damaged), damaged, "cut short")
        damaged.write_bytes(content.replace(b"classify.classifier", b"classify.classifies"))
        self.assert_fails(run("--load", damaged), damaged, "not a model saved by this program")
        damaged.write_bytes(content.replace(b'\\"units\\":20', b'\\"units\\":21'))
        self.assert_fails(run("--load", damaged), damaged, "[10, 20]", "[10, 21]")
        for before, after in ((b'\\"units\\":20', b'\\"units\\":-3'), (b'\\"means\\":[', b'\\"means\\":{'),
                              (b'\\"x10\\"', b'1234567'), (b'\\"deviations\\":[', b'\\"deviations\\":[-')):  # fmt: skip
            changed = content.replace(before, after)
            length = struct.unpack("<Q", changed[:8])[0] + len(changed) - len(content)
            damaged.write_bytes(struct.pack("<Q", length) + changed[8:])
            with self.subTest(after=after):
                self.assertNotEqual(changed, content)
                self.assert_fails(run("--load", damaged), damaged, "classify.classifier")


class Padding(Case):
    """What training makes of padding."""

    def train(self, *options):
        model, log = self.folder / "model", self.folder / "log.csv"
        done = run(*TINY, "--epochs", 3, *options, "--save", model, "--log", log)
        self.assert_ran(done)
        return done.stdout, model.read_bytes(), history(log)

    def test_more_of_it_changes_nothing(self):
        """Weights and history are the same bit for bit: masked steps add zeros, and sums over the others are
        taken in the same order."""
        for loss in ("mse", "binary_crossentropy"):
            for side in ("post", "pre"):
                shortest = self.train("--loss", loss, "--padding", side)
                for steps in (11, 64, 150):
                    with self.subTest(loss=loss, side=side, steps=steps):
                        longer = self.train("--loss", loss, "--padding", side, "--pad-to", steps)
                        self.assertEqual(longer, shortest)

    def test_its_side_changes_roundings_only(self):
        """Other sequences then meet in a step, so that sums over them are taken in another order."""
        behind, in_front = (self.train("--padding", side)[2] for side in ("post", "pre"))
        self.assertEqual(len(behind), 3)
        for one, other in zip(behind, in_front):
            for name in one:
                self.assertAlmostEqual(one[name], other[name], delta=1e-5)

    def test_too_short(self):
        self.assert_fails(run("--time", 12, "--pad-to", 11), "--pad-to 11", "12 steps")


class Files(Case):
    def refused(self, rows, *parts, header=HEADER, options=()):
        path = write(self.folder / "file.csv", header, rows)
        self.assert_fails(run("--csv", path, *options), path, *parts)

    def changed(self, row, column, value):
        rows = [list(cells) for cells in ROWS]
        rows[row][column] = value
        return rows

    def test_columns(self):
        path = write(self.folder / "file.csv", ["name", "class", "a", "b"], ROWS * 1)
        self.assert_fails(run("--csv", path), path, "no column 'id'", "'name', 'class', 'a', 'b'")
        self.assert_fails(run("--csv", path, "--id", "name"), path, "no column 'label'")
        self.assert_fails(run("--csv", path, "--id", "name", "--label", "9"), path, "no column '9'")
        self.assert_fails(run("--csv", path, "--id", "name", "--label", "1"), path, "column 1", "both")
        self.refused([row[:2] for row in ROWS], "no features", header=HEADER[:2])

    def test_names_or_numbers(self):
        header, rows = generate(self.folder / "file.csv", *TINY)
        plain = run("--csv", self.folder / "file.csv", *TINY[4:])
        moved = write(self.folder / "moved.csv", [*header[2:], "kind", "who"], [[*row[2:], row[1], row[0]] for row in rows])
        for label, name in (("kind", "who"), ("11", "12")):
            done = run("--csv", moved, "--id", name, "--label", label, *TINY[4:])
            self.assert_ran(done)
            self.assertEqual(done.stdout, plain.stdout)

    def test_labels(self):
        self.refused(self.changed(4, 1, "2"), "line 6, column 2", "label 2", "expected 0 or 1")
        self.refused(self.changed(4, 1, "0.5"), "line 6, column 2", "label 0.5", "expected 0 or 1")
        self.refused(self.changed(4, 1, "yes"), "line 6, column 2 (label)", "'yes' is not a number")
        self.refused(self.changed(4, 1, 0), "line 6, column 2", "label 0, but sequence 'q' has 1 on line 5")

    def test_one_class(self):
        for label in (0, 1):
            self.refused([row for row in ROWS if row[1] == label], f"no sequence of label {1 - label}")
        path = write(self.folder / "file.csv", HEADER, ROWS)
        self.assert_fails(run("--csv", path), "the test part", "no sequence of label")
        ones = write(self.folder / "ones.csv", HEADER, ROWS[3:6])
        self.assert_fails(run("--csv", path, "--test", ones), ones, "no sequence of label 0")
        one = write(self.folder / "one.csv", HEADER, ROWS[:6])
        self.assert_fails(run("--csv", one, "--test", path, "--validation-split", 0.5), "the training part", "label")

    def test_cells(self):
        for value in ("abc", "", "1e400", "nan", "0x10"):
            with self.subTest(value=value):
                self.refused(self.changed(7, 3, value), "line 9, column 4 (b)", f"'{value}'")
        self.refused([*ROWS[:5], ["q", 1, 2]], "line 7 has 3 cells")

    def test_ids(self):
        self.refused([*ROWS, ROWS[1]], "line 14", "sequence 'p' again", "line 2")
        self.refused(self.changed(4, 0, "t"), "line 7", "sequence 'q' again", "line 5")
        self.refused(self.changed(4, 0, ""), "line 6, column 1", "empty")
        self.refused(self.changed(4, 0, "q\nr"), "line 6, column 1", "lines")

    def test_far_out(self):
        train, test = (write(self.folder / name, HEADER, rows) for name, rows in
                       (("train.csv", ROWS), ("test.csv", self.changed(8, 2, "1e9"))))  # fmt: skip
        done = run("--csv", train, "--test", test, "--validation-split", 0)
        self.assert_fails(done, test, "line 10", "feature 'a'", "deviations from its mean")
        rows = [[*row[:2], "1e308" if i % 2 else "-1e308", 0] for i, row in enumerate(ROWS)]
        path = write(train, HEADER, rows)
        self.assert_fails(run("--csv", path, "--test", test), "feature 'a'", "too large")

    def test_a_feature_that_does_not_vary(self):
        """It has no deviation to be divided by."""
        header, rows = generate(self.folder / "file.csv", *TINY)
        path = write(self.folder / "still.csv", header, [[*row[:-1], "3"] for row in rows])
        done = run("--csv", path, *TINY[4:])
        self.assert_ran(done)
        self.assertNotIn("nan", done.stdout + done.stderr)

    def test_missing_or_empty(self):
        path = self.folder / "file.csv"
        self.assert_fails(run("--csv", path), path, "No such file")
        for text, complaint in (("", "empty"), ("id,label,a\n", "no rows")):
            path.write_text(text)
            self.assert_fails(run("--csv", path), path, complaint)

    def test_few_sequences(self):
        """All that is needed to learn and to test, though nothing can come of it."""
        path = write(self.folder / "file.csv", HEADER, ROWS)
        done = run("--csv", path, "--test", path, "--validation-split", 0, "--epochs", 2, "--predict", path)
        self.assert_ran(done)
        self.assertEqual(list(values(done.stdout))[-4:], ["p", "q", "r", "s"])


if __name__ == "__main__":
    support.main()
