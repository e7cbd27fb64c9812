"""Arrays that are never needed at the same time take turns in the same bytes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

LINE = 64  # bytes of a cache line: every array starts at one


@dataclass(eq=False, slots=True)
class Slot:
    """Bytes that one array, or several one after another, occupy from one operation to another."""

    start: int
    end: int
    size: int
    offset: int = 0


def arrange(slots: Sequence[Slot]) -> int:
    """Give each slot an offset so that no two overlap in time and place; the bytes needed in all.

    First come, first served, and each into the smallest gap that fits.
    """
    gaps: list[tuple[int, int]] = []  # (offset, size), in the order of offsets
    alive: list[tuple[int, int, int]] = []  # (end, offset, size), the first to end on top
    top = 0
    for slot in sorted(slots, key=lambda s: s.start):
        done = []
        while alive and alive[0][0] < slot.start:
            done.append(heappop(alive)[1:])
        if done:
            gaps = _joined([*gaps, *done])
        size = _rounded(slot.size)
        fitting = [g for g in gaps if g[1] >= size]
        if fitting and size:
            gap = min(fitting, key=lambda g: g[1])
            gaps.remove(gap)
            slot.offset = gap[0]
            if gap[1] > size:
                gaps = sorted([*gaps, (gap[0] + size, gap[1] - size)])
        else:
            if gaps and sum(gaps[-1]) == top and size:  # the gap at the end can grow
                top = gaps.pop()[0]
            slot.offset, top = top, top + size
        heappush(alive, (slot.end, slot.offset, size))
    return top


def _joined(gaps: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Gaps side by side become one."""
    joined: list[tuple[int, int]] = []
    for offset, size in sorted(gaps):
        if joined and sum(joined[-1]) == offset:
            joined[-1] = (joined[-1][0], joined[-1][1] + size)
        else:
            joined.append((offset, size))
    return joined


def _rounded(size: int) -> int:
    return -(-size // LINE) * LINE


def most_alive(slots: Sequence[Slot]) -> int:
    """The most bytes that are alive at once."""
    changes = [(s.start, s.size) for s in slots] + [(s.end + 1, -s.size) for s in slots]
    alive = most = 0
    for _, change in sorted(changes):
        alive += change
        most = max(most, alive)
    return most
