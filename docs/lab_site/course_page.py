"""The page of the course, where the lab opens: each tutorial with its length and with one's own progress.

Without scripts it is a list of links. `course.js` reads what the browser has kept and fills in the rest.
"""

import json
from pathlib import Path
from typing import Any

from tinygrad_lora.learn.registry import load_exercise
from tinygrad_lora.learn.release.source import read_cells
from tinygrad_lora.learn.tutorials import Heading, heading_of
from tinygrad_lora.view.words.markup import Markup, element, joined, void

TITLE = "Automatic differentiation and LoRA, from the first node"
ABOUT = (
    "Python runs in this browser: nothing is installed, and nothing that you write leaves your machine. The first "
    "start of a notebook takes longest, some twenty seconds."
)
KEPT = (
    "Your work is kept in this browser, for this address. Download it to hand it in, to be safe, or to go on at "
    "another computer: open the download there."
)
NO_SCRIPT = (
    "Your browser runs no scripts, so no notebook can run here. Allow scripts for this page, then load it again."
)


def course_page(sources: list[Path]) -> str:
    """The page as HTML, for the tutorials with these sources."""
    tutorials = [_tutorial(path) for path in sources]
    course = {"tutorials": [{key: value for key, value in one.items() if key != "heading"} for one in tutorials]}
    head = joined([
        void("meta", charset="utf-8"),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", name="color-scheme", content="light dark"),
        element("title", "tinygrad_lora: the course"),
        void("link", rel="icon", href="lab/favicon.ico"),
        void("link", rel="stylesheet", href="course.css"),
        # JupyterLite looks for its settings in each page on the way up.
        element("script", "{}", id="jupyter-config-data", type="application/json", data_jupyter_lite_root="."),
        element("script", Markup(json.dumps(course).replace("<", "\\u003c")), id="course", type="application/json"),
        element("script", src="zip.js", defer=""),
        element("script", src="course.js", defer=""),
    ])  # fmt: skip
    minutes = sum(one["heading"].minutes for one in tutorials)
    body = joined([
        element("h1", TITLE),
        element("p", f"{len(tutorials)} notebooks, about {round(minutes / 60)} hours in all. {ABOUT}"),
        element("noscript", element("p", NO_SCRIPT, class_="trouble")),
        element("p", "", id="trouble", class_="trouble", role="alert", hidden=""),
        element(
            "p",
            element("a", "Begin", id="continue", class_="button", href=_address(tutorials[0]["file"])),
            element("span", "", id="total"),
        ),
        element("ol", *map(_item, tutorials)),
        element("h2", "Your work"),
        element("p", KEPT),
        element(
            "p",
            element("button", "Download my work", type="button", id="download"),
            element("label", "Open a download ", void("input", type="file", id="upload", accept=".zip,.ipynb,.jsonl")),
            element("output", "", id="told", role="status"),
        ),
        element("p", element("a", "All files, in JupyterLab", href="lab/index.html")),
    ])  # fmt: skip
    return f"<!doctype html>\n{element('html', head, element('body', element('main', body)), lang='en')}\n"


def _tutorial(path: Path) -> dict[str, Any]:
    """What the page shows of a tutorial, and the points of each check."""
    cells = read_cells(path)
    exercises = [load_exercise(cell.exercise) for cell in cells if cell.exercise]
    return {
        "file": f"{path.stem}.ipynb",
        "heading": heading_of(cells[0].text),
        "predictions": [cell.prediction for cell in cells if cell.prediction],
        "exercises": {one.id: {check.name: check.points for check in one.checks} for one in exercises},
    }


def _item(tutorial: dict[str, Any]) -> Markup:
    heading: Heading = tutorial["heading"]
    points = sum(sum(checks.values()) for checks in tutorial["exercises"].values())
    questions = f" · 0 of {len(tutorial['predictions'])} questions" if tutorial["predictions"] else ""
    return element(
        "li",
        element("a", f"{heading.number} · {heading.title}", href=_address(tutorial["file"])),
        element("span", heading.outcome[0].upper() + heading.outcome[1:], class_="outcome"),
        element("span", f"{heading.minutes} minutes", class_="length"),
        element(
            "span",
            element("progress", max=str(points or 1), value="0", aria_hidden="true"),
            element("span", f"0 of {points} points{questions}", class_="points"),
            class_="progress",
        ),
        data_file=tutorial["file"],
    )


def _address(file: str) -> str:
    return f"notebooks/index.html?path={file}"
