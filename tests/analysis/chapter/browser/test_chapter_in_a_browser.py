"""The chapter's page in a real browser: nothing fails, everything is seen, the explorer trains as the engine does.

An integration test of the page and the engine; it stands here for the fixtures of the chapter.
"""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.engine.training import Training, train
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from optimizers.rmsprop import RMSProp

pytestmark = pytest.mark.browser

A4 = 688
"""Pixels between the margins of a sheet of A4."""

SETTING = """
const values = arguments[0], root = document.getElementById("explorer");
root.querySelector("select").value = values.optimizer;
root.querySelector("select").dispatchEvent(new Event("change"));
for (const row of root.querySelectorAll("[data-control]")) {
  const box = row.querySelector("[type=number]");
  box.value = values[row.dataset.control];
  box.dispatchEvent(new Event("change"));
}
"""
READ = 'return {...document.querySelector("[data-part=readout]").dataset}'
TEXT = 'return document.querySelector("[data-part=readout]").textContent'
PATH = 'return document.querySelector("[data-part=path]").getAttribute("d")'
RULES: dict[str, Any] = {
    "gd": OPTIMIZERS["sgd"].rule,
    "momentum": OPTIMIZERS["momentum"].rule,
    "adagrad": OPTIMIZERS["adagrad"].rule,
    "rmsprop": OPTIMIZERS["rmsprop"].rule,
    "rmsprop-corrected": RMSProp(corrected=True),
}
BOOK = {"optimizer": "rmsprop", "lr": 0.4, "memory": 0.9, "momentum": 0.9, "steps": 20, "angle": 0, "steep": 1}


@pytest.fixture
def page(browser: Any, chapter_page: Path) -> Any:
    browser.open(chapter_page)
    return browser


def trained(setting: dict[str, Any]) -> tuple[float, float, float]:
    """Where the engine ends: both parameters and the loss."""
    rule = RULES[setting["optimizer"]]
    hp = {"lr": setting["lr"], "eps": 1e-6, "gamma": setting["memory"], "momentum": setting["momentum"]}
    hp = {h.name: hp[h.name] for h in rule.hyperparameters}
    problem = make_problem(f"ellipse-turned(angle={setting['angle']})")
    trace = train(Training(problem, rule, [0], setting["steps"], keep_path=True), hp)
    x1, x2 = trace.path[0, 0, -1].tolist()
    return x1, x2, float(trace.final_loss[0, 0])


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_fails_and_every_panel_is_seen(browser: Any, chapter_page: Path, width: int) -> None:
    browser.open(chapter_page, width)
    assert browser.complaints == []
    assert browser.broken_images() == []
    assert browser.run("return document.images.length") > 30


@pytest.mark.parametrize("width", [390, 768, 1280, 1920])
def test_nobody_scrolls_sideways_folded_tables_included(browser: Any, chapter_page: Path, width: int) -> None:
    browser.open(chapter_page, width)
    browser.run("for (const part of document.querySelectorAll('details')) part.open = true")
    assert browser.overflow() <= 0


