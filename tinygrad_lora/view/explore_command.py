"""`tinygrad-lora explore`: the compiler explorer as a page."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from ..compiler import CompiledFunction
from .explorer import explore

EXAMPLE = Path(__file__).parent.parent / "assets" / "naive_lora.py"
WANTED = "a compiled function that has run, or a function without arguments that returns one"


def add_command(commands: Any) -> None:
    """Add `explore` to the commands of a parser."""
    parser = commands.add_parser(
        "explore",
        help="a page that shows every pass of the compiler",
        description="Write one page with your source, the graph before and after every pass of the compiler, and the "
        f"code that it generates. The object is {WANTED}. Without one, LoRA's formula is shown as the paper writes it.",
    )
    parser.add_argument(
        "object", nargs="?", metavar="MODULE:NAME", help="what to show: package.module:name, or path/to/file.py:name"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("explorer.html"), metavar="PAGE", help="where the page goes (%(default)s)"
    )
    parser.add_argument("--measure", action="store_true", help="measure how long the code takes after every pass")
    parser.add_argument("--quiet", action="store_true", help="print nothing")
    parser.set_defaults(run=lambda given: run(given.object, given.out, given.measure, given.quiet))


def run(name: str | None, out: Path, measure: bool = False, quiet: bool = False) -> int:
    """Write the page of a compiled function, and print its passes."""
    found = explore(compiled_function(name or f"{EXAMPLE}:naive_lora"), measure=measure)
    path = found.save(out)
    if not quiet:
        print(f"{found}\n\nOpen {path} in a browser: it shows all of this.")
    return 0


def compiled_function(name: str) -> CompiledFunction:
    """What stands behind `package.module:name` or `path/to/file.py:name`. Raises ValueError with a sentence."""
    place, _, attribute = name.rpartition(":")
    if not place or not attribute:
        raise ValueError(f"{name!r}: write MODULE:NAME, for example model.py:step")
    found: Any = loaded(place)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ValueError(f"{place} has no {attribute!r}")
        found = getattr(found, part)
    if callable(found) and not isinstance(found, CompiledFunction):
        needed = [p.name for p in inspect.signature(found).parameters.values() if p.default is p.empty and p.kind < 2]
        if needed:
            raise ValueError(f"{name} needs {', '.join(needed)}; it must be {WANTED}")
        found = found()
    if not isinstance(found, CompiledFunction):
        raise ValueError(f"{name} is {type(found).__name__}; it must be {WANTED}")
    return found


def loaded(place: str) -> ModuleType:
    """A module by its name, found from the current folder as well; or a file by its path."""
    path = Path(place)
    if path.suffix != ".py":
        if "" not in sys.path and str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            raise ValueError(f"there is no module {error.name!r}; for a file write path/to/file.py:name") from error
    if not path.is_file():
        raise ValueError(f"there is no file {place}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None  # it is a .py file
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent.resolve()))  # as Python does for a file that it runs
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent.resolve()))
    return module
