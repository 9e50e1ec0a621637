"""A job on its way to a worker that shares no file with the driver, what the worker does with it, and what comes back.

The job runs into a record of the worker's own, which is gone when it has ended; what landed there comes back as bytes
and lands in the driver's record, by one rename as ever. What an unfinished cell keeps travels too: with the cell that
time ran out for, and with the one that goes on another day; what a lost worker had is lost, and made again.
"""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self

from benchmarks.errors import StepscapeError
from benchmarks.record.folder import RecordFolder, landing, remove
from benchmarks.record.meter import read_meters
from benchmarks.redaction import guard_output
from benchmarks.running.backends.luggage import (
    Luggage,
    code_digests,
    files_of,
    load_code,
    said_by_driver,
    unpacked_data,
    write_files,
)
from benchmarks.running.backends.versions import Versions, versions
from benchmarks.running.jobs import Job, JobResult, carry_out

__all__ = ["Parcel", "Requirements", "Returned", "Tell", "carry_out_parcel", "land", "parcel_of", "why_unfit"]

Tell = Callable[[str, float], None]
"""Told the name of a running job, and how much of it is done."""

MOST: Final = 64 * 2**20
"""Bytes of checkpoints that are sent with a job: making more again is as quick on most networks."""

EVERY: Final = 0.5  # seconds between two reports of a running job


@dataclass(frozen=True)
class Requirements:
    """What a worker must have before it may run a job: the driver's versions and modules, and the user's own code."""

    versions: Versions
    luggage: Luggage
    modules: Mapping[str, str]

    @classmethod
    def of(cls, luggage: Luggage) -> Self:
        """Those of this process, the driver."""
        return cls(versions(), luggage, code_digests(luggage.objects))


@dataclass(frozen=True)
class Parcel:
    """A ``job`` with all that it needs, ``kept`` being the checkpoints of an earlier run."""

    job: Job
    needs: Requirements
    kept: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Returned:
    """How a job ended, and its files: those of the result that landed, else the checkpoints of an unfinished cell or
    of a slice.

    ``unfit`` says why the worker may not run it, which then it did not.
    """

    done: JobResult | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    unfit: str = ""


def parcel_of(job: Job, needs: Requirements) -> Parcel:
    """The parcel of ``job``, with its checkpoints where they are not too many, or made by its slices."""
    kept = _kept(job)
    return Parcel(job, needs, kept if job.gathers or sum(map(len, kept.values())) <= MOST else {})


def _kept(job: Job) -> dict[str, bytes]:
    """The checkpoints of ``job`` that it begins with, and leaves where it does not land, by their places."""
    return {
        f"{folder.name}/{name}": content
        for folder in job.keeps()
        for name, content in files_of(folder).items()
        if job.concerns(name)
    }


def why_unfit(needs: Requirements) -> str:
    """Why this process, a worker, may not run jobs of a driver that ``needs`` something else; empty where it may."""
    if apart := needs.versions.apart(versions()):
        return f"the worker on {socket.gethostname()} has {apart}: install the driver's versions there"
    try:
        load_code(needs.luggage)
    except StepscapeError as error:
        return f"the worker on {socket.gethostname()}: {said_by_driver(str(error), needs.luggage)}"
    if others := [name for name, code in code_digests(needs.luggage.objects).items() if code != needs.modules[name]]:
        return f"the worker on {socket.gethostname()} has other code of {', '.join(others)}: install the driver's there"
    return ""


def carry_out_parcel(parcel: Parcel, tell: Tell) -> Returned:
    """Do a job on a worker; ``tell`` is told how far it is."""
    guard_output()
    if unfit := why_unfit(parcel.needs):
        return Returned(unfit=unfit)
    with tempfile.TemporaryDirectory(prefix="stepscape-", ignore_cleanup_errors=True) as place:
        folder = RecordFolder(Path(place) / "record")
        for kind in ("cells", "exhibits"):
            (folder.path / kind).mkdir(parents=True)
        write_files(folder.unfinished, parcel.kept)
        job = parcel.job.elsewhere(folder, unpacked_data(parcel.needs.luggage))
        with _Telling(job.name, folder.unfinished, tell):
            done = carry_out(job)
        if done.error is not None:
            done = replace(done, error=said_by_driver(done.error, parcel.needs.luggage))
        if done.landed and job.lands:
            return Returned(done, files_of(job.place))
        return Returned(done, _kept(job) if done.error is None else {})


def land(returned: Returned, job: Job) -> JobResult:
    """Put what came back into the record of ``job``, and return how it ended; what has landed before stays."""
    done = returned.done
    assert done is not None, "a job that was not run does not land"
    try:
        if done.landed and job.lands:
            with landing(job.place) as working:
                write_files(working, returned.files)
            for kept in job.keeps():
                remove(kept)
        elif done.error is None:
            write_files(job.folder.unfinished, returned.files)
    except OSError as error:
        return replace(done, error=str(error), unfinished=False)
    return done


class _Telling:
    """Tells how far the job called ``name`` is, by its meter in ``unfinished``, while it is entered."""

    def __init__(self, name: str, unfinished: Path, tell: Tell) -> None:
        self.name, self.unfinished, self.tell = name, unfinished, tell
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.over.set()
        self.thread.join()

    def _look(self) -> None:
        told = -1.0
        while not self.over.wait(EVERY):
            share = read_meters(self.unfinished).get(self.name, 0.0)
            if share != told:
                told = share
                self.tell(self.name, share)
