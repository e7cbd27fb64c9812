"""Adapters that were extracted here, beside PEFT's own conversion, and read by PEFT."""

import copy
import warnings

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="safetensors is not installed")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # those of other libraries, while they are imported
    torch = pytest.importorskip("torch", reason="torch is not installed")
    peft = pytest.importorskip("peft", reason="peft is not installed")

import tinygrad_lora as tl

IGNORED = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
pytestmark = [pytest.mark.peers, IGNORED]
SIZES = {"0": (12, 10), "2": (10, 7)}


def their_base():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(12, 10), torch.nn.Tanh(), torch.nn.Linear(10, 7)).double()


def our_model(theirs):
    """The same model here, with the weights that it has there now."""
    model = tl.Sequential(tl.Linear(12, 10), tl.tanh, tl.Linear(10, 7))
    for path in SIZES:
        layer, own = theirs[int(path)], model[int(path)]
        own.weight.value, own.bias.value = layer.weight.detach().numpy().T, layer.bias.detach().numpy()
    return model


def adapted_there(kind):
    """PEFT's model with an adapter of another kind, with numbers as after training."""
    configuration = {"loha": peft.LoHaConfig, "lokr": peft.LoKrConfig}[kind](r=2, alpha=3, target_modules=[*SIZES])
    made = peft.get_peft_model(their_base(), configuration)
    rng = np.random.default_rng(1)
    for p in made.parameters():
        if p.requires_grad:
            p.data = torch.from_numpy(rng.normal(0, 0.5, tuple(p.shape)))
    return made


@pytest.mark.parametrize("kind", ["loha", "lokr"])
@pytest.mark.parametrize("keep", [1, 3, 0.8, 0.95])
def test_the_same_ranks_and_the_same_change_as_pefts_conversion(kind, keep, tmp_path):
    theirs = adapted_there(kind)
    config, state = peft.convert_to_lora(theirs, rank=keep)
    base = our_model(their_base())
    tuned = our_model(copy.deepcopy(theirs).merge_and_unload())
    extraction = tl.extract_lora(base, tuned, **({"rank": keep} if isinstance(keep, int) else {"energy": keep}))
    for path in SIZES:
        A, B = (state[f"base_model.model.{path}.lora_{part}.weight"].numpy() for part in "AB")
        assert extraction.layers[path].rank == len(A) == config.rank_pattern.get(path, config.r)
        np.testing.assert_allclose(
            tl.adapters(base)[path].lora.merge_weights(), (B @ A).T, rtol=0, atol=2e-6
        )  # float32


@pytest.mark.parametrize("variant", ["loha", "lokr", "vera", "adalora", "dora", "pissa"])
def test_peft_reads_what_was_extracted(variant, tmp_path):
    base = our_model(their_base())
    tuned = tl.adapt(copy.deepcopy(base), 2, variant=variant, seed=1)
    rng = np.random.default_rng(2)
    for p in tuned.parameters():
        p.value = p.value + rng.normal(0, 0.3, p.shape)
    assert tl.extract_lora(base, tuned, energy=1.0).error < 1e-14
    tl.save_adapter(base, tmp_path)
    again = peft.PeftModel.from_pretrained(their_base(), tmp_path)
    x = rng.normal(size=(5, 12))
    np.testing.assert_allclose(again(torch.from_numpy(x)).detach().numpy(), tuned.forward(x), rtol=0, atol=1e-12)


def test_biases_and_ranks_of_their_own_are_read_too(tmp_path):
    base = our_model(their_base())
    tuned, rng = copy.deepcopy(base), np.random.default_rng(3)
    for p in tuned.parameters():
        p.value = p.value + rng.normal(0, 0.3, p.shape)
    extraction = tl.extract_lora(base, tuned, energy=0.9)
    assert len({layer.rank for layer in extraction.layers.values()}) > 1 and not extraction.elsewhere
    tl.save_adapter(base, tmp_path)
    again = peft.PeftModel.from_pretrained(their_base(), tmp_path)
    x = rng.normal(size=(5, 12))
    np.testing.assert_allclose(again(torch.from_numpy(x)).detach().numpy(), base.forward(x), rtol=0, atol=1e-12)
