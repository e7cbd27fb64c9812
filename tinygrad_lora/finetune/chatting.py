"""Teaching a chat model new answers."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..core import ComputationNode, constant
from ..core.ops import cast, take
from ..errors import ModelError
from ..library import log_softmax, sum
from ..models.chat import ChatModel
from ..models.text.tokens import padded
from ..nn.adapters.model.switching import disabled, merge_all, unmerge_all
from .batches import batch_of
from .examples import Answered, digest
from .training import TrainingSettings

LONGEST = 256  # tokens of a prompt and its answer together


class Chatting:
    r"""$L = -\frac1n \sum_t \ln p(\text{token}_t \mid \text{those before it})$ over the tokens of the answers alone.

    The prompts are seen, and not learned. Raises ModelError that names an example which is too long.
    """

    warmup = 0.0

    def __init__(self, chat: ChatModel, examples: Sequence[Answered], name: str = "smollm2") -> None:
        self.chat, self.examples, self.name = chat, list(examples), name
        self.network = chat.model
        pairs = [self._tokens(example) for example in self.examples]
        self.rows = [prompt + answer for prompt, answer in pairs]
        self.starts = [len(prompt) for prompt, _ in pairs]
        self.width = max(map(len, self.rows))

    def _tokens(self, example: Answered) -> tuple[list[int], list[int]]:
        prompt = self.chat.tokens(example.prompt)
        answer = [*self.chat.tokenizer.encode(example.answer), self.chat.stop]
        if len(prompt) + len(answer) > LONGEST:
            problem = f"the example {example.prompt[:40]!r} has {len(prompt) + len(answer)} tokens with its answer"
            raise ModelError(f"{problem}, and at most {LONGEST} are trained on: shorten it")
        return prompt, answer

    @property
    def model(self) -> Any:
        """The network without its head: the head is computed for the answers' tokens alone."""
        return self.network.model

    def loss(self, output: ComputationNode, target: Any) -> ComputationNode:
        """`target` (n, 4) holds sample, position, the token after it, and 1; or 0 for a row that only fills up."""
        rows = target if isinstance(target, ComputationNode) else constant(target)
        scores = log_softmax(self.network.logits(self.network.at(output, rows[:, 0], rows[:, 1])))
        chosen = take(scores, constant(np.arange(rows.shape[0])), rows[:, 2])
        counts = cast(rows[:, 3], dtype=str(output.dtype))
        return -sum(chosen * counts) / sum(counts)

    def batch(self, step: int, settings: TrainingSettings) -> tuple[Any, Any]:
        """Tokens (batch, width), and for each token of an answer where it is: (n, 4), the same n in every step."""
        size = min(settings.batch or len(self.rows), len(self.rows))
        chosen = batch_of(step, size, len(self.rows), settings.seed)
        tokens = padded([self.rows[i] for i in chosen], self.chat.stop, self.width).tokens
        wanted: list[tuple[int, int, int, int]] = []
        for sample, i in enumerate(chosen):
            wanted += [(sample, at - 1, self.rows[i][at], 1) for at in range(self.starts[i], len(self.rows[i]))]
        lengths = sorted((len(row) - start for row, start in zip(self.rows, self.starts, strict=True)), reverse=True)
        longest = int(np.sum(lengths[:size]))
        return tokens, np.array(wanted + [(0, 0, 0, 0)] * (longest - len(wanted)))

    def digest(self) -> str:
        """A fingerprint of the examples."""
        return digest(self.examples)

    def answers(self, questions: Iterable[str], longest: int = 48) -> list[str]:
        """What the model answers now."""
        return [self.chat.reply(question, longest) for question in questions]

    def answers_without(self, questions: Iterable[str], longest: int = 48) -> list[str]:
        """What it answers with the adapter switched off."""
        with disabled(self.network):
            return self.answers(questions, longest)

    def answers_merged(self, questions: Iterable[str], longest: int = 48) -> list[str]:
        """What it answers when the adapter is part of the weights; they are put back afterwards."""
        merge_all(self.network)
        try:
            return self.answers(questions, longest)
        finally:
            unmerge_all(self.network)
