"""What a suite would do: every cell with its estimated time, its cost, what is searched and what decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.record.shard import Shard
from benchmarks.cli.execute import Machine, count_of_children
from benchmarks.cli.progress import counted, duration
from benchmarks.errors import UsageError
from benchmarks.suite.suite import Suite

if TYPE_CHECKING:
    from benchmarks.record.folder import RecordFolder
    from benchmarks.running.parts import Prepared

__all__ = ["dry_run"]


def dry_run(suite: Suite, machine: Machine) -> str:
    """The plan of ``suite`` as text; nothing is written, and nothing trained but to measure the pace for a moment.

    Workers at an address, and the server of a storage, are reached. Raises `StepscapeError` for whatever a run would
    refuse before it begins.
    """
    from benchmarks.engine.devices import device_of
    from benchmarks.mlflow_mirror.store import check_uri
    from benchmarks.record.folder import RecordFolder
    from benchmarks.running.backends.choose import backend_of
    from benchmarks.running.jobs import exhibit_jobs
    from benchmarks.running.memory import fitting_jobs, memory_size
    from benchmarks.running.parts import prepared
    from benchmarks.running.prepare import Compute
    from benchmarks.running.workers import default_jobs
    from benchmarks.tuning.storages import reach_storage

    folder, notes = RecordFolder(machine.folder(suite)), list[str]()
    folder.check(suite, machine.shard)
    count_of_children(machine.children)
    if machine.tracking_uri and not machine.no_tracking:
        check_uri(machine.tracking_uri)
    jobs = machine.jobs or (None if machine.address else default_jobs())
    compute = Compute(machine.engine, device=str(device_of(machine.device)))
    memory = None if machine.memory is None else memory_size(machine.memory)
    with backend_of(machine.backend, machine.address, jobs, machine.data, machine.storage) as backend:
        if len(folder.finished(suite.cells())) < len(suite.cells()):
            backend.check_address()
        exhibits = exhibit_jobs(suite, folder, machine.data, None)
        found = prepared(suite, machine.data, compute, exhibits, folder.has_cell, machine.shard)
        if machine.storage is not None:
            reach_storage(machine.storage, [cell.plan.tuning for cell in found.cells])
        workers, where = jobs or 1, "in one process" if jobs == 1 else f"in {jobs} processes"
        landed = [folder.has_cell(cell.plan.name) for cell in found.cells]
        if machine.address is not None and not all([*landed, *(job.finished for job in found.exhibits)]):
            backend.open(suite, notes.append)
            workers = backend.room()
            where = f"on {counted(workers, 'worker')} at {machine.address}"
        else:
            try:
                fitting_jobs(found.cells, workers, memory, machine.storage)
            except UsageError as error:
                notes.append(f"this cannot run here: {error}")
    return "\n".join([_plan(suite, machine.shard, found, folder, workers, where), *notes])


def _plan(suite: Suite, shard: Shard | None, found: Prepared, folder: RecordFolder, jobs: int, where: str) -> str:
    """The plan of what was ``found`` of ``suite``, for so many ``jobs`` at once, ``where`` they are."""
    from benchmarks.running.decide import what_decides
    from benchmarks.running.estimate import in_slices, seconds_of, total_seconds

    cells, exhibits, failed = found.cells, found.exhibits, found.failed
    ahead = [cell for cell in cells if not folder.has_cell(cell.plan.name)]
    seconds = dict(zip((cell.plan.name for cell in ahead), seconds_of(ahead), strict=True))
    rows = [("cell", "time", "updates", "studies × trials", "seeds: tuning, test", "map", "searched")]
    for cell in cells:
        plan, time = cell.plan, seconds.get(cell.plan.name)
        tuning = f"{plan.tuning.studies} × {plan.tuning.trials}" if plan.tuning.enabled else "none"
        seeds = f"{len(cell.seeds(plan.tuning.seeds))}, {len(cell.seeds(plan.test.seeds))}"
        grid = "×".join(map(str, plan.landscape.grid)) if plan.landscape.enabled else "none"
        searched = ", ".join(f"{knob.name} {knob.low:g} to {knob.high:g}" for knob in cell.space.searched)
        shown = "finished" if time is None else duration(time)
        rows.append((plan.name, shown, f"{cell.lane_steps:.2g}", tuning, seeds, grid, searched))
    for job in exhibits:
        rows.append((job.name, "finished" if job.finished else duration(job.seconds), "", "", "", "", ""))
    wide = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    table = ["  ".join(part.ljust(size) for part, size in zip(row, wide, strict=True)).rstrip() for row in rows]
    asked = [job.seconds for job in exhibits if not job.finished]
    whole = total_seconds([*in_slices(ahead, [*seconds.values()], jobs), *asked], jobs)
    last = f"{counted(len(ahead) + len(asked), 'part')} to run into {folder.path}, about {duration(whole)} {where}."
    cannot = [f"{each.title} cannot run: {each.error}" for each in failed]
    spread = _spread(found.shares, shard)
    return "\n".join([*table, "", *cannot, *filter(None, [what_decides(suite.cells()), spread, last])])


def _spread(shares: Sequence[float], shard: Shard | None) -> str:
    """How evenly a suite's cost is divided, in words; empty where it is not."""
    if shard is None:
        return ""
    mean = sum(shares) / len(shares)
    mine, least, most = (f"{share / mean:.2f}" for share in (shares[shard.number - 1], min(shares), max(shares)))
    return f"This is {shard}, with {mine} of the mean cost of a shard; the shards have {least} to {most}."
