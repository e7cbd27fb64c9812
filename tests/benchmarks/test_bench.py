"""The benchmark: everybody computes the same, ratios are what they should be, and nothing is left out in silence."""

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from bench import measure as measuring
from bench.agreement import TOLERANCE, check, errors, reference
from bench.bars import BARS, Bar, Cell, bar_table, judged, ours, plans_for
from bench.command import main
from bench.environment import environment
from bench.measure import Plan, _case_rows, measure, worker_environment
from bench.microgpt.command import PADDED
from bench.microgpt.model import NameSize
from bench.peers import PEERS, WITHOUT, Prepared, UnableError, missing, peer, prepare
from bench.peers.floor import products
from bench.report import detail_table, left_out, lines, page_with, ratio_table, short, technique_table
from bench.results import Result, quartiles, ratio_of, results
from bench.worker import Worker
from bench.workloads import ONE, SIZES, WORKLOADS, BlockSize, ChainSize, Size, cases, make_case

from tinygrad_lora.blas import THREAD_VARIABLES, blas
from tinygrad_lora.grading.process import zygote

PAGE = Path(__file__).resolve().parents[2] / "README.md"  # a page without a place for tables
TINY = dict.fromkeys(WORKLOADS, Size(6, 5, 7, 2)) | {
    "W6": ChainSize(5),
    "W7": BlockSize(2, 3, 8, 2, 12, 2),
    "W8": NameSize(3, 8, 2, 5),
}
ALWAYS = ["ours", "ours-eager", "naive"]
IF_INSTALLED = ["ours-numba", "torch", "jax", "autograd", "mygrad", "micrograd"]
# Those that compile take a second for each workload: two of them are enough here, since a run checks all of them.
COMPILED = {"ours-numba": ["W1"], "jax": ["W3", "W4", "W8"]}
MARKS = {"torch": pytest.mark.peers, "jax": pytest.mark.peers}
OTHERS = [
    pytest.param(name, w, marks=MARKS.get(name, [])) for name in IF_INSTALLED for w in COMPILED.get(name, WORKLOADS)
]


def first_step(case, run):
    return check(case, run.outcome(run.step()))


def tiny(workload):
    return make_case(workload, "tiny", 0, TINY[workload])


# --- Everybody computes the same ---


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("name", ALWAYS)
def test_our_implementations_agree_with_the_reference(name, workload):
    case = tiny(workload)
    result, wrong = first_step(case, prepare(name, case))
    assert result and wrong is None


@pytest.mark.slow
@pytest.mark.parametrize(("name", "workload"), OTHERS)
def test_the_others_agree_with_the_reference_or_say_why_they_cannot(name, workload):
    if reason := missing(name):
        pytest.skip(reason)
    case = tiny(workload)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other people's
        try:
            run = prepare(name, case)
        except UnableError as reason:
            assert len(str(reason)) > 10
            return
        result, wrong = first_step(case, run)
    assert result and wrong is None


@pytest.mark.parametrize("workload", WORKLOADS)
def test_the_gradients_by_hand_are_those_of_the_engine_to_the_last_digits(workload):
    case = tiny(workload).double()
    run = prepare("ours-eager", case)
    differences = errors(case, run.outcome(run.step()), reference(case))
    assert max(differences.values()) < TOLERANCE[8]


@pytest.mark.parametrize("workload", ["W3", "W3ce", "W4", "W8"])
def test_a_training_step_goes_on_from_where_it_was(workload):
    case = tiny(workload)
    runs = [prepare(name, case) for name in ALWAYS]
    losses = [[float(np.ravel(np.asarray(run.outcome(run.step())["loss"]))[0]) for _ in range(5)] for run in runs]
    for other in losses[1:]:
        np.testing.assert_allclose(other, losses[0], rtol=1e-4)
    assert losses[0][4] < losses[0][0]


def test_a_wrong_gradient_is_named_with_its_error():
    case = tiny("W3")
    right = prepare("naive", case)

    def outcome(result):
        results = right.outcome(result)
        return results | {"dx": results["dx"] * 1.1}

    _, wrong = first_step(case, Prepared(right.step, outcome))
    assert wrong == "disagrees with the reference: dx is off by 1.0e-01 of its largest number"


