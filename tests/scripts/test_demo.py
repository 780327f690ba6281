#!/usr/bin/env python3
"""scripts/demo in a tree of its own, where building, installing and downloading only note that they were asked."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
EXAMPLES = ("char_rnn", "custom_op", "imdb", "mnist")
SKIPPED = 77  # meson's status for a test that could not run

# In place of programs: each writes its name and arguments to $LOG; ninja makes the example, which does the same.
NOTE = '#!/bin/sh\necho "$(basename "$0") $*" >>"$LOG"\n'
STUBS = {
    "meson": NOTE + 'mkdir -p "$2" && touch "$2/build.ninja"\n',
    "ninja": NOTE + 'mkdir -p "$2/examples" && install -D "$STUBS/example" "$2/$3"\n',
    "example": NOTE,
    "dpkg-query": "#!/bin/sh\nexit 0\n",
    "sudo": '#!/bin/sh\nexec "$@"\n',
    "apt-get": NOTE + 'case "$*" in *"$BROKEN"*) exit 1 ;; esac\n',
    "fetch-data": NOTE + 'exit "$FETCHED"\n',
}


class Demo(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="demo-")
        self.addCleanup(folder.cleanup)
        self.home = pathlib.Path(folder.name)
        self.cache = self.home / ".cache" / "tapeloop"
        self.scripts = self.home / "tree" / "scripts"
        self.log = self.home / "log"
        stubs = self.home / "stubs"
        for path in (self.scripts, stubs, *(self.home / "tree" / "examples" / name for name in (*EXAMPLES, "common"))):
            path.mkdir(parents=True)
        for name in ("common", "demo"):
            shutil.copy(SCRIPTS / name, self.scripts)
        for name, text in STUBS.items():
            path = (self.scripts if name == "fetch-data" else stubs) / name
            path.write_text(text)
            path.chmod(0o755)
        self.environment = {
            "PATH": f"{stubs}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "LOG": str(self.log),
            "STUBS": str(stubs),
            "FETCHED": "0",
            "BROKEN": "none",
        }

    def run_demo(self, *arguments):
        self.log.write_text("")
        return subprocess.run([self.scripts / "demo", *arguments], env=self.environment, text=True, cwd=self.home,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60)

    def did(self, *arguments):
        """What running the script, which succeeds, did after building: downloads, installations, programs."""
        run = self.run_demo(*arguments)
        self.assertEqual((run.returncode, run.stdout), (0, ""), run.stderr)
        lines = self.log.read_text().splitlines()
        built = [i for i, line in enumerate(lines) if line.startswith("ninja")]
        return [line for line in lines[built[-1] + 1 :] if not line.endswith("update")]

    def put(self, *path):
        file = self.home.joinpath(*path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()

    def test_examples_are_the_folders_but_for_common(self):
        self.assertIn("Examples: char_rnn custom_op imdb mnist\n", self.run_demo("--help").stdout)
        for name in ("common", "nosuch", "imdb mnist", "."):
            run = self.run_demo(name)
            self.assertEqual((run.returncode, run.stdout), (2, ""))
            self.assertIn("char_rnn custom_op imdb mnist", run.stderr)
            self.assertEqual(self.log.read_text(), "")

    def test_options_reach_the_example(self):
        self.assertEqual(self.did("custom_op"), ["custom_op "])
        self.assertEqual(self.did("imdb", "--epochs", "2", "--predict", "a film"),
                         ["imdb --epochs 2 --predict a film"])

    def test_main_job_saves_and_asks(self):
        self.assertEqual(self.run_demo().returncode, 0)
        trained, asked = self.log.read_text().splitlines()[-2:]
        self.assertRegex(trained, "^imdb --save .*safetensors$")
        self.assertRegex(asked, "^imdb --load .*safetensors --predict$")

    def test_fetch_comes_first_and_is_not_passed_on(self):
        for name, data in (("imdb", "imdb"), ("char_rnn", "shakespeare")):
            self.assertEqual(self.did(name, "--fetch"), [f"fetch-data {data}", f"{name} "])
            self.assertEqual(self.did(name, "--epochs", "2", "--fetch"), [f"fetch-data {data}", f"{name} --epochs 2"])

    def test_fetch_goes_to_the_folder_that_is_read(self):
        self.assertEqual(self.did("imdb", "--fetch", "--data", "a folder"),
                         ["fetch-data imdb a folder", "imdb --data a folder"])
        self.assertEqual(self.did("imdb", "--fetch", "--data=folder"),
                         ["fetch-data imdb folder", "imdb --data=folder"])

    def test_fetch_is_spared_where_the_user_has_the_data(self):
        self.environment["TAPELOOP_DATA"] = str(self.home / "data")
        self.assertEqual(self.did("char_rnn", "--fetch"), ["fetch-data shakespeare", "char_rnn "])
        self.put("data", "tinyshakespeare.txt")
        self.assertEqual(self.did("char_rnn", "--fetch"), ["char_rnn "])
        self.assertEqual(self.did("char_rnn", "--fetch", "--data", "x"),
                         ["fetch-data shakespeare x", "char_rnn --data x"])

    def test_fetch_that_fails_is_no_end(self):
        self.environment["FETCHED"] = "1"
        self.assertEqual(self.did("imdb", "--fetch"), ["fetch-data imdb", "imdb "])
        self.assertIn("going on with what there is", self.run_demo("imdb", "--fetch").stderr)

    def test_nothing_to_fetch(self):
        run = self.run_demo("custom_op", "--fetch")
        self.assertEqual((run.returncode, run.stdout, run.stderr.count("\n")), (2, "", 1))
        self.assertIn("custom_op reads no data", run.stderr)
        self.assertEqual(self.log.read_text(), "")

    def installs(self, *arguments):
        """Whether mnist installs its data, and runs last in any case."""
        lines = self.did("mnist", *arguments)
        self.assertTrue(lines[-1].startswith("mnist "))
        installed = [line for line in lines if line.startswith("apt-get")]
        self.assertTrue(all(line.endswith("dataset-fashion-mnist") for line in installed))
        return len(installed) == 1

    def test_mnist_has_something_to_run_on(self):
        self.assertTrue(self.installs())
        self.assertTrue(self.installs("--fetch"))  # which brought nothing here
        for option in ("--help", "--usage", "-?"):
            self.assertFalse(self.installs("--fetch", option))
        self.assertFalse(self.installs("--data", "folder"))

    def test_mnist_that_is_there_will_do(self):
        images = "train-images-idx3-ubyte"
        self.environment["TAPELOOP_DATA"] = str(self.home / "data")
        for place in (self.home / "data", self.cache):
            for file in (f"mnist/{images}.gz", f"mnist/{images}", f"{images}.gz", images):
                self.assertTrue(self.installs())
                self.put(place, file)
                self.assertFalse(self.installs())
                (place / file).unlink()
        del self.environment["TAPELOOP_DATA"]
        self.environment["XDG_CACHE_HOME"] = str(self.home / "other")
        self.put("other", "tapeloop", "mnist", f"{images}.gz")
        self.assertFalse(self.installs())

    def test_installation_that_fails_is_no_end(self):
        self.environment["BROKEN"] = "fashion"
        self.assertTrue(self.installs())
        self.assertIn("Could not install dataset-fashion-mnist", self.run_demo("mnist").stderr)


if __name__ == "__main__":
    if not shutil.which("bash"):
        print("skipped: bash is not installed")
        sys.exit(SKIPPED)
    unittest.main()
