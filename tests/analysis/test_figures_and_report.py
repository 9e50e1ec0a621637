"""Figures draw whatever a record may hold; the report is one page that needs nothing else."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis.convergence import measure_of
from analysis.figures import cell_figure, overview_figure, problem_figures, worse_than_best
from analysis.report import write_report
from analysis.results import cell_label, results_table, table_rows
from analysis.sections import section_of
from analysis.style import looks_of, png, svg
from analysis.tables import Cell, Record, RecordError
from analysis.trajectory import contour_levels, path_of, surface_of

NAMES = {"outcome", "convergence", "sensitivity", "landscape"}


@pytest.fixture(scope="module")
def page(record_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a problem in the plane and of one without a floor."""
    folder = tmp_path_factory.mktemp("report") / "record"
    shutil.copytree(record_folder, folder, ignore=lambda _, names: [name for name in names if "noisy" in name])
    return write_report(folder)


@pytest.fixture(scope="module")
def twins(record_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of two problems, a cell each, whose names differ in characters that file names cannot hold."""
    folder = tmp_path_factory.mktemp("twins") / "record"
    shutil.copytree(record_folder, folder, ignore=lambda _, names: [name for name in names if "--" in name])
    for position, name in enumerate(["q(d=2)", "q[d=2]"]):
        cell = shutil.copytree(record_folder / "cells" / "noisy--sgd", folder / "cells" / f"twin{position}")
        info = json.loads((cell / "cell.json").read_text(encoding="utf-8"))
        info["problem"]["name"], info["position"] = name, position
        (cell / "cell.json").write_text(json.dumps(info), encoding="utf-8")
        pd.read_parquet(cell / "landscape.parquet")[:0].to_parquet(cell / "landscape.parquet")
    return folder


@pytest.fixture(scope="module")
def twin_report(twins: Path) -> Path:
    """The folder of the twins' report, written by one process."""
    return write_report(twins, twins.parent / "report of the twins").parent


def drawn(*cells: Cell, laid_out: bool = True) -> dict[str, Figure]:
    """Every figure of the cells' problem, drawn; laying out takes most of the time and is left out on demand."""
    figures = dict(problem_figures(cells, looks_of([cell_label(cell) for cell in cells])))
    for figure in figures.values():
        if not laid_out:
            figure.set_layout_engine(None)
        figure.draw_without_rendering()
    return figures


@pytest.fixture(scope="module")
def ellipse(record: Record) -> dict[str, Figure]:
    return drawn(*record.of_problem("ellipse"))


def test_a_problem_in_the_plane_has_trajectories_and_others_have_not(
    ellipse: dict[str, Figure], record: Record
) -> None:
    assert set(ellipse) == {*NAMES, "trajectory"}
    assert set(drawn(*record.of_problem("classes"), laid_out=False)) == NAMES


def test_one_knob_optimizers_alone_have_no_heat_map(record: Record) -> None:
    assert set(drawn(record.of_problem("noisy")[0], laid_out=False)) == {"outcome", "convergence", "sensitivity"}


def test_every_axis_of_a_figure_is_labelled(ellipse: dict[str, Figure]) -> None:
    for name, figure in ellipse.items():
        assert figure.get_suptitle().startswith("ellipse"), name
        assert any(axes.get_xlabel() for axes in figure.axes), name
        assert any(axes.get_ylabel() for axes in figure.axes) or name == "outcome"


def diverge(frame: pd.DataFrame) -> pd.DataFrame:
    """Let every run of a table diverge after its first step."""
    if "status" in frame:
        return frame.assign(status="diverged", final_loss=np.nan)
    return frame.assign(loss=frame["loss"].mask(frame["step"] > 0))


def untuned(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["setting"] != "tuned"]


def solve(frame: pd.DataFrame) -> pd.DataFrame:
    """Let every run of a table end exactly at the floor."""
    return frame.assign(**{name: 0.25 for name in ("final_loss", "loss") if name in frame})


def sink(frame: pd.DataFrame) -> pd.DataFrame:
    """Make every loss of a table negative."""
    return frame.assign(**{name: frame[name] - 10 for name in frame.filter(regex="loss$")})


def one_seed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["seed"].isin([100, 10])]


