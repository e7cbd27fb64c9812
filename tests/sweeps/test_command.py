"""`tinygrad-lora sweep`: the file that it reads, the files that it writes, and a kill that changes no number."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.commands.main import main
from tinygrad_lora.view.plots import loss_over_rate

pytest.importorskip("safetensors")

TASK = """\
import numpy as np
import tinygrad_lora as tl

def task():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 10)), rng.integers(0, 4, 200)
    first, second = tl.Linear(10, 12, seed=1), tl.Linear(12, 4, seed=2)
    return tl.Sequential(first, tl.tanh, second), tl.cross_entropy, (x, y)

def wrong():
    return 1, 2
"""
CONFIG = """\
task = "my_task.py:task"
rank = [1, 3]
lr = [1e-3, 1e-2]
variant = ["lora", "dora"]
seed = [0, 1]
steps = 30
batch_size = 8
every = 5
schedule = "cosine"

[optimizer_options]
weight_decay = 0.1

[adapt]
init = "kaiming_uniform"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_task.py").write_text(TASK)
    (tmp_path / "rates.toml").write_text(CONFIG)
    return tmp_path


def test_a_sweep_leaves_a_table_a_plot_and_the_adapters(folder, capsys):
    assert main(["sweep", "rates.toml"]) == 0
    printed = capsys.readouterr().out
    out = folder / "sweep-output" / "rates"
    record = json.loads((out / "sweep.json").read_text())
    best = record["best"]
    assert f"Best: run {best} (" in printed and "16 runs in 3 stacks (1 of lora, 2 of dora)" in printed
    assert printed.startswith((out / "table.txt").read_text())
    assert len(record["runs"]) == 16 and record["test_loss"] > 0
    assert {path.name for path in out.glob("run-*")} == {f"run-{i:03}" for i in range(16)}
    assert "best" in (out / "loss-over-rate.svg").read_text()
    namespace = {}
    exec(TASK, namespace)
    model = tl.load_adapter(namespace["task"]()[0], out / f"run-{best:03}")
    assert np.isfinite(model.forward(np.ones(10))).all()

    assert main(["sweep", "rates.toml", "--json"]) == 0  # all is done: the same numbers, at once
    assert json.loads(capsys.readouterr().out) == record
    assert main(["sweep", "rates.toml", "--restart", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert json.loads((out / "sweep.json").read_text()) == record


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it has no signals")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_sweep_that_was_killed_goes_on_with_the_same_numbers(folder, how):
    config = CONFIG.replace("steps = 30", "steps = 1500\nside_by_side = 4").replace('["lora", "dora"]', '"lora"')
    (folder / "rates.toml").write_text(config.replace("every = 5", "halving = 1"))
    kills = 0
    command = [sys.executable, "-m", "tinygrad_lora", "sweep", "rates.toml"]
    subprocess.run([*command, "--out", "whole", "--quiet"], check=True, timeout=120)
    for moment in range(3):
        process = subprocess.Popen(
            [*command, "--out", "killed", "--quiet"], stderr=subprocess.PIPE, text=True, preexec_fn=_hears_ctrl_c
        )
        deadline = time.monotonic() + 60
        written = _newest(folder / "killed" / "state")
        while _newest(folder / "killed" / "state") == written and process.poll() is None:
            if time.monotonic() > deadline:
                pytest.fail("no state was written")
            time.sleep(0.01)
        time.sleep(0.05 * moment)
        process.send_signal(how)
        error = process.communicate(timeout=60)[1]
        if process.returncode == 0:
            break
        kills += 1
        assert how == signal.SIGKILL or (process.returncode == 130 and "sweep: interrupted" in error)
    assert kills
    subprocess.run([*command, "--out", "killed", "--quiet"], check=True, timeout=120)
    assert (folder / "killed" / "sweep.json").read_bytes() == (folder / "whole" / "sweep.json").read_bytes()
    for file in (folder / "whole").glob("run-*/adapter_model.safetensors"):
        assert file.read_bytes() == (folder / "killed" / file.relative_to(folder / "whole")).read_bytes()


def _hears_ctrl_c():
    """What a shell runs in the background is deaf to it, and so is all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _newest(folder):
    return max((os.stat(path).st_mtime_ns for path in folder.glob("*.npz")), default=0)


REFUSED = {
    "unknown": ("ranks = [1]", "rates.toml: no setting is called 'ranks'. Did you mean 'rank'?"),
    "optimizer": ('optimizer = "adamm"', "no optimizer is called 'adamm'. Did you mean 'adam"),
    "schedule": ('schedule = "cosin"', "no schedule is called 'cosin'. Did you mean 'cosine'?"),
    "option": ("[optimizer_options]\nweight_deca = 1", "no option of adamw is called 'weight_deca'. Did you mean"),
    "variant": ('variant = "dorra"', "no variant is called 'dorra'. Did you mean 'dora'?"),
    "rank": ("rank = 5", "rank 5 is above 4, the most that layer '2' can have"),
    "grid": ("rank = [1, 2]\nseed = [0, 1, 2]\nlimit = 5", "2 rank x 3 seed = 6 runs is above the limit of 5"),
    "whole": ("rank = 1\nside_by_side = 0", "side_by_side must be a whole number of at least 1, not 0"),
    "table": ("adapt = 3", "adapt is a table: write [adapt]"),
    "adapt": ("rank = 1\n[adapt]\ninitt = 1", "did you mean 'init'?"),
    "no task": ("", 'task is None: say what is adapted, task = "digits"'),
    "a task that is not there": ('task = "digit"', "task is 'digit': say what is adapted"),
    "no tuple": ('task = "my_task.py:wrong"', "my_task.py:wrong must be a function that gives a model, a loss"),
    "cluster in the file": ('cluster = "local"', "no setting is called 'cluster'"),
    "no toml": ("rank = [", "rates.toml: "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_in_one_line_and_leaves_nothing(folder, capsys, name):
    text, message = REFUSED[name]
    start = "" if "task" in text or not text else 'task = "my_task.py:task"\n'
    (folder / "rates.toml").write_text(f"{start}{text}\n")
    assert main(["sweep", "rates.toml"]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.count("\n") == 1 and printed.out == ""
    assert not (folder / "sweep-output").exists()


def test_the_plot_has_a_line_for_each_kind_and_breaks_where_a_run_diverged():
    losses = {"rank 1": {1e-3: [1.0, 1.2], 1e-2: [0.5, 0.7], 1.0: [0.4, float("nan")]}, "rank 4": {1e-3: [0.3, 0.3]}}
    chart = loss_over_rate(losses, title="lora")
    assert "rank 1: best 0.6 at 0.01; rank 4: best 0.3 at 0.001" in chart.alternative
    assert "mean of 2 seeds in a band" in chart.title
    assert "diverged at all rates" in loss_over_rate({"rank 1": {1.0: [float("nan")]}}).alternative
    with pytest.raises(ValueError, match="there is no loss to show"):
        loss_over_rate({})
    with pytest.raises(ValueError, match="9 lines cannot be told apart"):
        loss_over_rate({f"rank {i}": {1e-3: [1.0]} for i in range(9)})
