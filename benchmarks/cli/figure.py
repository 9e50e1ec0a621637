"""The command that draws one figure of a record for a paper."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.cli.options import RECORD
from benchmarks.cli.progress import Bar, say, terminal_width

if TYPE_CHECKING:
    from analysis.figures.paper import PaperForm, Width

__all__ = ["figure"]

FORMS: tuple[PaperForm, ...] = ("pdf", "svg", "png")


@click.command(short_help="Draw one figure for a paper.")
@click.argument("name", metavar="NAME", required=False)
@click.argument("record", metavar="RECORD", required=False, type=RECORD)
@click.option("--list", "listed", is_flag=True, help="The figures there are; `--list RECORD`: and their problems.")
@click.option(
    "--problem", metavar="NAME", help="The problem it is of; may be left out where only one has such a figure."
)
@click.option("--format", "form", type=click.Choice(FORMS), help="[default: that of FILE, or pdf]")
@click.option(
    "--width",
    type=click.Choice(["column", "page"]),
    default="column",
    show_default=True,
    help="3.25 inches, or 6.75, the text of a page of two columns.",
)
@click.option("--style", metavar="FILE", help="A style file of matplotlib's, or a style it knows, on top of ours.")
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path), help="[default: PROBLEM-NAME.FORMAT here]")
def figure(
    name: str | None,
    record: Path | None,
    listed: bool,
    problem: str | None,
    form: PaperForm | None,
    width: Width,
    style: str | None,
    out: Path | None,
) -> None:
    """Draw the figure NAME of the results folder RECORD for a paper: as wide as its column, text as text, PNG with 300
    dots an inch. Its caption is printed, for figures in papers have no titles.

    \b
    Of each problem (--problem): outcome, convergence, sensitivity, landscape,
      horizons, trajectory (problems in the plane), budget, replay (after `stepscape replay`)
    Across problems: overview, ranks, profiles, transfer, transfer-matrix

    \b
    Examples:
      stepscape figure landscape results/quick --problem rosenbrock
      stepscape figure ranks results/quick --width page --format svg
      stepscape figure profiles atlas:league --style mine.mplstyle --out fig3.pdf
      stepscape figure --list results/quick
    """
    if listed:
        _say_figures(record or (RECORD.convert(name, None, None) if name else None))
        return
    if name is None or record is None:
        raise click.UsageError("figure needs NAME and RECORD; `stepscape figure --list` names the figures")
    chosen = form or _form_of(out)
    from analysis.figures.paper import style_of
    from analysis.pages.catalogue import paper_figure
    from analysis.record.cells import Record

    settings = style_of(style) if style else {}
    with Bar("figure"):
        drawn = paper_figure(Record.load(record), name, problem, width=width, style=settings)
        content = drawn.saved(chosen)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(part for part in (problem, name) if part)).strip("-.")
    file = out or Path(f"{stem}.{chosen}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    say(f"{file}: {drawn.caption}")


def _form_of(out: Path | None) -> PaperForm:
    """The format that the name of a file asks for; PDF where it asks for none."""
    for form in FORMS:
        if out is not None and out.suffix.lower() == f".{form}":
            return form
    if out is not None and out.suffix:
        raise click.BadParameter(f"--out {out} ends in none of .pdf, .svg and .png; say with --format what it shall be")
    return "pdf"


def _say_figures(folder: Path | None) -> None:
    """Print every figure and what it shows; of a record in ``folder`` those it has, with their problems."""
    from analysis.pages.catalogue import FIGURES, problems_with
    from analysis.record.cells import Record
    from analysis.words import listing

    record = None if folder is None else Record.load(folder)
    wide = max(map(len, FIGURES))
    for name, kind in FIGURES.items():
        text = kind.shows
        if record is not None:
            problems = problems_with(record, name)
            if not problems:
                continue
            text += "" if kind.across else f": {listing(list(problems))}"
        elif not kind.across:
            text += " (of a problem)"
        say(click.wrap_text(f"{name:{wide}}  {text}", terminal_width(), subsequent_indent=" " * (wide + 2)))
