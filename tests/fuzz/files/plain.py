"""Readers that believe everything, and know nothing of the package: what an accepted file must be equal to."""

from __future__ import annotations

import csv
import json
import math
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

Plain = dict[str, Any]


def safetensors(path: Path) -> Plain:
    """Arrays by name; a BF16 is the upper half of a float32."""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    codes = {"F64": "f8", "F32": "f4", "F16": "f2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1", "U64": "u8",
             "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "?", "C64": "c8", "BF16": "u2"}  # fmt: skip
    arrays = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            array = np.array(np.frombuffer(body[start:end], "<" + codes[entry["dtype"]]).reshape(entry["shape"]))
            if entry["dtype"] == "BF16":
                array = (array.astype(np.uint32) << 16).view(np.float32)
            arrays[name] = array
    return arrays


# --- GGUF ---

NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


def gguf(path: Path) -> tuple[Plain, Plain]:
    """The metadata, and the tensors as float32."""
    data, at = path.read_bytes(), 8

    def take(code: str) -> Any:
        nonlocal at
        value = struct.unpack_from("<" + code, data, at)[0]
        at += struct.calcsize("<" + code)
        return value

    def string() -> str:
        nonlocal at
        size = take("Q")
        at += size
        return data[at - size : at].decode()

    def value(kind: int) -> Any:
        if kind == 8:
            return string()
        if kind == 9:
            inner, length = take("I"), take("Q")
            return [value(inner) for _ in range(length)]
        return take(NUMBERS[kind])

    tensors, entries = take("Q"), take("Q")
    metadata = {}
    for _ in range(entries):
        name = string()
        metadata[name] = value(take("I"))
    infos = []
    for _ in range(tensors):
        name = string()
        shape = [take("Q") for _ in range(take("I"))][::-1]
        infos.append((name, shape, take("I"), take("Q")))
    alignment = metadata.get("general.alignment", 32)
    start = (at + alignment - 1) // alignment * alignment
    return metadata, {name: tensor(data, start + offset, shape, kind) for name, shape, kind, offset in infos}


def tensor(data: bytes, at: int, shape: list[int], kind: int) -> Any:
    """One tensor, number by number where it has blocks."""
    count = math.prod(shape)
    if kind in (0, 1):
        return np.frombuffer(data, "<f4" if kind == 0 else "<f2", count, at).astype(np.float32).reshape(shape)
    values = []
    for _ in range(count // 32):
        if kind == 8:
            scale = np.float32(np.frombuffer(data, "<f2", 1, at)[0])
            values += [scale * np.float32(q) for q in struct.unpack_from("<32b", data, at + 2)]
            at += 34
        elif kind == 3:
            scale, least = np.frombuffer(data, "<f2", 2, at).astype(np.float32)
            pairs = data[at + 4 : at + 20]
            values += [scale * np.float32(q) + least for q in [*(p % 16 for p in pairs), *(p // 16 for p in pairs)]]
            at += 20
        else:
            raise ValueError(f"format {kind}")
    return np.array(values, np.float32).reshape(shape)


def llama(path: Path) -> Plain:
    """The configuration, tokenizer and weights of a network in a GGUF file, weights as Hugging Face has them."""
    metadata, tensors = gguf(path)
    names = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
             "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
             "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}  # fmt: skip
    heads = {"attn_q": metadata["llama.attention.head_count"], "attn_k": metadata["llama.attention.head_count_kv"]}
    weights = {}
    for name, array in tensors.items():
        parts = name.split(".")
        if parts[0] == "blk":
            if parts[2] in heads:  # rows 0, 1, 2, 3 of a head were rows 0, n/2, 1, n/2 + 1
                size = len(array) // heads[parts[2]]
                rows = [h * size + 2 * (i % (size // 2)) + i // (size // 2) for h in range(len(array) // size)
                        for i in range(size)]  # fmt: skip
                array = array[rows]
            name = f"model.layers.{parts[1]}.{names[parts[2]]}.weight"
        else:
            name = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}[parts[0]]
            name += ".weight"
        weights[name] = array
    numbers = {key: metadata[f"llama.{name}"] for key, name in [
        ("vocab_size", "vocab_size"), ("hidden_size", "embedding_length"), ("intermediate_size", "feed_forward_length"),
        ("num_hidden_layers", "block_count"), ("num_attention_heads", "attention.head_count"),
        ("num_key_value_heads", "attention.head_count_kv"), ("max_position_embeddings", "context_length"),
        ("rope_theta", "rope.freq_base"),
    ]}  # fmt: skip
    special = [i for i, kind in enumerate(metadata["tokenizer.ggml.token_type"]) if kind == 3]
    tokens = metadata["tokenizer.ggml.tokens"]
    return {"config": numbers, "tokens": tokens, "special": special, "weights": weights,
            "epsilon": np.float32(metadata["llama.attention.layer_norm_rms_epsilon"])}  # fmt: skip


# --- Adapters ---


def adapter(folder: Path, layers: list[str]) -> Plain:
    """By the path of each adapted layer: A and B in row convention, and the scale."""
    options = {"lora_alpha": 8, "r": 8} | json.loads((folder / "adapter_config.json").read_text())
    tensors = safetensors(folder / "adapter_model.safetensors")
    adapters = {}
    for path in layers:
        for a, b in (("lora_A.weight", "lora_B.weight"), ("lora_embedding_A", "lora_embedding_B")):
            if f"base_model.model.{path}.{a}" in tensors:
                A, B = tensors[f"base_model.model.{path}.{a}"].T, tensors[f"base_model.model.{path}.{b}"].T
                patterns = options.get("alpha_pattern") or {}
                fitting = [k for k in patterns if re.match(rf"(.*\.)?({k})$", path)]
                alpha = patterns[fitting[0]] if fitting else options["lora_alpha"]
                rank = A.shape[1]
                adapters[path] = A, B, alpha / math.sqrt(rank) if options.get("use_rslora") else alpha / rank
    return adapters


# --- Texts ---


def checkpoint(path: Path) -> Plain:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def vocabulary(path: Path) -> list[str]:
    with path.open(encoding="utf-8") as file:
        return [line.removesuffix("\n") for line in file]


def lines(path: Path) -> list[Any]:
    """The JSON value in each line that holds one."""
    values = []
    for line in path.read_bytes().decode("utf-8-sig", "replace").split("\n"):
        try:
            values.append(json.loads(line))
        except (ValueError, RecursionError):
            continue
    return values


def code_cells(path: Path) -> list[str]:
    """The text of the code cells of a notebook but for those that only check; it has no magics."""
    sources = []
    for cell in json.loads(path.read_bytes().decode("utf-8-sig"))["cells"]:
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            about, source = cell.get("metadata"), cell.get("source")
            marks = about if isinstance(about, dict) else {}
            own = marks.get("tinygrad_lora") if isinstance(marks.get("tinygrad_lora"), dict) else {}
            other = marks.get("nbgrader") if isinstance(marks.get("nbgrader"), dict) else {}
            if own.get("role") == "check" or (other.get("grade") is True and other.get("solution") is not True):
                continue
            if isinstance(source, list):
                source = "".join(part for part in source if isinstance(part, str))
            sources.append(source if isinstance(source, str) else "")
    return sources


def reviews(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file) if row["source"] == "rotten_tomatoes"]
    return [text for text in texts if 6 <= len(text.split()) <= 18]
