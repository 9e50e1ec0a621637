"""What a paper takes of a record: its figures in two widths, tables for LaTeX with their captions, a bibliography."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from analysis.figures.overview import Ratios, worse_than_best
from analysis.figures.paper import INCHES, Width
from analysis.measures.pooling import Pool, PoolingError, met_all
from analysis.measures.ranking import Standing, ranking, standings
from analysis.pages.catalogue import FIGURES, paper_figure, problems_with
from analysis.pages.drawing import drawn
from analysis.pages.results_text import intervals_text
from analysis.problem_results import ProblemResults, results_of
from analysis.record.cells import Record
from analysis.record.errors import RecordError
from analysis.words import estimate_text, number

__all__ = ["latex", "write_paper"]

SPECIAL: Final[Mapping[str, str]] = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{"×": r"$\times$", "−": "$-$", "·": r"$\cdot$", "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$"},
    **{"ε": r"$\varepsilon$", "λ": r"$\lambda$", "₁": "$_1$", "₂": "$_2$", "–": "--", "…": r"\dots{}", "’": "'"},
}
"""What LaTeX does not take as it is."""

MATRIX: Final = "overview"
STANDINGS: Final = "ranking"
WIDE: Final = 7
"""Columns beyond which a table needs the page."""


def write_paper(
    record: Record, out: Path, *, jobs: int = 1, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Write what a paper takes of ``record`` into the folder ``out``, which may be there; returns it.

    ``figures/NAME-column.pdf`` and ``-page.pdf`` (3.25 and 6.75 inches, text as text) and the same as PNG with 300 dots
    an inch; ``tables/*.tex`` (booktabs); ``figures.tex`` and ``tables.tex``, which hold each with its caption and
    label, ready to be copied; ``record.bib``. ``progress`` is called with (parts drawn, parts in all); ``jobs``
    processes draw.
    """
    wanted = [
        (name, problem)
        for name, kind in FIGURES.items()
        for problem in ([None] if kind.across and problems_with(record, name) else [])
        or ([] if kind.across else problems_with(record, name))
    ]
    for folder in ("figures", "tables"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    snippets: list[str] = []
    tasks = [(_figure, (record, name, problem, out / "figures")) for name, problem in wanted]
    for done, snippet in enumerate(drawn(tasks, jobs), start=1):
        snippets += [snippet] if snippet else []
        if progress is not None:
            progress(done, len(tasks))
    _write(out / "figures.tex", snippets)
    _write(out / "tables.tex", _tables(record, out / "tables"))
    _write(out / "record.bib", [_bibliography(record)])
    return out


def latex(text: str) -> str:
    """``text`` as LaTeX sets it: its special signs escaped, 5.3e-5 as a power of ten."""
    escaped = "".join(SPECIAL.get(letter, letter) for letter in text)
    powers = re.sub(r"(\d+(?:\.\d+)?)e(-?\d+)\b", r"$\1\\times 10^{\2}$", escaped)
    return powers.replace("$$", "")  # formulas beside each other are one


def _figure(record: Record, name: str, problem: str | None, folder: Path) -> str:
    """Write a figure in both widths; its LaTeX, or nothing where a record says too little for it."""
    stem = "-".join(_stem(part) for part in (problem, name) if part)
    caption = ""
    for width in INCHES:
        try:
            found = paper_figure(record, name, problem, width=width)
        except RecordError:
            return ""
        caption = found.caption
        (folder / f"{stem}-{width}.pdf").write_bytes(found.saved("pdf"))
        (folder / f"{stem}-{width}.png").write_bytes(found.saved("png"))
    size: Width = "page" if name in ("landscape", "profiles", "transfer-matrix") else "column"
    star, room = ("*", r"\textwidth") if size == "page" else ("", r"\columnwidth")
    return (
        f"\\begin{{figure{star}}}\n  \\centering\n  \\includegraphics[width={room}]{{figures/{stem}-{size}.pdf}}\n"
        f"  \\caption{{{latex(caption)}}}\n  \\label{{fig:{stem}}}\n\\end{{figure{star}}}\n"
    )


def _tables(record: Record, folder: Path) -> list[str]:
    """Write the tables; the LaTeX that takes each with its caption."""
    results = results_of(record)
    found: dict[str, tuple[pd.DataFrame, str]] = {}
    for problem, one in results.items():
        notes = " ".join(intervals_text([one]))
        caption = f"Results on {problem}: {one.measure.label} after the last step (start {number(one.measure.start)})."
        signs = "Bold: the lowest; $\\dagger$: not told apart from it."
        found[_stem(problem)] = _results(one), f"{latex(caption)} {signs} {latex(notes)}"
    ratios = worse_than_best(results.values())
    if len(record.cells) > 1 and not ratios.empty:
        text = (
            "How many times as high as the problem's best each tuned median ends, or the share of the best progress "
            "where that is rounding."
        )
        found[MATRIX] = _matrix(ratios), f"{text} Bold: the best; $\\dagger$: not told apart from it."
    try:
        pooled = Pool.of(met_all([cell for one in results.values() for cell in one.cells])[0])
        if len(results) > 1:
            text = (
                f"Mean ranks over {len(pooled.problems)} problems and interquartile means of the share of the progress."
            )
            found[STANDINGS] = _standings(standings(pooled, ranking(pooled))), latex(text)
    except PoolingError:
        pass
    snippets = []
    for name, (table, caption) in found.items():
        text = table.to_latex(index=False, escape=False, column_format="l" + "r" * (table.shape[1] - 1))
        (folder / f"{name}.tex").write_text(text, encoding="utf-8")
        star = "*" if table.shape[1] > WIDE else ""
        snippets.append(
            f"\\begin{{table{star}}}\n  \\centering\n  \\caption{{{caption}}}\n  \\label{{tab:{name}}}\n"
            f"  \\input{{tables/{name}}}\n\\end{{table{star}}}\n"
        )
    return snippets


def _results(one: ProblemResults) -> pd.DataFrame:
    """The results of a problem, a row an optimizer, as LaTeX."""
    rows = []
    for cell in one.cells:
        rows.append(
            {
                "optimizer": latex(cell.label),
                "tuned": _marked(latex(cell.text("tuned")), best=cell in one.best, tied=cell in one.tied),
                "default": latex(cell.text("default")),
                "found": latex(cell.tuned_at) or "--",
            }
        )
    return pd.DataFrame(rows)


def _matrix(ratios: Ratios) -> pd.DataFrame:
    """The table of ratios, a row a problem, as LaTeX."""
    best = (ratios.values == 1) | (pd.isna(ratios.values) & (ratios.shares == 1))
    rows: list[dict[str, str]] = []
    for row, problem in enumerate(ratios.problems):
        fields = {
            latex(label): _marked(
                latex(str(ratios.texts[row, column])) or "--",
                best=bool(best[row, column]),
                tied=bool(ratios.tied[row, column]),
            )
            for column, label in enumerate(ratios.labels)
        }
        rows.append({"problem": latex(problem), **fields})
    return pd.DataFrame(rows)


def _standings(found: Sequence[Standing]) -> pd.DataFrame:
    """The ranking, best first, as LaTeX."""
    rows = [
        {
            "optimizer": latex(one.label),
            "mean rank": latex(estimate_text(one.rank)),
            "IQM": latex(estimate_text(one.iqm)),
            "$p$ against the best": "--" if pd.isna(one.p_best) else latex(number(one.p_best, 2)),
        }
        for one in found
    ]
    return pd.DataFrame(rows)


def _marked(text: str, *, best: bool, tied: bool) -> str:
    """``text`` in bold where it is the best, with a dagger where it is not told apart from that."""
    if best:
        return f"\\textbf{{{text}}}"
    return f"{text}$^\\dagger$".replace("$$", "") if tied else text


def _bibliography(record: Record) -> str:
    """The entry of the record: its suite, the version it was run with, and the commit."""
    version = str((record.environment.get("packages") or {}).get("stepscape", ""))
    commit = str(record.environment.get("git_commit") or "")
    fields = {
        "title": f"{{Stepscape}}: suite {latex(record.name)}",
        "version": version,
        "note": f"commit {commit[:12]}" if commit else "",
    }
    inner = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items() if value)
    return f"@software{{stepscape-{_stem(record.name).lower()},\n{inner}}}\n"


def _stem(name: str) -> str:
    """``name`` as part of the name of a file and of a label."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.") or "unnamed"


def _write(file: Path, parts: Sequence[str]) -> None:
    file.write_text("\n".join(parts), encoding="utf-8")
