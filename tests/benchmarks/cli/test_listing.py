"""What `stepscape list` says of problems: quickly, and the same as the problems themselves."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.cli import listing as catalog
from benchmarks.naming.registry import PROBLEMS, make_problem
from problems import Analytic, DataError, ProblemSpec

STATED = {spec.name: spec.floor for spec in PROBLEMS.loaded if spec.floor is not None}


@pytest.mark.slow
def test_problems_are_listed_without_loading_data() -> None:
    code = (
        "import sys\n"
        "from benchmarks.cli import listing as catalog\n"
        "listed = catalog.entries('problems', exact=False)\n"
        "assert len(listed) >= 50\n"
        "assert 'sklearn' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("name", STATED)
def test_a_floor_stated_for_lists_is_the_minimum_to_six_digits(name: str) -> None:
    try:
        minimum = make_problem(name).minimum
    except DataError as missing:  # of a package of the extra [data]
        assert "data" in make_problem(name).tags
        pytest.skip(str(missing))
    assert f"{minimum:.6g}" == f"{STATED[name]:.6g}"


class Unsolved(Analytic):
    """Its minimum cannot be computed."""

    def __init__(self) -> None:
        super().__init__(lambda x: x.sum(-1), (1.0,), minimum=None, steps=5)

    @property
    def minimum(self) -> float:
        raise ZeroDivisionError("no minimum")


def lost() -> Analytic:
    raise DataError("its file is gone")


def test_a_problem_that_fails_is_listed_with_its_error_among_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, build in (("own-unsolved", Unsolved), ("own-lost", lost)):
        monkeypatch.setitem(PROBLEMS._specs, name, ProblemSpec(name, build, "of this test", "this test"))
    listed = {entry["name"]: entry for entry in catalog.entries("problems", exact=False)}
    assert "facts raised ZeroDivisionError: no minimum (" in listed["own-unsolved"]["error"]
    assert "its file is gone" in listed["own-lost"]["error"]
    assert sum("error" in entry for entry in listed.values()) == 2


def test_a_problem_whose_package_is_missing_is_listed_with_the_floor_it_states(monkeypatch) -> None:
    def missing(package, place):
        raise DataError(f"{place} comes with the package {package}, which is not installed")

    monkeypatch.setattr("problems.glm.packaged", missing)
    for name in ("star98", "randhie"):
        assert catalog._problem(name, exact=True)["minimum"] == PROBLEMS[name].floor
