"""BERT and Llama give what Hugging Face's give: numbers stored by fixtures/transformer/make_references.py."""

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.errors import ModelError, ModelFileError, ShapeError
from tinygrad_lora.models.bert import BertModel
from tinygrad_lora.models.filling import fill
from tinygrad_lora.models.llama import LlamaForCausalLM

FIXTURES = Path(__file__).parents[1] / "fixtures" / "transformer"
CLASSES = {"bert": BertModel, "llama": LlamaForCausalLM}
TARGETS = {"bert": ["query", "value"], "llama": ["q_proj", "v_proj"]}
EXACT, SINGLE = {"rtol": 1e-12, "atol": 1e-12}, {"rtol": 1e-5, "atol": 1e-5}

every_network = pytest.mark.parametrize("name", CLASSES)


class Reference:
    """One stored file: the network with the stored weights, its inputs, and what Hugging Face computed."""

    def __init__(self, name, dtype=np.float64):
        with np.load(FIXTURES / f"{name}.npz") as file:
            self.arrays = dict(file)
        self.name, self.dtype = name, np.dtype(dtype)
        self.config = json.loads(str(self.arrays["config"]))
        self.weights = {
            key.removeprefix("weight."): array / 64 for key, array in self.arrays.items() if key.startswith("weight.")
        }
        self.model = fill(CLASSES[name].from_config(self.config, seed=0, dtype=dtype), self.weights)
        self.tokens = self.arrays["tokens"].astype(int)

    def __call__(self, model=None):
        """The outputs by name, as nodes."""
        model = model or self.model
        if self.name == "llama":
            return {"output": model(self.tokens)}
        hidden = model(self.tokens, self.arrays["mask"], self.arrays["types"].astype(int))
        return {"output": hidden, "pooled": model.pooled(hidden)}

    def loss(self, outputs):
        """The sum of the outputs, each times its stored direction."""
        return sum(tl.sum(y * (self.arrays[f"direction.{key}"] / 8).astype(self.dtype)) for key, y in outputs.items())

    def found(self, key, y):
        """The stored output of this precision; both without what comes out of padding."""
        stored, value = self.arrays[f"{self.dtype.name}.{key}"], y.value
        seen = self.arrays["mask"] > 0 if key == "output" and "mask" in self.arrays else ...
        return value[seen], stored[seen]


def linear_weights(model):
    return {layer.weight for layer in model.named_layers().values() if isinstance(layer, tl.Linear)}


# --- Hugging Face's numbers ---


@every_network
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, EXACT), (np.float32, SINGLE)], ids=["double", "single"])
def test_the_outputs_are_those_of_hugging_face(name, dtype, tolerance):
    reference = Reference(name, dtype)
    for key, y in reference().items():
        assert y.dtype == dtype
        np.testing.assert_allclose(*reference.found(key, y), **tolerance)


@every_network
def test_the_gradients_are_those_of_hugging_face(name):
    reference = Reference(name)
    reference.loss(reference()).backward()
    parameters, turned = reference.model.named_parameters(), linear_weights(reference.model)
    stored = {k.removeprefix("float64.gradient."): g for k, g in reference.arrays.items() if ".gradient." in k}
    assert stored.keys() == parameters.keys()
    for key, wanted in stored.items():
        gradient = parameters[key].gradient
        gradient = gradient.T if parameters[key] in turned else gradient
        np.testing.assert_allclose(gradient, wanted, rtol=1e-10, atol=1e-11, err_msg=key)


@pytest.mark.peers
@pytest.mark.slow
@every_network
def test_the_same_numbers_come_out_of_the_installed_transformers(name):
    torch = pytest.importorskip("torch", reason="compares with torch, which is not installed")
    transformers = pytest.importorskip("transformers", reason="compares with transformers, which is not installed")
    reference = Reference(name, np.float32)
    kind = {"bert": "Bert", "llama": "Llama"}[name]
    config = getattr(transformers, f"{kind}Config")(**reference.config)
    theirs = getattr(transformers, type(reference.model).__name__)(config).eval()
    state = {k: torch.tensor(w, dtype=torch.float32) for k, w in reference.weights.items()}
    theirs.load_state_dict(state, strict=name != "llama")
    if name == "llama":
        theirs.tie_weights()
    tokens = np.random.default_rng(3).integers(0, reference.config["vocab_size"], (3, 16))
    with torch.no_grad():
        found = theirs(torch.tensor(tokens))
    wanted = found.logits if name == "llama" else found.last_hidden_state
    np.testing.assert_allclose(reference.model(tokens).value, wanted.numpy(), **SINGLE)


