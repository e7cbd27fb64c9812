"""How much code there is: the measure of every budget."""

import io
import tokenize
from token import COMMENT, DEDENT, ENDMARKER, INDENT, NEWLINE, NL, STRING

LAYOUT = {NEWLINE, INDENT, DEDENT, ENDMARKER}


def code_lines(source: str) -> int:
    """The lines that hold code. Blank lines, comments and strings that stand alone (docstrings) are free."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    tokens = [token for token in tokens if token.type not in (COMMENT, NL)]
    lines: set[int] = set()
    for i, token in enumerate(tokens):
        begins_a_statement = i == 0 or tokens[i - 1].type in LAYOUT
        stands_alone = token.type == STRING and begins_a_statement and tokens[i + 1].type == NEWLINE
        if token.type not in LAYOUT and not stands_alone:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines)
