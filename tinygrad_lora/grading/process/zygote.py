"""Where students' processes come from: a process that has loaded NumPy and the package, and forks when it is asked.

Each fork has a work folder, limits and a hook of its own. Whoever asks gets the other end of its channel, and says when
it must end. Without `fork` there is a new Python for each; that takes a second more.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...blas import threads
from .sandbox import PACKAGE
from .wire import Channel

FORKS = hasattr(os, "fork") and hasattr(socket, "send_fds") and sys.platform != "darwin"


@dataclass(frozen=True)
class Limits:
    """What a student's process may use: seconds of a processor, bytes of memory."""

    cpu: int = 60
    memory: int = 2 << 30


def command(module: str, *arguments: str) -> list[str]:
    """Python, isolated, running `main` of a module of this package."""
    root = str(Path(PACKAGE).parent)
    # This package, whichever else is installed; for all other modules its folder comes last.
    start = f"import sys; sys.path.insert(0, {root!r}); import tinygrad_lora; sys.path.append(sys.path.pop(0)); "
    start += f"from tinygrad_lora.grading.process.{module} import main; main()"
    return [sys.executable, "-I", "-c", start, *arguments]


def environment() -> dict[str, str]:
    """Environment variables that say little about the user. HOME is for Matplotlib, which caches fonts there."""
    names = ("SYSTEMROOT", "LANG", "LC_ALL", "HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP")
    own = {"TINYGRAD_LORA_PROGRESS": os.devnull, "PYTHONHASHSEED": "0", "MPLBACKEND": "agg"}
    return {name: os.environ[name] for name in names if name in os.environ} | threads(1) | own


class Nursery:
    """Starts students' processes, one at a time. `end` tells how the last one ended."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.home = tempfile.mkdtemp(prefix="tinygrad-lora-grade-")
        self._folder = ""
        self._running = False
        if FORKS:
            self._control, theirs = socket.socketpair()
            os.set_inheritable(theirs.fileno(), True)
            self._process = subprocess.Popen(
                command("zygote", str(theirs.fileno())), pass_fds=[theirs.fileno()], env=environment(),
                cwd=self.home, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
            theirs.close()

    def start(self) -> Channel:
        """A new process in a new folder. Returns the judge's end of its channel."""
        if self._running:
            self.end()
        self._folder = tempfile.mkdtemp(dir=self.home, prefix="work-")
        mine, theirs = socket.socketpair()
        request = {"folder": self._folder, "cpu": self.limits.cpu, "memory": self.limits.memory}
        if FORKS:
            socket.send_fds(self._control, [json.dumps(request).encode()], [theirs.fileno()])
            if not self._control.recv(4096):
                raise RuntimeError("the process that makes students' processes has ended")
        else:
            self._spawn(theirs, request)
        theirs.close()
        self._running = True
        return Channel(mine)

    def _spawn(self, theirs: socket.socket, request: dict[str, Any]) -> None:
        """Without fork: a new Python, which gets its end of the channel in a way of its own system."""
        shared = theirs.share if hasattr(theirs, "share") else None
        descriptors = () if shared else (theirs.fileno(),)
        self._process = subprocess.Popen(
            command("zygote", "once"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=environment(), cwd=self._folder, pass_fds=descriptors,
        )  # fmt: skip
        handle = shared(self._process.pid).hex() if shared else str(theirs.fileno())
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(json.dumps({**request, "end": handle}).encode())
            self._process.stdin.close()

    def end(self) -> str:
        """End the process and delete its folder. Returns in words how it had ended by itself; "" if it had not."""
        ending = ""
        if not self._running:
            return ending
        self._running = False
        if FORKS:
            with contextlib.suppress(OSError):
                self._control.sendall(b"end")
                ending = json.loads(self._control.recv(4096) or b"{}").get("ended", "")
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.2)
            ending = how(self._process.returncode) if self._process.returncode is not None else ""
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        return ending

    def close(self) -> None:
        """End the process that forks, and delete its folder."""
        if FORKS:
            self._control.close()
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


def how(code: int) -> str:
    """How a process ended, from its exit code as `subprocess` gives it."""
    if code >= 0:
        return f"it ended itself with exit code {code}"
    names = {-getattr(signal, "SIGXCPU", 0): "it used up its time", -9: "it was killed: too much time or memory"}
    name = next((one.name for one in signal.Signals if one == -code), str(-code))
    return names.get(code, f"it was ended by the signal {name}")


def main() -> None:
    """The process itself: `once`, or the number of a socket to be asked through."""
    from . import student

    student.prepare()
    if sys.argv[1] == "once":
        request = json.loads(sys.stdin.read())
        student.live(_end(request["end"]), request["folder"], request["cpu"], request["memory"])
        return
    control = socket.socket(fileno=int(sys.argv[1]))
    gc.collect()
    gc.freeze()  # what is here stays: no fork looks at it again
    while True:
        asked, descriptors, _, _ = socket.recv_fds(control, 4096, 1)
        if not asked:
            break
        if (child := os.fork()) == 0:
            _child(control, descriptors[0], json.loads(asked))
        os.close(descriptors[0])
        control.sendall(b"started")
        if not control.recv(16):  # "end", or whoever asked is gone
            os.kill(child, signal.SIGKILL)
            break
        control.sendall(json.dumps({"ended": _ended(child)}).encode())
    shutil.rmtree(os.getcwd(), ignore_errors=True)


def _end(handle: str) -> socket.socket:
    """An end of a channel that another process has handed over: on Windows as bytes, elsewhere as a number."""
    share: Any = getattr(socket, "fromshare", None)
    return share(bytes.fromhex(handle)) if share else socket.socket(fileno=int(handle))


def _child(control: socket.socket, descriptor: int, request: dict[str, Any]) -> None:
    """In the fork. Nothing of what the parent has open stays open."""
    from . import student

    control.close()
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    end = socket.socket(fileno=os.dup2(descriptor, 3))
    os.closerange(4, 256)
    code = 1
    try:
        student.live(end, request["folder"], request["cpu"], request["memory"])
        code = 0
    finally:
        os._exit(code)


def _ended(child: int) -> str:
    """Wait a moment for a process that is on its way out, then kill it. Returns in words how it ended by itself."""
    status, pid = 0, 0
    for _ in range(5):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return how(os.waitstatus_to_exitcode(status))
        time.sleep(0.002)
    for kill in (os.kill, os.killpg):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return ""
