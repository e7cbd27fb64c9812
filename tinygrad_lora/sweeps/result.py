"""What came out of a sweep: a table of all runs, the best one, and the adapters."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

from ..compiler import compile
from ..errors import SweepError
from ..files import write_atomically
from ..interop.peft import save_adapter
from ..view.chart import Panels
from ..view.chart.style import SERIES
from ..view.plots import loss_over_rate
from ..view.words.markup import element
from ..view.words.sentences import table
from .data import pieces
from .stack import adapted_copy
from .training import DONE, DROPPED, Run, SweepTask

HEADINGS = ("run", "variant", "target", "rank", "alpha", "rate", "seed", "training", "validation", "")


class SweepResult:
    """All runs of a sweep in the order of the grid, the number of the best, and how they were put into stacks.

    The best is the one with the smallest loss on the validation split of those that did all steps; `test_loss` is its
    loss on the test split, which no choice has seen. `print(result)` shows a table, a notebook shows it as HTML.

    task: what all runs have in common: the model, the loss and the splits of the data
    runs: each with its settings, losses and arrays
    stacks: the numbers of the runs that trained in one step, a list of lists

    >>> import pathlib, tempfile
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> model = tl.Sequential(tl.Linear(3, 1, seed=0))
    >>> result = tl.sweep(model, tl.mse, (x, x[:, :1]), rank=1, lr=[1e-4, 0.1], steps=20)
    >>> isinstance(result, tl.SweepResult), tl.adapter_names(result.adapter())
    (True, ['lora'])
    >>> [row[0] for row in result.rows()], sorted(result.record()), result.summary[:11]
    (['1', '0'], ['best', 'runs', 'stacks', 'test_loss'], 'Best: run 1')
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(sorted(path.name for path in result.save(folder).iterdir()))
    ['run-000', 'run-001', 'sweep.json']
    """

    def __init__(self, task: SweepTask, runs: Sequence[Run], stacks: Sequence[Sequence[int]]) -> None:
        self.task, self.runs, self.stacks = task, list(runs), [list(stack) for stack in stacks]
        done = [i for i, run in enumerate(self.runs) if run.ended == DONE]
        self.best = min(done, key=lambda i: self.runs[i].validation_loss) if done else None
        self.test_loss = self._test_loss()

    def _test_loss(self) -> float | None:
        pair = self.task.splits.test
        if pair is None or self.best is None:
            return None
        model, loss = self.adapter(self.best), self.task.loss
        run = compile(lambda x, y: loss(model(x), y))
        return sum(float(run(x, y)) * (len(x) / len(pair[0])) for x, y in pieces(pair))

    def adapter(self, i: int | None = None) -> Any:
        """The model with the adapter of one run: a copy that shares the arrays of the base.

        i: the number of the run; None takes the best
        Returns a layer.
        Raises SweepError for a run that diverged, and where no run came to its end; IndexError for one that there is
        not.
        """
        if i is None and self.best is None:
            raise SweepError("no run came to its end: sweep over smaller rates")
        run = self.runs[self.best if i is None else i]  # type: ignore[index]
        if not run.arrays:
            raise SweepError(f"run {i} diverged after {len(run.losses)} steps, so it has no adapter: {run.settings}")
        model = adapted_copy(self.task.model, run.settings, self.task.options)
        parameters = model.named_parameters()
        for path, array in run.arrays.items():
            parameters[path].value = array
        return model

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write each adapter as a PEFT folder, `run-003` and so on, and `sweep.json`.

        folder: the path of a folder
        Returns the path of the folder.
        """
        for i, run in enumerate(self.runs):
            if run.arrays:
                save_adapter(self.adapter(i), Path(folder) / f"run-{i:03}")
        write_atomically(Path(folder) / "sweep.json", json.dumps(self.record(), indent=1) + "\n")
        return Path(folder)

    def record(self) -> dict[str, Any]:
        """Everything but the adapters, as JSON has it.

        Returns a dict.
        """
        runs = [
            asdict(run.settings) | {"losses": run.losses, "validation": [*run.validation.items()], "ended": run.ended}
            for run in self.runs
        ]
        return {"best": self.best, "test_loss": self.test_loss, "stacks": self.stacks, "runs": runs}

    # --- To look at ---

    def rows(self) -> list[tuple[str, ...]]:
        """The table, as text: those that did most steps first, and of as many the smaller validation loss.

        Returns a list of tuples of texts.
        """
        ranked = sorted(enumerate(self.runs), key=lambda pair: (-len(pair[1].losses), pair[1].validation_loss))
        return [self._row(i, run) for i, run in ranked]

    def _row(self, i: int, run: Run) -> tuple[str, ...]:
        s = run.settings
        recent = run.losses[-max(1, len(run.losses) // 10) :]  # one batch says little
        training = f"{sum(recent) / len(recent):.4g}" if recent else ""
        loss = f"{run.validation_loss:.4g}" if isfinite(run.validation_loss) else ""
        end = "best" if i == self.best else "" if run.ended == DONE else f"{run.ended} at step {len(run.losses)}"
        return str(i), s.variant, s.targets, str(s.rank), f"{s.alpha:g}", f"{s.lr:g}", str(s.seed), training, loss, end

    @property
    def summary(self) -> str:
        """The best run, its losses, and how many runs went in how many stacks, in two sentences."""
        kinds = Counter(self.runs[stack[0]].settings.variant for stack in self.stacks)
        several = ", ".join(f"{count} of {name}" for name, count in kinds.items())
        shared = f"{len(self.runs)} runs in {len(self.stacks)} stack{'s' * (len(self.stacks) != 1)} ({several})"
        if self.best is None:
            return f"No run came to its end. {shared}."
        run = self.runs[self.best]
        test = f", test loss {self.test_loss:.4g}" if self.test_loss is not None else ""
        return f"Best: run {self.best} ({run.settings}), validation loss {run.validation_loss:.4g}{test}. {shared}."

    def chart(self) -> Panels:
        """The validation loss over the rate: a plot for each variant and choice of layers, a line for each rank.

        Returns a picture: a notebook shows it, `save(path)` writes it.

        >>> x = np.random.default_rng(0).normal(size=(40, 3))
        >>> model = tl.Sequential(tl.Linear(3, 2, seed=0))
        >>> result = tl.sweep(model, tl.mse, (x, x[:, :2]), rank=[1, 2], lr=[1e-3, 1e-2], steps=4, batch_size=8)
        >>> result.chart().svg()[:4]
        '<svg'
        """
        plots: dict[str, dict[str, dict[float, list[float]]]] = {}
        alphas = len({run.settings.alpha / run.settings.rank for run in self.runs}) > 1
        for run in self.runs:
            s = run.settings
            name = f"rank {s.rank}, alpha {s.alpha:g}" if alphas else f"rank {s.rank}"
            lines = plots.setdefault(f"{s.variant}, {s.targets}", {})
            lines.setdefault(name, {}).setdefault(s.lr, []).append(run.validation_loss)
        parts = [(title, [*lines][i : i + SERIES], lines) for title, lines in plots.items()
                 for i in range(0, len(lines), SERIES)]  # fmt: skip
        charts = [loss_over_rate({name: lines[name] for name in some}, title=title) for title, some, lines in parts]
        dropped = any(run.ended == DROPPED for run in self.runs)
        return Panels(charts, note="Of a run that was dropped, its last loss is shown." if dropped else "")

    def __str__(self) -> str:
        return "\n".join([*table([HEADINGS, *self.rows()]), "", self.summary])

    def _repr_html_(self) -> str:
        rows = [element("tr", *[element("td", cell) for cell in row]) for row in (HEADINGS, *self.rows())]
        return element("table", *rows) + element("p", self.summary)
