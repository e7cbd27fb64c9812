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
BROKEN = (
    """() => [...document.querySelectorAll("tbody th")].filter(th => th.offsetHeight > 60).map(th => th.textContent)"""
)


@pytest.mark.parametrize(("width", "options"), [
    (1280, {"color_scheme": "light"}), (1280, {"color_scheme": "dark"}), (390, {"color_scheme": "dark"}),
    (718, {"media": "print"}),
])  # fmt: skip
def test_the_page_fits(tmp_path, width, options):
    students = hard_and_easy(300)
    students["Maximiliane Featherstonehaugh-Cholmondeley"] = students.pop("student 000")
    report = class_page(students, "04")
    with chromium() as browser, offline_pages(browser, tmp_path / "report.html", width, 1000) as opened:
        page = opened(report)
        page.emulate_media(**options)
        screenshot(page, f"class-{width}-{'-'.join(options.values())}")
        assert page.evaluate(WIDER, "media" in options) == [] == page.evaluate(BROKEN)
