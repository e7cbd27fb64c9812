"""How much of the package a newcomer walks through: `python tests/benchmarks/rooms.py`.

For a few calls that everybody makes: the modules of the package whose functions run during the call, and how many of
them stand in `core`. Loading a module does not count.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(HERE))

import tinygrad_lora as tl  # noqa: E402
from tinygrad_lora.learn import reference  # noqa: E402

PACKAGE = str(HERE / "tinygrad_lora") + "/"


def walked(call):
    """The modules in which functions run during a call, but for the first run, in which everything is loaded."""
    call()
    files = set()

    def look(frame, event, argument):
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE) and frame.f_code.co_name != "<module>":
            files.add(frame.f_code.co_filename.removeprefix(PACKAGE))

    sys.setprofile(look)
    try:
        call()
    finally:
        sys.setprofile(None)
    return files


def calls():
    rng = np.random.default_rng(0)
    x, w = tl.constant(rng.normal(size=(4, 3))), tl.parameter(rng.normal(size=(3, 2)), "w")
    model = tl.Sequential(tl.Linear(3, 4, seed=0), tl.Linear(4, 2, seed=1))
    with tempfile.TemporaryDirectory() as folder:
        tl.adapt(model, rank=2, seed=0)
        tl.save_adapter(model, folder)
        yield "loss.backward()", lambda: tl.mse(x @ w, np.zeros((4, 2))).backward()
        yield "tl.compile(f)(x)", lambda: tl.compile(lambda x: tl.relu(x @ w) + 1.0)(x.value)
        yield (
            "load_adapter",
            lambda: tl.load_adapter(tl.Sequential(tl.Linear(3, 4, seed=0), tl.Linear(4, 2, seed=1)), folder),
        )
        yield "check", lambda: tl.check("01-count-nodes", reference("01-count-nodes"))


def main():
    for name, call in calls():
        files = walked(call)
        core = sorted(file for file in files if file.startswith("core/"))
        print(f"{name:<18} {len(core)} + {len(files) - len(core)} modules")
        if "--names" in sys.argv:
            print("    " + " ".join(sorted(files)))


if __name__ == "__main__":
    main()
