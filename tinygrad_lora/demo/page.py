"""The page: the story of one run in one HTML file that loads nothing and runs no script."""

from itertools import pairwise

import numpy as np

from ..nn.adapters.model.switching import adapters
from ..view import listing
from ..view.diagram.collapse import smaller
from ..view.diagram.data import diagram
from ..view.svg.draw import draw_svg
from ..view.words.highlight import code, plain
from ..view.words.markup import Markup, asset, element, fill, scrolling
from . import gallery, tables
from .charts import Curve, loss_chart
from .experiment import BATCH, Experiment
from .naive import BATCH as NAIVE_BATCH, NARROW, RANK, WIDE, naive_lora

TOO_LARGE = "The graph is too large for a picture, so here it is as a list."
USE_STEP = """from training_step import training_step
loss, *updated = training_step(x, target, *others)  # the others in the order of its arguments
"""
USES = {
    "graph.svg": "the graph above, for a slide or a browser",
    "graph.png": "the same as a bitmap",
    "graph.txt": "the graph as a list",
    "training_step.py": "the generated training step; it needs NumPy alone",
    "report.txt": "the passes, and every change with the law that allows it",
    "pretrained.npz": "the weights of the pretrained network",
    "adapter.npz": "the matrices A and B, the rank and alpha",
}


def page(experiment: Experiment, graph: str | None, files: list[str]) -> str:
    """The page of this experiment. `graph` is the SVG of its model, None if there is none; `files` lie beside it."""
    naive = naive_lora()
    steps_each_epoch = len(experiment.rotated.x_train) // BATCH
    first = next(iter(adapters(experiment.model).values())).lora
    right = experiment.logits_after.argmax(-1) == experiment.rotated.y_test
    return fill(
        asset("assets", "demo.html"),
        style=asset("assets", "demo.css"),
        # 1, 2: the network
        sizes="-".join(map(str, sizes(experiment))),
        layers=len(sizes(experiment)) - 1,
        total=f"{experiment.total:,}",
        train_images=f"{len(experiment.upright.x_train):,}",
        test_images=f"{len(experiment.upright.x_test):,}",
        pretraining_steps=f"{len(experiment.pretraining_losses):,}",
        upright_accuracy=f"{experiment.upright_accuracy:.1%}",
        upright_right=round(experiment.upright_accuracy * len(experiment.upright.y_test)),
        upright_strip=gallery.strip(experiment.upright.x_test, experiment.upright.y_test, "an upright"),
        rotated_before=f"{experiment.rotated_before:.1%}",
        answers=_answers(experiment),
        rotated_right=round(experiment.rotated_before * len(experiment.rotated.y_test)),
        rotated_strip=gallery.strip(
            experiment.rotated.x_test, experiment.rotated.y_test, "a rotated", experiment.logits_before.argmax(-1)
        ),
        # 3, 4: the adapter
        rank=experiment.rank,
        seed=experiment.seed,
        scaling=f"{first.scaling:g}",
        trainable=f"{experiment.trainable:,}",
        share=f"{experiment.trainable / experiment.total:.1%}",
        adapting_steps=f"{len(experiment.adapting_losses):,}",
        rotated_after=f"{experiment.rotated_after:.1%}",
        still_right=int(right.sum()),
        layer_table=tables.layer_table(experiment),
        kept_table=tables.kept_table(experiment),
        switched_off=_switched_off(experiment),
        merged_difference=scientific(experiment.merged_difference),
        logits=f"{experiment.logits_after.size:,}",
        all_logits=f"{2 * experiment.logits_after.size:,}",
        # 5, 6: the losses and the digits
        chart=losses(experiment, steps_each_epoch),
        batch=BATCH,
        window=steps_each_epoch,
        first_loss=f"{experiment.adapting_losses[0]:.1f}",
        grid_words=gallery.grid_words(experiment),
        grid=gallery.grid(experiment),
        digit_table=tables.digit_table(experiment),
        # 7, 8: the graph and the compiler
        graph=_graph(experiment, graph),
        source=code(experiment.adapting_step.source, "Generated source of the training step", "code tall"),
        lines=experiment.adapting_step.source.count("\n"),
        pass_table=tables.pass_table(experiment.adapting_step),
        written=code(naive.written, "The formula as written"),
        generated=code(naive.compiled.source, "What the compiler made of the formula"),
        naive_table=tables.naive_table(naive),
        naive_sizes=f"{NAIVE_BATCH} rows, a layer from {WIDE} to {NARROW}, and rank {RANK}",
        naive_before=f"{naive.before.flops / 1e6:.2f}",
        naive_after=f"{naive.after.flops / 1e6:.2f}",
        naive_difference=scientific(naive.difference),
        # 9, 10: times and files
        time_table=tables.time_table(experiment),
        faster=_faster(experiment.eager_seconds, experiment.compiled_seconds),
        machine=tables.machine(),
        pretrain_seconds=f"{experiment.seconds.get('pretrain', 0):.1f}",
        adapt_seconds=f"{experiment.seconds.get('adapt', 0):.1f}",
        files=element("ul", *(element("li", _link(name), f": {USES[name]}") for name in files), class_="files"),
        load_pretrained=code(snippets(experiment)[0], "How to load the pretrained network"),
        load_adapter=code(snippets(experiment)[1], "How to load the adapter"),
        use_step=code(USE_STEP, "How to use the training step"),
    )


