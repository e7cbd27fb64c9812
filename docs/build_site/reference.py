"""The API reference, made from the package itself: every public name with words, parameters, examples and source."""

import html
import inspect
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_lora as tl
from build_site.docstrings import docstring, first_line, items, markdown
from build_site.examples import LAYERS, Example, example
from tinygrad_lora.core.node import Op

PACKAGE = Path(tl.__file__).parent
# Packages whose names are public as well, where tinygrad_lora itself does not have them.
FURTHER = {
    "tinygrad_lora.nn": "Further layers and adapters",
    "tinygrad_lora.nn.adapters.variants": "Variants of LoRA",
    "tinygrad_lora.view": "Further pictures",
    "tinygrad_lora.view.plots": "Plots",
    "tinygrad_lora.view.chart": "Charts side by side",
    "tinygrad_lora.learn": "Writing exercises",
}
# Bases that have no entry of their own: what they give to these classes stands there.
INHERITED = {
    "Layer": ("NamedWeights",),
    "LoRALinear": ("MergeableLayer", "AdaptedLayer"),
    "LoHa": ("Factored",),
    "CompiledFunction": ("LastProgram",),
}
# What the engine sets for speed: no reader calls it.
HIDDEN = {"Op.accelerate", "Op.general", "Op.apply"}
PASSES = "tinygrad_lora.compiler.pipeline"
INTRODUCTIONS = {
    "Functions of nodes or arrays": r"""
$\bar x$ is the gradient of the loss with respect to x, and G is the one that flows in. Operands of two shapes are
broadcast, aligned from the right, and their gradients are summed accordingly. Where shapes do not fit, nodes raise
ShapeError; plain arrays raise NumPy's ValueError, of which it is a kind.""",
}
LONGEST = 8  # rows of a gradient that one still reads


def pages() -> dict[str, str]:
    """The text of each page of the reference, by file name."""
    made = {f"reference/{slug(title)}.md": _page(title, module, names) for title, (module, names) in groups().items()}
    return {**made, "reference/passes.md": _passes_page(), "reference.md": _overview()}


def groups() -> dict[str, tuple[str, list[str]]]:
    """The public names by subject: the comments in the package's `_PUBLIC`, then its other packages."""
    listed = re.search(r"^_PUBLIC = \[\n(.*?)^\]", inspect.getsource(tl), re.DOTALL | re.MULTILINE)
    assert listed, "tinygrad_lora/__init__.py has a list _PUBLIC"
    found: dict[str, tuple[str, list[str]]] = {}
    for part in re.split(r"^    # ", listed[1], flags=re.MULTILINE)[1:]:
        title, _, names = part.partition("\n")
        found[title.strip()] = (tl.__name__, sorted(" ".join(re.findall(r', "(.*?)"', names)).split()))
    for module, title in FURTHER.items():
        names = [name for name in import_module(module).__all__ if name not in tl.__all__]
        found[title] = (module, names)
    return found


def slug(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower()).strip("-")


# --- Pages ---


def _overview() -> str:
    parts = [
        "# Reference\n\nEvery public name: what it computes, shapes, gradients, errors and source. Examples begin with",
        "`import numpy as np` and `import tinygrad_lora as tl`.\n",
    ]
    for title, (module, names) in groups().items():
        rows = [
            f"| {{py:obj}}`{name} <{module}.{name}>` | {_in_a_row(getattr(import_module(module), name))} |"
            for name in names
        ]
        parts.append("\n".join([f"## {title}\n", "| | |", "|---|---|", *rows, ""]))
    tree = "\n".join(f"reference/{slug(title)}" for title in groups())
    parts.append("## Passes\n\n[The passes of the compiler](reference/passes.md), each with its law and its source.\n")
    parts.append(f"```{{toctree}}\n:hidden:\n\n{tree}\nreference/passes\n```\n")
    return "\n".join(parts)


