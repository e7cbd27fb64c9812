"""The command `bench variants`: LoRA's relatives on one task, by what they reach and what they cost."""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tinygrad_lora.compiler import TrainingStep, compile_training_step
from tinygrad_lora.core.node import ComputationNode
from tinygrad_lora.data import Digits, digits
from tinygrad_lora.demo.experiment import BATCH, PRETRAINING_EPOCHS, PRETRAINING_RATE, accuracy, network, train
from tinygrad_lora.files import check_place, write_atomically
from tinygrad_lora.library import cross_entropy
from tinygrad_lora.nn import Adam, AdamW, Layer, Optimizer, adapt, restart
from tinygrad_lora.nn.adapters.model.switching import adapters
from tinygrad_lora.nn.adapters.quantized import QuantizedLinear
from tinygrad_lora.nn.adapters.variants import LoRAPlus, RankAllocator, orthogonality
from tinygrad_lora.terminal import Track, tracker

from .environment import environment
from .report import add_output, markdown, ratio_text

Make = Callable[[Layer, "Recipe", int], Optimizer]
RANK, EPOCHS, SEEDS, ROUNDS = 4, 60, 5, 40
NOTHING, EVERYTHING = "pretrained", "full"  # what the variants are compared with


def _adamw(model: Layer, recipe: Recipe, steps: int) -> Optimizer:
    return AdamW(model.parameters(), recipe.rate, weight_decay=recipe.decay)


def _lora_plus(model: Layer, recipe: Recipe, steps: int) -> Optimizer:
    return LoRAPlus(model, recipe.rate, weight_decay=recipe.decay)


