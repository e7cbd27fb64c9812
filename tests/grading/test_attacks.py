"""Submissions that attack: none gets a point, a solution or another's file, none does harm, and each is named."""

import json
import os
import re
import socket
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import asdict
from pathlib import Path

import pytest
from grading.attacks import ATTACKS, EPILOGUE, LONG, NOTEBOOKS, PRELUDE
from held import need_sandbox, settings

from tinygrad_lora.commands import main as cli
from tinygrad_lora.grading.grading import GradingWorker
from tinygrad_lora.grading.process.zygote import environment
from tinygrad_lora.grading.sandbox import bubblewrap
from tinygrad_lora.learn import load_exercise

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the limits are those of POSIX")

ID = "05-unbroadcast"
EXERCISE = load_exercise(ID)
PACKAGE = Path(bubblewrap.PACKAGE)
SECRET = "secret-of-the-judge"
STOLEN = re.compile(f"{SECRET}|FOUND")
"""What an attack may get to see of the outside, in any words that come back: nothing."""


class Outside:
    """What lies around the submissions: files, listening sockets, processes. `harm` says what has changed."""

    def __init__(self, folder: Path, grader: int) -> None:
        self.folder, self.grader = folder, grader
        for name in ("judge/canary", "submissions/alice.py", "out/results.csv"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"# {SECRET}\n{EXERCISE.solution}", encoding="utf-8")
        self.sockets = [socket.socket(), socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)]
        self.abstract = f"\0mallory-{os.getpid()}"
        for one, address in zip(self.sockets, [("127.0.0.1", 0), str(folder / "socket"), self.abstract], strict=True):
            one.bind(address)
            one.listen()
            one.setblocking(False)
        self.before = self.state()

    def names(self) -> str:
        """Where everything is, as the first lines of a submission."""
        tutorial = next(
            path
            for path in (PACKAGE / "tutorials/05_arrays.py", PACKAGE.parent / "tutorials/05_arrays.py")
            if path.exists()
        )
        values = {
            "ID": ID, "CANARY": str(self.folder / "judge/canary"), "OTHER": str(self.folder / "submissions/alice.py"),
            "OUT": str(self.folder / "out"), "PACKAGE": str(PACKAGE), "GRADER": self.grader, "TUTORIAL": str(tutorial),
            "REFERENCE": str(tutorial.parent / "exercises/t05/unbroadcast.py"), "ABSTRACT": self.abstract,
            "LIBRARY": sysconfig.get_path("stdlib"), "PORT": self.sockets[0].getsockname()[1],
            "UNIX": str(self.folder / "socket"),
        }  # fmt: skip
        return "".join(f"{name} = {value!r}\n" for name, value in values.items())

    def state(self) -> dict[str, object]:
        """Everything that an attack might change."""
        roots = [self.folder, PACKAGE, Path(sysconfig.get_path("stdlib"), "json")]
        files = {str(p): _stat(p) for root in roots for p in sorted(root.rglob("*")) if "__pycache__" not in p.parts}
        files |= {name: sorted(os.listdir(sysconfig.get_path(name))) for name in ("purelib", "stdlib")}
        shared = Path("/proc/sysvipc/shm")
        return {
            "files": files,
            "mallory": sorted(
                str(p) for place in ("/tmp", "/var/tmp", "/dev/shm") for p in Path(place).glob("mallory*")
            ),
            "shared memory": shared.read_text(encoding="ascii").count("\n") if shared.exists() else 0,
            "the grader's priority": os.getpriority(os.PRIO_PROCESS, self.grader),
            "the grader's processors": len(os.sched_getaffinity(self.grader)),
        }

    def harm(self) -> list[str]:
        """What has changed."""
        now = self.state()
        changed = [
            f"{name}: {_difference(self.before[name], now[name])}" for name in now if now[name] != self.before[name]
        ]
        for one in self.sockets:
            try:
                one.accept()[0].close()
                changed.append("somebody connected")
            except BlockingIOError:
                continue
        return changed

    def close(self) -> None:
        for one in self.sockets:
            one.close()


def _stat(path: Path) -> tuple[int, ...]:
    """What is known of a file. A folder is what is in it; another test may make one for compiled modules meanwhile."""
    status = path.lstat()
    times = (0, 0, 0) if path.is_dir() else (status.st_nlink, status.st_size, status.st_mtime_ns)
    return status.st_mode, status.st_uid, *times


