#!/usr/bin/env python3
"""The forecast example as its user meets it: test_forecast.py PATH_OF_FORECAST_PROGRAM."""

import csv
import math
import os
import random
import re
import unittest
import xml.etree.ElementTree

import support
from support import run, values

COLUMNS = 72  # of the picture for terminals


def seasonal(count=200, period=12, noise=0.5, seed=1):
    """A season on a trend."""
    draw = random.Random(seed)
    return [50 + t / 10 + 8 * math.sin(2 * math.pi * t / period) + draw.gauss(0, noise) for t in range(count)]


def forecasts(text):
    """What is printed as future: (step, value)."""
    return [(int(step), float(value)) for step, value in re.findall(r"^forecast (\d+): (\S+)$", text, re.M)]


class Case(support.Case):
    """Series here are written to files with two decimals, which the program prints in full."""

    def write(self, numbers, name="series.csv", head="day,value\n"):
        path = self.folder / name
        path.write_text(head + "".join(f"{i},{number:.2f}\n" for i, number in enumerate(numbers)))
        return path

    def train(self, path, *options):
        done = run("--csv", path, "--epochs", 3, *options)
        self.assert_ran(done)
        return done

    def table(self, path):
        """The rows of an --output file: step, actual, forecasts; None for what is empty."""
        with open(path, newline="") as file:
            head, *rows = csv.reader(file)
        self.assertEqual(head[:2], ["step", "actual"])
        self.assertEqual(head[2:], [f"forecast_{i}" for i in range(1, len(head) - 1)])
        return [[float(cell) if cell else None for cell in row] for row in rows]


class Learning(Case):
    def assert_beats_naive(self, share, *options):
        for seed in (0, 1, 2):
            with self.subTest(seed=seed, options=options):
                done = run("--seed", seed, "--threads", 1, *options)
                self.assert_ran(done)
                self.assertIn("Data: generated series, 2000 values", done.stderr)
                of = values(done.stdout)
                self.assertEqual((of["season"], of["window"]), (168, 168))
                for measure, most in ("mse", share), ("mae", math.sqrt(share)):
                    for naive in "naive", "seasonal_naive":
                        self.assertLess(of[f"test_{measure}"], most * of[f"{naive}_{measure}"], naive)

    def test_beats_naive_forecasts_of_the_next_value(self):
        self.assert_beats_naive(0.7, "--epochs", 6)

    def test_beats_naive_forecasts_of_the_next_twelve(self):
        self.assert_beats_naive(0.85, "--epochs", 20, "--horizon", 12)


class Results(Case):
    def test_scores_and_table(self):
        """All figures, worked out here from the series and from the table."""
        count, horizon, period, test = 200, 4, 3, 160
        series = [round(number, 2) for number in seasonal(count)]
        output = self.folder / "forecasts.csv"
        done = self.train(self.write(series), "--horizon", horizon, "--season", period, "--output", output)
        rows = self.table(output)
        self.assertEqual([row[0] for row in rows], list(range(test + 1, count + 1)))
        for row, actual in zip(rows, series[test:]):
            self.assertAlmostEqual(row[1], actual, delta=1e-9)

        def network(t, before):
            return rows[t - test][1 + before]

        def naive(t, before):
            return series[t - before]

        def seasonal_naive(t, before):
            return series[t - period * math.ceil(before / period)]

        targets = [(t + j, j + 1) for t in range(test, count - horizon + 1) for j in range(horizon)]
        filled = {(t, j) for t in range(test, count) for j in range(1, horizon + 1) if network(t, j) is not None}
        self.assertEqual(filled, set(targets))
        of = values(done.stdout)
        for name, expected in ("test", network), ("naive", naive), ("seasonal_naive", seasonal_naive):
            errors = [expected(*target) - series[target[0]] for target in targets]
            mse, mae = (sum(part) / len(errors) for part in zip(*((e * e, abs(e)) for e in errors)))
            self.assertAlmostEqual(of[f"{name}_mse"], mse, delta=1e-5 * mse)
            self.assertAlmostEqual(of[f"{name}_mae"], mae, delta=1e-5 * mae)

    def test_learns_nothing_from_the_test_part(self):
        series = seasonal()
        models = []
        for end in (series[160:], [1000.0] * 40):
            models.append(self.folder / f"model-{len(models)}")
            self.train(self.write(series[:160] + end), "--save", models[-1])
        self.assertEqual(models[0].read_bytes(), models[1].read_bytes())

    def test_threads_change_nothing(self):
        self.assert_same_for_any_threads(
            "--csv", self.write(seasonal(800)), "--epochs", 2, "--batch-size", 600, "--ahead", 5,
            files=("--save", "--output", "--svg"),
        )  # fmt: skip

    def test_seed_decides(self):
        path = self.write(seasonal())

        def train(name, *options):
            model, output, svg = (self.folder / f"{name}.{kind}" for kind in ("model", "csv", "svg"))
            done = self.train(path, "--ahead", 5, "--save", model, "--output", output, "--svg", svg, *options)
            return done.stdout, *(file.read_bytes() for file in (model, output, svg))

        zero = train("zero", "--seed", 0)
        self.assertEqual(train("again", "--seed", 0), zero)
        self.assertNotEqual(train("one", "--seed", 1)[1], zero[1])

    def test_without_validation(self):
        done = self.train(self.write(seasonal()), "--validation-split", 0)
        self.assertNotIn("best_epoch", done.stdout)
        self.assertIn("test_mse", done.stdout)

    def test_picture(self):
        path = self.write(seasonal(), head="day,<a & b>\n")
        svg = self.folder / "picture.svg"
        done = self.train(path, "--ahead", 30, "--svg", svg)
        title = f"{path}, column <a & b>"
        self.assertIn(title, done.stdout)
        rows = done.stdout[done.stdout.index(title) :].splitlines()[1:]
        self.assertEqual(len(rows), 18)
        self.assertTrue(all(len(row) <= COLUMNS for row in rows))
        self.assertRegex("".join(rows[:16]), "[\u2801-\u28ff]")
        self.assertTrue(any(row[-15:].count("+") for row in rows[:16]), "the future is not drawn")
        self.assertEqual(rows[16].split(), ["111", "230"])
        self.assertRegex(rows[17], "series.*[+] forecast$")
        root = xml.etree.ElementTree.parse(svg).getroot()
        texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
        self.assertEqual(texts[0], title)
        self.assertIn("forecast", texts)
        lines = [path.get("d") for path in root.iter("{http://www.w3.org/2000/svg}path") if path.get("fill")]
        self.assertEqual([line.count("L") + line.count("M") for line in lines], [90, 70])


