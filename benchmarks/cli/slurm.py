"""`--backend slurm`: a suite's shards submitted as an array, waited for and joined, to be reported as if run here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from analysis.record.shard import Shard
from benchmarks.cli.progress import Bar, counted, say
from benchmarks.errors import UsageError
from benchmarks.suite.suite import Suite

if TYPE_CHECKING:
    from benchmarks.cli.execute import Machine
    from benchmarks.running.on_slurm import ShardEnd, ShardRun, Submitted

__all__ = ["Slurm"]


@dataclass(frozen=True)
class Slurm:
    """How a suite is submitted: in how many ``shards``, with which ``options``, and whether the command ends then."""

    shards: int
    options: tuple[str, ...] = ()
    no_wait: bool = False

    @classmethod
    def of(cls, options: dict[str, Any]) -> Slurm | None:
        """What a command's ``options`` say of SLURM, taken from them; None where another backend is meant.

        What is left to do when the shards are joined is done here. Raises `UsageError` for what does not go together.
        """
        shards, given, no_wait = (options.pop(name) for name in ("shards", "slurm", "no_wait"))
        if options["backend"] != "slurm":
            for option, said in {"--shards": shards, "--slurm": given, "--no-wait": no_wait}.items():
                if said:
                    raise UsageError(f"{option} is for --backend slurm; one part of a suite is run by --shard 3/16")
            return None
        if shards is None:
            raise UsageError("--backend slurm needs --shards, the number of jobs that the suite is divided into")
        for option, said in {"--shard": options.get("shard"), "--address": options.get("address")}.items():
            if said:
                raise UsageError(f"{option} does not go with --backend slurm, which submits all shards from here")
        options["backend"] = "local"
        return cls(shards, given, no_wait)

    def check(self, suite: Suite) -> None:
        """Raise `UsageError` where SLURM is not at hand, or has no such options; nothing is submitted, nor written."""
        from benchmarks.running.on_slurm import executor_of, slurm_options

        with TemporaryDirectory() as logs:  # which submitit makes
            executor_of(suite.name, slurm_options(self.options), Path(logs))

    def joined(self, suite: Suite, machine: Machine) -> bool:
        """Submit the shards of ``suite`` and join what they made; whether all of it is there, to be reported.

        Raises `StepscapeError` for mistakes, before anything is submitted.
        """
        from benchmarks.record.folder import RecordFolder
        from benchmarks.record.merge import merge
        from benchmarks.running.on_slurm import slurm_options, submit

        out = machine.folder(suite).absolute()
        submitted = submit(_run_of(suite, machine, out, self.shards), slurm_options(self.options), _place(out))
        if submitted.jobs:
            waiting = counted(len(submitted.jobs), "shard")
            say(f"{suite.name}: {waiting} submitted, logs in {submitted.logs}", err=True)
        to_join = f"`stepscape merge {out} {out}-*-of-{self.shards}` joins what is finished"
        if self.no_wait:
            say(f"{suite.name}: {to_join}")
            return False
        try:
            ends = _waited(suite.name, submitted)
        except KeyboardInterrupt:
            say(f"stepscape: the jobs go on; `scancel {submitted.array}` ends them, {to_join}", err=True)
            raise
        for end in ends:
            if end.error is not None:
                say(f"stepscape: {end.shard}: {end.error}", err=True)
        places = [_place(out)(Shard(number, self.shards)) for number in range(1, self.shards + 1)]
        there = [each for each in places if RecordFolder(each).suite_file.is_file()]
        if not there:
            return False
        merged = merge(out, there)
        if merged.missing:
            lacking = f"{len(merged.missing)} of {counted(merged.total, 'part')} missing"
            hint = f"the same command goes on from there, `stepscape report {out}` shows what there is"
            say(f"stepscape: {lacking}; {hint}", err=True)
        return not merged.missing


def _place(out: Path) -> Callable[[Shard], Path]:
    """Where each shard of what is joined in ``out`` lands: beside it."""
    return lambda shard: out.with_name(f"{out.name}-{shard.number}-of-{shard.count}")


def _run_of(suite: Suite, machine: Machine, out: Path, shards: int) -> ShardRun:
    """What a job runs, its folder that of the whole; paths are absolute, for the node may begin elsewhere."""
    from benchmarks.running.memory import memory_size
    from benchmarks.running.on_slurm import ShardRun

    return ShardRun(
        suite,
        out,
        Shard(1, shards),
        machine.jobs,
        None if machine.data is None else machine.data.absolute(),
        machine.storage,
        machine.minutes,
        None if machine.memory is None else memory_size(machine.memory),
        machine.engine,
        machine.device,
    )


def _waited(name: str, submitted: Submitted) -> list[ShardEnd]:
    """How all jobs ended, once they have, with a bar or lines for whoever waits."""
    done, total = 0, len(submitted.jobs)
    with Bar(name) as bar:

        def ended(end: ShardEnd) -> None:
            nonlocal done
            done += 1
            bar.show(done, total)
            if bar.bar.disable:
                say(f"[{done}/{total}] {end.shard} {'failed' if end.error else 'ended'}", err=True)

        return submitted.wait(ended)
