"""The report is one page that needs nothing else."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.figures.style import looks_of
from analysis.pages import problem_section
from analysis.pages.problem_section import Section, section_of
from analysis.pages.report import section_ahead, write_report
from analysis.problem_results import ProblemResults, results_of, results_table
from analysis.record.cells import Cell, Record
from analysis.record.errors import RecordError

COMMON = {"outcome", "convergence", "sensitivity", "landscape"}  # the figures of every problem


@pytest.fixture(scope="module")
def page(record_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a problem in the plane and of one without a floor."""
    folder = tmp_path_factory.mktemp("report") / "record"
    shutil.copytree(record_folder, folder, ignore=lambda _, names: [name for name in names if "noisy" in name])
    return write_report(folder, forms=["png"])


@pytest.fixture(scope="module")
def twins(record_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of two problems, a cell each, whose names differ in characters that file names cannot hold."""
    folder = tmp_path_factory.mktemp("twins") / "record"
    shutil.copytree(record_folder, folder, ignore=lambda _, names: [name for name in names if "--" in name])
    for position, name in enumerate(["q(d=2)", "q[d=2]"]):
        cell = shutil.copytree(record_folder / "cells" / "noisy--sgd", folder / "cells" / f"twin{position}")
        info = json.loads((cell / "cell.json").read_text(encoding="utf-8"))
        info["cell"], info["problem"]["name"], info["position"] = f"twin{position}", name, position
        (cell / "cell.json").write_text(json.dumps(info), encoding="utf-8")
        pd.read_parquet(cell / "landscape.parquet")[:0].to_parquet(cell / "landscape.parquet")
    return folder


@pytest.fixture(scope="module")
def twin_report(twins: Path) -> Path:
    """The folder of the twins' report, written by one process."""
    return write_report(twins, twins.parent / "report of the twins").parent


@pytest.mark.usefixtures("empty_pictures")
def test_a_record_of_unequal_budgets_alone_has_a_report_without_an_overview(twins: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(twins, tmp_path / "unequal")
    for position, changes in enumerate([{}, {"steps": 5}]):
        file = folder / "cells" / f"twin{position}" / "cell.json"
        info = json.loads(file.read_text(encoding="utf-8"))
        info["cell"], info["problem"]["name"], info["optimizer"]["name"] = f"twin{position}", "noisy", f"sgd{position}"
        info["protocol"] |= changes
        file.write_text(json.dumps(info), encoding="utf-8")
    page = write_report(folder)
    assert not (page.parent / "figures" / "overview.svg").exists()


class Links(HTMLParser):
    """Collects what a page loads and links to, its ids and the alternative texts of its pictures and maps."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.hrefs: list[str] = []
        self.ids: list[str] = []
        self.pictures: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.loads += [found[name] for name in ("src", "srcset", "data", "poster") if name in found]
        pictures = self.loads if tag == "image" else self.hrefs
        pictures += [found["href"]] if "href" in found else []
        self.ids += [found["id"]] if "id" in found else []
        self.pictures += [found["alt"]] if tag == "img" else []
        self.pictures += [found["aria-label"]] if tag == "svg" and found["class"].startswith("plot") else []
        self.pictures += [found["aria-label"]] if "data-maps" in found else []


@pytest.fixture(scope="module")
def links(page: Path) -> Links:
    parser = Links()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


def test_the_page_loads_nothing_from_anywhere(page: Path, links: Links) -> None:
    assert all(load.startswith("data:image/") for load in links.loads)
    assert not links.tags & {"link", "iframe", "object"}
    text = page.read_text(encoding="utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)  # that of page and maps, and no other
    assert text.count("<script") == 1
    assert not re.search(r"fetch|XMLHttpRequest|import\b|https?:|WebSocket|sendBeacon|\.src\b", script)
    style = text.split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_tables_are_sorted_by_result(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    results = results_of(Record.load(page.parent.parent))
    for problem, found in results.items():
        section = text.split(f'<section id="{problem}"')[1].split("</section>")[0]
        ranked = [cell.label for cell in found.by_result]
        mapped = [cell.label for cell in found.by_result if cell.landscape is not None]
        rows = re.findall(r'<tr data-label="([^"]+)"', section)
        assert rows == [*ranked, *mapped, *ranked]  # results, landscapes, costs


def test_the_links_of_the_page_lead_to_places_on_it(links: Links) -> None:
    assert len(links.ids) == len(set(links.ids))
    led_to = {href.removeprefix("#") for href in links.hrefs}
    assert led_to <= set(links.ids)
    assert led_to >= {"ellipse", "classes", "across", "measured", "ellipse-outcome", "ellipse-results"}


def test_every_figure_is_on_the_page_and_in_the_files_that_were_asked_for(page: Path, links: Links) -> None:
    expected = {"overview", *(f"{p}-{name}" for p in ("ellipse", "classes") for name in COMMON)}
    expected |= {
        "ellipse-trajectory",
        *(f"{p}-{name}" for p in ("ellipse", "classes") for name in ("budget", "horizons")),
    }
    expected |= {f"across-{name}" for name in ("ranks", "profiles", "transfer", "transfer-matrix")}
    for kind in ("png", "svg"):
        assert {file.stem for file in (page.parent / "figures").glob(f"*.{kind}")} == expected
    assert len(links.pictures) == len(expected)
    assert all(links.pictures)


def test_text_from_the_record_is_escaped(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<b>tests</b>" not in text
    assert "&lt;b&gt;tests&lt;/b&gt;" in text
    assert "toy &lt;suite&gt;" in text
    assert "&lt;span" not in text  # and what is ours is not
    assert '<span class="interval">[' in text


def test_the_page_says_how_it_was_measured(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for fact in (
        "f-classes",
        "a book",
        "gamma from 0 to 0.999 (log of 1 − gamma)",
        "100 to 104",
        "5 test seeds",
        "90% bootstrap interval",
    ):
        assert fact in text


def test_the_page_is_small_and_as_light_or_dark_as_its_reader_likes(page: Path) -> None:
    assert page.stat().st_size < 2_000_000
    text = page.read_text(encoding="utf-8")
    assert 'name="color-scheme" content="light dark"' in text
    assert 'name="viewport"' in text


def test_the_tables_are_the_numbers_of_the_figures(page: Path, record: Record) -> None:
    folder = page.parent / "tables"
    results, expected = pd.read_csv(folder / "results.csv"), results_table(record)
    np.testing.assert_allclose(results["tuned"], expected[expected["problem"] != "noisy"]["tuned"])
    assert len(pd.read_csv(folder / "convergence.csv")) == 6 * 2 * 11
    assert len(pd.read_csv(folder / "boundary.csv")) == 2 * (1 + 6 + 6)
    sensitivity = pd.read_csv(folder / "sensitivity.csv")
    assert list(sensitivity["label"][:3]) == ["sgd", "momentum", "rmsprop"]
    assert (sensitivity["factor_to_divergence"] > 1).all()


def test_the_report_says_what_holds_across_problems_and_what_to_set(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for heading in ("Across problems", "One setting for all problems", "How forgiving the landscapes are"):
        assert heading in text
    assert "What to set on classes" in text
    advice = json.loads((page.parent / "recommendation.json").read_text(encoding="utf-8"))
    assert len(advice["cells"]) == 6
    assert [one["label"] for one in advice["all_problems"]] == ["sgd", "momentum", "rmsprop"]
    for name in ("stability", "boundary", "budget", "ranking", "pairs", "transfer", "running_time"):
        assert not pd.read_csv(page.parent / "tables" / f"{name}.csv").empty


def test_page_tables_and_advice_hold_a_problems_further_metrics(page: Path) -> None:
    assert page.read_text(encoding="utf-8").count('it selects nothing; –: a run diverged">accuracy</th>') == 1
    metrics = pd.read_csv(page.parent / "tables" / "metrics.csv")
    assert set(metrics["problem"]) == {"classes"}
    assert set(metrics["metric"]) == {"accuracy"}
    advice = json.loads((page.parent / "recommendation.json").read_text(encoding="utf-8"))["cells"]
    assert [bool(one["metrics"]) for one in advice] == [
        one["problem"] == "classes" and one["source"] == "tuned" for one in advice
    ]


@pytest.mark.slow
def test_the_report_is_the_same_to_the_byte_whatever_the_number_of_processes(twins: Path, twin_report: Path) -> None:
    second = write_report(twins, twins.parent / "again", jobs=2).parent
    files = sorted(file.relative_to(twin_report) for file in twin_report.rglob("*") if file.is_file())
    assert files == sorted(file.relative_to(second) for file in second.rglob("*") if file.is_file())
    assert [file for file in files if (twin_report / file).read_bytes() != (second / file).read_bytes()] == []


def test_figures_are_files_as_svg_where_nothing_else_is_asked_for(twin_report: Path, page: Path) -> None:
    assert {file.suffix for file in (twin_report / "figures").iterdir()} == {".svg"}
    assert "the figures as SVG: " in (twin_report / "index.html").read_text(encoding="utf-8")
    assert "the figures as SVG and PNG: " in page.read_text(encoding="utf-8")


def test_figures_stand_in_the_page_as_shapes_and_text_in_its_colours(twin_report: Path, page: Path) -> None:
    for file in (twin_report / "index.html", page):
        text = file.read_text(encoding="utf-8")
        figures = re.findall(r'<svg class="plot[ \w]*" role="img".*?</svg>', text, flags=re.DOTALL)
        assert len(figures) == text.count("<figure id=") > 4
        assert "data:image/svg" not in text
        assert all("<text" in figure for figure in figures)
        assert re.search(r"\._\w+\{[^}]*var\(--c0\)", text)  # off and dark as its optimizer is
        defined = set(re.findall(r' id="(i\d+-\d+)"', text))
        assert {*re.findall(r'(?:href="|url\()#(i\d+-\d+)', text)} == defined


def test_sections_drawn_ahead_are_those_of_the_report_and_taken_where_they_look_the_same(
    twins: Path, twin_report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Record.load(twins)
    labels = [cell.label for cell in record]
    ahead = {problem: section_ahead(record.of_problem(problem), record.problems, labels) for problem in record.problems}
    ahead = pickle.loads(pickle.dumps(ahead))  # a worker sends them
    monkeypatch.setattr(problem_section, "section_of", lambda *_: pytest.fail("it is there"))
    again = write_report(twins, tmp_path / "again", sections=ahead).parent
    files = [file.relative_to(twin_report) for file in twin_report.rglob("*") if file.is_file()]
    assert [file for file in files if (twin_report / file).read_bytes() != (again / file).read_bytes()] == []
    other = {problem: replace(section, looks={}) for problem, section in ahead.items()}
    with pytest.raises(pytest.fail.Exception, match="it is there"):
        write_report(twins, tmp_path / "other", sections=other)


def test_problems_whose_names_look_alike_as_files_are_told_apart(twin_report: Path) -> None:
    anchors = re.findall(r'<section id="([^"]+)"', (twin_report / "index.html").read_text(encoding="utf-8"))
    assert anchors == ["q-d-2", "q-d-2-2", "across", "measured"]
    assert len(list((twin_report / "figures").glob("q-d-2-*.svg"))) == 4


def test_an_older_report_is_replaced_and_progress_is_told(twins: Path, twin_report: Path, tmp_path: Path) -> None:
    one = tmp_path / "one"
    shutil.copytree(twins, one, ignore=lambda _, names: [name for name in names if name == "twin1"])
    older = shutil.copytree(twin_report, one / "report")
    seen: list[tuple[int, int]] = []
    assert write_report(one, progress=lambda done, total: seen.append((done, total))) == older / "index.html"
    assert not list((older / "figures").glob("q-d-2-2*"))
    assert {file.name for file in one.iterdir()} == {"cells", "environment.json", "report", "suite.toml"}
    assert seen == [(1, 1)]


def test_a_folder_that_is_no_report_is_never_overwritten(record_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("my page", encoding="utf-8")
    with pytest.raises(RecordError, match="is not a report"):
        write_report(record_folder, tmp_path)
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == "my page"


def test_a_report_of_a_problem_that_nothing_survived_says_so(edited_cell: Callable[..., Cell], twins: Path) -> None:
    def lost(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(status="diverged", final_loss=np.nan)

    curves = {"curves": lambda frame: frame.assign(loss=frame["loss"].mask(frame["step"] > 0))}
    cell = edited_cell(
        1,
        "rmsprop",
        {"studies": [{"study": 0, "tuning_seeds": [0, 1], "trials": 12, "widened": 0, "winner": None}]},
        runs=lost,
        landscape=lost,
        **curves,
    ).path
    folder = cell.parent / "record"
    shutil.copytree(twins, folder, ignore=lambda _, names: [name for name in names if name.startswith("twin")])
    info = json.loads((cell / "cell.json").read_text(encoding="utf-8"))
    (cell / "cell.json").write_text(json.dumps({**info, "cell": "lost"}), encoding="utf-8")
    shutil.move(cell, folder / "cells" / "lost")
    text = write_report(folder).read_text(encoding="utf-8")
    for words in ("no tuned setting survived", "all diverged", "none: every trial diverged", "No tuned setting of any"):
        assert words in text


@pytest.mark.usefixtures("empty_pictures")
def test_unequal_budgets_cost_the_curves_of_tuning_and_not_the_report(
    edited_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    cells = (edited_cell(0, "sgd"), edited_cell(0, "momentum", {"protocol": {"steps": 99}}))
    section = section_of("ellipse", ProblemResults.of(cells), looks_of(["sgd", "momentum"]))
    assert section.refused.startswith("No curves of what tuning buys, for the budgets on ellipse are unequal: steps")
    assert section.steps == "40 or 99"  # those made, whatever the problem's own number
    assert section.tables["budget"].empty


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory, builder: Any) -> Section:
    """The section of the healthy problem of `flat_record`, drawn once for all of them."""
    folder = tmp_path_factory.mktemp("healthy") / "record"
    record = Record.load(replace(builder, grid=(5, 4), seeds=3, trials=6).record(folder, optimizers=("sgd", "rmsprop")))
    return section_ahead(record.of_problem("ellipse"), ("ellipse", "flat"), ["sgd", "rmsprop"] * 2)


@pytest.mark.slow
def test_a_problem_that_is_flat_at_its_floor_does_not_cost_the_report(
    flat_record: Path, healthy: Section, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn_now = list[str]()
    monkeypatch.setattr(
        problem_section, "section_of", lambda name, *more: drawn_now.append(name) or section_of(name, *more)
    )
    page = write_report(flat_record, sections={"ellipse": healthy})
    assert drawn_now == ["flat"]
    drawn = {path.stem for path in (page.parent / "figures").glob("*.svg")}
    assert {f"{problem}-{figure}" for problem in ("ellipse", "flat") for figure in COMMON} <= drawn


@pytest.mark.slow
def test_a_report_with_a_focus_colours_one_and_counts_its_wins(page: Path, tmp_path: Path) -> None:
    folder = page.parents[1]
    with pytest.raises(RecordError, match="did you mean 'rmsprop'"):
        write_report(folder, tmp_path / "none", focus="rmsporp")
    assert not (tmp_path / "none").exists()
    focused = write_report(folder, tmp_path / "focused", focus="rmsprop")
    text = focused.read_text(encoding="utf-8")
    assert "rmsprop against the others" in text
    swatches = set(re.findall(r'class="swatch" style="background: (#\w+)"></span>(\w+)', text))
    coloured = {name for color, name in swatches if len({color[1:3], color[3:5], color[5:]}) > 1}
    assert {name for _, name in swatches} == {"sgd", "momentum", "rmsprop"}
    assert coloured == {"rmsprop"}
    table = pd.read_csv(focused.parent / "tables" / "focus.csv")
    assert table[["mine", "other"]].to_numpy().tolist() == [["rmsprop", "sgd"], ["rmsprop", "momentum"]]
    assert (table[["wins", "ties", "losses"]].sum(axis=1) == 2).all()
    assert not (page.parent / "tables" / "focus.csv").exists()


@pytest.mark.usefixtures("empty_pictures")
def test_a_failure_is_told_on_the_page_in_a_line(twins: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(twins, tmp_path / "failed")
    said = {
        "a--b": "Traceback (most recent call last):\n  File x, line 1\n    f()\n    ^^^\nValueError: no",
        "c--d": "is off",
    }
    (folder / "failures.json").write_text(json.dumps(said), encoding="utf-8")
    text = write_report(folder).read_text("utf-8")
    assert "ValueError: no" in text
    assert "is off" in text
    assert "^^^" not in text


@pytest.mark.usefixtures("empty_pictures")
def test_a_focus_that_cannot_be_held_against_the_others_says_why(twins: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(twins, tmp_path / "unequal")
    for position, name in enumerate(["sgd", "sgd1"]):
        file = folder / "cells" / f"twin{position}" / "cell.json"
        info = json.loads(file.read_text(encoding="utf-8"))
        info["optimizer"]["name"], info["problem"]["fingerprint"] = name, f"f-{position}"
        file.write_text(json.dumps(info), encoding="utf-8")
    page = write_report(folder, focus="sgd1")
    assert "sgd1 cannot be held against the others: not every optimizer met every problem" in page.read_text("utf-8")
    assert not (page.parent / "tables" / "focus.csv").exists()
