"""How much code there is: the measure of every budget."""

import ast
import io
import token
import tokenize

LAYOUT = {token.COMMENT, token.NL, token.NEWLINE, token.INDENT, token.DEDENT, token.ENCODING, token.ENDMARKER}


def code_lines(source: str) -> int:
    """The lines that hold code. Blank lines, comments and strings that stand alone (docstrings) are free."""
    ends = {
        (node.lineno, node.col_offset): (node.end_lineno, node.end_col_offset)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
    lines: set[int] = set()
    end = (0, 0)  # of the latest string that stands alone: it may be several tokens
    for part in tokenize.generate_tokens(io.StringIO(source).readline):
        end = ends.get(part.start, end)
        documents = part.type == token.STRING and part.start < end
        if part.type not in LAYOUT and not documents:
            lines.update(range(part.start[0], part.end[0] + 1))
    return len(lines)
