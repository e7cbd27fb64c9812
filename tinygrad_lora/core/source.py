"""From text to function. This is the only place in the package that executes source."""

import hashlib
import linecache
import weakref
from functools import partial
from typing import Any

import numpy as np

_PACKAGE = __name__.partition(".")[0]


class _Lines(list[str]):
    """The lines of a text, and the watch that lets go of them with the function.

    What the watch calls runs no Python: a function may go where the stack has no room left.
    """

    watch: Any = None


def function_from_source(name: str, source: str, **namespace: Any) -> Any:
    """The function called `name` that `source` defines; `np` is in scope.

    The text is registered with `linecache` as long as the function lives, so tracebacks and debuggers show its lines.
    The made-up file name contains a hash of the text, so that it is the same in every run; and a number where another
    function of the same text lives.
    """
    digest, n = hashlib.sha256(source.encode()).hexdigest()[:8], 1
    while (filename := f"<{_PACKAGE} {name} {digest}{f' {n}' * (n > 1)}>") in linecache.cache:
        n += 1
    lines = _Lines(source.splitlines(keepends=True))
    linecache.cache[filename] = (len(source), None, lines, filename)
    namespace |= {"np": np, "__name__": _PACKAGE}
    exec(compile(source, filename, "exec"), namespace)
    if callable(namespace[name]):  # a table cannot be watched
        lines.watch = weakref.ref(namespace[name], partial(linecache.cache.pop, filename))
    return namespace[name]
