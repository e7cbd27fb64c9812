"""Handouts in a browser: nothing is wider than the paper or taller than a page, and the PDF has all pages."""

import re

import pytest
from browser import CHROMIUM, NEEDS_A_BROWSER, chromium, offline_pages, screenshot

pytest.importorskip("jupytext", reason="reading the sources of tutorials needs Jupytext")
pytest.importorskip("latex2mathml", reason="equations on paper need latex2mathml")
pytest.importorskip("nbclient", reason="running notebooks needs nbclient")

from tinygrad_lora.commands.course import sources
from tinygrad_lora.learn.handouts.page import MARGIN, PAPERS, Paper, handout
from tinygrad_lora.learn.handouts.pdf import printed
from tinygrad_lora.learn.release.execute import executed
from tinygrad_lora.learn.release.notebook import student
from tinygrad_lora.learn.release.source import read_cells

pytestmark = NEEDS_A_BROWSER
INCH = 25.4  # mm, 96 pixels of CSS
TALLEST = 263  # mm between the margins of A4
# What reaches beyond the paper, is taller than a page, or waits for a click. Spaces at the end of a broken line hang.
FAULTS = """tallest => {
  const paper = document.querySelector("main"), edge = paper.getBoundingClientRect(), faults = [];
  for (const one of paper.querySelectorAll("*")) {
    const box = one.getBoundingClientRect(), text = one.closest("pre");
    if (!text && box.width && (box.right > edge.right + 1 || box.left < edge.left - 1)) faults.push(one.outerHTML);
    const wide = text === one && one.scrollWidth > one.clientWidth + 1;
    if (wide && !/ {2}/.test(one.textContent)) faults.push(one.outerHTML);
    if (one.tagName === "IMG" && box.height > tallest) faults.push(one.alt);
    if (one.matches("button, input, select, textarea, script, iframe, details")) faults.push(one.outerHTML);
  }
  return faults.map(fault => fault.slice(0, 300));
}"""


@pytest.fixture(scope="module")
def notebooks():
    """Two tutorials with all kinds of outputs: formulas, steppers, quizzes, explorers, pictures and long lines."""
    paths = sources(None, "04,09")
    return {path.stem: executed(student(read_cells(path)), path.stem) for path in paths}


@pytest.fixture(scope="module")
def browser(notebooks):
    """It starts after the notebooks have run: it has an event loop of its own."""
    with chromium() as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("paper", [Paper(), Paper("letter", large=True, contrast=True)], ids=["usual", "large"])
def test_nothing_runs_off_the_paper(browser, notebooks, paper, tmp_path):
    width = int((PAPERS[paper.size][1] - 2 * MARGIN) / INCH * 96)
    for name, text in notebooks.items():
        with offline_pages(browser, tmp_path / f"{name}.html", width, 900) as opened:
            page = opened(handout(text, paper))
            page.emulate_media(media="print")
            screenshot(page, f"handout-{name}")
            assert page.locator("img").count() >= 5
            assert page.evaluate(FAULTS, TALLEST / INCH * 96) == []
            wide = "<pre style='white-space: pre'>" + "x" * 200 + "</pre><p style='width: 3000px'>wide</p>"
            page.evaluate("html => document.querySelector('main').insertAdjacentHTML('beforeend', html)", wide)
            assert len(page.evaluate(FAULTS, TALLEST / INCH * 96)) == 2, "the test would notice"


@pytest.mark.slow
def test_the_pdf_has_the_size_that_was_asked_for(notebooks, tmp_path):
    for size, inches in {"a4": (8.27, 11.69), "letter": (8.5, 11)}.items():
        page = tmp_path / f"{size}.html"
        page.write_text(handout(notebooks["04_order_and_accumulation"], Paper(size)), encoding="utf-8")
        pdf = printed(CHROMIUM, page).read_bytes()
        boxes = set(re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf))
        assert pdf.startswith(b"%PDF") and len(boxes) == 1
        assert [float(side) / 72 for side in boxes.pop()] == pytest.approx(inches, abs=0.02)
        assert len(re.findall(rb"/Type /Page\b", pdf)) > 8
