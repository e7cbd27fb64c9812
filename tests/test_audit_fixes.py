"""Unusual inputs of adapters, files, models and pictures: each is refused in a sentence, or does what it says."""

import os

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.commands.main import main
from tinygrad_lora.errors import AdaptError, DtypeError, FormatError, ModelFileError, ShapeError
from tinygrad_lora.models.bert import BertModel
from tinygrad_lora.models.chat import chat_text
from tinygrad_lora.models.configured import check_plausible
from tinygrad_lora.nn.adapters.variants import RankAllocator

X = np.random.default_rng(0).normal(size=(5, 6))


def network():
    return tl.Sequential(tl.Linear(6, 8, seed=0), tl.relu, tl.Linear(8, 3, seed=1))


def filled(model, seed=0):
    """Every adapter does something."""
    for layer in tl.adapters(model).values():
        layer.set_parameters(np.random.default_rng(seed).normal(size=layer.parameter_count))
    return model


# --- Adapters ---


@pytest.mark.parametrize("names", [[], [None] * 4, [None] * 6])
def test_rows_that_all_take_the_base_are_counted_too(names):
    model = tl.adapt(network(), 2, seed=0)
    with tl.by_row(model, names), pytest.raises(AdaptError, match=f"{len(names)} names for 5 rows"):
        model.forward(X)
    with tl.by_row(model, [None] * 5):
        assert np.array_equal(model.forward(X), network().forward(X))
    with tl.by_row(model, []):
        assert model.forward(np.zeros((0, 6))).shape == (0, 3)


def test_no_names_for_the_rows_of_tokens():
    model = tl.adapt(tl.Sequential(tl.Embedding(10, 4, seed=0)), 2, ["0"], seed=0)
    with tl.by_row(model, []), pytest.raises(AdaptError, match="0 names for 2 rows"):
        model.forward(np.array([[1, 2], [3, 4]]))


@pytest.mark.parametrize("weight", [np.nan, np.inf, -np.inf])
def test_a_weight_without_a_lower_bound_is_only_told_to_be_finite(weight):
    with pytest.raises(ValueError, match=r"the weight of 'lora' must be finite, not -?(nan|inf)$"):
        tl.activate(tl.adapt(network(), 2), {"lora": weight})


@pytest.mark.parametrize("variant", ["vera", "dora", "loha"])
def test_a_variant_for_matrices_refuses_an_embedding_in_words(variant):
    model = tl.Sequential(tl.Embedding(10, 6, seed=0), tl.Linear(6, 3, seed=0))
    with pytest.raises(AdaptError, match="is for linear layers: leave out the embeddings"):
        tl.adapt(model, 2, ["0", "1"], variant=variant)
    assert type(model[0]) is tl.Embedding


def test_dora_refuses_a_column_without_direction():
    layer = tl.Linear(6, 4, seed=0)
    layer.load_weights({"weight": layer.weight.value * [1, 1, 0, 1]})
    with pytest.raises(AdaptError, match="column 2 is zero"):
        tl.adapt(tl.Sequential(layer), 2, variant="dora")


def test_merging_is_done_in_all_layers_or_in_none():
    model = tl.adapt(tl.Sequential(tl.Linear(6, 6, seed=0), tl.Linear(6, 6, seed=1)), 2, seed=0)
    model[0].attach("bent", tl.LoRALayer(6, 6, 2, seed=2))
    model[1].attach("bent", tl.LoRALayer(6, 6, 2, activation=tl.relu, seed=3))
    tl.activate(model, "bent")
    with pytest.raises(ValueError, match="is not a linear map"):
        tl.merge_all(model)
    assert [layer.merged for layer in model] == [False, False]


def test_an_embedding_takes_an_array_as_other_layers_do():
    table, tokens = tl.Embedding(10, 4, seed=0), np.array([[1, 2], [3, 4]])
    for layer in (table, filled(tl.adapt(tl.Sequential(tl.Embedding(10, 4, seed=0)), 2, ["0"], seed=0))):
        assert np.array_equal(layer(tokens).value, layer.forward(tokens))
    with pytest.raises(DtypeError, match="tokens must be whole numbers, not float64"):
        table(np.ones(3))


@pytest.mark.parametrize("variant", ["adalora", "dora"])
def test_no_variant_forgets_an_activation(variant):
    with pytest.raises(ValueError, match=r"(is not a linear map|leave out activation)"):
        tl.merge_all(tl.adapt(network(), 2, variant=variant, activation=tl.relu))


def test_no_more_ranks_are_kept_than_there_are():
    with pytest.raises(ValueError, match="target_rank 9 is above the ranks that there are, 4 in all"):
        RankAllocator(tl.adapt(network(), 2, variant="adalora"), target_rank=9, total_steps=5)


# --- Files ---


@pytest.mark.parametrize("kind", [np.int64, np.uint8, bool])
def test_an_adapter_of_whole_numbers_is_refused(tmp_path, kind):
    pytest.importorskip("safetensors")
    tl.save_adapter(tl.adapt(network(), 2, seed=0), tmp_path)
    file = tmp_path / "adapter_model.safetensors"
    arrays = tl.load_safetensors(file)
    name = next(iter(arrays))
    tl.save_safetensors(file, arrays | {name: arrays[name].astype(kind)})
    model = network()
    with pytest.raises(FormatError, match=f"{name} holds {np.dtype(kind)}, not floats"):
        tl.load_adapter(model, tmp_path)
    assert np.array_equal(model.forward(X), network().forward(X))


