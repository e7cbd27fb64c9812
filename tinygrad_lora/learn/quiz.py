"""Predict, then see: a graph with blanks, whose numbers the engine computes when the answers are checked."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from string import ascii_lowercase
from typing import Any

import numpy as np

from ..core.autodiff import pulling_back
from ..core.graph import Graph, rebuilt, topological_order
from ..core.node import ComputationNode, parameter
from ..errors import ExerciseError
from ..nn.checks import check_size
from ..view.contributions import contributions
from ..view.diagram.data import Diagram, diagram
from ..view.diagram.text import listing
from ..view.svg.boxes import LINE
from ..view.svg.draw import Laid, draw_image, lay_out
from ..view.words.markup import Markup, element, script
from ..view.words.sentences import number, shape_text, short_array
from .cases import numbers, random_graph
from .checking.report import picture_of
from .diagnosis import Diagnosis, Wrong
from .exact import as_array
from .predictions.prediction import UNFORESEEN, Foreseen, judged
from .predictions.sealed import number_token, seal

ASKED = ("values", "gradients", "both")
SIZE = 4  # operations of a random graph
BLANKS = 3
CHARACTERS = 7  # of a number that is typed into the picture
Slopes = Mapping[ComputationNode, Any]  # the gradient of each node that has one


@dataclass(frozen=True)
class Blank:
    """One number that is asked for: the value or the gradient of a node, under a letter."""

    letter: str
    kind: str
    node: ComputationNode
    label: str

    @property
    def question(self) -> str:
        what = f"?{self.letter}: the {self.kind} of {self.label}"
        return what if not self.node.shape else f"{what}, an array of shape {shape_text(self.node.shape)}"


def quiz(
    graph: ComputationNode | Graph | Callable[..., Any] | None = None, seed: int | str = 0, *,
    ask: str = "gradients", blanks: int = BLANKS, shape: tuple[int, ...] = (),
) -> Quiz:  # fmt: skip
    """A picture of the graph with blanks: `q = quiz(loss, seed="student 7")`, then `q.check(a=3.0, b=-1.5)`.

    The same seed gives the same quiz, another seed another one. `q.reveal()` shows all numbers.

    graph: a node with its numbers as they are; or a function of nodes or a Graph, whose inputs get numbers that depend
        on the seed; or None: then the graph is random, too
    seed: a whole number or a text
    ask: what the blanks are: "values", "gradients" (of the output, so what `backward()` fills in) or "both"
    blanks: how many there are, at least 1
    shape: that of the arrays for a function
    Returns a quiz with `check` and `reveal`.
    Raises ExerciseError where there is nothing to ask.

    >>> x, y = tl.parameter(2.0, name="x"), tl.parameter(3.0, name="y")
    >>> q = tl.quiz(x * y, blanks=2)
    >>> print(q)
    Fill in the blanks
    name  computed as     shape   dtype    role               value  gradient
    x     parameter       scalar  float64  trainable          2      ?a
    y     parameter       scalar  float64  trainable          3      ?b
    %2    multiply(x, y)  scalar  float64  operation, output  6      1
    ?a: the gradient of x
    ?b: the gradient of y
    Answer with .check(a=..., b=...)
    >>> print(q.check(a=3.0, b=2.0))
    ?a is right
    ?b is right
    """
    if ask not in ASKED:
        raise ExerciseError(f"ask is one of {', '.join(ASKED)}, not {ask!r}")
    try:
        blanks = min(check_size(blanks, "blanks"), len(ascii_lowercase))
    except (TypeError, ValueError) as wrong:
        raise ExerciseError(str(wrong)) from None
    rng = np.random.default_rng(list(hashlib.sha256(str(seed).encode()).digest()[:8]))
    output = _with_numbers(graph, rng, shape)
    candidates = [(kind, node) for kind in ASKED[:2] if ask in (kind, "both") for node in _candidates(output, kind)]
    if not candidates:
        raise ExerciseError(f"there is nothing to ask: no node of this graph has {ask} that must be worked out")
    interest = _interests(output, candidates)
    order = sorted(rng.permutation(len(candidates)), key=lambda i: -interest[i])
    return Quiz(output, [candidates[i] for i in sorted(order[:blanks])], ask)


def _interests(output: ComputationNode, candidates: list[tuple[str, ComputationNode]]) -> list[int]:
    """How much there is to work out: most in the gradient of a node with several users, least in one that is just 1."""
    gradients = _gradients(output)
    uses = Counter(p for node in topological_order([output]) for p in node.parents)
    trivial = {node for node, gradient in gradients.items() if np.isin(gradient, (0.0, 1.0)).all()}
    return [2 if kind == "values" else (uses[node] > 1) + 2 * (node not in trivial) for kind, node in candidates]


def _gradients(output: ComputationNode) -> Slopes:
    """What `backward()` would fill in; nothing is filled in."""
    if not output.requires_gradient:
        return {}
    return dict(pulling_back(output, np.ones(output.shape, output.dtype)[()]))


def _with_numbers(graph: object, rng: np.random.Generator, shape: tuple[int, ...]) -> ComputationNode:
    if isinstance(graph, ComputationNode) and graph.known:
        return graph
    if graph is None:
        return _worth_asking(rng, shape)
    if isinstance(graph, Graph):
        leaves = {x: parameter(numbers(rng, x.shape), x.name) for x in graph.inputs}
        return graph.map(rebuilt, leaves).outputs[-1]
    if callable(graph) and not isinstance(graph, ComputationNode):
        names = [p.name for p in inspect.signature(graph).parameters.values() if p.default is p.empty]
        result = graph(*(parameter(numbers(rng, shape), name) for name in names))
        if isinstance(result, ComputationNode):
            return result
    raise ExerciseError("a quiz is about a node that has a value, a Graph, or a function of nodes that returns a node")


def _worth_asking(rng: np.random.Generator, shape: tuple[int, ...]) -> ComputationNode:
    """A random graph with gradients that are not just 1, one of them that of a node with several users."""
    while True:
        output = random_graph(rng, SIZE, shape, arithmetic_only=True)
        inner = [("gradients", node) for node in _candidates(output, "gradients")]
        interests = _interests(output, inner)
        if 3 in interests and sum(interest > 1 for interest in interests) >= BLANKS:
            return output


def _candidates(output: ComputationNode, kind: str) -> Iterator[ComputationNode]:
    """The nodes whose number has to be worked out."""
    for node in topological_order([output]):
        inside = node.requires_gradient and node is not output
        if node.parents if kind == "values" else inside:
            yield node


class Quiz:
    """A graph with blanks. In a notebook it shows itself as a picture, in a terminal as a table."""

    def __init__(self, output: ComputationNode, asked: list[tuple[str, ComputationNode]], ask: str) -> None:
        self.output, self.shows_gradients = output, ask != "values"
        labels = {node: box.label for node, box in zip(topological_order([output]), self._whole.boxes, strict=True)}
        pairs = zip(ascii_lowercase, asked, strict=False)
        self.blanks = tuple([Blank(c, kind.removesuffix("s"), node, labels[node]) for c, (kind, node) in pairs])

    @property
    def _whole(self) -> Diagram:
        """The picture with all numbers."""
        shown = diagram(self.output, values=True, title="Fill in the blanks")
        gradients = _gradients(self.output) if self.shows_gradients else {}
        nodes = topological_order([self.output])
        slopes = [short_array(gradients[node]) if node in gradients else () for node in nodes]
        boxes = [replace(box, gradient=g, numbered=True) for box, g in zip(shown.boxes, slopes, strict=True)]
        return replace(shown, boxes=tuple(boxes))

    @property
    def diagram(self) -> Diagram:
        """The picture with blanks."""
        whole, boxes = self._whole, []
        for box in whole.boxes:
            hidden: Any = {blank.kind: (f"?{blank.letter}",) for blank in self.blanks if blank.label == box.label}
            boxes.append(replace(box, **hidden))
        return replace(whole, boxes=tuple(boxes))

    def check(self, answers: Mapping[str, Any] | None = None, **more: Any) -> Answers:
        """Which predictions are right: `q.check(a=3.0, b=-1.5)`. Those that are left out stay open.

        Raises ExerciseError for a letter that is no blank.
        """
        predictions = {**(answers or {}), **more}
        letters = [blank.letter for blank in self.blanks]
        if unknown := [name for name in predictions if name not in letters]:
            raise ExerciseError(f"there is no blank {unknown[0]!r}; there are {', '.join(letters)}")
        gradients = _gradients(self.output)
        return Answers(tuple([(b, self._diagnosis(b, predictions.get(b.letter, ...), gradients)) for b in self.blanks]))

    def diagnose(self, answers: Mapping[str, Any]) -> Diagnosis | None:
        """What is wrong with the first answer that is; None if all are right. For the checks of an exercise."""
        return next((diagnosis for _, diagnosis in self.check(answers).lines if diagnosis), None)

    def _diagnosis(self, blank: Blank, answer: Any, gradients: Slopes) -> Diagnosis | None:
        """What is wrong with one prediction; None if it is right."""
        if answer is ...:
            return Diagnosis("blank", f"?{blank.letter} is still open")
        node, is_value = blank.node, blank.kind == "value"
        truth = np.asarray(node.value if is_value else gradients.get(node, np.zeros(node.shape)), float)
        try:
            prediction = as_array(answer, f"?{blank.letter}", node.shape)
        except Wrong as wrong:
            return wrong.diagnosis
        said = number(float(prediction)) if not node.shape else "that"
        return judged(f"?{blank.letter} is not {said}", prediction, truth, self._foreseen(blank, gradients), blank.kind)

    def _foreseen(self, blank: Blank, gradients: Slopes) -> Iterator[Foreseen]:
        """What the student may have had in mind, the likeliest first."""
        node, label = blank.node, blank.label
        value = np.asarray(node.value, float)
        if blank.kind == "value":
            if node in gradients:
                gradient = np.asarray(gradients[node], float)
                yield Foreseen(UNFORESEEN, gradient, f"that is the gradient of {label}, and its value is asked")
            return
        users = [n for n in topological_order([self.output]) for p in n.parents if p is node]
        if len(users) > 1:
            sentence = f"{label} is used {len(users)} times, and that is what one use sends back"
            for share in _shares(node, users, gradients):
                yield Foreseen(UNFORESEEN, share, f"{sentence}; the gradient is the sum over all uses")
        yield Foreseen(UNFORESEEN, value, f"that is the value of {label}, and its gradient is asked")

    def reveal(self) -> Revealed:
        """The graph with all numbers."""
        return Revealed(replace(self._whole, title="All numbers"))

    def __str__(self) -> str:
        return "\n".join([listing(self.diagram), *(blank.question for blank in self.blanks), self._how])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The picture and the questions; where scripts run, numbers are typed into the picture."""
        shown, salt = self.diagram, hashlib.sha256(str(self).encode()).hexdigest()
        ids = {box.label: box.id for box in shown.boxes}
        asked = [(i, ids[blank.label], blank) for i, blank in enumerate(self.blanks) if not blank.node.shape]
        laid = lay_out(shown, widths={id: CHARACTERS for _, id, _ in asked} if self.shows_gradients else {})
        fields = [{"at": i, "place": _place(laid, id, one.kind), "responses": self._sealed(f"{salt} {i}", one)}
                  for i, id, one in asked]  # fmt: skip
        return element(
            "div",
            element("div", draw_image(shown, laid=laid), style="position: relative; display: inline-block"),
            element("ul", *(element("li", blank.question) for blank in self.blanks)),
            element("p", self._how),
            element("script", Markup(json.dumps({"salt": salt, "fields": fields})), type="application/json"),
            script("sealed.js", "quiz.js"),
            class_="tl-quiz",
        )

    def _sealed(self, salt: str, blank: Blank) -> list[tuple[str, str]]:
        """A response for each number that is foreseen, which this number alone opens."""
        gradients = _gradients(self.output)
        right = blank.node.value if blank.kind == "value" else gradients.get(blank.node, 0.0)
        answers = {number_token(x): x for x in (-right, *(f.answer for f in self._foreseen(blank, gradients)), right)}
        wrong = {token: self._diagnosis(blank, x, gradients) for token, x in answers.items()}
        return sorted(seal(salt, token, f"0{one.sentence}." if one else "1Right.") for token, one in wrong.items())

    @property
    def _how(self) -> str:
        return f"Answer with .check({', '.join(f'{blank.letter}=...' for blank in self.blanks)})"


