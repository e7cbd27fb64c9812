"""The command line as a stranger uses it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tinygrad_lora import __version__
from tinygrad_lora.cli import main


def test_the_demo_says_what_it_found_and_where_the_files_are(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "new folder"), "--epochs", "1"]) == 0
    printed = capsys.readouterr()
    for words in ("upright digits", "rotated digits", "bit for bit", "Adapter merged", "compiled", "index.html"):
        assert words in printed.out
    assert "pretrain" in printed.err  # the progress bars
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
