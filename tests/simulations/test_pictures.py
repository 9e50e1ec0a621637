"""Every picture that README and docs show can be made anew by one command, and is small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pictures import MAKERS, main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = {
    (page.parent / picture).resolve()
    for page in PAGES
    for picture in re.findall(r"!\[[^\]]*\]\(([^)\s]+)", page.read_text(encoding="utf-8"))
}


def test_every_picture_that_is_shown_has_a_maker_and_every_maker_a_picture_that_is_shown() -> None:
    assert {ROOT / "docs" / name for name in MAKERS} == SHOWN


def test_no_picture_is_larger_than_300_kilobytes() -> None:
    assert {picture.name: size for picture in SHOWN if (size := picture.stat().st_size) > 300_000} == {}


def test_a_picture_that_is_not_there_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["reprot.png"])
    assert "no such picture: reprot.png" in capsys.readouterr().err
