"""Photograph what the package draws: scenes from one product to twelve layers, in files and in notebooks, on one sheet.

    python docs/contact_sheet.py [--out build/scenes] [--only WORDS]

Writes a PNG for each scene and `sheet.html`, which shows them side by side, and prints a table: the number of boxes,
the height and size of the page, and the milliseconds until a browser had painted it. Boxes in images are not counted.
Needs Playwright and Chromium; scenes in notebooks need JupyterLab. The extras `browser` and `notebook` bring them.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.errors.install import from_checkout
from tinygrad_lora.models.bert import BertModel
from tinygrad_lora.view.render import render

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "pages"))  # how a JupyterLab is started
SIZES = {
    "vocab_size": 50, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4,
    "max_position_embeddings": 16, "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
}  # fmt: skip
PAINTED = "performance.getEntriesByType('paint').map((p) => Math.round(p.startTime)).pop() || 0"
BOXES = "[...document.querySelectorAll('g[data-box]')].filter((box) => box.getClientRects().length).length"
HEADINGS = ("", "scene", "boxes", "height", "kB", "painted, ms")


@dataclass(frozen=True)
class Scene:
    """One photograph: what writes the page, and how it is looked at."""

    name: str
    write: Callable[[Path], object]
    width: int = 1440
    height: int = 900
    dark: bool = False
    keys: str = ""  # pressed before the photograph
    scripts: bool = True
    lab: bool = False  # whether a JupyterLab shows it


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


def notebook() -> Any:
    """A notebook whose cells show a picture, a stepper and an explorer, as if it had been run."""
    import nbformat

    cells = []
    for code, shown in (
        ("tl.draw(loss, values=True, gradients=True)", tl.draw(product(), values=True, gradients=True)),
        ("tl.step_through(loss)", tl.step_through(product())),
        ("tl.explore(step)", tl.explore(step())),
    ):
        output = nbformat.v4.new_output("execute_result", shown._repr_mimebundle_(), execution_count=1)
        cells.append(nbformat.v4.new_code_cell(code, outputs=[output], execution_count=1))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}  # else JupyterLab asks for one
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def saved_notebook(path: Path) -> None:
    import nbformat

    nbformat.write(notebook(), path)


def exported(path: Path) -> None:
    """The notebook as nbconvert exports it."""
    import nbconvert

    html, _ = nbconvert.HTMLExporter(template_name="lab").from_notebook_node(notebook())
    path.write_text(html, encoding="utf-8")


@contextmanager
def lab(folder: Path) -> Iterator[str]:
    """The address of a notebook in a JupyterLab that serves this folder, but for the notebook's name."""
    from browser import jupyter_environment, jupyterlab

    with tempfile.TemporaryDirectory() as settings:
        environment = jupyter_environment(Path(settings), ROOT)
        with jupyterlab(folder, environment) as (address, token):
            yield f"{address}lab/tree/{{}}?reset&token={token}"


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
    Scene("an exported notebook, no scripts", exported, height=1400, scripts=False),
    Scene("an exported notebook", exported, height=1400),
    Scene("the same, dark, on a phone", exported, 390, 844, dark=True),
    Scene("a notebook in JupyterLab, untrusted", saved_notebook, height=1400, lab=True),
]


def main() -> int:
    parser = argparse.ArgumentParser(description="Photograph what the package draws.")
    parser.add_argument("--only", default="", metavar="WORDS", help="the scenes with these words in their names")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "scenes", help="the folder of the sheet")
    args = parser.parse_args()
    out = args.out.resolve()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sys.exit(f"Playwright is not installed: {from_checkout('browser')}")
    browsers = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    out.mkdir(parents=True, exist_ok=True)
    figures, row = [], "{:>2}  {:36} {:>5}  {:>6}  {:>5}  {:>11}"
    print(row.format(*HEADINGS))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright, ExitStack() as servers:
        browser = playwright.chromium.launch(executable_path=next(browsers, None), args=["--no-sandbox"])
        for number, scene in enumerate(SCENES, start=1):
            if args.only not in scene.name:
                continue
            file = Path(folder, "book", f"{number:02}.ipynb") if scene.lab else Path(folder, f"{number:02}.html")
            file.parent.mkdir(exist_ok=True)
            scene.write(file)
            address = servers.enter_context(lab(file.parent)).format(file.name) if scene.lab else file.as_uri()
            scheme = "dark" if scene.dark else "light"
            context = browser.new_context(
                viewport={"width": scene.width, "height": scene.height}, color_scheme=scheme,
                offline=not scene.lab, java_script_enabled=scene.scripts,
            )  # fmt: skip
            page = context.new_page()
            page.goto(address)
            if scene.lab:
                page.locator(".jp-OutputArea-output img").first.wait_for(timeout=120_000)
            if scene.keys:
                page.keyboard.press(scene.keys)
            page.wait_for_timeout(300)
            picture = out / f"{number:02}.png"
            page.screenshot(path=picture)
            height = page.evaluate("document.documentElement.scrollHeight")
            facts = (page.evaluate(BOXES), height, round(file.stat().st_size / 1e3), page.evaluate(PAINTED))
            context.close()
            print(row.format(number, scene.name, *facts), flush=True)
            words = ", ".join(f"{what} {fact}" for what, fact in zip(HEADINGS[2:], facts, strict=True))
            caption = f"<b>{number}. {escape(scene.name)}</b><br>{scene.width} wide, {scheme}; {words}"
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