def _allocator(model: Layer, recipe: Recipe, steps: int) -> Optimizer:
    plan = {"target_rank": RANK, "warmup": steps // 10, "final": steps // 3, "every": 10}
    return RankAllocator(model, recipe.rate, total_steps=steps, weight_decay=recipe.decay, **plan)


class Recipe(NamedTuple):
    """How a variant is trained.

    Of three rates and of decay 0 and 0.3, those are taken that were best on a fifth of the training images, after
    training on the others from two other seeds.
    """

    rate: float
    decay: float = 0.0
    rank: int = RANK
    make: Make = _adamw
    parts: int = 1  # trainings one after another, with a restart in between
    penalty: float = 0.0


RECIPES = {
    "lora": Recipe(3e-2, 0.3), "rslora": Recipe(3e-2, 0.3), "lora_plus": Recipe(1e-2, 0.3, make=_lora_plus),
    "lora_fa": Recipe(3e-2, 0.3), "dora": Recipe(1e-2), "vera": Recipe(3e-1, rank=64), "pissa": Recipe(3e-2, 0.3),
    "olora": Recipe(3e-2, 0.3), "adalora": Recipe(3e-2, rank=6, make=_allocator, penalty=0.1),
    "qlora": Recipe(3e-2, 0.3), "loha": Recipe(3e-2), "lokr": Recipe(3e-2), "relora": Recipe(3e-2, 0.3, parts=4),
    EVERYTHING: Recipe(1e-2),
}  # fmt: skip


@dataclass
class VariantResult:
    """What was found about a variant. Bytes are those of one model in float64; times are of a compiled step."""

    name: str
    rank: int | None
    trained: int = 0
    state_bytes: int = 0  # of the trained numbers and of what the optimizer keeps
    frozen_bytes: int = 0  # of the weights beside them
    accuracies: list[float] = field(default_factory=list)  # on the held-out rotated images, one for each seed
    ratio: float | None = None  # time of a step beside one of LoRA

    @property
    def mean(self) -> float:
        """The mean accuracy."""
        return float(np.mean(self.accuracies))

    @property
    def deviation(self) -> float:
        """The standard deviation between seeds."""
        return float(np.std(self.accuracies, ddof=1)) if len(self.accuracies) > 1 else 0.0


def compare(names: Sequence[str], seeds: int, epochs: int, track: Track) -> list[VariantResult]:
    """Pretrain a network for each seed, adapt a copy of it with each variant, and measure. Sorted as `names`.

    Raises ValueError for a name that there is not, or a number below 1.
    """
    if unknown := [name for name in names if name not in RECIPES]:
        raise ValueError(f"there is no variant called {unknown[0]!r}; there are {', '.join(RECIPES)}")
    if min(seeds, epochs) < 1:
        raise ValueError(f"seeds and epochs must be at least 1, not {seeds} and {epochs}")
    results = {name: VariantResult(name, None if name == EVERYTHING else RECIPES[name].rank) for name in names}
    start, rotated, steps = VariantResult(NOTHING, None), digits(rotated=1), {}
    for seed, name in track([(seed, name) for seed in range(seeds) for name in (NOTHING, *names)], "variants"):
        if name == NOTHING:
            model = pretrained(seed)
            start.accuracies.append(accuracy(model.forward(rotated.x_test), rotated.y_test))
            continue
        own, step = adapted(model, name, rotated, seed, epochs)
        results[name].accuracies.append(accuracy(own.forward(rotated.x_test), rotated.y_test))
        if seed == 0:
            steps[name] = step
            _count(results[name], own, step.optimizer)
    for name, ratio in step_ratios(steps, rotated, ROUNDS, track).items():
        results[name].ratio = ratio
    return [start, *results.values()]


def pretrained(seed: int) -> Any:
    """The network of the demo, trained on upright digits."""
    weights, batches = np.random.default_rng(seed).spawn(2)
    model = network(weights)
    step = compile_training_step(model, cross_entropy, Adam(model.parameters(), lr=PRETRAINING_RATE))
    train(step, digits(), PRETRAINING_EPOCHS, PRETRAINING_RATE, batches, _quiet, "")
    return model


def adapted(model: Layer, name: str, data: Digits, seed: int, epochs: int) -> tuple[Layer, TrainingStep]:
    """A copy of the model, trained with this variant, and the step that trained it."""
    recipe, own = RECIPES[name], copy.deepcopy(model)
    draws, batches, *restarts = np.random.default_rng([seed, 1]).spawn(2 + recipe.parts)
    if name != EVERYTHING:
        adapt(own, recipe.rank, variant=name, seed=draws)
    optimizer = recipe.make(own, recipe, epochs * (len(data.x_train) // BATCH))

    def loss(logits: ComputationNode, labels: ComputationNode) -> ComputationNode:
        plain: ComputationNode = cross_entropy(logits, labels)
        return plain + recipe.penalty * orthogonality(own) if recipe.penalty else plain

    step = compile_training_step(own, loss, optimizer)
    for part, stream in enumerate(restarts):
        if part:
            restart(own, optimizer, seed=stream)
        share = epochs * (part + 1) // recipe.parts - epochs * part // recipe.parts
        train(step, data, share, recipe.rate, batches, _quiet, "")
    return own, step


def _quiet(steps: Any, description: str) -> Any:
    return steps


def _count(results: VariantResult, model: Layer, optimizer: Optimizer) -> None:
    """What is trained, what the optimizer keeps beside it, and what is frozen."""
    trained = model.parameters()
    results.trained = sum(p.size for p in trained)
    results.state_bytes = sum(np.asarray(p.value).nbytes for p in [*trained, *optimizer.state])
    frozen = [p for p in model.named_parameters().values() if not p.requires_gradient]
    packed = [x.base.nbytes for x in adapters(model).values() if isinstance(x.base, QuantizedLinear)]
    results.frozen_bytes = sum(p.value.nbytes for p in frozen) + sum(packed)


def step_ratios(steps: dict[str, TrainingStep], data: Digits, rounds: int, track: Track) -> dict[str, float]:
    """For each step its time beside LoRA's: the median over rounds, in each of which all take turns."""
    if "lora" not in steps:
        return {}
    x, labels = data.x_train[:BATCH], data.y_train[:BATCH]
    times: dict[str, list[float]] = {name: [] for name in steps}
    rng = np.random.default_rng(0)
    for _ in track(range(rounds), "time of a step"):
        for name in rng.permutation(list(steps)):
            start = time.perf_counter()
            for _ in range(10):
                steps[name](x, labels)
            times[name].append(time.perf_counter() - start)
    return {name: float(np.median(np.divide(t, times["lora"]))) for name, t in times.items()}


def table(results: Sequence[VariantResult]) -> str:
    """Markdown: a row for each variant."""
    rows = [["", "rank", "rotated digits", "trained", "bytes of trained state", "bytes frozen", "time of a step"]]
    for result in results:
        spread = f" ± {result.deviation:.1%}" if len(result.accuracies) > 1 else ""
        sizes = [f"{n:,}" if result.trained else "" for n in (result.trained, result.state_bytes, result.frozen_bytes)]
        ratio = "" if result.ratio is None else ratio_text(result.ratio)
        rows.append([result.name, str(result.rank or ""), f"{result.mean:.1%}{spread}", *sizes, ratio])
    return markdown(rows)


def add_command(commands: Any) -> None:
    """Add `variants` to the commands of `bench`."""
    parser = commands.add_parser(
        "variants",
        help="compare LoRA's relatives: accuracy, trained numbers, memory and time",
        description="Pretrain a small network on upright digits, and adapt it to rotated ones with each of LoRA's "
        "relatives. Accuracies are of held-out images, mean and standard deviation over seeds. The time of a compiled "
        "step is a ratio to LoRA's.",
    )
    parser.add_argument("names", nargs="*", metavar="VARIANT", help=f"which of {' '.join(RECIPES)} (all)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="number of seeds (%(default)s)")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="epochs of adapting (%(default)s)")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare what was asked for, and print it."""
    names = list(dict.fromkeys(args.names)) or list(RECIPES)
    if args.out:
        check_place(args.out)
    results = compare(names, args.seeds, args.epochs, tracker(args.json or args.quiet))
    where = environment()
    machine = f"{where['cpu']}; Python {where['python']}, NumPy {where['versions']['numpy']}; load {where['load']}"
    if args.out:
        write_atomically(args.out, f"{table(results)}\n\n{machine}\n")
    if args.json:
        rows = [{**asdict(f), "mean": f.mean, "deviation": f.deviation} for f in results]
        print(json.dumps({"machine": machine, "rows": rows}, indent=1))
    elif not args.quiet:
        print(f"{table(results)}\n\n{machine}")
    return 0
