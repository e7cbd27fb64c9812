"""Every option of adapt(): which layers, with which ranks, what is trained, how it begins. PEFT is the judge."""

import copy
import dataclasses
import inspect
import re

import numpy as np
import pytest
from hypothesis import given, strategies as st
from strategies import examples

import tinygrad_lora as tl
from tinygrad_lora.errors import AdaptError
from tinygrad_lora.interop.peft.config import config_text, read_config
from tinygrad_lora.nn import LoRAEmbedding, TrainedCopy
from tinygrad_lora.nn.adapters.adapter import Adapter
from tinygrad_lora.nn.adapters.model.plan import attach, plan_adapters
from tinygrad_lora.nn.adapters.model.settings import AdapterSettings
from tinygrad_lora.nn.adapters.model.targets import by_pattern, chosen_layers, chosen_modules

OF_ONE_CALL = {"model", "name", "seed"}


class Block(tl.Layer):
    def __init__(self, rng):
        self.q_proj, self.v_proj = tl.Linear(4, 4, seed=rng), tl.Linear(4, 4, bias=False, seed=rng)
        self.experts = [tl.Linear(4, 4, seed=rng), tl.Linear(4, 4, seed=rng)]

    def __call__(self, x):
        for layer in (self.q_proj, self.v_proj, *self.experts):
            x = x + layer(x)
        return x


class Model(tl.Layer):
    """Names as they come in real models: numbers of layers, and numbers inside them."""

    takes_indices = True

    def __init__(self, blocks=12):
        rng = np.random.default_rng(0)
        self.embed = tl.Embedding(9, 4, seed=rng)
        self.layers = [Block(rng) for _ in range(blocks)]
        self.tower = {"h": [Block(rng), Block(rng)]}
        self.norm = tl.Linear(4, 4, seed=rng)
        self.head = tl.Linear(4, 3, seed=rng)
        self.offset = tl.parameter(np.zeros(3))

    def __call__(self, x):
        x = self.embed(x)
        for block in (*self.layers, *self.tower["h"]):
            x = block(x)
        return self.head(tl.tanh(self.norm(x))) + self.offset


TOKENS = np.array([[1, 2, 2], [8, 0, 5]])
MODEL = Model()  # for what changes nothing
LAYERS = [n for n, x in MODEL.named_layers().items() if isinstance(x, tl.Linear | tl.Embedding)]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def adapted_names(targets, **options):
    return list(tl.adapters(tl.adapt(Model(), 1, targets, seed=0, **options)))


def fitting(pattern):
    return [n for n in LAYERS if re.fullmatch(pattern, n)]


# --- Which layers ---


@pytest.mark.parametrize(
    "targets, options, pattern",
    [
        (["q_proj"], {"layers_to_transform": 1}, r"tower\.h\.1\.q_proj"),  # as in PEFT, two words before the number
        (["q_proj"], {"layers_to_transform": [1, 11]}, r"tower\.h\.1\.q_proj"),
        (["q_proj", "head"], {"layers_to_transform": 0}, r"tower\.h\.0\.q_proj|head"),  # a full name has no number
        (["q_proj"], {"layers_to_transform": []}, r".*q_proj"),
        (["q_proj"], {"layers_to_transform": [1, 11], "layers_pattern": "layers"}, r"layers\.(1|11)\.q_proj"),
        (["q_proj"], {"layers_to_transform": 1, "layers_pattern": "layers"}, r"layers\.1\.q_proj"),
        (["q_proj"], {"layers_to_transform": 1, "layers_pattern": ["h", "layers"]}, r"(layers|tower\.h)\.1\.q_proj"),
        (["q_proj"], {"layers_to_transform": [0], "layers_pattern": "h"}, r"tower\.h\.0\.q_proj"),
        (["0"], {"layers_to_transform": 1, "layers_pattern": "layers"}, r"layers\.1\.experts\.0"),
        (["embed", "head"], {}, r"embed|head"),
        (r"embed|.*\.v_proj", {}, r"embed|.*\.v_proj"),
        ("all-linear", {}, r"(?!embed).*"),
        (["q_proj", "head"], {"modules_to_save": ["head"]}, r".*q_proj"),
        (["q_proj", "v_proj"], {"modules_to_save": ["layers.3"]}, r"(?!layers\.3\.).*(q|v)_proj"),
    ],
    ids=str,
)
def test_layers_are_chosen(targets, options, pattern):
    assert adapted_names(targets, **options) == fitting(pattern)


