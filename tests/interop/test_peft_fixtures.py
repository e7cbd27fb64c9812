"""What PEFT wrote is read, computes the same, trains the same and is written back the same, without PEFT or torch.

The numbers are in tests/fixtures/peft, which a script there made. Each row of the table is one configuration.
"""

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="safetensors is not installed")

from peft_table import CONFIGURATIONS, FIXTURES, model, stored
from safetensors.numpy import load_file

import tinygrad_lora as tl
from tinygrad_lora.interop.peft import load_adapter, save_adapter
from tinygrad_lora.interop.peft.names import stored_parameters
from tinygrad_lora.interop.safetensors import in_torch_layout

RATE, STEPS = 0.01, 5
ADAMW = {"lr": RATE, "weight_decay": 0.1, "eps": 1e-3}
EVERY = pytest.mark.parametrize("name", CONFIGURATIONS)


def loaded(name):
    return load_adapter(model(CONFIGURATIONS[name]), FIXTURES / name)


def bias(name):
    return CONFIGURATIONS[name].get("bias", "none")


def expected(name, prefix):
    result = load_file(FIXTURES / name / "expected.safetensors")
    return {key.removeprefix(prefix): array for key, array in result.items() if key.startswith(prefix)}


def tensors(adapted, name, what="array"):
    """The arrays of the adapter file, or the gradients under the same names."""
    result = stored_parameters(adapted, "lora", bias(name))
    if what == "array":
        return {key: place.array for key, place in result.items()}
    return {key: place.node.gradient.T if place.transposed else place.node.gradient for key, place in result.items()}


def close(result, wanted, name):
    assert result.keys() == wanted.keys()
    for key in wanted:
        np.testing.assert_allclose(result[key], wanted[key], rtol=0, atol=tolerance(name), err_msg=key)


def tolerance(name):
    """PEFT decomposes a weight in float32, and is off by up to 3e-6 from what float64 gives: training adds to that."""
    if CONFIGURATIONS[name].get("dtype") != "float32":
        return 1e-12
    return 3e-5 if name in ("pissa", "olora") else 1e-5


def loss(adapted, row):
    data = stored(row)
    return tl.mse(adapted(tl.constant(data["input"])), data["target"])


@EVERY
def test_the_output_is_that_of_peft(name):
    adapted, data = loaded(name), stored(CONFIGURATIONS[name])
    y = adapted.forward(data["input"])
    close({"": y}, expected(name, "y"), name)
    assert y.dtype == data["target"].dtype


@EVERY
def test_the_gradients_are_those_of_peft(name):
    adapted = loaded(name)
    loss(adapted, CONFIGURATIONS[name]).backward()
    close(tensors(adapted, name, "gradient"), expected(name, "gradient."), name)
    assert {id(p) for p in adapted.parameters()} == {
        id(p.node) for p in stored_parameters(adapted, "lora", bias(name)).values()
    }


@EVERY
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_training_steps_are_those_of_peft(name, optimizer):
    adapted = loaded(name)
    parameters = adapted.parameters()
    step = {
        "sgd": lambda: tl.SGD(parameters, lr=RATE),
        "adamw": lambda: tl.AdamW(parameters, **ADAMW),
    }[optimizer]()
    for _ in range(STEPS):
        for p in parameters:
            p.zero_gradient()
        loss(adapted, CONFIGURATIONS[name]).backward()
        step.step()
    close(tensors(adapted, name), expected(name, f"{optimizer}."), name)


@EVERY
def test_the_merged_weights_are_those_of_peft(name):
    plain = tl.merge_and_unload(loaded(name))
    result = in_torch_layout(plain, {key: p.value for key, p in plain.named_parameters().items()})
    for layer in CONFIGURATIONS[name].get("conv1d", ()):
        result[f"{layer}.weight"] = result[f"{layer}.weight"].T
    close(result, expected(name, "merged."), name)


@EVERY
def test_what_was_read_is_written_as_it_was(name, tmp_path):
    save_adapter(loaded(name), tmp_path)
    before, after = (load_file(folder / "adapter_model.safetensors") for folder in (FIXTURES / name, tmp_path))
    assert before.keys() == after.keys()
    for key in before:
        assert before[key].dtype == after[key].dtype and np.array_equal(before[key], after[key]), key
    again = load_adapter(model(CONFIGURATIONS[name]), tmp_path)
    data = stored(CONFIGURATIONS[name])["input"]
    assert np.array_equal(again.forward(data), loaded(name).forward(data))


def test_a_residual_base_is_the_weight_without_what_the_adapter_started_at():
    """In float64, by NumPy alone: x (W - W_r) + s x A B + b, with the part W_r of rank r of which the SVD is made."""
    row = {**CONFIGURATIONS["pissa"], "dtype": "float64"}
    plain, adapted = model(row), load_adapter(model(row), FIXTURES / "pissa")
    arrays = load_file(FIXTURES / "pissa" / "adapter_model.safetensors")
    A, B = (arrays[f"base_model.model.mix.lora_{x}.weight"].astype(float).T for x in "AB")
    W, b, x = plain.mix.weight.value, plain.mix.bias.value, stored(row)["input"]
    U, S, V = np.linalg.svd(W)
    by_hand = x @ (W - (U[:, :2] * S[:2]) @ V[:2]) + 4 / 2 * x @ A @ B + b
    assert np.allclose(adapted.mix.forward(x), by_hand, rtol=0, atol=1e-13)
    with tl.disabled(adapted):
        assert np.array_equal(adapted.forward(x), plain.forward(x))


def test_the_fixtures_are_small():
    assert sum(path.stat().st_size for path in FIXTURES.rglob("*.*") if path.suffix != ".pyc") < 300_000