# --- Precision, cost, adapters ---


@every_network
def test_float32_stays_float32(name):
    reference = Reference(name, np.float32)
    loss = reference.loss(reference())
    slopes = tl.gradients(loss, reference.model.parameters())
    assert {node.dtype for node in tl.Graph([], [loss, *slopes]).nodes if node.dtype.kind == "f"} == {np.dtype("f4")}


def products(nodes):
    return sum(node.op is tl.matmul for node in nodes)


@every_network
def test_frozen_weights_cost_no_product_of_their_own(name):
    reference = Reference(name)
    tl.adapt(reference.model, 2, target_modules=TARGETS[name], seed=0)
    loss, trained, frozen = reference.loss(reference()), reference.model.parameters(), linear_weights(reference.model)
    uses = [node for node in tl.Graph([], [loss]).nodes if node.op is tl.matmul and node.parents[1] in frozen]
    few, many = (products(tl.Graph([], tl.gradients(loss, wrt)).nodes) for wrt in (trained, [*trained, *frozen]))
    assert len(uses) >= 12 and many - few >= len(uses)  # a product less for each use of a frozen weight


@every_network
def test_a_linear_layer_is_one_product_whatever_the_batch(name):
    reference = Reference(name)
    graph = tl.Graph([], list(reference().values()))
    weights = linear_weights(reference.model)
    found = [node for node in graph.nodes if node.op is tl.matmul and node.parents[1] in weights]
    assert found and all(node.parents[0].ndim == 2 for node in found)


@every_network
def test_adapters_sit_where_peft_puts_them(name):
    model = Reference(name).model
    before = model(np.arange(5)[None]).value
    tl.adapt(model, 2, target_modules=TARGETS[name], seed=0)
    wanted = {
        "bert": "encoder.layer.1.attention.self.query",
        "llama": "model.layers.1.self_attn.q_proj",
    }[name]
    assert wanted in tl.adapters(model)
    np.testing.assert_array_equal(model(np.arange(5)[None]).value, before)  # B = 0


@pytest.mark.parametrize(("name", "table"), [("bert", "word_embeddings"), ("llama", "embed_tokens")])
def test_a_table_can_have_an_adapter_and_a_tied_head_stays_as_it_was(name, table):
    model, tokens = Reference(name).model, np.arange(5)[None]
    before = model(tokens).value
    tl.adapt(model, 2, target_modules=[table], seed=0)
    np.testing.assert_array_equal(model(tokens).value, before)
    for p in model.parameters():
        p.value = np.random.default_rng(0).normal(size=p.shape)
    adapted = model(tokens).value
    assert not np.allclose(adapted, before)
    tl.merge_all(model)
    np.testing.assert_allclose(model(tokens).value, adapted, **EXACT)


def test_all_linear_does_not_mean_the_head():
    model = LlamaForCausalLM.from_config(Reference("llama").config | {"tie_word_embeddings": False}, seed=0)
    tl.adapt(model, 2, seed=0)
    assert len(tl.adapters(model)) == 14 and isinstance(model.lm_head, tl.Linear)


@every_network
def test_a_copy_shares_nothing_and_keeps_what_is_tied(name):
    model, tokens = Reference(name).model, np.arange(5)[None]
    before, twin = model(tokens).value, copy.deepcopy(model)
    assert twin.get_parameter_names() == model.get_parameter_names()
    twin.set_parameters(twin.get_parameters() * 1.5)
    np.testing.assert_array_equal(model(tokens).value, before)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model))(tokens).value, before)
    model.set_parameters(model.get_parameters() * 1.5)
    np.testing.assert_array_equal(twin(tokens).value, model(tokens).value)


# --- The compiler ---


