"""Output goes to any terminal, file or pipe, and shells complete names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import CompletionItem

import benchmarks
from benchmarks.cli.complete import completing
from benchmarks.cli.main import cli

ROOT = Path(benchmarks.__file__).parents[1]


def printed(words: list[str], **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "benchmarks", *words]
    return subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, capture_output=True, check=False
    )


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "cp437"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}],
    ids=["ascii", "cp437", "C"],
)
def test_no_encoding_ends_in_a_traceback(environment: dict[str, str]) -> None:
    said = printed(["landscape", "--help"], **environment)
    assert said.returncode == 0, said.stderr
    assert b"Traceback" not in said.stderr


def test_what_an_encoding_does_not_have_is_spelled() -> None:
    code = "from benchmarks.cli.plain import encode_anything; encode_anything(); print('γ × ½ Σ xᵢ² ≤ 1 … é 漢')"
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert said.stdout.decode("ascii").strip() == "gamma x 1/2 sum xi^2 <= 1 ... e ?"


def completed(words: str, kind: str, *, several: bool = False) -> list[str]:
    found: list[CompletionItem] = completing(kind, several=several)(click.Context(cli), cli.params[0], words)
    return [item.value for item in found]


def test_names_are_completed() -> None:
    assert completed("rosenb", "problems") == ["rosenbrock", "rosenbrock-noisy", "rosenbrock-chained"]
    assert completed("sgd,rmsprop-t", "optimizers", several=True)[0].startswith("sgd,rmsprop-t")
    assert "cosine" in completed("", "schedules")
    assert completed("smo", "suites") == ["smoke"]


def test_what_is_no_name_may_be_a_file() -> None:
    (item,) = completing("suites")(click.Context(cli), cli.params[0], "./mine")
    assert item.type == "file"


@pytest.mark.parametrize("command", ["run", "tune", "landscape", "show", "check"])
def test_every_command_that_takes_a_name_completes_it(command: str) -> None:
    context = click.Context(cli.commands[command])
    first = next(each for each in cli.commands[command].params if isinstance(each, click.Argument))
    assert any(item.value.startswith("s") for item in first.shell_complete(context, "s"))