Change = Callable[[pd.DataFrame], pd.DataFrame]
BOTH, ALL = ("runs", "curves"), ("runs", "curves", "landscape")
EDITS: dict[str, tuple[dict[str, Any], dict[str, Change]]] = {
    "everything diverged": ({"winner": None}, dict.fromkeys(ALL, diverge)),
    "no landscape": ({}, {"landscape": lambda frame: frame[:0]}),
    "no winner": ({"winner": None}, dict.fromkeys(BOTH, untuned)),
    "gaps of zero": ({}, dict.fromkeys(ALL, solve)),
    "a default outside of the grid": ({"defaults": {"gamma": 0.99999, "lr": 100.0}}, {}),
    "negative losses": ({"problem": {"minimum": None, "start_loss": -0.5}}, dict.fromkeys(ALL, sink)),
    "one seed": ({}, dict.fromkeys(ALL, one_seed)),
}


@pytest.mark.parametrize(
    ("optimizer", "case"), [*(("rmsprop", case) for case in EDITS), ("sgd", "everything diverged")]
)
def test_figures_are_drawn_from_a_cell_with(optimizer: str, case: str, edited_cell: Callable[..., Cell]) -> None:
    info, tables = EDITS[case]
    cell = edited_cell(1, optimizer, info, **tables)
    assert "outcome" in drawn(cell, laid_out=False)
    cell_figure(cell).draw_without_rendering()


def test_a_cell_figure_needs_no_pyplot(record: Record) -> None:
    import matplotlib.pyplot as plt

    figure = cell_figure(record.of_problem("ellipse")[2])
    assert len(figure.axes) == 3
    assert plt.get_fignums() == []


def test_a_figure_is_the_same_to_the_byte_each_time_whatever_matplotlib_is_set_to(record: Record) -> None:
    cell = record.of_problem("noisy")[2]
    first = cell_figure(cell)
    vector, pixels = svg(first), png(first)
    with mpl.rc_context({"savefig.facecolor": "red", "axes.linewidth": 5, "text.usetex": True}):
        second = cell_figure(cell)
        assert svg(second) == vector
        assert png(second) == pixels


def test_the_overview_shows_cells_that_are_missing_or_lost(record: Record) -> None:
    table = results_table(record).drop(index=4)
    table.loc[0, "tuned"] = np.inf
    texts = [text.get_text() for text in overview_figure(table).axes[0].texts]
    assert len(texts) == 8
    assert {"lost", "1×"} <= set(texts)


def test_cells_are_compared_with_the_best_of_their_own_problem(record: Record) -> None:
    table = results_table(record)
    table.loc[table["problem"] == "ellipse", "tuned"] = [2e-3, 1e-3, np.inf]
    table.loc[table["problem"] == "noisy", "tuned"] = np.inf
    table.loc[table["problem"] == "classes", "smallest"] = 0.0
    ratio = worse_than_best(table)
    np.testing.assert_allclose(ratio.loc["ellipse"], [2, 1, np.inf])
    assert np.isinf(ratio.loc["noisy"]).all()
    assert ratio.loc["classes"].isna().all()


def test_a_path_that_leaves_the_frame_says_when_and_is_drawn_in_from_afar(edited_cell: Callable[..., Cell]) -> None:
    def fly(paths: pd.DataFrame) -> pd.DataFrame:
        return paths.assign(x1=paths["x1"].where(paths["step"] < 5, 7.0 * 10.0 ** (paths["step"] - 5)))

    cell = edited_cell(0, "sgd", paths=fly)
    surface = surface_of(cell, measure_of((cell,)))
    assert surface is not None
    path = path_of(cell, "tuned", surface)
    assert path is not None
    assert (path.left_at, path.ends_inside) == (5, False)
    assert np.abs(path.points).max() == pytest.approx(1000 * 12)  # the frame is 12 wide
    assert "trajectory" in drawn(cell, laid_out=False)


def test_contours_are_at_even_distances_of_the_logarithm(record: Record) -> None:
    cell = record.of_problem("ellipse")[0]
    measure = measure_of((cell,))
    surface = surface_of(cell, measure)
    assert surface is not None
    assert surface.lowest == (0, 0)
    steps = np.diff(np.log10(contour_levels(surface, measure)))
    np.testing.assert_allclose(steps, steps[0])


