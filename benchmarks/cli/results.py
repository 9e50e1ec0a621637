"""Commands on a results folder that is there: merge, report, figure, compare, replay, export, sync, ui."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.cli.dashboard import dashboard
from benchmarks.cli.export_tables import coco, ioh, tables
from benchmarks.cli.figure import figure
from benchmarks.cli.options import COUNT, RECORD
from benchmarks.cli.plan import plan
from benchmarks.cli.progress import Bar, counted, say, terminal_width

if TYPE_CHECKING:
    from analysis.figures.style import Form
    from benchmarks.tuning.optuna_export import Diverged

__all__ = ["COMMANDS"]

DEFAULT_CHILDREN = 12  # trials of a cell with runs of their own


@click.command(short_help="Write the report of a results folder again.")
@click.argument("folder", metavar="DIR")
@click.option("--out", type=click.Path(path_type=Path), help="Where the report goes.  [default: DIR/report]")
@click.option("--tracking-uri", metavar="URI", help="MLflow store of an experiment given as mlflow:NAME.")
@click.option("--focus", multiple=True, metavar="NAME", help="Colour it, hold it against the others; repeatable.")
@click.option("--png", is_flag=True, help="Draw every figure as PNG too.")
@click.option("--svg", is_flag=True, help="Draw the chapter's panels, which are PNG, as SVG too; its page shows those.")
@click.option("--pdf", is_flag=True, help="Draw every figure as PDF too.")
@click.option("--paper", is_flag=True, help="Write paper/ beside it: figures in two widths, LaTeX tables, captions.")
@click.option("--jobs", "-j", type=COUNT, help="Processes.  [default: one a core]")
def report(
    folder: str,
    out: Path | None,
    tracking_uri: str | None,
    focus: tuple[str, ...],
    png: bool,
    svg: bool,
    pdf: bool,
    paper: bool,
    jobs: int | None,
) -> None:
    """Write the report of the results folder DIR again: one HTML file, figures as SVG, tables as CSV.

    DIR may be mlflow:EXPERIMENT: the record is then fetched from MLflow into results/EXPERIMENT first. It may be the
    file of an archive, or atlas:NAME, a record that comes with the suite (`stepscape list atlas`).
    """
    from benchmarks.errors import UsageError

    source = RECORD.convert(folder, None, None)
    if folder.startswith("mlflow:"):
        from benchmarks.mlflow_mirror.fetch import fetch

        if tracking_uri is None:
            raise UsageError("mlflow:EXPERIMENT needs --tracking-uri, the store the experiment is in")
        source = fetch(folder.removeprefix("mlflow:"), tracking_uri, Path("results") / folder.removeprefix("mlflow:"))
    from benchmarks.cli.execute import write_page
    from benchmarks.record.folder import RecordFolder
    from benchmarks.record.lock import alone
    from benchmarks.running.workers import default_jobs

    record = RecordFolder(source)
    # the new report is written inside the record, where a run would take it for what a killed process left
    here = out is None and record.suite_file.is_file()
    if here and not os.access(source, os.W_OK):
        raise UsageError(f"{source} may not be written; say with --out where the report goes")
    with Bar("report") as bar, alone(record) if here else nullcontext():
        wanted: dict[Form, bool] = {"png": png, "svg": svg, "pdf": pdf}
        forms = [form for form, asked in wanted.items() if asked]
        page = write_page(source, out, progress=bar.show, jobs=jobs or default_jobs(), focus=focus, forms=forms)
        if paper:
            from analysis.pages.paper import write_paper
            from analysis.record.cells import Record

            write_paper(Record.load(source), page.parent / "paper", jobs=jobs or default_jobs(), progress=bar.show)
    say(f"report: {page.resolve()}")
    if paper:
        say(f"paper:  {page.resolve().parent / 'paper'}")


@click.command("merge", short_help="Join the records of a suite's shards.")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=RECORD)
def merge_(out: Path, folders: tuple[Path, ...]) -> None:
    """Join the results folders DIR... of one suite, as its shards, into OUT, a new folder or one joined before.

    They may be of unequal progress: `stepscape run SUITE --out OUT` then runs what is missing. Nothing in DIR... is
    changed. Refused are other definitions of the suite, other versions, and cells of one name that differ.

    \b
    Examples:
      stepscape merge results/league results/league-*-of-16
    """
    from benchmarks.record.merge import merge

    with Bar("merge"):
        merged = merge(out, folders)
    for note in merged.notes:
        say(f"stepscape: {note}", err=True)
    for name, said in merged.failed.items():
        say(f"stepscape: {name} failed: {said}", err=True)
    done = merged.total - len(merged.missing)
    say(f"{merged.folder}: {done} of {merged.total} parts finished, {merged.now} of them joined now")
    if merged.to_run:
        shown = ", ".join(merged.to_run[:5]) + (", …" if len(merged.to_run) > 5 else "")
        say(f"missing: {shown}; `stepscape run SUITE --out {merged.folder}` runs them")
    say(f"report:  stepscape report {merged.folder}")


@click.command(short_help="Tell whether a change helped.")
@click.argument("a", metavar="A", type=RECORD)
@click.argument("b", metavar="B", type=RECORD)
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="OLD=NEW",
    help="Compare OLD of A with NEW of B: optimizers, problems; repeatable.",
)
@click.option("--other-search", is_flag=True, help="Compare what was searched otherwise: what a wider search bought.")
@click.option("--json", "as_json", is_flag=True, help="The comparison as JSON.")
@click.pass_context
def compare(
    context: click.Context, /, a: Path, b: Path, maps: tuple[str, ...], other_search: bool, as_json: bool
) -> None:
    """Tell whether a change helped: the results folder B against A, cell by cell and overall, with intervals.

    Cells are matched by problem instance, optimizer, schedule and budget; what does not match is named and left out.
    Tuned results are told apart by their studies, three or more a side; defaults by their test seeds.
    Exit code 1 where B is significantly worse somewhere or overall, else 0.

    \b
    Examples:
      stepscape compare results/before results/after
      stepscape compare atlas:league results/mine
      stepscape compare results/rmsprop results/adam --map rmsprop=adam
    """
    from analysis.pages.mapped import compare_mapped
    from analysis.record.cells import Record

    names = dict(map(_pair_of_names, maps))
    with Bar("compare"):
        comparison = compare_mapped(Record.load(a), Record.load(b), names, other_search=other_search)
    say(comparison.to_json() if as_json else comparison.text(terminal_width()))
    context.exit(1 if comparison.worsened else 0)


def _pair_of_names(text: str) -> tuple[str, str]:
    """The names of ``OLD=NEW``; one of a problem with parameters holds equals signs in its brackets."""
    from benchmarks.naming.call_syntax import split_outside_brackets

    parts = split_outside_brackets(text, "=")
    if len(parts) != 2:
        raise click.BadParameter(f"--map is written OLD=NEW, as rmsprop=adam, got {text!r}")
    return parts[0], parts[1]


@click.command(short_help="Replay Optuna's samplers without training.")
@click.argument("folder", metavar="DIR", type=RECORD)
@click.option(
    "--sampler", "samplers", multiple=True, help="tpe, cmaes, qmc, random, gp (slow).  [default: the first 3]"
)
@click.option("--budget", default=64, show_default=True, type=COUNT, help="Trials of a search.")
@click.option("--repeats", default=20, show_default=True, type=COUNT, help="Searches of a sampler.")
@click.option("--again", is_flag=True, help="Replace the replays that are there.")
def replay(folder: Path, samplers: tuple[str, ...], budget: int, repeats: int, again: bool) -> None:
    """Replay Optuna's samplers over the landscapes of DIR: what they would have found, without training anything.

    The next `stepscape report DIR` draws them beside the exact curve of random search.
    """
    from analysis.record.cells import Record
    from benchmarks.errors import UsageError
    from benchmarks.tuning.replay import USUAL, replay_record

    record = Record.load(folder)
    if not again and any((cell.path / "replays.parquet").is_file() for cell in record):
        raise UsageError(f"{folder} has replays already; --again replaces them")
    cells = sum(cell.landscape_rows > 0 for cell in record)
    with Bar("replay", cells) as bar:
        files = replay_record(
            folder, samplers or USUAL, budget, repeats, on_cell=lambda _: bar.show(bar.done + 1, cells)
        )
    say(f"{len(files)} landscapes searched; `stepscape report {folder}` shows how fast")


@click.group(short_help="Write results in another tool's form.")
def export() -> None:
    """Write a results folder in another tool's form."""


