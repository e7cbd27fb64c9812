"""Grading on a Dask cluster: the same function of a job, mapped over its workers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from ..dask import distributed
from ..errors.install import with_extra
from .grading import GradingSettings, GradingWorker, Job, Result, job_of as local_job
from .submissions import Submission, files_of


@cache
def _worker() -> GradingWorker:
    return GradingWorker()


def grade(job: Job) -> Result:
    """The result of a job, on whichever machine this runs. Each worker of Dask's keeps one grading worker."""
    return _worker().judge(job)


def job_of(submission: Submission, ids: Sequence[str], settings: GradingSettings) -> Job:
    """A job that carries the files along: another machine may not see the files."""
    job = local_job(submission, ids, settings)
    files, notes = files_of(list(submission.paths))
    del job["paths"]
    return {**job, "files": files, "notes": notes}


class DaskCluster:
    """A client of a cluster, as an executor: `submit(job)` gives a future."""

    def __init__(self, address: str) -> None:
        self._client = _distributed().Client(address)

    def __enter__(self) -> DaskCluster:
        return self

    def submit(self, job: Job) -> Any:
        """Have some machine of the cluster grade it."""
        return self._client.submit(grade, job, pure=False)

    def __exit__(self, *error: object) -> None:
        self._client.close()


def as_completed(futures: Iterable[Any]) -> Iterable[Any]:
    """The futures as they are done."""
    return _distributed().as_completed(list(futures))


def _distributed() -> Any:
    return distributed("grading on a cluster", with_extra("grade"))