@every_network
def test_compiled_is_eager(name):
    reference = Reference(name)
    compiled, rng = tl.compile(reference.model), np.random.default_rng(0)
    for shape in [(2, 7), (2, 7), (3, 5)]:
        tokens = rng.integers(0, 23, shape)
        np.testing.assert_allclose(compiled(tokens), reference.model(tokens).value, **EXACT)
    if name != "llama":
        masked, mask = tl.compile(lambda t, m: reference.model(t, m)), rng.integers(0, 2, (3, 5))
        np.testing.assert_allclose(masked(tokens, mask), reference.model(tokens, mask).value, **EXACT)


@every_network
def test_a_compiled_step_trains_as_an_eager_one(name):
    models = [tl.adapt(Reference(name).model, 2, target_modules=TARGETS[name], seed=0) for _ in range(2)]
    optimizers = [tl.AdamW(model.parameters(), 0.05) for model in models]
    rng = np.random.default_rng(0)
    tokens, wanted = rng.integers(0, 23, (2, 7)), np.array([[0, 3, 5], [1, 2, 7], [1, 6, 1]])

    def loss_of(model):
        return model.answer_loss if name == "llama" else lambda hidden, labels: tl.cross_entropy(hidden[:, 0], labels)

    bodies = [model.model if name == "llama" else model for model in models]
    target = wanted if name == "llama" else np.array([3, 5])
    step = tl.compile_training_step(bodies[0], loss_of(models[0]), optimizers[0])
    losses = []
    for _ in range(4):
        loss = loss_of(models[1])(bodies[1](tokens), target)
        loss.backward()
        optimizers[1].step()
        tl.zero_gradients(loss)
        losses.append(float(loss))
        assert step(tokens, target) == pytest.approx(losses[-1], rel=1e-10)
    assert losses[-1] < losses[0]
    np.testing.assert_allclose(models[0].get_parameters(), models[1].get_parameters(), rtol=1e-8, atol=1e-10)


@every_network
def test_arrays_in_arrays_out(name):
    reference = Reference(name, np.float32)
    y = reference.model.forward(reference.tokens)
    np.testing.assert_array_equal(y, reference.model(reference.tokens).value)
    assert reference.model.supports_jit_compilation
    assert reference.model.backward(np.ones_like(y)) is None  # whole numbers have no gradient
    assert any(p.gradient.any() for p in reference.model.parameters())
    compiled = tl.compile(reference.model, buffers=False)(reference.tokens)
    np.testing.assert_allclose(compiled, y, atol=1e-5 * np.abs(y).max())


def test_generated_code_speaks_of_the_weights_by_name_and_prints_no_tables():
    model = Reference("llama").model
    compiled = tl.compile(model)
    compiled(np.zeros((1, 16), int))
    assert "model_layers_1_self_attn_q_proj_weight" in compiled.source
    assert max(map(len, compiled.source.splitlines())) < 300  # the mask and the angles are inputs


# --- What a network sees ---


def test_padding_changes_nothing_for_the_tokens():
    model, tokens = Reference("bert").model, np.array([[1, 2, 3, 4]])
    padded = model(np.array([[1, 2, 3, 4, 9, 9]]), np.array([[1, 1, 1, 1, 0, 0]]))
    np.testing.assert_allclose(padded.value[:, :4], model(tokens).value, **EXACT)


def test_a_decoder_does_not_see_the_future():
    model, tokens = Reference("llama").model, np.array([[1, 2, 3, 4, 5]])
    changed = tokens.copy()
    changed[0, 3] = 9
    np.testing.assert_array_equal(model(tokens).value[:, :3], model(changed).value[:, :3])
    assert not np.array_equal(model(tokens).value[:, 3:], model(changed).value[:, 3:])


def test_attention_weights_are_shares():
    reference, weights = Reference("bert"), []
    reference.model(reference.tokens, reference.arrays["mask"], attentions=weights)
    assert len(weights) == reference.config["num_hidden_layers"]
    for layer in weights:
        assert layer.shape == (2, 2, 7, 7)
        np.testing.assert_allclose(layer.value.sum(-1), 1, rtol=1e-12)
        np.testing.assert_array_equal(layer.value[1, :, :, 5:], 0)  # nothing of the padding


