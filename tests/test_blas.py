"""How many threads multiply matrices: one where somebody asked for it, and whatever the user set before."""

import json
import os
import subprocess
import sys

import pytest

from tinygrad_lora import blas

ASK = """
import json, os
from tinygrad_lora import blas
import numpy as np
{code}
count = next(blas._functions("scipy_openblas_get_num_threads64_", "openblas_get_num_threads"), lambda: None)()
print(json.dumps([count, os.environ.get("OPENBLAS_NUM_THREADS")]))
"""


def threads_after(code, **variables):
    clean = {name: value for name, value in os.environ.items() if name not in blas.THREAD_VARIABLES}
    run = [sys.executable, "-c", ASK.format(code=code)]
    done = subprocess.run(run, env=clean | variables, capture_output=True, text=True, check=True)
    count, variable = json.loads(done.stdout)
    if count is None:
        pytest.skip("this NumPy multiplies matrices without OpenBLAS")
    return count, variable


def test_one_thread_multiplies_where_it_was_asked_for():
    assert threads_after("blas.one_thread()") == (1, "1")


def test_the_package_alone_changes_nothing():
    before, _ = threads_after("")
    assert threads_after("import tinygrad_lora as tl; tl.add(1, 2)") == (before, None)


def test_what_the_user_set_stays():
    before, _ = threads_after("", OPENBLAS_NUM_THREADS="2")  # no more than there are processors
    assert threads_after("blas.one_thread()", OPENBLAS_NUM_THREADS="2") == (before, "2")
    assert threads_after("blas.one_thread()", OMP_NUM_THREADS="2") == threads_after("", OMP_NUM_THREADS="2")


def test_commands_for_small_things_ask_for_it():
    wrong = "from tinygrad_lora.commands.main import main; main(['draw', '--no-such-option'])"
    assert threads_after(wrong) == (1, "1")
