"""The workers of a Dask cluster, one that is there or one of processes of this machine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from benchmarks.errors import UsageError
from benchmarks.naming.call_syntax import in_words
from benchmarks.running.backends.parcel import Parcel, Requirements, Returned, carry_out_parcel, why_unfit
from benchmarks.running.backends.reach import check_dask
from benchmarks.running.backends.remote import ATTEMPTS, LOOK, ClusterGoneError, JobLostError, Remote, lost

__all__ = ["Dask"]

FAILURES: Final = {"distributed.scheduler.allowed-failures": ATTEMPTS - 1}
PATIENCE: Final = 20
"""Looks, each of `LOOK` seconds, after which a cluster of our own without any worker gets new ones."""

BUSY: Final = 8.0  # seconds in which a scheduler that answers must take us up, and one that was lost come back

LARGE: Final = {"distributed.admin.large-graph-warning-threshold": "1GiB"}  # a parcel is one job with its files


class Dask(Remote):
    """A Dask cluster; without an address one of ``jobs`` processes with one thread each, and no dashboard."""

    def __init__(self, jobs: int | None, address: str | None, data: Path | None) -> None:
        super().__init__(jobs, address, data)
        self.client: Any = None
        self.cluster: Any = None
        self.topic = f"stepscape-{uuid4().hex[:12]}"
        self.told: dict[str, float] = {}
        self.names: dict[Hashable, str] = {}
        self.empty = 0  # looks in which there was no worker

    def connect(self) -> None:
        import dask
        from distributed import Client, LocalCluster

        where: Any = self.address
        if where is None:
            with dask.config.set(FAILURES):
                where = self.cluster = LocalCluster(
                    n_workers=self.jobs or 1,
                    threads_per_worker=1,
                    memory_limit=0,  # the driver has seen that all fits
                    dashboard_address="127.0.0.1:0",  # it serves some page in any case
                    silence_logs=logging.CRITICAL,
                )
        with self._answering():
            self.client = Client(where, timeout=BUSY, set_as_default=False)
        self.client.subscribe_topic(self.topic, self._hear)

    def check_address(self) -> None:
        with self._answering():
            if self.address is not None:
                check_dask(self.address)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Raise `UsageError` where nobody answers at the address."""
        try:
            yield
        except (OSError, ValueError, TypeError, OverflowError) as error:
            raise UsageError(
                f"no Dask scheduler answers at {self.address}: is it running, and is the address one as "
                "tcp://host:8786, which `dask scheduler` prints?"
            ) from error

    def _hear(self, event: tuple[float, Any]) -> None:
        name, share = event[1]
        if name in self.names.copy().values():  # jobs come and go meanwhile
            self.told[name] = share

    def unfit_workers(self, needs: Requirements) -> list[str] | None:
        threads: Mapping[str, int] = self.client.nthreads()
        for address, count in threads.items():
            if count != 1:  # torch's threads are those of the whole process
                return [f"the worker at {address} has {count} threads: start workers with --nthreads 1"]
        futures = [
            self.client.submit(why_unfit, needs, workers=[address], pure=False, allow_other_workers=False)
            for address in threads
        ]
        found = []
        for future in futures:
            if (error := future.exception()) is not None:
                found.append(f"a worker cannot run jobs ({error}): is the driver's stepscape installed there?")
            else:
                found.append(future.result())
        return [unfit for unfit in found if unfit] if threads else None

    @property
    def workers(self) -> int:
        with self._there():
            return len(self.client.nthreads())

    def send(self, parcel: Parcel) -> Hashable:
        import dask

        key = f"{parcel.job.name}-{uuid4().hex}"
        with self._there(), dask.config.set(LARGE):
            future = self.client.submit(_work, parcel, self.topic, key=key, pure=False)
        self.names[future] = parcel.job.name
        handle: Hashable = future
        return handle

    def ended(self, handles: Sequence[Any]) -> Sequence[Hashable]:
        from distributed import TimeoutError as Waited
        from distributed import wait

        with self._there(), suppress(Waited), self.client.as_current():
            wait(handles, timeout=LOOK, return_when="FIRST_COMPLETED")
        found = [handle for handle in handles if handle.done()]
        if not found and self.cluster is not None:
            self._revive()
        return found

    def _revive(self) -> None:
        """Start the workers of our own cluster again where all are gone, as where none came up in time on a busy
        machine; raises `ClusterGoneError` where that does not help.
        """
        with self._there():
            self.empty = 0 if self.client.nthreads() else self.empty + 1
        if self.empty == ATTEMPTS * PATIENCE:
            raise ClusterGoneError(
                "all workers of the local Dask cluster ended, and none could be started; what is finished is kept, and "
                "the same command goes on from there"
            )
        if self.empty and self.empty % PATIENCE == 0:
            self.cluster.scale(0)
            self.cluster.scale(self.jobs or 1)

    def result(self, handle: Any) -> Returned:
        from distributed.scheduler import KilledWorker

        self.told.pop(self.names.pop(handle), None)
        with self._there():
            failure = handle.exception()
            if isinstance(failure, CancelledError):
                raise failure
        if isinstance(failure, KilledWorker):
            raise lost(failure.allowed_failures + 1) from failure
        if failure is not None:
            raise JobLostError(f"its worker could not take or give it: {in_words(failure)}") from failure
        with self._there():
            returned: Returned = handle.result()
        return returned

    def forget(self, handles: Sequence[Hashable]) -> None:
        if handles:
            self.client.cancel(list(handles), force=True)

    def shares(self) -> Mapping[str, float]:
        return dict(self.told)

    @contextmanager
    def _there(self) -> Iterator[None]:
        """Raise `ClusterGoneError` where the scheduler does not answer any more."""
        from distributed.client import ClosedClientError

        try:
            yield
        except (CancelledError, ClosedClientError, OSError) as error:
            if isinstance(error, TimeoutError) and self.client.status == "running":
                raise  # nothing has ended yet
            where = f" at {self.address}" if self.address else ""
            raise ClusterGoneError(
                f"the Dask scheduler{where} is gone; what is finished is kept, and the same command goes on from there"
            ) from error

    def close(self) -> None:
        if self.client is not None:
            self.client.close()
        if self.cluster is not None:
            self.cluster.close()


def _work(parcel: Parcel, topic: str) -> Returned:
    """What a worker does with a parcel."""
    from distributed import get_worker

    worker: Any = get_worker()
    tell: Callable[[str, float], None] = lambda name, share: worker.log_event(topic, (name, share))  # noqa: E731
    return carry_out_parcel(parcel, tell)
