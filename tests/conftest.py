"""What all tests share; a headless Chromium, driven by selenium: who needs it is skipped where either is missing."""

from __future__ import annotations

import base64
import gc
import io
import re
import shutil
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update")  # fmt: skip


def pytest_configure() -> None:
    """What is started in the background ignores Ctrl-C, as its children do; tests that press it mean those in front."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collectstart() -> None:
    """While all is imported and ten thousand tests are made nothing is to be freed, and looking takes a third of it."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.enable()


class Browser:
    """One tab, as a reader sees it: a page opened at a width, what it says, and how it prints."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(
        self, page: Path | str, width: int = 1280, *, height: int = 844, scripts: bool = True, paper: bool = False
    ) -> None:
        """Open a file or an address at ``width`` pixels, as a phone where that is narrow, or laid out on ``paper``."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print" if paper else ""})
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
        self.driver.get(page.resolve().as_uri() if isinstance(page, Path) else page)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript in the page; ``return`` gives its value."""
        return self.driver.execute_script(script, *arguments)

    @property
    def complaints(self) -> list[str]:
        """What the console holds since it was last asked: errors, warnings, failed requests."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def broken_images(self) -> list[str]:
        """Names of images that were not drawn."""
        return self.run("return [...document.images].filter(i => !(i.complete && i.naturalWidth)).map(i => i.alt)")

    def overflow(self) -> int:
        """Pixels by which the page is wider than the screen."""
        return self.run("return document.documentElement.scrollWidth - innerWidth")

    def pdf_pages(self) -> int:
        """Number of pages on paper."""
        made = self.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True})
        return len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(made["data"])))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Kernels are kept where all test processes of a run find them, and never in the user's own folder."""
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if folder.name.startswith("popen-") else folder  # the processes of pytest-xdist
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEPSCAPE_CACHE", str(shared / "cache"))
        yield


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in a worker: on a busy machine two threads of torch take many times as long."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def empty_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of reports are made, but an empty one is drawn in their place: that is most of the time."""
    from matplotlib.figure import Figure

    empty = io.BytesIO()
    Figure(figsize=(1, 1)).savefig(empty, format="svg", metadata={"Date": None})
    monkeypatch.setattr("analysis.figures.style._saved", lambda *_, **__: empty.getvalue())


@pytest.fixture(scope="session")
def made_up_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small files with the columns of those that the packages of the extra ``[data]`` ship."""
    import numpy as np

    from problems.diamonds import GRADES

    folder = tmp_path_factory.mktemp("tables")
    draw = np.random.default_rng(0)
    pupils = draw.integers(50, 900, 96)
    tables = {
        "randhie.csv": np.column_stack([draw.poisson(3, 96), draw.uniform(0, 8, (96, 9))]),
        "star98.csv": np.column_stack([pupils, draw.binomial(pupils, 0.2), draw.uniform(0, 90, (96, 20))]),
    }
    for name, table in tables.items():
        np.savetxt(folder / name, table, delimiter=",", header="the names of the columns", comments="")
    grades = ([draw.choice(grades) for grades in GRADES.values()] for _ in range(96))
    (folder / "diamonds.csv").write_text(
        "\n".join(
            ["cut,color,clarity,carat,price,depth,table,x,y,z"]
            + [",".join([*row, *map(str, draw.uniform(1, 9, 7))]) for row in grades]
        )
    )
    columns = ["year", "month", "day", "arr_delay", "carrier", "origin", "dest", "tailnum", "hour"]
    rows = (["2013", "1", *map(str, draw.integers(1, 29, 7))] for _ in range(6 * 96))
    with zipfile.ZipFile(folder / "flights.csv.zip", "w") as packed:
        packed.writestr("flights.csv", "\n".join(map(",".join, [columns, *rows])))
    return folder


@pytest.fixture
def tables_without_packages(monkeypatch: pytest.MonkeyPatch, made_up_tables: Path) -> Iterator[None]:
    """The tables of the extra ``[data]`` give way to others of the same columns, as long as the test runs."""
    from problems import diamonds, flights, glm

    for module in (glm, diamonds, flights):
        monkeypatch.setattr(module, "packaged", lambda package, place: made_up_tables / Path(place).name)
    for module in (diamonds, flights):
        monkeypatch.setattr(module, "ROWS", 80)
    caches = (diamonds.diamonds, diamonds._part, flights.flights, flights._part)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    from selenium.webdriver.chrome.service import Service

    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    chromedriver = shutil.which("chromedriver")
    if binary is None or chromedriver is None:
        pytest.skip("Chromium or its chromedriver is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    yield Browser(driver)
    driver.quit()
