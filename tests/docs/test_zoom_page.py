"""The page of zooms: its commands exist, and what it says of the measure is what the code does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from analysis.measures.fractal import FACTOR, LARGEST, boundary_cells, box_dimension
from benchmarks.cli.main import cli
from benchmarks.tuning.zoom import LAST, SPACINGS

PAGE = (Path(__file__).parents[2] / "docs" / "zoom.md").read_text(encoding="utf-8")
SLOPES = np.linspace(0, 1, 21)


@pytest.mark.parametrize("command", re.findall(r"^\$ stepscape (.*?) *(?:#.*)?$", PAGE, re.MULTILINE))
def test_every_command_exists_with_its_options(command: str) -> None:
    name, *words = shlex.split(command)
    cli.commands[name].make_context("stepscape", words)


def test_the_numbers_of_the_measure_are_those_of_the_code() -> None:
    assert f"the mean of the last {LAST} losses" in PAGE
    assert f"fewer than {SPACINGS} floating-point numbers apart" in PAGE
    assert {10: "a tenth as wide"}[FACTOR] in PAGE
    assert {4: "up to a quarter of the side"}[LARGEST] in PAGE


def test_coin_tosses_read_as_the_page_says() -> None:
    tosses = np.random.default_rng(0).random((129, 129)) < 0.5
    found = box_dimension(boundary_cells(tosses))
    assert f"coin tosses has dimension {found:.2f} at 128 cells a side" in PAGE


def test_a_straight_line_reads_as_the_page_says() -> None:
    for cells in (32, 256):
        side = np.arange(cells + 1) - cells / 2
        lines = [side[:, None] < slope * side + cells * off for slope in SLOPES for off in (0.0, 0.05, 0.1, 0.15, 0.2)]
        found = [box_dimension(boundary_cells(line)) for line in lines]
        assert f"{min(found):.2f} to {max(found):.2f} at {cells} cells" in PAGE