def test_a_dark_page_is_dark_with_its_pictures(browser: Any, chapter_page: Path) -> None:
    dark = {"media": "", "features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.open(chapter_page)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    style = "const s = getComputedStyle(document.querySelector(arguments[0])); return [s.backgroundColor, s.filter]"
    assert browser.run(style, "body")[0] == "rgb(20, 24, 29)"
    assert browser.run(style, ".panels img")[1] == "invert(1) hue-rotate(180deg)"
    browser.run("for (const part of document.querySelectorAll('details')) part.open = true")
    firsts = """return [...document.querySelectorAll("section:not(#try)")]
        .map(part => part.querySelector(".panels img, .maps")).filter(image => image)"""
    shown = browser.run(firsts)
    assert len(shown) == 9
    for image in shown:
        browser.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", image)
        pixels = np.asarray(Image.open(BytesIO(image.screenshot_as_png)).convert("L"))
        assert pixels.mean() < 90, image.get_attribute("alt")
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def test_the_landscapes_of_the_chapter_answer_the_pointer(page: Any) -> None:
    said = """return [...document.querySelectorAll("#landscapes .map output")].map(out => out.textContent)"""
    point = "for (const map of arguments[0]) map.dispatchEvent(new PointerEvent('pointermove', {bubbles: true}))"
    page.run(point, page.run("return [...document.querySelectorAll('#landscapes .map canvas')]"))
    assert all("lr " in text for text in page.run(said))
    assert page.run("return document.querySelectorAll('#landscapes .map').length") > 0
    assert page.complaints == []


def test_words_on_a_phone_are_large_enough(browser: Any, chapter_page: Path) -> None:
    browser.open(chapter_page, 390)
    small = """return [...document.querySelectorAll("p, td, figcaption, li, summary, label, button")]
        .filter(e => parseFloat(getComputedStyle(e).fontSize) < 12).map(e => e.textContent)"""
    assert browser.run(small) == []


def test_the_explorer_begins_with_the_books_run_to_nine_digits(page: Any) -> None:
    read = page.run(READ)
    assert float(read["x1"]) == pytest.approx(-0.01059867213411372, abs=1e-12)
    assert float(read["x2"]) == pytest.approx(1.0362121337275157e-14, abs=1e-12)
    assert page.run(TEXT) == "RMSProp after 20 steps: x = (−0.010599, 0.000000), loss 1.123e-5."


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"optimizer": "gd"},
        {"optimizer": "gd", "angle": 30},
        {"optimizer": "momentum", "lr": 0.6, "momentum": 0.5},
        {"optimizer": "momentum", "lr": 0.6, "momentum": 0.25},
        {"optimizer": "adagrad"},
        {"optimizer": "adagrad", "lr": 2.0},
        {"optimizer": "rmsprop-corrected", "memory": 0.99},
        {"angle": 45, "steps": 50},
        {"steps": 1000},
        {"memory": 0.0, "steps": 7},
        {"memory": 1.0, "lr": 4e-4},
    ],
    ids=str,
)
def test_the_explorer_trains_as_the_engine_does(page: Any, change: dict[str, Any]) -> None:
    setting = {**BOOK, **change}
    page.run(SETTING, setting)
    read = page.run(READ)
    # sums are grouped alike; 1e-9 leaves room for the rounding of cos and of the chaotic first steps at gamma 0
    assert [float(read[key]) for key in ("x1", "x2", "loss")] == pytest.approx(trained(setting), rel=1e-9, abs=1e-9)
    assert read["finished"] == "true"


PRESS = """[...document.querySelectorAll("#explorer [data-set]")]
    .find(button => button.textContent.startsWith(arguments[0])).click()"""


def test_the_button_of_exercise_2_shows_the_exercises_own_function_as_the_engine_trains_it(page: Any) -> None:
    page.run(PRESS, "exercise 2")
    hp = {"lr": BOOK["lr"], "gamma": BOOK["memory"], "eps": 1e-6}
    trace = train(Training(make_problem("ellipse-rotated"), RULES["rmsprop"], [0], BOOK["steps"], keep_path=True), hp)
    read = page.run(READ)
    expected = [*trace.path[0, 0, -1].tolist(), float(trace.final_loss[0, 0])]
    # 1e-9 as above: one turns the ellipse by cos 45°, the other squares sums
    assert [float(read[key]) for key in ("x1", "x2", "loss")] == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert page.run(TEXT).startswith("RMSProp on f turned by 45° and twice as steep after 20 steps: ")
    assert page.run(TEXT).endswith("loss 0.3393.")


def test_what_is_shown_is_said_until_another_button_is_pressed(page: Any) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    page.run(PRESS, "exercise 2")
    page.driver.find_element(By.ID, "slide-lr").send_keys(Keys.ARROW_RIGHT * 30)
    assert page.run(TEXT).startswith("RMSProp on f turned by 45° and twice as steep after 20 steps: ")
    page.driver.find_element(By.ID, "slide-steep").send_keys(Keys.ARROW_RIGHT * 2)
    assert page.run(TEXT).startswith("RMSProp on f turned by 45° and 2.1 times as steep after 20 steps: ")
    page.run(PRESS, "the book's run")
    assert page.run(TEXT) == "RMSProp after 20 steps: x = (−0.010599, 0.000000), loss 1.123e-5."
    page.run(SETTING, {**BOOK, "steep": 0.5})
    assert page.run(TEXT).startswith("RMSProp on f 0.5 times as steep after 20 steps: ")


