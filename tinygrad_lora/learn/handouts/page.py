"""A notebook as a page to print. It holds all it needs, runs no script, and shows no answer to an exercise."""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

from ...files import parse_json
from ...view.words.highlight import lines as colored
from ...view.words.markup import Markup, asset, element, joined, page
from ..checking.solutions import STUB
from ..exercise import Exercise
from ..registry import load_exercise
from ..release.notebook import SETUP, with_imports
from ..tutorials import heading_of
from .mathml import equation, mathml

PAPERS = {"a4": ("A4", 210), "letter": ("letter", 216)}  # the name in CSS, and the width in mm
MARGIN = 18  # mm, on the left and on the right
ADVANCE = 0.602 * 0.3528  # mm: how wide a letter of fixed width is, for each point of its size
FEWEST_RULES, SPARE_RULES, REPAIR_RULES = 4, 3, 8  # lines to write on
BLANK = "________"
EXPLAINED = re.compile(r'<abbr title="([^"]*)">([^<]*)</abbr>')
PICTURE = re.compile(r'(?<=data:image/svg\+xml;base64,)[^"]*')
SCALAR = re.compile(r"\bnp\.(?:(?:bool|u?int|float|complex)\d*\(([^()]*)\)|(True|False)_)")  # as NumPy writes one
SHEET = """Each of these questions has a place in the text. Read until you get there, answer the question here, and then
read on. The answer often stands right below that place."""
UNWRITTEN = re.compile(r"write .* again")  # what a cell prints that waits for an answer
# Black on white; the colors of curves have a contrast to the paper of at least 4.5.
STRONG = """<style>.tl-graph,.tl-chart{--ink:#000;--muted:#000;--edge:#000;--line:#000;--tint:#FFF;--grid:#767676;
--value:#000;--gradient:#000;--operation:#000;--constant:#000;--frozen:#00446B;--input:#005A42;--trainable:#8A3C00;
--back:#8A3C00;--wrong:#8A3C00;--input-fill:#FFF;--trainable-fill:#FFF;--frozen-fill:#FFF;--constant-fill:#FFF;
--wrong-fill:#FFF;--s0:#00446B;--s1:#A34700;--s2:#00664A;--s3:#9C2F6F;--s4:#7A5200;--s5:#1F6FA0;--s6:#555;--s7:#000}
.tl-graph .arrow path{stroke-width:2}.tl-chart .line{stroke-width:2.4}</style></svg>"""


@dataclass(frozen=True)
class Paper:
    """What a handout is printed on, and how: `size` is one of `PAPERS`."""

    size: str = "a4"
    large: bool = False
    contrast: bool = False

    def points(self, text: str) -> float:
        """The size of letters of fixed width in which the longest line fits; below a smallest size lines are broken."""
        usual, smallest = (17.0, 15.0) if self.large else (8.8, 7.0)
        fitting = (PAPERS[self.size][1] - 2 * MARGIN - 6) / ADVANCE / max(map(len, text.splitlines()), default=1)
        return max(smallest, min(usual, int(10 * fitting) / 10))


def handout(notebook: str, paper: Paper) -> Markup:
    """The page of a student's notebook, with the outputs that are in it."""
    cells = parse_json(notebook, exact=False)["cells"]
    heading = heading_of("".join(cells[0]["source"]))
    title, words, questions = f"{heading.number} · {heading.title}", dict[str, str](), list[Markup]()
    parts = [part for cell in cells for part in _cell(cell, paper, words, questions)]
    size = f"@page {{ size: {PAPERS[paper.size][0]}; margin: 16mm {MARGIN}mm 18mm }}\n"
    foot = f"@page {{ @bottom-left {{ content: {json.dumps(title, ensure_ascii=False)} }} }}\n"
    font = f"font: {14 if paper.large else 8}pt sans-serif;"
    foot += f"@page {{ @bottom-left {{ {font} }} @bottom-right {{ {font} }} }}\n"
    style = size + foot + asset("learn/handouts", "paper.css")
    name = element("p", "Name ", element("span"), " Date ", element("span"), class_="who")
    class_ = " ".join(["paper", *["large"] * paper.large, *["contrast"] * paper.contrast])
    made = page(
        title, element("main", name, *_sheet(title, questions), *parts, *_glossary(words), class_=class_), style=style
    )
    return Markup(PICTURE.sub(lambda data: _stronger(data[0]), made)) if paper.contrast else made


def _sheet(title: str, questions: list[Markup]) -> list[Markup]:
    """A page of its own with all predictions: beside the text that follows one, its answer would be read with it."""
    heading = element("h1", f"Predictions for {title}")
    return [element("section", heading, element("p", SHEET), *questions, class_="sheet")] if questions else []


