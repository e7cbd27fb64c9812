r"""How much each number of a model matters to the loss, learned beside the numbers."""

from collections.abc import Iterable, Sequence
from typing import Any

from ....core import ComputationNode
from ....core.ops import sign
from ...checks import check_number
from ...optim import AdamW, Lists, Rate


class Importance(AdamW):
    r"""$I \leftarrow \beta I + (1 - \beta)\,s$ and $U \leftarrow \beta U + (1 - \beta)\,|s - I|$.

    $s = |\theta\,\bar\theta|$ is about how much the loss would change without this number: its sensitivity. This is
    AdamW that keeps, for each number, a running mean of s, the importance I, and one of how uncertain that is, U. The
    other arguments are those of AdamW.
    Source: Zhang et al. 2023, section 3.2 (arXiv:2303.10512).
    """

    elementwise = True

    def __init__(
        self, parameters: Iterable[ComputationNode], lr: Rate = 1e-3, *, beta: float = 0.85, **options: Any
    ) -> None:
        super().__init__(parameters, lr, **options)
        self.beta = check_number(beta, "beta", 0, 1)
        self.slots += [self._zeros("importance"), self._zeros("uncertainty")]

    def update(self, parameters: Sequence[Any], gradients: Sequence[Any], state: Sequence[Any], rate: Any) -> Lists:
        n, b = len(parameters), self.beta
        new, own = super().update(parameters, gradients, [*state[: 2 * n], *state[4 * n :]], rate)
        sizes = [_size(p * g) for p, g in zip(new, gradients, strict=True)]
        means = [b * i + (1 - b) * s for i, s in zip(state[2 * n : 3 * n], sizes, strict=True)]
        off = [_size(s - i) for s, i in zip(sizes, means, strict=True)]
        unsure = [b * u + (1 - b) * d for u, d in zip(state[3 * n : 4 * n], off, strict=True)]
        return new, [*own[: 2 * n], *means, *unsure, *own[2 * n :]]


def _size(x: Any) -> Any:
    return x * sign(x)
