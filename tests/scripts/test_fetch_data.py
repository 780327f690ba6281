#!/usr/bin/env python3
"""scripts/fetch-data against a small HTTP server on the loopback address that can misbehave."""

import fcntl
import hashlib
import http.server
import os
import pathlib
import pty
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "fetch-data"
FILE = "reviews.tar.gz"
CONTENT = random.Random(1).randbytes(300_000)
IMAGES, LABELS, PLAYS = b"images", b"labels", b"plays"
DAMAGED = CONTENT[:1000] + b"!" + CONTENT[1001:]
CUT = 100_000
SKIPPED = 77  # meson's status for a test that could not run


SUMS = {  # of the script's own table
    "aclImdb_v1.tar.gz": "7c2ac02c03563afcf9b574c7e56c153a",
    "mnist/train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "mnist/train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "mnist/t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "mnist/t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    "tinyshakespeare.txt": "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
}
SETS = ("imdb", "mnist", "shakespeare")


def md5(content):
    return hashlib.md5(content).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the server.files, by path: cut off after server.cut bytes, by ranges if server.ranges."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.requests.append((self.path, asked))
        content = server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = 0
        if asked and server.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            last = len(content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{last + 1}")
        self.end_headers()
        self.wfile.write(content[start : start + server.cut])
        self.close_connection = server.cut < len(content) - start

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A client that hangs up early is no fault."""


class FetchData(unittest.TestCase):
    def setUp(self):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.requests = []
        self.serve()
        threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/data"

        self.home = pathlib.Path(tempfile.mkdtemp(prefix="fetch-data-"))
        self.cache = self.home / "cache" / "tapeloop"
        self.file = self.cache / FILE
        self.part = self.cache / f"{FILE}.part"
        self.table = self.home / "table"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "TAPELOOP_FETCH_TABLE": str(self.table),
            "no_proxy": "*",
        }
        self.look_at(f"{self.url}/")

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()
        shutil.rmtree(self.home)

    def serve(self, content=CONTENT, cut=sys.maxsize, ranges=True):
        self.server.files = {f"/data/{FILE}": content, "/data/images.gz": IMAGES, "/data/labels.gz": LABELS,
                             "/elsewhere/input.txt": PLAYS}
        self.server.cut, self.server.ranges = cut, ranges

    def look_at(self, urls):
        """Writes the table of sets, with these URLs for imdb."""
        base = self.url.removesuffix("/data")
        self.table.write_text(f"""
imdb|{FILE}|{md5(CONTENT)}|{urls}|imdb runs on generated reviews without it
mnist|digits/images.gz|{md5(IMAGES)}|{self.url}/|mnist runs on clothes without it
mnist|digits/labels.gz|{md5(LABELS)}|{self.url}/|mnist runs on clothes without it
shakespeare|plays.txt|{hashlib.sha256(PLAYS).hexdigest()}|{base}/elsewhere/input.txt|char_rnn runs on C
""")

    def run_script(self, *arguments, **options):
        return subprocess.run([SCRIPT, *arguments], env=self.environment, text=True, cwd=self.home,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60, **options)

    def succeeds(self, *arguments):
        run = self.run_script(*arguments)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        return run.stdout

    def fails(self, *expected):
        """Runs the script, which fails in one line: the words expected, and what goes on without the data."""
        run = self.run_script("imdb")
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
        for words in (*expected, "imdb runs on generated reviews"):
            self.assertIn(words, run.stderr)

    def put(self, path, content):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def assert_left(self, **contents):
        """The cache holds these files, by attribute of this test, and no other."""
        self.assert_files(self.cache, {getattr(self, name).name: content for name, content in contents.items()})

    def assert_files(self, folder, expected):
        """The folder, which may be missing, holds these files, by path, and no other."""
        left = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        self.assertEqual(left, expected)

    def test_downloads_a_file_once(self):
        self.assertIn(str(self.file), self.succeeds("imdb"))
        self.assert_left(file=CONTENT)
        self.assertIn("already", self.succeeds("imdb"))
        self.assertEqual(self.server.requests, [(f"/data/{FILE}", None)])

    def test_cache_is_in_the_home_folder_unless_said_otherwise(self):
        for value in (None, ""):
            self.environment.pop("XDG_CACHE_HOME", None)
            if value is not None:
                self.environment["XDG_CACHE_HOME"] = value
            self.succeeds("imdb")
            (self.home / ".cache" / "tapeloop" / FILE).unlink()

    def test_folder_can_be_named(self):
        for folder in ("new/folder", "with space", "./-x"):
            self.succeeds("imdb", folder)
            self.assertEqual([path.name for path in (self.home / folder).iterdir()], [FILE])
        self.assert_left()

    def test_no_home_and_no_folder(self):
        del self.environment["HOME"], self.environment["XDG_CACHE_HOME"]
        run = self.run_script("imdb")
        self.assertEqual(run.returncode, 1)
        self.assertIn("HOME", run.stderr)

    def test_folder_that_cannot_be(self):
        self.put(self.home / "file", b"")
        for folder in ("file", "file/folder"):
            run = self.run_script("imdb", folder)
            self.assertEqual(run.returncode, 1)
            self.assertIn(folder, run.stderr)
        self.assertEqual(self.server.requests, [])

    def test_cut_off_download_is_resumed(self):
        self.serve(cut=CUT)
        self.fails(f"{CUT} bytes are kept", "run again to resume")
        self.assert_left(part=CONTENT[:CUT])
        self.fails(f"{2 * CUT} bytes are kept")
        self.serve()
        self.succeeds("imdb")
        self.assert_left(file=CONTENT)
        self.assertEqual([asked for _, asked in self.server.requests],
                         [None, f"bytes={CUT}-", f"bytes={2 * CUT}-"])

    def test_server_without_ranges_starts_over(self):
        self.serve(cut=CUT, ranges=False)
        self.fails(f"{CUT} bytes are kept")
        self.fails(f"{CUT} bytes are kept")
        self.assert_left(part=CONTENT[:CUT])
        self.serve(ranges=False)
        self.succeeds("imdb")
        self.assert_left(file=CONTENT)
        resumed = f"bytes={CUT}-"
        self.assertEqual([asked for _, asked in self.server.requests], [None, resumed, None, resumed, None])

    def test_damaged_download_is_removed(self):
        self.serve(DAMAGED)
        self.fails("damaged", md5(DAMAGED), "removed")
        self.assert_left()
        self.serve()
        self.succeeds("imdb")
        self.assertEqual([asked for _, asked in self.server.requests], [None, None])

    def test_damaged_parts_do_not_stick(self):
        for kept in (DAMAGED[:CUT], DAMAGED, CONTENT + b"more"):
            self.put(self.part, kept)
            self.fails("damaged", "run again to start over")
            self.assert_left()
            self.succeeds("imdb")
            self.file.unlink()

    def test_whole_part_is_taken(self):
        self.put(self.part, CONTENT)
        self.succeeds("imdb")
        self.assert_left(file=CONTENT)

    def test_damaged_file_is_replaced_by_a_whole_one_only(self):
        self.put(self.file, DAMAGED)
        self.serve(cut=CUT)
        run = self.run_script("imdb")
        self.assertEqual(run.returncode, 1)
        self.assertIn("wrong checksum", run.stderr)
        self.assert_left(file=DAMAGED, part=CONTENT[:CUT])
        self.serve()
        run = self.run_script("imdb")
        self.assertEqual(run.returncode, 0)
        self.assertIn("wrong checksum", run.stderr)
        self.assert_left(file=CONTENT)

    def test_missing_on_the_server(self):
        self.look_at(f"{self.url}/nowhere/")
        self.fails("404")
        self.assert_left()

    def dead_url(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            return f"http://127.0.0.1:{unused.getsockname()[1]}"

    def test_no_server(self):
        self.look_at(self.dead_url())
        self.fails("no network")
        self.assert_left()
        self.put(self.part, CONTENT[:CUT])
        self.fails("no network", f"{CUT} bytes are kept")
        self.assert_left(part=CONTENT[:CUT])

    def test_second_server_steps_in(self):
        self.look_at(f"{self.dead_url()} {self.url}/")
        self.succeeds("imdb")
        self.assert_left(file=CONTENT)

    def test_a_set_of_several_files(self):
        folder = self.cache / "digits"
        self.assertEqual(self.succeeds("mnist"),
                         f"{folder}/images.gz is downloaded\n{folder}/labels.gz is downloaded\n")
        self.assert_files(self.cache, {"digits/images.gz": IMAGES, "digits/labels.gz": LABELS})
        self.assertEqual(self.server.requests, [("/data/images.gz", None), ("/data/labels.gz", None)])
        self.put(folder / "images.gz", b"others")
        run = self.run_script("mnist")
        self.assertEqual(run.returncode, 0)
        self.assertIn("digits/images.gz is damaged", run.stderr)
        self.assertIn("labels.gz is there already", run.stdout)
        self.assert_files(self.cache, {"digits/images.gz": IMAGES, "digits/labels.gz": LABELS})
        self.succeeds("mnist", "elsewhere")
        self.assert_files(self.home / "elsewhere", {"digits/images.gz": IMAGES, "digits/labels.gz": LABELS})

    def test_the_file_that_fails_is_named(self):
        del self.server.files["/data/labels.gz"]
        run = self.run_script("mnist")
        self.assertEqual(run.returncode, 1)
        self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
        self.assertIn("digits/labels.gz is not downloaded", run.stderr)
        self.assertIn("mnist runs on clothes", run.stderr)
        self.assert_files(self.cache, {"digits/images.gz": IMAGES})

    def test_folder_of_a_set_that_cannot_be(self):
        self.put(self.cache / "digits", b"")
        run = self.run_script("mnist")
        self.assertEqual(run.returncode, 1)
        self.assertIn(f"cannot make folder {self.cache}/digits", run.stderr)

    def test_another_name_and_another_checksum(self):
        self.assertIn("plays.txt is downloaded", self.succeeds("shakespeare"))
        self.assert_files(self.cache, {"plays.txt": PLAYS})
        self.assertEqual(self.server.requests, [("/elsewhere/input.txt", None)])
        self.assertIn("already", self.succeeds("shakespeare"))
        self.server.files["/elsewhere/input.txt"] = b"prose"
        (self.cache / "plays.txt").unlink()
        run = self.run_script("shakespeare")
        self.assertEqual(run.returncode, 1)
        self.assertIn(hashlib.sha256(b"prose").hexdigest(), run.stderr)
        self.assertIn("removed", run.stderr)
        self.assert_files(self.cache, {})

    def test_own_table(self):
        rows = [line.split("|") for line in SCRIPT.read_text().splitlines() if line.startswith(SETS)]
        self.assertEqual({row[1]: row[2] for row in rows}, SUMS)
        del self.environment["TAPELOOP_FETCH_TABLE"], self.environment["no_proxy"]
        self.environment["http_proxy"] = self.environment["https_proxy"] = self.dead_url()
        for name in SETS:
            run = self.run_script(name)
            self.assertEqual(run.returncode, 1)
            self.assertIn("no network", run.stderr)

    def test_one_download_at_a_time(self):
        self.cache.mkdir(parents=True)
        lock = os.open(self.cache, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = self.run_script("imdb")
        self.assertEqual(run.returncode, 1)
        self.assertIn("going on", run.stderr)
        os.close(lock)
        self.succeeds("imdb")

    def test_wrong_usage(self):
        for arguments in ([], ["nosuchset"], ["imd"], [""], ["--nosuchoption"], ["imdb", "folder", "more"]):
            run = self.run_script(*arguments)
            self.assertEqual((run.returncode, run.stdout), (2, ""), arguments)
            self.assertIn("--help", run.stderr)
        self.assertEqual(self.server.requests, [])
        self.assertEqual(list(self.home.iterdir()), [self.table])

    def test_help(self):
        for option in ("--help", "-h"):
            self.assertIn("Sets: imdb mnist shakespeare", self.succeeds(option))

    def on_a_terminal(self):
        """What the script writes to a terminal."""
        try:
            ours, theirs = pty.openpty()
        except OSError as error:
            self.skipTest(f"no terminal to be had: {error}")
        process = subprocess.Popen([SCRIPT, "imdb"], env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        written = b""
        try:
            while data := os.read(ours, 4096):
                written += data
        except OSError:  # how Linux says that the other side is closed
            pass
        os.close(ours)
        process.wait()
        return written.decode()

    def test_progress_on_a_terminal(self):
        self.assertIn("100.0%", self.on_a_terminal())
        self.file.unlink()
        self.serve(cut=CUT)
        self.assertNotIn("curl", self.on_a_terminal())
        self.part.unlink()
        self.look_at(self.dead_url())
        self.assertEqual(self.on_a_terminal().count("\n"), 1)


if __name__ == "__main__":
    for tool in ("bash", "curl", "flock"):
        if not shutil.which(tool):
            print(f"skipped: {tool} is not installed")
            sys.exit(SKIPPED)
    unittest.main()
