#!/usr/bin/env python3
"""Makes the corpus beside this script: small files for each target, good ones and ones that are wrong in one way.

Usage: make_corpus.py SEED, with the program that the build leaves in tests/fuzz/seed.
"""
import gzip
import io
import json
import pathlib
import struct
import subprocess
import sys
import tarfile
import tempfile

CORPUS = pathlib.Path(__file__).parent / "corpus"


def put(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def put_all(target, files):
    for name, data in files.items():
        put(target, name, data)


def packed(data, **options):
    return gzip.compress(data, mtime=0, **options)


# --- safetensors, and what models make of them ---


def framed(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors():
    values = bytes(range(64))
    two = {"a": entry("F32", [2, 3], 0, 24), "b": entry("U8", [5], 24, 29)}
    nan = struct.pack("<ffd", float("nan"), 1, float("inf"))
    return {
        "two": framed(two, values[:29]),
        "metadata": framed({"__metadata__": {"format": "pt", "": "x"}, **two}, values[:29]),
        "every-type": framed({"f": entry("F32", [1], 0, 4), "d": entry("F64", [1], 4, 12),
                              "i": entry("I32", [1], 12, 16), "u": entry("U8", [1], 16, 17)}, values[:17]),
        "scalar": framed({"s": entry("F32", [], 0, 4)}, values[:4]),
        "empty": framed({}),
        "no-elements": framed({"z": entry("F32", [0, 7], 0, 0), "y": entry("F32", [3, 0], 0, 0)}),
        "not-finite": framed({"f": entry("F32", [2], 0, 8), "d": entry("F64", [1], 8, 16)}, nan),
        "rank-8": framed({"r": entry("U8", [1] * 8, 0, 1)}, b"1"),
        "rank-9": framed({"r": entry("U8", [1] * 9, 0, 1)}, b"1"),
        "spaces": framed(json.dumps(two).encode() + b"   ", values[:29]),
        "other-order": framed({"b": two["b"], "a": two["a"]}, values[:29]),
        "cut-values": framed(two, values[:28]),
        "too-many-values": framed(two, values[:30]),
        "cut-header": framed(two)[:-9],
        "cut-length": b"\x08\0\0",
        "nothing": b"",
        "length-of-gigabytes": framed(two, values[:29], length=4 << 30),
        "length-negative": framed(two, values[:29], length=2**64 - 1),
        "length-zero": framed(two, values[:29], length=0),
        "elements-of-gigabytes": framed({"a": entry("F64", [1 << 32, 8], 0, 1 << 38)}),
        "elements-overflow": framed({"a": entry("F64", [1 << 61, 1 << 3], 0, 0)}),
        "elements-overflow-to-fit": framed({"a": entry("F32", [(1 << 62) + 2], 0, 8)}, values[:8]),
        "extent-negative": framed({"a": entry("F32", [-1, -2], 0, 8)}, values[:8]),
        "extent-real": framed({"a": entry("F32", [2.0], 0, 8)}, values[:8]),
        "extent-huge": framed(b'{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]}}', values[:8]),
        "offsets-overflow": framed({"a": entry("F32", [2], -(1 << 63), (1 << 63) - 1)}, values[:8]),
        "offsets-overlap": framed({"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 4, 12)}, values[:12]),
        "offsets-hole": framed({"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 12, 20)}, values[:20]),
        "offsets-turned": framed({"a": entry("F32", [2], 8, 0)}, values[:8]),
        "name-twice": framed(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
                             b'"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"1"),
        "name-with-zero": framed(b'{"a\\u0000b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"1"),
        "name-not-utf-8": framed(b'{"\xff":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"1"),
        "name-long": framed({"n" * 700: entry("U8", [1], 0, 1)}, b"1"),
        "type-unknown": framed({"a": entry("BF16", [4], 0, 8)}, values[:8]),
        "metadata-number": framed({"__metadata__": {"k": 1}}),
        "metadata-list": framed({"__metadata__": []}),
        "key-more": framed({"a": {**entry("U8", [1], 0, 1), "scale": 2}}, b"1"),
        "nested-deep": framed(b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}"),
        "nested-objects": framed(b'{"a":' * 900 + b"1" + b"}" * 900),
        "not-json": framed(b"{'a': 1}"),
        "list": framed(b"[1, 2]"),
        "header-with-zero": framed(b'{"a":\0}'),
    }


def of_models(seed):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([seed, folder], check=True)
        for target in ("weights", "checkpoint"):
            good = (pathlib.Path(folder) / target).read_bytes()
            length = struct.unpack("<Q", good[:8])[0]
            header, data = good[8:8 + length], good[8 + length:]
            tensors = json.loads(header)
            first = next(name for name in tensors if name != "__metadata__")
            renamed = header.replace(first.encode(), first[:-1].encode() + b"?")
            put_all(target, {
                "good": good,
                "cut": good[:-1],
                "other-name": framed(renamed, data),
                "not-finite": good[:-4] + b"\0\0\xc0\x7f",
                "infinite": good[:-8] + b"\0\0\0\0\0\0\xf0\x7f",
                "last-negative": good[:-1] + b"\xbf",
                "values-all-ones": framed(header, b"\xff" * len(data)),
                "values-all-zero": framed(header, b"\0" * len(data)),
                "other-type": framed(header.replace(b'"F32"', b'"I32"'), data),
                "empty": framed({}),
                "one": framed({"a": entry("F32", [1], 0, 4)}, b"1234"),
                "nothing": b"",
            })


# --- IDX ---


def idx_file(kind, sizes, data=b"", rank=None):
    rank = len(sizes) if rank is None else rank
    return bytes([0, 0, kind, rank]) + b"".join(struct.pack(">I", size) for size in sizes) + data


def idx():
    values = bytes(range(40))
    images = idx_file(0x08, [3, 2, 2], values[:12])
    return {
        "bytes": images,
        "signed-bytes": idx_file(0x09, [3], b"\xff\x80\x7f"),
        "shorts": idx_file(0x0B, [2], b"\xff\xfe\x7f\xff"),
        "ints": idx_file(0x0C, [2], values[:8]),
        "floats": idx_file(0x0D, [2], struct.pack(">ff", -1.5, float("nan"))),
        "doubles": idx_file(0x0E, [1, 1], struct.pack(">d", 1e300)),
        "no-elements": idx_file(0x08, [0, 5]),
        "rank-8": idx_file(0x08, [1] * 8, b"1"),
        "rank-9": idx_file(0x08, [1] * 9, b"1"),
        "rank-0": idx_file(0x08, [], b"1"),
        "rank-255": idx_file(0x08, [1], b"1", rank=255),
        "type-unknown": idx_file(0x0A, [1], b"1"),
        "cut-values": images[:-1],
        "cut-sizes": images[:9],
        "cut-magic": images[:3],
        "one-more": images + b"!",
        "nothing": b"",
        "not-idx": b"\x01\0\x08\x01\0\0\0\x01!",
        "sizes-of-gigabytes": idx_file(0x0E, [65535, 65535]),
        "sizes-overflow": idx_file(0x0E, [0xFFFFFFFF] * 8, values),
        "sizes-overflow-to-zero": idx_file(0x0C, [1 << 31, 1 << 31, 1 << 2], values),
        "zero-of-many": idx_file(0x08, [0] + [0xFFFFFFFF] * 7),
        "gzip": packed(images),
        "gzip-cut": packed(images)[:-1],
        "gzip-checksum": packed(images)[:-8] + b"1234" + packed(images)[-4:],
        "gzip-more": packed(images) + b"more",
        "gzip-twice": packed(packed(images)),
        "gzip-two-members": packed(images[:8]) + packed(images[8:]),
        "gzip-of-zeros": packed(idx_file(0x08, [60, 50, 50], bytes(150000))),
        "gzip-of-gigabytes": packed(idx_file(0x08, [65535, 65535], bytes(150000))),
        "gzip-name": b"\x1f\x8b\x08\x08\0\0\0\0\0\x03name\0" + packed(images)[10:],
        "gzip-header-only": packed(images)[:10],
        "gzip-magic-only": b"\x1f\x8b",
    }


# --- the archive of reviews ---


def tar_of(members, form=tarfile.USTAR_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, text, *change in members:
            member = tarfile.TarInfo(name)
            member.size = len(text)
            for key, value in change:
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(text))
    used = out.getvalue().rstrip(b"\0")
    return used + bytes(-len(used) % 512 + 1024)  # two blocks of zeros end an archive; tarfile pads to twenty


def with_checksum(header):
    clear = header[:148] + b" " * 8 + header[156:]
    return clear[:148] + b"%06o\0 " % sum(clear) + clear[156:]


def sparse_member(name, size):
    """A member of GNU's old sparse format: a block of text at the end of `size` bytes, and before it a hole."""
    header = bytearray(512)
    header[0:len(name)] = name
    header[100:148] = b"0000644\0" * 3 + b"%011o\0" % 512 + b"00000000000\0"
    header[156] = ord("S")
    header[257:265] = b"ustar  \0"
    header[386:410] = b"%011o\0%011o\0" % (size - 512, 512)
    header[483:495] = b"%011o\0" % size
    return with_checksum(bytes(header)) + b"film " * 102 + b"ok"


def with_size(tar, digits):
    return with_checksum(tar[:124] + digits + tar[136:512]) + tar[512:]


def reviews():
    four = [("aclImdb/train/pos/0_9.txt", b"A good film. <br /><br />Good!"),
            ("aclImdb/train/neg/0_2.txt", b"A bad film."),
            ("aclImdb/test/pos/1_10.txt", "Déjà vu, GOOD".encode()),
            ("aclImdb/test/neg/1_1.txt", b"bad bad bad")]
    good = tar_of(four)
    first = four[0][0]
    holes = [sparse_member(b"train/pos/%d_9.txt" % i, 1 << 20) for i in range(2)]

    def changed(text, **change):
        return tar_of([(first, text, *change.items())] + four[1:])

    return {
        "good": good,
        "good-gzip": packed(good),
        "good-pax": tar_of([(first, four[0][1], ("pax_headers", {"comment": "x" * 40}))] + four[1:],
                           tarfile.PAX_FORMAT),
        "good-gnu-long-name": tar_of([("d/" * 60 + first, four[0][1])] + four[1:], tarfile.GNU_FORMAT),
        "name-upwards": tar_of([("../../../../" + first, four[0][1])] + four[1:]),
        "name-absolute": tar_of([("/" + first, four[0][1])] + four[1:]),
        "name-other-class": tar_of([("aclImdb/train/unsup/0_0.txt", b"unlabelled")] + four),
        "name-long-digits": tar_of([("train/pos/" + "1" * 60 + "_9.txt", b"text")] + four[1:]),
        "name-twice": tar_of(four + four[:1]),
        "folder": changed(b"", type=tarfile.DIRTYPE),
        "link": changed(b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        "hard-link": changed(b"", type=tarfile.LNKTYPE, linkname="aclImdb/train/neg/0_2.txt"),
        "device": changed(b"", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
        "fifo": changed(b"", type=tarfile.FIFOTYPE),
        "empty-review": changed(b""),
        "blank-review": changed(b" \n<br />"),
        "zero-in-review": changed(b"a\0b"),
        "not-utf-8": changed(b"\xff\xfe"),
        "long-word": changed(b"w" * 600 + "ü".encode() * 300),
        "size-over-limit": with_size(good, b"00010000000\0"),
        "size-of-gigabytes": with_size(good, b"77777777777\0"),
        "size-base-256": with_size(good, b"\x80" + b"\0" * 3 + struct.pack(">Q", 1 << 62)),
        "size-negative": with_size(good, b"\xff" * 12),
        "sparse-hole": holes[0] + good,
        "sparse-holes": holes[0] + holes[1] + good,
        "sparse-of-gigabytes": sparse_member(b"train/pos/0_9.txt", 1 << 32) + good,
        "cut-text": good[:520],
        "cut-header": good[:300],
        "no-end": good[:-1024],
        "checksum": good[:148] + b"000000\0 " + good[156:],
        "gzip-cut": packed(good)[:-9],
        "gzip-twice": packed(packed(good)),
        "no-reviews": tar_of([("readme", b"none")]),
        "one-class": tar_of(four[:1]),
        "nothing": b"",
        "zeros": bytes(1024),
        "text": b"not an archive\n" * 40,
    }


# --- text ---


def text():
    return {
        "words": b"Don't stop: well-known <br /> WORDS, words; again & again.\n",
        "letters": "ÀÉÎÕÜ ŸŽ ΑΒΓΣ БВГ Ա İ ẞ Ơ".encode(),
        "characters": "a\u00e9\u20ac\U0001f600\U0010ffff\u0000b".encode(),
        "byte-order-mark": b"\xef\xbb\xbftext",
        "line-ends": b"a\r\nb\rc\n\n",
        "breaks": b"<br><BR/><br    /><br / ><br",
        "blank": b" \t\r\n<br>",
        "zero": b"a\0b",
        "only-zero": b"\0",
        "long-word": b"x" * 251 + "é".encode() * 4 + b" " + b"y" * 300,
        "long-word-cut": b"x" * 250 + "\U0001f600".encode() * 3,
        "overlong": b"\xc0\xaf \xe0\x80\xaf \xf0\x80\x80\xaf",
        "surrogate": b"\xed\xa0\x80\xed\xb0\x80",
        "too-large": b"\xf4\x90\x80\x80 \xf8\x88\x80\x80\x80",
        "lone-tail": b"\x80\xbf",
        "cut-character": b"abcdefgh\xe2\x82",
        "cut-emoji": b"abcdefgh\xf0\x9f\x98",
        "ff": b"\xff" * 20,
        "nothing": b"",
        "gzip": packed(b"packed text, packed text\n"),
        "gzip-of-nothing": packed(b""),
        "gzip-cut": packed(b"packed text")[:-3],
        "gzip-checksum": packed(b"packed text")[:-8] + b"12345678",
        "gzip-twice": packed(packed(b"text")),
        "gzip-of-much": packed(b"much " * 20000),
        "gzip-of-gzip-of-much": packed(packed(bytes(1 << 20))),
    }


# --- CSV ---


def csv():
    tables = {
        "numbers": b"date,price\n2020-01-01,1.5\n2020-01-02,-2e3\n",
        "quotes": b'a,b\n"x, y","say ""hi"""\n"two\nlines",3\n',
        "spaces": b"a , b\n 1 , 2 \n",
        "crlf": b"a,b\r\n1,2\r\n",
        "cr": b"a,b\r1,2\r",
        "no-end": b"a,b\n1,2",
        "byte-order-mark": b"\xef\xbb\xbfa,b\n1,2\n",
        "blank-lines": b"\n\na,b\n\n1,2\n\n",
        "one-column": b"x\n1\n2\n3\n",
        "empty-cells": b"a,b\n,\n,\n",
        "same-name": b"a,a\n1,2\n",
        "name-number": b"2,1\n1,2\n",
        "ragged": b"a,b\n1,2,3\n",
        "short-row": b"a,b\n1\n",
        "quote-open": b'a,b\n"1,2\n',
        "quote-inside": b'a,b\n1"2,3\n',
        "quote-after": b'a,b\n"1"2,3\n',
        "zero": b"a,b\n1\0,2\n",
        "header-only": b"a,b\n",
        "nothing": b"",
        "newlines": b"\n" * 300,
        "commas": b"," * 300 + b"\n" + b"," * 300,
        "long-cell": b"a,b\n" + b"1" * 3000 + b",2\n",
        "not-numbers": b"a\nnan\ninf\n0x10\n1e999\n1e-999\n--1\n1.2.3\n+\n",
        "too-large": b"a\n1e999\n",
        "tiny": b"a\n1e-999\n",
        "not-utf-8": b"\xff\xfea,b\n\xff,\xfe\n",
        "gzip": packed(b"a,b\n1,2\n"),
        "gzip-cut": packed(b"a,b\n1,2\n")[:-5],
        "gzip-of-newlines": packed(b"\n" * 100000),
    }
    files = {name: b"\0" + data for name, data in tables.items()}
    files["semicolons"] = b"\x01a;b\n1,5;2\n"
    files["tabs"] = b"\x02a\tb\n1\t2\n"
    files["blanks"] = b"\x03a b\n1 2\n"
    files["latin"] = b"\x06a\xe9b\n1\xe92\n"
    files["zeros"] = b"\x07a0b\n102\n"
    files["no-header"] = b"\x081,2\n3,4\n"
    return files


def main():
    put_all("safetensors", safetensors())
    of_models(sys.argv[1])
    put_all("idx", idx())
    put_all("reviews", reviews())
    put_all("text", text())
    put_all("csv", csv())


main()
