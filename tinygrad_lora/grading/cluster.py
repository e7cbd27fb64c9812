"""Grading on a Dask cluster: the same function of a job, mapped over its workers."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

from ..dask import distributed
from .grading import GradingSettings, GradingWorker, Job, Result, Submit, job_of as local_job
from .submissions import Submission, files_of

WHAT = "grading on a cluster"
_worker = cache(GradingWorker)  # one in each worker of Dask's


def grade(job: Job) -> Result:
    """The result of a job, on whichever machine this runs."""
    return _worker().judge(job)


def job_of(submission: Submission, ids: Sequence[str], settings: GradingSettings) -> Job:
    """A job that carries the files along: another machine may not see the files."""
    job = local_job(submission, ids, settings)
    files, notes = files_of(list(submission.paths))
    del job["paths"]
    return {**job, "files": files, "notes": notes}


@contextmanager
def working(address: str) -> Iterator[Submit]:
    """A function that has some machine of the cluster at this address grade a job, and gives a future."""
    with distributed(WHAT).Client(address) as client:
        yield partial(client.submit, grade, pure=False)


def as_completed(futures: Iterable[Any]) -> Iterable[Any]:
    """The futures as they are done."""
    return distributed(WHAT).as_completed(list(futures))
