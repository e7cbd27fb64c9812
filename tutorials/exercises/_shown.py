"""Whether a picture shows anything, and whether a text has the habits of one. Both are easy to deceive."""

import io
import re

import numpy as np

LETTERS, LENGTHS, SENTENCES = (3.2, 12.0), 6, 3  # of different words: letters on average, and how many lengths
# What is seen in HTML or SVG; a text in which there is no tag is an image in base64.
DRAWN = re.compile(
    r"<(img|path|rect|circle|ellipse|line|polyline|polygon|text|use|image|canvas|td|iframe|script)\b|^[^<]{100,}$"
)


def shows(picture, way):
    """Whether something is seen when a notebook asks in this way."""
    if way == "savefig":
        getattr(picture, way)(file := io.BytesIO())
        return bool(file.getvalue()) and np.size(getattr(picture, "axes", 1)) > 0
    made = getattr(picture, way)()
    made = made[0] if isinstance(made, tuple) else made
    parts = made if isinstance(made, dict) else {way: made}
    seen = [part for kind, part in parts.items() if kind != "text/plain"]
    return any(bool(DRAWN.search(part)) if isinstance(part, str) else bool(part) for part in seen)


def habits_of(text, words):
    """How long its words are, how many lengths they have, and how many sentences there are; whether that is usual."""
    mean, lengths = sum(map(len, words)) / len(words), len({*map(len, words)})
    sentences = len(re.findall(r"\w[^\w\s]*[.!?…](?:\W|$)|[。！？]", text))
    usual = LETTERS[0] <= mean <= LETTERS[1] and lengths >= LENGTHS and sentences >= SENTENCES
    return f"words of {mean:.1f} letters on average, of {lengths} lengths, in {sentences} sentences", usual
