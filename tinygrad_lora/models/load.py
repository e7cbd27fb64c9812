"""Fetched models, ready to use: weights read and checked, networks filled, tokenizers beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError, ModelFileError
from ..interop.safetensors import load_safetensors
from .bert import BertModel
from .chat import ChatModel
from .configured import check_plausible
from .files.cache import model_file
from .files.gguf import read_gguf
from .files.llama_cpp import chat_tokenizer, configuration, hugging_face_tensors
from .filling import fill
from .llama import LlamaForCausalLM
from .sentences import SentenceEncoder
from .text.wordpiece import WordPiece

MINILM_LONGEST = 256  # tokens: what it was trained with


def load_minilm(dtype: Any = np.float32) -> SentenceEncoder:
    """all-MiniLM-L6-v2: `load_minilm().encode(texts)` gives a vector of length 1 for each sentence, (sentences, 384).

    Raises ModelError, which says how to fetch it, if it is not on this machine, and ModelFileError if a file of it is
    damaged; ImportError without the safetensors package.
    """
    try:
        tensors = load_safetensors(model_file("minilm", "model.safetensors"))
    except FormatError as problem:
        raise ModelFileError(str(problem)) from None
    config = _read_config(model_file("minilm", "config.json"), tensors)
    model = BertModel.from_config(config, seed=0, dtype=dtype)
    fill(model, tensors)
    tokenizer = WordPiece.from_file(model_file("minilm", "vocab.txt"))
    return SentenceEncoder(model, tokenizer, MINILM_LONGEST)


def load_smollm2(dtype: Any = np.float32, capacity: int = 512) -> ChatModel:
    """SmolLM2-135M-Instruct: `load_smollm2().reply("What is the capital of France?")` answers.

    The weights, in 4 and 8 bits in the file, become floats of this dtype. A conversation has at most `capacity` tokens.
    Raises ModelError, which says how to fetch it, if it is not on this machine, and ModelFileError if the file is
    damaged.
    """
    with read_gguf(model_file("smollm2", "model.gguf")) as file:
        config = configuration(file)
        check_plausible(file.name, config, [info.shape for info in file.tensors.values()])
        model = LlamaForCausalLM.from_config(config, seed=0, dtype=dtype)
        fill(model, hugging_face_tensors(file, config, dtype))
        return ChatModel(model, chat_tokenizer(file), capacity)


def _read_config(path: Path, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a network with these weights."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as problem:
        raise ModelFileError(f"{path}: this is not JSON ({problem})") from None
    if not isinstance(config, dict):
        raise ModelFileError(f"{path}: a configuration is an object, not {type(config).__name__}")
    check_plausible(path, config, [np.shape(array) for array in tensors.values()], "max_position_embeddings")
    return config
