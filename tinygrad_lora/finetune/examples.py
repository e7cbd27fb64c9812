"""Examples to learn from: a file with one JSON object a line."""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..errors import ModelError
from ..files import parse_json, read_bytes, reading

LARGEST_FILE, MOST_LINES = 64 * 2**20, 100_000  # bytes and lines: training on so much takes days here
PERSONA = Path(__file__).with_name("persona.jsonl")


@dataclass(frozen=True)
class Answered:
    """Something that a user says, and what the model is to answer."""

    prompt: str
    answer: str


@dataclass(frozen=True)
class Labeled:
    """A text, and the class that it belongs to."""

    text: str
    label: str


Example = TypeVar("Example", Answered, Labeled)


def read_examples(path: str | os.PathLike[str], kind: type[Example]) -> list[Example]:
    """The examples of a file, one a line: objects like {"prompt": ..., "answer": ...}, or {"text": ..., "label": ...}.

    A line ends at a line feed, and nowhere else; empty ones are skipped. A label may be a whole number. Raises
    ModelError that names the line for one that is not such an object, or is empty where it must not be, and for more
    than 100,000 lines; OSError if the file cannot be read.
    """
    file = Path(path)
    with reading(file, ModelError):
        text = read_bytes(file, LARGEST_FILE).decode("utf-8-sig")
        lines = text.split("\n")  # JSON may hold what else `splitlines` splits at
        if len(lines) > MOST_LINES:
            raise ModelError(f"{file} has {len(lines)} lines; at most {MOST_LINES} are read")
        examples = [_example(line, kind, f"{file}, line {i}") for i, line in enumerate(lines, 1) if line.strip()]
        if not examples:
            raise ModelError(f"{file} has no examples: write one JSON object a line, such as {_shape(kind)}")
    return examples


def _example(line: str, kind: type[Example], where: str) -> Example:
    wanted = list(kind.__dataclass_fields__)
    with reading(where, ModelError):
        entry: Any = parse_json(line)
    if not isinstance(entry, dict) or set(entry) != set(wanted):
        raise ModelError(f"{where}: an example is an object such as {_shape(kind)}, and nothing else in it")
    if type(entry.get("label")) is int:  # not bool
        entry["label"] = str(entry["label"])
    for name in wanted:
        if not isinstance(entry[name], str) or not entry[name].strip():
            raise ModelError(f"{where}: {name!r} must be a text that is not empty, not {entry[name]!r:.60}")
    return kind(**entry)


def _shape(kind: type[Any]) -> str:
    return json.dumps(dict.fromkeys(kind.__dataclass_fields__, "..."))


def digest(examples: Iterable[Answered | Labeled]) -> str:
    """A fingerprint of the examples and their order."""
    return hashlib.sha256(json.dumps([asdict(example) for example in examples]).encode()).hexdigest()


def split(examples: Sequence[Example], held_out: float = 0.2, seed: int = 0) -> tuple[list[Example], list[Example]]:
    """Examples to learn from, and examples to test with: a part of them, drawn at random."""
    order = [examples[i] for i in np.random.default_rng(seed).permutation(len(examples))]
    tested = round(held_out * len(examples))
    return order[tested:], order[:tested]
