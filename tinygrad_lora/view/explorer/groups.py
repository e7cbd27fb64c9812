"""The frames of all graphs of one compilation as one tree: the explorer shows the layers and functions of `draw`.

A pass changes what is inside a function. What two graphs frame as one call shares boxes: then it is one frame here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ..diagram.layers import LayerFrame, every


class Groups:
    """The frames, as graph after graph is added. Each box stays in the frame in which it was first."""

    def __init__(self) -> None:
        self.home: dict[str, str] = {}  # the innermost frame of each box
        self.known: dict[str, LayerFrame] = {}
        self.outer: dict[str, str] = {}  # the frame around each frame; "" around those that stand alone
        self.results: dict[str, str] = {}  # of functions, in the last graph that has them

    def add(self, frames: Sequence[LayerFrame], boxes: Mapping[str, str], outer: str = "") -> None:
        """Add the frames of one graph; `boxes` are the ids here of the boxes there."""
        for frame in frames:
            inside = [boxes[box] for part in every([frame]) for box in part.boxes]
            id = self._same(frame, inside, outer) or f"f{len(self.known)}"
            if id not in self.known:
                operands = tuple((boxes[box], name) for box, name in frame.operands)
                self.known[id], self.outer[id] = replace(frame, id=id, operands=operands), outer
            if frame.function:
                self.results[id] = boxes[frame.closed]
            for box in frame.boxes:
                self.home.setdefault(boxes[box], id)
            self.add(frame.clusters, boxes, id)

    def _same(self, frame: LayerFrame, inside: Iterable[str], outer: str) -> str:
        """The frame of an earlier graph that this one is; "" if there is none."""
        if not frame.function:
            alike = (id for id, f in self.known.items() if (f.title, self.outer[id]) == (frame.title, outer))
            return next(alike, "")
        for box in inside:
            id = self.home.get(box, "")
            while id and self.known[id].function != frame.function:
                id = self.outer[id]
            if id:
                return id
        return ""

    def tree(self, outer: str = "") -> tuple[LayerFrame, ...]:
        """All frames that hold something. A function's result comes first in its frame."""
        frames = []
        for id, around in self.outer.items():
            if around == outer:
                held = dict.fromkeys(box for box, home in self.home.items() if home == id)
                if (result := self.results.get(id)) in held:
                    held = {result: None, **held}
                frame = replace(self.known[id], boxes=tuple(held), clusters=self.tree(id))
                frames += [frame] if frame.boxes or frame.clusters else []
        return tuple(frames)
