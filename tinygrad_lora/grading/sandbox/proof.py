"""A sandbox proves itself: a process in it tries what no submission may do. If it can, nothing is graded."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .hook import PACKAGE, SOLVED
from .namespaces import checked


@contextmanager
def baits(folder: str) -> Iterator[dict[str, Any]]:
    """Things outside of the sandbox for a process in it to reach for: a file, a listening socket, this process."""
    canary = Path(folder, "canary")
    canary.write_text("outside", encoding="ascii")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield {"file": str(canary), "port": listening.getsockname()[1], "process": os.getpid()}
    canary.unlink()


def breaches(bait: dict[str, Any]) -> list[str]:
    """What this process can do and must not, in words. It is called where no audit hook is, as the last thing there."""
    folder = os.path.dirname(bait["file"])
    attempts: dict[str, Callable[[], Any]] = {
        "read the judge's files": lambda: Path(bait["file"]).read_bytes(),
        "write among the judge's files": lambda: _unnamed(folder),
        "write into the package": lambda: _unnamed(PACKAGE),
        "write into Python's library": lambda: _unnamed(os.path.dirname(os.__file__)),
        "write into the root folder": lambda: _unnamed("/"),
        "read the reference solutions": lambda: next(path for folder in SOLVED for path in Path(folder).glob("*")),
        "see processes": lambda: next(Path("/proc").iterdir()),
        "see the judge's process": lambda: os.kill(bait["process"], 0),
        "reach this machine's network": lambda: socket.create_connection(("127.0.0.1", bait["port"]), 1),
        "start a process": lambda: os.fork() or os._exit(0),
        "make namespaces": lambda: checked("unshare", 0x10000000),
        "become another user": lambda: os.setresuid(0, 0, 0),
    }
    return [what for what, attempt in attempts.items() if _succeeds(attempt)]


def _succeeds(attempt: Callable[[], Any]) -> bool:
    try:
        result = attempt()
    except (OSError, StopIteration):
        return False
    if isinstance(result, socket.socket):
        result.close()
    return True


def _unnamed(folder: str) -> int:
    """Open a new file without a name, which leaves nothing behind."""
    return os.open(folder, os.O_TMPFILE | os.O_WRONLY)
