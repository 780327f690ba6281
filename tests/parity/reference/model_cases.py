"""The table of models: (name, layers, shape of the input, options)."""

BATCH, TIME, FEATURES, UNITS, WORDS = 3, 4, 2, 3, 6
SEQUENCE = (BATCH, TIME, FEATURES)
TEXT = (BATCH, TIME)

CASES = []


def case(name, *layers, input=SEQUENCE, **options):
    CASES.append((name, list(layers), input, options))


def rnn(units=UNITS, **options):
    return {"type": "simple_rnn", "units": units, **options}


def dense(units, **options):
    return {"type": "dense", "units": units, **options}


def embedding(**options):
    return {"type": "embedding", "input_dim": WORDS, "output_dim": FEATURES, **options}


def normalization(**options):
    return {"type": "layer_normalization", **options}


def both(mode, **options):
    return {"type": "bidirectional", "merge_mode": mode, "forward": rnn(2, **options), "backward": rnn(2, **options)}


MASKING = {"type": "masking"}
AVERAGE, MAXIMUM = {"type": "global_average_pooling_1d"}, {"type": "global_max_pooling_1d"}
ONE_HOT = {"type": "category_encoding", "num_tokens": WORDS}
SEQUENCES = {"return_sequences": True}
BACKWARDS = {"go_backwards": True}
ACTIVATIONS = "linear", "tanh", "sigmoid", "relu"
LOSS_OF = {"sigmoid": "binary_crossentropy", "softmax": "categorical_crossentropy"}


def recurrent():
    for activation in ACTIVATIONS:
        case(f"simple_rnn/{activation}", rnn(activation=activation))
        case(f"simple_rnn/{activation}, sequences", rnn(activation=activation, **SEQUENCES))
    case("simple_rnn/backwards", rnn(**BACKWARDS))
    case("simple_rnn/backwards, sequences", rnn(**BACKWARDS, **SEQUENCES))
    case("simple_rnn/no bias", rnn(no_bias=True))
    case("simple_rnn/no bias, backwards, sequences", rnn(no_bias=True, **BACKWARDS, **SEQUENCES))
    case("simple_rnn/one unit", rnn(1), input=(BATCH, TIME, 1))
    case("simple_rnn/one step", rnn(), input=(BATCH, 1, FEATURES))
    case("simple_rnn/one row", rnn(**SEQUENCES), input=(1, TIME, FEATURES))
    case("simple_rnn/long", rnn(2), input=(2, 35, 1))
    case("simple_rnn/states kept now and then", rnn(2, checkpoint_every=16), input=(2, 35, 1))
    case("simple_rnn/ragged", rnn(17), input=(2, 3, 5))
    case("simple_rnn/stateful", rnn(stateful=True), stateful=True)
    case("simple_rnn/stateful, sequences", rnn(stateful=True, **SEQUENCES), stateful=True)
    case("simple_rnn/stateful, backwards", rnn(stateful=True, **BACKWARDS), stateful=True)
    case("simple_rnn/initial state", rnn(), initial=True)
    case("simple_rnn/initial state, sequences", rnn(**SEQUENCES), initial=True)
    case("simple_rnn/initial state, backwards", rnn(no_bias=True, activation="sigmoid", **BACKWARDS), initial=True)


def feed_forward():
    for activation in (*ACTIVATIONS, "softmax"):
        loss = LOSS_OF.get(activation, "mean_squared_error")
        case(f"dense/{activation}", dense(3, activation=activation), input=(BATCH, FEATURES), loss=loss)
    case("dense/no bias", dense(3, no_bias=True, activation="tanh"), input=(BATCH, FEATURES))
    case("dense/one", dense(1), input=(1, 1))
    case("dense/ragged", dense(17, activation="tanh"), input=(2, 5))
    case("dense/sequences", dense(2, activation="tanh"))
    case("dense/labels", dense(4, activation="softmax"), input=(BATCH, FEATURES),
         loss="sparse_categorical_crossentropy")
    case("dense/logits", dense(4), input=(BATCH, FEATURES), loss="sparse_categorical_crossentropy", from_logits=True)
    case("embedding/dense", embedding(), dense(2, activation="tanh"), input=TEXT)
    case("embedding/average", embedding(), AVERAGE, dense(1, activation="sigmoid"), input=TEXT,
         loss="binary_crossentropy")
    case("embedding/recurrent", embedding(), rnn(), input=TEXT)
    case("embedding/more places than words", embedding(), rnn(**SEQUENCES), input=(5, 7))
    case("embedding/one word", {**embedding(), "input_dim": 1}, rnn(), input=TEXT)
    case("layer_normalization/vectors", normalization(), dense(2), input=(BATCH, 5))
    case("layer_normalization/sequences", normalization(), rnn())
    case("layer_normalization/no scale, no center", dense(4), normalization(no_scale=True, no_center=True),
         input=(BATCH, FEATURES))
    case("layer_normalization/epsilon", dense(4), normalization(epsilon=0.25), input=(BATCH, FEATURES))
    case("layer_normalization/one feature", normalization(), input=(BATCH, 1))


