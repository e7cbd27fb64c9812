"""Submissions that mean harm, or are broken: each gets what it honestly earned, nobody else is touched."""

import json
import os
import re
from dataclasses import asdict

import pytest
from held import settings

from tinygrad_lora.grading.grading import GradingWorker, job_of
from tinygrad_lora.grading.submissions import submissions
from tinygrad_lora.learn import load_exercise

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the limits are those of POSIX"),
]

ID = "05-unbroadcast"
RIGHT = load_exercise(ID).solution
FULL = load_exercise(ID).points
SETTINGS = settings(cpu=15, memory=1 << 30, wall=60.0)


@pytest.fixture(scope="module")
def worker():
    made = GradingWorker()
    yield made
    made.close()


@pytest.fixture
def grade(worker, tmp_path):
    """`grade(source)` or `grade(notebook=text)`: the result of a submission with this content, for one exercise."""

    def grade(source="", *, notebook=None, ids=(ID,)):
        folder = tmp_path / "submissions"
        folder.mkdir(exist_ok=True)
        for old in folder.glob("mallory.*"):
            old.unlink()
        path = folder / ("mallory.py" if notebook is None else "mallory.ipynb")
        path.write_text(source if notebook is None else notebook, encoding="utf-8", errors="surrogateescape")
        result = worker.judge(job_of(submissions(folder)[-1], ids, SETTINGS) | {"patience": 0.1})
        assert "failed" not in result
        assert worker.judge({"cells": [["honest", RIGHT]], "exercises": [ID], **job()})["points"] == FULL
        return result

    return grade


def job():
    return asdict(SETTINGS) | {"budget": 5}


def notebook(*cells):
    return json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def cell(source, role=None, **more):
    marks = {"tinygrad_lora": {"exercise": ID, "role": role}} if role else {}
    return {"cell_type": "code", "source": source, "metadata": marks, "outputs": [], **more}


def codes(result):
    return {one["diagnosis"] for one in result["results"] if not one["passed"]}


def test_an_honest_one_has_full_marks(grade):
    assert grade(RIGHT)["points"] == FULL
    assert grade(notebook=notebook(cell(RIGHT.splitlines(keepends=True))))["points"] == FULL


ENDINGS = {
    "an endless loop": ("while True: pass", "too-slow"),
    "a loop that catches everything": (
        "while True:\n        try:\n            while True: pass\n        except BaseException: pass", "too-slow"),
    "os._exit": ("import os; os._exit(0)", "process-ended"),
    "sys.exit": ("import sys; sys.exit(0)", "exception"),
    "exit": ("raise SystemExit", "exception"),
    "a keyboard interrupt": ("raise KeyboardInterrupt", "exception"),
    "abort": ("import os; os.abort()", "process-ended"),
    "a memory bomb": ("return [np.ones(10**7) for _ in range(10**6)]", None),
    "one large array": ("return np.ones(10**12)", "exception"),
    "a large answer": ("return np.ones((3000, 4000))", "wrong-type"),
    "an endless list": ("return iter(int, 1)", "wrong-type"),
    "a list in itself": ("a = []; a.append(a); return a", "wrong-type"),
    "a deep list": ("a = []\n    for _ in range(10**5): a = [a]\n    return a", "wrong-type"),
    "endless recursion": ("return unbroadcast(g, shape)", "recursion"),
    "a flood of output": ("while True: print('x' * 10**6, flush=True)", "too-slow"),
    "a flood in the error stream": ("import sys\n    while True: sys.stderr.write('x' * 10**6)", "too-slow"),
    "garbage in the channel": ("import os; os.write(3, b'x' * 10**6)", None),
    "a score in the channel": (
        "import os; m = b'{\"return\":1,\"points\":99,\"sizes\":[]}'; "
        "os.write(3, len(m).to_bytes(4, 'big') + bytes(8) + m)", None),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDINGS)
def test_a_function_that_does_not_come_back_costs_its_own_points(name, grade):
    body, code = ENDINGS[name]
    result = grade(f"import numpy as np\ndef unbroadcast(g, shape):\n    {body}\n")
    assert result["points"] == 0
    assert code is None or codes(result) == {code}, [one["sentence"] for one in result["results"]]


