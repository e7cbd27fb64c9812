"""Kept results: one that is whole and adds up is believed, and any other is as if it were not there."""

import copy
import json

import pytest

from tinygrad_lora.files import write_atomically
from tinygrad_lora.grading.grading import empty
from tinygrad_lora.grading.kept import _digest, read_kept, write_kept

IDS = ["04-topo", "05-unbroadcast"]


@pytest.fixture
def result():
    made = empty(IDS, "a reason")
    first = made["results"][0]
    first |= {"passed": True, "points": first["out_of"], "diagnosis": None}
    return made | {"points": first["points"], "seconds": 0.5}


def test_a_result_is_kept(result, tmp_path):
    write_kept(tmp_path / "x", result)
    assert read_kept(tmp_path / "x", empty(IDS, "")) == result
    assert read_kept(tmp_path / "x", empty(IDS[:1], "")) is None, "of other exercises"


def points(result):
    result["points"] = 99


def point_of_a_check(result):
    result["results"][0]["points"] = 99


def all_passed(result):
    result["results"][1]["passed"] = True


def another_total(result):
    result["out_of"] = 1


def another_check(result):
    result["results"][0]["test"] = "an easier one"


def fewer_checks(result):
    result["results"].pop()


def no_text(result):
    result["results"][0]["example"] = [1]


def no_list(result):
    result["notes"] = 3


def a_truth_for_a_number(result):
    result["results"][0]["seconds"] = True


def one_more(result):
    result["more"] = 1


def rows_that_are_none(result):
    result["results"] = [None] * len(result["results"])


CHANGES = [points, point_of_a_check, all_passed, another_total, another_check, fewer_checks, no_text, no_list,
           a_truth_for_a_number, one_more, rows_that_are_none]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_result_that_does_not_add_up_is_not_believed_whatever_its_checksum(change, result, tmp_path):
    changed = copy.deepcopy(result)
    change(changed)
    for digest in (_digest(result), _digest(changed)):
        write_atomically(tmp_path / "x", json.dumps([digest, changed]))
        assert read_kept(tmp_path / "x", empty(IDS, "")) is None


def test_a_sentence_that_was_changed_is_not_believed(result, tmp_path):
    write_kept(tmp_path / "x", result)
    text = (tmp_path / "x").read_text()
    (tmp_path / "x").write_text(text.replace("a reason", "no reason", 1))
    assert read_kept(tmp_path / "x", empty(IDS, "")) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", "[1]", "[1, 2]", "null", "[" * 1000, '["x", {"results": 1}]', "{"])
def test_what_is_no_result_is_none(text, tmp_path):
    (tmp_path / "x").write_text(text)
    assert read_kept(tmp_path / "x", empty(IDS, "")) is None
    assert read_kept(tmp_path / "nowhere", empty(IDS, "")) is None
