"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from benchmarks.cli.complete import completing
from benchmarks.cli.progress import say
from benchmarks.engine.engines import ENGINES

__all__ = ["COUNT", "RECORD", "cell_options", "data_option", "device_option", "machine_options"]

COUNT = click.IntRange(1, 1_000_000_000)
"""How many of something: more is a slip, and from 2^63 on no number that torch or Optuna take."""


class _RecordPath(click.ParamType[Path]):
    """The folder of a record, said by that folder, by the file of an archive, or as ``atlas:NAME``."""

    name = "record"

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:  # noqa: ARG002
        if not str(value).startswith("atlas:") and not str(value).endswith(".tar.xz"):
            return Path(value)
        from benchmarks.record.archive import opened

        return opened(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        from benchmarks.record.archive import ATLAS, atlas

        known = [f"{ATLAS}{name}" for name in atlas()]
        return [CompletionItem(name) for name in known if name.startswith(incomplete)] or [
            CompletionItem(incomplete, type="file")
        ]


RECORD = _RecordPath()
"""A results folder, the file of an archive, or ``atlas:NAME``."""


def _say_what_is_missing(_context: click.Context, _option: click.Parameter, folder: Path | None) -> Path | None:
    """Say on stderr that a folder does not hold the one file ours read: a misspelt name would go unnoticed."""
    if folder is not None:
        from problems.data import AIRFOIL_FILE

        if not (folder / AIRFOIL_FILE).is_file():
            say(f"stepscape: {folder} holds no {AIRFOIL_FILE}; airfoil runs on the surrogate", err=True)
    return folder


data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    envvar="STEPSCAPE_DATA",
    callback=_say_what_is_missing,
    help="Folder with data files of your own, as airfoil_self_noise.dat.  [env: STEPSCAPE_DATA]",
)


device_option = click.option(
    "--device",
    default="cpu",
    show_default=True,
    metavar="cpu|cuda[:N]|auto",
    help="Where tensors are: auto is a GPU where torch has one.",
)


def machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``command`` with the options that say where and how a suite runs; they change its results by rounding at most."""
    for option in reversed(
        (
            click.option("--out", type=click.Path(path_type=Path), help="Results folder.  [default: results/<suite>]"),
            click.option("--jobs", "-j", type=COUNT, help="Processes.  [default: one a core]"),
            data_option,
            click.option("--tracking-uri", metavar="URI", help="MLflow store.  [default: SQLite in the folder]"),
            click.option("--no-tracking", is_flag=True, help="Write no MLflow runs."),
            click.option(
                "--storage",
                metavar="URL",
                help="Keep Optuna's studies there, live and shared: a database, or grpc://HOST:PORT.",
            ),
            click.option("--dry-run", is_flag=True, help="Show what would run, how long it takes and what it decides."),
            click.option("--minutes", type=click.FloatRange(min=0.1), help="Stop after this long; go on another time."),
            click.option(
                "--engine",
                type=click.Choice(ENGINES),
                default="auto",
                show_default=True,
                help="What trains: lanes by torch (eager), by a compiled kernel, or by the kernel where it pays; or "
                "modules as they are, a run at a time (native).",
            ),
            device_option,
            click.option(
                "--backend",
                type=click.Choice(["local", "dask", "ray", "slurm"]),
                default="local",
                show_default=True,
                help="What carries the jobs: processes of this machine, the workers of a Dask or Ray cluster, or "
                "SLURM, a shard a job.",
            ),
            click.option(
                "--address",
                metavar="ADDRESS",
                help="The cluster's, as tcp://host:8786 or host:6379.  [default: one of --jobs processes here]",
            ),
            click.option("--shards", type=COUNT, metavar="N", help="Of --backend slurm: the number of its jobs."),
            click.option(
                "--slurm",
                multiple=True,
                metavar="KEY=VALUE",
                help="An option of sbatch, as partition=cpu, time=240 (minutes), mem=16G, cpus_per_task=8; repeatable.",
            ),
            click.option("--no-wait", is_flag=True, help="Of --backend slurm: submit, and say what joins the shards."),
            click.option(
                "--memory",
                metavar="SIZE",
                help="Take no more, as 2GiB: in fewer processes, or refused.  [default: the machine's]",
            ),
            click.option(
                "--children",
                default="12",
                metavar="N|all|none",
                show_default=True,
                help="Trials of a cell that become MLflow runs of their own: the best N.",
            ),
        )
    ):
        command = option(command)
    return command


def cell_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``command`` with the options of a single cell: its problem, its optimizer and what is searched."""
    for option in reversed(
        (
            click.argument("problem", shell_complete=completing("problems", several=True)),
            click.argument("optimizer", shell_complete=completing("optimizers", several=True)),
            click.option("--steps", type=COUNT, help="Updates a run.  [default: the problem's]"),
            click.option(
                "--dtype",
                metavar="float32|float64|bfloat16",
                help="Precision; in bfloat16 the loss is computed as torch.autocast does.  [default: the problem's]",
            ),
            click.option(
                "--schedule",
                default="constant",
                show_default=True,
                help="As cosine, or 'lr=linear gamma=…'.",
                shell_complete=completing("schedules"),
            ),
            click.option(
                "--search",
                multiple=True,
                metavar="NAME=LOW:HIGH[:SCALE]",
                help="Search this range, on the scale linear, log or log1m; repeatable.",
            ),
            click.option("--fix", multiple=True, metavar="NAME=VALUE", help="Hold a hyperparameter fixed; repeatable."),
            click.option(
                "--group",
                multiple=True,
                metavar="'PATTERN… KEY=VALUE…'",
                help="Train some parameters of a module otherwise: '*.bias weight_decay=0' or "
                "'dims=1,4 optimizer=torch:AdamW lr=0.001'; repeatable.",
            ),
            click.option(
                "--plugin", "plugins", multiple=True, metavar="FILE", help="Python file with specs of your own."
            ),
        )
    ):
        command = option(command)
    return command
