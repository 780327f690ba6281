"""The table of cases of the ops that work along axes, with rows or on shapes: (op, name, inputs, options)."""

import torch

from .samples import floats, given, ids, layouts, mask

CASES = []


def case(op, name, *samples, **options):
    CASES.append((op, name, samples, options))


def activations():
    for activation in ("linear", "tanh", "sigmoid", "relu", "softmax"):
        case("activate", activation, floats(3, 4), activation=activation)


def matmul():
    case("matmul", "matrices", floats(2, 3), floats(3, 4))
    case("matmul", "one", floats(1, 1), floats(1, 1))
    case("matmul", "row and column", floats(1, 5), floats(5, 1))
    case("matmul", "column and row", floats(5, 1), floats(1, 5))
    case("matmul", "ragged", floats(3, 17), floats(17, 5))
    case("matmul", "no rows", floats(0, 3), floats(3, 2))
    case("matmul", "no columns", floats(2, 3), floats(3, 0))
    case("matmul", "nothing inside", floats(2, 0), floats(0, 3))
    case("matmul", "batches", floats(2, 2, 3), floats(2, 3, 2))
    case("matmul", "batches broadcast", floats(2, 1, 2, 3), floats(3, 3, 2))
    case("matmul", "one matrix for all", floats(2, 3, 2), floats(2, 4))
    case("matmul", "left alone", floats(2, 3), floats(2, 3, 2))
    case("matmul", "no batches", floats(0, 2, 3), floats(3, 2))
    case("matmul", "same", floats(3, 3), same=True)
    for layout, view in layouts(floats(4, 3)):
        case("matmul", f"left {layout}", view, floats(3, 2))
        case("matmul", f"right {layout}", floats(2, 4), view)


def affine():
    for activation in ("linear", "tanh", "sigmoid", "relu"):
        case("affine", f"{activation}, row", floats(3, 4), floats(4, 2), floats(2), activation=activation)
        case("affine", f"{activation}, full", floats(3, 4), floats(4, 2), floats(3, 2), activation=activation)
        case("affine_masked", activation, floats(4, 3), floats(3, 3), floats(4, 3), mask(4), activation=activation)
    tanh = {"activation": "tanh"}
    case("affine", "vector", floats(3), floats(3, 2), floats(2), **tanh)
    case("affine", "sequence", floats(2, 3, 2), floats(2, 4), floats(4), **tanh)
    case("affine", "sequence, full", floats(2, 3, 2), floats(2, 4), floats(2, 3, 4), **tanh)
    case("affine", "one", floats(1, 1), floats(1, 1), floats(1), **tanh)
    case("affine", "ragged", floats(3, 5), floats(5, 17), floats(17), **tanh)
    case("affine", "no rows", floats(0, 2), floats(2, 3), floats(3), **tanh)
    case("affine", "nothing inside", floats(2, 0), floats(0, 3), floats(3), **tanh)
    case("affine", "transposed", *(floats(*s).through("transposed") for s in ((3, 4), (4, 2), (3, 2))), **tanh)
    case("affine", "sliced", *(floats(*s).through("sliced") for s in ((3, 4), (4, 2), (2,))), **tanh)
    case("affine", "selected", *(floats(*s).through("selected") for s in ((3, 4), (4, 2), (3, 2))), **tanh)
    case("affine_masked", "row", floats(4, 3), floats(3, 3), floats(3), mask(4), **tanh)
    case("affine_masked", "all rows stay", floats(2, 3), floats(3, 3), floats(3), given([0, 0], torch.uint8), **tanh)
    case("affine_masked", "one", floats(1, 1), floats(1, 1), floats(1), given([1], torch.uint8), **tanh)


def scan():
    inputs = floats(2, 3, 3), floats(3, 3), floats(2, 3)
    for activation in ("linear", "tanh", "sigmoid", "relu"):
        case("affine_scan", activation, *inputs, activation=activation)
        case("affine_scan", f"{activation}, backwards, masked", *inputs, mask(2, 3), activation=activation,
             backwards=True)
    tanh = {"activation": "tanh"}
    case("affine_scan", "backwards", *inputs, **tanh, backwards=True)
    case("affine_scan", "padding in front", *inputs, given([[0, 0, 1], [0, 1, 1]], torch.uint8), **tanh)
    case("affine_scan", "padding behind", *inputs, given([[1, 0, 0], [1, 1, 0]], torch.uint8), **tanh)
    case("affine_scan", "gaps", *inputs, given([[1, 0, 1], [0, 1, 0]], torch.uint8), **tanh)
    case("affine_scan", "a row of padding", *inputs, given([[0, 0, 0], [1, 1, 1]], torch.uint8), **tanh)
    case("affine_scan", "one", floats(1, 1, 1), floats(1, 1), floats(1, 1), **tanh)
    case("affine_scan", "no rows", floats(0, 3, 2), floats(2, 2), floats(0, 2), **tanh)
    case("affine_scan", "long", floats(1, 19, 2), floats(2, 2), floats(1, 2), **tanh)
    case("affine_scan", "views", floats(2, 3, 3).through("selected"), floats(3, 3).through("transposed"),
         floats(2, 3).through("sliced"), **tanh)


