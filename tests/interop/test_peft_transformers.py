"""Adapters of Hugging Face's networks, as PEFT writes them for those, on our networks of the same names."""

import warnings

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="safetensors is not installed")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # those of other libraries, while they are imported
    torch = pytest.importorskip("torch", reason="torch is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    peft = pytest.importorskip("peft", reason="peft is not installed")

from safetensors.numpy import load_file, save_file

import tinygrad_lora as tl
from tinygrad_lora.errors import FormatError
from tinygrad_lora.models.bert import BertModel
from tinygrad_lora.models.filling import fill
from tinygrad_lora.models.llama import LlamaForCausalLM

IGNORED = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
pytestmark = [pytest.mark.peers, IGNORED]

SIZES = {
    "vocab_size": 23, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 32,
}  # fmt: skip
CONFIGS = {
    "llama": SIZES | {"num_key_value_heads": 2, "rms_norm_eps": 1e-6, "tie_word_embeddings": False},
    "bert": SIZES | {"type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu"},
}
TOKENS = np.random.default_rng(0).integers(0, 23, (2, 7))


def theirs(kind):
    torch.manual_seed(0)
    if kind == "llama":
        return transformers.LlamaForCausalLM(transformers.LlamaConfig(**CONFIGS[kind])).double().eval()
    return transformers.BertModel(transformers.BertConfig(**CONFIGS[kind])).double().eval()


def ours(kind):
    made = {"llama": LlamaForCausalLM, "bert": BertModel}[kind].from_config(CONFIGS[kind], seed=0, dtype=np.float64)
    return fill(made, {name: array.numpy() for name, array in theirs(kind).state_dict().items()})


def trained(kind, **options):
    """Their network with an adapter, with some random numbers in all that it trains."""
    made = peft.get_peft_model(theirs(kind), peft.LoraConfig(r=2, lora_alpha=3, **options)).eval()
    rng = np.random.default_rng(1)
    for p in made.parameters():
        if p.requires_grad:
            p.data += torch.from_numpy(rng.normal(0, 0.1, tuple(p.shape))).to(p.dtype)
    return made


def output(made):
    if isinstance(made, tl.Layer):
        return made(tl.constant(TOKENS)).value
    with torch.no_grad():
        result = made(torch.from_numpy(TOKENS))
    return (result.logits if hasattr(result, "logits") else result.last_hidden_state).numpy()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("llama", {"target_modules": ["q_proj", "v_proj"]}),
        ("llama", {"target_modules": "all-linear", "use_dora": True}),
        ("llama", {"target_modules": ["q_proj"], "layers_to_transform": [1]}),
        ("llama", {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]}),
        ("llama", {"target_modules": ["embed_tokens", "q_proj"]}),  # the whole table is in the file
        ("bert", {"target_modules": ["query", "value"], "bias": "all"}),
        ("bert", {"target_modules": ["word_embeddings", "key"], "bias": "lora_only"}),
        ("bert", {"target_modules": ["dense"], "modules_to_save": ["LayerNorm"]}),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_an_adapter_of_hugging_faces_network_goes_there_and_back(kind, options, tmp_path):
    other = trained(kind, **options)
    other.save_pretrained(tmp_path / "theirs")
    mine = tl.load_adapter(ours(kind), tmp_path / "theirs")
    # Their norms work in float32, whatever the model does.
    np.testing.assert_allclose(output(mine), output(other), rtol=0, atol=1e-12 if kind == "bert" else 1e-6)
    tl.save_adapter(mine, tmp_path / "ours")
    again = peft.PeftModel.from_pretrained(theirs(kind), tmp_path / "ours").eval()
    np.testing.assert_allclose(output(again), output(other), rtol=0, atol=1e-6)


def test_an_adapter_of_an_embedding_on_another_base_is_refused(tmp_path):
    trained("llama", target_modules=["embed_tokens"]).save_pretrained(tmp_path)
    file, key = tmp_path / "adapter_model.safetensors", "base_model.model.model.embed_tokens.base_layer.weight"
    arrays = load_file(file)
    for wrong, message in (
        (arrays[key] + 0.1, "embed_tokens.base_layer.weight is not that of the model"),
        (arrays[key][:-1].copy(), r"embed_tokens.base_layer.weight has the shape \(22, 16\), not \(23, 16\)"),
    ):
        save_file(arrays | {key: wrong}, file)
        with pytest.raises(FormatError, match=message):
            tl.load_adapter(ours("llama"), tmp_path)
