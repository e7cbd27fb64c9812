"""A sweep over a Dask cluster: however many workers there are, and whatever is killed, the numbers are the same."""

import os
import signal
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
from sweep_cases import examples, model

import tinygrad_lora as tl
from tinygrad_lora import __version__
from tinygrad_lora.errors import SweepError
from tinygrad_lora.sweeps import cluster

distributed = pytest.importorskip("distributed", reason="Dask is not installed")

SETTINGS = {
    "rank": [1, 2], "lr": [1e-3, 1e-2], "seed": [0, 1], "steps": 40, "batch_size": 8, "side_by_side": 2, "halving": 1,
}  # fmt: skip


def swept(address=None, **more):
    return tl.sweep(model(), tl.cross_entropy, examples(80), **SETTINGS, cluster=address, **more)


def assert_same_bits(a, b):
    assert a.record() == b.record()
    for one, other in zip(a.runs, b.runs, strict=True):
        assert one.arrays.keys() == other.arrays.keys()
        assert all(np.array_equal(one.arrays[name], other.arrays[name]) for name in one.arrays)


@contextmanager
def workers(count):
    with distributed.LocalCluster(
        n_workers=count, threads_per_worker=1, dashboard_address=None, protocol="tcp"
    ) as there:
        yield there


@pytest.mark.slow
def test_the_numbers_do_not_depend_on_the_number_of_workers_nor_on_a_kill(tmp_path):
    here = swept()
    killed = []

    @contextmanager
    def killing(total, words):
        def show(done, note):
            if not killed:
                nanny = next(iter(there.workers.values()))
                killed.append(nanny.pid)
                os.kill(nanny.pid, signal.SIGKILL)

        yield show

    with workers(2) as there:
        assert_same_bits(swept(there.scheduler_address), here)
        assert_same_bits(swept(there.scheduler_address, counting=killing, folder=tmp_path), here)
        assert killed and next(iter(there.workers.values())).pid != killed[0]
    assert len([*tmp_path.glob("stack-*.npz")]) == 4
    with workers(1) as there:
        assert_same_bits(swept(there.scheduler_address), here)


def test_a_stack_comes_back_from_a_worker_as_it_is_trained_here(tmp_path):
    here = swept()

    class Client:
        def scatter(self, task, broadcast, hash):
            assert broadcast
            return task

        def submit(self, f, *arguments, pure):
            return partial(f, *arguments)

    class Dask:
        def as_completed(self, futures, with_results):
            return ((future, future()) for future in reversed(futures))

    @contextmanager
    def at_once(address, task):
        yield cluster.SweepCluster(Dask(), Client(), task)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinygrad_lora.sweeps.side_by_side.cluster_of", at_once)
        assert_same_bits(swept("anywhere", folder=tmp_path), here)
        assert_same_bits(swept("anywhere", folder=tmp_path), here)  # from the files


def test_what_cannot_be_reached_and_other_versions_are_refused(monkeypatch):
    monkeypatch.setattr(cluster, "SECONDS", "0.2s")
    with pytest.raises(SweepError, match=r"no cluster answers at 'tcp://127\.0\.0\.1:9'"):
        swept("tcp://127.0.0.1:9")
    with pytest.raises(SweepError, match="no cluster answers at 'nowhere://at all'"):
        swept("nowhere://at all")
    with pytest.raises(SweepError, match=r"the worker tcp://b has version 0\.0\.9 of this package, and here is"):
        cluster.check_versions({"tcp://a": __version__, "tcp://b": "0.0.9"})
    with pytest.raises(SweepError, match="the cluster has no workers"):
        cluster.check_versions({})
