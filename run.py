"""Run the demo or the tests on a machine that has only Python.

    python3 run.py demo [ARGS...]   see what the package does; ARGS go to `tinygrad-lora demo`
    python3 run.py test [ARGS...]   lint, types, architecture and tests; ARGS go to pytest; --all: the slow tests, too
    python3 run.py fuzz [ARGS...]   random programs, compiled and compared; --minutes N, --programs N, --seed S
    python3 run.py fuzz --files     damaged files, read right or refused in a sentence; --minutes N, --seed S
    python3 run.py bench [ARGS...]  times beside other libraries, which the extra `bench` brings; --help
    python3 run.py release --check  whether this checkout can be released; --only NAME, --set X.Y.Z, --help
    python3 run.py docs [ARGS...]   build the documentation in build/docs; ARGS go to sphinx-build
    python3 run.py lab [ARGS...]    build the lab that runs in a browser, in build/lab; ARGS go to docs/build_lab.py

The first run makes a virtual environment in .venv and needs the network; later runs do not.
"""

import hashlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 11):
    sys.exit("tinygrad_lora needs Python 3.11 or newer; this is Python {}.{}.".format(*sys.version_info))

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

INTERRUPTED = 130  # the exit code that a shell gives for a Ctrl-C

EXTRAS = {
    "demo": "", "test": "[test]", "fuzz": "[test]", "bench": "", "docs": "[docs]", "lab": "[lab]",
    "release": "[test,browser,docs,lab]",
}  # fmt: skip

# An older pip makes no editable install of a pyproject.toml, and an older Python does not run the package.
NEW_ENOUGH = "import pip, sys; assert int(pip.__version__.split('.')[0]) > 21 and sys.version_info >= (3, 11)"

# pytest comes last, so that its closing line is the last thing printed.
STEPS = {
    "ruff check": ["-m", "ruff", "check", "--no-cache"],  # which saves no time, and could not be written everywhere
    "ruff format": ["-m", "ruff", "format", "--check", "--no-cache"],
    "mypy": ["-m", "mypy"],
    "lint-imports": ["-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-logo", "--no-cache"],
    # A file's fixtures are made once. In their order, since files with few tests take the longest.
    "pytest": ["-m", "pytest", "--numprocesses=auto", "--dist=loadfile", "--no-loadscope-reorder"],
}

NO_VENV = """This Python cannot make a virtual environment: its venv module is missing or incomplete.
On Debian or Ubuntu this line fixes it; then run the same command again:

    sudo apt-get install python3-venv

Elsewhere, run the command with another Python, such as one from python.org."""

NO_ENVIRONMENT = f"""Could not make the virtual environment: {{reason}}
It goes into the folder of run.py. You must be able to write there, on a disk with 1 GB free, and its path must have no
{os.pathsep!r} in it. If all that is so, this Python lacks something: run the command with another one."""

NO_INSTALL = """The install failed; pip says why above. Put that right, then run the same command again.
No network: connect. Only the first run needs it. Or bring the packages in a folder: docs/install.md, "Offline".
A proxy: set HTTPS_PROXY to its address, such as http://proxy.example:8080. Unset it where there is no proxy.
A full disk: make room. The demo takes 150 MB, and the tests take 1 GB."""


def main(arguments: list[str]) -> int:
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    if command not in EXTRAS:
        print((__doc__ or "").strip(), file=sys.stderr)
        return 2
    install(command)
    if command == "bench":
        path = [str(ROOT / "tests" / "benchmarks"), str(ROOT / "tests"), os.environ.get("PYTHONPATH")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, path))
        try:
            return run(["-m", "bench", *rest])
        except KeyboardInterrupt:
            return INTERRUPTED  # it has said so
    if command == "release":
        return run(["-m", "release", *rest], cwd=ROOT / "tests")
    if command in ("demo", "fuzz"):
        # Their matrices are small: on a busy machine a second thread costs more than it brings.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        try:
            if command == "fuzz":
                return run(["-m", "fuzz", *rest], cwd=ROOT / "tests")
            return run(["-m", "tinygrad_lora", "demo", *rest])
        except KeyboardInterrupt:
            return INTERRUPTED  # both have said so
    if command == "docs":
        return docs(rest)
    if command == "lab":
        return run([str(ROOT / "docs" / "build_lab.py"), *rest])
    return test(rest)


