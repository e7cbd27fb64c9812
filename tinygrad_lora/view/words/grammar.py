"""Singular and plural: `1 node`, `2 nodes`; is and are."""

from collections.abc import Sequence


def counted(n: int, noun: str) -> str:
    """`1 node`, `2 nodes`."""
    return f"{n:,} {noun}{'s' * (n != 1)}"


def times(n: int) -> str:
    """`once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(n, f"{n} times")


def are(things: int | Sequence[object]) -> str:
    """`is` for one, `are` for any other number."""
    return "is" if (things if isinstance(things, int) else len(things)) == 1 else "are"


def have(things: Sequence[object]) -> str:
    """`has` for one, `have` for any other number."""
    return "has" if len(things) == 1 else "have"
