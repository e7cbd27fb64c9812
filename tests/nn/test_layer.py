"""What every layer promises, whatever it computes: arrays in and out, weights by name, state, copies, calls."""

import copy
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tinygrad_lora as tl
from tinygrad_lora.core.ops import Matmul
from tinygrad_lora.errors import ClosedError, DtypeError, GradientError, ShapeError, StaleGraphError, WeightsError
from tinygrad_lora.nn import Layer, Linear, LoRALayer, LoRALinear, Sequential, layer_calls


class Residual(Layer):
    """x + a stack of layers in a list, a tuple and a dict: what attributes may hold."""

    def __init__(self, size, seed=0):
        rng = np.random.default_rng(seed)
        self.input_shape = (size,)
        self.blocks = [Linear(size, size, seed=rng), Linear(size, size, False, seed=rng)]
        self.pair = (Linear(size, size, seed=rng),)
        self.named = {"gain": tl.parameter(rng.normal(size=size), "gain")}

    def __call__(self, x):
        return x + self.pair[0](tl.tanh(self.blocks[1](tl.tanh(self.blocks[0](x))))) * self.named["gain"]


class Embedding(Layer):
    takes_indices = True

    def __init__(self, words, size):
        self.table = tl.parameter(np.random.default_rng(0).normal(size=(words, size)), "table")

    def __call__(self, x):
        return tl.take(self.table, x)


class NoNode(Layer):
    def __call__(self, x):
        return x.value


LAYERS = {
    "linear": lambda dtype=np.float64: Linear(3, 2, seed=1, dtype=dtype),
    "no bias": lambda dtype=np.float64: Linear(3, 2, False, seed=1, dtype=dtype),
    "mlp": lambda dtype=np.float64: Sequential(
        Linear(3, 4, seed=1, dtype=dtype), tl.gelu, Linear(4, 2, seed=2, dtype=dtype)
    ),
    "lora": lambda dtype=np.float64: with_random_factors(LoRALayer(3, 2, 2, 4, tl.tanh, seed=1, dtype=dtype)),
    "lora linear": lambda dtype=np.float64: with_random_factors(
        LoRALinear(Linear(3, 2, seed=1, dtype=dtype), 1, seed=1)
    ),
}
KINDS = pytest.mark.parametrize("kind", LAYERS)


def with_random_factors(layer, seed=7):
    """B starts at zero, and at zero much is true that is not true elsewhere."""
    layer.set_parameters(np.random.default_rng(seed).normal(size=layer.parameter_count))
    return layer


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@KINDS
@pytest.mark.parametrize("leading", [(), (5,), (0,), (2, 3), (2, 0, 3)], ids=str)
def test_leading_axes_are_kept_and_each_row_is_alone(kind, leading):
    layer, x = LAYERS[kind](), numbers(*leading, 3)
    y = layer.forward(x)
    assert y.shape == (*leading, 2)
    for i in np.ndindex(leading):
        np.testing.assert_allclose(y[i], layer.forward(x[i]), rtol=1e-11, atol=1e-13)


@KINDS
@pytest.mark.parametrize("leading", [(), (5,), (0,), (2, 3)], ids=str)
def test_backward_is_the_gradient_of_the_graph(kind, leading):
    layer, x = LAYERS[kind](), numbers(*leading, 3)
    g = numbers(*leading, 2, seed=1)
    layer.forward(x)
    dx = layer.backward(g)
    leaf = tl.constant(x)
    expected = tl.gradients(tl.sum(layer(leaf) * tl.constant(g)), [leaf, *layer.parameters()])
    assert dx.shape == x.shape
    np.testing.assert_allclose(dx, expected[0].value, rtol=1e-12, atol=1e-15)
    result = layer.get_parameter_gradients()
    flat = np.concatenate([e.value.ravel() for e in expected[1:]])
    np.testing.assert_allclose(result, flat, rtol=1e-12, atol=1e-15)


@KINDS
def test_gradients_agree_with_central_differences(kind):
    layer, x = LAYERS[kind](), numbers(4, 3)
    names = [n for n, p in layer.named_parameters().items() if p.requires_gradient]
    values = [layer.try_get_parameter(n) for n in names]

    def loss(x, *parameters):  # the layer, with these nodes in the places of its parameters
        twin = copy.deepcopy(layer)
        for name, node in zip(names, parameters, strict=True):
            holder = twin
            *path, last = name.split(".")
            for part in path:
                holder = holder.members[int(part)] if part.isdigit() else getattr(holder, part)
            setattr(holder, last, node)
        y = twin(x)
        return tl.sum(y * y)

    assert tl.check_gradients(loss, x, *values) < 1e-6