def _place(laid: Laid, id: str, kind: str) -> list[float]:
    """Left, top, width and height of a row of a box, in percent of the picture."""
    text = laid.texts[id]
    inner = left, _, width, _ = text.inner(laid.boxes[id])
    base = next(base for name, _, base in text.rows_at(inner) if name == kind)
    sides = left + text.column - 2, base - LINE + 3, width - text.column, LINE
    return [100 * side / whole for side, whole in zip(sides, (laid.width, laid.height) * 2, strict=True)]


def _shares(node: ComputationNode, users: Iterable[ComputationNode], gradients: Slopes) -> Iterator[Any]:
    """What each use of a node sends back to it."""
    for user in dict.fromkeys(users):
        if user in gradients:
            for _, _, share in contributions(user, gradients[user], wanted=lambda parent: parent is node):
                yield np.asarray(share, float)


@dataclass(frozen=True)
class Answers:
    """The blanks with what was wrong, None where the prediction is right."""

    lines: tuple[tuple[Blank, Diagnosis | None], ...]

    @property
    def passed(self) -> bool:
        return all(diagnosis is None for _, diagnosis in self.lines)

    @property
    def sentences(self) -> list[str]:
        return [diagnosis.sentence if diagnosis else f"?{blank.letter} is right" for blank, diagnosis in self.lines]

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return element("ul", *(element("li", sentence) for sentence in self.sentences))


@dataclass(frozen=True)
class Revealed:
    """All numbers, as a picture or as a table."""

    diagram: Diagram

    def __str__(self) -> str:
        return listing(self.diagram)

    __repr__ = __str__

    def _repr_html_(self) -> Markup:
        return picture_of(self.diagram)
