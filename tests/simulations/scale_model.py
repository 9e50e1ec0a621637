"""How long a suite takes on so many workers: a simulation of discrete events.

What is simulated: workers that train one job at a time and begin after a while; one driver, which sends jobs and lands
what they made, one at a time; one store that all studies share, and one mirror that copies finished cells, each of
which serves one call at a time, first come, first served. Jobs are given out the costliest first, by the driver's own
estimate, to whichever worker is free, as `benchmarks.running` does; a wave begins when the one before it has landed.

What is not: a machine's own limits (memory, a file system that all write to), workers of unequal pace, failures.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

__all__ = ["Job", "Limits", "Outcome", "bounds", "simulate"]

PIECES = 32  # that a job's calls of the store are told apart in, at most: further ones change nothing and take time


@dataclass(frozen=True)
class Job:
    """One piece of work: the ``seconds`` of a worker it takes, the ``cost`` that the driver takes it for, the ``calls``
    it makes of the store, spread over its time, and whether a cell has landed with it, which is then ``mirrored``.
    """

    seconds: float
    cost: float
    calls: int = 0
    mirrored: bool = False
    wave: int = 0


@dataclass(frozen=True)
class Limits:
    """What workers share, in seconds: ``start`` until a worker has begun, ``send`` and ``land`` of the driver for each
    job, ``call`` of the store for each call and ``latency`` until its answer is there, ``mirror`` of the mirror for
    each cell, and ``report`` at the end.
    """

    start: float = 0.0
    send: float = 0.0
    land: float = 0.0
    call: float = 0.0
    latency: float = 0.0
    mirror: float = 0.0
    report: float = 0.0


@dataclass
class Outcome:
    """What came of it: the ``seconds`` in all; when the last job had ``landed`` and the last cell was ``mirrored``; how
    long each server was ``busy``; and how many jobs each worker ``did``.
    """

    seconds: float
    landed: float
    mirrored: float
    busy: dict[str, float]
    did: list[int] = field(default_factory=list)


class _Server:
    """Serves one at a time, first come, first served."""

    def __init__(self) -> None:
        self.free = 0.0
        self.busy = 0.0

    def serve(self, now: float, seconds: float) -> float:
        """When one that comes ``now`` and takes so long is served."""
        self.busy += seconds
        self.free = max(self.free, now) + seconds
        return self.free


def simulate(jobs: Sequence[Job], workers: int, limits: Limits | None = None) -> Outcome:
    """All ``jobs`` on so many ``workers``. Raises `ValueError` where there is no worker."""
    if workers < 1:
        raise ValueError(f"somebody has to work, got {workers} workers")
    limits = limits or Limits()
    driver, store, mirror = _Server(), _Server(), _Server()
    did, landed = [0] * workers, limits.start
    for _, wave in groupby(sorted(jobs, key=lambda job: (job.wave, -job.cost)), key=lambda job: job.wave):
        waiting = deque(wave)
        events: list[tuple[float, int, int, Job]] = []  # when, which worker, what is left of its job, that job
        for worker in range(min(workers, len(waiting))):
            job = waiting.popleft()
            began = driver.serve(landed, limits.send)
            heapq.heappush(events, (began + job.seconds / _pieces(job), worker, 2 * _pieces(job) - 1, job))
        while events:
            now, worker, left, job = heapq.heappop(events)
            pieces = _pieces(job)
            if left % 2:  # a piece is trained, and told to the store
                calls = job.calls / pieces
                answered = store.serve(now, calls * limits.call) + calls * limits.latency if calls else now
                heapq.heappush(events, (answered, worker, left - 1, job))
            elif left:
                heapq.heappush(events, (now + job.seconds / pieces, worker, left - 1, job))
            else:
                did[worker] += 1
                landed = driver.serve(now, limits.land)
                if job.mirrored:
                    mirror.serve(landed, limits.mirror)
                if waiting:
                    job = waiting.popleft()
                    began = driver.serve(landed, limits.send)
                    heapq.heappush(events, (began + job.seconds / _pieces(job), worker, 2 * _pieces(job) - 1, job))
    busy = {"driver": driver.busy, "store": store.busy, "mirror": mirror.busy}
    return Outcome(max(landed, mirror.free) + limits.report, landed, mirror.free, busy, did)


def _pieces(job: Job) -> int:
    return max(1, min(job.calls, PIECES))


def bounds(jobs: Sequence[Job], workers: int, limits: Limits | None = None) -> dict[str, float]:
    """The least seconds that each thing leaves, by its name: no simulation ends sooner than any of them.

    "work" is all of it, shared out evenly; "longest job" the longest of every wave; the others are servers that can do
    one thing at a time.
    """
    limits = limits or Limits()
    alone = [job.seconds + job.calls * (limits.call + limits.latency) + limits.send + limits.land for job in jobs]
    waves = {job.wave for job in jobs}
    longest = sum(max(each for each, job in zip(alone, jobs, strict=True) if job.wave == wave) for wave in waves)
    always = limits.start + limits.report
    return {
        "work": always + sum(alone) / workers,
        "longest job": always + longest,
        "driver": always + len(jobs) * (limits.send + limits.land),
        "store": always + sum(job.calls for job in jobs) * limits.call,
        "mirror": always + sum(job.mirrored for job in jobs) * limits.mirror,
    }
