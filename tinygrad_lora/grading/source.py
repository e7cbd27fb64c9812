"""What the text of a cell says. It is not run and not even parsed: who wrote it may have wished to break a parser."""

import io
import re
from collections.abc import Iterator
from functools import lru_cache
from tokenize import NAME, OP, STRING, TokenError, TokenInfo, generate_tokens

LAYOUT = re.compile(r"\s*(#.*)?")  # tokens that are no part of an expression
LONGEST = 200  # tokens of a call: so that calls within calls take no more than linear time


@lru_cache(1_000)
def defined(text: str) -> frozenset[str]:
    """The names that a text defines or fills, as far as its lines show it."""
    names: set[str] = set()
    for line in text.splitlines():
        if begins := re.match(r"\s*(?:async\s+)?(def|class|from|import)\s(.*)", line):
            words = re.findall(r"\w+", begins[2])
            names.update(words[:1] if begins[1] in ("def", "class") else words)
        elif "=" in line and "(" not in (head := line.partition("=")[0]):
            names.update(re.findall(r"(?<![\w.])\w+", head))
    return frozenset(names)


def calls(text: str, function: str) -> Iterator[tuple[str, list[str]]]:
    """The calls of a function whose first argument is a string: that string, and the tokens of the other arguments.

    Of these, numbers and strings are empty. What stands in a comment or in a string is no call, and neither is what
    stands in a text that is no Python.
    """
    try:
        text_of_lines = io.StringIO(text if function in text else "").readline
        tokens = [token for token in generate_tokens(text_of_lines) if not LAYOUT.fullmatch(token.string)]
    except (TokenError, SyntaxError, ValueError):
        return
    for i, (name, bracket, first) in enumerate(zip(tokens, tokens[1:], tokens[2:], strict=False)):
        if name.string == function and name.type == NAME and bracket.string == "(" and first.type == STRING:
            yield first.string.strip("'\""), _until_closed(tokens[i + 3 : i + LONGEST])


def _until_closed(tokens: list[TokenInfo]) -> list[str]:
    """The tokens before the bracket that is closed and was not opened among them, without a comma before the first."""
    words, depth = [token.string if token.type in (NAME, OP) else "" for token in tokens], 1
    for i, word in enumerate(words):
        depth += (word in ("(", "[", "{")) - (word in (")", "]", "}"))
        if not depth:
            return words[words[0] == "," : i]
    return []
