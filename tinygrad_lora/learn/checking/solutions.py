"""From the reference solution to what the student gets: the same text without what is to be written.

`# BEGIN SOLUTION` and `# END SOLUTION` stand around what is taken out, as nbgrader and Otter spell it.
"""

import ast
import inspect
import io
import re
import textwrap
import tokenize
from typing import Any

BEGIN, END = "# BEGIN SOLUTION", "# END SOLUTION"
STUB = 'raise NotImplementedError("write your code here")'


def source_of(thing: Any, name: str | None = None) -> str:
    """The text of a function or class, without its decorators; called `name` if that is given."""
    source = textwrap.dedent(inspect.getsource(thing))
    node = ast.parse(source).body[0]
    lines = source.splitlines()[node.lineno - 1 :]
    if name is not None:
        lines[0] = re.sub(r"^(def|class)\s+\w+", rf"\1 {name}", lines[0], count=1)
    return "\n".join(lines).rstrip() + "\n"


def marked(source: str) -> str:
    """The text with marks: where the author set none, the body of a function after its docstring is the solution."""
    if BEGIN in source:
        return source
    node = ast.parse(source).body[0]
    if not isinstance(node, ast.FunctionDef):
        raise ValueError(f"put {BEGIN} and {END} around what the student is to write")
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    lines, first = source.splitlines(), body[0].lineno - 1
    indent = " " * body[0].col_offset
    return "\n".join([*lines[:first], indent + BEGIN, *lines[first:], indent + END]) + "\n"


def unmarked(source: str) -> str:
    """The text with its solutions, and without the marks."""
    lines = source.splitlines(keepends=True)
    return "".join(line for line in lines if line.strip() not in (BEGIN, END))


def stripped(source: str) -> str:
    """The text without its solutions: inside a function a line that raises, at the margin `name = ...`."""
    kept: list[str] = []
    block: list[str] | None = None
    for number, line in enumerate(source.splitlines(), start=1):
        mark = line.strip()
        if mark == BEGIN:
            if block is not None:
                raise ValueError(f"line {number}: {BEGIN} inside a solution")
            block = []
        elif mark == END:
            if block is None:
                raise ValueError(f"line {number}: {END} without {BEGIN}")
            indent = line[: len(line) - len(line.lstrip())]
            kept += [indent + STUB] if indent else _blanks("\n".join(block))
            block = None
        else:
            (kept if block is None else block).append(line)
    if block is not None:
        raise ValueError(f"{BEGIN} without {END}")
    return "\n".join(kept) + "\n"


def _blanks(source: str) -> list[str]:
    """What is left of a solution at the margin: names without values, functions without bodies."""
    left: list[str] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            left += [f"{ast.unparse(target)} = {_blank(node.value)}" for target in targets]
        elif isinstance(node, ast.FunctionDef):
            node.body = [*node.body[: ast.get_docstring(node) is not None], *ast.parse(STUB).body]
            left += ast.unparse(node).splitlines()
    return double_quoted("\n".join(left or ["..."])).splitlines()


def _blank(value: ast.expr | None) -> str:
    """`{"y": 3}` becomes `{"y": ...}`, `[1, 2]` becomes `[..., ...]`, anything else `...`."""
    if isinstance(value, ast.Dict):
        pairs = zip(value.keys, value.values, strict=True)
        return "{" + ", ".join(f"{ast.unparse(key)}: {_blank(v)}" for key, v in pairs if key is not None) + "}"
    if isinstance(value, ast.List | ast.Tuple) and value.elts:
        blanks = ", ".join("..." for _ in value.elts)
        return f"[{blanks}]" if isinstance(value, ast.List) else f"({blanks}{',' * (len(value.elts) == 1)})"
    return "..."


def answer_source(name: str, value: object) -> str:
    """An answer as text with marks: `answers = {"y": 3.0}`."""
    return double_quoted(f"{BEGIN}\n{name} = {value!r}\n{END}\n")


def double_quoted(source: str) -> str:
    """The text with "..." for '...' where both mean the same: Python prints one, and people write the other."""
    lines = source.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        (row, start), (_, end) = token.start, token.end
        if token.type == tokenize.STRING and re.fullmatch(r"""'[^'"\\]*'""", token.string):
            line = lines[row - 1]
            lines[row - 1] = f'{line[:start]}"{token.string[1:-1]}"{line[end:]}'
    return "".join(lines)