def test_a_wrong_update_is_found_although_the_parameter_hardly_moves():
    case = tiny("W4")
    right = prepare("naive", case)
    frozen = Prepared(right.step, lambda loss: right.outcome(loss) | {"A2": case["A2"]})
    assert "A2 is off by 1.0e+00" in first_step(case, frozen)[1]


def test_the_same_seed_makes_the_same_arrays():
    for workload in WORKLOADS:
        one, two, other = (make_case(workload, "tiny", seed, TINY[workload]) for seed in (0, 0, 1))
        assert all(np.array_equal(one[name], two[name]) for name in one.arrays)
        assert not np.array_equal(one["x"], other["x"])
        assert {a.dtype for a in one.arrays.values() if a.dtype.kind == "f"} == {np.dtype(WORKLOADS[workload].dtype)}
        assert all(np.array_equal(one[name], one.double()[name]) for name in one.arrays)


@pytest.mark.parametrize("workload", ["W3", "W3ce", "W4"])
def test_many_steps_meet_no_overflow_and_no_denormal_numbers(workload):
    case = make_case(workload, "S")
    run = prepare("naive", case)
    for _ in range(2000):
        result = run.step()
    smallest = np.finfo(np.float32).tiny
    for array in run.outcome(result).values():
        array = np.abs(np.asarray(array))
        assert np.isfinite(array).all() and (array[array > 0] > smallest).all()


def test_a_workload_of_one_size_comes_with_it_whatever_sizes_are_asked_for():
    assert cases(["W1", "W6"], ["S", "M"]) == [("W1", "S"), ("W1", "M"), ("W6", ONE)]


# --- The floor ---


def test_the_floor_of_a_lora_step_is_its_eight_products():
    ((texts, shapes),) = products(make_case("W3", "S"))
    assert texts == [
        "y = x @ W", "h = x @ A", "y = h @ B",
        "u = g @ B.T", "dA = x.T @ u", "dB = h.T @ g", "dx = g @ W.T", "dx = u @ A.T",
    ]  # fmt: skip
    assert shapes["u"] == (32, 4) and shapes["dx"] == (32, 64)


def test_the_floor_of_three_layers_has_no_input_gradient_for_the_first():
    texts = [text for layer, _ in products(tiny("W4")) for text in layer]
    assert len(texts) == 3 * 3 + 3 * 3 + 2 * 2
    assert sum(text.startswith("dx") for text in texts) == 4


@pytest.mark.parametrize("workload", ["W1", "W2", "W3", "W3ce", "W4", "W7"])
def test_the_floor_runs_and_claims_no_result(workload):
    case = tiny(workload)
    assert first_step(case, prepare("floor", case)) == ({}, None)


@pytest.mark.parametrize("workload", ["W5", "W6"])
def test_without_products_there_is_no_floor(workload):
    with pytest.raises(UnableError, match="no matrix products"):
        prepare("floor", tiny(workload))


# --- Measuring ---


class Scripted:
    """A process whose answers are written down."""

    def __init__(self, name, log, walls=(), prepared=None):
        self.name, self.log, self.walls = name, log, list(walls)
        self.prepared = prepared or {"errors": {}, "first": 1.0, "steps": 10}

    def ask(self, ask, **arguments):
        self.log.append((self.name, ask))
        if ask == "prepare":
            return self.prepared
        wall = self.walls.pop(0)
        return {"wall": wall, "cpu": 1.0}


ABOUT = {"kind": "times", "launch": 0, "workload": "W1", "size": "S"}


def test_every_round_asks_everybody_once_in_an_order_that_the_seed_decides():
    orders = []
    for seed in (1, 1, 2):
        log = []
        processes = [Scripted(name, log, [1.0] * 5) for name in ("ours", "naive", "torch")]
        _case_rows(processes, Plan([("W1", "S")], [], rounds=5), ABOUT, random.Random(seed))
        asked = [name for name, ask in log if ask == "time"]
        rounds = [asked[i : i + 3] for i in range(0, 15, 3)]
        assert all(sorted(names) == ["naive", "ours", "torch"] for names in rounds)
        orders.append(rounds)
    assert orders[0] == orders[1] != orders[2]
    assert len({tuple(names) for names in orders[0]}) > 1


