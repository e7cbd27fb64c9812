"""NF4 as bitsandbytes computes it on a CPU: bytes for test_nf4.py, taken live or from a file.

`python tests/nn/nf4_in_bitsandbytes.py` writes tests/fixtures/nf4.json anew. It needs torch and bitsandbytes.
"""

import json
from base64 import b64decode, b64encode
from pathlib import Path

import numpy as np

FIXTURE = Path(__file__).parents[1] / "fixtures" / "nf4.json"


def arrays():
    """What is quantized, by name: normal numbers, sizes that no block fits, more than 256 blocks, zeros, extremes."""
    rng = np.random.default_rng(4)
    results = {
        "normal": rng.normal(size=(24, 40)),
        "one block": rng.normal(size=(1, 64)),
        "less than a block": rng.normal(size=(3, 7)),
        "one number": np.array([[-0.3]]),
        "more than 256 blocks": rng.normal(size=(130, 129)) * np.exp(rng.normal(size=(130, 1))),
        "zeros in between": np.concatenate([np.zeros((1, 128)), rng.normal(size=(1, 128))]),
        "zeros alone": np.zeros((2, 64)),
        "large and small": rng.normal(size=(4, 64)) * np.array([[1e-12], [1e-3], [1e3], [1e12]]),
        "levels": np.tile(np.linspace(-1, 1, 33), 8).reshape(8, 33),
    }
    return {name: array.astype(np.float32) for name, array in results.items()}


def from_bitsandbytes(array):
    """The parts of its storage, and the numbers that it gives back."""
    import torch
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    packed, state = quantize_4bit(torch.tensor(array), quant_type="nf4", compress_statistics=True)
    parts = {
        "packed": packed.ravel(), "codes": state.absmax, "factors": state.state2.absmax, "offset": state.offset,
        "numbers": dequantize_4bit(packed, state),
    }  # fmt: skip
    return {name: part.numpy() for name, part in parts.items()}


def stored():
    """The same from the file, without the numbers."""
    kinds = {"packed": np.uint8, "codes": np.uint8, "factors": np.float32, "offset": np.float32}
    return {
        name: {part: np.frombuffer(b64decode(text), kinds[part]) for part, text in parts.items()}
        for name, parts in json.loads(FIXTURE.read_text(encoding="utf-8")).items()
    }


if __name__ == "__main__":
    found = {name: from_bitsandbytes(array) for name, array in arrays().items()}
    texts = {
        name: {part: b64encode(array.tobytes()).decode() for part, array in parts.items() if part != "numbers"}
        for name, parts in found.items()
    }
    FIXTURE.write_text(json.dumps(texts, indent=1) + "\n", encoding="utf-8")
    print(f"{FIXTURE}: {FIXTURE.stat().st_size:,} bytes")
