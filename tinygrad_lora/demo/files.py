"""What the demo leaves behind: a folder of files, the page last, each complete or not there."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from ..compiler.standalone import archive
from ..errors import RenderError
from ..files import FilePath, write_atomically
from ..nn import adapter_weights
from ..nn.adapters.model.switching import adapters
from ..view import draw, listing, render
from ..view.diagram.collapse import with_layers_closed
from ..view.diagram.data import diagram
from ..view.render import svg
from .experiment import Experiment
from .page import page

REPORT = (
    "What the compiler did to one LoRA training step (forward, loss, gradients and the optimizer's update) before it "
    "ran: the cost after each pass, then every change with the law that allows it.\n"
)


def write_files(experiment: Experiment, out: FilePath) -> dict[str, Path]:
    """Write the files of the demo into the folder `out`, made if it is missing, and give their paths by what they are.

    "graph" and "picture" are the adapted model as SVG and PNG; without Graphviz there is no PNG, and of a graph too
    large for a picture "graph" is a listing. "code" is the generated training step, "report" what the compiler did,
    "pretrained" and "adapter" the weights, and "page" shows everything.
    """
    folder = Path(out)
    paths, graph = _write_graph(experiment, folder)
    paths["code"] = experiment.adapting_step.save(folder / "training_step.py")
    step = experiment.adapting_step
    paths["report"] = write_atomically(folder / "report.txt", "\n".join([REPORT, step.report, "", step.explain(), ""]))
    paths["pretrained"] = write_atomically(folder / "pretrained.npz", archive(pretrained_weights(experiment)))
    paths["adapter"] = write_atomically(folder / "adapter.npz", archive(_adapter(experiment)))
    paths["page"] = write_atomically(folder / "index.html", page(experiment, graph, [p.name for p in paths.values()]))
    return paths


def _write_graph(experiment: Experiment, folder: Path) -> tuple[dict[str, Path], str | None]:
    """The paths of the pictures, and the SVG; of a graph too large for one, the path of a listing and None."""
    for name in ("graph.svg", "graph.png", "graph.txt"):  # of an earlier run: they would show another model
        (folder / name).unlink(missing_ok=True)
    try:
        drawn = draw(with_layers_closed(diagram(experiment.model), "base"))  # what is new is open
    except RenderError:
        return {"graph": write_atomically(folder / "graph.txt", listing(experiment.model) + "\n")}, None
    picture = svg(drawn)
    paths = {"graph": write_atomically(folder / "graph.svg", picture + "\n")}
    with contextlib.suppress(RenderError):  # a bitmap needs Graphviz
        paths["picture"] = render(drawn, folder / "graph.png")
    return paths, picture


def pretrained_weights(experiment: Experiment) -> dict[str, Any]:
    """The weights of the network before it was adapted, under the names that they had then."""
    bases = {name: layer.base.named_parameters() for name, layer in adapters(experiment.model).items()}
    return {f"{name}.{part}": p.value for name, base in bases.items() for part, p in base.items()}


def _adapter(experiment: Experiment) -> dict[str, Any]:
    """The matrices A and B by name, with the rank and the alpha that `adapt` needs."""
    first = next(iter(adapters(experiment.model).values())).lora
    return adapter_weights(experiment.model) | {"rank": np.array(first.rank), "alpha": np.array(first.alpha)}