def sizes(experiment: Experiment) -> list[int]:
    """The widths of the network, from its input to its output."""
    layers = [layer.base for layer in adapters(experiment.model).values()]
    return [layers[0].input_size, *(layer.output_size for layer in layers)]


def losses(experiment: Experiment, window: int) -> Markup:
    """The chart of both trainings."""
    before = Curve(6, "pretraining, upright", experiment.pretraining_losses)
    return loss_chart([before, Curve(1, "adapting with LoRA, rotated", experiment.adapting_losses)], window).svg()


def snippets(experiment: Experiment) -> tuple[str, str]:
    """Two lines that load the pretrained network, and two more that load the adapter into it."""
    widths = sizes(experiment)
    linear = [f"tl.Linear({a}, {b})" for a, b in pairwise(widths)]
    return (
        f"model = tl.Sequential({', tl.relu, '.join(linear)})\n"
        'model.load_weights(np.load("pretrained.npz"), strict=True)',
        'saved = np.load("adapter.npz", allow_pickle=False)\n'
        'tl.adapt(model, int(saved["rank"]), alpha=float(saved["alpha"])).load_weights(saved, {"rank": None, '
        '"alpha": None})',
    )


def scientific(number: float) -> Markup:
    """A number such as 1.8e-14 as it is written by hand."""
    if number == 0 or not np.isfinite(number):
        return element("span", f"{number:g}")
    digits, exponent = f"{number:.1e}".split("e")
    return element("span", f"{digits} × 10", element("sup", str(int(exponent)).replace("-", "−")), class_="number")


def _graph(experiment: Experiment, picture: str | None) -> Markup:
    if picture is not None:
        small = draw_svg(smaller(diagram(experiment.model), depth=2).diagram, prefix="small")  # it fits a phone
        wide = scrolling(Markup(picture), "Graph of the adapted model", "paper wide")
        return Markup(wide + scrolling(Markup(small), "Graph of the adapted model, in short", "paper narrow"))
    words = listing(experiment.model)
    return Markup(element("p", TOO_LARGE) + plain(words, "The adapted model as a list", "code tall"))


def _answers(experiment: Experiment) -> str:
    """What the pretrained network says most often about rotated digits."""
    counts = np.bincount(experiment.logits_before.argmax(-1), minlength=10)
    return f"Its most frequent answer is {counts.argmax()}, given {counts.max()} times."


def _switched_off(experiment: Experiment) -> Markup:
    if experiment.switched_off_is_exact:
        return Markup("are those of the pretrained network, <strong>bit for bit</strong>")
    return Markup("are <strong>not</strong> those of the pretrained network: this is a bug")


def _faster(eager: float, compiled: float) -> str:
    if not eager or not compiled:
        return "It was not measured."
    ratio = eager / compiled
    return f"The compiled step is {max(ratio, 1 / ratio):.1f} times as {'fast' if ratio >= 1 else 'slow'}."


def _link(name: str) -> Markup:
    return element("a", name, href=name)
