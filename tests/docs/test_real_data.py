"""The page on real data: its problems, floors, lines and sizes are what the problems say of themselves."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from benchmarks.naming.registry import PROBLEMS, make_problem

PAGE = (Path(__file__).parents[2] / "docs" / "real-data.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `([\w-]+)` \| .*? \| (.*?) \|", PAGE, re.MULTILINE))


def test_every_problem_that_needs_a_package_of_the_extra_stands_on_the_page() -> None:
    assert {spec.name for spec in PROBLEMS.loaded if "data" in spec.build().tags} <= set(ROWS)
    assert len(ROWS) == PAGE.count("\n| `")


@pytest.mark.parametrize("name", ROWS)
def test_the_floor_or_the_line_on_the_page_is_the_problems(name: str) -> None:
    kind, number = re.match(r"(floor|line).*?(\d+\.\d+)", ROWS[name]).groups()
    stated = PROBLEMS[name].floor if kind == "floor" else make_problem(name).target
    assert f"{stated:.6g}"[: len(number) - 1] == number[:-1]
    assert stated == pytest.approx(float(number), rel=1e-3)


def test_its_suite_names_problems_that_there_are() -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    made = [make_problem(name) for name in tomllib.loads(block)["problems"]]
    assert [problem.dim for problem in made] == [*sorted(problem.dim for problem in made[:3]), made[3].dim]
