"""The command line as a stranger uses it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_lora import __version__
from tinygrad_lora.cli import main, parser


def test_the_demo_says_what_it_found_and_where_the_files_are(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "new folder"), "--epochs", "1"]) == 0
    printed = capsys.readouterr()
    for words in ("upright digits", "rotated digits", "bit for bit", "Adapter merged", "compiled", "index.html"):
        assert words in printed.out
    assert printed.err == ""  # no progress bars: this is no terminal
    for line in printed.out.splitlines():
        if line.strip().startswith(("graph.", "training_step", "report", "adapter", "index")):
            assert Path(line.split(maxsplit=1)[1].strip()).is_file()


def test_quiet_is_quiet(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path), "--epochs", "1", "--quiet"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err == ""
    assert (tmp_path / "index.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rank", "11"], "rank must be between 1 and 10"),
        (["--rank", "0"], "rank must"),
        (["--epochs", "0"], "epochs must"),
    ],
)
def test_wrong_numbers_get_one_sentence_and_make_no_files(arguments, words, tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "out"), *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main(["demo", "--out", str(tmp_path / "file" / "out"), "--epochs", "1", "--quiet"]) == 2
    assert "file" in capsys.readouterr().err


def test_the_module_is_the_command():
    run = subprocess.run(
        [sys.executable, "-m", "tinygrad_lora", "--version"], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == f"tinygrad-lora {__version__}"
    assert subprocess.run([sys.executable, "-m", "tinygrad_lora"], capture_output=True).returncode == 2


COMPUTATION = """
import numpy as np
import tinygrad_lora as tl


def loss():
    return tl.sum(tl.parameter(np.ones((2, 3)), "w"))
"""


def test_draw_prints_a_listing_or_writes_a_picture(tmp_path, capsys):
    (tmp_path / "model.py").write_text(COMPUTATION)
    assert main(["draw", f"{tmp_path / 'model.py'}:loss"]) == 0
    assert "reduce_sum(w" in capsys.readouterr().out
    assert main(["draw", f"{tmp_path / 'model.py'}:loss", "--out", str(tmp_path / "new" / "graph.svg")]) == 0
    assert (tmp_path / "new" / "graph.svg").read_text().startswith("<svg")
    assert main(["draw", f"{tmp_path / 'model.py'}:nothing"]) == 2
    assert "has no 'nothing'" in capsys.readouterr().err


def test_the_doctor_names_versions_and_the_command_for_what_is_missing(capsys, monkeypatch):
    monkeypatch.setattr(
        "tinygrad_lora.installation.EXTRAS", {"speed": (("numba", "no-such-package"), "faster engines")}
    )
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert (
        np.__version__ in told
        and 'missing no-such-package (faster engines): pip install "tinygrad-lora[speed]"' in told
    )
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["extras"]["speed"]["missing"] == ["no-such-package"]


def test_the_doctor_says_who_draws(capsys, monkeypatch):
    monkeypatch.setenv("TINYGRAD_LORA_DOT", "none")
    assert main(["doctor"]) == 0
    assert "the built-in layout, without Graphviz" in capsys.readouterr().out


def test_ctrl_c_gives_one_line_and_the_code_of_an_interrupt(capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinygrad_lora.installation.facts", interrupted)
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "tinygrad-lora doctor: interrupted\n"


def test_a_reader_who_stops_reading_is_no_error():
    run = subprocess.Popen(
        [sys.executable, "-m", "tinygrad_lora", "doctor"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with run:
        run.stdout.close()
        assert run.stderr.read() == b""


def test_a_shell_can_complete_the_commands(capsys):
    pytest.importorskip("shtab", reason="completion needs shtab")
    assert main(["completion", "bash"]) == 0
    assert "explore" in capsys.readouterr().out


def test_every_command_has_help_and_a_description(capsys):
    (commands,) = (action for action in parser()._actions if isinstance(action.choices, dict))
    for name, command in commands.choices.items():
        assert command.format_help().startswith(f"usage: tinygrad-lora {name}")
        assert command.description, f"{name} has no description"
