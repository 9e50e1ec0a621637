"""What a paper takes of a record."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from analysis.pages.paper import latex, write_paper
from analysis.problem_results import results_of
from analysis.record.cells import Record

SPECIAL_SIGN = re.compile(r"(?<!\\)[&%#_]")


def test_what_latex_does_not_take_is_escaped_and_powers_of_ten_are_set() -> None:
    assert latex("a_b & 50% of {x} < 2") == r"a\_b \& 50\% of \{x\} \textless{} 2"
    assert latex("gap 5.3e-5 [1e-6, 0.2]") == r"gap $5.3\times 10^{-5}$ [$1\times 10^{-6}$, 0.2]"
    assert latex(">1e6×") == r"\textgreater{}$1\times 10^{6}\times$"
    assert latex("1.2× γ") == r"1.2$\times$ $\gamma$"


@pytest.fixture(scope="module")
def small(record_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Two problems and two optimizers."""
    folder = tmp_path_factory.mktemp("small")
    for name in ("suite.toml", "environment.json"):
        (folder / name).write_bytes((record_folder / name).read_bytes())
    for cell in ("noisy--sgd", "noisy--rmsprop", "ellipse--sgd", "ellipse--rmsprop"):
        shutil.copytree(record_folder / "cells" / cell, folder / "cells" / cell)
    return Record.load(folder)


@pytest.fixture(scope="module")
def paper(small: Record, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("analysis.figures.paper.PAPER_DPI", 60)  # pixels are most of its time
        return write_paper(small, tmp_path_factory.mktemp("paper") / "paper")


@pytest.mark.slow
def test_every_figure_is_there_in_both_widths_with_its_caption(paper: Path) -> None:
    text = (paper / "figures.tex").read_text(encoding="utf-8")
    shown = re.findall(r"\\includegraphics\[width=\\\w+\]\{(.*?)\}", text)
    assert "figures/noisy-convergence-column.pdf" in shown
    assert "figures/ranks-column.pdf" in shown
    assert "figures/ellipse-landscape-page.pdf" in shown
    for name in shown:
        stem = name.rsplit("-", 1)[0]
        assert all(
            (paper / f"{stem}-{width}.{form}").is_file() for width in ("column", "page") for form in ("pdf", "png")
        )
        assert (paper / name).read_bytes().startswith(b"%PDF")
    assert text.count(r"\caption{") == text.count(r"\label{fig:") == len(shown)
    captions = re.findall(r"\\caption\{(.*)\}\n", text)
    assert not [caption for caption in captions if SPECIAL_SIGN.search(caption)]


@pytest.mark.slow
def test_tables_are_booktabs_mark_the_best_and_say_what_the_report_says(small: Record, paper: Path) -> None:
    files = {file.stem: file.read_text(encoding="utf-8") for file in (paper / "tables").glob("*.tex")}
    assert set(files) == {"ellipse", "noisy", "overview", "ranking"}
    for name, text in files.items():
        assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule")), name
        rows = re.findall(r"^(.*) \\\\$", text, re.MULTILINE)
        assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1, name
    assert r"\textbf{" in files["noisy"]
    results = results_of(small)
    (row,) = [row for row in files["noisy"].splitlines() if row.startswith("rmsprop")]
    cell = next(cell for cell in results["noisy"].cells if cell.label == "rmsprop")
    assert all(latex(text) in row for text in (cell.text("tuned"), cell.text("default"), cell.tuned_at))
    assert r"\input{tables/noisy}" in (paper / "tables.tex").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_bibliography_names_the_suite(paper: Path) -> None:
    text = (paper / "record.bib").read_text(encoding="utf-8")
    assert text.startswith("@software{stepscape-toy-suite,")
    assert r"suite toy \textless{}suite\textgreater{}" in text
