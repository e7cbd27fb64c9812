"""The task that is there without a file: a network that reads upright digits learns rotated ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..batching import batches
from ..compiler import compile_training_step
from ..core.ops import relu
from ..data import digits
from ..library import cross_entropy
from ..nn import Adam, Linear, Sequential

EPOCHS, BATCH, RATE = 15, 32, 3e-3


def rotated_digits() -> tuple[Any, Any, Any, Any]:
    """The network, trained on upright digits; its loss; rotated digits to adapt to; and others for the test."""
    upright, rotated = digits(dtype=np.float32), digits(rotated=1, dtype=np.float32)
    first, second, third = (
        Linear(n, m, seed=i, dtype=np.float32) for i, (n, m) in enumerate([(64, 64), (64, 64), (64, 10)])
    )
    model = Sequential(first, relu, second, relu, third)
    step = compile_training_step(model, cross_entropy, Adam(model.parameters(), RATE))
    for x, y in batches(upright.x_train, upright.y_train, size=BATCH, epochs=EPOCHS):
        if len(x) == BATCH:
            step(x, y)
    return model, cross_entropy, (rotated.x_train, rotated.y_train), (rotated.x_test, rotated.y_test)
