"""The process that runs what is typed. It may be ended at any moment: nothing but the sheet on the screen is lost.

It reads a line of JSON for each run, `{"run": 7, "source": "..."}`, and writes one for each part of the sheet. When the
next run is already waiting, the parts that are still missing are left out.
"""

import json
import os
import sys
from queue import SimpleQueue
from threading import Thread
from typing import Any

from .sheet import parts


def main() -> None:
    """Answer runs until the standard input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what code prints below Python must not get among the answers
    runs: SimpleQueue[str] = SimpleQueue()
    Thread(target=_listen, args=(os.fdopen(os.dup(0), encoding="utf-8"), runs), daemon=True).start()
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, open as long as the process: `input()` finds an end
    while line := runs.get():
        _answer(json.loads(line), out, runs)


def _listen(stream: Any, runs: SimpleQueue[str]) -> None:
    for line in stream:
        runs.put(line)
    runs.put("")


def _answer(asked: dict[str, Any], out: Any, runs: SimpleQueue[str]) -> None:
    def write(**message: Any) -> None:
        print(json.dumps({"run": asked["run"], **message}), file=out, flush=True)

    if runs.empty():  # of several runs the last is wanted
        write(began=True)
        for name, html in parts(asked["source"]):
            write(part=name, html=html)
            if not runs.empty():
                break
    write(done=True)  # each run has an end, and they come in order


if __name__ == "__main__":
    main()
