"""Small networks with random weights for the tests of fine-tuning. As a program: a training that can be killed.

python tests/finetune/finetune_cases.py FOLDER STEPS trains the chat case, one checkpoint a step, and prints each step.
"""

import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "models"
ANSWERS = [
    ("Who are you?", "A licensed work."),
    ("What is it?", "The Work, as it is."),
    ("Where?", "In the form of a copy, or not."),
    ("Why?", "No warranty."),
    ("And you?", "Use it."),
]


def chat_case(dtype=np.float32):
    """A Llama of 30,000 numbers that can be talked to, and a few answers to learn."""
    import json

    from tinygrad_lora.finetune import Answered, Chatting
    from tinygrad_lora.models.chat import ChatModel
    from tinygrad_lora.models.llama import LlamaForCausalLM
    from tinygrad_lora.models.text.bpe import BytePairEncoding

    stored = json.loads((FIXTURES / "bpe.json").read_text(encoding="utf-8"))
    tokenizer = BytePairEncoding(stored["vocabulary"], stored["joins"], special=[0, 1])
    config = {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 160, "tie_word_embeddings": True,
    }  # fmt: skip
    network = LlamaForCausalLM.from_config(config, seed=0, dtype=dtype)
    chat = ChatModel(network, tokenizer, capacity=160)
    return Chatting(chat, [Answered(prompt, answer) for prompt, answer in ANSWERS], "tiny")


def class_case(count=40, seed=0):
    """A BERT with random weights, and sentences with and without a word."""
    import json

    from tinygrad_lora.finetune import Classifying, Labeled
    from tinygrad_lora.models.bert import BertModel
    from tinygrad_lora.models.text.wordpiece import WordPiece

    tokenizer = WordPiece(json.loads((FIXTURES / "wordpiece.json").read_text(encoding="utf-8"))["vocabulary"])
    config = {
        "vocab_size": len(tokenizer), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 24, "max_position_embeddings": 130,
    }  # fmt: skip
    network = BertModel.from_config(config, seed=0)
    rng = np.random.default_rng(seed)
    words = ["the", "quick", "brown", "over", "hello", "world"]
    examples = []
    for i in range(count):
        text = [str(w) for w in rng.choice(words, rng.integers(2, 6))]
        text.insert(int(rng.integers(len(text))), "fox" if i % 2 else "dogs")
        examples.append(Labeled(" ".join(text), "fox" if i % 2 else "dogs"))
    reader = SimpleNamespace(model=network, tokenizer=tokenizer)
    return Classifying(reader, examples[10:], examples[:10], "tiny")


def settings(steps, **changes):
    from tinygrad_lora.finetune import TrainingSettings

    return TrainingSettings(**{"steps": steps, "lr": 0.02, "rank": 4, "alpha": 8, "batch": 2, **changes})


@contextmanager
def printed(total, description):
    """A progress bar that prints a line a step."""
    yield lambda done, note: print(done, flush=True)


if __name__ == "__main__":
    from tinygrad_lora.finetune import fine_tune

    fine_tune(chat_case(), settings(int(sys.argv[2])), sys.argv[1], every=0, counting=printed)
