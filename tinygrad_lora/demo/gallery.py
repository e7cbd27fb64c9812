"""Digits as pictures: each image is a small PNG inside the page."""

import struct
import zlib
from itertools import chain
from typing import Any

import numpy as np

from ..view.words.markup import Markup, element, image, joined
from .experiment import Experiment

SIDE = 8  # pixels
SHOWN, WRONG = 24, 6


def png(matrix: Any) -> bytes:
    """A gray PNG of a matrix of numbers, from 0 for paper to 1 for ink."""
    pixels = np.round(255 * (1 - np.asarray(matrix))).astype(np.uint8)
    height, width = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)  # each row says that it is not filtered

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)  # 8 bits, gray
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def picture(pixels: Any, alternative: str) -> Markup:
    """An `img` of one digit. The style sheet keeps its pixels sharp."""
    return image(png(pixels.reshape(SIDE, SIDE)), "png", alternative, style=None, width=64, height=64)


def strip(x: Any, labels: Any, word: str, answers: Any = None) -> Markup:
    """The first held-out image of each digit, in a row; below it the answer of the network, if `answers` are given."""
    items = []
    for digit in range(10):
        i = int(np.flatnonzero(labels == digit)[0])
        caption = verdict("answer", int(answers[i]), digit) if answers is not None else element("p", digit)
        items.append(element("li", picture(x[i], f"{word} {digit}"), caption))
    return element("ul", *items, class_="strip")


def chosen(experiment: Experiment) -> tuple[list[int], list[int]]:
    """Held-out images to show: the first ones, and the first after them that are still read wrongly."""
    wrong = np.flatnonzero(experiment.logits_after.argmax(-1) != experiment.rotated.y_test)
    late = [int(i) for i in wrong if i >= SHOWN][:WRONG]
    return list(range(SHOWN - len(late))), late


def grid_words(experiment: Experiment) -> str:
    """What the grid shows, so that nobody takes it for a fair sample."""
    first, late = chosen(experiment)
    wrong = int((experiment.logits_after.argmax(-1) != experiment.rotated.y_test).sum())
    count = f"{wrong} of the {len(experiment.rotated.y_test)} held-out images are still read wrongly."
    if not late:
        return f"The first {len(first)} held-out images; {count}"
    return f"{count} Here are the first {len(first)} of all, and after them {len(late)} of those."


def grid(experiment: Experiment) -> Markup:
    """The chosen images, each with what the network said before and after."""
    before, after = experiment.logits_before.argmax(-1), experiment.logits_after.argmax(-1)
    items = []
    for i in chain(*chosen(experiment)):
        label = int(experiment.rotated.y_test[i])
        caption = joined((verdict("before", int(before[i]), label), verdict("after", int(after[i]), label)))
        digit = picture(experiment.rotated.x_test[i], f"a rotated {label}")
        items.append(element("li", digit, element("div", element("p", f"a {label}", class_="truth"), caption)))
    return element("ul", *items, class_="grid")


def verdict(when: str, answer: int, label: int) -> Markup:
    """What was answered, and whether it is right: by a sign, a word and a color."""
    sign, word = ("✓", "right") if answer == label else ("✗", "wrong")
    mark = element("span", f"{sign} {word}", class_=word)
    return element("p", element("span", when, class_="when"), " ", element("b", answer), " ", mark, class_="verdict")
