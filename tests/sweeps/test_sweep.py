"""`tl.sweep`: the grid, the choice, what is refused before the first step, and a sweep that goes on from its files."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from sweep_cases import CLASSES, examples, model, train_alone

import tinygrad_lora as tl
from tinygrad_lora.errors import AdaptError, FormatError, SweepError
from tinygrad_lora.sweeps.data import rows_of_step, split
from tinygrad_lora.sweeps.settings import RunSettings, grid
from tinygrad_lora.sweeps.side_by_side import _fitting, stacked_runs
from tinygrad_lora.sweeps.training import SweepTask

DATA, VALIDATION, TEST = examples(64, 1), examples(40, 2), examples(30, 3)
sweep = partial(tl.sweep, validation=VALIDATION, test=TEST, rank=2, steps=12, batch_size=8)


def swept(**settings):
    return sweep(model(), tl.cross_entropy, DATA, **settings)


def test_the_best_is_chosen_on_one_split_and_told_on_another():
    base = model()
    before = {name: p.value.copy() for name, p in base.named_parameters().items()}
    result = sweep(base, tl.cross_entropy, DATA, rank=[1, 3], lr=[1e-3, 3e-2])
    runs = result.runs
    assert [run.settings.lr for run in runs] == [1e-3, 3e-2, 1e-3, 3e-2]
    assert runs[result.best].validation_loss == min(run.validation_loss for run in runs)
    for i, run in enumerate(runs):
        tuned = result.adapter(i)
        loss = tl.cross_entropy(tuned.forward(VALIDATION[0]), VALIDATION[1]).value
        assert run.validation_loss == pytest.approx(float(loss), rel=1e-12)
        assert len(run.losses) == 12
    best = result.adapter()
    assert result.test_loss == pytest.approx(float(tl.cross_entropy(best.forward(TEST[0]), TEST[1]).value), rel=1e-12)
    for name, p in base.named_parameters().items():  # the model of the caller is as it was
        np.testing.assert_array_equal(p.value, before[name])
        assert p.requires_gradient


def test_each_run_has_the_numbers_that_it_has_alone():
    result = swept(rank=[1, 3], variant=["lora", "dora"], schedule=tl.cosine, lr=1e-2)
    rows = [rows_of_step(step, 8, 64, 0) for step in range(12)]
    for i, run in enumerate(result.runs):
        batches = [DATA[0][k] for k in rows], [DATA[1][k] for k in rows]
        losses, parameters = train_alone(model(), run.settings, *batches, rate=partial(tl.cosine, steps=12))
        np.testing.assert_allclose(run.losses, losses, rtol=1e-12)
        for name, p in result.adapter(i).named_parameters().items():
            if name in parameters:
                np.testing.assert_allclose(p.value, parameters[name], rtol=1e-12, atol=1e-14)


def test_a_fraction_of_the_data_is_cut_off_and_not_trained_on():
    result = sweep(model(), tl.cross_entropy, DATA, validation=0.25, test=0.125, steps=2)
    splits = result.task.splits
    assert [len(x) for x, _ in (splits.train, splits.validation, splits.test)] == [40, 16, 8]
    rows = np.concatenate([x for x, _ in (splits.train, splits.validation, splits.test)])
    assert sorted(map(tuple, rows)) == sorted(map(tuple, DATA[0]))


def test_every_example_comes_once_an_epoch():
    rows = np.concatenate([rows_of_step(step, 8, 64, seed=5) for step in range(8)])
    assert sorted(rows) == list(range(64))
    assert list(rows_of_step(8, 8, 64, 5)) != list(rows[:8])


def test_of_stacks_there_are_as_few_as_can_be_and_the_result_says_so():
    settings = grid(100, variant=["lora", "rslora", "dora"], target_modules="all-linear", rank=[2, 1], alpha=None,
                    lr=[1e-3, 1e-2], seed=0)  # fmt: skip
    stacks = stacked_runs(settings, 16)
    assert [len(stack) for stack in stacks] == [8, 2, 2]
    assert sorted(k for stack in stacks for k in stack) == list(range(12))
    assert [settings[k].rank for k in stacks[0]] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert [len(stack) for stack in stacked_runs(settings, 3)] == [3, 3, 2, 2, 2]
    result = swept(variant=["lora", "dora"], rank=[1, 2])
    assert "4 runs in 3 stacks (1 of lora, 2 of dora)" in str(result)
    assert result.stacks == [[0, 1], [2], [3]]


def test_of_a_large_network_fewer_go_side_by_side():
    x, y = np.ones((64, 4)), np.zeros(64, int)
    wide = tl.Sequential(tl.Linear(4, 2**14, seed=0), tl.relu, tl.Linear(2**14, 3, seed=0))
    task = SweepTask(wide, tl.cross_entropy, split((x, y), 0.25, None, float), 1, 16, tl.AdamW, None, False, {})
    assert _fitting(task) == 4
    assert _fitting(replace(task, batch_size=48)) == 1
    assert _fitting(replace(task, model=model(), batch_size=1, splits=split(DATA, 0.25, None, float))) == 16


def test_how_many_go_side_by_side_changes_no_number():
    whole, pairs = swept(rank=[1, 3], lr=[1e-3, 1e-2]), swept(rank=[1, 3], lr=[1e-3, 1e-2], side_by_side=2)
    for a, b in zip(whole.runs, pairs.runs, strict=True):
        np.testing.assert_allclose(a.losses, b.losses, rtol=1e-12)


def test_halving_ends_the_worse_half_and_no_number_of_the_others_changes():
    settings = {"rank": [1, 2], "lr": [1e-5, 1e-3, 1e-2, 3e-2], "schedule": tl.cosine}
    whole, halved = swept(**settings), swept(halving=2, **settings)
    assert sorted(len(run.losses) for run in halved.runs) == [3, 3, 3, 3, 6, 6, 12, 12]
    for step in (3, 6):
        there = [run for run in halved.runs if step in run.validation]
        ended = [run.validation[step] for run in there if len(run.losses) == step]
        assert min(ended) >= max(run.validation[step] for run in there if len(run.losses) > step)
    for a, b in zip(whole.runs, halved.runs, strict=True):
        np.testing.assert_allclose(a.losses[: len(b.losses)], b.losses, rtol=1e-11)
        assert b.ended == ("done" if len(b.losses) == 12 else "dropped")
    assert halved.runs[halved.best].ended == "done"


def test_a_run_that_diverges_is_told_and_has_no_adapter():
    result = swept(lr=[1e-3, 1e200])
    assert result.runs[1].ended == "diverged" and result.best == 0
    assert "diverged at step" in str(result)
    with pytest.raises(SweepError, match="run 1 diverged after"):
        result.adapter(1)
    none = swept(lr=[1e200, 1e180])
    assert none.best is None and none.test_loss is None and "No run came to its end" in str(none)
    with pytest.raises(SweepError, match="smaller rates"):
        none.adapter()


def test_the_table_is_shown_in_notebooks_too():
    result = swept(lr=[1e-3, 1e-2], target_modules=[["0", "2"]])
    page = result._repr_html_()
    assert page.count("<tr>") == 3 and "<td>0 2</td>" in page and "best" in page
    assert str(result).split()[:5] == ["run", "variant", "target", "rank", "alpha"]
    json.dumps(result.record())


def test_adapters_are_saved_as_peft_keeps_them(tmp_path):
    pytest.importorskip("safetensors")
    result = swept(variant=["lora", "rslora", "dora"], rank=2, alpha=3.0, lr=1e-2)
    result.save(tmp_path)
    assert json.loads((tmp_path / "sweep.json").read_text())["best"] == result.best
    for i in range(3):
        loaded = tl.load_adapter(model(), tmp_path / f"run-00{i}")
        np.testing.assert_allclose(loaded.forward(TEST[0]), result.adapter(i).forward(TEST[0]), rtol=1e-13)


# --- Going on from files ---


class StoppedError(Exception):
    """Stands for a kill."""


def stopped_after(count):
    """A progress bar that stops the sweep after so many steps."""
    from contextlib import contextmanager

    @contextmanager
    def counting(total, words):
        calls = iter(range(count))

        def show(done, note):
            if next(calls, None) is None:
                raise StoppedError

        yield show

    return counting


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 7, 13, 20])
@pytest.mark.parametrize(
    "settings", [{}, {"halving": 2, "schedule": tl.cosine}, {"own_batches": True}], ids=["plain", "halving", "batches"]
)
def test_a_sweep_that_was_stopped_goes_on_with_the_same_numbers(tmp_path, count, settings):
    settings |= {"variant": ["lora", "dora"], "lr": [1e-3, 1e-2, 1e200], "rank": 2, "seed": [0, 1], "every": 3}
    whole = swept(**settings)
    with pytest.raises(StoppedError):
        swept(folder=tmp_path, counting=stopped_after(count), **settings)
    resumed = swept(folder=tmp_path, **settings)
    assert resumed.record() == whole.record()
    for a, b in zip(whole.runs, resumed.runs, strict=True):
        assert a.arrays.keys() == b.arrays.keys()
        assert all(np.array_equal(a.arrays[name], b.arrays[name]) for name in a.arrays)


def test_the_files_of_another_sweep_are_refused(tmp_path):
    swept(folder=tmp_path, lr=1e-3)
    with pytest.raises(SweepError, match="belongs to a sweep with other settings or data"):
        swept(folder=tmp_path, lr=1e-2)
    with pytest.raises(SweepError, match="belongs to a sweep"):
        sweep(model(), tl.cross_entropy, examples(64, 9), folder=tmp_path, lr=1e-3)
    assert swept(folder=tmp_path, lr=1e-2, restart=True).record() == swept(lr=1e-2).record()


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:-30] + b"x" * 30])
def test_a_damaged_file_is_refused_by_name(tmp_path, damage):
    swept(folder=tmp_path)
    file = tmp_path / "stack-000.npz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(FormatError, match=r"stack-000\.npz"):
        swept(folder=tmp_path)


# --- Refused before the first step ---


REFUSED = {
    "rank above a layer's": ({"rank": [2, 400]}, f"rank 400 is above {CLASSES}, the most that layer '4' can have"),
    "rank 0": ({"rank": 0}, "rank must be a whole number of at least 1, not 0"),
    "rank of no number": ({"rank": ["two"]}, "rank must be a whole number of at least 1, not 'two'"),
    "no rate": ({"lr": []}, "lr has no value"),
    "rate 0": ({"lr": [1e-3, 0.0]}, "lr must be positive, not 0.0"),
    "rate nan": ({"lr": float("nan")}, "lr must be a finite number, not nan"),
    "alpha": ({"alpha": -2}, "alpha must be positive, not -2"),
    "variant": ({"variant": ["lroa"]}, "no variant is called 'lroa'. Did you mean 'lora'"),
    "own loop": ({"variant": "adalora"}, "adalora prunes its ranks while it trains"),
    "grid": ({"rank": [1, 2], "seed": list(range(50)), "limit": 64}, "2 rank x 50 seed = 100 runs is above the limit"),
    "steps": ({"steps": 0}, "steps must be a whole number of at least 1"),
    "batch": ({"batch_size": 65}, "a batch of 65 is more than the 64 examples to train on"),
    "halving": ({"halving": 5}, "12 steps cannot be halved 5 times"),
    "validation": ({"validation": 1.5}, "validation must be a part of the 64 examples"),
    "no validation": ({"validation": None}, "validation must be a pair of arrays"),
    "pairs": ({"test": (TEST[0], TEST[1][1:])}, "must have as many examples"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_in_a_sentence(name):
    settings, message = REFUSED[name]
    with pytest.raises(SweepError, match=message):
        swept(**settings)


def test_layers_that_there_are_not_are_refused_by_the_names_that_there_are():
    with pytest.raises(AdaptError, match="the linear layers are '0', '2', '4'"):
        swept(target_modules=["5"])


def test_settings_may_be_arrays_and_numbers_of_numpy():
    result = swept(rank=np.arange(1, 3), lr=np.logspace(-3, -2, 2), alpha=2, seed=np.int64(1))
    assert [run.settings for run in result.runs] == [
        RunSettings(rank, 2.0, lr, seed=1) for rank in (1, 2) for lr in (1e-3, 1e-2)
    ]
    json.dumps(result.record())


def test_an_optimizer_that_mixes_elements_and_a_loss_of_many_numbers_are_refused():
    class Normalized(tl.SGD):
        def update(self, parameters, gradients, state, rate):
            return super().update(parameters, [g / tl.sum(g * g) for g in gradients], state, rate)

    with pytest.raises(SweepError, match="Normalized does more than treat each element alone"):
        swept(optimizer=Normalized)
    with pytest.raises(SweepError, match="eps must be above 0"):
        swept(optimizer=partial(tl.Adam, eps=0.0))
    with pytest.raises(SweepError, match=r"the loss must be one number, not an array of shape \(8, 6\)"):
        sweep(model(), lambda y, target: y, DATA)
    with pytest.raises(SweepError, match="the model must be a Layer"):
        sweep(lambda x: x, tl.cross_entropy, DATA)
