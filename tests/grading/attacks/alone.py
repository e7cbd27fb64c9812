"""Run in the sandbox, without the audit hook: attacks as JSON come in, what each got hold of goes out."""

import contextlib
import json
import os
import select
import signal
import sys
from typing import Any

SECONDS, LONGEST = 1.0, 10_000


def main(limit: Any, prepare: Any, fork: Any) -> None:
    prepare()
    names, attacks = json.loads(sys.stdin.read())
    for name, cells in attacks.items():
        print(json.dumps([name, attacked([names, *cells], limit, fork)]), flush=True)


def attacked(cells: list[str], limit: Any, fork: Any) -> str:
    """What comes out of a process of its own that runs the cells, and then calls what they define."""
    reading, writing = os.pipe()
    if (child := fork()) == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.dup2(writing, 3)
        os.closerange(4, 256)
        limit(3, 1 << 30)
        space: dict[str, Any] = {}
        for cell in [
            *cells[:-1],
            "if 'unbroadcast' in globals(): found = unbroadcast(__import__('numpy').ones(2), (2,))",
        ]:
            try:
                exec(cell, space)
            except BaseException as error:
                if "FOUND" in str(error):
                    break
        with contextlib.suppress(BaseException):
            os.write(3, f"FOUND {str(space['found'])[:LONGEST]}".encode() if space["found"] else b"nothing")
        os._exit(0)
    os.close(writing)
    answer = os.read(reading, LONGEST) if select.select([reading], [], [], SECONDS)[0] else b"too slow"
    os.close(reading)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return answer.decode(errors="replace") or "it ended"