def test_a_round_that_was_disturbed_is_repeated_and_counted():
    process = Scripted("ours", [], [1.0, 1.3, 1.2])
    (row,) = _case_rows([process], Plan([("W1", "S")], [], rounds=2), ABOUT, random.Random(0))
    assert row["times"] == [1.0, 1.2] and row["repeats"] == 1


def test_of_a_round_that_stays_disturbed_the_shortest_try_counts():
    process = Scripted("ours", [], [1.9, 1.4, 1.3, 1.8])
    (row,) = _case_rows([process], Plan([("W1", "S")], [], rounds=1), ABOUT, random.Random(0))
    assert row["times"] == [1.3] and row["repeats"] == 3


def test_a_peer_that_ends_in_the_middle_is_reported_and_the_others_go_on():
    class Ended(Scripted):
        def ask(self, ask, **arguments):
            answer = super().ask(ask, **arguments)
            return {"failed": "the process ended"} if answer.get("wall") == 2.0 else answer

    processes = [Scripted("ours", [], [1.0] * 3), Ended("torch", [], [1.0, 2.0, 2.0])]
    rows = _case_rows(processes, Plan([("W1", "S")], [], rounds=3), ABOUT, random.Random(0))
    collected = {r.peer: r for r in results(rows)}
    assert collected["torch"].reason == "the process ended" and collected["ours"].seconds == 1.0


def test_a_peer_that_disagrees_is_reported_and_not_timed():
    log = []
    wrong = Scripted("torch", log, prepared={"failed": "disagrees with the reference: dx", "errors": {"dx": 1.0}})
    rows = _case_rows([Scripted("ours", log, [1.0]), wrong], Plan([("W1", "S")], [], rounds=1), ABOUT, random.Random(0))
    assert ("torch", "time") not in log
    assert left_out(results(rows)) == [("torch", "disagrees with the reference: dx (W1 S)")]


def test_a_library_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert missing("torch.compile") == "torch is not installed"
    assert missing("ours") is None and missing(WITHOUT + "row_blocks") is None


def test_a_worker_turns_an_exception_into_a_sentence():
    worker = Worker("naive")
    assert worker.answer({"ask": "prepare", "workload": "W9", "size": "S", "seed": 0}) == {"failed": "KeyError: 'W9'"}
    assert Worker("micrograd").answer({"ask": "prepare", "workload": "W1", "size": "S", "seed": 0}) == {
        "skipped": "it knows numbers and no arrays"
    }


def test_a_worker_that_ends_says_its_last_words(monkeypatch):
    monkeypatch.setitem(PEERS, "nobody", PEERS["naive"])
    monkeypatch.setattr(measuring, "__package__", "tinygrad_lora.nothing")
    rows = list(measure(Plan([("W1", "S")], ["nobody"], rounds=1, launches=1), lambda steps, words: steps))
    assert "the process ended" in rows[1]["failed"] and "nothing" in rows[1]["failed"]


def test_a_worker_has_its_threads_and_no_setting_of_openblas():
    outer = {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_L2_SIZE": "1", "OMP_NUM_THREADS": "8", "PATH": "here"}
    inner = worker_environment(outer, 2)
    assert not {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"} & inner.keys()
    assert {inner[name] for name in THREAD_VARIABLES} == {"2"} and inner["PATH"] == "here"


def test_a_students_process_has_one_thread_whatever_multiplies_matrices():
    own = zygote.environment()
    assert own["VECLIB_MAXIMUM_THREADS"] == "1"  # Apple's
    assert {own[name] for name in THREAD_VARIABLES} == {"1"}


def test_the_machine_is_told_with_the_library_that_the_doctor_names(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)  # whether it is installed makes no difference
    assert environment()["blas"] == blas()


def test_every_peer_has_a_module_and_a_variant_is_ours():
    assert all(importlib.util.find_spec(f"bench.peers.{p.module}") for p in PEERS.values())
    assert peer(WITHOUT + "row_blocks") is PEERS["ours"]


# --- From times to a table ---


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (999.99e-6, "1.00 ms"), (9.996e-6, "10.0 us"), (99.96e-6, "100 us"), (999.4e-6, "999 us"), (0.9999, "1.00 s"),
        (0.9996e-6, "1.00 us"), (5e-9, "5.00 ns"), (0.0, "0.00 ns"), (1234.6, "1,235 s"),
    ],
)  # fmt: skip
def test_a_time_has_three_digits(seconds, text):
    assert short(seconds) == text


