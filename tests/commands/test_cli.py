"""The command line as a stranger uses it."""

import argparse
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import webbrowser
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.live import Live

from tinygrad_lora import __version__, errors, terminal
from tinygrad_lora.blas import blas
from tinygrad_lora.commands.completion import add_values, values
from tinygrad_lora.commands.doctor import EXTRAS, pip, version_of
from tinygrad_lora.commands.main import COMMANDS, REFUSED, main, parser, understood
from tinygrad_lora.commands.output import EXAMPLES, GROUPS
from tinygrad_lora.terminal import show_table

ROOT = Path(__file__).resolve().parents[2]


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


def test_a_folder_is_no_file(tmp_path, capsys):
    assert main(["explore", "--out", str(tmp_path)]) == 2
    assert "is a folder: name a file in it" in capsys.readouterr().err and not list(tmp_path.iterdir())


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


CLOSED = """

def closed():
    with tl.Linear(2, 2) as layer:
        return layer
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
        "tinygrad_lora.commands.doctor.EXTRAS", {"speed": (("numpy", "no-such-package"), "faster engines")}
    )
    assert main(["doctor"]) == 0
    output = capsys.readouterr().out
    assert np.__version__ in output
    assert "missing no-such-package: faster engines\n" in output and 'pip install "tinygrad-lora[speed]"\n' in output
    assert main(["doctor", "--json"]) == 0
    speed = json.loads(capsys.readouterr().out)["extras"]["speed"]
    assert speed["missing"] == ["no-such-package"] and speed["install"] in output and speed["for"] == "faster engines"


def test_the_doctor_asks_for_what_the_extras_bring():
    brought = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for extra, (libraries, _) in EXTRAS.items():
        names = {re.match(r"[\w.-]+", line).group() for line in brought[extra]}
        assert set(libraries) <= names | {"jupyterlab"}  # which is part of jupyter


def test_the_doctor_names_the_pip_of_this_environment(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    monkeypatch.setattr("sys.executable", str(Path("folder", "python")))
    assert pip() == f"{sys.executable} -m pip"
    monkeypatch.setattr("sys.executable", str(Path("a folder", "python")))
    assert pip() == f'"{sys.executable}" -m pip'
    monkeypatch.setattr("shutil.which", lambda name, path=None: str(Path("a folder", name)))
    assert pip() == "pip"


def test_the_doctor_knows_the_kernel_of_openblas():
    if "openblas" not in np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"] or os.name == "nt":
        pytest.skip("this NumPy has another library, or it cannot be asked here")
    assert re.search(r"openblas [\w.]+, kernel \w+", blas())


def test_the_doctor_says_who_draws(capsys, monkeypatch):
    monkeypatch.setenv("TINYGRAD_LORA_DOT", "none")
    assert main(["doctor"]) == 0
    assert "the built-in layout, without Graphviz" in capsys.readouterr().out
    if version := version_of("graphviz-pure"):
        monkeypatch.delenv("TINYGRAD_LORA_DOT")
        assert main(["doctor"]) == 0 and f"graphviz-pure {version}\n" in capsys.readouterr().out


def test_ctrl_c_gives_one_line_and_the_code_of_an_interrupt(capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinygrad_lora.commands.doctor.facts", interrupted)
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "tinygrad-lora doctor: interrupted\n"


@pytest.mark.parametrize("arguments", [pytest.param("doctor", marks=pytest.mark.slow), "learn"])
def test_a_reader_who_stops_reading_is_no_error(arguments):
    run = subprocess.Popen(
        [sys.executable, "-m", "tinygrad_lora", arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with run:
        run.stdout.close()
        assert run.stderr.read() == b""
    assert run.returncode == 141


def test_a_stop_while_a_bar_starts_leaves_the_cursor_visible(monkeypatch):
    screen, refresh = io.StringIO(), Live.refresh

    def interrupted(bar):
        monkeypatch.setattr(Live, "refresh", refresh)
        raise KeyboardInterrupt

    monkeypatch.setattr(terminal, "Console", lambda **_: Console(file=screen, force_terminal=True, _environ={}))
    monkeypatch.setattr(Live, "refresh", interrupted)
    with pytest.raises(KeyboardInterrupt), terminal.counting(3, "Training"):
        pass
    hidden, shown = "\x1b[?25l", "\x1b[?25h"
    assert hidden in screen.getvalue() and screen.getvalue().rfind(shown) > screen.getvalue().rfind(hidden)


@pytest.mark.parametrize("unbuffered", ["", "1"])  # printed at once, or when Python ends
def test_a_stream_that_is_full_or_closed_is_no_traceback(unbuffered, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    learn = [sys.executable, "-m", "tinygrad_lora", "learn"]
    if Path("/dev/full").exists():
        for command in (learn, [*learn, "--help"]):
            with open("/dev/full", "w") as full:
                run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
            assert (run.returncode, run.stderr) == (2, "tinygrad-lora learn: no space left on device\n")
    if os.name != "nt":
        run = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *learn], stderr=subprocess.PIPE, text=True)
        assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("chek 04-topo", "tinygrad-lora: there is no command 'chek'; perhaps check."),
        ("zzz", "tinygrad-lora: there is no command 'zzz'; there are demo, learn,"),
        ("progress --josn", "tinygrad-lora progress: --josn means nothing here; `tinygrad-lora progress --help`"),
        ("check 04-tpo", "tinygrad-lora check: there is no exercise '04-tpo'; perhaps 04-topo"),
        ("hint 04-tpo", "tinygrad-lora hint: there is no exercise '04-tpo'; perhaps 04-topo"),
        ("learn 99", "tinygrad-lora learn: there is no tutorial 99; there are 01,"),
        ("models get minlm", "tinygrad-lora models: there is no model called 'minlm': there are minilm,"),
        ("demo --out a_file", "tinygrad-lora demo: a_file: not a directory; --out DIR writes elsewhere"),
        ("learn 01 --copy-only --out a_file", "tinygrad-lora learn: a_file: file exists"),
        ("draw model.py:loss --out a_file/graph.svg", "tinygrad-lora draw: a_file: "),
        ("step model.py:typo", "tinygrad-lora step: model.py has no 'typo'"),
        ("step model.py:breaks", "tinygrad-lora step: model.py:breaks stops, line 11: `return 1 / 0`: ZeroDivision"),
        ("draw model:breaks", "tinygrad-lora draw: model:breaks stops, line 11: `return 1 / 0`: ZeroDivisionError:"),
        ("explore stops.py:f", "tinygrad-lora explore: stops.py stops, line 1: `import there_is_none`: ModuleNotFound"),
        ("explore nothing:f", "tinygrad-lora explore: there is no module 'nothing'; for a file write path/to/file.py"),
        ("-x demo", "tinygrad-lora: -x means nothing here; `tinygrad-lora --help` says what does"),
        ("check", "tinygrad-lora check: the following arguments are required: EXERCISE; `tinygrad-lora check --help`"),
        ("demo --rank x", "tinygrad-lora demo: argument --rank: invalid int value: 'x'; `tinygrad-lora demo --help`"),
        ("models get", "tinygrad-lora models: the following arguments are required: MODEL; `tinygrad-lora models get"),
        ("finetune gpt", "tinygrad-lora finetune: argument model: invalid choice: 'gpt' (choose from"),
        ("draw model.py:closed", "tinygrad-lora draw: this Linear was closed: "),
        ("learn --fresh --copy-only", "tinygrad-lora learn: --fresh and --copy-only are about one tutorial:"),
        ("learn --out folder", "tinygrad-lora learn: --out is about one tutorial: give its number, such as 04"),
        (
            "bench --quick",
            "tinygrad-lora: bench is a tool of the repository: in a checkout, run `python3 run.py bench`",
        ),
    ],
    ids=lambda text: text.partition(":")[0],
)
def test_what_cannot_be_done_is_told_in_a_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.delitem(sys.modules, "model", raising=False)
    (tmp_path / "a_file").touch()
    (tmp_path / "model.py").write_text(COMPUTATION + "\n\ndef breaks():\n    return 1 / 0\n" + CLOSED)
    (tmp_path / "stops.py").write_text("import there_is_none\n")
    files = sorted(tmp_path.iterdir())
    assert main(arguments.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith(message) and printed.err.count("\n") == 1
    assert files == [path for path in sorted(tmp_path.iterdir()) if path.name != "__pycache__"]
    sys.modules.pop("model", None)


def test_every_error_of_the_package_is_told_in_a_sentence():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    raised = [kind for kind in kinds if kind.__name__[0] != "_"]
    assert [kind for kind in raised if not issubclass(kind, (*REFUSED, Warning))] == []


def test_without_arguments_the_help_is_shown(capsys):
    assert main([]) == 2
    output = capsys.readouterr().err
    assert " demo " in output and "130: stopped with Ctrl-C" in " ".join(output.split())


@pytest.fixture(scope="module")
def bash_script(tmp_path_factory):
    """The script that bash reads, as a file."""
    pytest.importorskip("shtab", reason="completion needs shtab")
    command = [sys.executable, "-m", "tinygrad_lora", "completion", "bash"]
    path = tmp_path_factory.mktemp("completion") / "script"
    path.write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return path


COMPLETING = """
source "$0"
COMP_WORDS=(tinygrad-lora "$@") COMP_CWORD=$#
_shtab_tinygrad_lora
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(shutil.which("bash") is None or os.name == "nt", reason="there is no bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["exp"], ["explore"]),
        (["check", "04-t"], ["04-topo", "04-twice"]),
        (["check", "04-topo", "mi"], ["mine.py"]),
        (["hint", "09-fus"], ["09-fuse", "09-fusible"]),
        (["learn", "0"], [f"0{n}" for n in range(1, 10)]),
        (["learn", "04", "--c"], ["--copy-only"]),
        (["models", "get", ""], ["minilm", "smollm2", "movie-reviews"]),
        (["finetune", "smo"], ["smollm2"]),
        (["grade", "submitted", "--exercises", "12-at"], ["12-attach"]),
        (["course", "release", "out", "--format", "nb"], ["nbgrader"]),
        (["demo", "--out", ""], ["submitted"]),
    ],
    ids=" ".join,
)
def test_bash_completes_what_is_typed(typed, offered, bash_script, tmp_path):
    (tmp_path / "mine.py").touch()
    (tmp_path / "submitted").mkdir()
    command = ["bash", "-c", COMPLETING, str(bash_script), *typed]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (process.stdout.splitlines(), process.stderr) == (offered, "")


