"""A sweep on several machines: each worker of a Dask cluster trains one stack at a time.

The task goes to each worker once, and behind it only the state of a stack, there and back. A stack that a worker did
not finish, because it was killed, is trained again by another one: from the same state, to the same numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from .. import __version__
from ..blas import one_thread
from ..dask import distributed
from ..errors import SweepError
from .settings import RunSettings
from .training import Run, StackTraining, SweepTask

Settings = Mapping[int, RunSettings]
LOCAL, SECONDS = "local", "10s"  # to wait for a scheduler


def train(task: SweepTask, settings: Settings, moments: Sequence[int], mark: str, state: bytes) -> bytes:
    """The state of a stack after these steps: what a worker does."""
    one_thread()  # the last digits of a product may depend on the number
    training = StackTraining(task, {k: Run(each) for k, each in settings.items()})
    training.restore(BytesIO(state), mark)
    for _ in training.train(moments):
        pass
    return training.state(mark)


class SweepCluster:
    """The workers of a cluster that have the task."""

    def __init__(self, dask: Any, client: Any, task: SweepTask) -> None:
        self._dask, self._client = dask, client
        self._task = client.scatter(task, broadcast=True, hash=False)

    def trained(self, trainings: Sequence[StackTraining], moments: Sequence[int], mark: str) -> Iterator[int]:
        """Train the stacks that are not there yet up to these steps, and yield the number of each as it is done."""
        jobs = {}
        for i, training in enumerate(trainings):
            if training.steps < moments[-1] and training.alive:
                settings = {k: run.settings for k, run in training.runs.items()}
                job = train, self._task, settings, list(moments), mark, training.state(mark)
                jobs[self._client.submit(*job, pure=False)] = i
        for future, state in self._dask.as_completed([*jobs], with_results=True):
            trainings[jobs[future]].restore(BytesIO(state), mark)
            yield jobs[future]


@contextmanager
def cluster_of(address: str | None, task: SweepTask) -> Iterator[SweepCluster | None]:
    """The cluster at an address, one of this machine for "local", or None where no cluster is asked for.

    Raises SweepError for one that cannot be reached, and for workers with another version of this package.
    """
    if address is None:
        yield None
        return
    dask = distributed("a sweep on a cluster")
    try:
        client = dask.Client(threads_per_worker=1) if address == LOCAL else dask.Client(address, timeout=SECONDS)
    except (OSError, ValueError) as error:
        raise SweepError(f"no cluster answers at {address!r}: {error or type(error).__name__}") from None
    with client:
        check_versions(client.run(_version))
        yield SweepCluster(dask, client, task)


def check_versions(versions: Mapping[str, str]) -> None:
    """Raise SweepError unless there are workers, and all have the version that is here."""
    if not versions:
        raise SweepError("the cluster has no workers: start some, as with `dask worker ADDRESS`")
    if others := {worker: version for worker, version in versions.items() if version != __version__}:
        worker, version = next(iter(others.items()))
        raise SweepError(f"the worker {worker} has version {version} of this package, and here is {__version__}")


def _version() -> str:
    return __version__