def row(peer, times, launch=0, **more):
    return {
        "kind": "times",
        "launch": launch,
        "workload": "W3",
        "size": "S",
        "peer": peer,
        "first": 2e-3,
        "times": times,
        **more,
    }


ROWS = [
    {"kind": "environment", "launch": 0},
    row("ours", [10e-6, 20e-6, 10e-6]),
    row("naive", [20e-6, 20e-6, 40e-6]),
    row("ours", [10e-6, 10e-6, 10e-6], launch=1),
    row("naive", [20e-6, 20e-6, 10e-6], launch=1),
    row("ours", [10e-6, 10e-6, 12e-6], launch=2),
    row("naive", [12.5e-6, 12.5e-6, 15e-6], launch=2),
    {"kind": "times", "launch": 0, "workload": "W3", "size": "S", "peer": "micrograd", "skipped": "numbers only"},
]


def test_a_ratio_is_taken_round_by_round_and_the_gate_is_the_median_of_launches():
    collected = {r.peer: r for r in results(ROWS)}
    assert collected["naive"].launches == (0.5, 0.5, 0.8)  # the medians of .5 1 .25, of .5 .5 1, and of .8 .8 .8
    assert collected["naive"].ratio == 0.5 and collected["ours"].ratio == 1
    assert (collected["naive"].low, collected["naive"].high) == (0.5, 0.8)
    assert collected["naive"].seconds == 20e-6
    assert ratio_of(results(ROWS), "W3", "S", "naive") == 0.5 and ratio_of(results(ROWS), "W3", "M", "naive") is None


def test_quartiles_of_one_round_are_that_round():
    assert quartiles([0.7]) == (0.7, 0.7)


def test_the_table_shows_what_was_timed():
    assert ratio_table(results(ROWS)).splitlines() == [
        "|      | ours, time | naive |",
        "|------|------------|-------|",
        "| W3 S | 10.0 us    | 0.50  |",
    ]


def test_the_details_show_the_first_step_quartiles_and_launches():
    table = detail_table(results(ROWS)).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert cells[3] == ["W3 S", "naive", "2.00 ms", "20.0 us", "0.50", "0.50 to 0.80", "0.50 0.50 0.80"]
    assert len(cells) == 4  # what was not timed stands in a list of its own


def test_the_table_of_techniques_has_a_row_for_each_and_says_what_it_does():
    collected = [r._replace(peer=r.peer.replace("naive", "row_blocks")) for r in results(ROWS)]
    assert technique_table(collected, {"row_blocks": "small blocks", "in_place": "no copy"}).splitlines()[2:] == [
        "| row_blocks | 0.50 | small blocks |",
        "| in_place   | -    | no copy      |",
    ]


def test_the_terminal_shows_one_line_for_each():
    assert lines(results(ROWS)) == [
        ("W3 S    ours     ", "  10.0 us"),
        ("W3 S    naive    ", "  20.0 us    0.50 [0.50 0.80]   launches 0.50 0.50 0.80"),
        ("W3 S    micrograd", "numbers only"),
    ]


def test_a_page_gets_the_table_between_its_marks_and_nothing_else_changes(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- bench: ratios -->\nold\n<!-- bench: end -->\nafter\n<!-- bench: bars -->\n"
                    "<!-- bench: end -->\n")  # fmt: skip
    assert page_with(page, "ratios", r"new \1 table") == (
        "before\n<!-- bench: ratios -->\n\nnew \\1 table\n\n<!-- bench: end -->\nafter\n<!-- bench: bars -->\n"
        "<!-- bench: end -->\n"
    )
    with pytest.raises(ValueError, match="no place for the ablation"):
        page_with(page, "ablation", "")


