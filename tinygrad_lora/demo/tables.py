"""The tables of the page, each read from what was measured."""

import os
import platform
import sys

import numpy as np

from ..compiler import CompiledFunction
from ..compiler.cost import Cost, graph_cost
from ..core.graph import Graph
from ..nn.adapters.model.switching import adapters
from ..view.words.markup import Markup, element, table
from .charts import bars
from .experiment import Experiment
from .naive import Naive

# What each pass does, for a reader who meets it the first time.
MEANING = {
    "fold_constants": "compute now what no input can change",
    "simplify": "1 x = x, x + 0 = x and their kind",
    "expand_powers": "powers as products",
    "merge_duplicates": "compute the same thing once",
    "flatten_products": "one product for a stack",
    "raise_reshapes": "reshapes meet and cancel",
    "narrow_takes": "take first, compute less",
    "join_scatters": "add at the labels, not through an array of zeros",
    "sink_transposes": "(A B)ᵀ = Bᵀ Aᵀ",
    "distribute_products": "X (W + A B) = X W + X (A B)",
    "rebracket": "A (B C) = (A B) C: take the cheaper",
    "drop_shifts": "softmax(x + c) = softmax(x)",
    "square_powers": "A A A A = (A A) (A A)",
    "factor_products": "A C + B C = (A + B) C",
    "separate_sums": "add up rows and columns before a product",
    "collect_factors": "a b + a c = a (b + c)",
    "fold_scales": "s (A B) = (s A) B: scale the smallest",
    "inner_products": "multiply and add up in one call",
    "fuse_elementwise": "one expression for a chain of small steps",
    "fuse_numbers": "one expression for a chain of single numbers",
    "repeat_rows": "X + b = X + B with the frozen b in every row of B",
    "raise_transposes": "f(Xᵀ) = f(X)ᵀ: compute row by row",
    "sums_as_products": "a sum is a product with ones",
}


def layer_table(experiment: Experiment) -> Markup:
    """What is frozen in each layer, and what is trained beside it."""
    rows = []
    for i, layer in enumerate(adapters(experiment.model).values(), 1):
        A, B = layer.lora.lora_A, layer.lora.lora_B
        frozen = layer.base.named_parameters().values()
        shapes = [" × ".join(map(str, p.shape)) for p in (layer.base.weight, A, B)]
        rows.append([f"layer {i}", *shapes, f"{sum(p.size for p in frozen):,}", f"{A.size + B.size:,}"])
    last = ["in all", "", "", "", f"{experiment.total:,}", f"{experiment.trainable:,}"]
    headings = ["", "W", _trained("A"), _trained("B"), "frozen numbers", _trained("trained numbers")]
    return table(headings, rows, "The layers and their adapters", last)


def kept_table(experiment: Experiment) -> Markup:
    """The pretrained network against the adapted one with its adapter switched off."""
    before = "pretrained", f"{experiment.upright_accuracy:.1%}"
    after = "adapted, adapter switched off", f"{experiment.switched_off_accuracy:.1%}"
    return table(["network", "upright digits"], [before, after], "Accuracy on held-out upright digits")


def digit_table(experiment: Experiment) -> Markup:
    """For each digit, how many of its held-out images were read before and after."""
    labels = experiment.rotated.y_test
    right = [logits.argmax(-1) == labels for logits in (experiment.logits_before, experiment.logits_after)]
    rows = []
    for digit in range(10):
        before, after = (float(r[labels == digit].mean()) for r in right)
        count = int((labels == digit).sum())
        rows.append([digit, count, f"{before:.0%}", f"{after:.0%}", bars(before, after)])
    before, after = experiment.rotated_before, experiment.rotated_after
    last = ["all", len(labels), f"{before:.1%}", f"{after:.1%}", bars(before, after)]
    hidden = element("span", "the same as bars", class_="unseen")
    headings = ["digit", "images", "before", _trained("after"), hidden]
    return table(headings, rows, "Rotated digits that are read correctly", last)


def pass_table(compiled: CompiledFunction) -> Markup:
    """What each pass of the compiler changed, and what the graph cost afterwards."""
    traced = compiled.program.traced
    rows = [["as traced", "what the Python code did", *_costs(traced, graph_cost(traced)), "–"]]
    for s in compiled.snapshots:
        rows.append([s.name, MEANING.get(s.name, ""), *_costs(s.after, s.cost_after), s.note])
    first, end = rows[0][2:6], _costs(compiled.graph, graph_cost(compiled.graph))
    last = ["in all", "", *(f"{a} → {b}" for a, b in zip(first, end, strict=True)), ""]
    headings = ["pass", "idea", "operations", "NumPy calls", "Mflop", "MB moved", "change"]
    return table(headings, rows, "The passes in the order in which they ran, with the cost after each", last)


def naive_table(naive: Naive) -> Markup:
    """The formula as written against what was generated from it."""
    before = _costs(naive.compiled.program.traced, naive.before)
    after = _costs(naive.compiled.graph, naive.after)
    names = ["operations", "NumPy calls", "Mflop", "MB moved"]
    rows = list(zip(names, before, after, strict=True))
    return table(["", "as written", "compiled"], rows, "One run of the formula and its gradients")


def time_table(experiment: Experiment) -> Markup:
    """Eager against compiled."""
    seconds = {"eager": experiment.eager_seconds, "compiled": experiment.compiled_seconds}
    rows = [[way, f"{s * 1e6:,.0f}"] for way, s in seconds.items()]
    return table(["one training step", "microseconds"], rows, "The median time, measured in turns")


def machine() -> str:
    """Where the times were measured."""
    system = f"{platform.system()} on {platform.machine() or 'an unknown processor'}, {os.cpu_count()} processors"
    return f"{system}, Python {sys.version.split()[0]}, NumPy {np.__version__}"


def _costs(graph: Graph, cost: Cost) -> list[str]:
    operations = sum(1 for node in graph.nodes if node.parents)
    return [str(operations), str(cost.calls), f"{cost.flops / 1e6:.2f}", f"{cost.bytes / 1e6:.2f}"]


def _trained(words: str) -> Markup:
    return element("span", words, class_="trained")
