"""Photograph what the package draws: twenty scenes, from one product to twelve layers, on one sheet.

    python docs/contact_sheet.py [--out build/scenes]

Writes a PNG for each scene and `sheet.html`, which shows them side by side with the number of boxes, the size of the
page and the milliseconds until a browser had painted it. Needs Playwright and Chromium: pip install ".[browser]".
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.models.bert import BertModel
from tinygrad_lora.view.render import render

ROOT = Path(__file__).resolve().parent.parent
SIZES = {
    "vocab_size": 50, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4,
    "max_position_embeddings": 16, "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
}  # fmt: skip
PAINTED = "performance.getEntriesByType('paint').map((p) => Math.round(p.startTime)).pop() || 0"
BOXES = "document.querySelectorAll('g.box, g.node').length"


@dataclass(frozen=True)
class Scene:
    """One photograph: what writes the page, and how it is looked at."""

    name: str
    write: Callable[[Path], object]
    width: int = 1440
    height: int = 900
    dark: bool = False
    keys: str = ""  # pressed before the photograph


def product() -> tl.ComputationNode:
    x, y = tl.parameter(2.0, "x"), tl.parameter(3.0, "y")
    z = x * y + x
    z.name = "z"
    z.backward()
    return z


def classifier() -> tl.ComputationNode:
    """A small network with a loss: what a tutorial draws."""
    model = tl.Sequential(tl.Linear(4, 8, seed=0), tl.gelu, tl.Linear(8, 3, seed=1))
    return tl.cross_entropy(model(tl.constant(np.ones((5, 4)))), np.array([0, 1, 2, 0, 1]))


def bert(layers: int) -> BertModel:
    return BertModel.from_config({**SIZES, "num_hidden_layers": layers}, seed=0)


def step() -> tl.CompiledFunction:
    """A training step of LoRA."""
    model = tl.Sequential(tl.LoRALinear(tl.Linear(6, 5, seed=0), 2, seed=0))
    compiled = tl.compile_training_step(model, tl.mse, tl.SGD(model.parameters(), lr=0.1))
    compiled(np.ones((4, 6)), np.zeros((4, 5)))
    return compiled


def loss_and_gradients() -> tl.Graph:
    """The same step as a graph: the loss and the gradients of A and B."""
    rng = np.random.default_rng(0)
    x, W = (tl.parameter(rng.normal(size=s), n, trainable=False) for s, n in (((4, 6), "x"), ((6, 5), "W")))
    A, B = tl.parameter(rng.normal(size=(6, 2)), "A"), tl.parameter(np.zeros((2, 5)), "B")
    loss = tl.mean((x @ W + 2.0 * (x @ A) @ B) ** 2)
    return tl.Graph([x, W, A, B], [loss, *tl.gradients(loss, [A, B])])


def refused(path: Path) -> None:
    try:
        tl.parameter(np.ones((4, 3)), "x") @ tl.parameter(np.ones((2, 3)), "W")
    except tl.errors.ShapeError as error:
        path.write_text(f"<!doctype html><meta charset='utf-8'>{tl.failure(error).html}", encoding="utf-8")


def stepper(path: Path) -> None:
    tl.step_through(product()).save(path)


def two_runs(path: Path) -> None:
    def f(x):
        return tl.sum(tl.relu(x) * x)

    tl.step_through(f, np.array([1.0, -2.0])).beside(tl.step_through(f, np.array([1.0, 2.0]))).save(path)


def moved(path: Path) -> None:
    def f(x):
        return tl.sum(tl.tanh(x) * x)

    tl.step_through(f, np.array([1.0, -0.5])).moving("x", -2.0, 2.0).save(path)


def explorer(path: Path) -> None:
    tl.explore(step(), path)


def exported(path: Path) -> None:
    """What is left where a notebook is exported and nobody trusts its scripts: the still picture."""
    picture = tl.draw(product(), values=True, gradients=True)._repr_mimebundle_()["image/svg+xml"]
    path.write_text(f"<!doctype html><meta charset='utf-8'><h1>An exported page</h1>{picture}", encoding="utf-8")


def drawn(make: Callable[[], object], **options: object) -> Callable[[Path], object]:
    return lambda path: render(make(), path, **options)


SCENES = [
    Scene("a product, with values", drawn(product, values=True, gradients=True)),
    Scene("the same, dark, on a phone", drawn(product, values=True, gradients=True), 390, 844, dark=True),
    Scene("a classifier", drawn(classifier)),
    Scene("the same, opened", drawn(classifier, open=True)),
    Scene("values as heatmaps", drawn(classifier, values="heatmap")),
    Scene("a loss and its gradients", drawn(loss_and_gradients)),
    Scene("a training step as compiled", drawn(step), dark=True),
    Scene("one block of BERT", drawn(lambda: bert(1))),
    Scene("twelve layers", drawn(lambda: bert(12))),
    Scene("twelve layers, at 1100", drawn(lambda: bert(12)), 1100, 800, dark=True),
    Scene("twelve layers, on a phone", drawn(lambda: bert(12)), 390, 844),
    Scene("the stepper, backward", stepper, keys="End"),
    Scene("the stepper, dark, at 1100", stepper, 1100, 800, dark=True, keys="End"),
    Scene("the stepper on a phone", stepper, 390, 844),
    Scene("two runs side by side", two_runs, keys="End"),
    Scene("a value that can be moved", moved, keys="End"),
    Scene("the explorer", explorer),
    Scene("the explorer, dark, on a phone", explorer, 390, 844, dark=True),
    Scene("shapes that do not fit", refused),
    Scene("an exported page", exported),
]


def main() -> int:
    parser = argparse.ArgumentParser(description="Photograph twenty scenes.")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "scenes", help="the folder of the sheet")
    out = parser.parse_args().out.resolve()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sys.exit('Playwright is not installed: pip install ".[browser]"')
    browsers = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    out.mkdir(parents=True, exist_ok=True)
    figures = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=next(browsers, None), args=["--no-sandbox"])
        for number, scene in enumerate(SCENES, start=1):
            page_file, picture = Path(folder) / f"{number:02}.html", out / f"{number:02}.png"
            scene.write(page_file)
            scheme = "dark" if scene.dark else "light"
            context = browser.new_context(
                viewport={"width": scene.width, "height": scene.height}, color_scheme=scheme, offline=True
            )
            page = context.new_page()
            page.goto(page_file.as_uri())
            if scene.keys:
                page.keyboard.press(scene.keys)
            page.wait_for_timeout(300)
            page.screenshot(path=picture)
            height = page.evaluate("document.documentElement.scrollHeight")
            facts = (
                f"{page.evaluate(BOXES)} boxes, {height} points high, {page_file.stat().st_size / 1e3:.0f} kB, "
                f"painted after {page.evaluate(PAINTED)} ms"
            )
            context.close()
            print(f"{number:2} {scene.name:32} {facts}", flush=True)
            caption = f"<b>{number}. {escape(scene.name)}</b><br>{scene.width} wide, {scheme}; {facts}"
            figures.append(f'<figure><img src="{picture.name}" alt=""><figcaption>{caption}</figcaption></figure>')
        browser.close()
    style = (
        "body { font: 14px system-ui; display: grid; grid-template-columns: repeat(4, 1fr); gap: 1rem; }"
        "figure { margin: 0; } img { width: 100%; height: 16rem; object-fit: contain; object-position: top; "
        "border: 1px solid #ccc; }"
    )
    sheet = f"<!doctype html><meta charset='utf-8'><title>Scenes</title><style>{style}</style>{''.join(figures)}"
    (out / "sheet.html").write_text(sheet, encoding="utf-8")
    print(f"The sheet: {out / 'sheet.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
