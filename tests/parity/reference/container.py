"""The safetensors container: the length of a JSON header in eight bytes, the header, the values."""

import hashlib
import json
import struct

import torch

TYPES = {torch.float32: ("F32", "f"), torch.float64: ("F64", "d"), torch.int32: ("I32", "i"), torch.uint8: ("U8", "B")}
CODES = dict(TYPES.values())


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def arithmetic():
    """A digest of what the machine's exp, log, pow and the like give in float64, which may differ in the last bit from
    one processor or library to another: where it is the same, so are the files."""
    x = torch.arange(1, 1001, dtype=torch.float64) / 128
    functions = torch.exp, torch.log, torch.tanh, torch.sigmoid, torch.log1p, torch.sqrt, lambda x: torch.pow(x, 2.5)
    values = torch.cat([f(x) for f in functions] + [torch.softmax(x, 0), torch.log_softmax(x, 0), x.log().sum()[None]])
    return hashlib.sha256(payload(values)).hexdigest()[:16]


def payload(tensor):
    _, code = TYPES[tensor.dtype]
    return struct.pack(f"<{tensor.numel()}{code}", *tensor.detach().reshape(-1).tolist())


def encode(cases, tensors):
    """The bytes of a file with these tensors by name and this table of cases."""
    header, data = {"__metadata__": {"arithmetic": arithmetic(), "cases": compact(cases)}}, bytearray()
    for name, tensor in tensors.items():
        begin = len(data)
        data += payload(tensor)
        dtype, _ = TYPES[tensor.dtype]
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [begin, len(data)]}
    text = compact(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes(data)


def decode(content):
    """The metadata, and by name the type, the shape and the values of each tensor."""
    (length,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    metadata, tensors = header.pop("__metadata__"), {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = [value for (value,) in struct.iter_unpack("<" + CODES[entry["dtype"]], data[begin:end])]
        tensors[name] = (entry["dtype"], entry["shape"], values)
    return metadata, tensors