export.add_command(tables)
export.add_command(coco)
export.add_command(ioh)


@export.command("optuna", short_help="Into an Optuna storage.")
@click.argument("folder", metavar="DIR", type=RECORD)
@click.argument("url", metavar="URL")
@click.option(
    "--diverged",
    type=click.Choice(["fail", "inf"]),
    default="fail",
    show_default=True,
    help="What diverged trials become: failed ones, or complete ones worth inf.",
)
def export_optuna(folder: Path, url: str, diverged: Diverged) -> None:
    """Write every study of the results folder DIR to the Optuna storage URL, for load_study and optuna-dashboard.

    A diverged trial is written as a failed one: optuna-dashboard paints what is worth inf as the best. With
    `--diverged inf` the study is what the sampler saw.

    \b
    Examples:
      stepscape export optuna results/quick sqlite:///studies.db
      stepscape export optuna results/quick journal:///studies.log
    """
    from analysis.record.cells import Record
    from benchmarks.tuning.optuna_export import export_cells

    cells = [cell for cell in Record.load(folder) if len(cell.trials)]
    studies = sum(len(cell.info.studies) for cell in cells)
    with Bar("export") as bar:
        written = 0
        for done, new in enumerate(export_cells(cells, url, diverged), start=1):
            written += new
            bar.show(done, len(cells))
    say(f"{written} studies written to {url}, {studies - written} were there already")


