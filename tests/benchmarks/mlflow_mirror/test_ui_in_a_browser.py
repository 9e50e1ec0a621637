"""MLflow's pages of a mirrored record, seen as its user sees them; each leaves a picture for people to look at."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from benchmarks.mlflow_mirror.database import Database
from benchmarks.mlflow_mirror.store import default_uri
from benchmarks.mlflow_mirror.tracker import Tracker
from benchmarks.mlflow_mirror.ui import serving

pytestmark = pytest.mark.browser

TRAINING = "workflowType=machine_learning"
PATIENCE = 60.0
"""Seconds until a page must show what it is to show: two busy cores need twenty."""

CLOSE = """for (const button of document.querySelectorAll("[aria-label*='lose']")) {
               const {left, top} = button.getBoundingClientRect()
               if (left > 1500 && top < 100) button.click()
           }"""
"""MLflow's Assistant takes a quarter of the first page, at its right, until it is closed."""


class Pages:
    """MLflow on the record of two optimizers: where its pages are, and what they show."""

    def __init__(self, browser: Any, url: str, folder: Path, pictures: Path) -> None:
        self.browser, self.url, self.pictures = browser, url, pictures
        self.site = url.partition("experiments/")[0]
        database = Database.known(folder / "mlflow.db")
        assert database
        experiment = database.experiment("toy")
        assert experiment
        self.experiment = f"experiments/{experiment.id}"
        self.cells = sorted(database.find(experiment, "role", "cell"), key=lambda run: database.tags(run)["order"])
        (self.report,) = database.find(experiment, "role", "report")

    def run(self, run: str, part: str = "") -> str:
        """The path of a run's page."""
        return f"{self.experiment}/runs/{run}{part}?{TRAINING}"

    def shows(self, name: str, path: str, *texts: str, height: int = 1200) -> str:
        """Go to the page at ``path``, wait until it shows ``texts``, leave its picture and give its text.

        Only the fragment changes, so that MLflow stays loaded: of ``texts``, one is on no other page.
        """
        self.browser.open(path if path.startswith("http") else self.site + path, 1600, height=height)
        give_up = time.monotonic() + PATIENCE
        while missing := [
            text for text in texts if text not in (shown := self.browser.run("return document.body.innerText"))
        ]:
            if time.monotonic() > give_up:
                self.picture(name)
                pytest.fail(f"{name} does not show {missing} but:\n{shown}")
            time.sleep(0.3)
        self.browser.run(CLOSE)
        time.sleep(0.7)  # what moves has come to rest
        self.picture(name)
        return str(shown)

    def picture(self, name: str) -> None:
        """Leave what is seen now as a file."""
        assert self.browser.driver.save_screenshot(self.pictures / f"mlflow-{name}.png")


@pytest.fixture(scope="module")
def pages(browser: Any, builder: Any, empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    record = builder.record(tmp_path_factory.mktemp("shown") / "toy")
    shutil.copy(empty_store, record.path / "mlflow.db")
    tracker = Tracker(default_uri(record.path), "toy", record.path, children=1)
    for cell in record:
        tracker.log_cell(cell)
    (record.path / "report").mkdir()
    (record.path / "report" / "index.html").write_text("<h1>What was found on toy</h1>", encoding="utf-8")
    tracker.log_report(record.path)
    pictures = Path(os.environ.get("STEPSCAPE_PICTURES") or tmp_path_factory.mktemp("pictures"))
    pictures.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with serving(record.path, port) as (url, _):
        yield Pages(browser, url, record.path, pictures)


def test_the_printed_address_shows_the_cells_with_their_results(pages: Pages) -> None:
    shown = pages.shows("table", pages.url, "sgd on toy", "rmsprop on toy", "result/gap_tuned")
    assert "2 matching runs" in shown


def test_the_view_of_trials_shows_trials(pages: Pages) -> None:
    shown = pages.shows("trials", pages.url.replace("=cells", "=trials"), "objective", "trial ")
    assert "sgd on toy" not in shown


def test_charts_begin_with_the_gaps_by_step(pages: Pages) -> None:
    shown = pages.shows("charts", f"{pages.url}&compareRunsMode=CHART", "gap/tuned", "log10_gap", height=1600)
    assert shown.index("gap/default") < shown.index("gap/tuned") < shown.index("log10_gap")


def test_a_comparison_of_two_cells_opens_with_the_logarithm_of_the_tuned_gap(pages: Pages) -> None:
    runs, experiments = quote(json.dumps(pages.cells)), quote(json.dumps([pages.experiment.partition("/")[2]]))
    path = f"compare-runs?runs={runs}&experiments={experiments}&{TRAINING}"
    shown = pages.shows("compare", path, "Comparing 2 Runs", "log10_gap/tuned", "log10_lr", height=2000)
    assert shown.index("log10_gap/tuned") < shown.index("Run details")


def test_a_cells_page_tells_its_result_and_its_dataset_and_leads_to_the_report(pages: Pages) -> None:
    shown = pages.shows(
        "run",
        pages.run(pages.cells[0]),
        "Median gap to the floor after 40 steps on test seeds",
        "Datasets",
        height=1600,
    )
    assert "toy (f00dcafef00dcafe)" in shown
    links = pages.browser.run("return [...document.querySelectorAll('a')].map(a => a.href)")
    assert pages.site + pages.run(pages.report, "/artifacts/report/index.html") in links


def test_a_cells_metrics_are_curves(pages: Pages) -> None:
    pages.shows(
        "metrics",
        pages.run(pages.cells[0], "/model-metrics"),
        "Auto-refresh",
        "tuned_low",
        "tuned_high",
        "log10_gap",
        height=1600,
    )


def test_a_cells_artifacts_are_its_overview_its_trials_and_the_record(pages: Pages) -> None:
    path = pages.run(pages.cells[0], "/artifacts/overview.png")
    pages.shows("artifacts", path, "overview.png", "trials.json", "record")


def test_the_report_is_shown_within_mlflow(pages: Pages) -> None:
    from selenium.webdriver.support import expected_conditions
    from selenium.webdriver.support.ui import WebDriverWait

    path = pages.run(pages.report, "/artifacts/report/index.html")
    pages.shows("report", path, "report/index.html")
    wait, at = WebDriverWait(pages.browser.driver, PATIENCE), ("tag name", "h1")
    try:
        wait.until(expected_conditions.frame_to_be_available_and_switch_to_it(("tag name", "iframe")))
        wait.until(expected_conditions.text_to_be_present_in_element(at, "What was found on toy"))
    finally:
        pages.browser.driver.switch_to.default_content()
    pages.picture("report")