def commands_of(command_parser, name="tinygrad-lora"):
    """Each command and each command of a command, with its whole name."""
    for action in command_parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for part, command in action.choices.items():
                yield f"{name} {part}", command
                yield from commands_of(command, f"{name} {part}")


EVERY_COMMAND = dict(commands_of(parser()))


@pytest.mark.parametrize("name", EVERY_COMMAND)
def test_every_command_has_help_and_a_description(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    output = EVERY_COMMAND[name].format_help()
    assert output.startswith(f"usage: {name}") and EVERY_COMMAND[name].description
    assert max(map(len, output.splitlines())) <= 80


# --- In a terminal ---


class Screen(io.StringIO):
    """A stream that is a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def on_screen(monkeypatch):
    """`on_screen(call)`: what a call prints in a terminal."""
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)

    def printed(call, *arguments):
        stream = Screen()
        with redirect_stdout(stream), redirect_stderr(stream):
            call(*arguments)
        return stream.getvalue()

    return printed


LESSON = """
import tinygrad_lora as tl
def loss():
    x, y = tl.parameter(3.0, "x"), tl.parameter(4.0, "y")
    return x * y + y
"""


@pytest.mark.parametrize("columns", [50, 64, 80, 120])
def test_the_help_groups_the_commands_with_an_example_each_at_any_width(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    output = parser().format_help()
    assert max(map(len, output.splitlines())) <= columns
    words = " ".join(output.split())
    assert all(f"$ {EXAMPLES[name]}" in words for name in COMMANDS) and all(title in words for title in GROUPS)
    assert sorted(EXAMPLES) == sorted(COMMANDS)


def test_every_example_can_be_parsed(monkeypatch):
    for name, example in EXAMPLES.items():
        arguments = example.split()[1:]
        assert understood(arguments).command == name


def test_color_is_for_terminals_and_not_where_it_is_refused(on_screen, tmp_path, monkeypatch):
    (tmp_path / "lesson.py").write_text(LESSON, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for setting, colored in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", setting)
        for arguments in (["step", "lesson.py:loss"], ["step", "lesson.py:nothing"], []):
            assert ("\x1b[" in on_screen(main, arguments)) == colored


def test_draw_shows_a_picture_in_a_terminal(on_screen, tmp_path, monkeypatch):
    (tmp_path / "lesson.py").write_text(LESSON, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "30")
    output = on_screen(main, ["draw", "lesson.py:loss", "--values"])
    assert (
        output
        == """\
Computation of add

●    x   parameter       scal…
│ ●  y   parameter       scal…
□─┤  %2  multiply(x, y)  scal…
◆─╯  %3  add(%2, y)      scal…

● trainable  □ operation  ◆ o…
"""
    )


NETWORK = """\
import numpy as np
import tinygrad_lora as tl

model = tl.Sequential(tl.Linear(4, 5, seed=0), tl.gelu, tl.Linear(5, 3, seed=1))


def loss():
    return tl.cross_entropy(model(np.ones((2, 4))), np.array([0, 1]))


def network():
    return model
"""


@pytest.mark.parametrize("command", ["step", "draw"])
def test_functions_are_closed_open_or_some_of_them(command, tmp_path, monkeypatch, capsys):
    (tmp_path / "lesson.py").write_text(NETWORK, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def shows(*options):
        assert main([command, "lesson.py:loss", *options]) == 0
        output = capsys.readouterr().out
        return "tanh" in output, "exp(" in output or "exponential" in output or "exp " in output

    assert shows() == shows("--functions", "closed") == (False, False)
    assert shows("--functions", "gelu") == (True, False)
    assert shows("--functions", "gelu,cross_entropy,log_softmax") == shows("--functions=open") == (True, True)


@pytest.mark.parametrize("out", [[], ["--out", "graph.txt"], ["--out", "graph.html"]])
def test_layers_are_open_to_a_depth(out, tmp_path, monkeypatch, capsys):
    (tmp_path / "lesson.py").write_text(NETWORK, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def shown(*options):
        assert main(["draw", "lesson.py:network", *options, *out]) == 0
        return Path(out[1]).read_text(encoding="utf-8") if out else capsys.readouterr().out

    assert "html" in str(out) or "gelu(0)" in shown("--depth", "1")
    assert "matmul" not in shown("--depth", "1").partition("<template")[0] and "matmul" in shown("--depth", "2")
    assert main(["draw", "lesson.py:network", "--depth", "-1"]) == 2
    assert "depth is how many levels of layers are open" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["step lesson.py:loss", "draw lesson.py:loss", "explore"])
def test_what_is_written_can_be_opened(command, tmp_path, monkeypatch):
    (tmp_path / "lesson.py").write_text(LESSON, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    addresses = []
    monkeypatch.setattr(webbrowser, "open", addresses.append)
    assert main([*command.split(), "--open"]) == 0
    (written,) = [path for path in tmp_path.iterdir() if path.suffix in (".html", ".svg")]
    assert addresses == [written.as_uri()]


def test_long_values_of_a_table_go_on_below_themselves(on_screen, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("TERM", "xterm")
    output = on_screen(show_table, [("License", "a very long sentence " * 6), ("Files", "/path/" + "x" * 80)], "Table")
    plain = re.sub(r"\x1b\[[\d;]*m", "", output).splitlines()
    assert all(len(line) <= 50 for line in plain if "xxx" not in line) and "x" * 80 in "".join(plain)
    assert all(line.startswith(" " * 12) for line in plain[2:4])


FREE = {
    "NAME",
    "ANSWER",
    "ADDRESS",
    "QUESTION",
    "LAYER",
    "CODE",
    "action",
    "part",
    "command",
}  # these are for people alone


def test_every_value_can_be_completed_or_is_a_number():
    shtab = pytest.importorskip("shtab", reason="completion needs shtab")
    whole = parser()
    add_values(whole, values(), shtab)
    for name, command in commands_of(whole):
        for action in command._actions:
            known = action.choices or hasattr(action, "complete") or action.type in (int, float) or action.nargs == 0
            assert known or action.metavar in FREE, f"{name}: {action.metavar}: completion.py says what it can be"


@pytest.mark.parametrize("name", EVERY_COMMAND)
def test_the_same_option_has_the_same_name_everywhere(name):
    names = {option for action in EVERY_COMMAND[name]._actions for option in action.option_strings}
    assert not names & {"--output", "--folder", "--dir", "--html", "--silent", "--format-json", "--random-state"}


def test_every_command_stands_in_the_table_of_commands():
    assert list(COMMANDS) == [name.split()[1] for name in EVERY_COMMAND if name.count(" ") == 1]


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [
        ("--version", {"rich", "tinygrad_lora.learn", "tinygrad_lora.compiler", "tinygrad_lora.view"}),
        ("progress", {"rich", "tinygrad_lora.models.bert", "tinygrad_lora.grading", "tinygrad_lora.finetune"}),
        ("models list", {"graphviz", "tinygrad_lora.compiler", "tinygrad_lora.learn", "tinygrad_lora.demo"}),
    ],
)
def test_a_command_loads_only_what_it_needs(arguments, unneeded):
    code = (
        "import contextlib, sys; from tinygrad_lora.commands.main import main\n"
        "with contextlib.suppress(SystemExit): main(sys.argv[1:])\n"
        "print('loaded', *sys.modules)"
    )
    command = [sys.executable, "-c", code, *arguments.split()]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert not unneeded & set(output.splitlines()[-1].split())


def test_bars_are_for_terminals(capsys, monkeypatch):
    def take_all():
        assert list(terminal.tracker(False)(range(3), "walking")) == [0, 1, 2]
        with terminal.counting(3, "climbing") as show:
            show(2, "a note")
        return capsys.readouterr().err

    assert take_all() == ""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(terminal, "Console", lambda **_: Console(stderr=True, force_terminal=True, width=80))
    drawn = take_all()
    assert "walking" in drawn and "climbing" in drawn and "2/3" in drawn and "a note" in drawn
    monkeypatch.setenv("TERM", "dumb")  # it cannot go back to the start of a line
    assert take_all() == ""


def test_lists_are_also_for_programs(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TINYGRAD_LORA_PROGRESS", str(tmp_path / "progress.jsonl"))
    assert main(["progress", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["points"] == 0 and report["out_of"] == sum(one["out_of"] for one in report["exercises"])
    assert {one["state"] for one in report["exercises"]} == {"open"}
    assert main(["learn", "--json"]) == 0
    tutorials = json.loads(capsys.readouterr().out)
    assert sum(one["out_of"] for one in tutorials) == report["out_of"]
    assert main(["learn"]) == 0 and tutorials[3]["title"] in capsys.readouterr().out
    assert main(["learn", "04", "--json"]) == 2
    assert "leave out the number" in capsys.readouterr().err


def test_a_task_fits_a_terminal(capsys):
    assert main(["check", "09-fusible"]) == 0
    output = capsys.readouterr().out
    assert max(map(len, output.splitlines())) <= 88  # the command to copy is not broken
    assert "\n    h = x @ W\n    a = h + b\n" in output  # code stays
    assert "\n* both operations are elementwise: each number of the result depends on the\n  numbers at" in output


def test_a_stream_that_knows_few_letters_gets_question_marks(tmp_path):
    code = "import sys; from tinygrad_lora.commands.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "explore", "--out", str(tmp_path / "page.html")]
    run = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (run.returncode, run.stderr) == (0, b"") and b"(AB)? = B? A?" in run.stdout


# What a shell starts in the background ignores a Ctrl-C, and so does all that this starts.
HEARS_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
SECONDS = 60  # for a process to end


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="in Windows a process cannot be sent a Ctrl-C like this")
@pytest.mark.parametrize(
    ("arguments", "delay"),
    [("demo --epochs 9999", 0), ("demo --epochs 9999", 0.05), ("demo --epochs 9999", 0.1),
     ("demo --epochs 9999", 0.2), ("demo --epochs 9999", 0.7)],
)  # fmt: skip
def test_ctrl_c_at_any_moment_leaves_one_line_and_no_broken_file(arguments, delay, tmp_path):
    code = HEARS_CTRL_C + (  # it says so when it has begun: what comes before is the start of Python
        "import sys; from tinygrad_lora.commands import main as cli; parser = cli.parser\n"
        "cli.parser = lambda first: print('numpy' in sys.modules, flush=True) or parser(first)\n"
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments.split()], cwd=tmp_path, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as running:  # fmt: skip
        assert running.stdout.readline() == "False\n"  # NumPy, which takes long, is still to be loaded
        time.sleep(delay)
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to the command and all that it started
        assert running.communicate()[1] == f"tinygrad-lora {arguments.split()[0]}: interrupted\n"
    assert running.returncode == 130
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]  # no temporary file


JUPYTER = """
import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: (time.sleep(0.2), sys.exit(7)))
time.sleep(0.1)  # until whoever started it knows it
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="in Windows a process cannot be sent a Ctrl-C like this")
def test_jupyter_ends_in_its_own_way(tmp_path):
    (tmp_path / "jupyterlab").mkdir()
    (tmp_path / "jupyterlab" / "__init__.py").touch()
    (tmp_path / "jupyterlab" / "__main__.py").write_text(JUPYTER)
    code = HEARS_CTRL_C + "import sys; from tinygrad_lora.commands.main import main; sys.exit(main(sys.argv[1:]))"
    with subprocess.Popen(
        [sys.executable, "-c", code, "learn", "01"], cwd=tmp_path, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as running:  # fmt: skip
        while "ready" not in (line := running.stdout.readline()):
            assert line, running.stderr.read()
        os.killpg(running.pid, signal.SIGINT)
        assert running.communicate(timeout=SECONDS)[1] == ""
    assert running.returncode == 7


@pytest.mark.parametrize(("code", "user", "told"), [(1, 0, True), (1, 1000, False), (0, 0, False), (7, 0, False)])
@pytest.mark.skipif(os.name == "nt", reason="there is no root")
def test_as_root_it_is_told_how_to_go_on(tmp_path, capfd, monkeypatch, code, user, told):
    """JupyterLab says that it does not run as root, and ends with exit code 1."""
    (tmp_path / "jupyterlab").mkdir()
    (tmp_path / "jupyterlab" / "__init__.py").touch()
    (tmp_path / "jupyterlab" / "__main__.py").write_text(f"import sys\nsys.exit({code})\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert main(["learn", "01", "--out", str(tmp_path)]) == code
    output = capfd.readouterr()
    assert ("jupyter lab --allow-root" in output.err) == told and "Your copy: " in output.out


def test_without_jupyter_the_copy_is_there_and_the_remedy_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["learn", "01", "--out", str(tmp_path)]) == 2
    output = capsys.readouterr()
    assert (
        'pip install "tinygrad-lora[notebook]"' in output.err and str(tmp_path / "01_a_single_node.ipynb") in output.out
    )
