"""The gradient doctor names planted mistakes, and never names one in a right answer."""

import warnings

import numpy as np
import pytest
from hypothesis import given, strategies as st
from strategies import examples

import tinygrad_lora as tl
import tinygrad_lora.learn
from tinygrad_lora.core.autodiff import unbroadcast
from tinygrad_lora.core.graph import topological_order
from tinygrad_lora.core.node import Op
from tinygrad_lora.learn import diagnose

RNG = np.random.default_rng(7)
X = np.array([[0.5, -1.25, 2.0], [1.5, -0.75, 0.25]])
BATCH = RNG.normal(size=(4, 3))
W = RNG.normal(size=(3, 2))
BIAS = np.array([0.5, -1.5, 2.5])
A, B = RNG.normal(size=(3, 2)), RNG.normal(size=(2, 5))
ROWS = np.array([0, 2, 0, 1, 0])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def relu(x):
    return np.maximum(x, 0)


def affine(x, W, b):
    return x @ W + b


def add_bias(x, b):
    return x + b


def mean_square(p, t):
    return ((p - t) ** 2).mean()


def lora(x, A, B):
    return 4.0 * (x @ A @ B)


def rows(x, i):
    return x[i]


def scattered(g, x, i, add):
    out = np.zeros_like(x)
    if add:
        np.add.at(out, i, g)
    else:
        out[i] = g
    return out