def _cell(cell: dict[str, Any], paper: Paper, words: dict[str, str], questions: list[Markup]) -> Iterator[Markup]:
    """A cell on paper, where a question is a line that names it.

    `words` collects what is explained, which on a screen shows under the pointer; `questions` collects the questions.
    """
    text, mark = "".join(cell["source"]), cell["metadata"].get("tinygrad_lora", {})
    role = mark.get("role")
    if cell["cell_type"] == "markdown":
        words.update({word.lower(): meaning for meaning, word in EXPLAINED.findall(text)})
        name = f"Prediction {len(questions) + 1}"
        made = _markdown(EXPLAINED.sub(r"<i>\2</i>", text.replace("Before you run on", name)), paper)
        if role == "question":
            line = element("p", "Your answer: ", element("span"), class_="line")
            questions.append(element("section", made, line, class_=role))
            yield element(
                "p", element("strong", f"{name}."), " Answer it on its sheet before you read on.", class_="asked"
            )
        else:
            yield element("section", made, class_=role) if role else made
    elif role == "answer":
        yield element("div", *_room(load_exercise(mark["exercise"]), paper), class_="room")
    elif not role and text != SETUP:
        outputs = [part for output in _joined_streams(cell["outputs"]) for part in _output(output, paper)]
        yield element("div", _code(text, paper), *outputs, class_="together")


def _room(exercise: Exercise, paper: Paper) -> Iterator[Markup]:
    """What a student starts from, with lines or squares to write on."""
    stub = with_imports(exercise, exercise.stub)
    *parts, last = re.split(rf"^ *{re.escape(STUB)}\n?", stub + "\n", flags=re.MULTILINE)
    more = exercise.solution.count("\n") - exercise.stub.count("\n")
    for part in parts:
        yield _code(_blanks(part), paper, "start")
        yield _rules(max(FEWEST_RULES, more // len(parts) + SPARE_RULES))
    if last.strip() and exercise.expected_of_stub:
        yield joined([_code(last, paper, "start blanks"), _rules(REPAIR_RULES)])
    elif last.strip():
        squares = element("div", class_="squares")
        yield element("div", _code(_blanks(last), paper, "start blanks"), squares, class_="together")
    yield element("p", "To check it: ", element("code", f"tinygrad-lora check {exercise.id} FILE.py"), class_="how")


def _blanks(text: str) -> str:
    """The code with a line to write on in place of each value at the margin that is to be filled in."""

    def opened(line: re.Match[str]) -> str:
        return line[0].replace("..., ", f"{BLANK},\n    ").replace("...", BLANK)

    return re.sub(r"^\w+(\[.*\])? = .*\.\.\..*$", opened, text, flags=re.MULTILINE)


def _rules(count: int) -> Markup:
    return element("div", *[element("div")] * count, class_="rules")


def _code(text: str, paper: Paper, class_: str | None = None) -> Markup:
    text = text.strip("\n")
    return _lines(colored(text), paper.points(text), class_)


def _lines(lines: list[Markup], points: float, class_: str | None = None) -> Markup:
    """Each line by itself, so that one that is too long goes on below, indented."""
    spans = [element("span", line or " ") for line in lines]
    return element("pre", *spans, class_=class_, style=f"font-size: {points}pt")


def _joined_streams(outputs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The outputs, with what was printed in one piece: how a kernel cuts it depends on the time."""
    for printed, group in groupby(outputs, key=lambda output: "text" in output):
        some = list(group)
        yield from [{"text": ["".join(one["text"]) for one in some]}] if printed else some


def _output(output: dict[str, Any], paper: Paper) -> Iterator[Markup]:
    """What a cell has shown. Of what needs a script, its pictures and its text remain."""
    data = {kind: "".join(words) for kind, words in output.get("data", {"text/plain": output.get("text", "")}).items()}
    html, text = Markup(data.get("text/html", "")), SCALAR.sub(r"\1\2", data.get("text/plain", "")).strip("\n")
    if html and "<script" not in html:
        yield element("figure", html)
    elif "text/latex" in data:
        yield element("p", equation(data["text/latex"].strip().strip("$")), class_="equation")
    elif text:
        pictures = [element("figure", Markup(picture)) for picture in re.findall("<img [^>]*>", html)]
        yield from pictures
        rows = [row for row in text.splitlines() if not UNWRITTEN.fullmatch(row)]
        asked = [row for row in rows if row.startswith("?")] if pictures else []  # of a picture with blanks
        for row in asked:
            yield element("p", f"{row}: ", element("span"), class_="line")
        if rows and not asked:
            yield _lines([element("span", row) if row else Markup() for row in rows], paper.points(text), "output")


def _glossary(words: dict[str, str]) -> list[Markup]:
    """The words that the tutorial uses first, with what they mean."""
    pairs = [element("p", element("b", word), ": ", Markup(meaning)) for word, meaning in sorted(words.items())]
    return [element("section", element("h2", "Words"), *pairs, class_="words")] if pairs else []


def _stronger(data: str) -> str:
    svg = b64decode(data).decode()
    return b64encode("".join([svg.removesuffix("</svg>"), STRONG]).encode()).decode()


@cache
def _reader() -> Any:
    """Reads Markdown with tables and equations. Both libraries come with Jupytext, which reads the tutorials."""
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    def written(latex: str, options: dict[str, Any]) -> str:
        return equation(latex) if options["display_mode"] else mathml(latex)

    def code(_: Any, tokens: Any, i: int, options: Any, env: dict[str, Paper]) -> str:
        return _code(tokens[i].content, env["paper"])

    reader = MarkdownIt("commonmark").enable("table")
    dollarmath_plugin(reader, renderer=written, double_inline=True)
    reader.add_render_rule("fence", code)
    reader.add_render_rule("code_block", code)
    return reader


def _markdown(text: str, paper: Paper) -> Markup:
    return Markup(_reader().render(text, {"paper": paper}))
