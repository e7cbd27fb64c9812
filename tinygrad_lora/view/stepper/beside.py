"""Two runs side by side, step by step together, and the first step at which they differ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ...files import FilePath, write_atomically
from ..words.bundle import Shown, Written
from ..words.markup import ASSETS, Markup, asset, element, page, script
from .events import Event

if TYPE_CHECKING:
    from .page import Stepper

Pair = tuple[Event | None, Event | None]


class SideBySide(Written, Shown):
    """Two steppers that go together: iterate over pairs of steps, print them, save them, or show them in a notebook.

    Steps belong together that do the same at nodes of one name; one without a partner stands beside None.
    """

    def __init__(self, first: Stepper, second: Stepper) -> None:
        self.both = first, second

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """All steps of both, in order."""
        left, right = (_by_place(stepper.events) for stepper in self.both)
        pairs: list[Pair] = []
        waiting = [place for place in right if place not in left]
        for place, event in left.items():
            partner = right.get(place)
            while partner and waiting and right[waiting[0]].number < partner.number:
                pairs.append((None, right[waiting.pop(0)]))
            pairs.append((event, partner))
        return (*pairs, *((None, right[place]) for place in waiting))

    @cached_property
    def first_difference(self) -> Pair | None:
        """The first pair that does not give the same; None if all do."""
        return next((pair for pair in self.pairs if len({event and _result(event) for event in pair}) > 1), None)

    @property
    def note(self) -> str:
        """A sentence that says where the runs differ first."""
        if self.first_difference is None:
            return "No step differs."
        one, two = self.first_difference
        at = one or two
        assert at is not None  # one of the two is there
        told = [event.numbers if event else "nothing" for event in self.first_difference]
        return f"They differ first at {at.phase}: {at.kind} {at.place}: {told[0]}; and {told[1]}."

    @property
    def text(self) -> str:
        """The pairs as plain text; those that differ have a sign between them."""
        shown = [[str(event or "") for event in pair] for pair in self.pairs]
        width = max((len(one) for one, _ in shown), default=0)
        signs = ["|" if len({event and _result(event) for event in pair}) == 1 else "≠" for pair in self.pairs]
        lines = [f"{one:<{width}} {sign} {two}".rstrip() for (one, two), sign in zip(shown, signs, strict=True)]
        return "\n".join([" beside ".join(stepper.timeline.title for stepper in self.both), *lines, self.note])

    @cached_property
    def html(self) -> Markup:
        """Both steppers as one element of a page."""
        partners: list[dict[int, int]] = [{}, {}]
        for one, two in self.pairs:
            if one and two:
                partners[0][one.number - 1], partners[1][two.number - 1] = two.number - 1, one.number - 1
        boxes = [event.to_box or event.box if event else "" for event in self.first_difference or (None, None)]
        data = json.dumps({"partners": partners, "boxes": boxes})
        note = element("p", self.note, class_="difference")
        runs = element("div", *(stepper.html for stepper in self.both), class_="runs")
        partners_data = element("script", Markup(data), type="application/json", class_="partners")
        return element("div", note, runs, partners_data, script("parts.js", "beside.js"), class_="tl-beside")

    def save(self, path: FilePath) -> Path:
        """Write both as one page that needs no network."""
        title = self.both[0].timeline.title
        return write_atomically(Path(path), page(title, self.html, style=asset(ASSETS, "page.css")))

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.pairs)


def _by_place(events: Iterable[Event]) -> dict[tuple[str, str, str, int], Event]:
    """Each event by what it does and where; the last part tells those apart that come again."""
    seen: Counter[tuple[str, str, str]] = Counter()
    places = {}
    for event in events:
        place = event.phase, event.kind, event.place
        places[*place, seen[place]] = event
        seen[place] += 1
    return places


def _result(event: Event) -> str:
    """What a step gives: a number that goes along an arrow, what the box of its node holds after it, or its numbers."""
    if event.kind == "contribute":
        return event.sent
    if event.kind in ("visit", "evaluate", "ready"):
        state = event.states[event.box]
        return state.gradient if event.kind == "ready" else state.value
    return event.numbers
