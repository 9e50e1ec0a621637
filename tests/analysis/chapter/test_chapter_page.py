"""The page answers every question of the record, needs nothing but itself, and stands beside the ordinary report."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from analysis.chapter import write_chapter
from analysis.chapter.landscapes import landscapes_method
from analysis.record.cells import Record
from analysis.record.errors import RecordError

pytestmark = pytest.mark.slow  # the page of all exhibits is drawn first

VOID = {"meta", "link", "img", "input", "br"}


class Reader(HTMLParser):
    """Collects tags, what they refer to, ids and visible text; fails where elements do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.sources: list[str] = []
        self.ids: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags[tag] += 1
        self.sources += [value for key, value in attrs if key in {"src", "href"} and value]
        self.ids += [value for key, value in attrs if key == "id" and value]
        self.images += [values] if tag == "img" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style", "script"}:
            self.text += data


@pytest.fixture(scope="module")
def read(chapter_page: Path) -> Reader:
    reader = Reader()
    reader.feed(chapter_page.read_text(encoding="utf-8"))
    return reader


def test_the_page_is_well_formed_and_its_anchors_exist_once(read: Reader) -> None:
    assert read.open == []
    assert set(Counter(read.ids).values()) == {1}
    assert {link[1:] for link in read.sources if link.startswith("#")} <= set(read.ids)


def test_nine_parts_stand_in_reading_order(read: Reader) -> None:
    order = [
        "numbers",
        "memory",
        "stall",
        "variants",
        "gamma-one",
        "rotation",
        "real-problem",
        "gamma-schedules",
        "landscapes",
    ]
    assert [name for name in read.ids if name in order] == order


def test_the_page_refers_to_nothing_but_itself_and_the_files_beside_it(read: Reader, chapter_page: Path) -> None:
    for source in read.sources:
        assert source.startswith(("data:", "#")) or (chapter_page.parent / source).is_file(), source


def test_every_panel_has_words_and_a_size_and_is_kept_as_png(read: Reader, chapter_page: Path) -> None:
    assert all(image["alt"] and image["width"] and image["height"] for image in read.images)
    files = Counter(path.suffix for path in (chapter_page.parent / "figures" / "chapter").iterdir())
    assert files == {".png": len(read.images)}


def test_every_picture_is_in_the_page_itself_the_folded_ones_too(read: Reader) -> None:
    assert {str(image["src"])[:12] for image in read.images} == {"data:image/w"}
    assert sum("over its hyperparameters" in str(image["alt"]) for image in read.images) == 6


def test_the_maps_of_a_problem_have_one_colour_scale(read: Reader, chapter_record: Path) -> None:
    scales = [str(image["alt"]) for image in read.images if "colour scale" in str(image["alt"])]
    assert scales == [f"The colour scale of the maps of {name}" for name in Record.load(chapter_record).problems]


def test_a_panel_is_kept_as_svg_where_that_is_asked_for(small: Path, tmp_path: Path) -> None:
    page = write_chapter(small, tmp_path / "asked", forms=["svg"])
    panels = page.parent / "figures" / "chapter"
    assert {file.stem for file in panels.glob("*.svg")} == {file.stem for file in panels.glob("*.png")} != set()
    assert "the panels as PNG and SVG: " in page.read_text(encoding="utf-8")


def test_page_and_report_link_to_each_other(read: Reader, chapter_page: Path) -> None:
    assert "index.html" in read.sources
    assert 'href="chapter.html"' in (chapter_page.parent / "index.html").read_text(encoding="utf-8")


def test_the_landscapes_say_of_each_problem_what_its_record_says(chapter_record: Path) -> None:
    record = Record.load(chapter_record)
    _, facts = landscapes_method(record)
    assert tuple(problem for problem, _ in facts) == record.problems
    for problem, text in facts:
        assert text.startswith(f"{record.of_problem(problem)[0].info.problem.description}; grid ")


def test_a_record_without_exhibits_has_no_such_page_nor_a_link_to_it(record_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="holds no finished exhibit"):
        write_chapter(record_folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_comes_from_the_record_is_escaped(read: Reader, chapter_page: Path) -> None:
    text = chapter_page.read_text(encoding="utf-8")
    assert "another <rule>" in read.text
    assert "It was measured <so>." in read.text
    assert "<rule>" not in text
    assert "<so>" not in text


def test_numbers_of_the_answers_stand_in_the_page(read: Reader) -> None:
    for sentence in ("x = (−0.010599, 0.000000)", "half-life of γ⁻¹ = 1.11 steps", "loss 0.083997, theory 0.083997"):
        assert sentence in read.text, sentence


@pytest.fixture(scope="module")
def small(chapter_record: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of one cell without a landscape, and of one exhibit."""
    folder = tmp_path_factory.mktemp("small") / "record"
    kept = {"exhibits": "memory", "cells": "ellipse--sgd"}

    def others(path: str, names: list[str]) -> list[str]:
        folder = Path(path).name
        if folder == "record":
            return ["report"]
        return [name for name in names if folder in kept and name != kept[folder]]

    shutil.copytree(chapter_record, folder, ignore=others)
    landscape = folder / "cells" / "ellipse--sgd" / "landscape.parquet"
    pd.read_parquet(landscape)[:0].to_parquet(landscape)
    return folder


def test_what_a_record_does_not_hold_is_left_out_and_progress_ends_at_its_end(small: Path) -> None:
    done: list[tuple[int, int]] = []
    text = write_chapter(small, progress=lambda *step: done.append(step)).read_text(encoding="utf-8")
    assert re.findall(r'<section id="([\w-]+)"', text) == ["memory", "measured"]
    assert 'id="explorer"' not in text
    assert "data-maps" not in text
    assert done == [(1, 3), (2, 3), (3, 3)]


def test_equal_records_give_equal_pages(small: Path) -> None:
    page = small / "report" / "chapter.html"
    first = write_chapter(small).read_bytes()
    assert write_chapter(small).read_bytes() == first
    assert not [path for path in page.parent.iterdir() if path.name.startswith(".")]


def test_the_page_is_the_same_however_many_processes_draw(small: Path) -> None:
    first = write_chapter(small).read_bytes()
    assert write_chapter(small, jobs=2).read_bytes() == first
