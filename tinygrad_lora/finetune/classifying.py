"""Teaching an encoder to tell classes of texts apart."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..compiler import CompiledFunction, compile
from ..core import ComputationNode
from ..core.ops import cast, greater
from ..errors import ModelError
from ..library import cross_entropy, reshape, sum
from ..models.text.tokens import padded
from ..nn import Layer, Linear
from .batches import batch_of
from .examples import Labeled, digest
from .probe import accuracy_of_probe
from .training import TrainingSettings

PADDING = 0  # the number of [PAD] in the vocabularies: so the tokens themselves say where they end
LONGEST = 128  # tokens of a text; what is more is cut off
AT_ONCE = 64  # texts that are judged together


class Pooled(Layer):
    r"""$v = \frac1n \sum_t h_t$: an encoder, and the mean of its vectors over the tokens that are not padding."""

    takes_indices = True

    def __init__(self, encoder: Any) -> None:
        self.encoder = encoder

    def __call__(self, tokens: ComputationNode) -> ComputationNode:
        is_token = greater(tokens, PADDING)
        weights = reshape(cast(is_token, dtype=str(self.dtype)), (*tokens.shape, 1))
        return sum(self.encoder(tokens, is_token) * weights, 1) / sum(weights, 1)


class Classifier(Layer):
    r"""$y = v W + b$: from tokens (batch, time) to a score for each class, (batch, classes)."""

    takes_indices = True

    def __init__(self, encoder: Any, classes: int, seed: int = 0) -> None:
        self.pooled = Pooled(encoder)
        self.head = Linear(encoder.config.hidden_size, classes, seed=seed, dtype=encoder.dtype)

    def __call__(self, tokens: ComputationNode) -> ComputationNode:
        return self.head(self.pooled(tokens))


class Classifying:
    """Texts to classes: adapters in the encoder, and a linear layer on the mean of its vectors.

    `reader` has the network as `model` and its `tokenizer`. With `together` k, each k examples that follow one another
    are learned from in the same step. Raises ModelError unless there are two classes at least in the examples to learn
    from, and no others in those to test with.
    """

    warmup = 0.05

    def __init__(
        self, reader: Any, learned: Sequence[Labeled], tested: Sequence[Labeled], name: str = "minilm",
        seed: int = 0, together: int = 1,
    ) -> None:  # fmt: skip
        self.network, self.name, self.together = reader.model, name, together
        self.learned, self.tested = list(learned), list(tested)
        self.classes = sorted({example.label for example in self.learned})
        if len(self.classes) < 2:
            raise ModelError(f"there is nothing to tell apart: the labels are {self.classes}")
        if not self.tested:
            raise ModelError("no example is left to test with: give at least 3")
        if unknown := sorted({e.label for e in self.tested} - set(self.classes)):
            raise ModelError(f"there are no examples to learn the label {unknown[0]!r} from")
        rows = [reader.tokenizer.encode(e.text, LONGEST) for e in (*self.learned, *self.tested)]
        tokens = padded(rows, PADDING).tokens
        labels = np.array([self.classes.index(e.label) for e in (*self.learned, *self.tested)])
        n = len(self.learned)
        self.tokens, self.labels, self.test_tokens, self.test_labels = tokens[:n], labels[:n], tokens[n:], labels[n:]
        self._classifier = Classifier(self.network, len(self.classes), seed)
        self._vectors, self._scores = compile(self._classifier.pooled), compile(self._classifier)

    @property
    def model(self) -> Classifier:
        """The encoder with its linear layer."""
        return self._classifier

    def loss(self, output: ComputationNode, target: Any) -> ComputationNode:
        """The cross-entropy of the classes."""
        return cross_entropy(output, target)

    def batch(self, step: int, settings: TrainingSettings) -> tuple[Any, Any]:
        """Tokens (batch, longest text) and labels (batch,)."""
        k, n = self.together, len(self.labels)
        groups = batch_of(step, max(1, (settings.batch or n) // k), n // k, settings.seed)
        chosen = (groups[:, None] * k + np.arange(k)).reshape(-1)
        return self.tokens[chosen], self.labels[chosen]

    def digest(self) -> str:
        """A fingerprint of the examples."""
        return digest([*self.learned, *self.tested])

    def accuracy(self) -> float:
        """The part of the tested examples that the classifier gets right now."""
        return float((_by_parts(self._scores, self.test_tokens).argmax(-1) == self.test_labels).mean())

    def probe_accuracy(self, most: int = 1000) -> float:
        """The same of a linear classifier on the vectors as they are now, fitted to at most so many examples."""
        x, test_x = (_by_parts(self._vectors, tokens) for tokens in (self.tokens[:most], self.test_tokens))
        return accuracy_of_probe(x, self.labels[:most], test_x, self.test_labels)


def _by_parts(run: CompiledFunction, tokens: Any) -> Any:
    """The output for all rows; the last part is filled up, so that one program serves all."""
    n = len(tokens)
    whole = np.concatenate([tokens, np.repeat(tokens[:1], -n % AT_ONCE, axis=0)])
    return np.concatenate([run(whole[i : i + AT_ONCE]) for i in range(0, len(whole), AT_ONCE)])[:n]
