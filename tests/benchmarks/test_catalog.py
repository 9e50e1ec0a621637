"""What `stepscape list` says of problems: quickly, and the same as the problems themselves."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.registry import PROBLEMS, make_problem

STATED = {spec.name: spec.floor for spec in PROBLEMS.loaded if spec.floor is not None}


def test_problems_are_listed_without_loading_data() -> None:
    code = (
        "import sys\n"
        "from benchmarks import catalog\n"
        "listed = catalog.entries('problems', exact=False)\n"
        "assert len(listed) >= 50\n"
        "assert 'sklearn' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize("name", STATED)
def test_a_floor_stated_for_lists_is_the_minimum_to_six_digits(name: str) -> None:
    assert f"{make_problem(name).minimum:.6g}" == f"{STATED[name]:.6g}"
