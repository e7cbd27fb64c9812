"""The style sheet of the SVG pictures, light and dark; what a color says, a form or a word says as well.

Colors are Okabe and Ito's, or tints and shades of them. The picture follows the system's setting, or the theme of the
page that it stands in (Jupyter's, or any that sets `data-theme`).
"""

from collections.abc import Iterable, Iterator, Mapping

from ..diagram.looks import FAINT, FONTS, INK, LOOKS, MUTED, PAPER, TINT, VERMILION, WORDS

ROOT = "tl-graph"  # the class of the svg element

LIGHT = {
    "paper": PAPER, "ink": INK, "muted": MUTED, "tint": TINT, "edge": FAINT, "line": MUTED, "back": VERMILION,
    "wrong": VERMILION, "wrong-fill": "#FBE3D6", "value": WORDS["value"], "gradient": WORDS["gradient"],
    **{name: look.border for name, look in LOOKS.items()},
    **{f"{name}-fill": look.fill for name, look in LOOKS.items()},
}  # fmt: skip
DARK = {
    "paper": "#14181C", "ink": "#F0F0F0", "muted": "#B4B4B4", "tint": "#1D2328", "edge": "#6C757D", "line": "#A9B0B6",
    "back": "#FF8A3D", "wrong": "#FF8A3D", "wrong-fill": "#4A2413", "value": "#7CC4F2", "gradient": "#FFA366",
    "input": "#2CC295", "trainable": "#FF8A3D", "frozen": "#56B4E9", "constant": "#A0A0A0", "operation": "#E0E0E0",
    "input-fill": "#0E3128", "trainable-fill": "#3A2213", "frozen-fill": "#10293B", "constant-fill": "#2A2A2A",
    "operation-fill": "#20262B",
}  # fmt: skip

DASHES = {"dashed": "6 3.5", "dotted": "1.5 3"}


def style_sheet() -> str:
    """The style sheet; all its rules apply inside a picture only."""
    return themed(ROOT, LIGHT, DARK, _rules())


def themed(root: str, light: Mapping[str, str], dark: Mapping[str, str], rules: Iterable[tuple[str, str]]) -> str:
    """A style sheet for what is inside elements of the class `root`: colors as variables, in two themes, and rules."""
    day, night = _variables(light), _variables(dark)
    lines = [
        f".{root}{{{day}}}",
        f"@media(prefers-color-scheme:dark){{.{root}{{{night}}}}}",
        f'[data-theme="light"] .{root},[data-jp-theme-light="true"] .{root}{{{day}}}',
        f'[data-theme="dark"] .{root},[data-jp-theme-light="false"] .{root}{{{night}}}',
    ]
    for names, rule in rules:
        lines.append(f"{','.join(f'.{root} {name}' for name in names.split(','))}{{{rule}}}")
    return "\n".join(lines)


def _variables(colors: Mapping[str, str]) -> str:
    return "".join(f"--{name}:{color};" for name, color in colors.items())


def _rules() -> Iterator[tuple[str, str]]:
    """The rules: selectors, separated by commas, and their declarations."""
    yield "text", f"font-family:{FONTS};font-size:12px;fill:var(--ink);white-space:pre"
    yield ".title,.output,.caption", "font-weight:bold"
    yield ".what,.note,.name", "fill:var(--muted)"
    yield ".value-name", "fill:var(--value)"
    yield ".gradient-name", "fill:var(--gradient)"
    yield ".end", "text-anchor:end"
    yield ".paper", "fill:var(--paper)"
    yield "rect.frame", "fill:var(--tint);stroke:var(--edge)"
    yield ".frame-text rect", "fill:var(--tint)"
    yield ".frame-text text,.arrow text", "paint-order:stroke;stroke:var(--tint);stroke-width:4px;stroke-linejoin:round"
    yield ".arrow text", "font-size:11px;stroke-width:2px"
    yield ".arrow path", "fill:none;stroke:var(--line);stroke-width:1.2"
    yield ".arrow .head", "fill:var(--line);stroke:none"
    yield ".kept path:not(.head)", "stroke:var(--frozen);stroke-dasharray:5 4"
    yield ".kept .head", "fill:var(--frozen)"
    yield ".marked path", "stroke:var(--back);stroke-width:2.2"
    yield ".marked .head", "fill:var(--back)"
    for role, look in LOOKS.items():
        dash = f";stroke-dasharray:{DASHES[look.style]}" if look.style in DASHES else ""
        yield f".{role} rect", f"fill:var(--{role}-fill);stroke:var(--{role});stroke-width:{look.width}{dash}"
        yield f".{role} .rule", f"stroke:var(--{role})"
    yield ".box .cell", "fill:var(--paper);stroke:var(--edge);stroke-width:0.4;stroke-dasharray:none"
    yield ".box .above", "fill:var(--back)"
    yield ".box .below", "fill:var(--frozen)"
    # Dashed and thick as well, so that nobody needs the color.
    yield ".wrong>rect", "fill:var(--wrong-fill);stroke:var(--wrong);stroke-width:3;stroke-dasharray:7 3"
    yield "rect.outer", "fill:none;stroke-width:1;stroke-dasharray:none"
