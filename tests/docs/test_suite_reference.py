"""The reference of suites: every key stands there with its default, and its example can be run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from analysis.measures import comparison, profiles
from analysis.statistics import bootstrap as statistics
from analysis.statistics import resamples
from benchmarks.running.prepare import prepare
from benchmarks.suite import settings as known
from benchmarks.suite.settings import CellOverrides
from benchmarks.suite.suite import Suite

PAGE = (Path(__file__).parents[2] / "docs" / "suites.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
TABLES = {"problem", "optimizer", "cell", "exhibit", "tuning", "test", "landscape"}  # told in sections of their own
SUITE = Suite(name="any", problems=["ellipse"], optimizers=["sgd"])


def rows(section: str) -> dict[str, str]:
    """The keys of the section's table and their defaults as written."""
    found: dict[str, str] = {}
    for keys, default in re.findall(r"^\| (`.*?) \| (.*?) \|", SECTIONS[section], re.MULTILINE):
        found |= dict.fromkeys(re.findall(r"`([\w.]+)`", keys), default)
    return found


@pytest.mark.parametrize(
    ("section", "prefix", "settings"),
    [
        ("The suite", "", SUITE),
        ("`[tuning]`", "", known.Tuning()),
        ("`[test]` and `[landscape]`", "test.", known.Test()),
        ("`[test]` and `[landscape]`", "landscape.", known.Landscape()),
    ],
    ids=["suite", "tuning", "test", "landscape"],
)
def test_every_key_stands_in_the_reference_with_its_default(section: str, prefix: str, settings: BaseModel) -> None:
    written = {key.removeprefix(prefix): text for key, text in rows(section).items() if key.startswith(prefix)}
    assert set(written) == set(type(settings).model_fields) - (TABLES if settings is SUITE else set())
    for key, text in written.items():
        if re.fullmatch(r"`.*`", text):
            given = {key: json.loads(text.strip("`"))}
            base = SUITE.model_dump(include={"name", "problems", "optimizers"}) if settings is SUITE else {}
            assert getattr(type(settings)(**base, **given), key) == getattr(settings, key), key


def test_every_key_of_an_override_stands_in_the_reference() -> None:
    assert set(rows("What changes for some cells")) == set(CellOverrides.model_fields)


def test_the_example_of_the_reference_can_be_run() -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    cells = [prepare(plan) for plan in Suite.parse(text, "suites.md").cells()]
    assert [cell.plan.tuning.sampler for cell in cells].count("random") == 2


def test_the_numbers_of_the_protocol_are_those_of_the_code() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8").split())
    tuning, test, landscape = known.Tuning(), known.Test(), known.Landscape()
    assert f"tuned by {tuning.studies} independent Optuna studies" in page
    assert f"of every further study {tuning.seeds_of(1)[0] - tuning.seeds[0]:,} higher" in page
    assert f"{tuning.trials} trials, TPE, asked in blocks of {tuning.block}" in page
    for seeds in (tuning.seeds, test.seeds):
        assert f"{seeds[0]} … {seeds[-1]}" in page
    assert " and ".join(map(str, landscape.seeds)) in page
    assert f"Intervals** are {statistics.LEVEL:.0%} unless another share stands beside them" in page
    shares = [f"{statistics.covered(seeds):.0%}" for seeds in (10, 5, 3)]
    assert "({} of ten seeds, {} of five, {} of three)".format(*shares) in page
    assert f"more than {statistics.covered(3):.0%}, of four {statistics.covered(4):.0%}," in page
    assert f"medians {resamples.SEEDS}," in page
    assert f"ranks, pairs and comparisons {resamples.CONTENDERS}" in page
    assert f"landscapes, budgets and profiles {resamples.GRID}, win probabilities {resamples.WINS}" in page
    assert f"Level {statistics.ALPHA:.0%}" in page
    assert f"within seeds, {comparison.PERMUTATIONS} times" in page
    assert f"over {profiles.TARGETS} targets" in page
    assert f"at {SUITE.evaluations} even steps" in page
