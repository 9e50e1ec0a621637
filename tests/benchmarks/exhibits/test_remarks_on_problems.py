"""What a problem remarks on its own results stands where they are shown, and only where the instance remarks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.record.exhibits import Exhibit
from benchmarks.cli.listing import entries
from benchmarks.exhibits import EXHIBITS, make_question
from benchmarks.exhibits.memory import Memory
from benchmarks.naming.registry import described, make_problem
from benchmarks.record.folder import RecordFolder
from benchmarks.running.exhibit import run_exhibit
from benchmarks.suite.suite import Suite
from problems import Problem
from problems.data import AIRFOIL_FILE
from problems.regression import SURROGATE


class OnAirfoil(Memory):
    """A question that is answered at once, of a problem whose data need not be read."""

    def problems(self, data: Path | None) -> list[Problem]:
        return [make_problem("airfoil", data), make_problem("ellipse")]

    def fingerprint(self, data: Path | None) -> str:
        return f"on {data}"


@pytest.fixture(params=[False, True], ids=["surrogate", "file"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """No data folder, or one with a file of the right name."""
    if not request.param:
        return None
    (tmp_path / AIRFOIL_FILE).touch()
    return tmp_path


def test_the_description_that_a_record_holds_ends_with_the_remark(folder: Path | None) -> None:
    text = described(make_problem("airfoil", folder))
    assert text.startswith("the book's linear regression, batch 10, two epochs")
    assert text.endswith(f". {SURROGATE}") == (folder is None)
    assert ("surrogate" in text) == (folder is None)


def test_the_method_of_an_exhibit_ends_with_the_remark(folder: Path | None, tmp_path: Path) -> None:
    record = RecordFolder(tmp_path / "record")
    record.open(
        Suite.parse('name = "s"\nproblems = ["ellipse"]\noptimizers = ["sgd"]\nexhibits = ["memory"]\n', "test")
    )
    method = Exhibit.load(run_exhibit(OnAirfoil(), 0, record, folder)).info.method
    assert (method[-1] == f"airfoil: {SURROGATE}") == (folder is None)
    assert sum("surrogate" in sentence for sentence in method) == (folder is None)


def test_the_list_shows_the_remark_of_what_runs_without_a_data_folder() -> None:
    listed = {entry["name"]: entry["description"] for entry in entries("problems", exact=False)}
    assert listed["airfoil"].endswith(SURROGATE)
    assert [name for name, text in listed.items() if "surrogate" in text] == ["airfoil"]


@pytest.mark.parametrize("name", EXHIBITS)
def test_every_problem_with_a_remark_has_a_name_to_say_it_of(name: str) -> None:
    assert all(problem.name for problem in make_question(name, {}).problems(None) if problem.remark)
