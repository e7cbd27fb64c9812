"""From a task to what a person wants to see and keep: before, training, after, and the files."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from ..files import FilePath, write_atomically
from ..interop.peft import save_adapter
from ..interop.safetensors import require_safetensors, save_safetensors
from ..nn.adapters.model.switching import disabled
from .chatting import Chatting
from .classifying import Classifying
from .training import Training, TrainingSettings, fine_tune

Table = tuple[str, list[tuple[str, str]]]
BASES = {"smollm2": "HuggingFaceTB/SmolLM2-135M-Instruct", "minilm": "sentence-transformers/all-MiniLM-L6-v2"}
SAME = "the same, word for word"


def keep_chat(
    task: Chatting, settings: TrainingSettings, folder: FilePath, questions: Sequence[str], **options: Any
) -> list[Table]:
    """Train, and tell what the model answers before, after, with the adapter off and with the adapter merged.

    The folder gets the adapter as PEFT writes it, and `report.json`. `options` are those of `fine_tune`.
    """
    require_safetensors()  # what the adapter is written with: better missed now than after the training
    before = task.answers(questions)
    training = fine_tune(task, settings, folder, **options)
    after, off, merged = task.answers(questions), task.answers_without(questions), task.answers_merged(questions)
    columns = zip(questions, before, after, off, merged, strict=True)
    answers = [dict(zip(("question", "before", "after", "off", "merged"), row, strict=True)) for row in columns]
    target, base = Path(folder) / "adapter", BASES.get(task.name)
    adapter = save_adapter(task.network, target, base_model=base, task_type="CAUSAL_LM")
    files = [adapter, _write_report(folder, training, {"answers": answers})]
    return [*map(_answers, answers), _about(training), _listed(files)]


def _answers(answer: dict[str, str]) -> Table:
    """A question, and what was answered when."""
    off = SAME if answer["off"] == answer["before"] else f"OTHER, which is a bug: {answer['off']}"
    merged = SAME if answer["merged"] == answer["after"] else answer["merged"]
    rows = [("before", answer["before"]), ("after", answer["after"]), ("adapter off", off), ("adapter merged", merged)]
    return answer["question"], rows


def keep_classifier(task: Classifying, settings: TrainingSettings, folder: FilePath, **options: Any) -> list[Table]:
    """Train, and tell how many held-out texts are right: by a linear probe on the frozen vectors, and after LoRA.

    The folder gets the adapter as PEFT writes it, the linear layer as `head.safetensors`, with the classes in its
    note, and `report.json`. `options` are those of `fine_tune`.
    """
    require_safetensors()  # as above
    training = fine_tune(task, settings, folder, **options)
    with disabled(task.network):  # exactly what it was before
        probe = task.probe_accuracy()
    accuracy, tested = task.accuracy(), len(task.tested)
    results = {"probe_accuracy": probe, "accuracy": accuracy, "classes": task.classes, "tested": tested}
    adapter = save_adapter(task.network, Path(folder) / "adapter", base_model=BASES.get(task.name))
    head, note = task.model.head.named_parameters(), {"classes": json.dumps(task.classes)}
    head_file = save_safetensors(Path(folder) / "head.safetensors", head, note)
    files = [adapter, head_file, _write_report(folder, training, results)]
    before = f"{probe:.1%} of {tested} held-out texts are right"
    rows = [("Linear probe, frozen network", before), ("With LoRA", f"{accuracy:.1%}")]
    return [(f"{task.name}: {' or '.join(task.classes)}?", rows), _about(training), _listed(files)]


def _listed(files: Sequence[Path]) -> Table:
    """The files of a folder, and where they are."""
    return "Files", [(path.name, str(path)) for path in files]


def _about(training: Training) -> Table:
    """The main numbers of a training."""
    trained = sum(p.size for p in training.parameters.values())
    total = sum(p.size for p in training.task.model.named_parameters().values())
    new = len(training.seconds)
    rows = [("Trained", f"{trained:,} numbers, {trained / total:.2%} of {total:,}")]
    if training.resumed:
        rows.append(("Continued", f"after step {training.resumed} of a run that was stopped"))
    if new:
        rows.append(("Steps", f"{new}, {median(training.seconds):.3g} seconds each"))
    rows.append(("Loss", f"{training.losses[0]:.3f} in the first step, {training.losses[-1]:.3f} in the last"))
    return "Training", rows


def _write_report(folder: FilePath, training: Training, results: dict[str, Any]) -> Path:
    report = {"model": training.task.name, "settings": asdict(training.settings), **results, "losses": training.losses}
    return write_atomically(Path(folder) / "report.json", json.dumps(report, indent=1) + "\n")
