"""The simulations run, and say of a small sample what the protocol says of a large one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.suite.suite import Suite

HERE = Path(__file__).parent


@pytest.mark.slow
def test_intervals_cover_what_they_state_and_copies_are_rarely_told_apart() -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "coverage.py"), "--repeats", "100"], capture_output=True, text=True, check=True
    )
    stated = re.findall(r"(\d+) seeds  stated ([\d.]+)%  (.*)", done.stdout)
    assert len(stated) == 5
    for _, promised, measured in stated:
        for share in re.findall(r"([\d.]+)%", measured):
            assert float(share) >= float(promised) - 13  # three standard errors of 100 draws
    told = re.findall(r"studies  [a-z].*?  none ([\d.]+)%  shared ([\d.]+)%  own ([\d.]+)%", done.stdout)
    assert len(told) == 15
    assert all(float(share) <= 5 + 6.6 for shares in told for share in shares)


def test_the_suite_that_copies_are_dealt_from_is_one() -> None:
    suite = Suite.load(HERE / "same_optimizer.toml")
    assert suite.tuning.studies >= 20
