"""Several adapters by name: one active, a weighted sum, none, merged, and each row of a batch through its own."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tinygrad_lora as tl
from tinygrad_lora.errors import AdaptError, MergedError
from tinygrad_lora.nn import LoRAEmbedding, TrainedCopy, restart
from tinygrad_lora.nn.adapters.adapter import Adapter

DUPLICATES = {"copy": copy.deepcopy, "pickle": lambda x: pickle.loads(pickle.dumps(x))}


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def filled(model, seed=0):
    """Every adapter does something."""
    rng = np.random.default_rng(seed)
    for layer in tl.adapters(model).values():
        for adapter in layer.adapters.values():
            for p in adapter.named_parameters().values():
                p.value = rng.normal(size=p.shape)
    return model


def three(n=5, m=4, bias=True):
    """A layer with the adapters lora, french and legal, of ranks 1, 2 and 3, none of them zero; lora is active."""
    layer = tl.LoRALinear(tl.Linear(n, m, bias, seed=0), 1, 2, seed=1)
    layer.attach("french", tl.LoRALayer(n, m, 2, 3, seed=2))
    layer.attach("legal", tl.LoRALayer(n, m, 3, seed=3))
    return filled(layer)


def network(names=("french", "legal"), **options):
    """Two layers and the adapters of these names; the last is active."""
    model = tl.Sequential(tl.Linear(5, 6, seed=0), tl.tanh, tl.Linear(6, 3, seed=1))
    for i, name in enumerate(names):
        tl.adapt(model, i + 1, name=name, seed=i, **options)
    return filled(model)


def expected(layer, weights, x):
    """The formula."""
    W, b = layer.original.weight.value, layer.original.bias.value
    return x @ (W + sum(w * layer.adapters[name].merge_weights() for name, w in weights.items())) + b


def products(f, *examples):
    return [str(node.op) for node in tl.trace(f, *examples).nodes].count("matmul")


# --- One layer ---


@pytest.mark.parametrize(
    "which", ["lora", "french", {"french": 0.7, "legal": 0.3}, {"legal": 1, "lora": -2.5}, {"french": 0}], ids=str
)
@pytest.mark.parametrize("leading", [(), (3,), (0,), (2, 3)], ids=str)
def test_the_active_adapters_add_up(which, leading):
    layer, x = three(), numbers(*leading, 5)
    layer.activate(which)
    weights = {which: 1} if isinstance(which, str) else which
    assert layer.active == weights
    np.testing.assert_allclose(layer.forward(x), expected(layer, weights, x), rtol=1e-12, atol=1e-12)


@given(st.dictionaries(st.sampled_from(["lora", "french", "legal"]), st.floats(-3, 3), min_size=1))
def test_merging_a_weighted_sum_keeps_it_and_unmerging_restores_every_bit(weights):
    layer, x = three(), numbers(3, 5)
    base = layer.original.weight.value
    layer.activate(weights)
    before = layer.forward(x)
    layer.merge()
    np.testing.assert_allclose(layer.forward(x), before, rtol=1e-11, atol=1e-11)
    assert products(layer, x) == 1
    layer.unmerge()
    assert layer.original.weight.value is base
    np.testing.assert_array_equal(layer.forward(x), before)


def test_only_the_active_adapters_are_trained():
    layer = three()
    of = {name: [*adapter.named_parameters().values()] for name, adapter in layer.adapters.items()}
    assert layer.parameters() == of["lora"]
    layer.activate({"legal": 0.5, "lora": 1})
    assert layer.parameters() == of["lora"] + of["legal"]
    layer.activate("french", trainable=False)
    assert layer.parameters() == []
    layer.activate("french")
    assert layer.parameters() == of["french"]


def test_the_gradient_of_a_weighted_sum():
    layer, x, g = three(), numbers(3, 5), numbers(3, 4, seed=1)
    layer.activate({"french": 0.7, "legal": 0.3})
    layer.forward(x)
    dx = layer.backward(g)
    french = layer.adapters["french"]
    A, B = french.get_matrix_a(), french.get_matrix_b()
    np.testing.assert_allclose(french.lora_B.gradient, 0.7 * 1.5 * (x @ A).T @ g, rtol=1e-12)
    total = layer.original.weight.value + 0.7 * 1.5 * A @ B + 0.3 * layer.adapters["legal"].merge_weights()
    np.testing.assert_allclose(dx, g @ total.T, rtol=1e-12)


def test_what_was_frozen_from_the_start_stays_frozen():
    layer, half = three(), tl.LoRALayer(5, 4, 1, seed=0)
    half.lora_A.requires_gradient = False
    layer.attach("half", half)
    layer.activate("half")
    layer.activate("lora")
    layer.activate("half")
    assert layer.parameters() == [half.lora_B]


def test_names_of_parameters():
    layer = three()
    assert layer.get_parameter_names() == [
        "base.weight", "base.bias", "lora.lora_A", "lora.lora_B", "french.lora_A", "french.lora_B", "legal.lora_A",
        "legal.lora_B",
    ]  # fmt: skip
    layer.delete("french")
    assert "french.lora_A" not in layer.get_parameter_names() and list(layer.adapters) == ["lora", "legal"]


def test_the_one_adapter():
    layer = three()
    assert layer.lora is layer.adapters["lora"]
    layer.activate({"lora": 1, "legal": 1})
    with pytest.raises(AdaptError, match="2 are active, 'lora', 'legal'"):
        layer.lora
    for name in ("lora", "legal", "french"):
        layer.delete(name)
    with pytest.raises(AdaptError, match="none is active"):
        layer.lora


def test_deleting():
    layer, x = three(), numbers(2, 5)
    layer.activate({"lora": 1, "legal": 0.5})
    layer.delete("lora")
    assert layer.active == {"legal": 0.5}
    layer.delete("legal")
    assert layer.active == {} and layer.mode == "base"
    np.testing.assert_array_equal(layer.forward(x), layer.original.forward(x))
    layer.activate("french")
    np.testing.assert_allclose(layer.forward(x), expected(layer, {"french": 1}, x), rtol=1e-12)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda x: x.activate("german"), AdaptError, "no adapter is called 'german': there are 'lora', 'french'"),
        (lambda x: x.activate({"lora": 1, "german": 1}), AdaptError, "no adapter is called 'german'"),
        (lambda x: x.activate({}), AdaptError, "no adapter is named: choose among 'lora'"),
        (lambda x: x.activate({"lora": float("nan")}), ValueError, "the weight of 'lora' must be finite"),
        (lambda x: x.activate({"lora": True}), TypeError, "the weight of 'lora' must be a number"),
        (lambda x: x.activate(["lora"]), TypeError, "name one adapter, or give a dict of weights"),
        (lambda x: x.delete("german"), AdaptError, "no adapter is called 'german'"),
        (lambda x: x.attach("lora", tl.LoRALayer(5, 4, 1)), AdaptError, "an adapter is called 'lora' already"),
        (lambda x: x.attach("base", tl.LoRALayer(5, 4, 1)), AdaptError, "an adapter cannot be called 'base'"),
        (lambda x: x.attach("a.b", tl.LoRALayer(5, 4, 1)), AdaptError, r"an adapter cannot be called 'a\.b'"),
        (lambda x: x.attach(None, tl.LoRALayer(5, 4, 1)), TypeError, "the name of an adapter is a string"),
    ],
)
def test_wrong_names_change_nothing(call, error, message):
    layer = three()
    active, adapters, trained = layer.active, layer.adapters, layer.parameters()
    with pytest.raises(error, match=message):
        call(layer)
    assert (layer.active, layer.adapters, layer.parameters()) == (active, adapters, trained)


def test_what_cannot_be_done_while_merged():
    layer = three()
    layer.activate({"lora": 1, "french": 0.5})
    layer.merge()
    changes = [
        lambda: layer.activate("legal"), lambda: layer.attach("new", tl.LoRALayer(5, 4, 1)),
        lambda: layer.delete("lora"), lambda: layer.by_row(("lora",)).__enter__(), lambda: layer.update_parameters(0.1),
        lambda: layer.absorb(),
    ]  # fmt: skip
    for change in changes:
        with pytest.raises(MergedError, match=r"unmerge\(\) first"):
            change()
    layer.delete("legal")  # it is not merged
    layer.unmerge()
    layer.delete("lora")


def test_absorbing_makes_the_change_the_bases_own():
    layer, x = three(), numbers(3, 5)
    layer.activate({"french": 2.0, "lora": 1.0})
    before = layer.forward(x)
    layer.absorb()
    with layer.disabled():
        np.testing.assert_allclose(layer.forward(x), before, rtol=1e-12, atol=1e-12)


def test_a_mode_for_each_graph():
    layer, x = three(), numbers(2, 5)
    compiled = tl.compile(layer)
    states = ["lora", "french", {"french": 0.7, "legal": 0.3}, {"french": 0.3, "legal": 0.7}, "lora"]
    modes = set()
    for which in states:
        layer.activate(which)
        modes.add(layer.mode)
        np.testing.assert_allclose(compiled(x), layer.forward(x), rtol=1e-12)
        layer.merge()
        np.testing.assert_allclose(compiled(x), layer.forward(x), rtol=1e-12)
        with layer.disabled():
            np.testing.assert_allclose(compiled(x), layer.original.forward(x), rtol=1e-12)
        layer.unmerge()
    assert modes == {"lora", "french", "0.7 french + 0.3 legal", "0.3 french + 0.7 legal"}


def test_states_say_what_each_adapter_does():
    layer = three()
    layer.activate({"lora": 1, "french": 0.5})
    assert layer.states() == {"lora": "", "french": "0.5", "legal": "inactive"}
    layer.merge()
    assert layer.states() == {"lora": "merged", "french": "0.5 merged", "legal": "inactive"}
    with layer.disabled():
        assert set(layer.states().values()) == {"disabled"}
    assert layer.get_diagnostics()["french.rank"] == "2"


# --- Rows ---


@pytest.mark.parametrize("names", [*itertools.product(["lora", None, "legal"], repeat=3), ()], ids=str)
@pytest.mark.parametrize("inner", [(), (2,)], ids=str)
def test_each_row_goes_through_its_own_adapter(names, inner):
    layer, x = three(), numbers(len(names), *inner, 5)
    with layer.by_row(names):
        y = layer.forward(x)
    assert y.shape == (len(names), *inner, 4)
    for row, name, result in zip(x, names, y, strict=True):
        np.testing.assert_allclose(result, expected(layer, {name: 1} if name else {}, row), rtol=1e-12, atol=1e-12)


def test_the_base_product_is_made_once():
    layer, x = three(), numbers(4, 5)
    with layer.by_row(("lora", "french", "lora", None)):
        assert products(layer, x) == 1 + 2 + 2  # the base, and A and B of two adapters
    with layer.by_row((None,) * 4):
        assert products(layer, x) == 1


def test_rows_have_gradients_of_their_own():
    layer, x, g = three(), numbers(3, 5), numbers(3, 4, seed=1)
    layer.activate({"lora": 1, "french": 1})
    with layer.by_row(("french", "lora", "french")):
        layer.forward(x)
        dx = layer.backward(g)
    for name, own in {"french": [0, 2], "lora": [1]}.items():
        adapter = layer.adapters[name]
        gradient = adapter.scaling * (x[own] @ adapter.get_matrix_a()).T @ g[own]
        np.testing.assert_allclose(adapter.lora_B.gradient, gradient, rtol=1e-12)
        total = layer.original.weight.value + adapter.merge_weights()
        np.testing.assert_allclose(dx[own], g[own] @ total.T, rtol=1e-12)


def test_rows_are_compiled():
    layer, x = three(), numbers(3, 5)
    compiled = tl.compile(layer)
    for names in [("lora", None, "legal"), ("legal", "lora", "lora")]:
        with layer.by_row(names):
            np.testing.assert_allclose(compiled(x), layer.forward(x), rtol=1e-12)
    np.testing.assert_allclose(compiled(x), layer.forward(x), rtol=1e-12)


@pytest.mark.parametrize(
    "names, shape, message",
    [
        (("lora",), (2, 5), r"1 names for 2 rows: the batch of shape \(2, 5\)"),
        (("lora",), (5,), "one sample of shape"),
    ],
)
def test_a_name_for_each_sample(names, shape, message):
    layer = three()
    with layer.by_row(names), pytest.raises(AdaptError, match=message):
        layer.forward(np.ones(shape))
    assert layer.mode == "lora"


# --- Models ---


def test_adapting_again_gives_another_adapter_and_activates_it():
    model, x = network(()), numbers(4, 5)
    plain = model.forward(x)
    tl.adapt(model, 2, name="french", seed=0)
    filled(model)
    french = model.forward(x)
    tl.adapt(model, 1, ["0"], name="legal", seed=1)
    assert tl.adapter_names(model) == ["french", "legal"]
    np.testing.assert_array_equal(model.forward(x), plain)  # legal is active alone, and at its start
    assert model.get_parameter_names()[-1] == "2.french.lora_B" and model.parameter_count == 5 + 6
    assert {p.name for p in model.parameters()} == {"0.legal_A", "0.legal_B"}
    tl.activate(model, "french")
    np.testing.assert_array_equal(model.forward(x), french)
    with tl.disabled(model):
        np.testing.assert_array_equal(model.forward(x), plain)


def test_a_layer_without_the_adapter_gives_its_base():
    model, x = network(("french",)), numbers(2, 5)
    tl.adapt(model, 1, ["0"], name="legal", seed=0)
    assert model[2].active == {} and not model[2].parameters() and model[2].mode == "base"
    tl.activate(model, {"legal": 0.5, "french": 1})
    assert model[0].active == {"french": 1, "legal": 0.5} and model[2].active == {"french": 1}
    assert model.forward(x).shape == (2, 3)


def test_weights_of_one_adapter():
    model = network()
    assert len(tl.adapter_weights(model)) == 8
    assert list(tl.adapter_weights(model, "legal")) == [
        "0.legal.lora_A", "0.legal.lora_B", "2.legal.lora_A", "2.legal.lora_B",
    ]  # fmt: skip
    with pytest.raises(AdaptError, match="no adapter is called 'german': there are 'french', 'legal'"):
        tl.adapter_weights(model, "german")


def test_rows_of_a_model():
    model, x = network(), numbers(4, 5)
    alone = {None: None}
    with tl.disabled(model):
        alone[None] = model.forward(x)
    for name in tl.adapter_names(model):
        tl.activate(model, name)
        alone[name] = model.forward(x)
    names = ["legal", None, "french", "legal"]
    with tl.by_row(model, names):
        y = model.forward(x)
    for i, name in enumerate(names):
        np.testing.assert_allclose(y[i], alone[name][i], rtol=1e-12, atol=1e-13)
    for wrong, error in [(["german"] * 4, AdaptError), ("french", TypeError), (["french", None, None], AdaptError)]:
        with pytest.raises(error), tl.by_row(model, wrong):
            model.forward(x)
    np.testing.assert_array_equal(model.forward(x), alone["legal"])


@pytest.mark.parametrize(
    "change",
    [
        lambda m: tl.activate(m, "german"),
        lambda m: tl.delete_adapter(m, "german"),
        lambda m: tl.activate(m, {"french": "much"}),
        lambda m: (m[2].merge(), tl.activate(m, "french")),
        lambda m: (m[2].merge(), tl.delete_adapter(m, "legal")),
        lambda m: (m[2].merge(), tl.by_row(m, ["french"]).__enter__()),
    ],
)
def test_all_layers_or_none(change):
    model = network()
    before = [(layer.active, layer.adapters) for layer in tl.adapters(model).values()]
    with pytest.raises((AdaptError, MergedError, TypeError)):
        change(model)
    assert [(layer.active, layer.adapters) for layer in tl.adapters(model).values()] == before
    assert model[0].mode == "legal"


def test_deleting_from_a_model():
    model, x = network(), numbers(2, 5)
    tl.delete_adapter(model, "legal")
    assert tl.adapter_names(model) == ["french"] == list(tl.adapter_settings(model))
    with tl.disabled(model):
        base = model.forward(x)
    np.testing.assert_array_equal(model.forward(x), base)
    assert not model.parameters()


@pytest.mark.parametrize("whole", [False, True], ids=["in a model", "the model itself"])
def test_unloading_leaves_plain_layers(whole):
    model, x = three() if whole else network(), numbers(2, 5)
    tl.activate(model, dict.fromkeys(tl.adapter_names(model), 0.5))
    before = model.forward(x)
    plain = tl.merge_and_unload(model)
    assert not tl.adapters(plain) and not plain.parameters() and (plain is model) is not whole
    np.testing.assert_allclose(plain.forward(x), before, rtol=1e-12, atol=1e-12)
    tl.adapt(tl.Sequential(plain), 1)


@pytest.mark.parametrize("duplicate", DUPLICATES.values(), ids=DUPLICATES)
@pytest.mark.parametrize("merged", [False, True], ids=["", "merged"])
def test_duplicates_share_nothing_and_do_the_same(duplicate, merged):
    model, x = network(), numbers(3, 5)
    tl.activate(model, {"french": 0.25, "legal": 2})
    before = model.forward(x)
    if merged:
        tl.merge_all(model)
    with tl.disabled(model):
        twin = duplicate(model)
    np.testing.assert_allclose(twin.forward(x), before, rtol=1e-12)
    if merged:
        tl.unmerge_all(twin)
    ours = {id(p) for p in model.named_parameters().values()}
    assert not ours & {id(p) for p in twin.named_parameters().values()}
    filled(twin, seed=9)
    tl.activate(twin, "french")
    assert tl.adapter_settings(twin) == tl.adapter_settings(model)
    np.testing.assert_allclose(model.forward(x), before, rtol=1e-12)


@pytest.mark.parametrize("which", ["french", {"french": 0.5, "legal": 2.0}], ids=str)
def test_a_compiled_training_step_trains_the_active_adapters(which):
    x, target = numbers(6, 5), numbers(6, 3, seed=1)
    eager, compiled = network(), network()
    for model in (eager, compiled):
        tl.activate(model, which)
    optimizers = [tl.AdamW(model.parameters(), 0.05) for model in (eager, compiled)]
    step = tl.compile_training_step(compiled, tl.mse, optimizers[1])
    for _ in range(3):
        loss = tl.mse(eager(tl.constant(x)), target)
        tl.zero_gradients(loss)
        loss.backward()
        optimizers[0].step()
        assert step(x, target) == pytest.approx(float(loss.value), rel=1e-12)
    for name, value in tl.adapter_weights(eager).items():
        np.testing.assert_allclose(compiled.try_get_parameter(name), value, rtol=1e-9, atol=1e-12)


# --- A residual base ---


class Half(tl.LoRALayer):
    """It starts at a part of W, which its base is without."""

    residual = True

    @classmethod
    def for_layer(cls, base, rank, alpha=-1, *, seed=None, name="lora", **options):
        layer = super().for_layer(base, rank, alpha, seed=seed, name=name, **options)
        layer.lora_A.value = base.weight.value[:, :rank] / layer.scaling
        layer.lora_B.value = np.eye(rank, base.output_size)
        return layer


def residual():
    model = tl.Sequential(tl.Linear(5, 4, seed=0))
    base = model[0]
    tl.adapt(model, 2, name="half", variant=Half)
    return model, base


def test_at_the_start_a_residual_base_and_its_adapter_are_the_base():
    model, base = residual()
    layer, x = model[0], numbers(3, 5)
    np.testing.assert_allclose(layer.forward(x), base.forward(x), rtol=1e-12)
    assert layer.base is not base and not layer.base.weight.value[:, :2].any()
    with layer.disabled():
        np.testing.assert_array_equal(layer.forward(x), base.forward(x))


def test_a_residual_base_is_there_as_long_as_its_adapter_is_active():
    model, base = residual()
    layer, x = model[0], numbers(3, 5)
    filled(model)
    change = layer.lora.merge_weights() - layer._starts["half"].merge_weights()
    own = x @ (base.weight.value + change) + base.bias.value
    np.testing.assert_allclose(layer.forward(x), own, rtol=1e-12, atol=1e-12)
    layer.merge()
    np.testing.assert_allclose(layer.forward(x), own, rtol=1e-12, atol=1e-12)
    layer.unmerge()
    with layer.by_row(("half", None, "half")):
        y = layer.forward(x)
    np.testing.assert_allclose(y[[0, 2]], own[[0, 2]], rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(y[1], base.forward(x)[1])
    tl.adapt(model, 1, name="plain", seed=0)
    np.testing.assert_array_equal(layer.forward(x), base.forward(x))
    tl.activate(model, {"half": 0.5, "plain": 1})
    mixed = x @ (base.weight.value + change / 2) + base.bias.value
    np.testing.assert_allclose(layer.forward(x), mixed, rtol=1e-12, atol=1e-12)
    tl.delete_adapter(model, "half")
    np.testing.assert_array_equal(layer.forward(x), base.forward(x))


def test_a_residual_base_is_never_absorbed():
    with pytest.raises(AdaptError, match="'half' lives on a residual base"):
        residual()[0][0].absorb()


def test_a_bias_that_the_base_does_not_have():
    layer = tl.LoRALinear(tl.Linear(5, 4, bias=False, seed=0), 2, seed=0, lora_bias=True)
    filled(layer)
    x = numbers(3, 5)
    before = layer.forward(x)
    assert np.abs(before - x @ (layer.weight.value + layer.lora.merge_weights())).max() > 0.1
    layer.merge()
    np.testing.assert_allclose(layer.forward(x), before, rtol=1e-12, atol=1e-12)
    layer.unmerge()
    with pytest.raises(AdaptError, match="the base has no bias to add one to"):
        layer.absorb()


# --- Embeddings and copies ---


def speaker():
    """Tokens (batch, time) to vectors, and the same table once more as the output layer."""

    class Tied(tl.Layer):
        takes_indices = True

        def __init__(self):
            self.table, self.head = tl.Embedding(7, 4, seed=0), tl.Linear(4, 4, seed=1)

        def __call__(self, tokens):
            return self.head(self.table(tokens)) @ self.table.weight.T

    return Tied()


TOKENS = np.array([[0, 3, 3], [6, 1, 0]])


def test_an_embedding_with_adapters():
    base = tl.Embedding(7, 4, seed=0)
    layer = LoRAEmbedding(base, 2, 4, seed=1)
    np.testing.assert_array_equal(layer.forward(TOKENS), base.forward(TOKENS))
    assert not layer.lora.lora_embedding_A.value.any() and layer.lora.lora_embedding_B.shape == (2, 4)
    filled(layer)
    table = base.weight.value + 2 * layer.lora.lora_embedding_A.value @ layer.lora.lora_embedding_B.value
    for tokens in (TOKENS, TOKENS[0], TOKENS[0, 0], TOKENS[:0]):
        np.testing.assert_allclose(layer.forward(tokens), table[tokens], rtol=1e-12)
        np.testing.assert_allclose(tl.compile(layer)(tokens), table[tokens], rtol=1e-12)
    layer.merge()
    np.testing.assert_allclose(layer.forward(TOKENS), table[TOKENS], rtol=1e-12)
    layer.unmerge()
    layer.forward(TOKENS)
    layer.backward(numbers(2, 3, 4))
    touched = layer.lora.lora_embedding_A.gradient.any(axis=1)
    assert touched.tolist() == [True, True, False, True, False, False, True] and base.weight.gradient is None
    with pytest.raises(ValueError, match="token 7 has no row"):
        layer.forward([7])
    with pytest.raises(AdaptError, match="LoRALayer is for matrices"):
        layer.attach("second", tl.LoRALayer(7, 4, 1))
    with pytest.raises(ValueError, match=r"Rank \(5\) cannot exceed"):
        LoRAEmbedding(base, 5)


def test_a_tied_weight_is_that_of_the_base():
    model = speaker()
    expected = model.forward(TOKENS)
    tl.adapt(model, 2, ["table", "head"], name="one", seed=0)
    np.testing.assert_allclose(model.forward(TOKENS), expected, rtol=1e-12)
    tl.adapt(model, 1, ["table"], name="two", seed=0)
    filled(model)
    tl.activate(model, {"one": 1, "two": 0.5})
    before = model.forward(TOKENS)
    np.testing.assert_allclose(tl.compile(model)(TOKENS), before, rtol=1e-12)
    tl.merge_all(model)
    np.testing.assert_allclose(model.forward(TOKENS), before, rtol=1e-12, atol=1e-12)
    tl.unmerge_all(model)
    with tl.by_row(model, ["two", "one"]):
        rows = model.forward(TOKENS)
    for i, name in enumerate(["two", "one"]):
        tl.activate(model, name)
        np.testing.assert_allclose(rows[i], model.forward(TOKENS)[i], rtol=1e-12, atol=1e-12)


def twice(*targets):
    """Two layers with one weight between them, and adapters on some."""
    first, second = tl.Linear(4, 4, False, seed=0), tl.Linear(4, 4, False)
    second.weight = first.weight
    return tl.adapt(tl.Sequential(first, tl.tanh, second), 1, list(targets), seed=0)


@pytest.mark.parametrize("forward_first", [False, True])
@pytest.mark.parametrize("merged_first", [False, True])
def test_a_tied_weight_with_adapters_is_not_merged_for_good(forward_first, merged_first):
    """A plain model would give something else, or have two weights in the place of one."""
    model = filled(tl.adapt(speaker(), 2, ["table", "head"], seed=0))
    expected = copy.deepcopy(model).forward(TOKENS)
    if forward_first:
        model.forward(TOKENS)
    if merged_first:
        tl.merge_all(model)
    with pytest.raises(AdaptError, match=r"the weight of 'table' is tied to another place.*a parameter of its own"):
        tl.merge_and_unload(model)
    assert {layer.merged for layer in tl.adapters(model).values()} == {merged_first}
    np.testing.assert_allclose(model.forward(TOKENS), expected, rtol=1e-12)


@pytest.mark.parametrize("targets", [("0",), ("0", "2")])
def test_a_weight_that_two_layers_share_is_not_merged_for_good(targets):
    model = filled(twice(*targets))
    with pytest.raises(AdaptError, match=f"the weight of '{targets[0]}'.* is tied to another place"):
        tl.merge_and_unload(model)
    if len(targets) == 2:
        with pytest.raises(AdaptError, match="tied to another place"):
            restart(model)
    else:
        before = model.forward(numbers(3, 4))
        model[2].weight = tl.parameter(model[2].weight.value)
        np.testing.assert_allclose(tl.merge_and_unload(model).forward(numbers(3, 4)), before, rtol=1e-12)


def test_a_tie_survives_when_other_layers_are_merged_for_good():
    model = filled(tl.adapt(speaker(), 2, ["head"], seed=0))
    expected = model.forward(TOKENS)
    plain, fresh = tl.merge_and_unload(model), speaker()
    np.testing.assert_allclose(plain.forward(TOKENS), expected, rtol=1e-12)
    assert plain.get_parameter_names() == fresh.get_parameter_names()
    fresh.load_weights({name: p.value for name, p in plain.named_parameters().items()}, strict=True)
    np.testing.assert_array_equal(fresh.forward(TOKENS), plain.forward(TOKENS))
    plain.head.bias.value = 0.0 * plain.head.bias.value
    once = plain.forward(TOKENS)
    plain.table.weight.value = 2.0 * plain.table.weight.value  # once going in, once coming out
    np.testing.assert_allclose(plain.forward(TOKENS), 4.0 * once, rtol=1e-12)


def test_adapters_of_a_tied_table_are_saved_and_loaded(tmp_path):
    pytest.importorskip("safetensors")
    model = filled(tl.adapt(speaker(), 2, ["table", "head"], seed=0))
    tl.save_adapter(model, tmp_path / "adapter")
    again = tl.load_adapter(speaker(), tmp_path / "adapter")
    np.testing.assert_allclose(again.forward(TOKENS), model.forward(TOKENS), rtol=1e-12)


def test_a_module_is_trained_as_a_whole_in_a_copy():
    model, x = network(()), numbers(3, 5)
    plain, head = model.forward(x), model[2]
    tl.adapt(model, 1, ["0"], name="one", modules_to_save=["2"], seed=0)
    copies = model[2]
    assert isinstance(copies, TrainedCopy) and copies.base is head and tl.adapters(model).keys() == {"0"}
    assert model.parameter_count == 5 + 6 + 21 and not head.parameters()
    np.testing.assert_array_equal(model.forward(x), plain)
    assert list(tl.adapter_weights(model))[-2:] == ["2.one.weight", "2.one.bias"]
    copies.adapters["one"].weight.value = numbers(6, 3)
    assert copies.weight is copies.adapters["one"].weight and copies.input_size == 6
    one = model.forward(x)
    assert np.abs(one - plain).max() > 0.1
    with tl.disabled(model):
        np.testing.assert_array_equal(model.forward(x), plain)
    tl.adapt(model, 1, ["0"], name="two", modules_to_save=["2"], seed=0)
    np.testing.assert_array_equal(model.forward(x), plain)
    with tl.by_row(model, ["one", None, "two"]):
        np.testing.assert_allclose(model.forward(x), [one[0], plain[1], plain[2]], rtol=1e-12)
    tl.activate(model, {"one": 0.5, "two": 0.25})
    np.testing.assert_allclose(model.forward(x), 0.5 * one + 0.5 * plain, rtol=1e-12)
    np.testing.assert_allclose(tl.compile(model)(x), model.forward(x), rtol=1e-12)
    with pytest.raises(AdaptError, match="a mixture of 'one', 'two' is no one layer"):
        tl.merge_and_unload(model)
    tl.activate(model, "one")
    for duplicate in DUPLICATES.values():
        np.testing.assert_array_equal(duplicate(model).forward(x), one)
    np.testing.assert_allclose(tl.merge_and_unload(model).forward(x), one, rtol=1e-12)
    assert isinstance(model[2], tl.Linear)


def test_a_class_of_adapters_of_ones_own():
    class Shift(Adapter):
        """It adds a vector that does not depend on x: no matrix can do that, but a bias can."""

        @classmethod
        def for_layer(cls, base, rank, alpha=-1, *, seed=None, name="lora", size=1.0):
            layer = cls()
            layer.rank, layer.alpha = rank, 1.0
            layer.offset = tl.parameter(np.full(base.output_size, size), f"{name}_offset")
            return layer

        def __call__(self, rows):
            return self.offset + 0 * rows[..., :1]

        def merge_weights(self):
            return 0.0

        def merged_bias(self, bias):
            return self.offset.value if bias is None else bias + self.offset.value

    model, x = network(()), numbers(2, 5)
    tl.adapt(model, 1, ["0"], variant=Shift, size=2.0)
    hidden = np.tanh(model[0].original.forward(x) + 2)
    np.testing.assert_allclose(model.forward(x), model[2].forward(hidden), rtol=1e-12)
    tl.merge_all(model)
    np.testing.assert_allclose(model.forward(x), model[2].forward(hidden), rtol=1e-12)
