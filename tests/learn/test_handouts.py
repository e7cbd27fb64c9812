"""Tutorials on paper: no answer, nothing to click, room to write, and the same page every time."""

import json
import re
import sys
from html import unescape

import pytest

pytest.importorskip("jupytext", reason="reading the sources of tutorials needs Jupytext")
pytest.importorskip("latex2mathml", reason="equations on paper need latex2mathml")

from html_reader import Reader
from test_tutorials import SOURCES, each_tutorial

from tinygrad_lora.commands import main as cli
from tinygrad_lora.learn import load_exercise
from tinygrad_lora.learn.checking.solutions import BEGIN, END
from tinygrad_lora.learn.handouts import pdf
from tinygrad_lora.learn.handouts.mathml import LONG, equation
from tinygrad_lora.learn.handouts.page import ADVANCE, MARGIN, PAPERS, Paper, handout
from tinygrad_lora.learn.predictions.prediction import load_prediction
from tinygrad_lora.learn.release.notebook import instructor, student
from tinygrad_lora.learn.release.source import read_cells

PAPER = Paper()
KINDS = [Paper(size, large, contrast) for size in PAPERS for large in (False, True) for contrast in (False, True)]


def squeezed(text):
    """The text without spaces, since paper has other line breaks."""
    return re.sub(r"\s+", "", text)


def answers_in(page, path):
    """What the page shows of what students are to find out."""
    shown = squeezed(Reader(page).text)
    cells = read_cells(path)
    solutions = [load_exercise(cell.exercise).solution for cell in cells if cell.exercise]
    blocks = [block for text in solutions for block in re.findall(rf"{BEGIN}\n(.*?){END}", text, re.DOTALL)]
    responses = [load_prediction(cell.prediction).question().response for cell in cells if cell.prediction]
    assert blocks and responses
    hidden = [squeezed(answer) for answer in [*blocks, *responses]]
    open_to_all = squeezed("".join(cell.text for cell in cells if not cell.exercise and not cell.instructor))
    return [answer for answer in hidden if len(answer) > 12 and answer in shown and answer not in open_to_all]


@each_tutorial
def test_no_answer_is_on_paper(path):
    page = handout(student(read_cells(path)), PAPER)
    assert not answers_in(page, path)
    for word in (
        "raise NotImplementedError",
        "BEGIN SOLUTION",
        "reference(",
        "tl.predict(",
        f'check("{path.stem[:2]}-',
    ):
        assert squeezed(word) not in squeezed(Reader(page).text)
    solved = handout(instructor(read_cells(path)).replace('"role": "answer"', '"role": ""'), PAPER)
    assert answers_in(solved, path), "the test would notice one"


@each_tutorial
def test_there_is_room_for_every_answer_and_nothing_to_click(path):
    cells, page = read_cells(path), handout(student(read_cells(path)), PAPER)
    exercises = [cell.exercise for cell in cells if cell.exercise]
    assert page.count('class="rules"') + page.count('class="squares"') >= len(exercises)
    assert page.count("To check it: ") == page.count('<div class="room">') == len(exercises)
    assert ".room { break-inside: avoid; }" in page, "an exercise is not cut where it fits on a page"
    questions = [cell for cell in cells if cell.prediction]
    assert page.count('class="question"') == page.count("Your answer: ") == len(questions)
    assert not re.search(r"<(script|button|input|iframe|details|select|abbr|a)\b", page)
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"|http-equiv|xmlns=\'[^\']*\'', "", page)


@each_tutorial
def test_a_prediction_is_on_another_page_than_the_text_that_tells_it(path):
    cells, page = read_cells(path), handout(student(read_cells(path)), PAPER)
    sheet, text = page.split('<section class="sheet">')[1].split("<h1", 2)[1:]
    count = sum(bool(cell.prediction) for cell in cells)
    assert sheet.count('class="question"') == count and 'class="question"' not in text
    assert [*map(int, re.findall(r"<strong>Prediction (\d+)", sheet))] == [*range(1, count + 1)]
    places = re.findall(r'<p class="asked"><strong>Prediction (\d+)', text)
    assert [*map(int, places)] == [*range(1, count + 1)]
    assert ".sheet { break-after: page; }" in page, "what follows begins on another page"


def test_a_page_is_the_same_every_time_and_knows_its_paper():
    text = student(read_cells(SOURCES[3]))
    pages = [handout(text, paper) for paper in KINDS]
    assert pages == [handout(text, paper) for paper in KINDS]
    assert len(set(pages)) >= len(PAPERS) * 3, "without pictures, strong and usual ones differ in the class alone"
    for paper, page in zip(KINDS, pages, strict=True):
        assert f"size: {PAPERS[paper.size][0]};" in page
        assert (' large"' in page or ' large contrast"' in page) == paper.large


@pytest.mark.parametrize("paper", KINDS, ids=str)
def test_code_fits_on_the_paper_or_is_broken(paper):
    """The letters of the longest line fit, unless they would be too small to read: then the line is broken."""
    width = PAPERS[paper.size][1] - 2 * MARGIN
    for columns in (1, 40, 80, 90, 100, 120, 400):
        points = paper.points("x" * columns)
        assert points >= (15 if paper.large else 7)
        assert columns * points * ADVANCE < width or points == (15 if paper.large else 7)
    assert paper.points("") == paper.points("x" * 20)