WORDS = ["q_proj", "v_proj", "head", "embed", "0", "1", "experts.1", "layers.1.q_proj", "h.0.v_proj", "norm"]


@pytest.mark.peers
@examples(60)
@given(st.data())
def test_peft_chooses_the_same(data):
    pytest.importorskip("peft")
    from peft import LoraConfig
    from peft.tuners.tuners_utils import _ExcludedModule, check_target_module_exists
    from peft.utils.other import get_pattern_key

    words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True)
    targets = data.draw(words | st.sampled_from([r".*proj", r"layers\.\d\..*", r".*\.1"]))
    exclude = data.draw(st.none() | words | st.sampled_from([r".*v_proj", "layers.*"]))
    numbered = isinstance(targets, list) and data.draw(st.booleans())
    options = {
        "exclude_modules": exclude, "modules_to_save": data.draw(st.none() | st.just(["norm"]) | st.just(["h.1"])),
        "layers_to_transform": data.draw(st.integers(0, 2) | st.lists(st.integers(0, 11))) if numbered else None,
    }  # fmt: skip
    if options["layers_to_transform"] is not None:
        options["layers_pattern"] = data.draw(st.sampled_from([None, "layers", "h", ["layers", "h"], "experts"]))
    patterns = data.draw(st.dictionaries(st.sampled_from([*WORDS, r"q.*", r"\d\.v_proj", ".*"]), st.integers(2, 9)))
    config = LoraConfig(target_modules=targets, rank_pattern=patterns, **options)
    results = {n: check_target_module_exists(config, n) for n in LAYERS}
    wanted = [n for n in LAYERS if results[n] and not isinstance(results[n], _ExcludedModule)]
    ranks = {n: patterns.get(get_pattern_key(patterns, n), 1) for n in wanted}
    used = {k: rank for k, rank in patterns.items() if any(re.match(rf"(.*\.)?({k})$", n) for n in wanted)}
    saved = chosen_modules(MODEL, options["modules_to_save"])
    rest = options["exclude_modules"], list(saved), options["layers_to_transform"], options.get("layers_pattern")
    try:
        chosen = chosen_layers(MODEL, targets, *rest)
    except AdaptError:
        assert not wanted
    else:
        assert list(chosen) == wanted and by_pattern(chosen, 1, used, "rank_pattern") == ranks


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"target_modules": "all-linear", "layers_to_transform": 1}, AdaptError, "goes with a list of target_modules"),
        ({"layers_pattern": "layers"}, AdaptError, "give layers_to_transform too"),
        ({"layers_to_transform": "1"}, TypeError, "layers_to_transform must be a whole number or a list"),
        ({"layers_to_transform": [1.5]}, TypeError, "layers_to_transform must be a whole number or a list"),
        ({"layers_to_transform": 1, "layers_pattern": "experts"}, AdaptError, "nothing to adapt"),
        ({"layers_to_transform": 99}, AdaptError, r"nothing to adapt for \['q_proj'\] in the layers 99"),
        ({"layers_to_transform": 1, "layers_pattern": "("}, AdaptError, "layers_pattern: '\\(' is not a regular"),
        ({"modules_to_save": ["haed"]}, AdaptError, "modules_to_save 'haed' fit no layer; the layers are 'embed'"),
        ({"modules_to_save": "head"}, TypeError, "modules_to_save must be a list of strings"),
        ({"modules_to_save": ["layers.1", "layers.1.q_proj"]}, AdaptError, "which is inside it: name one of them"),
        ({"modules_to_save": ["q_proj"]}, AdaptError, "nothing to adapt"),
        ({"bias": "some"}, ValueError, "bias must be one of 'none', 'all', 'lora_only', not 'some'"),
        ({"variant": "dorra"}, AdaptError, "no variant is called 'dorra': there are 'lora'"),
        ({"name": "base"}, AdaptError, "an adapter cannot be called 'base'"),
        ({"name": "a-b"}, AdaptError, "an adapter cannot be called 'a-b'"),
        ({"init": "ones"}, ValueError, "init must be 'gaussian' or 'kaiming_uniform'"),
        ({"target_modules": ["embed"], "lora_bias": True}, AdaptError, "lora_bias is for linear layers"),
        ({"target_modules": ["embed"], "variant": "dora"}, AdaptError, "DoRA is for linear layers"),
        ({"target_modules": ["embed"], "rank": 5}, ValueError, r"Rank \(5\) cannot exceed"),
    ],
    ids=str,
)
def test_what_is_refused_changes_nothing(options, error, message):
    model = Model()
    layers, trainable, attributes = [*model.named_layers().values()], model.parameters(), {*vars(model)}
    with pytest.raises(error, match=message):
        tl.adapt(model, **({"rank": 1, "target_modules": ["q_proj"]} | options))
    assert [*model.named_layers().values()] == layers and model.parameters() == trainable
    assert {*vars(model)} == attributes and not tl.adapter_settings(model)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"lora_alpha": 16}, "LoRALayer has no option 'lora_alpha'; did you mean 'alpha'"),
        ({"use_rslora": True}, "LoRALayer has no option 'use_rslora'; did you mean 'rslora'"),
        ({"variant": "loha", "rslora": True}, "LoHa has no option 'rslora'. Its options: 'dtype'$"),
        ({"variant": "lokr", "decompose": 4}, "LoKr has no option 'decompose'; did you mean 'decompose_factor'"),
        ({"target_modules": ["embed"], "activation": tl.relu}, "LoRAEmbeddingLayer has no option 'activation'"),
    ],
    ids=str,
)
def test_an_option_that_there_is_not_is_named_with_the_nearest(options, message):
    model = Model()
    with pytest.raises(TypeError, match=message):
        tl.adapt(model, **({"rank": 1, "target_modules": ["q_proj"]} | options))
    assert not tl.adapters(model)


