"""What the reference lacks: the parameters, results, errors and examples that no docstring has.

`python3 docs/build_site/complete.py` prints the count and the list; a test holds the list empty.
"""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import tinygrad_lora as tl
from build_site.docstrings import docstring, items
from build_site.examples import example
from build_site.reference import function_of, groups, members
from tinygrad_lora.core.node import Op

SEE = re.compile(r"^See `tl\.(\w+)`")  # a method that is a function of the package
RESULT = re.compile(r"^(Returns|Yields) ", re.MULTILINE)
EXAMPLE = re.compile(r"^(?:>>>|\.\.\.) (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """A public name, or a member of a class: what it is, and the docstrings that speak of it, its own first."""

    name: str
    thing: Any
    words: tuple[str, ...]
    examples: str  # all lines of code in the docstrings of its class
    parameters: tuple[str, ...]

    def lacks(self) -> Iterator[str]:
        """What is missing, in words."""
        if not self.words[0]:
            yield "a docstring"
            return
        described = {name for text in self.words for name in items(text)}
        missing = [name for name in self.parameters if name not in described]
        if missing:
            yield f"parameters: {', '.join(missing)}"
        if self._gives_something() and not any(RESULT.search(text) for text in self.words):
            yield "what it returns"
        silent = [name for name in raised(self.thing) if name not in "\n".join(self.words)]
        if silent:
            yield f"what it raises: {', '.join(silent)}"
        if not self._is_shown():
            yield "an example"

    def _gives_something(self) -> bool:
        if isinstance(self.thing, Op):
            return True
        if not inspect.isfunction(self.thing):
            return False
        return self.thing.__annotations__.get("return", Any) not in (None, "None")

    def _is_shown(self) -> bool:
        kind, _, member = self.name.rpartition(".")
        if EXAMPLE.search(self.words[0]) or (not kind and example(member) is not None):
            return True
        return bool(kind and re.search(rf"\.{member}\b", self.examples))


def entries() -> Iterator[Entry]:
    """Every name that the reference shows, and the members of its classes."""
    for module, names in groups().values():
        for name in names:
            thing = getattr(import_module(module), name)
            if not callable(thing):
                continue  # a table, which the page prints
            kind = type(thing) if isinstance(thing, Op) else thing
            bases = [base for base in inspect.getmro(kind) if base is not object] if inspect.isclass(kind) else [kind]
            own = [docstring(base) for base in bases]
            yield Entry(name, thing, tuple(own), "", _parameters(thing))
            if inspect.isclass(thing):
                yield from _members(name, thing, bases)


def _members(name: str, kind: type, bases: list[type]) -> Iterator[Entry]:
    texts = [docstring(base) for base in bases]
    texts += [docstring(function_of(member)) for base in bases for member in vars(base).values()]
    shown = "\n".join(line for text in texts for line in EXAMPLE.findall(text))
    for member, thing in members(kind).items():
        function = function_of(thing)
        words = [docstring(function_of(vars(base)[member])) for base in bases if member in vars(base)]
        if not words[0] and len(words) > 1:
            continue  # it overrides a method that is described where it comes from
        words += [docstring(getattr(tl, other)) for other in SEE.findall(words[0])]
        parameters = () if isinstance(thing, property) else _parameters(function, method=True)
        yield Entry(f"{name}.{member}", function, tuple(words), shown, parameters)


def _parameters(thing: Any, method: bool = False) -> tuple[str, ...]:
    if isinstance(thing, Op):
        return tuple(re.findall(r"\w+", thing.signature))
    names = [name for name in inspect.signature(thing).parameters if not name.startswith("_")]
    return tuple(names[1:] if method else names)


def raised(thing: Any) -> list[str]:
    """The errors that stand after `raise` in the thing's own source."""
    if isinstance(thing, Op) or not inspect.isfunction(thing):
        return []
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(thing))))
    raises = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]
    names = {one.func.id for one in raises if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)}
    return sorted(name for name in names if re.match(r"[A-Z]\w+(Error|Warning)$", name))


def missing() -> list[str]:
    """One line for each name that lacks something."""
    lines = [(entry.name, "; ".join(entry.lacks())) for entry in entries()]
    return [f"{name}: {what}" for name, what in lines if what]


if __name__ == "__main__":
    lacking = missing()
    print("\n".join([*lacking, f"{len(lacking)} of {len(list(entries()))} names lack something"]))