PLANTED = {
    # name: (code, detail that must be in the sentence, rule, forward, operands, options)
    "sign": ("sign", "-1", lambda g, y, x: g * np.sin(x), np.cos, [X], {}),
    "sign of one operand": ("sign", "b", lambda g, y, a, b: (g, g), np.subtract, [X, 2 * X], {"names": "ab"}),
    "upstream forgotten": ("missing-upstream", "g", lambda g, y, x: y, np.exp, [X], {}),
    "upstream twice": ("upstream-twice", "4", lambda g, y, x: g * g * y, np.exp, [X], {}),
    "upstream added": ("added-upstream", "adds", lambda g, y, x: g + y, np.exp, [X], {}),
    "local forgotten": ("missing-local", "unchanged", lambda g, y, x: g, np.tanh, [X], {}),
    "input for output, exp": ("input-for-output", "y", lambda g, y, x: g * x, np.exp, [X], {}),
    "input for output, tanh": ("input-for-output", "y", lambda g, y, x: g * (1 - x * x), np.tanh, [X], {}),
    "input for output, sigmoid": ("input-for-output", "y", lambda g, y, x: g * x * (1 - x), sigmoid, [X], {}),
    "output for input": ("output-for-input", "x", lambda g, y, x: g / y, np.log, [np.abs(X)], {}),
    "other operand": (
        "other-operand", "uses b", lambda g, y, a, b: (g / a, -g * y / b), np.divide, [X, X[::-1] + 3], {},
    ),
    "swapped operands": (
        "swapped-operands", "a and b", lambda g, y, a, b: (g * 2 * b * a**3, g * 3 * b**2 * a**2),
        lambda a, b: a**2 * b**3, [X, X[::-1] + 3], {},
    ),
    "product's rule, exchanged": (
        "swapped-gradients", "order a, b", lambda g, y, a, b: (g * a, g * b), np.multiply, [X, X[::-1] + 3], {},
    ),
    "gradients swapped": (
        "swapped-gradients", "order a, b", lambda g, y, a, b: (g * np.cos(b), g), lambda a, b: a + np.sin(b),
        [X, X + 3], {},
    ),
    "transposed gradient": ("transposed", "rows and columns", lambda g, y, x, W, b: (g @ W.T, (x.T @ g).T, g.sum(0)),
        affine, [BATCH, W, BIAS[:2]], {}),
    "transposed gradients in a stack": ("transposed", "rows and columns", lambda g, y, a, b: (g @ b.mT, g.mT @ a),
        np.matmul, [RNG.normal(size=(2, 2, 3)), RNG.normal(size=(2, 3, 2))], {"names": "ab"}),
    "transposed operand": ("transposed-operand", "W.mT", lambda g, y, x, W: (g @ W, x.T @ g), lambda x, W: x @ W,
        [BATCH, RNG.normal(size=(3, 3))], {}),
    "bias not summed": ("unsummed", "axis 0", lambda g, y, x, b: (g, g), add_bias, [BATCH, BIAS], {}),
    "column not summed": ("unsummed", "axis 1", lambda g, y, x, b: (g, g), add_bias, [BATCH, BATCH[:, :1] * 2], {}),
    "number not summed": ("unsummed", "axis 0 and axis 1", lambda g, y, x, b: (g, g), add_bias, [BATCH, 2.0], {}),
    "summed over the wrong axis": (
        "wrong-axis", "axis 1", lambda g, y, x, b: (g, g.sum(1)), add_bias, [X, BIAS], {},
    ),
    "an axis left over": (
        "reshaped", "(1, 3)", lambda g, y, x, b: (g, g.sum(0, keepdims=True)), add_bias, [BATCH, BIAS], {},
    ),
    "a sum not repeated": ("unrepeated", "repeat", lambda g, y, x: g, lambda x: x.sum(0), [BATCH], {}),
    "overwritten row": (
        "overwritten", "last", lambda g, y, x, i: scattered(g, x, i, False), rows, [BATCH, ROWS], {},
    ),
    "overwritten sum": (
        "overwritten", "last", lambda g, y, x, b: (g, g[-1]), add_bias, [BATCH, BIAS], {},
    ),
    "first alone": ("overwritten", "first", lambda g, y, x, b: (g, g[0]), add_bias, [BATCH, BIAS], {}),
    "batch size": (
        "factor", "batch size", lambda g, y, p, t: (g * 2 * (p - t) / p.shape[1], g * 2 * (t - p) / p.size),
        mean_square, [BATCH, BATCH * 2], {"factors": {"the batch size": 4.0}},
    ),
    "mean's 1/n": ("factor", "the number of elements", lambda g, y, x: g * np.ones_like(x), np.mean, [BATCH], {}),
    "alpha / r": (
        "factor", "1 / (alpha / r)", lambda g, y, x, A, B: (g @ B.T @ A.T, x.T @ g @ B.T, (x @ A).T @ g), lora,
        [BATCH, A, B], {"factors": {"alpha / r": 4.0}},
    ),
    "a number and not an array": ("factor", "3 times", lambda g, y, x: 3 * g, lambda x: +x, [1.5], {}),
    "half, and no square": ("factor", "-0.5", lambda g, y, x: g / 2, np.negative, [X], {}),
    "g passed on where y falls": ("sign", "-1", lambda g, y, x: g, np.negative, [X], {}),
    "the 2 of a square": ("factor", "is a 2 missing", lambda g, y, x: g * x, np.square, [X], {}),
    "ReLU without a mask": ("missing-mask", "x is negative", lambda g, y, x: g, relu, [X], {}),
    "scaled ReLU": ("missing-mask", "x is negative", lambda g, y, x: 3 * g, lambda x: 3 * relu(x), [X], {}),
    "mask the wrong way": ("extra-mask", "x is negative", lambda g, y, x: g * 2 * x * (x > 0), np.square, [X], {}),
    "mask turned round": ("reversed-mask", "the mask is inverted", lambda g, y, x: g * (x < 0), relu, [X], {}),
    "output for input, and g unchanged": ("output-for-input", "x", lambda g, y, x: g * np.sign(y), np.abs, [X], {}),
    "the 2 / n of a mean of squares": ("factor", "2.5 is 5 / 2, and 5 is the length", lambda g, y, x: g * x,
        lambda x: np.mean(x * x), [np.array([0.5, -1.25, 2.0, 1.5, -0.75])], {}),
    "a factor forgotten": ("missing-factor", "factor x", lambda g, y, x: 2 * g * np.cos(x * x), lambda x: np.sin(x * x),
        [X], {}),
    "a factor too many": ("extra-factor", "y", lambda g, y, x: g * y * y, np.exp, [X], {}),
    "zero": ("zero", "0 everywhere", lambda g, y, x: np.zeros_like(x), np.exp, [X], {}),
    "integers": ("integer-dtype", "fractions", lambda g, y, x: (g * y).astype(int), np.exp, [3 * X], {}),
    "in place": ("changed-argument", "in place", lambda g, y, x: np.multiply(g, y, out=g), np.exp, [X], {}),
    "NaN": ("nan", "NaN", lambda g, y, x: g * y * np.where(x > 1, np.nan, 1), np.exp, [X], {}),
    "None": ("no-return", "return", lambda g, y, x: None, np.exp, [X], {}),
    "one for two": ("count", "2: a, b", lambda g, y, a, b: (g,), np.add, [X, X], {"names": "ab"}),
    "an unknown mistake": ("differs", "should be", lambda g, y, x: g * y * np.cos(7 * x + g), np.exp, [X], {}),
    "softmax as if elementwise": (
        "softmax-diagonal", "each output depends on every input", lambda g, y, x: g * y * (1 - y), softmax, [X],
        {"alternatives": {"softmax-diagonal": ("is that of y alone; each output depends on every input",
                                               lambda g, y, x: g * y * (1 - y))}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_is_named(name):
    code, words, rule, forward, operands, options = PLANTED[name]
    for seed in range(3):
        diagnosis = diagnose(rule, forward, *operands, seed=seed, **options)
        assert diagnosis is not None and diagnosis.code == code, diagnosis
        assert words in diagnosis.sentence, diagnosis.sentence


# --- The same mistake gets the same name, whatever the function is ---

FUNCTIONS = {
    "exp": (np.exp, [X], lambda g, y, x: (g * y,)),
    "tanh": (np.tanh, [X], lambda g, y, x: (g * (1 - y * y),)),
    "cos": (np.cos, [X], lambda g, y, x: (-g * np.sin(x),)),
    "log": (np.log, [np.abs(X)], lambda g, y, x: (g / x,)),
    "square": (np.square, [X], lambda g, y, x: (2 * g * x,)),
    "relu": (relu, [X], lambda g, y, x: (g * (x > 0),)),
    "multiply": (np.multiply, [X, X[::-1] + 3], lambda g, y, a, b: (g * b, g * a)),
    "divide": (np.divide, [X, X[::-1] + 3], lambda g, y, a, b: (g / b, -g * y / b)),
    "matmul": (np.matmul, [BATCH, W], lambda g, y, a, b: (g @ b.T, a.T @ g)),
    "add": (add_bias, [BATCH, BIAS], lambda g, y, x, b: (g, g.sum(0))),
    "sum": (np.sum, [X], lambda g, y, x: (g * np.ones_like(x),)),
    "mean": (np.mean, [X], lambda g, y, x: (g * np.ones_like(x) / x.size,)),
    "softmax": (softmax, [X], lambda g, y, x: (y * (g - (g * y).sum(-1, keepdims=True)),)),
    "rows": (rows, [BATCH, ROWS], lambda g, y, x, i: (scattered(g, x, i, True),)),
    "lora": (lora, [BATCH, A, B], lambda g, y, x, A, B: (4 * g @ B.T @ A.T, 4 * x.T @ g @ B.T, 4 * (x @ A).T @ g)),
}
MISTAKES = {
    "sign": lambda part, g: -part, "factor": lambda part, g: 3.7 * part, "zero": lambda part, g: 0 * part,
    "nan": lambda part, g: part * np.nan, "upstream-twice": lambda part, g: part * np.abs(g).sum(),
    "no-return": lambda part, g: None, "wrong-type": lambda part, g: "a gradient",
    "reshaped": lambda part, g: part[None], "differs": lambda part, g: part + np.cos(9 * part) + 0.3,
}  # fmt: skip


def test_a_factor_that_divides_is_not_said_to_be_missing():
    divided = diagnose(lambda g, y, a, b: (g / b, g * a), np.multiply, [2.0, -3.0], [0.5, 4.0], names=["a", "b"])
    assert divided.code == "missing-factor" and "does one divide that should not?" in divided.sentence
    undivided = diagnose(lambda g, y, a, b: (g / b, -g * y), np.divide, [2.0, -3.0], [0.5, 4.0], names=["a", "b"])
    assert undivided.code == "extra-factor" and "divided by the factor b" in undivided.sentence
    assert undivided.sentence.endswith("is one too many, or is a division missing?")


@pytest.mark.parametrize("code", MISTAKES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_mistake_has_one_name_for_all_functions(name, code):
    forward, operands, rule = FUNCTIONS[name]
    assert diagnose(rule, forward, *operands) is None
    for wrong in range(len(rule(np.zeros(np.shape(forward(*operands))), forward(*operands), *operands))):

        def mistaken(g, y, *inputs, wrong=wrong):
            parts = list(rule(g, y, *inputs))
            parts[wrong] = MISTAKES[code](parts[wrong], g)
            return tuple(parts)

        diagnosis = diagnose(mistaken, forward, *operands)
        assert diagnosis is not None and diagnosis.code == code, diagnosis


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_shows_what_was_given_and_what_is_right(name):
    forward, operands, rule = FUNCTIONS[name]
    diagnosis = diagnose(lambda *argument: tuple(-part for part in rule(*argument)), forward, *operands)
    shown = dict(diagnosis.example)
    assert {"g", "y", "should be"} <= set(shown) and any(what.startswith("yours, for ") for what in shown)


def operand(draw, op, name, shape):
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    x = rng.uniform(0.5, 2.0, shape)
    if op.name in ("log", "sqrt", "divide", "power"):
        return x
    return x * rng.choice([-1.0, 1.0], shape)


SHAPES = st.sampled_from([(), (3,), (2, 3), (3, 1), (1, 4), (2, 1, 3)])
ONE = ["exp", "log", "sqrt", "tanh", "relu", "identity"]
TWO = ["add", "subtract", "multiply", "divide"]


@given(st.sampled_from(ONE + TWO), SHAPES, st.booleans(), st.data())
def test_a_right_rule_is_never_called_wrong(name, shape, stretched, data):
    op = Op.registry[name]
    n = 1 if name in ONE else 2
    small = tuple(1 if i == 0 else k for i, k in enumerate(shape)) if stretched else shape
    operands = [operand(data.draw, op, name, s) for s in [shape, small][:n]]

    def rule(g, y, *operands):
        parts = op.vjp(g, y, *operands)
        return tuple(unbroadcast(part, x.shape) for part, x in zip(parts, operands, strict=True))

    assert diagnose(rule, op.forward, *operands, names=["x", "b"][:n], seed=data.draw(st.integers(0, 99))) is None


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**20))
def test_a_right_product_is_never_called_wrong(n, k, m, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, k)), rng.normal(size=(k, m))
    assert diagnose(lambda g, y, a, b: (g @ b.T, a.T @ g), np.matmul, a, b, names="ab", seed=seed) is None


@given(st.floats(1e3, 1e8), st.integers(0, 2**20))
def test_rounding_in_the_measurement_is_no_mistake(size, seed):
    x = np.random.default_rng(seed).normal(size=3)
    assert diagnose(lambda g, y, x: g * np.cos(x), lambda x: size + np.sin(x), x) is None


KINKS = np.array([[0.0, -1.25, 0.0], [1.5, 0.0, 0.25]])


@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0])
def test_at_a_kink_every_slope_between_those_of_the_sides_is_right(at_zero):
    def rule(g, y, x):
        return g * np.where(x == 0, at_zero, x > 0)

    assert diagnose(rule, relu, KINKS) is None
    assert diagnose(lambda g, y, x: -rule(g, y, x), relu, KINKS).code in ("sign", "differs")
    assert diagnose(lambda g, y, x: g, relu, KINKS).code == "missing-mask"
    assert diagnose(lambda g, y, x: g * np.where(x == 0, 1.5, x > 0), relu, KINKS) is not None


