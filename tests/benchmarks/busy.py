"""How much slower a busy machine is: `python tests/benchmarks/busy.py`, the demo and a notebook, alone and in company.

In company means beside one endless loop for each core. The last column is the ratio of the times.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "tutorials" / "11_low_rank.ipynb"
RUN = """\
import pathlib, sys
from tinygrad_lora.learn.release.execute import executed
executed(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"), sys.argv[1])
"""
TASKS = {
    "tinygrad-lora demo": [sys.executable, "-m", "tinygrad_lora", "demo", "--quiet", "--out", "{folder}"],
    NOTEBOOK.stem: [sys.executable, "-c", RUN, str(NOTEBOOK)],
}


@contextmanager
def busy_cores():
    """An endless loop for each core."""
    with ExitStack() as stack:
        for _ in range(os.cpu_count() or 1):
            loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(loop.kill)
        yield


def seconds(command: Sequence[str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run([part.format(folder=folder) for part in command], check=True, capture_output=True, cwd=ROOT)
        return time.perf_counter() - start


if __name__ == "__main__":
    # These cripple a current NumPy where they are set for another machine.
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(name, None)
    for name, command in TASKS.items():
        alone = min(seconds(command) for _ in range(2))
        with busy_cores():
            beside = seconds(command)
        print(f"{name:<20} alone {alone:6.1f} s, on a busy machine {beside:6.1f} s: {beside / alone:.2f} times")