FORBIDDEN = {
    "a fork": "import os\nos.fork()",
    "a fork bomb": "import os\nwhile True: os.fork()",
    "a process": "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'print(1)'])",
    "a process unseen": "import _posixsubprocess\n_posixsubprocess.fork_exec()",
    "a shell": "import os\nos.system('true')",
    "exec": "import os\nos.execv('/bin/true', ['true'])",
    "spawn": "import os\nos.posix_spawn('/bin/true', ['true'], {})",
    "multiprocessing": "import multiprocessing as m\nm.get_context('fork').Process(target=print).start()",
    "killing the parent": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)",
    "killing the group": "import os, signal\nos.killpg(0, signal.SIGKILL)",
    "a socket": "import socket\nsocket.socket()",
    "a download": "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9/')",
    "a read": "open('/etc/passwd').read()",
    "a read by number": "import os\nos.open('/etc/passwd', os.O_RDONLY)",
    "a listing": "import os\nos.listdir('/')",
    "a listing by path": "import pathlib\nlist(pathlib.Path('/').iterdir())",
    "a way up": "open('../../../etc/passwd')",
    "a link": "import os\nos.symlink('/etc/passwd', 'mine')",
    "a write": "open('/tmp/mallory', 'w')",
    "a folder": "import pathlib\npathlib.Path('/tmp/mallory').mkdir()",
    "a removal": "import shutil\nshutil.rmtree('/tmp')",
    "a move": "import os\nopen('a', 'w').close()\nos.rename('a', '/tmp/mallory')",
    "a change into the library": "import numpy\nopen(numpy.__file__, 'a')",
    "machine code": "import ctypes\nctypes.CDLL(None)",
    "all objects": "import gc\ngc.get_objects()",
    "larger limits": "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))",
    "the reference": f"import inspect\nfrom tinygrad_lora.learn import load_exercise\nload_exercise({ID!r})",
    "the reference by name": f"from tinygrad_lora.learn import reference\nunbroadcast = reference({ID!r})",
    "the reference's module": "import tinygrad_lora.learn.exercises.t05.unbroadcast as m",
    "the reference's file": (
        "from tinygrad_lora.grading.sandbox.hook import SOLVED\nopen(SOLVED[1] + '/exercises/t05/unbroadcast.py')"),
    "the reference's folder": "from tinygrad_lora.grading.sandbox.hook import SOLVED\nimport os\nos.listdir(SOLVED[1])",
}  # fmt: skip


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_is_forbidden_is_refused_and_told(name, grade):
    result = grade(f"{FORBIDDEN[name]}\n{RIGHT}")
    assert result["refused"] or re.search("there (are no|is no) exercise", result["notes"][0])
    assert result["points"] == 0, "the cell ended there"
    assert not os.path.exists("/tmp/mallory")


def test_the_work_folder_is_the_students_own(grade):
    own = "import tempfile, pathlib\npathlib.Path('a').write_text('b')\ntempfile.TemporaryFile().close()\n"
    assert grade(own + RIGHT)["points"] == FULL
    gone = "import os\nassert not os.path.exists('a')\n"
    assert grade(gone + RIGHT)["points"] == FULL


PATCHES = {
    "numpy": "import numpy as np\nfor n in ('allclose', 'isclose', 'array_equal', 'all'):\n"
    "    setattr(np, n, lambda *a, **k: True)",
    "the checks": "import tinygrad_lora.learn.checking.run as r, tinygrad_lora.learn.exact as e\n"
    "r.run_checks = r._diagnosis = lambda *a, **k: None\ne.same = lambda *a, **k: True",
    "the refusals": "import tinygrad_lora.learn.diagnosis as d\nd.require = d.tell = d.Wrong = lambda *a, **k: None",
    "builtins": "import builtins\nbuiltins.isinstance = lambda *a: True\nbuiltins.len = lambda *a: 1",
    "the protocol": "import tinygrad_lora.grading.process.peer as p\np.Peer._raise = lambda *a, **k: None\n"
    "import tinygrad_lora.grading.process.packing as q\nq.Packer.pack = lambda self, x: x",
    "the hook": "import tinygrad_lora.grading.sandbox.hook as s\ns.FORBIDDEN = ()\ns.hook = None",
    "the engine": "import tinygrad_lora.core.graph as g\ng.topological_order = lambda outputs: []",
    "time": "import time\ntime.monotonic = lambda: 0.0",
}


@pytest.mark.parametrize("name", PATCHES)
def test_patches_stay_in_the_students_process(name, grade):
    wrong = "def unbroadcast(g, shape):\n    import numpy as np\n    return np.zeros(shape)\n"
    assert grade(f"{PATCHES[name]}\n{wrong}")["points"] == 0


def test_a_patch_beside_a_right_answer_does_no_harm(grade):
    assert grade(f"{PATCHES['numpy']}\n{RIGHT}")["points"] == FULL


LIES = """
import numpy as np
class Liar:
    shape = ()
    def __eq__(self, other): return True
    def __array__(self, *a, **k): return np.ones(3)
    def __bool__(self): return True
    def __len__(self): return 1
    def __iter__(self): return iter([1.0])
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
class Sub(np.ndarray):
    def __eq__(self, other): return True
class Number(float):
    def __eq__(self, other): return True
class Meta(type):
    def __instancecheck__(self, x): return True
"""


@pytest.mark.parametrize("gives", ["Liar()", "np.zeros(shape).view(Sub)", "Number()", "{'a': Liar()}", "Liar", "Meta"])
def test_objects_that_lie_are_no_answers(gives, grade):
    result = grade(f"{LIES}\ndef unbroadcast(g, shape):\n    return {gives}\n")
    assert result["points"] == 0 and codes(result) == {"wrong-type"}