def test_a_tie_may_be_broken_either_way():
    for share in (0.0, 0.5, 1.0):
        share_of = np.array([share, 1 - share])
        assert diagnose(lambda g, y, x, share_of=share_of: g * share_of, np.max, np.array([2.0, 2.0]), g=1.5) is None


@examples(40)
@given(st.sampled_from(["exp", "tanh", "multiply", "matmul"]), st.integers(0, 2**20))
def test_noise_gets_no_name(name, seed):
    rng, op = np.random.default_rng(seed), Op.registry[name]
    noise = np.random.default_rng(seed + 1)
    n = 1 if name in ONE else 2
    operands = [rng.uniform(0.5, 2.0, (3, 3)) for _ in range(n)]

    def rule(g, y, *operands):
        return tuple(noise.normal(size=x.shape) for x in operands)

    assert diagnose(rule, op.forward, *operands, names=["x", "b"][:n]).code == "differs"


@examples(60)
@given(st.sampled_from(sorted(PLANTED)), st.integers(0, 2**20))
def test_two_mistakes_at_once_get_no_wrong_name(name, seed):
    """A right rule plus a term that no name explains is "differs", whatever the function is."""
    _, _, _, forward, operands, options = PLANTED[name]
    rng = np.random.default_rng(seed)
    options = {key: value for key, value in options.items() if key != "alternatives"}
    frequency = rng.uniform(3, 7)
    arrays = [np.asarray(x) for x in operands]

    def rule(g, y, *argument):
        floats = [x for x in argument if x.dtype.kind == "f"]
        return tuple(np.cos(frequency * x) * g.sum() + 0.1 * x**3 for x in floats)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        diagnosis = diagnose(rule, forward, *arrays, **options)
    assert diagnosis.code in ("differs", "zero"), diagnosis


