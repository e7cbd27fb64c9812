"""A second look at every planned program: each read finds the node that it wants, unharmed, in its dtype.

Before its first call a program runs once on stand-ins for its arrays, and here is written down which bytes hold which
node's value. Nothing is known of what the planner meant, only what the program does.

- An operation finds each of its operands: the right elements, in the right dtype, all of them unharmed.
- In a loop over blocks of rows, a block has the rows that it needs, and no other block is in its way.
- It writes its result densely, in its dtype, over no constant, and over no operand that it still reads.
- An argument is written only where that is declared. After that nothing reads its old value, nor a view of it.
- Every output has memory of its own: no part of the program's, of an argument, of what is kept, of another output.

Calls that run at the same time have memory of their own, and the same code. Not covered are programs that plan no
memory: plain expressions, and those of the engine "numba". Nor is what an operation computes.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from ...core import ComputationNode as Node, ops
from ...recomputation import operands_read
from ..planned.write import Planned
from .blocks import ROWS, Loop
from .buffers import Buffer, ByteRange
from .forms import broadcast_alike, equal, extended, form_of, same, view_of
from .rehearsal import Rehearsal, StandIn, collide


def verify(planned: Planned, function: Any, views: Mapping[Node, Sequence[Node]]) -> str:
    """What is wrong with a planned program, in a sentence; "" if nothing is.

    `function` is the program, and `views` says which inputs are views of an input that is written over.
    """
    try:
        proof = Proof(planned, function, views)
        results = proof.run()
        proof.over()
        proof.returned(results)
    except ProofError as fault:
        return str(fault)
    except Exception as error:
        return f"it cannot be followed: {type(error).__name__}: {error}"
    return ""


class ProofError(Exception):
    """What is wrong with a program."""


class Proof(Rehearsal):
    """A run in which each read and each write is checked."""

    def __init__(self, planned: Planned, function: Any, views: Mapping[Node, Sequence[Node]]) -> None:
        super().__init__(planned, function)
        self.outputs = planned.lowered.graph.outputs
        self.written = {leaf: i for i, leaf in planned.lowered.into.items()}
        self.views = {leaf: [self.arguments[view] for view in nodes] for leaf, nodes in views.items()}
        self.read: set[Node] = set()  # the operands that the lines of this node found
        self.numbers: list[Any] = []  # those that they found, too
        self.equal: dict[tuple[int, Node], tuple[Any, bool]] = {}  # numbers and constants
        self.view_of = cache(view_of)
        self.joined = {
            node: self.scope[self.variables[node]] for node in planned.lowered.graph.nodes
            if node.op is ops.concatenate and node.ndim == 1 and self.variables.get(node) in self.scope
        }  # fmt: skip

    def call(
        self, operands: Sequence[Any], out: StandIn | None = None, *,
        changed: bool = False, again: bool = False, by_element: bool = False, in_order: bool = False,
    ) -> Any:  # fmt: skip
        """See that all operands are there, and note what is written."""
        node = self.line()
        if node is not None and node.op is ops.matmul and out is not None and out.array.ndim > node.ndim:
            operands, out, in_order = *self._without_blocks(operands, out, node), True
        wanted = [self._replacing(out)] if node is None and out is not None else []
        for array in operands:
            if type(array) is StandIn:
                if not self._is_operand(array, node):
                    self._find(array, node, wanted, own=again and array is operands[0])
                if out is not None and array.buffer is out.buffer and collide(array, out, by_element):
                    raise ProofError(f"{self._name(node)} is written over an operand while that is read")
            elif node is None or node.op is not ops.where or out is not None or len(operands) == 3:  # not `c != 0`
                self.numbers.append(array)
        if in_order and node is not None:
            for array, parent in zip(operands, node.parents, strict=True):
                if type(array) is StandIn:
                    self._find(array, node, [parent])
        if out is None:
            if node is None or self.loop is not None:
                raise ProofError(f"{self._name(node)} is made where nothing is to be made: in a loop, or for no node")
            return StandIn(self, node)
        if changed:
            self._find(out, node, own=True)
        self._write(out, node)
        return out

    def _without_blocks(self, operands: Sequence[Any], out: StandIn, node: Node) -> tuple[list[Any], StandIn]:
        """A product of blocks of rows, or of columns, as the product of the whole matrices that they are blocks of."""
        a, b = (x.stored() for x in operands)
        if out.array.ndim == a.array.ndim == 3 > b.array.ndim and out.array.shape[:2] == a.array.shape[:2]:
            a, whole = a.reshape(-1, a.array.shape[2]), out.reshape(node.shape)
        elif out.array.ndim == b.array.ndim == 3 > a.array.ndim and out.array.shape[::2] == b.array.shape[::2]:
            b, whole = b.transpose(1, 0, 2), out.transpose(1, 0, 2).reshape(node.shape)
            b = b.reshape(len(b.array), -1)
        else:
            raise ProofError(f"{self._name(node)} is multiplied in blocks that do not belong together")
        if whole.buffer is not out.buffer:  # NumPy had to copy it
            raise ProofError(f"{self._name(node)} is written in blocks that are in another order")
        return [a, b], whole

    def looped(self, loop: Loop) -> None:
        for a, b in loop.clashes():
            raise ProofError(f"blocks of rows have bytes in common: those of {self._name(a)} and of {self._name(b)}")

    def over(self) -> None:
        """The lines of a node must have read each operand."""
        node = self.node
        if node is not None and node.op is not ops.concatenate and not self.read.issuperset(node.parents):
            for parent in operands_read(node):
                if parent not in self.read and not self._is_known(parent):
                    raise ProofError(f"{self._name(node)} never reads its operand {self._name(parent)}")
        self.read.clear()
        self.numbers.clear()

    def copied(self, array: StandIn, new: Any) -> StandIn:
        """What the new array holds is what the old one does."""
        buffer = Buffer("own")
        for piece in self._pieces(array) if new.size else ():
            forms = extended(piece.forms, form_of(array.array, array.first - piece.anchor), piece.node.size)
            held = ByteRange(new.nbytes, piece.node, 0, not forms, forms)
            buffer.put(0, held) if not buffer.starts else buffer.also.append(held)
        return StandIn(self, None, new, buffer)

    def returned(self, results: Sequence[Any]) -> None:
        """Each output is there, in memory of its own, and so is each array that replaces an argument."""
        replacing, owners = set(self.written.values()), list[Any]()
        wanted = [node for i, node in enumerate(self.outputs) if i not in replacing]
        for result, node in zip(results, wanted, strict=True):
            if type(result) is StandIn:  # no number that is written into the source
                owner = result.buffer or result
                if result.buffer is not None and result.buffer.kind != "own":
                    raise ProofError(f"the output {self._name(node)} is in shared memory: {result.buffer.kind}")
                if any(owner is other for other in owners):
                    raise ProofError(f"the output {self._name(node)} shares the memory of another output")
                owners.append(owner)
                self._find(result, None, [node])
                if result.stored().array.shape != node.shape:
                    raise ProofError(f"the output {self._name(node)} has the shape {result.array.shape}")
        for leaf, i in self.written.items():
            self._find(self.arguments[leaf], None, [self.outputs[i]])

    # --- Reading ---

    def _is_operand(self, array: StandIn, node: Node | None) -> bool:
        """Whether this is an operand in the most frequent cases: all of it, its rows of the block, a part of a line."""
        if node is None:
            return False
        if (buffer := array.buffer) is None:
            operand = array.node
            if operand is node:
                return True
        else:
            piece = buffer.pieces.get(array.first) if array.plain else None
            if piece is None or piece.stop != array.stop or array.array.dtype is not piece.node.dtype:
                return False
            operand, loop = piece.node, self.loop
            if loop is not None and operand not in loop.made:
                loop.touch(array, operand, False)
            if loop is not None and (row := loop.row_of(operand, node)) is not None:
                there = array.first == piece.anchor and array.row == row and not piece.forms
                if not there or array.array.shape[1:] != operand.shape[1:] or not loop.has(array, piece):
                    return False
            else:
                alike = array.array.shape == operand.shape or not node.op.elementwise
                if not (alike and piece.whole) or array.cut or (loop is not None and operand in loop.made):
                    return False
        if operand not in node.parents:
            return False
        self.read.add(operand)
        return True

    def _find(self, array: StandIn, node: Node | None, wanted: Sequence[Node] = (), *, own: bool = False) -> None:
        """See that this is an operand of the node, or one of those wanted; with `own` it may be the node itself."""
        wanted = wanted or node.parents  # type: ignore[union-attr]
        if array.buffer is None and array.node in wanted:
            self.read.add(array.node)
        elif array.stored().buffer.kind != "number":
            operands = self._matches(array, node, wanted, own)
            if not operands:
                there = ", ".join(map(self._name, array.buffer.between(array.start, array.stop))) or "nothing"
                missing = " or ".join(self._name(p) for p in wanted if p not in self.read)
                reader = f"{self._name(node)} reads" if node is not None else "the result is"
                raise ProofError(f"{reader} {missing}; there is {there}, as {array.array.dtype} in {array.buffer.kind}")
            self.read.update(operands)
        else:
            self.numbers.append(array.array)

    def _matches(self, array: StandIn, node: Node | None, wanted: Sequence[Node], own: bool) -> Sequence[Node]:
        """Those of the wanted nodes whose value this is; with `own` the node in the making will do."""
        if not array.array.size:
            return [parent for parent in (*wanted, node) if parent is not None and not parent.size]
        for piece in self._pieces(array):
            operands = [parent for parent in wanted if self._is(parent, array, piece, node)]
            if own and piece.node is node:
                operands = [piece.node]
            elif not operands and node is not None and node.op.view and piece.node is not node:
                operands = [*node.parents] if self._is(node, array, piece, node) else []  # of a view, written out
            if operands:
                if self.loop is not None and piece.node not in self.loop.made:
                    self.loop.touch(array, piece.node, False)
                return operands
        return ()

    def _pieces(self, array: StandIn) -> list[ByteRange]:
        """What the bytes of an array hold, if it is one thing; also a vector whose parts were made in their places."""
        a, b, buffer = array.start, array.stop, array.buffer
        pieces = [*filter(None, [buffer.holding(a, b)]), *buffer.also]
        for node, whole in self.joined.items():
            if whole.buffer is buffer and whole.start <= a and b <= whole.stop and self._has_parts(node, whole, a, b):
                pieces.append(ByteRange(whole.stop, node, whole.first))
        return pieces

    def _is(self, wanted: Node, array: StandIn, piece: ByteRange, node: Node | None) -> bool:
        """Whether this is the value of a wanted node; in a loop, where the operand is cut, the rows of the block."""
        elements, moved, view = array.array, array.first - piece.anchor, self.view_of(wanted, piece.node)
        if view is None or elements.dtype != wanted.dtype:
            return False
        whole, first, forms = view
        loop = self.loop
        made = loop is not None and piece.node in loop.made
        if loop is not None and node is not None and loop.row_of(wanted, node) is not None:
            # What this loop makes has its rows in the places of the node's, block by block.
            if not loop.has(array, piece) or (made and whole.strides[0] != loop.row_of(piece.node, piece.node)):
                return False
            whole = whole[: len(elements)]
        elif piece.block or made or array.cut:
            return False
        if node is not None and node.op.elementwise and not broadcast_alike(elements.shape, whole.shape):
            return False
        if array.plain and whole.flags.c_contiguous and not forms and not piece.forms:  # the most frequent case
            return moved == first and elements.nbytes == whole.nbytes
        size = piece.node.size
        there = extended(piece.forms, form_of(elements, moved), size)
        return same(there, extended(forms, form_of(whole, first), size), size, elements.itemsize)

    def _is_known(self, node: Node) -> bool:
        """Whether an operand was read, also as the same elements in another shape, or is written into the line."""
        root = node
        while root.parents and root.op.view:
            root = root.parents[0]
            if root in self.read:
                array, first, forms = self.view_of(node, root)  # type: ignore[misc]
                if same(extended(forms, form_of(array, first), root.size), (), root.size, node.dtype.itemsize):
                    return True
        literal = not root.parents and root not in self.variables
        return not node.size or (literal and any(self._is_number(x, root) for x in self.numbers))

    def _is_number(self, number: Any, node: Node) -> bool:
        """Whether this is the value of a constant."""
        key = id(number), node
        if key not in self.equal:
            self.equal[key] = number, equal(number, node)  # whose number is kept: another one may get its id
        return self.equal[key][1]

    def _has_parts(self, node: Node, whole: StandIn, a: int, b: int) -> bool:
        """Whether each part of a vector is in its place, as far as it lies between the bytes `a` and `b`."""
        start = 0
        for parent in node.parents:
            part, start = whole[start : start + parent.size], start + parent.size
            first, stop = max(part.start, a), min(part.stop, b)
            if first < stop:
                piece = whole.buffer.holding(first, stop)
                there = piece is not None and piece.node is node and piece.anchor == whole.first
                if not there and (piece is None or not self._is(parent, part, piece, None)):
                    return False
        return True

    # --- Writing ---

    def _replacing(self, out: StandIn) -> Node:
        """What is to be written over an argument."""
        leaf = out.buffer.leaf
        if leaf not in self.written:
            raise ProofError(f"something is written over {self._name(leaf)}, which must not change")
        return self.outputs[self.written[leaf]]

    def _write(self, out: StandIn, node: Node | None) -> None:
        """From now on this array holds the node, or those rows of it that the block is about."""
        buffer, array = out.buffer, out.array
        if node is None or buffer.kind not in ("memory", "own"):
            if node not in (None, replacing := self._replacing(out)):
                raise ProofError(f"{self._name(node)} is written over {self._name(buffer.leaf)}")
            node = replacing
        if array.dtype != node.dtype or not out.plain:
            raise ProofError(f"{self._name(node)} is written to an array of {array.dtype} with strides {array.strides}")
        anchor, whole, block, loop = out.start, True, False, self.loop
        if loop is not None and (row := loop.row_of(node, node)) is not None and out.row == row and loop.fits(out):
            whole = out.cut is ROWS
            block = not whole
        elif node in self.joined:
            anchor, whole = self.joined[node].first, array.size == node.size
        elif array.size != node.size or loop is not None:
            raise ProofError(f"{self._name(node)} is written to an array of shape {array.shape}")
        if loop is not None:
            loop.made.add(node)
            loop.touch(out, node, True)
        if array.size:
            buffer.put(out.start, ByteRange(out.stop, node, anchor, whole, (), block))
        for view in self.views.get(buffer.leaf, ()) if buffer.leaf is not None else ():
            view.buffer.put(0, ByteRange(view.array.nbytes, node, 0, False))

    def _name(self, node: Node | None) -> str:
        """A node as a reader of the program knows it."""
        if node is None:
            return "something"
        return f"{self.variables.get(node) or node.name or 'a part of a line'} = {node.op} {node.shape}"
