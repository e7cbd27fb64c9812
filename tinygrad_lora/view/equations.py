"""The rule of an operation as plain text: its equation, and its formula with the numbers of one step.

The formula of a gradient is read from the backward rule itself. Run on nodes instead of arrays, the rule gives a small
graph, and the NumPy lines of its operations, substituted into each other, are the formula.
"""

import re
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from ..compiler.report import first_line
from ..compiler.text.expressions import Code, literal, name, written
from ..core import topological_order
from ..core.node import Array, ComputationNode, Op, placeholder
from .contributions import contributions
from .words.markup import Markup, text
from .words.sentences import COLUMNS, ROWS, about_zero, number, one_line, shape_text, short_array

INLINE = 4  # an array of at most this many numbers is written out in a formula; a larger one is its shape

SINGLE = ("Name", "Constant", "Call", "Attribute", "List")  # what needs no brackets after a minus
MOVES = re.compile(r"\b(?:reshape|broadcast_to)\(")  # formulas with these are clearer without numbers

# LaTeX and the plain text for it, replaced in this order. A test covers the equation of every operation and pass.
PLAIN = [
    (r"\\bar\s*\{?(\w)\}?", "\\1\N{COMBINING MACRON}"),
    (r"\\(?:mathrm|text|operatorname)\{([^{}]*)\}", r"\1"),
    (r"\\mathbf\{([^{}]*)\}", r"\1"),
    (r"\\sqrt\s*(?:\{([^{}]*)\}|(\w))", "\N{SQUARE ROOT}\\1\\2"),
    (r"\\frac(\w)(\w)", r"\1/\2"),
    (r"\\langle\s*", "\N{MATHEMATICAL LEFT ANGLE BRACKET}"),
    (r"\s*\\rangle", "\N{MATHEMATICAL RIGHT ANGLE BRACKET}"),
    (r"\^\{?\\top\}?", "\N{MODIFIER LETTER CAPITAL T}"),
    (r"\\,|\\;|~", " "),
    (r"\\dots", "..."),
    (r"\\sum", "\N{N-ARY SUMMATION}"),
    (r"\\partial", "\N{PARTIAL DIFFERENTIAL}"),
    (r"\\circ", "\N{RING OPERATOR}"),
    (r"\\cdot", "\N{DOT OPERATOR}"),
    (r"\\times", "\N{MULTIPLICATION SIGN}"),
    (r"\\([A-Za-z]+)", r"\1"),  # \tanh is tanh
]
PLAIN_SCRIPTS = [
    (r"\^2(?!\d)", "\N{SUPERSCRIPT TWO}"),
    (r"\^\{([^{}]*)\}", r"^(\1)"),
    (r"_\{(\w+)\}", r"_\1"),
    (r"_\{([^{}]*)\}", r"[\1]"),
    (r"[$\\]", ""),
    (r"\s+", " "),
]


def equation(op: Op) -> str:
    """The equation of an operation and of its gradient, from its docstring; without one, its NumPy line."""
    sentence = first_line(type(op))
    return plain(sentence) if "$" in sentence else one_line(f"y = {op.numpy}")


def plain(sentence: str) -> str:
    """A sentence with formulas in LaTeX as plain text."""
    for pattern, replacement in PLAIN + PLAIN_SCRIPTS:
        sentence = re.sub(pattern, replacement, sentence)
    return one_line(sentence)


SCRIPTS = [(r"_(\w)", "sub"), (r"\^(\w)", "sup"), (r"_\{([^{}]*)\}", "sub"), (r"\^\{([^{}]*)\}", "sup")]
WORDS = re.compile("<[^>]*>|&\\w+;|[A-Za-z]+\N{COMBINING MACRON}?")


def typeset(sentence: str) -> Markup:
    """A sentence whose formulas, in LaTeX between dollars, have italic letters, and raised and lowered signs."""
    parts = sentence.split("$")
    return Markup("".join(_html_of(part) if i % 2 else text(part) for i, part in enumerate(parts)))


def _html_of(latex: str) -> str:
    for pattern, replacement in PLAIN:
        latex = re.sub(pattern, replacement, latex)
    words: str = text(latex)
    for pattern, tag in SCRIPTS:
        words = re.sub(pattern, rf"<{tag}>\1</{tag}>", words)
    return WORDS.sub(lambda found: found[0] if _is_word(found[0]) else f"<i>{found[0]}</i>", words)


def _is_word(found: str) -> bool:
    """Whether this is no product of letters: an element, an entity, or the name of a function."""
    return not found[0].isalpha() or (len(found) > 2 and found.isalpha() and found.islower())


def letters(node: ComputationNode, formula: str, labels: Mapping[ComputationNode, str]) -> str:
    """Which node each letter of an equation stands for: `a is x, b is y`; "" where the letters are the names."""
    words = set(re.findall(r"[A-Za-z]\w*", formula.replace("\N{COMBINING MACRON}", "")))
    pairs = [*zip(node.op.operands(len(node.parents)), node.parents, strict=True), ("y", node)]
    nodes_by_letter = [(letter, labels[x]) for name, x in pairs for letter in (name, name.upper()) if letter in words]
    return ", ".join(f"{letter} is {label}" for letter, label in dict(nodes_by_letter).items() if letter != label)


