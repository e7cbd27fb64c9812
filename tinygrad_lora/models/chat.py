"""Conversations with a language model: who said what as text, and answers that come word by word."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import ModelError
from .generation import CachedDecoder
from .text.bpe import BytePairEncoding

START, END = "<|im_start|>", "<|im_end|>"
ROLES = ("system", "user", "assistant")
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
# How the file itself says that a conversation is written: what `chat_text` does, in the language of templates.
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    f"{{{{ '{START}system\n{SYSTEM}{END}\n' }}}}"
    "{% endif %}"
    f"{{{{'{START}' + message['role'] + '\n' + message['content'] + '{END}' + '\n'}}}}"
    "{% endfor %}"
    f"{{% if add_generation_prompt %}}{{{{ '{START}assistant\n' }}}}{{% endif %}}"
)

Message = Mapping[str, str]


def chat_pieces(messages: Sequence[Message], answer: bool = True) -> Iterator[str]:
    """A conversation as SmolLM2 was trained on it, cut around the marks; see `chat_text`."""
    if not isinstance(messages, Sequence):
        raise TypeError(f"a conversation is a string or a list of messages, not {type(messages).__name__}")
    for message in messages:
        if not isinstance(message, Mapping) or set(message) != {"role", "content"} or message["role"] not in ROLES:
            raise ValueError(f"a message has a role ({', '.join(ROLES)}) and a content, unlike {message!r}")
        if not isinstance(message["content"], str):
            raise TypeError(f"the content of a message is a string, not {type(message['content']).__name__}")
    if not messages or messages[0]["role"] != "system":
        messages = [{"role": "system", "content": SYSTEM}, *messages]
    for message in messages:
        yield from (START, f"{message['role']}\n{message['content']}", END, "\n")
    if answer:
        yield from (START, "assistant\n")


def chat_text(messages: Sequence[Message], answer: bool = True) -> str:
    """A conversation as SmolLM2 was trained on it; with `answer`, it ends where the assistant is to go on.

    A message is a dict: {"role": "user", "content": "Hello"}. Without a system message the usual one goes first.

    >>> print(chat_text([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]))
    <|im_start|>system
    Be brief.<|im_end|>
    <|im_start|>user
    Hello<|im_end|>
    <|im_start|>assistant
    <BLANKLINE>
    """
    return "".join(chat_pieces(messages, answer))


class ChatModel:
    """A language model, its tokenizer, and the manner in which it was taught to talk.

    `reply("Hello")` gives its answer, `stream("Hello")` gives it piece by piece. `model` is the network: adapt it,
    train it; the next answer is that of the new weights.
    """

    def __init__(self, model: Any, tokenizer: BytePairEncoding, capacity: int = 512) -> None:
        self.model, self.tokenizer, self.capacity = model, tokenizer, capacity
        self.stop = tokenizer.special.numbers[END]
        self._decoder = CachedDecoder(model, capacity=capacity)

    def __repr__(self) -> str:
        return f"ChatModel({self.model!r}, at most {self.capacity} tokens)"

    def tokens(self, said: str | Sequence[Message], answer: bool = True) -> list[int]:
        """The token numbers of a conversation, or of one thing that a user says.

        What looks like a special token in a message is text: nobody can end a message, or speak for others, in one.
        """
        messages: Sequence[Message] = [{"role": "user", "content": said}] if isinstance(said, str) else said
        marks = self.tokenizer.special.numbers
        numbers: list[int] = []
        for piece in chat_pieces(messages, answer):
            numbers += [marks[piece]] if piece in (START, END) else self.tokenizer.encode(piece)
        return numbers

    def stream(
        self, said: str | Sequence[Message], longest: int = 128, temperature: float = 0.0, seed: int | None = None,
        *, top_k: int | None = None, top_p: float | None = None,
    ) -> Iterator[str]:  # fmt: skip
        """The answer piece by piece, as it is found: at most `longest` tokens.

        With temperature 0 it is always the most probable token; above, tokens are drawn as by `tl.sample`, and `seed`
        makes that repeatable. Raises ModelError if the conversation and the answer do not fit into the model's memory.
        """
        tokens = self.tokens(said)
        if len(tokens) + longest > self.capacity:
            problem = f"the conversation has {len(tokens)} tokens, and {longest} more may be answered"
            remedy = "shorten one of them, or load the model with a larger capacity"
            raise ModelError(f"{problem}: together at most {self.capacity}; {remedy}")
        options: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
        return self.tokenizer.decode_each(self._decoder.generate(tokens, longest, stop=(self.stop,), **options))

    def reply(
        self, said: str | Sequence[Message], longest: int = 128, temperature: float = 0.0, seed: int | None = None,
        *, top_k: int | None = None, top_p: float | None = None,
    ) -> str:  # fmt: skip
        """The whole answer, as `stream` gives it."""
        return "".join(self.stream(said, longest, temperature, seed, top_k=top_k, top_p=top_p))