def _difference(before: object, now: object) -> object:
    if isinstance(before, dict) and isinstance(now, dict):
        return [key for key in before | now if before.get(key) != now.get(key)]
    return before, now


@pytest.fixture(scope="module")
def worker():
    need_sandbox()
    made = GradingWorker()
    made.judge(job("honest", ""))
    yield made
    made.close()


@pytest.fixture(scope="module")
def outside(worker, tmp_path_factory):
    made = Outside(tmp_path_factory.mktemp("outside"), worker._process.pid)
    yield made
    made.close()


def job(*cells: str) -> dict[str, object]:
    held = asdict(settings(cpu=3, memory=1 << 30, wall=60.0, budget=5))
    named = [[f"cell {i}", text] for i, text in enumerate(cells, start=1)]
    return held | {"cells": named, "exercises": [ID], "patience": 0.1}


def attacks():
    """One in 24 is in the quick suite. Of those that wait for a limit, every sixth is with the slow ones."""
    lasting = sorted(LONG)
    for i, name in enumerate(ATTACKS):
        mark = pytest.mark.long if name in LONG and lasting.index(name) % 6 else pytest.mark.slow
        yield pytest.param(name, marks=[mark] if name in LONG or i % 24 else [])


@pytest.mark.parametrize("name", [*attacks()])
def test_an_attack_gets_nothing_does_no_harm_and_is_named(name, worker, outside):
    result = worker.judge(job(PRELUDE + outside.names(), ATTACKS[name], EPILOGUE))
    assert "failed" not in result, result
    assert result["points"] == 0
    assert not STOLEN.search(json.dumps([result["notes"], result["results"], result["refused"]])), result["notes"]
    assert not outside.harm()
    assert worker._process.pid == outside.grader
    diagnoses = {one["diagnosis"] for one in result["results"]} - {"not-started"}
    assert diagnoses or result["notes"] or result["refused"] or name in HARMLESS


HARMLESS = {
    # These look and see nothing, or write where they may.
    *(f"files: {name}" for name in (
        "whether a file is there", "lines", "a cache of Matplotlib for the next one",
        "a file beside the next submission", "the same file once more", "a folder for all")),
    *(f"processes: {name}" for name in (
        "killing everybody by descriptors", "killing the first process", "who the parent is", "slowing everybody down",
        "a crash in the cells", "what happens at exit")),
    *(f"network: {name}" for name in (
        "the interfaces of the kernel", "what it has inherited", "what it has inherited, read")),
    *(f"references: {name}" for name in (
        "modules that are loaded", "what is alive", "the service", "the seed", "all exercises",
        "the module, walked to")),
    *(f"answers: {name}" for name in ("a printed score", "a written score")),
}  # fmt: skip


@pytest.mark.slow
def test_the_system_alone_holds_them(outside):
    """Without the audit hook. What an attack may find then is its own process."""
    chosen = {name: text for name, text in ATTACKS.items() if name.partition(":")[0] in SYSTEM and name not in LONG}
    cells = [PRELUDE + outside.names(), {name: [text, ""] for name, text in chosen.items()}]
    program = bubblewrap.walled(
        [sys.executable, "-I", "-c", ALONE % (str(PACKAGE.parent), alone.read_text(encoding="utf-8"))]
    )
    done = subprocess.run(
        program, input=json.dumps(cells), capture_output=True, text=True, timeout=500, env=environment(True)
    )
    report = dict(json.loads(line) for line in done.stdout.splitlines())
    assert report.keys() == chosen.keys(), done.stderr[-2000:]
    assert not {name: text for name, text in report.items() if re.search(f"{SECRET}|SEEN|return .*sum", text)}
    assert not outside.harm()


SYSTEM = ("files", "processes", "network", "resources", "references")
alone = Path(__file__).parent / "attacks" / "alone.py"
ALONE = """
import sys
sys.path.insert(0, %r)
from tinygrad_lora.grading.process import student
from tinygrad_lora.grading.sandbox import hook, namespaces
student.prepare()
exec(%r, globals())
main(hook.limit, namespaces.prepare, namespaces.fork)
"""


def test_after_all_of_them_an_honest_one_has_full_marks(worker, outside):
    assert worker.judge(job(EXERCISE.solution))["points"] == EXERCISE.points
    assert not outside.harm()


