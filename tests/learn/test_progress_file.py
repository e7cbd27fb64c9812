"""The file of a student's progress: what can be read is read, and nothing in it stops anybody."""

import json
import os

import numpy as np
import pytest

from tinygrad_lora.commands import main as cli
from tinygrad_lora.errors import ShapeError
from tinygrad_lora.grading.process.messages import error_class
from tinygrad_lora.learn import progress as table
from tinygrad_lora.learn.checking.exceptions import explained, public_name
from tinygrad_lora.learn.progress import LARGEST, VARIABLE, hints_taken, remember, remembered

RECORD = {"exercise": "04-topo", "test": "a", "passed": True}


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "progress.jsonl"))
    return tmp_path / "progress.jsonl"


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000, '{"exercise": ' + "[" * 100_000, '{"exercise": 3}', '"exercise"', "null", "\0", "\ufffd",
        '{"exercise": "x", "exercise": 1}', '{"exercise": "x", "n": NaN}',
    ],
    ids=range(9),
)  # fmt: skip
def test_a_line_that_is_none_is_passed_over(path, line):
    path.write_text("\n".join([json.dumps(RECORD), line, json.dumps(RECORD)]), encoding="utf-8")
    assert list(remembered()) == [RECORD, RECORD]
    assert hints_taken("04-topo") == 0 and str(table())


def test_a_line_that_was_cut_off_is_lost_alone(path):
    path.write_text('{"exercise": "04-t')
    remember([RECORD])
    (record,) = remembered()
    assert record.items() >= RECORD.items()


def test_of_a_file_that_is_too_large_the_end_is_read(path):
    path.write_text("x" * LARGEST + "\n" + json.dumps(RECORD) + "\n")
    assert list(remembered()) == [RECORD]


@pytest.mark.skipif(os.name == "nt", reason="files of other systems")
def test_a_device_or_a_pipe_is_not_opened(path):
    path.symlink_to("/dev/zero")
    remember([RECORD])
    assert list(remembered()) == []
    path.unlink()
    os.mkfifo(path)
    remember([RECORD])
    assert list(remembered()) == []


NAME = "AnnaMueller"
FILES = {
    "of its own": f"class {NAME}_4711(Exception):\n    pass\n\ndef f(output):\n    raise {NAME}_4711('{NAME}')\n",
    "an error": f"class {NAME}Error(tl.errors.ShapeError):\n    pass\n\ndef f(output):\n    raise {NAME}Error\n",
    "of the package": f"class {NAME}Error(Exception):\n    __module__ = 'tinygrad_lora.errors'\n\n"
    f"def f(output):\n    raise {NAME}Error\n",
    "a global": f"{NAME} = set()\n\ndef f(output):\n    before = len({NAME})\n"
    f"    {NAME}.update(tl.Graph([], [output]).nodes)\n    return len({NAME}) - before\n",
    "a type": f"class {NAME}:\n    pass\n\ndef f(output):\n    return {NAME}()\n",
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_no_name_that_a_student_chose_is_kept(path, tmp_path, text, capsys):
    answer = tmp_path / "mine.py"
    answer.write_text(f"import tinygrad_lora as tl\n\n{text}".replace("f(output)", "count_nodes(output)"))
    assert cli.main(["check", "01-count-nodes", str(answer)]) == 1
    assert NAME in capsys.readouterr().out, "the student sees it"
    kept = path.read_text()
    assert '"passed": false' in kept and NAME.casefold() not in kept.casefold().replace("-", "")


def test_an_exception_is_kept_under_the_nearest_name_that_all_know():
    of_a_student = type(NAME, (ShapeError,), {})
    for error, name in (
        (of_a_student(), "ShapeError"), (type(NAME, (Exception,), {})(), "Exception"), (KeyError(1), "KeyError"),
        (np.exceptions.AxisError("a"), "AxisError"), (np.linalg.LinAlgError(), "LinAlgError"),
        (json.JSONDecodeError("a", "b", 0), "ValueError"), (SystemExit(), "SystemExit"),
        (error_class(f"{NAME}Error")(""), "Exception"),
    ):  # fmt: skip
        assert public_name(error) == name and NAME.casefold() not in explained(error)[0].replace("-", "")
