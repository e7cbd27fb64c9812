"""Faults for the planner, made by machine: each function of it with one thing changed, put in for a while.

A mutant swaps a comparison, drops or forces a condition, shifts a number, leaves out a statement, a member of a set, a
part of an `and`. Nothing is changed in what writes the text, nor in what reads it.
"""

import __future__

import ast
import copy
import importlib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

from planned_cases import Case

from tinygrad_lora.compiler.checks.verify import verify
from tinygrad_lora.compiler.planned.write import Planned

MODULES = ("places", "slots", "plan", "order", "decide")
PLACE = re.compile(r"(\w+ = np\.ndarray\(.*, memory, )(\d+)\)")
KINDS = ["memory", "own", "view", "argument", "number", "constant"]
COMPARISONS: dict[type, list[type]] = {
    ast.Lt: [ast.LtE, ast.Gt], ast.LtE: [ast.Lt], ast.Gt: [ast.GtE, ast.Lt], ast.GtE: [ast.Gt],
    ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.In: [ast.NotIn], ast.NotIn: [ast.In],
    ast.Is: [ast.IsNot], ast.IsNot: [ast.Is],
}  # fmt: skip
ARITHMETIC: dict[type, type] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult}
TURNED = {"min": "max", "max": "min", "any": "all", "all": "any"}
OTHER_NAMES = {"start": "end", "end": "start"}


