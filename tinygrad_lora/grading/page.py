"""Pages for people: the class at a glance, and what each student gets back. They load nothing and run no script."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any
from urllib.parse import quote

from ..learn.checking.report import SAME
from ..learn.diagnosis import NOT_STARTED
from ..view.words.markup import Markup, asset, element, joined, page, scrolling
from .predictions import GROUP, title_of

Result = dict[str, Any]
STEPS = ("none", "some", "half", "most", "full")
WORDS = ("no points", "less than half", "half or more", "most", "all points")
OF_A_SUBMISSION = ("process-ended", "not-graded")  # what goes wrong in every exercise at once is told once
ROW, LABEL, WIDTH, MOST_RANKED = 22, 190, 900, 40


def class_page(results: Mapping[str, Result], title: str, held: str = "") -> str:
    """The report about a class: heat map, exercises, ranked mistakes, students. HTML without scripts.

    `held` says how the submissions were held while they ran.
    """
    ids = list(dict.fromkeys(one["exercise"] for result in results.values() for one in result["results"]))
    shares = {student: {id: _share(result, id) for id in ids} for student, result in results.items()}
    points = [result["points"] for result in results.values()]
    out_of = next((result["out_of"] for result in results.values()), 0)
    mean = sum(points) / max(1, len(points))
    count = sum(not id.endswith(GROUP) for id in ids)
    lead = f"{len(results)} students, {count} exercises. On average {mean:.1f} of {out_of} points."
    return page(
        f"{title}: class report",
        element("h1", f"{title}: class report"),
        element("p", lead),
        element("p", held),
        _unread(results),
        element("h2", "Exercises and students"),
        _heat_map(shares, ids),
        element("h2", "Exercises"),
        _exercises(shares, ids),
        element("h2", "What goes wrong"),
        _ranked(results),
        element("h2", "Students"),
        _students(results, shares, ids),
        style=asset("grading", "page.css"),
    )


def feedback_page(student: str, result: Result, title: str) -> str:
    """What one student gets back: points, notes, and for each check what was wrong. HTML without scripts."""
    parts = [element("h1", f"{title}: {student}"), element("p", f"{result['points']} of {result['out_of']} points.")]
    if result["notes"]:
        parts += [element("h2", "While your code ran"), _list(result["notes"])]
    if result["refused"]:
        parts += [element("h2", "Not allowed while grading"), _list(result["refused"])]
    for id in dict.fromkeys(one["exercise"] for one in result["results"]):
        own = [one for one in result["results"] if one["exercise"] == id]
        score = f"{sum(one['points'] for one in own)} of {sum(one['out_of'] for one in own)} points"
        parts += [element("h2", f"{id}: {title_of(id)} ({score})")]
        sentences = [one["sentence"] for one in own]
        parts += [_check(one, one["sentence"] in sentences[:i]) for i, one in enumerate(own)]
    return page(f"{title}: {student}", *parts, style=asset("grading", "page.css"))


def unreadable(results: Mapping[str, Result]) -> dict[str, list[str]]:
    """What could not be read, by student: it has no points, and perhaps the student does not know why."""
    return {student: result["unreadable"] for student, result in results.items() if result.get("unreadable")}


def _unread(results: Mapping[str, Result]) -> Markup:
    rows: list[list[Any]] = [[student, "; ".join(notes)] for student, notes in unreadable(results).items()]
    if not rows:
        return joined([])
    heading = element("h2", "What could not be read")
    return joined([heading, _table(["Student", "Why"], rows, "Submissions that could not be read")])


def _check(one: Result, again: bool) -> Markup:
    open_yet = one["diagnosis"] == NOT_STARTED
    word = "passed" if one["passed"] else "open" if open_yet else "wrong"
    score = element("span", f"({one['points']} of {one['out_of']})", class_="score")
    parts = [element("p", element("strong", word, class_=word), " ", one["claim"], " ", score)]
    if one["sentence"]:
        parts.append(element("p", SAME if again else one["sentence"]))
    if one["example"] and not again:
        parts.append(element("pre", "\n".join(one["example"]), tabindex=0))
    parts += [element("p", f"note: {note}", class_="note") for note in one["notes"]]
    return element("section", *parts)


def _share(result: Result, id: str) -> float:
    own = [one for one in result["results"] if one["exercise"] == id]
    return sum(one["points"] for one in own) / max(1, sum(one["out_of"] for one in own))


def _step(share: float) -> int:
    return 4 if share >= 1 else 3 if share >= 0.75 else 2 if share >= 0.5 else 1 if share > 0 else 0


def _heat_map(shares: Mapping[str, Mapping[str, float]], ids: list[str]) -> Markup:
    """A row for each exercise, a column for each student; the best stand on the left."""
    order = sorted(shares, key=lambda student: -sum(shares[student].values()))
    width = min(28.0, WIDTH / max(1, len(order)))
    parts = []
    for row, id in enumerate(ids):
        parts.append(element("text", id, x=LABEL - 8, y=row * ROW + 15, text_anchor="end"))
        x = float(LABEL)
        # Neighbors with the same color are one rectangle: a class may be large.
        for step, group in groupby(_step(shares[student][id]) for student in order):
            w, y = len([*group]) * width, row * ROW + 1
            parts.append(element("rect", x=f"{x:.1f}", y=y, width=f"{w:.1f}", height=ROW - 2, class_=STEPS[step]))
            x += w
    wide, high = round(LABEL + width * len(order)), ROW * len(ids)
    averages = "; ".join(f"{id}: {sum(shares[s][id] for s in shares) / max(1, len(shares)):.0%}" for id in ids)
    label = f"Heat map of {len(ids)} exercises and {len(order)} students. Points on average: {averages}."
    box = f"0 0 {wide} {high}"
    drawing = element("svg", *parts, viewBox=box, width=wide, height=high, role="img", aria_label=label)
    keys = [element("li", element("span", class_=f"key {s}"), w) for s, w in zip(STEPS, WORDS, strict=True)]
    legend = element("ul", *keys, class_="legend")
    explanation = "Each column is a student, those with most points on the left. The table below has names."
    return joined([scrolling(drawing, "Heat map"), legend, element("p", explanation)])


def _exercises(shares: Mapping[str, Mapping[str, float]], ids: list[str]) -> Markup:
    rows = []
    for id in ids:
        own = [share[id] for share in shares.values()]
        counts = [sum(_step(share) == i for share in own) for i in range(5)]
        cells = [f"{sum(own) / max(1, len(own)):.0%}", str(counts[4]), str(sum(counts[1:4])), str(counts[0])]
        rows.append([id, title_of(id), *cells])
    return _table(["Exercise", "Title", "Average", "All points", "Some", "None"], rows, "Exercises")


def _ranked(results: Mapping[str, Result]) -> Markup:
    """Diagnoses, the most frequent first, each with what one student was told."""
    who: dict[tuple[str, str], dict[str, Result]] = {}  # by exercise and diagnosis: students, each with a result
    for student, result in results.items():
        for one in result["results"]:
            if one["diagnosis"] not in (None, NOT_STARTED):
                kind = "any exercise" if one["diagnosis"] in OF_A_SUBMISSION else one["exercise"], one["diagnosis"]
                who.setdefault(kind, {}).setdefault(student, one)
    if not who:
        return element("p", "Nothing: all that was begun is right.")
    parts = []
    for (id, code), own in sorted(who.items(), key=lambda item: (-len(item[1]), item[0]))[:MOST_RANKED]:
        entry = [element("strong", f"{len(own)} of {len(results)}"), " ", id, ": ", element("code", code)]
        if sentence := next(iter(own.values()))["sentence"]:
            entry.append(element("div", f"For example: {_anonymous(sentence, results)}"))
        parts.append(element("li", *entry))
    return element("ol", *parts, class_="ranked")


def _anonymous(sentence: str, results: Mapping[str, Result]) -> str:
    """The sentence without students' names, which may stand in paths."""
    for student in sorted(results, key=len, reverse=True):
        if len(student) > 3:
            sentence = sentence.replace(student, "STUDENT")
    return sentence


def _students(results: Mapping[str, Result], shares: Mapping[str, Mapping[str, float]], ids: list[str]) -> Markup:
    rows = []
    for student, result in results.items():
        link = element("a", student, href=f"feedback/{quote(student)}.html")
        cells = [element("span", f"{shares[student][id]:.0%}", class_=STEPS[_step(shares[student][id])]) for id in ids]
        rows.append([link, f"{result['points']} of {result['out_of']}", *cells])
    return _table(["Student", "Points", *ids], rows, "Students")


def _table(headings: list[str], rows: list[list[Any]], caption: str) -> Markup:
    head = element("thead", element("tr", *(element("th", cell, scope="col") for cell in headings)))
    body = [element("tr", element("th", x, scope="row"), *(element("td", cell) for cell in xs)) for x, *xs in rows]
    return scrolling(element("table", head, element("tbody", *body)), caption)


def _list(lines: list[str]) -> Markup:
    return element("ul", *(element("li", line) for line in lines))