@pytest.mark.parametrize("moment", [1, 2])
def test_a_save_that_is_stopped_never_mixes_two_adapters(tmp_path, monkeypatch, moment):
    pytest.importorskip("safetensors")
    for alpha, folder in ((4, "new"), (8, "wanted")):
        tl.save_adapter(filled(tl.adapt(network(), 2, alpha=alpha, seed=0)), tmp_path / folder)
    replace, calls = os.replace, iter(range(1, 9))

    def stopped(source, target):
        if ".part-" not in str(target) and next(calls) == moment:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        tl.save_adapter(filled(tl.adapt(network(), 2, alpha=8, seed=0), 1), tmp_path / "new")
    monkeypatch.undo()
    assert [path for path in (tmp_path / "new").iterdir() if path.name.startswith(".")] == []
    with pytest.raises(FileNotFoundError, match="No such file"):
        tl.load_adapter(network(), tmp_path / "new")
    tl.save_adapter(filled(tl.adapt(network(), 2, alpha=8, seed=0)), tmp_path / "new")
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        assert (tmp_path / "new" / file).read_bytes() == (tmp_path / "wanted" / file).read_bytes()


def test_notes_in_a_file_are_texts(tmp_path):
    with pytest.raises(TypeError, match="metadata are texts by name, and these are none: 'step'"):
        tl.save_safetensors(tmp_path / "x.safetensors", {"a": X}, {"step": 3})
    assert not list(tmp_path.iterdir())


def test_onnx_wants_something_that_can_be_called(tmp_path):
    pytest.importorskip("onnx")
    with pytest.raises(TypeError, match="a layer, a function of nodes or a Graph is exported, not int"):
        tl.save_onnx(3, tmp_path / "x.onnx")
    assert tl.save_onnx(lambda x: x[1:], tmp_path / "x.onnx", X).outputs == {"output": ("batch-1", 6)}


# --- Models ---


@pytest.mark.parametrize(
    "wrong", [{"hidden_size": 10**12}, {"vocab_size": "many"}, {"hidden_size": [4]}, {"num_hidden_layers": 10**9}]
)
def test_a_configuration_that_lies_takes_no_memory(wrong):
    config = {"vocab_size": 10, "hidden_size": 4, "num_hidden_layers": 2}
    shapes = [(10, 4), (4, 4), (4,)]
    check_plausible("config.json", config, shapes)
    with pytest.raises(ModelFileError, match=f"config.json: {next(iter(wrong))} is "):
        check_plausible("config.json", config | wrong, shapes)


@pytest.mark.parametrize("said", [3, [3], ["Hello"], [{"role": "user", "content": 3}]])
def test_a_conversation_is_made_of_messages(said):
    with pytest.raises((TypeError, ValueError), match=r"^(a conversation|a message|the content)"):
        chat_text(said)


@pytest.mark.parametrize("what", ["attention_mask", "token_type_ids"])
def test_a_text_encoder_wants_one_number_a_token(what):
    sizes = {"vocab_size": 9, "hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = BertModel.from_config({**sizes, "intermediate_size": 6}, seed=0)
    with pytest.raises(ShapeError, match=rf"{what} has one number a token: \(1, 3\), not \(1, 2\)"):
        model(np.array([[1, 2, 3]]), **{what: np.array([[1, 1]])})


# --- Pictures and commands ---

LOCAL = """
import numpy as np
import tinygrad_lora as tl

def deep():
    model = tl.Sequential(*[layer for i in range(80) for layer in (tl.Linear(4, 4, seed=i), tl.relu)])
    return tl.sum(model(tl.constant(np.ones((2, 4)))))

untouched = tl.compile(deep)
symbolic = lambda: tl.placeholder((2, 3), name="x") * 2.0
"""


def test_a_model_that_only_a_function_knows_is_stepped_through_by_layers(tmp_path, capsys):
    (tmp_path / "local.py").write_text(LOCAL)
    assert main(["step", f"{tmp_path / 'local.py'}:deep"]) == 0
    shown = capsys.readouterr().out
    assert "some of its layers are shown as one box each" in shown
    assert "the last 200" not in shown


@pytest.mark.parametrize("command", ["step", "explore"])
def test_a_function_that_was_not_compiled_yet_is_one_sentence(tmp_path, capsys, command):
    (tmp_path / "local.py").write_text(LOCAL)
    assert main([command, f"{tmp_path / 'local.py'}:untouched"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"tinygrad-lora {command}: ")
    assert "call it, or prepare it" in printed
    assert printed.count("\n") == 1


def test_failure_says_which_errors_it_knows():
    with pytest.raises(TypeError, match="takes a ShapeError or a PassError, not ValueError"):
        tl.failure(ValueError("x"))


def test_a_blank_name_is_no_name_in_a_formula():
    blank = tl.parameter(np.ones((2, 2)), " ")
    assert str(tl.formula(blank @ blank)).splitlines()[0] == "W W"
