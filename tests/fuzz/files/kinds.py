"""The table of file kinds: how a good one is made, who reads it, what it must be equal to, and how it is spoilt."""

from __future__ import annotations

import json
import os
import shutil
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

import tinygrad_lora as tl
from tinygrad_lora import errors
from tinygrad_lora.commands.grade import seed_of
from tinygrad_lora.finetune.checkpoint import load_checkpoint, save_checkpoint
from tinygrad_lora.finetune.examples import Answered, Labeled, read_examples
from tinygrad_lora.finetune.word_order import movie_sentences
from tinygrad_lora.grading.grading import empty
from tinygrad_lora.grading.kept import read_kept, write_kept
from tinygrad_lora.grading.submissions import Submission, files_of, read
from tinygrad_lora.interop.peft import load_adapter
from tinygrad_lora.interop.safetensors import load_safetensors, save_safetensors
from tinygrad_lora.learn.progress import VARIABLE, hints_taken, progress, remembered
from tinygrad_lora.learn.tutorials import Tutorial
from tinygrad_lora.models.bert import BertModel
from tinygrad_lora.models.chat import TEMPLATE
from tinygrad_lora.models.files.gguf import read_gguf
from tinygrad_lora.models.load import read_chat, read_encoder
from tinygrad_lora.models.text.wordpiece import WordPiece

from . import plain
from .mutations import BYTES, Change, change_archive, change_header, change_json, change_line

TESTS = Path(__file__).resolve().parents[2]
sys.path.append(str(TESTS / "interop"))  # where pytest finds it, too
from peft_table import CONFIGURATIONS, model  # noqa: E402

PEFT, MODELS = TESTS / "fixtures" / "peft", TESTS / "fixtures" / "models"
REFUSALS = (errors.FormatError, errors.ModelError, errors.ExerciseError, errors.TutorialError, errors.ShapeError)


@dataclass(frozen=True)
class Kind:
    """`make` writes good files into an empty folder; `files` are those to spoil, each with its own ways.

    `start` makes what the reader changes, `read(folder, start)` reads, `expected(folder, start)` is what an accepted
    file must give, and `state(start)` must be the same after a refusal. `silent`: this reader passes over what it
    cannot read, and gives what is left. `makes`: where there is no file, it makes one.
    """

    name: str
    make: Callable[[Path], Any]
    files: dict[str, list[Change]]
    read: Callable[[Path, Any], Any]
    expected: Callable[[Path, Any], Any]
    start: Callable[[], Any] = lambda: None
    state: Callable[[Any], Any] = lambda start: None
    same: Callable[[Any, Any], bool] | None = None
    silent: bool = False
    makes: bool = False


def equal(one: Any, other: Any) -> bool:
    """Whether two values are the same, NaN like NaN, arrays in dtype, shape and bits."""
    if isinstance(one, np.ndarray | np.generic) or isinstance(other, np.ndarray | np.generic):
        one, other = np.asarray(one), np.asarray(other)
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and (one == other or one != one)


# --- safetensors ---

ARRAYS = {
    "b.weight": np.arange(6.0).reshape(2, 3), "a": np.float32([1.5, -2.0]), "half": np.float16([[0.1]]),
    "count": np.array(7), "none": np.zeros((0, 4), np.float32), "yes": np.array([True, False]),
    "ünïcode 漢字 🙂": np.uint8([255]), "complex": np.complex64([1j]),
}  # fmt: skip


def make_arrays(folder: Path) -> None:
    save_safetensors(folder / "x.safetensors", ARRAYS, {"format": "pt", "about": "a test"})