def test_a_mistake_inside_a_class_is_told_as_it_is():
    class Wrong(tl.LoRALayer):
        def __init__(self, *sizes, **options):
            super().__init__(*sizes, **options)
            len(3)

    with pytest.raises(TypeError, match="object of type 'int' has no len"):
        tl.adapt(Model(), 1, ["q_proj"], variant=Wrong)


def test_a_layer_that_refuses_leaves_the_others_without():
    class Picky(tl.LoRALayer):
        def train(self, trainable):
            if self.output_size == 3:
                raise ValueError("not beside a head")
            super().train(trainable)

    model = tl.adapt(Model(), 1, seed=0)
    before = [(x, x.adapters, x.active) for x in tl.adapters(model).values()]
    with pytest.raises(ValueError, match="not beside a head"):
        tl.adapt(model, 1, name="second", variant=Picky)
    assert [(x, x.adapters, x.active) for x in tl.adapters(model).values()] == before
    plain = Model()
    with pytest.raises(ValueError, match="not beside a head"):
        tl.adapt(plain, 1, variant=Picky)
    assert not tl.adapters(plain) and plain.parameters() == [*plain.named_parameters().values()]


def test_output_layers_are_left_out_of_all_linear():
    class Speaking(Model):
        output_layers = ("head",)

    assert "head" not in tl.adapters(tl.adapt(Speaking(), 1)) and "norm" in tl.adapters(tl.adapt(Speaking(), 1))
    assert "head" in tl.adapters(tl.adapt(Speaking(), 1, ["head"]))


# --- What is trained ---


def trained_names(model):
    return {n for n, p in model.named_parameters().items() if p.requires_gradient}