# --- Layers ---


class Adapter(tl.Layer):
    """A LoRA layer, as a student writes it; each planted mistake overrides one thing."""

    shapes = ((3, 2), (2, 5))
    scaling = 4.0

    def __init__(self):
        a, b = (np.random.default_rng(i).normal(size=shape) for i, shape in enumerate(self.shapes))
        self.lora_A, self.lora_B = tl.parameter(a), tl.parameter(b)

    def __call__(self, x):
        return self.scaling * ((x @ self.lora_A) @ self.lora_B)


class NoScaling(Adapter):
    scaling = 1.0


class WrongSign(Adapter):
    scaling = -4.0


class NoParameters(Adapter):
    def __init__(self):
        super().__init__()
        self.lora_A, self.lora_B = np.ones((3, 2)), np.ones((2, 5))


class OneMore(Adapter):
    def __init__(self):
        super().__init__()
        self.bias = tl.parameter(np.zeros(5))


class Turned(Adapter):
    shapes = ((2, 3), (5, 2))


class Frozen(Adapter):
    def __init__(self):
        super().__init__()
        self.lora_A.requires_gradient = False


class Detached(Adapter):
    def __call__(self, x):
        return 4.0 * ((x @ tl.constant(self.lora_A.value)) @ self.lora_B)


