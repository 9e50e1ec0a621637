"""What a reader does with a report in a real browser: sort, filter, leave out, follow links, read it dark and small.

Also what a checker of accessibility would find: headings, scopes, names, focus and the contrast of all text.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

PROBLEM = "noisy"
RESULTS = f"document.getElementById('{PROBLEM}-results')"
SHOWN = "return [...{}.tBodies[0].rows].filter(row => row.checkVisibility()).map(row => row.dataset.label)"
CONTRAST = """
const rgb = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const ground = (part) => {
    for (; part; part = part.parentElement) {
        const color = rgb(getComputedStyle(part).backgroundColor);
        if (color.length && color[3] !== 0) return color;
    }
    return [255, 255, 255];
};
return [...document.querySelectorAll("body *:not(script, style)")].filter(part => part.checkVisibility()
    && [...part.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())).map(part => {
    const [a, b] = [light(rgb(getComputedStyle(part).color)), light(ground(part))].sort((x, y) => y - x);
    return [part.textContent.trim().slice(0, 40), (a + .05) / (b + .05)];
}).filter(([, ratio]) => ratio < 4.5)"""


@pytest.fixture(scope="module")
def report(chapter_page: Path) -> Path:
    return chapter_page.with_name("index.html")


@pytest.fixture(scope="module")
def opened(browser: Any, report: Path) -> Any:
    browser.open(report)
    return browser


@pytest.fixture(autouse=True)
def untouched(opened: Any) -> Iterator[None]:
    """No test leaves a complaint in the console, or a request that leaves the page."""
    opened.complaints  # noqa: B018 - what was said before
    yield
    assert opened.complaints == []
    loaded = opened.run("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in loaded if not name.startswith("data:")] == []


def press(opened: Any, column: int) -> tuple[str | None, list[str]]:
    """Press the heading of a column of the results; how it is sorted then, and the optimizers from top to bottom."""
    opened.run(f"{RESULTS}.tHead.rows[0].cells[{column}].querySelector('button').click()")
    sort = opened.run(f"return {RESULTS}.tHead.rows[0].cells[{column}].ariaSort")
    return sort, opened.run(SHOWN.format(RESULTS))


def test_a_press_on_a_heading_sorts_up_then_down_then_as_in_the_suite(opened: Any) -> None:
    suite = opened.run("return [...document.querySelectorAll('.toggles button')].map(button => button.dataset.label)")
    assert len(suite) > 1
    assert press(opened, 0) == ("ascending", sorted(suite))
    assert press(opened, 0) == ("descending", sorted(suite, reverse=True))
    assert press(opened, 0) == (None, suite)
    _, by_default = press(opened, 2)
    values = f"return [...{RESULTS}.tBodies[0].rows].map(row => parseFloat(row.cells[2].textContent))"
    assert opened.run(values) == sorted(opened.run(values))
    assert sorted(by_default) == sorted(suite)
    assert opened.run("return [...document.querySelectorAll('th[aria-sort] button')].every(b => b.tabIndex === 0)")


def test_what_is_typed_leaves_the_rows_that_hold_it(opened: Any) -> None:
    typed = """const field = document.getElementById('filter');
        field.value = arguments[0]; field.dispatchEvent(new Event('input'))"""
    whole = opened.run(SHOWN.format(RESULTS))
    opened.run(typed, "RMSp")
    assert opened.run(SHOWN.format(RESULTS)) == ["rmsprop"] != whole
    for text in ("in no table", ""):
        opened.run(typed, text)
        assert opened.run(SHOWN.format(RESULTS)) == whole


def test_an_optimizer_that_is_off_is_off_on_the_whole_page_and_in_its_address(browser: Any, report: Path) -> None:
    browser.open(report)
    browser.run("document.querySelector('.toggles [data-label=rmsprop]').click()")
    assert browser.run("return document.querySelector('.toggles [data-label=rmsprop]').ariaPressed") == "false"
    assert browser.run("return location.hash") == "#&off=rmsprop"
    left = """return [...document.querySelectorAll("tbody tr, .map, td.field, th, rect")]
        .filter(part => part.dataset.label === "rmsprop" && part.checkVisibility()).length"""
    assert browser.run(left) == 0
    browser.driver.get(f"{report.resolve().as_uri()}#{PROBLEM}&off=sgd")
    browser.driver.refresh()
    assert browser.run(SHOWN.format(RESULTS)).count("sgd") == 0
    assert "rmsprop" in browser.run(SHOWN.format(RESULTS))
    browser.run("document.querySelector('.toggles [data-label=sgd]').click()")
    assert browser.run("return location.hash") == f"#{PROBLEM}"
    assert browser.run("return getComputedStyle(document.documentElement).getPropertyValue('--c0')") != "transparent"


def test_a_link_opens_the_folds_it_leads_into(browser: Any, report: Path) -> None:
    browser.driver.get(f"{report.resolve().as_uri()}#{PROBLEM}-convergence")
    browser.driver.refresh()
    place = f"document.getElementById('{PROBLEM}-convergence')"
    assert browser.run(f"return {place}.checkVisibility({{contentVisibilityAuto: true}})")
    assert browser.run(f"return {place}.closest('details').open")


@pytest.mark.parametrize("width", [1280, 390])
def test_a_link_lands_where_it_leads_over_sections_that_are_not_laid_out_yet(
    browser: Any, report: Path, width: int
) -> None:
    for place in (f"{PROBLEM}-stability", "across-table"):
        browser.open("about:blank", width)
        browser.driver.get(f"{report.resolve().as_uri()}#{place}")
        browser.driver.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 100))")
        landed = """const top = document.getElementById(arguments[0]).getBoundingClientRect().top;
            return [top, parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop)]"""
        top, free = browser.run(landed, place)
        assert abs(top - free) < 3, place


def test_on_a_phone_the_contents_are_a_bar_and_names_stay_beside_their_numbers(browser: Any, report: Path) -> None:
    browser.open(report, 390)
    assert browser.run("return document.querySelector('.rail').offsetHeight") < 60
    assert not browser.run("return document.querySelector('.rail details').open")
    moved = f"""const box = {RESULTS}.closest('.scroll'); box.scrollLeft = 200;
        const name = {RESULTS}.tBodies[0].rows[0].cells[0].getBoundingClientRect();
        return [box.scrollLeft, name.left - box.getBoundingClientRect().left]"""
    scrolled, left = browser.run(moved)
    assert scrolled > 0
    assert abs(left) < 1
    browser.open(report, 1280)
    assert browser.run("return document.querySelector('.rail').getBoundingClientRect().right") < 240
    cut = "return [...document.querySelectorAll('.scroll')].filter(b => b.scrollWidth > b.clientWidth).length"
    assert browser.run(cut) == 0


def test_folds_are_open_on_paper_and_as_they_were_after_it(browser: Any, report: Path) -> None:
    browser.open(report)
    folds = "[...document.querySelectorAll('main details')]"
    before = browser.run(f"return {folds}.map(part => part.open)")
    browser.run(f"addEventListener('beforeprint', () => {{ window.onPaper = {folds}.every(part => part.open); }})")
    assert browser.pdf_pages() > 1
    assert browser.run("return window.onPaper")
    assert browser.run(f"return {folds}.map(part => part.open)") == before


def test_headings_tables_pictures_and_controls_say_what_they_are(opened: Any) -> None:
    levels = opened.run("return [...document.querySelectorAll('h1, h2, h3, h4')].map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for nothing in (
        "th:not([scope])",
        "table:not(:has(caption))",
        "img:not([alt]), img[alt='']",
        ".scroll:not([tabindex='0'][role='region'][aria-label])",
        "[role='img']:not([aria-label])",
        "input:not([aria-label]):not([id])",
    ):
        assert opened.run("return document.querySelectorAll(arguments[0]).length", nothing) == 0, nothing
    unnamed = "return [...document.querySelectorAll('a, button')].filter(e => !(e.ariaLabel || e.textContent.trim()))"
    assert opened.run(unnamed) == []
    assert opened.run("return document.querySelector('body > a').hash") == "#content"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_its_ground(browser: Any, report: Path, scheme: str) -> None:
    browser.open(report)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": [feature]})
    browser.run("for (const part of document.querySelectorAll('details')) part.open = true")
    found = browser.run(CONTRAST)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    assert found == []