def test_a_run_that_leaves_for_infinity_says_so(page: Any) -> None:
    page.run(SETTING, {**BOOK, "memory": 1})
    assert "diverges: it leaves for infinity at step" in page.run(TEXT)
    assert page.complaints == []


def test_sliders_move_the_path_with_the_keyboard(page: Any) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    for name in ("lr", "memory", "steps", "angle"):
        before, text = page.run(PATH), page.run(TEXT)
        slider = page.driver.find_element(By.ID, f"slide-{name}")
        slider.send_keys(Keys.ARROW_RIGHT * 30)
        assert page.run(PATH) != before, name
        assert page.run(TEXT) != text, name
    assert page.driver.find_element(By.ID, "slide-lr").get_attribute("aria-valuetext") == "0.79"


def test_every_control_has_a_name_and_buttons_set_all_of_them(page: Any) -> None:
    unnamed = """return [...document.querySelectorAll("#explorer input, #explorer select")]
        .filter(e => !(e.labels.length || e.getAttribute("aria-label"))).length"""
    assert page.run(unnamed) == 0
    for button in page.run("return [...document.querySelectorAll('#explorer [data-set]')]"):
        values = json.loads(button.get_attribute("data-set"))
        page.run("arguments[0].click()", button)
        assert int(page.run(READ)["steps"]) == values["steps"]
        assert page.run("return document.querySelector('#explorer select').value") == values["optimizer"]


@pytest.mark.parametrize(("typed", "held"), [("-3", "0"), ("", "0.4"), ("1e9", "1000")])
def test_a_value_that_makes_no_sense_is_held_to_its_range(page: Any, typed: str, held: str) -> None:
    page.run(SETTING, {**BOOK, "lr": typed})
    assert page.run("return document.querySelector('[data-control=lr] [type=number]').value") == held


def test_without_javascript_the_figure_of_the_record_remains(browser: Any, chapter_page: Path) -> None:
    browser.open(chapter_page, scripts=False)
    source = browser.driver.page_source
    browser.open(chapter_page)
    assert "The controls need JavaScript; the figure shows the run of the record." in source
    assert "x = (−0.010599, 0.000000)" in source


def test_on_paper_nothing_is_cut_and_folded_parts_are_open(browser: Any, chapter_page: Path) -> None:
    browser.open(chapter_page, A4, paper=True)
    hidden = """return [...document.querySelectorAll("details p, details td, details dd")]
        .filter(e => !e.checkVisibility({contentVisibilityAuto: true}) || !e.getBoundingClientRect().height).length"""
    cut = """return [...document.querySelectorAll("img, table, p, svg")]
        .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
    assert browser.run(hidden) == 0
    assert browser.run(cut) == []
    assert browser.run("return getComputedStyle(document.querySelector('form')).display") == "none"


def test_paper_holds_the_maps_once_and_rows_of_panels_that_part_between_sheets(
    browser: Any, chapter_page: Path
) -> None:
    browser.open(chapter_page, A4, paper=True)
    assert browser.run("return getComputedStyle(document.querySelector('.live .maps')).display") == "none"
    assert browser.run("return document.querySelector('#landscapes .plate img').getBoundingClientRect().height") > 0
    # a grid whose rows part draws a picture over the text that follows: panels are words of a paragraph
    places = """return [...document.querySelectorAll(".panels")].map(all => [getComputedStyle(all).display,
        ...[...all.children].slice(0, 2).map(panel => panel.getBoundingClientRect().bottom)])"""
    for display, *bottoms in browser.run(places):
        assert display == "block"
        assert max(bottoms) - min(bottoms) < 1, "two panels a row"


def test_the_page_prints_on_a_sensible_number_of_pages(page: Any) -> None:
    assert 10 <= page.pdf_pages() <= 45
