"""The report about a class: what its numbers are, what comes first, and that its examples name nobody."""

import re
from html import unescape

import pytest
from grading.classes import hard_and_easy, student

from tinygrad_lora.grading.exports import table
from tinygrad_lora.grading.grading import empty
from tinygrad_lora.grading.page import class_page, unread
from tinygrad_lora.grading.statistics import ANY, items, mistakes
from tinygrad_lora.grading.submissions import hints_asked
from tinygrad_lora.learn.diagnosis import NOT_STARTED


def test_difficulty_and_discrimination_are_what_testers_call_so():
    topo, twice, diamond = items(hard_and_easy(40))
    assert (topo.average, twice.average, diamond.average) == (0.5, 0.75, 0.5)
    points = hard_and_easy(40).values()
    own, rest = (
        [one["results"][0]["points"] for one in points],
        [sum(r["points"] for r in o["results"][1:]) for o in points],
    )
    mean = sum(own) / 40, sum(rest) / 40
    pairs = [(x - mean[0], y - mean[1]) for x, y in zip(own, rest, strict=True)]
    expected = sum(x * y for x, y in pairs) / (sum(x * x for x, _ in pairs) * sum(y * y for _, y in pairs)) ** 0.5
    assert topo.discrimination == pytest.approx(expected) and topo.discrimination > 0.3
    assert abs(diamond.discrimination) < 0.1, "it is a matter of luck"
    assert (topo.hints, twice.hints) == (8, 0)


def test_a_correlation_of_few_or_of_what_is_all_the_same_is_not_shown():
    assert all(item.discrimination is None for item in items(hard_and_easy(9)))
    same = {f"{i}": student(("04-topo", 2, None), ("04-twice", i % 3, None)) for i in range(20)}
    assert items(same)[0].discrimination is None
    assert items({f"{i}": student(("04-topo", 2 * (i % 2), None)) for i in range(20)})[0].discrimination is None


def test_the_most_frequent_mistakes_are_counted_once_a_student_and_ranked():
    codes = ["a", "a", "a", "b", "b", "c", "c", "c", "c", "d", NOT_STARTED, None]
    class_ = {f"s{i}": student(("04-topo", 0, code), ("04-topo", 0, code)) for i, code in enumerate(codes)}
    (item,) = items(class_)
    assert [(one.code, one.count) for one in item.mistakes] == [("c", 4), ("a", 3), ("b", 2)]
    assert item.mistakes[0].sentence == "c in exercise 04-topo"
    page = class_page(class_, "04")
    assert re.findall(r"<a href=\"#(04-topo-.)\">", page) == ["04-topo-c", "04-topo-a", "04-topo-b"]
    assert re.findall(r"<li id=\"(04-topo-.)\">", page) == ["04-topo-c", "04-topo-a", "04-topo-b"]
    assert item.others == 1 and "<div>and 1 more</div>" in page and "And 1 more, which" in page
    fewer = class_page({name: class_[name] for name in ("s0", "s3", "s5")}, "04")
    assert "more</div>" not in fewer and "And " not in fewer, "nothing is left out"


def test_what_befalls_a_whole_submission_is_one_mistake():
    whole = mistakes({"ada": empty(["04-topo", "04-twice"], "it was killed")})
    assert [(one.exercise, one.code, one.count) for one in whole] == [(ANY, "not-graded", 1)]


def test_the_page_begins_with_what_could_not_be_read_and_says_how_the_class_did():
    class_ = hard_and_easy(40) | {"mallory": empty(["04-topo"], "x") | {"unreadable": ["a.ipynb: cut off"]}}
    class_["mallory"] |= student(("04-topo", 0, None), ("04-twice", 0, None), ("04-diamond", 0, None)) | {
        "unreadable": ["a.ipynb: cut off"]}  # fmt: skip
    page = class_page(class_, "04")
    assert page.index("a.ipynb: cut off") < page.index("41 students, 3 exercises. The median is 4 of 6 points")
    assert "the average 3.4; they reach from 0 to 6." in page
    label = re.search(r'aria-label="(Students by their points[^"]*)"', page)[1]
    assert sum(int(n) for n in re.findall(r"from \d+: (\d+)", label)) == 41


def test_who_has_points_is_not_among_those_who_could_not_be_read():
    note = {"unreadable": ["cell 3 is not Python"]}
    class_ = {"ada": student(("04-topo", 1, None)) | note, "bob": student(("04-topo", 0, "sign")) | note,
              "eve": student(("04-topo", 2, None))}  # fmt: skip
    assert [*unread(class_)] == ["bob"] and [*unread(class_, in_part=True)] == ["ada"]
    page = class_page(class_, "04")
    first, second = page.index("What could not be read</h2>"), page.index("What could be read in part, and has points")
    assert first < page.index('<th scope="row">bob') < second < page.index('<th scope="row">ada')
    lines = [line.split(",") for line in table(class_).splitlines()]
    assert [(line[0], line[6]) for line in lines[1:3]] == [("bob", "unreadable"), ("ada", "read-in-part")]
    assert "read in part" not in class_page({"bob": class_["bob"]}, "04")


@pytest.mark.parametrize(("n", "every"), [(20, 1), (300, 6)])
def test_every_column_of_the_strip_has_a_name(n, every):
    page = class_page(hard_and_easy(n), "04")
    assert {*re.findall(r"<title>(student \d+): \d+ of 6 points</title>", page)} == {*hard_and_easy(n)}
    assert len(re.findall(r'class="name"', page)) == n / every
    assert (f"one in {every} has a name here" in unescape(page)) == (every > 1)


def test_a_class_with_many_points_has_few_bars():
    class_ = {f"{i}": student(*[("04-topo", i % 3, None)] * 100) for i in range(30)}
    assert 5 < class_page(class_, "04").count('class="bar"') <= 20


def test_a_small_class_has_a_small_picture():
    page = class_page({"ada": student(("04-topo", 1, None))}, "04")
    assert re.search(r"1 students?, 1 exercise\. The median", page)
    width, height = map(int, re.search(r'<svg[^>]*class="bars"[^>]*width="(\d+)" height="(\d+)"', page).groups())
    assert width < 200 and height < 200
    assert "width: 100%" not in page.partition(".bars {")[2].partition("}")[0], "it may shrink, and does not grow"


def test_hints_are_calls_in_cells_and_no_comments():
    cells = ['x = 1\nhint("04-topo")', "# hint('04-twice')", "hint( '04-diamond' )", 'hint("04-top', "print('hint')"]
    cells += ["s = \"hint('04-edges')\"", '"""\nhint("04-edges")\n"""', "x = tl.hint('04-paths')"]
    assert hints_asked([{"cells": [["cell", text] for text in cells]}]) == {"04-topo", "04-diamond", "04-paths"}
