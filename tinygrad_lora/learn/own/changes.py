"""Small changes of a program, as a slip of the pen makes them: one expression, or one statement, is another.

Each change is a function of the node at some place, so that the same text gives the same changes in the same order.
"""

import ast
import copy
from collections.abc import Iterator, Sequence

OPERATORS: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub, ast.Mult), ast.Sub: (ast.Add,), ast.Mult: (ast.Div, ast.Add), ast.Div: (ast.Mult,),
    ast.MatMult: (ast.Mult,), ast.Pow: (ast.Mult,), ast.FloorDiv: (ast.Div,), ast.BitOr: (ast.BitAnd,),
}  # fmt: skip
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
}  # fmt: skip
NAMES = {
    "sum": "mean", "mean": "sum", "max": "min", "min": "max", "exp": "log", "sqrt": "square", "tanh": "exp",
    "all": "any", "any": "all", "mT": "T", "zeros": "ones", "append": "insert", "std": "var", "argmax": "argmin",
}  # fmt: skip
SIMPLE = ast.Assign, ast.AugAssign, ast.Expr  # statements that may change places
ASYMMETRIC = ast.Sub, ast.Div, ast.MatMult, ast.Pow, ast.FloorDiv


def changes(text: str) -> Iterator[tuple[str, str]]:
    """Every change of a text: what is different, "old -> new", and the new text. None occurs twice."""
    original = ast.unparse(ast.parse(text))
    seen = {original}
    count = len(list(ast.walk(ast.parse(text))))
    for index in range(count):
        for variant in range(8):
            tree = ast.parse(text)
            if not _change(tree, index, variant):
                break
            try:
                new = ast.unparse(ast.fix_missing_locations(tree))
                ast.parse(new)
            except (ValueError, SyntaxError):
                continue
            if new not in seen:
                seen.add(new)
                yield difference(original, new), new


def difference(old: str, new: str) -> str:
    """The lines in which two texts differ, without what they begin and end with alike: `old` -> `new`."""
    before, after = old.splitlines(), new.splitlines()
    for end in (0, -1):
        while before and after and before[end] == after[end]:
            del before[end], after[end]
    old_lines, new_lines = (" / ".join(line.strip() for line in lines) for lines in (before, after))
    return f"`{old_lines}` -> `{new_lines}`"


def _change(tree: ast.Module, index: int, variant: int) -> bool:
    """Make one change in place; False if the node at this place has no such variant."""
    node = list(ast.walk(tree))[index]
    if isinstance(node, ast.stmt):
        return _change_statement(tree, node, variant)
    if isinstance(node, ast.expr):
        variants = list(_expressions(node, _names(tree)))
        if variant < len(variants):
            _Replacing(node, variants[variant]).visit(tree)
            return True
    return False


class _Replacing(ast.NodeTransformer):
    """Puts a node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else self.generic_visit(node)


def _names(tree: ast.Module) -> list[str]:
    """What the program calls its own values: parameters and local variables."""
    variables = [arg.arg for node in ast.walk(tree) if isinstance(node, ast.arguments) for arg in node.args]
    variables += [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return list(dict.fromkeys(name for name in variables if name != "self"))


def _expressions(node: ast.expr, names: list[str]) -> Iterator[ast.expr]:
    """What may stand in the place of an expression."""
    match node:
        case ast.BinOp(left, op, right):
            yield from (ast.BinOp(left, other(), right) for other in OPERATORS.get(type(op), ()))
            if isinstance(op, ASYMMETRIC):
                yield ast.BinOp(right, op, left)
            yield from (left, right)
        case ast.Compare(left, [op], [right]):
            yield from (ast.Compare(left, [other()], [right]) for other in COMPARISONS.get(type(op), ()))
        case ast.BoolOp(op, values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            yield from values
        case ast.UnaryOp(_, operand):
            yield operand
        case ast.IfExp(_, body, orelse):
            yield from (body, orelse)
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() as value):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.Constant(float() as value):
            zero = value == 0
            yield from (ast.Constant(x) for x in (2 * value + zero, -value - zero, value / 10))
        case ast.Call():
            yield from _calls(node)
        case ast.Attribute(value, name) if isinstance(node.ctx, ast.Load):
            if name in NAMES:
                yield ast.Attribute(value, NAMES[name], ast.Load())
            if name in ("T", "mT"):
                yield value
        case ast.Subscript(value, ast.Slice(lower, upper, step)) if isinstance(node.ctx, ast.Load):
            yield ast.Subscript(value, ast.Slice(upper, lower, step), ast.Load())
            yield value
        case ast.Tuple(elements) | ast.List(elements) if len(elements) > 1 and isinstance(node.ctx, ast.Load):
            turned = copy.copy(node)
            turned.elts = elements[::-1]
            yield turned
        case ast.Dict(keys, values) if len(values) > 1:
            yield ast.Dict(keys, [values[1], values[0], *values[2:]])
        case ast.Name(name, ast.Load()) if name in names and len(names) > 1:
            yield ast.Name(names[(names.index(name) + 1) % len(names)], ast.Load())


def _calls(node: ast.Call) -> Iterator[ast.expr]:
    """A call with arguments exchanged or left out, and what it was called on."""
    match node:
        case ast.Call(_, [first, second, *rest]) if not isinstance(second, ast.Starred):
            yield ast.Call(node.func, [second, first, *rest], node.keywords)
    for i in range(len(node.keywords)):
        yield ast.Call(node.func, node.args, node.keywords[:i] + node.keywords[i + 1 :])
    if isinstance(node.func, ast.Name) and node.func.id in NAMES:
        yield ast.Call(ast.Name(NAMES[node.func.id], ast.Load()), node.args, node.keywords)
    if len(node.args) == 1 and not isinstance(node.args[0], ast.Starred | ast.GeneratorExp):
        yield node.args[0]
    if isinstance(node.func, ast.Attribute) and not node.args:
        yield node.func.value


def _change_statement(tree: ast.Module, node: ast.stmt, variant: int) -> bool:
    """Drop a statement, exchange it with the next, or write another; False if there is no such variant."""
    body = next(b for n in ast.walk(tree) for b in _bodies(n) if any(s is node for s in b))
    i = next(i for i, statement in enumerate(body) if statement is node)
    variants = list(_statements(tree, node, body[i + 1] if i + 1 < len(body) else None))
    if variant >= len(variants):
        return False
    new = variants[variant]
    body[i : i + max(1, len(new)) if len(new) == 2 else i + 1] = new
    return True


def _bodies(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for field in ("body", "orelse"):
        if isinstance(statements := getattr(node, field, None), list):
            yield statements


def _statements(tree: ast.Module, node: ast.stmt, after: ast.stmt | None) -> Iterator[Sequence[ast.stmt]]:
    """What may stand in the place of a statement; two statements take the place of it and the next."""
    match node:
        case ast.FunctionDef() | ast.ClassDef() | ast.Import() | ast.ImportFrom() | ast.Expr(ast.Constant()):
            return
    if node not in tree.body:
        yield [ast.Pass()]
    if isinstance(after, SIMPLE) and isinstance(node, SIMPLE) and node not in tree.body:
        yield [after, node]
    match node:
        case ast.AugAssign(target, op, value):
            yield [ast.Assign([target], value)]
            yield from ([ast.AugAssign(target, other(), value)] for other in OPERATORS.get(type(op), ()))
        case ast.If(test, body, orelse):
            yield [ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)]
            yield [ast.If(ast.Constant(True), body, [])]
        case ast.Return():
            yield from ([ast.Return(ast.Name(name, ast.Load()))] for name in _names(tree)[-3:])
