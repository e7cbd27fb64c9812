"""Things in the folder of submissions that are no readable submission: how each is made, and what it may be told."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path


def text(content: str | bytes, suffix: str = ".ipynb") -> Callable[[Path], None]:
    """A file with this content."""
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    return lambda path: path.with_suffix(suffix).write_bytes(data) and None


def cells(*sources: object) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": source, "metadata": {}} for source in sources]})


def _sparse(path: Path) -> None:
    with open(path.with_suffix(".ipynb"), "wb") as file:
        file.truncate(10 << 30)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path.with_suffix(".py")))


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "x.ipynb").write_text("{", encoding="utf-8")


def _loop(path: Path) -> None:
    path.mkdir()
    (path / "again").symlink_to(path)
    (path / "other.py").symlink_to("/etc/passwd")


# What is made, and whether the report must list it as something that could not be read; None: it is no submission.
ATTACKS: dict[str, tuple[Callable[[Path], object], bool | None]] = {
    "empty": (text(""), True),
    "spaces": (text("  \n"), True),
    "cut off": (text(cells("x = 1")[:-9]), True),
    "a list": (text("[1, 2]"), True),
    "a number": (text("3"), True),
    "no cells": (text("{}"), True),
    "cells that are none": (text('{"cells": 3}'), True),
    "cells that are numbers": (text('{"cells": [1]}'), False),
    "deep": (text("[" * 100_000), True),
    "deep cells": (text('{"cells": ' + "[" * 100_000 + "]" * 100_000 + "}"), True),
    "a long number": (text('{"cells": ' + "9" * 100_000 + "}"), True),
    "no UTF-8": (text(b'{"cells": "\xff"}'), True),
    "UTF-16": (text(cells("x = 1").encode("utf-16")), True),
    "NUL bytes": (text(bytes(1000)), True),
    "NUL bytes in a cell": (text(cells("x = 1\0")), True),
    "half of a surrogate pair": (text(cells("x = '\\ud800'").replace("\\\\ud800", "\\ud800")), True),
    "a syntax error": (text("def f(:\n", ".py"), True),
    "a syntax error in a cell": (text(cells("def f(:\n", "x = 1")), True),
    "brackets without end": (text("(" * 100_000, ".py"), True),
    "a sum without end": (text("x = " + "1+" * 200_000 + "1", ".py"), True),
    "a program that is none": (text(bytes(range(256)), ".py"), True),
    "many cells": (text(cells(*["x"] * 5_000)), True),
    "a long cell": (text(cells("#" * 2_000_000)), True),
    "a long program": (text("#" * 2_000_000, ".py"), True),
    "odd sources": (text(cells([1], 3, None, {"a": 1})), False),
    "odd marks": (text('{"cells": [{"cell_type": "code", "metadata": 3, "source": "x = 1", "id": {}}]}'), False),
    "ten gigabytes of nothing": (_sparse, True),
    "a folder that is called like a program.py": (_folder, True),
    "a folder in itself": (_loop, True),
    "a link to a file": (lambda path: path.with_suffix(".py").symlink_to("/etc/passwd"), True),
    "a link to a folder": (lambda path: path.symlink_to("/etc"), True),
    "a link to itself": (lambda path: path.with_suffix(".py").symlink_to(path.with_suffix(".py")), True),
    "a fifo": (lambda path: os.mkfifo(path.with_suffix(".py")), True),
    "a socket": (_socket, True),
}
