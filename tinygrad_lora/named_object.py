"""Import an object of the user's by its name on the command line, `module:name` or `file.py:name`."""

import importlib
import importlib.util
import inspect
import sys
import sysconfig
import traceback
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

from .compiler import CompiledFunction
from .nn.calls import layers_stay
from .nn.layer import Layer

EXAMPLE = Path(__file__).parent / "assets" / "naive_lora.py"  # a file like a user's
STARRED = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD  # parameters that need no argument


def named_object(text: str, wanted: str, noting: Callable[[Any], Any] = lambda call: call) -> Any:
    """The object that `package.module:name` or `path/to/file.py:name` names; for a function, its result.

    A compiled function or a layer is not called. `wanted` says in words what the object should be. `noting(function)`
    is called instead of the function.
    Raises ValueError with a sentence that says what is wrong.
    """
    place, _, name = text.rpartition(":")
    if not place or not name:
        raise ValueError(f"{text!r}: write MODULE:NAME, for example model.py:step")
    obj: Any = loaded(place)
    for part in name.split("."):
        if not hasattr(obj, part):
            raise ValueError(f"{place} has no {name!r}")
        obj = getattr(obj, part)
    if not callable(obj) or isinstance(obj, CompiledFunction | Layer):
        return obj
    parameters = inspect.signature(obj).parameters.values()
    if needed := [p.name for p in parameters if p.default is p.empty and p.kind not in STARRED]:
        raise ValueError(f"{text} needs {', '.join(needed)}; it must be {wanted}")
    with layers_stay():  # so that frames can be drawn around a model that only the function knows
        return _result_of(text, noting(obj))


def loaded(place: str) -> ModuleType:
    """Import a module by its name, from the current folder as well, or a file by its path."""
    path = Path(place)
    if path.suffix != ".py":
        if "" not in sys.path and str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        if not _is_there(place):
            raise ValueError(f"there is no module {place!r}; for a file write path/to/file.py:name")
        return _result_of(place, lambda: importlib.import_module(place))
    if not path.is_file():
        raise ValueError(f"there is no file {place}")
    names = (f"{path.stem}_{i}" if i else path.stem for i in count())
    name = next(name for name in names if name not in sys.modules)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # it is a .py file
    run = spec.loader.exec_module
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and `inspect.getsource` look for it
    sys.path.insert(0, str(path.parent.resolve()))  # as Python does for a file that it runs
    try:
        _result_of(place, lambda: run(module))
    except BaseException:
        sys.modules.pop(name, None)
        raise
    finally:
        sys.path.remove(str(path.parent.resolve()))
    return module


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # a package that it would be in is not there; or this is no name
        return False


def _result_of(place: str, run: Callable[[], Any]) -> Any:
    """The result of the user's code. Raises ValueError with the line where it stopped."""
    try:
        return run()
    except (Exception, SystemExit) as error:
        raise ValueError(f"{place} stops{_line_of(error)}: {type(error).__name__}: {error}") from error


def _line_of(error: BaseException) -> str:
    """The innermost line that the user wrote: the last one outside this package, Python's own and installed ones."""
    others = str(Path(__file__).parent), sysconfig.get_path("stdlib"), "<"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f for f in frames if not f.filename.startswith(others) and "site-packages" not in f.filename]
    return f", line {lines[-1].lineno}: `{lines[-1].line}`" if lines else ""
