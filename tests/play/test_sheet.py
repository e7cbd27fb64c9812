"""The sheet beside the code: every part of it follows from the code, and what is text stays text."""

import re
from html import unescape

import pytest

from tinygrad_lora.play.examples import EXAMPLES
from tinygrad_lora.play.sheet import LARGEST, PARTS, parts


def sheet(source):
    return dict(parts(source))


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_shows_something_and_has_a_line_that_says_what_to_look_for(name):
    page = sheet(EXAMPLES[name])
    assert EXAMPLES[name].startswith("# ")
    assert page.get("picture") or page.get("value") or ("fit" in name and page["said"])
    assert "Error" not in page["said"] or "fit" in name


def test_all_parts_come_in_their_order_and_the_picture_before_what_takes_long():
    assert [name for name, _ in parts("x = tl.parameter(2.0)\ny = x * x\n")] == list(PARTS)


def test_values_gradients_formulas_passes_and_program_are_those_of_the_code():
    page = sheet(EXAMPLES["A product"])
    assert "∂z/∂x = y" in page["numbers"] and "z = x * y" in page["numbers"]
    rows = re.findall(
        r"<tr data-lines=\"(\d)\"><th scope=\"row\">(\w)</th>.*?<td class=\"words\">(\d)</td>.*?>(\d)</td>",
        page["numbers"],
    )
    assert rows == [("2", "x", "2", "3"), ("3", "y", "3", "2"), ("4", "z", "6", "1")]
    assert "simplify" in page["passes"] and "become 1." in page["passes"]
    assert re.search(r'data-lines="4"[^>]*>\s*z = x \* y', re.sub(r"</?span[^>]*hl[^>]*>", "", page["program"]))


def test_each_box_and_each_line_of_the_program_is_tied_to_its_line():
    page = sheet(EXAMPLES["LoRA"])
    ties = dict(re.findall(r'<i data-box="(n\d+)" data-lines="(\d+)">', page["picture"]))
    assert len(ties) == page["picture"].count('<g class="box')
    assert {"3", "4", "5", "6", "7", "8"} == {*ties.values()}


def test_an_error_leaves_the_other_parts_as_they_were():
    assert [*sheet("x = tl.parameter([1.0, 2.0])\nx @ tl.parameter([1.0])\n")] == ["said"]


def test_shapes_that_do_not_fit_are_drawn():
    assert "<img" in sheet(EXAMPLES["A shape that does not fit"])["said"]


def test_what_is_text_stays_text():
    page = sheet("print('<script>alert(1)</script>')\n'<img src=x>'\n")
    assert "<script>" not in page["said"] and "<img" not in page["value"]
    assert "<img src=x>" in unescape(page["value"])
    assert "<b>x" not in sheet("raise ValueError('<b>x')\n")["said"]


def test_of_an_array_the_gradients_are_those_of_the_sum_and_it_is_said():
    assert "sum of all elements of y" in sheet("x = tl.parameter([1.0, 2.0])\ny = x * x\n")["numbers"]


def test_without_a_parameter_it_is_said_what_would_get_a_gradient():
    assert "tl.parameter" in sheet("x = tl.constant([1.0, 2.0])\ny = x * x\n")["numbers"]


def test_a_graph_too_large_to_draw_is_told():
    page = sheet(f"x = tl.parameter(1.0)\nfor _ in range({LARGEST}):\n    x = x + 1.0\nx\n")
    assert "tl.render" in page["picture"] and page["program"]
