"""The command that draws one figure for a paper."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.pages.catalogue import FIGURES
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite


def test_the_list_and_the_help_name_every_figure(call: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("figure", "--list") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines() if line[0] != " "] == list(FIGURES)
    assert call("figure", "--help") == 0
    told = capsys.readouterr().out
    assert all(name in told for name in FIGURES)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["figure"], "figure needs NAME and RECORD; `stepscape figure --list` names the figures"),
        (["figure", "ranks", "nowhere", "--out", "a.docx"], "ends in none of .pdf, .svg and .png"),
        (["figure", "ranks", "nowhere"], "nowhere is not a results folder"),
        (["figure", "ranks", "nowhere", "--style", "none.mplstyle"], "none.mplstyle is no style"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    words: list[str], said: str, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_a_figure_lands_in_the_format_that_its_file_says_and_its_caption_is_printed(
    call: Callable[..., int], tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(Suite.parse(tiny, "the test"), tmp_path / "out")
    file = tmp_path / "paper" / "fig1.svg"
    assert call("figure", "convergence", tmp_path / "out", "--out", file) == 0
    assert "<text" in file.read_text(encoding="utf-8")
    assert "The typical run at every evaluation" in capsys.readouterr().out
    assert call("figure", "convergence", tmp_path / "out", "--format", "png", "--out", tmp_path / "plain") == 0
    assert (tmp_path / "plain").read_bytes().startswith(b"\x89PNG")
    assert call("figure", "--list", tmp_path / "out") == 0
    told = capsys.readouterr().out
    assert "convergence" in told
    assert "ranks" not in told
    assert call("figure", "replay", tmp_path / "out") == 2
    assert "no problem" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("empty_pictures")
def test_a_report_for_a_paper_has_a_folder_beside_its_page(
    call: Callable[..., int],
    tiny: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("analysis.figures.paper.PAPER_DPI", 60)  # pixels are most of its time
    run(Suite.parse(tiny, "the test"), tmp_path / "out")
    assert call("report", tmp_path / "out", "--paper", "--jobs", "1") == 0
    folder = tmp_path / "out" / "report" / "paper"
    assert str(folder) in capsys.readouterr().out
    assert (folder / "figures" / "ellipse-convergence-column.pdf").is_file()
    assert {file.name for file in folder.iterdir()} == {"figures", "tables", "figures.tex", "tables.tex", "record.bib"}