def install(command: str) -> None:
    """Make `.venv` hold what `command` needs. Does nothing when it already does."""
    # Reinstall when the requirements changed or the checkout moved: an editable install points at its folder.
    needs = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + os.fsencode(ROOT)).hexdigest()
    stamp = VENV / f"installed-for-{command}.txt"
    if PYTHON.exists() and stamp.exists() and stamp.read_text(encoding="ascii") == needs:
        return
    if not PYTHON.exists() or run(["-c", NEW_ENOUGH], quiet=True) != 0:  # uv makes a .venv without pip
        make_environment()
    print(f"Installing tinygrad_lora{EXTRAS[command]} into {VENV}", flush=True)
    target = str(ROOT) + EXTRAS[command]
    if run(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", target]) != 0:
        sys.exit(NO_INSTALL)
    stamp.write_text(needs, encoding="ascii")


def make_environment() -> None:
    """Make a `.venv` that holds pip alone, or leave none behind."""
    print(f"Making a virtual environment in {VENV}", flush=True)
    environment = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)]
    pip = [str(PYTHON), "-I", "-m", "ensurepip", "--default-pip"]  # by venv, it would not say why it failed
    made = False
    try:
        for step in (environment, pip):
            done = subprocess.run(step, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
            if done.returncode != 0:
                missing = re.search("No module named '?(venv|ensurepip)", done.stdout)
                reasons = re.findall(r"(?im)^[\w.]*error: (.*)", done.stdout) or [done.stdout.strip()]
                sys.exit(NO_VENV if missing else NO_ENVIRONMENT.format(reason=reasons[0]))  # the others follow from it
        made = True
    finally:  # also when interrupted: half an environment would look like a whole one next time
        if not made:
            shutil.rmtree(VENV, ignore_errors=True)


def docs(sphinx_arguments: list[str]) -> int:
    """Build the documentation; a warning is an error."""
    out, playground = ROOT / "build" / "docs", ROOT / "build" / "docs-extra" / "playground"
    options = ["-W", "--keep-going", "-q", "-j", "auto"]  # on all cores
    sphinx = ["-m", "sphinx", *options, *sphinx_arguments, "docs", str(out)]
    try:
        if run([str(ROOT / "docs" / "build_playground.py"), "--out", str(playground)], cwd=ROOT, apart=True) != 0:
            shutil.rmtree(playground, ignore_errors=True)
            print("So the documentation is built without the playground.", flush=True)
        code = run(sphinx, cwd=ROOT, apart=True)
    except KeyboardInterrupt:
        (out / ".buildinfo").unlink(missing_ok=True)  # so that all pages are written anew: one may be half-written
        raise
    print(f"The documentation: {out / 'index.html'}" if code == 0 else "The documentation has errors, see above.")
    return code


def test(pytest_arguments: list[str]) -> int:
    """Run every step, whatever the ones before it found. Returns 1 if any failed."""
    failed: list[str] = []
    for name, step in STEPS.items():
        if name == "pytest":
            print("\n== so far:", ", ".join(failed) + " FAILED" if failed else "all good")
            step = [*step, *pytest_arguments]
        print(f"\n== {name}", flush=True)
        # From the top folder, where the tools find their configuration in pyproject.toml.
        if run(step, cwd=ROOT, apart=name != "pytest") != 0:  # which tells what it has found so far
            failed.append(name)
    return 1 if failed else 0


def run(arguments: list[str], cwd: Path | None = None, quiet: bool = False, apart: bool = False) -> int:
    """Run the environment's Python and return its exit code.

    A Ctrl-C reaches it too, and it ends in its own way. What runs `apart` is killed instead: Sphinx, and each notebook
    that it runs, would print a traceback, and mypy would take seconds to end.
    """
    output = subprocess.DEVNULL if quiet else None
    command = [str(PYTHON), *arguments]
    came: list[bool] = []
    hears = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # what runs in the background does not
    if hears:  # a Ctrl-C waits until it is known which process to end
        signal.signal(signal.SIGINT, lambda *_: came.append(True))
    process = subprocess.Popen(command, cwd=cwd, stdout=output, stderr=output, start_new_session=apart)
    try:
        if hears:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if came:
            raise KeyboardInterrupt
        return process.wait()
    except KeyboardInterrupt:
        if apart and hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)  # with the processes that it started
        elif apart:
            process.kill()
        process.wait()
        raise


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # the path of the checkout may have letters that a terminal lacks
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("run.py: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
