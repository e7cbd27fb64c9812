"""Inside the wall, one submission apart from the next: a fork that is the first process of namespaces of its own.

The process that forks has loaded NumPy already, so this takes milliseconds. What is made here are the namespaces that
bubblewrap makes, too: user, process ids, mounts, network, shared memory. They end with their first process.
"""

import contextlib
import ctypes
import os
from pathlib import Path
from typing import Any

from . import calls
from .bubblewrap import NOBODY, SCRATCH

ROOM = "size=64m,nr_inodes=4096,mode=700"  # of the scratch folder
_NEW = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
_NOSUID, _NODEV, _NOEXEC, _RDONLY = 2, 4, 8, 1
_DUMPABLE, _DROP, _REAPER, _NO_NEW_PRIVILEGES = 4, 24, 36, 38
_CAPABILITIES = 64  # more than there are
_VERSION = 0x20080522  # of the structure that `capset` takes


def checked(name: str, *arguments: Any) -> None:
    """Call a function of the C library. Raises OSError where it says so."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def prepare() -> None:
    """Make this process, the first inside the wall, ready for `fork`. Whoever is root becomes nobody."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        checked("prctl", _DUMPABLE, 1, 0, 0, 0)  # else it may not name its own users, below
    checked("prctl", _REAPER, 1, 0, 0, 0)


def fork() -> int:
    """As `os.fork`, but the child is in namespaces of its own, has no rights in them, and sees no other process.

    Raises OSError where the system refuses.
    """
    reading, writing = os.pipe()
    if (between := os.fork()) == 0:  # a process cannot itself go into a new namespace of process ids, only its child
        os.close(reading)
        answer = b""
        try:
            _unshare()
            child = os.fork()
            if child == 0:
                os.close(writing)
                _settle()
                return 0
            answer = str(child).encode()
        except BaseException as error:
            answer = f"! {error}".encode()
        os.write(writing, answer)
        os._exit(0)
    os.close(writing)
    answer = os.read(reading, 1000)
    os.close(reading)
    os.waitpid(between, 0)
    if not answer.isdigit():
        raise OSError(answer.decode(errors="replace").lstrip("! ") or "no namespaces could be made")
    return int(answer)


def _unshare() -> None:
    """New namespaces. Their only user is who we are; in them nobody can make further ones."""
    user, group = os.geteuid(), os.getegid()
    checked("unshare", _NEW)
    settings = {
        "self/setgroups": "deny", "self/uid_map": f"{user} {user} 1", "self/gid_map": f"{group} {group} 1",
        "self/oom_score_adj": "1000",  # when the machine has no memory left, this process goes first
    }  # fmt: skip
    for name, value in settings.items():
        Path("/proc", name).write_bytes(value.encode())
    with contextlib.suppress(OSError):  # where it cannot be written, the filter of system calls must do
        Path("/proc/sys/user/max_user_namespaces").write_bytes(b"0")


def _settle() -> None:
    """An empty `/proc`, an empty scratch folder of limited size, and no rights."""
    checked("mount", b"none", b"/proc", b"tmpfs", _NOSUID | _NODEV | _NOEXEC | _RDONLY, b"size=4k,nr_inodes=1")
    checked("mount", b"none", SCRATCH.encode(), b"tmpfs", _NOSUID | _NODEV | _NOEXEC, ROOM.encode())
    library = ctypes.CDLL(None)
    for capability in range(_CAPABILITIES):
        library.prctl(_DROP, capability, 0, 0, 0)  # fails for those that this kernel does not have
    header, nothing = (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)()
    checked("capset", ctypes.byref(header), ctypes.byref(nothing))
    checked("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    checked("prctl", _DUMPABLE, 0, 0, 0, 0)
    calls.refuse()
    os.chdir(SCRATCH)