class Elsewhere(Adapter):
    def __call__(self, x):
        return tl.tanh(super().__call__(x)) + x[:, :1]


class OwnBackward(Adapter):
    def backward(self, g):
        gradient = super().backward(g)
        self.lora_B.gradient = self.lora_B.gradient / 4
        return gradient


class IgnoresG(Adapter):
    def backward(self, g):
        super().backward(np.ones_like(g))
        return super().backward(g) * 0 + 1


class Affine(tl.Layer):
    square = np.arange(9.0).reshape(3, 3)

    def __init__(self):
        self.weight, self.bias = tl.parameter(self.square), tl.parameter(np.ones(3))

    def __call__(self, x):
        return x @ self.weight + self.bias


class NoBias(Affine):
    def __call__(self, x):
        return x @ self.weight


class TurnedWeight(Affine):
    def __call__(self, x):
        return x @ self.weight.T + self.bias


class Gated(Affine):
    def __call__(self, x):
        return super().__call__(x) * x


class NoGate(Affine):
    pass


class OneColumn(Affine):
    def __call__(self, x):
        return super().__call__(x)[:, :1]


class OneNumber(Affine):
    def __call__(self, x):
        return tl.sum(super().__call__(x))


LAYERS = {
    NoGate: ("missing-factor", "the output is right when multiplied by the factor x"),
    OneNumber: ("wrong-shape", "the output has shape ()"),
    OneColumn: ("wrong-shape", "the output has shape (4, 1); it must have (4, 3)"),
    NoScaling: ("factor", "1 / (alpha / r)"), WrongSign: ("sign", "the output"),
    NoParameters: ("missing-parameter", "lora_A"), OneMore: ("extra-parameter", "bias"),
    Turned: ("parameter-shape", "transposed"), Frozen: ("frozen", "lora_A"),
    Detached: ("zero", "lora_A"), Elsewhere: ("differs", "the output"), OwnBackward: ("factor", "lora_B"),
    IgnoresG: ("missing-upstream", "x"), NoBias: ("unused-parameter", "bias"),
    TurnedWeight: ("transposed-operand", "weight.T"),
}  # fmt: skip


@pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)
def test_a_mistake_in_a_layer_is_named(kind):
    code, words = LAYERS[kind]
    reference = Gated() if kind is NoGate else Affine() if issubclass(kind, Affine) else Adapter()
    layer = kind()
    before = {name: p.value for name, p in layer.named_parameters().items()}
    diagnosis = tl.learn.diagnose_layer(layer, reference, BATCH, factors={"alpha / r": 4.0})
    assert diagnosis is not None and diagnosis.code == code, diagnosis
    assert words in diagnosis.sentence, diagnosis.sentence
    assert all((p.value == before[name]).all() for name, p in layer.named_parameters().items())


def test_a_forgotten_scaling_is_called_the_same_in_a_layer_and_in_a_rule():
    factors = {"alpha / r": 4.0}
    in_a_layer = tl.learn.diagnose_layer(NoScaling(), Adapter(), BATCH, factors=factors)
    _, _, rule, forward, arrays, options = PLANTED["alpha / r"]
    in_a_rule = diagnose(rule, forward, *arrays, **options)
    assert in_a_layer.code == in_a_rule.code == "factor"
    assert in_a_layer.detail == in_a_rule.detail == "1 / (alpha / r)"


@given(st.integers(1, 4), st.integers(1, 4), st.booleans(), st.integers(0, 2**20))
@examples(25)
def test_a_right_layer_is_never_called_wrong(n, m, batch, seed):
    layers = [tl.LoRALinear(tl.Linear(n, m, seed=seed + i), min(n, m), seed=seed + i) for i in range(2)]
    x = np.random.default_rng(seed).normal(size=(3, n) if batch else (1, n))
    assert tl.learn.diagnose_layer(*layers, x, factors={"alpha / r": 2.0}, seed=seed) is None


# --- Training steps ---


def right_step(model, loss, optimizer, x, target):
    optimizer.zero_gradients()
    value = loss(model(tl.constant(x)), target)
    value.backward()
    optimizer.step()
    return float(value.value)


def without(*left_out, twice=()):
    def step(model, loss, optimizer, x, target):
        if "zero" not in left_out:
            optimizer.zero_gradients()
        value = loss(model(tl.constant(x)), target)
        for _ in range(2 if "backward" in twice else "backward" not in left_out):
            value.backward()
        for _ in range(2 if "step" in twice else "step" not in left_out):
            optimizer.step()
        return None if "return" in left_out else float(value.value)

    return step


def own_update(change, all_of_them=False):
    def step(model, loss, optimizer, x, target):
        optimizer.zero_gradients()
        value = loss(model(tl.constant(x)), target)
        value.backward()
        for p in model.named_parameters().values() if all_of_them else model.parameters():
            p.value = change(p, optimizer.lr, np.ones(p.shape) if p.gradient is None else p.gradient)
        return value.value

    return step


def zero_too_late(model, loss, optimizer, x, target):
    value = loss(model(tl.constant(x)), target)
    value.backward()
    optimizer.zero_gradients()
    optimizer.step()
    return float(value.value)


def update_before_backward(model, loss, optimizer, x, target):
    value = loss(model(tl.constant(x)), target)
    for p in model.parameters():
        p.value = p.value - optimizer.lr * np.ones(p.shape)
    value.backward()
    return float(value.value)


def loss_after(*argument):
    right_step(*argument)
    model, loss, _, x, target = argument
    return float(loss(model(tl.constant(x)), target).value)


STEPS = {
    "not-updated": without("step"), "not-zeroed": without("zero"), "double-step": without(twice=["step"]),
    "double-step ": without(twice=["backward"]), "no-gradient": zero_too_late, "no-gradient ": without("backward"),
    "stale-graph": update_before_backward, "no-return": without("return"), "loss-after": loss_after,
    "wrong-direction": own_update(lambda p, lr, g: p.value + lr * g),
    "factor": own_update(lambda p, lr, g: p.value - g), "factor ": own_update(lambda p, lr, g: p.value - lr * g / 4),
    "frozen-changed": own_update(lambda p, lr, g: p.value - lr * g, all_of_them=True),
    "differs": own_update(lambda p, lr, g: p.value - lr * np.sign(g)),
    "wrong-loss": lambda *given: right_step(*given) * 2,
}  # fmt: skip


