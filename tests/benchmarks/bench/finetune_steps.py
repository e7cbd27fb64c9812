"""The training steps that `bench finetune` times, prepared once in a worker process."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from tinygrad_lora.finetune import Answered, Chatting, TrainingSettings, read_examples
from tinygrad_lora.finetune.examples import PERSONA
from tinygrad_lora.finetune.training import begin
from tinygrad_lora.models.chat import END, START, ChatModel
from tinygrad_lora.models.llama import LlamaForCausalLM
from tinygrad_lora.models.load import load_smollm2
from tinygrad_lora.models.text.bpe import BytePairEncoding, visible_bytes

Step = Callable[[], float]
SETTINGS = TrainingSettings(steps=10_000)  # more than anybody times


def finetune(peer: str, network: str, steps: int) -> dict[str, Any]:
    """Do some training steps: their losses, and their seconds by the clock and of the processor."""
    step = prepared(peer, network)
    losses, wall, cpu = [], [], []
    for _ in range(steps):
        begin_wall, begin_cpu = time.perf_counter(), time.process_time()
        losses.append(step())
        wall.append(time.perf_counter() - begin_wall)
        cpu.append(time.process_time() - begin_cpu)
    return {"losses": losses, "wall": wall, "cpu": cpu}


@lru_cache(maxsize=1)
def prepared(peer: str, network: str) -> Step:
    """One training step of this implementation, from the start that all have in common."""
    task = Chatting(load_smollm2() if network == "smollm2" else tiny(), read_examples(PERSONA, Answered), network)
    training = begin(task, SETTINGS)
    rng = np.random.default_rng(0)  # adapters that are not zero: then their first steps say more
    for p in training.parameters.values():
        p.value = (0.02 * rng.normal(size=p.shape)).astype(p.dtype)
    tokens, wanted = task.batch(0, SETTINGS)
    if peer == "peft":
        from .peers import peft

        return peft.training_step(task.network, SETTINGS, tokens, wanted)
    if peer == "ours-eager":
        return lambda: _eager_step(task, training.optimizer, tokens, wanted)
    return lambda: training.step(tokens, wanted)


def _eager_step(task: Chatting, optimizer: Any, tokens: Any, wanted: Any) -> float:
    loss = task.loss(task.model(tokens), wanted)
    optimizer.zero_gradients()
    loss.backward()
    optimizer.step()
    return float(loss)


def tiny() -> ChatModel:
    """A small network of the same kind with random weights, which reads bytes: it is there without fetching."""
    vocabulary = [START, END, *visible_bytes().values()]
    config = {
        "vocab_size": len(vocabulary), "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "tie_word_embeddings": True,
    }  # fmt: skip
    network = LlamaForCausalLM.from_config(config, seed=0)
    return ChatModel(network, BytePairEncoding(vocabulary, [], special=[0, 1]), capacity=256)