def test_looks_differ_in_more_than_colour() -> None:
    looks = looks_of([f"optimizer {i}" for i in range(30)])
    assert len({(look.color, str(look.line), look.marker) for look in looks.values()}) == 30
    assert len({str(look.line) for look in list(looks.values())[:5]}) == 5


class Links(HTMLParser):
    """Collects what a page loads and links to, its ids and the alternative texts of its pictures."""

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
        self.hrefs += [found["href"]] if "href" in found else []
        self.ids += [found["id"]] if "id" in found else []
        self.pictures += [found["alt"]] if tag == "img" else []


@pytest.fixture(scope="module")
def links(page: Path) -> Links:
    parser = Links()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


def test_the_page_loads_nothing_from_anywhere(page: Path, links: Links) -> None:
    assert all(load.startswith("data:image/") for load in links.loads)
    assert not links.tags & {"script", "link", "iframe", "object"}
    style = page.read_text(encoding="utf-8").split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_the_links_of_the_page_lead_to_places_on_it(links: Links) -> None:
    assert len(links.ids) == len(set(links.ids))
    assert (
        {href.removeprefix("#") for href in links.hrefs}
        == set(links.ids)
        == {"ellipse", "classes", "across", "measured"}
    )


def test_every_figure_is_on_the_page_and_in_two_files(page: Path, links: Links) -> None:
    expected = {"overview", *(f"{p}-{name}" for p in ("ellipse", "classes") for name in NAMES)}
    expected |= {"ellipse-trajectory", "ellipse-budget", "classes-budget"}
    expected |= {f"across-{name}" for name in ("ranks", "profiles", "transfer")}
    for kind in ("png", "svg"):
        assert {file.stem for file in (page.parent / "figures").glob(f"*.{kind}")} == expected
    assert len(links.pictures) == len(expected)
    assert all(links.pictures)


def test_text_from_the_record_is_escaped(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<b>tests</b>" not in text
    assert "&lt;b&gt;tests&lt;/b&gt;" in text
    assert "toy &lt;suite&gt;" in text


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


def test_the_page_is_small_and_stays_light(page: Path) -> None:
    assert page.stat().st_size < 2_000_000
    text = page.read_text(encoding="utf-8")
    assert 'name="color-scheme" content="light"' in text
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
    for name in ("stability", "stability_boundary", "budget", "ranking", "pairs", "transfer", "running_time"):
        assert not pd.read_csv(page.parent / "tables" / f"{name}.csv").empty


def test_the_report_is_the_same_to_the_byte_whatever_the_number_of_processes(twins: Path, twin_report: Path) -> None:
    second = write_report(twins, twins.parent / "again", jobs=2).parent
    files = sorted(file.relative_to(twin_report) for file in twin_report.rglob("*") if file.is_file())
    assert files == sorted(file.relative_to(second) for file in second.rglob("*") if file.is_file())
    assert [file for file in files if (twin_report / file).read_bytes() != (second / file).read_bytes()] == []


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
    info, tables = EDITS["everything diverged"]
    cell = edited_cell(1, "rmsprop", info, **tables).path
    folder = cell.parent / "record"
    shutil.copytree(twins, folder, ignore=lambda _, names: [name for name in names if name.startswith("twin")])
    shutil.move(cell, folder / "cells" / "lost")
    text = write_report(folder).read_text(encoding="utf-8")
    for words in ("no tuned setting survived", "all diverged", "none: every trial diverged", "No tuned setting of any"):
        assert words in text


def test_unequal_budgets_cost_the_curves_of_tuning_and_not_the_report(
    edited_cell: Callable[..., Cell], tmp_path: Path
) -> None:
    cells = (edited_cell(0, "sgd"), edited_cell(0, "momentum", {"protocol": {"steps": 99}}))
    rows = table_rows(results_table(Record(Path(), {}, {}, cells)))
    section = section_of(tmp_path, "ellipse", cells, rows, looks_of(["sgd", "momentum"]))
    assert section.refused.startswith("No curves of what tuning buys, for the budgets on ellipse are unequal: steps")
    assert section.steps == "40 or 99"  # those made, whatever the problem's own number
    assert section.tables["budget"].empty
