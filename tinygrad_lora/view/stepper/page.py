"""The stepper: the steps of a computation as text, and as a page that a reader steps through.

The page is an image and a list. A script turns them into a picture with buttons; where scripts do not run, as in an
untrusted notebook, the image and the list remain. The page loads nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from ...files import FilePath, write_atomically
from ..diagram.collapse import Open
from ..diagram.data import Box
from ..svg.draw import draw_svg, lay_out
from ..words.bundle import Shown, Written
from ..words.highlight import lines as colored
from ..words.markup import ASSETS, Markup, asset, element, image, page, script
from ..written import Excerpt
from .beside import SideBySide
from .events import Event, State, Timeline
from .moving import Slider, slider_data, sliders
from .timeline import Steppable, timeline

LARGEST_PICTURES = 120_000  # bytes of all pictures together; beyond it only the first and the last are in a page
FIRST_STEP = State()


def step_through(
    obj: Steppable, *arrays: Any, seed: ArrayLike | None = None, title: str | None = None, open: Open = ()
) -> Stepper:
    """Every step of a computation, forward and backward: `for event in step_through(loss): print(event)`.

    Nothing is changed, not even the `.gradient` of a node. The backward steps start at a single output that depends on
    a trainable parameter and is a number. Without such an output there are forward steps only, and the last line says
    why. A notebook shows a picture to step through; `.save("steps.html")` writes it as a page.

    obj: a node with a value, such as a loss: each value as it becomes known, then each contribution to each gradient.
        Or a graph, a layer or a function, or a compiled function: what each pass did
    *arrays: one for each input of a graph, a layer or a function
    seed: an array of the output's shape, what flows into an output that is no number
    title: goes above; None says what it is
    open: which library functions are gone through step by step, and are not one step: "gelu", a list of names, or True
        for all
    Returns the steps, which can be gone through in a loop.
    Raises TraceError where values are missing, GradientError for a seed where there are no backward steps.

    >>> x = tl.parameter(3.0, name="x")
    >>> for event in tl.step_through(tl.exp(x)):
    ...     print(event)
       1  forward   visit       x        x = 3; a trainable parameter, given
       2  forward   evaluate    %1       %1 = exp(x) = exp(3) = 20.09
       3  forward   done        %1       %1 = 20.09; every value is known
       4  backward  ready       %1       %1.gradient = 1; where backward starts
       5  backward  contribute  %1 -> x  x.gradient += %1.gradient * %1 = 1 * 20.09 = 20.09; 1 of 1 contribution
       6  backward  ready       x        x.gradient = 20.09; a leaf, so it sends nothing on
       7  backward  done        %1       x.gradient = 20.09; every gradient is complete
    """
    return Stepper(timeline(obj, *arrays, seed=seed, title=title, open=open))


class Stepper(Written, Shown):
    """The steps of one object: iterate over them, print them, save them, or show them as the last line of a cell."""

    def __init__(self, steps: Timeline, sliders: Sequence[Slider] = ()) -> None:
        self.timeline, self.sliders = steps, sliders

    def __iter__(self) -> Iterator[Event]:
        return iter(self.timeline)

    def __len__(self) -> int:
        return len(self.events)

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """All steps."""
        return tuple(self.timeline)

    def beside(self, other: Stepper) -> SideBySide:
        """These steps and those of another run side by side: another input, another rule, before and after a pass.

        `tl.step_through(f, x).beside(tl.step_through(f, y))`. The first node that differs is marked. Steps are computed
        when they are first asked for; so those with a mistake in the engine are asked for inside its block:
        `with tl.bug("no_accumulate"): (wrong := tl.step_through(loss)).events`.
        """
        return SideBySide(self, other)

    def moving(self, name: str, low: float | None = None, high: float | None = None) -> Stepper:
        """The same steps with sliders for the numbers of the leaf called `name`, up to eight, from `low` to `high`.

        Moving one shows all values and gradients at once; the others stay as they are. All of it is computed now.
        Raises ValueError for another name, for a larger array, and for steps that are passes.
        """
        if self.timeline.graph_walk is None:
            raise ValueError("the steps of a compiled function are its passes: there is no value to move")
        return Stepper(self.timeline, sliders(self.timeline.graph_walk, self.events[-1], name, low, high))

    @property
    def text(self) -> str:
        """The steps as plain text, one line each."""
        return "\n".join([self.timeline.title, *map(str, self.events), *filter(None, [self.timeline.note])])

    @cached_property
    def html(self) -> Markup:
        """The stepper as an element of a page."""
        return _fragment(self.timeline, self.events, self.sliders)

    def save(self, path: FilePath) -> Path:
        """Write the steps as a page that needs no network (.html), or as text (.txt)."""
        path = Path(path)
        if path.suffix.lower() not in (".html", ".txt"):
            raise ValueError(f"{path.name!r}: the ending says what to write, .html or .txt")
        if path.suffix.lower() == ".txt":
            return write_atomically(path, self.text + "\n")
        return write_atomically(path, page(self.timeline.title, self.html, style=asset(ASSETS, "page.css")))

    def __repr__(self) -> str:
        return f"<{len(self)} steps of {self.timeline.title}>"


def _fragment(steps: Timeline, events: tuple[Event, ...], moving: Sequence[Slider]) -> Markup:
    """The stepper as an element: images and list, the data for the script, and the script."""
    mark = "s" + hashlib.sha256("\n".join([steps.title, *map(str, events)]).encode("utf-8", "replace")).hexdigest()[:8]
    figures, places, left_out = _figures(steps, events, mark, moving)
    notes = [element("p", note, class_="note") for note in (steps.note, left_out) if note]
    steps_with_earlier = zip(events, [None, *events[:-1]], strict=True)
    lines = [(excerpt.file, line.number) for excerpt in steps.source for line in excerpt.lines]
    numbers = {line: i for i, line in enumerate(lines)}
    step_data = [_data(event, earlier, places, numbers) for event, earlier in steps_with_earlier]
    whole = {"steps": step_data, "sliders": [slider_data(slider) for slider in moving]}
    data = json.dumps(whole, separators=(",", ":"))
    for unsafe in "<>&":
        data = data.replace(unsafe, f"\\u{ord(unsafe):04x}")
    title = element("p", element("strong", steps.title), f", {len(events)} steps", class_="title")
    pictures, walk = element("div", *figures, class_="pictures"), element("ol", *map(_item, events))
    return element(
        "div", element("style", asset(ASSETS, "stepper.css")), title, *notes, *_written(steps.source), pictures, walk,
        element("script", Markup(data), type="application/json"), script("parts.js", "stepper.js"),
        class_="tl-stepper", data_steps=mark,
    )  # fmt: skip


def _item(event: Event) -> Markup:
    """A step in the list, readable even without its style. The rule is in small print."""
    rule = f"{event.equation} Here {event.letters}." if event.letters else event.equation
    return element(
        "li",
        element("b", f"{event.phase}: {event.kind} {event.place}"),
        *([" ", element("span", event.numbers, class_="numbers")] if event.numbers else []),
        *([element("div", event.note, class_="say")] if event.note else []),
        *([" ", element("small", rule)] if rule else []),
    )


def _written(excerpts: Sequence[Excerpt]) -> list[Markup]:
    """The user's code, if any is known."""
    parts = [*map(_excerpt, excerpts)]
    return [element("div", *parts, class_="written", role="group", aria_label="Your code")] if parts else []