def reductions():
    for op in ("sum", "mean", "max"):
        case(op, "all", floats(2, 3))
        case(op, "scalar", floats())
        case(op, "one", floats(1, 1), axes=[0])
        case(op, "first", floats(3, 4), axes=[0])
        case(op, "last", floats(3, 4), axes=[-1])
        case(op, "last kept", floats(3, 4), axes=[-1], keepdims=True)
        case(op, "middle", floats(2, 3, 4), axes=[1])
        case(op, "outer", floats(2, 3, 4), axes=[0, 2])
        case(op, "outer kept", floats(2, 3, 4), axes=[-1, 0], keepdims=True)
        case(op, "all kept", floats(2, 3), axes=[0, 1], keepdims=True)
        case(op, "extent of one", floats(2, 1, 3), axes=[1])
        case(op, "ragged", floats(2, 19), axes=[1])
        case(op, "nothing left", floats(0, 3), axes=[1])
        for layout, view in layouts(floats(4, 3)):
            case(op, layout, view, axes=[0])
            case(op, f"{layout}, last", view, axes=[1], keepdims=True)
    case("sum", "of nothing", floats(0, 3), axes=[0])
    case("sum", "of nothing at all", floats(0))
    case("mean", "of nothing", floats(2, 0), axes=[1])
    case("max", "ties", given([[1.0, 1.0, 0.0], [2.0, 2.0, 2.0]]), axes=[1])
    case("max", "ties over two axes", given([[1.0, 0.0], [1.0, 1.0]]))


def views():
    for name, sample in [("plain", floats(4, 3)), *layouts(floats(4, 3))]:
        case("reshape", name, sample, shape=[2, 6])
        case("transpose", name, sample, axis=0, other=1)
        case("slice", name, sample, axis=-1, start=1, length=2)
        case("select", name, sample, axis=0, index=-1)
        case("unsqueeze", name, sample, axis=1)
        case("contiguous", name, sample)
    case("reshape", "worked out", floats(2, 3, 4), shape=[-1, 6])
    case("reshape", "to a scalar", floats(1, 1), shape=[])
    case("reshape", "from a scalar", floats(), shape=[1, 1])
    case("reshape", "nothing", floats(2, 0, 4), shape=[0, 5])
    case("transpose", "outer", floats(2, 3, 4), axis=0, other=-1)
    case("transpose", "nothing", floats(0, 3), axis=0, other=1)
    case("slice", "rows", floats(4, 3), axis=0, start=1, length=2)
    case("slice", "nothing", floats(4, 3), axis=0, start=4, length=0)
    case("select", "a step", floats(2, 3, 4), axis=1, index=2)
    case("select", "of one", floats(1), axis=0, index=0)
    case("unsqueeze", "in front", floats(3), axis=0)
    case("unsqueeze", "at the end", floats(2, 3), axis=-1)
    case("unsqueeze", "a scalar", floats(), axis=0)
    case("contiguous", "scalar", floats())
    case("contiguous", "nothing", floats(0, 3))


def joins():
    for op in ("concat", "stack"):
        case(op, "rows", floats(2, 3), floats(2, 3), axis=0)
        case(op, "last", floats(2, 3), floats(2, 3), floats(2, 3), axis=-1)
        case(op, "one part", floats(2, 3), axis=1)
        case(op, "nothing", floats(0, 3), floats(0, 3), axis=0)
        case(op, "same", floats(2, 3), same=True, axis=1)
        case(op, "views", *(view for _, view in layouts(floats(4, 3))), axis=0)
    case("concat", "ragged", floats(2, 1), floats(2, 0), floats(2, 4), axis=1)
    case("concat", "middle", floats(2, 1, 3), floats(2, 2, 3), axis=1)
    case("concat", "vectors", floats(1), floats(4), axis=0)
    case("stack", "scalars", floats(), floats(), axis=0)


