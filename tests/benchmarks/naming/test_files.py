"""``FILE.py:OBJECT``: a problem or an optimizer in a file of one's own, by its path."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.errors import UsageError
from benchmarks.naming.registry import make_optimizer, make_problem

TRAIN = """
from neighbour import ROWS
import torch
from torch import nn
from problems.module import ModuleProblem

def make_problem(width=4):
    x = torch.linspace(-1, 1, ROWS).unsqueeze(-1)
    return ModuleProblem(lambda: nn.Linear(1, 1), nn.functional.mse_loss, (x, width * x), batch=4)

class Mine(torch.optim.SGD):
    "Mine."
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "neighbour.py").write_text("ROWS = 8\n")
    (tmp_path / "broken.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    return tmp_path


def test_a_problem_in_a_file_is_named_by_it_and_finds_its_neighbours(folder: Path) -> None:
    problem = make_problem("train.py:make_problem(width=3)")
    assert problem.name == "train.py:make_problem(width=3)"
    assert problem.dim == 2
    assert make_problem(f"{folder}/train.py:make_problem").dim == 2


def test_a_file_is_run_once(folder: Path) -> None:
    first, again = (make_optimizer("train.py:Mine").factory for _ in range(2))
    assert first is again


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("trian.py:make_problem", "there is no file trian.py"),
        ("train.py:make_probelm", "train.py defines no 'make_probelm', did you mean 'make_problem'"),
        ("broken.py:make_problem", "ZeroDivisionError: division by zero"),
    ],
)
def test_what_is_not_there_is_said(folder: Path, name: str, said: str) -> None:
    with pytest.raises(UsageError, match=f"cannot be imported: {said}"):
        make_problem(name)