@KINDS
def test_float32_stays_float32(kind):
    layer = LAYERS[kind](np.float32)
    y = layer.forward(numbers(4, 3))
    dx = layer.backward(np.ones((4, 2)))
    layer.update_parameters(np.float64(0.1))
    results = [y, dx, layer.get_parameters(), layer.get_parameter_gradients()]
    results += [p.value for p in layer.parameters()]
    assert {a.dtype for a in results} == {np.dtype(np.float32)}


@KINDS
def test_the_output_is_the_callers_own(kind):
    layer, x = LAYERS[kind](), numbers(4, 3)
    y = layer.forward(x)
    expected = y.copy()
    y[:] = 0
    x[:] = 0
    g = np.ones((4, 2))
    dx = layer.backward(g)
    dx[:] = 0
    g[:] = 0
    np.testing.assert_array_equal(layer.forward(numbers(4, 3)), expected)


def test_the_identity_gives_copies_too():
    layer, x = Sequential(), numbers(2, 3)
    y = layer.forward(x)
    assert not np.shares_memory(x, y)
    g = np.ones((2, 3))
    assert not np.shares_memory(layer.backward(g), g)
    assert layer.parameter_count == 0 and layer.get_parameters().shape == (0,)
    assert Sequential().forward(x.astype(np.float32)).dtype == np.float32
    assert Sequential().forward([1, 2]).dtype == np.float64


@KINDS
def test_whole_numbers_and_lists_are_converted(kind):
    layer = LAYERS[kind]()
    np.testing.assert_array_equal(layer.forward([1, 2, 3]), layer.forward(np.array([1.0, 2.0, 3.0])))
    assert layer.backward([1, 1]).dtype == np.float64


def test_indices_stay_indices_and_have_no_gradient():
    model = Sequential(Embedding(5, 3), Linear(3, 2, seed=0))
    y = model.forward(np.array([[0, 4], [1, 1]]))
    assert y.shape == (2, 2, 2)
    assert model.backward(np.ones((2, 2, 2))) is None
    assert np.any(model[0].table.gradient[1] != 0) and not np.any(model[0].table.gradient[2])
    assert model.export_computation_graph([], (2, 2)).shape == (2, 2, 2)


@KINDS
def test_backward_overwrites(kind):
    layer = LAYERS[kind]()
    layer.forward(numbers(4, 3))
    layer.backward(numbers(4, 2))
    once = layer.get_parameter_gradients()
    layer.backward(numbers(4, 2))
    np.testing.assert_array_equal(layer.get_parameter_gradients(), once)


@KINDS
def test_backward_needs_a_forward(kind):
    layer = LAYERS[kind]()
    with pytest.raises(RuntimeError, match="Forward pass must be called before backward pass"):
        layer.backward(np.ones(2))
    layer.forward(np.ones(3))
    layer.backward(np.ones(2))
    layer.reset_state()
    assert all(p.gradient is None for p in layer.parameters())
    with pytest.raises(GradientError, match="Forward pass must be called"):
        layer.backward(np.ones(2))


@KINDS
@pytest.mark.parametrize("wrong", [np.ones((4, 3)), np.ones(2), 1.0, np.array(["a"]), np.ones((4, 2)) * 1j], ids=repr)
def test_a_backward_that_fails_changes_nothing(kind, wrong):
    layer = LAYERS[kind]()
    layer.forward(numbers(4, 3))
    layer.backward(numbers(4, 2))
    before = layer.get_parameter_gradients()
    with pytest.raises((ShapeError, DtypeError)):
        layer.backward(wrong)
    np.testing.assert_array_equal(layer.get_parameter_gradients(), before)


@KINDS
def test_a_forward_that_fails_changes_nothing(kind):
    layer = LAYERS[kind]()
    layer.forward(numbers(4, 3))
    with pytest.raises(ShapeError, match="Input size 8 does not match expected input size 3"):
        layer.forward(numbers(4, 8))
    with pytest.raises(ShapeError, match="not one number"):
        layer.forward(1.0)
    with pytest.raises(DtypeError, match="the input must hold real numbers"):
        layer.forward(np.array(["a", "b", "c"]))
    with pytest.raises(TypeError, match="call the layer itself"):
        layer.forward(tl.constant(np.ones(3)))
    layer.backward(np.ones((4, 2)))