def make_halves(folder: Path) -> None:
    header = {"x": {"dtype": "BF16", "shape": [3, 3], "data_offsets": [0, 18]}, "__metadata__": {"a": "b"}}
    text = json.dumps(header).encode()
    halves = np.arange(9, dtype="<u2") * 7000
    (folder / "x.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + halves.tobytes())


def small_network() -> Any:
    return tl.Sequential(tl.Linear(3, 3, seed=1), tl.relu, tl.Linear(3, 2, seed=2, dtype=np.float32))


def parameters(layer: Any) -> dict[str, Any]:
    return {name: np.array(p.value) for name, p in layer.named_parameters().items()}


def everything(layer: Any) -> Any:
    """All that loading may change of a model."""
    layers = [(name, id(part), type(part).__name__) for name, part in layer.named_layers().items()]
    flags = [(name, id(p), p.requires_gradient) for name, p in layer.named_parameters().items()]
    return layers, flags, parameters(layer)


def read_into(folder: Path, layer: Any) -> Any:
    load_safetensors(folder / "x.safetensors", layer)
    return parameters(layer)


def expected_into(folder: Path, layer: Any) -> Any:
    arrays, dtypes = plain.safetensors(folder / "x.safetensors"), {"0": np.float64, "2": np.float32}
    return {n: (a.T if n.endswith("weight") else a).astype(dtypes[n[0]]) for n, a in arrays.items()}


SAFETENSORS = [change_header] * 10 + BYTES

# --- GGUF ---

UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY, UINT64, FLOAT64 = 4, 5, 6, 7, 8, 9, 10, 12
Entry = tuple[str, int, bytes]
Tensor = tuple[str, Sequence[int], int, bytes]


def string(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def strings(texts: Sequence[str]) -> bytes:
    return struct.pack("<IQ", STRING, len(texts)) + b"".join(map(string, texts))


def gguf_bytes(metadata: Sequence[Entry], tensors: Sequence[Tensor], alignment: int = 32) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    head += b"".join(string(name) + struct.pack("<I", kind) + raw for name, kind, raw in metadata)
    body, heads = bytearray(), [head]
    for name, shape, kind, raw in tensors:
        body += b"\0" * (-len(body) % alignment)
        axes = struct.pack(f"<I{len(shape)}Q", len(shape), *[n % 2**64 for n in shape[::-1]])
        heads.append(string(name) + axes + struct.pack("<IQ", kind, len(body)))
        body += raw
    head = b"".join(heads)
    return head + b"\0" * (-len(head) % alignment) + bytes(body)


@cache
def tensors_of_llama() -> tuple[list[Entry], list[Tensor]]:
    """A network of 20,000 numbers in all four formats, and its tokenizer."""
    stored = json.loads((MODELS / "bpe.json").read_text(encoding="utf-8"))
    tokens, rng, width, heads, kv, inner = stored["vocabulary"], np.random.default_rng(0), 32, 4, 2, 64
    types = np.array([3, 3] + [1] * (len(tokens) - 2), "<i4")
    numbers = {
        "vocab_size": len(tokens), "embedding_length": width, "feed_forward_length": inner, "block_count": 1,
        "attention.head_count": heads, "attention.head_count_kv": kv, "context_length": 64,
        "rope.dimension_count": width // heads,
    }  # fmt: skip
    metadata: list[Entry] = [("general.architecture", STRING, string("llama"))]
    metadata += [(f"llama.{name}", UINT32, struct.pack("<I", n)) for name, n in numbers.items()]
    floats = {"rope.freq_base": 10000.0, "attention.layer_norm_rms_epsilon": 1e-5}
    metadata += [(f"llama.{name}", FLOAT32, struct.pack("<f", x)) for name, x in floats.items()]
    metadata += [
        ("tokenizer.ggml.model", STRING, string("gpt2")), ("tokenizer.ggml.pre", STRING, string("smollm")),
        ("tokenizer.ggml.tokens", ARRAY, strings(tokens)), ("tokenizer.ggml.merges", ARRAY, strings(stored["joins"])),
        ("tokenizer.ggml.token_type", ARRAY, struct.pack("<IQ", INT32, len(types)) + types.tobytes()),
        ("tokenizer.chat_template", STRING, string(TEMPLATE)), ("general.alignment", UINT32, struct.pack("<I", 32)),
        ("extra.flag", BOOL, b"\1"), ("extra.nested", ARRAY, struct.pack("<IQ", ARRAY, 1) + strings(["x"])),
    ]  # fmt: skip
    part = width // heads * kv
    shapes = {
        "token_embd": (len(tokens), width), "output_norm": (width,), "blk.0.attn_norm": (width,),
        "blk.0.attn_q": (width, width), "blk.0.attn_k": (part, width), "blk.0.attn_v": (part, width),
        "blk.0.attn_output": (width, width), "blk.0.ffn_norm": (width,), "blk.0.ffn_gate": (inner, width),
        "blk.0.ffn_up": (inner, width), "blk.0.ffn_down": (width, inner),
    }  # fmt: skip
    tensors: list[Tensor] = []
    for i, (name, shape) in enumerate(shapes.items()):
        kind, count = (0 if len(shape) == 1 else (8, 3, 1, 0)[i % 4]), int(np.prod(shape))
        numbers_of = rng.normal(0, 0.1, count)
        if kind == 8:
            raw = b"".join(np.float16(0.01).tobytes() + rng.bytes(32) for _ in range(count // 32))
        elif kind == 3:
            raw = b"".join(np.float16([0.02, -0.1]).tobytes() + rng.bytes(16) for _ in range(count // 32))
        else:
            raw = numbers_of.astype("<f2" if kind else "<f4").tobytes()
        tensors.append((f"{name}.weight", shape, kind, raw))
    return metadata, tensors


def make_gguf(folder: Path) -> None:
    (folder / "x.gguf").write_bytes(gguf_bytes(*tensors_of_llama()))


def change_gguf(data: bytes, rng: np.random.Generator) -> bytes:
    """The file written anew with an entry or a tensor that is another, twice, or not there."""
    metadata, tensors = map(list, tensors_of_llama())
    if rng.random() < 0.6:
        at = int(rng.integers(len(metadata)))
        name, kind, raw = metadata[at]
        raws = [
            (FLOAT32, struct.pack("<f", x)) for x in (np.inf, -np.inf, np.nan, 0.0, -1.0, 1e-45, 3e38, 2.5, 32.0)
        ] + [(FLOAT64, struct.pack("<d", x)) for x in (1e300, 5e-324, np.inf)]
        raws += [(UINT32, struct.pack("<I", n)) for n in (0, 1, 2, 3, 5, 6, 32, 64, 600, 2**31, 2**32 - 1)]
        raws += [(INT32, struct.pack("<i", n)) for n in (-1, -4, 4)]
        raws += [(UINT64, struct.pack("<Q", n)) for n in (2**63, 2**64 - 1, 1)]
        raws += [(STRING, string(text)) for text in ("", "x", "llama", "4", b"\xff", "a" * 100_000)]
        raws += [(ARRAY, strings(texts)) for texts in ([], ["a"], ["a"] * 600, [f"t{i}" for i in range(600)])]
        raws += [(ARRAY, struct.pack("<IQ", INT32, n) + b"\3\0\0\0" * n) for n in (0, 600)]
        raws += [(ARRAY, struct.pack("<IQ", ARRAY, 1) * depth + b"\4\0\0\0" + b"\0" * 8) for depth in (2, 3, 4, 200)]
        raws += [(BOOL, b"\1"), (BOOL, b"\2"), (99, b""), (kind, raw)]
        changes = [(name, *raws[int(rng.integers(len(raws)))])] * (1 if rng.random() < 0.9 else 2)
        if rng.random() < 0.1:
            changes = [(str(rng.choice(["", "general.alignment", "x" * 70_000, "\n\x1b[31m"])), kind, raw)]
        metadata[at : at + 1] = [] if rng.random() < 0.05 else changes
    else:
        at = int(rng.integers(len(tensors)))
        name, shape, kind, raw = tensors[at]
        act = rng.integers(6)
        if act == 0:
            shapes = [
                shape[::-1],
                (*shape, 1),
                (1, *shape),
                (int(np.prod(shape)),),
                (0, 32),
                (2**40, 2**30),
                (2**64 - 1, 32),
                (33,),
            ]
            shape = shapes[int(rng.integers(len(shapes)))]
        elif act == 1:
            kind = int(rng.integers(40))
        elif act == 2:
            name = str(rng.choice(["output.weight", "blk.0.attn_q.weight", "blk.9.attn_q.weight", "blk.٣.attn_q.weight",
                                   "blk.00.attn_q.weight", "", "x", "rope_freqs.weight", "a" * 70_000]))  # fmt: skip
        elif act == 3:
            places = np.frombuffer(raw, "<u2").copy()
            places[int(rng.integers(len(places)))] = rng.choice([0x7C00, 0xFC00, 0x7E00, 0x7F80, 0xFFFF])
            raw = places.tobytes()
        elif act == 4:
            tensors.append(tensors[int(rng.integers(len(tensors)))])
        tensors[at : at + 1] = [] if act == 5 else [(name, shape, kind, raw)]
    return gguf_bytes(metadata, tensors)


def read_tensors(folder: Path, _: Any) -> Any:
    with read_gguf(folder / "x.gguf") as file:
        tensors = {name: file.array(name) for name in file.tensors}
        return as_plain(file.metadata), tensors


def as_plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: as_plain(part) for key, part in value.items()}
    return (
        [as_plain(part) for part in value]
        if isinstance(value, list | np.ndarray)
        else getattr(value, "item", lambda: value)()
    )


def in_torch_order(network: Any) -> dict[str, Any]:
    linear = {id(x.weight) for x in network.named_layers().values() if isinstance(x, tl.Linear)}
    return {n: p.value.T if id(p) in linear else p.value for n, p in network.named_parameters().items()}


def read_network(folder: Path, _: Any) -> Any:
    chat = read_chat(folder / "x.gguf", capacity=16)
    config, linear = (
        chat.model.config,
        {id(x.weight) for x in chat.model.named_layers().values() if isinstance(x, tl.Linear)},
    )
    weights = {n: p.value.T if id(p) in linear else p.value for n, p in chat.model.named_parameters().items()}
    tokenizer = chat.tokenizer
    chat.tokens("Who are you?")
    tokenizer.decode(range(len(tokenizer)), special=True)
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
             "num_key_value_heads", "max_position_embeddings", "rope_theta")  # fmt: skip
    return {
        "config": {name: getattr(config, name) for name in names}, "tokens": tokenizer.vocabulary,
        "special": sorted(tokenizer.special.names), "weights": weights, "epsilon": np.float32(config.rms_norm_eps),
    }  # fmt: skip


def same_network(ours: Any, theirs: Any) -> bool:
    theirs["weights"].pop("lm_head.weight", None) if "lm_head.weight" not in ours["weights"] else None
    ours["config"] = {name: float(n) for name, n in ours["config"].items()}
    theirs["config"] = {name: float(n) for name, n in theirs["config"].items()}
    return equal(ours, theirs)


# --- Adapters ---


def make_adapter(row: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for file in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copy(PEFT / row / file, folder)

    return make


def read_adapter(folder: Path, layer: Any) -> Any:
    load_adapter(layer, folder)
    adapted = {}
    for path, part in layer.named_layers().items():
        if "lora" in getattr(part, "adapters", {}) and hasattr(part.adapters["lora"], "scaling"):
            own = part.adapters["lora"]
            A, B = (getattr(own, name, None) for name in ("lora_A", "lora_B"))
            A, B = (own.lora_embedding_A, own.lora_embedding_B) if A is None else (A, B)
            adapted[path] = A.value, B.value, float(own.scaling)
    layer.forward(np.zeros((1, *layer.input_shape), np.int64 if layer.takes_indices else np.float64))
    return adapted


def expected_adapter(folder: Path, layer: Any) -> Any:
    return plain.adapter(folder, list(layer.named_layers()))


def same_adapter(ours: Any, theirs: Any) -> bool:
    return ours.keys() == theirs.keys() and all(
        all(
            np.array_equal(mine, yours.astype(mine.dtype))
            for mine, yours in zip(ours[path][:2], theirs[path][:2], strict=True)
        )
        and np.isclose(ours[path][2], theirs[path][2], rtol=1e-12)
        for path in ours
    )


def adapters() -> list[Kind]:
    rows = [
        "plain", "dora", "patterns", "regex", "modules_to_save", "layers_to_transform", "bias_all", "fan_in_fan_out",
        "rslora", "embedding", "exclude", "float32", "olora", "lora_bias",
    ]  # fmt: skip
    files = {"adapter_config.json": [change_json] * 20 + BYTES, "adapter_model.safetensors": SAFETENSORS}
    return [
        Kind(
            f"adapter {row}", make_adapter(row), files, read_adapter, expected_adapter,
            start=lambda row=row: model(CONFIGURATIONS[row]), state=everything, same=same_adapter,
        )
        for row in rows
    ]  # fmt: skip


# --- Checkpoints ---

FINGERPRINT = "f" * 64


@cache
def trained() -> tuple[Any, Any]:
    layer = small_network()
    optimizer = tl.AdamW(list(layer.named_parameters().values()), lr=0.01)
    layer.forward(np.ones((2, 3)))
    layer.backward(np.ones((2, 2), np.float32))
    optimizer.step()
    return layer, optimizer


def make_checkpoint(folder: Path) -> None:
    layer, optimizer = trained()
    save_checkpoint(folder / "checkpoint.npz", FINGERPRINT, layer.named_parameters(), optimizer, [0.5, 0.25, 0.125])


def untrained() -> Any:
    layer = small_network()
    return layer, tl.AdamW(list(layer.named_parameters().values()), lr=0.01)


def state_of_training(start: Any) -> Any:
    layer, optimizer = start
    return {f"parameter {n}": a for n, a in parameters(layer).items()} | {
        f"state {i}": np.array(node.value) for i, node in enumerate(optimizer.state)
    }


def read_checkpoint(folder: Path, start: Any) -> Any:
    layer, optimizer = start
    losses = load_checkpoint(folder / "checkpoint.npz", FINGERPRINT, layer.named_parameters(), optimizer)
    assert optimizer.steps == len(losses)
    return state_of_training(start) | {"losses": np.array(losses), "fingerprint": np.array(FINGERPRINT)}


# --- Texts ---


def make_vocabulary(folder: Path) -> None:
    stored = json.loads((MODELS / "wordpiece.json").read_text(encoding="utf-8"))["vocabulary"]
    (folder / "vocab.txt").write_text("\n".join(stored) + "\n", encoding="utf-8")


BERT = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24, "vocab_size": 234,
    "max_position_embeddings": 30, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu",
    "model_type": "bert", "position_embedding_type": "absolute",
}  # fmt: skip
SIZES = "hidden_size", "num_attention_heads", "layer_norm_eps", "hidden_act"


@cache
def bert() -> dict[str, Any]:
    return {n: np.ascontiguousarray(a) for n, a in in_torch_order(BertModel.from_config(BERT, seed=0)).items()}


def make_encoder(folder: Path) -> None:
    make_vocabulary(folder)
    (folder / "config.json").write_text(json.dumps(BERT, indent=1), encoding="utf-8")
    save_file(bert(), folder / "model.safetensors")


def read_bert(folder: Path, _: Any) -> Any:
    encoder = read_encoder(folder)
    network = encoder.model
    linear = {id(x.weight) for x in network.named_layers().values() if isinstance(x, tl.Linear)}
    weights = {n: p.value.T if id(p) in linear else p.value for n, p in network.named_parameters().items()}
    sizes = {name: getattr(network.config, name) for name in SIZES}
    return {"weights": weights, "vocabulary": encoder.tokenizer.vocabulary, "sizes": sizes}


def expected_bert(folder: Path, _: Any) -> Any:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8-sig"))
    defaults = {"layer_norm_eps": 1e-12, "hidden_act": "gelu"}
    sizes = {name: defaults[name] if config.get(name) is None and name in defaults else config[name] for name in SIZES}
    weights = plain.safetensors(folder / "model.safetensors")
    weights = {
        n: a.astype(np.float32)
        for n, a in weights.items()
        if not n.endswith(("position_ids", "inv_freq", "lm_head.weight"))
    }
    return {"weights": weights, "vocabulary": plain.vocabulary(folder / "vocab.txt"), "sizes": sizes}


RECORDS = [
    {"time": 1.5, "exercise": "04-topo", "test": f"test {i}", "passed": i % 2 == 0, "points": 1} for i in range(8)
]


def make_progress(folder: Path) -> None:
    text = "".join(json.dumps(record) + "\n" for record in [*RECORDS, {"time": 2, "exercise": "04-topo", "hint": 1}])
    (folder / "progress.jsonl").write_text(text, encoding="utf-8")


def read_progress(folder: Path, _: Any) -> Any:
    os.environ[VARIABLE] = str(folder / "progress.jsonl")
    try:
        records = list(remembered())
        if len(records) < 1000:  # else each of them takes its time: one reading is measured
            hints_taken("04-topo")
            str(progress())
    finally:
        del os.environ[VARIABLE]
    return records


def expected_progress(folder: Path, _: Any) -> Any:
    path = folder / "progress.jsonl"
    if not path.is_file() or path.stat().st_size >= 2**30:
        return [], []
    records = [x for x in plain.lines(path) if isinstance(x, dict) and isinstance(x.get("exercise"), str)]
    written = [x for x in RECORDS if json.dumps(x).encode() in path.read_bytes().split(b"\n")]
    return records, written


def same_progress(ours: Any, theirs: Any) -> bool:
    """No record is made up, and of the lines that are as they were written, none is left out."""
    records, written = theirs
    texts = [*map(json.dumps, ours)]
    return {*texts} <= {*map(json.dumps, records)} and {*map(json.dumps, written)} <= {*texts}


EXERCISES = ["04-topo"]


def make_result(folder: Path) -> None:
    write_kept(folder / "kept.json", full_marks())


def full_marks() -> dict[str, Any]:
    result = empty(EXERCISES, "a sentence")
    for row in result["results"]:
        row |= {"passed": True, "points": row["out_of"], "diagnosis": None, "seconds": 0.25}
    return result | {"points": result["out_of"], "seconds": 1.5}


def read_result(folder: Path, _: Any) -> Any:
    return read_kept(folder / "kept.json", empty(EXERCISES, "")) or full_marks()


def code(name: str, metadata: dict[str, Any], source: str | list[str]) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": metadata, "source": source, "id": name}


CELLS: list[dict[str, Any]] = [
    {"cell_type": "markdown", "metadata": {}, "source": ["# Title"], "id": "a"},
    code("b", {}, ["import numpy as np\n", "x = 1"])
    | {"outputs": [{"data": {"image/png": "iVBORw0KGgo=", "x": [[1]]}}]},
    code("04-topo-answer", {"tinygrad_lora": {"role": "answer"}}, "def f():\n    return 'ü'"),
    code("c", {"tinygrad_lora": {"role": "check"}}, "check('04-topo', f)"),
    code("d", {"nbgrader": {"grade": True, "solution": False}}, "assert f()"),
]


def make_notebook(folder: Path) -> None:
    book = {"cells": CELLS, "metadata": {"kernelspec": {"name": "python3"}}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "student.ipynb").write_text(json.dumps(book, indent=1), encoding="utf-8")


def read_notebook(folder: Path, _: Any) -> Any:
    path = folder / "student.ipynb"
    assert len(Submission("s", (path,)).digest) == 64
    if not path.is_file() or path.stat().st_size < 2**20:  # of a large one, one reading is measured
        files, notes = files_of([path])
        assert len(files) + len(notes) == 1 and all(note.startswith(path.name) for note in notes)
    sources, _ = read(path)
    return [text for _, text in sources]


def same_cells(ours: list[str], theirs: list[str]) -> bool:
    """Equal but for magics, which a change may make: they are comments, and a cell in another language is empty."""
    marks = ("%", "!", "?")
    return len(ours) == len(theirs) and all(
        one == other or any(mark in other for mark in marks) for one, other in zip(ours, theirs, strict=True)
    )


def make_tutorial(folder: Path) -> None:
    make_notebook(folder)
    (folder / "student.ipynb").rename(folder / "04_x.ipynb")


def make_examples(kind: type[Any]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        one, two = kind.__dataclass_fields__
        rows = [{one: f"Who is {i}? ü🙂", two: f"Number {i}."} for i in range(6)] + [{one: "x", two: "y\u2028z"}]
        text = "\n".join(json.dumps(row, ensure_ascii=i % 2 == 0) for i, row in enumerate(rows)) + "\n"
        (folder / "examples.jsonl").write_text(text, encoding="utf-8")

    return make


def expected_examples(folder: Path, _: Any) -> Any:
    rows = plain.lines(folder / "examples.jsonl")
    return [{k: str(v) if k == "label" and type(v) is int else v for k, v in row.items()} for row in rows]


def make_reviews(folder: Path) -> None:
    rows = [f'"a film that is good in part {i}, ""and"" more",rotten_tomatoes,{i % 2}' for i in range(5)]
    (folder / "reviews.csv").write_text("\n".join(["text,source,label", *rows, "x,imdb,1"]) + "\n", encoding="utf-8")


def make_seed(folder: Path) -> None:
    (folder / "seed.txt").write_text("1234567\n", encoding="ascii")


KINDS = [
    Kind(
        "safetensors", make_arrays, {"x.safetensors": SAFETENSORS},
        lambda folder, _: load_safetensors(folder / "x.safetensors"),
        lambda folder, _: plain.safetensors(folder / "x.safetensors"),
    ),
    Kind(
        "safetensors BF16", make_halves, {"x.safetensors": SAFETENSORS},
        lambda folder, _: load_safetensors(folder / "x.safetensors"),
        lambda folder, _: plain.safetensors(folder / "x.safetensors"),
    ),
    Kind(
        "safetensors into a model", lambda folder: save_safetensors(folder / "x.safetensors", small_network()),
        {"x.safetensors": SAFETENSORS}, read_into, expected_into, start=small_network, state=everything,
    ),
    Kind("GGUF", make_gguf, {"x.gguf": [change_gguf] * 10 + BYTES}, read_tensors,
         lambda folder, _: (plain.gguf(folder / "x.gguf"))),
    Kind("GGUF as a model", make_gguf, {"x.gguf": [change_gguf] * 20 + BYTES}, read_network,
         lambda folder, _: plain.llama(folder / "x.gguf"), same=same_network),
    *adapters(),
    Kind(
        "checkpoint", make_checkpoint, {"checkpoint.npz": [change_archive] * 14 + BYTES}, read_checkpoint,
        lambda folder, _: plain.checkpoint(folder / "checkpoint.npz"), start=untrained, state=state_of_training,
    ),
    Kind("vocabulary", make_vocabulary, {"vocab.txt": BYTES},
         lambda folder, _: WordPiece.from_file(folder / "vocab.txt").vocabulary,
         lambda folder, _: plain.vocabulary(folder / "vocab.txt")),
    Kind("encoder", make_encoder,
         {"config.json": [change_json] * 20 + BYTES, "model.safetensors": SAFETENSORS, "vocab.txt": BYTES},
         read_bert, expected_bert),
    Kind("progress", make_progress, {"progress.jsonl": [change_line] * 14 + BYTES}, read_progress, expected_progress,
         same=same_progress, silent=True),
    Kind("kept grades", make_result, {"kept.json": [change_json] * 14 + BYTES}, read_result,
         lambda folder, _: full_marks(), silent=True),
    Kind("notebook", make_notebook, {"student.ipynb": [change_json] * 14 + BYTES}, read_notebook,
         lambda folder, _: plain.code_cells(folder / "student.ipynb"), same=same_cells),
    Kind("tutorial", make_tutorial, {"04_x.ipynb": [change_json] * 14 + BYTES},
         lambda folder, _: Tutorial(folder / "04_x.ipynb").cells,
         lambda folder, _: list(json.loads((folder / "04_x.ipynb").read_text("utf-8-sig"))["cells"])),
    *(
        Kind(f"examples {kind.__name__}", make_examples(kind), {"examples.jsonl": [change_line] * 14 + BYTES},
             lambda folder, _, kind=kind: [vars(x) for x in read_examples(folder / "examples.jsonl", kind)],
             expected_examples)
        for kind in (Answered, Labeled)
    ),
    Kind("reviews", make_reviews, {"reviews.csv": BYTES}, lambda folder, _: movie_sentences(folder / "reviews.csv"),
         lambda folder, _: plain.reviews(folder / "reviews.csv")),
    Kind("seed", make_seed, {"seed.txt": BYTES}, lambda folder, _: seed_of(folder),
         lambda folder, _: int((folder / "seed.txt").read_bytes().decode(errors="replace").strip()), makes=True),
]  # fmt: skip
