"""Adapter files: what is written says what is true, what is wrong is refused with every reason, and nothing changes."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given, strategies as st

pytest.importorskip("safetensors", reason="safetensors is not installed")

from peft_table import CONFIGURATIONS, FIXTURES, Network, model, stored
from safetensors.numpy import load_file, save_file
from strategies import examples

import tinygrad_lora as tl
from tinygrad_lora.errors import AdaptError, FormatError, MergedError
from tinygrad_lora.interop.peft import load_adapter, patterns, save_adapter
from tinygrad_lora.interop.peft.config import CHECKS, read_config
from tinygrad_lora.nn.adapters.model.settings import AdapterSettings

P = "base_model.model."


def network():
    """The network of the table with the same numbers each time."""
    made, rng = Network(), np.random.default_rng(0)
    for p in made.named_parameters().values():
        p.value = rng.normal(0, 0.5, p.shape)
    return made


def trained(made, seed=1):
    """The model with random numbers in all that it trains."""
    made.set_parameters(np.random.default_rng(seed).normal(0, 0.3, made.parameter_count))
    return made


def options(folder):
    return json.loads((folder / "adapter_config.json").read_text())


def tensors(folder):
    return load_file(folder / "adapter_model.safetensors")


X = np.random.default_rng(2).normal(size=(5, 6))


# --- What is written ---


def test_the_files_say_what_peft_and_others_read(tmp_path):
    adapted = tl.adapt(network(), 2, ["up", "mix"], alpha=3, seed=0)
    assert save_adapter(adapted, tmp_path / "new" / "folder", base_model="org/name", task_type="CAUSAL_LM") == (
        tmp_path / "new" / "folder"
    )
    assert options(tmp_path / "new" / "folder") == {
        "alpha_pattern": {}, "base_model_name_or_path": "org/name", "bias": "none", "exclude_modules": None,
        "fan_in_fan_out": False, "inference_mode": True, "init_lora_weights": True, "layers_pattern": None,
        "layers_to_transform": None, "lora_alpha": 3, "lora_bias": False, "lora_dropout": 0.0, "modules_to_save": None,
        "peft_type": "LORA", "r": 2, "rank_pattern": {}, "target_modules": ["mix", "up"], "task_type": "CAUSAL_LM",
        "use_dora": False, "use_rslora": False,
    }  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors",
    ]  # fmt: skip


def test_matrices_are_written_as_pytorch_keeps_them_square_ones_too(tmp_path):
    """With rank = in = out a wrong orientation has the right shape, so only the numbers can tell."""
    made = tl.Sequential(tl.LoRALinear(tl.Linear(3, 3, seed=0), 3, seed=1))
    trained(made)
    A, B = made[0].lora.lora_A.value, made[0].lora.lora_B.value
    assert not np.allclose(A, A.T) and not np.allclose(B, B.T)
    result = tensors(save_adapter(made, tmp_path))
    assert np.array_equal(result[f"{P}0.lora_A.weight"], A.T) and np.array_equal(result[f"{P}0.lora_B.weight"], B.T)
    again = load_adapter(tl.Sequential(tl.Linear(3, 3, seed=0)), tmp_path)
    assert np.array_equal(again.forward(X[:, :3]), made.forward(X[:, :3]))


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({"target_modules": ["up", "down"]}, ["down", "up"]),
        ({"target_modules": ["layers.0.up", "mix"]}, ["layers.0.up", "mix"]),
        ({"target_modules": "all-linear"}, ["down", "head", "mix", "up"]),
        ({"target_modules": r"layers\.1\..*"}, ["layers.1.down", "layers.1.up"]),
    ],
)
def test_target_modules_are_the_shortest_words_that_fit(arguments, wanted, tmp_path):
    adapted = tl.adapt(network(), 2, **arguments, seed=0)
    save_adapter(adapted, tmp_path)
    assert options(tmp_path)["target_modules"] == wanted
    assert list(tl.adapters(load_adapter(network(), tmp_path))) == list(tl.adapters(adapted))


def test_target_modules_are_a_pattern_where_no_list_fits(tmp_path):
    class Outer(tl.Layer):
        def __init__(self):
            self.up, self.inner = tl.Linear(6, 6, seed=0), Network()

        def __call__(self, x):
            return self.inner(self.up(x))

    save_adapter(tl.adapt(Outer(), 2, "up", seed=0), tmp_path)  # ["up"] would fit inner.layers.0.up too
    assert options(tmp_path)["target_modules"] == "up"
    save_adapter(tl.adapt(Outer(), 2, r"up|inner\.layers\.0\.up", seed=0), tmp_path)
    assert options(tmp_path)["target_modules"] == r"inner\.layers\.0\.up|up"
    assert list(tl.adapters(load_adapter(Outer(), tmp_path))) == ["up", "inner.layers.0.up"]


def test_ranks_and_alphas_that_differ_are_patterns_for_one_layer_each(tmp_path):
    ranks, alphas = {"mix": 3, "down": 1}, {"up": 2.5}
    adapted = tl.adapt(network(), 2, "all-linear", alpha=4, rank_pattern=ranks, alpha_pattern=alphas, seed=0)
    y = trained(adapted).forward(X)
    save_adapter(adapted, tmp_path)
    assert options(tmp_path)["rank_pattern"] == {r"^layers\.0\.down": 1, r"^layers\.1\.down": 1, "^mix": 3}
    assert options(tmp_path)["alpha_pattern"] == {r"^layers\.0\.up": 2.5, r"^layers\.1\.up": 2.5}
    assert np.array_equal(load_adapter(network(), tmp_path).forward(X), y)


def test_each_of_several_adapters_has_its_own_files(tmp_path):
    made = tl.adapt(network(), 2, ["up"], name="french", seed=0)
    trained(made, 1)
    tl.adapt(made, 3, ["mix", "up"], name="legal", alpha=5, seed=1)
    trained(made, 2)
    for name in ("french", "legal"):
        save_adapter(made, tmp_path / name, name)
    both = load_adapter(load_adapter(network(), tmp_path / "french", "a"), tmp_path / "legal", "b")
    for ours, theirs in (("a", "french"), ("b", "legal")):
        tl.activate(both, ours)
        tl.activate(made, theirs)
        assert np.array_equal(both.forward(X), made.forward(X))


def test_an_adapter_made_by_hand_is_written_too(tmp_path):
    made = tl.Sequential(tl.LoRALinear(tl.Linear(6, 4, seed=0), 2, rslora=True), tl.relu, tl.Linear(4, 2, seed=1))
    x = trained(made).forward(X)
    save_adapter(made, tmp_path)
    again = load_adapter(tl.Sequential(tl.Linear(6, 4, seed=0), tl.relu, plain(made[2])), tmp_path)
    assert options(tmp_path)["target_modules"] == ["0"] and options(tmp_path)["use_rslora"]
    assert np.array_equal(again.forward(X), x)


def plain(layer):
    return tl.Linear.from_arrays(layer.weight.value, layer.bias.value)


@pytest.mark.parametrize("variant", ["rslora", "lora_fa", "lora_plus", "relora", "dora", "pissa", "olora"])
def test_variants_that_peft_calls_lora_make_the_round_trip(variant, tmp_path):
    made = trained(tl.adapt(network(), 2, ["up", "mix"], variant=variant, alpha=3, seed=0))
    save_adapter(made, tmp_path)
    assert np.allclose(load_adapter(network(), tmp_path).forward(X), made.forward(X), rtol=0, atol=1e-14)


@pytest.mark.parametrize("variant", ["pissa", "olora"])
@pytest.mark.parametrize("rslora", [False, True])
def test_an_adapter_on_a_residual_base_can_be_written_as_plain_lora(variant, rslora, tmp_path):
    made = tl.adapt(network(), 2, ["up", "mix"], variant=variant, rslora=rslora, alpha=3, rank_pattern={"mix": 1})
    y = trained(made).forward(X)
    save_adapter(made, tmp_path, as_lora=True)
    assert options(tmp_path)["init_lora_weights"] is True
    assert options(tmp_path)["r"] == 4 and options(tmp_path)["rank_pattern"] == {"^mix": 2}
    plain = load_adapter(network(), tmp_path)
    assert np.allclose(plain.forward(X), y, rtol=0, atol=1e-13)
    assert all(not isinstance(layer.lora, type(made.mix.lora)) for layer in tl.adapters(plain).values())


@pytest.mark.parametrize("options", [{}, {"rslora": True}, {"lora_bias": True}], ids=str)
def test_a_rank_above_the_sizes_of_a_layer_makes_the_round_trip(options, tmp_path):
    made = network()
    for seed, name in enumerate("ab"):
        tl.adapt(made, 4, ["head", "mix"], name=name, seed=seed, **options)
        trained(made, seed)
    tl.add_weighted_adapter(made, {"a": 1, "b": 0.5}, name="both")
    tl.activate(made, "both")
    save_adapter(made, tmp_path, "both")
    again = load_adapter(network(), tmp_path)
    assert options_of_rank(again) == {"mix": 8, "head": 8}
    assert np.array_equal(again.forward(X), made.forward(X))
    tl.merge_all(again)
    assert np.allclose(again.forward(X), made.forward(X), rtol=1e-12)


def options_of_rank(made):
    return {path: layer.lora.rank for path, layer in tl.adapters(made).items()}


def test_an_adapter_on_a_residual_base_of_more_than_half_the_rank_is_plain_lora_too(tmp_path):
    made = tl.adapt(network(), 4, ["head"], variant="pissa", alpha=3)
    y = trained(made).forward(X)
    again = load_adapter(network(), save_adapter(made, tmp_path, as_lora=True))
    assert options_of_rank(again) == {"head": 8} and np.allclose(again.forward(X), y, rtol=0, atol=1e-13)


def test_an_embedding_and_dora_may_have_any_rank(folder, tmp_path):
    tokens, made = np.array([[0, 3, 1]]), tl.Sequential(tl.Embedding(4, 3, seed=0), tl.Linear(3, 5, seed=1))
    for i, name in enumerate("ab"):
        trained(tl.adapt(made, 3, ["0"], name=name, seed=i), i)
    tl.add_weighted_adapter(made, {"a": 1, "b": 1}, name="both")
    tl.activate(made, "both")
    other = tl.Sequential(tl.Embedding(4, 3, seed=0), tl.Linear(3, 5, seed=1))
    assert np.array_equal(load_adapter(other, save_adapter(made, tmp_path / "e", "both")).forward(tokens),
                          made.forward(tokens))  # fmt: skip
    spoil(folder, use_dora=True, r=9)
    made, A, B = network(), np.random.default_rng(0).normal(size=(9, 6)), np.random.default_rng(1).normal(size=(6, 9))
    spoil(folder, target_modules=["mix"])
    m = np.arange(1.0, 7)
    arrays = {f"{P}mix.lora_A.weight": A, f"{P}mix.lora_B.weight": B, f"{P}mix.lora_magnitude_vector": m}
    save_file(arrays, folder / "adapter_model.safetensors")
    load_adapter(made, folder)
    W = network().mix.weight.value + made.mix.lora.scaling * (B @ A).T
    made.mix.merge()
    assert np.allclose(made.mix.base.weight.value, m / np.linalg.norm(W, axis=0) * W)


@pytest.mark.parametrize("rank", [3, 10**12, 10**30])
def test_a_rank_that_is_not_that_of_the_arrays_is_refused_and_takes_no_memory(folder, rank):
    spoil(folder, r=rank)
    assert f"mix.lora_A.weight has the shape (2, 6), not ({rank}, 6)" in refused(folder, "adapter_model.safetensors")


@pytest.mark.parametrize("variant", ["vera", "loha", "lokr", "adalora"])
def test_variants_that_are_not_lora_to_peft_are_refused_by_name(variant, tmp_path):
    made = tl.adapt(network(), 2, ["up"], variant=variant, seed=0)
    with pytest.raises(AdaptError, match=r"no place for '\w+'"):
        save_adapter(made, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_has_no_name_or_no_words_in_peft_is_refused(tmp_path):
    with pytest.raises(AdaptError, match=r"no adapter is called 'french'.*'lora'"):
        save_adapter(tl.adapt(network(), 2, seed=0), tmp_path, "french")
    with pytest.raises(AdaptError, match="none"):
        save_adapter(network(), tmp_path)
    with pytest.raises(AdaptError, match=r"use Sequential\(layer\)"):
        save_adapter(tl.LoRALinear(tl.Linear(3, 3), 2), tmp_path)
    mixed = tl.Sequential(tl.LoRALinear(tl.Linear(3, 3), 2), tl.LoRALinear(tl.Linear(3, 3), 2, rslora=True))
    with pytest.raises(AdaptError, match="one rslora"):
        save_adapter(mixed, tmp_path)
    mixed = tl.Sequential(tl.LoRALinear(tl.Linear(3, 3), 2), tl.LoRALinear(tl.Linear(3, 3), 2, lora_bias=True))
    with pytest.raises(AdaptError, match="one kind"):
        save_adapter(mixed, tmp_path)
    with pytest.raises(AdaptError, match="lora_bias and init_lora_weights 'pissa' do not go together"):
        save_adapter(tl.adapt(network(), 2, variant="pissa", lora_bias=True), tmp_path)
    made = tl.Sequential(tl.LoRALinear(tl.Linear(3, 3), 2, activation=tl.relu))
    with pytest.raises(AdaptError, match="activation: '0'"):
        save_adapter(made, tmp_path)
    assert not list(tmp_path.iterdir())


def test_numbers_that_are_not_finite_are_not_written(tmp_path):
    made = tl.adapt(network(), 2, ["up"], seed=0)
    made.set_parameters(np.full(made.parameter_count, np.nan))
    with pytest.raises(FormatError, match=r"not finite.*layers\.0\.up\.lora_A"):
        save_adapter(made, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_failure_while_writing_leaves_the_old_files(tmp_path, monkeypatch):
    made = tl.adapt(network(), 2, ["up"], seed=0)
    save_adapter(made, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    trained(made)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_adapter(made, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_merging_does_not_change_what_is_written(tmp_path):
    made = trained(tl.adapt(network(), 2, ["up"], seed=0))
    save_adapter(made, tmp_path / "before")
    tl.merge_all(made)
    save_adapter(made, tmp_path / "merged")
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        assert (tmp_path / "before" / file).read_bytes() == (tmp_path / "merged" / file).read_bytes()


# --- What is read ---


@pytest.fixture
def folder(tmp_path):
    """A copy of a good adapter, to spoil."""
    return shutil.copytree(FIXTURES / "plain", tmp_path / "adapter")


def spoil(folder, **changes):
    (folder / "adapter_config.json").write_text(json.dumps(options(folder) | changes))


def refused(folder, pattern, row="plain"):
    """Loading raises, and the model is what it was: the same layers, the same numbers, the same trainable ones."""
    made = model(CONFIGURATIONS[row])
    before, x = state(made), stored(CONFIGURATIONS[row])["input"]
    y = made.forward(x)
    with pytest.raises(FormatError, match=pattern) as caught:
        load_adapter(made, folder)
    assert state(made) == before and np.array_equal(made.forward(x), y)
    return str(caught.value)


def state(made):
    layers = [(name, id(layer)) for name, layer in made.named_layers().items()]
    return layers, [(name, id(p), p.created, p.requires_gradient) for name, p in made.named_parameters().items()]


@pytest.mark.parametrize("row", ["plain", "dora", "bias_all", "modules_to_save", "lora_bias", "layers_to_transform"])
def test_every_wrong_array_is_named_and_nothing_changes(row, tmp_path):
    folder = shutil.copytree(FIXTURES / row, tmp_path / "adapter")
    arrays = tensors(folder)
    gone, square, bad, *_ = names = sorted(arrays)
    arrays["other.weight"] = arrays.pop(gone)
    arrays[square] = arrays[square][..., :-1].copy()
    arrays[bad] = np.full_like(arrays[bad], np.inf)
    arrays[names[-1]] = arrays[names[-1]].astype(np.complex64)
    save_file(arrays, folder / "adapter_model.safetensors")
    message = refused(folder, "adapter_model.safetensors", row)
    for problem in (
        f"{gone} is missing", "other.weight is unexpected", f"{square} has the shape", f"{bad} holds",
        f"{names[-1]} holds complex64",
    ):  # fmt: skip
        assert problem in message


def test_numbers_too_large_for_the_models_floats_are_not_finite(tmp_path):
    folder = shutil.copytree(FIXTURES / "float32", tmp_path / "adapter")
    arrays = {name: array.astype(np.float64) for name, array in tensors(folder).items()}
    arrays[f"{P}mix.lora_A.weight"][0, 0] = 1e300
    save_file(arrays, folder / "adapter_model.safetensors")
    refused(folder, "mix.lora_A.weight holds 1 numbers that are not finite float32", "float32")


def test_a_truncated_file_is_refused(folder):
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    refused(folder, "not a whole safetensors file")


def test_a_longer_file_is_refused(folder):
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes() + b"\0" * 8)
    refused(folder, "not a whole safetensors file")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_qalora": True}, "use_qalora is True, which this package does not do"),
        ({"layer_replication": [[0, 4]]}, "layer_replication"),
        ({"trainable_token_indices": [1]}, "trainable_token_indices"),
        ({"target_parameters": ["w"]}, "target_parameters"),
        ({"alora_invocation_tokens": [1]}, "alora_invocation_tokens"),
        ({"megatron_config": {"a": 1}}, "megatron_config"),
        ({"loftq_config": {"bits": 4}}, "loftq_config"),
        ({"ensure_weight_tying": True}, "ensure_weight_tying"),
        ({"an_option_of_next_year": 3}, "an_option_of_next_year is 3"),
        ({"init_lora_weights": "loftq"}, "init_lora_weights is 'loftq'"),
        ({"init_lora_weights": "pissa_niter_4"}, "init_lora_weights is 'pissa_niter_4'"),
        ({"init_lora_weights": 1}, "init_lora_weights is 1"),
        ({"peft_type": "VERA"}, "peft_type is 'VERA'"),
        ({"peft_type": "LOHA"}, "peft_type is 'LOHA'"),
        ({"peft_type": "LOKR"}, "peft_type is 'LOKR'"),
        ({"peft_type": "ADALORA"}, "peft_type is 'ADALORA'"),
        ({"peft_type": None}, "peft_type is None"),
        ({"r": 0}, "r is 0, not a whole number from 1"),
        ({"r": True}, "r is True"),
        ({"r": 2.0}, "r is 2.0"),
        ({"r": 10**12, "init_lora_weights": "pissa"}, "head is (6, 4), and rank 1000000000000 is above 4"),
        ({"lora_alpha": -1}, "lora_alpha is -1, not a positive number"),
        ({"lora_alpha": "3"}, "lora_alpha is '3'"),
        ({"lora_alpha": 10**400}, "lora_alpha is 1000"),
        ({"target_modules": ["up"] * 10_001}, "not a pattern or a list of names"),
        ({"rank_pattern": {"(?i)up": 1}}, "rank_pattern: '(?i)up' is not a regular expression: global flags"),
        ({"alpha_pattern": {"(" * 5000: 1}}, "is not a regular expression"),
        ({"target_modules": ["up"], "layers_to_transform": [0], "layers_pattern": "(?P<number>.)"}, "redefinition"),
        ({"init_lora_weights": "olora", "fan_in_fan_out": True}, "fan_in_fan_out and init_lora_weights 'olora' do not"),
        ({"bias": "some"}, "bias is 'some', not 'none', 'all' or 'lora_only'"),
        ({"use_dora": "yes"}, "use_dora is 'yes', not true or false"),
        ({"use_dora": True, "lora_bias": True}, "use_dora and lora_bias do not go together"),
        ({"use_dora": True, "init_lora_weights": "pissa"}, "use_dora and init_lora_weights 'pissa' do not go"),
        ({"lora_bias": True, "init_lora_weights": "olora"}, "lora_bias and init_lora_weights 'olora' do not go"),
        ({"target_modules": None}, "target_modules is None"),
        ({"target_modules": ["q_proj"]}, "'q_proj' fit no linear layer; the linear layers are 'layers.0.up'"),
        ({"target_modules": "(("}, "'((' is not a regular expression"),
        ({"target_modules": [1]}, "target_modules is [1]"),
        ({"target_modules": "mix", "layers_to_transform": [0]}, "need a list of target_modules"),
        ({"layers_pattern": "layers"}, "layers_pattern needs layers_to_transform"),
        ({"layers_to_transform": [-1]}, "layers_to_transform is [-1]"),
        ({"target_modules": ["up"], "layers_to_transform": [7]}, "in the layers [7]"),
        ({"exclude_modules": ["up", "down", "mix", "head"]}, "nothing to adapt"),
        ({"modules_to_save": "head"}, "modules_to_save is 'head', not a list of names"),
        ({"rank_pattern": {"mix": 0}}, "rank_pattern is"),
        ({"rank_pattern": {"[": 1}}, "rank_pattern: '[' is not a regular expression"),
        ({"alpha_pattern": {"mix": "1"}}, "alpha_pattern is"),
    ],
    ids=lambda value: None if isinstance(value, str) else ",".join(value),
)
def test_an_option_is_honored_or_refused_by_name(folder, change, message):
    spoil(folder, **change)
    assert message in refused(folder, "adapter_config.json")


@pytest.mark.parametrize("pattern", ["(([a-z_.0-9]+)+)+" * 3 + "X", ".*" * 40 + "!", {"(.*)" * 40 + "!": 1}])
def test_a_pattern_that_takes_forever_is_stopped(folder, pattern, monkeypatch):
    monkeypatch.setattr(patterns, "SECONDS", 0.1)
    option = "rank_pattern" if isinstance(pattern, dict) else "target_modules"
    spoil(folder, **{option: pattern})
    assert f"{option}: to match this takes more than 0.1 second" in refused(folder, "adapter_config.json")


def test_olora_of_weights_kept_the_other_way_round_is_not_written(tmp_path):
    """PEFT takes Q and R of the matrix as it keeps it: for a square one the numbers would be silently others."""
    made = tl.adapt(network(), 2, ["mix"], init="olora", seed=0)
    with pytest.raises(AdaptError, match="as_lora=True"):
        save_adapter(made, tmp_path / "x", fan_in_fan_out=True)
    assert not (tmp_path / "x").exists()
    save_adapter(made, tmp_path / "x", fan_in_fan_out=True, as_lora=True)
    load_adapter(network(), tmp_path / "x")


def test_an_adapter_of_a_head_that_is_the_table_of_tokens_is_told_so(tmp_path):
    from tinygrad_lora.models.llama import LlamaForCausalLM

    sizes = {"vocab_size": 9, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    sizes |= {"num_attention_heads": 2, "tie_word_embeddings": False}
    other = tl.adapt(LlamaForCausalLM.from_config(sizes, seed=0), 2, ["lm_head", "q_proj"], seed=0)
    save_adapter(other, tmp_path)
    tied = LlamaForCausalLM.from_config(sizes | {"tie_word_embeddings": True}, seed=0)
    before = state(tied)
    with pytest.raises(FormatError, match="belong to 'lm_head', which in this model is the table of its tokens"):
        load_adapter(tied, tmp_path)
    assert state(tied) == before


def test_a_pattern_of_ordinary_kind_is_tried_apart_and_means_what_it_means_to_python(folder):
    spoil(folder, target_modules=r".*\.(up|down)|(mix|head)$")
    made = load_adapter(model(CONFIGURATIONS["plain"]), folder)
    good = load_adapter(model(CONFIGURATIONS["plain"]), FIXTURES / "plain")
    assert np.array_equal(made.forward(X), good.forward(X))


def test_every_wrong_option_is_named_at_once(folder):
    spoil(folder, r=0, bias=3, use_qalora=True)
    message = refused(folder, "adapter_config.json")
    assert "r is 0" in message and "bias is 3" in message and "use_qalora is True" in message


def test_options_that_do_not_change_the_numbers_are_read_over(folder):
    notes = {"lora_dropout": 0.1, "task_type": "SEQ_CLS", "peft_version": "9.9", "revision": "main"}
    spoil(folder, **notes, init_lora_weights=False, eva_config={"rho": 2}, rank_pattern=None, alpha_pattern=None)
    made, data = load_adapter(model(CONFIGURATIONS["plain"]), folder), stored(CONFIGURATIONS["plain"])["input"]
    good = load_adapter(model(CONFIGURATIONS["plain"]), FIXTURES / "plain")
    assert np.array_equal(made.forward(data), good.forward(data))


def test_words_that_fit_nothing_say_nothing_as_in_peft(tmp_path):
    """PEFT writes "classifier" and "score" for every classifier, whichever it has."""
    folder = shutil.copytree(FIXTURES / "modules_to_save", tmp_path / "adapter")
    idle = {"rank_pattern": {"q_proj": 1}, "alpha_pattern": {"layers.7.up": 1}, "exclude_modules": ["lm_head"]}
    spoil(folder, target_modules=["up", "q_proj", "down"], modules_to_save=["head", "score"], **idle)
    made = load_adapter(model(CONFIGURATIONS["modules_to_save"]), folder)
    good = load_adapter(model(CONFIGURATIONS["modules_to_save"]), FIXTURES / "modules_to_save")
    assert np.array_equal(made.forward(X), good.forward(X))


def test_options_that_are_missing_have_pefts_defaults(folder):
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "target_modules": ["mix"]}')
    assert read_config(folder) == AdapterSettings(8, ["mix"], alpha=8, options={"any_rank": True})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[1]", "options by name, not list"),
        ('{"r": 1, "r": 2}', "'r' is there twice"),
        ('{"lora_alpha": NaN}', "NaN is not a number"),
        ('{"r": ' + "[" * 100_000, "not JSON"),
        ('{"peft_type": "LORA", "r": 2}', "target_modules is missing"),
        ('{"a": "' + "x" * 5_000_000 + '"}', "larger than"),
    ],
    ids=range(8),
)
def test_a_configuration_that_is_none_is_refused(folder, text, message):
    (folder / "adapter_config.json").write_text(text)
    refused(folder, message)


def test_bytes_that_are_no_text_are_refused(folder):
    (folder / "adapter_config.json").write_bytes(b"\xff\xfe{}")
    refused(folder, "not JSON")


def test_a_pickle_is_not_opened(folder):
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    refused(folder, "is a pickle, which can run any program")


def test_files_that_are_not_there_are_the_systems_own_error(folder, tmp_path):
    with pytest.raises(FileNotFoundError):
        load_adapter(network(), tmp_path / "absent")
    (folder / "adapter_model.safetensors").unlink()
    with pytest.raises(FileNotFoundError):
        load_adapter(network(), folder)


def test_embeddings_have_no_dora_and_no_bias(tmp_path):
    for option in ("use_dora", "lora_bias"):
        folder = shutil.copytree(FIXTURES / "embedding", tmp_path / option)
        spoil(folder, **{option: True})
        refused(folder, f"embed is an embedding, which has no {option}", "embedding")


def test_a_name_in_use_and_a_merged_model_are_the_callers_mistakes(folder):
    made = load_adapter(model(CONFIGURATIONS["plain"]), folder)
    with pytest.raises(AdaptError, match="called 'lora' already"):
        load_adapter(made, folder)
    tl.merge_all(made)
    with pytest.raises(MergedError):
        load_adapter(made, folder, "second")


def test_a_model_without_those_layers_is_told_which_it_has(folder):
    with pytest.raises(FormatError, match=r"fit no linear layer; the linear layers are '0', '2'"):
        load_adapter(tl.Sequential(tl.Linear(6, 9), tl.relu, tl.Linear(9, 4)), folder)


# --- Beside other adapters ---


@pytest.mark.parametrize("row", ["modules_to_save", "embedding", "dora", "pissa", "lora_bias"])
def test_a_second_adapter_is_read_beside_the_first(row, tmp_path):
    x = stored(CONFIGURATIONS[row])["input"]
    alone = load_adapter(model(CONFIGURATIONS[row]), FIXTURES / row).forward(x)
    made = load_adapter(model(CONFIGURATIONS[row]), FIXTURES / row, "one")
    trained(made)
    load_adapter(made, FIXTURES / row, "two")
    assert np.array_equal(made.forward(x), alone)
    save_adapter(made, tmp_path, "two")
    assert (tmp_path / "adapter_model.safetensors").read_bytes() == save_bytes(row, tmp_path / "single")


def save_bytes(row, folder):
    save_adapter(load_adapter(model(CONFIGURATIONS[row]), FIXTURES / row), folder)
    return (folder / "adapter_model.safetensors").read_bytes()


def test_biases_belong_to_one_adapter_at_most():
    made = load_adapter(model(CONFIGURATIONS["bias_all"]), FIXTURES / "bias_all")
    before = state(made)
    with pytest.raises(AdaptError, match="'lora' trains the biases"):
        load_adapter(made, FIXTURES / "bias_lora_only", "second")
    assert state(made) == before


def test_a_base_of_four_bits_takes_an_adapter(tmp_path):
    from tinygrad_lora.nn import quantize

    made = trained(tl.adapt(network(), 2, ["up"], variant="qlora", seed=0))
    save_adapter(made, tmp_path)
    again = load_adapter(quantize(network(), ["up"]), tmp_path)
    assert np.array_equal(again.forward(X), made.forward(X))


def test_a_loaded_adapter_compiles_and_trains_on():
    row = CONFIGURATIONS["patterns"]
    made, data = load_adapter(model(row), FIXTURES / "patterns"), stored(row)
    assert np.allclose(tl.compile(made)(data["input"]), made.forward(data["input"]), rtol=0, atol=1e-14)
    step = tl.compile_training_step(made, tl.mse, tl.SGD(made.parameters(), lr=0.1))
    losses = [step(data["input"], data["target"]) for _ in range(5)]
    assert losses[-1] < losses[0]


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 5), st.floats(0.1, 4),
    st.sampled_from(["", "mix", "(", "pissa", "all-linear"]),
    st.lists(st.sampled_from(["up", "mix", "", "head"]), max_size=2),
    st.dictionaries(st.sampled_from(["mix", ".*"]), st.integers(0, 4)),
)  # fmt: skip
CHANGES = st.dictionaries(st.sampled_from(list(CHECKS)), ANYTHING, min_size=1, max_size=3)


@examples(150)
@given(st.sampled_from(list(CONFIGURATIONS)), CHANGES)
def test_whatever_the_options_say_the_adapter_is_read_or_refused(tmp_path_factory, row, changes):
    folder = shutil.copytree(FIXTURES / row, tmp_path_factory.mktemp("any") / "adapter")
    spoil(folder, **changes)
    made = model(CONFIGURATIONS[row])
    before = state(made)
    try:
        load_adapter(made, folder)
    except FormatError:
        assert state(made) == before
