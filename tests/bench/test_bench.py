#!/usr/bin/env python3
"""The benchmarks as who runs them meets them: test_bench.py PATH_OF_BENCH_PROGRAM. Times are as they come: what is
tested is that every group runs, and that what is said of it hangs together.
"""

import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "bench"
SMALL = [  # one of each group and kind
    "kernels/product-8x28x50", "kernels/step-8x28x50", "kernels/outer-8x28x50", "kernels/tanh-64x64",
    "kernels/softmax-32x10", "kernels/gather-512of65x256", "kernels/scatter-512of65x256", "layers/rows", "steps/rows",
    "steps/imdb-mask", "latency/rnn32", "growth/T50", "growth/B1", "growth/U16",
]  # fmt: skip
BASELINE = "neon" if platform.machine() == "aarch64" else "baseline"  # the vectors that every machine has
WITHOUT_FLOPS = ("tanh", "softmax", "gather", "scatter", "imdb-mask")


def run(*arguments, stdout=subprocess.PIPE, **environment):
    settings = {name: value for name, value in os.environ.items() if name not in ("TAPELOOP_DATA", "TAPELOOP_ISA")}
    settings.update(XDG_CACHE_HOME="/nonexistent", HOME="/nonexistent", **environment)
    return subprocess.run(
        [PROGRAM, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True,
        env=settings, timeout=280, check=False,
    )  # fmt: skip


def names(*arguments, **environment):
    return run("--list", *arguments, **environment).stdout.splitlines()


class Cases(unittest.TestCase):
    def test_names(self):
        found = names()
        self.assertEqual(len(found), len(set(found)))
        self.assertEqual({name.split("/")[0] for name in found}, {"kernels", "layers", "steps", "latency", "growth",
                                                                 "long"})
        self.assertLessEqual(set(SMALL), set(found))

    def test_kernels_of_other_instruction_sets(self):
        known = set(names())
        more = set(names("--isas"))
        self.assertLess(known, more)
        self.assertIn("kernels/product-8x28x50@plain", more)
        self.assertTrue(all("@" in name for name in more - known))
        self.assertIn(f"kernels/product-8x28x50@{BASELINE}", names("--isas", TAPELOOP_ISA="plain"))


class Results(unittest.TestCase):
    """One run of a small case of each group serves all tests."""

    @classmethod
    def setUpClass(cls):
        cls.done = run("--seconds", 0.01, "--threads", 2, "--json", *SMALL)
        cls.found = json.loads(cls.done.stdout)
        cls.cases = {case["name"]: case for case in cls.found["cases"]}

    def test_ran(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr)
        self.assertEqual(self.done.stderr, "bench: reviews: made up\n")
        self.assertEqual(set(self.cases), set(SMALL))

    def test_setting(self):
        self.assertEqual(self.found["threads"], 2)
        self.assertIn(self.found["isa"], (BASELINE, "avx2", "avx512"))
        self.assertGreater(self.found["peak_gflops_one"], 0.1)
        self.assertGreater(self.found["peak_gflops_all"], 0.1)

    def test_times(self):
        for name, case in self.cases.items():
            with self.subTest(name):
                self.assertGreater(case["min_ms"], 0)
                self.assertLessEqual(case["min_ms"], case["median_ms"])
                self.assertLess(case["median_ms"], 60e3)
                self.assertGreaterEqual(case["samples"], 7)
                self.assertGreaterEqual(case["runs"], case["samples"])

    def test_counts(self):
        for name, case in self.cases.items():
            with self.subTest(name):
                counted = not any(part in name for part in WITHOUT_FLOPS)
                self.assertEqual("gflops" in case, counted)
                if counted:
                    self.assertGreater(case["gflops"], 0)
                    self.assertGreater(case["of_peak"], 0)
        product = self.cases["kernels/product-8x28x50"]
        self.assertAlmostEqual(product["gflops"] * product["median_ms"] * 1e6, 2 * 8 * 28 * 50, delta=50)
        self.assertEqual(product["isa"], self.found["isa"])

    def test_growth(self):
        case = self.cases["growth/T50"]
        self.assertEqual((case["steps"], case["rows"], case["units"]), (50, 32, 64))
        self.assertEqual(case["state_bytes"], 64 * 4)
        self.assertEqual(case["rows_at_once"], 16)  # a shard of 8 on each of two threads
        self.assertGreater(case["bytes_per_step"], case["state_bytes"])
        self.assertAlmostEqual(case["bytes_per_step"] * 50 * 16, case["peak_bytes"], delta=50)
        self.assertEqual(self.cases["growth/B1"]["rows_at_once"], 1)

    def test_plot(self):
        with tempfile.TemporaryDirectory(prefix="tapeloop-") as folder:
            results, picture = pathlib.Path(folder, "growth.json"), pathlib.Path(folder, "growth.svg")
            results.write_text(self.done.stdout)
            subprocess.run([sys.executable, SCRIPTS / "plot", results, picture], check=True, timeout=60)
            root = xml.etree.ElementTree.parse(picture).getroot()
            self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")
            text = " ".join(root.itertext())
            for word in ("time", "memory", "steps", "rows", "units"):
                self.assertIn(word, text)


class Tables(unittest.TestCase):
    def test_tables(self):
        done = run("--seconds", 0.01, "--threads", 1, "--case", "latency/rnn3*", "--case", "growth/B1")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertRegex(lines[0], r"^threads: 1, instruction set: \w+, FMA peak: [\d.]+ GFLOP/s on one thread")
        rows = [line.strip("|").split("|") for line in lines if line.startswith("|")]
        self.assertEqual([row[0].strip() for row in rows], ["case", "---", "latency/rnn32", "case", "---", "growth/B1"])
        self.assertEqual([len(row) for row in rows], [6, 6, 6, 11, 11, 11])

    def test_instruction_set(self):
        done = run("--seconds", 0.001, "--json", "kernels/product-8x28x50", TAPELOOP_ISA=BASELINE)
        self.assertEqual(json.loads(done.stdout)["isa"], BASELINE)


class Scripts(unittest.TestCase):
    def test_they_explain_themselves(self):
        for script, word in (("plot", "picture"), ("compare", "--quick")):
            with self.subTest(script):
                done = subprocess.run(
                    [sys.executable, SCRIPTS / script, "--help"], check=True, capture_output=True, text=True, timeout=60
                )
                self.assertIn(word, done.stdout)

    def test_plot_of_other_results(self):
        with tempfile.TemporaryDirectory(prefix="tapeloop-") as folder:
            results = pathlib.Path(folder, "steps.json")
            results.write_text('{"cases": [{"name": "steps/imdb"}]}')
            command = [sys.executable, SCRIPTS / "plot", results, pathlib.Path(folder, "growth.svg")]
            done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2)
            self.assertIn("there are no cases of growth in it", done.stderr)


class CommandLine(unittest.TestCase):
    def test_mistakes(self):
        for arguments, complaint in (
            (("no-such-case",), "no-such-case: no case has such a name; see bench --list"),
            (("--list", "--case", "step"), "step: no case has such a name; see bench --list"),
            (("--seconds", "0"), "--seconds 0: expected more than 0, up to 3600; see bench --help"),
            (("--threads", "-1"), "--threads -1: expected 0 to 1024; see bench --help"),
            (("--threads", "two"), "two: invalid numeric value; see bench --help"),
            (("--runs", "3"), "--runs: unknown option; see bench --help"),
        ):
            with self.subTest(arguments=arguments):
                done = run(*arguments)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (2, "", f"bench: {complaint}\n"))

    def test_standard_output_that_is_full(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = run("--list", stdout=full)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "bench: standard output cannot be written\n")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: test_bench.py PATH_OF_BENCH_PROGRAM [unittest's options and test names]")
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