class Future(Case):
    def setUp(self):
        super().setUp()
        self.path, self.model = self.write(seasonal()), self.folder / "model"
        self.options = ("--ahead", 7, "--horizon", 3)
        self.trained = self.train(self.path, *self.options, "--save", self.model)

    def load(self, path, *options):
        done = run("--load", self.model, "--csv", path, *options)
        self.assert_ran(done)
        return done

    def test_loaded_model_forecasts_the_same(self):
        expected = forecasts(self.trained.stdout)
        self.assertEqual([step for step, _ in expected], list(range(201, 208)))
        output = self.folder / "forecasts.csv"
        done = self.load(self.path, "--ahead", 7, "--output", output)
        self.assertEqual(forecasts(done.stdout), expected)
        self.assertNotIn("test_mse", done.stdout)
        self.assertNotIn("Epoch", done.stderr)
        written = [(row[0], *(cell for cell in row[1:] if cell is not None)) for row in self.table(output)]
        for (step, value), row in zip(expected, written, strict=True):
            self.assertEqual(row, (step, row[1]))
            self.assertAlmostEqual(row[1], value, delta=1e-3)

    def test_the_horizon_is_the_default(self):
        self.assertEqual(forecasts(self.load(self.path).stdout), forecasts(self.trained.stdout)[:3])

    def test_goes_on_from_its_own_forecasts(self):
        first = [value for _, value in forecasts(self.trained.stdout)]
        longer = self.write(seasonal() + first[:3], "longer.csv")
        for (_, value), expected in zip(forecasts(self.load(longer).stdout), first[3:6], strict=True):
            self.assertAlmostEqual(value, expected, delta=0.02)

    def test_needs_no_more_than_a_window(self):
        expected = [value for _, value in forecasts(self.trained.stdout)][:3]
        window = int(values(self.trained.stdout)["window"])
        end = self.write(seasonal()[-window:], "end.csv")
        self.assertEqual([value for _, value in forecasts(self.load(end).stdout)], expected)
        short = self.write(seasonal()[1 - window :], "short.csv")
        self.assert_fails(run("--load", self.model, "--csv", short), short, window - 1, f"window of {window}")

    def test_no_model(self):
        self.assert_fails(run("--load", self.folder / "none"), self.folder / "none")
        self.assert_fails(run("--load", self.path), self.path)
        content = self.model.read_bytes()
        self.model.write_bytes(content.replace(b"forecast.network", b"fourcast.network"))
        self.assert_fails(run("--load", self.model), self.model, "not a model saved by this program")


    def test_promises(self):
        config = {"window": 2, "horizon": 1 << 20, "units": 1, "mean": 0.0, "deviation": 1.0}
        self.assert_promises_are_refused(
            (),
            ({"forecast.network": config}, "[1, 1048576]"),
            ({"forecast.network": config | {"units": 4096}}, "[4096, 4096]"),
        )


