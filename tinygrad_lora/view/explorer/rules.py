"""The rule behind each pass: its equation, why it is legal, and its own source."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...compiler.pipeline import PASSES
from ..equations import plain

LEGAL = {
    "fold_constants": "No input reaches these operations, so every run would compute the same number. It is computed "
    "once, now.",
    "simplify": "These are identities of arithmetic: they hold for every number. Shape and dtype must stay as they "
    "are, or the rule does not apply.",
    "expand_powers": "A whole power is a product by definition. Multiplying is exact to the last digit or so, and much "
    "faster than a general power.",
    "merge_duplicates": "An operation has no side effects. On equal operands it gives an equal result, so one of them "
    "can serve all users.",
    "flatten_products": "Each row of a product depends on its own row alone. Whether the rows come as a stack of "
    "matrices or as one tall matrix makes no difference to them.",
    "raise_reshapes": "An elementwise operation treats each element by itself. A reshape keeps the elements and their "
    "order, so the two may change places.",
    "narrow_takes": "An element of an elementwise result depends on the same element of each operand alone. What is "
    "not taken need not be computed.",
    "join_scatters": "Adding zero changes nothing. Where all but a few elements are zero, adding these few is enough.",
    "sink_transposes": "Row i of a transposed product is column i of the product: the same sums, with the factors in "
    "the opposite order.",
    "distribute_products": "Multiplication distributes over addition. Where the sum is not needed for anything else, "
    "each of its terms may be multiplied on its own, and a term that is a product can then be bracketed anew.",
    "rebracket": "Matrix multiplication is associative: every bracketing gives the same matrix. The sizes of the "
    "matrices decide which one needs the fewest multiplications.",
    "drop_shifts": "A number that is added to every score moves the largest of them just as far, so it cancels in the "
    "difference.",
    "square_powers": "Matrix multiplication is associative, so a power may be put together from smaller powers, each "
    "of them computed once.",
    "factor_products": "Matrix multiplication distributes over addition, and backwards: a factor that two products "
    "share can be factored out, and the other factors added first.",
    "separate_sums": "Sums may be taken in any order. What does not depend on an index is a common factor of the sum "
    "over it.",
    "collect_factors": "Multiplication distributes over addition. A common factor can be factored out and multiplied "
    "once.",
    "fold_scales": "A product is linear in each factor. A number may scale the left factor, the right one or the "
    "result, whichever is smallest.",
    "inner_products": "The sum of an elementwise product is an inner product by definition. BLAS multiplies and adds "
    "at once and never stores the product.",
    "fuse_elementwise": "A result that is used once has no other reader. Its expression can stand right where it is "
    "used.",
    "fuse_numbers": "A result that is used once has no other reader. Its expression can stand right where it is used.",
    "repeat_rows": "Broadcasting means: add b to every row. A matrix that holds b in every row says the same.",
    "raise_transposes": "An elementwise operation treats each element by itself, wherever it stands. It may run before "
    "or after the transpose.",
    "sums_as_products": "Adding up a row is its inner product with ones. So all rows together are a product with a "
    "vector of ones.",
}
UNKNOWN = "A pass of your own: the measured difference is the evidence."


@dataclass(frozen=True)
class Rule:
    """A pass explained."""

    name: str
    equation: str  # the first sentence of its docstring, in plain characters
    more: str  # the rest of its docstring
    legal: str
    source: str  # "" where Python cannot find it


def rule_of(name: str, passes: Iterable[Sequence[Any]] = ()) -> Rule:
    """The rule of the pass called `name`, which is one of the compiler's or one of `passes`."""
    rows = [*passes, PASSES.values()]
    function = next((p for row in rows for p in row if p.__name__ == name), None)
    first, _, more = (inspect.getdoc(function) or "").partition("\n")
    ours = getattr(function, "__module__", "").partition(".")[0] == __name__.partition(".")[0]
    return Rule(name, plain(first), plain(more), LEGAL.get(name, UNKNOWN) if ours else UNKNOWN, _source(function))


def _source(function: Any) -> str:
    try:
        return inspect.getsource(function).rstrip()
    except (OSError, TypeError):
        return ""
