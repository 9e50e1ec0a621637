"""The command as tests call it, and a suite that takes a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.cli.main import main

TINY = """
name = "tiny"
problems = ["ellipse"]
optimizers = ["sgd"]
[tuning]
trials = 4
[landscape]
grid = "4x3"
"""


@pytest.fixture(scope="session")
def tiny() -> str:
    """The text of a suite of one cell."""
    return TINY


@pytest.fixture(scope="session")
def call() -> Callable[..., int]:
    """Return a function that runs the command with the words it is given and returns the exit code."""

    def run(*arguments: str | Path) -> int:
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        return int(left.value.code or 0)

    return run
