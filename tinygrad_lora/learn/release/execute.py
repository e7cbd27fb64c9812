"""A notebook with what its cells print and draw: it is run from top to bottom, in a kernel of its own."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ...errors import TutorialError
from ...errors.install import with_extra
from ...files import parse_json
from ..own.course import copy_course

SECONDS = 600  # for one cell


def executed(text: str, name: str) -> str:
    """The text of the notebook, with outputs.

    It runs in an empty folder, with a copy of the course of one's own if there is one, and what its checks find goes
    into no one's progress. Raises TutorialError for a cell that fails, and where the libraries that run notebooks are
    missing.
    """
    nbclient, nbformat = libraries()
    book = nbformat.reads(text, as_version=4)
    problems = nbclient.exceptions
    with TemporaryDirectory() as folder, asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        copy_course(Path(folder))
        environment = os.environ | {"TINYGRAD_LORA_PROGRESS": str(Path(folder, "progress.jsonl"))}
        environment.pop("MPLBACKEND", None)  # the kernel's own puts plots into the notebook
        client = nbclient.NotebookClient(
            book, timeout=SECONDS, kernel_name="python3", extra_arguments=["--log-level=ERROR"], record_timing=False,
            resources={"metadata": {"path": folder}}, shutdown_kernel="immediate",
        )  # fmt: skip
        try:
            runner.run(_run(client, environment))
        except problems.CellExecutionError as error:
            raise TutorialError(f"{name}: a cell fails with {error.ename}: {_first_line(error.evalue)}") from error
        except (problems.CellTimeoutError, problems.DeadKernelError) as error:
            raise TutorialError(f"{name}: {_first_line(error)}") from error
    written: str = nbformat.writes(book, indent=1, ensure_ascii=False, sort_keys=True)
    return written + "\n"


async def _run(client: Any, environment: Mapping[str, str]) -> None:
    """Run all cells. A Ctrl-C cancels this task: nbclient would take the signal to itself, and then fail somehow."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def signals_as_they_were(notebook: Any) -> None:
        for number, handler in handlers.items():
            with contextlib.suppress(NotImplementedError):  # in Windows, where nothing was changed
                loop.remove_signal_handler(number)
                signal.signal(number, handler)

    client.on_notebook_start = signals_as_they_were
    try:
        await client.async_execute(env=environment)
    except Exception:
        if task and task.cancelling():  # then a cell that has ended looks like a kernel that has died
            raise asyncio.CancelledError from None
        raise


def without_outputs(text: str) -> list[tuple[str, str, str]] | None:
    """What is written in the cells of a notebook, and nothing of what came out of them; None for other text."""
    try:
        return [(cell["id"], cell["cell_type"], "".join(cell["source"])) for cell in parse_json(text, False)["cells"]]
    except (ValueError, TypeError, KeyError):
        return None


def libraries() -> Any:
    """nbclient and nbformat. Raises TutorialError where they, or a kernel, are missing."""
    if not all(map(find_spec, ("nbclient", "nbformat", "ipykernel"))):
        remedy = f"{with_extra('notebook')}; --no-execute leaves them without outputs"
        raise TutorialError(f"running the notebooks needs nbclient and ipykernel: {remedy}")
    import nbclient
    import nbformat

    return nbclient, nbformat


def _first_line(message: object) -> str:
    return f"{message}\n".splitlines()[0]