class Reading(Case):
    def test_columns(self):
        numbers = seasonal()
        path = self.folder / "wide.csv"
        path.write_text("day,low,high\n" + "".join(f"{i},{n:.2f},{n + 9:.2f}\n" for i, n in enumerate(numbers)))
        low = self.train(path, "--column", "low").stdout
        self.assertEqual(self.train(path, "--column", "2").stdout, low)
        high = self.train(path).stdout
        self.assertNotEqual(high, low)
        self.assertIn(f"{path}, column high", high)

    def test_no_header(self):
        path = self.write(seasonal(), head="")
        self.assertIn("200 values", self.train(path, "--no-header").stderr)

    def test_season_is_found(self):
        draw = random.Random(2)
        both = [4 * math.sin(2 * math.pi * t / 7) + 9 * math.sin(2 * math.pi * t / 35) for t in range(600)]
        for series, season, window in (
            (seasonal(), 12, 24),
            (seasonal(period=5), 5, 24),
            (seasonal(count=600, period=40, noise=1), 40, 40),
            (both, 35, 35),
            ([draw.random() for _ in range(1000)], None, 24),
            ([t + draw.random() for t in range(300)], None, 24),
        ):
            with self.subTest(season=season):
                done = self.train(self.write(series), "--epochs", 1)
                of = values(done.stdout)
                self.assertEqual((of.get("season"), of["window"]), (season, window))
                self.assertEqual("seasonal_naive_mse" in of, season is not None)

    def test_lengths_that_are_given(self):
        of = values(self.train(self.write(seasonal()), "--window", 5, "--horizon", 2, "--season", 9).stdout)
        self.assertEqual((of["season"], of["window"], of["horizon"]), (9, 5, 2))


class Errors(Case):
    def test_files(self):
        none, path = self.folder / "none.csv", self.write(seasonal())
        self.assert_fails(run("--csv", none), none)
        self.assert_fails(run("--csv", path, "--column", "price"), path, "'price'", "'day'", "'value'")
        self.assert_fails(run("--csv", path, "--column", "3"), path, "'3'", "1 to 2")
        for cell in ("n/a", "", "1,5", "inf"):
            with self.subTest(cell=cell):
                path.write_text(f'day,value\n1,2\n2,"{cell}"\n')
                self.assert_fails(run("--csv", path), path, "line 3", "column 2", "value", f"'{cell}'")

    def test_series_that_cannot_be_learned(self):
        path = self.write(seasonal(40))
        self.assert_fails(run("--csv", path, "--horizon", 3), path, "40 values", "training part", 25, 24)
        self.assert_fails(run("--csv", path, "--window", 5, "--horizon", 8), "validation part", 7, 8)
        longer = ("--window", 5, "--horizon", 9, "--validation-split", 0.3)
        self.assert_fails(run("--csv", path, *longer), "test part", 8, 9)
        self.assert_fails(run("--csv", path, "--window", 5, "--season", 33), "season of 33", 32)
        constant = self.write([12.5] * 70 + [13.0] * 30)
        self.assert_fails(run("--csv", constant), "constant", "12.5")

    def test_unwritable(self):
        for option in ("--output", "--svg", "--save", "--log"):
            for path, reason in (
                (self.folder / "none" / "file", "No such file or directory"),
                (self.folder, "Is a directory"),
                ("", "No such file or directory"),
            ):
                with self.subTest(option=option, path=path):
                    self.assert_fails(run("--epochs", 1, option, path), path, reason)

    def test_old_results_outlive_a_failed_start(self):
        old = self.folder / "old"
        old.write_text("old")
        for option in ("--output", "--svg", "--save"):
            self.assert_fails(run(option, old, "--csv", self.folder / "none"), "none")
            self.assertEqual(old.read_text(), "old")
        self.assertEqual(os.listdir(self.folder), ["old"])

    def test_options(self):
        for option, value, complaint in (
            ("window", "1", "expected 2 to"),
            ("window", "x", "invalid numeric value"),
            ("horizon", "0", "expected 1 to"),
            ("season", "0", "expected 1 to"),
            ("ahead", "-1", "expected 0 to"),
            ("units", "0", "expected 1 to"),
            ("test-split", "0", "expected 0.001 to"),
            ("test-split", "1", "expected 0.001 to"),
            ("test-split", "nan", "expected 0.001 to"),
            ("epochs", "0", "expected 1 to"),
            ("column", "price", "expected with --csv"),
        ):
            with self.subTest(option=option, value=value):
                self.assert_misused(run(f"--{option}={value}"), f"--{option}", complaint)
        self.assert_misused(run("--no-header"), "--no-header", "--csv")
        self.assert_misused(run("--load", "a", "--save", "b"), "--load", "--save")
        self.assert_misused(run("stray"), "stray", "unexpected")

    def test_help(self):
        done = run("--help")
        self.assert_ran(done)
        for option in ("csv", "column", "no-header", "window", "horizon", "season", "test-split", "ahead", "units",
                       "output", "svg", "epochs", "lr", "seed", "threads", "log", "save", "load"):  # fmt: skip
            self.assertRegex(done.stdout, rf"(?m)^ +--{option}\b")


if __name__ == "__main__":
    support.main()
