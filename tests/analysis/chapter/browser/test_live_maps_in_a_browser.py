"""Live landscapes in a real browser: what they say under the pointer and the keys is what the record holds."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.measures.lr_sensitivity import Landscape
from analysis.pages.maps_over_steps import landscapes_before
from analysis.problem_results import results_of
from analysis.record.cells import Record
from analysis.words import held_text

pytestmark = pytest.mark.browser

PROBLEM = "noisy"
ENTER = "\ue007"
DOWN, UP, LEFT, RIGHT = "\ue015", "\ue013", "\ue012", "\ue014"


EVERY_POINT = """
    const places = (low, high, count) => [...Array(count).keys()].map(i => low + (i + 0.5) / count * (high - low));
    return [...document.querySelectorAll("[data-maps]")].map(figure => {
        const maps = JSON.parse(figure.dataset.maps).maps;
        return [figure.closest("section").id, [...figure.querySelectorAll(".map")].map((block, m) => {
            const canvas = block.querySelector("canvas"), r = canvas.getBoundingClientRect(), texts = [];
            const rows = maps[m].y ? maps[m].y.at.length : 1, tall = maps[m].y ? 176 : 20;
            for (const y of places(4 + tall, 4, rows)) for (const x of places(46, r.width - 52, maps[m].x.at.length)) {
                const event = new PointerEvent("pointermove", {clientX: r.x + x, clientY: r.y + y, bubbles: true});
                canvas.dispatchEvent(event);
                texts.push(block.querySelector("output").textContent);
            }
            return texts;
        })];
    });"""
"""Points at the middle of every field of every map, and hears what it says."""


def shown_maps(record: Path, problem: str) -> list[Landscape]:
    """The landscapes of ``problem`` as its page has them: those of one knob come last."""
    cells = results_of(Record.load(record))[problem].cells
    found = [cell.landscape for cell in cells if cell.landscape is not None]
    return sorted(found, key=lambda landscape: landscape.y is None)


@pytest.fixture(scope="module")
def landscapes(chapter_record: Path) -> list[Landscape]:
    return shown_maps(chapter_record, PROBLEM)


@pytest.fixture(params=[1280, 390])
def opened(browser: Any, chapter_page: Path, request: pytest.FixtureRequest) -> Any:
    browser.open(chapter_page.with_name("index.html"), request.param)
    browser.run("for (const part of document.querySelectorAll('details')) part.open = true")
    browser.run(f"document.querySelector('#{PROBLEM} .live').scrollIntoView({{behavior: 'instant'}})")
    return browser


def said(browser: Any, place: int) -> tuple[str, dict[str, str]]:
    """The sentence of the map at ``place``, and the numbers behind it."""
    script = f"const o = document.querySelectorAll('#{PROBLEM} .map output')[arguments[0]];"
    text, behind = browser.run(f"{script} return [o.textContent, {{...o.dataset}}]", place)
    return text, behind


def sentence(landscape: Landscape, row: int, column: int) -> str:
    """What a map should say of a point: setting and value, as the tables write them."""
    axes = [(landscape.x, column), *([] if landscape.y is None else [(landscape.y, row)])]
    setting = ", ".join(f"{axis.name} {axis.text(axis.values[place])}" for axis, place in axes)
    value, lost = float(landscape.median[row, column]), round(landscape.diverged[row, column] * landscape.n)
    gone = f"{lost} of {landscape.n} seeds diverged" if landscape.n > 1 else "diverged"
    if np.isinf(value):
        return f"{setting}: {gone}"
    above = ", above its start" if landscape.worse_than_start[row, column] else ""
    said = f"{landscape.measure.name} {held_text(value, landscape.measure.smallest)}"
    return f"{setting}: {said}{f' ({gone})' if lost else ''}{above}"


def point_at(browser: Any, place: int, across: float, up: float) -> None:
    """Move the pointer over a map to a share of its width and of its height."""
    script = f"""const c = document.querySelectorAll('#{PROBLEM} .map canvas')[arguments[0]];
        c.scrollIntoView({{block: "center", behavior: "instant"}});
        const r = c.getBoundingClientRect();
        return [r.x + 46 + arguments[1] * (r.width - 98), r.y + 4 + (1 - arguments[2]) * 176]"""
    x, y = browser.run(script, place, across, up)
    browser.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})


@pytest.mark.parametrize("across", [0.04, 0.5, 0.96])
def test_the_value_under_the_pointer_is_that_of_the_record(
    opened: Any, landscapes: list[Landscape], across: float
) -> None:
    point_at(opened, 0, across, 0.6)
    landscape = landscapes[0]
    rows, columns = landscape.median.shape
    text, behind = said(opened, 0)
    row, column = int(behind["row"]), int(behind["column"])
    assert abs(column - (across * columns - 0.5)) < 1
    assert abs(row - (0.6 * rows - 0.5)) < 1
    assert text == sentence(landscape, row, column)
    assert opened.complaints == []


def test_every_point_of_every_map_says_what_the_record_holds(browser: Any, chapter_page: Path) -> None:
    browser.open(chapter_page.with_name("index.html"))
    browser.run("for (const part of document.querySelectorAll('details')) part.open = true")
    browser.driver.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 50))")
    found = browser.run(EVERY_POINT)
    assert {problem for problem, _ in found} == set(results_of(Record.load(chapter_page.parents[1])))
    for problem, maps in found:
        for landscape, texts in zip(shown_maps(chapter_page.parents[1], problem), maps, strict=True):
            expected = [sentence(landscape, *place) for place in np.ndindex(landscape.median.shape)]
            assert texts == expected


def test_maps_are_drawn_when_they_come_near_and_all_of_them_on_paper(browser: Any, chapter_page: Path) -> None:
    browser.open(chapter_page.with_name("index.html"), height=300)
    drawn = "return [...document.querySelectorAll('.map canvas')].map(canvas => canvas.style.height !== '')"
    frame = "requestAnimationFrame(() => setTimeout(arguments[0], 50))"
    browser.driver.execute_async_script(frame)
    assert not any(browser.run(drawn))
    browser.run("document.querySelector('.map').scrollIntoView({behavior: 'instant'})")
    browser.driver.execute_async_script(frame)
    assert any(browser.run(drawn))
    assert not all(browser.run(drawn))
    assert browser.pdf_pages() > 1
    assert all(browser.run(drawn))


def test_maps_can_be_read_aloud(opened: Any) -> None:
    named = opened.run(
        "return [...document.querySelectorAll('.map canvas')].map(c => [c.ariaLabel, c.tabIndex, c.role])"
    )
    assert len(named) == opened.run("return document.querySelectorAll('.map').length") > 0
    assert all("arrow keys move the cross-hair" in label and place == 0 for label, place, _ in named)
    levels = opened.run("return [...document.querySelectorAll('h1, h2, h3, h4')].map(h => Number(h.tagName[1]))")
    assert all(after - before <= 1 for before, after in pairwise(levels))  # no level of heading is left out


def test_the_other_maps_of_a_problem_follow_to_the_same_learning_rate(opened: Any, landscapes: list[Landscape]) -> None:
    point_at(opened, 0, 0.3, 0.5)
    rate = landscapes[0].x.values[int(said(opened, 0)[1]["column"])]
    text, behind = said(opened, 1)
    column = landscapes[1].x.nearest(rate)
    assert int(behind["column"]) == column
    assert text == sentence(landscapes[1], int(behind["row"]), column)


def test_arrow_keys_move_the_cross_hair_by_a_grid_point_and_say_so(opened: Any, landscapes: list[Landscape]) -> None:
    landscape = landscapes[0]
    canvas = opened.driver.find_elements("css selector", f"#{PROBLEM} .map canvas")[0]
    opened.run("arguments[0].focus()", canvas)
    assert landscape.best is not None
    row, column = landscape.best
    assert said(opened, 0)[0] == sentence(landscape, row, column)
    for key, down, across in ((LEFT, 0, -1), (UP, 1, 0), (DOWN, -1, 0), (DOWN, -1, 0), (RIGHT, 0, 1)):
        canvas.send_keys(key)
        row = min(max(row + down, 0), landscape.median.shape[0] - 1)
        column = min(max(column + across, 0), landscape.median.shape[1] - 1)
        assert said(opened, 0)[0] == sentence(landscape, row, column)
    live = opened.run(f"return [...document.querySelectorAll('#{PROBLEM} .map output')].map(o => o.ariaLive)")
    assert live == ["polite", "off"]
    assert opened.complaints == []


def test_the_best_is_darkest_and_in_dark_mode_brightest(browser: Any, chapter_page: Path) -> None:
    best, start = bar_of(browser, chapter_page, "light")
    assert best < 0.3 * start
    best, start = bar_of(browser, chapter_page, "dark")
    assert start < 0.3 * best
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 29)"
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def test_a_dark_page_is_printed_on_white(browser: Any, chapter_page: Path) -> None:
    best, start = bar_of(browser, chapter_page, "dark")
    browser.run("""addEventListener("beforeprint", () => {
        const style = part => getComputedStyle(document.querySelector(part));
        window.printed = [style(".key .bar").backgroundImage, style("body").backgroundColor];
    })""")
    assert browser.pdf_pages() > 1
    bar, paper = browser.run("return window.printed")
    assert brightness(bar)[0] < 0.3 * brightness(bar)[-1]
    assert paper == "rgb(255, 255, 255)"
    now = browser.run("return getComputedStyle(document.querySelector('.key .bar')).backgroundImage")
    assert (brightness(now)[0], brightness(now)[-1]) == (best, start)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def brightness(gradient: str) -> list[int]:
    """How bright each colour of a gradient is: the sum of its three channels."""
    return [sum(map(int, stop)) for stop in re.findall(r"rgb\((\d+), (\d+), (\d+)\)", gradient)]


def bar_of(browser: Any, chapter_page: Path, scheme: str) -> tuple[int, int]:
    """How bright the colour bar of a page is at its best end and at the start, each the sum of three channels."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.open(chapter_page.with_name("index.html"))
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": [feature]})
    browser.run("for (const part of document.querySelectorAll('details')) part.open = true")
    browser.driver.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 50))")
    shown = browser.run("return getComputedStyle(document.querySelector('.key .bar')).backgroundImage")
    stops = brightness(shown)
    return stops[0], stops[-1]


