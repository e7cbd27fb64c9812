"""Side by side with PEFT itself, where it is installed: what we write it loads, and the other way around.

The extra `peers` brings it.
"""

import importlib.util
import warnings

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="safetensors is not installed")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # those of other libraries, while they are imported
    torch = pytest.importorskip("torch", reason="torch is not installed")
    peft = pytest.importorskip("peft", reason="peft is not installed")

from peft_table import CONFIGURATIONS, FIXTURES, OURS, model, stored
from safetensors.numpy import load_file

import tinygrad_lora as tl
from tinygrad_lora.interop.peft import load_adapter, save_adapter
from tinygrad_lora.interop.peft.names import stored_parameters
from tinygrad_lora.interop.safetensors import in_torch_layout

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    spec = importlib.util.spec_from_file_location("peft_make", FIXTURES / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)

IGNORED = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
pytestmark = [pytest.mark.peers, IGNORED]

# By PEFT's names: what `adapt` calls the options.
RENAMED = {"r": "rank", "lora_alpha": "alpha", "use_rslora": "rslora", "init_lora_weights": "init"}


def adapted(row, seed):
    """The model of a row, adapted here by the same options, with random numbers in all that it trains."""
    arguments = {RENAMED.get(key, key): value for key, value in row.items() if key not in OURS}
    arguments.pop("lora_dropout", None)
    arguments.pop("fan_in_fan_out", None)
    variant = "dora" if arguments.pop("use_dora", False) else "lora"
    made = tl.adapt(model(row), **arguments, variant=variant, seed=0)
    rng = np.random.default_rng(seed)
    made.set_parameters(made.get_parameters() + rng.normal(0, 0.2, made.parameter_count))
    return made


def check(result, wanted, row, factor=1):
    """In float32, PEFT's residual base is off by up to 3e-6 from what float64 gives."""
    single = 3e-5 if row.get("init_lora_weights") in ("pissa", "olora") else 1e-5
    tolerance = factor * (single if row.get("dtype") == "float32" else 1e-12)
    assert result.keys() == wanted.keys()
    for key in wanted:
        np.testing.assert_allclose(result[key], np.asarray(wanted[key]), rtol=0, atol=tolerance, err_msg=key)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_peft_loads_what_we_write_and_computes_and_trains_the_same(name, tmp_path):
    row = CONFIGURATIONS[name]
    ours, bias = adapted(row, 1), row.get("bias", "none")
    save_adapter(ours, tmp_path, fan_in_fan_out=row.get("fan_in_fan_out", False))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*(missing|unexpected|mismatch|not initialized).*")
        theirs = peft.PeftModel.from_pretrained(make.model(row), tmp_path, is_trainable=True)
    data = stored(row)
    x, target = (torch.from_numpy(data[key]) for key in ("input", "target"))
    check({"y": ours.forward(data["input"])}, {"y": theirs(x).detach()}, row)

    def tensors():
        return {key: place.array for key, place in stored_parameters(ours, "lora", bias).items()}

    check(tensors(), make.saved(theirs), row)
    mine = tl.AdamW(ours.parameters(), **make.ADAMW)
    other = torch.optim.AdamW([p for p in theirs.parameters() if p.requires_grad], **make.ADAMW)
    for step in range(make.STEPS):
        for p in ours.parameters():
            p.zero_gradient()
        tl.mse(ours(tl.constant(data["input"])), data["target"]).backward()
        other.zero_grad()
        make.loss(theirs, x, target).backward()
        if step == 0:
            own = {key: (p.node.gradient, p.transposed) for key, p in stored_parameters(ours, "lora", bias).items()}
            check({key: g.T if turned else g for key, (g, turned) in own.items()}, make.gradients(theirs), row)
        mine.step()
        other.step()
    check(tensors(), make.saved(theirs), row, factor=3)  # Adam makes large steps of small differences

    plain, merged = tl.merge_and_unload(ours), theirs.merge_and_unload().state_dict()
    result = in_torch_layout(plain, {key: p.value for key, p in plain.named_parameters().items()})
    result |= {f"{layer}.weight": result[f"{layer}.weight"].T for layer in row.get("conv1d", ())}
    check(result, merged, row, factor=3)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_we_load_what_peft_writes_now(name, tmp_path):
    row = CONFIGURATIONS[name]
    theirs = make.adapted(row)
    theirs.save_pretrained(tmp_path)
    ours, x = load_adapter(model(row), tmp_path), stored(row)["input"]
    check({"y": ours.forward(x)}, {"y": theirs(torch.from_numpy(x)).detach()}, row)


