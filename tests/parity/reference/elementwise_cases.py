"""The table of cases of the ops that work element by element: (op, name, inputs, options)."""

from .samples import floats, given, mask

CASES = []


def case(op, name, *samples, **options):
    CASES.append((op, name, samples, options))


def two_of_one_shape(op, **range_of):
    case(op, "matrix", floats(2, 3), floats(2, 3, **range_of))
    case(op, "one", floats(1), floats(1, **range_of))
    case(op, "scalars", floats(), floats(**range_of))
    case(op, "nothing", floats(0, 3), floats(0, 3, **range_of))
    case(op, "ragged", floats(19), floats(19, **range_of))
    case(op, "transposed", floats(4, 3).through("transposed"), floats(4, 3, **range_of))
    case(op, "views", floats(2, 3).through("sliced"), floats(2, 3, **range_of).through("selected"))


def broadcasting(op, **range_of):
    case(op, "row", floats(2, 3), floats(3, **range_of))
    case(op, "column", floats(2, 1), floats(2, 3, **range_of))
    case(op, "both", floats(2, 1), floats(3, **range_of))
    case(op, "leading", floats(4, 1, 3), floats(2, 1, **range_of))
    case(op, "scalar", floats(), floats(2, 2, **range_of))
    case(op, "nothing and row", floats(0, 3), floats(3, **range_of))
    case(op, "nothing and column", floats(1, 1, **range_of), floats(2, 0, **range_of))
    case(op, "views of row and column", floats(3, 1).through("transposed"), floats(1, 4, **range_of).through("sliced"))


def arithmetic():
    for op in ("add", "sub", "mul"):
        two_of_one_shape(op)
        broadcasting(op)
        case(op, "same", floats(2, 3), same=True)
    away_from_zero = {"low": -2, "high": 2, "avoid": 0}
    two_of_one_shape("div", **away_from_zero)
    broadcasting("div", **away_from_zero)
    case("div", "same", floats(2, 3, **away_from_zero), same=True)


def of_one(op, least=-2, most=2, avoid=None, **options):
    def sample(*shape):
        return floats(*shape, low=least, high=most, avoid=avoid)

    case(op, "cube", sample(2, 3, 2), **options)
    case(op, "one", sample(1, 1), **options)
    case(op, "scalar", sample(), **options)
    case(op, "nothing", sample(3, 0), **options)
    case(op, "ragged", sample(19), **options)
    case(op, "transposed", sample(4, 3).through("transposed"), **options)
    case(op, "sliced", sample(4, 3).through("sliced"), **options)


def functions():
    of_one("neg")
    of_one("scale", factor=-1.75)
    case("scale", "by zero", floats(3), factor=0)
    of_one("pow", least=0.25, exponent=2.5)
    for exponent in (-2, -1, 0, 1, 2, 3):
        case("pow", f"whole {exponent}", floats(5, low=-2, high=2, avoid=0), exponent=exponent)
    for exponent in (0, 0.5, 1, 1.5, 2, 3):
        case("pow", f"of zero {exponent}", given([0.0, 2.0]), exponent=exponent)
    of_one("exp")
    of_one("log", least=0.125, most=4)
    of_one("sqrt", least=0.125, most=4)
    for op in ("log", "sqrt"):
        case(op, "of zero", given([0.0, 1.0]))
    for op in ("tanh", "sigmoid"):
        of_one(op, least=-3, most=3)
        case(op, "far out", given([-1e3, -50.0, -20.0, -9.0, 0.0, 9.0, 20.0, 50.0, 1e3]))
    case("exp", "far out", given([-1e3, -50.0, 0.0, 50.0, 80.0]))
    for op in ("relu", "abs"):
        of_one(op, avoid=0)
        case(op, "kink", given([-1.0, 0.0, 1.0]))
    of_one("clamp", avoid=-1, low=-1.0, high=0.5)
    case("clamp", "ends", given([-2.0, -1.0, 0.0, 0.5, 3.0]), low=-1.0, high=0.5)


def conditions():
    case("where", "matrix", mask(2, 3), floats(2, 3), floats(2, 3))
    case("where", "condition of rows", mask(3, 1), floats(3, 2), floats(3, 2))
    case("where", "all broadcast", mask(2, 1, 1), floats(3, 1), floats(4))
    case("where", "scalars", mask(), floats(), floats())
    case("where", "one", mask(1), floats(1), floats(1))
    case("where", "nothing", mask(0, 3), floats(0, 3), floats(3))
    case("where", "views", mask(4, 3).through("transposed"), floats(4, 3).through("sliced"),
         floats(4, 3).through("selected"))


def dropouts():
    def dropped(name, sample, rate=0.5, seed=7, step=0, earlier=0, first_row=0, training=True):
        case("dropout", name, sample, rate=rate, seed=seed, step=step, earlier=earlier, first_row=first_row,
             training=training)

    dropped("matrix", floats(3, 7))
    dropped("sequence", floats(2, 3, 4), rate=0.25)
    dropped("scalar", floats())
    dropped("one", floats(1))
    dropped("nothing", floats(0, 3))
    dropped("transposed", floats(4, 5).through("transposed"))
    dropped("another seed, a later step and shard", floats(3, 7), seed=1 << 40 | 5, step=12345, first_row=1000)
    dropped("the third on its tape", floats(3, 7), earlier=2)
    dropped("nothing is dropped", floats(2, 3), rate=0)
    dropped("in inference", floats(2, 3), training=False)


def losses():
    logits = "sigmoid_cross_entropy_with_logits"
    probability = {"low": 0, "high": 1}
    case(logits, "matrix", floats(2, 3, low=-3, high=3), floats(2, 3, **probability))
    case(logits, "scalars", floats(), floats(**probability))
    case(logits, "nothing", floats(0, 3), floats(0, 3, **probability))
    case(logits, "ragged", floats(19, low=-3, high=3), floats(19, **probability))
    case(logits, "views", floats(4, 3).through("transposed"), floats(4, 3, **probability).through("sliced"))
    for name, x in (("thousand", 1e3), ("fifty", 50.0), ("zero", 0.0)):
        case(logits, name, given([x, -x, x, -x]), given([0.0, 0.0, 1.0, 1.0]))
    case("mse", "matrix", floats(2, 3), floats(2, 3))
    case("mse", "scalars", floats(), floats())
    case("mse", "one", floats(1, 1), floats(1, 1))
    case("mse", "views", floats(4, 3).through("transposed"), floats(4, 3).through("selected"))


for family in (arithmetic, functions, conditions, dropouts, losses):
    family()
