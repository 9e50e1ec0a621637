"""The command that shows a record's studies in optuna-dashboard."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from benchmarks.cli.options import RECORD
from benchmarks.cli.progress import Bar, say

__all__ = ["dashboard"]

HOST = "127.0.0.1"


@click.command(short_help="Browse the studies in optuna-dashboard.")
@click.argument("folder", metavar="DIR", type=RECORD)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535))
def dashboard(folder: Path, port: int) -> None:
    """Browse every study of the results folder DIR in optuna-dashboard, on this machine only (127.0.0.1).

    The studies are exported into a file that is removed when the command ends. To keep one, with the notes you write:
    `stepscape export optuna DIR sqlite:///studies.db`, and `optuna-dashboard sqlite:///studies.db`.
    Diverged trials are shown as failed. Needs `pip install 'stepscape[dashboard]'`.
    """
    from analysis.record.cells import Record
    from benchmarks.errors import UsageError
    from benchmarks.mlflow_mirror.ui import check_port
    from benchmarks.tuning.optuna_export import export_cells
    from benchmarks.tuning.storages import close_storage, open_storage

    try:
        from optuna_dashboard import run_server
    except ImportError as error:
        raise UsageError(
            "stepscape dashboard needs optuna-dashboard, which is not installed: pip install 'stepscape[dashboard]'"
        ) from error
    cells = [cell for cell in Record.load(folder) if len(cell.trials)]
    if not cells:
        raise UsageError(f"{folder} has no studies: nothing was tuned in it")
    check_port(port)
    with tempfile.TemporaryDirectory(prefix="stepscape-") as scratch:
        url = f"sqlite:///{scratch}/studies.db"
        with Bar("export", len(cells)) as bar:
            for done, _ in enumerate(export_cells(cells, url), start=1):
                bar.show(done, len(cells))
        storage = open_storage(url)
        say(f"http://{HOST}:{port}\nCtrl-C stops it.")
        try:
            run_server(storage, host=HOST, port=port)
        except KeyboardInterrupt:
            pass
        finally:
            close_storage(storage)
