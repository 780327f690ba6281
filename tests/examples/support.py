"""What the tests of the example programs have in common: running a program with nothing of the user's in reach,
and reading what it says. A test file ends with support.main(), which takes the program's path as first argument.
"""

import csv
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

PROGRAM = None


def main():
    global PROGRAM
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} PATH_OF_PROGRAM [unittest's options and test names]")
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)


def run(*arguments, data=None, cache="/nonexistent", stdin=""):
    """Runs the program. `data` becomes TAPELOOP_DATA."""
    environment = {name: value for name, value in os.environ.items() if name != "TAPELOOP_DATA"}
    environment.update(XDG_CACHE_HOME=str(cache), HOME="/nonexistent", LC_ALL="C.UTF-8")
    environment.setdefault("OMP_WAIT_POLICY", "passive")  # on a busy machine, threads that spin are in the way
    if data:
        environment["TAPELOOP_DATA"] = str(data)
    return subprocess.run(
        [PROGRAM, *map(str, arguments)], input=stdin, text=True, errors="backslashreplace", capture_output=True,
        env=environment, timeout=250, check=False,
    )  # fmt: skip


def values(text):
    """The numbers that are printed as "name: value", by name, in their order."""
    return {name: float(value) for name, value in re.findall(r"(\S+): (-?[0-9][0-9.e+-]*)(?:\s|$)", text)}


def history(path):
    """The rows of a file that --log has written, as numbers by name, without the seconds."""
    with open(path, newline="") as file:
        return [
            {name: float(value) for name, value in row.items() if value and name != "seconds"}
            for row in csv.DictReader(file)
        ]


def same_for_any_threads(test, program, *arguments, files=("--save",), status=0, threads=8):
    """Fails the test unless the program does the same with one thread and with many, by --threads and by
    OMP_NUM_THREADS, and once more with one: the same output, and the same bytes in what it writes to the files that
    are given by the options `files`. It is made to see eight cores, and `threads` of the eight that it is asked for
    must have worked. Under a sanitizer, which looks at what runs and takes its time, once with many is enough."""
    one = _outcome(test, program, arguments, files, status, 1, option="1")
    ways = (("8", ""), ("1", ""), ("2", ""), ("3", ""), (None, "3"), ("8", "1"))
    for option, variable in ways[:1] if "ASAN_OPTIONS" in os.environ else ways:
        with test.subTest(threads=option, OMP_NUM_THREADS=variable):
            least = min(int(option or variable), threads)
            test.assertEqual(_outcome(test, program, arguments, files, status, least, option, variable), one)


def _outcome(test, program, arguments, files, status, least, option, variable=""):
    unwanted = ("TAPELOOP_DATA", "OMP_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment.update(
        XDG_CACHE_HOME="/nonexistent", HOME="/nonexistent", LC_ALL="C.UTF-8", OMP_WAIT_POLICY="passive",
        LD_PRELOAD=str(pathlib.Path(program).parents[2] / "tests" / "libeight_cores.so"),
        OMP_DISPLAY_AFFINITY="TRUE", OMP_AFFINITY_FORMAT="[openmp thread %n]",  # said by each that starts to work, amid a line maybe
        ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0",
    )  # fmt: skip
    test.assertTrue(pathlib.Path(environment["LD_PRELOAD"]).is_file(), environment["LD_PRELOAD"])
    if variable:
        environment["OMP_NUM_THREADS"] = variable
    with tempfile.TemporaryDirectory(prefix="tapeloop-") as folder:
        paths = [pathlib.Path(folder) / f"file{number}" for number in range(len(files))]
        command = [program, *arguments, *(["--threads", option] if option else [])]
        for name, path in zip(files, paths):
            command += [name, path]
        done = subprocess.run(
            list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, env=environment, timeout=250,
            check=False,
        )  # fmt: skip
        said = (done.stdout + done.stderr).decode(errors="backslashreplace")
        test.assertEqual(done.returncode, status, said)
        worked = {int(number) for number in re.findall(r"\[openmp thread (\d+)\]\n", said)} | {0}
        test.assertGreaterEqual(len(worked), least, "threads that worked")
        said = re.sub(r"\[openmp thread \d+\]\n", "", re.sub(r" - \d+\.\ds - ", " - ", said))
        return said.replace(folder, ""), [path.read_bytes() for path in paths]


class Case(unittest.TestCase):
    """A test with a folder of its own."""

    def assert_same_for_any_threads(self, *arguments, **expected):
        same_for_any_threads(self, PROGRAM, *arguments, **expected)

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tapeloop-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def assert_ran(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)

    def assert_complains(self, done, status, *parts):
        """That status, and one line of complaint, the last, that holds every part."""
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        start = f"{os.path.basename(PROGRAM)}: "
        complaints = [line for line in done.stderr.splitlines() if line.startswith(start)]
        self.assertEqual(complaints, done.stderr.splitlines()[-1:], done.stderr)
        for part in parts:
            self.assertIn(str(part), complaints[0])

    def assert_fails(self, done, *parts):
        """Status 1 before any training."""
        self.assert_complains(done, 1, *parts)
        self.assertNotIn("Epoch", done.stdout + done.stderr)

    def assert_misused(self, done, *parts):
        """Status 2, and nothing done."""
        self.assert_complains(done, 2, *parts)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1)

    def assert_promises_are_refused(self, load, *promises):
        """A model of one value whose metadata speaks of many is refused before it is built: (metadata, said) each."""
        path = self.folder / "promises"
        for metadata, said in promises:
            with self.subTest(metadata):
                texts = {key: json.dumps(value) for key, value in metadata.items()}
                tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
                header = json.dumps({"__metadata__": texts, "w": tensor}).encode()
                path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
                said = f"weights of another model: 4 bytes, too few for the {said} of its metadata"
                self.assert_fails(run(*load, "--load", path), path, said)

    def assert_damage_is_told(self, path, load, changes):
        """A saved model with something changed, or cut short, is refused: (before, after, what is said) each."""
        model = path.read_bytes()
        for before, after, said in changes:
            with self.subTest(after=after):
                self.assertEqual(model.count(before), 1)
                path.write_bytes(model.replace(before, after))
                self.assert_fails(run(*load), path, said)
        for kept in (0, 7, 100, len(model) - 1):
            with self.subTest(kept=kept):
                path.write_bytes(model[:kept])
                self.assert_fails(run(*load), path)
