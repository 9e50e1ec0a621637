"""The page for maintainers names every room there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def named(folder: str) -> list[str]:
    """The rooms in the table of ``folder``, from top to bottom."""
    table = PAGE.partition(f"| room of `{folder}` |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


def layers(folder: str) -> list[str]:
    """The rooms in the import contract of ``folder``, from top to bottom."""
    contracts = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(rf'containers = \["{folder}"\]\nlayers = \[(.*?)\]', contracts, re.DOTALL)
    assert listed, folder
    return re.findall(r"\w+", listed[1])


@pytest.mark.parametrize("folder", ["benchmarks", "analysis"])
def test_every_room_stands_on_the_page_in_the_order_of_the_import_contract(folder: str) -> None:
    rooms = {place.name for place in (ROOT / folder).iterdir() if (place / "__init__.py").is_file()}
    assert set(named(folder)) == rooms
    assert named(folder) == [layer for layer in layers(folder) if layer in rooms]


def test_whatever_the_page_points_to_is_there() -> None:
    for text in re.findall(r"`([\w/]+\.(?:py|md)|[\w/]+/)`", PAGE):
        places = [ROOT / text, *(ROOT / part / text for part in ("benchmarks", "analysis", "docs"))]
        places += [ROOT / "analysis" / "record" / text, ROOT / "benchmarks" / "running" / text]
        assert any(place.exists() for place in places), text
