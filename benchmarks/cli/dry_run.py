"""What a suite would do: every cell with its estimated time, its cost, what is searched and what decides."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.record.shard import Shard
from benchmarks.cli.execute import Machine
from benchmarks.cli.progress import counted, duration
from benchmarks.suite.suite import Suite

__all__ = ["dry_run"]


def dry_run(suite: Suite, machine: Machine) -> str:
    """The plan of ``suite`` as text; nothing is written, and nothing trained but to measure the pace for a moment.

    Raises `StepscapeError` for whatever a run would refuse before it begins.
    """
    from benchmarks.engine.devices import device_of
    from benchmarks.record.folder import RecordFolder
    from benchmarks.running.decide import what_decides
    from benchmarks.running.estimate import in_slices, seconds_of, total_seconds
    from benchmarks.running.jobs import exhibit_jobs
    from benchmarks.running.parts import prepared
    from benchmarks.running.prepare import Compute
    from benchmarks.running.workers import default_jobs

    folder = RecordFolder(machine.folder(suite))
    jobs = machine.jobs or default_jobs()
    compute = Compute(machine.engine, device=str(device_of(machine.device)))
    found = prepared(
        suite, machine.data, compute, exhibit_jobs(suite, folder, machine.data, None), folder.has_cell, machine.shard
    )
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
    where = f"{jobs} processes" if jobs > 1 else "one process"
    last = f"{counted(len(ahead) + len(asked), 'part')} to run into {folder.path}, about {duration(whole)} in {where}."
    cannot = [f"{each.title} cannot run: {each.error}" for each in failed]
    spread = _spread(found.shares, machine.shard)
    return "\n".join([*table, "", *cannot, *filter(None, [what_decides(suite.cells()), spread, last])])


def _spread(shares: Sequence[float], shard: Shard | None) -> str:
    """How evenly a suite's cost is divided, in words; empty where it is not."""
    if shard is None:
        return ""
    mean = sum(shares) / len(shares)
    mine, least, most = (f"{share / mean:.2f}" for share in (shares[shard.number - 1], min(shares), max(shares)))
    return f"This is {shard}, with {mine} of the mean cost of a shard; the shards have {least} to {most}."