@pytest.mark.slow
def test_a_class_of_attackers_is_graded_twice_alike_and_what_cannot_be_read_is_named(tmp_path, capsys):
    """The command itself, on what is no submission beside what is one. Both runs end, and everybody has a row."""
    need_sandbox()
    folder, results = tmp_path / "in", []
    folder.mkdir()
    for name, (make, _) in NOTEBOOKS.items():
        make(folder / name)
    for number, name in enumerate(CLASS):
        (folder / f"mallory-{number}.py").write_text(f"{PRELUDE}GRADER = 1\n{ATTACKS[name]}", encoding="utf-8")
    (folder / "ada.py").write_text(EXERCISE.solution, encoding="utf-8")
    listed = _listing(folder)
    for out in ("first", "second"):
        command = [
            "grade",
            str(folder),
            "--exercises",
            ID,
            "--out",
            str(tmp_path / out),
            "-j",
            "2",
            "--seed",
            "1",
            "--cpu",
            "3",
        ]
        assert cli.main(command) == 0
        assert capsys.readouterr().out.startswith("Each submission runs in a sandbox")
        results.append(json.loads((tmp_path / out / "results.json").read_text(encoding="utf-8")))
    assert _listing(folder) == listed
    points = {name: result["points"] for name, result in results[0]["students"].items()}
    assert points == {name: EXERCISE.points if name == "ada" else 0 for name in points}
    assert len(points) == 1 + len(CLASS) + sum(message is not None for _, message in NOTEBOOKS.values())
    wanted = {name for name, (_, message) in NOTEBOOKS.items() if message}
    assert {name for name in results[0]["unreadable"] if not name.startswith("mallory")} == wanted
    report = (tmp_path / "first" / "report.html").read_text(encoding="utf-8")
    assert report.index("What could not be read") < report.index("Heat map") and results[0]["held"] in report
    alike = [{name: _told(result) for name, result in run["students"].items()} for run in results]
    assert alike[0] == alike[1]


CLASS = [
    "processes: killing everybody", "processes: an end while called", "processes: a crash in C by recursion",
    "resources: memory in the cells", "resources: the disk, one file", "files: a fifo where the results go",
    "answers: an error that ends the process", "protocol: noise", "protocol: products without end",
]  # fmt: skip


def _listing(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


def _told(result: dict[str, object]) -> list[object]:
    return [[one["test"], one["passed"], one["diagnosis"]] for one in result["results"]] + [result["unreadable"]]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="whoever runs this is no root already")
def test_a_sixth_of_them_and_the_system_alone_hold_for_an_ordinary_user_too():
    """Root becomes somebody else, in a view of this machine where the folders above Python can be gone through."""
    need_sandbox()
    an_attack = test_an_attack_gets_nothing_does_no_harm_and_is_named.__name__
    chosen = [f"{an_attack}[{name}]" for name in [*ATTACKS][::6] if name not in LONG]
    chosen += [
        one.__name__ for one in (test_the_system_alone_holds_them, test_after_all_of_them_an_honest_one_has_full_marks)
    ]
    root, python = Path(__file__).parents[2], Path(sys.base_prefix).resolve()
    closed = next((p for p in [*reversed(python.parents), python] if not p.stat().st_mode & 0o005), None)
    view = ["--perms", "755", "--tmpfs", str(closed)] if closed else []
    for folder in [p for p in reversed(python.parents) if closed in p.parents] if closed else []:
        view += ["--perms", "755", "--dir", str(folder)]
    view += ["--ro-bind", str(python), str(python)] if closed else []
    rights = ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    program = [
        str(bubblewrap.binary()), "--dev-bind", "/", "/", *view, "--chdir", str(root), *rights, "--", sys.executable,
        "-B", "-c", BECOME, "--quiet", "-p", "no:cacheprovider", "-m", "slow or not slow",
        *(f"{Path(__file__).relative_to(root)}::{test}" for test in chosen),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, USER, USER)
        variables = {**os.environ, "HOME": home, "TMPDIR": home}
        done = subprocess.run(program, capture_output=True, text=True, timeout=800, env=variables)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert re.search(r"\d+ passed", done.stdout) and "skipped" not in done.stdout.splitlines()[-1]


USER = 61234  # nobody's
BECOME = f"""
import os, sys, pytest
os.setgroups([])
os.setgid({USER})
os.setuid({USER})
sys.exit(pytest.main(sys.argv[1:]))
"""
