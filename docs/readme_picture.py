"""The picture in the README: LoRA as the paper writes it, as a graph, and the NumPy that the compiler makes of it.

python docs/readme_picture.py        writes docs/static/readme*.svg: wide and narrow, light and dark
"""

import re
from html import escape
from pathlib import Path

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.view.diagram.data import diagram
from tinygrad_lora.view.svg.draw import draw_svg

FOLDER = Path(__file__).resolve().parent / "static"
FORMULA = "y = x @ W + 2 * (x @ (A @ B))"
GAP, LINE, TITLE = 14, 20, 40  # in pixels
LETTER = 7.3  # a letter of the code at its size of 12

COLORS = {
    "light": ("#ffffff", "#d0d4d9", "#1b1f24", "#59636e"),
    "dark": ("#14181c", "#3a4047", "#f0f0f0", "#a9b1ba"),
}
STYLE = """
.panel {{ fill: {0}; stroke: {1} }} .title {{ font: 600 15px Helvetica, Arial, sans-serif; fill: {2} }}
.code {{ font: 12px ui-monospace, Menlo, Consolas, monospace; fill: {2}; white-space: pre }}
.comment {{ fill: {3} }}
"""


def example():
    """The formula traced, and its program."""
    W, A, B = (
        tl.parameter(np.ones((256, 128)), "W", trainable=False),
        tl.parameter(np.ones((256, 4)), "A"),
        tl.parameter(np.zeros((4, 128)), "B"),
    )

    def lora(x):
        return x @ W + 2 * (x @ (A @ B))

    x = np.ones((64, 256))
    return tl.trace(lora, tl.placeholder(x.shape, name="x")), tl.compile(lora, buffers=False).prepare(x)


def picture(theme: str, narrow: bool) -> str:
    """Graph and code, side by side or one below the other, as an SVG."""
    written, program = example()
    graph = draw_svg(diagram(written), prefix=f"readme-{theme}")
    drawn_width, drawn_height = (float(n) for n in re.search(r'viewBox="0 0 (\S+) (\S+)"', graph).groups())
    code = [re.sub(r"\s+\w+\.py:\d+$", "", line) for line in program.source.rstrip().splitlines()]
    code = [re.sub(r"\s+#", "  #", line) if narrow else line for line in code]
    code += ["", *costs(written, program)]
    column = max(map(len, code)) * LETTER + 2 * GAP
    width = max(column, 430) if narrow else drawn_width + 2 * GAP
    scale = min(1.0, (width - 2 * GAP) / drawn_width)
    shown_width, shown_height = drawn_width * scale, drawn_height * scale
    lines_height = len(code) * LINE
    if narrow:
        heights = shown_height + TITLE + GAP, lines_height + TITLE + GAP
        panels = [(0, 0, width, heights[0]), (0, heights[0] + GAP, width, heights[1])]
        whole = width, sum(heights) + GAP
    else:
        tall = max(shown_height, lines_height) + TITLE + GAP
        panels = [(0, 0, width, tall), (width + GAP, 0, column, tall)]
        whole = width + GAP + column, tall
    titles = f"You write {FORMULA}", "It runs this NumPy"
    (left, top, space, height), (right, below, _, high) = panels
    x, y = left + (space - shown_width) / 2, top + TITLE + (height - TITLE - GAP - shown_height) / 2
    inner = re.sub(
        r"<svg[^>]*>",
        f'<svg class="tl-graph" x="{x:.0f}" y="{y:.0f}" width="{shown_width:.0f}" height="{shown_height:.0f}" '
        f'viewBox="0 0 {drawn_width:g} {drawn_height:g}">',
        graph,
        count=1,
    )
    start = below + TITLE + (high - TITLE - GAP - lines_height) / 2 + LINE * 0.7
    rects = "\n".join(
        f'<rect class="panel" x="{a + 1:.0f}" y="{b + 1:.0f}" width="{c - 2:.0f}" height="{d - 2:.0f}" rx="8"/>'
        for a, b, c, d in panels
    )
    heads = "\n".join(
        f'<text class="title" x="{a + GAP:.0f}" y="{b + 27:.0f}">{escape(title)}</text>'
        for (a, b, _, _), title in zip(panels, titles, strict=True)
    )
    lines = "\n".join(_line(text, right + GAP, start + i * LINE) for i, text in enumerate(code))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" role="img" data-theme="{theme}"
  width="{whole[0]:.0f}" height="{whole[1]:.0f}" viewBox="0 0 {whole[0]:.0f} {whole[1]:.0f}"
  aria-label="The graph of {escape(FORMULA)}, and the NumPy code that the compiler makes of it">
<style>{STYLE.format(*COLORS[theme])}</style>
{rects}
{heads}
{inner}
{lines}
</svg>
"""


def costs(written, program) -> list[str]:
    """What the passes saved, in a few comments."""
    before, after = written.flops, program.graph.flops
    kept = [s.name for s in program.snapshots if s.kept]
    return [f"# flops: {before:,} as written", f"#        {after:,} as run, by {', '.join(kept)}"]


def _line(text: str, x: float, y: float) -> str:
    code, mark, comment = text.partition("#")
    remark = f'<tspan class="comment">{escape(mark + comment)}</tspan>' if mark else ""
    return f'<text class="code" xml:space="preserve" x="{x:.0f}" y="{y:.0f}">{escape(code)}{remark}</text>'


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for theme in COLORS:
        for narrow in (False, True):
            name = "readme" + "-narrow" * narrow + "-dark" * (theme == "dark") + ".svg"
            (FOLDER / name).write_text(picture(theme, narrow), encoding="utf-8", newline="\n")
            print(FOLDER / name)
