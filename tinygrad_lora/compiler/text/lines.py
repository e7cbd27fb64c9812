"""Generated text: names, signatures, constants, and comments that stand in columns."""

import builtins
import keyword
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ...boundary.lines import file_name
from ...core import ComputationNode as Node
from .expressions import literal

LONGEST_CODE = 72  # comments stand to the right of this column, or of the longest line below it
LONGEST_COMMENT = 44
LONGEST_LITERAL = 1000  # numbers; a larger constant is written as its bytes


class Names:
    """A variable for each node: as close to the node's own name as Python allows, and each only once."""

    def __init__(self, reserved: Iterable[str], wanted: Mapping[Node, str] | None = None) -> None:
        self.taken = {"np", *reserved, *dir(builtins), *keyword.kwlist}
        self.wanted = wanted or {}
        self.variables: dict[Node, str] = {}
        self.counts = Counter[str]()

    def define(self, node: Node, letter: str) -> str:
        """The variable of a node that has none yet: its own name, or a letter with a number, counted for each letter.

        x is for inputs, c for constants, w for what is packed, and t for everything else.
        """
        own = self.wanted.get(node) or node.name
        self.variables[node] = variable = self.free(_identifier(own) if own else f"{letter}{self.counts[letter]}")
        self.counts[letter] += 1
        return variable

    def free(self, name: str) -> str:
        """The name, or the name with a number, that is not taken yet; takes it."""
        name = unlike(self.taken, name)
        self.taken.add(name)
        return name


def unlike(taken: Collection[str], name: str) -> str:
    """The name, or the name with a number, that is not among those taken."""
    candidate, n = name, 1
    while candidate in taken:
        n += 1
        candidate = f"{name}_{n}"
    return candidate


def _identifier(text: str) -> str:
    """A variable name as close to `text` as Python allows: "0.lora.A" becomes layer0_lora_A."""
    text = unicodedata.normalize("NFKC", str.__str__(text))  # as Python reads names; plain text, whatever its class
    text = "".join(c if f"x{c}".isidentifier() else " " for c in text)
    text = re.sub(r"\W+", "_", text).strip("_") or "x"
    return text if text.isidentifier() else f"layer{text}"


def signature(name: str, arguments: Iterable[str], indent: str = "") -> str:
    """The line `def name(arguments):`, or several lines where one would be too long."""
    arguments = list(arguments)
    line = f"{indent}def {name}({', '.join(arguments)}):"
    if len(line) <= 100:
        return line
    rows, row = [], f"{indent}   "
    for argument in arguments:
        if len(row) + len(argument) > 96:
            rows.append(row)
            row = f"{indent}   "
        row += f" {argument},"
    return "\n".join([f"{indent}def {name}(", *rows, row, f"{indent}):"])


def module(*parts: str) -> str:
    """Source text of several parts with two empty lines between them; what is empty is left out."""
    return "\n\n\n".join(part.strip("\n") for part in parts if part) + "\n"


class Statement(NamedTuple):
    """A line of code, the comment beside it, and the node that it computes, if it is for one."""

    code: str
    comment: str = ""
    node: Node | None = None


def commented(lines: Iterable[Statement], indent: str = "    ") -> list[str]:
    """Lines of code, each with what it computes and where the user wrote it, in columns."""
    lines = list(lines)
    code_width = min(LONGEST_CODE, max((len(line.code) for line in lines), default=0))
    comment_width = min(LONGEST_COMMENT, max((len(line.comment) for line in lines), default=0))
    texts = []
    for line in lines:
        beside = f"# {line.comment:<{comment_width}}  {_where(line.node)}" if line.comment else ""
        texts.append(f"{indent}{line.code:<{code_width}}  {beside}".rstrip())
    return texts


def _where(node: Node | None) -> str:
    """The file and the line of the user's code that made a node, where it knows them."""
    file, line = (node.origin if node is not None else None) or (None, None)
    return f"{_file(file)}:{line}" if type(file) is str and type(line) is int else ""


@cache
def _file(path: str) -> str:
    """A file name may hold a line break."""
    return one_line(file_name(path))


def columns(rows: Sequence[Sequence[str]], right: Container[int] = (), widest: int = 1000) -> list[str]:
    """Rows of text with aligned columns, some to the right. A cell wider than `widest` shifts its own line only."""
    widths = [min(widest, max(map(len, column))) for column in zip(*rows, strict=True)]
    form = "  ".join(f"{{:{'>' if i in right else '<'}{width}}}" for i, width in enumerate(widths))
    return [form.format(*row).rstrip() for row in rows]


def one_line(text: str) -> str:
    """The text with a space in the place of what does not print."""
    return "".join(c if c.isprintable() else " " for c in text)


def helpers_of(nodes: Iterable[Node]) -> list[str]:
    """The sources of the helper functions that the lines of these nodes call."""
    return list(dict.fromkeys(node.op.prelude for node in nodes if node.op.prelude))


def names_of(helpers: Iterable[str]) -> list[str]:
    """The names that helpers define or import."""
    return re.findall(r"^(?:def|from \S+ import) (\w+)", "\n".join(helpers), re.MULTILINE)


def array_source(value: Any) -> str:
    """An expression that gives exactly this array."""
    array = np.asarray(value)
    dtype = dtype_source(array.dtype)
    if array.size > 2 and array.ndim == 1 and array.dtype.kind in "iu":
        start, step = int(array[0]), int(array[1]) - int(array[0])
        if step and np.array_equal(array, start + step * np.arange(array.size)):
            if (start, step) == (0, 1) and array.dtype == np.int64:
                return f"np.arange({array.size})"
            return f"np.arange({start}, {start + step * array.size}, {step}, dtype={dtype})"
    first = array.reshape(-1)[:1]
    if array.size > 1 and array.tobytes() == first.tobytes() * array.size:  # bytes tell 0.0 from -0.0
        return f"np.full({array.shape}, {literal(first[0].item()).text}, dtype={dtype})"
    if array.size > LONGEST_LITERAL:
        little = array.astype(array.dtype.newbyteorder("<"))
        return f'np.frombuffer(bytes.fromhex("{little.tobytes().hex()}"), "{little.dtype.str}").reshape({array.shape})'
    return f"np.array({_nested(array.tolist())}, dtype={dtype})" + ("" if array.size else f".reshape({array.shape})")


@cache
def dtype_source(dtype: Any) -> str:
    """A dtype as source."""
    return "bool" if dtype.kind == "b" else f"np.{dtype.name}"


def _nested(numbers: Any) -> str:
    """Lists of numbers as source; nan and inf have no literal of their own."""
    return f"[{', '.join(map(_nested, numbers))}]" if isinstance(numbers, list) else literal(numbers).text
