"""What a job costs beside its work, on each backend with two workers of this machine: the table of docs/scale.md.

    python tests/simulations/speed_backends.py local dask ray --jobs 200

A job here writes the files of a small cell (seven, 60 kB) and nothing else. Reported are seconds until the first job
could begin, and for a job the median over blocks of twenty: wall time times the two workers, and CPU time of the driver
and of all that it started.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from benchmarks.record.folder import RecordFolder, landing
from benchmarks.running.backends.choose import BACKENDS, backend_of
from benchmarks.running.jobs import Job
from benchmarks.suite.suite import Suite

WORKERS, BLOCK = 2, 20
FILES = {f"table-{number}.parquet": bytes(10_000) for number in range(6)} | {"cell.json": bytes(2_000)}


@dataclass(frozen=True)
class Empty(Job):
    """A job whose result takes no work."""

    number: int
    folder: RecordFolder

    @property
    def name(self) -> str:
        return f"job-{self.number}"

    @property
    def cost(self) -> float:
        return 1.0

    @property
    def finished(self) -> bool:
        return self.folder.has_cell(self.name)

    @property
    def place(self) -> Path:
        return self.folder.cell(self.name)

    def elsewhere(self, folder: RecordFolder, data: Path | None) -> Empty:
        return replace(self, folder=folder)

    def run(self) -> Path:
        with landing(self.place) as working:
            working.mkdir()
            for name, content in FILES.items():
                (working / name).write_bytes(content)
        return self.place

    def check_same(self, known: dict[str, str]) -> None:
        """All are the same."""


def cpu_seconds() -> float:
    """The CPU time of this process and of all that it started and that are there."""
    own = psutil.Process()
    total = 0.0
    for process in (own, *own.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system
    return total


def measured(name: str, count: int) -> tuple[float, float, float]:
    """Seconds of the start, wall and CPU milliseconds a job of the backend called ``name``."""
    suite = Suite.load("smoke")
    with tempfile.TemporaryDirectory() as place, backend_of(name, None, WORKERS) as backend:
        record = RecordFolder(Path(place) / "record")
        record.open(suite)
        began = time.perf_counter()
        backend.open(suite, print)
        jobs = [Empty(number, record) for number in range(count + 3 * WORKERS)]
        results = backend.carry_out(jobs, None)
        for _ in range(3 * WORKERS):  # the workers import what they need
            next(results)
        start = time.perf_counter() - began
        wall, cpu = [time.perf_counter()], [cpu_seconds()]
        for done, result in enumerate(results, start=1):
            assert result.landed, result.error
            if done % BLOCK == 0:
                wall.append(time.perf_counter())
                cpu.append(cpu_seconds())
        a, b = (
            statistics.median(last - first for first, last in itertools.pairwise(times)) / BLOCK * 1000
            for times in (wall, cpu)
        )
    return start, a * WORKERS, b


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backends", nargs="*", default=BACKENDS, metavar="BACKEND")
    parser.add_argument("--jobs", type=int, default=200)
    given = parser.parse_args()
    print("| backend | start, s | a job, ms of a worker | of CPU |\n|---|---:|---:|---:|")
    for name in given.backends:
        start, wall, cpu = measured(name, given.jobs)
        print(f"| {name} | {start:.1f} | {wall:.0f} | {cpu:.0f} |")


if __name__ == "__main__":
    main()