def _excerpt(excerpt: Excerpt) -> Markup:
    """Lines of the user's code, with their numbers."""
    words = colored("\n".join(line.text for line in excerpt.lines))
    pairs = zip(excerpt.lines, words, strict=True)
    rows = [element("span", word, "\n", class_="line", data_line=line.number or None) for line, word in pairs]
    return Markup(element("h4", excerpt.title) + element("pre", element("code", *rows)))


def _data(event: Event, earlier: Event | None, places: list[int], lines: Mapping[Any, int]) -> dict[str, Any]:
    """The data of a step for the script: the boxes that change, the arrow at work, and the user's line."""
    before = earlier.states if earlier and earlier.picture == event.picture else {}
    place = places[event.picture]
    states = event.states if place >= 0 else {}
    changes = {box: [*state] for box, state in states.items() if state != before.get(box, FIRST_STEP)}
    return {
        "phase": event.phase, "kind": event.kind, "box": event.box, "to": event.to_box, "picture": place,
        "changes": changes, "sent": event.sent, "heat": [[float(f"{n:.4g}") for n in row] for row in event.heat],
        "line": lines.get(event.origin, -1),
    }  # fmt: skip


def _figures(
    steps: Timeline, events: tuple[Event, ...], mark: str, moving: Sequence[Slider]
) -> tuple[list[Markup], list[int], str]:
    """The pictures as images; for each picture of the timeline the number of its image, -1 for none; and a note.

    An image shows the boxes as they are after the last of its steps, and every box is as wide as its longest text. The
    note says what is left out.
    """
    last = {event.picture: event.states for event in events}
    longest: dict[tuple[int, str], int] = defaultdict(int)
    moved = [(0, states) for slider in moving for states in slider.shown]
    for picture_number, states in [*((event.picture, event.states) for event in events), *moved]:
        for box, state in states.items():
            key = picture_number, box
            longest[key] = max(longest[key], len(state.value), len(state.gradient))
    drawn: dict[str, int] = {}
    places = []
    for i, picture in enumerate(steps.pictures):
        filled = replace(picture, boxes=tuple(_filled(box, last[i][box.id]) for box in picture.boxes))
        laid = lay_out(filled, widths={box.id: longest[i, box.id] for box in filled.boxes if box.gradient})
        svg = draw_svg(filled, laid=laid, prefix=f"{mark}-{i}") if filled.boxes else ""
        places.append(drawn.setdefault(svg, len(drawn)) if svg else -1)
    images, left_out = list(drawn), ""
    if len(images) > 2 and sum(map(len, images)) > LARGEST_PICTURES:
        kept = {0: 0, len(images) - 1: 1}
        places = [kept.get(place, -1) for place in places]
        left_out = f"Of {len(images)} graphs only the first and the last are drawn: the page would be very large."
        images = [images[0], images[-1]]
    words = [steps.pictures[places.index(i)].alternative for i in range(len(images))]
    return [image(svg, "svg+xml", alt) for svg, alt in zip(images, words, strict=True)], places, left_out


def _filled(box: Box, state: State) -> Box:
    """The box with the value and the gradient of this state."""
    value, gradient = ((text,) if text else () for text in (state.value, state.gradient))
    return replace(box, value=value or box.value, gradient=gradient)
