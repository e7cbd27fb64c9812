"""What the fixtures of the pretrained models are about: the texts, and where the stored results are."""

import json
import random
from pathlib import Path

import pytest

from tinygrad_lora.models.files.cache import is_installed

FIXTURES = Path(__file__).resolve().parent / "fixtures" / "models"

TEXTS = [
    "", " ", "Hello, world!", "It's 2024,  isn't it?", "unaffable", "The QUICK brown fox jumped over 13 lazy dogs.",
    "Grüße aus Köln; na\u00efve caf\u00e9, e\u0301t\u00e9", "你好,世界。", "日本語のテキスト", "Привет мир",
    "ΣΊΣΥΦΟΣ σίσυφος", "שלום", "مرحبا", "tab\tand\nnew line\r\n\r\nend  ", "a" * 101, "don't we'll they've I'M",
    "x=1;y=[2,3]{4}", "100,000.50 €", "½ Ⅷ ①",
    "👍🏽 👩‍👩‍👧 emoji", "zero\u200bwidth\u00a0space\u3000wide", "[MASK] [SEP] <|im_end|>", "https://example.org/a_b?c=d&e=%20",
    "\x00control\x7f\ufffd", "İstanbul ﬁne ǅ ß", "......!!!???", "   leading", "trailing   ", "a  b   c    d",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
]  # fmt: skip
_KINDS = [*range(32, 127)] * 3 + [*range(0xC0, 0x250)] + 9 * [
    9, 10, 13, 0xA0, 0x2003, 0x3000, 0x200B, 0x1C, 0x660, 0x966, 0xBD, 0x2167, 0x2460, 0x4E00, 0x3042, 0xAC00, 0x1F600,
    0x1F3FD, 0x301, 0x2019, 0x27,
]  # fmt: skip
_DRAW = random.Random(0)
NOISE = ["".join(chr(_DRAW.choice(_KINDS)) for _ in range(20)) for _ in range(40)]  # characters of all kinds
SENTENCES = [
    "A cat sits on the mat.",
    "The kitten is lying on the rug!",
    "Stocks fell sharply today, said the bank's chairman.",
    "Öl und Wasser mischen sich nicht.",
]
QUESTION = "What is the capital of France?"
ANSWER = "The capital of France is Paris."


def stored(name):
    """The contents of a JSON file of the fixtures."""
    return json.loads((FIXTURES / name).read_text(encoding="utf-8"))


def needs(model):
    """A test runs only where this model was fetched."""
    reason = f"the weights are not on this machine: tinygrad-lora models get {model}"
    return pytest.mark.skipif(not is_installed(model), reason=reason)
