"""What axe-core, a checker of accessibility, finds in the pages: nothing; light and dark, on a desk and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

WHOLE = """
    for (const part of document.querySelectorAll("details")) part.open = true;
    for (const part of document.querySelectorAll("main > section")) part.style.contentVisibility = "visible";"""
"""Nothing is folded, and nothing waits for the reader to come near."""

RUN = """
    const done = arguments[0];
    axe.run(document, {resultTypes: ["violations"]}).then(({violations, passes}) => done([
        violations.flatMap(({id, nodes}) => nodes.map(node => [id, node.target.join(" "), node.failureSummary])),
        passes.map(({id}) => id)]));"""


@pytest.fixture(scope="module")
def axe() -> str:
    package = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["desk", "phone"])
def reader(browser: Any, request: pytest.FixtureRequest) -> Iterator[tuple[Any, int]]:
    width, scheme = request.param
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.open("about:blank", width)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen", "features": [feature]})
    yield browser, width
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


@pytest.mark.parametrize("name", ["index.html", "chapter.html"])
def test_axe_finds_nothing_to_mend(axe: str, reader: tuple[Any, int], chapter_page: Path, name: str) -> None:
    browser, width = reader
    browser.driver.get(chapter_page.with_name(name).resolve().as_uri())
    assert browser.run("return innerWidth") == width
    browser.run(WHOLE)
    browser.run(axe)
    browser.driver.set_script_timeout(100)
    violations, passed = browser.driver.execute_async_script(RUN)
    assert violations == []
    assert {"color-contrast", "heading-order", "aria-allowed-attr"} <= set(passed)  # it has looked
