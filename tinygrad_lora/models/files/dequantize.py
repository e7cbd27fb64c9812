r"""Numbers in few bits, and back: $x = d\,q + m$ for each block of 32, a scale $d$ and, perhaps, a minimum $m$.

Source: ggml-quants.c in the repository ggml-org/ggml.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Format:
    """How numbers are stored: `length` of them in one block, a record of this dtype."""

    name: str
    length: int
    block: Any

    @property
    def bytes(self) -> int:
        """The size of one block."""
        return int(self.block.itemsize)


F32, F16, Q4_1, Q8_0 = 0, 1, 3, 8
FORMATS = {
    F32: Format("F32", 1, np.dtype("<f4")),
    F16: Format("F16", 1, np.dtype("<f2")),
    Q4_1: Format("Q4_1", 32, np.dtype([("scale", "<f2"), ("minimum", "<f2"), ("pairs", "u1", 16)])),
    Q8_0: Format("Q8_0", 32, np.dtype([("scale", "<f2"), ("values", "i1", 32)])),
}
_OTHERS = {
    2: "Q4_0", 6: "Q5_0", 7: "Q5_1", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K",
    24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 30: "BF16",
}  # fmt: skip


def format_name(code: int) -> str:
    """What the format is called."""
    return FORMATS[code].name if code in FORMATS else _OTHERS.get(code, f"format number {code}")


def dequantize(data: Any, code: int, dtype: Any = np.float32) -> Any:
    r"""The numbers in an array of bytes, as a new vector.

    Q8_0: a block is a scale $d$ and 32 signed bytes $q$; $x = d\,q$.
    Q4_1: a block is $d$, $m$ and 16 bytes; $x = d\,q + m$, where the low halves of the bytes are the first 16 values of
    $q$ and the high halves the other 16.
    """
    blocks = data.view(FORMATS[code].block)
    with np.errstate(invalid="ignore", over="ignore"):  # a damaged number: the caller looks for it
        if code in (F32, F16):
            return blocks.astype(dtype)
        values = np.empty((len(blocks), 32), dtype)
        scale = blocks["scale"].astype(dtype)[:, None]
        if code == Q8_0:
            np.multiply(blocks["values"], scale, out=values)
        else:
            values[:, :16] = blocks["pairs"] & 15
            values[:, 16:] = blocks["pairs"] >> 4
            values *= scale
            values += blocks["minimum"].astype(dtype)[:, None]
    return values.reshape(-1)
