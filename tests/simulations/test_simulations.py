"""The simulations run, and say of a small sample what the protocol says of a large one."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.suite.suite import Suite

HERE = Path(__file__).parent


@pytest.mark.slow
def test_intervals_cover_what_they_state_and_copies_are_rarely_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    simulated = runpy.run_path(str(HERE / "coverage.py"))
    simulated["medians"](100)
    simulated["tests"](100)
    said = capsys.readouterr().out
    stated = re.findall(r"(\d+) seeds  stated ([\d.]+)%  (.*)", said)
    assert len(stated) == 5
    for _, promised, measured in stated:
        for share in re.findall(r"([\d.]+)%", measured):
            assert float(share) >= float(promised) - 13  # three standard errors of 100 draws
    told = re.findall(r"studies  [a-z].*?  none ([\d.]+)%  shared ([\d.]+)%  own ([\d.]+)%", said)
    assert len(told) == 15
    assert all(float(share) <= 5 + 6.6 for shares in told for share in shares)


@pytest.mark.slow
def test_every_table_of_the_simulation_is_made() -> None:
    command = [sys.executable, str(HERE / "coverage.py"), "--repeats", "4"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert len(re.findall(r"^[A-Z]", said, re.MULTILINE)) == 6
    assert "nan" not in said


def test_the_suite_that_copies_are_dealt_from_is_one() -> None:
    suite = Suite.load(HERE / "same_optimizer.toml")
    assert suite.tuning.studies >= 20