@pytest.mark.parametrize(
    "bias, also",
    [("none", set()), ("lora_only", {"head.base.bias"}), ("all", {"norm.bias", "layers.0.q_proj.bias"})],
)
def test_biases(bias, also):
    model = tl.adapt(Model(), 1, ["head"], bias=bias, lora_bias=True, seed=0)
    result = trained_names(model)
    own = {"head.lora.lora_A", "head.lora.lora_B", "head.lora.lora_B_bias"}
    assert own | also <= result and (bias == "all" or result == own | also)
    if bias == "all":
        assert result - own == {n for n in model.named_parameters() if n.endswith(".bias")}
        with pytest.raises(AdaptError, match="the adapter 'lora' trains the biases, which all adapters share"):
            tl.adapt(model, 1, ["norm"], name="second", bias="lora_only")
    tl.adapt(model, 1, ["norm"], name="second", seed=1)
    assert trained_names(model) == {"norm.second.lora_A", "norm.second.lora_B"}
    tl.activate(model, "lora")
    assert {n.replace("norm.base", "norm") for n in trained_names(model)} == result


def test_a_second_adapter_with_the_name_of_the_first_goes_on_with_it():
    model = tl.adapt(Model(), 1, ["q_proj"], seed=0)
    tl.adapt(model, 2, ["v_proj"], seed=0)
    assert tl.adapter_names(model) == ["lora"] and len(trained_names(model)) == 2 * 28
    with pytest.raises(AdaptError, match="or give the new one another name than 'lora'"):
        tl.adapt(model, 1, ["q_proj"])
    with pytest.raises(AdaptError, match="the adapter 'lora' has bias='none': go on with that, not with 'all'"):
        tl.adapt(model, 1, ["norm"], bias="all")


def test_a_model_that_is_itself_an_adapted_layer_takes_another_adapter():
    model = tl.LoRALinear(tl.Linear(4, 3, seed=0), 1, seed=0)
    assert tl.adapt(model, 2, name="second", seed=1) is model and tl.adapter_names(model) == ["lora", "second"]
    assert trained_names(model) == {"second.lora_A", "second.lora_B"}
    with pytest.raises(AdaptError, match=r"the model is itself an Embedding, .* use LoRAEmbedding\(model, rank\)"):
        tl.adapt(tl.Embedding(4, 3), 1, "")


def test_modules_to_save_that_cannot_be():
    model = tl.adapt(Model(), 1, ["q_proj"], modules_to_save=["head"], seed=0)
    with pytest.raises(AdaptError, match=r"'layers\.0' has adapters"):
        tl.adapt(model, 1, ["norm"], name="two", modules_to_save=["layers.0"])
    with pytest.raises(AdaptError, match=r"have an adapter already: 'head'"):
        tl.adapt(model, 1, ["norm"], modules_to_save=["head"])
    with pytest.raises(AdaptError, match="target_modules 'head' fit no linear layer"):
        tl.adapt(model, 1, ["head"], name="two")


def test_settings_are_kept():
    model = tl.adapt(Model(), 2, ["q_proj"], name="a", alpha=8, rank_pattern={"layers.1.q_proj": 1}, rslora=True)
    kept = tl.adapter_settings(model)["a"]
    assert (kept.rank, kept.alpha, kept.rank_pattern, kept.rslora) == (2, 8, {"layers.1.q_proj": 1}, True)
    assert kept.target_modules == ["q_proj"] and kept.variant == "lora"
    assert tl.adapter_settings(Model()) == {}


# --- How it begins ---


def test_rslora_scales_by_the_root_of_the_rank():
    model = tl.adapt(Model(), 4, ["q_proj", "embed"], alpha=8, rslora=True)
    assert {x.lora.scaling for x in tl.adapters(model).values()} == {4.0}