def test_gradients_through_old_values_are_refused():
    layer = Linear(3, 2, seed=0)
    layer.forward(numbers(4, 3))
    layer.backward(np.ones((4, 2)))
    layer.update_parameters(0.1)
    with pytest.raises(StaleGraphError):
        layer.backward(np.ones((4, 2)))


@KINDS
def test_update_parameters_is_one_step_down_the_gradient(kind):
    layer = LAYERS[kind]()
    start = layer.get_parameters()
    layer.update_parameters(0.1)
    np.testing.assert_array_equal(layer.get_parameters(), start)  # no backward yet: nothing to apply
    layer.forward(numbers(4, 3))
    layer.backward(numbers(4, 2))
    g = layer.get_parameter_gradients()
    layer.update_parameters(0.1)
    np.testing.assert_array_equal(layer.get_parameters(), start - 0.1 * g)
    layer.update_parameters(0.1)
    np.testing.assert_array_equal(layer.get_parameters(), start - 0.1 * g - 0.1 * g)


@pytest.mark.parametrize("wrong", [-0.1, float("nan"), float("inf"), "0.1", None, True, np.ones(2)], ids=repr)
def test_a_learning_rate_is_a_number(wrong):
    layer = LAYERS["linear"]()
    with pytest.raises((TypeError, ValueError), match="the learning rate must be"):
        layer.update_parameters(wrong)


@KINDS
@given(seed=st.integers(0, 2**32 - 1))
def test_the_vector_of_parameters_goes_round(kind, seed):
    layer = LAYERS[kind]()
    vector = numbers(layer.parameter_count, seed=seed)
    layer.set_parameters(vector)
    np.testing.assert_array_equal(layer.get_parameters(), vector)
    assert layer.get_parameters() is not layer.get_parameters()


@KINDS
def test_a_vector_of_the_wrong_length_changes_nothing(kind):
    layer = LAYERS[kind]()
    before, n = layer.get_parameters(), layer.parameter_count
    with pytest.raises(ValueError, match=f"Expected {n} parameters, got {n + 1}"):
        layer.set_parameters(np.zeros(n + 1))
    with pytest.raises(ShapeError, match="an array of shape"):
        layer.set_parameters(np.zeros((n, 1)))
    with pytest.raises(DtypeError):
        layer.set_parameters(np.array(["a"] * n))
    np.testing.assert_array_equal(layer.get_parameters(), before)


@KINDS
def test_nan_goes_in_and_is_never_made_up(kind):
    layer = LAYERS[kind]()
    assert np.isfinite(layer.forward(numbers(4, 3))).all()
    layer.set_parameters(np.full(layer.parameter_count, np.nan))
    assert np.isnan(layer.get_parameters()).all()
    assert isinstance(layer.get_diagnostics(), dict)


# --- What it is made of ---


def test_names_are_paths_of_attributes():
    layer = Residual(2)
    names = "blocks.0.weight blocks.0.bias blocks.1.weight pair.0.weight pair.0.bias named.gain"
    assert layer.get_parameter_names() == names.split()
    assert list(layer.named_layers()) == ["", "blocks.0", "blocks.1", "pair.0"]
    assert layer.named_layers()[""] is layer
    assert Sequential(Linear(2, 2), tl.relu, Linear(2, 2)).get_parameter_names() == [
        "0.weight", "0.bias", "2.weight", "2.bias",
    ]  # fmt: skip


def test_a_tied_weight_counts_once():
    a, b = Linear(3, 3, False, seed=0), Linear(3, 3, False, seed=1)
    b.weight = a.weight
    model = Sequential(a, tl.tanh, b, a)
    assert model.get_parameter_names() == ["0.weight"] and model.parameter_count == 9
    assert list(model.named_layers()) == ["", "0", "2"]
    twin = copy.deepcopy(model)
    assert twin[0].weight is twin[2].weight and twin[0] is twin[3]
    x = numbers(2, 3)
    model.forward(x)
    model.backward(np.ones((2, 3)))
    tied = tl.gradients(tl.sum(model(tl.constant(x))), a.weight)
    np.testing.assert_allclose(a.weight.gradient, tied.value, rtol=1e-13)