class Mutant(NamedTuple):
    """One change: where it is, what it is, and the function with it."""

    function: FunctionType
    what: str
    code: Any
    loops: bool  # whether a loop in it may lose its end

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The planner has the fault."""
        before = self.function.__code__
        self.function.__code__ = self.code
        try:
            yield
        finally:
            self.function.__code__ = before


def mutants() -> list[Mutant]:
    """All of them, in the order of the source."""
    return [mutant for name in MODULES for mutant in _of_module(name)]


def _of_module(name: str) -> Iterator[Mutant]:
    module = importlib.import_module(f"tinygrad_lora.compiler.planned.{name}")
    assert module.__file__
    source = Path(module.__file__).read_text(encoding="utf-8")
    for tree in ast.parse(source).body:
        if isinstance(tree, ast.FunctionDef):
            yield from _of_function(getattr(module, tree.name), tree, f"{name}.{tree.name}", module.__dict__)
        if isinstance(tree, ast.ClassDef):
            for part in tree.body:
                if isinstance(part, ast.FunctionDef):
                    member = vars(getattr(module, tree.name))[part.name]
                    part.decorator_list = []
                    yield from _of_function(
                        getattr(member, "fget", member), part, f"{name}.{tree.name}.{part.name}", module.__dict__
                    )


def _of_function(function: FunctionType, tree: ast.FunctionDef, where: str, scope: dict[str, Any]) -> Iterator[Mutant]:
    """The function with each change that can be made at each place in it."""
    if ast.get_docstring(tree):
        tree.body = tree.body[1:] or [ast.Pass()]
    for part in ast.walk(tree):
        for field in ("annotation", "returns"):
            if getattr(part, field, None):
                setattr(part, field, ast.Name("object", ast.Load()) if isinstance(part, ast.AnnAssign) else None)
    places = list(ast.walk(tree))
    seen = {ast.unparse(tree)}
    for i, place in enumerate(places):
        for told, change in _changes(place):
            changed = copy.deepcopy(tree)
            change(list(ast.walk(changed))[i])
            ast.fix_missing_locations(changed)
            text = ast.unparse(changed)
            if text in seen:
                continue
            seen.add(text)
            module = ast.Module([changed], [])
            made: dict[str, Any] = {}
            code = compile(module, f"<{where}>", "exec", __future__.annotations.compiler_flag, dont_inherit=True)
            exec(code, dict(scope), made)
            loops = any(isinstance(part, ast.While) for part in places)
            yield Mutant(function, f"{where}: {told}", made[tree.name].__code__, loops)


Change = tuple[str, Callable[[Any], None]]


def _changes(place: ast.AST) -> Iterator[Change]:
    """What can be changed at this place."""
    text = ast.unparse(place) if isinstance(place, ast.expr | ast.stmt) else ""
    short = text.split("\n")[0][:70]
    match place:
        case ast.Compare(ops=[op]):
            for other in COMPARISONS[type(op)]:
                yield f"{short}  with {other.__name__}", lambda p, other=other: setattr(p, "ops", [other()])
        case ast.BoolOp():
            other = ast.Or if isinstance(place.op, ast.And) else ast.And
            yield f"{short}  with {other.__name__}", lambda p: setattr(p, "op", other())
            for j, value in enumerate(place.values):
                if len(place.values) > 1:
                    yield f"{short}  without {ast.unparse(value)[:50]}", lambda p, j=j: _dropped(p, j)
        case ast.UnaryOp(op=ast.Not()):
            yield f"{short}  without not", lambda p: _replaced(p, p.operand)
        case ast.BinOp() if type(place.op) in ARITHMETIC:
            yield (
                f"{short}  with {ARITHMETIC[type(place.op)].__name__}",
                lambda p: setattr(p, "op", ARITHMETIC[type(p.op)]()),
            )
        case ast.Constant(value=bool()):
            yield f"{place.value} turned", lambda p: setattr(p, "value", not p.value)
        case ast.Constant(value=int()):
            for step in (1, -1):
                yield f"{place.value} {step:+}", lambda p, step=step: setattr(p, "value", p.value + step)
        case ast.Constant(value=str()) if place.value in KINDS:
            for kind in KINDS:
                if kind != place.value:
                    yield f"{place.value!r} is {kind!r}", lambda p, kind=kind: setattr(p, "value", kind)
        case ast.If() | ast.IfExp() | ast.While():
            for value in (True, False):
                if not (value and isinstance(place, ast.While)):
                    yield (
                        f"if {ast.unparse(place.test)[:60]}  is {value}",
                        lambda p, value=value: setattr(p, "test", ast.Constant(value)),
                    )
        case ast.comprehension(ifs=[_, *_]):
            for j, test in enumerate(place.ifs):
                yield f"for ... without if {ast.unparse(test)[:60]}", lambda p, j=j: p.ifs.pop(j)
        case ast.Call(func=ast.Name(id=name)) if name in TURNED:
            yield f"{short}  with {TURNED[name]}", lambda p: setattr(p.func, "id", TURNED[p.func.id])
        case ast.Call(keywords=[_, *_]):
            yield f"{short}  without {place.keywords[-1].arg}", lambda p: p.keywords.pop()
        case ast.Name(id=name) if name in OTHER_NAMES and isinstance(place.ctx, ast.Load):
            yield f"{name} is {OTHER_NAMES[name]}", lambda p: setattr(p, "id", OTHER_NAMES[p.id])
        case ast.Attribute(attr=name) if name in OTHER_NAMES and isinstance(place.ctx, ast.Load):
            yield f"{short} is {OTHER_NAMES[name]}", lambda p: setattr(p, "attr", OTHER_NAMES[p.attr])
        case ast.Tuple(elts=[_, _, *_]) if isinstance(place.ctx, ast.Load):
            yield f"{short}  turned around", lambda p: p.elts.reverse()
        case ast.Set(elts=[_, _, *_]):
            for j, member in enumerate(place.elts):
                yield f"{short}  without {ast.unparse(member)}", lambda p, j=j: p.elts.pop(j)
        case ast.Return(value=ast.expr()) if text not in ("return None", "return ()"):
            yield f"{short}  gives None", lambda p: setattr(p, "value", ast.Constant(None))
        case _:
            pass
    for field in ("body", "orelse"):
        statements = getattr(place, field, None)
        if isinstance(statements, list):
            for j, statement in enumerate(statements):
                if isinstance(statement, ast.Expr | ast.AugAssign | ast.Continue | ast.Break) or (
                    isinstance(statement, ast.Assign) and not isinstance(statement.targets[0], ast.Name | ast.Tuple)
                ):
                    yield (
                        f"without {ast.unparse(statement)[:70]}",
                        lambda p, j=j, field=field: getattr(p, field).__setitem__(j, ast.Pass()),
                    )


def _dropped(place: Any, j: int) -> None:
    """`a and b and c` without one of them."""
    place.values.pop(j)
    if len(place.values) == 1:
        place.values.append(ast.Constant(isinstance(place.op, ast.And)))


def _replaced(place: Any, operand: ast.expr) -> None:
    """`not x` as `x`: no node can turn into another, so it is negated once more."""
    place.operand = ast.UnaryOp(ast.Not(), operand)


class EndlessError(Exception):
    """A mutant runs on and on."""


@contextmanager
def at_most(lines: int, mutant: Mutant) -> Iterator[None]:
    """Stop a function that runs more lines than that."""
    left = lines

    def counted(frame: Any, event: str, argument: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise EndlessError
        return counted

    before = sys.gettrace()
    if mutant.loops:
        sys.settrace(lambda frame, event, argument: counted if frame.f_code is mutant.code else None)
    try:
        yield
    finally:
        sys.settrace(before)


class Campaign:
    """What becomes of faults in the planner: each program is written with each of them, looked at, and run."""

    def __init__(self, cases: Sequence[Case], runs: int) -> None:
        self.cases, self.runs = cases, runs
        self.plain = {case.name: case.planned() for case in cases}
        self.known: dict[str, str] = {}  # what is wrong with the results of a text

    def fate(self, mutant: Mutant) -> tuple[str, str]:
        """What becomes of a fault, and in which program, or why it is none.

        "crashes": the planner does; "found": the verifier objects; "unchanged": no text differs; "equivalent": programs
        that differ give the same numbers; "HOLE": the verifier has no objection to a wrong program.
        """
        outcome = "unchanged", "no program is written differently"
        for case in self.cases:
            try:
                with mutant.planted(), at_most(20_000, mutant):
                    planned = case.planned()
                if planned.source == self.plain[case.name].source:
                    continue
                function = case.function(planned)
            except Exception as error:
                return "crashes", f"{case.name}: {type(error).__name__}"
            if objection := verify(planned, function, case.views):
                return "found", f"{case.name}: {objection}"
            wrong = self.wrong(case, planned)
            if wrong.startswith(
                "it raises NameError"
            ):  # as where weights are packed, which is not looked at: it is loud
                return "crashes", f"{case.name}: {wrong}"
            if wrong:
                return "HOLE", f"{case.name}: {wrong}\n{planned.source}"
            outcome = "equivalent", _difference(self.plain[case.name], planned)
        return outcome

    def wrong(self, case: Case, planned: Planned) -> str:
        """What is wrong with the results of a program, "" if nothing is."""
        key = f"{case.name} {planned.source}"
        if key not in self.known:
            try:
                self.known[key] = case.wrong(planned, self.runs)
            except Exception as error:
                self.known[key] = f"it raises {type(error).__name__}: {error}"
        return self.known[key]


def _difference(before: Planned, after: Planned) -> str:
    """Why a program that is written differently is right all the same."""
    old, new = before.lowered, after.lowered
    if set(old.kept) != set(new.kept) or old.cuts != new.cuts or old.copied != new.copied:
        return "another choice of what is packed, copied or cut"
    if [unit.nodes for unit in old.units] != [unit.nodes for unit in new.units]:
        return "another order, or other operations in a loop"
    if [unit.rows for unit in old.units] != [unit.rows for unit in new.units]:
        return "blocks of another length"
    if {n: p.kind for n, p in old.plan.places.items()} != {n: p.kind for n, p in new.plan.places.items()}:
        return "more or fewer arrays in planned memory"
    if any(getattr(old.plan, name) != getattr(new.plan, name) for name in ("replaced", "written", "parts")):
        return "more or fewer results in the memory of others"
    if old.plan.shapes != new.plan.shapes or old.plan.blocks != new.plan.blocks:
        return "whole arrays where blocks would do"
    if old.plan.offsets != new.plan.offsets or old.plan.size != new.plan.size:
        return "other places in the memory"
    return "views are made at other times"


def text_mutants(planned: Planned) -> Iterator[tuple[str, Planned]]:
    """The program with one thing changed in its text, whoever may have done that.

    An array lies in the place of another, two lines have changed places, a line is gone, blocks are longer by a row, a
    copy is none, rows are not cut, a view is another one.
    """
    lines = planned.source.splitlines()
    body = len(lines) - len(planned.nodes)

    def changed(told: str, i: int, line: str) -> tuple[str, Planned]:
        text = "\n".join([*lines[:i], line, *lines[i + 1 :]]) + "\n"
        return f"{told}: {lines[i].strip()}", planned._replace(source=text)

    places = {m[2] for line in lines if (m := PLACE.fullmatch(line))}
    for i, line in enumerate(lines[:body]):
        if found := PLACE.fullmatch(line):
            for offset in sorted(places - {found[2]}):
                yield changed(f"at {offset}", i, f"{found[1]}{offset})")
        elif found := re.fullmatch(r"(\w+ = \w+)\.mT", line):
            yield changed("not turned", i, found[1])
    for i in range(body, len(lines)):
        line, indent = lines[i], re.match(r" *", lines[i])[0]  # type: ignore[index]
        if "return" not in line and "for start in" not in line:
            yield changed("gone", i, f"{indent}pass")
        if ".copy()" in line:
            yield changed("no copy", i, line.replace(".copy()", "", 1))
        for word in ("[rows]", "[left]"):
            for found in re.finditer(re.escape(word), line.partition("#")[0]):
                yield changed(f"without {word}", i, line[: found.start()] + line[found.end() :])
        if lines[i + 1 : i + 2] and re.match(rf"{indent}(?!return)\w", lines[i + 1]):
            nodes, j = list(planned.nodes), i - body
            nodes[j : j + 2] = nodes[j + 1], nodes[j]
            text = "\n".join([*lines[:i], lines[i + 1], line, *lines[i + 2 :]]) + "\n"
            yield f"after the next: {line.strip()}", planned._replace(source=text, nodes=tuple(nodes))
