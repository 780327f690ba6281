"""The programs in README.md, compiled with warnings as errors and run.

usage: test_readme.py README.md INCLUDE_FOLDER LIBRARY COMPILER...
LIBRARY is the shared library in the build folder. A program that reads reviews runs where TAPELOOP_DATA has them.
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest

readme, include, library, *compiler = sys.argv[1:]
flags = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
archive = os.path.join(os.environ.get("TAPELOOP_DATA", ""), "aclImdb_v1.tar.gz")


def programs():
    with open(readme, encoding="utf-8") as file:
        return re.findall(r"```c\n(.*?)```", file.read(), re.S)


class Readme(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def compile(self, text):
        source = os.path.join(self.folder.name, "program.c")
        program = os.path.join(self.folder.name, "program")
        with open(source, "w", encoding="utf-8") as file:
            file.write(text)
        link = [library, "-Wl,-rpath," + os.path.dirname(library)]
        subprocess.run([*compiler, *flags, "-I", include, source, "-o", program, *link], check=True)
        return program

    def run_program(self, program, *arguments):
        return subprocess.run([program, *arguments], cwd=self.folder.name, check=True, text=True,
                              capture_output=True, timeout=250)

    def test_there_are_three(self):
        self.assertEqual(len(programs()), 3)

    def test_model(self):
        program = self.compile(programs()[0])
        if not os.path.exists(archive):
            self.skipTest("SKIPPED: no aclImdb_v1.tar.gz in TAPELOOP_DATA")
        accuracy = re.search(r"test accuracy: ([\d.]+)", self.run_program(program, archive).stdout)
        self.assertGreater(float(accuracy[1]), 0.7)

    def test_bare_tape(self):
        losses = re.findall(r"loss ([\d.]+)", self.run_program(self.compile(programs()[1])).stdout)
        self.assertEqual(len(losses), 5)
        self.assertLess(float(losses[-1]), 0.005)

    def test_own_cell(self):
        shown = self.run_program(self.compile(programs()[2])).stderr
        accuracies = re.findall(r" - accuracy: ([\d.]+)", shown)
        self.assertEqual(len(accuracies), 20)
        self.assertGreater(float(accuracies[-1]), 0.9)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