# --- The goals ---


def test_a_goal_is_met_missed_or_not_measured():
    count = ours("calls", "W3", "S", "calls")
    speed = ours("speed", "W3", "S", "microseconds")
    bars = [
        Bar("W3 S against naive", 0.45, (Cell("W3", "S", "naive"),)),
        Bar("calls", 20, (count,)),
        Bar("time", 0.85, (speed, count), " us", lambda a, b: a / b),
        Bar("W3 S against jax", 0.45, (Cell("W3", "S", "jax"),)),
    ]
    probes = [
        {"kind": "probe", "name": name, "peer": "ours", "workload": "W3", "size": "S", key: value}
        for name, key, value in (("calls", "calls", 20), ("speed", "microseconds", 16.0))
    ]
    verdicts = judged(bars, results(ROWS), [*ROWS, *probes])
    assert [t["verdict"] for t in verdicts] == ["missed", "met", "met", "not measured"]
    assert bar_table(verdicts).splitlines()[2:] == [
        "| W3 S against naive | 0.5      | 0.45    | missed       |",
        "| calls              | 20       | 20      | met          |",
        "| time               | 0.8 us   | 0.85 us | met          |",
        "| W3 S against jax   | -        | 0.45    | not measured |",
    ]


def test_the_plans_measure_every_ratio_that_a_goal_needs_and_no_other():
    planned = {(*case, name) for plan in plans_for(BARS) for case in plan.cases for name in plan.peers}
    needed = {tuple(need) for bar in BARS for need in bar.needs if isinstance(need, Cell)}
    assert {cell for cell in planned if cell[2] != "ours"} == needed


def test_the_goals_name_workloads_sizes_and_peers_that_exist():
    for need in (need for bar in BARS for need in bar.needs):
        assert need.peer in {*PEERS, *PADDED}
        if isinstance(need, Cell) or need.name in ("calls", "speed", "memory"):
            assert need.size in WORKLOADS[need.workload].sizes


def test_a_steady_step_is_asked_for_its_memory_beyond_what_it_returns():
    result = Worker("naive").answer({"ask": "probe", "name": "memory", "workload": "W1", "size": "M", "seed": 0})
    size = SIZES["M"]
    returned = 4 * size.batch * size.outputs
    assert returned <= result["peak"] and 4 * size.batch * size.rank <= result["allocated"] < returned


# --- The command ---


