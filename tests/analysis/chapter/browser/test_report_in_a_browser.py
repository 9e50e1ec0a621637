"""The ordinary report in a real browser: nothing fails, every figure is seen, nobody scrolls sideways, it prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

A4 = 688
"""Pixels between the margins of a sheet of A4."""


@pytest.fixture(scope="module")
def report(chapter_page: Path) -> Path:
    return chapter_page.with_name("index.html")


@pytest.mark.parametrize("width", [390, 1280])
def test_the_report_shows_every_figure_without_a_complaint(browser: Any, report: Path, width: int) -> None:
    browser.open(report, width)
    assert browser.complaints == []
    assert browser.broken_images() == []
    assert browser.run("return document.querySelectorAll('img, svg.plot').length") >= 8


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_report_fits_the_width_of_the_screen(browser: Any, report: Path, width: int) -> None:
    browser.open(report, width)
    browser.run("for (const part of document.querySelectorAll('details')) part.open = true")
    assert browser.overflow() <= 0


def test_the_report_leads_to_the_chapter_and_back(browser: Any, report: Path, chapter_page: Path) -> None:
    browser.open(report)
    browser.run("document.querySelector('a[href=\"chapter.html\"]').click()")
    assert browser.driver.current_url == chapter_page.resolve().as_uri()
    browser.run("document.querySelector('a[href=\"index.html\"]').click()")
    assert browser.driver.current_url == report.resolve().as_uri()


def test_figures_of_the_report_fit_on_paper(browser: Any, report: Path) -> None:
    browser.open(report, A4, paper=True)
    cut = """return [...document.querySelectorAll("img, svg.plot")]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.alt ?? e.ariaLabel)"""
    assert browser.run(cut) == []
    assert 2 <= browser.pdf_pages() <= 30
