"""The page of findings is what the record that comes with the suite says today, and that record is of today's suite."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from findings import found, page

from analysis.record.cells import Record
from benchmarks.record.archive import opened
from benchmarks.suite.suite import Suite

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "findings.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def record() -> Record:
    return Record.load(opened("atlas:family"))


@pytest.mark.slow
def test_the_record_is_that_of_the_suite(record: Record) -> None:
    suite = Suite.load("family")
    kept = Suite.load(record.path / "suite.toml")
    assert suite.makes_the_record_of(kept)
    assert len(record.cells) == len(suite.cells())


def test_every_finding_has_a_figure_two_sentences_and_limits() -> None:
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    assert len(sections) == 10
    for place, section in enumerate(sections, 1):
        assert section.startswith(f"{place}. ")
        (picture,) = re.findall(r"!\[[^\]]+\]\((findings/\S+\.png)\)", section)
        assert (DOCS / picture).is_file()
        assert "**Limits.**" in section
        assert not re.search(r"\bnan\b|\binf\b", section)


@pytest.mark.slow
def test_every_number_is_the_record_s(record: Record) -> None:
    assert page(record, found(record)) == PAGE
