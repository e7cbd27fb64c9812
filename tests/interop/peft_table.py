"""The configurations in which this package and the PEFT library are compared, and the two tiny models for it.

`tests/fixtures/peft/make.py` builds the same models in PyTorch, under the same names and with the same weights, and
writes down what PEFT does with them. One row of the table is one adapter.
"""

# ruff: noqa: C408 - the rows are keyword arguments, and are written as such

from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

import tinygrad_lora as tl

FIXTURES = Path(__file__).parents[1] / "fixtures" / "peft"
WIDTH, HIDDEN, CLASSES, TOKENS = 6, 9, 4, 11

# The shapes of the base weights, ours: (in, out). PyTorch keeps (out, in), except in an embedding.
NETWORK = {
    **{f"layers.{i}.up.weight": (WIDTH, HIDDEN) for i in range(2)},
    **{f"layers.{i}.up.bias": (HIDDEN,) for i in range(2)},
    **{f"layers.{i}.down.weight": (HIDDEN, WIDTH) for i in range(2)},
    **{f"layers.{i}.down.bias": (WIDTH,) for i in range(2)},
    "mix.weight": (WIDTH, WIDTH),  # square: its orientation shows only in the numbers
    "mix.bias": (WIDTH,),
    "head.weight": (WIDTH, CLASSES),
    "head.bias": (CLASSES,),
}
READER = {
    "embed.weight": (TOKENS, WIDTH),
    "up.weight": (WIDTH, HIDDEN),
    "up.bias": (HIDDEN,),
    "head.weight": (HIDDEN, CLASSES),
    "head.bias": (CLASSES,),
}

# Arguments of peft.LoraConfig. "model", "dtype" and "conv1d" are ours: which model, which floats, and which linear
# layers PyTorch keeps as (in, out).
EVERY = ["up", "down", "mix", "head"]
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "plain": dict(r=2, lora_alpha=3, target_modules=EVERY),
    "rslora": dict(r=3, lora_alpha=4, target_modules=EVERY, use_rslora=True),
    "gaussian": dict(r=2, lora_alpha=2, target_modules=["mix"], init_lora_weights="gaussian", lora_dropout=0.0),
    "dora": dict(r=2, lora_alpha=3, target_modules=EVERY, use_dora=True),
    "dora_patterns": dict(
        r=2, lora_alpha=3, target_modules=["up", "mix"], use_dora=True, use_rslora=True, rank_pattern={"mix": 4}
    ),
    "bias_all": dict(r=2, lora_alpha=4, target_modules=["up", "down"], bias="all"),
    "bias_lora_only": dict(r=2, lora_alpha=4, target_modules=["up", "mix"], bias="lora_only"),
    "lora_bias": dict(r=2, lora_alpha=3, target_modules=["up", "mix"], lora_bias=True),
    "patterns": dict(
        r=2, lora_alpha=4, target_modules=EVERY,
        rank_pattern={r"layers\.0\.up": 1, "down": 3, "^mix": 4}, alpha_pattern={"up": 5, "head": 7},
    ),
    "modules_to_save": dict(r=2, lora_alpha=3, target_modules=["up", "down"], modules_to_save=["head"]),
    "layers_to_transform": dict(
        r=2, lora_alpha=3, target_modules=["up", "down"], layers_to_transform=[1], layers_pattern="layers"
    ),
    "regex": dict(r=2, lora_alpha=3, target_modules=r"layers\.\d\.(up|down)"),
    "exclude": dict(r=2, lora_alpha=3, target_modules="all-linear", exclude_modules=["head", "layers.0.up"]),
    "pissa": dict(r=2, lora_alpha=4, target_modules=EVERY, init_lora_weights="pissa", dtype="float32"),
    "olora": dict(r=2, lora_alpha=4, target_modules=EVERY, init_lora_weights="olora", dtype="float32"),
    "float32": dict(r=2, lora_alpha=3, target_modules=EVERY, dtype="float32"),
    "fan_in_fan_out": dict(r=2, lora_alpha=3, target_modules=["mix"], fan_in_fan_out=True, conv1d=["mix"]),
    "embedding": dict(r=3, lora_alpha=4, target_modules=["embed", "up"], model="reader"),
    "embedding_saved": dict(r=2, lora_alpha=4, target_modules=["up"], modules_to_save=["embed"], model="reader"),
}  # fmt: skip
OURS = ("model", "dtype", "conv1d")


def stored(row: dict[str, Any]) -> dict[str, Any]:
    """Base weights by name in our orientation, "input" and "target", in the dtype of the row."""
    dtype = row.get("dtype", "float64")
    arrays = load_file(FIXTURES / f"{row.get('model', 'network')}.safetensors")
    return {name: array if array.dtype.kind == "i" else array.astype(dtype) for name, array in arrays.items()}


class Block(tl.Layer):
    """One step of the network."""

    def __init__(self, dtype: Any) -> None:
        self.up, self.down = tl.Linear(WIDTH, HIDDEN, dtype=dtype), tl.Linear(HIDDEN, WIDTH, dtype=dtype)

    def __call__(self, x: tl.ComputationNode) -> tl.ComputationNode:
        return x + self.down(tl.tanh(self.up(x)))


class Network(tl.Layer):
    """Two blocks, a square layer and a head."""

    input_shape = (WIDTH,)

    def __init__(self, dtype: Any = np.float64) -> None:
        self.layers = [Block(dtype), Block(dtype)]
        self.mix, self.head = tl.Linear(WIDTH, WIDTH, dtype=dtype), tl.Linear(WIDTH, CLASSES, dtype=dtype)

    def __call__(self, x: tl.ComputationNode) -> tl.ComputationNode:
        for layer in self.layers:
            x = layer(x)
        return self.head(tl.tanh(self.mix(x)))


class Reader(tl.Layer):
    """Tokens are looked up, averaged and classified."""

    takes_indices = True
    input_shape = (3,)

    def __init__(self, dtype: Any = np.float64) -> None:
        from tinygrad_lora.nn.embedding import Embedding

        self.embed = Embedding(TOKENS, WIDTH, dtype=dtype)
        self.up, self.head = tl.Linear(WIDTH, HIDDEN, dtype=dtype), tl.Linear(HIDDEN, CLASSES, dtype=dtype)

    def __call__(self, x: tl.ComputationNode) -> tl.ComputationNode:
        return self.head(tl.tanh(self.up(tl.mean(self.embed(x), axis=1))))


def model(row: dict[str, Any]) -> Network | Reader:
    """The model of a row, with its base weights, in its dtype."""
    made = (Reader if row.get("model") == "reader" else Network)(row.get("dtype", "float64"))
    arrays = stored(row)
    made.load_weights({name: arrays[name] for name in made.get_parameter_names()}, strict=True)
    return made