@pytest.mark.parametrize("code", STEPS)
def test_a_mistake_in_a_training_step_is_named(code):
    diagnosis = tl.learn.diagnose_step(STEPS[code])
    assert diagnosis is not None and diagnosis.code == code.strip(), diagnosis


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda p, lr, g: p.value - g, "the learning rate is missing"),
        (lambda p, lr, g: p.value - lr * lr * g, "the learning rate, which counts twice"),
        (lambda p, lr, g: p.value - lr * g * 5, "the batch size"),
        (lambda p, lr, g: p.value - lr * g / 5, "1 / the batch size"),
    ],
)
def test_a_factor_of_a_training_step_has_one_name(change, name):
    assert tl.learn.diagnose_step(own_update(change)).sentence.endswith(name)


@given(st.integers(0, 2**20))
@examples(20)
def test_a_right_training_step_is_never_called_wrong(seed):
    assert tl.learn.diagnose_step(right_step, seed=seed) is None
    assert tl.learn.diagnose_step(own_update(lambda p, lr, g: p.value - lr * g), seed=seed) is None


# --- Backward passes ---


def right_backward(output):
    for node in topological_order([output]):
        node.gradient = np.zeros(node.shape)
    output.gradient = np.ones(output.shape)
    for node in reversed(topological_order([output])):
        send(node)


def send(node, keep=True):
    if node.parents:
        parts = node.op.vjp(node.gradient, node.value, *(p.value for p in node.parents), **node.params)
        for parent, part in zip(node.parents, parts, strict=True):
            earlier = np.zeros(parent.shape) if parent.gradient is None or not keep else parent.gradient
            parent.gradient = earlier + part


def overwriting(output):
    output.gradient = np.ones(output.shape)
    for node in reversed(topological_order([output])):
        send(node, keep=False)


def naive(output):
    output.gradient = np.ones(output.shape)

    def visit(node):
        parts = node.op.vjp(node.gradient, node.value, *(p.value for p in node.parents), **node.params)
        for parent, part in zip(node.parents, parts, strict=True):
            parent.gradient = part if parent.gradient is None else parent.gradient + part
            if parent.parents:
                visit(parent)

    if output.parents:
        visit(output)


def by_level(output):
    output.gradient = np.ones(output.shape)
    queue, seen = [output], {output}
    for node in queue:
        send(node)
        fresh = [p for p in dict.fromkeys(node.parents) if p not in seen]
        seen.update(fresh)
        queue += fresh


def unreversed(output):
    output.gradient = np.ones(output.shape)
    for node in topological_order([output]):
        if node.gradient is not None:
            send(node)


def negative(output):
    right_backward(output)
    for node in topological_order([output]):
        node.gradient = -node.gradient


def leaves_alone(output):
    right_backward(output)
    for node in topological_order([output]):
        if node.parents:
            node.zero_gradient()


def unstarted(output):
    for node in topological_order([output]):
        node.gradient = np.zeros(node.shape)


def odd(output):
    right_backward(output)
    for node in topological_order([output]):
        node.gradient = node.gradient**3


BACKWARDS = {
    "not-filled": lambda output: None, "overwritten": overwriting, "naive-recursion": naive, "wrong-order": by_level,
    "wrong-order ": unreversed, "sign": negative, "only-leaves": leaves_alone, "zero": unstarted, "differs": odd,
}  # fmt: skip


@pytest.mark.parametrize("shape", [(), (2,)])
@pytest.mark.parametrize("code", BACKWARDS)
def test_a_mistake_in_a_backward_pass_is_named(code, shape):
    for seed in range(3):
        diagnosis = tl.learn.diagnose_backward(BACKWARDS[code], seed=seed, shape=shape)
        assert diagnosis is not None and diagnosis.code == code.strip(), diagnosis
        assert "should be" in diagnosis.sentence and diagnosis.picture is not None


@pytest.mark.parametrize("shape", [(), (2,)])
def test_a_right_backward_pass_is_never_called_wrong(shape):
    for seed in range(5):
        assert tl.learn.diagnose_backward(right_backward, seed=seed, shape=shape) is None
        assert tl.learn.diagnose_backward(lambda y: y.backward(np.ones(y.shape)), seed=seed, shape=shape) is None
