"""What came out of the checks: data first, then text for a terminal and HTML for a notebook."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ...view.diagram.data import Diagram
from ...view.diagram.text import listing
from ...view.words.markup import Markup, element, joined
from ...view.words.sentences import table
from ..diagnosis import NOT_STARTED, Diagnosis
from ..exercise import Exercise

SAME = "the same mistake as above"
ONE_LINE = "; white-space: nowrap"


@dataclass(frozen=True)
class CheckResult:
    """One check of an exercise: whether it passed, and if not, the diagnosis.

    exercise: the id of the exercise
    test: the name of the check
    passed: whether it passed
    diagnosis: a `Diagnosis`; None if it passed
    seconds: how long it took
    points: what it earned
    out_of: what it could have earned
    notes: what else to say, a tuple of texts
    demand: what the check demands, in its author's words

    >>> result = tl.check("04-topo", lambda output: [output]).results[0]
    >>> result.passed, result.points, result.out_of, result.word, result.started
    (False, 0, 3, 'wrong', True)
    >>> result.claim, result.record["diagnosis"]
    ('parents stand before their users', 'missing-node')
    """

    exercise: str
    test: str
    passed: bool
    diagnosis: Diagnosis | None
    seconds: float
    points: int
    out_of: int
    notes: tuple[str, ...] = ()
    demand: str = ""

    @property
    def started(self) -> bool:
        """Whether there was an answer: a stub that was left as it was is none."""
        return self.diagnosis is None or self.diagnosis.code != NOT_STARTED

    @property
    def record(self) -> dict[str, Any]:
        """The result as plain data, as it is written to files."""
        return {
            "exercise": self.exercise, "test": self.test, "passed": self.passed,
            "diagnosis": self.diagnosis.code if self.diagnosis else None,
            "detail": self.diagnosis.detail if self.diagnosis else "",
            "seconds": round(self.seconds, 6), "points": self.points, "out_of": self.out_of,
        }  # fmt: skip

    @property
    def claim(self) -> str:
        """What the check demands, in words: its own, or its name."""
        return self.demand or self.test.removeprefix("test_").replace("_", " ")

    @property
    def word(self) -> str:
        """The result in one word: "passed", "wrong", or "open" where there is no answer yet."""
        return "passed" if self.passed else "wrong" if self.started else "open"


@dataclass(frozen=True)
class Report:
    """All checks of one exercise. The last line of a notebook cell shows it; `print` works as well.

    exercise: an `Exercise`
    results: a tuple of `CheckResult`, one for each check

    >>> report = tl.check("04-topo", lambda output: [output])
    >>> report.passed, report.started, report.points, report.out_of
    (False, True, 0, 5)
    >>> report.diagnosis.code, len(report.records), report.seconds > 0
    ('missing-node', 3, True)
    """

    exercise: Exercise
    results: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        """Whether all checks passed."""
        return all(result.passed for result in self.results)

    @property
    def started(self) -> bool:
        """Whether there was an answer to any check."""
        return any(result.started for result in self.results)

    @property
    def points(self) -> int:
        """The points of all checks together."""
        return sum(result.points for result in self.results)

    @property
    def out_of(self) -> int:
        """The points that there are."""
        return sum(result.out_of for result in self.results)

    @property
    def diagnosis(self) -> Diagnosis | None:
        """The first one; None if all is well."""
        return next((result.diagnosis for result in self.results if result.diagnosis), None)

    @property
    def seconds(self) -> float:
        """How long all checks took."""
        return sum(result.seconds for result in self.results)

    @property
    def records(self) -> list[dict[str, Any]]:
        """The results as plain data."""
        return [result.record for result in self.results]

    def _headline(self, title: str) -> str:
        score = f"{self.points} of {self.out_of} points"
        return f"{self.exercise.id}  {title}: {score if self.started else 'not started yet'}"

    @property
    def _next_steps(self) -> list[str]:
        """What to read now: a hint; or what it was about, and where the rest is."""
        id, about = self.exercise.id, self.exercise.about
        if not self.passed:
            return [f'For a hint: hint("{id}")']
        return [about, f'A solution, another way, and what to try next: solution("{id}")'] if about else []

    @property
    def _with_repeats(self) -> Iterator[tuple[CheckResult, bool]]:
        """Each result, and whether an earlier one has named the same mistake. No picture is shown twice."""
        seen: list[Diagnosis] = []
        for result in self.results:
            now, again = result.diagnosis, False
            if now:
                again = any(now.sentence == earlier.sentence for earlier in seen)
                if any(now.picture == earlier.picture for earlier in seen):
                    result = replace(result, diagnosis=replace(now, picture=None))
                seen.append(now)
            yield result, again

    def __str__(self) -> str:
        lines = [self._headline(self.exercise.plain_title)]
        for result, known in self._with_repeats if self.started else ():
            lines.append(f"  {result.word:<6}  {result.claim}")
            if result.diagnosis and result.started:
                lines.append(f"          {SAME if known else result.diagnosis.sentence}")
                lines += [f"            {line}" for line in shown(result.diagnosis) if not known]
            lines += [f"          note: {note}" for note in result.notes]
        return "\n".join([*lines, *self._next_steps])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """A table without scripts or style sheets: an untrusted notebook shows it, too. Formulas stay formulas."""
        rows = [_row(result, known) for result, known in self._with_repeats] if self.started else []
        parts = [element("p", element("strong", self._headline(self.exercise.title)))]
        parts += [element("table", element("tbody", *rows))] if rows else []
        parts += [element("p", step) for step in self._next_steps]
        return element("div", *parts)


def shown(diagnosis: Diagnosis) -> list[str]:
    """The example and the picture, as lines of text."""
    return table(diagnosis.example) + (listing(diagnosis.picture).splitlines() if diagnosis.picture else [])


def _row(result: CheckResult, known: bool) -> Markup:
    parts: list[Markup] = [element("div", result.claim)]
    if result.started and known:
        parts.append(element("div", SAME))
    elif result.diagnosis and result.started:
        parts.append(element("div", element("strong", result.diagnosis.sentence)))
        rows = [element("tr", _cell(what), _cell(text)) for what, text in result.diagnosis.example]
        parts += [element("table", element("tbody", *rows))] if rows else []
        parts += [picture_of(result.diagnosis.picture)] if result.diagnosis.picture else []
    parts += [element("div", element("em", "note: " + note)) for note in result.notes]
    points = f"{result.points} of {result.out_of}"
    return element("tr", _cell(result.word, ONE_LINE), _cell(points, ONE_LINE), _cell(joined(parts)))


def _cell(content: str, style: str = "") -> Markup:
    """Aligned as a sentence is: in a notebook's table cells are aligned as numbers are."""
    return element("td", content, style=f"text-align: left; vertical-align: top{style}")


def picture_of(shown: Diagram) -> Markup:
    """The picture as an `img`, drawn when it is asked for."""
    from ...view.graphviz.draw import draw  # needs Graphviz's package, which a terminal does not

    return Markup(draw(shown, legend=False)._repr_mimebundle_(["text/html"])["text/html"])
