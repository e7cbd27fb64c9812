"""The picture in the README: LoRA as the paper writes it, as a graph, and the NumPy that the compiler makes of it.

python docs/readme_picture.py        writes docs/static/readme.svg
"""

import re
from html import escape
from pathlib import Path

import numpy as np

import tinygrad_lora as tl

OUT = Path(__file__).resolve().parent / "static" / "readme.svg"
FORMULA = "y = x @ W + 2 * (x @ (A @ B))"
GAP, LINE, TITLE, LETTER = 32, 21, 44, 7.85  # in pixels; a letter of the code at its size of 13

STYLE = """
.panel { fill: #ffffff; stroke: #d0d4d9 } .title { font: 600 16px Helvetica, Arial, sans-serif; fill: #1b1f24 }
.code { font: 13px ui-monospace, Menlo, Consolas, monospace; fill: #1b1f24; white-space: pre }
.comment { fill: #59636e }
"""


def picture() -> str:
    """Graph and code side by side, as an SVG."""
    W, A, B = (
        tl.parameter(np.ones((256, 128)), "W", trainable=False),
        tl.parameter(np.ones((256, 4)), "A"),
        tl.parameter(np.zeros((4, 128)), "B"),
    )

    def lora(x):
        return x @ W + 2 * (x @ (A @ B))

    x = np.ones((64, 256))
    written = tl.trace(lora, tl.placeholder(x.shape, name="x"))
    program = tl.compile(lora, buffers=False).prepare(x)
    graph = tl.draw(written, legend=False, title="").svg()
    _, _, width, height = (float(n) for n in re.search(r'viewBox="([^"]+)"', graph)[1].split())
    code = [re.sub(r"\s+\w+\.py:\d+$", "", line) for line in program.source.rstrip().splitlines()]
    code += ["", *(f"# {line}".rstrip() for line in str(program.report).splitlines())]
    left, right = width + 2 * GAP, max(map(len, code)) * LETTER + 2 * GAP
    tall = max(height, len(code) * LINE) + TITLE + GAP
    inner = re.sub(r"<svg[^>]*>", f'<svg x="{GAP}" y="{TITLE + GAP / 2}" width="{width}" height="{height}" '
                   f'viewBox="0 0 {width} {height}">', graph, count=1)  # fmt: skip
    top = TITLE + GAP
    lines = "\n".join(_line(text, left + 2 * GAP, top + i * LINE) for i, text in enumerate(code))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img"
  width="{left + right + GAP:.0f}" height="{tall:.0f}" viewBox="0 0 {left + right + GAP:.0f} {tall:.0f}"
  aria-label="The graph of {escape(FORMULA)}, and the NumPy code that the compiler makes of it">
<style>{STYLE}</style>
<rect class="panel" x="1" y="1" width="{left - 2:.0f}" height="{tall - 2:.0f}" rx="8"/>
<rect class="panel" x="{left + GAP / 2:.0f}" y="1" width="{right:.0f}" height="{tall - 2:.0f}" rx="8"/>
<text class="title" x="{GAP}" y="32">What you write: {escape(FORMULA)}</text>
<text class="title" x="{left + 1.5 * GAP:.0f}" y="32">What runs: generated NumPy</text>
{inner}
{lines}
</svg>
"""


def _line(text: str, x: float, y: float) -> str:
    code, mark, comment = text.partition("#")
    told = f'<tspan class="comment">{escape(mark + comment)}</tspan>' if mark else ""
    return f'<text class="code" xml:space="preserve" x="{x:.0f}" y="{y:.0f}">{escape(code)}{told}</text>'


if __name__ == "__main__":
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(picture(), encoding="utf-8")
    print(OUT)