def _in_a_row(thing: Any) -> str:
    """The first sentence of its docstring, or of a table what is in it."""
    return ", ".join(f"`{key}`" for key in thing) if isinstance(thing, dict) else first_line(thing)


def _page(title: str, module: str, names: list[str]) -> str:
    space = import_module(module)
    head = f"# {title}\n\n```{{py:currentmodule}} {module}\n```\n"
    words = markdown(INTRODUCTIONS.get(title, "") if module == tl.__name__ else docstring(space)) + "\n"
    return "\n".join([head, words, *[_entry(name, getattr(space, name), module) for name in names]])


def _passes_page() -> str:
    """The passes in the order in which the compiler applies them."""
    pipeline = import_module(PASSES)
    parts = [
        f"# Passes\n\n```{{py:currentmodule}} {PASSES}\n```\n",
        "A pass is a function from a graph to a graph that means the same and costs no more. These run in this order.",
        "Each opens with the law that makes it right.\n",
    ]
    for row in pipeline.DEFAULT:
        for one in row:
            others = [f"{{py:func}}`{other.__name__}`" for other in row if other is not one]
            note = f"It runs with {' and '.join(others)}: what they cost is judged together." if others else ""
            parts.append(_entry(one.__name__, one, PASSES, note))
    parts.append("## In planned memory\n\nThese run last, each once, where a program writes into memory of its own.\n")
    parts += [_entry(one.__name__, one, PASSES) for one in pipeline.FOR_CALLS]
    return "\n".join(parts)


# --- One name ---


def _entry(name: str, thing: Any, module: str, note: str = "") -> str:
    kind = "class" if inspect.isclass(thing) else "function" if callable(thing) else "data"
    shown = example(name) if module == tl.__name__ else None
    body = [
        markdown(words(thing)) if kind != "data" else _data(thing),
        note,
        _operation(thing) if isinstance(thing, Op) else "",
        _example(name, thing, shown) if shown else "",
        *(_members(thing) if kind == "class" else []),
        _source(thing),
    ]
    return _directive(kind, f"{name}{_signature(thing) if kind != 'data' else ''}", "\n\n".join(filter(None, body)))


def _directive(kind: str, signature: str, body: str, colons: int = 6) -> str:
    fence = ":" * colons
    return f"{fence}{{py:{kind}}} {signature}\n\n{body}\n{fence}\n"


def _data(thing: Any) -> str:
    """A table, or a value."""
    if isinstance(thing, dict):
        return "\n".join(
            ["| | |", "|---|---|", *[f"| `{key}` | {first_line(value)} |" for key, value in thing.items()]]
        )
    return f"`{thing!r}`"


def _operation(op: Op) -> str:
    """How it runs, and its backward rule."""
    forms = [f"It runs as `{op.numpy}`", f"in place as `{op.ufunc}`" if op.ufunc else ""]
    kinds = [
        "It works on each element alone, so it may be fused." if op.elementwise else "",
        "The result may share memory with its operand." if op.view else "",
        "" if op.differentiable else "No gradient passes.",
    ]
    sentence = " ".join([", ".join(filter(None, forms)) + ".", *filter(None, kinds)])
    if not op.differentiable or "vjp" not in vars(type(op)):
        return sentence
    _, _, body = inspect.getsource(type(op).vjp).partition(":\n")
    names = inspect.getfullargspec(type(op).vjp)
    static = f", *, {', '.join(names.kwonlyargs)}" if names.kwonlyargs else ""
    starred = f", *{names.varargs}" if names.varargs else ""
    rule = f"def vjp({', '.join(names.args)}{starred}{static}):\n{textwrap.indent(inspect.cleandoc(body), '    ')}"
    return f"{sentence}\n\nIts backward rule, from the gradient `g` of the output `y`:\n\n```python\n{rule}\n```"


