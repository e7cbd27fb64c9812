"""One worker: takes jobs as lines of JSON, and judges each in a fork of its own. No student's code runs here."""

import contextlib
import gc
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

from ..judge import judge, stub_of
from .zygote import FORKS, Limits, Nursery, Unprotected

MEMORY = 6 << 30  # bytes of the judge's process
ROOM = 60.0  # seconds for all that is not a check


def main() -> None:
    """Judge what stands on the standard input, until it ends. Results go to the standard output."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what is printed elsewhere must not get among the results
    nursery: Nursery | None = None
    try:
        for line in sys.stdin:
            job = json.loads(line)
            try:
                nursery = nursery or Nursery(Limits(job["cpu"], job["memory"]), job.get("trusted", False))
            except Unprotected as error:
                print(json.dumps({"failed": str(error), "unprotected": True}), file=out, flush=True)
                continue
            for id in job["exercises"]:
                stub_of(id)
            result = _judged(job, nursery)
            print(json.dumps(result), file=out, flush=True)
            if "failed" in result:  # who knows what the other process still waits for
                nursery.close()
                nursery = None
    finally:
        if nursery:
            nursery.close()


def _judged(job: dict[str, Any], nursery: Nursery) -> dict[str, Any]:
    if not FORKS:
        return judge(job, nursery)
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reading)
        _child(job, nursery, writing)
    os.close(writing)
    text = _read(reading, time.monotonic() + job.get("wall", 300.0))
    os.close(reading)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    try:
        return dict(json.loads(text))
    except ValueError:
        return {"failed": "the judge's process came to no result: it was too slow or too large"}


def _child(job: dict[str, Any], nursery: Nursery, writing: int) -> None:
    """In the fork: judge, write, end."""
    try:
        gc.disable()  # this process does not live long
        with contextlib.suppress(OSError):  # when the machine has no memory left, it goes before whoever started it
            Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
        with contextlib.suppress(ImportError, ValueError, OSError):
            import resource

            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        data = json.dumps(judge(job, nursery)).encode()
        while data:
            data = data[os.write(writing, data) :]
    except BaseException:
        import traceback

        traceback.print_exc()
        raise
    finally:
        os._exit(0)


def _read(descriptor: int, end: float) -> bytes:
    """Everything until the other end closes, or the time is over."""
    text = b""
    while (left := end - time.monotonic()) > 0:
        if select.select([descriptor], [], [], left)[0]:
            part = os.read(descriptor, 1 << 20)
            if not part:
                break
            text += part
    return text
