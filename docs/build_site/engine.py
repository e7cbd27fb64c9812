"""The engine on one page: the source files of `core` in reading order, their docstrings beside the code.

It is the source that is imported, cut into parts: nothing of it is written down again here.
"""

import ast
import code
import inspect
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from html import escape
from importlib import import_module
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from build_site.docstrings import markdown, without_examples
from tinygrad_lora import core
from tinygrad_lora.core.node import Op

HERE = Path(__file__).resolve().parent
BESIDE = """<div class="beside"><div>

{words}

</div><div>

````python
{code}````

</div></div>
"""
FOLDED = """<details class="hint"><summary>{question}</summary>

{answer}

</details>
"""
READING = re.compile(r"^\d+\. `(\w+)`", re.MULTILINE)


class Part(NamedTuple):
    """A definition, or the lines between two: what its docstring says, and its lines without the docstring."""

    words: str
    code: str

    @property
    def lines(self) -> int:
        """How many lines hold code."""
        return sum(bool(line.strip()) and not line.strip().startswith("#") for line in self.code.splitlines())


def page() -> str:
    """The whole page."""
    modules = {name: import_module(f"{core.__name__}.{name}") for name in READING.findall(core.__doc__ or "")}
    parts = {name: [*parts_of(inspect.getsource(module))] for name, module in modules.items()}
    runs = examples()
    lines = sum(part.lines for each in parts.values() for part in each)
    head = [
        "# The engine on one page",
        "",
        f"{lines} lines of code in {len(parts)} files, in the order in which they are read. It is the source itself,",
        "made into this page when the documentation is built: what a docstring says stands beside its code, and after",
        "each file it runs. It takes about an hour. Ten questions stand at the end.",
        "",
    ]
    return "\n".join([*head, *[_file(modules[name], parts[name], runs[name]) for name in modules], _questions()])


def parts_of(source: str) -> Iterator[Part]:
    """The source, cut before each function and class, and within classes before each method that has a docstring."""
    tree, lines = ast.parse(source), source.splitlines()
    documented = {start: node for start, node in _definitions(tree) if ast.get_docstring(node)}
    documentation = {
        number
        for node in [tree, *documented.values()]
        for number in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
        if ast.get_docstring(node)
    }
    cuts = sorted({1, *(start for start, _ in _definitions(tree))})
    for start, end in zip(cuts, [*cuts[1:], len(lines) + 1], strict=True):
        kept = [lines[i - 1] for i in range(start, end) if i not in documentation]
        words = ast.get_docstring(documented[start]) or "" if start in documented else ""
        text = re.sub(r"\n{3,}", "\n\n", "\n".join(kept).strip("\n"))
        text = re.sub(r"(?<=:\n)\n", "", text)  # where the docstring was
        if text:
            yield Part(words, text + "\n")


def _definitions(tree: ast.Module) -> Iterator[tuple[int, ast.FunctionDef | ast.ClassDef]]:
    """The first line of each definition, its decorators included, where the page is cut."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield _first_line(node), node
        if isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and ast.get_docstring(method):
                    yield _first_line(method), method


def _first_line(node: ast.FunctionDef | ast.ClassDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _file(module: ModuleType, parts: list[Part], run: str) -> str:
    name = module.__name__.rpartition(".")[2]
    cut = [BESIDE.format(words=markdown(without_examples(part.words)), code=part.code) for part in parts]
    return "\n".join([f"## {name}.py", "", markdown(inspect.getdoc(module) or ""), "", *cut, "It runs:", "", run, ""])


def examples() -> dict[str, str]:
    """For each file, a session with it: the lines of `engine_examples.py` after its name, and what they print."""
    text = (HERE / "engine_examples.py").read_text(encoding="utf-8")
    imports, *sections = re.split(r"^# --- (\w+) ---\n", text, flags=re.MULTILINE)
    known, space = dict(Op.registry), {"__name__": "example"}
    exec(imports, space)
    try:
        sessions = {
            name: _session(lines.strip(), space) for name, lines in zip(sections[::2], sections[1::2], strict=True)
        }
    finally:
        Op.registry.clear()
        Op.registry.update(known)
    return sessions


def _session(text: str, space: dict[str, object]) -> str:
    """The statements as a person types them, each with what Python answers."""
    lines = []
    for statement in ast.parse(text).body:
        source = ast.get_source_segment(text, statement) or ""
        first, *rest = source.split("\n")
        lines += [f">>> {first}", *[f"... {line}" for line in rest]]
        answer = StringIO()
        with redirect_stdout(answer):
            code.InteractiveInterpreter(space).runcode(compile(ast.Interactive([statement]), "example.py", "single"))
        lines += answer.getvalue().splitlines()
    return "\n".join(["```pycon", *lines, "```"])


def _questions() -> str:
    """The questions, each with its answer folded."""
    text = (HERE / "engine_questions.md").read_text(encoding="utf-8")
    title, *questions = re.split(r"^## ", text, flags=re.MULTILINE)
    folded = []
    for number, question in enumerate(questions, start=1):
        asked, _, answer = question.partition("\n")
        asked = re.sub(r"`([^`]*)`", lambda match: f"<code>{escape(match[1])}</code>", asked)
        folded.append(FOLDED.format(question=f"{number}. {asked}", answer=answer.strip()))
    return "\n".join([title.replace("# ", "## ", 1), *folded])