def bidirectional():
    for mode in ("concat", "sum", "mul", "ave"):
        case(f"bidirectional/{mode}", both(mode))
        case(f"bidirectional/{mode}, sequences", both(mode, **SEQUENCES))
        case(f"bidirectional/{mode}, masked", embedding(mask_zero=True), both(mode), input=TEXT)
    case("bidirectional/masked sequences", embedding(mask_zero=True), both("concat", **SEQUENCES), input=TEXT)


def masked():
    words = embedding(mask_zero=True)
    case("masked/embedding", words, rnn(), input=TEXT)
    case("masked/sequences", words, rnn(**SEQUENCES), dense(2), input=TEXT)
    case("masked/backwards", words, rnn(**BACKWARDS), input=TEXT)
    case("masked/labels of steps", words, rnn(**SEQUENCES), dense(4, activation="softmax"), input=TEXT,
         loss="sparse_categorical_crossentropy")
    case("masked/dense alone", words, dense(2), input=TEXT)
    case("masked/masking", MASKING, rnn())
    case("masked/masking, value", {**MASKING, "mask_value": 0.5}, rnn(**SEQUENCES))
    case("masked/stacked", words, rnn(**SEQUENCES), rnn(2, activation="relu"), dense(1), input=TEXT)
    case("masked/normalized", words, normalization(), rnn(**SEQUENCES), normalization(), rnn(2), input=TEXT)
    case("masked/average", words, rnn(**SEQUENCES), AVERAGE, input=TEXT)
    case("masked/maximum", words, rnn(**SEQUENCES), MAXIMUM, input=TEXT)
    case("masked/a row of padding", words, rnn(), dense(1), input=TEXT, padded_row=True)
    case("masked/a row of padding, sequences", words, rnn(**SEQUENCES), input=TEXT, padded_row=True)
    case("masked/many rows", words, rnn(**SEQUENCES), rnn(2), dense(1, activation="sigmoid"), input=(19, 5),
         loss="binary_crossentropy")
    case("masked/many rows, labels of steps", words, rnn(**SEQUENCES), dense(4, activation="softmax"), input=(19, 5),
         loss="sparse_categorical_crossentropy")
    case("masked/no bias", words, rnn(no_bias=True), input=TEXT)


def stacked():
    case("stacked/two", rnn(**SEQUENCES), rnn(2), dense(1))
    case("stacked/three, both ways", rnn(**SEQUENCES), rnn(2, **BACKWARDS, **SEQUENCES), rnn(2))
    case("stacked/bidirectional", both("concat", **SEQUENCES), both("sum"), dense(2, activation="tanh"))
    case("stacked/normalized", rnn(**SEQUENCES), normalization(), rnn(2), dense(1, activation="sigmoid"),
         loss="binary_crossentropy")
    case("stacked/one-hot", ONE_HOT, rnn(), dense(4, activation="softmax"), input=TEXT,
         loss="sparse_categorical_crossentropy")
    case("stacked/one-hot, sequences", ONE_HOT, rnn(**SEQUENCES), dense(4), input=(5, 7),
         loss="sparse_categorical_crossentropy", from_logits=True)
    case("stacked/many rows", both("concat", **SEQUENCES), rnn(2), dense(1), input=(19, 4, 1))
    case("stacked/maximum", rnn(**SEQUENCES), MAXIMUM, dense(2))


for family in (recurrent, feed_forward, bidirectional, masked, stacked):
    family()