def test_a_layer_that_contains_itself_is_walked_once():
    layer = Linear(2, 2)
    layer.me = layer
    assert layer.parameter_count == 6


def test_frozen_parameters_are_not_trained_and_their_products_not_computed(monkeypatch):
    model = Sequential(Linear(3, 4, seed=0), tl.tanh, Linear(4, 2, seed=1))
    assert model[0].freeze() is model[0]
    assert model.parameters() == [model[2].weight, model[2].bias] and model.parameter_count == 10
    assert model.named_parameter_count == 4
    products = []
    rule = Matmul.vjp

    def counting(self, g, y, a, b):
        def counted(part):
            return lambda: products.append(a.shape) or part()

        return tuple(counted(part) for part in rule(self, g, y, a, b))

    monkeypatch.setattr(Matmul, "vjp", counting)
    model.forward(numbers(5, 3))
    model.backward(np.ones((5, 2)))
    assert len(products) == 3  # dW and dx of the last layer, dx of the first
    assert model[0].weight.gradient is None
    loss = tl.sum(model(tl.constant(numbers(5, 3))))
    products.clear()
    loss.backward()
    assert len(products) == 1  # dW of the last: nobody asked for dx
    assert model.unfreeze().parameter_count == 26
    assert not model.freeze().supports_training


@KINDS
def test_diagnostics_are_text(kind):
    layer = LAYERS[kind]()
    diagnostics = layer.get_diagnostics()
    assert all(isinstance(k, str) and isinstance(v, str) for k, v in diagnostics.items())
    assert diagnostics["layer.type"] == type(layer).__name__
    assert diagnostics["layer.input_shape"] == "[3]" and diagnostics["layer.output_shape"] == "[2]"
    assert diagnostics["layer.parameter_count"] == str(layer.parameter_count)
    assert diagnostics["layer.supports_training"] == "True" == diagnostics["layer.supports_jit_compilation"]
    assert not [k for k in diagnostics if k.startswith("gradient_norm.")]
    layer.forward(np.ones(3))
    layer.backward(np.ones(2))
    after = layer.get_diagnostics()
    for name, p in layer.named_parameters().items():
        if p.requires_gradient:
            assert float(after[f"gradient_norm.{name}"]) == pytest.approx(np.linalg.norm(p.gradient), rel=1e-5)


# --- The graph ---


@KINDS
def test_the_exported_graph_is_the_layer(kind):
    layer, x, nodes = LAYERS[kind](), numbers(1, 3), []
    y = layer.export_computation_graph(nodes)
    assert len(nodes) == 1 and not y.known and nodes[0].shape == (1, 3) and y.shape == (1, 2)
    graph = tl.trace(layer, np.empty((4, 3)))
    x = numbers(4, 3)
    np.testing.assert_array_equal(graph(x)[0], layer.forward(x))
    assert set(graph.captured) <= set(layer.named_parameters().values())
    assert layer.export_computation_graph(nodes, (2, 5, 3)).shape == (2, 5, 2) and len(nodes) == 2
    with pytest.raises(TypeError, match="must be a list"):
        layer.export_computation_graph(None)


def test_a_layer_says_truly_whether_it_traces():
    assert Residual(2).supports_jit_compilation
    assert not Sequential(Linear(2, 2), lambda x: tl.constant(np.tanh(x.value))).supports_jit_compilation
    assert not Sequential(Linear(2, 2), lambda x: x if x > 0 else -x).supports_jit_compilation
    assert not NoNode().supports_jit_compilation  # no input shape


def test_a_layer_without_an_input_shape_takes_that_of_its_last_input():
    layer = Sequential(tl.relu, Linear(3, 2, seed=0))
    with pytest.raises(ShapeError, match=r"pass one, or set self\.input_shape"):
        layer.export_computation_graph([])
    assert layer.get_diagnostics()["layer.output_shape"] == "unknown"
    layer.forward(np.ones((4, 3)))
    assert layer.export_computation_graph([]).shape == (4, 2) and layer.supports_jit_compilation


def test_graph_key_changes_with_the_graph():
    model = Sequential(Linear(3, 3, seed=0), LoRALinear(Linear(3, 2, seed=0), 1, seed=0))
    key = model.graph_key()
    assert model.graph_key() == key and hash(key) == hash(model.graph_key())
    model[0].weight.value = np.ones((3, 3))
    assert model.graph_key() == key
    with model[1].disabled():
        assert model.graph_key() != key
    model[1].merge()
    assert model.graph_key() != key
    model[1].unmerge()
    assert model.graph_key() == key


