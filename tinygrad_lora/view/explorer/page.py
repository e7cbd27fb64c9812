"""The explorer as HTML: a section for each step, readable without any script; a script shows one at a time."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from itertools import groupby, islice

from ...compiler.cost import Cost
from ..words.highlight import lines as colored
from ..words.markup import ASSETS, Markup, asset, element, joined, page, script, text
from ..words.sentences import number, one_line
from ..written import GONE, NEW, CodeLine, Excerpt
from .picture import Pictures, alternative, legend, pictures_of, still
from .steps import ExplorerStep, Story
from .union import PROGRAM, TRACE, apart, short

TITLES = {TRACE: "As traced", PROGRAM: "The program"}
LONG, CONTEXT = 32, 3  # if there are more lines than this, only so many around each change are shown
WIDE = "body { max-width: 125rem; }\n"
TECHNIQUE = re.compile(r"(\w+) (\d+ .*)")  # as `in_place 5 results written over an operand`
TAGS = {NEW: "ins", GONE: "del"}  # screen readers announce these, and copied text has no signs in it
BEGINNING = (
    "Each pass replaces the graph by one that means the same. A pass may add work that the next one takes away; "
    "a change that does not pay is undone."
)
LEFT_OUT = "not compared: another library runs it"


def whole_page(story: Story) -> str:
    """The explorer as a page."""
    style = asset(ASSETS, "page.css") + WIDE
    return page(f"{story.name}: the compiler explorer", fragment(story, notebook=False), style=style)


def fragment(story: Story, notebook: bool = True) -> Markup:
    """The explorer as an element. Its ids contain a hash of what it shows.

    An untrusted notebook removes style, scripts and drawings, so for notebooks it also holds an image.
    """
    contents = "\n".join([story.name, story.program.source, *(str(step.stage.descriptions) for step in story.steps)])
    mark = "x" + hashlib.sha256(contents.encode("utf-8", "replace")).hexdigest()[:6]
    pictures = pictures_of(story.union, mark)
    shapes = (picture.shapes() for picture in pictures)
    image = [still(story.name, story.steps[-1].stage)] if notebook else []
    status = element("p", class_="status", aria_live="polite")
    source = element("div", element("h3", "Your source"), *map(_excerpt, story.written), class_="written")
    steps = (_step(story, pictures, mark, i) for i in range(len(story.steps)))
    return element(
        "div", element("style", asset(ASSETS, "explorer.css")), *shapes, _head(story), _passes(story, mark), legend(),
        *image, status, element("div", source, *steps, class_="panes"), script("parts.js", "explorer.js"),
        class_="tl-explorer", data_explorer=mark, role="group",
        aria_label=f"Compiler explorer: {one_line(story.name)}",
    )  # fmt: skip


def _head(story: Story) -> Markup:
    first, last = story.steps[0], story.steps[-1]
    pairs = [
        ("flops", short(first.after.flops), short(last.after.flops)),
        ("bytes moved", short(first.after.bytes), short(last.after.bytes)),
        ("calls", str(first.after.calls), str(last.after.calls)),
    ]
    if first.microseconds is not None and last.microseconds is not None:
        pairs.append(("microseconds", number(first.microseconds), number(last.microseconds)))
    figures = [_figure(what, Markup(f"{old} → <b>{new}</b>")) for what, old, new in pairs]
    if last.difference is not None:
        figures.append(_figure("largest difference", Markup(f"<b>{apart(last.difference)}</b>")))
    title = element("h2", element("span", "compiler explorer"), " ", story.name)
    return element("div", title, element("dl", *figures), class_="head")


def _figure(what: str, numbers: Markup) -> Markup:
    return element("div", element("dt", what), element("dd", numbers))


def _passes(story: Story, mark: str) -> Markup:
    """The list of steps, each a link with a bar for its flops."""
    most = max(step.after.flops for step in story.steps) or 1
    items = []
    for i, step in enumerate(story.steps):
        bar = element("i", style=f"width: {100 * step.after.flops / most:.0f}%")
        flops = element("span", f"{short(step.after.flops)} flops")
        declined = [] if step.kept else [element("em", "declined")]
        link = element("a", element("b", _name(step)), flops, *declined, bar, href=f"#{mark}-{i}")
        items.append(element("li", link, class_=None if step.kept else "declined"))
    return element("nav", element("ol", *items), aria_label="Passes", class_="passes")


def _name(step: ExplorerStep) -> str:
    return TITLES.get(step.name, step.name)


# --- One step ---


def _step(story: Story, pictures: Sequence[Pictures], mark: str, i: int) -> Markup:
    step = story.steps[i]
    title = f"{i + 1}. {_name(step)}" + ("" if step.kept else " (declined)")
    words = alternative(step.stage, story.union.names)
    if step.name == PROGRAM:
        code = "What runs, in planned memory" if story.program.planned else "What runs"
    else:
        code = "NumPy for this graph" if step.name == TRACE else "NumPy for this graph, and what changed"
    card = element("div", *_card(story, i, mark), class_="card")
    graph = element("div", *(p.picture(step.stage, f"Graph. {words}") for p in pictures), class_="graph", tabindex=0)
    lines = element("div", element("h4", code), _code(step.lines, step.rule is not None), class_="code")
    parts = element("h3", title), card, graph, lines
    return element("section", *parts, class_="step", id=f"{mark}-{i}", data_name=_name(step))


def _card(story: Story, i: int, mark: str) -> Iterator[Markup]:
    """The law of a pass, why it is legal, the evidence and the cost. The first step of a pass shows its source."""
    step = story.steps[i]
    rule = step.rule
    if not i:
        yield element("p", BEGINNING)
    first = next(k for k, other in enumerate(story.steps) if other.name == step.name)
    if rule:
        purpose = rule.equation.partition(": ")[2]
        yield element("p", rule.law, class_="law")
        if purpose:
            yield element("p", prose(purpose[:1].upper() + purpose[1:]))
        if rule.more:
            yield element("p", prose(rule.more))
        yield element("p", element("b", "Why it is legal. "), rule.legal)
    for note in step.notes:
        technique = TECHNIQUE.match(note)
        yield element("p", element("b", technique[1]), " ", prose(technique[2])) if technique else element("p", note)
    yield element("table", *_costs(step))
    if rule and rule.source and first < i:
        yield element("p", element("a", f"Source of {rule.name}: see step {first + 1}", href=f"#{mark}-{first}"))
    elif rule and rule.source:
        source = element("pre", element("code", joined(colored(rule.source), "\n")))
        yield element("details", element("summary", f"Source of {rule.name}"), source)


def prose(words: str) -> Markup:
    """A sentence as markup: what stands between backticks becomes code."""
    parts = words.split("`")
    if len(parts) % 2 == 0:
        return text(words)
    return joined([element("code", part) if i % 2 else text(part) for i, part in enumerate(parts)])


def _costs(step: ExplorerStep) -> Iterator[Markup]:
    costs = zip(Cost._fields, step.before, step.after, strict=True)
    for what, old, new in islice(costs, 3):  # flops, bytes and calls
        yield _row(what, f"{short(old)} → {short(new)}" if step.rule else short(new))
    if step.microseconds is not None:
        yield _row("microseconds, measured", number(step.microseconds))
    if step.difference is not None:
        against = "to the graph before" if step.rule else "to what was traced"
        yield _row(f"largest relative difference {against}, on random inputs", apart(step.difference))
    elif step.name == PROGRAM:
        yield _row("difference", LEFT_OUT)


def _row(heading: str, value: str) -> Markup:
    return element("tr", element("th", heading, scope="row"), element("td", value))


# --- Text on both sides ---


def _excerpt(excerpt: Excerpt) -> Markup:
    return Markup(element("h4", excerpt.title) + _code(excerpt.lines))


def _code(lines: Sequence[CodeLine], difference: bool = False) -> Markup:
    """Lines of code, each with the ids of its boxes. In a long comparison, lines far from any change are left out."""
    changes = [i for i, line in enumerate(lines) if line.state in TAGS]
    near = {i + step for i in changes for step in range(-CONTEXT, CONTEXT + 1)}
    whole = not difference or len(lines) <= LONG
    elements: list[Markup] = []
    words = colored("\n".join(line.text for line in lines))
    for shown, group in groupby(range(len(lines)), key=lambda i: whole or i in near):
        numbers = list(group)
        elements += [_line(lines[i], words[i]) for i in numbers] if shown else [_rest(len(numbers))]
    return element("pre", element("code", *elements, class_="lines"))


def _line(line: CodeLine, words: Markup) -> Markup:
    if line.state == GONE:  # struck through, but for its indentation
        indent = len(line.text) - len(line.text.lstrip())
        words = Markup(words[:indent] + element("s", Markup(words[indent:])))
    boxes, place = " ".join(line.boxes) or None, line.number or None
    return element(TAGS.get(line.state, "span"), words, "\n", data_box=boxes, data_line=place)


def _rest(count: int) -> Markup:
    return element("span", f"{count} {'line as' if count == 1 else 'lines as'} before", "\n", class_="rest")
