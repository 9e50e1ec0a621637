"""Every rule of the explorer on every function is the engine's; starts, addresses and pictures follow the reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.engine.training import Training, train
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from optimizers.rmsprop import RMSProp

pytestmark = pytest.mark.browser

LRS = {"ellipse": 0.1, "rosenbrock": 5e-4, "beale": 5e-3, "himmelblau": 5e-3, "styblinski-tang": 5e-3, "saddle": 0.05}
"""A rate a function at which no rule is chaotic."""
RULES: dict[str, Any] = {
    "gd": OPTIMIZERS["sgd"].rule,
    "rmsprop-corrected": RMSProp(corrected=True),
    **{name: OPTIMIZERS[name].rule for name in ("momentum", "adagrad", "rmsprop", "rmsprop-centered")},
    **{name: OPTIMIZERS[name].rule for name in ("rmsprop-momentum", "adam")},
}
EPS = {"rmsprop-centered": 1e-8, "rmsprop-momentum": 1e-8, "adam": 1e-8}

OPEN = """
location.hash = "#try&" + new URLSearchParams(arguments[0]);
dispatchEvent(new HashChangeEvent("hashchange"));
const part = name => document.querySelector(`[data-part=${name}]`);
return [{...part("readout").dataset}, part("readout").textContent, part("more").textContent]
"""
FRAME = {"memory": 0.9, "momentum": 0.5, "steps": 20, "angle": 0, "steep": 1, "log": 0}


@pytest.fixture
def page(browser: Any, chapter_page: Path) -> Any:
    browser.open(chapter_page)
    return browser


@pytest.mark.parametrize("optimizer", RULES)
def test_every_rule_on_every_function_is_the_engines(page: Any, optimizer: str) -> None:
    rule = RULES[optimizer]
    for function, lr in LRS.items():
        read = page.run(OPEN, {**FRAME, "function": function, "optimizer": optimizer, "lr": lr})[0]
        values = {"lr": lr, "eps": EPS.get(optimizer, 1e-6), "gamma": 0.9, "momentum": 0.5, "beta1": 0.5, "beta2": 0.9}
        hp = {h.name: values[h.name] for h in rule.hyperparameters}
        trace = train(Training(make_problem(function), rule, [0], 20, keep_path=True), hp)
        expected = [*trace.path[0, 0, -1].tolist(), float(trace.final_loss[0, 0])]
        # autograd adds the terms of a gradient in an order of its own: a rounding a step
        assert [float(read[key]) for key in ("x1", "x2", "loss")] == pytest.approx(expected, rel=1e-11, abs=1e-12), (
            function
        )
    assert page.complaints == []


def test_an_address_opens_its_run_and_holds_what_makes_no_sense(page: Any) -> None:
    read, text, _ = page.run(OPEN, {"function": "saddle", "optimizer": "adam", "lr": "1e9", "steps": "-4", "x1": "0.5"})
    assert text.startswith("Adam on a saddle after 1 step: ")
    assert page.run("return document.querySelector('[data-control=lr] [type=number]').value") == "1000"
    assert page.run("return document.querySelector('[data-part=start-x1]').value") == "0.5"
    before = page.run(OPEN, {"function": "no such", "optimizer": "none", "lr": "fast"})[1]
    assert before == text
    assert read["finished"] == "true"


def test_the_start_is_moved_by_pointer_and_keys_and_kept_in_the_address(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    point = """const r = document.querySelector(".plane").getBoundingClientRect();
        document.querySelector(".plane").dispatchEvent(new MouseEvent("click",
            {clientX: r.x + r.width / 2, clientY: r.y + r.height / 4, bubbles: true}));
        return ["start-x1", "start-x2"].map(name => Number(document.querySelector(`[data-part=${name}]`).value))"""
    x1, x2 = page.run(point)
    assert (x1, x2) == pytest.approx((-1.5, 1.4), abs=0.02)  # a pixel is 0.014
    dot = page.driver.find_element("css selector", "[data-part=start]")
    page.run("arguments[0].focus()", dot)
    dot.send_keys(Keys.ARROW_RIGHT)
    assert dot.get_attribute("aria-valuetext") == f"x₁ {x1 + 0.14:.3f}, x₂ {x2:.3f}"
    page.driver.execute_async_script("setTimeout(arguments[0], 400)")
    assert f"x1={x1 + 0.14:.3f}".rstrip("0") in page.driver.current_url
    assert f"x2={x2}" in page.driver.current_url
    assert page.complaints == []


def test_a_path_that_leaves_the_picture_is_marked_where_and_whither(page: Any) -> None:
    more = page.run(OPEN, {**FRAME, "function": "ellipse", "optimizer": "gd", "lr": 0.7, "steps": 1})[2]
    turns = page.run("return [...document.querySelectorAll('.leaves path')].map(p => p.getAttribute('transform'))")
    assert "The path leaves the picture at step 1." in more
    assert len(turns) == 1  # upwards: from (-5, -2) to (-4.3, 3.6)
    x, y = (float(part) for part in turns[0].split("(")[1].split(")")[0].split())
    assert 0 <= x <= 600
    assert y == pytest.approx(0, abs=0.1)
    assert float(turns[0].split("rotate(")[1].rstrip(")")) == pytest.approx(-82.9, abs=0.1)


def test_the_axis_of_losses_fits_the_run_and_steps_can_be_logarithmic(page: Any) -> None:
    page.run(OPEN, {**FRAME, "function": "rosenbrock", "optimizer": "gd", "lr": 0.001, "log": 1})
    ticks = page.run("return [...document.querySelectorAll('[data-part=loss-ticks] text')].map(t => t.textContent)")
    assert ticks == ["1e2", "1e1", "1e0"]
    assert page.run("return document.querySelector('[data-part=loss-axis]').textContent") == "step, logarithmic"


def test_on_a_phone_both_pictures_stand_before_the_controls(browser: Any, chapter_page: Path) -> None:
    browser.open(chapter_page, 390)
    tops = """return [...document.querySelectorAll("#explorer .plane, #explorer .losses, #explorer .knobs")]
        .map(part => [part.getBoundingClientRect().top, part.classList[0]]).sort((a, b) => a[0] - b[0])"""
    assert [name for _, name in browser.run(tops)] == ["plane", "losses", "knobs"]
