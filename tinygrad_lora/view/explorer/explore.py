"""The compiler explorer: the user's source, the graph before and after each pass, and the code generated from it."""

from functools import cached_property
from pathlib import Path

from ...compiler import CompiledFunction
from ...files import FilePath, write_atomically
from ..words.bundle import Shown
from ..words.sentences import number, table
from .page import fragment, whole_page
from .steps import ExplorerStep, Story
from .union import apart, short


class Exploration(Shown):
    """The explorer for one program. A notebook shows it as the last line of a cell; `.save(path)` writes a page.

    `.steps` are the facts in it, which `print` shows as a table. The same program gives the same page, byte for byte,
    unless it was measured.
    """

    def __init__(self, compiled: CompiledFunction, measure: bool = False, seed: int = 0) -> None:
        self.story = Story(compiled, measure, seed)
        self.steps: tuple[ExplorerStep, ...] = self.story.steps

    @cached_property
    def html(self) -> str:
        """The explorer as an element of a page. Several may stand on one page."""
        return fragment(self.story)

    @cached_property
    def page(self) -> str:
        """The explorer as a whole page. It needs no network and no other file, and can be read without scripts."""
        return whole_page(self.story)

    def save(self, path: FilePath) -> Path:
        """Write the page. A missing folder is created; the file appears when it is complete."""
        return write_atomically(path, self.page)

    def __repr__(self) -> str:
        return f"<exploration of {self.story.name}, {len(self.steps)} steps>"

    def __str__(self) -> str:
        rows = [["step", "flops", "bytes", "calls", "difference", "microseconds", "rule"]]
        for step in self.steps:
            rule = step.rule.equation if step.rule else " ".join(step.notes[:1])
            costs = [short(step.after.flops), short(step.after.bytes), str(step.after.calls)]
            apart_by = "" if step.difference is None else apart(step.difference)
            took = "" if step.microseconds is None else number(step.microseconds)
            rows.append([step.name, *costs, apart_by, took, rule if step.kept else f"declined: {rule}"])
        used = [i for i, heading in enumerate(rows[0]) if heading != "microseconds" or self.story.measured]
        lines = table([[row[i] for i in used] for row in rows])
        return "\n".join([*lines, "", "The program:", "", self.story.program.source.rstrip()])


def explore(
    compiled: CompiledFunction, path: FilePath | None = None, *, measure: bool = False, seed: int = 0
) -> Exploration:
    """Look at every pass of the compiler: your source, the graph before and after, the code, the rule behind it.

    compiled: a compiled function or training step that ran, or was prepared
    path: where a page is written; None writes none
    measure: True also times the code after each pass
    seed: that of the random inputs on which each graph is compared with the one before
    Returns an exploration; a notebook shows it, `.save(path)` writes a page, `print` shows a table.
    Raises TypeError for anything else, CompileError if it has not been called or prepared yet.

    >>> step = tl.compile(lambda x: tl.exp(x) * 2.0).prepare(np.zeros(3))
    >>> tl.explore(step)
    <exploration of compiled, 2 steps>
    """
    if not isinstance(compiled, CompiledFunction):
        remedy = "tl.explore(tl.compile(f).prepare(*arrays))"
        raise TypeError(f"explore shows a compiled function, not {type(compiled).__name__}: {remedy}")
    exploration = Exploration(compiled, measure, seed)
    if path is not None:
        exploration.save(path)
    return exploration