def tables():
    case("gather", "vector", floats(5, 3), ids(4, limit=5))
    case("gather", "matrix, again and again", floats(3, 2), ids(3, 4, limit=3))
    case("gather", "one id", floats(3, 2), ids(limit=3))
    case("gather", "no ids", floats(3, 2), ids(0, limit=3))
    case("gather", "table of one", floats(1, 1), ids(3, limit=1))
    case("gather", "ids transposed", floats(5, 2), ids(2, 3, limit=5).through("transposed"))
    for layout, view in layouts(floats(4, 3)):
        case("gather", f"table {layout}", view, ids(6, limit=4))
    case("gather_matmul", "few ids", floats(7, 3), ids(2, limit=7), floats(3, 2))
    case("gather_matmul", "many ids", floats(3, 4), ids(2, 6, limit=3), floats(4, 2))
    case("gather_matmul", "no ids", floats(3, 4), ids(0, limit=3), floats(4, 2))


def normal():
    for op in ("softmax", "log_softmax"):
        case(op, "last", floats(3, 4, low=-3, high=3), axis=-1)
        case(op, "first", floats(3, 4, low=-3, high=3), axis=0)
        case(op, "middle", floats(2, 3, 2), axis=1)
        case(op, "one", floats(3, 1), axis=1)
        case(op, "nothing", floats(0, 3), axis=1)
        case(op, "over nothing", floats(2, 0), axis=1)
        case(op, "ragged", floats(2, 19), axis=1)
        case(op, "equal", given([[0.5, 0.5, 0.5]]), axis=1)
        case(op, "far apart", given([[1e3, -1e3, 0.0], [-50.0, 50.0, 0.0], [1e3, 1e3, -1e3]]), axis=1)
        for layout, view in layouts(floats(4, 3)):
            case(op, layout, view, axis=1)
            case(op, f"{layout}, first", view, axis=0)
    case("layer_norm", "matrix", floats(3, 4), epsilon=1e-3)
    case("layer_norm", "small epsilon", floats(2, 5), epsilon=1e-7)
    case("layer_norm", "sequence", floats(2, 2, 3), epsilon=1e-3)
    case("layer_norm", "vector", floats(5), epsilon=1e-3)
    case("layer_norm", "one", floats(3, 1), epsilon=1e-3)
    case("layer_norm", "equal", given([[0.5, 0.5, 0.5]]), epsilon=1e-3)
    case("layer_norm", "nothing", floats(0, 3), epsilon=1e-3)
    case("layer_norm", "ragged", floats(2, 19), epsilon=1e-3)
    for layout, view in layouts(floats(4, 3)):
        case("layer_norm", layout, view, epsilon=1e-3)


def losses():
    probability = {"low": 0, "high": 1}
    logits = "softmax_cross_entropy_with_logits"
    case(logits, "matrix", floats(2, 3, low=-3, high=3), floats(2, 3, **probability))
    case(logits, "vector", floats(4), floats(4, **probability))
    case(logits, "one", floats(2, 1), floats(2, 1, **probability))
    case(logits, "sequence", floats(2, 2, 3), floats(2, 2, 3, **probability))
    case(logits, "nothing", floats(0, 3), floats(0, 3, **probability))
    case(logits, "views", floats(4, 3).through("transposed"), floats(4, 3, **probability).through("sliced"))
    for name, x in (("thousand", 1e3), ("fifty", 50.0), ("equal", 0.0)):
        case(logits, name, given([[x, -x, 0.0], [x, x, -x]]), given([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5]]))
    logits = "sparse_softmax_cross_entropy_with_logits"
    case(logits, "matrix", floats(4, 3, low=-3, high=3), ids(4, limit=3))
    case(logits, "vector", floats(4), ids(limit=4))
    case(logits, "one", floats(2, 1), ids(2, limit=1))
    case(logits, "sequence", floats(2, 2, 3), ids(2, 2, limit=3))
    case(logits, "nothing", floats(0, 3), ids(0, limit=3))
    case(logits, "views", floats(4, 3).through("transposed"), ids(4, limit=3).through("selected"))
    for name, x in (("thousand", 1e3), ("fifty", 50.0), ("equal", 0.0)):
        case(logits, name, given([[x, -x, 0.0], [x, x, -x]]), given([1, 2], torch.int32))


for family in (activations, matmul, affine, scan, reductions, views, joins, tables, normal, losses):
    family()
