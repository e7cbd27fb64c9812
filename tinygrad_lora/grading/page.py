"""Pages for people: the class at a glance, and what each student gets back. They load nothing and run no script."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import quote

from ..learn.checking.report import SAME
from ..learn.diagnosis import NOT_STARTED
from ..view.words.markup import Markup, asset, element, joined, page, scrolling
from .predictions import GROUP, title_of
from .statistics import ANY, ItemStatistics, Mistake, Result, Results, items, mistakes

STEPS = ("none", "some", "half", "most", "full")
WORDS = ("no points", "less than half", "half or more", "most", "all points")
ROW, LABEL, WIDTH, NAMES, NAME = 22, 190, 900, 120, 18  # of the heat map; NAME is the room that a name takes
BARS, BAR, TALL = 20, 30, 90  # of the distribution: how many bars at most, how wide, how tall


def class_page(results: Mapping[str, Result], title: str, held: str = "") -> str:
    """The report about a class: what could not be read, points, exercises, ranked mistakes, students. No scripts.

    `held` says how the submissions were held while they ran.
    """
    exercises = items(results)
    points = sorted(result["points"] for result in results.values())
    out_of = next(result["out_of"] for result in results.values())
    count = sum(not one.exercise.endswith(GROUP) for one in exercises)
    lead = (
        f"{len(results)} students, {count} exercise{'s' * (count != 1)}. The median is {statistics.median(points):g} "
        f"of {out_of} points, the average {statistics.fmean(points):.1f}; they reach from {points[0]} to {points[-1]}."
    )
    sections = {
        "Points": _distribution(points, out_of), "Exercises and students": _heat_map(results, exercises),
        "Exercises": _exercises(exercises), "What goes wrong": _ranked(results, exercises),
        "Students": _students(results, exercises),
    }  # fmt: skip
    return page(
        f"{title}: class report",
        element("h1", f"{title}: class report"),
        _unread(results, "What could not be read", in_part=False),
        _unread(results, "What could be read in part, and has points for the rest", in_part=True),
        element("p", lead),
        element("p", held),
        *(part for heading, content in sections.items() for part in (element("h2", heading), content)),
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


def unread(results: Mapping[str, Result], in_part: bool = False) -> dict[str, list[str]]:
    """Why something could not be read, by student: of those without points, or with the points of the rest.

    Perhaps the student does not know it.
    """
    notes = {student: result["unreadable"] for student, result in results.items() if result.get("unreadable")}
    return {student: own for student, own in notes.items() if (results[student]["points"] > 0) == in_part}


def _unread(results: Mapping[str, Result], heading: str, in_part: bool) -> Markup:
    rows: list[list[Any]] = [[student, "; ".join(notes)] for student, notes in unread(results, in_part).items()]
    if not rows:
        return joined([])
    return joined([element("h2", heading), element("div", _table(["Student", "Why"], rows, heading), class_="items")])


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


def _step(share: float) -> int:
    return 4 if share >= 1 else 3 if share >= 0.75 else 2 if share >= 0.5 else 1 if share > 0 else 0


def _distribution(points: Sequence[int], out_of: int) -> Markup:
    """A bar for each number of points, or for as many as share one, with the number of students above it."""
    width = -(-(out_of + 1) // BARS)
    counts = Counter(n // width for n in points)
    most, parts, words = max(counts.values()), [], []
    for i in range(out_of // width + 1):
        first, tall, x = i * width, round(TALL * counts[i] / most), (i + 0.5) * BAR
        parts.append(element("rect", x=i * BAR + 2, y=20 + TALL - tall, width=BAR - 4, height=tall, class_="bar"))
        parts.append(element("text", str(first), x=x, y=TALL + 36, text_anchor="middle"))
        if counts[i]:
            parts.append(element("text", str(counts[i]), x=x, y=14 + TALL - tall, text_anchor="middle"))
            words.append(f"from {first}: {counts[i]}")
    together = f"; each bar is the number below it and the next {width - 1}" if width > 1 else ""
    note = f"Students by their points{together}."
    wide, high = len(range(0, out_of + 1, width)) * BAR, TALL + 42
    size = {"viewBox": f"0 0 {wide} {high}", "width": wide, "height": high}
    drawing = element("svg", *parts, role="img", aria_label=f"{note} {'; '.join(words)}.", class_="bars", **size)
    return joined([drawing, element("p", note, class_="note")])


def _heat_map(results: Results, exercises: Sequence[ItemStatistics]) -> Markup:
    """A row for each exercise, a column for each student; the best stand on the left."""
    order = sorted(results, key=lambda student: -sum(one.shares[student] for one in exercises))
    width = min(28.0, WIDTH / max(1, len(order)))
    every, high = -(-NAME // max(1, int(width))), ROW * len(exercises)
    parts = []
    for row, one in enumerate(exercises):
        y = NAMES + row * ROW
        parts.append(element("text", one.exercise, x=LABEL - 8, y=y + 15, text_anchor="end"))
        x = float(LABEL)
        # Neighbors with the same color are one rectangle: a class may be large.
        for step, group in groupby(_step(one.shares[student]) for student in order):
            w = len([*group]) * width
            parts.append(element("rect", x=f"{x:.1f}", y=y + 1, width=f"{w:.1f}", height=ROW - 2, class_=STEPS[step]))
            x += w
    for i, student in enumerate(order):
        x, points = LABEL + (i + 0.5) * width, f"{results[student]['points']} of {results[student]['out_of']}"
        if i % every == 0:
            place, name = f"translate({x + 4:.1f} {NAMES - 6}) rotate(-60)", student[:16]
            parts.append(element("text", name, transform=place, class_="name"))
        column = {"x": f"{x - width / 2:.1f}", "y": NAMES, "width": f"{width:.1f}", "height": high, "class_": "column"}
        parts.append(element("rect", element("title", f"{student}: {points} points"), **column))
    wide = round(LABEL + width * len(order) + NAMES / 2)
    averages = "; ".join(f"{one.exercise}: {one.average:.0%}" for one in exercises)
    label = f"Heat map of {len(exercises)} exercises and {len(order)} students. Points on average: {averages}."
    size = {"viewBox": f"0 0 {wide} {NAMES + high}", "width": wide, "height": NAMES + high}
    drawing = element("svg", *parts, role="img", aria_label=label, **size)
    keys = [element("li", element("span", class_=f"key {s}"), w) for s, w in zip(STEPS, WORDS, strict=True)]
    legend = element("ul", *keys, class_="legend")
    named = f", and one in {every} has a name here" if every > 1 else ""
    explanation = f"Each column is a student{named}. The best are on the left; the pointer shows who it is."
    return joined([scrolling(drawing, "Heat map"), legend, element("p", explanation)])


def _exercises(exercises: Sequence[ItemStatistics]) -> Markup:
    rows = []
    for one in exercises:
        steps = Counter(map(_step, one.shares.values()))
        counts = [str(steps[4]), str(steps[1] + steps[2] + steps[3]), str(steps[0])]
        told_apart = "" if one.discrimination is None else f"{one.discrimination:.2f}"
        links = [element("div", element("a", m.code, href=f"#{_place(m)}"), f" {m.count}") for m in one.mistakes]
        links += [element("div", f"and {one.others} more")] * (one.others > 0)
        cells = [title_of(one.exercise), f"{one.average:.0%}", *counts, told_apart, str(one.hints), joined(links)]
        rows.append([one.exercise, *cells])
    heads = ["Exercise", "Title", "Average", "All points", "Some", "None", "Discrimination", "Hints", "Most frequent"]
    explanation = (
        "The average is the difficulty: low is hard. Discrimination is the correlation with the points in all other "
        "exercises, for ten students or more: near 0 or below it, look at the exercise. Hints are students whose "
        "notebook asks for one; those taken in a terminal are not known here."
    )
    table = element("div", _table(heads, rows, "Exercises"), class_="items")
    return joined([table, element("p", explanation, class_="note")])


def _place(mistake: Mistake) -> str:
    return f"{mistake.exercise}-{mistake.code}".replace(" ", "-")


def _ranked(results: Results, exercises: Sequence[ItemStatistics]) -> Markup:
    """The most frequent mistakes of each exercise, the most frequent first, each with what one student was told."""
    frequent = [mistake for one in exercises for mistake in one.mistakes]
    ranked = [one for one in mistakes(results) if one.exercise == ANY or one in frequent]
    if not ranked:
        return element("p", "Nothing: all that was begun is right.")
    parts = []
    for one in ranked:
        entry = [element("strong", f"{one.count} of {len(results)}"), f" {one.exercise}: ", element("code", one.code)]
        entry += [element("div", f"For example: {one.sentence}")] if one.sentence else []
        parts.append(element("li", *entry, id=_place(one)))
    others = sum(one.others for one in exercises)
    more = [element("p", f"And {others} more, which fewer students made. results.csv has them all.")] * (others > 0)
    return joined([element("ol", *parts, class_="ranked"), *more])


def _students(results: Results, exercises: Sequence[ItemStatistics]) -> Markup:
    rows = []
    for student, result in results.items():
        link = element("a", student, href=f"feedback/{quote(student)}.html")
        shares = [one.shares[student] for one in exercises]
        cells = [element("span", f"{share:.0%}", class_=STEPS[_step(share)]) for share in shares]
        rows.append([link, f"{result['points']} of {result['out_of']}", *cells])
    return _table(["Student", "Points", *(one.exercise for one in exercises)], rows, "Students")


def _table(headings: list[str], rows: list[list[Any]], caption: str) -> Markup:
    head = element("thead", element("tr", *(element("th", cell, scope="col") for cell in headings)))
    body = [element("tr", element("th", x, scope="row"), *(element("td", cell) for cell in xs)) for x, *xs in rows]
    return scrolling(element("table", head, element("tbody", *body)), caption)


def _list(lines: list[str]) -> Markup:
    return element("ul", *(element("li", line) for line in lines))
