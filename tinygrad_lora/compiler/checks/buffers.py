"""What the bytes of a buffer hold, piece by piece, while a program is rehearsed."""

from bisect import bisect_left, bisect_right
from typing import NamedTuple

from ...core import ComputationNode as Node
from .forms import Forms


class ByteRange(NamedTuple):
    """Bytes up to `stop`, which hold a part of a node's array whose first byte is, or would be, at `anchor`.

    `whole`: all of it. With `forms` they hold copies: of elements of the node, of elements of that copy, and so on.
    `block`: in a loop over blocks of rows, those of the block that runs.
    """

    stop: int
    node: Node
    anchor: int
    whole: bool = True
    forms: Forms = ()
    block: bool = False


class Buffer:
    """Memory in pieces. kind: "memory", "argument", "constant", "number" (a literal), or "own" (made by the call)."""

    def __init__(self, kind: str, leaf: Node | None = None, size: int = 0) -> None:
        self.kind, self.leaf = kind, leaf
        self.pieces: dict[int, ByteRange] = {}  # by their first byte
        self.starts: list[int] = []  # in order
        self.also: list[ByteRange] = []  # what it holds as well, all of it: parts of a vector, and that vector
        if leaf is not None and size:
            self.put(0, ByteRange(size, leaf, 0))

    def holding(self, start: int, stop: int) -> ByteRange | None:
        """What all these bytes hold together, if it is one thing."""
        i = bisect_right(self.starts, start) - 1
        if i < 0 or (piece := self.pieces[self.starts[i]]).stop <= start:
            return None
        end = piece.stop
        while end < stop:
            following = self.pieces.get(end)
            if following is None or following.node is not piece.node or following.anchor != piece.anchor:
                return None
            end = following.stop
        return piece

    def put(self, start: int, piece: ByteRange) -> None:
        """From now on the bytes from `start` hold this."""
        starts, pieces, stop, self.also = self.starts, self.pieces, piece.stop, []
        if start not in pieces or pieces[start].stop != stop:
            i = bisect_left(starts, start)
            i -= bool(i and pieces[starts[i - 1]].stop > start)
            j = bisect_left(starts, stop, i)
            old = [(first, pieces.pop(first)) for first in starts[i:j]]
            rest = {start: piece}
            if old and old[0][0] < start:
                rest[old[0][0]] = old[0][1]._replace(stop=start, whole=False)
            if old and old[-1][1].stop > stop:
                rest[stop] = old[-1][1]._replace(whole=False)
            starts[i:j] = sorted(rest)
            pieces.update(rest)
        pieces[start] = piece

    def between(self, start: int, stop: int) -> list[Node]:
        """The nodes of which these bytes hold something."""
        return list(dict.fromkeys(p.node for first, p in self.pieces.items() if first < stop and p.stop > start))
