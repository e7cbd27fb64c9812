"""The page about larger machines: the adapter goes to PEFT and back as it shows, and nothing is lost on the way."""

import doctest
import re
from pathlib import Path

import numpy as np
import pytest

import tinygrad_lora as tl

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "outgrowing.md").read_text(encoding="utf-8")
THERE, BACK = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if not block.startswith(">>>")]


def begun_here(space):
    """Runs the page's examples up to where PyTorch takes over, with their names in `space`."""
    for example in doctest.DocTestParser().get_examples(PAGE.partition("import torch")[0]):
        exec(example.source, space)


def test_the_page_has_one_part_that_runs_there_and_one_that_takes_it_back():
    assert "PeftModel.from_pretrained" in THERE and "load_adapter" in BACK


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")  # other people's
def test_what_was_trained_on_there_is_what_more_steps_here_give(tmp_path, monkeypatch):
    pytest.importorskip("peft", reason="peft is not installed")
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    monkeypatch.chdir(tmp_path)
    here = {}
    begun_here(here)
    exec(THERE, {})
    here["model_here"], x = here["model"], here["rotated"].x_test
    exec(BACK, here)
    for _ in range(50):
        here["step"](here["rotated"].x_train, here["rotated"].y_train)
    np.testing.assert_allclose(here["model"].forward(x), here["model_here"].forward(x), rtol=1e-10, atol=1e-10)
    tl.save_adapter(here["model"], "again")
    assert tl.adapter_settings(here["model"])["lora"].rank == 8
    first, last = here["losses"][0], float(tl.cross_entropy(here["model"].forward(x), here["rotated"].y_test))
    assert last < first / 1.5
