"""What a student's process may do: limits by the operating system, and a hook that sees Python's own doings.

The hook refuses the network, other processes, `ctypes`, signals to others, reading outside of Python's installation and
the work folder, and writing outside of the work folder. It looks nothing up in a module while it runs, so exchanging
names there changes nothing. It is no wall against machine code: that needs the operating system.
"""

import contextlib
import os
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

PACKAGE = str(Path(__file__).resolve().parents[2])
# The folder that holds the reference solutions: of an installed package, and of a checkout.
SOLVED = f"{PACKAGE}/tutorials", f"{os.path.dirname(PACKAGE)}/tutorials"
SECRET = ("tinygrad_lora.learn.exercises.", "tinygrad_lora.grading.judge", "tinygrad_lora.grading.process.worker")
LARGEST_FILE, MOST_FILES = 16 << 20, 64

FORBIDDEN = (
    "socket.", "ctypes.", "gc.get_", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork",
    "os.startfile", "os.kill", "os.symlink", "os.link", "os.chroot", "os.chdir", "os.fchdir", "os.setxattr",
    "os.lockf", "pty.", "fcntl.", "syslog.", "sqlite3.", "resource.", "signal.pthread_kill", "webbrowser.", "winreg.",
    "_winapi.", "msvcrt.", "mmap.", "sys.addaudithook", "sys.settrace", "sys.setprofile", "sys._current_frames",
    "sys.remote_exec", "os.unshare", "os.setns", "shutil.chown",
)  # fmt: skip
CHANGING = (
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "os.chown", "os.utime", "os.chflags",
    "os.removexattr", "shutil.rmtree", "tempfile.",
)  # fmt: skip
LOOKING = ("os.listdir", "os.scandir", "os.walk", "os.fwalk", "glob.", "os.getxattr", "os.listxattr")


def limit(cpu: int, memory: int) -> None:
    """Limits that the system keeps: seconds of work, bytes of memory, files. Does nothing where there are none."""
    try:
        import resource
    except ImportError:
        return
    limits = {
        "CPU": cpu, "AS": memory, "FSIZE": LARGEST_FILE, "NOFILE": MOST_FILES, "CORE": 0,
        "NPROC": 0,  # no new process or thread; the system does not hold root to it
    }  # fmt: skip
    for name, value in limits.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):  # this system has no such limit
            kind = getattr(resource, f"RLIMIT_{name}")
            hard = resource.getrlimit(kind)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (value, value + (name == "CPU") if hard == resource.RLIM_INFINITY else value))


def close_doors(refusals: list[str]) -> None:
    """Take away what the hook does not see: the function below `subprocess` that starts a process without an event."""

    def refused(*args: Any, **kwargs: Any) -> Any:
        refusals.append("starting a process")
        raise PermissionError("not while grading: starting a process")

    for name in ("_posixsubprocess", "subprocess"):
        module = sys.modules.get(name)
        for function in ("fork_exec", "_fork_exec"):
            if module is not None and hasattr(module, function):
                setattr(module, function, refused)


def readable() -> tuple[str, ...]:
    """The folders of Python's library and of this package."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    base = dict.fromkeys(("base", "platbase", "installed_base"), sys.base_prefix)  # below a virtual environment
    paths = {sysconfig.get_path(name, vars=variables) for name in names for variables in (None, base)}
    return tuple(sorted({os.path.abspath(path) for path in paths if path} | {PACKAGE}))


def watch(folder: str) -> list[str]:
    """Install the hook. Returns a list, to which it will add what it refuses."""
    refused: list[str] = []
    sys.addaudithook(hook(os.path.abspath(folder), refused))
    return refused


def hook(folder: str, refused: list[str]) -> Callable[[str, tuple[Any, ...]], None]:
    """The audit hook. Everything that it uses is a local name, so no exchange in a module changes it."""
    roots, hidden = readable(), SOLVED
    allowed_devices = ("/dev/null", "/dev/urandom", "/dev/random", "NUL")
    forbidden, changing, looking, secret = FORBIDDEN, CHANGING, LOOKING, SECRET
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    windows, absolute = os.name == "nt", os.path.abspath
    error, kind, text, number, raw, nothing, most = PermissionError, type, str, int, bytes, None, 20
    starts, splits, joins, decodes, size = str.startswith, str.split, str.join, bytes.decode, len
    notes, appends, pops = refused, list.append, list.pop
    plain, spelled, shown = type(Path()), PurePath.__fspath__, PurePath.__str__

    def refuse(what: str) -> None:
        if what != "sys.setprofile" and size(notes) < most:  # `tl.check_pass` asks for it, and does without
            appends(notes, what[:200])
        raise error("not while grading: " + what[:200])

    def clean(path: Any) -> str:
        if kind(path) is raw:
            path = decodes(path, "utf-8", "surrogateescape")
        if kind(path) is plain and PurePath.__fspath__ is spelled and PurePath.__str__ is shown:
            path = shown(path)
        if kind(path) is not text:
            refuse("a path that is no string")
        if windows:
            return absolute(path)
        parts: list[str] = []
        for part in splits(path if starts(path, "/") else folder + "/" + path, "/"):
            if part == "..":
                if parts:
                    pops(parts)
            elif part and part != ".":
                appends(parts, part)
        return "/" + joins("/", parts)

    def inside(path: str, root: str) -> bool:
        return path == root or starts(path, root + "/") or (windows and starts(path, root + "\\"))

    def may(path: Any, write: bool, event: str) -> None:
        if path is nothing or kind(path) is number:
            return  # the folder that it is in, or a file that is open
        target = clean(path)
        if inside(target, folder) or target in allowed_devices:
            return
        if not write:
            for root in hidden:
                if inside(target, root):
                    refuse(event + " " + target)
            for root in roots:
                if inside(target, root):
                    return
        refuse(event + " " + target)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = args
            write = kind(flags) is number and flags & writing != 0
            may(path, write, "open")
        elif event == "import":
            if starts(args[0], secret) or args[0] == "_posixsubprocess":
                refuse("import " + args[0])
        elif starts(event, forbidden):
            refuse(event)
        elif starts(event, changing):
            for part in args[:2] if event == "os.rename" else args[:1]:
                may(part, True, event)
        elif starts(event, looking):
            may(args[0] if args else nothing, False, event)

    return hook