def test_a_layer_must_say_what_it_computes():
    class Empty(Layer):
        pass

    with pytest.raises(NotImplementedError, match="Empty needs a method __call__"):
        Empty().forward(np.ones(2))
    with pytest.raises(TypeError, match="must return a node, not ndarray"):
        NoNode().forward(np.ones(2))


# --- Copies and the end ---


@KINDS
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"])
def test_a_copy_shares_nothing_and_does_the_same(kind, duplicate):
    layer, x = LAYERS[kind](), numbers(4, 3)
    y = layer.forward(x)  # a remembered graph must not be in the way
    twin = duplicate(layer)
    np.testing.assert_array_equal(twin.forward(x), y)
    pairs = zip(layer.named_parameters().values(), twin.named_parameters().values(), strict=True)
    for a, b in pairs:
        assert a is not b and not np.shares_memory(a.value, b.value)
        assert (a.name, a.requires_gradient, a.dtype) == (b.name, b.requires_gradient, b.dtype)
    twin.set_parameters(np.zeros(twin.parameter_count))
    np.testing.assert_array_equal(layer.forward(x), y)
    with pytest.raises(GradientError):
        duplicate(layer).backward(np.ones((4, 2)))


USES = {
    "forward": lambda x: x.forward(np.ones(3)),
    "backward": lambda x: x.backward(np.ones(2)),
    "call": lambda x: x(tl.constant(np.ones(3))),
    "update_parameters": lambda x: x.update_parameters(0.1),
    "get_parameters": lambda x: x.get_parameters(),
    "set_parameters": lambda x: x.set_parameters(np.zeros(8)),
    "parameters": lambda x: x.parameters(),
    "names": lambda x: x.get_parameter_names(),
    "load_weights": lambda x: x.load_weights({}),
    "export": lambda x: x.export_computation_graph([]),
    "supports_jit_compilation": lambda x: x.supports_jit_compilation,
    "supports_training": lambda x: x.supports_training,
    "diagnostics": lambda x: x.get_diagnostics(),
    "with": lambda x: x.__enter__(),
}


@pytest.mark.parametrize("use", USES)
@KINDS
def test_a_closed_layer_says_so(kind, use):
    with LAYERS[kind]() as layer:
        layer.forward(np.ones(3))
    layer.close()  # twice is fine
    assert "Linear" in repr(layer) or "LoRA" in repr(layer) or "Sequential" in repr(layer)
    with pytest.raises(ClosedError, match="was closed"):
        USES[use](layer)


def test_closing_a_model_leaves_its_parts_open():
    part = Linear(3, 2, seed=0)
    Sequential(part).close()
    part.forward(np.ones(3))


# --- Linear and Sequential ---


def test_linear_is_x_w_plus_b():
    layer = Linear(3, 2, seed=0, name="head")
    x, W, b = numbers(4, 3), layer.weight.value, layer.bias.value
    np.testing.assert_array_equal(layer.forward(x), x @ W + b)
    assert (
        W.shape == (3, 2) and b.shape == (2,) and (layer.weight.name, layer.bias.name) == ("head.weight", "head.bias")
    )
    assert Linear(3, 2, False).bias is None and Linear(3, 2).weight.name == "weight"


def test_linear_starts_within_its_bounds_and_from_its_seed():
    layer = Linear(100, 200, seed=3)
    W = layer.weight.value
    assert np.abs(W).max() <= 0.1 and np.abs(layer.bias.value).max() <= 0.1
    assert W.std() == pytest.approx(0.1 / np.sqrt(3), rel=0.02) and abs(W.mean()) < 0.002
    np.testing.assert_array_equal(W, Linear(100, 200, seed=3).weight.value)
    np.testing.assert_array_equal(W, Linear(100, 200, seed=np.random.default_rng(3)).weight.value)
    assert np.any(Linear(3, 2).weight.value != Linear(3, 2).weight.value)  # no seed: new numbers every time


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ((0, 2), ValueError, "Input size must be positive"),
        ((2, -1), ValueError, "Output size must be positive"),
        ((2.0, 2), TypeError, "Input size must be a whole number"),
        ((2, True), TypeError, "Output size must be a whole number"),
        ((2, 2, 5), TypeError, "bias must be True or False"),
    ],
)
def test_linear_refuses_sizes_that_are_none(arguments, error, message):
    with pytest.raises(error, match=message):
        Linear(*arguments)