TOGETHER = [
    {"bias": "all", "modules_to_save": ["head"]},
    {"bias": "lora_only", "modules_to_save": ["layers.1"]},
    {"bias": "all", "use_dora": True, "use_rslora": True},
    {"bias": "all", "lora_bias": True, "rank_pattern": {"mix": 3}},
    {"target_modules": ["embed"], "bias": "all", "model": "reader"},
    {"target_modules": ["embed"], "bias": "lora_only", "modules_to_save": ["up"], "model": "reader"},
    {"target_modules": "all-linear", "modules_to_save": ["embed"], "model": "reader"},
    {"target_modules": ["embed", "up"], "init_lora_weights": "pissa", "model": "reader", "dtype": "float32"},
    {"target_modules": ["mix"], "init_lora_weights": "olora", "use_rslora": True, "dtype": "float32"},
    {"r": 12, "use_dora": True},  # a rank above the sizes of the layers, as adapters side by side have it
    {"r": 12, "target_modules": ["embed", "up"], "use_rslora": True, "model": "reader"},
]


@pytest.mark.parametrize("options", TOGETHER, ids=lambda options: " ".join(options))
def test_options_work_together_and_there_and_back(options, tmp_path):
    row = {"r": 2, "lora_alpha": 3, "target_modules": ["up", "mix"], **options}
    theirs = make.adapted(row)
    theirs.save_pretrained(tmp_path / "theirs")
    ours, x = load_adapter(model(row), tmp_path / "theirs"), stored(row)["input"]
    check({"y": ours.forward(x)}, {"y": theirs(torch.from_numpy(x)).detach()}, row)
    save_adapter(ours, tmp_path / "ours")
    again = peft.PeftModel.from_pretrained(make.model(row), tmp_path / "ours")
    check({"y": ours.forward(x)}, {"y": again(torch.from_numpy(x)).detach()}, row)


@pytest.mark.parametrize("init", ["pissa", "olora"])
def test_peft_loads_a_residual_adapter_that_was_written_as_plain_lora_in_double_precision(init, tmp_path):
    row = {"r": 2, "lora_alpha": 3, "target_modules": ["up", "mix"], "init_lora_weights": init, "use_rslora": True}
    ours, x = adapted(row, 1), stored(row)["input"]
    save_adapter(ours, tmp_path, as_lora=True)
    theirs = peft.PeftModel.from_pretrained(make.model(row), tmp_path)
    check({"y": ours.forward(x)}, {"y": theirs(torch.from_numpy(x)).detach()}, {})


def test_half_precision_adapters_are_read(tmp_path):
    row = CONFIGURATIONS["float32"]
    for dtype in (torch.bfloat16, torch.float16):
        theirs = make.adapted(row)
        for key, p in theirs.named_parameters():
            if "lora_" in key:
                p.data = p.data.to(dtype)
        theirs.save_pretrained(tmp_path)
        theirs.float()
        ours, x = load_adapter(model(row), tmp_path), stored(row)["input"]
        assert ours.forward(x).dtype == np.float32
        check({"y": ours.forward(x)}, {"y": theirs(torch.from_numpy(x)).detach()}, row)


def test_the_committed_fixtures_are_what_peft_writes(tmp_path):
    """Same seed, same numbers: the script that made them still makes them."""
    make.adapted(CONFIGURATIONS["plain"]).save_pretrained(tmp_path)
    file = "adapter_model.safetensors"
    check(load_file(tmp_path / file), load_file(FIXTURES / "plain" / file), CONFIGURATIONS["plain"])
