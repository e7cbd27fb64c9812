"""Where students' processes come from: a process that has loaded NumPy and the package, and forks when it is asked.

Each fork has a work folder, limits and a hook of its own. In a sandbox, the process that forks is inside the wall of
`bubblewrap`, and each fork is in namespaces of its own, apart from it and from the other forks (see `namespaces`).
Whoever asks gets the other end of its channel, and says when it must end. Without `fork` there is a new Python for
each; that takes a second more.
"""

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
from ..sandbox import bubblewrap, namespaces, proof
from ..sandbox.hook import PACKAGE
from .wire import Channel, Gone, Misbehaved

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


_OWN = {"TINYGRAD_LORA_PROGRESS": os.devnull, "PYTHONHASHSEED": "0", "MPLBACKEND": "agg"}


def environment(walled: bool = False) -> dict[str, str]:
    """Environment variables that say little about the user. HOME is where Matplotlib caches fonts, if it is used."""
    if walled:  # to look through all the fonts of the system takes longer than everything else
        scratch = {"HOME": bubblewrap.SCRATCH, "TMPDIR": bubblewrap.SCRATCH, "MPL_IGNORE_SYSTEM_FONTS": "1"}
        return {"LANG": "C.UTF-8", "PATH": ""} | scratch | _OWN | threads(1)
    names = ("PATH", "SYSTEMROOT", "LANG", "LC_ALL", "HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP")
    return {name: os.environ[name] for name in names if name in os.environ} | _OWN | threads(1)


class Unprotected(Exception):  # noqa: N818
    """There is no sandbox on this machine; the message says why and what to do."""


class Nursery:
    """Starts students' processes, one at a time. `end` tells how the last one ended.

    Raises Unprotected unless the sandbox has proved itself, or the submissions are `trusted`.
    """

    def __init__(self, limits: Limits, trusted: bool = False) -> None:
        self.limits, self.trusted = limits, trusted
        self.home = tempfile.mkdtemp(prefix="tinygrad-lora-grade-")
        self._folder = ""
        self._running = False
        self._process: subprocess.Popen[bytes] | None = None
        try:
            if FORKS:
                self._begin()
            if not trusted:
                self._prove()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        """Start the process that forks."""
        self._control, theirs = socket.socketpair()
        os.set_inheritable(theirs.fileno(), True)
        program = command("zygote", str(theirs.fileno()), "" if self.trusted else "walled")
        try:
            program = program if self.trusted else bubblewrap.walled(program)
            with open(os.path.join(self.home, "errors"), "wb") as errors:
                self._process = subprocess.Popen(
                    program, pass_fds=[theirs.fileno()], env=environment(not self.trusted), cwd=self.home,
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            raise Unprotected(f"{error}\n  {bubblewrap.remedy()}") from None
        finally:
            theirs.close()

    def _prove(self) -> None:
        """Have a process like a student's try to get out. Raises Unprotected if it can, or if there is none."""
        if not FORKS:
            raise Unprotected(f"this system has no sandbox\n  {bubblewrap.remedy()}")
        try:
            with proof.baits(self.home) as bait:
                channel = self.start({"bait": bait})
                try:
                    done = channel.receive()[0]["breaches"]
                finally:
                    channel.close()
        except (OSError, RuntimeError, KeyError, Gone, Misbehaved) as error:
            lines = Path(self.home, "errors").read_text(encoding="utf-8", errors="replace").strip().splitlines()
            reason = lines[-1] if lines else str(error) or "a process in it ended"
            raise Unprotected(f"{reason[:300]}\n  {bubblewrap.remedy()}") from None
        self.end()
        shutil.rmtree(self.home, ignore_errors=True)  # whoever kills this process has nothing to remove
        if done:
            raise Unprotected(f"a process in the sandbox could {', '.join(done)}\n  {bubblewrap.remedy()}")

    def start(self, more: dict[str, Any] | None = None) -> Channel:
        """A new process in a new folder. Returns the judge's end of its channel."""
        self.end()
        walled = FORKS and not self.trusted
        self._folder = bubblewrap.SCRATCH if walled else tempfile.mkdtemp(dir=self.home, prefix="work-")
        mine, theirs = socket.socketpair()
        request = {"folder": self._folder, "cpu": self.limits.cpu, "memory": self.limits.memory, **(more or {})}
        try:
            if FORKS:
                socket.send_fds(self._control, [json.dumps(request).encode()], [theirs.fileno()])
                answer = self._control.recv(4096)
                if answer != b"started":
                    raise RuntimeError(answer.decode() or "the process that makes students' processes has ended")
            else:
                self._spawn(theirs, request)
        except BaseException:
            mine.close()
            raise
        finally:
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
        elif self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.2)
            ending = how(self._process.returncode) if self._process.returncode is not None else ""
            self._process.kill()
            self._process.wait()
        if self._folder != bubblewrap.SCRATCH:
            shutil.rmtree(self._folder, ignore_errors=True)
        return ending

    def close(self) -> None:
        """End the process that forks, and delete its folder."""
        if FORKS:
            self._control.close()  # then it ends by itself, and the times of its processes are counted
            if self._process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(1.0)
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

    walled = sys.argv[2:] == ["walled"]
    if walled:
        namespaces.prepare()
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
        try:
            child = namespaces.fork() if walled else os.fork()
        except OSError as error:
            control.sendall(str(error).encode() or b"no process could be started")
            break
        if child == 0:
            _child(control, descriptors[0], json.loads(asked))
        os.close(descriptors[0])
        control.sendall(b"started")
        if not control.recv(16):  # "end", or whoever asked is gone
            os.kill(child, signal.SIGKILL)
            break
        control.sendall(json.dumps({"ended": _ended(child)}).encode())
    if not walled:
        shutil.rmtree(os.getcwd(), ignore_errors=True)


def _end(handle: str) -> socket.socket:
    """An end of a channel that another process has handed over: on Windows as bytes, elsewhere as a number."""
    share: Any = getattr(socket, "fromshare", None)
    return share(bytes.fromhex(handle)) if share else socket.socket(fileno=int(handle))


def _child(control: socket.socket, descriptor: int, request: dict[str, Any]) -> None:
    """In the fork. Nothing of what the parent has open stays open."""
    from ..sandbox import hook
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
        if bait := request.get("bait"):
            hook.limit(request["cpu"], request["memory"])
            Channel(end).send({"breaches": proof.breaches(bait)}, [])
        else:
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
