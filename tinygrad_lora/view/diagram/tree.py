"""The tree of a model: its layers, in them their parameters, with shapes, counts and what training changes."""

from collections.abc import Mapping
from dataclasses import dataclass

from ...nn import Layer, adapted_layers
from ..words.markup import Markup, element
from ..words.sentences import one_line, shape_text, table
from .layers import counts

HEADINGS = ("name", "kind", "shape", "parameters", "state")
COUNT = HEADINGS.index("parameters")  # the column that is aligned to the right
INDENT = "\N{EM SPACE}" * 2  # in HTML, which drops plain spaces


@dataclass(frozen=True, slots=True)
class Row:
    """A layer or a parameter. `count` is None for a parameter that an earlier row counts."""

    depth: int
    name: str  # as the layer that holds it knows it
    kind: str  # the class of a layer, or "parameter"
    shape: str
    count: int | None
    state: str  # "trainable", "frozen" or "12 trainable", and whether its adapter is merged or disabled

    def cells(self, indent: str) -> list[str]:
        """The row as text."""
        count = "" if self.count is None else f"{self.count:,}"
        return [indent * self.depth + one_line(self.name), one_line(self.kind), self.shape, count, self.state]


@dataclass(frozen=True, slots=True)
class ParameterTree:
    """A tree that `print` shows as text and a notebook as a table; `rows` and `total` are the plain data."""

    rows: tuple[Row, ...]
    total: str

    def __str__(self) -> str:
        lines = [list(HEADINGS), *(row.cells("  ") for row in self.rows)]
        return "\n".join([*table(lines, right=[COUNT]), self.total])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = element("tr", *(_cell(i, heading, "col") for i, heading in enumerate(HEADINGS)))
        lines = [enumerate(row.cells(INDENT)) for row in self.rows]
        body = [element("tr", *(_cell(i, text, None if i else "row") for i, text in line)) for line in lines]
        parts = element("thead", head), element("tbody", *body)
        return element("table", element("caption", self.total, style="text-align: left"), *parts)


def _cell(column: int, text: str, scope: str | None) -> Markup:
    """A cell of the table: words are aligned left and counts right; a notebook would align all of them right."""
    side = "right" if column == COUNT else "left"
    return element("th" if scope else "td", text, style=f"text-align: {side}", scope=scope)


def parameter_tree(model: Layer) -> ParameterTree:
    """The layers and parameters of a model as a tree, to print or to show in a notebook.

    A parameter is trainable or frozen. The rows of a merged or disabled adapter say so: its factors have no effect of
    their own then. A parameter that occurs twice is counted where it comes first.

    model: a layer
    Returns a table; `print` shows it, and a notebook.
    Raises TypeError for anything but a layer, ClosedError for a layer that was closed.

    >>> print(tl.parameter_tree(tl.Sequential(tl.Linear(3, 2), tl.relu)))
    name        kind        shape   parameters  state
    model       Sequential                   8  trainable
      0         Linear                       8  trainable
        weight  parameter   (3, 2)           6  trainable
        bias    parameter   (2,)             2  trainable
    8 parameters, trainable, 64 bytes of float64
    """
    if not isinstance(model, Layer):
        raise TypeError(f"a parameter tree shows a layer, not {type(model).__name__}: pass the model itself")
    first = {id(p): name for name, p in model.named_parameters().items()}
    layers, modes = model.named_layers(), _modes(model)
    depths = {"": 0}
    rows = []
    for path, layer in layers.items():
        holder = _holder(path, layers)
        depths[path] = depths[holder] + 1 if path else 0
        own, state = layer.named_parameters(), counts(layer).partition(", ")[2]
        total, mode = sum(p.size for p in own.values()), modes.get(id(layer), "")
        name = path.removeprefix(f"{holder}.") or "model"
        rows.append(Row(depths[path], name, type(layer).__name__, "", total, _joined(state, mode)))
        inside = layer.named_layers()
        for name, p in own.items():
            if _holder(name, inside):
                continue  # an inner layer lists it
            earlier = first[id(p)] if first[id(p)] != f"{path}.{name}".lstrip(".") else ""
            state = _joined("trainable" if p.requires_gradient else "frozen", modes.get(id(p), ""))
            count = None if earlier else p.size
            note = f"the same as {one_line(earlier)}" if earlier else state
            rows.append(Row(depths[path] + 1, name, "parameter", shape_text(p.shape), count, note))
    return ParameterTree(tuple(rows), _total(model))


def _modes(model: Layer) -> dict[int, str]:
    """By identity, for adapted layers, their adapters and the factors of these: "merged", "inactive" or ""."""
    modes = {}
    for layer in adapted_layers(model).values():
        modes[id(layer)] = layer.mode
        for name, state in layer.states().items():
            adapter = layer.adapters[name]
            modes |= {id(thing): state for thing in (adapter, *adapter.named_parameters().values())}
    return modes


def _total(model: Layer) -> str:
    """`9,088 parameters, 768 trainable (8.5%), 72,704 bytes of float64`."""
    parameters = list(model.named_parameters().values())
    if not parameters:
        return counts(model)
    trainable = model.parameter_count
    total = sum(p.size for p in parameters)
    share = f" ({100 * trainable / total:.1f}%)" if 0 < trainable < total else ""
    dtypes = " and ".join(dict.fromkeys(str(p.dtype) for p in parameters))
    return f"{counts(model)}{share}, {sum(p.size * p.dtype.itemsize for p in parameters):,} bytes of {dtypes}"


def _joined(*words: str) -> str:
    return ", ".join(word for word in words if word)


def _holder(name: str, layers: Mapping[str, Layer]) -> str:
    """The dotted name of the layer that holds this part or parameter."""
    holder = name.rpartition(".")[0]
    while holder not in layers:
        holder = holder.rpartition(".")[0]
    return holder