SLIDE = """
    const figure = document.querySelector(`#${arguments[0]} .live`), input = figure.querySelector(".horizon input");
    input.value = arguments[1];
    input.dispatchEvent(new Event("input"));
    return figure.querySelector(".horizon output").textContent;"""


def horizons_shown(record: Path) -> dict[int, list[Landscape]]:
    """The landscapes of `PROBLEM` after fewer steps, as its page has them."""
    cells = results_of(Record.load(record))[PROBLEM].cells
    found = landscapes_before([cell for cell in cells if cell.landscape is not None])
    return {step: sorted(each, key=lambda landscape: landscape.y is None) for step, each in found.items()}


def value_said(text: str) -> float:
    """The number in what a map says of a point; inf where it says that runs diverged."""
    found = re.search(r": (?:gap|loss) <?([-0-9.,e]+)", text)
    return float(found[1].replace(",", "")) if found else np.inf


def test_the_maps_after_fewer_steps_are_those_of_the_record(opened: Any, chapter_record: Path) -> None:
    opened.driver.implicitly_wait(5)
    assert opened.driver.find_elements("css selector", f"#{PROBLEM} .horizon:not([hidden])")
    before = horizons_shown(chapter_record)
    assert before
    for place, (step, landscapes) in enumerate(before.items()):
        assert opened.run(SLIDE, PROBLEM, place) == f"{step} step{'s' * (step > 1)}"
        for at, landscape in enumerate(landscapes):
            for across, up in ((0.1, 0.3), (0.6, 0.9)):
                point_at(opened, at, across, up)
                text, behind = said(opened, at)
                value = float(landscape.median[int(behind["row"]), int(behind["column"])])
                assert text.endswith(f"after {step} step{'s' * (step > 1)}")
                expected = value if np.isinf(value) else max(value, landscape.measure.smallest)
                assert value_said(text) == pytest.approx(expected, rel=0.062)  # half of the second digit, and the level
    opened.run(SLIDE, PROBLEM, len(before))
    point_at(opened, 0, 0.4, 0.6)
    text, behind = said(opened, 0)
    assert text == sentence(shown_maps(chapter_record, PROBLEM)[0], int(behind["row"]), int(behind["column"]))
    assert opened.complaints == []