@pytest.mark.peers
def test_peft_scales_and_begins_in_the_same_way():
    pytest.importorskip("peft")
    torch = pytest.importorskip("torch")
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    for rslora in (False, True):
        plain = torch.nn.Sequential(torch.nn.Embedding(50, 40), torch.nn.Linear(40, 30))
        config = LoraConfig(r=8, lora_alpha=6, target_modules=["0", "1"], use_rslora=rslora)
        theirs = get_peft_model(plain, config).base_model.model
        ours = tl.Sequential(tl.Embedding(50, 40, seed=0), tl.Linear(40, 30, seed=0))
        tl.adapt(ours, 8, ["0", "1"], alpha=6, rslora=rslora, init="kaiming_uniform", seed=0)
        assert ours[0].lora.scaling == theirs[0].scaling["default"] == ours[1].lora.scaling
        their_B, their_A = theirs[0].lora_embedding_B["default"], theirs[1].lora_A["default"].weight
        assert not theirs[0].lora_embedding_A["default"].any() and not theirs[1].lora_B["default"].weight.any()
        assert ours[0].lora.lora_embedding_B.value.std() == pytest.approx(float(their_B.detach().std()), rel=0.2)
        assert ours[1].lora.lora_A.value.std() == pytest.approx(float(their_A.detach().std()), rel=0.2)
        assert float(their_A.detach().abs().max()) <= 1 / np.sqrt(40) >= np.abs(ours[1].lora.lora_A.value).max()