def test_linear_refuses_dtypes_without_gradients():
    with pytest.raises(DtypeError):
        Linear(2, 2, dtype=int)


def test_a_sequence_is_a_sequence():
    members = [Linear(3, 4, seed=0), tl.relu, Linear(4, 2, seed=1)]
    model = Sequential(*members)
    assert len(model) == 3 and list(model) == members and model[1] is tl.relu and model[-1] is members[2]
    assert isinstance(model[:2], Sequential) and model[:2].forward(np.ones(3)).shape == (4,)
    x = numbers(5, 3)
    np.testing.assert_array_equal(model.forward(x), members[2].forward(np.maximum(members[0].forward(x), 0.0)))
    with pytest.raises(TypeError, match="member 1 is Linear: pass layers"):
        Sequential(tl.relu, Linear)
    with pytest.raises(TypeError, match="member 0 is of type int"):
        Sequential(3)


# --- Weights by name ---


def test_weights_by_name():
    layer = LAYERS["mlp"]()
    value = layer.try_get_parameter("0.weight")
    assert layer.get_parameter_shape("0.weight") == value.shape == (3, 4)
    value[:] = 0
    assert layer[0].weight.value.any()
    assert layer.try_get_parameter("weight") is None
    layer.set_parameter("0.weight", np.ones((3, 4), np.float32))
    np.testing.assert_array_equal(layer[0].weight.value, np.ones((3, 4)))
    assert layer[0].weight.dtype == np.float64
    with pytest.raises(WeightsError, match=r"no parameter is called '0.wieght': did you mean '0.weight'"):
        layer.set_parameter("0.wieght", value)
    with pytest.raises(WeightsError, match=r"its transpose would fit"):
        layer.set_parameter("0.weight", np.ones((4, 3)))
    with pytest.raises(WeightsError, match="cannot be converted"):
        layer.set_parameter("0.bias", ["a", "b", "c", "d"])
    with pytest.raises(WeightsError, match="no parameter is called"):
        layer.get_parameter_shape("x")


@KINDS
@given(seed=st.integers(0, 2**32 - 1))
def test_loading_what_was_read_restores_everything(kind, seed):
    layer, twin = LAYERS[kind](), LAYERS[kind]()
    rng = np.random.default_rng(seed)
    for name in layer.get_parameter_names():
        layer.set_parameter(name, rng.normal(size=layer.get_parameter_shape(name)))
    weights = {name: layer.try_get_parameter(name) for name in layer.get_parameter_names()}
    check = twin.validate_weights(weights)
    assert check.is_valid and check.is_complete and check.matched == layer.get_parameter_names()
    report = twin.load_weights(weights, strict=True)
    assert report.success and report.loaded == list(weights) and not report.failed and not report.skipped
    np.testing.assert_array_equal(twin.forward(np.ones((2, 3))), layer.forward(np.ones((2, 3))))


def test_validation_means_what_it_says():
    layer = Linear(3, 2, seed=0)
    check = layer.validate_weights({"weight": np.ones((2, 3)), "extra": np.ones(1)})
    assert check.matched == [] and check.unmatched_weights == ["extra"] and check.missing_parameters == ["bias"]
    assert check.shape_mismatches == {"weight": ((3, 2), (2, 3))} and not check.is_valid and not check.is_complete
    wrong = {"weight": np.ones((3, 2), complex), "bias": ["one", "two"]}
    check = layer.validate_weights(wrong)
    assert list(check.dtype_mismatches) == list(layer.load_weights(wrong).failed) == ["weight", "bias"]
    assert check.dtype_mismatches["weight"] == (np.float64, np.complex128)
    assert not check.is_valid and not check.is_complete and not check.matched
    names = layer.validate_weights(["weight"])
    assert names.matched == ["weight"] and names.is_valid and not names.is_complete
    mapped = layer.validate_weights(["W", "b", "step"], {"W": "weight", "b": "bias", "step": None})
    assert mapped.is_valid and mapped.is_complete and mapped.skipped == ["step"]
    with pytest.raises(WeightsError, match="sends both 'a' and 'b' to 'weight'"):
        layer.validate_weights(["a", "b"], lambda name: "weight")
    with pytest.raises(TypeError, match="not one string"):
        layer.validate_weights("weight")


