"""Figures in the style of this package. The only module that imports matplotlib; `drawing.py` loads it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.figure
from matplotlib.colors import LinearSegmentedColormap

from ..diagram.looks import BLUE, FAINT, INK, PAPER, VERMILION
from ..words.bundle import Forms, Shown
from ..words.markup import Markup, image

# Whatever the user's own settings are, the same call gives the same picture.
STYLE: Any = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 9, "mathtext.fontset": "dejavusans",
    "figure.facecolor": PAPER, "savefig.facecolor": PAPER, "savefig.bbox": None, "figure.titlesize": 10.5,
    "figure.titleweight": "bold", "text.color": INK, "axes.facecolor": PAPER, "axes.edgecolor": FAINT,
    "axes.labelcolor": INK, "axes.titlesize": 9.5, "axes.titlelocation": "left", "axes.titlecolor": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8, "axes.axisbelow": True,
    "axes.grid": False, "axes.unicode_minus": True, "grid.color": "#E4E4E4", "grid.linewidth": 0.8,
    "xtick.color": FAINT, "ytick.color": FAINT, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.frameon": False, "legend.fontsize": 8.5,
    "text.parse_math": False, "text.usetex": False, "svg.hashsalt": "tinygrad_lora", "svg.fonttype": "path",
}  # fmt: skip
SHOWN_DPI = 144  # in a notebook: sharp on a dense screen

DIVERGING = LinearSegmentedColormap.from_list("below and above zero", [BLUE, PAPER, VERMILION])
SHARES = LinearSegmentedColormap.from_list("share", [PAPER, BLUE])

_Figure: Any = matplotlib.figure.Figure


@contextmanager
def styled() -> Iterator[None]:
    """`with styled():` everything is drawn in the style of this package."""
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # an unknown character becomes a box
        yield


class Plot(Shown, _Figure):  # type: ignore[misc]
    """A matplotlib Figure that every notebook can show, and that describes itself in words: `alternative`."""

    alternative = ""

    def settle(self) -> None:
        """Fix the place of everything, in rounded numbers: the last bits of a layout vary from run to run."""
        self.get_layout_engine().execute(self)
        self.set_layout_engine("none")
        for axes in self.axes:
            place = axes.get_position(original=True)
            axes.set_position([round(float(x), 6) for x in place.bounds])

    def savefig(self, fname: Any, **options: Any) -> None:
        """Like matplotlib's, with the description in the metadata and no date, so that equal plots give equal bytes."""
        named = Path(fname).suffix[1:] if isinstance(fname, str | PathLike) else ""
        kind = str(options.get("format") or named or matplotlib.rcParams["savefig.format"])
        words: dict[str, dict[str, Any]] = {
            "png": {"Description": self.alternative},
            "svg": {"Description": self.alternative, "Date": None},
            "pdf": {"Subject": self.alternative, "CreationDate": None},
        }
        known = words.get(kind.lower(), {})
        if metadata := known | (options.pop("metadata", None) or {}):
            options["metadata"] = metadata
        with styled():
            super().savefig(fname, **options)

    def _forms(self) -> Forms:
        """The description, and an `img`, which even an untrusted notebook shows."""
        return {"text/plain": lambda: self.alternative, "text/html": self._image}

    def _image(self) -> Markup:
        file = BytesIO()
        self.savefig(file, format="png", dpi=SHOWN_DPI)
        width = round(self.get_figwidth() * 96)
        return image(file.getvalue(), "png", self.alternative, style=f"max-width: 100%; width: {width}px")