@pytest.mark.slow
def test_a_run_prints_the_ratio_and_writes_readable_files(tmp_path, capsys):
    out, page = tmp_path / "out", tmp_path / "page.md"
    page.write_text("<!-- bench: ratios -->\n<!-- bench: end -->\n")
    few = ["--workloads", "W1", "--sizes", "S", "--peers", "naive", "micrograd", "--rounds", "2", "--launches", "1"]
    assert main([*few, "--out", str(out), "--update-docs", str(page)]) == 0
    printed = capsys.readouterr().out
    for words in ("W1 S    ours", "W1 S    naive", "numpy", "ratios.jsonl"):
        assert words in printed
    assert "numbers and no arrays (W1 S)" in printed or "micrograd is not installed (W1 S)" in printed
    rows = [json.loads(line) for line in (out / "ratios.jsonl").read_text().splitlines()]
    assert [r["kind"] for r in rows] == ["environment", "times", "times", "times"]
    timed = {r["peer"]: r for r in rows[1:] if "times" in r}
    assert timed.keys() == {"ours", "naive"} and all(len(r["times"]) == 2 for r in timed.values())
    assert rows[0]["threads"] == 1 and rows[0]["versions"]["numpy"] == np.__version__
    assert "| W1 S |" in (out / "ratios.md").read_text() and "| W1 S |" in page.read_text()
    assert (out / "ratios.svg").read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--workloads", "W9"], "there is no workload called 'W9'; there are W1, W2, W3, W3ce, W4, W5, W6, W7, W8"),
        (["--peers", "tensorflow"], "there is no peer called 'tensorflow'; there are ours,"),
        (["--sizes", "XXL"], "there is no size called 'XXL'; there are S, M, L, XL"),
        (["--rounds", "0"], "rounds must be at least 1, not 0"),
        (["--bars", "--workloads", "W9"], "there is no workload called 'W9'"),
        (["--ablation", "--threads", "0"], "threads must be at least 1, not 0"),
        (["--update-docs", str(PAGE)], f"{PAGE} has no place for the ratios"),
    ],
)
def test_a_wrong_name_or_number_gets_one_sentence_and_no_files(arguments, sentence, tmp_path, capsys):
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"run.py bench: {sentence}") and len(printed.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--peers torch --bars", "--peers goes with neither --bars nor --ablation"),
        ("--peers torch --ablation", "--peers goes with neither --bars nor --ablation"),
        ("--seed 5 --json --quick finetune", "--quick, --seed, --json must come after"),
        ("--out out variants lora", "--out must come after variants; `python3 run.py bench"),
        ("--seed -1", "seed must be 0 or more, not -1"),
        ("variants lora --out .", ". is a folder: name a file in it"),
        ("variants lora --out a_file/table.md", "a_file: "),
        ("--quack", "unrecognized arguments: --quack; `python3 run.py bench --help` says what can be given"),
        ("finetun", "argument COMMAND: invalid choice: 'finetun'"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_file").touch()
    assert main(arguments.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith(f"run.py bench: {sentence}") and printed.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a_file"]


@pytest.mark.parametrize("command", ["", "variants", "finetune", "microgpt", "sweep", "grading"])
def test_every_command_has_help_that_fits(command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"usage: python3 run.py bench {command}".rstrip()) and max(map(len, lines)) <= 80


HEARS_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
# It says so when it begins to load NumPy: what comes before is the start of Python.
BEGINNING = """
import contextlib, runpy, sys
from tinygrad_lora.commands import main as cli
put_off = cli.interrupts_put_off
@contextlib.contextmanager
def saying_so():
    with put_off():
        print("numpy" in sys.modules, flush=True)
        yield
cli.interrupts_put_off = saying_so
sys.argv = ["bench", "--quick"]
runpy.run_module("bench", run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="in Windows a process cannot be sent a Ctrl-C like this")
@pytest.mark.parametrize("delay", [0, 0.1, 0.3, 0.7, 2.0])
def test_ctrl_c_at_any_moment_leaves_one_line(delay, tmp_path):
    code = HEARS_CTRL_C + BEGINNING
    environment = worker_environment(os.environ, 1)
    environment["PYTHONPATH"] += f"{os.pathsep}{Path(__file__).parents[1]}"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, start_new_session=True,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as running:  # fmt: skip
        assert running.stdout.readline() == "False\n"
        time.sleep(delay)
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to the command and all that it started
        assert running.communicate()[1] == "run.py bench: interrupted\n"
    assert running.returncode == 130


def test_numbers_come_as_json_if_asked(tmp_path, capsys):
    few = ["--workloads", "W1", "--sizes", "S", "--peers", "naive", "--rounds", "1", "--launches", "1", "--json"]
    assert main([*few, "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    report = [Result(**{k: v for k, v in r.items() if k != "ratio"}) for r in json.loads(printed.out)]
    assert [(r.workload, r.size, r.peer) for r in report] == [("W1", "S", "ours"), ("W1", "S", "naive")]
    assert printed.err == ""


@pytest.mark.slow
def test_a_quiet_bench_leaves_only_files(tmp_path, capsys):
    assert main(["--quick", "--workloads", "W1", "--peers", "naive", "--quiet", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "ratios.md").is_file()
    variants = ["variants", "lora", "--seeds", "1", "--epochs", "1", "--quiet"]
    assert main([*variants, "--out", str(tmp_path / "variants.md")]) == 0
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "variants.md").read_text().startswith("|")