EXPLAINED = 'A <abbr title="A value.">node</abbr> is $x < 1$.\n\n    a < b'
PRINTED = "1 < 2\n\nend\nwrite f, then run this cell again"
QUIZ = """<div><img alt="two boxes" src="data:image/svg+xml;base64,PHN2Zz48L3N2Zz4="><ul></ul>
<p>Answer with .check(a=...)</p><script>alert(1)</script></div>"""
OUTPUTS = [
    {"output_type": "stream", "name": "stdout", "text": PRINTED},
    {"data": {"text/html": QUIZ, "text/plain": "Fill in\n?a: the value of p\nAnswer with .check(a=...)"}},
    {"data": {"text/latex": "$$\nx = 1\n$$", "text/plain": "x is 1"}},
]
NOTEBOOK = {"cells": [
    {"cell_type": "markdown", "metadata": {}, "source": "# 01 · Short\n*Outcome: none · 5 minutes*"},
    {"cell_type": "markdown", "metadata": {}, "source": EXPLAINED},
    {"cell_type": "code", "metadata": {}, "source": "a < b", "outputs": OUTPUTS},
]}  # fmt: skip


def test_what_needs_a_script_leaves_its_picture_and_its_questions():
    page = handout(json.dumps(NOTEBOOK), PAPER)
    text = Reader(page).text
    assert 'alt="two boxes"' in page and "?a: the value of p" in text and ".check(" not in page
    assert "1 < 2" in text and "<math" in page and "x is 1" not in text
    assert "again" not in text, "nobody runs a cell on paper"
    assert squeezed(text).endswith("Wordsnode:Avalue."), "what shows under a pointer is printed at the end"


def test_what_is_printed_is_in_one_piece_however_the_kernel_cut_it():
    pieces = [{**OUTPUTS[0], "text": line} for line in PRINTED.splitlines(keepends=True)]
    cut = {"cells": [*NOTEBOOK["cells"][:2], {**NOTEBOOK["cells"][2], "outputs": [*pieces, *OUTPUTS[1:]]}]}
    assert handout(json.dumps(cut), PAPER) == handout(json.dumps(NOTEBOOK), PAPER)


def test_numbers_are_written_as_numbers():
    text = "{'a': np.float64(6.0), 'b': np.float32(-1e-05), 'c': np.True_}, np.int64(3), np.float64(nan), np.ones(2)"
    outputs = [{"data": {"text/plain": text}}, {"text": text}]
    cells = {"cells": [NOTEBOOK["cells"][0], {**NOTEBOOK["cells"][2], "outputs": outputs}]}
    shown = Reader(handout(json.dumps(cells), PAPER)).text
    assert squeezed(shown).count(squeezed("{'a': 6.0, 'b': -1e-05, 'c': True}, 3, nan, np.ones(2)")) == 2
    assert "np.float" not in shown


def test_large_print_is_large_everywhere():
    for paper in KINDS:
        page = handout(student(read_cells(SOURCES[3])), paper)
        sizes = [float(size) for size in re.findall(r'style="font-size: ([\d.]+)pt', page)]
        assert sizes and min(sizes) >= (15 if paper.large else 7)
        foot = {float(size) for size in re.findall(r"font: (\d+)pt sans-serif", page)}
        assert foot == {14 if paper.large else 8}


def test_high_contrast_reaches_into_pictures():
    import base64

    def picture(page):
        return base64.b64decode(re.search(r"base64,([^\"]+)", page)[1]).decode()

    usual, strong = (picture(handout(json.dumps(NOTEBOOK), Paper(contrast=one))) for one in (False, True))
    assert usual == "<svg></svg>" and strong.startswith("<svg><style>") and strong.endswith("</style></svg>")


def test_a_long_equation_is_broken_at_its_outermost_signs():
    terms = [rf"\underbrace{{(a + b) \cdot {i}}}_{{x + y}}" for i in range(8)]
    latex = f"f = {' + '.join(terms)}"
    assert len(latex) > LONG and equation(latex).count("<math") == 1 + len(terms)
    assert equation("f = a + b").count("<math") == 1
    assert unescape(equation("a < b")).count("<math") == 1


def test_a_machine_without_a_browser_gets_pages_and_is_told_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pdf, "BROWSERS", ("no-such-browser",))
    assert cli.main(["course", "handouts", str(tmp_path), "--tutorials", "1", "--no-execute"]) == 0
    said = capsys.readouterr().out
    assert "no PDF was made: open a page in any browser" in said
    assert [path.suffix for path in tmp_path.iterdir()] == [".html"]
    assert cli.main(["course", "handouts", str(tmp_path), "--tutorials", "1", "--no-execute", "--no-pdf"]) == 0
    assert "no PDF" not in capsys.readouterr().out
    monkeypatch.setitem(sys.modules, "nbclient", None)
    assert cli.main(["course", "handouts", str(tmp_path), "--tutorials", "1"]) == 2
    assert "--no-execute leaves them without outputs" in capsys.readouterr().err


def test_a_browser_that_prints_nothing_is_named(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<p>")
    for command in ("true", "no-such-browser"):
        with pytest.raises(pdf.TutorialError, match=f"{command} .*page.html.*--no-pdf"):
            pdf.printed(command, page)
