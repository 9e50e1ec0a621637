"""The workers of a Ray cluster, one that is there or one of processes of this machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.errors import UsageError
from benchmarks.naming.call_syntax import in_words
from benchmarks.running.backends.parcel import Parcel, Requirements, Returned, carry_out_parcel, why_unfit
from benchmarks.running.backends.reach import check_ray
from benchmarks.running.backends.remote import ATTEMPTS, LOOK, ClusterGoneError, JobLostError, Remote, lost

__all__ = ["Ray"]


class Told:
    """An actor: what running jobs last told, for the driver to ask."""

    def __init__(self) -> None:
        self.shares: dict[str, float] = {}

    def tell(self, name: str, share: float) -> None:
        """The job called ``name`` is done by ``share``."""
        self.shares[name] = share

    def all(self) -> dict[str, float]:
        """What every job told last."""
        return self.shares


class Ray(Remote):
    """A Ray cluster; without an address one of ``jobs`` processes on this machine, without a dashboard.

    One that this program has started before, as in a notebook, is used as it is and left running: Ray has one a
    process.
    """

    def __init__(self, jobs: int | None, address: str | None, data: Path | None) -> None:
        super().__init__(jobs, address, data)
        self.started = False
        self.work: Any = None
        self.told: Any = None
        self.names: dict[Hashable, str] = {}

    def connect(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # as Ray will do anyway; it warns otherwise
        import ray

        if not ray.is_initialized():
            quiet: dict[str, Any] = {
                "configure_logging": False,
                "log_to_driver": False,
                "logging_level": logging.CRITICAL,
            }
            logging.getLogger("ray").setLevel(logging.ERROR)  # it tells of tokens that nobody needs here
            if self.address is None:
                # by itself, Ray tries a job for ever that it has ended for its memory
                settings = {"task_oom_retries": ATTEMPTS - 1}
                ray.init("local", num_cpus=self.jobs, include_dashboard=False, _system_config=settings, **quiet)
            else:
                try:
                    with _few_attempts():
                        ray.init(self.address, **quiet)
                except Exception as error:  # of many kinds, as for another version of Ray or Python
                    raise UsageError(
                        f"no Ray cluster at {self.address}: {error}; where it asks for a token, set RAY_AUTH_MODE=token"
                    ) from error
            self.started = True
        self.work = ray.remote(max_retries=ATTEMPTS - 1, num_cpus=1)(_work)
        self.told = ray.remote(num_cpus=0)(Told).remote()

    def check_address(self) -> None:
        if self.address is None:
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            check_ray(_found() if self.address == "auto" else self.address)
        except (OSError, ValueError, OverflowError) as error:
            raise UsageError(
                f"no Ray cluster answers at {self.address}: is it running, and is the address one as host:6379, which "
                "`ray start --head` prints, or auto?"
            ) from error

    def unfit_workers(self, needs: Requirements) -> list[str] | None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
        look = ray.remote(max_retries=ATTEMPTS - 1, num_cpus=1)(why_unfit)
        asked = [
            look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(needs)
            for node in nodes
        ]
        found = []
        for answer in asked:
            try:
                found.append(ray.get(answer))
            except ray.exceptions.RayError as error:
                found.append(f"a worker cannot run jobs ({error}): is the driver's stepscape installed there?")
        return [unfit for unfit in found if unfit] if nodes else None

    @property
    def workers(self) -> int:
        import ray

        return int(ray.cluster_resources().get("CPU", 0))

    def send(self, parcel: Parcel) -> Hashable:
        handle: Hashable = self.work.remote(parcel, self.told)
        self.names[handle] = parcel.job.name
        return handle

    def ended(self, handles: Sequence[Hashable]) -> Sequence[Hashable]:
        import ray

        done: Sequence[Hashable] = ray.wait(list(handles), num_returns=1, timeout=LOOK)[0]
        return done

    def result(self, handle: Any) -> Returned:
        import ray

        del self.names[handle]
        try:
            returned: Returned = ray.get(handle)
        except _ended_workers() as error:
            raise lost(ATTEMPTS) from error
        except ray.exceptions.RaySystemError as error:
            raise ClusterGoneError(
                f"the Ray cluster is gone ({error}); what is finished is kept, and the same command goes on from there"
            ) from error
        except Exception as error:
            raise JobLostError(f"its worker could not take or give it: {in_words(error)}") from error
        return returned

    def forget(self, handles: Sequence[Hashable]) -> None:
        import ray

        for handle in handles:
            with suppress(Exception):  # the cluster may be gone
                ray.cancel(handle, force=True)

    def shares(self) -> Mapping[str, float]:
        import ray

        if self.told is None:
            return {}
        with suppress(Exception):  # shown on a bar and no more
            told: Mapping[str, float] = ray.get(self.told.all.remote(), timeout=LOOK)
            running = set(self.names.copy().values())  # jobs come and go meanwhile
            return {name: share for name, share in told.items() if name in running}
        return {}

    def close(self) -> None:
        if self.started:
            import ray

            ray.shutdown()


def _found() -> str:
    """The address that auto means: of ``RAY_ADDRESS``, or what Ray finds on this machine, where it may have ended long
    ago. Raises `ConnectionError` where there is none.
    """
    from ray._private.services import canonicalize_bootstrap_address

    return str(canonicalize_bootstrap_address("auto"))


@contextmanager
def _few_attempts() -> Iterator[None]:
    """Have Ray try three times to join a cluster that answers, and not twenty, as where it asks for a token."""
    name = "RAY_gcs_server_port_wait_time_s"
    mine = name not in os.environ
    os.environ.setdefault(name, "3")
    try:
        yield
    finally:
        if mine:
            del os.environ[name]


def _ended_workers() -> tuple[type[Exception], ...]:
    """What Ray raises for a job whose last worker has ended."""
    from ray.exceptions import NodeDiedError, OutOfMemoryError, WorkerCrashedError

    return WorkerCrashedError, NodeDiedError, OutOfMemoryError


def _work(parcel: Parcel, told: Any) -> Returned:
    """What a worker does with a parcel."""
    return carry_out_parcel(parcel, told.tell.remote)