def test_the_slider_is_moved_by_keys_and_says_its_steps(opened: Any, chapter_record: Path) -> None:
    steps = list(horizons_shown(chapter_record))
    (slider,) = opened.driver.find_elements("css selector", f"#{PROBLEM} .horizon input")
    opened.run("arguments[0].focus()", slider)
    slider.send_keys(LEFT)
    told = opened.run("return [arguments[0].ariaValueText, arguments[0].ariaLabel]", slider)
    assert told == [f"{steps[-1]} steps", f"{PROBLEM}: steps after which the maps are shown"]
    assert said(opened, 0)[0].endswith(f"after {steps[-1]} steps")


def test_enter_and_a_click_show_how_a_setting_converges(opened: Any, chapter_record: Path) -> None:
    landscapes = shown_maps(chapter_record, PROBLEM)
    assert opened.run(f"return document.querySelector('#{PROBLEM} .run').hidden")
    canvas = opened.driver.find_elements("css selector", f"#{PROBLEM} .map canvas")[0]
    opened.run("arguments[0].focus()", canvas)
    canvas.send_keys(ENTER)
    text = opened.run(f"return document.querySelector('#{PROBLEM} .run output').textContent")
    before, end, best = horizons_shown(chapter_record), landscapes[0], landscapes[0].best
    assert best is not None
    steps = [int(each) for each in re.findall(r" after (\d+)", text)]
    assert steps == [*before, 40]
    values = [float(each) for each in re.findall(r"<?([-0-9.e]+) after", text)]
    expected = [float(each[0].median[best]) for each in before.values()]
    assert values[:-1] == pytest.approx([max(each, end.measure.smallest) for each in expected], rel=0.062)
    assert f"{held_text(float(end.median[best]), end.measure.smallest)} after 40 steps" in text
    opened.run("arguments[0].click()", opened.driver.find_elements("css selector", f"#{PROBLEM} .map canvas")[1])
    assert opened.run(f"return document.querySelector('#{PROBLEM} .run output').textContent").startswith("sgd, lr")
    drawn = opened.run(
        f"const c = document.querySelector('#{PROBLEM} .run canvas');"
        "return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(value => value > 0)"
    )
    assert drawn
    assert opened.complaints == []
