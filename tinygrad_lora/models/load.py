"""Fetched models, ready to use: weights read and checked, networks filled, tokenizers beside them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelFileError, ShapeError
from ..files import read_json, reading
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
LARGEST_CONFIG = 4 * 2**20  # bytes


def load_minilm(dtype: Any = np.float32) -> SentenceEncoder:
    """all-MiniLM-L6-v2: `load_minilm().encode(texts)` gives a vector for each sentence.

    dtype: that of the weights, such as np.float32
    Returns a `SentenceEncoder`: `encode` gives an array (sentences, 384) of vectors of length 1.
    Raises ModelError, which says how to fetch it, if it is not on this machine, and ModelFileError if a file of it is
    damaged; ImportError without the safetensors package.

    >>> vectors = tl.load_minilm().encode(["A cat sleeps.", "A kitten naps.", "Stocks fell."])  # doctest: +SKIP
    >>> (vectors @ vectors[0]).round(2)  # doctest: +SKIP
    array([1.  , 0.71, 0.01], dtype=float32)
    """
    return read_encoder(model_file("minilm", "model.safetensors").parent, dtype)


def read_encoder(folder: Path, dtype: Any = np.float32) -> SentenceEncoder:
    """A BERT from the three files in a folder. Raises ModelFileError, which names the one that is damaged."""
    weights, config, vocabulary = (folder / name for name in ("model.safetensors", "config.json", "vocab.txt"))
    with reading(weights, ModelFileError):
        tensors = load_safetensors(weights)
    with reading(config, ModelFileError):
        model = BertModel.from_config(_read_config(config, tensors), seed=0, dtype=dtype)
    with reading(weights, ModelFileError):
        fill(model, tensors)
    tokenizer = WordPiece.from_file(vocabulary)
    if len(tokenizer) > model.config.vocab_size:
        raise ModelFileError(f"{vocabulary}: {len(tokenizer)} pieces, and {weights} knows {model.config.vocab_size}")
    return SentenceEncoder(model, tokenizer, MINILM_LONGEST)


def load_smollm2(dtype: Any = np.float32, capacity: int = 512) -> ChatModel:
    """SmolLM2-135M-Instruct: `load_smollm2().reply("What is the capital of France?")` answers.

    dtype: what the weights, in 4 and 8 bits in the file, become
    capacity: the longest conversation, in tokens
    Returns a `ChatModel`.
    Raises ModelError, which says how to fetch it, if it is not on this machine, and ModelFileError if the file is
    damaged.

    >>> tl.load_smollm2().reply("What is the capital of France?")  # doctest: +SKIP
    'The capital of France is Paris.'
    """
    return read_chat(model_file("smollm2", "model.gguf"), dtype, capacity)


def read_chat(path: Path, dtype: Any = np.float32, capacity: int = 512) -> ChatModel:
    """A Llama that was taught to talk, from its one file. Raises ModelFileError, which names it, if it is damaged."""
    with reading(path, ModelFileError), read_gguf(path) as file:
        config = configuration(file)
        check_plausible(file.name, config, [info.shape for info in file.tensors.values()])
        tokenizer = chat_tokenizer(file, config["vocab_size"])
        model = LlamaForCausalLM.from_config(config, seed=0, dtype=dtype)
        fill(model, hugging_face_tensors(file, config, dtype))
    with reading(path, ShapeError):
        return ChatModel(model, tokenizer, capacity)


def _read_config(path: Path, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a network with these weights."""
    config = read_json(path, LARGEST_CONFIG)
    if not isinstance(config, dict):
        raise ModelFileError(f"{path}: a configuration is an object, not {type(config).__name__}")
    check_plausible(path, config, [np.shape(array) for array in tensors.values()], "max_position_embeddings")
    return config
