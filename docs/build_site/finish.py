"""What is mended on each page after it was read: ends of examples, widths of tables."""

from typing import Any

from docutils import nodes

SHORT, LONG = 12, 50  # characters in a cell of a table


def trim(app: Any, document: nodes.document) -> None:
    """Take away the blank line that ends an example on a page, which doctest needs and a reader does not."""
    for block in document.findall(nodes.literal_block):
        if block.rawsource == block.astext():  # else it is highlighted already
            text = block.astext().rstrip()
            block.rawsource, block.children = text, []
            block += nodes.Text(text)


def measure(app: Any, document: nodes.document) -> None:
    """Say which cells of a table stay on one line, which need width, and which tables a phone shows cell below cell."""
    for table in document.findall(nodes.tgroup):
        cells = list(table.findall(nodes.entry))
        sizes = [len(cell.astext()) for cell in cells]
        for cell, size in zip(cells, sizes, strict=True):
            cell["classes"] += ["short"] if size <= SHORT else ["long"] if size >= LONG else []
        if table["cols"] == 2 and max(sizes) >= LONG:
            table.parent["classes"].append("stack")


def setup(app: Any) -> dict[str, Any]:
    for mend in (trim, measure):
        app.connect("doctree-read", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
