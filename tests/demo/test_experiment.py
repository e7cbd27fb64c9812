"""The demo's claims, on the real data. The full experiment takes a few seconds."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tinygrad_lora.compiler import compile_training_step
from tinygrad_lora.demo import experiment, run_experiment
from tinygrad_lora.nn import LoRALinear
from tinygrad_lora.nn.adapters.model.switching import adapters


@pytest.fixture(scope="module", name="result")
def _result():
    return run_experiment()


def test_the_network_learns_digits_and_the_adapter_learns_them_rotated(result):
    assert result.upright_accuracy >= 0.97
    assert result.rotated_before < 0.2
    assert result.rotated_after >= 0.95


def test_a_tenth_of_the_numbers_is_trained_and_the_base_is_frozen(result):
    assert 0.10 < result.trainable / result.total < 0.11
    layers = adapters(result.model)
    assert len(layers) == 3 and all(isinstance(x, LoRALinear) and x.lora.rank == 4 for x in layers.values())
    assert {name.rsplit(".", 1)[1] for name, p in result.model.named_parameters().items() if p.requires_gradient} == {
        "lora_A", "lora_B",
    }  # fmt: skip


def test_switching_off_gives_the_old_logits_and_merging_the_new_ones(result):
    assert result.switched_off_is_exact and result.switched_off_accuracy == result.upright_accuracy
    assert result.merged_difference <= 1e-10
    assert not result.model.mode and not any(layer.merged for layer in adapters(result.model).values())


def test_the_losses_fall(result):
    for losses in (result.pretraining_losses, result.adapting_losses):
        assert np.mean(losses[-20:]) < 0.2 * np.mean(losses[:5])


def test_the_step_that_is_timed_is_the_one_that_trained(result, monkeypatch):
    timed = []

    def compiled(*arguments):
        timed.append(compile_training_step(*arguments))
        return timed[-1]

    monkeypatch.setattr(experiment, "compile_training_step", compiled)
    experiment.step_times(result.model, result.rotated, repeats=1)
    assert [step.source for step in timed] == [result.adapting_step.source]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers_and_another_gives_others():
    one, again, other = (run_experiment(epochs=1, seed=s) for s in (5, 5, 6))
    assert_array_equal(one.logits_after, again.logits_after)
    assert one.adapting_losses == again.adapting_losses != other.adapting_losses