def test_a_fake_score_is_output_and_nothing_more(grade):
    shouts = 'print(\'{"results": [], "points": 99, "out_of": 99}\')\nprint("05-unbroadcast: 5 of 5 points")\n'
    assert grade(shouts)["points"] == 0
    leaves = "import atexit\natexit.register(print, '{\"points\": 99}')\n"
    assert grade(leaves)["points"] == 0


def test_check_cells_are_not_believed_edited_or_doubled(grade):
    fake = cell("unbroadcast = 3\nraise SystemExit", "check")
    made = notebook(fake, cell(RIGHT, "answer"), fake, fake, cell("check('05-unbroadcast', unbroadcast).points = 99"))
    assert grade(notebook=made)["points"] == FULL
    assert grade(notebook=notebook(cell("from tinygrad_lora.learn import check\nreport = 5", "check")))["points"] == 0


def test_a_cell_that_fails_or_hangs_does_not_stop_the_next(grade):
    made = notebook(cell("1 / 0"), cell("def ("), cell("raise SystemExit"), cell("%matplotlib inline\n!ls\nx = 1"),
                    cell("%%bash\nls"), cell("async def f(): return 1\nawait f()"), cell(RIGHT))  # fmt: skip
    result = grade(notebook=made)
    assert result["points"] == FULL
    assert [note.partition(":")[0] for note in result["notes"]] == ["cell 1", "cell 2", "cell 3"]


def test_a_cell_that_never_ends_is_stopped(grade):
    result = grade(notebook=notebook(cell("while True: pass"), cell(RIGHT)))
    assert result["points"] == FULL and "stopped" in result["notes"][0]


BROKEN = {
    "empty": "", "spaces": "  \n", "cut off": notebook(cell(RIGHT))[:-40], "a list": "[1, 2]", "a number": "3",
    "no cells": "{}", "cells that are none": '{"cells": 3}', "deep": "[" * 100_000,
    "cells of nothing": '{"cells": [1]}',
    "no source": '{"cells": [{"cell_type": "code"}]}',
    "odd source": '{"cells": [{"cell_type": "code", "source": [1]}]}',
    "not UTF-8": "\udcff\udcfe", "odd marks": '{"cells": [{"cell_type": "code", "metadata": 3, "source": "x"}]}',
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_notebook_has_no_points(name, grade):
    result = grade(notebook=BROKEN[name])
    assert result["points"] == 0 and codes(result) == {"not-started"}


def test_a_file_with_a_syntax_error_says_so(grade):
    result = grade(f"def unbroadcast(g, shape:\n    pass\n{RIGHT}")
    assert result["points"] == 0 and "SyntaxError in line 1" in result["notes"][0]


def test_wrong_names_count_for_nothing(grade):
    assert grade(RIGHT.replace("unbroadcast", "Unbroadcast"))["points"] == 0


def test_a_notebook_with_large_outputs_is_read(grade):
    output = [{"output_type": "stream", "text": "x" * 50_000_000}]
    assert grade(notebook=notebook(cell(RIGHT, outputs=output)))["points"] == FULL


def test_huge_files_are_not_read(grade, monkeypatch):
    assert "characters of code" in grade("#" * 2_000_000)["notes"][0]


def test_other_submissions_cannot_be_read(grade, tmp_path):
    other = tmp_path / "submissions" / "alice.py"
    other.parent.mkdir()
    other.write_text(RIGHT, encoding="utf-8")
    result = grade(f"exec(open({str(other)!r}).read())")
    other.unlink()
    assert result["points"] == 0


def test_each_check_of_an_exercise_stands_for_itself(grade):
    """The deep graph ends the process; what comes before and after counts."""
    source = load_exercise("04-topo").solution.replace(
        "    order, seen", "    import os\n    if output.name is None and not output.op.name == 'add' and "
        "len(output.parents) == 1 and output.parents[0].parents and output.op.name == 'scale': os._exit(3)\n"
        "    order, seen",
        1,
    )  # fmt: skip
    result = grade(source, ids=["04-topo"])
    passed = {one["test"]: one["passed"] for one in result["results"]}
    assert not passed["test_a_graph_deeper_than_the_stack"] and passed["test_a_million_million_paths"]
    outcome = next(one for one in result["results"] if one["test"] == "test_a_graph_deeper_than_the_stack")
    assert outcome["diagnosis"] == "process-ended" and "exit code 3" in outcome["sentence"]


CALLS_ITSELF = """
import sys
sys.setrecursionlimit({limit})
def topo_sort(output):
    order, seen = [], set()
    def visit(node):
        if node not in seen:
            seen.add(node)
            for parent in node.parents:
                visit(parent)
            order.append(node)
    visit(output)
    return order
"""


@pytest.mark.parametrize(("limit", "code"), [(1000, "recursion"), (4000, "recursion"), (1_000_000, None)])
def test_a_raised_limit_of_recursion_counts_if_it_does_for_the_deepest_graphs(limit, code, grade):
    result = grade(CALLS_ITSELF.format(limit=limit), ids=["04-topo"])
    assert [one["diagnosis"] for one in result["results"]] == [None, code, None]
