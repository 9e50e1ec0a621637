"""The page on a model of one's own: its script, its commands and its lines of an ordinary loop are run, made small."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.cli.main import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "your-model.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^\$ stepscape (.*)$", PAGE, re.MULTILINE)
SMALL = {
    "tune": "--studies 1 --trials 2 --block 2 --seeds 1 --test-seeds 2 --steps 8 --no-tracking -j 1",
    "landscape": "--grid 2x2 --seeds 1 --steps 8 --no-tracking -j 1",
    "run": "--no-tracking -j 1",
    "check": "",
}
FEWER = (
    'steps = 8\n[tuning]\nstudies = 1\ntrials = 2\nblock = 2\nseeds = 1\n[test]\nseeds = 2\n[optimizer."torch:Muon"]'
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the files of the page."""
    for _, text in BLOCKS:
        if match := re.match(r"# (\S+\.\w+)\n", text):
            small = text.replace('[optimizer."torch:Muon"]', FEWER) if match[1].endswith("toml") else text
            with (tmp_path / match[1]).open("a", encoding="utf-8") as file:
                file.write(small)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def called(command: str) -> int:
    """The exit code of a command of the page, made small."""
    words = shlex.split(command.replace("--grid 16x8", ""))
    with pytest.raises(SystemExit) as left:
        main([*words, *shlex.split(SMALL[words[0]])])
    return int(left.value.code or 0)


@pytest.mark.slow
def test_the_commands_succeed_and_the_loop_takes_what_was_found(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in COMMANDS:
        assert called(command) == 0, command
    printed = capsys.readouterr().out
    assert "keeps running statistics" in printed
    loop = next(text for kind, text in BLOCKS if kind == "python" and not text.startswith("# "))
    names = {"make_model": lambda: torch.nn.Linear(2, 1)}
    exec(compile(loop, "docs/your-model.md", "exec"), names)
    optimizer = names["optimizer"]
    assert isinstance(optimizer, torch.optim.AdamW)
    assert optimizer.param_groups[0]["lr"] == names["best"]["setting"]["lr"]