def in_line(array: ArrayLike) -> str:
    """An array on one line: all its numbers if they are few, else its shape, range and mean, and the first ones."""
    array = unsigned_zeros(array)
    lines = [*map(about_zero, short_array(array))]
    if not _written_out(array):
        return f"shape {shape_text(array.shape)}: {', '.join(lines)}"
    return lines[0] if array.ndim < 2 else f"[{', '.join(lines)}]"


def unsigned_zeros(array: ArrayLike) -> Array:
    """The array with 0 for -0, whose sign says nothing to a reader."""
    array = np.asarray(array)
    return array + 0.0 if array.dtype.kind == "f" else array


def _written_out(array: Array) -> bool:
    """Whether `short_array` writes every number of it."""
    rows, columns = (1, 1, *array.shape)[-2:]
    return array.ndim <= 2 and 0 < rows <= ROWS and 0 < columns <= COLUMNS


class NodeFormulas:
    """The formula of each step, once with the labels of its nodes and once with their numbers.

    `labels` names every node; `values` grows while the graph runs.
    """

    def __init__(self, labels: Mapping[ComputationNode, str], values: Mapping[ComputationNode, Array]) -> None:
        self.labels, self.values = labels, values

    def forward(self, node: ComputationNode) -> str:
        """`z = x * y = 3 * 4 = 12`."""
        labels, arrays = [self.labels[p] for p in node.parents], [self.values[p] for p in node.parents]
        named, with_numbers = self._both(lambda codes: written(node.op, node.params, codes).text, labels, arrays)
        return chain(self.labels[node], named, with_numbers, in_line(self.values[node]))

    def sent(self, node: ComputationNode, operand: int, g: Array, part: Array) -> str:
        """`x.gradient += z.gradient * y = 1 * 4 = 4`: one contribution to the gradient of an operand."""
        target = f"{self.labels[node.parents[operand]]}.gradient"
        own = [node, *node.parents]
        gradient, *stand_ins = leaves = [placeholder(x.shape, x.dtype) for x in (node, *own)]
        try:
            parts = {i: x for i, _, x in contributions(node, gradient, dict(zip(own, stand_ins, strict=True)))}
        except TypeError:  # a rule that works on arrays only
            return f"{target} += {in_line(part)}"
        named, with_numbers = self._both(
            lambda codes: _formula(parts[operand], dict(zip(leaves, codes, strict=True))),
            [f"{self.labels[node]}.gradient", *(self.labels[x] for x in own)],
            [g, *(self.values[x] for x in own)],
        )
        return chain(target, named, named if MOVES.search(named) else with_numbers, in_line(part), sign="+=")

    def _both(self, formula: Callable[[list[Code]], str], labels: list[str], arrays: list[Array]) -> tuple[str, str]:
        """A formula with labels for its variables, and with numbers. A label may be any text, so it is put in last."""
        marked = _tidied(formula([name(f"mark{i}_") for i in range(len(labels))]))
        named = re.sub(r"\bmark(\d+)_", lambda m: labels[int(m[1])], marked)
        return named, _tidied(formula([_number_code(array) for array in arrays]))


def chain(first: str, *rest: str, sign: str = "=") -> str:
    """`x = a = b`, without repeating a text that equals the one before."""
    different = [text for i, text in enumerate(rest) if i == 0 or text != rest[i - 1]]
    return f"{first} {sign} {' = '.join(different)}"


def _formula(result: ComputationNode, leaves: Mapping[ComputationNode, Code]) -> str:
    """The NumPy lines of a small graph, substituted into each other."""
    codes = dict(leaves)
    for node in topological_order([result]):
        if node.parents:
            codes[node] = _written(node, [codes[p] for p in node.parents])
        elif node not in codes:
            codes[node] = literal(node.value.item()) if not node.shape else _number_code(node.value)
    return codes[result].text


def _written(node: ComputationNode, operands: list[Code]) -> Code:
    """The NumPy line of an operation; -x instead of x * -1, and x instead of x**1."""
    match node.op.name, node.params:
        case "scale", {"factor": -1}:
            text, level = operands[0]
            return Code(f"-{text}" if level in SINGLE else f"-({text})", "USub")
        case "power", {"exponent": 1}:
            return operands[0]
    return written(node.op, node.params, operands)


def _number_code(array: ArrayLike) -> Code:
    """An array in a formula: its numbers if they are few, else its shape."""
    array = unsigned_zeros(array)
    if array.ndim == 0:
        text = number(array[()])
        if array.dtype.kind == "c":
            return Code(f"({text})", "")
        return Code(text, "USub" if text[0] == "-" else "Constant" if text[0].isdigit() else "Name")
    if array.size <= INLINE and _written_out(array):
        return Code(in_line(array), "List")
    return Code(shape_text(array.shape), "Tuple")


def _tidied(formula: str) -> str:
    """The formula without `np.`, and with long numbers cut to four digits."""
    return re.sub(r"\d+\.\d{5,}(?:e-?\d+)?", lambda m: number(float(m[0])), re.sub(r"\bnp\.(?=[a-z])", "", formula))
