"""The file of a student's progress: what can be read is read, and nothing in it stops anybody."""

import json
import os

import pytest

from tinygrad_lora.learn import progress as table
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