def _example(name: str, thing: Any, shown: Example) -> str:
    parts = [f"Shapes: {shown.shapes}."]
    # A trivial gradient says nothing, and that of a whole layer has its names on the page about LoRA.
    gradients = shown.gradients() if not inspect.isclass(thing) or name in LAYERS else ""
    if gradients and gradients.count("<mtr>") <= LONGEST:
        parts.append(f'Gradients, as the engine derives them:\n\n<div class="equation">{gradients}</div>')
    if not isinstance(thing, Op):
        parts.append(f"<details class='graph'><summary>Its graph</summary>{shown.picture()}</details>")
    return "\n\n".join(parts)


def words(thing: Any) -> str:
    """The docstring; for an operation that does not describe its operands, with the list of its base."""
    text = docstring(thing)
    if isinstance(thing, Op):
        undescribed = set(re.findall(r"\w+", thing.signature)) - set(items(text))
        for base in type(thing).__mro__[1:]:
            lists = [part for part in docstring(base).split("\n\n") if undescribed & set(items(part))]
            if lists:
                return "\n\n".join([text, *(_only(part, undescribed) for part in lists)])
    return text


def _only(part: str, names: set[str]) -> str:
    """The items of a list that describe one of these names, and what is returned and raised."""
    lines = part.split("\n")
    return "\n".join(line for line in lines if not (own := items(line)) or names & set(own))


def members(kind: type) -> dict[str, Any]:
    """The public methods and properties that the class defines, and those of bases that have no entry of their own."""
    extra = INHERITED.get(kind.__name__, ())
    classes = [kind, *(base for base in kind.__mro__ if base.__name__ in extra)]
    found: dict[str, Any] = {}
    for name, member in ((name, member) for one in classes for name, member in vars(one).items()):
        shown = inspect.isfunction(function_of(member)) or isinstance(member, property)
        if shown and not name.startswith("_") and f"{kind.__name__}.{name}" not in HIDDEN:
            found.setdefault(name, member)
    return found


def function_of(member: Any) -> Any:
    """The function in a class method or a static method; anything else as it is."""
    return member.__func__ if isinstance(member, classmethod | staticmethod) else member


def _members(kind: type) -> Iterator[str]:
    """The entries of the members that are described."""
    homes = {name: module for module, names in groups().values() for name in names}
    base = next((base.__name__ for base in kind.__mro__[1:] if base.__name__ in homes), None)
    if base:
        yield f"A kind of {{py:class}}`{base} <{homes[base]}.{base}>`, with its methods."
    for name, member in members(kind).items():
        function = function_of(member)
        text = markdown(docstring(function))
        if text and isinstance(member, property):
            yield _directive("property", name, text, colons=5)
        elif text:
            yield _directive("method", f"{name}{_signature(function, method=True)}", text, colons=5)


def _signature(thing: Any, method: bool = False) -> str:
    """Names and defaults; the words say what they are."""
    if isinstance(thing, Op):
        return f"({thing.signature})"
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return "()"
    parameters = list(signature.parameters.values())[1 if method else 0 :]
    plain = [one.replace(annotation=inspect.Parameter.empty, default=_default(one.default)) for one in parameters]
    return str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty))


class _Shown:
    """A default, as it is written."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _default(value: Any) -> Any:
    if inspect.isclass(value) and issubclass(value, np.generic):
        return _Shown(f"np.{value.__name__}")
    if callable(value) and value is not inspect.Parameter.empty:
        return _Shown(getattr(value, "__name__", "..."))
    return value if len(repr(value)) < 40 or value is inspect.Parameter.empty else _Shown("...")


def _source(thing: Any) -> str:
    """The source, folded away."""
    thing = type(thing) if isinstance(thing, Op) else inspect.unwrap(thing)  # of a context manager too
    try:
        lines, first = inspect.getsourcelines(thing)
        path = Path(inspect.getsourcefile(thing) or "").relative_to(PACKAGE.parent).as_posix()
    except (TypeError, OSError, ValueError):
        return ""
    text = inspect.cleandoc("\n" + "".join(lines))
    where = html.escape(f"{path}, line {first}")
    return f"<details class='source'><summary>Source: {where}</summary>\n\n````python\n{text}\n````\n\n</details>"
