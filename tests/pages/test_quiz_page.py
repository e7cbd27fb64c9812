"""Numbers typed into the picture of a quiz: what is said to each, by keyboard alone, and what stays without scripts."""

import json
import re

import pytest
from browser import NEEDS_A_BROWSER, chromium, offline_pages, screenshot

import tinygrad_lora as tl
from tinygrad_lora.learn.predictions.sealed import number_token


def used_three_times():
    x = tl.parameter(3.0, "x")
    a = x * x
    a.name = "a"
    y = a + x
    y.name = "y"
    return y


def quizzes():
    """One that asks for values, one for gradients, one for arrays."""
    y = used_three_times()
    w = tl.parameter([1.5, 2.0], "w")
    return [tl.quiz(y, ask="values", blanks=9), tl.quiz(y, blanks=9), tl.quiz(tl.sum(w * w), blanks=9)]


def data(html):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html)[1])


def test_the_page_holds_no_answer():
    for quiz in quizzes():
        html = quiz._repr_html_()
        quiz.output.backward()
        for blank in quiz.blanks:
            right = blank.node.value if blank.kind == "value" else blank.node.gradient
            assert blank.node.shape or f'"{number_token(right)}"' not in html
        for field in data(html)["fields"]:
            assert field["responses"] == sorted(field["responses"])
            assert len({tag for tag, _ in field["responses"]}) == len(field["responses"]) >= 2
        assert "that is" not in html and "Right" not in html
        assert all(blank.question in html for blank in quiz.blanks), "as text, where no script runs"


def test_only_numbers_have_a_field():
    values, gradients, arrays = (data(quiz._repr_html_())["fields"] for quiz in quizzes())
    assert [len(values), len(gradients)] == [2, 2]
    asked = quizzes()[2].blanks
    assert len(arrays) == sum(not blank.node.shape for blank in asked) < len(asked)
    for field in (*values, *gradients):
        left, top, width, height = field["place"]
        assert 0 < left < left + width <= 100 and 0 < top < top + height <= 100


@pytest.mark.slow
@pytest.mark.parametrize("_", [pytest.param(None, marks=NEEDS_A_BROWSER)])
def test_a_browser_says_at_once_what_is_right(tmp_path, _):
    values, gradients, _arrays = quizzes()
    html = f"<!doctype html><meta charset='utf-8'>{values._repr_html_()}<hr>{gradients._repr_html_()}"
    with chromium() as browser, offline_pages(browser, tmp_path / "page.html", 900, 900) as opened:
        page = opened(html)
        assert page.locator("input").count() == 4

        def said(text, root, place):
            """What is said to a number that is typed by keyboard; the focus is in its field already."""
            page.keyboard.press("Control+A")
            page.keyboard.type(text)
            output = page.locator(".tl-quiz").nth(root).locator("li > div").nth(place)
            before = output.inner_text()
            page.keyboard.press("Enter")
            page.wait_for_function("([e, old]) => e.innerText !== old", arg=[output.element_handle(), before])
            return output.get_attribute("data-right"), output.inner_text()

        page.keyboard.press("Tab")
        assert said("nine", 0, 0) == (None, "Type a number, such as 2.5.")
        assert said("8", 0, 0) == ("0", "✗ 8: Not right.")
        assert said("-9", 0, 0) == ("0", "✗ -9: ?a is not -9: that is the right size with the wrong sign.")
        assert said("9.001", 0, 0) == ("1", "✓ 9.001: Right.")
        page.keyboard.press("Tab")
        assert said("12", 0, 1) == ("1", "✓ 12: Right.")
        page.keyboard.press("Tab")
        first = gradients.blanks[0]
        assert (first.label, first.kind) == ("x", "gradient")
        right, text = said("1", 1, 0)
        assert right == "0" and "used 3 times, and that is what one use sends back" in text
        assert said("6", 1, 0)[1] == "✗ 6: Not right."
        assert said("\u22127", 1, 0)[1].endswith("wrong sign.") and said("7.00", 1, 0)[0] == "1"
        assert page.locator("input").nth(2).get_attribute("aria-label") == "?a: the gradient of x"
        for i in range(4):  # each over its box
            box, image = page.locator("input").nth(i).bounding_box(), page.locator("img").nth(i // 2).bounding_box()
            assert box["x"] >= image["x"] and box["x"] + box["width"] <= image["x"] + image["width"]
            assert box["y"] >= image["y"] and box["y"] + box["height"] <= image["y"] + image["height"] + 1
        screenshot(page, "quiz")
        plain = opened(html, java_script_enabled=False)
        assert plain.locator("input").count() == 0 and plain.locator("img").count() == 2
        assert "Answer with .check(a=..., b=...)" in plain.locator("body").inner_text()
