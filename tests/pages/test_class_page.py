"""The report about a class of 300, on a screen, on a telephone and on paper: it is no wider than these."""

import pytest
from browser import NEEDS_A_BROWSER, chromium, offline_pages, screenshot
from grading.classes import hard_and_easy

from tinygrad_lora.grading.page import class_page

pytestmark = [pytest.mark.slow, *NEEDS_A_BROWSER]
# What sticks out of the page. What can be scrolled does not, unless it is paper.
WIDER = """paper => [document.documentElement, ...(paper ? document.querySelectorAll("table, svg, pre, p") : [])]
    .filter(one => Math.max(one.scrollWidth || 0, one.getBoundingClientRect().right) > innerWidth + 1)
    .map(one => one.tagName)"""
# Names that go on for several lines, even if their row is high for another reason.
BROKEN = """() => [...document.querySelectorAll("tbody th")].filter(th => {
    const text = document.createRange()
    text.selectNodeContents(th)
    return text.getBoundingClientRect().height > 60
}).map(th => th.textContent)"""
SCROLLED = """() => [...document.querySelectorAll(".items .scroll")].some(one => one.scrollWidth > one.clientWidth)"""
# The distance of two names of the strip, across their direction, in sizes of their letters.
APART = """() => {
    const names = [...document.querySelectorAll("text.name")]
    const [one, two] = names.map(name => name.transform.baseVal.consolidate().matrix)
    return Math.abs(two.e - one.e) * Math.abs(one.b) / parseFloat(getComputedStyle(names[0]).fontSize)
}"""


@pytest.mark.parametrize(("width", "options"), [
    (1280, {"color_scheme": "light"}), (1280, {"color_scheme": "dark"}), (390, {"color_scheme": "dark"}),
    (718, {"media": "print"}),
])  # fmt: skip
def test_the_page_fits(tmp_path, width, options, monkeypatch):
    monkeypatch.setattr(
        "tinygrad_lora.grading.page.title_of", lambda id: "A topological order, whose title is long " * 4
    )
    students = hard_and_easy(300)
    students["Maximiliane Featherstonehaugh-Cholmondeley"] = students.pop("student 000")
    report = class_page(students, "04")
    with chromium() as browser, offline_pages(browser, tmp_path / "report.html", width, 1000) as opened:
        page = opened(report)
        page.emulate_media(**options)
        screenshot(page, f"class-{width}-{'-'.join(options.values())}")
        assert page.evaluate(WIDER, "media" in options) == [] == page.evaluate(BROKEN)
        assert width < 1000 or not page.evaluate(SCROLLED), "a title goes on below"
        assert page.evaluate(APART) >= 1.3, "lines of names have room between them"