@export.command("archive", short_help="Into one small file.")
@click.argument("folder", metavar="DIR", type=RECORD)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--light", is_flag=True, help="Only what a report shows of runs, curves and paths: a quarter of the size."
)
def export_archive(folder: Path, file: Path, light: bool) -> None:
    """Pack the record of the results folder DIR into FILE, a NAME.tar.xz, without report, checkpoints and MLflow runs.

    Commands that read a results folder read the file as well.

    \b
    Examples:
      stepscape export archive results/quick quick.tar.xz
      stepscape report quick.tar.xz --out page
    """
    from benchmarks.record.archive import pack

    say(f"{file}: {pack(folder, file, light=light) / 2**20:.1f} MiB")


@click.command(short_help="Browse the runs in MLflow's own UI.")
@click.argument("folder", metavar="DIR", type=RECORD)
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--open/--no-open", "open_browser", default=False, help="Open a browser.")
@click.option("--rebuild", is_flag=True, help="Make the store in DIR anew from the record first.")
def ui(folder: Path, port: int, open_browser: bool, rebuild: bool) -> None:
    """Browse the runs of the results folder DIR in MLflow's own UI, on this machine only (127.0.0.1).

    MLflow keeps absolute paths: a folder that was moved or copied needs `--rebuild`, once. What was added to the store
    in the UI is lost then; the record is as it was.
    """
    from benchmarks.mlflow_mirror.ui import serve

    if rebuild:
        from analysis.record.cells import Record
        from benchmarks.mlflow_mirror.store import default_uri, remove_store
        from benchmarks.mlflow_mirror.tracker import mirror
        from benchmarks.record.folder import RecordFolder
        from benchmarks.record.lock import alone

        record = Record.load(folder)  # what is no record keeps what it holds
        with alone(RecordFolder(folder)), Bar("rebuild", len(record.cells)) as bar:
            remove_store(folder)
            mirror(record, default_uri(folder), DEFAULT_CHILDREN, bar.show)
    serve(folder, port=port, open_browser=open_browser, say=say)


@click.command(short_help="Bring MLflow up to date with a results folder.")
@click.argument("folder", metavar="DIR", type=RECORD)
@click.argument("uri", metavar="[URI]", required=False)
@click.option("--children", default="12", metavar="N|all|none", show_default=True, help="Trials of a cell with runs.")
def sync(folder: Path, uri: str | None, children: str) -> None:
    """Write what is missing of the results folder DIR to the MLflow store URI, by default the one in DIR.

    A run gives up a store that is slow; this goes on until all is there. What is there already costs one query a cell.
    """
    from analysis.record.cells import Record
    from benchmarks.cli.execute import count_of_children
    from benchmarks.mlflow_mirror.store import check_uri, default_uri
    from benchmarks.mlflow_mirror.tracker import mirror
    from benchmarks.record.folder import RecordFolder
    from benchmarks.record.lock import alone

    record, count = Record.load(folder), count_of_children(children)
    if uri is not None:
        check_uri(uri)
    where = uri or default_uri(folder)
    with alone(RecordFolder(folder)), Bar("sync", len(record.cells)) as bar:
        mirror(record, where, count, bar.show)
    say(f"{counted(len(record.cells), 'cell')} of {folder} in MLflow at {where}")


COMMANDS: tuple[click.Command, ...] = (
    report,
    figure,
    compare,
    plan,
    replay,
    merge_,
    export,
    sync,
    ui,
    dashboard,
)