@pytest.mark.parametrize("init", ["gaussian", "kaiming_uniform", "pissa", "olora"])
def test_the_model_gives_the_same_at_the_start(init):
    model = Model()
    before = model.forward(TOKENS)
    tl.adapt(model, 2, ["q_proj", "embed", "head"], init=init, seed=0)
    np.testing.assert_allclose(model.forward(TOKENS), before, rtol=1e-10, atol=1e-12)
    with tl.disabled(model):
        np.testing.assert_array_equal(model.forward(TOKENS), before)
    assert isinstance(tl.adapters(model)["embed"], LoRAEmbedding)
    residual = tl.adapters(model)["head"].lora.residual
    assert residual is (init in ("pissa", "olora"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [{}, {"variant": "dora"}, {"init": "pissa"}, {"init": "olora"}, {"lora_bias": True, "bias": "all"},
     {"target_modules": ["embed", "head"]}, {"modules_to_save": ["norm", "embed"]}, {"variant": "qlora"},
     {"variant": "vera"}, {"variant": "loha"}],
    ids=str,
)  # fmt: skip
def test_copies_compiled_models_and_training_steps(options):
    """With two adapters active, and with one: what is compiled is what the layers say, and a copy is another model."""
    options = {"target_modules": ["q_proj", "head"]} | options
    model = tl.adapt(Model(1), 2, name="one", seed=0, **options)
    tl.adapt(model, 1, ["head"] if "modules_to_save" in options else ["v_proj", "head", "embed"], name="two", seed=1)
    rng = np.random.default_rng(0)
    for p in {p for x in tl.nn.adapted_layers(model).values() for a in x.adapters.values() for p in a.parameters()}:
        p.value = p.value + 0.1 * rng.normal(size=p.shape)
    tl.activate(model, {"one": 1, "two": 0.5})
    target = numbers(2, 3, 3)
    np.testing.assert_allclose(tl.compile(model)(TOKENS), model.forward(TOKENS), rtol=1e-9, atol=1e-12)
    twin = copy.deepcopy(model)
    np.testing.assert_array_equal(twin.forward(TOKENS), model.forward(TOKENS))
    eager = tl.AdamW(model.parameters(), 0.01)
    step = tl.compile_training_step(twin, tl.mse, tl.AdamW(twin.parameters(), 0.01))
    for _ in range(3):
        loss = tl.mse(model(tl.constant(TOKENS)), target)
        tl.zero_gradients(loss)
        loss.backward()
        eager.step()
        assert step(TOKENS, target) == pytest.approx(float(loss.value), rel=1e-9)
    for name, value in tl.adapter_weights(model).items():
        np.testing.assert_allclose(twin.try_get_parameter(name), value, rtol=1e-6, atol=1e-9)
    on = model.forward(TOKENS)
    tl.merge_all(model)
    np.testing.assert_allclose(model.forward(TOKENS), on, rtol=1e-9, atol=1e-11)


def test_a_class_may_prepare_the_base_and_what_its_adapters_share():
    class Doubled(tl.LoRALayer):
        @classmethod
        def for_base(cls, base):
            return type(base).from_arrays(2 * base.weight.value, base.bias.value)

        @classmethod
        def shared(cls, bases, ranks, *, seed, **options):
            return options | {"dtype": np.float32, "seen": (list(bases), dict(ranks))}

        @classmethod
        def for_layer(cls, base, rank, alpha=-1, *, seen, **options):
            layer = super().for_layer(base, rank, alpha, **options)
            layer.seen = seen
            return layer

    model = Model()
    weight = model.head.weight.value
    tl.adapt(model, 1, ["head", "norm"], variant=Doubled, rank_pattern={"norm": 2})
    np.testing.assert_array_equal(model.head.original.weight.value, 2 * weight)
    assert model.head.lora.seen == (["norm", "head"], {"norm": 2, "head": 1}) and model.head.lora.dtype == np.float32
    with pytest.raises(AdaptError, match="Doubled needs another base than the Linear of an earlier adapter"):
        tl.adapt(model, 1, ["head"], name="two", variant=Doubled)


def test_the_base_class_says_what_is_missing():
    with pytest.raises(NotImplementedError, match="Adapter needs a class method for_layer"):
        Adapter.for_layer(tl.Linear(2, 2), 1)
    with pytest.raises(NotImplementedError, match="Adapter needs a method merge_weights"):
        Adapter().merge_weights()
    assert isinstance(TrainedCopy(tl.Linear(2, 2)).copy_of_base(), tl.Linear)


def test_a_beginning_that_is_a_variant_does_not_go_with_another_one():
    model = tl.Sequential(tl.Linear(4, 3, seed=0))
    with pytest.raises(AdaptError, match="init='pissa' is a variant itself"):
        tl.adapt(model, 2, variant="dora", init="pissa", seed=0)
    assert tl.adapters(model) == {}


# --- One record, one plan ---


def test_the_settings_are_the_arguments_of_adapt():
    """With the same defaults: an option is written in one record, and nowhere else."""
    arguments = {name: p for name, p in inspect.signature(tl.adapt).parameters.items() if name not in OF_ONE_CALL}
    own = {field.name: field for field in dataclasses.fields(AdapterSettings)}
    assert set(arguments) == set(own)
    kept = tl.adapter_settings(tl.adapt(Model(), 2, ["q_proj"], seed=0))["lora"]
    assert kept == AdapterSettings(2, ["q_proj"])


def test_a_plan_changes_nothing_and_attaching_it_is_adapting():
    options = {"rank_pattern": {"layers.1.q_proj": 1}, "modules_to_save": ["head"], "bias": "lora_only"}
    model, adapted = Model(), tl.adapt(Model(), 2, ["q_proj", "embed"], seed=3, **options)
    before = model.graph_key(), model.named_layers(), model.parameters()
    plan = plan_adapters(model, AdapterSettings(2, ["q_proj", "embed"], **options), seed=3)
    assert (model.graph_key(), model.named_layers(), model.parameters()) == before
    assert list(plan.modules) == ["head"] and plan.layers["layers.1.q_proj"].rank == 1
    attach(model, plan)
    assert tl.adapter_settings(model) == tl.adapter_settings(adapted)
    for (name, ours), (other, theirs) in zip(
        model.named_parameters().items(), adapted.named_parameters().items(), strict=True
    ):
        assert name == other and ours.requires_gradient == theirs.requires_gradient
        np.testing.assert_array_equal(ours.value, theirs.value)


@pytest.mark.parametrize("settings", [
    AdapterSettings(3, "q_.*", alpha=2, bias="all", options={"any_rank": True}),
    AdapterSettings(3, ["a", "b"], alpha=1.5, rslora=True, variant="dora", options={"any_rank": True}),
    AdapterSettings(3, ["a"], alpha=1, init="olora", rank_pattern={"a": 1}, options={"any_rank": True}),
], ids=["plain", "dora", "olora"])  # fmt: skip
def test_a_file_gives_the_settings_that_it_was_given(settings, tmp_path):
    (tmp_path / "adapter_config.json").write_text(config_text(settings, None, None, False))
    assert read_config(tmp_path) == settings