def test_loading_reports_what_it_did():
    layer = Linear(3, 2, seed=0)
    weights = {"W": np.ones((3, 2)), "b": np.ones(3), "c": np.ones(1), "step": np.ones(())}
    report = layer.load_weights(weights, {"W": "weight", "b": "bias", "step": None})
    assert report.loaded == ["weight"] and set(report.failed) == {"b", "c"} and report.skipped == ["step"]
    assert not report.success and layer.weight.value.all() and "(2,), not (3,)" in report.failed["b"]


@pytest.mark.parametrize(
    "weights",
    [
        {"weight": np.ones((3, 2))},
        {"weight": np.ones((3, 2)), "bias": np.ones(3)},
        {"weight": np.ones((3, 2)), "bias": np.ones(2), "extra": np.ones(1)},
        {"weight": np.ones((3, 2)), "bias": np.array(["a", "b"])},
    ],
    ids=["missing", "shape", "unmatched", "text"],
)
def test_a_strict_load_is_all_or_nothing(weights):
    layer = Linear(3, 2, seed=0)
    before = layer.get_parameters()
    with pytest.raises(WeightsError, match="nothing was loaded"):
        layer.load_weights(weights, strict=True)
    np.testing.assert_array_equal(layer.get_parameters(), before)


# --- Which layer made which nodes ---


def test_calls_are_recorded_nested_and_in_order():
    model = Sequential(Linear(3, 4, seed=0), tl.relu, Sequential(Linear(4, 2, seed=1)))
    x = tl.placeholder((5, 3))
    y, calls = layer_calls(model, x)
    assert [c.name for c in calls] == ["", "0", "2", "2.0"]
    assert [c.outer.name if c.outer else None for c in calls] == [None, "", "", "2"]
    assert [c.layer for c in calls] == [model, model[0], model[2], model[2][0]]
    assert calls[0].inputs == calls[1].inputs == (x,) and calls[0].output is calls[3].output is y
    assert not y.known


def test_a_function_of_layers_is_recorded_too():
    shared = Linear(3, 3, seed=0)
    _, calls = layer_calls(lambda x: tl.sum(shared(shared(x))), tl.placeholder((3,)))
    assert [(c.name, c.layer, c.outer) for c in calls] == [("", shared, None)] * 2
    assert calls[0].output is calls[1].inputs[0]


def test_layers_are_made_from_lists_as_from_arrays():
    layer, table = Linear.from_arrays([[1.0, 2], [3, 4]], [5.0, 6]), tl.Embedding.from_arrays([[1.0, 2], [3, 4]])
    np.testing.assert_array_equal(layer.forward([1, 1]), [9, 12])
    np.testing.assert_array_equal(table.forward([1, 0]), [[3, 4], [1, 2]])
    with pytest.raises(ShapeError, match=r"not \(2, 2\) and \(3,\)"):
        Linear.from_arrays([[1.0, 2], [3, 4]], [1.0, 2, 3])


def test_calling_the_base_class_is_not_another_call():
    class Doubled(Linear):
        def __call__(self, x):
            return 2 * super().__call__(x)

    _, calls = layer_calls(Doubled(3, 2), tl.placeholder((3,)))
    assert len(calls) == 1


def test_recording_ends_with_an_error_and_stays_in_its_thread():
    model, other = Sequential(Linear(3, 2)), []
    with pytest.raises(ShapeError):
        layer_calls(model, tl.placeholder((4,)))

    def function(x):
        thread = threading.Thread(target=lambda: other.append(model(tl.constant(np.ones(3)))))
        thread.start()
        thread.join()
        return model(x)

    _, calls = layer_calls(function, tl.placeholder((3,)))
    assert len(calls) == 2 and len(other) == 1


def test_unreached_parameters_get_zeros():
    class Gap(Layer):
        def __init__(self):
            self.used, self.unused = tl.parameter(np.ones(2)), tl.parameter(np.ones(2))

        def __call__(self, x):
            return tl.stop_gradient(x) * self.used

    layer = Gap()
    layer.forward(np.ones(2))
    np.testing.assert_array_equal(layer.backward(np.ones(2)), np.zeros(2))
    np.testing.assert_array_equal(layer.get_parameter_gradients(), [1, 1, 0, 0])
    flat = Sequential(lambda x: tl.stop_gradient(x))
    flat.forward(np.ones(2))
    np.testing.assert_array_equal(flat.backward(np.ones(2)), np.zeros(2))