def test_the_loss_of_chosen_tokens_is_the_loss_of_their_logits():
    model, tokens = Reference("llama").model, np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    wanted = np.array([[0, 2, 9], [1, 0, 11], [1, 3, 4]])
    logits = model(tokens)
    chosen = tl.take(logits, wanted[:, 0], wanted[:, 1])
    loss = model.answer_loss(model.model(tokens), wanted)
    assert float(loss) == pytest.approx(float(tl.cross_entropy(chosen, wanted[:, 2])), rel=1e-12)
    head = [node for node in tl.Graph([], [loss]).nodes if node.op is tl.matmul and node.shape[-1] == 23]
    assert [node.shape for node in head] == [(3, 23)]  # and only these went through the large product


# --- What is refused ---


def test_weights_that_do_not_fit_change_nothing():
    reference = Reference("bert")
    before = {name: p.value for name, p in reference.model.named_parameters().items()}
    for wrong in (
        {k: w for k, w in reference.weights.items() if k != "pooler.dense.bias"},
        reference.weights | {"encoder.layer.2.output.dense.bias": np.zeros(8)},
        reference.weights | {"pooler.dense.bias": np.zeros(9)},
        reference.weights | {"pooler.dense.bias": np.array(["a"] * 8)},
    ):
        with pytest.raises(ModelFileError, match=r"pooler\.dense\.bias|encoder\.layer\.2\.output\.dense\.bias"):
            fill(reference.model, {k: w * 2 if w.dtype.kind == "f" else w for k, w in wrong.items()})
    assert all(p.value is before[name] for name, p in reference.model.named_parameters().items())


def test_weights_under_a_prefix_and_without_a_pooler():
    reference = Reference("bert")
    model = BertModel.from_config(reference.config, dtype=np.float64, pooler=False)
    tensors = {f"bert.{k}": w for k, w in reference.weights.items() if "pooler" not in k}
    fill(model, tensors | {"bert.embeddings.position_ids": np.arange(16)[None], "cls.bias": np.zeros(3)}, "bert.")
    np.testing.assert_array_equal(model(reference.tokens).value, reference.model(reference.tokens).value)
    with pytest.raises(AttributeError, match="pooler=False"):
        model.pooled(model(reference.tokens))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("bert", {"hidden_size": None}, "does not say hidden_size"),
        ("bert", {"hidden_size": "8"}, "hidden_size must be a whole number"),
        ("bert", {"layer_norm_eps": -1.0}, "layer_norm_eps must be a positive number"),
        ("bert", {"hidden_act": "mish"}, "'mish' is not supported"),
        ("bert", {"hidden_act": ["gelu"]}, "hidden_act must be a string"),
        ("llama", {"tie_word_embeddings": 1}, "tie_word_embeddings must be true or false"),
        ("bert", {"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ("bert", {"num_attention_heads": 3}, "3 heads of equal size"),
        ("llama", {"num_key_value_heads": 3}, "4 heads cannot share 3"),
        ("llama", {"hidden_size": "8", "head_dim": None}, "hidden_size must be a whole number"),
        ("llama", {"num_attention_heads": 0, "head_dim": None}, "num_attention_heads must be a whole number"),
        ("llama", {"num_attention_heads": None}, "does not say num_attention_heads"),
        ("llama", {"rope_scaling": {"factor": 2}}, "rope_scaling"),
        ("llama", {"head_dim": 3}, "head_dim must be even"),
    ],
)
def test_a_configuration_that_cannot_be_met_is_refused(name, change, message):
    config = Reference(name).config | change
    with pytest.raises(ModelError, match=message):
        CLASSES[name].from_config(config)


@every_network
def test_texts_that_do_not_fit_are_refused(name):
    model = Reference(name).model
    with pytest.raises(ShapeError, match=r"17 .*16"):
        model(np.zeros((1, 17), int))
    with pytest.raises(ShapeError, match="batch, time"):
        model(np.zeros(3, int))
    with pytest.raises(ValueError, match="token 23 has no row"):
        model(np.array([[23]]))
